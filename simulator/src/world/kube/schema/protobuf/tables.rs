//! How structs lie in protobuf, read once from `messages.txt`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::special::Special;

/// API groups whose name is not the name of their Go package.
const GROUPS: &[(&str, &str)] = &[
    ("", "core"),
    ("admissionregistration.k8s.io", "admissionregistration"),
    ("apiextensions.k8s.io", "apiextensions"),
    ("apiregistration.k8s.io", "apiregistration"),
    ("authentication.k8s.io", "authentication"),
    ("authorization.k8s.io", "authorization"),
    ("certificates.k8s.io", "certificates"),
    ("coordination.k8s.io", "coordination"),
    ("discovery.k8s.io", "discovery"),
    ("events.k8s.io", "events"),
    ("flowcontrol.apiserver.k8s.io", "flowcontrol"),
    ("networking.k8s.io", "networking"),
    ("node.k8s.io", "node"),
    ("rbac.authorization.k8s.io", "rbac"),
    ("resource.k8s.io", "resource"),
    ("scheduling.k8s.io", "scheduling"),
    ("storage.k8s.io", "storage"),
];
/// API groups that are named as their Go package.
const PLAIN_GROUPS: &[&str] = &["apps", "autoscaling", "batch", "policy"];

/// One struct.
#[derive(Debug, Default)]
pub(super) struct Struct {
    fields: BTreeMap<u64, Field>,
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    /// In JSON; empty for a struct whose fields lie in the parent.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// Type of a field.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Integer,
    Truth,
    Float,
    Bytes,
    Struct(StructId),
    /// A struct whose fields lie in the struct that holds it.
    Inline(StructId),
    Special(Special),
    List(Box<Shape>),
    Map(Box<Shape>),
}

/// Place of a struct in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct StructId(usize);

impl Struct {
    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        self.fields.get(&number)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }
}

impl StructId {
    pub(super) fn get(self) -> Option<&'static Struct> {
        table().structs.get(self.0)
    }
}

struct Table {
    structs: Vec<Struct>,
    names: BTreeMap<&'static str, StructId>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = || include_str!("messages.txt").lines();
        let names = lines().filter_map(|line| line.split(' ').next()).enumerate();
        let names = names.map(|(at, name)| (name, StructId(at))).collect();
        let structs = lines().map(|line| parse_line(line, &names)).collect();
        Table { structs, names }
    })
}

/// A struct by its name in the table, e.g. `core.v1.Pod`.
pub(super) fn named(name: &str) -> Option<&'static Struct> {
    table().names.get(name)?.get()
}

/// The struct of a kind. Options may come in any group's version.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Struct> {
    if kind.ends_with("Options") {
        return named(&format!("meta.v1.{kind}"));
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let known = GROUPS.iter().find(|(name, _)| *name == group);
    let package = match known {
        Some((_, package)) => package,
        None => PLAIN_GROUPS.iter().find(|name| **name == group)?,
    };
    named(&format!("{package}.{version}.{kind}"))
}

fn parse_line(line: &'static str, names: &BTreeMap<&'static str, StructId>) -> Struct {
    let fields = line.split(' ').skip(1).filter_map(|word| {
        let mut parts = word.splitn(3, ':');
        let (number, name, shape) = (parts.next()?, parts.next()?, parts.next()?);
        let shape = parse_shape(shape, names)?;
        Some((number.parse().ok()?, Field { name, shape }))
    });
    Struct {
        fields: fields.collect(),
    }
}

fn parse_shape(text: &str, names: &BTreeMap<&'static str, StructId>) -> Option<Shape> {
    Some(match text {
        "s" => Shape::Text,
        "i" => Shape::Integer,
        "b" => Shape::Truth,
        "f" => Shape::Float,
        "y" => Shape::Bytes,
        _ => match text.split_at_checked(1)? {
            ("@", name) => match names.get(name) {
                Some(id) => Shape::Struct(*id),
                None => Shape::Special(Special::named(name)?),
            },
            ("<", rest) => Shape::Inline(*names.get(rest.strip_prefix('@')?)?),
            ("[", rest) => Shape::List(Box::new(parse_shape(rest, names)?)),
            ("{", rest) => Shape::Map(Box::new(parse_shape(rest, names)?)),
            _ => return None,
        },
    })
}
