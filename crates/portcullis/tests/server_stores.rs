//! Sessions that a server keeps in a store: by ids before TLS 1.3, under tickets since.

mod ends;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::*;
use portcullis::answers::{Answers, Questions};
use portcullis::pki_types::UnixTime;
use portcullis::question::{Answer, ChooseConfiguration, VerifyChain};
use portcullis::session::{ClientSession, ServerSession, TicketKeys};
use portcullis::{
    ClientAuthentication, ClientConfig, MemoryServerSessionStore, ProtocolVersion, ServerConfig,
    ServerSessionStore, StoreFuture, TicketKeyFile, TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

/// One that resumes whenever it can.
fn connector(version: ProtocolVersion) -> TlsConnector {
    let client = ClientConfig::builder(pki().roots.clone()).versions([version]);
    TlsConnector::new(client.identity(pki().client.clone()).build().unwrap())
}

fn server() -> ServerConfig {
    let required = ClientAuthentication::Required(pki().roots.clone());
    let server = server_config().to_builder().client_authentication(required);
    server.versions(VERSIONS).build().unwrap()
}

fn acceptor(store: &Arc<MemoryServerSessionStore>) -> TlsAcceptor {
    TlsAcceptor::new(server()).session_store(store.clone())
}

type Ended = Result<TlsStream<DuplexStream>, portcullis::Error>;

async fn try_connect(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Ended, Ended) {
    let (client, server) = duplex(64 * 1024);
    tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
}

/// Whether it was resumed; the client has read its tickets, and the server knows who it is.
async fn resumes(connector: &TlsConnector, acceptor: &TlsAcceptor) -> bool {
    let (client, server) = try_connect(connector, acceptor).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
    assert_eq!(client.is_resumed(), server.is_resumed());
    assert_eq!(server.peer_certificates(), pki().client.chain());
    server.is_resumed()
}

#[tokio::test]
async fn servers_that_share_a_store_resume_each_others_connections() {
    for version in VERSIONS {
        let store = Arc::<MemoryServerSessionStore>::default();
        let acceptors = [acceptor(&store), acceptor(&store)];
        let connector = connector(version);
        assert!(!resumes(&connector, &acceptors[0]).await);
        let kept = store.len();
        for acceptor in [&acceptors[1], &acceptors[0], &acceptors[1]] {
            assert!(resumes(&connector, acceptor).await, "{version}");
        }
        match version {
            // Each ticket was spent, and each connection brought one in its place.
            ProtocolVersion::TLS_1_3 => assert_eq!((kept, store.len()), (3, 3)),
            _ => assert_eq!((kept, store.len()), (1, 1)),
        }
        store.clear();
        assert!(!resumes(&connector, &acceptors[0]).await, "{version}");
        // Another server has another store.
        assert!(!resumes(&connector, &acceptor(&Arc::default())).await);
    }
}

/// Goes on with a configuration of its own, or with the one that is shown to it, and looks at chains.
#[derive(Clone)]
struct Hosts {
    chosen: Option<ServerConfig>,
    chains: Arc<AtomicUsize>,
}

impl Answers for Hosts {
    fn questions(&self) -> Questions {
        Questions::none().and_hello().and_chain()
    }

    async fn choose_configuration(&self, question: ChooseConfiguration) -> Answer {
        let shown = question.config().clone();
        question.use_config(self.chosen.clone().unwrap_or(shown))
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        self.chains.fetch_add(1, Ordering::Relaxed);
        question.verify()
    }
}

/// Whoever has chosen it: sessions are in the acceptor's store, and chains are shown to its answers.
#[tokio::test]
async fn a_configuration_that_is_chosen_is_treated_as_the_acceptors() {
    for version in VERSIONS {
        for chosen in [Some(server()), None] {
            let store = Arc::<MemoryServerSessionStore>::default();
            let chains = Arc::<AtomicUsize>::default();
            let hosts = Hosts {
                chosen,
                chains: chains.clone(),
            };
            let connector = connector(version);
            for resumed in [false, true, true] {
                let acceptor = acceptor(&store).answers(hosts.clone());
                assert_eq!(resumes(&connector, &acceptor).await, resumed, "{version}");
            }
            assert!(!store.is_empty());
            // Also of the sessions.
            assert_eq!(chains.load(Ordering::Relaxed), 3);
        }
    }
    let keys = TicketKeys::rotating(Duration::from_secs(600)).unwrap();
    let contradicts = server().to_builder().ticket_keys(keys).build().unwrap();
    let hosts = Hosts {
        chosen: Some(contradicts),
        chains: Arc::default(),
    };
    let acceptor = acceptor(&Arc::default()).answers(hosts);
    let (client, server) = try_connect(&connector(VERSIONS[0]), &acceptor).await;
    let why = server.unwrap_err().to_string();
    assert!(
        why.contains("session_store: the configuration has ticket_keys"),
        "{why}"
    );
    // It is told, and does not wait.
    assert!(client.unwrap_err().alert().is_some());
}

/// RFC 8446 §8.1, §C.4: who sends a ticket twice has a full handshake.
#[tokio::test]
async fn a_ticket_is_good_for_one_connection() {
    let store = Arc::<MemoryServerSessionStore>::default();
    let acceptor = acceptor(&store);
    let client = ClientConfig::builder(pki().roots.clone()).session_tickets(true);
    let client = client.identity(pki().client.clone()).build().unwrap();
    let connector = TlsConnector::new(client);
    let (client, server) = try_connect(&connector, &acceptor).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hello"]).await.unwrap();
    client.recv(5).await.unwrap();
    let session = client.take_session().unwrap();
    let again = connector.offering([session.clone()]);
    assert!(resumes(&again, &acceptor).await);
    let again = connector.offering([session]);
    assert!(!resumes(&again, &acceptor).await);
}

/// A store that counts the sessions of before TLS 1.3 that somebody takes out.
#[derive(Default)]
struct Watched {
    sessions: MemoryServerSessionStore,
    taken: AtomicUsize,
}

impl ServerSessionStore for Watched {
    fn put<'a>(&'a self, id: &'a [u8], new: ServerSession, until: UnixTime) -> StoreFuture<'a, ()> {
        self.sessions.put(id, new, until)
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        self.sessions.get(id, now)
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            let session = self.sessions.claim(id, now).await?;
            if session.version() != ProtocolVersion::TLS_1_3 {
                self.taken.fetch_add(1, Ordering::Relaxed);
            }
            Some(session)
        })
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        ServerSessionStore::forget(&self.sessions, id)
    }
}

/// The id of a session of TLS 1.2 is in the clear: whoever shows it as a ticket of TLS 1.3 gets
/// nothing for it, and takes nothing away, not even for as long as it takes to put it back: whoever has it forgotten
/// meanwhile would be told that it is gone. Nor is what a ticket is kept under an id.
#[tokio::test]
async fn an_id_is_no_ticket() {
    let store = Arc::<Watched>::default();
    let acceptor = TlsAcceptor::new(server()).session_store(store.clone());
    let mut sessions = Vec::new();
    for version in VERSIONS {
        let client = ClientConfig::builder(pki().roots.clone()).session_tickets(true);
        let client = client.versions([version]).identity(pki().client.clone());
        let connector = TlsConnector::new(client.build().unwrap());
        let (client, server) = try_connect(&connector, &acceptor).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.send(&[b"hello"]).await.unwrap();
        client.recv(5).await.unwrap();
        sessions.push((connector, client.take_session().unwrap()));
    }
    let [(newer, ticket), (older, id)] = &sessions[..] else {
        panic!("two versions")
    };
    // Both have 32 bytes, and 16 behind them.
    let name = |bytes: &[u8]| bytes.len() - 48..bytes.len() - 16;
    let (id_bytes, ticket_bytes) = (id.to_bytes(), ticket.to_bytes());
    let mut bytes = ticket_bytes.to_vec();
    let place = name(&bytes);
    bytes[place].copy_from_slice(&id_bytes[name(&id_bytes)]);
    let stolen = ClientSession::from_bytes(&bytes).unwrap();
    assert!(!resumes(&newer.offering([stolen]), &acceptor).await);
    assert_eq!(store.taken.load(Ordering::Relaxed), 0);
    for length in [31, 32] {
        let mut bytes = id_bytes.to_vec();
        let place = name(&bytes);
        bytes[place.start - 1] = length;
        let length = usize::from(length);
        bytes.splice(
            place,
            ticket_bytes[name(&ticket_bytes)][..length].iter().copied(),
        );
        let stolen = ClientSession::from_bytes(&bytes).unwrap();
        assert!(!resumes(&older.offering([stolen]), &acceptor).await);
    }
    assert!(resumes(&newer.offering([ticket.clone()]), &acceptor).await);
    assert!(resumes(&older.offering([id.clone()]), &acceptor).await);
}

#[tokio::test]
async fn one_way_of_resuming_for_each_version() {
    let store = Arc::<MemoryServerSessionStore>::default();
    let keys = || TicketKeys::rotating(Duration::from_secs(7_200)).unwrap();
    let with_keys = server().to_builder().ticket_keys(keys()).build().unwrap();
    let without = server().to_builder().resumption(false).build().unwrap();
    for (config, option) in [(with_keys, "ticket_keys"), (without, "resumption(false)")] {
        let acceptor = TlsAcceptor::new(config).session_store(store.clone());
        let (_, server) = try_connect(&connector(VERSIONS[0]), &acceptor).await;
        let error = server.unwrap_err();
        assert!(error.to_string().contains(option), "{error}");
    }
    // Before TLS 1.3 a client has tickets or it has an id.
    let older = [ProtocolVersion::TLS_1_2];
    let config = server().to_builder().versions(older).ticket_keys(keys());
    let acceptor = TlsAcceptor::new(config.build().unwrap()).session_store(store.clone());
    let connector = connector(older[0]);
    assert!(!resumes(&connector, &acceptor).await);
    assert!(resumes(&connector, &acceptor).await);
    assert!(store.is_empty());
}

/// Never answers, or when it is told.
#[derive(Default)]
struct Slow {
    puts: AtomicUsize,
}

impl ServerSessionStore for Slow {
    fn put<'a>(&'a self, _: &'a [u8], _: ServerSession, _: UnixTime) -> StoreFuture<'a, ()> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }

    fn get<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(std::future::pending())
    }

    fn claim<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_costs_little() {
    // Looking costs a second; so does keeping in TLS 1.3, whose tickets then do not go out.
    for (version, first, again) in [(VERSIONS[0], 1, 2), (VERSIONS[1], 0, 1)] {
        let slow = TlsAcceptor::new(server()).session_store(Arc::new(Slow::default()));
        let connector = connector(version);
        for seconds in [first, again] {
            let start = Instant::now();
            assert!(!resumes(&connector, &slow).await);
            let (took, limit) = (start.elapsed(), Duration::from_secs(seconds));
            assert!(took >= limit, "{version}: {took:?}");
            assert!(
                took < limit + Duration::from_millis(10),
                "{version}: {took:?}"
            );
            // What it offers to the slow one comes from another.
            resumes(&connector, &acceptor(&Arc::default())).await;
        }
    }
}

/// What waits for it is bounded, whatever comes.
#[tokio::test(start_paused = true)]
async fn sessions_that_wait_for_a_store_are_bounded() {
    let slow = Arc::new(Slow::default());
    let acceptor = TlsAcceptor::new(server()).session_store(slow.clone());
    let connector = connector(VERSIONS[1]).without_resumption();
    for _ in 0..1_030 {
        let (client, server) = try_connect(&connector, &acceptor).await;
        client.unwrap();
        server.unwrap();
    }
    assert_eq!(slow.puts.load(Ordering::Relaxed), 1_024);
    // They are given up in time, and there is room again.
    tokio::time::sleep(Duration::from_secs(31)).await;
    try_connect(&connector, &acceptor).await.1.unwrap();
    assert_eq!(slow.puts.load(Ordering::Relaxed), 1_025);
}

/// Notes what it is given.
#[derive(Default)]
struct Noting(Mutex<Vec<(Vec<u8>, ServerSession)>>);

impl ServerSessionStore for Noting {
    fn put<'a>(&'a self, id: &'a [u8], session: ServerSession, _: UnixTime) -> StoreFuture<'a, ()> {
        self.0.lock().unwrap().push((id.to_vec(), session));
        Box::pin(std::future::ready(()))
    }

    fn get<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(std::future::ready(None))
    }

    fn claim<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(std::future::ready(None))
    }

    fn forget<'a>(&'a self, _: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Sessions as servers make them.
async fn sessions(version: ProtocolVersion, count: usize) -> Vec<(Vec<u8>, ServerSession)> {
    let store = Arc::new(Noting::default());
    let acceptor = TlsAcceptor::new(server()).session_store(store.clone());
    while store.0.lock().unwrap().len() < count {
        assert!(!resumes(&connector(version), &acceptor).await);
    }
    let mut sessions = store.0.lock().unwrap();
    sessions.drain(..count).collect()
}

fn later(session: &ServerSession, seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(session.issued_at().as_secs() + seconds))
}

#[tokio::test]
async fn a_store_in_memory_is_bounded() {
    for version in VERSIONS {
        let sessions = sessions(version, 9).await;
        let now = sessions[0].1.issued_at();
        let until = later(&sessions[0].1, 7_200);
        let by_count = MemoryServerSessionStore::new(4, usize::MAX);
        for (id, session) in &sessions {
            by_count.put(id, session.clone(), until).await;
            assert!(by_count.len() <= 4);
        }
        let there = async |store: &MemoryServerSessionStore| {
            let mut there = 0;
            for (at, (id, _)) in sessions.iter().enumerate() {
                let is_there = store.get(id, now).await.is_some();
                // The oldest have made room.
                assert_eq!(is_there, at >= sessions.len() - store.len(), "{at}");
                there += usize::from(is_there);
            }
            there
        };
        assert_eq!(there(&by_count).await, 4);
        // By their bytes: room for three and a half.
        let each = by_count.bytes() / 4;
        let by_bytes = MemoryServerSessionStore::new(100, 3 * each + each / 2);
        for (id, session) in &sessions {
            by_bytes.put(id, session.clone(), until).await;
            assert!(by_bytes.bytes() <= 3 * each + each / 2);
        }
        assert_eq!(there(&by_bytes).await, 3);
        for store in [
            MemoryServerSessionStore::new(0, usize::MAX),
            MemoryServerSessionStore::new(9, each / 2),
        ] {
            store
                .put(&sessions[0].0, sessions[0].1.clone(), until)
                .await;
            assert!(store.is_empty());
        }
        // The same again takes no more room.
        let before = (by_bytes.len(), by_bytes.bytes());
        let (id, session) = &sessions[8];
        by_bytes.put(id, session.clone(), until).await;
        assert_eq!((by_bytes.len(), by_bytes.bytes()), before);
        for (id, _) in &sessions {
            by_bytes.forget(id).await;
        }
        assert_eq!((by_bytes.len(), by_bytes.bytes()), (0, 0));
    }
}

#[tokio::test]
async fn a_store_in_memory_gives_what_is_good_and_claims_once() {
    let sessions = sessions(VERSIONS[0], 3).await;
    let store = Arc::new(MemoryServerSessionStore::default());
    let [(id, session), (other, _), _] = &sessions[..] else {
        unreachable!()
    };
    let now = session.issued_at();
    let until = later(session, 100);
    store.put(id, session.clone(), until).await;
    assert!(store.get(other, now).await.is_none());
    assert!(store.get(id, later(session, 99)).await.is_some());
    assert!(store.get(id, now).await.is_some());
    // Of many who claim it one gets it.
    let claims: Vec<_> = (0..16)
        .map(|_| {
            let (store, id) = (store.clone(), id.clone());
            std::thread::spawn(move || {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                match store.claim(&id, now).as_mut().poll(&mut cx) {
                    std::task::Poll::Ready(session) => session.is_some(),
                    std::task::Poll::Pending => panic!("it is ready at once"),
                }
            })
        })
        .collect();
    let claimed = claims.into_iter().map(|claim| claim.join().unwrap());
    assert_eq!(claimed.filter(|claimed| *claimed).count(), 1);
    assert!(store.is_empty());
    // What has expired is not given, and goes when it is met, or when another comes.
    store.put(id, session.clone(), until).await;
    assert!(store.get(id, until).await.is_none());
    assert!(store.is_empty());
    store.put(id, session.clone(), until).await;
    assert!(store.claim(id, until).await.is_none());
    // This one is too small to be in parts.
    let store = MemoryServerSessionStore::new(16, 64 * 1024);
    store.put(id, session.clone(), now).await;
    store.put(other, session.clone(), until).await;
    assert_eq!(store.len(), 1);
    assert!(format!("{store:?}").contains("len: 1"));
    assert!(store.bytes() > 0);
}

/// Keys that a program writes into a file go to the servers that look at it, and nothing wrong does.
#[tokio::test]
async fn ticket_keys_of_a_file() {
    let path = std::env::temp_dir().join(format!("portcullis-ticket-keys-{}", std::process::id()));
    let write = |secrets: &[&[u8]]| {
        let new = path.with_extension("new");
        std::fs::write(&new, secrets.concat()).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    let ([old, new], every) = ([[1; 48], [2; 48]], Duration::from_millis(10));
    let missing = TicketKeyFile::open(&path, every).await.unwrap_err();
    assert!(
        missing.to_string().contains("ticket keys from /"),
        "{missing}"
    );
    write(&[&old]);
    let file = TicketKeyFile::open(&path, every).await.unwrap();
    let fixed = |secrets: &[&[u8; 48]]| {
        let keys = TicketKeys::shared(secrets.iter().copied()).unwrap();
        TlsAcceptor::new(server().to_builder().ticket_keys(keys).build().unwrap())
    };
    let config = server().to_builder().ticket_keys(file.keys());
    let watching = TlsAcceptor::new(config.build().unwrap());
    let settled = async |is_wrong: bool| {
        tokio::time::sleep(Duration::from_millis(30)).await;
        for _ in 0..500 {
            if file.last_error().is_some() == is_wrong {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", file.last_error());
    };
    let connector = connector(ProtocolVersion::TLS_1_3);
    assert!(!resumes(&connector, &fixed(&[&old])).await);
    assert!(resumes(&connector, &watching).await);

    // What is wrong changes nothing.
    for (wrong, says) in [
        (&[&[3; 47][..]][..], "47 bytes"),
        (&[&[]], "0 bytes"),
        (&[&[3; 48 * 17]], "more than 768 bytes"),
        (&[&new, &new], "the same name"),
        (&[&[3; 16], &[0; 32]], "all zero"),
    ] {
        write(wrong);
        settled(true).await;
        let error = file.last_error().unwrap().to_string();
        assert!(error.contains(says), "{error}");
        assert!(resumes(&connector, &watching).await);
        write(&[&old]);
        settled(false).await;
    }
    std::fs::remove_file(&path).unwrap();
    settled(true).await;
    assert!(resumes(&connector, &watching).await);

    // The new one behind the old one, then before it.
    write(&[&new, &old]);
    settled(false).await;
    assert!(resumes(&connector, &watching).await, "the old one opens");
    // It has got tickets of the new one, which the old one alone does not open.
    assert!(resumes(&connector, &fixed(&[&new])).await);
    assert!(resumes(&connector, &watching).await);
    let other = self::connector(ProtocolVersion::TLS_1_3);
    assert!(!resumes(&other, &watching).await);
    assert!(!resumes(&other, &fixed(&[&old])).await);
    std::fs::remove_file(&path).unwrap();
}
