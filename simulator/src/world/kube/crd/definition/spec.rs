//! `spec` of a definition: group, scope, versions, conversion, columns, subresources.

use serde_json::{Value, json};

use super::super::structural::{MAX_DEPTH, flag};
use super::{names, openapi, structural, text_at, versions};
use crate::world::kube::api_error::{FieldError, FieldErrorKind};

/// Which parts are the same in all versions and are therefore spoken of at the top.
struct Shared {
    schema: bool,
    subresources: bool,
    columns: bool,
}

impl Shared {
    fn of(versions: &[Value]) -> Self {
        let same = |key: &str| {
            let first = versions.first().and_then(|version| version.get(key));
            !versions.is_empty() && versions.iter().all(|version| version.get(key) == first)
        };
        Self {
            schema: same("schema"),
            subresources: same("subresources"),
            columns: same("additionalPrinterColumns"),
        }
    }
}

pub(super) fn check(crd: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let group = text_at(crd, "/spec/group");
    let problem = names::subdomain_1123(group);
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !problem.is_empty() {
        errors.push(FieldError::invalid("spec.group", &Value::from(group), problem));
    } else if !group.contains('.') {
        let detail = "should be a domain with at least one dot";
        errors.push(FieldError::invalid("spec.group", &Value::from(group), detail));
    }
    one_of(
        "spec.scope",
        text_at(crd, "/spec/scope"),
        &["Cluster", "Namespaced"],
        errors,
    );
    check_versions(crd, old, errors);
    let empty = json!({});
    let names = crd.pointer("/spec/names").unwrap_or(&empty);
    names::check_required(names, errors);
    names::check(names, errors);
    let shared = Shared::of(versions(crd));
    if let Some(first) = versions(crd).first() {
        if shared.schema {
            check_schema(first, old, "spec.validation", errors);
        }
        if shared.subresources {
            check_subresources(first, "spec.subresources", errors);
        }
        if shared.columns {
            check_columns(first, "spec.additionalPrinterColumns", errors);
        }
    }
    check_conversion(crd, errors);
}

fn one_of(path: &str, value: &str, allowed: &[&str], errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if !allowed.contains(&value) {
        errors.push(FieldError::not_supported(path, &Value::from(value), allowed));
    }
}

fn check_versions(crd: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let list = versions(crd);
    let shared = Shared::of(list);
    for (at, version) in list.iter().enumerate() {
        if !version.pointer("/schema/openAPIV3Schema").is_some_and(Value::is_object) {
            errors.push(FieldError::required(
                format!("spec.versions[{at}].schema.openAPIV3Schema"),
                "",
            ));
        }
    }
    for (at, version) in list.iter().enumerate() {
        let path = format!("spec.versions[{at}]");
        let name = text_at(version, "/name");
        let problem = names::label_1035(name);
        if !problem.is_empty() {
            errors.push(FieldError::invalid(format!("{path}.name"), &Value::from(name), problem));
        }
        check_deprecation(version, &path, errors);
        if !shared.schema {
            check_schema(version, old, &format!("{path}.schema"), errors);
        }
        if !shared.subresources {
            check_subresources(version, &format!("{path}.subresources"), errors);
        }
        if !shared.columns {
            check_columns(version, &format!("{path}.additionalPrinterColumns"), errors);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let unique = list.iter().all(|version| seen.insert(text_at(version, "/name")));
    let storage = list
        .iter()
        .filter(|version| version.get("storage") == Some(&Value::Bool(true)))
        .count();
    let mut wrong = |detail: &str| {
        let shown = Some(if list.is_empty() {
            "null".to_owned()
        } else {
            internal(list, &shared)
        });
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.versions", shown, detail));
    };
    if !unique {
        wrong("must contain unique version names");
    }
    if storage != 1 {
        wrong("must have exactly one version marked as storage version");
    }
    let first = list
        .first()
        .map(|version| text_at(version, "/name"))
        .unwrap_or_default();
    let problem = names::label_1035(first);
    if !first.is_empty() && !problem.is_empty() {
        errors.push(FieldError::invalid("spec.version", &Value::from(first), problem));
    }
}

/// The versions as the server's internal type prints them.
fn internal(list: &[Value], shared: &Shared) -> String {
    let one = |version: &Value| {
        let own = |key: &str, shared: bool| match version.get(key) {
            Some(value) if !shared => value.to_string(),
            _ => "null".into(),
        };
        let flag = |key: &str| {
            version
                .get(key)
                .and_then(Value::as_bool)
                .unwrap_or_default()
                .to_string()
        };
        let fields = [
            ("Name", Value::from(text_at(version, "/name")).to_string()),
            ("Served", flag("served")),
            ("Storage", flag("storage")),
            ("Deprecated", flag("deprecated")),
            ("DeprecationWarning", own("deprecationWarning", false)),
            ("Schema", own("schema", shared.schema)),
            ("Subresources", own("subresources", shared.subresources)),
            (
                "AdditionalPrinterColumns",
                own("additionalPrinterColumns", shared.columns),
            ),
            ("SelectableFields", own("selectableFields", false)),
        ];
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn check_deprecation(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else {
        return;
    };
    let deprecated = version.get("deprecated").and_then(Value::as_bool).unwrap_or_default();
    let mut problems = Vec::new();
    if !deprecated {
        problems.push("can only be set for deprecated versions".to_owned());
    } else {
        if warning.len() > 256 {
            problems.push("must be <= 256 characters long".to_owned());
        }
        if warning.is_empty() {
            problems.push("must not be an empty string".to_owned());
        }
        if let Some((at, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
            let what = "must only contain printable UTF-8 characters; non-printable character found at index";
            problems.push(format!("{what} {at}"));
        }
    }
    for problem in problems {
        errors.push(FieldError::invalid(
            format!("{path}.deprecationWarning"),
            &Value::from(warning),
            problem,
        ));
    }
}

/// Root fields that stay valid when `status` is cut out of the schema, by their names in the server's internal type.
const ROOT_FIELDS: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

fn check_schema(version: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(schema) = version
        .pointer("/schema/openAPIV3Schema")
        .filter(|schema| schema.is_object())
    else {
        return;
    };
    let path = format!("{path}.openAPIV3Schema");
    if depth(schema) > MAX_DEPTH {
        errors.push(FieldError::invalid(
            path,
            &Value::from(""),
            format!("must not nest deeper than {MAX_DEPTH} levels"),
        ));
        return;
    }
    if version.pointer("/subresources/status").is_some_and(Value::is_object) {
        check_root(schema, &path, errors);
    }
    if schema.as_object().is_some_and(|schema| flag(schema, "nullable")) {
        errors.push(FieldError::forbidden(
            format!("{path}.nullable"),
            "nullable cannot be true at the root",
        ));
    }
    let before = errors.len();
    structural::check(schema, &path, errors);
    if errors.len() == before {
        structural::check_defaults(schema, &path, errors);
    }
    let sound = errors.len() == before;
    openapi::check(schema, old, &path, sound, errors);
}

/// Nesting of objects and lists in a JSON value, without recursion.
fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut waiting = vec![(value, 1)];
    while let Some((value, level)) = waiting.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Object(map) => waiting.extend(map.values().map(|value| (value, level + 1))),
            Value::Array(list) => waiting.extend(list.iter().map(|value| (value, level + 1))),
            _ => {}
        }
    }
    deepest
}

fn check_root(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map) = schema.as_object() else { return };
    let kind = text_at(schema, "/type");
    if !kind.is_empty() && kind != "object" {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(format!("{path}.type"), &Value::from(kind), detail));
        return;
    }
    let allowed = |key: &String| {
        let go = match key.strip_prefix("x-kubernetes-") {
            Some("preserve-unknown-fields") => "XPreserveUnknownFields".to_owned(),
            Some("validations") => "XValidations".to_owned(),
            Some(_) => return false,
            None => key
                .chars()
                .take(1)
                .flat_map(char::to_uppercase)
                .chain(key.chars().skip(1))
                .collect(),
        };
        ROOT_FIELDS.trim_matches(['[', ']']).split(' ').any(|field| field == go)
    };
    let zero = |value: &Value| value.is_null() || *value == json!(false) || *value == json!("") || *value == json!([]);
    if map.iter().any(|(key, value)| !zero(value) && !allowed(key)) {
        let detail = format!(
            "only {ROOT_FIELDS} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.push(FieldError::invalid(path, schema, detail));
    }
}

fn check_subresources(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(scale) = version.pointer("/subresources/scale").filter(|scale| scale.is_object()) else {
        return;
    };
    let mut check = |key: &str, roots: &[&str], words: &str, required: bool| {
        let text = text_at(scale, &format!("/{key}"));
        let path = format!("{path}.scale.{key}");
        if text.is_empty() {
            if required {
                errors.push(FieldError::required(path, ""));
            }
        } else if !text.starts_with('.') {
            let detail = "must be a simple json path starting with .";
            errors.push(FieldError::invalid(path, &Value::from(text), detail));
        } else if !roots.iter().any(|root| text.starts_with(root)) {
            errors.push(FieldError::invalid(
                path,
                &Value::from(text),
                format!("should be a json path under {words}"),
            ));
        }
    };
    check("specReplicasPath", &[".spec."], ".spec", true);
    check("statusReplicasPath", &[".status."], ".status", true);
    check(
        "labelSelectorPath",
        &[".spec.", ".status."],
        "either .spec or .status",
        false,
    );
}

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = [
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];

fn check_columns(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let list = version
        .get("additionalPrinterColumns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (at, column) in list.enumerate() {
        let path = format!("{path}[{at}]");
        let get = |key: &str| text_at(column, key);
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        let formats = format!("must be one of {}", COLUMN_FORMATS.join(","));
        if get("/name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        if get("/type").is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), types));
        } else if !COLUMN_TYPES.contains(&get("/type")) {
            errors.push(FieldError::invalid(
                format!("{path}.type"),
                &Value::from(get("/type")),
                types,
            ));
        }
        if !get("/format").is_empty() && !COLUMN_FORMATS.contains(&get("/format")) {
            errors.push(FieldError::invalid(
                format!("{path}.format"),
                &Value::from(get("/format")),
                formats,
            ));
        }
        if get("/jsonPath").is_empty() {
            errors.push(FieldError::required(format!("{path}.JSONPath"), ""));
        } else if !get("/jsonPath").starts_with('.') {
            let detail = "must be a simple json path starting with .";
            errors.push(FieldError::invalid(
                format!("{path}.JSONPath"),
                &Value::from(get("/jsonPath")),
                detail,
            ));
        }
    }
}

fn check_conversion(crd: &Value, errors: &mut Vec<FieldError>) {
    let Some(conversion) = crd
        .pointer("/spec/conversion")
        .filter(|conversion| conversion.is_object())
    else {
        return;
    };
    let path = "spec.conversion";
    one_of(
        &format!("{path}.strategy"),
        text_at(conversion, "/strategy"),
        &["None", "Webhook"],
        errors,
    );
    let client = conversion
        .pointer("/webhook/clientConfig")
        .is_some_and(Value::is_object);
    let reviews = conversion
        .pointer("/webhook/conversionReviewVersions")
        .and_then(Value::as_array);
    let reviews = reviews.is_some_and(|list| !list.is_empty());
    if text_at(conversion, "/strategy") == "Webhook" {
        if !client {
            let detail = "required when strategy is set to Webhook";
            errors.push(FieldError::required(format!("{path}.webhookClientConfig"), detail));
        }
        if !reviews {
            errors.push(FieldError::required(format!("{path}.conversionReviewVersions"), ""));
        }
        if client && reviews {
            // The one place where this server does less than the real one.
            let shown = Some("\"Webhook\"".into());
            let detail = "conversion by webhook is not supported by this server; use None";
            errors.push(FieldError::new(
                FieldErrorKind::Invalid,
                format!("{path}.strategy"),
                shown,
                detail,
            ));
        }
        return;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if client {
        errors.push(FieldError::forbidden(format!("{path}.webhookClientConfig"), detail));
    }
    if reviews {
        errors.push(FieldError::forbidden(
            format!("{path}.conversionReviewVersions"),
            detail,
        ));
    }
}

/// The old way to keep unknown fields is closed to new definitions.
pub(super) fn check_preserve(crd: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let set = |crd: &Value| crd.pointer("/spec/preserveUnknownFields") == Some(&Value::Bool(true));
    if set(crd) && !old.is_some_and(set) {
        let detail =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            &Value::Bool(true),
            detail,
        ));
    }
}
