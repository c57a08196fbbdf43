//! Reading: hostile texts end in an error that says where and what to write.

use std::sync::Arc;

use serde_json::Value;

use super::JsonError;
use crate::fd::Constraint;
use crate::id::{ChoiceId, Name, ROOT, VarId};
use crate::nondet::flat::{Two, two};
use crate::nondet::ir::{Answer, Asserted, Choice, Expr, FdPart, Ir, Limits, Objective, Ordering, Soft};
use crate::value::Val;

type Place = (Arc<str>, crate::code::Place);

/// Where reading is, for messages.
#[derive(Clone, Copy)]
struct At<'a> {
    before: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    const fn field(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), step: Step::Field(name) }
    }

    const fn item(&'a self, at: usize) -> Self {
        Self { before: Some(self), step: Step::Item(at) }
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, JsonError> {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(at) = here {
            steps.push(match at.step {
                Step::Field("") => String::new(),
                Step::Field(name) => format!(".{name}"),
                Step::Item(item) => format!("[{item}]"),
            });
            here = at.before;
        }
        steps.reverse();
        let path = steps.concat();
        let path = path.strip_prefix('.').unwrap_or(&path).to_owned();
        let path = if path.is_empty() { "the text".to_owned() } else { path };
        Err(JsonError::Shape { path, message: message.into() })
    }
}

const TOP: At<'static> = At { before: None, step: Step::Field("") };

fn parse(text: &str) -> Result<Value, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))
}

/// Reads a question and checks it against `limits` ([`Ir::check`]).
///
/// # Errors
/// Where the text is not JSON, not of the form, or the question is refused.
pub fn from_json(text: &str, limits: &Limits) -> Result<Ir, JsonError> {
    let value = parse(text)?;
    let fields = ["choices", "path", "requires", "named", "prefers", "shared", "fd", "msc", "objective"];
    only(&value, &fields, TOP)?;
    let mut ir = Ir::default();
    for (at, item) in list(&value, "choices", TOP)?.iter().enumerate() {
        ir.choices.push(choice(item, TOP.field("choices").item(at))?);
    }
    let mut shared = Vec::new();
    for (at, item) in list(&value, "shared", TOP)?.iter().enumerate() {
        let expr = expression(item, &shared, TOP.field("shared").item(at))?;
        shared.push(expr);
    }
    for (at, item) in list(&value, "path", TOP)?.iter().enumerate() {
        ir.path.push(Expr::clone(&*expression(item, &shared, TOP.field("path").item(at))?));
    }
    let named = list(&value, "named", TOP)?;
    for (at, item) in list(&value, "requires", TOP)?.iter().enumerate() {
        let expr = Expr::clone(&*expression(item, &shared, TOP.field("requires").item(at))?);
        let (name, place) = match named.get(at) {
            None | Some(Value::Null) => (None, None),
            Some(named) => naming(named, TOP.field("named").item(at))?,
        };
        ir.requires.push(Asserted { expr, name, place });
    }
    for (at, item) in list(&value, "prefers", TOP)?.iter().enumerate() {
        let prefers = TOP.field("prefers");
        let here = prefers.item(at);
        let Some([expr, weight]) = item.as_array().map(Vec::as_slice) else {
            return here.wrong("expected [expression, weight]");
        };
        let Some(weight) = weight.as_i64() else { return here.item(1).wrong("expected a whole number as weight") };
        ir.prefers.push(Soft { expr: Expr::clone(&*expression(expr, &shared, here.item(0))?), weight });
    }
    if let Some(part) = value.get("fd") {
        ir.fd = fd(part, TOP.field("fd"))?;
    }
    for (at, item) in list(&value, "msc", TOP)?.iter().enumerate() {
        ir.msc.push(ordering(item, TOP.field("msc").item(at))?);
    }
    ir.objective = match value.get("objective").map(Value::as_str) {
        None | Some(Some("LexFirst")) => Objective::LexFirst,
        Some(Some("MaxWeight")) => Objective::MaxWeight,
        _ => return TOP.field("objective").wrong("expected \"LexFirst\" or \"MaxWeight\""),
    };
    ir.check(limits)?;
    Ok(ir)
}

/// Reads an answer.
///
/// # Errors
/// Where the text is not JSON or not of the form `{"choices":{"0":1},"vars":{"1":5}}`.
pub fn answer_from_json(text: &str) -> Result<Answer, JsonError> {
    let value = parse(text)?;
    only(&value, &["choices", "vars"], TOP)?;
    let mut answer = Answer::default();
    let here = TOP.field("choices");
    if let Some(choices) = value.get("choices") {
        let Some(choices) = choices.as_object() else { return here.wrong("expected {\"0\":option, ..}") };
        for at in 0..choices.len() {
            let Some(option) = choices.get(&at.to_string()) else {
                return here.wrong(format!("choice {at} is missing: name every choice from 0 on"));
            };
            answer.choices.push(small(option, here.item(at))?);
        }
    }
    let here = TOP.field("vars");
    if let Some(vars) = value.get("vars") {
        let Some(vars) = vars.as_object() else { return here.wrong("expected {\"1\":value, ..}") };
        for (name, value) in vars {
            let Ok(id) = name.parse() else { return here.wrong(format!("'{name}' is not the number of a variable")) };
            answer.vars.insert(VarId(id), read_value(value, here.field(name))?);
        }
    }
    Ok(answer)
}

/// Reads a value in the form described at the module.
///
/// # Errors
/// Where it is not of that form.
pub fn value_from_json(value: &Value) -> Result<Val, JsonError> {
    read_value(value, TOP)
}

/// An object that has no fields but these.
fn only(value: &Value, fields: &[&str], at: At<'_>) -> Result<(), JsonError> {
    let Some(object) = value.as_object() else {
        return at.wrong(format!("expected an object with {}", fields.join(", ")));
    };
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(key) => at.wrong(format!("unknown field '{key}': expected {}", fields.join(", "))),
        None => Ok(()),
    }
}

fn list<'v>(value: &'v Value, name: &str, at: At<'_>) -> Result<&'v [Value], JsonError> {
    match value.get(name) {
        None => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => at.field(name).wrong("expected an array"),
    }
}

fn small(value: &Value, at: At<'_>) -> Result<u32, JsonError> {
    match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
        Some(n) => Ok(n),
        None => at.wrong("expected a whole number from 0 to 4294967295"),
    }
}

fn text<'v>(value: &'v Value, at: At<'_>) -> Result<&'v str, JsonError> {
    value.as_str().map_or_else(|| at.wrong("expected a text"), Ok)
}

fn read_values(value: &Value, at: At<'_>) -> Result<Vec<Val>, JsonError> {
    let Some(all) = value.as_array() else { return at.wrong("expected an array of values") };
    all.iter().enumerate().map(|(i, value)| read_value(value, at.item(i))).collect()
}

fn read_value(value: &Value, at: At<'_>) -> Result<Val, JsonError> {
    match value {
        Value::Null => Ok(Val::Nothing),
        Value::Bool(truth) => Ok(Val::Bool(*truth)),
        Value::String(text) => Ok(Val::text(text)),
        Value::Array(_) => Ok(Val::List(read_values(value, at)?)),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => Ok(Val::Int(n.into())),
            (None, Some(n)) => Ok(Val::Int(n.into())),
            _ => at.wrong("expected a whole number from -2^63 to 2^64 - 1"),
        },
        Value::Object(object) => {
            let mut fields = object.iter();
            let (Some((kind, inner)), None) = (fields.next(), fields.next()) else {
                return at.wrong("expected an object with one field that names a kind, for example {\"Just\":1}");
            };
            read_kind(kind, inner, at.field(kind))
        }
    }
}

fn read_kind(kind: &str, inner: &Value, at: At<'_>) -> Result<Val, JsonError> {
    let id = |error: crate::id::IdError| JsonError::Shape { path: kind.to_owned(), message: error.to_string() };
    Ok(match kind {
        "Just" => Val::just(read_value(inner, at)?),
        "Pair" => match inner.as_array().map(Vec::as_slice) {
            Some([one, two]) => Val::pair(read_value(one, at.item(0))?, read_value(two, at.item(1))?),
            _ => return at.wrong("expected [first, second]"),
        },
        "Record" => {
            let Some(all) = inner.as_array() else { return at.wrong("expected [[name, value], ..]") };
            let mut fields: Vec<(Arc<str>, Val)> = Vec::with_capacity(all.len());
            for (i, field) in all.iter().enumerate() {
                let Some([Value::String(name), value]) = field.as_array().map(Vec::as_slice) else {
                    return at.item(i).wrong("expected [name, value]");
                };
                if fields.last().is_some_and(|(last, _)| **last >= **name) {
                    return at.item(i).wrong("expected the fields ascending by name, each once");
                }
                fields.push((name.as_str().into(), read_value(value, at.item(i).item(1))?));
            }
            Val::Record(fields)
        }
        "Bytes" => match bytes(text(inner, at)?) {
            Some(bytes) => Val::Bytes(bytes.into()),
            None => return at.wrong("expected pairs of hexadecimal digits"),
        },
        "Root" => Val::Object(ROOT),
        "Object" => Val::Object(text(inner, at)?.parse().map_err(id)?),
        "Tx" => Val::Tx(text(inner, at)?.parse().map_err(id)?),
        "Execution" => Val::Execution(text(inner, at)?.parse().map_err(id)?),
        "Machine" => Val::Machine(Name::new(text(inner, at)?)),
        "Controller" => Val::Controller(Name::new(text(inner, at)?)),
        "Var" => Val::Var(VarId(small(inner, at)?)),
        _ => {
            return at.wrong(
                "unknown kind: expected Just, Pair, Record, Bytes, Root, Object, Tx, Execution, Machine, Controller or Var",
            );
        }
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = pair { Some((digit(*a)? * 16 + digit(*b)?) as u8) } else { None }).collect()
}

fn choice(value: &Value, at: At<'_>) -> Result<Choice, JsonError> {
    only(value, &["id", "options", "weights", "place"], at)?;
    let id = ChoiceId(small(value.get("id").unwrap_or(&Value::Null), at.field("id"))?);
    let options = read_values(value.get("options").unwrap_or(&Value::Null), at.field("options"))?;
    let mut weights = None;
    if let Some(all) = value.get("weights") {
        let numbers = all.as_array().map(|all| all.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>());
        match numbers.flatten() {
            Some(numbers) => weights = Some(numbers),
            None => return at.field("weights").wrong("expected an array of whole numbers"),
        }
    }
    let place = value.get("place").map(|value| place(value, at.field("place"))).transpose()?;
    Ok(Choice { id, options, weights, place })
}

fn place(value: &Value, at: At<'_>) -> Result<Place, JsonError> {
    let Some([Value::String(file), place]) = value.as_array().map(Vec::as_slice) else {
        return at.wrong("expected [file, place]");
    };
    match serde_json::from_value(place.clone()) {
        Ok(place) => Ok((file.as_str().into(), place)),
        Err(error) => at.wrong(format!("not a place: {error}")),
    }
}

fn naming(value: &Value, at: At<'_>) -> Result<(Option<Arc<str>>, Option<Place>), JsonError> {
    only(value, &["name", "place"], at)?;
    let name = match value.get("name") {
        None | Some(Value::Null) => None,
        Some(name) => Some(text(name, at.field("name"))?.into()),
    };
    let place = match value.get("place") {
        None | Some(Value::Null) => None,
        Some(value) => Some(place(value, at.field("place"))?),
    };
    Ok((name, place))
}

/// Reads an expression. Its depth is that of the JSON, which its parser bounds.
fn expression(value: &Value, shared: &[Arc<Expr>], at: At<'_>) -> Result<Arc<Expr>, JsonError> {
    let Value::Array(all) = value else { return Ok(Arc::new(Expr::Const(read_value(value, at)?))) };
    let Some((Value::String(name), parts)) = all.split_first() else {
        return at.wrong("expected an operation first, for example [\"Add\",1,2]; a list is [\"Const\",[1,2]]");
    };
    let part = |i: usize| expression(&parts[i], shared, at.item(i + 1));
    let op = match name.as_str() {
        "Add" => Two::Add,
        "Sub" => Two::Sub,
        "Mul" => Two::Mul,
        "Div" => Two::Div,
        "Mod" => Two::Mod,
        "Eq" => Two::Eq,
        "Neq" => Two::Neq,
        "Lt" => Two::Lt,
        "Leq" => Two::Leq,
        "Gt" => Two::Gt,
        "Geq" => Two::Geq,
        "And" => Two::And,
        "Or" => Two::Or,
        _ => return other(name, parts, shared, at),
    };
    if parts.len() != 2 {
        return at.wrong(format!("{name} takes two expressions, here are {}", parts.len()));
    }
    Ok(Arc::new(two(op, part(0)?, part(1)?)))
}

/// Operations that are not of two expressions.
fn other(name: &str, parts: &[Value], shared: &[Arc<Expr>], at: At<'_>) -> Result<Arc<Expr>, JsonError> {
    let part = |i: usize| expression(&parts[i], shared, at.item(i + 1));
    let count = |n: usize| {
        if parts.len() == n { Ok(()) } else { at.wrong(format!("{name} takes {n}, here are {}", parts.len())) }
    };
    let expr = match name {
        "AllDiff" => {
            let parts: Result<Vec<Expr>, JsonError> = (0..parts.len()).map(|i| Ok(Expr::clone(&*part(i)?))).collect();
            Expr::AllDiff(parts?)
        }
        "Ite" => {
            count(3)?;
            Expr::Ite(part(0)?, part(1)?, part(2)?)
        }
        "In" => {
            count(2)?;
            Expr::In(part(0)?, read_values(&parts[1], at.item(2))?)
        }
        "Table" => {
            count(2)?;
            let (Some(ids), Some(rows)) = (parts[0].as_array(), parts[1].as_array()) else {
                return at.wrong("expected [\"Table\",[choices],[[values]]]");
            };
            let ids = ids.iter().map(|id| small(id, at.item(1)).map(ChoiceId)).collect::<Result<_, _>>()?;
            Expr::Table(ids, rows.iter().map(|row| read_values(row, at.item(2))).collect::<Result<_, _>>()?)
        }
        "Neg" | "Not" | "Defined" | "Const" | "Choice" | "Fd" | "Shared" => {
            count(1)?;
            match name {
                "Neg" => Expr::Neg(part(0)?),
                "Not" => Expr::Not(part(0)?),
                "Defined" => Expr::Defined(part(0)?),
                "Const" => Expr::Const(read_value(&parts[0], at.item(1))?),
                "Choice" => Expr::Choice(ChoiceId(small(&parts[0], at.item(1))?)),
                "Fd" => Expr::Fd(VarId(small(&parts[0], at.item(1))?)),
                _ => {
                    let index = small(&parts[0], at.item(1))? as usize;
                    return match shared.get(index) {
                        Some(expr) => Ok(Arc::clone(expr)),
                        None => at.wrong(format!("shared expression {index} is not among the {} before", shared.len())),
                    };
                }
            }
        }
        _ => {
            return at.wrong(format!(
                "unknown operation {name:?}: expected Const, Choice, Fd, Shared, Add, Sub, Mul, Div, Mod, Neg, Eq, Neq, Lt, \
                 Leq, Gt, Geq, And, Or, Not, Ite, In, AllDiff, Table or Defined; a list is [\"Const\",[..]]"
            ));
        }
    };
    Ok(Arc::new(expr))
}

fn fd(value: &Value, at: At<'_>) -> Result<FdPart, JsonError> {
    only(value, &["vars", "constraints", "refutations", "places"], at)?;
    let mut part = FdPart::default();
    for (i, var) in list(value, "vars", at)?.iter().enumerate() {
        let vars = at.field("vars");
        let here = vars.item(i);
        only(var, &["id", "domain"], here)?;
        let id = small(var.get("id").unwrap_or(&Value::Null), here.field("id"))?;
        part.vars.push((VarId(id), read_values(var.get("domain").unwrap_or(&Value::Null), here.field("domain"))?));
    }
    for (i, item) in list(value, "constraints", at)?.iter().enumerate() {
        part.constraints.push(constraint(item, at.field("constraints").item(i))?);
    }
    for (i, item) in list(value, "places", at)?.iter().enumerate() {
        let there = at.field("places");
        part.places.push(if item.is_null() { None } else { Some(place(item, there.item(i))?) });
    }
    for (i, combination) in list(value, "refutations", at)?.iter().enumerate() {
        let refutations = at.field("refutations");
        let here = refutations.item(i);
        let Some(all) = combination.as_array() else { return here.wrong("expected [[variable, value], ..]") };
        let pair = |(j, pair): (usize, &Value)| match pair.as_array().map(Vec::as_slice) {
            Some([id, value]) => Ok((VarId(small(id, here.item(j))?), read_value(value, here.item(j))?)),
            _ => here.item(j).wrong("expected [variable, value]"),
        };
        part.refutations.push(all.iter().enumerate().map(pair).collect::<Result<_, _>>()?);
    }
    Ok(part)
}

fn constraint(value: &Value, at: At<'_>) -> Result<Constraint, JsonError> {
    let all = value.as_array().map(Vec::as_slice);
    let Some([Value::String(name), parts @ ..]) = all else {
        return at.wrong("expected a constraint, for example [\"Neq\",1,2]");
    };
    let null = Value::Null;
    let part = |i: usize| parts.get(i).unwrap_or(&null);
    let var = |i: usize| small(part(i), at.item(i + 1)).map(VarId);
    let number = |i: usize| part(i).as_i64().map_or_else(|| at.item(i + 1).wrong("expected a whole number"), Ok);
    let value = |i: usize| read_value(part(i), at.item(i + 1));
    let vars = |i: usize| match part(i).as_array() {
        Some(all) => all.iter().map(|id| small(id, at.item(i + 1)).map(VarId)).collect::<Result<Vec<_>, _>>(),
        None => at.item(i + 1).wrong("expected an array of variables"),
    };
    let sum = |i: usize| {
        match part(i).as_array() {
            Some(all) => all.iter().map(|term| match term.as_array().map(Vec::as_slice) {
                Some([factor, id]) => {
                    let factor = factor.as_i64().map_or_else(|| at.item(i + 1).wrong("expected whole factors"), Ok)?;
                    Ok((factor, VarId(small(id, at.item(i + 1))?)))
                }
                _ => at.item(i + 1).wrong("expected [[factor, variable], ..]"),
            }),
            None => return at.item(i + 1).wrong("expected [[factor, variable], ..]"),
        }
        .collect::<Result<Vec<_>, _>>()
    };
    let (wanted, built) = match name.as_str() {
        "Eq" => (2, Constraint::Eq(var(0)?, var(1)?)),
        "Neq" => (2, Constraint::Neq(var(0)?, var(1)?)),
        "Leq" => (2, Constraint::Leq(var(0)?, var(1)?)),
        "Lt" => (2, Constraint::Lt(var(0)?, var(1)?)),
        "Geq" => (2, Constraint::Geq(var(0)?, var(1)?)),
        "Gt" => (2, Constraint::Gt(var(0)?, var(1)?)),
        "AllDiff" => (1, Constraint::AllDiff(vars(0)?)),
        "ValEq" => (2, Constraint::ValEq(var(0)?, value(1)?)),
        "ValLeq" => (2, Constraint::ValLeq(var(0)?, value(1)?)),
        "ValLt" => (2, Constraint::ValLt(var(0)?, value(1)?)),
        "ValGeq" => (2, Constraint::ValGeq(var(0)?, value(1)?)),
        "ValGt" => (2, Constraint::ValGt(var(0)?, value(1)?)),
        "NeqOff" => (3, Constraint::NeqOff(var(0)?, var(1)?, number(2)?)),
        "EqOff" => (3, Constraint::EqOff(var(0)?, var(1)?, number(2)?)),
        "LeqOff" => (3, Constraint::LeqOff(var(0)?, var(1)?, number(2)?)),
        "SumEq" => (2, Constraint::SumEq(sum(0)?, number(1)?)),
        "SumLeq" => (2, Constraint::SumLeq(sum(0)?, number(1)?)),
        "Table" => {
            let Some(rows) = part(1).as_array() else { return at.item(2).wrong("expected an array of rows") };
            let rows = rows.iter().map(|row| read_values(row, at.item(2))).collect::<Result<_, _>>()?;
            (2, Constraint::Table(vars(0)?, rows))
        }
        "Element" => {
            let list = read_values(part(0), at.item(1))?;
            (3, Constraint::Element { list, index: var(1)?, value: var(2)? })
        }
        _ => return at.item(0).wrong(format!("unknown constraint {name:?}")),
    };
    if parts.len() == wanted { Ok(built) } else { at.wrong(format!("{name} takes {wanted}, here are {}", parts.len())) }
}

fn ordering(value: &Value, at: At<'_>) -> Result<Ordering, JsonError> {
    let call = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([Value::String(object), message]) => match object.parse::<crate::id::ObjectId>() {
            Ok(object) => Ok((object, read_value(message, at)?)),
            Err(error) => at.wrong(error.to_string()),
        },
        _ => at.wrong("expected [object, message]"),
    };
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(word), one, two]) if word == "Before" => Ok(Ordering::Before(call(one)?, call(two)?)),
        _ => at.wrong("expected [\"Before\",[object, message],[object, message]]"),
    }
}
