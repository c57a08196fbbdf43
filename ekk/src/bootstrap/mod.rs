//! Formation of a founding set without a leader.
