//! Requests and replies of the control socket: JSON bodies of `POST /v1/<verb>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything a user may ask an agent to do. Each has a command line and a console equivalent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// `trefoil inject TORUS DST --payload P`: put events into a torus through its injection ring.
    Inject {
        /// Torus name, as in the configuration.
        torus: String,
        /// Destination cell, 0..32767.
        dst: u32,
        /// Source cell the event shall carry, 0..32767.
        #[serde(default)]
        src: u32,
        /// Payload (the relay reads it as a signed 32-bit number).
        #[serde(default)]
        payload: i64,
        /// How many equal events.
        #[serde(default = "one")]
        count: u32,
    },
    /// `trefoil torus pause TORUS`.
    Pause {
        /// Torus name.
        torus: String,
    },
    /// `trefoil torus resume TORUS`.
    Resume {
        /// Torus name.
        torus: String,
    },
    /// `trefoil torus step TORUS [--count N]`: execute N events of a paused torus.
    Step {
        /// Torus name.
        torus: String,
        /// How many events.
        #[serde(default = "one")]
        count: u32,
    },
    /// `trefoil torus interval TORUS TICKS`: set the braid interval; `adaptive` hands it back to the rule.
    Interval {
        /// Torus name.
        torus: String,
        /// Ticks between exchanges, 100..10000; `None` returns to the adaptive rule.
        ticks: Option<u32>,
    },
    /// `trefoil torus mode rotate|ring`: change which projections every torus of the node applies.
    Mode {
        /// `rotate` or `ring`.
        mode: String,
    },
    /// `trefoil stop`: bounded, clean stop of the node. Braces, although it has no fields: a unit variant would take any field
    /// that comes with it, in spite of `deny_unknown_fields`.
    Stop {},
    /// `trefoil propose KIND [VALUE]`: open a ballot (`decisions:CLU-9`).
    Propose {
        /// `mode`, `power-limit`, `shutdown`, `reformation`, `quarantine`, `custom0`..`custom3`.
        kind: String,
        /// What it is about: a mode number, watts, or for quarantine the node.
        value: u32,
        /// `local` (neighbours) or `cluster` (the configured voters); quarantine is always `cluster`.
        scope: String,
        /// `more-than-half`, `two-thirds` or `all`.
        threshold: String,
    },
    /// `trefoil ballots vote PROPOSER NUMBER yes|no|abstain`: answer a ballot that policy leaves to the operator.
    Vote {
        /// Proposer of the ballot.
        proposer: u32,
        /// Number of the ballot.
        number: u64,
        /// `yes`, `no` or `abstain`.
        vote: String,
    },
    /// `trefoil leave`: leave the cluster in order; final for this incarnation (`membership:MB-11`).
    Leave {},
    /// `trefoil drain on|off`: the load field says no, work is handed to neighbours.
    Drain {
        /// On or off.
        on: bool,
    },
    /// `trefoil maintenance NODE 10m`: nobody removes NODE for so long (`decisions:CLU-19`).
    Maintenance {
        /// Name or number of the node.
        node: String,
        /// For how long, s; 0 ends it.
        seconds: u32,
    },
    /// `trefoil forget NODE`: drop a removed node's tombstone and record (`decisions:CLU-19`).
    Forget {
        /// Name or number of the node.
        node: String,
    },
    /// `trefoil join grant|refuse NODE`: decide about a node that asks to be a founder's peer before forming.
    Join {
        /// Number of the node.
        node: u32,
        /// True grants, false refuses.
        grant: bool,
    },
    /// `trefoil mesh resume`: open the safety valve after a look (`decisions:CLU-14`).
    ResumeRemovals {},
}

fn one() -> u32 {
    1
}

impl Request {
    /// The command line that does the same, for the console's confirmation dialogue (`console` law: people learn it).
    #[must_use]
    pub fn command_line(&self) -> String {
        match self {
            Self::Inject { torus, dst, src, payload, count } => {
                format!("trefoil inject {torus} {dst} --src {src} --payload {payload} --count {count}")
            }
            Self::Pause { torus } => format!("trefoil torus pause {torus}"),
            Self::Resume { torus } => format!("trefoil torus resume {torus}"),
            Self::Step { torus, count } => format!("trefoil torus step {torus} --count {count}"),
            Self::Interval { torus, ticks: Some(ticks) } => format!("trefoil torus interval {torus} {ticks}"),
            Self::Interval { torus, ticks: None } => format!("trefoil torus interval {torus} adaptive"),
            Self::Mode { mode } => format!("trefoil torus mode {mode}"),
            Self::Stop {} => "trefoil stop".to_owned(),
            Self::Propose { kind, value, scope, threshold } => {
                format!("trefoil propose {kind} {value} --scope {scope} --threshold {threshold}")
            }
            Self::Vote { proposer, number, vote } => format!("trefoil ballots vote {proposer} {number} {vote}"),
            Self::Leave {} => "trefoil leave".to_owned(),
            Self::Drain { on } => format!("trefoil drain {}", if *on { "on" } else { "off" }),
            Self::Maintenance { node, seconds } => format!("trefoil maintenance {node} {seconds}s"),
            Self::Forget { node } => format!("trefoil forget {node}"),
            Self::Join { node, grant } => format!("trefoil join {} {node}", if *grant { "grant" } else { "refuse" }),
            Self::ResumeRemovals {} => "trefoil mesh resume".to_owned(),
        }
    }

    /// The torus the request is about, if it is about one.
    #[must_use]
    pub fn torus(&self) -> Option<&str> {
        match self {
            Self::Inject { torus, .. }
            | Self::Pause { torus }
            | Self::Resume { torus }
            | Self::Step { torus, .. }
            | Self::Interval { torus, .. } => Some(torus),
            _ => None,
        }
    }
}

/// What the agent answers to a request it carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// One line for a person: what was done.
    pub message: String,
    /// How many events a request moved (inject, step), if it moved any.
    #[serde(default)]
    pub count: u64,
}

/// What stood in the way of a request; each has an exit code of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// It was carried out, and the program that it ran failed. What that program had committed stays.
    Failed,
    /// The program is refused: it does not compile, or asks for what is not granted. Nothing was changed.
    Program,
    /// The agent does not do it; nothing was changed. Also a kind that only a newer agent knows.
    #[default]
    #[serde(other)]
    Refused,
}

impl RefusalKind {
    fn is_plain(&self) -> bool {
        *self == Self::Refused
    }
}

/// What the agent answers to a request it did not carry out. Nothing was changed, unless its kind says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What was wrong, with the value, what was expected and the remedy.
    pub error: String,
    /// True when the caller's identity is the reason: reading is allowed, changing is not.
    #[serde(default)]
    pub read_only: bool,
    /// What stood in the way.
    #[serde(default, skip_serializing_if = "RefusalKind::is_plain")]
    pub kind: RefusalKind,
}

impl Refusal {
    /// The agent does not do it; nothing was changed.
    #[must_use]
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }

    /// Of another kind.
    #[must_use]
    pub fn of(self, kind: RefusalKind) -> Self {
        Self { kind, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_its_kind_only_when_it_is_another() {
        let plain = serde_json::to_string(&Refusal::new("no")).expect("it is plain data");
        assert_eq!(plain, r#"{"error":"no","read_only":false}"#);
        let failed = Refusal::new("no").of(RefusalKind::Failed);
        let text = serde_json::to_string(&failed).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Refusal>(&text).expect("it is read"), failed);
        let newer = r#"{"error":"no","kind":"of-a-newer-agent"}"#;
        assert_eq!(serde_json::from_str::<Refusal>(newer).expect("it is read"), Refusal::new("no"));
    }
}
