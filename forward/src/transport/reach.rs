//! Which addresses a webhook may reach: without `allow_private` only those of the open Internet, so that an address that
//! somebody else chose cannot make keytrail ask its own machine, its network or a cloud's metadata service.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names to public addresses only: checked when the connection is made, so that a name that resolves to another
/// address a moment later is no way around it.
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(Box::<dyn Error + Send + Sync>::from(refused(name.as_str())));
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Says why an address is not asked.
pub(super) fn refused(host: &str) -> String {
    format!(
        "{host} is on this machine or in a private network: allow_private = true lets this sink reach it"
    )
}

/// Tells whether an address is one of the open Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network, a provider's own, IETF's, benchmarks, multicast and what is reserved above it.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |one: u16, two: u16| {
        let ([a, b], [c, d]) = (one.to_be_bytes(), two.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match address.segments() {
        // NAT64 and 6to4 lead to an address of version 4.
        [0x0064, 0xff9b, 0, 0, 0, 0, one, two] => embedded(one, two),
        [0x2002, one, two, ..] => embedded(one, two),
        [0x2001, 0x0db8, ..] => false,
        // Only these are given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        let private = "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 192.0.0.1 \
                       198.18.0.1 224.0.0.1 255.255.255.255 203.0.113.7 :: ::1 fe80::1 fd00:ec2::254 fc00::1 ff02::1 \
                       ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2001:db8::1";
        for address in private.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        let public = "1.1.1.1 172.32.0.1 100.128.0.1 2606:4700::1111 64:ff9b::101:101";
        for address in public.split_whitespace() {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
