//! Two runs of one scenario side by side, with the claims of `decisions:CLU-16` judged.

use std::fmt::Write as _;

use serde::Serialize;

use super::Report;

/// One claim and whether it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// What is claimed.
    pub claim: String,
    /// Whether it holds; `None` = these runs say nothing about it.
    pub holds: Option<bool>,
    /// The numbers behind it.
    pub because: String,
}

/// Ours, foca with its LAN preset, and foca with as many bytes as ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Ours.
    pub ours: Report,
    /// foca, LAN preset.
    pub lan: Report,
    /// foca with matched bytes.
    pub matched: Report,
    /// By what the periods of the LAN preset were divided for that.
    pub speed: f64,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// How much faster than the LAN preset detection is claimed to be.
const FASTER: f64 = 5.0;
/// How much slower than foca at matched bytes it may be.
const SLOWER: f64 = 2.0;
/// How far the bytes may differ.
const MATCH: f64 = 0.10;

impl Comparison {
    /// Judges three runs of one scenario and seed.
    #[must_use]
    pub fn new(ours: Report, lan: Report, matched: Report, speed: f64) -> Self {
        let claims =
            vec![faster(&ours, &lan), bytes(&ours, &matched), no_slower(&ours, &matched), fewer(&ours, &matched)];
        Self { ours, lan, matched, speed, claims }
    }

    /// True when no claim fails.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.claims.iter().all(|claim| claim.holds != Some(false))
    }

    /// Side by side, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let columns = [&self.ours, &self.lan, &self.matched];
        let _ = writeln!(text, "{:<34}{:>16}{:>16}{:>22}", "", "trefoil", "foca lan", "foca matched bytes");
        let mut row = |name: &str, value: &dyn Fn(&Report) -> String| {
            let [a, b, c] = columns.map(value);
            let _ = writeln!(text, "{name:<34}{a:>16}{b:>16}{c:>22}");
        };
        let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
        row("crashes, known to 99 %", &|report| format!("{} / {}", report.detected, report.crashes));
        row("detection p50", &|report| ms(report.detection.p50_ms));
        row("detection p99", &|report| ms(report.detection.p99_ms));
        row("false removals", &|report| report.false_removals.to_string());
        row("false removals a node-hour", &|report| format!("{:.4}", report.false_removals_per_node_hour));
        row("removals reported (other causes)", &|report| {
            let other: u64 = report.removals.iter().filter(|cause| !cause.is_false).map(|cause| cause.removed).sum();
            other.to_string()
        });
        row("packets a node and second", &|report| format!("{:.1}", report.packets_per_node_s));
        row("bytes a node and second", &|report| format!("{:.0}", report.bytes_per_node_s));
        row("of those, for detection", &|report| format!("{:.0}", report.detection_bytes_per_node_s));
        let _ = writeln!(text, "foca matched bytes = LAN preset with all periods divided by {:.2}", self.speed);
        for claim in &self.claims {
            let verdict = match claim.holds {
                Some(true) => "holds",
                Some(false) => "FAILS",
                None => "open",
            };
            let _ = writeln!(text, "  {verdict:<6} {}: {}", claim.claim, claim.because);
        }
        text
    }
}

fn faster(ours: &Report, lan: &Report) -> Claim {
    let claim = format!("detection at least {FASTER} x faster than foca's LAN preset");
    let (holds, because) = match (ours.detection.p50_ms, lan.detection.p50_ms) {
        (Some(our_ms), Some(their_ms)) => (
            Some(their_ms >= FASTER * our_ms),
            format!("{our_ms:.0} ms against {their_ms:.0} ms, {:.1} x", their_ms / our_ms),
        ),
        (Some(our_ms), None) if lan.crashes > 0 => (Some(true), format!("{our_ms:.0} ms against never")),
        (None, _) if ours.crashes > 0 => (Some(false), "ours did not detect".to_owned()),
        _ => (None, "no crash in this scenario".to_owned()),
    };
    Claim { claim, holds, because }
}

fn bytes(ours: &Report, matched: &Report) -> Claim {
    let ratio = matched.detection_bytes_per_node_s / ours.detection_bytes_per_node_s.max(f64::MIN_POSITIVE);
    Claim {
        claim: format!("foca's bytes matched within {:.0} %", MATCH * 100.0),
        holds: Some((ratio - 1.0).abs() <= MATCH),
        because: format!(
            "{:.0} against {:.0} a node and second",
            matched.detection_bytes_per_node_s, ours.detection_bytes_per_node_s
        ),
    }
}

fn no_slower(ours: &Report, matched: &Report) -> Claim {
    let claim = format!("at matched bytes, detection no worse than {SLOWER} x");
    let (holds, because) = match (ours.detection.p50_ms, matched.detection.p50_ms) {
        (Some(our_ms), Some(their_ms)) => {
            (Some(our_ms <= SLOWER * their_ms), format!("{our_ms:.0} ms against {their_ms:.0} ms"))
        }
        (Some(_), None) if matched.crashes > 0 => (Some(true), "foca did not detect".to_owned()),
        (None, _) if ours.crashes > 0 => (Some(false), "ours did not detect".to_owned()),
        _ => (None, "no crash in this scenario".to_owned()),
    };
    Claim { claim, holds, because }
}

fn fewer(ours: &Report, matched: &Report) -> Claim {
    let (our, their) = (ours.false_removals, matched.false_removals);
    // Where neither makes a mistake there is nothing to tell them apart.
    let holds = if our == 0 && their == 0 { None } else { Some(our < their) };
    Claim {
        claim: "at matched bytes, fewer false removals".to_owned(),
        holds,
        because: format!("{our} against {their} in {:.1} node-hours", ours.node_hours),
    }
}
