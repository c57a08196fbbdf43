//! Texts to lists and symbols, with their places, without recursion.

use super::{MAX_DEPTH, SmtError};

/// Line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl At {
    pub(super) fn wrong<T>(self, message: impl Into<String>) -> Result<T, SmtError> {
        Err(SmtError { line: self.line, column: self.column, message: message.into() })
    }
}

/// A list, or a word: a symbol (without bars), numeral, keyword or text.
#[derive(Debug, Clone)]
pub(super) enum Sexp {
    List(At, Vec<Sexp>),
    Word(At, String),
}

impl Sexp {
    pub(super) const fn at(&self) -> At {
        match self {
            Self::List(at, _) | Self::Word(at, _) => *at,
        }
    }

    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(_, word) => Some(word),
            Self::List(..) => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(_, all) => Some(all),
            Self::Word(..) => None,
        }
    }
}

/// Reads all commands.
pub(super) fn parse(text: &str) -> Result<Vec<Sexp>, SmtError> {
    let mut open: Vec<(At, Vec<Sexp>)> = Vec::new();
    let mut done = Vec::new();
    let mut chars = text.chars().peekable();
    let mut at = At { line: 1, column: 1 };
    while let Some(c) = chars.next() {
        let start = at;
        step(&mut at, c);
        match c {
            ';' => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            '(' => {
                if open.len() >= MAX_DEPTH as usize {
                    return start
                        .wrong(format!("parentheses nest deeper than {MAX_DEPTH}: name parts with define-fun"));
                }
                open.push((start, Vec::new()));
            }
            ')' => {
                let Some((began, all)) = open.pop() else { return start.wrong("a ')' without its '(': take it away") };
                put(&mut open, &mut done, Sexp::List(began, all));
            }
            '|' | '"' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        None => return start.wrong(format!("no closing {c} until the end of the text: close it")),
                        Some(next) => {
                            step(&mut at, next);
                            if next == c {
                                break;
                            }
                            word.push(next);
                        }
                    }
                }
                put(&mut open, &mut done, Sexp::Word(start, word));
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) = chars.peek().copied() {
                    if next.is_whitespace() || matches!(next, '(' | ')' | ';' | '|' | '"') {
                        break;
                    }
                    step(&mut at, next);
                    word.push(next);
                    chars.next();
                }
                put(&mut open, &mut done, Sexp::Word(start, word));
            }
        }
    }
    match open.pop() {
        Some((began, _)) => began.wrong("a '(' that is never closed: add ')'"),
        None => Ok(done),
    }
}

const fn step(at: &mut At, c: char) {
    if c == '\n' {
        at.line = at.line.saturating_add(1);
        at.column = 1;
    } else {
        at.column = at.column.saturating_add(1);
    }
}

fn put(open: &mut [(At, Vec<Sexp>)], done: &mut Vec<Sexp>, item: Sexp) {
    match open.last_mut() {
        Some((_, all)) => all.push(item),
        None => done.push(item),
    }
}
