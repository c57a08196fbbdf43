//! A made-up node whose life can be played second by second, and a console driven by real keys over it. Test data only.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod programs;

use control::Snapshot;
use control::page::{self, FACE};
use control::snapshot::*;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tui::draw::{buffer_text, draw};
use tui::state::State;
use tui::theme::Colours;
use tui::update::{Effect, Event, update};

/// 2026-03-01 14:02:31 UTC.
pub const NOON_NS: u64 = 1_772_373_751_000_000_000;
/// A fifth of a second: one poll.
pub const POLL_NS: u64 = 200_000_000;

/// The node `n1.lab` after `polls` polls since start.
pub fn node(polls: u64) -> Snapshot {
    let ns = 1_000_000_000_000 + polls * POLL_NS;
    Snapshot {
        node: NodeSnapshot {
            name: "n1.lab".into(),
            pid: 4121,
            boot_id: 7,
            phase: Phase::Running,
            mode: "rotate".into(),
            spin: true,
            heartbeat_ns: ns,
            started_unix_ns: NOON_NS - 187_200_000_000_000,
            now_unix_ns: NOON_NS + polls * POLL_NS,
            region_path: "/run/trefoil/region".into(),
            region_bytes: 6_291_456,
            region_pages: Pages::Huge,
            region_join: "created".into(),
            region_epoch: 1,
            backing_reason: String::new(),
            config_path: "/etc/trefoil/demo.toml".into(),
            build: "trefoil 0.1.0".into(),
            worst: String::new(),
        },
        host: host(),
        tori: (0..3).map(|id| torus(id, polls, ns)).collect(),
        events: events(polls),
        events_suppressed: 0,
        cluster: None,
        avm: None,
        read_ns: ns + 1_000_000,
    }
}

/// The cluster of `n1.lab` as a real one could stand at noon: nine members, one removed 41 s ago, one suspect, one ballot open.
pub fn cluster() -> Box<control::ClusterSnapshot> {
    let text = include_str!("../../../control/samples/cluster.json");
    let mut cluster: control::ClusterSnapshot = serde_json::from_str(text).expect("a snapshot");
    let shift = NOON_NS - 1_700_000_000_000_000_000;
    cluster.neighbours.iter_mut().for_each(|node| node.since_unix_ns += shift);
    cluster.watches.iter_mut().for_each(|node| node.since_unix_ns += shift);
    cluster.removals.iter_mut().for_each(|node| node.at_unix_ns += shift);
    cluster.ballots.iter_mut().for_each(|ballot| ballot.opened_unix_ns += shift);
    Box::new(cluster)
}

fn host() -> HostSnapshot {
    HostSnapshot {
        cpu_percent: Some(41.0),
        psi_cpu_percent: Some(0.2),
        psi_memory_percent: Some(0.0),
        psi_io_percent: Some(1.3),
        temperature_c: Some(51.0),
        power_w: None,
        battery_percent: None,
        memory_total_bytes: Some(16.0 * 1073741824.0),
        memory_available_bytes: Some(11.2 * 1073741824.0),
        hugepages_total: Some(64.0),
        hugepages_free: Some(14.0),
        quota_cores: None,
        load_1m: Some(2.31),
        control_cpu_ns: 1_000_000,
        process_cpu_ns: 1_000_000_000,
        resident_bytes: 24_117_248,
        locked_bytes: 6_291_456,
        cores: 8,
        cores_allowed: 8,
        allowed: (0..8).collect(),
        kernel: "6.12.48-amd64".into(),
        cpu_model: "Example 8-Core Processor".into(),
        temperature_source: "x86_pkg_temp".into(),
        power_source: String::new(),
    }
}

fn torus(id: u32, polls: u64, ns: u64) -> TorusSnapshot {
    // A rate that breathes: the sum of one value a second, in closed form by a loop, as the tests are short.
    let rate = |second: u64| {
        [12_400_000, 12_100_000, 11_900_000][id as usize % 3] * (70 + (second * (7 + u64::from(id))) % 31) / 100
    };
    let executed: u64 = (0..polls).map(|poll| rate(poll / 5) / 5).sum();
    let pending = [812, 790, 801][id as usize % 3];
    let mut violations = [0; page::KINDS];
    let mut corrections = [0; page::KINDS];
    (violations[0], violations[1]) = (polls * 3 / 5, polls / 5);
    (corrections[0], corrections[1]) = (polls * 2 / 5, polls / 5);
    let faces = |x: u32| (0..FACE as u32).map(|cell| heat(id, x, cell, polls)).collect::<Vec<u16>>();
    TorusSnapshot {
        id,
        name: char::from(b'A' + id as u8).to_string(),
        state: TorusState::Run,
        reason: String::new(),
        workload: "events-file flights-2013-01-events.csv, 109 airports, 327 346 flights a pass".into(),
        core: Some(id + 2),
        tid: 4130 + id,
        core_shared: false,
        uncoupled: false,
        interval_fixed: false,
        recording: false,
        recording_broken: false,
        alone: false,
        boot_id: 100 + u64::from(id),
        heartbeat_ns: ns,
        clock_ticks: 88_123_401 + executed / 40 + u64::from(id) * 3,
        executed,
        generated: executed,
        injected: pending,
        injected_corrective: 0,
        rejected: 0,
        handed_out: 0,
        handed_in: 0,
        lost: 0,
        pending,
        capacity: 8_192,
        high_water: 1_204,
        memory_used_bytes: 3_670_016,
        memory_mapped_bytes: 4_194_304,
        memory_pages: Pages::Huge,
        batch: 256,
        load_runnable: 0,
        load_suspended: 0,
        cpu_ns: polls * POLL_NS / 100 * 97,
        processes: 109,
        edges: 1_822,
        digest: 1,
        recorded_inputs: 0,
        recorder_stalls: 0,
        round: polls * 400,
        interval_ticks: 1_440,
        interval_before_ticks: 1_200,
        floor_ns: 500_000,
        violation_rate_ppm: 12_000,
        interval_reason: "violation rate below the lower threshold".into(),
        interval_changed_unix_ns: NOON_NS - 44_000_000_000,
        exchanges: polls * 400,
        exchange_p50_ns: 2_100,
        exchange_p99_ns: 3_400,
        exchange_overhead_ppm: 4_200,
        applied: polls * 400,
        missed: 0,
        refused: 0,
        retries: 0,
        evaluated: polls * 2_000,
        violations,
        corrections,
        face_spread: u64::from(id) + 1,
        face_tolerance: 10,
        conservation_breaks: 0,
        conservation_break_unix_ns: 0,
        seed: None,
        peers: (0..3).filter(|peer| *peer != id).map(|peer| self::peer(peer, polls)).collect(),
        stepped: None,
        service_ns: (0..32u64)
            .map(|at| [0, 0, 0, 0, 12, 340, 9_120, 880, 40, 2][at.min(9) as usize] * u64::from(at < 10))
            .collect(),
        edge_delay_ticks: (0..32u32)
            .map(|at| [210, 40, 12, 88, 430, 700, 250, 60, 0, 2][at.min(9) as usize] * u32::from(at < 10))
            .collect(),
        faces: [faces(0), faces(31)],
        peer_faces: [0, 31].map(|x| (0..FACE as u32).map(|cell| heat((id + 1) % 3, x, cell, polls)).collect()),
        peer_faces_of: Some((id + 1) % 3),
    }
}

/// Counter of a cell: `heat_step` more each poll, wrapping.
pub fn heat(id: u32, x: u32, cell: u32, polls: u64) -> u16 {
    ((polls * heat_step(id, x, cell)) & 0xffff) as u16
}

/// Events a poll at a cell: two hills on a plain.
pub fn heat_step(id: u32, x: u32, cell: u32) -> u64 {
    let (y, z) = (i64::from(cell / 32), i64::from(cell % 32));
    let hill = |cy: i64, cz: i64, top: i64| (top - ((y - cy).pow(2) + (z - cz).pow(2)) * top / 60).max(0);
    let shift = i64::from(id) * 2 + i64::from(x) / 8;
    (hill(9 + shift, 8, 1_000) + hill(22, 22 - shift, 400)) as u64
}

fn peer(id: u32, polls: u64) -> PeerSnapshot {
    PeerSnapshot {
        id,
        state: PeerState::Alive,
        missed_rounds: 0,
        boot_id: 100 + u64::from(id),
        applied_seq: polls * 400,
        age_ns: 480_000,
        sent: 120 + polls,
        received: 118 + polls,
        pid: 0,
        via: "thread".into(),
    }
}

fn events(polls: u64) -> Vec<EventSnapshot> {
    let fixed = [
        (NOON_NS - 253_000_000_000, Severity::Notice, None, "region created: 3 tori, 6.00 MiB on 2 MiB pages"),
        (NOON_NS - 44_000_000_000, Severity::Info, Some(0), "interval 1 200 → 1 440: violation rate 1.20 % < 2.50 %"),
        (
            NOON_NS - 20_000_000_000,
            Severity::Info,
            Some(0),
            "A → B handed over 12 events: load 812 vs 640, hysteresis 1 round",
        ),
        (NOON_NS + POLL_NS, Severity::Warning, Some(2), "torus C: page late by 12 ms, control thread was held up"),
    ];
    let known = fixed.iter().enumerate().filter(|(_, event)| event.0 <= NOON_NS + polls * POLL_NS);
    known
        .map(|(at, (at_unix_ns, severity, torus, text))| EventSnapshot {
            number: at as u64 + 1,
            at_unix_ns: *at_unix_ns,
            severity: *severity,
            torus: *torus,
            text: (*text).into(),
        })
        .collect()
}

/// A console and the terminal under it.
pub struct Console {
    pub state: State,
    terminal: Terminal<TestBackend>,
    polls: u64,
}

impl Console {
    /// Without a node.
    pub fn empty(columns: u16, rows: u16, colours: Colours) -> Self {
        let terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test backend does not fail");
        Self { state: State::new((columns, rows), colours, 400), terminal, polls: 0 }
    }

    /// With the node's first `polls` polls seen.
    pub fn after(polls: u64, columns: u16, rows: u16, colours: Colours) -> Self {
        let mut console = Self::empty(columns, rows, colours);
        console.poll(polls, |_| {});
        console
    }

    /// Sees the next polls, each changed by `change`.
    pub fn poll(&mut self, polls: u64, change: impl Fn(&mut Snapshot)) {
        for _ in 0..polls {
            self.polls += 1;
            let mut snapshot = node(self.polls);
            change(&mut snapshot);
            self.event(Event::Tick(self.polls * POLL_NS));
            self.event(Event::Seen(Box::new(snapshot)));
        }
    }

    /// Polls seen.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Something happens.
    pub fn event(&mut self, event: Event) -> Option<Effect> {
        update(&mut self.state, event)
    }

    /// Keys, by name or as characters.
    pub fn keys(&mut self, keys: &[&str]) -> Option<Effect> {
        let mut effect = None;
        for key in keys {
            let code = match *key {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "tab" => KeyCode::Tab,
                "backtab" => KeyCode::BackTab,
                "pgup" => KeyCode::PageUp,
                "pgdn" => KeyCode::PageDown,
                "space" => KeyCode::Char(' '),
                text => {
                    for typed in text.chars() {
                        effect = self.event(Event::Key(KeyEvent::new(KeyCode::Char(typed), KeyModifiers::NONE)));
                    }
                    continue;
                }
            };
            effect = self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        effect
    }

    /// The picture with its styles.
    pub fn buffer(&mut self) -> Buffer {
        let state = &self.state;
        self.terminal.draw(|frame| draw(state, frame)).expect("a test backend does not fail");
        self.terminal.backend().buffer().clone()
    }

    /// The picture as text.
    pub fn text(&mut self) -> String {
        buffer_text(&self.buffer())
    }
}
