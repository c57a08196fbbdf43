//! Two processes: a writer that publishes and sends flat out and is killed by SIGKILL at random points, a reader that
//! checks every value it takes (`rse:M2`, `rse:M3`, `decisions:NODE-17`).
//!
//! The test binary starts itself as the writer. What is counted:
//! *reads* are calls of `SlotReader::read`; every `Fresh` one (a value not taken before) is checked word by word,
//! `Unchanged` and `Busy` deliver nothing to check. *Messages* are records of the ring, numbered by their sender over
//! all boots. The default run goes on until 10^7 reads, of which at least one in 40 was `Fresh`;
//! `TREFOIL_TORTURE_READS` sets another number (`make check-deep`), the number of kills follows. The memory is a
//! sealed memfd on huge pages where there are any, which the writer opens through the reader's descriptor.
#![allow(clippy::print_stdout, reason = "counts and skips are for the reader of the test run")]

mod support;

use shm_transport::backing::Pages;
use shm_transport::liveness::{Process, Watch, boot_id};
use shm_transport::region::{Geometry, Noted, Options, Receipts, Region, Side};
use shm_transport::slot::{Read, SlotReader};
use shm_transport::spsc::Receiver;
use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Reserved;

const WORDS: usize = 529; // 4232 bytes, the size of a projection
const GEOMETRY: Geometry =
    Geometry { tori: 2, payload_bytes: WORDS as u32 * 8, slots: 8, ring_records: 1024, inject_records: 16 };
const READS: u64 = 10_000_000;
/// At least one read in so many takes a new value and checks its every word.
const FRESH_SHARE: u64 = 40;
const READS_A_KILL: u64 = 800_000;
/// Nothing but a hang takes this long.
const HANG: Duration = Duration::from_secs(300);
const CHILD: &str = "TREFOIL_TORTURE_CHILD";
/// The writer beats once for so many publications: its heartbeat period, in publications.
const PUBLICATIONS_A_BEAT: u64 = 64;

fn options() -> Options {
    Options { pages: Pages::Huge, patience: Duration::from_millis(50), ..Options::new(GEOMETRY) }
}

/// Every word follows from (boot, number) and its place: two halves of different values never pass.
fn word(boot: u64, number: u64, index: usize) -> u64 {
    (boot ^ number.rotate_left(32)).wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn fill(payload: &mut [u64], boot: u64, number: u64) {
    payload[0] = number;
    (1..payload.len()).for_each(|index| payload[index] = word(boot, number, index));
}

fn is_whole(payload: &[u64], boot: u64) -> bool {
    let number = payload[0];
    (1..payload.len()).all(|index| payload[index] == word(boot, number, index))
}

/// The writer: claims torus 0, then publishes, sends and beats until it is killed.
fn writer(path: &Path) -> ! {
    let memory = std::fs::File::options().read(true).write(true).open(path).expect("the reader's descriptor");
    let region = Region::from_fd(memory.into(), &options()).expect("join");
    let boot = boot_id().expect("random");
    let mut side = region.claim(0, boot, std::process::id()).expect("claim");
    let (mut ring, _) = side.sender(1).expect("ring");
    let mut payload = [0u64; WORDS];
    let mut number = 0u64;
    loop {
        number += 1;
        fill(&mut payload, boot, number);
        side.publish(number, &payload);
        if number % PUBLICATIONS_A_BEAT == 1 {
            side.beat(number).expect("held");
        }
        // The number of a message is its place in the ring's life, so a doubled or lost one shows as a step that is
        // not 1.
        let message = ring.sent();
        let _ = ring.send(&[message, boot, word(boot, message, 2), word(boot, message, 3)]);
    }
}

struct Writer(Child);

impl Writer {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.args(["--exact", "a_writer_killed_at_random_points_is_never_read_torn", "--nocapture"]);
        Self(command.env(CHILD, path).stdout(Stdio::null()).spawn().expect("start the writer"))
    }

    /// SIGKILL, and wait until the kernel has taken it down.
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A small deterministic generator for the points of killing.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[derive(Debug, Default)]
struct Seen {
    reads: u64,
    fresh: u64,
    busy: u64,
    unchanged: u64,
    tries_max: u32,
    kills: u64,
    boots: u64,
    messages: u64,
    busy_while_recovering_max: u64,
}

#[test]
fn a_writer_killed_at_random_points_is_never_read_torn() {
    // rse:M2, rse:M3, rse:M5, decisions:NODE-8, decisions:NODE-17. Aim: no torn value in 10^7 reads, recovery within
    // one heartbeat of the new boot, no message twice, none lost. Method: the counts of the file's head.
    if let Some(path) = std::env::var_os(CHILD) {
        writer(Path::new(&path));
    }
    let reserved = Reserved::new(1);
    let region = Region::private(GEOMETRY, Pages::Huge).expect("memory");
    println!("backing: {:?}: {}", region.backing().pages, region.backing().reason);
    assert!(reserved.is_none() || region.backing().met() || region.backing().reason.contains("nr_hugepages"));
    // The page is ours now; the pool gets it back with the mapping's end.
    drop(reserved);
    let reads = std::env::var("TREFOIL_TORTURE_READS").ok().and_then(|text| text.parse().ok()).unwrap_or(READS);
    let seen = Torture::run(&region, reads);
    println!("{seen:?}");
    assert!(seen.reads >= reads && seen.kills >= 3, "{seen:?}");
    assert!(seen.fresh > seen.kills && seen.messages > seen.kills, "the writers did write: {seen:?}");
    assert!(seen.boots * 2 > seen.kills, "most boots published: {seen:?}");
    assert!(seen.busy_while_recovering_max < 100, "{seen:?}");
}

/// The reader's state.
struct Torture<'r> {
    side: Side<'r>,
    reader: SlotReader<'r>,
    ring: Receiver<'r>,
    receipts: Receipts,
    seen: Seen,
    dice: Dice,
    writer: Writer,
    killed: HashSet<u64>,
    last_boot: u64,
    next_message: u64,
    /// Heartbeats of torus 0 when its last boot was killed.
    beats_at_kill: u64,
    recovered: bool,
    busy_while_recovering: u64,
}

impl Torture<'_> {
    fn run(region: &Region, reads: u64) -> Seen {
        let path = format!("/proc/{}/fd/{}", std::process::id(), region.as_fd().as_raw_fd());
        let path = Path::new(&path);
        let mut side = region.claim(1, boot_id().expect("random"), std::process::id()).expect("claim");
        let mut torture = Torture {
            reader: side.reader(0).expect("reader"),
            ring: side.receiver(0).expect("ring").0,
            side,
            receipts: Receipts::new(),
            seen: Seen::default(),
            dice: Dice(0x7ef0),
            writer: Writer::start(path),
            killed: HashSet::new(),
            last_boot: 0,
            next_message: 0,
            beats_at_kill: 0,
            recovered: false,
            busy_while_recovering: 0,
        };
        let start = Instant::now();
        let mut kill_at = READS_A_KILL;
        while torture.seen.reads < reads || torture.seen.fresh < reads / FRESH_SHARE {
            assert!(start.elapsed() < HANG, "hangs: {:?}", torture.seen);
            torture.read();
            torture.drain();
            // Every third kill takes the writer wherever it is, also before or within its claim; the others in full
            // flight.
            let anywhere = torture.seen.kills % 3 == 2;
            let enough = torture.seen.kills >= reads / READS_A_KILL * 3;
            if torture.seen.reads >= kill_at && !enough && (torture.recovered || anywhere) {
                torture.kill();
                torture.writer = Writer::start(path);
                let pause = if torture.seen.kills % 3 == 2 { READS_A_KILL / 8 } else { READS_A_KILL };
                kill_at = torture.seen.reads + 1 + torture.dice.roll(pause);
            }
        }
        torture.end(region)
    }

    fn read(&mut self) {
        self.seen.reads += 1;
        let (holder, beats) = self.side.heartbeat(0).expect("peer");
        // A boot beats after its first publication: once its beat is seen, the next read must give its value.
        let due = !self.recovered && beats > self.beats_at_kill;
        let mut out = [0u64; WORDS];
        match self.reader.read(&mut out) {
            Read::Fresh { boot, tries, words, .. } => {
                assert_eq!(words, WORDS);
                assert!(is_whole(&out, boot), "a torn value was accepted: {:?}", self.seen);
                assert_ne!(self.receipts.note(0, boot, out[0]), Noted::Duplicate, "a value was taken twice");
                assert!(!due || boot == holder, "an old boot's value after the new boot's heartbeat");
                self.seen.boots += u64::from(boot != self.last_boot);
                self.last_boot = boot;
                self.recovered |= !self.killed.contains(&boot);
                self.busy_while_recovering = 0;
                self.seen.fresh += 1;
                self.seen.tries_max = self.seen.tries_max.max(tries);
            }
            Read::Busy => {
                self.seen.busy += 1;
                self.busy_while_recovering += u64::from(due);
                let most = self.seen.busy_while_recovering_max.max(self.busy_while_recovering);
                self.seen.busy_while_recovering_max = most;
            }
            Read::Unchanged | Read::Empty => {
                assert!(!due, "nothing new after the new boot's heartbeat: {:?}", self.seen);
                self.seen.unchanged += 1;
            }
            Read::Damaged(damage) => panic!("damage after a kill: {damage}"),
        }
    }

    fn drain(&mut self) {
        let mut record = [0u64; 8];
        while self.ring.recv(&mut record).expect("counts in order") {
            assert_eq!(record[0], self.next_message, "a message is missing or came twice");
            assert_eq!(record[2], word(record[1], record[0], 2));
            assert_eq!(record[3], word(record[1], record[0], 3));
            self.next_message += 1;
            self.seen.messages += 1;
        }
    }

    fn kill(&mut self) {
        let watch = Watch::new(Process::of(self.writer.0.id())).expect("it runs");
        for _ in 0..self.dice.roll(2_000) {
            std::hint::spin_loop();
        }
        self.writer.kill();
        assert!(watch.gone(60_000).expect("poll"), "the pidfd tells");
        let (boot, beats) = self.side.heartbeat(0).expect("peer");
        self.killed.insert(boot);
        self.beats_at_kill = beats;
        self.recovered = false;
        self.seen.kills += 1;
    }

    /// The last writer dies too; what it published is all there, what it did not is nowhere.
    fn end(mut self, region: &Region) -> Seen {
        self.kill();
        self.drain();
        assert_eq!(region.view().unread(0, 1), Some(0));
        assert_eq!(self.ring.received(), self.next_message);
        let mut next = region.claim(0, boot_id().expect("random"), std::process::id()).expect("the torus is free");
        let (ring, found) = next.sender(1).expect("ring");
        assert_eq!((ring.sent(), found.unread, found.repaired), (self.next_message, 0, false));
        let mut payload = [0u64; WORDS];
        fill(&mut payload, next.boot(), 1);
        next.publish(1, &payload);
        next.beat(1).expect("held");
        self.recovered = false;
        self.read();
        assert_eq!(self.last_boot, next.boot(), "the very next read gives the new boot's value");
        self.seen
    }
}
