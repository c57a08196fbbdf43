//! The model: `avm:3`, `avm:4` and `avm:7` read as plainly as possible. A transaction is a copy of everything.

use std::collections::BTreeMap;

use avm::AvmError;
use avm::error::{ControllerError, MachineError, ObjError, TxError};
use avm::event::{Event, LogEntry};
use avm::id::{Name, ObjectId, ROOT, TxId};
use avm::value::Val;

use super::program::{Message, Step};

type Done<T> = Result<T, AvmError>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    behaviour: &'static str,
    machine: Name,
    creating: Option<Name>,
    current: Option<Name>,
    /// Controller whose transactions may touch it; a pending transfer does not change it.
    authority: Option<Name>,
    state: Vec<Val>,
    /// Transaction that made it, while that is open.
    made: Option<u64>,
    destroyed: bool,
}

/// What a transaction can take back.
#[derive(Debug, Clone, Default)]
struct World {
    objects: BTreeMap<u64, Object>,
    root: Vec<Val>,
}

/// A savepoint: what an abort goes back to.
struct Frame {
    tx: u64,
    before: World,
    controller: Option<Name>,
}

/// The machine.
pub struct Model {
    world: World,
    frames: Vec<Frame>,
    controller: Option<Name>,
    ended: BTreeMap<u64, bool>,
    next_object: u64,
    next_tx: u64,
    /// Self, sender and machine of each call, the program first.
    contexts: Vec<(ObjectId, Option<ObjectId>, Name)>,
    /// What was logged.
    pub trace: Vec<LogEntry>,
}

fn reachable_machine(machine: &str) -> bool {
    machine != "dead"
}

fn name(name: &str) -> Name {
    Name::new(name)
}

fn list(values: Vec<Val>) -> Val {
    Val::List(values)
}

impl Model {
    /// An empty machine.
    pub fn new() -> Self {
        Self {
            world: World::default(),
            frames: Vec::new(),
            controller: None,
            ended: BTreeMap::new(),
            next_object: 0,
            next_tx: 0,
            contexts: vec![(ROOT, None, name("m1"))],
            trace: Vec::new(),
        }
    }

    /// Runs a program.
    pub fn run(&mut self, steps: &[Step]) -> Done<Val> {
        let mut out = Vec::new();
        for step in steps {
            let before = self.world.clone();
            match self.step(step) {
                Ok(value) => out.push(value),
                Err(error) => {
                    self.log(Event::ErrorOccurred(error.clone()));
                    if self.frames.is_empty() {
                        // Instruction atomicity (`avm:7.5`).
                        self.world = before;
                    }
                    self.abort_down_to(0);
                    return Err(error);
                }
            }
        }
        self.abort_down_to(0);
        Ok(list(out))
    }

    /// What the store holds.
    pub fn store(&self) -> Vec<String> {
        let show = |name: &Option<Name>| name.as_ref().map_or("-".to_owned(), ToString::to_string);
        let row = |(id, o): (&u64, &Object)| {
            let (made, now) = (show(&o.creating), show(&o.current));
            format!("o{id} m.{} {} {made} {now} {}", o.behaviour, o.machine, list(o.state.clone()))
        };
        self.world.objects.iter().map(row).collect()
    }

    fn log(&mut self, event: Event) {
        let depth = self.contexts.len() as u32 - 1;
        let timestamp = self.trace.len() as u64;
        self.trace.push(LogEntry { timestamp, event, controller: self.controller.clone(), depth });
    }

    fn inside(&self) -> bool {
        !self.frames.is_empty()
    }

    fn here(&self) -> &(ObjectId, Option<ObjectId>, Name) {
        self.contexts.last().unwrap()
    }

    fn find(&self, o: u64) -> Done<&Object> {
        self.world.objects.get(&o).ok_or_else(|| ObjError::ObjectNotFound(ObjectId(o)).into())
    }

    fn object(&mut self, o: u64) -> &mut Object {
        self.world.objects.get_mut(&o).unwrap()
    }

    /// own(o); whether it has a controller.
    fn own(&mut self, o: u64) -> Done<bool> {
        let Some(authority) = self.find(o)?.authority.clone() else { return Ok(false) };
        match &self.controller {
            None => self.resolve(authority),
            Some(controller) if *controller != authority => {
                return Err(ControllerError::CrossControllerTx(ObjectId(o), authority).into());
            }
            Some(_) => {}
        }
        Ok(true)
    }

    fn resolve(&mut self, controller: Name) {
        self.controller = Some(controller.clone());
        // Pending creates are bound late; an inner abort takes that back together with the controller.
        for object in self.world.objects.values_mut() {
            if object.made.is_some() && object.creating.is_none() && object.authority.is_none() {
                object.creating = Some(controller.clone());
                object.authority = Some(controller.clone());
                object.current.get_or_insert_with(|| controller.clone());
            }
        }
    }

    fn step(&mut self, step: &Step) -> Done<Val> {
        match step {
            Step::Create(behaviour, controller) => self.create(behaviour, controller.map(name)),
            Step::Destroy(o) => self.destroy(*o),
            Step::Call(o, message) => self.call(*o, message),
            Step::Begin(controller) => self.begin(controller.map(name)).map(|t| Val::Tx(TxId(t))),
            Step::Commit(t) => self.commit(*t),
            Step::Abort(t) => self.abort(*t),
            Step::Transfer(o, to) => self.transfer(*o, name(to)),
            Step::Controller(o) => Ok(self.controller_of(*o)),
            Step::CurrentController => Ok(self.controller.clone().map_or(Val::Nothing, Val::Controller)),
            Step::Move(o, to) => self.move_object(*o, name(to)),
            Step::Machine(o) => Ok(self.find(*o).map_or(Val::Nothing, |o| Val::Machine(o.machine.clone()))),
            Step::CurrentMachine => Ok(Val::Machine(self.here().2.clone())),
            Step::Teleport(to) => self.teleport(name(to)),
            Step::Freeze(o) => self.freeze(*o),
            Step::SetState(n) => {
                self.world.root = vec![Val::from(*n)];
                Ok(Val::Nothing)
            }
            Step::GetState => Ok(list(self.world.root.clone())),
            Step::Receive | Step::Sender => Ok(Val::Nothing),
            Step::This => Ok(Val::Object(ROOT)),
        }
    }

    fn create(&mut self, behaviour: &'static str, wanted: Option<Name>) -> Done<Val> {
        if behaviour == "none" {
            return Err(ObjError::BehaviourNotFound("none".to_owned()).into());
        }
        if let (true, Some(wanted), Some(controller)) = (self.inside(), &wanted, &self.controller)
            && wanted != controller
        {
            return Err(ControllerError::CrossControllerTx(ObjectId(self.next_object), wanted.clone()).into());
        }
        let id = self.next_object;
        self.next_object += 1;
        let controller = wanted.or_else(|| self.controller.clone());
        let object = Object {
            behaviour,
            machine: self.here().2.clone(),
            creating: controller.clone(),
            current: controller.clone(),
            authority: controller,
            state: Vec::new(),
            made: self.frames.last().map(|frame| frame.tx),
            destroyed: false,
        };
        self.world.objects.insert(id, object);
        self.log(Event::ObjectCreated(ObjectId(id), format!("m.{behaviour}").into()));
        Ok(Val::Object(ObjectId(id)))
    }

    fn destroy(&mut self, o: u64) -> Done<Val> {
        let object = self.find(o)?.clone();
        if object.destroyed {
            return Err(ObjError::ObjectAlreadyDestroyed(ObjectId(o)).into());
        }
        match self.frames.last().map(|frame| frame.tx) {
            None if object.current.is_none() => {
                return Err(ControllerError::ObjectHasNoController(ObjectId(o)).into());
            }
            None => {
                self.world.objects.remove(&o);
            }
            Some(tx) if object.made == Some(tx) => {
                self.world.objects.remove(&o);
            }
            Some(_) => {
                if object.made.is_none() && !self.own(o)? {
                    return Err(ControllerError::ObjectHasNoController(ObjectId(o)).into());
                }
                self.object(o).destroyed = true;
            }
        }
        self.log(Event::ObjectDestroyed(ObjectId(o)));
        Ok(Val::Bool(true))
    }

    fn call(&mut self, o: u64, message: &Message) -> Done<Val> {
        self.find(o)?;
        if self.inside() {
            self.own(o)?;
        }
        let object = self.find(o)?.clone();
        let caller = self.here().0;
        self.contexts.push((ObjectId(o), Some(caller), object.machine));
        // A failure leaves the frames as they are: the program is over.
        let out = if object.behaviour == "empty" { None } else { self.behave(o, message)? };
        self.contexts.pop();
        self.log(Event::ObjectCalled(ObjectId(o), to_val(message), out.clone()));
        Ok(out.unwrap_or(Val::Nothing))
    }

    fn behave(&mut self, o: u64, message: &Message) -> Done<Option<Val>> {
        let number = |object: &Object| match object.state.first() {
            Some(Val::Int(n)) => *n,
            _ => 0,
        };
        Ok(Some(match message {
            Message::Inc => {
                let n = Val::Int(number(self.find(o)?) + 1);
                self.set_state(o, vec![n.clone()])?;
                n
            }
            Message::Get => Val::Int(number(self.find(o)?)),
            Message::Who => list(vec![Val::Object(self.here().1.unwrap_or(ROOT)), Val::Object(ObjectId(o))]),
            Message::Mach => Val::Machine(self.here().2.clone()),
            Message::Boom => {
                self.set_state(o, vec![Val::from(9)])?;
                self.call(999, &Message::Inc)?
            }
            Message::Decline => return Ok(None),
            Message::Relay(to, inner) => self.call(*to, inner)?,
            Message::Around(n, to, inner) => {
                self.set_state(o, vec![Val::from(*n)])?;
                self.call(*to, inner)?;
                list(self.find(o).map(|object| object.state.clone()).unwrap_or_default())
            }
            Message::Make => self.create("ctr", None)?,
            Message::Nested(commit, to, inner) => {
                let tx = self.begin(None)?;
                let out = self.call(*to, inner)?;
                if *commit {
                    self.commit(tx)?
                } else {
                    self.abort(tx)?
                };
                out
            }
        }))
    }

    fn set_state(&mut self, o: u64, state: Vec<Val>) -> Done<()> {
        self.find(o)?;
        if self.inside() {
            self.own(o)?;
        }
        self.object(o).state = state;
        Ok(())
    }

    fn begin(&mut self, controller: Option<Name>) -> Done<u64> {
        if let (Some(wanted), Some(locked)) = (&controller, &self.controller)
            && wanted != locked
        {
            return Err(ControllerError::CrossControllerTx(self.here().0, locked.clone()).into());
        }
        let tx = self.next_tx;
        self.next_tx += 1;
        self.log(Event::TransactionStarted(TxId(tx)));
        self.frames.push(Frame { tx, before: self.world.clone(), controller: self.controller.clone() });
        if let (Some(controller), None) = (controller, &self.controller) {
            self.resolve(controller);
        }
        Ok(tx)
    }

    fn not_open(&self, t: u64, otherwise: TxError) -> AvmError {
        match self.ended.get(&t) {
            Some(true) => TxError::TxAlreadyCommitted(TxId(t)).into(),
            Some(false) => TxError::TxAlreadyAborted(TxId(t)).into(),
            None => otherwise.into(),
        }
    }

    fn commit(&mut self, t: u64) -> Done<Val> {
        let Some(innermost) = self.frames.last().map(|frame| frame.tx) else {
            return Err(self.not_open(t, TxError::NoActiveTx));
        };
        if innermost != t {
            if self.frames.iter().any(|frame| frame.tx == t) {
                return Err(TxError::TxConflict(TxId(t)).into());
            }
            return Err(self.not_open(t, TxError::TxNotFound(TxId(t))));
        }
        self.frames.pop();
        self.ended.insert(t, true);
        match self.frames.last().map(|frame| frame.tx) {
            Some(parent) => {
                for object in self.world.objects.values_mut().filter(|object| object.made == Some(t)) {
                    object.made = Some(parent);
                }
                self.world.objects.retain(|_, object| !(object.destroyed && object.made == Some(parent)));
            }
            None => {
                self.world.objects.retain(|_, object| !object.destroyed);
                for object in self.world.objects.values_mut() {
                    object.made = None;
                    object.authority = object.current.clone();
                }
            }
        }
        self.log(Event::TransactionCommitted(TxId(t)));
        if self.frames.is_empty() {
            self.controller = None;
        }
        Ok(Val::Bool(true))
    }

    fn abort(&mut self, t: u64) -> Done<Val> {
        match self.frames.iter().position(|frame| frame.tx == t) {
            Some(level) => self.abort_down_to(level),
            None => match self.ended.get(&t) {
                Some(false) => {}
                Some(true) => return Err(TxError::TxAlreadyCommitted(TxId(t)).into()),
                None => return Err(TxError::TxNotFound(TxId(t)).into()),
            },
        }
        Ok(Val::Nothing)
    }

    fn abort_down_to(&mut self, level: usize) {
        while self.frames.len() > level {
            let Some(frame) = self.frames.pop() else { return };
            self.log(Event::TransactionAborted(TxId(frame.tx)));
            self.world = frame.before;
            self.controller = frame.controller;
            self.ended.insert(frame.tx, false);
        }
    }

    fn transfer(&mut self, o: u64, to: Name) -> Done<Val> {
        if to.as_str() == "dead" {
            return Err(ControllerError::ControllerUnreachable(to).into());
        }
        let object = self.find(o)?.clone();
        let none = || ControllerError::ObjectHasNoController(ObjectId(o));
        if !self.inside() {
            if object.current.is_none() {
                return Err(none().into());
            }
            self.object(o).authority = Some(to.clone());
        } else if object.authority.is_some() {
            self.own(o)?;
        } else if object.made.is_none() {
            return Err(none().into());
        }
        let from = self.object(o).current.replace(to.clone()).unwrap_or_else(|| name("unknown"));
        self.log(Event::ObjectTransferred(ObjectId(o), from, to));
        Ok(Val::Bool(true))
    }

    fn controller_of(&mut self, o: u64) -> Val {
        let Ok(object) = self.find(o).cloned() else { return Val::Nothing };
        if let (true, None, Some(authority)) = (self.inside(), &self.controller, object.authority) {
            self.resolve(authority);
        }
        let now = self.find(o).ok().and_then(|object| object.current.clone());
        now.map_or(Val::Nothing, Val::Controller)
    }

    fn move_object(&mut self, o: u64, to: Name) -> Done<Val> {
        self.find(o)?;
        if !reachable_machine(to.as_str()) {
            return Err(MachineError::MachineUnreachable(to).into());
        }
        let from = std::mem::replace(&mut self.object(o).machine, to.clone());
        self.log(Event::ObjectMoved(ObjectId(o), from, to));
        Ok(Val::Bool(true))
    }

    fn teleport(&mut self, to: Name) -> Done<Val> {
        if self.inside() {
            return Err(TxError::InvalidDuringTx("teleport".to_owned()).into());
        }
        if !reachable_machine(to.as_str()) {
            return Err(MachineError::MachineUnreachable(to).into());
        }
        let from = std::mem::replace(&mut self.contexts[0].2, to.clone());
        self.log(Event::ExecutionMoved(from, to));
        Ok(Val::Bool(true))
    }

    fn freeze(&mut self, o: u64) -> Done<Val> {
        let Some(controller) = self.find(o)?.current.clone() else { return Ok(Val::Nothing) };
        if self.inside() {
            self.own(o)?;
        }
        self.log(Event::ObjectFrozen(ObjectId(o), controller));
        Ok(Val::just(Val::Bool(true)))
    }
}

/// A message as it is sent.
fn to_val(message: &Message) -> Val {
    let tag = |tag: &str, parts: Vec<Val>| list([vec![Val::from(tag)], parts].concat());
    let object = |o: &u64| Val::Object(ObjectId(*o));
    match message {
        Message::Inc => tag("inc", vec![]),
        Message::Get => tag("get", vec![]),
        Message::Who => tag("who", vec![]),
        Message::Mach => tag("mach", vec![]),
        Message::Boom => tag("boom", vec![]),
        Message::Decline => tag("decline", vec![]),
        Message::Relay(o, inner) => tag("relay", vec![object(o), to_val(inner)]),
        Message::Around(n, o, inner) => tag("around", vec![Val::from(*n), object(o), to_val(inner)]),
        Message::Make => tag("make", vec![]),
        Message::Nested(commit, o, inner) => tag("nested", vec![Val::Bool(*commit), object(o), to_val(inner)]),
    }
}
