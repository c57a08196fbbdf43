//! The trade-off of the threshold: sooner, or less often wrong.

use std::fmt::Write as _;

use serde::Serialize;

use super::Report;

/// One threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdRow {
    /// Missed heartbeats, `None` = adapted to each subject.
    pub threshold: Option<u8>,
    /// Detection, p50, ms.
    pub detection_p50_ms: Option<f64>,
    /// Detection, p99, ms.
    pub detection_p99_ms: Option<f64>,
    /// False removals.
    pub false_removals: u64,
    /// False removals in 100 000 node-hours.
    pub per_100k_node_hours: f64,
    /// Refutations, as told.
    pub refuted: u64,
    /// Bytes a node and second.
    pub bytes_per_node_s: f64,
}

impl ThresholdRow {
    /// The row of a run.
    #[must_use]
    pub fn of(threshold: Option<u8>, report: &Report) -> Self {
        Self {
            threshold,
            detection_p50_ms: report.detection.p50_ms,
            detection_p99_ms: report.detection.p99_ms,
            false_removals: report.false_removals,
            per_100k_node_hours: report.false_removals_per_node_hour * 1e5,
            refuted: report.heal.refuted,
            bytes_per_node_s: report.bytes_per_node_s,
        }
    }
}

/// The trade-off table of `decisions:CLU-16`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Thresholds {
    /// One threshold each.
    pub rows: Vec<ThresholdRow>,
}

impl Thresholds {
    /// The table as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(
            "threshold  detection p50  p99        false  per 10^5 node-hours  refuted  bytes a node and second\n",
        );
        for row in &self.rows {
            let name = row.threshold.map_or_else(|| "adaptive".to_owned(), |threshold| threshold.to_string());
            let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
            let (p50, p99) = (ms(row.detection_p50_ms), ms(row.detection_p99_ms));
            let (wrong, rate, refuted) = (row.false_removals, row.per_100k_node_hours, row.refuted);
            let _ = writeln!(
                text,
                "{name:<10} {p50:>13}  {p99:<9} {wrong:>6} {rate:>20.1} {refuted:>8} {:>24.0}",
                row.bytes_per_node_s
            );
        }
        text
    }
}
