//! What is shown is read back; anything else is refused in words.

use proptest::prelude::*;

use super::*;
use crate::id::{ExecutionId, ObjectId, TxId};

fn values() -> impl Strategy<Value = Val> {
    let leaf = prop_oneof![
        Just(Val::Nothing),
        any::<bool>().prop_map(Val::Bool),
        (crate::value::INT_MIN..=crate::value::INT_MAX).prop_map(Val::Int),
        any::<String>().prop_map(|text| Val::text(&text)),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Val::Bytes(bytes.into())),
        any::<u64>().prop_map(|id| Val::Object(ObjectId(id))),
        any::<u64>().prop_map(|id| Val::Tx(TxId(id))),
        any::<u64>().prop_map(|id| Val::Execution(ExecutionId(id))),
        any::<u32>().prop_map(|id| Val::Var(VarId(id))),
        "[a-z][a-z0-9_-]{0,8}".prop_map(|name| Val::Machine(name.as_str().into())),
        "[a-z][a-z0-9_-]{0,8}".prop_map(|name| Val::Controller(name.as_str().into())),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Val::List),
            (inner.clone(), inner.clone()).prop_map(|(first, second)| Val::pair(first, second)),
            inner.clone().prop_map(Val::just),
            prop::collection::vec(("[a-z_][a-z0-9_]{0,5}", inner), 0..4)
                .prop_map(|fields| Val::record(fields.into_iter().map(|(name, value)| (name.into(), value)))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(value in values()) {
        prop_assert_eq!(value.to_string().parse(), Ok(value));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = text.parse::<Val>();
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let error = |text: &str| text.parse::<Val>().expect_err(text).to_string();
    assert!(error("inc").contains("inc is no value (texts are quoted) at character 1"), "{}", error("inc"));
    assert!(error("[1, 2").contains("expected , or ] at character 6"), "{}", error("[1, 2"));
    assert!(error("5 6").contains("something follows the value at character 3"));
    assert!(error("").contains("it ends where a value is expected"));
    assert!(error("18446744073709551616").contains("no number between"));
    assert!(error(&"[".repeat(300)).contains("nested too deeply"));
    assert_eq!(" [ 1 , (2), ] ".parse(), Ok(Val::List(vec![Val::from(1), Val::from(2)])));
}
