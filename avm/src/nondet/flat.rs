//! Expressions as a flat table: every distinct node once, operands before those who use them. Whatever walks expressions (count,
//! evaluation, solvers, encodings) walks this table with a loop, so neither depth nor sharing of an expression costs stack or
//! multiplies work.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ir::Expr;
use crate::id::{ChoiceId, VarId};
use crate::value::Val;

pub(crate) use crate::fixed::FixedMap as Map;

/// Operations of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Two {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Neq,
    Lt,
    Leq,
    Gt,
    Geq,
    And,
    Or,
}

/// Operations of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum One {
    Neg,
    Not,
    Defined,
}

/// A node; operands are positions in the table, less than its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Node {
    Const(Val),
    Choice(ChoiceId),
    Fd(VarId),
    Two(Two, u32, u32),
    One(One, u32),
    Ite(u32, u32, u32),
    In(u32, Vec<Val>),
    AllDiff(Vec<u32>),
    Table(Vec<ChoiceId>, Vec<Vec<Val>>),
}

impl Node {
    /// Calls `with` on each operand.
    pub(crate) fn each(&self, mut with: impl FnMut(u32)) {
        match self {
            Self::Const(_) | Self::Choice(_) | Self::Fd(_) | Self::Table(..) => {}
            Self::Two(_, a, b) => [*a, *b].into_iter().for_each(with),
            Self::One(_, a) | Self::In(a, _) => with(*a),
            Self::Ite(a, b, c) => [*a, *b, *c].into_iter().for_each(with),
            Self::AllDiff(all) => all.iter().copied().for_each(with),
        }
    }

    /// Size for limits: one, and one for each listed value.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::In(_, values) => 1 + values.len() as u64,
            Self::AllDiff(all) => 1 + all.len() as u64,
            Self::Table(ids, rows) => 1 + ids.len() as u64 + rows.iter().map(|row| row.len() as u64).sum::<u64>(),
            _ => 1,
        }
    }
}

/// The parts of an expression that are expressions, in order.
pub(crate) fn operands(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Const(_) | Expr::Choice(_) | Expr::Fd(_) | Expr::Table(..) => Vec::new(),
        Expr::Add(a, b) | Expr::Sub(a, b) | Expr::Mul(a, b) | Expr::Div(a, b) | Expr::Mod(a, b) => vec![a, b],
        Expr::Eq(a, b) | Expr::Neq(a, b) | Expr::Lt(a, b) | Expr::Leq(a, b) | Expr::Gt(a, b) => vec![a, b],
        Expr::Geq(a, b) | Expr::And(a, b) | Expr::Or(a, b) => vec![a, b],
        Expr::Neg(a) | Expr::Not(a) | Expr::Defined(a) | Expr::In(a, _) => vec![a],
        Expr::Ite(a, b, c) => vec![a, b, c],
        Expr::AllDiff(all) => all.iter().collect(),
    }
}

/// The table. While it grows the expressions put in must stay where they are: `'a` sees to it.
#[derive(Debug, Default)]
pub(crate) struct Flat<'a> {
    /// All nodes.
    pub(crate) nodes: Vec<Node>,
    by_address: Map<*const Expr, u32>,
    by_node: Map<Node, u32>,
    borrowed: std::marker::PhantomData<&'a Expr>,
}

impl<'a> Flat<'a> {
    /// Position of an expression's node; puts in what is missing.
    pub(crate) fn add(&mut self, expr: &'a Expr) -> u32 {
        let mut stack = vec![(expr, false)];
        while let Some((expr, ready)) = stack.pop() {
            if self.by_address.contains_key(&std::ptr::from_ref(expr)) {
                continue;
            }
            if ready {
                let node = self.node_of(expr);
                let at = self.put(node);
                self.by_address.insert(expr, at);
                continue;
            }
            stack.push((expr, true));
            stack.extend(operands(expr).into_iter().map(|part| (part, false)));
        }
        self.known(expr)
    }

    /// Position of a node; puts it in when it is missing. Its operands must be positions of this table.
    pub(crate) fn put(&mut self, node: Node) -> u32 {
        if let Some(at) = self.by_node.get(&node) {
            return *at;
        }
        let at = self.nodes.len() as u32;
        self.by_node.insert(node.clone(), at);
        self.nodes.push(node);
        at
    }

    fn known(&self, expr: &Expr) -> u32 {
        self.by_address.get(&std::ptr::from_ref(expr)).copied().unwrap_or(0)
    }

    fn node_of(&self, expr: &Expr) -> Node {
        let two = |op, a: &Expr, b: &Expr| Node::Two(op, self.known(a), self.known(b));
        let one = |op, a: &Expr| Node::One(op, self.known(a));
        match expr {
            Expr::Const(value) => Node::Const(value.clone()),
            Expr::Choice(id) => Node::Choice(*id),
            Expr::Fd(id) => Node::Fd(*id),
            Expr::Add(a, b) => two(Two::Add, a, b),
            Expr::Sub(a, b) => two(Two::Sub, a, b),
            Expr::Mul(a, b) => two(Two::Mul, a, b),
            Expr::Div(a, b) => two(Two::Div, a, b),
            Expr::Mod(a, b) => two(Two::Mod, a, b),
            Expr::Eq(a, b) => two(Two::Eq, a, b),
            Expr::Neq(a, b) => two(Two::Neq, a, b),
            Expr::Lt(a, b) => two(Two::Lt, a, b),
            Expr::Leq(a, b) => two(Two::Leq, a, b),
            Expr::Gt(a, b) => two(Two::Gt, a, b),
            Expr::Geq(a, b) => two(Two::Geq, a, b),
            Expr::And(a, b) => two(Two::And, a, b),
            Expr::Or(a, b) => two(Two::Or, a, b),
            Expr::Neg(a) => one(One::Neg, a),
            Expr::Not(a) => one(One::Not, a),
            Expr::Defined(a) => one(One::Defined, a),
            Expr::Ite(a, b, c) => Node::Ite(self.known(a), self.known(b), self.known(c)),
            Expr::In(a, values) => Node::In(self.known(a), values.clone()),
            Expr::AllDiff(all) => Node::AllDiff(all.iter().map(|part| self.known(part)).collect()),
            Expr::Table(ids, rows) => Node::Table(ids.clone(), rows.clone()),
        }
    }
}

/// Builds the expression of every node, shared as the table shares. Operands must lie before their users.
///
/// # Errors
/// The position of the first node whose operand does not lie before it.
pub(crate) fn unflatten(nodes: &[Node]) -> Result<Vec<Arc<Expr>>, usize> {
    let mut built: Vec<Arc<Expr>> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let mut fits = true;
        node.each(|part| fits &= (part as usize) < at);
        if !fits {
            return Err(at);
        }
        let get = |part: &u32| Arc::clone(&built[*part as usize]);
        let expr = match node {
            Node::Const(value) => Expr::Const(value.clone()),
            Node::Choice(id) => Expr::Choice(*id),
            Node::Fd(id) => Expr::Fd(*id),
            Node::Two(op, a, b) => two(*op, get(a), get(b)),
            Node::One(One::Neg, a) => Expr::Neg(get(a)),
            Node::One(One::Not, a) => Expr::Not(get(a)),
            Node::One(One::Defined, a) => Expr::Defined(get(a)),
            Node::Ite(a, b, c) => Expr::Ite(get(a), get(b), get(c)),
            Node::In(a, values) => Expr::In(get(a), values.clone()),
            Node::AllDiff(all) => Expr::AllDiff(all.iter().map(|part| Expr::clone(&built[*part as usize])).collect()),
            Node::Table(ids, rows) => Expr::Table(ids.clone(), rows.clone()),
        };
        built.push(Arc::new(expr));
    }
    Ok(built)
}

/// The expression of an operation of two operands, as it is.
pub(crate) fn two(op: Two, a: Arc<Expr>, b: Arc<Expr>) -> Expr {
    match op {
        Two::Add => Expr::Add(a, b),
        Two::Sub => Expr::Sub(a, b),
        Two::Mul => Expr::Mul(a, b),
        Two::Div => Expr::Div(a, b),
        Two::Mod => Expr::Mod(a, b),
        Two::Eq => Expr::Eq(a, b),
        Two::Neq => Expr::Neq(a, b),
        Two::Lt => Expr::Lt(a, b),
        Two::Leq => Expr::Leq(a, b),
        Two::Gt => Expr::Gt(a, b),
        Two::Geq => Expr::Geq(a, b),
        Two::And => Expr::And(a, b),
        Two::Or => Expr::Or(a, b),
    }
}
