//! Packets as text, for tests.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use portcullis::packet::http::{Http, Method, Scheme, Target};
use portcullis::packet::{Framing, PacketError, PacketOptions, Piece, Scan};

pub(crate) fn text(piece: &Piece) -> String {
    match piece {
        Piece::Data(data) => data.escape_ascii().to_string(),
        Piece::Split(split) => {
            format!(
                "{}|{}",
                split.header.escape_ascii(),
                split.data.escape_ascii()
            )
        }
        Piece::Http(http) => line(http),
        _ => "?".to_owned(),
    }
}

pub(crate) fn line(http: &Http) -> String {
    match http {
        Http::Request(request) => {
            let method = request.method.as_bytes().escape_ascii();
            let other = match request.method {
                Method::Other(_) => "other:",
                _ => "",
            };
            let (major, minor) = request.version;
            format!(
                "REQUEST {other}{method} {} {major}.{minor}",
                target(&request.target)
            )
        }
        Http::Response(response) => {
            let (major, minor) = response.version;
            let reason = response.reason.escape_ascii();
            format!("RESPONSE {major}.{minor} {} {reason}", response.status)
        }
        Http::Header(header) => {
            let number = header.known().map_or(0, |known| known.number());
            let sent = match header.name() == header.name_as_sent() {
                true => String::new(),
                false => format!("({})", header.name_as_sent().escape_ascii()),
            };
            let name = header.name().escape_ascii();
            format!(
                "HEADER {number} {name}{sent}={}",
                header.value().escape_ascii()
            )
        }
        Http::EndOfHeaders => "END".to_owned(),
        Http::Unparsed(line) => format!("UNPARSED {}", line.escape_ascii()),
        _ => "?".to_owned(),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Asterisk => "*".to_owned(),
        Target::Path(path) => path.escape_ascii().to_string(),
        Target::Absolute {
            scheme,
            host,
            port,
            path,
        } => {
            let scheme = match scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            format!(
                "{scheme}({},{port:?},{})",
                host.escape_ascii(),
                path.escape_ascii()
            )
        }
        Target::Scheme { scheme, rest } => {
            format!("scheme({},{})", scheme.escape_ascii(), rest.escape_ascii())
        }
        Target::Other(text) => format!("other({})", text.escape_ascii()),
    }
}

/// All packets of `bytes`, of which `cuts` come one after the other, and what is said of what is left.
pub(crate) fn in_parts(options: PacketOptions, bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut framing = Framing::new(options);
    let mut all = Vec::new();
    let mut taken = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            match framing.scan(&bytes[taken..end]) {
                Ok(Scan::Packet { len }) => {
                    assert!(len <= end - taken);
                    let packet = Bytes::copy_from_slice(&bytes[taken..taken + len]);
                    taken += len;
                    all.push(text(&framing.take(packet)));
                }
                Ok(Scan::NeedMore { at_least }) => {
                    assert!(at_least > end - taken);
                    break;
                }
                Err(PacketError::TooLong { .. }) => {
                    all.push("TOO LONG".to_owned());
                    return all;
                }
                Err(PacketError::Invalid { .. }) => {
                    all.push("INVALID".to_owned());
                    return all;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    if taken < bytes.len() {
        all.push("MORE".to_owned());
    }
    all
}

pub(crate) fn at_once(options: PacketOptions, bytes: &[u8]) -> Vec<String> {
    in_parts(options, bytes, &[])
}

/// The same however they come.
pub(crate) fn all_ways(options: PacketOptions, bytes: &[u8]) -> Vec<String> {
    let whole = at_once(options, bytes);
    if options.packet() == portcullis::packet::Packet::Raw {
        return whole;
    }
    let bytewise: Vec<usize> = (1..=bytes.len()).collect();
    assert_eq!(in_parts(options, bytes, &bytewise), whole, "byte by byte");
    for cut in bytewise {
        assert_eq!(in_parts(options, bytes, &[cut]), whole, "cut at {cut}");
    }
    whole
}
