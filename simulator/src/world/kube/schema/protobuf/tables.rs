//! How structs lie in protobuf, read once from `messages.txt`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One struct.
#[derive(Debug, Default)]
pub(super) struct Struct {
    fields: BTreeMap<u64, Field>,
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Whether its fields lie in the struct that holds it.
    pub(super) is_inline: bool,
}

/// Type of a field.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Integer,
    Truth,
    Float,
    Bytes,
    Struct(String),
    List(Box<Shape>),
    Map(Box<Shape>),
}

impl Struct {
    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        self.fields.get(&number)
    }
}

/// A struct by its name in the table, e.g. `core.v1.Pod`.
pub(super) fn named(name: &str) -> Option<&'static Struct> {
    static TABLE: OnceLock<BTreeMap<String, Struct>> = OnceLock::new();
    TABLE
        .get_or_init(|| include_str!("messages.txt").lines().filter_map(parse_line).collect())
        .get(name)
}

/// The struct of a kind. Options may come in any group's version.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Struct> {
    if kind.ends_with("Options") {
        return named(&format!("meta.v1.{kind}"));
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
    let group = match group {
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    };
    named(&format!("{group}.{version}.{kind}"))
}

fn parse_line(line: &str) -> Option<(String, Struct)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let fields = words.filter_map(|word| {
        let mut parts = word.splitn(3, ':');
        let (number, name, shape) = (parts.next()?, parts.next()?, parts.next()?);
        let is_inline = shape.starts_with('<');
        let shape = parse_shape(shape.trim_start_matches('<'))?;
        Some((
            number.parse().ok()?,
            Field {
                name: name.to_owned(),
                shape,
                is_inline,
            },
        ))
    });
    Some((
        name.to_owned(),
        Struct {
            fields: fields.collect(),
        },
    ))
}

fn parse_shape(text: &str) -> Option<Shape> {
    Some(match text {
        "s" => Shape::Text,
        "i" => Shape::Integer,
        "b" => Shape::Truth,
        "f" => Shape::Float,
        "y" => Shape::Bytes,
        _ => {
            let (head, rest) = text.split_at_checked(1)?;
            match head {
                "@" => Shape::Struct(rest.to_owned()),
                "[" => Shape::List(Box::new(parse_shape(rest)?)),
                "{" => Shape::Map(Box::new(parse_shape(rest)?)),
                _ => return None,
            }
        }
    })
}
