//! `curl` in a simulated pod: the one program that is carried out, so that a Service can be asked from inside.
//!
//! The request is answered by what the asked pod's containers answer (their behaviours). It is made when the pod is
//! taken on; nothing else of curl is there.

use jiff::Timestamp;
use serde_json::Value;

use super::Shared;
use super::behaviour::{Behaviour, LogLine};
use crate::world::control::object::{flag, key_of, list, name, namespace, text, uid};
use crate::world::control::pods::is_ready;
use crate::world::control::selector::Selector;
use crate::world::control::{Kind, Pass, View};
use crate::world::kube::server::plugs::ProxyAnswer;

/// How long a request takes, in milliseconds.
const TAKES_MILLIS: u64 = 50;

/// A request, as its command line says it.
#[derive(Debug, Default, PartialEq)]
struct Request {
    host: String,
    port: u16,
    path: String,
    fails: bool,
}

/// What a container does whose command is curl; None for every other command.
pub(super) fn behaviour(pod: &Value, container: &Value, shared: &Shared, pass: &Pass<'_>) -> Option<Behaviour> {
    let words: Vec<&str> = list(container, "/command")
        .iter()
        .chain(list(container, "/args"))
        .filter_map(Value::as_str)
        .collect();
    let (program, arguments) = words.split_first()?;
    if *program != "curl" && !program.ends_with("/curl") {
        return None;
    }
    let (code, text) = match parse(arguments) {
        Ok(request) => outcome(&request, namespace(pod), shared, pass),
        Err(text) => (2, text),
    };
    Some(Behaviour {
        runs_for_millis: Some(TAKES_MILLIS),
        exit_code: code,
        log: vec![LogLine::Text(text)],
        ..Behaviour::default()
    })
}

/// Exit code and output.
fn outcome(request: &Request, here: &str, shared: &Shared, pass: &Pass<'_>) -> (i32, String) {
    let Request {
        host,
        port,
        path,
        fails,
    } = request;
    let refused = || {
        let text = format!("curl: (7) Failed to connect to {host} port {port}: Connection refused");
        (7, text)
    };
    let Some((pod, listens)) = target(host, *port, here, pass.view) else {
        return (6, format!("curl: (6) Could not resolve host: {host}"));
    };
    let Some(answer) = pod
        .filter(|_| listens)
        .and_then(|pod| answer(pod, path, shared, pass.now))
    else {
        return refused();
    };
    match answer.code >= 400 && *fails {
        true => (
            22,
            format!("curl: (22) The requested URL returned error: {}", answer.code),
        ),
        false => (0, String::from_utf8_lossy(&answer.body).into_owned()),
    }
}

/// The pod behind a host, and whether anything listens on that port; None when the name means nothing.
fn target<'a>(host: &str, port: u16, here: &str, view: &'a View) -> Option<(Option<&'a Value>, bool)> {
    let pods = || view.all(Kind::POD).map(|(_, pod)| pod.as_ref());
    if let Some(pod) = pods().find(|pod| text(pod, "/status/podIP") == host) {
        return Some((Some(pod), true));
    }
    let parts: Vec<&str> = host.split('.').collect();
    let (service_name, service_namespace) = match parts.as_slice() {
        [service] => (*service, here),
        [service, namespace] | [service, namespace, "svc", ..] => (*service, *namespace),
        _ => ("", ""),
    };
    let service = view
        .all(Kind::SERVICE)
        .map(|(_, service)| service.as_ref())
        .find(|service| {
            text(service, "/spec/clusterIP") == host
                || (name(service) == service_name && namespace(service) == service_namespace)
        })?;
    let listens = list(service, "/spec/ports").iter().any(|entry| entry["port"] == port);
    let early = flag(service, "/spec/publishNotReadyAddresses");
    let selector = Selector::from_labels(&service["spec"]["selector"]);
    let chosen = pods().find(|pod| {
        let is_meant = !selector.is_empty() && selector.matches_object(pod);
        namespace(pod) == namespace(service) && is_meant && (early || is_ready(pod))
    });
    Some((chosen, listens))
}

/// What a pod's programs answer: the first whose path begins the request's.
pub(super) fn answer(pod: &Value, path: &str, shared: &Shared, now: Timestamp) -> Option<ProxyAnswer> {
    let run = shared.runs.get(&key_of(pod)).filter(|run| run.uid == uid(pod))?;
    let main = run.main.iter();
    let running = main.filter(|container| container.is_running() && container.is_ready(now));
    let mut answers = running.flat_map(|container| &container.behaviour.answers);
    let answer = answers.find(|answer| path.starts_with(&answer.path))?;
    Some(ProxyAnswer {
        code: answer.code,
        content_type: answer.content_type.clone(),
        body: answer.body.clone().into(),
    })
}

/// Reads a command line. Method, headers and body are taken and not used: answers do not depend on them.
fn parse(arguments: &[&str]) -> Result<Request, String> {
    let mut request = Request::default();
    let mut url = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "-X" | "--request" | "-H" | "--header" | "-d" | "--data" | "--data-raw" | "--json" | "-o" | "--output"
            | "-m" | "--max-time" | "-w" | "--write-out" | "--connect-timeout" | "--retry" => {
                words
                    .next()
                    .ok_or_else(|| format!("curl: option {word}: requires parameter"))?;
            }
            "--fail" => request.fails = true,
            "--silent" | "--show-error" | "--verbose" | "--location" | "--insecure" | "--include" => {}
            flags if flags.starts_with('-') && flags.len() > 1 => {
                let known = flags.chars().skip(1).all(|flag| "sSvLkif".contains(flag));
                if !known {
                    return Err(format!("curl: option {flags}: is unknown"));
                }
                request.fails |= flags.contains('f');
            }
            address => url = Some(address),
        }
    }
    let url = url.ok_or("curl: no URL specified!")?;
    let rest = url.strip_prefix("http://").unwrap_or(url);
    if rest.contains("://") {
        return Err(format!(
            "curl: (1) Protocol of {url} is not supported in a simulated pod"
        ));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    request.host = host.to_owned();
    request.port = port
        .parse()
        .map_err(|_| format!("curl: (3) Port number {port:?} is not a number"))?;
    request.path = format!("/{path}");
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let request = |host: &str, port, path: &str, fails| Request {
            host: host.into(),
            port,
            path: path.into(),
            fails,
        };
        let cases = [
            (
                vec![
                    "-X",
                    "POST",
                    "http://10.0.0.2/chat",
                    "-H",
                    "accept: application/json",
                    "-d",
                    "{\"prompt\":\"hi\"}",
                ],
                Ok(request("10.0.0.2", 80, "/chat", false)),
            ),
            (
                vec!["-sSf", "w.default:8080"],
                Ok(request("w.default", 8080, "/", true)),
            ),
            (
                vec!["--fail", "http://w/a/b?c=d"],
                Ok(request("w", 80, "/a/b?c=d", true)),
            ),
            (vec![], Err("curl: no URL specified!")),
            (vec!["http://w", "-d"], Err("curl: option -d: requires parameter")),
            (
                vec!["--frobnicate", "http://w"],
                Err("curl: option --frobnicate: is unknown"),
            ),
            (
                vec!["https://w"],
                Err("curl: (1) Protocol of https://w is not supported in a simulated pod"),
            ),
            (vec!["http://w:x/"], Err("curl: (3) Port number \"x\" is not a number")),
        ];
        for (words, expected) in cases {
            assert_eq!(parse(&words), expected.map_err(str::to_owned), "{words:?}");
        }
    }
}
