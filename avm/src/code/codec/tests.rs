//! Round trips, damage, hostile sizes and depths, and a hash that stays.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use super::*;
use crate::code::{
    Behaviour, Builtin, ContentHash, Entry, Function, Instr, MessageShape, Op, Place, PureFunction, Shape, content_hash,
};
use crate::id::{Name, ObjectId, TxId, VarId};
use crate::value::Kind;
use proptest::prelude::*;

/// A module with something of everything.
fn sample() -> Module {
    let function = Function {
        name: "main".into(),
        arity: 1,
        registers: 6,
        code: vec![
            Op::Const { dst: 1, k: 2 },
            Op::Int { dst: 2, number: -70_000 },
            Op::AddInt { dst: 2, a: 2, number: -3 },
            Op::KindIs { dst: 3, a: 1, kind: Kind::Record },
            Op::JumpIfNot { cond: 3, to: 6 },
            Op::Builtin { dst: 3, start: 1, which: Builtin::With },
            Op::Instr { dst: 4, start: 1, which: Instr::Call },
            Op::Return { src: 4 },
        ],
        places: vec![Place { file: 0, line: 3, column: 9 }; 8],
        pinned: false,
    };
    let messages = vec![MessageShape {
        tag: "inc".into(),
        parts: vec![Shape::Option(Box::new(Shape::Is(Kind::Int))), Shape::Pair(Box::new((Shape::Any, Shape::Any)))],
    }];
    Module {
        name: "sample".into(),
        files: vec!["sample.avm".into()],
        needs_unsafe: true,
        constants: vec![
            Val::Int(crate::value::INT_MAX),
            Val::Int(crate::value::INT_MIN),
            Val::record([("n".into(), Val::just(Val::Bool(true))), ("b".into(), Val::Bytes([1, 2].as_slice().into()))]),
            Val::List(vec![Val::Object(ObjectId(9)), Val::Tx(TxId(3)), Val::Var(VarId(1)), Val::Nothing]),
            Val::pair(Val::Machine(Name::new("m1")), Val::Controller(Name::new("c1"))),
        ],
        functions: vec![function],
        behaviours: vec![Behaviour { name: "ctr".into(), function: 0, messages: Some(messages) }],
        pures: vec![PureFunction { name: "add".into(), function: 0 }],
        entries: vec![Entry { name: "main".into(), function: 0 }],
        tests: vec![Entry { name: "works".into(), function: 0 }],
    }
}

/// Puts a body under a right head.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(ContentHash::of(body).0);
    out.extend(body);
    out
}

#[test]
fn what_is_written_is_read() {
    let module = sample();
    assert_eq!(from_bytes(&to_bytes(&module).unwrap()).unwrap(), module);
    assert_eq!(from_json(&to_json(&module).unwrap()).unwrap(), module);
}

#[test]
fn the_content_hash_ignores_places_and_stays() {
    let mut module = sample();
    let hash = content_hash(&module).unwrap();
    // A change here is a change of the encoding: raise VERSION with it.
    insta::assert_snapshot!(hash, @"ecbb05b141d50915fd7bac49f154ba1819794ed22cf6ae6e9ddee364db312e85");
    module.files = vec!["elsewhere.avm".into()];
    module.functions[0].places = Vec::new();
    assert_eq!(content_hash(&module).unwrap(), hash);
    module.functions[0].code[1] = Op::Int { dst: 2, number: -70_001 };
    assert_ne!(content_hash(&module).unwrap(), hash);
    assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
    assert!("12".parse::<ContentHash>().is_err());
}

#[test]
fn heads_are_checked() {
    let good = to_bytes(&sample()).unwrap();
    assert_eq!(from_bytes(b"TAVX"), Err(CodecError::Magic));
    assert_eq!(from_bytes(&good[..20]), Err(CodecError::Length { found: 20, expected: HEAD_BYTES }));
    let mut other = good.clone();
    other[4] = 9;
    assert_eq!(from_bytes(&other), Err(CodecError::Version { found: 9, expected: VERSION }));
    let mut longer = good.clone();
    longer.push(0);
    assert!(matches!(from_bytes(&longer), Err(CodecError::Length { .. })));
    for at in HEAD_BYTES..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert_eq!(from_bytes(&damaged), Err(CodecError::Damaged));
    }
    for end in 0..good.len() {
        assert!(from_bytes(&good[..end]).is_err());
    }
}

#[test]
fn hostile_depth_and_counts_end_in_named_errors() {
    // A just in a just in a just, a million deep.
    let deep = vec![Kind::Just as u8; 1 << 20];
    assert_eq!(value_from_bytes(&deep), Err(CodecError::TooMuch { what: "levels of a value", most: 48 }));
    // A list that claims more elements than there are bytes.
    let long = [Kind::List as u8, 0xff, 0xff, 0x3f, 0];
    assert!(matches!(value_from_bytes(&long), Err(CodecError::Malformed { .. } | CodecError::TooMuch { .. })));
    let text = [Kind::Text as u8, 5, b'a'];
    assert!(matches!(value_from_bytes(&text), Err(CodecError::Malformed { .. })));
    assert!(matches!(value_from_bytes(&[Kind::Text as u8, 1, 0xff]), Err(CodecError::Malformed { .. })));
    assert!(matches!(value_from_bytes(&[Kind::Int as u8, 0x80, 0]), Err(CodecError::Malformed { .. })));
    assert!(matches!(
        value_from_bytes(&[Kind::Nothing as u8, 0]),
        Err(CodecError::Malformed { expected: "the end", .. })
    ));
    let json = format!("{}\"Nothing\"{}", "{\"Just\":".repeat(100_000), "}".repeat(100_000));
    let module = format!("{{\"name\":\"m\",\"constants\":[{json}]}}");
    assert!(matches!(from_json(&module), Err(CodecError::Json(_))));
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let deep = (0..100).fold(Val::Nothing, |inner, _| Val::just(inner));
    let module = Module { constants: vec![deep.clone()], ..sample() };
    assert!(matches!(to_bytes(&module), Err(CodecError::Value(_))));
    assert!(matches!(to_json(&module), Err(CodecError::Value(_))));
    assert!(matches!(value_to_bytes(&deep), Err(CodecError::Value(_))));
}

/// Any value, a few levels deep.
pub(crate) fn any_value() -> impl Strategy<Value = Val> {
    let leaf = prop_oneof![
        Just(Val::Nothing),
        any::<bool>().prop_map(Val::Bool),
        any::<i64>().prop_map(Val::from),
        any::<u64>().prop_map(|n| Val::Int(n.into())),
        "[a-z\u{e9}]{0,6}".prop_map(|text| Val::from(text.as_str())),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Val::Bytes(bytes.into())),
        any::<u64>().prop_map(|id| Val::Object(ObjectId(id))),
        any::<u32>().prop_map(|id| Val::Var(VarId(id))),
        "[a-z]{1,4}".prop_map(|name| Val::Machine(Name::new(&name))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Val::just),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Val::List),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Val::pair(a, b)),
            proptest::collection::vec(("[a-d]{1,2}", inner), 0..4)
                .prop_map(|fields| Val::record(fields.into_iter().map(|(name, value)| (name.as_str().into(), value)))),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back(value in any_value()) {
        let bytes = value_to_bytes(&value).unwrap();
        prop_assert_eq!(value_from_bytes(&bytes).unwrap(), value);
    }

    #[test]
    fn different_values_have_different_bytes(one in any_value(), two in any_value()) {
        prop_assert_eq!(one == two, value_to_bytes(&one).unwrap() == value_to_bytes(&two).unwrap());
    }

    #[test]
    fn any_body_is_survived(mut body in proptest::collection::vec(any::<u8>(), 0..200), at in any::<usize>(), flip in any::<u8>()) {
        let _ = from_bytes(&sealed(&body)).map(crate::code::verify);
        // Close to a good one: most of it is reached.
        body = to_bytes(&sample()).unwrap()[HEAD_BYTES..].to_vec();
        let at = at % body.len();
        body[at] ^= flip;
        if let Ok(module) = from_bytes(&sealed(&body)) {
            prop_assert_eq!(from_bytes(&to_bytes(&module).unwrap()).unwrap(), module.clone());
            let _ = crate::code::verify(module);
        }
    }
}
