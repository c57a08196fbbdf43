//! The words of a region with a checked layout: every part by name, in bounds by construction (`rse:M7`).

use super::layout::{Header, INJECT_WORDS, Layout, LayoutError, Span};
use super::line::{Ack, AckLine, Line, LineView};
use crate::words::APART_WORDS;
use crate::{mpsc, slot, wake};
use std::sync::atomic::{AtomicU64, Ordering};

/// A region's words and where everything lies in them. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct View<'r> {
    words: &'r [AtomicU64],
    layout: Layout,
    epoch: u64,
}

/// Records between two tori, or in an injection ring, that nobody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The sending torus; `None` for an injection ring.
    pub from: Option<u8>,
    /// The receiving torus.
    pub to: u8,
    /// Records.
    pub records: u64,
}

impl<'r> View<'r> {
    /// Checks the header in `words` and takes its layout.
    ///
    /// # Errors
    /// See [`Header::read`] and [`Header::fits`].
    pub fn new(words: &'r [AtomicU64]) -> Result<Self, LayoutError> {
        let header = Header::read(words)?;
        header.fits(words.len() * 8)?;
        Ok(Self { words, layout: header.layout, epoch: header.epoch })
    }

    /// A view of words whose header was read and found to fit.
    pub(super) fn of_checked(words: &'r [AtomicU64], layout: Layout, epoch: u64) -> Self {
        assert!(words.len() >= layout.words(), "checked by Header::fits");
        Self { words, layout, epoch }
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of tori.
    #[must_use]
    pub fn tori(&self) -> u8 {
        self.layout.geometry().tori
    }

    /// The epoch the region had when this view was made.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True while the region is the one this view was made of; false once somebody renewed or overwrote it.
    #[inline]
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.words[0].load(Ordering::Acquire) == super::layout::MAGIC
            && self.words[8].load(Ordering::Acquire) == self.epoch
    }

    fn part(&self, span: Span) -> &'r [AtomicU64] {
        &self.words[span.0..span.0 + span.1]
    }

    pub(super) fn line(&self, torus: u8) -> Line<'r> {
        assert!(torus < self.tori(), "torus checked by the caller");
        Line::new(self.part(self.layout.line(torus)), torus)
    }

    pub(super) fn ack_line(&self, reader: u8, writer: u8) -> AckLine<'r> {
        assert!(reader < self.tori() && writer < self.tori(), "tori checked by the caller");
        AckLine::new(self.part(self.layout.ack(reader, writer)))
    }

    pub(super) fn ring_words(&self, from: u8, to: u8) -> &'r [AtomicU64] {
        assert!(from < self.tori() && to < self.tori() && from != to, "tori checked by the caller");
        self.part(self.layout.ring(from, to))
    }

    pub(super) fn link_words(&self, torus: u8) -> &'r [AtomicU64] {
        assert!(torus < self.tori(), "torus checked by the caller");
        self.part(self.layout.link(torus))
    }

    /// The line of a torus, or `None` when there is no such torus.
    #[must_use]
    pub fn torus(&self, torus: u8) -> Option<LineView> {
        (torus < self.tori()).then(|| self.line(torus).view())
    }

    /// The lines of all tori.
    pub fn lines(&self) -> impl Iterator<Item = LineView> + use<'r> {
        let view = *self;
        (0..self.tori()).map(move |torus| view.line(torus).view())
    }

    /// What `reader` said about `writer`, or `None` when there is no such torus.
    #[must_use]
    pub fn ack(&self, reader: u8, writer: u8) -> Option<Ack> {
        (reader < self.tori() && writer < self.tori()).then(|| self.ack_line(reader, writer).view())
    }

    /// A reader of a torus' latest link, or `None` when there is no such torus.
    #[must_use]
    pub fn reader(&self, torus: u8) -> Option<slot::SlotReader<'r>> {
        let geometry = self.layout.geometry();
        let words = (torus < self.tori()).then(|| self.link_words(torus))?;
        slot::SlotReader::new(words, geometry.payload_words(), geometry.slots as usize).ok()
    }

    /// The sending end of a torus' injection ring, or `None` when there is no such torus.
    #[must_use]
    pub fn injector(&self, torus: u8) -> Option<mpsc::Sender<'r>> {
        mpsc::Sender::new(self.injection_words(torus)?, INJECT_WORDS, self.inject_records()).ok()
    }

    /// The waking side of a torus' waiter, or `None` when there is no such torus.
    #[must_use]
    pub fn waker(&self, torus: u8) -> Option<wake::Waker<'r>> {
        wake::Waker::new(self.waiter_words(torus)?)
    }

    pub(super) fn waiter_words(&self, torus: u8) -> Option<&'r [AtomicU64]> {
        (torus < self.tori()).then(|| self.part(self.layout.waiter(torus)))
    }

    pub(super) fn injection_words(&self, torus: u8) -> Option<&'r [AtomicU64]> {
        (torus < self.tori()).then(|| self.part(self.layout.injection(torus)))
    }

    pub(super) fn inject_records(&self) -> usize {
        self.layout.geometry().inject_records as usize
    }

    /// Records sent from one torus to another and not read; `None` when the counts contradict each other, or for a pair
    /// that has no ring.
    #[must_use]
    pub fn unread(&self, from: u8, to: u8) -> Option<u64> {
        if from >= self.tori() || to >= self.tori() || from == to {
            return None;
        }
        let words = self.ring_words(from, to);
        let head = words[APART_WORDS].load(Ordering::Acquire);
        let tail = words[0].load(Ordering::Acquire);
        let records = tail.wrapping_sub(head);
        (records <= u64::from(self.layout.geometry().ring_records)).then_some(records)
    }

    /// Every ring between two tori with something unread in it.
    pub fn all_unread(&self) -> impl Iterator<Item = Unread> + use<'r> {
        let view = *self;
        let pairs = (0..self.tori()).flat_map(move |from| (0..view.tori()).map(move |to| (from, to)));
        pairs.filter_map(move |(from, to)| {
            let records = view.unread(from, to)?;
            (records > 0).then_some(Unread { from: Some(from), to, records })
        })
    }
}
