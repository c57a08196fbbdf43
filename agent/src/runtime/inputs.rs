//! The one entrance of a running torus (`decisions:NODE-2`): whatever the loop applies goes through here, and is recorded here
//! when the node records.

use torus::{Applied, Input, Reactor, Stepped, Token, Torus};

use super::record::Recorder;

/// Applies inputs and records them.
#[derive(Debug)]
pub struct Inputs {
    recorder: Option<Recorder>,
}

impl Inputs {
    /// With a recorder, or without.
    #[must_use]
    pub fn new(recorder: Option<Recorder>) -> Self {
        Self { recorder }
    }

    /// Applies an input.
    pub fn apply<R: Reactor>(&mut self, torus: &mut Torus<'_, R>, input: Input) -> Applied {
        let applied = torus.apply(&input);
        self.note(torus, input);
        applied
    }

    /// Takes work out of the torus and delivers it to `sink`, which cannot refuse: room was reserved before (`decisions:NODE-5`).
    pub fn hand_over<R: Reactor>(
        &mut self,
        torus: &mut Torus<'_, R>,
        to: u8,
        count: u32,
        sink: &mut dyn FnMut(Token),
    ) -> u32 {
        let given = torus.hand_over(to, count, sink);
        self.note(torus, Input::HandOver { to, count });
        given
    }

    /// Executes one event of a paused torus and tells what it was; `None` when there is none within the horizon.
    pub fn step<R: Reactor>(&mut self, torus: &mut Torus<'_, R>) -> Option<Stepped> {
        let stepped = torus.step();
        self.note(torus, Input::Step { count: 1 });
        stepped
    }

    fn note<R: Reactor>(&mut self, torus: &Torus<'_, R>, input: Input) {
        if let Some(recorder) = &mut self.recorder {
            let (executed, ordinal) = torus.place();
            recorder.note(executed, ordinal, input);
        }
    }

    /// Inputs that can be taken in now without waiting for the recording.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.recorder.as_ref().map_or(u64::MAX, Recorder::room)
    }

    /// Whether nothing should be taken in until the recording has caught up.
    pub fn crowded(&mut self) -> bool {
        self.recorder.as_mut().is_some_and(Recorder::crowded)
    }

    /// The recorder, if the node records.
    #[must_use]
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// The recorder, to close it.
    pub fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_mut()
    }
}
