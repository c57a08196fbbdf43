use super::{Source, format, parse};

const SAMPLE: &str = r#"// A sample.
module sample
unsafe
use bank   // trailing

fn main(a, b: int)->[int]? {
  let mut x=1;  let (p, [q, ..rest]) = (1,[2,3])
    // own line
    let r = {a: 1, "b c": -x}
    for i in 1..<3 { x+=i }
  match r {
    {a: just n, b} if n > -1 => { n }
      deposit(n: int, _) => n
    1 | 2 => return nothing,
    [] => {}
    _ => ()
    }
    let f = |y| y * 2 - 3 % 2
    call o ["deposit", f(1)]
    o.deposit( 5 ).x[0]
    let ok = post a != b + 3
      && true
    require x + 1 < 3 as "small"
    prefer x == 1 weight 3
    let c = create bank.account at %c1
    send c.hello(1)
    let t = retry 3 atomic %c1 { abort }
    map(
        [1,
         2],
        |z| {
        z + 1
        })
}
behaviour account {
    state balance = 0, owner = sender()
    on deposit(n: int) -> text { balance += n
        "ok" }
    on message m { decline }
}
test "adds" { assert 1 + 1 == 2 }
"#;

#[test]
fn a_sample_reads_and_formats() {
    let sample = SAMPLE.replace("=> ()", "=> nothing");
    let source = Source::new("sample.avm", &sample);
    let tree = parse(&source).unwrap_or_else(|e| panic!("{e}"));
    let once = format(&sample).unwrap_or_else(|e| panic!("{e}"));
    let again = format(&once).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(once, again);
    assert_eq!(tree, parse(&Source::new("sample.avm", &once)).unwrap_or_else(|e| panic!("{e}")));
    assert!(once.contains("// own line") && once.contains("// trailing"));
}

#[test]
fn blanks_that_mean_something_stay() {
    let kept = "module m\n\nfn f(x) {\n    let a = 0(x)\n    let b = \"t\"[0]\n    let c = {a: 1}[a]\n\
        \u{20}   x.\"a b\"(1)\n    note (a)\n    note(b ++ c)\n}\n";
    assert_eq!(format(kept).ok().as_deref(), Some(kept));
    let wide = "module m\n\n\n\nfn f ( x ) {\n\n  let y=[ 1,2 ];\n    if(x){ - 1 }else{ x [0] }\n\n}";
    let uniform = "module m\n\nfn f(x) {\n    let y = [1, 2]\n    if (x) { -1 } else { x [0] }\n}\n";
    assert_eq!(format(&wide.replace("x [0]", "x[0]")).ok(), Some(uniform.replace("x [0]", "x[0]")));
}
