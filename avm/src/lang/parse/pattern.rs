//! Patterns.

use super::super::ast::{Expr, ExprKind, Pattern, PatternKind};
use super::super::codes::Code;
use super::super::lex::Tok;
use super::{P, Parser};

impl Parser {
    /// `p`, `p | q`.
    pub(super) fn patterns(&mut self) -> P<Pattern> {
        let first = self.pattern()?;
        if !self.is("|") {
            return Ok(first);
        }
        let span = first.span;
        let mut parts = vec![first];
        while self.eat("|") {
            parts.push(self.pattern()?);
        }
        Ok(Pattern { kind: PatternKind::Or(parts), span: span.to(self.before()) })
    }

    pub(super) fn pattern(&mut self) -> P<Pattern> {
        self.deeper(|this| {
            let span = this.span();
            let kind = this.pattern_kind()?;
            Ok(Pattern { kind, span: span.to(this.before()) })
        })
    }

    fn pattern_kind(&mut self) -> P<PatternKind> {
        let span = self.span();
        match self.peek().clone() {
            Tok::Sign("_") => {
                self.advance();
                Ok(PatternKind::Any)
            }
            Tok::Ident(_) => {
                let called = self.token(1).is_some_and(|token| token.kind == Tok::Sign("(") && !token.spaced);
                if called { self.tag() } else { self.binder() }
            }
            Tok::Word("just") => {
                self.advance();
                Ok(PatternKind::Just(Box::new(self.pattern()?)))
            }
            Tok::Word(_) if self.token(1).is_some_and(|token| token.kind == Tok::Sign("(") && !token.spaced) => {
                self.tag()
            }
            Tok::Sign("(") => self.pair(),
            Tok::Sign("[") => {
                self.advance();
                let (parts, rest) = self.list_pattern()?;
                Ok(PatternKind::List(parts, rest))
            }
            Tok::Sign("{") => {
                self.role().tight_open = true;
                self.advance();
                let fields = self.list("}", span, Self::field)?;
                let end = self.at - 1;
                self.roles[end].tight_close = true;
                Ok(PatternKind::Record(fields))
            }
            Tok::Int(_)
            | Tok::Text(_)
            | Tok::Bytes(_)
            | Tok::Sign("-" | "@" | "%")
            | Tok::Word("true" | "false" | "nothing" | "root") => {
                let literal: Expr = self.unary()?;
                let simple = matches!(
                    literal.kind,
                    ExprKind::Int(_)
                        | ExprKind::Text(_)
                        | ExprKind::Bytes(_)
                        | ExprKind::Bool(_)
                        | ExprKind::Nothing
                        | ExprKind::Root
                        | ExprKind::Machine(_)
                        | ExprKind::Controller(_)
                );
                if simple {
                    return Ok(PatternKind::Literal(Box::new(literal)));
                }
                Err(self.error(
                    Code::Unexpected,
                    literal.span,
                    "expected a pattern, found an expression",
                    "compute before the `match`, or use a guard: `x if x == ...`",
                ))
            }
            _ => Err(self.unexpected("a pattern")),
        }
    }

    fn tag(&mut self) -> P<PatternKind> {
        let tag = self.label("a tag")?;
        let open = self.span();
        self.advance();
        let parts = self.list(")", open, Self::pattern)?;
        Ok(PatternKind::Tag(tag, parts))
    }

    /// `name`, or `name: type` inside a larger pattern or an arm; a `let` reads its type itself.
    fn binder(&mut self) -> P<PatternKind> {
        let name = self.name("a name")?;
        let typed = self.is(":") && self.typed_binders();
        let ty = if typed && self.eat(":") { Some(self.ty()?) } else { None };
        Ok(PatternKind::Bind(name, ty))
    }

    /// After `let x` or `let mut x` a colon belongs to the `let`.
    fn typed_binders(&self) -> bool {
        let before =
            |back: usize| self.at.checked_sub(back).and_then(|at| self.tokens.get(at)).map(|token| &token.kind);
        !matches!(before(2), Some(Tok::Word("let" | "mut")))
    }

    fn pair(&mut self) -> P<PatternKind> {
        let open = self.span();
        self.advance();
        let mut parts = self.list(")", open, Self::patterns)?;
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(only), None, true) => Ok(only.kind),
            (Some(second), Some(first), true) => Ok(PatternKind::Pair(Box::new(first), Box::new(second))),
            _ => {
                let span = open.to(self.before());
                Err(self.error(
                    Code::Unexpected,
                    span,
                    "a pair has two parts",
                    "more than two parts are a list: `[a, b, c]`",
                ))
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn list_pattern(&mut self) -> P<(Vec<Pattern>, Option<Option<super::Name>>)> {
        let open = self.before();
        let mut rest = None;
        let parts = self.list("]", open, |this| {
            let span = this.span();
            if rest.is_some() {
                return Err(this.error(
                    Code::BadRest,
                    span,
                    "nothing can stand after `..`",
                    "match the end with `reverse(list)`",
                ));
            }
            if !this.is("..") {
                return Ok(Some(this.pattern()?));
            }
            this.role().prefix = true;
            this.advance();
            rest = Some(if matches!(this.peek(), Tok::Ident(_)) { Some(this.name("a name")?) } else { None });
            Ok(None)
        })?;
        Ok((parts.into_iter().flatten().collect(), rest))
    }

    fn field(&mut self) -> P<(super::Name, Pattern)> {
        let name = self.label("a name of a field")?;
        if self.eat(":") {
            return Ok((name, self.pattern()?));
        }
        let kind = PatternKind::Bind(name.clone(), None);
        let span = name.span;
        Ok((name, Pattern { kind, span }))
    }
}
