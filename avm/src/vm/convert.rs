//! Values of the heap and owned values; equality, order, hash. Recursion goes no deeper than [`MAX_DEPTH`]: the heap holds nothing
//! deeper, and what comes in is refused where it is.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::heap::{Full, Heap, MAX_DEPTH};
use super::word::{
    EMPTY, NOTHING, Node, ROOT_REF, T_CONTROLLER, T_EXECUTION, T_FUNCTION, T_INT, T_MACHINE, T_OBJECT, T_TEXT, T_TX,
    T_VAR, Value,
};
use crate::code::Shape;
use crate::id::{ExecutionId, ObjectId, ROOT, TxId, VarId};
use crate::value::{Kind, Val};

/// Most names of machines and controllers that one execution brings. They stay when it is over: objects, messages and traces hold
/// their numbers.
pub(super) const MOST_MADE: u32 = 1024;

/// Names of machines and controllers, as numbers from 1; 0 stands for none.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<crate::id::Name>,
    numbers: BTreeMap<crate::id::Name, u32>,
    most: usize,
}

impl Names {
    pub(super) fn new(most: u32) -> Self {
        Self { names: Vec::new(), numbers: BTreeMap::new(), most: most as usize }
    }

    /// Number of a name that a program makes up. `made` counts those of its execution that were not known before: so
    /// many and no more each may bring, and a part of the table is out of reach of all of them, for what comes in from outside.
    pub(super) fn number_of(&mut self, name: &str, made: &mut u32) -> Result<u32, Full> {
        if !self.numbers.contains_key(&name.into()) {
            if *made >= MOST_MADE || self.names.len() >= self.most - self.most / 4 {
                return Err(Full(u64::from(MOST_MADE).min(self.most as u64)));
            }
            *made += 1;
        }
        self.number(name)
    }

    /// Number of a name.
    pub(super) fn number(&mut self, name: &str) -> Result<u32, Full> {
        let name: crate::id::Name = name.into();
        if let Some(number) = self.numbers.get(&name) {
            return Ok(*number);
        }
        if self.names.len() >= self.most {
            return Err(Full(self.most as u64));
        }
        self.names.push(name.clone());
        self.numbers.insert(name, self.names.len() as u32);
        Ok(self.names.len() as u32)
    }

    /// Name of a number that was given out.
    pub(super) fn name(&self, number: u32) -> crate::id::Name {
        match number.checked_sub(1).and_then(|at| self.names.get(at as usize)) {
            Some(name) => name.clone(),
            None => "unknown".into(),
        }
    }

    /// Name, or none for 0.
    pub(super) fn option(&self, number: u32) -> Option<crate::id::Name> {
        (number != 0).then(|| self.name(number))
    }
}

/// Object of a reference.
pub(super) fn object_of(heap: &Heap, value: Value) -> Option<ObjectId> {
    if value == ROOT_REF {
        return Some(ROOT);
    }
    heap.as_identity(value, T_OBJECT, Node::Object).map(ObjectId)
}

/// Reference to an object.
pub(super) fn object(heap: &mut Heap, id: ObjectId) -> Result<Value, Full> {
    if id == ROOT { Ok(ROOT_REF) } else { heap.identity(T_OBJECT, Node::Object, id.0) }
}

/// Kind of what a value is now.
pub(super) fn kind(heap: &Heap, value: Value) -> Kind {
    let value = heap.now(value);
    match value.tag() {
        T_INT => Kind::Int,
        T_OBJECT => Kind::Object,
        T_TX => Kind::Tx,
        T_EXECUTION => Kind::Execution,
        T_MACHINE => Kind::Machine,
        T_CONTROLLER => Kind::Controller,
        T_VAR => Kind::Var,
        T_TEXT => Kind::Text,
        T_FUNCTION => Kind::Function,
        super::word::T_REF => match value.node_kind() {
            Node::Text => Kind::Text,
            Node::Bytes => Kind::Bytes,
            Node::List => Kind::List,
            Node::Pair => Kind::Pair,
            Node::Just => Kind::Just,
            Node::Record => Kind::Record,
            Node::Int => Kind::Int,
            Node::Object => Kind::Object,
            Node::Tx => Kind::Tx,
            Node::Execution => Kind::Execution,
            Node::Closure | Node::Deferred => Kind::Function,
        },
        _ => match value {
            NOTHING => Kind::Nothing,
            EMPTY => Kind::List,
            ROOT_REF => Kind::Object,
            _ => Kind::Bool,
        },
    }
}

/// An owned value; a function becomes a text that says so, where the caller has not refused it.
pub(super) fn to_val(heap: &Heap, names: &Names, value: Value) -> Val {
    let value = heap.now(value);
    let each = |value: Value| heap.children(value).map(|child| to_val(heap, names, child));
    match kind(heap, value) {
        Kind::Nothing => Val::Nothing,
        Kind::Bool => Val::Bool(value == super::word::TRUE),
        Kind::Int => Val::Int(heap.as_number(value).unwrap_or_default()),
        Kind::Text => Val::Text(heap.string(value).into()),
        Kind::Bytes => Val::Bytes(heap.node_bytes(value).into()),
        Kind::List => Val::List(each(value).collect()),
        Kind::Pair => Val::pair(to_val(heap, names, heap.child(value, 0)), to_val(heap, names, heap.child(value, 1))),
        Kind::Just => Val::just(to_val(heap, names, heap.child(value, 0))),
        Kind::Record => {
            let fields = heap.children(heap.child(value, 0)).zip(heap.children(value).skip(1));
            Val::Record(fields.map(|(name, field)| (heap.string(name).into(), to_val(heap, names, field))).collect())
        }
        Kind::Object => Val::Object(object_of(heap, value).unwrap_or(ROOT)),
        Kind::Tx => Val::Tx(TxId(heap.as_identity(value, T_TX, Node::Tx).unwrap_or_default())),
        Kind::Execution => {
            Val::Execution(ExecutionId(heap.as_identity(value, T_EXECUTION, Node::Execution).unwrap_or_default()))
        }
        Kind::Machine => Val::Machine(names.name(value.bits32())),
        Kind::Controller => Val::Controller(names.name(value.bits32())),
        Kind::Var => Val::Var(VarId(value.bits32())),
        Kind::Function => Val::text("<function>"),
    }
}

/// A value of the heap, with one reference.
pub(super) fn from_val(heap: &mut Heap, names: &mut Names, val: &Val) -> Result<Value, Full> {
    from_deep(heap, names, val, MAX_DEPTH)
}

fn from_deep(heap: &mut Heap, names: &mut Names, val: &Val, room: u16) -> Result<Value, Full> {
    let Some(room) = room.checked_sub(1) else {
        return Err(Full(u64::from(MAX_DEPTH)));
    };
    let many = |heap: &mut Heap, names: &mut Names, vals: &mut dyn Iterator<Item = &Val>, first: Option<Value>| {
        let mut made: Vec<Value> = first.into_iter().collect();
        for val in vals {
            match from_deep(heap, names, val, room) {
                Ok(value) => made.push(value),
                Err(full) => {
                    made.into_iter().for_each(|value| heap.release(value));
                    return Err(full);
                }
            }
        }
        Ok(made)
    };
    match val {
        Val::Nothing => Ok(NOTHING),
        Val::Bool(truth) => Ok(Value::bool(*truth)),
        Val::Int(number) => heap.number(*number),
        Val::Text(text) => heap.text(text),
        Val::Bytes(bytes) => heap.bytes(Node::Bytes, bytes),
        Val::Just(inner) => {
            let inner = from_deep(heap, names, inner, room)?;
            heap.just_of(inner)
        }
        Val::List(vals) => {
            let made = many(heap, names, &mut vals.iter(), None)?;
            heap.list_of(&made)
        }
        Val::Pair(both) => {
            let made = many(heap, names, &mut [&both.0, &both.1].into_iter(), None)?;
            heap.node_of(Node::Pair, &made)
        }
        Val::Record(fields) => {
            let mut texts = Vec::with_capacity(fields.len());
            for (name, _) in fields {
                match heap.text(name) {
                    Ok(text) => texts.push(text),
                    Err(full) => {
                        texts.into_iter().for_each(|text| heap.release(text));
                        return Err(full);
                    }
                }
            }
            let shape = heap.list_of(&texts)?;
            let made = many(heap, names, &mut fields.iter().map(|(_, field)| field), Some(shape))?;
            heap.node_of(Node::Record, &made)
        }
        Val::Object(id) => object(heap, *id),
        Val::Tx(id) => heap.identity(T_TX, Node::Tx, id.0),
        Val::Execution(id) => heap.identity(T_EXECUTION, Node::Execution, id.0),
        Val::Machine(name) => Ok(Value::word32(T_MACHINE, names.number(name.as_str())?)),
        Val::Controller(name) => Ok(Value::word32(T_CONTROLLER, names.number(name.as_str())?)),
        Val::Var(var) => Ok(Value::word32(T_VAR, var.0)),
    }
}

/// Equality of what two values are now.
pub(super) fn equal(heap: &Heap, one: Value, two: Value) -> bool {
    if one == two {
        return true;
    }
    let (one, two) = (heap.now(one), heap.now(two));
    if one == two {
        return true;
    }
    if !one.is_ref() || !two.is_ref() || one.node_kind() != two.node_kind() {
        return false;
    }
    match one.node_kind() {
        Node::Text | Node::Bytes => heap.node_bytes(one) == heap.node_bytes(two),
        Node::Int => heap.as_number(one) == heap.as_number(two),
        Node::Object => object_of(heap, one) == object_of(heap, two),
        Node::Tx => heap.as_identity(one, T_TX, Node::Tx) == heap.as_identity(two, T_TX, Node::Tx),
        Node::Execution => {
            let bits = |value| heap.as_identity(value, T_EXECUTION, Node::Execution);
            bits(one) == bits(two)
        }
        _ => {
            heap.len(one) == heap.len(two)
                && heap.children(one).zip(heap.children(two)).all(|(one, two)| equal(heap, one, two))
        }
    }
}

/// Order of what two values are now, as [`Val::compare`].
pub(super) fn compare(heap: &Heap, names: &Names, one: Value, two: Value) -> Option<Ordering> {
    let (one, two) = (heap.now(one), heap.now(two));
    let of = kind(heap, one);
    if of != kind(heap, two) {
        return None;
    }
    let front = |one: Value, two: Value| {
        let decided = heap.children(one).zip(heap.children(two)).map(|(one, two)| compare(heap, names, one, two));
        let decided = { decided }.find(|order| *order != Some(Ordering::Equal));
        decided.unwrap_or_else(|| Some(heap.len(one).cmp(&heap.len(two))))
    };
    match of {
        Kind::Nothing => Some(Ordering::Equal),
        Kind::Bool => Some(one.0.cmp(&two.0)),
        Kind::Int => Some(heap.as_number(one).cmp(&heap.as_number(two))),
        Kind::Text | Kind::Bytes => {
            let (mut a, mut b) = ([0; 8], [0; 8]);
            Some(heap.text_bytes(one, &mut a).cmp(heap.text_bytes(two, &mut b)))
        }
        Kind::Just | Kind::List | Kind::Pair => front(one, two),
        Kind::Record => {
            let names_of = |value: Value| heap.children(heap.child(value, 0));
            let pairs = names_of(one).zip(names_of(two)).zip(heap.children(one).zip(heap.children(two)).skip(1));
            for ((a, b), (x, y)) in pairs {
                match compare(heap, names, a, b) {
                    Some(Ordering::Equal) => {}
                    decided => return decided,
                }
                match compare(heap, names, x, y) {
                    Some(Ordering::Equal) => {}
                    decided => return decided,
                }
            }
            Some(heap.len(one).cmp(&heap.len(two)))
        }
        Kind::Object => Some(object_of(heap, one).cmp(&object_of(heap, two))),
        Kind::Tx => Some(heap.as_identity(one, T_TX, Node::Tx).cmp(&heap.as_identity(two, T_TX, Node::Tx))),
        Kind::Execution => {
            let bits = |value| heap.as_identity(value, T_EXECUTION, Node::Execution);
            Some(bits(one).cmp(&bits(two)))
        }
        Kind::Machine | Kind::Controller => Some(names.name(one.bits32()).cmp(&names.name(two.bits32()))),
        Kind::Var => Some(one.bits32().cmp(&two.bits32())),
        Kind::Function => None,
    }
}

/// Hash of what a value is now: equal values, equal hashes.
pub(super) fn hash(heap: &Heap, value: Value) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let value = heap.now(value);
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    if !value.is_ref() {
        return mix(PRIME, value.0);
    }
    let of = value.node_kind();
    if of.has_children() {
        return heap.children(value).fold(mix(PRIME, of as u64), |seed, child| mix(seed, hash(heap, child)));
    }
    match of {
        Node::Text | Node::Bytes => heap.node_bytes(value).iter().fold(PRIME, |seed, byte| mix(seed, u64::from(*byte))),
        _ => mix(mix(PRIME, of as u64), heap.child(value, 0).0),
    }
}

/// Whether what a value is now has a form; as [`Shape::fits`].
pub(super) fn fits(heap: &Heap, shape: &Shape, value: Value) -> bool {
    let value = heap.now(value);
    match shape {
        Shape::Any => true,
        Shape::Is(of) => kind(heap, value) == *of,
        Shape::Option(inner) => {
            value == NOTHING || value.is_node(Node::Just) && fits(heap, inner, heap.child(value, 0))
        }
        Shape::List(inner) => value.is_list() && heap.children(value).all(|child| fits(heap, inner, child)),
        Shape::Pair(both) => {
            value.is_node(Node::Pair)
                && fits(heap, &both.0, heap.child(value, 0))
                && fits(heap, &both.1, heap.child(value, 1))
        }
    }
}

/// Whether a text is this one.
pub(super) fn is_text(heap: &Heap, value: Value, text: &str) -> bool {
    let mut short = [0; 8];
    value.is_text() && heap.text_bytes(value, &mut short) == text.as_bytes()
}

/// A text as shared text, if it is one.
pub(super) fn text_of(heap: &Heap, value: Value) -> Option<Arc<str>> {
    let value = heap.now(value);
    value.is_text().then(|| heap.string(value).into())
}
