//! One frame as text or JSON, for scripts (`trefoil console --frame text|json`).

use control::Snapshot;
use control::avm::AvmRequest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::json;

use crate::draw::{buffer_text, paint};
use crate::state::{Link, State};
use crate::target::{Id, Screen};
use crate::theme::Colours;
use crate::update::{Event, update};
use crate::verdict;

/// What a frame is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What the console would show, as plain text.
    Text,
    /// The newest snapshot with what the console derives from it: findings and rates.
    Json,
}

/// How a frame is drawn.
#[derive(Debug, Clone)]
pub struct FrameOptions {
    /// Columns and rows.
    pub size: (u16, u16),
    /// The screen.
    pub screen: Screen,
    /// Index of the torus its screen shows.
    pub torus: usize,
    /// The execution, object or transaction it is about.
    pub of: Option<Id>,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self { size: (100, 30), screen: Screen::Overview, torus: 0, of: None }
    }
}

/// The state of a console that has seen these.
fn seen(snapshots: &[Snapshot], options: &FrameOptions) -> State {
    let mut state = State::new(options.size, Colours::None, snapshots.len());
    state.screen = options.screen;
    state.torus = options.torus;
    match options.of {
        Some(id) if options.screen == Screen::Trace => state.avm.traced = Some(id),
        Some(id) => id.target().into_iter().for_each(|target| crate::avm::open(&mut state, target)),
        None => {}
    }
    for snapshot in snapshots {
        update(&mut state, Event::Seen(Box::new(snapshot.clone())));
    }
    state
}

/// What the agent has to be asked for a frame beside the snapshots; its answer belongs into the newest one's `avm.details`.
#[must_use]
pub fn frame_wants(snapshots: &[Snapshot], options: &FrameOptions) -> Option<AvmRequest> {
    crate::avm::wanted(&seen(snapshots, options))
}

/// Draws one frame from successive snapshots, oldest first. Rates need two that lie a second or so apart; with one they are
/// unknown. With none the frame says that there is no snapshot.
#[must_use]
pub fn frame(snapshots: &[Snapshot], format: Format, options: &FrameOptions) -> String {
    let mut state = seen(snapshots, options);
    // Nothing is selected in a picture.
    state.focus = usize::MAX;
    match format {
        Format::Text => {
            let mut buffer = Buffer::empty(Rect::new(0, 0, options.size.0, options.size.1));
            paint(&state, &mut buffer);
            buffer_text(&buffer)
        }
        Format::Json => as_json(&state, snapshots.last()),
    }
}

fn as_json(state: &State, newest: Option<&Snapshot>) -> String {
    let found = state.scene.as_ref().map(|scene| verdict::findings(scene)).unwrap_or_default();
    let findings: Vec<_> = found
        .iter()
        .map(|finding| {
            json!({
                "state": finding.shape.symbol(),
                "text": finding.text,
                "screen": finding.target.key().to_string(),
            })
        })
        .collect();
    let rates: Vec<_> = state.scene.iter().flat_map(|scene| scene.now.tori.iter().zip(&scene.rates)).collect();
    let rates: Vec<_> = rates
        .into_iter()
        .map(|(torus, rates)| {
            json!({
                "torus": torus.name,
                "events_per_second": rates.events,
                "cpu_percent": rates.cpu_percent,
                "applied_per_second": rates.applied,
                "exchanges_per_second": rates.exchanges,
                "rejected_per_second": rates.rejected,
            })
        })
        .collect();
    let whole = json!({
        "all_right": found.is_empty() && newest.is_some() && state.link == Link::Live,
        "agent_gone": state.gone(),
        "findings": findings,
        "rates": rates,
        "snapshot": newest,
    });
    format!("{whole:#}\n")
}
