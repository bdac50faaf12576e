//! Which requests are logins.
//!
//! A login needs no token, so `policy_results.allowed` is true on it whatever comes of it. Taking another
//! path for a login would make its success a refusal, so a login is known by the method's own route where
//! the line names the method, and by the path's shape only where it does not.

use super::lines::Lines;

/// A request to be given a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login<'a> {
    /// The user whom the path names: claimed, not proven.
    pub(super) user: Option<&'a str>,
}

/// Tells whether this is a login.
pub(super) fn login<'a>(lines: &'a Lines<'_>) -> Option<Login<'a>> {
    if !matches!(lines.operation()?, "create" | "update" | "patch" | "read")
        || lines.granting().next().is_some()
    {
        return None;
    }
    let path = lines.path()?;
    if path == "sys/mfa/validate" {
        return Some(Login { user: None });
    }
    let behind_auth = path.strip_prefix("auth/")?;
    match (lines.mount_type(), lines.within_mount()) {
        (Some(method), Some(route)) => by_method(method, route, lines.given().is_some()),
        _ => by_shape(behind_auth),
    }
}

fn by_method<'a>(method: &str, route: &'a str, gave_token: bool) -> Option<Login<'a>> {
    let user = route.strip_prefix("login/").filter(|user| !user.is_empty());
    match (method, route) {
        ("token" | "ns_token", _) => None,
        ("userpass" | "ldap" | "okta" | "radius", _) if user.is_some() => Some(Login { user }),
        // A role, not a user.
        ("oci", _) if user.is_some() => Some(Login { user: None }),
        // A poll that comes too early, and a callback that hands over to a poll, are no failed logins.
        ("oidc" | "jwt", "oidc/callback" | "oidc/poll") if gave_token => Some(Login { user: None }),
        ("saml", "token" | "callback") if gave_token => Some(Login { user: None }),
        (_, "login") => Some(Login { user: None }),
        // Methods that we do not know.
        (method, _) if !METHODS.contains(&method) => by_shape(route).filter(|_| user.is_some()),
        _ => None,
    }
}

const METHODS: &[&str] = &[
    "alicloud",
    "approle",
    "aws",
    "azure",
    "cert",
    "cf",
    "gcp",
    "github",
    "jwt",
    "kerberos",
    "kubernetes",
    "ldap",
    "oci",
    "oidc",
    "okta",
    "radius",
    "saml",
    "userpass",
];

/// `…/login` or `…/login/USER`, where no collection that may hold a thing called "login" stands before it.
fn by_shape(path: &str) -> Option<Login<'_>> {
    let (before, user) = match path.rsplit_once('/') {
        Some((before, "login")) => (before, None),
        Some((before, user)) => {
            (before.strip_suffix("login")?, Some(user).filter(|user| !user.is_empty()))
        }
        None => return (path == "login").then_some(Login { user: None }),
    };
    let parent = before.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let is_collection = matches!(
        parent,
        "users" | "user" | "role" | "roles" | "groups" | "group" | "map" | "config" | "certs"
    );
    let is_segment = before.is_empty() || before.ends_with('/') || user.is_none();
    (is_segment && !is_collection).then_some(Login { user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_by_shape() {
        for (path, expected) in [
            ("userpass/login/bob", Some(Some("bob"))),
            ("a/b/login/bob", Some(Some("bob"))),
            ("kubernetes/login", Some(None)),
            ("userpass/users/login", None),
            ("approle/role/login/secret-id", None),
            ("approle/role/login", None),
            ("kubernetes/relogin/bob", None),
            ("kubernetes/config", None),
        ] {
            assert_eq!(by_shape(path).map(|login| login.user), expected, "{path}");
        }
    }

    #[test]
    fn logins_by_method() {
        for (method, route, expected) in [
            ("userpass", "login/bob", Some(Some("bob"))),
            ("userpass", "users/login", None),
            ("userpass", "users/bob/password", None),
            ("kubernetes", "login", Some(None)),
            ("approle", "role/login", None),
            ("token", "login", None),
            ("oidc", "oidc/poll", None),
            ("house-plugin", "login", Some(None)),
            ("house-plugin", "login/bob", Some(Some("bob"))),
            ("house-plugin", "role/login", None),
        ] {
            assert_eq!(
                by_method(method, route, false).map(|login| login.user),
                expected,
                "{method} {route}"
            );
        }
    }
}
