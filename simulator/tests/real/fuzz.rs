//! A second opinion: random sequences of requests, put to both servers. What one of them answers otherwise is shrunk, and
//! belongs into the corpus.
//!
//! One seed is one sequence. `DRYDOCK_FUZZ=1..10001` asks for others than the few of every run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use futures::StreamExt as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use crate::corpus::{Case, Step};
use crate::parity::compared;
use crate::replay::{Server, one};

/// Requests of a sequence.
const STEPS: usize = 30;
/// How often a sequence must be answered otherwise.
const TRIES: usize = 3;
/// Sequences at once.
const AT_ONCE: usize = 8;
/// Sequences of every run.
const SEEDS: Range<u64> = 1..41;

/// The seeds that are asked for.
pub(crate) fn seeds() -> Range<u64> {
    let asked = std::env::vars_os().find_map(|(name, value)| (name == "DRYDOCK_FUZZ").then_some(value));
    let asked = asked.unwrap_or_default().to_string_lossy().into_owned();
    match asked.split_once("..").map(|(from, to)| (from.parse(), to.parse())) {
        Some((Ok(from), Ok(to))) => from..to,
        _ => SEEDS,
    }
}

/// Two servers that should answer alike.
pub(crate) struct Pair<'a> {
    here: &'a Server,
    there: &'a Server,
    tries: Cell<u64>,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(here: &'a Server, there: &'a Server) -> Self {
        let tries = Cell::new(0);
        Self { here, there, tries }
    }

    /// Runs one sequence a seed; gives those that were answered otherwise, without what is not needed to see it.
    pub(crate) async fn run(&self, seeds: Range<u64>) -> Vec<String> {
        let sequences = futures::stream::iter(seeds).map(|seed| self.sequence(seed));
        let faults: Vec<Option<String>> = sequences.buffered(AT_ONCE).collect().await;
        faults.into_iter().flatten().collect()
    }

    async fn sequence(&self, seed: u64) -> Option<String> {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(seed.to_le_bytes())
            .for_each(|(to, from)| *to = from);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut steps = vec(step(), STEPS).new_tree(&mut runner).expect("a sequence").current();
        // What does not differ again is due to the real server's cache, which may be behind.
        for _ in 0..TRIES {
            self.difference(&steps).await?;
        }
        // From the end, since what comes late is seldom needed.
        for at in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(at);
            if self.difference(&fewer).await.is_some() {
                steps = fewer;
            }
        }
        let why = self.difference(&steps).await?;
        let steps: Vec<String> = steps.iter().map(shown).collect();
        Some(format!("seed {seed}:\n{}\n{why}", steps.join("\n")))
    }

    /// The first answer that differs.
    async fn difference(&self, steps: &[Step]) -> Option<String> {
        self.tries.set(self.tries.get() + 1);
        // A namespace of its own for every try: what an earlier one left is not there.
        let namespace = format!("fuzz-{}", self.tries.get());
        let steps = watched(steps);
        let case = Case {
            case: namespace.clone(),
            steps,
        };
        let (here, there) = futures::join!(one(self.here, &case, &namespace), one(self.there, &case, &namespace));
        here.iter()
            .zip(&there)
            .zip(&case.steps)
            .find_map(|((here, there), step)| {
                let differences = compared(here, there, step);
                (!differences.is_empty()).then(|| format!("  {}\n{}", step.request, differences.join("\n")))
            })
    }
}

/// These steps, and then what a watch from before them has seen.
fn watched(steps: &[Step]) -> Vec<Step> {
    let kinds = [Kind::ConfigMap, Kind::Deployment];
    let from = kinds.map(|kind| Step {
        keep: BTreeMap::from([(format!("{kind:?}"), "/metadata/resourceVersion".to_owned())]),
        ..request(format!("GET {}?limit=1", kind.path()), None, None)
    });
    let to = kinds.into_iter().flat_map(|kind| {
        let mut last = kind.typed(json!({ "metadata": { "name": "last" } }));
        if kind == Kind::Deployment {
            last["spec"] = deployment(&[json!({ "name": "c", "image": "i" })]);
        }
        let path = kind.path();
        let watch = format!("GET {path}?watch=true&timeoutSeconds=5&resourceVersion=${kind:?}");
        [
            request(format!("PATCH {path}/last?fieldManager=one"), Some("apply"), Some(last)),
            Step {
                until: Some("\"name\":\"last\"".to_owned()),
                ..request(watch, None, None)
            },
        ]
    });
    from.into_iter().chain(steps.iter().cloned()).chain(to).collect()
}

/// A step as the corpus writes it.
fn shown(step: &Step) -> String {
    let content = step.content.as_deref().unwrap_or("json");
    let body = step.body.as_ref().map(Value::to_string).unwrap_or_default();
    format!("  - {} {content} {body}", step.request)
}

fn request(line: String, content: Option<&str>, body: Option<Value>) -> Step {
    Step {
        request: line,
        content: content.map(str::to_owned),
        body,
        ..Step::default()
    }
}

/// Some requests need to know what was there before; none of these does.
fn step() -> impl Strategy<Value = Step> {
    let kind = select(vec![Kind::ConfigMap, Kind::Deployment]);
    (kind, select(vec!["a", "b"]), select(vec!["one", "two"])).prop_flat_map(|(kind, name, manager)| {
        let (all, path) = (kind.path().to_owned(), format!("{}/{name}", kind.path()));
        let by = format!("?fieldManager={manager}");
        let named = move |mut object: Value| {
            object["metadata"]["name"] = name.into();
            object
        };
        let force = select(vec!["", "&force=true"]);
        prop_oneof![
            2 => object(kind).prop_map({
                let line = format!("POST {all}{by}");
                move |object| request(line.clone(), None, Some(named(object)))
            }),
            2 => object(kind).prop_map({
                let line = format!("PUT {path}{by}");
                move |object| request(line.clone(), None, Some(named(object)))
            }),
            3 => object(kind).prop_map({
                let line = format!("PATCH {path}{by}");
                move |object| request(line.clone(), Some("merge"), Some(object))
            }),
            2 => object(kind).prop_map({
                let line = format!("PATCH {path}{by}");
                move |object| request(line.clone(), Some("strategic"), Some(object))
            }),
            5 => (object(kind), force).prop_map({
                let line = format!("PATCH {path}{by}");
                move |(object, force)| request(format!("{line}{force}"), Some("apply"), Some(named(kind.typed(object))))
            }),
            1 => operations().prop_map({
                let line = format!("PATCH {path}{by}");
                move |operations| request(line.clone(), Some("json-patch"), Some(operations))
            }),
            2 => select(vec!["", "?propagationPolicy=Foreground", "?propagationPolicy=Orphan", "?dryRun=All"]).prop_map({
                let path = path.clone();
                move |how| request(format!("DELETE {path}{how}"), None, None)
            }),
            1 => Just(request(format!("GET {path}"), None, None)),
            1 => select(vec!["", "?labelSelector=l%3D1", "?labelSelector=%21l", "?fieldSelector=metadata.name%3Da", "?limit=1"])
                .prop_map(move |how| request(format!("GET {all}{how}"), None, None)),
        ]
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ConfigMap,
    Deployment,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::ConfigMap => "/api/v1/namespaces/$ns/configmaps",
            Self::Deployment => "/apis/apps/v1/namespaces/$ns/deployments",
        }
    }

    fn typed(self, mut object: Value) -> Value {
        let (version, kind) = match self {
            Self::ConfigMap => ("v1", "ConfigMap"),
            Self::Deployment => ("apps/v1", "Deployment"),
        };
        object["apiVersion"] = version.into();
        object["kind"] = kind.into();
        object
    }
}

/// A part of an object, or nearly all of it.
fn object(kind: Kind) -> BoxedStrategy<Value> {
    let metadata = (texts(&["l", "m"]), finalizers()).prop_map(|(labels, finalizers)| {
        let mut metadata = Map::new();
        metadata.extend(labels.map(|labels| ("labels".to_owned(), labels)));
        metadata.extend(finalizers.map(|finalizers| ("finalizers".to_owned(), finalizers)));
        Value::Object(metadata)
    });
    match kind {
        Kind::ConfigMap => (metadata, texts(&["k", "o", "p"]))
            .prop_map(|(metadata, data)| {
                let mut object = json!({ "metadata": metadata });
                if let Some(data) = data {
                    object["data"] = data;
                }
                object
            })
            .boxed(),
        Kind::Deployment => (metadata, prop::option::of(0..4_u8), vec(container(), 0..3))
            .prop_map(|(metadata, replicas, containers)| {
                let mut spec = deployment(&containers);
                if let Some(replicas) = replicas {
                    spec["replicas"] = replicas.into();
                }
                json!({ "metadata": metadata, "spec": spec })
            })
            .boxed(),
    }
}

fn deployment(containers: &[Value]) -> Value {
    let template = json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": containers } });
    json!({ "selector": { "matchLabels": { "app": "x" } }, "template": template })
}

fn container() -> impl Strategy<Value = Value> {
    let name = select(vec!["c", "d"]);
    let image = prop::option::of(select(vec!["i:1", "i:2"]));
    let env = prop::option::of(texts(&["E", "F"]).prop_map(|texts| {
        let texts = texts.unwrap_or_default();
        let pairs = texts.as_object().into_iter().flatten();
        pairs
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect::<Value>()
    }));
    (name, image, env).prop_map(|(name, image, env)| {
        let mut container = json!({ "name": name });
        if let Some(image) = image {
            container["image"] = image.into();
        }
        if let Some(Value::Array(env)) = env.filter(|env| env.is_array()) {
            container["env"] = env.into();
        }
        container
    })
}

/// None, or a map of some of these keys to short texts.
fn texts(keys: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    let one = (select(keys), select(vec!["1", "2", ""]));
    prop::option::of(vec(one, 0..3).prop_map(|pairs| {
        let fields = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)));
        Value::Object(fields.collect())
    }))
}

fn finalizers() -> impl Strategy<Value = Option<Value>> {
    let one = select(vec!["example.com/a", "example.com/b"]);
    prop::option::weighted(0.2, prop::collection::btree_set(one, 0..3).prop_map(|set| json!(set)))
}

fn operations() -> impl Strategy<Value = Value> {
    let path = select(vec![
        "/data/k",
        "/data",
        "/metadata/labels/l",
        "/metadata/labels",
        "/spec/replicas",
        "/metadata/finalizers",
    ]);
    let operation = (
        select(vec!["add", "replace", "remove", "test"]),
        path,
        select(vec!["1", "2"]),
    );
    vec(operation, 1..3).prop_map(|operations| {
        let operations = operations.into_iter();
        operations
            .map(|(op, path, value)| json!({ "op": op, "path": path, "value": value }))
            .collect()
    })
}
