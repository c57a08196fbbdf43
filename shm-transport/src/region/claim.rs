//! Claiming a torus: one live holder each, dead ones are replaced (`decisions:NODE-16`, `decisions:NODE-17`).

use super::Region;
use super::error::ClaimError;
use super::line::{LineView, State};
use super::open::{lock_life_cycle, unlock_life_cycle, wait_for_motion};
use super::side::Side;
use super::view::View;
use crate::liveness::{Existence, Process};
use nix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::Duration;

pub(super) fn claim(region: &Region, torus: u8, boot: u64, pid: u32) -> Result<Side<'_>, ClaimError> {
    let view = region.view();
    if torus >= view.tori() {
        return Err(ClaimError::NoSuchTorus { torus, tori: view.tori() });
    }
    if boot == 0 {
        return Err(ClaimError::ZeroBoot);
    }
    // A poisoned lock only means that another claim panicked; the line's state word tells what it left.
    let _one_at_a_time = region.claims.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let file = region.named.then(|| region.mapping.fd());
    if let Some(file) = file {
        lock_life_cycle(file, Path::new("(open region)"))?;
    }
    let result = take(&view, region.patience, torus, boot, pid);
    if let Some(file) = file {
        unlock_life_cycle(file);
    }
    result
}

fn take<'r>(view: &View<'r>, patience: Duration, torus: u8, boot: u64, pid: u32) -> Result<Side<'r>, ClaimError> {
    if !view.is_current() {
        return Err(ClaimError::Renewed { expected: view.epoch() });
    }
    let line = view.line(torus);
    let seen = line.view();
    judge(view, &seen, patience)?;
    if !line.take(&seen, boot, Process::of(pid)) {
        return Err(ClaimError::Raced { torus });
    }
    Ok(Side::new(*view, torus, boot, seen))
}

/// Whether the line may be taken from whoever it names.
fn judge(view: &View<'_>, seen: &LineView, patience: Duration) -> Result<(), ClaimError> {
    let held = |evidence| {
        let age_ms = seen.age_ns(monotonic_ns()) / 1_000_000;
        Err(ClaimError::Held { holder: *seen, evidence, age_ms })
    };
    match seen.state {
        State::Free | State::Retired | State::Abandoned => Ok(()),
        // A claim takes microseconds, and on this host it is made under a lock that we hold: one that stays is dead.
        State::Claiming | State::Unknown => match wait_for_motion(view, &[*seen], patience) {
            true => Err(ClaimError::Raced { torus: seen.torus }),
            false => Ok(()),
        },
        State::Held => match seen.existence() {
            Existence::Alive => held("its process exists"),
            Existence::Gone => Ok(()),
            Existence::Unknown if wait_for_motion(view, &[*seen], patience) => held("its heartbeat moves"),
            Existence::Unknown => Ok(()),
        },
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
