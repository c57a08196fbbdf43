//! The link thread: datagrams, sessions, the `ekk` node, remote tori.
mod outbox;
