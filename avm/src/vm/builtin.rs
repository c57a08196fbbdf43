//! The library (`code::Builtin`). What has no term settles deferred values; what only moves them keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::convert::{compare, equal, hash, kind};
use super::deferred::Arith;
use super::exec::{Exec, Fault, arithmetic, type_error};
use super::word::{FALSE, NOTHING, Node, T_CONTROLLER, T_MACHINE, TRUE, Value};
use super::world::World;
use crate::code::Builtin;
use crate::error::ProgramError;
use crate::value::Val;

impl World {
    /// A library function of arguments that stay with the caller.
    pub(super) fn builtin(&mut self, x: &mut Exec, which: Builtin, args: [Value; 3]) -> Result<Value, Fault> {
        use Builtin as B;
        let [a, b, c] = args;
        match which {
            B::Len => self.len_of(x, a),
            B::At => self.element_at(x, a, b),
            B::Get => self.get(x, a, b),
            B::SetAt => self.set_at(x, a, b, c),
            B::Push => {
                let mut all = self.elements(x, a)?;
                all.push(b);
                Ok(self.heap.list(&all)?)
            }
            B::Concat => self.concat(x, a, b),
            B::Slice => self.slice(x, a, b, c),
            B::Reverse => {
                let mut all = self.elements(x, a)?;
                all.reverse();
                Ok(self.heap.list(&all)?)
            }
            B::Range => self.range(x, a, b),
            B::Zip => self.zip(x, a, b),
            B::Flatten => self.flatten(x, a),
            B::Sum => self.sum(x, a),
            B::Min => self.extreme(x, a, b, true),
            B::Max => self.extreme(x, a, b, false),
            B::Abs => {
                let negated = self.arith(x, Arith::Sub, Value::int32(0), a)?;
                let greater = self.extreme(x, a, negated, false);
                self.heap.release(negated);
                greater
            }
            B::Select => self.select(x, a, b, c),
            B::Decided => self.known_to_be(x, a, b),
            B::Distinct => self.distinct(x, a),
            B::Contains if self.heap.now(a).is_list() => self.contains(x, a, b),
            B::With => self.with(x, a, b, c),
            B::Names => {
                let record = self.settled_node(x, a, Node::Record, "a record")?;
                let names = self.heap.child(record, 0);
                Ok(self.heap.retain(names))
            }
            B::KindOf => {
                let of = kind(&self.heap, a);
                if !self.kind_is(x, a, of) {
                    return Ok(NOTHING);
                }
                Ok(self.heap.text(of.word())?)
            }
            _ => self.settled(x, which, args),
        }
    }

    /// Those that look into their arguments: they get copies without deferred values.
    fn settled(&mut self, x: &mut Exec, which: Builtin, args: [Value; 3]) -> Result<Value, Fault> {
        let mut plain = [NOTHING; 3];
        let mut result = Ok(NOTHING);
        for (at, arg) in args.into_iter().enumerate() {
            match self.settle_deep(x, arg) {
                Ok(value) => plain[at] = value,
                Err(fault) => result = Err(fault),
            }
        }
        if result.is_ok() {
            result = self.of_plain(which, plain, &mut x.named);
        }
        plain.into_iter().for_each(|value| self.heap.release(value));
        result
    }

    fn of_plain(&mut self, which: Builtin, [a, b, _]: [Value; 3], named: &mut u32) -> Result<Value, Fault> {
        use Builtin as B;
        match which {
            B::Sort => self.sort(a),
            B::Contains => {
                let (text, part) = (self.plain_text(a)?, self.plain_text(b)?);
                Ok(Value::bool(text.contains(&*part)))
            }
            B::IndexOf => {
                let all = self.list_of_plain(a)?;
                match all.iter().position(|element| equal(&self.heap, *element, b)) {
                    Some(at) => Ok(self.heap.just_of(Value::int32(at as i32))?),
                    None => Ok(NOTHING),
                }
            }
            B::Unique => self.unique(a),
            B::Text if a.is_text() => Ok(self.heap.retain(a)),
            B::Text => {
                if self.no_function(a).is_err() {
                    return Ok(self.heap.text("<function>")?);
                }
                let text = self.val(a).to_string();
                Ok(self.heap.text(&text)?)
            }
            B::ParseInt => {
                let number = self.plain_text(a)?.parse::<i128>().ok().and_then(Val::int);
                match number {
                    Some(Val::Int(number)) => {
                        let number = self.heap.number(number)?;
                        Ok(self.heap.just_of(number)?)
                    }
                    _ => Ok(NOTHING),
                }
            }
            B::Split => self.split(a, b),
            B::Join => self.join(a, b),
            B::BytesOf => self.bytes_of(a),
            B::TextOf => {
                if !a.is_node(Node::Bytes) {
                    return Err(type_error("bytes", kind(&self.heap, a)));
                }
                match std::str::from_utf8(self.heap.node_bytes(a)).map(str::to_owned) {
                    Ok(text) => {
                        let text = self.heap.text(&text)?;
                        Ok(self.heap.just_of(text)?)
                    }
                    Err(_) => Ok(NOTHING),
                }
            }
            B::Sha256 => {
                if !a.is_node(Node::Bytes) && !a.is_text() {
                    return Err(type_error("bytes or a text", kind(&self.heap, a)));
                }
                let mut short = [0; 8];
                let digest = Sha256::digest(self.heap.text_bytes(a, &mut short));
                Ok(self.heap.bytes(Node::Bytes, &digest)?)
            }
            B::Machine => {
                let name = self.plain_text(a)?;
                Ok(Value::word32(T_MACHINE, self.number_of_name(&name, named)?))
            }
            B::Controller => {
                let name = self.plain_text(a)?;
                Ok(Value::word32(T_CONTROLLER, self.number_of_name(&name, named)?))
            }
            _ => Err(ProgramError::Type(format!("{} is not a library function of these", which.name())).into()),
        }
    }

    fn plain_text(&self, value: Value) -> Result<Arc<str>, Fault> {
        super::convert::text_of(&self.heap, value).ok_or_else(|| type_error("a text", kind(&self.heap, value)))
    }

    fn list_of_plain(&self, value: Value) -> Result<Vec<Value>, Fault> {
        if value.is_list() {
            Ok(self.heap.children(value).collect())
        } else {
            Err(type_error("a list", kind(&self.heap, value)))
        }
    }

    fn len_of(&mut self, x: &mut Exec, value: Value) -> Result<Value, Fault> {
        let value = self.settle(x, value);
        let len = match kind(&self.heap, value) {
            crate::value::Kind::List => self.heap.len(value),
            crate::value::Kind::Record => self.heap.len(value) - 1,
            crate::value::Kind::Bytes | crate::value::Kind::Text => {
                let mut short = [0; 8];
                self.heap.text_bytes(value, &mut short).len()
            }
            other => return Err(type_error("a list, a text, bytes or a record", other)),
        };
        Ok(self.heap.number(len as i128)?)
    }

    /// Position within a length; none past its ends.
    fn index(&mut self, x: &mut Exec, index: Value, len: usize) -> Result<Option<usize>, Fault> {
        let index = self.number_arg(x, index)?;
        Ok(usize::try_from(index).ok().filter(|index| *index < len))
    }

    fn element_at(&mut self, x: &mut Exec, list: Value, index: Value) -> Result<Value, Fault> {
        let list = self.settle(x, list);
        if !list.is_list() {
            return Err(type_error("a list", kind(&self.heap, list)));
        }
        let len = self.heap.len(list);
        match self.index(x, index, len)? {
            Some(at) => {
                let element = self.heap.child(list, at);
                Ok(self.heap.retain(element))
            }
            None => Err(arithmetic(&format!("the index is outside a list of {len}"))),
        }
    }

    fn get(&mut self, x: &mut Exec, of: Value, key: Value) -> Result<Value, Fault> {
        let of = self.settle(x, of);
        let found = if of.is_node(Node::Record) {
            let key = self.settle(x, key);
            if !key.is_text() {
                return Err(type_error("a text", kind(&self.heap, key)));
            }
            self.field_at(of, key)
        } else {
            if !of.is_list() {
                return Err(type_error("a list or a record", kind(&self.heap, of)));
            }
            let len = self.heap.len(of);
            self.index(x, key, len)?
        };
        match found {
            Some(at) => {
                let child = self.heap.child(of, at);
                Ok(self.heap.node(Node::Just, &[child])?)
            }
            None => Ok(NOTHING),
        }
    }

    fn set_at(&mut self, x: &mut Exec, list: Value, index: Value, value: Value) -> Result<Value, Fault> {
        let mut all = self.elements(x, list)?;
        let len = all.len();
        match self.index(x, index, len)? {
            Some(at) => {
                all[at] = value;
                Ok(self.heap.list(&all)?)
            }
            None => Err(arithmetic(&format!("the index is outside a list of {len}"))),
        }
    }

    fn concat(&mut self, x: &mut Exec, a: Value, b: Value) -> Result<Value, Fault> {
        let (a, b) = (self.settle(x, a), self.settle(x, b));
        if a.is_list() && b.is_list() {
            let all: Vec<Value> = self.heap.children(a).chain(self.heap.children(b)).collect();
            return Ok(self.heap.list(&all)?);
        }
        let both = |test: fn(Value) -> bool| test(a) && test(b);
        let text = both(Value::is_text);
        if !text && !both(|value| value.is_node(Node::Bytes)) {
            let text = format!("cannot join {} and {}", kind(&self.heap, a).word(), kind(&self.heap, b).word());
            return Err(ProgramError::Type(text).into());
        }
        let (mut one, mut two) = ([0; 8], [0; 8]);
        let joined = [self.heap.text_bytes(a, &mut one), self.heap.text_bytes(b, &mut two)].concat();
        self.bytes_or_text(text, &joined)
    }

    fn bytes_or_text(&mut self, text: bool, bytes: &[u8]) -> Result<Value, Fault> {
        if !text {
            return Ok(self.heap.bytes(Node::Bytes, bytes)?);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(self.heap.text(text)?),
            Err(_) => Err(arithmetic("the cut is inside a character")),
        }
    }

    fn slice(&mut self, x: &mut Exec, of: Value, from: Value, to: Value) -> Result<Value, Fault> {
        let of = self.settle(x, of);
        let (from, to) = (self.number_arg(x, from)?, self.number_arg(x, to)?);
        let cut = |len: usize| {
            let to = to.clamp(0, len as i128) as usize;
            (from.clamp(0, to as i128) as usize, to)
        };
        if of.is_list() {
            let all: Vec<Value> = self.heap.children(of).collect();
            let (from, to) = cut(all.len());
            return Ok(self.heap.list(&all[from..to])?);
        }
        if !of.is_text() && !of.is_node(Node::Bytes) {
            return Err(type_error("a list, a text or bytes", kind(&self.heap, of)));
        }
        let mut short = [0; 8];
        let bytes = self.heap.text_bytes(of, &mut short).to_vec();
        let (from, to) = cut(bytes.len());
        self.bytes_or_text(of.is_text(), &bytes[from..to])
    }

    fn range(&mut self, x: &mut Exec, from: Value, to: Value) -> Result<Value, Fault> {
        let (from, to) = (self.number_arg(x, from)?, self.number_arg(x, to)?);
        let count = to.saturating_sub(from).max(0);
        if count > i128::from(self.config.value_nodes) {
            return Err(super::heap::Full(u64::from(self.config.value_nodes)).into());
        }
        let mut made = Vec::with_capacity(count as usize);
        for number in from..to {
            match self.heap.number(number) {
                Ok(value) => made.push(value),
                Err(full) => {
                    made.into_iter().for_each(|value| self.heap.release(value));
                    return Err(full.into());
                }
            }
        }
        Ok(self.heap.list_of(&made)?)
    }

    fn zip(&mut self, x: &mut Exec, a: Value, b: Value) -> Result<Value, Fault> {
        let (a, b) = (self.elements(x, a)?, self.elements(x, b)?);
        let mut made = Vec::with_capacity(a.len().min(b.len()));
        for (a, b) in a.into_iter().zip(b) {
            match self.heap.node(Node::Pair, &[a, b]) {
                Ok(pair) => made.push(pair),
                Err(full) => {
                    made.into_iter().for_each(|value| self.heap.release(value));
                    return Err(full.into());
                }
            }
        }
        Ok(self.heap.list_of(&made)?)
    }

    fn flatten(&mut self, x: &mut Exec, list: Value) -> Result<Value, Fault> {
        let mut all = Vec::new();
        for part in self.elements(x, list)? {
            all.extend(self.elements(x, part)?);
        }
        Ok(self.heap.list(&all)?)
    }

    fn sum(&mut self, x: &mut Exec, list: Value) -> Result<Value, Fault> {
        let mut sum = Value::int32(0);
        for part in self.elements(x, list)? {
            let next = self.arith(x, Arith::Add, sum, part);
            self.heap.release(sum);
            sum = next?;
        }
        Ok(sum)
    }

    fn contains(&mut self, x: &mut Exec, list: Value, value: Value) -> Result<Value, Fault> {
        let mut found = FALSE;
        for element in self.elements(x, list)? {
            let same = self.equality(x, element, value, true)?;
            if same == TRUE {
                self.heap.release(found);
                return Ok(TRUE);
            }
            if same == FALSE {
                continue;
            }
            let either = self.both(x, found, same, false);
            self.heap.release(found);
            self.heap.release(same);
            found = either?;
        }
        Ok(found)
    }

    fn with(&mut self, x: &mut Exec, record: Value, name: Value, value: Value) -> Result<Value, Fault> {
        let record = self.settled_node(x, record, Node::Record, "a record")?;
        let name = self.settle(x, name);
        if !name.is_text() {
            return Err(type_error("a text", kind(&self.heap, name)));
        }
        let mut children: Vec<Value> = self.heap.children(record).collect();
        if let Some(at) = self.field_at(record, name) {
            children[at] = value;
            return Ok(self.heap.node(Node::Record, &children)?);
        }
        let mut names: Vec<Value> = self.heap.children(children[0]).collect();
        let at =
            names.partition_point(|own| compare(&self.heap, &self.names, *own, name) == Some(std::cmp::Ordering::Less));
        names.insert(at, name);
        children.insert(at + 1, value);
        let names = self.heap.list(&names)?;
        children[0] = names;
        let made = self.heap.node(Node::Record, &children);
        self.heap.release(names);
        Ok(made?)
    }

    /// By merging, and with an order that may not exist: the library's sort expects a total one.
    fn sort(&mut self, list: Value) -> Result<Value, Fault> {
        let mut all = self.list_of_plain(list)?;
        let mut merged = Vec::with_capacity(all.len());
        let mut width = 1;
        while width < all.len() {
            merged.clear();
            for pair in all.chunks(2 * width) {
                let (mut one, mut two) = pair.split_at(width.min(pair.len()));
                while let (Some(a), Some(b)) = (one.first(), two.first()) {
                    let order = compare(&self.heap, &self.names, *a, *b).ok_or_else(|| self.incomparable(*a, *b))?;
                    let taken = if order.is_le() { &mut one } else { &mut two };
                    merged.push(taken[0]);
                    *taken = &taken[1..];
                }
                merged.extend_from_slice(one);
                merged.extend_from_slice(two);
            }
            std::mem::swap(&mut all, &mut merged);
            width *= 2;
        }
        Ok(self.heap.list(&all)?)
    }

    fn incomparable(&self, a: Value, b: Value) -> Fault {
        let (one, two) = (kind(&self.heap, a), kind(&self.heap, b));
        ProgramError::Type(format!("{} and {} are not comparable", one.word(), two.word())).into()
    }

    /// Whether no two of these are equal.
    pub(super) fn all_differ(&self, all: &[Value]) -> bool {
        let mut seen: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        all.iter().all(|value| {
            let alike = seen.entry(hash(&self.heap, *value)).or_default();
            let differs = !alike.iter().any(|other| equal(&self.heap, *other, *value));
            alike.push(*value);
            differs
        })
    }

    fn unique(&mut self, list: Value) -> Result<Value, Fault> {
        let all = self.list_of_plain(list)?;
        let mut seen: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        let mut kept = Vec::new();
        for value in all {
            let alike = seen.entry(hash(&self.heap, value)).or_default();
            if !alike.iter().any(|other| equal(&self.heap, *other, value)) {
                alike.push(value);
                kept.push(value);
            }
        }
        Ok(self.heap.list(&kept)?)
    }

    fn split(&mut self, text: Value, separator: Value) -> Result<Value, Fault> {
        let (text, separator) = (self.plain_text(text)?, self.plain_text(separator)?);
        let parts: Vec<&str> = if separator.is_empty() {
            text.split_inclusive(|_| true).collect()
        } else {
            text.split(&*separator).collect()
        };
        let mut made = Vec::with_capacity(parts.len());
        for part in parts {
            match self.heap.text(part) {
                Ok(value) => made.push(value),
                Err(full) => {
                    made.into_iter().for_each(|value| self.heap.release(value));
                    return Err(full.into());
                }
            }
        }
        Ok(self.heap.list_of(&made)?)
    }

    fn join(&mut self, list: Value, separator: Value) -> Result<Value, Fault> {
        let separator = self.plain_text(separator)?;
        let texts: Result<Vec<Arc<str>>, Fault> =
            self.list_of_plain(list)?.into_iter().map(|value| self.plain_text(value)).collect();
        let joined = texts?.join(&*separator);
        Ok(self.heap.text(&joined)?)
    }

    fn bytes_of(&mut self, value: Value) -> Result<Value, Fault> {
        if value.is_text() {
            let mut short = [0; 8];
            let bytes = self.heap.text_bytes(value, &mut short).to_vec();
            return Ok(self.heap.bytes(Node::Bytes, &bytes)?);
        }
        let all = self.list_of_plain(value)?;
        let bytes: Option<Vec<u8>> =
            all.iter().map(|byte| self.heap.as_number(*byte).and_then(|number| u8::try_from(number).ok())).collect();
        match bytes {
            Some(bytes) => Ok(self.heap.bytes(Node::Bytes, &bytes)?),
            None => Err(arithmetic("a byte is a number from 0 to 255")),
        }
    }
}
