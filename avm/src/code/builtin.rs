//! The library: pure functions of values, called by `Op::Builtin`.

use serde::{Deserialize, Serialize};

macro_rules! builtins {
    ($($variant:ident $name:literal $arity:literal $doc:literal;)*) => {
        /// A library function. Wrong kinds are type errors, ranges outside are arithmetic errors, unless it says otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Builtin {
            $(#[doc = $doc] $variant,)*
        }

        impl Builtin {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name in the language.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many arguments it takes.
            #[must_use]
            pub const fn arity(self) -> u8 {
                match self { $(Self::$variant => $arity,)* }
            }

            /// What it does, one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// Finds one by name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

builtins! {
    Len "len" 1 "(list | text | bytes | record) -> number of elements; of a text, its bytes.";
    At "at" 2 "(list, index) -> element; also `list[index]`.";
    Get "get" 2 "(list | record, index | name) -> just element, or nothing.";
    SetAt "set_at" 3 "(list, index, value) -> list with one element replaced.";
    Push "push" 2 "(list, value) -> list with one more element at the end.";
    Concat "concat" 2 "(list, list) | (text, text) | (bytes, bytes) -> joined.";
    Slice "slice" 3 "(list | text | bytes, from, to) -> part; ends are cut to what is there.";
    Reverse "reverse" 1 "(list) -> from the end.";
    Sort "sort" 1 "(list) -> ascending, stable; elements must be comparable.";
    Contains "contains" 2 "(list, value) -> whether it is in; (text, text) -> whether it is part.";
    IndexOf "index_of" 2 "(list, value) -> just index of the first, or nothing.";
    Unique "unique" 1 "(list) -> first of each value, order kept.";
    Range "range" 2 "(from, to) -> list of numbers from `from` below `to`.";
    Zip "zip" 2 "(list, list) -> list of pairs, as long as the shorter.";
    Flatten "flatten" 1 "(list of lists) -> one list.";
    Sum "sum" 1 "(list of numbers) -> sum.";
    Min "min" 2 "(a, b) -> the lesser.";
    Max "max" 2 "(a, b) -> the greater.";
    Abs "abs" 1 "(number) -> without sign.";
    Text "text" 1 "(value) -> text as shown; a text stays as it is.";
    ParseInt "parse_int" 1 "(text) -> just number, or nothing.";
    Split "split" 2 "(text, separator) -> list of texts.";
    Join "join" 2 "(list of texts, separator) -> text.";
    BytesOf "bytes_of" 1 "(text | list of 0..255) -> bytes.";
    TextOf "text_of" 1 "(bytes) -> just text, or nothing when it is not UTF-8.";
    Sha256 "sha256" 1 "(bytes | text) -> bytes, 32.";
    KindOf "kind_of" 1 "(value) -> name of its kind.";
    With "with" 3 "(record, name, value) -> record with a field set.";
    Names "names" 1 "(record) -> list of field names.";
    Machine "machine" 1 "(text) -> machine of that name.";
    Controller "controller" 1 "(text) -> controller of that name.";
    Select "select" 3 "(truth, a, b) -> a when it holds, else b; it is no branch: choices and variables stay terms.";
    Decided "decided" 2 "(truth, truth) -> whether the first is known to be the second; what is decided at commit is not.";
    Distinct "distinct" 1 "(list) -> whether all its elements differ.";
}
