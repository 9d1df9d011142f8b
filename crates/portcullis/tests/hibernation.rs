//! `hibernate_after`: idle connections give back what they can set up again.

mod ends;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use portcullis::{Active, Message, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{advance, sleep};

use ends::{acceptor, connector, has_key_updates, name, no_key_updates, now, record_overhead};

const IDLE: Duration = Duration::from_secs(60);

/// A client and a server that hibernate.
async fn pair() -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (connector, acceptor) = (
        connector().hibernate_after(IDLE),
        acceptor().hibernate_after(IDLE),
    );
    let (client, server) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(client, name()), acceptor.accept(server));
    (client.unwrap(), server.unwrap())
}

async fn exchange(client: &mut TlsStream<DuplexStream>, server: &mut TlsStream<DuplexStream>) {
    client.send(&[b"ping"]).await.unwrap();
    assert_eq!(&server.recv(4).await.unwrap()[..], b"ping");
    server.send(&[b"pong"]).await.unwrap();
    assert_eq!(&client.recv(4).await.unwrap()[..], b"pong");
}

/// Lets `stream` wait to be read from, once.
async fn wait(stream: &mut TlsStream<DuplexStream>) {
    let mut byte = [0];
    assert!(now(stream.read(&mut byte)).await.is_none());
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(self.clone());
        future.poll_unpin(&mut Context::from_waker(&waker))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_hibernates_and_wakes() {
    let (mut client, mut server) = pair().await;
    // Nothing was sealed or opened yet; before TLS 1.3 the Finished was, under the same keys.
    assert_eq!(server.is_hibernating(), has_key_updates());
    for round in 0..3 {
        exchange(&mut client, &mut server).await;
        for stream in [&mut client, &mut server] {
            assert!(!stream.is_hibernating());
            wait(stream).await;
        }
        advance(IDLE + Duration::from_millis(1)).await;
        for stream in [&mut client, &mut server] {
            wait(stream).await;
            assert!(stream.is_hibernating());
        }
        // Each side is the one that is woken by its own write, or by the peer's.
        if round == 1 && has_key_updates() {
            client.update_keys(true).await.unwrap();
        }
        exchange(&mut server, &mut client).await;
    }
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_put_it_off() {
    let (mut client, mut server) = pair().await;
    exchange(&mut client, &mut server).await;
    wait(&mut server).await;
    for _ in 0..3 {
        advance(IDLE * 2 / 3).await;
        exchange(&mut client, &mut server).await;
        wait(&mut server).await;
        assert!(!server.is_hibernating());
    }
    advance(IDLE * 2 / 3).await;
    wait(&mut server).await;
    assert!(!server.is_hibernating(), "two thirds are not the whole");
    advance(IDLE * 2 / 3).await;
    wait(&mut server).await;
    assert!(server.is_hibernating());
}

/// The task is woken by the timer when time is up, and never while there is nothing to do.
#[tokio::test(start_paused = true)]
async fn wakes_the_task_once() {
    let (mut client, mut server) = pair().await;
    if has_key_updates() {
        let count = Arc::new(Count::default());
        let mut byte = [0];
        let mut read = pin!(server.read(&mut byte));
        assert!(count.poll(&mut read).is_pending());
        sleep(IDLE * 10).await;
        assert_eq!(count.get(), 0, "there was nothing to give back");
    }
    exchange(&mut client, &mut server).await;
    let count = Arc::new(Count::default());
    {
        let mut byte = [0];
        let mut read = pin!(server.read(&mut byte));
        assert!(count.poll(&mut read).is_pending());
        sleep(IDLE - Duration::from_millis(5)).await;
        assert_eq!(count.get(), 0);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(count.get(), 1);
        assert!(count.poll(&mut read).is_pending());
        sleep(IDLE * 10).await;
        assert_eq!(count.get(), 1, "it sleeps");
    }
    assert!(server.is_hibernating());
}

#[tokio::test(start_paused = true)]
async fn without_it_nothing_happens() {
    let (mut client, mut server) = ends::pair().await;
    exchange(&mut client, &mut server).await;
    let count = Arc::new(Count::default());
    {
        let mut byte = [0];
        let mut read = pin!(server.read(&mut byte));
        assert!(count.poll(&mut read).is_pending());
        sleep(IDLE * 10_000).await;
        assert_eq!(count.get(), 0);
        assert!(count.poll(&mut read).is_pending());
    }
    assert!(!server.is_hibernating());
}

/// An incomplete record outlives hibernation, in no more memory than it needs.
#[tokio::test(start_paused = true)]
async fn half_a_record_is_kept() {
    let record_len = 1_000 + record_overhead();
    let (connector, acceptor) = (connector(), acceptor().hibernate_after(IDLE));
    let (near, mut relay) = duplex(64 * 1024);
    let (mut far, server) = duplex(64 * 1024);
    let (mut client, mut server) = {
        let mut pump = pin!(tokio::io::copy_bidirectional(&mut relay, &mut far));
        let mut shaken =
            pin!(async { tokio::join!(connector.upgrade(near, name()), acceptor.accept(server)) });
        tokio::select! {
            _ = &mut pump => unreachable!("both ends are open"),
            (client, server) = &mut shaken => (client.unwrap(), server.unwrap()),
        }
    };
    // The relay is gone: from here on records are carried by hand.
    let mut record = vec![0; record_len];
    for cut in [1, 5, 6, 500, record_len - 1] {
        client.send(&[&[7; 1_000]]).await.unwrap();
        relay.read_exact(&mut record).await.unwrap();
        let (front, back) = record.split_at(cut);
        far.write_all(front).await.unwrap();
        wait(&mut server).await;
        advance(IDLE + Duration::from_millis(1)).await;
        wait(&mut server).await;
        assert!(server.is_hibernating());
        assert_eq!(server.statistics().receive_pending, cut);
        far.write_all(back).await.unwrap();
        assert_eq!(&server.recv(1_000).await.unwrap()[..], &[7; 1_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn halves_hibernate_together() {
    let (mut client, server) = pair().await;
    let (mut read, mut write) = server.into_split();
    let count = Arc::new(Count::default());
    for round in 0..3_u8 {
        write.send(&[&[round]]).await.unwrap();
        assert_eq!(client.recv(1).await.unwrap()[0], round);
        client.send(&[&[round]]).await.unwrap();
        assert_eq!(read.recv(1).await.unwrap()[0], round);
        assert!(!read.is_hibernating());
        {
            let mut receive = pin!(read.recv(1));
            assert!(count.poll(&mut receive).is_pending());
            // A write puts it off.
            sleep(IDLE * 2 / 3).await;
            write.send(&[b"a"]).await.unwrap();
            sleep(IDLE * 2 / 3).await;
            assert!(count.poll(&mut receive).is_pending());
            let seen = count.get();
            sleep(IDLE * 2 / 3).await;
            assert_eq!(count.get(), seen + 1);
            assert!(count.poll(&mut receive).is_pending());
        }
        assert!(read.is_hibernating());
        {
            // A write wakes the half that reads, which then counts anew.
            let mut receive = pin!(read.recv(1));
            assert!(count.poll(&mut receive).is_pending());
            let seen = count.get();
            if round == 1 && has_key_updates() {
                write.update_keys(false).await.unwrap();
            }
            write.send(&[b"b"]).await.unwrap();
            assert_eq!(count.get(), seen + 1);
            assert!(count.poll(&mut receive).is_pending());
            sleep(IDLE * 2).await;
            assert_eq!(count.get(), seen + 2);
            assert!(count.poll(&mut receive).is_pending());
        }
        assert!(read.is_hibernating());
        assert_eq!(&client.recv(2).await.unwrap()[..], b"ab");
    }
    let mut server = read.reunite(write).unwrap();
    exchange(&mut client, &mut server).await;
    wait(&mut server).await;
    advance(IDLE + Duration::from_millis(1)).await;
    wait(&mut server).await;
    assert!(server.is_hibernating());
}

#[tokio::test(start_paused = true)]
async fn active_and_passive_delivery_hibernate() {
    for mode in [Active::True, Active::Once, Active::False] {
        let (mut client, mut server) = pair().await;
        exchange(&mut client, &mut server).await;
        let mut server = server.into_active(mode);
        assert!(now(server.next()).await.is_none());
        advance(IDLE + Duration::from_millis(1)).await;
        assert!(now(server.next()).await.is_none());
        assert!(server.get_ref().is_hibernating());
        client.send(&[b"x"]).await.unwrap();
        server.set_active(Active::True).unwrap();
        assert!(matches!(server.next().await, Some(Message::Data(data)) if data == "x"));
    }
}

/// What is owed to the peer outlives hibernation, and so do the sequence numbers on both sides.
#[tokio::test(start_paused = true)]
async fn a_key_update_that_is_owed_is_answered_after_hibernation() {
    if no_key_updates().await {
        return;
    }
    let (mut client, server) = pair().await;
    let (mut read, mut write) = server.into_split();
    for round in 0..3_u8 {
        for byte in 0..5 {
            write.send(&[&[byte]]).await.unwrap();
            assert_eq!(client.recv(1).await.unwrap()[0], byte);
        }
        client.update_keys(true).await.unwrap();
        assert!(now(read.recv(1)).await.is_none());
        advance(IDLE + Duration::from_millis(1)).await;
        assert!(now(read.recv(1)).await.is_none());
        assert!(read.is_hibernating());
        // The answer goes out first, under the key that slept; the byte under the next.
        write.send(&[&[round]]).await.unwrap();
        assert_eq!(client.recv(1).await.unwrap()[0], round);
        client.send(&[&[round]]).await.unwrap();
        assert_eq!(read.recv(1).await.unwrap()[0], round);
    }
}

/// Where nobody waits to read there is no time that runs; whoever has the connection can say it.
#[tokio::test]
async fn told_to_at_once() {
    let (client, server) = duplex(64 * 1024);
    let (connector, acceptor) = (connector(), acceptor());
    let (client, server) = tokio::join!(connector.upgrade(client, name()), acceptor.accept(server));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for _ in 0..3 {
        exchange(&mut client, &mut server).await;
        assert!(!server.is_hibernating());
        server.hibernate();
        client.hibernate();
        assert!(server.is_hibernating() && client.is_hibernating());
    }
    // Halves, with a time of their own and without.
    for hibernates in [false, true] {
        let (mut client, server) = match hibernates {
            true => pair().await,
            false => ends::pair().await,
        };
        let (mut reader, mut writer) = server.into_split();
        for _ in 0..3 {
            client.send(&[b"ping"]).await.unwrap();
            assert_eq!(&reader.recv(4).await.unwrap()[..], b"ping");
            writer.send(&[b"pong"]).await.unwrap();
            assert_eq!(&client.recv(4).await.unwrap()[..], b"pong");
            assert!(!reader.is_hibernating());
            writer.hibernate();
            reader.hibernate();
            assert!(reader.is_hibernating());
        }
    }
}
