//! Close, and back to plain text.

mod ends;

use std::time::Duration;

use ends::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn close_delivers_everything_before_it() {
    let (mut client, mut server) = tcp_pair().await;
    let data = pattern(500_000);
    let expected = data.clone();
    let closing = tokio::spawn(async move {
        client.write_all(&data).await.unwrap();
        client.close(Duration::from_secs(5)).await.unwrap();
    });
    // Data that nobody reads is on its way to the side that closes: it must not reset.
    server.send(&[&pattern(50_000)]).await.unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    assert!(all == expected);
    drop(server);
    closing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_waits_no_longer_than_told() {
    let (client, server) = pair().await;
    let start = tokio::time::Instant::now();
    client.close(Duration::from_secs(3)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 3);
    drop(server);

    // A peer that takes nothing: what is left cannot be sent.
    let (mut client, _server) = pair_with(100).await;
    assert_eq!(client.write(&[0; 5000]).await.unwrap(), 5000);
    assert!(
        client
            .close(Duration::from_secs(3))
            .await
            .unwrap_err()
            .is_timeout()
    );
}

#[tokio::test]
async fn downgrade_gives_the_transport_and_what_was_read_ahead() {
    let (mut client, mut server) = tcp_pair().await;
    client.send(&[b"over TLS"]).await.unwrap();
    assert_eq!(&server.recv(8).await.unwrap()[..], b"over TLS");
    client.send(&[b"not read"]).await.unwrap();
    let within = Duration::from_secs(5);
    let plain = |stream: portcullis::TlsStream<tokio::net::TcpStream>, say: &'static [u8]| async move {
        let mut down = stream.downgrade(within).await.unwrap();
        down.transport.write_all(say).await.unwrap();
        down
    };
    let (mut client, mut server) = tokio::join!(plain(client, b"client"), plain(server, b"server"));
    assert_eq!(&server.data[..], b"not read");
    let mut text = server.leftover.to_vec();
    while text.len() < 6 {
        server.transport.read_buf(&mut text).await.unwrap();
    }
    assert_eq!(text, b"client");
    let mut text = client.leftover.to_vec();
    while text.len() < 6 {
        client.transport.read_buf(&mut text).await.unwrap();
    }
    assert_eq!(text, b"server");
}

#[tokio::test]
async fn plain_text_right_behind_close_notify_is_leftover() {
    let (client, server) = pair().await;
    // close_notify without closing the transport, then plain text, in one read.
    let sending = async {
        let down = client.downgrade(Duration::from_secs(5));
        tokio::pin!(down);
        assert!(now(&mut down).await.is_none());
        down.await
    };
    let (client, server) = tokio::join!(sending, server.downgrade(Duration::from_secs(5)));
    client.unwrap().transport.write_all(b"PLAIN").await.unwrap();
    let mut server = server.unwrap();
    let mut text = server.leftover.to_vec();
    while text.len() < 5 {
        server.transport.read_buf(&mut text).await.unwrap();
    }
    assert_eq!(text, b"PLAIN");
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_the_peer_does_not_follow_gives_the_stream_back() {
    let (client, mut server) = pair().await;
    let failed = client.downgrade(Duration::from_secs(2)).await.unwrap_err();
    assert!(failed.error.is_timeout());
    let mut client = failed.stream;
    assert!(server.recv(1).await.unwrap_err().is_closed());
    server.send(&[b"late"]).await.unwrap();
    assert_eq!(&client.recv(4).await.unwrap()[..], b"late");
}
