//! What the pieces compile to, and what cannot be compiled. Running them is tested with the machine.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use super::*;
use crate::code::{Builtin, disasm};

#[test]
fn a_counter_is_plain_code() {
    let program = Program::new("counter")
        .behaviour("ctr", |b| {
            b.on("inc", 0, |_| {
                crate::program! {
                    let n <- get_state().first_or(0);
                    let more <- n + 1;
                    set_state(list([more]));
                    more
                }
            })
            .on("add", 1, |parts| &parts[0] + get_state().first_or(0))
        })
        .pure("add", 2, |args| &args[0] + &args[1])
        .function("loop", 1, |args| {
            let n = &args[0];
            when(n.more(0), invoke("loop", [n - 1]), n)
        })
        .entry("main", 0, |_| {
            crate::program! {
                let c <- create("ctr", nothing());
                let message = list(["inc"]);
                for_each(builtin(Builtin::Range, [0, 3]), |_| call(c, &message));
                let total <- fold(list([1, 2, 3]), 0, |sum, item| sum + item);
                record([("total", total.clone()), ("both", pair(1, "x")), ("loop", invoke("loop", [3]))])
            }
        });
    let verified = program.build().unwrap();
    assert!(verified.facts(1).pure);
    // Places are lines of this file: they move with it, so they are not part of the snapshot.
    let mut module = crate::code::Module::clone(verified.module());
    module.files.clear();
    module.functions.iter_mut().for_each(|function| function.places.clear());
    insta::assert_snapshot!(disasm(&module));
}

#[test]
fn errors_of_a_program_name_lines_of_rust() {
    let module = Program::new("m").entry("main", 0, |_| call(1, 2)).module().unwrap();
    let place = module.functions[0].places.iter().max().unwrap();
    assert!(module.files[usize::from(place.file)].ends_with("tests.rs") && place.line > 0);
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let of = |body: Code| Program::new("m").function("f", 2, |_| nothing()).entry("main", 0, |_| body).build();
    assert!(matches!(of(invoke("g", [1])), Err(BuildError::NoFunction { .. })));
    let wrong = of(invoke("f", [1])).unwrap_err();
    assert_eq!(wrong.to_string(), "function main gives 1 arguments to f, which takes 2");
    assert!(matches!(of(closure("f", [1, 2, 3])), Err(BuildError::Arguments { .. })));
    assert!(matches!(of(builtin(Builtin::Push, [1])), Err(BuildError::Arguments { .. })));
    let mut escaped = None;
    let _ = nothing().bind(|inner| {
        escaped = Some(inner.clone());
        nothing()
    });
    assert!(matches!(of(escaped.unwrap()), Err(BuildError::Unbound(_))));
    assert!(matches!(of(list(0..300)), Err(BuildError::Registers(_))));
    assert!(matches!(of(reflect(1)), Err(BuildError::Refused(_))));
    assert!(Program::new("m").needs_unsafe().entry("main", 0, |_| reflect(1)).build().is_ok());
    let twice = Program::new("m").function("f", 0, |_| nothing()).function("f", 0, |_| nothing());
    assert_eq!(twice.build(), Err(BuildError::Twice("f".into())));
    let impure = Program::new("m").pure("p", 0, |_| now()).build().unwrap_err();
    assert!(impure.to_string().contains("pure function 'p' reaches the instruction now"));
}

#[test]
fn registers_are_given_back() {
    let many = (0..2000).fold(nothing(), |so_far, n| so_far.then(when(value(n).less(5), pair(n, n), list([n, n]))));
    let module = Program::new("m").entry("main", 0, |_| many).module().unwrap();
    assert!(module.functions[0].registers < 12, "{}", module.functions[0].registers);
}

crate::message! {
    /// A protocol.
    #[derive(Debug, PartialEq)]
    enum Account {
        Deposit(amount: u64, note: Option<String>) = "deposit",
        Pay(to: crate::id::ObjectId, parts: Vec<(i64, bool)>) = "pay",
        Balance() = "balance",
    }
}

#[test]
fn messages_go_both_ways() {
    let all = [
        Account::Deposit(7, Some("x".into())),
        Account::Deposit(u64::MAX, None),
        Account::Pay(crate::id::ObjectId(3), vec![(-1, true), (2, false)]),
        Account::Balance(),
    ];
    for message in &all {
        let value = message.to_val();
        assert_eq!(Account::from_val(&value).as_ref(), Ok(message));
        let crate::Val::List(parts) = &value else { panic!("{value}") };
        let fits = Account::shapes().iter().any(|shape| {
            crate::Val::from(&*shape.tag) == parts[0]
                && shape.parts.len() == parts.len() - 1
                && shape.parts.iter().zip(&parts[1..]).all(|(shape, part)| shape.fits(part))
        });
        assert!(fits, "{value}");
    }
    let wrong = [value_of("nothing"), list_of(&["deposit"]), list_of(&["steal"])];
    assert!(wrong.iter().all(|value| Account::from_val(value).is_err()));
    assert_eq!(u8::from_val(&256.to_val()).unwrap_err().to_string(), "256 is not a number of type u8");
    assert_eq!(Option::<i64>::from_val(&crate::Val::just(5.into())), Ok(Some(5)));
}

fn value_of(text: &str) -> crate::Val {
    text.to_val()
}

fn list_of(parts: &[&str]) -> crate::Val {
    parts.to_vec().to_val()
}
