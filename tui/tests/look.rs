//! Prints the screens to look at: `cargo test -p trefoil-tui --test look -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "this is for looking at")]
mod support;
use support::Console;
use tui::theme::Colours;

#[test]
#[ignore = "for looking at, proves nothing"]
fn look() {
    for (columns, rows) in [(100, 30), (80, 24), (120, 40), (40, 10)] {
        for screen in ["1", "2", "8", "9"] {
            let mut console = Console::after(120, columns, rows, Colours::None);
            console.keys(&[screen, "b"]);
            println!("\n== {columns}x{rows} screen {screen}\n{}", console.text());
        }
    }
}
