//! A pair of transports in memory whose directions have nothing in common.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis::SplitIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, SimplexStream, WriteHalf, simplex};

/// One end. Unlike a [`tokio::io::DuplexStream`] it comes apart into halves that share no lock.
#[derive(Debug)]
pub struct Pipe {
    read: ReadHalf<SimplexStream>,
    write: WriteHalf<SimplexStream>,
}

/// Two connected ends; each direction holds up to `size` bytes.
pub fn pipe(size: usize) -> (Pipe, Pipe) {
    let (up_read, up_write) = simplex(size);
    let (down_read, down_write) = simplex(size);
    let client = Pipe {
        read: down_read,
        write: up_write,
    };
    let server = Pipe {
        read: up_read,
        write: down_write,
    };
    (client, server)
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.write.is_write_vectored()
    }
}

impl SplitIo for Pipe {
    type Read = ReadHalf<SimplexStream>;
    type Write = WriteHalf<SimplexStream>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        (self.read, self.write)
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        Self { read, write }
    }
}
