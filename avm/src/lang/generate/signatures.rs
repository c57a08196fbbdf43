//! What instructions and library functions take and give, as far as kinds say it.

use super::types::{BOOL, INT, NOTHING, Ty};
use crate::code::{Builtin, Instr};
use crate::value::Kind;

/// A letter for each parameter, `?` behind those that may be left out, then `:` and the result. Letters: `t` text, `i` int, `b`
/// bool, `l` list, `o` object, `v` variable, `x` transaction, `f` function, `y` bytes, `r` record, `c` controller or its name,
/// `m` machine or its name, `n` nothing, `*` anything; capitals mean "or nothing"; `!` never returns.
fn instr(which: Instr) -> &'static str {
    match which {
        Instr::CreateObj => "tC?:o",
        Instr::DestroyObj => "o:b",
        Instr::Call => "o*:*",
        Instr::Receive | Instr::Input => ":*",
        Instr::SelfId => ":o",
        Instr::CurrentMachine => ":m",
        Instr::GetState | Instr::Args => ":l",
        Instr::SetState => "l:n",
        Instr::Sender => ":O",
        Instr::Reflect => "o:R",
        Instr::ScryMeta | Instr::ScryDeep => "f:l",
        Instr::ReifyContext => ":l",
        Instr::ReifyTxState => ":L",
        Instr::ReifyConstraints => ":*",
        Instr::BeginTx => "C?:x",
        Instr::CommitTx => "x:b",
        Instr::AbortTx => "x:n",
        Instr::CallPure => "tl:*",
        Instr::RegisterPure => "tf:b",
        Instr::UpdatePure => "tf*?:b",
        Instr::GetMachine => "o:M",
        Instr::Teleport => "m:b",
        Instr::MoveObject => "om:b",
        Instr::Fetch => "o:b",
        Instr::GetCurrentController => ":C",
        Instr::GetController => "o:C",
        Instr::TransferObject => "oc:b",
        Instr::Freeze => "o:*",
        Instr::NewVar => "l:v",
        Instr::Narrow => "vl:b",
        Instr::Post => "l:b",
        Instr::Label => "v:*",
        Instr::Choose | Instr::ChooseWeighted => "l:*",
        Instr::Require => "bT?:n",
        Instr::Prefer => "bi:n",
        Instr::RequireOrder => "o*o*T?:n",
        Instr::Send => "o*:n",
        Instr::Upgrade => "ot:b",
        Instr::Solve => "l:L",
        Instr::SolveAll => "lI?:l",
        Instr::DomainOf => "v:l",
        Instr::Note => "*:n",
        Instr::Random => "i:i",
        Instr::Now => ":i",
        Instr::Sleep => "i:n",
        Instr::Reject => ":!",
        Instr::ValueOf => "*:*",
        Instr::Raise => "t:!",
        Instr::ReceiveFor => "i:*",
    }
}

fn builtin(which: Builtin) -> &'static str {
    match which {
        Builtin::Len => "*:i",
        Builtin::At => "li:*",
        Builtin::Get | Builtin::Min | Builtin::Max => "**:*",
        Builtin::SetAt => "li*:l",
        Builtin::Push => "l*:l",
        Builtin::Concat => "**:*",
        Builtin::Slice => "*ii:*",
        Builtin::Reverse | Builtin::Sort | Builtin::Unique | Builtin::Flatten => "l:l",
        Builtin::Contains => "**:b",
        Builtin::IndexOf => "l*:I",
        Builtin::Range => "ii:l",
        Builtin::Zip => "ll:l",
        Builtin::Sum => "l:i",
        Builtin::Abs => "i:i",
        Builtin::Text => "*:t",
        Builtin::ParseInt => "t:I",
        Builtin::Split => "tt:l",
        Builtin::Join => "lt:t",
        Builtin::BytesOf => "*:y",
        Builtin::TextOf => "y:T",
        Builtin::Sha256 => "*:y",
        Builtin::KindOf => "*:t",
        Builtin::With => "rt*:r",
        Builtin::Names => "r:l",
        Builtin::Machine => "t:m",
        Builtin::Controller => "t:c",
        Builtin::Select => "b**:*",
        Builtin::Decided => "bb:b",
        Builtin::Distinct => "l:b",
    }
}

fn ty(letter: u8, gives: bool) -> Vec<Ty> {
    let mut kinds = match letter.to_ascii_lowercase() {
        b't' => vec![Ty::Is(Kind::Text)],
        b'i' => vec![INT],
        b'b' => vec![BOOL],
        b'l' => vec![Ty::of(Kind::List)],
        b'o' => vec![Ty::Object(None)],
        b'v' => vec![Ty::Is(Kind::Var)],
        b'x' => vec![Ty::Is(Kind::Tx)],
        b'f' => vec![Ty::Is(Kind::Function)],
        b'y' => vec![Ty::Is(Kind::Bytes)],
        b'r' => vec![Ty::Is(Kind::Record)],
        b'n' => vec![NOTHING],
        b'c' if gives => vec![Ty::Is(Kind::Controller)],
        b'c' => vec![Ty::Is(Kind::Controller), Ty::Is(Kind::Text)],
        b'm' if gives => vec![Ty::Is(Kind::Machine)],
        b'm' => vec![Ty::Is(Kind::Machine), Ty::Is(Kind::Text)],
        b'!' => vec![Ty::Never],
        _ => vec![Ty::Any],
    };
    if letter.is_ascii_uppercase() && gives {
        let inner = kinds.pop().unwrap_or(Ty::Any);
        // An option of the specification: the value itself, or nothing.
        return vec![if inner == Ty::Any { Ty::Any } else { inner }, NOTHING];
    }
    if letter.is_ascii_uppercase() {
        kinds.push(NOTHING);
    }
    kinds
}

/// What something takes and gives.
pub struct Signature {
    /// For each parameter the kinds it may be.
    pub params: Vec<Vec<Ty>>,
    /// How many must be given.
    pub least: usize,
    /// What it gives.
    pub result: Ty,
}

fn read(text: &str) -> Signature {
    let (params, result) = text.split_once(':').unwrap_or((text, "*"));
    let letters: Vec<u8> = params.bytes().filter(|letter| *letter != b'?').collect();
    let optional = params.bytes().filter(|letter| *letter == b'?').count();
    let mut results = ty(result.bytes().next().unwrap_or(b'*'), true);
    let first = results.swap_remove(0);
    let result = if results.is_empty() { first } else { Ty::Any };
    Signature {
        least: letters.len() - optional,
        params: letters.into_iter().map(|letter| ty(letter, false)).collect(),
        result,
    }
}

/// Signature of an instruction.
pub fn of_instr(which: Instr) -> Signature {
    read(instr(which))
}

/// Signature of a library function.
pub fn of_builtin(which: Builtin) -> Signature {
    let mut signature = read(builtin(which));
    signature.result = match which {
        Builtin::Len => Ty::Int(0, i128::from(u32::MAX)),
        Builtin::Range => Ty::List(Box::new(INT)),
        Builtin::IndexOf | Builtin::ParseInt => Ty::Option(Box::new(INT)),
        Builtin::TextOf => Ty::Option(Box::new(Ty::Is(Kind::Text))),
        _ => signature.result,
    };
    signature
}

/// Result of an instruction that says whether it worked, and that nobody should ignore.
pub fn can_fail(which: Instr) -> bool {
    matches!(which, Instr::CommitTx | Instr::Narrow | Instr::Post | Instr::Fetch)
}

/// After it, the state of the running object may be another: code of others ran, or a transaction ended.
pub fn may_change_state(which: Instr) -> bool {
    !matches!(
        which,
        Instr::SelfId
            | Instr::Input
            | Instr::Sender
            | Instr::CurrentMachine
            | Instr::GetState
            | Instr::SetState
            | Instr::CreateObj
            | Instr::Choose
            | Instr::ChooseWeighted
            | Instr::Require
            | Instr::Prefer
            | Instr::RequireOrder
            | Instr::Send
            | Instr::NewVar
            | Instr::ValueOf
            | Instr::Narrow
            | Instr::Post
            | Instr::DomainOf
            | Instr::Note
            | Instr::Random
            | Instr::Now
            | Instr::Args
            | Instr::GetController
            | Instr::GetCurrentController
            | Instr::GetMachine
    )
}
