//! Puts the corpus to one server.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use simulator::stage::control_plane::{ADMIN, ControlPlane, User};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::{ApiServer, ServerConfig};
use simulator::world::run::World;

use crate::corpus::{Case, Corpus, Step};

/// Who else asks.
pub(crate) const USERS: [User; 2] = [
    User {
        name: "alice",
        groups: &["dev"],
    },
    User {
        name: "bob",
        groups: &["ops"],
    },
];

/// No request takes longer, a watch of two seconds included.
const PATIENCE: Duration = Duration::from_secs(15);
/// Cases at once.
const AT_ONCE: usize = 8;
/// Headers that clients act on.
const HEADERS: [&str; 6] = [
    "allow",
    "audit-id",
    "content-type",
    "location",
    "retry-after",
    "warning",
];

/// A server with a client for each user.
pub(crate) struct Server {
    clients: BTreeMap<&'static str, Client>,
}

impl Server {
    pub(crate) async fn real(plane: &ControlPlane) -> Result<Self> {
        let mut clients = BTreeMap::new();
        for user in std::iter::once(ADMIN).chain(USERS) {
            clients.insert(user.name, plane.client(user).await?);
        }
        Ok(Self { clients })
    }

    pub(crate) fn simulated() -> Self {
        let server = ApiServer::new(ServerConfig::new(World::new(1, 1.0)));
        let clients = std::iter::once(ADMIN).chain(USERS).map(|user| {
            // As kube-apiserver's own authenticators do it.
            let groups: Vec<&str> = user.groups.iter().copied().chain(["system:authenticated"]).collect();
            (user.name, server.client(UserInfo::new(user.name, &groups)))
        });
        Self {
            clients: clients.collect(),
        }
    }

    fn client(&self, step: &Step) -> Result<&Client> {
        let name = step.user.as_deref().unwrap_or(ADMIN.name);
        self.clients
            .get(name)
            .with_context(|| format!("there is no user {name}"))
    }
}

/// What a server said to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// The answers to each case, in the order of [`Corpus::cases`].
pub(crate) async fn all(server: &Server, corpus: &Corpus) -> Vec<Vec<Result<Answer>>> {
    let numbered = corpus.cases().enumerate().map(|(number, (file, case))| async move {
        let namespace = format!("{}-{number}", file.name);
        one(server, case, &namespace).await
    });
    futures::stream::iter(numbered).buffered(AT_ONCE).collect().await
}

/// The answers to one case.
pub(crate) async fn one(server: &Server, case: &Case, namespace: &str) -> Vec<Result<Answer>> {
    let mut kept = BTreeMap::from([("ns".to_owned(), namespace.to_owned())]);
    let made = Step {
        request: "POST /api/v1/namespaces".into(),
        body: Some(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } })),
        ..Step::default()
    };
    let mut answers = Vec::new();
    if let Err(error) = ask(server, &made, &mut kept).await {
        answers.extend(
            case.steps
                .iter()
                .map(|_| Err(anyhow::anyhow!("no namespace: {error:#}"))),
        );
        return answers;
    }
    for step in &case.steps {
        answers.push(ask(server, step, &mut kept).await);
    }
    answers
}

async fn ask(server: &Server, step: &Step, kept: &mut BTreeMap<String, String>) -> Result<Answer> {
    let line = filled(&step.request, kept);
    let (verb, path) = line.split_once(' ').context("a request is `VERB /path`")?;
    let mut request = Request::builder().method(verb).uri(path);
    for (name, value) in &step.headers {
        request = request.header(name, filled(value, kept));
    }
    let text = match (&step.text, &step.body) {
        (Some(text), _) => Some(filled(text, kept)),
        (None, Some(body)) => Some(filled(&body.to_string(), kept)),
        (None, None) => None,
    };
    if text.is_some() {
        request = request.header("content-type", content_type(step.content.as_deref()));
    }
    let request = request.body(text.unwrap_or_default().into_bytes())?;
    let (head, body) = request.into_parts();
    let client = server.client(step)?;
    let is_watch = line.contains("watch=") || line.contains("/watch/");
    let asked = async {
        loop {
            let again = Request::from_parts(head.clone(), Body::from(body.clone()));
            let answer = answer(client.send(again).await?, is_watch, step.until.as_deref()).await?;
            // A new kind takes its time on the real server, which says so until it is ready.
            if answer.body["message"] != "storage is (re)initializing" {
                return Ok::<_, anyhow::Error>(answer);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asked)
        .await
        .context("nothing came for too long")??;
    for (name, pointer) in &step.keep {
        let value = answer.body.pointer(pointer).unwrap_or(&Value::Null);
        kept.insert(
            name.clone(),
            value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        );
    }
    Ok(answer)
}

fn content_type(short: Option<&str>) -> &str {
    match short {
        None => "application/json",
        Some("merge") => "application/merge-patch+json",
        Some("strategic") => "application/strategic-merge-patch+json",
        Some("apply") => "application/apply-patch+yaml",
        Some("json-patch") => "application/json-patch+json",
        Some(other) => other,
    }
}

/// The longest name first: `$namespace` is not `$ns` and the rest.
fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    for (name, value) in kept.iter().rev() {
        out = out.replace(&format!("${name}"), value);
    }
    out
}

async fn answer(response: Response<Body>, is_watch: bool, until: Option<&str>) -> Result<Answer> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend(frame?.into_data().unwrap_or_default());
        let is_enough = |until: &str| bytes.ends_with(b"\n") && String::from_utf8_lossy(&bytes).contains(until);
        if until.is_some_and(is_enough) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    Ok(Answer {
        status: head.status.as_u16(),
        headers,
        body: read(&text, is_watch),
    })
}

/// JSON, the lines of a watch as a list, or the text.
fn read(text: &str, is_watch: bool) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return if is_watch { Value::Array(vec![value]) } else { value };
    }
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    match lines {
        Ok(lines) if !lines.is_empty() => Value::Array(lines),
        _ => Value::String(text.to_owned()),
    }
}
