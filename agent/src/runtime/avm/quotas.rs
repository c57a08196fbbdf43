//! How many executions users have that have not ended (`decisions:AVM-23k`): counted over all tori, and taken before the start, so
//! that requests of one user that come together cannot pass the quota together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The counters of all users.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<BTreeMap<u32, Arc<AtomicU64>>>);

/// Places of a user that are taken and have no execution yet; dropped, they are free again.
#[derive(Debug)]
pub struct Places {
    counter: Arc<AtomicU64>,
    left: u64,
}

/// The place of one execution; dropped when it ends.
#[derive(Debug)]
pub struct Place(Arc<AtomicU64>);

impl Quotas {
    /// Takes `count` places of `most`.
    ///
    /// # Errors
    /// How many the user has, when there are not enough left; nothing is taken then.
    pub fn take(&self, user: u32, count: u32, most: u32) -> Result<Places, u64> {
        let counter = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(user).or_default());
        let more = |have: u64| have.checked_add(u64::from(count)).filter(|sum| *sum <= u64::from(most));
        counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, more)?;
        Ok(Places { counter, left: u64::from(count) })
    }
}

impl Places {
    /// Some of them, for one step of a start.
    #[must_use]
    pub fn split(&mut self, count: u32) -> Self {
        let count = u64::from(count).min(self.left);
        self.left -= count;
        Self { counter: Arc::clone(&self.counter), left: count }
    }

    /// One, for an execution that has been started.
    pub fn one(&mut self) -> Option<Place> {
        self.left = self.left.checked_sub(1)?;
        Some(Place(Arc::clone(&self.counter)))
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.left, Ordering::AcqRel);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_at_once_and_come_back() {
        let quotas = Quotas::default();
        let mut first = quotas.take(7, 3, 5).expect("there are five");
        assert_eq!(quotas.take(7, 3, 5).map(|_| ()), Err(3));
        assert!(quotas.take(8, 5, 5).is_ok(), "another user has places of his own");
        let running = first.one();
        let mut part = first.split(9);
        assert!(first.one().is_none() && part.one().is_some(), "one of the part was dropped on the spot");
        drop((first, part));
        assert_eq!(quotas.take(7, 5, 5).map(|_| ()), Err(1));
        drop(running);
        assert!(quotas.take(7, 5, 5).is_ok());
    }

    // decisions:AVM-23k: however many ask together, no more get through than there are places.
    #[test]
    fn requests_that_come_together_do_not_pass_the_quota() {
        let quotas = Quotas::default();
        let got: usize = std::thread::scope(|scope| {
            let ask = || (0..100).filter_map(|_| quotas.take(7, 1, 50).ok()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let all: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            all.iter().map(Vec::len).sum()
        });
        assert_eq!(got, 50);
    }
}
