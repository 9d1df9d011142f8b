//! Stores that answer late, or with what was not asked for: a full handshake, or none, and never somebody else's
//! session.

mod ends;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::*;
use portcullis::pki_types::UnixTime;
use portcullis::session::{ClientSession, ServerSession, SessionKey};
use portcullis::{
    ClientAuthentication, ClientConfig, Identity, MemoryServerSessionStore, MemorySessionStore,
    ProtocolVersion, ServerConfig, ServerSessionStore, SessionStore, StoreFuture, TlsAcceptor,
    TlsConnector, TlsStream,
};
use proptest::prelude::*;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep};

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn connector(version: ProtocolVersion, identity: &Identity) -> TlsConnector {
    let client = ClientConfig::builder(pki().roots.clone()).versions([version]);
    TlsConnector::new(client.identity(identity.clone()).build().unwrap())
}

/// A server that lets these in.
fn server(clients: &[&Identity]) -> ServerConfig {
    let mut roots = pki().roots.clone();
    for client in clients {
        roots.add_der(client.chain()[0].clone()).unwrap();
    }
    let required = ClientAuthentication::Required(roots);
    let server = server_config().to_builder().client_authentication(required);
    server.versions(VERSIONS).build().unwrap()
}

/// What a store does with its answers.
enum How {
    /// It takes so long.
    Late(Duration),
    /// It gives this instead, if it is there.
    Instead(Arc<Mutex<Option<ServerSession>>>),
    /// Each time something else.
    Drawn(Arc<Mutex<(Drawn, Option<ServerSession>)>>),
}

/// What a look-up comes to.
#[derive(Clone, Debug)]
enum Drawn {
    Good,
    Nothing,
    Late,
    Never,
    /// Of another client, of another version, or one that has ended.
    Instead(Kind),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    OfAnother,
    OfAnotherVersion,
    Ended,
}

struct Wrong {
    good: MemoryServerSessionStore,
    how: How,
}

impl Wrong {
    async fn answer(&self, good: Option<ServerSession>) -> Option<ServerSession> {
        match &self.how {
            How::Late(by) => {
                sleep(*by).await;
                good
            }
            How::Instead(other) => {
                let other = other.lock().unwrap().clone();
                other.or(good)
            }
            How::Drawn(drawn) => {
                let (drawn, instead) = drawn.lock().unwrap().clone();
                match drawn {
                    Drawn::Good => good,
                    Drawn::Nothing => None,
                    Drawn::Late => {
                        sleep(LATE).await;
                        good
                    }
                    Drawn::Never => std::future::pending().await,
                    Drawn::Instead(_) => instead,
                }
            }
        }
    }
}

impl ServerSessionStore for Wrong {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        self.good.put(id, session, until)
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move { self.answer(self.good.get(id, now).await).await })
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move { self.answer(self.good.claim(id, now).await).await })
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        self.good.forget(id)
    }
}

/// More than a look-up is waited for: a tenth of the handshake's time, and at most a second.
const LATE: Duration = Duration::from_millis(1_100);
/// What a connection takes then.
const IN_TIME: Duration = Duration::from_millis(1_020);

type Ended = Result<TlsStream<DuplexStream>, portcullis::Error>;

async fn try_connect(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Ended, Ended) {
    let (client, server) = duplex(64 * 1024);
    tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
}

/// Whether it was resumed; the server knows who came.
async fn resumes(connector: &TlsConnector, acceptor: &TlsAcceptor, who: &Identity) -> bool {
    let (client, server) = try_connect(connector, acceptor).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
    assert_eq!(client.is_resumed(), server.is_resumed());
    assert_eq!(server.peer_certificates(), who.chain());
    server.is_resumed()
}

/// A client that is not the one of [`pki`].
fn bob() -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["bob".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let key = portcullis::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Identity::from_der(vec![der], &key).unwrap()
}

/// A session that a server keeps of this client.
async fn session_of(who: &Identity, version: ProtocolVersion) -> ServerSession {
    let store = Arc::<MemoryServerSessionStore>::default();
    let acceptor = TlsAcceptor::new(server(&[who])).session_store(store.clone());
    assert!(!resumes(&connector(version, who), &acceptor, who).await);
    let mut all = Vec::new();
    let mut visit = |session: &ServerSession| all.push(session.clone());
    assert!(ServerSessionStore::for_each(&*store, &mut visit).await);
    all.pop().expect("one was kept")
}

/// The same, and its time is over.
fn ended(session: &ServerSession) -> ServerSession {
    let mut bytes = session.to_bytes();
    // The lifetime is before the time of its issue, which is last.
    let at = bytes.len() - 12;
    bytes[at..at + 4].copy_from_slice(&[0; 4]);
    ServerSession::from_bytes(&bytes).unwrap()
}

/// With a clock that goes on when nothing else does.
fn block_on(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let kinds = [Kind::OfAnother, Kind::OfAnotherVersion, Kind::Ended];
    let mut all = vec![Drawn::Good, Drawn::Nothing, Drawn::Late, Drawn::Never];
    all.extend(kinds.map(Drawn::Instead));
    prop::collection::vec(prop::sample::select(all), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a store does, again and again: nobody is taken for another, nothing is resumed but what was kept, and
    /// only somebody else's session fails, at both ends. No connection waits for more than a look-up's time.
    #[test]
    fn a_server_survives_its_store(version in prop::sample::select(VERSIONS.to_vec()), script in drawn()) {
        block_on(server_survives(version, script));
    }

    /// The same of a client's.
    #[test]
    fn a_client_survives_its_store(version in prop::sample::select(VERSIONS.to_vec()), script in drawn()) {
        block_on(client_survives(version, script));
    }
}

async fn server_survives(version: ProtocolVersion, script: Vec<Drawn>) {
    let (alice, bob) = (&pki().client, &bob());
    let other = VERSIONS[usize::from(version == VERSIONS[0])];
    let now = Arc::new(Mutex::new((Drawn::Good, None)));
    let (good, how) = (MemoryServerSessionStore::default(), How::Drawn(now.clone()));
    let acceptor =
        TlsAcceptor::new(server(&[alice, bob])).session_store(Arc::new(Wrong { good, how }));
    let connector = connector(version, bob);
    for drawn in script.into_iter().chain([Drawn::Nothing, Drawn::Good]) {
        let context = format!("{version}, {drawn:?}");
        let instead = match &drawn {
            Drawn::Instead(Kind::OfAnother) => Some(session_of(alice, version).await),
            Drawn::Instead(Kind::OfAnotherVersion) => Some(session_of(bob, other).await),
            Drawn::Instead(Kind::Ended) => Some(ended(&session_of(bob, version).await)),
            _ => None,
        };
        *now.lock().unwrap() = (drawn.clone(), instead);
        let start = Instant::now();
        let ends = try_connect(&connector, &acceptor).await;
        assert!(
            start.elapsed() <= IN_TIME,
            "{context}: {:?}",
            start.elapsed()
        );
        match ends {
            (Ok(mut client), Ok(mut server)) => {
                server.send(&[b"hello"]).await.unwrap();
                assert_eq!(&client.recv(5).await.unwrap()[..], b"hello", "{context}");
                assert_eq!(server.peer_certificates(), bob.chain(), "{context}");
                assert_eq!(client.is_resumed(), server.is_resumed(), "{context}");
                assert!(
                    !server.is_resumed() || matches!(drawn, Drawn::Good),
                    "{context}"
                );
            }
            (Err(_), Err(_)) => {
                assert!(
                    matches!(drawn, Drawn::Instead(Kind::OfAnother)),
                    "{context}"
                );
            }
            (client, server) => panic!("{context}: {client:?}, {server:?}"),
        }
    }
    assert!(resumes(&connector, &acceptor, bob).await, "{version}");
}

async fn client_survives(version: ProtocolVersion, script: Vec<Drawn>) {
    let (alice, bob) = (&pki().client, &bob());
    let acceptor = TlsAcceptor::new(server(&[alice, bob]));
    for drawn in script {
        let context = format!("{version}, {drawn:?}");
        let (own, another) = (
            client_session(bob, version, &acceptor).await,
            client_session(alice, version, &acceptor).await,
        );
        let other = VERSIONS[usize::from(version == VERSIONS[0])];
        let sessions = match &drawn {
            Drawn::Good | Drawn::Late | Drawn::Never => vec![own],
            Drawn::Nothing => Vec::new(),
            Drawn::Instead(Kind::OfAnother) => vec![another],
            Drawn::Instead(Kind::OfAnotherVersion) => {
                vec![client_session(bob, other, &acceptor).await]
            }
            Drawn::Instead(Kind::Ended) => vec![elsewhere(&own)],
        };
        let late = match &drawn {
            Drawn::Late => LATE,
            Drawn::Never => Duration::from_secs(1 << 30),
            _ => Duration::ZERO,
        };
        let store = Arc::new(Given { sessions, late });
        let connector = connector(version, bob).session_store(store);
        let start = Instant::now();
        let resumed = resumes(&connector, &acceptor, bob).await;
        assert!(
            start.elapsed() <= IN_TIME,
            "{context}: {:?}",
            start.elapsed()
        );
        assert_eq!(resumed, matches!(drawn, Drawn::Good), "{context}");
    }
}

/// A session that a client keeps of these servers.
async fn client_session(
    who: &Identity,
    version: ProtocolVersion,
    acceptor: &TlsAcceptor,
) -> ClientSession {
    let store = Arc::<MemorySessionStore>::default();
    let first = connector(version, who).session_store(store.clone());
    assert!(!resumes(&first, acceptor, who).await);
    let mut sessions = Vec::new();
    let mut visit = |_: &SessionKey, session: &ClientSession| sessions.push(session.clone());
    SessionStore::for_each(&*store, &mut visit).await;
    sessions.pop().expect("the server has given one")
}

/// The same for a server of another name.
fn elsewhere(session: &ClientSession) -> ClientSession {
    let mut bytes = session.to_bytes();
    let name = b"localhost";
    let at = bytes.windows(name.len()).rposition(|at| at == name);
    bytes[at.expect("it has the name")..][..name.len()].copy_from_slice(b"elsewhere");
    ClientSession::from_bytes(&bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_does_not_wait_for_what_is_late() {
    let alice = &pki().client;
    for version in VERSIONS {
        // A tenth of the handshake's time, and at most a second.
        for (by, is_late) in [(900, false), (1_100, true)] {
            let by = Duration::from_millis(by);
            let how = How::Late(by);
            let good = MemoryServerSessionStore::default();
            let acceptor =
                TlsAcceptor::new(server(&[alice])).session_store(Arc::new(Wrong { good, how }));
            let connector = connector(version, alice);
            assert!(!resumes(&connector, &acceptor, alice).await);
            for _ in 0..2 {
                let start = Instant::now();
                assert_eq!(resumes(&connector, &acceptor, alice).await, !is_late);
                let limit = by.min(Duration::from_secs(1));
                let took = start.elapsed();
                assert!(took >= limit, "{version}: {took:?}");
                assert!(
                    took < limit + Duration::from_millis(20),
                    "{version}: {took:?}"
                );
            }
        }
    }
}

/// What cannot be resumed is a full handshake: a session of the other version, or one that has ended.
#[tokio::test]
async fn a_server_passes_over_what_does_not_fit() {
    let alice = &pki().client;
    for (version, other) in [(VERSIONS[0], VERSIONS[1]), (VERSIONS[1], VERSIONS[0])] {
        let ended = ended(&session_of(alice, version).await);
        for instead in [session_of(alice, other).await, ended] {
            let instead = Arc::new(Mutex::new(Some(instead)));
            let (good, how) = (
                MemoryServerSessionStore::default(),
                How::Instead(instead.clone()),
            );
            let store = Arc::new(Wrong { good, how });
            let acceptor = TlsAcceptor::new(server(&[alice])).session_store(store);
            let connector = connector(version, alice);
            for _ in 0..3 {
                assert!(!resumes(&connector, &acceptor, alice).await, "{version}");
            }
            *instead.lock().unwrap() = None;
            assert!(resumes(&connector, &acceptor, alice).await, "{version}");
        }
    }
}

/// A session of somebody else has another secret: a client that does not know it cannot have come back with it.
/// That ends the connection, at both ends, and who tries again without it comes in as who it is.
#[tokio::test]
async fn a_server_that_is_given_anothers_session_takes_nobody_for_another() {
    let (alice, bob) = (&pki().client, &bob());
    for version in VERSIONS {
        let instead = Arc::new(Mutex::new(None));
        let (good, how) = (
            MemoryServerSessionStore::default(),
            How::Instead(instead.clone()),
        );
        let store = Arc::new(Wrong { good, how });
        let acceptor = TlsAcceptor::new(server(&[alice, bob])).session_store(store);
        let connector = connector(version, bob);
        assert!(!resumes(&connector, &acceptor, bob).await);
        *instead.lock().unwrap() = Some(session_of(alice, version).await);
        let (client, server) = try_connect(&connector, &acceptor).await;
        let (client, server) = (client.unwrap_err(), server.unwrap_err());
        // The binder (RFC 8446 §4.2.11.2); before TLS 1.3 the first record.
        let alert = match version {
            ProtocolVersion::TLS_1_3 => "decrypt_error",
            _ => "bad_record_mac",
        };
        assert!(client.to_string().contains(alert), "{client}");
        assert!(server.to_string().contains(alert), "{server}");
        *instead.lock().unwrap() = None;
        // The client has forgotten what it had.
        assert!(!resumes(&connector, &acceptor, bob).await);
        assert!(resumes(&connector, &acceptor, bob).await);
    }
}

/// A client's store that gives what it was told, late.
struct Given {
    sessions: Vec<ClientSession>,
    late: Duration,
}

impl SessionStore for Given {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move {
            sleep(self.late).await;
            self.sessions.clone()
        })
    }

    fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What its store gives too late, or of another server, a client does not offer.
#[tokio::test(start_paused = true)]
async fn a_client_offers_nothing_that_is_not_its_own() {
    let alice = &pki().client;
    for version in VERSIONS {
        let acceptor = TlsAcceptor::new(server(&[alice]));
        let session = client_session(alice, version, &acceptor).await;
        let elsewhere = elsewhere(&session);
        for (sessions, late, resumed) in [
            (vec![session.clone()], 0, true),
            (vec![session.clone()], 1_100, false),
            (vec![elsewhere.clone()], 0, false),
            (vec![elsewhere, session], 0, true),
        ] {
            let late = Duration::from_millis(late);
            let store = Arc::new(Given { sessions, late });
            let connector = connector(version, alice).session_store(store);
            assert_eq!(resumes(&connector, &acceptor, alice).await, resumed);
        }
    }
}
