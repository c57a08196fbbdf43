//! Tori of other nodes as sides of the local region.
