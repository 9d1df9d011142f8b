//! The header of the PROXY protocol as it is written, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it.

use std::net::{IpAddr, SocketAddr};

/// Which header a backend wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// What is said of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client<'a> {
    /// Where it is, and where it has connected to. `None` for Unix sockets.
    pub(crate) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Version 2: whether it speaks over UDP.
    pub(crate) is_of_datagrams: bool,
    /// Version 2: the protocol that was agreed on, or that the client offers first.
    pub(crate) alpn: Option<&'a [u8]>,
    /// Version 2: the name in its hello.
    pub(crate) authority: Option<&'a str>,
    /// Version 2: what was agreed on where TLS ends here.
    pub(crate) tls: Option<Tls<'a>>,
}

/// Version and suite, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls<'a> {
    pub(crate) version: &'a str,
    pub(crate) suite: &'a str,
    /// Whether the client has shown a certificate, which was verified.
    pub(crate) has_certificate: bool,
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What follows the first 16 bytes is no longer: a reader may refuse what does not fit into what it reads first
/// (section 2.2).
const LONGEST: usize = 520;

/// `PP2_TYPE_*`, `PP2_SUBTYPE_*`, `PP2_CLIENT_*` (section 2.2).
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CIPHER: u8 = 0x23;
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERT_CONN: u8 = 0x02;

/// The header before the bytes of a client.
pub(crate) fn header(version: Version, client: &Client<'_>) -> Vec<u8> {
    let addresses = client.addresses.map(|(from, to)| same_family(from, to));
    match version {
        Version::V1 => v1(addresses),
        Version::V2 => v2(addresses, client),
    }
}

/// The header before what the proxy says for itself, as in a health check.
pub(crate) fn own(version: Version) -> Vec<u8> {
    match version {
        Version::V1 => v1(None),
        // LOCAL, of no family.
        Version::V2 => [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
    }
}

/// Both of IPv4, or both of IPv6: a header has one family.
fn same_family(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let bare = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let (from, to) = (bare(from), bare(to));
    match from.is_ipv4() == to.is_ipv4() {
        true => (from, to),
        false => (mapped(from), mapped(to)),
    }
}

fn v1(addresses: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let Some((from, to)) = addresses else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let ((from, from_port), (to, to_port)) = ((from.ip(), from.port()), (to.ip(), to.port()));
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

fn v2(addresses: Option<(SocketAddr, SocketAddr)>, client: &Client<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    let family = match addresses {
        None => 0x00,
        Some((from, to)) => {
            for address in [from, to] {
                match address.ip() {
                    IpAddr::V4(ip) => body.extend(ip.octets()),
                    IpAddr::V6(ip) => body.extend(ip.octets()),
                }
            }
            body.extend(from.port().to_be_bytes());
            body.extend(to.port().to_be_bytes());
            // The family, and how it is spoken: as a stream or in datagrams.
            let family = if from.is_ipv4() { 0x10 } else { 0x20 };
            family | if client.is_of_datagrams { 2 } else { 1 }
        }
    };
    if let Some(tls) = &client.tls {
        let seen = match tls.has_certificate {
            true => CLIENT_SSL | CLIENT_CERT_CONN,
            false => CLIENT_SSL,
        };
        let mut value = vec![seen];
        // 0: it was verified. So is every certificate here, and a client that has shown none has failed nothing.
        value.extend(0_u32.to_be_bytes());
        put(&mut value, SSL_VERSION, tls.version.as_bytes());
        put(&mut value, SSL_CIPHER, tls.suite.as_bytes());
        put(&mut body, SSL, &value);
    }
    if let Some(alpn) = client.alpn {
        put(&mut body, ALPN, alpn);
    }
    if let Some(name) = client.authority {
        put(&mut body, AUTHORITY, name.as_bytes());
    }
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&SIGNATURE[..], &[0x21, family], &length, &body].concat()
}

/// One value, if there is room for it.
fn put(body: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if body.len() + 3 + value.len() > LONGEST {
        return;
    }
    if let Ok(length) = u16::try_from(value.len()) {
        body.push(kind);
        body.extend(length.to_be_bytes());
        body.extend(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(from: &str, to: &str) -> Client<'static> {
        Client {
            addresses: Some((from.parse().unwrap(), to.parse().unwrap())),
            ..Client::default()
        }
    }

    #[test]
    fn headers_of_version_1() {
        for (from, to, line) in [
            (
                "192.0.2.1:56324",
                "198.51.100.2:443",
                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
            ),
            (
                "[2001:db8::1]:1",
                "[2001:db8::2]:65535",
                "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
            ),
            // A listener of both families has addresses of IPv4 in those of IPv6.
            (
                "[::ffff:192.0.2.1]:1",
                "[::ffff:192.0.2.2]:2",
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            ),
            (
                "[2001:db8::1]:1",
                "192.0.2.2:2",
                "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 2\r\n",
            ),
        ] {
            assert_eq!(header(Version::V1, &client(from, to)), line.as_bytes());
        }
        let unknown = header(Version::V1, &Client::default());
        assert_eq!(unknown, b"PROXY UNKNOWN\r\n");
        assert_eq!(own(Version::V1), unknown);
    }

    #[test]
    fn headers_of_version_2() {
        let mut client = client("192.0.2.1:56324", "198.51.100.2:443");
        client.alpn = Some(b"h2");
        client.authority = Some("a.b");
        client.tls = Some(Tls {
            version: "TLSv1.3",
            suite: "X",
            has_certificate: true,
        });
        let mut expected = SIGNATURE.to_vec();
        expected.extend([0x21, 0x11, 0, 47]);
        expected.extend([192, 0, 2, 1, 198, 51, 100, 2, 220, 4, 1, 187]);
        expected.extend([0x20, 0, 19, 3, 0, 0, 0, 0, 0x21, 0, 7]);
        expected.extend(b"TLSv1.3");
        expected.extend([0x23, 0, 1, b'X']);
        expected.extend([1, 0, 2, b'h', b'2', 2, 0, 3, b'a', b'.', b'b']);
        assert_eq!(expected.len(), 16 + 12 + 22 + 5 + 6);
        expected[15] = 45;
        assert_eq!(header(Version::V2, &client), expected);
        let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
        assert_eq!(own(Version::V2), local);
    }

    #[test]
    fn headers_before_datagrams() {
        for (from, to, family) in [
            ("192.0.2.1:1", "198.51.100.2:2", 0x12),
            ("[2001:db8::1]:1", "[2001:db8::2]:2", 0x22),
        ] {
            let mut client = client(from, to);
            client.is_of_datagrams = true;
            assert_eq!(header(Version::V2, &client)[12..14], [0x21, family]);
        }
    }

    #[test]
    fn what_a_client_says_makes_no_header_too_long() {
        let mut client = client("[2001:db8::1]:1", "[2001:db8::2]:2");
        let alpn = [b'x'; 255];
        let name = "x".repeat(253);
        client.alpn = Some(&alpn);
        client.authority = Some(&name);
        assert!(header(Version::V2, &client).len() <= 16 + LONGEST);
    }
}
