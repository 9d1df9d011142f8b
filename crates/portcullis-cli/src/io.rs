//! What TLS is spoken over: TCP, or a Unix socket.

use std::io::{Error, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis::SplitIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

/// Halves are put together that the library has compared.
const ONE_TRANSPORT: &str = "the halves are of one connection";

/// A connection of the system's.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// What is read of it.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
}

/// What is written to it.
#[derive(Debug)]
pub(crate) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

impl Io {
    /// The address of the other end, if it is one of a network.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(io) => io.peer_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

impl SplitIo for Io {
    type Read = ReadHalf;
    type Write = WriteHalf;

    fn split_io(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(io) => {
                let (read, write) = io.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            #[cfg(unix)]
            Self::Unix(io) => {
                let (read, write) = io.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        }
    }

    fn reunite_io(read: ReadHalf, write: WriteHalf) -> Self {
        match (read, write) {
            (ReadHalf::Tcp(read), WriteHalf::Tcp(write)) => {
                Self::Tcp(read.reunite(write).expect(ONE_TRANSPORT))
            }
            #[cfg(unix)]
            (ReadHalf::Unix(read), WriteHalf::Unix(write)) => {
                Self::Unix(read.reunite(write).expect(ONE_TRANSPORT))
            }
            #[cfg(unix)]
            _ => unreachable!("{ONE_TRANSPORT}"),
        }
    }
}

/// What whichever it is does.
macro_rules! either {
    ($of:expr, $io:ident => $what:expr) => {
        match $of {
            Self::Tcp($io) => $what,
            #[cfg(unix)]
            Self::Unix($io) => $what,
        }
    };
}

macro_rules! reads {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<Result<(), Error>> {
                either!(self.get_mut(), io => Pin::new(io).poll_read(cx, buf))
            }
        }
    };
}

macro_rules! writes {
    ($type:ty) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<Result<usize, Error>> {
                either!(self.get_mut(), io => Pin::new(io).poll_write(cx, bytes))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
                either!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), Error>> {
                either!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[IoSlice<'_>],
            ) -> Poll<Result<usize, Error>> {
                either!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, bytes))
            }

            fn is_write_vectored(&self) -> bool {
                either!(self, io => io.is_write_vectored())
            }
        }
    };
}

reads!(Io);
reads!(ReadHalf);
writes!(Io);
writes!(WriteHalf);
