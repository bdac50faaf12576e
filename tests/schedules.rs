//! Reports that are made at their times, and those that were missed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::util::{DEADLINE, Data, Run, Server, fixture_text, keytrail, tools_required, until};

/// Returns keytrail's own lines of this type; none before the first line of its own is in the ledger.
fn own(data: &Data, kind: &str) -> Vec<Value> {
    let run = data.run("cat", ["-s", "keytrail"]);
    if run.stderr.contains("no source \"keytrail\" in this ledger") {
        return Vec::new();
    }
    let lines = String::from_utf8(run.expect(0).stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == kind).collect()
}

/// Follows a log with this section in the configuration, by another clock if one is given.
fn run(data: &Data, folder: &Path, schedule: &str, clock: Option<Timestamp>) -> Option<Server> {
    let (log, config) = (folder.join("audit.log"), folder.join("keytrail.toml"));
    if !log.exists() {
        fs::write(&log, fixture_text("openbao-2.7.2/audit.jsonl.gz")).unwrap();
    }
    let text = format!("[[source]]\npath = \"{}\"\n{schedule}", log.display());
    fs::write(&config, text).unwrap();
    let mut command = keytrail();
    if let Some(clock) = clock {
        let library = glob::glob("/usr/lib/*-linux-gnu/faketime/libfaketime.so.1");
        let library = library.unwrap().flatten().next();
        assert!(library.is_some() || !tools_required(), "libfaketime is missing: install it");
        command.env("LD_PRELOAD", library?).env("TZ", "UTC");
        command.env("FAKETIME", clock.strftime("@%Y-%m-%d %H:%M:%S").to_string());
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    }
    Some(Server::start_as(command, data, &["-c", config.to_str().unwrap()]))
}

#[test]
fn what_was_missed_is_made_up_with_the_period_of_then() {
    let data = Data::new();
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().join("reports");
    // Due each day at the minute of two hours ago; the first is made two days ago, seconds after the start.
    let at = jiff::tz::TimeZone::UTC.to_datetime(Timestamp::now() - SignedDuration::from_hours(2));
    let schedule = format!(
        "[[schedule]]\nname = \"daily\"\nreport = \"access\"\nby = \"path\"\ncron = \"{} {} * * *\"\nperiod = \"yesterday\"\nformats = [\"csv\", \"json\"]\nfolder = \"{}\"\n\
         [[schedule]]\nname = \"leap\"\nreport = \"changes\"\ncron = \"0 0 29 2 *\"\nperiod = \"last-month\"\nformats = [\"pdf\"]\nfolder = \"/nowhere\"\n",
        at.minute(),
        at.hour(),
        reports.display()
    );
    let due = |days: i64| {
        let due = at - SignedDuration::from_hours(24 * days);
        due.date().at(due.hour(), due.minute(), 0, 0)
    };
    let before = due(2) - SignedDuration::from_secs(5);
    let before = before.to_zoned_datetime(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let Some(server) = run(&data, folder.path(), &schedule, Some(before)) else { return };
    until("the first is made", DEADLINE, || (own(&data, "report_made").len() == 1).then_some(()));
    server.terminate();
    let server = run(&data, folder.path(), &schedule, None).unwrap();
    until("what was missed is made up", DEADLINE, || {
        (own(&data, "report_made").len() == 3).then_some(())
    });
    server.terminate();
    for (line, days) in own(&data, "report_made").iter().zip([2, 1, 0]) {
        let due = due(days);
        assert_eq!(line["due"], due.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let day = due.date().yesterday().unwrap();
        assert_eq!(line["period"], format!("{day}, UTC"));
        assert_eq!(line["schedule"], "daily");
        let files = line["files"].as_array().unwrap();
        assert_eq!(files.len(), 2, "{line}");
        for file in files {
            let path = reports.join(file["name"].as_str().unwrap());
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(file["bytes"], metadata.len());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        let json = files[1]["name"].as_str().unwrap();
        let report: Value = serde_json::from_slice(&fs::read(reports.join(json)).unwrap()).unwrap();
        assert_eq!(report["heading"]["period"], line["period"]);
        assert_eq!(report["heading"]["run_by"], "schedule:daily");
    }
    // Nothing is due any more.
    let server = run(&data, folder.path(), &schedule, None).unwrap();
    until("it has started", DEADLINE, || (own(&data, "started").len() == 3).then_some(()));
    server.terminate();
    assert_eq!(own(&data, "report_made").len(), 3);
}

#[test]
fn a_schedule_that_cannot_be_kept_is_refused_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("keytrail.toml");
    let good = [
        ("name", "\"q\""),
        ("report", "\"access\""),
        ("cron", "\"0 6 1 * *\""),
        ("period", "\"last-month\""),
        ("formats", "[\"pdf\"]"),
        ("folder", "\"/tmp\""),
    ];
    for (key, value, says) in [
        ("name", "\"a/b\"", "stands in names of files"),
        ("report", "\"acces\"", "there is no report"),
        ("cron", "\"0 25 * * *\"", "cron"),
        ("period", "\"-7d\"", "is an instant, no period"),
        ("formats", "[]", "writes nothing"),
        ("formats", "[\"doc\"]", "is no format"),
        ("tz", "\"Mars/Base\"", "is no time zone"),
        ("scope", "\"knd:human\"", "scope"),
        ("by", "\"colour\"", "not by"),
    ] {
        let mut keys: Vec<(&str, &str)> =
            good.iter().copied().filter(|(of, _)| *of != key).collect();
        keys.push((key, value));
        let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        fs::write(&config, format!("[[source]]\npath = \"/x\"\n[[schedule]]\n{keys}")).unwrap();
        let refused = Run::of(keytrail().args(["check-config", "-c"]).arg(&config));
        assert!(refused.code != 0 && refused.stderr.contains(says), "{key}: {}", refused.stderr);
        assert!(refused.stderr.contains("[[schedule]]"), "{}", refused.stderr);
    }
}
