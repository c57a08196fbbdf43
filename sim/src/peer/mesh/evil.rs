//! Nodes that behave badly on purpose, with no key but their own.

use ekk::id::Identity;
use ekk::membership::evidence::{Certificate, Statement, WatchSet};
use ekk::sign::Signature;
use ekk::sink::Class;
use ekk::wire::v1::Header;
use ekk::wire::v1::membership::Message;

use super::{CLUSTER_ID, Member, Mesh, class_index, id};
use crate::peer::Outbox;
use crate::scenario::Behaviour;

/// A node does not misbehave more often than each so many steps.
const EVERY: u64 = 4;

impl Mesh {
    pub(super) fn act_evil(&mut self, member: &mut Member, behaviour: Behaviour, out: &mut Outbox) {
        if member.random.below(EVERY) != 0 {
            return;
        }
        match behaviour {
            // Its votes are its own: nothing to add without a ballot.
            Behaviour::Equivocate => {}
            Behaviour::Slander => self.slander(member, out),
            Behaviour::Forge => self.forge(member, out),
            Behaviour::Noise => self.noise(member, out),
        }
    }

    /// Says of somebody it watches that it is silent, to all it watches and to the victim.
    fn slander(&self, member: &mut Member, out: &mut Outbox) {
        let peers: Vec<Identity> =
            member.node.watches(ekk::time::Time(member.now_ns)).map(|watch| watch.identity).collect();
        let Some(&victim) = peers.get(member.random.below(peers.len() as u64) as usize) else { return };
        let mut statement = Statement {
            subject: self.records.get(victim.id.get() as usize - 1).map_or(victim, |record| record.identity),
            watcher: id(member.index),
            last_sequence: member.random.below(1_000) as u32,
            age_us: 5_000_000,
            missed: 50,
            threshold: 6,
            doubt: 16,
            signature: Signature::EMPTY,
        };
        statement.sign(CLUSTER_ID, &mut member.signer);
        for peer in peers {
            self.say(member, &Message::Silence(statement), peer.id.get() - 1, out);
        }
    }

    /// A certificate about a living node whose statements nobody signed.
    fn forge(&self, member: &mut Member, out: &mut Outbox) {
        let victim = member.random.below(u64::from(self.nodes)) as u32;
        let subject = self.records[victim as usize].identity;
        let mut set = WatchSet::empty(subject, u32::MAX);
        let others: Vec<u32> = (0..8)
            .map(|_| member.random.below(u64::from(self.nodes)) as u32)
            .filter(|&other| other != victim)
            .collect();
        for &other in &others {
            set.add(id(other));
        }
        set.sign(CLUSTER_ID, &mut member.signer);
        let mut certificate = Certificate::new(subject, set);
        for &other in &others {
            let mut statement = Statement {
                subject,
                watcher: id(other),
                last_sequence: 5,
                age_us: 900_000,
                missed: 9,
                threshold: 6,
                doubt: 16,
                signature: Signature::EMPTY,
            };
            statement.sign(CLUSTER_ID, &mut member.signer);
            certificate.add(statement);
        }
        let to = member.random.below(u64::from(self.nodes)) as u32;
        self.say(member, &Message::Certificate(certificate), to, out);
    }

    /// Random bytes, and datagrams it heard from others sent on as they are.
    fn noise(&self, member: &mut Member, out: &mut Outbox) {
        let to = member.random.below(u64::from(self.nodes)) as u32;
        let length = member.random.below(200) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| member.random.next() as u8).collect();
        out.send(to, class_index(Class::Membership), &bytes);
        if !member.heard.is_empty() {
            out.send(to, class_index(Class::Membership), &member.heard);
        }
    }

    fn say(&self, member: &mut Member, message: &Message, to: u32, out: &mut Outbox) {
        let mut buffer = [0; ekk::wire::v1::MESSAGE_BYTES_MAX];
        if let Some(bytes) = encode(member, message, &mut buffer) {
            out.send(to, class_index(Class::Membership), bytes);
        }
    }
}

fn encode<'b>(member: &mut Member, message: &Message, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let sequence = 1 << 20 | member.random.below(1 << 10) as u32;
    let header = Header { kind: message.kind(), sender: member.node.identity(), sequence };
    let length = {
        let mut writer = header.begin(buffer).ok()?;
        message.encode(&mut writer).ok()?;
        writer.len()
    };
    Some(&buffer[..length])
}
