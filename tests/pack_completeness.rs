//! What a pack says on its cover of the completeness of the log: never more than is known.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::packs::{fingerprint, has_no_cryptography, json_in, pack, verifiers};
use crate::util::{DEADLINE, Data, Run, Server, fixture, python, request, response, until};

const YEAR: [&str; 2] = ["--period", "2026"];

fn unpacked(node: u8, folder: &Path) -> PathBuf {
    let file = fs::File::open(fixture(&format!("openbao-2.7.2/ha/node-{node}.audit.jsonl.gz")));
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(file.unwrap()).read_to_end(&mut text).unwrap();
    let path = folder.join(format!("node-{node}.log"));
    fs::write(&path, text).unwrap();
    path
}

/// The grade, the reasons, and that the first file which a person opens says the same.
fn cover(pack: &Path) -> (String, Vec<String>) {
    let completeness = json_in(pack, "payload/scope.json")["completeness"].clone();
    let script = "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('payload/README.txt').decode())";
    let readme = Run::of(python().args(["-c", script]).arg(pack)).expect(0);
    let grade = completeness["grade"].as_str().unwrap().to_owned();
    let told = format!("Completeness of the log over the period: {grade}\n");
    assert!(readme.text().contains(&told), "{}", readme.text());
    let why: Vec<String> = completeness["why"]
        .as_array()
        .unwrap()
        .iter()
        .map(|why| why.as_str().unwrap().to_owned())
        .collect();
    for why in &why {
        assert!(readme.text().contains(&format!("  - {why}\n")), "{}", readme.text());
    }
    (grade, why)
}

fn has(why: &[String], words: &str) -> bool {
    why.iter().any(|why| why.contains(words))
}

#[test]
fn a_node_without_lines_is_named_if_nodes_are_declared() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [1, 3].map(|node| unpacked(node, folder.path()));

    // Imported, and nobody said which nodes there are.
    let imported = Data::new();
    for (node, log) in [1, 3].into_iter().zip(&logs) {
        imported.import_as("c", &format!("node-{node}"), [log]);
    }
    let (grade, why) = cover(&pack(&imported, folder.path(), "undeclared.zip", &YEAR));
    assert_ne!(grade, "proven complete");
    assert!(has(&why, "nodes not declared"), "{why:?}");
    assert!(!has(&why, "no lines from"), "{why:?}");
    for node in ["c/node-1/file", "c/node-3/file"] {
        assert!(has(&why, &format!("{node}: all lines were imported")), "{why:?}");
    }

    // Followed, and the operator says that there are three.
    let data = Data::new();
    let source = |(node, path): (u8, &PathBuf)| {
        format!(
            "[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"node-{node}\"\n",
            path.display()
        )
    };
    let sources: String = [1, 3].into_iter().zip(&logs).map(source).collect();
    let config = folder.path().join("keytrail.toml");
    let nodes = "[cluster.c]\nnodes = [\"node-1\", \"node-2\", \"node-3\"]\n";
    fs::write(&config, format!("{sources}{nodes}")).unwrap();
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    let events = imported.status_of("events");
    until("both files are indexed", DEADLINE, || {
        (data.status_of("events") >= events).then_some(())
    });
    drop(server);
    let declared = pack(&data, folder.path(), "declared.zip", &YEAR);
    let (grade, why) = cover(&declared);
    assert_eq!(grade, "incomplete");
    assert!(has(&why, "no lines from node-2"), "{why:?}");
    assert!(!has(&why, "nodes not declared") && !has(&why, "were imported"), "{why:?}");
}

#[test]
fn what_one_audit_device_lacks_is_named() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let recorded =
        |device: &str| fixture(&format!("samples/openbao-2.7.2-recorded/{device}.ndjson"));
    // The second has fewer lines, and one of them is torn.
    let text = fs::read_to_string(recorded("elide_clear_accessor")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = lines[..lines.len() / 2].join("\n");
    kept += "\n{\"time\":\n";
    let second = folder.path().join("second.log");
    fs::write(&second, kept).unwrap();
    for (device, file) in [("first", recorded("hashed")), ("second", second)] {
        let file = file.to_str().unwrap();
        let options = ["--cluster", "c", "--node", "n", "--device", device, file];
        data.run("import", options).expect(0);
    }
    let made = pack(&data, folder.path(), "devices.zip", &YEAR);
    let (grade, why) = cover(&made);
    assert_eq!(grade, "incomplete");
    assert!(
        has(&why, "the audit devices of n have not the same requests: c/n/first has"),
        "{why:?}"
    );
    assert!(has(&why, "1 lines of the whole log hold no entry that could be read"), "{why:?}");
    // Each request counts once all the same, whoever makes the rows again.
    let scope: Value = json_in(&made, "payload/scope.json");
    assert!(scope["population"]["rows"].as_u64() > Some(10), "{scope}");
    for told in verifiers(&made, &fingerprint(&data)) {
        assert!(told.expect(0).text().contains("population   recomputed"));
    }
}

/// A minute between them, so that the time of those in the middle is over: a source's time is the least of its last 64 lines.
fn requests(number: i64) -> Vec<String> {
    let of = |number: i64| {
        let (id, at) = (format!("r-{number}"), number * 60_000);
        [request(&id, "secret/data/x", at), response(&id, "secret/data/x", at + 1)]
    };
    (0..number).flat_map(of).collect()
}

#[test]
fn a_line_that_was_taken_out_is_named() {
    if has_no_cryptography() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lines = requests(80);
    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap()["time"].to_string();
    for (name, taken, says) in [
        ("whole", None, None),
        ("request", Some(10), Some(("1 response line", "without a request line"))),
        ("response", Some(11), Some(("1 request line", "without a response line"))),
        ("last", Some(159), Some(("1 request line", "whose response line had not come yet"))),
    ] {
        let (data, log) = (Data::new(), folder.path().join(format!("{name}.log")));
        let kept = lines.iter().enumerate().filter(|(number, _)| Some(*number) != taken);
        fs::write(&log, kept.map(|(_, line)| &**line).collect::<String>()).unwrap();
        data.import([&log]);
        let made = pack(&data, folder.path(), &format!("{name}.zip"), &[]);
        let (grade, why) = cover(&made);
        let halves: Vec<&String> =
            why.iter().filter(|why| why.contains("1 re") && why.contains(" line")).collect();
        let Some((line, lacks)) = says else {
            assert!(halves.is_empty() && grade == "no gap seen", "{grade} {why:?}");
            continue;
        };
        let lost = of(&lines[taken.unwrap() ^ 1]);
        let told = format!("c/n/file: {line} at {} {lacks}", lost.trim_matches('"'));
        assert!(halves.len() == 1 && halves[0].starts_with(&told), "{told}: {why:?}");
        assert_eq!(grade, if name == "last" { "no gap seen" } else { "incomplete" }, "{why:?}");
        for told in verifiers(&made, &fingerprint(&data)) {
            assert!(told.expect(0).text().contains("population   recomputed"));
        }
    }
}

#[test]
fn a_gap_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (Data::new(), folder.path().join("audit.log"));
    fs::write(&log, requests(20).concat()).unwrap();
    let config = folder.path().join("keytrail.toml");
    let text = format!("[[source]]\npath = \"{}\"\ncluster = \"c\"\nnode = \"n\"\n", log.display());
    fs::write(&config, text).unwrap();
    let server = Server::start(&data, &["-c", config.to_str().unwrap()]);
    until("it is read", DEADLINE, || (data.status_of("events") == 20).then_some(()));
    // Cut under the reader, who cannot know how much was written before that.
    let file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.set_len(0).unwrap();
    fs::write(&log, requests(21)[40..].concat()).unwrap();
    until("it goes on", DEADLINE, || (data.status_of("events") == 21).then_some(()));
    server.terminate();
    let (grade, why) = cover(&pack(&data, folder.path(), "gap.zip", &[]));
    assert_eq!(grade, "incomplete");
    let gap = why.iter().find(|why| why.starts_with("c/n/file: ") && why.contains("missing"));
    assert!(gap.is_some_and(|gap| gap.contains(", between ")), "{why:?}");
}
