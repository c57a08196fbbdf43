//! Traces and values as JSON for people and other programs. Ids are texts (`avm:2`: they exceed 2^53).
//!
//! Values: `nothing` is `null`; truth values, texts and lists are themselves; a record is an object; a number is a number up to
//! 2^53 and beyond that `{"$int": "18446744073709551615"}`; everything else is an object with one key that begins with `$`:
//! `$just`,
//! `$pair`, `$bytes` (hexadecimal), `$object`, `$tx`, `$execution`, `$machine`, `$controller`, `$var`. A record with a field that
//! begins with `$` is written under `$record`. [`value_from_json`] reads all of it back.

use std::fmt::Write as _;

use serde_json::Value as Json;
use thiserror::Error;

use super::query::kind;
use crate::code::limits::VALUE_DEPTH;
use crate::event::{Event, FailedOn, LogEntry};
use crate::id::{Name, ROOT, VarId};
use crate::value::{INT_MAX, INT_MIN, Val};

/// Largest number that every reader of JSON takes exactly.
const EXACT: i128 = 1 << 53;

/// A trace as a JSON list, an entry a line.
#[must_use]
pub fn to_json(trace: &[LogEntry]) -> String {
    let mut out = String::with_capacity(trace.len() * 96 + 4);
    out.push('[');
    for (at, entry) in trace.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        entry_json(&mut out, entry);
    }
    out.push_str("\n]\n");
    out
}

/// Appends one entry as a JSON object on one line:
/// `{"timestamp":4,"event":"ObjectCalled","object":"o0","input":["inc"],"output":1,"controller":"c1","depth":0}`. `output` is
/// absent when a call gave none, `controller` is `null` outside a transaction.
pub fn entry_json(out: &mut String, entry: &LogEntry) {
    out.push_str("{\"timestamp\":");
    number(out, entry.timestamp);
    out.push_str(",\"event\":\"");
    out.push_str(kind(&entry.event));
    out.push('"');
    event(out, &entry.event);
    out.push_str(",\"controller\":");
    match &entry.controller {
        Some(controller) => text(out, controller.as_str()),
        None => out.push_str("null"),
    }
    out.push_str(",\"depth\":");
    number(out, entry.depth.into());
    out.push('}');
}

fn event(out: &mut String, event: &Event) {
    let mut fields = Fields { out };
    match event {
        Event::ObjectCreated(o, name) => {
            fields.object(*o);
            fields.text("behaviour", name);
        }
        Event::ObjectDestroyed(o) | Event::StateUpdated(o) => fields.object(*o),
        Event::ObjectCalled(o, input, output) => {
            fields.object(*o);
            fields.value("input", input);
            if let Some(output) = output {
                fields.value("output", output);
            }
        }
        Event::MessageReceived(o, input) => {
            fields.object(*o);
            fields.value("input", input);
        }
        Event::ObjectMoved(o, from, to) | Event::ObjectTransferred(o, from, to) => {
            fields.object(*o);
            fields.text("from", from.as_str());
            fields.text("to", to.as_str());
        }
        Event::ObjectUpgraded(o, from, to) => {
            fields.object(*o);
            fields.text("from", from);
            fields.text("to", to);
        }
        Event::ExecutionMoved(from, to) => {
            fields.text("from", from.as_str());
            fields.text("to", to.as_str());
        }
        Event::ObjectFetched(o, machine) => {
            fields.object(*o);
            fields.text("machine", machine.as_str());
        }
        Event::ObjectFrozen(o, by) => {
            fields.object(*o);
            fields.text("by", by.as_str());
        }
        Event::FunctionUpdated(name) | Event::FunctionRegistered(name) => fields.text("function", name),
        Event::TransactionStarted(t) | Event::TransactionCommitted(t) | Event::TransactionAborted(t) => {
            fields.shown("transaction", t);
        }
        Event::ErrorOccurred(error) => {
            fields.text("error", error.name());
            fields.text("message", &error.to_string());
        }
        Event::VarCreated(var, domain) | Event::DomainNarrowed(var, domain) => {
            fields.var(*var);
            fields.values("domain", domain);
        }
        Event::ConstraintPosted(constraint) | Event::ConstraintFailure(FailedOn::Constraint(constraint)) => {
            fields.text("constraint", &constraint.to_string());
        }
        Event::Labeled(var, value) => {
            fields.var(*var);
            fields.value("value", value);
        }
        Event::ConstraintFailure(FailedOn::Var(var)) => fields.var(*var),
        Event::Noted(value) => fields.value("value", value),
    }
}

struct Fields<'o> {
    out: &'o mut String,
}

impl Fields<'_> {
    fn key(&mut self, key: &str) {
        self.out.push_str(",\"");
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn object(&mut self, object: crate::id::ObjectId) {
        self.key("object");
        id(self.out, Val::Object(object));
    }

    fn var(&mut self, var: VarId) {
        self.key("variable");
        id(self.out, Val::Var(var));
    }

    fn shown(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.out, "\"{value}\"");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text(self.out, value);
    }

    fn value(&mut self, key: &str, value: &Val) {
        self.key(key);
        value_json(self.out, value);
    }

    fn values(&mut self, key: &str, values: &[Val]) {
        self.key(key);
        list(self.out, values);
    }
}

/// Appends a value as JSON; see the top of this file.
pub fn value_json(out: &mut String, value: &Val) {
    let tagged = |out: &mut String, tag: &str, inner: &dyn Fn(&mut String)| {
        out.push_str("{\"");
        out.push_str(tag);
        out.push_str("\":");
        inner(out);
        out.push('}');
    };
    match value {
        Val::Nothing => out.push_str("null"),
        Val::Just(inner) => tagged(out, "$just", &|out| value_json(out, inner)),
        Val::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Val::Int(n) => match u64::try_from(*n) {
            Ok(n) if i128::from(n) <= EXACT => number(out, n),
            _ if (-EXACT..=EXACT).contains(n) => {
                let _ = write!(out, "{n}");
            }
            _ => {
                let _ = write!(out, "{{\"$int\":\"{n}\"}}");
            }
        },
        Val::Text(inner) => text(out, inner),
        Val::Bytes(bytes) => tagged(out, "$bytes", &|out| {
            out.push('"');
            bytes.iter().for_each(|byte| {
                let _ = write!(out, "{byte:02x}");
            });
            out.push('"');
        }),
        Val::List(values) => list(out, values),
        Val::Pair(both) => tagged(out, "$pair", &|out| {
            out.push('[');
            value_json(out, &both.0);
            out.push(',');
            value_json(out, &both.1);
            out.push(']');
        }),
        Val::Record(fields) if fields.iter().any(|(name, _)| name.starts_with('$')) => {
            tagged(out, "$record", &|out| record(out, fields));
        }
        Val::Record(fields) => record(out, fields),
        Val::Object(_) => tagged(out, "$object", &|out| id(out, value.clone())),
        Val::Tx(_) => tagged(out, "$tx", &|out| id(out, value.clone())),
        Val::Execution(_) => tagged(out, "$execution", &|out| id(out, value.clone())),
        Val::Machine(name) => tagged(out, "$machine", &|out| text(out, name.as_str())),
        Val::Controller(name) => tagged(out, "$controller", &|out| text(out, name.as_str())),
        Val::Var(_) => tagged(out, "$var", &|out| id(out, value.clone())),
    }
}

fn list(out: &mut String, values: &[Val]) {
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        value_json(out, value);
    }
    out.push(']');
}

fn record(out: &mut String, fields: &[(std::sync::Arc<str>, Val)]) {
    out.push('{');
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        value_json(out, value);
    }
    out.push('}');
}

fn id(out: &mut String, value: Val) {
    let _ = write!(out, "\"{value}\"");
}

fn number(out: &mut String, mut n: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Why a JSON value is no value of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum ValueError {
    #[error("{0} is not a number of the machine: expected a whole one from -2^63 to 2^64 - 1")]
    Number(String),
    #[error("{0} expects {1}")]
    Tag(String, &'static str),
    #[error(
        "no value is written {0}: expected $just, $pair, $int, $bytes, $record, $object, $tx, $execution, $machine, $controller or $var"
    )]
    Unknown(String),
    #[error("nested deeper than 48 levels")]
    Deep,
}

/// A value from JSON as [`value_json`] writes it.
///
/// # Errors
/// What is not a value.
pub fn value_from_json(json: &Json) -> Result<Val, ValueError> {
    read(json, VALUE_DEPTH)
}

fn read(json: &Json, depth: usize) -> Result<Val, ValueError> {
    let depth = depth.checked_sub(1).ok_or(ValueError::Deep)?;
    Ok(match json {
        Json::Null => Val::Nothing,
        Json::Bool(truth) => Val::Bool(*truth),
        Json::Number(n) => whole(&n.to_string())?,
        Json::String(text) => Val::text(text),
        Json::Array(values) => Val::List(values.iter().map(|value| read(value, depth)).collect::<Result<_, _>>()?),
        Json::Object(fields) => match fields.iter().next() {
            Some((tag, inner)) if fields.len() == 1 && tag.starts_with('$') => tagged(tag, inner, depth)?,
            _ => match fields.keys().find(|name| name.starts_with('$')) {
                Some(tag) => return Err(ValueError::Unknown(tag.clone())),
                None => from_fields(fields, depth)?,
            },
        },
    })
}

fn from_fields(fields: &serde_json::Map<String, Json>, depth: usize) -> Result<Val, ValueError> {
    let fields = fields.iter().map(|(name, value)| Ok((name.as_str().into(), read(value, depth)?)));
    Ok(Val::record(fields.collect::<Result<Vec<_>, ValueError>>()?))
}

fn whole(text: &str) -> Result<Val, ValueError> {
    let number = text.parse::<i128>().ok().filter(|n| (INT_MIN..=INT_MAX).contains(n));
    number.map(Val::Int).ok_or_else(|| ValueError::Number(text.chars().take(40).collect()))
}

fn tagged(tag: &str, inner: &Json, depth: usize) -> Result<Val, ValueError> {
    let wrong = |expected| ValueError::Tag(tag.to_owned(), expected);
    let text = || inner.as_str().ok_or_else(|| wrong("a text"));
    Ok(match tag {
        "$just" => Val::just(read(inner, depth)?),
        "$pair" => match inner.as_array().map(Vec::as_slice) {
            Some([one, two]) => Val::pair(read(one, depth)?, read(two, depth)?),
            _ => return Err(wrong("a list of two values")),
        },
        "$int" => whole(text()?)?,
        "$bytes" => {
            Val::Bytes(hexadecimal(text()?).ok_or_else(|| wrong("an even number of hexadecimal digits"))?.into())
        }
        "$record" => match inner {
            Json::Object(fields) => from_fields(fields, depth)?,
            _ => return Err(wrong("an object")),
        },
        "$object" if text()? == "root" => Val::Object(ROOT),
        "$object" => Val::Object(text()?.parse().map_err(|_| wrong("an id such as o7"))?),
        "$tx" => Val::Tx(text()?.parse().map_err(|_| wrong("an id such as t3"))?),
        "$execution" => Val::Execution(text()?.parse().map_err(|_| wrong("an id such as x2"))?),
        "$machine" => Val::Machine(Name::new(text()?)),
        "$controller" => Val::Controller(Name::new(text()?)),
        "$var" => {
            let digits = text()?.strip_prefix('v').and_then(|digits| digits.parse().ok());
            Val::Var(VarId(digits.ok_or_else(|| wrong("a variable such as v1"))?))
        }
        _ => return Err(ValueError::Unknown(tag.chars().take(40).collect())),
    })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    digits.chunks_exact(2).map(|two| Some((nibble(two[0])? << 4 | nibble(two[1])?) as u8)).collect()
}
