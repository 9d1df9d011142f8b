//! The store in Redis, with a real redis-server, and what is done to it.

#![cfg(unix)]

mod redis_server;
#[path = "../../crates/portcullis-session-cache/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use portcullis_core::ProtocolVersion;
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use portcullis_session_cache::{
    LayeredSessionStore, MemorySessionStore, RedisStore, ServerSessionStore, SessionStore,
    StoreErrorKind, StoreKeys,
};
use rustls_pki_types::UnixTime;

use redis_server::RedisServer;
use support::{client_session, key, server_session, ticket};

const V12: ProtocolVersion = ProtocolVersion::TLS_1_2;
const V13: ProtocolVersion = ProtocolVersion::TLS_1_3;
const LIMIT: Duration = Duration::from_millis(100);
/// What a busy machine may add to any wait.
const SLACK: Duration = Duration::from_millis(400);

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap())
}

fn later(seconds: u64) -> UnixTime {
    support::at(now().as_secs() + seconds)
}

fn keys() -> StoreKeys {
    StoreKeys::new([&[9; 32]]).unwrap()
}

fn store(server: &RedisServer) -> RedisStore {
    RedisStore::open(&server.url(), keys())
        .unwrap()
        .time_limit(LIMIT)
}

async fn put(store: &RedisStore, id: &[u8], version: ProtocolVersion) {
    let session = server_session(version, now(), 600);
    ServerSessionStore::put(store, id, session, later(600)).await;
}

async fn is_there(store: &RedisStore, id: &[u8]) -> bool {
    store.get(id, now()).await.is_some()
}

/// A server whose keys are not those of the others says so, and the others do not.
#[tokio::test]
async fn sessions_of_other_keys_are_told() {
    let server = RedisServer::start("keys");
    let one = store(&server);
    let other = StoreKeys::new([&[8; 32]]).unwrap();
    let other = RedisStore::open(&server.url(), other).unwrap();
    let other = other.time_limit(LIMIT);
    put(&one, &[1; 32], V12).await;
    assert!(!is_there(&other, &[2; 32]).await);
    assert_eq!((other.last_error(), other.unopened()), (None, 0));
    for _ in 0..2 {
        assert!(!is_there(&other, &[1; 32]).await);
    }
    assert_eq!(other.last_error().unwrap().kind(), StoreErrorKind::Keys);
    assert_eq!(other.clone().unopened(), 2);
    assert!(is_there(&one, &[1; 32]).await);
    assert_eq!((one.last_error(), one.unopened()), (None, 0));
}

#[tokio::test]
async fn sessions_of_servers() {
    let server = RedisServer::start("servers");
    let (one, other) = (store(&server), store(&server));
    one.ping().await.unwrap();
    put(&one, &[1; 32], V12).await;
    put(&one, &[2; 32], V13).await;
    for _ in 0..3 {
        let session = other.get(&[1; 32], now()).await.unwrap();
        assert_eq!(session.version(), V12);
    }
    assert_eq!(ServerSessionStore::len(&other).await, Some(2));
    let mut versions = Vec::new();
    let mut visit = |session: &ServerSession| versions.push(session.version());
    assert!(ServerSessionStore::for_each(&other, &mut visit).await);
    versions.sort_by_key(|version| version.0);
    assert_eq!(versions, [V12, V13]);
    // Redis forgets them by itself.
    for key in server.command::<Vec<String>>(&["KEYS", "*"]).await {
        let left: i64 = server.command(&["PTTL", &key]).await;
        assert!((500_000..=600_000).contains(&left), "{left}");
        assert!(key.starts_with("portcullis:s:"), "{key}");
    }
    assert!(other.claim(&[2; 32], now()).await.is_some());
    assert!(one.claim(&[2; 32], now()).await.is_none());
    ServerSessionStore::forget(&other, &[1; 32][..]).await;
    assert!(!is_there(&one, &[1; 32]).await);
    // What ends before it begins is not kept.
    let session = server_session(V13, now(), 600);
    ServerSessionStore::put(&one, &[3; 32], session, now()).await;
    assert_eq!(ServerSessionStore::len(&one).await, Some(0));
    assert_eq!(one.last_error(), None);
}

#[tokio::test]
async fn sessions_of_clients() {
    let server = RedisServer::start("clients");
    let store = store(&server);
    let tickets = async |service: &str| {
        let taken = store.take(&key(service), now()).await;
        taken.iter().map(ticket).collect::<Vec<_>>()
    };
    for number in 1..=8 {
        let session = client_session(V13, number, now(), 600);
        SessionStore::put(&store, &key("13"), session).await;
    }
    let session = client_session(V12, 20, now(), 600);
    SessionStore::put(&store, &key("12"), session).await;
    assert_eq!(SessionStore::len(&store).await, Some(7));
    let mut shown = Vec::new();
    let mut visit = |key: &SessionKey, session: &ClientSession| {
        shown.push((key.service().unwrap().to_owned(), ticket(session)));
    };
    assert!(SessionStore::for_each(&store, &mut visit).await);
    shown.sort();
    let of_13 = (3..=8).map(|number| ("13".to_owned(), number));
    let all = [("12".to_owned(), 20)].into_iter().chain(of_13);
    assert_eq!(shown, all.collect::<Vec<_>>());
    // Each once, the newest first; the oldest two had to make room.
    for number in (3..=8).rev() {
        assert_eq!(tickets("13").await, [number]);
    }
    assert!(tickets("13").await.is_empty());
    assert_eq!(tickets("12").await, [20]);
    assert_eq!(tickets("12").await, [20]);
    SessionStore::forget(&store, &key("12")).await;
    assert!(tickets("12").await.is_empty());
    // One that has expired by the caller's clock is passed over.
    for (number, lifetime) in [(1, 600), (2, 30)] {
        let session = client_session(V13, number, now(), lifetime);
        SessionStore::put(&store, &key("old"), session).await;
    }
    let taken = store.take(&key("old"), later(60)).await;
    assert_eq!(taken.iter().map(ticket).collect::<Vec<_>>(), [1]);
    assert_eq!(store.last_error(), None);
}

/// Whoever reads the database learns nothing that is good for anything, and whoever writes to it
/// moves nothing to another place.
#[tokio::test]
async fn the_database_has_no_secrets() {
    let server = RedisServer::start("secrets");
    let store = store(&server);
    put(&store, &[0x77; 32], V13).await;
    let session = client_session(V13, 0x7171_7171, now(), 600);
    SessionStore::put(&store, &key("a service"), session).await;
    let mut all = Vec::new();
    let names: Vec<String> = server.command(&["KEYS", "*"]).await;
    assert_eq!(names.len(), 2);
    for name in &names {
        all.extend(name.as_bytes());
        let dump: Vec<u8> = server.command(&["DUMP", name]).await;
        all.extend(dump);
    }
    let secrets: [&[u8]; 6] = [
        &[0x77; 4],
        &[0x71; 4],
        &[0x51; 4],
        &[0x52; 4],
        b"a service",
        b"example",
    ];
    for secret in secrets {
        let shown = all.windows(secret.len()).any(|window| window == secret);
        assert!(!shown, "{secret:02x?}");
    }
    assert!(!String::from_utf8_lossy(&all).contains("77777777"));

    // The same session under the name of another is not one.
    put(&store, &[0x78; 32], V12).await;
    let is_new = |name: &&String| name.contains(":s:") && !names.contains(name);
    let new: Vec<String> = server.command(&["KEYS", "*"]).await;
    let new = new.iter().find(is_new).unwrap();
    let old = names.iter().find(|name| name.contains(":s:")).unwrap();
    let _: () = server.command(&["COPY", new, old, "REPLACE"]).await;
    assert!(is_there(&store, &[0x78; 32]).await);
    assert!(!is_there(&store, &[0x77; 32]).await);
    // Nor what is of another type, or of nobody.
    let _: () = server.command(&["SET", new, "something"]).await;
    assert!(!is_there(&store, &[0x78; 32]).await);
    let _: () = server.command(&["DEL", new]).await;
    let _: () = server.command(&["LPUSH", new, "something"]).await;
    assert!(!is_there(&store, &[0x78; 32]).await);
    assert_eq!(store.last_error().unwrap().kind(), StoreErrorKind::Refused);
    // Other keys open nothing; another prefix is another place.
    put(&store, &[0x79; 32], V12).await;
    let strange = StoreKeys::new([&[8; 32]]).unwrap();
    let stranger = RedisStore::open(&server.url(), strange).unwrap();
    assert!(!is_there(&stranger.time_limit(LIMIT), &[0x79; 32]).await);
    let elsewhere = store.clone().prefix("else[where]*:");
    assert!(!is_there(&elsewhere, &[0x79; 32]).await);
    put(&elsewhere, &[0x79; 32], V12).await;
    assert_eq!(ServerSessionStore::len(&elsewhere).await, Some(1));
    assert!(is_there(&store, &[0x79; 32]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_gets_a_claimed_session() {
    let server = RedisServer::start("claims");
    let stores = [store(&server), store(&server)];
    for round in 0..20_u8 {
        put(&stores[0], &[round; 32], V13).await;
        let session = client_session(V13, round.into(), now(), 600);
        SessionStore::put(&stores[0], &key("claims"), session).await;
        let claims = (0..16).map(|at| {
            let store = stores[at % 2].clone();
            tokio::spawn(async move {
                let claimed = store.claim(&[round; 32], now()).await.is_some();
                let taken = !store.take(&key("claims"), now()).await.is_empty();
                (u32::from(claimed), u32::from(taken))
            })
        });
        let claims: Vec<_> = claims.collect();
        let (mut claimed, mut taken) = (0, 0);
        for claim in claims {
            let (one, other) = claim.await.unwrap();
            claimed += one;
            taken += other;
        }
        assert_eq!((claimed, taken), (1, 1), "round {round}");
    }
}

/// How long it takes in all for `count` to ask at the same time.
async fn ask_together(store: &RedisStore, count: usize) -> Duration {
    let start = Instant::now();
    let asking = (0..count).map(|_| is_there(store, &[1; 32]));
    let found = futures_util::future::join_all(asking).await;
    assert!(!found.contains(&true));
    start.elapsed()
}

/// It works again within two seconds, by itself: one until somebody looks, and one to spare.
async fn comes_back(store: &RedisStore) {
    let end = Instant::now() + Duration::from_secs(2) + SLACK;
    loop {
        put(store, &[5; 32], V12).await;
        if is_there(store, &[5; 32]).await {
            return;
        }
        assert!(Instant::now() < end, "{:?}", store.last_error());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One that hangs costs one time limit in a second, for all together.
async fn costs_one_limit_in_a_second(store: &RedisStore) {
    let first = ask_together(store, 200).await;
    assert!(first < LIMIT + SLACK, "{first:?}");
    // Then nobody waits. The longest of them may be what the machine does.
    let (start, mut waited, mut asked) = (Instant::now(), Duration::ZERO, 0_u32);
    while start.elapsed() < Duration::from_millis(2_500) {
        waited += ask_together(store, 10).await;
        asked += 10;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asked > 500, "{asked}");
    assert!(waited < 3 * LIMIT + SLACK, "{waited:?} for {asked}");
    let error = store.last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Late, "{error}");
}

#[tokio::test]
async fn one_that_is_stopped_costs_little() {
    let server = RedisServer::start("stopped");
    let store = store(&server);
    comes_back(&store).await;
    server.stop();
    costs_one_limit_in_a_second(&store).await;
    server.go_on();
    comes_back(&store).await;
    // Also one that was never there before: stopped, it accepts connections.
    server.stop();
    costs_one_limit_in_a_second(&self::store(&server)).await;
    server.go_on();
}

#[tokio::test]
async fn one_that_pauses_costs_little() {
    let server = RedisServer::start("pauses");
    let store = store(&server);
    comes_back(&store).await;
    let _: () = server.command(&["CLIENT", "PAUSE", "3000", "ALL"]).await;
    costs_one_limit_in_a_second(&store).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    comes_back(&store).await;
}

#[tokio::test]
async fn one_that_is_killed_and_comes_back() {
    let mut server = RedisServer::start("killed");
    let store = store(&server);
    comes_back(&store).await;
    server.kill();
    let gone = ask_together(&store, 200).await;
    assert!(gone < LIMIT + SLACK, "{gone:?}");
    for _ in 0..100 {
        assert!(!is_there(&store, &[5; 32]).await);
    }
    let error = store.last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(store.ping().await.is_err());
    server.restart();
    comes_back(&store).await;
    store.ping().await.unwrap();
    // One that is made while there is none, too.
    server.kill();
    let early = self::store(&server);
    assert!(!is_there(&early, &[5; 32]).await);
    server.restart();
    comes_back(&early).await;
}

/// An answer that says no takes no time, and asks for no other connection.
#[tokio::test]
async fn one_that_is_out_of_memory() {
    let server = RedisServer::start("memory");
    let store = store(&server);
    put(&store, &[1; 32], V12).await;
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for _ in 0..50 {
        put(&store, &[2; 32], V12).await;
        let session = client_session(V13, 1, now(), 600);
        SessionStore::put(&store, &key("full"), session).await;
        assert!(is_there(&store, &[1; 32]).await);
        assert!(!is_there(&store, &[2; 32]).await);
    }
    let error = store.last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    put(&store, &[2; 32], V12).await;
    assert!(is_there(&store, &[2; 32]).await);
    // Nothing was left that would stay for ever.
    for key in server.command::<Vec<String>>(&["KEYS", "*"]).await {
        assert!(server.command::<i64>(&["PTTL", &key]).await > 0, "{key}");
    }
}

#[tokio::test]
async fn a_closed_store_is_empty() {
    let server = RedisServer::start("closed");
    let store = store(&server);
    put(&store, &[1; 32], V12).await;
    ServerSessionStore::close(&store).await;
    assert!(!is_there(&store, &[1; 32]).await);
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Closed);
    assert_eq!(ServerSessionStore::len(&store).await, None);
    assert!(!ServerSessionStore::for_each(&store, &mut |_| ()).await);
}

#[test]
fn urls_that_cannot_work() {
    for (url, says) in [
        ("http://127.0.0.1/", "; it is redis://HOST:PORT"),
        ("rediss://:hidden@127.0.0.1/", "`redis_over_tls`"),
        ("redis://:hidden@127.0.0.1/x", "cannot be used"),
    ] {
        let error = RedisStore::open(url, keys()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Options);
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

/// A runtime that ends takes the connection with it; the next one makes another.
#[test]
fn a_store_outlives_its_runtime() {
    let server = RedisServer::start("runtimes");
    let store = store(&server);
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(comes_back(&store));
    }
    // Without one there is nothing, and no panic.
    let found = is_there(&store, &[5; 32]).now_or_never();
    assert_eq!(found, Some(false));
    let error = store.last_error().unwrap();
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

/// Two clients with memories of their own before one Redis: no ticket twice, and what is in memory is there without it.
#[tokio::test]
async fn memory_before_one_that_is_killed() {
    let mut server = RedisServer::start("layered");
    let layered = || {
        let near = MemorySessionStore::default();
        LayeredSessionStore::new(near, Arc::new(store(&server)))
    };
    let (one, other) = (layered(), layered());
    let take = async |store: &LayeredSessionStore| -> Vec<u32> {
        let taken = store.take(&key("x"), now()).await;
        taken.iter().map(ticket).collect()
    };
    let put = async |store: &LayeredSessionStore, number| {
        let session = client_session(V13, number, now(), 600);
        SessionStore::put(store, &key("x"), session).await;
    };
    for number in 1..=3 {
        put(&one, number).await;
    }
    assert_eq!(take(&other).await, [3]);
    assert_eq!(take(&one).await, [1]);
    assert_eq!(take(&one).await, [2]);
    assert!(take(&other).await.is_empty());
    put(&one, 4).await;
    put(&one, 5).await;
    server.kill();
    assert_eq!(take(&one).await, [4]);
    assert!(take(&one).await.is_empty());
}
