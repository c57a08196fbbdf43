//! Each code of the checker has a least program that is told of it, and the code's severity decides whether the program is refused.

use crate::lang::{Code, Severity, Source, check, compile};

fn body(text: &str) -> String {
    format!("module m\nfn main() {{\n{text}\n}}\n")
}

/// A program of as many lines as wanted.
fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// The least program that shows a code.
#[allow(clippy::too_many_lines)]
fn program(code: Code) -> String {
    let text = match code {
        Code::NotUtf8 | Code::FileSize => unreachable!("no text shows it"),
        Code::UnknownCharacter => "let x = #\nx",
        Code::OpenText => "\"open",
        Code::BadEscape => r#""a\q""#,
        Code::NumberRange => "18446744073709551616",
        Code::BadBytes => "0x123",
        Code::BadNumber => "1.5",
        Code::Unexpected => "let = 1",
        Code::TooDeep => return body(&("(".repeat(100) + "1" + &")".repeat(100))),
        Code::StatementEnd => "note 1 note 2",
        Code::NotClosed => "[1, 2",
        Code::Reserved => return "module m\nfn match() { 1 }".to_owned(),
        Code::Chained => "1 < 2 < 3",
        Code::NotConstraint => "var q in 1..3\nlet _ = post q",
        Code::BadTarget => "[1] = 2",
        Code::NoModule => return "fn a() { 1 }".to_owned(),
        Code::BadRest => "match input { [..rest, a] => a\n _ => rest }",
        Code::UnknownName => "foo",
        Code::UnknownBehaviour => "create nobody",
        Code::UnknownModule => return "module m\nuse other\nfn a() { other.f() }".to_owned(),
        Code::Duplicate => return "module m\nfn a() { 1 }\nfn a() { 2 }".to_owned(),
        Code::Taken => return "module m\nfn len() { 1 }".to_owned(),
        Code::Immutable => "let x = 1\nx = 2\nx",
        Code::Captured => "let mut x = 1\nlet f = |y| { x = y }\nf(1)\nx",
        Code::Arity => "len()",
        Code::Kind => "1 + \"a\"",
        Code::NotCallable => "let x = 5\nx(1)",
        Code::UnknownType => "let f: foo = 1\nf",
        Code::Message => return "module m\nbehaviour a { on put(n) { n } }\nfn main() { (create a).get() }".to_owned(),
        Code::NeedsUnsafe => "reflect(self)",
        Code::NotPure => return "module m\npure f() { getState() }".to_owned(),
        Code::LeavesAtomic => "let _ = atomic { return 1 }",
        Code::OutsideAtomic => "abort",
        Code::OutsideHandler => "decline",
        Code::OutsideLoop => "break",
        Code::ReturnInClosure => "let f = |x| { return x }\nf(1)",
        Code::NotExhaustive => "match input { 1 => 1 }",
        Code::Registers => {
            return body(&(many(300, |i| format!("let x{i} = input\n")) + &many(300, |i| format!("note x{i}\n"))));
        }
        Code::Constants => {
            let function =
                |f: usize| format!("fn f{f}(){{{}}}\n", many(1000, |i| format!("note \"{:x}\"\n", f * 1000 + i)));
            return format!("module m\n{}", many(67, function));
        }
        Code::Functions => return format!("module m\n{}", many(65_540, |i| format!("fn f{i:x}(){{}}\n"))),
        Code::Arguments => return format!("module m\nfn f({}) {{ 1 }}\n", many(33, |i| format!("_a{i},"))),
        Code::CodeSize => return body(&"note 1\n".repeat(140_000)),
        Code::Elements => return body(&format!("match input {{ [{}] => 1\n _ => 2 }}", "_,".repeat(201))),
        Code::LongName => return body(&"a".repeat(101)),
        Code::UnusedValue => "1\n2",
        Code::Unreachable => "return 1\nnote 2",
        Code::UnusedName => "let x = 1\n2",
        Code::UnusedResult => "let t = beginTx()\ncommitTx(t)\n1",
        Code::ReceiveWithChoices => "let done = atomic { let x = choose 1..2\n receive()\n note x }\ndone",
        Code::UnusedUse => return "module m\nuse other\nfn a() { 1 }".to_owned(),
        Code::UnneededUnsafe => return "module m\nunsafe\nfn main() { 1 }".to_owned(),
        Code::UnneededMut => "let mut x = 1\nx",
        Code::Shadowed => "match input { _ => 1\n 2 => 2 }",
    };
    body(text)
}

/// The file of another module that a program may name.
fn other(name: &str) -> Option<Source> {
    (name == "other").then(|| Source::new("other.avm", "module other\nfn g() { 1 }\n"))
}

fn told(sources: &[Source], wanted: Code) {
    // Only of `use` without use is another module needed; a module that cannot be found is what E102 says.
    let loader = |name: &str| if wanted == Code::UnusedUse { other(name) } else { None };
    let found = check(sources, &loader);
    let codes: Vec<&str> = found.list().iter().map(|one| one.code.as_str()).collect();
    assert!(codes.contains(&wanted.as_str()), "{} is not among {codes:?}", wanted.as_str());
    for one in found.list().iter().filter(|one| one.code == wanted) {
        assert_eq!(one.code.severity(), wanted.severity());
        assert!(!found.place(one).0.is_empty(), "it names its file");
    }
    let only = found.list().iter().all(|one| one.code == wanted);
    if wanted.severity() == Severity::Warning && only {
        assert!(compile(sources, &loader).is_ok(), "a warning refuses nothing");
    } else {
        assert!(compile(sources, &loader).is_err(), "{} refuses the program", wanted.as_str());
    }
}

#[test]
fn every_code_has_a_program_that_is_told_of_it() {
    for &code in Code::ALL {
        match code {
            Code::NotUtf8 => {
                let refused = Source::from_bytes("a.avm", b"module m\n\xff\n").expect_err("it is no text");
                let codes: Vec<Code> = refused.list().iter().map(|one| one.code).collect();
                assert_eq!(codes, [code]);
            }
            Code::FileSize => told(&[Source::new("a.avm", &format!("module m\n{}", "//\n".repeat(400_000)))], code),
            _ => told(&[Source::new("a.avm", &program(code))], code),
        }
    }
}
