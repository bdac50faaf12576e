//! Checkpoints that leave the machine: into a folder, an object store, a web server, past a witness.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::util::{
    DEADLINE, Data, Receiver, Run, Server, keytrail, missing_tool, pair, python, tools_required,
    until,
};

/// A followed file, its data folder, and a configuration with more in it.
struct Followed {
    folder: TempDir,
    data: Data,
    log: PathBuf,
}

impl Followed {
    fn new() -> Followed {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        fs::write(&log, pair("first", "secret/data/x", 0)).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        Followed { data: Data::new(), log, folder }
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    fn config(&self, more: &str) -> PathBuf {
        let path = self.folder.path().join("keytrail.toml");
        let source = format!("[[source]]\npath = {:?}\ncluster = \"c\"\nnode = \"n\"\n", self.log);
        fs::write(&path, more.to_owned() + "\n" + &source).unwrap();
        path
    }

    fn run_as(&self, command: Command, more: &str) -> Server {
        let config = self.config(more);
        Server::start_as(command, &self.data, &["-c", config.to_str().unwrap()])
    }

    fn run(&self, more: &str) -> Server {
        self.run_as(keytrail(), more)
    }

    /// Writes more lines and waits until they are recorded.
    fn write(&self, id: &str) {
        use std::io::Write;
        let mut log = fs::OpenOptions::new().append(true).open(&self.log).unwrap();
        log.write_all(pair(id, "secret/data/x", 1000).as_bytes()).unwrap();
        until("the line is recorded", DEADLINE, || {
            (self.data.total(&format!("request:{id}")) == 1).then_some(())
        });
    }

    /// Returns what the ledger has signed.
    fn signed(&self) -> Vec<u8> {
        fs::read(self.data.path().join("ledger/checkpoint")).unwrap()
    }
}

/// The names of what stands in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    Run::of(Command::new("cp").arg("-a").arg(from).arg(to)).expect(0);
}

#[test]
fn checkpoints_go_into_a_folder_and_are_never_overwritten() {
    let followed = Followed::new();
    let outside = followed.outside();
    let more = format!("[checkpoint]\nexport = [{outside:?}]\nevery = \"200ms\"");
    let server = followed.run(&more);
    until("a checkpoint is outside", DEADLINE, || (!names(&outside).is_empty()).then_some(()));
    followed.write("second");
    server.terminate();
    let names = names(&outside);
    assert!(names.len() >= 2, "at first and at the end: {names:?}");
    let last = names.last().unwrap();
    assert_eq!(
        fs::read(outside.join(last)).unwrap(),
        followed.signed(),
        "the last one left at the end"
    );
    let against = outside.to_str().unwrap();
    let run = followed.data.run("verify", ["--against", against]).expect(0);
    assert!(
        run.text().contains(&format!("extends {} checkpoint(s)", names.len())),
        "{}",
        run.text()
    );
    let status = followed.data.status();
    let leaves = status["signed_leaves"].as_u64().unwrap();
    assert_eq!(status["outside"]["exported"][against]["leaves"], leaves);
    assert!(last.starts_with(&format!("{leaves:020}-")));

    // Something else under a name that is due: it stays, and the failure is told.
    for name in &names {
        fs::remove_file(outside.join(name)).unwrap();
    }
    fs::write(outside.join(last), "no checkpoint").unwrap();
    fs::remove_file(followed.data.path().join("outside.json")).unwrap();
    let config = followed.config(&more);
    let server = Server::start_as(keytrail(), &followed.data, &["-c", config.to_str().unwrap()]);
    until("there is another checkpoint", DEADLINE, || {
        (self::names(&outside).len() > 1).then_some(())
    });
    server.kill();
    assert_eq!(fs::read_to_string(outside.join(last)).unwrap(), "no checkpoint");
}

#[test]
fn a_missing_folder_is_not_made_and_tried_again() {
    let followed = Followed::new();
    let outside = followed.outside();
    fs::remove_dir(&outside).unwrap();
    let server = followed.run(&format!("[checkpoint]\nexport = [{outside:?}]\nevery = \"200ms\""));
    until("the failure is told", DEADLINE, || {
        let status = followed.data.status();
        let problem = &status["outside"]["exported"][outside.to_str().unwrap()]["problem"];
        problem.as_str().is_some_and(|problem| problem.contains("make the folder")).then_some(())
    });
    assert!(!outside.exists(), "a mount that is missing must not be replaced by a folder");
    fs::create_dir(&outside).unwrap();
    until("a checkpoint is outside", DEADLINE, || (!names(&outside).is_empty()).then_some(()));
    server.terminate();
}

#[test]
fn checkpoints_go_to_an_object_store_and_a_web_server() {
    let followed = Followed::new();
    let (store, web) = (Receiver::start(), Receiver::start());
    store.refuse(true);
    let with_store = || {
        let mut command = keytrail();
        command
            .env("AWS_ENDPOINT", format!("http://{}", store.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "id")
            .env("AWS_SECRET_ACCESS_KEY", "not-to-be-shown")
            .env("AWS_REGION", "us-east-1");
        command
    };
    let url = format!("http://{}/in?token=not-to-be-shown", web.address);
    let more =
        format!("[checkpoint]\nexport = [\"s3://bucket/trail\", {url:?}]\nevery = \"200ms\"");
    let server = followed.run_as(with_store(), &more);
    let web_has = || web.objects().into_keys().next_back();
    let (first, _) = until("the web server has one", DEADLINE, web_has);
    assert!(first.starts_with("/in/0000") && first.contains(".checkpoint"), "{first}");
    store.refuse(false);
    until("the object store has one", DEADLINE, || (!store.objects().is_empty()).then_some(()));
    server.terminate();
    let backup = followed.folder.path().join("backup");
    copy(followed.data.path(), &backup);
    let server = followed.run_as(with_store(), &more);
    followed.write("second");
    let said = server.said();
    server.terminate();
    assert!(!said.contains("not-to-be-shown"), "a secret in the log:\n{said}");
    let status = followed.data.status()["outside"].to_string();
    assert!(!status.contains("not-to-be-shown"), "a secret in the status: {status}");
    for (receiver, place) in [(&store, "/bucket/trail/"), (&web, "/in/")] {
        let objects = receiver.objects();
        let (path, note) = objects.last_key_value().unwrap();
        assert!(path.starts_with(place), "{path}");
        assert_eq!(*note, followed.signed());
    }

    // An older copy of the folder, which remembers nothing: the object store tells.
    fs::remove_dir_all(followed.data.path()).unwrap();
    copy(&backup, followed.data.path());
    fs::remove_file(followed.data.path().join("outside.json")).unwrap();
    let server = followed.run_as(with_store(), &more);
    let said = server.said();
    server.terminate();
    assert!(said.contains("s3://bucket/trail has a checkpoint of"), "{said}");
    assert_eq!(followed.data.status()["origin"], "keytrail/c/2");
}

#[test]
fn an_older_copy_put_back_opens_a_new_origin() {
    let followed = Followed::new();
    let outside = followed.outside();
    let more = format!("[checkpoint]\nexport = [{outside:?}]");
    followed.run(&more).terminate();
    let backup = followed.folder.path().join("backup");
    followed.data.run("backup", ["-o", backup.to_str().unwrap(), "--with-keys"]).expect(0);
    let server = followed.run(&more);
    followed.write("after-the-backup");
    server.terminate();
    let kept = outside.join(names(&outside).pop().unwrap());
    let kept = kept.to_str().unwrap();
    let fingerprint = followed.data.status()["key_fingerprint"].as_str().unwrap().to_owned();

    // Restored, and the audit file has gone on meanwhile.
    fs::remove_dir_all(followed.data.path()).unwrap();
    copy(&backup, followed.data.path());
    let run = followed.data.run("verify", ["--against", kept]).expect(1);
    assert!(run.text().contains("rolled back to"), "{}", run.text());
    let server = followed.run(&more);
    followed.write("after-the-restore");
    server.says("keytrail/c/2");
    server.terminate();
    assert_eq!(followed.data.status()["origin"], "keytrail/c/2");
    followed.data.run("verify", ["--key", &fingerprint]).expect(0);
    let own = String::from_utf8(followed.data.cat("keytrail")).unwrap();
    assert!(own.contains("\"type\":\"new_origin\""), "{own}");
    // What was lost is still told by what was kept.
    let run = followed.data.run("verify", ["--against", kept]).expect(1);
    assert!(run.text().contains("ANOTHER HISTORY"), "{}", run.text());
    // A restart opens no other: the new name has not been ahead of itself. Nor does a lost checkpoint, which is
    // made again.
    fs::remove_file(followed.data.path().join("ledger/checkpoint")).unwrap();
    followed.run(&more).terminate();
    assert_eq!(followed.data.status()["origin"], "keytrail/c/2");
}

/// A witness on a free port; it ends with the test.
struct Witness {
    child: Child,
    url: String,
    key: String,
}

impl Witness {
    /// Starts one that knows this ledger's key; none where its library is missing.
    fn start(data: &Data) -> Option<Witness> {
        let mut command = python();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/witness.py");
        command.arg(script).arg(data.path().join("keys/verifier.key"));
        let child =
            command.env("PYTHONDONTWRITEBYTECODE", "1").stdout(Stdio::piped()).spawn().unwrap();
        let mut witness = Witness { child, url: String::new(), key: String::new() };
        let mut line = String::new();
        let mut out = BufReader::new(witness.child.stdout.take().expect("it is piped"));
        out.read_line(&mut line).unwrap();
        // Its later lines have to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let Some((key, port)) = line.trim_end().split_once(' ') else {
            assert!(!tools_required(), "no witness: aics-tlog is missing");
            eprintln!("aics-tlog is missing: nothing was checked; `cargo xtask test` installs it");
            return None;
        };
        key.clone_into(&mut witness.key);
        witness.url = format!("http://127.0.0.1:{port}/w/");
        Some(witness)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_witness_cosigns_each_extension_and_refuses_another_history() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let followed = Followed::new();
    let outside = followed.outside();
    // The ledger has to have a key before the witness can know it.
    followed.run("").terminate();
    let Some(witness) = Witness::start(&followed.data) else { return };
    let more = format!(
        "[checkpoint]\nexport = [{outside:?}]\nevery = \"200ms\"\n[[witness]]\nurl = {:?}\nkey = {:?}",
        witness.url, witness.key
    );
    let server = followed.run(&more);
    let leaves =
        |name: &str| followed.data.status()["outside"]["cosigned"][name]["leaves"].as_u64();
    until("the witness has cosigned", DEADLINE, || leaves("witness.example/w1"));
    followed.write("second");
    // Without its memory it begins from 0, and is told where the witness stands.
    server.terminate();
    fs::remove_file(followed.data.path().join("outside.json")).unwrap();
    let backup = followed.folder.path().join("backup");
    copy(followed.data.path(), &backup);
    let server = followed.run(&more);
    followed.write("third");
    server.terminate();
    assert_eq!(leaves("witness.example/w1"), followed.data.status()["signed_leaves"].as_u64());

    let run = followed.data.run("verify", ["--witness", &witness.key]).expect(0);
    assert!(run.text().contains("witness.example/w1 has cosigned"), "{}", run.text());
    let cosigned = followed.data.path().join("ledger/cosigned");
    let exported = outside.join(names(&outside).pop().unwrap());
    assert_eq!(fs::read(&cosigned).unwrap(), fs::read(exported).unwrap(), "it is what leaves");
    if let Some(go) = std::env::var_os("KEYTRAIL_GO_PEER") {
        let key = followed.folder.path().join("witness.key");
        fs::write(&key, &witness.key).unwrap();
        let own = followed.data.path().join("keys/verifier.key");
        Run::of(Command::new(&go).arg("cosigned").args([&cosigned, &own, &key])).expect(0);
        let wrong = followed.data.path().join("ledger/checkpoint");
        assert_ne!(Run::of(Command::new(&go).arg("cosigned").args([&wrong, &own, &key])).code, 0);
    }

    // An older copy, the place outside gone too: the witness still knows better.
    fs::remove_dir_all(followed.data.path()).unwrap();
    copy(&backup, followed.data.path());
    let only = more.replace(&format!("export = [{outside:?}]"), "");
    let server = followed.run(&only);
    until("the witness has refused", DEADLINE, || {
        let status = followed.data.status();
        let problem = status["outside"]["cosigned"]["witness.example/w1"]["problem"].as_str()?;
        ["older copy", "ANOTHER HISTORY"].iter().any(|word| problem.contains(word)).then_some(())
    });
    server.terminate();
}

#[test]
fn a_configuration_without_sense_is_refused() {
    let followed = Followed::new();
    for (more, problem) in [
        ("[checkpoint]\nexport = [\"here\"]", "no absolute path"),
        ("[checkpoint]\nexport = [\"http://host.example/\"]", "only https://"),
        ("[checkpoint]\nevery = \"1ms\"", "100ms or more"),
        ("[checkpoint]\nexprt = []", "did you mean `export`?"),
        ("[[witness]]\nurl = \"http://w.example\"\nkey = \"x\"", "must begin with https://"),
        ("[[witness]]\nurl = \"https://w.example\"\nkey = \"x\"", "no key of the form"),
    ] {
        let config = followed.config(more);
        let run = Run::of(keytrail().args(["check-config", "-c"]).arg(config)).expect(2);
        assert!(run.stderr.contains(problem), "{more}:\n{}", run.stderr);
    }
}
