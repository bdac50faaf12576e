//! The scenarios of controls: what is expected of each is in its raw lines, and nothing else is.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::util::{Run, fixture, missing_tool, python, real_servers_are_wanted};

fn check(folder: &Path) -> Run {
    let mut command = python();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controls_fixtures.py"));
    Run::of(command.arg(folder))
}

#[test]
fn every_request_of_a_scenario_is_expected_by_one_entry() {
    if missing_tool(&python(), "install Python 3.11") {
        return;
    }
    let said = check(&fixture("controls")).expect(0);
    let read: Value = serde_json::from_slice(&said.stdout).unwrap();
    let entries = fs::read_dir(fixture("controls")).unwrap().map(Result::unwrap);
    let mut folders: Vec<_> =
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    folders.sort();
    assert_eq!(
        read["folders"],
        json!(folders.iter().map(|name| name.to_str()).collect::<Vec<_>>())
    );
}

#[test]
fn a_wrong_expectation_is_found() {
    if missing_tool(&python(), "install Python 3.11") {
        return;
    }
    for (from, to) in [
        ("count = 3", "count = 4"),
        ("127.0.3.4", "127.0.3.5"),
        ("allowed = false", "allowed = true"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let scene = folder.path().join("root-01");
        fs::create_dir(&scene).unwrap();
        let text = fs::read_to_string(fixture("controls/root-01/expected.toml")).unwrap();
        assert!(text.contains(from));
        fs::write(scene.join("expected.toml"), text.replacen(from, to, 1)).unwrap();
        fs::copy(fixture("controls/root-01/audit.jsonl.gz"), scene.join("audit.jsonl.gz")).unwrap();
        assert_eq!(check(folder.path()).code, 1, "{from} was changed to {to}");
    }
}

#[test]
fn a_fresh_recording_is_as_expected() {
    if !real_servers_are_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut record = python();
    record.env("PYTHONDONTWRITEBYTECODE", "1").arg(fixture("tools/record_controls.py"));
    Run::of(record.arg("--out").arg(folder.path())).expect(0);
    let recorded = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut scenes = 0;
    for name in recorded {
        let expected = fixture("controls").join(&name).join("expected.toml");
        fs::copy(expected, folder.path().join(&name).join("expected.toml")).unwrap();
        scenes += 1;
    }
    assert!(scenes > 25, "only {scenes} scenes were recorded");
    check(folder.path()).expect(0);
}
