//! What decodes is encoded again byte for byte, and what is decompressed fills its room.

use portcullis_core::compression::CertificateCompression;
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use portcullis_core::wire::{HandshakeType, round_trip};

use crate::pki::NOW;

/// In the place of a handshake type: a session that somebody has kept.
pub const CLIENT_SESSION: u8 = 0xf0;
pub const SERVER_SESSION: u8 = 0xf1;
/// The same: an algorithm, the length that is announced (two bytes), and what is decompressed.
pub const COMPRESSED: u8 = 0xf2;
/// What a client's session is kept under.
pub const SESSION_KEY: u8 = 0xf3;

/// Takes a handshake type and a body.
pub fn run(data: &[u8]) {
    let Some((&msg_type, body)) = data.split_first() else {
        return;
    };
    match msg_type {
        CLIENT_SESSION | SERVER_SESSION | SESSION_KEY => drop(kept(data)),
        COMPRESSED => decompress(body),
        _ => assert!(round_trip(HandshakeType(msg_type), body)),
    }
}

/// Whether it is what somebody has kept.
pub fn kept(data: &[u8]) -> bool {
    match data.split_first() {
        Some((&CLIENT_SESSION, body)) => {
            let session = ClientSession::from_bytes(body);
            session.as_ref().map(client_session).is_ok()
        }
        Some((&SERVER_SESSION, body)) => {
            let session = ServerSession::from_bytes(body);
            let read = session.as_ref().map(|session| {
                assert_eq!(*session.to_bytes(), *body);
                server_session(session);
            });
            read.is_ok()
        }
        Some((&SESSION_KEY, body)) => {
            let key = SessionKey::from_bytes(body);
            key.as_ref().map(session_key).is_ok()
        }
        _ => false,
    }
}

/// What fills its room is what a second decompression gives.
fn decompress(body: &[u8]) {
    let [which, high, low, compressed @ ..] = body else {
        return;
    };
    let algorithm = match which % 3 {
        0 => CertificateCompression::zlib(),
        1 => CertificateCompression::brotli(),
        _ => CertificateCompression::zstd(),
    };
    let mut out = vec![0; usize::from(u16::from_be_bytes([*high, *low]))];
    if algorithm.decompress(compressed, &mut out) {
        let mut again = vec![7; out.len()];
        assert!(algorithm.decompress(compressed, &mut again));
        assert_eq!(out, again);
        let mut longer = vec![0; out.len() + 1];
        assert!(!algorithm.decompress(compressed, &mut longer));
    }
}

pub fn server_session(session: &ServerSession) {
    let bytes = session.to_bytes();
    let again = ServerSession::from_bytes(&bytes).expect("it was a session");
    assert_eq!(*again.to_bytes(), *bytes);
    assert_eq!(again.server_name(), session.server_name());
    assert_eq!(again.is_expired(NOW), session.is_expired(NOW));
    let _ = format!("{again:?}");
}

/// What a session says is the same after it was kept. Its bytes need not be: names and lifetimes
/// are written in one form.
pub fn client_session(session: &ClientSession) {
    let bytes = session.to_bytes();
    let again = ClientSession::from_bytes(&bytes).expect("it was a session");
    assert_eq!(*again.to_bytes(), *bytes);
    assert_eq!(again.server_name(), session.server_name());
    assert_eq!(again.is_expired(NOW), session.is_expired(NOW));
    assert!(again.lifetime().as_secs() <= 604_800);
    let _ = format!("{again:?}");
}

/// Equal keys have the same bytes.
fn session_key(key: &SessionKey) {
    let bytes = key.to_bytes();
    let again = SessionKey::from_bytes(&bytes).expect("it was a key");
    assert_eq!(again, *key);
    assert_eq!(again.to_bytes(), bytes);
    let _ = format!("{again:?}");
}
