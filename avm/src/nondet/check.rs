//! Whether a question is one that a solver can take: whoever reads questions from outside asks first.

use thiserror::Error;

use super::flat::{Flat, Node};
use super::ir::{Expr, Ir, Limits};
use crate::id::{ChoiceId, VarId};
use crate::value::{INT_MAX, INT_MIN, Val};

/// Why a question is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum IrError {
    #[error("choice {0} stands at position {1}: number choices from 0 in order")]
    Position(u32, usize),
    #[error("choice {0} has no options: give at least one")]
    NoOptions(u32),
    #[error("choice {0} has {1} options and {2} weights: give as many weights as options")]
    Weights(u32, usize, usize),
    #[error("an expression speaks of choice {0}, there are {1}")]
    UnknownChoice(u32, usize),
    #[error("variable v{0} is spoken of and not declared")]
    UnknownVar(u32),
    #[error("variable v{0} does not come after the one before it: declare variables once, ascending")]
    VarOrder(u32),
    #[error("the domain of variable v{0} holds {1} twice")]
    Repeated(u32, Val),
    #[error("a table over {0} choices or variables has a row of {1} values")]
    Row(usize, usize),
    #[error("a soft requirement weighs {0}: weights of soft requirements are positive")]
    Soft(i64),
    #[error("a refuted combination is empty")]
    EmptyRefutation,
    #[error("number {0} is outside of {INT_MIN} to {INT_MAX}")]
    Range(i128),
    #[error("the question has {0} nodes, at most {1} are taken: ask a smaller one or raise the limit")]
    Size(u64, u32),
}

impl Ir {
    /// Whether it is well formed and within the limit of nodes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, limits: &Limits) -> Result<(), IrError> {
        let size = self.size();
        if size > u64::from(limits.nodes) {
            return Err(IrError::Size(size, limits.nodes));
        }
        for (at, choice) in self.choices.iter().enumerate() {
            let id = choice.id.0;
            if id as usize != at {
                return Err(IrError::Position(id, at));
            }
            if choice.options.is_empty() {
                return Err(IrError::NoOptions(id));
            }
            if let Some(weights) = choice.weights.as_ref().filter(|weights| weights.len() != choice.options.len()) {
                return Err(IrError::Weights(id, choice.options.len(), weights.len()));
            }
            choice.options.iter().try_for_each(in_range)?;
        }
        self.check_vars()?;
        if let Some(soft) = self.prefers.iter().find(|soft| soft.weight <= 0) {
            return Err(IrError::Soft(soft.weight));
        }
        self.table().iter().try_for_each(|node| self.check_node(node))
    }

    fn check_vars(&self) -> Result<(), IrError> {
        for (at, (id, domain)) in self.fd.vars.iter().enumerate() {
            if at > 0 && self.fd.vars[at - 1].0 >= *id {
                return Err(IrError::VarOrder(id.0));
            }
            domain.iter().try_for_each(in_range)?;
            let mut seen = crate::fixed::FixedSet::default();
            if let Some(value) = domain.iter().find(|value| !seen.insert(*value)) {
                return Err(IrError::Repeated(id.0, value.clone()));
            }
        }
        for constraint in &self.fd.constraints {
            constraint.vars().into_iter().try_for_each(|id| self.known_var(id))?;
            if let crate::fd::Constraint::Table(vars, rows) = constraint {
                rows.iter().try_for_each(|row| same_length(vars.len(), row))?;
            }
        }
        for refuted in &self.fd.refutations {
            if refuted.is_empty() {
                return Err(IrError::EmptyRefutation);
            }
            refuted.iter().try_for_each(|(id, _)| self.known_var(*id))?;
        }
        Ok(())
    }

    fn check_node(&self, node: &Node) -> Result<(), IrError> {
        match node {
            Node::Const(value) => in_range(value),
            Node::Choice(id) => self.known_choice(*id),
            Node::Fd(id) => self.known_var(*id),
            Node::In(_, values) => values.iter().try_for_each(in_range),
            Node::Table(ids, rows) => {
                ids.iter().try_for_each(|id| self.known_choice(*id))?;
                rows.iter().try_for_each(|row| same_length(ids.len(), row))?;
                rows.iter().flatten().try_for_each(in_range)
            }
            Node::Two(..) | Node::One(..) | Node::Ite(..) | Node::AllDiff(_) => Ok(()),
        }
    }

    fn known_choice(&self, id: ChoiceId) -> Result<(), IrError> {
        let known = (id.0 as usize) < self.choices.len();
        if known { Ok(()) } else { Err(IrError::UnknownChoice(id.0, self.choices.len())) }
    }

    fn known_var(&self, id: VarId) -> Result<(), IrError> {
        self.fd.vars.binary_search_by_key(&id, |(id, _)| *id).map_or(Err(IrError::UnknownVar(id.0)), |_| Ok(()))
    }

    /// Every expression: path, requirements, soft requirements, in this order.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let requires = self.requires.iter().map(|asserted| &asserted.expr);
        self.path.iter().chain(requires).chain(self.prefers.iter().map(|soft| &soft.expr))
    }

    fn table(&self) -> Vec<Node> {
        let mut flat = Flat::default();
        self.expressions().for_each(|expr| {
            flat.add(expr);
        });
        flat.nodes
    }

    /// Number of distinct nodes of its expressions, of options, of values of domains and of what constraints list.
    #[must_use]
    pub fn size(&self) -> u64 {
        let nodes: u64 = self.table().iter().map(Node::size).sum();
        let options: usize = self.choices.iter().map(|choice| choice.options.len()).sum();
        let domains: usize = self.fd.vars.iter().map(|(_, domain)| domain.len()).sum();
        let constraints = self.fd.constraints.iter().map(|constraint| match constraint {
            crate::fd::Constraint::Table(vars, rows) => vars.len() * (rows.len() + 1),
            crate::fd::Constraint::Element { list, .. } => list.len() + 2,
            other => other.vars().len() + 1,
        });
        let refutations: usize = self.fd.refutations.iter().map(Vec::len).sum();
        nodes + (options + domains + constraints.sum::<usize>() + refutations) as u64
    }
}

fn same_length(wanted: usize, row: &[Val]) -> Result<(), IrError> {
    if row.len() == wanted { Ok(()) } else { Err(IrError::Row(wanted, row.len())) }
}

/// Numbers of a value are numbers of the machine.
fn in_range(value: &Val) -> Result<(), IrError> {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Val::Int(n) if !(INT_MIN..=INT_MAX).contains(n) => return Err(IrError::Range(*n)),
            Val::Just(inner) => left.push(inner),
            Val::List(all) => left.extend(all),
            Val::Pair(both) => left.extend([&both.0, &both.1]),
            Val::Record(fields) => left.extend(fields.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    Ok(())
}
