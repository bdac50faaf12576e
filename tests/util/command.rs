//! The program as a command, and the data folder it works on.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Returns the program with an environment that holds nothing of the developer's own keytrail.
pub(crate) fn keytrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keytrail"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KEYTRAIL_") {
            command.env_remove(name);
        }
    }
    command.env_remove("XDG_STATE_HOME").env("NO_COLOR", "1").stdin(Stdio::null());
    // How full the volume of the machine is that runs the tests is nothing to them.
    command.env("KEYTRAIL_RESERVE", "0");
    command
}

/// A command of the program that leaves what the configuration says to the secrets server, as users' commands do.
pub(crate) fn reserving_keytrail() -> Command {
    let mut command = keytrail();
    command.env_remove("KEYTRAIL_RESERVE");
    command
}

/// What one run of the program said.
pub(crate) struct Run {
    /// The exit code; a run that a signal ended has none and fails the test at once.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    what: String,
}

impl Run {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Run {
        let what = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked at"), "{what} panicked:\n{stderr}");
        let code = output
            .status
            .code()
            .unwrap_or_else(|| panic!("{what} was ended: {}\n{stderr}", output.status));
        Run { code, stdout: output.stdout, stderr, what }
    }

    /// Asserts the exit code and returns the run.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Run {
        let Run { what, stderr, .. } = &self;
        let stdout = String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(2000)]);
        assert_eq!(
            self.code, code,
            "exit code of {what}\nstandard error:\n{stderr}\nstandard output:\n{stdout}"
        );
        self
    }

    /// Returns standard output as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.stdout).expect("standard output is UTF-8")
    }

    /// Returns standard output as JSON lines: every line is one object and there is nothing else.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| match serde_json::from_str(line) {
                Ok(value @ Value::Object(_)) => value,
                other => panic!("{}: {other:?} from the line {line:?}", self.what),
            })
            .collect()
    }
}

/// A data folder and the questions that tests ask of it.
pub(crate) struct Data {
    path: PathBuf,
    _kept: Option<TempDir>,
}

impl Data {
    /// Makes an empty folder that is removed when the test ends.
    pub(crate) fn new() -> Data {
        let folder = tempfile::tempdir().unwrap();
        Data { path: folder.path().join("data"), _kept: Some(folder) }
    }

    /// Returns the folder that stands at this place, and leaves it there.
    pub(crate) fn at(path: &Path) -> Data {
        Data { path: path.to_owned(), _kept: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `keytrail NAME -d DATA ARGUMENTS…`.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Run {
        Run::of(keytrail().arg(name).arg("-d").arg(&self.path).args(arguments))
    }

    /// Imports files as `c/n/file`.
    pub(crate) fn import<P: AsRef<Path>>(&self, files: impl IntoIterator<Item = P>) -> Run {
        self.import_as("c", "n", files)
    }

    /// Imports files of one node of a cluster.
    pub(crate) fn import_as<P: AsRef<Path>>(
        &self,
        cluster: &str,
        node: &str,
        files: impl IntoIterator<Item = P>,
    ) -> Run {
        let mut command = keytrail();
        command.arg("import").arg("-d").arg(&self.path).args([
            "--cluster",
            cluster,
            "--node",
            node,
        ]);
        Run::of(command.args(files.into_iter().map(|file| file.as_ref().to_owned()))).expect(0)
    }

    /// Returns every event that the filter keeps, what counts leave out included, as the program prints it.
    pub(crate) fn search_text(&self, filter: &str) -> String {
        let run =
            self.run("search", [filter, "--all", "--limit", "0", "--format", "json"]).expect(0);
        run.text().to_owned()
    }

    /// Returns every event that the filter keeps, what counts leave out included.
    pub(crate) fn search(&self, filter: &str) -> Vec<Value> {
        self.run("search", [filter, "--all", "--limit", "0", "--format", "json"]).expect(0).json()
    }

    /// Returns the events of this filter that counts do not leave out, by one field; absent is "".
    pub(crate) fn count(&self, filter: &str, by: &str) -> BTreeMap<String, u64> {
        let rows = self.run("count", [filter, "--by", by, "--format", "json"]).expect(0).json();
        let mut counts = BTreeMap::new();
        for row in rows {
            let value = row[by].as_str().unwrap_or_default().to_owned();
            let earlier =
                counts.insert(value, row["count"].as_u64().expect("every row has a count"));
            assert_eq!(earlier, None, "count --by {by} has two rows of one value: {row}");
        }
        counts
    }

    /// Returns how many events of this filter counts do not leave out.
    pub(crate) fn total(&self, filter: &str) -> u64 {
        self.count(filter, "decision").values().sum()
    }

    pub(crate) fn status(&self) -> Value {
        let rows = self.run("status", ["--format", "json"]).expect(0).json();
        assert_eq!(rows.len(), 1, "status is one object");
        rows.into_iter().next().unwrap()
    }

    /// Returns one number of `status`.
    pub(crate) fn status_of(&self, key: &str) -> u64 {
        let status = self.status();
        status[key].as_u64().unwrap_or_else(|| panic!("status has no number {key}: {status}"))
    }

    /// Returns the bytes of a source as they stand in the ledger.
    pub(crate) fn cat(&self, source: &str) -> Vec<u8> {
        self.run("cat", ["-s", source]).expect(0).stdout
    }
}
