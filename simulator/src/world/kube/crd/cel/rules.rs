//! `x-kubernetes-validations`: compiled with their schema, priced at acceptance, run on objects.

use serde_json::{Map, Value};

use super::check::{self, Checked};
use super::types::{Declaration, MAX_REQUEST_BYTES, Type};
use super::value::{EvalError, Val};
use super::{PER_CALL_LIMIT, cost, eval, field_path};
use crate::world::kube::api_error::{FieldError, FieldErrorKind};
use crate::world::kube::crd::check::correlated;
use crate::world::kube::crd::path::{Path, Segment};
use crate::world::kube::crd::structural::{Additional, Kind, Node, flag, same, text};

/// Most that all rules of one object may cost.
const OBJECT_BUDGET: u64 = 10_000_000;
/// Longest message that an expression may make, in bytes.
const MAX_MESSAGE_BYTES: usize = 5 * 1024;

/// One rule, compiled.
#[derive(Debug)]
pub(crate) struct Rule {
    source: String,
    message: String,
    reason: String,
    field: Vec<String>,
    optional_old_self: bool,
    program: Result<Checked, String>,
    message_source: String,
    message_program: Option<Result<Checked, String>>,
    pub(crate) uses_old_self: bool,
    /// Most that one run can cost.
    max_cost: u64,
    max_message_cost: u64,
    /// How often a request can hold the schema's value, if nothing else says.
    max_cardinality: u64,
}

/// What acceptance has to know of a rule.
pub(crate) struct Verdict<'r> {
    pub(crate) cost: u64,
    pub(crate) message_cost: Option<u64>,
    pub(crate) error: Option<&'r str>,
    pub(crate) message_error: Option<&'r str>,
}

/// Compiles the rules of one schema. `resource`: its values are whole resources.
pub(crate) fn compile(node: &Node, resource: bool) -> Vec<Rule> {
    if node.rules.is_empty() {
        return Vec::new();
    }
    let decl = Declaration::new(node, resource);
    let ty = decl.as_ref().map_or(Type::Dyn, Declaration::of);
    let min_size = decl.as_ref().map_or(0, |decl| decl.min_size);
    let one = |raw: &Value| {
        let empty = Map::new();
        let raw = raw.as_object().unwrap_or(&empty);
        let optional = flag(raw, "optionalOldSelf");
        let old = if optional {
            Type::optional(ty.clone())
        } else {
            ty.clone()
        };
        let variables = [("self", ty.clone()), ("oldSelf", old)];
        let build = |source: &str, wanted: &Type, prefix: &str, wrong: &str| match check::compile(source, &variables) {
            Err(text) => Err(format!("{prefix}compilation failed: {text}")),
            Ok(checked) if checked.result() != wanted => Err(wrong.to_owned()),
            Ok(checked) => Ok(checked),
        };
        let program = build(
            text(raw, "rule"),
            &Type::Bool,
            "",
            "cel expression must evaluate to a bool",
        );
        let source = text(raw, "messageExpression");
        let message_program = (!source.is_empty() && program.is_ok()).then(|| {
            build(
                source,
                &Type::String,
                "messageExpression ",
                "messageExpression must evaluate to a string",
            )
        });
        let price = |program: &Checked| cost::estimate(program, decl.as_ref());
        let max_message_cost = message_program
            .as_ref()
            .and_then(|program| program.as_ref().ok())
            .map_or(0, price);
        Rule {
            source: text(raw, "rule").trim().into(),
            message: text(raw, "message").trim().into(),
            reason: text(raw, "reason").into(),
            field: field_path::parse(text(raw, "fieldPath")).unwrap_or_default(),
            optional_old_self: optional,
            uses_old_self: program.as_ref().is_ok_and(|program| program.root.reads("oldSelf")),
            max_cost: program.as_ref().map_or(0, price),
            program,
            message_source: source.into(),
            message_program,
            max_message_cost,
            max_cardinality: MAX_REQUEST_BYTES / (min_size + 1),
        }
    };
    node.rules.iter().map(one).collect()
}

impl Rule {
    /// The verdict at acceptance; `cardinality` is how many values the schema can have in one object, if bounded.
    pub(crate) fn verdict(&self, cardinality: Option<u64>) -> Verdict<'_> {
        Verdict {
            cost: self
                .max_cost
                .saturating_mul(cardinality.unwrap_or(self.max_cardinality)),
            message_cost: match &self.message_program {
                Some(Ok(_)) => Some(self.max_message_cost),
                _ => None,
            },
            error: self.program.as_ref().err().map(String::as_str),
            message_error: self
                .message_program
                .as_ref()
                .and_then(|program| program.as_ref().err())
                .map(String::as_str),
        }
    }

    /// How the rule is called in errors.
    fn name(&self) -> &str {
        if self.message.is_empty() {
            &self.source
        } else {
            &self.message
        }
    }
}

/// Runs all rules of an object. `old` is what it was before an update.
pub(crate) fn validate(node: &Node, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut run = Run {
        budget: OBJECT_BUDGET,
        over: false,
        errors: Vec::new(),
    };
    let ratchet = Ratchet {
        current: old.map(|old| (object, old)),
        parent: None,
    };
    run.node(node, object, old, true, ratchet, &Path::root());
    run.errors
}

/// The nearest pair of new and old value whose equality lets a broken rule pass.
#[derive(Clone, Copy)]
struct Ratchet<'a> {
    current: Option<(&'a Value, &'a Value)>,
    parent: Option<(&'a Value, &'a Value)>,
}

impl<'a> Ratchet<'a> {
    fn unchanged(&self) -> bool {
        self.current.or(self.parent).is_some_and(|(new, old)| same(new, old))
    }

    fn child(self, new: &'a Value, old: Option<&'a Value>) -> Self {
        match self.current {
            None => self,
            Some(_) => Self {
                current: old.map(|old| (new, old)),
                parent: self.current,
            },
        }
    }
}

struct Run {
    budget: u64,
    over: bool,
    errors: Vec<FieldError>,
}

impl Run {
    fn node<'a>(
        &mut self,
        node: &'a Node,
        value: &'a Value,
        old: Option<&'a Value>,
        resource: bool,
        ratchet: Ratchet<'a>,
        path: &Path<'_>,
    ) {
        if self.over || !node.has.rules || value.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        self.own_rules(node, value, old, resource, ratchet, path);
        match value {
            Value::Array(list) => {
                let Some(items) = node.items.as_deref() else { return };
                let before = old.and_then(Value::as_array);
                for (at, item) in list.iter().enumerate() {
                    let old = before.and_then(|before| correlated(&node.list, before, item));
                    let path = path.child(Segment::Index(at));
                    self.node(items, item, old, items.embedded, ratchet.child(item, old), &path);
                }
            }
            Value::Object(map) => {
                let before = old.and_then(Value::as_object);
                for (key, value) in map {
                    let (child, segment) = match (node.properties.get(key), &node.additional) {
                        (Some(child), _) => (child, Segment::Field(key)),
                        (None, Additional::Schema(child)) => (child.as_ref(), Segment::Key(key)),
                        _ => continue,
                    };
                    let old = before.and_then(|before| before.get(key));
                    self.node(
                        child,
                        value,
                        old,
                        child.embedded,
                        ratchet.child(value, old),
                        &path.child(segment),
                    );
                }
            }
            _ => {}
        }
    }

    fn own_rules<'a>(
        &mut self,
        node: &'a Node,
        value: &'a Value,
        old: Option<&'a Value>,
        resource: bool,
        ratchet: Ratchet<'a>,
        path: &Path<'_>,
    ) {
        let typed = |value: &'a Value| Val::json(value, Some(node), resource);
        for rule in &node.programs {
            if self.over {
                return;
            }
            if self.budget == 0 {
                self.stop(node, path, OUT_OF_BUDGET.to_owned());
                return;
            }
            let Ok(program) = &rule.program else { continue };
            if rule.uses_old_self && old.is_none() && !rule.optional_old_self {
                continue;
            }
            let before = old.map(typed).transpose();
            let variables = match (typed(value), before) {
                (Ok(new), Ok(old)) => variables(rule, new, old),
                (Err(error), _) | (_, Err(error)) => {
                    self.broken(node, rule, &error, path);
                    continue;
                }
            };
            let (result, spent) = eval::run(program, variables.clone(), PER_CALL_LIMIT);
            if spent > self.budget {
                self.stop(node, path, OUT_OF_BUDGET.to_owned());
                return;
            }
            self.budget -= spent;
            match result {
                Ok(Val::Bool(true)) => {}
                Ok(_) => {
                    let lenient = !rule.uses_old_self && ratchet.unchanged();
                    self.failed(node, rule, value, variables, lenient, path);
                }
                Err(error) => self.broken(node, rule, &error, path),
            }
        }
    }

    /// A rule said no.
    fn failed<'a>(
        &mut self,
        node: &Node,
        rule: &'a Rule,
        value: &Value,
        variables: Vec<(&'a str, Val<'a>)>,
        lenient: bool,
        path: &Path<'_>,
    ) {
        let mut file = path.field();
        for name in &rule.field {
            file = if file == "<nil>" {
                name.clone()
            } else {
                format!("{file}.{name}")
            };
        }
        let mut detail = None;
        if let Some(Ok(program)) = &rule.message_program {
            match self.message(program, rule, variables) {
                Ok(text) => detail = text,
                Err(text) => {
                    if !lenient {
                        self.errors.push(self.whole(node, file, text));
                    }
                    self.over = true;
                    return;
                }
            }
        }
        if lenient {
            return;
        }
        let own = if rule.message.is_empty() {
            format!("failed rule: {}", rule.source)
        } else {
            rule.message.clone()
        };
        let detail = detail.unwrap_or(own);
        let omit = matches!(node.kind, Kind::Object | Kind::Array);
        let shown = (!omit).then(|| value.to_string());
        self.errors.push(match rule.reason.as_str() {
            "FieldValueForbidden" => FieldError::forbidden(file, detail),
            "FieldValueRequired" => FieldError::required(file, detail),
            "FieldValueDuplicate" => FieldError::new(FieldErrorKind::Duplicate, file, shown, ""),
            _ => FieldError::new(FieldErrorKind::Invalid, file, shown, detail),
        });
    }

    /// The text of `messageExpression`; None where it gives none that can be shown; an error ends all rules.
    fn message<'a>(
        &mut self,
        program: &'a Checked,
        rule: &Rule,
        variables: Vec<(&'a str, Val<'a>)>,
    ) -> Result<Option<String>, String> {
        let (result, spent) = eval::run(program, variables, PER_CALL_LIMIT);
        if spent > self.budget {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".into());
        }
        self.budget -= spent;
        match result {
            Err(EvalError::Limit) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {:?}",
                rule.message_source
            )),
            Ok(Val::String(text)) => {
                let text = text.trim();
                let fits = !text.is_empty() && text.len() <= MAX_MESSAGE_BYTES && !text.contains('\n');
                Ok(fits.then(|| text.to_owned()))
            }
            _ => Ok(None),
        }
    }

    /// A rule could not be evaluated.
    fn broken(&mut self, node: &Node, rule: &Rule, error: &EvalError, path: &Path<'_>) {
        let name = rule.name();
        let text = match error {
            EvalError::Limit => {
                let what = "'operation cancelled: actual cost limit exceeded'";
                let text = format!(
                    "{what}: no further validation rules will be run due to call cost exceeds limit for rule: {name}"
                );
                self.stop(node, path, text);
                return;
            }
            EvalError::Failed(text) if text.starts_with("no such overload") => format!(
                "'{text}': call arguments did not match a supported operator, function or macro signature for rule: {name}"
            ),
            EvalError::Failed(text) => format!("{text} evaluating rule: {name}"),
        };
        let error = self.whole(node, path.field(), text);
        self.errors.push(error);
    }

    fn stop(&mut self, node: &Node, path: &Path<'_>, text: String) {
        let error = self.whole(node, path.field(), text);
        self.errors.push(error);
        self.over = true;
    }

    /// An error that shows the type in place of the value.
    #[expect(clippy::unused_self, reason = "reads as one of the ways to report")]
    fn whole(&self, node: &Node, file: String, text: String) -> FieldError {
        let shown = format!(
            "{:?}",
            if node.kind == Kind::IntOrString {
                ""
            } else {
                node.kind.names()
            }
        );
        FieldError::new(FieldErrorKind::Invalid, file, Some(shown), text)
    }
}

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

fn variables<'a>(rule: &Rule, new: Val<'a>, old: Option<Val<'a>>) -> Vec<(&'a str, Val<'a>)> {
    let mut out = vec![("self", new)];
    if rule.optional_old_self {
        out.push(("oldSelf", Val::Optional(old.map(Into::into))));
    } else if let Some(old) = old {
        out.push(("oldSelf", old));
    }
    out
}

impl Node {
    /// Compiles the rules of this schema and of all below it.
    pub(crate) fn compile_rules(&mut self, resource: bool) {
        if !self.has.rules {
            return;
        }
        self.programs = compile(self, resource);
        let additional = match &mut self.additional {
            Additional::Schema(node) => Some(node.as_mut()),
            _ => None,
        };
        for child in self
            .properties
            .values_mut()
            .chain(additional)
            .chain(self.items.as_deref_mut())
        {
            let embedded = child.embedded;
            child.compile_rules(embedded);
        }
    }
}
