//! The kinds that scenarios may speak of: group, version, plural.

const KINDS: [(&str, &str, &str, &str); 16] = [
    ("Workspace", "kaito.sh", "v1beta1", "workspaces"),
    ("NodeClaim", "karpenter.sh", "v1", "nodeclaims"),
    ("Node", "", "v1", "nodes"),
    ("Pod", "", "v1", "pods"),
    ("Service", "", "v1", "services"),
    ("ConfigMap", "", "v1", "configmaps"),
    ("Secret", "", "v1", "secrets"),
    ("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims"),
    ("Namespace", "", "v1", "namespaces"),
    ("Event", "", "v1", "events"),
    ("StatefulSet", "apps", "v1", "statefulsets"),
    ("Deployment", "apps", "v1", "deployments"),
    ("ReplicaSet", "apps", "v1", "replicasets"),
    ("ControllerRevision", "apps", "v1", "controllerrevisions"),
    ("Job", "batch", "v1", "jobs"),
    ("StorageClass", "storage.k8s.io", "v1", "storageclasses"),
];

/// Group, version and plural of a kind.
pub(crate) fn resource(kind: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let found = KINDS.iter().find(|(name, ..)| *name == kind);
    found.map(|(_, group, version, plural)| (*group, *version, *plural))
}

/// The kind that a plural of a group stands for.
pub(super) fn kind(group: &str, plural: &str) -> Option<&'static str> {
    let found = KINDS.iter().find(|(_, of, _, name)| *of == group && *name == plural);
    found.map(|(kind, ..)| *kind)
}
