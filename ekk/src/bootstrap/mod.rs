//! Formation of a founding set without a leader: *may this node treat the cluster as formed?*
//!
//! [`Machine`] is the decision: a pure Mealy machine declared as the table in [`table`]; inputs in, ordered outputs out, no clock.
//! [`Driver`] is the protocol around it: retries with back-off, answers, deadline, budget; time is an argument and messages leave
//! through the sink. With [`Rules::SEED`] the machine behaves as the seed does, step by step; [`Rules::PRODUCT`] adds incarnations,
//! epochs, adoption, reasons (`decisions:CLU-8`, `decisions:CLU-10`).

mod config;
mod driver;
mod effect;
mod io;
mod machine;
mod members;
mod observer;
mod pace;
mod signal;
pub mod table;
mod view;
mod waiting;

pub use config::{Config, ConfigError, Field, Formation, OnDeadline, Over, Policy, Role, Rule, Rules, Stamp, Warning};
pub use driver::{Driver, JoinPolicy, Settings, Tally};
pub use io::{Input, InputKind, Output, Outputs, Refusal, Signal, Verdict};
pub use machine::{Machine, Step};
pub use members::WORD;
pub use observer::{Brief, NoObserver, Observer, Record, Ring};
pub use table::State;
pub use view::{Admissible, Label, View};
pub use waiting::{Guest, GuestKind, Progress, Reason, Waiting};
