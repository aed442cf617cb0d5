//! Each invariant is broken on purpose, and the run says so by its name. What a wrong plan of the operator would do is
//! done beside it here: writes that it should not make, and writes that it fails to make.

#[cfg(test)]
mod invariants {
    use std::collections::BTreeSet;
    use std::path::Path;

    use simulator::rehearse::rehearse;
    use simulator::world::scenario::{INVARIANTS, parse};

    const SERVED: &str = r#"
about: sabotage
world:
  containers: [{command: serve, readyAfter: 30s}]
steps:
  - apply:
      apiVersion: kaito.sh/v1beta1
      kind: Workspace
      metadata: {name: w}
      resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {app: phi}}}
      inference: {preset: {name: phi-4-mini-instruct}}
  - wait: {object: Workspace/default/w, condition: Ready=True}
    within: 10m
"#;

    /// A claim that no plan has made, in the name of the Workspace.
    const SECOND_CLAIM: &str = r#"
  - apply:
      apiVersion: karpenter.sh/v1
      kind: NodeClaim
      metadata: {name: wsextra, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default}}
      spec:
        nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
        requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]
        resources: {requests: {storage: 100Gi}}
  - wait: {pools: 2}
    within: 1m
"#;

    /// The operator does nothing any more.
    const SILENCED: &str = "\n  - fault: {api: {kind: outage, times: 1000000}}\n";

    /// Invariant, what breaks it, and what the file expects besides.
    fn sabotages() -> Vec<(&'static str, String, &'static str)> {
        let gone = "\n  - patch: {object: NodeClaim/wsextra, merge: {metadata: {finalizers: null}}}\n  - delete: NodeClaim/wsextra\n";
        vec![
            ("one-pool-per-claim", format!("{SECOND_CLAIM}  - after: 1m\n"), ""),
            (
                "no-ownerless-pool",
                format!("{SECOND_CLAIM}  - after: 10m\n{SILENCED}{gone}  - after: 11m\n"),
                "",
            ),
            (
                "finalizer-holds",
                format!("{SECOND_CLAIM}{SILENCED}{gone}  - after: 1m\n"),
                "",
            ),
            (
                "ready-is-true",
                format!(
                    "{SILENCED}  - fault: {{node: {{kind: devices-lost, of: Workspace/default/w}}}}\n  - after: 1m\n"
                ),
                "",
            ),
            (
                "generation-is-observed",
                format!(
                    "{SILENCED}  - patch: {{object: Workspace/default/w, merge: {{resource: {{preferredNodes: [x]}}}}}}\n  - after: 1m\n"
                ),
                "",
            ),
            (
                "deleted-leaves-nothing",
                format!(
                    "{SILENCED}  - patch: {{object: Workspace/default/w, merge: {{metadata: {{finalizers: null}}}}}}\n  - delete: Workspace/default/w\n  - after: 3m\n"
                ),
                "",
            ),
            // A program that ends well every four minutes is never at rest, though it often looks so.
            ("settled-is-silent", String::new(), "expect: {settledWithin: 10m}\n"),
            ("gpu-time-within-plan", String::new(), "expect: {gpuTimeAtMost: 1s}\n"),
        ]
    }

    #[test]
    fn each_is_caught_when_it_is_broken() {
        let mut caught = BTreeSet::new();
        for (name, steps, expect) in sabotages() {
            let served = match name {
                "settled-is-silent" => SERVED.replace("readyAfter: 30s", "readyAfter: 30s, runsFor: 4m"),
                _ => SERVED.to_owned(),
            };
            let text = format!("{served}{}{expect}", steps.trim_start_matches('\n'));
            let scenario = parse(name, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let outcome = rehearse(&scenario, 1, Path::new("sabotage.yaml")).unwrap();
            let wanted = format!("invariant {name}: ");
            assert!(
                outcome.faults.iter().any(|fault| fault.starts_with(&wanted)),
                "{name} is not caught: {:#?}",
                outcome.faults
            );
            caught.insert(name);
        }
        // The API server itself does not let a generation go back: the simulator's own tests feed that one by hand.
        caught.insert("generation-grows");
        assert_eq!(caught, INVARIANTS.iter().map(|(name, _)| *name).collect());
    }
}
