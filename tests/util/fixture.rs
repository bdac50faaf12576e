//! The recordings, generated logs, and the tools that tests use.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::util::{Data, Run};

/// Returns the place of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Returns the bytes of a fixture, unpacked where its name ends in `.gz`, as text.
pub(crate) fn fixture_text(name: &str) -> String {
    let bytes = fs::read(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut text = String::new();
    match name.ends_with(".gz") {
        true => MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        false => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    text
}

/// Reads JSON lines.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the main recording, imported once for all tests that only read it: `audit.jsonl.1`, then
/// `audit.jsonl`, as `c/n/file`.
pub(crate) fn main_recording() -> &'static Data {
    static IMPORTED: OnceLock<Data> = OnceLock::new();
    IMPORTED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("main-recording");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        let files = ["audit.jsonl.1", "audit.jsonl"].map(|name| {
            let path = folder.join(name);
            fs::write(&path, fixture_text(&format!("openbao-2.7.2/{name}.gz"))).unwrap();
            path
        });
        let data = Data::at(&folder.join("data"));
        data.import(files);
        data
    })
}

/// Writes a log of `lines` lines with `fixtures/tools/gen_audit.py`; returns it and its truth.
pub(crate) fn generated(folder: &Path, seed: u32, lines: u32, more: &[&str]) -> (PathBuf, Value) {
    let (log, truth) =
        (folder.join(format!("audit-{seed}.log")), folder.join(format!("truth-{seed}.json")));
    let mut command = python();
    command.arg(fixture("tools/gen_audit.py")).args([
        "--seed",
        &seed.to_string(),
        "--lines",
        &lines.to_string(),
    ]);
    Run::of(command.arg("--out").arg(&log).arg("--truth").arg(&truth).args(more)).expect(0);
    (log, serde_json::from_slice(&fs::read(truth).unwrap()).unwrap())
}

/// Returns the Python that `cargo xtask test` prepared, else the one on the path.
pub(crate) fn python() -> Command {
    Command::new(std::env::var_os("KEYTRAIL_PYTHON").unwrap_or_else(|| OsString::from("python3")))
}

/// Tells whether a missing tool is a failure, as in `cargo xtask test`.
pub(crate) fn tools_required() -> bool {
    std::env::var_os("KEYTRAIL_TOOLS").is_some_and(|value| value == "required")
}

/// Tells that a tool is missing, and says so; where tools are required this is a failure.
pub(crate) fn missing_tool(program: &Command, remedy: &str) -> bool {
    let name = program.get_program().to_owned();
    // Poppler's programs know the short form only.
    let missing = ["--version", "-v"].iter().all(|version| {
        let mut asked = Command::new(&name);
        asked.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        !asked.status().is_ok_and(|status| status.success())
    });
    if missing {
        assert!(!tools_required(), "{} is missing: {remedy}", name.display());
        eprintln!("nothing was checked here, since {} is missing: {remedy}", name.display());
    }
    missing
}

/// Collects every string that stands in a value, keys of objects included.
pub(crate) fn clear_strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if !found.contains(text) {
                found.insert(text.clone());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| clear_strings(value, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if !found.contains(key) {
                    found.insert(key.clone());
                }
                clear_strings(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the files below a folder, in order of their names.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
