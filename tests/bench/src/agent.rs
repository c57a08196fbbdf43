//! Figures of the running agent: CPU of an idle node, CPU of a console that watches it, what the braid costs live, memory per
//! torus. The real binary is started; CPU is what /proc/PID/stat says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::report::{Bar, Row};

const WINDOW: Duration = Duration::from_secs(2);
const WINDOWS: usize = 5;
const SECTION: [&str; 2] =
    ["agent: idle node, console, live braid", "build it with: cargo build --release -p trefoil-agent"];

/// A node under test with directories of its own; ended and removed on drop.
struct Node {
    trefoil: PathBuf,
    dir: PathBuf,
    child: Child,
}

impl Node {
    fn start(trefoil: &Path, workload: &str) -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("trefoil-bench-{}-{workload}", std::process::id()));
        let io = |error: std::io::Error| format!("{}: {error}", dir.display());
        std::fs::create_dir_all(&dir).map_err(io)?;
        let config = dir.join("node.toml");
        std::fs::write(&config, config_text(&dir, workload)).map_err(io)?;
        let child = Command::new(trefoil)
            .arg("--runtime-dir")
            .arg(&dir)
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", trefoil.display()))?;
        let node = Self { trefoil: trefoil.to_owned(), dir, child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while node.status().is_none() {
            if Instant::now() > deadline {
                return Err("the node did not answer `status --json` within 20 s".to_owned());
            }
            sleep(Duration::from_millis(100));
        }
        Ok(node)
    }

    fn status(&self) -> Option<serde_json::Value> {
        let mut command = Command::new(&self.trefoil);
        let output = command.arg("--runtime-dir").arg(&self.dir).args(["status", "--json"]).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whatever of this fails, the node has ended already.
        let _ = Command::new(&self.trefoil).arg("--runtime-dir").arg(&self.dir).arg("stop").output();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn config_text(dir: &Path, workload: &str) -> String {
    let dir = dir.display();
    let head = format!(
        "[node]\nname = \"bench\"\nwaiting = \"adaptive\"\nruntime_dir = \"{dir}\"\nstate_dir = \"{dir}/state\"\n[braid]\ntori = 3\n"
    );
    let workload = match workload {
        "idle" => "kind = \"idle\"",
        _ => "kind = \"cycle\"\nnodes = 100\ntokens = 100\ndelay_ticks = 1",
    };
    let body: String =
        ["A", "B", "C"].map(|name| format!("[[torus]]\nname = \"{name}\"\n[torus.workload]\n{workload}\n")).concat();
    head + body.as_str()
}

/// CPU time of a process so far, seconds; ticks are hundredths.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Percent of one core that a process took, over a few windows.
fn cpu_percent(pid: u32) -> Result<Vec<f64>, String> {
    sleep(WINDOW);
    (0..WINDOWS)
        .map(|_| {
            let gone = || format!("process {pid} is gone");
            let (before, start) = (cpu_seconds(pid).ok_or_else(gone)?, Instant::now());
            sleep(WINDOW);
            let after = cpu_seconds(pid).ok_or_else(gone)?;
            Ok(100.0 * (after - before) / start.elapsed().as_secs_f64())
        })
        .collect()
}

/// The console in a terminal of its own (`script` gives it one).
fn console(node: &Node) -> Result<Vec<f64>, String> {
    let line =
        format!("stty rows 40 cols 120; exec {} --runtime-dir {} console", node.trefoil.display(), node.dir.display());
    let mut script = Command::new("script")
        .args(["-qfc", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("script (package bsdutils): {error}"))?;
    sleep(Duration::from_secs(1));
    let taken = console_pid(script.id()).ok_or_else(|| "the console did not start".to_owned()).and_then(cpu_percent);
    // The console ends with its terminal.
    let _ = script.kill();
    let _ = script.wait();
    taken
}

fn console_pid(script: u32) -> Option<u32> {
    let children = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok();
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let mut at = script;
    for _ in 0..4 {
        at = children(at)?.split_whitespace().next()?.parse().ok()?;
        if name(at).trim() == "trefoil" {
            return Some(at);
        }
    }
    None
}

fn idle_rows(trefoil: &Path) -> Result<Vec<Row>, String> {
    let node = Node::start(trefoil, "idle")?;
    let idle = cpu_percent(node.child.id())?;
    let mut rows = vec![Row::alone("idle agent, adaptive, three tori", "% of a core", idle, Bar::ValueAtMost(2.0))];
    match console(&node) {
        Ok(taken) => {
            rows.push(Row::alone("console 120x40 on an idle node", "% of a core", taken, Bar::ValueAtMost(1.0)))
        }
        Err(why) => rows.push(Row::absent("console 120x40 on an idle node", "", why)),
    }
    Ok(rows)
}

fn live_rows(trefoil: &Path) -> Result<Vec<Row>, String> {
    let node = Node::start(trefoil, "cycle")?;
    sleep(Duration::from_secs(5));
    let status = node.status().ok_or_else(|| "no status".to_owned())?;
    let tori = status["tori"].as_array().ok_or_else(|| "status without tori".to_owned())?;
    let each = |key: &str| -> Vec<f64> { tori.iter().filter_map(|torus| torus[key].as_f64()).collect() };
    let row = |name: &str, unit: &'static str, values: Vec<f64>, bar: Bar| {
        if values.is_empty() { Row::absent(name, "", "not in the status") } else { Row::alone(name, unit, values, bar) }
    };
    let percent = each("exchange_overhead_ppm").iter().map(|ppm| ppm / 10_000.0).collect();
    Ok(vec![
        row("live braid overhead, median of three tori", "%", percent, Bar::ValueAtMost(1.0)).note(
            "time inside exchanges over running time, as `trefoil status` shows it; preempted exchanges count whole",
        ),
        row("live exchange p50", "ns", each("exchange_p50_ns"), Bar::None),
        row("live exchange p99", "ns", each("exchange_p99_ns"), Bar::None),
        row("live memory used per torus", "B", each("memory_used_bytes"), Bar::ValueAtMost(4.0 * 1024.0 * 1024.0)),
        row("live memory mapped per torus", "B", each("memory_mapped_bytes"), Bar::None),
    ])
}

/// All rows of this section; `trefoil` is the binary to start, beside this one unless given.
pub fn rows(trefoil: Option<&Path>) -> Vec<Row> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("trefoil")));
    let Some(trefoil) = trefoil.map(Path::to_owned).or(beside).filter(|path| path.exists()) else {
        return vec![Row::absent(SECTION[0], "", SECTION[1])];
    };
    let mut rows = Vec::new();
    for part in [idle_rows, live_rows] {
        match part(&trefoil) {
            Ok(more) => rows.extend(more),
            Err(why) => rows.push(Row::absent(SECTION[0], "", why)),
        }
    }
    rows
}
