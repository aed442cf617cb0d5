//! Calls into `kube-cel`: one function at a time, on values that are already there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use cel::objects::{Map, OptionalValue};
use cel::{Context, Value};
use kube_cel::KubeCelExt as _;

use crate::world::kube::crd::cel::value::{Evaluated, Key, Val, failed};

use super::show_duration;

thread_local! {
    /// The functions; made once, since there are many.
    static LIBRARY: RefCell<Context<'static>> = RefCell::new(Context::default().with_all());
}

/// The real server's words for a text that is no quantity.
const BAD_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Names of the values in the calls that are made.
const PLACES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(super) fn call<'a>(name: &str, member: bool, values: &[Val<'a>]) -> Evaluated<'a> {
    if values.len() > PLACES.len() {
        return failed("no such overload");
    }
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        match outward(value) {
            Some(value) => out.push(value),
            None => return failed("no such overload"),
        }
    }
    let expr = call_expr(name, member, values.len());
    let result = LIBRARY.with_borrow(|library| {
        let mut scope = library.new_inner_scope();
        for (place, value) in PLACES.iter().zip(out) {
            scope.add_variable_from_value(*place, value);
        }
        Value::resolve(&expr, &scope)
    });
    match result {
        Ok(value) => inward(&value).map_or_else(|| failed("no such overload"), Ok),
        Err(cel::ExecutionError::FunctionError { .. }) if name == "quantity" => failed(BAD_QUANTITY),
        Err(cel::ExecutionError::FunctionError { message, .. }) => failed(message),
        Err(_) => failed("no such overload"),
    }
}

fn ident(name: &str) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Ident(name.to_owned()),
    }
}

fn call_expr(name: &str, member: bool, count: usize) -> IdedExpr {
    let mut places = PLACES.iter().take(count).map(|place| ident(place));
    let (target, func_name) = match name.split_once('.') {
        Some((space, function)) => (Some(ident(space)), function),
        None if member => (places.next(), name),
        None => (None, name),
    };
    let call = CallExpr {
        func_name: func_name.to_owned(),
        target: target.map(Box::new),
        args: places.collect(),
    };
    IdedExpr {
        id: 0,
        expr: Expr::Call(call),
    }
}

/// A value for the library; times go as text, which is all that its functions do with them.
fn outward(value: &Val<'_>) -> Option<Value> {
    Some(match value {
        Val::Null => Value::Null,
        Val::Bool(value) => Value::Bool(*value),
        Val::Int(value) => Value::Int(*value),
        Val::Uint(value) => Value::UInt(*value),
        Val::Double(value) => Value::Float(*value),
        Val::String(text) => Value::String(Arc::new(text.to_string())),
        Val::Bytes(bytes) => Value::Bytes(Arc::new(bytes.to_vec())),
        Val::Duration(nanos) => Value::String(Arc::new(show_duration(*nanos))),
        Val::Timestamp(at) => Value::String(Arc::new(at.to_string())),
        Val::Foreign(value) => value.clone(),
        Val::Type(name) => Value::String(Arc::new((*name).to_owned())),
        Val::Optional(_) => return None,
        Val::List(_) | Val::Map(_) | Val::Json(..) => {
            if let Some(items) = value.items() {
                let items: Option<Vec<Value>> = items.ok()?.iter().map(outward).collect();
                Value::List(Arc::new(items?))
            } else {
                let entries = value.entries()?.ok()?;
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| Some((outward_key(key), outward(&value)?)));
                Value::Map(Map {
                    map: Arc::new(entries.collect::<Option<_>>()?),
                })
            }
        }
    })
}

fn outward_key(key: Key) -> cel::objects::Key {
    match key {
        Key::Bool(value) => cel::objects::Key::Bool(value),
        Key::Int(value) => cel::objects::Key::Int(value),
        Key::Uint(value) => cel::objects::Key::Uint(value),
        Key::String(text) => cel::objects::Key::String(Arc::new(text)),
    }
}

fn inward<'a>(value: &Value) -> Option<Val<'a>> {
    Some(match value {
        Value::Null => Val::Null,
        Value::Bool(value) => Val::Bool(*value),
        Value::Int(value) => Val::Int(*value),
        Value::UInt(value) => Val::Uint(*value),
        Value::Float(value) => Val::Double(*value),
        Value::String(text) => Val::text(text.as_str()),
        Value::Bytes(bytes) => Val::Bytes(bytes.as_slice().into()),
        Value::List(list) => Val::list(list.iter().map(inward).collect::<Option<_>>()?),
        Value::Map(map) => {
            let mut entries = BTreeMap::new();
            for (key, value) in map.map.iter() {
                let key = match key {
                    cel::objects::Key::Bool(value) => Key::Bool(*value),
                    cel::objects::Key::Int(value) => Key::Int(*value),
                    cel::objects::Key::Uint(value) => Key::Uint(*value),
                    cel::objects::Key::String(text) => Key::String(text.to_string()),
                };
                entries.insert(key, inward(value)?);
            }
            Val::Map(Rc::new(entries))
        }
        Value::Opaque(opaque) => match opaque.downcast_ref::<OptionalValue>() {
            Some(optional) => Val::Optional(match optional.value() {
                Some(value) => Some(Rc::new(inward(value)?)),
                None => None,
            }),
            None => Val::Foreign(value.clone()),
        },
        _ => return None,
    })
}
