//! From text to tokens. Every byte of any text becomes part of a token, a comment or blank; errors leave a token behind.

use std::sync::Arc;

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::source::{MAX_SOURCE, Span};
use crate::value::INT_MAX;

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Tok,
    /// Where.
    pub span: Span,
    /// It is the first of its line.
    pub first: bool,
    /// Blank or a comment stands before it.
    pub spaced: bool,
}

/// Kinds of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tok {
    /// A name that is no reserved word.
    Ident(Arc<str>),
    /// A reserved word.
    Word(&'static str),
    /// A number; a sign before it is an operator.
    Int(i128),
    /// A text, escapes resolved.
    Text(Arc<str>),
    /// `0x0aff`.
    Bytes(Arc<[u8]>),
    /// Anything else: operators and brackets.
    Sign(&'static str),
    /// What was no token; said already.
    Bad,
    /// The end.
    End,
}

/// A comment: from `//` to the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Where.
    pub span: Span,
    /// Nothing but blank stands before it on its line.
    pub own_line: bool,
}

/// Words that cannot be names.
pub const RESERVED: &[&str] = &[
    "abort",
    "assert",
    "atomic",
    "behaviour",
    "break",
    "call",
    "choose",
    "continue",
    "create",
    "decline",
    "else",
    "false",
    "fn",
    "for",
    "if",
    "in",
    "just",
    "label",
    "let",
    "match",
    "mut",
    "note",
    "nothing",
    "post",
    "prefer",
    "pure",
    "raise",
    "reject",
    "require",
    "retry",
    "return",
    "root",
    "send",
    "solve",
    "solveAll",
    "true",
    "unsafe",
    "use",
    "var",
    "while",
];

/// Signs, longer ones first.
const SIGNS: &[&str] = &[
    "..<", "..", "++", "+=", "-=", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "=", "<",
    ">", "!", "|", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "@", "?", "_",
];

/// What a text is made of.
#[derive(Debug, Default)]
pub struct Lexed {
    /// Tokens; the last is [`Tok::End`].
    pub tokens: Vec<Token>,
    /// Comments, in order.
    pub comments: Vec<Comment>,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
}

/// Longest name, bytes.
pub const MAX_NAME: usize = 100;

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    file: u16,
    first: bool,
    spaced: bool,
    out: Lexed,
}

/// Takes a text apart.
#[must_use]
pub fn lex(text: &str, file: u16) -> Lexed {
    let mut lexer = Lexer { text, at: 0, file, first: true, spaced: true, out: Lexed::default() };
    if text.len() > MAX_SOURCE {
        let what = format!("the file is larger than {MAX_SOURCE} bytes");
        let error = Diagnostic::new(Code::FileSize, lexer.span(0), what).help("split the program into modules");
        lexer.out.errors.push(error);
        lexer.at = text.len();
    }
    while lexer.at < text.len() {
        lexer.step();
    }
    let span = lexer.span(text.len());
    lexer.out.tokens.push(Token { kind: Tok::End, span, first: true, spaced: true });
    lexer.out
}

impl<'a> Lexer<'a> {
    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start: start as u32, end: self.at.max(start) as u32 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&mut self, code: Code, start: usize, message: impl Into<String>, help: &str) {
        let error = Diagnostic::new(code, self.span(start), message).help(help);
        self.out.errors.push(error);
    }

    fn push(&mut self, kind: Tok, start: usize) {
        let token = Token { kind, span: self.span(start), first: self.first, spaced: self.spaced };
        self.out.tokens.push(token);
        self.first = false;
        self.spaced = false;
    }

    fn step(&mut self) {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return };
        let start = self.at;
        if c == '\n' {
            self.at += 1;
            self.first = true;
            self.spaced = true;
        } else if c.is_whitespace() || (c == '\u{feff}' && start == 0) {
            self.at += c.len_utf8();
            self.spaced = true;
        } else if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            let comment = Comment { span: self.span(start), own_line: self.first };
            self.out.comments.push(comment);
            self.spaced = true;
        } else if c == '"' {
            self.text_literal(start);
        } else if c.is_ascii_digit() {
            self.number(start);
        } else if c.is_alphabetic() || (c == '_' && rest.chars().nth(1).is_some_and(is_word)) {
            self.word(start);
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            self.push(Tok::Sign(sign), start);
        } else {
            self.at += c.len_utf8();
            self.push(Tok::Bad, start);
            let what = format!("unknown character {c:?}");
            self.error(
                Code::UnknownCharacter,
                start,
                what,
                "remove it; texts stand in \"double quotes\", comments begin with //",
            );
        }
    }

    fn take_word(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn word(&mut self, start: usize) {
        let word = self.take_word();
        let kind = match RESERVED.iter().find(|reserved| **reserved == word) {
            Some(reserved) => Tok::Word(reserved),
            None => Tok::Ident(word.into()),
        };
        self.push(kind, start);
        if word.len() > MAX_NAME {
            self.error(Code::LongName, start, "the name is too long", "names have at most 100 bytes");
        }
    }

    fn number(&mut self, start: usize) {
        let word = self.take_word();
        if let Some(digits) = word.strip_prefix("0x") {
            let kind = bytes(digits).map_or(Tok::Bad, |bytes| Tok::Bytes(bytes.into()));
            let bad = kind == Tok::Bad;
            self.push(kind, start);
            if bad {
                let help =
                    "`0x` writes bytes, two hexadecimal digits each: `0x0aff`; numbers are written in decimal digits";
                self.error(Code::BadBytes, start, "not a bytes literal", help);
            }
            return;
        }
        let digits: String = word.chars().filter(|c| *c != '_').collect();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.push(Tok::Bad, start);
            self.error(Code::BadNumber, start, format!("`{word}` is not a number"), "a name cannot begin with a digit");
            return;
        }
        let fraction = self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction {
            self.at += 1;
            self.take_word();
            self.push(Tok::Bad, start);
            self.error(Code::BadNumber, start, "there are no fractions", "count in a smaller unit: cents, not euros");
            return;
        }
        match digits.parse::<i128>().ok().filter(|number| *number <= INT_MAX) {
            Some(number) => self.push(Tok::Int(number), start),
            None => {
                self.push(Tok::Bad, start);
                self.error(Code::NumberRange, start, "the number is too large", "numbers go from -2^63 to 2^64 - 1");
            }
        }
    }

    fn text_literal(&mut self, start: usize) {
        self.at += 1;
        let mut text = String::new();
        loop {
            let at = self.at;
            let Some(c) = self.rest().chars().next().filter(|c| *c != '\n') else {
                self.push(Tok::Text(text.into()), start);
                self.error(
                    Code::OpenText,
                    start,
                    "the text is not closed",
                    "close it with `\"`; a line break is written `\\n`",
                );
                return;
            };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => match self.escape() {
                    Some(c) => text.push(c),
                    None => self.error(
                        Code::BadEscape,
                        at,
                        "unknown escape",
                        "known are \\n \\r \\t \\0 \\\\ \\\" \\u{1f600}",
                    ),
                },
                c => text.push(c),
            }
        }
        self.push(Tok::Text(text.into()), start);
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.rest().chars().next().filter(|c| *c != '\n')?;
        self.at += c.len_utf8();
        match c {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            '0' => Some('\0'),
            '\\' | '"' => Some(c),
            'u' => {
                let digits = self.rest().strip_prefix('{')?;
                let len = digits.find('}').filter(|len| *len <= 6)?;
                let value = u32::from_str_radix(digits.get(..len)?, 16).ok().and_then(char::from_u32)?;
                self.at += len + 2;
                Some(value)
            }
            _ => None,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits.chars().filter(|c| *c != '_').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | *digit as u8)).collect())
}
