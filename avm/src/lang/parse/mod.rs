//! From tokens to the tree. Goes on after an error at the next statement or item, so that all errors are said at once; nesting is
//! bounded, so that no text exhausts the stack.

mod expr;
mod item;
mod pattern;
mod statement;
mod words;

use std::sync::Arc;

use super::ast::{Expr, ExprKind, File, Name};
use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::lex::{Comment, Tok, Token, lex};
use super::source::Span;
use super::walk;

/// Deepest nesting, and highest tree of one expression.
pub const MAX_DEPTH: u16 = 64;
/// Most errors that are said of one file.
const MAX_ERRORS: usize = 100;

/// What the reader knows of a token that a formatter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Role {
    /// It begins a statement, an item, an arm or a handler.
    pub start: bool,
    /// It is an operator before its only operand.
    pub prefix: bool,
    /// It opens or closes a record or the parameters of a closure: no blank inside.
    pub tight_open: bool,
    /// The other end.
    pub tight_close: bool,
    /// It joins its neighbours without blanks: the dots of a range, the bracket after a declared name.
    pub joined: bool,
}

/// What reading a file gives.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The tree; what could not be read is left out.
    pub file: File,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Their roles, one each.
    pub roles: Vec<Role>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// What is wrong; empty when the tree is whole.
    pub errors: Vec<Diagnostic>,
}

/// An error was said; the caller goes on elsewhere.
struct Failed;

type P<T> = Result<T, Failed>;

struct Parser {
    tokens: Vec<Token>,
    roles: Vec<Role>,
    at: usize,
    level: u16,
    /// Kinds that are open inside each other.
    types: u16,
    /// Inside brackets, where a new line means nothing.
    inside: bool,
    errors: Vec<Diagnostic>,
}

/// Reads a file.
#[must_use]
pub fn parse(text: &str, file: u16) -> Parsed {
    let lexed = lex(text, file);
    let roles = vec![Role::default(); lexed.tokens.len()];
    let mut parser =
        Parser { tokens: lexed.tokens, roles, at: 0, level: 0, types: 0, inside: false, errors: lexed.errors };
    let file = parser.file();
    parser.errors.truncate(MAX_ERRORS);
    Parsed { file, tokens: parser.tokens, roles: parser.roles, comments: lexed.comments, errors: parser.errors }
}

impl Parser {
    fn peek(&self) -> &Tok {
        self.tokens.get(self.at).map_or(&Tok::End, |token| &token.kind)
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn span(&self) -> Span {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(Span::default(), |token| token.span)
    }

    /// Place of the token before.
    fn before(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or_else(|| self.span(), |token| token.span)
    }

    fn first(&self) -> bool {
        self.token(0).is_none_or(|token| token.first)
    }

    fn spaced(&self) -> bool {
        self.token(0).is_none_or(|token| token.spaced)
    }

    /// A new line, or the end, stands before the token and means something here.
    fn line_ends(&self) -> bool {
        *self.peek() == Tok::End || (self.first() && !self.inside)
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn role(&mut self) -> &mut Role {
        let at = self.at.min(self.roles.len().saturating_sub(1));
        &mut self.roles[at]
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Tok::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        match self.peek() {
            Tok::Word(found) => *found == word,
            Tok::Ident(found) => **found == *word,
            _ => false,
        }
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn demand(&mut self, sign: &'static str, place: &str) -> P<()> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}` {place}")))
    }

    /// Like `demand` for a closing bracket: names the opening one.
    fn close(&mut self, sign: &'static str, open: Span) -> P<()> {
        if self.eat(sign) {
            return Ok(());
        }
        if *self.peek() == Tok::End {
            return Err(self.not_closed(open));
        }
        let error =
            Diagnostic::new(Code::Unexpected, self.span(), format!("expected `{sign}`, found {}", self.found()))
                .label(format!("expected `{sign}`"))
                .other(open, "opened here");
        self.errors.push(error);
        Err(Failed)
    }

    fn not_closed(&mut self, open: Span) -> Failed {
        let error = Diagnostic::new(Code::NotClosed, open, "the bracket is never closed")
            .label("opened here")
            .help("add the closing bracket, or see whether an inner one is missing");
        self.errors.push(error);
        Failed
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: &str) -> Failed {
        let error = Diagnostic::new(code, span, message);
        self.errors.push(if help.is_empty() { error } else { error.help(help) });
        Failed
    }

    /// What stands here, in words.
    fn found(&self) -> String {
        match self.peek() {
            Tok::Ident(name) => format!("`{name}`"),
            Tok::Word(word) => format!("the word `{word}`"),
            Tok::Int(number) => format!("`{number}`"),
            Tok::Text(_) => "a text".into(),
            Tok::Bytes(_) => "bytes".into(),
            Tok::Sign(sign) => format!("`{sign}`"),
            Tok::Bad => "something unknown".into(),
            Tok::End => "the end of the file".into(),
        }
    }

    fn unexpected(&mut self, wanted: &str) -> Failed {
        // What the lexer could not read is said already.
        if *self.peek() != Tok::Bad {
            let message = format!("expected {wanted}, found {}", self.found());
            let short = wanted.split(" (").next().unwrap_or(wanted).to_owned();
            self.errors
                .push(Diagnostic::new(Code::Unexpected, self.span(), message).label(format!("expected {short}")));
        }
        Failed
    }

    /// A name, where only a name can stand.
    fn name(&mut self, what: &str) -> P<Name> {
        let span = self.span();
        match self.peek().clone() {
            Tok::Ident(text) => {
                self.advance();
                Ok(Name { text, span })
            }
            Tok::Word(word) => {
                let message = format!("`{word}` is a word of the language and cannot be {what}");
                Err(self.error(Code::Reserved, span, message, "choose another name"))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// A name, or `_`.
    fn name_or_blank(&mut self, what: &str) -> P<Name> {
        let span = self.span();
        if self.eat("_") {
            return Ok(Name { text: "_".into(), span });
        }
        self.name(what)
    }

    /// A name where words of the language are names too: after a dot, as a tag, as a field.
    fn label(&mut self, what: &str) -> P<Name> {
        let span = self.span();
        let text: Arc<str> = match self.peek() {
            Tok::Ident(text) | Tok::Text(text) => text.clone(),
            Tok::Word(word) => (*word).into(),
            _ => return Err(self.unexpected(what)),
        };
        self.advance();
        Ok(Name { text, span })
    }

    /// One level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> P<T>) -> P<T> {
        if self.level >= MAX_DEPTH {
            let span = self.span();
            return Err(self.too_deep(span));
        }
        self.level += 1;
        let out = read(self);
        self.level -= 1;
        out
    }

    fn too_deep(&mut self, span: Span) -> Failed {
        let message = format!("nesting deeper than {MAX_DEPTH} levels");
        self.error(Code::TooDeep, span, message, "give inner parts names with `let`, or make them functions")
    }

    /// Reads something inside brackets, where new lines mean nothing, or, with `inside` false, in a block, where they do.
    fn within<T>(&mut self, inside: bool, read: impl FnOnce(&mut Self) -> P<T>) -> P<T> {
        let before = std::mem::replace(&mut self.inside, inside);
        let out = read(self);
        self.inside = before;
        out
    }

    fn node(&mut self, kind: ExprKind, span: Span) -> P<Expr> {
        let mut height = 0;
        walk::children(&kind, &mut |child| height = height.max(child.height));
        if height >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        Ok(Expr { kind, span, height: height + 1 })
    }

    /// Things between brackets, with commas; the opening bracket is read.
    fn list<T>(&mut self, end: &'static str, open: Span, mut one: impl FnMut(&mut Self) -> P<T>) -> P<Vec<T>> {
        self.within(true, |this| {
            let mut out = Vec::new();
            while !this.is(end) {
                if *this.peek() == Tok::End {
                    return Err(this.not_closed(open));
                }
                out.push(one(this)?);
                if !this.eat(",") {
                    break;
                }
            }
            this.close(end, open)?;
            Ok(out)
        })
    }

    /// Goes to the next statement: the next line at the depth at which the failed one began, `;`, or the end of the block.
    fn recover(&mut self, from: usize) {
        if self.at == from {
            self.advance();
        }
        let passed = self.tokens.get(from..self.at).unwrap_or_default().iter();
        let mut depth = passed.fold(0_u32, |depth, token| match token.kind {
            Tok::Sign("{" | "(" | "[") => depth + 1,
            Tok::Sign("}" | ")" | "]") => depth.saturating_sub(1),
            _ => depth,
        });
        loop {
            let begins = matches!(self.peek(), Tok::Word("let" | "var" | "for" | "while" | "return"));
            match self.peek() {
                Tok::End => return,
                _ if self.at_item() => return,
                _ if self.first() && (depth == 0 || begins) => return,
                Tok::Sign("{" | "(" | "[") => depth += 1,
                Tok::Sign("}") if depth == 0 => return,
                Tok::Sign("}" | ")" | "]") => depth = depth.saturating_sub(1),
                Tok::Sign(";") if depth == 0 => return,
                _ => {}
            }
            self.advance();
        }
    }

    /// A word that begins an item stands at the beginning of a line: no statement begins so.
    fn at_item(&self) -> bool {
        self.first() && matches!(self.peek(), Tok::Word("fn" | "pure" | "behaviour" | "use"))
    }
}
