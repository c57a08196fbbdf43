//! Checks of single files: purity, `unsafe`, leftovers, `unwrap`, widths, and what a crate may depend on.

use super::Finding;
use super::source::Source;

/// Crates whose code is a function of its arguments (`docs`: ARCHITECTURE.md).
pub const PURE: [&str; 6] = ["ekk/src/", "torus/src/", "link/src/", "sim/src/", "avm/src/", "control/src/"];

/// The one crate with `unsafe`.
pub const UNSAFE_HOME: &str = "shm-transport/";

/// Files that may print: the command line itself and what only tests and benches run.
pub const PRINTERS: [&str; 3] = ["agent/src/main.rs", "agent/src/cli/", "tests/"];

/// Longest line of a Rust file, characters.
pub const LINE_MAX: usize = 140;

/// Words that a pure crate must not hold, with the kind of thing each brings in.
const IMPURE: [(&str, &str); 24] = [
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("UNIX_EPOCH", "a clock"),
    ("chrono", "a clock"),
    ("clock_gettime", "a clock"),
    ("std::thread", "a thread"),
    ("thread::spawn", "a thread"),
    ("rayon", "a thread"),
    ("tokio", "a thread"),
    ("Mutex", "a lock"),
    ("RwLock", "a lock"),
    ("std::net", "a socket"),
    ("UnixStream", "a socket"),
    ("TcpStream", "a socket"),
    ("UdpSocket", "a socket"),
    ("std::fs", "a file"),
    ("std::io", "a file"),
    ("File::open", "a file"),
    ("std::env", "the environment"),
    ("std::process", "a process"),
    ("rand", "a random source"),
    ("getrandom", "a random source"),
    ("HashMap", "a random source (its order); use BTreeMap or sorted arrays"),
    ("HashSet", "a random source (its order); use BTreeSet or sorted arrays"),
];

/// The one file that may name hash tables: it fixes their keys, and with them their order.
const FIXED_TABLES: &str = "avm/src/fixed.rs";

/// A pure crate brings in no clock, thread, socket, file or random source outside its tests.
#[must_use]
pub fn purity(source: &Source) -> Vec<Finding> {
    if !PURE.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let tables = source.path == FIXED_TABLES;
    for (word, brings) in IMPURE.into_iter().filter(|(word, _)| !tables || !word.starts_with("Hash")) {
        for at in source.words(word).into_iter().filter(|&at| !source.in_test(at)) {
            let what = format!("`{word}` brings {brings} into a pure crate: pass it in as an argument");
            found.push(Finding::new(&source.path, source.line_of(at), what));
        }
    }
    found
}

/// `unsafe` lives in one crate, and each use has a SAFETY comment that names the invariant and the test that covers it.
#[must_use]
pub fn unsafety(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in source.words("unsafe") {
        let line = source.line_of(at);
        if !source.path.starts_with(UNSAFE_HOME) {
            found.push(Finding::new(&source.path, line, "`unsafe` outside shm-transport: wrap the trick there"));
            continue;
        }
        let reason = reason_above(&source.text, line);
        let is_function = source.code[at..].trim_start_matches("unsafe").trim_start().starts_with("fn ");
        if is_function {
            // A signature that a trait prescribes is covered by the reason above its `unsafe impl`.
            if !reason.contains("# Safety") && !source.in_unsafe_impl(at) {
                found.push(Finding::new(&source.path, line, "`unsafe fn` without a `# Safety` section"));
            }
        } else if !reason.contains("SAFETY:") {
            found.push(Finding::new(&source.path, line, "`unsafe` without a SAFETY comment right above"));
        } else if !source.in_test(at) && !names_a_check(&reason) {
            found.push(Finding::new(&source.path, line, "the SAFETY comment names no test, loom model or miri run"));
        }
    }
    found
}

fn names_a_check(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["test", "shown by", "loom", "miri"].iter().any(|word| reason.contains(word))
}

/// The comment and attribute lines directly above `line`, that line included.
fn reason_above(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut first = line - 1;
    // The statement may begin some lines above the word; a comment may stand above the statement.
    while first > 0 && line - first <= 20 {
        let above = lines[first - 1].trim();
        let goes_on = above.starts_with("//")
            || above.starts_with("#[")
            || !(above.is_empty() || above.ends_with([';', '}', '{']));
        if !goes_on {
            break;
        }
        first -= 1;
    }
    lines[first..line].join("\n")
}

/// Nothing left over from looking for a mistake.
#[must_use]
pub fn leftovers(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for word in ["dbg!", "todo!", "unimplemented!"] {
        for at in source.words(word) {
            found.push(Finding::new(&source.path, source.line_of(at), format!("leftover `{word}`")));
        }
    }
    let may_print = PRINTERS.iter().any(|printer| source.path.starts_with(printer));
    for word in ["println!", "eprintln!", "print!", "eprint!"] {
        for at in source.words(word).into_iter().filter(|&at| !may_print && !source.in_test(at)) {
            found.push(Finding::new(
                &source.path,
                source.line_of(at),
                format!("`{word}` outside the command line: use tracing or return text"),
            ));
        }
    }
    // Split, so that this file does not find itself.
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        for (at, _) in source.text.match_indices(word).filter(|&(at, _)| alone(&source.text, at, word.len())) {
            found.push(Finding::new(
                &source.path,
                source.line_of(at),
                format!("leftover {word}: do it, or write down why not"),
            ));
        }
    }
    found
}

fn alone(text: &str, at: usize, length: usize) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    (at == 0 || !part(bytes[at - 1])) && bytes.get(at + length).is_none_or(|&byte| !part(byte))
}

/// No `unwrap` outside tests; `expect` says why it cannot fail.
#[must_use]
pub fn unwraps(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if source.path.starts_with("tests/") {
        return found;
    }
    for (at, _) in source.code.match_indices(".unwrap()").filter(|&(at, _)| !source.in_test(at)) {
        let what = "`unwrap` outside tests: return an error, or `expect` with the reason why it cannot fail";
        found.push(Finding::new(&source.path, source.line_of(at), what));
    }
    for (at, call) in source.code.match_indices(".expect(").filter(|&(at, _)| !source.in_test(at)) {
        let argument = source.text[at + call.len()..].trim_start();
        let Some(literal) = argument.strip_prefix('"') else { continue };
        let reason = literal.split('"').next().unwrap_or_default();
        if reason.len() < 10 || !reason.contains(' ') {
            found.push(Finding::new(
                &source.path,
                source.line_of(at),
                format!("`expect(\"{reason}\")` does not say why it cannot fail"),
            ));
        }
    }
    found
}

/// No line wider than [`LINE_MAX`] characters, the inside of a string aside: a text that a person reads stays in one piece.
#[must_use]
pub fn widths(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, line) in source.text.split_inclusive('\n').enumerate() {
        let code = &source.code[from..from + line.len()];
        from += line.len();
        let width = line.trim_end().chars().count();
        // A line without a word of code is a comment or lies inside a longer string.
        let in_string = code.contains('"') || code.trim().is_empty() && !line.trim_start().starts_with("//");
        if width > LINE_MAX && !in_string {
            found.push(Finding::new(&source.path, at + 1, format!("{width} characters wide, at most {LINE_MAX}")));
        }
    }
    found
}

/// Times are reported by the bench, never asserted by a test (`decisions:NODE-18`): on a busy machine every such test lies
/// sooner or later. A hang guard says so, in its name or in the line above.
#[must_use]
pub fn timed_asserts(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, _) in source.code.match_indices("assert").filter(|&(at, _)| source.in_test(at)) {
        let statement = source.code[at..].split(';').next().unwrap_or_default();
        let line = source.line_of(at);
        let guard = source
            .text
            .lines()
            .nth(line.wrapping_sub(2))
            .is_some_and(|above| above.to_lowercase().contains("hang guard"));
        if statement.contains("elapsed") && !statement.to_lowercase().contains("hang") && !guard {
            found.push(Finding::new(&source.path, line, "asserts a time: count something, or name it a hang guard"));
        }
    }
    found
}

/// What each crate may depend on among the project's own, and for the pure ones among all (ARCHITECTURE.md).
const MAY_DEPEND: [(&str, &[&str]); 9] = [
    ("ekk", &[]),
    ("avm", &[]),
    ("torus", &[]),
    ("link", &[]),
    ("sim", &["ekk", "link", "torus"]),
    ("shm-transport", &[]),
    ("control", &[]),
    ("tui", &["control"]),
    ("agent", &["ekk", "torus", "link", "sim", "avm", "shm_transport", "control", "tui"]),
];

/// Third-party crates that a pure crate may use: data and arithmetic only.
const PURE_LIBRARIES: [&str; 17] = [
    "annotate-snippets",
    "bytes",
    "csv",
    "foca",
    "postcard",
    // The trait by which foca is handed a generator, nothing else.
    "rand_core",
    "ring",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "toml",
    // A table of widths.
    "unicode-width",
    "xxhash-rust",
    // The solver: a function of the question and its limits, called by whoever has a thread for it.
    "z3",
    "zerocopy",
];

/// Arrows between crates point down only; `manifest` is the `Cargo.toml` of the crate in `folder`.
#[must_use]
pub fn layers(folder: &str, manifest: &str) -> Vec<Finding> {
    let path = format!("{folder}/Cargo.toml");
    let Some((_, allowed)) = MAY_DEPEND.iter().find(|(name, _)| *name == folder) else { return Vec::new() };
    let own = ["torus", "shm_transport", "control", "tui", "agent", "ekk", "avm", "link", "sim"];
    let parsed: toml::Table = match manifest.parse() {
        Ok(parsed) => parsed,
        Err(error) => return vec![Finding::new(&path, 0, error.to_string())],
    };
    let mut found = Vec::new();
    let names = parsed.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys());
    for name in names {
        if own.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
            found.push(Finding::new(&path, 0, format!("{folder} must not depend on {name}: arrows point down only")));
        }
        let pure = PURE.iter().any(|prefix| *prefix == format!("{folder}/src/"));
        if pure && !own.contains(&name.as_str()) && !PURE_LIBRARIES.contains(&name.as_str()) {
            found.push(Finding::new(
                &path,
                0,
                format!("{name} is not known to be pure: {folder} takes data and arithmetic only"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, text: &str) -> Source {
        Source::new(path, text, false)
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_found_and_in_its_tests_is_not() {
        let text =
            "fn f() { let t = std::time::Instant::now(); }\n#[cfg(test)]\nmod tests { use std::time::Instant; }\n";
        assert_eq!(purity(&at("torus/src/a.rs", text)).len(), 1);
        assert!(purity(&at("agent/src/a.rs", text)).is_empty());
        assert!(purity(&at("torus/src/a.rs", "// Instant in a comment\nfn brand() {}\n")).is_empty());
    }

    #[test]
    fn unsafe_needs_its_home_and_its_reason() {
        let bare = "fn f() { unsafe { g() } }\n";
        assert_eq!(unsafety(&at("torus/src/a.rs", bare)).len(), 1);
        assert_eq!(unsafety(&at("shm-transport/src/a.rs", bare)).len(), 1);
        let vague = "fn f() {\n    // SAFETY: fine.\n    unsafe { g() }\n}\n";
        assert!(unsafety(&at("shm-transport/src/a.rs", vague))[0].what.contains("names no test"));
        let good = "fn f() {\n    // SAFETY: g needs a mapping and has one (test maps_and_reads).\n    let x =\n        unsafe { g() };\n}\n";
        assert_eq!(unsafety(&at("shm-transport/src/a.rs", good)), Vec::new());
        assert_eq!(unsafety(&at("shm-transport/src/a.rs", "unsafe fn f() {}\n")).len(), 1);
        assert!(unsafety(&at("shm-transport/src/a.rs", "/// # Safety\n/// None.\nunsafe fn f() {}\n")).is_empty());
        let inside = "// SAFETY: as System; test x.\nunsafe impl T for U {\n    unsafe fn f() {}\n}\n";
        assert_eq!(unsafety(&at("shm-transport/src/a.rs", inside)), Vec::new());
        let gap = "// SAFETY: test x\n\nfn f() { unsafe { g() } }\n";
        assert_eq!(unsafety(&at("shm-transport/src/a.rs", gap)).len(), 1);
        assert!(unsafety(&at("torus/src/a.rs", "#![forbid(unsafe_code)]\n")).is_empty());
    }

    #[test]
    fn prints_are_leftovers_outside_the_command_line() {
        let text = "fn f() { println!(\"x\"); }\n";
        assert_eq!(leftovers(&at("agent/src/a.rs", text)).len(), 1);
        assert!(leftovers(&at("agent/src/main.rs", text)).is_empty());
        assert_eq!(leftovers(&at("agent/src/main.rs", "fn f() { dbg!(1); todo!() }\n")).len(), 2);
        let note = format!("// {}: later\n", concat!("TO", "DO"));
        assert_eq!(leftovers(&at("torus/src/a.rs", &note)).len(), 1);
    }

    #[test]
    fn unwrap_is_refused_and_expect_needs_a_reason() {
        let text =
            "fn f() { a.unwrap(); b.expect(\"\"); c.expect(\"some\"); d.expect(\"checked on the line above\"); }\n";
        assert_eq!(unwraps(&at("torus/src/a.rs", text)).len(), 3);
        assert!(unwraps(&at("torus/src/a.rs", "#[test]\nfn t() { a.unwrap(); }\n")).is_empty());
        assert!(unwraps(&at("torus/src/a.rs", "fn f() { a.unwrap_or(1); } // .unwrap()\n")).is_empty());
    }

    #[test]
    fn wide_lines_are_found() {
        let long = "x".repeat(LINE_MAX + 1);
        let text = format!("// {}\n// {long}\nlet a = \"{long}\";\n", "é".repeat(LINE_MAX - 3));
        let found = widths(&at("a.rs", &text));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn an_asserted_time_is_found_unless_it_is_a_hang_guard() {
        let text = "#[test]\nfn t() {\n    assert!(start.elapsed() < limit);\n    // Hang guard.\n    assert!(start.elapsed() < limit);\n}\n";
        let found = timed_asserts(&at("torus/src/a.rs", text));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), vec![3]);
    }

    #[test]
    fn arrows_point_down_only() {
        assert_eq!(layers("torus", "[dependencies]\ncontrol.workspace = true\n").len(), 1);
        assert_eq!(layers("torus", "[dependencies]\nnix.workspace = true\n").len(), 1);
        assert!(
            layers("torus", "[dependencies]\ncsv.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n")
                .is_empty()
        );
        assert_eq!(layers("tui", "[dependencies]\nagent.workspace = true\n").len(), 1);
        assert!(layers("agent", "[dependencies]\ntui.workspace = true\nnix.workspace = true\n").is_empty());
    }
}
