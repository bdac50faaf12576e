//! How keytrail is reached: under which names, through which proxies, by which scheme.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{Extensions, Uri};
use ipnet::IpNet;

use super::identify::Peer;
use crate::listening::Listening;

/// How this process is reached.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    bound: IpAddr,
    hosts: Vec<String>,
    proxies: Vec<IpNet>,
    is_https: bool,
}

impl Reach {
    /// Returns how a process is reached that is bound to this address.
    pub(crate) fn new(bound: IpAddr, listening: &Listening) -> Reach {
        Reach {
            bound,
            hosts: listening.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            proxies: listening.proxies.clone(),
            is_https: listening.tls.is_some() || !listening.proxies.is_empty(),
        }
    }

    /// Tells whether browsers reach it by TLS, ended here or by a proxy.
    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// Tells whether whoever reaches the socket is at this machine: behind a proxy he is not.
    pub(crate) fn is_local(&self) -> bool {
        self.bound.is_loopback() && self.proxies.is_empty()
    }

    /// Tells whether a request comes as it should: from the proxy, if there is one, which was asked by TLS itself.
    pub(crate) fn lets_in(&self, headers: &HeaderMap, extensions: &Extensions) -> bool {
        if self.proxies.is_empty() {
            return true;
        }
        let peer = extensions.get::<Peer>();
        let mut asked_by = headers.get_all("x-forwarded-proto").iter();
        peer.is_some_and(|peer| self.is_proxy(peer.0))
            && asked_by.next().is_none_or(|scheme| scheme == "https")
            && asked_by.next().is_none()
    }

    /// Returns from where a request comes: of what proxies say, the last address that is none of a proxy's. What stands
    /// before it anybody may have written.
    pub(crate) fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let peer = extensions.get::<Peer>()?.0.to_canonical();
        if self.proxies.is_empty() {
            return Some(peer);
        }
        let said =
            headers.get_all("x-forwarded-for").iter().map(|said| said.to_str().unwrap_or(""));
        let said: Vec<&str> = said.flat_map(|said| said.split(',')).map(str::trim).collect();
        for said in said.into_iter().rev() {
            let Ok(address) = said.parse::<IpAddr>() else { break };
            if !self.is_proxy(address) {
                return Some(address.to_canonical());
            }
        }
        Some(peer)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxies| proxies.contains(&address.to_canonical()))
    }

    /// Tells whether the request names this host: a loopback name or address, the bound address, or a name of the
    /// configuration, with any port (a tunnel may have another).
    pub(crate) fn is_ours(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let Some(host) = host(headers) else { return false };
        self.names_us(host)
            && uri.authority().is_none_or(|authority| self.names_us(authority.as_str()))
    }

    /// Tells whether a page of another origin asks: a browser says so with whatever is no plain reading.
    pub(crate) fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return false };
        let scheme = if self.is_https { "https://" } else { "http://" };
        let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme));
        host(headers).is_none_or(|host| origin != Some(host))
    }

    /// Returns how the browser that asks writes our own address: scheme, host, port.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<String> {
        let scheme = if self.is_https { "https" } else { "http" };
        host(headers).map(|host| format!("{scheme}://{host}"))
    }

    /// Tells whether browsers may be told to come by TLS only: under a name that is ours alone, not `localhost`.
    pub(crate) fn is_strict(&self, headers: &HeaderMap) -> bool {
        self.is_https
            && host(headers).and_then(name_of).is_some_and(|name| self.is_configured(name))
    }

    fn is_configured(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn names_us(&self, authority: &str) -> bool {
        if let Some(rest) = authority.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let Ok(address) = address.parse::<Ipv6Addr>() else { return false };
            return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
                && self.is_our_address(IpAddr::V6(address));
        }
        let Some(name) = name_of(authority) else { return false };
        name.eq_ignore_ascii_case("localhost")
            || self.is_configured(name)
            || name.parse::<IpAddr>().is_ok_and(|address| self.is_our_address(address))
    }

    fn is_our_address(&self, address: IpAddr) -> bool {
        address.is_loopback() || (address == self.bound && !address.is_unspecified())
    }
}

/// Returns the one host that a request names.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Returns an authority's name or IPv4 address, without its port.
fn name_of(authority: &str) -> Option<&str> {
    match authority.split_once(':') {
        Some((name, port)) if is_port(port) => Some(name),
        Some(_) => None,
        None => Some(authority),
    }
}

fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn reach(bound: &str, hosts: &[&str], proxies: &[&str]) -> Reach {
        let listening = Listening {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            tls: None,
            oidc: None,
            proxies: proxies.iter().map(|proxy| proxy.parse().expect("a network")).collect(),
        };
        Reach::new(bound.parse().expect("an address"), &listening)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (axum::http::HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        headers.extend(pairs);
        headers
    }

    fn from(peer: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Peer(peer.parse().expect("an address")));
        extensions
    }

    #[test]
    fn only_loopback_and_configured_names_are_ours() {
        let local = reach("127.0.0.1", &[], &[]);
        for (authority, ours) in [
            ("localhost", true),
            ("LOCALHOST:8088", true),
            ("127.0.0.1:8088", true),
            ("127.8.9.1", true),
            ("[::1]:8088", true),
            ("[::1]", true),
            ("", false),
            ("evil.example:8088", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:8088.evil.example", false),
            ("localhost:", true),
            ("user@localhost", false),
            ("[::1]evil.example", false),
            ("[::2]", false),
            ("::1", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("2130706433", false),
        ] {
            assert_eq!(local.names_us(authority), ours, "{authority}");
        }
        assert!(reach("10.0.0.1", &[], &[]).names_us("10.0.0.1:80"));
        let named = reach("0.0.0.0", &["keytrail.example"], &[]);
        for (authority, ours) in [
            ("keytrail.example", true),
            ("KeyTrail.Example:443", true),
            ("x.keytrail.example", false),
            ("keytrail.example.evil", false),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(named.names_us(authority), ours, "{authority}");
        }
    }

    #[test]
    fn an_origin_is_ours_by_scheme_and_host() {
        let asked = |reach: &Reach, origin| {
            reach.is_foreign(&headers(&[("host", "keytrail.example"), ("origin", origin)]))
        };
        let plain = reach("127.0.0.1", &["keytrail.example"], &[]);
        let behind = reach("127.0.0.1", &["keytrail.example"], &["10.0.0.7/32"]);
        for (origin, of_plain, of_tls) in [
            ("http://keytrail.example", false, true),
            ("https://keytrail.example", true, false),
            ("https://evil.example", true, true),
            ("null", true, true),
        ] {
            assert_eq!(asked(&plain, origin), of_plain, "{origin}");
            assert_eq!(asked(&behind, origin), of_tls, "{origin}");
        }
        let strict = |reach: &Reach, host| reach.is_strict(&headers(&[("host", host)]));
        assert!(strict(&behind, "keytrail.example:443") && !strict(&plain, "keytrail.example"));
        assert!(!strict(&behind, "localhost"), "other services of this machine have that name");
    }

    #[test]
    fn what_a_proxy_says_is_believed_of_a_proxy_only() {
        let behind = reach("10.0.0.1", &[], &["10.0.0.7/32", "10.1.0.0/16"]);
        let address = |peer, said: &[(&'static str, &str)]| {
            behind.address(&headers(said), &from(peer)).expect("an address").to_string()
        };
        let said = |said| [("x-forwarded-for", said)];
        for (said, is) in [
            ("192.0.2.1", "192.0.2.1"),
            // What the client wrote himself stands before what the proxy adds.
            ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 10.1.2.3", "192.0.2.1"),
            ("nonsense", "10.0.0.7"),
            ("192.0.2.1, nonsense", "10.0.0.7"),
        ]
        .map(|(text, is)| (said(text), is))
        {
            assert_eq!(address("10.0.0.7", &said), is, "{said:?}");
        }
        assert_eq!(address("10.0.0.7", &[]), "10.0.0.7");
        let direct = reach("10.0.0.1", &[], &[]);
        let lied = direct.address(&headers(&said("192.0.2.1")), &from("10.0.0.9"));
        assert_eq!(lied.expect("an address").to_string(), "10.0.0.9");
        let lets_in =
            |peer, scheme| behind.lets_in(&headers(&[("x-forwarded-proto", scheme)]), &from(peer));
        assert!(lets_in("10.0.0.7", "https") && !lets_in("10.0.0.7", "http"));
        assert!(!lets_in("10.0.0.8", "https"), "past the proxy");
        assert!(!behind.lets_in(&HeaderMap::new(), &Extensions::new()));
        assert!(direct.lets_in(&HeaderMap::new(), &Extensions::new()));
        assert!(!reach("127.0.0.1", &[], &["127.0.0.1/32"]).is_local());
    }
}
