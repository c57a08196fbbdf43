use super::{compiled, remarks};

fn in_main(body: &str) -> Vec<String> {
    remarks(&format!("module m\nfn main() {{\n{body}\n}}\n"))
}

#[test]
fn names() {
    assert_eq!(in_main("foo"), ["E100 3"]);
    assert_eq!(in_main("let x = 1\nlet y = 2\nx + y"), Vec::<String>::new());
    assert_eq!(in_main("let x = 1\n2"), ["W202 3"]);
    assert_eq!(in_main("create nobody"), ["E101 3"]);
    assert_eq!(in_main("let x = 1\nx = 2\nx"), ["E105 4"]);
    assert_eq!(in_main("let mut x = 1\nlet f = |y| { x = y }\nf(1)\nx"), ["E106 4"]);
    assert_eq!(remarks("module m\nfn a() { 1 }\nfn a() { 2 }"), ["E103 3"]);
    assert_eq!(remarks("module m\nfn a() { 1 }\ntest \"a\" { assert true }"), ["E103 3"]);
    assert_eq!(remarks("module m\nfn len() { 1 }"), ["E104 2"]);
    assert_eq!(remarks("module trefoil\nfn main() { 1 }"), ["E104 1"]);
    assert_eq!(remarks("module m\nuse other\nfn a() { 1 }"), ["E102 2"]);
    assert_eq!(remarks("fn a() { 1 }"), ["E018 1"]);
}

#[test]
fn kinds_and_arity() {
    assert_eq!(in_main("1 + \"a\""), ["E111 3"]);
    assert_eq!(in_main("if 1 { 2 } else { 3 }"), ["E111 3"]);
    assert_eq!(in_main("len()"), ["E110 3"]);
    assert_eq!(in_main("main(1)"), ["E110 3"]);
    assert_eq!(in_main("createObj(5)"), ["E111 3"]);
    assert_eq!(in_main("let x: int = \"a\"\nx"), ["E111 3"]);
    assert_eq!(in_main("let x = 5\nx(1)"), ["E112 4"]);
    assert_eq!(in_main("1 < \"a\""), ["E111 3"]);
    assert_eq!(in_main("let f: foo = 1\nf"), ["E113 3"]);
    let account = "module m\nbehaviour a {\n on put(n: int) { note n }\n}\nfn main() {\nlet o = create a\n";
    assert_eq!(remarks(&format!("{account}o.put(\"x\")\n}}")), ["E111 7"]);
    assert_eq!(remarks(&format!("{account}o.get()\n}}")), ["E114 7"]);
    assert_eq!(remarks(&format!("{account}call o [\"put\"]\n}}")), ["E114 7"]);
    assert_eq!(remarks(&format!("{account}o.put(1)\n}}")), Vec::<String>::new());
}

/// Variables are values in what is required, and nowhere else.
// decisions:AVM-20
#[test]
fn variables_as_values() {
    let with = |line: &str| format!("var q in 1..3\n{line}");
    for line in ["require q + 1 == 3", "prefer -q < q * 2 weight 2", "require if q == 1 { q == 2 } else { !(q < 2) }"] {
        assert_eq!(in_main(&with(line)), Vec::<String>::new(), "{line}");
    }
    for line in ["q + 1", "q == 3", "q < 3", "require label q + q == 2 && newVar(q) == 1"] {
        assert_eq!(in_main(&with(line)), ["E111 4"], "{line}");
    }
    let text = format!("module m\nfn main() {{\n{}\n}}\n", with("q + 1"));
    let said = crate::lang::build(&[crate::lang::Source::new("m.avm", &text)], &|_| None).map(|_| ()).unwrap_err();
    assert!(said.to_string().contains("valueOf"), "{said}");
    assert_eq!(in_main("let a = root\nnote a\nrequire 1 before a.x()"), ["E112 5"]);
}

#[test]
fn effects() {
    assert_eq!(in_main("reflect(self)"), ["E120 3"]);
    assert_eq!(remarks("module m\nunsafe\nfn main() { reflect(self) }"), Vec::<String>::new());
    assert_eq!(remarks("module m\nunsafe\nfn main() { 1 }"), ["W206 2"]);
    assert_eq!(remarks("module m\npure f() { getState() }"), ["E121 2"]);
    assert_eq!(remarks("module m\nfn g() { note 1 }\npure f() { g() }"), ["E121 2"]);
    assert_eq!(in_main("var x in 1..3\npost x < 2\n1"), ["W203 4"]);
    assert_eq!(in_main("var x in 1..3\nlet _ = post x < 2\n1"), Vec::<String>::new());
    assert_eq!(in_main("let t = beginTx()\ncommitTx(t)\n1"), ["W203 4"]);
    assert_eq!(in_main("let done = atomic { let x = choose 1..2\n receive()\n note x }\ndone"), ["W204 4"]);
}

#[test]
fn leaving() {
    assert_eq!(in_main("let _ = atomic { return 1 }"), ["E123 3"]);
    assert_eq!(in_main("for x in [1] { let _ = atomic { note x\n break } }"), ["E123 4"]);
    assert_eq!(in_main("abort"), ["E124 3"]);
    assert_eq!(in_main("decline"), ["E125 3"]);
    assert_eq!(in_main("break"), ["E126 3"]);
    assert_eq!(in_main("let f = |x| { return x }\nf(1)"), ["E127 3"]);
    assert_eq!(in_main("return 1\nnote 2"), ["W201 4"]);
    assert_eq!(in_main("1\n2"), ["W200 3"]);
}

#[test]
fn matches() {
    assert_eq!(in_main("match getState() { [] => 1\n [_, ..] => 2 }"), Vec::<String>::new());
    assert_eq!(in_main("match getState() { [] => 1\n [_, _, ..] => 2 }"), ["E131 3"]);
    assert_eq!(in_main("match parse_int(\"1\") { just n => n }"), ["E131 3"]);
    assert_eq!(in_main("match 1 < 2 { true => 1 }"), ["E131 3"]);
    assert_eq!(in_main("match input { 1 => 1 }"), ["E131 3"]);
    assert_eq!(in_main("match input { _ => 1\n 2 => 2 }"), ["W208 4"]);
    assert!(in_main("match input { [a, a] => a\n _ => 1 }").contains(&"E103 3".to_owned()));
}

#[test]
fn reading_goes_on_after_an_error() {
    let text = "module m\nfn a() {\n let = 1\n let x = )\n 1\n}\nfn b( {\n}\nfn c() { \"open\n}\nfn d() { 1.5 }\n";
    let found = remarks(text);
    for wanted in ["E010 3", "E010 4", "E010 7", "E003 9", "E007 11"] {
        assert!(found.iter().any(|one| one == wanted), "{wanted} in {found:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("-", ""),
        ("just ", ""),
        ("!", ""),
        ("|x| ", ""),
        ("1 + ", ""),
        ("f(", ")"),
    ] {
        let body = open.repeat(20_000) + "1" + &close.repeat(20_000);
        assert!(in_main(&body).iter().any(|one| one.starts_with("E011")), "{open}");
    }
    let chain = "if a { 1 } else ".repeat(10_000);
    assert!(in_main(&(chain + "{ 2 }")).iter().any(|one| one.starts_with("E011")));
    let calls = "x".to_owned() + &".f(1)".repeat(10_000);
    assert!(in_main(&calls).iter().any(|one| one.starts_with("E011")));
}

#[test]
fn limits_are_named() {
    let many: String = (0..300).map(|i| format!("let x{i} = input\n")).collect();
    let uses: String = (0..300).map(|i| format!("note x{i}\n")).collect();
    assert_eq!(in_main(&(many + &uses)), ["E140 253"]);
    let long: String = (0..300).map(|i| format!("input, [{i}], ")).collect();
    assert_eq!(in_main(&format!("[{long}]")), Vec::<String>::new());
    assert_eq!(in_main(&format!("{} + 1", u64::MAX)), Vec::<String>::new());
    assert_eq!(in_main("18446744073709551616"), ["E005 3"]);
    assert_eq!(in_main("-9223372036854775809"), ["E005 3"]);
    assert_eq!(in_main(&"a".repeat(200)), ["E146 3"]);
}

#[test]
fn strict_and_only_where_the_right_side_is_total() {
    let ops = |body: &str| {
        let module = compiled(&format!("module m\nfn main() {{\n{body}\n}}\n"));
        crate::code::disasm(module.module())
    };
    let total = ops("let x = choose 1..4\nlet y = choose 1..4\nrequire x + y == 6 && x < y");
    assert!(total.contains("and") && !total.contains("jump"), "{total}");
    let partial = ops("let x = input\nrequire x > 1 && 10 / x > 2");
    assert!(partial.contains("jump"), "{partial}");
}

#[test]
fn every_instruction_and_library_function_is_called_by_its_name() {
    let call = |name: &str, arity: u8| format!("{name}({})", vec!["input"; usize::from(arity)].join(", "));
    let in_handler = |call: &str| format!("module m\nunsafe\nbehaviour b {{ on message _ {{ let x = {call}\nx }} }}");
    for instr in crate::code::Instr::ALL {
        let verified = compiled(&in_handler(&call(instr.name(), instr.arity())));
        let used = |op: &crate::code::Op| matches!(op, crate::code::Op::Instr { which, .. } if which == instr);
        assert!(verified.module().functions.iter().flat_map(|function| &function.code).any(used), "{instr:?}");
    }
    for builtin in crate::code::Builtin::ALL {
        let verified = compiled(&in_handler(&call(builtin.name(), builtin.arity())));
        let used = |op: &crate::code::Op| matches!(op, crate::code::Op::Builtin { which, .. } if which == builtin);
        assert!(verified.module().functions.iter().flat_map(|function| &function.code).any(used), "{builtin:?}");
    }
}

#[test]
fn an_error_is_said_however_many_warnings_there_are() {
    let found = in_main(&("1\n".repeat(2000) + "foo"));
    assert!(found.len() < 600 && found.iter().any(|one| one.starts_with("E100")), "{}", found.len());
    assert!(in_main(&"foo\n".repeat(2000)).len() < 600);
}
