//! Stores of sessions: what is kept under which key, how long they may take, what they forget.

mod ends;

use std::sync::Arc;
use std::time::Duration;

use ends::*;
use portcullis::answers::{Answers, Questions};
use portcullis::pki_types::UnixTime;
use portcullis::question::{Answer, ChooseIdentity, IssueTickets, OpenTickets};
use portcullis::session::{ClientSession, SessionKey, TicketKeys};
use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Identity, LayeredSessionStore,
    MemorySessionStore, Refusal, ServerConfig, SessionStore, StoreFuture, TlsAcceptor,
    TlsConnector, TlsStream,
};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

/// A server that gives tickets, and looks at certificates if it sees any.
fn server() -> ServerConfig {
    server_config()
        .to_builder()
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).unwrap())
        .client_authentication(ClientAuthentication::DangerouslyUnverified)
        .build()
        .unwrap()
}

fn client(identities: &[&Identity]) -> ClientConfig {
    let client = ClientConfig::builder(pki().roots.clone());
    let identities = identities.iter().copied().cloned();
    let client = identities.fold(client, |client, one| client.identity(one));
    client.build().unwrap()
}

fn store() -> Arc<MemorySessionStore> {
    Arc::default()
}

type Ended = Result<TlsStream<DuplexStream>, portcullis::Error>;

async fn try_connect(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Ended, Ended) {
    let (client, server) = duplex(64 * 1024);
    tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server))
}

/// Whether it was resumed, and whom the server has seen; the client has read its tickets.
async fn connect(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (bool, Option<Vec<u8>>) {
    let (client, server) = try_connect(connector, acceptor).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
    assert_eq!(client.is_resumed(), server.is_resumed());
    let seen = server.peer_certificates().first();
    (server.is_resumed(), seen.map(|seen| seen.to_vec()))
}

fn certificate(identity: &Identity) -> Option<Vec<u8>> {
    Some(identity.chain()[0].to_vec())
}

/// To the server the client that resumes a session is the client that began it: bob is not alice.
#[tokio::test]
async fn one_store_for_all_identities() {
    let (alice, bob) = (&pki().client, &other_client());
    let (acceptor, store) = (TlsAcceptor::new(server()), store());
    let connectors = [&[alice][..], &[bob], &[]].map(|identities| {
        let connector = TlsConnector::new(client(identities)).session_store(store.clone());
        (connector, identities.first().copied())
    });
    for resumed in [false, true, true] {
        for (connector, identity) in &connectors {
            let seen = identity.and_then(certificate);
            assert_eq!(connect(connector, &acceptor).await, (resumed, seen));
        }
    }
}

fn other_client() -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["bob".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let key = portcullis::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Identity::from_der(vec![der], &key).unwrap()
}

/// Chooses this identity, whatever is configured.
#[derive(Clone)]
struct Choosing(Option<Identity>);

impl Answers for Choosing {
    fn questions(&self) -> Questions {
        Questions::none().and_identity()
    }

    async fn choose_identity(&self, question: ChooseIdentity) -> Answer {
        match &self.0 {
            Some(identity) => question.present(identity.clone()),
            None => question.present_none(),
        }
    }
}

/// Nobody knows who this side will be: what showed a certificate is kept under a name only.
#[tokio::test]
async fn sessions_of_identities_that_are_chosen() {
    let alice = pki().client.clone();
    let (acceptor, store) = (TlsAcceptor::new(server()), store());
    let choosing = |who: Option<&Identity>| {
        TlsConnector::new(client(&[]))
            .answers(Choosing(who.cloned()))
            .session_store(store.clone())
    };
    let seen = certificate(&alice);
    for _ in 0..2 {
        let connected = connect(&choosing(Some(&alice)), &acceptor).await;
        assert_eq!(connected, (false, seen.clone()));
        assert!(store.is_empty());
    }
    // Whoever has shown nothing is nobody.
    for resumed in [false, true] {
        let connected = connect(&choosing(None), &acceptor).await;
        assert_eq!(connected, (resumed, None));
    }
    store.clear();

    // Under the caller's name for it.
    let named = |who, name: &str| choosing(who).service_name(name);
    for resumed in [false, true] {
        let connected = connect(&named(Some(&alice), "alice"), &acceptor).await;
        assert_eq!(connected, (resumed, seen.clone()));
        let connected = connect(&named(None, "nobody"), &acceptor).await;
        assert_eq!(connected, (resumed, None));
    }
    // By hand.
    let key = |name| {
        let config = client(&[]).to_builder().ask_identity(true).build();
        SessionKey::new(&config.unwrap(), ends::name(), name)
    };
    let session = store.take(&key(Some("alice")), UnixTime::now()).await;
    assert!(session[0].is_authenticated());
    assert!(!key(None).admits(&session[0]) && key(Some("alice")).admits(&session[0]));
    let connected = connect(&choosing(None).offering(session), &acceptor).await;
    assert_eq!(connected, (true, seen));
}

/// A store whose keys are wrong: it gives every session to anybody.
struct Careless(MemorySessionStore);

impl Careless {
    fn key() -> SessionKey {
        SessionKey::new(&client(&[]), name(), None)
    }
}

impl SessionStore for Careless {
    fn take<'a>(&'a self, _: &'a SessionKey, now: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move { self.0.take(&Self::key(), now).await })
    }

    fn put<'a>(&'a self, _: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.0.put(&Self::key(), session).await })
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.0.forget(&Self::key()).await })
    }
}

#[tokio::test]
async fn a_store_that_mixes_them_up_makes_nobody_another() {
    let (alice, bob) = (&pki().client, &other_client());
    let store = Arc::new(Careless(MemorySessionStore::default()));
    let acceptor = TlsAcceptor::new(server());
    let of = |identity| TlsConnector::new(client(&[identity])).session_store(store.clone());
    connect(&of(alice), &acceptor).await;
    assert_eq!(connect(&of(bob), &acceptor).await.1, certificate(bob));
    connect(&of(alice), &acceptor).await;
    let chooses = TlsConnector::new(client(&[]))
        .answers(Choosing(None))
        .session_store(store.clone());
    assert_eq!(connect(&chooses, &acceptor).await, (false, None));
}

/// Never answers, and has nothing.
struct Stuck;

impl SessionStore for Stuck {
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

impl Answers for Stuck {
    fn questions(&self) -> Questions {
        Questions::none().and_tickets()
    }

    async fn open_tickets(&self, _: OpenTickets) -> Answer {
        std::future::pending().await
    }

    async fn issue_tickets(&self, _: IssueTickets) -> Answer {
        std::future::pending().await
    }
}

/// A tenth of the handshake's time, and at most a second.
const LIMITS: [(u64, u64); 3] = [(3_000, 300), (10_000, 1_000), (60_000, 1_000)];

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_costs_little() {
    let acceptor = TlsAcceptor::new(server());
    for (timeout, limit) in LIMITS {
        let connector = connector()
            .session_store(Arc::new(Stuck))
            .handshake_timeout(Duration::from_millis(timeout));
        let start = Instant::now();
        assert!(!connect(&connector, &acceptor).await.0);
        let took = start.elapsed();
        let limit = Duration::from_millis(limit);
        assert!(
            took >= limit && took < limit + Duration::from_millis(10),
            "{took:?}"
        );
    }
}

/// Memory before it: who comes back is resumed, and waits for nobody.
#[tokio::test(start_paused = true)]
async fn memory_before_a_store_that_never_answers() {
    let acceptor = TlsAcceptor::new(server());
    let store = LayeredSessionStore::new(MemorySessionStore::default(), Arc::new(Stuck));
    let connector = connector().session_store(Arc::new(store));
    connect(&connector, &acceptor).await;
    for _ in 0..3 {
        let start = Instant::now();
        assert!(connect(&connector, &acceptor).await.0);
        assert!(start.elapsed() < Duration::from_millis(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_store_that_never_answers_costs_little() {
    for (timeout, limit) in LIMITS {
        let acceptor = TlsAcceptor::new(server());
        let stuck = TlsAcceptor::new(server())
            .answers(Stuck)
            .handshake_timeout(Duration::from_millis(timeout));
        let store = store();
        let connector = connector().session_store(store.clone());
        connect(&connector, &acceptor).await;
        assert_eq!(store.len(), 3);
        let start = Instant::now();
        assert!(!connect(&connector, &stuck).await.0);
        let took = start.elapsed();
        // Once for the tickets that came, once for those that were to go.
        let limit = 2 * Duration::from_millis(limit);
        assert!(
            took >= limit && took < limit + Duration::from_millis(10),
            "{took:?}"
        );
        assert_eq!(store.len(), 2, "no tickets came");
    }
}

/// Ends every connection that offers a ticket, and gives tickets.
struct Aborts;

impl Answers for Aborts {
    fn questions(&self) -> Questions {
        Questions::none().and_tickets()
    }

    async fn open_tickets(&self, question: OpenTickets) -> Answer {
        let alert = AlertDescription::HANDSHAKE_FAILURE;
        question.refuse(Refusal::new(alert, "no tickets"))
    }
}

/// What the sessions of [`connector`] are under.
fn key() -> SessionKey {
    SessionKey::new(&client_config(), name(), None)
}

#[tokio::test]
async fn a_server_that_ends_with_every_ticket_costs_one_connection() {
    let store = store();
    let aborts = TlsAcceptor::new(server()).answers(Aborts);
    let connector = connector().session_store(store.clone());
    connect(&connector, &aborts).await;
    // As many as a store keeps.
    let session = store.take(&key(), UnixTime::now()).await.remove(0);
    for _ in 0..4 {
        store.put(&key(), session.clone()).await;
    }
    assert_eq!(store.len(), 6);
    let elsewhere = SessionKey::new(&client_config(), "other.example".try_into().unwrap(), None);
    store.put(&elsewhere, session).await;
    let mut failures = 0;
    while try_connect(&connector, &aborts).await.0.is_err() {
        failures += 1;
    }
    assert_eq!(failures, 1);
    // Those of others are there.
    assert_eq!(store.take(&elsewhere, UnixTime::now()).await.len(), 1);
}

/// The same with a server that closes, or says nothing.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_after_a_ticket_is_told_none_again() {
    let acceptor = TlsAcceptor::new(server());
    for closes in [true, false] {
        let store = store();
        let connector = connector().session_store(store.clone());
        connect(&connector, &acceptor).await;
        let (near, far) = duplex(64 * 1024);
        let far = (!closes).then_some(far);
        let error = connector.upgrade(near, name()).await.unwrap_err();
        assert_eq!(error.is_timeout(), !closes);
        assert!(store.is_empty());
        drop(far);
    }
}

/// Giving up by oneself says nothing about the server, nor does what was given by hand about the
/// store.
#[tokio::test]
async fn what_costs_no_sessions() {
    let acceptor = TlsAcceptor::new(server());
    let aborts = TlsAcceptor::new(server()).answers(Aborts);
    let store = store();
    let connector = connector().session_store(store.clone());
    connect(&connector, &acceptor).await;
    assert_eq!(store.len(), 3);
    let (near, far) = duplex(64 * 1024);
    let client = async {
        let paused = connector.pause_at_hello(near, name()).await.unwrap();
        paused.cancel().await
    };
    let _ = tokio::join!(client, acceptor.upgrade(far));
    assert_eq!(store.len(), 2, "one was used");
    let by_hand = store.take(&key(), UnixTime::now()).await;
    let offering = connector.offering(by_hand);
    assert!(try_connect(&offering, &aborts).await.0.is_err());
    assert_eq!(store.len(), 1);
}
