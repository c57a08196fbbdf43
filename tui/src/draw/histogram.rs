//! Power-of-two histograms: one line of bars, or a bar a bucket.

use control::snapshot::TorusSnapshot;
use ratatui::layout::Rect;

use super::pen::Part;
use super::{PLAIN, Pen};
use crate::text;

/// A histogram as one line of bars over its used buckets.
pub fn histogram(buckets: &[u64], columns: usize) -> String {
    let first = buckets.iter().position(|count| *count > 0).unwrap_or(0);
    let last = buckets.iter().rposition(|count| *count > 0).unwrap_or(0);
    let used = &buckets[first.min(buckets.len())..(last + 1).min(buckets.len())];
    let merged: Vec<u64> = used
        .chunks(used.len().div_ceil(columns.max(1)).max(1))
        .map(|part| part.iter().copied().fold(0, u64::saturating_add))
        .collect();
    let top = merged.iter().copied().max().unwrap_or(0) as f64;
    // Few events in a bucket are still events: the lowest bar, never a blank.
    merged.iter().map(|count| if *count == 0 { '·' } else { text::bar_char(*count as f64, top) }).collect()
}

/// Half of the events, and all but one in a hundred, lie below these edges.
pub fn spread(buckets: &[u64], unit: impl Fn(u64) -> String) -> String {
    match (text::quantile(buckets, 0.5), text::quantile(buckets, 0.99)) {
        (Some(half), Some(most)) => {
            format!("<{} p50 <{} p99", unit(half.saturating_add(1)), unit(most.saturating_add(1)))
        }
        _ => "nothing measured yet".into(),
    }
}

/// Both distributions with a bar a bucket, on a tall terminal.
pub fn histograms(pen: &mut Pen<'_>, torus: &TorusSnapshot, area: Rect) {
    let delays: Vec<u64> = torus.edge_delay_ticks.iter().map(|count| u64::from(*count)).collect();
    let half = area.width / 2;
    let left = Rect { width: half.saturating_sub(2), ..area };
    bars(pen, "TIME AN EVENT TAKES", &torus.service_ns, text::nanos, left);
    let ticks = |value: u64| text::whole_or_si(value as f64);
    bars(pen, "DELAY OF AN EDGE, TICKS", &delays, ticks, Rect { x: area.x + half, width: half, ..area });
}

/// One bar a used bucket: lower edge, bar, count.
fn bars(pen: &mut Pen<'_>, title: &str, buckets: &[u64], unit: impl Fn(u64) -> String, area: Rect) {
    let quiet = pen.theme.quiet();
    pen.put_within(area.x, area.y, area.right(), title, quiet);
    let first = buckets.iter().position(|count| *count > 0);
    let last = buckets.iter().rposition(|count| *count > 0);
    let (Some(first), Some(last)) = (first, last) else {
        pen.put_within(area.x, area.y + 1, area.right(), "nothing measured yet", quiet);
        return;
    };
    let top = buckets.iter().copied().max().unwrap_or(1).max(1) as f64;
    let columns = usize::from(area.width.saturating_sub(22)).min(40);
    for (row, at) in (first..=last).take(usize::from(area.height.saturating_sub(1))).enumerate() {
        let y = area.y + 1 + row as u16;
        let edge = 2_u64.checked_pow(at as u32).unwrap_or(u64::MAX);
        let parts: [Part; 3] = [
            (format!("{} ", text::right(&unit(edge), 8)), quiet),
            (text::gauge(buckets[at] as f64 / top, columns), PLAIN),
            (format!(" {}", text::count(buckets[at], 9)), quiet),
        ];
        pen.parts(area.x, y, area.right(), &parts);
    }
}
