//! The tree of a program. Two trees are equal when they say the same, wherever it stands.

use std::sync::Arc;

use super::source::Span;
use crate::code::Instr;

/// A name where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: Arc<str>,
    /// Where.
    pub span: Span,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// `module name`.
    pub module: Option<Name>,
    /// `unsafe`.
    pub needs_unsafe: Option<Span>,
    /// `use name`.
    pub uses: Vec<Name>,
    /// What it defines, in order.
    pub items: Vec<Item>,
}

/// What a file defines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Item {
    Function(Function),
    Behaviour(Behaviour),
    Test(Test),
}

/// `fn` or `pure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: Name,
    /// Declared `pure`.
    pub pure: bool,
    /// Parameters.
    pub params: Vec<Param>,
    /// Kind of the result, when declared.
    pub result: Option<Type>,
    /// What it does.
    pub body: Block,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Name; `_` for one that is not used.
    pub name: Name,
    /// Kind, when declared.
    pub ty: Option<Type>,
}

/// A kind of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// Which.
    pub kind: TypeKind,
    /// Where.
    pub span: Span,
}

/// Kinds of values as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// `int`, `text`, ...
    Word(Arc<str>),
    /// `[T]`.
    List(Box<Type>),
    /// `(A, B)`.
    Pair(Box<Type>, Box<Type>),
    /// `T?`.
    Option(Box<Type>),
}

/// `behaviour name { ... }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Name.
    pub name: Name,
    /// State fields with their first values.
    pub state: Vec<(Name, Expr)>,
    /// Handlers, in order.
    pub handlers: Vec<Handler>,
}

/// `on tag(params) -> T { ... }` or `on message m { ... }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// First element of the message; of a catch-all the name it gets.
    pub tag: Name,
    /// Takes any message.
    pub catch_all: bool,
    /// The other elements.
    pub params: Vec<Param>,
    /// Kind of the reply, when declared.
    pub result: Option<Type>,
    /// What it does.
    pub body: Block,
}

/// `test "name" { ... }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Name.
    pub name: Name,
    /// What it does.
    pub body: Block,
}

/// `{ ... }`; its value is that of its last statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    /// Statements.
    pub statements: Vec<Stmt>,
    /// Where, braces included.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stmt {
    Let {
        mutable: bool,
        pattern: Pattern,
        ty: Option<Type>,
        value: Expr,
        span: Span,
    },
    /// `var q in domain`.
    Var {
        name: Name,
        domain: Expr,
        span: Span,
    },
    /// `name = value`, `name += value`, `name -= value`.
    Assign {
        name: Name,
        op: Option<BinaryOp>,
        value: Expr,
        span: Span,
    },
    Expr(Expr),
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
    /// Height of its tree; bounded by the parser.
    pub height: u16,
}

/// Operators of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Concat,
    Mul,
    Div,
    Mod,
}

/// Operators of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Neg,
    Not,
}

/// Element of a list: a value, or `..list` with all of its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// All of its elements.
    pub spread: bool,
    /// The value.
    pub value: Expr,
}

/// Arm of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// What it matches.
    pub pattern: Pattern,
    /// Further condition.
    pub guard: Option<Expr>,
    /// What it does.
    pub body: Block,
}

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Posted {
    Compare(BinaryOp, Expr, Expr),
    AllDifferent(Expr),
    Sum(BinaryOp, Expr, Expr),
    Table(Expr, Expr),
    Element(Expr, Expr, Expr),
}

/// Kinds of expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExprKind {
    Nothing,
    Root,
    Bool(bool),
    Int(i128),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// `@m1`.
    Machine(Arc<str>),
    /// `%c1`.
    Controller(Arc<str>),
    Name(Arc<str>),
    Just(Box<Expr>),
    List(Vec<Element>),
    Pair(Box<Expr>, Box<Expr>),
    Record(Vec<(Name, Expr)>),
    Range {
        from: Box<Expr>,
        to: Box<Expr>,
        /// `..` includes the end, `..<` does not.
        inclusive: bool,
    },
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Expr>),
    /// `target.tag(args)`.
    Method(Box<Expr>, Name, Vec<Expr>),
    Field(Box<Expr>, Name),
    Index(Box<Expr>, Box<Expr>),
    /// `call o m` or `send o m`.
    Message {
        send: bool,
        target: Box<Expr>,
        message: Box<Expr>,
    },
    Create {
        module: Option<Name>,
        name: Name,
        at: Option<Box<Expr>>,
    },
    /// `choose e`, `label e`, `solve e`, `solveAll e`, `note e`, `raise e`.
    Word(Instr, Box<Expr>),
    Require(Box<Expr>, Option<Box<Expr>>),
    /// `require o.a(x) before p.b(y) as "name"`: two calls.
    RequireOrder(Box<[Expr; 2]>, Option<Box<Expr>>),
    Prefer(Box<Expr>, Box<Expr>),
    Post(Box<Posted>),
    Assert(Box<Expr>),
    If {
        condition: Box<Expr>,
        then: Block,
        otherwise: Option<Block>,
    },
    Match(Box<Expr>, Vec<Arm>),
    For {
        pattern: Pattern,
        list: Box<Expr>,
        body: Block,
    },
    While(Box<Expr>, Block),
    Block(Block),
    Atomic(Option<Box<Expr>>, Block),
    /// `retry n atomic { }`.
    Retry(Box<Expr>, Box<Expr>),
    Lambda(Vec<Param>, Block),
    Return(Option<Box<Expr>>),
    Break,
    Continue,
    Decline,
    Reject,
    Abort,
    /// What could not be read; said already.
    Bad,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What.
    pub kind: PatternKind,
    /// Where.
    pub span: Span,
}

/// Kinds of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PatternKind {
    Any,
    Bind(Name, Option<Type>),
    /// A literal expression.
    Literal(Box<Expr>),
    Just(Box<Pattern>),
    Pair(Box<Pattern>, Box<Pattern>),
    /// `[p, q]`, `[p, ..]`, `[p, ..rest]`.
    List(Vec<Pattern>, Option<Option<Name>>),
    /// `tag(p, q)`: the list `["tag", p, q]`.
    Tag(Name, Vec<Pattern>),
    /// A record with these fields, and perhaps others.
    Record(Vec<(Name, Pattern)>),
    /// `p | q`; binds nothing.
    Or(Vec<Pattern>),
}
