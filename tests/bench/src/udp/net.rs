//! Where datagrams go: loopback, or a veth pair between two network namespaces of this process. A thread enters a namespace before
//! it opens its socket; the namespaces end with their files.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};

/// A way between two threads.
pub struct Place {
    pub name: &'static str,
    namespaces: Option<[File; 2]>,
}

/// Runs on a thread of its own that may change its namespace.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| scope.spawn(work).join()).map_err(|_| "a thread of the laboratory panicked".to_owned())
}

fn new_namespace() -> Result<File, String> {
    apart(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
            format!("needs root for network namespaces ({error}): sudo, or unshare --user --map-root-user make bench ONLY=udp")
        })?;
        File::open("/proc/thread-self/ns/net").map_err(|error| format!("/proc/thread-self/ns/net: {error}"))
    })?
}

fn ip(line: &str) -> Result<(), String> {
    let run = Command::new("ip").args(line.split(' ')).stdin(Stdio::null()).output();
    let output = run.map_err(|error| format!("ip (package iproute2): {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("ip {line}: {}", said.trim()))
}

impl Place {
    /// 127.0.0.1.
    pub fn loopback() -> Self {
        Self { name: "loopback", namespaces: None }
    }

    /// A pair of namespaces joined by frames of at most `mtu` bytes.
    pub fn veth(name: &'static str, mtu: u32) -> Result<Self, String> {
        let place = Self { name, namespaces: Some([new_namespace()?, new_namespace()?]) };
        let other = place.namespaces.as_ref().map_or(0, |both| both[1].as_raw_fd());
        let other = format!("/proc/{}/fd/{other}", std::process::id());
        place.inside(0, || ip(&format!("link add v0 mtu {mtu} type veth peer name v1 mtu {mtu} netns {other}")))??;
        for side in [0, 1] {
            place.inside(side, || {
                ip(&format!("addr add 10.77.0.{}/24 dev v{side}", side + 1))?;
                ip("link set lo up")?;
                ip(&format!("link set v{side} up"))
            })??;
        }
        Ok(place)
    }

    fn inside<T: Send>(&self, side: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
        apart(|| {
            self.enter(side);
            work()
        })
    }

    /// Moves the calling thread to one side, 0 or 1.
    pub fn enter(&self, side: usize) {
        if let Some(both) = &self.namespaces {
            setns(&both[side], CloneFlags::CLONE_NEWNET).expect("who made a namespace may enter it");
        }
    }

    /// Address of a side.
    pub fn address(&self, side: usize) -> IpAddr {
        match self.namespaces {
            Some(_) => [10, 77, 0, side as u8 + 1].into(),
            None => [127, 0, 0, 1].into(),
        }
    }
}
