//! What a commit writes down (`decisions:AVM-14`): a record goes out with every change of the store, and the execution goes on when it
//! is acknowledged. In memory mode nothing is written down and nothing is waited for.
//!
//! A record goes out when its change is applied, in the order of changes: who reads the change and commits is recorded after it, so
//! any prefix of the records is a state that was. Only the execution that made the change waits.

use serde::{Deserialize, Serialize};

use super::config::Output;
use super::exec::Exec;
use super::loaded::Code;
use super::remote::Shipped;
use super::world::World;
use crate::id::{ExecutionId, ObjectId, VarId};
use crate::value::Val;

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the record on its lane, from 1, without gaps.
    pub number: u64,
    /// Stamp of the commit.
    pub stamp: u64,
    /// Whose.
    pub execution: ExecutionId,
    /// The changed objects as they are now.
    pub objects: Vec<(ObjectId, Shipped)>,
    /// Option of each choice of the transaction: with these and the values of the variables a replay never solves.
    pub choices: Vec<u32>,
    /// Value of each variable that was decided at commit (`decisions:AVM-20`).
    pub vars: Vec<(VarId, Val)>,
}

impl World {
    /// Writes down what was applied since the last record; whether its maker has to wait.
    fn record(&mut self, code: &Code, execution: ExecutionId, choices: Vec<u32>, vars: Vec<(VarId, Val)>) -> bool {
        if self.unrecorded.is_empty() {
            return false;
        }
        let ids = std::mem::take(&mut self.unrecorded);
        let objects = ids.into_iter().map(|id| {
            let version = self.store.newest(id);
            (id, Shipped { exists: version.exists, ..self.ship(code, &version) })
        });
        let objects: Vec<_> = objects.collect();
        self.records += 1;
        let stamp = objects.iter().map(|(_, shipped)| shipped.stamp).max().unwrap_or(0);
        let record = Record { number: self.records, stamp, execution, objects, choices, vars };
        self.outputs.push(Output::Record(Box::new(record)));
        true
    }

    /// After a commit of an execution: it waits for the acknowledgement before its next operation.
    pub(super) fn record_commit(&mut self, code: &Code, x: &mut Exec) {
        if !self.config.records {
            return;
        }
        let picks = (0..x.tx.choices.len()).map(|at| x.tx.plan.get(at).copied().unwrap_or(0)).collect();
        let vars = Self::witness(x);
        if self.record(code, x.id, picks, vars) {
            x.recording = Some(self.records);
            x.spare += x.left;
            x.left = 0;
        }
    }

    /// After a part of a commit that another torus has decided: its own lane waits for its own record only.
    pub(super) fn record_part(&mut self, code: &Code, execution: ExecutionId) {
        if self.config.records {
            self.record(code, execution, Vec::new(), Vec::new());
        }
    }
}

impl super::Lane {
    /// Writes changes down from here on: what was before is in no record.
    pub fn keep_records(&mut self) {
        self.world.config.records = true;
    }
}
