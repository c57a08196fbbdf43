//! What a node says when it starts: its page, and the first lines of its log.

use control::page::{NodePage, Text};
use shm_transport::region::Join;
use shm_transport::seed_v1::Start;
use zerocopy::FromZeros;

use crate::config::{self, Config};

use super::clock::Clock;
use super::events::Severity;
use super::keeper::{Inbox, Phase};
use super::node::Base;
use super::pinning::Waiting;
use super::status::pages_code;
use super::thread::Standing;

/// Names of all tori of the braid by id: those of this node as configured, the others by letter.
pub(super) fn names(config: &Config) -> Vec<String> {
    let name = |id: u8| {
        let own = config.tori.iter().find(|torus| torus.id == id);
        own.map_or_else(|| char::from(b'A' + id).to_string(), |torus| torus.name.clone())
    };
    (0..config.braid.tori).map(name).collect()
}

/// The node's page before anything is tried: who it is, and that it is starting.
pub(super) fn first_page(config: &Config, clock: &Clock, boots: &[u64]) -> Box<NodePage> {
    let now_ns = clock.now_ns();
    let mut page = NodePage::new_box_zeroed().expect("the page is 1 KiB; without that nothing starts");
    page.magic = control::page::MAGIC;
    page.version = control::page::VERSION;
    page.pid = std::process::id();
    page.boot_id = boots.last().copied().unwrap_or(0);
    page.phase = Phase::Starting as u32;
    page.heartbeat_ns = now_ns;
    page.started_unix_ns = clock.unix_ns(now_ns);
    page.now_unix_ns = page.started_unix_ns;
    page.mode = u32::from(config.braid.mode == config::Mode::Ring);
    page.tori = config.tori.len() as u32;
    page.name = Text::new(&config.node.name);
    let path = config.region.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    page.region_path = Text::new(&path);
    let path = config.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    page.config_path = Text::new(&path);
    page.build = Text::new(concat!("trefoil ", env!("CARGO_PKG_VERSION")));
    page
}

/// The node's page with what it got.
pub(super) fn node_page(base: &Base, join: &Option<Join>) -> Box<NodePage> {
    let Base { config, plan, region, clock, boots, .. } = base;
    let backing = region.backing();
    let mut page = first_page(config, clock, boots);
    page.spin = u32::from(plan.waiting == Waiting::Spin);
    page.region_bytes = backing.mapped_bytes as u64;
    page.region_pages = pages_code(backing.pages);
    page.region_join = match join {
        Some(Join::Created) => 0,
        Some(Join::Joined { .. }) => 1,
        Some(Join::Renewed { .. }) => 2,
        None => 3,
    };
    page.region_epoch = region.epoch();
    page.backing_reason = Text::new(if backing.met() { "" } else { &backing.reason });
    page
}

/// What lay in the seed region when it was opened (rse-v1-region section 4, rule 2; `rse:M3`).
pub(super) fn tell_seed(inbox: &Inbox, config: &Config, found: Option<Start>) {
    let (Some(path), Some(found)) = (&config.region.seed_v1, found) else { return };
    let path = path.display();
    let (severity, text) = match found {
        Start::Blank => (Severity::Info, format!("seed region {path} was blank")),
        Start::Used => (
            Severity::Notice,
            format!("seed region {path} holds an earlier exchange, or one under way: what lies there does not count"),
        ),
    };
    inbox.line(severity, 255, text);
}

/// The first lines of the log: what the node found and what it got.
pub(super) fn tell_start(inbox: &Inbox, base: &Base, join: &Option<Join>, standings: &[Standing], degraded: &[String]) {
    let Base { config, plan, region, .. } = base;
    let say = |severity, text: String| inbox.line(severity, 255, text);
    let names = names(config);
    let epoch = region.epoch();
    match (join, &config.region.path) {
        (Some(Join::Created), Some(path)) => {
            say(Severity::Info, format!("region {} created, epoch {epoch:016x}", path.display()));
        }
        (Some(Join::Joined { holders }), Some(path)) => {
            let held: Vec<String> = holders
                .iter()
                .map(|line| {
                    let name = names.get(usize::from(line.torus)).map_or("?", String::as_str);
                    format!("{name} by pid {}", line.process.pid)
                })
                .collect();
            let held = if held.is_empty() { "nobody".to_owned() } else { held.join(", ") };
            say(Severity::Info, format!("region {} joined, epoch {epoch:016x}, held: {held}", path.display()));
        }
        (Some(Join::Renewed { remains }), Some(path)) => {
            let (tori, lost) = (remains.lines.len(), remains.lost());
            say(
                Severity::Warning,
                format!(
                    "region {} held {tori} tori of nodes that have ended and {lost} unread messages (epoch {:016x}): renewed, epoch {epoch:016x}",
                    path.display(),
                    remains.epoch
                ),
            );
        }
        _ => say(Severity::Info, format!("private region, epoch {epoch:016x}")),
    }
    for (torus, standing) in config.tori.iter().zip(standings) {
        for (peer, unread) in &standing.unread {
            let peer = names.get(usize::from(*peer)).map_or("?", String::as_str);
            let text = format!("{} takes over {unread} messages {peer} left for its earlier boot", torus.name);
            inbox.line(Severity::Notice, torus.id, text);
        }
    }
    let waiting = if plan.waiting == Waiting::Spin { "spinning" } else { "adaptive" };
    say(Severity::Info, format!("{} tori started, waiting is {waiting}", config.tori.len()));
    for text in &plan.notes {
        say(Severity::Notice, text.clone());
    }
    for text in degraded {
        say(Severity::Warning, text.clone());
    }
}
