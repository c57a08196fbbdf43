//! Sensors over fixture trees: a whole host, an empty one, garbage, counters that wrap and clocks that step.

use std::fs;

use control::page::Reading;
use proptest::prelude::*;

use super::*;

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trefoil-sensors-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("temporary folder");
        Self(path)
    }

    fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("has a folder")).expect("folder");
        fs::write(path, text).expect("written");
        self
    }

    fn sensors(&self) -> Sensors {
        Sensors::at(&self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn value(reading: Reading) -> Option<f64> {
    (reading.present == 1).then_some(reading.value)
}

const RAPL: &str = "sys/class/powercap/intel-rapl:0";

fn host(name: &str) -> Tree {
    let tree = Tree::new(name);
    tree.put("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
        .put("proc/pressure/cpu", "some avg10=1.25 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00\n")
        .put("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    500 kB\n")
        .put("proc/loadavg", "0.75 0.5 0.2 1/100 5\n")
        .put("proc/cpuinfo", "processor : 0\nmodel name\t: Some CPU @ 3 GHz\n")
        .put("proc/sys/kernel/osrelease", "6.1.0-test\n")
        .put("proc/self/status", "VmLck:\t  8 kB\nVmRSS:\t  2048 kB\nCpus_allowed:\t00000001,00000000,0000000f\n")
        .put("proc/self/cgroup", "0::/system.slice/trefoil.service\n")
        .put("sys/fs/cgroup/system.slice/trefoil.service/cpu.max", "max 100000\n")
        .put("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n")
        .put("sys/devices/system/cpu/online", "0-3,8\n")
        .put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64\n")
        .put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "14\n")
        .put("sys/class/thermal/thermal_zone0/temp", "41000\n")
        .put("sys/class/thermal/thermal_zone1/temp", "51500\n")
        .put("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n")
        .put("sys/class/thermal/thermal_zone2/temp", "-274000\n")
        .put(&format!("{RAPL}/energy_uj"), "9000000\n")
        .put(&format!("{RAPL}/max_energy_range_uj"), "10000000\n")
        .put(&format!("{RAPL}:0/energy_uj"), "77\n");
    tree
}

#[test]
fn a_whole_host_is_read() {
    let tree = host("whole");
    let mut sensors = tree.sensors();
    let first = sensors.read(1_000_000_000);
    assert_eq!((value(first.cpu_percent), value(first.power_w)), (None, None), "rates need two readings");
    assert_eq!(value(first.psi_cpu_percent), Some(1.25));
    assert_eq!((value(first.psi_io_percent), value(first.battery_percent)), (None, None));
    assert_eq!(value(first.temperature_c), Some(51.5));
    assert_eq!(first.temperature_source.as_str(), "x86_pkg_temp");
    assert_eq!(value(first.memory_available_bytes), Some(512_000.0));
    assert_eq!((value(first.hugepages_total), value(first.hugepages_free)), (Some(64.0), Some(14.0)));
    assert_eq!((value(first.quota_cores), value(first.load_1m)), (Some(1.5), Some(0.75)));
    assert_eq!((first.resident_bytes, first.locked_bytes), (2048 * 1024, 8 * 1024));
    assert_eq!((first.cores, first.cores_allowed, first.allowed_mask), (5, 5, [0xf, 1]));
    assert_eq!((first.kernel.as_str(), first.cpu_model.as_str()), ("6.1.0-test", "Some CPU @ 3 GHz"));

    tree.put("proc/stat", "cpu  130 0 110 740 120 0 0 0 0 0\n").put(&format!("{RAPL}/energy_uj"), "9500000\n");
    let second = sensors.read(1_500_000_000);
    assert_eq!(value(second.cpu_percent), Some(40.0));
    assert_eq!((value(second.power_w), second.power_source.as_str()), (Some(1.0), "rapl"));
}

#[test]
fn counters_that_wrap_and_clocks_that_step_give_absent_or_right_values() {
    let tree = host("wrap");
    let mut sensors = tree.sensors();
    sensors.read(2_000_000_000);
    tree.put(&format!("{RAPL}/energy_uj"), "1000000\n").put("proc/stat", "cpu  5 0 5 5 5 0 0 0\n");
    let wrapped = sensors.read(3_000_000_000);
    assert_eq!(value(wrapped.power_w), Some(2.0), "1 J to the end of the range and 1 J after it");
    assert_eq!(value(wrapped.cpu_percent), None, "went back");
    assert_eq!(value(sensors.read(1_000_000_000).power_w), None, "the clock went back");
    assert_eq!(value(sensors.read(1_000_000_000).cpu_percent), None, "nothing passed");
    // Removing the range leaves a wrap without meaning.
    fs::remove_file(tree.0.join(RAPL).join("max_energy_range_uj")).expect("removed");
    tree.put(&format!("{RAPL}/energy_uj"), "1\n");
    assert_eq!(value(sensors.read(9_000_000_000).power_w), None);
}

#[test]
fn absent_sensors_are_absent() {
    let page = Tree::new("empty").sensors().read(5);
    for reading in [page.cpu_percent, page.psi_cpu_percent, page.temperature_c, page.power_w, page.battery_percent] {
        assert_eq!(reading, Reading::default());
    }
    for reading in [page.memory_total_bytes, page.hugepages_free, page.quota_cores, page.load_1m] {
        assert_eq!(reading, Reading::default());
    }
    assert_eq!((page.cores, page.kernel.as_str(), page.power_source.as_str()), (0, "", ""));
}

#[test]
fn quota_of_version_1_and_a_battery() {
    let tree = Tree::new("v1");
    tree.put("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/a/b\n0::/\n")
        .put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n")
        .put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n")
        .put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n")
        .put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
        .put("sys/class/power_supply/AC/type", "Mains\n")
        .put("sys/class/power_supply/BAT0/type", "Battery\n")
        .put("sys/class/power_supply/BAT0/capacity", "87\n")
        .put("sys/class/power_supply/BAT0/current_now", "-1000000\n")
        .put("sys/class/power_supply/BAT0/voltage_now", "12000000\n");
    let page = tree.sensors().read(1);
    assert_eq!(value(page.quota_cores), Some(0.5));
    assert_eq!((value(page.power_w), page.power_source.as_str()), (Some(12.0), "battery"));
    assert_eq!(value(page.battery_percent), Some(87.0));
}

#[test]
fn this_host_can_be_read() {
    let mut sensors = Sensors::new();
    let page = sensors.read(1);
    assert!(page.resident_bytes > 0 && page.cores > 0 && page.cores_allowed > 0);
    assert!(page.process_cpu_ns >= page.control_cpu_ns);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Garbage in every file: no panic, and whatever is shown is a finite number.
    #[test]
    fn garbage_is_survived(texts in prop::collection::vec("(cpu |some avg10=|MemTotal:|VmRSS:|0::|4:cpu:)?[-0-9a-f.,:/ \\n]{0,60}\\PC{0,20}", 14)) {
        let tree = host("garbage");
        let files = ["proc/stat", "proc/pressure/cpu", "proc/meminfo", "proc/loadavg", "proc/cpuinfo", "proc/self/status",
            "proc/self/cgroup", "sys/fs/cgroup/system.slice/cpu.max", "sys/devices/system/cpu/online",
            "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "sys/class/thermal/thermal_zone0/temp",
            "sys/class/powercap/intel-rapl:0/energy_uj", "sys/class/powercap/intel-rapl:0/max_energy_range_uj",
            "proc/sys/kernel/osrelease"];
        let mut sensors = tree.sensors();
        for (file, text) in files.into_iter().zip(&texts) {
            tree.put(file, text);
        }
        for now_ns in [1, 0, 7] {
            let page = sensors.read(now_ns);
            for reading in [page.cpu_percent, page.power_w, page.temperature_c, page.quota_cores, page.load_1m] {
                prop_assert!(reading.value.is_finite());
            }
        }
    }
}

/// A sensor that has gone away leaves no stale value in projections, and an idle host is not one without a sensor.
#[test]
fn the_share_in_projections_follows_the_sensor() {
    let mut page = HostPage::default();
    assert_eq!(cpu_permille(&page), 0, "never read");
    page.cpu_percent.present = 1;
    for (percent, permille) in [(0.0, 1), (12.34, 123), (250.0, 1_000)] {
        page.cpu_percent.value = percent;
        assert_eq!(cpu_permille(&page), permille);
    }
    page.cpu_percent.present = 0;
    assert_eq!(cpu_permille(&page), 0, "gone away");
}
