use super::{Source, check};

const WRONG: &str =
    "module wrong\n\nfn main() {\n    let total = 1 + \"a\"\n    let x = 5\n    x = 6\n    depost(x)\n    len()\n}\n";

#[test]
fn remarks_for_people() {
    let found = check(&[Source::new("wrong.avm", WRONG)], &|_| None);
    insta::assert_snapshot!(found.render(false), @r#"
    warning[W202]: `total` is never used
     --> wrong.avm:4:9
      |
    4 |     let total = 1 + "a"
      |         ^^^^^
      |
      = help: name it `_total`, or write `_`

    error[E111]: expected int, found text
     --> wrong.avm:4:21
      |
    4 |     let total = 1 + "a"
      |                     ^^^ this is text

    error[E105]: cannot assign to `x`
     --> wrong.avm:6:5
      |
    5 |     let x = 5
      |         - not declared `mut`
    6 |     x = 6
      |     ^
      |
      = help: declare it with `let mut x`

    error[E100]: nothing is called `depost`
     --> wrong.avm:7:5
      |
    7 |     depost(x)
      |     ^^^^^^ not known here
      |
      = help: did you mean `post`?

    error[E110]: `len` takes 1 argument, here are 0
     --> wrong.avm:8:5
      |
    8 |     len()
      |     ^^^^^
      |
      = help: `len`: (list | text | bytes | record) -> number of elements; of a text, its bytes.
    "#);
}

#[test]
fn remarks_for_machines() {
    let found = check(&[Source::new("wrong.avm", "module m\nfn f() { \"\u{e9}\" ++ foo }\n")], &|_| None);
    insta::assert_snapshot!(serde_json::to_string_pretty(&found.to_json()).unwrap_or_default(), @r#"
    [
      {
        "code": "E100",
        "column": 17,
        "end": 29,
        "end_column": 20,
        "end_line": 2,
        "file": "wrong.avm",
        "help": "names come from `let`, parameters, `state`, `fn` and `use`",
        "label": "not known here",
        "line": 2,
        "message": "nothing is called `foo`",
        "severity": "error",
        "start": 26
      }
    ]
    "#);
}

#[test]
fn colours_are_an_option() {
    let found = check(&[Source::new("wrong.avm", WRONG)], &|_| None);
    assert!(found.render(true).contains('\u{1b}'));
    assert!(!found.render(false).contains('\u{1b}'));
}
