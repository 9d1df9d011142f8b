//! What datagrams go over: a socket with any number of peers, or a transport to one.

use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::socket::{Area, LONGEST, Socket};
use super::transport::{DatagramTransport, is_of_one_datagram, is_too_long};

/// Between which addresses a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    pub(super) peer: SocketAddr,
    /// Ours; `None`: as the system chooses.
    pub(super) local: Option<IpAddr>,
}

/// Of a transport that has no addresses.
pub(super) const NOWHERE: Path = Path {
    peer: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    local: None,
};

impl Path {
    /// Port 0 is nobody's (RFC 768): an answer to there fails, and quinn-udp takes such a failure for a system that cannot
    /// send several datagrams at once.
    pub(super) fn is_nobodys(&self) -> bool {
        self.peer.port() == 0 && *self != NOWHERE
    }
}

pub(super) enum Link {
    Socket(Socket),
    Transport {
        transport: Box<dyn DatagramTransport>,
        /// Who waits for room: one at a time.
        turn: tokio::sync::Mutex<()>,
    },
}

/// Where datagrams are received.
pub(super) enum Room {
    Socket(Box<Area>),
    Transport(Vec<u8>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            Self::Transport { .. } => f.write_str("DatagramTransport"),
        }
    }
}

impl Link {
    pub(super) fn over(transport: impl DatagramTransport) -> Self {
        Self::Transport {
            transport: Box::new(transport),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn room(&self) -> Room {
        match self {
            Self::Socket(_) => Room::Socket(Box::default()),
            Self::Transport { .. } => Room::Transport(vec![0; LONGEST]),
        }
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(socket) => socket.local_addr().ok(),
            Self::Transport { .. } => None,
        }
    }

    /// Whether an error of receiving is the end: a socket's is of one datagram.
    pub(super) const fn ends_with_errors(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// How many datagrams of one length go out in one call.
    pub(super) fn most_together(&self, length: usize) -> usize {
        match self {
            Self::Socket(socket) => socket.most_together(length),
            Self::Transport { .. } => 1,
        }
    }

    /// Sends a datagram, or as many of this length as they are, of which the last may be shorter. What the network does
    /// not take is lost, as what it loses later.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; those of this datagram, as one that is too long.
    pub(super) fn try_send(
        &self,
        path: &Path,
        contents: &[u8],
        length: Option<usize>,
    ) -> io::Result<()> {
        let send = || match self {
            Self::Socket(socket) => socket.try_send(path, contents, length),
            Self::Transport { transport, .. } => transport.try_send(contents),
        };
        match send() {
            // It was told of an earlier datagram instead of sending this one.
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused || is_too_long(&error) =>
            {
                match send() {
                    Err(error) if is_of_one_datagram(&error) => Ok(()),
                    other => other,
                }
            }
            Err(error) if is_of_one_datagram(&error) => Ok(()),
            other => other,
        }
    }

    /// Whether the network has said since the last call that nobody listens at the other end of a socket.
    pub(super) fn take_refusal(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.take_refusal(),
            Self::Transport { .. } => false,
        }
    }

    /// Waits until the network says so.
    ///
    /// # Cancel safety
    /// Dropped, nothing that was said is lost.
    pub(super) async fn refusal(&self) {
        match self {
            Self::Socket(socket) => socket.refusal().await,
            Self::Transport { .. } => pending().await,
        }
    }

    /// Waits for room.
    ///
    /// # Cancel safety
    /// Dropped, nothing was sent.
    pub(super) async fn send(
        &self,
        path: &Path,
        contents: &[u8],
        length: Option<usize>,
    ) -> io::Result<()> {
        // Whoever waits already is first.
        let _turn = match self {
            Self::Socket(_) => None,
            Self::Transport { turn, .. } => Some(turn.lock().await),
        };
        loop {
            match self.try_send(path, contents, length) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            match self {
                Self::Socket(socket) => socket.writable().await?,
                Self::Transport { transport, .. } => {
                    poll_fn(|cx| transport.poll_send_ready(cx)).await?;
                }
            }
        }
    }

    /// Receives what there is, at most as much as there is room for.
    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        room: &mut Room,
    ) -> Poll<io::Result<usize>> {
        match (self, room) {
            (Self::Socket(socket), Room::Socket(area)) => socket.poll_recv(cx, area),
            (Self::Transport { transport, .. }, Room::Transport(bytes)) => {
                bytes.resize(LONGEST, 0);
                let mut buf = ReadBuf::new(bytes);
                ready!(transport.poll_recv(cx, &mut buf))?;
                let length = buf.filled().len();
                bytes.truncate(length);
                Poll::Ready(Ok(1))
            }
            _ => Poll::Pending,
        }
    }
}

impl Room {
    /// What was received by the last call.
    pub(super) fn for_each(&mut self, count: usize, mut take: impl FnMut(Path, &mut [u8])) {
        match self {
            Self::Socket(area) => area.for_each(count, take),
            Self::Transport(bytes) => take(NOWHERE, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transport that says these, the last one first, one after the other, and then takes what it is given.
    #[cfg(target_os = "linux")]
    struct Told {
        errors: std::sync::Mutex<Vec<io::ErrorKind>>,
        taken: std::sync::atomic::AtomicUsize,
    }

    #[cfg(target_os = "linux")]
    impl DatagramTransport for std::sync::Arc<Told> {
        fn poll_recv(&self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn try_send(&self, _: &[u8]) -> io::Result<()> {
            match self.errors.lock().unwrap().pop() {
                // EMSGSIZE, for which the standard library has no name.
                Some(io::ErrorKind::Other) => Err(io::Error::from_raw_os_error(90)),
                Some(kind) => Err(kind.into()),
                None => {
                    self.taken
                        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    Ok(())
                }
            }
        }

        fn poll_send_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    /// An error may be of an earlier datagram, by ICMP: this one is sent all the same, and ends nothing.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_of_an_earlier_datagram_is_passed_over() {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NotConnected, Other};

        let long: Option<fn(&io::Error) -> bool> = Some(is_too_long);
        let fatal: Option<fn(&io::Error) -> bool> = Some(|error| error.kind() == NotConnected);
        for (errors, taken, fails) in [
            (vec![], 1, None),
            (vec![Other], 1, None),
            (vec![ConnectionRefused], 1, None),
            // Twice it is of this one: too long, or lost.
            (vec![Other, Other], 0, long),
            (vec![ConnectionRefused, ConnectionRefused], 0, None),
            (vec![HostUnreachable], 0, None),
            (vec![NotConnected], 0, fatal),
        ] {
            let what = format!("{errors:?}");
            let told = std::sync::Arc::new(Told {
                errors: errors.into(),
                taken: 0.into(),
            });
            let sent = Link::over(std::sync::Arc::clone(&told)).try_send(&NOWHERE, b"x", None);
            assert_eq!(
                told.taken.load(std::sync::atomic::Ordering::Relaxed),
                taken,
                "{what}"
            );
            match (sent, fails) {
                (Ok(()), None) => {}
                (Err(error), Some(is_it)) => assert!(is_it(&error), "{what}: {error}"),
                (sent, _) => panic!("{what}: {sent:?}"),
            }
        }
    }

    #[test]
    fn nobody_is_at_port_0() {
        for (peer, is_nobodys) in [
            ("192.0.2.1:0", true),
            ("[2001:db8::1]:0", true),
            ("192.0.2.1:1", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(Path { peer, local: None }.is_nobodys(), is_nobodys);
        }
        assert!(!NOWHERE.is_nobodys());
    }
}
