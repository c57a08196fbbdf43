//! `trefoil ca`: the authority of a cluster, worked on its files; no agent is needed.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ekk::id::NodeId;

use super::{Failure, out};
use crate::cluster::identity::authority::{Authority, CA_CERTIFICATE, CA_KEY, Order, REVOKED};
use crate::cluster::identity::load::ending;
use crate::cluster::identity::names::{self, Subject, day};
use crate::cluster::identity::{Card, Certificate, IdentityError, files, revoked, unix_now_s};

#[derive(Debug, Subcommand)]
pub(super) enum Ca {
    /// Make the authority of a cluster: a certificate for every node, a key to be kept away from all of them.
    Init(Init),
    /// Issue certificate, key and card of a node.
    Issue(Issue),
    /// Say what a certificate, card or revocation list is, for whom, by whom, and until when.
    Show {
        /// Certificate, card or revocation list.
        file: PathBuf,
    },
    /// Take a node's key out of use, everywhere.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Name of the cluster: a-z, 0-9 and -, at most 32.
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// Folder of the CA; created if need be.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// How long the CA is good, days.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Certificate of the CA of the same cluster that this one is to succeed.
    #[arg(long, value_name = "FILE")]
    replaces: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Issue {
    /// Name of the node: a-z, 0-9 and -, at most 24.
    node: String,
    /// Number of the node, unique in the cluster: cluster.id of its configuration.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_294_967_294))]
    id: u32,
    /// Zone, for people and as a default; at most 16 bytes.
    #[arg(long, default_value = "")]
    zone: String,
    /// How long the certificate is good, days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Folder of the CA.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// Folder for node-ID.crt, node-ID.key and node-ID.card [default: the folder of the CA].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A new certificate for a node that has one.
    #[arg(long)]
    renew: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Number of a node (all its keys), or its certificate or card (that key).
    #[arg(value_name = "ID|FILE")]
    what: String,
    /// Folder of the CA.
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self::failed(error)
    }
}

pub(super) fn ca(command: Ca) -> Result<(), Failure> {
    out::text(&run(command)?);
    Ok(())
}

/// Does it, and returns what is to be said.
fn run(command: Ca) -> Result<String, Failure> {
    match command {
        Ca::Init(init) => self::init(&init),
        Ca::Issue(issue) => self::issue(issue),
        Ca::Show { file } => show(&file),
        Ca::Revoke(revoke) => self::revoke(&revoke),
    }
}

fn init(given: &Init) -> Result<String, Failure> {
    let old = given.replaces.as_deref().map(Certificate::read).transpose()?;
    let authority = Authority::init(&given.out, &given.cluster, given.days, old.as_ref())?;
    let (crt, key) = (given.out.join(CA_CERTIFICATE), given.out.join(CA_KEY));
    let certificate = authority.certificate();
    let mut text = format!(
        "CA of cluster {} (number {:016x}) until {}\n  {}  for every node: cluster.identity.ca\n  {}  secret; only `trefoil ca issue` and `trefoil ca revoke` need it\n",
        given.cluster,
        authority.cluster_id(),
        day(certificate.ends_unix_s),
        crt.display(),
        key.display(),
    );
    if let Some(old) = &given.replaces {
        let _ = writeln!(
            text,
            "Until every node has a certificate of the new CA, name both in cluster.identity.ca: {} and {}.",
            old.display(),
            crt.display()
        );
    }
    let _ = writeln!(text, "Next: trefoil ca issue NODE --id 1 --ca {}", given.out.display());
    Ok(text)
}

fn issue(given: Issue) -> Result<String, Failure> {
    let authority = Authority::open(&given.ca)?;
    let id = NodeId::new(given.id).ok_or_else(|| Failure::usage("--id: expected 1..=4294967294"))?;
    let out = given.out.unwrap_or(given.ca);
    let order = Order { name: given.node, id, zone: given.zone, days: given.days, renew: given.renew };
    let issued = authority.issue(&order, &out)?;
    let [crt, key, card] = &issued.files;
    let shortened = if issued.shortened { ", with the CA" } else { "" };
    Ok(format!(
        "Node {id} ({}) of cluster {}, until {}{shortened}\n  {}\n  {}  secret; only this node may have it\n  {}\nCopy them and ca.crt to the node, into cluster.identity.dir.\n",
        order.name,
        authority.certificate().subject.cluster(),
        day(issued.ends_unix_s),
        crt.display(),
        key.display(),
        card.display(),
    ))
}

fn revoke(given: &Revoke) -> Result<String, Failure> {
    let authority = Authority::open(&given.ca)?;
    let (node, only) = match given.what.parse::<u32>() {
        Ok(id) => (NodeId::new(id).ok_or_else(|| Failure::usage("ID: expected 1..=4294967294"))?, None),
        Err(_) => {
            let (node, cluster, key) = named(Path::new(&given.what))?;
            let ours = authority.certificate().subject.cluster();
            if cluster != ours {
                let expected = format!("a node of cluster {ours}");
                let found = format!("node {node} of cluster {cluster}");
                return Err(IdentityError::wrong(
                    &given.what,
                    found,
                    expected,
                    "name the CA of that cluster: --ca DIR",
                )
                .into());
            }
            (node, Some(key))
        }
    };
    let added = authority.revoke(node, only)?;
    let list = given.ca.join(REVOKED);
    if added.is_empty() {
        return Ok(format!("Node {node} was revoked before; {} is unchanged.\n", list.display()));
    }
    let mut text = String::new();
    for entry in &added {
        let _ = writeln!(text, "Revoked: node {}, key {}", entry.node, names::hex(&entry.public_key));
    }
    let _ = writeln!(
        text,
        "Copy {} to every node (cluster.identity.revoked); agents that run take it in within seconds.",
        list.display()
    );
    Ok(text)
}

/// Node, cluster and key of a certificate or card.
fn named(path: &Path) -> Result<(NodeId, String, [u8; 32]), Failure> {
    let bytes = files::read(path)?;
    if let Ok(certificate) = Certificate::from_pem(&bytes) {
        let node = certificate.node().ok_or_else(|| {
            let remedy = "take the CA out of identity.ca on every node instead";
            IdentityError::in_file(path, "the certificate of a CA", "that of a node", remedy)
        })?;
        return Ok((node, certificate.subject.cluster().to_owned(), certificate.public_key));
    }
    let card = Card::from_text(&String::from_utf8_lossy(&bytes)).map_err(|_| {
        let remedy = "name a .crt or .card file, or the number of the node";
        IdentityError::in_file(path, "neither", "a node's certificate or card", remedy)
    })?;
    Ok((card.node, card.cluster, card.public_key))
}

fn show(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("PRIVATE KEY") {
        let remedy = "show the .crt file beside it";
        return Err(
            IdentityError::in_file(path, "a private key", "a certificate, card or revocation list", remedy).into()
        );
    }
    if let Ok(card) = Card::from_text(&text) {
        return Ok(show_card(&card));
    }
    if text.contains("[[list]]")
        && let Ok(lists) = revoked::from_text(&text)
    {
        return Ok(show_lists(&lists));
    }
    Ok(show_certificate(&Certificate::read(path)?))
}

fn until(ends_unix_s: u64) -> String {
    let now = unix_now_s();
    let day = day(ends_unix_s);
    match ends_unix_s.checked_sub(now) {
        None | Some(0) => format!("{day}, ENDED"),
        Some(left) => format!("{day}, {} days left", left / 86_400),
    }
}

fn show_certificate(certificate: &Certificate) -> String {
    let ca = names::ca_id(&certificate.public_key);
    let mut text = match &certificate.subject {
        Subject::Ca { cluster, cluster_id } => {
            format!("what         CA {ca:016x}\ncluster      {cluster} (number {cluster_id:016x})\n")
        }
        Subject::Node { cluster, id } => {
            format!("what         certificate of node {id} ({})\ncluster      {cluster}\n", certificate.name)
        }
    };
    let _ = writeln!(text, "signed by    {}", certificate.issuer);
    let _ = writeln!(text, "ends         {}", until(certificate.ends_unix_s));
    let _ = writeln!(text, "key          {}", names::hex(&certificate.public_key));
    let _ = writeln!(text, "fingerprint  {}", certificate.fingerprint());
    if let Some(id) = certificate.node() {
        let warning = ending(certificate.ends_unix_s, unix_now_s(), &certificate.name, id);
        if !warning.is_empty() {
            let _ = writeln!(text, "warning      {warning}");
        }
    }
    text
}

fn show_card(card: &Card) -> String {
    let zone = if card.zone.is_empty() { "-" } else { &card.zone };
    format!(
        "what         member card of node {} ({})\ncluster      {} (number {:016x})\nzone         {zone}\nsigned by    CA {:016x}, not checked here\nends         {}\nkey          {}\n",
        card.node,
        card.name,
        card.cluster,
        card.cluster_id,
        card.ca_id,
        until(card.ends_unix_s),
        names::hex(&card.public_key),
    )
}

fn show_lists(lists: &[revoked::List]) -> String {
    let mut text = String::new();
    for list in lists {
        let _ = writeln!(
            text,
            "what         revocation list {} of cluster number {:016x}\nsigned by    CA {:016x}, not checked here\nrevoked      {}",
            list.number,
            list.cluster_id,
            list.ca_id,
            list.entries.len()
        );
        for entry in &list.entries {
            let _ = writeln!(
                text,
                "  node {:<6} {}  key {}",
                entry.node,
                day(entry.at_unix_s),
                names::hex(&entry.public_key)
            );
        }
    }
    text
}
