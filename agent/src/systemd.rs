//! What the service manager is told: READY, STATUS, WATCHDOG, STOPPING (`sd_notify`). Without one all of it does nothing.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::runtime::Beat;

/// The service manager, if there is one.
#[derive(Debug)]
pub struct Systemd {
    present: bool,
    /// The manager kills the process when it is not fed for so long.
    watchdog: Option<Duration>,
    fed: Option<Instant>,
    starving: bool,
}

impl Systemd {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    #[must_use]
    pub fn new() -> Self {
        let present = std::env::var_os("NOTIFY_SOCKET").is_some();
        Self { present, watchdog: sd_notify::watchdog_enabled(), fed: None, starving: false }
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// The node runs.
    pub fn ready(&self) {
        self.say(&[NotifyState::Ready, NotifyState::Status("running")]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        self.say(&[NotifyState::Status(line)]);
    }

    /// The node stops, and why.
    pub fn stopping(&self, why: &str) {
        self.say(&[NotifyState::Stopping, NotifyState::Status(&format!("stopping: {why}"))]);
    }

    /// Whether it is time to feed the watchdog: four times in its period.
    #[must_use]
    pub fn feed_due(&self) -> bool {
        let Some(period) = self.watchdog else { return false };
        self.fed.is_none_or(|fed| fed.elapsed() >= period / 4)
    }

    /// Feeds the watchdog if every torus thread came round lately. A paused torus comes round too (`decisions:NODE-20`).
    pub fn feed(&mut self, beats: &[Beat]) {
        let Some(period) = self.watchdog else { return };
        match stuck(beats, period / 2) {
            None => {
                self.starving = false;
                self.fed = Some(Instant::now());
                self.say(&[NotifyState::Watchdog]);
            }
            // Said once: the manager acts when the period is over.
            Some(why) if !self.starving => {
                self.starving = true;
                tracing::error!("watchdog not fed: {why}");
                self.status(&why);
            }
            Some(_) => {}
        }
    }

    fn say(&self, states: &[NotifyState<'_>]) {
        if self.present
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::debug!("sd_notify: {error}");
        }
    }
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

/// Which torus thread has not come round for `limit`, if one has not.
fn stuck(beats: &[Beat], limit: Duration) -> Option<String> {
    let late = beats.iter().find(|beat| beat.age > limit)?;
    Some(format!("torus {} has not come round for {:.1} s", late.name, late.age.as_secs_f32()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(name: &str, ms: u64) -> Beat {
        Beat { name: name.to_owned(), age: Duration::from_millis(ms), failed: None }
    }

    /// `decisions:NODE-20`: the watchdog is fed only while every torus moves.
    #[test]
    fn one_stuck_torus_starves_the_watchdog() {
        let limit = Duration::from_secs(1);
        assert_eq!(stuck(&[beat("A", 10), beat("B", 999)], limit), None);
        assert_eq!(stuck(&[], limit), None);
        let why = stuck(&[beat("A", 10), beat("B", 1500)], limit).expect("B is stuck");
        assert_eq!(why, "torus B has not come round for 1.5 s");

        let mut systemd =
            Systemd { present: false, watchdog: Some(Duration::from_secs(2)), fed: None, starving: false };
        assert!(systemd.feed_due());
        systemd.feed(&[beat("A", 1500)]);
        assert!(systemd.starving && systemd.fed.is_none() && systemd.feed_due());
        systemd.feed(&[beat("A", 5)]);
        assert!(!systemd.starving && !systemd.feed_due());
    }

    #[test]
    fn without_a_watchdog_nothing_is_due() {
        let mut systemd = Systemd { present: false, watchdog: None, fed: None, starving: false };
        assert!(!systemd.feed_due());
        systemd.feed(&[beat("A", 9_999_999)]);
        assert!(!systemd.starving);
    }
}
