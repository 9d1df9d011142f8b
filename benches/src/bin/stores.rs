//! How fast the stores of sessions are.
//!
//! `cargo run --release -p portcullis-benches --bin stores [SECONDS]` prints the class of the processor and a
//! Markdown table: pairs of `put`
//! and `take` (of a client), or `put` and `claim` (of a server), in a second, from one thread and from two. The
//! stores have a million sessions in them before, and the sessions are those of a real connection. A connection makes
//! the key that it asks a client's store with, so that is done here, too; then the same with a million keys that were
//! made before, which have to come from memory as the sessions do. Then how many bytes
//! of resident memory each session takes, of which all share one certificate, as those with one server do, and the key
//! that it is kept under; and how long it is where it is sealed, with that certificate. Last, tickets: such a session
//! sealed and opened again, beside rustls' ticketer with as many bytes.

use std::future::Future;
use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cpu_time::ThreadTime;
use portcullis::pki_types::UnixTime;
use portcullis::session::{ClientSession, ServerSession, SessionKey, TicketKeys};
use portcullis::{
    ClientConfig, Identity, MemoryServerSessionStore, MemorySessionStore, Roots, ServerConfig,
    ServerSessionStore, SessionStore, TlsAcceptor, TlsConnector,
};
use portcullis_benches::memory::resident;
use portcullis_benches::processor::Processor;

const SESSIONS: u32 = 1_000_000;

/// Stores in memory are ready at once.
fn done<T>(future: impl Future<Output = T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).as_mut().poll(&mut cx) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a store in memory waits for nobody"),
    }
}

/// A session of each side, and the client's key.
fn sessions() -> (SessionKey, ClientSession, ServerSession) {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    let identity = Identity::from_pem(&pem, None).expect("it was made well");
    let config = ServerConfig::builder().identity(identity).build();
    let of_servers = Arc::<MemoryServerSessionStore>::default();
    let acceptor = TlsAcceptor::new(config.expect("it is whole")).session_store(of_servers.clone());
    let config = ClientConfig::builder(Roots::from_pem(&pem).expect("it is a root")).build();
    let of_clients = Arc::<MemorySessionStore>::default();
    let connector =
        TlsConnector::new(config.expect("it is whole")).session_store(of_clients.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(65_536);
        let serving = async {
            let mut stream = acceptor.accept(theirs).await.expect("it is accepted");
            stream.send(&[b"hello"]).await.expect("it is sent");
            stream
        };
        let using = async {
            let mut stream = connector
                .upgrade(ours, "localhost")
                .await
                .expect("it connects");
            drop(stream.recv(5).await.expect("it comes"));
            stream
        };
        tokio::join!(serving, using)
    });
    let (mut of_client, mut of_server) = (None, None);
    let mut visit = |key: &SessionKey, session: &ClientSession| {
        of_client = Some((key.clone(), session.clone()));
    };
    done(SessionStore::for_each(&*of_clients, &mut visit));
    let mut visit = |session: &ServerSession| of_server = Some(session.clone());
    done(ServerSessionStore::for_each(&*of_servers, &mut visit));
    let (key, session) = of_client.expect("the client has a session");
    (key, session, of_server.expect("so has the server"))
}

fn now() -> UnixTime {
    UnixTime::now()
}

/// What has come since for each session.
fn each(before: usize) -> usize {
    resident().saturating_sub(before) / SESSIONS as usize
}

/// How many times so many threads do it together in a second of the processor's time that each of them has: what
/// others do on the machine is not counted.
fn rate(threads: u32, time: Duration, act: impl Fn(u32, u32) + Sync) -> f64 {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads = (0..threads).map(|thread| {
            let (act, ended) = (&act, &ended);
            scope.spawn(move || {
                let (start, mut done) = (ThreadTime::now(), 0_u32);
                while !ended.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        act(thread, done);
                        done += 1;
                    }
                }
                f64::from(done) / start.elapsed().as_secs_f64()
            })
        });
        let threads: Vec<_> = threads.collect();
        std::thread::sleep(time);
        ended.store(true, Ordering::Relaxed);
        let rates = threads.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.expect("it ends")).sum()
    })
}

/// Makes a key of its own for each number: the service has the number for a name.
fn keys(like: &SessionKey) -> impl Fn(u32) -> SessionKey + Sync {
    let mut begin = like.to_bytes();
    begin[3] = 1;
    move |number| {
        let mut bytes = [0; 256];
        bytes[..begin.len()].copy_from_slice(&begin);
        let mut rest = &mut bytes[begin.len()..];
        write!(rest, "{number}").expect("there is room");
        let unused = rest.len();
        let used = &bytes[..bytes.len() - unused];
        SessionKey::from_bytes(used).expect("it is the form of a key")
    }
}

fn main() {
    let seconds = std::env::args().nth(1);
    let time = Duration::from_secs(seconds.map_or(5, |seconds| seconds.parse().expect("seconds")));
    let (key, session, of_server) = sessions();
    let until = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + 7_200));
    println!("Processor: {}.\n", Processor::here());
    println!("| store of {SESSIONS} sessions | one thread | two threads |\n|---|---|---|");

    let make_key = keys(&key);
    let keys: Vec<SessionKey> = (0..SESSIONS).map(&make_key).collect();
    let before = resident();
    let clients = MemorySessionStore::new(2 * SESSIONS as usize);
    for key in &keys {
        done(SessionStore::put(&clients, key, session.clone()));
    }
    let of_clients = each(before);
    let now = now();
    let take = |key: &SessionKey| {
        let taken = done(clients.take(key, now));
        for session in taken {
            done(SessionStore::put(&clients, key, session));
        }
    };
    let at = |thread: u32, count: u32| {
        count.wrapping_mul(7_919).wrapping_add(thread * 500_000) % SESSIONS
    };
    let made = |thread: u32, count: u32| take(&make_key(at(thread, count)));
    let fetched = |thread: u32, count: u32| take(&keys[at(thread, count) as usize]);
    let row = |name: &str, act: &(dyn Fn(u32, u32) + Sync)| {
        let [one, two] = [1, 2].map(|threads| rate(threads, time, act) / 1e6);
        println!("| {name} | {one:.2} M/s | {two:.2} M/s |");
    };
    row("client, a key made, take and put", &made);
    row("client, a key from memory, take and put", &fetched);

    let before = resident();
    let servers = MemoryServerSessionStore::new(2 * SESSIONS as usize, usize::MAX);
    let id = |number: u32| {
        let mut id = [0x5a; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    };
    for number in 0..SESSIONS {
        done(servers.put(&id(number), of_server.clone(), until));
    }
    let of_servers = each(before);
    let claim = |thread: u32, count: u32| {
        let id = id(at(thread, count));
        if let Some(session) = done(servers.claim(&id, now)) {
            done(servers.put(&id, session, until));
        }
    };
    row("server, claim and put", &claim);
    println!("\n| bytes for each session | in memory | sealed |\n|---|---|---|");
    let (client, server) = (session.to_bytes_to_seal().len(), of_server.to_bytes().len());
    println!("| client | {of_clients} | {client} |");
    println!("| server | {of_servers} | {server} |");

    println!("\n| tickets, sealed and opened | one thread | two threads |\n|---|---|---|");
    let bytes = of_server.to_bytes();
    let period = Duration::from_secs(7_200);
    let keys = TicketKeys::rotating(period).expect("it is a period");
    let ours = |_, _| assert!(keys.seal_and_open(&bytes, now), "it is its own");
    let ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("it has keys");
    let theirs = |_, _| {
        let ticket = ticketer.encrypt(&bytes).expect("it seals");
        assert!(ticketer.decrypt(&ticket).is_some(), "it is its own");
    };
    row("portcullis", &ours);
    row("rustls", &theirs);
}
