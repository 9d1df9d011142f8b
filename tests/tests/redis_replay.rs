//! The replay guard in Redis, with a real redis-server, and what is done to it.

#![cfg(unix)]

mod redis_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portcullis_session_cache::{
    Claim, RedisReplayGuard, RedisStore, ReplayGuard as _, ServerSessionStore, StoreErrorKind,
    StoreKeys,
};

use redis_server::RedisServer;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_millis(100);
/// What a busy machine may add to any wait.
const SLACK: Duration = Duration::from_millis(400);
/// Servers have 63 seconds at least; a guard takes what it is told.
const LIFETIME: Duration = Duration::from_millis(800);
const MARKER: &str = "portcullis:{r}:since";

fn guard(server: &RedisServer) -> RedisReplayGuard {
    RedisReplayGuard::open(&server.url())
        .unwrap()
        .time_limit(LIMIT)
}

async fn claim(guard: &RedisReplayGuard, token: u8) -> Claim {
    guard.claim(&[token; 16], LIFETIME).await
}

/// A claim that nobody has made.
async fn claim_new(guard: &RedisReplayGuard) -> Claim {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
    guard.claim(&count.to_be_bytes(), LIFETIME).await
}

/// Until the marker is older than a claim lives.
async fn grown_old() {
    tokio::time::sleep(LIFETIME + Duration::from_millis(50)).await;
}

/// A guard whose marker is old.
async fn old(server: &RedisServer) -> RedisReplayGuard {
    let guard = guard(server);
    guard.ping().await.unwrap();
    grown_old().await;
    guard
}

/// Nothing is accepted until a lifetime has passed since now, and then something is.
async fn begins_anew(guard: &RedisReplayGuard, known: u8, since: Instant) {
    loop {
        // Until its own end, which is no earlier.
        if claim(guard, known).await == Claim::First {
            break;
        }
        match claim_new(guard).await {
            Claim::First => break,
            said => assert_eq!(said, Claim::Unavailable),
        }
        let waited = since.elapsed();
        assert!(
            waited < 3 * LIFETIME + Duration::from_secs(2) + SLACK,
            "{waited:?}: {:?}",
            guard.last_error()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let waited = since.elapsed();
    assert!(waited >= LIFETIME, "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_for_all_servers() {
    let server = RedisServer::start("replay-once");
    let guards = [old(&server).await, guard(&server)];
    for round in 0..20_u8 {
        let claims: Vec<_> = (0..16)
            .map(|at| {
                let guard = guards[at % 2].clone();
                tokio::spawn(async move { claim(&guard, round).await })
            })
            .collect();
        let mut firsts = 0;
        for claim in claims {
            match claim.await.unwrap() {
                Claim::First => firsts += 1,
                said => assert_eq!(said, Claim::Seen),
            }
        }
        assert_eq!(firsts, 1, "round {round}");
    }
    // Redis forgets them by itself, and no earlier.
    let name = format!("portcullis:{{r}}:{}", "13".repeat(16));
    let left: u64 = server.command(&["PTTL", &name]).await;
    assert!(left <= 800, "{left}");
    grown_old().await;
    assert_eq!(
        server.command::<Vec<String>>(&["KEYS", "*"]).await,
        [MARKER]
    );
    assert_eq!(claim(&guards[1], 0x13).await, Claim::First);
    assert_eq!(guards[0].last_error(), None);
    // Servers with another prefix are another fleet.
    let other = guards[0].clone().prefix("other:");
    other.ping().await.unwrap();
    grown_old().await;
    assert_eq!(claim(&other, 0x13).await, Claim::First);
}

#[tokio::test]
async fn one_that_has_just_begun() {
    let server = RedisServer::start("replay-begins");
    let since = Instant::now();
    let guard = guard(&server);
    // The first to come makes the marker, also without a `ping`.
    assert_eq!(claim(&guard, 1).await, Claim::Unavailable);
    begins_anew(&guard, 1, since).await;
}

/// Whatever has forgotten a claim has forgotten the marker, or is another process.
#[tokio::test]
async fn what_may_have_forgotten_says_so() {
    let mut server = RedisServer::start("replay-forgets");
    let guard = old(&server).await;
    assert_eq!(claim(&guard, 1).await, Claim::First);
    let since = Instant::now();
    let _: () = server.command(&["FLUSHALL"]).await;
    begins_anew(&guard, 1, since).await;

    // Evicted.
    assert_eq!(claim(&guard, 2).await, Claim::First);
    let since = Instant::now();
    let _: () = server.command(&["DEL", MARKER]).await;
    begins_anew(&guard, 2, since).await;

    // From a file that is older than the claim, and has the old marker.
    let _: () = server.command(&["SAVE"]).await;
    assert_eq!(claim(&guard, 3).await, Claim::First);
    server.kill();
    assert_eq!(claim(&guard, 3).await, Claim::Unavailable);
    let since = Instant::now();
    server.restart();
    assert_eq!(server.command::<u8>(&["EXISTS", MARKER]).await, 1);
    begins_anew(&guard, 3, since).await;

    // With nothing.
    assert_eq!(claim(&guard, 4).await, Claim::First);
    server.kill();
    server.forget();
    let since = Instant::now();
    server.restart();
    begins_anew(&guard, 4, since).await;
}

/// A marker that nobody of us can have made, or that has come from the future.
#[tokio::test]
async fn markers_that_cannot_be() {
    let server = RedisServer::start("replay-markers");
    let guard = old(&server).await;
    let century = "3153600000001";
    for (round, words) in (0..).zip([
        &["PERSIST", MARKER][..],
        &["PEXPIRE", MARKER, century],
        &["SET", MARKER, "somebody else", "KEEPTTL"],
        &["SET", MARKER, ""],
    ]) {
        assert_eq!(claim(&guard, round).await, Claim::First, "{words:?}");
        let since = Instant::now();
        let _: () = server.command(words).await;
        begins_anew(&guard, round, since).await;
    }
    // One of another type, which is an error and stays one.
    let _: () = server.command(&["DEL", MARKER]).await;
    let _: () = server.command(&["LPUSH", MARKER, "x"]).await;
    assert_eq!(claim(&guard, 90).await, Claim::Unavailable);
    let error = guard.ping().await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
}

/// One that evicts could forget a claim and keep the marker.
#[tokio::test]
async fn one_that_evicts_is_refused() {
    let server = RedisServer::start("replay-evicts");
    let guard = guard(&server);
    let set = |option: &'static str, value: &'static str| async {
        let words = ["CONFIG", "SET", option, value];
        let _: () = server.command(&words).await;
    };
    set("maxmemory-policy", "allkeys-lru").await;
    // Without a bound it evicts nothing.
    guard.ping().await.unwrap();
    set("maxmemory", "100mb").await;
    let error = guard.ping().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(error.to_string().contains("maxmemory-policy"), "{error}");
    let _: () = server.command(&["DEL", MARKER]).await;
    assert_eq!(claim(&guard, 1).await, Claim::Unavailable);
    grown_old().await;
    assert_eq!(claim(&guard, 2).await, Claim::Unavailable);
    assert_eq!(server.command::<u8>(&["EXISTS", MARKER]).await, 0);
    assert_eq!(guard.last_error(), Some(error));
    set("maxmemory-policy", "noeviction").await;
    guard.ping().await.unwrap();
    grown_old().await;
    assert_eq!(claim(&guard, 3).await, Claim::First);
    // Full, it can remember nothing more.
    set("maxmemory", "1").await;
    assert_eq!(claim(&guard, 4).await, Claim::Unavailable);
    assert_eq!(claim(&guard, 3).await, Claim::Unavailable);
    set("maxmemory", "0").await;
    assert_eq!(claim(&guard, 5).await, Claim::First);
}

/// Eviction that somebody turns on later, of what ends first: claims, and never the marker.
#[tokio::test]
async fn one_that_evicts_later_is_refused() {
    let server = RedisServer::start("replay-evicts-later");
    let guard = old(&server).await;
    let set = |option: &'static str, value: String| {
        let server = &server;
        async move {
            let words = ["CONFIG", "SET", option, value.as_str()];
            let _: () = server.command(&words).await;
        }
    };
    assert_eq!(claim(&guard, 1).await, Claim::First);
    set("maxmemory-policy", "volatile-ttl".to_owned()).await;
    let info: String = server.command(&["INFO", "memory"]).await;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.unwrap().trim().parse().unwrap();
    set("maxmemory", (used + 2_000_000).to_string()).await;
    // Somebody writes, and claims have to go.
    let big = "x".repeat(60_000);
    for key in 0..40 {
        let _: Option<String> = server
            .command(&["SET", &format!("other-{key}"), &big, "PX", "100000000"])
            .await;
    }
    let _: () = server
        .command(&["SET", "more", &big, "PX", "100000000"])
        .await;
    assert_eq!(server.command::<u8>(&["EXISTS", MARKER]).await, 1);
    for token in [1, 2, 3] {
        assert_eq!(claim(&guard, token).await, Claim::Unavailable);
    }
    let error = guard.last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    // It has forgotten a claim, so it begins anew when it does so no more.
    let since = Instant::now();
    set("maxmemory", "0".to_owned()).await;
    begins_anew(&guard, 1, since).await;
}

/// Claims that were asked before the marker was made make no other one: else it would never grow old where there is always one
/// under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_grows_old_while_claims_are_under_way() {
    let server = RedisServer::start("replay-busy");
    let guard = Arc::new(guard(&server));
    let until = Instant::now() + 4 * LIFETIME + SLACK;
    let mut claimers = JoinSet::new();
    for _ in 0..16 {
        let guard = Arc::clone(&guard);
        claimers.spawn(async move {
            while Instant::now() < until {
                if claim_new(&guard).await == Claim::First {
                    return true;
                }
            }
            false
        });
    }
    let first = claimers.join_all().await;
    assert!(first.contains(&true), "{:?}", guard.last_error());
}

/// Redis's clock is set forward: claims end before their time, and the marker looks old.
#[tokio::test]
async fn a_clock_that_is_set_forward() {
    let server = RedisServer::start("replay-clock");
    let guard = old(&server).await;
    assert_eq!(claim(&guard, 1).await, Claim::First);
    let since = Instant::now();
    let name = format!("portcullis:{{r}}:{}", "01".repeat(16));
    let left: i64 = server.command(&["PTTL", MARKER]).await;
    let _: () = server
        .command(&["PEXPIRE", MARKER, &(left - 5_000).to_string()])
        .await;
    let _: () = server.command(&["DEL", &name]).await;
    begins_anew(&guard, 1, since).await;
    // Time that passes is no jump.
    assert_eq!(claim(&guard, 2).await, Claim::First);
    tokio::time::sleep(3 * LIFETIME).await;
    assert_eq!(claim(&guard, 2).await, Claim::First);
}

/// Redis's clock goes on by 5 seconds: the marker is older, and these claims have ended.
async fn clock_goes_on(server: &RedisServer, ended: impl IntoIterator<Item = u8>) {
    let left: i64 = server.command(&["PTTL", MARKER]).await;
    let left = (left - 5_000).to_string();
    let _: () = server.command(&["PEXPIRE", MARKER, &left]).await;
    for token in ended {
        let name = format!("portcullis:{{r}}:{}", format!("{token:02x}").repeat(16));
        let _: () = server.command(&["DEL", &name]).await;
    }
}

/// Of many claims at once one sees it first; the others come before the marker is made anew.
#[tokio::test]
async fn a_clock_that_is_set_forward_before_many_claims() {
    let server = RedisServer::start("replay-clock-many");
    let guard = old(&server).await.time_limit(SLACK);
    let known = 1..=32;
    for token in known.clone() {
        assert_eq!(claim(&guard, token).await, Claim::First);
    }
    let since = Instant::now();
    clock_goes_on(&server, known.clone()).await;
    let claims = known.map(|token| claim(&guard, token));
    for said in futures_util::future::join_all(claims).await {
        assert_eq!(said, Claim::Unavailable);
    }
    begins_anew(&guard, 1, since).await;
}

/// A marker that cannot be made anew is no good either, also when the clock is right again.
#[tokio::test]
async fn a_clock_that_is_set_forward_and_a_marker_that_stays() {
    let server = RedisServer::start("replay-clock-stays");
    let guard = old(&server).await;
    for token in 1..=4 {
        assert_eq!(claim(&guard, token).await, Claim::First);
    }
    clock_goes_on(&server, 1..=4).await;
    // Nothing but claims can be set.
    let rules = ["ACL", "SETUSER", "default", "resetkeys", "%R~*"];
    let claims = "~portcullis:{r}:[0-9a-f]*";
    let _: () = server.command(&[&rules[..], &[claims]].concat()).await;
    assert_eq!(claim(&guard, 1).await, Claim::Unavailable);
    let error = guard.last_error().unwrap();
    assert!(error.to_string().contains("no permissions"), "{error}");
    assert_eq!(claim(&guard, 2).await, Claim::Unavailable);
    let _: () = server.command(&[&rules[..], &["~*"]].concat()).await;
    let since = Instant::now();
    let left: i64 = server.command(&["PTTL", MARKER]).await;
    let left = (left + 5_000).to_string();
    let _: () = server.command(&["PEXPIRE", MARKER, &left]).await;
    begins_anew(&guard, 3, since).await;
}

/// It costs one time limit in a second, for all together, and nothing is accepted meanwhile.
#[tokio::test]
async fn one_that_is_stopped_costs_little() {
    let server = RedisServer::start("replay-stopped");
    let guard = old(&server).await;
    assert_eq!(claim(&guard, 1).await, Claim::First);
    server.stop();
    let start = Instant::now();
    let claims = (0..200).map(|token| claim(&guard, token));
    let said = futures_util::future::join_all(claims).await;
    assert!(said.iter().all(|said| *said == Claim::Unavailable));
    let waited = start.elapsed();
    assert!(waited < LIMIT + SLACK, "{waited:?}");
    let start = Instant::now();
    for token in 0..100 {
        assert_eq!(claim(&guard, token).await, Claim::Unavailable);
    }
    let waited = start.elapsed();
    assert!(waited < SLACK, "{waited:?}");
    assert_eq!(guard.last_error().unwrap().kind(), StoreErrorKind::Late);
    server.go_on();
    // It was the same process all the time: it has forgotten nothing, and goes on.
    let end = Instant::now() + Duration::from_secs(2) + SLACK;
    loop {
        match claim_new(&guard).await {
            Claim::First => break,
            said => assert_eq!(said, Claim::Unavailable),
        }
        assert!(Instant::now() < end, "{:?}", guard.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A guard of a store has its connection and its end.
#[tokio::test]
async fn beside_a_store() {
    let server = RedisServer::start("replay-store");
    let keys = StoreKeys::new([&[9; 32]]).unwrap();
    let store = RedisStore::open(&server.url(), keys).unwrap();
    let store = store.time_limit(LIMIT).prefix("fleet:");
    let guard = store.replay_guard();
    guard.ping().await.unwrap();
    grown_old().await;
    assert_eq!(claim(&guard, 1).await, Claim::First);
    assert_eq!(claim(&store.replay_guard(), 1).await, Claim::Seen);
    assert_eq!(
        server.command::<u8>(&["EXISTS", "fleet:{r}:since"]).await,
        1
    );
    // It is none of the sessions.
    assert_eq!(ServerSessionStore::len(&store).await, Some(0));
    ServerSessionStore::close(&store).await;
    assert_eq!(claim(&guard, 2).await, Claim::Unavailable);
    let error = guard.ping().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Closed);
    let error = RedisReplayGuard::open("rediss://:hidden@127.0.0.1/").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Options);
    assert!(!error.to_string().contains("hidden"), "{error}");
}
