//! Backup and restore with the program: what comes back, what is missing, and what says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::util::{DEADLINE, Data, Run, Server, fixture_text, until};

/// Copies a folder in place of what is there.
fn put(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    Run::of(Command::new("cp").arg("-a").arg(from).arg(to)).expect(0);
}

/// A log in two halves, as files.
fn halves(folder: &Path) -> [PathBuf; 2] {
    let text = fixture_text("openbao-2.7.2/audit.jsonl.gz");
    let middle = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    [("first", &text[..middle]), ("second", &text[middle..])].map(|(name, half)| {
        let path = folder.join(name);
        fs::write(&path, half).unwrap();
        path
    })
}

fn backup(data: &Data, to: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["-o", to.to_str().unwrap()];
    arguments.extend(more);
    data.run("backup", arguments).expect(0).text().to_owned()
}

#[test]
fn a_copy_made_while_keytrail_follows_is_put_back_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = halves(folder.path());
    let (data, log) = (Data::new(), folder.path().join("audit.log"));
    fs::copy(&first, &log).unwrap();
    let server = Server::follow(&data, &log);
    let all_of = |file: &Path| {
        let bytes = fs::read(file).unwrap();
        // Before its first line the source is unknown.
        let recorded = || data.run("cat", ["-s", "c/n/file"]).stdout == bytes;
        until("it is in the ledger", DEADLINE, || recorded().then_some(()));
    };
    all_of(&first);
    let (public, whole) = (folder.path().join("public"), folder.path().join("whole"));
    assert!(backup(&data, &public, &[]).contains("without the signing key"));
    assert!(backup(&data, &whole, &["--with-keys"]).contains("whoever has this copy can sign"));
    fs::write(&log, [fs::read(&first).unwrap(), fs::read(&second).unwrap()].concat()).unwrap();
    all_of(&log);
    server.kill();

    // For an auditor: read, verified, indexed, and not written to.
    let public = Data::at(&public);
    public.run("verify", [] as [&str; 0]).expect(0);
    public.run("rebuild", [] as [&str; 0]).expect(0);
    assert_eq!(public.cat("c/n/file"), fs::read(&first).unwrap());
    let run = public.run("import", ["--cluster", "c", second.to_str().unwrap()]).expect(3);
    assert!(run.stderr.contains("signing.key"), "{}", run.stderr);

    // Put back: what the audit file still has is read again, once.
    put(&whole, data.path());
    let server = Server::follow(&data, &log);
    all_of(&log);
    server.terminate();
    data.run("verify", ["--index"]).expect(0);
    // The copy and what was put back have gone on from it: another backup adds to it.
    backup(&data, &whole, &[]);
    let whole = Data::at(&whole);
    whole.run("verify", [] as [&str; 0]).expect(0);
    assert_eq!(whole.cat("c/n/file"), fs::read(&log).unwrap());
}

#[test]
fn an_index_of_another_state_of_the_ledger_is_refused_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = halves(folder.path());
    let data = Data::new();
    data.import([&first]);
    let older = folder.path().join("older");
    put(data.path(), &older);
    data.import([&second]);
    let newer = folder.path().join("newer");
    put(data.path(), &newer);

    // The ledger is an older copy, the index is not.
    put(&older.join("ledger"), &data.path().join("ledger"));
    let run = data.run("search", [""]).expect(3);
    assert!(
        run.stderr.contains("was an older copy of the ledger put in its place?"),
        "{}",
        run.stderr
    );
    let run = data.import([&first]);
    assert!(run.stderr.contains("Building the index anew"), "{}", run.stderr);
    data.run("verify", ["--index"]).expect(0);

    // As many leaves, and others among them.
    put(&older, data.path());
    let text = fs::read_to_string(&second).unwrap().replacen("\"time\":\"2", "\"time\":\"3", 1);
    fs::write(&second, text).unwrap();
    data.import([&second]);
    assert_eq!(data.status_of("leaves"), Data::at(&newer).status_of("leaves"));
    put(&newer.join("index"), &data.path().join("index"));
    let run = data.import([&first]);
    assert!(run.stderr.contains("is another one than the index was made from"), "{}", run.stderr);
    data.run("verify", ["--index"]).expect(0);
}

#[test]
fn a_ledger_of_a_later_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = halves(folder.path());
    let data = Data::new();
    data.import([&first]);
    let format = data.path().join("format");
    let text = fs::read_to_string(&format).unwrap();
    fs::write(&format, text.replace("format 1", "format 2")).unwrap();
    let before = fs::read(data.path().join("ledger/checkpoint")).unwrap();
    let copy = folder.path().join("copy");
    for (command, arguments) in [
        ("status", vec![]),
        ("search", vec![""]),
        ("verify", vec![]),
        ("rebuild", vec![]),
        ("cat", vec!["-s", "c/n/file"]),
        ("backup", vec!["-o", copy.to_str().unwrap()]),
        ("import", vec!["--cluster", "c", first.to_str().unwrap()]),
        ("run", vec!["--audit-log", first.to_str().unwrap(), "--cluster", "c"]),
    ] {
        let run = data.run(command, arguments).expect(3);
        for said in ["format 2", "format 1", "a newer keytrail"] {
            assert!(run.stderr.contains(said), "{command}: {}", run.stderr);
        }
    }
    assert_eq!(fs::read(data.path().join("ledger/checkpoint")).unwrap(), before);
}
