//! A transport that is not ready when it could be, takes a few bytes, and wakes in another order
//! than it was asked to.

mod ends;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ends::*;
use portcullis::{Active, Message, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex};

use futures_util::StreamExt as _;
use tokio::io::DuplexStream;

/// Who was told to wait without need.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<Vec<Waker>>>);

impl Waiting {
    /// Wakes whoever came last first, again and again.
    async fn wake_all(self) {
        loop {
            // Time only goes on when nobody can: then all of them wait.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let wakers = std::mem::take(&mut *self.0.lock().unwrap());
            wakers.into_iter().rev().for_each(Waker::wake);
        }
    }
}

struct Moody {
    io: DuplexStream,
    random: u32,
    waiting: Waiting,
}

impl Moody {
    /// A number of bytes that may go now, or none.
    fn mood(&mut self, cx: &Context<'_>) -> Poll<usize> {
        // Xorshift (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        if self.random.is_multiple_of(3) {
            self.waiting.0.lock().unwrap().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(1 + (self.random >> 8) as usize % 3_000)
    }
}

impl AsyncRead for Moody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = std::task::ready!(self.mood(cx));
        let mut part = buf.take(most);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let count = part.filled().len();
        // What was initialized in the part is so in the whole.
        let data = part.filled().to_vec();
        buf.put_slice(&data[..count]);
        polled
    }
}

impl AsyncWrite for Moody {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = std::task::ready!(self.mood(cx)).min(data.len());
        Pin::new(&mut self.io).poll_write(cx, &data[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.mood(cx));
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.mood(cx));
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Writes with key updates between, and closes.
async fn write(stream: &mut TlsStream<Moody>, data: &[u8]) {
    for (index, part) in data.chunks(7_000).enumerate() {
        if index % 3 == 1 && has_key_updates() {
            stream.update_keys(index % 2 == 0).await.unwrap();
        }
        stream.write_all(part).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

async fn converse(seed: u32) {
    let waiting = Waiting::default();
    let waker = tokio::spawn(waiting.clone().wake_all());
    let (ours, theirs) = duplex(4_096);
    let moody = |io, random| Moody {
        io,
        random,
        waiting: waiting.clone(),
    };
    let (mut client, mut server) =
        pair_over(moody(ours, seed), moody(theirs, seed ^ 0x5555_5555)).await;
    let data = pattern(100_000);
    let question = data.clone();
    let client = tokio::spawn(async move {
        write(&mut client, &question).await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let mut messages = server.into_active(Active::N(3));
    let mut received = Vec::new();
    loop {
        match messages.next().await.unwrap() {
            Message::Data(part) => received.extend_from_slice(&part),
            Message::Passive => messages.set_active(Active::N(2)).unwrap(),
            Message::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(received == data, "seed {seed}");
    server = messages.into_passive();
    write(&mut server, &received).await;
    assert!(client.await.unwrap() == data, "seed {seed}");
    waker.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_and_nobody_sleeps_on() {
    for seed in 1..=40 {
        tokio::time::timeout(Duration::from_secs(100), converse(seed * 0x0101_0101))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whoever polls is not always known by its waker: a runtime or a combinator may make one for each poll. Then a task
/// that waits would wake itself, and so on without an end.
#[tokio::test]
async fn a_flush_that_waits_wakes_nobody_until_it_is_done() {
    let flushes = Arc::new(AtomicBool::new(true));
    let (ours, theirs) = duplex(4_096);
    let ours = Stuck {
        io: ours,
        flushes: flushes.clone(),
    };
    let (mut client, server) = pair_over(ours, theirs).await;
    flushes.store(false, Ordering::SeqCst);
    client.write_all(b"data").await.unwrap();
    let tasks: Vec<_> = (0..6).map(|_| Arc::new(Counted::default())).collect();
    let poll_flush = |client: &mut TlsStream<Stuck>, task: &Arc<Counted>| {
        let waker = Waker::from(task.clone());
        Pin::new(client).poll_flush(&mut Context::from_waker(&waker))
    };
    let poll_read = |client: &mut TlsStream<Stuck>, task: &Arc<Counted>| {
        let waker = Waker::from(task.clone());
        let mut bytes = [0; 10];
        let mut buf = ReadBuf::new(&mut bytes);
        Pin::new(client).poll_read(&mut Context::from_waker(&waker), &mut buf)
    };
    for task in &tasks[..4] {
        assert!(poll_flush(&mut client, task).is_pending());
        assert!(poll_read(&mut client, &tasks[4]).is_pending());
    }
    let woken = || tasks.iter().map(|task| task.0.load(Ordering::SeqCst));
    assert_eq!(
        woken().sum::<usize>(),
        0,
        "{:?}",
        woken().collect::<Vec<_>>()
    );
    // Another task finds that it is done, and says so to the one that waits.
    flushes.store(true, Ordering::SeqCst);
    assert!(poll_read(&mut client, &tasks[5]).is_pending());
    assert_eq!(woken().collect::<Vec<_>>(), [0, 0, 0, 1, 0, 0]);
    assert!(poll_flush(&mut client, &tasks[3]).is_ready());
    drop(server);
}
