//! The format of a scenario file, as data. An unknown key is an error everywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

/// A scenario: a world, what happens in it, and what must come of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What is shown, in one sentence.
    pub about: String,
    /// Where it may run.
    #[serde(default = "virtual_only")]
    pub stages: Vec<Stage>,
    /// The world at the beginning.
    #[serde(default)]
    pub world: WorldSpec,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// What must hold over the whole run, and at its end.
    #[serde(default)]
    pub expect: Expectations,
}

fn virtual_only() -> Vec<Stage> {
    vec![Stage::Virtual]
}

/// Where a scenario may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// In one process, under virtual time.
    Virtual,
    /// Against a real kube-apiserver.
    Apiserver,
    /// On kind.
    Kind,
    /// On AKS.
    Aks,
}

/// The world at the beginning.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorldSpec {
    /// Quota in vCPUs by VM family.
    pub quota: BTreeMap<String, u64>,
    /// VM sizes that the region does not have.
    pub unavailable: Vec<String>,
    /// How long AKS takes.
    pub timings: TimingsSpec,
    /// What happens to operations at the same time.
    pub policy: PolicySpec,
    /// A cluster without the NodeClaim definition.
    pub without_karpenter: bool,
    /// The operator brings up no nodes.
    pub byo: bool,
    /// Nodes that are there.
    pub nodes: Vec<NodeSpec>,
    /// What containers do, first match first.
    pub containers: Vec<ContainerSpec>,
    /// Objects that are there.
    pub objects: Vec<Value>,
}

/// How long AKS takes; what is left out takes as long as recorded.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimingsSpec {
    /// Until a machine's node joins.
    pub boot: Option<Span>,
    /// From there until the operation has succeeded.
    pub settle: Option<Span>,
    /// From a ready node until its GPUs can be had.
    pub gpu: Option<Span>,
    /// Until a deleted pool is gone.
    pub delete: Option<Span>,
}

/// What happens to operations at the same time.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySpec {
    /// Pools do not disturb each other.
    #[default]
    ParallelPools,
    /// One operation in the whole cluster.
    SerialiseAll,
    /// A delete takes the place of what its pool is busy with.
    Preempt,
}

/// A node that is there from the beginning.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its VM size.
    #[serde(default = "plain_size")]
    pub size: String,
    /// Its labels beside the usual.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// GPUs that it offers.
    #[serde(default)]
    pub gpus: u32,
}

fn plain_size() -> String {
    "Standard_D4s_v5".into()
}

/// What containers do whose image and command are these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerSpec {
    /// Start of the image; empty for all.
    pub image: String,
    /// Part of the command line; empty for all.
    pub command: String,
    /// Size of the image in bytes.
    pub image_bytes: Option<u64>,
    /// The image cannot be pulled.
    pub pull_error: Option<PullErrorSpec>,
    /// From start until probes succeed.
    pub ready_after: Option<Span>,
    /// From start to end.
    pub runs_for: Option<Span>,
    /// How it ends.
    pub exit_code: i32,
    /// It ends for want of memory.
    pub oom_killed: bool,
    /// After so many failed runs it succeeds.
    pub fails_times: Option<u32>,
    /// It answers every request over HTTP with this.
    pub answer: Option<String>,
}

/// Why an image cannot be pulled.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PullErrorSpec {
    /// There is no such image.
    NotFound,
    /// The registry wants other credentials.
    Unauthorized,
}

/// One step: when, and what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// At that time after the beginning.
    #[serde(default)]
    pub at: Option<Span>,
    /// So long after the step before.
    #[serde(default)]
    pub after: Option<Span>,
    /// Create an object, or apply it to what is there.
    #[serde(default)]
    pub apply: Option<Value>,
    /// The same from a file beside the scenario.
    #[serde(default)]
    pub apply_file: Option<FileSpec>,
    /// Delete an object: `Kind/name` or `Kind/namespace/name`.
    #[serde(default)]
    pub delete: Option<ObjectPath>,
    /// Change an object by a merge patch.
    #[serde(default)]
    pub patch: Option<PatchSpec>,
    /// Something goes wrong.
    #[serde(default)]
    pub fault: Option<FaultSpec>,
    /// Whatever goes wrong is mended.
    #[serde(default)]
    pub heal: Option<bool>,
    /// The operator crashes and starts anew.
    #[serde(default)]
    pub restart: Option<Restart>,
    /// Set the quota of VM families, in vCPUs.
    #[serde(default)]
    pub quota: Option<BTreeMap<String, u64>>,
    /// Take the machine of a Workspace away, as spot machines go.
    #[serde(default)]
    pub evict: Option<ObjectPath>,
    /// Ask a Service through the API server.
    #[serde(default)]
    pub request: Option<RequestSpec>,
    /// Wait until this holds.
    #[serde(default)]
    pub wait: Option<Check>,
    /// Longest wait.
    #[serde(default)]
    pub within: Option<Span>,
}

/// A manifest in a file, with texts replaced.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSpec {
    /// Path from the scenario's folder.
    pub path: String,
    /// What is replaced, and by what.
    #[serde(default)]
    pub replace: BTreeMap<String, String>,
}

/// A change of an object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSpec {
    /// The object.
    pub object: ObjectPath,
    /// The merge patch.
    pub merge: Value,
    /// Whether it goes to the status.
    #[serde(default)]
    pub status: bool,
}

/// Who restarts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Restart {
    /// The operator.
    Operator,
}

/// Something that goes wrong: one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FaultSpec {
    /// Of the Kubernetes API.
    Api(ApiFaultSpec),
    /// Of Azure.
    Azure(AzureFaultSpec),
    /// Of machines that are still to come.
    Machine(MachineFaultSpec),
    /// Of a Workspace's node.
    Node(NodeFaultSpec),
}

/// A fault of the Kubernetes API, for the operator's requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiFaultSpec {
    /// What happens.
    pub kind: ApiFaultKind,
    /// Which resource, e.g. `statefulsets`; empty for all.
    #[serde(default)]
    pub resource: String,
    /// Requests that are hit.
    #[serde(default = "once")]
    pub times: u32,
    /// Requests that pass before.
    #[serde(default)]
    pub skip: u32,
    /// How late watch events come.
    #[serde(default)]
    pub delay: Option<Span>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApiFaultKind {
    /// 409 to a write.
    Conflict,
    /// 429 to any request.
    TooManyRequests,
    /// 500 to a write, nothing done.
    ErrorBeforeCommit,
    /// 500 to a write that is done.
    ErrorAfterCommit,
    /// Watches end.
    WatchDrop,
    /// Watches and lists are told 410.
    Gone,
    /// Watch events come late.
    WatchDelay,
    /// 500 to every request.
    Outage,
}

/// A fault of Azure.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureFaultSpec {
    /// What happens.
    pub kind: AzureFaultKind,
    /// Azure's code, where it has one.
    #[serde(default)]
    pub code: String,
    /// Azure's words.
    #[serde(default)]
    pub message: String,
    /// HTTP status of a refusal.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// Which requests.
    #[serde(default = "put")]
    pub method: String,
    /// Requests that are hit.
    #[serde(default = "once")]
    pub times: u32,
}

/// What happens to a request, or to the operation that it begins.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AzureFaultKind {
    /// Refused at once.
    Refused,
    /// 429, wait 30 s.
    Throttled,
    /// Another operation is in progress.
    Busy,
    /// Accepted, and failed later.
    Failed,
    /// Accepted, and never done.
    Stuck,
    /// Accepted, and the answer lost.
    LostReply,
}

/// A fault of machines that are still to come.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MachineFaultSpec {
    /// Their nodes never join.
    NeverJoins,
    /// Their GPUs never become allocatable.
    NoGpus,
}

/// A fault of a Workspace's first node.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeFaultSpec {
    /// What happens.
    pub kind: NodeFaultKind,
    /// Whose node.
    pub of: ObjectPath,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeFaultKind {
    /// Its kubelet says that it is not ready.
    NotReady,
    /// Its kubelet says nothing.
    Unreachable,
    /// Its GPUs are gone.
    DevicesLost,
    /// It is short of memory.
    MemoryPressure,
}

fn once() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

fn put() -> String {
    "PUT".into()
}

/// A request to a Service, and its answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestSpec {
    /// The Service: `Service/namespace/name`.
    pub service: ObjectPath,
    /// Path.
    pub path: String,
    /// HTTP status that must come.
    #[serde(default = "ok")]
    pub status: u16,
    /// Text that must be in the answer.
    #[serde(default)]
    pub contains: String,
}

fn ok() -> u16 {
    200
}

/// What must hold of the whole run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expectations {
    /// Never at any time.
    pub never: Vec<Check>,
    /// At the end.
    pub finally: Vec<Check>,
    /// Longest time until nobody writes any more.
    pub settled_within: Option<Span>,
    /// Most time that GPU machines may be paid for, all together.
    pub gpu_time_at_most: Option<Span>,
    /// Number of requests for agent pools that Azure accepted.
    pub pools_asked_for: Option<u64>,
}

/// Something that holds of an object, or of a number of them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Check {
    /// The object; its name may end in `*`, for any.
    pub object: Option<ObjectPath>,
    /// It is not there.
    pub absent: bool,
    /// A condition, e.g. `Ready=True`.
    pub condition: String,
    /// The condition's reason.
    pub reason: String,
    /// Part of the condition's message.
    pub message: String,
    /// A field, as a JSON pointer.
    pub field: String,
    /// The field's value.
    pub is: Option<Value>,
    /// Number of objects of a kind.
    pub count: Option<CountSpec>,
    /// Number of agent pools.
    pub pools: Option<usize>,
}

/// A number of objects.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountSpec {
    /// Their kind.
    pub kind: String,
    /// How many there are.
    pub is: usize,
}

/// `Kind/name` or `Kind/namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct ObjectPath {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

impl<'de> Deserialize<'de> for ObjectPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [kind, name] => (*kind, "", *name),
            [kind, namespace, name] => (*kind, *namespace, *name),
            _ => {
                return Err(de::Error::custom(format!(
                    "bad object {text:?}: write Kind/name or Kind/namespace/name"
                )));
            }
        };
        if super::kinds::resource(kind).is_none() {
            return Err(de::Error::custom(format!(
                "bad object {text:?}: kind {kind} is not known to scenarios"
            )));
        }
        Ok(Self {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A duration with its unit: `500ms`, `90s`, `4m`, `2h`, or several in turn: `3m52s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "bad unit in {text:?}: write a number with ms, s, m or h, for example 90s or 3m52s"
            ))
        })
    }
}

/// Reads a duration.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    /// Longest span, a year: what is longer is a mistake.
    const LONGEST_MILLIS: u64 = 366 * 24 * 3_600_000;
    let mut rest = text.trim();
    let mut millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = tail.strip_prefix(unit)?;
    }
    (millis <= LONGEST_MILLIS).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units() {
        for (text, millis) in [
            ("90s", Some(90_000)),
            ("3m52s", Some(232_000)),
            ("500ms", Some(500)),
            ("2h", Some(7_200_000)),
        ] {
            assert_eq!(span(text), millis.map(Duration::from_millis), "{text}");
        }
        for text in [
            "",
            "90",
            "s",
            "1d",
            "1.5s",
            "-1s",
            "99999999999999999999h",
            "9999999h",
            "é",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
