//! A real systemd as PID 1 of its own namespaces: it starts a unit file of ours exactly as a host would, and nothing of it is
//! visible to the host. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Scratch, note, tied, until};

/// Brings up what systemd needs inside the new namespaces, then becomes it. `$1` holds a tree of files that is laid over the
/// host's `/etc` and `/usr` (seen inside only); its `units` are the only ones, so that nothing of the host's own boot (udev, sysctl,
/// tmpfiles) runs a second time; `$2` names the one to start.
const BOOT: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
cp -r "$1" /run/stage
for top in etc usr var; do
    mkdir -p /run/over/$top/upper /run/over/$top/work /run/stage/$top
    mount -t overlay -o lowerdir=/$top,upperdir=/run/over/$top/upper,workdir=/run/over/$top/work overlay /$top
    cp -r /run/stage/$top/. /$top/
done
mount -t tmpfs tmpfs /tmp
mkdir -p /run/systemd
cp -r /run/stage/units /run/systemd/system
for target in sysinit basic local-fs shutdown multi-user; do
    [ -e /run/systemd/system/$target.target ] || printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/$target.target
done
exec env -i PATH="$PATH" container=trefoil-test SYSTEMD_UNIT_PATH=/run/systemd/system /lib/systemd/systemd --system --unit="$2" \
    --log-target=console --log-level=info --show-status=no
"#;

/// A running systemd.
#[derive(Debug)]
pub struct Init {
    unshare: Child,
    pid: i32,
    log: PathBuf,
    cgroups: Vec<PathBuf>,
}

impl Init {
    /// Boots systemd with the files in `stage` (`units/`, `etc/`, `usr/`) and starts `unit`. The log of PID 1 goes to `scratch`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn boot(scratch: &Scratch, stage: &Path, unit: &str) -> Self {
        let log = scratch.join("systemd.log");
        let output = fs::File::create(&log).expect("the log opens");
        let cgroups =
            cgroups(&format!("trefoil-test-{}-{}", std::process::id(), scratch.path().file_name().unwrap().display()));
        let script = scratch.file("boot.sh", BOOT);
        // Its own control groups first, so that what systemd makes there can be removed with it.
        let enter = "for g in $TREFOIL_CGROUPS; do echo $$ > $g/cgroup.procs; done; exec \"$@\"";
        let names: Vec<String> = cgroups.iter().map(|path| path.display().to_string()).collect();
        let unshare = tied(Path::new("/bin/sh"))
            .args([
                "-c",
                enter,
                "sh",
                "unshare",
                "--fork",
                "--pid",
                "--mount",
                "--uts",
                "--ipc",
                "--cgroup",
                "--mount-proc",
            ])
            .args(["--kill-child", "bash"])
            .arg(&script)
            .arg(stage)
            .arg(unit)
            .env("TREFOIL_CGROUPS", names.join(" "))
            .stdout(output.try_clone().expect("the log can be shared"))
            .stderr(output)
            .spawn()
            .expect("unshare runs");
        let parent = unshare.id();
        let mut init = Self { unshare, pid: 0, log, cgroups };
        init.pid = until("PID 1", Duration::from_secs(120), || child_of(parent));
        until("systemd to answer", Duration::from_secs(120), || {
            let output = init.command("systemctl").arg("list-units").output().ok()?;
            output.status.success().then_some(())
        });
        init
    }

    /// A command inside its namespaces.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.pid.to_string(),
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--cgroup",
            "--",
            program,
        ]);
        command.stdin(Stdio::null());
        command
    }

    /// `systemctl VERB UNIT`, and whether it succeeded.
    ///
    /// # Panics
    /// When systemctl cannot be run.
    #[must_use]
    pub fn systemctl(&self, verb: &str, unit: &str) -> bool {
        self.command("systemctl").args([verb, unit]).status().expect("systemctl runs").success()
    }

    /// One property of a unit.
    ///
    /// # Panics
    /// When systemctl cannot be run.
    #[must_use]
    pub fn property(&self, unit: &str, name: &str) -> String {
        let output = self
            .command("systemctl")
            .args(["show", "--value", "--property", name, unit])
            .output()
            .expect("systemctl runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until a property has one of the values.
    ///
    /// # Panics
    /// After `limit`, with the log.
    pub fn wait(&self, unit: &str, name: &str, values: &[&str], limit: Duration) -> String {
        let start = std::time::Instant::now();
        loop {
            let found = self.property(unit, name);
            if values.contains(&found.as_str()) {
                return found;
            }
            assert!(
                start.elapsed() < limit,
                "{unit}: {name} is {found:?}, waited {limit:?} for {values:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Process id of the unit's main process as the host sees it.
    #[must_use]
    pub fn main_pid(&self, unit: &str) -> Option<u32> {
        let inside = self.property(unit, "MainPID");
        let entries = fs::read_dir("/proc").ok()?;
        entries.filter_map(Result::ok).find_map(|entry| {
            let pid: u32 = entry.file_name().to_string_lossy().parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let ids: Vec<&str> =
                status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().collect();
            let same = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?
                == fs::read_link(format!("/proc/{}/ns/pid", self.pid)).ok()?;
            (same && ids.last() == Some(&inside.as_str())).then_some(pid)
        })
    }

    /// A file as seen inside.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(format!("/proc/{}/root{path}", self.pid)).unwrap_or_default()
    }

    /// What PID 1 said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if self.pid > 0 {
            // PID 1 gone, the kernel ends all of its namespace.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        for group in &self.cgroups {
            if !remove(group) {
                note(&format!("could not remove {}", group.display()));
            }
        }
    }
}

fn child_of(parent: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Makes a group of this name in every hierarchy that systemd would use, and returns those it could make.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut made = Vec::new();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, point, kind, options, ..] = fields.as_slice() else { continue };
        // A cpuset group of version 1 takes no process before it is given cores; systemd does not use it.
        let wanted = *kind == "cgroup2" || (*kind == "cgroup" && !options.split(',').any(|option| option == "cpuset"));
        let group = Path::new(point).join(name);
        if wanted && fs::create_dir(&group).is_ok() {
            made.push(group);
        }
    }
    made
}

/// Removes a control group with all below it; groups empty a moment after their last process ends.
fn remove(group: &Path) -> bool {
    for _ in 0..100 {
        for entry in
            fs::read_dir(group).into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.path().is_dir())
        {
            remove(&entry.path());
        }
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
