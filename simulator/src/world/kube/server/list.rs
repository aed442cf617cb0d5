//! GET of a collection: selectors, consistent paging, resource versions. Works on texts; parses only for selectors.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiServer;
use super::call::Call;
use super::options::{Options, VersionMatch};
use super::request::Verb;
use super::rules;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::builtin::selectors::{
    FieldSelector, LabelSelector, parse_field_selector, parse_label_selector,
};
use crate::world::kube::resources::ResourceType;
use crate::world::kube::schema;
use crate::world::kube::store::{Compacted, Key};

/// Which objects of a collection are meant.
#[derive(Debug)]
pub(super) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

/// A part of a collection.
#[derive(Debug)]
pub(super) struct Page {
    /// Texts of the objects, in order, in the version of the call.
    pub(super) items: Vec<Bytes>,
    pub(super) revision: u64,
    /// Token for what follows; empty at the end.
    pub(super) next: String,
    /// How many objects follow, where that is known.
    pub(super) remaining: Option<usize>,
}

#[derive(Deserialize)]
struct LabelsOnly {
    #[serde(default)]
    metadata: Labels,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default)]
    labels: Value,
}

impl Selection {
    /// From the query.
    pub(super) fn parse(resource: &ResourceType, options: &Options) -> Result<Self, ApiError> {
        let (label_text, field_text) = (
            options.get("labelSelector").unwrap_or_default(),
            options.get("fieldSelector").unwrap_or_default(),
        );
        let labels = match label_text {
            "" => LabelSelector::everything(),
            text => parse_label_selector(text)?,
        };
        let fields = parse_field_selector(field_text)?;
        fields.check(&resource.gvk, &rules::selectable_fields(resource))?;
        Ok(Self { labels, fields })
    }

    /// Whether every object is meant.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an object is meant, by its text.
    pub(super) fn matches_text(&self, text: &[u8]) -> bool {
        if !self.labels.is_everything() {
            let labels: Result<LabelsOnly, _> = serde_json::from_slice(text);
            if !labels.is_ok_and(|object| self.labels.matches(&object.metadata.labels)) {
                return false;
            }
        }
        self.fields.is_everything()
            || serde_json::from_slice::<Value>(text).is_ok_and(|object| self.fields.matches(&object))
    }

    /// `metadata.name=x` alone names one object.
    fn only_name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }
}

impl ApiServer {
    /// One page of a collection.
    pub(super) fn list(&self, call: &Call) -> Result<Page, ApiError> {
        let selection = Selection::parse(&call.resource, &call.options)?;
        let limit = limit(&call.options)?;
        call.options.number("timeoutSeconds")?;
        let token = call.options.get("continue").map(Token::parse).transpose()?;
        let place = call.resource.group_resource();
        let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
        let state = self.state();
        let revision = state.store.revision();
        check_version(&call.options, revision, token.is_some())?;
        let exact = exact_revision(&call.options)?;
        let stale = self.faults().staleness(call, Verb::List);
        let stale = stale.map(|writes| revision.saturating_sub(writes));
        let asked = token.as_ref().map(|token| token.revision).or(exact);
        let at = asked.or(stale).unwrap_or(revision);
        let after = token.as_ref().map(|token| Key::new(&token.namespace, &token.name));
        let mut collector = Collector {
            call,
            selection: &selection,
            limit,
            page: Vec::new(),
            last: None,
            more: 0,
        };
        if at == revision || place_unchanged(&state, &place, at) {
            let one = selection
                .only_name()
                .filter(|_| namespace.is_some() || !call.resource.namespaced);
            if let Some(name) = one {
                let key = Key::new(&call.namespace, name);
                if let Some(stored) = state.store.get(&place, &key) {
                    collector.take(&key, &stored.json);
                }
            } else {
                for (key, stored) in state.store.list(&place, namespace, after.as_ref()) {
                    if !collector.take(key, &stored.json) {
                        break;
                    }
                }
            }
        } else {
            let too_old = |_: Compacted| gone(token.is_some(), at);
            let snapshot = state.store.snapshot(&place, at).map_err(too_old)?;
            let inside = snapshot
                .iter()
                .filter(|(key, _)| namespace.is_none_or(|namespace| *key.namespace == *namespace));
            for (key, text) in inside.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after)) {
                if !collector.take(key, text) {
                    break;
                }
            }
        }
        let total = || state.store.list(&place, namespace, collector.last.as_ref()).count();
        let (next, remaining) = match &collector.last {
            Some(last) if collector.more > 0 => {
                let token = Token {
                    revision: at,
                    namespace: last.namespace.to_string(),
                    name: last.name.to_string(),
                };
                (token.to_text(), selection.is_everything().then(total))
            }
            _ => (String::new(), None),
        };
        Ok(Page {
            items: collector.page,
            revision: at,
            next,
            remaining,
        })
    }
}

/// Objects of a page; None for all, as for any state that the watch cache has (`resourceVersion=0`).
fn limit(options: &Options) -> Result<Option<usize>, ApiError> {
    if options.get("resourceVersion") == Some("0") {
        return Ok(None);
    }
    let limit = options.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    Ok(limit.filter(|limit| *limit > 0))
}

/// Whether nothing of a resource was written after a revision: then the present is that past.
fn place_unchanged(state: &super::state::State, place: &crate::world::kube::resources::GroupResource, at: u64) -> bool {
    state.store.changes(place, at).is_ok_and(|changes| changes.is_empty())
}

struct Collector<'a> {
    call: &'a Call,
    selection: &'a Selection,
    limit: Option<usize>,
    page: Vec<Bytes>,
    last: Option<Key>,
    more: usize,
}

impl Collector<'_> {
    /// Takes an object if it is meant; false when the page is full and one more is known.
    fn take(&mut self, key: &Key, text: &Bytes) -> bool {
        // Whatever follows counts as more, meant or not: the real server does not look ahead either.
        if self.limit.is_some_and(|limit| self.page.len() >= limit) {
            self.more += 1;
            return false;
        }
        if !self.selection.is_everything() && !self.selection.matches_text(text) {
            return true;
        }
        self.page.push(rules::text_from_storage(&self.call.resource, text));
        if self.limit.is_some() {
            self.last = Some(key.clone());
        }
        true
    }
}

/// Rules for `resourceVersion` with `resourceVersionMatch` and `continue`.
fn check_version(options: &Options, current: u64, has_token: bool) -> Result<(), ApiError> {
    let errors = match_errors(options, has_token);
    if !errors.is_empty() {
        return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &errors));
    }
    let version = options.get("resourceVersion");
    if has_token && version.is_some_and(|version| version != "0") {
        return Err(ApiError::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let Some(version) = version else { return Ok(()) };
    let wanted = parse_revision(version)
        .map_err(|error| ApiError::bad_request(format!("invalid resource version: {}", error.message)))?;
    if wanted > current {
        return Err(too_large(wanted, current));
    }
    Ok(())
}

/// All that is wrong with `resourceVersionMatch` and its company on a list.
fn match_errors(options: &Options, has_token: bool) -> Vec<FieldError> {
    let field = "resourceVersionMatch";
    let mut errors = Vec::new();
    if let Some(how) = options.get(field) {
        let version = options.get("resourceVersion");
        if version.is_none() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(field, detail));
        }
        if has_token {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(field, detail));
        }
        if !matches!(how, "Exact" | "NotOlderThan") {
            errors.push(FieldError::not_supported(
                field,
                &how.into(),
                &["Exact", "NotOlderThan", ""],
            ));
        }
        if how == "Exact" && version == Some("0") {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(field, detail));
        }
    }
    if options.get("sendInitialEvents").is_some() {
        let detail = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden("sendInitialEvents", detail));
    }
    errors
}

/// The revision that a list must show exactly; None for "now".
fn exact_revision(options: &Options) -> Result<Option<u64>, ApiError> {
    let exact = match options.version_match()? {
        Some(VersionMatch::Exact) => true,
        Some(VersionMatch::NotOlderThan) => false,
        // With a limit and no match rule, a version is exact: the older rule of the real server.
        None => options.number("limit")?.is_some_and(|limit| limit > 0),
    };
    let version = options
        .get("resourceVersion")
        .filter(|version| exact && *version != "0");
    version.map(parse_revision).transpose()
}

/// A resourceVersion as a number.
pub(super) fn parse_revision(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| {
        let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        let error = FieldError::invalid("resourceVersion", &text.into(), detail);
        ApiError::other(500, "", error.to_string())
    })
}

/// 504 for a revision that is still to come.
pub(super) fn too_large(wanted: u64, current: u64) -> ApiError {
    let mut error = ApiError::timeout(format!("Too large resource version: {wanted}, current: {current}"));
    error.details = Some(Box::new(crate::world::kube::api_error::Details {
        causes: vec![crate::world::kube::api_error::Cause {
            reason: "ResourceVersionTooLarge".into(),
            message: "Too large resource version".into(),
            field: String::new(),
        }],
        retry_after_secs: 1,
        ..Default::default()
    }));
    error
}

fn gone(with_token: bool, revision: u64) -> ApiError {
    if with_token {
        ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        )
    } else {
        ApiError::expired(format!(
            "The resourceVersion for the provided list is too old: {revision}"
        ))
    }
}

/// Where a page ended, and the revision that all pages show.
#[derive(Debug)]
struct Token {
    revision: u64,
    namespace: String,
    name: String,
}

impl Token {
    fn to_text(&self) -> String {
        let start = format!("{}/{}", self.namespace, self.name);
        URL_SAFE_NO_PAD.encode(json!({ "v": TOKEN_VERSION, "rv": self.revision, "start": start }).to_string())
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let wrong =
            |why: &str| ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let decoded = LENIENT
            .decode(text)
            .map_err(|_| wrong(&format!("illegal base64 data at input byte {}", first_bad_byte(text))))?;
        let value: Value = serde_json::from_slice(&decoded).map_err(|_| wrong(&schema::json_problem(&decoded)))?;
        let version = value["v"].as_str().unwrap_or_default();
        if version != TOKEN_VERSION {
            return Err(wrong(&format!(
                "server does not recognize this encoded version {version}"
            )));
        }
        let Some(revision) = value["rv"].as_u64().filter(|revision| *revision > 0) else {
            return Err(wrong(&format!(
                "incorrect encoded start resourceVersion (version {version})"
            )));
        };
        let start = value["start"].as_str().unwrap_or_default();
        if start.is_empty() {
            return Err(wrong(&format!("encoded start key empty (version {version})")));
        }
        if start.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(wrong(start));
        }
        let (namespace, name) = start.split_once('/').unwrap_or(("", start));
        Ok(Self {
            revision,
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

/// The version of the tokens.
const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// As Go decodes: what is left of the last character's bits is not looked at.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Where a text stops being URL-safe base64.
fn first_bad_byte(text: &str) -> usize {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.bytes().position(|byte| !is_good(byte)).unwrap_or(text.len())
}
