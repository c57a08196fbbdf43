//! `:avm ...`: the same words as `trefoil avm ...`, so that what is learnt here works there.

use control::avm::{AvmRequest, StartRequest};

/// The words after `avm`, for completion.
pub const WORDS: [&str; 7] = ["start", "show", "suspend", "resume", "kill", "call", "send"];
/// The usage line.
pub const USAGE: &str =
    "avm start PROGRAM#ENTRY [ARGUMENT...] | show|suspend|resume|kill ID | call|send OBJECT MESSAGE";

/// What an `:avm` line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AvmAsked {
    /// To be asked of the agent.
    Request(Box<AvmRequest>),
    /// An id to open.
    Open(String),
}

/// Reads what follows `avm`.
///
/// # Errors
/// A line for the person who typed it: what was expected.
pub fn parse(rest: &str) -> Result<AvmAsked, String> {
    let usage = |problem: String| format!("{problem}; usage: {USAGE}");
    let words = split(rest).map_err(usage)?;
    let mut words = words.into_iter();
    let verb = words.next().ok_or_else(|| usage("expected what to do".into()))?;
    let words: Vec<String> = words.collect();
    let one = |letter: &str, what: &str| match &words[..] {
        [id] if id.starts_with(letter) => Ok(id.clone()),
        [id] => Err(usage(format!("{id}: expected {what}"))),
        _ => Err(usage(format!("expected {what}"))),
    };
    let execution = || one("x", "an execution, for example x7");
    let two = || match &words[..] {
        [object, message] if object.starts_with('o') => Ok((object.clone(), message.clone())),
        _ => Err(usage("expected an object, for example o3, and one message, in quotes when it has blanks".into())),
    };
    Ok(AvmAsked::Request(Box::new(match verb.as_str() {
        "suspend" => AvmRequest::Suspend { id: execution()? },
        "resume" => AvmRequest::Resume { id: execution()? },
        "kill" => AvmRequest::Kill { id: execution()? },
        "show" => return Ok(AvmAsked::Open(one("", "an id: x7, o3 or t4")?)),
        "call" => two().map(|(object, message)| AvmRequest::Call { object, message, authority: None })?,
        "send" => two().map(|(object, message)| AvmRequest::Send { object, message })?,
        "start" => {
            let mut words = words.into_iter();
            let first = words.next().unwrap_or_default();
            let (program, entry) = first
                .split_once('#')
                .filter(|(program, entry)| !program.is_empty() && !entry.is_empty())
                .ok_or_else(|| usage(format!("{first}: expected PROGRAM#ENTRY")))?;
            AvmRequest::Start(StartRequest { arguments: words.collect(), ..StartRequest::new(program, entry) })
        }
        other => return Err(usage(format!("{other}: no such word"))),
    })))
}

/// Words of a line, single quotes kept together, as a shell does.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut inside = false;
    let mut escaped = false;
    for c in line.chars() {
        match c {
            c if escaped => {
                escaped = false;
                word.get_or_insert_default().push(c);
            }
            '\\' if !inside => escaped = true,
            '\'' => {
                inside = !inside;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !inside => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if inside {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aim: what the console asks is what the command line with the same words asks.
    #[test]
    fn lines_are_those_of_the_command_line() {
        for line in
            ["suspend x7", "resume x1.2.3", "kill x7", "start bank#main 5 '[1, 2]'", "send o3 '[\"inc\"]'", "call o3 5"]
        {
            let AvmAsked::Request(request) = parse(line).expect(line) else { panic!("{line} opens nothing") };
            assert_eq!(request.command_line(), format!("trefoil avm {line}"));
        }
        assert_eq!(parse("show t4"), Ok(AvmAsked::Open("t4".into())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = [
            ("", "expected what to do"),
            ("kill", "expected an execution"),
            ("kill o7", "o7: expected an execution"),
            ("kill x1 x2", "expected an execution"),
            ("start bank", "bank: expected PROGRAM#ENTRY"),
            ("start", "expected PROGRAM#ENTRY"),
            ("send o3 'a", "a quote is not closed"),
            ("send o3 a b", "one message"),
            ("dance x1", "dance: no such word"),
        ];
        for (line, said) in wrong {
            let problem = parse(line).expect_err(line);
            assert!(problem.contains(said) && problem.contains("usage: avm start"), "{line}: {problem}");
        }
    }
}
