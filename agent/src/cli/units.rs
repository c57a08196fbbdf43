//! Numbers as people read them: three significant digits, always a unit; and durations as people write them.

use std::time::Duration;

/// A number with an SI prefix and a trailing blank or prefix: `12.4 M`, `812 `.
#[must_use]
pub fn si(value: f64) -> String {
    scaled(value, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes with a binary prefix, `B` included: `4.00 MiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    format!("{}B", scaled(value, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"]))
}

fn scaled(value: f64, step: f64, prefixes: &[&str]) -> String {
    let mut value = if value.is_finite() { value } else { 0.0 };
    let mut at = 0;
    // 999.5 would be printed as 1000: that is the next prefix already.
    while value.abs() >= step * 0.9995 && at + 1 < prefixes.len() {
        value /= step;
        at += 1;
    }
    format!("{} {}", three_digits(value, at == 0), prefixes[at])
}

/// Three significant digits; whole numbers below 1000 stay whole.
fn three_digits(value: f64, whole: bool) -> String {
    let size = value.abs();
    if size >= 99.95 || (whole && value.fract() == 0.0) {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Nanoseconds as a duration of three significant digits: `1.93 us`.
#[must_use]
pub fn nanoseconds(value: u64) -> String {
    let value = value as f64;
    let (scaled, unit) = match value {
        v if v < 999.5 => (v, "ns"),
        v if v < 999.5e3 => (v / 1e3, "us"),
        v if v < 999.5e6 => (v / 1e6, "ms"),
        v => (v / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(scaled, unit == "ns"))
}

/// A duration as it is written on a command line: `500ms`, `10s`, `2m`, `1h`; a bare number is seconds.
///
/// # Errors
/// What was expected, for the command line to print.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no duration; write for example 500ms, 10s, 2m or 1h");
    let cut = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(cut);
    let number: f64 = number.parse().map_err(|_| expected())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(expected()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() && seconds <= 366.0 * 86_400.0 => Ok(duration),
        _ => Err(format!("`{text}` is out of range; a duration is more than zero and at most a year")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let shown: Vec<String> =
            [0.0, 7.0, 812.0, 999.0, 1000.0, 1204.0, 12_400_000.0, 999_960.0, 0.61].into_iter().map(si).collect();
        assert_eq!(shown, ["0 ", "7 ", "812 ", "999 ", "1.00 k", "1.20 k", "12.4 M", "1.00 M", "0.61 "]);
        assert_eq!(si(f64::NAN), "0 ");
        assert_eq!(bytes(4.0 * 1024.0 * 1024.0), "4.00 MiB");
        assert_eq!(
            (nanoseconds(812), nanoseconds(1930), nanoseconds(2_000_000_000)),
            ("812 ns".into(), "1.93 us".into(), "2.00 s".into())
        );
    }

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "s", "-1s", "10 s", "1d", "0s", "1e9s", "99999999h", "nan", "..s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
