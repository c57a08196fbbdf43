//! Temperature, power and battery from `/sys/class`.

use std::collections::BTreeMap;

use super::Root;

/// Hottest thermal zone in degrees Celsius and its type; readings outside -50..150 are broken sensors.
pub(super) fn hottest(root: &Root) -> (Option<f64>, String) {
    let folder = "sys/class/thermal";
    let zones = root.names(folder, "thermal_zone").into_iter().filter_map(|zone| {
        let milli: i64 = root.number(&format!("{folder}/{zone}/temp"))?;
        let celsius = milli as f64 / 1000.0;
        (-50.0..=150.0).contains(&celsius).then_some((celsius, zone))
    });
    let Some((celsius, zone)) = zones.max_by(|left, right| left.0.total_cmp(&right.0)) else {
        return (None, String::new());
    };
    let kind = root.text(&format!("{folder}/{zone}/type")).unwrap_or_default();
    let kind = kind.trim();
    (Some(celsius), if kind.is_empty() { zone } else { kind.to_owned() })
}

/// Power needs two readings of energy counters.
#[derive(Debug, Default)]
pub(super) struct Power {
    energy_uj: BTreeMap<String, u64>,
    at_ns: u64,
}

/// What is drawn, and where that was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Drawn {
    pub(super) watts: Option<f64>,
    pub(super) source: &'static str,
    pub(super) battery_percent: Option<f64>,
}

impl Power {
    pub(super) fn read(&mut self, root: &Root, now_ns: u64) -> Drawn {
        let (battery_watts, battery_percent) = battery(root);
        match self.rapl(root, now_ns) {
            Some(watts) => Drawn { watts: Some(watts), source: "rapl", battery_percent },
            None if battery_watts.is_some() => Drawn { watts: battery_watts, source: "battery", battery_percent },
            None => Drawn { watts: None, source: "", battery_percent },
        }
    }

    /// Sum of the package domains; a domain that vanished or makes no sense makes the sum absent, not smaller.
    fn rapl(&mut self, root: &Root, now_ns: u64) -> Option<f64> {
        let folder = "sys/class/powercap";
        // `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it that is already counted.
        let packages = root.names(folder, "intel-rapl:").into_iter().filter(|name| name.matches(':').count() == 1);
        let now: BTreeMap<String, u64> = packages
            .filter_map(|name| Some((name.clone(), root.number(&format!("{folder}/{name}/energy_uj"))?)))
            .collect();
        let elapsed_ns = now_ns.checked_sub(self.at_ns).filter(|elapsed| *elapsed > 0);
        let before = std::mem::replace(&mut self.energy_uj, now);
        self.at_ns = now_ns;
        let elapsed_ns = elapsed_ns?;
        if before.is_empty() || before.len() != self.energy_uj.len() {
            return None;
        }
        let mut sum_uj = 0u64;
        for (name, after) in &self.energy_uj {
            let before = *before.get(name)?;
            let used = match after.checked_sub(before) {
                Some(used) => used,
                // The counter wraps at a range of its own, not at a power of two.
                None => {
                    let range: u64 = root.number(&format!("{folder}/{name}/max_energy_range_uj"))?;
                    range.checked_sub(before)?.checked_add(*after)?
                }
            };
            sum_uj = sum_uj.checked_add(used)?;
        }
        let watts = sum_uj as f64 * 1000.0 / elapsed_ns as f64;
        (watts <= 100_000.0).then_some(watts)
    }
}

/// Power in watts and charge in percent of the first battery that says either.
fn battery(root: &Root) -> (Option<f64>, Option<f64>) {
    let folder = "sys/class/power_supply";
    for name in root.names(folder, "") {
        let file = |what: &str| root.number::<i64>(&format!("{folder}/{name}/{what}"));
        let is_battery = root.text(&format!("{folder}/{name}/type")).is_some_and(|kind| kind.trim() == "Battery");
        if !is_battery {
            continue;
        }
        let percent = file("capacity").filter(|percent| (0..=100).contains(percent)).map(|percent| percent as f64);
        // Some drivers count discharge as negative.
        let direct = file("power_now").map(|micro| micro.unsigned_abs() as f64 / 1e6);
        let product =
            || Some(file("current_now")?.unsigned_abs() as f64 * file("voltage_now")?.unsigned_abs() as f64 / 1e12);
        let watts = direct.or_else(product).filter(|watts| *watts <= 100_000.0);
        if watts.is_some() || percent.is_some() {
            return (watts, percent);
        }
    }
    (None, None)
}
