//! Evaluates Sigma rules over events: sigma-peer FOLDER [PIPELINE] < EVENTS > FOUND
//!
//! FOLDER holds rules and correlations (`*.yml`), PIPELINE names their fields as the events have them. EVENTS has lines of `{"run": …, "at": seconds, "event": {…}}`: a new
//! `run` forgets what correlations have seen. FOUND has a line `{"run": …, "rule": id, "title": …, "line": number of the line from 0}` for each rule that fired.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{CorrelationConfig, CorrelationEngine, Pipeline, parse_pipeline};
use rsigma_parser::{SigmaCollection, parse_sigma_yaml};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("sigma-peer FOLDER [PIPELINE]")?;
    let pipeline = match arguments.next() {
        Some(path) => Some(parse_pipeline(&std::fs::read_to_string(path)?)?),
        None => None,
    };
    let collections = read(Path::new(&folder))?;
    let mut out = std::io::stdout().lock();
    let mut current = None;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let mut asked: Value = serde_json::from_str(&line?)?;
        let run = asked["run"].take();
        if current.as_ref().is_none_or(|(of, _)| *of != run) {
            current = Some((run.clone(), engine(&collections, pipeline.as_ref())?));
        }
        let (_, engine) = current.as_mut().ok_or("no engine")?;
        let at = asked["at"].as_i64().ok_or("an event needs `at`")?;
        for found in engine.process_event_at(&JsonEvent::borrow(&asked["event"]), at) {
            let header = &found.header;
            writeln!(
                out,
                "{}",
                json!({"run": run, "rule": header.rule_id, "title": header.rule_title, "line": number})
            )?;
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Vec<SigmaCollection>, Box<dyn Error>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    let mut collections = Vec::new();
    for path in paths {
        let collection = parse_sigma_yaml(&std::fs::read_to_string(&path)?)?;
        if !collection.errors.is_empty() {
            return Err(format!("{}: {:?}", path.display(), collection.errors).into());
        }
        collections.push(collection);
    }
    Ok(collections)
}

fn engine(
    collections: &[SigmaCollection],
    pipeline: Option<&Pipeline>,
) -> Result<CorrelationEngine, Box<dyn Error>> {
    let mut engine = CorrelationEngine::new(CorrelationConfig::default());
    if let Some(pipeline) = pipeline {
        engine.add_pipeline(pipeline.clone());
    }
    for collection in collections {
        engine.add_collection(collection)?;
    }
    Ok(engine)
}
