//! `[oidc]`: the provider that people sign in by, and what its groups are here.

use std::path::PathBuf;

use serde::Deserialize;
use web::{GroupRole, Oidc, Role, Standing};

/// `[oidc]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileOidc {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    scopes: Option<Vec<String>>,
    name_claim: Option<String>,
    groups_claim: Option<String>,
    #[serde(default)]
    role: Vec<FileRole>,
}

/// `[[oidc.role]]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRole {
    group: String,
    role: String,
    scope: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// A provider, and the authority whose certificate it has.
#[derive(Clone, Debug)]
pub(crate) struct OidcConfig {
    pub(crate) oidc: Oidc,
    pub(crate) ca_file: Option<PathBuf>,
}

/// Returns what is meant.
pub(super) fn oidc(typed: FileOidc) -> Result<OidcConfig, String> {
    let FileOidc { issuer, client_id, client_secret_file, ca_file, .. } = typed;
    check_issuer(&issuer)?;
    if client_id.is_empty() {
        return Err("[oidc] client_id = \"\": name the client as the provider does".to_owned());
    }
    if typed.role.is_empty() {
        return Err(
            "[oidc] without [[oidc.role]]: nobody could sign in; give a group a role, as group = \"security\" and role = \"analyst\""
                .to_owned(),
        );
    }
    let roles = (1..).zip(typed.role).map(|(number, row)| {
        mean(row).map_err(|why| format!("[[oidc.role]] number {number}: {why}"))
    });
    let or = |given: Option<String>, usual: &str| given.unwrap_or_else(|| usual.to_owned());
    let oidc = Oidc {
        issuer,
        client_id,
        client_secret_file,
        scopes: typed.scopes.unwrap_or_else(|| vec!["profile".to_owned()]),
        name_claim: or(typed.name_claim, "preferred_username"),
        groups_claim: or(typed.groups_claim, "groups"),
        roles: roles.collect::<Result<_, _>>()?,
    };
    Ok(OidcConfig { oidc, ca_file })
}

/// Codes, secrets and tokens go to it: in clear to this machine only.
fn check_issuer(issuer: &str) -> Result<(), String> {
    let url = reqwest::Url::parse(issuer)
        .map_err(|error| format!("[oidc] issuer {issuer:?} is no address: {error}"))?;
    let is_here = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" if url.query().is_none() && url.fragment().is_none() => Ok(()),
        "http" if is_here && url.query().is_none() && url.fragment().is_none() => Ok(()),
        _ => Err(format!(
            "[oidc] issuer {issuer:?} must begin with https:// (http:// on this machine only), and end with its path"
        )),
    }
}

fn mean(row: FileRole) -> Result<GroupRole, String> {
    let FileRole { group, role, scope, from, to } = row;
    if group.is_empty() {
        return Err("group = \"\": name it as the provider's claim does".to_owned());
    }
    let role: Role = role.parse()?;
    let standing = Standing::typed(role, scope.as_deref(), from.as_deref(), to.as_deref())
        .map_err(|error| error.to_string())?;
    Ok(GroupRole { group, standing })
}
