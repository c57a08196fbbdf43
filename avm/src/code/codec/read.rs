//! The reader of hostile bytes. Depth, counts and sizes are bounded before anything is set aside for them.

use std::sync::Arc;

use super::write::kind;
use super::{CodecError, limits};
use crate::code::{Behaviour, Entry, Function, MessageShape, Module, Place, PureFunction, Shape};
use crate::id::{ExecutionId, Name, ObjectId, TxId, VarId};
use crate::value::{INT_MAX, INT_MIN, Kind, Val};

/// Most shapes in one module.
const ALL_SHAPES: usize = 1 << 16;

/// Bytes and how far they are read.
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    values: usize,
    shapes: usize,
    ops: usize,
}

type Read<T> = Result<T, CodecError>;

impl<'b> Reader<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, values: limits::VALUES, shapes: ALL_SHAPES, ops: limits::MODULE_OPS }
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Read<()> {
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("the end") }
    }

    pub(super) fn module(&mut self) -> Read<Module> {
        let mut module = Module { name: self.text()?, needs_unsafe: self.truth()?, ..Module::default() };
        module.constants = self.many("constants", limits::CONSTANTS, |read| read.value(limits::VALUE_DEPTH))?;
        module.functions = self.many("functions", limits::FUNCTIONS, Self::function)?;
        module.behaviours = self.many("behaviours", limits::NAMED, Self::behaviour)?;
        module.pures = self.many("pure functions", limits::NAMED, |read| {
            Ok(PureFunction { name: read.text()?, function: read.number()? })
        })?;
        module.entries = self.many("entries", limits::NAMED, Self::entry)?;
        module.tests = self.many("tests", limits::NAMED, Self::entry)?;
        module.files = self.many("source files", limits::FILES, Self::text)?;
        for function in &mut module.functions {
            function.places = self.many("places", limits::FUNCTION_OPS, |read| {
                Ok(Place { file: read.number()?, line: read.number()?, column: read.number()? })
            })?;
        }
        Ok(module)
    }

    fn function(&mut self) -> Read<Function> {
        let name = self.text()?;
        let (arity, registers, pinned) = (self.byte()?, self.byte()?, self.truth()?);
        let code = self.many("operations of one function", limits::FUNCTION_OPS, |read| {
            take(&mut read.ops, "operations of the module", limits::MODULE_OPS)?;
            let Ok((op, rest)) = postcard::take_from_bytes(&read.bytes[read.at..]) else {
                return read.wrong("an operation");
            };
            read.at = read.bytes.len() - rest.len();
            Ok(op)
        })?;
        Ok(Function { name, arity, registers, code, places: Vec::new(), pinned })
    }

    fn behaviour(&mut self) -> Read<Behaviour> {
        let (name, function) = (self.text()?, self.number()?);
        let messages = self.truth()?.then(|| self.many("message shapes", limits::SHAPES, Self::message)).transpose()?;
        Ok(Behaviour { name, function, messages })
    }

    fn message(&mut self) -> Read<MessageShape> {
        let tag = self.text()?;
        let parts = self.many("parts of a message", limits::SHAPES, |read| read.shape(limits::SHAPE_DEPTH))?;
        Ok(MessageShape { tag, parts })
    }

    fn shape(&mut self, depth: usize) -> Read<Shape> {
        take(&mut self.shapes, "shapes", ALL_SHAPES)?;
        let too_deep = CodecError::TooMuch { what: "levels of a message shape", most: limits::SHAPE_DEPTH };
        let depth = depth.checked_sub(1).ok_or(too_deep)?;
        match self.byte()? {
            0 => Ok(Shape::Any),
            1 => match kind(self.byte()?) {
                Some(kind) => Ok(Shape::Is(kind)),
                None => self.wrong("a kind"),
            },
            2 => Ok(Shape::Option(Box::new(self.shape(depth)?))),
            3 => Ok(Shape::List(Box::new(self.shape(depth)?))),
            4 => Ok(Shape::Pair(Box::new((self.shape(depth)?, self.shape(depth)?)))),
            _ => self.wrong("a shape"),
        }
    }

    fn entry(&mut self) -> Read<Entry> {
        Ok(Entry { name: self.text()?, function: self.number()? })
    }

    pub(super) fn value(&mut self, depth: usize) -> Read<Val> {
        take(&mut self.values, "values", limits::VALUES)?;
        let too_deep = CodecError::TooMuch { what: "levels of a value", most: limits::VALUE_DEPTH };
        let depth = depth.checked_sub(1).ok_or(too_deep)?;
        let Some(kind) = kind(self.byte()?) else { return self.wrong("a kind") };
        Ok(match kind {
            Kind::Nothing => Val::Nothing,
            Kind::Just => Val::Just(Box::new(self.value(depth)?)),
            Kind::Bool => Val::Bool(self.truth()?),
            Kind::Int => {
                let bits = self.varint()?;
                let number = (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed();
                if !(INT_MIN..=INT_MAX).contains(&number) {
                    return self.wrong("a number from -2^63 to 2^64 - 1");
                }
                Val::Int(number)
            }
            Kind::Text => Val::Text(self.text()?),
            Kind::Bytes => Val::Bytes(self.slice()?.into()),
            Kind::List => Val::List(self.many("values", limits::VALUES, |read| read.value(depth))?),
            Kind::Pair => Val::Pair(Box::new((self.value(depth)?, self.value(depth)?))),
            Kind::Record => self.record(depth)?,
            Kind::Object => Val::Object(ObjectId(self.number()?)),
            Kind::Tx => Val::Tx(TxId(self.number()?)),
            Kind::Execution => Val::Execution(ExecutionId(self.number()?)),
            Kind::Machine => Val::Machine(Name(self.text()?)),
            Kind::Controller => Val::Controller(Name(self.text()?)),
            Kind::Var => Val::Var(VarId(self.number()?)),
            Kind::Function => return self.wrong("a value, which a function is not"),
        })
    }

    fn record(&mut self, depth: usize) -> Read<Val> {
        let fields: Vec<(Arc<str>, Val)> =
            self.many("values", limits::VALUES, |read| Ok((read.text()?, read.value(depth)?)))?;
        if fields.windows(2).any(|two| two[0].0 >= two[1].0) {
            return self.wrong("fields ascending by name, each once");
        }
        Ok(Val::Record(fields))
    }

    /// A count, then so many. Each takes a byte at least, so no more is set aside than there are bytes.
    fn many<T>(&mut self, what: &'static str, most: usize, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count: usize = self.number()?;
        if count > most {
            return Err(CodecError::TooMuch { what, most });
        }
        if count > self.bytes.len() - self.at {
            return self.wrong("as many as its count says");
        }
        // Room grows with what is read: a count that lies costs nothing.
        let mut out = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            out.push(one(self)?);
        }
        Ok(out)
    }

    fn text(&mut self) -> Read<Arc<str>> {
        let at = self.at;
        let bytes = self.slice()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(CodecError::Malformed { at, expected: "text in UTF-8" }),
        }
    }

    fn slice(&mut self) -> Read<&'b [u8]> {
        let length: usize = self.number()?;
        let bytes: &'b [u8] = self.bytes;
        match bytes[self.at..].get(..length) {
            Some(slice) => {
                self.at += length;
                Ok(slice)
            }
            None => self.wrong("as many bytes as the length says"),
        }
    }

    fn truth(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.wrong("0 or 1"),
        }
    }

    fn number<T: TryFrom<u128>>(&mut self) -> Read<T> {
        let number = self.varint()?;
        T::try_from(number).or_else(|_| self.wrong("a smaller number"))
    }

    /// At most 128 bits, in the fewest bytes.
    fn varint(&mut self) -> Read<u128> {
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return self.wrong("a number of at most 128 bits");
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { self.wrong("a number in the fewest bytes") } else { Ok(number) };
            }
        }
        self.wrong("a number of at most 128 bits")
    }

    fn byte(&mut self) -> Read<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => self.wrong("more bytes"),
        }
    }

    fn wrong<T>(&self, expected: &'static str) -> Read<T> {
        Err(CodecError::Malformed { at: self.at, expected })
    }
}

fn take(left: &mut usize, what: &'static str, most: usize) -> Read<()> {
    *left = left.checked_sub(1).ok_or(CodecError::TooMuch { what, most })?;
    Ok(())
}
