//! `keytrail forward reconcile`: what a receiver has, held against what was sent to it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::Context;
use forward::asked::Asked;
use forward::encoding::Encoding;
use forward::folder::{SinkState, Unnamed};
use forward::reconcile::{Altered, Difference, Document, Has, Range};
use forward::transport::Transport;
use forward::transport::object_store::Held;
use ingest::event::{Issued, Uid};
use ingest::own::Fact;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::filter::Filter;
use query::trail::Trail;

use super::{ask_for, begun, configured};
use crate::args::{ReconcileArgs, StatusFormat};
use crate::commands::run::runtime;
use crate::config::Config;
use crate::deed;
use crate::failure::Failure;
use crate::output::stdout;

mod result;

use self::result::Found;

/// The longest line of an export: twice the longest line of an audit log, and what a format adds.
const LINE_MAX: u64 = 32 << 20;

/// What the receiver's side is.
enum Side {
    /// Its uids alone.
    Uids,
    /// Documents in a file; `-` is standard input, which is read once.
    File(Encoding),
    /// The receiver itself, and its documents.
    Receiver(Encoding, Transport),
    /// The receiver itself, and the uids of what it has.
    Lister(Transport),
}

impl Side {
    fn as_str(&self) -> &'static str {
        match self {
            Side::Uids => "uids",
            Side::File(_) => "documents",
            Side::Receiver(..) | Side::Lister(_) => "receiver",
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ReconcileArgs) -> Result<(), Failure> {
    let config = args.uids.is_none().then(|| Config::read(&args.config)).transpose()?;
    let data = args.data.existing_by(config.as_ref())?;
    let (folder, state) = begun(&data, &args.sink)?;
    let side = side(args, config)?;
    // Before the receiver is asked: what is sent meanwhile is not missing there.
    let (has, held) = read(args, &side)?;
    let trail = Trail::open(&data)?;
    let mut difference = compare(args, &trail, &state, has)?;
    look_again(args, &side, &mut difference)?;
    let refused: BTreeSet<String> = folder.dead()?.into_iter().map(|dead| dead.uid).collect();
    let looked_at = matches!(side, Side::File(_) | Side::Receiver(..));
    let found = Found { difference, refused, looked_at, held };
    let mut out = stdout();
    match args.format {
        StatusFormat::Json => found.rows().iter().try_for_each(|row| writeln!(out, "{row}"))?,
        StatusFormat::Table => found.write_text(&mut out)?,
    }
    out.flush()?;
    eprintln!("{}", found.sentence(state.cursor.0));
    let fact = fact(args, &state, &found, &side);
    let sha256 = args.output.as_ref().map(|path| found.write_file(path, &fact)).transpose()?;
    deed::record(&data, with_sha256(fact, sha256))?;
    let missing: Vec<_> = found.missing().collect();
    if args.resend && !missing.is_empty() {
        let places = missing.iter().map(|missing| (missing.issued.0.0, missing.issued.1));
        ask_for(&data, &args.sink, Asked { again: places.collect(), ..Asked::default() })?;
        eprintln!("{} events are sent again by `keytrail run`", missing.len());
    }
    let nothing_is_missing = missing.is_empty() && found.held.problems_count == 0;
    let is_compared = |unnamed: &Unnamed| {
        nothing_is_missing
            && args.from.is_none()
            && args.to.is_none()
            && unnamed.first > state.began
    };
    if state.unnamed.as_ref().is_some_and(is_compared) {
        let complete_upto = Some(state.cursor);
        folder.ask(Asked { complete_upto, ..Asked::default() })?;
    }
    match (missing.len(), found.difference.altered.len()) {
        (0, 0) if found.held.problems_count > 0 => Err(Failure::CheckFailed(format!(
            "nothing is missing there, and {} objects are not as they were stored",
            found.held.problems_count
        ))),
        (0, 0) => Ok(()),
        (missing, 0) => Err(Failure::CheckFailed(format!("{missing} events are missing there"))),
        (missing, altered) => Err(Failure::CheckFailed(format!(
            "{missing} events are missing there, and {altered} are not what was sent: those stay as they are, since they are evidence; \
             once they are deleted there, they are missing, and --resend sends them"
        ))),
    }
}

fn side(args: &ReconcileArgs, config: Option<Config>) -> Result<Side, Failure> {
    let Some(config) = config else {
        return Ok(Side::Uids);
    };
    let sink = configured(config, &args.sink)?;
    let encoding = Encoding::of_documents(&sink);
    if args.documents.is_some() {
        return Ok(Side::File(encoding));
    }
    match Transport::new(&sink.name, &sink.transport).map_err(anyhow::Error::from)? {
        transport @ Transport::OpenSearch(_) => Ok(Side::Receiver(encoding, transport)),
        transport @ (Transport::Kafka(_) | Transport::ObjectStore(_)) => {
            Ok(Side::Lister(transport))
        }
        _ => Err(Failure::Usage(format!(
            "a receiver of type {} cannot be asked: export the documents that it has, one a line, and give them by --documents, or their uids by --uids",
            sink.transport.kind()
        ))),
    }
}

/// Reads what the receiver has; of a store of objects how these are too.
fn read(args: &ReconcileArgs, side: &Side) -> Result<(Has, Held), Failure> {
    match (side, &args.uids) {
        (Side::Lister(transport), _) => list(args, transport),
        (Side::Uids, path) => {
            let path = path.as_deref().unwrap_or(Path::new("-"));
            let mut has = Has::default();
            has.read(&mut *open(path)?).with_context(|| path.display().to_string())?;
            Ok((has, Held::default()))
        }
        (Side::File(encoding) | Side::Receiver(encoding, _), _) => {
            let mut has = Has::of_documents(encoding.clone());
            each_document(args, side, None, &mut |document| has.take_document(document))?;
            Ok((has, Held::default()))
        }
    }
}

/// Asks the receiver which events it has.
fn list(args: &ReconcileArgs, transport: &Transport) -> Result<(Has, Held), Failure> {
    let mut has = Has::default();
    let mut take = |uid| has.take(uid);
    let runtime = runtime()?;
    let held = match transport {
        Transport::Kafka(cluster) => {
            runtime.block_on(cluster.uids(&mut take)).map(|()| Held::default())
        }
        Transport::ObjectStore(store) => runtime.block_on(store.uids(&mut take)),
        _ => Ok(Held::default()),
    };
    let held = held.map_err(|why| anyhow::anyhow!("sink {}: {why}", args.sink))?;
    Ok((has, held))
}

/// Looks at altered documents once more: which fields are not what was sent.
fn look_again(args: &ReconcileArgs, side: &Side, found: &mut Difference) -> Result<(), Failure> {
    let (Side::File(encoding) | Side::Receiver(encoding, _)) = side else { return Ok(()) };
    let all = found.altered.iter_mut().chain(&mut found.other_version);
    let mut wanted: std::collections::BTreeMap<Uid, &mut Altered> =
        all.filter(|altered| altered.is_kept()).map(|altered| (altered.uid, altered)).collect();
    if wanted.is_empty() || args.documents.as_deref() == Some(Path::new("-")) {
        return Ok(());
    }
    let uids: Vec<Uid> = wanted.keys().copied().collect();
    each_document(args, side, Some(&uids), &mut |document| {
        if let Some(altered) = wanted.get_mut(&document.uid) {
            altered.look_at(document, encoding);
        }
        Ok(())
    })
}

/// Gives the documents that a receiver has; of a file all, whichever are wanted.
fn each_document(
    args: &ReconcileArgs,
    side: &Side,
    only: Option<&[Uid]>,
    each: &mut dyn FnMut(&Document) -> io::Result<()>,
) -> Result<(), Failure> {
    match (side, &args.documents) {
        (Side::Receiver(_, Transport::OpenSearch(cluster)), _) => Ok(runtime()?
            .block_on(cluster.documents(only, each))
            .map_err(|why| anyhow::anyhow!("sink {}: {why}", args.sink))?),
        (Side::File(encoding), Some(path)) => {
            let read = read_lines(&mut *open(path)?, encoding, each);
            Ok(read.with_context(|| path.display().to_string())?)
        }
        _ => Ok(()),
    }
}

fn read_lines(
    export: &mut dyn BufRead,
    encoding: &Encoding,
    each: &mut dyn FnMut(&Document) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if io::Read::take(&mut *export, LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let document = Document::read(&text, encoding)
            .map_err(|why| io::Error::other(format!("line {number} is no document: {why}")))?;
        each(&document)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(BufReader::new(file)))
}

fn compare(
    args: &ReconcileArgs,
    trail: &Trail,
    state: &SinkState,
    has: Has,
) -> Result<Difference, Failure> {
    let filter = Filter::parse(&state.filter, Timestamp::now())
        .map_err(|error| anyhow::anyhow!("the sink's filter: {error}"))?;
    let place = |(leaf, ordinal)| Issued(LeafIndex(leaf), ordinal);
    let ns = |time: Timestamp| i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
    let range = Range {
        after: place(state.began),
        upto: place(state.cursor),
        from: args.from.map(ns),
        to: args.to.map(ns),
    };
    Ok(has.compare(trail, &filter, &range)?)
}

/// What the ledger is told of it.
fn fact(args: &ReconcileArgs, state: &SinkState, found: &Found, side: &Side) -> Fact {
    let Difference { expected, doubled, altered, other_version, unknown, .. } = &found.difference;
    let missing = found.missing().count() as u64;
    Fact::SinkReconciled {
        by: deed::who(),
        sink: args.sink.clone(),
        against: side.as_str().to_owned(),
        from: args.from,
        to: args.to,
        after: state.began,
        upto: state.cursor,
        expected: *expected,
        missing,
        refused: found.difference.missing.len() as u64 - missing,
        doubled: doubled.len() as u64,
        altered: found.looked_at.then_some(altered.len() as u64),
        other_version: other_version.len() as u64,
        unknown: unknown.len() as u64,
        sha256: None,
    }
}

fn with_sha256(mut fact: Fact, of_file: Option<String>) -> Fact {
    if let Fact::SinkReconciled { sha256, .. } = &mut fact {
        *sha256 = of_file;
    }
    fact
}
