//! One node: all machines composed into one tick.
