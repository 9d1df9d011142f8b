//! A listener in front of others: it decrypts hellos, and passes their clients on (RFC 9849 §3.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, KeyShares};
use portcullis::ech::{EchKey, EchKeys, EchStatus};
use portcullis::{
    AddressLimits, ClientConfig, CookieSecret, DatagramOptions, DtlsAcceptor, DtlsConnector,
    DtlsEchFront, DtlsListener, DtlsOptions, Identity, NamedGroup, Retransmission, ServerConfig,
    TlsAcceptor, TlsConnector,
};
use tokio::net::UdpSocket;

use crate::ends::*;
use crate::relay::relay;
use crate::{ask, echo, eventually, listen};

const PUBLIC: &str = "localhost";

fn key() -> EchKey {
    EchKey::builder(PUBLIC).generate().unwrap().0
}

fn secret() -> CookieSecret {
    CookieSecret::new([&[7; 32][..]]).unwrap()
}

/// Impatient, so that a test is short.
fn impatient() -> DtlsOptions {
    let retransmission = Retransmission::default().initial(Duration::from_millis(50));
    let datagrams = DatagramOptions::default().retransmission(retransmission);
    DtlsOptions::new().datagrams(datagrams)
}

fn acceptor_behind(identity: &Identity, options: DtlsOptions) -> DtlsAcceptor {
    let config = ServerConfig::builder()
        .identity(identity.clone())
        .ech_backend(true)
        .build()
        .unwrap();
    DtlsAcceptor::new(TlsAcceptor::new(config))
        .options(options)
        .cookie_secret(secret())
}

/// A server that is behind another, and how many clients it has had whose address it was told.
async fn behind(options: DtlsOptions) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = listen(acceptor_behind(&pki().other, options)).await;
    (address, serve_behind(listener))
}

fn serve_behind(listener: DtlsListener) -> Arc<AtomicUsize> {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let client = incoming.fronted_client();
                assert_ne!(client, incoming.peer_addr());
                let connection = incoming.handshake().await?;
                assert_eq!(connection.information().ech(), EchStatus::Accepted);
                assert!(client.is_some_and(|client| client.ip().is_loopback()));
                count.fetch_add(1, Ordering::Relaxed);
                echo(connection).await
            });
        }
    });
    served
}

/// In front of a server for one name.
fn front(behind: SocketAddr) -> DtlsEchFront {
    DtlsEchFront::new(secret(), move |hello| {
        (hello.server_name() == Some(other_name_text())).then_some(behind)
    })
}

fn other_name_text() -> &'static str {
    "other.example"
}

fn acceptor_in_front(
    keys: EchKeys,
    front: DtlsEchFront,
    groups: &[NamedGroup],
    options: DtlsOptions,
) -> DtlsAcceptor {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .groups(groups.to_vec())
        .ech_keys(keys);
    DtlsAcceptor::new(TlsAcceptor::new(config.build().unwrap()))
        .options(options)
        .ech_front(front)
}

/// The listener in front, which serves its own clients.
async fn listen_in_front(
    keys: EchKeys,
    front: DtlsEchFront,
    groups: &[NamedGroup],
) -> (Arc<DtlsListener>, SocketAddr) {
    let acceptor = acceptor_in_front(keys, front, groups, impatient());
    let (listener, address) = listen(acceptor).await;
    let listener = Arc::new(listener);
    let accepting = Arc::clone(&listener);
    tokio::spawn(async move {
        while let Ok(incoming) = accepting.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
    (listener, address)
}

fn client(key: &EchKey) -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone()).ech(key.config_list())
}

fn connector(client: ClientConfigBuilder) -> DtlsConnector {
    let tls = TlsConnector::new(client.build().unwrap());
    DtlsConnector::new(tls.handshake_timeout(Duration::from_secs(30))).options(impatient())
}

const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP384R1];

#[tokio::test]
async fn clients_are_passed_on_and_others_are_served() {
    let key = key();
    let (server, served) = behind(impatient()).await;
    for group in GROUPS {
        let keys = EchKeys::new([key.clone()]).unwrap();
        let (listener, address) = listen_in_front(keys, front(server), &[group]).await;
        // With a share that is there, and one that is asked for; by a ticket the second time.
        let config = client(&key)
            .groups(GROUPS)
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
        let dtls = connector(config);
        let mut resumed = Vec::new();
        let before = served.load(Ordering::Relaxed);
        for _ in 0..2 {
            let mut client = dtls.connect(address, other_name()).await.unwrap();
            for round in 0..3_u8 {
                ask(&mut client, &[round; 700]).await;
            }
            client.update_keys(true).unwrap();
            ask(&mut client, b"with new keys").await;
            let information = client.information();
            assert_eq!(information.ech(), EchStatus::Accepted);
            assert_eq!(information.group(), Some(group));
            resumed.push(information.is_resumed());
        }
        assert_eq!(resumed, [false, true]);
        assert_eq!(served.load(Ordering::Relaxed), before + 2);
        // A name that is served here, and hellos that are not encrypted, or for others.
        let own = connector(client(&key).groups(GROUPS));
        let mut own = own.connect(address, name()).await.unwrap();
        ask(&mut own, b"who is there?").await;
        assert_eq!(own.information().ech(), EchStatus::Accepted);
        let plain = connector(ClientConfig::builder(pki().roots.clone()).groups(GROUPS));
        let mut plain = plain.connect(address, name()).await.unwrap();
        ask(&mut plain, b"who is there?").await;
        let stranger = connector(client(&self::key()).groups(GROUPS));
        let stranger = stranger.connect(address, other_name()).await.unwrap_err();
        assert!(stranger.ech_rejection().is_some(), "{stranger}");
        assert_eq!(served.load(Ordering::Relaxed), before + 2);
        let fronted = listener.statistics().fronted;
        assert_eq!((fronted.opened, fronted.clients), (2, 2));
        assert!(fronted.to_servers.bytes() > 0 && fronted.to_clients.bytes() > 0);
    }
}

/// By what the hello says that was encrypted; its public name is the same.
#[tokio::test]
async fn each_client_is_passed_on_to_the_server_of_its_name() {
    let key = key();
    let (other, served_other) = behind(impatient()).await;
    let (listener, named) = listen(acceptor_behind(&pki().server, impatient())).await;
    let served_named = serve_behind(listener);
    let front = DtlsEchFront::new(secret(), move |hello| match hello.server_name() {
        Some(name) if name == other_name_text() => Some(other),
        Some(PUBLIC) => Some(named),
        _ => None,
    });
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (listener, address) = listen_in_front(keys, front, &GROUPS).await;
    let dtls = connector(client(&key).groups(GROUPS));
    // All at once: each has a way of its own.
    let mut clients = Vec::new();
    for to_other in [true, false, false, true, false] {
        let name = if to_other { other_name() } else { name() };
        clients.push(dtls.connect(address, name).await.unwrap());
    }
    for (client, message) in clients.iter_mut().zip([b"a", b"b", b"c", b"d", b"e"]) {
        ask(client, message).await;
    }
    let served = [&served_other, &served_named].map(|one| one.load(Ordering::Relaxed));
    assert_eq!(served, [2, 3]);
    assert_eq!(listener.statistics().fronted.clients, 5);
}

/// What servers behind have agreed on names no socket here, though it looks so.
#[tokio::test]
async fn ids_of_servers_behind_are_none_of_the_sockets_in_front() {
    let key = key();
    let with_ids = || impatient().connection_ids(Some(8));
    // Ids that begin with 0 to 3, as those of the sockets in front.
    let acceptor = acceptor_behind(&pki().other, with_ids());
    let behind = DtlsListener::bind_many("127.0.0.1:0", acceptor, 4)
        .await
        .unwrap();
    let server = behind[0].local_addr().unwrap();
    for listener in behind {
        let _served = serve_behind(listener);
    }
    let keys = EchKeys::new([key.clone()]).unwrap();
    let acceptor = acceptor_in_front(keys, front(server), &GROUPS, with_ids());
    let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor, 4)
        .await
        .unwrap();
    let address = listeners[0].local_addr().unwrap();
    let dtls = connector(client(&key).groups(GROUPS)).options(impatient().connection_ids(Some(0)));
    for _ in 0..8 {
        let mut client = dtls.connect(address, other_name()).await.unwrap();
        ask(&mut client, b"with an id").await;
    }
    let handed_over = listeners.iter().map(|one| one.statistics().handed_over);
    assert_eq!(handed_over.sum::<u64>(), 0);
}

#[tokio::test]
async fn clients_that_are_passed_on_come_through_where_much_is_lost() {
    let key = key();
    let (server, served) = behind(impatient()).await;
    // On both ways: to the listener in front, and from there on.
    let lossy = relay(server, 100).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (_listener, address) = listen_in_front(keys, front(lossy), &GROUPS).await;
    for _ in 0..5 {
        let address = relay(address, 100).await;
        // The relay to the server knows one client at a time.
        let config = client(&key).groups(GROUPS);
        let mut client = connector(config)
            .connect(address, other_name())
            .await
            .unwrap();
        for round in 0..5_u8 {
            ask(&mut client, &[round; 100]).await;
        }
    }
    assert_eq!(served.load(Ordering::Relaxed), 5);
}

/// With an id that is agreed on in the clear, the server is found, and sees that its client has moved.
#[tokio::test]
async fn a_client_that_moves_is_found_by_its_connection_id() {
    let key = key();
    let (server, _served) = behind(impatient().connection_ids(Some(8))).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (listener, address) = listen_in_front(keys, front(server), &GROUPS).await;
    let (moving, moves) = moving_relay(address).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let dtls = dtls.options(impatient().connection_ids(Some(0)));
    let mut client = dtls.connect(moving, other_name()).await.unwrap();
    ask(&mut client, b"here").await;
    for round in 1..=3 {
        moves.notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
        ask(&mut client, b"there").await;
        let fronted = listener.statistics().fronted;
        assert!(fronted.moved >= round, "{fronted:?}");
        // Where it first was, and no more than two places else.
        assert!(fronted.clients <= 3, "{fronted:?}");
    }
}

/// Whoever has copied a record can send it from anywhere: it takes a socket a second, and no place of anybody's address.
#[tokio::test]
async fn a_copied_record_opens_few_ways() {
    let key = key();
    let (server, _served) = behind(impatient().connection_ids(Some(8))).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let began = std::time::Instant::now();
    let (listener, address) = listen_in_front(keys, front(server).clients(4), &GROUPS).await;
    let (spied, seen) = spying_relay(address).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let dtls = dtls.options(impatient().connection_ids(Some(0)));
    let mut client = dtls.connect(spied, other_name()).await.unwrap();
    ask(&mut client, b"here").await;
    let copied = seen.lock().unwrap().last().unwrap().clone();
    assert!(matches!(copied[0], 0x30..=0x3f));
    for _ in 0..50 {
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.send_to(&copied, address).await.unwrap();
        tokio::task::yield_now().await;
    }
    eventually("one way more", || listener.statistics().fronted.moved > 0).await;
    ask(&mut client, b"still here").await;
    let fronted = listener.statistics().fronted;
    assert!(
        fronted.moved <= 1 + began.elapsed().as_secs(),
        "{fronted:?}"
    );
}

/// Who goes on elsewhere needs room as everybody does.
#[tokio::test]
async fn a_client_that_moves_takes_no_place_where_there_is_none() {
    let key = key();
    let (server, _served) = behind(impatient().connection_ids(Some(8))).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (listener, address) = listen_in_front(keys, front(server).clients(1), &GROUPS).await;
    let (moving, moves) = moving_relay(address).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let dtls = dtls.options(impatient().connection_ids(Some(0)));
    let mut client = dtls.connect(moving, other_name()).await.unwrap();
    ask(&mut client, b"here").await;
    moves.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send(&[b"there"]).await.unwrap();
    eventually("there is no place", || {
        listener.statistics().fronted.clients_full > 0
    })
    .await;
    let fronted = listener.statistics().fronted;
    assert_eq!((fronted.clients, fronted.moved), (1, 0));
}

/// Its address for a client; from the listener it is at another one each time that it is told so.
async fn moving_relay(server: SocketAddr) -> (SocketAddr, Arc<tokio::sync::Notify>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = near.local_addr().unwrap();
    let moves = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&moves);
    tokio::spawn(async move {
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        let mut left = Vec::new();
        let mut far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        loop {
            tokio::select! {
                () = told.notified() => {
                    let new = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    left.push(std::mem::replace(&mut far, new));
                }
                came = near.recv_from(&mut up) => {
                    let (length, from) = came.unwrap();
                    client = Some(from);
                    let _ = far.send_to(&up[..length], server).await;
                }
                came = far.recv(&mut down) => {
                    if let (Ok(length), Some(client)) = (came, client) {
                        let _ = near.send_to(&down[..length], client).await;
                    }
                }
            }
        }
    });
    (address, moves)
}

/// Hellos alone leave nothing, nor does what is no hello; a client beside them comes through.
#[tokio::test]
async fn strangers_leave_nothing_and_keep_nobody_out() {
    let key = key();
    let (server, served) = behind(impatient()).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (listener, address) = listen_in_front(keys, front(server), &GROUPS).await;
    // A relay that keeps what it passes on, so that it can be said again by others.
    let (spied, seen) = spying_relay(address).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let mut client = dtls.connect(spied, other_name()).await.unwrap();
    ask(&mut client, b"here").await;
    let seen = seen.lock().unwrap().clone();
    let hostile = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut sent, mut received) = (0, 0);
    let mut answer = vec![0; 65_536];
    for datagram in &seen {
        for change in [
            None,
            Some(0),
            Some(datagram.len() / 2),
            Some(datagram.len() - 1),
        ] {
            let mut datagram = datagram.clone();
            if let Some(at) = change {
                datagram[at] ^= 1;
            }
            hostile.send_to(&datagram, address).await.unwrap();
            sent += datagram.len();
            while let Ok(Ok(length)) =
                tokio::time::timeout(Duration::from_millis(5), hostile.recv(&mut answer)).await
            {
                received += length;
            }
        }
    }
    assert!(sent > 0 && received <= 2 * sent, "{received} of {sent}");
    let fronted = listener.statistics().fronted;
    assert_eq!((fronted.opened, fronted.clients), (1, 1));
    assert_eq!(served.load(Ordering::Relaxed), 1);
    ask(&mut client, b"still here").await;
    let mut other = dtls.connect(address, other_name()).await.unwrap();
    ask(&mut other, b"and another").await;
}

type Seen = Arc<std::sync::Mutex<Vec<Vec<u8>>>>;

async fn spying_relay(server: SocketAddr) -> (SocketAddr, Seen) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(server).await.unwrap();
    let address = near.local_addr().unwrap();
    let seen = Seen::default();
    let keeps = Arc::clone(&seen);
    tokio::spawn(async move {
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                came = near.recv_from(&mut up) => {
                    let (length, from) = came.unwrap();
                    client = Some(from);
                    keeps.lock().unwrap().push(up[..length].to_vec());
                    let _ = far.send(&up[..length]).await;
                }
                came = far.recv(&mut down) => {
                    if let (Ok(length), Some(client)) = (came, client) {
                        let _ = near.send_to(&down[..length], client).await;
                    }
                }
            }
        }
    });
    (address, seen)
}

/// At the same address: the one before goes on until the new one's handshake is over, and both until they are silent.
#[tokio::test]
async fn a_client_that_starts_anew_is_passed_on_beside_the_one_before() {
    let key = key();
    let (server, served) = behind(impatient()).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let front = front(server).idle_timeout(Duration::from_millis(1_500));
    let (listener, address) = listen_in_front(keys, front, &GROUPS).await;
    let address = relay(address, 0).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let mut first = dtls.connect(address, other_name()).await.unwrap();
    ask(&mut first, b"from the first").await;
    for anew in 1..=3 {
        let mut next = dtls.connect(address, other_name()).await.unwrap();
        ask(&mut next, b"from the next").await;
        assert_eq!(served.load(Ordering::Relaxed), 1 + anew);
        assert!(listener.statistics().fronted.clients <= 2);
    }
    eventually("who is silent is forgotten", || {
        listener.statistics().fronted.clients == 0
    })
    .await;
}

/// One that speaks keeps its place for a while, and not for ever.
#[tokio::test]
async fn a_client_whose_server_is_silent_is_forgotten() {
    let key = key();
    let (listener, server) = listen(acceptor_behind(&pki().other, impatient())).await;
    let silent = tokio::spawn(async move {
        let mut connection = listener.accept().await?.handshake().await?;
        let mut received = 0;
        while connection.recv().await.is_ok() {
            received += 1;
        }
        Ok::<usize, portcullis::Error>(received)
    });
    let keys = EchKeys::new([key.clone()]).unwrap();
    let idle = Duration::from_millis(500);
    let front = front(server).idle_timeout(idle);
    let (listener, address) = listen_in_front(keys, front, &GROUPS).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let client = dtls.connect(address, other_name()).await.unwrap();
    let began = std::time::Instant::now();
    let speaks = async {
        loop {
            client.send(&[b"is somebody there?"]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let forgotten = eventually("it is forgotten", || {
        listener.statistics().fronted.clients == 0
    });
    tokio::select! {
        () = forgotten => {}
        () = speaks => {}
    }
    assert!(began.elapsed() >= 5 * idle, "{:?}", began.elapsed());
    silent.abort();
}

#[tokio::test]
async fn clients_that_are_passed_on_have_a_bound() {
    let key = key();
    let (server, _served) = behind(impatient()).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let front = front(server).clients(1);
    let (listener, address) = listen_in_front(keys, front, &GROUPS).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let mut first = dtls.connect(address, other_name()).await.unwrap();
    ask(&mut first, b"here").await;
    let config = client(&key).groups(GROUPS).build().unwrap();
    let hasty = TlsConnector::new(config).handshake_timeout(Duration::from_millis(500));
    let hasty = DtlsConnector::new(hasty).options(impatient());
    let full = hasty.connect(address, other_name()).await.unwrap_err();
    assert!(full.is_timeout(), "{full}");
    assert!(listener.statistics().fronted.clients_full > 0);
    ask(&mut first, b"still here").await;
}

#[tokio::test]
async fn clients_of_one_address_have_a_bound_of_their_own() {
    let key = key();
    let (server, _served) = behind(impatient()).await;
    let keys = EchKeys::new([key.clone()]).unwrap();
    let one = impatient().per_address(AddressLimits::new().handshakes(1));
    let acceptor = acceptor_in_front(keys, front(server), &GROUPS, one);
    let (listener, address) = listen(acceptor).await;
    let dtls = connector(client(&key).groups(GROUPS));
    let mut first = dtls.connect(address, other_name()).await.unwrap();
    ask(&mut first, b"here").await;
    let config = client(&key).groups(GROUPS).build().unwrap();
    let hasty = TlsConnector::new(config).handshake_timeout(Duration::from_millis(500));
    let hasty = DtlsConnector::new(hasty).options(impatient());
    let full = hasty.connect(address, other_name()).await.unwrap_err();
    assert!(full.is_timeout(), "{full}");
    let statistics = listener.statistics();
    assert!(statistics.address_full > 0);
    assert_eq!(statistics.fronted.clients, 1);
    ask(&mut first, b"still here").await;
}

#[tokio::test]
async fn what_cannot_be_in_front_is_refused() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let plain = ServerConfig::builder().identity(pki().server.clone());
    let keys = EchKeys::new([key()]).unwrap();
    let with_keys = plain.clone().ech_keys(keys).build().unwrap();
    let plain = plain.build().unwrap();
    let refused = [
        DtlsAcceptor::new(plain).ech_front(front(nowhere)),
        DtlsAcceptor::new(with_keys.clone())
            .options(DtlsOptions::new().cookies(portcullis::CookiePolicy::Never))
            .ech_front(front(nowhere)),
        DtlsAcceptor::new(with_keys.clone()).ech_front(front(nowhere).clients(0)),
        DtlsAcceptor::new(with_keys.clone()).ech_front(front(nowhere).mtu(255)),
        DtlsAcceptor::new(with_keys.clone())
            .ech_front(front(nowhere).idle_timeout(Duration::from_millis(9))),
    ];
    for acceptor in refused {
        let error = acceptor.check().unwrap_err().to_string();
        assert!(error.contains("ech_front"), "{error}");
        assert!(DtlsListener::bind("127.0.0.1:0", acceptor).await.is_err());
    }
    let acceptor = DtlsAcceptor::new(with_keys).ech_front(front(nowhere));
    acceptor.check().unwrap();
}
