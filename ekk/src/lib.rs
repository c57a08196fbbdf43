//! Coordination without a leader, as a pure state machine: time and messages in, effects out.
#![no_std]
#![forbid(unsafe_code)]
