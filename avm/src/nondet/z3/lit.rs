//! Literals that may be constants, so that what is known is never given to the solver.

use z3::ast::{Bool, Int};

/// A truth value of the encoding.
#[derive(Debug, Clone)]
pub(super) enum Lit {
    True,
    False,
    Is(Bool),
}

impl Lit {
    pub(super) const fn is_false(&self) -> bool {
        matches!(self, Self::False)
    }

    pub(super) const fn is_true(&self) -> bool {
        matches!(self, Self::True)
    }

    pub(super) fn not(&self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Is(literal) => Self::Is(literal.not()),
        }
    }

    pub(super) fn all<'l>(parts: impl IntoIterator<Item = &'l Self>) -> Self {
        let mut open = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::Is(literal) => open.push(literal),
            }
        }
        match open[..] {
            [] => Self::True,
            [one] => Self::Is(one.clone()),
            _ => Self::Is(Bool::and(&open)),
        }
    }

    pub(super) fn any<'l>(parts: impl IntoIterator<Item = &'l Self>) -> Self {
        let mut open = Vec::new();
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                Self::Is(literal) => open.push(literal),
            }
        }
        match open[..] {
            [] => Self::False,
            [one] => Self::Is(one.clone()),
            _ => Self::Is(Bool::or(&open)),
        }
    }

    pub(super) fn both(&self, other: &Self) -> Self {
        Self::all([self, other])
    }

    pub(super) fn either(&self, other: &Self) -> Self {
        Self::any([self, other])
    }

    /// The literal as a formula.
    pub(super) fn formula(&self) -> Bool {
        match self {
            Self::True => Bool::from_bool(true),
            Self::False => Bool::from_bool(false),
            Self::Is(literal) => literal.clone(),
        }
    }

    /// One number or another.
    pub(super) fn pick(&self, yes: &Int, no: &Int) -> Int {
        match self {
            Self::True => yes.clone(),
            Self::False => no.clone(),
            Self::Is(literal) => literal.ite(yes, no),
        }
    }
}
