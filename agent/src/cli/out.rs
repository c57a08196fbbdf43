//! The only place that prints.

use std::io::{ErrorKind, Write};

/// Prints text to standard output. A reader that has gone away (`| head`) ends the program quietly.
pub(super) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Prints a line to standard output.
pub(super) fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Prints a line to standard error.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints an error to standard error.
pub(super) fn error(text: &str) {
    note(&format!("trefoil: {text}"));
}
