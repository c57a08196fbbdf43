//! The cluster as a node runs it: two planes, two threads, and nothing shared between them but the bridge.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`bridge`] | what the link thread and the reliable plane tell each other |
//! | [`settings`] | what the cluster part of a configuration comes to |
//! | [`link`] | the link thread: datagrams, sessions, the `ekk` node, remote tori |
//! | [`directory`] | who is and was a member, as this node knows it |
//! | [`mirror`] | tori of other nodes as sides of the local region |
//! | [`identity`] | CA, certificates, member cards, keys, signatures |
//! | [`names`] | names of the file, resolved now or later |
//! | [`start`], [`state`] | composition, and what outlives the process |
//! | [`reliable`] | QUIC between nodes: keys of the fast plane, snapshots |

pub mod bridge;
pub mod directory;
pub mod identity;
pub mod link;
pub mod mirror;
pub mod names;
pub mod reliable;
pub mod settings;
pub mod start;
pub mod state;
