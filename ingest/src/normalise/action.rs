//! Action and object: our word for what a path and an operation mean, by the rules of `actions.toml`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) word: String,
    /// The thing within the mount.
    pub(super) object: Option<String>,
    /// Administration, or a root-protected path.
    pub(super) is_privileged: bool,
}

/// The action rules by engine.
#[derive(Debug)]
pub(super) struct Actions {
    aliases: HashMap<String, String>,
    engines: HashMap<String, Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    operation: Option<String>,
    action: String,
    is_privileged: bool,
}

/// `prefix/{object}/suffix`, segment by segment; without `{object}` the prefix is all.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    prefix: Vec<String>,
    suffix: Option<Vec<String>>,
}

/// Where a request leads, as far as its lines tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Relative to the namespace.
    pub(super) path: &'a str,
    /// Relative to the mount, if the mount is known.
    pub(super) within_mount: Option<&'a str>,
    /// The engine's type.
    pub(super) mount_type: Option<&'a str>,
}

impl Actions {
    pub(super) fn read(text: &str) -> Result<Actions, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            aliases: HashMap<String, String>,
            engine: HashMap<String, Vec<Entry>>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            path: String,
            op: Option<String>,
            action: String,
            #[serde(default)]
            privileged: bool,
        }
        let File { aliases, engine } = toml::from_str(text)?;
        let rule = |entry: Entry| Rule {
            pattern: Pattern::of(&entry.path),
            operation: entry.op,
            action: entry.action,
            is_privileged: entry.privileged,
        };
        let engines = engine
            .into_iter()
            .map(|(name, entries)| (name, entries.into_iter().map(rule).collect()))
            .collect();
        Ok(Actions { aliases, engines })
    }

    /// Finds the action of an operation on a path.
    pub(super) fn of(&self, target: Target<'_>, operation: Option<&str>) -> Action {
        let operation = operation.unwrap_or("unknown");
        if operation == "help" {
            return Action { word: "help".to_owned(), object: None, is_privileged: false };
        }
        let (engine, path) = self.engine(target);
        let class = match operation {
            "header" => "read",
            "scan" => "list",
            "create" | "update" | "patch" => "write",
            other => other,
        };
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let rules = self.engines.get(engine).map_or(&[][..], Vec::as_slice);
        let fitting = rules.iter().find_map(|rule| {
            let fits = rule.operation.as_deref().is_none_or(|wanted| wanted == class);
            fits.then(|| rule.pattern.matches(&segments)).flatten().map(|object| (rule, object))
        });
        match fitting {
            Some((rule, object)) => Action {
                word: rule.action.clone(),
                object: object.map(Cow::into_owned),
                is_privileged: rule.is_privileged,
            },
            None => Action {
                word: format!("other.{}", word(operation)),
                object: None,
                is_privileged: false,
            },
        }
    }

    /// Returns the engine whose rules apply, and the path that they are about.
    fn engine<'a>(&'a self, target: Target<'a>) -> (&'a str, &'a str) {
        for (prefix, engine) in [
            ("sys/", "system"),
            ("identity/", "identity"),
            ("cubbyhole/", "cubbyhole"),
            ("auth/token/", "token"),
        ] {
            if let Some(rest) = target.path.strip_prefix(prefix) {
                return (engine, rest);
            }
        }
        if let Some(rest) = target.path.strip_prefix("auth/") {
            let within = rest.split_once('/').map_or("", |(_, within)| within);
            return ("auth", target.within_mount.unwrap_or(within));
        }
        match (target.mount_type, target.within_mount) {
            (Some(kind), Some(within)) => {
                (self.aliases.get(kind).map_or(kind, String::as_str), within)
            }
            _ => ("shape", target.path),
        }
    }
}

impl Pattern {
    fn of(text: &str) -> Pattern {
        let mut segments: Vec<String> = text.split('/').map(str::to_owned).collect();
        let suffix = segments.iter().position(|segment| segment == "{object}").map(|at| {
            let suffix = segments.split_off(at + 1);
            segments.pop();
            suffix
        });
        Pattern { prefix: segments, suffix }
    }

    /// Returns the object within, if the path fits; `Some(None)` for a pattern without one.
    fn matches<'a>(&self, segments: &[&'a str]) -> Option<Option<Cow<'a, str>>> {
        let fit = |pattern: &[String], segments: &[&str]| {
            pattern
                .iter()
                .zip(segments)
                .all(|(pattern, segment)| pattern == "*" || pattern == segment)
        };
        let suffix = match &self.suffix {
            None => {
                return (self.prefix.len() == segments.len() && fit(&self.prefix, segments))
                    .then_some(None);
            }
            Some(suffix) => suffix,
        };
        let ends = self.prefix.len() + suffix.len();
        if segments.len() <= ends
            || !fit(&self.prefix, segments)
            || !fit(suffix, &segments[segments.len() - suffix.len()..])
        {
            return None;
        }
        let object = &segments[self.prefix.len()..segments.len() - suffix.len()];
        match object {
            [""] => None,
            [one] => Some(Some(Cow::Borrowed(one))),
            several => Some(Some(Cow::Owned(several.join("/")))),
        }
    }
}

/// An operation as part of a word: the server owns the set, a forged line owns anything.
fn word(operation: &str) -> String {
    let known = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    operation
        .bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .filter(known)
        .take(32)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::Rules;

    fn row(path: &str, mount: &str, mount_type: &str, operation: &str) -> String {
        let within_mount = (!mount.is_empty()).then(|| path.strip_prefix(mount).unwrap_or(""));
        let target = Target {
            path,
            within_mount,
            mount_type: (!mount_type.is_empty()).then_some(mount_type),
        };
        let action = Rules::builtin().actions.of(target, Some(operation));
        format!(
            "{} {}{}",
            action.word,
            action.object.as_deref().unwrap_or("-"),
            if action.is_privileged { " !" } else { "" }
        )
    }

    #[test]
    fn a_path_and_an_operation_have_one_word() {
        for (path, mount, engine, operation, expected) in [
            ("secret/data/my-app/config", "secret/", "kv", "read", "secret.read my-app/config"),
            ("secret/data/my-app/config", "", "", "read", "secret.read my-app/config"),
            ("secret/data/my-app/config", "secret/", "kv", "patch", "secret.write my-app/config"),
            ("secret/metadata/my-app/", "secret/", "kv", "list", "secret.list my-app"),
            ("secret/metadata/", "secret/", "kv", "scan", "secret.list -"),
            ("secret/metadata/a", "secret/", "kv", "delete", "secret.purge a"),
            ("legacy/", "legacy/", "kv", "list", "secret.list -"),
            ("legacy/app", "legacy/", "kv", "create", "secret.write app"),
            ("legacy/app", "", "", "read", "other.read -"),
            ("team/kv/data/x/y", "team/kv/", "kv", "read", "secret.read x/y"),
            ("sys/mounts/team/kv/tune", "sys/", "system", "update", "mount.tune team/kv !"),
            ("sys/mounts/team/kv", "", "", "delete", "mount.disable team/kv !"),
            ("sys/policies/acl/", "sys/", "system", "list", "policy.list -"),
            ("sys/policies/acl/p", "sys/", "ns_system", "update", "policy.write p !"),
            ("sys/audit/test", "", "", "update", "audit.enable test !"),
            (
                "sys/leases/revoke-prefix/database/creds/r",
                "sys/",
                "system",
                "update",
                "lease.revoke_prefix database/creds/r !",
            ),
            (
                "sys/internal/ui/mounts/secret/a",
                "sys/",
                "system",
                "read",
                "ui.preflight mounts/secret/a",
            ),
            (
                "auth/kubernetes/role/my-app",
                "auth/kubernetes/",
                "kubernetes",
                "create",
                "role.write my-app !",
            ),
            ("auth/a/b/role/my-app", "auth/a/b/", "kubernetes", "create", "role.write my-app !"),
            (
                "auth/approle/role/ci/secret-id",
                "auth/approle/",
                "approle",
                "update",
                "secretid.issue ci",
            ),
            ("auth/userpass/users/bob", "", "", "create", "user.write bob !"),
            ("auth/token/create/svc", "auth/token/", "token", "update", "token.create svc"),
            (
                "database/creds/my-app-role",
                "database/",
                "database",
                "read",
                "cred.issue my-app-role",
            ),
            ("k8s/creds/r", "k8s/", "kubernetes", "update", "cred.issue r"),
            (
                "transit/keys/orders/rotate",
                "transit/",
                "transit",
                "update",
                "transit.rotate orders !",
            ),
            ("anything?help=1", "", "", "help", "help -"),
            ("x/y", "", "", "Wild Op\n", "other.wildop -"),
        ] {
            assert_eq!(row(path, mount, engine, operation), expected, "{operation} {path}");
        }
    }
}
