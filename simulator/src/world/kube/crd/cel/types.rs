//! Types of expressions, and declarations of a schema's types with the sizes that the cost model needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::super::formats::Format;
use super::super::structural::{Additional, Kind, Node};

/// Largest request, in bytes (`k8s.io/apiserver/pkg/apis/cel`): what bounds sizes that the schema leaves open.
pub(crate) const MAX_REQUEST_BYTES: u64 = 3 * 1024 * 1024;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// The type of types.
    Meta,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    /// Types of libraries: `kubernetes.Quantity`, `net.IP`, …
    Named(&'static str),
    /// An object with declared fields.
    Object(Decl),
    /// A parameter of a function's signature.
    Param(u8),
}

impl Type {
    pub(crate) fn list(of: Type) -> Self {
        Self::List(Arc::new(of))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    pub(crate) fn optional(of: Type) -> Self {
        Self::Optional(Arc::new(of))
    }

    /// Whether values have size 1 in the cost model.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Self::Bool | Self::Double | Self::Duration | Self::Int | Self::Timestamp | Self::Uint => true,
            Self::Optional(of) => of.is_scalar(),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Param(_) => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Meta => f.write_str("type"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Named(name) => f.write_str(name),
            Self::Object(_) => f.write_str("object"),
        }
    }
}

/// A declared type of a schema.
pub(crate) type Decl = Arc<Declaration>;

/// What a schema says of its values.
#[derive(Debug, Default)]
pub(crate) struct Declaration {
    /// Type without fields; objects are recognised by `is_object`.
    simple: Option<Type>,
    pub(crate) is_object: bool,
    /// Fields by escaped name.
    pub(crate) fields: BTreeMap<String, Decl>,
    /// Items of a list, values of a map.
    pub(crate) elem: Option<Decl>,
    /// Keys of a map.
    pub(crate) key: Option<Decl>,
    /// Most items, entries or bytes.
    pub(crate) max_elements: u64,
    /// Smallest JSON text, in bytes.
    pub(crate) min_size: u64,
}

impl PartialEq for Declaration {
    /// Objects are the same type when they are the same declaration; comparing fields would cost too much.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Declaration {
    fn plain(simple: Type, max_elements: u64, min_size: u64) -> Decl {
        Arc::new(Self {
            simple: Some(simple),
            max_elements,
            min_size,
            ..Self::default()
        })
    }

    /// The type of values.
    pub(crate) fn of(decl: &Decl) -> Type {
        let elem = || decl.elem.as_ref().map_or(Type::Dyn, Self::of);
        match (&decl.simple, decl.is_object, &decl.key) {
            (Some(simple), _, _) => simple.clone(),
            (None, true, _) => Type::Object(decl.clone()),
            (None, false, Some(key)) => Type::map(Self::of(key), elem()),
            (None, false, None) => Type::list(elem()),
        }
    }

    /// Declares a schema; None where its values have no type to speak of. `resource` adds the fields of every object.
    pub(crate) fn new(node: &Node, resource: bool) -> Option<Decl> {
        let limits = &node.limits;
        let limit = |value: Option<i64>| value.map(|value| u64::try_from(value).unwrap_or(0));
        match node.kind {
            Kind::IntOrString => {
                let size = limit(limits.max_length).map_or(MAX_REQUEST_BYTES - 2, |most| most.saturating_mul(4));
                Some(Self::plain(Type::Dyn, size, 1))
            }
            Kind::Array => {
                let elem = Self::new(
                    node.items.as_deref()?,
                    node.items.as_ref().is_some_and(|items| items.embedded),
                )?;
                let most = (MAX_REQUEST_BYTES - 2) / (elem.min_size + 1);
                Some(Arc::new(Self {
                    max_elements: limit(limits.max_items).unwrap_or(most),
                    elem: Some(elem),
                    min_size: 2,
                    ..Self::default()
                }))
            }
            Kind::Object => match &node.additional {
                Additional::Schema(values) => {
                    let elem = Self::new(values, values.embedded)?;
                    let most = (MAX_REQUEST_BYTES - 2) / (elem.min_size + 6);
                    Some(Arc::new(Self {
                        max_elements: limit(limits.max_properties).unwrap_or(most),
                        elem: Some(elem),
                        key: Some(Self::plain(Type::String, 0, 2)),
                        min_size: 2,
                        ..Self::default()
                    }))
                }
                _ => Some(Self::object(node, resource)),
            },
            Kind::String => Some(Self::string(node)),
            Kind::Boolean => Some(Self::plain(Type::Bool, 0, 4)),
            Kind::Number => Some(Self::plain(Type::Double, 0, 1)),
            Kind::Integer => Some(Self::plain(Type::Int, 0, 1)),
            Kind::Any => None,
        }
    }

    fn object(node: &Node, resource: bool) -> Decl {
        let mut fields = BTreeMap::new();
        let mut min_size = 2;
        for (name, child) in &node.properties {
            if resource && super::super::prune::META_FIELDS.contains(&name.as_str()) {
                continue;
            }
            let Some(decl) = Self::new(child, child.embedded) else {
                continue;
            };
            if node.limits.required.contains(name) && child.default.is_none() {
                min_size += u64::try_from(name.len()).unwrap_or(0) + decl.min_size + 4;
            }
            if let Some(name) = escape(name) {
                fields.insert(name, decl);
            }
        }
        if resource {
            let text = || Self::plain(Type::String, MAX_REQUEST_BYTES - 2, 2);
            let names = ["name", "generateName"].map(|name| (name.to_owned(), text()));
            let metadata = Arc::new(Self {
                is_object: true,
                fields: BTreeMap::from(names),
                min_size: 2,
                ..Self::default()
            });
            fields.extend(
                [("kind", text()), ("apiVersion", text()), ("metadata", metadata)].map(|(k, v)| (k.to_owned(), v)),
            );
        }
        Arc::new(Self {
            is_object: true,
            fields,
            min_size,
            ..Self::default()
        })
    }

    fn string(node: &Node) -> Decl {
        let limits = &node.limits;
        let most = limits.max_length.map(|most| u64::try_from(most).unwrap_or(0));
        match &limits.format {
            Format::Text(name, _) if name == "byte" => {
                Self::plain(Type::Bytes, most.unwrap_or(MAX_REQUEST_BYTES - 2), 2)
            }
            Format::Text(name, _) if name == "duration" => Self::plain(Type::Duration, 32, 3),
            Format::Text(name, _) if name == "date" => Self::plain(Type::Timestamp, 12, 12),
            Format::Text(name, _) if name == "date-time" => Self::plain(Type::Timestamp, 32, 21),
            _ => {
                let texts = limits.enumeration.iter().filter_map(|value| value.as_str());
                let longest = texts.map(|text| u64::try_from(text.len()).unwrap_or(u64::MAX)).max();
                let open = if limits.enumeration.is_empty() {
                    MAX_REQUEST_BYTES - 2
                } else {
                    longest.unwrap_or(0)
                };
                Self::plain(Type::String, most.map_or(open, |most| most.saturating_mul(4)), 2)
            }
        }
    }
}

/// Words that field names must not be.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The identifier of a field; None where its name cannot be one.
pub(crate) fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '_' if chars.peek() == Some(&'_') => {
                chars.next();
                out.push_str("__underscores__");
            }
            '.' => out.push_str("__dot__"),
            '-' => out.push_str("__dash__"),
            '/' => out.push_str("__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => out.push(c),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let cases = [
            ("a", Some("a")),
            ("a-b", Some("a__dash__b")),
            ("a__b", Some("a__underscores__b")),
            ("namespace", Some("__namespace__")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("1a", None),
            ("a b", None),
        ];
        for (name, want) in cases {
            assert_eq!(escape(name).as_deref(), want);
        }
    }
}
