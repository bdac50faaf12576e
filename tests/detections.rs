//! The detection pack as it is handed out: complete, and of use to other people's programs.

use std::fs;

use serde_json::Value;

use crate::util::{
    Run, fixture, fixture_text, json_lines, keytrail, missing_tool, python, tools_required,
};

fn printed(arguments: &[&str]) -> String {
    String::from_utf8(Run::of(keytrail().args(arguments)).expect(0).stdout).unwrap()
}

#[test]
fn rules_are_listed_and_exported_as_they_are() {
    let listed = json_lines(&printed(&["rules", "list", "--format", "json"]));
    assert!(listed.len() >= 30, "{} rules", listed.len());
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/rules");
    let run = Run::of(keytrail().args(["rules", "export", "-o"]).arg(&target)).expect(0);
    assert!(run.stderr.contains(target.to_str().unwrap()), "{}", run.stderr);
    let source = fixture("../assets/rules");
    let table = printed(&["rules", "list"]);
    let stream = printed(&["rules", "export"]);
    for (rule, row) in listed.iter().zip(table.lines()) {
        let name = rule["name"].as_str().unwrap();
        let text = fs::read_to_string(target.join(format!("{name}.yml"))).unwrap();
        assert_eq!(text, fs::read_to_string(source.join(format!("{name}.yml"))).unwrap());
        assert!(stream.contains(&format!("---\n{text}")), "{name}");
        for key in ["title", "level"] {
            let value = rule[key].as_str().unwrap();
            assert!(text.contains(&format!("{key}: {value}\n")) && row.contains(value), "{row}");
        }
        let techniques = rule["techniques"].as_array().unwrap();
        assert!(!techniques.is_empty(), "{name}");
        for technique in techniques {
            let tag = format!("attack.{}", technique.as_str().unwrap().to_lowercase());
            assert!(text.contains(&tag), "{name}: {tag}");
        }
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), listed.len() + 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let run = Run::of(keytrail().args(["rules", "export", "-o"]).arg(file.join("rules"))).expect(3);
    assert!(run.stderr.contains(file.to_str().unwrap()), "{}", run.stderr);
}

#[test]
fn every_rule_becomes_a_query_of_each_siem() {
    let folder = tempfile::tempdir().unwrap();
    Run::of(keytrail().args(["rules", "export", "-o"]).arg(folder.path())).expect(0);
    let output = python()
        .arg(fixture("../tests/detections/convert.py"))
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ModuleNotFoundError") && !tools_required() {
        eprintln!("nothing was checked here: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let queries = |target: &str| made["queries"][target].as_u64().unwrap();
    let files = made["files"].as_u64().unwrap();
    // All but the one that asks for an order; Lucene also lacks those that count.
    for target in ["splunk", "esql", "loki"] {
        assert_eq!(queries(target), files - 1, "{made}");
    }
    assert_eq!(queries("lucene"), queries("opensearch"), "{made}");
    assert!(queries("lucene") >= 25, "{made}");
}

/// The list that `forward` holds against what the rules find: `tests/detections/by_hand.py` knows neither their conditions
/// nor keytrail's code.
#[test]
fn the_list_of_detections_is_counted_by_hand() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let run = Run::of(python().arg(fixture("../tests/detections/by_hand.py"))).expect(0);
    let counted = String::from_utf8(run.stdout).unwrap();
    let listed = fixture_text("expected/detections.tsv");
    assert!(listed.lines().count() > 80, "{listed}");
    assert_eq!(counted.lines().collect::<Vec<_>>(), listed.lines().collect::<Vec<_>>());
}
