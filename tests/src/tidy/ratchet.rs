//! Lengths of files and functions. What is too long today stands in `tests/ratchet.txt` with its length; it may only shrink, and
//! a line whose reason is gone must go too.

use super::Finding;
use super::source::Source;

/// Most lines of a file, tests included.
pub const FILE_MAX: usize = 700;
/// Most lines of a function, tests aside.
pub const FUNCTION_MAX: usize = 70;
/// Most lines of a test.
pub const TEST_MAX: usize = 120;

/// One exception: `file PATH LINES` or `function PATH NAME LINES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    path: String,
    function: Option<String>,
    lines: usize,
}

/// Reads the list of exceptions; `#` begins a comment.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Exception>, Finding> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let exception = match words.as_slice() {
            [] => continue,
            ["file", path, lines] => (path, None, lines),
            ["function", path, name, lines] => (path, Some((*name).to_owned()), lines),
            _ => {
                return Err(Finding::new(
                    "tests/ratchet.txt",
                    at + 1,
                    "expected `file PATH LINES` or `function PATH NAME LINES`",
                ));
            }
        };
        let (path, function, lines) = exception;
        let lines =
            lines.parse().map_err(|_| Finding::new("tests/ratchet.txt", at + 1, format!("{lines} is not a number")))?;
        found.push(Exception { path: (*path).to_owned(), function, lines });
    }
    Ok(found)
}

/// Holds files and functions against their limits and the exceptions.
#[must_use]
pub fn check<'s>(sources: impl IntoIterator<Item = &'s Source>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut used = vec![false; exceptions.len()];
    for source in sources {
        let lines = source.text.lines().count();
        judge(&mut found, &mut used, exceptions, (&source.path, None, 0), lines, FILE_MAX);
        for function in source.functions() {
            let in_test = source.is_test || source.in_test(line_start(&source.text, function.line));
            let limit = if in_test { TEST_MAX } else { FUNCTION_MAX };
            judge(
                &mut found,
                &mut used,
                exceptions,
                (&source.path, Some(&function.name), function.line),
                function.lines,
                limit,
            );
        }
    }
    for (exception, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        let what = match &exception.function {
            Some(name) => format!("no longer needed for {name} of {}: remove the line", exception.path),
            None => format!("no longer needed for {}: remove the line", exception.path),
        };
        found.push(Finding::new("tests/ratchet.txt", 0, what));
    }
    found
}

fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line - 1).map(str::len).sum()
}

fn judge(
    found: &mut Vec<Finding>,
    used: &mut [bool],
    exceptions: &[Exception],
    (path, function, line): (&str, Option<&String>, usize),
    lines: usize,
    limit: usize,
) {
    if lines <= limit {
        return;
    }
    let subject = function.map_or_else(|| "file".to_owned(), |name| format!("function {name}"));
    match exceptions.iter().position(|e| e.path == path && e.function.as_ref() == function) {
        None => found.push(Finding::new(
            path,
            line,
            format!("{subject} has {lines} lines, at most {limit}: it is two ideas, split it"),
        )),
        Some(at) => {
            used[at] = true;
            let known = exceptions[at].lines;
            if lines > known {
                found.push(Finding::new(
                    path,
                    line,
                    format!("{subject} grew from {known} to {lines} lines; it may only shrink"),
                ));
            } else if lines < known {
                found.push(Finding::new(
                    "tests/ratchet.txt",
                    0,
                    format!("{subject} of {path} shrank to {lines}: write that instead of {known}"),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> Source {
        Source::new("torus/src/a.rs", &"//\n".repeat(lines), false)
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_known_at_that_length() {
        let known = parse("# why\nfile torus/src/a.rs 701 # reason\n").unwrap();
        assert_eq!(check([&long(FILE_MAX)], &[]).len(), 0);
        assert_eq!(check([&long(701)], &[]).len(), 1);
        assert_eq!(check([&long(701)], &known).len(), 0);
        assert!(check([&long(702)], &known)[0].what.contains("grew"));
        assert!(check([&long(10)], &known)[0].what.contains("no longer needed"));
        assert!(check([&long(705)], &parse("file torus/src/a.rs 710").unwrap())[0].what.contains("shrank"));
    }

    #[test]
    fn a_long_function_is_found_and_a_test_may_be_longer() {
        let body = "    x();\n".repeat(FUNCTION_MAX);
        let code = Source::new("a.rs", &format!("fn f() {{\n{body}}}\n"), false);
        assert_eq!(check([&code], &[]).len(), 1);
        assert!(check([&code], &parse("function a.rs f 72").unwrap()).is_empty());
        let test = Source::new("a.rs", &format!("#[cfg(test)]\nmod tests {{\n    fn f() {{\n{body}}}\n}}\n"), false);
        assert!(check([&test], &[]).is_empty());
    }

    #[test]
    fn a_list_that_cannot_be_read_is_refused() {
        assert!(parse("file a").is_err());
        assert!(parse("file a many").is_err());
        assert!(parse("\n# only a comment\n").unwrap().is_empty());
    }
}
