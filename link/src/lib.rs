//! The protocol between nodes, pure: frames, replay window, acknowledgements, reassembly, key epochs.
#![forbid(unsafe_code)]
