//! Sets of fields as tries, in and out of FieldsV1.
//!
//! Knows the notation (`f:NAME`, `k:{KEYS}`, `v:VALUE`, `i:INDEX`, `.`); must not know objects or managers. Names are
//! borrowed from the object or from the stored entry, so that building a set allocates little more than its nodes.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

/// One step of a path. The order is the order in which the real server lists fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elem<'a> {
    /// A field or a map key, by name.
    Field(Cow<'a, str>),
    /// An item of a list map: its keys as compact JSON, sorted by name.
    Key(Cow<'a, str>),
    /// An item of a set, as compact JSON.
    Item(Cow<'a, str>),
    /// An item of a list, by index.
    Index(Cow<'a, str>),
}

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set<'a> {
    /// Sorted by element, each once; no node without a member in or below it.
    nodes: Vec<Node<'a>>,
}

/// A step that is in the set, or leads to some that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) elem: Elem<'a>,
    pub(crate) member: bool,
    pub(crate) children: Set<'a>,
}

/// FieldsV1 nested deeper than this is refused: no object can be that deep.
const MAX_DEPTH: u32 = 256;

impl<'a> Elem<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(Cow::Borrowed(rest))),
            "k" => Some(Self::Key(canonical_json(rest)?)),
            "v" => Some(Self::Item(canonical_json(rest)?)),
            "i" => rest.parse::<i64>().ok().map(|_| Self::Index(Cow::Borrowed(rest))),
            _ => None,
        }
    }

    /// The kind's prefix and the text behind it.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Field(name) => ("f:", name),
            Self::Key(keys) => ("k:", keys),
            Self::Item(value) => ("v:", value),
            Self::Index(index) => ("i:", index),
        }
    }

    /// As FieldsV1 write it.
    pub(crate) fn text(&self) -> String {
        let (kind, rest) = self.parts();
        let mut out = String::with_capacity(rest.len() + 2);
        out.push_str(kind);
        out.push_str(rest);
        out
    }

    /// As conflicts show it: `.name`, `[name="a",port=80]`, `[="x"]`, `[0]`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Field(name) => format!(".{name}"),
            Self::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let pairs: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", pairs.join(","))
            }
            Self::Item(value) => format!("[={value}]"),
            Self::Index(index) => format!("[{index}]"),
        }
    }

    pub(crate) fn into_owned(self) -> Elem<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Field(text) => Elem::Field(own(text)),
            Self::Key(text) => Elem::Key(own(text)),
            Self::Item(text) => Elem::Item(own(text)),
            Self::Index(text) => Elem::Index(own(text)),
        }
    }
}

/// The one text for a JSON value; borrowed when the given text is it.
fn canonical_json(text: &str) -> Option<Cow<'_, str>> {
    if is_plain_json(text) {
        return Some(Cow::Borrowed(text));
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let canonical = value.to_string();
    Some(if canonical == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(canonical)
    })
}

/// Whether the text is plainly canonical: a scalar, or an object of scalars with its keys in order, without anything
/// that could be written in two ways. Nearly every stored key is; the rest takes the detour through a parser.
fn is_plain_json(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return plain_scalar(text).is_some_and(str::is_empty);
    };
    let mut rest = inner;
    let mut last = "";
    loop {
        let Some((key, after)) = plain_string(rest) else {
            return false;
        };
        let value = after.strip_prefix(':').and_then(plain_scalar);
        let Some(after) = value.filter(|_| key > last) else {
            return false;
        };
        if after.is_empty() {
            return true;
        }
        let Some(next) = after.strip_prefix(',') else {
            return false;
        };
        (last, rest) = (key, next);
    }
}

/// A string without escapes at the start of the text, and what follows it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.strip_prefix('"')?.split_once('"')?;
    inner
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'\\')
        .then_some((inner, after))
}

/// What follows the string, integer or boolean at the start of the text.
fn plain_scalar(text: &str) -> Option<&str> {
    if text.starts_with('"') {
        return plain_string(text).map(|(_, after)| after);
    }
    if let Some(after) = text.strip_prefix("true").or_else(|| text.strip_prefix("false")) {
        return Some(after);
    }
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - after.len();
    (digits == 1 || (2..=15).contains(&digits) && !text.starts_with('0')).then_some(after)
}

impl<'a> Set<'a> {
    /// Takes nodes in any order; the same element given twice counts once.
    pub(crate) fn from_nodes(mut nodes: Vec<Node<'a>>) -> Self {
        nodes.retain(|node| node.member || !node.children.is_empty());
        if nodes.windows(2).all(|pair| matches!(pair, [a, b] if a.elem < b.elem)) {
            return Self { nodes };
        }
        nodes.sort_by(|a, b| a.elem.cmp(&b.elem));
        let mut out: Vec<Node<'a>> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match out.last_mut() {
                Some(last) if last.elem == node.elem => {
                    last.member |= node.member;
                    last.children = std::mem::take(&mut last.children).union(node.children);
                }
                _ => out.push(node),
            }
        }
        Self { nodes: out }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    pub(crate) fn get(&self, elem: &Elem<'_>) -> Option<&Node<'a>> {
        let at = self.nodes.binary_search_by(|node| node.elem.cmp(elem)).ok()?;
        self.nodes.get(at)
    }

    /// Reads FieldsV1. Steps of unknown kinds are passed over, as the real server does; None when it is no FieldsV1.
    pub(crate) fn parse(fields: &'a Value) -> Option<Self> {
        Self::parse_at(fields, 0).map(|(_, set)| set)
    }

    fn parse_at(fields: &'a Value, depth: u32) -> Option<(bool, Self)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let object = fields.as_object()?;
        let mut member = false;
        let mut nodes = Vec::with_capacity(object.len());
        for (name, inner) in object {
            if name == "." {
                member = true;
                continue;
            }
            let known = matches!(name.as_bytes(), [b'f' | b'k' | b'v' | b'i', b':', ..]);
            if !known {
                if !name.contains(':') {
                    return None;
                }
                continue;
            }
            let (inner_member, children) = Self::parse_at(inner, depth + 1)?;
            nodes.push(Node {
                elem: Elem::parse(name)?,
                member: inner_member || children.is_empty(),
                children,
            });
        }
        Some((member, Self::from_nodes(nodes)))
    }

    /// Writes FieldsV1.
    pub(crate) fn to_fields(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    /// Writes FieldsV1; with the mark for the value itself where it is a member too.
    pub(crate) fn to_map(&self, with_self: bool) -> Map<String, Value> {
        let mut out = Map::new();
        if with_self && !self.is_empty() {
            out.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for node in &self.nodes {
            let inner = node.children.to_map(node.member);
            out.insert(node.elem.text(), Value::Object(inner));
        }
        out
    }

    /// Both sets in one.
    pub(crate) fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut nodes = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let (mut left, mut right) = (self.nodes.into_iter().peekable(), other.nodes.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Self { nodes },
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.elem.cmp(&b.elem),
            };
            let one = if order.is_le() { left.next() } else { None };
            let two = if order.is_ge() { right.next() } else { None };
            match (one, two) {
                (Some(one), Some(two)) => nodes.push(Node {
                    elem: one.elem,
                    member: one.member || two.member,
                    children: one.children.union(two.children),
                }),
                (one, two) => nodes.extend(one.or(two)),
            }
        }
    }

    pub(crate) fn intersection(&self, other: &Set<'_>) -> Self {
        let mut nodes = Vec::new();
        zip(&self.nodes, &other.nodes, |a, b| {
            if let (Some(a), Some(b)) = (a, b) {
                let children = a.children.intersection(&b.children);
                push(&mut nodes, a, a.member && b.member, children);
            }
        });
        Self { nodes }
    }

    /// The members of this set that are no members of the other.
    pub(crate) fn difference(mut self, other: &Set<'_>) -> Self {
        self.subtract(other, false);
        self
    }

    /// As `difference`, but a member of the other takes away everything below it too.
    pub(crate) fn recursive_difference(mut self, other: &Set<'_>) -> Self {
        self.subtract(other, true);
        self
    }

    fn subtract(&mut self, other: &Set<'_>, recursive: bool) {
        let mut emptied = false;
        for taken in &other.nodes {
            let Ok(at) = self.nodes.binary_search_by(|node| node.elem.cmp(&taken.elem)) else {
                continue;
            };
            let Some(node) = self.nodes.get_mut(at) else { continue };
            if taken.member {
                node.member = false;
                if recursive {
                    node.children = Set::default();
                }
            }
            node.children.subtract(&taken.children, recursive);
            emptied |= !node.member && node.children.is_empty();
        }
        if emptied {
            self.nodes.retain(|node| node.member || !node.children.is_empty());
        }
    }

    /// Whether the two have a member in common.
    pub(crate) fn meets(&self, other: &Set<'_>) -> bool {
        let mut met = false;
        zip(&self.nodes, &other.nodes, |a, b| {
            if let (Some(a), Some(b)) = (a, b) {
                met = met || a.member && b.member || a.children.meets(&b.children);
            }
        });
        met
    }

    /// Whether the set is the one that the FieldsV1 tell, without reading them into a set. May say no when they tell
    /// the same in another notation.
    pub(crate) fn is_written_as(&self, fields: &Value) -> bool {
        self.matches(fields, false)
    }

    fn matches(&self, fields: &Value, with_self: bool) -> bool {
        let Some(object) = fields.as_object() else { return false };
        let dotted = with_self && !self.is_empty();
        if object.len() != self.nodes.len() + usize::from(dotted) || object.contains_key(".") != dotted {
            return false;
        }
        let stored = object.iter().filter(|(name, _)| *name != ".");
        stored.zip(&self.nodes).all(|((name, inner), node)| {
            let (kind, text) = node.elem.parts();
            name.strip_prefix(kind) == Some(text) && node.children.matches(inner, node.member)
        })
    }

    /// Whether every member of this set is a member of the other.
    pub(crate) fn is_within(&self, other: &Set<'_>) -> bool {
        self.nodes.iter().all(|node| {
            let found = other.get(&node.elem);
            found.is_some_and(|there| (!node.member || there.member) && node.children.is_within(&there.children))
        })
    }

    /// The same set, owning its names.
    pub(crate) fn into_owned(self) -> Set<'static> {
        let nodes = self.nodes.into_iter().map(|node| Node {
            elem: node.elem.into_owned(),
            member: node.member,
            children: node.children.into_owned(),
        });
        Set { nodes: nodes.collect() }
    }

    /// Paths of all members: those on a level before those below it.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect_paths("", &mut out);
        out
    }

    fn collect_paths(&self, prefix: &str, out: &mut Vec<String>) {
        out.extend(
            self.nodes
                .iter()
                .filter(|n| n.member)
                .map(|n| format!("{prefix}{}", n.elem.shown())),
        );
        for node in self.nodes.iter().filter(|node| !node.children.is_empty()) {
            node.children
                .collect_paths(&format!("{prefix}{}", node.elem.shown()), out);
        }
    }
}

fn push<'a>(nodes: &mut Vec<Node<'a>>, from: &Node<'a>, member: bool, children: Set<'a>) {
    if member || !children.is_empty() {
        nodes.push(Node {
            elem: from.elem.clone(),
            member,
            children,
        });
    }
}

/// Walks two sorted lists side by side.
fn zip<'l, 'r, 'a, 'b>(
    left: &'l [Node<'a>],
    right: &'r [Node<'b>],
    mut visit: impl FnMut(Option<&'l Node<'a>>, Option<&'r Node<'b>>),
) {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.elem.cmp(&b.elem),
        };
        match order {
            Ordering::Less => visit(left.next(), None),
            Ordering::Greater => visit(None, right.next()),
            Ordering::Equal => visit(left.next(), right.next()),
        }
    }
}
