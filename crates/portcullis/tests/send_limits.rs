//! How long sending may take, and the read side shut down alone.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use portcullis::packet::{Packet, PacketError, Piece};
use portcullis::{Active, Delivery, Inbox, Message, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_millis(100);

/// Everything until the end.
fn reading(mut stream: TlsStream<DuplexStream>) -> tokio::task::JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all
    })
}

#[tokio::test(start_paused = true)]
async fn send_timeout_keeps_the_stream() {
    let (client, mut server) = pair_with(16 * 1024).await;
    let data = pattern(100_000);
    let (head, tail) = data.split_at(10);
    let start = Instant::now();
    let error = server.send_timeout(&[head, tail], LIMIT).await.unwrap_err();
    assert!(error.is_timeout() && start.elapsed() == LIMIT, "{error}");
    let sent = error.sent().unwrap();
    assert!((1..100_000).contains(&sent), "{sent}");
    assert!(
        error.to_string().contains(&format!("{sent} bytes")),
        "{error}"
    );
    // Nothing more is taken, and nothing is lost of what was.
    let error = server
        .send_timeout(&[&data[sent..]], LIMIT)
        .await
        .unwrap_err();
    assert_eq!(error.sent(), Some(0));
    let received = reading(client);
    server.send(&[&data[sent..]]).await.unwrap();
    server.send_timeout(&[b"end"], LIMIT).await.unwrap();
    server.shutdown().await.unwrap();
    let received = received.await.unwrap();
    assert_is_start(&received, &data, b"end", true);
}

/// A packet is on its way, was not begun, or is the last one.
#[tokio::test(start_paused = true)]
async fn packets_have_the_limit_of_their_stream() {
    let (client, mut server) = pair_with(16 * 1024).await;
    server.set_send_timeout(Some(LIMIT));
    let mut server = server.into_packets(Packet::Length4);
    let data = pattern(30_000);
    let start = Instant::now();
    let mut whole = 0;
    let taken = loop {
        let error = match server.send(&[&data]).await {
            Ok(()) => {
                whole += 1;
                continue;
            }
            Err(error) => error,
        };
        assert!(error.is_timeout(), "{error}");
        match error.sent().unwrap() {
            // It goes out before what comes later.
            30_004 => whole += 1,
            taken => break taken,
        }
    };
    assert!(start.elapsed() >= LIMIT);
    // Nobody reads, so that it was not begun, and a small one is gathered behind what waits.
    assert_eq!((taken, whole), (0, 1));
    let error = server.send_timeout(&[b"small"], LIMIT * 2).await;
    assert_eq!(error.unwrap_err().sent(), Some(9));
    let mut client = client.into_packets(Packet::Length4);
    let reading = async {
        for expected in [&data[..], b"small", b"end"] {
            let packet = timeout(SOON, client.recv()).await.unwrap().unwrap();
            assert_eq!(packet, Piece::Data(Bytes::copy_from_slice(expected)));
        }
    };
    let (sent, ()) = tokio::join!(server.send(&[b"end"]), reading);
    sent.unwrap();
}

/// The same of a half.
#[tokio::test(start_paused = true)]
async fn packets_of_a_half_have_its_limit() {
    let (client, server) = pair_with(16 * 1024).await;
    let (_read, mut write) = server.into_split();
    write.set_send_timeout(Some(LIMIT));
    let mut write = write.into_packets(Packet::Length4);
    let data = pattern(1_000_000);
    let error = timeout(SOON, write.send(&[&data])).await.unwrap();
    let error = error.unwrap_err();
    let taken = error.sent().unwrap();
    assert!(
        error.is_timeout() && (1..1_000_004).contains(&taken),
        "{error}"
    );
    let error = write.send(&[b"x"]).await.unwrap_err();
    let said = match error.packet() {
        Some(PacketError::SendInterrupted { missing }) => *missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(said, 1_000_004 - taken);
    // Raw bytes may follow anything.
    let received = reading(client);
    write.set_packet(Packet::Raw);
    let mut write = write.into_write_half();
    write.set_send_timeout(None);
    write.shutdown().await.unwrap();
    assert_eq!(received.await.unwrap().len(), taken);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_set_is_that_of_each_send() {
    let acceptor = acceptor().send_timeout(LIMIT);
    let connector = connector();
    let (near, far) = duplex(16 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let data = pattern(50_000);
    let error = server.send(&[&data]).await.unwrap_err();
    let sent = error.sent().unwrap();
    server.set_send_timeout(None);
    assert!(
        timeout(SOON, server.send(&[b"later"])).await.is_err(),
        "as long as it takes"
    );
    let (read, mut write) = server.into_split();
    write.set_send_timeout(Some(LIMIT));
    let error = write.send(&[&data[sent..]]).await.unwrap_err();
    assert_eq!(error.sent(), Some(0));
    let error = write.send_timeout(&[b"x"], LIMIT * 2).await.unwrap_err();
    assert!(error.is_timeout());
    let received = reading(client);
    write.set_send_timeout(None);
    write.send(&[b"end"]).await.unwrap();
    drop((read, write));
    let received = received.await.unwrap();
    assert!(received.ends_with(b"end"));
    assert!(data.starts_with(&received[..sent]));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_takes_too_long_ends_the_connection_if_told() {
    let (_client, mut server) = pair_with(4 * 1024).await;
    server.set_send_timeout(Some(LIMIT));
    server.set_send_timeout_close(true);
    let data = pattern(50_000);
    assert!(server.send(&[&data]).await.unwrap_err().is_timeout());
    // For good.
    assert!(server.send(&[b"x"]).await.unwrap_err().is_timeout());
    let error = server.recv(1).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn handles_have_the_limit_of_their_stream() {
    for closes in [false, true] {
        let (_client, mut server) = pair_with(4 * 1024).await;
        server.set_send_timeout(Some(LIMIT));
        server.set_send_timeout_close(closes);
        let (_inbox, owner) = Inbox::new(4);
        let handle = server.into_mailbox(Delivery::default(), &owner);
        let data = Bytes::from(pattern(200_000));
        let error = handle.send(data.clone()).await.unwrap_err();
        assert_eq!(error.sent(), Some(200_000), "it is queued");
        let error = handle.send(data.clone()).await.unwrap_err();
        match closes {
            false => assert_eq!(error.sent(), Some(0), "there is no room"),
            true => assert!(error.sent().is_none() && handle.is_closed(), "{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn write_timeout_ends_only_when_nothing_moves() {
    let connector = connector();
    let acceptor = acceptor().write_timeout(Duration::from_secs(60));
    let (near, far) = duplex(4 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let mut transport = client.into_inner();
    // A byte a minute is enough, for hours.
    let trickle = tokio::spawn(async move {
        for _ in 0..300 {
            sleep(Duration::from_secs(50)).await;
            transport.read_exact(&mut [0; 1]).await.unwrap();
        }
        (Instant::now(), transport)
    });
    let data = pattern(50_000);
    let error = server.send(&[&data]).await.unwrap_err();
    let ended = Instant::now();
    assert!(
        error.is_timeout() && error.to_string().contains("write_timeout"),
        "{error}"
    );
    let (stopped, _transport) = trickle.await.unwrap();
    let after = ended - stopped;
    let range = Duration::from_secs(59)..=Duration::from_secs(76);
    assert!(range.contains(&after), "{after:?}");
    // No alert, and nothing more in any direction.
    assert!(server.send(&[b"x"]).await.unwrap_err().is_timeout());
}

/// Who waits to read is told, too; a client has no limit, a server has one by itself.
#[tokio::test(start_paused = true)]
async fn who_reads_does_not_wait_for_a_peer_that_takes_nothing() {
    let (mut client, mut server) = pair_with(4 * 1024).await;
    let data = pattern(50_000);
    for stream in [&mut client, &mut server] {
        // Some of it is taken, and waits.
        let _ = timeout(LIMIT, stream.write_all(&data)).await;
    }
    let start = Instant::now();
    // The peer has said something, but not a whole record, and takes nothing.
    let error = server.recv(1).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let after = start.elapsed().as_secs();
    assert!((299..=376).contains(&after), "{after}");
    let hours = Duration::from_secs(3_600);
    assert!(timeout(hours, client.flush()).await.is_err());
    client.set_write_timeout(Some(Duration::from_secs(10)));
    let start = Instant::now();
    client.flush().await.unwrap_err();
    assert!((10..=13).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_flush_or_end_has_the_same_time() {
    for flushes in [false, true] {
        let (near, far) = duplex(64 * 1024);
        let can_flush = Arc::new(AtomicBool::new(true));
        let far = Stuck {
            io: far,
            flushes: can_flush.clone(),
        };
        let acceptor = acceptor().write_timeout(Duration::from_secs(60));
        let connector = connector();
        let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
        let (_client, mut server) = (client.unwrap(), server.unwrap());
        can_flush.store(flushes, Ordering::SeqCst);
        let start = Instant::now();
        let hours = Duration::from_secs(36_000);
        let ended = tokio::spawn(async move {
            match flushes {
                false => server.send(&[b"x"]).await.unwrap_err(),
                true => {
                    let error = server.shutdown().await.unwrap_err();
                    error.downcast::<portcullis::Error>().unwrap()
                }
            }
        });
        let error = timeout(hours, ended).await.unwrap().unwrap();
        assert!(
            error.is_timeout() && error.to_string().contains("write_timeout"),
            "{error}"
        );
        let after = start.elapsed().as_secs();
        assert!((59..=76).contains(&after), "{after}");
    }
}

#[tokio::test]
async fn an_active_stream_ends_with_it() {
    let (_client, mut server) = pair_with(4 * 1024).await;
    server.set_write_timeout(Some(LIMIT));
    let (mut inbox, owner) = Inbox::new(4);
    let delivery = Delivery {
        active: Active::True,
        ..Delivery::default()
    };
    let handle = server.into_mailbox(delivery, &owner);
    let error = handle.send(pattern(100_000)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let (_, message) = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
    assert!(matches!(message, Message::Error(error) if error.is_timeout()));
}

/// The peer sends more than all buffers hold, and hears all that is said meanwhile.
#[tokio::test]
async fn shutdown_read_does_not_stop_the_peer() {
    let (client, mut server) = pair_with(16 * 1024).await;
    let (mut read, mut write) = client.split_with_lock();
    let sending = tokio::spawn(async move {
        let data = pattern(100_000);
        for round in 0..40 {
            write.send(&[&data]).await.unwrap();
            if round % 10 == 0 && has_key_updates() {
                write.update_keys(true).await.unwrap();
            }
        }
        write
    });
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < 4_000_000 {
            heard.extend(read.recv(0).await.unwrap());
        }
        (read, heard)
    });
    server.shutdown_read();
    assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
    assert!(server.recv(1).await.unwrap_err().is_closed());
    let data = pattern(100_000);
    for _ in 0..40 {
        server.send(&[&data]).await.unwrap();
    }
    let (read, heard) = timeout(SOON, hearing).await.unwrap().unwrap();
    assert_eq!(heard.len(), 4_000_000);
    // Closing reads to the end.
    let closing = tokio::spawn(server.close(SOON));
    let write = timeout(SOON, sending).await.unwrap().unwrap();
    let client = read.reunite(write).unwrap();
    client.close(SOON).await.unwrap();
    closing.await.unwrap().unwrap();
}

#[tokio::test]
async fn alert_after_shutdown_read_fails_the_writer() {
    // The client does not trust the server's certificate and says so once the server thinks that it is connected.
    let (mut client, mut server) = pair().await;
    server.shutdown_read();
    server.send(&[b"one"]).await.unwrap();
    client.recv(3).await.unwrap();
    // What is no record.
    client.get_mut().write_all(&[9; 40]).await.unwrap();
    let failed = async {
        loop {
            if let Err(error) = server.send(&[b"more"]).await {
                return error;
            }
        }
    };
    let error = timeout(SOON, failed).await.unwrap();
    assert!(error.alert().is_some(), "{error}");
}

/// What was configured, and what was changed since.
#[tokio::test]
async fn options_of_a_connection_are_those_in_force() {
    let server = server_config()
        .to_builder()
        .keep_options(true)
        .build()
        .unwrap();
    let acceptor = portcullis::TlsAcceptor::new(server)
        .send_timeout(LIMIT)
        .hibernate_after(SOON);
    let client = client_config()
        .to_builder()
        .keep_options(true)
        .build()
        .unwrap();
    let connector = portcullis::TlsConnector::new(client);
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let value = |stream: &TlsStream<DuplexStream>, name: &str| {
        let all = stream.options();
        let mut found = all
            .iter()
            .filter(|one| one.name == name || one.erlang_name == Some(name));
        found.next().map(|one| one.value.to_string())
    };
    for (name, of_client, of_server) in [
        ("write_timeout", None, Some("300s")),
        ("send_timeout", None, Some("100ms")),
        ("hibernate_after", None, Some("10s")),
        ("alert_timeout", Some("5s"), Some("5s")),
        ("eof_policy", Some("Strict"), Some("Strict")),
        ("log_level", None, None),
        ("alpn_preferred_protocols", None, Some("echo")),
        ("alpn_advertised_protocols", Some("h2, echo"), None),
        ("verify", Some("verify_peer"), Some("verify_none")),
    ] {
        assert_eq!(value(&client, name).as_deref(), of_client, "{name}");
        assert_eq!(value(&server, name).as_deref(), of_server, "{name}");
    }
    server.set_send_timeout(None);
    server.set_log_level(Some(portcullis::LogLevel::Error));
    server.set_eof_policy(portcullis::EofPolicy::Lenient);
    assert_eq!(value(&server, "send_timeout"), None);
    assert_eq!(value(&server, "log_level").as_deref(), Some("Error"));
    assert_eq!(value(&server, "eof_policy").as_deref(), Some("Lenient"));
}
