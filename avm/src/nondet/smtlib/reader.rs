//! Reading: the form that is written, and texts from elsewhere that keep to it.

use std::sync::Arc;

use super::lexer::{At, Sexp, parse};
use super::{PRELUDE, SmtError};
use crate::id::{ChoiceId, VarId};
use crate::nondet::flat::{Flat, Map, Node, Two};
use crate::nondet::ir::{Answer, Asserted, Choice, Expr, Ir, Limits, Objective, Soft};
use crate::nondet::json::value_from_json;
use crate::value::{INT_MAX, INT_MIN, Val};

/// Most options of a choice.
const MAX_OPTIONS: i128 = 1 << 20;

/// Reads a question.
///
/// # Errors
/// The first place where the text is not of the form, and what to write; a question that is refused is an error of its last line.
pub fn read(text: &str, limits: &Limits) -> Result<Ir, SmtError> {
    let commands = parse(text)?;
    let last = commands.last().map_or(At { line: 1, column: 1 }, Sexp::at);
    let mut reader = Reader::default();
    for command in &commands {
        reader.command(command)?;
    }
    let ir = reader.finish(last)?;
    ir.check(limits).or_else(|error| last.wrong(error.to_string()))?;
    Ok(ir)
}

/// What a declared constant is.
#[derive(Debug, Clone)]
enum Slot {
    /// Declared, nothing said of its values yet.
    Bare(At),
    /// Its values are known.
    Known,
}

#[derive(Debug, Default)]
struct Reader {
    ir: Ir,
    slots: Map<String, Slot>,
    /// Definitions; also the constants once their values are known.
    names: Map<String, Arc<Expr>>,
    minimised: Vec<(At, Arc<Expr>)>,
    maximised: Option<(At, Arc<Expr>)>,
}

impl Reader {
    fn command(&mut self, command: &Sexp) -> Result<(), SmtError> {
        let at = command.at();
        let parts = command.list().unwrap_or_default();
        let Some(word) = parts.first().and_then(Sexp::word) else {
            return at.wrong("expected a command, for example (assert (>= c0 2))");
        };
        match (word, &parts[1..]) {
            ("set-logic" | "set-option" | "set-info" | "check-sat" | "get-model" | "get-objectives" | "exit", _) => Ok(()),
            ("declare-const", [name, sort]) => self.declare(name, sort),
            ("declare-fun", [name, Sexp::List(_, none), sort]) if none.is_empty() => self.declare(name, sort),
            ("define-fun", [name, Sexp::List(_, parameters), sort, body]) => self.define(command, name, parameters, sort, body),
            ("assert", [body]) => self.assert(body),
            ("assert-soft", [body, options @ ..]) => self.soft(body, options),
            ("minimize", [body]) => {
                let expr = self.term(body)?;
                self.minimised.push((at, expr));
                Ok(())
            }
            ("maximize", [body]) => {
                if self.maximised.is_some() {
                    return at.wrong("one maximize is read: add the weights up in it");
                }
                self.maximised = Some((at, self.term(body)?));
                Ok(())
            }
            _ => at.wrong(format!(
                "'{word}' in this form is not read: use declare-const NAME Int, define-fun NAME () Int|Bool TERM, assert, \
                 assert-soft TERM :weight N, maximize, minimize, check-sat"
            )),
        }
    }

    fn new_name<'s>(&self, name: &'s Sexp) -> Result<&'s str, SmtError> {
        match name.word() {
            Some(word) if !self.names.contains_key(word) && !self.slots.contains_key(word) => Ok(word),
            Some(word) => name.at().wrong(format!("'{word}' is there already: take another name")),
            None => name.at().wrong("expected a name"),
        }
    }

    fn declare(&mut self, name: &Sexp, sort: &Sexp) -> Result<(), SmtError> {
        let word = self.new_name(name)?;
        if sort.word() != Some("Int") {
            return sort.at().wrong("constants are of sort Int: (declare-const NAME Int)");
        }
        self.slots.insert(word.to_owned(), Slot::Bare(name.at()));
        Ok(())
    }

    fn define(
        &mut self,
        command: &Sexp,
        name: &Sexp,
        parameters: &[Sexp],
        sort: &Sexp,
        body: &Sexp,
    ) -> Result<(), SmtError> {
        if !parameters.is_empty() {
            // The four of the prelude are known by name; others are not read.
            let known = parse(PRELUDE)?;
            return match known.iter().any(|known| same(known, command)) {
                true => Ok(()),
                false => command.at().wrong("definitions with parameters are not read: write the term out"),
            };
        }
        let word = self.new_name(name)?;
        if !matches!(sort.word(), Some("Int" | "Bool")) {
            return sort.at().wrong("definitions are of sort Int or Bool");
        }
        let expr = match word.strip_prefix("val:") {
            Some(value) => Arc::new(Expr::Const(value_of(value, name.at())?)),
            None => self.term(body)?,
        };
        self.names.insert(word.to_owned(), expr);
        Ok(())
    }

    fn assert(&mut self, body: &Sexp) -> Result<(), SmtError> {
        let (body, named) = match body.list() {
            Some([Sexp::Word(_, bang), inner, rest @ ..]) if bang == "!" => (inner, name_in(rest)?),
            _ => (body, None),
        };
        if self.domain(body)? {
            return Ok(());
        }
        let expr = Expr::clone(&*self.term(body)?);
        let word = named.unwrap_or_default();
        let background = ["path.", "fd.", "refuted.", "domain."].iter().any(|start| word.starts_with(start));
        if background {
            self.ir.path.push(expr);
            return Ok(());
        }
        let name = match word.strip_prefix("require.").and_then(|rest| rest.split_once(':')) {
            Some((_, name)) => Some(unescaped(name)),
            None if word.is_empty() => None,
            None => Some(word.to_owned()),
        };
        self.ir.requires.push(Asserted { expr, name: name.map(Into::into), place: None });
        Ok(())
    }

    /// The first assertion about a declared constant says which values it has.
    fn domain(&mut self, body: &Sexp) -> Result<bool, SmtError> {
        let Some([op, parts @ ..]) = body.list() else {
            return self.empty_domain(body);
        };
        match (op.word(), parts) {
            (Some("<="), [low, name, high]) => {
                let Some(word) = self.bare(name) else { return Ok(false) };
                let (Some(low), Some(high)) = (number(low), number(high)) else {
                    return body.at().wrong(format!("expected bounds of '{word}': (<= 0 {word} 4)"));
                };
                if low > high || high - low >= MAX_OPTIONS || low < INT_MIN || high > INT_MAX {
                    return body.at().wrong(format!("bounds of '{word}' hold no value, or more than {MAX_OPTIONS}"));
                }
                let id = self.ir.choices.len() as u32;
                let options = (low..=high).map(Val::Int).collect();
                self.ir.choices.push(Choice { id: ChoiceId(id), options, weights: None, place: None });
                self.slots.insert(word.clone(), Slot::Known);
                self.names.insert(word, Expr::choice(id));
                Ok(true)
            }
            (Some("or"), [first, ..]) => {
                let Some(word) = first.list().and_then(|parts| parts.get(1)).and_then(|name| self.bare(name)) else {
                    return Ok(false);
                };
                let values = parts.iter().map(|part| self.value_in(&word, part)).collect::<Result<Vec<_>, _>>()?;
                self.variable(word, values, body.at())
            }
            (Some("="), [name, _]) => {
                let Some(word) = self.bare(name) else { return Ok(false) };
                let value = self.value_in(&word, body)?;
                self.variable(word, vec![value], body.at())
            }
            _ => Ok(false),
        }
    }

    /// `false` is the disjunction of no values, of the constant declared last.
    fn empty_domain(&mut self, body: &Sexp) -> Result<bool, SmtError> {
        let bare = self.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Bare(_))).map(|(name, _)| name.clone());
        let mut bare: Vec<String> = bare.collect();
        match (body.word(), bare.pop(), bare.is_empty()) {
            (Some("false"), Some(word), true) => self.variable(word, Vec::new(), body.at()),
            _ => Ok(false),
        }
    }

    fn bare(&self, name: &Sexp) -> Option<String> {
        let word = name.word()?;
        matches!(self.slots.get(word), Some(Slot::Bare(_))).then(|| word.to_owned())
    }

    /// The value in `(= name value)`.
    fn value_in(&mut self, word: &str, part: &Sexp) -> Result<Val, SmtError> {
        if let Some([op, name, value]) = part.list()
            && op.word() == Some("=")
            && name.word() == Some(word)
            && let Expr::Const(value) = &*self.term(value)?
        {
            return Ok(value.clone());
        }
        part.at()
            .wrong(format!("expected the values of '{word}' here: (or (= {word} 1) (= {word} 2)), or (<= 0 {word} 4)"))
    }

    fn variable(&mut self, word: String, values: Vec<Val>, at: At) -> Result<bool, SmtError> {
        let before = self.ir.fd.vars.last().map_or(0, |(id, _)| id.0);
        let own = word.strip_prefix('v').and_then(|n| n.parse::<u32>().ok()).filter(|id| *id > before);
        let Some(id) = own.or_else(|| before.checked_add(1)) else { return at.wrong("too many variables") };
        self.ir.fd.vars.push((VarId(id), values));
        self.slots.insert(word.clone(), Slot::Known);
        self.names.insert(word, Expr::var(id));
        Ok(true)
    }

    fn soft(&mut self, body: &Sexp, options: &[Sexp]) -> Result<(), SmtError> {
        let expr = Expr::clone(&*self.term(body)?);
        let mut weight = 1;
        for pair in options.chunks(2) {
            match (pair[0].word(), pair.get(1)) {
                (Some(":weight"), Some(value)) => match number(value).and_then(|n| i64::try_from(n).ok()) {
                    Some(n) => weight = n,
                    None => return value.at().wrong("expected a whole number as weight"),
                },
                (Some(":id"), Some(_)) => {}
                _ => return pair[0].at().wrong("expected :weight and a whole number"),
            }
        }
        self.ir.prefers.push(Soft { expr, weight });
        self.ir.objective = Objective::MaxWeight;
        Ok(())
    }

    fn finish(mut self, last: At) -> Result<Ir, SmtError> {
        let bare = self.slots.iter().filter_map(|(name, slot)| match slot {
            Slot::Bare(at) => Some((at.line, at.column, name)),
            _ => None,
        });
        if let Some((line, column, name)) = bare.min() {
            return At { line, column }
                .wrong(format!("'{name}' has no values: assert (<= 0 {name} 4) or (or (= {name} 1) (= {name} 2))"));
        }
        if let Some((at, expr)) = self.maximised.take() {
            self.weights(at, &expr)?;
        }
        self.order(last)?;
        Ok(self.ir)
    }

    /// Weights of options: a sum of which each part depends on one choice at most.
    fn weights(&mut self, at: At, expr: &Arc<Expr>) -> Result<(), SmtError> {
        self.ir.objective = Objective::MaxWeight;
        let mut parts = vec![Arc::clone(expr)];
        while let Some(part) = parts.pop() {
            if let Expr::Add(a, b) = &*part {
                parts.extend([Arc::clone(a), Arc::clone(b)]);
                continue;
            }
            let mut flat = Flat::default();
            flat.add(&part);
            let mut about = None;
            for node in &flat.nodes {
                match node {
                    Node::Choice(id) if about.is_none_or(|have| have == *id) => about = Some(*id),
                    Node::Choice(_) | Node::Fd(_) => {
                        return at.wrong("each part of maximize may depend on one choice only");
                    }
                    _ => {}
                }
            }
            let Some(id) = about else { continue };
            let count = self.ir.choices[id.0 as usize].options.len();
            let mut weights = self.ir.choices[id.0 as usize].weights.clone().unwrap_or_else(|| vec![0; count]);
            for (option, weight) in weights.iter_mut().enumerate() {
                let mut picked = Answer { choices: vec![0; self.ir.choices.len()], ..Answer::default() };
                picked.choices[id.0 as usize] = option as u32;
                let more = match part.value(&self.ir, &picked) {
                    Some(Val::Int(n)) => i64::try_from(n).ok().and_then(|n| weight.checked_add(n)),
                    _ => None,
                };
                let Some(sum) = more else { return at.wrong("weights are whole numbers of 64 bits") };
                *weight = sum;
            }
            self.ir.choices[id.0 as usize].weights = Some(weights);
        }
        Ok(())
    }

    /// What is minimised: the choices in order, then positions of the variables in order.
    fn order(&self, last: At) -> Result<(), SmtError> {
        if self.minimised.is_empty() {
            return Ok(());
        }
        let all = self.ir.choices.len() + self.ir.fd.vars.len();
        for (place, (at, expr)) in self.minimised.iter().enumerate() {
            let fits = match self.ir.choices.get(place) {
                Some(choice) => matches!(&**expr, Expr::Choice(id) if *id == choice.id),
                None => self.ir.fd.vars.get(place - self.ir.choices.len()).is_some_and(|(id, domain)| {
                    let position = |(i, value): (usize, &Val)| {
                        let answer = Answer { choices: Vec::new(), vars: [(*id, value.clone())].into() };
                        expr.value(&self.ir, &answer) == Some(Val::Int(i as i128))
                    };
                    domain.iter().enumerate().all(position)
                }),
            };
            if !fits {
                return at.wrong(
                    "minimise the choices in the order in which their bounds stand, then the position of each variable in its \
                     disjunction: declare them in the order in which they matter",
                );
            }
        }
        if self.minimised.len() != all {
            return last.wrong(format!(
                "{} of {all} constants are minimised: minimise all in order, or none",
                self.minimised.len()
            ));
        }
        Ok(())
    }

    /// A term. Its depth is bounded by that of the parentheses.
    fn term(&mut self, term: &Sexp) -> Result<Arc<Expr>, SmtError> {
        let at = term.at();
        let Some(parts) = term.list() else {
            let word = term.word().unwrap_or_default();
            return match word {
                "true" => Ok(Expr::constant(true)),
                "false" => Ok(Expr::constant(false)),
                _ if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    match word.parse::<i128>().ok().and_then(Val::int) {
                        Some(value) => Ok(Arc::new(Expr::Const(value))),
                        None => at.wrong(format!("'{word}' is not a whole number up to {INT_MAX}")),
                    }
                }
                _ => match (self.names.get(word), self.slots.get(word)) {
                    (Some(expr), _) => Ok(Arc::clone(expr)),
                    (None, Some(_)) => at.wrong(format!(
                        "nothing says which values '{word}' has: assert (<= 0 {word} 4) before its use"
                    )),
                    (None, None) => at.wrong(format!("'{word}' is not known: declare or define it before")),
                },
            };
        };
        let Some(op) = parts.first().and_then(Sexp::word) else { return at.wrong("expected (operation term ..)") };
        if let Some(value) = number(term).and_then(Val::int) {
            return Ok(Arc::new(Expr::Const(value)));
        }
        let args = parts[1..].iter().map(|part| self.term(part)).collect::<Result<Vec<_>, _>>()?;
        apply(op, &args, at)
    }
}

/// An operation of terms.
fn apply(op: &str, args: &[Arc<Expr>], at: At) -> Result<Arc<Expr>, SmtError> {
    let left = |two: fn(&Arc<Expr>, &Arc<Expr>) -> Arc<Expr>| {
        let (first, rest) = args.split_first()?;
        Some(rest.iter().fold(Arc::clone(first), |all, one| two(&all, one)))
    };
    let chain = |two: fn(&Arc<Expr>, &Arc<Expr>) -> Arc<Expr>| {
        let mut pairs = args.windows(2).map(|pair| two(&pair[0], &pair[1]));
        let first = pairs.next()?;
        Some(pairs.fold(first, |all, one| Expr::both(&all, &one)))
    };
    let built = match (op, args) {
        ("+", _) => left(Expr::plus),
        ("-", [a]) => Some(Expr::negated(a)),
        ("-", _) => left(Expr::minus),
        ("*", _) => left(Expr::times),
        ("floor-div", [a, b]) => Some(Expr::quotient(a, b)),
        ("floor-mod", [a, b]) => Some(Expr::remainder(a, b)),
        ("div" | "mod", [a, b]) => match &**b {
            // Only with a positive divisor is it the machine's.
            Expr::Const(Val::Int(n)) if *n > 0 => {
                Some(if op == "div" { Expr::quotient(a, b) } else { Expr::remainder(a, b) })
            }
            _ => return at.wrong(format!("{op} is read with a positive number as divisor: else use floor-{op}")),
        },
        ("=", [_, _, ..]) => chain(Expr::equal),
        ("<", [_, _, ..]) => chain(Expr::less),
        ("<=", [_, _, ..]) => chain(Expr::at_most),
        (">", [_, _, ..]) => chain(Expr::greater),
        (">=", [_, _, ..]) => chain(Expr::at_least),
        ("distinct", [a, b]) => Some(Expr::unequal(a, b)),
        ("distinct", [_, _, ..]) => Some(Expr::all_different(args)),
        ("and", _) => left(Expr::both),
        ("or", _) => left(Expr::either),
        ("not", [a]) => Some(Expr::not(a)),
        ("=>", [a, b]) => Some(Expr::either(&Expr::not(a), b)),
        ("ite", [a, b, c]) => Some(Expr::ite(a, b, c)),
        ("in-range", [a]) => Some(Expr::defined(a)),
        ("number?", [a]) => Some(match &**a {
            Expr::Const(value) => Expr::constant(matches!(value, Val::Int(_))),
            // Adding nought keeps a number in range, and is not defined for anything else.
            _ => Arc::new(Expr::Defined(flat_sum(a))),
        }),
        _ => None,
    };
    let usage = "read are + - * div mod = distinct < <= > >= and or not => ite with their usual numbers of terms, in-range, \
                 number?, floor-div, floor-mod";
    built.map_or_else(|| at.wrong(format!("'{op}' with {} terms is not read; {usage}", args.len())), Ok)
}

fn flat_sum(a: &Arc<Expr>) -> Arc<Expr> {
    Arc::new(crate::nondet::flat::two(Two::Add, Arc::clone(a), Expr::constant(0)))
}

/// A numeral, or `(- numeral)`.
fn number(term: &Sexp) -> Option<i128> {
    match term {
        Sexp::Word(_, word) => word.parse().ok().filter(|_| word.starts_with(|c: char| c.is_ascii_digit())),
        Sexp::List(_, parts) => match &parts[..] {
            [Sexp::Word(_, minus), n @ Sexp::Word(..)] if minus == "-" => number(n).map(|n: i128| -n),
            _ => None,
        },
    }
}

/// The name in `:named NAME`.
fn name_in(options: &[Sexp]) -> Result<Option<&str>, SmtError> {
    match options {
        [] => Ok(None),
        [key, name] if key.word() == Some(":named") => Ok(name.word()),
        [other, ..] => other.at().wrong("expected :named and a name"),
    }
}

fn same(one: &Sexp, two: &Sexp) -> bool {
    match (one, two) {
        (Sexp::Word(_, a), Sexp::Word(_, b)) => a == b,
        (Sexp::List(_, a), Sexp::List(_, b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => false,
    }
}

fn unescaped(text: &str) -> String {
    text.replace("%5c", "\\").replace("%7c", "|").replace("%25", "%")
}

fn value_of(text: &str, at: At) -> Result<Val, SmtError> {
    let wrong = |error: String| SmtError { line: at.line, column: at.column, message: error };
    let json =
        serde_json::from_str(&unescaped(text)).map_err(|error| wrong(format!("the name holds no value: {error}")))?;
    value_from_json(&json).map_err(|error| wrong(format!("the name holds no value: {error}")))
}
