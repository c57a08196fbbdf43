//! Orders of calls that are required (`avm:9.4`): checked on the calls of the run when it ends. What a message is may depend on what is
//! chosen, so an order becomes a term like any other requirement; which object is called, and when, belongs to the way of the run.

use std::sync::Arc;

use super::exec::{Exec, Fault};
use super::heap::Heap;
use super::loaded::Code;
use super::word::{NOTHING, Value};
use super::world::{Did, World};
use crate::error::TxError;
use crate::id::ObjectId;
use crate::nondet::{Asserted, Expr, Ordering};

/// A required order.
#[derive(Debug)]
pub(super) struct Required {
    /// Position among the requirements, where its term goes.
    pub(super) at: u32,
    first: (ObjectId, Value),
    second: (ObjectId, Value),
    /// As this run has it, once that is known.
    pub(super) shown: Option<Ordering>,
}

impl Required {
    pub(super) fn release(self, heap: &mut Heap) {
        heap.release(self.first.1);
        heap.release(self.second.1);
    }
}

impl World {
    /// requireOrder (ours).
    pub(super) fn require_order(&mut self, code: &Code, x: &mut Exec, start: u8) -> Result<Did, Fault> {
        if !x.tx.explicit() {
            return Err(TxError::NoActiveTx.into());
        }
        let args: [Value; 5] = std::array::from_fn(|at| x.arg(start, at));
        let (one, two) = (self.object_arg(x, args[0])?, self.object_arg(x, args[2])?);
        self.no_function(args[1])?;
        self.no_function(args[3])?;
        let name = self.settle(x, args[4]);
        let name = if name == NOTHING { None } else { Some(self.text_arg(x, name)?) };
        let (first, second) = (self.heap.retain(args[1]), self.heap.retain(args[3]));
        let at = x.tx.requires.len() as u32;
        let place = Self::place_of(code, x);
        // It is known at the end of the run only: never certain before.
        x.tx.require(Asserted { expr: Expr::Const(false.into()), name, place }, false);
        x.tx.orders.push(Required { at, first: (one, first), second: (two, second), shown: None });
        Ok(Did::Value(NOTHING))
    }

    /// The run ends: its orders become terms.
    pub(super) fn state_orders(&mut self, x: &mut Exec) {
        let log = x.tx.log.clone();
        for number in 0..x.tx.orders.len() {
            let order = &x.tx.orders[number];
            if order.shown.is_some() {
                continue;
            }
            let (at, first, second) = (order.at as usize, order.first, order.second);
            let mut calls = Vec::with_capacity(log.len());
            for (object, message) in &log {
                let one = self.is_call(x, (*object, *message), first);
                calls.push((one, self.is_call(x, (*object, *message), second)));
            }
            x.tx.requires[at].expr = Expr::clone(&Expr::before(&calls));
            let shown = |(object, message): (ObjectId, Value)| (object, self.val(message));
            x.tx.orders[number].shown = Some(Ordering::Before(shown(first), shown(second)));
        }
    }

    fn is_call(&mut self, x: &mut Exec, call: (ObjectId, Value), wanted: (ObjectId, Value)) -> Arc<Expr> {
        if call.0 == wanted.0 { self.same_term(x, call.1, wanted.1) } else { Expr::constant(false) }
    }
}
