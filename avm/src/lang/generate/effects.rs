//! What functions do, itself or by what they invoke.

use super::Generator;
use crate::code::{Family, Function, Instr, Op};
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;

/// Functions that an operation refers to.
const fn refers(op: &Op) -> Option<u16> {
    match op {
        Op::Invoke { function, .. } | Op::TailInvoke { function, .. } | Op::Closure { function, .. } => Some(*function),
        _ => None,
    }
}

/// Marks the functions that use machine instructions (`decisions:AVM-6`).
pub fn pin(functions: &mut [Function]) {
    let machine = |op: &Op| match op {
        Op::Instr { which, .. } => which.family() == Family::Machine || *which == Instr::CurrentMachine,
        _ => false,
    };
    for function in functions.iter_mut() {
        function.pinned = function.code.iter().any(machine);
    }
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); functions.len()];
    for (caller, function) in functions.iter().enumerate() {
        for callee in function.code.iter().filter_map(refers) {
            if let Some(list) = callers.get_mut(usize::from(callee)) {
                list.push(caller);
            }
        }
    }
    let mut todo: Vec<usize> = (0..functions.len()).filter(|i| functions[*i].pinned).collect();
    while let Some(callee) = todo.pop() {
        for caller in &callers[callee] {
            if !std::mem::replace(&mut functions[*caller].pinned, true) {
                todo.push(*caller);
            }
        }
    }
}

/// Says which pure functions do something.
pub fn pure(generator: &mut Generator<'_>) {
    let mut errors = Vec::new();
    for function in generator.root.functions.values().filter(|function| function.pure) {
        let key = (generator.root.name.clone(), function.name.text.clone());
        let Some(index) = generator.known.get(&key) else { continue };
        let mut seen = vec![false; generator.module.functions.len()];
        let mut todo = vec![usize::from(*index)];
        while let Some(at) = todo.pop() {
            if seen.get(at).copied().unwrap_or(true) {
                continue;
            }
            seen[at] = true;
            let (code, spans) = (&generator.module.functions[at].code, &generator.spans[at]);
            todo.extend(code.iter().filter_map(refers).map(usize::from));
            if let Some((what, span)) = code.iter().zip(spans).find_map(|(op, span)| effect(op, *span)) {
                let name = &function.name.text;
                let error = Diagnostic::new(Code::NotPure, span, format!("`{name}` is pure and cannot {what}"))
                    .label("this depends on more than the arguments, or changes something")
                    .other(function.name.span, "declared pure here")
                    .help("pass what it needs as an argument, or make it `fn`");
                errors.push(error);
            }
        }
    }
    errors.into_iter().for_each(|error| generator.report(error));
}

fn effect(op: &Op, span: Span) -> Option<(String, Span)> {
    match op {
        Op::Instr { which, .. } => Some((format!("use `{}`", which.name()), span)),
        Op::InvokeValue { .. } => Some(("call a function value, which may do anything".into(), span)),
        _ => None,
    }
}
