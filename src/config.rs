//! The configuration file: as typed, then as meant.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forward::sink::SinkConfig;
use ingest::room::Reserve;
use ingest::source::SourceId;
use ingest::tail::{FollowOptions, FollowedSource};
use serde::Deserialize;
use web::Listening;

use crate::data_folder::{default_folder, host_name};
use crate::failure::Failure;

mod alert;
mod checkpoint;
mod duration;
mod listen;
mod oidc;
mod schedule;
mod server;
mod sink;

pub(crate) use self::alert::{AlertConfig, Target};
use self::alert::{FileAlert, FileVerify};
use self::checkpoint::{CheckpointConfig, FileCheckpoint, FileWitness};
use self::duration::TypedDuration;
pub(crate) use self::duration::parse_duration;
use self::listen::{FileProxy, FileTls};
use self::oidc::FileOidc;
pub(crate) use self::oidc::OidcConfig;
use self::schedule::FileSchedule;
pub(crate) use self::schedule::ScheduleConfig;
pub(crate) use self::server::ServerConfig;
use self::server::{FileCluster, FileServer};
use self::sink::FileSink;

/// The dashboard's address when nobody says.
pub(crate) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8088);

/// The file as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    #[serde(default)]
    hosts: Vec<String>,
    tls: Option<FileTls>,
    proxy: Option<FileProxy>,
    oidc: Option<FileOidc>,
    #[serde(default)]
    source: Vec<FileSource>,
    #[serde(default)]
    cluster: BTreeMap<String, FileCluster>,
    #[serde(default)]
    server: Vec<FileServer>,
    #[serde(default)]
    reserve: FileReserve,
    #[serde(default)]
    alert: Vec<FileAlert>,
    #[serde(default)]
    retention: FileRetention,
    #[serde(default)]
    verify: FileVerify,
    #[serde(default)]
    checkpoint: FileCheckpoint,
    #[serde(default)]
    witness: Vec<FileWitness>,
    #[serde(default)]
    schedule: Vec<FileSchedule>,
    #[serde(default)]
    sink: Vec<FileSink>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReserve {
    bytes: Option<u64>,
    percent: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRetention {
    keep: Option<TypedDuration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSource {
    path: String,
    cluster: Option<String>,
    node: Option<String>,
    device: Option<String>,
    #[serde(default)]
    allow_raw: bool,
}

/// What `run` does, as meant.
#[derive(Debug)]
pub(crate) struct Config {
    /// The data folder, if the file names one.
    pub(crate) data: Option<PathBuf>,
    /// Address of the dashboard, if the file names one.
    pub(crate) listen: Option<SocketAddr>,
    /// The one cluster of all sources.
    pub(crate) cluster: String,
    /// The files to follow.
    pub(crate) tail: FollowOptions,
    /// Sources that may log tokens in clear.
    pub(crate) allow_raw: Vec<SourceId>,
    /// The cluster's nodes, if they are declared.
    pub(crate) nodes: Option<Vec<String>>,
    /// What is left free on a volume that holds a followed file.
    pub(crate) reserve: Reserve,
    /// Where checkpoints go.
    pub(crate) checkpoint: CheckpointConfig,
    /// What else it does while it follows.
    pub(crate) beside: Beside,
}

/// What a running keytrail does beside following and serving.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// How pages and API are reached beyond this machine.
    pub(crate) listening: Listening,
    /// Whose certificate the provider has that people sign in by.
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// Servers that can be asked.
    pub(crate) servers: Vec<ServerConfig>,
    /// Who is told of what.
    pub(crate) alerts: Vec<AlertConfig>,
    /// Reports that are made without anybody asking.
    pub(crate) schedules: Vec<ScheduleConfig>,
    /// Where events go.
    pub(crate) sinks: Vec<SinkConfig>,
    /// How often the ledger is verified.
    pub(crate) verify_every: Option<Duration>,
    /// How long lines are kept; none: for ever.
    pub(crate) keep: Option<Duration>,
    /// The followed files that one name tells, by source.
    pub(crate) files: Vec<(String, PathBuf)>,
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Config, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(ingest::tail::unreadable(path, &error)))?;
        let file = toml::from_str(&text).map_err(|error| {
            Failure::Usage(format!("{}: {}", path.display(), explain(&error.to_string())))
        })?;
        Config::mean(file)
            .map_err(|message| Failure::Usage(format!("{}: {message}", path.display())))
    }

    /// Returns the configuration of one local file.
    pub(crate) fn one_file(
        path: &Path,
        cluster: Option<&str>,
        node: Option<&str>,
        device: Option<&str>,
        allow_raw: bool,
    ) -> Result<Config, Failure> {
        // A path given as such is no pattern, whatever characters it has.
        let pattern = glob::Pattern::escape(&path.display().to_string());
        let source = FileSource {
            path: pattern,
            cluster: cluster.map(str::to_owned),
            node: node.map(str::to_owned),
            device: device.map(str::to_owned),
            allow_raw,
        };
        Config::mean(File { source: vec![source], ..File::default() }).map_err(Failure::Usage)
    }

    fn mean(file: File) -> Result<Config, String> {
        let mut sources = Vec::new();
        let mut allow_raw = Vec::new();
        for (number, typed) in (1..).zip(&file.source) {
            let node = typed.node.clone().unwrap_or_else(host_name);
            let cluster = typed.cluster.as_deref().unwrap_or("default");
            let device = typed.device.as_deref().unwrap_or("file");
            let source = SourceId::new(cluster, &node, device)
                .map_err(|error| format!("[[source]] number {number}: {error}"))?;
            if typed.allow_raw {
                allow_raw.push(source.clone());
            }
            sources.push(FollowedSource { source, pattern: typed.path.clone() });
        }
        let Some(first) = sources.first() else {
            return Err("no [[source]]: name at least one audit file, as path = \"/openbao/audit/audit.log\"".to_owned());
        };
        let cluster = first.source.cluster.clone();
        if let Some(other) = sources.iter().find(|followed| followed.source.cluster != cluster) {
            return Err(format!(
                "sources of two clusters, {cluster:?} and {:?}: a data folder holds the ledger of one cluster; run one keytrail for each",
                other.source.cluster
            ));
        }
        let mut listening = listen::listening(file.hosts, file.tls, file.proxy)?;
        let mut oidc_ca_file = None;
        if let Some(typed) = file.oidc {
            let OidcConfig { oidc, ca_file } = oidc::oidc(typed)?;
            (listening.oidc, oidc_ca_file) = (Some(oidc), ca_file);
        }
        if let Some(listen) = file.listen {
            listening.check(listen).map_err(|error| format!("listen = \"{listen}\": {error}"))?;
        }
        let nodes = server::nodes(file.cluster, &cluster)?;
        let ids: Vec<SourceId> = sources.iter().map(|followed| followed.source.clone()).collect();
        let servers = server::servers(file.server, &cluster, &ids)?;
        let checkpoint = CheckpointConfig::mean(file.checkpoint, file.witness)?;
        let alerts = alert::alerts(file.alert)?;
        let keep = file.retention.keep.map(|TypedDuration(keep)| keep);
        if keep.is_some_and(|keep| keep < Duration::from_secs(86_400)) {
            return Err("[retention] keep: at least 1d; 400d is usual".to_owned());
        }
        let files = sources.iter().filter_map(one_file);
        let files = files.collect();
        let beside = Beside {
            listening,
            oidc_ca_file,
            servers,
            alerts,
            schedules: schedule::schedules(file.schedule)?,
            sinks: sink::sinks(file.sink)?,
            verify_every: file.verify.every()?,
            keep,
            files,
        };
        let tail = FollowOptions::new(sources);
        let usual = Reserve::default();
        let reserve = Reserve {
            bytes: file.reserve.bytes.unwrap_or(usual.bytes),
            percent: file.reserve.percent.unwrap_or(usual.percent),
        };
        if reserve.percent > 90 {
            return Err(format!(
                "[reserve] percent = {}: hundredths of the volume, at most 90",
                reserve.percent
            ));
        }
        Ok(Config {
            data: file.data,
            listen: file.listen,
            cluster,
            tail,
            allow_raw,
            nodes,
            reserve,
            checkpoint,
            beside,
        })
    }

    /// Returns the data folder: the flag's, else the file's, else the default.
    pub(crate) fn data(&self, flag: Option<PathBuf>) -> PathBuf {
        flag.or_else(|| self.data.clone()).unwrap_or_else(default_folder)
    }
}

/// Returns the file of a source whose pattern names one.
fn one_file(followed: &FollowedSource) -> Option<(String, PathBuf)> {
    let pattern = &followed.pattern;
    // `[*]` is how a star of the name itself is written.
    let is_plain = !pattern.contains(['*', '?', '[']);
    is_plain.then(|| (followed.source.to_string(), PathBuf::from(pattern)))
}

/// Every key that a file may have, for suggestions; `docs/configuration.md` tells what each means.
const KEYS: &[&str] = &[
    "access_key_id",
    "ack",
    "ack_timeout",
    "address",
    "after",
    "alert",
    "allow_private",
    "allow_raw",
    "batch_bytes",
    "batch_events",
    "batch_wait",
    "begin",
    "brokers",
    "by",
    "bytes",
    "ca_file",
    "certificate",
    "checkpoint",
    "client_id",
    "client_secret_file",
    "cluster",
    "command",
    "compression",
    "control_totals",
    "counters",
    "cron",
    "data",
    "data_stream",
    "device",
    "endpoint",
    "enterprise_number",
    "every",
    "export",
    "filter",
    "folder",
    "format",
    "formats",
    "from",
    "group",
    "groups_claim",
    "header_files",
    "headers",
    "heartbeat",
    "hosts",
    "include_clear_values",
    "index",
    "issuer",
    "keep",
    "key",
    "listen",
    "mechanism",
    "name",
    "name_claim",
    "node",
    "nodes",
    "object_format",
    "oidc",
    "on",
    "password_file",
    "path",
    "percent",
    "period",
    "proxy",
    "region",
    "repeat",
    "report",
    "reserve",
    "retention",
    "retry_max",
    "role",
    "rotate_bytes",
    "rotate_keep",
    "schedule",
    "scope",
    "scopes",
    "secret_file",
    "secret_files",
    "secret_key_file",
    "server",
    "service_name",
    "silence",
    "sink",
    "skew",
    "source",
    "sourcetype",
    "tls",
    "to",
    "token_file",
    "topic",
    "trusted",
    "type",
    "tz",
    "url",
    "user",
    "verify",
    "webhook",
    "witness",
];

/// Adds to the TOML reader's message what the key may have been meant to be.
fn explain(message: &str) -> String {
    let Some(unknown) =
        message.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next())
    else {
        return message.to_owned();
    };
    let nearest = KEYS
        .iter()
        .copied()
        .map(|key| (strsim::jaro_winkler(unknown, key), key))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, key)) if likeness > 0.7 => format!("{message}\ndid you mean `{key}`?"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn check(text: &str) -> String {
        let read = toml::from_str(text)
            .map_err(|error| explain(&error.to_string()))
            .and_then(Config::mean);
        match read {
            Ok(config) => config
                .tail
                .sources
                .iter()
                .map(|followed| format!("{} {}", followed.source, followed.pattern))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(message) => message,
        }
    }

    #[test]
    fn every_key_is_documented_and_can_be_suggested() {
        let documented = include_str!("../docs/configuration.md");
        // A key stands first in its row, a table in its heading: `## `[[source]]`, at least one`.
        let tables = documented.lines().filter_map(|line| {
            let name = line.strip_prefix("## `[")?.trim_start_matches('[');
            name.split([']', '.']).next()
        });
        let mut listed: Vec<&str> = documented
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .chain(tables)
            .collect();
        let mut keys = KEYS.to_vec();
        for names in [&mut listed, &mut keys] {
            names.sort_unstable();
            names.dedup();
        }
        assert_eq!(listed, keys);
        // Of each table: its name, and whether it is one within another.
        let kind = |name: &'static str| {
            let name = name.trim_matches(['[', ']']);
            (name.split('.').next().unwrap_or_default(), name.contains('.'))
        };
        let mut rows: BTreeMap<(&str, bool), BTreeSet<&str>> = BTreeMap::new();
        let mut table = ("", false);
        for line in documented.lines() {
            if let Some(heading) = line.strip_prefix("## `") {
                table = kind(heading.split('`').next().unwrap_or_default());
            } else if let Some(row) = line.strip_prefix("| `") {
                rows.entry(table).or_default().extend(row.split('`').next());
            }
        }
        // What a table accepts stands in the message of one who guesses.
        for table in [
            "",
            "[[source]]\n",
            "[cluster.c]\n",
            "[reserve]\n",
            "[retention]\n",
            "[[server]]\n",
            "[[schedule]]\n",
            "[[alert]]\n",
            "[verify]\n",
            "[checkpoint]\n",
            "[[witness]]\n",
            "[tls]\n",
            "[proxy]\n",
            "[oidc]\nissuer = \"\"\nclient_id = \"\"\n",
            "[[oidc.role]]\n",
            "[[sink]]\nname = \"\"\ntype = \"\"\n",
        ] {
            let message = toml::from_str::<File>(&format!("{table}zzz = 1")).expect_err("unknown");
            let message = message.to_string();
            let accepted = message.split("expected ").nth(1).expect("what is accepted");
            let accepted: BTreeSet<&str> = accepted.split('`').skip(1).step_by(2).collect();
            let documented = &rows[&kind(table.lines().next().unwrap_or_default())];
            let is_table = |key: &&str| rows.keys().any(|(name, _)| name == key) || *key == "role";
            let missing: Vec<_> =
                accepted.difference(documented).filter(|key| !is_table(key)).collect();
            assert!(missing.is_empty(), "{table}{missing:?} are accepted and not documented");
            let refused: Vec<_> = documented.difference(&accepted).collect();
            assert!(refused.is_empty(), "{table}{refused:?} are documented and refused");
        }
    }

    #[test]
    fn a_file_is_read_as_meant_or_refused_with_the_remedy() {
        let two = "[[source]]\npath = \"/a\"\nnode = \"n1\"\n[[source]]\npath = \"/b/*.log\"\nnode = \"n2\"\ndevice = \"two\"";
        assert_eq!(check(two), "default/n1/file /a\ndefault/n2/two /b/*.log");
        assert!(check("").starts_with("no [[source]]"), "{}", check(""));
        assert!(
            check("lisen = \"127.0.0.1:1\"").ends_with("did you mean `listen`?"),
            "{}",
            check("lisen = 1")
        );
        let clusters = "[[source]]\npath = \"/a\"\ncluster = \"a\"\n[[source]]\npath = \"/b\"\ncluster = \"b\"";
        assert!(check(clusters).starts_with("sources of two clusters"), "{}", check(clusters));
        let source = "[[source]]\npath = \"/a\"\ncluster = \"c\"\nnode = \"n\"\n";
        for (more, problem) in [
            (
                "[oidc]\nissuer = \"http://sso.example\"\nclient_id = \"k\"",
                "[oidc] issuer \"http://sso.example\" must begin with https://",
            ),
            (
                "[oidc]\nissuer = \"http://[::1]:9\"\nclient_id = \"k\"",
                "[oidc] without [[oidc.role]]",
            ),
            (
                "[oidc]\nissuer = \"https://s\"\nclient_id = \"k\"\n[[oidc.role]]\ngroup = \"g\"\nrole = \"boss\"",
                "[[oidc.role]] number 1: \"boss\" is no role",
            ),
            (
                "[oidc]\nissuer = \"https://s\"\nclient_id = \"k\"\n[[oidc.role]]\ngroup = \"g\"\nrole = \"auditor\"",
                "[[oidc.role]] number 1: an auditor is bound to a scope",
            ),
            ("[cluster.d]\nnodes = []", "[cluster.d]: the sources are of cluster \"c\""),
            ("[cluster.c]\nnodes = [\"a/b\"]", "[cluster.c] nodes: node \"a/b\""),
            (
                "[[server]]\naddress = \"bao:8200\"",
                "[[server]] number 1: address \"bao:8200\" must begin",
            ),
            (
                "[[server]]\naddress = \"http://b\"\nnode = \"m\"",
                "[[server]] number 1: no [[source]] is of node \"m\"",
            ),
            ("[[server]]\naddress = \"http://b\"\nheartbeat = \"5\"", "TOML parse error"),
            (
                "[[server]]\naddress = \"http://b\"\ncounters = true",
                "[[server]] number 1: counters are read between",
            ),
            (
                "[[alert]]\nname = \"a\"\non = [\"gap\"]",
                "[[alert]] \"a\": give it either a webhook or a command",
            ),
            (
                "[[alert]]\nname = \"a\"\non = []\ncommand = [\"x\"]",
                "[[alert]] \"a\": on = [] is never told",
            ),
            ("[[alert]]\nname = \"a\"\non = [\"gaps\"]\ncommand = [\"x\"]", "TOML parse error"),
            (
                "[[alert]]\nname = \"a\"\non = [\"gap\"]\nwebhook = \"x\"",
                "[[alert]] \"a\": webhook \"x\" must begin",
            ),
            ("[verify]\nevery = \"1s\"", "[verify] every: at least 1m"),
            ("[[server]]\naddress = \"http://b\"\nhartbeat = \"5s\"", "TOML parse error"),
            ("[reserve]\npercent = 91", "[reserve] percent = 91: hundredths"),
            ("[reserve]\nbytes = -1", "TOML parse error"),
        ] {
            let message = check(&format!("{source}{more}"));
            assert!(message.starts_with(problem), "{message}");
        }
        let server = format!(
            "{source}[[server]]\naddress = \"http://b\"\nheartbeat = \"30s\"\n[cluster.c]\nnodes = [\"n\", \"m\"]"
        );
        let config =
            Config::mean(toml::from_str(&server).expect("a file")).expect("a configuration");
        assert_eq!(config.nodes.as_deref(), Some(&["m".to_owned(), "n".to_owned()][..]));
        assert_eq!(config.beside.servers[0].sources, ["c/n/file"]);
        let open = "listen = \"0.0.0.0:80\"\n[[source]]\npath = \"/a\"";
        assert!(check(open).contains("[tls]"), "{}", check(open));
        let tls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
        for (more, problem) in [
            ("listen = \"0.0.0.0:80\"\n", "hosts"),
            ("hosts = [\"https://keytrail.example\"]\n", "without scheme and port"),
            ("[proxy]\ntrusted = [\"10.0.0.7\"]\n", "either here or by a proxy"),
        ] {
            let message = check(&format!("{more}{tls}{source}"));
            assert!(message.contains(problem), "{message}");
        }
        for (trusted, problem) in [("", "name the proxy's address"), ("\"x\"", "no network")] {
            let message = check(&format!("[proxy]\ntrusted = [{trusted}]\n{source}"));
            assert!(message.contains(problem), "{message}");
        }
        let behind = format!(
            "listen = \"0.0.0.0:80\"\nhosts = [\"keytrail.example\"]\n[proxy]\ntrusted = [\"10.0.0.7\", \"fd00::/8\"]\n{source}"
        );
        let behind = Config::mean(toml::from_str(&behind).expect("a file")).expect("in order");
        assert_eq!(behind.beside.listening.proxies.len(), 2);
    }
}
