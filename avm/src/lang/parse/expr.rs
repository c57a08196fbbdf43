//! Expressions: operators by precedence, operands, what stands behind them.

use super::super::ast::{BinaryOp, Element, Expr, ExprKind, UnaryOp};
use super::super::codes::Code;
use super::super::lex::Tok;
use super::{P, Parser};

/// Binding strength of ranges; comparisons bind weaker, sums stronger.
pub(super) const RANGE: u8 = 4;
const COMPARE: u8 = 3;

fn operator(sign: &str) -> Option<(BinaryOp, u8)> {
    Some(match sign {
        "||" => (BinaryOp::Or, 1),
        "&&" => (BinaryOp::And, 2),
        "==" => (BinaryOp::Eq, COMPARE),
        "!=" => (BinaryOp::Ne, COMPARE),
        "<" => (BinaryOp::Lt, COMPARE),
        "<=" => (BinaryOp::Le, COMPARE),
        ">" => (BinaryOp::Gt, COMPARE),
        ">=" => (BinaryOp::Ge, COMPARE),
        "+" => (BinaryOp::Add, 5),
        "-" => (BinaryOp::Sub, 5),
        "++" => (BinaryOp::Concat, 5),
        "*" => (BinaryOp::Mul, 6),
        "/" => (BinaryOp::Div, 6),
        "%" => (BinaryOp::Mod, 6),
        _ => return None,
    })
}

/// Takes what is read so far as the inner part of something larger.
fn take(left: &mut Expr) -> Box<Expr> {
    Box::new(std::mem::replace(left, Expr { kind: ExprKind::Bad, span: left.span, height: 0 }))
}

impl Parser {
    pub(super) fn expr(&mut self) -> P<Expr> {
        self.deeper(|this| this.binary(1))
    }

    pub(super) fn binary(&mut self, least: u8) -> P<Expr> {
        let mut left = self.unary()?;
        loop {
            let Tok::Sign(sign) = *self.peek() else { return Ok(left) };
            // At the beginning of a line these begin a statement: `-x`, `%c1`.
            if self.line_ends() && matches!(sign, "-" | "%") {
                return Ok(left);
            }
            if let ".." | "..<" = sign {
                if least > RANGE {
                    return Ok(left);
                }
                self.role().joined = true;
                self.advance();
                let right = self.binary(RANGE + 1)?;
                let span = left.span.to(right.span);
                let kind = ExprKind::Range { from: Box::new(left), to: Box::new(right), inclusive: sign == ".." };
                left = self.node(kind, span)?;
                continue;
            }
            let Some((op, strength)) = operator(sign).filter(|(_, strength)| *strength >= least) else {
                return Ok(left);
            };
            self.advance();
            let right = self.binary(strength + 1)?;
            let span = left.span.to(right.span);
            left = self.node(ExprKind::Binary(op, Box::new(left), Box::new(right)), span)?;
            if strength == COMPARE && matches!(self.peek(), Tok::Sign("==" | "!=" | "<" | "<=" | ">" | ">=")) {
                let span = self.span();
                let help = "join two comparisons with `&&`: `a < b && b < c`";
                return Err(self.error(Code::Chained, span, "comparisons cannot stand in a row", help));
            }
        }
    }

    pub(super) fn unary(&mut self) -> P<Expr> {
        let span = self.span();
        let op = match self.peek() {
            Tok::Sign("-") => Some(UnaryOp::Neg),
            Tok::Sign("!") => Some(UnaryOp::Not),
            Tok::Word("just") => None,
            _ => return self.postfix(),
        };
        self.role().prefix = op.is_some();
        self.advance();
        let one = self.deeper(Self::unary)?;
        let span = span.to(one.span);
        let kind = match (op, one.kind) {
            (Some(UnaryOp::Neg), ExprKind::Int(number)) => ExprKind::Int(-number),
            (Some(op), kind) => ExprKind::Unary(op, Box::new(Expr { kind, ..one })),
            (None, kind) => ExprKind::Just(Box::new(Expr { kind, ..one })),
        };
        if matches!(kind, ExprKind::Int(number) if number < crate::value::INT_MIN) {
            return Err(self.error(
                Code::NumberRange,
                span,
                "the number is too small",
                "numbers go from -2^63 to 2^64 - 1",
            ));
        }
        self.node(kind, span)
    }

    pub(super) fn postfix(&mut self) -> P<Expr> {
        let mut left = self.operand()?;
        loop {
            let (open, start) = (self.span(), left.span);
            let kind = match self.peek() {
                Tok::Sign("(") if !self.spaced() => {
                    self.advance();
                    let args = self.list(")", open, Self::expr)?;
                    ExprKind::Call(take(&mut left), args)
                }
                Tok::Sign("[") if !self.spaced() => {
                    self.advance();
                    let index = self.within(true, Self::expr)?;
                    self.close("]", open)?;
                    ExprKind::Index(take(&mut left), Box::new(index))
                }
                Tok::Sign(".") => {
                    self.advance();
                    let name = self.label("a field or the tag of a message")?;
                    let open = self.span();
                    if self.is("(") && !self.spaced() {
                        self.advance();
                        let args = self.list(")", open, Self::expr)?;
                        ExprKind::Method(take(&mut left), name, args)
                    } else {
                        ExprKind::Field(take(&mut left), name)
                    }
                }
                _ => return Ok(left),
            };
            left = self.node(kind, start.to(self.before()))?;
        }
    }

    fn operand(&mut self) -> P<Expr> {
        let span = self.span();
        let kind = match self.peek().clone() {
            Tok::Int(number) => ExprKind::Int(number),
            Tok::Text(text) => ExprKind::Text(text),
            Tok::Bytes(bytes) => ExprKind::Bytes(bytes),
            Tok::Ident(name) => ExprKind::Name(name),
            Tok::Sign(sign) => return self.signed(sign),
            Tok::Word(word) => return self.word(word),
            Tok::Bad | Tok::End => return Err(self.unexpected("an expression")),
        };
        self.advance();
        self.node(kind, span)
    }

    /// Operands that begin with a sign.
    fn signed(&mut self, sign: &'static str) -> P<Expr> {
        let span = self.span();
        let kind = match sign {
            "(" => return self.bracket(),
            "[" => {
                self.advance();
                ExprKind::List(self.list("]", span, Self::element)?)
            }
            "{" if self.record_ahead() => {
                self.role().tight_open = true;
                self.advance();
                let fields = self.list("}", span, |this| {
                    let name = this.label("a name of a field")?;
                    this.demand(":", "and the value of the field")?;
                    Ok((name, this.expr()?))
                })?;
                let end = self.at - 1;
                self.roles[end].tight_close = true;
                ExprKind::Record(fields)
            }
            "{" => ExprKind::Block(self.block()?),
            "|" | "||" => return self.closure(sign),
            "@" | "%" => {
                self.role().prefix = true;
                self.advance();
                let what = if sign == "@" { "a name of a machine" } else { "a name of a controller" };
                let name = self.label(what)?.text;
                if sign == "@" { ExprKind::Machine(name) } else { ExprKind::Controller(name) }
            }
            _ => return Err(self.unexpected("an expression")),
        };
        self.node(kind, span.to(self.before()))
    }

    fn element(&mut self) -> P<Element> {
        let spread = self.is("..");
        if spread {
            self.role().prefix = true;
            self.advance();
        }
        Ok(Element { spread, value: self.expr()? })
    }

    /// `(a)` or `(a, b)`.
    fn bracket(&mut self) -> P<Expr> {
        let open = self.span();
        self.advance();
        let mut parts = self.list(")", open, Self::expr)?;
        let span = open.to(self.before());
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(only), None, true) => Ok(Expr { span, ..only }),
            (Some(second), Some(first), true) => self.node(ExprKind::Pair(Box::new(first), Box::new(second)), span),
            _ => Err(self.error(
                Code::Unexpected,
                span,
                "a pair has two parts",
                "more than two parts are a list: `[a, b, c]`",
            )),
        }
    }

    fn closure(&mut self, sign: &str) -> P<Expr> {
        let open = self.span();
        let mut params = Vec::new();
        if sign == "|" {
            self.role().tight_open = true;
            self.advance();
            while !self.is("|") {
                params.push(self.param()?);
                if !self.eat(",") {
                    break;
                }
            }
            self.role().tight_close = true;
            self.demand("|", "after the parameters of a closure")?;
        } else {
            self.role().prefix = false;
            self.advance();
        }
        let body = self.deeper(Self::body)?;
        let span = open.to(body.span);
        self.node(ExprKind::Lambda(params, body), span)
    }

    /// At `{`: whether it opens a record, as `{name: ...` or `{}` does.
    pub(super) fn record_ahead(&self) -> bool {
        let kind = |ahead| self.token(ahead).map(|token| &token.kind);
        match kind(1) {
            Some(Tok::Sign("}")) => true,
            Some(Tok::Ident(_) | Tok::Text(_) | Tok::Word(_)) => kind(2) == Some(&Tok::Sign(":")),
            _ => false,
        }
    }
}
