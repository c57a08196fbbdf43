//! Which cores there are, which this process may use, who shares what with whom, and who sits on them already.
//!
//! Everything here runs once, on the control thread, before a torus thread starts. What cannot be read is left out, never
//! guessed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// The cores of the host as the planner of [`super::pinning`] needs them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostCores {
    /// Cores that are online.
    pub online: Vec<u32>,
    /// Cores this process may use (`sched_getaffinity`: cpuset and taskset are in it).
    pub allowed: Vec<u32>,
    /// Cores beside them that were isolated at boot (`isolcpus=`) and that a thread may be pinned to by name: the kernel takes
    /// isolated cores out of the affinity that every process inherits, but permits to ask for them.
    pub isolated: Vec<u32>,
    /// First sibling of the physical core a core belongs to, where the kernel says so.
    pub physical: BTreeMap<u32, u32>,
    /// NUMA node of a core, where the kernel says so.
    pub node: BTreeMap<u32, u32>,
    /// Cores to which a thread of another process is pinned alone: core, process id, thread name.
    pub taken: Vec<(u32, u32, String)>,
    /// CPU quota of the process's control group, cores.
    pub quota_cores: Option<f64>,
}

impl HostCores {
    /// Reads the host.
    #[must_use]
    pub fn read() -> Self {
        Self::read_at(Path::new("/sys/devices/system/cpu"), Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
    }

    /// Reads the host: `sys` describes the cores, `own` the control group of this process in the tree below `groups`.
    fn read_at(sys: &Path, own: &Path, groups: &Path) -> Self {
        let online = fs::read_to_string(sys.join("online")).map(|text| parse_list(&text)).unwrap_or_default();
        let allowed = allowed_cores();
        let mut cores = Self { online: if online.is_empty() { allowed.clone() } else { online }, ..Self::default() };
        for &core in &cores.online {
            let folder = sys.join(format!("cpu{core}"));
            let siblings = fs::read_to_string(folder.join("topology/thread_siblings_list")).unwrap_or_default();
            if let Some(&first) = parse_list(&siblings).first() {
                cores.physical.insert(core, first);
            }
            if let Some(node) = node_of(&folder) {
                cores.node.insert(core, node);
            }
        }
        cores.isolated = isolated(sys, permitted(own, groups).as_deref(), &allowed);
        cores.allowed = allowed;
        cores.taken = pinned_elsewhere(Path::new("/proc"), std::process::id());
        cores.quota_cores = quota(own, groups);
        cores
    }

    /// Whether a thread of this process can be pinned to a core.
    #[must_use]
    pub fn may_pin(&self, core: u32) -> bool {
        self.allowed.contains(&core) || self.isolated.contains(&core)
    }

    /// Cores that can really run at once: the allowed ones and the isolated ones among `named`, and no more than the quota
    /// pays for. The scheduler puts nothing on an isolated core by itself, so one that nobody names is no use.
    #[must_use]
    pub fn usable(&self, named: &[u32]) -> usize {
        let cores = self.allowed.len() + self.isolated.iter().filter(|core| named.contains(core)).count();
        match self.quota_cores {
            Some(quota) => cores.min(quota.max(1.0) as usize),
            None => cores,
        }
    }
}

fn allowed_cores() -> Vec<u32> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).map(|core| core as u32).collect()
}

/// Isolated cores beyond the affinity that a thread of this process can really be pinned to: tried on a thread that ends at once.
fn isolated(sys: &Path, permitted: Option<&[u32]>, allowed: &[u32]) -> Vec<u32> {
    let listed = parse_list(&fs::read_to_string(sys.join("isolated")).unwrap_or_default());
    let wanted = |core: &u32| !allowed.contains(core) && permitted.is_none_or(|permitted| permitted.contains(core));
    let wanted: Vec<u32> = listed.into_iter().filter(wanted).collect();
    if wanted.is_empty() {
        return wanted;
    }
    let tried = std::thread::spawn(move || {
        wanted.into_iter().filter(|&core| super::pinning::pin_current_thread(&[core]).is_ok()).collect()
    });
    tried.join().unwrap_or_default()
}

/// The cores the control group of the process permits (version 2): those of the nearest group on the way up that says.
fn permitted(own: &Path, root: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(own).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/');
    let folder = root.join(path);
    let groups = folder.ancestors().take_while(|group| group.starts_with(root));
    let mut lists = groups.filter_map(|group| fs::read_to_string(group.join("cpuset.cpus.effective")).ok());
    lists.next().map(|list| parse_list(&list))
}

/// Parses the kernel's list form, `0-3,8`; what does not parse is left out, ranges are capped at 4096 cores.
fn parse_list(text: &str) -> Vec<u32> {
    let mut cores = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            cores.extend(first..=last.min(first.saturating_add(4095)));
        }
    }
    cores
}

fn node_of(folder: &Path) -> Option<u32> {
    let entries = fs::read_dir(folder).ok()?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find_map(|name| name.strip_prefix("node").and_then(|id| id.parse().ok()))
}

/// Threads of other processes whose affinity is exactly one core. Kernel threads have no executable and do not count; what
/// this user may not read is left out.
fn pinned_elsewhere(proc: &Path, own: u32) -> Vec<(u32, u32, String)> {
    let mut taken = Vec::new();
    let Ok(processes) = fs::read_dir(proc) else { return taken };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == own || fs::read_link(process.path().join("exe")).is_err() {
            continue;
        }
        let Ok(tasks) = fs::read_dir(process.path().join("task")) else { continue };
        for task in tasks.flatten() {
            let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let cores = field("Cpus_allowed_list:").map(parse_list).unwrap_or_default();
            if let [core] = cores[..] {
                taken.push((core, pid, field("Name:").unwrap_or("?").to_owned()));
            }
        }
    }
    taken
}

/// The tightest CPU quota on the way from the process's control group to the root (version 2), in cores.
fn quota(own: &Path, root: &Path) -> Option<f64> {
    let text = fs::read_to_string(own).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/');
    let mut folder = root.join(path);
    let mut tightest: Option<f64> = None;
    while folder.starts_with(root) {
        if let Some(cores) = fs::read_to_string(folder.join("cpu.max")).ok().and_then(|text| parse_quota(&text)) {
            tightest = Some(tightest.map_or(cores, |known| known.min(cores)));
        }
        if !folder.pop() {
            break;
        }
    }
    tightest
}

/// `cpu.max`: quota and period in microseconds, or `max`.
fn parse_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

/// The clock source of the kernel; reading the time is a real system call unless it is one the vDSO can read.
#[must_use]
pub fn clock_source() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Whether the vDSO reads this clock source without entering the kernel.
#[must_use]
pub fn clock_is_vdso(source: &str) -> bool {
    matches!(source, "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter" | "timebase")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_of_the_kernel_parse_and_nonsense_is_left_out() {
        assert_eq!(parse_list("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(parse_list("x,3,4-"), [3]);
        assert!(parse_list("").is_empty());
    }

    #[test]
    fn quota_is_cores_and_max_is_none() {
        assert_eq!(parse_quota("150000 100000\n"), Some(1.5));
        assert_eq!(parse_quota("max 100000"), None);
        let cores = HostCores { allowed: vec![0, 1, 2], quota_cores: Some(1.5), ..HostCores::default() };
        assert_eq!(cores.usable(&[]), 1);
    }

    // rse:B7, decisions:NODE-20: isolcpus= takes cores out of the inherited affinity, yet they can be pinned to; a core that is
    // merely masked out (taskset, AllowedCPUs=) cannot be assumed, nor one that the control group does not permit.
    #[test]
    fn isolated_cores_outside_the_affinity_can_be_pinned_to() {
        let all = HostCores::read().allowed;
        let [first, .., last] = all[..] else { return };
        let dir = std::env::temp_dir().join(format!("trefoil-cores-{}", std::process::id()));
        let (sys, own, groups) = (dir.join("cpu"), dir.join("cgroup"), dir.join("groups"));
        let write = |path: std::path::PathBuf, text: &str| fs::write(path, text).expect("written");
        fs::create_dir_all(&sys).expect("temporary folder");
        fs::create_dir_all(groups.join("a/b")).expect("temporary folder");
        write(sys.join("online"), &format!("{first},{last}"));
        write(own.clone(), "0::/a/b\n");
        let look = |isolated: &str, effective: &str| {
            write(sys.join("isolated"), isolated);
            write(groups.join("a/cpuset.cpus.effective"), effective);
            let (sys, own, groups) = (sys.clone(), own.clone(), groups.clone());
            // As if started by `taskset -c FIRST`.
            let thread = std::thread::spawn(move || {
                crate::runtime::pinning::pin_current_thread(&[first]).expect("an allowed core");
                HostCores::read_at(&sys, &own, &groups)
            });
            thread.join().expect("no panic")
        };
        let (both, one) = (format!("{first},{last}\n"), format!("{first}\n"));
        let cores = look(&format!("{last}\n"), &both);
        assert_eq!((&cores.allowed[..], &cores.isolated[..]), (&[first][..], &[last][..]));
        assert!(cores.may_pin(last));
        assert_eq!((cores.usable(&[]), cores.usable(&[last])), (1, 2));
        assert!(!look("\n", &both).may_pin(last), "masked out, not isolated");
        assert!(!look(&both, &one).may_pin(last), "the control group does not permit it");
        assert!(!look("4000\n", "0-4095\n").may_pin(4000), "the kernel refuses it");
        fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn this_host_has_at_least_one_allowed_core() {
        let cores = HostCores::read();
        assert!(!cores.allowed.is_empty());
        assert!(cores.allowed.iter().all(|core| cores.online.contains(core)));
    }
}
