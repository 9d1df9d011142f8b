//! Headers of the PROXY protocol, read by what stands before `portcullis`' servers and by another reader.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ppp::{HeaderResult, v1, v2};

/// The reader itself: it is no part of the crate's interface.
#[path = "../../crates/portcullis/src/accept/proxy_header.rs"]
mod reader;

/// Source and destination; `None` where the proxy speaks for itself or does not know.
type Addresses = Option<(SocketAddr, SocketAddr)>;

/// Section 2.1: with its end of line.
const LONGEST_V1: usize = 107;
/// Section 2.2: what is before the length, the length, and what the reader takes behind it.
const LONGEST_V2: usize = 14 + 2 + 4_096;

/// What is read, if it is a header, and how many bytes that took.
fn read(data: &[u8]) -> (Option<Addresses>, usize) {
    let mut rest = data;
    let read = {
        let reading = pin!(reader::read(&mut rest));
        match reading.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => unreachable!("bytes in memory are there"),
        }
    };
    let read = match read {
        Ok(addresses) => Some(addresses),
        Err(fault) => {
            let said = fault.to_string();
            assert!((1..100).contains(&said.len()), "{said}");
            None
        }
    };
    (read, data.len() - rest.len())
}

/// Takes what a proxy, or somebody else, sends first.
pub fn run(data: &[u8]) {
    let (ours, length) = read(data);
    let is_v2 = data.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
    let longest = if is_v2 { LONGEST_V2 } else { LONGEST_V1 };
    assert!(length <= longest, "{length} bytes were taken");
    let Some(ours) = ours else {
        return;
    };
    // What is behind it changes nothing, and all of it is needed.
    let header = &data[..length];
    assert_eq!(read(header), (Some(ours), length));
    assert_eq!(read(&header[..length - 1]).0, None);
    if let Some(theirs) = oracle(header) {
        assert_eq!(ours, theirs, "{}", header.escape_ascii());
    }
    for again in written(ours) {
        assert_eq!(read(&again), (Some(ours), again.len()));
    }
}

/// What another reader makes of it; where it refuses, it has no say.
fn oracle(header: &[u8]) -> Option<Addresses> {
    let v4 = |source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)| {
        Some((source.into(), destination.into()))
    };
    let v6 = |source: (Ipv6Addr, u16), destination: (Ipv6Addr, u16)| {
        Some((source.into(), destination.into()))
    };
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Some(match header.addresses {
            v1::Addresses::Tcp4(a) => v4(
                (a.source_address, a.source_port),
                (a.destination_address, a.destination_port),
            ),
            v1::Addresses::Tcp6(a) => v6(
                (a.source_address, a.source_port),
                (a.destination_address, a.destination_port),
            ),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Some(None),
        HeaderResult::V2(Ok(header)) => Some(match header.addresses {
            v2::Addresses::IPv4(a) => v4(
                (a.source_address, a.source_port),
                (a.destination_address, a.destination_port),
            ),
            v2::Addresses::IPv6(a) => v6(
                (a.source_address, a.source_port),
                (a.destination_address, a.destination_port),
            ),
            _ => None,
        }),
        _ => None,
    }
}

/// The same in both versions.
fn written(addresses: Addresses) -> [Vec<u8>; 2] {
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    let Some((source, destination)) = addresses else {
        v2.extend([0x20, 0, 0, 0]);
        return [b"PROXY UNKNOWN\r\n".to_vec(), v2];
    };
    let (family, code) = match source {
        SocketAddr::V4(_) => ("TCP4", 0x11),
        SocketAddr::V6(_) => ("TCP6", 0x21),
    };
    let mut body = Vec::new();
    for end in [source, destination] {
        match end {
            SocketAddr::V4(end) => body.extend(end.ip().octets()),
            SocketAddr::V6(end) => body.extend(end.ip().octets()),
        }
    }
    let ports = [source.port(), destination.port()];
    body.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    v2.extend([0x21, code, 0, body.len() as u8]);
    v2.extend(body);
    let (from, to, [source, destination]) = (source.ip(), destination.ip(), ports);
    let v1 = format!("PROXY {family} {from} {to} {source} {destination}\r\n");
    [v1.into_bytes(), v2]
}
