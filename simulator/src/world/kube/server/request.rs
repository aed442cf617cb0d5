//! What a request asks for: verb, resource, namespace, name, subresource; read from method, path and query.

use http::Method;
use percent_encoding::percent_decode_str;

/// What is done to a resource; the words are RBAC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET of one object.
    Get,
    /// GET of a collection.
    List,
    /// GET of a collection with `watch`.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
}

impl Verb {
    /// RBAC's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A path under `/api/v1` or `/apis/<group>/<version>` that names a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Empty for cluster-scoped requests.
    pub namespace: String,
    /// Plural.
    pub plural: String,
    /// Empty for collections.
    pub name: String,
    /// Empty for none.
    pub subresource: String,
    /// What follows the subresource, for `proxy`; with its leading slash.
    pub rest: String,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a resource.
    Resource(ResourcePath),
    /// To anything else: `/healthz`, `/apis`, `/openapi/v3`.
    Path(String),
}

/// Deepest path that names a resource; what is longer belongs to `proxy`.
const MAX_SEGMENTS: usize = 64;

/// Reads a path.
#[must_use]
pub fn parse_target(path: &str) -> Target {
    let segments: Vec<&str> = path.trim_matches('/').split('/').take(MAX_SEGMENTS).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Target::Path(path.to_owned()),
    };
    let rest = if let ["watch", rest @ ..] = rest { rest } else { rest };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, ..] if !matches!(*plural, "status" | "finalize") => {
            (*namespace, rest.get(2..).unwrap_or_default())
        }
        _ => ("", rest),
    };
    // An empty namespace is all of them; nothing else may be empty.
    if rest.iter().take(3).any(|segment| segment.is_empty()) {
        return Target::Path(path.to_owned());
    }
    let part = |index: usize| rest.get(index).map_or_else(String::new, |segment| decoded(segment));
    let tail: String = rest.iter().skip(3).map(|segment| format!("/{segment}")).collect();
    let slash = if path.ends_with('/') && part(2) == "proxy" {
        "/"
    } else {
        ""
    };
    Target::Resource(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: decoded(namespace),
        plural: part(0),
        name: part(1),
        subresource: part(2),
        rest: format!("{tail}{slash}"),
    })
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// What a method means on a path. None: no such method anywhere.
#[must_use]
pub fn verb_of(method: &Method, path: &ResourcePath, is_watch: bool) -> Option<Verb> {
    let is_collection = path.name.is_empty();
    Some(match *method {
        Method::GET | Method::HEAD if is_collection && is_watch => Verb::Watch,
        Method::GET | Method::HEAD if is_collection => Verb::List,
        Method::GET | Method::HEAD => Verb::Get,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if is_collection => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath {
        match parse_target(path) {
            Target::Resource(path) => path,
            Target::Path(path) => panic!("{path} names no resource"),
        }
    }

    #[test]
    fn paths_are_read_as_the_server_reads_them() {
        let pod = resource("/api/v1/namespaces/a/pods/b/log");
        assert_eq!(
            (&*pod.namespace, &*pod.plural, &*pod.name, &*pod.subresource),
            ("a", "pods", "b", "log")
        );
        let namespace = resource("/api/v1/namespaces/a");
        assert_eq!(
            (&*namespace.namespace, &*namespace.plural, &*namespace.name),
            ("", "namespaces", "a")
        );
        let finalize = resource("/api/v1/namespaces/a/finalize");
        assert_eq!(
            (&*finalize.plural, &*finalize.name, &*finalize.subresource),
            ("namespaces", "a", "finalize")
        );
        let all = resource("/apis/apps/v1/deployments");
        assert_eq!(
            (&*all.group, &*all.version, &*all.plural, &*all.name),
            ("apps", "v1", "deployments", "")
        );
        let proxy = resource("/api/v1/namespaces/a/services/web:80/proxy/x/y/");
        assert_eq!(
            (&*proxy.name, &*proxy.subresource, &*proxy.rest),
            ("web:80", "proxy", "/x/y/")
        );
        let role = resource("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode");
        assert_eq!(role.name, "system:node");
        assert_eq!(parse_target("/apis/apps/v1"), Target::Path("/apis/apps/v1".into()));
        assert_eq!(parse_target("/healthz"), Target::Path("/healthz".into()));
    }

    #[test]
    fn methods_and_paths_make_verbs() {
        let (one, all) = (resource("/api/v1/nodes/a"), resource("/api/v1/nodes"));
        assert_eq!(verb_of(&Method::GET, &one, false), Some(Verb::Get));
        assert_eq!(verb_of(&Method::GET, &all, false), Some(Verb::List));
        assert_eq!(verb_of(&Method::GET, &all, true), Some(Verb::Watch));
        assert_eq!(verb_of(&Method::DELETE, &all, false), Some(Verb::DeleteCollection));
        assert_eq!(verb_of(&Method::OPTIONS, &all, false), None);
    }
}
