//! One AdmissionReview: decode strictly, look up what the rules want, ask the rules, answer.

use super::Admission;
use kube_core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation},
    response::StatusSummary,
};
use operator_api::{
    InferenceSet, InferenceSetV1alpha1, Workspace, WorkspaceV1alpha1,
    crd::{Definition, strict},
    decode::{Problem, decode},
    kind::GROUP,
    validate::{self, Context, Facts, Verdict, Version, Wanted},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::LazyLock;

/// The only version of AdmissionReview that we speak.
const REVIEW_VERSION: &str = "admission.k8s.io/v1";

/// What an endpoint judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Workspace,
    InferenceSet,
}

impl Target {
    fn kind(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::InferenceSet => "InferenceSet",
        }
    }
}

/// The answer, or why the body is no review that can be answered.
pub(super) async fn answer(
    admission: &Admission,
    target: Target,
    body: &[u8],
) -> Result<AdmissionReview<DynamicObject>, String> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_slice(body).map_err(|error| format!("the body is no AdmissionReview: {error}"))?;
    if review.types.kind != "AdmissionReview" || review.types.api_version != REVIEW_VERSION {
        let types = review.types;
        return Err(format!(
            "expected {REVIEW_VERSION} AdmissionReview, found {} {}",
            types.api_version, types.kind
        ));
    }
    let request: AdmissionRequest<DynamicObject> = review
        .try_into()
        .map_err(|_| "the AdmissionReview holds no request".to_owned())?;
    if request.kind.group != GROUP || request.kind.kind != target.kind() {
        let kind = &request.kind;
        return Err(format!(
            "{}/{} {} is not judged here",
            kind.group, kind.version, kind.kind
        ));
    }
    let version = match request.kind.version.as_str() {
        "v1alpha1" => Version::V1alpha1,
        "v1beta1" => Version::V1beta1,
        other => return Err(format!("version {other} of {} is not known", target.kind())),
    };
    let response = AdmissionResponse::from(&request);
    Ok(judge(admission, target, version, &request, response)
        .await
        .into_review())
}

async fn judge(
    admission: &Admission,
    target: Target,
    version: Version,
    request: &AdmissionRequest<DynamicObject>,
    response: AdmissionResponse,
) -> AdmissionResponse {
    match request.operation {
        Operation::Create | Operation::Update => {}
        Operation::Delete | Operation::Connect => return response,
    }
    // Status and scale are written by programs; users write the object itself.
    if request.sub_resource.as_deref().is_some_and(|name| !name.is_empty()) {
        return response;
    }
    let Some(object) = request.object.as_ref() else {
        return deny(response, "the request holds no object");
    };
    if object.metadata.deletion_timestamp.is_some() {
        return response;
    }
    let (Ok(new), Ok(old)) = (
        serde_json::to_value(object),
        request.old_object.as_ref().map(serde_json::to_value).transpose(),
    ) else {
        return deny(response, "the object can't be read");
    };
    let verdict = match target {
        Target::Workspace => workspace(admission, version, &new, old.as_ref()).await,
        Target::InferenceSet => inference_set(admission, version, &new, old.as_ref()).await,
    };
    match verdict {
        Err(problems) => {
            let text = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join(", ");
            deny(
                response,
                &format!("decoding request failed: cannot decode incoming new object: {text}"),
            )
        }
        Ok(verdict) => {
            let mut response = if verdict.accepted() {
                response
            } else {
                deny(response, &format!("validation failed: {}", verdict.denial()))
            };
            response.warnings = Some(verdict.warnings).filter(|warnings| !warnings.is_empty());
            response
        }
    }
}

/// A refusal as a bad request, which is what KAITO's webhook answers.
fn deny(response: AdmissionResponse, reason: &str) -> AdmissionResponse {
    let mut response = response.deny(reason);
    response.result.status = Some(StatusSummary::Failure);
    response.result.code = 400;
    response.result.reason = "BadRequest".to_owned();
    response
}

static WORKSPACE_ALPHA: LazyLock<Value> = LazyLock::new(|| strict(Definition::Workspace, true));
static WORKSPACE_BETA: LazyLock<Value> = LazyLock::new(|| strict(Definition::Workspace, false));
static SET_ALPHA: LazyLock<Value> = LazyLock::new(|| strict(Definition::InferenceSet, true));
static SET_BETA: LazyLock<Value> = LazyLock::new(|| strict(Definition::InferenceSet, false));

async fn workspace(
    admission: &Admission,
    version: Version,
    new: &Value,
    old: Option<&Value>,
) -> Result<Verdict, Vec<Problem>> {
    let (new, old): (Workspace, Option<Workspace>) = match version {
        Version::V1alpha1 => pair::<WorkspaceV1alpha1, _>(&WORKSPACE_ALPHA, new, old)?,
        Version::V1beta1 => pair::<Workspace, _>(&WORKSPACE_BETA, new, old)?,
    };
    let wanted = match old {
        None => validate::wanted(version, &new, &admission.settings),
        Some(_) => Wanted::default(),
    };
    let facts = facts(admission, &wanted).await;
    let context = Context::new(&admission.settings, &facts);
    Ok(validate::workspace(version, &new, old.as_ref(), context))
}

async fn inference_set(
    admission: &Admission,
    version: Version,
    new: &Value,
    old: Option<&Value>,
) -> Result<Verdict, Vec<Problem>> {
    let (new, old): (InferenceSet, Option<InferenceSet>) = match version {
        Version::V1alpha1 => pair::<InferenceSetV1alpha1, _>(&SET_ALPHA, new, old)?,
        Version::V1beta1 => pair::<InferenceSet, _>(&SET_BETA, new, old)?,
    };
    let wanted = match &old {
        Some(old) if old.spec.template == new.spec.template => Wanted::default(),
        Some(_) | None => validate::wanted_by_set(version, &new, &admission.settings),
    };
    let facts = facts(admission, &wanted).await;
    let context = Context::new(&admission.settings, &facts);
    Ok(validate::inference_set(version, &new, old.as_ref(), context))
}

/// The new object, strictly, and its predecessor, as well as it can be read: a fault in what is stored already must
/// not stand in the way of a change.
fn pair<T: DeserializeOwned, H: From<T>>(
    schema: &Value,
    new: &Value,
    old: Option<&Value>,
) -> Result<(H, Option<H>), Vec<Problem>> {
    let object: T = decode(schema, new, old)?;
    let old = old.map(|old| {
        T::deserialize(old).map_err(|error| {
            vec![Problem::Malformed {
                reason: error.to_string(),
            }]
        })
    });
    Ok((object.into(), old.transpose()?.map(H::from)))
}

async fn facts(admission: &Admission, wanted: &Wanted) -> Facts {
    let mut facts = admission.lookup.facts(wanted).await;
    facts.models = admission.models.as_ref().clone();
    facts
}
