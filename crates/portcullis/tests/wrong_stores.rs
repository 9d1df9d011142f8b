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
        let ended = {
            let mut bytes = session_of(alice, version).await.to_bytes();
            // The lifetime is before the time of its issue, which is last.
            let at = bytes.len() - 12;
            bytes[at..at + 4].copy_from_slice(&[0; 4]);
            ServerSession::from_bytes(&bytes).unwrap()
        };
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
        let store = Arc::<MemorySessionStore>::default();
        let acceptor = TlsAcceptor::new(server(&[alice]));
        let first = connector(version, alice).session_store(store.clone());
        assert!(!resumes(&first, &acceptor, alice).await);
        let mut sessions = Vec::new();
        let mut visit = |_: &SessionKey, session: &ClientSession| sessions.push(session.clone());
        SessionStore::for_each(&*store, &mut visit).await;
        let session = sessions.pop().expect("the server has given one");
        // The same for a server of another name.
        let elsewhere = session.to_bytes();
        let name = b"localhost";
        let at = elsewhere.windows(name.len()).rposition(|at| at == name);
        let mut elsewhere = elsewhere;
        elsewhere[at.expect("it has the name")..][..name.len()].copy_from_slice(b"elsewhere");
        let elsewhere = ClientSession::from_bytes(&elsewhere).unwrap();
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
