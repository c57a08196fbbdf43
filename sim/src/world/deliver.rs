//! From a node's wish to send to another node's hands: session, network, replay window, backlog.

use super::sessions::{self, HELD_MAX, TRIES_MAX, Taken};
use super::{BACKLOG_MAX, Event, Packet, Pending, World};
use crate::peer::{Protocol, SESSION};

impl<P: Protocol> World<P> {
    pub(super) fn send(&mut self, now_ns: u64, from: u32, to: u32, class: u8, bytes: &[u8]) {
        if to == from || to >= self.settings.nodes {
            return;
        }
        let (sequence, key) = if self.protocol.sessions() {
            match self.slots[from as usize].sessions.next_sequence(to, now_ns) {
                Some(found) => found,
                None => {
                    self.hold(now_ns, from, to, class, bytes);
                    return;
                }
            }
        } else {
            (0, 0)
        };
        let length = bytes.len() + self.protocol.overhead();
        self.measure.traffic[usize::from(class)].add(1, length as u64);
        let arrivals = self.network.carry(now_ns, from, to, length);
        let copies = arrivals.iter().flatten().count() as u8;
        if copies == 0 {
            return;
        }
        let slot = self.take_packet();
        let packet = &mut self.packets[slot as usize];
        (packet.from, packet.to, packet.copies) = (from, to, copies);
        (packet.sequence, packet.key) = (sequence, key);
        packet.bytes.clear();
        packet.bytes.extend_from_slice(bytes);
        for at_ns in arrivals.into_iter().flatten() {
            self.queue.push(at_ns, Event::Packet { slot });
        }
    }

    fn take_packet(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.packets.push(Packet::default());
            self.packets.len() as u32 - 1
        })
    }

    pub(super) fn release(&mut self, slot: u32) {
        let packet = &mut self.packets[slot as usize];
        packet.copies -= 1;
        if packet.copies == 0 {
            self.free.push(slot);
        }
    }

    pub(super) fn arrive(&mut self, now_ns: u64, slot: u32) {
        let packet = &self.packets[slot as usize];
        let target = &mut self.slots[packet.to as usize];
        if target.member.is_none() {
            self.measure.astray += 1;
            self.release(slot);
        } else if target.stalled {
            if target.backlog.len() < BACKLOG_MAX {
                target.backlog.push(slot);
            } else {
                self.measure.astray += 1;
                self.release(slot);
            }
        } else {
            self.hand_over(now_ns, slot);
        }
    }

    /// Hands a datagram to its process, which lives and runs.
    pub(super) fn hand_over(&mut self, now_ns: u64, slot: u32) {
        let packet = std::mem::take(&mut self.packets[slot as usize]);
        let (from, to) = (packet.from, packet.to);
        let target = &mut self.slots[to as usize];
        let taken = if self.protocol.sessions() {
            target.sessions.take(from, packet.key, packet.sequence, now_ns)
        } else {
            Taken::Fresh
        };
        match (taken, target.member.as_mut()) {
            (Taken::Fresh, Some(member)) => {
                self.measure.received += 1;
                self.trace.word(now_ns ^ u64::from(to) << 40);
                let shown = target.clock.show(now_ns);
                self.protocol.receive(member, shown, from, &packet.bytes, &mut self.out);
            }
            (Taken::Replayed, _) => self.measure.replayed += 1,
            _ => {
                self.measure.astray += 1;
                self.lost_session(now_ns, from, to, packet.key);
            }
        }
        self.packets[slot as usize] = packet;
        self.release(slot);
        self.flush(now_ns, to);
        self.schedule(now_ns, to);
    }

    /// The receiver does not know the sender's session: the sender is told (a stateless reset) and shakes hands anew.
    fn lost_session(&mut self, now_ns: u64, from: u32, to: u32, key: u64) {
        let sender = &mut self.slots[from as usize];
        if self.protocol.sessions() && sender.sessions.key(to) == Some(key) && self.network.reaches(to, from) {
            sender.sessions.remove(to);
            let shown = sender.clock.show(now_ns);
            let was_out = std::mem::take(&mut self.out);
            if let Some(member) = sender.member.as_mut() {
                self.protocol.session(member, to, false, shown, &mut self.out);
            }
            self.flush(now_ns, from);
            self.out = was_out;
        }
    }

    /// A node wants a session before it has something to send.
    pub(super) fn wish(&mut self, now_ns: u64, from: u32, to: u32) {
        let known = to == from || to >= self.settings.nodes || self.shaking.contains_key(&(from, to));
        if !known && self.protocol.sessions() && self.slots[from as usize].sessions.key(to).is_none() {
            self.begin_shake(now_ns, from, to, Vec::new());
        }
    }

    /// Keeps a datagram until there is a session, and begins the hand-shake.
    fn hold(&mut self, now_ns: u64, from: u32, to: u32, class: u8, bytes: &[u8]) {
        if let Some(pending) = self.shaking.get(&(from, to)).and_then(|number| self.pending.get_mut(number)) {
            if pending.held.len() < HELD_MAX {
                pending.held.push((class, bytes.to_vec()));
            } else {
                self.measure.held_over += 1;
            }
            return;
        }
        self.begin_shake(now_ns, from, to, vec![(class, bytes.to_vec())]);
    }

    fn begin_shake(&mut self, now_ns: u64, from: u32, to: u32, held: Vec<(u8, Vec<u8>)>) {
        if !self.slots[from as usize].sessions.may_shake(now_ns) {
            self.measure.held_over += held.len() as u64;
            return;
        }
        self.shakes += 1;
        let number = self.shakes;
        self.pending.insert(number, Pending { from, to, tries: 0, held });
        self.shaking.insert((from, to), number);
        self.queue.push(now_ns, Event::Shake { pending: number });
    }

    /// One try of a hand-shake: three flights, all of which must come.
    pub(super) fn shake(&mut self, now_ns: u64, number: u64) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let (from, to) = (pending.from, pending.to);
        if pending.tries == u8::MAX {
            self.shaken(now_ns, number);
            return;
        }
        pending.tries += 1;
        let tries = pending.tries;
        let alive = |world: &Self, node: u32| {
            let slot = &world.slots[node as usize];
            slot.member.is_some() && !slot.stalled
        };
        let mut at_ns = Some(now_ns);
        for ((a, b), (datagrams, bytes)) in [(from, to), (to, from), (from, to)].into_iter().zip(sessions::FLIGHTS) {
            if let Some(leaves_ns) = at_ns.filter(|_| alive(self, a)) {
                self.measure.traffic[SESSION].add(datagrams, bytes);
                at_ns = self.network.carry(leaves_ns, a, b, bytes as usize)[0];
            } else {
                at_ns = None;
            }
        }
        match at_ns.filter(|_| alive(self, from) && alive(self, to)) {
            Some(at_ns) => {
                if let Some(pending) = self.pending.get_mut(&number) {
                    pending.tries = u8::MAX;
                }
                self.queue.push(at_ns, Event::Shake { pending: number });
            }
            None if tries < TRIES_MAX && alive(self, from) => {
                let wait_ns = sessions::RETRY_NS << (tries - 1);
                let spread_ns = self.session_random.below(wait_ns / 4 + 1);
                self.queue.push(now_ns + wait_ns + spread_ns, Event::Shake { pending: number });
            }
            None => {
                self.measure.held_over += self.pending.remove(&number).map_or(0, |pending| pending.held.len() as u64);
                self.shaking.remove(&(from, to));
            }
        }
    }

    /// The hand-shake is through: both have the session, what waited goes out.
    fn shaken(&mut self, now_ns: u64, number: u64) {
        let Some(pending) = self.pending.remove(&number) else { return };
        let (from, to) = (pending.from, pending.to);
        self.shaking.remove(&(from, to));
        if self.slots[from as usize].member.is_none() || self.slots[to as usize].member.is_none() {
            return;
        }
        self.measure.handshakes += 1;
        let shared = |a: u32, b: u32| self.slots[a as usize].sessions.key(b);
        // When both shook hands at the same time, the session of the first is enough.
        if shared(from, to).is_none() || shared(from, to) != shared(to, from) {
            self.install(now_ns, from, to, number + 1);
            self.install(now_ns, to, from, number + 1);
        }
        for (class, bytes) in pending.held {
            self.send(now_ns, from, to, class, &bytes);
        }
    }

    fn install(&mut self, now_ns: u64, node: u32, peer: u32, key: u64) {
        let gone = self.slots[node as usize].sessions.install(peer, key, now_ns);
        self.tell_session(now_ns, node, peer, true);
        if let Some(gone) = gone {
            self.slots[gone as usize].sessions.remove(node);
            self.tell_session(now_ns, node, gone, false);
            self.tell_session(now_ns, gone, node, false);
        }
    }

    fn tell_session(&mut self, now_ns: u64, node: u32, peer: u32, up: bool) {
        let slot = &mut self.slots[node as usize];
        let shown = slot.clock.show(now_ns);
        if let Some(member) = slot.member.as_mut() {
            self.protocol.session(member, peer, up, shown, &mut self.out);
        }
        self.flush(now_ns, node);
        self.schedule(now_ns, node);
    }
}
