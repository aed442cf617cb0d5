//! Each invariant is broken on purpose by an operator that decides wrongly: a patch of the plans that it makes. The run
//! says so by the invariant's name.

#[cfg(test)]
mod invariants {
    use std::collections::BTreeSet;
    use std::path::Path;

    use jiff::SignedDuration;
    use operator::Planners;
    use operator_api::labels::WORKSPACE_FINALIZER;
    use operator_api::nodeclaim::TERMINATION_FINALIZER;
    use operator_plan::manifests::Settings;
    use operator_plan::step::{Event, Planned, Severity};
    use operator_plan::{Kind, Plan, Step, Target, Wake, nodeclaim, workspace};
    use serde_json::{Value, json};
    use simulator::rehearse::rehearse_with;
    use simulator::world::scenario::{INVARIANTS, parse};

    /// A Workspace that comes to serve.
    const SERVED: &str = r#"
about: a wrong plan
world:
  containers: [{command: serve, readyAfter: 30s}]
steps:
  - apply:
      apiVersion: kaito.sh/v1beta1
      kind: Workspace
      metadata: {name: w}
      resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {app: phi}}}
      inference: {preset: {name: phi-4-mini-instruct}}
  - after: 10m
"#;
    /// And then is not wanted any more.
    const DELETED: &str = "  - delete: Workspace/default/w\n  - after: 15m\n";

    /// Every claim twice.
    fn claims_twice(seen: &workspace::Observed, settings: &Settings) -> Plan {
        let mut plan = workspace::plan(seen, settings);
        let mut second = plan.steps.clone();
        second.retain_mut(|planned| match &mut planned.step {
            Step::Apply { target, .. } if target.kind == Kind::NodeClaim => {
                target.name.push('x');
                true
            }
            _ => false,
        });
        // And keeps what is too many.
        plan.steps
            .retain(|planned| !matches!(&planned.step, Step::Delete { target, .. } if target.kind == Kind::NodeClaim));
        plan.steps.extend(second);
        plan
    }

    /// Claims go at once, their pools stay.
    fn claims_forgotten(seen: &nodeclaim::Observed) -> Plan {
        let mut plan = nodeclaim::plan(seen);
        let meta = &seen.claim.metadata;
        if meta.deletion_timestamp.is_some() && meta.finalizers.is_some() {
            plan.steps = vec![Planned {
                step: Step::DropFinalizer {
                    target: Target::cluster(Kind::NodeClaim, meta.name.as_deref().unwrap_or_default()),
                    uid: meta.uid.clone().unwrap_or_default(),
                    finalizer: TERMINATION_FINALIZER,
                },
                why: "wrong on purpose".into(),
            }];
        }
        plan
    }

    /// Pools are never deleted.
    fn pools_kept(seen: &nodeclaim::Observed) -> Plan {
        let mut plan = nodeclaim::plan(seen);
        plan.steps
            .retain(|planned| !matches!(planned.step, Step::DeletePool { .. }));
        plan
    }

    /// Says that all is well from the first pass on.
    fn always_ready(seen: &workspace::Observed, settings: &Settings) -> Plan {
        let mut plan = workspace::plan(seen, settings);
        for condition in conditions(&mut plan) {
            condition["status"] = json!("True");
        }
        plan
    }

    /// Conditions speak of the generation before.
    fn behind(seen: &workspace::Observed, settings: &Settings) -> Plan {
        let mut plan = workspace::plan(seen, settings);
        for condition in conditions(&mut plan) {
            condition["observedGeneration"] = json!(seen.workspace.metadata.generation.unwrap_or(0) - 1);
        }
        plan
    }

    fn conditions(plan: &mut Plan) -> impl Iterator<Item = &mut Value> {
        let all = plan.status.as_mut().and_then(|status| status.get_mut("conditions"));
        all.and_then(Value::as_array_mut).into_iter().flatten()
    }

    /// A deleted Workspace goes at once, whatever it has.
    fn workspace_forgotten(seen: &workspace::Observed, settings: &Settings) -> Plan {
        let mut plan = workspace::plan(seen, settings);
        let meta = &seen.workspace.metadata;
        if meta.deletion_timestamp.is_some() {
            let name = meta.name.as_deref().unwrap_or_default();
            plan.steps = vec![Planned {
                step: Step::DropFinalizer {
                    target: Target::namespaced(Kind::Workspace, meta.namespace.as_deref().unwrap_or_default(), name),
                    uid: meta.uid.clone().unwrap_or_default(),
                    finalizer: WORKSPACE_FINALIZER,
                },
                why: "wrong on purpose".into(),
            }];
            plan.status = None;
        }
        plan
    }

    /// Has something to tell every four minutes, though nothing happens.
    fn restless(seen: &workspace::Observed, settings: &Settings) -> Plan {
        let mut plan = workspace::plan(seen, settings);
        if plan.is_empty() {
            plan.events.push(Event {
                severity: Severity::Normal,
                reason: "Restless".into(),
                message: seen.now.to_string(),
            });
            plan.wake = Wake::At(seen.now + SignedDuration::from_mins(4));
        }
        plan
    }

    /// Invariant, the wrong decision, what is done, and what the file expects besides.
    fn patches() -> Vec<(&'static str, Planners, String)> {
        let usual = Planners::default;
        let workspace = |workspace| Planners { workspace, ..usual() };
        let nodeclaim = |nodeclaim| Planners { nodeclaim, ..usual() };
        let served = || SERVED.to_owned();
        let deleted = || format!("{SERVED}{DELETED}");
        vec![
            ("one-pool-per-claim", workspace(claims_twice), served()),
            ("no-ownerless-pool", nodeclaim(claims_forgotten), deleted()),
            ("finalizer-holds", workspace(workspace_forgotten), deleted()),
            ("finalizer-holds", nodeclaim(claims_forgotten), deleted()),
            ("ready-is-true", workspace(always_ready), served()),
            ("generation-is-observed", workspace(behind), served()),
            ("deleted-leaves-nothing", workspace(workspace_forgotten), deleted()),
            (
                "settled-is-silent",
                workspace(restless),
                format!("{SERVED}expect: {{settledWithin: 10m}}\n"),
            ),
            (
                "gpu-time-within-plan",
                nodeclaim(pools_kept),
                format!("{}expect: {{gpuTimeAtMost: 15m}}\n", deleted()),
            ),
        ]
    }

    #[test]
    fn each_wrong_plan_is_caught() {
        let run = |planners, name: &str, text: &str| {
            let scenario = parse(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let outcome = rehearse_with(planners, &scenario, 1, Path::new("patched.yaml")).unwrap();
            outcome.faults
        };
        let strictest = format!("{SERVED}{DELETED}expect: {{settledWithin: 10m, gpuTimeAtMost: 15m}}\n");
        let right = run(Planners::default(), "right", &strictest);
        assert_eq!(right, Vec::<String>::new(), "the right plans");
        let mut caught = BTreeSet::new();
        for (name, planners, text) in patches() {
            let found = run(planners, name, &text);
            let wanted = format!("invariant {name}: ");
            assert!(
                found.iter().any(|fault| fault.starts_with(&wanted)),
                "{name} is not caught: {found:#?}"
            );
            caught.insert(name);
        }
        // The API server itself does not let a generation go back: the simulator's own tests feed that one by hand.
        caught.insert("generation-grows");
        assert_eq!(caught, INVARIANTS.iter().map(|(name, _)| *name).collect());
    }
}
