//! A search over variables that goes on over several quanta.

use super::exec::Fault;
use crate::error::ProgramError;
use crate::fd::search::{Branching, Progress, Search};
use crate::fd::{Refusal, Store};
use crate::id::VarId;
use crate::value::Val;

/// Most solutions one `solveAll` collects.
const MOST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Searching {
    search: Search,
    /// Most solutions; `None`: the first is the result.
    most: Option<u64>,
    found: Vec<Val>,
    /// Memory of that.
    bytes: u64,
    /// Frames when it began: it belongs to the instruction of that frame.
    pub(super) depth: usize,
}

impl Searching {
    pub(super) fn new(store: &Store, vars: &[VarId], most: Option<u64>, depth: usize) -> Result<Self, Refusal> {
        // Solutions come in the order of the variables and of their domains, whatever is asked for.
        let search = Search::new(store, vars, Branching::InputOrder)?;
        Ok(Self { search, most, found: Vec::new(), bytes: 0, depth })
    }

    /// Memory of what was found, bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes on for some steps; the result once it is there. The store is as before then. Fails when what is found does not fit `room`
    /// bytes.
    pub(super) fn go_on(&mut self, store: &mut Store, steps: u64, room: u64) -> Result<Option<Val>, Fault> {
        let most_bytes = self.bytes.saturating_add(room);
        let end = self.search.steps() + steps;
        if self.most == Some(0) {
            return Ok(Some(Val::List(Vec::new())));
        }
        loop {
            let left = end.saturating_sub(self.search.steps());
            match self.search.run(store, left.max(1)) {
                Progress::Solution => {
                    let values = self.search.values(store);
                    self.bytes += (size_of::<Val>() * (1 + values.len())) as u64;
                    let values = Val::List(values);
                    let Some(most) = self.most else {
                        self.search.leave(store);
                        return Ok(Some(values));
                    };
                    self.found.push(values);
                    if self.bytes > most_bytes {
                        return Err(ProgramError::Memory(most_bytes).into());
                    }
                    if self.found.len() > MOST {
                        return Err(ProgramError::Memory(MOST as u64).into());
                    }
                    if self.found.len() as u64 >= most {
                        self.search.leave(store);
                        return Ok(Some(Val::List(std::mem::take(&mut self.found))));
                    }
                }
                Progress::Exhausted => {
                    self.search.leave(store);
                    return Ok(Some(match self.most {
                        None => Val::Nothing,
                        Some(_) => Val::List(std::mem::take(&mut self.found)),
                    }));
                }
                Progress::Paused => return Ok(None),
                Progress::Lost => {
                    return Err(ProgramError::Type("the finite-domain store was changed".to_owned()).into());
                }
            }
            if left == 0 {
                return Ok(None);
            }
        }
    }
}
