//! Other people's code reads what keytrail signs: Go's golang.org/x/mod/sumdb, and aics-tlog of PyPI.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::util::{Data, Run, fixture, python, tools_required};

/// Returns the programs that check what keytrail wrote; none of one that is not here.
fn peers() -> Vec<Command> {
    let go = std::env::var_os("KEYTRAIL_GO_PEER").map(Command::new);
    if go.is_none() {
        assert!(!tools_required(), "KEYTRAIL_GO_PEER names no program");
        eprintln!("go is missing: nothing is checked by Go; `cargo xtask test` builds the program");
    }
    let mut aics = python();
    let has = aics.args(["-c", "import aics_tlog"]).stderr(Stdio::null()).status();
    let aics = has.is_ok_and(|status| status.success()).then(|| {
        let mut aics = python();
        aics.env("PYTHONDONTWRITEBYTECODE", "1");
        aics.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/tlog_peer.py"));
        aics
    });
    if aics.is_none() {
        assert!(!tools_required(), "aics-tlog is missing");
        eprintln!("aics-tlog is missing: nothing is checked by it; `cargo xtask test` installs it");
    }
    go.into_iter().chain(aics).collect()
}

/// Two imports; returns the folder and the checkpoint that stood between them.
fn ledger() -> (Data, tempfile::TempDir, PathBuf) {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    data.import([fixture("openbao-2.7.2/audit.jsonl.1.gz")]);
    let older = folder.path().join("older");
    fs::copy(data.path().join("ledger/checkpoint"), &older).unwrap();
    data.import([fixture("openbao-2.7.2/audit.jsonl.gz")]);
    (data, folder, older)
}

#[test]
fn checkpoint_and_tiles_are_good_to_others() {
    let (data, _folder, older) = ledger();
    let (ledger, key) = (data.path().join("ledger"), data.path().join("keys/verifier.key"));
    let check = |peer: &mut Command| Run::of(peer.arg("tiles").args([&ledger, &key, &older]));
    for mut peer in peers() {
        check(&mut peer).expect(0);
    }
    // And they would say so if something were wrong: a tile, and the root that was signed.
    for changed in ["tiles/0/001", "checkpoint"] {
        let path = ledger.join(changed);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0) + 9;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        for mut peer in peers() {
            assert_ne!(check(&mut peer).code, 0, "{changed} was changed");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn proofs_are_good_to_others() {
    let (data, folder, older) = ledger();
    let (ledger, key) = (data.path().join("ledger"), data.path().join("keys/verifier.key"));
    let last = data.status_of("signed_leaves") - 1;
    for leaf in [0, 1, 255, 256, last / 2, last] {
        let proof = folder.path().join("proof");
        data.run("prove", [&leaf.to_string(), "-o", proof.to_str().unwrap()]).expect(0);
        let beside = ["line", "header"].map(|kind| proof.with_extension(kind));
        let content = beside.iter().find(|path| path.exists()).expect("a file beside the proof");
        for mut peer in peers() {
            Run::of(peer.arg("inclusion").args([&proof, content, &key])).expect(0);
        }
        for mut peer in peers() {
            assert_ne!(Run::of(peer.arg("inclusion").args([&proof, &key, &key])).code, 0);
        }
        fs::remove_file(content).unwrap();
    }
    let proof = folder.path().join("consistency");
    let arguments = ["--from", older.to_str().unwrap(), "-o", proof.to_str().unwrap()];
    data.run("prove", arguments).expect(0);
    let text = fs::read_to_string(&proof).unwrap();
    let (hashes, _) = text.split_once("\n\n").unwrap();
    fs::write(&proof, hashes.split_once('\n').unwrap().1).unwrap();
    let newer = ledger.join("checkpoint");
    for mut peer in peers() {
        Run::of(peer.arg("consistency").args([&proof, &older, &newer, &key])).expect(0);
    }
    for mut peer in peers() {
        assert_ne!(Run::of(peer.arg("consistency").args([&proof, &newer, &older, &key])).code, 0);
    }
}

#[test]
fn a_key_that_go_made_signs_as_go_does() {
    let Some(go) = std::env::var_os("KEYTRAIL_GO_PEER") else {
        assert!(!tools_required(), "KEYTRAIL_GO_PEER names no program");
        eprintln!("go is missing: nothing was checked here; `cargo xtask test` builds the program");
        return;
    };
    let made = |text: &str| {
        let mut peer = Command::new(&go)
            .args(["key", "keytrail/c", &"5a".repeat(32)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        peer.stdin.take().expect("it is piped").write_all(text.as_bytes()).unwrap();
        String::from_utf8(peer.wait_with_output().unwrap().stdout).unwrap()
    };
    let keys = made("keytrail/c\n");
    let (secret, rest) = keys.split_once('\n').unwrap();
    let data = Data::new();
    fs::create_dir_all(data.path().join("keys")).unwrap();
    fs::write(data.path().join("keys/signing.key"), secret).unwrap();
    data.import([fixture("openbao-2.7.2/ha/node-1.audit.jsonl.gz")]);
    let public = fs::read_to_string(data.path().join("keys/verifier.key")).unwrap();
    assert_eq!(public.trim_end(), rest.lines().next().unwrap());
    // Ed25519 has one signature of one text: the notes are equal byte for byte.
    let note = fs::read_to_string(data.path().join("ledger/checkpoint")).unwrap();
    let (text, _) = note.split_once("\n\n").unwrap();
    let signed = made(&format!("{text}\n"));
    assert_eq!(signed.splitn(3, '\n').nth(2).unwrap(), note);
}
