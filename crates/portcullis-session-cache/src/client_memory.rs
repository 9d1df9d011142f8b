//! A store in memory, with bounds for all sessions and for those of one key.

use std::fmt;
use std::future::ready;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::shards::{ByHash, Shards};
use crate::slots::{MOST, NONE, Slot, Slots};
use crate::{SessionStore, StoreFuture};

/// How many sessions of one key are kept: twice what a server of this library sends.
pub(crate) const PER_KEY: usize = 6;

/// What a session takes beside its own bytes: its place and its number.
const ENTRY: usize = 256;

/// Sessions in memory. Its futures are ready at once.
///
/// It gives the newest session of a key first, and one for each connection. When it is full the
/// oldest makes room, whatever its key; one key has at most 6. One for many sessions is divided into parts,
/// at most 64, so that threads seldom wait for each other: each part has an equal share of the bounds, and a
/// session is in the part of its key, so a part can be full while the store is not.
pub struct MemorySessionStore {
    sessions: Shards<Sessions>,
    expire_after: Duration,
}

#[derive(Default)]
struct Sessions {
    /// The newest of each key, by its hash. Where two keys have one hash, which hardly ever is, the one that came
    /// last has the place.
    by_key: ByHash<Slot>,
    kept: Slots<Kept>,
    bytes: usize,
}

struct Kept {
    hash: u64,
    key: Key,
    /// The one of the same key that came before, or [`NONE`].
    older: Slot,
    session: ClientSession,
    size: usize,
}

impl Kept {
    fn named(self) -> Option<(SessionKey, ClientSession)> {
        let key = SessionKey::from_bytes(self.key.as_slice()).ok()?;
        Some((key, self.session))
    }
}

/// A key in bytes. Those of most stand beside the session, as whoever looks at it looks at them first: with a million
/// sessions each piece of memory that is looked at has to be waited for.
#[derive(Clone)]
enum Key {
    Here([u8; HERE], u8),
    Apart(Arc<[u8]>),
}

/// What makes a [`Key`] as long as a line of the cache.
const HERE: usize = 62;

impl Key {
    fn new(key: &[u8]) -> Self {
        let mut bytes = [0; HERE];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(key);
                Self::Here(bytes, len)
            }
            _ => Self::Apart(key.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Here(bytes, len) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Apart(bytes) => bytes,
        }
    }
}

impl MemorySessionStore {
    /// A store for at most `capacity` sessions; one of 0 keeps none. A session is some hundred
    /// bytes, its ticket, which has a few thousand with a client's certificate in it, and the
    /// server's certificates, mostly some thousand and at most as long as a handshake message may
    /// be ([`max_handshake_size`](portcullis_core::config::ClientConfigBuilder::max_handshake_size));
    /// sessions with servers that show the same chain share it while the process lives.
    pub fn new(capacity: usize) -> Self {
        Self::bounded(capacity, usize::MAX)
    }

    /// The same, of which all sessions together take at most `bytes`. Counted is what a session takes if it
    /// shares nothing; one that is longer than `bytes`, or than its part's share of them, is not kept.
    pub fn bounded(capacity: usize, bytes: usize) -> Self {
        Self {
            sessions: Shards::new(capacity, bytes),
            expire_after: Duration::MAX,
        }
    }

    /// How long a session is given at most, from when it was received, however long its server remembers it.
    /// Default: as long as that, which is 7 days at most.
    #[must_use]
    pub fn expire_after(mut self, time: Duration) -> Self {
        self.expire_after = time;
        self
    }

    /// How many sessions there are, also those that have expired and were not met since.
    pub fn len(&self) -> usize {
        self.sessions.each().map(|part| part.kept.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes they take, if they share nothing.
    pub fn bytes(&self) -> usize {
        self.sessions.each().map(|part| part.bytes).sum()
    }

    /// Puts a session in, unless it is to be used once and there are `most` such of this key. Gives what is not kept, be it
    /// this one or those that have made room for it.
    pub(crate) fn put_or_pass(
        &self,
        key: &SessionKey,
        session: ClientSession,
        most: usize,
    ) -> Vec<(SessionKey, ClientSession)> {
        let bytes = key.to_bytes();
        let size = ENTRY + bytes.len() + session.size();
        if self.sessions.capacity == 0 || size > self.sessions.bytes {
            return vec![(key.clone(), session)];
        }
        let of = Of::key(&bytes, &self.sessions);
        let mut part = self.sessions.of(of.hash);
        if session.is_single_use() && part.count_single(of) >= most {
            return vec![(key.clone(), session)];
        }
        let mut passed = Vec::new();
        let mut pass = |kept: Kept| passed.extend(kept.named());
        part.make_room(session.received_at(), size, &self.sessions, &mut pass);
        part.put(of, session, size, &mut pass);
        passed
    }

    /// Takes the oldest one of a part, whatever its key.
    pub(crate) fn take_oldest(&self) -> Option<(SessionKey, ClientSession)> {
        self.sessions.each().find_map(|mut part| {
            let (oldest, _) = part.kept.oldest()?;
            part.remove(oldest)?.named()
        })
    }

    /// Nobody gets in as long as one has this.
    #[cfg(all(test, not(portcullis_loom)))]
    pub(crate) fn lock(&self) -> impl Sized {
        self.sessions.each().collect::<Vec<_>>()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        for mut part in self.sessions.each() {
            part.by_key.clear();
            part.kept.clear();
            part.bytes = 0;
        }
    }
}

/// A store for 1,000 sessions, as long as their servers remember them.
impl Default for MemorySessionStore {
    fn default() -> Self {
        Self::new(1_000)
    }
}

impl SessionStore for MemorySessionStore {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        let bytes = key.to_bytes();
        let of = Of::key(&bytes, &self.sessions);
        let taken = self.sessions.of(of.hash).take(of, now, self.expire_after);
        Box::pin(ready(taken.into_iter().collect()))
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        let bytes = key.to_bytes();
        let size = ENTRY + bytes.len() + session.size();
        if self.sessions.capacity > 0 && size <= self.sessions.bytes {
            let of = Of::key(&bytes, &self.sessions);
            let mut part = self.sessions.of(of.hash);
            part.make_room(session.received_at(), size, &self.sessions, drop);
            part.put(of, session, size, drop);
        }
        Box::pin(ready(()))
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        let bytes = key.to_bytes();
        let of = Of::key(&bytes, &self.sessions);
        self.sessions.of(of.hash).forget(of);
        Box::pin(ready(()))
    }

    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(ready(Some(self.len())))
    }

    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        for part in self.sessions.each() {
            // Not shown under the lock: `visit` may use the store.
            let one = |kept: &Kept| (kept.key.clone(), kept.session.clone());
            let shown: Vec<_> = part.kept.all().map(one).collect();
            drop(part);
            for (key, session) in &shown {
                if let Ok(key) = SessionKey::from_bytes(key.as_slice()) {
                    visit(&key, session);
                }
            }
        }
        Box::pin(ready(true))
    }
}

/// A key, and what finds it. Of its bytes: a name by itself is hashed letter by letter.
#[derive(Clone, Copy)]
struct Of<'a> {
    hash: u64,
    key: &'a [u8],
}

impl<'a> Of<'a> {
    fn key(key: &'a [u8], by: &Shards<Sessions>) -> Self {
        let hash = by.hash(key);
        Self { hash, key }
    }
}

impl Sessions {
    /// The place of the newest session of this key.
    fn newest(&self, of: Of<'_>) -> Option<Slot> {
        let newest = *self.by_key.get(&of.hash)?;
        (self.kept.get(newest)?.key.as_slice() == of.key).then_some(newest)
    }

    /// This place, and those of the older sessions of the same key.
    fn from(&self, newest: Slot) -> impl Iterator<Item = Slot> {
        let older = |slot: &Slot| self.kept.get(*slot).map(|kept| kept.older);
        iter::successors(Some(newest), older).take_while(|slot| *slot != NONE)
    }

    fn take(&mut self, of: Of<'_>, now: UnixTime, expire_after: Duration) -> Option<ClientSession> {
        loop {
            let newest = self.newest(of)?;
            let session = &self.kept.get(newest)?.session;
            let age = now
                .as_secs()
                .saturating_sub(session.received_at().as_secs());
            let is_expired = session.is_expired(now) || age >= expire_after.as_secs();
            // One of before TLS 1.3 is given as long as it lives.
            if !is_expired && !session.is_single_use() {
                return Some(session.clone());
            }
            let kept = self.remove(newest)?;
            if !is_expired {
                return Some(kept.session);
            }
        }
    }

    /// How many of this key are to be used once.
    fn count_single(&self, of: Of<'_>) -> usize {
        let all = self.newest(of).into_iter().flat_map(|one| self.from(one));
        let kept = all.filter_map(|slot| self.kept.get(slot));
        kept.filter(|kept| kept.session.is_single_use()).count()
    }

    /// Room for one of so many bytes, of which the bounds have enough. Gives away those that have to go.
    fn make_room(
        &mut self,
        received_at: UnixTime,
        size: usize,
        bounds: &Shards<Self>,
        pass: impl FnMut(Kept),
    ) {
        // There is no clock here: it is at least as late as this session came.
        let now = received_at;
        let is_old = |oldest: &ClientSession| oldest.received_at() <= now && oldest.is_expired(now);
        let (most, room) = (bounds.capacity.min(MOST), bounds.bytes - size);
        let gone = iter::from_fn(|| {
            let (slot, oldest) = self.kept.oldest()?;
            let has_to_go = self.kept.len() >= most || self.bytes > room || is_old(&oldest.session);
            has_to_go.then(|| self.remove(slot))?
        });
        gone.for_each(pass);
    }

    fn put(&mut self, of: Of<'_>, session: ClientSession, size: usize, pass: impl FnMut(Kept)) {
        let known = self.newest(of);
        let key = match known.and_then(|newest| self.kept.get(newest)) {
            Some(kept) => kept.key.clone(),
            None => {
                self.forget_all(of.hash);
                Key::new(of.key)
            }
        };
        let oldest = known.and_then(|newest| self.from(newest).nth(PER_KEY - 1));
        let gone = oldest.and_then(|oldest| self.remove(oldest));
        gone.into_iter().for_each(pass);
        self.bytes += size;
        let slot = self.kept.insert(Kept {
            hash: of.hash,
            key,
            older: known.unwrap_or(NONE),
            session,
            size,
        });
        self.by_key.insert(of.hash, slot);
    }

    fn remove(&mut self, slot: Slot) -> Option<Kept> {
        let kept = self.kept.remove(slot)?;
        self.bytes -= kept.size;
        let newest = self.by_key.get(&kept.hash).copied().unwrap_or(NONE);
        if newest != slot {
            let newer = self.from(newest).find(|newer| {
                let newer = self.kept.get(*newer);
                newer.is_some_and(|newer| newer.older == slot)
            });
            if let Some(newer) = newer.and_then(|newer| self.kept.get_mut(newer)) {
                newer.older = kept.older;
            }
        } else if kept.older != NONE {
            self.by_key.insert(kept.hash, kept.older);
        } else {
            self.by_key.remove(&kept.hash);
        }
        Some(kept)
    }

    fn forget(&mut self, of: Of<'_>) {
        if self.newest(of).is_some() {
            self.forget_all(of.hash);
        }
    }

    fn forget_all(&mut self, hash: u64) {
        while let Some(newest) = self.by_key.get(&hash).copied()
            && self.remove(newest).is_some()
        {}
    }
}

impl fmt::Debug for MemorySessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionStore")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of TLS 1.3 with `a.example`, by the table in portcullis-core.
    pub(super) fn session() -> ClientSession {
        let mut out = vec![2, 1, 3, 4, 0x13, 1, 1, 32];
        out.extend([0x51; 32]);
        out.extend(1_000_u64.to_be_bytes());
        // No peer, and this side is nobody.
        out.extend([0; 5]);
        out.extend(*b"\0\x09a.example");
        // Names, ALPN, early data; of a client; a ticket and not an id.
        out.extend([0, 0, 0, 0, 0, 0, 1, 0]);
        out.extend([0, 4, 7, 7, 7, 7, 0, 0, 0, 7]);
        out.extend(600_u32.to_be_bytes());
        out.extend(1_000_u64.to_be_bytes());
        ClientSession::from_bytes(&out).expect("this is the form of a session")
    }

    #[cfg(portcullis_loom)]
    pub(super) fn key(service: u8) -> SessionKey {
        let mut out = vec![2, 1, 0, 1, 0, 0, 9];
        out.extend(b"a.example");
        out.push(service);
        SessionKey::from_bytes(&out).expect("this is the form of a key")
    }

    pub(super) fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    /// Which no key has: two have it only by chance, or by a fault of the hash.
    #[test]
    fn two_keys_of_one_hash_are_not_mixed_up() {
        let mut sessions = Sessions::default();
        let of = |key| Of { hash: 7, key };
        let take = |sessions: &mut Sessions, key| {
            let taken = sessions.take(of(key), at(1_000), Duration::MAX);
            taken.is_some()
        };
        sessions.put(of(b"one"), session(), 100, drop);
        assert!(!take(&mut sessions, b"another"));
        sessions.forget(of(b"another"));
        assert_eq!(sessions.kept.len(), 1);
        // The one that comes last has the list.
        sessions.put(of(b"another"), session(), 100, drop);
        assert_eq!((sessions.kept.len(), sessions.bytes), (1, 100));
        assert!(!take(&mut sessions, b"one"));
        assert!(take(&mut sessions, b"another"));
        assert_eq!((sessions.by_key.len(), sessions.bytes), (0, 0));
    }
}

#[cfg(all(test, portcullis_loom))]
mod model {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::tests::{at, key, session};
    use super::*;

    /// Two want the one ticket of a server while another server's comes and makes room for itself, for which the first
    /// may have to go: in every interleaving one has it at most, and nobody else's comes in its place.
    #[test]
    fn a_ticket_is_given_once() {
        loom::model(|| {
            let store = Arc::new(MemorySessionStore::new(1));
            let taken = Arc::new(AtomicUsize::new(0));
            let put = |store: &MemorySessionStore, service| {
                let key = key(service);
                let put = SessionStore::put(store, &key, session());
                put.now_or_never().expect("it is ready at once");
            };
            let take = |store: &MemorySessionStore, service| {
                let key = key(service);
                let taken = store.take(&key, at(1_000)).now_or_never();
                taken.expect("it is ready at once").len()
            };
            put(&store, b'1');
            let other = {
                let (store, taken) = (Arc::clone(&store), Arc::clone(&taken));
                loom::thread::spawn(move || taken.fetch_add(take(&store, b'1'), Ordering::SeqCst))
            };
            let third = {
                let store = Arc::clone(&store);
                loom::thread::spawn(move || put(&store, b'2'))
            };
            taken.fetch_add(take(&store, b'1'), Ordering::SeqCst);
            other.join().expect("it ends");
            third.join().expect("it ends");
            assert!(taken.load(Ordering::SeqCst) <= 1);
            assert_eq!(take(&store, b'1'), 0);
            assert_eq!(take(&store, b'2'), 1);
            assert!(store.is_empty());
        });
    }
}
