//! What keytrail tells machines of itself: figures that Prometheus takes, rules over them, readiness.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::util::{DEADLINE, Data, Server, get, get_with_host, missing_tool, pair, until};

/// Prometheus's own checker, which `cargo xtask test` prepares; else the one on the path.
fn promtool() -> Option<Command> {
    let program = std::env::var_os("KEYTRAIL_PROMTOOL").unwrap_or_else(|| "promtool".into());
    let command = Command::new(program);
    let remedy = "it is in Debian's package prometheus";
    (!missing_tool(&command, remedy)).then_some(command)
}

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

#[test]
fn figures_are_there_as_prometheus_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    fs::write(&log, pair("a", "secret/data/x", 0) + &pair("b", "secret/data/x", 10)).unwrap();
    let server = Server::follow(&data, &log);
    let (text, _) = until("the figures tell of four lines", DEADLINE, || {
        let text = get(&server.address, "/metrics").body;
        text.contains("keytrail_source_lines_total{source=\"c/n/file\"} 4\n").then_some(text)
    });
    for line in [
        "keytrail_coverage_grade 1\n",
        "keytrail_source_unread_bytes{source=\"c/n/file\"} 0\n",
        "keytrail_source_coverage_grade{source=\"c/n/file\"} 1\n",
        "# TYPE keytrail_ledger_leaves_total counter\n",
        "# HELP keytrail_tail_caught_up ",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    until("it is ready", DEADLINE, || {
        (get_with_host(&server.address, "/readyz", &server.address).status == 200).then_some(())
    });
    assert_eq!(get(&server.address, "/livez").body, "alive\n");
    let Some(mut command) = promtool() else { return };
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    drop(server);
}

#[test]
fn alert_rules_name_figures_that_are_there_and_fire_when_they_should() {
    if promtool().is_none() {
        return;
    }
    let run = |arguments: &[&str]| {
        let mut command = promtool().expect("it was there a moment ago");
        let output = command.args(arguments).current_dir(rules()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    };
    run(&["check", "rules", "alerts.yml"]);
    run(&["test", "rules", "alerts_test.yml"]);
    // A misspelt name would never fire, and no checker tells.
    let source = fs::read_to_string(rules().join("../../src/metrics.rs")).unwrap();
    let rules = fs::read_to_string(rules().join("alerts.yml")).unwrap();
    let names = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<&str> = names.filter(|name| name.starts_with("keytrail_")).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(source.contains(&format!("\"{name}\"")), "{name} is no figure of keytrail's");
    }
}
