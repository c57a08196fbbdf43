//! How large a module may be. Each bound has a name, so that a refusal can say which one was met.

/// Most bytes of an encoded module.
pub const MODULE_BYTES: usize = 16 << 20;
/// Most operations of one function.
pub const FUNCTION_OPS: usize = 1 << 18;
/// Most operations of a module.
pub const MODULE_OPS: usize = 1 << 20;
/// Most functions of a module: an operation names one in 16 bits.
pub const FUNCTIONS: usize = 1 << 16;
/// Most constants of a module: an operation names one in 16 bits.
pub const CONSTANTS: usize = 1 << 16;
/// Most behaviours, pure functions, entries or tests of a module, each.
pub const NAMED: usize = 1 << 12;
/// Most source files of a module.
pub const FILES: usize = 1 << 12;
/// Most bytes of a name.
pub const NAME_BYTES: usize = 256;
/// Deepest nesting of a constant, and of a value that is decoded: every walk over a value may use the host stack.
pub const VALUE_DEPTH: usize = 48;
/// Most values inside all constants of a module, the constants themselves included.
pub const VALUES: usize = 1 << 20;
/// Deepest nesting of a message's shape.
pub const SHAPE_DEPTH: usize = 16;
/// Most message shapes of a behaviour, and most parts of a message shape.
pub const SHAPES: usize = 1 << 10;
