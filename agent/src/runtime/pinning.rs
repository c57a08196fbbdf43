//! Where each torus thread runs: the plan, its warnings, and the call that carries it out (`rse:T5`, `rse:B7`).
//!
//! Threads are pinned with `sched_setaffinity` and keep the normal scheduling class. SCHED_FIFO is not used on purpose: the
//! kernel takes a real-time thread that never sleeps off its core for up to 50 ms each second (`sched_rt_runtime_us`), so a
//! spinning loop would stall just when it must not, and until then nothing else could run there, not even the console.
//!
//! A core that is absent, not allowed, or already taken is said plainly; `strict` refuses to start over it, `degrade` goes on
//! without (`decisions:NODE-20`).

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::cores::HostCores;

/// How a torus thread waits when it has nothing to do (`decisions:NODE-14`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Never enters the kernel.
    Spin,
    /// Spins briefly, then sleeps, bounded, until woken.
    Adaptive,
}

/// What the configuration asks for one torus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreRequest {
    /// Name of the torus.
    pub torus: String,
    /// Core asked for; `None` = the plan chooses one.
    pub core: Option<u32>,
}

/// Where one torus thread will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Core to pin to; `None` = the scheduler chooses among the allowed ones.
    pub core: Option<u32>,
    /// Another pinned thread has the same core.
    pub shared: bool,
}

/// What is not as asked. `Display` says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreTrouble {
    /// The host has no such core online.
    #[error(
        "torus {torus}: core {core} does not exist here (online: {online}); set `core` of the torus to one of them"
    )]
    Absent {
        /// Torus.
        torus: String,
        /// Core asked for.
        core: u32,
        /// Cores online.
        online: String,
    },
    /// The cpuset or affinity of the process leaves the core out.
    #[error(
        "torus {torus}: core {core} is not allowed to this process (allowed: {allowed}); set AllowedCPUs= or taskset, or another `core`"
    )]
    NotAllowed {
        /// Torus.
        torus: String,
        /// Core asked for.
        core: u32,
        /// Cores allowed.
        allowed: String,
    },
    /// Two tori of this node ask for one core.
    #[error("torus {torus}: core {core} is also the core of torus {other}; give each its own, or leave `core` out")]
    Shared {
        /// Torus.
        torus: String,
        /// Core asked for.
        core: u32,
        /// The torus that has it.
        other: String,
    },
    /// A thread of another process is pinned there.
    #[error(
        "torus {torus}: core {core} is taken by thread {thread} of process {pid}, pinned to it; choose another `core`"
    )]
    Taken {
        /// Torus.
        torus: String,
        /// Core asked for.
        core: u32,
        /// Process that is pinned there.
        pid: u32,
        /// Its thread.
        thread: String,
    },
    /// Fewer usable cores than tori.
    #[error(
        "{tori} tori but {usable} usable core(s){quota}: waiting is adaptive, not spinning; give the node more cores or fewer tori"
    )]
    Few {
        /// Tori of this node.
        tori: usize,
        /// Cores that can run at once.
        usable: usize,
        /// ` (CPU quota)` when a quota is the reason.
        quota: String,
    },
}

/// The plan for all tori of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One place a torus, in the order asked.
    pub places: Vec<Place>,
    /// How the loops wait.
    pub waiting: Waiting,
    /// What is not as asked.
    pub troubles: Vec<CoreTrouble>,
    /// Worth knowing, not wrong: siblings on one physical core, cores on different memory nodes.
    pub notes: Vec<String>,
    /// Cores left for the control thread; empty when there are none.
    pub control: Vec<u32>,
}

/// Plans where the threads go. `spin` is what the configuration asks for: yes, no, or whatever fits (`None`).
#[must_use]
pub fn plan(requests: &[CoreRequest], spin: Option<bool>, host: &HostCores) -> Plan {
    let mut troubles = Vec::new();
    let mut places: Vec<Place> = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        places.push(match request.core {
            Some(core) => asked(core, request, &requests[..at], &places, host, &mut troubles),
            None => Place::default(),
        });
    }
    choose(requests, &mut places, host);
    mark_shared(&mut places);
    let named: Vec<u32> = requests.iter().filter_map(|request| request.core).collect();
    let usable = host.usable(&named);
    let few = usable < requests.len();
    if few {
        let quota = host.quota_cores.filter(|&quota| quota < (host.allowed.len() + host.isolated.len()) as f64);
        let quota = quota.map(|quota| format!(" (CPU quota {quota:.1})")).unwrap_or_default();
        troubles.push(CoreTrouble::Few { tori: requests.len(), usable, quota });
    }
    let own = places.iter().all(|place| place.core.is_some());
    let shared = places.iter().any(|place| place.shared);
    // A spinning loop on a core it does not own alone only steals time from whom it waits for. Unasked, it also leaves a core
    // to everything else on the host.
    let spare = usable > requests.len();
    let spin = !few && !shared && spin.unwrap_or(own && spare);
    let used: Vec<u32> = places.iter().filter_map(|place| place.core).collect();
    Plan {
        notes: notes(requests, &places, host),
        control: host.allowed.iter().copied().filter(|core| !used.contains(core)).collect(),
        waiting: if spin { Waiting::Spin } else { Waiting::Adaptive },
        places,
        troubles,
    }
}

fn asked(
    core: u32,
    request: &CoreRequest,
    before: &[CoreRequest],
    places: &[Place],
    host: &HostCores,
    troubles: &mut Vec<CoreTrouble>,
) -> Place {
    let torus = request.torus.clone();
    if !host.online.contains(&core) {
        troubles.push(CoreTrouble::Absent { torus, core, online: list(&host.online) });
        return Place::default();
    }
    if !host.may_pin(core) {
        troubles.push(CoreTrouble::NotAllowed { torus, core, allowed: list(&host.allowed) });
        return Place::default();
    }
    if let Some(other) = places.iter().position(|place| place.core == Some(core)) {
        let other = before[other].torus.clone();
        troubles.push(CoreTrouble::Shared { torus, core, other });
    } else if let Some((_, pid, thread)) = host.taken.iter().find(|(taken, _, _)| *taken == core) {
        troubles.push(CoreTrouble::Taken { torus, core, pid: *pid, thread: thread.clone() });
        return Place { core: Some(core), shared: true };
    }
    Place { core: Some(core), shared: false }
}

/// Gives a core to every torus that names none: a free one while there are any, then the same again in turn.
///
/// Cores on which a thread of another process is pinned come last, the first allowed core (interrupts, the control thread) and
/// second siblings of a physical core late.
fn choose(requests: &[CoreRequest], places: &mut [Place], host: &HostCores) {
    let first = host.allowed.first().copied();
    let named = |core: u32| requests.iter().any(|request| request.core == Some(core));
    let mut order: Vec<u32> = host.allowed.clone();
    order.sort_by_key(|&core| {
        let taken = host.taken.iter().any(|(taken, _, _)| *taken == core);
        let second = host.physical.get(&core).is_some_and(|&physical| physical != core);
        (named(core), taken, Some(core) == first, second, core)
    });
    let unnamed = requests.iter().zip(places).filter(|(request, _)| request.core.is_none());
    for ((_, place), &core) in unnamed.zip(order.iter().cycle()) {
        place.core = Some(core);
        place.shared = named(core) || host.taken.iter().any(|(taken, _, _)| *taken == core);
    }
}

fn mark_shared(places: &mut [Place]) {
    for at in 0..places.len() {
        let core = places[at].core;
        let others = places.iter().filter(|place| place.core == core).count();
        places[at].shared |= core.is_some() && others > 1;
    }
}

fn notes(requests: &[CoreRequest], places: &[Place], host: &HostCores) -> Vec<String> {
    let mut notes = Vec::new();
    let pinned: Vec<(usize, u32)> =
        places.iter().enumerate().filter_map(|(at, place)| place.core.map(|core| (at, core))).collect();
    for (index, &(at, core)) in pinned.iter().enumerate() {
        for &(other, other_core) in &pinned[index + 1..] {
            let same = |map: &std::collections::BTreeMap<u32, u32>| match (map.get(&core), map.get(&other_core)) {
                (Some(one), Some(two)) => Some(one == two),
                _ => None,
            };
            let (one, two) = (&requests[at].torus, &requests[other].torus);
            if core != other_core && same(&host.physical) == Some(true) {
                notes.push(format!(
                    "tori {one} (core {core}) and {two} (core {other_core}) share one physical core (SMT siblings)"
                ));
            }
            if same(&host.node) == Some(false) {
                notes.push(format!(
                    "tori {one} (core {core}) and {two} (core {other_core}) are on different memory nodes (NUMA)"
                ));
            }
        }
    }
    notes
}

/// The list form people know: `0-3,8`.
fn list(cores: &[u32]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < cores.len() {
        let mut end = at;
        while end + 1 < cores.len() && cores[end + 1] == cores[end] + 1 {
            end += 1;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&if end > at { format!("{}-{}", cores[at], cores[end]) } else { cores[at].to_string() });
        at = end + 1;
    }
    text
}

/// Pins the calling thread to these cores; an empty list changes nothing.
///
/// # Errors
/// What the kernel said.
pub fn pin_current_thread(cores: &[u32]) -> nix::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core as usize)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cores: u32) -> HostCores {
        let all: Vec<u32> = (0..cores).collect();
        HostCores { online: all.clone(), allowed: all, ..HostCores::default() }
    }

    fn ask(cores: &[Option<u32>]) -> Vec<CoreRequest> {
        let name = |at: usize| char::from(b'A' + at as u8).to_string();
        cores.iter().enumerate().map(|(at, &core)| CoreRequest { torus: name(at), core }).collect()
    }

    // decisions:NODE-20: every way a core can be wrong is named, with the value and the remedy.
    #[test]
    fn an_absent_a_forbidden_a_shared_and_a_taken_core_are_each_said() {
        let mut cores = host(4);
        cores.allowed = vec![0, 1, 2];
        cores.taken = vec![(2, 77, "torus-X".to_owned())];
        let plan = plan(&ask(&[Some(9), Some(3), Some(1)]), None, &cores);
        let texts: Vec<String> = plan.troubles.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("torus A: core 9 does not exist here (online: 0-3)"), "{texts:?}");
        assert!(texts[1].contains("torus B: core 3 is not allowed to this process (allowed: 0-2)"), "{texts:?}");
        let plan = super::plan(&ask(&[Some(1), Some(1), Some(2)]), Some(true), &cores);
        assert!(
            matches!(&plan.troubles[0], CoreTrouble::Shared { torus, core: 1, other } if torus == "B" && other == "A")
        );
        assert!(matches!(&plan.troubles[1], CoreTrouble::Taken { core: 2, pid: 77, .. }));
        assert!(plan.places.iter().all(|place| place.shared));
        assert_eq!(plan.waiting, Waiting::Adaptive);
    }

    // decisions:NODE-14: fewer cores than tori means adaptive waiting, even when spinning was asked for.
    #[test]
    fn fewer_cores_than_tori_is_adaptive_and_said() {
        let plan = plan(&ask(&[None, None, None]), Some(true), &host(2));
        assert_eq!(plan.waiting, Waiting::Adaptive);
        let places: Vec<_> = plan.places.iter().map(|place| (place.core, place.shared)).collect();
        assert_eq!(places, [(Some(1), true), (Some(0), false), (Some(1), true)], "pinned all the same, in turn");
        assert!(plan.troubles[0].to_string().contains("3 tori but 2 usable core(s)"));
    }

    // rse:B7: a core isolated at boot is taken when it is named, and only then; the control thread stays off it.
    #[test]
    fn isolated_cores_are_for_tori_that_name_them() {
        let cores = HostCores { allowed: vec![0, 1], isolated: vec![2, 3], ..host(4) };
        let named = plan(&ask(&[Some(2), Some(3)]), None, &cores);
        assert_eq!((named.waiting, named.troubles.len(), &named.control[..]), (Waiting::Spin, 0, &[0, 1][..]));
        let unnamed = plan(&ask(&[None, None, None]), Some(true), &cores);
        assert!(unnamed.places.iter().all(|place| place.core < Some(2)), "{:?}", unnamed.places);
        assert_eq!(unnamed.waiting, Waiting::Adaptive);
    }

    // decisions:NODE-20: a CPU quota below the number of tori counts as too few cores.
    #[test]
    fn a_quota_counts_as_cores() {
        let cores = HostCores { quota_cores: Some(1.5), ..host(8) };
        let plan = plan(&ask(&[None, None]), Some(true), &cores);
        assert_eq!(plan.waiting, Waiting::Adaptive);
        assert!(plan.troubles[0].to_string().contains("(CPU quota 1.5)"));
    }

    #[test]
    fn spinning_needs_cores_of_ones_own_or_the_operators_word() {
        let cores = host(8);
        let own = plan(&ask(&[Some(1), Some(2), Some(3)]), None, &cores);
        assert_eq!((own.waiting, own.troubles.len()), (Waiting::Spin, 0));
        assert_eq!(own.control, [0, 4, 5, 6, 7]);
        let unnamed = ask(&[None, None, None]);
        assert_eq!(plan(&unnamed, None, &cores).waiting, Waiting::Spin);
        assert_eq!(plan(&unnamed, None, &host(3)).waiting, Waiting::Adaptive, "no core would be left for the host");
        assert_eq!(plan(&unnamed, Some(true), &host(3)).waiting, Waiting::Spin, "the operator's word");
        assert_eq!(plan(&ask(&[Some(1), Some(2), Some(3)]), Some(false), &cores).waiting, Waiting::Adaptive);
    }

    // rse:B7: a torus that names no core gets one: free, on a physical core of its own, off the first core and off others' pins.
    #[test]
    fn cores_are_chosen_for_tori_that_name_none() {
        let mut cores = host(8);
        cores.physical = (0..8).map(|core| (core, core / 2 * 2)).collect();
        cores.taken = vec![(4, 77, "other".to_owned())];
        let chosen = |asked: &[Option<u32>]| -> Vec<u32> {
            plan(&ask(asked), None, &cores).places.iter().filter_map(|place| place.core).collect()
        };
        assert_eq!(chosen(&[None, None, None]), [2, 6, 1]);
        assert_eq!(chosen(&[None, Some(2), None]), [6, 2, 1]);
        let plan = plan(&ask(&[None, Some(0)]), None, &host(1));
        assert!(plan.places.iter().all(|place| place.core == Some(0) && place.shared));
    }

    #[test]
    fn siblings_and_memory_nodes_are_noted() {
        let mut cores = host(4);
        cores.physical = [(0, 0), (1, 0), (2, 2), (3, 2)].into();
        cores.node = [(0, 0), (1, 0), (2, 1), (3, 1)].into();
        let plan = plan(&ask(&[Some(0), Some(1), Some(2)]), None, &cores);
        assert!(plan.notes[0].contains("tori A (core 0) and B (core 1) share one physical core"));
        assert!(plan.notes[1].contains("tori A (core 0) and C (core 2) are on different memory nodes"));
    }

    #[test]
    fn the_calling_thread_is_pinned_for_real() {
        let allowed = HostCores::read().allowed;
        let core = *allowed.last().expect("at least one core is allowed");
        let seen = std::thread::spawn(move || {
            pin_current_thread(&[core]).expect("an allowed core");
            HostCores::read().allowed
        });
        assert_eq!(seen.join().expect("no panic"), [core]);
    }
}
