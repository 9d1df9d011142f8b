//! What connectors and acceptors of one environment share, and how it ends.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ends::*;
use portcullis::pki_types::UnixTime;
use portcullis::session::{ClientSession, ServerSession, SessionKey};
use portcullis::{
    Active, AddressLimits, CrlCheck, Delivery, Environment, Inbox, MemoryCrls,
    MemoryServerSessionStore, Message, ProtocolVersion, ServerSessionStore, SessionStore,
    StoreFuture, TlsAcceptor, TlsConnector, TlsListener,
};
use tokio::io::{AsyncReadExt as _, duplex};
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(10);

/// Whether a connection of these has resumed another, after a byte from the server, with which its tickets come.
async fn is_resumed(connector: &TlsConnector, acceptor: &TlsAcceptor) -> bool {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"x"]).await.unwrap();
    client.recv(1).await.unwrap();
    client.is_resumed()
}

#[tokio::test]
async fn private_environments_share_nothing() {
    let (one, other) = (Environment::new(), Environment::new());
    let acceptor = one.acceptor(
        one.server_config()
            .identity(pki().server.clone())
            .build()
            .unwrap(),
    );
    let config = |environment: &Environment| {
        environment
            .client_config(pki().roots.clone())
            .build()
            .unwrap()
    };
    let connector = one.connector(config(&one));
    assert!(!is_resumed(&connector, &acceptor).await);
    // A connector of the same environment finds what another has kept, and no connector elsewhere does.
    let second = one.connector(config(&one));
    assert!(is_resumed(&second, &acceptor).await);
    assert!(!is_resumed(&other.connector(config(&other)), &acceptor).await);
    assert!(!is_resumed(&TlsConnector::new(config(&one)), &acceptor).await);
    let statistics = one.statistics().await;
    assert!(statistics.client_sessions.unwrap() > 0, "{statistics:?}");
    assert_eq!(other.statistics().await.members, 0);
}

/// Also outside of a runtime, with nothing started.
#[test]
fn built_outside_a_runtime() {
    let environment = Environment::builder().build().unwrap();
    let server = environment.server_config().identity(pki().server.clone());
    let _acceptor = environment.acceptor(server.build().unwrap());
    let client = environment.client_config(pki().roots.clone());
    let _connector = environment.connector(client.build().unwrap());
    for (wrong, name) in [
        (
            Environment::builder().client_session_bound(0),
            "client_session_bound",
        ),
        (
            Environment::builder().client_session_lifetime(Duration::from_secs(604_801)),
            "client_session_lifetime",
        ),
        (Environment::builder().ticket_count(17), "ticket_count"),
        (
            Environment::builder().ticket_lifetime(Duration::from_secs(700_000)),
            "ticket_lifetime",
        ),
        (
            Environment::builder().max_handshake_size(5),
            "max_handshake_size",
        ),
        (
            Environment::builder().versions([ProtocolVersion(0x0300)]),
            "versions",
        ),
        #[cfg(feature = "dtls")]
        (Environment::builder().datagram_versions([]), "versions"),
    ] {
        let error = wrong.build().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// What is said more closely counts, and a default only where nothing was said.
#[tokio::test(start_paused = true)]
async fn defaults_are_frozen_in_configurations() {
    let environment = Environment::builder()
        .versions([ProtocolVersion::TLS_1_2])
        .handshake_timeout(Duration::from_secs(7))
        .first_byte_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let server = || environment.server_config().identity(pki().server.clone());
    let client = || environment.client_config(pki().roots.clone());
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let acceptor = environment.acceptor(server().versions(versions).build().unwrap());
    for (config, version) in [
        (client(), ProtocolVersion::TLS_1_2),
        (client().versions(versions), ProtocolVersion::TLS_1_3),
    ] {
        let connector = environment.connector(config.build().unwrap());
        let (near, far) = duplex(64 * 1024);
        let (client, _server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
        assert_eq!(client.unwrap().information().version(), version);
    }
    // The limits of connectors and acceptors.
    for (acceptor, seconds) in [
        (acceptor.clone(), 2),
        (acceptor.first_byte_timeout(Duration::from_secs(1)), 1),
    ] {
        let (_silent, far) = duplex(64);
        let start = Instant::now();
        assert!(acceptor.accept(far).await.unwrap_err().is_timeout());
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    let connector = environment.connector(client().build().unwrap());
    for (connector, seconds) in [
        (connector.clone(), 7),
        (connector.handshake_timeout(Duration::from_secs(3)), 3),
    ] {
        let (near, _far) = duplex(64 * 1024);
        let start = Instant::now();
        assert!(
            connector
                .upgrade(near, name())
                .await
                .unwrap_err()
                .is_timeout()
        );
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

/// Lists, stores and guards are for configurations that ask for them, and hinder no other.
#[tokio::test]
async fn what_a_configuration_does_not_want_is_left_out() {
    let store = Arc::new(MemoryServerSessionStore::new(100, 1 << 20));
    let environment = Environment::builder()
        .crls(Arc::new(MemoryCrls::new()))
        .server_sessions(store.clone())
        .build()
        .unwrap();
    let server = || environment.server_config().identity(pki().server.clone());
    let client = || environment.client_config(pki().roots.clone());
    let acceptor = environment.acceptor(server().build().unwrap());
    let connector = environment.connector(client().build().unwrap());
    assert!(!is_resumed(&connector, &acceptor).await);
    assert!(!store.is_empty());
    assert!(is_resumed(&connector, &acceptor).await);
    assert_eq!(
        environment.statistics().await.server_sessions,
        Some(store.len())
    );
    let without = environment.acceptor(server().resumption(false).build().unwrap());
    without.check().unwrap();
    // Who asks for lists is told that nothing is known.
    let strict = client().crl_check(CrlCheck::chain()).build().unwrap();
    let (near, far) = duplex(64 * 1024);
    let strict = environment.connector(strict);
    let (refused, _) = tokio::join!(strict.upgrade(near, name()), acceptor.accept(far));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("revo"), "{refused}");
}

/// The caps of addresses are those of the listeners in it.
#[tokio::test]
async fn limits_are_those_of_its_listeners() {
    let limits = AddressLimits::new().handshakes(1);
    let environment = Environment::builder().per_address(limits).build().unwrap();
    let server = environment.server_config().identity(pki().server.clone());
    let acceptor = environment.acceptor(server.build().unwrap());
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = listener.connections(100);
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let second = tokio::net::TcpStream::connect(address).await.unwrap();
    let failed = {
        use futures_util::StreamExt as _;
        timeout(SOON, connections.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap_err()
    };
    assert!(failed.error.is_over_limit(), "{failed}");
    drop(second);
}

/// Everything that would begin is refused, whoever waits is told, and what goes on is waited for.
#[tokio::test]
async fn it_ends_when_all_has_ended() {
    let environment = Environment::new();
    let server = environment.server_config().identity(pki().server.clone());
    let acceptor = environment.acceptor(server.build().unwrap());
    let client = environment.client_config(pki().roots.clone());
    let connector = environment.connector(client.build().unwrap());
    let listener = TlsListener::bind("127.0.0.1:0", acceptor.clone())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn(async move {
        let incoming = listener.accept().await.unwrap();
        let stream = incoming.handshake().await.unwrap();
        // Waits when it ends.
        let error = listener.accept().await.unwrap_err();
        (stream, error)
    });
    let many = TlsListener::bind("127.0.0.1:0", acceptor.clone())
        .await
        .unwrap();
    let mut many = many.connections(10);
    let many = tokio::spawn(async move { many.accept().await.is_err() });
    let client = connector.connect(address, "localhost").await.unwrap();
    // One end has a task of its own, the other is read by somebody who listens for the end, in halves.
    let (mut inbox, owner) = Inbox::new(4);
    let delivery = Delivery {
        active: Active::True,
        ..Delivery::default()
    };
    let handle = client.into_mailbox(delivery, &owner);
    handle.send("last").await.unwrap();
    let begin = environment.clone();
    let report = tokio::spawn(async move { begin.shut_down(SOON).await });
    let (stream, error) = timeout(SOON, listening).await.unwrap().unwrap();
    let error = portcullis::Error::from_io(&error).unwrap().clone();
    assert!(error.is_shut_down(), "{error}");
    assert!(timeout(SOON, many).await.unwrap().unwrap());
    let (_, message) = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
    assert!(matches!(message, Message::Closed));
    timeout(SOON, environment.ending()).await.unwrap();
    assert!(environment.is_ending() && !report.is_finished());
    let (mut read, write) = stream.into_split();
    let mut all = Vec::new();
    read.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last");
    drop(read);
    tokio::task::yield_now().await;
    assert!(!report.is_finished(), "a half is a connection, too");
    drop(write);
    let report = timeout(SOON, report).await.unwrap().unwrap();
    assert!(report.is_complete(), "{report:?}");
    for error in [
        connector.connect(address, "localhost").await.unwrap_err(),
        connector
            .upgrade(duplex(64).0, "localhost")
            .await
            .unwrap_err(),
        acceptor.accept(duplex(64).0).await.unwrap_err(),
    ] {
        assert!(error.is_shut_down(), "{error}");
    }
}

/// Counts its ends, and may never come to one.
#[derive(Default)]
struct Counting {
    closed: AtomicUsize,
    hangs: bool,
}

impl SessionStore for Counting {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async { Vec::new() })
    }

    fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
        })
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(async {})
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl ServerSessionStore for Counting {
    fn put<'a>(&'a self, _: &'a [u8], _: ServerSession, _: UnixTime) -> StoreFuture<'a, ()> {
        Box::pin(async {})
    }

    fn get<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async { None })
    }

    fn claim<'a>(&'a self, _: &'a [u8], _: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async { None })
    }

    fn forget<'a>(&'a self, _: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(async {})
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {})
    }
}

#[tokio::test]
async fn shut_down_ends_each_store_once() {
    let (clients, servers) = (Arc::<Counting>::default(), Arc::<Counting>::default());
    let environment = Environment::builder()
        .client_sessions(clients.clone())
        .server_sessions(servers.clone())
        .build()
        .unwrap();
    let client = environment.client_config(pki().roots.clone());
    let _connector = environment.connector(client.build().unwrap());
    for _ in 0..2 {
        assert!(environment.shut_down(SOON).await.is_complete());
    }
    assert_eq!(clients.closed.load(Ordering::SeqCst), 1);
    assert_eq!(servers.closed.load(Ordering::SeqCst), 1);
}

/// Closes when it is told to.
#[derive(Default)]
struct Slow {
    told: tokio::sync::Notify,
    closed: AtomicUsize,
}

impl SessionStore for Slow {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async { Vec::new() })
    }

    fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(async {})
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(async {})
    }

    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        Box::pin(async {
            self.told.notified().await;
            self.closed.fetch_add(1, Ordering::SeqCst);
        })
    }
}

/// What has begun to end ends, whether somebody waits for it or not.
#[tokio::test(start_paused = true)]
async fn a_store_goes_on_to_close_when_nobody_waits() {
    for is_dropped in [false, true] {
        let store = Arc::<Slow>::default();
        let environment = Environment::builder().client_sessions(store.clone());
        let environment = environment.build().unwrap();
        let client = environment.client_config(pki().roots.clone());
        let _connector = environment.connector(client.build().unwrap());
        if is_dropped {
            let dropped = environment.shut_down(Duration::from_secs(3_600));
            timeout(SOON, dropped).await.unwrap_err();
        }
        // It is still unfinished, however often one asks.
        for _ in 0..2 {
            let report = environment.shut_down(SOON).await;
            assert_eq!(report.unfinished_stores, 1);
        }
        store.told.notify_one();
        assert!(environment.shut_down(SOON).await.is_complete());
        assert_eq!(store.closed.load(Ordering::SeqCst), 1);
    }
}

/// A store that hangs, and a connection that nobody closes, cost the time that was given.
#[tokio::test(start_paused = true)]
async fn shut_down_within_its_deadline_with_a_store_that_hangs() {
    let clients = Arc::new(Counting {
        hangs: true,
        ..Counting::default()
    });
    let environment = Environment::builder().client_sessions(clients.clone());
    let environment = environment.build().unwrap();
    let server = environment.server_config().identity(pki().server.clone());
    let acceptor = environment.acceptor(server.build().unwrap());
    let client = environment.client_config(pki().roots.clone());
    let connector = environment.connector(client.build().unwrap());
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"x"]).await.unwrap();
    client.recv(1).await.unwrap();
    // Both ends, and a session on its way to the store.
    assert_eq!(environment.statistics().await.members, 3);
    let start = Instant::now();
    let report = environment.shut_down(Duration::from_secs(8)).await;
    assert_eq!(start.elapsed().as_secs(), 8);
    assert_eq!((report.unfinished, report.unfinished_stores), (3, 1));
    // They go on.
    client.send(&[b"still"]).await.unwrap();
    assert_eq!(&server.recv(5).await.unwrap()[..], b"still");
    drop((client, server));
    assert_eq!(environment.statistics().await.members, 1);
}
