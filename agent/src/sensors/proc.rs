//! Texts of `/proc`.

/// Sums of the first line of `/proc/stat`, clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuTimes {
    busy: u64,
    idle: u64,
}

impl CpuTimes {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        let fields: Vec<u64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).take(8).collect();
        // user nice system idle iowait irq softirq steal; guest time is already in user.
        let at = |index: usize| fields.get(index).copied().unwrap_or(0);
        (fields.len() >= 4).then(|| Self {
            busy: [0, 1, 2, 5, 6, 7].into_iter().fold(0u64, |sum, index| sum.saturating_add(at(index))),
            idle: at(3).saturating_add(at(4)),
        })
    }

    /// `None` when nothing passed, or when a counter went back (iowait may, and CPUs come and go).
    pub(super) fn busy_percent_since(&self, before: &Self) -> Option<f64> {
        let busy = self.busy.checked_sub(before.busy)? as f64;
        let idle = self.idle.checked_sub(before.idle)? as f64;
        (busy + idle > 0.0).then(|| 100.0 * busy / (busy + idle))
    }
}

/// `avg10` of the line `some`, percent.
pub(super) fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value: f64 = line.split_whitespace().find_map(|field| field.strip_prefix("avg10="))?.parse().ok()?;
    (0.0..=100.0).contains(&value).then_some(value)
}

/// A line `KEY:   123 kB`.
pub(super) fn kib_field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The first word as a non-negative number.
pub(super) fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// `model name` of the first CPU; ARM kernels have none.
pub(super) fn cpu_model(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, name)| name.trim().to_owned())
}

/// Number of entries of a list such as `0-3,8`.
pub(super) fn count_list(text: &str) -> u32 {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    ranges.fold(0, u32::saturating_add)
}

/// First 128 bits of `Cpus_allowed` of `/proc/self/status`, and the number of all bits.
pub(super) fn allowed(status: &str) -> ([u64; 2], u32) {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:")).unwrap_or("");
    // Groups of 32 bits in hexadecimal, the highest first.
    let mut groups: Vec<u32> = line.trim().split(',').map_while(|group| u32::from_str_radix(group, 16).ok()).collect();
    groups.reverse();
    let count = groups.iter().map(|group| group.count_ones()).sum();
    let group = |index: usize| u64::from(groups.get(index).copied().unwrap_or(0));
    ([group(0) | group(1) << 32, group(2) | group(3) << 32], count)
}
