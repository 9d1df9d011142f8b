//! Halves of any transport, by a lock.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::split::{ReadHalf, SplitIo, WriteHalf};
use crate::stream::{Parts, TlsStream};

/// A transport that does not come apart by itself, behind a lock that its halves share; see
/// [`TlsStream::split_with_lock`].
#[derive(Debug)]
pub struct Locked<IO>(IO);

impl<IO> Locked<IO> {
    /// The transport.
    pub fn get_ref(&self) -> &IO {
        &self.0
    }

    /// The transport.
    pub fn into_inner(self) -> IO {
        self.0
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsStream<IO> {
    /// [`into_split`](Self::into_split) for any transport: the halves share a lock around the
    /// transport, not around TLS. It is held for single calls of the transport, never while one
    /// waits.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected().await;
    /// let (mut read, mut write) = client.split_with_lock();
    /// write.send(&[b"ping"]).await?;
    /// # server.recv(4).await?;
    /// # server.send(&[b"pong"]).await?;
    /// assert_eq!(&read.recv(4).await?[..], b"pong");
    /// # Ok(())
    /// # }
    /// ```
    pub fn split_with_lock(self) -> (ReadHalf<Locked<IO>>, WriteHalf<Locked<IO>>) {
        let Parts {
            io,
            read,
            write,
            information,
            hibernation,
        } = self.into_parts();
        TlsStream::from_parts(Parts {
            io: Locked(io),
            read,
            write,
            information,
            hibernation,
        })
        .into_split()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static> SplitIo for Locked<IO> {
    type Read = tokio::io::ReadHalf<IO>;
    type Write = tokio::io::WriteHalf<IO>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        tokio::io::split(self.0)
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        Self(read.unsplit(write))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Locked<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Locked<IO> {
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
