//! Log lines to standard error (journald takes them from there), at most so many a second (`decisions:NODE-20`).

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging for the process. A second call does nothing.
///
/// `filter` is a level or `target=level,...`; a broken one falls back to `info` (a checked configuration has none).
pub fn start(filter: &str, lines_per_s: u32) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = Limited { gate: Arc::new(Mutex::new(Rate::new(lines_per_s))), begun: Instant::now() };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colour);
    // The journal stamps lines itself.
    let _ =
        if std::env::var_os("JOURNAL_STREAM").is_some() { layer.without_time().try_init() } else { layer.try_init() };
}

/// Standard error, limited.
#[derive(Debug, Clone)]
struct Limited {
    gate: Arc<Mutex<Rate>>,
    begun: Instant,
}

impl<'w> MakeWriter<'w> for Limited {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        let second = self.begun.elapsed().as_secs();
        match self.gate.lock().unwrap_or_else(PoisonError::into_inner).line(second) {
            Verdict::Write => Line::Open,
            Verdict::WriteAfter(lost) => {
                let _ = writeln!(std::io::stderr(), "{lost} log lines suppressed: more than node.log_lines_per_s");
                Line::Open
            }
            Verdict::Drop => Line::Shut,
        }
    }
}

/// One log line: passed on or swallowed.
#[derive(Debug)]
enum Line {
    Open,
    Shut,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Open => std::io::stderr().write(bytes),
            Self::Shut => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What happens to a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Write,
    /// Write it, after saying that so many were dropped before.
    WriteAfter(u64),
    Drop,
}

/// Counts lines of the current second.
#[derive(Debug)]
struct Rate {
    most: u32,
    second: u64,
    used: u32,
    dropped: u64,
}

impl Rate {
    fn new(most: u32) -> Self {
        Self { most, second: 0, used: 0, dropped: 0 }
    }

    fn line(&mut self, second: u64) -> Verdict {
        if second != self.second {
            self.second = second;
            self.used = 0;
        }
        if self.used >= self.most {
            self.dropped += 1;
            return Verdict::Drop;
        }
        self.used += 1;
        match std::mem::take(&mut self.dropped) {
            0 => Verdict::Write,
            lost => Verdict::WriteAfter(lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `decisions:NODE-20`: a flood of lines is cut and counted.
    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut rate = Rate::new(2);
        let verdicts: Vec<Verdict> = (0..5).map(|_| rate.line(7)).collect();
        assert_eq!(verdicts, [Verdict::Write, Verdict::Write, Verdict::Drop, Verdict::Drop, Verdict::Drop]);
        assert_eq!(rate.line(8), Verdict::WriteAfter(3));
        assert_eq!(rate.line(8), Verdict::Write);
        assert_eq!(rate.line(8), Verdict::Drop);
    }
}
