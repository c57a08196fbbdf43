//! The backing ladder on the real kernel: huge pages where they are, the truth where they are not (`rse:M6`).
#![allow(clippy::print_stdout, reason = "counts and skips are for the reader of the test run")]

mod support;

use shm_transport::arena::Arena;
use shm_transport::backing::{Backing, HUGE_PAGE_BYTES, Pages};
use shm_transport::region::{Geometry, Join, Options, Region, RegionError};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{skip, with_huge_pages};

const GEOMETRY: Geometry = Geometry { tori: 2, payload_bytes: 4232, slots: 8, ring_records: 64, inject_records: 64 };

/// The smaps entry that holds `address`.
fn smaps(address: usize) -> String {
    let text = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let (mut entry, mut inside) = (String::new(), false);
    for line in text.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let range = range.and_then(|(start, end)| {
            Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
        });
        inside = range.map_or(inside, |range| range.contains(&address));
        if inside {
            entry.push_str(line);
            entry.push('\n');
        }
    }
    entry
}

#[test]
fn node_20_regions_stay_out_of_core_dumps_and_forked_children() {
    // decisions:NODE-20: as the kernel reports the mapping: dd = not dumped, dc = not given to a forked child, which would
    // be a second writer.
    // Tests run side by side, each with regions of its own: this one is told by its size, which no other has.
    let region = Region::private(Geometry { ring_records: 2048, ..GEOMETRY }, Pages::Base).expect("memory");
    assert!(region.backing().dump_excluded);
    let text = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let size = (region.backing().mapped_bytes / 1024).to_string();
    let mine = text.split_inclusive("VmFlags:").zip(text.split("VmFlags:").skip(1));
    let (_, after) = mine
        .filter(|(entry, _)| entry.contains("memfd:trefoil-region"))
        .find(|(entry, _)| entry.lines().any(|line| line.split_whitespace().eq(["Size:", size.as_str(), "kB"])))
        .expect("it is mapped");
    let flags = after.lines().next().unwrap_or_default();
    assert!(flags.contains(" dd") && flags.contains(" dc"), "{flags}");
}

#[test]
fn m6_huge_pages_are_used_when_reserved() {
    // rse:M6: memfd and private memory on 2 MiB pages, as the kernel itself reports them.
    with_huge_pages(4, || {
        let region = Region::private(GEOMETRY, Pages::Huge).expect("memory");
        let arena = Arena::new(HUGE_PAGE_BYTES, Pages::Huge, true).expect("memory");
        for backing in [region.backing(), arena.backing()] {
            if !backing.met() {
                assert!(backing.reason.contains("echo"), "{backing:?}");
                return false;
            }
            assert!(backing.locked && backing.dump_excluded, "{backing:?}");
            assert_eq!(backing.mapped_bytes % HUGE_PAGE_BYTES, 0);
        }
        let entry = smaps(arena.as_ptr() as usize);
        assert!(entry.contains("KernelPageSize:     2048 kB"), "{entry}");
        // decisions:NODE-20: dd = not dumped, dc = not copied on fork.
        let flags = entry.lines().find(|line| line.starts_with("VmFlags")).unwrap_or_default();
        assert!(flags.contains(" dd") && flags.contains(" dc"), "{flags}");
        true
    });
}

#[test]
fn m6_a_hugetlbfs_file_maps_like_any_other() {
    // rse:M6: named regions on hugetlbfs, which is what QEMU wants behind ivshmem.
    let mount = PathBuf::from(format!("/tmp/trefoil-hugetlbfs-{}", std::process::id()));
    std::fs::create_dir_all(&mount).expect("directory");
    let mounted = Command::new("mount").args(["-t", "hugetlbfs", "-o", "pagesize=2M", "none"]).arg(&mount).status();
    if !mounted.is_ok_and(|status| status.success()) {
        let _ = std::fs::remove_dir(&mount);
        return skip("hugetlbfs cannot be mounted here (not root)");
    }
    let path = mount.join("region");
    with_huge_pages(2, || {
        let result = use_hugetlbfs(&path);
        let _ = std::fs::remove_file(&path);
        match result {
            Ok((backing, newest)) => {
                assert_eq!((backing.pages, backing.met(), newest), (Pages::Huge, true, 1));
                true
            }
            // Taken by somebody else between reserving and mapping: the error says how to mend it.
            Err(error) => {
                assert!(error.to_string().contains("nr_hugepages"), "{error}");
                false
            }
        }
    });
    let _ = Command::new("umount").arg(&mount).status();
    let _ = std::fs::remove_dir(&mount);
}

fn use_hugetlbfs(path: &Path) -> Result<(Backing, u64), RegionError> {
    let options = Options::new(GEOMETRY);
    let (region, join) = Region::open(path, &options)?;
    assert_eq!(join, Join::Created);
    let (again, joined) = Region::open(path, &options)?;
    assert!(matches!(joined, Join::Joined { .. }));
    region.claim(0, 1, std::process::id()).expect("claim").publish(1, &[4; 529]);
    region.verify().expect("whole");
    Ok((region.backing().clone(), again.line(0).expect("line").newest_seq))
}

#[test]
fn m6_without_huge_pages_the_reason_and_the_remedy_are_given() {
    // rse:M6, decisions:NODE-20: more than the machine has, so that every machine lacks it.
    let geometry = Geometry { tori: 4, payload_bytes: 1 << 20, slots: 8, ring_records: 64, inject_records: 64 };
    let region = Region::private(geometry, Pages::Huge).expect("memory");
    let backing = region.backing();
    if backing.met() {
        return skip("this machine has huge pages for anything");
    }
    for word in ["/proc/sys/vm/nr_hugepages", "free of", "echo", "needed"] {
        assert!(backing.reason.contains(word), "{word} missing in: {}", backing.reason);
    }
    assert!(backing.pages != Pages::Huge && !backing.locked && backing.dump_excluded);
}

#[test]
fn node_20_a_refused_lock_is_said_and_nothing_else_changes() {
    // decisions:NODE-20: mlock without the right to it. Done in a child without capabilities and with a limit of zero.
    const CHILD: &str = "TREFOIL_UNPRIVILEGED";
    if std::env::var_os(CHILD).is_some() {
        let arena = Arena::new(1 << 20, Pages::Base, true).expect("memory");
        assert!(!arena.backing().locked);
        println!("LOCK: {}", arena.backing().lock_reason);
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return skip("not root, so the limit cannot be told from a missing right");
    }
    let test = std::env::current_exe().expect("own path");
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
        .args(["prlimit", "--memlock=0:0"])
        .arg(test)
        .args(["--exact", "node_20_a_refused_lock_is_said_and_nothing_else_changes", "--nocapture"])
        .env(CHILD, "1")
        .output();
    let Ok(output) = output else { return skip("setpriv or prlimit is not installed") };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() && !text.contains("LOCK") {
        return skip(&format!(
            "the child could not be started unprivileged: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    assert!(text.contains("LOCK: not locked") && text.contains("RLIMIT_MEMLOCK is 0 bytes"), "{text}");
    assert!(text.contains("LimitMEMLOCK=infinity"), "{text}");
}
