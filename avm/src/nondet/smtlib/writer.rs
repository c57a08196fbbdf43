//! Writing.

use std::fmt::Write;

use super::{ExportError, PRELUDE};
use crate::fd::Constraint;
use crate::id::{ChoiceId, VarId};
use crate::nondet::bounds::{Leaves, Reach, reach_all};
use crate::nondet::flat::{Flat, Node, One, Two};
use crate::nondet::ground;
use crate::nondet::ir::{Ir, Limits, Objective};
use crate::nondet::json::value_to_json;
use crate::value::Val;

/// Deepest nesting of what is written in place.
const DEPTH: u32 = 16;
/// Most combinations of a constraint that are written one by one.
const COMBINATIONS: usize = 4_096;
/// Most values, not numbers, whose order is written pair by pair.
const OTHERS: usize = 64;
/// Numbers below this keep sums of constraints among those of the machine.
const PLAIN: i128 = 1 << 40;

/// A node in the text: its value, and the condition under which it is defined (`None`: always).
#[derive(Debug, Clone)]
struct Text {
    value: String,
    /// The value is of sort Bool, else Int.
    truth: bool,
    defined: Option<String>,
}

struct Writer<'a> {
    ir: &'a Ir,
    /// Values that are no numbers, in order of appearance.
    symbols: Vec<Val>,
    out: String,
}

/// What the leaves can be, all options and values.
struct All<'a>(&'a Ir);

impl Leaves for All<'_> {
    fn choice(&self, id: ChoiceId) -> Reach {
        Reach::of(&self.0.choices[id.0 as usize].options)
    }

    fn var(&self, id: VarId) -> Reach {
        Reach::of(domain(self.0, id))
    }

    fn table(&self, _: &[ChoiceId], rows: &[Vec<Val>]) -> (bool, bool) {
        (!rows.is_empty(), false)
    }
}

fn domain(ir: &Ir, id: VarId) -> &[Val] {
    ir.fd.vars.iter().find(|(var, _)| *var == id).map_or(&[], |(_, domain)| domain)
}

/// The question as text.
///
/// # Errors
/// When it is not well formed, or cannot be said in this form.
pub fn write(ir: &Ir, limits: &Limits) -> Result<String, ExportError> {
    ir.check(limits)?;
    let mut writer = Writer { ir, symbols: Vec::new(), out: String::new() };
    writer.declare();
    writer.expressions()?;
    writer.constraints()?;
    writer.objectives();
    let mut text = String::from("(set-option :opt.priority lex)\n");
    text.push_str(PRELUDE);
    for (at, value) in writer.symbols.iter().enumerate() {
        // Past writing to a text, which does not fail.
        let _ = writeln!(text, "(define-fun {} () Int {})", name_of(value), (1i128 << 65) + at as i128);
    }
    text.push_str(&writer.out);
    text.push_str("(check-sat)\n(get-model)\n");
    Ok(text)
}

/// Name of a value that is no number.
fn name_of(value: &Val) -> String {
    format!("|val:{}|", escaped(&value_to_json(value).to_string()))
}

/// Fit for a name between bars.
pub(super) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('|', "%7c").replace('\\', "%5c")
}

fn numeral(n: i128) -> String {
    if n < 0 { format!("(- {})", n.unsigned_abs()) } else { n.to_string() }
}

fn list(word: &str, parts: &[String]) -> String {
    format!("({word} {})", parts.join(" "))
}

/// All of these; nothing is `None`.
fn all_of(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.dedup();
    if parts.len() > 1 { Some(list("and", &parts)) } else { parts.pop() }
}

fn any_of(mut parts: Vec<String>) -> String {
    match parts.len() {
        0 => "false".to_owned(),
        1 => parts.swap_remove(0),
        _ => list("or", &parts),
    }
}

/// First `first`; `then` only where that holds.
fn guarded(first: Option<String>, then: Option<String>) -> Option<String> {
    match (first, then) {
        (Some(first), Some(then)) => Some(format!("(ite {first} {then} false)")),
        (first, then) => first.or(then),
    }
}

/// Whether the text of a node may hold that of an operand more than once: then the operand gets a name.
fn repeats(node: &Node, nodes: &[Node], reach: &[Reach]) -> bool {
    let condition = |part: u32| match &nodes[part as usize] {
        Node::Two(op, ..) => !matches!(op, Two::Add | Two::Sub | Two::Mul | Two::Div | Two::Mod),
        Node::One(op, _) => *op != One::Neg,
        Node::In(..) | Node::AllDiff(_) | Node::Table(..) => true,
        Node::Const(_) | Node::Choice(_) | Node::Fd(_) | Node::Ite(..) => false,
    };
    let number = |part: u32| {
        let reach = &reach[part as usize];
        !reach.yes && !reach.no && !reach.other
    };
    match node {
        Node::In(..) => true,
        Node::Two(Two::Lt | Two::Leq | Two::Gt | Two::Geq, a, b) => !number(*a) || !number(*b),
        Node::Two(Two::And | Two::Or, a, b) => !condition(*a) || !condition(*b),
        Node::One(One::Not, a) | Node::Ite(a, ..) => !condition(*a),
        _ => false,
    }
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn value(&mut self, value: &Val) -> String {
        if let Val::Int(n) = value {
            return numeral(*n);
        }
        if !self.symbols.contains(value) {
            self.symbols.push(value.clone());
        }
        name_of(value)
    }

    fn declare(&mut self) {
        let ir = self.ir;
        for choice in &ir.choices {
            let (id, options) = (choice.id.0, &choice.options);
            let first = if let Val::Int(n) = options[0] { Some(n) } else { None };
            let row = first.filter(|n| (0i128..).zip(options).all(|(i, v)| *v == Val::Int(n + i)));
            let value = match row {
                Some(0) => format!("i{id}"),
                Some(n) => format!("(+ i{id} {})", numeral(n)),
                None => {
                    let last = options.len() - 1;
                    let end = self.value(&options[last]);
                    // Nested to the right; halves, so that it nests in the logarithm of the options.
                    if last == 0 { end } else { self.by_index(&format!("i{id}"), options, 0) }
                }
            };
            self.line(&format!("(declare-const i{id} Int) (assert (<= 0 i{id} {}))", options.len() - 1));
            self.line(&format!("(define-fun c{id} () Int {value})"));
        }
        for (id, domain) in &ir.fd.vars {
            let any = domain.iter().map(|value| format!("(= v{} {})", id.0, self.value(value))).collect();
            let any = match domain.len() {
                0 => "false".to_owned(),
                _ => any_of(any),
            };
            self.line(&format!("(declare-const v{} Int) (assert (! {any} :named domain.{}))", id.0, id.0));
        }
    }

    fn by_index(&mut self, index: &str, options: &[Val], from: usize) -> String {
        match options {
            [only] => self.value(only),
            _ => {
                let (low, high) = options.split_at(options.len() / 2);
                let middle = from + low.len();
                let (low, high) = (self.by_index(index, low, from), self.by_index(index, high, middle));
                format!("(ite (< {index} {middle}) {low} {high})")
            }
        }
    }

    fn expressions(&mut self) -> Result<(), ExportError> {
        let ir = self.ir;
        let mut flat = Flat::default();
        let roots: Vec<u32> = ir.expressions().map(|expr| flat.add(expr)).collect();
        let nodes = flat.nodes;
        let reach = reach_all(&nodes, &All(ir));
        let mut uses = vec![0u32; nodes.len()];
        for node in &nodes {
            let again = u32::from(repeats(node, &nodes, &reach));
            node.each(|part| uses[part as usize] += 1 + again);
        }
        let mut depth = vec![0u32; nodes.len()];
        let mut texts: Vec<Text> = Vec::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            let mut text = self.node(node, &texts, &reach)?;
            node.each(|part| depth[at] = depth[at].max(depth[part as usize] + 1));
            let leaf = matches!(node, Node::Const(_) | Node::Choice(_) | Node::Fd(_));
            if !leaf && (uses[at] > 1 || depth[at] >= DEPTH || text.defined.is_some()) {
                depth[at] = 0;
                let sort = if text.truth { "Bool" } else { "Int" };
                self.line(&format!("(define-fun e{at} () {sort} {})", text.value));
                text.value = format!("e{at}");
                if let Some(defined) = text.defined {
                    self.line(&format!("(define-fun d{at} () Bool {defined})"));
                    text.defined = Some(format!("d{at}"));
                }
            }
            texts.push(text);
        }
        let holds: Vec<String> = roots.iter().map(|root| self.holds(&texts[*root as usize])).collect();
        let mut holds = holds.into_iter();
        let mut lines = Vec::new();
        let mut next = || holds.next().unwrap_or_default();
        for at in 0..ir.path.len() {
            lines.push(format!("(assert (! {} :named path.{at}))", next()));
        }
        for (at, asserted) in ir.requires.iter().enumerate() {
            lines.push(match &asserted.name {
                None => format!("(assert {})", next()),
                Some(name) => format!("(assert (! {} :named |require.{at}:{}|))", next(), escaped(name)),
            });
        }
        for soft in &ir.prefers {
            lines.push(format!("(assert-soft {} :weight {})", next(), soft.weight));
        }
        lines.iter().for_each(|line| self.line(line));
        Ok(())
    }

    /// That a node is defined and true.
    fn holds(&mut self, text: &Text) -> String {
        let value = match text.truth {
            true => text.value.clone(),
            false => format!("(= {} {})", text.value, self.value(&Val::Bool(true))),
        };
        guarded(text.defined.clone(), Some(value)).unwrap_or_default()
    }

    /// A value as a number or the name of a value.
    fn coded(&mut self, text: &Text) -> String {
        if text.truth {
            let (yes, no) = (self.value(&Val::Bool(true)), self.value(&Val::Bool(false)));
            format!("(ite {} {yes} {no})", text.value)
        } else {
            text.value.clone()
        }
    }

    /// A value as a condition, and the condition under which it is one.
    fn condition(&mut self, text: &Text, reach: &Reach) -> (String, Option<String>) {
        if text.truth {
            return (text.value.clone(), text.defined.clone());
        }
        let (yes, no) = (self.value(&Val::Bool(true)), self.value(&Val::Bool(false)));
        let always = reach.number.is_none() && !reach.other;
        let is = (!always).then(|| format!("(or (= {} {yes}) (= {} {no}))", text.value, text.value));
        (format!("(= {} {yes})", text.value), guarded(text.defined.clone(), is))
    }

    /// The condition under which a value is a number.
    fn is_number(text: &Text, reach: &Reach) -> Option<String> {
        if text.truth {
            return Some("false".to_owned());
        }
        let always = !reach.yes && !reach.no && !reach.other;
        guarded(text.defined.clone(), (!always).then(|| format!("(number? {})", text.value)))
    }

    fn node(&mut self, node: &Node, texts: &[Text], reach: &[Reach]) -> Result<Text, ExportError> {
        let of = |at: &u32| (&texts[*at as usize], &reach[*at as usize]);
        let truth = |value: String, defined| Text { value, truth: true, defined };
        Ok(match node {
            Node::Const(Val::Bool(known)) => truth(known.to_string(), None),
            Node::Const(value) => Text { value: self.value(value), truth: false, defined: None },
            Node::Choice(id) => Text { value: format!("c{}", id.0), truth: false, defined: None },
            Node::Fd(id) => Text { value: format!("v{}", id.0), truth: false, defined: None },
            Node::Two(op, a, b) => self.two(*op, of(a), of(b))?,
            Node::One(One::Defined, a) => truth(of(a).0.defined.clone().unwrap_or_else(|| "true".to_owned()), None),
            Node::One(One::Not, a) => {
                let (value, defined) = self.condition(of(a).0, of(a).1);
                truth(format!("(not {value})"), defined)
            }
            Node::One(One::Neg, a) => {
                let value = format!("(- {})", if of(a).0.truth { "0" } else { &of(a).0.value });
                self.number(value, Self::is_number(of(a).0, of(a).1), of(a).1.number.map(|(low, high)| (-high, -low)))
            }
            Node::Ite(a, b, c) => {
                let (condition, is) = self.condition(of(a).0, of(a).1);
                let (yes, no) = (of(b).0.clone(), of(c).0.clone());
                let one_truth = yes.truth && no.truth;
                let (one, two) = if one_truth { (yes.value, no.value) } else { (self.coded(&yes), self.coded(&no)) };
                let branch = match (yes.defined, no.defined) {
                    (None, None) => None,
                    (one, two) => {
                        let known = |defined: Option<String>| defined.unwrap_or_else(|| "true".to_owned());
                        Some(format!("(ite {condition} {} {})", known(one), known(two)))
                    }
                };
                let value = format!("(ite {condition} {one} {two})");
                Text { value, truth: one_truth, defined: guarded(is, branch) }
            }
            Node::In(a, values) => {
                let value = self.coded(of(a).0);
                let any = values.iter().map(|v| format!("(= {value} {})", self.value(v))).collect();
                truth(any_of(any), of(a).0.defined.clone())
            }
            Node::AllDiff(all) => {
                let parts: Vec<String> = all.iter().map(|at| self.coded(of(at).0)).collect();
                let value = if parts.len() > 1 { list("distinct", &parts) } else { "true".to_owned() };
                truth(value, all_of(all.iter().map(|at| of(at).0.defined.clone())))
            }
            Node::Table(ids, rows) => {
                let row = |row: &Vec<Val>, writer: &mut Self| {
                    let parts = ids.iter().zip(row).map(|(id, v)| Some(format!("(= c{} {})", id.0, writer.value(v))));
                    all_of(parts.collect::<Vec<_>>()).unwrap_or_else(|| "true".to_owned())
                };
                truth(any_of(rows.iter().map(|r| row(r, self)).collect()), None)
            }
        })
    }

    fn number(&self, value: String, defined: Option<String>, bounds: Option<(i128, i128)>) -> Text {
        let inside = bounds.is_some_and(|(low, high)| low >= crate::value::INT_MIN && high <= crate::value::INT_MAX);
        let range = (!inside).then(|| format!("(in-range {value})"));
        Text { value, truth: false, defined: guarded(defined, range) }
    }

    fn two(&mut self, op: Two, a: (&Text, &Reach), b: (&Text, &Reach)) -> Result<Text, ExportError> {
        match op {
            Two::And | Two::Or => {
                let ((one, is_one), (two, is_two)) = (self.condition(a.0, a.1), self.condition(b.0, b.1));
                let value = format!("({} {one} {two})", if op == Two::And { "and" } else { "or" });
                Ok(Text { value, truth: true, defined: all_of([is_one, is_two]) })
            }
            Two::Eq | Two::Neq => {
                let word = if op == Two::Eq { "=" } else { "distinct" };
                let value = if a.0.truth && b.0.truth {
                    format!("({word} {} {})", a.0.value, b.0.value)
                } else {
                    format!("({word} {} {})", self.coded(a.0), self.coded(b.0))
                };
                Ok(Text { value, truth: true, defined: all_of([a.0.defined.clone(), b.0.defined.clone()]) })
            }
            Two::Lt | Two::Leq | Two::Gt | Two::Geq => self.comparison(op, a, b),
            Two::Add | Two::Sub | Two::Mul | Two::Div | Two::Mod => {
                let plain = |text: &Text| if text.truth { "0".to_owned() } else { text.value.clone() };
                let (x, y) = (plain(a.0), plain(b.0));
                let numbers = all_of([Self::is_number(a.0, a.1), Self::is_number(b.0, b.1)]);
                let (of_x, of_y) = (a.1.number, b.1.number);
                let both = of_x.zip(of_y);
                let (word, bounds) = match op {
                    Two::Add => ("+", both.map(|(x, y)| (x.0 + y.0, x.1 + y.1))),
                    Two::Sub => ("-", both.map(|(x, y)| (x.0 - y.1, x.1 - y.0))),
                    Two::Mul => {
                        let small = both.filter(|(x, y)| [x.0, x.1, y.0, y.1].iter().all(|n| n.abs() < 1 << 31));
                        ("*", small.map(|_| (0, 0)))
                    }
                    Two::Div => ("floor-div", both.filter(|(_, y)| y.0 > 0).map(|_| (0, 0))),
                    _ => ("floor-mod", both.filter(|(_, y)| y.0 > 0).map(|_| (0, 0))),
                };
                let divides = matches!(op, Two::Div | Two::Mod) && of_y.is_none_or(|(low, high)| low <= 0 && high >= 0);
                let nought = divides.then(|| format!("(distinct {y} 0)"));
                Ok(self.number(format!("({word} {x} {y})"), guarded(numbers, nought), bounds))
            }
        }
    }

    fn comparison(&mut self, op: Two, a: (&Text, &Reach), b: (&Text, &Reach)) -> Result<Text, ExportError> {
        let word = match op {
            Two::Lt => "<",
            Two::Leq => "<=",
            Two::Gt => ">",
            _ => ">=",
        };
        let plain = |(text, reach): (&Text, &Reach)| !text.truth && !reach.yes && !reach.no && !reach.other;
        if plain(a) && plain(b) {
            let value = format!("({word} {} {})", a.0.value, b.0.value);
            return Ok(Text { value, truth: true, defined: all_of([a.0.defined.clone(), b.0.defined.clone()]) });
        }
        let (x, y) = (self.coded(a.0), self.coded(b.0));
        let (mut holds, mut comparable) = (Vec::new(), Vec::new());
        if a.1.number.is_some() && b.1.number.is_some() {
            let both = format!("(and (number? {x}) (number? {y}))");
            holds.push(format!("(ite {both} ({word} {x} {y}) false)"));
            comparable.push(both);
        }
        let all = self.all_values();
        if all.len() > OTHERS {
            return Err(ExportError::Values(all.len()));
        }
        for one in &all {
            for two in &all {
                let Some(order) = one.compare(two) else { continue };
                let fits = match op {
                    Two::Lt => order.is_lt(),
                    Two::Leq => order.is_le(),
                    Two::Gt => order.is_gt(),
                    _ => order.is_ge(),
                };
                let both = format!("(and (= {x} {}) (= {y} {}))", self.value(one), self.value(two));
                if fits {
                    holds.push(both.clone());
                }
                comparable.push(both);
            }
        }
        let defined = all_of([a.0.defined.clone(), b.0.defined.clone()]);
        Ok(Text { value: any_of(holds), truth: true, defined: guarded(defined, Some(any_of(comparable))) })
    }

    /// Every value of the question that is no number.
    fn all_values(&self) -> Vec<Val> {
        let options = self.ir.choices.iter().flat_map(|choice| &choice.options);
        let domains = self.ir.fd.vars.iter().flat_map(|(_, domain)| domain);
        let mut all = vec![Val::Bool(false), Val::Bool(true)];
        for value in options.chain(domains).chain(&self.symbols) {
            if !matches!(value, Val::Int(_)) && !all.contains(value) {
                all.push(value.clone());
            }
        }
        all
    }

    fn constraints(&mut self) -> Result<(), ExportError> {
        let ir = self.ir;
        for (at, constraint) in ir.fd.constraints.iter().enumerate() {
            let text = self.constraint(at, constraint)?;
            self.line(&format!("(assert (! {text} :named fd.{at}))"));
        }
        for (at, refuted) in ir.fd.refutations.iter().enumerate() {
            let not: Vec<String> =
                refuted.iter().map(|(id, value)| format!("(not (= v{} {}))", id.0, self.value(value))).collect();
            self.line(&format!("(assert (! {} :named refuted.{at}))", any_of(not)));
        }
        Ok(())
    }

    fn constraint(&mut self, at: usize, constraint: &Constraint) -> Result<String, ExportError> {
        let ir = self.ir;
        let numbers = |id: &VarId| domain(ir, *id).iter().all(|v| matches!(v, Val::Int(n) if n.abs() < PLAIN));
        let plain = constraint.vars().iter().all(numbers);
        let pair = |word: &str, x: &VarId, y: &VarId| Ok(format!("({word} v{} v{})", x.0, y.0));
        let offset = |word: &str, x: &VarId, y: &VarId, k: &i64| {
            Ok(format!("({word} v{} (+ v{} {}))", x.0, y.0, numeral(i128::from(*k))))
        };
        let small = |k: &i64| i128::from(*k).abs() < PLAIN;
        match constraint {
            Constraint::Eq(x, y) => pair("=", x, y),
            Constraint::Neq(x, y) => pair("distinct", x, y),
            Constraint::Leq(x, y) if plain => pair("<=", x, y),
            Constraint::Lt(x, y) if plain => pair("<", x, y),
            Constraint::Geq(x, y) if plain => pair(">=", x, y),
            Constraint::Gt(x, y) if plain => pair(">", x, y),
            Constraint::NeqOff(x, y, k) if plain && small(k) => offset("distinct", x, y, k),
            Constraint::EqOff(x, y, k) if plain && small(k) => offset("=", x, y, k),
            Constraint::LeqOff(x, y, k) if plain && small(k) => offset("<=", x, y, k),
            Constraint::AllDiff(vars) if vars.len() > 1 => {
                Ok(list("distinct", &vars.iter().map(|id| format!("v{}", id.0)).collect::<Vec<_>>()))
            }
            Constraint::SumEq(terms, n) | Constraint::SumLeq(terms, n)
                if plain && terms.len() < 1_024 && terms.iter().all(|(factor, _)| factor.abs() < 1 << 12) =>
            {
                let term = |(factor, id): &(i64, VarId)| format!("(* {} v{})", numeral(i128::from(*factor)), id.0);
                let parts: Vec<String> = std::iter::once("0".to_owned()).chain(terms.iter().map(term)).collect();
                let word = if matches!(constraint, Constraint::SumEq(..)) { "=" } else { "<=" };
                Ok(format!("({word} {} {})", list("+", &parts), numeral(i128::from(*n))))
            }
            _ => self.combinations(at, constraint),
        }
    }

    /// Every combination that keeps a constraint.
    fn combinations(&mut self, at: usize, constraint: &Constraint) -> Result<String, ExportError> {
        let ir = self.ir;
        let mut vars = constraint.vars();
        vars.sort_unstable();
        vars.dedup();
        let mut rows: Vec<Vec<&Val>> = vec![Vec::new()];
        for id in &vars {
            let values = domain(ir, *id);
            if rows.len().saturating_mul(values.len()) > COMBINATIONS {
                return Err(ExportError::Wide(at));
            }
            rows = rows.iter().flat_map(|row| values.iter().map(|v| [&row[..], &[v]].concat())).collect();
        }
        let mut kept = Vec::new();
        for row in rows {
            let value = |id: VarId| vars.binary_search(&id).ok().map(|at| row[at]);
            if ground::holds(constraint, &value) {
                let parts = vars.iter().zip(&row).map(|(id, v)| Some(format!("(= v{} {})", id.0, self.value(v))));
                kept.push(all_of(parts.collect::<Vec<_>>()).unwrap_or_else(|| "true".to_owned()));
            }
        }
        Ok(any_of(kept))
    }

    fn objectives(&mut self) {
        let ir = self.ir;
        if ir.objective == Objective::MaxWeight {
            let mut parts = vec!["0".to_owned()];
            for choice in &ir.choices {
                if let Some(weights) = &choice.weights {
                    let weights: Vec<Val> = weights.iter().map(|weight| Val::from(*weight)).collect();
                    parts.push(self.by_index(&format!("i{}", choice.id.0), &weights, 0));
                }
            }
            self.line(&format!("(maximize {})", list("+", &parts)));
        }
        for choice in &ir.choices {
            self.line(&format!("(minimize i{})", choice.id.0));
        }
        for (id, domain) in &ir.fd.vars {
            // Position in the domain.
            let last = domain.len().saturating_sub(1);
            let mut text = last.to_string();
            for (at, value) in domain.iter().enumerate().take(last).rev() {
                text = format!("(ite (= v{} {}) {at} {text})", id.0, self.value(value));
            }
            if last < DEPTH as usize * 8 {
                self.line(&format!("(minimize {text})"));
            } else {
                // Too deep in one piece: a sum says the same.
                let parts: Vec<String> = domain
                    .iter()
                    .enumerate()
                    .skip(1)
                    .map(|(at, value)| format!("(ite (= v{} {}) {at} 0)", id.0, self.value(value)))
                    .collect();
                self.line(&format!("(minimize {})", list("+", &parts)));
            }
        }
    }
}
