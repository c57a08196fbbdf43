//! Addresses of the reliable planes that a configuration names. A name that cannot be resolved at the start (a network that comes
//! up later, a record that is not there yet) is asked for again until it can be.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::bridge::{LinkSender, ToLink};
use super::settings::Peer;
use crate::config::cluster::Cluster;

/// How often names are asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// One address of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The node; `None` = a seed.
    pub peer: Option<u32>,
    /// Host and port.
    pub text: String,
}

impl Named {
    /// The key it stands under.
    fn key(&self) -> &'static str {
        if self.peer.is_some() { "peer.address" } else { "cluster.seeds" }
    }
}

/// What the names came to.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Nodes.
    pub peers: Vec<Peer>,
    /// Seeds.
    pub seeds: Vec<SocketAddr>,
    /// Names that lead nowhere now; said already.
    pub unresolved: Vec<Named>,
}

/// Asks the system for a name.
#[must_use]
pub fn lookup(text: &str) -> Option<SocketAddr> {
    text.to_socket_addrs().ok().and_then(|mut all| all.next())
}

/// Looks up every name of the file once.
#[must_use]
pub fn resolve(cluster: &Cluster, lookup: impl Fn(&str) -> Option<SocketAddr>) -> Resolved {
    let peers = cluster.peers.iter().map(|peer| Named { peer: Some(peer.id), text: peer.address.clone() });
    let seeds = cluster.seeds.iter().map(|seed| Named { peer: None, text: seed.clone() });
    let mut out = Resolved::default();
    for named in peers.chain(seeds) {
        match (lookup(&named.text), named.peer) {
            (Some(address), Some(id)) => out.peers.push(Peer { id, address }),
            (Some(address), None) => out.seeds.push(address),
            (None, _) => {
                let (key, text, s) = (named.key(), &named.text, AGAIN.as_secs());
                tracing::warn!("{key} = \"{text}\" cannot be resolved: it is asked for again every {s} s");
                out.unresolved.push(named);
            }
        }
    }
    out
}

/// A thread that asks for names again. Dropping this ends it, at once or when the system has answered.
#[derive(Debug)]
pub struct Asking {
    _alive: Sender<()>,
}

impl Asking {
    /// Asks for `names` from time to time and tells the link thread what they are; `None` when there are none.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(names: Vec<Named>, to: LinkSender) -> std::io::Result<Option<Self>> {
        Self::start_with(names, AGAIN, lookup, move |name, address| {
            let _ = to.send(ToLink::Resolved { peer: name.peer, name: name.text.clone(), address });
        })
    }

    fn start_with(
        mut names: Vec<Named>,
        period: Duration,
        lookup: impl Fn(&str) -> Option<SocketAddr> + Send + 'static,
        found: impl Fn(&Named, SocketAddr) + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        if names.is_empty() {
            return Ok(None);
        }
        let (alive, ended) = bounded::<()>(0);
        let body = move || {
            while !names.is_empty() && ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                names.retain(|name| {
                    let address = lookup(&name.text);
                    address.inspect(|address| found(name, *address)).is_none()
                });
            }
        };
        std::thread::Builder::new().name("names".to_owned()).spawn(body)?;
        Ok(Some(Self { _alive: alive }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const GUARD: Duration = Duration::from_secs(60);

    /// A name is asked for until it leads somewhere, once then; the end of the node ends the asking.
    #[test]
    fn a_name_is_asked_for_until_it_is_known() {
        let (tell, told) = crossbeam_channel::unbounded();
        let asked = Arc::new(AtomicU32::new(0));
        let (count, address) = (Arc::clone(&asked), SocketAddr::from(([10, 0, 0, 2], 7947)));
        let late = move |text: &str| {
            let late = text == "late:7947" && count.fetch_add(1, Ordering::SeqCst) >= 2;
            late.then_some(address)
        };
        let (late_name, never) =
            (Named { peer: Some(2), text: "late:7947".into() }, Named { peer: None, text: "never:7947".into() });
        let found = move |name: &Named, address| drop(tell.send((name.clone(), address)));
        let names = vec![late_name.clone(), never];
        let asking = Asking::start_with(names, Duration::from_millis(1), late, found).expect("a thread");
        assert_eq!(told.recv_timeout(GUARD), Ok((late_name, address)));
        drop(asking);
        // The thread held the other end of it.
        assert_eq!(told.recv_timeout(GUARD), Err(RecvTimeoutError::Disconnected));
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        assert!(Asking::start_with(Vec::new(), GUARD, lookup, |_, _| ()).expect("no thread").is_none());
    }
}
