//! Values as text: what [`Val`]'s display writes is read back.

use std::str::FromStr;
use std::sync::Arc;

use super::Val;
use crate::id::{ROOT, VarId};

/// Deepest nesting that is read.
const MOST_DEPTH: u32 = 200;
/// Longest text that is read, bytes.
const MOST_BYTES: usize = 1 << 20;

/// A text that is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "value {text:?}: {what} at character {at}; write values as the language does: 5, true, nothing, \"text\", [1, 2], (1, 2), \
         {{a: 1}}, just 3, 0x0aff, o7, @machine, %controller"
)]
pub struct ValError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong.
    pub what: String,
    /// Where, in characters from 1.
    pub at: usize,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

type Read<T> = Result<T, String>;

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, word: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn need(&mut self, word: &str) -> Read<()> {
        if self.eat(word) { Ok(()) } else { Err(format!("expected {word}")) }
    }

    fn word(&mut self) -> &str {
        let from = self.at;
        let part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        self.at += length;
        &self.text[from..self.at]
    }

    fn value(&mut self, depth: u32) -> Read<Val> {
        if depth > MOST_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        self.blanks();
        match self.rest().chars().next() {
            None => Err("it ends where a value is expected".to_owned()),
            Some('"') => self.quoted().map(|text| Val::Text(text.into())),
            Some('[') => Ok(Val::List(self.list("[", "]", depth)?)),
            Some('(') => self.pair(depth),
            Some('{') => self.record(depth),
            Some('@') => self.name().map(|name| Val::Machine(name.as_str().into())),
            Some('%') => self.name().map(|name| Val::Controller(name.as_str().into())),
            Some(_) => self.plain(depth),
        }
    }

    fn name(&mut self) -> Read<String> {
        self.at += 1;
        let name = self.word().to_owned();
        if name.is_empty() { Err("expected a name".to_owned()) } else { Ok(name) }
    }

    fn list(&mut self, open: &str, close: &str, depth: u32) -> Read<Vec<Val>> {
        self.need(open)?;
        let mut values = Vec::new();
        if self.eat(close) {
            return Ok(values);
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.eat(close) {
                return Ok(values);
            }
            if !self.eat(",") {
                return Err(format!("expected , or {close}"));
            }
            if self.eat(close) {
                return Ok(values);
            }
        }
    }

    fn pair(&mut self, depth: u32) -> Read<Val> {
        let mut values = self.list("(", ")", depth)?.into_iter();
        match (values.next(), values.next(), values.next()) {
            (Some(value), None, _) => Ok(value),
            (Some(first), Some(second), None) => Ok(Val::pair(first, second)),
            _ => Err("a pair has two values".to_owned()),
        }
    }

    fn record(&mut self, depth: u32) -> Read<Val> {
        self.need("{")?;
        let mut fields: Vec<(Arc<str>, Val)> = Vec::new();
        while !self.eat("}") {
            if !fields.is_empty() {
                self.need(",")?;
                if self.eat("}") {
                    break;
                }
            }
            self.blanks();
            let name: Arc<str> = if self.rest().starts_with('"') { self.quoted()?.into() } else { self.word().into() };
            if name.is_empty() {
                return Err("expected the name of a field".to_owned());
            }
            self.need(":")?;
            fields.push((name, self.value(depth + 1)?));
        }
        Ok(Val::record(fields))
    }

    fn quoted(&mut self) -> Read<String> {
        self.at += 1;
        let mut out = String::new();
        let mut characters = self.text[self.at..].char_indices();
        while let Some((offset, c)) = characters.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(out);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, '0')) => out.push('\0'),
                    Some((_, 'u')) => {
                        let rest = characters.as_str();
                        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                        let (digits, after) = inner.ok_or("expected \\u{...}")?;
                        let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or("no such character")?);
                        let skip = rest.len() - after.len();
                        let left = rest[..skip].chars().count();
                        characters.by_ref().take(left).for_each(drop);
                    }
                    Some((_, same)) => out.push(same),
                    None => return Err("it ends inside a text".to_owned()),
                },
                c => out.push(c),
            }
        }
        Err("it ends inside a text".to_owned())
    }

    fn plain(&mut self, depth: u32) -> Read<Val> {
        let from = self.at;
        let word = self.word().to_owned();
        match word.as_str() {
            "nothing" => return Ok(Val::Nothing),
            "true" => return Ok(Val::Bool(true)),
            "false" => return Ok(Val::Bool(false)),
            "root" => return Ok(Val::Object(ROOT)),
            "just" => return Ok(Val::just(self.value(depth + 1)?)),
            _ => {}
        }
        if let Some(digits) = word.strip_prefix("0x") {
            return bytes(digits).map(|bytes| Val::Bytes(bytes.into())).ok_or_else(|| "no bytes".to_owned());
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let number = word.replace('_', "").parse::<i128>().ok().and_then(Val::int);
            return number.ok_or_else(|| "no number between -2^63 and 2^64 - 1".to_owned());
        }
        let known = match word.chars().next() {
            Some('o') => word.parse().ok().map(Val::Object),
            Some('t') => word.parse().ok().map(Val::Tx),
            Some('x') => word.parse().ok().map(Val::Execution),
            Some('v') => word[1..].parse().ok().map(|var| Val::Var(VarId(var))),
            _ => None,
        };
        known.ok_or_else(|| {
            self.at = from;
            if word.is_empty() {
                "no value starts".to_owned()
            } else {
                format!("{word} is no value (texts are quoted)")
            }
        })
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl FromStr for Val {
    type Err = ValError;

    fn from_str(text: &str) -> Result<Self, ValError> {
        let mut reader = Reader { text, at: 0 };
        let failed = |reader: &Reader<'_>, what: String| ValError {
            text: text.chars().take(80).collect(),
            what,
            at: text.get(..reader.at).unwrap_or(text).chars().count() + 1,
        };
        if text.len() > MOST_BYTES {
            return Err(failed(&reader, format!("longer than {MOST_BYTES} bytes")));
        }
        let value = reader.value(0).map_err(|what| failed(&reader, what))?;
        reader.blanks();
        if reader.at < text.len() {
            return Err(failed(&reader, "something follows the value".to_owned()));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
