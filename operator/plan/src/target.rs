//! The kinds of objects that a plan may touch: a closed list, so that the operator's RBAC can be told from it.

use std::fmt;

/// A kind of object, with its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Our Workspace.
    Workspace,
    /// Karpenter's NodeClaim.
    NodeClaim,
    /// Node.
    Node,
    /// StatefulSet: inference workloads.
    StatefulSet,
    /// Deployment: workloads that KAITO's early releases left behind.
    Deployment,
    /// Job: tuning workloads.
    Job,
    /// Service.
    Service,
    /// ConfigMap: copies of the tuning templates.
    ConfigMap,
    /// ControllerRevision: the history of a Workspace.
    ControllerRevision,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Workspace,
        Self::NodeClaim,
        Self::Node,
        Self::StatefulSet,
        Self::Deployment,
        Self::Job,
        Self::Service,
        Self::ConfigMap,
        Self::ControllerRevision,
    ];

    /// `apiVersion`, kind, plural.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Workspace => ("kaito.sh/v1beta1", "Workspace", "workspaces"),
            Self::NodeClaim => ("karpenter.sh/v1", "NodeClaim", "nodeclaims"),
            Self::Node => ("v1", "Node", "nodes"),
            Self::StatefulSet => ("apps/v1", "StatefulSet", "statefulsets"),
            Self::Deployment => ("apps/v1", "Deployment", "deployments"),
            Self::Job => ("batch/v1", "Job", "jobs"),
            Self::Service => ("v1", "Service", "services"),
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
            Self::ControllerRevision => ("apps/v1", "ControllerRevision", "controllerrevisions"),
        }
    }

    /// `apiVersion` of its objects, e.g. `apps/v1`.
    pub const fn api_version(self) -> &'static str {
        self.names().0
    }

    /// The kind's name, e.g. `StatefulSet`.
    pub const fn name(self) -> &'static str {
        self.names().1
    }

    /// Its name in paths, e.g. `statefulsets`.
    pub const fn plural(self) -> &'static str {
        self.names().2
    }

    /// Whether its objects live in namespaces.
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::NodeClaim | Self::Node)
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Target {
    /// An object of a kind that lives in namespaces.
    pub fn namespaced(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// An object of a kind that belongs to the cluster.
    pub fn cluster(kind: Kind, name: &str) -> Self {
        Self::namespaced(kind, "", name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind.name(), self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind.name(), self.name),
        }
    }
}
