//! Screen 2: one torus. Its face as a heat map, and beside it what it does, how fast, and what its neighbours are to it.

use control::page::FACE;
use control::snapshot::TorusSnapshot;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::histogram::{histogram, histograms, spread};
use super::pen::Part;
use super::{PLAIN, Pen, overview};
use crate::heat::{Activity, Scale, active};
use crate::history::Scene;
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::theme::{Colours, Shape, peer_word, torus_word};
use crate::verdict::{member_name, torus_shape};

/// Columns the map takes with its ruler.
const MAP_COLUMNS: u16 = 38;
/// Rows the map takes with ruler, scale and the spelled-out cell.
const MAP_ROWS: u16 = 20;

/// The whole screen.
pub fn draw(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let (Some(scene), Some((at, torus))) = (state.scene.as_deref(), state.torus_shown()) else {
        pen.put(area.x + 2, area.y + 1, "this node has no torus", pen.theme.quiet());
        return;
    };
    let activity = Activity::at(&state.history, scene.place, at);
    title(pen, state, scene, at, activity.as_ref(), Rect { height: 1, ..area });
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let map_fits = below.width >= MAP_COLUMNS && below.height >= 4;
    if map_fits {
        map(pen, state, torus, activity.as_ref(), Rect { width: MAP_COLUMNS, ..below });
    }
    let cell_rows = if below.height >= MAP_ROWS && map_fits { 2 } else { 0 };
    if cell_rows > 0 {
        let y = below.y + below.height.min(MAP_ROWS) - 2;
        spell_cell(pen, state, scene, torus, activity.as_ref(), Rect { y, height: 2, ..below });
    }
    let x = if map_fits { below.x + MAP_COLUMNS + 1 } else { below.x + 2 };
    if below.right() > x + 16 {
        let height = if cell_rows > 0 { below.height.min(MAP_ROWS - 2) } else { below.height };
        let side = Rect { x, width: below.right() - x - 1, height, ..below };
        // On a tall terminal the peers stand below the spelled-out cell, in full.
        let tall = below.height > MAP_ROWS + torus.peers.len().min(4) as u16 + 1;
        details(pen, scene, at, torus, side, !tall);
        if tall {
            let y = below.y + MAP_ROWS + 1;
            let height = (below.bottom() - y).min(torus.peers.len() as u16 + 1);
            peers(pen, scene, torus, Rect { x: below.x + 4, y, width: below.width.saturating_sub(5), height });
            let y = y + height + 1;
            if y + 4 < below.bottom() {
                let rest = Rect { x: below.x + 4, y, width: below.width.saturating_sub(5), height: below.bottom() - y };
                histograms(pen, torus, rest);
            }
        }
    }
}

/// The tori of the node, the shown one in the accent; then what the map shows in words, so that an empty one reads well too.
fn title(pen: &mut Pen<'_>, state: &State, scene: &Scene, shown: usize, activity: Option<&Activity>, area: Rect) {
    let mut x = pen.put(area.x + 2, area.y, "TORUS", pen.theme.quiet()) + 2;
    for (at, torus) in scene.now.tori.iter().enumerate() {
        if x + 4 >= area.right() {
            break;
        }
        let start = x;
        x = pen.shape(x, area.y, torus_shape(scene, torus));
        let style = if at == shown { pen.theme.accent() } else { PLAIN };
        x = pen.put(x + 1, area.y, &text::ellipsize(&torus.name, 10), style);
        pen.clickable(Rect::new(start, area.y, x - start, 1), Target::Torus(at));
        x += 2;
    }
    let heading = format!("face x = {}", [0, 31][state.face.min(1)]);
    let end = pen.put(x + 1, area.y, &heading, PLAIN);
    pen.selectable(Rect::new(x + 1, area.y, end.saturating_sub(x + 1), 1), Target::Face);
    let words = match activity.map(|activity| active(&activity.own[state.face.min(1)])) {
        _ if scene.now.tori.get(shown).is_some_and(|torus| torus.uncoupled) => " · uncoupled".to_owned(),
        None => String::new(),
        Some((0, _)) => format!(" · none of {FACE} cells active"),
        Some((count, most)) => {
            format!(" · {count} of {FACE} cells active, at most {}", text::rate(Some(most), "ev/s"))
        }
    };
    let right = area.right().saturating_sub(1);
    // In full, else short, else not at all.
    let room = usize::from(right.saturating_sub(end));
    let short = words.replace(&format!(" of {FACE} cells"), "");
    let words = [words, short].into_iter().find(|words| text::width(words) <= room).unwrap_or_default();
    x = pen.parts(end, area.y, right, &[(words, pen.theme.quiet())]);
    if let Some(torus) = scene.now.tori.get(shown).filter(|torus| !torus.reason.is_empty()) {
        let room = usize::from(area.right().saturating_sub(x + 3));
        pen.put_right(x + 1, area.right() - 2, area.y, &text::clauses(&torus.reason, room), pen.theme.quiet());
    }
}

/// The face: 32 columns z, 16 text rows of two lattice rows y each, ruler, scale.
fn map(pen: &mut Pen<'_>, state: &State, torus: &TorusSnapshot, activity: Option<&Activity>, area: Rect) {
    let quiet = pen.theme.quiet();
    let face = state.face.min(1);
    let x0 = area.x + 4;
    let (cursor_y, cursor_z) = (u16::from(state.cell.0.min(31)), u16::from(state.cell.1.min(31)));
    // The ruler has a mark at the cursor: the accent says it, the mark says it again.
    for z in (0..32).step_by(8) {
        pen.put(x0 + z, area.y, &format!("{z}"), quiet);
    }
    pen.put(x0 + cursor_z, area.y, "▾", pen.theme.accent());
    let Some(activity) = activity else {
        pen.put(x0, area.y + 4, "two samples are needed", quiet);
        return;
    };
    let values = &activity.own[face];
    let largest = values.iter().fold(0.0_f64, |most, value| most.max(*value));
    let scale = Scale::new(largest, pen.theme.heat_levels());
    let rows = area.height.saturating_sub(2).min(16);
    // Where not all rows fit, those around the cursor are shown.
    let first = (cursor_y / 2 + 1).saturating_sub(rows);
    for row in 0..rows {
        let y = area.y + 1 + row;
        let row = first + row;
        if row % 4 == 0 {
            pen.put(area.x + 1, y, &text::right(&(row * 2).to_string(), 2), quiet);
        }
        if cursor_y / 2 == row {
            pen.put(area.x + 3, y, "▸", pen.theme.accent());
        }
        for z in 0..32u16 {
            let level = |y: u16| scale.level(values.get(usize::from(y * 32 + z)).copied().unwrap_or(0.0));
            let (upper, lower) = (level(row * 2), level(row * 2 + 1));
            let (symbol, style) = match (cursor_y / 2 == row && cursor_z == z, cursor_y % 2) {
                (false, _) => two_cells(pen, upper, lower),
                // Its value is spelled out below; here it is to be found, with or without colour.
                (true, 0) => ('◓', pen.theme.cursor()),
                (true, _) => ('◒', pen.theme.cursor()),
            };
            pen.put(x0 + z, y, &symbol.to_string(), style);
            let here = (row * 2 + u16::from(cursor_y == row * 2 + 1)).min(31);
            pen.clickable(Rect::new(x0 + z, y, 1, 1), Target::Cell(here as u8, z as u8));
        }
    }
    let y = area.y + 1 + rows;
    if torus.uncoupled {
        pen.put(x0, y, "uncoupled: nothing maps to cells", quiet);
    } else {
        legend(pen, &scale, x0, y);
    }
}

/// Two lattice cells in one character: half blocks by colour, or braille dots by number without colour.
fn two_cells(pen: &Pen<'_>, upper: usize, lower: usize) -> (char, Style) {
    if pen.theme.colours == Colours::None {
        return (braille(upper, lower), PLAIN);
    }
    let style = Style::new().fg(pen.theme.heat(upper)).bg(pen.theme.heat(lower));
    ('▀', style)
}

/// Zero to four dots in the upper half, zero to four in the lower.
pub(crate) fn braille(upper: usize, lower: usize) -> char {
    const UPPER: [u32; 5] = [0x00, 0x01, 0x09, 0x0b, 0x1b];
    const LOWER: [u32; 5] = [0x00, 0x04, 0x24, 0x64, 0xe4];
    if upper == 0 && lower == 0 {
        return ' ';
    }
    char::from_u32(0x2800 + UPPER[upper.min(4)] + LOWER[lower.min(4)]).unwrap_or(' ')
}

/// The scale with numbers: what each level means.
fn legend(pen: &mut Pen<'_>, scale: &Scale, x: u16, y: u16) {
    let quiet = pen.theme.quiet();
    let mut x = pen.put(x, y, "0 ", quiet);
    let levels = scale.floors.len();
    for level in 0..=levels {
        let (symbol, style) = if pen.theme.colours == Colours::None {
            (braille(level, level), PLAIN)
        } else {
            ('█', Style::new().fg(pen.theme.heat(level)))
        };
        x = pen.put(x, y, &symbol.to_string(), style);
        if level == levels / 2 {
            let floor = scale.floors.get(level.saturating_sub(1)).copied().unwrap_or(0.0);
            x = pen.put(x, y, &format!(" {} ", text::whole_or_si(floor)), quiet);
        }
    }
    pen.put(x, y, &format!(" {} /s", text::whole_or_si(scale.top)), quiet);
}

/// The cell under the cursor in words and numbers.
fn spell_cell(
    pen: &mut Pen<'_>,
    state: &State,
    scene: &Scene,
    torus: &TorusSnapshot,
    activity: Option<&Activity>,
    area: Rect,
) {
    let quiet = pen.theme.quiet();
    let (y, z) = (usize::from(state.cell.0.min(31)), usize::from(state.cell.1.min(31)));
    let face = state.face.min(1);
    let at = y * 32 + z;
    let number = at + [0, FACE * 31][face];
    let Some(activity) = activity else { return };
    let own = activity.own[face].get(at).copied().unwrap_or(0.0);
    let peer = activity.peer.as_ref().and_then(|faces| faces[face].get(at).copied());
    let mut parts: Vec<Part> = vec![
        ("cell ".into(), quiet),
        (format!("{number}"), pen.theme.strong()),
        (format!("  y {y}  z {z}   "), quiet),
        (text::rate(Some(own), "/s"), pen.theme.strong()),
    ];
    let mut second: Vec<Part> = Vec::new();
    match (peer, activity.peer_id) {
        (Some(peer), Some(id)) => {
            parts.push((format!("   neighbour {} ", text::ellipsize(&member_name(scene, id), 10)), quiet));
            parts.push((text::rate(Some(peer), "/s"), PLAIN));
            let difference = (own - peer).abs();
            second.push(("difference ".into(), quiet));
            second.push((text::rate(Some(difference), "/s"), PLAIN));
            if activity.rounds_per_second > 0.0 {
                let per_round = difference / activity.rounds_per_second;
                let over = per_round > torus.face_tolerance as f64;
                let style = if over { pen.theme.shape(Shape::Degraded) } else { PLAIN };
                second.push((" = ".into(), quiet));
                second.push((text::whole_or_si(per_round), style));
                let tolerance = text::count(torus.face_tolerance, 6);
                second.push((format!(" a round of tolerance {tolerance}{}", if over { " ▲" } else { "" }), quiet));
            }
        }
        _ => second.push(("no projection of a neighbour to compare with yet".into(), quiet)),
    }
    if activity.may_wrap {
        second.push(("   at least: counters may have wrapped".into(), pen.theme.shape(Shape::Degraded)));
    }
    pen.parts(area.x + 4, area.y, area.right(), &parts);
    pen.parts(area.x + 4, area.y + 1, area.right(), &second);
}

/// A label and what stands beside it.
type Row = (&'static str, Vec<Part>);

/// State, rate, clock, queue, what was refused.
fn rows_of_queue(pen: &Pen<'_>, scene: &Scene, at: usize, torus: &TorusSnapshot) -> Vec<Row> {
    let quiet = pen.theme.quiet();
    let strong = pen.theme.strong();
    let rates = &scene.rates[at];
    let shape = torus_shape(scene, torus);
    let fill = if torus.capacity > 0 { torus.pending as f64 / torus.capacity as f64 } else { 0.0 };
    let state_style = pen.fresh(pen.theme.shape(shape), scene.torus_changed(torus, |at| at.state));
    let core = torus.core.map_or_else(|| "no core".to_owned(), |core| format!("core {core}"));
    let rejected_style = pen.fresh(PLAIN, scene.torus_changed(torus, |at| at.rejected));
    vec![
        (
            "state",
            vec![
                (format!("{} {}", shape.symbol(), torus_word(torus.state)), state_style),
                (format!(" · {core}"), quiet),
            ],
        ),
        (
            "events",
            vec![
                (text::rate(rates.events, "ev/s"), strong),
                (format!("  {}", text::spark(&rates.events_minute, 14)), quiet),
            ],
        ),
        ("clock", vec![(text::count(torus.clock_ticks, 20), PLAIN)]),
        (
            "queue",
            vec![
                (text::count(torus.pending, 7), strong),
                (format!(" ▕{}▏ ", text::gauge(fill, 8)), quiet),
                (format!("of {}", text::count(torus.capacity, 7)), quiet),
            ],
        ),
        (
            "",
            vec![
                ("high water ".into(), quiet),
                (text::count(torus.high_water, 9), PLAIN),
                ("  batch ".into(), quiet),
                (text::count(u64::from(torus.batch), 6), PLAIN),
            ],
        ),
        (
            "rejected",
            vec![
                (text::count(torus.rejected, 9), rejected_style),
                ("  lost ".into(), quiet),
                (text::count(torus.lost, 9), PLAIN),
            ],
        ),
    ]
}

/// What was handed over, times, delays, interval, graph.
fn rows_of_braid(pen: &Pen<'_>, scene: &Scene, torus: &TorusSnapshot, bars: usize) -> Vec<Row> {
    let quiet = pen.theme.quiet();
    let delays: Vec<u64> = torus.edge_delay_ticks.iter().map(|count| u64::from(*count)).collect();
    let interval_style = pen.fresh(PLAIN, scene.torus_changed(torus, |at| at.interval_ticks));
    let ticks = |value: u64| text::whole_or_si(value as f64);
    vec![
        (
            "handed",
            vec![
                ("out ".into(), quiet),
                (text::count(torus.handed_out, 9), PLAIN),
                ("  in ".into(), quiet),
                (text::count(torus.handed_in, 9), PLAIN),
            ],
        ),
        (
            "an event",
            vec![
                (histogram(&torus.service_ns, bars), PLAIN),
                (format!(" {}", spread(&torus.service_ns, text::nanos)), quiet),
            ],
        ),
        ("delays", vec![(histogram(&delays, bars), PLAIN), (format!(" {} ticks", spread(&delays, ticks)), quiet)]),
        (
            "interval",
            vec![
                (format!("{} ticks", text::grouped(u64::from(torus.interval_ticks))), interval_style),
                (format!(" {}", overview::interval_why(scene, torus)), quiet),
            ],
        ),
        (
            "exchange",
            vec![
                (text::nanos(torus.exchange_p50_ns), PLAIN),
                (" p50  ".into(), quiet),
                (text::nanos(torus.exchange_p99_ns), PLAIN),
                (" p99".into(), quiet),
            ],
        ),
        ("workload", vec![(text::clean(&torus.workload), PLAIN)]),
        (
            "graph",
            vec![
                (text::count(u64::from(torus.processes), 6), PLAIN),
                (" processes  ".into(), quiet),
                (text::count(u64::from(torus.edges), 6), PLAIN),
                (" edges".into(), quiet),
            ],
        ),
    ]
}

/// State, rate, queue, times, interval, the stepped event, peers: as many as there are rows.
fn details(pen: &mut Pen<'_>, scene: &Scene, at: usize, torus: &TorusSnapshot, area: Rect, with_peers: bool) {
    let quiet = pen.theme.quiet();
    let bars = usize::from(area.width.saturating_sub(33)).clamp(6, 16);
    let mut rows = rows_of_queue(pen, scene, at, torus);
    rows.extend(rows_of_braid(pen, scene, torus, bars));
    // Peers and the stepped event must be seen; the graph and the exchange give way first.
    let stepped = if torus.stepped.is_some() { 3 } else { 0 };
    let peers_rows = if with_peers { (torus.peers.len() as u16 + 1).min(4) + 1 } else { 0 };
    let room = area.height.saturating_sub(stepped + peers_rows);
    let mut y = area.y;
    for (label, parts) in rows.iter().take(usize::from(room)) {
        pen.put_within(area.x, y, area.right(), &text::left(label, 10), quiet);
        let end = pen.parts(area.x + 10, y, area.right(), parts);
        if *label == "interval" {
            pen.selectable(Rect::new(area.x, y, area.width.min(end.saturating_sub(area.x)), 1), Target::Interval);
        }
        y += 1;
    }
    y = step_lines(pen, torus, Rect { y, height: area.bottom().saturating_sub(y), ..area });
    let left = area.bottom().saturating_sub(y + 1);
    if with_peers && left >= 2 {
        peers(pen, scene, torus, Rect { y: y + 1, height: left, ..area });
    }
}

/// Who, from where, with what, and which edges fired.
fn step_lines(pen: &mut Pen<'_>, torus: &TorusSnapshot, area: Rect) -> u16 {
    let Some(stepped) = torus.stepped.as_ref().filter(|_| area.height >= 3) else { return area.y };
    let quiet = pen.theme.quiet();
    let first: Vec<Part> = vec![
        ("stepped   ".into(), quiet),
        (format!("cell {} → {}", stepped.src, stepped.dst), pen.theme.strong()),
        (format!("  payload {}", stepped.payload), PLAIN),
    ];
    let fired: Vec<String> =
        stepped.fired.iter().map(|(dst, delay)| format!("{dst} +{}", text::count(*delay, 6))).collect();
    // How many comes first: it must not be cut off when only some of them fit.
    let words = match stepped.fired_total {
        0 => "nothing: it ends here".to_owned(),
        total => format!("{}: {}", text::count(u64::from(total), 6), fired.join(", ")),
    };
    pen.parts(area.x, area.y, area.right(), &first);
    let at = format!("at {} · number {}", text::count(stepped.time_ticks, 14), text::count(stepped.count, 9));
    pen.put_within(area.x + 10, area.y + 1, area.right(), &at, quiet);
    let room = usize::from(area.width.saturating_sub(16));
    pen.parts(
        area.x + 10,
        area.y + 2,
        area.right(),
        &[("fired ".into(), quiet), (text::ellipsize(&words, room), PLAIN)],
    );
    area.y + 3
}

/// What this torus knows of the others.
fn peers(pen: &mut Pen<'_>, scene: &Scene, torus: &TorusSnapshot, area: Rect) {
    let quiet = pen.theme.quiet();
    let wide = area.width >= 56;
    let heading = if wide {
        "PEER     STATE       AGE         SENT      RECEIVED  ROUNDS     VIA"
    } else {
        "PEER     STATE       AGE      SENT"
    };
    pen.put_within(area.x, area.y, area.right(), heading, quiet);
    let rows = usize::from(area.height.saturating_sub(1));
    for (row, peer) in torus.peers.iter().take(rows).enumerate() {
        let y = area.y + 1 + row as u16;
        if row + 1 == rows && torus.peers.len() > rows {
            pen.put_within(area.x, y, area.right(), &format!("and {} more", torus.peers.len() - row), quiet);
            break;
        }
        let shape = Shape::of_peer(peer.state);
        let style = pen.theme.shape(shape);
        let mut parts: Vec<Part> = vec![
            (text::left(&member_name(scene, peer.id), 9), PLAIN),
            (format!("{} ", shape.symbol()), style),
            (text::left(peer_word(peer.state), 10), style),
            (text::left(&text::nanos(peer.age_ns), if wide { 12 } else { 9 }), PLAIN),
            (text::left(&text::count(peer.sent, 8), 10), PLAIN),
        ];
        if wide {
            let received = text::count(peer.received, 9);
            parts.push((text::left(&received, 10), PLAIN));
            let rounds = if peer.missed_rounds > 0 { format!("missed {}", peer.missed_rounds) } else { String::new() };
            parts.push((text::left(&rounds, 11), PLAIN));
            let via = if peer.pid > 0 { format!("{}, process {}", peer.via, peer.pid) } else { peer.via.clone() };
            parts.push((text::ellipsize(&via, 24), quiet));
        }
        pen.parts(area.x, y, area.right(), &parts);
        pen.selectable(Rect { y, height: 1, ..area }, Target::Member(peer.id));
    }
}
