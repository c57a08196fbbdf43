//! `trefoil events`.

use std::time::Duration;

use control::StatusSource;
use control::snapshot::{EventSnapshot, Severity};

use super::super::table::clean;
use super::super::{Failure, out};

/// Between two looks while following.
const LOOK: Duration = Duration::from_millis(250);

/// Prints the newest events, oldest first; with `follow` also what comes, across restarts of the agent.
pub(super) fn events(source: &mut dyn StatusSource, follow: bool, json: bool) -> Result<(), Failure> {
    let mut last = Last::default();
    loop {
        match source.poll() {
            Ok(snapshot) => {
                for event in last.fresh(snapshot.node.boot_id, &snapshot.events) {
                    match event {
                        Entry::Gap(lost) => {
                            out::note(&format!("{lost} events were overwritten before they could be read"))
                        }
                        Entry::Event(event) if json => {
                            out::line(&serde_json::to_string(event).map_err(Failure::failed)?);
                        }
                        Entry::Event(event) => out::line(&line(event)),
                    }
                }
            }
            Err(error) if !follow || !last.attached => return Err(error.into()),
            // Was there, may come back.
            Err(_) => {}
        }
        if !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// The newest event seen, of which boot.
#[derive(Debug, Default)]
struct Last {
    attached: bool,
    boot: u64,
    number: u64,
}

/// What is to be printed.
#[derive(Debug, PartialEq)]
enum Entry<'e> {
    Gap(u64),
    Event(&'e EventSnapshot),
}

impl Last {
    fn fresh<'e>(&mut self, boot: u64, events: &'e [EventSnapshot]) -> Vec<Entry<'e>> {
        if self.boot != boot {
            (self.boot, self.number) = (boot, 0);
        }
        let new: Vec<&EventSnapshot> = events.iter().filter(|event| event.number > self.number).collect();
        let mut out = Vec::with_capacity(new.len() + 1);
        if let (true, Some(first)) = (self.attached && self.number > 0, new.first())
            && first.number > self.number + 1
        {
            out.push(Entry::Gap(first.number - self.number - 1));
        }
        self.number = new.last().map_or(self.number, |event| event.number);
        self.attached = true;
        out.extend(new.into_iter().map(Entry::Event));
        out
    }
}

fn line(event: &EventSnapshot) -> String {
    let seconds = event.at_unix_ns / 1_000_000_000 % 86_400;
    let word = match event.severity {
        Severity::Info => "info",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}Z  {word:<8}{}", clean(&event.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> EventSnapshot {
        let at_unix_ns = (3_600 + 62) * 1_000_000_000;
        EventSnapshot { number, at_unix_ns, severity: Severity::Notice, torus: None, text: format!("e{number}") }
    }

    #[test]
    fn each_event_is_told_once_and_gaps_are_said() {
        let mut last = Last::default();
        let events: Vec<_> = (5..8).map(event).collect();
        assert_eq!(last.fresh(1, &events).len(), 3, "what is there at the start is no gap");
        assert!(last.fresh(1, &events).is_empty());
        let later: Vec<_> = (10..12).map(event).collect();
        assert_eq!(last.fresh(1, &later)[0], Entry::Gap(2));
        assert_eq!(last.fresh(2, &events).len(), 3, "another boot counts from its own start");
        assert_eq!(line(&events[0]), "01:01:02Z  notice  e5");
    }
}
