//! What has gone wrong in other relays.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::{HowEnded, Relay, RelayEnd, RelayMemory, RelayOptions, relay};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter, DuplexStream, ReadBuf,
    duplex,
};

use crate::ends::{has_key_updates, pair_with, pattern};
use crate::patient;
use crate::wire::{Kind, Saw, joined, within};

/// An end that does what it is told: each operation waits until it is let go.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What can be read; `None` is the end.
    to_read: VecDeque<Option<Vec<u8>>>,
    /// Something is always to be read.
    endless: bool,
    written: Vec<u8>,
    /// How much may be written.
    room: usize,
    flushed: usize,
    may_flush: bool,
    may_shut_down: bool,
    is_shut_down: bool,
    is_reset: bool,
    reads: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Script {
    /// Takes and gives all.
    fn open() -> Self {
        let script = Self::default();
        script.change(|state| {
            state.room = usize::MAX;
            state.may_flush = true;
            state.may_shut_down = true;
        });
        script
    }

    fn see<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.lock().unwrap())
    }

    /// What has changed is what somebody waits for at that operation.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap();
        let before = state.to_read.len();
        change(&mut state);
        let waker = match state.to_read.len() > before {
            true => state.reader.take(),
            false => state.writer.take(),
        };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn say(&self, data: &[u8]) {
        self.change(|state| state.to_read.push_back(Some(data.to_vec())));
    }

    fn end(&self) {
        self.change(|state| state.to_read.push_back(None));
    }
}

impl AsyncRead for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        state.reads += 1;
        if state.endless {
            let room = buf.remaining();
            buf.put_slice(&vec![7; room]);
            return Poll::Ready(Ok(()));
        }
        match state.to_read.pop_front() {
            Some(Some(mut data)) => {
                let rest = data.split_off(data.len().min(buf.remaining()));
                buf.put_slice(&data);
                if !rest.is_empty() {
                    state.to_read.push_front(Some(rest));
                }
                Poll::Ready(Ok(()))
            }
            Some(None) => {
                state.to_read.push_front(None);
                Poll::Ready(Ok(()))
            }
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        let count = data.len().min(state.room);
        if count == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.room != usize::MAX {
            state.room -= count;
        }
        state.written.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if !state.may_flush {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.flushed = state.written.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if !state.may_shut_down {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl RelayEnd for Script {
    fn reset(&mut self) {
        self.0.lock().unwrap().is_reset = true;
    }
}

/// Until it is so; who forgot a waker is not polled again.
async fn until(script: &Script, is_so: impl Fn(&State) -> bool) {
    within(async {
        while !script.see(&is_so) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Others have their turn.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_step_that_waits_is_woken() {
    for is_swapped in [false, true] {
        let (source, sink) = (Script::open(), Script::default());
        let (near, far) = (source.clone(), sink.clone());
        let relay = match is_swapped {
            false => tokio::spawn(relay(near, far, patient())),
            true => tokio::spawn(relay(far, near, patient())),
        };
        settle().await;
        // It waits for something to read.
        source.say(b"first");
        settle().await;
        assert_eq!(sink.see(|state| state.written.len()), 0);
        // For room to write, and again with what is left over.
        sink.change(|state| state.room = 2);
        until(&sink, |state| state.written == b"fi").await;
        settle().await;
        let reads = source.see(|state| state.reads);
        source.say(b"second");
        settle().await;
        assert_eq!(source.see(|state| state.reads), reads, "while it waits");
        sink.change(|state| state.room = usize::MAX);
        until(&sink, |state| state.written == b"firstsecond").await;
        // For the sink to be flushed, since nothing more comes.
        settle().await;
        assert_eq!(sink.see(|state| state.flushed), 0);
        sink.change(|state| state.may_flush = true);
        until(&sink, |state| state.flushed == 11).await;
        // For the end to be said.
        source.end();
        settle().await;
        assert!(!sink.see(|state| state.is_shut_down));
        sink.change(|state| state.may_shut_down = true);
        until(&sink, |state| state.is_shut_down).await;
        sink.end();
        assert!(within(relay).await.unwrap().is_clean());
        assert!(source.see(|state| state.is_shut_down && !state.is_reset));
    }
}

/// One poll with nobody to wake.
fn poll_once<A: RelayEnd, B: RelayEnd>(relay: &mut Relay<A, B>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(relay).poll(&mut cx).is_pending());
}

#[tokio::test]
async fn a_fast_direction_does_not_starve_the_other_nor_the_thread() {
    for is_swapped in [false, true] {
        let (fast, slow) = (Script::open(), Script::open());
        fast.change(|state| state.endless = true);
        slow.say(b"a word");
        let mut relay = match is_swapped {
            false => relay(fast.clone(), slow.clone(), patient()),
            true => relay(slow.clone(), fast.clone(), patient()),
        };
        poll_once(&mut relay);
        assert_eq!(fast.see(|state| state.written.clone()), b"a word");
        assert_eq!(fast.see(|state| state.reads), 8);
        // 16 KiB twice, then 64 KiB at once.
        let taken = slow.see(|state| state.written.len());
        assert_eq!(taken, (2 * 16 + 6 * 64) * 1024);
    }
}

/// Back-pressure: who refuses is not read for, and costs what was read last.
#[tokio::test]
async fn little_is_kept_for_who_refuses() {
    let (fast, slow) = (Script::open(), Script::open());
    fast.change(|state| state.endless = true);
    let memory = RelayMemory::new(100_000);
    let mut one = relay(fast.clone(), slow.clone(), patient().memory(memory.clone()));
    poll_once(&mut one);
    // It keeps up no more.
    slow.change(|state| state.room = 1000);
    for _ in 0..3 {
        poll_once(&mut one);
    }
    assert_eq!(memory.held(), 64 * 1024 - 1000);
    slow.change(|state| state.room = 64 * 1024);
    poll_once(&mut one);
    assert_eq!(
        memory.held(),
        16 * 1024 - 1000,
        "from here on less is read at once"
    );
    drop(one);
    assert_eq!(memory.held(), 0);
}

/// The memory of all relays has a bound that holds, whoever refuses.
#[tokio::test]
async fn memory_for_those_who_refuse_is_bounded() {
    let memory = RelayMemory::new(40_000);
    let options = patient().memory(memory.clone());
    let mut relays = Vec::new();
    let mut stalled = 0;
    for _ in 0..40 {
        let (fast, refusing) = (Script::open(), Script::default());
        fast.change(|state| state.endless = true);
        let mut relay = relay(fast, refusing.clone(), options.clone());
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut relay).poll(&mut cx) {
            Poll::Pending => relays.push(relay),
            Poll::Ready(outcome) => {
                assert!(matches!(outcome.b_to_a.end, HowEnded::Stalled));
                assert!(refusing.see(|state| state.is_reset));
                stalled += 1;
            }
        }
        assert!(memory.held() <= 80_000);
    }
    // Three reads of 16 KiB, then 4 KiB each.
    assert_eq!((relays.len(), stalled), (10, 30));
    drop(relays);
    assert_eq!(memory.held(), 0);
}

/// What is left over comes before the end, byte by byte.
#[tokio::test]
async fn an_end_waits_for_what_is_left_over() {
    let (mut client, near) = duplex(300_000);
    let (far, mut server) = duplex(1);
    let data = pattern(30_000);
    client.write_all(&data).await.unwrap();
    client.shutdown().await.unwrap();
    let relay = tokio::spawn(relay(near, far, patient()));
    let mut received = Vec::new();
    within(server.read_to_end(&mut received)).await.unwrap();
    assert!(received == data);
    drop(server);
    drop(client);
    assert!(within(relay).await.unwrap().is_clean());
}

/// A transport that holds back what it has until it is flushed.
struct Buffered(BufWriter<DuplexStream>);

impl AsyncRead for Buffered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl RelayEnd for Buffered {
    fn reset(&mut self) {}
}

#[tokio::test]
async fn what_a_transport_holds_back_is_flushed() {
    for room in [1, 100_000] {
        // TLS at one end, over a transport with a buffer; a buffer without TLS at the other.
        let (near, far) = duplex(room);
        let accepted = Buffered(BufWriter::with_capacity(100_000, far));
        let (mut client, server) = within(crate::ends::pair_over(near, accepted)).await;
        let (far, mut backend) = duplex(room);
        let far = Buffered(BufWriter::with_capacity(100_000, far));
        let relay = tokio::spawn(relay(server, far, patient()));
        for _ in 0..3 {
            client.write_all(b"ask").await.unwrap();
            client.flush().await.unwrap();
            let mut text = [0; 3];
            within(backend.read_exact(&mut text)).await.unwrap();
            backend.write_all(b"say").await.unwrap();
            within(client.read_exact(&mut text)).await.unwrap();
            assert_eq!(&text, b"say");
        }
        client.shutdown().await.unwrap();
        drop(backend);
        assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
        drop(client);
        assert!(within(relay).await.unwrap().is_clean());
    }
}

/// A peer that asks for KeyUpdates all the time while the other end takes nothing.
#[tokio::test]
async fn a_storm_of_key_updates_grows_nothing() {
    assert!(has_key_updates());
    let (mut client, server) = pair_with(4_096).await;
    let (far, mut backend) = duplex(1_000);
    let memory = RelayMemory::new(1_000_000);
    let options = patient().memory(memory.clone());
    let relay = tokio::spawn(relay(server, far, options));
    let storm = async {
        loop {
            client.update_keys(true).await.unwrap();
            client.write_all(&[7; 500]).await.unwrap();
        }
    };
    let storm = tokio::time::timeout(Duration::from_millis(300), storm);
    // The backend takes nothing, and the storm comes to stand.
    assert!(storm.await.is_err());
    assert!(memory.held() <= 64 * 1024, "{} bytes", memory.held());
    // The way back is open all the same.
    backend.write_all(b"hello").await.unwrap();
    let mut text = [0; 5];
    within(client.read_exact(&mut text)).await.unwrap();
    drop(client);
    let mut rest = Vec::new();
    let _ = within(backend.read_to_end(&mut rest)).await;
    assert!(rest.iter().all(|&byte| byte == 7));
    drop(backend);
    within(relay).await.unwrap();
}

/// Records without data move nothing.
#[tokio::test]
async fn key_updates_are_not_progress() {
    let (mut client, server) = pair_with(4_096).await;
    let (far, _backend) = duplex(1_000);
    let options = patient().idle(Duration::from_millis(150));
    let mut relay = tokio::spawn(relay(server, far, options));
    let chatter = async {
        loop {
            let _ = client.update_keys(false).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::select! {
        outcome = within(&mut relay) => outcome.unwrap(),
        () = chatter => unreachable!(),
    };
    assert!(matches!(outcome.a_to_b.end, HowEnded::Idle));
}

/// Bytes that move, if slowly, keep a relay alive in both meanings.
#[tokio::test(start_paused = true)]
async fn who_is_slow_is_not_idle() {
    let (mut client, near) = duplex(64);
    let (far, mut server) = duplex(64);
    let short = Duration::from_secs(10);
    let options = RelayOptions::new().idle(short).stall(short);
    let relay = tokio::spawn(relay(near, far, options));
    let sending = tokio::spawn(async move {
        client.write_all(&[7; 2_000]).await.unwrap();
        client
    });
    let mut received = 0;
    while received < 2_000 {
        tokio::time::sleep(Duration::from_secs(8)).await;
        received += server.read(&mut [0; 100]).await.unwrap();
    }
    let client = sending.await.unwrap();
    assert!(!relay.is_finished());
    // From here on it is.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let outcome = relay.await.unwrap();
    assert!(matches!(outcome.a_to_b.end, HowEnded::Idle));
    drop(client);
}

/// Dropped, or cut, a relay says only what was true.
#[tokio::test]
async fn a_relay_that_is_dropped_ends_nobody_in_good_order() {
    for kind in Kind::ALL {
        for other in Kind::ALL {
            let ((mut x, near), (mut y, far)) = tokio::join!(
                crate::wire::end(kind, Default::default()),
                crate::wire::end(other, Default::default())
            );
            let mut relay = relay(near, far, patient());
            x.write(b"request").await.unwrap();
            x.end().await;
            let seen = tokio::select! {
                _ = &mut relay => panic!("it is not over"),
                seen = y.rest() => seen,
            };
            assert_eq!(seen, (b"request".to_vec(), Saw::End));
            drop(relay);
            // The way back had not ended, and nobody says so.
            assert_eq!(x.rest().await, (vec![], Saw::Reset));
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_cut_tells_what_it_has_moved() {
    for kind in Kind::ALL {
        let ((mut x, near), (mut y, far)) = tokio::join!(
            crate::wire::end(kind, Default::default()),
            crate::wire::end(Kind::Plain, Default::default())
        );
        let mut relay = relay(near, far, patient());
        x.write(b"request").await.unwrap();
        tokio::select! {
            _ = &mut relay => panic!("it is not over"),
            () = y.expect(b"request") => {}
        }
        assert_eq!(relay.bytes(), (7, 0));
        let outcome = relay.cut();
        assert_eq!(outcome.a_to_b.bytes, 7);
        assert!(matches!(outcome.a_to_b.end, HowEnded::Cut));
        assert!(!outcome.is_clean());
        assert_eq!(x.rest().await, (vec![], Saw::Reset));
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
    }
}

/// What has come before the cut is passed on, also if nobody was told of it yet.
#[tokio::test]
async fn what_has_come_before_a_cut_is_passed_on() {
    let (near, far) = (Script::open(), Script::open());
    let relay = relay(near.clone(), far.clone(), patient());
    near.say(b"one");
    far.say(b"two");
    let outcome = relay.cut();
    assert_eq!((outcome.a_to_b.bytes, outcome.b_to_a.bytes), (3, 3));
    assert!(far.see(|state| state.written == b"one" && state.is_reset));
    assert!(near.see(|state| state.written == b"two" && state.is_reset));
}

/// Where a transport has no reset, TLS says by its silence that something is missing.
#[tokio::test]
async fn a_cut_in_memory_is_a_truncation() {
    let (mut client, server) = pair_with(4_096).await;
    let (far, backend) = duplex(1_000);
    let relay = relay(server, far, RelayOptions::new());
    drop(relay);
    let error = within(client.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    drop(backend);
}

/// A socket that was written to after its reset reads as if it had ended: that is no end.
#[tokio::test]
async fn a_reset_that_writing_has_found_is_no_end() {
    for is_swapped in [false, true] {
        let joined = joined(Kind::Plain, Kind::Plain, patient(), is_swapped).await;
        let (mut x, y, outcome) = joined.parts();
        x.write(&[7; 1_000_000]).await.ok();
        y.reset();
        let (_, saw) = x.rest().await;
        assert_eq!(saw, Saw::Reset);
        assert!(matches!(outcome.await.of_y.end, HowEnded::Reset));
    }
}

/// All at once, both ways, through small pipes.
#[tokio::test]
async fn every_byte_arrives_once_and_in_order() {
    for room in [1_000, 100_000] {
        let (mut client, server) = pair_with(room).await;
        let (far, mut backend) = duplex(room / 3);
        let relay = tokio::spawn(relay(server, far, patient()));
        let data = pattern(1_000_000);
        let (up, down) = (data.clone(), data.clone());
        let upload = async {
            let (mut read, mut write) = tokio::io::split(&mut client);
            let mut received = Vec::new();
            let (sent, read) = tokio::join!(
                async {
                    write.write_all(&up).await?;
                    write.shutdown().await
                },
                read.read_to_end(&mut received)
            );
            sent.unwrap();
            read.unwrap();
            received
        };
        let answer = async {
            let (mut read, mut write) = tokio::io::split(&mut backend);
            let mut received = Vec::new();
            let (sent, read) = tokio::join!(
                async {
                    write.write_all(&down).await?;
                    write.shutdown().await
                },
                read.read_to_end(&mut received)
            );
            sent.unwrap();
            read.unwrap();
            received
        };
        let (at_client, at_backend) = within(async { tokio::join!(upload, answer) }).await;
        assert!(at_client == data && at_backend == data);
        let outcome = within(relay).await.unwrap();
        assert!(outcome.is_clean());
        assert_eq!(outcome.a_to_b.bytes, 1_000_000);
    }
}
