//! What can be an end of a relay.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::stream::TlsStream;

/// A stream that can be an end of a [`relay`](crate::relay()): sockets, TLS over them, and pipes in memory. Others can be, too:
/// what they do not say of themselves is said as of a plain socket.
///
/// Ends of different kinds fit into one variable when they are boxed: `Box<dyn RelayEnd + Send>` is one.
///
/// Reading 0 bytes has to mean that the other side has ended in good order, and
/// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) that it was cut short.
pub trait RelayEnd: AsyncRead + AsyncWrite + Unpin {
    /// From here on this end tells its other side nothing more, and when it is dropped, the transport is reset if it can be.
    fn reset(&mut self);

    /// How many bytes it has taken that its transport has not; flushing pushes them. Of a socket: 0.
    fn pending(&self) -> usize {
        0
    }

    /// A handle of its socket that can be written to as soon as the system has sent all that the socket has taken, if there is
    /// such a thing: a [reset](Self::reset) before that discards the rest. Nothing is written by it.
    fn sending(&self) -> Option<TcpStream> {
        None
    }

    /// Whether it reads records of up to 16 KiB, which want room to be opened whole.
    fn has_records(&self) -> bool {
        false
    }

    /// Whether the other side proves that it has ended, so that a transport that ends after it has failed is not
    /// taken for that.
    fn proves_its_end(&self) -> bool {
        false
    }

    /// Reads and forgets what its transport has behind the other side's end, until the transport ends, too, or none
    /// are `left` of the bytes that may be read. A socket has nothing there.
    fn poll_read_away(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let _ = (cx, left);
        Poll::Ready(())
    }
}

impl RelayEnd for TcpStream {
    fn reset(&mut self) {
        // A socket that has failed is closed anyhow.
        let _ = socket2::SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }

    #[cfg(any(target_os = "android", target_os = "linux"))]
    fn sending(&self) -> Option<TcpStream> {
        use std::os::fd::AsFd as _;

        // From here on there is room when nothing waits to be sent.
        let socket = socket2::SockRef::from(self);
        socket.set_tcp_notsent_lowat(1).ok()?;
        // Another registration is told what is so now; this one knows that there was room once.
        let other = self.as_fd().try_clone_to_owned().ok()?;
        TcpStream::from_std(other.into()).ok()
    }
}

/// There is no reset: it is closed.
#[cfg(unix)]
#[cfg_attr(docsrs, doc(cfg(unix)))]
impl RelayEnd for UnixStream {
    fn reset(&mut self) {}
}

/// There is no reset: it is closed.
impl RelayEnd for DuplexStream {
    fn reset(&mut self) {}
}

impl<IO: RelayEnd> RelayEnd for TlsStream<IO> {
    fn reset(&mut self) {
        self.keep_silent();
        self.get_mut().reset();
    }

    fn sending(&self) -> Option<TcpStream> {
        self.get_ref().sending()
    }

    fn pending(&self) -> usize {
        let parts = self.parts();
        parts.write.pending() + parts.io.pending()
    }

    fn has_records(&self) -> bool {
        true
    }

    fn proves_its_end(&self) -> bool {
        self.parts().read.proves_its_end()
    }

    fn poll_read_away(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        crate::last_words::poll_read_away(self.get_mut(), cx, left)
    }
}

impl<T: RelayEnd + ?Sized> RelayEnd for Box<T> {
    fn reset(&mut self) {
        (**self).reset();
    }

    fn sending(&self) -> Option<TcpStream> {
        (**self).sending()
    }

    fn pending(&self) -> usize {
        (**self).pending()
    }

    fn has_records(&self) -> bool {
        (**self).has_records()
    }

    fn proves_its_end(&self) -> bool {
        (**self).proves_its_end()
    }

    fn poll_read_away(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        (**self).poll_read_away(cx, left)
    }
}
