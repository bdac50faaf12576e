//! `hosts`, `[tls]`, `[proxy]`: how pages and API are reached beyond this machine.

use std::path::PathBuf;

use serde::Deserialize;
use web::{Listening, TlsFiles};

/// `[tls]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTls {
    certificate: PathBuf,
    key: PathBuf,
}

/// `[proxy]` as typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileProxy {
    trusted: Vec<String>,
}

/// Returns what is meant.
pub(super) fn listening(
    hosts: Vec<String>,
    tls: Option<FileTls>,
    proxy: Option<FileProxy>,
) -> Result<Listening, String> {
    for host in &hosts {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(format!(
                "hosts: {host:?} is no host name: write it without scheme and port, as \"keytrail.example\""
            ));
        }
    }
    let proxies = match proxy {
        None => Vec::new(),
        Some(FileProxy { trusted }) if trusted.is_empty() => {
            return Err("[proxy] trusted = []: name the proxy's address".to_owned());
        }
        Some(_) if tls.is_some() => {
            return Err(
                "[tls] and [proxy]: TLS is ended either here or by a proxy; take one of them out"
                    .to_owned(),
            );
        }
        Some(FileProxy { trusted }) => {
            let each = trusted.iter().map(|typed| network(typed));
            each.collect::<Result<_, _>>()?
        }
    };
    let tls = tls.map(|FileTls { certificate, key }| TlsFiles { certificate, key });
    Ok(Listening { hosts, tls, proxies, oidc: None })
}

fn network(typed: &str) -> Result<ipnet::IpNet, String> {
    let address = typed.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    address.or_else(|_| typed.parse()).map_err(|_| {
        format!("[proxy] trusted: {typed:?} is no address, as \"10.0.0.7\", and no network, as \"10.0.0.0/24\"")
    })
}
