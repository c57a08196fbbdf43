//! Numbers and names as people read them: three significant digits, units always, cut by display width (`console` law 3).

use ratatui::text::Span;

/// Bars of a sparkline, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What stands where a number is not known.
pub const UNKNOWN: &str = "–";

/// Three significant digits with a decimal prefix: `12.4 M`, `812`, `0.610`. Not a number, or below zero: [`UNKNOWN`].
#[must_use]
pub fn si(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return UNKNOWN.to_owned();
    }
    let mut scaled = value;
    let mut prefix = "";
    for next in [" k", " M", " G", " T", " P", " E"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        prefix = next;
    }
    format!("{}{prefix}", digits(scaled))
}

/// Three significant digits of a value below 1000.
fn digits(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else if value >= 0.9995 {
        format!("{value:.2}")
    } else if value >= 0.0005 {
        format!("{value:.3}")
    } else {
        "<0.001".to_owned()
    }
}

/// A rate with its unit, or [`UNKNOWN`] when it is not known: `12.4 M ev/s`.
#[must_use]
pub fn rate(value: Option<f64>, unit: &str) -> String {
    match value {
        Some(value) => {
            let number = whole_or_si(value);
            // `12.4 M ev/s` but `3 /s`.
            format!("{number} {unit}")
        }
        None => format!("{UNKNOWN} {unit}"),
    }
}

/// Small whole numbers without decimals, the rest by [`si`].
#[must_use]
pub fn whole_or_si(value: f64) -> String {
    if (0.0..999.5).contains(&value) && (value - value.round()).abs() < 0.005 {
        format!("{value:.0}")
    } else {
        si(value)
    }
}

/// A whole number in groups of three: `88 123 401`.
#[must_use]
pub fn grouped(value: u64) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len() + plain.len() / 3);
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && (plain.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// [`grouped`] when it fits the width, else three digits with a prefix.
#[must_use]
pub fn count(value: u64, width: usize) -> String {
    let long = grouped(value);
    if long.len() <= width { long } else { si(value as f64) }
}

/// A duration in nanoseconds: `1.93 us`.
#[must_use]
pub fn nanos(value: u64) -> String {
    let value = value as f64;
    if value < 999.5 {
        format!("{value:.0} ns")
    } else if value < 999.5e3 {
        format!("{} us", digits(value / 1e3))
    } else if value < 999.5e6 {
        format!("{} ms", digits(value / 1e6))
    } else {
        format!("{} s", si(value / 1e9))
    }
}

/// How long ago, in the two largest units: `12 s`, `4 m 12 s`, `2 d 4 h`.
#[must_use]
pub fn age(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if seconds < 60 {
        format!("{seconds} s")
    } else if minutes < 60 {
        format!("{minutes} m {} s", seconds % 60)
    } else if hours < 24 {
        format!("{hours} h {} m", minutes % 60)
    } else if days < 1000 {
        format!("{days} d {} h", hours % 24)
    } else {
        format!("{} d", si(days as f64))
    }
}

/// Bytes with a binary prefix: `3.62 MiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return UNKNOWN.to_owned();
    }
    let mut scaled = value;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    let number = if unit == "B" { format!("{scaled:.0}") } else { digits(scaled) };
    format!("{number} {unit}")
}

/// Parts per million as a percentage: `1.20 %`.
#[must_use]
pub fn percent_of_ppm(ppm: u64) -> String {
    format!("{} %", digits((ppm as f64 / 10_000.0).min(999.0)))
}

/// A share in percent with one decimal below ten.
#[must_use]
pub fn percent(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return format!("{UNKNOWN} %");
    }
    if value >= 999.5 {
        format!("{} %", si(value))
    } else if value >= 9.95 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// Time of day of a Unix time in nanoseconds, UTC.
#[must_use]
pub fn time_of_day(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Columns a text takes on a terminal; control characters take none.
#[must_use]
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Removes what could move or disguise text on a terminal: control characters and direction overrides.
#[must_use]
pub fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| !hostile(*c)).collect()
}

/// At most `columns` wide; what is cut is shown by an ellipsis. Wide characters count as the terminal counts them.
#[must_use]
pub fn ellipsize(text: &str, columns: usize) -> String {
    // A name of a megabyte is not walked to its end: nothing beyond this can be on the screen.
    let head: String = text.chars().take(columns.saturating_mul(4).saturating_add(64)).collect();
    let text = clean(&head);
    if width(&text) <= columns {
        return text;
    }
    if columns == 0 {
        return String::new();
    }
    let span = Span::raw(text.as_str());
    let mut out = String::new();
    let mut used = 0;
    for grapheme in span.styled_graphemes(ratatui::style::Style::new()) {
        let wide = width(grapheme.symbol);
        if used + wide > columns - 1 {
            break;
        }
        used += wide;
        out.push_str(grapheme.symbol);
    }
    out.push('…');
    out
}

/// Pads to the width on the right; longer text is cut with an ellipsis.
#[must_use]
pub fn left(text: &str, columns: usize) -> String {
    let mut out = ellipsize(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&out))));
    out
}

/// Pads to the width on the left; longer text is cut with an ellipsis.
#[must_use]
pub fn right(text: &str, columns: usize) -> String {
    let cut = ellipsize(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(width(&cut)));
    out.push_str(&cut);
    out
}

/// A sparkline of `columns` bars from zero to the largest value; unknown samples are blank. Neighbouring samples share a bar.
#[must_use]
pub fn spark(samples: &[Option<f64>], columns: usize) -> String {
    spark_to(samples, columns, spark_top(samples, columns))
}

/// The largest bar of a sparkline, so that several can share one scale.
#[must_use]
pub fn spark_top(samples: &[Option<f64>], columns: usize) -> f64 {
    spark_bars(samples, columns).iter().flatten().fold(0.0_f64, |top, value| top.max(*value))
}

/// [`spark`] on a given scale.
#[must_use]
pub fn spark_to(samples: &[Option<f64>], columns: usize, top: f64) -> String {
    let bars = spark_bars(samples, columns);
    let mut out = " ".repeat(columns - bars.len());
    out.extend(bars.iter().map(|bar| bar.map_or(' ', |value| bar_char(value, top))));
    out
}

/// At most `columns` bars. What lies before the first known sample takes no room: a node that just started shows a bar a second.
fn spark_bars(samples: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    let samples = &samples[samples.iter().position(Option::is_some).unwrap_or(samples.len())..];
    if samples.is_empty() || columns == 0 {
        return Vec::new();
    }
    let columns_used = columns.min(samples.len());
    let bucket = |at: usize| {
        let part = &samples[at * samples.len() / columns_used..(at + 1) * samples.len() / columns_used];
        let known: Vec<f64> = part.iter().filter_map(|sample| *sample).filter(|value| value.is_finite()).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    (0..columns_used).map(bucket).collect()
}

/// The part of a sentence that fits: whole clauses as long as one does, else cut with an ellipsis.
#[must_use]
pub fn clauses(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ends = text.match_indices([';', ':', ',']).map(|(at, _)| &text[..at]);
    // A clause of a word or two says nothing.
    let mut fitting = ends.filter(|clause| width(clause) <= columns && clause.split_whitespace().count() > 2);
    fitting.next_back().map_or_else(|| ellipsize(text, columns), clean)
}

/// The bar for a value between zero and `top`.
#[must_use]
pub fn bar_char(value: f64, top: f64) -> char {
    if top <= 0.0 || value <= 0.0 {
        return BARS[0];
    }
    let level = (value / top * 7.0).round().clamp(0.0, 7.0);
    BARS[level as usize]
}

/// A gauge of `columns` cells, filled by `share` of one.
#[must_use]
pub fn gauge(share: f64, columns: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    if eighths / 8 < columns {
        out.push(if eighths == 0 && share > 0.0 { '▏' } else { EIGHTHS[eighths % 8] });
        out.extend(std::iter::repeat_n(' ', columns - eighths / 8 - 1));
    }
    out
}

/// The value below which a share of a power-of-two histogram lies: the upper edge of the bucket, or `None` when it is empty.
#[must_use]
pub fn quantile(buckets: &[u64], share: f64) -> Option<u64> {
    let total: u128 = buckets.iter().map(|count| u128::from(*count)).sum();
    if total == 0 {
        return None;
    }
    let wanted = (total as f64 * share).ceil().max(1.0) as u128;
    let mut seen = 0_u128;
    for (at, count) in buckets.iter().enumerate() {
        seen += u128::from(*count);
        if seen >= wanted {
            return Some(2_u64.checked_pow(at as u32 + 1).map_or(u64::MAX, |edge| edge - 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_and_units() {
        let shown: Vec<String> =
            [0.0, 0.61, 3.0, 12.44, 811.6, 999.6, 12_400_000.0, 1.8e19, f64::NAN, -1.0].map(si).to_vec();
        assert_eq!(shown, ["0", "0.610", "3.00", "12.4", "812", "1.00 k", "12.4 M", "18.0 E", "–", "–"]);
        assert_eq!(grouped(88_123_401), "88 123 401");
        assert_eq!(grouped(u64::MAX), "18 446 744 073 709 551 615");
        assert_eq!(count(u64::MAX, 12), "18.4 E");
        assert_eq!(
            [nanos(870), nanos(1_930), nanos(999_600), nanos(u64::MAX)],
            ["870 ns", "1.93 us", "1.00 ms", "18.4 G s"]
        );
        assert_eq!([age(12_000_000_000), age(187_200_000_000_000)], ["12 s", "2 d 4 h"]);
        assert_eq!([bytes(512.0), bytes(4_194_304.0)], ["512 B", "4.00 MiB"]);
        assert_eq!(rate(Some(3.0), "/s"), "3 /s");
    }

    #[test]
    fn names_are_cut_by_display_width_and_cannot_carry_escapes() {
        assert_eq!(ellipsize("abcdef", 4), "abc…");
        assert_eq!(ellipsize("環環環", 4), "環…");
        assert_eq!(width(&left("環", 5)), 5);
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\nd"), "a[31mbc d");
        assert_eq!(ellipsize(&"x".repeat(1 << 20), 3), "xx…");
    }

    #[test]
    fn a_sentence_is_cut_at_its_clauses() {
        let said = "3 tori but 2 usable core(s): waiting is adaptive, not spinning";
        assert_eq!(clauses(said, 100), said);
        assert_eq!(clauses(said, 61), "3 tori but 2 usable core(s): waiting is adaptive");
        assert_eq!(clauses(said, 40), "3 tori but 2 usable core(s)");
        assert_eq!(clauses(said, 12), "3 tori but …");
        assert_eq!(clauses("error: no clause that says anything", 12), "error: no c…");
    }

    #[test]
    fn sparklines_start_at_zero_and_leave_gaps_blank() {
        assert_eq!(spark(&[Some(0.0), Some(7.0), None, Some(3.5)], 4), "▁█ ▅");
        assert_eq!(spark(&[], 3), "   ");
        assert_eq!(spark(&[None, None, Some(2.0), Some(4.0)], 3), " ▅█", "a bar a sample as long as there is room");
        // Two lines on one scale can be compared.
        assert_eq!(spark_to(&[Some(1.0)], 1, spark_top(&[Some(2.0), Some(8.0)], 2)), "▂");
        assert_eq!(spark(&[Some(1.0)], 3), "  █");
        assert_eq!(gauge(0.5, 4), "██  ");
        assert_eq!(gauge(f64::NAN, 2), "  ");
        assert_eq!(quantile(&[0, 0, 10, 0, 1], 0.5), Some(7));
        assert_eq!(quantile(&[0; 32], 0.5), None);
    }
}
