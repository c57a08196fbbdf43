//! What the host says about itself: load, pressure, temperature, power, memory, huge pages, quota, cores.
//!
//! Read by the control thread about once a second and shown; nothing here steers a braid on the same host
//! (`decisions:NODE-20`). A sensor that is absent, unreadable or talks nonsense is absent, never zero.

mod power;
mod proc;
mod quota;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use control::page::{HostPage, Reading, Text};
use nix::time::{ClockId, clock_gettime};

/// Most bytes read of one sensor file; what is longer is cut (`/proc/stat` of a very large host, garbage).
const FILE_BYTES: u64 = 256 << 10;

/// The sensors of a host, with what rates need to be remembered between two readings.
#[derive(Debug)]
pub struct Sensors {
    root: Root,
    cpu_before: Option<proc::CpuTimes>,
    power: power::Power,
    /// What does not change while the process runs.
    fixed: Fixed,
}

#[derive(Debug)]
struct Fixed {
    kernel: String,
    cpu_model: String,
    cores: u32,
}

/// A file tree that holds `proc` and `sys`.
#[derive(Debug, Clone)]
struct Root(PathBuf);

impl Root {
    /// Text of a file, `None` when it cannot be read; bounded, and never a FIFO or a device.
    fn text(&self, path: &str) -> Option<String> {
        let path = self.path(path);
        if !std::fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.trim().parse().ok()
    }

    /// Names in a folder that begin with `prefix`, sorted, at most 64.
    fn names(&self, path: &str, prefix: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else { return Vec::new() };
        let names = entries.take(4096).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        names.truncate(64);
        names
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Sensors {
    /// The sensors of this host.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Path::new("/"))
    }

    /// Sensors under another root, for tests: `ROOT/proc` and `ROOT/sys`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        let root = Root(root.to_owned());
        let fixed = Fixed {
            kernel: root.text("proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            cpu_model: proc::cpu_model(&root.text("proc/cpuinfo").unwrap_or_default()),
            cores: root.text("sys/devices/system/cpu/online").map_or(0, |list| proc::count_list(&list)),
        };
        Self { root, cpu_before: None, power: power::Power::default(), fixed }
    }

    /// Reads everything; `now_ns` is CLOCK_MONOTONIC. Rates (CPU, RAPL) are absent in the first reading and whenever a counter
    /// or the clock went back.
    pub fn read(&mut self, now_ns: u64) -> HostPage {
        let root = self.root.clone();
        let psi =
            |what: &str| reading(root.text(&format!("proc/pressure/{what}")).and_then(|text| proc::some_avg10(&text)));
        let memory = root.text("proc/meminfo").unwrap_or_default();
        let memory_bytes = |key: &str| reading(proc::kib_field(&memory, key).map(|kib| kib as f64 * 1024.0));
        let pool = "sys/kernel/mm/hugepages/hugepages-2048kB";
        let pages = |name: &str| reading(root.number::<u64>(&format!("{pool}/{name}")).map(|pages| pages as f64));
        let status = root.text("proc/self/status").unwrap_or_default();
        let own_bytes = |key: &str| proc::kib_field(&status, key).unwrap_or(0).saturating_mul(1024);
        let (allowed_mask, cores_allowed) = proc::allowed(&status);
        let (temperature, temperature_source) = power::hottest(&root);
        let drawn = self.power.read(&root, now_ns);
        HostPage {
            cpu_percent: reading(self.cpu_percent()),
            psi_cpu_percent: psi("cpu"),
            psi_memory_percent: psi("memory"),
            psi_io_percent: psi("io"),
            temperature_c: reading(temperature),
            power_w: reading(drawn.watts),
            battery_percent: reading(drawn.battery_percent),
            memory_total_bytes: memory_bytes("MemTotal"),
            memory_available_bytes: memory_bytes("MemAvailable"),
            hugepages_total: pages("nr_hugepages"),
            hugepages_free: pages("free_hugepages"),
            quota_cores: reading(quota::cores(&root)),
            load_1m: reading(root.text("proc/loadavg").and_then(|text| proc::first_number(&text))),
            control_cpu_ns: clock_ns(ClockId::CLOCK_THREAD_CPUTIME_ID),
            process_cpu_ns: clock_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID),
            resident_bytes: own_bytes("VmRSS"),
            locked_bytes: own_bytes("VmLck"),
            cores: self.fixed.cores,
            cores_allowed,
            allowed_mask,
            kernel: Text::new(&self.fixed.kernel),
            cpu_model: Text::new(&self.fixed.cpu_model),
            temperature_source: Text::new(&temperature_source),
            power_source: Text::new(drawn.source),
        }
    }

    fn cpu_percent(&mut self) -> Option<f64> {
        let now = proc::CpuTimes::parse(&self.root.text("proc/stat")?)?;
        let before = self.cpu_before.replace(now)?;
        now.busy_percent_since(&before)
    }
}

impl Default for Sensors {
    fn default() -> Self {
        Self::new()
    }
}

fn reading(value: Option<f64>) -> Reading {
    match value {
        Some(value) if value.is_finite() => Reading { present: 1, value },
        _ => Reading::default(),
    }
}

fn clock_ns(id: ClockId) -> u64 {
    clock_gettime(id).map_or(0, |time| (time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64)
}

/// Busy share of the host's CPUs as projections carry it, per mille, 1..=1000; 0 when the sensor is absent or has gone away.
#[must_use]
pub fn cpu_permille(page: &HostPage) -> u32 {
    if page.cpu_percent.present == 1 { (page.cpu_percent.value * 10.0).clamp(1.0, 1_000.0) as u32 } else { 0 }
}
