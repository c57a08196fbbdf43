//! Life cycle, claims and use of a region: two mappings of one file, real processes, real files.

use shm_transport::backing::{MapError, Pages};
use shm_transport::liveness::Process;
use shm_transport::region::{
    ClaimError, Geometry, Header, Join, Layout, LayoutError, Options, Region, RegionError, SideError, State,
};
use shm_transport::slot::Read;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const GEOMETRY: Geometry = Geometry { tori: 3, payload_bytes: 256, slots: 8, ring_records: 16, inject_records: 16 };
const ME: fn() -> u32 = std::process::id;

/// A file name of its own in /dev/shm, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/dev/shm/trefoil-test-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn options() -> Options {
    Options { pages: Pages::Base, patience: Duration::from_millis(30), ..Options::new(GEOMETRY) }
}

/// A live process to lend its pid to a claim, gone when dropped.
struct Stand(Child);

impl Stand {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().expect("sleep"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn m1_two_mappings_of_one_file_exchange_everything() {
    // rse:M1, rse:M4, rse:M5: projections, messages, injections, acks and nacks between two openers of one file.
    let file = Scratch::new("loopback");
    let (a, joined) = Region::open(file.path(), &options()).expect("create");
    assert_eq!(joined, Join::Created);
    let (b, joined) = Region::open(file.path(), &options()).expect("join");
    assert!(matches!(joined, Join::Joined { .. }), "{joined:?}");
    assert_eq!(a.epoch(), b.epoch());
    let mut first = a.claim(0, 100, ME()).expect("claim 0");
    let mut second = b.claim(1, 200, ME()).expect("claim 1");
    let mut third = b.claim(2, 300, ME()).expect("claim 2");

    let mut reader = second.reader(0).expect("reader");
    let mut out = [0u64; 32];
    assert_eq!(reader.read(&mut out), Read::Empty);
    assert_eq!(first.publish(11, &[5; 32]), 1);
    let Read::Fresh { seq: 1, boot: 100, time_ns: 11, words: 32, .. } = reader.read(&mut out) else { panic!("fresh") };
    assert_eq!(out, [5; 32]);
    assert_eq!(b.line(0).expect("line").newest_seq, 1);

    second.ack(0, 100, 1).expect("ack");
    third.nack(0, 1).expect("nack");
    assert_eq!(first.acked(1), 0b010, "a nack is no ack");
    assert_eq!(first.acked_by(1).expect("peer").seq, 1);
    let refused = first.acked_by(2).expect("peer");
    assert_eq!((refused.seq, refused.nacks, refused.nack_seq, refused.reader_boot), (0, 1, 1, 300));
    second.ack(0, 100, 99).expect("ack");
    assert_eq!(first.acked(1), 0, "an ack of what was never published counts for nothing");
    second.ack(0, 99, 1).expect("ack");
    assert_eq!(first.acked(1), 0, "an ack of another boot counts for nothing");

    for from in 0..2u64 {
        let (side, to) = if from == 0 { (&mut first, 1) } else { (&mut second, 0) };
        let (mut ring, found) = side.sender(to).expect("sender");
        assert_eq!(found.unread, 0);
        (0..10).for_each(|i| ring.send(&[from, i]).expect("room"));
        assert_eq!(side.sender(to).err(), Some(SideError::AlreadyTaken { peer: to, me: from as u8 }));
    }
    assert_eq!(a.view().all_unread().count(), 2);
    for to in 0..2u64 {
        let (side, from) = if to == 0 { (&mut first, 1) } else { (&mut second, 0) };
        let (mut ring, found) = side.receiver(from).expect("receiver");
        assert_eq!(found.unread, 10);
        let mut record = [0u64; 8];
        for i in 0..10 {
            assert!(ring.recv(&mut record).expect("sound"));
            assert_eq!(record[..2], [u64::from(from), i]);
        }
        assert!(!ring.recv(&mut record).expect("sound"));
    }
    let injector = a.injector(2).expect("injector");
    injector.send(&[1, 2, 3]).expect("room");
    let (mut injections, _) = third.injections().expect("ring");
    let mut record = [0u64; 7];
    assert!(injections.recv(&mut record).expect("sound"));
    assert_eq!(record[..3], [1, 2, 3]);

    let before = first.heartbeat(1).expect("peer");
    second.beat(5).expect("held");
    assert_eq!(first.heartbeat(1).expect("peer"), (before.0, before.1 + 1));
    assert_eq!(first.sender(0).err(), Some(SideError::NoSuchPeer { peer: 0, me: 0, tori: 3 }));
    assert_eq!(first.reader(3).err(), Some(SideError::NoSuchPeer { peer: 3, me: 0, tori: 3 }));
    second.retire();
    assert_eq!(a.line(1).expect("line").state, State::Retired);
}

#[test]
fn node_16_a_live_holder_is_named_and_kept_a_dead_one_is_replaced() {
    // decisions:NODE-16, decisions:NODE-17: who holds a torus is judged by pid and start time; the next boot goes on
    // where the dead one stopped, and finds what it had not read.
    let file = Scratch::new("claim");
    let (region, _) = Region::open(file.path(), &options()).expect("create");
    let mut stand = Stand::new();
    let mut dead = region.claim(0, 7, stand.pid()).expect("claim");
    dead.publish(1, &[1; 32]);
    dead.publish(2, &[2; 32]);
    dead.beat(3).expect("held");
    let mut peer = region.claim(1, 8, ME()).expect("claim");
    let (mut ring, _) = peer.sender(0).expect("ring");
    (0..5).for_each(|i| ring.send(&[i]).expect("room"));

    let error = region.claim(0, 9, ME()).expect_err("held");
    let text = error.to_string();
    assert!(matches!(&error, ClaimError::Held { holder, .. } if holder.boot == 7 && holder.process.pid == stand.pid()));
    for word in ["torus 0", "0x0000000000000007", &stand.pid().to_string(), "ms ago", "kill"] {
        assert!(text.contains(word), "{word} missing in: {text}");
    }
    assert!(matches!(region.claim(1, 9, ME()), Err(ClaimError::Held { .. })), "this very process lives");
    assert!(matches!(region.claim(3, 9, ME()), Err(ClaimError::NoSuchTorus { torus: 3, tori: 3 })));
    assert!(matches!(region.claim(2, 0, ME()), Err(ClaimError::ZeroBoot)));

    stand.kill();
    let mut next = region.claim(0, 9, ME()).expect("the holder is gone");
    assert_eq!((next.predecessor().boot, next.predecessor().state), (7, State::Held));
    assert_eq!(next.publish(4, &[3; 32]), 3, "the sequence goes on");
    let (mut inherited, found) = next.receiver(1).expect("ring");
    assert_eq!((found.unread, found.previous_boot, found.peer_boot), (5, 0, 8));
    let mut record = [0u64; 8];
    assert!(inherited.recv(&mut record).expect("sound"));

    // The old boot, had it only been stopped, learns at its next heartbeat that it is out, and takes nothing away.
    assert_eq!(dead.beat(5), Err(SideError::Usurped { torus: 0, holder: 9 }));
    drop(dead);
    assert_eq!(region.line(0).expect("line").state, State::Held);
    assert_eq!(region.line(0).expect("line").boot, 9);
    drop(next);
    assert_eq!(region.line(0).expect("line").state, State::Abandoned, "dropped without retiring, as by a panic");
    region.claim(0, 10, ME()).expect("abandoned, so free").retire();
}

#[test]
fn node_16_where_a_process_cannot_be_seen_the_heartbeat_decides() {
    // decisions:NODE-16: a holder in another virtual machine is told from a dead one by its counter alone.
    let file = Scratch::new("unseen");
    let (region, _) = Region::open(file.path(), &options()).expect("create");
    let mut side = region.claim(0, 7, ME()).expect("claim");
    pretend_other_host(file.path(), 0);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &stop;
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                side.beat(1).expect("held");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        // Long, because a busy machine may stop the beating thread for a while; it ends with the first beat seen.
        let patient = Options { patience: Duration::from_secs(20), ..options() };
        let (other, _) = Region::open(file.path(), &patient).expect("join");
        let refused = other.claim(0, 8, ME());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(refused, Err(ClaimError::Held { evidence: "its heartbeat moves", .. })), "{refused:?}");
    });
    pretend_other_host(file.path(), 0);
    region.claim(0, 9, ME()).expect("still for the whole patience, so dead").retire();
}

/// Rewrites the line of a torus as one of a running holder on another host.
fn pretend_other_host(path: &Path, torus: u64) {
    let file = fs::OpenOptions::new().write(true).read(true).open(path).expect("open");
    let line = 4096 + torus * 256;
    let mut state = [0u8; 8];
    file.read_exact_at(&mut state, line).expect("read");
    state[0] = 2;
    file.write_all_at(&state, line).expect("write");
    file.write_all_at(&0x1234_5678u64.to_le_bytes(), line + 32).expect("write");
}

#[test]
fn node_16_a_region_nobody_lives_in_is_renewed_and_its_remains_reported() {
    // decisions:NODE-16, decisions:NODE-17, rse:M3: a first start on a dirty region finds nothing fresh in it.
    let file = Scratch::new("renew");
    let mut stand = Stand::new();
    let old = {
        let (region, _) = Region::open(file.path(), &options()).expect("create");
        let mut side = region.claim(0, 7, stand.pid()).expect("claim");
        side.publish(1, &[1; 32]);
        let (mut ring, _) = side.sender(2).expect("ring");
        (0..6).for_each(|i| ring.send(&[i]).expect("room"));
        // As if killed: no retirement, no mark.
        std::mem::forget(side);
        region.epoch()
    };
    // Nobody has it open, but the holder's process exists: it may be on its way. Nothing is cleared.
    let (region, join) = Region::open(file.path(), &options()).expect("join");
    assert!(matches!(&join, Join::Joined { holders } if holders.len() == 1 && holders[0].boot == 7), "{join:?}");
    assert_eq!(region.epoch(), old);
    drop(region);
    stand.kill();
    let (region, join) = Region::open(file.path(), &options()).expect("renew");
    let Join::Renewed { remains } = join else { panic!("{join:?}") };
    assert_eq!((remains.epoch, remains.lines.len(), remains.lost()), (old, 1, 6));
    assert_eq!((remains.lines[0].boot, remains.lines[0].torus), (7, 0));
    assert_eq!((remains.unread[0].from, remains.unread[0].to), (Some(0), 2));
    assert_ne!(region.epoch(), old);
    let mut out = [0u64; 32];
    assert_eq!(region.view().reader(0).expect("reader").read(&mut out), Read::Empty);
    assert_eq!(region.line(0).expect("line").state, State::Free);
    // And while it is open, nobody renews it, claimed or not.
    let (_, join) = Region::open(file.path(), &options()).expect("join");
    assert_eq!(join, Join::Joined { holders: vec![] });
}

#[test]
fn node_16_foreign_short_and_mismatched_files_are_refused_and_untouched() {
    // decisions:NODE-16, rse:M1: refuse with a remedy, change nothing.
    let file = Scratch::new("refuse");
    let text = vec![b'x'; 200_000];
    fs::write(file.path(), &text).expect("write");
    let foreign = Region::open(file.path(), &options()).expect_err("foreign");
    assert!(matches!(foreign, RegionError::Content { source: LayoutError::Foreign { .. }, .. }), "{foreign}");
    assert!(foreign.to_string().contains("give another path"));
    assert_eq!(fs::read(file.path()).expect("read"), text);

    fs::write(file.path(), [0u8; 100]).expect("write");
    let short = Region::open(file.path(), &options()).expect_err("short");
    assert!(matches!(short, RegionError::Content { source: LayoutError::Short { actual: 100, .. }, .. }), "{short}");
    fs::write(file.path(), [0u8; 8192]).expect("write");
    let short = Region::open(file.path(), &options()).expect_err("blank, but short");
    assert!(short.to_string().contains("larger"), "{short}");
    assert_eq!(fs::read(file.path()).expect("read"), [0u8; 8192]);

    fs::remove_file(file.path()).expect("remove");
    let (region, _) = Region::open(file.path(), &options()).expect("create");
    let before = fs::read(file.path()).expect("read");
    let wanted = Geometry { ring_records: 64, ..GEOMETRY };
    let error = Region::open(file.path(), &Options { geometry: wanted, ..options() }).expect_err("mismatch");
    for word in ["ring_records", "has 16", "asks for 64"] {
        assert!(error.to_string().contains(word), "{word} missing in: {error}");
    }
    assert_eq!(fs::read(file.path()).expect("read"), before);
    drop(region);
    let damaged = fs::OpenOptions::new().write(true).open(file.path()).expect("open");
    damaged.write_all_at(&[9], 16).expect("write");
    let error = Region::open(file.path(), &options()).expect_err("damaged");
    assert!(matches!(error, RegionError::Content { source: LayoutError::Damaged { .. }, .. }), "{error}");
    let directory = Region::open(Path::new("/dev/shm"), &options()).expect_err("a directory");
    assert!(matches!(directory, RegionError::File { .. }), "{directory}");
}

#[test]
fn node_16_a_blank_preallocated_file_and_a_half_made_region_are_completed() {
    // decisions:NODE-16: QEMU wants the file to exist with its size; a creator may die before the magic is written.
    let file = Scratch::new("blank");
    let bytes = Layout::new(GEOMETRY).expect("fits").total_bytes() as u64 + 65_536;
    fs::File::create(file.path()).and_then(|file| file.set_len(bytes)).expect("truncate");
    let (region, join) = Region::open(file.path(), &options()).expect("create");
    assert_eq!(join, Join::Created);
    assert_eq!(fs::metadata(file.path()).expect("stat").len(), bytes, "a given size is kept");
    drop(region);
    let half = fs::OpenOptions::new().write(true).open(file.path()).expect("open");
    half.write_all_at(b"TRFLREG?", 0).expect("write");
    let (region, join) = Region::open(file.path(), &options()).expect("create again");
    assert_eq!(join, Join::Created);
    // With somebody else at it, it is not ours to complete.
    half.write_all_at(b"TRFLREG?", 0).expect("write");
    let error = Region::open(file.path(), &options()).expect_err("under construction");
    assert!(matches!(error, RegionError::Content { source: LayoutError::UnderConstruction, .. }), "{error}");
    assert!(matches!(region.claim(0, 1, ME()), Err(ClaimError::Renewed { .. })));
}

#[test]
fn m1_a_file_cut_off_or_replaced_under_us_is_noticed() {
    // rse:M1: the size is checked against the mapping, also later.
    let file = Scratch::new("cut");
    let (region, _) = Region::open(file.path(), &options()).expect("create");
    region.verify().expect("whole");
    let mut side = region.claim(0, 5, ME()).expect("claim");
    fs::OpenOptions::new().write(true).open(file.path()).and_then(|file| file.set_len(8192)).expect("cut");
    assert!(matches!(region.verify(), Err(MapError::Shrunk { actual: 8192, .. })));
    fs::remove_file(file.path()).expect("remove");
    fs::write(file.path(), b"another").expect("write");
    let (fresh, _) = {
        fs::remove_file(file.path()).expect("remove");
        Region::open(file.path(), &options()).expect("create")
    };
    assert!(!matches!(region.verify(), Ok(())));
    fresh.verify().expect("whole");
    // The first pages of the cut file still exist; the side notices nothing but is harmless.
    side.beat(1).expect("its header still stands");
}

#[test]
fn m6_an_anonymous_region_passes_by_descriptor_only_when_sealed() {
    // rse:M6, transport-figures 7.6: memfd, sealed, handed over by descriptor.
    let region = Region::private(GEOMETRY, Pages::Base).expect("memfd");
    let fd = std::os::fd::AsFd::as_fd(&region).try_clone_to_owned().expect("dup");
    let other = Region::from_fd(fd, &options()).expect("join");
    let mut side = region.claim(0, 1, ME()).expect("claim");
    side.publish(1, &[9; 32]);
    let mut out = [0u64; 32];
    assert!(matches!(other.view().reader(0).expect("reader").read(&mut out), Read::Fresh { seq: 1, boot: 1, .. }));
    assert!(matches!(other.claim(0, 2, ME()), Err(ClaimError::Held { .. })));
    let file = fs::File::from(std::os::fd::AsFd::as_fd(&region).try_clone_to_owned().expect("dup"));
    assert!(file.set_len(0).is_err(), "sealed against cutting");
    let open = fs::File::from(
        nix::sys::memfd::memfd_create("x", nix::sys::memfd::MFdFlags::MFD_ALLOW_SEALING).expect("memfd"),
    );
    open.set_len(1 << 20).expect("grow");
    assert!(matches!(Region::from_fd(open.into(), &options()), Err(RegionError::Unsealed { .. })));
}

#[test]
fn m1_every_geometry_in_range_is_laid_out_apart_and_the_rest_is_refused_by_field() {
    // rse:M1, rse:M7: offsets by checked arithmetic; a field out of range is named.
    let fields: [(&str, Geometry); 5] = [
        ("tori", Geometry { tori: 17, ..GEOMETRY }),
        ("payload_bytes", Geometry { payload_bytes: 12, ..GEOMETRY }),
        ("slots", Geometry { slots: 3, ..GEOMETRY }),
        ("ring_records", Geometry { ring_records: 0, ..GEOMETRY }),
        ("inject_records", Geometry { inject_records: 1 << 30, ..GEOMETRY }),
    ];
    for (name, geometry) in fields {
        let Err(LayoutError::Field { field, .. }) = Layout::new(geometry) else { panic!("{name}") };
        assert_eq!(field, name);
    }
    let huge = Geometry { tori: 16, payload_bytes: 1 << 20, slots: 64, ring_records: 1 << 20, inject_records: 1 << 20 };
    let layout = Layout::new(huge).expect("in range");
    let words: Vec<std::sync::atomic::AtomicU64> = Vec::new();
    assert!(matches!(Header::read(&words), Err(LayoutError::Short { .. })));
    assert!(layout.total_bytes() > 16 * 15 * (1 << 20) * 64);
}

#[test]
fn node_16_many_openers_at_once_agree_on_one_region() {
    // decisions:NODE-16: under the lock exactly one creates, all others join the same epoch.
    let file = Scratch::new("crowd");
    let results: Vec<(Region, Join)> = std::thread::scope(|scope| {
        let open = || Region::open(file.path(), &options()).expect("open");
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(results.iter().filter(|(_, join)| *join == Join::Created).count(), 1);
    assert!(results.iter().all(|(region, _)| region.epoch() == results[0].0.epoch()));
    let claimed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = results
            .iter()
            .enumerate()
            .map(|(i, (region, _))| {
                scope.spawn(move || region.claim(0, 10 + i as u64, ME()).map(std::mem::forget).is_ok())
            })
            .collect();
        threads.into_iter().filter(|_| true).map(|thread| usize::from(thread.join().expect("no panic"))).sum()
    });
    assert_eq!(claimed, 1, "one torus, one holder");
    assert_eq!(results[0].0.line(0).expect("line").process, Process::current());
}

/// A link in place of the file is not followed: in `/dev/shm` anybody could have put it there.
#[test]
fn a_link_in_place_of_a_region_is_refused_and_its_target_untouched() {
    let target = Scratch::new("link-target");
    fs::write(target.path(), "").expect("written");
    let link = target.path().with_extension("link");
    std::os::unix::fs::symlink(target.path(), &link).expect("linked");
    let refused = Region::open(&link, &options());
    fs::remove_file(&link).expect("removed");
    assert!(matches!(refused.expect_err("a link"), RegionError::File { .. }));
    assert_eq!(fs::metadata(target.path()).expect("still there").len(), 0, "the target was written to");
}
