//! A Rust file split into what is code and what is comment or string, with the lines that belong to tests.
//!
//! No full parser: comments, strings and character literals are recognised exactly (nested comments, raw strings, lifetimes),
//! which is all that the rules need.

use std::ops::Range;

/// One Rust file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path relative to the root.
    pub path: String,
    /// The text as it is.
    pub text: String,
    /// The text with comments and the insides of strings blanked; same length, same lines.
    pub code: String,
    /// True when the whole file is compiled for tests only.
    pub is_test: bool,
    tests: Vec<Range<usize>>,
}

/// A function found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// First line, from 1.
    pub line: usize,
    /// Lines from signature to closing brace.
    pub lines: usize,
}

impl Source {
    /// Reads `text` as the file at `path`.
    #[must_use]
    pub fn new(path: &str, text: &str, is_test: bool) -> Self {
        let code = blank(text);
        let tests = test_ranges(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test, tests }
    }

    /// True when the byte belongs to a test: the file is one, or it lies in a `#[cfg(test)]` item or a `#[test]` function.
    #[must_use]
    pub fn in_test(&self, at: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&at))
    }

    /// True when the byte lies inside the braces of an `unsafe impl`.
    #[must_use]
    pub fn in_unsafe_impl(&self, at: usize) -> bool {
        let bytes = self.code.as_bytes();
        self.code
            .match_indices("unsafe impl")
            .any(|(start, _)| body_start(bytes, start).is_some_and(|open| (open..matching(bytes, open)).contains(&at)))
    }

    /// Line number, from 1, of a byte.
    #[must_use]
    pub fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// Where `word` stands in the code as a whole word (its ends are not part of a longer identifier).
    #[must_use]
    pub fn words(&self, word: &str) -> Vec<usize> {
        let bytes = self.code.as_bytes();
        let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(|&at| {
                let starts = !part(word.as_bytes()[0]) || at == 0 || !part(bytes[at - 1]);
                let end = at + word.len();
                let ends = !part(word.as_bytes()[word.len() - 1]) || end == bytes.len() || !part(bytes[end]);
                starts && ends
            })
            .collect()
    }

    /// Every function with a body.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let bytes = self.code.as_bytes();
        let mut found = Vec::new();
        for at in self.words("fn") {
            let name: String = self.code[at + 2..]
                .trim_start()
                .chars()
                .take_while(|&letter| letter.is_alphanumeric() || letter == '_')
                .collect();
            if name.is_empty() {
                continue;
            }
            if let Some(open) = body_start(bytes, at) {
                let close = matching(bytes, open);
                let line = self.line_of(at);
                found.push(Function { name, line, lines: self.line_of(close) - line + 1 });
            }
        }
        found
    }
}

/// The `{` that opens the body of the item starting at `from`; `None` when a `;` ends it first.
fn body_start(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, &byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The bracket that closes the one at `open`, or the end of the text.
fn matching(code: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, &byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

/// Byte ranges of items behind `#[cfg(test)]`, `#[cfg(all(test, ...))]` or `#[test]`.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        for (at, _) in code.match_indices(mark) {
            // The attribute's own brackets end before the item; the item's body is what counts.
            let after = at + code[at..].find(']').unwrap_or(0) + 1;
            let end = match body_start(code.as_bytes(), after) {
                Some(open) => matching(code.as_bytes(), open),
                None => after + code[after..].find(';').unwrap_or(0),
            };
            ranges.push(at..end + 1);
        }
    }
    ranges
}

#[derive(Clone, Copy)]
enum In {
    Code,
    Line,
    Block(u32),
    Text,
    Raw(usize),
}

/// Blanks comments and the insides of strings and character literals.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = vec![b' '; bytes.len()];
    let mut state = In::Code;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if bytes[at] == b'\n' {
            out[at] = b'\n';
            if matches!(state, In::Line) {
                state = In::Code;
            }
            at += 1;
            continue;
        }
        let (next, step) = match state {
            In::Code => in_code(bytes, at, &mut out),
            In::Line => (In::Line, 1),
            In::Block(depth) if rest.starts_with(b"/*") => (In::Block(depth + 1), 2),
            In::Block(1) if rest.starts_with(b"*/") => (In::Code, 2),
            In::Block(depth) if rest.starts_with(b"*/") => (In::Block(depth - 1), 2),
            In::Block(depth) => (In::Block(depth), 1),
            In::Text if rest[0] == b'\\' && rest.get(1) != Some(&b'\n') => (In::Text, 2),
            In::Text if rest[0] == b'"' => {
                out[at] = b'"';
                (In::Code, 1)
            }
            In::Text => (In::Text, 1),
            In::Raw(hashes) if closes_raw(rest, hashes) => {
                out[at] = b'"';
                (In::Code, 1 + hashes)
            }
            In::Raw(hashes) => (In::Raw(hashes), 1),
        };
        state = next;
        at += step;
    }
    String::from_utf8(out).expect("only ASCII is written over blanks")
}

fn closes_raw(rest: &[u8], hashes: usize) -> bool {
    rest[0] == b'"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&byte| byte == b'#')
}

/// What begins at `at` while in code; copies what stays code.
fn in_code(bytes: &[u8], at: usize, out: &mut [u8]) -> (In, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return (In::Line, 2);
    }
    if rest.starts_with(b"/*") {
        return (In::Block(1), 2);
    }
    let part_of_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'"' {
        out[at] = b'"';
        return (In::Text, 1);
    }
    if !part_of_word && let Some((hashes, length)) = raw_start(rest) {
        out[at] = b'"';
        return (In::Raw(hashes), length);
    }
    if rest[0] == b'\''
        && let Some(length) = character(rest)
    {
        out[at] = b'\'';
        out[at + length - 1] = b'\'';
        return (In::Code, length);
    }
    if rest[0].is_ascii() {
        out[at] = rest[0];
    }
    (In::Code, 1)
}

/// `r"`, `r#"`, `br##"` and so on: how many hashes and how many bytes the opening takes.
fn raw_start(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix =
        rest.iter().position(|&byte| byte == b'r').filter(|&at| at == 0 || (at == 1 && b"bc".contains(&rest[0])))?;
    let hashes = rest[prefix + 1..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(prefix + 1 + hashes) == Some(&b'"')).then_some((hashes, prefix + hashes + 2))
}

/// Length of a character literal at `'`; `None` when it is a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|&byte| byte == b'\'')?;
        return Some(close + 4);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)])
        .or_else(|e| std::str::from_utf8(&rest[1..1 + e.valid_up_to()]))
        .ok()?;
    let width = text.chars().next()?.len_utf8();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank_and_code_stays() {
        let text = "let a = \"unsafe // x\"; // unsafe\n/* unsafe /* nested */ unsafe */ let b = 'u';\nlet c = r#\"unsafe \"quoted\" \"#; fn f<'a>(x: &'a str) {}\n";
        let source = Source::new("a.rs", text, false);
        assert_eq!(source.code.len(), text.len());
        assert!(source.words("unsafe").is_empty(), "{}", source.code);
        assert_eq!(source.words("let").len(), 3);
        assert!(source.code.contains("fn f<'a>(x: &'a str) {}"));
    }

    #[test]
    fn escapes_do_not_end_strings_or_characters() {
        let source = Source::new(
            "a.rs",
            "let a = \"\\\" unsafe\"; let q = '\\''; let e = 'é'; let z = '\\u{1f600}'; unsafe {}",
            false,
        );
        assert_eq!(source.words("unsafe").len(), 1, "{}", source.code);
    }

    #[test]
    fn a_word_is_not_part_of_a_longer_one() {
        let source = Source::new("a.rs", "unsafe_code unsafe unsafely", false);
        assert_eq!(source.words("unsafe"), vec![12]);
    }

    #[test]
    fn test_modules_and_functions_are_known() {
        let text = "fn code() {}\n#[cfg(test)]\nmod tests {\n fn inner() {}\n}\nfn more() {}\n#[test]\nfn t() { x(); }\n#[cfg(test)]\nmod far;\nfn last() {}\n";
        let source = Source::new("a.rs", text, false);
        for (word, expected) in
            [("code", false), ("inner", true), ("more", false), ("x", true), ("far", true), ("last", false)]
        {
            assert_eq!(source.in_test(source.words(word)[0]), expected, "{word}");
        }
    }

    #[test]
    fn functions_have_lengths() {
        let text = "trait T { fn no_body(&self); }\nfn two(\n  a: [u8; 3],\n) -> u8 {\n  1\n}\n";
        let functions = Source::new("a.rs", text, false).functions();
        assert_eq!(functions, vec![Function { name: "two".to_owned(), line: 2, lines: 5 }]);
    }
}
