//! The five screens of the AVM as state: which list is shown how, what is open, where one came from, and what has to be asked of
//! the agent to show it.

pub mod commands;
pub mod findings;
pub mod rates;
pub mod rows;

use control::Snapshot;
use control::avm::ask::{EXECUTION_COLUMNS, OBJECT_COLUMNS, TRANSACTION_COLUMNS};
use control::avm::{
    AvmReply, AvmRequest, AvmSnapshot, Details, ExecutionSnapshot, ExecutionState, ObjectSnapshot, PAGE_ROWS, Query,
    TransactionSnapshot,
};
use control::{SteerError, avm};

use crate::keys::Action;
use crate::state::{Link, State};
use crate::target::{AVM_SCREENS, Id, Screen, Target};
use rows::{Listed, shown};

/// Places remembered on the way in; escape leads back through them.
const WAY_MAX: usize = 32;

/// How one list is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Column it is sorted by: an index into its columns; `None` = the natural order.
    pub column: Option<usize>,
    /// Largest first.
    pub descending: bool,
    /// Filter.
    pub filter: String,
    /// The thing that is open; `None` = the list.
    pub open: Option<Id>,
}

/// How a trace is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceForm {
    /// A sequence chart.
    #[default]
    Chart,
    /// Entries with their vector clocks.
    Clocks,
    /// Entries as JSON.
    Json,
}

/// A place one came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    screen: Screen,
    open: Option<Id>,
    focus: usize,
}

/// What the AVM's screens remember.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Which of the five was shown last.
    last: Option<Screen>,
    /// Executions.
    pub executions: List,
    /// Objects.
    pub objects: List,
    /// Transactions.
    pub transactions: List,
    /// Execution whose trace is shown; `None` = the first of the list.
    pub traced: Option<Id>,
    /// How it is shown.
    pub form: TraceForm,
    /// Words entries of the trace must hold.
    pub trace_filter: String,
    /// True while the selection stays with the newest entry.
    pub away: bool,
    /// Id of the selected row, so that the selection stays with its thing when rows above it go.
    anchor: Option<Id>,
    /// What the agent answered last.
    pub details: Details,
    way: Vec<Place>,
}

impl View {
    /// The list a screen shows.
    #[must_use]
    pub fn list(&self, screen: Screen) -> Option<&List> {
        match screen {
            Screen::Executions => Some(&self.executions),
            Screen::Objects => Some(&self.objects),
            Screen::Transactions => Some(&self.transactions),
            _ => None,
        }
    }

    fn list_mut(&mut self, screen: Screen) -> Option<&mut List> {
        match screen {
            Screen::Executions => Some(&mut self.executions),
            Screen::Objects => Some(&mut self.objects),
            Screen::Transactions => Some(&mut self.transactions),
            _ => None,
        }
    }

    /// The filter of a screen.
    pub fn filter_mut(&mut self, screen: Screen) -> Option<&mut String> {
        if screen == Screen::Trace {
            return Some(&mut self.trace_filter);
        }
        self.list_mut(screen).map(|list| &mut list.filter)
    }
}

/// Columns a screen can sort by.
#[must_use]
pub const fn columns(screen: Screen) -> &'static [&'static str] {
    match screen {
        Screen::Executions => &EXECUTION_COLUMNS,
        Screen::Objects => &OBJECT_COLUMNS,
        Screen::Transactions => &TRANSACTION_COLUMNS,
        _ => &[],
    }
}

impl List {
    /// Name of the column it is sorted by; empty = the natural order.
    #[must_use]
    pub fn sort(&self, screen: Screen) -> &'static str {
        self.column.and_then(|at| columns(screen).get(at)).copied().unwrap_or_default()
    }
}

/// The AVM of what is drawn.
#[must_use]
pub fn avm_of(state: &State) -> Option<&AvmSnapshot> {
    state.now()?.avm.as_deref()
}

/// The thing that is open on the screen shown.
#[must_use]
pub fn opened(state: &State) -> Option<Id> {
    state.avm.list(state.screen).and_then(|list| list.open)
}

/// Rows the screen shown can select among; `None` = count what is drawn.
#[must_use]
pub fn count(state: &State) -> Option<usize> {
    let whole = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    if opened(state).is_some() {
        return None;
    }
    match state.screen {
        Screen::Executions => Some(shown::<ExecutionSnapshot>(state).map_or(0, |list| whole(list.matching))),
        Screen::Objects => Some(shown::<ObjectSnapshot>(state).map_or(0, |list| whole(list.matching))),
        Screen::Transactions => Some(shown::<TransactionSnapshot>(state).map_or(0, |list| whole(list.matching))),
        Screen::Trace => Some(trace(state).map_or(0, |trace| whole(trace.total))),
        _ => None,
    }
}

/// Id of the row at a place of the list shown.
fn id_at(state: &State, at: usize) -> Option<Id> {
    fn of<T: Listed>(state: &State, at: usize) -> Option<Id> {
        Id::new(shown::<T>(state)?.row(at as u64)?.id())
    }
    match state.screen {
        _ if opened(state).is_some() => None,
        Screen::Executions => of::<ExecutionSnapshot>(state, at),
        Screen::Objects => of::<ObjectSnapshot>(state, at),
        Screen::Transactions => of::<TransactionSnapshot>(state, at),
        _ => None,
    }
}

/// Remembers which row is selected. To be called after every input.
pub fn anchor(state: &mut State) {
    if state.screen.is_avm() {
        state.avm.anchor = id_at(state, state.focus);
    }
}

/// Keeps the selection with its row after the rows changed (`console` law 4). To be called after every new moment.
pub fn follow(state: &mut State) {
    if !state.screen.is_avm() {
        return;
    }
    if state.screen == Screen::Trace {
        if !state.avm.away {
            state.focus = count(state).unwrap_or(0).saturating_sub(1);
        }
        return;
    }
    let Some(anchor) = state.avm.anchor else { return anchor_again(state) };
    if opened(state).is_some() || id_at(state, state.focus) == Some(anchor) {
        return;
    }
    fn find<T: Listed>(state: &State, wanted: Id) -> Option<usize> {
        let list = shown::<T>(state)?;
        let at = list.rows.iter().position(|row| row.id() == wanted.as_str())?;
        usize::try_from(list.from).ok().map(|from| from + at)
    }
    let found = match state.screen {
        Screen::Executions => find::<ExecutionSnapshot>(state, anchor),
        Screen::Objects => find::<ObjectSnapshot>(state, anchor),
        Screen::Transactions => find::<TransactionSnapshot>(state, anchor),
        _ => None,
    };
    if let Some(at) = found {
        state.focus = at;
    }
}

fn anchor_again(state: &mut State) {
    anchor(state);
}

/// Execution whose trace is shown.
#[must_use]
pub fn traced(state: &State) -> Option<Id> {
    state.avm.traced.or_else(|| {
        let rows = &avm_of(state)?.executions.rows;
        let first = rows.iter().find(|row| row.trace_entries > 0).or_else(|| rows.first())?;
        Id::new(&first.id)
    })
}

/// The trace shown, when its answer is here.
#[must_use]
pub fn trace(state: &State) -> Option<&avm::TraceSnapshot> {
    let wanted = traced(state)?;
    avm_of(state)?.details.trace.as_deref().filter(|trace| trace.execution == wanted.as_str())
}

/// What has to be asked to draw the screen shown; `None` = the record suffices, or nothing can be asked now.
#[must_use]
pub fn wanted(state: &State) -> Option<AvmRequest> {
    if state.link != Link::Live || state.frozen.is_some() || !state.screen.is_avm() {
        return None;
    }
    let record = avm_of(state)?;
    if let Some(id) = opened(state) {
        return Some(AvmRequest::Show { id: id.as_str().to_owned() });
    }
    match state.screen {
        Screen::Executions if !record.executions.whole() => Some(AvmRequest::Ps { query: query(state) }),
        Screen::Objects if !record.objects.whole() => Some(AvmRequest::Objects { query: query(state) }),
        Screen::Transactions if !record.transactions.whole() => Some(AvmRequest::Tx { query: query(state) }),
        Screen::Trace => trace_wanted(state),
        _ => None,
    }
}

/// Three screens of rows around the selected one, in steps of a screen: moving within one asks nothing new.
fn query(state: &State) -> Query {
    let Some(list) = state.avm.list(state.screen) else { return Query::default() };
    let (from, count) = around(state, state.focus);
    let sort = list.sort(state.screen).to_owned();
    Query { from, count, sort, descending: list.descending, filter: list.filter.clone() }
}

fn around(state: &State, focus: usize) -> (u64, u32) {
    let rows = usize::from(state.size.1).clamp(10, PAGE_ROWS as usize / 3);
    ((focus / rows).saturating_sub(1).saturating_mul(rows) as u64, 3 * rows as u32)
}

fn trace_wanted(state: &State) -> Option<AvmRequest> {
    let id = traced(state)?.as_str().to_owned();
    let (from, count) = around(state, state.focus);
    let from = state.avm.away.then_some(from);
    // An object by its id; anything else is the name of an event.
    let filter = state.avm.trace_filter.trim().to_owned();
    let object = filter.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let (object, event) = if object { (filter, String::new()) } else { (String::new(), filter) };
    Some(AvmRequest::Trace { id, from, count, object, event, since: 0, width: 0 })
}

/// Lays what the agent answered beside the record of a new moment.
pub fn lay_in(state: &State, snapshot: &mut Snapshot) {
    if let Some(avm) = snapshot.avm.as_deref_mut().filter(|avm| avm.details.is_empty()) {
        avm.details = state.avm.details.clone();
    }
}

/// Takes an answer to [`wanted`] in.
pub fn answered(state: &mut State, answer: Result<AvmReply, SteerError>) {
    match answer {
        Ok(reply) => state.avm.details.take(reply),
        Err(error) => state.avm.details.missing = error.to_string(),
    }
}

/// What a key does on the AVM's screens; `None` = what it does everywhere.
pub fn act(state: &mut State, action: Action) -> Option<Option<AvmRequest>> {
    match action {
        Action::NextPart | Action::PreviousPart => {
            let at = AVM_SCREENS.iter().position(|(screen, _)| *screen == state.screen).unwrap_or(0);
            let step = if action == Action::NextPart { 1 } else { AVM_SCREENS.len() - 1 };
            enter(state, AVM_SCREENS[(at + step) % AVM_SCREENS.len()].0);
        }
        Action::Sort | Action::Reverse => sort(state, action == Action::Reverse),
        Action::First => set_focus(state, 0),
        Action::Last => set_focus(state, usize::MAX),
        Action::Up | Action::PageUp if state.screen == Screen::Trace => {
            state.avm.away = true;
            return None;
        }
        Action::Down | Action::PageDown if state.screen == Screen::Trace => {
            let step = if action == Action::Down { 1 } else { usize::from(state.size.1 / 2) };
            set_focus(state, state.focus.saturating_add(step));
        }
        Action::Clocks => toggle(state, TraceForm::Clocks),
        Action::Json => toggle(state, TraceForm::Json),
        Action::ShowTrace => match selected_execution(state) {
            Some(id) => open(state, Target::Trace(id)),
            None => crate::update::note(state, "no execution is selected".into(), true),
        },
        Action::Suspend | Action::Continue | Action::Kill => return Some(change(state, action)),
        _ => return None,
    }
    Some(None)
}

fn set_focus(state: &mut State, focus: usize) {
    let last = count(state).unwrap_or(0).saturating_sub(1);
    state.focus = focus.min(last);
    if state.screen == Screen::Trace {
        state.avm.away = state.focus < last;
    }
}

fn toggle(state: &mut State, form: TraceForm) {
    state.avm.form = if state.avm.form == form { TraceForm::Chart } else { form };
}

/// The next column, after the last the natural order; or the other way round.
fn sort(state: &mut State, reverse: bool) {
    let columns = columns(state.screen).len();
    let Some(list) = state.avm.list_mut(state.screen).filter(|list| list.open.is_none()) else { return };
    if reverse {
        list.descending = !list.descending;
        list.column = list.column.or(Some(0));
    } else {
        list.column = match list.column {
            None => Some(0),
            Some(at) if at + 1 < columns => Some(at + 1),
            Some(_) => None,
        };
        // Of numbers the largest are looked for, of names the first.
        let numbers =
            ["fuel", "memory", "moves", "aborts", "version", "mailbox", "bytes", "reads", "writes", "solver", "runs"];
        list.descending = numbers.contains(&list.sort(state.screen));
    }
    state.focus = 0;
}

/// The execution a key is about: the open one, the selected one, the one of the selected transaction, the traced one.
#[must_use]
pub fn selected_execution(state: &State) -> Option<Id> {
    match (state.screen, opened(state)) {
        (Screen::Executions, Some(open)) => Some(open),
        (Screen::Executions, None) => id_at(state, state.focus),
        (Screen::Transactions, Some(open)) => Id::new(&rows::transaction(state, open.as_str())?.execution),
        (Screen::Transactions, None) => {
            Id::new(&shown::<TransactionSnapshot>(state)?.row(state.focus as u64)?.execution)
        }
        (Screen::Trace, _) => traced(state),
        _ => None,
    }
}

fn change(state: &mut State, action: Action) -> Option<AvmRequest> {
    let Some(id) = selected_execution(state) else {
        crate::update::note(state, "no execution is selected".into(), true);
        return None;
    };
    let known = rows::execution(state, id.as_str()).map(|row| row.state);
    let id = id.as_str().to_owned();
    let refusal = match (action, known) {
        (_, Some(ExecutionState::Ended | ExecutionState::Failed | ExecutionState::Terminated)) => {
            Some(format!("execution {id} has ended: nothing can be changed about it"))
        }
        (Action::Continue, Some(ExecutionState::Running)) => Some(format!("execution {id} runs already")),
        _ => None,
    };
    if let Some(refusal) = refusal {
        crate::update::note(state, refusal, true);
        return None;
    }
    Some(match action {
        Action::Suspend => AvmRequest::Suspend { id },
        Action::Continue => AvmRequest::Resume { id },
        _ => AvmRequest::Kill { id },
    })
}

/// The key of the AVM: to the screen shown last, and from there to the next.
pub fn key(state: &mut State) {
    if state.screen.is_avm() {
        act(state, Action::NextPart);
    } else {
        let last = state.avm.last.unwrap_or(Screen::Executions);
        enter(state, last);
    }
}

/// To one of the five, as it was left, with no way back but the overview.
pub fn enter(state: &mut State, screen: Screen) {
    state.avm.way.clear();
    show(state, screen, None, 0);
}

fn show(state: &mut State, screen: Screen, open: Option<Id>, focus: usize) {
    (state.screen, state.focus, state.node) = (screen, focus, None);
    state.avm.last = Some(screen);
    if let Some(list) = state.avm.list_mut(screen) {
        list.open = open;
    }
    if screen == Screen::Trace && !state.avm.away {
        state.focus = count(state).unwrap_or(0).saturating_sub(1);
    }
    anchor(state);
}

/// Enter: to the thing a number is about.
pub fn open(state: &mut State, target: Target) {
    let here = Place { screen: state.screen, open: opened(state), focus: state.focus };
    if state.screen.is_avm() {
        if state.avm.way.len() == WAY_MAX {
            state.avm.way.remove(0);
        }
        state.avm.way.push(here);
    } else {
        state.avm.way.clear();
    }
    match target {
        Target::Execution(id) => show(state, Screen::Executions, Some(id), 0),
        Target::Object(id) => show(state, Screen::Objects, Some(id), 0),
        Target::Transaction(id) => show(state, Screen::Transactions, Some(id), 0),
        Target::Trace(id) => {
            if state.avm.traced != Some(id) {
                (state.avm.traced, state.avm.away) = (Some(id), false);
            }
            show(state, Screen::Trace, None, state.focus);
        }
        Target::Failed => open_listed(state, Screen::Executions, "failed"),
        Target::Listed(screen, filter) => open_listed(state, screen, filter),
        _ => {}
    }
}

/// A list, with the rows that a total counts.
fn open_listed(state: &mut State, screen: Screen, filter: &str) {
    if let Some(list) = state.avm.list_mut(screen) {
        *list = List { filter: filter.to_owned(), ..List::default() };
    }
    show(state, screen, None, 0);
}

/// Escape: back the way one came, then the filter, then false: out of the AVM.
pub fn back(state: &mut State) -> bool {
    if let Some(place) = state.avm.way.pop() {
        show(state, place.screen, place.open, place.focus);
        return true;
    }
    let screen = state.screen;
    if let Some(list) = state.avm.list_mut(screen).filter(|list| list.open.is_some()) {
        list.open = None;
        state.focus = 0;
        anchor(state);
        return true;
    }
    if let Some(filter) = state.avm.filter_mut(screen).filter(|filter| !filter.is_empty()) {
        filter.clear();
        state.focus = 0;
        anchor(state);
        return true;
    }
    false
}
