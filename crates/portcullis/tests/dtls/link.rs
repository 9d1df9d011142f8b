//! A transport in memory, which loses what it is told to.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use portcullis::DatagramTransport;
use tokio::io::ReadBuf;

#[derive(Default)]
struct Way {
    datagrams: VecDeque<Vec<u8>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closed: bool,
}

type Fate = dyn FnMut(&[u8]) -> bool + Send;

/// An end of a link.
pub(crate) struct End {
    there: Arc<Mutex<Way>>,
    here: Arc<Mutex<Way>>,
    capacity: usize,
    /// Whether a datagram that is sent arrives.
    arrives: Mutex<Box<Fate>>,
}

/// Puts datagrams on the way to an end, as anybody might.
#[derive(Clone)]
pub(crate) struct Stranger(Arc<Mutex<Way>>);

impl Stranger {
    pub(crate) fn send(&self, datagram: &[u8]) {
        let mut way = self.0.lock().unwrap();
        way.datagrams.push_back(datagram.to_vec());
        if let Some(waker) = way.reader.take() {
            waker.wake();
        }
    }
}

/// The client's end and the server's.
pub(crate) fn link(capacity: usize) -> (End, End) {
    let (one, other) = (Arc::default(), Arc::default());
    let end = |there: &Arc<_>, here: &Arc<_>| End {
        there: Arc::clone(there),
        here: Arc::clone(here),
        capacity,
        arrives: Mutex::new(Box::new(|_| true)),
    };
    (end(&one, &other), end(&other, &one))
}

impl End {
    pub(crate) fn losing(self, mut is_lost: impl FnMut(&[u8]) -> bool + Send + 'static) -> Self {
        *self.arrives.lock().unwrap() = Box::new(move |datagram| !is_lost(datagram));
        self
    }

    /// Who sends to this end.
    pub(crate) fn stranger(&self) -> Stranger {
        Stranger(Arc::clone(&self.here))
    }
}

/// Loses so many of a thousand.
pub(crate) fn at_random(mut seed: u64, of_a_thousand: u64) -> impl FnMut(&[u8]) -> bool + Send {
    seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) % 1_000 < of_a_thousand
    }
}

impl DatagramTransport for End {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut way = self.here.lock().unwrap();
        if let Some(datagram) = way.datagrams.pop_front() {
            buf.put_slice(&datagram);
            if let Some(waker) = way.writer.take() {
                waker.wake();
            }
            return Poll::Ready(Ok(()));
        }
        if way.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        way.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        if self.there.lock().unwrap().datagrams.len() >= self.capacity {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.arrives.lock().unwrap()(datagram) {
            let mut way = self.there.lock().unwrap();
            way.datagrams.push_back(datagram.to_vec());
            if let Some(waker) = way.reader.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.there.lock().unwrap();
        if way.datagrams.len() < self.capacity {
            return Poll::Ready(Ok(()));
        }
        way.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut way = self.there.lock().unwrap();
        way.closed = true;
        if let Some(waker) = way.reader.take() {
            waker.wake();
        }
    }
}
