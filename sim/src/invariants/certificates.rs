//! A removal has a certificate that anybody can check: statements of a quorum of the signed watch set (`membership:MB-5`).

use super::{Facts, Invariant};
use crate::peer::Seen;

pub(super) struct Certificates;

impl Invariant for Certificates {
    fn name(&self) -> &'static str {
        "certificates hold (membership:MB-5)"
    }

    fn seen(&mut self, _facts: &Facts<'_>, node: u32, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Removed { subject, proof: Err(why), .. } => Err(format!(
                "node {} took a certificate about node {} that does not hold: {why}",
                node + 1,
                subject + 1
            )),
            _ => Ok(()),
        }
    }
}
