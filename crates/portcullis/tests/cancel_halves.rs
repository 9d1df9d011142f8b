//! The futures of the two halves are dropped after k polls, and nothing is lost or reordered.

mod ends;

use std::time::Duration;

use ends::*;
use portcullis::TlsStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const SOON: Duration = Duration::from_secs(5);

/// Both halves at once, with each of their futures dropped; what was received.
async fn converse(stream: TlsStream<DuplexStream>, data: Vec<u8>, polls: usize) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        let mut sent = 0;
        for round in 0.. {
            let end = (sent + 3_000).min(data.len());
            if sent == end {
                break;
            }
            if let Some(count) = drop_after(polls, writer.write(&data[sent..end])).await {
                sent += count.unwrap();
            }
            match round % 6 {
                1 => drop(drop_after(polls, writer.update_keys(round % 4 == 1)).await),
                3 => drop(drop_after(polls, writer.flush()).await),
                // It waits as long as there is nothing to do: no second poll need come.
                5 => assert!(drop_after(1, writer.serve()).await.is_none()),
                _ => {}
            }
        }
        while drop_after(polls, writer.shutdown()).await.is_none() {}
        writer
    });
    let mut all = Vec::new();
    let mut buf = [0; 1_000];
    loop {
        if let Some(part) = drop_after(polls, reader.recv(777)).await {
            // At the end fewer are left, for the read.
            all.extend_from_slice(&part.unwrap_or_default());
        }
        match drop_after(polls, reader.read(&mut buf)).await {
            Some(Ok(0)) => break,
            Some(count) => all.extend_from_slice(&buf[..count.unwrap()]),
            None => {}
        }
    }
    reader.reunite(writing.await.unwrap()).unwrap();
    all
}

#[tokio::test]
async fn halves_lose_nothing() {
    let (ours, theirs) = (pattern(60_000), pattern(50_000));
    for (polls, capacity) in [(1, 100), (1, 20_000), (2, 777), (3, 100)] {
        let (client, server) = pair_with(capacity).await;
        let conversation = async {
            tokio::join!(
                converse(client, ours.clone(), polls),
                converse(server, theirs.clone(), polls)
            )
        };
        let (to_client, to_server) = tokio::time::timeout(SOON * 4, conversation).await.unwrap();
        assert!(to_client == theirs && to_server == ours, "{polls} polls");
    }
}

#[tokio::test]
async fn of_what_a_half_sends_a_start_arrives() {
    let data = pattern(200_000);
    for polls in 1.. {
        for whole in [false, true] {
            let (client, mut server) = pair_with(16_000).await;
            let (_reader, mut writer) = client.into_split();
            let peer = tokio::spawn(async move {
                let mut all = Vec::new();
                server.read_to_end(&mut all).await.map(|_| all)
            });
            let done = if whole {
                drop_after(polls, writer.write_all(&data)).await.is_some()
            } else {
                drop_after(polls, writer.send(&[&data])).await.is_some()
            };
            writer.send(&[b"then"]).await.unwrap();
            writer.shutdown().await.unwrap();
            let all = peer.await.unwrap().unwrap();
            assert_is_start(&all, &data, b"then", done);
            if done && !whole {
                return;
            }
        }
    }
}
