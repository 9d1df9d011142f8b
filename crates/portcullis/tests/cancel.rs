//! Every future is dropped after k polls, for all k, and what follows still works.

mod ends;

use std::time::Duration;

use ends::*;
use portcullis::Active;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_dropped_handshake_ends_the_peers_as_well() {
    let mut polls = 1;
    loop {
        let (client, server) = duplex(200);
        let peer = tokio::spawn(async move { acceptor().upgrade(server).await.map(drop) });
        let connector = connector();
        let client = drop_after(polls, connector.upgrade(client, name())).await;
        // It is at its end, one way or the other, long before its timeout.
        let peer = tokio::time::timeout(SOON, peer).await.unwrap().unwrap();
        match client {
            None => assert!(peer.is_err() || polls > 1),
            Some(client) => {
                client.unwrap();
                peer.unwrap();
                break;
            }
        }
        polls += 1;
    }
    assert!(polls > 4, "the transport is narrow: {polls}");

    for polls in 1.. {
        let (client, server) = duplex(200);
        let peer = tokio::spawn(async move {
            // A client of TLS 1.3 may be done before its server is.
            let mut client = connector().upgrade(client, name()).await?;
            client.recv(1).await.map(drop)
        });
        let acceptor = acceptor();
        let server = drop_after(polls, acceptor.upgrade(server)).await;
        let done = server.is_some();
        if let Some(server) = server {
            server.unwrap().close(SOON).await.unwrap();
        }
        let peer = tokio::time::timeout(SOON, peer).await.unwrap().unwrap();
        assert!(peer.is_err());
        if done {
            break;
        }
    }
}

#[tokio::test]
async fn reads_and_writes_lose_nothing() {
    let data = pattern(30_000);
    for (polls, capacity) in [(1, 100), (1, 20_000), (2, 100), (2, 1_000), (3, 777)] {
        let (mut client, mut server) = pair_with(capacity).await;
        let expected = data.clone();
        let peer = tokio::spawn(async move {
            let mut all = Vec::new();
            let mut buf = [0; 1000];
            while all.len() < expected.len() {
                match drop_after(polls, server.read(&mut buf)).await {
                    Some(count) => all.extend_from_slice(&buf[..count.unwrap()]),
                    None => continue,
                }
            }
            assert!(all == expected);
            // And back, with exact counts.
            let mut sent = 0;
            while sent < all.len() {
                if let Some(count) = drop_after(polls, server.write(&all[sent..])).await {
                    sent += count.unwrap();
                }
            }
            while drop_after(polls, server.flush()).await.is_none() {}
            server
        });
        let mut sent = 0;
        while sent < data.len() {
            let end = (sent + 3_000).min(data.len());
            if let Some(count) = drop_after(polls, client.write(&data[sent..end])).await {
                sent += count.unwrap();
            }
        }
        while drop_after(polls, client.flush()).await.is_none() {}
        let mut back = Vec::new();
        while back.len() < data.len() {
            let want = 7_000.min(data.len() - back.len());
            if let Some(part) = drop_after(polls, client.recv(want)).await {
                back.extend_from_slice(&part.unwrap());
            }
        }
        assert!(back == data, "{polls} polls, {capacity} bytes");
        let mut server = peer.await.unwrap();
        while drop_after(polls, client.shutdown()).await.is_none() {}
        assert!(server.recv(0).await.unwrap_err().is_closed());
    }
}

#[tokio::test]
async fn key_updates_are_sent_once() {
    if no_key_updates().await {
        return;
    }
    for polls in 1..4 {
        let (mut client, mut server) = pair_with(16).await;
        let peer = tokio::spawn(async move {
            let all = server.recv(200).await.unwrap();
            server.send(&[&all]).await.unwrap();
            server.recv(1).await.unwrap_err()
        });
        let dropped = drop_after(polls, client.update_keys(true)).await.is_none();
        client.send(&[&[7; 200]]).await.unwrap();
        assert_eq!(client.recv(200).await.unwrap().len(), 200);
        client.close(SOON).await.unwrap();
        assert!(peer.await.unwrap().is_closed());
        assert!(dropped || polls > 1);
    }
}

#[tokio::test]
async fn messages_are_not_lost() {
    use futures_util::StreamExt as _;

    let (mut client, server) = pair_with(50).await;
    let data = pattern(5_000);
    let expected = data.clone();
    let sending = tokio::spawn(async move {
        for part in data.chunks(100) {
            client.send(&[part]).await.unwrap();
        }
        client.close(SOON).await.unwrap();
    });
    let mut active = server.into_active(Active::True);
    let mut all = Vec::new();
    loop {
        match drop_after(1, active.next()).await {
            None => {}
            Some(Some(portcullis::Message::Data(part))) => all.extend_from_slice(&part),
            Some(Some(portcullis::Message::Closed)) => break,
            Some(other) => panic!("{other:?}"),
        }
    }
    assert!(all == expected);
    drop(active);
    sending.await.unwrap();
}

#[tokio::test]
async fn listeners_lose_no_connection() {
    let mut listener = portcullis::TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap()
        .connections(3);
    let address = listener.local_addr().unwrap();
    let clients = tokio::spawn(async move {
        let connector = connector();
        for _ in 0..8 {
            let mut client = connector.connect(address, name()).await.unwrap();
            client.send(&[b"x"]).await.unwrap();
            client.close(SOON).await.unwrap();
        }
    });
    let mut accepted = 0;
    while accepted < 8 {
        match drop_after(1 + accepted % 3, listener.accept()).await {
            None => {}
            Some(stream) => {
                let (mut stream, _) = stream.unwrap();
                assert_eq!(&stream.recv(1).await.unwrap()[..], b"x");
                accepted += 1;
            }
        }
    }
    clients.await.unwrap();
}

#[tokio::test]
async fn received_in_time_or_later() {
    for (polls, capacity) in [(1, 100), (2, 1_000), (3, 20_000)] {
        let (mut client, mut server) = pair_with(capacity).await;
        let data = pattern(30_000);
        let expected = data.clone();
        let peer = tokio::spawn(async move {
            server.send(&[&data]).await.unwrap();
            server.close(SOON).await.unwrap();
        });
        let mut all = Vec::new();
        while all.len() < expected.len() {
            let want = 7_000.min(expected.len() - all.len());
            // Every other one is out of time at once.
            let within = SOON * u32::from(all.len() % 2 == 0);
            match drop_after(polls, client.recv_timeout(want, within)).await {
                Some(Ok(part)) => all.extend_from_slice(&part),
                Some(Err(error)) => assert!(error.is_timeout(), "{error}"),
                None => {}
            }
            let mut byte = [0];
            if let Some(count) = drop_after(polls, client.read(&mut byte)).await {
                all.extend_from_slice(&byte[..count.unwrap()]);
            }
        }
        assert!(all == expected, "{polls} polls, {capacity} bytes");
        drop(client);
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn of_what_is_sent_a_start_arrives() {
    let data = pattern(200_000);
    for polls in 1.. {
        let (mut client, mut server) = pair_with(16_000).await;
        let peer = tokio::spawn(async move {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.map(|_| all)
        });
        let (a, b) = data.split_at(90_000);
        let sent = drop_after(polls, client.send(&[a, &[], b])).await;
        client.send(&[b"then"]).await.unwrap();
        client.close(SOON).await.unwrap();
        let all = peer.await.unwrap().unwrap();
        assert_is_start(&all, &data, b"then", sent.is_some());
        if sent.is_some() {
            assert!(polls > 5, "{polls}");
            break;
        }
    }
}

#[tokio::test]
async fn a_dropped_close_does_not_cut_short_unnoticed() {
    let data = pattern(5_000);
    for polls in 1.. {
        let (mut client, mut server) = pair_with(200).await;
        let peer = tokio::spawn(async move {
            let mut all = Vec::new();
            let end = server.read_to_end(&mut all).await;
            (all, end.map(drop))
        });
        // Sealed, but the transport is too narrow for it.
        assert_eq!(client.write(&data).await.unwrap(), data.len());
        let closed = drop_after(polls, client.close(SOON)).await;
        let (all, end) = tokio::time::timeout(SOON, peer).await.unwrap().unwrap();
        assert!(data.starts_with(&all));
        match end {
            Ok(()) => assert_eq!(all.len(), data.len()),
            Err(error) => assert!(portcullis::Error::from_io(&error).unwrap().is_truncated()),
        }
        if let Some(closed) = closed {
            closed.unwrap();
            assert_eq!(all.len(), data.len());
            assert!(polls > 5, "{polls}");
            break;
        }
    }
}

#[tokio::test]
async fn a_dropped_downgrade_closes_the_transport() {
    for polls in 1.. {
        let (mut client, server) = pair_with(50).await;
        let peer = tokio::spawn(async move {
            let mut plain = server
                .downgrade(SOON)
                .await
                .map_err(|failed| failed.error)?;
            let mut all = plain.leftover.to_vec();
            plain.transport.read_to_end(&mut all).await.unwrap();
            Ok::<_, portcullis::Error>((plain.data, all))
        });
        assert_eq!(client.write(&[7; 100]).await.unwrap(), 100);
        let downgraded = drop_after(polls, client.downgrade(SOON)).await;
        let done = downgraded.is_some();
        if let Some(downgraded) = downgraded {
            let mut plain = downgraded.unwrap().transport;
            plain.write_all(b"in plain text").await.unwrap();
        }
        let end = tokio::time::timeout(SOON, peer).await.unwrap().unwrap();
        match end {
            Ok((data, plain)) => {
                assert_eq!(data[..], [7; 100]);
                assert_eq!(plain, if done { &b"in plain text"[..] } else { b"" });
            }
            // Its own close_notify may have found nobody.
            Err(error) => assert!(
                !done && (error.is_truncated() || error.transport().is_some()),
                "{error}"
            ),
        }
        if done {
            assert!(polls > 2, "{polls}");
            break;
        }
    }
}
