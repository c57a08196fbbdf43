//! What an operator may ask of the cluster, with an answer for each.

use control::api::{Refusal, Reply, Request};
use ekk::id::NodeId;
use ekk::sign::Crypto;
use ekk::time::{Span, Time};

use super::engine::Engine;
use crate::runtime::events::Severity;

fn done(message: impl Into<String>) -> Result<Reply, Refusal> {
    Ok(Reply { message: message.into(), count: 0 })
}

fn refuse(error: impl Into<String>) -> Result<Reply, Refusal> {
    Err(Refusal::new(error))
}

impl<C: Crypto> Engine<'_, C> {
    /// Carries out a request, or says why not.
    pub(super) fn ask(&mut self, request: &Request, now_ns: u64) -> Result<Reply, Refusal> {
        let now = Time(now_ns);
        match request {
            Request::Leave {} => self.begin_leave(now_ns),
            Request::Drain { on } => {
                self.node.drain(*on);
                if !on {
                    self.call_off_leave();
                }
                let text = if *on { "draining: the load field says no" } else { "no longer draining" };
                self.tell.say(Severity::Notice, text.to_owned());
                done(text)
            }
            Request::Maintenance { node, seconds } => self.maintenance(node, *seconds, now_ns),
            Request::Forget { node } => self.forget(node),
            Request::Join { node, grant } => {
                let Some(id) = NodeId::new(*node) else {
                    return refuse(format!("{node} is no node; name 1 to 4294967294"));
                };
                if let Err(refusal) = self.node.join_decision(now, id, *grant, &mut self.outbox) {
                    return refuse(refusal.to_string());
                }
                done(format!("n{id}: {}", if *grant { "granted" } else { "refused" }))
            }
            Request::ResumeRemovals {} => {
                self.node.resume_removals(now);
                self.shown.valve.clear();
                self.tell.say(Severity::Notice, "removals go on, as asked".to_owned());
                done("removals go on")
            }
            Request::Propose { kind, value, scope, threshold } => self.propose(kind, *value, scope, threshold, now_ns),
            Request::Vote { proposer, number, vote } => self.vote(*proposer, *number, vote, now_ns),
            _ => refuse("not a request to the cluster"),
        }
    }

    /// A node by name or number.
    fn find(&self, node: &str) -> Result<NodeId, Refusal> {
        let found = self.directory.find(node).and_then(NodeId::new);
        found.ok_or_else(|| {
            Refusal::new(format!("no node {node} is known here; `trefoil mesh` lists them, by name or number"))
        })
    }

    fn maintenance(&mut self, node: &str, seconds: u32, now_ns: u64) -> Result<Reply, Refusal> {
        let id = self.find(node)?;
        let (now, span) = (Time(now_ns), Span::from_ms(u64::from(seconds) * 1_000));
        self.node.announce_maintenance(now, id, span, &mut self.crypto, &mut self.outbox);
        let name = self.name(id.get());
        let text = match seconds {
            0 => format!("maintenance of {name} ended"),
            _ => format!("maintenance of {name}: nobody removes it for being silent for {seconds} s"),
        };
        self.tell.say(Severity::Notice, text.clone());
        done(text)
    }

    fn forget(&mut self, node: &str) -> Result<Reply, Refusal> {
        let id = self.find(node)?;
        let name = self.name(id.get());
        let (there, here) = (self.node.forget(id), self.directory.forget(id.get()));
        if !there && !here {
            return refuse(format!("{name} takes part: only a node that was removed or left can be forgotten"));
        }
        self.tell.say(Severity::Notice, format!("{name} is forgotten, as asked"));
        done(format!("{name} is forgotten here"))
    }
}
