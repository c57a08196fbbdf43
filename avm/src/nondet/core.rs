//! The canonical core of a question without answer (`decisions:AVM-10`): the same from every solver.

/// The core of `requires` requirements and `constraints` constraints, which are numbered behind the requirements: first the
/// requirements are made few beside all constraints, then the constraints beside those requirements. `excludes` as for [`canonical`].
pub(crate) fn of_both(
    requires: usize,
    constraints: usize,
    cap: u32,
    mut excludes: impl FnMut(&[u32]) -> Option<bool>,
) -> Vec<u32> {
    let numbered = requires as u32..(requires + constraints) as u32;
    let kept = canonical(requires, cap, |kept| excludes(&[kept, &numbered.clone().collect::<Vec<_>>()].concat()));
    let behind = |all: &[u32]| all.iter().map(|at| at + requires as u32).collect::<Vec<_>>();
    let few = canonical(constraints, cap, |few| excludes(&[&kept[..], &behind(few)].concat()));
    [&kept[..], &behind(&few)].concat()
}

/// Reduces the requirements `0..count`, which together (with everything else) exclude all: with at most `cap` of them by deletion
/// in program order; with more, first to the shortest beginning that excludes all, and then by deletion when that has at most
/// `cap`. `excludes` says whether a subset still excludes everything; `None` (not decided) keeps what was tried to leave out.
pub(crate) fn canonical(count: usize, cap: u32, mut excludes: impl FnMut(&[u32]) -> Option<bool>) -> Vec<u32> {
    let mut kept: Vec<u32> = (0..count as u32).collect();
    if kept.len() > cap as usize {
        let (mut few, mut enough) = (0, kept.len());
        while few < enough {
            let middle = few.midpoint(enough);
            if excludes(&kept[..middle]) == Some(true) {
                enough = middle;
            } else {
                few = middle + 1;
            }
        }
        kept.truncate(enough);
        if kept.len() > cap as usize {
            return kept;
        }
    }
    let mut at = 0;
    while at < kept.len() {
        let candidate = kept.remove(at);
        if excludes(&kept) != Some(true) {
            kept.insert(at, candidate);
            at += 1;
        }
    }
    kept
}
