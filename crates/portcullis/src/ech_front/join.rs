//! Two transports joined, each direction until its end, and not for ever.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep};

use portcullis_core::Stage;

use crate::error::Error;

/// How long one direction may go on without a byte when the other has ended: a peer that never closes keeps nobody's
/// place.
const HALF_CLOSED: Duration = Duration::from_secs(30);

/// Passes bytes both ways until both directions have ended, or none has come for `idle`, or for 30 seconds behind the
/// end of one direction.
pub(super) async fn join<A, B>(a: A, b: B, idle: Duration) -> Result<(u64, u64), Error>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let seen = Seen::default();
    let (mut a, mut b) = (
        Watched { io: a, seen: &seen },
        Watched { io: b, seen: &seen },
    );
    let mut joined = pin!(copy_bidirectional(&mut a, &mut b));
    let (mut before, mut since) = (0, Instant::now());
    let mut limit = idle;
    let mut late = pin!(sleep(limit));
    poll_fn(|cx| {
        if let Poll::Ready(joined) = joined.as_mut().poll(cx) {
            return Poll::Ready(joined.map_err(super::of_transport));
        }
        let moved = seen.moved.load(Ordering::Relaxed);
        if moved != before {
            (before, since) = (moved, Instant::now());
        }
        if limit > HALF_CLOSED && seen.has_ended.load(Ordering::Relaxed) {
            limit = HALF_CLOSED;
            late.as_mut().reset(since + limit);
        }
        while late.as_mut().poll(cx).is_ready() {
            // What has moved meanwhile has put the end off, which costs less here than with each byte.
            if Instant::now() >= since + limit {
                return Poll::Ready(Err(Error::timeout(Stage::Connected, limit)));
            }
            late.as_mut().reset(since + limit);
        }
        Poll::Pending
    })
    .await
}

/// What both ends have done.
#[derive(Default)]
struct Seen {
    /// Bytes that were read or written, and ends.
    moved: AtomicU64,
    has_ended: AtomicBool,
}

impl Seen {
    fn moves(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A transport whose bytes are counted.
struct Watched<'a, IO> {
    io: IO,
    seen: &'a Seen,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<'_, IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = read {
            match buf.filled().len().saturating_sub(before) {
                0 => {
                    self.seen.has_ended.store(true, Ordering::Relaxed);
                    self.seen.moves(1);
                }
                count => self.seen.moves(count),
            }
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<'_, IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.seen.moves(count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn who_never_closes_is_left_when_the_other_has_closed() {
        let (client, near) = duplex(64);
        let (far, server) = duplex(64);
        let joined = tokio::spawn(join(near, far, HOUR));
        let began = Instant::now();
        drop(server);
        let error = joined.await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(began.elapsed().as_secs(), HALF_CLOSED.as_secs());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_behind_the_end_of_the_other_direction_put_it_off() {
        let (mut client, near) = duplex(64);
        let (far, mut server) = duplex(64);
        let joined = tokio::spawn(join(near, far, HOUR));
        server.shutdown().await.unwrap();
        for _ in 0..10 {
            sleep(HALF_CLOSED / 2).await;
            client.write_all(b"more").await.unwrap();
            server.read_exact(&mut [0; 4]).await.unwrap();
        }
        drop(client);
        assert_eq!(joined.await.unwrap().unwrap(), (40, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_byte_it_ends_and_not_before() {
        let (mut client, near) = duplex(64);
        let (far, mut server) = duplex(64);
        let began = Instant::now();
        let joined = tokio::spawn(join(near, far, HOUR));
        sleep(HOUR / 2).await;
        client.write_all(b"more").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        let error = joined.await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(began.elapsed().as_secs(), (HOUR + HOUR / 2).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_left() {
        let (mut client, near) = duplex(64);
        let (far, server) = duplex(4);
        let joined = tokio::spawn(join(near, far, HOUR));
        client.write_all(b"more than fits").await.unwrap();
        client.shutdown().await.unwrap();
        assert!(joined.await.unwrap().unwrap_err().is_timeout());
        drop(server);
    }
}
