//! JSON and SMT-LIB: examples, round trips, hostile texts.

use std::sync::Arc;

use super::Random;
use super::random::any;
use crate::id::ChoiceId;
use crate::nondet::builtin::BuiltinSolver;
use crate::nondet::json::{
    JsonError, answer_from_json, answer_to_json, from_json, to_json, value_from_json, value_to_json,
};
use crate::nondet::smtlib;
use crate::nondet::{Answer, Asserted, Choice, Expr, Ir, Limits, Outcome, Solver};
use crate::value::{INT_MAX, INT_MIN, Val};

/// The example of `avm:9.4`, word for word.
const EXAMPLE: &str = r#"{"choices":[{"id":0,"options":[1,2,3,4,5]},{"id":1,"options":[1,2,3,4]}],"requires":[["Geq",["Choice",1],3],["Geq",["Choice",0],2],["Leq",["Choice",0],4]],
 "fd":{"vars":[],"constraints":[],"refutations":[]},"msc":[],"objective":"LexFirst"}"#;

const SKETCH: &str = "\
(declare-const i0 Int) (assert (<= 0 i0 4)) (define-fun c0 () Int (+ i0 1))        ; general options: nested ite over i0
(declare-const i1 Int) (assert (<= 0 i1 3)) (define-fun c1 () Int (+ i1 1))
(assert (>= c1 3)) (assert (>= c0 2)) (assert (<= c0 4)) (minimize i0) (minimize i1) ; lexicographic
";

fn limits() -> Limits {
    Limits::default()
}

fn solved(ir: &Ir) -> Answer {
    match BuiltinSolver.solve(ir, &limits()) {
        Outcome::Sat(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_solves_to_its_solution() {
    let ir = from_json(EXAMPLE, &limits()).unwrap();
    assert_eq!(answer_to_json(&solved(&ir)), r#"{"choices":{"0":1,"1":2},"vars":{}}"#);
    assert_eq!(from_json(&to_json(&ir), &limits()).unwrap(), ir);
    let sketch = smtlib::read(SKETCH, &limits()).unwrap();
    assert_eq!(solved(&sketch).choices, [1, 2]);
    let written = smtlib::write(&ir, &limits()).unwrap();
    for line in ["(declare-const i0 Int) (assert (<= 0 i0 4))", "(define-fun c0 () Int (+ i0 1))", "(assert (>= c1 3))"]
    {
        assert!(written.contains(line), "{written}");
    }
}

// avm:R1
#[test]
fn json_loses_nothing() {
    for seed in 0..3_000 {
        let mut ir = any(&mut Random(seed));
        if ir.fd.constraints.len() > 1 {
            ir.fd.places = vec![None, Some(("match.avm".into(), crate::code::Place::default()))];
        }
        if let Some(first) = ir.requires.first_mut() {
            first.name = Some("same \"kind\" | %".into());
            first.place = Some(("match.avm".into(), crate::code::Place::default()));
        }
        let text = to_json(&ir);
        assert_eq!(from_json(&text, &limits()).as_ref(), Ok(&ir), "seed {seed}: {text}");
        if let Outcome::Sat(answer) = BuiltinSolver.solve(&ir, &limits()) {
            assert_eq!(answer_from_json(&answer_to_json(&answer)).as_ref(), Ok(&answer));
        }
    }
}

#[test]
fn smtlib_answers_the_same() {
    for seed in 0..3_000 {
        let ir = any(&mut Random(seed));
        let text = smtlib::write(&ir, &limits()).unwrap();
        let back =
            smtlib::read(&text, &limits()).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}\n{ir:?}"));
        let (mut one, two) = (BuiltinSolver.solve(&ir, &limits()), BuiltinSolver.solve(&back, &limits()));
        if let Outcome::Unsat(core) = &mut one {
            // Constraints come back as conditions that always stand.
            core.retain(|at| (*at as usize) < ir.requires.len());
        }
        assert_eq!(one, two, "seed {seed}: {ir:?}\n{text}\n{back:?}");
    }
}

#[test]
fn values_of_every_kind() {
    use crate::id::{ExecutionId, Name, ObjectId, ROOT, TxId, VarId};
    let all = [
        Val::Nothing,
        Val::Bool(false),
        Val::Int(INT_MIN),
        Val::Int(INT_MAX),
        Val::text("a|\"%7c\\"),
        Val::Bytes(vec![0, 255].into()),
        Val::List(vec![1.into(), Val::Nothing]),
        Val::just(Val::just(2.into())),
        Val::pair(1.into(), Val::text("b")),
        Val::record([("b".into(), 1.into()), ("a".into(), Val::Nothing)]),
        Val::Object(ObjectId::new(2, 1, 7)),
        Val::Object(ROOT),
        Val::Tx(TxId(3)),
        Val::Execution(ExecutionId(4)),
        Val::Machine(Name::new("m1")),
        Val::Controller(Name::new("c1")),
        Val::Var(VarId(5)),
    ];
    for value in &all {
        assert_eq!(value_from_json(&value_to_json(value)).as_ref(), Ok(value));
    }
    let mut ir = Ir::default();
    ir.choices.push(Choice { id: ChoiceId(0), options: all.to_vec(), weights: None, place: None });
    for (at, value) in all.iter().enumerate() {
        let expr = Expr::clone(&Expr::equal(&Expr::choice(0), &Arc::new(Expr::Const(value.clone()))));
        ir.requires = vec![Asserted { expr, name: None, place: None }];
        assert_eq!(from_json(&to_json(&ir), &limits()).as_ref(), Ok(&ir));
        let back = smtlib::read(&smtlib::write(&ir, &limits()).unwrap(), &limits()).unwrap();
        assert_eq!(solved(&ir).choices, [at as u32]);
        assert_eq!(solved(&back).choices, [at as u32]);
    }
}

/// Deep and shared expressions cost neither stack nor repeated work.
#[test]
fn depth_and_sharing() {
    let mut deep = Expr::choice(0);
    for _ in 0..60_000 {
        deep = Expr::plus(&deep, &Expr::constant(1));
    }
    let mut doubled = Expr::choice(0);
    for _ in 0..60 {
        doubled = Expr::plus(&doubled, &doubled);
    }
    let mut ir = Ir::default();
    ir.choices.push(Choice { id: ChoiceId(0), options: vec![5.into(), 3.into()], weights: None, place: None });
    let require = |expr: &Arc<Expr>| Asserted { expr: Expr::clone(expr), name: None, place: None };
    ir.requires.push(require(&Expr::equal(&deep, &Expr::constant(60_003))));
    ir.requires.push(require(&Expr::equal(&doubled, &Expr::constant(3 << 60))));
    assert!(ir.size() < 130_000);
    let text = to_json(&ir);
    let back = from_json(&text, &limits()).unwrap();
    assert!(back == ir);
    assert_eq!(solved(&back).choices, [1]);
    let smt = smtlib::read(&smtlib::write(&ir, &limits()).unwrap(), &limits()).unwrap();
    assert_eq!(solved(&smt).choices, [1]);
    let bytes = postcard::to_allocvec(&ir).unwrap();
    assert!(postcard::from_bytes::<Ir>(&bytes).unwrap() == ir);
    assert!(format!("{:?}", ir.requires[0].expr).len() < 2_000);
}

#[test]
fn wrong_json_says_where() {
    let cases = [
        ("[1", "not JSON"),
        ("[]", "expected an object with choices"),
        (r#"{"choice":[]}"#, "unknown field 'choice'"),
        (r#"{"choices":[{"id":0,"options":[]}]}"#, "choice 0 has no options"),
        (r#"{"choices":[{"id":1,"options":[1]}]}"#, "choice 1 stands at position 0"),
        (r#"{"choices":[{"id":0,"options":[1.5]}]}"#, "choices[0].options[0]: expected a whole number"),
        (r#"{"requires":[["Geq",["Choice",1],3]]}"#, "choice 1, there are 0"),
        (r#"{"requires":[["Geq",1]]}"#, "requires[0]: Geq takes two"),
        (r#"{"requires":[["And",true,["Pick",1]]]}"#, "requires[0][2]: unknown operation"),
        (r#"{"requires":[["Shared",0]],"shared":[]}"#, "shared expression 0 is not among the 0"),
        (r#"{"shared":[["Not",["Shared",0]]]}"#, "shared[0][1]: shared expression 0"),
        (r#"{"prefers":[[true,0]]}"#, "weights of soft requirements are positive"),
        (r#"{"fd":{"vars":[{"id":2,"domain":[1]},{"id":1,"domain":[1]}]}}"#, "v1 does not come after"),
        (r#"{"fd":{"constraints":[["Neq",1]]}}"#, "fd.constraints[0][2]"),
        (r#"{"objective":"Best"}"#, "objective: expected"),
    ];
    for (text, wanted) in cases {
        let error = from_json(text, &limits()).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let bomb = format!("{{\"requires\":[{}true{}]}}", "[\"Not\",".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(from_json(&bomb, &limits()), Err(JsonError::Syntax(error)) if error.contains("recursion")));
}

#[test]
fn wrong_smtlib_says_where() {
    let cases = [
        ("(assert true", "line 1, column 1: a '(' that is never closed"),
        ("(check-sat))", "line 1, column 12: a ')' without"),
        ("\n  (push 1)", "line 2, column 3: 'push' in this form is not read"),
        ("(assert (> x 1))", "line 1, column 12: 'x' is not known"),
        ("(declare-const x Real)", "line 1, column 18: constants are of sort Int"),
        ("(declare-const x Int)", "line 1, column 16: 'x' has no values"),
        ("(declare-const x Int)(assert (> x 1))", "line 1, column 33: nothing says which values 'x' has"),
        ("(declare-const x Int)(assert (<= 5 x 1))", "hold no value"),
        ("(declare-const x Int)(declare-const x Int)", "'x' is there already"),
        ("(define-fun f ((a Int)) Int a)", "definitions with parameters are not read"),
        ("(assert (= 18446744073709551616 1))", "not a whole number up to"),
        ("(assert (div 1 0))", "div is read with a positive number"),
        ("(assert (xor true true))", "'xor' with 2 terms is not read"),
        ("(assert |true)", "no closing |"),
        ("(assert (! true :pattern 1))", "expected :named"),
        ("(define-fun |val:[| () Int 1)", "the name holds no value"),
    ];
    for (text, wanted) in cases {
        let error = smtlib::read(text, &limits()).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let order =
        "(declare-const x Int)(assert (<= 0 x 1))(declare-const y Int)(assert (<= 0 y 1))(minimize y)(minimize x)";
    assert!(smtlib::read(order, &limits()).unwrap_err().message.contains("in the order"));
    let bomb = "(assert ".repeat(100_000);
    assert!(smtlib::read(&bomb, &limits()).unwrap_err().message.contains("nest deeper than 200"));
}
