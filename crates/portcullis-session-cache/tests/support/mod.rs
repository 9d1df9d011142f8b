//! Sessions, made of bytes: a store need not know where they come from.

#![allow(dead_code, reason = "each program of tests needs some of it")]

use std::time::Duration;

use portcullis_core::ProtocolVersion;
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use rustls_pki_types::UnixTime;

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// What a record begins with, by the table in portcullis-core.
fn record(version: ProtocolVersion, secret: u8, since: UnixTime, name: &str, role: u8) -> Vec<u8> {
    record_of(&[0, 0, 0, 0], version, secret, since, name, role)
}

/// The same with a peer.
fn record_of(
    peer: &[u8],
    version: ProtocolVersion,
    secret: u8,
    since: UnixTime,
    name: &str,
    role: u8,
) -> Vec<u8> {
    // The record has the version of TLS, and which of both it is.
    let (dialect, version) = match version {
        ProtocolVersion::DTLS_1_3 => (2, ProtocolVersion::TLS_1_3),
        ProtocolVersion::DTLS_1_2 => (2, ProtocolVersion::TLS_1_2),
        version => (1, version),
    };
    let mut out = vec![2, dialect];
    out.extend(version.0.to_be_bytes());
    let is_tls13 = version == ProtocolVersion::TLS_1_3;
    let suite: u16 = if is_tls13 { 0x1301 } else { 0xc02b };
    out.extend(suite.to_be_bytes());
    let (kind, length) = if is_tls13 { (1, 32) } else { (3, 48) };
    out.extend([kind, length]);
    out.extend(vec![secret; length.into()]);
    if !is_tls13 {
        out.extend(29_u16.to_be_bytes());
    }
    out.extend(since.as_secs().to_be_bytes());
    out.extend(peer);
    // This side is nobody.
    out.push(0);
    out.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    out.extend(name.as_bytes());
    // Names, ALPN, early data.
    out.extend([0, 0, 0, 0, 0, 0]);
    out.push(role);
    out
}

/// A client's session with `a.example`, with a ticket that tells it from others.
pub(crate) fn client_session(
    version: ProtocolVersion,
    ticket: u32,
    since: UnixTime,
    lifetime: u32,
) -> ClientSession {
    let out = record(version, 0x51, since, "a.example", 1);
    with_ticket(out, ticket, since, lifetime)
}

/// The same of a user of SRP, as whom this side had logged in.
pub(crate) fn session_of_user(ticket: u32, since: UnixTime, lifetime: u32) -> ClientSession {
    let mut peer = vec![4, 0, 0, 32 + 2 + 5];
    peer.extend([0; 32]);
    peer.extend(*b"\0\x05alice");
    let version = ProtocolVersion::TLS_1_2;
    let out = record_of(&peer, version, 0x51, since, "a.example", 1);
    with_ticket(out, ticket, since, lifetime)
}

fn with_ticket(mut out: Vec<u8>, ticket: u32, since: UnixTime, lifetime: u32) -> ClientSession {
    out.push(0);
    out.extend([0, 4]);
    out.extend(ticket.to_be_bytes());
    out.extend(ticket.to_be_bytes());
    out.extend(lifetime.to_be_bytes());
    out.extend(since.as_secs().to_be_bytes());
    ClientSession::from_bytes(&out).expect("this is the form of a session")
}

pub(crate) fn server_session(
    version: ProtocolVersion,
    since: UnixTime,
    lifetime: u32,
) -> ServerSession {
    numbered(version, 7, since, lifetime)
}

/// The same with a number, by which it is told from others.
pub(crate) fn numbered(
    version: ProtocolVersion,
    number: u32,
    since: UnixTime,
    lifetime: u32,
) -> ServerSession {
    let mut out = record(version, 0x52, since, "a.example", 2);
    out.extend(number.to_be_bytes());
    out.extend(lifetime.to_be_bytes());
    out.extend(since.as_secs().to_be_bytes());
    ServerSession::from_bytes(&out).expect("this is the form of a session")
}

/// A key of a client's sessions with `a.example`, of this service.
pub(crate) fn key(service: &str) -> SessionKey {
    let mut out = vec![2, 1, 0, 1, 0, 0, 9];
    out.extend(b"a.example");
    out.extend(service.as_bytes());
    SessionKey::from_bytes(&out).expect("this is the form of a key")
}

/// What tells a session from others.
pub(crate) fn ticket(session: &ClientSession) -> u32 {
    let bytes = session.to_bytes();
    let end = bytes.len() - 16;
    u32::from_be_bytes(bytes[end..end + 4].try_into().unwrap())
}

/// The number of a session.
pub(crate) fn number(session: &ServerSession) -> u32 {
    let bytes = session.to_bytes();
    let end = bytes.len() - 16;
    u32::from_be_bytes(bytes[end..end + 4].try_into().unwrap())
}
