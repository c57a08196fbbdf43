//! The catalogue of what the checker says. Codes are stable: a code never changes its meaning.

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $doc:literal;)*) => {
        /// What is wrong. `E...` are errors, `W...` warnings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $variant,)*
        }

        impl Code {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is printed: `E010`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Whether it forbids the program.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program is refused.
    Error,
    /// The program runs; what is said is most likely not what was meant.
    Warning,
}

codes! {
    NotUtf8 "E001" Error "The file is not UTF-8.";
    UnknownCharacter "E002" Error "A character that begins nothing of the language.";
    OpenText "E003" Error "A text without its closing quote on the same line.";
    BadEscape "E004" Error "An escape that is none of `\\n \\r \\t \\0 \\\\ \\\" \\u{..}`.";
    NumberRange "E005" Error "A number outside -2^63 to 2^64 - 1.";
    BadBytes "E006" Error "A bytes literal without an even number of hexadecimal digits.";
    BadNumber "E007" Error "A number with a letter or a point in it.";
    FileSize "E008" Error "A file of more than 1 MiB, or too many files.";
    Unexpected "E010" Error "Something else was expected here.";
    TooDeep "E011" Error "Nesting of more than 64 levels.";
    StatementEnd "E012" Error "Two statements on a line without `;`.";
    NotClosed "E013" Error "A bracket that is never closed.";
    Reserved "E014" Error "A word of the language used as a name.";
    Chained "E015" Error "Comparisons in a row, as in `a < b < c`.";
    NotConstraint "E016" Error "What stands after `post` is no constraint.";
    BadTarget "E017" Error "The left side of `=` cannot be assigned to.";
    NoModule "E018" Error "The file does not begin with `module name`, or files disagree on it.";
    BadRest "E019" Error "`..rest` in a pattern stands elsewhere than at the end.";
    UnknownName "E100" Error "Nothing has this name.";
    UnknownBehaviour "E101" Error "No behaviour has this name.";
    UnknownModule "E102" Error "The module is not to be found, or not named by `use`.";
    Duplicate "E103" Error "The same name twice.";
    Taken "E104" Error "The name belongs to an instruction, a library function, a form of the language, or the node.";
    Immutable "E105" Error "Assignment to what is not declared `mut`.";
    Captured "E106" Error "Assignment, inside a closure, to what is outside of it.";
    Arity "E110" Error "The wrong number of arguments.";
    Kind "E111" Error "A value of the wrong kind.";
    NotCallable "E112" Error "What is called is no function.";
    UnknownType "E113" Error "No kind of value has this name.";
    Message "E114" Error "The behaviour takes no such message.";
    NeedsUnsafe "E120" Error "An unsafe instruction in a module that does not say `unsafe`.";
    NotPure "E121" Error "A pure function that does something.";
    LeavesAtomic "E123" Error "`return`, `break`, `continue` or `decline` out of an `atomic` block.";
    OutsideAtomic "E124" Error "`abort` outside of an `atomic` block.";
    OutsideHandler "E125" Error "`decline` or `reject` outside of a behaviour's handler.";
    OutsideLoop "E126" Error "`break` or `continue` outside of a loop.";
    ReturnInClosure "E127" Error "`return` inside a closure.";
    NotExhaustive "E131" Error "A `match` that does not cover all values.";
    Registers "E140" Error "A function that needs more than 250 registers.";
    Constants "E141" Error "A module with more than 65535 constants.";
    Functions "E142" Error "A module with more than 65535 functions.";
    Arguments "E143" Error "More than 32 parameters or arguments.";
    CodeSize "E144" Error "A function of more than 262128 operations.";
    Elements "E145" Error "A pattern, record or state with more than 200 parts.";
    LongName "E146" Error "A name of no characters, or of more than 100 bytes.";
    UnusedValue "W200" Warning "A value that nothing uses.";
    Unreachable "W201" Warning "Code that is never reached.";
    UnusedName "W202" Warning "A name that nothing uses.";
    UnusedResult "W203" Warning "The result of something that can fail is ignored.";
    ReceiveWithChoices "W204" Warning "`receive` in an `atomic` block after a choice: a blocking receive fails there.";
    UnusedUse "W205" Warning "A `use` of which nothing is used.";
    UnneededUnsafe "W206" Warning "`unsafe` without need.";
    UnneededMut "W207" Warning "`mut` without need.";
    Shadowed "W208" Warning "A match arm that an earlier one covers.";
}
