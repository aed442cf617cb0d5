//! The history of a Workspace as ControllerRevisions.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use operator_api::Workspace;
use operator_api::labels::{WORKSPACE_HASH, WORKSPACE_NAME, child};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{name, owned};
use crate::drift::stamped;

/// Versions that are kept.
const KEPT: usize = 10;

/// The place of a Workspace in its history.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Name of its ControllerRevision.
    pub name: String,
    /// Hash of what the user wrote.
    pub hash: String,
    /// Number.
    pub number: i64,
    /// Fields of the ControllerRevision.
    pub fields: Value,
    /// Versions that are too many.
    pub surplus: Vec<Arc<ControllerRevision>>,
}

/// Hash of `resource`, `inference` and `tuning`: hexadecimal SHA-256 over the three as Go's encoder writes them, one a
/// line, as KAITO does it.
pub fn workspace_hash(workspace: &Workspace) -> String {
    let mut sha = Sha256::new();
    for part in [
        go_json(&workspace.resource),
        go_json(&workspace.inference),
        go_json(&workspace.tuning),
    ] {
        sha.update(part.as_bytes());
        sha.update(b"\n");
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with the characters escaped that Go escapes for the sake of HTML.
fn go_json<T: Serialize>(part: &T) -> String {
    let text = serde_json::to_string(part).unwrap_or_default();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The revision of the Workspace as it is now. One that was there before keeps its number.
pub fn controller_revision(workspace: &Workspace, existing: &[Arc<ControllerRevision>]) -> Revision {
    let hash = workspace_hash(workspace);
    let revision = child::revision(name(workspace), &hash);
    let is_this = |old: &&Arc<ControllerRevision>| old.metadata.name.as_deref() == Some(&revision);
    let highest = existing.iter().map(|old| old.revision).max().unwrap_or(0);
    let number = existing.iter().find(is_this).map_or(highest + 1, |old| old.revision);
    let mut metadata = owned(workspace, &json!({ WORKSPACE_HASH: hash }));
    if let Some(labels) = metadata.pointer_mut("/labels").and_then(Value::as_object_mut) {
        labels.insert(WORKSPACE_NAME.into(), json!(name(workspace)));
    }
    let fields = json!({
        "metadata": metadata,
        "data": { "resource": workspace.resource, "inference": workspace.inference, "tuning": workspace.tuning },
        "revision": number,
    });
    let mut others: Vec<Arc<ControllerRevision>> = existing.iter().filter(|old| !is_this(old)).cloned().collect();
    others.sort_by_key(|old| old.revision);
    others.truncate((others.len() + 1).saturating_sub(KEPT));
    Revision {
        name: revision,
        hash,
        number,
        fields: stamped(fields),
        surplus: others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revisions(numbers: std::ops::RangeInclusive<i64>) -> Vec<Arc<ControllerRevision>> {
        numbers
            .map(|number| {
                let mut revision = ControllerRevision {
                    revision: number,
                    ..ControllerRevision::default()
                };
                revision.metadata.name = Some(format!("w-{number}"));
                Arc::new(revision)
            })
            .collect()
    }

    #[test]
    fn numbers_go_up_and_ten_are_kept() {
        let mut workspace = Workspace::default();
        workspace.metadata.name = Some("w".into());
        let first = controller_revision(&workspace, &[]);
        assert_eq!((first.number, first.surplus.len()), (1, 0));
        let eleventh = controller_revision(&workspace, &revisions(1..=10));
        let surplus: Vec<i64> = eleventh.surplus.iter().map(|old| old.revision).collect();
        assert_eq!((eleventh.number, surplus), (11, vec![1]));
        let mut existing = revisions(1..=3);
        let mut same = ControllerRevision {
            revision: 2,
            ..ControllerRevision::default()
        };
        same.metadata.name = Some(first.name.clone());
        existing[1] = Arc::new(same);
        assert_eq!(controller_revision(&workspace, &existing).number, 2);
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        assert_eq!(go_json(&"a<b>&\u{2028}"), r#""a\u003cb\u003e\u0026\u2028""#);
        assert_eq!(go_json(&None::<u8>), "null");
    }
}
