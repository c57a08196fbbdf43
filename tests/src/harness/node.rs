//! A trefoil process under test: its folders, its configuration, what it prints, what its status page says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use control::Snapshot;
use control::snapshot::Phase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Scratch, binary, tied, until};

/// Longest a node may take to come up or go down on a busy machine; a hang guard, not a promise.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A node: where it lives and what it was told.
#[derive(Debug)]
pub struct Node {
    child: Option<Child>,
    /// Its runtime folder.
    pub runtime: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    output: PathBuf,
}

/// A configuration: the `[node]` table for this name in this scratch folder, then `rest`.
#[must_use]
pub fn config(scratch: &Scratch, name: &str, rest: &str) -> PathBuf {
    let runtime = scratch.join(&format!("run-{name}"));
    let state = scratch.join(&format!("state-{name}"));
    let (node, rest) = match rest.trim_start().strip_prefix("[node]") {
        Some(more) => {
            (more.split_once("\n[").map_or(more, |(node, _)| node), more.split_once("\n[").map_or("", |(_, rest)| rest))
        }
        None => ("", rest.trim_start().strip_prefix('[').unwrap_or_default()),
    };
    let text = format!(
        "[node]\nname = \"{name}\"\nruntime_dir = \"{}\"\nstate_dir = \"{}\"\n{node}\n[{rest}",
        runtime.display(),
        state.display()
    );
    scratch.file(&format!("{name}.toml"), &text)
}

/// Three tori that level a cycle of tokens which all start on A; slow enough for two busy cores.
pub const THREE_TORI: &str = r#"[node]
waiting = "adaptive"
[braid]
tori = 3
floor_us = 20000
[[torus]]
name = "A"
[torus.workload]
kind = "cycle"
nodes = 500
tokens = 1000
pace_ticks_per_s = 2000
[[torus]]
name = "B"
[torus.workload]
kind = "cycle"
nodes = 500
tokens = 1000
load = false
pace_ticks_per_s = 2000
[[torus]]
name = "C"
[torus.workload]
kind = "cycle"
nodes = 500
tokens = 1000
load = false
pace_ticks_per_s = 2000
"#;

impl Node {
    /// Starts a node with [`config`] of `rest` and waits until it runs.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(scratch: &Scratch, name: &str, rest: &str, arguments: &[&str]) -> Self {
        let config = config(scratch, name, rest);
        let node = Self::launch(scratch, name, &config, arguments);
        node.ready();
        node
    }

    /// Starts a node from a configuration file and does not wait.
    ///
    /// # Panics
    /// When the process cannot be made.
    #[must_use]
    pub fn launch(scratch: &Scratch, name: &str, config: &Path, arguments: &[&str]) -> Self {
        Self::launch_by(tied(binary()), scratch, name, config, arguments)
    }

    /// [`Node::launch`] by a command of the caller's that becomes the binary, on another host for instance.
    ///
    /// # Panics
    /// When the process cannot be made.
    #[must_use]
    pub fn launch_by(mut command: Command, scratch: &Scratch, name: &str, config: &Path, arguments: &[&str]) -> Self {
        let output = scratch.join(&format!("{name}.out"));
        let file = fs::OpenOptions::new().create(true).append(true).open(&output).expect("the output file opens");
        let child = command
            .args(["run", "--config"])
            .arg(config)
            .args(arguments)
            .stdout(file.try_clone().expect("the output file can be shared"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Self { child: Some(child), runtime: scratch.join(&format!("run-{name}")), config: config.to_owned(), output }
    }

    /// Starts what `make run` starts when there is no terminal, `configs/demo.toml` with a table each second, and does not wait.
    ///
    /// # Panics
    /// When the process cannot be made.
    #[must_use]
    pub fn launch_demo(scratch: &Scratch) -> Self {
        let config = crate::tidy::root().join("configs/demo.toml");
        let output = scratch.join("demo.out");
        let file = fs::File::create(&output).expect("the output file opens");
        let child = tied(binary())
            .args(["run", "--console", "--for", "10m", "--config"])
            .arg(&config)
            .env("XDG_RUNTIME_DIR", scratch.path())
            .env("XDG_STATE_HOME", scratch.path())
            .env_remove("RUNTIME_DIRECTORY")
            .env_remove("STATE_DIRECTORY")
            .stdout(file.try_clone().expect("the output file can be shared"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Self { child: Some(child), runtime: scratch.join("trefoil"), config, output }
    }

    /// Waits until the status page says that it runs.
    ///
    /// # Panics
    /// When it does not, with what it printed.
    pub fn ready(&self) {
        let pid = self.pid();
        self.wait("the node to run", |snapshot| snapshot.node.phase == Phase::Running && snapshot.node.pid == pid);
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it was already waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node was started").id()
    }

    /// What its status page says; `None` when there is none yet.
    #[must_use]
    pub fn status(&self) -> Option<Snapshot> {
        let output = trefoil(&["status", "--json", "--runtime-dir", &self.runtime.display().to_string()]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until its status is as wanted, and returns it.
    ///
    /// # Panics
    /// After [`PATIENCE`], or when the process ends meanwhile, with what it printed.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
        self.wait_for(what, PATIENCE, wanted)
    }

    /// [`Node::wait`] with a limit of the caller's, for what takes its time by design.
    ///
    /// # Panics
    /// After `limit`, or when the process ends meanwhile, with what it printed.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let start = std::time::Instant::now();
        let mut last = None;
        loop {
            if let Some(snapshot) = self.status() {
                if wanted(&snapshot) {
                    return snapshot;
                }
                last = Some(snapshot);
            }
            let late = start.elapsed() > limit;
            let ended = !Path::new(&format!("/proc/{}/exe", self.pid())).exists();
            assert!(
                !late && !ended,
                "waited for {what}; ended: {ended}; printed:\n{}\nlast status: {last:?}",
                self.printed()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a `trefoil` command against it.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let folder = self.runtime.display().to_string();
        let mut all = arguments.to_vec();
        all.extend(["--runtime-dir", &folder]);
        trefoil(&all)
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is not there.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal}: {error}"));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what it printed.
    pub fn end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the node was started");
        let start = std::time::Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("the child can be waited for") {
                return status;
            }
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the node did not end; it printed:\n{}", self.printed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All it printed.
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs one `trefoil` command to its end.
///
/// # Panics
/// When it hangs or cannot be run.
#[must_use]
pub fn trefoil(arguments: &[&str]) -> Output {
    run(tied(binary()).args(arguments))
}

/// Runs a command to its end, at most [`PATIENCE`].
///
/// # Panics
/// When it hangs or cannot be run.
#[must_use]
pub fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
    let pid = child.id();
    // A reader of its own for each stream, so that a full pipe stops nobody.
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.expect("the stream is piped").read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let status =
        until(&format!("process {pid} to end"), PATIENCE, || child.try_wait().expect("the child can be waited for"));
    Output { status, stdout: stdout.join().expect("reading ends"), stderr: stderr.join().expect("reading ends") }
}

/// Both streams of an output as text.
#[must_use]
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
