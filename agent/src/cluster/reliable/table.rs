//! Taking connections into the table: tie-break, restarts, two boots on one certificate.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::admit::{Decision, Side, decide};
use super::failure::{SUPERSEDED, close};
use super::handshake::{Fresh, refuse};
use super::plane::{Peer, Plane, Probe};
use super::serve::{COMMANDS, Command, Serve, Which, serve};
use crate::cluster::bridge::{KEY_BYTES, Keys, SessionUp, Target, Why};
use crate::cluster::identity::Refused;

impl Plane {
    /// What becomes of a connection that just said hello.
    pub(super) fn consider(&mut self, fresh: Box<Fresh>, target: Option<(Target, Why)>) {
        let id = fresh.id();
        let settings = &self.shared.settings;
        if self.gone.get(&id).is_some_and(|gone| fresh.hello.boot_inc <= *gone) {
            let text = format!("incarnation {} was removed", fresh.hello.boot_inc);
            return self.turn_away(&fresh, target, Refused::Gone, text);
        }
        if !self.peers.contains_key(&id) && self.peers.len() >= settings.max_connections {
            let text = format!("{} connections, as many as there may be", settings.max_connections);
            return self.turn_away(&fresh, target, Refused::Busy, text);
        }
        let side = Side {
            boot_id: fresh.hello.boot_id,
            boot_inc: fresh.hello.boot_inc,
            dialled: fresh.dialled,
            address: fresh.connection.remote_address(),
        };
        let present = self.peers.get(&id).map(|peer| peer.side);
        match decide(present, side, self.shared.me().node, id, self.dials.is_dialling(id)) {
            Decision::Take => self.take(fresh, target),
            Decision::Hold => {
                // The own dial may go to an address that is no longer right; it is not waited for to its end.
                let until = Instant::now() + settings.times.probe;
                if let Some((former, _)) = self.held.insert(id, (fresh, until)) {
                    close(&former.connection, SUPERSEDED, "");
                }
            }
            Decision::Probe => {
                self.numbers += 1;
                let (ping, until) = (self.numbers, Instant::now() + settings.times.probe);
                self.command(id, Command::Ping(ping));
                if let Some(former) = self.probes.insert(id, Probe { fresh, target, ping, until }) {
                    close(&former.fresh.connection, SUPERSEDED, "");
                }
            }
        }
    }

    fn turn_away(&mut self, fresh: &Fresh, target: Option<(Target, Why)>, reason: Refused, text: String) {
        let failure = refuse(&fresh.connection, reason, text);
        match target {
            Some((target, _)) => self.dial_failed(target, &failure),
            None => self.shared.board.failure(&failure, &format!("node {}", fresh.id())),
        }
    }

    /// Takes a connection; one that was there goes.
    pub(super) fn take(&mut self, fresh: Box<Fresh>, target: Option<(Target, Why)>) {
        let id = fresh.id();
        self.numbers += 1;
        let which = Which { peer: id, number: self.numbers };
        if let Some(former) = self.peers.remove(&id) {
            close(&former.connection, SUPERSEDED, "");
            if former.began && former.side.boot_id != fresh.hello.boot_id {
                let why = format!("the node restarted: incarnation {}", fresh.hello.boot_inc);
                self.post(crate::cluster::bridge::ToLink::SessionDown { peer: id, boot_id: former.up.boot_id, why });
            }
        }
        let address = fresh.connection.remote_address();
        let (commands, orders) = mpsc::channel(COMMANDS);
        let none = Keys { suite: fresh.suite, send: [0; KEY_BYTES], receive: [0; KEY_BYTES] };
        let peer = Peer {
            number: which.number,
            connection: fresh.connection.clone(),
            commands,
            side: Side {
                boot_id: fresh.hello.boot_id,
                boot_inc: fresh.hello.boot_inc,
                dialled: fresh.dialled,
                address,
            },
            public_key: fresh.proven.public_key,
            ends_unix_s: fresh.proven.ends_unix_s,
            target,
            up: SessionUp {
                peer: id,
                boot_id: fresh.hello.boot_id,
                boot_inc: fresh.hello.boot_inc,
                address: Some(fresh.hello.fast.seen_from(address)),
                record: fresh.hello.record.clone(),
                epoch: 0,
                keys: none,
                version: fresh.version,
            },
            began: false,
            keyed: Instant::now(),
            digest: fresh.hello.digest,
            formation: fresh.hello.formation,
        };
        self.peers.insert(id, peer);
        let (shared, events) = (Arc::clone(&self.shared), self.tell.clone());
        tokio::spawn(serve(fresh, Serve { shared, which, commands: orders, events }));
    }

    /// The former connection lives.
    pub(super) fn pong(&mut self, which: Which, ping: u64) {
        if !self.is_current(which) || self.probes.get(&which.peer).is_none_or(|probe| probe.ping != ping) {
            return;
        }
        let Some(probe) = self.probes.remove(&which.peer) else { return };
        let Some(present) = self.peers.get(&which.peer) else { return };
        let (here, there) = (present.side, probe.fresh.hello.boot_id);
        if here.boot_id == there {
            close(&probe.fresh.connection, SUPERSEDED, "");
            return;
        }
        let text = format!(
            "node {}: boot {:016x} at {} and boot {there:016x} at {} are both alive",
            which.peer,
            here.boot_id,
            here.address,
            probe.fresh.connection.remote_address()
        );
        self.command(which.peer, Command::Duplicate(text.clone()));
        self.turn_away(&probe.fresh, probe.target, Refused::Duplicate, text.clone());
        self.duplicate(which.peer, text);
    }

    /// Former connections that did not answer in time are over.
    pub(super) fn probe_due(&mut self, now: Instant) {
        let due: Vec<u32> = self.probes.iter().filter(|(_, probe)| probe.until <= now).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(probe) = self.probes.remove(&id) {
                self.take(probe.fresh, probe.target);
            }
        }
    }

    /// Connections that waited long enough for the own dial are taken.
    pub(super) fn held_due(&mut self, now: Instant) {
        let due: Vec<u32> = self.held.iter().filter(|(_, (_, until))| *until <= now).map(|(id, _)| *id).collect();
        for id in due {
            if let Some((fresh, _)) = self.held.remove(&id) {
                self.take(fresh, None);
            }
        }
    }
}
