//! Who asked: key, name, kind and method, from what the server vouches for.
//!
//! A key is one of, in this order (a cluster's name has no slash, so keys of different kinds never meet):
//!
//! | key | when |
//! |---|---|
//! | `CLUSTER/entity/ID` | the server names an entity |
//! | `CLUSTER/login/MOUNT/NAME` | a login without entity; the mount's path includes the namespace |
//! | `CLUSTER/root` | the root token |
//! | `CLUSTER/accessor/DEVICE/HASH` | else: one token is all that is known |
//! | `CLUSTER/token/DEVICE/HASH` | batch tokens, and where accessors stand in clear |
//!
//! Hashes are a device's own; its salt is replicated, so they agree over the nodes of a cluster, and a new
//! salt makes another hash.
//!
//! Names come from the metadata that the login method wrote. Whoever makes a child token chooses its
//! metadata, so that of tokens which the token store named (`token`, `token-…`) is never believed.

use std::collections::BTreeMap;

use super::decision::Verdict;
use super::lines::Lines;
use super::login::Login;
use crate::decode::{Auth, looks_hashed, parse_time};
use crate::event::{Decision, Identity, IdentityKind, Reason};
use crate::source::SourceId;

/// Longest text of an identity that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Most metadata entries, names and policies that are kept.
pub(super) const LIST_MAX: usize = 1000;

/// Says who asked.
pub(super) fn identity(
    lines: &Lines<'_>,
    source: &SourceId,
    login: Option<Login<'_>>,
    verdict: Verdict,
) -> Identity {
    let Verdict(decision, reason, _) = verdict;
    let has_logged_in = login.is_some() && reason == Reason::Login && decision == Decision::Allowed;
    match login {
        // The answer's token is the identity: the request of a login is anonymous, or another token's.
        Some(_) if has_logged_in => {
            of_token(lines.given().or_else(|| last_auth(lines)), lines, source, true)
        }
        Some(login) => Identity {
            claimed: login.user.map(text),
            method: lines.mount_type().map(text),
            mount: lines.mount().map(text),
            ..anonymous()
        },
        None if reason == Reason::Token => {
            Identity { token: lines.token_sent().and_then(hash), ..anonymous() }
        }
        None => of_token(lines.auth(), lines, source, false),
    }
}

fn last_auth<'s, 'a>(lines: &'s Lines<'a>) -> Option<&'s Auth<'a>> {
    lines.response.as_ref()?.auth.as_deref()
}

fn anonymous() -> Identity {
    Identity {
        key: None,
        name: None,
        names: Vec::new(),
        kind: IdentityKind::Anonymous,
        method: None,
        mount: None,
        entity_id: None,
        role: None,
        display_name: None,
        metadata: BTreeMap::new(),
        accessor: None,
        token: None,
        token_type: None,
        token_issued: None,
        token_ttl_s: None,
        former_name: None,
        claimed: None,
    }
}

fn of_token(
    auth: Option<&Auth<'_>>,
    lines: &Lines<'_>,
    source: &SourceId,
    has_logged_in: bool,
) -> Identity {
    let token = auth
        .and_then(|auth| auth.client_token.as_deref())
        .or_else(|| lines.token_sent())
        .and_then(hash);
    let Some(auth) = auth.filter(|auth| {
        auth.display_name.is_some() || auth.entity_id.is_some() || !auth.policies.is_empty()
    }) else {
        return Identity { token, ..anonymous() };
    };
    let holder = Holder::of(auth, lines, has_logged_in);
    let entity_id = auth.entity_id.as_deref().map(text);
    let accessor = auth
        .accessor
        .as_deref()
        .or_else(|| lines.first(|entry| entry.request.client_token_accessor.as_deref()))
        .and_then(hash);
    let mount = if has_logged_in { lines.mount().map(text) } else { None };
    let cluster = source.cluster.as_str();
    let key = match (&entity_id, &mount, &holder.own_name, &accessor, &token) {
        (Some(id), ..) => Some([cluster, "/entity/", id].concat()),
        (None, Some(mount), Some(name), ..) => Some([cluster, "/login/", mount, name].concat()),
        _ if holder.kind == IdentityKind::Root => Some([cluster, "/root"].concat()),
        (.., Some(accessor), _) => {
            Some([cluster, "/accessor/", &source.device, "/", accessor].concat())
        }
        (.., Some(token)) => Some([cluster, "/token/", &source.device, "/", token].concat()),
        _ => None,
    };
    let display_name = auth.display_name.as_deref().map(text);
    let name = holder.own_name.or_else(|| display_name.clone());
    let mut names = Vec::new();
    let others = [auth.metadata_value("username"), auth.metadata_value("email")]
        .into_iter()
        .flatten()
        .map(text);
    let others = others.filter(|_| !holder.is_named_by_others);
    for name in name.iter().cloned().chain(display_name.clone()).chain(others) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Identity {
        key,
        name,
        names,
        kind: holder.kind,
        method: holder.method.map(text),
        mount,
        entity_id,
        role: holder.role,
        display_name,
        metadata: auth
            .metadata
            .iter()
            .take(LIST_MAX)
            .map(|(key, value)| (text(key), text(value)))
            .collect(),
        accessor,
        token,
        token_type: auth.token_type.as_deref().map(text),
        token_issued: auth.token_issue_time.as_deref().and_then(parse_time),
        token_ttl_s: auth.token_ttl.and_then(|ttl| u64::try_from(ttl).ok()).filter(|&ttl| ttl > 0),
        former_name: None,
        claimed: None,
    }
}

/// What metadata tells of the one who holds a token.
struct Holder<'a> {
    method: Option<&'a str>,
    /// As the login method wrote it.
    own_name: Option<String>,
    role: Option<String>,
    kind: IdentityKind,
    /// The metadata is not the server's word: whoever made the token chose it.
    is_named_by_others: bool,
}

impl<'a> Holder<'a> {
    fn of(auth: &'a Auth<'_>, lines: &'a Lines<'_>, has_logged_in: bool) -> Holder<'a> {
        let display_name = auth.display_name.as_deref().unwrap_or("");
        let nobody = Holder {
            method: None,
            own_name: None,
            role: None,
            kind: IdentityKind::Token,
            is_named_by_others: true,
        };
        if auth.policies.iter().any(|policy| policy == "root") && auth.entity_id.is_none() {
            return Holder {
                own_name: Some("root".to_owned()),
                kind: IdentityKind::Root,
                ..nobody
            };
        }
        if auth.policies.iter().map(AsRef::as_ref).eq(["response-wrapping"]) {
            return Holder {
                own_name: Some(text(&format!("wrapped by {display_name}"))),
                ..nobody
            };
        }
        if !has_logged_in && (display_name == "token" || display_name.starts_with("token-")) {
            return Holder { method: Some("token"), ..nobody };
        }
        let method = if has_logged_in {
            lines.mount_type()
        } else {
            method_of(auth, lines.namespace().unwrap_or(""))
        };
        let value = |key| auth.metadata_value(key);
        let joined = |one, other| Some(format!("{}/{}", value(one)?, value(other)?));
        let own_name = match method {
            Some("kubernetes") => joined("service_account_namespace", "service_account_name"),
            Some("approle") => value("role_name").map(str::to_owned),
            Some("ldap") => value("username").map(str::to_lowercase),
            Some("cert") => value("common_name").or(value("cert_name")).map(str::to_owned),
            Some("aws") => value("canonical_arn")
                .or(value("client_arn"))
                .or(value("instance_id"))
                .map(str::to_owned),
            Some("gcp") => {
                value("service_account_email").or(value("instance_name")).map(str::to_owned)
            }
            Some("azure") => {
                value("app_id").or(value("vm_name")).or(value("vmss_name")).map(str::to_owned)
            }
            _ => value("username").or(value("email")).map(str::to_owned),
        };
        let role = value("role").or(value("role_name")).map(text);
        // Methods of people all write `username`, if it cannot be told which one it was.
        let kind = match method {
            Some(
                "userpass" | "ldap" | "okta" | "radius" | "github" | "oidc" | "saml" | "kerberos",
            ) => IdentityKind::Human,
            Some(_) => IdentityKind::Workload,
            None if value("username").is_some() => IdentityKind::Human,
            None if role.is_some() => IdentityKind::Workload,
            None => IdentityKind::Token,
        };
        Holder {
            method,
            own_name: own_name.as_deref().map(text),
            role,
            kind,
            is_named_by_others: false,
        }
    }
}

/// Tells the method that a token came from by what the method alone writes. `role` and `username` are
/// written by several; then the display name decides, if it begins with the method's default mount. Secret ids
/// of AppRole carry metadata of the operator's choice, so its own `role_name` comes first.
fn method_of<'a>(auth: &Auth<'_>, namespace: &str) -> Option<&'a str> {
    let has = |key| auth.metadata_value(key).is_some();
    if has("role_name") {
        return Some("approle");
    }
    if has("service_account_name") && has("service_account_namespace") {
        return Some("kubernetes");
    }
    if has("cert_name") && (has("common_name") || has("serial_number")) {
        return Some("cert");
    }
    if has("canonical_arn") || (has("account_id") && has("auth_type")) {
        return Some("aws");
    }
    if has("subscription_id") && has("resource_group_name") {
        return Some("azure");
    }
    if has("service_account_email") {
        return Some("gcp");
    }
    let display_name = auth.display_name.as_deref()?;
    // Within a namespace the display name begins with the mount's whole path.
    let outside = || format!("{}auth-", namespace.replace('/', "-"));
    let rest =
        if namespace.is_empty() { display_name } else { display_name.strip_prefix(&outside())? };
    let is_user_of = |method: &&str| {
        let user = rest.strip_prefix(*method).and_then(|rest| rest.strip_prefix('-'));
        user.is_some_and(|user| {
            auth.metadata_value("username").is_some_and(|name| name.eq_ignore_ascii_case(user))
        })
    };
    if let Some(method) =
        ["userpass", "ldap", "okta", "radius", "github"].into_iter().find(is_user_of)
    {
        return Some(method);
    }
    ["jwt", "oidc"].into_iter().find(|method| {
        has("role") && rest.strip_prefix(method).is_some_and(|rest| rest.starts_with('-'))
    })
}

impl Auth<'_> {
    fn metadata_value(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }
}

/// Tokens and accessors are kept as hashes only.
pub(super) fn hash(text: &str) -> Option<String> {
    looks_hashed(text).then(|| self::text(text))
}

/// Copies a text, cut where no server's would end.
pub(super) fn text(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
