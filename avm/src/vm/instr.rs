//! The instructions (`avm:4`): which does what, and the families that need no file of their own.

use super::config::{Capability, Output, Why};
use super::convert::{kind, object};
use super::exec::{Exec, Fault, arithmetic, type_error};
use super::loaded::Code;
use super::store::Version;
use super::trace::What;
use super::tx::{CANCELLED, CREATED, DAMAGED, DESTROYED, EXISTS, Entry, MOVED, Mode, TRANSFERRED};
use super::word::{NOTHING, T_CONTROLLER, T_MACHINE, TRUE, Value};
use super::world::{Did, World};
use crate::code::Instr;
use crate::error::{ControllerError, MachineError, ObjError, ProgramError, TxError};
use crate::event::TraceLevel;
use crate::id::{ObjectId, ROOT};

/// Longest wait, ticks: the clock of a torus is shared by all that run there, and nobody gets it to its end with few of them.
const MOST_TICKS: u64 = 1_000_000_000;

impl World {
    /// One instruction; outside a transaction and outside every call it is a transaction of its own. Unsafe ones stand in programs
    /// that say so only, and those were granted when they were loaded (`avm:1`).
    pub(super) fn instr(&mut self, code: &Code, x: &mut Exec, which: Instr, dst: u8, start: u8) -> Result<Did, Fault> {
        if x.pures > 0 {
            return Err(ProgramError::Type(format!("a pure function holds no instruction: {}", which.name())).into());
        }
        let did = self.dispatch(code, x, which, (dst, start))?;
        match did {
            Did::Value(value) if x.tx.mode == Mode::Implicit && !x.inside() => {
                if self.jointly(x) {
                    return self.give_later(code, x, dst, value);
                }
                self.publish(code, x)?;
                Ok(Did::Value(value))
            }
            did => Ok(did),
        }
    }

    fn dispatch(&mut self, code: &Code, x: &mut Exec, which: Instr, (dst, start): (u8, u8)) -> Result<Did, Fault> {
        let count = usize::from(which.arity()).min(3);
        let mut args = [NOTHING; 3];
        for (at, arg) in args.iter_mut().enumerate().take(count) {
            *arg = x.arg(start, at);
        }
        let [a, b, c] = args;
        match which {
            Instr::CreateObj => self.create(code, x, a, b),
            Instr::DestroyObj => self.destroy(x, a),
            Instr::Call => self.call(code, x, dst, start),
            Instr::Receive => self.receive(code, x),
            Instr::ReceiveFor => self.receive_for(code, x, a),
            Instr::Send => self.send(x, a, b),
            Instr::Upgrade => self.upgrade(code, x, a, b),
            Instr::SelfId => Ok(Did::Value(object(&mut self.heap, x.context().id)?)),
            Instr::Input => Ok(Did::Value(self.heap.retain(x.context().input))),
            Instr::CurrentMachine => Ok(Did::Value(Value::word32(T_MACHINE, x.context().machine))),
            Instr::Sender => Ok(Did::Value(match x.context().sender {
                Some(sender) => object(&mut self.heap, sender)?,
                None => NOTHING,
            })),
            Instr::GetState => self.get_state(x),
            Instr::SetState => self.set_state(x, a),
            Instr::Reflect => self.reflect(x, a),
            Instr::ScryMeta => self.scry(code, x, a, (dst, start), false),
            Instr::ScryDeep => self.scry(code, x, a, (dst, start), true),
            Instr::ReifyContext => self.reify_context(x),
            Instr::ReifyTxState => self.reify_tx(x),
            Instr::ReifyConstraints => self.reify_constraints(x),
            Instr::BeginTx => {
                let controller = self.controller_option(x, a)?;
                self.begin_tx(code, x, controller)
            }
            Instr::CommitTx => {
                let tx = self.tx_arg(x, a)?;
                self.commit_tx(code, x, tx)
            }
            Instr::AbortTx => {
                let tx = self.tx_arg(x, a)?;
                self.abort_tx(code, x, tx)
            }
            Instr::CallPure => self.call_pure(code, x, (a, b), (dst, start)),
            Instr::RegisterPure => self.register_pure(x, a, b),
            Instr::UpdatePure => self.update_pure(x, a, b, c),
            Instr::GetMachine => self.get_machine(x, a),
            Instr::Teleport => self.teleport(x, a),
            Instr::MoveObject => self.move_object(x, a, b),
            Instr::Fetch => self.fetch(x, a),
            Instr::GetCurrentController => {
                let controller = if x.tx.explicit() { x.tx.controller } else { 0 };
                Ok(Did::Value(Self::controller_value(controller)))
            }
            Instr::GetController => self.get_controller(x, a),
            Instr::TransferObject => self.transfer(x, a, b),
            Instr::Freeze => self.freeze(code, x, a, (dst, start)),
            _ => self.dispatch_ours(code, x, which, (dst, start, [a, b])),
        }
    }

    fn dispatch_ours(
        &mut self,
        code: &Code,
        x: &mut Exec,
        which: Instr,
        (dst, start, [a, b]): (u8, u8, [Value; 2]),
    ) -> Result<Did, Fault> {
        match which {
            Instr::NewVar => self.new_var(x, a),
            Instr::Narrow => self.narrow(x, a, b),
            Instr::Post => self.post(code, x, a),
            Instr::Label => self.label(code, x, a, dst),
            Instr::DomainOf => self.domain_of(x, a),
            Instr::ValueOf => self.value_of(code, x, a),
            Instr::Solve => self.solve(x, a, NOTHING, true),
            Instr::SolveAll => self.solve(x, a, b, false),
            Instr::Choose => self.choose(code, x, a, false),
            Instr::ChooseWeighted => self.choose(code, x, a, true),
            Instr::Require => self.require(code, x, a, b),
            Instr::Prefer => self.prefer(x, a, b),
            Instr::RequireOrder => self.require_order(code, x, start),
            Instr::Note => {
                self.no_function(a)?;
                let stamp = (x.tx.controller, x.contexts.len() as u32 - 1);
                x.trace.note(&mut self.heap, stamp, a);
                Ok(Did::Value(NOTHING))
            }
            Instr::Random => self.random(x, a),
            Instr::Now => {
                self.capable(Capability::Clock)?;
                Ok(Did::Value(self.heap.number(i128::from(x.now_ns))?))
            }
            Instr::Sleep => self.sleep(code, x, a),
            Instr::Args => Ok(Did::Value(self.heap.retain(x.args))),
            Instr::Reject => {
                let context = x.context();
                Err(ObjError::ObjectRejectedCall(context.id, self.val(context.input)).into())
            }
            _ => {
                let text = self.text_arg(x, a)?;
                Err(ProgramError::Raised(text.to_string()).into())
            }
        }
    }

    /// createObj (`avm:4.1`).
    fn create(&mut self, code: &Code, x: &mut Exec, name: Value, controller: Value) -> Result<Did, Fault> {
        let behaviour = self.behaviour_named(code, x, name)?;
        let wanted = self.controller_option(x, controller)?;
        if x.tx.explicit() && wanted != 0 && x.tx.controller != 0 && wanted != x.tx.controller {
            let unused = ObjectId::new(self.config.node, self.config.torus, self.store.unused());
            return Err(ControllerError::CrossControllerTx(unused, self.names.name(wanted)).into());
        }
        if self.store.count + x.tx.table.len() as u64 >= self.config.objects {
            return Err(ProgramError::Memory(self.config.objects).into());
        }
        self.made[behaviour as usize] = true;
        self.open(x);
        let id = self.fresh_object(x);
        if self.store.newest(id).exists {
            return Err(ObjError::ObjectAlreadyExists(id).into());
        }
        let controller = if wanted != 0 { wanted } else { x.tx.controller };
        let version = Version {
            behaviour,
            machine: x.context().machine,
            creating: controller,
            current: controller,
            exists: true,
            ..super::store::ABSENT
        };
        let mut entry = Entry::of(id, &version);
        entry.flags |= CREATED;
        entry.made = x.tx.tick();
        match x.tx.lookup(id) {
            // It was asked for before it was there: what stood for its absence gives way.
            Some(at) => x.tx.replace(&mut self.heap, at, entry),
            None => {
                x.tx.insert(&mut self.heap, entry);
            }
        }
        self.log(x, What::Created, id.0, Value::word32(super::word::T_FUNCTION, behaviour), NOTHING);
        Ok(Did::Value(object(&mut self.heap, id)?))
    }

    /// destroyObj (`avm:4.1`).
    fn destroy(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        let id = self.object_arg(x, target)?;
        if id == ROOT {
            return Err(ObjError::ObjectNotFound(id).into());
        }
        self.open(x);
        let at = self.touch(x, id)?;
        let entry = x.tx.table[at as usize];
        let explicit = x.tx.explicit();
        if !entry.has(EXISTS) || entry.has(CANCELLED) || entry.has(DESTROYED) && !explicit {
            self.observe(x, at);
            return Err(ObjError::ObjectNotFound(id).into());
        }
        if entry.has(DAMAGED) {
            return Err(ObjError::MetadataCorruption(id).into());
        }
        let mut flags = DESTROYED;
        if explicit {
            if entry.has(DESTROYED) {
                return Err(ObjError::ObjectAlreadyDestroyed(id).into());
            }
            if entry.has(CREATED) {
                if x.tx.begun.last().is_some_and(|begun| entry.made > begun.order) {
                    flags |= CANCELLED;
                }
            } else {
                if !self.own(x, at)? {
                    return Err(ControllerError::ObjectHasNoController(id).into());
                }
                self.observe(x, at);
            }
        } else {
            if entry.current == 0 {
                return Err(ControllerError::ObjectHasNoController(id).into());
            }
            self.covered(x, &entry)?;
        }
        x.tx.change(&mut self.heap, at).flags |= flags;
        x.tx.epoch += 1;
        self.log(x, What::Destroyed, id.0, NOTHING, NOTHING);
        Ok(Did::Value(TRUE))
    }

    /// Remembers where the running object stands in the table.
    fn cache(x: &mut Exec, at: u32) {
        let epoch = x.tx.epoch;
        if let Some(context) = x.contexts.last_mut() {
            context.entry = at;
            context.epoch = epoch;
        }
    }

    /// getState (`avm:4.2`).
    fn get_state(&mut self, x: &mut Exec) -> Result<Did, Fault> {
        let context = x.context();
        if context.replica
            && let Some(replica) = Self::replica(&mut self.store, x, (context.id, context.machine))
        {
            return Ok(Did::Value(self.heap.retain(replica.state)));
        }
        if context.id == ROOT && x.tx.mode == Mode::None {
            return Ok(Did::Value(self.heap.retain(x.state)));
        }
        self.open(x);
        let at = self.touch(x, context.id)?;
        self.observe(x, at);
        let entry = x.tx.table[at as usize];
        if !Self::visible(x, &entry) {
            return Ok(Did::Value(super::word::EMPTY));
        }
        Self::cache(x, at);
        Ok(Did::Value(self.heap.retain(entry.state)))
    }

    /// setState (`avm:4.2`).
    fn set_state(&mut self, x: &mut Exec, state: Value) -> Result<Did, Fault> {
        let settled = self.settle(x, state);
        if !settled.is_list() {
            return Err(type_error("a list", kind(&self.heap, settled)));
        }
        self.no_function(settled)?;
        let context = x.context();
        if context.replica
            && let Some(replica) = Self::replica(&mut self.store, x, (context.id, context.machine))
        {
            let before = std::mem::replace(&mut replica.state, self.heap.retain(settled));
            self.heap.release(before);
        } else if context.id == ROOT && x.tx.mode == Mode::None {
            let before = std::mem::replace(&mut x.state, self.heap.retain(settled));
            self.heap.release(before);
        } else {
            self.open(x);
            let at = self.touch(x, context.id)?;
            if !Self::visible(x, &x.tx.table[at as usize]) {
                return Err(ObjError::ObjectNotFound(context.id).into());
            }
            if x.tx.explicit() {
                self.own(x, at)?;
                self.observe(x, at);
            }
            let state = self.heap.retain(settled);
            x.tx.set_state(&mut self.heap, at, state);
            Self::cache(x, at);
        }
        if x.trace.level == TraceLevel::Extended {
            self.log(x, What::StateUpdated, context.id.0, NOTHING, NOTHING);
        }
        Ok(Did::Value(NOTHING))
    }

    /// getMachine (`avm:4.7`, `decisions:AVM-19`).
    fn get_machine(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        let entry = self.observed(x, target)?;
        Ok(Did::Value(entry.map_or(NOTHING, |entry| Value::word32(T_MACHINE, entry.machine))))
    }

    /// teleport (`avm:4.7`).
    fn teleport(&mut self, x: &mut Exec, machine: Value) -> Result<Did, Fault> {
        if x.tx.explicit() {
            return Err(TxError::InvalidDuringTx("teleport".to_owned()).into());
        }
        self.capable(Capability::Machines)?;
        let machine = self.machine_arg(x, machine)?;
        if !self.machine_reachable(machine) {
            return Err(MachineError::MachineUnreachable(self.machine_name(machine)).into());
        }
        let from = x.context().machine;
        if let Some(context) = x.contexts.last_mut() {
            context.machine = machine;
        }
        self.log(x, What::ExecutionMoved, 0, Value::word32(T_MACHINE, from), Value::word32(T_MACHINE, machine));
        Ok(Did::Value(TRUE))
    }

    /// moveObject (`avm:4.7`).
    fn move_object(&mut self, x: &mut Exec, target: Value, machine: Value) -> Result<Did, Fault> {
        self.capable(Capability::Machines)?;
        let id = self.object_arg(x, target)?;
        let machine = self.machine_arg(x, machine)?;
        self.open(x);
        let at = self.find(x, id)?;
        if !self.machine_reachable(machine) {
            return Err(MachineError::MachineUnreachable(self.machine_name(machine)).into());
        }
        if self.machine_sealed(machine) && x.tx.table[at as usize].machine != machine {
            return Err(MachineError::InvalidMachineTransfer(id, self.machine_name(machine)).into());
        }
        self.available(x, &x.tx.table[at as usize])?;
        self.observe(x, at);
        let entry = x.tx.change(&mut self.heap, at);
        let from = std::mem::replace(&mut entry.machine, machine);
        entry.flags |= MOVED;
        self.log(x, What::Moved, id.0, Value::word32(T_MACHINE, from), Value::word32(T_MACHINE, machine));
        Ok(Did::Value(TRUE))
    }

    pub(super) fn controller_value(controller: u32) -> Value {
        if controller == 0 { NOTHING } else { Value::word32(T_CONTROLLER, controller) }
    }

    /// getController (`avm:4.8`).
    fn get_controller(&mut self, x: &mut Exec, target: Value) -> Result<Did, Fault> {
        let Some(entry) = self.observed(x, target)? else { return Ok(Did::Value(NOTHING)) };
        self.available(x, &entry)?;
        if x.tx.explicit() && x.tx.controller == 0 && entry.authority != 0 {
            self.resolve(x, entry.authority);
        }
        Ok(Did::Value(Self::controller_value(entry.current)))
    }

    /// transferObject (`avm:4.8`).
    fn transfer(&mut self, x: &mut Exec, target: Value, to: Value) -> Result<Did, Fault> {
        let id = self.object_arg(x, target)?;
        let to = self.controller_arg(x, to)?;
        if !self.controller_reachable(to) {
            return Err(ControllerError::ControllerUnreachable(self.names.name(to)).into());
        }
        self.open(x);
        let at = self.find(x, id)?;
        let entry = x.tx.table[at as usize];
        if x.tx.explicit() {
            if entry.authority != 0 {
                self.own(x, at)?;
            } else if !entry.has(CREATED) {
                return Err(ControllerError::ObjectHasNoController(id).into());
            }
            self.observe(x, at);
        } else {
            if entry.current == 0 {
                return Err(ControllerError::ObjectHasNoController(id).into());
            }
            self.available(x, &entry)?;
            if x.authority != 0 && x.authority != entry.current {
                return Err(ControllerError::UnauthorizedTransfer(id, self.names.name(to)).into());
            }
        }
        let explicit = x.tx.explicit();
        let entry = x.tx.change(&mut self.heap, at);
        let from = std::mem::replace(&mut entry.current, to);
        entry.flags |= TRANSFERRED;
        if !explicit {
            entry.authority = to;
        }
        self.log(x, What::Transferred, id.0, Value::word32(T_CONTROLLER, from), Value::word32(T_CONTROLLER, to));
        Ok(Did::Value(TRUE))
    }

    fn random(&mut self, x: &mut Exec, below: Value) -> Result<Did, Fault> {
        self.capable(Capability::Random)?;
        let below = self.number_arg(x, below)?;
        let Some(below) = u64::try_from(below).ok().filter(|below| *below > 0) else {
            return Err(arithmetic("random needs a number from 1"));
        };
        // SplitMix64; the high product is uniform enough for 64 bits.
        x.random = x.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = x.random;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        Ok(Did::Value(self.heap.number(((u128::from(bits) * u128::from(below)) >> 64) as i128)?))
    }

    /// A number of ticks to wait.
    pub(super) fn ticks_arg(&mut self, x: &mut Exec, ticks: Value, what: &str) -> Result<u64, Fault> {
        let ticks = self.number_arg(x, ticks)?;
        let ticks = u64::try_from(ticks).ok().filter(|ticks| *ticks <= MOST_TICKS);
        ticks.ok_or_else(|| arithmetic(&format!("{what} takes 0 to {MOST_TICKS} ticks: wait several times")))
    }

    fn sleep(&mut self, code: &Code, x: &mut Exec, ticks: Value) -> Result<Did, Fault> {
        self.capable(Capability::Clock)?;
        if std::mem::take(&mut x.woken) {
            return Ok(Did::Value(NOTHING));
        }
        if x.undecided() {
            return Err(TxError::InvalidDuringTx("sleep with open choices".to_owned()).into());
        }
        let ticks = self.ticks_arg(x, ticks, "sleep")?;
        if let Some(did) = self.await_joint(code, x)? {
            return Ok(did);
        }
        if x.tx.mode == Mode::Implicit && !self.publish(code, x)? {
            return Ok(Did::Switched);
        }
        self.outputs.push(Output::Sleep { execution: x.id, ticks });
        Ok(Did::Flow(Self::park(x, Why::Sleeping)))
    }
}
