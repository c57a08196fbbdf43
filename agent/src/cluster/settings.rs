//! What the cluster part of a configuration comes to, in plain values.
