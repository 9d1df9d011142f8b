//! What a reviewer with bad intentions has found: each test is a defect that was.

mod ends;

use std::time::Duration;

use ends::*;
use portcullis::{AlertDescription, Direction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The answers to KeyUpdates wait in one place, not in a queue.
#[tokio::test]
async fn key_updates_from_a_peer_that_never_reads_do_not_pile_up() {
    let (mut client, mut server) = pair_with(1_000).await;
    // The server has a tail that the transport refuses.
    server.write_all(&[7; 4_000]).await.unwrap();
    let before = server.statistics().send_pending;
    assert!(before > 0);
    for _ in 0..500 {
        client.send(&[b"x"]).await.unwrap();
        client.update_keys(true).await.unwrap();
        assert_eq!(&server.recv(1).await.unwrap()[..], b"x");
        assert!(now(server.recv(1)).await.is_none());
        assert!(now(server.flush()).await.is_none());
    }
    let after = server.statistics().send_pending;
    assert!(after < before + 64, "{before} bytes became {after}");
    // And they are answered when it reads.
    let (got, ()) = tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(client.recv(4_000), async {
            server.flush().await.unwrap();
            server.send(&[b"y"]).await.unwrap();
        })
    })
    .await
    .expect("no progress");
    assert_eq!(&got.unwrap()[..], [7; 4_000]);
    assert_eq!(&client.recv(1).await.unwrap()[..], b"y");
}

#[tokio::test]
async fn key_updates_do_not_pile_up_in_halves() {
    let (mut client, server) = pair_with(1_000).await;
    let (mut reader, mut writer) = server.into_split();
    writer.write_all(&[7; 4_000]).await.unwrap();
    for _ in 0..100 {
        client.send(&[b"x"]).await.unwrap();
        client.update_keys(true).await.unwrap();
        assert_eq!(&reader.recv(1).await.unwrap()[..], b"x");
        assert!(now(reader.recv(1)).await.is_none());
        assert!(now(writer.serve()).await.is_none());
    }
    let (got, _) = tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(client.recv(4_000), async {
            writer.flush().await.unwrap();
        })
    })
    .await
    .expect("no progress");
    assert_eq!(&got.unwrap()[..], [7; 4_000]);
    assert!(writer.sent().operations() < 60, "{:?}", writer.sent());
}

/// Halves of `tokio::io::split` in two tasks: a reader that pushes the writer's bytes must not
/// take the writer's wake-up with it when it goes.
#[tokio::test]
async fn a_writer_is_woken_although_the_reader_is_gone() {
    let (client, mut server) = pair_with(64).await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        writer.write_all(&pattern(50_000)).await.unwrap();
        writer.flush().await.unwrap();
        writer
    });
    // The writer is blocked.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let reading = tokio::spawn(async move {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(10), reader.read(&mut byte)).await;
        assert!(read.is_err());
        reader
    });
    let _reader = reading.await.unwrap();
    let all = tokio::time::timeout(Duration::from_secs(5), server.recv(50_000)).await;
    assert_eq!(
        &all.expect("the writer sleeps").unwrap()[..],
        pattern(50_000)
    );
    drop(writing.await.unwrap());
}

/// A byte in a record of padding does not hold a record's memory.
#[tokio::test]
async fn a_message_is_as_large_as_its_content() {
    use futures_util::StreamExt as _;
    use portcullis::{Active, Message, TlsAcceptor};

    let padded = server_config()
        .to_builder()
        .padding(portcullis::config::PaddingPolicy::Block(16_384))
        .build()
        .unwrap();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (connector, acceptor) = (connector(), TlsAcceptor::new(padded));
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    let mut server = server.unwrap();
    server.send(&[b"x"]).await.unwrap();
    let mut messages = client.unwrap().into_active(Active::True);
    let Some(Message::Data(data)) = messages.next().await else {
        panic!("no data");
    };
    let memory = data.try_into_mut().unwrap();
    assert!(memory.capacity() < 1_024, "{} bytes", memory.capacity());
}

/// A record that does not open.
async fn send_garbage<IO: tokio::io::AsyncWrite + Unpin>(io: &mut IO) {
    io.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    io.write_all(&[0; 32]).await.unwrap();
}

/// Whatever the writing half does next, the alert goes out with it.
#[tokio::test]
async fn the_alert_of_a_reading_half_goes_out_with_shutdown_or_drop() {
    for how in ["write", "flush", "update", "shutdown", "drop"] {
        let (mut client, server) = pair().await;
        let (mut reader, mut writer) = server.into_split();
        send_garbage(client.get_mut()).await;
        reader.recv(1).await.unwrap_err();
        match how {
            "write" => drop(writer.write(b"x").await),
            "flush" => drop(writer.flush().await),
            "update" => drop(writer.update_keys(true).await),
            "shutdown" => drop(writer.shutdown().await),
            _ => drop(writer),
        }
        let error = now(client.recv(1)).await.expect(how).unwrap_err();
        assert_eq!(
            error.alert(),
            Some((Direction::Received, AlertDescription::BAD_RECORD_MAC)),
            "{how}: {error}"
        );
    }
}

/// An alert that was gathered behind a busy transport is not forgotten.
#[tokio::test]
async fn an_alert_behind_a_busy_transport_goes_out_when_it_is_free() {
    for how in ["write", "flush", "shutdown", "read"] {
        let (mut client, mut server) = pair_with(1_000).await;
        server.write_all(&[7; 3_000]).await.unwrap();
        send_garbage(client.get_mut()).await;
        // Reading fails, and says so when the client has closed.
        assert!(now(server.recv(1)).await.is_none());
        assert!(now(server.write(b"small")).await.is_none());
        assert!(now(server.flush()).await.is_none());
        let mut got = Vec::new();
        while let Some(Ok(1..)) = now(client.read_buf(&mut got)).await {}
        for _ in 0..20 {
            match how {
                "write" => drop(now(server.write(b"x")).await),
                "flush" => drop(now(server.flush()).await),
                "shutdown" => drop(now(server.shutdown()).await),
                _ => drop(now(server.recv(1)).await),
            }
            while let Some(Ok(1..)) = now(client.read_buf(&mut got)).await {}
        }
        assert!(got == [7; 3_000], "{how}: {} bytes", got.len());
        let error = now(client.recv(1)).await.expect(how).unwrap_err();
        assert_eq!(
            error.alert(),
            Some((Direction::Received, AlertDescription::BAD_RECORD_MAC)),
            "{how}: {error}"
        );
    }
}

/// Small answers to a peer that asks for KeyUpdates and reads nothing stay within the bound.
#[tokio::test]
async fn gathered_writes_and_key_updates_stay_within_bounds() {
    let padded = server_config()
        .to_builder()
        .padding(portcullis::config::PaddingPolicy::Block(16_384))
        .build()
        .unwrap();
    for acceptor in [acceptor(), portcullis::TlsAcceptor::new(padded)] {
        let (near, far) = tokio::io::duplex(2_000);
        let connector = connector();
        let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.write_all(&[7; 4_000]).await.unwrap();
        let mut written = 4_000;
        for round in 0..300 {
            client.send(&[b"x"]).await.unwrap();
            client.update_keys(true).await.unwrap();
            assert_eq!(&server.recv(1).await.unwrap()[..], b"x");
            assert!(now(server.recv(1)).await.is_none());
            match now(server.write(b"y")).await {
                Some(taken) => written += taken.unwrap(),
                None => assert!(round > 0),
            }
        }
        let pending = server.statistics().send_pending;
        assert!(pending < 150_000, "{pending} bytes wait");
        // A byte behind the last KeyUpdate, so that the peer reads that far.
        let (got, sent) = tokio::join!(client.recv(written + 1), server.send(&[b"z"]));
        sent.unwrap();
        let got = got.unwrap();
        let (last, small) = got[4_000..].split_last().unwrap();
        assert!(*last == b'z' && small.iter().all(|byte| *byte == b'y'));
    }
}
