//! Matching of variables to values and strong components, for any number of them; loops and stacks of its own, no recursion.

const NONE: u32 = u32::MAX;

/// Work space and the matching found last.
#[derive(Debug, Clone)]
pub(super) struct Matching {
    /// Value of each variable.
    mate: Vec<u32>,
    /// Variable of each value.
    owner: Vec<u32>,
    open: Vec<u32>,
    is_open: Vec<bool>,
    /// Round in which a value was seen, and by whom.
    seen: Vec<u32>,
    via: Vec<u32>,
    round: u32,
    queue: Vec<u32>,
    component: Vec<u32>,
    order: Vec<u32>,
    low: Vec<u32>,
    path: Vec<(u32, u32)>,
    stack: Vec<u32>,
}

impl Matching {
    pub(super) fn new(variables: usize, values: usize) -> Self {
        Self {
            mate: vec![NONE; variables],
            owner: vec![NONE; values],
            open: Vec::with_capacity(variables),
            is_open: vec![false; variables],
            seen: vec![0; values],
            via: vec![NONE; values],
            round: 0,
            queue: Vec::with_capacity(variables),
            component: vec![0; variables + 1],
            order: vec![0; variables + 1],
            low: vec![0; variables + 1],
            path: Vec::with_capacity(variables + 1),
            stack: Vec::with_capacity(variables + 1),
        }
    }

    /// Looks at these variables only.
    pub(super) fn begin(&mut self, open: impl Iterator<Item = u32>) {
        self.open.clear();
        self.is_open.fill(false);
        for at in open {
            self.open.push(at);
            self.is_open[at as usize] = true;
        }
    }

    pub(super) fn is_open(&self, at: usize) -> bool {
        self.is_open[at]
    }

    /// Matches every open variable; false when that cannot be. `next(x, from)` is the first place of x from there on, with the value
    /// that stands there.
    pub(super) fn complete(&mut self, next: &impl Fn(u32, usize) -> Option<(usize, usize)>) -> bool {
        self.owner.fill(NONE);
        for i in 0..self.open.len() {
            let at = self.open[i];
            let mut from = 0;
            let before = self.mate[at as usize];
            self.mate[at as usize] = NONE;
            while let Some((place, value)) = next(at, from) {
                if value as u32 == before && self.owner[value] == NONE {
                    self.mate[at as usize] = before;
                    self.owner[value] = at;
                    break;
                }
                from = place + 1;
            }
        }
        (0..self.open.len()).all(|i| self.mate[self.open[i] as usize] != NONE || self.augment(self.open[i], next))
    }

    /// Finds a value for one more variable, moving others.
    fn augment(&mut self, root: u32, next: &impl Fn(u32, usize) -> Option<(usize, usize)>) -> bool {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.seen.fill(0);
            self.round = 1;
        }
        self.queue.clear();
        self.queue.push(root);
        let mut head = 0;
        while let Some(at) = self.queue.get(head).copied() {
            head += 1;
            let mut from = 0;
            while let Some((place, value)) = next(at, from) {
                from = place + 1;
                if self.seen[value] == self.round {
                    continue;
                }
                self.seen[value] = self.round;
                self.via[value] = at;
                match self.owner[value] {
                    NONE => {
                        self.shift(root, value);
                        return true;
                    }
                    other => self.queue.push(other),
                }
            }
        }
        false
    }

    fn shift(&mut self, root: u32, mut end: usize) {
        loop {
            let at = self.via[end];
            let before = self.mate[at as usize];
            self.mate[at as usize] = end as u32;
            self.owner[end] = at;
            if at == root {
                return;
            }
            end = before as usize;
        }
    }

    /// Strong components of "could take the value of"; a last node stands for the free values: who can take one leads to it, and
    /// it leads to everyone.
    pub(super) fn components(&mut self, next: &impl Fn(u32, usize) -> Option<(usize, usize)>) {
        let free = self.mate.len() as u32;
        self.component.fill(0);
        self.order.fill(0);
        let (mut clock, mut found) = (0, 0);
        for i in 0..=self.open.len() {
            let root = self.open.get(i).copied().unwrap_or(free);
            if self.order[root as usize] == 0 {
                self.enter(root, &mut clock);
                while let Some((at, from)) = self.path.last().copied() {
                    match self.arc(at, from, next) {
                        Some((then, to)) => {
                            if let Some(top) = self.path.last_mut() {
                                top.1 = then;
                            }
                            if self.order[to as usize] == 0 {
                                self.enter(to, &mut clock);
                            } else if self.component[to as usize] == 0 {
                                self.low[at as usize] = self.low[at as usize].min(self.order[to as usize]);
                            }
                        }
                        None => self.leave(at, &mut found),
                    }
                }
            }
        }
    }

    fn enter(&mut self, at: u32, clock: &mut u32) {
        *clock += 1;
        self.order[at as usize] = *clock;
        self.low[at as usize] = *clock;
        self.stack.push(at);
        self.path.push((at, 0));
    }

    fn leave(&mut self, at: u32, found: &mut u32) {
        self.path.pop();
        let low = self.low[at as usize];
        if let Some((above, _)) = self.path.last() {
            let above = *above as usize;
            self.low[above] = self.low[above].min(low);
        }
        if low == self.order[at as usize] {
            *found += 1;
            while let Some(member) = self.stack.pop() {
                self.component[member as usize] = *found;
                if member == at {
                    break;
                }
            }
        }
    }

    /// Next arc of a node from position `from` on: where to go on, and its end.
    fn arc(&self, at: u32, from: u32, next: &impl Fn(u32, usize) -> Option<(usize, usize)>) -> Option<(u32, u32)> {
        let free = self.mate.len() as u32;
        if at == free {
            return self.open.get(from as usize).map(|to| (from + 1, *to));
        }
        let (place, value) = next(at, from as usize)?;
        let to = self.owner[value];
        Some((place as u32 + 1, if to == NONE { free } else { to }))
    }

    /// Whether an open variable may keep the value.
    pub(super) fn stays(&self, at: usize, value: usize) -> bool {
        match self.owner[value] {
            NONE => true,
            owner => self.component[owner as usize] == self.component[at],
        }
    }
}
