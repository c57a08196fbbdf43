//! Screen 8: the machine under the node. A sensor that is not there is absent, not zero.

use std::collections::BTreeSet;

use control::snapshot::{HostSnapshot, Pages};
use ratatui::layout::Rect;

use super::frame::wrap;
use super::pen::Part;
use super::{PLAIN, Pen};
use crate::history::Scene;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;
use crate::verdict::torus_shape;

/// The word for a sensor that is not there.
const ABSENT: &str = "absent";

fn reading(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| ABSENT.to_owned(), show)
}

/// The host in one line, for the overview.
pub fn line(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let host = &scene.now.host;
    let quiet = pen.theme.quiet();
    let degraded = !scene.now.node.backing_reason.is_empty();
    let hugepages = match (host.hugepages_free, host.hugepages_total) {
        (Some(free), Some(total)) => format!("{free:.0} of {total:.0} free"),
        _ => ABSENT.to_owned(),
    };
    let owned: Vec<String> = scene
        .now
        .tori
        .iter()
        .filter_map(|torus| torus.core)
        .collect::<BTreeSet<_>>()
        .iter()
        .map(u32::to_string)
        .collect();
    let shared = scene.now.tori.iter().any(|torus| torus.core_shared);
    let cores = match (owned.is_empty(), shared) {
        (true, _) => "none owned".to_owned(),
        (false, shared) => format!("{} owned{}", owned.join(","), if shared { ", shared" } else { "" }),
    };
    let items: [(&str, String, bool); 6] = [
        (
            "cpu",
            format!(
                "{} psi {}",
                reading(host.cpu_percent, text::percent),
                reading(host.psi_cpu_percent, text::percent)
            ),
            false,
        ),
        ("temp", reading(host.temperature_c, |value| format!("{value:.0} C")), false),
        ("power", reading(host.power_w, |value| format!("{} W", text::si(value))), false),
        ("hugepages", hugepages, degraded),
        ("cores", cores, shared),
        ("memory", memory_free(host), false),
    ];
    let mut x = pen.put_within(area.x + 2, area.y, area.right(), "HOST", quiet) + 2;
    for (at, (label, value, bad)) in items.iter().enumerate() {
        let wide = (label.len() + text::width(value) + 1) as u16;
        if x + wide + 3 > area.right() {
            break;
        }
        if at > 0 {
            x = pen.put(x, area.y, " │ ", quiet);
        }
        x = pen.put(x, area.y, &format!("{label} "), quiet);
        x = pen.put(x, area.y, value, if *bad { pen.theme.shape(Shape::Degraded) } else { PLAIN });
    }
    pen.selectable(Rect::new(area.x + 2, area.y, area.width.saturating_sub(3), 1), Target::Host);
}

fn memory_free(host: &HostSnapshot) -> String {
    match (host.memory_available_bytes, host.memory_total_bytes) {
        (Some(free), Some(total)) => format!("{} of {} free", text::bytes(free), text::bytes(total)),
        _ => ABSENT.to_owned(),
    }
}

const fn pages_word(pages: Pages) -> &'static str {
    match pages {
        Pages::Huge => "2 MiB pages",
        Pages::Transparent => "transparent huge pages",
        Pages::Base => "4 KiB pages",
    }
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let two = area.width >= 76;
    let half = if two { area.width / 2 } else { area.width };
    let left = Rect { x: area.x + 2, width: half.saturating_sub(3), ..area };
    let end = sensors(pen, scene, left);
    let right = if two {
        Rect { x: area.x + half, width: area.width.saturating_sub(half + 1), ..area }
    } else {
        Rect { y: end.min(area.bottom()), height: area.bottom().saturating_sub(end), ..left }
    };
    let mut y = process(pen, scene, right);
    y = memory(pen, scene, Rect { y: y + 1, height: right.bottom().saturating_sub(y + 1), ..right });
    let below = if two { end.max(y) + 1 } else { y + 1 };
    if below < area.bottom() {
        threads(
            pen,
            scene,
            Rect { x: area.x + 2, y: below, width: area.width.saturating_sub(3), height: area.bottom() - below },
        );
    }
}

/// Label and value rows; returns the row after the last.
fn rows(pen: &mut Pen<'_>, area: Rect, title: &str, list: &[(&str, Vec<Part>)]) -> u16 {
    let quiet = pen.theme.quiet();
    if area.height == 0 {
        return area.y;
    }
    pen.put_within(area.x, area.y, area.right(), title, quiet);
    let mut y = area.y + 1;
    for (label, parts) in list {
        if y >= area.bottom() {
            break;
        }
        pen.put_within(area.x, y, area.right(), &text::left(label, 14), quiet);
        pen.parts(area.x + 14, y, area.right(), parts);
        y += 1;
    }
    y
}

fn value(pen: &Pen<'_>, shown: String) -> Part {
    let style = if shown.starts_with(ABSENT) { pen.theme.quiet() } else { PLAIN };
    (shown, style)
}

fn sensors(pen: &mut Pen<'_>, scene: &Scene, area: Rect) -> u16 {
    let host = &scene.now.host;
    let quiet = pen.theme.quiet();
    let sourced = |shown: String, source: &str| {
        if source.is_empty() || shown == ABSENT { shown } else { format!("{shown}  ({})", text::ellipsize(source, 20)) }
    };
    let battery = reading(host.battery_percent, text::percent);
    let list: Vec<(&str, Vec<Part>)> = vec![
        (
            "cpu",
            vec![
                value(pen, reading(host.cpu_percent, text::percent)),
                (format!("  {}", text::spark(&scene.host_cpu_minute, 12)), quiet),
            ],
        ),
        ("pressure cpu", vec![value(pen, reading(host.psi_cpu_percent, text::percent))]),
        ("  memory", vec![value(pen, reading(host.psi_memory_percent, text::percent))]),
        ("  i/o", vec![value(pen, reading(host.psi_io_percent, text::percent))]),
        ("load 1 min", vec![value(pen, reading(host.load_1m, |load| format!("{load:.2}")))]),
        (
            "temperature",
            vec![value(pen, sourced(reading(host.temperature_c, |c| format!("{c:.0} C")), &host.temperature_source))],
        ),
        (
            "power",
            vec![value(pen, sourced(reading(host.power_w, |w| format!("{} W", text::si(w))), &host.power_source))],
        ),
        ("battery", vec![value(pen, battery)]),
        ("memory", vec![value(pen, memory_free(host))]),
        ("quota", vec![value(pen, reading(host.quota_cores, |cores| format!("{cores:.2} cores")))]),
        ("processor", vec![(text::ellipsize(&host.cpu_model, 40), PLAIN)]),
        ("kernel", vec![(text::ellipsize(&host.kernel, 40), PLAIN)]),
    ];
    rows(pen, area, "SENSORS", &list)
}

fn process(pen: &mut Pen<'_>, scene: &Scene, area: Rect) -> u16 {
    let (host, node) = (&scene.now.host, &scene.now.node);
    let quiet = pen.theme.quiet();
    let of_core = |percent: Option<f64>| {
        percent.map_or_else(|| text::UNKNOWN.into(), |value| format!("{} of a core", text::percent(value)))
    };
    let list: Vec<(&str, Vec<Part>)> = vec![
        ("process", vec![(format!("{}", node.pid), PLAIN), (format!("  {}", text::ellipsize(&node.build, 28)), quiet)]),
        ("cpu", vec![(of_core(scene.process_cpu_percent), PLAIN)]),
        ("  control", vec![(of_core(scene.control_cpu_percent), PLAIN)]),
        ("resident", vec![(text::bytes(host.resident_bytes as f64), PLAIN)]),
        ("locked", vec![(text::bytes(host.locked_bytes as f64), PLAIN)]),
        ("waiting", vec![((if node.spin { "spin" } else { "adaptive" }).into(), PLAIN)]),
        ("config", vec![(text::ellipsize(&node.config_path, usize::from(area.width.saturating_sub(14))), PLAIN)]),
    ];
    rows(pen, area, "PROCESS", &list)
}

fn memory(pen: &mut Pen<'_>, scene: &Scene, area: Rect) -> u16 {
    let (host, node) = (&scene.now.host, &scene.now.node);
    let quiet = pen.theme.quiet();
    let hugepages = match (host.hugepages_free, host.hugepages_total) {
        (Some(free), Some(total)) => format!("{free:.0} of {total:.0} free"),
        _ => ABSENT.to_owned(),
    };
    let path = if node.region_path.is_empty() { "anonymous".to_owned() } else { node.region_path.clone() };
    let bad = !node.backing_reason.is_empty();
    let shape = if bad { Shape::Degraded } else { Shape::Well };
    let list: Vec<(&str, Vec<Part>)> = vec![
        (
            "region",
            vec![
                (text::bytes(node.region_bytes as f64), PLAIN),
                (format!("  {}", text::ellipsize(&node.region_join, 10)), quiet),
            ],
        ),
        ("  epoch", vec![(format!("{:x}", node.region_epoch), PLAIN)]),
        ("  path", vec![(text::ellipsize(&path, usize::from(area.width.saturating_sub(14))), PLAIN)]),
        (
            "  backing",
            vec![
                (format!("{} ", shape.symbol()), pen.theme.shape(shape)),
                (pages_word(node.region_pages).into(), PLAIN),
            ],
        ),
        ("hugepages", vec![value(pen, hugepages)]),
    ];
    let mut y = rows(pen, area, "MEMORY", &list);
    // Why the backing is not what was asked for, with the command that mends it: the whole sentence.
    for line in wrap(&node.backing_reason, usize::from(area.width)).into_iter().filter(|line| !line.is_empty()).take(4)
    {
        if y < area.bottom() {
            pen.put_within(area.x, y, area.right(), &line, pen.theme.shape(Shape::Degraded));
            y += 1;
        }
    }
    y
}

/// Cores of the host with the torus each belongs to, then the threads of the tori.
fn threads(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let host = &scene.now.host;
    let quiet = pen.theme.quiet();
    let heading = format!("CORES  {} of {} allowed", host.cores_allowed, host.cores);
    pen.put_within(area.x, area.y, area.right(), &heading, quiet);
    let mut x = area.x;
    let y = area.y + 1;
    for (shown, core) in host.allowed.iter().enumerate() {
        let owner = scene.now.tori.iter().find(|torus| torus.core == Some(*core));
        let label =
            owner.map_or_else(|| format!("{core}"), |torus| format!("{core} {}", text::ellipsize(&torus.name, 6)));
        if x + label.len() as u16 + 6 > area.right() {
            pen.put_within(x, y, area.right(), &format!("+{}", host.allowed.len() - shown), quiet);
            break;
        }
        let style = if owner.is_some() { pen.theme.strong() } else { quiet };
        x = pen.put_within(x, y, area.right(), &label, style);
        x = pen.put_within(x, y, area.right(), " │ ", quiet);
    }
    let y = area.y + 3;
    if y >= area.bottom() {
        return;
    }
    pen.put_within(area.x, y, area.right(), "THREAD           STATE       CORE       CPU      MEMORY", quiet);
    for (at, torus) in scene.now.tori.iter().enumerate() {
        let y = y + 1 + at as u16;
        if y >= area.bottom() {
            break;
        }
        let shape = torus_shape(scene, torus);
        let cpu = scene.rates[at].cpu_percent.map_or_else(|| text::UNKNOWN.to_owned(), text::percent);
        let core = torus.core.map_or_else(
            || "none".to_owned(),
            |core| format!("{core}{}", if torus.core_shared { " shared" } else { "" }),
        );
        let parts: Vec<Part> = vec![
            (text::left(&format!("{} ({})", text::ellipsize(&torus.name, 8), torus.tid), 17), PLAIN),
            (format!("{} ", shape.symbol()), pen.theme.shape(shape)),
            (text::left(crate::theme::torus_word(torus.state), 10), PLAIN),
            (text::left(&core, 11), PLAIN),
            (text::left(&cpu, 9), PLAIN),
            (
                format!(
                    "{} used of {} mapped, ",
                    text::bytes(torus.memory_used_bytes as f64),
                    text::bytes(torus.memory_mapped_bytes as f64)
                ),
                PLAIN,
            ),
            (pages_word(torus.memory_pages).into(), quiet),
        ];
        pen.parts(area.x, y, area.right(), &parts);
        pen.selectable(Rect { y, height: 1, ..area }, Target::Torus(at));
    }
}
