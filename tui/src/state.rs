//! Everything the console knows. Draw reads it, [`crate::update::update`] changes it, nothing else.

use std::sync::Arc;

use control::api::Request;
use control::avm::AvmRequest;
use control::snapshot::{EventSnapshot, Severity, TorusSnapshot};
use control::{Snapshot, SourceError};

use crate::history::{History, LoggedEvent, Scene};
use crate::target::Screen;
use crate::theme::{Colours, Theme};

/// A page that nobody has written for this long belongs to an agent that is gone.
pub const GONE_AFTER_NS: u64 = 2_000_000_000;
/// How often a console without an agent tries again.
pub const RETRY_NS: u64 = 2_000_000_000;
/// How long a message stays in the footer.
pub const NOTE_NS: u64 = 6_000_000_000;

/// How the console stands to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Nothing was read yet.
    Connecting,
    /// The page is read and moves.
    Live,
    /// There never was an agent since the console started.
    NoAgent {
        /// What the source said.
        error: SourceError,
        /// When it will be asked again, console time.
        retry_at_ns: u64,
    },
    /// There was one; its last frame stands.
    Gone {
        /// Since when, console time.
        since_ns: u64,
        /// What the source said, or what became of the process.
        why: String,
        /// True when its process is still there and only does not write any more.
        hung: bool,
    },
    /// A recorded file is shown.
    Recording {
        /// Its name.
        name: String,
    },
}

/// A line being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub kind: PromptKind,
    /// The text so far; the cursor stands at its end.
    pub text: String,
    /// What was there before, to come back to.
    pub before: String,
}

/// What a typed line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// The filter of the list shown, or of the event log; it takes effect while it is typed.
    Filter,
    /// A command.
    Command,
}

/// A question before anything in the world is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Send this request?
    Send(Request),
    /// Ask this of the AVM? Of an execution, its program too.
    Avm(AvmRequest, String),
    /// Leave, and stop the node that was started with the console?
    QuitAndStop,
}

/// One line in the footer, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What to say.
    pub text: String,
    /// True when something did not work.
    pub bad: bool,
    /// Console time after which it goes.
    pub until_ns: u64,
}

/// The console.
#[derive(Debug, Clone)]
pub struct State {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Styles.
    pub theme: Theme,
    /// What was seen.
    pub history: History,
    /// What is drawn, when there is anything.
    pub scene: Option<Arc<Scene>>,
    /// Place in the history where space froze; `None` = live.
    pub frozen: Option<u64>,
    /// How the console stands to the agent.
    pub link: Link,
    /// Screen shown.
    pub screen: Screen,
    /// Index of the torus shown on its screen.
    pub torus: usize,
    /// Which selectable thing of the screen is selected.
    pub focus: usize,
    /// First row shown of the help.
    pub scroll: usize,
    /// Face shown: 0 is x = 0, 1 is x = 31.
    pub face: usize,
    /// Cell under the cursor: y, z.
    pub cell: (u8, u8),
    /// Node whose record the Mesh screen shows.
    pub node: Option<u32>,
    /// Filter of the event log.
    pub filter: String,
    /// Lowest severity shown.
    pub severity: Severity,
    /// The line being typed.
    pub prompt: Option<Prompt>,
    /// The question being asked.
    pub question: Option<Question>,
    /// The command line of a request on its way.
    pub asking: Option<String>,
    /// What the AVM's screens remember.
    pub avm: crate::avm::View,
    /// True while the help is shown.
    pub help: bool,
    /// The line in the footer.
    pub note: Option<Note>,
    /// Why nothing may be changed, when so.
    pub read_only: Option<String>,
    /// True when leaving stops the node.
    pub stop_node_on_quit: bool,
    /// What the console is attached to, for the header.
    pub label: String,
    /// Console time, ns.
    pub now_ns: u64,
    /// Grows whenever what is drawn may differ.
    pub generation: u64,
}

impl State {
    /// A console that has seen nothing.
    #[must_use]
    pub fn new(size: (u16, u16), colours: Colours, history_capacity: usize) -> Self {
        Self {
            size,
            theme: Theme { colours },
            history: History::new(history_capacity),
            scene: None,
            frozen: None,
            link: Link::Connecting,
            screen: Screen::Overview,
            torus: 0,
            focus: 0,
            scroll: 0,
            face: 0,
            cell: (0, 0),
            node: None,
            filter: String::new(),
            severity: Severity::Info,
            prompt: None,
            question: None,
            asking: None,
            avm: crate::avm::View::default(),
            help: false,
            note: None,
            read_only: None,
            stop_node_on_quit: false,
            label: String::new(),
            now_ns: 0,
            generation: 0,
        }
    }

    /// The same console, having seen nothing: same terminal, same node, same rights.
    #[must_use]
    pub fn renewed(&self, history_capacity: usize) -> Self {
        Self {
            read_only: self.read_only.clone(),
            stop_node_on_quit: self.stop_node_on_quit,
            label: self.label.clone(),
            now_ns: self.now_ns,
            generation: self.generation + 1,
            ..Self::new(self.size, self.theme.colours, history_capacity)
        }
    }

    /// The snapshot drawn.
    #[must_use]
    pub fn now(&self) -> Option<&Snapshot> {
        self.scene.as_ref().map(|scene| &*scene.now)
    }

    /// The torus its screen shows; the last one when there are fewer now.
    #[must_use]
    pub fn torus_shown(&self) -> Option<(usize, &TorusSnapshot)> {
        let tori = &self.now()?.tori;
        let at = self.torus.min(tori.len().checked_sub(1)?);
        Some((at, &tori[at]))
    }

    /// Names of the tori, for the command line.
    #[must_use]
    pub fn torus_names(&self) -> Vec<String> {
        self.now().map_or_else(Vec::new, |now| now.tori.iter().map(|torus| torus.name.clone()).collect())
    }

    /// Rows of the event log as filtered, newest first.
    #[must_use]
    pub fn events(&self) -> Vec<&EventSnapshot> {
        let Some(scene) = &self.scene else { return Vec::new() };
        let wanted = self.filter.to_lowercase();
        let name = |event: &EventSnapshot| {
            let torus = scene.now.tori.iter().find(|torus| Some(torus.id) == event.torus);
            torus.map_or("node", |torus| torus.name.as_str())
        };
        let passes = |logged: &&LoggedEvent| {
            let event = &logged.event;
            event.severity >= self.severity
                && (wanted.is_empty()
                    || event.text.to_lowercase().contains(&wanted)
                    || name(event).to_lowercase() == wanted)
        };
        self.history.events_at(scene.place).filter(passes).map(|logged| &logged.event).collect()
    }

    /// How far back the moment drawn lies, ns.
    #[must_use]
    pub fn back_ns(&self) -> Option<u64> {
        let place = self.frozen?;
        let (then, now) = (self.history.at(place)?, self.history.last()?);
        Some(now.read_ns.saturating_sub(then.read_ns))
    }

    /// True when what is drawn is the last frame of an agent that is gone.
    #[must_use]
    pub fn gone(&self) -> bool {
        matches!(self.link, Link::Gone { .. })
    }

    /// Why nothing can be changed right now, if so.
    #[must_use]
    pub fn locked(&self) -> Option<String> {
        if let Some(reason) = &self.read_only {
            return Some(format!("read-only: {reason}"));
        }
        match &self.link {
            Link::Live => None,
            Link::Recording { .. } => Some("this is a recording: nothing can be changed".into()),
            Link::Gone { .. } => Some("the agent is gone: nothing can be changed".into()),
            Link::NoAgent { .. } | Link::Connecting => Some("no agent: nothing can be changed".into()),
        }
    }
}
