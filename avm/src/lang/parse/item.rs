//! Items: functions, behaviours, tests.

use super::super::ast::{Behaviour, File, Function, Handler, Item, Name, Param, Test, Type, TypeKind};
use super::super::codes::Code;
use super::super::lex::{MAX_NAME, Tok};
use super::{P, Parser};

/// Deepest nesting of a kind.
const MAX_TYPES: u16 = 7;

impl Parser {
    pub(super) fn file(&mut self) -> File {
        let mut file = File::default();
        while *self.peek() != Tok::End {
            let from = self.at;
            self.level = 0;
            self.inside = false;
            self.role().start = true;
            if self.item(&mut file).is_err() {
                self.next_item(from);
                continue;
            }
            if !self.line_ends() && !self.eat(";") {
                let span = self.span();
                let found = self.found();
                self.error(
                    Code::StatementEnd,
                    span,
                    format!("expected a new line, found {found}"),
                    "items stand on lines of their own",
                );
                self.next_item(from);
            }
        }
        file
    }

    fn next_item(&mut self, from: usize) {
        if self.at == from {
            self.advance();
        }
        while *self.peek() != Tok::End
            && !self.at_item()
            && !(self.first() && (self.is_word("test") || self.is_word("module")))
        {
            self.advance();
        }
    }

    fn item(&mut self, file: &mut File) -> P<()> {
        let span = self.span();
        if self.eat_word("module") {
            let name = self.name("a name of the module")?;
            if let Some(first) = &file.module {
                let message = format!("a file has one module, this is `{}` already", first.text);
                return Err(self.error(Code::NoModule, span, message, "remove the second line"));
            }
            file.module = Some(name);
        } else if self.eat_word("unsafe") {
            file.needs_unsafe = Some(span);
        } else if self.eat_word("use") {
            let name = self.name("a name of a module")?;
            file.uses.push(name);
        } else if self.eat_word("fn") {
            let function = self.function(false)?;
            file.items.push(Item::Function(function));
        } else if self.eat_word("pure") {
            self.eat_word("fn");
            let function = self.function(true)?;
            file.items.push(Item::Function(function));
        } else if self.eat_word("behaviour") {
            let behaviour = self.behaviour()?;
            file.items.push(Item::Behaviour(behaviour));
        } else if self.is_word("test") {
            self.advance();
            let span = self.span();
            let Tok::Text(text) = self.peek().clone() else {
                return Err(self.unexpected("the name of the test, a text"));
            };
            self.named(&text, span);
            self.advance();
            let body = self.block()?;
            file.items.push(Item::Test(Test { name: Name { text, span }, body }));
        } else {
            let failed = self.unexpected("`fn`, `pure`, `behaviour`, `test`, `use`, `unsafe` or `module`");
            return Err(failed);
        }
        Ok(())
    }

    /// A text that serves as a name.
    fn named(&mut self, name: &str, span: super::Span) {
        if name.is_empty() || name.len() > MAX_NAME {
            self.error(Code::LongName, span, "the name is empty or too long", "names have 1 to 100 bytes");
        }
    }

    fn function(&mut self, pure: bool) -> P<Function> {
        let name = self.name("a name of a function")?;
        let params = self.params()?;
        let result = self.result()?;
        let body = self.block()?;
        Ok(Function { name, pure, params, result, body })
    }

    fn params(&mut self) -> P<Vec<Param>> {
        let open = self.span();
        self.role().joined = true;
        self.demand("(", "and the parameters")?;
        self.list(")", open, Self::param)
    }

    pub(super) fn param(&mut self) -> P<Param> {
        let name = self.name_or_blank("a parameter")?;
        let ty = if self.eat(":") { Some(self.ty()?) } else { None };
        Ok(Param { name, ty })
    }

    fn result(&mut self) -> P<Option<Type>> {
        if self.eat("->") { Ok(Some(self.ty()?)) } else { Ok(None) }
    }

    pub(super) fn ty(&mut self) -> P<Type> {
        let outer = self.types;
        self.types += 1;
        let out = self.ty_inside();
        self.types = outer;
        out
    }

    fn ty_inside(&mut self) -> P<Type> {
        self.deeper(|this| {
            let span = this.span();
            if this.types > MAX_TYPES {
                return Err(this.too_deep(span));
            }
            let kind = if this.eat("[") {
                let inner = this.within(true, Self::ty)?;
                this.close("]", span)?;
                TypeKind::List(Box::new(inner))
            } else if this.eat("(") {
                let pair = this.list(")", span, Self::ty)?;
                match <[Type; 2]>::try_from(pair) {
                    Ok([first, second]) => TypeKind::Pair(Box::new(first), Box::new(second)),
                    Err(_) => {
                        return Err(this.error(Code::Unexpected, span, "a pair has two parts", "write `(int, text)`"));
                    }
                }
            } else {
                TypeKind::Word(this.label("a kind of values, as `int` or `[text]`")?.text)
            };
            let mut ty = Type { kind, span: span.to(this.before()) };
            let mut marks = 0;
            while this.is("?") && !this.spaced() && marks < 1 {
                this.advance();
                marks += 1;
                ty = Type { span: span.to(this.before()), kind: TypeKind::Option(Box::new(ty)) };
            }
            Ok(ty)
        })
    }

    fn behaviour(&mut self) -> P<Behaviour> {
        let name = self.name("a name of a behaviour")?;
        let open = self.span();
        self.demand("{", "and handlers")?;
        let mut behaviour = Behaviour { name, state: Vec::new(), handlers: Vec::new() };
        loop {
            self.inside = false;
            if self.eat(";") {
                continue;
            }
            if *self.peek() == Tok::End || self.at_item() {
                return Err(self.not_closed(open));
            }
            if self.eat("}") {
                return Ok(behaviour);
            }
            let from = self.at;
            self.role().start = true;
            if self.member(&mut behaviour).is_err() {
                self.recover(from);
            }
        }
    }

    fn member(&mut self, behaviour: &mut Behaviour) -> P<()> {
        if self.eat_word("state") {
            loop {
                let name = self.name("a name of a field")?;
                self.demand("=", "and its first value")?;
                let value = self.expr()?;
                behaviour.state.push((name, value));
                if !self.eat(",") {
                    return Ok(());
                }
            }
        }
        if !self.eat_word("on") {
            return Err(self.unexpected("`state`, `on` or `}`"));
        }
        let tag = self.label("the tag of a message")?;
        self.named(&tag.text, tag.span);
        if !self.is("(") && &*tag.text == "message" {
            let name = self.name_or_blank("a name for the message")?;
            let result = self.result()?;
            let body = self.block()?;
            behaviour.handlers.push(Handler { tag: name, catch_all: true, params: Vec::new(), result, body });
            return Ok(());
        }
        let params = self.params()?;
        let result = self.result()?;
        let body = self.block()?;
        behaviour.handlers.push(Handler { tag, catch_all: false, params, result, body });
        Ok(())
    }
}
