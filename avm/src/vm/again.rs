//! An implicit transaction that met another begins anew (`decisions:AVM-1`): nobody sees that it ran before.

use super::exec::{Exec, Restart};
use super::loaded::Code;
use super::tx::Mode;
use super::world::World;

/// Times an implicit transaction begins anew before it runs alone.
const AGAIN: u32 = 3;

impl World {
    /// The implicit transaction of an outermost call is run again; nobody sees that.
    pub(super) fn begin_anew(&mut self, code: &Code, x: &mut Exec, restart: Restart) {
        self.undo_replicas(x);
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
