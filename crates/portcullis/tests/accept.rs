//! Connections from sockets of all kinds, from memory, and through proxies.

mod ends;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::{
    Accept, AddressLimits, AlertDescription, Connections, Direction, Error, ProxyProtocol,
    TlsListener, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(5);

/// Accepts `A` without a bound that a user could not write.
async fn one<A: Accept>(connections: &mut Connections<A>) -> (TlsStream<A::Io>, A::Addr) {
    let accepted = tokio::time::timeout(SOON, connections.accept()).await;
    accepted.expect("nobody came").unwrap()
}

#[tokio::test]
async fn sockets_of_the_system_and_of_tokio() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = Connections::new(listener, server_config(), 4);
    let client = tokio::spawn(async move { connector().connect(address, "localhost").await });
    let (stream, peer) = one(&mut connections).await;
    assert!(stream.get_ref().nodelay().unwrap());
    let client = client.await.unwrap().unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets() {
    let path = std::env::temp_dir().join(format!("portcullis-accept-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let mut connections = Connections::new(listener, server_config(), 4);
    let io = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let client = tokio::spawn(connector().upgrade(io, name()));
    let (mut stream, _) = one(&mut connections).await;
    stream.send(&[b"hello"]).await.unwrap();
    let mut client = client.await.unwrap().unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
}

#[tokio::test(start_paused = true)]
async fn transports_in_memory() {
    let (sender, receiver) = mpsc::channel::<(DuplexStream, &'static str)>(4);
    let mut connections = Connections::new(receiver, server_config(), 4);
    let (client, server) = duplex(64 * 1024);
    sender.send((server, "alice")).await.unwrap();
    let client = tokio::spawn(connector().upgrade(client, name()));
    assert_eq!(one(&mut connections).await.1, "alice");
    client.await.unwrap().unwrap();
    // Nobody can come any more: that is told, less and less often.
    drop(sender);
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        let error = connections.accept().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
}

/// Header and ClientHello in one segment, as a proxy may send them.
async fn through_a_proxy(address: SocketAddr, header: &[u8]) -> Result<(), Error> {
    let mut io = TcpStream::connect(address).await.unwrap();
    let mut hello = Vec::new();
    let (client, mut relay) = duplex(64 * 1024);
    let client = tokio::spawn(connector().upgrade(client, name()));
    hello.resize(4_096, 0);
    let count = relay.read(&mut hello).await.unwrap();
    io.write_all(&[header, &hello[..count]].concat())
        .await
        .unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut relay, &mut io).await });
    client.await.unwrap().map(drop)
}

#[tokio::test]
async fn clients_that_come_through_a_proxy() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let proxied = ProxyProtocol::new(listener, |peer: &SocketAddr| peer.ip().is_loopback());
    let mut connections = Connections::new(proxied, server_config(), 4);
    // One that says nothing stops nobody.
    let _silent = TcpStream::connect(address).await.unwrap();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, source) in [
        (
            &b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"[..],
            Some("192.0.2.1:56324"),
        ),
        (v2, Some("192.0.2.1:56324")),
        (local, None),
        (b"PROXY UNKNOWN\r\n", None),
    ] {
        let client = tokio::spawn(through_a_proxy(address, header));
        let (_stream, peer) = one(&mut connections).await;
        assert_eq!(peer.source, source.map(|source| source.parse().unwrap()));
        assert!(peer.socket.ip().is_loopback());
        let shown = source.map_or(peer.socket.to_string(), str::to_owned);
        assert_eq!(format!("{peer:?}"), shown, "for logs");
        client.await.unwrap().unwrap();
    }
    // A client that is none, or a proxy that says nothing, gets no word of TLS.
    let driving = tokio::spawn(async move { connections.accept().await.map(drop) });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, client.read_to_end(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, b"");
    driving.abort();
}

#[tokio::test]
async fn a_header_is_read_from_proxies_only_and_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxied = ProxyProtocol::new(listener, |_| false);
    let mut connections = Connections::new(proxied, server_config(), 4);
    let client = tokio::spawn(async move { connector().connect(address, "localhost").await });
    let (_stream, peer) = one(&mut connections).await;
    assert_eq!((peer.source, peer.destination), (None, None));
    client.await.unwrap().unwrap();

    let (sender, receiver) = mpsc::channel(4);
    let short = Duration::from_millis(50);
    let mut proxied = ProxyProtocol::new(receiver, |_: &u32| true).timeout(short);
    let (mut client, server) = duplex(64);
    sender.send((server, 7)).await.unwrap();
    client.write_all(b"PROXY TCP4 ").await.unwrap();
    let accepting =
        tokio::spawn(async move { std::future::poll_fn(|cx| proxied.poll_accept(cx)).await });
    let mut rest = Vec::new();
    let end = tokio::time::timeout(SOON, client.read_to_end(&mut rest)).await;
    end.expect("it is closed").unwrap();
    assert!(!accepting.is_finished());
}

#[tokio::test]
async fn failed_handshakes_reach_a_callback_with_their_facts() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let mut connections = listener.connections(8).on_failed({
        let failures = Arc::clone(&failures);
        move |failure| failures.lock().unwrap().push(failure.clone())
    });
    // A health check, plain HTTP, and then a client.
    drop(TcpStream::connect(address).await.unwrap());
    let mut http = TcpStream::connect(address).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let http_address = http.local_addr().unwrap();
    let accepting = async {
        let (stream, peer) = connections.accept().await.unwrap();
        http.read_u8().await.unwrap();
        drop(http);
        while failures.lock().unwrap().len() < 2 {
            assert!(
                now(connections.next())
                    .await
                    .is_none_or(|failed| failed.is_some_and(|failed| failed.is_err()))
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (stream, peer)
    };
    let connector = connector();
    let (client, _) = tokio::join!(connector.connect(address, "localhost"), accepting);
    client.unwrap();
    let failures = failures.lock().unwrap();
    let (probes, broken): (Vec<_>, Vec<_>) =
        failures.iter().partition(|failure| failure.is_probe());
    let ([_probe], [broken]) = (&probes[..], &broken[..]) else {
        panic!("{failures:?}");
    };
    assert_eq!(broken.peer_addr, Some(http_address));
    assert!(broken.error.is_not_tls() && broken.after < SOON);
    let alert = AlertDescription::UNEXPECTED_MESSAGE;
    assert_eq!(broken.error.alert(), Some((Direction::Sent, alert)));
    assert!(
        broken.to_string().starts_with(&format!("{http_address}: ")),
        "{broken}"
    );
}

#[tokio::test]
async fn connections_are_stopped_from_elsewhere() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let mut connections = listener.connections(4);
    let (address, stop) = (connections.local_addr().unwrap(), connections.stop_handle());
    let late = TcpStream::connect(address).await.unwrap();
    // Who came first was accepted first.
    let client = tokio::spawn(async move { connector().connect(address, "localhost").await });
    one(&mut connections).await;
    client.await.unwrap().unwrap();
    let accepting = tokio::spawn(async move {
        let accepted = connections.accept().await;
        (accepted, connections)
    });
    // What nobody else wakes.
    tokio::task::yield_now().await;
    stop.clone().stop();
    let closed = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(SOON, closed).await.unwrap();

    let early = tokio::time::timeout(Duration::from_millis(20), stop.stopped());
    assert!(early.await.is_err(), "a handshake is under way");
    let _client = connector().upgrade(late, name()).await.unwrap();
    let (accepted, mut connections) = accepting.await.unwrap();
    assert!(accepted.is_ok());
    assert!(connections.listener().is_none());
    let error = connections.local_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    // It stays so, for everybody who asks.
    for _ in 0..2 {
        let error = connections.accept().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(connections.next().await.is_none());
        tokio::time::timeout(SOON, stop.stopped()).await.unwrap();
    }
}

#[tokio::test]
async fn connections_that_are_dropped_have_stopped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connections = Connections::new(listener, server_config(), 4);
    let stop = connections.stop_handle();
    let stopped = tokio::spawn(stop.stopped());
    drop(connections);
    tokio::time::timeout(SOON, stopped).await.unwrap().unwrap();
    tokio::time::timeout(SOON, stop.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_graceful_stop_finishes_handshakes_under_way() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = listener.connections(8);
    // A client in the middle of its hello.
    let (client, mut relay) = duplex(64 * 1024);
    let client = tokio::spawn(connector().upgrade(client, name()));
    let mut io = TcpStream::connect(address).await.unwrap();
    let mut hello = vec![0; 4_096];
    let count = relay.read(&mut hello).await.unwrap();
    io.write_all(&hello[..100]).await.unwrap();
    while connections.handshakes() == 0 {
        assert!(now(connections.next()).await.is_none());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopping = tokio::spawn(connections.finish());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody else comes"
    );
    io.write_all(&hello[100..count]).await.unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut relay, &mut io).await });
    let mut client = client.await.unwrap().unwrap();
    let [Ok(stream)] = &mut stopping.await.unwrap()[..] else {
        panic!("it was not finished");
    };
    stream.send(&[b"hello"]).await.unwrap();
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
}

/// One client may have so many handshakes under way; others go on, and its place comes back.
#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let (sender, receiver) = mpsc::channel::<(DuplexStream, SocketAddr)>(16);
    let failures = Arc::new(Mutex::new(Vec::new()));
    let mut connections = Connections::new(receiver, server_config(), 100)
        .per_address(AddressLimits::new().handshakes(2), |peer| Some(peer.ip()))
        .on_failed({
            let failures = Arc::clone(&failures);
            move |failure| failures.lock().unwrap().push(failure.error.is_over_limit())
        });
    let (busy, other): (SocketAddr, SocketAddr) = (
        "192.0.2.1:1".parse().unwrap(),
        "192.0.2.2:1".parse().unwrap(),
    );
    let connect = async |from| {
        let (near, far) = duplex(65_536);
        sender.send((far, from)).await.unwrap();
        near
    };
    // Two that say nothing, and a third one.
    let first = connect(busy).await;
    let _second = connect(busy).await;
    let mut third = connect(busy).await;
    let failed = connections.next().await.unwrap().unwrap_err();
    assert!(failed.error.is_over_limit(), "{failed}");
    assert_eq!(failed.peer_addr, Some(busy));
    assert_eq!(*failures.lock().unwrap(), [true]);
    // Closed without a byte.
    assert_eq!(third.read(&mut [0; 1]).await.unwrap(), 0);
    // Another address has its own places.
    let near = connect(other).await;
    let connector = connector();
    let (client, accepted) = tokio::join!(connector.upgrade(near, name()), connections.accept());
    client.unwrap();
    assert_eq!(accepted.unwrap().1, other);
    // One of the silent ones goes: the address has a place again.
    drop(first);
    let gone = connections.next().await.unwrap().unwrap_err();
    assert!(!gone.error.is_over_limit());
    let near = connect(busy).await;
    let (client, accepted) = tokio::join!(connector.upgrade(near, name()), connections.accept());
    client.unwrap();
    assert_eq!(accepted.unwrap().1, busy);
}
