//! Plays a scenario: steps in turn, expectations and invariants all the while.

use std::path::Path;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use operator::Planners;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::audit::Audit;
use super::format::{
    ApiFaultKind, ApiFaultSpec, AzureFaultKind, AzureFaultSpec, Check, FaultSpec, MachineFaultSpec, NodeFaultKind,
    ObjectPath, PatchSpec, RequestSpec, Restart, Scenario, Span, Step,
};
use super::picture::{Change, Picture};
use super::report::Timeline;
use super::{check, kinds, world};
use crate::world::arm::{ArmFault, MachineFault, Rule as ArmRule};
use crate::world::control::object::{label, list, text};
use crate::world::kube::auth::UserInfo;
use crate::world::kube::server::Door;
use crate::world::kube::server::Verb;
use crate::world::kube::server::faults::{Fault, Rule};
use crate::world::nodes::kubelet::NodeFault;
use crate::world::rehearsal::{OPERATOR, Rehearsal, RehearsalConfig};
use crate::world::run::World;

/// Longest wait of a step that names none.
const USUAL_WAIT: Duration = Duration::from_secs(1800);
/// The operator counts as settled when it has not written for so long.
const SILENCE: Duration = Duration::from_secs(120);
/// A settled world is watched for so long.
const WATCHED: Duration = Duration::from_secs(1800);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Lines of the trace.
    pub trace: Vec<String>,
    /// What went wrong; empty when all held.
    pub faults: Vec<String>,
    /// Virtual time at the end.
    pub elapsed: Duration,
    /// Time for which GPU machines were paid.
    pub gpu_time: Duration,
    /// For the report.
    pub timeline: Timeline,
}

/// Plays a scenario in a world; `folder` is where its files lie.
pub async fn play(scenario: &Scenario, world: World, folder: &Path, planners: Planners) -> Outcome {
    let mut player = match Player::start(scenario, &world, planners).await {
        Ok(player) => player,
        Err(fault) => {
            return Outcome {
                trace: Vec::new(),
                faults: vec![fault],
                elapsed: Duration::ZERO,
                gpu_time: Duration::ZERO,
                timeline: Timeline::default(),
            };
        }
    };
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Err(fault) = player.step(step, folder).await {
            player.faults.push(format!("steps[{index}]: {fault}"));
            break;
        }
    }
    player.finish(scenario).await
}

struct Player<'a> {
    scenario: &'a Scenario,
    world: World,
    rehearsal: Rehearsal,
    picture: Picture,
    audit: Audit,
    timeline: Timeline,
    faults: Vec<String>,
    last: Duration,
}

impl<'a> Player<'a> {
    async fn start(scenario: &'a Scenario, world: &World, planners: Planners) -> Result<Self, String> {
        let spec = &scenario.world;
        let config = RehearsalConfig {
            planners,
            ..world::config(scenario, world.clone())
        };
        let mut rehearsal = Rehearsal::start(config)
            .await
            .map_err(|error| format!("world: {error}"))?;
        let picture = Picture::new(&rehearsal.cluster.server);
        rehearsal.cluster.controllers.until_settled(Duration::ZERO).await;
        let mut player = Self {
            scenario,
            world: world.clone(),
            rehearsal,
            picture,
            audit: Audit::default(),
            timeline: Timeline::default(),
            faults: Vec::new(),
            last: Duration::ZERO,
        };
        for (index, node) in (0..).zip(&spec.nodes) {
            let object = world::node(node, index);
            let door = player.door("Node")?;
            door.create(object)
                .await
                .map_err(|error| format!("world.nodes: {error}"))?;
        }
        for object in &spec.objects {
            player
                .apply(object.clone())
                .await
                .map_err(|error| format!("world.objects: {error}"))?;
        }
        Ok(player)
    }

    fn now(&self) -> Duration {
        self.world.clock.elapsed()
    }

    fn door(&self, kind: &str) -> Result<Door, String> {
        let (group, version, plural) =
            kinds::resource(kind).ok_or_else(|| format!("kind {kind} is not known to scenarios"))?;
        let server = &self.rehearsal.cluster.server;
        let resource = server
            .resource(group, version, plural)
            .map_err(|error| error.to_string())?;
        Ok(server.door(UserInfo::admin(), resource))
    }

    async fn step(&mut self, step: &Step, folder: &Path) -> Result<(), String> {
        if let Some(Span(after)) = step.after {
            self.until(self.now() + after).await;
        }
        if let Some(Span(at)) = step.at {
            self.until(at).await;
        }
        self.change(step, folder).await?;
        self.disturb(step).await?;
        if let Some(request) = &step.request {
            self.request(request).await?;
        }
        let within = step.within.map_or(USUAL_WAIT, |Span(span)| span);
        match &step.wait {
            Some(check) => self.wait(check, within).await,
            None => Ok(()),
        }
    }

    /// What a user does.
    async fn change(&mut self, step: &Step, folder: &Path) -> Result<(), String> {
        if let Some(object) = &step.apply {
            self.apply(object.clone()).await?;
        }
        if let Some(file) = &step.apply_file {
            let path = folder.join(&file.path);
            let wrong = |error: &dyn std::fmt::Display| format!("applyFile: {}: {error}", path.display());
            let mut text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
            for (from, to) in &file.replace {
                text = text.replace(from, to);
            }
            let object: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(&error))?;
            self.apply(object).await?;
        }
        if let Some(object) = &step.delete {
            let door = self.door(&object.kind)?;
            // As kubectl does it: without a policy, Jobs would leave their pods behind.
            let options = json!({ "propagationPolicy": "Background" });
            door.delete(&object.namespace, &object.name, &options)
                .await
                .map_err(|error| format!("delete {object}: {error}"))?;
        }
        if let Some(PatchSpec { object, merge, status }) = &step.patch {
            let door = self.door(&object.kind)?;
            let done = door
                .merge(&object.namespace, &object.name, *status, merge.clone())
                .await;
            done.map_err(|error| format!("patch {object}: {error}"))?;
        }
        Ok(())
    }

    /// What the environment does.
    async fn disturb(&mut self, step: &Step) -> Result<(), String> {
        if let Some(fault) = &step.fault {
            self.fault(fault)?;
        }
        if step.heal == Some(true) {
            self.heal();
        }
        if let Some(Restart::Operator) = step.restart {
            self.note("restart", "operator", "ok");
            self.rehearsal.restart_operator();
        }
        for (family, vcpus) in step.quota.iter().flatten() {
            self.note("quota", family, &vcpus.to_string());
            self.rehearsal.aks.set_quota(family, *vcpus);
        }
        if let Some(workspace) = &step.evict {
            let mut pools = self.rehearsal.aks.pools().into_iter();
            let pool = pools.find(|pool| pool.workspace == workspace.name);
            let pool = pool.ok_or_else(|| format!("evict: {workspace} has no machine"))?;
            self.note("evict", &format!("agentPool/{}", pool.name), "ok");
            self.rehearsal.aks.evict(&pool.name).await;
        }
        Ok(())
    }

    /// A line of the trace about what the environment does.
    fn note(&self, verb: &str, object: &str, result: &str) {
        self.world.trace.record(self.now(), "scenario", verb, object, result);
    }

    /// Creates an object, or merges it into what is there.
    async fn apply(&mut self, mut object: Value) -> Result<(), String> {
        let kind = text(&object, "/kind").to_owned();
        let (_, version, _) =
            kinds::resource(&kind).ok_or_else(|| format!("kind {kind:?} is not known to scenarios"))?;
        let api_version = text(&object, "/apiVersion").to_owned();
        let asked = api_version.rsplit('/').next().unwrap_or(version);
        let (group, _, plural) = kinds::resource(&kind).unwrap_or_default();
        let server = &self.rehearsal.cluster.server;
        let resource = server
            .resource(group, asked, plural)
            .map_err(|error| format!("{api_version} {kind}: {error}"))?;
        let door = server.door(UserInfo::admin(), resource);
        let cluster_scoped = ["Node", "NodeClaim", "Namespace", "StorageClass"].contains(&kind.as_str());
        if !cluster_scoped && text(&object, "/metadata/namespace").is_empty() {
            object["metadata"]["namespace"] = json!("default");
        }
        let (namespace, name) = (
            text(&object, "/metadata/namespace").to_owned(),
            text(&object, "/metadata/name").to_owned(),
        );
        let done = match door.get(&namespace, &name) {
            Ok(_) => door.merge(&namespace, &name, false, object).await,
            Err(_) => door.create(object).await,
        };
        done.map(|_| ())
            .map_err(|error| format!("apply {kind}/{namespace}/{name}: {error}"))
    }

    fn fault(&mut self, fault: &FaultSpec) -> Result<(), String> {
        let told = match fault {
            FaultSpec::Api(spec) => {
                let (fault, rule) = api_fault(spec);
                self.rehearsal.cluster.server.faults().plant(fault, rule);
                format!("{:?}", spec.kind)
            }
            FaultSpec::Azure(spec) => {
                let (fault, rule) = azure_fault(spec);
                self.rehearsal.aks.plant(fault, rule);
                format!("{:?}", spec.kind)
            }
            FaultSpec::Machine(spec) => {
                let fault = match spec {
                    MachineFaultSpec::NeverJoins => MachineFault::NeverJoins,
                    MachineFaultSpec::NoGpus => MachineFault::NoGpus,
                };
                self.rehearsal.aks.plant_machine(fault, "");
                format!("{spec:?}")
            }
            FaultSpec::Node(spec) => {
                let node = self.node_of(&spec.of)?;
                let fault = match spec.kind {
                    NodeFaultKind::NotReady => NodeFault::NotReady,
                    NodeFaultKind::Unreachable => NodeFault::Unreachable,
                    NodeFaultKind::DevicesLost => NodeFault::DevicesLost,
                    NodeFaultKind::MemoryPressure => NodeFault::MemoryPressure,
                };
                self.rehearsal.cluster.kubelets.set_fault(&node, Some(fault));
                format!("{:?} of {node}", spec.kind)
            }
        };
        self.note("fault", &told, "planted");
        Ok(())
    }

    fn heal(&mut self) {
        self.note("heal", "everything", "ok");
        self.rehearsal.cluster.server.faults().heal();
        self.rehearsal.aks.heal();
        for (path, _) in self.picture.of("Node") {
            self.rehearsal.cluster.kubelets.set_fault(&path.name, None);
        }
    }

    fn node_of(&self, workspace: &ObjectPath) -> Result<String, String> {
        let object = self.picture.objects.get(workspace);
        let node = object.and_then(|object| list(object, "/status/workerNodes").first()?.as_str());
        node.map(str::to_owned)
            .ok_or_else(|| format!("{workspace} has no node"))
    }

    async fn request(&mut self, spec: &RequestSpec) -> Result<(), String> {
        let RequestSpec {
            service,
            path,
            status,
            contains,
        } = spec;
        let url = format!(
            "/api/v1/namespaces/{}/services/{}:80/proxy{path}",
            service.namespace, service.name
        );
        let request = Request::get(&url)
            .body(Full::new(bytes::Bytes::new()))
            .map_err(|error| error.to_string())?;
        let response = self
            .rehearsal
            .cluster
            .server
            .service_as(UserInfo::admin())
            .oneshot(request)
            .await;
        let response = response.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        self.world.trace.record(
            self.now(),
            "user",
            "GET",
            &format!("{service}{path}"),
            &code.to_string(),
        );
        if code == *status && body.contains(contains) {
            return Ok(());
        }
        Err(format!(
            "request: {service}{path} answered {code} {body:?}, wanted {status} with {contains:?}"
        ))
    }

    async fn wait(&mut self, wanted: &Check, within: Duration) -> Result<(), String> {
        let deadline = self.now() + within;
        loop {
            self.take();
            if check::holds(wanted, &self.picture, &self.rehearsal.aks) {
                return Ok(());
            }
            if self.now() >= deadline {
                let instead = check::instead(wanted, &self.picture, &self.rehearsal.aks);
                return Err(format!("wait: not within {within:?}: {instead}"));
            }
            self.pass(deadline).await;
        }
    }

    /// Lets the world go on until then.
    async fn until(&mut self, deadline: Duration) {
        while self.now() < deadline {
            self.take();
            self.pass(deadline).await;
        }
        self.take();
    }

    /// Waits for the next change, or until then.
    async fn pass(&mut self, deadline: Duration) {
        let left = deadline.saturating_sub(self.now());
        tokio::select! {
            biased;
            () = self.picture.changed() => {}
            () = self.world.clock.sleep(left) => {}
        }
    }

    /// Takes in what has happened, and judges it.
    fn take(&mut self) {
        let now = self.now();
        if now > self.last {
            // The instant before is over: nothing more happens in it.
            self.audit.instant(&self.picture, &self.rehearsal.aks, self.last);
            self.last = now;
        }
        for change in self.picture.take(&self.rehearsal.cluster.server) {
            self.audit.change(&change, &self.picture, &self.rehearsal.aks, now);
            self.tell(&change, now);
            self.timeline.change(&change, now);
        }
        self.timeline.pools(&self.rehearsal.aks.pools(), now);
        for check in &self.scenario.expect.never {
            if check::holds(check, &self.picture, &self.rehearsal.aks) {
                let seen = check::instead(check, &self.picture, &self.rehearsal.aks);
                let line = format!("never: {seen}");
                if !self.faults.iter().any(|fault| fault.starts_with(&line)) {
                    self.faults.push(format!("{line} (at {:.3} s)", now.as_secs_f64()));
                }
            }
        }
    }

    /// Lines of the trace that no write tells by itself: conditions and pods that turn.
    fn tell(&self, change: &Change, now: Duration) {
        let Some(new) = &change.new else { return };
        let trace = &self.world.trace;
        match change.object.kind.as_str() {
            "Workspace" | "NodeClaim" => {
                let before = change
                    .old
                    .as_ref()
                    .map_or(&[][..], |old| list(old, "/status/conditions"));
                for condition in list(new, "/status/conditions") {
                    let is = |other: &Value, key: &str| text(other, key) == text(condition, key);
                    let old = before.iter().find(|old| is(old, "/type"));
                    if !old.is_some_and(|old| is(old, "/status") && is(old, "/reason")) {
                        let result = format!("{} {}", text(condition, "/status"), text(condition, "/reason"));
                        trace.record(
                            now,
                            "status",
                            text(condition, "/type"),
                            &change.object.to_string(),
                            &result,
                        );
                    }
                }
            }
            "Pod" if label(new, "kaito.sh/workspace").is_some() => {
                let state = |pod: &Value| super::report::pod_state(pod);
                if change.old.as_ref().map(state) != Some(state(new)) {
                    trace.record(now, "pod", "is", &change.object.to_string(), &state(new));
                }
            }
            _ => {}
        }
    }

    async fn finish(mut self, scenario: &Scenario) -> Outcome {
        let expect = &scenario.expect;
        if self.faults.is_empty()
            && let Some(Span(within)) = expect.settled_within
        {
            self.settle(within).await;
        }
        self.take();
        self.audit.instant(&self.picture, &self.rehearsal.aks, self.now());
        for check in &expect.finally {
            if !check::holds(check, &self.picture, &self.rehearsal.aks) {
                let instead = check::instead(check, &self.picture, &self.rehearsal.aks);
                self.faults.push(format!("finally: {instead}"));
            }
        }
        let gpu_time = self.rehearsal.aks.gpu_node_time();
        if let Some(Span(most)) = expect.gpu_time_at_most.filter(|Span(most)| gpu_time > *most) {
            let what = format!("GPU machines ran for {gpu_time:?}, {most:?} are allowed");
            self.audit.breaks("gpu-time-within-plan", self.now(), &what);
        }
        let asked = self.rehearsal.aks.accepted_puts();
        if let Some(wanted) = expect.pools_asked_for.filter(|wanted| *wanted != asked) {
            self.faults.push(format!(
                "poolsAskedFor: {asked} requests for agent pools were accepted, wanted {wanted}"
            ));
        }
        self.faults
            .extend(self.audit.broken().iter().map(|broken| format!("invariant {broken}")));
        let elapsed = self.now();
        Outcome {
            trace: shortened(&self.world.trace.lines()),
            faults: self.faults,
            elapsed,
            gpu_time,
            timeline: self.timeline.ended(elapsed),
        }
    }

    /// Waits until the operator is silent, and watches that it stays so.
    async fn settle(&mut self, within: Duration) {
        let start = self.now();
        let deadline = start + within;
        loop {
            let before = self.operator_writes();
            self.until(self.now() + SILENCE).await;
            if self.operator_writes() == before {
                break;
            }
            if self.now() >= deadline {
                let last = self
                    .world
                    .trace
                    .lines()
                    .into_iter()
                    .rev()
                    .find(|line| line.contains(OPERATOR));
                let fault = format!(
                    "settledWithin: the operator still writes after {within:?}: {}",
                    last.unwrap_or_default().trim()
                );
                self.faults.push(fault);
                return;
            }
        }
        let before = self.operator_writes();
        self.until(self.now() + WATCHED).await;
        let more = self.operator_writes() - before;
        if more > 0 {
            let now = self.now();
            self.audit.breaks(
                "settled-is-silent",
                now,
                &format!("{more} writes in a world that had settled"),
            );
        }
    }

    fn operator_writes(&self) -> usize {
        self.world
            .trace
            .lines()
            .iter()
            .filter(|line| line.contains(OPERATOR))
            .count()
    }
}

fn api_fault(spec: &ApiFaultSpec) -> (Fault, Rule) {
    let (fault, verb) = match spec.kind {
        ApiFaultKind::Conflict => (Fault::Conflict, Some(Verb::Patch)),
        ApiFaultKind::TooManyRequests => (Fault::TooManyRequests(1), None),
        ApiFaultKind::ErrorBeforeCommit => (Fault::ErrorBeforeCommit, Some(Verb::Patch)),
        ApiFaultKind::ErrorAfterCommit => (Fault::ErrorAfterCommit, Some(Verb::Patch)),
        ApiFaultKind::Outage => (Fault::ErrorBeforeCommit, None),
        ApiFaultKind::WatchDrop => (Fault::WatchDrop, Some(Verb::Watch)),
        ApiFaultKind::Gone => (Fault::Gone, Some(Verb::Watch)),
        ApiFaultKind::WatchDelay => {
            let delay = spec.delay.map_or(Duration::from_secs(10), |Span(delay)| delay);
            (Fault::WatchDelay(delay), Some(Verb::Watch))
        }
    };
    let rule = Rule {
        verb,
        plural: spec.resource.clone(),
        user: OPERATOR.into(),
        skip: spec.skip,
        times: spec.times,
        ..Rule::default()
    };
    (fault, rule)
}

fn azure_fault(spec: &AzureFaultSpec) -> (ArmFault, ArmRule) {
    /// Wait that a throttled request is told, in seconds.
    const THROTTLED_SECS: u64 = 30;
    let (code, message) = (spec.code.clone(), spec.message.clone());
    let fault = match spec.kind {
        AzureFaultKind::Refused => ArmFault::Refused {
            status: spec.status,
            code,
            message,
        },
        AzureFaultKind::Throttled => ArmFault::Throttled(THROTTLED_SECS),
        AzureFaultKind::Busy => ArmFault::Busy,
        AzureFaultKind::Failed => ArmFault::Failed { code, message },
        AzureFaultKind::Stuck => ArmFault::Stuck,
        AzureFaultKind::LostReply => ArmFault::LostReply,
    };
    let rule = ArmRule {
        method: spec.method.clone(),
        times: spec.times,
        ..ArmRule::default()
    };
    (fault, rule)
}

/// The lines that tell the story: what user, operator and AKS did, and what turned.
fn shortened(lines: &[String]) -> Vec<String> {
    let kept = lines.iter().filter_map(|line| {
        let (time, rest) = line.trim_start().split_once(' ')?;
        let (actor, rest) = rest.split_once(' ')?;
        let actor = match actor {
            OPERATOR => "operator",
            "system:admin" => "user",
            "aks" | "scenario" | "status" | "pod" | "user" => actor,
            _ => return None,
        };
        let noise = [
            " events ",
            "/status ",
            "customresourcedefinitions",
            "validatingwebhookconfigurations",
        ];
        let is_noise =
            ["operator", "user"].contains(&actor) && noise.iter().any(|noise| format!(" {rest}").contains(noise));
        (!is_noise).then(|| format!("{time:>10} {actor} {rest}"))
    });
    kept.collect()
}
