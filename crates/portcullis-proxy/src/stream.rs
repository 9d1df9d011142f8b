//! The two ends of a connection, whatever they are made of.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis::{RelayEnd, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket.
#[derive(Debug)]
pub(crate) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One end of what is passed on.
#[derive(Debug)]
pub(crate) enum End {
    Plain(Plain),
    Tls(TlsStream<Plain>),
}

impl Plain {
    /// The address of this side's, if it is one of IP.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(io) => io.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// The descriptor.
impl AsFd for Plain {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(io) => io.as_fd(),
            Self::Unix(io) => io.as_fd(),
        }
    }
}

impl End {
    pub(crate) fn socket(&self) -> &Plain {
        match self {
            Self::Plain(io) => io,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    /// Whether its other side can tell a cut from an end: by a reset, or by a close_notify that is missing.
    pub(crate) const fn has_reset(&self) -> bool {
        !matches!(self, Self::Plain(Plain::Unix(_)))
    }
}

macro_rules! both {
    ($self:ident, $($variant:ident),+; $io:ident => $call:expr) => {
        match $self.get_mut() {
            $(Self::$variant($io) => $call,)+
        }
    };
}

macro_rules! transports {
    ($type:ident: $($variant:ident),+) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                both!(self, $($variant),+; io => Pin::new(io).poll_read(cx, buf))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                both!(self, $($variant),+; io => Pin::new(io).poll_write(cx, bytes))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                both!(self, $($variant),+; io => Pin::new(io).poll_write_vectored(cx, slices))
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$variant(io) => io.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                both!(self, $($variant),+; io => Pin::new(io).poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                both!(self, $($variant),+; io => Pin::new(io).poll_shutdown(cx))
            }
        }
    };
}

transports!(Plain: Tcp, Unix);
transports!(End: Plain, Tls);

impl RelayEnd for Plain {
    fn reset(&mut self) {
        match self {
            Self::Tcp(io) => io.reset(),
            Self::Unix(io) => io.reset(),
        }
    }

    fn sending(&self) -> Option<TcpStream> {
        match self {
            Self::Tcp(io) => io.sending(),
            Self::Unix(io) => io.sending(),
        }
    }
}

impl RelayEnd for End {
    fn reset(&mut self) {
        match self {
            Self::Plain(io) => io.reset(),
            Self::Tls(stream) => stream.reset(),
        }
    }

    fn sending(&self) -> Option<TcpStream> {
        match self {
            Self::Plain(io) => io.sending(),
            Self::Tls(stream) => stream.sending(),
        }
    }

    fn pending(&self) -> usize {
        match self {
            Self::Plain(io) => io.pending(),
            Self::Tls(stream) => stream.pending(),
        }
    }

    fn has_records(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn proves_its_end(&self) -> bool {
        match self {
            Self::Plain(io) => io.proves_its_end(),
            Self::Tls(stream) => stream.proves_its_end(),
        }
    }

    fn poll_read_away(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        match self {
            Self::Plain(io) => io.poll_read_away(cx, left),
            Self::Tls(stream) => stream.poll_read_away(cx, left),
        }
    }
}
