//! How handshakes begin and how they fail.

mod ends;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use portcullis::{AlertDescription, ClientConfig, Direction, TlsConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

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
        let (error, transport, unread) = acceptor.upgrade(server).await.unwrap_err().into_parts();
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
        acceptor
            .accept(io)
            .await
            .map(drop)
            .map_err(portcullis::Error::from)
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
        let error = failed.error();
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
    let error = server.unwrap_err().into_parts().0;
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
    let error = client.unwrap_err().into_parts().0;
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
    assert!(failed.error().is_silent_peer(), "{failed}");
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
