//! Screen 5: ballots, open ones first; who said what of the selected one.

use control::ClusterSnapshot;
use control::cluster::BallotSnapshot;
use ratatui::layout::Rect;

use super::super::pen::Part;
use super::super::{PLAIN, Pen};
use super::list::{Column, Row, list};
use super::name_of;
use crate::history::Scene;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::Shape;

const COLUMNS: [Column; 8] = [
    Column("RESULT", 13, 0, false),
    Column("ABOUT", 24, 0, false),
    Column("SCOPE", 9, 1, false),
    Column("TALLY", 29, 0, false),
    Column("OWN VOTE", 10, 2, false),
    Column("LEFT", 9, 1, true),
    Column("PROPOSER", 12, 3, false),
    Column("OPENED", 14, 4, false),
];

const fn shape(result: &str) -> Shape {
    match result.as_bytes() {
        b"approved" => Shape::Well,
        b"open" => Shape::Degraded,
        b"rejected" | b"no-quorum" | b"timeout" => Shape::Failed,
        _ => Shape::Absent,
    }
}

fn count(ballot: &BallotSnapshot, wanted: &str) -> usize {
    ballot.votes.iter().filter(|(_, vote)| vote == wanted).count()
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let Some(cluster) = super::cluster(pen, state, area) else { return };
    let quiet = pen.theme.quiet();
    let open = cluster.ballots.iter().filter(|ballot| ballot.result == "open").count();
    let x = pen.put_within(area.x + 2, area.y, area.right(), "BALLOTS", quiet);
    let words = format!("{open} open, {} decided and remembered", cluster.ballots.len() - open);
    pen.put_within(x + 2, area.y, area.right(), &words, PLAIN);
    if cluster.ballots.is_empty() {
        let words = "no ballots; open one with  :propose KIND VALUE";
        pen.put_within(area.x + 2, area.y + 2, area.right(), words, quiet);
        return;
    }
    let rows: Vec<Row> =
        cluster.ballots.iter().enumerate().map(|(at, ballot)| row(pen, scene, cluster, at, ballot)).collect();
    let detail = 5 + cluster.ballots.iter().map(|ballot| ballot.votes.len()).max().unwrap_or(0).div_ceil(4) as u16;
    let height = (rows.len() as u16 + 1).min(area.height.saturating_sub(2 + detail).max(3));
    let y = list(pen, state.focus, Rect { y: area.y + 2, height, ..area }, &COLUMNS, rows);
    let chosen = state.focus.min(cluster.ballots.len() - 1);
    votes(pen, cluster, &cluster.ballots[chosen], Rect { y, height: area.bottom().saturating_sub(y), ..area });
}

fn row(pen: &Pen<'_>, scene: &Scene, cluster: &ClusterSnapshot, at: usize, ballot: &BallotSnapshot) -> Row {
    let quiet = pen.theme.quiet();
    let style = pen.theme.shape(shape(&ballot.result));
    let (yes, no) = (count(ballot, "yes"), count(ballot, "no"));
    let tally: Vec<Part> = vec![
        (format!("{yes} yes {no} no"), PLAIN),
        (format!(" of {}, {} needed", ballot.votes.len(), ballot.needed), quiet),
    ];
    let left = if ballot.left_ns > 0 { text::age(ballot.left_ns) } else { "-".to_owned() };
    let asked = ballot.own_vote == "ask" && ballot.result == "open";
    let own = if asked { ("y / n".to_owned(), pen.theme.key()) } else { (text::clean(&ballot.own_vote), PLAIN) };
    let ago = text::age(scene.now.node.now_unix_ns.saturating_sub(ballot.opened_unix_ns));
    let cells = vec![
        vec![(format!("{} {}", shape(&ballot.result).symbol(), text::clean(&ballot.result)), style)],
        vec![(text::clean(&ballot.about), pen.theme.strong())],
        vec![(text::clean(&ballot.scope), PLAIN)],
        tally,
        vec![own],
        vec![(left, PLAIN)],
        vec![(text::ellipsize(&name_of(cluster, ballot.proposer), 11), PLAIN)],
        vec![(format!("{ago} ago"), quiet)],
    ];
    Row { cells, target: Some(Target::Ballot(at)) }
}

fn votes(pen: &mut Pen<'_>, cluster: &ClusterSnapshot, ballot: &BallotSnapshot, area: Rect) {
    if area.height < 2 {
        return;
    }
    let quiet = pen.theme.quiet();
    let title = format!("ballot {} of {}", ballot.number, name_of(cluster, ballot.proposer));
    pen.rule(area, area.y, &title);
    let (mut x, mut y) = (area.x + 2, area.y + 1);
    for (voter, vote) in &ballot.votes {
        let words = format!("{} {}", text::ellipsize(&name_of(cluster, *voter), 12), text::clean(vote));
        if usize::from(x) + text::width(&words) + 4 > usize::from(area.right()) {
            (x, y) = (area.x + 2, y + 1);
        }
        if y >= area.bottom() {
            return;
        }
        let symbol = match vote.as_str() {
            "yes" => Shape::Well,
            "no" => Shape::Failed,
            "abstain" => Shape::Paused,
            _ => Shape::Absent,
        };
        x = pen.shape(x, y, symbol);
        x = pen.put_within(x + 1, y, area.right(), &words, PLAIN) + 3;
    }
    y += 1;
    let why = if ballot.why.is_empty() {
        let binds = if ballot.scope == "cluster" { "binds every member" } else { "binds the voters" };
        format!("open: {} yes votes are needed; {binds}", ballot.needed)
    } else {
        text::clean(&ballot.why)
    };
    if y < area.bottom() {
        pen.put_within(
            area.x + 2,
            y,
            area.right(),
            &text::ellipsize(&why, usize::from(area.width.saturating_sub(3))),
            quiet,
        );
    }
}
