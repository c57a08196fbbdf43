//! The cluster part of a configuration file as written; see [`super::raw`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cluster this node belongs to. Without the table the node stands alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCluster {
    /// Number of this node, as in its certificate.
    #[schemars(range(min = 1, max = 4_294_967_294u32))]
    pub id: u32,
    /// Failure domain (rack, room, site): watch links are spread over at least two.
    #[schemars(length(max = 16))]
    pub zone: String,
    /// All periods: `fast` 10 ms on pinned cores, `lan` 100 ms, `wan` 1 s.
    pub preset: Preset,
    /// Address and port of the fast plane (UDP datagrams).
    #[schemars(length(min = 1, max = 64))]
    pub listen: String,
    /// Address and port of the reliable plane (QUIC). Default: that of `listen`, the port one higher.
    #[schemars(length(min = 1, max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliable: Option<String>,
    /// Address and port of the fast plane as others reach it. Default: `listen`.
    #[schemars(length(min = 1, max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// The nodes that form the cluster; the same list on each of them. Others join what these formed.
    #[schemars(length(min = 1, max = 64), inner(range(min = 1, max = 4_294_967_294u32)))]
    pub founders: Vec<u32>,
    /// Addresses (reliable plane) of members to ask when no `[[peer]]` answers.
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub seeds: Vec<String>,
    /// Ready founders needed to form.
    pub quorum: Quorum,
    /// Seconds after which forming is overdue.
    #[schemars(range(min = 1, max = 86_400))]
    pub deadline_s: u32,
    /// What happens then.
    pub on_deadline: OnDeadline,
    /// Raise it on every founder to form anew after a full stop on purpose; nodes remember the highest.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub epoch: u64,
    /// When the tori start: once the cluster is formed, or at once.
    pub start: StartTori,
    /// What makes a node near: its number, its position, or the measured round trip.
    pub metric: Metric,
    /// Where the node stands, for `metric = "physical"`: x, y, z.
    pub position: [i16; 3],
    /// Neighbours elected.
    #[schemars(range(min = 3, max = 15))]
    pub neighbours: u32,
    /// Who may vote on ballots of scope `cluster`. Default: the founders.
    #[schemars(length(max = 64), inner(range(min = 1, max = 4_294_967_294u32)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<Vec<u32>>,
    /// What happens to work that was sent to a node that died before it acknowledged.
    pub in_doubt: InDoubt,
    /// Identity.
    pub identity: RawIdentity,
    /// The link.
    pub link: RawLink,
    /// How this node votes.
    pub votes: RawVotes,
    /// A seed peer that speaks RSEPX over UDP-carried Ethernet. Not authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsepx: Option<RawRsepx>,
}

impl Default for RawCluster {
    fn default() -> Self {
        Self {
            id: 1,
            zone: String::new(),
            preset: Preset::Lan,
            listen: "0.0.0.0:7946".to_owned(),
            reliable: None,
            advertise: None,
            founders: vec![1],
            seeds: Vec::new(),
            quorum: Quorum::Majority,
            deadline_s: 60,
            on_deadline: OnDeadline::Warn,
            epoch: 0,
            start: StartTori::Formed,
            metric: Metric::Logical,
            position: [0; 3],
            neighbours: 7,
            voters: None,
            in_doubt: InDoubt::Redo,
            identity: RawIdentity::default(),
            link: RawLink::default(),
            votes: RawVotes::default(),
            rsepx: None,
        }
    }
}

/// All periods of a node (`decisions:CLU-10`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// 10 ms; needs pinned cores.
    Fast,
    /// 100 ms.
    Lan,
    /// 1 s.
    Wan,
}

/// Ready founders needed to form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// More than half of the founders.
    Majority,
    /// More than two thirds of the founders.
    TwoThirds,
    /// Every founder.
    All,
}

/// What happens when forming is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// It is said, and waited on.
    Warn,
    /// The node goes on as if formed, and says so.
    FailOpen,
    /// The node stops with an error.
    GiveUp,
}

/// When the tori start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StartTori {
    /// Once the cluster is formed.
    Formed,
    /// At once.
    AtOnce,
}

/// What makes a node near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Difference of the numbers.
    Logical,
    /// Distance of the positions.
    Physical,
    /// Measured round trip.
    Rtt,
}

/// What happens to a hand-over in doubt (`decisions:CLU-12`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InDoubt {
    /// It is done again here: at least once.
    Redo,
    /// It is dropped and counted: at most once.
    Drop,
}

/// Certificate, key and card of this node, made by `trefoil ca issue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawIdentity {
    /// Folder of the files, relative to this configuration file. Default: `$CREDENTIALS_DIRECTORY` (systemd), else the folder
    /// of the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Certificates of the CAs that are trusted; two while one replaces the other.
    #[schemars(length(min = 1, max = 4))]
    pub ca: Vec<String>,
    /// Certificate of the node. Default: `node-ID.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Private key, readable by the owner alone. Default: `node-ID.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Member card. Default: `node-ID.card`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Revocation list, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

impl Default for RawIdentity {
    fn default() -> Self {
        Self { dir: None, ca: vec!["ca.crt".to_owned()], certificate: None, key: None, card: None, revoked: None }
    }
}

/// How datagrams are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Io {
    /// io_uring, plain sockets when the kernel refuses (the reason is shown).
    Auto,
    /// io_uring or no start.
    IoUring,
    /// Plain sockets.
    Sockets,
}

/// Cipher of the fast plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cipher {
    /// AES-128-GCM where both ends have AES instructions, ChaCha20-Poly1305 otherwise.
    Auto,
    /// AES-128-GCM.
    Aes128Gcm,
    /// ChaCha20-Poly1305.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

/// The link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLink {
    /// How datagrams are moved.
    pub io: Io,
    /// Core to pin the link thread to. Absent: not pinned.
    #[schemars(range(min = 0, max = 4095))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<u32>,
    /// Largest IP packet of the path, bytes; a projection is cut into datagrams that fit.
    #[schemars(range(min = 1280, max = 9216))]
    pub mtu: u32,
    /// Most projections a second over one remote edge; those between are coalesced and counted.
    #[schemars(range(min = 1, max = 100_000))]
    pub projections_per_s: u32,
    /// Most bytes a second sent on the fast plane, 0 = no limit; what exceeds it is counted.
    #[schemars(range(min = 0, max = 10_000_000_000u64))]
    pub bandwidth_bytes_per_s: u64,
    /// Differentiated services code point of sent packets.
    #[schemars(range(min = 0, max = 63))]
    pub dscp: u8,
    /// Sends without copying; only for network cards that report it.
    pub zero_copy: bool,
    /// A kernel thread polls the submission queue; needs a core of its own.
    pub sq_poll: bool,
    /// Cipher.
    pub cipher: Cipher,
    /// Keys are renewed after so many seconds.
    #[schemars(range(min = 10, max = 86_400))]
    pub rekey_s: u32,
    /// Most handshakes begun a second.
    #[schemars(range(min = 1, max = 10_000))]
    pub handshakes_per_s: u32,
}

impl Default for RawLink {
    fn default() -> Self {
        Self {
            io: Io::Auto,
            core: None,
            mtu: 1500,
            projections_per_s: 1000,
            bandwidth_bytes_per_s: 0,
            dscp: 0,
            zero_copy: false,
            sq_poll: false,
            cipher: Cipher::Auto,
            rekey_s: 3600,
            handshakes_per_s: 32,
        }
    }
}

/// How this node answers a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// The operator is asked (`trefoil ballots vote`); silence is an abstention at the deadline.
    Ask,
}

/// How this node votes, by kind of ballot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawVotes {
    /// Change of mode.
    pub mode: Answer,
    /// Limit of power.
    pub power_limit: Answer,
    /// Shutdown.
    pub shutdown: Answer,
    /// Reformation.
    pub reformation: Answer,
    /// Quarantine whose evidence this node has checked; without sound evidence the answer is no.
    pub quarantine: Answer,
    /// Kinds of the user's own.
    pub custom: Answer,
    /// How long a ballot that an operator opened stays open, s. Ballots between machines last 20 heartbeat periods.
    #[schemars(range(min = 1, max = 3600))]
    pub open_s: u32,
}

impl Default for RawVotes {
    fn default() -> Self {
        Self {
            mode: Answer::Yes,
            power_limit: Answer::Yes,
            shutdown: Answer::No,
            reformation: Answer::Yes,
            quarantine: Answer::Yes,
            custom: Answer::Ask,
            open_s: 30,
        }
    }
}

/// A seed peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRsepx {
    /// Address and port its frames come to.
    #[schemars(length(min = 1, max = 64))]
    pub listen: String,
    /// Address and port frames go to.
    #[schemars(length(min = 1, max = 64))]
    pub peer: String,
    /// Name of the `[[remote]]` torus its projections stand for.
    #[schemars(length(min = 1, max = 16))]
    pub torus: String,
}

/// A node that is known by address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPeer {
    /// Number, as in its certificate.
    #[schemars(range(min = 1, max = 4_294_967_294u32))]
    pub id: u32,
    /// Name, for display until it says its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    pub name: Option<String>,
    /// Address and port of its reliable plane.
    #[schemars(length(min = 1, max = 128))]
    pub address: String,
}

/// A torus of the braid that another node runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRemote {
    /// Its name.
    #[schemars(length(min = 1, max = 16))]
    pub torus: String,
    /// Its index in the braid.
    #[schemars(range(min = 0, max = 15))]
    pub id: u32,
    /// The node that runs it; 0 for the seed peer of `[cluster.rsepx]`.
    #[schemars(range(min = 0, max = 4_294_967_294u32))]
    pub node: u32,
}
