//! Which requests are made: a certificate says where its lists are, and must not make this machine talk to whom its
//! network trusts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Longest URL, in bytes.
const MAX_URL: usize = 2_048;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// IANA's registry of special-purpose addresses, and multicast.
const SPECIAL_V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 8), "of this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "behind a provider's NAT"),
    (v4(127, 0, 0, 0, 8), "of this machine"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "of a protocol"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 31, 196, 0, 24), "of AS112"),
    (v4(192, 52, 193, 0, 24), "of AMT"),
    (v4(192, 88, 99, 0, 24), "of a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(192, 175, 48, 0, 24), "of AS112"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

/// The same within 2000::/3; all outside of it is special.
const SPECIAL_V6: [(Ipv6Net, &str); 5] = [
    (v6(0x2001, 0, 0, 23), "of a protocol"),
    (v6(0x2001, 0xdb8, 0, 32), "for documentation"),
    (v6(0x2002, 0, 0, 16), "of 6to4, which contains another"),
    (v6(0x2620, 0x4f, 0x8000, 48), "of AS112"),
    (v6(0x3fff, 0, 0, 20), "for documentation"),
];

const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What is allowed beside what is everybody's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Every address and port will do: what is fetched is said by whoever runs this.
    is_open: bool,
    pub(super) nets: Vec<IpNet>,
    /// In lower case.
    pub(super) hosts: BTreeSet<String>,
    pub(super) ports: BTreeSet<u16>,
}

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// In lower case; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Beginning with a slash.
    pub(super) path: String,
    /// As it is written in `Host`.
    pub(super) authority: String,
}

impl Guard {
    /// For URLs that whoever runs this has given.
    #[cfg(feature = "stapler")]
    pub(crate) fn open() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// Reads a URL; says why no request is made to it.
    pub(crate) fn target(&self, url: &str) -> Result<Target, String> {
        let refused = |why: &str| Err(format!("it is not fetched: {why}"));
        if url.len() > MAX_URL {
            return refused("the URL has more than 2,048 bytes");
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("the URL has characters that are not printable ASCII");
        }
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            _ => return refused("only http is spoken"),
        };
        if url.contains('#') || url.contains('\\') {
            return refused("the URL has a fragment, or a backslash");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return refused("the URL has a user");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
                _ => return refused("its host is no IPv6 address"),
            },
            None => {
                let colon = authority.find(':').unwrap_or(authority.len());
                authority.split_at(colon)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => Some(80),
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0)
            }
            _ => None,
        };
        let Some(port) = port else {
            return refused("its port is none");
        };
        if !self.is_open && port != 80 && port < 1_024 && !self.ports.contains(&port) {
            return Err(format!(
                "it is not fetched: port {port} is that of another service; allow it with `HttpCrls::allow_port`"
            ));
        }
        let host = host.to_ascii_lowercase();
        if !authority.starts_with('[') && !is_host(&host) {
            return refused(
                "its host is neither a name nor an address as they are usually written",
            );
        }
        let path = match path.as_bytes().first() {
            Some(b'/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        Ok(Target {
            host,
            port,
            path,
            authority: authority.to_owned(),
        })
    }

    /// Whether a host with these addresses may be talked to: one that is not everybody's is enough to refuse it.
    pub(super) fn check(&self, target: &Target, addresses: &[SocketAddr]) -> Result<(), String> {
        if addresses.is_empty() {
            return Err(format!("{} has no address", target.host));
        }
        if self.is_open || self.hosts.contains(&target.host) {
            return Ok(());
        }
        for address in addresses.iter().map(SocketAddr::ip) {
            let is_allowed = self.nets.iter().any(|net| net.contains(&address));
            if let (false, Some(what)) = (is_allowed, special(address)) {
                return Err(format!(
                    "it is not fetched: {address} is {what}; allow it with `HttpCrls::allow`"
                ));
            }
        }
        Ok(())
    }
}

/// Letters, digits, hyphens, underscores and dots; what ends in a number is an IPv4 address in four of them, since
/// resolvers also take `2130706433`, `0x7f.1` and `127.1` for one.
fn is_host(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let last = host
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let is_number = last.starts_with(|first: char| first.is_ascii_digit())
        && (last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x"));
    !last.is_empty()
        && host.len() <= 253
        && host.bytes().all(is_name)
        && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// What an address is that is not everybody's.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let mut special = SPECIAL_V4.iter();
            special
                .find(|(net, _)| net.contains(&address))
                .map(|(_, what)| *what)
        }
        // Among these are all that contain an IPv4 address: ::/96, ::ffff:0:0/96, 64:ff9b::/96, 64:ff9b:1::/48.
        IpAddr::V6(address) if !GLOBAL_V6.contains(&address) => Some("no global address"),
        IpAddr::V6(address) => {
            let mut special = SPECIAL_V6.iter();
            special
                .find(|(net, _)| net.contains(&address))
                .map(|(_, what)| *what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let guard = Guard::default();
        let target = guard.target("HTTP://CRL.example:8080/a/b.crl?c=d").unwrap();
        assert_eq!(
            (
                &*target.host,
                target.port,
                &*target.path,
                &*target.authority
            ),
            ("crl.example", 8080, "/a/b.crl?c=d", "CRL.example:8080")
        );
        assert_eq!(guard.target("http://crl.example").unwrap().path, "/");
        assert_eq!(guard.target("http://crl.example?x").unwrap().path, "/?x");
        assert_eq!(
            guard.target("http://[2606:4700::1]/x").unwrap().host,
            "2606:4700::1"
        );
        let long = format!("http://crl.example/{}", "x".repeat(2_048));
        for refused in [
            "file:///etc/passwd",
            "https://crl.example/ca.crl",
            "ldap://crl.example/cn=ca",
            "gopher://crl.example:6379/",
            "http:crl.example",
            "http://user@crl.example/",
            "http://user:secret@crl.example/",
            "http://crl.example/#x",
            "http://crl.example\\@evil.example/",
            "http://crl.example/a b",
            "http://crl.example/\r\nX: y",
            "http://crl.exämple/",
            "http://crl.example:25/",
            "http://crl.example:0/",
            "http://crl.example:99999/",
            "http://crl.example:+80/",
            "http://crl.example:/",
            "http:///x",
            "http://.../x",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://127.1/",
            "http://017700000001/",
            "http://1.2.3.0x4/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://[v1.x]/",
            &long,
        ] {
            assert!(guard.target(refused).is_err(), "{refused}");
        }
        let mut guard = Guard::default();
        guard.ports.insert(25);
        assert!(guard.target("http://crl.example:25/").is_ok());
    }

    fn verdict(guard: &Guard, addresses: &[&str]) -> Result<(), String> {
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| SocketAddr::new(address.parse().unwrap(), 80))
            .collect();
        guard.check(&guard.target("http://crl.example/").unwrap(), &addresses)
    }

    #[test]
    fn addresses() {
        let guard = Guard::default();
        for good in [
            "93.184.216.34",
            "2606:4700::1",
            "2a00:1450::1",
            "8.8.8.8",
            "172.32.0.1",
        ] {
            assert_eq!(verdict(&guard, &[good]), Ok(()), "{good}");
        }
        for bad in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(verdict(&guard, &[bad]).is_err(), "{bad}");
            // One is enough.
            assert!(verdict(&guard, &["8.8.8.8", bad]).is_err(), "{bad}");
        }
        assert!(verdict(&guard, &[]).is_err());
        assert_eq!(
            verdict(&guard, &["10.0.0.1"]).unwrap_err(),
            "it is not fetched: 10.0.0.1 is private; allow it with `HttpCrls::allow`"
        );
    }

    #[test]
    fn what_is_allowed() {
        let mut guard = Guard::default();
        guard.nets.push("10.0.0.0/8".parse().unwrap());
        assert_eq!(verdict(&guard, &["10.0.0.1"]), Ok(()));
        assert!(verdict(&guard, &["10.0.0.1", "127.0.0.1"]).is_err());
        assert!(verdict(&guard, &["::ffff:10.0.0.1"]).is_err());
        guard.hosts.insert("crl.example".to_owned());
        assert_eq!(verdict(&guard, &["127.0.0.1"]), Ok(()));
    }
}
