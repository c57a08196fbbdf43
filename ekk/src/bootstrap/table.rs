//! The machine as a table: what happened, in which state, gives the next state, the effect on the sets and the outputs in order.
//!
//! The left part of a row is the seed's rule; a cell that a deliberate difference changes stands beside it with the number of
//! that difference. `docs/state-machines.md` shows both grids, made from here.

use super::config::Rules;
use super::io::{InputKind, OUTPUTS_MAX, Refusal};

/// Where the machine is. Overdue is no state: the view shows it while late and not formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing happened but joins.
    Fresh,
    /// Peers are heard; own start-up is not finished.
    Gathering,
    /// Own start-up is finished; each new readiness is judged.
    Confirming,
    /// The cluster is formed; the only final state.
    Formed,
}

impl State {
    /// All, in the order of the columns.
    pub const ALL: [State; 4] = [State::Fresh, State::Gathering, State::Confirming, State::Formed];
}

/// An input after its guards: the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the words of the specification's table, read as `input, guard`")]
pub enum Event {
    SeenStranger,
    SeenNew,
    SeenKnown,
    ReadyStranger,
    ReadyNew,
    ReadyEnough,
    ReadyKnown,
    DoneShort,
    DoneEnough,
    DoneAdopted,
    Deadline,
    DeadlineAgain,
    JoinAsk,
    GrantNew,
    GrantKnown,
    GrantFull,
    GrantNobody,
    JoinRefuse,
    Query,
    WrongVersion,
    Unverified,
    Mismatch,
    Stale,
    Ahead,
    Echo,
    NoticeNoted,
    NoticeSplit,
    NoticeAdopts,
    AnswerUnlisted,
    AnswerListed,
    SnapshotAdopts,
    SnapshotOther,
    SnapshotOld,
    Trouble,
    Rearm,
}

/// What a cell does to the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the effects")]
pub enum Effect {
    Nothing,
    See,
    NoteSeen,
    Report,
    ReportAndForm,
    NoteReady,
    Complete,
    CompleteAndForm,
    CompleteLate,
    Late,
    Again,
    Pend,
    Admit,
    Dismiss,
    Raise,
    NoteTrouble,
    NoteNotice,
    Split,
    Adopt,
    Rearm,
}

/// An output without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of `Output`")]
pub enum Say {
    SeenNew,
    SeenDup,
    ReadyNew,
    ReadyDup,
    Stranger,
    LocalDone,
    Announce,
    Reassure,
    Late,
    Again,
    JoinPending,
    Admitted,
    MemberDup,
    Denied,
    Formed,
    WrongVersion,
    Unverified,
    Mismatch,
    Stale,
    Ahead,
    Echo,
    Noted,
    NoticeNoted,
    SplitSuspected,
    Adopted,
    NotListed,
    Rearmed,
}

/// One cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Cannot occur.
    Never,
    /// Nothing changes.
    Refuse(Refusal),
    /// Shows the view, changes nothing.
    View,
    /// Taken.
    Go {
        /// Next state; `None` stays.
        next: Option<State>,
        /// What happens to the sets.
        effect: Effect,
        /// Outputs in order.
        say: &'static [Say],
    },
}

/// One row of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What happened.
    pub event: Event,
    /// The input it comes from.
    pub kind: InputKind,
    /// The seed's cells, in the order of [`State::ALL`].
    pub seed: [Cell; 4],
    /// Cells that a difference changes: state, difference, cell.
    pub other: &'static [(State, Rules, Cell)],
}

use Cell::{Never, View};
use State::{Confirming, Formed, Fresh, Gathering};

const fn stay(effect: Effect, say: &'static [Say]) -> Cell {
    Cell::Go { next: None, effect, say }
}

const fn to(next: State, effect: Effect, say: &'static [Say]) -> Cell {
    Cell::Go { next: Some(next), effect, say }
}

const fn row(event: Event, kind: InputKind, seed: [Cell; 4], other: &'static [(State, Rules, Cell)]) -> Row {
    Row { event, kind, seed, other }
}

const fn all(event: Event, kind: InputKind, cell: Cell) -> Row {
    row(event, kind, [cell; 4], &[])
}

/// A row of the product rules only: the classification never yields it under the seed's.
const fn added(event: Event, kind: InputKind, effect: Effect, say: &'static [Say]) -> Row {
    all(event, kind, stay(effect, say))
}

const FORMED: Cell = Cell::Refuse(Refusal::Formed);
const TWICE: Cell = Cell::Refuse(Refusal::DoneBefore);
const STRANGER: Cell = stay(Effect::Nothing, &[Say::Stranger]);
const REASSURE: Cell = stay(Effect::NoteSeen, &[Say::Reassure]);
const LATE: Cell = stay(Effect::Late, &[Say::Late]);
const AGAIN: Cell = stay(Effect::Again, &[Say::Again]);
const NOTED: Cell = stay(Effect::NoteReady, &[Say::Noted]);
const READY: &[Say] = &[Say::ReadyNew];
const DUP: Cell = stay(Effect::NoteReady, &[Say::ReadyDup]);
const SHORT: Cell = to(Confirming, Effect::Complete, &[Say::LocalDone, Say::Announce]);
const ENOUGH: Cell = to(Formed, Effect::CompleteAndForm, &[Say::LocalDone, Say::Announce, Say::Formed]);
const NOTHING_YET: Cell = Cell::Refuse(Refusal::NothingYet);

/// The whole machine (`bootstrap` section 4); one row an event, in the order of [`Event`].
pub const TABLE: [Row; 35] = [
    row(
        Event::SeenStranger,
        InputKind::Seen,
        [to(Gathering, Effect::Nothing, &[Say::Stranger]), STRANGER, STRANGER, STRANGER],
        &[(Fresh, Rules::D2, STRANGER)],
    ),
    row(
        Event::SeenNew,
        InputKind::Seen,
        [to(Gathering, Effect::See, &[Say::SeenNew]), stay(Effect::See, &[Say::SeenNew]), REASSURE, REASSURE],
        &[],
    ),
    row(Event::SeenKnown, InputKind::Seen, [Never, stay(Effect::NoteSeen, &[Say::SeenDup]), REASSURE, REASSURE], &[]),
    row(
        Event::ReadyStranger,
        InputKind::Ready,
        [to(Gathering, Effect::Nothing, &[Say::Stranger]), STRANGER, STRANGER, FORMED],
        &[(Fresh, Rules::D2, STRANGER), (Formed, Rules::D4, STRANGER)],
    ),
    row(
        Event::ReadyNew,
        InputKind::Ready,
        [to(Gathering, Effect::Report, READY), stay(Effect::Report, READY), stay(Effect::Report, READY), FORMED],
        &[(Formed, Rules::D4, NOTED)],
    ),
    row(
        Event::ReadyEnough,
        InputKind::Ready,
        [Never, Never, to(Formed, Effect::ReportAndForm, &[Say::ReadyNew, Say::Formed]), Never],
        &[],
    ),
    row(Event::ReadyKnown, InputKind::Ready, [Never, DUP, DUP, FORMED], &[(Formed, Rules::D4, NOTED)]),
    row(Event::DoneShort, InputKind::LocalDone, [SHORT, SHORT, TWICE, FORMED], &[]),
    row(Event::DoneEnough, InputKind::LocalDone, [ENOUGH, ENOUGH, TWICE, FORMED], &[]),
    row(
        Event::DoneAdopted,
        InputKind::LocalDone,
        [Never, Never, Never, stay(Effect::CompleteLate, &[Say::LocalDone, Say::Announce])],
        &[],
    ),
    row(Event::Deadline, InputKind::Deadline, [NOTHING_YET, LATE, LATE, FORMED], &[(Fresh, Rules::D1, LATE)]),
    row(Event::DeadlineAgain, InputKind::Deadline, [AGAIN, AGAIN, AGAIN, FORMED], &[]),
    all(Event::JoinAsk, InputKind::JoinAsk, stay(Effect::Pend, &[Say::JoinPending])),
    all(Event::GrantNew, InputKind::JoinGrant, stay(Effect::Admit, &[Say::Admitted])),
    all(Event::GrantKnown, InputKind::JoinGrant, stay(Effect::Nothing, &[Say::MemberDup])),
    all(Event::GrantFull, InputKind::JoinGrant, Cell::Refuse(Refusal::Full)),
    all(Event::GrantNobody, InputKind::JoinGrant, Cell::Refuse(Refusal::NoNode)),
    all(Event::JoinRefuse, InputKind::JoinRefuse, stay(Effect::Dismiss, &[Say::Denied])),
    all(Event::Query, InputKind::Query, View),
    added(Event::WrongVersion, InputKind::Seen, Effect::NoteTrouble, &[Say::WrongVersion]),
    added(Event::Unverified, InputKind::Seen, Effect::NoteTrouble, &[Say::Unverified]),
    added(Event::Mismatch, InputKind::Seen, Effect::NoteTrouble, &[Say::Mismatch]),
    added(Event::Stale, InputKind::Seen, Effect::Nothing, &[Say::Stale]),
    row(
        Event::Ahead,
        InputKind::Seen,
        [
            stay(Effect::Raise, &[Say::Ahead]),
            stay(Effect::Raise, &[Say::Ahead]),
            stay(Effect::Raise, &[Say::Ahead]),
            stay(Effect::Nothing, &[Say::Ahead]),
        ],
        &[],
    ),
    added(Event::Echo, InputKind::Seen, Effect::Nothing, &[Say::Echo]),
    added(Event::NoticeNoted, InputKind::Notice, Effect::NoteNotice, &[Say::NoticeNoted]),
    added(Event::NoticeSplit, InputKind::Notice, Effect::Split, &[Say::SplitSuspected]),
    all(Event::NoticeAdopts, InputKind::Notice, to(Formed, Effect::Adopt, &[Say::Adopted])),
    added(Event::AnswerUnlisted, InputKind::Answer, Effect::NoteTrouble, &[Say::NotListed]),
    added(Event::AnswerListed, InputKind::Answer, Effect::Nothing, &[Say::Noted]),
    all(Event::SnapshotAdopts, InputKind::Snapshot, to(Formed, Effect::Adopt, &[Say::Adopted])),
    all(Event::SnapshotOther, InputKind::Snapshot, Cell::Refuse(Refusal::OtherFormation)),
    all(Event::SnapshotOld, InputKind::Snapshot, Cell::Refuse(Refusal::OlderFormation)),
    added(Event::Trouble, InputKind::Trouble, Effect::NoteTrouble, &[]),
    row(
        Event::Rearm,
        InputKind::Rearm,
        [
            stay(Effect::Rearm, &[Say::Rearmed]),
            stay(Effect::Rearm, &[Say::Rearmed]),
            stay(Effect::Rearm, &[Say::Rearmed]),
            FORMED,
        ],
        &[],
    ),
];

const _: () = {
    let mut at = 0;
    while at < TABLE.len() {
        assert!(TABLE[at].event as usize == at, "a row stands in the place of its event");
        let mut column = 0;
        while column < 4 {
            if let Cell::Go { say, .. } = TABLE[at].seed[column] {
                assert!(say.len() < OUTPUTS_MAX, "outputs and one retraction fit");
            }
            column += 1;
        }
        at += 1;
    }
};

/// The cell for an event in a state under the rules in force.
#[inline]
pub fn cell(rules: Rules, state: State, event: Event) -> Cell {
    let row = &TABLE[event as usize];
    for &(there, difference, cell) in row.other {
        if there as u8 == state as u8 && rules.has(difference) {
            return cell;
        }
    }
    row.seed[state as usize]
}
