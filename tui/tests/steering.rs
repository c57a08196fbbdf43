//! What changes the world: questions, command lines, refusals, read-only; and what must survive anything.
mod support;

use control::api::{Reply, Request};
use control::snapshot::TorusState;
use control::{Snapshot, SourceError, SteerError};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use support::{Console, node};
use tui::state::Question;
use tui::target::{Screen, Target};
use tui::theme::Colours;
use tui::update::{Effect, Event};

#[test]
fn a_change_is_asked_first_with_the_command_line_that_does_the_same() {
    let mut console = Console::after(30, 80, 24, Colours::None);
    assert_eq!(console.keys(&["2", "p"]), None);
    let text = console.text();
    assert!(text.contains("pause torus A?") && text.contains("trefoil torus pause A"), "{text}");
    insta::assert_snapshot!("question-80x24", text);
    assert_eq!(console.keys(&["esc"]), None);
    assert!(console.state.question.is_none() && console.state.asking.is_none());
    let effect = console.keys(&["p", "enter"]);
    assert_eq!(effect, Some(Effect::Send(Request::Pause { torus: "A".into() })));
    assert!(console.text().contains("asking the agent: trefoil torus pause A"));
    console.event(Event::Answered(Box::new(Ok(Reply { message: "torus A pauses".into(), count: 0 }))));
    assert!(console.text().contains("● done: torus A pauses"));
}

#[test]
fn a_step_needs_a_pause_and_shows_what_fired() {
    let mut console = Console::after(30, 80, 24, Colours::None);
    console.keys(&["2", "s"]);
    assert!(console.text().contains("torus A is not paused"), "{}", console.text());
    console.poll(2, |node| node.tori[0].state = TorusState::Paused);
    let effect = console.keys(&["ss"]);
    assert_eq!(effect, Some(Effect::Send(Request::Step { torus: "A".into(), count: 1 })));
    console.event(Event::Answered(Box::new(Ok(Reply { message: "one event".into(), count: 1 }))));
    console.poll(1, |node| {
        node.tori[0].state = TorusState::Paused;
        node.tori[0].stepped = Some(control::snapshot::SteppedSnapshot {
            count: 1,
            time_ticks: 88_123_402,
            dst: 296,
            src: 12,
            payload: -3,
            fired_total: 9,
            fired: vec![(300, 2), (301, 17)],
        });
    });
    let text = console.text();
    assert!(text.contains("stepped   cell 12 → 296  payload -3"), "{text}");
    assert!(text.contains("fired 9: 300 +2, 301 +17"), "{text}");
}

#[test]
fn the_command_line_completes_and_asks() {
    let mut console = Console::after(30, 80, 24, Colours::None);
    console.keys(&[":", "int", "tab", "b", "tab", "2000"]);
    assert!(console.text().contains(":interval B 2000"), "{}", console.text());
    console.keys(&["enter"]);
    let request = Request::Interval { torus: "B".into(), ticks: Some(2000) };
    assert_eq!(console.state.question, Some(Question::Send(request.clone())));
    assert_eq!(console.keys(&["y"]), Some(Effect::Send(request)));
    let mut console = Console::after(30, 80, 24, Colours::None);
    console.keys(&[":", "pause Z", "enter"]);
    assert!(console.text().contains("no torus of this node"), "{}", console.text());
    console.keys(&["esc", "2", "i"]);
    assert!(console.text().contains(":interval A"), "{}", console.text());
}

#[test]
fn read_only_says_so_and_explains_itself() {
    let mut console = Console::after(30, 80, 24, Colours::None);
    console.state.read_only = Some("join group trefoil".into());
    console.keys(&["2", "p"]);
    let text = console.text();
    assert!(console.state.question.is_none());
    assert!(text.contains("· read-only") && text.contains("read-only: join group trefoil"), "{text}");
    // It may also be learnt from the first refusal.
    let mut console = Console::after(30, 80, 24, Colours::None);
    let refused = SteerError::ReadOnly { reason: "user 1001 may look, not change".into() };
    console.event(Event::Answered(Box::new(Err(refused))));
    assert!(console.state.read_only.is_some());
    let mut gone = Console::after(30, 80, 24, Colours::None);
    gone.event(Event::Missed(SourceError::NoAgent { path: "p".into() }));
    gone.keys(&["2", "p"]);
    assert!(gone.state.question.is_none());
}

#[test]
fn leaving_a_console_that_started_the_node_asks() {
    let mut console = Console::after(30, 80, 24, Colours::None);
    assert_eq!(console.keys(&["q"]), Some(Effect::Quit));
    console.state.stop_node_on_quit = true;
    assert_eq!(console.keys(&["q"]), None);
    assert!(console.text().contains("trefoil stop"));
    assert_eq!(console.keys(&["enter"]), Some(Effect::QuitAndStop));
    let stop = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(console.event(Event::Key(stop)), Some(Effect::QuitAndStop));
}

/// Aim: with more tori than rows the table follows the selection to the last of them, and Enter opens that one.
#[test]
fn a_table_of_sixteen_tori_scrolls_to_the_selected_one() {
    let mut console = Console::after(10, 80, 24, Colours::None);
    console.poll(5, |snapshot| {
        let one = snapshot.tori[0].clone();
        let named = |id| control::snapshot::TorusSnapshot { id, name: format!("t{id}"), ..one.clone() };
        snapshot.tori = (0..16).map(named).collect();
    });
    assert!(console.text().contains("1–") && !console.text().contains("  t15 "), "{}", console.text());
    let targets = tui::draw::focusables(&console.state);
    let last = targets.iter().rposition(|target| *target == Target::Torus(15)).expect("all can be selected");
    console.keys(&vec!["down"; last]);
    assert!(console.text().contains("▸t15 ") && console.text().contains("of 16"), "{}", console.text());
    console.keys(&["enter"]);
    assert_eq!((console.state.screen, console.state.torus), (Screen::Torus, 15));
}

#[test]
fn the_mouse_opens_tabs_rows_and_cells() {
    let mut console = Console::after(60, 80, 24, Colours::None);
    let click = |console: &mut Console, column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        console.event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let find = |console: &mut Console, wanted: &str| {
        let text = console.text();
        let (row, line) = text.lines().enumerate().find(|(_, line)| line.contains(wanted)).expect(wanted);
        let column = line[..line.find(wanted).expect(wanted)].chars().count();
        (column as u16, row as u16)
    };
    let (column, row) = find(&mut console, "8 Host");
    click(&mut console, column, row);
    assert_eq!(console.state.screen, Screen::Host);
    console.keys(&["1"]);
    let (column, row) = find(&mut console, "B       ● run");
    click(&mut console, column, row);
    assert_eq!(console.state.screen, Screen::Overview, "the first click selects");
    click(&mut console, column, row);
    assert_eq!((console.state.screen, console.state.torus), (Screen::Torus, 1));
    click(&mut console, 4 + 8, 4 + 4);
    assert_eq!(console.state.cell, (8, 8));
    console.keys(&["9"]);
    let wheel = MouseEvent { kind: MouseEventKind::ScrollDown, column: 5, row: 5, modifiers: KeyModifiers::NONE };
    console.event(Event::Mouse(wheel));
    assert_eq!(console.state.focus, 1);
}

/// A node as hostile as its page can be: absurd names, huge numbers, damaged lists, no or sixteen tori.
fn absurd(snapshot: &mut Snapshot, kind: u64) {
    let long = "環\u{202e}\u{1b}[31m🜛e\u{301}".repeat(40);
    match kind % 6 {
        0 => snapshot.tori.clear(),
        1 => {
            snapshot.node.name.clone_from(&long);
            snapshot.node.mode.clone_from(&long);
            snapshot.node.backing_reason.clone_from(&long);
            for torus in &mut snapshot.tori {
                torus.name.clone_from(&long);
                torus.workload.clone_from(&long);
                torus.reason.clone_from(&long);
                torus.interval_reason.clone_from(&long);
            }
            snapshot.events.iter_mut().for_each(|event| event.text.clone_from(&long));
        }
        2 => {
            for torus in &mut snapshot.tori {
                (torus.executed, torus.pending, torus.rejected, torus.clock_ticks) =
                    (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
                (torus.injected, torus.load_runnable, torus.load_suspended) = (u64::MAX, u64::MAX, u64::MAX);
                (torus.core, torus.tid, torus.edges, torus.interval_ticks) =
                    (Some(u32::MAX), u32::MAX, u32::MAX, u32::MAX);
                (torus.face_spread, torus.face_tolerance, torus.exchange_p99_ns) = (u64::MAX, u64::MAX, u64::MAX);
                (torus.violation_rate_ppm, torus.exchange_overhead_ppm) = (u32::MAX, u64::MAX);
                torus.service_ns = vec![u64::MAX; 32];
                torus.edge_delay_ticks = vec![u32::MAX; 32];
            }
            (snapshot.node.heartbeat_ns, snapshot.node.now_unix_ns, snapshot.read_ns) = (u64::MAX, u64::MAX, u64::MAX);
            snapshot.host.cpu_percent = Some(f64::MAX);
            snapshot.host.memory_total_bytes = Some(-1.0);
            snapshot.host.hugepages_total = Some(1e300);
        }
        3 => {
            for torus in &mut snapshot.tori {
                torus.faces = [vec![], vec![1; 3]];
                torus.peer_faces = [vec![9; 5_000], vec![]];
                torus.service_ns = vec![];
                torus.edge_delay_ticks = vec![7; 99];
                torus.peers = vec![torus.peers[0].clone(); 40];
            }
        }
        4 => {
            let one = snapshot.tori[0].clone();
            snapshot.tori = (0..16).map(|id| control::snapshot::TorusSnapshot { id, ..one.clone() }).collect();
        }
        _ => snapshot.tori.truncate(1),
    }
}

#[test]
fn absurd_names_and_numbers_stay_inside_their_columns() {
    for kind in 0..6 {
        for screen in ["1", "2b", "8", "9"] {
            let mut console = Console::after(10, 80, 24, Colours::None);
            console.poll(5, |snapshot| absurd(snapshot, kind));
            console.keys(&[screen]);
            let text = console.text();
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
            assert!(text.lines().all(|line| tui::text::width(line) <= 80), "{text}");
        }
    }
    let mut console = Console::after(10, 80, 24, Colours::None);
    console.poll(5, |snapshot| absurd(snapshot, 1));
    insta::assert_snapshot!("absurd-names-80x24", console.text());
    let mut console = Console::after(10, 100, 30, Colours::None);
    console.poll(5, |snapshot| absurd(snapshot, 4));
    insta::assert_snapshot!("sixteen-tori-100x30", console.text());
}

/// Aim: no key, click, size or snapshot in any order brings the console down. Method: a seeded walk; a failure prints its seed.
#[test]
fn a_storm_of_keys_and_sizes_never_panics() {
    const KEYS: [KeyCode; 14] = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::F(1),
    ];
    for seed in 1..=12_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let colours = [Colours::None, Colours::Sixteen, Colours::Many][seed as usize % 3];
        let mut console = Console::empty(80, 24, colours);
        let mut polls = 0;
        for step in 0..400 {
            let event = match next(12) {
                0 => Event::Resize(next(140) as u16, next(50) as u16),
                1 => Event::Missed(SourceError::NoAgent { path: "x".into() }),
                2..=4 => {
                    polls += next(9);
                    let mut snapshot = node(polls);
                    if next(3) == 0 {
                        absurd(&mut snapshot, next(6));
                    }
                    Event::Seen(Box::new(snapshot))
                }
                5 => Event::Tick(polls * 200_000_000 + next(1_000_000_000)),
                6 => Event::Mouse(MouseEvent {
                    kind: [
                        MouseEventKind::Down(MouseButton::Left),
                        MouseEventKind::ScrollUp,
                        MouseEventKind::ScrollDown,
                    ][next(3) as usize],
                    column: next(150) as u16,
                    row: next(60) as u16,
                    modifiers: KeyModifiers::NONE,
                }),
                7 => Event::Key(KeyEvent::new(KEYS[next(14) as usize], KeyModifiers::NONE)),
                8 => Event::Answered(Box::new(Err(SteerError::Refused { reason: "no".into() }))),
                _ => Event::Key(KeyEvent::new(KeyCode::Char(char::from(32 + next(95) as u8)), KeyModifiers::NONE)),
            };
            console.event(event);
            if step % 3 == 0 {
                let (columns, rows) = console.state.size;
                let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, columns, rows));
                tui::draw::paint(&console.state, &mut buffer);
            }
        }
    }
}

#[test]
fn the_smallest_terminals_hold_what_matters() {
    for (columns, rows) in [(40, 10), (20, 5), (10, 3), (3, 2), (1, 1), (0, 0)] {
        let mut console = Console::empty(columns.max(1), rows.max(1), Colours::None);
        console.state.size = (columns, rows);
        console.poll(10, |_| {});
        console.text();
    }
    let mut console = Console::after(30, 40, 10, Colours::None);
    console.poll(1, |node| node.tori[1].recording_broken = true);
    let text = console.text();
    assert!(["● A", "◐ B", "● C", "✕ torus B: recording broken (2)"].iter().all(|part| text.contains(part)), "{text}");
}
