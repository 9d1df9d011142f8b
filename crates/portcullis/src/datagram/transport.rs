//! Transports of datagrams that somebody else makes: ICE, a tunnel, a link in memory.

use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// A way to one peer and back, on which whole datagrams come or do not come.
///
/// A connected [`UdpSocket`] of Tokio is one. What it does with many peers is the listener's affair
/// ([`DtlsListener`](crate::DtlsListener)).
pub trait DatagramTransport: Send + Sync + 'static {
    /// Receives one whole datagram. One task waits at a time.
    ///
    /// # Errors
    /// When no more will come: the connection ends with it.
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// Sends one datagram, whole or not at all, without waiting.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room. Any other error is of this datagram alone; with
    /// that of the system for a message that is too long (`EMSGSIZE`) those to come are made shorter.
    fn try_send(&self, datagram: &[u8]) -> io::Result<()>;

    /// Waits until there may be room. One task waits at a time.
    ///
    /// # Errors
    /// When there will be none.
    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// One that is connected.
impl DatagramTransport for UdpSocket {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Self::poll_recv(self, cx, buf) {
            Poll::Ready(Err(error)) if is_of_the_past(&error) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => other,
        }
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        Self::try_send(self, datagram).map(drop)
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_send_ready(self, cx)
    }
}

/// Whether the network, or the system, has said that a datagram is too long for its way. It was not sent.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    /// `EMSGSIZE`, for which the standard library has no name.
    const TOO_LONG: i32 = if cfg!(windows) {
        10_040
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        90
    } else {
        40
    };

    error.raw_os_error() == Some(TOO_LONG)
}

/// Whether an error of receiving is of a datagram that was sent before: anybody on the path can say so, by ICMP.
fn is_of_the_past(error: &io::Error) -> bool {
    is_of_one_datagram(error) || is_too_long(error)
}

/// Whether an error says what became of a datagram, and nothing of the socket: it is as if it were lost.
pub(super) fn is_of_one_datagram(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, PermissionDenied,
    };

    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            // A rule of a firewall.
            | PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_network_says_of_a_datagram_ends_nothing() {
        // ECONNREFUSED, EHOSTUNREACH, EMSGSIZE; EBADF, ENOTCONN, ENOMEM.
        for (code, is_past) in [
            (111, true),
            (113, true),
            (90, true),
            (9, false),
            (107, false),
            (12, false),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(is_of_the_past(&error), is_past, "{error}");
        }
    }
}
