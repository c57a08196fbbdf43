//! Time as an axis: stepping through history stays inside it, and what was not known then is not shown.
mod support;

use control::snapshot::{EventSnapshot, Severity};
use support::Console;
use tui::theme::Colours;

/// Aim: no key leads out of the history, neither before its oldest moment after older ones were evicted nor after its newest.
#[test]
fn the_steps_end_at_both_ends_of_a_history_that_was_evicted() {
    let mut console = Console::after(50, 80, 24, Colours::None);
    console.poll(1_000, |_| {});
    let (oldest, newest) = (console.state.history.oldest(), console.state.history.newest());
    assert!(oldest > 0);
    console.keys(&["home", "left", "left"]);
    assert_eq!(console.state.frozen, Some(oldest));
    console.keys(&["pgup"]);
    assert_eq!(console.state.frozen, Some(oldest));
    console.keys(&["right"]);
    assert_eq!(console.state.frozen, Some(oldest + 1));
    console.keys(&["end", "space", "right", "right"]);
    assert_eq!(console.state.frozen, Some(newest));
    console.keys(&["left", "pgdn"]);
    assert_eq!(console.state.frozen, Some(newest));
}

/// Aim: the far steps are ten seconds each way, whatever lies between: fifty polls of a fifth of a second.
#[test]
fn the_far_steps_are_ten_seconds() {
    let mut console = Console::after(200, 80, 24, Colours::None);
    let newest = console.state.history.newest();
    console.keys(&["pgup"]);
    assert_eq!(console.state.frozen, Some(newest - 50));
    console.keys(&["pgup", "pgdn"]);
    assert_eq!(console.state.frozen, Some(newest - 50));
    console.keys(&["home", "pgdn"]);
    assert_eq!(console.state.frozen, Some(console.state.history.oldest() + 50));
}

/// Aim: a moment of the past shows the events of then, not those that came later.
#[test]
fn a_past_moment_does_not_know_later_events() {
    let mut console = Console::after(60, 80, 24, Colours::None);
    console.poll(5, |node| {
        let text = "came later".to_owned();
        let at_unix_ns = node.node.now_unix_ns;
        node.events.push(EventSnapshot { number: 900, at_unix_ns, severity: Severity::Notice, torus: None, text });
    });
    let known = |console: &Console| console.state.events().iter().any(|event| event.text == "came later");
    assert!(known(&console));
    console.keys(&["pgup"]);
    assert!(!known(&console), "{}", console.text());
    console.keys(&["end"]);
    assert!(known(&console));
}

/// Aim: one torus whose numbers do not add up is enough for the panel to say so, and to lead to it.
#[test]
fn one_torus_that_does_not_add_up_breaks_the_sum_of_all() {
    let mut console = Console::after(10, 100, 30, Colours::None);
    assert!(console.text().contains("in + made = done + pending ✓"));
    console.poll(1, |node| node.tori[2].injected += 1);
    assert!(console.text().contains("✕ does not add up"), "{}", console.text());
    assert!(!console.text().contains('✓'));
}
