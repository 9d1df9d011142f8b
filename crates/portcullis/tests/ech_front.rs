//! A server in front that decrypts hellos for others (RFC 9849 §3.1), and what is for its own server.

mod ends;

use std::sync::Arc;
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, KeyShares, ServerConfigBuilder};
use portcullis::ech::{EchKey, EchKeys, EchStatus};
use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters, TicketKeys};
use portcullis::{
    ClientConfig, EarlyDataStatus, EchFront, Fronted, HowEnded, MemorySessionStore, NamedGroup,
    RelayOutcome, ServerConfig, TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use ends::{other_name, pki};

const PUBLIC: &str = "localhost";

fn client(key: &EchKey) -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone()).ech(key.config_list())
}

fn backend() -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(pki().other.clone())
        .ech_backend(true)
}

type Served = JoinHandle<Result<Option<TlsStream<DuplexStream>>, portcullis::Error>>;

/// A connection to a front with these keys; what is not for a server behind is for one of its own.
fn front(keys: EchKeys, backend: ServerConfigBuilder) -> (DuplexStream, Served) {
    let (near, far) = duplex(300);
    let backend = TlsAcceptor::new(backend.build().unwrap());
    let own = ServerConfig::builder()
        .identity(pki().server.clone())
        .ech_keys(keys.clone());
    let own = TlsAcceptor::new(own.build().unwrap());
    let serving = tokio::spawn(async move {
        match EchFront::new(keys).accept(far).await? {
            Fronted::Routed(routed) => {
                assert_eq!(routed.server_name(), Some("other.example"));
                let (to, from) = duplex(300);
                let serving = tokio::spawn(async move {
                    let mut stream = backend.upgrade(from).await?;
                    assert_eq!(stream.information().ech(), EchStatus::Accepted);
                    let mut line = [0; 5];
                    stream.read_exact(&mut line).await.unwrap();
                    stream.send(&[&line]).await?;
                    stream.shutdown().await.unwrap();
                    // To the client's end.
                    let _ = stream.recv(1).await;
                    Ok::<_, portcullis::Error>(())
                });
                routed.splice(to).await?;
                serving.await.unwrap()?;
                Ok(None)
            }
            Fronted::NotOurs { io, received } => {
                let mut stream = own.upgrade_with_prefix(io, received).await?;
                // To the client's end.
                let _ = stream.recv(1).await;
                Ok(Some(stream))
            }
        }
    });
    (near, serving)
}

fn key() -> EchKey {
    EchKey::builder(PUBLIC).generate().unwrap().0
}

#[tokio::test]
async fn the_server_behind_is_talked_to_also_after_a_second_hello() {
    let groups = [NamedGroup::X25519, NamedGroup::SECP384R1];
    let key = key();
    let shares = KeyShares::Groups(vec![NamedGroup::X25519]);
    for (client, backend, retried) in [
        (client(&key), backend(), false),
        (
            client(&key).groups(groups).key_shares(shares),
            backend().groups([NamedGroup::SECP384R1]),
            true,
        ),
    ] {
        let keys = EchKeys::new([key.clone()]).unwrap();
        let (io, serving) = front(keys, backend);
        let connector = TlsConnector::new(client.build().unwrap()).without_resumption();
        let mut stream = connector.upgrade(io, other_name()).await.unwrap();
        assert_eq!(stream.information().ech(), EchStatus::Accepted);
        assert_eq!(stream.information().hello_retried(), retried);
        stream.send(&[b"hello"]).await.unwrap();
        assert_eq!(&stream.recv(5).await.unwrap()[..], b"hello");
        stream.shutdown().await.unwrap();
        drop(stream);
        assert!(serving.await.unwrap().unwrap().is_none());
    }
}

/// More than is read at once, so that records come in pieces, and in between stands another hello.
#[tokio::test]
async fn early_data_goes_by_a_second_hello() {
    let key = key();
    let shares = KeyShares::Groups(vec![NamedGroup::X25519]);
    let client = client(&key)
        .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
        .key_shares(shares)
        .build()
        .unwrap();
    let since = UnixTime::since_unix_epoch(Duration::ZERO);
    let anti_replay = AntiReplay::local(BloomFilters::SMALL, since).unwrap();
    let tickets = TicketKeys::rotating(Duration::from_secs(7_200)).unwrap();
    let backend = |group| {
        backend()
            .groups([group])
            .ticket_keys(tickets.clone())
            .early_data(anti_replay.clone())
            .max_early_data(1 << 16)
    };
    let connector =
        TlsConnector::new(client).session_store(Arc::new(MemorySessionStore::default()));
    for (group, is_rejected) in [(NamedGroup::X25519, false), (NamedGroup::SECP384R1, true)] {
        let keys = EchKeys::new([key.clone()]).unwrap();
        let (io, serving) = front(keys, backend(group));
        let early = vec![0xed; 20_000];
        let connecting = connector.upgrade_with_early_data(io, other_name(), early);
        let (mut stream, _) = connecting.await.unwrap();
        let information = stream.information();
        assert_eq!(information.ech(), EchStatus::Accepted);
        assert_eq!(information.hello_retried(), is_rejected);
        let status = information.early_data();
        match is_rejected {
            true => assert!(matches!(status, EarlyDataStatus::Rejected(_)), "{status:?}"),
            false => assert_eq!(status, EarlyDataStatus::NotOffered),
        }
        stream.send(&[b"hello"]).await.unwrap();
        assert_eq!(&stream.recv(5).await.unwrap()[..], b"hello");
        stream.shutdown().await.unwrap();
        drop(stream);
        assert!(serving.await.unwrap().unwrap().is_none());
    }
}

/// What was encrypted is printed nowhere.
#[tokio::test]
async fn no_name_is_printed() {
    let key = key();
    let keys = EchKeys::new([key.clone()]).unwrap();
    let (near, far) = duplex(4_096);
    let connector = TlsConnector::new(client(&key).build().unwrap()).without_resumption();
    let client = tokio::spawn(async move { connector.upgrade(near, other_name()).await.map(drop) });
    let fronted = EchFront::new(keys).accept(far).await.unwrap();
    let printed = format!("{fronted:?}");
    assert!(printed.starts_with("Routed(Routed {"), "{printed}");
    assert!(!printed.contains("other.example"), "{printed}");
    let bytes = format!("{:?}", b"other.example");
    assert!(
        !printed.contains(bytes.trim_matches(['[', ']'])),
        "{printed}"
    );
    match fronted {
        Fronted::Routed(routed) => assert_eq!(routed.server_name(), Some("other.example")),
        Fronted::NotOurs { .. } => panic!("it is ours"),
    }
    client.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn what_is_not_for_those_behind_is_for_its_own_server() {
    let (ours, other) = (key(), key());
    let keys = || EchKeys::new([ours.clone()]).unwrap();
    // For other keys: its own server tells the client of them.
    let (io, serving) = front(keys(), backend());
    let connector = TlsConnector::new(client(&other).build().unwrap()).without_resumption();
    let error = connector.upgrade(io, other_name()).await.unwrap_err();
    let retry = error.ech_rejection().unwrap().retry();
    let list = ours.config_list();
    assert_eq!(retry, portcullis::ech::Retry::With(&list));
    drop(serving);
    // Not encrypted at all.
    let (io, serving) = front(keys(), backend());
    let plain = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let connector = TlsConnector::new(plain).without_resumption();
    let stream = connector.upgrade(io, ends::name()).await.unwrap();
    drop(stream);
    assert!(serving.await.unwrap().unwrap().is_some());
    // No TLS.
    let (mut io, serving) = front(keys(), backend());
    io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(io);
    assert!(serving.await.unwrap().unwrap_err().is_not_tls());
}

const HOUR: Duration = Duration::from_secs(3_600);

/// A connection that is not for those behind, on its way to a server elsewhere.
fn passed_on(room: usize) -> (DuplexStream, DuplexStream, JoinHandle<RelayOutcome>) {
    let (client, near) = duplex(64);
    let (far, server) = duplex(room);
    let front = EchFront::new(EchKeys::new([key()]).unwrap()).idle_timeout(HOUR);
    let passing = async move { front.pass_on(near, b"seen".as_slice().into(), far).await };
    let passed = tokio::spawn(async { passing.await.unwrap() });
    (client, server, passed)
}

#[tokio::test(start_paused = true)]
async fn who_never_closes_is_left_when_the_other_has_closed() {
    let (client, mut server, passed) = passed_on(64);
    server.read_exact(&mut [0; 4]).await.unwrap();
    let began = Instant::now();
    drop(server);
    let outcome = passed.await.unwrap();
    assert!(
        matches!(outcome.a_to_b.end, HowEnded::HalfClosed),
        "{outcome:?}"
    );
    assert_eq!(began.elapsed().as_secs(), 30);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_end_of_the_other_direction_put_it_off() {
    let (mut client, mut server, passed) = passed_on(64);
    server.read_exact(&mut [0; 4]).await.unwrap();
    server.shutdown().await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_secs(15)).await;
        client.write_all(b"more").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
    }
    drop(client);
    let outcome = passed.await.unwrap();
    assert!(outcome.is_clean());
    assert_eq!((outcome.a_to_b.bytes, outcome.b_to_a.bytes), (44, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_byte_it_ends_and_not_before() {
    let (mut client, mut server, passed) = passed_on(64);
    server.read_exact(&mut [0; 4]).await.unwrap();
    let began = Instant::now();
    sleep(HOUR / 2).await;
    client.write_all(b"more").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
    let outcome = passed.await.unwrap();
    assert!(matches!(outcome.a_to_b.end, HowEnded::Idle), "{outcome:?}");
    assert_eq!(began.elapsed().as_secs(), (HOUR + HOUR / 2).as_secs());
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_left() {
    let (mut client, server, passed) = passed_on(8);
    client.write_all(b"more than fits").await.unwrap();
    client.shutdown().await.unwrap();
    let outcome = passed.await.unwrap();
    assert!(
        !outcome.is_clean() && !outcome.a_to_b.is_told,
        "{outcome:?}"
    );
    drop(server);
}
