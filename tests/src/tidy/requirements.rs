//! Requirement ids tied to code and tests, in both directions.
//!
//! `tests/requirements.txt` lists every id: `ID<TAB>STATUS<TAB>ONE LINE`, status `in-scope`, `out-of-scope` (never built here) or
//! `elsewhere` (a later part of the project). A decision that promises several things has a letter behind its id for each. An id is
//! cited as `rse:T4`, `ekk:D-05` or `decisions:NODE-9` in a comment, or as `rse_t4_...`, `node_9_...`, `clu_7_...`, `avm_7_...`,
//! `avm_v32_...`, `mb_15_...`, `vector_9_...` at the start of a test's name. An id in scope must be cited by code and by a test; a
//! vector, a settled question or a property (`rse:V..`, `avm:A..`, `ekk:P..`) is a test by nature and needs no code. A citation must
//! exist in the list.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::source::Source;

const LIST: &str = "tests/requirements.txt";

/// Whether a requirement concerns this repository as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Must be cited by code and by a test.
    InScope,
    /// Never built here, for the reason in its line.
    OutOfScope,
    /// Comes with a later part; may be cited.
    Elsewhere,
}

/// The list by id.
pub type Requirements = BTreeMap<String, Status>;

/// Reads the list.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(text: &str) -> Result<Requirements, Finding> {
    let mut list = Requirements::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, status, what] = fields.as_slice() else {
            return Err(Finding::new(LIST, at + 1, "expected ID, status and one line, separated by tabs"));
        };
        let status = match *status {
            "in-scope" => Status::InScope,
            "out-of-scope" => Status::OutOfScope,
            "elsewhere" => Status::Elsewhere,
            other => {
                return Err(Finding::new(LIST, at + 1, format!("status {other}: in-scope, out-of-scope or elsewhere")));
            }
        };
        if citations(id) != BTreeSet::from([(*id).to_owned()]) {
            return Err(Finding::new(LIST, at + 1, format!("{id} has not the shape of an id")));
        }
        if what.trim().is_empty() {
            return Err(Finding::new(LIST, at + 1, format!("{id}: say in one line what it asks")));
        }
        if list.insert((*id).to_owned(), status).is_some() {
            return Err(Finding::new(LIST, at + 1, format!("{id} stands twice")));
        }
    }
    Ok(list)
}

/// Where ids come from, and the kinds each source numbers.
const SHAPES: [(&str, &[&str]); 6] = [
    ("rse:", &["T", "P", "B", "M", "U", "V"]),
    ("ekk:", &["D-", "P", "V", "N"]),
    ("membership:", &["MB-"]),
    ("bootstrap:", &["P", "C", "E", "K", "W"]),
    ("avm:", &["R", "A", "V"]),
    ("decisions:", &["NODE-", "CLU-", "AVM-"]),
];

/// What is a test by nature and needs no code: vectors, and properties that hold over all of a machine.
const TESTS_BY_NATURE: [&str; 9] =
    ["rse:V", "ekk:P", "ekk:V", "ekk:N", "bootstrap:P", "bootstrap:C", "bootstrap:K", "avm:V", "avm:A"];

/// The letter that names one of several promises of an id, `a` of `decisions:AVM-23a`; empty when there is none.
fn part(rest: &str) -> &str {
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    if word == 1 && rest.starts_with(|c: char| c.is_ascii_lowercase()) { &rest[..1] } else { "" }
}

/// The ids cited in a text.
#[must_use]
pub fn citations(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let digits = |rest: &str| -> String { rest.chars().take_while(char::is_ascii_digit).collect() };
    for (source, kinds) in SHAPES {
        for (at, mark) in text.match_indices(source) {
            let rest = &text[at + mark.len()..];
            let Some(kind) = kinds.iter().find(|kind| rest.starts_with(**kind)) else { continue };
            let number = digits(&rest[kind.len()..]);
            if !number.is_empty() {
                let part = if source == "decisions:" { part(&rest[kind.len() + number.len()..]) } else { "" };
                found.insert(format!("{source}{kind}{number}{part}"));
            }
        }
    }
    for (mark, source, letters) in [("fn rse_", "rse:", "tpbmuv"), ("fn avm_", "avm:", "rav")] {
        for (at, _) in text.match_indices(mark) {
            let rest = &text[at + mark.len()..];
            let Some(kind) = rest.chars().next().filter(|kind| letters.contains(*kind)) else { continue };
            let number = digits(&rest[1..]);
            if !number.is_empty() {
                found.insert(format!("{source}{}{number}", kind.to_ascii_uppercase()));
            }
        }
    }
    let numbered = [
        ("fn node_", "decisions:NODE-"),
        ("fn clu_", "decisions:CLU-"),
        ("fn avm_", "decisions:AVM-"),
        ("fn mb_", "membership:MB-"),
    ];
    for (mark, id) in numbered {
        for (at, _) in text.match_indices(mark) {
            let number = digits(&text[at + mark.len()..]);
            if !number.is_empty() {
                found.insert(format!("{id}{number}"));
            }
        }
    }
    for (at, mark) in text.match_indices("fn vector_") {
        let number = digits(&text[at + mark.len()..]);
        if !number.is_empty() {
            found.insert(format!("rse:V{number}"));
        }
    }
    found
}

/// Who cites what.
#[derive(Debug, Default)]
pub struct Cited {
    code: BTreeSet<String>,
    tests: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Cited {
    /// Takes one Rust file in.
    pub fn add(&mut self, source: &Source, list: &Requirements) {
        let mut at = 0;
        let mut above_a_test = Vec::new();
        for (number, line) in source.text.split_inclusive('\n').enumerate() {
            let ids = citations(line);
            let in_test = source.in_test(at) || source.in_test(at + line.len() - line.trim_start().len());
            for id in &ids {
                if !list.contains_key(id) {
                    self.findings.push(Finding::new(&source.path, number + 1, format!("{id} is not in {LIST}")));
                }
            }
            // A comment above `#[test]` or `#[cfg(test)]` belongs to what follows.
            let trimmed = line.trim_start();
            if in_test {
                self.tests.append(&mut above_a_test.iter().cloned().collect());
                self.tests.extend(ids);
                above_a_test.clear();
            } else if trimmed.starts_with("//") || trimmed.starts_with("#[") {
                self.code.extend(ids.iter().cloned());
                above_a_test.extend(ids);
            } else {
                self.code.extend(ids);
                above_a_test.clear();
            }
            at += line.len();
        }
    }

    /// Takes in a file that is not Rust (unit files, configurations, scripts): it counts as code.
    pub fn add_text(&mut self, path: &str, text: &str, list: &Requirements) {
        for id in citations(text) {
            if !list.contains_key(&id) {
                self.findings.push(Finding::new(path, 0, format!("{id} is not in {LIST}")));
            }
            self.code.insert(id);
        }
    }

    /// What is missing or unknown.
    #[must_use]
    pub fn judge(mut self, list: &Requirements) -> Vec<Finding> {
        for (id, _) in list.iter().filter(|(_, status)| **status == Status::InScope) {
            let only_a_test = TESTS_BY_NATURE.iter().any(|kind| id.starts_with(kind));
            if !only_a_test && !self.code.contains(id) {
                self.findings.push(Finding::new(LIST, 0, format!("{id} is in scope and no code cites it")));
            }
            if !self.tests.contains(id) {
                self.findings.push(Finding::new(LIST, 0, format!("{id} is in scope and no test cites it")));
            }
        }
        self.findings
    }
}

/// The names in backticks in the last column of a Markdown table that begins with `| ... | held by |`: tests, or `bench: TEXT`.
#[must_use]
pub fn promises(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (at, line) in markdown.lines().enumerate() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(last) = line.starts_with('|').then(|| cells.last().copied()).flatten() else {
            inside = false;
            continue;
        };
        if last == "held by" {
            inside = true;
        } else if inside && !last.starts_with("---") {
            let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
            // A row that nothing holds is as wrong as one held by something that is not there.
            if names.is_empty() {
                found.push((at + 1, String::new()));
            }
            found.extend(names.into_iter().map(|name| (at + 1, name.to_owned())));
        }
    }
    found
}

/// The names of the bench's rows in one of its files: every string that names a row where the row is made, placeholders and all.
#[must_use]
pub fn bench_rows(source: &Source) -> Vec<String> {
    const MAKERS: [&str; 6] =
        ["Row::alone(", "Row::against(", "Row::absent(", " row(", "let name =", "const NAME: &str ="];
    let quotes: Vec<usize> = source.code.match_indices('"').map(|(at, _)| at).collect();
    let named = quotes.chunks_exact(2).filter(|pair| {
        let before = source.code[..pair[0]].trim_end();
        let before = before.strip_suffix("format!(").unwrap_or(before).trim_end();
        MAKERS.iter().any(|maker| before.ends_with(maker))
    });
    named.map(|pair| source.text[pair[0] + 1..pair[1]].to_owned()).collect()
}

/// Whether a row's name in the source, whose placeholders (`{nodes}`) stand for anything but nothing, can print as `name`. All of the
/// name must be accounted for, and a pattern that is nearly all placeholder names nothing.
#[must_use]
pub fn is_row(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('{');
    let first = pieces.next().unwrap_or_default();
    let rest: Vec<&str> = pieces.map(|piece| piece.split_once('}').map_or(piece, |(_, after)| after)).collect();
    if rest.is_empty() {
        return pattern == name;
    }
    let fixed = first.len() + rest.iter().map(|piece| piece.len()).sum::<usize>();
    let Some(mut left) = name.strip_prefix(first).filter(|_| fixed >= 8) else { return false };
    for (at, piece) in rest.iter().enumerate() {
        let last = at + 1 == rest.len();
        // At least one character for the placeholder itself.
        let Some(skipped) = left.chars().next().map(char::len_utf8) else { return false };
        let found = if last {
            left.ends_with(piece).then(|| left.len() - piece.len())
        } else {
            left[skipped..].find(piece).map(|found| found + skipped)
        };
        let Some(found) = found.filter(|&found| found >= skipped) else { return false };
        left = &left[found + piece.len()..];
    }
    left.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(list: &str, files: &[(&str, bool)]) -> Vec<String> {
        let list = parse(list).unwrap();
        let mut cited = Cited::default();
        for (text, is_test) in files {
            cited.add(&Source::new("a.rs", text, *is_test), &list);
        }
        cited.judge(&list).into_iter().map(|finding| finding.what).collect()
    }

    // The ids of these examples are made of pieces, so that they cite nothing themselves.
    const ID: &str = concat!("rse", ":T4");

    #[test]
    fn an_id_needs_code_and_a_test() {
        let list = format!("{ID}\tin-scope\tconservation\n");
        assert_eq!(judged(&list, &[]).len(), 2);
        assert_eq!(
            judged(&list, &[(&format!("/// {ID}\nfn f() {{}}\n"), false)]),
            vec![format!("{ID} is in scope and no test cites it")]
        );
        let name = concat!("#[test]\nfn ", "rse_t4_holds() {}\n");
        assert_eq!(judged(&list, &[(name, false)]), vec![format!("{ID} is in scope and no code cites it")]);
        assert!(judged(&list, &[(&format!("/// {ID}\nfn f() {{}}\n{name}"), false)]).is_empty());
    }

    #[test]
    fn a_comment_above_a_test_is_the_tests() {
        let list = format!("{}\tin-scope\tvector\n", concat!("rse", ":V9"));
        let text = format!("// {}: hash of nothing.\n#[test]\nfn hash() {{}}\n", concat!("rse", ":V9"));
        assert!(judged(&list, &[(&text, false)]).is_empty());
        let broken = format!("// {}\nfn code() {{}}\n#[test]\nfn hash() {{}}\n", concat!("rse", ":V9"));
        assert_eq!(judged(&list, &[(&broken, false)]).len(), 1);
    }

    #[test]
    fn one_promise_of_an_id_is_cited_by_its_letter() {
        let id = concat!("decisions", ":AVM-7");
        let cited = |text: &str| citations(text).into_iter().collect::<Vec<_>>();
        assert_eq!(cited(&format!("{id}b: so it is")), [format!("{id}b")]);
        for whole in [format!("{id}: so"), format!("{id}B"), format!("{id}bc"), format!("{id}b_c"), id.to_owned()] {
            assert_eq!(cited(&whole), [id], "{whole}");
        }
    }

    #[test]
    fn an_unknown_id_is_found() {
        let text = format!("// {}\n", concat!("decisions", ":NODE-99"));
        assert_eq!(judged("", &[(&text, true)]).len(), 1);
    }

    #[test]
    fn out_of_scope_and_elsewhere_need_nothing() {
        assert!(judged(&format!("{ID}\tout-of-scope\twhy\n"), &[]).is_empty());
        assert!(judged(&format!("{ID}\telsewhere\twhere\n"), &[]).is_empty());
    }

    #[test]
    fn a_list_with_a_mistake_is_refused() {
        for bad in [
            format!("{ID} in-scope x"),
            format!("{ID}\tmaybe\tx"),
            "T4\tin-scope\tx".to_owned(),
            format!("{ID}\tin-scope\t "),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("{ID}\tin-scope\tx\n{ID}\tin-scope\tx\n")).is_err());
    }

    #[test]
    fn promises_are_read_from_tables_that_name_their_keeper() {
        let text = "| a | b |\n| --- | --- |\n| `no` | `no` |\n\n| what | held by |\n| --- | --- |\n| x `y` | `t1`, `bench: row` |\n| z | hope |\n";
        let names: Vec<String> = promises(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, vec!["t1", "bench: row", ""]);
    }

    #[test]
    fn a_row_is_named_in_full_where_it_is_made() {
        let text = "Row::against(\n    \"one row\",\n    \"ns\",\n);\nRow::alone(format!(\"ring of {n}, {t} in flight\"), \"other\");\nlet note = \"no row\";\n";
        let rows = bench_rows(&Source::new("a.rs", text, false));
        assert_eq!(rows, ["one row", "ring of {n}, {t} in flight"]);
        assert!(is_row("one row", "one row"));
        assert!(!is_row("one row", "one ro") && !is_row("one row", "one rows"));
        assert!(is_row(&rows[1], "ring of 8, 100 in flight"));
        for wrong in ["ring of 8,  in flight", "ring of , 1 in flight", "ring of 8, 1 in flight?", "in flight", ""] {
            assert!(!is_row(&rows[1], wrong), "{wrong}");
        }
        assert!(!is_row("{name}", "anything at all"));
    }
}
