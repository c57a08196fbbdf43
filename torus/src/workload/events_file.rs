//! Event files: CSV with the columns time, dst, src, payload, in logical order.

use csv::{ByteRecord, ReaderBuilder, Trim};

use crate::relay::encode;
use crate::{CELLS, Event};

/// Most events a file may hold; a year of the sample data has 327 346.
pub const MAX_EVENTS: usize = 4_000_000;
/// Most characters of a value that an error repeats.
const SHOWN: usize = 40;

/// An event file is not what it should be. Nothing was loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// The header does not name the columns.
    #[error(
        "line 1: header is \"{found}\", expected the columns time, dst, src, payload in this order, each with or without a unit \
         (time_min)"
    )]
    Header {
        /// The header found, shortened.
        found: String,
    },
    /// A row has too few or too many columns.
    #[error("line {line}: {found} columns, expected 4")]
    Columns {
        /// Line, from 1.
        line: u64,
        /// Columns found.
        found: usize,
    },
    /// A value does not fit its column.
    #[error("line {line}, column {column}: value \"{value}\", expected {expected}")]
    Value {
        /// Line, from 1.
        line: u64,
        /// Column name.
        column: &'static str,
        /// The value, shortened.
        value: String,
        /// What fits.
        expected: &'static str,
    },
    /// A row comes before its predecessor in (time, dst, src, payload).
    #[error(
        "line {line}, column time: value \"{value}\" is out of order, expected rows sorted by time, dst, src, payload; sort the file"
    )]
    Order {
        /// Line, from 1.
        line: u64,
        /// Time of the row, ticks.
        value: u64,
    },
    /// Not readable as CSV.
    #[error("line {line}: not CSV ({reason}), expected four numbers separated by commas")]
    Csv {
        /// Line, from 1.
        line: u64,
        /// What the reader says.
        reason: String,
    },
    /// Too long.
    #[error("more than {max} events; split the file", max = MAX_EVENTS)]
    TooLong,
    /// No events.
    #[error("no events, expected at least one row after the header")]
    Empty,
}

const COLUMNS: [&str; 4] = ["time", "dst", "src", "payload"];
const CELL: &str = "a cell, 0 to 32767";
const _: () = assert!(CELLS == 32_768);

/// Reads an event file. Any bytes give events in logical order or an error that names the line; payloads are encoded for the relay.
///
/// # Errors
/// [`EventsError`] for the first thing that does not fit.
pub fn parse_events(bytes: &[u8]) -> Result<Vec<Event>, EventsError> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).quoting(false).from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut events = Vec::new();
    let mut line = 1;
    let mut header_seen = false;
    loop {
        let read = reader.read_byte_record(&mut record);
        if !read.map_err(|error| EventsError::Csv { line, reason: error.to_string() })? {
            break;
        }
        line = record.position().map_or(line, |position| line_at(bytes, position));
        if !header_seen {
            check_header(&record)?;
            header_seen = true;
            continue;
        }
        if events.len() == MAX_EVENTS {
            return Err(EventsError::TooLong);
        }
        let event = row(&record, line)?;
        if events.last().is_some_and(|last| event < *last) {
            return Err(EventsError::Order { line, value: event.time });
        }
        events.push(event);
    }
    if events.is_empty() { Err(EventsError::Empty) } else { Ok(events) }
}

/// Line of a record: the reader's position lies before the blank lines it has skipped.
fn line_at(bytes: &[u8], position: &csv::Position) -> u64 {
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let blank = rest.iter().take_while(|&&byte| byte == b'\n' || byte == b'\r').filter(|&&byte| byte == b'\n');
    position.line() + blank.count() as u64
}

fn check_header(record: &ByteRecord) -> Result<(), EventsError> {
    let names = |(field, column): (&[u8], &str)| {
        let rest = field.strip_prefix(column.as_bytes());
        rest.is_some_and(|unit| unit.is_empty() || (unit.len() > 1 && unit[0] == b'_'))
    };
    if record.len() == COLUMNS.len() && record.iter().zip(COLUMNS).all(names) {
        return Ok(());
    }
    let found: Vec<String> = record.iter().take(8).map(shown).collect();
    Err(EventsError::Header { found: found.join(",") })
}

fn row(record: &ByteRecord, line: u64) -> Result<Event, EventsError> {
    if record.len() != COLUMNS.len() {
        return Err(EventsError::Columns { line, found: record.len() });
    }
    let bad =
        |at: usize, expected| EventsError::Value { line, column: COLUMNS[at], value: shown(&record[at]), expected };
    let text = |at: usize| std::str::from_utf8(&record[at]).unwrap_or("");
    let time = text(0).parse().map_err(|_| bad(0, "ticks, 0 to 18446744073709551615"))?;
    let cell = |at: usize| {
        let number = text(at).parse().ok().filter(|&number: &u32| (number as usize) < CELLS);
        number.ok_or_else(|| bad(at, CELL))
    };
    let payload: i32 = text(3).parse().map_err(|_| bad(3, "a number, -2147483648 to 2147483647"))?;
    Ok(Event { time, dst: cell(1)?, src: cell(2)?, payload: encode(payload) })
}

/// A value as an error shows it: shortened, control characters made visible.
fn shown(field: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(field).escape_debug().take(SHOWN).collect();
    if field.len() > SHOWN { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relay::decode;

    const JANUARY: &[u8] = include_bytes!("../../../configs/data/flights-2013-01-events.csv");

    #[test]
    fn the_january_file_has_its_published_totals() {
        let events = parse_events(JANUARY).expect("sample data");
        let destinations: std::collections::BTreeSet<u32> = events.iter().map(|event| event.dst).collect();
        let sum: i64 = events.iter().map(|event| i64::from(decode(event.payload))).sum();
        assert_eq!((events.len(), destinations.len(), sum), (26_398, 85, 161_819));
    }

    #[test]
    fn an_error_names_line_column_value_and_what_was_expected() {
        let told = |text: &str| parse_events(text.as_bytes()).expect_err("bad file").to_string();
        assert_eq!(
            told("time_min,dst,src,payload\n1,2,3,4\n2,99999,3,4\n"),
            "line 3, column dst: value \"99999\", expected a cell, 0 to 32767"
        );
        assert_eq!(
            told("time,dst,src,payload\n\n-1,2,3,4\n"),
            "line 3, column time: value \"-1\", expected ticks, 0 to 18446744073709551615"
        );
        assert!(told("time,dst,src,payload\n1,2,3,2147483648\n").contains("column payload"));
        assert!(
            told("time,dst,src,payload\n5,2,3,4\n4,2,3,4\n")
                .contains("line 3, column time: value \"4\" is out of order")
        );
        assert!(told("time,dst,src,payload\n5,2,3,4\n5,2,3,3\n").contains("out of order"));
        assert!(told("time,dst,src,payload\n5,2,3\n").contains("line 2: 3 columns, expected 4"));
        assert!(told("time,dst,src\n").contains("header is \"time,dst,src\""));
        assert!(told("when,dst,src,payload\n1,2,3,4\n").contains("expected the columns"));
        assert!(told("time,dst,src,payload\n").contains("no events"));
        assert!(told(&format!("time,dst,src,payload\n{},2,3,4\n", "9".repeat(5000))).len() < 200);
        assert_eq!(parse_events(b""), Err(EventsError::Empty));
    }

    proptest! {
        /// Hostile files: any bytes, and any damage to a good file, give an error or events in order; never a panic.
        #[test]
        fn any_bytes_are_read_or_refused(noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0..2000usize) {
            let _ = parse_events(&noise);
            let mut bent = JANUARY[..2000].to_vec();
            for (place, byte) in bent[at..].iter_mut().zip(&noise) {
                *place = *byte;
            }
            if let Ok(events) = parse_events(&bent) {
                prop_assert!(events.is_sorted() && events.iter().all(|event| (event.dst as usize) < CELLS));
            }
        }
    }
}
