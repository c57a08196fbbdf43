//! The cluster under virtual time: the code of the agent, driven from one seed.
#![forbid(unsafe_code)]
