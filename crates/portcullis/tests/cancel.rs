//! Every future is dropped after k polls, for all k, and what follows still works.

mod common;

use std::time::Duration;

use common::*;
use portcullis::Active;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[tokio::test]
async fn a_dropped_handshake_ends_the_peers_as_well() {
    let mut polls = 1;
    loop {
        let (client, server) = duplex(200);
        let peer = tokio::spawn(async move { acceptor().upgrade(server).await.map(drop) });
        let connector = connector();
        let client = drop_after(polls, connector.upgrade(client, name())).await;
        // It is at its end, one way or the other, long before its timeout.
        let peer = tokio::time::timeout(Duration::from_secs(5), peer)
            .await
            .unwrap()
            .unwrap();
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
    assert!(polls > 10, "the transport is narrow: {polls}");

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
            server.unwrap().close(Duration::from_secs(5)).await.unwrap();
        }
        let peer = tokio::time::timeout(Duration::from_secs(5), peer)
            .await
            .unwrap()
            .unwrap();
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
        client.close(Duration::from_secs(5)).await.unwrap();
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
        client.close(Duration::from_secs(5)).await.unwrap();
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
    let address = listener.listener().local_addr().unwrap();
    let clients = tokio::spawn(async move {
        let connector = connector();
        for _ in 0..8 {
            let mut client = connector.connect(address, name()).await.unwrap();
            client.send(&[b"x"]).await.unwrap();
            client.close(Duration::from_secs(5)).await.unwrap();
        }
    });
    let mut accepted = 0;
    while accepted < 8 {
        match drop_after(1, listener.accept()).await {
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
