//! Rows of figures: one table for people, one JSON list for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

/// Whether a bar holds, in the three values of `decisions:NODE-18`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The bar holds in this run.
    Met,
    /// It does not.
    Missed,
    /// This machine cannot tell; the reason is in the row's note.
    NotMeasurable,
    /// A figure for information: no bar was promised.
    NoBar,
}

/// What a ratio is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// value / peer must be at least this.
    AtLeast(f64),
    /// value / peer must be at most this.
    AtMost(f64),
    /// The value itself, in its unit, must be at most this.
    ValueAtMost(f64),
    /// For information.
    None,
}

impl Bar {
    fn text(self) -> String {
        match self {
            Self::AtLeast(limit) => format!(">= {limit:.2} x"),
            Self::AtMost(limit) => format!("<= {limit:.2} x"),
            Self::ValueAtMost(limit) => format!("<= {limit:.0}"),
            Self::None => String::new(),
        }
    }

    fn judge(self, value: f64, ratio: Option<f64>) -> Verdict {
        let held = |held: bool| if held { Verdict::Met } else { Verdict::Missed };
        match (self, ratio) {
            (Self::None, _) => Verdict::NoBar,
            (Self::ValueAtMost(limit), _) => held(value <= limit),
            (Self::AtLeast(limit), Some(ratio)) => held(ratio >= limit),
            (Self::AtMost(limit), Some(ratio)) => held(ratio <= limit),
            (_, None) => Verdict::NotMeasurable,
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured, with its parameters.
    pub name: String,
    /// Our value, median over the rounds.
    pub value: f64,
    /// Unit of both values.
    pub unit: &'static str,
    /// What stands beside it.
    pub peer: String,
    /// The peer's value, median over the rounds.
    pub peer_value: Option<f64>,
    /// Median over the rounds of value / peer value.
    pub ratio: Option<f64>,
    /// What was promised.
    pub bar: String,
    /// Whether it holds.
    pub ok: Verdict,
    /// What a reader must know to judge the row.
    pub note: String,
}

impl Row {
    /// A row with a peer; `pairs` are (ours, peer) of each interleaved round.
    pub fn against(name: impl Into<String>, unit: &'static str, pairs: &[(f64, f64)], peer: &str, bar: Bar) -> Self {
        let value = median(pairs.iter().map(|pair| pair.0).collect());
        let peer_value = median(pairs.iter().map(|pair| pair.1).collect());
        let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1).collect());
        Self {
            name: name.into(),
            value,
            unit,
            peer: peer.to_owned(),
            peer_value: Some(peer_value),
            ratio: Some(ratio),
            bar: bar.text(),
            ok: bar.judge(value, Some(ratio)),
            note: String::new(),
        }
    }

    /// A row without a peer.
    pub fn alone(name: impl Into<String>, unit: &'static str, values: Vec<f64>, bar: Bar) -> Self {
        let value = median(values);
        Self {
            name: name.into(),
            value,
            unit,
            peer: String::new(),
            peer_value: None,
            ratio: None,
            bar: bar.text(),
            ok: bar.judge(value, None),
            note: String::new(),
        }
    }

    /// A row that could not be measured here, and why.
    pub fn absent(name: impl Into<String>, peer: &str, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: 0.0,
            unit: "",
            peer: peer.to_owned(),
            peer_value: None,
            ratio: None,
            bar: String::new(),
            ok: Verdict::NotMeasurable,
            note: why.into(),
        }
    }

    /// Adds what a reader must know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Median of at least one value.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a figure needs at least one run");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// A number to three significant digits with a decimal prefix.
pub fn human(value: f64, unit: &str) -> String {
    let (scaled, prefix) = match unit {
        "ev/s" | "msg/s" | "B" | "/s" => match value.abs() {
            v if v >= 1e9 => (value / 1e9, "G"),
            v if v >= 1e6 => (value / 1e6, "M"),
            v if v >= 1e3 => (value / 1e3, "k"),
            _ => (value, ""),
        },
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{scaled:.digits$} {prefix}{}{unit}", if prefix.is_empty() || unit == "B" { "" } else { " " })
}

/// The table for people.
pub fn table(rows: &[Row], mode: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "machine mode: {mode}");
    let _ = writeln!(
        out,
        "{:<52} {:>14}  {:<30} {:>14} {:>8}  {:<10} ok",
        "figure", "ours", "peer", "peer's", "ratio", "bar"
    );
    for row in rows {
        let ours = if row.unit.is_empty() { "-".to_owned() } else { human(row.value, row.unit) };
        let peer = row.peer_value.map_or_else(|| "-".to_owned(), |value| human(value, row.unit));
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        let ok = match row.ok {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasurable => "not measurable here",
            Verdict::NoBar => "",
        };
        let _ = writeln!(
            out,
            "{:<52} {:>14}  {:<30} {:>14} {:>8}  {:<10} {ok}",
            row.name, ours, row.peer, peer, ratio, row.bar
        );
        if !row.note.is_empty() {
            let _ = writeln!(out, "    {}", row.note);
        }
    }
    out
}

/// Writes the JSON list.
///
/// # Errors
/// What the file system says.
pub fn write_json(rows: &[Row], path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let json = serde_json::to_string_pretty(rows).map_err(std::io::Error::other)?;
    std::fs::write(path, json + "\n")
}
