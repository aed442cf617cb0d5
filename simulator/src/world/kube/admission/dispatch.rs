//! Calls the webhooks of a request: mutating ones one after the other, validating ones together.

use futures::future::join_all;
use serde_json::Value;

use super::caller::{CallError, WebhookCaller};
use super::configuration::{Webhook, Webhooks};
use super::review::{self, Answer, Unreadable};
use super::{Request, matching, status};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::crd::convert;
use crate::world::kube::patch::json_patch;
use crate::world::kube::resources::Gvk;

/// What calling needs besides the request.
#[derive(Clone, Copy)]
pub struct Dispatch<'a> {
    /// All webhooks of the server.
    pub webhooks: &'a Webhooks,
    /// Makes the calls.
    pub caller: &'a dyn WebhookCaller,
    /// Gives each call its uid.
    pub uid: &'a (dyn Fn() -> String + Send + Sync),
}

impl std::fmt::Debug for Dispatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// What the webhooks left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the object was changed.
    pub changed: bool,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
    /// Audit annotations: `<webhook>/<key>`, value.
    pub audit: Vec<(String, String)>,
}

/// Why a webhook stops a request.
enum Stop {
    /// The call failed; `failurePolicy` decides.
    Call(String),
    /// Any other.
    Refused(ApiError),
}

impl Dispatch<'_> {
    /// Lets the mutating webhooks change `object`. After each change `default` fills in what the change left open.
    ///
    /// # Errors
    /// A refusal, or a failed call under `failurePolicy: Fail`.
    pub async fn mutate(
        &self,
        request: &Request<'_>,
        mut object: Option<&mut Value>,
        old: Option<&Value>,
        default: &(dyn Fn(&mut Value) + Send + Sync),
    ) -> Result<Outcome, ApiError> {
        let hooks = matching::candidates(&self.webhooks.mutating, request);
        let mut outcome = Outcome::default();
        // Those that asked for another look, and have been called before something changed.
        let mut called: Vec<usize> = Vec::new();
        let mut again: Vec<usize> = Vec::new();
        for round in 0..2 {
            for (place, hook) in hooks.iter().enumerate() {
                if round == 1 && !again.contains(&place) {
                    continue;
                }
                let Some(version) = matching::matches(hook, request, object.as_deref(), old)? else {
                    continue;
                };
                let answer = self.ask(hook, request, &version, object.as_deref(), old, true).await;
                let changed = match answer.and_then(|answer| keep(hook, answer, &mut outcome)) {
                    Ok(answer) => apply(hook, request, &answer, object.as_deref_mut(), default),
                    Err(stop) => Err(stop),
                };
                match changed {
                    Ok(true) => {
                        outcome.changed = true;
                        again.append(&mut called);
                    }
                    Ok(false) => {}
                    Err(Stop::Call(_)) if hook.ignore_failures => {}
                    Err(Stop::Call(reason)) => return Err(status::failed_call(&hook.name, &reason)),
                    Err(Stop::Refused(error)) => return Err(error),
                }
                if hook.reinvoke && round == 0 {
                    called.push(place);
                }
            }
            if again.is_empty() {
                break;
            }
        }
        Ok(outcome)
    }

    /// Asks the validating webhooks, all at once.
    ///
    /// # Errors
    /// The first refusal, or failed call under `failurePolicy: Fail`, in the order of the webhooks.
    pub async fn validate(
        &self,
        request: &Request<'_>,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<Outcome, ApiError> {
        let mut calls = Vec::new();
        for hook in matching::candidates(&self.webhooks.validating, request) {
            if let Some(version) = matching::matches(&hook, request, object, old)? {
                calls.push((hook, version));
            }
        }
        if calls.is_empty() {
            return Ok(Outcome::default());
        }
        let asked = calls
            .iter()
            .map(|(hook, version)| self.ask(hook, request, version, object, old, false));
        let answers = join_all(asked).await;
        let mut outcome = Outcome::default();
        let mut refused = None;
        for ((hook, _), answer) in calls.iter().zip(answers) {
            let error = match answer.and_then(|answer| keep(hook, answer, &mut outcome)) {
                Ok(answer) if answer.allowed => continue,
                Ok(answer) => status::denied(&hook.name, answer.status.as_ref()),
                Err(Stop::Call(_)) if hook.ignore_failures => continue,
                Err(Stop::Call(reason)) => status::failed_call(&hook.name, &reason),
                Err(Stop::Refused(error)) => error,
            };
            refused.get_or_insert(error);
        }
        refused.map_or(Ok(outcome), Err)
    }

    async fn ask(
        &self,
        hook: &Webhook,
        request: &Request<'_>,
        version: &str,
        object: Option<&Value>,
        old: Option<&Value>,
        mutating: bool,
    ) -> Result<Answer, Stop> {
        if request.dry_run && hook.side_effects {
            let text = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Stop::Refused(ApiError::bad_request(text)));
        }
        let Some(client) = &hook.client else {
            let text = "could not get REST client: webhook configuration must have either service or URL";
            return Err(Stop::Call(text.into()));
        };
        if !hook.speaks_v1 {
            let text = "webhook does not accept known AdmissionReview versions (v1)";
            return Err(Stop::Call(format!("could not create admission objects: {text}")));
        }
        let uid = (self.uid)();
        let seen = |object: Option<&Value>| in_version(object, request.gvk, version);
        let question = review::question(request, version, &uid, &seen(object), &seen(old));
        let call = self.caller.call(client, question, hook.timeout);
        let answer = match tokio::time::timeout(hook.timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TimedOut),
        };
        let failed = |text: &str| Stop::Call(format!("failed to call webhook: {text}"));
        let answer = answer.map_err(|error| failed(&error.text(&client.url(hook.timeout))))?;
        review::answer(&answer, &uid, mutating).map_err(|problem| match problem {
            Unreadable::Undecodable(text) => failed(&text),
            Unreadable::Invalid(text) => Stop::Call(format!("received invalid webhook response: {text}")),
            Unreadable::PatchType(kind) => Stop::Call(format!("unsupported patch type {kind:?}")),
        })
    }
}

/// Keeps warnings and annotations, also of an answer that says no.
fn keep(hook: &Webhook, mut answer: Answer, outcome: &mut Outcome) -> Result<Answer, Stop> {
    outcome.warnings.append(&mut answer.warnings);
    let audit = std::mem::take(&mut answer.audit).into_iter();
    outcome
        .audit
        .extend(audit.map(|(key, value)| (format!("{}/{key}", hook.name), value)));
    Ok(answer)
}

/// An object as a version of its group shows it.
fn in_version(object: Option<&Value>, gvk: &Gvk, version: &str) -> Value {
    let Some(object) = object else { return Value::Null };
    let mut object = object.clone();
    if version != gvk.version {
        convert(&mut object, &Gvk::new(&gvk.group, version, &gvk.kind).api_version());
    }
    object
}

/// Applies the patch of an answer; says whether that changed the object.
fn apply(
    hook: &Webhook,
    request: &Request<'_>,
    answer: &Answer,
    object: Option<&mut Value>,
    default: &(dyn Fn(&mut Value) + Send + Sync),
) -> Result<bool, Stop> {
    if !answer.allowed {
        return Err(Stop::Refused(status::denied(&hook.name, answer.status.as_ref())));
    }
    let Some(patch) = &answer.patch else { return Ok(false) };
    let operations: Value = match serde_json::from_slice(patch) {
        Ok(operations) => operations,
        Err(error) => {
            let text = if error.is_eof() {
                "unexpected end of JSON input".into()
            } else {
                error.to_string()
            };
            return Err(Stop::Call(format!(
                "received undecodable patch in webhook response: {text}"
            )));
        }
    };
    if operations.as_array().is_some_and(Vec::is_empty) {
        return Ok(false);
    }
    let Some(object) = object else {
        let name = &hook.name;
        let text = format!(
            "admission webhook {name:?} attempted to modify the object, which is not supported for this operation"
        );
        return Err(Stop::Refused(ApiError::internal(text)));
    };
    let mut patched = json_patch(object, patch).map_err(|error| Stop::Refused(ApiError::internal(error)))?;
    convert(&mut patched, &request.gvk.api_version());
    let changed = patched != *object;
    *object = patched;
    default(object);
    Ok(changed)
}
