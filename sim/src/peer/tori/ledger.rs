//! What the tori of a braid did, written down outside of them: every token is somewhere, and nothing is applied twice.

use std::collections::BTreeMap;

use torus::Counters;

/// One boot of a torus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Book {
    /// Its node.
    pub node: u32,
    /// Counters as of its last turn.
    pub counters: Counters,
    /// Pieces of work it holds, or held when it died.
    pub load: u64,
    /// Exchanges so far.
    pub round: u64,
    /// It lives.
    pub is_alive: bool,
}

/// Messages from one boot to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Given to the ring.
    pub sent: u64,
    /// Applied by the receiver.
    pub taken: u64,
}

/// Everything counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Boots of tori by boot id.
    pub books: BTreeMap<u64, Book>,
    /// Flows by sender's and receiver's boot.
    pub flows: BTreeMap<(u64, u64), Flow>,
    /// Tokens put in at the start.
    pub injected: u64,
    /// Hand-overs whose receiver died before it confirmed them.
    pub in_doubt: u64,
    /// Of the unconfirmed: applied again at their sender.
    pub redone: u64,
    /// Of the unconfirmed: given up.
    pub dropped: u64,
    /// Records that came twice, out of order, from another boot or damaged: must stay 0.
    pub wrong: u64,
    /// Breaks of conservation that a torus saw (`rse:B3`): must stay 0.
    pub breaks: u64,
    /// Projections sent.
    pub projections: u64,
    /// Projections left out because of the cap (`decisions:CLU-11`).
    pub coalesced: u64,
    /// Starts without memory for a torus.
    pub seatless: u64,
}

impl Ledger {
    /// The flow between two boots.
    pub fn flow(&mut self, from: u64, to: u64) -> &mut Flow {
        self.flows.entry((from, to)).or_default()
    }

    /// The living tori.
    pub fn living(&self) -> impl Iterator<Item = &Book> {
        self.books.values().filter(|book| book.is_alive)
    }

    /// Difference of the most and the least loaded living torus, pieces.
    #[must_use]
    pub fn spread(&self) -> u64 {
        let loads = || self.living().map(|book| book.load);
        loads().max().unwrap_or(0) - loads().min().unwrap_or(0)
    }

    /// Exchanges of the torus that made most.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.living().map(|book| book.round).max().unwrap_or(0)
    }

    /// Messages sent; those between two living boots that are under way; those that a dead end keeps from arriving.
    #[must_use]
    pub fn under_way(&self) -> (u64, u64, u64) {
        let lives = |boot: u64| self.books.get(&boot).is_some_and(|book| book.is_alive);
        let mut sums = (0, 0, 0);
        for (&(from, to), flow) in &self.flows {
            sums.0 += flow.sent;
            let open = flow.sent.saturating_sub(flow.taken);
            if lives(from) && lives(to) {
                sums.1 += open;
            } else {
                sums.2 += open;
            }
        }
        sums
    }

    /// Whether every token is somewhere: held by a living torus, gone down with a dead one, or under way; the unconfirmed ones
    /// that were done again are there once more (`rse:T4`, `decisions:CLU-12`).
    ///
    /// # Errors
    /// What does not add up.
    pub fn audit(&self) -> Result<(), String> {
        if self.wrong > 0 {
            return Err(format!("messages applied once (rse:U8): {} came twice or out of order", self.wrong));
        }
        if self.breaks > 0 {
            return Err(format!("conservation between tori (rse:B3): {} breaks seen", self.breaks));
        }
        if let Some(book) = self.books.values().find(|book| !book.counters.conserved()) {
            return Err(format!("conservation (rse:T4): node {}: {:?}", book.node + 1, book.counters));
        }
        if let Some((_, flow)) = self.flows.iter().find(|(_, flow)| flow.taken > flow.sent) {
            return Err(format!("messages applied once (rse:U8): {} applied of {}", flow.taken, flow.sent));
        }
        let held: u64 = self.books.values().map(|book| book.load).sum();
        let (_, living, dead) = self.under_way();
        let (there, put) = (held + living + dead, self.injected + self.redone);
        if there != put {
            return Err(format!("conservation (rse:T4, decisions:CLU-12): {there} tokens, {put} were put in"));
        }
        Ok(())
    }
}
