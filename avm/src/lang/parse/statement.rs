//! Blocks and statements.

use super::super::ast::{BinaryOp, Block, ExprKind, Stmt};
use super::super::codes::Code;
use super::super::lex::Tok;
use super::{P, Parser};

impl Parser {
    pub(super) fn block(&mut self) -> P<Block> {
        let open = self.span();
        if !self.is("{") {
            return Err(self.unexpected("a block `{ ... }`"));
        }
        self.deeper(|this| this.within(false, |this| this.block_body(open)))
    }

    fn block_body(&mut self, open: super::Span) -> P<Block> {
        self.advance();
        let mut statements = Vec::new();
        loop {
            while self.eat(";") {}
            if *self.peek() == Tok::End || self.at_item() {
                return Err(self.not_closed(open));
            }
            if self.eat("}") {
                return Ok(Block { statements, span: open.to(self.before()) });
            }
            let from = self.at;
            match self.statement() {
                Ok(statement) => statements.push(statement),
                Err(_) => {
                    self.inside = false;
                    self.recover(from);
                    continue;
                }
            }
            if !self.first() && !self.is("}") && !self.is(";") {
                let span = self.span();
                let found = self.found();
                let message = format!("expected a new line or `;`, found {found}");
                let help = "each statement stands on its own line; `f (x)` and `list [0]` are no call and no index: \
                            remove the blank";
                self.error(Code::StatementEnd, span, message, help);
                self.recover(from);
            }
        }
    }

    /// One statement, as a block of its own when it is no block already: body of an arm or a closure.
    pub(super) fn body(&mut self) -> P<Block> {
        if self.is("{") && !self.record_ahead() {
            return self.block();
        }
        let span = self.span();
        let statement = self.deeper(Self::statement)?;
        Ok(Block { statements: vec![statement], span: span.to(self.before()) })
    }

    fn statement(&mut self) -> P<Stmt> {
        let span = self.span();
        self.role().start = true;
        if self.eat_word("let") {
            let mutable = self.eat_word("mut");
            let pattern = self.pattern()?;
            let ty = if self.eat(":") { Some(self.ty()?) } else { None };
            self.demand("=", "and a value")?;
            let value = self.expr()?;
            return Ok(Stmt::Let { mutable, pattern, ty, value, span: span.to(self.before()) });
        }
        if self.is_word("var") {
            self.advance();
            let name = self.name("a name of a variable")?;
            if !self.eat_word("in") {
                return Err(self.unexpected("`in` and the domain"));
            }
            let domain = self.expr()?;
            return Ok(Stmt::Var { name, domain, span: span.to(self.before()) });
        }
        let value = self.expr()?;
        let op = match self.peek() {
            Tok::Sign("=") => None,
            Tok::Sign("+=") => Some(BinaryOp::Add),
            Tok::Sign("-=") => Some(BinaryOp::Sub),
            _ => return Ok(Stmt::Expr(value)),
        };
        let ExprKind::Name(text) = value.kind else {
            let help = "values do not change: `list = set_at(list, i, x)`, `record = with(record, \"name\", x)`";
            return Err(self.error(Code::BadTarget, value.span, "this cannot be assigned to", help));
        };
        self.advance();
        let name = super::Name { text, span: value.span };
        let value = self.expr()?;
        Ok(Stmt::Assign { name, op, value, span: span.to(self.before()) })
    }
}
