//! A recording that is younger than the program: a real OpenBao is started and asked about three hundred
//! requests of all kinds, then keytrail says of each what its client was told.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::main_recording::expected;
use crate::util::{Data, Run, json_lines, keytrail, real_servers_are_wanted};

#[test]
fn a_fresh_openbao_agrees_with_keytrail() {
    if !real_servers_are_wanted() {
        return;
    }
    // Another seed each day, which the name of a failing test's folder tells.
    let seed = (jiff::Timestamp::now().as_second() / 86_400).to_string();
    let folder = tempfile::Builder::new().prefix(&format!("recording-{seed}-")).tempdir().unwrap();
    let mut command = keytrail();
    command.args(["demo", "--yes", "--record"]).arg(folder.path()).args(["--seed", &seed]);
    Run::of(&mut command).expect(0);
    let differences = differences(folder.path());
    if !differences.is_empty() {
        let kept = folder.keep();
        panic!("seed {seed}, kept in {}:\n{}", kept.display(), differences.join("\n"));
    }
}

fn differences(folder: &Path) -> Vec<String> {
    let data = Data::new();
    data.import([folder.join("audit.log")]);
    let truth = json_lines(&fs::read_to_string(folder.join("truth.jsonl")).unwrap());
    assert!(truth.len() >= 250, "only {} requests were made", truth.len());
    let mut by_header: HashMap<String, Vec<Value>> = HashMap::new();
    for event in data.search("") {
        if let Some(header) = event["headers"]["x-correlation-id"][0].as_str() {
            by_header.entry(header.to_owned()).or_default().push(event);
        }
    }
    let mut wrong = Vec::new();
    for row in truth {
        let found = by_header.remove(row["corr"].as_str().unwrap()).unwrap_or_default();
        if row["audited"] == false {
            assert!(found.is_empty(), "{row}");
            continue;
        }
        let (decision, outcomes) =
            expected(row["status"].as_u64().unwrap(), row["path"].as_str().unwrap());
        match &found[..] {
            [event]
                if event["decision"] == decision
                    && outcomes.iter().any(|&outcome| event["outcome"] == outcome) => {}
            [event] => wrong.push(format!(
                "{row}: {decision} {outcomes:?}, not {} {} {}",
                event["decision"], event["reason"], event["outcome"]
            )),
            _ => wrong.push(format!("{row}: {} events", found.len())),
        }
    }
    wrong
}
