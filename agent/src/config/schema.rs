//! Checks a TOML tree against the JSON schema made of [`super::raw`], so that all problems are found, not the first.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::nearest;
use super::problem::Problem;
use super::raw::RawConfig;

/// The JSON schema of a configuration file, for editors (`trefoil config schema`).
#[must_use]
pub fn json_schema() -> Value {
    schemars::schema_for!(RawConfig).to_value()
}

/// Walks a parsed file; what is wrong goes to `problems`, what is right into the returned tree.
pub(super) struct Walker<'t> {
    text: &'t str,
    schema: Value,
    /// What is wrong, in file order.
    pub(super) problems: Vec<Problem>,
    /// Line of every key that is present, by path.
    pub(super) lines: BTreeMap<String, usize>,
}

/// Tables nest at most this deep; the deepest real key is `torus[0].workload.kind`.
const DEPTH: usize = 8;

impl<'t> Walker<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, schema: json_schema(), problems: Vec::new(), lines: BTreeMap::new() }
    }

    /// Line of a byte position, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    /// Checks the whole file; the returned tree deserialises as far as this schema can tell.
    pub(super) fn file(&mut self, table: &DeTable<'_>) -> Value {
        let root = self.schema.clone();
        self.table(&root, "", table, 0).unwrap_or(Value::Object(Map::new()))
    }

    fn resolve(&self, node: &Value) -> Value {
        let mut node = node.clone();
        for _ in 0..DEPTH {
            let Some(name) = node.get("$ref").and_then(Value::as_str) else { break };
            let name = name.trim_start_matches("#/$defs/");
            node = self.schema["$defs"][name].clone();
        }
        node
    }

    /// Keys that have no default must be there; what is absent or broken leaves a value behind that keeps the tree readable.
    fn absent(&mut self, schema: &Value, path: &str, table: &DeTable<'_>, out: &mut Map<String, Value>) {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for name in required.iter().filter_map(Value::as_str) {
            let property = self.resolve(&schema["properties"][name]);
            if !table.iter().any(|(key, _)| key.get_ref() == name) {
                let documented = schema["properties"][name]["description"].as_str().unwrap_or_default();
                self.problems.push(Problem {
                    line: self.lines.get(path).copied(),
                    key: if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") },
                    value: "(absent)".to_owned(),
                    expected: expected(&property),
                    remedy: format!("write {name} = ... ({})", documented.trim_end_matches('.')),
                });
            }
            out.entry(name).or_insert_with(|| self.stand_in(&property));
        }
    }

    /// A value of a kind, for a place whose own is broken or absent.
    fn stand_in(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if is_type(&schema, "integer") || is_type(&schema, "number") {
            let least = schema["minimum"].as_i64().unwrap_or(0);
            Value::from(least)
        } else if is_type(&schema, "string") {
            Value::from(words(&schema).first().copied().unwrap_or_default())
        } else if is_type(&schema, "boolean") {
            Value::Bool(false)
        } else {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let each = required.iter().filter_map(Value::as_str);
            Value::Object(each.map(|name| (name.to_owned(), self.stand_in(&schema["properties"][name]))).collect())
        }
    }

    fn table(&mut self, schema: &Value, path: &str, table: &DeTable<'_>, depth: usize) -> Option<Value> {
        let empty = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        let mut out = Map::new();
        // File order: a table's own map is sorted by name.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name: &str = key.get_ref();
            let here = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let line = self.line(key.span().start);
            let Some(property) = known.get(name) else {
                self.unknown(&here, line, name, known.keys().map(String::as_str));
                continue;
            };
            self.lines.insert(here.clone(), line);
            if let Some(value) = self.value(property, &here, value, depth + 1) {
                out.insert(name.to_owned(), value);
            }
        }
        self.absent(schema, path, table, &mut out);
        Some(Value::Object(out))
    }

    fn unknown<'k>(&mut self, path: &str, line: usize, name: &str, known: impl Iterator<Item = &'k str> + Clone) {
        let remedy = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => "remove it".to_owned(),
        };
        let all: Vec<&str> = known.collect();
        self.problems.push(Problem {
            line: Some(line),
            key: clip(path),
            value: String::new(),
            expected: format!("a known key: {}", all.join(", ")),
            remedy,
        });
    }

    fn value(&mut self, schema: &Value, path: &str, value: &Spanned<DeValue<'_>>, depth: usize) -> Option<Value> {
        let documented = describe(schema);
        let alternatives = self.alternatives(schema);
        let span = value.span();
        if depth > DEPTH {
            self.wrong(path, span, alternatives.first().unwrap_or(schema), documented.as_deref());
            return None;
        }
        for schema in &alternatives {
            if let Some(found) = self.matching(schema, path, value, depth) {
                return found;
            }
        }
        let expected = Value::Array(alternatives);
        self.wrong(path, span, &expected, documented.as_deref());
        None
    }

    /// The schemas of which a value must match one; `null` is how a schema says optional and TOML has none.
    fn alternatives(&self, schema: &Value) -> Vec<Value> {
        let mut schema = schema.clone();
        // A reference with siblings: the siblings (default, description) say nothing about what is accepted.
        if schema.get("$ref").is_some() {
            schema = self.resolve(&schema);
        }
        match schema.get("anyOf").and_then(Value::as_array) {
            Some(all) => all.iter().map(|one| self.resolve(one)).filter(|one| one["type"] != "null").collect(),
            None => vec![schema],
        }
    }

    /// `None`: does not match. `Some(None)`: it is of this kind, its own problems are reported.
    fn matching(
        &mut self,
        schema: &Value,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
    ) -> Option<Option<Value>> {
        match value.get_ref() {
            DeValue::Table(table) if is_type(schema, "object") => Some(self.table(schema, path, table, depth)),
            DeValue::Array(array) if is_type(schema, "array") => {
                let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
                let least = schema["minItems"].as_u64().unwrap_or(0);
                if (array.len() as u64) > most || (array.len() as u64) < least {
                    return None;
                }
                let items = schema["items"].clone();
                let each = array.iter().enumerate();
                let checked = each.map(|(at, item)| {
                    let here = format!("{path}[{at}]");
                    self.lines.insert(here.clone(), self.line(item.span().start));
                    // A broken entry leaves its place behind, so that the positions after it stay true.
                    self.value(&items, &here, item, depth + 1).unwrap_or_else(|| self.stand_in(&items))
                });
                Some(Some(Value::Array(checked.collect())))
            }
            DeValue::String(text) if is_word(schema, text) => Some(Some(Value::String(text.to_string()))),
            DeValue::Boolean(flag) if is_type(schema, "boolean") => Some(Some(Value::Bool(*flag))),
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                let number = i64::from_str_radix(&digits, number.radix()).ok()?;
                let fits = is_type(schema, "integer") || is_type(schema, "number");
                (fits && in_range(schema, number as f64)).then(|| Some(Value::from(number)))
            }
            DeValue::Float(number) if is_type(schema, "number") => {
                let number: f64 = number.as_str().replace('_', "").parse().ok()?;
                let number = serde_json::Number::from_f64(number)?;
                in_range(schema, number.as_f64()?).then_some(Some(Value::Number(number)))
            }
            _ => None,
        }
    }

    fn wrong(&mut self, path: &str, span: Range<usize>, schema: &Value, documented: Option<&str>) {
        let raw = self.text.get(span.clone()).unwrap_or("");
        self.problems.push(Problem {
            line: Some(self.line(span.start)),
            key: clip(path),
            value: clip(raw.lines().next().unwrap_or("")),
            expected: expected(schema),
            remedy: remedy(raw, schema, documented),
        });
    }
}

fn clip(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

/// What a key is about, and its default, as a remedy says it.
fn describe(schema: &Value) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str)?;
    let sentence = text.split_inclusive(['.', ';']).next().unwrap_or(text).replace('\n', " ");
    let sentence = sentence.trim_end_matches(['.', ';']);
    Some(match schema.get("default") {
        Some(default) if !default.is_object() && !default.is_null() => format!("{sentence}; default {default}"),
        _ => sentence.to_owned(),
    })
}

fn is_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(many) => many.iter().any(|one| one == name),
        _ => false,
    }
}

/// Words of an enumeration: `enum: [..]`, or `oneOf: [{const: ..}]` when the variants are documented.
fn words(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let single = schema.get("const").and_then(Value::as_str);
    let documented = schema["oneOf"].as_array().into_iter().flatten().flat_map(|one| words(one));
    listed.chain(single).chain(documented).collect()
}

fn is_word(schema: &Value, text: &str) -> bool {
    let words = words(schema);
    if !words.is_empty() {
        return words.contains(&text);
    }
    let length = text.len() as u64;
    is_type(schema, "string")
        && length >= schema["minLength"].as_u64().unwrap_or(0)
        && length <= schema["maxLength"].as_u64().unwrap_or(4096)
}

fn in_range(schema: &Value, number: f64) -> bool {
    let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
    let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
    (least..=most).contains(&number)
}

fn expected(schema: &Value) -> String {
    if let Value::Array(alternatives) = schema {
        let each: Vec<String> = alternatives.iter().map(expected).collect();
        return each.join(", or ");
    }
    let words = words(schema);
    if !words.is_empty() {
        return words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ");
    }
    let bounds = |low: &str, high: &str| match (number(&schema[low]), number(&schema[high])) {
        (Some(low), Some(high)) => format!(" {low}..{high}"),
        (Some(low), None) => format!(" of at least {low}"),
        (None, Some(high)) => format!(" of at most {high}"),
        (None, None) => String::new(),
    };
    if is_type(schema, "integer") {
        format!("a whole number{}", bounds("minimum", "maximum"))
    } else if is_type(schema, "number") {
        format!("a number{}", bounds("minimum", "maximum"))
    } else if is_type(schema, "boolean") {
        "true or false".to_owned()
    } else if is_type(schema, "string") {
        match bounds("minLength", "maxLength").as_str() {
            "" => "a text in quotes".to_owned(),
            bounds => format!("a text in quotes, length{bounds}"),
        }
    } else if is_type(schema, "array") {
        let items = &schema["items"];
        let of =
            if items.get("$ref").is_some() || is_type(items, "object") { "tables".to_owned() } else { expected(items) };
        match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
            (Some(low), Some(high)) if low == high => format!("a list of {low}, each {of}"),
            _ if of == "tables" => format!("a list of tables, count{}", bounds("minItems", "maxItems")),
            _ => format!("a list, count{}, each {of}", bounds("minItems", "maxItems")),
        }
    } else {
        "a table".to_owned()
    }
}

/// Whole numbers without the `.0` that a schema gives them.
fn number(value: &Value) -> Option<String> {
    value.as_f64().map(|number| format!("{number}"))
}

fn remedy(raw: &str, schema: &Value, documented: Option<&str>) -> String {
    let one = match schema {
        Value::Array(alternatives) => alternatives.last().unwrap_or(&Value::Null),
        other => other,
    };
    let words = words(one);
    if let Some(near) = nearest(raw.trim_matches('"'), words.iter().copied()) {
        return format!("write \"{near}\"");
    }
    let about = documented.map_or_else(String::new, |text| format!(" ({text})"));
    let number = raw.replace('_', "").parse::<f64>().ok();
    let bound = number.and_then(|number| match (one["minimum"].as_f64(), one["maximum"].as_f64()) {
        (Some(least), _) if number < least => Some(least),
        (_, Some(most)) if number > most => Some(most),
        _ => None,
    });
    match bound {
        Some(bound) => format!("write {bound}, or leave it out{about}"),
        None => format!("write what is expected, or leave it out{about}"),
    }
}
