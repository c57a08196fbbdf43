//! Programs on the tori of a running node (`decisions:AVM-7`).
//!
//! | module | what it is |
//! | --- | --- |
//! | [`reactor`] | the torus's side: an event is a wake token, executing it is one quantum of one execution |
//! | [`timers`] | until when executions of a torus sleep |
//! | [`machine`] | the lane of a torus and what is remembered of its executions |
//! | [`desk`], [`parts`] | what a torus does beside events: jobs, answers, envelopes; what it is made from |
//! | [`ports`] | rings between the tori of this process: executions on their way, envelopes |
//! | [`solver`] | the pool of threads that answer what commits ask |
//! | [`manager`], [`requests`], [`look`] | the control side: load, start, look, stop |
//! | `loading`, `errands`, [`quotas`] | programs on all tori or on none; jobs and the wait for them; executions a user may have |
//! | [`publish`], `paging`, [`view`] | what is shown, in the words of the contract |
//! | [`programs`], [`helper`] | programs from sources, and the module every node has |

pub mod desk;
mod errands;
pub mod helper;
mod loading;
pub mod look;
pub mod machine;
pub mod manager;
mod paging;
pub mod parts;
pub mod ports;
pub mod programs;
pub mod publish;
pub mod quotas;
pub mod reactor;
pub mod requests;
pub mod solver;
pub mod timers;
pub mod view;

#[cfg(test)]
mod level_tests;
#[cfg(test)]
mod sleep_tests;
#[cfg(test)]
mod view_tests;
