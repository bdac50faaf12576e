//! From a period to a verified sample: a pack, rows picked outside of keytrail, both verifiers, and whatever is changed is found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::util::{Data, Run, fixture, generated, keytrail, python, tools_required};

const DAY: [&str; 2] = ["--period", "2026-11-24"];
const SAMPLE: [&str; 4] = ["--sample", "7", "--seed", "2026-Q4"];

fn nodes(nodes: &[u8]) -> Data {
    let data = Data::new();
    for node in nodes {
        let file = fixture(&format!("openbao-2.7.2/ha/node-{node}.audit.jsonl.gz"));
        data.import_as("c", &format!("node-{node}"), [file]);
    }
    data
}

pub(crate) fn fingerprint(data: &Data) -> String {
    data.status()["key_fingerprint"].as_str().unwrap().to_owned()
}

pub(crate) fn pack(data: &Data, folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let output = ["soc2", "-o", path.to_str().unwrap()];
    data.run("pack", [&output[..], more].concat()).expect(0);
    path
}

/// Both verifiers, without a network where the system lets a user do without one.
pub(crate) fn verifiers(pack: &Path, key: &str) -> [Run; 2] {
    let mut script = python();
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pack/verify.py"));
    let can_unshare = Command::new("unshare").args(["-rn", "true"]).output();
    let can_unshare = can_unshare.is_ok_and(|run| run.status.success());
    [keytrail(), script].map(|mut verifier| {
        if verifier.get_program().to_string_lossy().contains("keytrail") {
            verifier.arg("verify");
        }
        verifier.arg(pack).args(["--key", key]);
        if !can_unshare {
            return Run::of(&mut verifier);
        }
        let mut offline = Command::new("unshare");
        offline.arg("-rn").arg(verifier.get_program()).args(verifier.get_args());
        Run::of(&mut offline)
    })
}

/// Tells whether the second verifier cannot run here, and so nothing is to be checked.
pub(crate) fn has_no_cryptography() -> bool {
    let probe = python().args(["-c", "import cryptography"]).output();
    let missing = !probe.is_ok_and(|run| run.status.success());
    if missing {
        assert!(!tools_required(), "pip install cryptography");
        eprintln!("nothing was checked here: pip install cryptography");
    }
    missing
}

/// Runs a script over a pack: `files` are its files by name, and what the script leaves of them is written anew.
pub(crate) fn edited(pack: &Path, script: &str) -> PathBuf {
    let changed = pack.with_file_name("changed.zip");
    let whole = format!(
        "import sys, zipfile, json, hashlib, gzip
with zipfile.ZipFile(sys.argv[1]) as zip: files = {{name: zip.read(name) for name in zip.namelist()}}
def replace(name, old, new):
    assert old in files[name], name
    files[name] = files[name].replace(old, new, 1)
def manifest(*paths):
    entries = json.loads(files['payload/manifest.json'])
    for entry in entries:
        data = files['payload/' + entry['path']]
        entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    files['payload/manifest.json'] = (json.dumps(entries, indent=2) + '\\n').encode()
more = []
{script}
with zipfile.ZipFile(sys.argv[2], 'w') as zip:
    for name, data in [*files.items(), *more]: zip.writestr(name, data)
"
    );
    Run::of(python().args(["-W", "ignore", "-c", &whole]).arg(pack).arg(&changed)).expect(0);
    changed
}

/// Signs a changed pack anew with the key of a data folder: what its holder, or somebody with a key of his own, can do.
pub(crate) fn signed_by(pack: &Path, data: &Data, script: &str) -> PathBuf {
    let script = format!(
        "{script}
import base64
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
_, _, name, key_id, secret = open({:?}).read().strip().split('+', 4)
key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[1:])
manifest()
hashes = [hashlib.sha256(files[name]).hexdigest() for name in ('payload/manifest.json', 'issue.json')]
def signature(text):
    return f'— {{name}} ' + base64.b64encode(bytes.fromhex(key_id) + key.sign(text.encode())).decode() + '\\n'
text = '\\n'.join(['keytrail pack', *hashes]) + '\\n'
files['issue.sig'] = (text + '\\n' + signature(text)).encode()
files['keys'] = open({:?}).read().encode()
proof, checkpoint = files['consistency.txt'].decode().split('\\n\\n', 1)
text = checkpoint.rsplit('\\n\\n', 1)[0] + '\\n'
files['consistency.txt'] = (proof + '\\n\\n' + text + '\\n' + signature(text)).encode()
",
        data.path().join("keys/signing.key"),
        data.path().join("keys/verifier.key"),
    );
    edited(pack, &script)
}

pub(crate) fn json_in(pack: &Path, name: &str) -> Value {
    let script = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    let run = Run::of(python().args(["-c", script]).arg(pack).arg(name)).expect(0);
    serde_json::from_str(run.text()).unwrap()
}

#[test]
fn from_a_quarter_to_a_verified_sample() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (nodes(&[1, 2, 3]), tempfile::tempdir().unwrap());
    let key = fingerprint(&data);
    let whole = pack(&data, folder.path(), "pack.zip", &[&DAY[..], &SAMPLE].concat());
    assert_eq!(fs::metadata(&whole).unwrap().permissions().mode() & 0o777, 0o600);
    let [ours, theirs] = verifiers(&whole, &key);
    let (ours, theirs) = (ours.expect(0), theirs.expect(0));
    for told in [&ours, &theirs] {
        assert!(told.text().contains("intact       yes"), "{}", told.text());
        assert!(told.text().contains("known: the key given"), "{}", told.text());
    }
    for told in [&ours, &theirs] {
        assert!(told.text().contains("population   recomputed: "), "{}", told.text());
    }
    let scope = json_in(&whole, "payload/scope.json");
    assert_eq!(scope["population"]["rows"], scope["tie_out"][1]["right"][0]);
    let rows = scope["population"]["rows"].as_u64().unwrap();
    // What waits for its response is no row.
    let at = scope["at"].to_string();
    let options = ["", "--by", "kind", "--at", &at, "--format", "json"];
    let counted = data.run("count", options).expect(0).json();
    let counted: u64 = counted.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(rows, counted);

    // Three rows are picked in another tool, and come back with their lines.
    let picked = folder.path().join("picked.csv");
    let script = "
import csv, io, sys, zipfile, gzip
rows = list(csv.DictReader(io.StringIO(zipfile.ZipFile(sys.argv[1]).read('payload/populations/events.csv').decode(), newline='')))
with open(sys.argv[2], 'w', newline='', encoding='utf-8-sig') as file:
    out = csv.writer(file)
    out.writerow(['remark', 'uid'])
    out.writerows([['why?', rows[at]['uid']] for at in (0, len(rows) // 2, len(rows) - 1)])
";
    Run::of(python().args(["-c", script]).arg(&whole).arg(&picked)).expect(0);
    let evidence = folder.path().join("evidence.zip");
    let arguments = ["--rows", picked.to_str().unwrap(), "-o", evidence.to_str().unwrap()];
    data.run("evidence", arguments).expect(0);
    for told in verifiers(&evidence, &key) {
        let told = told.expect(0);
        assert!(told.text().contains("intact       yes"), "{}", told.text());
    }

    // Their lines stand in the servers' own files, where the rows say; no keytrail is asked.
    let script = "
import csv, gzip, hashlib, io, sys, zipfile
rows = list(csv.DictReader(io.StringIO(zipfile.ZipFile(sys.argv[1]).read('payload/samples/sample.csv').decode(), newline='')))
assert len(rows) == 3, rows
found = 0
for row in rows:
    for half in ('request', 'response'):
        if not row[half + '_leaf']: continue
        node = row[half + '_source'].split('/')[1]
        log = gzip.open(f'{sys.argv[2]}/{node}.audit.jsonl.gz').read()
        offset, length = int(row[half + '_offset']), int(row[half + '_length'])
        line = log[offset:offset + length]
        assert hashlib.sha256(line).hexdigest() == row[half + '_sha256'], row
        assert row['request_id'].encode() in line and line.endswith(b'\\n')
        found += 1
assert found >= 3, found
";
    let logs = fixture("openbao-2.7.2/ha");
    Run::of(python().args(["-c", script]).arg(&evidence).arg(logs)).expect(0);

    // A row that is in no trail is listed, the others are there all the same.
    let unknown = "0".repeat(32);
    let some = [arguments[0], arguments[1], &unknown, arguments[2], arguments[3]];
    let run = data.run("evidence", some).expect(1);
    assert!(run.stderr.contains(&format!("not in the trail: {unknown}")), "{}", run.stderr);
    for told in verifiers(&evidence, &key) {
        told.expect(0);
    }
}

/// Rows get their lines some thousand at a time: this is more than one time.
#[test]
fn a_pack_of_more_rows_than_are_read_together_is_whole() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    for (node, seed) in [("a", 3), ("b", 4)] {
        let (log, _) = generated(folder.path(), seed, 6_000, &["--days", "2"]);
        data.import_as("c", node, [log]);
    }
    let whole = pack(&data, folder.path(), "pack.zip", &SAMPLE);
    let rows = json_in(&whole, "payload/scope.json")["population"]["rows"].as_u64().unwrap();
    assert!(rows > 5_000, "{rows}");
    for told in verifiers(&whole, &fingerprint(&data)) {
        let told = told.expect(0);
        assert!(told.text().contains(&format!("recomputed: {rows} rows")), "{}", told.text());
    }
}

#[test]
fn whatever_is_changed_is_found_and_named() {
    if has_no_cryptography() {
        return;
    }
    let (data, other, folder) = (nodes(&[1, 2]), nodes(&[1]), tempfile::tempdir().unwrap());
    let key = fingerprint(&data);
    let whole = pack(&data, folder.path(), "pack.zip", &[&DAY[..], &SAMPLE].concat());
    let finds = |changed: &Path, words: [&str; 2]| {
        for (told, words) in verifiers(changed, &key).into_iter().zip(words) {
            let told = told.expect(1);
            assert!(told.text().contains(words), "{words:?} not in {}", told.text());
        }
    };
    // As somebody without any key can do it: the manifest, or the signature over it, does not fit.
    for (script, words) in [
        (
            "replace('payload/populations/events.csv', b'allowed', b'denied!')",
            "populations/events.csv: ",
        ),
        (
            "replace('payload/reports/access-by-decision.csv', b'allowed,', b'allowed,1')",
            "reports/access-by-decision.csv: ",
        ),
        ("replace('payload/raw/leaves.csv', b',line,', b',own,')", "raw/leaves.csv: "),
        ("replace('payload/report.pdf', b'/Contents', b'/contents')", "report.pdf: "),
        ("replace('payload/manifest.json', b'\"rows\": 7', b'\"rows\": 8')", "issue.sig: "),
        ("replace('issue.json', b'issued_by', b'wanted_by')", "issue.sig: "),
        ("replace('issue.sig', b'keytrail pack', b'keytrail_pack')", "issue.sig: "),
        ("files['payload/../evil'] = b''", "evil"),
        ("files['/etc/evil'] = b''", "evil"),
        ("del files['payload/README.txt']", "README.txt"),
    ] {
        finds(&edited(&whole, script), [words, words]);
    }
    // As the ledger's holder can do it: manifest and signature made anew over what was changed.
    let line = "part = 'payload/raw/lines-0001.jsonl.gz'
lines = gzip.decompress(files[part])
files[part] = gzip.compress(lines.replace(b'read', b'list', 1), mtime=0)";
    let line_and_leaf = format!(
        "{line}
old = {{hashlib.sha256(line + b'\\n').hexdigest() for line in lines.split(b'\\n')}}
new = {{hashlib.sha256(line + b'\\n').hexdigest() for line in lines.replace(b'read', b'list', 1).split(b'\\n')}}
(gone,), (come,) = old - new, new - old
for name in ('raw/leaves.csv', 'populations/events.csv', 'samples/sample.csv'):
    files['payload/' + name] = files['payload/' + name].replace(gone.encode(), come.encode())"
    );
    for (script, ours, theirs) in [
        (line, "raw/leaves.csv, leaf ", "raw/leaves.csv, leaf "),
        (
            &line_and_leaf,
            "one of the leaves before it was changed",
            "one of the leaves before it was changed",
        ),
        (
            "replace('payload/raw/leaves.csv', b'c/node-2/file', b'c/node-9/file')",
            "its batch header says",
            "its batch header says",
        ),
        (
            "files['payload/raw/leaves.csv'] = b'\\r\\n'.join(row.rpartition(b',')[0] for row in files['payload/raw/leaves.csv'].split(b'\\r\\n'))",
            "raw/leaves.csv: other columns than a pack has",
            "raw/leaves.csv",
        ),
        (
            "import re; files['payload/raw/proof.txt'], n = re.subn(rb'\\n([0-9]+) ([0-9]+) ', lambda it: b'\\n%d %s ' % (int(it[1]) + 1, it[2]), files['payload/raw/proof.txt'], count=1); assert n",
            "raw/proof.txt: it does not hold the hashes",
            "raw/proof.txt: it does not hold the hashes",
        ),
        (
            "replace('payload/scope.json', b'2026-Q4', b'2026-Q5')",
            "samples/sample.csv",
            "samples/sample.csv",
        ),
        (
            "data = files['payload/populations/events.csv'].split(b'\\r\\n'); data[3], data[4] = data[4], data[3]; files['payload/populations/events.csv'] = b'\\r\\n'.join(data)",
            "populations/events.csv, row 3",
            "",
        ),
        (
            "replace('payload/populations/events.csv', b',allowed,policy', b',denied,policy')",
            "populations/events.csv, row ",
            "populations/events.csv, row ",
        ),
        (
            "replace('payload/reports/access-by-decision.csv', b'allowed,', b'allowed,1')",
            "reports/access-by-decision.csv, row ",
            "",
        ),
        // A row less, whose sample had it not.
        (
            "rows = files['payload/populations/events.csv'].split(b'\\r\\n'); sampled = files['payload/samples/sample.csv']
at = next(at for at, row in enumerate(rows) if at and row[:32] not in sampled); del rows[at]
files['payload/populations/events.csv'] = b'\\r\\n'.join(rows)
scope = json.loads(files['payload/scope.json']); scope['population']['rows'] -= 1
scope['tie_out'][1]['left'] -= 1; scope['tie_out'][1]['right'][0] -= 1
files['payload/scope.json'] = json.dumps(scope).encode()",
            "populations/events.csv",
            "populations/events.csv: the raw lines give 1 more rows",
        ),
        (
            "replace('payload/populations/events.csv', b',read,', b',list,')",
            "populations/events.csv, row ",
            "populations/events.csv, row ",
        ),
        (
            "replace('payload/scope.json', b'\"forwarded\": ', b'\"forwarded\": 1')",
            "scope.json: the raw lines give other numbers",
            "scope.json: left out are",
        ),
    ] {
        let changed = signed_by(&whole, &data, script);
        let [told, by_script] = verifiers(&changed, &key);
        let told = told.expect(1);
        assert!(told.text().contains(ours), "{ours:?} not in {}", told.text());
        // What the script does not make again it does not call recomputed.
        let by_script = by_script.expect(i32::from(!theirs.is_empty()));
        assert!(by_script.text().contains(theirs), "{theirs:?} not in {}", by_script.text());
        assert!(!by_script.text().contains("reports"), "{}", by_script.text());
    }
    // A pack that is right in itself, signed by a key that nobody knows.
    let fresh = signed_by(&whole, &other, "");
    finds(&fresh, ["signer not established", "signer not established"]);
}

#[test]
fn the_same_leaf_gives_the_same_payload_later() {
    let (data, folder) = (nodes(&[1, 2]), tempfile::tempdir().unwrap());
    let key = fingerprint(&data);
    // Parts of a day, in a zone and over its change of the clocks, whose night has no events.
    let options = [
        "--from",
        "2026-10-24",
        "--to",
        "2026-11-24T15:13:24+01:00",
        "--tz",
        "Europe/Berlin",
        "--scope",
        "-action:token.lookup",
        "--sample",
        "4",
        "--seed",
        "s",
    ];
    let before = pack(&data, folder.path(), "before.zip", &options);
    let at = json_in(&before, "payload/scope.json")["at"].to_string();
    data.import_as("c", "node-3", [fixture("openbao-2.7.2/ha/node-3.audit.jsonl.gz")]);
    data.import_as("c", "node-4", [fixture("openbao-2.7.2/audit.jsonl.gz")]);
    let later = pack(&data, folder.path(), "later.zip", &[&options[..], &["--at", &at]].concat());
    let script = "
import sys, zipfile
one, other = (zipfile.ZipFile(path) for path in sys.argv[1:])
assert one.namelist() == other.namelist()
for name in one.namelist():
    if name.startswith('payload/'): assert one.read(name) == other.read(name), name
assert one.read('issue.json') != other.read('issue.json')
";
    Run::of(python().args(["-c", script]).arg(&before).arg(&later)).expect(0);
    for made in [&before, &later] {
        let run = keytrail().arg("verify").arg(made).args(["--key", &key]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    }
    let scope = json_in(&later, "payload/scope.json");
    assert_eq!(scope["from"], "2026-10-23T22:00:00Z");
    assert_eq!(scope["to"], "2026-11-24T14:13:24Z");
    let by_count = data.run(
        "count",
        [
            "-action:token.lookup",
            "--by",
            "node",
            "--to",
            "2026-11-24T14:13:24Z",
            "--at",
            &at,
            "--format",
            "json",
        ],
    );
    let counted: u64 =
        by_count.expect(0).json().iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(scope["population"]["rows"], counted);
    // The report command gives the numbers of then, too.
    let numbers = |at: &[&str]| {
        let arguments = [&["access", "--format", "csv", "--by", "path"][..], at].concat();
        data.run("report", arguments).expect(0).text().to_owned()
    };
    assert_ne!(numbers(&["--at", &at]), numbers(&[]));
}

#[test]
fn a_pack_in_parts_is_verified_together() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (nodes(&[2]), tempfile::tempdir().unwrap());
    let key = fingerprint(&data);
    let whole = pack(&data, folder.path(), "q4.zip", &[&DAY[..], &["--parts"]].concat());
    let part = folder.path().join("q4.part-001.zip");
    assert!(part.exists() && !folder.path().join("q4.part-002.zip").exists());
    // As if it were a large one: its files lie in three.
    let script = "
import sys, zipfile
from pathlib import Path
whole, folder = zipfile.ZipFile(sys.argv[1]), Path(sys.argv[1]).parent
parts = [zipfile.ZipFile(folder / f'q4.part-00{number}.zip', 'w') for number in (1, 2, 3)]
for at, name in enumerate(whole.namelist()): parts[at % 3].writestr(name, whole.read(name))
for part in parts: part.close()
";
    Run::of(python().args(["-c", script]).arg(&whole)).expect(0);
    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    for number in 1..=3 {
        let name = format!("q4.part-00{number}.zip");
        fs::copy(folder.path().join(&name), alone.join(&name)).unwrap();
    }
    for given in [&part, &folder.path().join("q4.part-003.zip"), &alone] {
        for told in verifiers(given, &key) {
            assert!(told.expect(0).text().contains("recomputed"), "{}", given.display());
        }
    }
    fs::remove_file(alone.join("q4.part-002.zip")).unwrap();
    for told in verifiers(&alone, &key) {
        assert!(told.expect(1).text().contains("missing"), "a part is missing");
    }
    let output = whole.to_str().unwrap();
    let again = data.run("pack", ["soc2", "-o", output, "--parts", "--period", "2026"]);
    assert!(again.expect(2).stderr.contains("is there already"));
}

#[test]
fn a_changed_byte_is_found_or_changes_nothing() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (nodes(&[3]), tempfile::tempdir().unwrap());
    let key = fingerprint(&data);
    let whole = pack(&data, folder.path(), "pack.zip", &[&DAY[..], &SAMPLE].concat());
    let script = "
import random, sys, zipfile
whole, changed, seed = sys.argv[1:]
data, random = bytearray(open(whole, 'rb').read()), random.Random(int(seed))
for _ in range(random.choice((1, 1, 3, 20))): data[random.randrange(len(data))] ^= 1 << random.randrange(8)
if random.randrange(5) == 0: del data[random.randrange(len(data)):]
open(changed, 'wb').write(data)
";
    let same = "
import sys, zipfile
one, other = (zipfile.ZipFile(path) for path in sys.argv[1:])
assert all(one.read(name) == other.read(name) for name in one.namelist()) and one.namelist() == other.namelist()
";
    let changed = folder.path().join("changed.zip");
    let mut found = 0;
    for seed in 0..24 {
        let seed = seed.to_string();
        Run::of(python().args(["-c", script]).args([&whole, &changed]).arg(&seed)).expect(0);
        for (verifier, told) in ["keytrail", "verify.py"].iter().zip(verifiers(&changed, &key)) {
            let at = format!("{verifier}, seed {seed}: {} {}", told.text(), told.stderr);
            assert!(!at.contains("panicked") && !at.contains("Traceback"), "{at}");
            match told.text().contains("intact       yes") {
                // What a zip holds beside its files, such as their times, is nobody's evidence.
                true => {
                    drop(Run::of(python().args(["-c", same]).args([&whole, &changed])).expect(0))
                }
                false => found += 1,
            }
        }
    }
    assert!(found >= 40, "{found} of 48");
}

/// What who unpacks from front to back would find is what was verified.
#[test]
fn a_zip_with_other_files_than_its_list_names_is_refused() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (nodes(&[3]), tempfile::tempdir().unwrap());
    let (key, whole) = (fingerprint(&data), pack(&data, folder.path(), "pack.zip", &DAY));
    let changed = folder.path().join("changed.zip");
    for change in [
        // The name before a file.
        "at = data.index(b'issue.json'); data[at:at + 10] = b'issue.exe!'",
        // A file, and bytes, that the list does not name, before its files, between them and behind them.
        "put(0, hidden)",
        "put(0, b'#!/bin/sh\\n')",
        "put(zip.getinfo('issue.json').header_offset, hidden)",
        "put(zip.start_dir, hidden)",
        // A comment, which may hold a list of its own.
        "data[-2:] = (5).to_bytes(2, 'little'); data += b'words'",
    ] {
        let script = format!(
            "
import io, struct, sys, zipfile
zip, data = zipfile.ZipFile(sys.argv[1]), bytearray(open(sys.argv[1], 'rb').read())
hidden = io.BytesIO()
with zipfile.ZipFile(hidden, 'w') as one: one.writestr('payload/README.txt', 'other words')
hidden = hidden.getvalue()[:one.start_dir]
def put(place, these):
    'Puts bytes there, and mends the list.'
    list = zip.start_dir
    for of in zip.infolist():
        if of.header_offset >= place: struct.pack_into('<L', data, list + 42, of.header_offset + len(these))
        list += 46 + sum(struct.unpack_from('<3H', data, list + 28))
    struct.pack_into('<L', data, len(data) - 6, zip.start_dir + len(these))
    data[place:place] = these
{change}
open(sys.argv[2], 'wb').write(data)
"
        );
        Run::of(python().args(["-c", &script]).args([&whole, &changed])).expect(0);
        for told in verifiers(&changed, &key) {
            let told = told.expect(1);
            let is_named = told.text().contains("not the zip file that was issued");
            assert!(is_named, "{change}: {}", told.text());
        }
    }
}

#[test]
fn a_pack_of_samples_says_that_its_population_is_asserted() {
    let (data, folder) = (nodes(&[3]), tempfile::tempdir().unwrap());
    let options = [&DAY[..], &SAMPLE, &["--raw", "samples"]].concat();
    let made = pack(&data, folder.path(), "samples.zip", &options);
    let told = Run::of(keytrail().arg("verify").arg(&made)).expect(0);
    assert!(told.text().contains("population   asserted, not recomputed"), "{}", told.text());
    assert!(told.text().contains("sample       recomputed: 7 rows"), "{}", told.text());
    assert!(told.text().contains("signer not established"), "{}", told.text());

    let nothing = folder.path().join("nothing.zip");
    let run = data.run("pack", ["soc2", "--period", "2020", "-o", nothing.to_str().unwrap()]);
    assert!(run.expect(1).stderr.contains("no event fits"));
    assert!(!nothing.exists());
    // A copy without the signing key cannot issue.
    fs::remove_file(data.path().join("keys/signing.key")).unwrap();
    let run = data.run("pack", ["soc2", "--period", "2026", "-o", nothing.to_str().unwrap()]);
    assert!(run.expect(3).stderr.contains("this copy cannot sign"));
    assert!(!nothing.exists());
}
