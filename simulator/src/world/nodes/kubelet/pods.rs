//! The kubelets' work on one pod: admission to its node, volumes, containers in turn, its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admission;
use super::behaviour::{ANNOTATION, Behaviour};
use super::container::{Container, Note, SIGKILL, State, Surroundings};
use super::programs::Job;
use super::status::{self, init_done, is_sidecar, pod_label};
use super::{Kubelets, NodeFault, Shared, after, curl, volumes};
use crate::world::control::object::{self, is_deleting, list, text, uid};
use crate::world::control::{Change, Controller, Event, EventKind, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::nodes::IS_SIMULATED;

/// How long programs take to end on SIGTERM.
const STOPS_WITHIN: Duration = Duration::from_secs(1);
/// Where a node says which boot it is in.
const BOOT: &str = "/status/nodeInfo/bootID";
/// Wait before missing volumes are looked for again.
const MOUNT_RETRY: Duration = Duration::from_secs(2);

/// Why a kubelet will not run a pod at all.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// One pod on its node.
#[derive(Clone, Debug)]
pub(super) struct PodRun {
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) host_ip: String,
    pub(super) pod_ip: String,
    pub(super) started: Timestamp,
    pub(super) init: Vec<Container>,
    pub(super) main: Vec<Container>,
    pub(super) refused: Option<Refused>,
    /// Why the kubelet ended it.
    pub(super) ended: Option<Refused>,
    /// The node's boot that it runs in.
    boot: String,
    /// Containers whose environment cannot be made, and why.
    pub(super) unconfigurable: BTreeMap<String, String>,
    pub(super) is_cut_off: bool,
    mount_failure: Option<String>,
    stops_at: Option<Timestamp>,
}

impl PodRun {
    /// Whether every init container has done its part.
    pub(super) fn is_initialized(&self) -> bool {
        self.init.iter().all(|container| {
            if is_sidecar(container) {
                container.is_running() || container.last.is_some()
            } else {
                container.has_succeeded()
            }
        })
    }
}

/// The pods of all simulated nodes.
#[derive(Debug)]
pub struct PodKubelet {
    kubelets: Kubelets,
}

impl PodKubelet {
    /// For the nodes of these kubelets.
    #[must_use]
    pub fn new(kubelets: Kubelets) -> Self {
        Self { kubelets }
    }
}

impl Controller for PodKubelet {
    fn name(&self) -> &'static str {
        "system:nodes:kubelet"
    }

    fn watches(&self) -> &'static [Kind] {
        // Of ConfigMaps, Secrets and Services it matters whether they are there when a container wants them.
        &[Kind::POD, Kind::NODE, Kind::CONFIG_MAP, Kind::SECRET, Kind::SERVICE]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::POD {
            let assigned = change
                .latest()
                .is_some_and(|pod| !text(pod, "/spec/nodeName").is_empty());
            return if assigned { vec![change.key.clone()] } else { Vec::new() };
        }
        if change.kind != Kind::NODE {
            return Vec::new();
        }
        // Only a node that comes, goes or turns ready or cut off changes what its pods do.
        let ready = |node: &Option<Arc<Value>>| {
            node.as_ref()
                .map(|node| (object::is_true(node, "Ready"), text(node, BOOT).to_owned()))
        };
        if ready(&change.old) == ready(&change.new) {
            return Vec::new();
        }
        view.pods_on(&change.key.name).map(|(key, _)| key.clone()).collect()
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let mut shared = self.kubelets.lock();
        let Some(pod) = pass.view.get(Kind::POD, key) else {
            if shared.runs.remove(key).is_some()
                && let Some(programs) = &shared.programs
            {
                programs.forget(key);
            }
            return Outcome::nothing();
        };
        let node = pass.view.named(Kind::NODE, text(pod, "/spec/nodeName"));
        let Some(node) = node.filter(|node| object::annotation(node, IS_SIMULATED).is_some()) else {
            return Outcome::nothing();
        };
        if shared.faults.get(object::name(node)) == Some(&NodeFault::Unreachable) {
            return Outcome::nothing();
        }
        if shared.runs.get(key).is_none_or(|run| run.uid != uid(pod)) {
            if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") && !is_deleting(pod) {
                return Outcome::nothing();
            }
            let run = admit(pod, node, &mut shared, pass);
            shared.runs.insert(key.clone(), run);
        }
        let Some(mut run) = shared.runs.remove(key) else {
            return Outcome::nothing();
        };
        restart_after_boot(&mut run, pod, text(node, BOOT), pass.now);
        let outcome = work(key, pod, &mut run, &mut shared, pass);
        keep_programs(key, &run, &shared);
        shared.runs.insert(key.clone(), run);
        outcome
    }
}

/// Has the programs of the containers that run run, and no others.
fn keep_programs(key: &ObjectKey, run: &PodRun, shared: &Shared) {
    let containers = || run.init.iter().chain(&run.main);
    let Some(programs) = shared
        .programs
        .as_ref()
        .filter(|_| containers().any(|c| c.program.is_some()))
    else {
        return;
    };
    let wanted: Vec<(&str, &Job)> = containers()
        .filter_map(|container| {
            container
                .run_id()
                .zip(container.program.as_ref().map(|program| &program.job))
        })
        .collect();
    programs.keep(key, &wanted);
}

/// The containers of a node that was started anew are started anew.
fn restart_after_boot(run: &mut PodRun, pod: &Value, boot: &str, now: Timestamp) {
    if run.boot == boot {
        return;
    }
    boot.clone_into(&mut run.boot);
    let restarts = text(pod, "/spec/restartPolicy") != "Never";
    run.init
        .iter_mut()
        .chain(&mut run.main)
        .for_each(|container| container.lose(restarts, now));
}

/// A pod that has run too long, or that the node has evicted, ends. Answers when the time is up.
fn end_by_rule(pod: &Value, run: &mut PodRun, now: Timestamp) -> Option<Timestamp> {
    if run.ended.is_some() || text(pod, "/status/phase") == "Succeeded" {
        return None;
    }
    let deadline = object::int(pod, "/spec/activeDeadlineSeconds").map(|secs| object::after_secs(run.started, secs));
    let reason = match text(pod, "/status/reason") {
        "Evicted" => "Evicted",
        "Terminated" => "Terminated",
        _ if deadline.is_some_and(|at| at <= now) => "DeadlineExceeded",
        _ => return deadline,
    };
    let is_late = reason == "DeadlineExceeded";
    let late = "Pod was active on the node longer than the specified deadline";
    run.ended = Some(Refused {
        reason,
        message: if is_late { late } else { text(pod, "/status/message") }.to_owned(),
    });
    run.init
        .iter_mut()
        .chain(&mut run.main)
        .for_each(|container| container.kill(SIGKILL, now));
    None
}

/// Takes a pod on.
fn admit(pod: &Value, node: &Value, shared: &mut Shared, pass: &Pass<'_>) -> PodRun {
    let is_job = text(pod, "/spec/restartPolicy") != "Always";
    let mut mistake = None;
    let mut containers = |pointer: &str, is_init: bool| -> Vec<Container> {
        let specs = list(pod, pointer).iter();
        let made = specs.map(|spec| {
            let asked = curl::of(pod, spec, shared, pass);
            let (told, job) = match asked {
                Some(curl::Does::Answered(behaviour)) => (Ok(behaviour), None),
                Some(curl::Does::Asks(job)) => (Ok(Behaviour::default()), Some(job)),
                None => (shared.behaviours.of(pod, spec), own_program(pod, spec, shared)),
            };
            let behaviour = told.unwrap_or_else(|text| {
                mistake = Some(text);
                Behaviour::default()
            });
            let sidecar = spec["restartPolicy"] == "Always";
            Container::new(spec.clone(), behaviour, (is_job || is_init) && !sidecar).with_program(job)
        });
        made.collect()
    };
    let (init, main) = (
        containers("/spec/initContainers", true),
        containers("/spec/containers", false),
    );
    shared.pods_started += 1;
    let refused = mistake.map(|message| Refused {
        reason: "InvalidBehaviour",
        message,
    });
    let host_ip = list(node, "/status/addresses")
        .iter()
        .find(|a| a["type"] == "InternalIP")
        .map_or("", |address| text(address, "/address"));
    PodRun {
        uid: uid(pod).to_owned(),
        node: object::name(node).to_owned(),
        host_ip: host_ip.to_owned(),
        pod_ip: if object::flag(pod, "/spec/hostNetwork") {
            host_ip.to_owned()
        } else {
            pod_ip(shared.pods_started)
        },
        started: pass.now,
        init,
        main,
        refused: refused.or_else(|| admission::overcommitted(pod, node, pass.view)),
        ended: None,
        boot: text(node, BOOT).to_owned(),
        unconfigurable: BTreeMap::new(),
        is_cut_off: false,
        mount_failure: None,
        stops_at: None,
    }
}

/// The program of a container that is run as one. A pod that says how it behaves is simulated.
fn own_program(pod: &Value, spec: &Value, shared: &Shared) -> Option<Job> {
    let own = format!("{ANNOTATION}.{}", text(spec, "/name"));
    let is_told = [own.as_str(), ANNOTATION]
        .iter()
        .any(|key| object::annotation(pod, key).is_some());
    let programs = shared.programs.as_ref().filter(|_| !is_told)?;
    programs.takes(spec).then(|| Job::Container(spec.clone()))
}

/// Addresses of 10.244.0.0/16, in turn.
fn pod_ip(count: u32) -> String {
    format!("10.244.{}.{}", count / 250 % 250, count % 250 + 2)
}

fn work(key: &ObjectKey, pod: &Arc<Value>, run: &mut PodRun, shared: &mut Shared, pass: &Pass<'_>) -> Outcome {
    if is_deleting(pod) {
        return stop(key, pod, run, pass);
    }
    let mut outcome = Outcome::nothing();
    let mut notes = Vec::new();
    if let Some(deadline) = end_by_rule(pod, run, pass.now) {
        outcome.wake(object::until(deadline, pass.now));
    }
    if run.refused.is_none() && run.ended.is_none() {
        match volumes::unmountable(pod, pass.view) {
            Some(text) => {
                if run.mount_failure.as_ref() != Some(&text) {
                    notes.push((String::new(), Note::warning("FailedMount", text.clone())));
                    run.mount_failure = Some(text);
                }
                outcome.wake(MOUNT_RETRY);
            }
            None => {
                run.mount_failure = None;
                if let Some(at) = advance(pod, run, shared, pass, &mut notes) {
                    outcome.wake(object::until(at, pass.now));
                }
            }
        }
    }
    let status = status::of(pod, run, pass.now);
    if !is_shown(pod, &status) {
        let patch = json!({ "status": status });
        outcome.writes.push(Write::MergePatch {
            kind: Kind::POD,
            key: key.clone(),
            status: true,
            patch,
        });
    }
    outcome.writes.extend(
        notes
            .into_iter()
            .map(|(container, note)| event(pod, run, &container, note)),
    );
    outcome
}

/// Moves the containers on, in turn; answers when there is more to do.
fn advance(
    pod: &Value,
    run: &mut PodRun,
    shared: &mut Shared,
    pass: &Pass<'_>,
    notes: &mut Vec<(String, Note)>,
) -> Option<Timestamp> {
    let policy = text(pod, "/spec/restartPolicy");
    let mut turn = Turn {
        pod,
        label: pod_label(pod),
        node: &run.node,
        unconfigurable: &mut run.unconfigurable,
        shared,
        pass,
        notes,
    };
    let mut wake: Option<Timestamp> = None;
    for container in &mut run.init {
        // An init container of a pod that is not to run again is not run again either.
        let policy = match (is_sidecar(container), policy) {
            (true, _) => "Always",
            (false, "Never") => "Never",
            (false, _) => "OnFailure",
        };
        wake = sooner(wake, turn.advance(container, policy));
        if !init_done(container, pass.now) {
            return wake;
        }
    }
    for container in &mut run.main {
        wake = sooner(wake, turn.advance(container, policy));
        // The next container starts when this one's image is there and it has been started once.
        if container.last.is_none() && !container.is_running() {
            break;
        }
    }
    if run.main.iter().all(|container| container.state == State::Done) {
        run.init
            .iter_mut()
            .filter(|container| is_sidecar(container))
            .for_each(|sidecar| sidecar.kill(0, pass.now));
        return None;
    }
    wake
}

/// What the containers of one pod share while each takes its turn.
struct Turn<'a, 'pass> {
    pod: &'a Value,
    label: String,
    node: &'a str,
    unconfigurable: &'a mut BTreeMap<String, String>,
    shared: &'a mut Shared,
    pass: &'a Pass<'pass>,
    notes: &'a mut Vec<(String, Note)>,
}

impl Turn<'_, '_> {
    /// Moves one container on; answers when there is more to do.
    fn advance(&mut self, container: &mut Container, restart_policy: &str) -> Option<Timestamp> {
        let now = self.pass.now;
        if !self.is_configurable(container) {
            return Some(after(now, MOUNT_RETRY));
        }
        let programs = self.shared.programs.clone();
        if let Some(((id, programs), program)) = container
            .run_id()
            .map(str::to_owned)
            .zip(programs.as_ref())
            .zip(container.program.as_mut())
        {
            program.see(programs.seen(&id));
        }
        let before = container.run_id().map(str::to_owned);
        let entropy = &self.pass.entropy;
        let mut new_id = || (0..4).map(|_| format!("{:016x}", entropy.next_u64())).collect();
        let mut own_notes = Vec::new();
        let mut around = Surroundings {
            node: self.node,
            images: &mut self.shared.images,
            now,
            restart_policy,
            pod_label: &self.label,
            new_id: &mut new_id,
            notes: &mut own_notes,
        };
        let due = container.advance(&mut around);
        if programs.is_some() && container.is_running() && container.run_id() != before.as_deref() {
            own_notes.push(who_runs(container.program.as_ref().map(|program| &program.job)));
        }
        let look = programs.filter(|_| container.program.is_some() && container.is_running());
        let look = look.map(|programs| after(now, programs.look_every()));
        let own_notes = own_notes.into_iter();
        self.notes
            .extend(own_notes.map(|note| (container.name().to_owned(), note)));
        sooner(sooner(due, look), container.next_probe(now))
    }

    /// Whether a container that has yet to start can be given its environment; says so once when not.
    fn is_configurable(&mut self, container: &Container) -> bool {
        let name = container.name();
        if container.state != State::Waiting && !self.unconfigurable.contains_key(name) {
            return true;
        }
        let Some(why) = volumes::unconfigurable(self.pod, &container.spec, self.pass.view) else {
            self.unconfigurable.remove(name);
            return true;
        };
        let note = Note::warning("Failed", format!("Error: {why}"));
        if self.unconfigurable.insert(name.to_owned(), why).is_none() {
            self.notes.push((name.to_owned(), note));
        }
        false
    }
}

/// Says whether what was started is real. Told only where something is: elsewhere all is simulated.
fn who_runs(job: Option<&Job>) -> Note {
    match job {
        None => Note::normal("Simulated", "No program runs: what this container does is simulated"),
        Some(Job::Container(_)) => Note::normal(
            "RunsOnHost",
            "A real program runs, as a process on the simulator's host",
        ),
        Some(Job::Ask { .. }) => Note::normal(
            "AsksFromHost",
            "No curl runs: the simulator makes its request to a real program",
        ),
    }
}

/// The sooner of two moments.
fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// A pod that is being deleted: its programs end, then the pod is deleted for good.
fn stop(key: &ObjectKey, pod: &Arc<Value>, run: &mut PodRun, pass: &Pass<'_>) -> Outcome {
    let running: Vec<String> = run
        .init
        .iter()
        .chain(&run.main)
        .filter(|c| c.is_running())
        .map(|c| c.name().to_owned())
        .collect();
    let grace = object::int(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
    let is_first = run.stops_at.is_none();
    let patience = STOPS_WITHIN.min(Duration::from_secs(u64::try_from(grace).unwrap_or(0)));
    let patience = if running.is_empty() { Duration::ZERO } else { patience };
    let stops_at = *run.stops_at.get_or_insert_with(|| after(pass.now, patience));
    let mut outcome = Outcome::nothing();
    if is_first {
        let stops = |name: &String| {
            event(
                pod,
                run,
                name,
                Note {
                    is_warning: false,
                    reason: "Killing",
                    message: format!("Stopping container {name}"),
                },
            )
        };
        outcome.writes.extend(running.iter().map(stops));
    }
    if stops_at > pass.now {
        outcome.wake(object::until(stops_at, pass.now));
        return outcome;
    }
    run.init
        .iter_mut()
        .chain(&mut run.main)
        .for_each(|container| container.kill(0, pass.now));
    let status = status::of(pod, run, pass.now);
    if !is_shown(pod, &status) && !running.is_empty() {
        let patch = json!({ "status": status });
        outcome.writes.push(Write::MergePatch {
            kind: Kind::POD,
            key: key.clone(),
            status: true,
            patch,
        });
    }
    outcome.writes.push(Write::Delete {
        kind: Kind::POD,
        key: key.clone(),
        uid: Some(uid(pod).to_owned()),
        grace_secs: Some(0),
        propagation: None,
    });
    outcome
}

/// Whether the API shows every field of a status already.
fn is_shown(pod: &Value, status: &Value) -> bool {
    let fields = status.as_object().into_iter().flatten();
    fields
        .into_iter()
        .all(|(field, value)| pod["status"].get(field).unwrap_or(&Value::Null) == value)
}

fn event(pod: &Arc<Value>, run: &PodRun, container: &str, note: Note) -> Write {
    let is_init = run.init.iter().any(|one| one.name() == container);
    let list = if is_init { "initContainers" } else { "containers" };
    Write::Event(Box::new(Event {
        regarding: Kind::POD,
        object: Arc::clone(pod),
        field_path: (!container.is_empty()).then(|| format!("spec.{list}{{{container}}}")),
        kind: if note.is_warning {
            EventKind::Warning
        } else {
            EventKind::Normal
        },
        reason: note.reason,
        message: note.message,
        component: "kubelet",
        host: Some(run.node.clone()),
    }))
}
