//! Proofs that leave the machine, keys that change, and checkpoints that were kept elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::util::{Data, Run, fixture, keytrail, missing_tool, python};

/// A ledger with two imports, and the checkpoint that was taken away between them.
fn ledger() -> (Data, tempfile::TempDir, PathBuf) {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    data.import_as("c", "one", [fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let older = folder.path().join("older.checkpoint");
    fs::copy(data.path().join("ledger/checkpoint"), &older).unwrap();
    data.import_as("c", "two", [fixture("openbao-2.7.2/ha/node-2.audit.jsonl.gz")]);
    (data, folder, older)
}

fn fingerprint(data: &Data) -> String {
    data.status()["key_fingerprint"].as_str().unwrap().to_owned()
}

/// Writes a proof of a leaf; returns it and the file beside it.
fn prove(data: &Data, leaf: u64, folder: &Path) -> (PathBuf, PathBuf) {
    let proof = folder.join(format!("{leaf}.tlog-proof"));
    data.run("prove", [&leaf.to_string(), "-o", proof.to_str().unwrap()]).expect(0);
    let beside = ["line", "header"].map(|kind| proof.with_extension(kind));
    (proof, beside.into_iter().find(|path| path.exists()).expect("a file beside the proof"))
}

fn verify(arguments: &[&str]) -> Run {
    Run::of(keytrail().arg("verify").args(arguments))
}

#[test]
fn a_line_is_proven_without_the_ledger() {
    let (data, folder, _) = ledger();
    let key = fingerprint(&data);
    let (proof, line) = prove(&data, 1, folder.path());
    let first = data.cat("c/one/file");
    let end = first.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    assert_eq!(fs::read(&line).unwrap(), first[..end], "leaf 1 is the first line");
    let (proof, line) = (proof.to_str().unwrap(), line.to_str().unwrap());
    drop(data);
    let good = verify(&[proof, "--line", line, "--key", &key]).expect(0);
    assert!(good.text().contains("proven       yes") && good.text().contains("known"));
    let unknown = verify(&[proof, "--line", line]).expect(0);
    assert!(unknown.text().contains("not established"), "{}", unknown.text());
    let other = format!("sha256:{}", "0".repeat(64));
    assert!(
        verify(&[proof, "--line", line, "--key", &other]).expect(1).text().contains("NOT the key")
    );
    // One bit of the line, one of the proof.
    let changed = folder.path().join("changed");
    let mut bytes = fs::read(line).unwrap();
    bytes[20] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let run = verify(&[proof, "--line", changed.to_str().unwrap(), "--key", &key]).expect(1);
    assert!(run.text().contains("are not leaf 1"), "{}", run.text());
    let text = fs::read_to_string(proof).unwrap();
    fs::write(&changed, text.replacen("index 1", "index 2", 1)).unwrap();
    verify(&[changed.to_str().unwrap(), "--line", line, "--key", &key]).expect(1);
}

#[test]
fn a_line_is_proven_by_the_python_of_the_documentation() {
    if missing_tool(&python(), "install Python 3") {
        return;
    }
    let (data, folder, _) = ledger();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proofs.md");
    let page = fs::read_to_string(page).unwrap();
    let code = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let script = folder.path().join("check.py");
    fs::write(&script, code).unwrap();
    let check = |proof: &Path, line: &Path| Run::of(python().arg(&script).args([proof, line]));
    let last = data.status_of("signed_leaves") - 1;
    for leaf in [0, 7, last] {
        let (proof, line) = prove(&data, leaf, folder.path());
        check(&proof, &line).expect(0);
        check(&proof, &script).expect(1);
    }
}

#[test]
fn a_header_proves_where_lines_came_from() {
    let (data, folder, _) = ledger();
    let (proof, header) = prove(&data, 0, folder.path());
    let run = verify(&[proof.to_str().unwrap(), "--line", header.to_str().unwrap()]).expect(0);
    assert!(
        run.text().contains("a batch header") && run.text().contains("\"c/one/file\""),
        "{}",
        run.text()
    );
}

#[test]
fn a_ledger_is_held_against_what_was_kept_outside() {
    let (data, folder, older) = ledger();
    let key = data.path().join("keys/verifier.key");
    let proof = folder.path().join("from.consistency");
    let against = older.to_str().unwrap();
    data.run("prove", ["--from", against, "-o", proof.to_str().unwrap()]).expect(0);
    verify(&[proof.to_str().unwrap(), "--against", against, "--key", key.to_str().unwrap()])
        .expect(0);
    let good = data.run("verify", ["--against", against]).expect(0);
    assert!(good.text().contains("extends 1 checkpoint(s)"), "{}", good.text());
    // A folder of checkpoints does as well.
    let newest = folder.path().join("newest.checkpoint");
    fs::copy(data.path().join("ledger/checkpoint"), &newest).unwrap();
    let good = data.run("verify", ["--against", folder.path().to_str().unwrap()]).expect(0);
    assert!(good.text().contains("extends 2 checkpoint(s)"), "{}", good.text());

    // Another ledger of the same name, written by whoever has the key.
    let forged = Data::new();
    fs::create_dir_all(forged.path().join("keys")).unwrap();
    fs::copy(data.path().join("keys/signing.key"), forged.path().join("keys/signing.key")).unwrap();
    forged.import_as("c", "one", [fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    let run = forged.run("verify", ["--against", newest.to_str().unwrap()]).expect(1);
    assert!(
        run.text().contains("rolled back to") && run.text().contains("intact       yes"),
        "{}",
        run.text()
    );
    forged.import_as("c", "two", [fixture("openbao-2.7.2/ha/node-2.audit.jsonl.gz")]);
    let run = forged.run("verify", ["--against", against]).expect(1);
    assert!(run.text().contains("ANOTHER HISTORY"), "{}", run.text());
    forged.run("prove", ["--from", against, "-o", proof.to_str().unwrap()]).expect(1);
    // And by whoever has not.
    let stranger = Data::new();
    stranger.import_as("c", "one", [fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let run = stranger.run("verify", ["--against", against]).expect(1);
    assert!(run.text().contains("signer not established"), "{}", run.text());
}

#[test]
fn a_key_is_rotated_and_the_old_fingerprint_still_serves() {
    let (data, folder, older) = ledger();
    let (first, against) = (fingerprint(&data), older.to_str().unwrap());
    let rotate = |what: &[&str]| {
        Run::of(keytrail().arg("key").args(what).arg("-d").arg(data.path()))
            .expect(0)
            .text()
            .trim()
            .to_owned()
    };
    let second = rotate(&["rotate"]);
    assert_ne!(first, second);
    let secret = fs::metadata(data.path().join("keys/signing.key")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600, "the new key is its owner's alone");
    assert_eq!(fingerprint(&data), second);
    data.import_as("c", "three", [fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    for key in [&first, &second] {
        let run = data.run("verify", ["--key", key, "--against", against, "--index"]).expect(0);
        assert!(
            run.text().contains(&format!("key before   {first}, handed over")),
            "{}",
            run.text()
        );
        let (proof, line) = prove(&data, 3, folder.path());
        verify(&[proof.to_str().unwrap(), "--line", line.to_str().unwrap(), "--key", key])
            .expect(0);
    }
    assert!(rotate(&["show"]).contains(&first));
    let own = String::from_utf8(data.cat("keytrail")).unwrap();
    assert!(own.contains("\"type\":\"key_rotated\"") && own.contains(&second), "{own}");

    // Lost: the ledger goes on under another name, and the old fingerprints say so.
    fs::remove_file(data.path().join("keys/signing.key")).unwrap();
    data.run("rebuild", [] as [&str; 0]).expect(0);
    let third = rotate(&["new-origin", "--why", "the key was lost"]);
    assert_eq!(data.status()["origin"], "keytrail/c/2");
    data.run("verify", ["--key", &third, "--against", against]).expect(0);
    let run = data.run("verify", ["--key", &second]).expect(1);
    assert!(
        run.text().contains("NOT the key given") && run.text().contains("was lost"),
        "{}",
        run.text()
    );
}
