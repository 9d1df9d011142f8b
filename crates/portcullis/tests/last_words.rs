//! Alerts at the end of a transport: ours arrives, and the peer's is seen by whoever writes.

mod ends;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::{Active, AlertDescription, Direction, Message, TlsStream};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(5);

/// A record that does not open.
async fn send_garbage<IO: AsyncWrite + Unpin>(io: &mut IO) {
    io.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    io.write_all(&[0; 32]).await.unwrap();
}

/// A client and what its server has sent: data, and an alert after it.
async fn data_and_alert() -> TlsStream<tokio::io::DuplexStream> {
    let (mut client, mut server) = pair().await;
    server.send(&[b"data"]).await.unwrap();
    send_garbage(client.get_mut()).await;
    let error = server.recv(1).await.unwrap_err();
    let alert = AlertDescription::BAD_RECORD_MAC;
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    client
}

#[tokio::test(start_paused = true)]
async fn data_that_came_before_the_alert_is_kept() {
    let alert = Some((Direction::Received, AlertDescription::BAD_RECORD_MAC));
    let mut client = data_and_alert().await;
    let error = client.send(&[b"x"]).await.unwrap_err();
    assert_eq!(error.alert(), alert, "{error}");
    assert_eq!(&client.recv(4).await.unwrap()[..], b"data");
    assert_eq!(client.recv(1).await.unwrap_err().alert(), alert);

    let mut client = data_and_alert().await.into_active(Active::True);
    client.write_all(b"x").await.unwrap_err();
    assert!(matches!(client.next().await, Some(Message::Data(data)) if data == "data"));
    match client.next().await {
        Some(Message::Error(error)) => assert_eq!(error.alert(), alert),
        other => panic!("{other:?}"),
    }
}

/// Takes nothing, once it is told so.
struct Breakable<W>(W, std::sync::Arc<std::sync::atomic::AtomicBool>);

impl<W: AsyncWrite + Unpin> AsyncWrite for Breakable<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.1.load(std::sync::atomic::Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A pair of pipes of which one breaks: the other goes on, and who waits there is not forgotten.
#[tokio::test(start_paused = true)]
async fn a_reader_in_another_task_is_still_woken() {
    let (client, server) = duplex(64 * 1024);
    let (input, output) = tokio::io::split(client);
    let broken = std::sync::Arc::default();
    let output = Breakable(output, std::sync::Arc::clone(&broken));
    let (client, mut server) = pair_over(tokio::io::join(input, output), server).await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let reading = tokio::spawn(async move { reader.read_u8().await });
    tokio::task::yield_now().await;
    broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let start = tokio::time::Instant::now();
    let error = writer.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(start.elapsed().as_millis(), 100, "as documented");
    server.send(&[b"y"]).await.unwrap();
    let read = tokio::time::timeout(SOON, reading).await;
    assert_eq!(read.expect("it is woken").unwrap().unwrap(), b'y');
    // Nobody else waits for a reason that was not found.
    assert!(writer.write_all(b"x").await.is_err());
    assert_eq!(start.elapsed().as_millis(), 100);
}

/// What the peer has said before it closed is the reason, also while the first flight is written.
#[tokio::test]
async fn a_handshake_that_cannot_be_written_says_why() {
    let (client, mut server) = duplex(1_024);
    server.write_all(&[21, 3, 3, 0, 2, 2, 40]).await.unwrap();
    drop(server);
    let failed = connector().upgrade(client, name()).await.unwrap_err();
    let alert = AlertDescription::HANDSHAKE_FAILURE;
    assert_eq!(
        failed.alert(),
        Some((Direction::Received, alert)),
        "{failed}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_is_read_from_within_bounds() {
    // It does not close.
    for seconds in [5, 2, 0] {
        let (mut client, server) = duplex(64);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let acceptor = acceptor().alert_timeout(Duration::from_secs(seconds));
        let start = tokio::time::Instant::now();
        assert!(acceptor.upgrade(server).await.is_err());
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // It does not stop.
    let (mut client, server) = duplex(64 * 1024);
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while client.write_all(&[b'x'; 1_024]).await.is_ok() {
            sent += 1_024;
        }
        sent
    });
    let start = tokio::time::Instant::now();
    let failed = acceptor().upgrade(server).await.unwrap_err();
    assert!(failed.is_not_tls());
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(failed);
    let sent = flood.await.unwrap();
    assert!(sent <= 5 * 64 * 1024, "{sent} bytes");
}

const BAD_RECORD_MAC: AlertDescription = AlertDescription::BAD_RECORD_MAC;

/// A client that was refused after the handshake and goes on sending for a while before it reads:
/// it gets the alert and then the end, no reset.
async fn keep_sending(mut client: TlsStream<TcpStream>) {
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.get_mut().write_all(&[7; 5_000]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = client.recv(1).await.unwrap_err();
    let alert = Some((Direction::Received, BAD_RECORD_MAC));
    assert_eq!(error.alert(), alert, "{error}");
    assert_eq!(client.get_mut().read(&mut [0]).await.unwrap(), 0);
}

/// A connection whose server is sent what does not open.
async fn with_garbage() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let (mut client, server) = tcp_pair().await;
    client.get_ref().set_nodelay(true).unwrap();
    send_garbage(client.get_mut()).await;
    (client, server)
}

/// After the handshake: the transport's write side ends with the alert, and what the peer still
/// sends does not reset the transport.
#[tokio::test]
async fn an_alert_of_an_established_connection_arrives() {
    for how in [
        "read", "recv", "fill_buf", "active", "cancel", "halves", "tokio",
    ] {
        let (client, mut server) = with_garbage().await;
        let sending = tokio::spawn(keep_sending(client));
        let start = tokio::time::Instant::now();
        match how {
            "read" => drop(server.read_u8().await.unwrap_err()),
            "recv" => drop(server.recv(1).await.unwrap_err()),
            "fill_buf" => drop(server.fill_buf().await.unwrap_err()),
            "active" => {
                let mut server = server.into_active(Active::True);
                assert!(matches!(server.next().await, Some(Message::Error(_))));
            }
            "cancel" => {
                // The error is not lost with the read that found it, and no write waits for it.
                let short = Duration::from_millis(30);
                assert!(
                    server
                        .recv_timeout(1, short)
                        .await
                        .unwrap_err()
                        .is_timeout()
                );
                let written = server.send(&[b"x"]).await.unwrap_err();
                assert_eq!(written.alert(), Some((Direction::Sent, BAD_RECORD_MAC)));
                assert!(!sending.is_finished());
                let read = server.recv(1).await.unwrap_err();
                assert_eq!(read.to_string(), written.to_string());
            }
            "halves" => {
                let (mut reader, writer) = server.into_split();
                reader.recv(1).await.unwrap_err();
                drop(writer);
                assert!(!sending.is_finished(), "nobody waits");
                drop(reader);
            }
            _ => {
                let (mut reader, _writer) = tokio::io::split(server);
                reader.read_u8().await.unwrap_err();
            }
        }
        if let Err(error) = sending.await {
            panic!("{how}: {error}");
        }
        assert!(start.elapsed() < SOON, "{how}: it waits no longer");
    }
}

/// Halves in the other order, and what a reading half alone leaves behind.
#[tokio::test]
async fn the_half_that_is_dropped_last_sees_to_the_alert() {
    let (client, server) = with_garbage().await;
    let sending = tokio::spawn(keep_sending(client));
    let (mut reader, mut writer) = server.into_split();
    reader.recv(1).await.unwrap_err();
    drop(reader);
    let error = writer.send(&[b"x"]).await.unwrap_err();
    assert_eq!(error.alert(), Some((Direction::Sent, BAD_RECORD_MAC)));
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(writer);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_stream_that_refused_and_is_closed_waits_for_its_peer() {
    let (client, mut server) = with_garbage().await;
    let sending = tokio::spawn(keep_sending(client));
    let short = Duration::from_millis(30);
    server.recv_timeout(1, short).await.unwrap_err();
    server.close(SOON).await.unwrap_err();
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_refused_after_the_handshake_is_read_from_within_bounds() {
    // It does not close.
    for seconds in [5, 2, 0] {
        let (client, server) = duplex(64 * 1024);
        let acceptor = acceptor().alert_timeout(Duration::from_secs(seconds));
        let connector = connector();
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        send_garbage(client.get_mut()).await;
        let start = tokio::time::Instant::now();
        let error = server.recv(1).await.unwrap_err();
        assert_eq!(error.alert(), Some((Direction::Sent, BAD_RECORD_MAC)));
        assert_eq!(start.elapsed().as_secs(), seconds);
        // Once.
        server.recv(1).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // It does not stop.
    let (mut client, mut server) = pair_with(1_024).await;
    send_garbage(client.get_mut()).await;
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while client.get_mut().write_all(&[b'x'; 1_024]).await.is_ok() {
            sent += 1_024;
        }
        sent
    });
    let start = tokio::time::Instant::now();
    server.recv(1).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (mut reader, writer) = server.into_split();
    reader.recv(1).await.unwrap_err();
    drop((reader, writer));
    let sent = flood.await.unwrap();
    assert!(sent <= 3 * 64 * 1024, "{sent} bytes");
}

/// Halves that are gone: the task that reads away ends too.
#[tokio::test(start_paused = true)]
async fn a_task_that_reads_away_ends() {
    let (mut client, server) = pair().await;
    send_garbage(client.get_mut()).await;
    let (mut reader, writer) = server.into_split();
    reader.recv(1).await.unwrap_err();
    drop((reader, writer));
    let start = tokio::time::Instant::now();
    while client.get_mut().write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let elapsed = start.elapsed().as_secs_f32();
    assert!((4.5..=6.0).contains(&elapsed), "{elapsed}");
}

#[tokio::test]
async fn the_write_side_ends_with_the_alert() {
    let (mut client, mut server) = pair().await;
    send_garbage(client.get_mut()).await;
    let reading = async { server.recv(1).await.unwrap_err() };
    let closing = async {
        client.recv(1).await.unwrap_err();
        let end = now(client.get_mut().read(&mut [0])).await;
        assert_eq!(end.expect("the end of the transport").unwrap(), 0);
        client.get_mut().shutdown().await.unwrap();
    };
    let (failed, ()) = tokio::join!(reading, closing);
    // Writing goes on to say why.
    let error = server.send(&[b"x"]).await.unwrap_err();
    assert_eq!(error.to_string(), failed.to_string());
    let error = server.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), failed.to_string());
}
