//! Recordings: what is written is what is read; any bytes are safe to read; the same keys work on them; frames for scripts.
mod support;

use support::{Console, node};
use tui::target::Screen;
use tui::{Format, FrameOptions, Recorder, RecordingError, frame, read_recording};

fn recorded(polls: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes);
    for poll in 1..=polls {
        recorder.write(&node(poll)).expect("a vector takes everything");
        recorder.write(&node(poll)).expect("a still page is not written twice");
    }
    drop(recorder);
    bytes
}

#[test]
fn a_recording_comes_back_as_it_was_and_each_event_once() {
    let bytes = recorded(10);
    let recording = read_recording(&bytes[..], "r".into()).expect("written by ourselves");
    assert_eq!(recording.snapshots.len(), 10);
    assert_eq!(recording.snapshots[9].tori, node(10).tori);
    assert_eq!(recording.snapshots.iter().map(|snapshot| snapshot.events.len()).sum::<usize>(), 4);
    assert!(!recording.truncated);
}

#[test]
fn damaged_recordings_are_refused_with_the_line_and_a_cut_one_is_shown() {
    let bytes = recorded(3);
    let cut = read_recording(&bytes[..bytes.len() - 40], "r".into()).expect("two whole lines");
    assert!(cut.truncated && cut.snapshots.len() == 2);
    let mut foreign = bytes.clone();
    foreign.splice(0..0, b"{\"not\": \"a snapshot\"}\n".iter().copied());
    assert!(matches!(read_recording(&foreign[..], "r".into()), Err(RecordingError::Line { line: 1, .. })));
    assert!(matches!(read_recording(&b"\n\n"[..], "r".into()), Err(RecordingError::Empty { .. })));
    let long = vec![b'['; 9 << 20];
    let problem = read_recording(&long[..], "r".into()).expect_err("a line of nine megabytes").to_string();
    assert!(problem.contains("line 1: longer than"), "{problem}");
    let mut many = node(1);
    many.tori = vec![many.tori[0].clone(); 17];
    let line = serde_json::to_vec(&many).expect("a snapshot is JSON");
    let problem = read_recording(&line[..], "r".into()).expect_err("17 tori").to_string();
    assert!(problem.contains("17 tori, expected at most 16"), "{problem}");
    // Any byte may be wrong.
    let mut random = 1_u64;
    for _ in 0..60 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut damaged = bytes.clone();
        let at = (random >> 20) as usize % damaged.len();
        damaged[at] = (random >> 8) as u8;
        let _ = read_recording(&damaged[..], "r".into());
    }
}

#[test]
fn the_same_keys_work_on_a_recording() {
    let bytes = recorded(60);
    let mut console = Console::empty(100, 30, tui::theme::Colours::None);
    let recording = read_recording(&bytes[..], "bug.jsonl".into()).expect("written by ourselves");
    tui::load_recording(&mut console.state, recording);
    assert!(console.text().contains("recording bug.jsonl"), "{}", console.text());
    console.keys(&["left", "left", "2b"]);
    assert!(console.text().contains("frozen, 0 s back"), "{}", console.text());
    console.keys(&["p"]);
    assert!(console.text().contains("this is a recording"), "{}", console.text());
}

#[test]
fn frames_for_scripts() {
    let snapshots: Vec<_> = (1..=10).map(node).collect();
    let text = frame(&snapshots, Format::Text, &FrameOptions { size: (80, 24), ..FrameOptions::default() });
    assert!(text.lines().count() == 24 && text.contains("ev/s") && text.contains("● all right"), "{text}");
    assert!(!text.contains("▸BRAID"), "nothing is selected in a picture");
    let json = frame(&snapshots, Format::Json, &FrameOptions::default());
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["all_right"], true);
    assert!(value["rates"][0]["events_per_second"].as_f64().is_some_and(|rate| rate > 1e6));
    assert_eq!(value["snapshot"]["tori"][2]["name"], "C");
    let host = frame(&snapshots, Format::Text, &FrameOptions { screen: Screen::Host, ..FrameOptions::default() });
    assert!(host.contains("SENSORS"));
    let none = frame(&[], Format::Text, &FrameOptions::default());
    assert!(none.contains("looking for the agent"));
}
