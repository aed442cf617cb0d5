//! Characters to tokens.

use super::ast::Literal;

/// One token with where it starts, in characters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: usize,
    pub(crate) kind: TokenKind,
    /// As written.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Literal(Literal),
    Ident,
    Symbol,
    End,
}

/// Two-character symbols before their one-character beginnings.
const SYMBOLS: [&str; 27] = [
    "==", "!=", "<=", ">=", "&&", "||", "[?", ".?", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "+",
    "-", "*", "/", "%", "!", "\\",
];

/// Splits a source text; an error has a place and a text.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, (usize, String)> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0 };
    let mut out = Vec::new();
    loop {
        lexer.skip_space();
        let at = lexer.at;
        let kind = lexer.next()?;
        let text: String = chars.get(at..lexer.at).unwrap_or_default().iter().collect();
        let end = kind == TokenKind::End;
        out.push(Token { at, kind, text });
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'c> {
    chars: &'c [char],
    at: usize,
}

type Lexed = Result<TokenKind, (usize, String)>;

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip_space(&mut self) {
        loop {
            match self.peek(0) {
                ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.at += 1,
                '/' if self.peek(1) == '/' => {
                    while self.at < self.chars.len() && self.peek(0) != '\n' {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Lexed {
        if self.at >= self.chars.len() {
            return Ok(TokenKind::End);
        }
        let c = self.peek(0);
        let (raw, bytes, skip) = self.prefix();
        if matches!(self.peek(skip), '\'' | '"') {
            self.at += skip;
            return self.quoted(raw, bytes);
        }
        if c.is_ascii_digit() || (c == '.' && self.peek(1).is_ascii_digit()) {
            return self.number();
        }
        if c.is_ascii_alphabetic() || c == '_' {
            while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == '_' {
                self.at += 1;
            }
            return Ok(TokenKind::Ident);
        }
        let starts = |symbol: &&&str| symbol.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == c);
        let found = SYMBOLS.iter().find(starts).map(|symbol| symbol.chars().count());
        match found {
            Some(length) => {
                self.at += length;
                Ok(TokenKind::Symbol)
            }
            None => Err((self.at, format!("Syntax error: token recognition error at: '{c}'"))),
        }
    }

    /// `r`, `b` and both before a quote.
    fn prefix(&self) -> (bool, bool, usize) {
        let lower = |ahead: usize| self.peek(ahead).to_ascii_lowercase();
        match (lower(0), lower(1)) {
            ('r', 'b') | ('b', 'r') => (true, true, 2),
            ('r', _) => (true, false, 1),
            ('b', _) => (false, true, 1),
            _ => (false, false, 0),
        }
    }

    fn quoted(&mut self, raw: bool, bytes: bool) -> Lexed {
        let start = self.at;
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let width = if triple { 3 } else { 1 };
        self.at += width;
        let mut out = Vec::new();
        loop {
            let c = self.peek(0);
            if self.at >= self.chars.len() || (c == '\n' && !triple) {
                let text: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
                return Err((start, format!("Syntax error: token recognition error at: '{text}'")));
            }
            if c == quote && (0..width).all(|ahead| self.peek(ahead) == quote) {
                self.at += width;
                break;
            }
            if c == '\\' && !raw {
                self.escape(bytes, &mut out)?;
                continue;
            }
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            self.at += 1;
        }
        Ok(TokenKind::Literal(if bytes {
            Literal::Bytes(out)
        } else {
            Literal::String(String::from_utf8_lossy(&out).into_owned())
        }))
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Result<(), (usize, String)> {
        let at = self.at;
        let c = self.peek(1);
        self.at += 2;
        let (digits, radix) = match c {
            'x' | 'X' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            _ => {
                let plain = match c {
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    '\\' | '\'' | '"' | '`' | '?' => c,
                    _ => return Err((at, "Syntax error: unable to unescape string".into())),
                };
                out.extend(plain.encode_utf8(&mut [0; 4]).bytes());
                return Ok(());
            }
        };
        let text: String = (0..digits).map(|ahead| self.peek(ahead)).collect();
        self.at += digits;
        let bad = (at, "Syntax error: unable to unescape string".to_owned());
        let code = u32::from_str_radix(&text, radix).map_err(|_| bad.clone())?;
        if bytes {
            out.push(u8::try_from(code).map_err(|_| bad)?);
        } else {
            let c = char::from_u32(code).ok_or(bad)?;
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
        }
        Ok(())
    }

    fn number(&mut self) -> Lexed {
        let start = self.at;
        let hex = self.peek(0) == '0' && matches!(self.peek(1), 'x' | 'X');
        if hex {
            self.at += 2;
        }
        let mut float = false;
        loop {
            let c = self.peek(0);
            let exponent = !hex && matches!(c, 'e' | 'E');
            if c.is_ascii_digit() || (hex && c.is_ascii_hexdigit()) {
                self.at += 1;
            } else if c == '.' && !hex && !float && self.peek(1).is_ascii_digit() {
                float = true;
                self.at += 1;
            } else if exponent && (self.peek(1).is_ascii_digit() || matches!(self.peek(1), '+' | '-')) {
                float = true;
                self.at += 2;
            } else {
                break;
            }
        }
        let text: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        let digits = text.trim_start_matches("0x").trim_start_matches("0X");
        let radix = if hex { 16 } else { 10 };
        if float {
            let value = text
                .parse()
                .map_err(|_| (start, "Syntax error: invalid double literal".to_owned()))?;
            return Ok(TokenKind::Literal(Literal::Double(value)));
        }
        if matches!(self.peek(0), 'u' | 'U') {
            self.at += 1;
            let value = u64::from_str_radix(digits, radix);
            let value = value.map_err(|_| (start, "Syntax error: invalid uint literal".to_owned()))?;
            return Ok(TokenKind::Literal(Literal::Uint(value)));
        }
        // The lowest integer is a minus before a number that is one too large; the parser puts them together.
        match u64::from_str_radix(digits, radix) {
            Ok(value) if value <= i64::MIN.unsigned_abs() => Ok(TokenKind::Literal(Literal::Int(value.cast_signed()))),
            _ => Err((start, "Syntax error: invalid int literal".into())),
        }
    }
}
