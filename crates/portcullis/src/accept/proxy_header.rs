//! The header of the PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it.
//!
//! It is read to its last byte and no further: what comes behind it is the client's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Source and destination; `None` where the proxy speaks for itself or does not know.
pub(super) type Addresses = Option<(SocketAddr, SocketAddr)>;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Section 2.1, with its end of line.
const LONGEST_V1: usize = 107;
/// What follows the first 16 bytes; real ones have some hundred.
const LONGEST_V2: usize = 4_096;

#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    NoHeader,
    TooLong,
    Line,
    Command,
    Addresses,
    TooMuch,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(error) => return error.fmt(f),
            Self::NoHeader => "it begins with neither PROXY nor the signature of version 2",
            Self::TooLong => "a line of version 1 that is too long",
            Self::Line => "a line of version 1 that is not well formed",
            Self::Command => "a version or command of version 2 that does not exist",
            Self::Addresses => "addresses of version 2 that are not of a stream, or too short",
            Self::TooMuch => "a header of version 2 with more than 4096 bytes",
        })
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads one header.
pub(super) async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> Result<Addresses, Fault> {
    // No header is shorter than the signature.
    let mut start = [0; 12];
    io.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        return read_v2(io).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(Fault::NoHeader);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_V1 {
            return Err(Fault::TooLong);
        }
        // One by one: what is behind the line is not ours.
        line.push(io.read_u8().await?);
    }
    parse_v1(&line)
}

async fn read_v2<IO: AsyncRead + Unpin>(io: &mut IO) -> Result<Addresses, Fault> {
    let [command, family] = [io.read_u8().await?, io.read_u8().await?];
    let length = usize::from(io.read_u16().await?);
    if length > LONGEST_V2 {
        return Err(Fault::TooMuch);
    }
    let mut body = vec![0; length];
    io.read_exact(&mut body).await?;
    parse_v2(command, family, &body)
}

/// A whole line, with its end.
fn parse_v1(line: &[u8]) -> Result<Addresses, Fault> {
    let line = std::str::from_utf8(line).map_err(|_| Fault::Line)?;
    let line = line.strip_suffix("\r\n").ok_or(Fault::Line)?;
    let mut words = line.strip_prefix("PROXY ").ok_or(Fault::Line)?.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Fault::Line);
    };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse().map(IpAddr::V4).map_err(|_| Fault::Line),
        Some("TCP6") => text.parse().map(IpAddr::V6).map_err(|_| Fault::Line),
        _ => Err(Fault::Line),
    };
    let port = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u16>().map_err(|_| Fault::Line),
        false => Err(Fault::Line),
    };
    Ok(Some((
        SocketAddr::new(address(source)?, port(source_port)?),
        SocketAddr::new(address(destination)?, port(destination_port)?),
    )))
}

fn parse_v2(command: u8, family: u8, body: &[u8]) -> Result<Addresses, Fault> {
    match command {
        // LOCAL: a health check of the proxy's own. What follows means nothing.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(Fault::Command),
    }
    match family {
        // TCP over IPv4, IPv6; what is behind the addresses are its TLVs.
        0x11 => addresses::<4>(body, |ip| Ipv4Addr::from(ip).into()),
        0x21 => addresses::<16>(body, |ip| Ipv6Addr::from(ip).into()),
        // Not known, or of Unix sockets.
        0x00 | 0x31 => Ok(None),
        _ => Err(Fault::Addresses),
    }
}

fn addresses<const N: usize>(body: &[u8], ip: fn([u8; N]) -> IpAddr) -> Result<Addresses, Fault> {
    let parsed = || {
        let (source, rest) = body.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let (destination_port, _) = rest.split_first_chunk::<2>()?;
        Some((
            SocketAddr::new(ip(*source), u16::from_be_bytes(*source_port)),
            SocketAddr::new(ip(*destination), u16::from_be_bytes(*destination_port)),
        ))
    };
    parsed().map(Some).ok_or(Fault::Addresses)
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes`, and what is left.
    fn read_all(bytes: &[u8]) -> Result<(Addresses, Vec<u8>), Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let mut io = bytes;
            Ok((read(&mut io).await?, io.to_vec()))
        })
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    #[test]
    fn headers_of_both_versions() {
        let v4 = Some((
            "192.0.2.1:56324".parse().unwrap(),
            "198.51.100.2:443".parse().unwrap(),
        ));
        let v6 = Some((
            "[2001:db8::1]:1".parse().unwrap(),
            "[2001:db8::2]:65535".parse().unwrap(),
        ));
        let body4 = [192, 0, 2, 1, 198, 51, 100, 2, 220, 4, 1, 187];
        let mut body6 = [0; 36];
        body6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        body6[15] = 1;
        body6[16..20].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        body6[31..].copy_from_slice(&[2, 0, 1, 255, 255]);
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n".to_vec(),
                v4,
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n".to_vec(),
                v6,
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 what ever 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &body4), v4),
            (v2(0x21, 0x11, &[&body4[..], &[4, 0, 1, 7]].concat()), v4),
            (v2(0x21, 0x21, &body6), v6),
            (v2(0x20, 0x11, &body4), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x21, 0x00, b""), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            for rest in [&b""[..], b"\x16\x03\x01"] {
                let (addresses, left) = read_all(&[&header[..], rest].concat()).unwrap();
                assert_eq!(addresses, expected);
                assert_eq!(left, rest, "not a byte too many");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(long.len(), LONGEST_V1 + 1);
        for header in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.1 198.51.100.2 1 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 443\n".to_vec(),
            b"proxy tcp4 192.0.2.1 198.51.100.2 1 443\r\n".to_vec(),
            long.into_bytes(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x00, &[0; LONGEST_V2 + 1]),
            SIGNATURE.to_vec(),
            b"PROXY".to_vec(),
        ] {
            let shown = header.escape_ascii().to_string();
            assert!(read_all(&header).is_err(), "{shown}");
        }
        assert!(read_all(format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)).as_bytes()).is_ok());
    }

    /// What another reader makes of it.
    fn oracle(bytes: &[u8]) -> Option<Addresses> {
        use ppp::{HeaderResult, v1, v2};

        match HeaderResult::parse(bytes) {
            HeaderResult::V1(Ok(header)) => Some(match header.addresses {
                v1::Addresses::Tcp4(a) => Some((
                    (a.source_address, a.source_port).into(),
                    (a.destination_address, a.destination_port).into(),
                )),
                v1::Addresses::Tcp6(a) => Some((
                    (a.source_address, a.source_port).into(),
                    (a.destination_address, a.destination_port).into(),
                )),
                v1::Addresses::Unknown => None,
            }),
            HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Some(None),
            HeaderResult::V2(Ok(header)) => Some(match header.addresses {
                v2::Addresses::IPv4(a) => Some((
                    (a.source_address, a.source_port).into(),
                    (a.destination_address, a.destination_port).into(),
                )),
                v2::Addresses::IPv6(a) => Some((
                    (a.source_address, a.source_port).into(),
                    (a.destination_address, a.destination_port).into(),
                )),
                _ => None,
            }),
            _ => None,
        }
    }

    fn header() -> impl Strategy<Value = Vec<u8>> {
        let v1 = (
            any::<[u8; 4]>(),
            any::<[u8; 16]>(),
            any::<[u16; 2]>(),
            0..3u8,
        )
            .prop_map(|(ip4, ip6, [from, to], family)| {
                let (ip4, ip6) = (Ipv4Addr::from(ip4), Ipv6Addr::from(ip6));
                match family {
                    0 => format!("PROXY TCP4 {ip4} {ip4} {from} {to}\r\n"),
                    1 => format!("PROXY TCP6 {ip6} {ip6} {from} {to}\r\n"),
                    _ => format!("PROXY UNKNOWN {ip6}\r\n"),
                }
                .into_bytes()
            });
        let family = prop::sample::select(vec![(0x11, 12), (0x21, 36), (0x00, 0)]);
        let v2 = (0x20..=0x21u8, family, any::<[u8; 36]>())
            .prop_map(|(command, (family, length), body)| v2(command, family, &body[..length]));
        prop_oneof![v1, v2]
    }

    proptest! {
        #[test]
        fn whole_headers_are_read_as_another_reader_does(header in header()) {
            prop_assert_eq!(read_all(&header).ok().map(|read| read.0), oracle(&header));
        }

        /// Where another reader is stricter or looser this one refuses, but none is read
        /// differently.
        #[test]
        fn damaged_headers_are_not_read_differently(
            header in header(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut header = header;
            let at = at.index(header.len());
            header[at] = byte;
            if let (Ok((ours, _)), Some(theirs)) = (read_all(&header), oracle(&header)) {
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
