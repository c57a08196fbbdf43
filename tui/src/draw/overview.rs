//! Screen 1: three tori around the braid ring, what the braid does, the table, the host, the newest events.

use control::snapshot::{PeerState, QuantityKind, TorusSnapshot};
use ratatui::layout::Rect;

use super::pen::Part;
use super::table::{Scales, table};
use super::{PLAIN, Pen, events, host};
use crate::history::{Scene, TorusRates};
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::{Shape, peer_word};
use crate::verdict::{member_name, torus_shape};

/// Rows of the drawing.
const RING_ROWS: u16 = 7;
/// Columns of the drawing.
const RING_COLUMNS: u16 = 44;

/// A torus of the braid: one of this node, or one that a torus of this node knows.
struct Member<'a> {
    id: u32,
    own: Option<(usize, &'a TorusSnapshot)>,
    peer: Option<&'a control::snapshot::PeerSnapshot>,
}

fn members(scene: &Scene) -> Vec<Member<'_>> {
    let own = scene.now.tori.iter().enumerate();
    let mut found: Vec<Member<'_>> =
        own.map(|(at, torus)| Member { id: torus.id, own: Some((at, torus)), peer: None }).collect();
    for peer in scene.now.tori.iter().flat_map(|torus| &torus.peers) {
        if peer.state != PeerState::Absent && !found.iter().any(|member| member.id == peer.id) {
            found.push(Member { id: peer.id, own: None, peer: Some(peer) });
        }
    }
    found.sort_by_key(|member| member.id);
    found
}

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let mut y = area.y;
    braid_line(pen, scene, area, y);
    y += 1;
    ring(pen, scene, Rect { y, height: RING_ROWS, ..area });
    y += RING_ROWS;
    // What is left goes to the table first, then to the events.
    let tori = scene.now.tori.len() as u16;
    let left = area.bottom().saturating_sub(y);
    let rows = tori.min(left.saturating_sub(7)).max(tori.min(3));
    pen.rule(area, y, "");
    table(pen, state, scene, Rect { y: y + 1, height: rows + 1, ..area });
    y += rows + 2;
    pen.rule(area, y, "");
    host::line(pen, scene, Rect { y: y + 1, height: 1, ..area });
    if let Some(cluster) = &scene.now.cluster {
        y += 1;
        super::cluster::links_line(pen, cluster, Rect { y: y + 1, height: 1, ..area });
    }
    if scene.now.avm.is_some() {
        y += 1;
        super::avm::line(pen, scene, Rect { y: y + 1, height: 1, ..area });
    }
    pen.rule(area, y + 2, "");
    y += 3;
    if y < area.bottom() {
        events::newest(pen, state, Rect { y, height: area.bottom() - y, ..area });
    }
}

/// Mode, interval, and why it changed last.
fn braid_line(pen: &mut Pen<'_>, scene: &Scene, area: Rect, y: u16) {
    let tori = &scene.now.tori;
    let quiet = pen.theme.quiet();
    let mode_style = pen.fresh(PLAIN, scene.changed(|at| at.node.mode.clone()));
    let x = pen.put(area.x + 2, y, "BRAID", quiet);
    let mut x = pen.put(x + 2, y, &text::ellipsize(&scene.now.node.mode, 12), mode_style);
    let Some((shown, torus)) = newest_change(tori) else {
        pen.put(x, y, " · no torus", quiet);
        return;
    };
    let least = tori.iter().map(|torus| torus.interval_ticks).min().unwrap_or(0);
    let most = tori.iter().map(|torus| torus.interval_ticks).max().unwrap_or(0);
    let interval = if least == most {
        text::grouped(u64::from(least))
    } else {
        format!("{} to {}", text::grouped(u64::from(least)), text::grouped(u64::from(most)))
    };
    let changed = tori.iter().any(|torus| scene.torus_changed(torus, |at| at.interval_ticks));
    x = pen.put(x, y, " · interval ", quiet);
    let style = pen.fresh(pen.theme.strong(), changed);
    x = pen.put(x, y, &interval, style);
    x = pen.put(x, y, " ticks", quiet);
    let why = interval_why(scene, torus);
    let room = usize::from(area.right().saturating_sub(x + 2));
    pen.put(x + 1, y, &text::ellipsize(&why, room), quiet);
    pen.selectable(Rect::new(area.x + 2, y, area.width.saturating_sub(3), 1), Target::Torus(shown));
}

/// The torus whose interval changed last; the first when none ever did.
fn newest_change(tori: &[TorusSnapshot]) -> Option<(usize, &TorusSnapshot)> {
    tori.iter().enumerate().rev().max_by_key(|(_, torus)| torus.interval_changed_unix_ns)
}

/// Why the interval of a torus is what it is: `(A ▲ from 1 200, 12 s ago: violation rate below ..., 1.20 %)`.
pub fn interval_why(scene: &Scene, torus: &TorusSnapshot) -> String {
    if torus.interval_changed_unix_ns == 0 || torus.interval_reason.is_empty() {
        return "(never changed)".into();
    }
    let arrow = match torus.interval_ticks.cmp(&torus.interval_before_ticks) {
        std::cmp::Ordering::Greater => "▲",
        std::cmp::Ordering::Less => "▼",
        std::cmp::Ordering::Equal => "=",
    };
    let ago = text::age(scene.now.node.now_unix_ns.saturating_sub(torus.interval_changed_unix_ns));
    let before = text::grouped(u64::from(torus.interval_before_ticks));
    let name = text::ellipsize(&torus.name, 8);
    let reason = if torus.interval_fixed { "set by hand" } else { &torus.interval_reason };
    let at = if torus.interval_fixed {
        String::new()
    } else {
        format!(", {}", text::percent_of_ppm(u64::from(torus.violation_rate_ppm)))
    };
    format!("({name} {arrow} from {before}, {ago} ago: {reason}{at})")
}

/// Three members are drawn as what they are, a knot; any other number as a list. Beside it, what the exchange does.
fn ring(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let members = members(scene);
    let left = Rect { width: RING_COLUMNS.min(area.width), ..area };
    if let [a, b, c] = &members[..] {
        knot(pen, scene, left, [a, b, c]);
    } else {
        list(pen, scene, left, &members);
    }
    let x = area.x + RING_COLUMNS + (area.width.saturating_sub(80) / 4).min(12);
    exchange(pen, scene, Rect { x, width: area.right().saturating_sub(x + 1), ..area });
}

/// The ring as three strands; a strand to a torus that is not well is broken.
fn knot(pen: &mut Pen<'_>, scene: &Scene, area: Rect, members: [&Member<'_>; 3]) {
    let [a, b, c] = members;
    let x = area.x + (area.width.saturating_sub(RING_COLUMNS)) / 2;
    let y = area.y;
    let strand = |one: &Member<'_>, other: &Member<'_>| edge_shape(scene, one, other);
    let (ab, ac, bc) = (strand(a, b), strand(a, c), strand(b, c));
    let style = |pen: &Pen<'_>, shape: Shape| {
        if shape == Shape::Well { pen.theme.quiet() } else { pen.theme.shape(shape) }
    };
    let line =
        |shape: Shape, whole: &'static str, broken: &'static str| if shape == Shape::Well { whole } else { broken };
    let (ac_style, ab_style, bc_style) = (style(pen, ac), style(pen, ab), style(pen, bc));
    for row in 1..=2u16 {
        pen.put(x + 17 - row, y + row, line(ac, "╱", "·"), ac_style);
        pen.put(x + 17 + row, y + row, line(ab, "╲", "·"), ab_style);
    }
    for column in 5..30u16 {
        pen.put(x + column, y + 3, line(bc, "─", "╌"), bc_style);
    }
    pen.put(x + 14, y + 3, line(ac, "╱", "·"), ac_style);
    pen.put(x + 20, y + 3, line(ab, "╲", "·"), ab_style);
    corner(pen, scene, a, (x + 17, y), (x + 21, y + 1), 24);
    corner(pen, scene, c, (x + 3, y + 3), (x + 1, y + 4), 20);
    corner(pen, scene, b, (x + 31, y + 3), (x + 24, y + 4), 20);
}

/// The worse of what two members think of each other.
fn edge_shape(scene: &Scene, one: &Member<'_>, other: &Member<'_>) -> Shape {
    let view = |of: &Member<'_>, on: &Member<'_>| {
        let peer = of.own?.1.peers.iter().find(|peer| peer.id == on.id)?;
        Some(Shape::of_peer(peer.state))
    };
    let shapes = [view(one, other), view(other, one)];
    let hangs = |member: &Member<'_>| {
        member.own.is_some_and(|(_, torus)| matches!(torus_shape(scene, torus), Shape::Failed | Shape::Absent))
    };
    if hangs(one) || hangs(other) || shapes.contains(&Some(Shape::Failed)) {
        Shape::Failed
    } else if shapes.contains(&Some(Shape::Degraded)) {
        Shape::Degraded
    } else {
        Shape::Well
    }
}

fn member_shape(scene: &Scene, member: &Member<'_>) -> Shape {
    match (&member.own, member.peer) {
        (Some((_, torus)), _) => torus_shape(scene, torus),
        (None, Some(peer)) => Shape::of_peer(peer.state),
        (None, None) => Shape::Absent,
    }
}

/// One member of the knot: its name at the bullet, its numbers below.
fn corner(pen: &mut Pen<'_>, scene: &Scene, member: &Member<'_>, bullet: (u16, u16), below: (u16, u16), width: u16) {
    let (x, y) = bullet;
    let right = below.0 + width;
    let shape = member_shape(scene, member);
    let after = pen.shape(x, y, shape);
    let name = text::ellipsize(&member_name(scene, member.id), 9);
    let after = pen.put_within(after + 1, y, right, &name, pen.theme.strong());
    let quiet = pen.theme.quiet();
    pen.clickable(Rect::new(x, y, after - x, 1), Target::Member(member.id));
    let rows: [Vec<Part>; 3] = match (&member.own, member.peer) {
        (Some((at, torus)), _) => {
            let rates = &scene.rates[*at];
            let scales = Scales::of(scene);
            let core = torus.core.map_or_else(|| "no core".into(), |core| format!("core {core}"));
            // The strand on the left goes up from its corner: it is not written over.
            let limit = if x < below.0 { right } else { bullet.0 + 11 };
            pen.put_within(after, y, limit.min(right - 1), &format!(" {core} "), quiet);
            [
                vec![
                    (text::left(&text::rate(rates.events, "ev/s"), 12), pen.theme.strong()),
                    (scales.events(rates, 6), quiet),
                ],
                vec![
                    ("pending ".into(), quiet),
                    (text::left(&text::count(torus.pending, 6), 7), PLAIN),
                    (scales.load(torus, 5), pen.theme.bar()),
                ],
                vec![("clock ".into(), quiet), (text::count(torus.clock_ticks, 14), PLAIN)],
            ]
        }
        (None, Some(peer)) => {
            let via = away(scene, member.id).unwrap_or_else(|| match peer.pid {
                0 => peer.via.clone(),
                pid => format!("{}, process {pid}", peer.via),
            });
            [
                vec![(text::ellipsize(&via, usize::from(width)), quiet)],
                vec![
                    (peer_word(peer.state).to_owned(), pen.theme.shape(shape)),
                    (format!(" · seen {} ago", text::nanos(peer.age_ns)), quiet),
                ],
                vec![("applied ".into(), quiet), (text::count(peer.applied_seq, 12), PLAIN)],
            ]
        }
        (None, None) => [vec![], vec![], vec![]],
    };
    // The member on top has two rows before the lower strand crosses.
    let room = if y < below.1 && below.0 > x && below.1 == y + 1 && width == 24 { 2 } else { 3 };
    for (at, parts) in rows.iter().take(room).enumerate() {
        pen.parts(below.0, below.1 + at as u16, right, parts);
    }
}

/// Where a torus of another node is: `n3 · udp 41.0 us`; `None` for one of this host.
fn away(scene: &Scene, id: u32) -> Option<String> {
    let cluster = scene.now.cluster.as_deref()?;
    let edge = cluster.edges.iter().find(|edge| edge.id == id)?;
    if edge.unauthenticated {
        return Some("seed peer, unauthenticated".to_owned());
    }
    let session = cluster.sessions.iter().find(|session| session.id == edge.node);
    let name = session.map(|session| text::clean(&session.name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("#{}", edge.node));
    Some(match session {
        Some(session) => format!("{name} · {} {}", text::clean(&session.via), text::nanos(session.rtt_p50_ns)),
        None => format!("{name} · no session"),
    })
}

/// Any number of tori but three: one short line each, in two columns.
fn list(pen: &mut Pen<'_>, scene: &Scene, area: Rect, members: &[Member<'_>]) {
    let rows = usize::from(area.height).saturating_sub(1).max(1);
    let columns = if members.len() > rows { 2 } else { 1 };
    let width = (area.width - 4) / columns;
    for (at, member) in members.iter().take(rows * usize::from(columns)).enumerate() {
        let x = area.x + 4 + (at / rows) as u16 * width;
        let y = area.y + (at % rows) as u16;
        let after = pen.shape(x, y, member_shape(scene, member));
        let after = pen.put(after + 1, y, &text::left(&member_name(scene, member.id), 6), pen.theme.strong());
        let right = x + width - 1;
        match (&member.own, member.peer) {
            (Some((own, _)), _) => {
                let rates = &scene.rates[*own];
                let scales = Scales::of(scene);
                let rate = text::right(&text::rate(rates.events, "ev/s"), 11);
                pen.parts(
                    after,
                    y,
                    right,
                    &[(rate, PLAIN), (" ".into(), PLAIN), (scales.load(&scene.now.tori[*own], 8), pen.theme.bar())],
                );
            }
            (None, Some(peer)) => {
                let via = away(scene, member.id).unwrap_or_else(|| peer.via.clone());
                let words = format!("{via} · {}", peer_word(peer.state));
                pen.put_within(after, y, right, &words, pen.theme.quiet());
            }
            (None, None) => {}
        }
        pen.clickable(Rect::new(x, y, width, 1), Target::Member(member.id));
    }
    let more = members.len().saturating_sub(rows * usize::from(columns));
    if more > 0 {
        pen.put(area.x + 4, area.bottom() - 1, &format!("{more} more below"), pen.theme.quiet());
    }
}

fn sum(scene: &Scene, of: impl Fn(&TorusRates) -> Option<f64>) -> Option<f64> {
    scene.rates.iter().filter_map(of).reduce(|a, b| a + b)
}

/// Kinds that move, with their rates; `none` when none does.
fn kinds(scene: &Scene, of: impl Fn(&TorusRates, usize) -> Option<f64>) -> String {
    let moving: Vec<String> = QuantityKind::ALL
        .iter()
        .enumerate()
        .filter_map(|(at, kind)| Some((kind, sum(scene, |rates| of(rates, at))?)))
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(kind, rate)| format!("{} {}", kind.name(), text::rate(Some(rate), "/s")))
        .collect();
    if moving.is_empty() { "none".into() } else { moving.join("  ") }
}

/// What the exchange does, over all tori of the node; times are those of the slowest.
fn exchange(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let tori = &scene.now.tori;
    let slowest = tori.iter().enumerate().max_by_key(|(_, torus)| torus.exchange_p99_ns);
    let Some((at, torus)) = slowest else { return };
    let quiet = pen.theme.quiet();
    let overhead = tori.iter().map(|torus| torus.exchange_overhead_ppm).max().unwrap_or(0);
    let wide = area.width >= 44;
    let whole = |value: Option<f64>| value.map_or_else(|| text::UNKNOWN.to_owned(), text::whole_or_si);
    let conserved = tori.iter().all(TorusSnapshot::conserved);
    let broken = tori.iter().position(|torus| !torus.conserved() || torus.conservation_breaks > 0);
    let rows: [(&str, Vec<Part>, usize); 6] = [
        (
            "exchange",
            vec![
                (text::nanos(torus.exchange_p50_ns), PLAIN),
                (if wide { " p50  " } else { " p50 " }.into(), quiet),
                (text::nanos(torus.exchange_p99_ns), PLAIN),
                (" p99".into(), quiet),
            ],
            at,
        ),
        (
            "applied",
            vec![
                (text::rate(sum(scene, |rates| rates.applied), "/s"), PLAIN),
                (" missed ".into(), quiet),
                (whole(sum(scene, |rates| rates.missed)), PLAIN),
                (" /s".into(), quiet),
                (if wide { " refused " } else { "" }.into(), quiet),
                (if wide { whole(sum(scene, |rates| rates.refused)) } else { String::new() }, PLAIN),
                (if wide { " /s" } else { "" }.into(), quiet),
            ],
            at,
        ),
        ("corrections", vec![(kinds(scene, |rates, kind| rates.corrections[kind]), PLAIN)], at),
        ("violations", vec![(kinds(scene, |rates, kind| rates.violations[kind]), PLAIN)], at),
        (
            "overhead",
            vec![
                (text::percent_of_ppm(overhead), PLAIN),
                (if wide { " of running time" } else { " of the time" }.into(), quiet),
            ],
            at,
        ),
        (
            "conserved",
            if conserved {
                vec![
                    (if wide { "in + made = done + pending " } else { "in+made=done+pending " }.into(), quiet),
                    ("✓".into(), pen.theme.shape(Shape::Well)),
                ]
            } else {
                vec![("✕ does not add up".into(), pen.theme.shape(Shape::Failed))]
            },
            broken.unwrap_or(0),
        ),
    ];
    for (row, (label, parts, leads)) in rows.into_iter().enumerate() {
        let y = area.y + row as u16;
        pen.put_within(area.x, y, area.right(), &text::left(label, 12), quiet);
        pen.parts(area.x + 12, y, area.right(), &parts);
        pen.selectable(Rect { y, height: 1, ..area }, Target::Torus(leads));
    }
    last_break(pen, scene, Rect { y: area.y + 6, height: 1, ..area });
}

/// When the sum last broke.
fn last_break(pen: &mut Pen<'_>, scene: &Scene, area: Rect) {
    let quiet = pen.theme.quiet();
    let last = scene.now.tori.iter().map(|torus| torus.conservation_break_unix_ns).max().unwrap_or(0);
    let words = if last == 0 {
        "none since start".to_owned()
    } else {
        format!("{} ago", text::age(scene.now.node.now_unix_ns.saturating_sub(last)))
    };
    let x = pen.put_within(area.x, area.y, area.right(), "last break  ", quiet);
    pen.put_within(x, area.y, area.right(), &words, if last == 0 { quiet } else { pen.theme.shape(Shape::Failed) });
}

/// 40x10 and smaller: the tori, one line each; the header has the worst thing (`console` law 7).
pub fn compact(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let Some(scene) = state.scene.as_deref() else { return };
    let rows = usize::from(area.height);
    let scales = Scales::of(scene);
    for (at, torus) in scene.now.tori.iter().enumerate().take(rows) {
        let y = area.y + at as u16;
        if at + 1 == rows && scene.now.tori.len() > rows {
            pen.put(area.x + 1, y, &format!("and {} more", scene.now.tori.len() - at), pen.theme.quiet());
            break;
        }
        let rates = &scene.rates[at];
        let x = pen.shape(area.x + 1, y, torus_shape(scene, torus));
        let x = pen.put(x + 1, y, &text::left(&torus.name, 5), pen.theme.strong());
        let x = pen.put(x, y, &text::right(&text::rate(rates.events, "ev/s"), 11), PLAIN);
        let x = pen.put(x, y, &text::right(&text::count(torus.pending, 6), 7), PLAIN);
        let x = pen.put(x, y, " pend ", pen.theme.quiet());
        pen.put(x, y, &scales.load(torus, 6), pen.theme.bar());
        pen.selectable(Rect::new(area.x + 1, y, area.width.saturating_sub(1), 1), Target::Torus(at));
    }
    let used = scene.now.tori.len().min(rows) as u16;
    if area.height > used + 1 {
        let y = area.y + used;
        braid_line(pen, scene, area, y);
        host::line(pen, scene, Rect { y: y + 1, height: 1, ..area });
        let mut used = used + 2;
        if scene.now.avm.is_some() && area.height > used {
            super::avm::line(pen, scene, Rect { y: area.y + used, height: 1, ..area });
            used += 1;
        }
        if area.height > used {
            events::newest(pen, state, Rect { y: area.y + used, height: area.height - used, ..area });
        }
    }
}
