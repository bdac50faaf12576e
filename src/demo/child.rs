//! Programs that the demo starts, and the promise that none of them outlives it.
//!
//! Each runs in a process group of its own, so that Ctrl-C in the terminal reaches keytrail alone,
//! which then ends them in the right order. Dropping a [`Child`] ends it: that covers errors and
//! panics. What leaves no time for a last word (SIGKILL, an abort) is covered by the [`Guard`].

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take to end when asked, before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running program.
pub(crate) struct Child {
    process: tokio::process::Child,
    /// The signal on which it ends in order.
    end: Signal,
}

impl Child {
    /// Starts a program whose output goes to the end of the file `log`, and which ends on the
    /// signal `end`.
    ///
    /// # Errors
    /// The log cannot be written, or the program not be started.
    pub(crate) fn start(command: &mut Command, log: &Path, end: Signal) -> Result<Child> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone()?;
        let process = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("cannot start {}", command.as_std().get_program().display())
            })?;
        Ok(Child { process, end })
    }

    /// Returns how the program ended, if it has.
    ///
    /// # Errors
    /// The system does not tell.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Ends the program and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        self.signal(self.end);
        if timeout(PATIENCE, self.process.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // Nothing withstands SIGKILL; an error only says that it was gone already.
            self.process.wait().await.ok();
        }
    }

    /// Sends a signal to the program's whole group, unless it has ended and been waited for.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group() {
            // The one possible error says that the group is gone, which is what we want.
            rustix::process::kill_process_group(group, signal).ok();
        }
    }

    fn group(&self) -> Option<Pid> {
        self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    }
}

impl Drop for Child {
    /// Ends the program and waits until it is gone, so that its folder can be removed after it. Even
    /// now it is asked first: PostgreSQL, killed, would leave its shared memory behind.
    fn drop(&mut self) {
        for signal in [self.end, Signal::KILL] {
            self.signal(signal);
            let given_up = Instant::now() + PATIENCE;
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < given_up {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// A shell that waits for keytrail's end, however it comes: its standard input is a pipe that only
/// keytrail holds open. Then it ends the programs and removes their folders. After an orderly end it
/// finds nothing to do and is itself dropped first.
pub(crate) struct Guard {
    /// Held open by us until we end; killed when dropped.
    _shell: tokio::process::Child,
}

/// Arguments: two folders, then pairs of a signal and a process group (a negative number).
const GUARD: &str = r#"
cat >/dev/null
one=$1 two=$2; shift 2
while [ $# -ge 2 ]; do kill -s "$1" -- "$2" 2>/dev/null; groups="$groups $2"; shift 2; done
tries=50
alive() { for group in $groups; do kill -s 0 -- "$group" 2>/dev/null && return 0; done; return 1; }
while [ $tries -gt 0 ] && alive; do sleep 0.1; tries=$((tries - 1)); done
for group in $groups; do kill -s KILL -- "$group" 2>/dev/null; done
rm -rf -- "$one" "$two"
"#;

impl Guard {
    /// Starts the guard over these programs and these two folders.
    ///
    /// # Errors
    /// There is no shell.
    pub(crate) fn over(children: &[&Child], folders: [&Path; 2]) -> Result<Guard> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "guard"]).args(folders);
        for child in children {
            if let Some(group) = child.group() {
                let signal = if child.end == Signal::INT { "INT" } else { "TERM" };
                command.args([signal, &format!("-{}", group.as_raw_nonzero())]);
            }
        }
        let shell = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context(
                "cannot start /bin/sh, which ends the demo's servers should keytrail be killed",
            )?;
        Ok(Guard { _shell: shell })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a shell that would run for an hour.
    fn sleeper(folder: &Path) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo started; sleep 3600"]);
        Child::start(&mut command, &folder.join("log"), Signal::TERM).expect("a shell")
    }

    async fn gone(group: Pid) -> bool {
        for _ in 0..500 {
            if rustix::process::test_kill_process_group(group).is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_child_ends_when_stopped_and_when_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let child = sleeper(folder.path());
        let group = child.group().expect("it runs");
        child.stop().await;
        assert!(gone(group).await);

        let child = sleeper(folder.path());
        let group = child.group().expect("it runs");
        drop(child);
        assert!(gone(group).await);
    }

    #[tokio::test]
    async fn the_guard_ends_what_is_left_and_removes_the_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::create_dir(&one).expect("a folder");
        let mut child = sleeper(&one);
        let group = child.group().expect("it runs");
        let mut guard = Guard::over(&[&child], [&one, &two]).expect("a shell");
        // What the system does to the pipe when keytrail is killed.
        drop(guard._shell.stdin.take());
        // Waiting for the child stands for the system, which buries the children of a dead parent.
        let (shell, _) = tokio::join!(guard._shell.wait(), child.process.wait());
        assert!(shell.expect("it ends").success());
        assert!(gone(group).await && !one.exists());
    }
}
