//! Reads TOML into values with their place, collecting every problem instead of stopping at the first.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Largest scenario file, bytes.
pub const TEXT_MAX: usize = 64 * 1024;
/// Most problems told of one file.
const PROBLEMS_MAX: usize = 32;
/// Longest value shown in a problem, characters.
const SHOWN_MAX: usize = 60;

/// Something wrong with a scenario: the file was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Key with its tables, such as `fault[2].share`.
    pub key: String,
    /// The value found, shortened.
    pub value: String,
    /// What is allowed.
    pub expected: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, value, expected, remedy } = self;
        write!(f, "line {line}: {key} is {value}, expected {expected}: {remedy}")
    }
}

/// Everything wrong with a scenario, in order of lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Collects problems of one text.
#[derive(Debug)]
pub(super) struct Collector<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Collector<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: usize, key: &str, value: &str, expected: &str, remedy: &str) {
        if self.found.len() >= PROBLEMS_MAX {
            return;
        }
        let line = 1 + self.text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        let (key, value) = (shortened(key), shortened(value));
        self.found.push(Problem { line, key, value, expected: expected.to_owned(), remedy: remedy.to_owned() });
    }

    pub(super) fn finish(mut self) -> Result<(), Problems> {
        self.found.sort_by_key(|problem| problem.line);
        if self.found.is_empty() { Ok(()) } else { Err(Problems(self.found)) }
    }
}

/// One line, bounded, without anything a terminal would obey.
fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = plain.take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        short.push_str("...");
    }
    short
}

/// One table of the file; each key is taken once, what is left at the end is unknown.
pub(super) struct Table<'t> {
    path: String,
    at: usize,
    entries: BTreeMap<String, Spanned<DeValue<'t>>>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(path: &str, at: usize, table: DeTable<'t>) -> Self {
        let entries = table.into_iter().map(|(key, value)| (key.into_inner().into_owned(), value)).collect();
        Self { path: path.to_owned(), at, entries, asked: Vec::new() }
    }

    /// Place of the table in the text, byte offset.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'t>)> {
        self.asked.push(key);
        let value = self.entries.remove(key)?;
        Some((value.span().start, value.into_inner()))
    }

    /// A number in a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        problems: &mut Collector<'_>,
    ) -> Option<f64> {
        let (at, value) = self.take(key)?;
        let number = match &value {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|whole| whole as f64)
            }
            _ => None,
        };
        let fits = number.filter(|number| number.is_finite() && range.contains(number));
        if fits.is_none() {
            let expected = format!("a number from {} to {}", range.start(), range.end());
            problems.add(at, &self.name(key), &shown(&value), &expected, "set it inside that range or leave it out");
        }
        fits
    }

    /// A whole number in a range.
    pub(super) fn whole(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        problems: &mut Collector<'_>,
    ) -> Option<i64> {
        let (at, value) = self.take(key)?;
        let number = match &value {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            problems.add(at, &self.name(key), &shown(&value), &expected, "set it inside that range or leave it out");
        }
        fits
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, problems: &mut Collector<'_>) -> Option<bool> {
        let (at, value) = self.take(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            problems.add(at, &self.name(key), &shown(&value), "true or false", "write it without quotes");
        }
        flag
    }

    /// A text of at most `most` bytes.
    pub(super) fn text(&mut self, key: &'static str, most: usize, problems: &mut Collector<'_>) -> Option<String> {
        let (at, value) = self.take(key)?;
        let text = value.as_str().filter(|text| text.len() <= most).map(str::to_owned);
        if text.is_none() {
            let expected = format!("a text of at most {most} bytes");
            problems.add(at, &self.name(key), &shown(&value), &expected, "shorten it, in quotes");
        }
        text
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Collector<'_>,
    ) -> Option<T> {
        let (at, value) = self.take(key)?;
        let found = value.as_str().and_then(|text| words.iter().find(|word| word.0 == text));
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|word| word.0).collect();
            problems.add(at, &self.name(key), &shown(&value), &names.join(", "), "write one of these, in quotes");
        }
        found.map(|word| word.1)
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str, problems: &mut Collector<'_>) -> Option<Table<'t>> {
        let (at, value) = self.take(key)?;
        match value {
            DeValue::Table(table) => Some(Self::new(&self.name(key), at, table)),
            other => {
                problems.add(at, &self.name(key), &shown(&other), "a table", &format!("write [{}]", self.name(key)));
                None
            }
        }
    }

    /// The tables of a list, at most `most`.
    pub(super) fn tables(&mut self, key: &'static str, most: usize, problems: &mut Collector<'_>) -> Vec<Table<'t>> {
        let Some((at, value)) = self.take(key) else { return Vec::new() };
        let remedy = format!("write [[{}]] above each", self.name(key));
        let DeValue::Array(list) = value else {
            problems.add(at, &self.name(key), &shown(&value), "a list of tables", &remedy);
            return Vec::new();
        };
        if list.len() > most {
            let expected = format!("at most {most}");
            problems.add(at, &self.name(key), &format!("a list of {}", list.len()), &expected, "use several scenarios");
            return Vec::new();
        }
        let mut tables = Vec::new();
        for (index, entry) in list.into_iter().enumerate() {
            let (at, name) = (entry.span().start, format!("{}[{index}]", self.name(key)));
            match entry.into_inner() {
                DeValue::Table(table) => tables.push(Self::new(&name, at, table)),
                other => problems.add(at, &name, &shown(&other), "a table", &remedy),
            }
        }
        tables
    }

    /// A value that has to be there was not.
    pub(super) fn missing(&self, key: &str, expected: &str, problems: &mut Collector<'_>) {
        problems.add(self.at, &self.name(key), "missing", expected, "add it");
    }

    /// Everything not asked for is unknown.
    pub(super) fn finish(self, problems: &mut Collector<'_>) {
        for (key, value) in &self.entries {
            let near = self.asked.iter().min_by_key(|known| distance(known, key));
            let remedy = match near.filter(|known| distance(known, key) <= 2) {
                Some(known) => format!("did you mean `{known}`? otherwise remove it"),
                None => "remove it".to_owned(),
            };
            let expected = format!("one of {}", self.asked.join(", "));
            problems.add(value.span().start, &self.name(key), "an unknown key", &expected, &remedy);
        }
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        other => format!("a {}", other.type_str()),
    }
}

/// Letters to change, add or remove (Levenshtein), for short keys.
fn distance(a: &str, b: &str) -> usize {
    if b.len() > 40 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
