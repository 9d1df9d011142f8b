//! What a handshake may take, from connecting to the last alert.

mod ends;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use portcullis::Stage;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[tokio::test(start_paused = true)]
async fn a_silent_peer_times_out_in_both_roles() {
    let start = tokio::time::Instant::now();
    let (mut client, server) = duplex(1024);
    client.write_all(&[22]).await.unwrap();
    let failed = acceptor().upgrade(server).await.unwrap_err();
    assert!(failed.is_timeout() && !failed.is_silent_peer());
    assert_eq!(io::Error::from(failed).kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 10, "the default");

    let (client, _server) = duplex(64 * 1024);
    let failed = connector()
        .handshake_timeout(Duration::from_secs(2))
        .upgrade(client, name())
        .await
        .unwrap_err();
    assert!(failed.is_timeout());
    assert_eq!(failed.stage(), Stage::WaitServerHello);

    // A transport that takes nothing.
    let (client, _server) = duplex(16);
    let failed = connector().upgrade(client, name()).await.unwrap_err();
    assert!(failed.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn no_timeout_means_at_once_and_none_is_too_long() {
    for timeout in [Duration::ZERO, Duration::MAX] {
        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        let acceptor = acceptor()
            .handshake_timeout(timeout)
            .first_byte_timeout(timeout)
            .alert_timeout(timeout);
        let failed = acceptor.upgrade(server).await.unwrap_err();
        assert!(failed.is_timeout());
        let elapsed = start.elapsed();
        if timeout.is_zero() {
            assert!(elapsed < Duration::from_millis(10), "{elapsed:?}");
        } else {
            assert!(elapsed > Duration::from_secs(86_400), "{elapsed:?}");
        }
    }
    // What can be done at once does not time out, and the longest timeout does not overflow.
    let (client, server) = duplex(64 * 1024);
    let (connector, acceptor) = (
        connector().handshake_timeout(Duration::MAX),
        acceptor().handshake_timeout(Duration::MAX),
    );
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    server.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_alert_waits_for_its_reader_no_longer_than_told() {
    for (timeout, seconds) in [(None, 5), (Some(2), 2), (Some(0), 0)] {
        // The alert has 7 bytes, and nobody reads them.
        let (mut client, server) = duplex(4);
        let client = tokio::spawn(async move {
            // Ends with the transport.
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await
        });
        let acceptor = match timeout {
            Some(seconds) => acceptor().alert_timeout(Duration::from_secs(seconds)),
            None => acceptor(),
        };
        let start = tokio::time::Instant::now();
        let failed = acceptor.upgrade(server).await.unwrap_err();
        assert!(failed.is_not_tls());
        assert_eq!(start.elapsed().as_secs(), seconds);
        drop(failed);
        assert!(client.await.unwrap().is_err());
    }
}

/// Linux lets a connection wait without an answer when the backlog is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_timeout_covers_the_connection() {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(100).collect();
    assert!(waiting.len() < 100);

    let start = std::time::Instant::now();
    let connector = connector().handshake_timeout(Duration::from_millis(300));
    let error = connector.connect(address, name()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.stage(), Stage::Connecting);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Who says nothing has less time than who says something, unless it has said it before.
#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_has_three_seconds() {
    for (limit, seconds) in [(None, 3), (Some(1), 1), (Some(60), 10)] {
        let acceptor = match limit {
            Some(limit) => acceptor().first_byte_timeout(Duration::from_secs(limit)),
            None => acceptor(),
        };
        let start = tokio::time::Instant::now();
        let (mut client, server) = duplex(1024);
        let error = acceptor.upgrade(server).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.is_silent_peer(), limit != Some(60));
        assert_eq!(error.stage(), Stage::WaitClientHello);
        if limit.is_none() {
            assert_eq!(
                error.to_string(),
                "timed out: the client sent nothing within 3s (`first_byte_timeout`)"
            );
        }
        let mut alert = [0; 7];
        client.read_exact(&mut alert).await.unwrap();
        assert_eq!(alert[6], 90, "user_canceled");

        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        let prefix = Bytes::from_static(&[22]);
        let failed = acceptor.upgrade_with_prefix(server, prefix).await;
        assert!(!failed.unwrap_err().is_silent_peer());
        assert_eq!(start.elapsed().as_secs(), 10);

        let start = tokio::time::Instant::now();
        let (_client, server) = duplex(1024);
        acceptor.pause_at_hello(server).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // Who may not speak TLS is sent nothing.
    let (client, server) = duplex(1024);
    let acceptor = acceptor().plaintext_fallback(true);
    let (error, transport, _) = acceptor
        .upgrade(server)
        .or_transport()
        .await
        .unwrap_err()
        .into_parts();
    assert!(error.is_silent_peer());
    transport.unwrap().write_all(b"220 hello").await.unwrap();
    let mut greeting = [0; 9];
    let mut client = client;
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 hello");
    // A slow handshake is not cut short, nor is a pause.
    let connector = connector();
    let (client, server) = duplex(64 * 1024);
    let serve = async {
        let paused = acceptor.pause_at_hello(server).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        paused.proceed().await
    };
    let patient = connector.handshake_timeout(Duration::from_secs(100));
    let (client, server) = tokio::join!(patient.upgrade(client, name()), serve);
    client.unwrap();
    server.unwrap();
}
