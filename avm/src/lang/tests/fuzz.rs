use proptest::prelude::*;

use super::examples::EXAMPLES;
use super::{RESERVED, fuzz_parse};

/// Pieces of programs, right and wrong.
const PIECES: &[&str] = &[
    "x",
    "y",
    "m",
    "o",
    "main",
    "account",
    "q",
    "f",
    "0",
    "1",
    "42",
    "18446744073709551615",
    "\"a\"",
    "\"\\u{1f600}\"",
    "0x0a",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ":",
    ".",
    "..",
    "..<",
    "++",
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "+=",
    "-=",
    "->",
    "=>",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    "|",
    "@",
    "?",
    "_",
    "@m1",
    "%c1",
    "\n",
    "\n",
    "\n",
    "// c\n",
    "module",
    "test",
    "state",
    "on",
    "message",
    "at",
    "as",
    "weight",
    "int",
    "text",
    "list",
    "self",
    "input",
    "len(",
    "map(",
    "filter(",
    "fold(",
    "any(",
    "receive()",
    "setState(",
    "beginTx()",
    "commitTx(",
    "reflect(",
    "all_different(",
    "sum(",
    "table(",
    "element(",
    "\u{e9}",
    "\"",
    "\\",
    "#",
    "module m\n",
    "fn f(x, y) { ",
    "fn main() { ",
    "pure p(x) { ",
    "behaviour account { ",
    "state n = 0\n",
    "on put(x: int) { ",
    "on message m { ",
    "let x = ",
    "let mut y = ",
    "if x { ",
    "} else { ",
    "match x { ",
    "just x => ",
    "[x, ..y] => ",
    "put(x) => ",
    "for x in ",
    "while ",
    "atomic { ",
    "retry 3 atomic { ",
    "|x| ",
    "create account",
    "var q in 1..4\n",
    "post q != x + 1\n",
    "require x < y as \"a\"\n",
    "choose 1..4",
    "o.put(1)",
    "send o.put(1)\n",
    "call o [\"put\"]",
    "{a: 1}",
    "x.a",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => prop::sample::select(RESERVED).prop_map(str::to_owned),
    ]
}

/// A program that is right in most of its parts: statements from templates, over two names.
pub fn statement() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => Just("x".to_owned()),
        8 => Just("y".to_owned()),
        4 => Just("input".to_owned()),
        1 => Just("nothing".to_owned()),
        1 => (0_u16..9).prop_map(|n| n.to_string()),
        1 => Just("\"t\"".to_owned()),
        1 => Just("[1, 2]".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("-1".to_owned()),
        1 => Just("root".to_owned()),
        1 => Just("@m1".to_owned()),
        1 => Just("%c1".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let two = (inner.clone(), inner.clone());
        let ops = prop::sample::select(vec!["+", "-", "*", "==", "<", "&&", "||", "++", "..<", ".."]);
        prop_oneof![
            (two.clone(), ops).prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, ..{b}]")),
            two.clone().prop_map(|(a, b)| format!("{{a: {a}, b: {b}}}.a")),
            two.clone().prop_map(|(a, b)| format!("if {a} {{ {b} }} else {{\nlet z = {a}\nz }}")),
            two.clone().prop_map(|(a, b)| format!(
                "match {a} {{\njust n => {{ {b} }}\n[n, ..r] => [n, r]\nput(n, _) if n => n\n_ => {b} }}"
            )),
            two.clone().prop_map(|(a, b)| format!("map({a}, |z| {b} ++ z)")),
            two.clone().prop_map(|(a, b)| format!("fold({a}, {b}, |s, z| [s, z, x])")),
            two.clone().prop_map(|(a, b)| format!("any({a}, |z| z == {b})")),
            two.clone().prop_map(|(a, b)| format!("{{ let g = |z| [z, x, {a}]\ng({b}) }}")),
            two.clone().prop_map(|(a, b)| format!(
                "{{\nlet mut k = {a}\nfor i in {b} {{ k = [k, i] // c\nif i == 3 {{ break }} }}\nk }}"
            )),
            two.clone().prop_map(|(a, b)| format!(
                "{{\nlet mut k = 0\nwhile k < {a} {{ k += 1\nif {b} {{ continue }} }}\nk }}"
            )),
            two.clone().prop_map(|(a, b)| format!(
                "atomic %c1 {{ require {a} as \"r\"\nnote choose [{b}]\nif {a} {{ abort }} }}"
            )),
            two.clone().prop_map(|(a, b)| format!("x.put({a}, {b})[0]")),
            two.prop_map(|(a, b)| format!("(post({a}) && post(sum([q, 2 * q])) < {b})")),
            inner.clone().prop_map(|a| format!("f({a}, just {a})")),
            inner.clone().prop_map(|a| format!("(!{a}, -{a})")),
            inner.prop_map(|a| format!("{{ let (p, _) = {a}\np }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(fuzz_parse(&bytes), Ok(()));
    }

    #[test]
    fn any_text(text in ".{0,200}") {
        prop_assert_eq!(fuzz_parse(text.as_bytes()), Ok(()));
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec((piece(), prop::sample::select(vec!["", " ", "\n"])), 0..60)) {
        let text: String = pieces.into_iter().map(|(piece, gap)| piece + gap).collect();
        prop_assert_eq!(fuzz_parse(text.as_bytes()), Ok(()));
    }

    #[test]
    fn programs_from_templates(body in prop::collection::vec(statement(), 1..4)) {
        let lines: String = body.iter().map(|one| format!("let _ = {one}\n")).collect();
        let text = format!(
            "module m\nfn f(x, y) {{\nvar q in 1..3\n{lines}q }}\n\
             behaviour b {{ state x = 0, y = []\non put(q, r: int) {{\n{lines}x = y\n}}\n}}"
        );
        let formatted = super::format(&text);
        prop_assert!(formatted.is_ok(), "{}", formatted.err().map(|e| e.to_string()).unwrap_or_default());
        prop_assert_eq!(fuzz_parse(text.as_bytes()), Ok(()));
    }

    #[test]
    fn damaged_examples(
        which in 0..EXAMPLES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..30, piece()), 1..4),
    ) {
        let mut text: Vec<char> = EXAMPLES[which].1.chars().collect();
        for (at, length, piece) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        prop_assert_eq!(fuzz_parse(text.as_bytes()), Ok(()));
    }
}
