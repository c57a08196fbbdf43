//! The reliable plane: QUIC between nodes, mutual TLS, keys of the fast plane, snapshots.
