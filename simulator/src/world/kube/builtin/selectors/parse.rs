//! The text form of label selectors: `a=b,c in (d,e),!f`.

use super::{LabelSelector, Operator, Requirement, requirement_problems};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::builtin::formats;

/// Operators as the server lists them when one is missing.
const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// Parses `labelSelector` of a list or watch. The error is a 400 with the server's text.
pub fn parse_label_selector(text: &str) -> Result<LabelSelector, ApiError> {
    let mut parser = Parser {
        tokens: scan(text),
        position: 0,
    };
    let mut requirements = parser.selector().map_err(ApiError::bad_request)?;
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(LabelSelector::of(requirements))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Error,
    End,
    Close,
    Comma,
    Not,
    Equals,
    Greater,
    Less,
    NotEquals,
    Open,
    /// A word; `in` and `notin` are words that also serve as operators.
    Word,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    text: String,
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn symbol(text: &str) -> Option<Kind> {
    Some(match text {
        ")" => Kind::Close,
        "," => Kind::Comma,
        "!" => Kind::Not,
        "==" | "=" => Kind::Equals,
        ">" => Kind::Greater,
        "<" => Kind::Less,
        "!=" => Kind::NotEquals,
        "(" => Kind::Open,
        _ => return None,
    })
}

fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    // A NUL ends the text, as in the server's scanner.
    while let Some(&next) = rest.peek().filter(|c| **c != '\0') {
        if is_space(next) {
            rest.next();
        } else if is_symbol(next) {
            tokens.push(scan_symbol(&mut rest));
        } else {
            let mut text = String::new();
            while let Some(c) = rest.next_if(|c| !is_symbol(*c) && !is_space(*c) && *c != '\0') {
                text.push(c);
            }
            tokens.push(Token { kind: Kind::Word, text });
        }
    }
    tokens.push(Token {
        kind: Kind::End,
        text: String::new(),
    });
    tokens
}

/// The longest operator at this place.
fn scan_symbol(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Token {
    let mut text = String::new();
    let mut kind = None;
    while let Some(&c) = rest.peek().filter(|c| is_symbol(**c)) {
        text.push(c);
        match symbol(&text) {
            Some(found) => kind = Some(found),
            None => {
                text.pop();
                break;
            }
        }
        rest.next();
    }
    Token {
        kind: kind.unwrap_or(Kind::Error),
        text,
    }
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> (Kind, &str) {
        self.tokens
            .get(self.position)
            .map_or((Kind::End, ""), |token| (token.kind, token.text.as_str()))
    }

    fn take(&mut self) -> (Kind, String) {
        let (kind, text) = self.peek();
        let taken = (kind, text.to_owned());
        self.position += 1;
        taken
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                (Kind::Word | Kind::Not, _) => {}
                (Kind::End, _) => return Ok(requirements),
                (_, text) => return Err(format!("found '{text}', expected: !, identifier, or 'end of string'")),
            }
            let requirement = self.requirement();
            requirements.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.take() {
                (Kind::End, _) => return Ok(requirements),
                (Kind::Comma, _) => match self.peek() {
                    (Kind::Word | Kind::Not, _) => {}
                    (_, text) => return Err(format!("found '{text}', expected: identifier after ','")),
                },
                (_, text) => return Err(format!("found '{text}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let absent = token.0 == Kind::Not;
        if absent {
            token = self.take();
        }
        let (kind, key) = token;
        if kind != Kind::Word {
            return Err(format!("found '{key}', expected: identifier"));
        }
        let problems = formats::qualified_name(&key);
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {}", problems.join("; ")));
        }
        let alone = matches!(self.peek().0, Kind::End | Kind::Comma);
        let (operator, values) = match (absent, alone) {
            (true, _) => (Operator::DoesNotExist, Vec::new()),
            (false, true) => (Operator::Exists, Vec::new()),
            (false, false) => self.operator_and_values()?,
        };
        match requirement_problems(&key, operator, &values) {
            Some(why) => Err(why),
            None => Ok(Requirement { key, operator, values }),
        }
    }

    fn operator_and_values(&mut self) -> Result<(Operator, Vec<String>), String> {
        let (kind, text) = self.take();
        let operator = match (kind, text.as_str()) {
            (Kind::Word, "in") | (Kind::Equals, _) => Operator::In,
            (Kind::Word, "notin") | (Kind::NotEquals, _) => Operator::NotIn,
            (Kind::Greater, _) => Operator::Gt,
            (Kind::Less, _) => Operator::Lt,
            _ => return Err(format!("found '{text}', expected: {OPERATORS}")),
        };
        let mut values = if kind == Kind::Word {
            self.listed_values()?
        } else {
            self.exact_value()?
        };
        values.sort();
        values.dedup();
        Ok((operator, values))
    }

    fn exact_value(&mut self) -> Result<Vec<String>, String> {
        if matches!(self.peek().0, Kind::End | Kind::Comma) {
            return Ok(vec![String::new()]);
        }
        match self.take() {
            (Kind::Word, text) => Ok(vec![text]),
            (_, text) => Err(format!("found '{text}', expected: identifier")),
        }
    }

    fn listed_values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            (Kind::Open, _) => {}
            (_, text) => return Err(format!("found '{text}' expected: '('")),
        }
        match self.peek() {
            (Kind::Word | Kind::Comma, _) => self.identifiers(),
            (Kind::Close, _) => {
                self.position += 1;
                Ok(vec![String::new()])
            }
            (_, text) => Err(format!("found '{text}', expected: ',', ')' or identifier")),
        }
    }

    /// `a,b,,c)`: an empty place between commas is the empty value.
    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        loop {
            match self.take() {
                (Kind::Word, text) => {
                    values.push(text);
                    match self.peek() {
                        (Kind::Comma, _) => {}
                        (Kind::Close, _) => break,
                        (_, text) => return Err(format!("found '{text}', expected: ',' or ')'")),
                    }
                }
                (Kind::Comma, _) => {
                    let next = self.peek().0;
                    if values.is_empty() || matches!(next, Kind::Close | Kind::Comma) {
                        values.push(String::new());
                    }
                    if next == Kind::Close {
                        break;
                    }
                }
                (_, text) => return Err(format!("found '{text}', expected: ',', or identifier")),
            }
        }
        self.position += 1;
        Ok(values)
    }
}
