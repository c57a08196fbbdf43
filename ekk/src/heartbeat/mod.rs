//! Liveness of watched peers.
