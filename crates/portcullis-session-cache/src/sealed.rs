//! What leaves the process: sessions sealed, under names that tell nothing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::{constant_time, rand};
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

use crate::{StoreError, StoreErrorKind};

/// The form of a sealed record; another one is one that nobody can open.
const FORMAT: u8 = 2;
const LABEL: &[u8] = b"portcullis session store 2";
const SALT_LEN: usize = 32;
const TIME_LEN: usize = 8;
/// Format, end, salt.
const HEAD_LEN: usize = 1 + TIME_LEN + SALT_LEN;
/// How many keys open at most.
const MOST_KEYS: usize = 8;

/// Keys that seal what a store keeps outside of the process (AES-256-GCM), so that whoever reads the store
/// can resume no session and see no name. Cheap to clone.
///
/// All who share a store have the same keys. A key seals as many sessions as one likes: each is sealed with a key of
/// its own, made of this one and 32 random bytes (HKDF, SHA-256). What is sealed belongs to its place: moved to
/// another it does not open. Against whoever can *write* to the store nothing here helps but that: whoever puts
/// back an old state has its single-use sessions given twice.
#[derive(Clone)]
pub struct StoreKeys(Arc<[Prk]>);

impl StoreKeys {
    /// The length of a key, in bytes.
    pub const KEY_LEN: usize = 32;

    /// The first key seals, all open: 32 random bytes each, such as those of `openssl rand 32`. To change keys put
    /// the new one behind the old one everywhere, then before it; and when what the old one has sealed has
    /// expired, leave it out.
    ///
    /// # Errors
    /// When there is no key, more than 8, or one is nothing but zeros.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = &'a [u8; Self::KEY_LEN]>,
    ) -> Result<Self, StoreError> {
        let wrong = |sentence| StoreError::new(StoreErrorKind::Options, sentence);
        let mut all = Vec::new();
        for key in keys {
            if constant_time::verify_slices_are_equal(key, &[0; Self::KEY_LEN]).is_ok() {
                return Err(wrong(
                    "store keys: a key is nothing but zeros; a key is 32 random bytes, such as those of \
                     `openssl rand 32`",
                ));
            }
            // It keeps the bytes where they are wiped, and makes its key of them each time.
            all.push(Salt::new(HKDF_SHA256, LABEL).extract(key));
        }
        match all.len() {
            0 => Err(wrong("store keys: there is no key")),
            1..=MOST_KEYS => Ok(Self(all.into())),
            _ => Err(wrong("store keys: at most 8 keys")),
        }
    }

    /// Seals a session for its place, where it is good for until `end`; `None` if there is no randomness.
    pub(crate) fn seal(&self, place: &Place, end: UnixTime, session: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(HEAD_LEN + session.len() + AES_256_GCM.tag_len());
        out.push(FORMAT);
        out.extend(end.as_secs().to_be_bytes());
        let mut salt = [0; SALT_LEN];
        rand::fill(&mut salt).ok()?;
        out.extend(salt);
        let aad = place.with(&out);
        let key = one_time_key(self.0.first()?, &salt)?;
        let mut body = Zeroizing::new(session.to_vec());
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(&*aad), &mut body)
            .ok()?;
        out.extend_from_slice(&body);
        out.extend_from_slice(tag.as_ref());
        Some(out)
    }

    /// Opens what was sealed for this place; `None` if that was not by one of these keys.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, body) = sealed.split_at_checked(HEAD_LEN)?;
        let salt = head.last_chunk()?;
        if head.first() != Some(&FORMAT) {
            return None;
        }
        let aad = place.with(head);
        self.0.iter().find_map(|key| {
            let key = one_time_key(key, salt)?;
            let mut body = Zeroizing::new(body.to_vec());
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let opened = key.open_in_place(nonce, Aad::from(&*aad), &mut body).ok()?;
            let length = opened.len();
            body.truncate(length);
            Some(body)
        })
    }
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKeys")
            .field("keys", &self.0.len())
            .finish_non_exhaustive()
    }
}

/// What a store has failed with last.
pub(crate) type LastError = Arc<Mutex<Option<StoreError>>>;

/// The keys of one store, and how often what is there was sealed with others. Clones are the same.
#[derive(Clone)]
pub(crate) struct Seal {
    keys: StoreKeys,
    unopened: Arc<AtomicU64>,
    last_error: LastError,
}

impl Seal {
    pub(crate) fn new(keys: StoreKeys, last_error: LastError) -> Self {
        Self {
            keys,
            unopened: Arc::default(),
            last_error,
        }
    }

    /// As [`StoreKeys::seal`].
    pub(crate) fn seal(&self, place: &Place, end: UnixTime, session: &[u8]) -> Option<Vec<u8>> {
        self.keys.seal(place, end, session)
    }

    /// As [`StoreKeys::open`]. What cannot be opened though it has its form is counted, and the first of it told.
    pub(crate) fn open(&self, place: &Place, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let opened = self.keys.open(place, sealed);
        if opened.is_none()
            && sealed.first() == Some(&FORMAT)
            && self.unopened.fetch_add(1, Ordering::Relaxed) == 0
        {
            let error = StoreError::new(
                StoreErrorKind::Keys,
                "a session in the store was not sealed with any of its store keys, or was changed there: it is passed over, \
                 and others like it, without being told again; open the store with the keys that it was written with, the \
                 new one before the old one, or let those sessions expire",
            );
            let mut last = self
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = Some(error);
        }
        opened
    }

    pub(crate) fn unopened(&self) -> u64 {
        self.unopened.load(Ordering::Relaxed)
    }
}

/// No key seals twice, so that every nonce can be 0. The library leaves nothing of it behind, unlike with an HMAC, whose tag
/// is no secret to it.
fn one_time_key(key: &Prk, salt: &[u8; SALT_LEN]) -> Option<LessSafeKey> {
    let mut bytes = Zeroizing::new([0; StoreKeys::KEY_LEN]);
    let info: [&[u8]; 1] = [salt];
    let made = key.expand(&info, HKDF_SHA256).ok()?;
    made.fill(&mut *bytes).ok()?;
    UnboundKey::new(&AES_256_GCM, &*bytes)
        .ok()
        .map(LessSafeKey::new)
}

/// When what is sealed is of no use any more, as its head says, to which the seal holds the store.
pub(crate) fn end(sealed: &[u8]) -> UnixTime {
    let seconds = sealed.get(1..).and_then(|rest| rest.first_chunk());
    let seconds = u64::from_be_bytes(*seconds.unwrap_or(&[0; TIME_LEN]));
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Under what the store keeps sessions: a digest, so that no ticket can be taken from the name and spent.
/// It depends on nothing of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) [u8; 32]);

impl Place {
    /// Of the sessions of a client's key.
    pub(crate) fn of_client(key: &SessionKey) -> Self {
        Self::labelled(b"client", &key.to_bytes())
    }

    /// Of a server's session.
    pub(crate) fn of_server(id: &[u8]) -> Self {
        Self::labelled(b"server", id)
    }

    fn labelled(label: &[u8], rest: &[u8]) -> Self {
        let mut bytes = b"portcullis session ".to_vec();
        bytes.extend_from_slice(label);
        bytes.push(0);
        bytes.extend_from_slice(rest);
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Self(out)
    }

    fn with(&self, head: &[u8]) -> Vec<u8> {
        [&self.0, head].concat()
    }
}

/// Seals a client's session for its place; `None` if there is no randomness, or it is of no use elsewhere: which password
/// a user of SRP had is not written down, so nobody could tell whether the session belongs to the user who finds it.
pub(crate) fn seal_client(
    keys: &Seal,
    place: &Place,
    key: &SessionKey,
    session: &ClientSession,
) -> Option<Vec<u8>> {
    match session.srp_user() {
        Some(_) => None,
        None => keys.seal(place, end_of_client(session), &put_client(key, session)),
    }
}

/// A client's session and its key, as they are sealed: the key first, with its length.
fn put_client(key: &SessionKey, session: &ClientSession) -> Zeroizing<Vec<u8>> {
    let (key, session) = (key.to_bytes(), session.to_bytes_to_seal());
    let mut out = Zeroizing::new(Vec::with_capacity(4 + key.len() + session.len()));
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&key);
    out.extend_from_slice(&session);
    out
}

/// Reads what [`put_client`] has written.
pub(crate) fn read_client(bytes: &[u8]) -> Option<(SessionKey, ClientSession)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (key, session) = rest.split_at_checked(length)?;
    let key = SessionKey::from_bytes(key).ok()?;
    Some((key, ClientSession::from_sealed_bytes(session).ok()?))
}

/// When a client's session is of no use any more.
pub(crate) fn end_of_client(session: &ClientSession) -> UnixTime {
    let received = session.received_at().as_secs();
    let seconds = received.saturating_add(session.lifetime().as_secs());
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// A server's session of this place, if it can be opened and has not expired.
pub(crate) fn open_server(
    keys: &Seal,
    place: &Place,
    sealed: &[u8],
    now: UnixTime,
) -> Option<ServerSession> {
    if end(sealed) <= now {
        return None;
    }
    let bytes = keys.open(place, sealed)?;
    let session = ServerSession::from_bytes(&bytes).ok()?;
    (!session.is_expired(now)).then_some(session)
}

/// A client's session of this place, as [`open_server`].
pub(crate) fn open_client(
    keys: &Seal,
    key: &SessionKey,
    place: &Place,
    sealed: &[u8],
    now: UnixTime,
) -> Option<ClientSession> {
    if end(sealed) <= now {
        return None;
    }
    let bytes = keys.open(place, sealed)?;
    let (whose, session) = read_client(&bytes)?;
    (whose == *key && !session.is_expired(now)).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place([7; 32]);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let keys = StoreKeys::new([&[1; 32]]).unwrap();
        let sealed = keys.seal(&PLACE, at(1_000), b"a session").unwrap();
        assert_eq!(*keys.open(&PLACE, &sealed).unwrap(), b"a session");
        assert_eq!(end(&sealed), at(1_000));
        assert!(keys.open(&Place([8; 32]), &sealed).is_none());
        assert!(!sealed.windows(9).any(|window| window == b"a session"));
        for byte in 0..sealed.len() {
            let mut other = sealed.clone();
            other[byte] ^= 1;
            assert!(keys.open(&PLACE, &other).is_none(), "byte {byte}");
            assert!(keys.open(&PLACE, &sealed[..byte]).is_none());
        }
        let again = keys.seal(&PLACE, at(1_000), b"a session").unwrap();
        assert_ne!(sealed, again);
    }

    /// RFC 5869 §2: whatever makes the key of a record makes the same.
    #[test]
    fn the_key_of_a_record() {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

        let keys = StoreKeys::new([&[1; 32]]).unwrap();
        let sealed = keys.seal(&PLACE, at(1_000), b"a session").unwrap();
        let (head, body) = sealed.split_at(HEAD_LEN);
        let extracted = sign(&Key::new(HMAC_SHA256, LABEL), &[1; 32]);
        let info = [&head[HEAD_LEN - SALT_LEN..], &[1]].concat();
        let key = sign(&Key::new(HMAC_SHA256, extracted.as_ref()), &info);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let mut body = body.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(PLACE.with(head)), &mut body);
        assert_eq!(opened.unwrap(), b"a session");
    }

    #[test]
    fn keys_change_in_two_steps() {
        let of = |keys: &[&[u8; 32]]| StoreKeys::new(keys.iter().copied()).unwrap();
        let (old, new) = ([1; 32], [2; 32]);
        let sealed = of(&[&old]).seal(&PLACE, at(1), b"x").unwrap();
        assert!(of(&[&new, &old]).open(&PLACE, &sealed).is_some());
        assert!(of(&[&new]).open(&PLACE, &sealed).is_none());
        let sealed = of(&[&new, &old]).seal(&PLACE, at(1), b"x").unwrap();
        assert!(of(&[&old]).open(&PLACE, &sealed).is_none());
        for (keys, says) in [
            (vec![], "there is no key"),
            (vec![[0; 32]], "nothing but zeros"),
            (vec![[1; 32]; 9], "at most 8"),
        ] {
            let error = StoreKeys::new(&keys).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.kind(), StoreErrorKind::Options);
        }
        let shown = format!("{:?}", of(&[&[0xab; 32]]));
        assert_eq!(shown, "StoreKeys { keys: 1, .. }");
    }
}
