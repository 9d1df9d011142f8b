//! How handshakes begin and how they fail.

mod ends;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use portcullis::{
    AlertDescription, ClientConfig, Direction, Error, Handshaking, OrTransport, PausedClient,
    PausedServer, TlsConnector,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

#[tokio::test]
async fn bytes_read_before_are_the_start_of_the_handshake() {
    let (connector, acceptor) = (connector(), acceptor());
    for length in [1, 5, 100, 2000] {
        let (client, mut server) = duplex(64 * 1024);
        let serve = async {
            let mut prefix = vec![0; length];
            let length = server.read(&mut prefix).await.unwrap();
            prefix.truncate(length);
            acceptor
                .upgrade_with_prefix(server, Bytes::from(prefix))
                .await
        };
        let (client, server) = tokio::join!(connector.upgrade(client, name()), serve);
        client.unwrap();
        server.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_named_and_answered_or_handed_back() {
    for fallback in [false, true] {
        let acceptor = acceptor().plaintext_fallback(fallback);
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (error, transport, unread) = acceptor
            .upgrade(server)
            .or_transport()
            .await
            .unwrap_err()
            .into_parts();
        assert!(error.is_not_tls());
        assert!(error.to_string().contains("plain HTTP"), "{error}");
        assert_eq!(unread, b"GET / HTTP/1.1\r\n\r\n");
        let mut transport = transport.unwrap();
        if fallback {
            transport
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
        drop(transport);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        if fallback {
            assert_eq!(answer, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        } else {
            assert_eq!(answer, [21, 3, 3, 0, 2, 2, 10]);
        }
    }
}

#[tokio::test]
async fn the_alert_of_a_failed_handshake_arrives_over_tcp() {
    let connector = TlsConnector::new(
        ClientConfig::builder(pki().roots.clone())
            .alpn(["none"])
            .build()
            .unwrap(),
    );
    let acceptor = acceptor();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(connector.connect(address, name()), async {
        let (io, _) = listener.accept().await.unwrap();
        acceptor.accept(io).await.map(drop)
    });
    assert_eq!(
        client.unwrap_err().alert(),
        Some((
            Direction::Received,
            AlertDescription::NO_APPLICATION_PROTOCOL
        ))
    );
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Sent, AlertDescription::NO_APPLICATION_PROTOCOL))
    );
}

/// As the sequence `scan` of the reports.
#[tokio::test]
async fn a_peer_that_closes_in_the_handshake_is_told_apart() {
    for (sent, text) in [
        (
            0,
            "the client closed the connection without sending anything",
        ),
        (
            1,
            "the client closed the connection after 1 byte, within its first message",
        ),
        (
            8,
            "the client closed the connection after 8 bytes, within its first message",
        ),
    ] {
        let (mut client, server) = duplex(1024);
        let start = [22, 3, 1, 2, 0, 1, 0, 1];
        client.write_all(&start[..sent]).await.unwrap();
        drop(client);
        let failed = acceptor().upgrade(server).await.unwrap_err();
        let error = failed;
        assert_eq!(
            error.to_string(),
            format!("{text}, while waiting for ClientHello")
        );
        assert!(error.is_closed_in_handshake() && !error.is_truncated());
        assert_eq!(error.is_silent_peer(), sent == 0);
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    // After the server's flight.
    let (client, mut relayed) = duplex(64 * 1024);
    let (mut relay, server) = duplex(64 * 1024);
    let (connector, acceptor) = (connector(), acceptor());
    let relaying = async {
        let mut hello = vec![0; 4_096];
        let count = relayed.read(&mut hello).await.unwrap();
        relay.write_all(&hello[..count]).await.unwrap();
        assert!(relay.read(&mut hello).await.unwrap() > 0);
        drop((relay, relayed));
    };
    let (_, server, ()) = tokio::join!(
        connector.upgrade(client, name()),
        acceptor.upgrade(server),
        relaying
    );
    let error = server.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the client closed the connection in the handshake, after its client_hello, while waiting \
         for Finished"
    );
    assert!(error.is_closed_in_handshake() && !error.is_silent_peer());

    // A server that takes the hello and goes.
    let (client, mut server) = duplex(64 * 1024);
    let taken = async {
        assert!(server.read(&mut [0; 4_096]).await.unwrap() > 0);
        drop(server);
    };
    let (client, ()) = tokio::join!(connector.upgrade(client, name()), taken);
    let error = client.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server closed the connection without sending anything, while waiting for ServerHello"
    );
}

/// Some health checks reset.
#[tokio::test]
async fn a_client_that_resets_at_once_has_said_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let client = socket2::Socket::from(client);
    client.set_linger(Some(Duration::ZERO)).unwrap();
    let (io, _) = listener.accept().await.unwrap();
    drop(client);
    let failed = acceptor().accept(io).await.unwrap_err();
    assert!(failed.is_silent_peer(), "{failed}");
}

#[tokio::test]
async fn one_byte_at_a_time() {
    let (mut client, mut server) = pair_with(1).await;
    let data = pattern(3_000);
    let buffers = [&data[..]];
    let (sent, all) = tokio::join!(client.send(&buffers), server.recv(3_000));
    sent.unwrap();
    assert_eq!(&all.unwrap()[..], data);
}

/// A transport of a caller who does not want to write its type.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// An error that goes wherever `?` takes it, whatever the transport is.
#[tokio::test]
async fn question_marks_work_with_any_transport() {
    type Anything = Box<dyn std::error::Error + Send + Sync>;

    async fn borrowed(io: &mut DuplexStream) -> Result<(), Anything> {
        let paused = acceptor().pause_at_hello(&mut *io).await?;
        let mut stream = paused.proceed().await?;
        stream.send(&[b"borrowed"]).await?;
        Ok(())
    }
    async fn boxed(io: Box<dyn Transport>) -> Result<(), Anything> {
        let mut stream = acceptor().accept(io).await?;
        stream.send(&[b"boxed"]).await?;
        Ok(())
    }
    async fn transport(io: Box<dyn Transport>) -> Result<(), Error> {
        acceptor().accept(io).or_transport().await?;
        Ok(())
    }

    for expected in [&b"borrowed"[..], b"boxed"] {
        let (client, mut server) = duplex(64 * 1024);
        let serving = async {
            match expected {
                b"borrowed" => borrowed(&mut server).await,
                _ => boxed(Box::new(server)).await,
            }
        };
        let connector = connector();
        let (client, served) = tokio::join!(connector.upgrade(client, name()), serving);
        served.unwrap();
        assert_eq!(&client.unwrap().recv(0).await.unwrap()[..], expected);
    }
    for how in ["borrowed", "boxed", "transport"] {
        let (mut client, mut server) = duplex(64 * 1024);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(client);
        let error = match how {
            "borrowed" => borrowed(&mut server).await.unwrap_err(),
            "boxed" => boxed(Box::new(server)).await.unwrap_err(),
            _ => transport(Box::new(server)).await.unwrap_err().into(),
        };
        assert!(error.downcast_ref::<Error>().unwrap().is_not_tls(), "{how}");
    }
}

/// A handshake has a name, owns what it needs, and can be kept.
#[tokio::test]
async fn a_handshake_is_a_value() {
    struct Pending {
        handshakes: Vec<Handshaking<DuplexStream>>,
    }
    fn assert_kinds<S: Send + Sync, F: Send>() {}
    assert_kinds::<PausedServer<DuplexStream>, Handshaking<DuplexStream>>();
    assert_kinds::<PausedClient<DuplexStream>, OrTransport<DuplexStream>>();

    let mut pending = Pending {
        handshakes: Vec::new(),
    };
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (client, server) = duplex(64 * 1024);
        pending.handshakes.push(acceptor().accept(server));
        clients.push(tokio::spawn(connector().upgrade(client, name())));
    }
    for handshake in pending.handshakes {
        handshake.await.unwrap();
    }
    for client in clients {
        client.await.unwrap().unwrap();
    }
    // Once is enough.
    let (_client, server) = duplex(64);
    let mut late = acceptor().handshake_timeout(Duration::ZERO).accept(server);
    assert!((&mut late).await.unwrap_err().is_timeout());
    assert!((&mut late).await.unwrap_err().is_closed());
}
