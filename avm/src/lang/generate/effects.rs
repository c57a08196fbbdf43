//! Pure functions: neither they nor what they invoke holds an instruction.

use super::Generator;
use crate::code::Op;
use crate::lang::codes::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Span;

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
            todo.extend(code.iter().filter_map(|op| op.function()).map(usize::from));
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
        _ => None,
    }
}
