//! The tables of the membership: every state x event cell, pinned here and in `docs/state-machines.md`.
#![allow(clippy::unwrap_used, reason = "a failed assumption must stop the test where it stands")]

use ekk::membership::case::{Suspicion, SuspicionEvent};
use ekk::membership::link::{LINK_TABLE, LinkAction, LinkEvent, LinkState, mirrored, next, previous};
use ekk::membership::member::{MemberEvent, MemberNote, MemberState};
use ekk::membership::quorum;

fn grid(events: &[String], states: &[String], cell: impl Fn(usize, usize) -> String) -> String {
    let mut text = format!("| state | {} |\n|---|{}\n", events.join(" | "), "---|".repeat(events.len()));
    for (row, state) in states.iter().enumerate() {
        let cells: Vec<_> = (0..events.len()).map(|column| cell(row, column)).collect();
        text += &format!("| {state} | {} |\n", cells.join(" | "));
    }
    text
}

fn names<T: std::fmt::Debug>(all: &[T]) -> Vec<String> {
    all.iter().map(|one| format!("{one:?}")).collect()
}

fn link_grid() -> String {
    grid(&names(&LinkEvent::ALL), &names(&LinkState::ALL), |row, column| match LINK_TABLE[row][column] {
        None => "-".to_owned(),
        Some((state, LinkAction::None)) => format!("{state:?}"),
        Some((state, action)) => format!("{state:?}, {action:?}"),
    })
}

fn suspicion_grid() -> String {
    grid(&names(&SuspicionEvent::ALL), &names(&Suspicion::ALL), |row, column| {
        let after = Suspicion::ALL[row].after(SuspicionEvent::ALL[column]);
        after.map_or("-".to_owned(), |state| format!("{state:?}"))
    })
}

fn member_grid() -> String {
    grid(&names(&MemberEvent::ALL), &names(&MemberState::ALL), |row, column| {
        match MemberState::ALL[row].after(MemberEvent::ALL[column]) {
            None => "-".to_owned(),
            Some((state, MemberNote::None)) => format!("{state:?}"),
            Some((state, note)) => format!("{state:?}, {note:?}"),
        }
    })
}

#[test]
fn the_grids_are_the_documented_ones() {
    insta::assert_snapshot!("link", link_grid());
    insta::assert_snapshot!("suspicion", suspicion_grid());
    insta::assert_snapshot!("member", member_grid());
    let docs = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/state-machines.md"));
    for (name, grid) in [("watch-link", link_grid()), ("suspicion", suspicion_grid()), ("member", member_grid())] {
        let marker = format!("<!-- grid:{name} -->");
        let section = docs.split(marker.as_str()).nth(1).unwrap_or_default();
        assert_eq!(section.trim(), grid.trim(), "{name}");
    }
}

/// membership:MB-2: until its first heartbeat a lease counts for nothing, and an end of it always comes.
#[test]
fn only_a_heartbeat_makes_a_link_live() {
    for (row, state) in LinkState::ALL.iter().enumerate() {
        for (column, event) in LinkEvent::ALL.iter().enumerate() {
            let Some((after, _)) = LINK_TABLE[row][column] else { continue };
            let was_live = matches!(state, LinkState::Live | LinkState::Fading);
            let is_live = matches!(after, LinkState::Live | LinkState::Fading);
            assert!(was_live || !is_live || *event == LinkEvent::Beat, "{state:?} {event:?} -> {after:?}");
        }
        let removed = LINK_TABLE[row][LinkEvent::Removed as usize];
        assert!(*state == LinkState::Free || removed == Some((LinkState::Free, LinkAction::Repair)));
    }
}

/// membership:MB-5: a removal needs a quorum and then the window; decisions:CLU-7: dead is final for the life.
#[test]
fn the_way_to_removal_has_no_short_cut() {
    for state in Suspicion::ALL {
        for event in SuspicionEvent::ALL {
            let after = state.after(event);
            if after == Some(Suspicion::Condemned) && state != Suspicion::Condemned {
                assert_eq!((state, event), (Suspicion::Quorum, SuspicionEvent::WindowPassed));
            }
            if after == Some(Suspicion::Quorum) && state != Suspicion::Quorum {
                assert_eq!((state, event), (Suspicion::Stated, SuspicionEvent::QuorumStands));
            }
            if after == Some(Suspicion::Removed) {
                assert_eq!(event, SuspicionEvent::Accepted);
            }
            assert!(state != Suspicion::Removed || after.is_none());
        }
    }
    assert_eq!(MemberState::Dead.after(MemberEvent::Record), None);
    assert_eq!(MemberState::Left.after(MemberEvent::LaterLife), None, "membership:MB-11: final for the incarnation");
}

/// membership:MB-5: 5 of 8; a majority and one more of fewer; of up to four a majority of the group; alone never.
#[test]
fn quorums() {
    let expected = [None, None, Some(2), Some(3), Some(3), Some(4), Some(5), Some(5), Some(5)];
    for (live, wanted) in expected.into_iter().enumerate() {
        assert_eq!(quorum(live), wanted, "{live}");
    }
    assert_eq!((quorum(9), quorum(10), quorum(12)), (Some(5), Some(6), Some(7)));
    for live in 2..=12 {
        let needed = quorum(live).unwrap();
        assert!(needed <= live && 2 * needed > live + usize::from(live <= 4), "{live}: {needed}");
    }
}

/// membership:MB-1: what is next for one end is previous for the other.
#[test]
fn roles_mirror() {
    for ring in 0..4 {
        assert_eq!(mirrored(previous(ring)), next(ring));
        assert_eq!(mirrored(next(ring)), previous(ring));
    }
    for roles in 0..1024 {
        assert_eq!(mirrored(mirrored(roles)), roles);
    }
}
