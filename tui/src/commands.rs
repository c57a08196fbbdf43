//! The command line behind `:`: one table that parses, completes and explains.

use std::path::PathBuf;

use control::api::Request;

use crate::avm::commands::{self as of_the_avm, AvmAsked, WORDS};
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
    /// One of these words.
    Word(&'static str, &'static [&'static str]),
    /// One of these words; may be left out, the first then.
    Optional(&'static str, &'static [&'static str]),
    /// A whole number; what it is.
    Number(&'static str),
    /// A node, by name or number.
    Node,
    /// A span of time: 10m; `end`.
    Time,
    /// The words of `trefoil avm`: the rest of the line.
    Avm,
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
            Self::Word(usage, _) | Self::Optional(usage, _) | Self::Number(usage) => usage,
            Self::Node => "NODE",
            Self::Time => "TIME|end",
            Self::Avm => "start|show|suspend|resume|kill|call|send ...",
        }
    }

    fn words(self, tori: &[String]) -> Vec<String> {
        match self {
            Self::Torus => tori.to_vec(),
            Self::Ticks => vec!["adaptive".into()],
            Self::Mode => vec!["rotate".into(), "ring".into()],
            Self::Word(_, words) | Self::Optional(_, words) => words.iter().map(|word| (*word).to_owned()).collect(),
            Self::Time => vec!["end".into()],
            Self::Avm => WORDS.map(str::to_owned).to_vec(),
            Self::Cell | Self::Payload | Self::Count | Self::File | Self::Number(_) | Self::Node => Vec::new(),
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

const KINDS: &[&str] = &[
    "mode",
    "power-limit",
    "shutdown",
    "reformation",
    "quarantine",
    "rehabilitation",
    "custom0",
    "custom1",
    "custom2",
    "custom3",
];

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
    Command {
        name: "propose",
        arguments: &[
            Argument::Word("KIND", KINDS),
            Argument::Number("VALUE"),
            Argument::Optional("[local|cluster]", &["local", "cluster"]),
            Argument::Optional("[more-than-half|two-thirds|all]", &["more-than-half", "two-thirds", "all"]),
        ],
        help: "open a ballot",
    },
    Command {
        name: "vote",
        arguments: &[
            Argument::Number("PROPOSER"),
            Argument::Number("NUMBER"),
            Argument::Word("yes|no|abstain", &["yes", "no", "abstain"]),
        ],
        help: "answer a ballot; y and n on its screen do the same",
    },
    Command {
        name: "drain",
        arguments: &[Argument::Word("on|off", &["on", "off"])],
        help: "send work to the neighbours, or end that",
    },
    Command {
        name: "maintenance",
        arguments: &[Argument::Node, Argument::Time],
        help: "let nobody remove a node for a time",
    },
    Command { name: "forget", arguments: &[Argument::Node], help: "drop the record of a removed node" },
    Command {
        name: "join",
        arguments: &[Argument::Word("grant|refuse", &["grant", "refuse"]), Argument::Number("NODE")],
        help: "decide about a node that asks to found the cluster with us",
    },
    Command { name: "removals", arguments: &[Argument::Word("resume", &["resume"])], help: "open the safety valve" },
    Command { name: "leave", arguments: &[], help: "leave the cluster in order" },
    Command {
        name: "avm",
        arguments: &[Argument::Avm],
        help: "as trefoil avm: start, show, suspend, resume, kill, call, send",
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
    /// Something of programs.
    Avm(AvmAsked),
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
    if command.arguments == [Argument::Avm] {
        let rest = line.trim().split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
        return of_the_avm::parse(rest).map(Asked::Avm);
    }
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
        "propose" | "vote" | "drain" | "maintenance" | "forget" | "join" | "removals" | "leave" => {
            of_the_cluster(command, words)?
        }
        "stop" => Request::Stop {},
        "live" => return Ok(Asked::Live),
        "quit" => return Ok(Asked::Action(Action::Quit)),
        _ => return Ok(Asked::Action(Action::Help)),
    }))
}

fn of_the_cluster(command: &Command, words: &[&str]) -> Result<Request, String> {
    let word = |at: usize| chosen(command.arguments[at], words.get(at));
    let node = || words.first().map(|node| (*node).to_owned()).ok_or("expected a node, by name or number");
    let given = |at: usize| match words.get(at) {
        None => Err(format!("expected {}", command.arguments[at].usage())),
        some => number(some, 0, 0, u32::MAX, command.arguments[at].usage()),
    };
    Ok(match command.name {
        "propose" => {
            let kind = word(0)?;
            let of_a_node = matches!(kind.as_str(), "quarantine" | "rehabilitation");
            let natural = if of_a_node { "cluster".to_owned() } else { word(2)? };
            let scope = if words.len() > 2 { word(2)? } else { natural };
            if of_a_node && scope == "local" {
                return Err("a quarantine and its end bind the whole cluster".into());
            }
            Request::Propose { kind, value: given(1)?, scope, threshold: word(3)? }
        }
        "vote" => {
            let ballot = number(words.get(1), 0, 0, u64::MAX, "a ballot's number")?;
            Request::Vote { proposer: given(0)?, number: ballot, vote: word(2)? }
        }
        "drain" => Request::Drain { on: word(0)? == "on" },
        "maintenance" => Request::Maintenance { node: node()?, seconds: seconds(words.get(1))? },
        "forget" => Request::Forget { node: node()? },
        "join" => Request::Join { node: given(1)?, grant: word(0)? == "grant" },
        "removals" => word(0).map(|_| Request::ResumeRemovals {})?,
        _ => Request::Leave {},
    })
}

/// One of the words an argument allows.
fn chosen(argument: Argument, word: Option<&&str>) -> Result<String, String> {
    let (Argument::Word(usage, words) | Argument::Optional(usage, words)) = argument else {
        return Err("expected a word".into());
    };
    match (word, argument) {
        (Some(word), _) if words.contains(word) => Ok((*word).to_owned()),
        (None, Argument::Optional(..)) => Ok(words.first().copied().unwrap_or_default().to_owned()),
        (Some(word), _) => Err(format!("{word}: expected {}", words.join(", "))),
        (None, _) => Err(format!("expected {usage}")),
    }
}

/// `90s`, `10m`, `2h`; `end` is 0.
fn seconds(word: Option<&&str>) -> Result<u32, String> {
    let expected = || "expected a time such as 90s, 10m or 2h, or end".to_owned();
    let word = word.ok_or_else(expected)?;
    if *word == "end" {
        return Ok(0);
    }
    let cut = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(cut);
    let factor = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("{word}: {}", expected())),
    };
    let number: u32 = number.parse().map_err(|_| format!("{word}: {}", expected()))?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(|| format!("{word}: {}", expected()))
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
    fn what_is_asked_of_the_cluster_becomes_a_request() {
        let asked = |line: &str| match parse(line, &tori()) {
            Ok(Asked::Request(request)) => request.command_line(),
            other => panic!("{line}: {other:?}"),
        };
        let local = "trefoil propose mode 2 --scope local --threshold more-than-half";
        assert_eq!(asked("propose mode 2"), local);
        assert_eq!(asked("propose mode 2 local"), local);
        let cluster = "trefoil propose quarantine 7 --scope cluster --threshold two-thirds";
        assert_eq!(asked("propose quarantine 7 cluster two-thirds"), cluster);
        assert!(asked("propose quarantine 7").contains("--scope cluster"));
        assert_eq!(asked("vote 2 12 no"), "trefoil ballots vote 2 12 no");
        assert_eq!(asked("drain on"), "trefoil drain on");
        assert_eq!(asked("maintenance n3 10m"), "trefoil maintenance n3 600s");
        assert_eq!(asked("maintenance n3 end"), "trefoil maintenance n3 0s");
        assert_eq!(asked("join grant 4"), "trefoil join grant 4");
        assert_eq!(asked("removals resume"), "trefoil mesh resume");
        for wrong in ["propose", "propose mode", "propose lunch 1", "propose quarantine 7 local", "vote 1 2 maybe"] {
            assert!(parse(wrong, &tori()).is_err(), "{wrong}");
        }
        for wrong in ["drain", "maintenance n3", "maintenance n3 0s", "maintenance n3 9d", "forget", "join grant"] {
            assert!(parse(wrong, &tori()).is_err(), "{wrong}");
        }
        assert_eq!(complete("propose qu", &tori()), "propose quarantine ");
        assert_eq!(complete("drain o", &tori()), "drain o");
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
