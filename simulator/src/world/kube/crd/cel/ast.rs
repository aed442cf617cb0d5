//! The tree of an expression. Macros stay what they are: they are checked, priced and run as loops, never expanded.

/// Deepest nesting of an expression: bounds the stack of everything that walks one.
pub(crate) const MAX_DEPTH: usize = 120;
/// Longest source text, in bytes. The real server allows 100,000 code points and refuses far less by cost.
pub(crate) const MAX_SOURCE_BYTES: usize = 100_000;

/// One expression with its number (unique in the tree) and where it starts, in characters.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) id: usize,
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    Ident(String),
    /// `operand.field`
    Select {
        operand: Box<Expr>,
        field: String,
    },
    /// `has(operand.field)`
    Has {
        operand: Box<Expr>,
        field: String,
    },
    /// `operand.?field`
    OptionalSelect {
        operand: Box<Expr>,
        field: String,
    },
    /// A function, method or operator (`_+_`).
    Call {
        target: Option<Box<Expr>>,
        name: String,
        args: Vec<Expr>,
    },
    /// `a && b && …`
    And(Vec<Expr>),
    /// `a || b || …`
    Or(Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Fold(Box<Fold>),
    /// `target.optMap(var, body)`, `optFlatMap`
    OptionalMap {
        target: Box<Expr>,
        var: String,
        body: Box<Expr>,
        flat: bool,
    },
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

/// Which loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    TransformList,
    TransformMap,
    SortBy,
}

/// A macro that loops.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) kind: FoldKind,
    pub(crate) range: Expr,
    pub(crate) var: String,
    /// The value, where `var` is the index or key.
    pub(crate) var2: Option<String>,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Expr,
}

impl Expr {
    /// The expressions directly below.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) => Vec::new(),
            Kind::Select { operand, .. } | Kind::Has { operand, .. } | Kind::OptionalSelect { operand, .. } => {
                vec![operand]
            }
            Kind::Call { target, args, .. } => target.as_deref().into_iter().chain(args).collect(),
            Kind::And(list) | Kind::Or(list) | Kind::List(list) => list.iter().collect(),
            Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Kind::Fold(fold) => {
                let filter = fold.filter.as_ref().into_iter();
                [&fold.range].into_iter().chain(filter).chain([&fold.body]).collect()
            }
            Kind::OptionalMap { target, body, .. } => vec![target, body],
        }
    }

    /// Whether the variable is read anywhere (a loop variable of that name hides it only in theory: rules do not do that).
    pub(crate) fn reads(&self, name: &str) -> bool {
        let mut waiting = vec![self];
        while let Some(expr) = waiting.pop() {
            if matches!(&expr.kind, Kind::Ident(ident) if ident == name) {
                return true;
            }
            waiting.extend(expr.children());
        }
        false
    }
}
