//! The history of a Workspace as ControllerRevisions.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use operator_api::Workspace;
use operator_api::labels::{WORKSPACE_HASH, WORKSPACE_NAME, child};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{go, name, owned};
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
    let digest = Sha256::digest(go::lines(workspace).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name of the revision with this hash. Two specs whose hashes begin alike get longer names, so that none takes the
/// other's place.
fn revision_name(owner: &str, hash: &str, existing: &[Arc<ControllerRevision>]) -> String {
    let short = child::revision(owner, hash);
    let rest: Vec<char> = hash.chars().skip(short.len().saturating_sub(owner.len() + 1)).collect();
    let longer = (1..=rest.len()).map(|more| format!("{short}{}", rest.iter().take(more).collect::<String>()));
    let is_free = |name: &String| {
        let old = existing.iter().find(|old| old.metadata.name.as_ref() == Some(name));
        let annotations = old.and_then(|old| old.metadata.annotations.as_ref());
        annotations
            .and_then(|all| all.get(WORKSPACE_HASH))
            .is_none_or(|other| other == hash)
    };
    std::iter::once(short.clone())
        .chain(longer)
        .find(is_free)
        .unwrap_or(short)
}

/// The revision of the Workspace as it is now. One that was there before keeps its number.
pub fn controller_revision(workspace: &Workspace, existing: &[Arc<ControllerRevision>]) -> Revision {
    let hash = workspace_hash(workspace);
    let revision = revision_name(name(workspace), &hash, existing);
    let is_this = |old: &&Arc<ControllerRevision>| old.metadata.name.as_deref() == Some(&revision);
    let highest = existing.iter().map(|old| old.revision).max().unwrap_or(0);
    let before = existing.iter().find(is_this);
    let number = before.map_or(highest + 1, |old| old.revision);
    // What a revision holds can never change, and KAITO may have written this one, with other defaults spelled out.
    let data = before.and_then(|old| old.data.as_ref()).map_or_else(
        || json!({ "resource": workspace.resource, "inference": workspace.inference, "tuning": workspace.tuning }),
        |old| old.0.clone(),
    );
    let mut metadata = owned(workspace, &json!({ WORKSPACE_HASH: hash }));
    if let Some(labels) = metadata.pointer_mut("/labels").and_then(Value::as_object_mut) {
        labels.insert(WORKSPACE_NAME.into(), json!(name(workspace)));
    }
    let fields = json!({
        "metadata": metadata,
        "data": data,
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
    use k8s_openapi::apimachinery::pkg::runtime::RawExtension;

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
        let data = json!({ "resource": { "count": 1 } });
        Arc::get_mut(&mut existing[1]).unwrap().data = Some(RawExtension(data.clone()));
        assert_eq!(controller_revision(&workspace, &existing).fields["data"], data);
    }

    #[test]
    fn hashes_that_begin_alike_get_names_of_their_own() {
        let mut workspace = Workspace::default();
        workspace.metadata.name = Some("w".into());
        let short = controller_revision(&workspace, &[]).name;
        let mut other = ControllerRevision {
            revision: 1,
            ..ControllerRevision::default()
        };
        other.metadata.name = Some(short.clone());
        let hash = (WORKSPACE_HASH.to_owned(), format!("{}f00", short.replace("w-", "")));
        other.metadata.annotations = Some([hash].into());
        let revision = controller_revision(&workspace, &[Arc::new(other)]);
        assert_eq!((revision.name.len(), revision.number), (short.len() + 1, 2));
        assert!(revision.name.starts_with(&short) && revision.surplus.is_empty());
    }
}
