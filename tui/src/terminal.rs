//! The terminal: set up once, given back in every case, painted only when the picture differs.

use std::io::{self, IsTerminal, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::draw::paint;
use crate::state::State;

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Most panics of other threads remembered.
const PANICS_KEPT: usize = 8;

/// Whether the terminal is ours at this moment; a process has one.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Owns the terminal between set-up and tear-down. Dropping it gives the terminal back; so does a panic of this thread.
pub struct Guard {
    previous: Arc<Hook>,
    /// What panicked elsewhere in the process; said in the console instead of written across it.
    pub panics: Arc<Mutex<Vec<String>>>,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is no terminal, or will not do as told; it is given back then.
    pub fn new() -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "standard input or output is not a terminal"));
        }
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken =
            execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide);
        if let Err(error) = taken {
            restore();
            return Err(error);
        }
        let previous: Arc<Hook> = Arc::new(std::panic::take_hook());
        let panics = Arc::new(Mutex::new(Vec::new()));
        let (mine, old, told) = (thread::current().id(), Arc::clone(&previous), Arc::clone(&panics));
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().id() == mine {
                restore();
                old(info);
            } else {
                // A torus thread that fails is reported by the node; its last words must not tear the picture.
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() < PANICS_KEPT {
                    told.push(info.to_string());
                }
            }
        }));
        Ok(Self { previous, panics })
    }

    /// A terminal to paint on.
    ///
    /// # Errors
    /// When the terminal does not answer.
    pub fn painter() -> io::Result<Painter<CrosstermBackend<Stdout>>> {
        Ok(Painter::new(Terminal::new(CrosstermBackend::new(io::stdout()))?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
        // The hook may not be changed by a thread that is panicking; the terminal is given back already then.
        if !thread::panicking() {
            let previous = Arc::clone(&self.previous);
            std::panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

/// Gives the terminal back, once: leaving the other screen a second time would put the cursor where it stood before the console
/// began, over what a panic has written since. Every step is tried, whatever became of the one before.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, DisableMouseCapture);
    let _ = execute!(out, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

/// Paints a state on a terminal, only when the picture differs from the one that stands there (`console` law 4).
pub struct Painter<B: Backend> {
    terminal: Terminal<B>,
    generation: Option<u64>,
    standing: Buffer,
    /// Pictures put on the terminal.
    pub draws: u64,
}

impl<B: Backend> Painter<B> {
    /// A painter with an empty terminal.
    pub fn new(terminal: Terminal<B>) -> Self {
        Self { terminal, generation: None, standing: Buffer::empty(Rect::ZERO), draws: 0 }
    }

    /// Paints if the picture differs.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn paint(&mut self, state: &State) -> Result<(), B::Error> {
        if self.generation == Some(state.generation) {
            return Ok(());
        }
        let mut next = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
        paint(state, &mut next);
        self.generation = Some(state.generation);
        if next == self.standing {
            return Ok(());
        }
        self.terminal.draw(|frame| {
            let buffer = frame.buffer_mut();
            if buffer.area == next.area {
                buffer.clone_from(&next);
            } else {
                // The terminal changed its size meanwhile; the event that says so is on its way.
                paint(state, buffer);
            }
        })?;
        self.standing = next;
        self.draws += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Colours;
    use ratatui::backend::TestBackend;

    #[test]
    fn nothing_is_drawn_when_nothing_changes() {
        let mut painter = Painter::new(Terminal::new(TestBackend::new(80, 24)).expect("test backend"));
        let mut state = State::new((80, 24), Colours::None, 10);
        painter.paint(&state).expect("test backend");
        painter.paint(&state).expect("test backend");
        assert_eq!(painter.draws, 1);
        // A new generation with the same picture puts nothing on the terminal either.
        state.generation += 1;
        painter.paint(&state).expect("test backend");
        assert_eq!(painter.draws, 1);
        state.help = true;
        state.generation += 1;
        painter.paint(&state).expect("test backend");
        assert_eq!(painter.draws, 2);
    }
}
