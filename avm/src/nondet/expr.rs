//! Building expressions: constants are worked out at once, what may be undefined is kept. Dropping, comparing, hashing, showing and
//! storing an expression take bounded stack, however deep it is, and work in its distinct nodes, however often they are shared.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::eval::{apply_one, apply_two};
use super::flat::{self, Flat, Node, One, Two, operands};
use super::ir::Expr;
use crate::id::{ChoiceId, VarId};
use crate::value::Val;

/// How deep an expression is shown.
const SHOWN_DEPTH: u32 = 24;
/// How many nodes of an expression take part in its hash.
const HASHED_NODES: usize = 64;

macro_rules! two_operands {
    ($($name:ident $op:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        #[must_use]
        pub fn $name(a: &Arc<Self>, b: &Arc<Self>) -> Arc<Self> {
            Self::combine(Two::$op, a, b)
        }
    )*};
}

impl Expr {
    two_operands! {
        plus Add "a + b of numbers.";
        minus Sub "a - b.";
        times Mul "a * b.";
        quotient Div "a / b towards minus infinity; undefined when b is 0.";
        remainder Mod "a mod b with the sign of b; undefined when b is 0.";
        equal Eq "a == b; values of different kinds are unequal.";
        unequal Neq "a != b.";
        less Lt "a < b; undefined when they cannot be compared.";
        at_most Leq "a <= b.";
        greater Gt "a > b.";
        at_least Geq "a >= b.";
        both And "a and b, both evaluated.";
        either Or "a or b, both evaluated.";
    }

    /// A constant.
    #[must_use]
    pub fn constant(value: impl Into<Val>) -> Arc<Self> {
        Arc::new(Self::Const(value.into()))
    }

    /// The value of a choice.
    #[must_use]
    pub fn choice(id: u32) -> Arc<Self> {
        Arc::new(Self::Choice(ChoiceId(id)))
    }

    /// The value of a variable.
    #[must_use]
    pub fn var(id: u32) -> Arc<Self> {
        Arc::new(Self::Fd(VarId(id)))
    }

    /// -a.
    #[must_use]
    pub fn negated(a: &Arc<Self>) -> Arc<Self> {
        Self::alone(One::Neg, a)
    }

    /// Not a. The negation of a comparison is the opposite comparison: both are undefined where the one is.
    #[must_use]
    pub fn not(a: &Arc<Self>) -> Arc<Self> {
        let opposite = match &**a {
            Self::Eq(x, y) => (Two::Neq, x, y),
            Self::Neq(x, y) => (Two::Eq, x, y),
            Self::Lt(x, y) => (Two::Geq, x, y),
            Self::Geq(x, y) => (Two::Lt, x, y),
            Self::Leq(x, y) => (Two::Gt, x, y),
            Self::Gt(x, y) => (Two::Leq, x, y),
            _ => return Self::alone(One::Not, a),
        };
        Arc::new(flat::two(opposite.0, Arc::clone(opposite.1), Arc::clone(opposite.2)))
    }

    /// Whether a is defined.
    #[must_use]
    pub fn defined(a: &Arc<Self>) -> Arc<Self> {
        if a.surely_defined() { Self::constant(true) } else { Self::alone(One::Defined, a) }
    }

    /// If `condition` then `a` else `b`; only the branch taken is evaluated.
    #[must_use]
    pub fn ite(condition: &Arc<Self>, a: &Arc<Self>, b: &Arc<Self>) -> Arc<Self> {
        match &**condition {
            Self::Const(Val::Bool(true)) => Arc::clone(a),
            Self::Const(Val::Bool(false)) => Arc::clone(b),
            _ => Arc::new(Self::Ite(Arc::clone(condition), Arc::clone(a), Arc::clone(b))),
        }
    }

    /// Whether the value of `a` is one of `values`.
    #[must_use]
    pub fn among(a: &Arc<Self>, values: Vec<Val>) -> Arc<Self> {
        match &**a {
            Self::Const(value) => Self::constant(values.contains(value)),
            _ => Arc::new(Self::In(Arc::clone(a), values)),
        }
    }

    /// Whether all values differ.
    #[must_use]
    pub fn all_different(all: &[Arc<Self>]) -> Arc<Self> {
        Arc::new(Self::AllDiff(all.iter().map(|part| Self::clone(part)).collect()))
    }

    /// Whether the first of some calls comes before the first of some others: for each call in order whether it is one of the former,
    /// and whether it is one of the latter. Both have to be there.
    #[must_use]
    pub fn before(calls: &[(Arc<Self>, Arc<Self>)]) -> Arc<Self> {
        let plainly = |expr: &Arc<Self>, truth: bool| **expr == Self::Const(Val::Bool(truth));
        let or = |a: &Arc<Self>, b: &Arc<Self>| {
            if plainly(a, false) || plainly(b, true) { Arc::clone(b) } else { Self::either(a, b) }
        };
        let (mut first, mut second) = (Self::constant(false), Self::constant(false));
        for (one, two) in calls {
            second = or(&second, two);
            if !plainly(one, false) && !plainly(&second, true) {
                first = or(&first, &Self::both(one, &Self::not(&second)));
            }
        }
        Self::both(&first, &second)
    }

    /// The opposite of "holds": the condition is false, undefined, or no truth value. Never undefined itself.
    #[must_use]
    pub fn excluded(a: &Arc<Self>) -> Arc<Self> {
        if let Self::Const(value) = &**a {
            return Self::constant(*value != Val::Bool(true));
        }
        if a.surely_defined() && a.is_condition() {
            return Self::not(a);
        }
        let differs = Self::unequal(a, &Self::constant(true));
        Self::ite(&Self::defined(a), &differs, &Self::constant(true))
    }

    fn combine(op: Two, a: &Arc<Self>, b: &Arc<Self>) -> Arc<Self> {
        match (&**a, &**b) {
            (Self::Const(one), Self::Const(two)) => {
                if let Some(value) = apply_two(op, one, two) {
                    return Arc::new(Self::Const(value));
                }
            }
            // The constant that decides nothing, beside what surely is a truth value or undefined.
            (Self::Const(Val::Bool(truth)), other) if *truth == (op == Two::And) && other.is_condition() => {
                if matches!(op, Two::And | Two::Or) {
                    return Arc::clone(b);
                }
            }
            (other, Self::Const(Val::Bool(truth))) if *truth == (op == Two::And) && other.is_condition() => {
                if matches!(op, Two::And | Two::Or) {
                    return Arc::clone(a);
                }
            }
            _ => {}
        }
        Arc::new(flat::two(op, Arc::clone(a), Arc::clone(b)))
    }

    fn alone(op: One, a: &Arc<Self>) -> Arc<Self> {
        if let Self::Const(value) = &**a
            && let Some(value) = apply_one(op, value)
        {
            return Arc::new(Self::Const(value));
        }
        Arc::new(match op {
            One::Neg => Self::Neg(Arc::clone(a)),
            One::Not => Self::Not(Arc::clone(a)),
            One::Defined => Self::Defined(Arc::clone(a)),
        })
    }

    /// Whether its value can only be a truth value (where it has one), by its form.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        match self {
            Self::Const(value) => matches!(value, Val::Bool(_)),
            Self::Eq(..) | Self::Neq(..) | Self::Lt(..) | Self::Leq(..) | Self::Gt(..) | Self::Geq(..) => true,
            Self::And(..) | Self::Or(..) | Self::Not(_) | Self::In(..) | Self::AllDiff(_) => true,
            Self::Table(..) | Self::Defined(_) => true,
            _ => false,
        }
    }

    /// Whether it always has a value, by its form and that of its operands.
    #[must_use]
    pub fn surely_defined(&self) -> bool {
        let leaf =
            |e: &Self| matches!(e, Self::Const(_) | Self::Choice(_) | Self::Fd(_) | Self::Table(..) | Self::Defined(_));
        match self {
            Self::Eq(a, b) | Self::Neq(a, b) => leaf(a) && leaf(b),
            Self::In(a, _) => leaf(a),
            other => leaf(other),
        }
    }

    /// Number of its distinct nodes, and of the values listed in them.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut flat = Flat::default();
        flat.add(self);
        flat.nodes.iter().map(Node::size).sum()
    }

    /// Variables that stand in it, each once, in order of mention.
    #[must_use]
    pub fn vars(&self) -> Vec<VarId> {
        let vars = self.table().into_iter().filter_map(|node| if let Node::Fd(var) = node { Some(var) } else { None });
        vars.collect()
    }

    fn table(&self) -> Vec<Node> {
        let mut flat = Flat::default();
        flat.add(self);
        flat.nodes
    }

    /// Takes the shared operands out, putting `rest` in their places.
    fn take_operands(&mut self, rest: &Arc<Self>, out: &mut Vec<Arc<Self>>) {
        let mut take = |slot: &mut Arc<Self>| out.push(std::mem::replace(slot, Arc::clone(rest)));
        match self {
            Self::Const(_) | Self::Choice(_) | Self::Fd(_) | Self::Table(..) | Self::AllDiff(_) => {}
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) | Self::Div(a, b) | Self::Mod(a, b) => {
                [a, b].into_iter().for_each(&mut take);
            }
            Self::Eq(a, b) | Self::Neq(a, b) | Self::Lt(a, b) | Self::Leq(a, b) | Self::Gt(a, b) => {
                [a, b].into_iter().for_each(&mut take);
            }
            Self::Geq(a, b) | Self::And(a, b) | Self::Or(a, b) => [a, b].into_iter().for_each(&mut take),
            Self::Neg(a) | Self::Not(a) | Self::Defined(a) | Self::In(a, _) => take(a),
            Self::Ite(a, b, c) => [a, b, c].into_iter().for_each(&mut take),
        }
    }
}

impl Drop for Expr {
    /// With a list of its own, not by recursion.
    fn drop(&mut self) {
        static REST: LazyLock<Arc<Expr>> = LazyLock::new(|| Arc::new(Expr::Const(Val::Nothing)));
        if matches!(self, Self::Const(_) | Self::Choice(_) | Self::Fd(_) | Self::Table(..)) {
            return;
        }
        let (mut shared, mut owned) = (Vec::new(), Vec::new());
        self.take_operands(&REST, &mut shared);
        if let Self::AllDiff(all) = self {
            owned.append(all);
        }
        loop {
            if let Some(mut expr) = shared.pop().and_then(Arc::into_inner).or_else(|| owned.pop()) {
                expr.take_operands(&REST, &mut shared);
                if let Self::AllDiff(all) = &mut expr {
                    owned.append(all);
                }
            } else if shared.is_empty() && owned.is_empty() {
                break;
            }
        }
    }
}

impl PartialEq for Expr {
    /// Equal as trees, however they are shared.
    fn eq(&self, other: &Self) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        if std::mem::discriminant(self) != std::mem::discriminant(other) {
            return false;
        }
        // In one table equal trees are one node.
        let mut flat = Flat::default();
        flat.add(self) == flat.add(other)
    }
}

impl Eq for Expr {}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut next = std::collections::VecDeque::from([self]);
        for _ in 0..HASHED_NODES {
            let Some(expr) = next.pop_front() else { break };
            std::mem::discriminant(expr).hash(state);
            match expr {
                Self::Const(value) => value.hash(state),
                Self::Choice(id) => id.hash(state),
                Self::Fd(id) => id.hash(state),
                Self::In(_, values) => values.hash(state),
                Self::Table(ids, rows) => (ids, rows).hash(state),
                _ => {}
            }
            next.extend(operands(expr).into_iter().take(HASHED_NODES));
        }
    }
}

impl Serialize for Expr {
    /// As its table of nodes, the whole expression last.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nodes = Vec::<Node>::deserialize(deserializer)?;
        let mut built = flat::unflatten(&nodes).map_err(|at| {
            serde::de::Error::custom(format!("node {at} of an expression has an operand not before it"))
        })?;
        let last = built.pop().ok_or_else(|| serde::de::Error::custom("an expression has at least one node"))?;
        Ok(Self::clone(&last))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Expr {
    /// `(c0 + 1) >= 3`; what lies deeper than 24 is `...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f, 0, &mut 400)
    }
}

/// Shows at most `left` nodes.
fn show(expr: &Expr, f: &mut fmt::Formatter<'_>, depth: u32, left: &mut u32) -> fmt::Result {
    if depth > SHOWN_DEPTH || *left == 0 {
        return f.write_str("...");
    }
    *left -= 1;
    let parts = operands(expr);
    let word = word(expr);
    if parts.is_empty() && !matches!(expr, Expr::AllDiff(_)) {
        return match expr {
            Expr::Const(value) => write!(f, "{value}"),
            Expr::Choice(id) => write!(f, "c{}", id.0),
            Expr::Fd(id) => write!(f, "v{}", id.0),
            Expr::Table(ids, rows) => {
                let names = ids.iter().map(|id| format!("c{}", id.0)).collect::<Vec<_>>();
                write!(f, "[{}] is one of {} rows", names.join(", "), rows.len())
            }
            _ => Ok(()),
        };
    }
    let open = |expr: &Expr| !matches!(expr, Expr::Const(_) | Expr::Choice(_) | Expr::Fd(_));
    let part = |expr: &Expr, f: &mut fmt::Formatter<'_>, left: &mut u32| {
        if open(expr) {
            f.write_str("(")?;
        }
        show(expr, f, depth + 1, left)?;
        if open(expr) { f.write_str(")") } else { Ok(()) }
    };
    match (expr, &parts[..]) {
        (Expr::In(_, values), [a]) => {
            part(a, f, left)?;
            write!(f, " in [{} values]", values.len())
        }
        (Expr::AllDiff(_), all) => {
            f.write_str(word)?;
            f.write_str("[")?;
            for (i, one) in all.iter().enumerate() {
                f.write_str(if i > 0 { ", " } else { "" })?;
                show(one, f, depth + 1, left)?;
            }
            f.write_str("]")
        }
        (_, [a]) => {
            f.write_str(word)?;
            part(a, f, left)
        }
        (_, [a, b]) => {
            part(a, f, left)?;
            write!(f, " {word} ")?;
            part(b, f, left)
        }
        (_, [a, b, c]) => {
            f.write_str("if ")?;
            part(a, f, left)?;
            f.write_str(" then ")?;
            part(b, f, left)?;
            f.write_str(" else ")?;
            part(c, f, left)
        }
        _ => Ok(()),
    }
}

/// The sign of an operation.
const fn word(expr: &Expr) -> &'static str {
    match expr {
        Expr::Const(_) | Expr::Choice(_) | Expr::Fd(_) | Expr::Table(..) => "",
        Expr::Add(..) => "+",
        Expr::Sub(..) => "-",
        Expr::Mul(..) => "*",
        Expr::Div(..) => "/",
        Expr::Mod(..) => "mod",
        Expr::Eq(..) => "==",
        Expr::Neq(..) => "!=",
        Expr::Lt(..) => "<",
        Expr::Leq(..) => "<=",
        Expr::Gt(..) => ">",
        Expr::Geq(..) => ">=",
        Expr::And(..) => "and",
        Expr::Or(..) => "or",
        Expr::Neg(_) => "-",
        Expr::Not(_) => "not ",
        Expr::Defined(_) => "defined ",
        Expr::Ite(..) => "if ",
        Expr::In(..) => "in",
        Expr::AllDiff(_) => "all-different ",
    }
}
