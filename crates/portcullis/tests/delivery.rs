//! Active and passive delivery. Tests named after an issue of Erlang/OTP keep its bug out.

mod ends;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use futures_util::StreamExt as _;
use portcullis::{Active, ActiveStream, Message, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Messages that are there, as text.
async fn messages<S: Source + Unpin>(active: &mut ActiveStream<S>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Some(message)) = now(active.next()).await {
        all.push(match message {
            Message::Data(data) => String::from_utf8_lossy(&data).into_owned(),
            Message::Passive => "PASSIVE".to_owned(),
            Message::Closed => "CLOSED".to_owned(),
            Message::Error(_) => "ERROR".to_owned(),
            _ => "?".to_owned(),
        });
    }
    all
}

#[tokio::test]
async fn modes_deliver_as_observed_in_erlang() {
    let (mut client, server) = pair().await;
    for text in ["a", "b", "c"] {
        client.send(&[text.as_bytes()]).await.unwrap();
    }
    let mut server = server.into_active(Active::Once);
    assert_eq!(messages(&mut server).await, ["a"]);
    assert_eq!(server.active(), Active::False);
    server.set_active(Active::Once).unwrap();
    assert_eq!(messages(&mut server).await, ["b"]);
    assert_eq!(&server.get_mut().recv(0).await.unwrap()[..], b"c");

    server.set_active(Active::True).unwrap();
    client.send(&[b"d"]).await.unwrap();
    client.send(&[b"e"]).await.unwrap();
    assert_eq!(messages(&mut server).await, ["d", "e"]);
    server.set_active(Active::False).unwrap();
    client.send(&[b"f"]).await.unwrap();
    assert!(messages(&mut server).await.is_empty());
    assert_eq!(&server.get_mut().recv(0).await.unwrap()[..], b"f");

    server.set_active(Active::N(2)).unwrap();
    client.send(&[b"1"]).await.unwrap();
    assert_eq!(messages(&mut server).await, ["1"]);
    assert_eq!(server.active(), Active::N(1));
    client.send(&[b"2"]).await.unwrap();
    client.send(&[b"3"]).await.unwrap();
    assert_eq!(messages(&mut server).await, ["2", "PASSIVE"]);
    server.set_active(Active::N(1)).unwrap();
    assert_eq!(messages(&mut server).await, ["3", "PASSIVE"]);
}

#[tokio::test]
async fn credits_add_up_within_bounds() {
    let (_client, server) = pair().await;
    let mut server = server.into_active(Active::N(3));
    server.set_active(Active::N(4)).unwrap();
    assert_eq!(server.active(), Active::N(7));
    server.set_active(Active::N(-7)).unwrap();
    assert_eq!(server.active(), Active::False);
    server.set_active(Active::N(-100)).unwrap();
    assert_eq!(messages(&mut server).await, ["PASSIVE", "PASSIVE"]);
    server.set_active(Active::N(0)).unwrap();
    assert_eq!(messages(&mut server).await, ["PASSIVE"]);
    server.set_active(Active::N(32_767)).unwrap();
    assert!(server.set_active(Active::N(1)).is_err());
    assert_eq!(server.active(), Active::N(32_767));
    server.set_active(Active::N(-32_768)).unwrap();
    assert_eq!(messages(&mut server).await, ["PASSIVE"]);
    server.set_active(Active::True).unwrap();
    server.set_active(Active::N(5)).unwrap();
    assert_eq!(server.active(), Active::N(5));
    server.set_active(Active::Once).unwrap();
    assert_eq!(server.active(), Active::Once);
    server.set_active(Active::False).unwrap();
    assert!(messages(&mut server).await.is_empty());
}

#[tokio::test]
async fn switching_loses_and_reorders_nothing() {
    let (mut client, server) = pair_with(3_000).await;
    let data = pattern(120_000);
    let expected = data.clone();
    let sending = tokio::spawn(async move {
        for part in data.chunks(700) {
            client.send(&[part]).await.unwrap();
        }
        client.close(Duration::from_secs(5)).await.unwrap();
    });
    let mut all = Vec::new();
    let mut server = server;
    let modes = [
        Active::Once,
        Active::N(3),
        Active::True,
        Active::N(1),
        Active::False,
    ];
    for round in 0.. {
        let mut active = server.into_active(modes[round % modes.len()]);
        for _ in 0..3 {
            // A passive stream is woken by nothing: it is polled once.
            match drop_after(
                if active.active() == Active::False {
                    1
                } else {
                    3
                },
                active.next(),
            )
            .await
            {
                Some(Some(Message::Data(data))) => all.extend_from_slice(&data),
                Some(Some(Message::Passive)) | None => break,
                other => panic!("{other:?}"),
            }
        }
        server = active.into_passive();
        if all.len() == expected.len() {
            break;
        }
        let mut buf = [0; 333];
        let count = server.read(&mut buf).await.unwrap();
        all.extend_from_slice(&buf[..count]);
        if count == 0 {
            break;
        }
        let count = expected.len().min(all.len() + 50) - all.len();
        all.extend_from_slice(&server.recv(count.max(1)).await.unwrap_or_default());
        if all.len() >= expected.len() {
            break;
        }
    }
    assert!(all == expected);
    assert!(server.recv(0).await.unwrap_err().is_closed());
    drop(server);
    sending.await.unwrap();
}

#[tokio::test]
async fn the_stream_of_messages_moves_to_another_task() {
    let (client, server) = tcp_pair().await;
    let (reader, mut writer) = server.into_split();
    let mut active = reader.into_active(Active::N(1));
    let (mut from_client, mut to_server) = client.into_split();
    to_server.send(&[b"first"]).await.unwrap();
    assert!(matches!(active.next().await, Some(Message::Data(data)) if data == "first"));
    to_server.send(&[b"second"]).await.unwrap();
    let other = tokio::spawn(async move {
        assert!(matches!(active.next().await, Some(Message::Passive)));
        active.set_active(Active::True).unwrap();
        let mut all = Vec::new();
        while let Some(message) = active.next().await {
            all.push(message);
        }
        all
    });
    writer.send(&[b"reply"]).await.unwrap();
    assert_eq!(&from_client.recv(5).await.unwrap()[..], b"reply");
    to_server.shutdown().await.unwrap();
    let all = other.await.unwrap();
    assert!(
        matches!(&all[..], [Message::Data(data), Message::Closed] if data == "second"),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_set_active_wakes_who_waits_passively() {
    let (mut client, server) = pair().await;
    client.send(&[b"x"]).await.unwrap();
    let mut server = server.into_active(Active::False);
    let (waker, count) = counting_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(server.poll_next_unpin(&mut cx).is_pending());
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 0);
    server.set_active(Active::Once).unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(messages(&mut server).await, ["x"]);
}

fn counting_waker() -> (
    std::task::Waker,
    std::sync::Arc<std::sync::atomic::AtomicUsize>,
) {
    struct Count(std::sync::Arc<std::sync::atomic::AtomicUsize>);
    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = std::sync::Arc::default();
    (
        std::sync::Arc::new(Count(std::sync::Arc::clone(&count))).into(),
        count,
    )
}

/// A passive socket kept reading: 500 MB were queued.
#[tokio::test]
async fn otp_3989_a_passive_stream_reads_at_most_a_record() {
    let (mut client, server) = pair_with(8 * 1024).await;
    let mut server = server.into_active(Active::Once);
    let flood = tokio::spawn(async move {
        let block = vec![0; 100_000];
        let sent = tokio::time::timeout(Duration::from_millis(50), client.write_all(&block)).await;
        (client, sent.is_err())
    });
    assert!(matches!(server.next().await, Some(Message::Data(_))));
    let read = server.get_ref().statistics().received.bytes();
    let (_client, blocked) = {
        let waiting = async { flood.await.unwrap() };
        tokio::pin!(waiting);
        // Whatever it is polled for, a passive stream reads nothing.
        tokio::select! {
            biased;
            done = &mut waiting => done,
            message = server.next() => panic!("{message:?}"),
        }
    };
    assert!(blocked, "the peer feels it");
    assert_eq!(server.get_ref().statistics().received.bytes(), read);
    assert!(server.get_ref().statistics().receive_pending <= 16_384 + 261);
}

/// The close was delivered before the data that came before it.
#[tokio::test]
async fn otp_3458_3410_data_comes_before_the_close() {
    for mode in [Active::True, Active::N(5)] {
        let (mut client, server) = pair().await;
        client.send(&[b"last"]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut server = server.into_active(mode);
        assert_eq!(messages(&mut server).await, ["last", "CLOSED"]);
        assert!(
            server.next().await.is_none(),
            "exactly one terminal message"
        );
        assert!(server.set_active(Active::Once).unwrap_err().is_closed());
        assert!(server.next().await.is_none());
    }
}

/// A close that came while passive was never reported.
#[tokio::test]
async fn otp_4458_a_close_is_reported_to_a_passive_reader() {
    let (mut client, mut server) = pair().await;
    client.shutdown().await.unwrap();
    assert!(server.recv(0).await.unwrap_err().is_closed());
    assert!(server.recv(0).await.unwrap_err().is_closed());
}

/// The message of the close leaked to a passive stream.
#[tokio::test]
async fn otp_4771_a_close_is_no_message_while_passive() {
    let (mut client, server) = pair().await;
    let mut server = server.into_active(Active::False);
    client.shutdown().await.unwrap();
    assert!(messages(&mut server).await.is_empty());
}

/// Arming again after a close gave an error instead of the close.
#[tokio::test]
async fn otp_pr_2875_arming_again_after_the_close_delivers_it() {
    for mode in [Active::Once, Active::N(1)] {
        let (mut client, server) = pair().await;
        client.send(&[b"last"]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut server = server.into_active(mode);
        let first = messages(&mut server).await;
        assert_eq!(first[0], "last");
        server.set_active(mode).unwrap();
        assert_eq!(messages(&mut server).await, ["CLOSED"]);
    }
    // Also when a passive reader has seen the close before.
    let (mut client, mut server) = pair().await;
    client.shutdown().await.unwrap();
    assert!(server.recv(1).await.unwrap_err().is_closed());
    let mut server = server.into_active(Active::True);
    assert_eq!(messages(&mut server).await, ["CLOSED"]);
}

/// A failed send was not reported to the owner of an active stream.
#[tokio::test]
async fn otp_7431_a_failed_write_ends_the_messages() {
    // One stream for both.
    let (client, server) = pair().await;
    let mut server = server.into_active(Active::True);
    let mut client = client.into_inner();
    client.write_all(&[]).await.unwrap();
    drop(client);
    let error = loop {
        if let Err(error) = server.write_all(&[0; 1000]).await {
            break error;
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    assert!(matches!(server.next().await, Some(Message::Error(_))));
    assert!(server.next().await.is_none());

    // Halves in two tasks, and a transport that fails for writing only.
    let (client, server) = duplex(64 * 1024);
    let (_client, server) = pair_over(
        client,
        BrokenForWriting {
            io: server,
            broken: Default::default(),
        },
    )
    .await;
    let broken = server.get_ref().broken.clone();
    let (reader, mut writer) = server.into_split();
    let messages = tokio::spawn(async move {
        let mut active = reader.into_active(Active::True);
        let first = active.next().await;
        (first, active.next().await)
    });
    tokio::task::yield_now().await;
    broken.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.send(&[b"x"]).await.is_err());
    let (first, second) = messages.await.unwrap();
    assert!(matches!(first, Some(Message::Error(_))), "{first:?}");
    assert!(second.is_none());
}

struct BrokenForWriting {
    io: tokio::io::DuplexStream,
    broken: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl tokio::io::AsyncRead for BrokenForWriting {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for BrokenForWriting {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.broken.load(std::sync::atomic::Ordering::Relaxed) {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        std::pin::Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl portcullis::SplitIo for BrokenForWriting {
    type Read = tokio::io::ReadHalf<Self>;
    type Write = tokio::io::WriteHalf<Self>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        tokio::io::split(self)
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.unsplit(write)
    }
}

/// Both sides sending at once was a deadlock.
#[tokio::test]
async fn otp_3420_both_sides_send_much_at_once() {
    let (client, server) = tcp_pair().await;
    let side = |stream: portcullis::TlsStream<tokio::net::TcpStream>| async move {
        let (reader, mut writer) = stream.into_split();
        let writing = tokio::spawn(async move {
            let block = pattern(100_000);
            for _ in 0..50 {
                writer.send(&[&block]).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        });
        let mut active = reader.into_active(Active::True);
        let mut count = 0;
        while let Some(message) = active.next().await {
            match message {
                Message::Data(data) => count += data.len(),
                Message::Closed => break,
                other => panic!("{other:?}"),
            }
        }
        writing.await.unwrap();
        count
    };
    assert_eq!(
        tokio::join!(side(client), side(server)),
        (5_000_000, 5_000_000)
    );
}

/// Internal credits ran out and the connection hung.
#[tokio::test]
async fn otp_4349_3072_many_small_messages_with_few_credits() {
    let (mut client, server) = pair_with(500).await;
    let sending = tokio::spawn(async move {
        for i in 0..1_000_u32 {
            client.send(&[&i.to_be_bytes()]).await.unwrap();
        }
        client.close(Duration::from_secs(5)).await.unwrap();
    });
    let mut active = server.into_active(Active::N(7));
    let mut next = 0_u32;
    let mut pauses = 0;
    loop {
        match active.next().await.unwrap() {
            Message::Data(data) => {
                assert_eq!(data, Bytes::copy_from_slice(&next.to_be_bytes()));
                next += 1;
            }
            Message::Passive => {
                pauses += 1;
                active.set_active(Active::N(7)).unwrap();
            }
            Message::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((next, pauses), (1_000, 1_000 / 7));
    drop(active);
    sending.await.unwrap();
}

/// A KeyUpdate leaked to the user as a message.
#[tokio::test]
async fn otp_19806_key_updates_are_no_messages() {
    if no_key_updates().await {
        return;
    }
    let (mut client, server) = pair().await;
    let mut server = server.into_active(Active::N(2));
    client.update_keys(true).await.unwrap();
    client.send(&[b"a"]).await.unwrap();
    client.update_keys(false).await.unwrap();
    assert_eq!(messages(&mut server).await, ["a"]);
    assert_eq!(server.active(), Active::N(1));
    server.write_all(b"b").await.unwrap();
    assert_eq!(&client.recv(0).await.unwrap()[..], b"b");
}

fn _moves<F: Future + Send>(_: F) {}

/// Everything can move between tasks.
#[allow(dead_code)]
fn futures_are_send(
    mut stream: portcullis::TlsStream<tokio::net::TcpStream>,
    connector: portcullis::TlsConnector,
) {
    _moves(async move { stream.recv(1).await });
    _moves(async move { connector.connect("localhost:1", name()).await });
}
