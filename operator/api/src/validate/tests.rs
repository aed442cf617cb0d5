//! Properties that hold for every object; the single rules are tested case by case in `operator/tests/admission`.

use super::*;
use crate::{Workspace, WorkspaceV1alpha1, workspace::ResourceSpec};
use serde_json::json;

fn typed(value: serde_json::Value) -> Workspace {
    serde_json::from_value(value).unwrap()
}

fn every_setting() -> Vec<Settings> {
    let mut all = Vec::new();
    for provisioner in [Provisioner::AzureGpu, Provisioner::Karpenter, Provisioner::Byo] {
        for on in [false, true] {
            let gates = Gates {
                vllm: on,
                mig: on,
                accelerator: on,
                model_streaming: on,
            };
            all.push(Settings {
                provisioner,
                gates,
                ..Settings::default()
            });
        }
    }
    all
}

/// Objects that break every rule that they can.
fn broken() -> Vec<Workspace> {
    let both = json!({
        "metadata": { "name": "A.b", "annotations": { "kaito.sh/performance-mode": "?", "kaito.sh/node-class-name": "?" } },
        "resource": { "count": 9, "instanceType": "x", "partition": { "mode": "?", "count": 0 } },
        "inference": { "preset": { "name": "?" }, "template": {}, "adapters": [{}, {}], "config": "x" },
        "tuning": { "method": "?", "config": "x" },
    });
    vec![
        Workspace::default(),
        typed(both),
        typed(json!({ "metadata": {}, "inference": {} })),
        typed(json!({ "tuning": {} })),
    ]
}

#[test]
fn an_update_that_changes_nothing_or_only_metadata_passes() {
    for settings in every_setting() {
        let facts = Facts {
            nodes: Some(Vec::new()),
            ..Facts::default()
        };
        for version in [Version::V1alpha1, Version::V1beta1] {
            for old in broken() {
                let mut new = old.clone();
                new.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
                new.metadata.finalizers = None;
                for new in [&old, &new] {
                    let verdict = workspace(version, new, Some(&old), Context::new(&settings, &facts));
                    assert!(verdict.accepted(), "{version:?} {settings:?}: {}", verdict.denial());
                }
            }
        }
    }
}

#[test]
fn an_object_that_is_being_deleted_passes_whatever_it_says() {
    let settings = Settings::default();
    let facts = Facts::default();
    for mut new in broken() {
        new.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        ));
        for old in [None, Some(Workspace::default())] {
            let verdict = workspace(Version::V1beta1, &new, old.as_ref(), Context::new(&settings, &facts));
            assert_eq!(verdict, Verdict::default());
        }
    }
}

#[test]
fn a_broken_object_is_refused_with_all_its_faults() {
    let (settings, facts) = (Settings::default(), Facts::default());
    let verdict = workspace(Version::V1beta1, &broken()[1], None, Context::new(&settings, &facts));
    for path in [
        "metadata.name",
        "inference, tuning",
        "resource.count",
        "resource.partition",
        "tuning.method",
        "tuning.input",
        "tuning.output",
        "tuning.preset",
        "inference.preset.name",
    ] {
        assert!(
            verdict.faults.iter().any(|fault| fault.path == path),
            "{path}: {}",
            verdict.denial()
        );
    }
}

#[test]
fn one_rule_decides_about_instance_types_for_every_kind() {
    let settings = |provisioner| Settings {
        provisioner,
        ..Settings::default()
    };
    for (provisioner, given, accepted) in [
        (Provisioner::Byo, "Standard_NC24ads_A100_v4", false),
        (Provisioner::Byo, "", true),
        (Provisioner::AzureGpu, "Standard_NC24ads_A100_v4", true),
        (Provisioner::AzureGpu, "", false),
        (Provisioner::Karpenter, "", false),
    ] {
        let (settings, facts) = (settings(provisioner), Facts::default());
        let context = Context::new(&settings, &facts);
        let mut single = Workspace::default();
        single.metadata.name = Some("a".to_owned());
        single.inference = serde_json::from_value(json!({ "preset": { "name": "phi-4" } })).unwrap();
        let mut set = crate::InferenceSet::default();
        set.metadata.name = Some("a".to_owned());
        set.spec.template.inference = single.inference.clone().unwrap_or_default();
        single.resource = ResourceSpec {
            instance_type: given.to_owned(),
            ..ResourceSpec::default()
        };
        set.spec.template.resource.instance_type = given.to_owned();
        let alone = workspace(Version::V1beta1, &single, None, context);
        let many = inference_set(Version::V1beta1, &set, None, context);
        assert_eq!(
            (alone.accepted(), many.accepted()),
            (accepted, accepted),
            "{provisioner:?} {given:?}"
        );
        let messages = |verdict: &Verdict| {
            verdict
                .faults
                .iter()
                .map(|fault| fault.message.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(messages(&alone), messages(&many));
    }
}

#[test]
fn versions_convert_without_loss() {
    let value =
        json!({ "metadata": { "name": "a" }, "resource": { "count": 2, "instanceType": "x" }, "inference": {} });
    let old: WorkspaceV1alpha1 = serde_json::from_value(value).unwrap();
    let new = Workspace::from(old.clone());
    assert_eq!(
        (&new.metadata, &new.resource, &new.inference),
        (&old.metadata, &old.resource, &old.inference)
    );
    assert_eq!(
        (new.api_version.as_str(), old.api_version.as_str()),
        ("kaito.sh/v1beta1", "kaito.sh/v1alpha1")
    );
}

#[test]
fn sizes_in_messages() {
    assert_eq!(in_gib(80 << 30), "80Gi");
    assert_eq!(in_gib((5 << 30) + (1 << 29)), "5.50Gi");
    assert_eq!(in_gib(u64::MAX), "17179869183.99Gi");
}
