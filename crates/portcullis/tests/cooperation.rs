//! What is delivered without asking the transport counts towards the budget that Tokio gives a
//! task: a peer of many small records does not hold the thread.

mod ends;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use ends::*;
use futures_util::Stream as _;
use portcullis::{Active, ActiveStream, Message, Source, TlsStream};
use tokio::io::{AsyncBufRead as _, AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

/// Tokio's budget for one poll of a task.
const BUDGET: usize = 128;
const DELIVERIES: usize = 2_000;

/// Takes deliveries until there are enough, as many as there are each time that it is polled.
async fn deliveries(mut poll: impl FnMut(&mut Context<'_>) -> Poll<()>) {
    let mut all = 0;
    let mut longest = 0;
    poll_fn(|cx| {
        let mut run = 0;
        while all < DELIVERIES {
            if poll(cx).is_pending() {
                longest = longest.max(run);
                return Poll::Pending;
            }
            run += 1;
            all += 1;
        }
        longest = longest.max(run);
        Poll::Ready(())
    })
    .await;
    assert!(longest <= BUDGET, "{longest} deliveries in one poll");
    assert!(longest > BUDGET / 4, "{longest}: it yields too often");
}

/// A connection on which records of this size have come, with `DELIVERIES` bytes in all.
async fn received(record: usize) -> TlsStream<DuplexStream> {
    let (mut client, server) = pair_with(1024 * 1024).await;
    for _ in 0..DELIVERIES / record {
        client.write_all(&vec![7; record]).await.unwrap();
    }
    client.flush().await.unwrap();
    // No end is looked for.
    std::mem::forget(client);
    tokio::task::yield_now().await;
    server
}

async fn messages<S: Source + Unpin>(mut stream: ActiveStream<S>) {
    deliveries(|cx| {
        Pin::new(&mut stream)
            .poll_next(cx)
            .map(|message| assert!(matches!(message, Some(Message::Data(_)))))
    })
    .await;
}

#[tokio::test]
async fn active_delivery_yields() {
    for mode in [Active::True, Active::N(5_000)] {
        messages(received(1).await.into_active(mode)).await;
        let (reader, _writer) = received(1).await.into_split();
        messages(reader.into_active(mode)).await;
    }
}

#[tokio::test]
async fn passive_delivery_yields() {
    // Records that wait, and a record that does not fit.
    for record in [1, DELIVERIES] {
        let mut stream = received(record).await;
        deliveries(|cx| {
            let mut byte = [0];
            let mut buf = ReadBuf::new(&mut byte);
            let read = Pin::new(&mut stream).poll_read(cx, &mut buf);
            read.map(|read| read.unwrap())
        })
        .await;
        let mut stream = received(record).await;
        deliveries(|cx| {
            let filled = Pin::new(&mut stream).poll_fill_buf(cx);
            let filled = filled.map(|filled| assert!(!filled.unwrap().is_empty()));
            if filled.is_ready() {
                Pin::new(&mut stream).consume(1);
            }
            filled
        })
        .await;
        let mut stream = received(record).await;
        deliveries(|cx| {
            let received = pin!(stream.recv(1)).poll(cx);
            received.map(|received| assert_eq!(received.unwrap().len(), 1))
        })
        .await;
    }
    let mut stream = received(1).await;
    deliveries(|cx| {
        let received = pin!(stream.recv(0)).poll(cx);
        received.map(|received| assert_eq!(received.unwrap().len(), 1))
    })
    .await;
}
