//! Says why a file cannot be read and what to do about it: whose it is, its mode, who we are.
//!
//! A secrets server writes its audit file with mode 0600 for itself alone, so this is the first thing
//! that most people meet.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Returns the reason in words, the path first.
pub fn explain(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => match barrier(path) {
            Some(barrier) => {
                refusal(&barrier, &Us::now(), &names("/etc/passwd"), &names("/etc/group"))
            }
            None => format!("{}: permission denied", path.display()),
        },
        ErrorKind::NotFound => format!("{}: no such file", path.display()),
        _ => format!("{}: {error}", path.display()),
    }
}

/// What stands in the way: the file itself, or a folder above it.
struct Barrier {
    path: PathBuf,
    folder: bool,
    owner: u32,
    group: u32,
    mode: u32,
}

/// Who keytrail runs as.
struct Us {
    user: u32,
    groups: Vec<u32>,
}

impl Us {
    fn now() -> Us {
        let mut groups: Vec<u32> = rustix::process::getgroups()
            .unwrap_or_default()
            .into_iter()
            .map(|group| group.as_raw())
            .collect();
        groups.push(rustix::process::getegid().as_raw());
        Us { user: rustix::process::geteuid().as_raw(), groups }
    }
}

/// Finds the first thing on the way to `path` that cannot be looked into: the file if it can at least
/// be looked at, else the deepest folder that can.
fn barrier(path: &Path) -> Option<Barrier> {
    path.ancestors().find_map(|place| {
        let place = if place == Path::new("") { Path::new(".") } else { place };
        let metadata = fs::metadata(place).ok()?;
        Some(Barrier {
            path: place.to_owned(),
            folder: metadata.is_dir(),
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        })
    })
}

fn refusal(barrier: &Barrier, us: &Us, users: &Names, groups: &Names) -> String {
    let Barrier { path, folder, owner, group, mode } = barrier;
    let what = if *folder { "folder" } else { "file" };
    let mut text = format!(
        "{}: permission denied; the {what} belongs to {}:{}, mode {mode:04o}, keytrail runs as uid {}; ",
        path.display(),
        users.of(*owner),
        groups.of(*group),
        us.user,
    );
    let wanted = if *folder { 0o050 } else { 0o040 };
    let mut remedies = Vec::new();
    if mode & wanted != wanted {
        remedies.push(match folder {
            true => format!("let its group enter it (chmod g+rx {})", path.display()),
            false => "set mode = \"0640\" on the audit device".to_owned(),
        });
    }
    if !us.groups.contains(group) {
        remedies.push(format!("add keytrail to group {group}"));
    }
    if remedies.is_empty() {
        // Mode and group would do: a security module or a container's mount stands in the way.
        remedies.push(
            "mode and group would allow it, so look at AppArmor, SELinux or the mount".to_owned(),
        );
    }
    write!(text, "{}", remedies.join(" and ")).expect("writing to a string");
    text
}

/// Names by number, from a file in the form of /etc/passwd.
struct Names(String);

impl Names {
    fn of(&self, number: u32) -> String {
        let found = self.0.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(number)).then_some(name)
        });
        found.map_or_else(|| number.to_string(), |name| format!("{name}({number})"))
    }
}

fn names(path: &str) -> Names {
    let mut text = String::new();
    // Without the file, or with a huge one, numbers must do.
    let _ = File::open(path).and_then(|file| file.take(1 << 20).read_to_string(&mut text));
    Names(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, folder: bool, mode: u32, groups: &[u32], expected: &str) {
        let barrier = Barrier { path: PathBuf::from(path), folder, owner: 100, group: 1000, mode };
        let us = Us { user: 10001, groups: groups.to_vec() };
        let users = Names("root:x:0:0::/:/bin/sh\nodd\nopenbao:x:100:1000::/:\n".to_owned());
        let names = Names("openbao:x:1000:\n".to_owned());
        assert_eq!(refusal(&barrier, &us, &users, &names), expected);
    }

    #[test]
    fn the_text_names_owner_mode_and_remedy() {
        check(
            "/openbao/audit/audit.log",
            false,
            0o600,
            &[10001],
            "/openbao/audit/audit.log: permission denied; the file belongs to openbao(100):openbao(1000), mode 0600, \
             keytrail runs as uid 10001; set mode = \"0640\" on the audit device and add keytrail to group 1000",
        );
        check(
            "/a.log",
            false,
            0o640,
            &[10001],
            "/a.log: permission denied; the file belongs to openbao(100):openbao(1000), mode 0640, keytrail runs as \
             uid 10001; add keytrail to group 1000",
        );
        check(
            "/a.log",
            false,
            0o600,
            &[1000],
            "/a.log: permission denied; the file belongs to openbao(100):openbao(1000), mode 0600, keytrail runs as \
             uid 10001; set mode = \"0640\" on the audit device",
        );
        check(
            "/openbao/audit",
            true,
            0o700,
            &[1000],
            "/openbao/audit: permission denied; the folder belongs to openbao(100):openbao(1000), mode 0700, keytrail \
             runs as uid 10001; let its group enter it (chmod g+rx /openbao/audit)",
        );
        check(
            "/a.log",
            false,
            0o640,
            &[1000],
            "/a.log: permission denied; the file belongs to openbao(100):openbao(1000), mode 0640, keytrail runs as \
             uid 10001; mode and group would allow it, so look at AppArmor, SELinux or the mount",
        );
    }

    #[test]
    fn numbers_stand_in_for_names() {
        assert_eq!(Names(String::new()).of(7), "7");
        assert_eq!(Names("a:x:7:\n".to_owned()).of(7), "a(7)");
    }

    #[test]
    fn other_reasons_name_the_path() {
        assert_eq!(
            explain(Path::new("/no/such"), &ErrorKind::NotFound.into()),
            "/no/such: no such file"
        );
        assert_eq!(explain(Path::new("/x"), &io::Error::other("odd")), "/x: odd");
    }
}
