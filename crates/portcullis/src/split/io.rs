//! Transports that come apart into a reading and a writing half.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::split::{ReadHalf, WriteHalf};
use crate::stream::TlsStream;

/// A transport that comes apart into a reading and a writing half.
///
/// For TCP and Unix sockets and for [`TlsStream`]s over them the halves share no lock.
pub trait SplitIo: Sized + 'static {
    /// The reading half. It may outlive the connection, in a task that sees to it that an alert
    /// arrives.
    type Read: AsyncRead + Unpin + Send + 'static;
    /// The writing half.
    type Write: AsyncWrite + Unpin;

    /// Takes the transport apart.
    fn split_io(self) -> (Self::Read, Self::Write);

    /// Puts two halves of one transport together again.
    fn reunite_io(read: Self::Read, write: Self::Write) -> Self;
}

/// Why a reunion of halves cannot fail: `ReadHalf::reunite` has compared them.
const ONE_TRANSPORT: &str = "the halves are of one connection, hence of one transport";

impl SplitIo for tokio::net::TcpStream {
    type Read = tokio::net::tcp::OwnedReadHalf;
    type Write = tokio::net::tcp::OwnedWriteHalf;

    fn split_io(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.reunite(write).expect(ONE_TRANSPORT)
    }
}

#[cfg(unix)]
impl SplitIo for tokio::net::UnixStream {
    type Read = tokio::net::unix::OwnedReadHalf;
    type Write = tokio::net::unix::OwnedWriteHalf;

    fn split_io(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.reunite(write).expect(ONE_TRANSPORT)
    }
}

/// With a lock: an in-memory pipe has no other way.
impl SplitIo for tokio::io::DuplexStream {
    type Read = tokio::io::ReadHalf<Self>;
    type Write = tokio::io::WriteHalf<Self>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        tokio::io::split(self)
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.unsplit(write)
    }
}

/// TLS inside TLS.
impl<IO: SplitIo + AsyncRead + AsyncWrite + Unpin> SplitIo for TlsStream<IO> {
    type Read = ReadHalf<IO>;
    type Write = WriteHalf<IO>;

    fn split_io(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite_io(read: Self::Read, write: Self::Write) -> Self {
        read.reunite(write).expect(ONE_TRANSPORT)
    }
}
