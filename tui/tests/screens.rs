//! Screens as pictures, at the sizes that matter, driven by real key events.
mod support;

use control::SourceError;
use control::snapshot::{PeerState, Phase, TorusState};
use ratatui::style::{Color, Modifier};
use support::{Console, NOON_NS, heat_step};
use tui::draw::{self, focusables};
use tui::heat::Activity;
use tui::target::{Screen, Target};
use tui::theme::Colours;
use tui::update::{Effect, Event};

fn pictures(name: &str, columns: u16, rows: u16) {
    for (keys, screen) in [("1", "overview"), ("2b", "torus"), ("8", "host"), ("9", "events")] {
        let mut console = Console::after(120, columns, rows, Colours::Sixteen);
        console.keys(&[keys]);
        insta::assert_snapshot!(format!("{name}-{screen}"), console.text());
    }
}

#[test]
fn at_80x24() {
    pictures("80x24", 80, 24);
}

#[test]
fn at_100x30() {
    pictures("100x30", 100, 30);
}

#[test]
fn at_120x40() {
    pictures("120x40", 120, 40);
}

#[test]
fn at_40x10() {
    pictures("40x10", 40, 10);
}

/// Aim: `NO_COLOR` means none, anywhere; the heat map has a form that needs none.
#[test]
fn without_colour_no_cell_has_one_and_every_number_is_still_there() {
    for screen in ["1", "2b", "8", "9", "?"] {
        let mut console = Console::after(120, 80, 24, Colours::None);
        console.keys(&[screen]);
        let buffer = console.buffer();
        assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{screen}");
        insta::assert_snapshot!(format!("monochrome-{}", screen.replace('?', "help")), draw::buffer_text(&buffer));
    }
    // And with colour there is some: the assertion above can fail.
    let mut console = Console::after(120, 80, 24, Colours::Sixteen);
    assert!(console.buffer().content().iter().any(|cell| cell.fg != Color::Reset));
}

/// Aim: sixteen colours use none of the 256-colour palette.
#[test]
fn sixteen_colours_are_sixteen() {
    let mut console = Console::after(120, 80, 24, Colours::Sixteen);
    console.keys(&["2"]);
    let indexed = |colour: Color| matches!(colour, Color::Indexed(_) | Color::Rgb(..));
    assert!(!console.buffer().content().iter().any(|cell| indexed(cell.fg) || indexed(cell.bg)));
}

#[test]
fn the_header_answers_with_the_worst_thing_and_the_key_that_leads_there() {
    let mut console = Console::after(30, 100, 30, Colours::None);
    assert!(console.text().lines().next().is_some_and(|line| line.contains("● all right")));
    console.poll(10, |node| {
        node.tori[1].state = TorusState::Paused;
        node.tori[2].state = TorusState::Failed;
        node.tori[2].reason = "panicked in react".into();
        node.tori[0].peers[1].state = PeerState::Failed;
    });
    let text = console.text();
    assert!(text.contains("✕ torus C failed: panicked in react (2) +1"), "{text}");
    insta::assert_snapshot!("wrong-100x30", text);
    // The second worst stands beside the tabs where there is room.
    let mut wide = Console::after(30, 130, 30, Colours::None);
    wide.poll(10, |node| {
        node.tori[1].state = TorusState::Paused;
        node.tori[2].state = TorusState::Failed;
    });
    assert!(wide.text().contains("‖ torus B paused (2)"), "{}", wide.text());
}

#[test]
fn every_fault_of_a_torus_is_found() {
    type Fault = (fn(&mut control::Snapshot), &'static str);
    let faults: [Fault; 10] = [
        (|node| node.tori[0].heartbeat_ns = node.read_ns - 4_000_000_000, "✕ torus A silent since 4 s"),
        (|node| node.tori[0].injected += 1, "✕ torus A: conservation does not add up"),
        (|node| node.tori[0].conservation_breaks = 1, "✕ torus A: conservation broken once"),
        (|node| node.tori[0].conservation_breaks = 2, "✕ torus A: conservation broken 2 times"),
        (|node| node.tori[0].recording_broken = true, "✕ torus A: recording broken"),
        (|node| node.tori[0].alone = true, "◐ torus A is alone"),
        (|node| node.tori[0].lost = 7, "◐ torus A: 7 events lost"),
        (|node| node.tori[0].core_shared = true, "◐ torus A shares core 2 (8)"),
        (|node| node.tori[0].peers[0].state = PeerState::Suspect, "◐ torus B suspect to A"),
        (|node| node.node.backing_reason = "no hugepages".into(), "◐ degraded memory: no hugepages (8)"),
    ];
    for (fault, said) in faults {
        let mut console = Console::after(10, 120, 40, Colours::None);
        console.poll(1, fault);
        let text = console.text();
        assert!(text.lines().next().is_some_and(|line| line.contains(said)), "{said}:\n{text}");
    }
    let mut console = Console::after(30, 120, 40, Colours::None);
    console.poll(1, |node| {
        node.tori[0].rejected = 500;
        node.tori[0].injected += 500;
    });
    assert!(console.text().contains("◐ torus A rejects"), "{}", console.text());
}

/// Aim: the numbers of the map are those of the counters, through wrapping (`decisions:NODE-13`). Every poll adds a known step.
#[test]
fn heat_map_numbers_are_those_of_known_faces() {
    let console = Console::after(200, 80, 24, Colours::None);
    let activity = Activity::at(&console.state.history, console.state.history.newest(), 1).expect("two samples");
    for cell in 0..1024u32 {
        let (own, peer) = (heat_step(1, 31, cell) * 5, heat_step(2, 31, cell) * 5);
        assert!((activity.own[1][cell as usize] - own as f64).abs() < 0.01, "cell {cell}");
        let faces = activity.peer.as_ref().expect("the neighbour's faces are known");
        assert!((faces[1][cell as usize] - peer as f64).abs() < 0.01, "cell {cell}");
    }
    assert_eq!(activity.peer_id, Some(2));
    assert!((activity.rounds_per_second - 2_000.0).abs() < 0.01);
    assert!(!activity.may_wrap);
}

#[test]
fn the_cursor_cell_is_spelled_out_and_the_face_turns() {
    let mut console = Console::after(60, 80, 24, Colours::Many);
    console.keys(&["2b"]);
    assert!(console.text().contains("cell 296  y 9  z 8   5.00 k /s   neighbour B 4.67 k /s"), "{}", console.text());
    console.keys(&["xhk"]);
    let text = console.text();
    assert!(text.contains("face x = 31") && text.contains("cell 32007  y 8  z 7"), "{text}");
    console.keys(&["tab", "tab", "tab", "["]);
    assert_eq!(console.state.torus_shown().map(|(at, _)| at), Some(2));
}

#[test]
fn rates_come_from_successive_snapshots_and_survive_restart_pause_and_stillness() {
    let mut console = Console::after(1, 80, 24, Colours::None);
    assert!(console.text().contains("– ev/s"), "one snapshot has no rate: {}", console.text());
    console.poll(30, |_| {});
    let rate = |console: &Console| console.state.scene.as_ref().and_then(|scene| scene.rates[0].events);
    assert!(rate(&console).is_some_and(|rate| (8e6..13e6).contains(&rate)), "{:?}", rate(&console));
    // A new boot of the torus starts counting at zero: unknown, never negative or huge.
    console.poll(1, |node| {
        node.tori[0].boot_id = 999;
        node.tori[0].executed = 5;
    });
    assert_eq!(rate(&console), None);
    // Paused: the heartbeat goes on, the count stands.
    let stood = console.state.history.last().map_or(0, |last| last.tori[1].executed);
    console.poll(12, |node| node.tori[1].executed = stood);
    assert_eq!(console.state.scene.as_ref().and_then(|scene| scene.rates[1].events), Some(0.0));
}

#[test]
fn a_change_is_underlined_for_a_second_and_then_rests() {
    use ratatui::style::Modifier;
    let mut console = Console::after(20, 100, 30, Colours::None);
    let underlined = |console: &mut Console| {
        let buffer = console.buffer();
        let row = |y: u16| (0..100).any(|x| buffer[(x, y)].modifier.contains(Modifier::UNDERLINED));
        row(2)
    };
    assert!(!underlined(&mut console));
    console.poll(1, |node| node.tori[0].interval_ticks = 2_000);
    assert!(underlined(&mut console));
    console.poll(8, |node| node.tori[0].interval_ticks = 2_000);
    assert!(!underlined(&mut console));
}

#[test]
fn space_freezes_and_the_arrows_step_through_recorded_history() {
    let mut console = Console::after(60, 100, 30, Colours::None);
    let clock = |console: &mut Console| console.state.now().map(|now| now.tori[0].clock_ticks);
    let before = clock(&mut console);
    console.keys(&["space"]);
    console.poll(10, |_| {});
    assert_eq!(clock(&mut console), before, "frozen is a copy");
    assert!(console.text().contains("frozen, 2 s back"), "{}", console.text());
    console.keys(&["left"]);
    assert!(clock(&mut console) < before);
    console.keys(&["right"]);
    assert_eq!(clock(&mut console), before);
    console.keys(&["pgup"]);
    assert!(console.text().contains("frozen, 12 s back"), "{}", console.text());
    console.keys(&["home"]);
    assert_eq!(console.state.frozen, Some(0));
    console.keys(&["end"]);
    assert!(console.state.frozen.is_none() && clock(&mut console) > before);
    // Events of later than the moment shown are not known yet there.
    console.keys(&["home", "9"]);
    assert!(!console.text().contains("frozen") || console.state.events().len() <= 4);
}

#[test]
fn history_is_bounded_and_a_frozen_moment_outlives_it() {
    let mut console = Console::after(50, 80, 24, Colours::None);
    console.keys(&["space"]);
    console.poll(1_000, |_| {});
    assert_eq!(console.state.history.len(), 400);
    assert_eq!(console.state.now().map(|now| now.tori[0].round), Some(50 * 400));
    console.keys(&["left", "right", "space"]);
}

#[test]
fn the_filter_works_while_it_is_typed_and_escape_takes_it_back() {
    let mut console = Console::after(60, 80, 24, Colours::None);
    console.keys(&["/", "handed"]);
    assert_eq!(console.state.screen, Screen::Events);
    assert_eq!(console.state.events().len(), 1);
    insta::assert_snapshot!("filter-80x24", console.text());
    console.keys(&["enter"]);
    assert!(console.text().contains("filter handed"));
    console.keys(&["/", "x", "esc"]);
    assert_eq!(console.state.filter, "handed");
    console.keys(&["esc"]);
    assert_eq!(console.state.events().len(), 4);
    // A torus' name finds its events; v leaves warnings and worse.
    console.keys(&["/", "c", "enter"]);
    assert!(console.state.events().iter().any(|event| event.torus == Some(2)));
    console.keys(&["esc", "v", "v"]);
    assert_eq!(console.state.events().len(), 1);
}

#[test]
fn the_help_documents_every_key_and_command() {
    let lines = draw::help_rows();
    let mut console = Console::after(5, 100, lines as u16 + 2, Colours::None);
    console.keys(&["?"]);
    let text = console.text();
    for binding in tui::keys::BINDINGS {
        assert!(
            text.contains(binding.label) && text.contains(binding.help),
            "{}: {}\n{text}",
            binding.label,
            binding.help
        );
    }
    for command in tui::commands::COMMANDS {
        assert!(text.contains(&command.usage()), "{}", command.name);
    }
    for (_, _, name) in tui::target::SCREENS {
        assert!(text.contains(name));
    }
    console.keys(&["x"]);
    assert!(!console.state.help);
}

#[test]
fn enter_on_a_row_leads_to_the_thing_it_is_about() {
    let mut console = Console::after(60, 80, 24, Colours::None);
    let targets = focusables(&console.state);
    let row = targets.iter().rposition(|target| *target == Target::Torus(2)).expect("the table has torus C");
    console.keys(&vec!["down"; row]);
    console.keys(&["enter"]);
    assert_eq!((console.state.screen, console.state.torus), (Screen::Torus, 2));
    console.keys(&["esc", "9", "enter"]);
    assert_eq!((console.state.screen, console.state.torus), (Screen::Torus, 2), "the newest event is about torus C");
}

#[test]
fn no_agent_says_how_to_start_one_and_counts_down() {
    let mut console = Console::empty(80, 24, Colours::None);
    console.event(Event::Tick(1_000_000_000));
    console.event(Event::Missed(SourceError::NoAgent { path: "/run/trefoil/status".into() }));
    insta::assert_snapshot!("no-agent-80x24", console.text());
    console.event(Event::Tick(2_000_000_000));
    assert!(console.text().contains("next try in 1 s"));
    // The key that opens a recorded file, as the screen says.
    console.keys(&["o"]);
    let effect = console.keys(&["/tmp/life of a node.jsonl", "enter"]);
    assert_eq!(effect, Some(Effect::Open("/tmp/life of a node.jsonl".into())));
    assert_eq!(console.keys(&[":", "live", "enter"]), Some(Effect::Live));
}

#[test]
fn a_page_of_another_version_and_a_page_that_may_not_be_read_say_what_to_do() {
    let mut console = Console::empty(100, 30, Colours::None);
    console.event(Event::Missed(SourceError::Version { path: "/run/t/status".into(), found: 9, expected: 1 }));
    assert!(console.text().contains("status page version 9"), "{}", console.text());
    let mut console = Console::empty(100, 30, Colours::None);
    console.event(Event::Missed(SourceError::Denied { path: "/run/t/status".into(), group: "trefoil".into() }));
    assert!(console.text().contains("join group trefoil"), "{}", console.text());
}

/// Aim: an agent that ends leaves its last frame, greyed, with how long it has been gone; it is attached again by itself.
#[test]
fn an_agent_that_is_gone_leaves_its_last_frame() {
    let mut console = Console::after(60, 80, 24, Colours::Sixteen);
    let gone = || Event::Missed(SourceError::NoAgent { path: "/run/trefoil/status".into() });
    console.event(gone());
    console.event(Event::Tick(60 * support::POLL_NS + 12_000_000_000));
    console.event(gone());
    let text = console.text();
    assert!(text.contains("✕ agent gone since 12 s") && text.contains("ev/s"), "{text}");
    let buffer = console.buffer();
    assert!((0..80).all(|x| matches!(buffer[(x, 5)].fg, Color::DarkGray)), "the body is greyed");
    // A page that stays but stands still is a gone agent too.
    let mut still = Console::after(60, 80, 24, Colours::None);
    let mut last = support::node(60);
    last.read_ns += 5_000_000_000;
    still.event(Event::Seen(Box::new(last)));
    assert!(still.text().contains("agent gone since 5 s"), "{}", still.text());
    still.poll(1, |_| {});
    assert!(still.text().contains("all right") && still.text().contains("attached again"), "{}", still.text());
}

/// Aim: a page that stands still because its process hangs is told from one whose process died, and from one that stopped.
#[test]
fn a_hanging_agent_a_dead_one_and_a_stopped_one_are_told_apart() {
    let still = |phase| {
        let mut console = Console::after(60, 100, 30, Colours::None);
        let mut last = support::node(61);
        last.node.phase = phase;
        last.read_ns += 5_000_000_000;
        console.event(Event::Seen(Box::new(last)));
        console
    };
    let mut console = still(Phase::Running);
    console.event(Event::Process(true));
    assert!(console.text().contains("✕ agent hangs since 5 s: process 4121 does not write"), "{}", console.text());
    console.event(Event::Process(false));
    assert!(console.text().contains("✕ agent gone since 5 s: process 4121 ended"), "{}", console.text());
    let mut console = still(Phase::Stopped);
    console.event(Event::Process(false));
    assert!(console.text().contains("○ agent gone since 5 s: it stopped in order"), "{}", console.text());
    // Attached, it is not asked; what is said about an old page does not stick.
    let mut live = Console::after(60, 100, 30, Colours::None);
    live.event(Event::Process(false));
    assert!(live.text().contains("● all right"), "{}", live.text());
}

/// Aim: the cell under the cursor is found on the map at a glance, also without colour, and it covers the right half.
#[test]
fn the_cursor_is_marked_on_the_map_in_every_depth_of_colour() {
    for colours in [Colours::None, Colours::Sixteen, Colours::Many] {
        let mut console = Console::after(60, 80, 24, colours);
        console.keys(&["2l"]);
        let buffer = console.buffer();
        assert_eq!(buffer[(5, 4)].symbol(), "◓", "y 0, z 1, upper half");
        assert!(buffer[(5, 4)].modifier.contains(Modifier::REVERSED));
        console.keys(&["j"]);
        assert_eq!(console.buffer()[(5, 4)].symbol(), "◒", "y 1, lower half");
        let marks = console.text().matches(['◓', '◒']).count();
        assert_eq!(marks, 1);
    }
}

/// Aim: an empty face says that it is empty, and the cursor does not run off to a corner of it.
#[test]
fn an_almost_empty_face_reads_well() {
    let mut console = Console::after(60, 100, 30, Colours::None);
    console.keys(&["2"]);
    console.poll(12, |node| node.tori[0].faces = [vec![7; 1024], vec![7; 1024]]);
    assert!(console.text().contains("none of 1024 cells active"), "{}", console.text());
    let before = console.state.cell;
    console.keys(&["b"]);
    assert_eq!(console.state.cell, before);
    assert!(console.text().contains("no cell of this face is active"));
    console.poll(1, |node| {
        node.tori[0].faces = [vec![7; 1024], vec![7; 1024]];
        node.tori[0].faces[0][70] = 9;
    });
    assert!(console.text().contains("1 of 1024 cells active, at most 2 ev/s"), "{}", console.text());
    console.keys(&["b"]);
    assert_eq!(console.state.cell, (2, 6));
}

/// Aim: however much there is to say, the body stays out of the footer.
#[test]
fn the_body_never_runs_into_the_footer() {
    for rows in 14..32 {
        for screen in ["1", "2", "8", "9"] {
            let mut console = Console::after(60, 80, rows, Colours::None);
            console.keys(&[screen]);
            let footer = |console: &mut Console| console.text().lines().last().unwrap_or("").to_owned();
            let before = footer(&mut console);
            console.poll(1, |node| node.node.backing_reason = "no 2 MiB pages: not enough of them; ".repeat(9));
            assert_eq!(footer(&mut console), before, "screen {screen}, {rows} rows");
            assert!(before.contains("? help") && before.contains("q quit"), "screen {screen}, {rows} rows: {before}");
            let keys: Vec<&str> = before.split_whitespace().filter(|word| word.len() == 1 && word.is_ascii()).collect();
            assert!(keys.iter().all(|key| "psri]/:v?q".contains(key)), "screen {screen}, {rows} rows: {before}");
        }
    }
}

/// Aim: levelling is seen. Three tori with the same pending events have bars of the same length on one scale; one with twice as
/// many has twice the bar.
#[test]
fn load_bars_share_one_scale() {
    let bar = |console: &mut Console, name: &str| {
        let text = console.text();
        let at = |line: &str| line.find("0 to ").map(|at| line[..at].chars().count());
        let column = text.lines().find_map(at).expect("the scale stands above the bars");
        let row = text.lines().find(|line| line.starts_with(&format!("  {name} ")) && line.contains("run"));
        row.map_or(0, |row| row.chars().skip(column).take(8).filter(|cell| *cell == '█').count())
    };
    let mut console = Console::empty(100, 30, Colours::None);
    let skewed = |node: &mut control::Snapshot, pending: [u64; 3]| {
        for (torus, pending) in node.tori.iter_mut().zip(pending) {
            torus.pending = pending;
            torus.executed = 0;
        }
    };
    console.poll(6, |node| skewed(node, [1_000, 500, 0]));
    assert_eq!(["A", "B", "C"].map(|name| bar(&mut console, name)), [8, 4, 0], "{}", console.text());
    console.poll(1, |node| skewed(node, [500, 500, 500]));
    let level = ["A", "B", "C"].map(|name| bar(&mut console, name));
    assert_eq!(level, [4, 4, 4], "{}", console.text());
    assert!(console.text().contains("PENDING 0 to 1.00 k"), "the scale stands still: {}", console.text());
}

#[test]
fn the_clock_of_the_host_may_jump_back() {
    let mut console = Console::after(60, 100, 30, Colours::None);
    console.poll(10, |node| node.node.now_unix_ns = NOON_NS - 400_000_000_000_000);
    assert!(console.text().contains("up 0 s"), "{}", console.text());
    console.poll(10, |node| {
        node.read_ns = 5;
        node.node.heartbeat_ns = node.node.now_unix_ns;
    });
    console.text();
}
