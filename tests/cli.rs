//! The command line: what it prints, where, and with which exit code.

use std::fs;
use std::io::{Cursor, Write};
use std::process::Command;

use arrow::ipc::reader::StreamReader;

use crate::util::{Data, Run, Server, fixture, get, get_with_host, keytrail, main_recording, pair};

#[test]
fn a_typo_in_a_filter_is_an_error_at_its_place() {
    for (filter, wrong, suggestion) in [
        ("decison:allowed", "decison", Some("decision")),
        ("path:secret/** is:rot", "rot", Some("root")),
        ("outcome:succes", "succes", Some("success")),
        ("(decision:denied", "(", None),
        ("after:yesterday-ish", "yesterday-ish", None),
        ("is:first-seen", "first-seen", Some("not available yet")),
        ("control:CC6.1", "control", Some("not available yet")),
        ("ip:10.0.0.0/40", "10.0.0.0/40", None),
    ] {
        for command in ["search", "count"] {
            let by: &[&str] = if command == "count" { &["--by", "path"] } else { &[] };
            let run = main_recording().run(command, [&[filter], by].concat()).expect(2);
            assert!(run.stdout.is_empty(), "{filter}: something on standard output");
            let lines: Vec<&str> = run.stderr.lines().collect();
            // The filter, and below it carets under what is wrong.
            let shown = lines
                .iter()
                .position(|line| line.contains(filter))
                .unwrap_or_else(|| panic!("{filter} is not shown:\n{}", run.stderr));
            let carets = lines[shown..]
                .iter()
                .skip(1)
                .find(|line| line.contains('^'))
                .unwrap_or_else(|| panic!("no caret:\n{}", run.stderr));
            let place = lines[shown].find(filter).unwrap() + filter.find(wrong).unwrap();
            assert_eq!(carets.find('^'), Some(place), "{filter}:\n{}", run.stderr);
            if let Some(suggestion) = suggestion {
                assert!(run.stderr.contains(suggestion), "{filter}:\n{}", run.stderr);
            }
        }
    }
}

#[test]
fn wrong_usage_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["serch"][..],
        &["search", "--formt", "json", ""],
        &["search", "--format", "yaml", ""],
        &["count", "", "--by", "pth"],
        &["count", ""],
        &["search", "", "--from", "yesterday-ish"],
        &["import"],
    ] {
        let run = Run::of(keytrail().env("KEYTRAIL_DATA", folder.path()).args(arguments)).expect(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}");
    }
    let run = main_recording().run("count", ["", "--by", "pth"]).expect(2);
    assert!(run.stderr.contains("path"), "no suggestion:\n{}", run.stderr);
}

#[test]
fn a_folder_without_a_ledger_is_named() {
    let data = Data::new();
    for (command, arguments) in [
        ("search", &[""][..]),
        ("count", &["", "--by", "path"]),
        ("verify", &[]),
        ("status", &["--format", "json"]),
    ] {
        let run = data.run(command, arguments).expect(3);
        assert!(run.stderr.contains(data.path().to_str().unwrap()), "{command}:\n{}", run.stderr);
    }
}

#[test]
fn a_missing_file_is_named_and_nothing_is_made_of_it() {
    let data = Data::new();
    let run = data.run("import", ["/no/such/audit.log"]).expect(3);
    assert!(run.stderr.contains("/no/such/audit.log"), "{}", run.stderr);
}

#[test]
fn an_unreadable_file_is_told_with_owner_mode_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/a", 0)).unwrap();
    let mut permissions = fs::metadata(&log).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o000);
    fs::set_permissions(&log, permissions).unwrap();
    let data = Data::new();
    let run = data.run("import", [&log]);
    if fs::File::open(&log).is_ok() {
        // The superuser reads everything.
        run.expect(0);
        return;
    }
    let run = run.expect(3);
    for part in [log.to_str().unwrap(), "mode 0000", "belongs to", "0640"] {
        assert!(run.stderr.contains(part), "{part:?} is not in:\n{}", run.stderr);
    }
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("audit.log"), Data::new());
    fs::write(&log, pair("a", "secret/data/a", 0)).unwrap();
    let server = Server::follow(&data, &log);
    for (command, arguments) in [("import", &[log.to_str().unwrap()][..]), ("rebuild", &[])] {
        let run = data.run(command, arguments).expect(3);
        assert!(
            run.stderr.contains(&server.pid().to_string()),
            "{command} does not name {}:\n{}",
            server.pid(),
            run.stderr
        );
    }
    // Readers need no lock.
    data.run("search", [""]).expect(0);
    data.run("status", ["--format", "json"]).expect(0);
    server.kill();
    data.import([&log]);
}

#[test]
fn a_failed_verify_exits_1() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    data.run("verify", [] as [&str; 0]).expect(0);
    let checkpoint = data.path().join("ledger/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, note.replacen('\n', "x\n", 1)).unwrap();
    data.run("verify", [] as [&str; 0]).expect(1);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keytrail.toml");
    for (text, wrong, right) in [
        ("lisen = \"127.0.0.1:0\"\n", "lisen", "listen"),
        ("[[source]]\npth = \"/var/log/audit.log\"\n", "pth", "path"),
        ("[[sorce]]\npath = \"/var/log/audit.log\"\n", "sorce", "source"),
    ] {
        fs::write(&file, text).unwrap();
        let run = Run::of(keytrail().args(["check-config", "-c"]).arg(&file)).expect(2);
        assert!(
            run.stderr.contains(wrong) && run.stderr.contains(right),
            "{text}:\n{}",
            run.stderr
        );
        let run = Run::of(
            keytrail().args(["run", "-c"]).arg(&file).arg("-d").arg(folder.path().join("data")),
        )
        .expect(2);
        assert!(run.stderr.contains(wrong), "{text}:\n{}", run.stderr);
    }
    fs::write(
        &file,
        format!(
            "data = {:?}\n[[source]]\npath = \"/var/log/audit.log\"\nnode = \"a\"\n",
            folder.path()
        ),
    )
    .unwrap();
    Run::of(keytrail().args(["check-config", "-c"]).arg(&file)).expect(0);
}

#[test]
fn limits() {
    let data = main_recording();
    let rows = |arguments: &[&str]| {
        data.run("search", [&["", "--format", "json"], arguments].concat()).expect(0).json()
    };
    assert_eq!(rows(&[]).len(), 100);
    assert_eq!(rows(&["--limit", "7"]).len(), 7);
    assert_eq!(rows(&["--limit", "0"]).len(), 3069);
    assert_eq!(rows(&["--limit", "0", "--all"]).len(), 3070);
    // Newest first, and the first page is the head of the whole.
    let all = rows(&["--limit", "0"]);
    assert_eq!(rows(&["--limit", "100"]), all[..100]);
    let times: Vec<_> = all
        .iter()
        .map(|event| event["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "search is not newest first");
}

#[test]
fn periods_hold_their_beginning_and_not_their_end() {
    let data = main_recording();
    let times: Vec<String> =
        data.search("").iter().map(|event| event["time"].as_str().unwrap().to_owned()).collect();
    let middle = &times[times.len() / 2];
    let counted = |arguments: &[&str]| -> usize {
        data.run("search", [&["", "--all", "--limit", "0", "--format", "json"], arguments].concat())
            .expect(0)
            .json()
            .len()
    };
    let (before, after) = (counted(&["--to", middle]), counted(&["--from", middle]));
    assert_eq!(before + after, 3070);
    let at: jiff::Timestamp = middle.parse().unwrap();
    assert_eq!(
        before,
        times.iter().filter(|time| time.parse::<jiff::Timestamp>().unwrap() < at).count()
    );
    assert_eq!(counted(&["--from", "2026-11-25"]), 0);
    assert_eq!(counted(&["--from", "2026-11-24", "--to", "2026-11-25"]), 3070);
}

#[test]
fn every_format_has_the_same_rows() {
    let data = main_recording();
    let filter = "decision:denied";
    let json = data.run("search", [filter, "--limit", "0", "--format", "json"]).expect(0).json();
    let csv = data.run("search", [filter, "--limit", "0", "--format", "csv"]).expect(0);
    // A value may hold a line end, so lines are not rows: count what stands outside quotes.
    let (mut quoted, mut rows) = (false, 0);
    for character in csv.text().chars() {
        match character {
            '"' => quoted = !quoted,
            '\n' if !quoted => rows += 1,
            _ => {}
        }
    }
    assert_eq!(rows, json.len() + 1, "CSV has a head and the rows");
    assert!(csv.text().lines().next().unwrap().contains("decision"));
    let arrow = data.run("search", [filter, "--limit", "0", "--format", "arrow"]).expect(0);
    let batches = StreamReader::try_new(Cursor::new(&arrow.stdout), None).unwrap();
    let total: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(total, json.len());
    // On a pipe the table is plain text: no colours, no cutting to a width that is not there.
    let table = data.run("search", [filter, "--limit", "0", "--format", "table"]).expect(0);
    assert!(
        table.text().lines().count() > json.len() && !table.text().contains('\u{1b}'),
        "{}",
        table.text()
    );

    let counted =
        data.run("count", ["", "--by", "decision,outcome", "--format", "json"]).expect(0).json();
    let total: u64 = counted.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(total, 3069);
    assert!(counted.iter().all(|row| row.as_object().unwrap().len() == 3), "{counted:?}");
}

#[test]
fn an_answer_tells_what_it_left_out() {
    let data = main_recording();
    let run = data.run("count", ["", "--by", "decision", "--format", "json"]).expect(0);
    assert!(
        run.stderr.contains("system"),
        "the probe that was left out is not told:\n{}",
        run.stderr
    );
    let all =
        data.run("count", ["", "--by", "decision", "--format", "json", "--all"]).expect(0).json();
    assert_eq!(all.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 3070);
    // The question itself asks for them.
    assert_eq!(data.total("is:system"), 1);
}

#[test]
fn intervals_add_up() {
    let rows = main_recording()
        .run("count", ["", "--by", "decision", "--interval", "1m", "--format", "json"]);
    let rows = rows.expect(0).json();
    assert!(rows.len() > 3, "the recording is longer than a minute: {rows:?}");
    assert_eq!(rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 3069);
}

#[test]
fn terminal_escapes_of_an_attacker_do_not_reach_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    // A path may hold anything that a client can send; here a colour, a bell, and a bidi override.
    let path = r"secret/data/\u001b[31mred\u0007\u202etxt.exe";
    fs::write(&log, pair("evil", path, 0)).unwrap();
    let data = Data::new();
    data.import([&log]);
    for (command, arguments) in [
        ("search", &["", "--format", "table"][..]),
        ("count", &["", "--by", "path", "--format", "table"]),
    ] {
        let run = data.run(command, arguments).expect(0);
        assert!(run.text().contains("red"), "{command}:\n{}", run.text());
        for forbidden in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!run.text().contains(forbidden), "{command} prints {forbidden:?}");
        }
    }
    let events = data.search("");
    assert_eq!(events[0]["path"], "secret/data/\u{1b}[31mred\u{7}\u{202e}txt.exe");
}

#[test]
fn formulas_do_not_reach_the_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("evil", "=HYPERLINK(0)", 0)).unwrap();
    let data = Data::new();
    data.import([&log]);
    let csv = data.run("count", ["", "--by", "path", "--format", "csv"]).expect(0);
    assert!(csv.text().contains("'=HYPERLINK(0)"), "{}", csv.text());
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let mut command = keytrail();
    command
        .args(["search", "-d"])
        .arg(main_recording().path())
        .args(["", "--limit", "0", "--format", "json"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn only_the_loopback_is_listened_on() {
    let data = Data::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8088"] {
        let mut command: Command = keytrail();
        command.arg("run").arg("-d").arg(data.path()).args(["--listen", address]);
        let run = Run::of(&mut command);
        assert!(run.code == 2 || run.code == 3, "{address}: exit code {}", run.code);
        assert!(
            run.stderr.contains("loopback") || run.stderr.contains("127.0.0.1"),
            "{address}:\n{}",
            run.stderr
        );
    }
}

#[test]
fn pages_are_served_to_this_machines_browser_only() {
    let data = Data::new();
    data.import([fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    let server = Server::start(&data, &[]);
    let port = server.address.rsplit(':').next().unwrap();
    for host in [server.address.clone(), format!("localhost:{port}")] {
        assert_eq!(get_with_host(&server.address, "/explore", &host).status, 200, "{host}");
    }
    // DNS rebinding: a page of evil.example that has made its name point here.
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
    ] {
        let reply = get_with_host(&server.address, "/explore", &host);
        assert!((400..500).contains(&reply.status), "{host}: {}", reply.status);
        assert!(!reply.body.contains("secret/data"), "{host} was shown events");
    }
    for page in ["/", "/explore"] {
        let reply = get(&server.address, page);
        let policy = reply
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{page} has no policy"));
        assert!(
            policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let typo = get_with_host(&server.address, "/explore?q=decison%3Aallowed", &server.address);
    assert_eq!(typo.status, 400);
    assert!(typo.body.contains("decision"), "no suggestion on the page");
    let missing =
        get_with_host(&server.address, "/event/00000000000000000000000000000000", &server.address);
    assert_eq!(missing.status, 404);
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00not http at all\r\n\r\n").unwrap();
    drop(stream);
    assert_eq!(get(&server.address, "/").status, 200, "after a client that speaks no HTTP");
}
