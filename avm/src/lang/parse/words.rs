//! Operands that begin with a word of the language.

use super::super::ast::{Arm, BinaryOp, Block, Expr, ExprKind, Posted, Stmt};
use super::super::codes::Code;
use super::super::lex::Tok;
use super::expr::RANGE;
use super::{P, Parser};
use crate::code::Instr;

impl Parser {
    pub(super) fn word(&mut self, word: &'static str) -> P<Expr> {
        let span = self.span();
        // `call(o, m)`, `label(q)`: an instruction by its name.
        let called = self.token(1).is_some_and(|token| token.kind == Tok::Sign("(") && !token.spaced);
        if called && Instr::named(word).is_some() && word != "raise" {
            self.advance();
            return self.node(ExprKind::Name(word.into()), span);
        }
        let kind = match word {
            "nothing" => self.only(ExprKind::Nothing),
            "true" => self.only(ExprKind::Bool(true)),
            "false" => self.only(ExprKind::Bool(false)),
            "root" => self.only(ExprKind::Root),
            "break" => self.only(ExprKind::Break),
            "continue" => self.only(ExprKind::Continue),
            "decline" => self.only(ExprKind::Decline),
            "reject" => self.only(ExprKind::Reject),
            "abort" => self.only(ExprKind::Abort),
            "return" => {
                self.advance();
                let value = if self.value_ahead() { Some(Box::new(self.expr()?)) } else { None };
                ExprKind::Return(value)
            }
            "if" => return self.conditional(),
            "match" => self.matching()?,
            "for" => self.for_loop()?,
            "while" => {
                self.advance();
                let condition = self.within(false, Self::expr)?;
                ExprKind::While(Box::new(condition), self.block()?)
            }
            "atomic" => {
                self.advance();
                let controller = if self.is("{") { None } else { Some(Box::new(self.within(false, Self::postfix)?)) };
                ExprKind::Atomic(controller, self.block()?)
            }
            "retry" => {
                self.advance();
                let times = self.within(false, Self::unary)?;
                if !self.is_word("atomic") {
                    return Err(self.unexpected("`atomic` (as in `retry 3 atomic { ... }`)"));
                }
                ExprKind::Retry(Box::new(times), Box::new(self.word("atomic")?))
            }
            "call" | "send" => self.message(word == "send")?,
            "create" => self.create()?,
            _ => return self.instruction_word(word),
        };
        self.node(kind, span.to(self.before()))
    }

    fn only(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    /// Whether an expression begins here, on this line.
    fn value_ahead(&self) -> bool {
        let ends = matches!(self.peek(), Tok::End | Tok::Sign("}" | ")" | "]" | "," | ";" | "=>" | "=" | ":"));
        !ends && !self.line_ends()
    }

    /// Words that stand for one instruction, and `assert`.
    fn instruction_word(&mut self, word: &'static str) -> P<Expr> {
        let span = self.span();
        let tight = |instr| Some((instr, true));
        let loose = |instr| Some((instr, false));
        let instr = match word {
            "choose" => tight(Instr::Choose),
            "label" => tight(Instr::Label),
            "solve" => tight(Instr::Solve),
            "solveAll" => tight(Instr::SolveAll),
            "note" => loose(Instr::Note),
            "raise" => loose(Instr::Raise),
            _ => None,
        };
        let kind = match (instr, word) {
            (Some((instr, tight)), _) => {
                self.advance();
                let value = match (tight, instr) {
                    (true, Instr::Choose) => self.deeper(|this| this.binary(RANGE))?,
                    (true, _) => self.deeper(Self::unary)?,
                    _ => self.expr()?,
                };
                ExprKind::Word(instr, Box::new(value))
            }
            (None, "assert") => {
                self.advance();
                ExprKind::Assert(Box::new(self.expr()?))
            }
            (None, "require") => {
                self.advance();
                let condition = self.expr()?;
                let second = if self.eat_word("before") { Some(self.expr()?) } else { None };
                let name = if self.eat_word("as") { Some(Box::new(self.expr()?)) } else { None };
                match second {
                    Some(second) => ExprKind::RequireOrder(Box::new([condition, second]), name),
                    None => ExprKind::Require(Box::new(condition), name),
                }
            }
            (None, "prefer") => {
                self.advance();
                let condition = Box::new(self.expr()?);
                if !self.eat_word("weight") {
                    return Err(self.unexpected("`weight` and a number"));
                }
                ExprKind::Prefer(condition, Box::new(self.expr()?))
            }
            (None, "post") => self.posted()?,
            _ => return Err(self.unexpected("an expression")),
        };
        self.node(kind, span.to(self.before()))
    }

    fn conditional(&mut self) -> P<Expr> {
        let span = self.span();
        self.deeper(|this| {
            this.advance();
            let condition = Box::new(this.within(false, Self::expr)?);
            let then = this.block()?;
            let otherwise = if !this.eat_word("else") {
                None
            } else if this.is_word("if") {
                let chained = this.conditional()?;
                let span = chained.span;
                Some(Block { statements: vec![Stmt::Expr(chained)], span })
            } else {
                Some(this.block()?)
            };
            let span = span.to(this.before());
            this.node(ExprKind::If { condition, then, otherwise }, span)
        })
    }

    fn matching(&mut self) -> P<ExprKind> {
        self.advance();
        let value = self.within(false, Self::expr)?;
        let open = self.span();
        self.demand("{", "and the arms")?;
        let mut arms = Vec::new();
        self.within(false, |this| {
            loop {
                while this.eat(",") || this.eat(";") {}
                if *this.peek() == Tok::End || this.at_item() {
                    return Err(this.not_closed(open));
                }
                if this.eat("}") {
                    return Ok(());
                }
                this.role().start = true;
                let pattern = this.patterns()?;
                let guard = if this.eat_word("if") { Some(this.expr()?) } else { None };
                this.demand("=>", "and what to do")?;
                let body = this.body()?;
                arms.push(Arm { pattern, guard, body });
                if !this.first() && !this.is(",") && !this.is("}") && !this.is(";") {
                    return Err(this.unexpected("a new line, `,` or `}` after the arm"));
                }
            }
        })?;
        Ok(ExprKind::Match(Box::new(value), arms))
    }

    fn for_loop(&mut self) -> P<ExprKind> {
        self.advance();
        let pattern = self.pattern()?;
        if !self.eat_word("in") {
            return Err(self.unexpected("`in` and a list"));
        }
        let list = Box::new(self.within(false, Self::expr)?);
        Ok(ExprKind::For { pattern, list, body: self.block()? })
    }

    /// `call o m`, `send o m`, `send o.tag(args)`.
    fn message(&mut self, send: bool) -> P<ExprKind> {
        self.advance();
        let target = self.deeper(Self::postfix)?;
        if !self.value_ahead()
            || matches!(self.peek(), Tok::Sign(sign) if !matches!(*sign, "[" | "(" | "{" | "@" | "|"))
        {
            if let (true, ExprKind::Method(target, tag, args)) = (send, target.kind) {
                let tag = self.node(ExprKind::Text(tag.text), tag.span)?;
                let parts =
                    std::iter::once(tag).chain(args).map(|value| super::super::ast::Element { spread: false, value });
                let message = self.node(ExprKind::List(parts.collect()), target.span)?;
                return Ok(ExprKind::Message { send, target, message: Box::new(message) });
            }
            let word = if send { "send" } else { "call" };
            let failed = self.unexpected(&format!("the message (as in `{word} o [\"tag\", 1]` or `o.tag(1)`)"));
            return Err(failed);
        }
        let message = self.deeper(Self::unary)?;
        Ok(ExprKind::Message { send, target: Box::new(target), message: Box::new(message) })
    }

    fn create(&mut self) -> P<ExprKind> {
        self.advance();
        let mut name = self.name("a behaviour")?;
        let mut module = None;
        if self.eat(".") {
            module = Some(std::mem::replace(&mut name, self.label("a behaviour of the module")?));
        }
        let at =
            if !self.line_ends() && self.eat_word("at") { Some(Box::new(self.deeper(Self::unary)?)) } else { None };
        Ok(ExprKind::Create { module, name, at })
    }

    /// `post all_different(qs)`, `post sum(xs) <= 9`, `post a != b + 1`.
    fn posted(&mut self) -> P<ExprKind> {
        self.advance();
        let start = self.span();
        let constraint = self.deeper(|this| this.binary(3))?;
        let named = |expr: &Expr| match &expr.kind {
            ExprKind::Call(callee, args) => match &callee.kind {
                ExprKind::Name(name) => Some((name.clone(), args.clone())),
                _ => None,
            },
            _ => None,
        };
        let posted = match &constraint.kind {
            ExprKind::Binary(
                op @ (BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge),
                left,
                right,
            ) => match named(left) {
                Some((name, args)) if &*name == "sum" && args.len() == 1 && *op != BinaryOp::Ne => {
                    args.into_iter().next().map(|list| Posted::Sum(*op, list, (**right).clone()))
                }
                _ => Some(Posted::Compare(*op, (**left).clone(), (**right).clone())),
            },
            _ => named(&constraint).and_then(|(name, args)| {
                let mut args = args.into_iter();
                let (one, two, three, more) = (args.next(), args.next(), args.next(), args.next());
                match (&*name, one, two, three, more) {
                    ("all_different", Some(list), None, None, None) => Some(Posted::AllDifferent(list)),
                    ("table", Some(vars), Some(rows), None, None) => Some(Posted::Table(vars, rows)),
                    ("element", Some(list), Some(index), Some(value), None) => {
                        Some(Posted::Element(list, index, value))
                    }
                    _ => None,
                }
            }),
        };
        match posted {
            Some(posted) => Ok(ExprKind::Post(Box::new(posted))),
            None => {
                let help = "post a comparison, `all_different(list)`, `sum(list) == n`, `table(variables, rows)` or \
                            `element(values, index, value)`; `post(value)` takes a constraint as a list";
                Err(self.error(Code::NotConstraint, start.to(self.before()), "this is no constraint", help))
            }
        }
    }
}
