//! What is delivered without asking the transport counts towards the budget that Tokio gives a
//! task: a peer of many small records does not hold the thread. Nor does a transport that always has
//! something.

mod ends;

use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ends::*;
use futures_util::Stream as _;
use portcullis::packet::Packet;
use portcullis::{Active, ActiveStream, Delivery, Inbox, Message, Source, SplitIo, TlsStream};
use tokio::io::{
    AsyncBufRead as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf,
    WriteHalf, duplex, split,
};

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

/// Bytes of one read of a transport that always has some.
const DRIP: usize = 7;
const PACKETS: usize = 40;
/// With its length.
const PACKET: usize = 100;

/// How often one task has read before another had its turn.
#[derive(Default)]
struct Watch {
    turns: AtomicU64,
    last: AtomicU64,
    run: AtomicU64,
    longest: AtomicU64,
    reads: AtomicU64,
    /// Whether nothing can be written any more.
    broken: AtomicBool,
}

impl Watch {
    fn note(&self) {
        let turn = self.turns.load(Ordering::Relaxed);
        if self.last.swap(turn, Ordering::Relaxed) != turn {
            self.run.store(0, Ordering::Relaxed);
        }
        let run = self.run.fetch_add(1, Ordering::Relaxed) + 1;
        self.longest.fetch_max(run, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was sent until [`Ready::keep`] is read in drops, without a wait and without a budget.
struct Ready {
    io: DuplexStream,
    kept: Vec<u8>,
    watch: Arc<Watch>,
}

impl Ready {
    fn keep(&mut self) {
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut bytes = [0; 4_096];
            let mut buf = ReadBuf::new(&mut bytes);
            let read = pin!(tokio::task::coop::unconstrained(poll_fn(|cx| {
                Pin::new(&mut self.io).poll_read(cx, &mut buf)
            })));
            match read.poll(&mut context) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.kept.extend_from_slice(buf.filled());
                }
                _ => return,
            }
        }
    }
}

impl AsyncRead for Ready {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        self.watch.note();
        let count = DRIP.min(self.kept.len()).min(buf.remaining());
        buf.put_slice(&self.kept[..count]);
        self.kept.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ready {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.watch.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl SplitIo for Ready {
    type Read = ReadHalf<Self>;
    type Write = WriteHalf<Self>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        split(self)
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.unsplit(write)
    }
}

/// A server that is about to have it.
async fn calm(reads: u16) -> (TlsStream<DuplexStream>, TlsStream<Ready>, Arc<Watch>) {
    let (near, far) = duplex(1024 * 1024);
    let watch = Arc::<Watch>::default();
    let far = Ready {
        io: far,
        kept: Vec::new(),
        watch: watch.clone(),
    };
    let connector = connector();
    let acceptor = acceptor().reads_per_turn(NonZeroU16::new(reads).unwrap());
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far));
    (client.unwrap(), server.unwrap(), watch)
}

async fn send_packets(client: &mut TlsStream<DuplexStream>) {
    for _ in 0..PACKETS {
        let mut packet = vec![7; PACKET];
        packet[0] = u8::try_from(PACKET - 1).unwrap();
        client.send(&[&packet]).await.unwrap();
    }
    client.shutdown().await.unwrap();
}

/// A server that has something to read whenever it looks.
async fn flooded(reads: u16) -> (TlsStream<DuplexStream>, TlsStream<Ready>, Arc<Watch>) {
    let (mut client, mut server, watch) = calm(reads).await;
    send_packets(&mut client).await;
    server.get_mut().keep();
    (client, server, watch)
}

/// Does this while another task has its turns, and says how many reads there were at most between two of them.
async fn beside(watch: Arc<Watch>, work: impl Future<Output = ()> + Send + 'static) -> u64 {
    let turns = watch.clone();
    let other = tokio::spawn(poll_fn(move |cx| {
        turns.turns.fetch_add(1, Ordering::Relaxed);
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    tokio::spawn(work).await.unwrap();
    other.abort();
    let reads = watch.reads.load(Ordering::Relaxed);
    assert!(reads > (PACKETS * PACKET / DRIP) as u64, "{reads}");
    watch.longest.load(Ordering::Relaxed)
}

async fn all_of<S: Source + Unpin>(mut stream: ActiveStream<S>) {
    let mut have = 0;
    while have < PACKETS {
        let message = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
        assert!(matches!(message, Some(Message::Data(_))), "{message:?}");
        have += 1;
    }
}

#[tokio::test]
async fn a_transport_that_always_has_something_leaves_others_their_turns() {
    for reads in [1, 20, 100] {
        let limit = u64::from(reads);
        let (_client, server, watch) = flooded(reads).await;
        let told = server.options();
        let told = told.iter().find(|option| option.name == "reads_per_turn");
        assert_eq!(told.unwrap().value.to_string(), reads.to_string());
        let longest = beside(watch, all_of(server.into_active(Active::True))).await;
        assert_eq!(longest, limit, "a stream");

        let (_client, server, watch) = flooded(reads).await;
        let (reader, _writer) = server.into_split();
        let longest = beside(watch, all_of(reader.into_active(Active::N(5_000)))).await;
        assert_eq!(longest, limit, "a half");

        let (_client, server, watch) = flooded(reads).await;
        let packets = server.into_packets(Packet::Length1);
        let longest = beside(watch, all_of(packets.into_active(Active::True))).await;
        assert_eq!(longest, limit, "packets");

        let (_client, server, watch) = flooded(reads).await;
        let (mut inbox, owner) = Inbox::new(2 * PACKETS);
        let delivery = Delivery {
            active: Active::True,
            packet: Packet::Length1.into(),
        };
        let handle = server.into_mailbox(delivery, &owner);
        let longest = beside(watch, async move {
            for _ in 0..PACKETS {
                inbox.recv().await.unwrap();
            }
            drop(handle);
        })
        .await;
        assert_eq!(longest, limit, "a mailbox");

        let (_client, server, watch) = flooded(reads).await;
        let longest = beside(watch, async move {
            server.close(Duration::from_secs(5)).await.unwrap();
        })
        .await;
        assert_eq!(longest, limit, "closing");
    }
}

/// There is so much data before the first message that is none.
async fn data_of<S: Source + Unpin>(mut stream: ActiveStream<S>) -> usize {
    let mut have = 0;
    while let Some(Message::Data(data)) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
        have += data.len();
    }
    have
}

/// The writer fails, and knows of no alert that says why.
async fn fails<W: AsyncWrite + Unpin>(writer: &mut W, watch: &Watch) {
    watch.broken.store(true, Ordering::Relaxed);
    let failed = async {
        writer.write_all(b"x").await?;
        writer.flush().await
    };
    failed.await.unwrap_err();
}

/// A turn that is over is no transport that has nothing: what has come is told before a failure to write.
#[tokio::test(start_paused = true)]
async fn data_is_not_passed_over_for_a_failure_to_write() {
    for reads in [1, 20] {
        let (mut client, mut server, watch) = calm(reads).await;
        fails(&mut server, &watch).await;
        send_packets(&mut client).await;
        server.get_mut().keep();
        let have = data_of(server.into_active(Active::True)).await;
        assert_eq!(have, PACKETS * PACKET, "a stream");

        let (_client, server, watch) = flooded(reads).await;
        let (reader, mut writer) = server.into_split();
        fails(&mut writer, &watch).await;
        let have = data_of(reader.into_active(Active::True)).await;
        assert_eq!(have, PACKETS * PACKET, "a half");
    }
    // Nor is Tokio's budget.
    for of_stream in [true, false] {
        let (mut client, mut server, watch) = calm(1_000).await;
        if of_stream {
            fails(&mut server, &watch).await;
        }
        for _ in 0..DELIVERIES {
            client.send(&[&[7]]).await.unwrap();
        }
        let have = match of_stream {
            true => data_of(server.into_active(Active::True)).await,
            false => {
                let (reader, mut writer) = server.into_split();
                fails(&mut writer, &watch).await;
                data_of(reader.into_active(Active::True)).await
            }
        };
        assert_eq!(have, DELIVERIES, "of a stream: {of_stream}");
    }
}
