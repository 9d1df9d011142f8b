//! The stores in memory, and memory before another, against the simplest thing that could be right.

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use portcullis_core::ProtocolVersion;
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use portcullis_session_cache::{
    LayeredServerSessionStore, LayeredSessionStore, MemoryServerSessionStore, MemorySessionStore,
    ServerSessionStore, SessionStore, StoreFuture,
};
use proptest::prelude::*;
use rustls_pki_types::UnixTime;

use support::{at, client_session, key, number, numbered, server_session, ticket};

const V12: ProtocolVersion = ProtocolVersion::TLS_1_2;
const V13: ProtocolVersion = ProtocolVersion::TLS_1_3;

/// Stores in memory are ready at once.
fn done<T>(future: StoreFuture<'_, T>) -> T {
    future.now_or_never().expect("it is ready at once")
}

/// What one of a few threads does to a store of a server.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Put(u8),
    Get(u8),
    Claim(u8),
    Forget(u8),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let id = 0..6_u8;
    let deed = prop_oneof![
        id.clone().prop_map(Deed::Put),
        id.clone().prop_map(Deed::Get),
        id.clone().prop_map(Deed::Claim),
        id.prop_map(Deed::Forget),
    ];
    proptest::collection::vec(deed, 0..40)
}

/// The even ones are short.
fn numbered_key(id: u8) -> SessionKey {
    let length = if id.is_multiple_of(2) { 1 } else { 100 };
    key(&char::from(b'a' + id).to_string().repeat(length))
}

fn put(store: &dyn ServerSessionStore, id: u8, version: ProtocolVersion) {
    let session = server_session(version, at(1_000), 600);
    done(store.put(&[id; 32], session, at(1_600)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// One after another: there is what was put, and not claimed or forgotten since.
    #[test]
    fn a_servers_store_is_a_map(deeds in deeds()) {
        let stores: [Box<dyn ServerSessionStore>; 3] = [
            Box::new(MemoryServerSessionStore::new(100, usize::MAX)),
            Box::new(MemoryServerSessionStore::default()),
            Box::new(layered(100).0),
        ];
        for store in &stores {
            let mut there = HashMap::new();
            for deed in &deeds {
                match *deed {
                    Deed::Put(id) => {
                        put(&**store, id, V13);
                        there.insert(id, ());
                    }
                    Deed::Get(id) => {
                        let found = done(store.get(&[id; 32], at(1_000))).is_some();
                        prop_assert_eq!(found, there.contains_key(&id));
                    }
                    Deed::Claim(id) => {
                        let found = done(store.claim(&[id; 32], at(1_000))).is_some();
                        prop_assert_eq!(found, there.remove(&id).is_some());
                    }
                    Deed::Forget(id) => {
                        done(store.forget(&[id; 32]));
                        there.remove(&id);
                    }
                }
            }
            prop_assert_eq!(done(store.len()), Some(there.len()));
        }
    }

    /// One after another: six of a key at most, the newest is given first, and when there are too many the oldest goes,
    /// whatever its key. Some keys are longer than those that stand beside their sessions.
    #[test]
    fn a_clients_store_is_a_list(deeds in deeds(), capacity in 1..20_usize) {
        let store = MemorySessionStore::new(capacity);
        let mut list: Vec<(u8, u32)> = Vec::new();
        for (number, deed) in (0..).zip(deeds.iter().cycle().take(4 * deeds.len())) {
            match *deed {
                Deed::Put(id) | Deed::Get(id) => {
                    let session = client_session(V13, number, at(1_000), 600);
                    done(SessionStore::put(&store, &numbered_key(id), session));
                    if list.len() == capacity {
                        list.remove(0);
                    }
                    let of_key = list.iter().filter(|(one, _)| *one == id).count();
                    if let Some(oldest) = list.iter().position(|(one, _)| *one == id)
                        && of_key == 6
                    {
                        list.remove(oldest);
                    }
                    list.push((id, number));
                }
                Deed::Claim(id) => {
                    let taken = done(store.take(&numbered_key(id), at(1_000)));
                    let newest = list.iter().rposition(|(one, _)| *one == id);
                    let expected = newest.map(|newest| list.remove(newest).1);
                    prop_assert_eq!(taken.iter().map(ticket).collect::<Vec<_>>(), Vec::from_iter(expected));
                }
                Deed::Forget(id) => {
                    done(SessionStore::forget(&store, &numbered_key(id)));
                    list.retain(|(one, _)| *one != id);
                }
            }
            prop_assert_eq!(store.len(), list.len());
        }
        let mut shown = Vec::new();
        let mut visit = |key: &SessionKey, session: &ClientSession| {
            shown.push((key.clone(), ticket(session)));
        };
        assert!(done(SessionStore::for_each(&store, &mut visit)));
        shown.sort_by_key(|(_, ticket)| *ticket);
        let expected = list.iter().map(|(id, number)| (numbered_key(*id), *number));
        prop_assert_eq!(shown, expected.collect::<Vec<_>>());
        done(SessionStore::forget(&store, &numbered_key(0)));
        let left = list.iter().filter(|(id, _)| *id != 0).count();
        prop_assert_eq!((store.len(), store.bytes() == 0), (left, left == 0));
    }

    /// All at once: each session has a number, and whatever the threads do, and in whatever order, no number is given
    /// twice, nor is there still what was given.
    #[test]
    fn no_interleaving_gives_a_session_twice(of_threads in proptest::collection::vec(deeds(), 4)) {
        let servers: [Box<dyn ServerSessionStore>; 3] = [
            Box::new(MemoryServerSessionStore::default()),
            // Some have to make room for others.
            Box::new(MemoryServerSessionStore::new(4, usize::MAX)),
            Box::new(layered(100).0),
        ];
        for store in &servers {
            let clients = MemorySessionStore::new(8);
            let next = AtomicUsize::new(0);
            let (store, clients, next) = (&**store, &clients, &next);
            let given: Vec<(Vec<u32>, Vec<u32>)> = std::thread::scope(|scope| {
                let threads: Vec<_> = of_threads
                    .iter()
                    .map(|deeds| scope.spawn(move || act(deeds, store, clients, next)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (mut claimed, mut taken) = (HashSet::new(), HashSet::new());
            for (of_server, of_client) in given {
                for number in of_server {
                    prop_assert!(claimed.insert(number), "claimed twice: {number}");
                }
                for number in of_client {
                    prop_assert!(taken.insert(number), "taken twice: {number}");
                }
            }
            let mut visit = |session: &ServerSession| {
                assert!(claimed.insert(number(session)), "claimed, and still there");
            };
            done(store.for_each(&mut visit));
            let mut visit = |_: &SessionKey, session: &ClientSession| {
                assert!(taken.insert(ticket(session)), "taken, and still there");
            };
            done(SessionStore::for_each(clients, &mut visit));
        }
    }
}

/// What a thread does, and the numbers of the sessions that it was given to use once: those of a server, and a client's.
fn act(
    deeds: &[Deed],
    store: &dyn ServerSessionStore,
    clients: &dyn SessionStore,
    next: &AtomicUsize,
) -> (Vec<u32>, Vec<u32>) {
    let (mut claimed, mut taken) = (Vec::new(), Vec::new());
    for deed in deeds {
        match *deed {
            Deed::Put(id) => {
                let new = u32::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap();
                let session = numbered(V13, new, at(1_000), 600);
                done(store.put(&[id; 32], session, at(1_600)));
                let session = client_session(V13, new, at(1_000), 600);
                done(SessionStore::put(clients, &key(&id.to_string()), session));
            }
            Deed::Get(id) => drop(done(store.get(&[id; 32], at(1_000)))),
            Deed::Claim(id) => {
                claimed.extend(done(store.claim(&[id; 32], at(1_000))).iter().map(number));
                let sessions = done(clients.take(&key(&id.to_string()), at(1_000)));
                taken.extend(sessions.iter().map(ticket));
            }
            Deed::Forget(id) => {
                done(store.forget(&[id; 32]));
                done(SessionStore::forget(clients, &key(&id.to_string())));
            }
        }
    }
    (claimed, taken)
}

/// One session, and many who want it: exactly one gets it.
#[test]
fn exactly_one_gets_a_claimed_session() {
    let store = MemoryServerSessionStore::default();
    let clients = MemorySessionStore::new(100_000);
    for round in 0..200_u8 {
        put(&store, round, V13);
        let session = client_session(V13, round.into(), at(1_000), 600);
        done(SessionStore::put(&clients, &key("x"), session));
        let got = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let claimed = done(store.claim(&[round; 32], at(1_000))).is_some();
                    let taken = done(clients.take(&key("x"), at(1_000))).len();
                    got.fetch_add(usize::from(claimed) + 100 * taken, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(got.into_inner(), 101, "round {round}");
    }
}

/// A store of a million is divided; its bounds are, too.
#[test]
fn many_sessions_in_parts() {
    let store = MemoryServerSessionStore::new(100_000, 1 << 30);
    let id = |number: u32| [number.to_be_bytes(), *b"this"].concat();
    for number in 0..150_000 {
        let session = server_session(V12, at(1_000), 600);
        done(store.put(&id(number), session, at(1_600)));
    }
    let len = store.len();
    assert!((90_000..=100_000).contains(&len), "{len}");
    assert!(store.bytes() <= 1 << 30);
    // The new ones stayed; of the old ones nothing.
    for number in [0, 1, 1_000, 20_000] {
        assert!(
            done(store.get(&id(number), at(1_000))).is_none(),
            "{number}"
        );
    }
    for number in [149_999, 149_000, 120_000] {
        assert!(
            done(store.get(&id(number), at(1_000))).is_some(),
            "{number}"
        );
    }
    // `visit` may use the store.
    let mut shown = 0;
    let mut visit = |_: &ServerSession| {
        shown += 1;
        if shown == 1 {
            store.clear();
        }
    };
    assert!(done(ServerSessionStore::for_each(&store, &mut visit)));
    assert!(shown > 0);
    assert!(store.is_empty());
    assert_eq!(store.bytes(), 0);
}

/// A client's store has a bound for bytes, and gives them back, however a session goes.
#[test]
fn bytes_of_a_clients_store() {
    let one = client_session(V13, 1, at(1_000), 600);
    let each = 256 + key("a").to_bytes().len() + one.size();
    assert!(one.to_bytes().len() <= one.size());
    let store = MemorySessionStore::bounded(100, 3 * each + each / 2);
    let put = |service: &str, number, lifetime| {
        let session = client_session(V13, number, at(1_000), lifetime);
        done(SessionStore::put(&store, &key(service), session));
    };
    for number in 0..10 {
        put("a", number, 600);
        assert!(store.bytes() <= 3 * each + each / 2);
    }
    assert_eq!((store.len(), store.bytes()), (3, 3 * each));
    let taken = done(store.take(&key("a"), at(1_000)));
    assert_eq!(taken.iter().map(ticket).collect::<Vec<_>>(), [9]);
    assert_eq!(store.bytes(), 2 * each);
    // Expired.
    assert!(done(store.take(&key("a"), at(1_700))).is_empty());
    assert_eq!((store.len(), store.bytes()), (0, 0));
    put("a", 1, 600);
    put("b", 2, 600);
    let mut shown = Vec::new();
    let mut visit = |key: &SessionKey, session: &ClientSession| {
        shown.push((key.service().unwrap().to_owned(), ticket(session)));
    };
    assert!(done(SessionStore::for_each(&store, &mut visit)));
    shown.sort();
    assert_eq!(shown, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    done(SessionStore::forget(&store, &key("a")));
    assert_eq!(done(SessionStore::len(&store)), Some(1));
    assert_eq!(store.bytes(), each);
    // A long key counts, too.
    let long = key(&"s".repeat(10_000));
    done(SessionStore::put(&store, &long, one.clone()));
    assert_eq!((store.len(), store.bytes()), (1, each));
    // Six of one key at most.
    let store = MemorySessionStore::new(100);
    for number in 0..10 {
        let session = client_session(V13, number, at(1_000), 600);
        done(SessionStore::put(&store, &key("a"), session));
    }
    assert_eq!((store.len(), store.bytes()), (6, 6 * each));
    // No longer than told, although the server remembers it.
    let store = MemorySessionStore::default().expire_after(std::time::Duration::from_secs(60));
    for (now, there) in [(1_059, 1), (1_060, 0)] {
        let session = client_session(V13, 1, at(1_000), 600);
        done(SessionStore::put(&store, &key("a"), session));
        assert_eq!(done(store.take(&key("a"), at(now))).len(), there, "{now}");
    }
    // One that is longer than all there may be is not kept, and drives nobody out.
    let store = MemorySessionStore::bounded(100, each - 1);
    done(SessionStore::put(&store, &key("a"), one));
    assert!(store.is_empty());
}

fn layered(capacity: usize) -> (LayeredServerSessionStore, Arc<MemoryServerSessionStore>) {
    let authority = Arc::new(MemoryServerSessionStore::default());
    let near = MemoryServerSessionStore::new(capacity, usize::MAX);
    let layered = LayeredServerSessionStore::new(near, authority.clone());
    (layered, authority)
}

/// An authority whose answers are under way for a while.
struct Far(Arc<MemoryServerSessionStore>);

impl Far {
    async fn late<T>(answer: T) -> T {
        let mut is_there = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut is_there, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        answer
    }
}

impl ServerSessionStore for Far {
    fn put<'a>(&'a self, id: &'a [u8], new: ServerSession, until: UnixTime) -> StoreFuture<'a, ()> {
        self.0.put(id, new, until)
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move { Self::late(self.0.get(id, now).await).await })
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        self.0.claim(id, now)
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            ServerSessionStore::forget(&*self.0, id).await;
            Self::late(()).await;
        })
    }
}

/// What is forgotten, or claimed, while somebody fetches it does not come back by him.
#[test]
fn what_is_forgotten_while_it_is_fetched_stays_so() {
    let mut cx = Context::from_waker(Waker::noop());
    for is_claimed in [false, true] {
        for forget_first in [false, true] {
            let authority = Arc::new(MemoryServerSessionStore::default());
            let near = MemoryServerSessionStore::new(10, usize::MAX);
            let store = LayeredServerSessionStore::new(near, Arc::new(Far(authority.clone())));
            for id in [1, 2] {
                put(&*authority, id, V12);
            }
            let mut fetched = store.get(&[1; 32], at(1_000));
            let mut forgotten: StoreFuture<'_, ()> = match is_claimed {
                true => Box::pin(store.claim(&[1; 32], at(1_000)).map(drop)),
                false => store.forget(&[1; 32]),
            };
            // It has the session, and is on its way with it.
            assert!(fetched.as_mut().poll(&mut cx).is_pending());
            if forget_first {
                while forgotten.as_mut().poll(&mut cx).is_pending() {}
                assert!(done(fetched).is_some());
            } else {
                let _ = forgotten.as_mut().poll(&mut cx);
                assert!(done(fetched).is_some());
                while !is_claimed && forgotten.as_mut().poll(&mut cx).is_pending() {}
            }
            assert!(store.near().is_empty(), "{is_claimed} {forget_first}");
            // Who comes afterwards has to ask, and what is there is kept.
            let mut other = store.get(&[2; 32], at(1_000));
            assert!(other.as_mut().poll(&mut cx).is_pending());
            assert!(done(other).is_some());
            assert_eq!(store.near().len(), 1);
        }
    }
}

#[test]
fn memory_before_another() {
    let (store, authority) = layered(10);
    put(&store, 1, V12);
    put(&store, 2, V13);
    assert_eq!((store.near().len(), authority.len()), (1, 2));
    // Near, the authority is not asked.
    done(ServerSessionStore::forget(&*authority, &[1; 32][..]));
    assert!(done(store.get(&[1; 32], at(1_000))).is_some());
    // A claim goes to the authority, whoever has what: it is gone there.
    assert!(done(store.claim(&[1; 32], at(1_000))).is_none());
    assert!(done(store.get(&[1; 32], at(1_000))).is_none());
    assert!(done(authority.claim(&[2; 32], at(1_000))).is_some());
    assert!(done(store.claim(&[2; 32], at(1_000))).is_none());
    // What another process has put is fetched once.
    put(&*authority, 3, V12);
    put(&*authority, 4, V13);
    assert!(done(store.get(&[3; 32], at(1_000))).is_some());
    assert!(done(store.get(&[4; 32], at(1_000))).is_some());
    assert_eq!(store.near().len(), 1);
    // What is good for one connection is so over datagrams, too.
    put(&store, 6, ProtocolVersion::DTLS_1_3);
    assert!(done(store.get(&[6; 32], at(1_000))).is_some());
    assert_eq!(store.near().len(), 1);
    assert!(done(store.claim(&[6; 32], at(1_000))).is_some());
    put(&store, 7, ProtocolVersion::DTLS_1_2);
    assert_eq!(store.near().len(), 2);
    assert!(done(store.claim(&[7; 32], at(1_000))).is_some());
    done(store.forget(&[3; 32]));
    assert!(done(authority.get(&[3; 32], at(1_000))).is_none());
    assert!(done(store.get(&[3; 32], at(1_000))).is_none());
    assert_eq!(done(store.len()), Some(1));
    let mut shown = 0;
    let mut visit = |_: &ServerSession| shown += 1;
    assert!(done(store.for_each(&mut visit)));
    assert_eq!(shown, 1);
    // Closed, it keeps nothing near either.
    done(store.close());
    put(&store, 5, V12);
    assert!(store.near().is_empty());
}

/// A client's memory before a store that others share, and one for many tickets of a key.
fn client_layered(far: &Arc<MemorySessionStore>, near: usize) -> LayeredSessionStore {
    LayeredSessionStore::new(MemorySessionStore::new(near), far.clone())
}

fn put_ticket(store: &dyn SessionStore, service: &str, number: u32) {
    let session = client_session(V13, number, at(1_000), 600);
    done(store.put(&key(service), session));
}

fn tickets(store: &dyn SessionStore, service: &str) -> Vec<u32> {
    let taken = done(store.take(&key(service), at(1_000)));
    taken.iter().map(ticket).collect()
}

#[test]
fn a_clients_memory_before_another() {
    let far = Arc::new(MemorySessionStore::default());
    let (one, other) = (client_layered(&far, 2), client_layered(&far, 2));
    // A ticket is here or there: the first one near, until it is taken.
    for number in 1..=3 {
        put_ticket(&one, "a", number);
    }
    assert_eq!((one.near().len(), far.len()), (1, 2));
    assert_eq!(done(SessionStore::len(&one)), Some(3));
    assert_eq!(tickets(&one, "a"), [1]);
    assert_eq!(tickets(&other, "a"), [3]);
    assert_eq!(tickets(&one, "a"), [2]);
    assert!(tickets(&one, "a").is_empty() && tickets(&other, "a").is_empty());
    put_ticket(&one, "a", 4);
    assert_eq!((one.near().len(), far.len()), (1, 0));
    // What memory has no room for goes behind.
    put_ticket(&one, "b", 5);
    put_ticket(&one, "c", 6);
    assert_eq!((one.near().len(), far.len()), (2, 1));
    assert_eq!(tickets(&other, "a"), [4]);
    let mut shown = Vec::new();
    let mut visit = |_: &SessionKey, session: &ClientSession| shown.push(ticket(session));
    assert!(done(SessionStore::for_each(&one, &mut visit)));
    shown.sort_unstable();
    assert_eq!(shown, [5, 6]);
    // One that is good for many connections is in both, and what another has put is fetched once.
    let many = |number| client_session(V12, number, at(1_000), 600);
    done(SessionStore::put(&one, &key("d"), many(7)));
    assert_eq!(tickets(&other, "d"), [7]);
    far.clear();
    for _ in 0..2 {
        assert_eq!(
            (tickets(&one, "d"), tickets(&other, "d")),
            (vec![7], vec![7])
        );
    }
    // Forgotten here and behind.
    done(SessionStore::put(&one, &key("d"), many(8)));
    done(SessionStore::forget(&one, &key("d")));
    assert!(tickets(&one, "d").is_empty() && tickets(&*far, "d").is_empty());
    far.clear();
    // More of a key, if that was said.
    let three = client_layered(&far, 10).in_memory_per_key(3);
    for number in 10..15 {
        put_ticket(&three, "e", number);
    }
    assert_eq!((three.near().len(), far.len()), (3, 2));
    // Closed, what was here alone is behind, in its order; then nothing is kept or given.
    done(SessionStore::close(&three));
    put_ticket(&three, "e", 15);
    assert!(three.near().is_empty() && tickets(&three, "e").is_empty());
    let behind: Vec<_> = (0..6).flat_map(|_| tickets(&*far, "e")).collect();
    assert_eq!(behind, [12, 11, 10, 14, 13]);
    // Memory that keeps none, and what has expired.
    let none = client_layered(&far, 0);
    put_ticket(&none, "f", 20);
    assert_eq!((none.near().len(), tickets(&*far, "f")), (0, vec![20]));
    let small = client_layered(&far, 1);
    put_ticket(&small, "g", 21);
    let session = client_session(V13, 22, at(2_000), 600);
    done(SessionStore::put(&small, &key("h"), session));
    assert_eq!((small.near().len(), far.len()), (1, 0));
}

/// A store that keeps nothing, and never says so.
struct Gone;

impl SessionStore for Gone {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(std::future::pending())
    }

    fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

/// Whatever becomes of the store behind, memory gives what it has.
#[test]
fn memory_before_one_that_is_gone() {
    let store = LayeredSessionStore::new(MemorySessionStore::default(), Arc::new(Gone));
    put_ticket(&store, "a", 1);
    let session = client_session(V12, 2, at(1_000), 600);
    // It is in memory before anybody waits.
    drop(SessionStore::put(&store, &key("b"), session));
    assert_eq!(tickets(&store, "a"), [1]);
    assert_eq!(tickets(&store, "b"), [2]);
    let (a, b) = (key("a"), key("b"));
    assert!(store.take(&a, at(1_000)).now_or_never().is_none());
    drop(SessionStore::forget(&store, &b));
    assert!(store.near().is_empty());
}

/// An authority of clients whose answers are under way for a while.
struct FarAway(Arc<MemorySessionStore>);

impl SessionStore for FarAway {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move { Far::late(self.0.take(key, now).await).await })
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        SessionStore::put(&*self.0, key, session)
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        SessionStore::forget(&*self.0, key)
    }
}

/// What is forgotten while somebody fetches it does not come back by him.
#[test]
fn what_a_client_forgets_while_it_is_fetched_stays_so() {
    let mut cx = Context::from_waker(Waker::noop());
    for is_forgotten in [false, true] {
        let far = Arc::new(MemorySessionStore::default());
        let near = MemorySessionStore::default();
        let store = LayeredSessionStore::new(near, Arc::new(FarAway(far.clone())));
        let a = key("a");
        done(SessionStore::put(
            &*far,
            &a,
            client_session(V12, 1, at(1_000), 600),
        ));
        let mut fetched = store.take(&a, at(1_000));
        assert!(fetched.as_mut().poll(&mut cx).is_pending());
        if is_forgotten {
            done(SessionStore::forget(&store, &a));
        }
        assert_eq!(done(fetched).len(), 1);
        assert_eq!(store.near().is_empty(), is_forgotten);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two processes, with threads each, that share a store behind their memories: no ticket is given twice, nor is there
    /// still what was given.
    #[test]
    fn no_interleaving_of_two_memories_gives_a_ticket_twice(
        of_threads in proptest::collection::vec(deeds(), 4),
        near in 1..4_usize,
    ) {
        let far = Arc::new(MemorySessionStore::default());
        let stores = [client_layered(&far, near), client_layered(&far, near)];
        let next = AtomicUsize::new(0);
        let (servers, next) = (&MemoryServerSessionStore::default(), &next);
        let given: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = of_threads
                .iter()
                .zip(stores.iter().cycle())
                .map(|(deeds, store)| scope.spawn(move || act(deeds, servers, store, next).1))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut taken = HashSet::new();
        for number in given {
            prop_assert!(taken.insert(number), "taken twice: {number}");
        }
        for store in &stores {
            done(SessionStore::close(store));
            prop_assert!(store.near().is_empty());
        }
        let mut visit = |_: &SessionKey, session: &ClientSession| {
            assert!(taken.insert(ticket(session)), "taken, and still there");
        };
        done(SessionStore::for_each(&*far, &mut visit));
    }
}
