//! What the tori got of what was asked for: huge pages, locked memory, cores, near memory (`decisions:NODE-20`).

use shm_transport::backing::{Backing, HUGE_PAGE_BYTES, HugePages, Pages};

use crate::config::{Config, Policy};

use super::cores::HostCores;
use super::node::StartError;
use super::thread::Standing;

/// What is not as asked, a line each.
///
/// # Errors
/// [`StartError::Strict`] for the first resource that is `strict` and not to be had.
pub(super) fn check(
    standings: &[Standing],
    config: &Config,
    region: &Backing,
    host: &HostCores,
) -> Result<Vec<String>, StartError> {
    let mut degraded = Vec::new();
    let mut note = |policy: Policy, key: &'static str, what: String| match policy {
        Policy::Strict => Err(StartError::Strict { key, what }),
        Policy::Degrade => {
            degraded.push(what);
            Ok(())
        }
        Policy::Off => Ok(()),
    };
    let resources = &config.resources;
    let named = |at: usize| format!("memory of torus {}", config.tori[at].name);
    let memory = standings.iter().enumerate().map(|(at, standing)| (named(at), &standing.backing));
    let memory: Vec<(String, &Backing)> = memory.chain([("region".to_owned(), region)]).collect();
    if let Some(shortage) = shortage(&memory, HugePages::read()) {
        note(resources.hugepages, "hugepages", shortage)?;
    }
    for (what, backing) in memory {
        if !backing.met() && !asked_for_pool(backing) {
            note(resources.hugepages, "hugepages", format!("{what}: {}", backing.reason))?;
        }
        if !backing.locked {
            note(resources.mlock, "mlock", format!("{what}: {}", backing.lock_reason))?;
        }
    }
    for trouble in standings.iter().filter_map(|standing| standing.unpinned.clone()) {
        note(resources.cores, "cores", trouble)?;
    }
    let nodes: std::collections::BTreeSet<u32> = host.node.values().copied().collect();
    if nodes.len() > 1 {
        let loose = config.tori.iter().zip(standings).filter(|(_, standing)| standing.unpinned.is_some());
        for (torus, _) in loose {
            let what = format!(
                "torus {}: not pinned on a host with {} memory nodes, its memory may be far; set `core`",
                torus.name,
                nodes.len()
            );
            note(resources.numa, "numa", what)?;
        }
    }
    Ok(degraded)
}

fn asked_for_pool(backing: &Backing) -> bool {
    backing.asked == Pages::Huge
}

/// One line about every mapping that got none of the pool, with the pool size that serves all of them together: a remedy for each
/// alone would leave the others without.
fn shortage(memory: &[(String, &Backing)], pool: Option<HugePages>) -> Option<String> {
    let short = memory.iter().filter(|(_, backing)| asked_for_pool(backing) && !backing.met());
    let short: Vec<&(String, &Backing)> = short.collect();
    let (_, first) = short.first()?;
    let Some(pool) = pool.filter(|_| short.len() > 1) else {
        return Some(format!("{}: {}", short[0].0, first.reason));
    };
    let names: Vec<&str> = short.iter().map(|(name, _)| name.as_str()).collect();
    let needed: u64 = short.iter().map(|(_, backing)| backing.mapped_bytes.div_ceil(HUGE_PAGE_BYTES) as u64).sum();
    let (total, free) = (pool.total_for(needed), pool.available());
    Some(format!(
        "{}: no 2 MiB pages; {needed} needed together, {free} to be had of {}; remedy (root): `echo {total} > \
         /proc/sys/vm/nr_hugepages`, and `vm.nr_hugepages = {total}` in /etc/sysctl.d to keep it",
        names.join(", "),
        pool.total
    ))
}

#[cfg(test)]
mod tests {
    use shm_transport::arena::Arena;
    use shm_transport::region::{Geometry, Region};

    use super::*;
    use crate::config;

    fn backing(mapped_bytes: usize, locked: bool) -> Backing {
        let plain = Arena::new(4096, Pages::Base, false).expect("one page").backing().clone();
        Backing { asked: Pages::Huge, pages: Pages::Base, mapped_bytes, locked, ..plain }
    }

    fn standing(backing: Backing, unpinned: Option<&str>) -> Standing {
        let geometry = Geometry { tori: 1, payload_bytes: 64, slots: 8, ring_records: 16, inject_records: 16 };
        let region = Region::private(geometry, Pages::Base).expect("a region");
        let predecessor = region.line(0).expect("a line");
        Standing { digest: 0, backing, predecessor, unpinned: unpinned.map(str::to_owned), unread: Vec::new() }
    }

    fn config(resource: &str, policy: &str) -> Config {
        let off = ["cores", "hugepages", "mlock", "numa"]
            .map(|key| format!("{key} = \"{}\"\n", if key == resource { policy } else { "off" }));
        let text = format!("[resources]\n{}[braid]\ntori = 2\n[[torus]]\n[[torus]]\n", off.concat());
        config::parse(&text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    // decisions:NODE-20: each resource is noted when it degrades and refused when it is strict, under its own name.
    #[test]
    fn strict_refuses_and_degrade_notes_each_resource() {
        let two_nodes = HostCores { node: [(0, 0), (1, 1)].into(), ..HostCores::default() };
        let (good, bad) = (Backing { pages: Pages::Huge, ..backing(1, true) }, backing(1, false));
        for resource in ["cores", "hugepages", "mlock", "numa"] {
            let look = |policy: &str, broken: bool| {
                let memory = if broken { &bad } else { &good };
                let pin = broken.then_some("torus A: pinning failed");
                let standings = [standing(memory.clone(), pin), standing(good.clone(), None)];
                check(&standings, &config(resource, policy), &good, &two_nodes)
            };
            assert_eq!(look("degrade", false).expect("all is well"), [""; 0], "{resource}");
            assert_eq!(look("degrade", true).expect("goes on").len(), 1, "{resource}");
            assert_eq!(look("off", true).expect("not asked for"), [""; 0], "{resource}");
            let refused = look("strict", true).expect_err("strict");
            assert!(matches!(refused, StartError::Strict { key, .. } if key == resource), "{resource}: {refused}");
        }
    }

    // rse:M6: following the remedy mends it: the size named serves the region and every torus together.
    #[test]
    fn the_shortage_of_huge_pages_is_summed() {
        let (small, large) = (backing(1_617_920, true), backing(5 << 20, true));
        let memory = [
            ("memory of torus A".to_owned(), &small),
            ("memory of torus B".to_owned(), &small),
            ("region".to_owned(), &large),
        ];
        let pool = HugePages { total: 3, free: 2, reserved: 1 };
        let said = shortage(&memory, Some(pool)).expect("short");
        assert!(said.contains("5 needed together, 1 to be had of 3") && said.contains("`echo 7 >"), "{said}");
        assert!(said.starts_with("memory of torus A, memory of torus B, region: "), "{said}");
        let fine = Backing { pages: Pages::Huge, ..backing(1, true) };
        assert_eq!(shortage(&[("region".to_owned(), &fine)], Some(pool)), None);
    }
}
