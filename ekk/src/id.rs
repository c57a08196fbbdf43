//! Who is who: node ids, incarnations and lives (`decisions:CLU-7`).

use core::fmt;

/// The number of a node, unique in its cluster; zero is nobody and the greatest number is everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Nobody.
    pub const NONE: NodeId = NodeId(0);
    /// Everybody.
    pub const BROADCAST: NodeId = NodeId(u32::MAX);

    /// The id of one node; `None` for the two numbers that name nobody and everybody.
    pub const fn new(raw: u32) -> Option<NodeId> {
        match raw {
            0 | u32::MAX => None,
            _ => Some(NodeId(raw)),
        }
    }

    /// The number as it was carried, including nobody and everybody; check with [`NodeId::is_node`].
    pub const fn from_raw(raw: u32) -> NodeId {
        NodeId(raw)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether this names exactly one node.
    pub const fn is_node(self) -> bool {
        self.0 != 0 && self.0 != u32::MAX
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NodeId::NONE => f.write_str("none"),
            NodeId::BROADCAST => f.write_str("all"),
            NodeId(raw) => write!(f, "{raw}"),
        }
    }
}

/// One run of a node: death is final for a pair of incarnation and life, and the next one is a new being.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The node.
    pub id: NodeId,
    /// Counts starts of the node; kept across restarts.
    pub boot_inc: u32,
    /// Counts refutations within one incarnation.
    pub life: u16,
}

impl Identity {
    /// Whether this is a later being of the same node than `other`.
    pub const fn newer_than(&self, other: &Identity) -> bool {
        self.id.0 == other.id.0
            && (self.boot_inc > other.boot_inc || (self.boot_inc == other.boot_inc && self.life > other.life))
    }

    /// The being as one number that grows with each return: incarnation above life.
    pub const fn rank(&self) -> u64 {
        (self.boot_inc as u64) << 16 | self.life as u64
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.id, self.boot_inc, self.life)
    }
}
