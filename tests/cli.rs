//! The command line: exit codes and messages.

use std::fs;

use crate::util::{Data, Run, Server, fixture, keytrail, main_recording, pair};

#[test]
fn a_typo_in_a_filter_is_an_error_at_its_place() {
    for (filter, token, suggestion) in [
        ("decison:allowed", "decison:allowed", "decision"),
        ("path:secret/** is:rot", "is:rot", "root"),
        ("op:read outcome:succes", "outcome:succes", "success"),
        ("path:secret/** (decision:denied", "(decision:denied", ""),
        ("op:read after:yesterday-ish", "after:yesterday-ish", ""),
        ("op:read is:first-seen", "is:first-seen", "not available yet"),
        ("op:read control:CC6.1", "control:CC6.1", "not available yet"),
        ("op:read ip:10.0.0.0/40", "ip:10.0.0.0/40", ""),
    ] {
        for (command, more) in [("search", &[][..]), ("count", &["--by", "path"])] {
            let run = main_recording().run(command, [&[filter], more].concat()).expect(2);
            assert!(run.stdout.is_empty(), "{filter}: something on standard output");
            // The filter as it was typed, below it carets somewhere under the token, then what is meant.
            let lines: Vec<&str> = run.stderr.lines().collect();
            let shown = lines
                .iter()
                .position(|line| line.contains(filter))
                .unwrap_or_else(|| panic!("{filter} is not shown:\n{}", run.stderr));
            let caret = lines[shown + 1]
                .find('^')
                .unwrap_or_else(|| panic!("no caret below it:\n{}", run.stderr));
            let start = lines[shown].find(filter).unwrap() + filter.find(token).unwrap();
            assert!((start..=start + token.len()).contains(&caret), "{filter}:\n{}", run.stderr);
            assert!(run.stderr.contains(suggestion), "{filter}:\n{}", run.stderr);
        }
    }
}

#[test]
fn wrong_usage_exits_2() {
    let data = main_recording();
    for (command, arguments) in [
        ("serch", &[][..]),
        ("search", &["--formt", "json", ""]),
        ("search", &["--format", "yaml", ""]),
        ("search", &["", "--from", "yesterday-ish"]),
        ("search", &["", "--limit", "many"]),
        ("count", &["", "--by", "pth"]),
        ("import", &[]),
    ] {
        let run = data.run(command, arguments).expect(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{command} {arguments:?}");
    }
    let run = data.run("count", ["", "--by", "pth"]).expect(2);
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
fn the_configurations_data_folder_holds_for_commands_that_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    fs::write(&log, pair("a", "secret/data/x", 0)).unwrap();
    let data = Data::at(&folder.path().join("data"));
    data.import([&log]);
    let config = folder.path().join("keytrail.toml");
    let text = format!(
        "data = {:?}\n[[source]]\npath = {log:?}\n\
         [[sink]]\nname = \"soc\"\ntype = \"file\"\npath = {:?}\n",
        data.path(),
        folder.path().join("events")
    );
    fs::write(&config, text).unwrap();
    let by = |arguments: &[&str]| {
        let mut command = keytrail();
        command.args(arguments).arg("-c").arg(&config).args(["--format", "json"]);
        // Where the default folder would be.
        Run::of(command.env("XDG_STATE_HOME", folder.path().join("state")))
    };
    assert_eq!(by(&["status"]).expect(0).json()[0]["events"], 1);
    let plan = by(&["forward", "plan", "soc", "--to", "2026-10-06T00:00:00Z"]).expect(0);
    assert_eq!(plan.json()[0]["events"], 1, "{}", plan.text());
    // What is named on the command line goes before it.
    let elsewhere = by(&["status", "-d", "/nowhere"]).expect(3);
    assert!(elsewhere.stderr.contains("no ledger in /nowhere"), "{}", elsewhere.stderr);
}

#[test]
fn shells_complete_every_command() {
    let help = Run::of(keytrail().arg("--help")).expect(0);
    let commands: Vec<&str> = help
        .text()
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty())
        })
        .collect();
    assert!(commands.len() > 15 && commands.contains(&"lookup"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Run::of(keytrail().args(["completions", shell])).expect(0);
        for command in commands.iter().filter(|command| **command != "help") {
            assert!(script.text().contains(command), "{shell} does not know {command}");
        }
        if shell == "bash" {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("completions");
            fs::write(&file, script.text()).unwrap();
            Run::of(std::process::Command::new("bash").arg("-n").arg(file)).expect(0);
        }
    }
    Run::of(keytrail().args(["completions", "cmd"])).expect(2);
}
