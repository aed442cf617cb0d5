//! `matchConditions`: CEL over the request, compiled once with the configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::Request;
use crate::world::kube::crd::cel::check::{self, Checked};
use crate::world::kube::crd::cel::types::Type;
use crate::world::kube::crd::cel::value::{EvalError, Key, Val};
use crate::world::kube::crd::cel::{PER_CALL_LIMIT, eval};

/// Most that all conditions of one webhook may cost (`RuntimeCELCostBudgetMatchConditions`).
const BUDGET: u64 = 2_500_000;

/// One condition.
#[derive(Debug)]
pub(super) struct Condition {
    expression: String,
    program: Result<Checked, String>,
}

/// What the conditions say together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Match,
    NoMatch,
    /// Some could not be evaluated, and none said no.
    Failed(String),
}

impl Condition {
    pub(super) fn parse(condition: &Value) -> Self {
        let expression = condition
            .get("expression")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let variables = ["object", "oldObject", "request"].map(|name| (name, Type::Dyn));
        let program = match check::compile(&expression, &variables) {
            Ok(checked) if matches!(checked.result(), Type::Bool | Type::Dyn) => Ok(checked),
            Ok(_) => Err("must evaluate to bool".into()),
            Err(text) => Err(format!("compilation failed: {text}")),
        };
        Self { expression, program }
    }
}

/// Evaluates conditions in order; one that is false settles it.
pub(super) fn evaluate(
    conditions: &[Condition],
    request: &Request<'_>,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Verdict {
    let mut budget = BUDGET;
    let mut errors = Vec::new();
    for condition in conditions {
        let named = |text: &str| format!("expression '{}' resulted in error: {text}", condition.expression);
        let program = match &condition.program {
            Ok(program) => program,
            Err(text) => {
                errors.push(named(text));
                continue;
            }
        };
        let variables = match (dynamic(object), dynamic(old)) {
            (Ok(object), Ok(old)) => vec![("object", object), ("oldObject", old), ("request", describe(request))],
            _ => return Verdict::Failed(named("invalid data")),
        };
        let (result, spent) = eval::run(program, variables, PER_CALL_LIMIT.min(budget));
        budget = budget.saturating_sub(spent);
        match result {
            Ok(Val::Bool(true)) => {}
            Ok(Val::Bool(false)) => return Verdict::NoMatch,
            Ok(_) => errors.push(named("must evaluate to bool")),
            Err(EvalError::Failed(text)) => errors.push(named(&text)),
            Err(EvalError::Limit) => {
                errors.push(named("operation cancelled: actual cost limit exceeded"));
                break;
            }
        }
    }
    match errors.as_slice() {
        [] => Verdict::Match,
        [one] => Verdict::Failed(one.clone()),
        many => Verdict::Failed(format!("[{}]", many.join(", "))),
    }
}

fn dynamic(value: Option<&Value>) -> Result<Val<'_>, EvalError> {
    value.map_or(Ok(Val::Null), Val::json_dynamic)
}

/// The `request` variable.
fn describe<'a>(request: &Request<'a>) -> Val<'a> {
    let text = |text: &'a str| Val::String(Cow::Borrowed(text));
    let map = |entries: Vec<(&str, Val<'a>)>| {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Key::String(key.to_owned()), value));
        Val::Map(Rc::new(entries.collect::<BTreeMap<_, _>>()))
    };
    let gvk = request.gvk;
    let kind = || {
        map(vec![
            ("group", text(&gvk.group)),
            ("version", text(&gvk.version)),
            ("kind", text(&gvk.kind)),
        ])
    };
    let resource = || {
        map(vec![
            ("group", text(&gvk.group)),
            ("version", text(&gvk.version)),
            ("resource", text(request.plural)),
        ])
    };
    let user = request.user;
    let groups = user.groups.iter().map(|group| text(group)).collect();
    let extra = user.extra.iter().map(|(key, values)| {
        let values = values.iter().map(|value| text(value)).collect();
        (Key::String(key.clone()), Val::list(values))
    });
    map(vec![
        ("kind", kind()),
        ("resource", resource()),
        ("subResource", text(request.subresource)),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("requestSubResource", text(request.subresource)),
        ("name", text(request.name)),
        ("namespace", text(request.namespace)),
        ("operation", text(request.operation.as_str())),
        ("dryRun", Val::Bool(request.dry_run)),
        (
            "userInfo",
            map(vec![
                ("username", text(&user.username)),
                ("uid", text(&user.uid)),
                ("groups", Val::list(groups)),
                ("extra", Val::Map(Rc::new(extra.collect()))),
            ]),
        ),
        ("options", Val::json_dynamic(request.options).unwrap_or(Val::Null)),
    ])
}
