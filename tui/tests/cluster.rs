//! The screens of the cluster as pictures, and what keys do on them.
mod support;

use control::api::Request;
use control::cluster::{Health, WaitingSnapshot};
use support::{Console, cluster};
use tui::target::Screen;
use tui::theme::Colours;
use tui::update::Effect;

fn joined(columns: u16, rows: u16) -> Console {
    let mut console = Console::empty(columns, rows, Colours::None);
    console.poll(30, |node| node.cluster = Some(cluster()));
    console
}

#[test]
fn pictures_at_the_sizes_that_matter() {
    for (columns, rows) in [(40, 10), (80, 24), (100, 30), (120, 40)] {
        for (key, screen) in [("3", "mesh"), ("4", "fields"), ("5", "ballots"), ("0", "bootstrap"), ("1", "overview")] {
            let mut console = joined(columns, rows);
            console.keys(&[key]);
            insta::assert_snapshot!(format!("{columns}x{rows}-{screen}"), console.text());
        }
    }
}

#[test]
fn a_node_without_a_cluster_says_so_on_each_of_its_screens() {
    for key in ["3", "4", "5", "0"] {
        let mut console = Console::after(10, 100, 30, Colours::None);
        console.keys(&[key]);
        assert!(console.text().contains("belongs to no cluster"), "{key}:\n{}", console.text());
    }
}

/// Enter on a removed node shows who said what; escape leads back to the mesh, then to the overview.
#[test]
fn the_record_of_a_removed_node_is_one_key_away() {
    let mut console = joined(100, 30);
    console.keys(&["3", "down", "down", "down", "enter"]);
    let text = console.text();
    assert!(text.contains("RECORD  n8"), "{text}");
    insta::assert_snapshot!("record-100x30", text);
    console.keys(&["esc"]);
    assert!(console.text().contains("MESH"));
    console.keys(&["esc"]);
    assert_eq!(console.state.screen, Screen::Overview);
}

#[test]
fn the_header_leads_to_the_worst_thing_of_the_cluster() {
    type Fault = (fn(&mut control::ClusterSnapshot), &'static str);
    let faults: [Fault; 10] = [
        (|cluster| cluster.alone = true, "✕ alone: no link to anybody lives (3)"),
        (|cluster| cluster.valve = "removals stopped".into(), "✕ removals stopped (3)"),
        (|cluster| cluster.duplicate_identity = "boots 1 and 2".into(), "✕ duplicate identity: boots 1 and 2 (3)"),
        (|cluster| cluster.watches[0].health = Health::Suspect, "◐ n2 suspect, 0 heartbeats missed (3)"),
        (|cluster| cluster.muted = true, "◐ doubts itself (1.2)"),
        (|cluster| cluster.edges[0].in_doubt = 3, "◐ 3 hand-overs in doubt (3)"),
        (
            |cluster| cluster.plane.certificate_warning = "certificate ends in 6 d".into(),
            "◐ certificate ends in 6 d (3)",
        ),
        (|cluster| cluster.ballots[0].result = "open".into(), "◐ a ballot waits for your vote (5)"),
        (|cluster| cluster.draining = true, "‖ draining: work goes to the neighbours (3)"),
        (|cluster| cluster.plane.reason = "io_uring refused".into(), "◐ plain sockets: io_uring refused (3)"),
    ];
    for (fault, said) in faults {
        let mut console = Console::empty(120, 40, Colours::None);
        console.poll(10, |node| {
            let mut quiet = cluster();
            quiet.removals.clear();
            quiet.watches[1].health = Health::Alive;
            quiet.edges[1].in_doubt = 0;
            quiet.ballots[0].result = "approved".into();
            fault(&mut quiet);
            node.cluster = Some(quiet);
        });
        let text = console.text();
        assert!(text.lines().next().is_some_and(|line| line.contains(said)), "{said}:\n{text}");
    }
    let mut console = joined(120, 40);
    assert!(console.text().lines().next().is_some_and(|line| line.contains("✕ n8 removed")), "{}", console.text());
}

#[test]
fn a_cluster_that_is_not_formed_says_whom_it_waits_for() {
    let mut console = Console::empty(100, 30, Colours::None);
    console.poll(10, |node| {
        let mut forming = cluster();
        forming.removals.clear();
        let boot = &mut forming.bootstrap;
        (boot.label, boot.ready, boot.overdue, boot.formation) = ("gathering".into(), 1, true, 0);
        boot.founders[2].seen = false;
        boot.founders[2].ready = false;
        boot.waiting = vec![WaitingSnapshot {
            reason: "never-heard".into(),
            peer: Some(3),
            text: "n3 was never heard: is it started, and is 10.0.0.3:7947 reachable from here?".into(),
            since_input: 4,
        }];
        node.cluster = Some(forming);
    });
    console.keys(&["0"]);
    insta::assert_snapshot!("waiting-100x30", console.text());
}

/// A vote asks first and shows the command line; what is decided or answered cannot be voted on.
#[test]
fn ballots_are_answered_by_keys() {
    let mut console = joined(100, 30);
    console.keys(&["5", "y"]);
    assert!(console.text().contains("trefoil ballots vote 2 12 yes"), "{}", console.text());
    let effect = console.keys(&["enter"]);
    let wanted = Request::Vote { proposer: 2, number: 12, vote: "yes".into() };
    assert_eq!(effect, Some(Effect::Send(wanted)));
    let mut console = joined(100, 30);
    console.keys(&["5", "down", "n"]);
    assert!(console.text().contains("votes change nothing any more"), "{}", console.text());
}

#[test]
fn draining_is_one_key_and_asks_first() {
    let mut console = joined(100, 30);
    console.keys(&["3", "d"]);
    assert!(console.text().contains("trefoil drain on"), "{}", console.text());
    assert_eq!(console.keys(&["enter"]), Some(Effect::Send(Request::Drain { on: true })));
}

/// A thousand nodes, absurd names and every list empty: nothing panics, the selection stays in sight.
#[test]
fn extremes_are_drawn() {
    for (columns, rows) in [(20, 5), (40, 10), (80, 24), (200, 60)] {
        let mut console = Console::empty(columns, rows, Colours::Sixteen);
        console.poll(3, |node| {
            let mut many = cluster();
            let one = many.watches[0].clone();
            many.watches = (0..1000).map(|id| control::cluster::WatchSnapshot { id: id + 10, ..one.clone() }).collect();
            many.watches[0].name = "\u{1b}[2J界界界界界界界界界界界界界界界".into();
            many.fields.own = [f64::NAN, f64::INFINITY, -1.0, 7e300, 0.0, 1.0];
            node.cluster = Some(many);
        });
        for key in ["3", "4", "5", "0", "1"] {
            console.keys(&[key]);
            for _ in 0..40 {
                console.keys(&["down"]);
            }
            assert!(!console.text().contains('\u{1b}'));
        }
        console.poll(3, |node| {
            let mut none = cluster();
            none.watches.clear();
            none.neighbours.clear();
            none.sessions.clear();
            none.ballots.clear();
            none.removals.clear();
            none.fields.neighbours.clear();
            none.bootstrap.founders.clear();
            node.cluster = Some(none);
        });
        for key in ["3", "4", "5", "0", "1"] {
            console.keys(&[key, "enter"]);
            console.text();
        }
    }
}

/// A torus of another host says where it is, not which thread stands in for it.
#[test]
fn a_remote_torus_says_where_it_is() {
    let mut console = Console::empty(110, 30, Colours::None);
    console.poll(10, |node| {
        node.tori.truncate(1);
        node.cluster = Some(cluster());
    });
    let text = console.text();
    assert!(text.contains("n2 · udp 41.0 us") && text.contains("n3 · udp 43.0 us"), "{text}");
    console.poll(10, |node| {
        node.tori.truncate(1);
        let mut lost = cluster();
        lost.sessions.clear();
        node.cluster = Some(lost);
    });
    assert!(console.text().contains("#2 · no session"), "{}", console.text());
}
