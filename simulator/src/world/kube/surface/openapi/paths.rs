//! The paths of a resource and the operations on them, as far as clients read them: parameters, bodies, action, kind.

use serde_json::{Map, Value, json};

use super::super::super::resources::{Flavor, Gvk, ResourceType, Subresource};
use super::super::discovery::{SubresourceFacts, subresource_facts};
use super::schemas::reference;

const META: (&str, &str) = ("", "v1");

/// Adds all paths of a resource.
pub(super) fn add(paths: &mut Map<String, Value>, resource: &ResourceType) {
    let prefix = format!("/{}", super::path_of(resource));
    let plural = &resource.plural;
    let collection = if resource.namespaced {
        format!("{prefix}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{prefix}/{plural}")
    };
    let builder = Builder { resource };
    if resource.namespaced && resource.verbs.contains(&"list") {
        let mut item = builder.item(false, false);
        item["get"] = builder.list();
        paths.insert(format!("{prefix}/{plural}"), item);
    }
    paths.insert(collection.clone(), builder.collection());
    let named = format!("{collection}/{{name}}");
    if resource.verbs.contains(&"get") {
        paths.insert(named.clone(), builder.named());
    }
    for &subresource in &resource.subresources {
        paths.insert(
            format!("{named}/{}", subresource.as_str()),
            builder.subresource(subresource),
        );
    }
}

struct Builder<'a> {
    resource: &'a ResourceType,
}

impl Builder<'_> {
    /// An empty path item with the parameters that are in the path.
    fn item(&self, namespace: bool, name: bool) -> Value {
        let path = |name: &str, description: &str| {
            json!({
                "name": name, "in": "path", "description": description, "required": true,
                "schema": {"type": "string", "uniqueItems": true},
            })
        };
        let mut parameters = Vec::new();
        if name {
            parameters.push(path("name", &format!("name of the {}", self.resource.gvk.kind)));
        }
        if namespace {
            parameters.push(path("namespace", "the namespace of the object"));
        }
        parameters.push(query(&("pretty", "string", "Whether the answer is indented.")));
        json!({"parameters": parameters})
    }

    fn has(&self, verb: &str) -> bool {
        self.resource.verbs.contains(&verb)
    }

    fn collection(&self) -> Value {
        let mut item = self.item(self.resource.namespaced, false);
        let gvk = &self.resource.gvk;
        if self.has("list") {
            item["get"] = self.list();
        }
        if self.has("create") {
            item["post"] = operation("post", gvk, WRITE, Some(body(gvk)), gvk);
        }
        if self.has("deletecollection") {
            let options = delete_options();
            item["delete"] = operation("deletecollection", gvk, LIST, Some(body(&options)), &status());
        }
        item
    }

    fn list(&self) -> Value {
        let gvk = &self.resource.gvk;
        operation(
            "list",
            gvk,
            LIST,
            None,
            &Gvk::new(&gvk.group, &gvk.version, &self.resource.list_kind),
        )
    }

    fn named(&self) -> Value {
        let mut item = self.item(self.resource.namespaced, true);
        let gvk = &self.resource.gvk;
        item["get"] = operation("get", gvk, &[], None, gvk);
        if self.has("update") {
            item["put"] = operation("put", gvk, WRITE, Some(body(gvk)), gvk);
        }
        if self.has("patch") {
            item["patch"] = operation("patch", gvk, PATCH, Some(self.patch_body()), gvk);
        }
        if self.has("delete") {
            item["delete"] = operation("delete", gvk, DELETE, Some(body(&delete_options())), &status());
        }
        item
    }

    fn subresource(&self, subresource: Subresource) -> Value {
        let own = &self.resource.gvk;
        let facts: SubresourceFacts<'_> = subresource_facts(self.resource, subresource);
        let (group, version) = if facts.group.is_empty() {
            (own.group.as_str(), own.version.as_str())
        } else {
            (facts.group, facts.version)
        };
        let kind = Gvk::new(group, version, facts.kind);
        // A custom resource's scale is announced under the resource's own kind.
        let shown = if matches!(self.resource.flavor, Flavor::Custom(_)) {
            own
        } else {
            &kind
        };
        let mut item = self.item(self.resource.namespaced, true);
        let streams = matches!(
            subresource,
            Subresource::Attach | Subresource::Exec | Subresource::PortForward | Subresource::Proxy
        );
        for verb in facts.verbs {
            let (method, mut made) = match *verb {
                "get" => ("get", operation("get", shown, &[], None, &kind)),
                "create" => ("post", operation("post", shown, WRITE, Some(body(&kind)), &kind)),
                "update" => ("put", operation("put", shown, WRITE, Some(body(&kind)), &kind)),
                "patch" => (
                    "patch",
                    operation("patch", shown, PATCH, Some(self.patch_body()), &kind),
                ),
                "delete" => ("delete", operation("delete", shown, &[], None, &kind)),
                _ => continue,
            };
            if streams {
                made["x-kubernetes-action"] = "connect".into();
            }
            item[method] = made;
        }
        item
    }

    fn patch_body(&self) -> Value {
        let schema = json!({"schema": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"}});
        let mut content = json!({
            "application/apply-patch+yaml": schema, "application/json-patch+json": schema,
            "application/merge-patch+json": schema,
        });
        if !matches!(self.resource.flavor, Flavor::Custom(_)) {
            content["application/strategic-merge-patch+json"] = schema;
        }
        json!({"content": content, "required": true})
    }
}

type Parameter = (&'static str, &'static str, &'static str);

const WRITE: &[Parameter] = &[
    ("dryRun", "string", "`All` runs every check and stores nothing."),
    ("fieldManager", "string", "Who owns the fields that this request sets."),
    (
        "fieldValidation",
        "string",
        "What unknown and duplicate fields do: `Ignore`, `Warn` or `Strict`.",
    ),
];
const PATCH: &[Parameter] = &[
    ("dryRun", "string", "`All` runs every check and stores nothing."),
    (
        "fieldManager",
        "string",
        "Who owns the fields that this request sets; an apply must say so.",
    ),
    (
        "fieldValidation",
        "string",
        "What unknown and duplicate fields do: `Ignore`, `Warn` or `Strict`.",
    ),
    (
        "force",
        "boolean",
        "Takes fields over from other owners; for an apply only.",
    ),
];
const DELETE: &[Parameter] = &[
    ("dryRun", "string", "`All` runs every check and stores nothing."),
    (
        "gracePeriodSeconds",
        "integer",
        "Seconds until the object goes; 0 is at once.",
    ),
    ("orphanDependents", "boolean", "Older form of propagationPolicy."),
    (
        "propagationPolicy",
        "string",
        "What becomes of dependents: `Orphan`, `Background` or `Foreground`.",
    ),
];
const LIST: &[Parameter] = &[
    ("allowWatchBookmarks", "boolean", "Whether a watch may send bookmarks."),
    ("continue", "string", "Where the previous page of the list ended."),
    ("fieldSelector", "string", "Chooses objects by their fields."),
    ("labelSelector", "string", "Chooses objects by their labels."),
    ("limit", "integer", "Most objects in the answer."),
    (
        "resourceVersion",
        "string",
        "How new the answer has to be, or where a watch starts.",
    ),
    (
        "resourceVersionMatch",
        "string",
        "How resourceVersion is meant: `Exact` or `NotOlderThan`.",
    ),
    (
        "sendInitialEvents",
        "boolean",
        "Whether a watch starts with what there is already.",
    ),
    ("timeoutSeconds", "integer", "Seconds after which the answer ends."),
    ("watch", "boolean", "Whether changes are sent as they happen."),
];

fn query(&(name, kind, description): &Parameter) -> Value {
    json!({
        "name": name, "in": "query", "description": description,
        "schema": {"type": kind, "uniqueItems": true},
    })
}

fn operation(action: &str, gvk: &Gvk, parameters: &[Parameter], body: Option<Value>, answer: &Gvk) -> Value {
    let content = json!({"schema": reference(answer)});
    let mut made = json!({
        "responses": {
            "200": {"description": "OK", "content": {"application/json": content, "application/yaml": content}},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": gvk.group, "version": gvk.version, "kind": gvk.kind},
    });
    if !parameters.is_empty() {
        made["parameters"] = parameters.iter().map(query).collect();
    }
    if let Some(body) = body {
        made["requestBody"] = body;
    }
    made
}

fn body(gvk: &Gvk) -> Value {
    json!({"content": {"*/*": {"schema": reference(gvk)}}, "required": true})
}

fn delete_options() -> Gvk {
    Gvk::new(META.0, META.1, "DeleteOptions")
}

fn status() -> Gvk {
    Gvk::new(META.0, META.1, "Status")
}
