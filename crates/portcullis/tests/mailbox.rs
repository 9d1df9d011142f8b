//! A connection that a task of its own has: handles command it, an inbox has its messages.

mod ends;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use futures_util::FutureExt as _;
use portcullis::packet::{Packet, PacketError, PacketOptions, Piece};
use portcullis::{Active, ConnectionId, Delivery, Inbox, Message, RuntimeOptions, SendOutcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

fn all(packet: Packet) -> Delivery {
    Delivery {
        active: Active::True,
        packet: packet.into(),
    }
}

/// The next message, as text.
async fn next(inbox: &mut Inbox) -> (ConnectionId, String) {
    let (id, message) = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
    let text = match message {
        Message::Data(data) => data.escape_ascii().to_string(),
        Message::Passive => "PASSIVE".to_owned(),
        Message::Closed => "CLOSED".to_owned(),
        Message::Error(error) if error.is_invalid_packet() => "INVALID".to_owned(),
        Message::Error(error) => format!("ERROR {error}"),
        _ => "?".to_owned(),
    };
    (id, text)
}

#[expect(
    clippy::mutable_key_type,
    reason = "a handle is compared and hashed by its id alone"
)]
#[tokio::test]
async fn messages_of_two_connections_in_one_inbox() {
    let (mut inbox, owner) = Inbox::new(16);
    let mut peers = HashMap::new();
    for _ in 0..2 {
        let (client, server) = pair().await;
        let handle = server.into_mailbox(all(Packet::Length2), &owner);
        assert_eq!(handle, handle.clone());
        peers.insert(handle, client.into_packets(Packet::Length2));
    }
    for (handle, client) in &mut peers {
        client.send(&[b"ping"]).await.unwrap();
        assert_eq!(next(&mut inbox).await, (handle.id(), "ping".to_owned()));
        handle.send("pong").await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Piece::Data("pong".into()));
        let status = handle.status().await.unwrap();
        assert_eq!(status.active, Active::True);
        assert_eq!(status.packet.packet(), Packet::Length2);
        assert_eq!(status.information.version(), version());
        assert!(status.statistics.received.bytes() > 0);
    }
    for (handle, mut client) in peers {
        client.get_mut().shutdown().await.unwrap();
        assert_eq!(next(&mut inbox).await, (handle.id(), "CLOSED".to_owned()));
        // The other direction goes on.
        handle.send("late").await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Piece::Data("late".into()));
    }
}

#[tokio::test]
async fn how_is_delivered_changes_from_any_task() {
    let (mut inbox, owner) = Inbox::new(16);
    let (mut client, server) = pair().await;
    let delivery = Delivery {
        active: Active::N(1),
        packet: Packet::Line.into(),
    };
    let handle = server.into_mailbox(delivery, &owner);
    client.send(&[b"one\n\x03twobody"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "one\\n");
    assert_eq!(next(&mut inbox).await.1, "PASSIVE");
    let other = handle.clone();
    tokio::spawn(async move {
        other.set_packet(Packet::Length1).await?;
        other.set_active(Active::Once).await
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(next(&mut inbox).await.1, "two");
    handle.set_packet(Packet::Raw).await.unwrap();
    handle.set_active(Active::True).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "body");
}

#[tokio::test]
async fn invalid_packets_end_and_go_on() {
    let (mut inbox, owner) = Inbox::new(16);
    let (mut client, server) = pair().await;
    let delivery = Delivery {
        active: Active::True,
        packet: PacketOptions::new(Packet::Length1).size(2).unwrap(),
    };
    let handle = server.into_mailbox(delivery, &owner);
    client.send(&[b"\x01a\x03abc"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "a");
    assert_eq!(next(&mut inbox).await.1, "INVALID");
    // Sending goes on, and refuses what is too long by itself.
    let error = handle.send("abc").await.unwrap_err();
    assert!(matches!(
        error.packet(),
        Some(PacketError::TooLong {
            len: 3,
            limit: 2,
            ..
        })
    ));
    handle.send("no").await.unwrap();
    assert_eq!(&client.recv(3).await.unwrap()[..], b"\x02no");
    handle.set_packet(Packet::Length1).await.unwrap();
    handle.set_active(Active::Once).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_never_interleave() {
    const PACKETS: usize = 40;
    let (_inbox, owner) = Inbox::new(16);
    let (client, server) = pair().await;
    let mut client = client.into_packets(Packet::Length4);
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    let mut senders = Vec::new();
    for sender in 0..3_u8 {
        let handle = handle.clone();
        senders.push(tokio::spawn(async move {
            for round in 0..PACKETS {
                // Also packets of several records, and longer than all that may wait.
                let len = [1, 100, 20_000, 300_000][round % 4];
                handle.send(vec![sender; len]).await.unwrap();
            }
        }));
    }
    let mut count = [0; 3];
    for _ in 0..3 * PACKETS {
        let Piece::Data(packet) = timeout(SOON, client.recv()).await.unwrap().unwrap() else {
            panic!();
        };
        let sender = packet[0];
        assert!(packet.iter().all(|byte| *byte == sender));
        let round = &mut count[usize::from(sender)];
        // Each sender's in its order.
        assert_eq!(packet.len(), [1, 100, 20_000, 300_000][*round % 4]);
        *round += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn slow_owner_stops_the_peer() {
    let (mut inbox, owner) = Inbox::new(2);
    let (mut client, server) = pair().await;
    let _handle = server.into_mailbox(all(Packet::Raw), &owner);
    let writer = tokio::spawn(async move {
        let mut sent = 0;
        while timeout(Duration::from_millis(300), client.send(&[&[7; 10_000]]))
            .await
            .is_ok()
        {
            sent += 10_000;
            assert!(sent < 10_000_000, "the peer is not held up");
        }
        (client, sent)
    });
    let (_client, sent) = writer.await.unwrap();
    let mut received = 0;
    while received < sent {
        let (_, message) = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
        let Message::Data(data) = message else {
            panic!("{message:?}");
        };
        received += data.len();
    }
}

/// Messages that wait go with the connection, before all newer ones, and those of others stay.
#[tokio::test]
async fn hand_over_loses_and_reorders_nothing() {
    const MESSAGES: usize = 200;
    let (mut inboxes, owners): (Vec<_>, Vec<_>) = (0..3).map(|_| Inbox::new(4)).unzip();
    let (client, server) = pair().await;
    let (mut quiet, other) = pair().await;
    let other = other.into_mailbox(all(Packet::Raw), &owners[0]);
    quiet.send(&[b"of another"]).await.unwrap();
    let handle = server.into_mailbox(all(Packet::Length1), &owners[0]);
    let mut client = client.into_packets(Packet::Length1);
    let writer = tokio::spawn(async move {
        for index in 0..MESSAGES {
            client.send(&[index.to_string().as_bytes()]).await.unwrap();
        }
        client
    });
    let mut received = Vec::new();
    let mut of_another = 0;
    let mut at = 0;
    while received.len() < MESSAGES {
        // A few where it is, and then on to the next; sometimes at once.
        for _ in 0..received.len() % 4 {
            let (id, text) = next(&mut inboxes[at]).await;
            if id == other.id() {
                assert_eq!(text, "of another");
                of_another += 1;
                continue;
            }
            received.push(text);
            if received.len() == MESSAGES {
                break;
            }
        }
        if received.len() % 4 == 0 && received.len() < MESSAGES {
            received.push(loop {
                let (id, text) = next(&mut inboxes[at]).await;
                if id == handle.id() {
                    break text;
                }
                of_another += 1;
            });
        }
        let to = (at + 1) % 3;
        let owner = owners[to].clone();
        inboxes[at].hand_over(&handle, &owner).await.unwrap();
        at = to;
    }
    let expected: Vec<_> = (0..MESSAGES).map(|index| index.to_string()).collect();
    assert_eq!(received, expected);
    let _client = writer.await.unwrap();
    if of_another == 0 {
        assert_eq!(next(&mut inboxes[0]).await.0, other.id());
    }
}

#[tokio::test]
async fn a_dead_owner_gets_nothing() {
    let (mut inbox, owner) = Inbox::new(4);
    let (gone, dead) = Inbox::new(4);
    drop(gone);
    let (mut client, server) = pair().await;
    let handle = server.into_mailbox(all(Packet::Raw), &owner);
    assert!(handle.set_owner(&dead).await.unwrap_err().is_closed());
    assert!(
        inbox
            .hand_over(&handle, &dead)
            .await
            .unwrap_err()
            .is_closed()
    );
    // Nothing has changed.
    client.send(&[b"still here"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "still here");
    let (mut new, to) = Inbox::new(4);
    handle.set_owner(&to).await.unwrap();
    client.send(&[b"now there"]).await.unwrap();
    assert_eq!(next(&mut new).await.1, "now there");
}

#[tokio::test]
async fn dead_owner_closes() {
    let (inbox, owner) = Inbox::new(4);
    let (mut client, server) = pair().await;
    let handle = server.into_mailbox(all(Packet::Raw), &owner);
    handle.send("last words").await.unwrap();
    drop(inbox);
    assert_eq!(&client.recv(0).await.unwrap()[..], b"last words");
    // In good order.
    let end = timeout(SOON, client.recv(0)).await.unwrap().unwrap_err();
    assert!(end.is_closed(), "{end}");
    drop(client);
    timeout(SOON, async {
        while !handle.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_handle_outlives_its_connection() {
    let (mut inbox, owner) = Inbox::new(4);
    let (client, server) = pair().await;
    let handle = server.into_mailbox(all(Packet::Raw), &owner);
    drop(client.into_inner());
    let (_, message) = timeout(SOON, inbox.recv()).await.unwrap().unwrap();
    assert!(matches!(&message, Message::Error(error) if error.is_truncated()));
    timeout(SOON, async {
        while !handle.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(handle.send("x").await.unwrap_err().is_truncated());
    assert!(handle.try_send("x").unwrap_err().is_truncated());
    assert!(handle.close(SOON).await.unwrap_err().is_truncated());
}

/// Dropped at any time, a packet is sent whole or not at all.
#[tokio::test]
async fn dropped_send_is_whole_or_nothing() {
    let (_inbox, owner) = Inbox::new(4);
    let (client, server) = pair_over_small().await;
    let mut client = client.into_packets(Packet::Length4);
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    let large = Bytes::from(vec![5; 100_000]);
    for polls in 0..6 {
        // Some are queued, some wait for room; all are given up.
        let sending = drop_after(1, handle.send(large.clone())).await;
        assert!(sending.is_none());
        let later = Duration::from_millis(polls);
        assert!(timeout(later, handle.send(large.clone())).await.is_err());
    }
    let last = handle.clone();
    let last = tokio::spawn(async move { last.send("last").await });
    loop {
        let Piece::Data(packet) = timeout(SOON, client.recv()).await.unwrap().unwrap() else {
            panic!();
        };
        if packet == "last" {
            break;
        }
        assert!(packet == large);
    }
    last.await.unwrap().unwrap();
}

async fn pair_over_small() -> (
    portcullis::TlsStream<tokio::io::DuplexStream>,
    portcullis::TlsStream<tokio::io::DuplexStream>,
) {
    let (near, far) = duplex(1_000);
    pair_over(near, far).await
}

/// The time is over, the connection is not: what was queued goes out, once and in order.
#[tokio::test]
async fn send_timeout_keeps_the_stream() {
    let (_inbox, owner) = Inbox::new(4);
    let (client, server) = pair_over_small().await;
    let mut client = client.into_packets(Packet::Length4);
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    let within = Duration::from_millis(50);
    let large = Bytes::from(vec![5; 200_000]);
    let sent = handle.send_timeout(large.clone(), within).await.unwrap();
    assert_eq!(sent, SendOutcome::Queued);
    // No room for another such: it is not queued.
    let error = handle.send_timeout(large.clone(), within).await;
    assert!(error.unwrap_err().is_timeout());
    assert!(!handle.try_send(large.clone()).unwrap());
    let sent = handle.send_timeout("small", within).await.unwrap();
    assert_eq!(sent, SendOutcome::Queued);
    let mut recv = async || timeout(SOON, client.recv()).await.unwrap().unwrap();
    assert_eq!(recv().await, Piece::Data(large));
    assert_eq!(recv().await, Piece::Data("small".into()));
    assert!(handle.try_send("now").unwrap());
    assert_eq!(recv().await, Piece::Data("now".into()));
}

/// Of limits that several handles set at once one is in force, whole, and it is the same in the connection: the one that
/// came to it last. It is in force also if nobody waits to hear so.
#[tokio::test(start_paused = true)]
async fn limits_of_two_handles_at_once() {
    let (_inbox, owner) = Inbox::new(4);
    let (_client, server) = pair_over_small().await;
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    let of = |within| RuntimeOptions::new().send_timeout(within);
    let large = Bytes::from(vec![5; 200_000]);
    let is_late = async || timeout(SOON, handle.send(large.clone())).await.is_ok();
    let short = Some(Duration::from_millis(50));
    for (first, last) in [(short, None), (None, short)] {
        let (mut one, mut other) = (
            Box::pin(handle.apply(of(first))),
            Box::pin(handle.apply(of(last))),
        );
        assert!((&mut one).now_or_never().is_none());
        assert!((&mut other).now_or_never().is_none());
        tokio::task::yield_now().await;
        // They hear of it in another order.
        other.await.unwrap();
        one.await.unwrap();
        assert_eq!(is_late().await, last.is_some());
    }
    assert!(handle.apply(of(None)).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert!(!is_late().await);
}

/// What has no content takes room, too.
#[tokio::test]
async fn empty_packets_to_a_peer_that_does_not_read_are_refused_in_the_end() {
    let (_inbox, owner) = Inbox::new(4);
    let (_client, server) = pair_over_small().await;
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    let mut queued = 0;
    let mut refusals = 0;
    // The mailbox takes packets over in turns of its own.
    while refusals < 100 && queued < 10_000 {
        match handle.try_send("").unwrap() {
            true => queued += 1,
            false => refusals += 1,
        }
        tokio::task::yield_now().await;
    }
    assert!((1..10_000).contains(&queued), "{queued}");
}

#[tokio::test]
async fn close_sends_what_was_queued() {
    let (_inbox, owner) = Inbox::new(4);
    let (client, server) = pair_over_small().await;
    let mut client = client.into_packets(Packet::Length4);
    let handle = server.into_mailbox(all(Packet::Length4), &owner);
    assert!(handle.try_send(vec![1; 100_000]).unwrap());
    let closing = handle.clone();
    let closing = tokio::spawn(async move { closing.close(SOON).await });
    let Piece::Data(packet) = timeout(SOON, client.recv()).await.unwrap().unwrap() else {
        panic!();
    };
    assert_eq!(packet.len(), 100_000);
    assert!(client.recv().await.unwrap_err().is_closed());
    client.get_mut().shutdown().await.unwrap();
    closing.await.unwrap().unwrap();
    assert!(handle.is_closed());
    assert!(handle.send("x").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn shutdown_write_leaves_reading() {
    let (mut inbox, owner) = Inbox::new(4);
    let (mut client, server) = pair().await;
    let handle = server.into_mailbox(all(Packet::Raw), &owner);
    assert!(handle.try_send("before").unwrap());
    handle.shutdown_write().await.unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"before");
    assert!(handle.send("after").await.unwrap_err().is_closed());
    client.send(&[b"still read"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "still read");
}

#[tokio::test]
async fn shutdown_read_does_not_stop_the_peer() {
    let (mut inbox, owner) = Inbox::new(4);
    let (mut client, server) = pair().await;
    let handle = server.into_mailbox(all(Packet::Raw), &owner);
    client.send(&[b"seen"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "seen");
    handle.shutdown_read().await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "CLOSED");
    // More than all buffers hold, and a KeyUpdate that is answered.
    let megabyte = vec![0; 1024 * 1024];
    for _ in 0..4 {
        timeout(SOON, client.send(&[&megabyte]))
            .await
            .unwrap()
            .unwrap();
    }
    if has_key_updates() {
        client.update_keys(true).await.unwrap();
    }
    handle.send("still written").await.unwrap();
    let text = timeout(SOON, client.recv(0)).await.unwrap().unwrap();
    assert_eq!(&text[..], b"still written");
    assert!(now(inbox.recv()).await.is_none());
    assert!(handle.set_active(Active::Once).await.is_err());
}

/// Without a handle messages still come, until the end; then the task is over.
#[tokio::test]
async fn without_handles_messages_come() {
    let (mut inbox, owner) = Inbox::new(4);
    let (mut client, server) = pair().await;
    drop(server.into_mailbox(all(Packet::Raw), &owner));
    drop(owner);
    client.send(&[b"hello"]).await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "hello");
    client.shutdown().await.unwrap();
    assert_eq!(next(&mut inbox).await.1, "CLOSED");
    assert!(timeout(SOON, inbox.recv()).await.unwrap().is_none());
}
