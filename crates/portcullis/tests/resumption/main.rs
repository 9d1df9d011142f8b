//! Sessions are resumed: from a store, by hand, by sealed tickets and by asked ones.

#[path = "../ends/mod.rs"]
mod ends;

mod stores;
mod transports;

use std::sync::Arc;
use std::time::Duration;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::answers::{Answers, Questions};
use portcullis::pki_types::UnixTime;
use portcullis::session::{ClientSession, SessionKey, TicketKeys};
use portcullis::{
    Active, ClientAuthentication, ClientConfig, MemorySessionStore, Message, OcspPolicy,
    ProtocolVersion, Reloadable, ServerConfig, ServerName, SessionStore as _, TlsAcceptor,
    TlsConnector, TlsListener, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

fn resuming_server() -> ServerConfig {
    server_config()
        .to_builder()
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200)).unwrap())
        .build()
        .unwrap()
}

/// A client that can resume, and keeps nothing.
fn by_hand() -> TlsConnector {
    let config = client_config().to_builder().session_tickets(true).build();
    TlsConnector::new(config.unwrap())
}

/// Under what the sessions of [`connector`] are kept.
fn key() -> SessionKey {
    SessionKey::new(&client_config(), name(), None)
}

fn with_store() -> (TlsConnector, Arc<MemorySessionStore>) {
    let store = Arc::new(MemorySessionStore::default());
    (connector().session_store(store.clone()), store)
}

type Pair = (TlsStream<DuplexStream>, TlsStream<DuplexStream>);

/// Both ends of a connection, which agree on whether it is resumed, after the client has read
/// the server's first words and with them its tickets.
async fn connect_as(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    name: ServerName<'static>,
) -> Pair {
    let (client, server) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(client, name), acceptor.upgrade(server));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.is_resumed(), server.is_resumed());
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
    (client, server)
}

async fn connect(connector: &TlsConnector, acceptor: &TlsAcceptor) -> Pair {
    connect_as(connector, acceptor, name()).await
}

#[tokio::test]
async fn a_store_resumes_the_second_connection() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (connector, store) = with_store();
    let (first, _) = connect(&connector, &acceptor).await;
    assert!(!first.is_resumed());
    assert_eq!(store.len(), 3);
    let (second, _) = connect(&connector, &acceptor).await;
    assert!(second.is_resumed() && second.information().is_resumed());
    assert_eq!(
        first.peer_certificates(),
        second.peer_certificates(),
        "the server is still known"
    );
    assert_eq!(store.len(), 3, "one was used, one is new");
}

/// Answers that leave everything as it is.
struct AsConfigured(Questions);

impl Answers for AsConfigured {
    fn questions(&self) -> Questions {
        self.0
    }
}

/// Whoever looks at OCSP responses resumes only by what the same configuration has judged. It stays the same however
/// much is asked, and when it is replaced by one that demands the same.
#[tokio::test]
async fn a_client_that_checks_ocsp_resumes_whatever_is_asked() {
    let config = client_config().to_builder().ocsp(OcspPolicy::Accept);
    let config = config.build().unwrap();
    for questions in [
        Questions::none(),
        Questions::none().and_hello(),
        Questions::none().and_chain(),
        Questions::all(),
    ] {
        let acceptor = TlsAcceptor::new(resuming_server());
        let connector = TlsConnector::new(config.clone()).answers(AsConfigured(questions));
        assert!(!connect(&connector, &acceptor).await.0.is_resumed());
        for _ in 0..2 {
            let (client, _) = connect(&connector, &acceptor).await;
            assert!(client.is_resumed(), "{questions:?}");
        }
        let place = connector.reloadable();
        let same = place.current().to_builder().key_update_at(1 << 30).build();
        place.replace(same.unwrap());
        assert!(connect(&connector, &acceptor).await.0.is_resumed());
        // Who demands more has not judged it.
        let more = place.current().to_builder().depth(1);
        place.replace(more.build().unwrap());
        assert!(!connect(&connector, &acceptor).await.0.is_resumed());
    }
}

#[tokio::test]
async fn a_ticket_is_used_once() {
    let config = resuming_server().to_builder().ticket_count(1).build();
    let acceptor = TlsAcceptor::new(config.unwrap());
    let (connector, store) = with_store();
    connect(&connector, &acceptor).await;
    let taken = store.take(&key(), UnixTime::now()).await;
    assert_eq!(taken.len(), 1);
    assert!(store.is_empty());
    assert!(!connect(&connector, &acceptor).await.0.is_resumed());

    let offering = by_hand().offering(taken);
    assert!(connect(&offering, &acceptor).await.0.is_resumed());
    assert!(!connect(&offering.clone(), &acceptor).await.0.is_resumed());
}

#[tokio::test]
async fn without_store_and_option_nothing_is_kept() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let connector = connector();
    for _ in 0..2 {
        let (mut client, _server) = connect(&connector, &acceptor).await;
        assert!(!client.is_resumed());
        assert!(client.take_session().is_none());
    }
    let session = {
        let (mut client, _server) = connect(&by_hand(), &acceptor).await;
        client.take_session().unwrap()
    };
    let (near, _far) = duplex(1024);
    let off = client_config().to_builder().session_tickets(false).build();
    let off = TlsConnector::new(off.unwrap()).offering([session]);
    let error = off.upgrade(near, name()).await.unwrap_err();
    assert_eq!(error.alert(), None);
    assert_eq!(
        error.to_string(),
        "a session was given, but session_tickets is off in the client's configuration, while starting the \
         handshake"
    );
}

#[tokio::test]
async fn sessions_are_taken_written_down_and_offered() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (mut client, _server) = connect(&by_hand(), &acceptor).await;
    let sessions: Vec<_> = std::iter::from_fn(|| client.take_session()).collect();
    assert_eq!(sessions.len(), 3);
    for session in sessions {
        assert_eq!(session.server_name(), &name());
        assert!(!session.is_expired(UnixTime::now()));
        let session = ClientSession::from_bytes(&session.to_bytes()).unwrap();
        let (client, _server) = connect(&by_hand().offering([session]), &acceptor).await;
        assert!(client.is_resumed());
    }
}

/// Tickets are found however a connection is read.
#[tokio::test]
async fn every_way_of_reading_finds_sessions() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let both = async || {
        let (client, server) = duplex(64 * 1024);
        let connector = by_hand();
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        (client.unwrap(), server.unwrap())
    };

    let (mut client, mut server) = both().await;
    assert!(client.take_session().is_none(), "nothing was read");
    assert!(now(client.recv(0)).await.is_none(), "no data came");
    assert!(client.take_session().is_some());
    server.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(1).await.unwrap()[..], b"h");

    let (client, mut server) = both().await;
    let (mut reader, writer) = client.into_split();
    server.send(&[b"hello"]).await.unwrap();
    reader.read_exact(&mut [0; 5]).await.unwrap();
    assert!(reader.take_session().is_some());
    let mut client = reader.reunite(writer).unwrap();
    assert!(client.take_session().is_some());

    let (mut client, _server) = both().await;
    assert!(now(client.read(&mut [0; 3])).await.is_none());
    assert!(client.take_session().is_some());
}

/// A client that only sends gets its tickets when it closes.
#[tokio::test]
async fn closing_finds_sessions() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (connector, store) = with_store();
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    let limit = Duration::from_secs(5);
    let (mut client, server) = (client.unwrap(), server.unwrap());
    client.send(&[b"that is all"]).await.unwrap();
    assert!(store.is_empty());
    let (client, server) = tokio::join!(client.close(limit), server.close(limit));
    client.unwrap();
    server.unwrap();
    assert_eq!(store.len(), 3);
}

/// OTP: `{ssl, session_ticket, …}`.
#[tokio::test]
async fn sessions_are_delivered_beside_data() {
    let acceptor = TlsAcceptor::new(resuming_server());
    for split in [false, true] {
        let (client, server) = duplex(64 * 1024);
        let connector = by_hand();
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        let (client, mut server) = (client.unwrap(), server.unwrap());
        server.send(&[b"hello"]).await.unwrap();
        server.shutdown().await.unwrap();
        let messages: Vec<Message> = if split {
            let (reader, _writer) = client.into_split();
            reader.into_active(Active::True).collect().await
        } else {
            client.into_active(Active::True).collect().await
        };
        let sessions = messages
            .iter()
            .filter(|message| matches!(message, Message::Session(_)));
        assert_eq!(sessions.count(), 3, "{messages:?}");
        assert!(
            messages
                .iter()
                .any(|message| matches!(message, Message::Data(data) if &data[..] == b"hello"))
        );
        assert!(matches!(messages.last(), Some(Message::Closed)));
        assert_eq!(messages.len(), 5);
    }
}

/// A session costs no credit, and comes although the one credit is used up.
#[tokio::test]
async fn sessions_need_no_credit() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (client, server) = duplex(64 * 1024);
    let connector = by_hand();
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    let (client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"hello"]).await.unwrap();
    let mut client = client.into_active(Active::Once);
    assert!(matches!(client.next().await, Some(Message::Data(_))));
    for _ in 0..3 {
        assert!(matches!(client.next().await, Some(Message::Session(_))));
    }
    assert!(now(client.next()).await.is_none());
}

#[tokio::test]
async fn other_keys_or_another_name_or_time_mean_a_full_handshake() {
    let (connector, _) = with_store();
    for _ in 0..2 {
        // Each server has keys of its own, as after a restart.
        let acceptor = TlsAcceptor::new(resuming_server());
        assert!(!connect(&connector, &acceptor).await.0.is_resumed());
    }
    let secret = [7; TicketKeys::SECRET_LEN];
    for resumed in [false, true] {
        let keys = TicketKeys::shared([&secret]).unwrap();
        let config = server_config().to_builder().ticket_keys(keys).build();
        let acceptor = TlsAcceptor::new(config.unwrap());
        assert_eq!(connect(&connector, &acceptor).await.0.is_resumed(), resumed);
    }

    let config = resuming_server().to_builder();
    let config = config.identity(pki().other.clone()).build().unwrap();
    let acceptor = TlsAcceptor::new(config);
    let (connector, store) = with_store();
    connect(&connector, &acceptor).await;
    let other = ServerName::try_from("other.example").unwrap();
    let (client, _server) = connect_as(&connector, &acceptor, other.clone()).await;
    assert!(!client.is_resumed());
    assert_eq!(store.len(), 6);
    let sessions = store.take(&key(), UnixTime::now()).await;
    let connector = by_hand().offering(sessions);
    let (client, _server) = connect_as(&connector, &acceptor, other).await;
    assert!(!client.is_resumed(), "it is of another server");
}

#[tokio::test]
async fn a_client_stays_who_it_was() {
    let server = resuming_server()
        .to_builder()
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::new(server);
    let config = ClientConfig::builder(pki().roots.clone())
        .identity(pki().client.clone())
        .build()
        .unwrap();
    let connector = TlsConnector::new(config).session_store(Arc::<MemorySessionStore>::default());
    let (_, first) = connect(&connector, &acceptor).await;
    let (_, second) = connect(&connector, &acceptor).await;
    assert!(!first.is_resumed() && second.is_resumed());
    assert_eq!(first.peer_certificates().len(), 1);
    assert_eq!(first.peer_certificates(), second.peer_certificates());
}

#[tokio::test]
async fn a_handshake_paused_at_the_hello_resumes() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (connector, _) = with_store();
    connect(&connector, &acceptor).await;
    let (client, server) = duplex(64 * 1024);
    let client = async {
        let paused = connector.pause_at_hello(client, name()).await.unwrap();
        paused.proceed().await.unwrap()
    };
    let server = async {
        let paused = acceptor.pause_at_hello(server).await.unwrap();
        paused.proceed().await.unwrap()
    };
    let (client, server) = tokio::join!(client, server);
    assert!(client.is_resumed() && server.is_resumed());
}

/// RFC 5077: before TLS 1.3 the ticket comes within the handshake, and serves more than once.
#[tokio::test]
async fn a_session_of_tls_1_2_is_resumed_again_and_again() {
    let versions = [ProtocolVersion::TLS_1_2];
    let server = resuming_server().to_builder().versions(versions);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let client = client_config().to_builder().versions(versions);
    let store = Arc::new(MemorySessionStore::default());
    let connector = TlsConnector::new(client.clone().build().unwrap());
    let connector = connector.session_store(store.clone());
    for resumed in [false, true, true] {
        let (client, _server) = connect(&connector, &acceptor).await;
        assert_eq!(client.is_resumed(), resumed);
        assert_eq!(client.information().version(), ProtocolVersion::TLS_1_2);
        assert_eq!(store.len(), 1);
    }
    let by_hand = TlsConnector::new(client.session_tickets(true).build().unwrap());
    let (mut first, _server) = connect(&by_hand, &acceptor).await;
    let session = first.take_session().unwrap();
    for _ in 0..2 {
        let connector = by_hand.clone().offering([session.clone()]);
        let (client, _server) = connect(&connector, &acceptor).await;
        assert!(client.is_resumed());
    }
}

/// With what there is unless told otherwise: each connector its store, each server its keys.
#[tokio::test]
async fn connections_are_resumed_unless_told_otherwise() {
    async fn resumed(connector: &TlsConnector, address: std::net::SocketAddr) -> bool {
        let mut stream = connector.connect(address, "localhost").await.unwrap();
        // Tickets come with the data.
        assert_eq!(&stream.recv(2).await.unwrap()[..], b"hi");
        stream.is_resumed()
    }
    async fn serving(config: ServerConfig) -> (std::net::SocketAddr, Reloadable<ServerConfig>) {
        let listener = TlsListener::bind("127.0.0.1:0", config).await.unwrap();
        let (address, handle) = (listener.local_addr().unwrap(), listener.reloadable());
        tokio::spawn(async move {
            let mut connections = listener.connections(4);
            while let Ok((mut stream, _)) = connections.accept().await {
                stream.send(&[b"hi"]).await.unwrap();
            }
        });
        (address, handle)
    }

    let connector = TlsConnector::new(client_config());
    let (address, handle) = serving(server_config()).await;
    assert!(!resumed(&connector, address).await);
    assert!(resumed(&connector, address).await);
    assert!(
        resumed(&connector.clone(), address).await,
        "clones share a store"
    );
    assert!(!resumed(&TlsConnector::new(client_config()), address).await);
    // A new configuration has the keys of the one before.
    handle.replace(server_config());
    assert!(resumed(&connector, address).await);
    // Another port is another service, and another server has other keys.
    let (other, _) = serving(handle.current()).await;
    assert!(!resumed(&connector, other).await);
    assert!(resumed(&connector, other).await);
    let named = connector.clone().service_name("one");
    assert!(!resumed(&named, address).await);
    assert!(resumed(&named, other).await, "a name stands for the port");

    let off = connector.clone().without_resumption();
    assert!(!resumed(&off, address).await && !resumed(&off, address).await);
    // What a connector makes of its configuration is its own.
    for other in [&connector, &off] {
        let fresh = TlsConnector::new(other.reloadable().current());
        assert!(!resumed(&fresh, address).await && resumed(&fresh, address).await);
    }
    let config = server_config().to_builder().resumption(false);
    let (address, _) = serving(config.build().unwrap()).await;
    assert!(!resumed(&connector, address).await && !resumed(&connector, address).await);
    // Sessions that the caller takes do not go into a store.
    let config = client_config().to_builder().session_tickets(true);
    let by_hand = TlsConnector::new(config.build().unwrap());
    let mut stream = by_hand.connect(other, "localhost").await.unwrap();
    stream.recv(2).await.unwrap();
    let session = stream.take_session().unwrap();
    // Without resumption there are still those that are offered.
    let offering = off.offering([session]);
    assert!(resumed(&offering, other).await && !resumed(&offering, other).await);
}
