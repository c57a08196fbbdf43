//! The canonical writer. Callers have checked that what nests is bounded.

use crate::code::{Behaviour, Function, MessageShape, Module, Op, Shape};
use crate::value::{Kind, Val};

/// Bytes so far.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

impl Writer {
    pub(super) fn module(&mut self, module: &Module, with_places: bool) {
        self.text(&module.name);
        self.out.push(u8::from(module.needs_unsafe));
        self.length(module.constants.len());
        module.constants.iter().for_each(|constant| self.value(constant));
        self.length(module.functions.len());
        module.functions.iter().for_each(|function| self.function(function));
        self.length(module.behaviours.len());
        module.behaviours.iter().for_each(|behaviour| self.behaviour(behaviour));
        self.length(module.pures.len());
        module.pures.iter().for_each(|pure| self.named(&pure.name, pure.function));
        self.length(module.entries.len());
        module.entries.iter().for_each(|entry| self.named(&entry.name, entry.function));
        self.length(module.tests.len());
        module.tests.iter().for_each(|test| self.named(&test.name, test.function));
        if !with_places {
            return;
        }
        self.length(module.files.len());
        module.files.iter().for_each(|file| self.text(file));
        for function in &module.functions {
            self.length(function.places.len());
            for place in &function.places {
                self.varint(u128::from(place.file));
                self.varint(u128::from(place.line));
                self.varint(u128::from(place.column));
            }
        }
    }

    fn function(&mut self, function: &Function) {
        self.text(&function.name);
        self.out.extend([function.arity, function.registers, u8::from(function.pinned)]);
        self.length(function.code.len());
        function.code.iter().for_each(|op| self.op(op));
    }

    fn op(&mut self, op: &Op) {
        let mut room = [0; 16];
        let bytes = postcard::to_slice(op, &mut room).expect("an operation of eight bytes fits in sixteen");
        self.out.extend_from_slice(bytes);
    }

    fn behaviour(&mut self, behaviour: &Behaviour) {
        self.named(&behaviour.name, behaviour.function);
        match &behaviour.messages {
            None => self.out.push(0),
            Some(messages) => {
                self.out.push(1);
                self.length(messages.len());
                messages.iter().for_each(|message| self.message(message));
            }
        }
    }

    fn message(&mut self, message: &MessageShape) {
        self.text(&message.tag);
        self.length(message.parts.len());
        message.parts.iter().for_each(|part| self.shape(part));
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Any => self.out.push(0),
            Shape::Is(kind) => self.out.extend([1, *kind as u8]),
            Shape::Option(inner) => {
                self.out.push(2);
                self.shape(inner);
            }
            Shape::List(inner) => {
                self.out.push(3);
                self.shape(inner);
            }
            Shape::Pair(both) => {
                self.out.push(4);
                self.shape(&both.0);
                self.shape(&both.1);
            }
        }
    }

    fn named(&mut self, name: &str, function: u16) {
        self.text(name);
        self.varint(u128::from(function));
    }

    pub(super) fn value(&mut self, value: &Val) {
        self.out.push(value.kind() as u8);
        match value {
            Val::Nothing => {}
            Val::Just(inner) => self.value(inner),
            Val::Bool(truth) => self.out.push(u8::from(*truth)),
            Val::Int(number) => self.varint((number << 1 ^ number >> 127).cast_unsigned()),
            Val::Text(text) => self.text(text),
            Val::Bytes(bytes) => self.bytes(bytes),
            Val::List(values) => {
                self.length(values.len());
                values.iter().for_each(|value| self.value(value));
            }
            Val::Pair(both) => {
                self.value(&both.0);
                self.value(&both.1);
            }
            Val::Record(fields) => {
                self.length(fields.len());
                for (name, value) in fields {
                    self.text(name);
                    self.value(value);
                }
            }
            Val::Object(id) => self.varint(u128::from(id.0)),
            Val::Tx(id) => self.varint(u128::from(id.0)),
            Val::Execution(id) => self.varint(u128::from(id.0)),
            Val::Machine(name) | Val::Controller(name) => self.text(name.as_str()),
            Val::Var(var) => self.varint(u128::from(var.0)),
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn length(&mut self, length: usize) {
        self.varint(length as u128);
    }

    /// Seven bits a byte, least first, the high bit on all but the last.
    fn varint(&mut self, mut number: u128) {
        while number > 0x7f {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }
}

/// The kind of a first byte; function values have no bytes.
pub(super) const fn kind(byte: u8) -> Option<Kind> {
    const KINDS: [Kind; 16] = [
        Kind::Nothing,
        Kind::Just,
        Kind::Bool,
        Kind::Int,
        Kind::Text,
        Kind::Bytes,
        Kind::List,
        Kind::Pair,
        Kind::Record,
        Kind::Object,
        Kind::Tx,
        Kind::Execution,
        Kind::Machine,
        Kind::Controller,
        Kind::Var,
        Kind::Function,
    ];
    if (byte as usize) < KINDS.len() { Some(KINDS[byte as usize]) } else { None }
}
