//! Passive delivery: nothing is read that nobody asked for.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Stage;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::Error;
use crate::read::{Receiving, Turn};
use crate::split::{ReadHalf, SplitIo};
use crate::stream::TlsStream;

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Receives `count` bytes exactly; with 0, whatever is there, or comes next.
    ///
    /// When the peer closes before `count` bytes are there, those that came are kept:
    /// `recv(0)` or a read gives them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// client.send(&[b"four", b"more"]).await?;
    /// assert_eq!(&server.recv(4).await?[..], b"four");
    /// // 0: what comes next, however much it is.
    /// assert_eq!(&server.recv(0).await?[..], b"more");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_closed`] after the peer's close_notify, [`Error::is_truncated`] when the
    /// transport ended without, and whatever else ends a connection.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next read.
    pub async fn recv(&mut self, count: usize) -> Result<Bytes, Error> {
        let parts = self.parts_mut();
        poll_fn(|cx| {
            let received = poll_recv(&mut parts.read, &mut parts.io, cx, count);
            parts.serve(cx, received)
        })
        .await
    }

    /// [`recv`](Self::recv), for at most `within`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_client, mut server) = connected().await;
    /// let error = server.recv_timeout(1, Duration::from_millis(10)).await.unwrap_err();
    /// assert!(error.is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Also [`Error::is_timeout`]; then what came is kept.
    ///
    /// # Cancel safety
    /// As `recv`.
    pub async fn recv_timeout(&mut self, count: usize, within: Duration) -> Result<Bytes, Error> {
        or_timeout(within, self.recv(count)).await
    }
}

impl<IO: SplitIo> ReadHalf<IO> {
    /// As [`TlsStream::recv`].
    ///
    /// # Errors
    /// As [`TlsStream::recv`].
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next read.
    pub async fn recv(&mut self, count: usize) -> Result<Bytes, Error> {
        poll_fn(|cx| self.poll_with(cx, |read, io, cx| poll_recv(read, io, cx, count))).await
    }

    /// As [`TlsStream::recv_timeout`].
    ///
    /// # Errors
    /// As [`TlsStream::recv_timeout`].
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next read.
    pub async fn recv_timeout(&mut self, count: usize, within: Duration) -> Result<Bytes, Error> {
        or_timeout(within, self.recv(count)).await
    }
}

fn poll_recv<R>(
    read: &mut Receiving,
    io: &mut R,
    cx: &mut Context<'_>,
    count: usize,
) -> Poll<Result<Bytes, Error>>
where
    R: AsyncRead + Unpin,
{
    if count == 0 {
        return read
            .poll_message(io, cx, 1, &mut Turn::default())
            .map(|message| message?.ok_or_else(Error::closed));
    }
    if read.plain().len() >= count {
        ready!(read.poll_budget(cx));
    }
    loop {
        let have = read.plain().len();
        if have >= count {
            return Poll::Ready(Ok(read.take_plain(count)));
        }
        ready!(read.poll_fill(io, cx, have))?;
        if read.plain().len() == have {
            return Poll::Ready(Err(Error::closed()));
        }
    }
}

pub(super) async fn or_timeout<T>(
    within: Duration,
    recv: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(within, recv)
        .await
        .unwrap_or_else(|_| Err(Error::timeout(Stage::Connected, within)))
}
