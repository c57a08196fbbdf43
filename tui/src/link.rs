//! How the console stands to the agent: attached, gone, hanging, attached again by itself.

use control::snapshot::Phase;
use control::{Snapshot, SourceError};

use crate::avm;
use crate::state::{GONE_AFTER_NS, Link, RETRY_NS, State};
use crate::update::{look_at, note};

/// A snapshot: a new moment, or a page that stands still.
pub(crate) fn seen(state: &mut State, snapshot: Snapshot) {
    let silent_ns = u64::try_from(snapshot.silent_for().as_nanos()).unwrap_or(u64::MAX);
    let recorded = matches!(state.link, Link::Recording { .. });
    let mut snapshot = snapshot;
    if !recorded {
        avm::lay_in(state, &mut snapshot);
    }
    let fresh = state.history.push(snapshot);
    if fresh {
        state.generation += 1;
        if state.frozen.is_none() {
            look_at(state, state.history.newest());
            avm::follow(state);
        }
    }
    if recorded {
        return;
    }
    let link = if silent_ns < GONE_AFTER_NS {
        Link::Live
    } else if let Link::Gone { .. } = state.link {
        return;
    } else {
        let why = "its page stands still".into();
        Link::Gone { since_ns: state.now_ns.saturating_sub(silent_ns), why, hung: false }
    };
    if link != state.link {
        if matches!((&state.link, &link), (Link::Gone { .. }, Link::Live)) {
            note(state, "attached again".into(), false);
        }
        state.link = link;
        state.generation += 1;
    }
}

/// No snapshot.
pub(crate) fn missed(state: &mut State, error: SourceError) {
    let link = match &state.link {
        Link::Recording { .. } => return,
        Link::Gone { since_ns, .. } => Link::Gone { since_ns: *since_ns, why: error.to_string(), hung: false },
        _ if state.scene.is_some() => Link::Gone { since_ns: state.now_ns, why: error.to_string(), hung: false },
        _ => Link::NoAgent { error, retry_at_ns: state.now_ns.saturating_add(RETRY_NS) },
    };
    if link != state.link {
        state.link = link;
        state.generation += 1;
    }
}

/// A page that stands still: its process ended in order, died, or is there and hangs.
pub(crate) fn process(state: &mut State, alive: bool) {
    let Some(node) = state.history.last().map(|last| &last.node) else { return };
    let Link::Gone { since_ns, .. } = state.link else { return };
    let why = match (node.phase, alive) {
        (Phase::Stopped, false) => "it stopped in order".to_owned(),
        (_, false) => format!("process {} ended", node.pid),
        (_, true) => format!("process {} does not write", node.pid),
    };
    let link = Link::Gone { since_ns, why, hung: alive };
    if link != state.link {
        state.link = link;
        state.generation += 1;
    }
}
