//! Who is a member for whom: a bit for each pair, kept from what the nodes tell.

/// A square of bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    words: usize,
    bits: Vec<u64>,
}

impl Census {
    /// Nobody knows anybody.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let words = nodes.div_ceil(64);
        Self { words, bits: vec![0; words * nodes] }
    }

    const fn place(&self, observer: u32, subject: u32) -> (usize, u64) {
        (observer as usize * self.words + subject as usize / 64, 1 << (subject % 64))
    }

    /// Whether `subject` is a member for `observer`.
    #[must_use]
    pub fn has(&self, observer: u32, subject: u32) -> bool {
        let (word, bit) = self.place(observer, subject);
        self.bits[word] & bit != 0
    }

    /// Sets that; returns whether it was set before.
    pub fn set(&mut self, observer: u32, subject: u32, member: bool) -> bool {
        let (word, bit) = self.place(observer, subject);
        let before = self.bits[word] & bit != 0;
        if member {
            self.bits[word] |= bit;
        } else {
            self.bits[word] &= !bit;
        }
        before
    }

    /// Sets a whole row: for `observer`, everybody with `member(subject)`.
    pub fn fill(&mut self, observer: u32, nodes: u32, member: impl Fn(u32) -> bool) {
        for subject in 0..nodes {
            self.set(observer, subject, member(subject));
        }
    }
}
