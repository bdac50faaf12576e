//! `keytrail forward reconcile`: what a receiver has, held against what was sent to it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use anyhow::Context;
use forward::asked::Asked;
use forward::folder::{SinkState, Unnamed};
use forward::reconcile::{Difference, Has, Range};
use forward::transport::Transport;
use forward::transport::object_store::{Held, Problem};
use ingest::event::Issued;
use ingest::source::LeafIndex;
use jiff::Timestamp;
use query::filter::Filter;
use query::trail::Trail;
use serde_json::json;

use super::{ask_for, begun, configured};
use crate::args::{ReconcileArgs, StatusFormat};
use crate::commands::run::runtime;
use crate::failure::Failure;
use crate::output::stdout;

/// Runs the command.
pub(super) fn run(args: &ReconcileArgs) -> Result<(), Failure> {
    let data = args.data.existing()?;
    let (folder, state) = begun(&data, &args.sink)?;
    // Before the receiver is asked: what is sent meanwhile is not missing there.
    let (has, held) = match &args.uids {
        Some(path) => (read(path)?, Held::default()),
        None => ask(args)?,
    };
    let trail = Trail::open(&data)?;
    let found = compare(args, &trail, &state, has)?;
    let refused: BTreeSet<String> = folder.dead()?.into_iter().map(|dead| dead.uid).collect();
    tell(args, &state, &found, &refused)?;
    tell_held(args, &held)?;
    let missing: Vec<_> = found
        .missing
        .iter()
        .filter(|missing| !refused.contains(&missing.uid.to_string()))
        .collect();
    if missing.is_empty() {
        let is_compared = |unnamed: &Unnamed| {
            args.from.is_none() && args.to.is_none() && unnamed.first > state.began
        };
        if state.unnamed.as_ref().is_some_and(is_compared) {
            let complete_upto = Some(state.cursor);
            folder.ask(Asked { complete_upto, ..Asked::default() })?;
        }
        return match held.problems_count {
            0 => Ok(()),
            count => Err(Failure::CheckFailed(format!(
                "nothing is missing there, and {count} objects are not as they were stored"
            ))),
        };
    }
    if args.resend {
        let places = missing.iter().map(|missing| (missing.issued.0.0, missing.issued.1));
        ask_for(&data, &args.sink, Asked { again: places.collect(), ..Asked::default() })?;
        eprintln!("{} events are sent again by `keytrail run`", missing.len());
    }
    Err(Failure::CheckFailed(format!("{} events are missing there", missing.len())))
}

fn read(path: &Path) -> Result<Has, Failure> {
    let mut has = Has::default();
    if path == Path::new("-") {
        has.read(&mut io::stdin().lock())?;
        return Ok(has);
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    has.read(&mut BufReader::new(file)).with_context(|| path.display().to_string())?;
    Ok(has)
}

/// Asks the receiver itself. Of a store of objects it returns how these are too.
fn ask(args: &ReconcileArgs) -> Result<(Has, Held), Failure> {
    let sink = configured(&args.config, &args.sink)?;
    let mut has = Has::default();
    let mut take = |uid| has.take(uid);
    let runtime = runtime()?;
    let held = match Transport::new(&sink.name, &sink.transport).map_err(anyhow::Error::from)? {
        Transport::OpenSearch(cluster) => {
            runtime.block_on(cluster.uids(&mut take)).map(|()| Held::default())
        }
        Transport::Kafka(cluster) => {
            runtime.block_on(cluster.uids(&mut take)).map(|()| Held::default())
        }
        Transport::ObjectStore(store) => runtime.block_on(store.uids(&mut take)),
        _ => {
            return Err(Failure::Usage(format!(
                "a receiver of type {} cannot be asked: export the uids that it has, one a line, and give them by --uids",
                sink.transport.kind()
            )));
        }
    };
    let held = held.map_err(|why| anyhow::anyhow!("sink {}: {why}", sink.name))?;
    Ok((has, held))
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

/// Tells which objects are not as they were stored.
fn tell_held(args: &ReconcileArgs, held: &Held) -> Result<(), Failure> {
    let mut out = stdout();
    for Problem { name, what } in &held.problems {
        match args.format {
            StatusFormat::Json => {
                writeln!(out, "{}", json!({"is": "object", "name": name, "what": what}))?;
            }
            StatusFormat::Table => writeln!(out, "object   {name}: {what}")?,
        }
    }
    if held.objects > 0 {
        let Held { manifests, objects, problems_count, .. } = held;
        eprintln!(
            "{objects} objects were read, of {manifests} batches; {problems_count} of them are not as they were stored"
        );
    }
    Ok(out.flush()?)
}

fn tell(
    args: &ReconcileArgs,
    state: &SinkState,
    found: &Difference,
    refused: &BTreeSet<String>,
) -> Result<(), Failure> {
    let mut out = stdout();
    let is_json = args.format == StatusFormat::Json;
    let mut say = |what: &str, uid: String, more: serde_json::Value, words: String| match is_json {
        true => {
            let mut line = json!({"is": what, "uid": uid});
            if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
                line.extend(more.clone());
            }
            writeln!(out, "{line}")
        }
        false => writeln!(out, "{what:<8} {uid} {words}"),
    };
    for missing in &found.missing {
        let uid = missing.uid.to_string();
        let what = if refused.contains(&uid) { "refused" } else { "missing" };
        let time = missing.time.clone().unwrap_or_default();
        let more = json!({"issued": missing.issued, "time": missing.time});
        say(what, uid, more, format!("leaf {} {time}", missing.issued.0.0))?;
    }
    for (uid, times) in &found.doubled {
        say("doubled", uid.to_string(), json!({"times": times}), format!("{times} times"))?;
    }
    for uid in &found.unknown {
        say("unknown", uid.to_string(), json!({}), "no event of this trail".to_owned())?;
    }
    out.flush()?;
    let Difference { expected, missing, doubled, unknown, beyond } = found;
    let refused = missing.iter().filter(|one| refused.contains(&one.uid.to_string())).count();
    let missing = missing.len() - refused;
    let (doubled, unknown, leaf) = (doubled.len(), unknown.len(), state.cursor.0);
    eprintln!(
        "of {expected} events up to leaf {leaf} {missing} are missing, {doubled} are there several times, and it refused {refused}; {unknown} uids there are no event of this trail, {beyond} of events outside of what was compared"
    );
    Ok(())
}
