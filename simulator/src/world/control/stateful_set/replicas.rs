//! The pods of one StatefulSet: which ordinals there shall be, in which order they come and go.
//!
//! Must not know: the status.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::history::{History, REVISION_HASH, Revision};
use super::super::object::{count, int, is_deleting, label, name, namespace, put, text, uid};
use super::super::{Kind, ObjectKey, Pass, Write, pods};
use super::{NAME, current_name, pod_name, revision_of};

pub(super) const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// At most this many pods are made a pass (`MaxBatchSize` of the real controller), however large the set.
const MAX_CREATIONS: usize = 500;

/// Whether the next pod may be looked at.
#[derive(PartialEq, Eq)]
enum Step {
    Next,
    Stop,
}

/// The work on the pods of one StatefulSet.
pub(super) struct Work<'a> {
    pub(super) set: &'a Arc<Value>,
    pub(super) pass: &'a Pass<'a>,
    pub(super) start: i64,
    pub(super) wanted: i64,
    history: &'a History,
    members: &'a [Arc<Value>],
    /// How many pods of the current revision this pass deletes for the update.
    pub(super) updated: i64,
    /// A claim of a pod to be made is still being deleted.
    pub(super) stale: bool,
    pub(super) writes: Vec<Write>,
}

/// A pod's ordinal, if its name is of this StatefulSet.
pub(super) fn ordinal_of(set: &Value, pod: &Value) -> Option<i64> {
    let ordinal = name(pod).strip_prefix(name(set))?.strip_prefix('-')?;
    let digits = ordinal.bytes().all(|byte| byte.is_ascii_digit());
    ordinal.parse::<i32>().ok().filter(|_| digits).map(i64::from)
}

pub(super) fn is_running_and_ready(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && pods::is_ready(pod)
}

impl<'a> Work<'a> {
    pub(super) fn new(
        set: &'a Arc<Value>,
        history: &'a History,
        members: &'a [Arc<Value>],
        pass: &'a Pass<'a>,
    ) -> Self {
        Self {
            set,
            pass,
            history,
            members,
            start: count(set, "/spec/ordinals/start"),
            wanted: int(set, "/spec/replicas").unwrap_or(1).max(0),
            updated: 0,
            stale: false,
            writes: Vec::new(),
        }
    }

    /// Creates what is missing, then removes what is too much, then updates; in order, one at a time, unless pods are
    /// managed in parallel.
    pub(super) fn run(&mut self) {
        let in_order = text(self.set, "/spec/podManagementPolicy") != "Parallel";
        let set = Arc::clone(self.set);
        let mut condemned: Vec<(i64, Arc<Value>)> = Vec::new();
        let mut replicas: Vec<(i64, Option<Arc<Value>>)> = Vec::new();
        let mut missing = 0;
        for ordinal in self.start..self.start.saturating_add(self.wanted) {
            let wanted = pod_name(&set, ordinal);
            let member = self.members.iter().find(|pod| name(pod) == wanted);
            replicas.push((ordinal, member.cloned()));
            missing += usize::from(member.is_none());
            if missing >= MAX_CREATIONS {
                break;
            }
        }
        for pod in self.members {
            let ordinal = ordinal_of(&set, pod).filter(|ordinal| !self.in_range(*ordinal));
            condemned.extend(ordinal.map(|ordinal| (ordinal, Arc::clone(pod))));
        }
        condemned.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        for (ordinal, pod) in &replicas {
            if self.keep(*ordinal, pod.as_ref(), in_order) == Step::Stop && in_order {
                return;
            }
        }
        for (ordinal, pod) in &condemned {
            self.fit_claims(*ordinal, Some(pod));
        }
        let unavailable = replicas
            .iter()
            .filter_map(|(_, pod)| pod.as_ref())
            .chain(condemned.iter().rev().map(|(_, pod)| pod));
        let first_unavailable = unavailable
            .filter(|pod| !self.is_available(pod))
            .map(|pod| name(pod))
            .next();
        let first_unavailable = first_unavailable.map(str::to_owned);
        for (_, pod) in &condemned {
            let first = first_unavailable.as_deref() == Some(name(pod));
            if self.condemn(pod, first, in_order) == Step::Stop && in_order {
                return;
            }
        }
        if missing == 0 {
            self.update(&replicas);
        }
    }

    pub(super) fn in_range(&self, ordinal: i64) -> bool {
        ordinal >= self.start && ordinal < self.start.saturating_add(self.wanted)
    }

    fn is_available(&self, pod: &Value) -> bool {
        let min_ready_secs = count(self.set, "/spec/minReadySeconds");
        !is_deleting(pod) && pods::is_available(pod, min_ready_secs, self.pass.now)
    }

    fn keep(&mut self, ordinal: i64, pod: Option<&Arc<Value>>, in_order: bool) -> Step {
        let Some(pod) = pod else {
            if self.has_stale_claim(ordinal) {
                self.stale = true;
                return Step::Stop;
            }
            self.create(ordinal);
            return Step::Stop;
        };
        if pods::is_terminal(pod) {
            if !is_deleting(pod) {
                self.delete(pod);
            }
            return Step::Stop;
        }
        if text(pod, "/status/phase") == "Pending" {
            self.create_claims(ordinal);
        }
        if in_order && (is_deleting(pod) || !is_running_and_ready(pod) || !self.is_available(pod)) {
            return Step::Stop;
        }
        self.fit_claims(ordinal, Some(pod));
        if label(pod, POD_NAME) != Some(name(pod)) {
            let labels = json!({POD_NAME: name(pod), POD_INDEX: ordinal.to_string()});
            self.writes.push(Write::MergePatch {
                kind: Kind::POD,
                key: super::super::object::key_of(pod),
                status: false,
                patch: json!({"metadata": {"labels": labels}}),
            });
        }
        Step::Next
    }

    fn condemn(&mut self, pod: &Arc<Value>, first_unavailable: bool, in_order: bool) -> Step {
        if is_deleting(pod) {
            return Step::Stop;
        }
        let healthy = is_running_and_ready(pod) && self.is_available(pod);
        if in_order && !healthy && !first_unavailable {
            return Step::Stop;
        }
        self.delete(pod);
        Step::Stop
    }

    /// Deletes the highest pod that is not of the new revision, once all above it are available.
    fn update(&mut self, replicas: &[(i64, Option<Arc<Value>>)]) {
        if text(self.set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        let partition = count(self.set, "/spec/updateStrategy/rollingUpdate/partition");
        let from = usize::try_from(partition).unwrap_or(0);
        for (_, pod) in replicas.iter().skip(from).rev() {
            let Some(pod) = pod else { return };
            if revision_of(pod) != self.history.update.name && !is_deleting(pod) {
                self.updated += i64::from(revision_of(pod) == current_name(self.set, self.history));
                self.delete(pod);
                return;
            }
            if !self.is_available(pod) {
                return;
            }
        }
    }

    fn delete(&mut self, pod: &Value) {
        self.writes.push(Write::Delete {
            kind: Kind::POD,
            key: super::super::object::key_of(pod),
            uid: Some(uid(pod).to_owned()),
            grace_secs: None,
            propagation: None,
        });
        let message = format!("delete Pod {} in StatefulSet {} successful", name(pod), name(self.set));
        self.writes.push(Write::normal(
            NAME,
            Kind::STATEFUL_SET,
            self.set,
            "SuccessfulDelete",
            message,
        ));
    }

    fn create(&mut self, ordinal: i64) {
        self.create_claims(ordinal);
        let object = self.pod(ordinal);
        let message = format!(
            "create Pod {} in StatefulSet {} successful",
            name(&object),
            name(self.set)
        );
        let kind = Kind::POD;
        self.writes.push(Write::Create { kind, object });
        self.writes.push(Write::normal(
            NAME,
            Kind::STATEFUL_SET,
            self.set,
            "SuccessfulCreate",
            message,
        ));
    }

    /// The revision that a new pod is made from: below the partition the current one.
    fn revision_for(&self, ordinal: i64) -> &'a Revision {
        let rolling = self.set.pointer("/spec/updateStrategy/rollingUpdate");
        let kept = match rolling {
            Some(rolling) if rolling.is_object() => count(rolling, "/partition"),
            _ => count(self.set, "/status/currentReplicas"),
        };
        let rolls = text(self.set, "/spec/updateStrategy/type") == "RollingUpdate";
        let history = self.history;
        let current = history.named(current_name(self.set, history));
        current
            .filter(|_| rolls && ordinal < self.start + kept)
            .unwrap_or(&history.update)
    }

    fn pod(&self, ordinal: i64) -> Value {
        let revision = self.revision_for(ordinal);
        let mut pod = pods::skeleton(&revision.template, Kind::STATEFUL_SET, self.set);
        let name = pod_name(self.set, ordinal);
        put(&mut pod, &["metadata", "name"], name.as_str().into());
        // As the real controller sets it, though the name is given.
        put(
            &mut pod,
            &["metadata", "generateName"],
            format!("{}-", super::name(self.set)).into(),
        );
        for (label, value) in [
            (POD_NAME, name.as_str()),
            (POD_INDEX, &ordinal.to_string()),
            (REVISION_HASH, &revision.name),
        ] {
            put(&mut pod, &["metadata", "labels", label], value.into());
        }
        put(&mut pod, &["spec", "hostname"], name.into());
        let service = text(self.set, "/spec/serviceName");
        if !service.is_empty() {
            put(&mut pod, &["spec", "subdomain"], service.into());
        }
        self.mount_claims(&mut pod, ordinal);
        pod
    }

    pub(super) fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(namespace(self.set), name)
    }
}
