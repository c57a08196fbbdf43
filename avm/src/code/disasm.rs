//! The disassembler: a module as stable text, one operation a line, with names, constants and source lines. Works on any module;
//! what does not exist is shown with a question mark.

use std::fmt::Write as _;

use super::{Function, MessageShape, Module, Op, Reg, Shape};
use crate::value::Val;

/// Longest text of a constant inside a line, characters.
const CONSTANT_CHARS: usize = 48;
/// Where the source line stands, characters from the left.
const SOURCE_COLUMN: usize = 72;

/// A module as text.
#[must_use]
pub fn disasm(module: &Module) -> String {
    let mut out = String::new();
    head(&mut out, module);
    for (index, function) in module.functions.iter().enumerate() {
        let (name, arity, registers) = (clean(&function.name), function.arity, function.registers);
        let pinned = if function.pinned { ", pinned" } else { "" };
        line(&mut out, format_args!("\nfunction {index} {name}: {arity} parameters, {registers} registers{pinned}"));
        let width = function.code.len().saturating_sub(1).to_string().len();
        for (at, op) in function.code.iter().enumerate() {
            let text = format!("  {at:>width$}  {}", op_text(module, *op));
            match place(module, function, at) {
                Some(place) => line(&mut out, format_args!("{text:<SOURCE_COLUMN$} ; {place}")),
                None => line(&mut out, format_args!("{text}")),
            }
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

fn head(out: &mut String, module: &Module) {
    let unsafe_word = if module.needs_unsafe { ", unsafe" } else { "" };
    line(out, format_args!("module {}{unsafe_word}", clean(&module.name)));
    for (index, file) in module.files.iter().enumerate() {
        line(out, format_args!("file {index} {}", clean(file)));
    }
    for (index, constant) in module.constants.iter().enumerate() {
        line(out, format_args!("constant k{index} {constant}"));
    }
    for behaviour in &module.behaviours {
        let (name, function) = (clean(&behaviour.name), function_name(module, behaviour.function));
        line(out, format_args!("behaviour {name} = {function}"));
        match &behaviour.messages {
            None => line(out, format_args!("  takes anything")),
            Some(messages) => {
                messages.iter().for_each(|message| line(out, format_args!("  takes {}", shape_of(message))))
            }
        }
    }
    for pure in &module.pures {
        line(out, format_args!("pure {} = {}", clean(&pure.name), function_name(module, pure.function)));
    }
    for entry in &module.entries {
        line(out, format_args!("entry {} = {}", clean(&entry.name), function_name(module, entry.function)));
    }
    for test in &module.tests {
        line(out, format_args!("test {} = {}", clean(&test.name), function_name(module, test.function)));
    }
}

fn shape_of(message: &MessageShape) -> String {
    let parts: String = message.parts.iter().map(|part| format!(", {}", shape(part))).collect();
    format!("[{:?}{parts}]", &*message.tag)
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Any => "any".into(),
        Shape::Is(kind) => kind.word().into(),
        Shape::Option(inner) => format!("{}?", self::shape(inner)),
        Shape::List(inner) => format!("[{}]", self::shape(inner)),
        Shape::Pair(both) => format!("({}, {})", self::shape(&both.0), self::shape(&both.1)),
    }
}

/// A name on one line, whatever it holds.
pub(super) fn clean(name: &str) -> String {
    if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        format!("{name:?}")
    } else {
        name.to_owned()
    }
}

fn function_name(module: &Module, function: u16) -> String {
    match module.functions.get(usize::from(function)) {
        Some(callee) => clean(&callee.name),
        None => format!("function {function}?"),
    }
}

fn arity(module: &Module, function: u16) -> usize {
    module.functions.get(usize::from(function)).map_or(0, |callee| usize::from(callee.arity))
}

fn constant(module: &Module, k: u16) -> String {
    let Some(value) = module.constants.get(usize::from(k)) else { return format!("k{k}?") };
    let text = value.to_string();
    match text.char_indices().nth(CONSTANT_CHARS) {
        Some((end, _)) => format!("{}... (k{k})", &text[..end]),
        None => text,
    }
}

fn field(module: &Module, k: u16) -> String {
    match module.constants.get(usize::from(k)) {
        Some(Val::Text(name)) => clean(name),
        _ => format!("k{k}?"),
    }
}

fn place(module: &Module, function: &Function, at: usize) -> Option<String> {
    let place = function.places.get(at)?;
    Some(match module.files.len() {
        0 | 1 => format!("{}:{}", place.line, place.column),
        _ => {
            let file = module.files.get(usize::from(place.file)).map_or_else(|| "?".into(), |file| clean(file));
            format!("{file}:{}:{}", place.line, place.column)
        }
    })
}

/// Registers of a window: `r2..r4`, `r2`, or nothing.
fn window(start: Reg, count: usize) -> String {
    match count {
        0 => String::new(),
        1 => format!("r{start}"),
        _ => format!("r{start}..r{}", usize::from(start) + count - 1),
    }
}

/// One operation: `r2 = add r0, r1`, `jump-if r3 to 7`, `return r0`.
pub(super) fn op_text(module: &Module, op: Op) -> String {
    let two = |word: &str, dst: Reg, a: Reg, b: Reg| format!("r{dst} = {word} r{a}, r{b}");
    let one = |word: &str, dst: Reg, a: Reg| format!("r{dst} = {word} r{a}");
    match op {
        Op::Const { dst, k } => format!("r{dst} = {}", constant(module, k)),
        Op::Int { dst, number } => format!("r{dst} = {number}"),
        Op::Bool { dst, truth } => format!("r{dst} = {truth}"),
        Op::Nothing { dst } => format!("r{dst} = nothing"),
        Op::Move { dst, src } => format!("r{dst} = r{src}"),
        Op::Add { dst, a, b } => two("add", dst, a, b),
        Op::Sub { dst, a, b } => two("sub", dst, a, b),
        Op::Mul { dst, a, b } => two("mul", dst, a, b),
        Op::Div { dst, a, b } => two("div", dst, a, b),
        Op::Mod { dst, a, b } => two("mod", dst, a, b),
        Op::AddInt { dst, a, number } => format!("r{dst} = add r{a}, {number}"),
        Op::Neg { dst, a } => one("neg", dst, a),
        Op::Eq { dst, a, b } => two("equal", dst, a, b),
        Op::Ne { dst, a, b } => two("unequal", dst, a, b),
        Op::Lt { dst, a, b } => two("less", dst, a, b),
        Op::Le { dst, a, b } => two("at-most", dst, a, b),
        Op::Not { dst, a } => one("not", dst, a),
        Op::And { dst, a, b } => two("and", dst, a, b),
        Op::Or { dst, a, b } => two("or", dst, a, b),
        _ => structure_text(module, op),
    }
}

/// Operations on structures; others go to [`control_text`].
fn structure_text(module: &Module, op: Op) -> String {
    let one = |word: &str, dst: Reg, a: Reg| format!("r{dst} = {word} r{a}");
    match op {
        Op::List { dst, start, count } => format!("r{dst} = list [{}]", window(start, count.into())),
        Op::Pair { dst, a, b } => format!("r{dst} = pair (r{a}, r{b})"),
        Op::Just { dst, a } => one("just", dst, a),
        Op::Record { dst, start, k } => {
            let names = match module.constants.get(usize::from(k)) {
                Some(Val::List(names)) => names.as_slice(),
                _ => return format!("r{dst} = record k{k}? from r{start}"),
            };
            let name = |name: &Val| match name {
                Val::Text(name) => clean(name),
                _ => "?".into(),
            };
            let fields: Vec<String> = names
                .iter()
                .enumerate()
                .map(|(i, field)| format!("{}: r{}", name(field), usize::from(start) + i))
                .collect();
            format!("r{dst} = record {{{}}}", fields.join(", "))
        }
        Op::Field { dst, a, k } => format!("r{dst} = r{a}.{}", field(module, k)),
        Op::HasField { dst, a, k } => format!("r{dst} = has-field r{a}, {}", field(module, k)),
        Op::KindIs { dst, a, kind } => format!("r{dst} = is-{} r{a}", kind.word()),
        Op::LenIs { dst, a, len } => format!("r{dst} = length-is r{a}, {len}"),
        Op::LenAtLeast { dst, a, len } => format!("r{dst} = length-at-least r{a}, {len}"),
        Op::Item { dst, a, index } => format!("r{dst} = r{a}[{index}]"),
        Op::Rest { dst, a, from } => format!("r{dst} = r{a}[{from}..]"),
        Op::First { dst, a } => one("first", dst, a),
        Op::Second { dst, a } => one("second", dst, a),
        Op::Unwrap { dst, a } => one("unwrap", dst, a),
        _ => control_text(module, op),
    }
}

fn control_text(module: &Module, op: Op) -> String {
    let call = |start: Reg, function: u16| {
        format!("{}({})", function_name(module, function), window(start, arity(module, function)))
    };
    match op {
        Op::Closure { dst, start, captured, function } => {
            format!("r{dst} = closure {} binding [{}]", function_name(module, function), window(start, captured.into()))
        }
        Op::Jump { to } => format!("jump to {to}"),
        Op::JumpIf { cond, to } => format!("jump-if r{cond} to {to}"),
        Op::JumpIfNot { cond, to } => format!("jump-if-not r{cond} to {to}"),
        Op::Invoke { dst, start, function } => format!("r{dst} = invoke {}", call(start, function)),
        Op::TailInvoke { start, function } => format!("tail-invoke {}", call(start, function)),
        Op::InvokeValue { dst, f, start, count } => {
            format!("r{dst} = invoke-value r{f}({})", window(start, count.into()))
        }
        Op::Return { src } => format!("return r{src}"),
        Op::Builtin { dst, start, which } => {
            format!("r{dst} = builtin {}({})", which.name(), window(start, which.arity().into()))
        }
        Op::Instr { dst, start, which } => {
            format!("r{dst} = instr {}({})", which.name(), window(start, which.arity().into()))
        }
        Op::NoMatch { src } => format!("no-match r{src}"),
        _ => format!("{op:?}"),
    }
}

#[cfg(test)]
pub(in crate::code) mod tests;
