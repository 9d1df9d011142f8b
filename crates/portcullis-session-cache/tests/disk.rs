//! The store on disk, and what is done to it.

#![cfg(unix)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use portcullis_core::ProtocolVersion;
use portcullis_core::session::{ClientSession, ServerSession, SessionKey};
use portcullis_session_cache::{
    DiskStore, LayeredSessionStore, MemorySessionStore, ServerSessionStore, SessionStore,
    StoreErrorKind, StoreKeys,
};
use rustls_pki_types::UnixTime;

use support::{client_session, key, server_session, session_of_user, ticket};

const V12: ProtocolVersion = ProtocolVersion::TLS_1_2;
const V13: ProtocolVersion = ProtocolVersion::TLS_1_3;

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    support::at(since.unwrap().as_secs())
}

fn later(seconds: u64) -> UnixTime {
    support::at(now().as_secs() + seconds)
}

fn keys() -> StoreKeys {
    StoreKeys::new([&[9; 32]]).unwrap()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("portcullis-disk-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn put(store: &DiskStore, id: &[u8], version: ProtocolVersion, seconds: u64) {
    let session = server_session(version, now(), 600);
    ServerSessionStore::put(store, id, session, later(seconds)).await;
}

async fn close(store: &DiskStore) {
    ServerSessionStore::close(store).await;
}

async fn tickets(store: &DiskStore, service: &str, now: UnixTime) -> Vec<u32> {
    let taken = store.take(&key(service), now).await;
    taken.iter().map(ticket).collect()
}

/// Which password it was is not written down, so the session would be anybody's who knows the name.
#[tokio::test]
async fn a_session_of_a_user_stays_in_memory() {
    let folder = Folder::new("user");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    for (session, is_kept) in [
        (session_of_user(1, now(), 600), false),
        (client_session(V12, 2, now(), 600), true),
    ] {
        assert_eq!(session.srp_user().is_none(), is_kept);
        SessionStore::put(&store, &key("x"), session).await;
        assert_eq!(SessionStore::len(&store).await, Some(is_kept.into()));
    }
    assert_eq!(tickets(&store, "x", now()).await, [2]);
    close(&store).await;
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let folder = Folder::new("restart");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    put(&store, &[1; 32], V12, 600).await;
    put(&store, &[2; 32], V13, 600).await;
    put(&store, &[3; 32], V13, 600).await;
    assert!(store.claim(&[3; 32], now()).await.is_some());
    for number in 1..=8 {
        let session = client_session(V13, number, now(), 600);
        SessionStore::put(&store, &key("13"), session).await;
    }
    let session = client_session(V12, 20, now(), 600);
    SessionStore::put(&store, &key("12"), session).await;
    assert_eq!(tickets(&store, "13", now()).await, [8]);
    // Two stores cannot have one file.
    let error = DiskStore::open(folder.file(), keys()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("in use"), "{error}");
    close(&store).await;
    assert!(store.get(&[1; 32], now()).await.is_none());
    assert_eq!(ServerSessionStore::len(&store).await, None);
    close(&store).await;

    // Somebody has opened it to all meanwhile.
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for _ in 0..2 {
        let session = store.get(&[1; 32], now()).await.unwrap();
        assert_eq!(session.version(), V12);
    }
    assert!(store.claim(&[2; 32], now()).await.is_some());
    assert!(store.claim(&[2; 32], now()).await.is_none());
    assert!(store.claim(&[3; 32], now()).await.is_none());
    let mut shown = Vec::new();
    let mut visit = |key: &SessionKey, session: &ClientSession| {
        shown.push((key.service().unwrap().to_owned(), ticket(session)));
    };
    assert!(SessionStore::for_each(&store, &mut visit).await);
    shown.sort();
    let of_13 = (3..=7).map(|number| ("13".to_owned(), number));
    let all = [("12".to_owned(), 20)].into_iter().chain(of_13);
    assert_eq!(shown, all.collect::<Vec<_>>());
    assert_eq!(SessionStore::len(&store).await, Some(6));
    for number in (3..=7).rev() {
        assert_eq!(tickets(&store, "13", now()).await, [number]);
    }
    assert!(tickets(&store, "13", now()).await.is_empty());
    assert_eq!(tickets(&store, "12", now()).await, [20]);
    assert_eq!(tickets(&store, "12", now()).await, [20]);
    assert!(tickets(&store, "12", later(601)).await.is_empty());
    SessionStore::forget(&store, &key("12")).await;
    assert!(tickets(&store, "12", now()).await.is_empty());
    assert_eq!(ServerSessionStore::len(&store).await, Some(1));
    ServerSessionStore::forget(&store, &[1; 32][..]).await;
    assert!(store.get(&[1; 32], now()).await.is_none());
    assert_eq!(store.last_error(), None);
    close(&store).await;
}

/// Keys that were mixed up are told, once and with the number of sessions that nobody has for it, and those that have
/// expired meanwhile are none of these.
#[tokio::test]
async fn sessions_of_other_keys_are_told() {
    let folder = Folder::new("keys");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    put(&store, &[1; 32], V12, 600).await;
    put(&store, &[2; 32], V13, 600).await;
    put(&store, &[3; 32], V12, 60).await;
    for number in 1..=2 {
        let session = client_session(V13, number, now(), 600);
        SessionStore::put(&store, &key("x"), session).await;
    }
    close(&store).await;

    let other = StoreKeys::new([&[8; 32]]).unwrap();
    let store = DiskStore::open(folder.file(), other).await.unwrap();
    assert!(store.get(&[4; 32], now()).await.is_none());
    assert!(store.get(&[3; 32], later(61)).await.is_none());
    assert_eq!((store.last_error(), store.unopened()), (None, 0));
    assert!(store.get(&[1; 32], now()).await.is_none());
    let error = store.clone().last_error().unwrap();
    assert_eq!(error.kind(), StoreErrorKind::Keys);
    assert!(error.to_string().contains("store keys"), "{error}");
    assert!(store.claim(&[2; 32], now()).await.is_none());
    assert!(tickets(&store, "x", now()).await.is_empty());
    assert_eq!(store.unopened(), 4);
    // Its own are as good as ever.
    put(&store, &[5; 32], V12, 600).await;
    assert!(store.get(&[5; 32], now()).await.is_some());
    assert_eq!(store.unopened(), 4);
    close(&store).await;

    // The right ones, behind new ones.
    let both = StoreKeys::new([&[7; 32], &[9; 32]]).unwrap();
    let store = DiskStore::open(folder.file(), both).await.unwrap();
    assert!(store.get(&[1; 32], now()).await.is_some());
    assert_eq!((store.last_error(), store.unopened()), (None, 0));
    close(&store).await;
}

#[tokio::test]
async fn the_file_has_no_secrets() {
    let folder = Folder::new("secrets");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    put(&store, &[0x77; 32], V13, 600).await;
    let session = client_session(V13, 0x7171_7171, now(), 600);
    SessionStore::put(&store, &key("a service"), session).await;
    close(&store).await;
    let all = fs::read(folder.file()).unwrap();
    let secrets: [&[u8]; 6] = [
        &[0x77; 4],
        &[0x71; 4],
        &[0x51; 4],
        &[0x52; 4],
        b"a service",
        b"a.example",
    ];
    for secret in secrets {
        let shown = all.windows(secret.len()).any(|window| window == secret);
        assert!(!shown, "{secret:02x?}");
    }
    // Other keys open nothing, and break nothing.
    let strange = StoreKeys::new([&[8; 32]]).unwrap();
    let store = DiskStore::open(folder.file(), strange).await.unwrap();
    assert!(store.get(&[0x77; 32], now()).await.is_none());
    assert!(tickets(&store, "a service", now()).await.is_empty());
    close(&store).await;
}

#[tokio::test]
async fn bounds_and_ends() {
    let folder = Folder::new("bounds");
    let store = DiskStore::options().capacity(10);
    let store = store.open(folder.file(), keys()).await.unwrap();
    for number in 0..30_u8 {
        put(&store, &[number; 32], V12, 100 + u64::from(number)).await;
    }
    assert_eq!(ServerSessionStore::len(&store).await, Some(10));
    for number in 0..30_u8 {
        let is_there = store.get(&[number; 32], now()).await.is_some();
        assert_eq!(is_there, number >= 20, "{number}");
    }
    // The same id again is no further session.
    put(&store, &[29; 32], V12, 500).await;
    assert_eq!(ServerSessionStore::len(&store).await, Some(10));
    let mut count = 0;
    let mut visit = |_: &ServerSession| count += 1;
    assert!(ServerSessionStore::for_each(&store, &mut visit).await);
    assert_eq!(count, 10);
    // What has expired goes with the next thing that is asked.
    for number in 21..24_u8 {
        ServerSessionStore::forget(&store, &[number; 32][..]).await;
    }
    put(&store, &[1; 32], V12, 0).await;
    put(&store, &[2; 32], V12, 1).await;
    assert_eq!(ServerSessionStore::len(&store).await, Some(8));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(store.get(&[2; 32], now()).await.is_none());
    assert_eq!(ServerSessionStore::len(&store).await, Some(7));
    close(&store).await;
}

/// Figures for docs/performance.md: `PORTCULLIS_SESSIONS=100000 cargo test -p portcullis-session-cache --all-features
/// --test disk on_disk -- --nocapture`.
#[tokio::test]
async fn what_sessions_take_on_disk() {
    let count = std::env::var("PORTCULLIS_SESSIONS");
    let count: u32 = count.map_or(4_000, |count| count.parse().unwrap());
    let folder = Folder::new("bytes");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    let length = || fs::metadata(folder.file()).unwrap().len();
    let empty = length();
    let id = |number: u32| [&number.to_be_bytes()[..], &[7; 28]].concat();
    // Those that come together are written together.
    let put = || async {
        for first in (0..count).step_by(500) {
            let puts = (first..first + 500).map(|number| {
                let (store, id) = (store.clone(), id(number));
                async move { put(&store, &id, V13, 600).await }
            });
            futures_util::future::join_all(puts).await;
        }
    };
    put().await;
    let full = length();
    let sealed = server_session(V13, now(), 600).to_bytes().len();
    println!(
        "{count} sessions of {sealed} bytes: a file of {full} bytes, {empty} when it was empty: {} bytes each",
        full / u64::from(count)
    );
    // It grows by whole regions.
    assert!(full < 12_000_000 + u64::from(count) * 1_000, "{full}");
    // Whatever comes and goes, it does not grow for ever.
    for first in (0..count).step_by(500) {
        let claims = (first..first + 500).map(|number| {
            let (store, id) = (store.clone(), id(number));
            async move { store.claim(&id, now()).await.is_some() }
        });
        let claimed = futures_util::future::join_all(claims).await;
        assert!(claimed.into_iter().all(|is_there| is_there));
    }
    put().await;
    let churned = length();
    println!("{churned} bytes after each was claimed and put again");
    assert!(churned <= 2 * full, "{churned} of {full}");
    close(&store).await;
}

/// Nothing is given twice, whoever asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_gets_a_claimed_session() {
    let folder = Folder::new("claims");
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    for round in 0..20_u8 {
        put(&store, &[round; 32], V13, 600).await;
        let session = client_session(V13, round.into(), now(), 600);
        SessionStore::put(&store, &key("claims"), session).await;
        let claims = (0..16).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let claimed = store.claim(&[round; 32], now()).await.is_some();
                let taken = tickets(&store, "claims", now()).await.len();
                (usize::from(claimed), taken)
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
    close(&store).await;
}

/// What opening gives that must not succeed: one sentence, that says what to do.
async fn is_damaged(file: &Path) {
    let error = DiskStore::open(file, keys()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    let sentence = error.to_string();
    assert!(sentence.contains("begin_anew"), "{sentence}");
    assert!(sentence.contains(&*file.to_string_lossy()), "{sentence}");
}

#[tokio::test]
async fn a_damaged_file_is_one_error() {
    let folder = Folder::new("damaged");
    let file = folder.file();
    // What is no such file at all is left as it was.
    let text = b"I am somebody's letter, and not sessions.";
    fs::write(&file, text).unwrap();
    is_damaged(&file).await;
    assert_eq!(fs::read(&file).unwrap(), text);
    let anew = DiskStore::options().begin_anew(true);
    let store = anew.open(&file, keys()).await.unwrap();
    assert_eq!(fs::read(folder.0.join("sessions.damaged")).unwrap(), text);
    for number in 0..200_u8 {
        put(&store, &[number; 32], V12, 600).await;
    }
    close(&store).await;
    let good = fs::read(&file).unwrap();
    // Cut short.
    for length in [20, 4_096, good.len() / 2] {
        fs::write(&file, &good[..length]).unwrap();
        is_damaged(&file).await;
    }
    // Overwritten in the middle: an error, or, where nothing of use was, all is there.
    let mut damaged = 0;
    for at in (4_096..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        for byte in bad.iter_mut().skip(at).take(300) {
            *byte ^= 0x55;
        }
        fs::write(&file, &bad).unwrap();
        match DiskStore::open(&file, keys()).await {
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
                damaged += 1;
            }
            Ok(store) => {
                for number in 0..200_u8 {
                    assert!(store.get(&[number; 32], now()).await.is_some());
                }
                close(&store).await;
            }
        }
    }
    assert!(damaged > 0);
    let store = anew.open(&file, keys()).await.unwrap();
    put(&store, &[1; 32], V12, 600).await;
    assert!(store.get(&[1; 32], now()).await.is_some());
    close(&store).await;
    // A place where there can be no file.
    let error = DiskStore::open(folder.0.join("no/where"), keys()).await;
    assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

/// The program that is killed: it says what it has done.
#[test]
#[ignore = "run by a_killed_writer_loses_nothing_and_gives_nothing_twice"]
fn writer() {
    let Ok(file) = std::env::var("PORTCULLIS_DISK_STORE") else {
        return;
    };
    let first: u32 = std::env::var("PORTCULLIS_DISK_FIRST")
        .unwrap()
        .parse()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let say = |word: &str, number: u32| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {number}").unwrap();
        out.flush().unwrap();
    };
    runtime.block_on(async {
        let store = DiskStore::open(file, keys()).await.unwrap();
        for number in first.. {
            put(&store, &number.to_be_bytes(), V13, 600).await;
            say("put", number);
            if number % 3 == 0 {
                say("claiming", number - 1);
                let claimed = store.claim(&(number - 1).to_be_bytes(), now()).await;
                assert!(claimed.is_some() || number == first);
                say("claimed", number - 1);
            }
        }
    });
}

/// `PORTCULLIS_KILLS=100` does it as often.
#[tokio::test]
async fn a_killed_writer_loses_nothing_and_gives_nothing_twice() {
    let kills = std::env::var("PORTCULLIS_KILLS");
    let kills: u32 = kills.map_or(8, |kills| kills.parse().unwrap());
    let folder = Folder::new("killed");
    let (mut there, mut claimed) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..kills {
        let first = 1 + round * 100_000;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env("PORTCULLIS_DISK_STORE", folder.file())
            .env("PORTCULLIS_DISK_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed at any time, from the first put on, by the clock.
        let mut unsure = None;
        let mut end = None;
        let mut heard = 0;
        while let Some(Ok(line)) = lines.next() {
            let Some((word, number)) = line.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u32>() else {
                continue;
            };
            match word {
                "put" => drop(there.insert(number)),
                "claiming" => unsure = Some(number),
                "claimed" => {
                    unsure = None;
                    there.remove(&number);
                    claimed.insert(number);
                }
                _ => continue,
            }
            heard += 1;
            let wait = Duration::from_micros(u64::from(round) * 7_919 % 60_000);
            let end = *end.get_or_insert_with(|| Instant::now() + wait);
            // Three puts and a claim at least, however slow the machine is.
            if heard >= 5 + round % 7 && Instant::now() >= end {
                let _ = child.kill();
            }
        }
        child.wait().unwrap();
        assert!(heard > 0, "the writer has done nothing");
        // Whether it was claimed nobody has heard.
        if let Some(unsure) = unsure {
            there.remove(&unsure);
        }
        let store = DiskStore::open(folder.file(), keys()).await.unwrap();
        for number in &claimed {
            let again = store.claim(&number.to_be_bytes(), now()).await;
            assert!(again.is_none(), "round {round}: {number} is given twice");
        }
        for number in &there {
            let kept = store.get(&number.to_be_bytes(), now()).await;
            assert!(kept.is_some(), "round {round}: {number} is lost");
        }
        close(&store).await;
    }
    assert!(claimed.len() >= usize::try_from(kills).unwrap());
}

/// Two clients with memories of their own before one file, of which one ends in order and one does not.
#[tokio::test]
async fn memory_before_the_disk() {
    let folder = Folder::new("layered");
    let layered = |store: &DiskStore| {
        LayeredSessionStore::new(MemorySessionStore::default(), Arc::new(store.clone()))
    };
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    let (one, other) = (layered(&store), layered(&store));
    for number in 1..=6 {
        let by = if number % 2 == 1 { &one } else { &other };
        let session = client_session(V13, number, now(), 600);
        SessionStore::put(by, &key("x"), session).await;
    }
    let session = client_session(V12, 7, now(), 600);
    SessionStore::put(&one, &key("y"), session).await;
    // 1 and 2 are in memory, and nobody else can take them.
    assert_eq!(SessionStore::len(&store).await, Some(5));
    let take = async |store: &LayeredSessionStore, service: &str| -> Vec<u32> {
        let taken = store.take(&key(service), now()).await;
        taken.iter().map(ticket).collect()
    };
    assert_eq!(take(&one, "x").await, [1]);
    assert_eq!(take(&one, "x").await, [6]);
    assert_eq!(take(&other, "y").await, [7]);
    let session = client_session(V13, 8, now(), 600);
    SessionStore::put(&one, &key("x"), session).await;
    // The other one ends as a process does that is killed: 2 is lost.
    drop(other);
    SessionStore::close(&one).await;
    let store = DiskStore::open(folder.file(), keys()).await.unwrap();
    let again = layered(&store);
    let mut given = Vec::new();
    for _ in 0..5 {
        given.extend(take(&again, "x").await);
    }
    assert_eq!(given, [8, 5, 4, 3]);
    // A disk that is gone takes nothing from memory.
    let session = client_session(V13, 9, now(), 600);
    SessionStore::put(&again, &key("x"), session).await;
    assert_eq!(take(&again, "y").await, [7]);
    SessionStore::close(&store).await;
    assert_eq!(take(&again, "y").await, [7]);
    assert_eq!(take(&again, "x").await, [9]);
    assert!(take(&again, "x").await.is_empty());
}
