//! What tori in a braid did.

use serde::Serialize;

use crate::peer::tori::Ledger;

/// Most difference of two of up to four tori once level, pieces: twice the tolerance of the braid. Among more the last pieces
/// move slowly (the gain is at most 1 / N, and givers step back for rivals unseen): one more for each further torus.
pub const SPREAD_MAX: u64 = 6;
/// Most exchanges after the last fault until the tori are level; a node that is down then for a second is 1,250 of them.
pub const ROUNDS_MAX: u64 = 2_500;

/// A braid, looked at from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Braided {
    /// What went against conservation, delivery or levelling.
    pub problem: Option<String>,
    /// Loads of the living tori at the end, pieces.
    pub loads: Vec<u64>,
    /// Tokens put in.
    pub injected: u64,
    /// Messages handed over.
    pub handed_over: u64,
    /// Of them under way between the living at the end.
    pub under_way: u64,
    /// Of them never applied because an end died.
    pub unapplied: u64,
    /// Unconfirmed when their receiver died, done again, dropped.
    pub in_doubt: [u64; 3],
    /// Projections sent, and left out by the cap.
    pub projections: [u64; 2],
    /// Exchanges of the torus that made most.
    pub rounds: u64,
    /// Exchanges from the last fault until the tori were level and stayed so.
    pub level_after: Option<u64>,
    /// Starts without memory for a torus.
    pub seatless: u64,
    /// Exchanges at the last fault.
    #[serde(skip)]
    calm_round: Option<u64>,
}

impl Braided {
    /// Looks at the tori once more.
    pub fn look(&mut self, ledger: &Ledger, is_calm: bool) {
        self.problem = self.problem.take().or_else(|| ledger.audit().err());
        let (handed_over, under_way, unapplied) = ledger.under_way();
        (self.handed_over, self.under_way, self.unapplied) = (handed_over, under_way, unapplied);
        self.loads = ledger.living().map(|book| book.load).collect();
        self.injected = ledger.injected;
        self.in_doubt = [ledger.in_doubt, ledger.redone, ledger.dropped];
        self.projections = [ledger.projections, ledger.coalesced];
        self.rounds = ledger.round();
        self.seatless = ledger.seatless;
        if is_calm {
            let calm = *self.calm_round.get_or_insert(self.rounds);
            let is_level = ledger.spread() <= SPREAD_MAX + (self.loads.len() as u64).saturating_sub(4);
            self.level_after = is_level.then(|| self.level_after.unwrap_or(self.rounds.saturating_sub(calm)));
        }
    }

    /// The run is over: the tori must be level since long (`rse:B2`).
    pub fn judge(&mut self, ledger: &Ledger) {
        let is_level = self.level_after.is_some_and(|rounds| rounds <= ROUNDS_MAX);
        if self.problem.is_none() && !is_level {
            let (spread, after) = (ledger.spread(), self.level_after);
            self.problem = Some(format!("levelling (rse:B2): {:?}, {spread} apart, level after {after:?}", self.loads));
        }
    }
}
