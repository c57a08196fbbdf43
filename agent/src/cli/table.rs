//! The status table: who the node is, the worst thing, one row a torus.

use std::time::Duration;

use control::Snapshot;
use control::seed::SeedSnapshot;
use control::snapshot::{Pages, PeerState, Phase, TorusSnapshot, TorusState};

use super::units::{bytes, si};

/// A page that has not been written for so long belongs to an agent that hangs or is gone.
const SILENT: Duration = Duration::from_secs(2);

/// The table of a node now; `before` is an earlier look, for rates.
pub(super) fn table(now: &Snapshot, before: Option<&Snapshot>) -> String {
    let mut out = head(now);
    let titles = ["TORUS", "STATE", "CORE", "RATE", "CLOCK", "PENDING", "REJECTED", "LOAD", "OUT / IN", "PEERS"];
    let mut rows: Vec<Vec<String>> = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(now.tori.iter().map(|torus| row(torus, before)));
    out.push_str(&aligned(&rows));
    for (torus, seed) in now.tori.iter().filter_map(|torus| Some((torus, torus.seed.as_ref()?))) {
        out.push_str(&format!("  {}: {}\n", clean(&torus.name), seed_line(seed)));
    }
    for torus in now.tori.iter().filter(|torus| !torus.reason.is_empty()) {
        out.push_str(&format!("  {}: {}\n", clean(&torus.name), clean(&torus.reason)));
    }
    out
}

fn head(now: &Snapshot) -> String {
    let node = &now.node;
    let phase = match node.phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
        Phase::Unknown => "in a state this program does not know",
    };
    let silent = now.silent_for();
    let ended = matches!(node.phase, Phase::Stopped | Phase::Failed);
    let verdict = if silent > SILENT && !ended {
        format!("x agent silent for {} s: it hangs or was killed", silent.as_secs())
    } else if ended && node.worst.is_empty() {
        "agent has ended; this is its last page".to_owned()
    } else if ended {
        format!("agent has ended; last: {}", clean(&node.worst))
    } else if !node.worst.is_empty() {
        format!("! {}", clean(&node.worst))
    } else if node.phase == Phase::Running {
        "all right".to_owned()
    } else {
        phase.to_owned()
    };
    let up = Duration::from_nanos(node.now_unix_ns.saturating_sub(node.started_unix_ns));
    let waiting = if node.spin { "spin" } else { "adaptive" };
    let pages = match node.region_pages {
        Pages::Base => "4 KiB",
        Pages::Transparent => "transparent huge",
        Pages::Huge => "2 MiB",
    };
    let region = if node.region_path.is_empty() {
        "private to the process".to_owned()
    } else {
        format!("{}, {}", clean(&node.region_path), clean(&node.region_join))
    };
    let mut out = format!(
        "{}  pid {}  {phase}  up {}  {}  {waiting} waiting  {verdict}\nregion {region}, {}, {pages} pages\n",
        clean(&node.name),
        node.pid,
        span(up),
        clean(&node.mode),
        bytes(node.region_bytes as f64),
    );
    if !node.backing_reason.is_empty() {
        out.push_str(&format!("  {}\n", clean(&node.backing_reason)));
    }
    out
}

fn row(torus: &TorusSnapshot, before: Option<&Snapshot>) -> Vec<String> {
    let state = match torus.state {
        TorusState::Starting => "o starting",
        TorusState::Run => "* run",
        TorusState::Paused => "= paused",
        TorusState::Waiting => "* waiting",
        TorusState::Stopped => "o stopped",
        TorusState::Failed => "x failed",
        TorusState::Unknown => "? unknown",
    };
    let core = torus.core.map_or_else(|| "-".to_owned(), |core| core.to_string());
    let shared = if torus.core_shared { " shared" } else { "" };
    let load = torus.load_runnable.saturating_add(torus.pending).saturating_add(torus.load_suspended);
    vec![
        clean(&torus.name),
        state.to_owned(),
        format!("{core}{shared}"),
        rate(torus, before).map_or_else(|| "-".to_owned(), |rate| format!("{} ev/s", si(rate).trim_end())),
        grouped(torus.clock_ticks),
        grouped(torus.pending),
        grouped(torus.rejected),
        si(load as f64).trim_end().to_owned(),
        format!("{} / {}", si(torus.handed_out as f64).trim_end(), si(torus.handed_in as f64).trim_end()),
        peers(torus),
    ]
}

/// Events a second since the earlier look, by the torus's own clock of writing.
fn rate(torus: &TorusSnapshot, before: Option<&Snapshot>) -> Option<f64> {
    let earlier = before?.tori.iter().find(|earlier| earlier.id == torus.id && earlier.boot_id == torus.boot_id)?;
    let elapsed_ns = torus.heartbeat_ns.checked_sub(earlier.heartbeat_ns).filter(|elapsed| *elapsed > 0)?;
    Some(torus.executed.checked_sub(earlier.executed)? as f64 * 1e9 / elapsed_ns as f64)
}

fn peers(torus: &TorusSnapshot) -> String {
    if torus.peers.is_empty() {
        return "none".to_owned();
    }
    let count = |state: PeerState| torus.peers.iter().filter(|peer| peer.state == state).count();
    let mut out = format!("{} alive", count(PeerState::Alive) + count(PeerState::Returning));
    for (state, word) in
        [(PeerState::Suspect, "suspect"), (PeerState::Failed, "failed"), (PeerState::Unknown, "unknown")]
    {
        if count(state) > 0 {
            out.push_str(&format!(", {} {word}", count(state)));
        }
    }
    out
}

/// How a torus stands in its seed region.
fn seed_line(seed: &SeedSnapshot) -> String {
    let mut out = format!(
        "seed region {}: seq {}, {} received, {} rounds, {} inconsistent, {} unsound",
        clean(&seed.path),
        seed.seq,
        grouped(seed.delivered),
        grouped(seed.rounds),
        grouped(seed.inconsistent),
        grouped(seed.unsound)
    );
    for peer in &seed.peers {
        let acked = if peer.acked { ", acked ours" } else { "" };
        out.push_str(&format!("; torus {} {}{acked}", peer.id, peer.state.name()));
    }
    out
}

/// Columns as wide as their widest cell; numbers to the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let right = (3..=7).contains(&column);
            line.push_str(&if right { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A count in groups of three digits.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Text of the page without what could steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use control::page::{EventsPage, HostPage, MAGIC, NodePage, PeerPage, Text, TorusPage, VERSION};

    use super::*;

    fn snapshot(executed: u64, heartbeat_ns: u64, read_ns: u64) -> Snapshot {
        let node = NodePage {
            magic: MAGIC,
            version: VERSION,
            pid: 4711,
            tori: 2,
            phase: 1,
            heartbeat_ns,
            started_unix_ns: 5_000_000_000,
            now_unix_ns: 100_000_000_000,
            region_bytes: 413 << 10,
            region_join: 3,
            name: Text::new("n1\x1b[31m"),
            ..NodePage::default()
        };
        let mut a = TorusPage {
            state: 1,
            core: 2,
            executed,
            heartbeat_ns,
            clock_ticks: 88_123_401,
            pending: 812,
            handed_out: 2480,
            name: Text::new("A"),
            ..TorusPage::default()
        };
        a.peers[1] = PeerPage { state: 1, ..PeerPage::default() };
        a.peers[2] = PeerPage { state: 2, ..PeerPage::default() };
        let b = TorusPage {
            id: 1,
            state: 5,
            core: -1,
            name: Text::new("B"),
            reason: Text::new("panicked at 'no'"),
            ..TorusPage::default()
        };
        Snapshot::from_pages(&node, &HostPage::default(), &[&a, &b], &EventsPage::default(), read_ns).expect("valid")
    }

    #[test]
    fn the_table_is_aligned_and_has_units() {
        let before = snapshot(1_000, 1_000_000_000, 1_000_000_000);
        let now = snapshot(12_401_000, 2_000_000_000, 2_000_000_000);
        insta::assert_snapshot!(table(&now, Some(&before)));
    }

    /// A torus in a seed region has a line that says who was there.
    #[test]
    fn a_seed_region_has_a_line() {
        let mut now = snapshot(0, 1, 1);
        let peer = |id, state, acked| control::seed::SeedPeerSnapshot { id, state, acked };
        let peers = vec![
            peer(1, control::seed::SeedPeerState::Done, true),
            peer(2, control::seed::SeedPeerState::Stale, false),
        ];
        let (path, rounds) = ("/dev/shm/x\x07".to_owned(), 1);
        let none = SeedSnapshot { path, rounds, peers, seq: 3, ..EMPTY };
        now.tori[0].seed = Some(none);
        let shown = table(&now, None);
        let line = "  A: seed region /dev/shm/x?: seq 3, 0 received, 1 rounds, 0 inconsistent, 0 unsound; torus 1 one-shot \
                    peer, done, acked ours; torus 2 stale\n";
        assert!(shown.contains(line), "{shown}");
    }

    const EMPTY: SeedSnapshot = SeedSnapshot {
        path: String::new(),
        seq: 0,
        published: 0,
        delivered: 0,
        unsound: 0,
        given_up: 0,
        late_acks: 0,
        inconsistent: 0,
        differing: 0,
        rounds: 0,
        peers: Vec::new(),
    };

    #[test]
    fn a_silent_agent_is_said_to_be_silent() {
        let shown = table(&snapshot(0, 1_000_000_000, 13_500_000_000), None);
        assert!(shown.contains("agent silent for 12 s"), "{shown}");
        // A heartbeat ahead of the reader's clock is not silence, and no rate comes of a clock that went back.
        let (late, early) = (snapshot(9, 5_000_000_000, 1), snapshot(3, 1_000_000_000, 1));
        assert!(table(&early, Some(&late)).contains("all right"));
        assert_eq!(rate(&early.tori[0], Some(&late)), None);
    }
}
