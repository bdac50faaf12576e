//! What controls found, in a pack: as of its leaf, with the registers and reviews of then, and whatever is changed is found.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::packs::{edited, fingerprint, has_no_cryptography, json_in, pack, signed_by, verifiers};
use crate::reviews::review;
use crate::util::{Data, Person, Run, Server, fixture, python, tools_required};

const YEAR: [&str; 2] = ["--period", "2026"];
const TICKET: &str = "[[ticket]]\nticket = \"CHG-1\"\nactor = \"alice\"\napprover = \"bob\"\nfrom = 2026-11-01T00:00:00Z\nto = 2026-11-02T00:00:00Z\n";

fn recorded() -> Data {
    let data = Data::new();
    let folder = fixture("openbao-2.7.2");
    data.import([folder.join("audit.jsonl.1.gz"), folder.join("audit.jsonl.gz")]).expect(0);
    data
}

fn same_payload(one: &Path, other: &Path) {
    let script = "
import sys, zipfile
one, other = (zipfile.ZipFile(path) for path in sys.argv[1:])
assert one.namelist() == other.namelist(), set(one.namelist()) ^ set(other.namelist())
for name in one.namelist():
    if name.startswith('payload/'): assert one.read(name) == other.read(name), name
";
    Run::of(python().args(["-c", script]).arg(one).arg(other)).expect(0);
}

/// Runs a script over the tables of a pack: `table(name)` is one as a list of dictionaries.
fn with_tables(pack: &Path, script: &str) {
    let whole = format!(
        "import csv, hashlib, io, json, sys, zipfile
zip = zipfile.ZipFile(sys.argv[1])
read = lambda name: zip.read('payload/' + name)
table = lambda name: list(csv.DictReader(io.StringIO(read(name).decode(), newline='')))
{script}"
    );
    Run::of(python().args(["-c", &whole]).arg(pack)).expect(0);
}

/// Reads OSCAL, OCSF and workbooks of a pack by other people's libraries; nothing where these are not installed.
fn read_by_others(pack: &Path) -> Option<Value> {
    let modules = "import trestle, py_ocsf_models, ocsf_json_schema, jsonschema, openpyxl";
    let probe = python().args(["-c", modules]).output();
    if !probe.is_ok_and(|run| run.status.success()) {
        let remedy =
            "pip install compliance-trestle py-ocsf-models ocsf-json-schema jsonschema openpyxl";
        assert!(!tools_required(), "{remedy}");
        eprintln!("OSCAL, OCSF and workbooks were not checked here: {remedy}");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/formats.py");
    Some(Run::of(python().arg(script).arg(pack)).expect(0).json().remove(0))
}

#[test]
fn findings_registers_and_reviews_are_those_of_the_leaf() {
    if has_no_cryptography() {
        return;
    }
    let (data, folder) = (recorded(), tempfile::tempdir().unwrap());
    for name in ["ann", "bob"] {
        Person::add(&data, name, "reviewer");
    }
    let (context, then) = (data.path().join("context"), folder.path().join("context"));
    for place in [&context, &then] {
        fs::create_dir(place).unwrap();
        fs::write(place.join("tickets.toml"), TICKET).unwrap();
    }
    // Of the registers nothing was recorded before, and no process indexes the line about them.
    let first = pack(&data, folder.path(), "first.zip", &YEAR);
    let key = fingerprint(&data);
    for told in verifiers(&first, &key) {
        let told = told.expect(0);
        assert!(told.text().contains("registers and catalogue are those of"), "{}", told.text());
    }
    with_tables(
        &first,
        "
scope, findings = json.loads(read('scope.json')), json.loads(read('controls/findings.json'))
register = read('registers/tickets.txt')
told = {of['name']: of.get('sha256') for of in scope['registers']['registers']}
assert told.pop('tickets') == hashlib.sha256(register).hexdigest() and not any(told.values()), told
assert b'CHG-1' in register
own = [json.loads(line) for line in read('own/lines.jsonl').splitlines()]
assert any(line['type'] == 'registers_changed' for line in own)
assert hashlib.sha256(read('catalogue/catalogue.json')).hexdigest() == findings['evaluation']['catalogue']
found = {row['control']: row for row in table('controls/findings.csv')}
assert found['KT-AUTH-01']['finding_of_keytrail'] == 'exceptions (2 open, 0 dispositioned)', found['KT-AUTH-01']
assert found['KT-ENT-07']['finding_of_keytrail'] == 'no data' and 'leavers' in found['KT-ENT-07']['missing']
assert all(row['conclusion_of_auditor'] == '' for row in found.values())
# What requirements say is what their controls say, and none of it is a pass where there is no data.
for row in table('controls/requirements.csv'):
    verdicts = dict(of.split(': ', 1) for of in row['controls'].split('; '))
    assert all(found[id]['finding_of_keytrail'].startswith(verdict) for id, verdict in verdicts.items()), row
    assert (row['verdict'] == 'no exceptions found') <= all(verdict == 'no exceptions found' or 'not applicable' in verdict for verdict in verdicts.values()), row
# Each exception's events are rows with the lines that they were made of.
exceptions, events = table('controls/exceptions.csv'), table('controls/exception-events.csv')
leaves = {row['leaf']: row['sha256'] for row in table('raw/leaves.csv')}
for exception in exceptions:
    of = [row for row in events if row['exception'] == exception['exception']]
    assert len(of) == int(exception['events_listed']) <= int(exception['events']), exception
    for row in of: assert leaves[row['request_leaf'] or row['response_leaf']] == (row['request_sha256'] or row['response_sha256'])
assert len(exceptions) > 5 and table('controls/dispositions.csv') == []
",
    );

    // Two reviewers decide, and the register goes away.
    let server = Server::start(&data, &[]);
    for name in ["ann", "bob"] {
        let person = Person::signed_in(&server.address, name);
        assert_eq!(review(&person, &[("state", "expected")]).0, 303);
    }
    drop(server);
    fs::remove_dir_all(&context).unwrap();
    let at = json_in(&first, "payload/scope.json")["at"].to_string();
    let refused = folder.path().join("refused.zip");
    let arguments = ["soc2", "--at", &at, "-o", refused.to_str().unwrap()];
    let run = data.run("pack", [&arguments[..], &YEAR].concat()).expect(2);
    assert!(run.stderr.contains("are not those of leaf"), "{}", run.stderr);
    assert!(run.stderr.contains("tickets had SHA-256"), "{}", run.stderr);
    let options = ["--at", &at, "--context", then.to_str().unwrap()];
    let again = pack(&data, folder.path(), "again.zip", &[&YEAR[..], &options].concat());
    same_payload(&first, &again);

    let later = pack(&data, folder.path(), "later.zip", &YEAR);
    for told in verifiers(&later, &key) {
        told.expect(0);
    }
    with_tables(
        &later,
        "
found = {row['control']: row for row in table('controls/findings.csv')}
assert found['KT-AUTH-01']['finding_of_keytrail'] == 'exceptions (1 open, 1 dispositioned)', found['KT-AUTH-01']
said = table('controls/dispositions.csv')
assert [row['by'] for row in said] == ['user:ann', 'user:bob'], said
exception, = (row for row in table('controls/exceptions.csv') if row['exception'] == said[0]['exception'])
assert (exception['standing'], exception['decided_by'], exception['second_reviewer']) == ('expected', 'user:ann', 'user:bob')
assert not any(name.startswith('payload/registers/') for name in zip.namelist())
",
    );

    for (made, entries, statuses) in [(&first, 0, &["open"][..]), (&later, 2, &["closed", "open"])]
    {
        if let Some(read) = read_by_others(made) {
            assert_eq!((&read["entries"], &read["statuses"]), (&entries.into(), &statuses.into()));
            assert!(read["risks"].as_u64() > Some(5), "{read}");
        }
    }

    // What the ledger's holder can change and sign anew.
    let own = "lines = files['payload/own/lines.jsonl'].splitlines(keepends=True)
at = next(at for at, line in enumerate(lines) if WORD in line)
old, lines[at] = lines[at], lines[at].replace(OLD, NEW)
files['payload/own/lines.jsonl'] = b''.join(lines)
replace('payload/raw/leaves.csv', hashlib.sha256(old).hexdigest().encode(), hashlib.sha256(lines[at]).hexdigest().encode())";
    let own = |word: &str, old: &str, new: &str| {
        own.replace("WORD", &format!("b'{word}'"))
            .replace("OLD", &format!("b'{old}'"))
            .replace("NEW", &format!("b'{new}'"))
    };
    for (of, script, words) in [
        (&first, "replace('payload/registers/tickets.txt', b'CHG-1', b'CHG-2')".to_owned(), "registers/"),
        (&first, "replace('payload/scope.json', b'\"rows\": 1', b'\"rows\": 2')".to_owned(), ""),
        (&first, own("registers_changed", "\"rows\":1", "\"rows\":2"), "was changed"),
        (&later, own("exception_reviewed", "user:ann", "user:eve"), "was changed"),
        (&later, "replace('payload/controls/dispositions.csv', b'user:ann', b'user:eve')".to_owned(), "controls/dispositions.csv"),
        (&later, "data = files['payload/controls/dispositions.csv'].split(b'\\r\\n'); files['payload/controls/dispositions.csv'] = b'\\r\\n'.join(data[:2] + data[3:])".to_owned(), "controls/dispositions.csv"),
        (&first, "replace('payload/catalogue/catalogue.json', b'high', b'low!')".to_owned(), "catalogue/catalogue.json"),
        (&first, "replace('payload/controls/exception-events.csv', b'denied,login', b'denied,token')".to_owned(), "controls/exception-events.csv"),
    ] {
        let changed = signed_by(of, &data, &script);
        for (verifier, told) in ["keytrail", "verify.py"].iter().zip(verifiers(&changed, &key)) {
            // The script does not make events again.
            if *verifier == "verify.py" && (words.contains("exception-events") || words.is_empty()) {
                continue;
            }
            let told = told.expect(1);
            assert!(told.text().contains(words), "{verifier}, {script}: {}", told.text());
        }
    }
    // Without any key.
    let changed =
        edited(&first, "replace('payload/controls/findings.csv', b'no data', b'no date')");
    for told in verifiers(&changed, &key) {
        assert!(told.expect(1).text().contains("controls/findings.csv"));
    }
}
