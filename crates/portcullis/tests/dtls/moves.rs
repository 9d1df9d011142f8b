//! Peers whose address changes: who they are says their connection id, where they are a test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::config::Renegotiation;
use portcullis::{
    ClientConfig, DatagramOptions, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener,
    DtlsOptions, Migration, ProtocolVersion, ServerConfig,
};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::ends::*;
use crate::{accept, ask, echo, listen};

/// Between a client and a server, as a router that translates addresses: the server sees the address of the router, and
/// the router can take another one.
pub(crate) struct Router {
    near: UdpSocket,
    pub(crate) far: Mutex<Arc<UdpSocket>>,
    pub(crate) server: Mutex<SocketAddr>,
    client: Mutex<Option<SocketAddr>>,
    changed: Notify,
    /// All that the client has sent.
    pub(crate) seen: Mutex<Vec<Vec<u8>>>,
    /// Of what the client sends, nothing goes on.
    pub(crate) is_cut: Mutex<bool>,
    /// Of what the server sends, nothing goes on, and how much that was.
    pub(crate) is_deaf: Mutex<bool>,
    lost: AtomicUsize,
    /// That begins with the next datagram of the client.
    turns_deaf: Mutex<bool>,
    /// Where the server is reached from the datagram after the next on.
    reached_at: Mutex<Option<SocketAddr>>,
    /// Where its last datagram came from.
    heard_at: Mutex<Option<SocketAddr>>,
}

impl Router {
    pub(crate) async fn new(server: SocketAddr) -> (Arc<Self>, SocketAddr) {
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = near.local_addr().unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let router = Arc::new(Self {
            near,
            far: Mutex::new(Arc::new(far)),
            server: Mutex::new(server),
            client: Mutex::default(),
            changed: Notify::new(),
            seen: Mutex::default(),
            is_cut: Mutex::default(),
            is_deaf: Mutex::default(),
            lost: AtomicUsize::new(0),
            turns_deaf: Mutex::default(),
            reached_at: Mutex::default(),
            heard_at: Mutex::default(),
        });
        let (up, down) = (Arc::clone(&router), Arc::clone(&router));
        tokio::spawn(async move {
            let mut bytes = vec![0; 65_536];
            loop {
                let (length, from) = up.near.recv_from(&mut bytes).await.unwrap();
                *up.client.lock().unwrap() = Some(from);
                up.seen.lock().unwrap().push(bytes[..length].to_vec());
                if std::mem::take(&mut *up.turns_deaf.lock().unwrap()) {
                    *up.is_deaf.lock().unwrap() = true;
                }
                let far = Arc::clone(&up.far.lock().unwrap());
                let server = *up.server.lock().unwrap();
                if !*up.is_cut.lock().unwrap() {
                    let _ = far.send_to(&bytes[..length], server).await;
                }
                if let Some(other) = up.reached_at.lock().unwrap().take() {
                    *up.server.lock().unwrap() = other;
                }
            }
        });
        tokio::spawn(async move {
            let mut bytes = vec![0; 65_536];
            loop {
                let far = Arc::clone(&down.far.lock().unwrap());
                tokio::select! {
                    () = down.changed.notified() => {}
                    came = far.recv_from(&mut bytes) => {
                        let client = *down.client.lock().unwrap();
                        if *down.is_deaf.lock().unwrap() {
                            down.lost.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        if let (Ok((length, from)), Some(client)) = (came, client) {
                            *down.heard_at.lock().unwrap() = Some(from);
                            let _ = down.near.send_to(&bytes[..length], client).await;
                        }
                    }
                }
            }
        });
        (router, address)
    }

    /// Takes another address; what comes to the one before is lost.
    async fn rebind(&self) -> SocketAddr {
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = far.local_addr().unwrap();
        *self.far.lock().unwrap() = Arc::new(far);
        self.changed.notify_one();
        address
    }

    fn last_seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

fn options(bytes: usize) -> DtlsOptions {
    DtlsOptions::new().connection_ids(Some(bytes))
}

fn older() -> [ProtocolVersion; 1] {
    [ProtocolVersion::TLS_1_2]
}

/// A client behind a router, and the listener's end.
async fn through_a_router(
    is_older: bool,
    client: DtlsOptions,
    server: DtlsOptions,
) -> (DtlsConnection, DtlsConnection, Arc<Router>, DtlsListener) {
    let (mut client_config, mut server_config) = (client_config(), server_config());
    if is_older {
        client_config = client_config
            .to_builder()
            .versions(older())
            .build()
            .unwrap();
        server_config = server_config
            .to_builder()
            .versions(older())
            .build()
            .unwrap();
    }
    let acceptor = DtlsAcceptor::new(server_config).options(server);
    let (listener, address) = listen(acceptor).await;
    let (router, address) = Router::new(address).await;
    let dtls = DtlsConnector::new(client_config).options(client);
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    (client.unwrap(), server.unwrap(), router, listener)
}

/// Where the client was when it closed.
async fn echo_and_say_where(mut server: DtlsConnection) -> Option<SocketAddr> {
    while let Ok(message) = server.recv().await {
        server.send(&[&message]).await.unwrap();
    }
    server.peer_addr()
}

fn client_config() -> ClientConfig {
    ClientConfig::builder(pki().roots.clone()).build().unwrap()
}

fn server_config() -> ServerConfig {
    let builder = ServerConfig::builder().identity(pki().server.clone());
    builder.build().unwrap()
}

#[tokio::test]
async fn a_connection_survives_a_change_of_address() {
    for is_older in [false, true] {
        let (mut client, server, router, _listener) =
            through_a_router(is_older, options(0), options(8)).await;
        let (theirs, ours) = server.connection_ids().unwrap();
        assert_eq!((theirs.len(), ours.len()), (8, 0));
        let before = server.peer_addr().unwrap();
        let server = tokio::spawn(echo_and_say_where(server));
        ask(&mut client, b"from the first address").await;
        let mut after = before;
        for _ in 0..3 {
            after = router.rebind().await;
            assert_ne!(before, after);
            ask(&mut client, b"from another one").await;
        }
        client.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(server.await.unwrap(), Some(after), "{is_older}");
    }
}

/// Also while another handshake goes on: who begins it, or answers it, is somewhere else before it is over.
#[tokio::test]
async fn a_peer_that_moves_in_a_renegotiation_is_followed() {
    for server_begins in [false, true] {
        let always = Renegotiation::Accept {
            apart: Duration::ZERO,
        };
        let client_config = client_config().to_builder().versions(older());
        let client_config = client_config.renegotiation(always).build().unwrap();
        let server_config = server_config().to_builder().versions(older());
        let server_config = server_config.renegotiation(always).build().unwrap();
        let acceptor = DtlsAcceptor::new(server_config).options(options(8));
        let (listener, to) = listen(acceptor).await;
        let (router, address) = Router::new(to).await;
        let dtls = DtlsConnector::new(client_config).options(options(0));
        let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let before = server.peer_addr().unwrap();
        client.send(&[b"from the first address"]).await.unwrap();
        assert_eq!(&server.recv().await.unwrap()[..], b"from the first address");
        let moves = async {
            // The client's hello is there, and what answers it is lost.
            *router.turns_deaf.lock().unwrap() = true;
            crate::eventually("the hello is answered", || {
                router.lost.load(Ordering::Relaxed) > 0
            })
            .await;
            let after = router.rebind().await;
            *router.is_deaf.lock().unwrap() = false;
            after
        };
        let after = if server_begins {
            let (renegotiated, after) = tokio::join!(server.renegotiate(), moves);
            renegotiated.unwrap();
            after
        } else {
            let (renegotiated, after) = tokio::join!(client.renegotiate(), moves);
            renegotiated.unwrap();
            after
        };
        assert_ne!(before, after);
        assert_eq!(server.peer_addr(), Some(after), "{server_begins}");
        assert_eq!(server.statistics().moved, 1);
        // And it is known there.
        let server = tokio::spawn(echo_and_say_where(server));
        ask(&mut client, b"from another one").await;
        // Whoever is at the address before is somebody else.
        let socket = loop {
            match UdpSocket::bind(before).await {
                Ok(socket) => break socket,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        socket.connect(to).await.unwrap();
        let (other, theirs) = tokio::join!(dtls.upgrade(socket, name()), accept(&listener));
        let mut other = other.unwrap();
        tokio::spawn(echo(theirs.unwrap()));
        ask(&mut other, b"from the first address").await;
        ask(&mut client, b"and still from another one").await;
        client.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(server.await.unwrap(), Some(after));
    }
}

/// What an answer proves is the way of its question. Wherever it comes to, the server goes on from where it has asked.
#[tokio::test]
async fn an_answer_to_another_address_of_the_server_proves_the_first() {
    let acceptor = DtlsAcceptor::new(server_config()).options(options(8));
    let listener = DtlsListener::bind("0.0.0.0:0", acceptor).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (one, other) = (
        SocketAddr::from(([127, 0, 0, 1], port)),
        SocketAddr::from(([127, 0, 0, 2], port)),
    );
    let (router, address) = Router::new(one).await;
    let dtls = DtlsConnector::new(client_config()).options(options(0));
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let after = router.rebind().await;
    *router.reached_at.lock().unwrap() = Some(other);
    client.send(&[b"elsewhere"]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], b"elsewhere");
    let reading = tokio::spawn(async move { client.recv().await });
    crate::eventually("it has moved", || server.peer_addr() == Some(after)).await;
    assert_eq!(*router.server.lock().unwrap(), other);
    server.send(&[b"there"]).await.unwrap();
    assert_eq!(&reading.await.unwrap().unwrap()[..], b"there");
    assert_eq!(*router.heard_at.lock().unwrap(), Some(one));
}

/// Without connection ids nobody knows who that is.
#[tokio::test]
async fn a_peer_without_a_connection_id_does_not_move() {
    for (client, server) in [
        (DtlsOptions::new(), options(8)),
        (options(0), DtlsOptions::new()),
        (options(8), options(0)),
    ] {
        let (mut client, server, router, _listener) = through_a_router(false, client, server).await;
        let server = tokio::spawn(echo(server));
        ask(&mut client, b"here").await;
        router.rebind().await;
        client.send(&[b"elsewhere"]).await.unwrap();
        let lost = client.recv_timeout(Duration::from_millis(300)).await;
        assert!(lost.unwrap_err().is_timeout());
        server.abort();
    }
}

#[tokio::test]
async fn who_may_not_move_is_heard_and_not_followed() {
    let refuse = options(8).migration(Migration::Refuse);
    let (mut client, mut server, router, _listener) =
        through_a_router(false, options(0), refuse).await;
    let before = server.peer_addr();
    router.rebind().await;
    client.send(&[b"elsewhere"]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], b"elsewhere");
    server.send(&[b"to where it was"]).await.unwrap();
    let lost = client.recv_timeout(Duration::from_millis(300)).await;
    assert!(lost.unwrap_err().is_timeout());
    assert_eq!(server.peer_addr(), before);
    let statistics = server.statistics();
    assert_eq!((statistics.moved, statistics.moves_refused), (0, 1));
}

/// Without RFC 9853 nothing that a peer could not foresee tells where it is.
#[tokio::test]
async fn without_checks_of_paths_nobody_is_followed() {
    for (of_client, of_server) in [(false, true), (true, false)] {
        for is_older in [false, true] {
            let with =
                |bytes, on| options(bytes).datagrams(DatagramOptions::default().path_checks(on));
            let (client, server) = (with(0, of_client), with(8, of_server));
            let (mut client, mut server, router, _listener) =
                through_a_router(is_older, client, server).await;
            let before = server.peer_addr();
            router.rebind().await;
            client.send(&[b"elsewhere"]).await.unwrap();
            assert_eq!(&server.recv().await.unwrap()[..], b"elsewhere");
            server.send(&[b"to where it was"]).await.unwrap();
            let lost = client.recv_timeout(Duration::from_millis(300)).await;
            assert!(lost.unwrap_err().is_timeout());
            assert_eq!(server.peer_addr(), before);
            assert_eq!(server.statistics().moves_refused, 1);
        }
    }
}

/// One for all connections would tell none of them from another.
#[test]
fn a_connection_id_of_ones_own_is_refused() {
    let id = portcullis::DtlsConnectionId::new(b"always this").unwrap();
    let datagrams = DatagramOptions::default().connection_id(id);
    let refused = options(8).datagrams(datagrams).check().unwrap_err();
    assert!(refused.to_string().contains("connection_ids"), "{refused}");
}

#[tokio::test]
async fn who_is_trusted_is_followed_at_once() {
    let trust = options(8).migration(Migration::Trust);
    let (client, mut server, router, _listener) = through_a_router(true, options(0), trust).await;
    let after = router.rebind().await;
    client.send(&[b"elsewhere"]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], b"elsewhere");
    assert_eq!(server.peer_addr(), Some(after));
    assert_eq!(server.statistics().moved, 1);
}

/// Whoever copies datagrams on their way can send them from anywhere.
#[tokio::test]
async fn a_copied_record_moves_nobody() {
    for is_older in [false, true] {
        let (mut client, mut server, router, listener) =
            through_a_router(is_older, options(0), options(8)).await;
        let to = listener.local_addr().unwrap();
        let before = server.peer_addr();
        client.send(&[b"one"]).await.unwrap();
        assert_eq!(&server.recv().await.unwrap()[..], b"one");
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let old = router.last_seen();
        // A copy of what has come.
        stranger.send_to(&old, to).await.unwrap();
        let mut bytes = [0; 2_000];
        let answer = stranger.recv_from(&mut bytes);
        let silence = tokio::time::timeout(Duration::from_millis(200), answer).await;
        assert!(silence.is_err(), "a copy was answered");
        // One that is faster than what it is a copy of: it is asked for an answer, with at most three times its
        // length, and cannot give one; what is sent goes on to the peer.
        *router.is_cut.lock().unwrap() = true;
        client.send(&[b"two"]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        *router.is_cut.lock().unwrap() = false;
        let newest = router.last_seen();
        assert_ne!(newest, old);
        stranger.send_to(&newest, to).await.unwrap();
        assert_eq!(&server.recv().await.unwrap()[..], b"two");
        let (length, _) = stranger.recv_from(&mut bytes).await.unwrap();
        assert!(length <= 3 * newest.len());
        for forged in [bytes[..length].to_vec(), newest.clone(), vec![0x3f; 60]] {
            stranger.send_to(&forged, to).await.unwrap();
        }
        server.send(&[b"to the peer"]).await.unwrap();
        let answer = client.recv().await.unwrap();
        assert_eq!(&answer[..], b"to the peer");
        assert_eq!(server.peer_addr(), before);
        // And the peer is heard as before.
        client.send(&[b"three"]).await.unwrap();
        assert_eq!(&server.recv().await.unwrap()[..], b"three");
        assert_eq!(server.peer_addr(), before);
    }
}

/// Whoever is faster than the client with each of its records, and has an address for each: all of them are asked, with no
/// more than three times what came from there, once; nothing else goes there, and nobody is followed.
#[tokio::test]
async fn copies_from_many_addresses_move_nobody() {
    const ADDRESSES: usize = 100;
    for is_older in [false, true] {
        let (mut client, mut server, router, listener) =
            through_a_router(is_older, options(0), options(8)).await;
        let to = listener.local_addr().unwrap();
        ask_once(&mut client, &mut server, b"before").await;
        let before = server.peer_addr();
        *router.is_cut.lock().unwrap() = true;
        let mut strangers = Vec::new();
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut last = router.last_seen();
        for number in 0..ADDRESSES {
            client.send(&[&[number as u8; 40]]).await.unwrap();
            crate::eventually("the record is seen", || router.last_seen() != last).await;
            last = router.last_seen();
            let record = last.clone();
            let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            stranger.send_to(&record, to).unwrap();
            let message = server.recv_timeout(Duration::from_secs(10)).await;
            assert_eq!(&message.unwrap()[..], [number as u8; 40]);
            // And all that there was before, which is known.
            for known in &records {
                stranger.send_to(known, to).unwrap();
            }
            records.push(record);
            strangers.push(stranger);
        }
        // All has been read when what was sent last has come.
        *router.is_cut.lock().unwrap() = false;
        ask_once(&mut client, &mut server, b"after").await;
        let mut asked = 0;
        for (stranger, record) in strangers.iter().zip(&records) {
            let (mut bytes, mut sum, mut count) = ([0; 2_000], 0, 0);
            stranger.set_nonblocking(true).unwrap();
            while let Ok((length, _)) = stranger.recv_from(&mut bytes) {
                (sum, count) = (sum + length, count + 1);
            }
            assert!(count <= 1 && sum <= 3 * record.len(), "{count}, {sum}");
            asked += count;
        }
        assert!(asked > 0, "nobody was asked");
        assert_eq!(server.peer_addr(), before);
        assert_eq!(server.statistics().moved, 0);
    }
}

/// A message each way, by ends of which nobody else takes care.
async fn ask_once(client: &mut DtlsConnection, server: &mut DtlsConnection, message: &[u8]) {
    client.send(&[message]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], message);
    server.send(&[message]).await.unwrap();
    assert_eq!(&client.recv().await.unwrap()[..], message);
}

/// Two clients behind one router that gives one of them the address that the other had.
#[tokio::test]
async fn who_comes_to_an_address_that_was_another_ones_is_told_apart() {
    let acceptor = DtlsAcceptor::new(server_config()).options(options(8));
    let (listener, address) = listen(acceptor).await;
    let dtls = DtlsConnector::new(client_config()).options(options(8));
    let mut clients = Vec::new();
    let mut routers = Vec::new();
    for _ in 0..2 {
        let (router, address) = Router::new(address).await;
        let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        tokio::spawn(echo(server.unwrap()));
        clients.push(client.unwrap());
        routers.push(router);
    }
    for client in &mut clients {
        ask(client, b"at first").await;
    }
    // They change places.
    let (first, second) = (
        Arc::clone(&routers[0].far.lock().unwrap()),
        Arc::clone(&routers[1].far.lock().unwrap()),
    );
    *routers[0].far.lock().unwrap() = second;
    *routers[1].far.lock().unwrap() = first;
    for router in &routers {
        router.changed.notify_one();
    }
    for _ in 0..2 {
        for client in &mut clients {
            ask(client, b"in the other's place").await;
        }
    }
}

#[tokio::test]
async fn ids_are_asked_for_and_used_on_another_path() {
    let (mut client, server, router, _listener) =
        through_a_router(false, options(0), options(16)).await;
    let first = server.connection_ids().unwrap().0;
    let server = tokio::spawn(echo(server));
    client.request_connection_ids(3).unwrap();
    ask(&mut client, b"some more").await;
    let mut ids = vec![client.connection_ids().unwrap().1];
    assert_eq!(ids, [first]);
    for _ in 0..3 {
        // Before: what is on its way to the old address is lost.
        crate::eventually("another id", || client.use_next_connection_id()).await;
        router.rebind().await;
        ask(&mut client, b"elsewhere").await;
        let id = client.connection_ids().unwrap().1;
        assert!(!ids.contains(&id));
        assert_eq!(router.last_seen()[1..17], *id.as_ref());
        ids.push(id);
    }
    assert!(!client.use_next_connection_id());
    // More than a connection gets are not given, and nothing else becomes of it.
    for _ in 0..3 {
        client.request_connection_ids(4).unwrap();
        ask(&mut client, b"and on").await;
    }
    drop(client);
    server.await.unwrap().unwrap();
}

/// The system gives a peer that has moved to another socket, which gives it to the one whose connection that is.
#[tokio::test]
async fn a_peer_that_moves_is_known_at_all_sockets_of_an_address() {
    for is_older in [false, true] {
        let (mut client_config, mut server_config) = (client_config(), server_config());
        if is_older {
            let builder = client_config.to_builder().versions(older());
            client_config = builder.build().unwrap();
            let builder = server_config.to_builder().versions(older());
            server_config = builder.build().unwrap();
        }
        let acceptor = DtlsAcceptor::new(server_config).options(options(8));
        let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor, 4)
            .await
            .unwrap();
        let address = listeners[0].local_addr().unwrap();
        let (router, near) = Router::new(address).await;
        let dtls = DtlsConnector::new(client_config).options(options(0));
        let any = async {
            let mut all = listeners.iter().map(|one| Box::pin(accept(one)));
            let (mut first, mut second) = (all.next().unwrap(), all.next().unwrap());
            let (mut third, mut fourth) = (all.next().unwrap(), all.next().unwrap());
            tokio::select! {
                one = &mut first => (0, one),
                one = &mut second => (1, one),
                one = &mut third => (2, one),
                one = &mut fourth => (3, one),
            }
        };
        let (client, (at, server)) = tokio::join!(dtls.connect(near, name()), any);
        let (mut client, server) = (client.unwrap(), server.unwrap());
        let id = server.connection_ids().unwrap().0;
        assert_eq!(id.as_ref()[0], at);
        let server = tokio::spawn(echo_and_say_where(server));
        ask(&mut client, b"from the first address").await;
        let handed_over = || {
            let statistics = listeners.iter().map(DtlsListener::statistics);
            statistics.map(|one| one.handed_over).sum::<u64>()
        };
        assert_eq!(handed_over(), 0);
        let mut after = None;
        // 3 of 4 addresses lead to another socket.
        for _ in 0..12 {
            after = Some(router.rebind().await);
            ask(&mut client, b"from another one").await;
        }
        assert!(handed_over() > 0);
        // Whoever forges an id names a socket, and nothing comes of it.
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for index in 0..=255 {
            let forged = [&[0x3f, index][..], &[0; 60]].concat();
            stranger.send_to(&forged, address).await.unwrap();
        }
        ask(&mut client, b"once more").await;
        client.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(server.await.unwrap(), after, "{is_older}");
    }
}

#[tokio::test]
async fn no_more_sockets_share_an_address_than_a_byte_counts() {
    let acceptor = DtlsAcceptor::new(server_config());
    let error = DtlsListener::bind_many("127.0.0.1:0", acceptor, 257).await;
    assert!(error.unwrap_err().to_string().contains("256"));
}
