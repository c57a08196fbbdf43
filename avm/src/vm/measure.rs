//! How much memory an owned value or an event takes: what quotas charge for what does not stand in the heap (`decisions:AVM-21`).

use crate::event::{Event, FailedOn};
use crate::fd::Constraint;
use crate::value::Val;

/// Bytes of values in a row, with all they hold.
fn vals<'v>(vals: impl IntoIterator<Item = &'v Val>) -> u64 {
    vals.into_iter().map(val).sum()
}

/// Bytes of a value with all it holds. What two values share is counted for both.
fn val(of: &Val) -> u64 {
    let held = match of {
        Val::Text(text) => text.len() as u64,
        Val::Bytes(bytes) => bytes.len() as u64,
        Val::Just(inner) => val(inner),
        Val::List(all) => vals(all.iter()),
        Val::Pair(both) => val(&both.0) + val(&both.1),
        Val::Record(fields) => fields.iter().map(|(name, field)| 16 + name.len() as u64 + val(field)).sum(),
        Val::Machine(name) | Val::Controller(name) => name.as_str().len() as u64,
        _ => 0,
    };
    size_of::<Val>() as u64 + held
}

fn constraint(of: &Constraint) -> u64 {
    size_of::<Constraint>() as u64
        + match of {
            Constraint::AllDiff(vars) => 4 * vars.len() as u64,
            Constraint::ValEq(_, value)
            | Constraint::ValLeq(_, value)
            | Constraint::ValLt(_, value)
            | Constraint::ValGeq(_, value)
            | Constraint::ValGt(_, value) => val(value),
            Constraint::SumEq(terms, _) | Constraint::SumLeq(terms, _) => 16 * terms.len() as u64,
            Constraint::Table(vars, rows) => 4 * vars.len() as u64 + rows.iter().map(|row| 24 + vals(row)).sum::<u64>(),
            Constraint::Element { list, .. } => vals(list),
            _ => 0,
        }
}

/// Bytes of an event with all it holds.
pub(super) fn event(of: &Event) -> u64 {
    size_of::<Event>() as u64
        + match of {
            Event::VarCreated(_, domain) | Event::DomainNarrowed(_, domain) => vals(domain),
            Event::ConstraintPosted(posted) | Event::ConstraintFailure(FailedOn::Constraint(posted)) => {
                constraint(posted)
            }
            Event::Labeled(_, value) | Event::Noted(value) | Event::MessageReceived(_, value) => val(value),
            Event::ObjectCalled(_, input, output) => val(input) + output.as_ref().map_or(0, val),
            Event::FunctionUpdated(name) | Event::FunctionRegistered(name) => name.len() as u64,
            // A value takes a multiple of what it is written with.
            Event::ErrorOccurred(error) => 16 * error.to_string().len() as u64,
            _ => 0,
        }
}
