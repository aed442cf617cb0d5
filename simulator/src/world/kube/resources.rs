//! Which resources are served: the vocabulary that every other room shares, and the registry of built-in and custom ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crd::CompiledVersion;
pub use super::surface::builtin_resources::builtin_registry;

/// Group, version and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl Gvk {
    /// From three texts.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    /// `group/version`, or `version` for core.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Where an object is stored: all served versions of a resource share one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    /// API group; empty for core.
    pub group: String,
    /// Plural name, lower case.
    pub plural: String,
}

/// A subresource that a resource serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subresource {
    /// `status`
    Status,
    /// `scale`
    Scale,
    /// Pod `log`
    Log,
    /// Pod `eviction`
    Eviction,
    /// Pod `binding`
    Binding,
    /// Pod, Service and Node `proxy`
    Proxy,
    /// Namespace `finalize`
    Finalize,
    /// ServiceAccount `token`
    Token,
    /// Pod `ephemeralcontainers`
    EphemeralContainers,
    /// Pod `resize`
    Resize,
    /// CertificateSigningRequest `approval`
    Approval,
    /// Pod `attach`; in discovery only, the streams are not served
    Attach,
    /// Pod `exec`; in discovery only, the streams are not served
    Exec,
    /// Pod `portforward`; in discovery only, the streams are not served
    PortForward,
}

impl Subresource {
    /// The path segment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Log => "log",
            Self::Eviction => "eviction",
            Self::Binding => "binding",
            Self::Proxy => "proxy",
            Self::Finalize => "finalize",
            Self::Token => "token",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Approval => "approval",
            Self::Attach => "attach",
            Self::Exec => "exec",
            Self::PortForward => "portforward",
        }
    }
}

/// What answers requests for a resource.
#[derive(Clone, Debug)]
pub enum Flavor {
    /// A built-in kind, stored.
    Builtin,
    /// A built-in kind that is only created and answered, never stored (`SelfSubjectAccessReview`, …).
    Review,
    /// A version of a CustomResourceDefinition.
    Custom(Arc<CompiledVersion>),
}

/// One served resource in one version.
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// Group, version, kind as served.
    pub gvk: Gvk,
    /// Plural path segment.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// List kind, e.g. `PodList`.
    pub list_kind: String,
    /// Short names for kubectl.
    pub short_names: Vec<String>,
    /// Categories, e.g. `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Verbs in discovery's order (alphabetical).
    pub verbs: Vec<&'static str>,
    /// Subresources served.
    pub subresources: Vec<Subresource>,
    /// The version in which objects are stored (the same as `gvk.version` for nearly all).
    pub storage_version: String,
    /// What answers.
    pub flavor: Flavor,
}

impl ResourceType {
    /// Where its objects are stored. Events of both groups share core's place.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource {
        let group = if self.gvk.group == "events.k8s.io" {
            ""
        } else {
            self.gvk.group.as_str()
        };
        GroupResource {
            group: group.into(),
            plural: self.plural.clone(),
        }
    }

    /// Whether it is a version of a CustomResourceDefinition.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        matches!(self.flavor, Flavor::Custom(_))
    }

    /// Whether `subresource` is served.
    #[must_use]
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }
}

/// All served resources. Cheap to clone and to swap: a new registry replaces the old one when a CRD changes.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    by_path: BTreeMap<(String, String, String), Arc<ResourceType>>,
}

impl Registry {
    /// Adds or replaces one resource.
    pub fn insert(&mut self, resource: ResourceType) {
        let gvk = &resource.gvk;
        let key = (gvk.group.clone(), gvk.version.clone(), resource.plural.clone());
        self.by_path.insert(key, Arc::new(resource));
    }

    /// Drops all versions of a custom resource.
    pub fn remove(&mut self, group: &str, plural: &str) {
        self.by_path.retain(|(g, _, p), _| !(g == group && p == plural));
    }

    /// The resource served at `group/version/plural`.
    #[must_use]
    pub fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ResourceType>> {
        self.by_path
            .get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The resource of a kind.
    #[must_use]
    pub fn by_kind(&self, gvk: &Gvk) -> Option<&Arc<ResourceType>> {
        self.iter().find(|resource| resource.gvk == *gvk)
    }

    /// All, ordered by group, version, plural.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.by_path.values()
    }
}
