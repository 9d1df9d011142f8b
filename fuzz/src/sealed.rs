//! What stores on disk and in Redis keep: sealed sessions, as they come back from where others may write.

use core::time::Duration;

use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::codec;
use crate::mutation::flip;
use crate::pki::NOW;

/// The seal itself: it is no part of the crate's interface.
#[path = "../../crates/portcullis-session-cache/src/sealed.rs"]
#[allow(dead_code, reason = "a part of it is taken")]
mod seal;

use seal::{LastError, Place, Seal, StoreKeys};

const KEY: [u8; StoreKeys::KEY_LEN] = [7; StoreKeys::KEY_LEN];

/// Takes whose session it is, and what stands in the store: as somebody has put it there without the key (bit 1), or
/// inside of the seal, with a byte of the sealed record that is changed.
pub fn run(data: &[u8]) {
    let _ = opens(data);
}

/// Whether a session comes out.
pub fn opens(data: &[u8]) -> bool {
    let Some((&[kind, high, low, value], rest)) = data.split_first_chunk() else {
        return false;
    };
    let keys = StoreKeys::new([&KEY]).expect("a key");
    let keys = Seal::new(keys, LastError::default());
    let position = u16::from_be_bytes([high, low]);
    match kind & 3 {
        0 => of_client(&keys, rest, position, value),
        1 => of_server(&keys, rest, position, value),
        _ => {
            stranger(&keys, rest);
            false
        }
    }
}

/// Nobody without the key has written anything that opens.
fn stranger(keys: &Seal, stored: &[u8]) {
    let place = Place::of_server(b"an id");
    assert!(keys.open(&place, stored).is_none());
    for now in [NOW, UnixTime::since_unix_epoch(Duration::ZERO)] {
        assert!(seal::open_server(keys, &place, stored, now).is_none());
    }
}

/// Sealed for its place until the next second: it opens there, then, and as it is.
fn sealed(keys: &Seal, place: &Place, plain: &[u8], position: u16, value: u8) -> Vec<u8> {
    let until = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + 1));
    let sealed = keys.seal(place, until, plain).expect("there is randomness");
    assert_eq!(seal::end(&sealed), until);
    let opened = keys.open(place, &sealed).expect("it is its place");
    assert_eq!(*opened, plain);
    let mut other = sealed.clone();
    flip(&mut other, position, value);
    assert!(keys.open(place, &other).is_none());
    assert!(
        keys.open(place, &sealed[..usize::from(position) % sealed.len()])
            .is_none()
    );
    assert!(keys.open(&Place::of_server(b"another"), &sealed).is_none());
    sealed
}

fn of_server(keys: &Seal, plain: &[u8], position: u16, value: u8) -> bool {
    let place = Place::of_server(b"an id");
    let stored = sealed(keys, &place, plain, position, value);
    let opened = seal::open_server(keys, &place, &stored, NOW);
    let read = ServerSession::from_bytes(plain).ok();
    assert_eq!(
        opened.is_some(),
        read.is_some_and(|session| !session.is_expired(NOW))
    );
    let later = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + 1));
    assert!(seal::open_server(keys, &place, &stored, later).is_none());
    if let Some(session) = &opened {
        codec::server_session(session);
    }
    opened.is_some()
}

fn of_client(keys: &Seal, plain: &[u8], position: u16, value: u8) -> bool {
    let read = seal::read_client(plain);
    let Some((key, session)) = &read else {
        let place = Place::of_server(b"whatever");
        sealed(keys, &place, plain, position, value);
        return false;
    };
    let place = Place::of_client(key);
    let stored = sealed(keys, &place, plain, position, value);
    let opened = seal::open_client(keys, key, &place, &stored, NOW);
    assert_eq!(opened.is_some(), !session.is_expired(NOW));
    // Whose it is stands inside, too.
    let mut other = key.to_bytes();
    other.push(b'x');
    if let Ok(other) = SessionKey::from_bytes(&other) {
        assert!(seal::open_client(keys, &other, &place, &stored, NOW).is_none());
    }
    codec::client_session(session);
    // Written once more it is the same, with the proof that is in it, but for what a store does not take.
    let write = |key: &SessionKey, session: &ClientSession| {
        let written = seal::seal_client(keys, &place, key, session)?;
        assert_eq!(seal::end(&written), seal::end_of_client(session));
        Some(keys.open(&place, &written).expect("it is its place"))
    };
    let again = write(key, session);
    assert_eq!(again.is_none(), session.srp_user().is_some());
    let Some(again) = again else {
        return opened.is_some();
    };
    let (same, read) = seal::read_client(&again).expect("it was a session");
    assert_eq!(same, *key);
    assert_eq!(write(&same, &read).as_deref(), Some(&*again));
    let bare = |session: &ClientSession| session.to_bytes();
    assert_eq!(*bare(&read), *bare(session));
    opened.is_some()
}
