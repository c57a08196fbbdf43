//! An implicit transaction that met another begins anew (`decisions:AVM-1`): nobody sees that it ran before.

use super::exec::{Enter, Exec, Fault, Restart};
use super::loaded::Code;
use super::native::Native;
use super::tx::Mode;
use super::world::World;
use crate::error::ProgramError;

/// Times an implicit transaction begins anew before it runs alone.
const AGAIN: u32 = 3;
/// Times it begins anew before its conflict is said.
pub(super) const MOST_AGAIN: u32 = 10_000;
/// Quanta in which an implicit transaction has the lane for itself: others go on then, and it may meet them.
const ALONE: u32 = 256;

impl World {
    /// An instruction outside every call that met another and has not ended: it is done again. Which: a freeze whose messages run.
    pub(super) fn instruction_again(&mut self, code: &Code, x: &mut Exec) -> bool {
        let Some(at) = x.frames.iter().position(|frame| frame.enter == Enter::Replay) else { return false };
        let freezes = |native: &Native| matches!(native, Native::Freeze { .. });
        let Some(level) = x.natives.iter().position(freezes) else { return false };
        x.drop_natives(&mut self.heap, level);
        x.unwind(code, &mut self.heap, at, 1);
        if let Some(mark) = x.decided {
            x.trace.rewind(&mut self.heap, mark);
        }
        self.drop_staged(x, 0);
        self.ended(x, true);
        if let Some(frame) = x.frames.last_mut() {
            frame.pc -= 1;
        }
        true
    }

    /// At the end of a quantum: whether the execution goes on alone. What came before the begin of an implicit transaction that stands
    /// behind one of the program cannot be run again: nobody gets between, for a while.
    pub(super) fn stay_alone(&mut self, x: &mut Exec) {
        let alone = self.alone == Some(x.id);
        if alone || x.tx.mode == Mode::Implicit && x.restart.is_none() {
            x.alone += 1;
            self.alone = (x.alone <= ALONE).then_some(x.id);
        }
    }

    /// An implicit transaction has met another: it begins anew, or it fails because it cannot, or has too often.
    pub(super) fn met(&mut self, code: &Code, x: &mut Exec, what: &str) -> Result<(), Fault> {
        match x.restart {
            Some(restart) if restart.again < MOST_AGAIN => {
                self.begin_anew(code, x, restart);
                Ok(())
            }
            Some(_) => Err(ProgramError::Conflict(format!("{what} again and again, the call is given up")).into()),
            None => {
                let text = format!("{what} while the call went on, and what the call has committed before stands");
                Err(ProgramError::Conflict(text).into())
            }
        }
    }

    /// The implicit transaction of an outermost call is run again; nobody sees that.
    pub(super) fn begin_anew(&mut self, code: &Code, x: &mut Exec, restart: Restart) {
        self.undo_replicas(x);
        self.drop_shadows(x, |_| true);
        let ids = std::mem::take(&mut x.tx.ids);
        let back = x.tx.clear(&mut self.heap, true);
        self.put_back(x, back);
        self.drop_staged(x, 0);
        x.tx.ids = ids;
        self.end_snapshot(x);
        x.trace.rewind(&mut self.heap, restart.trace);
        x.drop_natives(&mut self.heap, restart.natives);
        x.unwind(code, &mut self.heap, restart.frame as usize + 1, 2);
        x.random = restart.random;
        if let (Some(fd), Some(mark)) = (&mut x.fd, &restart.fd) {
            fd.undo_to(mark);
        } else {
            x.fd = None;
        }
        let mut frame = x.frame();
        let base = frame.base as usize;
        x.wipe(&mut self.heap, base, base + super::exec::WINDOW.min(x.regs.len() - base));
        frame.func = restart.func;
        frame.pc = code.functions[restart.func as usize].start;
        if let Some(last) = x.frames.last_mut() {
            *last = frame;
        }
        x.contexts[1].epoch = 0;
        (x.tx.mode, x.tx.snapshot) = (Mode::Implicit, self.store.clock);
        x.restart = Some(Restart { again: restart.again + 1, ..restart });
        if restart.again + 1 >= AGAIN {
            self.alone = Some(x.id);
        }
    }
}
