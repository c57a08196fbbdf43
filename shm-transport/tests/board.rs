//! The status board: links read by others while the writer lives, hangs, dies and is replaced (`decisions:NODE-15`).

use shm_transport::backing::MapError;
use shm_transport::board::{Board, BoardError, BoardReader};
use shm_transport::liveness::{Existence, Process};
use shm_transport::slot::Read;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/dev/shm/trefoil-board-{}-{name}", std::process::id()));
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

#[test]
fn node_15_links_are_independent_and_read_only_for_watchers() {
    // decisions:NODE-15: a named file, its mode is the access control, a heartbeat in it; writers on several threads.
    let file = Scratch::new("links");
    let board = Board::create(file.path(), 0o640, None, &[(64, 2), (20, 4), (4096, 8)]).expect("create");
    let mode = fs::metadata(file.path()).expect("stat").permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "exact, whatever the umask");
    let reader = BoardReader::open(file.path()).expect("open");
    assert_eq!((reader.links(), reader.payload_words(1), reader.payload_words(3)), (3, Some(3), None));
    let mut out = [0u64; 512];
    assert_eq!(reader.read(0, &mut out).expect("link"), Read::Empty);
    std::thread::scope(|scope| {
        for link in 0..3 {
            let mut writer = board.writer(link).expect("link");
            let words = reader.payload_words(link).expect("link");
            scope.spawn(move || {
                (1..=100u64).for_each(|i| {
                    writer.publish(i, &vec![i * 10 + link as u64; words]);
                })
            });
        }
    });
    for link in 0..3usize {
        let words = reader.payload_words(link).expect("link");
        for _ in 0..2 {
            // Twice the same: `read` gives the newest, seen or not.
            let Read::Fresh { seq: 100, boot, words: length, .. } = reader.read(link, &mut out).expect("link") else {
                panic!("link {link}");
            };
            assert_eq!((boot, length), (board.epoch(), words));
            assert!(out[..words].iter().all(|word| *word == 1000 + link as u64));
        }
    }
    let mut following = reader.reader(0).expect("link");
    assert!(matches!(following.read(&mut out), Read::Fresh { .. }));
    assert_eq!(following.read(&mut out), Read::Unchanged);
    assert!(matches!(reader.read(3, &mut out), Err(BoardError::NoSuchLink { link: 3, links: 3 })));
    assert!(matches!(reader.read(2, &mut out[..5]), Err(BoardError::Link { link: 2, .. })));

    let before = reader.heartbeat();
    board.beat(77);
    let after = reader.heartbeat();
    assert_eq!((after.count, after.at_ns, after.process), (before.count + 1, 77, Process::current()));
    assert_eq!(after.process.existence(), Existence::Alive);
}

#[test]
fn node_15_a_reader_keeps_the_last_content_and_notices_the_next_board() {
    // decisions:NODE-15: the writer dies, another comes; the old board is never changed under its readers.
    let file = Scratch::new("replaced");
    let old = Board::create(file.path(), 0o600, None, &[(64, 2)]).expect("create");
    old.writer(0).expect("link").publish(1, &[7; 8]);
    let reader = BoardReader::open(file.path()).expect("open");
    drop(old);
    let mut out = [0u64; 8];
    assert!(matches!(reader.read(0, &mut out), Ok(Read::Fresh { .. })));
    reader.check().expect("the writer is gone, the board is there");
    let new = Board::create(file.path(), 0o600, None, &[(64, 2)]).expect("create");
    assert!(matches!(reader.check(), Err(MapError::Replaced { .. })));
    assert!(matches!(reader.read(0, &mut out), Ok(Read::Fresh { .. })));
    assert_eq!(out, [7; 8]);
    let fresh = BoardReader::open(file.path()).expect("open");
    assert_ne!(fresh.epoch(), reader.epoch());
    assert_eq!(fresh.read(0, &mut out).expect("link"), Read::Empty);
    new.remove().expect("remove");
    assert!(!file.path().exists());
    assert!(matches!(fresh.check(), Err(MapError::Replaced { .. })));
    let leftovers = fs::read_dir("/dev/shm").expect("list").flatten();
    let name = file.path().file_name().expect("name").to_string_lossy().into_owned();
    assert_eq!(leftovers.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count(), 0);
}

#[test]
fn m7_what_is_no_board_is_refused_with_a_reason() {
    // rse:M7: short, foreign, another version, damaged anywhere in the header.
    let file = Scratch::new("refused");
    let absent = BoardReader::open(file.path()).expect_err("absent");
    assert!(matches!(&absent, BoardError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
    assert!(BoardReader::open(Path::new("/dev/null")).is_err());
    assert!(BoardReader::open(Path::new("/dev/shm")).is_err());
    for bytes in [vec![], vec![0u8; 5], vec![1u8; 4000], vec![b'x'; 10_000]] {
        fs::write(file.path(), bytes).expect("write");
        assert!(BoardReader::open(file.path()).is_err());
    }
    fs::remove_file(file.path()).expect("remove");
    let board = Board::create(file.path(), 0o600, None, &[(64, 2), (8, 2)]).expect("create");
    let good = fs::read(file.path()).expect("read");
    let raw = fs::OpenOptions::new().write(true).open(file.path()).expect("open");
    for at in (0..48).chain(256..288) {
        raw.write_all_at(&[good[at] ^ 0x41], at as u64).expect("write");
        let error = BoardReader::open(file.path()).expect_err("damaged");
        assert!((8..16).contains(&at) == matches!(error, BoardError::Version { .. }), "byte {at}: {error}");
        raw.write_all_at(&[good[at]], at as u64).expect("write");
    }
    BoardReader::open(file.path()).expect("whole again");
    // Any change of the links themselves is a value, never a panic.
    let reader = BoardReader::open(file.path()).expect("open");
    let mut out = [0u64; 8];
    for at in (4096..good.len() as u64).step_by(8) {
        raw.write_all_at(&[0xff; 8], at).expect("write");
        let _ = reader.read(0, &mut out);
        let _ = reader.read(1, &mut out);
    }
    raw.set_len(4096).expect("cut");
    assert!(matches!(reader.check(), Err(MapError::Shrunk { actual: 4096, .. })));
    assert!(matches!(BoardReader::open(file.path()), Err(BoardError::Map(MapError::Short { .. }))));
    drop(board);
    for links in [&[][..], &[(0, 2)], &[(8, 3)], &[(8, 128)], &[(u32::MAX, 2)], &[(8, 2); 129]] {
        assert!(Board::create(file.path(), 0o600, None, links).is_err());
    }
}

#[test]
fn node_15_a_group_is_set_where_the_process_may() {
    // decisions:NODE-15, decisions:NODE-20: supplementary groups may be given the page. The own group is always
    // allowed.
    let file = Scratch::new("group");
    let group = nix::unistd::getegid().as_raw();
    Board::create(file.path(), 0o640, Some(group), &[(8, 2)]).expect("create");
    assert_eq!(fs::metadata(file.path()).expect("stat").gid(), group);
    let nowhere = Path::new("/dev/shm/trefoil-no-such-directory/status");
    let error = Board::create(nowhere, 0o640, None, &[(8, 2)]).expect_err("no directory").to_string();
    assert!(error.contains("trefoil-no-such-directory") && error.contains("check the directory"), "{error}");
}
