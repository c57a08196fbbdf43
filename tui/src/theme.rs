//! Colour says state, shape says it again (`console` law 2). Three depths: none, sixteen colours, many.

use control::snapshot::{PeerState, TorusState};
use ratatui::style::{Color, Modifier, Style};

/// How much colour the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// None: shape, weight and inversion only (`NO_COLOR`, `TERM=dumb`).
    None,
    /// The sixteen of every terminal.
    Sixteen,
    /// The 256-colour palette.
    Many,
}

impl Colours {
    /// Chooses by the values of `NO_COLOR`, `TERM` and `COLORTERM`.
    #[must_use]
    pub fn detect(no_color: Option<&str>, term: Option<&str>, colorterm: Option<&str>) -> Self {
        let set = |value: Option<&str>| value.is_some_and(|value| !value.is_empty());
        if set(no_color) || term == Some("dumb") {
            Self::None
        } else if set(colorterm) || term.is_some_and(|term| term.contains("256color") || term.contains("direct")) {
            Self::Many
        } else {
            Self::Sixteen
        }
    }
}

/// The shape of a state; each has one meaning everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Well.
    Well,
    /// Starting or degraded.
    Degraded,
    /// Absent or ended in order.
    Absent,
    /// Failed.
    Failed,
    /// Paused by hand.
    Paused,
}

impl Shape {
    /// The character.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Well => "●",
            Self::Degraded => "◐",
            Self::Absent => "○",
            Self::Failed => "✕",
            Self::Paused => "‖",
        }
    }

    /// Of a torus.
    #[must_use]
    pub const fn of_torus(state: TorusState) -> Self {
        match state {
            TorusState::Run | TorusState::Waiting => Self::Well,
            TorusState::Starting | TorusState::Unknown => Self::Degraded,
            TorusState::Paused => Self::Paused,
            TorusState::Stopped => Self::Absent,
            TorusState::Failed => Self::Failed,
        }
    }

    /// Of a peer.
    #[must_use]
    pub const fn of_peer(state: PeerState) -> Self {
        match state {
            PeerState::Alive => Self::Well,
            PeerState::Suspect | PeerState::Returning | PeerState::Unknown => Self::Degraded,
            PeerState::Absent => Self::Absent,
            PeerState::Failed => Self::Failed,
        }
    }
}

/// The word of a torus state.
#[must_use]
pub const fn torus_word(state: TorusState) -> &'static str {
    match state {
        TorusState::Starting => "starting",
        TorusState::Run => "run",
        TorusState::Paused => "paused",
        TorusState::Waiting => "waiting",
        TorusState::Stopped => "stopped",
        TorusState::Failed => "failed",
        TorusState::Unknown => "unknown",
    }
}

/// The word of a peer state.
#[must_use]
pub const fn peer_word(state: PeerState) -> &'static str {
    match state {
        PeerState::Absent => "absent",
        PeerState::Alive => "alive",
        PeerState::Suspect => "suspect",
        PeerState::Failed => "failed",
        PeerState::Returning => "returning",
        PeerState::Unknown => "unknown",
    }
}

/// Styles by role. Nothing else on the console names a colour.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Depth in use.
    pub colours: Colours,
}

/// Steps of the heat scale above zero, by depth.
const HEAT_MANY: [u8; 8] = [23, 29, 36, 43, 79, 121, 158, 231];
const HEAT_SIXTEEN: [Color; 4] = [Color::Blue, Color::Cyan, Color::LightCyan, Color::White];

impl Theme {
    fn paint(self, colour: Color, otherwise: Modifier) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(otherwise),
            Colours::Sixteen | Colours::Many => Style::new().fg(colour),
        }
    }

    /// Labels and units: present, not in the way.
    #[must_use]
    pub fn quiet(self) -> Style {
        self.paint(Color::DarkGray, Modifier::DIM)
    }

    /// The values people came for.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The one accent: what is selected.
    #[must_use]
    pub fn accent(self) -> Style {
        self.paint(Color::Cyan, Modifier::REVERSED).add_modifier(Modifier::BOLD)
    }

    /// The cell under the cursor: the accent, filled.
    #[must_use]
    pub fn cursor(self) -> Style {
        self.accent().add_modifier(Modifier::REVERSED)
    }

    /// Bars that are compared by their length; length says it, colour does not.
    #[must_use]
    pub fn bar(self) -> Style {
        Style::new()
    }

    /// A key in the footer.
    #[must_use]
    pub fn key(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// By state.
    #[must_use]
    pub fn shape(self, shape: Shape) -> Style {
        match shape {
            Shape::Well => self.paint(Color::Green, Modifier::empty()),
            Shape::Degraded => self.paint(Color::Yellow, Modifier::BOLD),
            Shape::Absent => self.quiet(),
            Shape::Failed => self.paint(Color::Red, Modifier::BOLD).add_modifier(Modifier::BOLD),
            Shape::Paused => self.paint(Color::Yellow, Modifier::BOLD),
        }
    }

    /// Steps of the heat scale above zero.
    #[must_use]
    pub fn heat_levels(self) -> usize {
        match self.colours {
            Colours::None => 4,
            Colours::Sixteen => HEAT_SIXTEEN.len(),
            Colours::Many => HEAT_MANY.len(),
        }
    }

    /// Colour of a step of the heat scale; 0 is the resting background. Never asked without colour.
    #[must_use]
    pub fn heat(self, level: usize) -> Color {
        match (self.colours, level) {
            (Colours::Many, 0) => Color::Indexed(235),
            (_, 0) => Color::Black,
            (Colours::Many, level) => Color::Indexed(HEAT_MANY[(level - 1).min(HEAT_MANY.len() - 1)]),
            (_, level) => HEAT_SIXTEEN[(level - 1).min(HEAT_SIXTEEN.len() - 1)],
        }
    }
}
