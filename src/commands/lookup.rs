//! `keytrail lookup`: whose is this?

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use ingest::own::Fact;
use query::lookup::{Holder, Lease, LookUp, Mention, Token, What, is_hash, look_up};
use query::table::visible;
use query::trail::Trail;

use crate::args::{LookUpArgs, LookUpFormat};
use crate::config::Config;
use crate::deed;
use crate::failure::Failure;
use crate::output::stdout;

/// The longest value that is looked up, in bytes.
const VALUE_BYTES_MAX: u64 = 1 << 20;
/// Paths and mentions that a person is shown of many.
const SHOWN: usize = 10;

/// Runs the command.
pub(crate) fn run(args: LookUpArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let hashes = match args.value_stdin {
        true => hashes_of_standard_input(args.config.as_deref())?,
        false => args.hmac.clone(),
    };
    if let Some(wrong) = hashes.iter().find(|hash| !is_hash(hash)) {
        return Err(Failure::Usage(format!(
            "{:?} is no hash as it stands in the log: hmac-sha256: and 64 hexadecimal digits. A value itself is looked up with --value-stdin",
            visible(wrong)
        )));
    }
    // Before the answer, so that none is given unrecorded.
    deed::record(&data, Fact::LookedUp { by: deed::who(), hashes: hashes.clone() })?;
    let trail = Trail::open(&data)?;
    let mut out = stdout();
    let mut found = false;
    for hash in &hashes {
        let answer = look_up(&trail, hash)?;
        found |= answer.what != What::NotFound;
        match args.format {
            LookUpFormat::Json => {
                serde_json::to_writer(&mut out, &answer).map_err(anyhow::Error::from)?;
                out.write_all(b"\n")?;
            }
            LookUpFormat::Text => out.write_all(text(&answer).as_bytes())?,
        }
    }
    out.flush()?;
    match found {
        true => Ok(()),
        false => Err(Failure::CheckFailed("no line has it".to_owned())),
    }
}

/// Reads a value from standard input and asks the servers of the configuration for its hashes. It goes to
/// them only: not into a file, a log, or an argument.
fn hashes_of_standard_input(config: Option<&Path>) -> Result<Vec<String>, Failure> {
    let config = match config {
        Some(path) => Some(Config::read(path)?),
        None if Path::new("keytrail.toml").exists() => {
            Some(Config::read(Path::new("keytrail.toml"))?)
        }
        None => None,
    };
    let servers = config.map(|config| config.beside.servers).unwrap_or_default();
    let asked: Vec<_> = servers.iter().filter(|server| server.can_hash()).collect();
    if asked.is_empty() {
        return Err(Failure::Usage(
            "no [[server]] with a token_file is configured (-c keytrail.toml), so ask the server yourself, for each audit device:\n\
             \x20 bao write -field=hash sys/audit-hash/DEVICE input=-      (the value on standard input)\n\
             and then:\n\
             \x20 keytrail lookup --hmac hmac-sha256:…"
                .to_owned(),
        ));
    }
    let mut value = String::new();
    let read = std::io::stdin().lock().take(VALUE_BYTES_MAX + 1).read_to_string(&mut value);
    read.context("standard input is no text")?;
    let value = value.strip_suffix('\n').unwrap_or(&value);
    if value.is_empty() || value.len() as u64 > VALUE_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "standard input must hold the value: one byte at least, {VALUE_BYTES_MAX} at most"
        )));
    }
    let runtime = super::run::runtime()?;
    let mut hashes = Vec::new();
    for server in asked {
        let client = server.client()?;
        for source in &server.sources {
            let device = source.rsplit('/').next().unwrap_or_default();
            let hash = runtime.block_on(client.audit_hash(device, value));
            match hash.with_context(|| format!("{}, audit device {device}", server.address)) {
                Ok(hash) if !hashes.contains(&hash) => hashes.push(hash),
                Ok(_) => {}
                Err(error) => return Err(Failure::Other(anyhow!("{error:#}"))),
            }
        }
    }
    Ok(hashes)
}

/// What is found, for a person.
fn text(answer: &LookUp) -> String {
    let mut text = Rows::default();
    let what = match answer.what {
        What::Token => "a token",
        What::Accessor => "a token's accessor",
        What::Credential => "a credential, or a part of one",
        What::Lease => "the id of a lease",
        What::Value => "a value",
        What::NotFound => "no line has it",
    };
    text.0 = format!("{}  {what}\n", answer.hash);
    for shown in &answer.texts {
        text.row("in clear", shown);
    }
    if let Some(given) = &answer.given {
        text.row("given out", &of_mention(given));
    }
    if let Some(holder) = &answer.holder {
        of_holder(holder, &mut text);
    }
    if let Some(lease) = &answer.lease {
        of_lease(lease, &mut text);
    }
    if let Some(token) = &answer.token {
        of_token(token, &mut text);
    }
    if answer.mentions > 0 {
        let all = if answer.is_cut { ", the newest are read" } else { "" };
        text.row("mentioned", &format!("by {} requests{all}", answer.mentions));
        for mention in answer.seen.iter().take(SHOWN) {
            text.row("", &of_mention(mention));
        }
        text.more(answer.seen.len());
    }
    text.row(
        "searched",
        &format!(
            "{}: each device, and each enabling of one, has hashes of its own; those of others are not found here",
            answer.devices.join(", ")
        ),
    );
    text.row("coverage", &format!("{}; answered at leaf {}", answer.coverage, answer.leaf));
    text.0
}

fn of_mention(mention: &Mention) -> String {
    let places = match mention.places.is_empty() {
        true => String::new(),
        false => format!(" ({})", mention.places.join(", ")),
    };
    format!(
        "{} {} {}{places} by {}, {}, event {}",
        mention.time.as_deref().unwrap_or("without a time"),
        mention.action,
        mention.path.as_deref().unwrap_or("-"),
        mention.identity.as_deref().unwrap_or("nobody known"),
        mention.outcome,
        mention.uid
    )
}

fn of_holder(holder: &Holder, text: &mut Rows) {
    let mut line = holder.name.clone().unwrap_or_else(|| "nobody known".to_owned());
    let _ = write!(line, " ({}", holder.kind);
    for (name, of) in [("", &holder.method), ("role ", &holder.role)] {
        if let Some(of) = of {
            let _ = write!(line, ", {name}{of}");
        }
    }
    line.push(')');
    if let Some(address) = &holder.remote_address {
        let _ = write!(line, ", from {address}");
    }
    text.row("holder", &line);
    let metadata: Vec<_> =
        holder.metadata.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if !metadata.is_empty() {
        text.row("", &metadata.join(", "));
    }
    text.row(
        "policies",
        &match holder.granting.is_empty() {
            true => holder.policies.join(", "),
            false => {
                format!("{}; granted by {}", holder.policies.join(", "), holder.granting.join(", "))
            }
        },
    );
}

fn of_lease(lease: &Lease, text: &mut Rows) {
    let id = lease.id.as_deref().unwrap_or("of unknown id");
    let renewed = match &lease.renewed {
        Some(last) if lease.renewals == 1 => format!("renewed once, at {last}"),
        Some(last) => format!("renewed {} times, last at {last}", lease.renewals),
        None => "never renewed".to_owned(),
    };
    text.row("lease", &format!("{id}: {renewed}; {}", lease.end));
    for (what, mention) in [("issued by", &lease.issued), ("revoked by", &lease.revoked)] {
        if let Some(mention) = mention {
            text.row("", &format!("{what} {}", of_mention(mention)));
        }
    }
}

fn of_token(token: &Token, text: &mut Rows) {
    let made = token.made.as_deref().map_or(String::new(), |made| format!(", made {made}"));
    text.row("token", &format!("{}{made}: {}", token.hash, token.end));
    for (what, mention) in [("issued by", &token.issued), ("revoked by", &token.revoked)] {
        if let Some(mention) = mention {
            text.row("", &format!("{what} {}", of_mention(mention)));
        }
    }
    if let Some(refused) = &token.refused {
        text.row("", &format!("refused as no valid token from {refused} on"));
    }
    let used = &token.used;
    let by_decision: Vec<_> =
        used.by_decision.iter().map(|(decision, count)| format!("{count} {decision}")).collect();
    let span = match (&used.first, &used.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    text.row(
        "did",
        &format!(
            "{} requests{span}: {}; keytrail search --all '{}' lists them",
            used.requests,
            by_decision.join(", "),
            used.filter
        ),
    );
    for (action, path, count) in used.by_path.iter().take(SHOWN) {
        text.row("", &format!("{count} {action} {path}"));
    }
    text.more(used.by_path.len());
    for child in token.children.iter().take(SHOWN) {
        let name = child.token.as_deref().or(child.accessor.as_deref()).unwrap_or("-");
        let time = child.time.as_deref().unwrap_or("-");
        text.row("child", &format!("{name}, made {time}, policies {}", child.policies.join(", ")));
    }
    text.more(token.children.len());
}

/// Lines with a name before each; whatever stands in the log is made visible.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "  {name:<10} {}", visible(text));
    }

    fn more(&mut self, of: usize) {
        if of > SHOWN {
            self.row("", &format!("and {} more (--format json has all)", of - SHOWN));
        }
    }
}
