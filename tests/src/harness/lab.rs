//! Hosts on one Ethernet: network namespaces joined by a bridge, with loss and partitions by nftables (`decisions:CLU-18`).
//!
//! Without root everything happens inside a user namespace of its own. Holders are `sleep` processes tied to the thread of the
//! test; with them their namespaces, links and rules go.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{lacks, tied, until};

/// Longest a command of the network may take.
const QUICK: Duration = Duration::from_secs(120);

/// What is missing for a laboratory.
#[must_use]
pub fn lacks_lab() -> Option<String> {
    if let Some(missing) = lacks(&["unshare", "nsenter", "ip", "nft", "setpriv"]) {
        return Some(missing);
    }
    let mut probe = Command::new("unshare");
    probe.args(user_namespace()).args(["--net", "true"]).stderr(Stdio::null());
    match probe.status() {
        Ok(status) if status.success() => None,
        _ => Some("needs network namespaces (run as root, or allow user namespaces)".to_owned()),
    }
}

fn user_namespace() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] }
}

/// A process that keeps a namespace.
#[derive(Debug)]
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Holder {
    /// Starts `command ... sleep` and waits until it has become the `sleep`.
    fn start(mut command: Command) -> Self {
        let child = command.args(["sleep", "100000"]).spawn().expect("a holder starts");
        let comm = format!("/proc/{}/comm", child.id());
        until("a network namespace", QUICK, || {
            std::fs::read_to_string(&comm).ok().filter(|name| name.trim() == "sleep")
        });
        Self(child)
    }

    /// Options of `nsenter` that lead into it.
    fn enter(&self) -> Vec<String> {
        let mut options = vec!["--target".to_owned(), self.0.id().to_string(), "--net".to_owned()];
        if !nix::unistd::geteuid().is_root() {
            options.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        options
    }
}

/// Runs a command of the network and returns what it printed.
fn run(command: &mut Command, input: &str) -> String {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A bridge and the hosts on it.
#[derive(Debug)]
pub struct Lab {
    switch: Holder,
    mtu: u32,
}

impl Lab {
    /// An empty one; frames carry at most `mtu` bytes.
    ///
    /// # Panics
    /// When the kernel refuses; ask [`lacks_lab`] first.
    #[must_use]
    pub fn new(mtu: u32) -> Self {
        let mut command = tied(Path::new("unshare"));
        command.args(user_namespace()).arg("--net");
        let lab = Self { switch: Holder::start(command), mtu };
        lab.ip("link add br0 type bridge");
        lab.ip(&format!("link set br0 mtu {mtu} up"));
        lab
    }

    fn ip(&self, line: &str) {
        let mut command = Command::new("nsenter");
        command.args(self.switch.enter()).arg("ip").args(line.split(' '));
        run(&mut command, "");
    }

    /// A new host with the address 10.77.0.`number`.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn host(&self, number: u8) -> Host {
        let mut command = tied(Path::new("nsenter"));
        command.args(self.switch.enter()).args(["unshare", "--net"]);
        let holder = Holder::start(command);
        let (port, inside, mtu) = (format!("p{number}"), holder.0.id(), self.mtu);
        self.ip(&format!("link add {port} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {inside}"));
        self.ip(&format!("link set {port} master br0 up"));
        let host = Host { holder, address: Ipv4Addr::new(10, 77, 0, number) };
        host.ip("link set lo up");
        host.ip(&format!("addr add {}/24 dev eth0", host.address));
        host.ip("link set eth0 up");
        host
    }
}

/// One host.
#[derive(Debug)]
pub struct Host {
    holder: Holder,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Host {
    fn ip(&self, line: &str) {
        run(self.command("ip").args(line.split(' ')), "");
    }

    /// A command that runs on it; tied to the thread of the test.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = tied(Path::new("nsenter"));
        command.args(self.holder.enter()).arg(program);
        command
    }

    /// Replaces its rules: packets that leave by `outgoing` or come in by `incoming` and match are dropped.
    fn rules(&self, incoming: &str, outgoing: &str) {
        let chain = |name: &str, hook: &str, rule: &str| {
            format!(
                "chain {name} {{\ntype filter hook {hook} priority 0; policy accept;\noifname lo accept\n{rule}\n}}\n"
            )
        };
        let incoming = chain("incoming", "input", incoming).replace("oifname", "iifname");
        let text = format!("flush ruleset\ntable inet lab {{\n{incoming}{}}}\n", chain("outgoing", "output", outgoing));
        run(self.command("nft").args(["-f", "-"]), &text);
    }

    /// Loses so many percent of what comes in and of what goes out.
    pub fn lose(&self, incoming_percent: u32, outgoing_percent: u32) {
        let rule = |percent: u32| match percent {
            0 => String::new(),
            100.. => "drop".to_owned(),
            percent => format!("numgen random mod 100 < {percent} drop"),
        };
        self.rules(&rule(incoming_percent), &rule(outgoing_percent));
    }

    /// Hears and reaches nobody of `others`.
    pub fn cut_off(&self, others: &[Ipv4Addr]) {
        let list = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        self.rules(&format!("ip saddr {{ {list} }} drop"), &format!("ip daddr {{ {list} }} drop"));
    }

    /// Loses nothing any more.
    pub fn heal(&self) {
        run(self.command("nft").args(["flush", "ruleset"]), "");
    }

    /// Gives it a second address or takes one away: `ip addr add|del`.
    pub fn address(&self, verb: &str, address: Ipv4Addr) {
        self.ip(&format!("addr {verb} {address}/24 dev eth0"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::skipped;
    use super::*;

    fn pings(from: &Host, to: &Host) -> bool {
        let reach = format!("exec 3<>/dev/udp/{}/9; echo x >&3", to.address);
        let _ = from.command("bash").args(["-c", &reach]).status();
        // A neighbour entry that is not FAILED says that frames went both ways.
        until("an answer of the neighbour or none", QUICK, || {
            let shown = run(from.command("ip").args(["neigh", "show", &to.address.to_string()]), "");
            ["REACHABLE", "DELAY", "STALE", "FAILED"].iter().find(|word| shown.contains(*word)).copied()
        }) != "FAILED"
    }

    #[test]
    fn hosts_reach_each_other_and_rules_come_and_go() {
        if skipped("hosts_reach_each_other_and_rules_come_and_go", lacks_lab()) {
            return;
        }
        let lab = Lab::new(1400);
        let (one, two) = (lab.host(1), lab.host(2));
        assert!(pings(&one, &two));
        one.lose(30, 5);
        let shown = run(one.command("nft").args(["list", "ruleset"]), "");
        assert!(shown.contains("numgen random mod 100 < 30") && shown.contains("numgen random mod 100 < 5"), "{shown}");
        two.cut_off(&[one.address]);
        assert!(run(two.command("nft").args(["list", "ruleset"]), "").contains("10.77.0.1"));
        two.heal();
        assert!(!run(two.command("nft").args(["list", "ruleset"]), "").contains("drop"));
        let shown = run(one.command("ip").args(["link", "show", "eth0"]), "");
        assert!(shown.contains("mtu 1400"), "{shown}");
    }
}
