//! Which groups, versions and resources are served: the legacy documents and the aggregated ones.
//! Knows the order in which the real server lists groups; must not know what the resources hold.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::super::resources::{Flavor, Registry, ResourceType, Subresource};
use super::builtin_resources::GROUPS;
use super::openapi::Document;

/// Media type of the aggregated documents, as it stands in `Content-Type`.
pub const AGGREGATED_MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Which document of `/api` and `/apis` a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryForm {
    /// `APIVersions` or `APIGroupList`.
    Legacy,
    /// `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2. (1.36 no longer serves v2beta1.)
    Aggregated,
}

/// What an `Accept` header asks for: the first media range that can be met wins. None: 406.
#[must_use]
pub fn aggregated_form(accept: &str) -> Option<DiscoveryForm> {
    if accept.trim().is_empty() {
        return Some(DiscoveryForm::Legacy);
    }
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        let json = matches!(media, "application/json" | "application/*" | "*/*");
        match parameters.get("as") {
            Some(_) => {
                let wanted = [
                    ("as", "APIGroupDiscoveryList"),
                    ("g", "apidiscovery.k8s.io"),
                    ("v", "v2"),
                ];
                let met = json && wanted.iter().all(|(key, value)| parameters.get(key) == Some(value));
                met.then_some(DiscoveryForm::Aggregated)
            }
            None => json.then_some(DiscoveryForm::Legacy),
        }
    })
}

/// `GET /api`.
#[must_use]
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// `GET /apis`.
#[must_use]
pub fn api_groups(registry: &Registry) -> Value {
    let groups = ordered_groups(registry);
    let groups: Vec<Value> = groups
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group_document(name, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/<group>`; None where the group is not served.
#[must_use]
pub fn api_group(registry: &Registry, group: &str) -> Option<Value> {
    let groups = ordered_groups(registry);
    let (name, versions) = groups.iter().find(|(name, _)| *name == group && !name.is_empty())?;
    let mut document = json!({"kind": "APIGroup", "apiVersion": "v1"});
    merge(&mut document, group_document(name, versions));
    Some(document)
}

/// `GET /api/v1` (group empty) and `GET /apis/<group>/<version>`; None where nothing is served there.
#[must_use]
pub fn api_resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let resources = resources_of(registry, group, version);
    if resources.is_empty() {
        return None;
    }
    let entries: Vec<Value> = resources.iter().flat_map(|resource| legacy_entries(resource)).collect();
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let mut document = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": entries});
    if !group.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    Some(document)
}

/// The aggregated document: of the core group for `/api`, of all others for `/apis`.
#[must_use]
pub fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = ordered_groups(registry);
    let items: Vec<Value> = groups
        .iter()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources = resources_of(registry, name, version);
                    let resources: Vec<Value> = resources.iter().map(|r| aggregated_entry(r)).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": name}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

/// The aggregated document, ready to send with its hash as ETag.
#[must_use]
pub fn aggregated_document(registry: &Registry, core: bool) -> Document {
    Document::of_json(&aggregated(registry, core))
}

/// Groups in the real server's order (built-in ones by priority, then custom ones by name), each with its versions,
/// the preferred one first.
fn ordered_groups(registry: &Registry) -> Vec<(&str, Vec<&str>)> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in registry.iter() {
        let list = versions.entry(resource.gvk.group.as_str()).or_default();
        if !list.contains(&resource.gvk.version.as_str()) {
            list.push(resource.gvk.version.as_str());
        }
    }
    let rank = |name: &str| GROUPS.iter().position(|rows| rows.group == name).unwrap_or(usize::MAX);
    let mut groups: Vec<(&str, Vec<&str>)> = versions.into_iter().collect();
    groups.sort_by_key(|(name, _)| (rank(name), *name));
    for (_, list) in &mut groups {
        list.sort_by_key(|version| Reverse(version_rank(version)));
    }
    groups
}

/// Sorts as Kubernetes sorts versions: `v2` over `v1` over `v1beta2` over `v1alpha1` over anything else; names that
/// are no such version sort backwards by text.
fn version_rank(version: &str) -> (u8, u64, u64, Reverse<&str>) {
    parse_version(version).map_or((0, 0, 0, Reverse(version)), |(stage, major, minor)| {
        (stage, major, minor, Reverse(""))
    })
}

fn parse_version(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let number = |text: &str| {
        let plain = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    for (word, stage) in [("alpha", 1), ("beta", 2)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return Some((stage, number(major)?, number(minor)?));
        }
    }
    Some((3, number(rest)?, 0))
}

fn group_document(name: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let entries: Vec<Value> = versions.iter().map(entry).collect();
    let preferred = entries.first().cloned().unwrap_or_default();
    json!({"name": name, "versions": entries, "preferredVersion": preferred})
}

fn resources_of<'a>(registry: &'a Registry, group: &str, version: &str) -> Vec<&'a Arc<ResourceType>> {
    let served = |resource: &&Arc<ResourceType>| resource.gvk.group == group && resource.gvk.version == version;
    registry.iter().filter(served).collect()
}

fn legacy_entries(resource: &ResourceType) -> Vec<Value> {
    let mut own = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.gvk.kind, "verbs": resource.verbs,
    });
    add_names(&mut own, resource);
    if resource.verbs.contains(&"watch") {
        own["storageVersionHash"] = storage_version_hash(resource).into();
    }
    let mut entries = vec![own];
    for &subresource in &resource.subresources {
        let facts = subresource_facts(resource, subresource);
        let mut entry = json!({
            "name": format!("{}/{}", resource.plural, subresource.as_str()), "singularName": "",
            "namespaced": resource.namespaced,
        });
        if !facts.group.is_empty() {
            entry["group"] = facts.group.into();
            entry["version"] = facts.version.into();
        }
        entry["kind"] = facts.kind.into();
        entry["verbs"] = json!(facts.verbs);
        entries.push(entry);
    }
    entries
}

/// What tells clients that objects are stored in another version than before: the head of a digest of group, version
/// and kind.
fn storage_version_hash(resource: &ResourceType) -> String {
    let (group, version, kind) = (&resource.gvk.group, &resource.storage_version, &resource.gvk.kind);
    let digest = digest(&SHA256, format!("{group}/{version}/{kind}").as_bytes());
    STANDARD.encode(digest.as_ref().get(..8).unwrap_or_default())
}

fn aggregated_entry(resource: &ResourceType) -> Value {
    let custom = matches!(resource.flavor, Flavor::Custom(_));
    // Built-in kinds leave group and version of their own kind empty here; custom ones fill them in.
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let (group, version) = if custom {
        (resource.gvk.group.as_str(), resource.gvk.version.as_str())
    } else {
        ("", "")
    };
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let mut entry = json!({
        "resource": resource.plural, "responseKind": kind(group, version, &resource.gvk.kind),
        "scope": scope, "singularResource": resource.singular, "verbs": resource.verbs,
    });
    add_names(&mut entry, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|&subresource| {
            let facts = subresource_facts(resource, subresource);
            let (group, version) = if facts.group.is_empty() {
                (group, version)
            } else {
                (facts.group, facts.version)
            };
            json!({
                "subresource": subresource.as_str(), "responseKind": kind(group, version, facts.kind),
                "verbs": facts.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

fn add_names(entry: &mut Value, resource: &ResourceType) {
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
}

/// What discovery says of a subresource.
pub struct SubresourceFacts<'a> {
    /// Group of the kind where it differs from the resource's; else empty.
    pub group: &'static str,
    /// Version that goes with `group`.
    pub version: &'static str,
    /// Kind of its body.
    pub kind: &'a str,
    /// Verbs, alphabetical.
    pub verbs: &'static [&'static str],
}

/// Kind and verbs of a subresource of a resource.
#[must_use]
pub fn subresource_facts(resource: &ResourceType, subresource: Subresource) -> SubresourceFacts<'_> {
    const READ_WRITE: &[&str] = &["get", "patch", "update"];
    const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
    const STREAM: &[&str] = &["create", "get"];
    const CREATE: &[&str] = &["create"];
    let (group, version, kind, verbs) = match subresource {
        Subresource::Status | Subresource::EphemeralContainers | Subresource::Resize | Subresource::Approval => {
            ("", "", resource.gvk.kind.as_str(), READ_WRITE)
        }
        Subresource::Scale => ("autoscaling", "v1", "Scale", READ_WRITE),
        Subresource::Log => ("", "", resource.gvk.kind.as_str(), ["get"].as_slice()),
        Subresource::Finalize => ("", "", resource.gvk.kind.as_str(), ["update"].as_slice()),
        Subresource::Eviction => ("policy", "v1", "Eviction", CREATE),
        Subresource::Binding => ("", "", "Binding", CREATE),
        Subresource::Token => ("authentication.k8s.io", "v1", "TokenRequest", CREATE),
        Subresource::Attach => ("", "", "PodAttachOptions", STREAM),
        Subresource::Exec => ("", "", "PodExecOptions", STREAM),
        Subresource::PortForward => ("", "", "PodPortForwardOptions", STREAM),
        Subresource::Proxy => {
            let kind = match resource.gvk.kind.as_str() {
                "Node" => "NodeProxyOptions",
                "Service" => "ServiceProxyOptions",
                _ => "PodProxyOptions",
            };
            ("", "", kind, PROXY)
        }
    };
    SubresourceFacts {
        group,
        version,
        kind,
        verbs,
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// `GET /version`.
#[must_use]
pub fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.3", "gitCommit": "unknown", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.26.8", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// The paths that `GET /` lists.
#[must_use]
pub fn root_paths(registry: &Registry) -> Value {
    let mut paths: Vec<String> = [
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/readyz",
        "/version",
    ]
    .iter()
    .map(|path| (*path).to_owned())
    .collect();
    for (group, versions) in ordered_groups(registry) {
        if !group.is_empty() {
            paths.push(format!("/apis/{group}"));
            paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
        }
    }
    paths.sort();
    json!({"paths": paths})
}

#[cfg(test)]
mod tests {
    use super::super::super::resources::{Gvk, builtin_registry};
    use super::*;

    #[test]
    fn accept_headers_choose_the_document() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        for (accept, expected) in [
            ("", Some(DiscoveryForm::Legacy)),
            ("*/*", Some(DiscoveryForm::Legacy)),
            ("application/json", Some(DiscoveryForm::Legacy)),
            (v2, Some(DiscoveryForm::Aggregated)),
            (
                &format!("{v2},{beta},application/json"),
                Some(DiscoveryForm::Aggregated),
            ),
            (&format!("{beta},application/json"), Some(DiscoveryForm::Legacy)),
            (beta, None),
            ("text/html", None),
        ] {
            assert_eq!(aggregated_form(accept), expected, "{accept}");
        }
    }

    #[test]
    fn versions_sort_as_kubernetes_sorts_them() {
        let mut versions = [
            "v1alpha1", "foo", "v1", "v2beta1", "bar", "v10", "v2", "v1beta2", "v2alpha3",
        ];
        versions.sort_by_key(|version| Reverse(version_rank(version)));
        assert_eq!(
            versions,
            [
                "v10", "v2", "v1", "v2beta1", "v1beta2", "v2alpha3", "v1alpha1", "bar", "foo"
            ]
        );
    }

    #[test]
    fn custom_groups_follow_the_built_in_ones() {
        let mut registry = builtin_registry();
        let pods = std::sync::Arc::clone(registry.by_kind(&Gvk::new("", "v1", "Pod")).unwrap());
        for (group, version) in [("z.io", "v1"), ("b.io", "v1"), ("b.io", "v1alpha1")] {
            let gvk = Gvk::new(group, version, "Widget");
            registry.insert(ResourceType {
                gvk,
                plural: "widgets".into(),
                ..(*pods).clone()
            });
        }
        let groups = api_groups(&registry);
        let names: Vec<&str> = groups["groups"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|g| g["name"].as_str())
            .collect();
        assert_eq!(names.first(), Some(&"apiregistration.k8s.io"));
        assert_eq!(
            names.get(names.len() - 3..),
            Some(["flowcontrol.apiserver.k8s.io", "b.io", "z.io"].as_slice())
        );
        assert_eq!(
            api_group(&registry, "b.io").unwrap()["preferredVersion"]["version"],
            "v1"
        );
        assert_eq!(
            api_group(&registry, "autoscaling").unwrap()["preferredVersion"]["version"],
            "v2"
        );
        assert_eq!(api_group(&registry, "nope"), None);
    }
}
