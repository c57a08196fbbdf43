//! From the file's text to a checked [`Config`]: syntax, then shape and ranges (schema), then what keys say to each other.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::problem::{Problem, Problems};
use super::raw::{Kind, Pages, Policy, RawConfig, RawPace, RawTorus, RawWorkload};
use super::schema::Walker;
use super::{
    Braid, Capacities, Config, Group, Node, Record, Region, Resources, Tolerance, Torus, Workload, WorkloadKind,
};

/// Parses and checks `text`; `file` is where it came from.
pub(super) fn parse(text: &str, file: Option<&Path>) -> Result<Config, Problems> {
    let (raw, mut checker) = shape(text, file);
    let config = checker.config(&raw, text);
    checker.problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(Problems { file: file.map(Path::to_owned), list: checker.problems }),
    }
}

/// Syntax and shape only: what of the file could be read, the keys it sets, and what is wrong so far.
pub(super) fn shape<'f>(text: &str, file: Option<&'f Path>) -> (RawConfig, Checker<'f>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut walker = Walker::new(text);
    for error in errors {
        let line = error.span().map(|span| walker.line(span.start));
        walker.problems.push(Problem {
            line,
            key: String::new(),
            value: error.message().to_owned(),
            expected: "TOML (https://toml.io)".to_owned(),
            remedy: "mend the syntax at this line".to_owned(),
        });
    }
    let tree = walker.file(table.get_ref());
    let raw = match serde_json::from_value(tree) {
        Ok(raw) => raw,
        // What the schema lets through deserialises; should the two ever disagree it is a problem, not a panic.
        Err(error) => {
            walker.problems.push(Problem {
                line: None,
                key: String::new(),
                value: error.to_string(),
                expected: "what `trefoil config schema` describes".to_owned(),
                remedy: "change the value it names".to_owned(),
            });
            RawConfig::default()
        }
    };
    let folder = file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    (raw, Checker { file, folder, lines: walker.lines, problems: walker.problems })
}

/// Collects what is wrong between keys.
pub(super) struct Checker<'f> {
    file: Option<&'f Path>,
    pub(super) folder: PathBuf,
    /// Line of every key the file sets.
    pub(super) lines: BTreeMap<String, usize>,
    pub(super) problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn refuse(
        &mut self,
        key: &str,
        value: impl ToString,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        // The line of the key itself, or of the nearest table around it that the file has.
        let mut around = key;
        let line = loop {
            if let Some(line) = self.lines.get(around) {
                break Some(*line);
            }
            match around.rfind(['.', '[']) {
                Some(cut) => around = &around[..cut],
                None => break None,
            }
        };
        self.problems.push(Problem {
            line,
            key: key.to_owned(),
            value: value.to_string(),
            expected: expected.into(),
            remedy: remedy.into(),
        });
    }

    fn config(&mut self, raw: &RawConfig, text: &str) -> Option<Config> {
        let node = self.node(raw);
        let region = self.region(raw);
        self.seed_region(raw, &region);
        let braid = self.braid(raw);
        let tori: Vec<Option<Torus>> = raw.torus.iter().enumerate().map(|(at, torus)| self.torus(at, torus)).collect();
        self.across(raw);
        let cluster = self.cluster(raw);
        let avm = self.avm(raw);
        let tori = tori.into_iter().collect::<Option<Vec<_>>>()?;
        let resources = Resources {
            cores: raw.resources.cores,
            hugepages: raw.resources.hugepages,
            mlock: raw.resources.mlock,
            numa: raw.resources.numa,
        };
        Some(Config {
            node,
            resources,
            region,
            braid: braid?,
            record: Record { on_full: raw.record.on_full, ring_entries: raw.record.ring_entries },
            cluster,
            avm,
            tori,
            path: self.file.map(Path::to_owned),
            text: text.to_owned(),
        })
    }

    fn node(&mut self, raw: &RawConfig) -> Node {
        let raw = &raw.node;
        if raw.log.parse::<tracing_subscriber::EnvFilter>().is_err() {
            let remedy = "write log = \"info\", or a filter such as \"warn,agent::runtime=debug\"";
            self.refuse("node.log", quoted(&raw.log), "a level or target=level,...", remedy);
        }
        let group = raw.group.as_ref().and_then(|name| {
            let found = nix::unistd::Group::from_name(name).ok().flatten();
            if found.is_none() {
                let remedy = format!("create it with: groupadd --system {name}, or leave node.group out");
                self.refuse("node.group", quoted(name), "a group that exists on this host", remedy);
            }
            found.map(|group| Group { name: group.name, gid: group.gid.as_raw() })
        });
        let runtime_dir = raw.runtime_dir.as_ref().map_or_else(super::default_runtime_dir, |dir| self.folder.join(dir));
        // A Unix socket path holds 107 bytes; one that is longer fails at bind with a message nobody understands.
        let socket = runtime_dir.join(control::page::SOCKET_NAME).as_os_str().len();
        if socket > 107 {
            let remedy = "name a shorter folder, such as /run/trefoil";
            self.refuse(
                "node.runtime_dir",
                quoted(&runtime_dir.display().to_string()),
                "a path of at most 94 bytes",
                remedy,
            );
        }
        let state_dir =
            raw.state_dir.as_ref().map_or_else(|| super::default_state_dir(&runtime_dir), |dir| self.folder.join(dir));
        Node {
            name: raw.name.clone(),
            runtime_dir,
            state_dir,
            group,
            others: raw.others,
            waiting: raw.waiting,
            log: raw.log.clone(),
            log_lines_per_s: NonZeroU32::new(raw.log_lines_per_s).unwrap_or(NonZeroU32::MIN),
        }
    }

    fn region(&mut self, raw: &RawConfig) -> Region {
        for (key, value) in
            [("region.ring_records", raw.region.ring_records), ("region.inject_records", raw.region.inject_records)]
        {
            if !value.is_power_of_two() {
                let near = value.checked_next_power_of_two().unwrap_or(1024).min(65_536);
                self.refuse(key, value, "a power of two 16..65536", format!("write {near}"));
            }
        }
        if raw.braid.cap > raw.region.ring_records {
            let expected =
                format!("at most region.ring_records ({}): one correction must fit the ring", raw.region.ring_records);
            let remedy = "lower braid.cap or raise region.ring_records";
            self.refuse("braid.cap", raw.braid.cap, expected, remedy);
        }
        let local = raw.torus.len() + raw.remote.len();
        // Beside seed peers the other two places of the braid may stay empty.
        let lonely = raw.region.path.is_none() && raw.region.seed_v1.is_none();
        if lonely && local > 0 && (local as u32) < raw.braid.tori {
            let expected = format!("a file all processes share: {local} of the {} tori are here", raw.braid.tori);
            let remedy =
                "set region.path (for example \"/dev/shm/trefoil.region\"), or braid.tori to the tori of this file";
            self.refuse("region.path", "(absent)", expected, remedy);
        }
        let pages = if raw.resources.hugepages == Policy::Off && raw.region.pages == Pages::Huge {
            Pages::Base
        } else {
            raw.region.pages
        };
        Region {
            path: raw.region.path.as_ref().map(|path| self.folder.join(path)),
            seed_v1: raw.region.seed_v1.as_ref().map(|path| self.folder.join(path)),
            pages,
            ring_records: raw.region.ring_records,
            inject_records: raw.region.inject_records,
        }
    }

    /// A seed region has three places, one process stands in one of them, and only a relay has a projection V1.
    fn seed_region(&mut self, raw: &RawConfig, region: &Region) {
        let Some(path) = &raw.region.seed_v1 else { return };
        let without = "or leave region.seed_v1 out";
        if region.seed_v1 == region.path {
            let remedy = format!("name two files, {without}");
            self.refuse("region.seed_v1", quoted(path), "another file than region.path", remedy);
        }
        if raw.torus.len() > 1 {
            let expected = format!("one torus in this file: {} are here", raw.torus.len());
            let remedy = format!("run the others as processes of their own, {without}");
            self.refuse("region.seed_v1", quoted(path), expected, remedy);
        }
        if raw.braid.tori != 3 {
            let expected = "3, the places of a seed region (region.seed_v1)";
            self.refuse("braid.tori", raw.braid.tori, expected, format!("write tori = 3, {without}"));
        }
        for (at, torus) in raw.torus.iter().enumerate() {
            let word = match torus.workload.kind {
                Kind::Firehose => "firehose",
                Kind::Avm => "avm",
                _ => continue,
            };
            let key = format!("torus[{at}].workload.kind");
            let expected = "a workload of the relay: only it has a projection V1 (region.seed_v1)";
            let remedy = format!("choose cycle, grid, random-graph, events-file or idle, {without}");
            self.refuse(&key, quoted(word), expected, remedy);
        }
    }

    fn braid(&mut self, raw: &RawConfig) -> Option<Braid> {
        let raw = &raw.braid;
        if raw.lower_percent >= raw.upper_percent {
            let expected = format!("less than braid.upper_percent ({})", raw.upper_percent);
            self.refuse("braid.lower_percent", raw.lower_percent, expected, "lower it, 2.5 beside 5 is the default");
        }
        Some(Braid {
            mode: raw.mode,
            tori: u8::try_from(raw.tori).ok()?,
            interval_ticks: raw.interval_ticks,
            adaptive: raw.adaptive,
            floor: Duration::from_micros(raw.floor_us),
            gain: raw.gain,
            dead_band: raw.dead_band,
            cap: raw.cap,
            min_source: raw.min_source,
            liveness: Duration::from_millis(raw.liveness_ms),
            suspect_after: raw.suspect_after,
            window_rounds: raw.window_rounds,
            upper_percent: raw.upper_percent,
            lower_percent: raw.lower_percent,
            shrink: raw.shrink,
            grow: raw.grow,
            rate_gain: raw.rate_gain,
            tolerance: Tolerance {
                load: raw.tolerance.load,
                face: raw.tolerance.face,
                rate_percent: raw.tolerance.rate_percent,
                rounds: raw.tolerance.rounds,
            },
        })
    }

    fn torus(&mut self, at: usize, raw: &RawTorus) -> Option<Torus> {
        let path = format!("torus[{at}]");
        let capacities = &raw.capacities;
        if capacities.admission >= capacities.events {
            let key = format!("{path}.capacities.admission");
            let expected = format!("less than events ({})", capacities.events);
            self.refuse(&key, capacities.admission, expected, "lower admission or raise events; an eighth is usual");
        }
        let id = raw.id.unwrap_or(at as u32);
        let workload = self.workload(&path, raw)?;
        Some(Torus {
            name: name_of(at, raw),
            id: u8::try_from(id).ok()?,
            core: raw.core,
            capacities: Capacities {
                events: capacities.events,
                edges: capacities.edges,
                processes: capacities.processes,
                processes_per_cell: capacities.processes_per_cell,
                admission: capacities.admission,
            },
            workload,
        })
    }

    fn workload(&mut self, torus: &str, raw: &RawTorus) -> Option<Workload> {
        let path = format!("{torus}.workload");
        let workload = &raw.workload;
        self.foreign_keys(&path, workload);
        let room = raw.capacities.events.saturating_sub(raw.capacities.admission);
        let takes_tokens = !matches!(workload.kind, Kind::Idle | Kind::EventsFile | Kind::Avm);
        if takes_tokens && workload.load && workload.tokens > room {
            let expected = format!("at most events - admission ({room})");
            self.refuse(
                &format!("{path}.tokens"),
                workload.tokens,
                expected,
                "lower tokens or raise capacities.events",
            );
        }
        let kind = self.kind(&path, raw)?;
        Some(Workload {
            kind,
            load: workload.load,
            pace_ticks_per_s: match workload.pace_ticks_per_s {
                RawPace::Ticks(ticks) => Some(ticks),
                RawPace::Word(_) => None,
            },
            batch: NonZeroU32::new(workload.batch)?,
            on_overflow: workload.on_overflow,
            delay_ticks: NonZeroU32::new(workload.delay_ticks)?,
            adaptive_delay: workload.adaptive_delay,
        })
    }

    fn kind(&mut self, path: &str, raw: &RawTorus) -> Option<WorkloadKind> {
        let workload = &raw.workload;
        let (nodes, edges, tokens) = (workload.nodes, workload.edges, workload.tokens);
        let mut fits = |name: &str, needed: u32, what: &str, limit: u32| {
            if needed > limit {
                let expected = format!("at most capacities.{what} ({limit}), it needs {needed}");
                self.refuse(
                    &format!("{path}.{name}"),
                    needed,
                    expected,
                    format!("lower it or raise capacities.{what}"),
                );
            }
        };
        let capacities = &raw.capacities;
        Some(match workload.kind {
            Kind::Idle => WorkloadKind::Idle,
            Kind::Avm => WorkloadKind::Avm,
            Kind::Cycle => {
                fits("nodes", nodes, "processes", capacities.processes);
                fits("nodes", nodes, "edges", capacities.edges);
                WorkloadKind::Cycle { nodes, tokens }
            }
            Kind::Grid => {
                let (width, height) = (workload.width, workload.height);
                fits("width", width * height, "processes", capacities.processes);
                fits("width", 2 * width * height, "edges", capacities.edges);
                WorkloadKind::Grid { width, height, tokens }
            }
            Kind::RandomGraph => {
                fits("nodes", nodes, "processes", capacities.processes);
                fits("edges", edges, "edges", capacities.edges);
                WorkloadKind::RandomGraph { nodes, edges, tokens, seed: workload.seed }
            }
            Kind::Firehose => {
                fits("nodes", nodes, "processes", capacities.processes);
                WorkloadKind::Firehose { nodes, tokens }
            }
            Kind::EventsFile => WorkloadKind::EventsFile {
                file: self.events_file(path, workload)?,
                repeat: workload.repeat,
                lookahead_ticks: workload.lookahead_ticks,
                shift_x: workload.shift_x,
            },
        })
    }

    fn events_file(&mut self, path: &str, workload: &RawWorkload) -> Option<PathBuf> {
        let key = format!("{path}.file");
        let Some(name) = &workload.file else {
            let remedy = "write file = \"data/flights-2013-01-events.csv\"; it is relative to this configuration file";
            self.refuse(&key, "(absent)", "a CSV file of time, dst, src, payload", remedy);
            return None;
        };
        let file = self.folder.join(name);
        // Opening, not only looking: permission counts. A FIFO would block, so the kind is asked first.
        let readable = match std::fs::metadata(&file) {
            Ok(meta) if !meta.is_file() => Err("not a regular file".to_owned()),
            Ok(_) => std::fs::File::open(&file).map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = readable {
            let expected = format!("a readable CSV file; {}: {why}", file.display());
            self.refuse(
                &key,
                quoted(name),
                expected,
                "name an existing file; the path is relative to this configuration file",
            );
        }
        Some(file)
    }

    /// Keys that the file sets but the kind does not read would mislead; they are refused.
    fn foreign_keys(&mut self, path: &str, workload: &RawWorkload) {
        // With a mistyped kind nobody can say which keys belong to it.
        if self.problems.iter().any(|problem| problem.key == format!("{path}.kind")) {
            return;
        }
        let own = own_keys(workload.kind);
        let prefix = format!("{path}.");
        let set: Vec<String> =
            self.lines.keys().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect();
        for key in set.iter().filter(|key| !COMMON_KEYS.contains(&key.as_str()) && !own.contains(&key.as_str())) {
            let kind = serde_json::to_value(workload.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
            let expected = match own {
                [] => "no parameters for this kind".to_owned(),
                own => format!("only {} for this kind", own.join(", ")),
            };
            let remedy = format!("remove it, or change kind = \"{}\"", kind.unwrap_or_default());
            self.refuse(&format!("{path}.{key}"), "", expected, remedy);
        }
    }

    /// What tori say to each other.
    fn across(&mut self, raw: &RawConfig) {
        if raw.torus.is_empty() && !self.lines.contains_key("torus") {
            self.refuse(
                "torus",
                "(absent)",
                "1 to 16 tables [[torus]]",
                "add a [[torus]] table; configs/demo.toml shows three",
            );
        }
        if raw.torus.len() > raw.braid.tori as usize {
            let expected = format!("at least the {} tori of this file", raw.torus.len());
            self.refuse("braid.tori", raw.braid.tori, expected, format!("write tori = {}", raw.torus.len()));
        }
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut ids: BTreeMap<u32, usize> = BTreeMap::new();
        let mut cores: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, torus) in raw.torus.iter().enumerate() {
            let name = name_of(at, torus);
            if let Some(first) = names.get(&name) {
                let expected = format!("a name of its own; torus[{first}] has it");
                self.refuse(&format!("torus[{at}].name"), quoted(&name), expected, "give each torus its own name");
            } else {
                names.insert(name, at);
            }
            let id = torus.id.unwrap_or(at as u32);
            if let Some(first) = ids.insert(id, at) {
                let expected = format!("an id of its own; torus[{first}] has it");
                self.refuse(&format!("torus[{at}].id"), id, expected, "give each torus its own id, from 0");
            }
            if id >= raw.braid.tori {
                let expected = format!("less than braid.tori ({})", raw.braid.tori);
                self.refuse(&format!("torus[{at}].id"), id, expected, "number tori from 0, or raise braid.tori");
            }
            let Some(core) = torus.core else { continue };
            if let Some(first) = cores.insert(core, at)
                && raw.resources.cores == Policy::Strict
            {
                let expected = format!("a core of its own (resources.cores = \"strict\"); torus[{first}] has it");
                self.refuse(
                    &format!("torus[{at}].core"),
                    core,
                    expected,
                    "name another core, or write cores = \"degrade\"",
                );
            }
        }
    }
}

/// Keys every kind of workload reads.
pub(super) const COMMON_KEYS: [&str; 5] = ["kind", "load", "pace_ticks_per_s", "batch", "on_overflow"];

/// Keys only some kinds read.
pub(super) fn own_keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Idle | Kind::Avm => &[],
        Kind::Cycle => &["nodes", "tokens", "delay_ticks", "adaptive_delay"],
        Kind::Grid => &["width", "height", "tokens", "delay_ticks", "adaptive_delay"],
        Kind::RandomGraph => &["nodes", "edges", "tokens", "seed", "delay_ticks", "adaptive_delay"],
        Kind::Firehose => &["nodes", "tokens"],
        Kind::EventsFile => &["file", "repeat", "lookahead_ticks", "shift_x", "delay_ticks", "adaptive_delay"],
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

pub(super) fn name_of(at: usize, raw: &RawTorus) -> String {
    let id = raw.id.unwrap_or(at as u32);
    raw.name.clone().unwrap_or_else(|| char::from_u32('A' as u32 + id).unwrap_or('?').to_string())
}
