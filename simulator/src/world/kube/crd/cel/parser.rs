//! Tokens to a tree, by precedence; macros are recognised here.

use super::ast::{Expr, Fold, FoldKind, Kind, Literal, MAX_DEPTH, MAX_SOURCE_BYTES};
use super::lexer::{Token, TokenKind, tokens};

/// Words that are no identifiers.
const RESERVED: [&str; 21] = [
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
    "in",
    "true",
    "false",
    "null",
];

/// What the parser of the real server expects where an operand is missing.
const OPERANDS: &str =
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// Where and what is wrong; the place is in characters.
pub(crate) type Problem = (usize, String);

/// Parses a source text; also gives how many expressions the tree has.
pub(crate) fn parse(source: &str) -> Result<(Expr, usize), Problem> {
    if source.len() > MAX_SOURCE_BYTES {
        let size = source.chars().count();
        return Err((
            0,
            format!("expression code point size exceeds limit: size: {size}, limit {MAX_SOURCE_BYTES}"),
        ));
    }
    let tokens = tokens(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        next_id: 0,
        depth: 0,
    };
    let expr = parser.conditional()?;
    if parser.peek().kind != TokenKind::End {
        return Err(parser.unexpected("<EOF>"));
    }
    if height(&expr) > MAX_DEPTH {
        return Err((0, format!("expression recursion limit exceeded: {MAX_DEPTH}")));
    }
    Ok((expr, parser.next_id))
}

/// The depth of the tree, without recursion.
fn height(expr: &Expr) -> usize {
    let mut deepest = 0;
    let mut waiting = vec![(expr, 1)];
    while let Some((expr, level)) = waiting.pop() {
        deepest = deepest.max(level);
        waiting.extend(expr.children().into_iter().map(|child| (child, level + 1)));
    }
    deepest
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    next_id: usize,
    depth: usize,
}

static END: Token = Token {
    at: 0,
    kind: TokenKind::End,
    text: String::new(),
};

type Parsed = Result<Expr, Problem>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(&END)
    }

    fn is(&self, symbol: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Symbol && token.text == symbol
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{symbol}'")))
    }

    fn unexpected(&self, wanted: &str) -> Problem {
        let token = self.peek();
        let text = if token.kind == TokenKind::End {
            "<EOF>"
        } else {
            token.text.as_str()
        };
        // One token too many, if the next one would do.
        let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
        let extra = matches!(
            (wanted, next),
            ("<EOF>", Some(TokenKind::End)) | (OPERANDS, Some(TokenKind::Literal(_) | TokenKind::Ident))
        );
        let what = if extra { "extraneous" } else { "mismatched" };
        (
            token.at,
            format!("Syntax error: {what} input '{text}' expecting {wanted}"),
        )
    }

    fn node(&mut self, at: usize, kind: Kind) -> Expr {
        self.next_id += 1;
        Expr {
            id: self.next_id - 1,
            at,
            kind,
        }
    }

    fn call(&mut self, at: usize, name: &str, args: Vec<Expr>) -> Expr {
        let name = name.to_owned();
        self.node(
            at,
            Kind::Call {
                target: None,
                name,
                args,
            },
        )
    }

    /// Guards every way of nesting one expression in another.
    fn nested(&mut self, parse: fn(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((
                self.peek().at,
                format!("expression recursion limit exceeded: {MAX_DEPTH}"),
            ));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn conditional(&mut self) -> Parsed {
        let condition = self.or()?;
        let at = self.peek().at;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.nested(Self::or)?;
        self.expect(":")?;
        let no = self.nested(Self::conditional)?;
        Ok(self.call(at, "_?_:_", vec![condition, yes, no]))
    }

    fn or(&mut self) -> Parsed {
        self.logic("||", Self::and, Kind::Or)
    }

    fn and(&mut self) -> Parsed {
        self.logic("&&", |parser| parser.binary(0), Kind::And)
    }

    fn logic(&mut self, symbol: &str, operand: fn(&mut Self) -> Parsed, kind: fn(Vec<Expr>) -> Kind) -> Parsed {
        let first = operand(self)?;
        let at = self.peek().at;
        let mut terms = vec![first];
        while self.take(symbol) {
            terms.push(operand(self)?);
        }
        match terms.len() {
            1 => terms.pop().ok_or_else(|| self.unexpected(OPERANDS)),
            _ => Ok(self.node(at, kind(terms))),
        }
    }

    /// Relations, sums and products, from the loosest (0) to the tightest (2).
    fn binary(&mut self, level: usize) -> Parsed {
        const LEVELS: [&[&str]; 3] = [&["<", "<=", ">=", ">", "==", "!=", "in"], &["+", "-"], &["*", "/", "%"]];
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            let token = self.peek();
            let known =
                matches!(token.kind, TokenKind::Symbol | TokenKind::Ident) && operators.contains(&token.text.as_str());
            if !known {
                return Ok(left);
            }
            let (at, text) = (token.at, token.text.clone());
            self.at += 1;
            let right = self.binary(level + 1)?;
            let name = if text == "in" {
                "@in".to_owned()
            } else {
                format!("_{text}_")
            };
            left = self.call(at, &name, vec![left, right]);
        }
    }

    fn unary(&mut self) -> Parsed {
        let at = self.peek().at;
        if self.take("!") {
            let operand = self.nested(Self::unary)?;
            return Ok(self.call(at, "!_", vec![operand]));
        }
        if self.take("-") {
            let number = self.peek().kind.clone();
            let negative = match number {
                TokenKind::Literal(Literal::Int(value)) => Some(Literal::Int(value.wrapping_neg())),
                TokenKind::Literal(Literal::Double(value)) => Some(Literal::Double(-value)),
                _ => None,
            };
            if let Some(literal) = negative {
                self.at += 1;
                let literal = self.node(at, Kind::Literal(literal));
                return self.members(literal);
            }
            let operand = self.nested(Self::unary)?;
            return Ok(self.call(at, "-_", vec![operand]));
        }
        let first = self.primary()?;
        self.members(first)
    }

    fn members(&mut self, mut operand: Expr) -> Parsed {
        loop {
            let at = self.peek().at;
            if self.take(".") {
                let field = self.name()?;
                if self.take("(") {
                    let args = self.list(")")?;
                    operand = self.method(at, operand, field, args)?;
                } else {
                    let operand_box = Box::new(operand);
                    operand = self.node(
                        at,
                        Kind::Select {
                            operand: operand_box,
                            field,
                        },
                    );
                }
            } else if self.take(".?") {
                let field = self.name()?;
                let operand_box = Box::new(operand);
                operand = self.node(
                    at,
                    Kind::OptionalSelect {
                        operand: operand_box,
                        field,
                    },
                );
            } else if self.is("[") || self.is("[?") {
                let optional = self.is("[?");
                self.at += 1;
                let index = self.nested(Self::conditional)?;
                self.expect("]")?;
                let name = if optional { "_[?_]" } else { "_[_]" };
                operand = self.call(at, name, vec![operand, index]);
            } else if self.is("{") && is_type_name(&operand) {
                self.at += 1;
                return Err((at, "Syntax error: message literals are not supported".into()));
            } else {
                return Ok(operand);
            }
        }
    }

    fn name(&mut self) -> Result<String, Problem> {
        let token = self.peek();
        let reserved = matches!(token.text.as_str(), "in" | "true" | "false" | "null");
        if token.kind != TokenKind::Ident || reserved {
            return Err(self.unexpected("IDENTIFIER"));
        }
        let name = token.text.clone();
        self.at += 1;
        Ok(name)
    }

    /// Expressions up to the closing symbol.
    fn list(&mut self, close: &str) -> Result<Vec<Expr>, Problem> {
        let mut out = Vec::new();
        while !self.take(close) {
            if !out.is_empty() {
                self.expect(",")?;
                if close != ")" && self.take(close) {
                    break;
                }
            }
            out.push(self.nested(Self::conditional)?);
        }
        Ok(out)
    }

    fn primary(&mut self) -> Parsed {
        let token = self.peek().clone();
        let at = token.at;
        match token.kind {
            TokenKind::Literal(literal) => {
                self.at += 1;
                if literal == Literal::Int(i64::MIN) {
                    return Err((at, "Syntax error: invalid int literal".into()));
                }
                Ok(self.node(at, Kind::Literal(literal)))
            }
            TokenKind::Ident => self.word(&token),
            TokenKind::Symbol => match token.text.as_str() {
                "(" => {
                    self.at += 1;
                    let inner = self.nested(Self::conditional)?;
                    self.expect(")")?;
                    Ok(inner)
                }
                "[" => {
                    self.at += 1;
                    let items = self.list("]")?;
                    Ok(self.node(at, Kind::List(items)))
                }
                "{" => self.map(at),
                "." => {
                    self.at += 1;
                    self.primary()
                }
                _ => Err(self.unexpected(OPERANDS)),
            },
            TokenKind::End => Err(self.unexpected(OPERANDS)),
        }
    }

    fn map(&mut self, at: usize) -> Parsed {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let key = self.nested(Self::conditional)?;
            self.expect(":")?;
            let value = self.nested(Self::conditional)?;
            entries.push((key, value));
        }
        Ok(self.node(at, Kind::Map(entries)))
    }

    fn word(&mut self, token: &Token) -> Parsed {
        let at = token.at;
        self.at += 1;
        let literal = match token.text.as_str() {
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            "null" => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            return Ok(self.node(at, Kind::Literal(literal)));
        }
        if token.text == "in" {
            self.at -= 1;
            return Err(self.unexpected(OPERANDS));
        }
        if RESERVED.contains(&token.text.as_str()) {
            return Err((at, format!("reserved identifier: {}", token.text)));
        }
        let open = self.peek().at;
        if !self.take("(") {
            return Ok(self.node(at, Kind::Ident(token.text.clone())));
        }
        let mut args = self.list(")")?;
        if token.text == "has" && args.len() == 1 {
            return match args.pop() {
                Some(Expr {
                    kind: Kind::Select { operand, field },
                    ..
                }) => Ok(self.node(open, Kind::Has { operand, field })),
                other => {
                    let at = other.map_or(open, |arg| arg.at);
                    Err((at, "invalid argument to has() macro".into()))
                }
            };
        }
        Ok(self.call(open, &token.text, args))
    }

    /// A method, or a macro on a target.
    fn method(&mut self, at: usize, target: Expr, name: String, args: Vec<Expr>) -> Parsed {
        let at = at + 1 + name.chars().count();
        let two = args.get(1).is_some_and(|arg| matches!(arg.kind, Kind::Ident(_)));
        let (kind, vars, filtered) = match (name.as_str(), args.len()) {
            ("all", 2) => (FoldKind::All, 1, false),
            ("exists", 2) => (FoldKind::Exists, 1, false),
            ("exists_one" | "existsOne", 2) => (FoldKind::ExistsOne, 1, false),
            ("filter", 2) => (FoldKind::Filter, 1, false),
            ("map", 2) => (FoldKind::Map, 1, false),
            ("map", 3) => (FoldKind::Map, 1, true),
            ("sortBy", 2) => (FoldKind::SortBy, 1, false),
            ("all", 3) if two => (FoldKind::All, 2, false),
            ("exists", 3) if two => (FoldKind::Exists, 2, false),
            ("existsOne", 3) if two => (FoldKind::ExistsOne, 2, false),
            ("transformList", 3) => (FoldKind::TransformList, 2, false),
            ("transformList", 4) => (FoldKind::TransformList, 2, true),
            ("transformMap", 3) => (FoldKind::TransformMap, 2, false),
            ("transformMap", 4) => (FoldKind::TransformMap, 2, true),
            ("optMap" | "optFlatMap", 2) => return self.optional_map(at, target, &name, args),
            _ => {
                let target = Some(Box::new(target));
                return Ok(self.node(at, Kind::Call { target, name, args }));
            }
        };
        let mut rest = args.into_iter();
        let mut names = Vec::new();
        for arg in rest.by_ref().take(vars) {
            let Kind::Ident(name) = arg.kind else {
                return Err((arg.at, "argument is not an identifier".into()));
            };
            names.push(name);
        }
        let mut names = names.into_iter();
        let filter = if filtered { rest.next() } else { None };
        let missing = (at, "argument is not an identifier".to_owned());
        let (Some(var), Some(body)) = (names.next(), rest.next()) else {
            return Err(missing);
        };
        let fold = Fold {
            kind,
            range: target,
            var,
            var2: names.next(),
            filter,
            body,
        };
        Ok(self.node(at, Kind::Fold(Box::new(fold))))
    }

    fn optional_map(&mut self, at: usize, target: Expr, name: &str, args: Vec<Expr>) -> Parsed {
        let mut args = args.into_iter();
        let (Some(var), Some(body)) = (args.next(), args.next()) else {
            return Err(self.unexpected(OPERANDS));
        };
        let Kind::Ident(ident) = var.kind else {
            return Err((var.at, format!("{name}() variable name must be a simple identifier")));
        };
        let kind = Kind::OptionalMap {
            target: Box::new(target),
            var: ident,
            body: Box::new(body),
            flat: name == "optFlatMap",
        };
        Ok(self.node(at, kind))
    }
}

fn is_type_name(expr: &Expr) -> bool {
    matches!(expr.kind, Kind::Ident(_) | Kind::Select { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_parse_or_say_where() {
        for good in [
            "self.a.all(x, x > 1 && x < -2 || !has(x.y))",
            "a ? b : c ? d : e",
            "{'a': 1, 'b': [1, 2,],}",
            "r'\\d' + \"\\u00e9\" + b'x' != ''",
            "self.?a.orValue(0) == self['b'] && x in [1]",
            "size(self) // comment",
            "-9223372036854775808 < 0x10 && 1u + 2u == 3u && 1.5e3 > .5",
        ] {
            parse(good).unwrap();
        }
        let deep = "(".repeat(500);
        let long = format!("1{}", "+1".repeat(500));
        let nots = "!".repeat(500);
        for (bad, at, text) in [
            ("a >", 3, "Syntax error: mismatched input '<EOF>' expecting {'[', "),
            ("a b", 2, "Syntax error: extraneous input 'b' expecting <EOF>"),
            ("'a", 0, "Syntax error: token recognition error at: ''a'"),
            ("has(a)", 4, "invalid argument to has() macro"),
            ("a.all(1, x)", 6, "argument is not an identifier"),
            ("namespace == 1", 0, "reserved identifier: namespace"),
            (deep.as_str(), 120, "expression recursion limit exceeded"),
            (nots.as_str(), 120, "expression recursion limit exceeded"),
            (long.as_str(), 0, "expression recursion limit exceeded"),
        ] {
            let (place, message) = parse(bad).unwrap_err();
            assert!(message.starts_with(text), "{message}");
            assert!(place == at || at == 120, "{bad}: {place}");
        }
    }
}
