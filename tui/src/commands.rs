//! The command line behind `:`: one table that parses, completes and explains.

use std::path::PathBuf;

use control::api::Request;

use crate::keys::Action;

/// What one word of a command may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Name of a torus of the node.
    Torus,
    /// Ticks, or `adaptive`.
    Ticks,
    /// `rotate` or `ring`.
    Mode,
    /// A cell number, 0 to 32767.
    Cell,
    /// A payload, a signed number; may be left out.
    Payload,
    /// How many; may be left out.
    Count,
    /// A file: the rest of the line.
    File,
}

impl Argument {
    /// As written in a usage line.
    #[must_use]
    pub const fn usage(self) -> &'static str {
        match self {
            Self::Torus => "TORUS",
            Self::Ticks => "TICKS|adaptive",
            Self::Mode => "rotate|ring",
            Self::Cell => "CELL",
            Self::Payload => "[PAYLOAD]",
            Self::Count => "[COUNT]",
            Self::File => "FILE",
        }
    }

    fn words(self, tori: &[String]) -> Vec<String> {
        match self {
            Self::Torus => tori.to_vec(),
            Self::Ticks => vec!["adaptive".into()],
            Self::Mode => vec!["rotate".into(), "ring".into()],
            Self::Cell | Self::Payload | Self::Count | Self::File => Vec::new(),
        }
    }
}

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its first word.
    pub name: &'static str,
    /// What follows.
    pub arguments: &'static [Argument],
    /// The sentence in the help.
    pub help: &'static str,
}

/// Every command.
pub const COMMANDS: &[Command] = &[
    Command { name: "pause", arguments: &[Argument::Torus], help: "pause a torus" },
    Command { name: "resume", arguments: &[Argument::Torus], help: "resume a torus" },
    Command {
        name: "step",
        arguments: &[Argument::Torus, Argument::Count],
        help: "execute events of a paused torus, one by default",
    },
    Command { name: "interval", arguments: &[Argument::Torus, Argument::Ticks], help: "set the braid interval" },
    Command { name: "mode", arguments: &[Argument::Mode], help: "choose whose projections are applied" },
    Command {
        name: "inject",
        arguments: &[Argument::Torus, Argument::Cell, Argument::Payload, Argument::Count],
        help: "put events into a torus",
    },
    Command { name: "open", arguments: &[Argument::File], help: "show a file that trefoil console --record wrote" },
    Command { name: "live", arguments: &[], help: "leave a recording, back to the node" },
    Command { name: "stop", arguments: &[], help: "stop the node, cleanly" },
    Command { name: "quit", arguments: &[], help: "leave the console" },
    Command { name: "help", arguments: &[], help: "the keys and commands" },
];

impl Command {
    /// The usage line.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for argument in self.arguments {
            usage.push(' ');
            usage.push_str(argument.usage());
        }
        usage
    }
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The agent is to do something.
    Request(Request),
    /// The console is to do something.
    Action(Action),
    /// Show this recorded file.
    Open(PathBuf),
    /// Back from a recorded file to the node.
    Live,
}

/// Reads a command line. The error says what was expected.
///
/// # Errors
/// A line for the person who typed it: the word, what was expected, the usage.
pub fn parse(line: &str, tori: &[String]) -> Result<Asked, String> {
    let mut words = line.split_whitespace();
    let name = words.next().ok_or("no command; tab shows them")?;
    let mut matching = COMMANDS.iter().filter(|command| command.name.starts_with(name));
    let command = match (COMMANDS.iter().find(|command| command.name == name), matching.next(), matching.next()) {
        (Some(command), _, _) | (None, Some(command), None) => command,
        (None, Some(_), Some(_)) => return Err(format!("{name}: more than one command begins so; tab shows them")),
        (None, None, _) => return Err(format!("{name}: no such command; tab shows them")),
    };
    // A path may have blanks in it.
    if command.arguments == [Argument::File] {
        let path = line.trim().split_once(char::is_whitespace).map_or("", |(_, path)| path.trim());
        let missing = || format!("expected a file; usage: {}", command.usage());
        return if path.is_empty() { Err(missing()) } else { Ok(Asked::Open(PathBuf::from(path))) };
    }
    let words: Vec<&str> = words.collect();
    if words.len() > command.arguments.len() {
        return Err(format!("too many words; usage: {}", command.usage()));
    }
    build(command, &words, tori).map_err(|problem| format!("{problem}; usage: {}", command.usage()))
}

fn build(command: &Command, words: &[&str], tori: &[String]) -> Result<Asked, String> {
    let torus = || known_torus(words.first(), tori);
    Ok(Asked::Request(match command.name {
        "pause" => Request::Pause { torus: torus()? },
        "resume" => Request::Resume { torus: torus()? },
        "step" => Request::Step { torus: torus()?, count: number(words.get(1), 1, 1, u32::MAX, "a count")? },
        "interval" => Request::Interval { torus: torus()?, ticks: ticks(words.get(1))? },
        "mode" => match words.first() {
            Some(mode @ (&"rotate" | &"ring")) => Request::Mode { mode: (*mode).to_owned() },
            Some(other) => return Err(format!("{other}: expected rotate or ring")),
            None => return Err("expected rotate or ring".into()),
        },
        "inject" => Request::Inject {
            torus: torus()?,
            dst: match words.get(1) {
                Some(word) => number(Some(word), 0, 0, 32_767, "a cell, 0 to 32767")?,
                None => return Err("expected a cell, 0 to 32767".into()),
            },
            src: 0,
            payload: number(words.get(2), 0, i64::from(i32::MIN), i64::from(i32::MAX), "a payload, a 32-bit number")?,
            count: number(words.get(3), 1, 1, u32::MAX, "a count")?,
        },
        "stop" => Request::Stop {},
        "live" => return Ok(Asked::Live),
        "quit" => return Ok(Asked::Action(Action::Quit)),
        _ => return Ok(Asked::Action(Action::Help)),
    }))
}

fn known_torus(word: Option<&&str>, tori: &[String]) -> Result<String, String> {
    let known = || if tori.is_empty() { "none is known yet".to_owned() } else { tori.join(", ") };
    let Some(word) = word else { return Err(format!("expected a torus: {}", known())) };
    match tori.iter().find(|name| name.eq_ignore_ascii_case(word)) {
        Some(name) => Ok(name.clone()),
        None => Err(format!("{word}: no torus of this node; expected {}", known())),
    }
}

fn ticks(word: Option<&&str>) -> Result<Option<u32>, String> {
    match word {
        Some(&"adaptive") => Ok(None),
        Some(word) => number(Some(word), 0, 100, 10_000, "ticks, 100 to 10000, or adaptive").map(Some),
        None => Err("expected ticks, 100 to 10000, or adaptive".into()),
    }
}

fn number<T>(word: Option<&&str>, otherwise: T, least: T, most: T, expected: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd,
{
    let Some(word) = word else { return Ok(otherwise) };
    match word.parse::<T>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(format!("{word}: expected {expected}")),
    }
}

/// Words that could stand where the line ends: whole words to put in place of the last, unfinished one.
#[must_use]
pub fn completions(line: &str, tori: &[String]) -> Vec<String> {
    let fresh = line.is_empty() || line.ends_with(char::is_whitespace);
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let unfinished = if fresh { "" } else { words.pop().unwrap_or("") };
    let candidates = match words.first() {
        None => COMMANDS.iter().map(|command| command.name.to_owned()).collect(),
        Some(name) => COMMANDS
            .iter()
            .find(|command| command.name == *name)
            .and_then(|command| command.arguments.get(words.len() - 1))
            .map_or_else(Vec::new, |argument| argument.words(tori)),
    };
    let lower = unfinished.to_lowercase();
    candidates.into_iter().filter(|word| word.to_lowercase().starts_with(&lower)).collect()
}

/// The line with its last word completed as far as all candidates agree; a blank follows when there is one only.
#[must_use]
pub fn complete(line: &str, tori: &[String]) -> String {
    let found = completions(line, tori);
    let Some(first) = found.first() else { return line.to_owned() };
    let mut common = first.clone();
    while !found.iter().all(|word| word.to_lowercase().starts_with(&common.to_lowercase())) {
        common.pop();
    }
    let kept = line.rfind(char::is_whitespace).map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let unfinished = &line[kept..];
    if common.len() < unfinished.len() {
        return line.to_owned();
    }
    let blank = if found.len() == 1 { " " } else { "" };
    format!("{}{common}{blank}", &line[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tori() -> Vec<String> {
        vec!["A".into(), "Bravo".into()]
    }

    #[test]
    fn command_lines_become_requests() {
        let asked = |line: &str| parse(line, &tori());
        assert_eq!(asked("pause a"), Ok(Asked::Request(Request::Pause { torus: "A".into() })));
        assert_eq!(
            asked("interval bravo 2000"),
            Ok(Asked::Request(Request::Interval { torus: "Bravo".into(), ticks: Some(2000) }))
        );
        assert_eq!(asked("in A 1"), Err("in: more than one command begins so; tab shows them".into()));
        assert_eq!(asked("mo ring"), Ok(Asked::Request(Request::Mode { mode: "ring".into() })));
        assert_eq!(
            asked("inject A 7 -3 10"),
            Ok(Asked::Request(Request::Inject { torus: "A".into(), dst: 7, src: 0, payload: -3, count: 10 }))
        );
        assert_eq!(asked("q"), Ok(Asked::Action(Action::Quit)));
        assert_eq!(asked("open  /tmp/a b.jsonl "), Ok(Asked::Open("/tmp/a b.jsonl".into())));
        assert_eq!(asked("live"), Ok(Asked::Live));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        let problem = |line: &str| parse(line, &tori()).expect_err(line);
        assert_eq!(problem("pause C"), "C: no torus of this node; expected A, Bravo; usage: pause TORUS");
        assert!(problem("interval A 99").starts_with("99: expected ticks, 100 to 10000, or adaptive"));
        assert!(problem("inject A 32768").starts_with("32768: expected a cell"));
        assert!(problem("pause A B").starts_with("too many words"));
        assert!(problem("").starts_with("no command"));
        assert_eq!(problem("open "), "expected a file; usage: open FILE");
    }

    #[test]
    fn tab_completes_commands_tori_and_words() {
        let done = |line: &str| complete(line, &tori());
        assert_eq!(done("pa"), "pause ");
        assert_eq!(done("in"), "in");
        assert_eq!(done("pause b"), "pause Bravo ");
        assert_eq!(done("mode r"), "mode r");
        assert_eq!(completions("mode r", &tori()), ["rotate", "ring"]);
        assert_eq!(done("mode ro"), "mode rotate ");
        assert_eq!(done("zzz"), "zzz");
        assert_eq!(done("interval A é"), "interval A é");
    }
}
