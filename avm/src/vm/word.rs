//! A value in eight bytes: small numbers, truth values, identities, names, variables and texts of up to seven bytes inline,
//! everything else as the index of a node in the heap.

/// Bits of a number that stands inline.
const INT_BITS: u32 = 60;
const OBJECT_COUNTER: u64 = 1 << 36;

/// A value of a lane. `Copy`: references to nodes are counted by hand ([`super::heap::Heap::retain`], `release`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Value(pub(super) u64);

pub(super) const T_INT: u64 = 1;
pub(super) const T_OBJECT: u64 = 2;
pub(super) const T_TX: u64 = 3;
pub(super) const T_EXECUTION: u64 = 4;
pub(super) const T_MACHINE: u64 = 5;
pub(super) const T_CONTROLLER: u64 = 6;
pub(super) const T_VAR: u64 = 7;
pub(super) const T_TEXT: u64 = 8;
pub(super) const T_FUNCTION: u64 = 9;
pub(super) const T_REF: u64 = 15;

/// Kind of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Node {
    Text = 0,
    Bytes = 1,
    List = 2,
    Pair = 3,
    Just = 4,
    Record = 5,
    Int = 6,
    Object = 7,
    Tx = 8,
    Execution = 9,
    Closure = 10,
    Deferred = 11,
}

impl Node {
    pub(super) const fn of(bits: u64) -> Self {
        match bits & 15 {
            0 => Self::Text,
            1 => Self::Bytes,
            2 => Self::List,
            3 => Self::Pair,
            4 => Self::Just,
            5 => Self::Record,
            6 => Self::Int,
            7 => Self::Object,
            8 => Self::Tx,
            9 => Self::Execution,
            10 => Self::Closure,
            _ => Self::Deferred,
        }
    }

    /// Whether its payload is values.
    pub(super) const fn has_children(self) -> bool {
        matches!(self, Self::List | Self::Pair | Self::Just | Self::Record | Self::Closure | Self::Deferred)
    }
}

pub(super) const NOTHING: Value = Value(0);
pub(super) const FALSE: Value = Value(0x10);
pub(super) const TRUE: Value = Value(0x20);
/// The empty list.
pub(super) const EMPTY: Value = Value(0x30);
/// The root.
pub(super) const ROOT_REF: Value = Value(0x40);
/// A value that depends on a choice is in it.
pub(super) const TAINT: u64 = 1 << 8;
/// A function is in it.
pub(super) const FUNCTION: u64 = 1 << 9;
/// A variable is in it.
pub(super) const VARIABLE: u64 = 1 << 10;

impl Value {
    #[inline(always)]
    pub(super) const fn tag(self) -> u64 {
        self.0 & 15
    }

    #[inline(always)]
    pub(super) const fn is_ref(self) -> bool {
        self.0 & 15 == T_REF
    }

    /// Node reference.
    #[inline(always)]
    pub(super) const fn node(kind: Node, index: u32, flags: u64) -> Self {
        Self(T_REF | (kind as u64) << 4 | flags | (index as u64) << 32)
    }

    /// [`TAINT`], [`FUNCTION`] and [`VARIABLE`], as they hold for a node around it.
    #[inline(always)]
    pub(super) const fn flags(self) -> u64 {
        match self.0 & 15 {
            T_REF => self.0 & (TAINT | FUNCTION | VARIABLE),
            T_FUNCTION => FUNCTION,
            T_VAR => VARIABLE,
            _ => 0,
        }
    }

    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Kind of node of a reference; meaningless otherwise.
    #[inline(always)]
    pub(super) const fn node_kind(self) -> Node {
        Node::of(self.0 >> 4)
    }

    #[inline(always)]
    pub(super) const fn is_node(self, kind: Node) -> bool {
        self.0 & 0xff == T_REF | (kind as u64) << 4
    }

    /// Whether a value that depends on a choice is in it.
    #[inline(always)]
    pub(super) const fn tainted(self) -> bool {
        self.0 & (15 | TAINT) == T_REF | TAINT
    }

    /// Whether it is itself a value that depends on a choice.
    #[inline(always)]
    pub(super) const fn is_deferred(self) -> bool {
        self.is_node(Node::Deferred)
    }

    #[inline(always)]
    pub(super) const fn bool(truth: bool) -> Self {
        if truth { TRUE } else { FALSE }
    }

    #[inline(always)]
    pub(super) const fn is_int(self) -> bool {
        self.0 & 15 == T_INT
    }

    /// Inline number.
    #[inline(always)]
    pub(super) const fn small(self) -> i64 {
        (self.0 as i64) >> 4
    }

    /// Inline number when it fits.
    #[inline(always)]
    pub(super) const fn int(number: i64) -> Option<Self> {
        if number << (64 - INT_BITS) >> (64 - INT_BITS) == number {
            Some(Self((number as u64) << 4 | T_INT))
        } else {
            None
        }
    }

    /// Number of at most 32 bits.
    #[inline(always)]
    pub(super) const fn int32(number: i32) -> Self {
        Self((number as i64 as u64) << 4 | T_INT)
    }

    /// Identity of 64 bits as node 16, torus 8, counter 36, when the counter fits.
    pub(super) const fn id(tag: u64, id: u64) -> Option<Self> {
        let counter = id & ((1 << 40) - 1);
        if counter >= OBJECT_COUNTER {
            return None;
        }
        Some(Self(tag | counter << 4 | (id >> 40) << 40))
    }

    /// Identity that stands inline.
    #[inline(always)]
    pub(super) const fn id_bits(self) -> u64 {
        (self.0 >> 4) & (OBJECT_COUNTER - 1) | self.0 >> 40 << 40
    }

    /// Symbol, variable or function: 32 bits.
    #[inline(always)]
    pub(super) const fn word32(tag: u64, bits: u32) -> Self {
        Self(tag | (bits as u64) << 32)
    }

    #[inline(always)]
    pub(super) const fn bits32(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Text of at most seven bytes.
    pub(super) fn short(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > 7 {
            return None;
        }
        let mut word = [0; 8];
        word[1..=bytes.len()].copy_from_slice(bytes);
        word[0] = (T_TEXT as u8) | (bytes.len() as u8) << 4;
        Some(Self(u64::from_le_bytes(word)))
    }

    #[inline(always)]
    pub(super) const fn is_text(self) -> bool {
        self.tag() == T_TEXT || self.is_node(Node::Text)
    }

    #[inline(always)]
    pub(super) const fn is_list(self) -> bool {
        self.0 == EMPTY.0 || self.is_node(Node::List)
    }
}
