//! CPU quota of the process's control group, version 1 or 2.

use super::Root;

/// The tightest quota on the way from the process's group to the root, cores; `None` = no limit.
pub(super) fn cores(root: &Root) -> Option<f64> {
    let groups = root.text("proc/self/cgroup")?;
    let all = groups.lines().take(64).filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        // A path with `..` belongs to a group outside the namespace: its files are not ours to read.
        let path = if path.split('/').any(|part| part == "..") { "/" } else { path };
        if number == "0" && controllers.is_empty() {
            return upwards(path, |folder| unified(root, folder));
        }
        let cpu = controllers.split(',').any(|controller| controller == "cpu");
        cpu.then(|| upwards(path, |folder| legacy(root, controllers, folder))).flatten()
    });
    all.min_by(f64::total_cmp)
}

/// The least of what `limit` finds in a folder and those above it.
fn upwards(path: &str, limit: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut folder = path.trim_end_matches('/');
    let mut least: Option<f64> = None;
    for _ in 0..64 {
        if let Some(found) = limit(folder) {
            least = Some(least.map_or(found, |least| least.min(found)));
        }
        match folder.rfind('/') {
            Some(cut) => folder = &folder[..cut],
            None => break,
        }
    }
    least
}

fn unified(root: &Root, folder: &str) -> Option<f64> {
    let text = root.text(&format!("sys/fs/cgroup{folder}/cpu.max"))?;
    let mut fields = text.split_whitespace();
    ratio(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)
}

fn legacy(root: &Root, controllers: &str, folder: &str) -> Option<f64> {
    [controllers, "cpu"].into_iter().find_map(|mount| {
        let file = |name: &str| root.number::<i64>(&format!("sys/fs/cgroup/{mount}{folder}/{name}"));
        ratio(file("cpu.cfs_quota_us")?, file("cpu.cfs_period_us")?)
    })
}

fn ratio(quota_us: i64, period_us: i64) -> Option<f64> {
    (quota_us > 0 && period_us > 0).then(|| quota_us as f64 / period_us as f64)
}
