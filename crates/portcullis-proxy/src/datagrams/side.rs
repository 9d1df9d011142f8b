//! The two ends of a connection of datagrams: DTLS, a flow, or a socket that is connected to a server.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use portcullis::{Discards, DtlsConnection, Error, Reason};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::flows::Flow;
use super::socket::as_soon_as_there_is_room;

/// No datagram is longer.
const LONGEST: usize = 1 << 16;
/// After receiving has failed.
const PAUSE: Duration = Duration::from_millis(5);

thread_local! {
    /// Where a socket receives: a connection that waits has no room of its own.
    static AREA: RefCell<Vec<u8>> = RefCell::new(vec![0; LONGEST]);
}

#[derive(Debug)]
pub(crate) enum Side {
    Dtls(DtlsConnection),
    Flow(Flow),
    Socket(UdpSocket),
}

/// Why nothing comes.
#[derive(Debug)]
pub(super) enum NoMore {
    /// By close_notify.
    Closed,
    Failed(Error),
    /// The network says so of a datagram that was sent to a server: it may be there later, and anybody on the path can
    /// have said it.
    Unreachable(io::Error),
}

/// Why a datagram was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// For a record, or for the path.
    TooLong,
    /// What the network said of one before, in place of sending this one.
    Unreachable(io::Error),
    /// It is lost, as the network may lose it.
    Lost,
    /// No other one will be sent.
    Over,
}

impl Side {
    /// The next datagram, whole.
    ///
    /// # Cancel safety
    /// Dropped, none is lost.
    pub(super) async fn recv(&mut self) -> Result<Bytes, NoMore> {
        match self {
            Self::Dtls(connection) => connection.recv().await.map_err(|error| match error {
                error if error.is_closed() => NoMore::Closed,
                error => NoMore::Failed(error),
            }),
            Self::Flow(flow) => Ok(flow.recv().await),
            Self::Socket(socket) => receive(socket).await.map_err(NoMore::Unreachable),
        }
    }

    /// Sends it whole, or not at all.
    ///
    /// # Cancel safety
    /// Dropped, it was sent, or not.
    pub(super) async fn send(&self, datagram: &[u8]) -> Result<(), Unsent> {
        let sent = match self {
            Self::Dtls(connection) => return sent(connection.send(&[datagram]).await),
            Self::Flow(flow) => flow.send(datagram).await,
            Self::Socket(socket) => {
                let send = || socket.try_send(datagram).map(drop);
                as_soon_as_there_is_room(send, || socket.ready(Interest::WRITABLE)).await
            }
        };
        sent.map_err(|error| match error {
            error if is_too_long(&error) => Unsent::TooLong,
            error if is_refusal(&error) && matches!(self, Self::Socket(_)) => {
                Unsent::Unreachable(error)
            }
            _ => Unsent::Lost,
        })
    }

    /// What DTLS has dropped without a word.
    pub(super) fn discards(&self) -> Option<Discards> {
        match self {
            Self::Dtls(connection) => Some(connection.statistics().discards),
            Self::Flow(_) | Self::Socket(_) => None,
        }
    }
}

fn sent(sent: Result<(), Error>) -> Result<(), Unsent> {
    sent.map_err(|error| match (error.reason(), error.transport()) {
        (Some(Reason::MessageTooLong { .. }), _) => Unsent::TooLong,
        (_, Some(error)) if is_too_long(error) => Unsent::TooLong,
        (_, Some(_)) => Unsent::Lost,
        _ => Unsent::Over,
    })
}

fn is_too_long(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::MSGSIZE)
}

/// Whether nobody is there, as an ICMP message says.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};

    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable
    )
}

/// A datagram, or what the network says of those that were sent, which does not make a socket readable.
///
/// # Cancel safety
/// Dropped, none is lost.
async fn receive(socket: &UdpSocket) -> io::Result<Bytes> {
    loop {
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            // Else it is of one datagram, as that it was too long for its way.
            if let Some(error) = socket.take_error()?.filter(is_refusal) {
                return Err(error);
            }
            // A send was told.
            let none = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = socket.try_io(Interest::ERROR, none);
        }
        let received = AREA.with_borrow_mut(|area| {
            let length = socket.try_recv(area)?;
            let datagram = area.get(..length).unwrap_or_default();
            Ok(Bytes::copy_from_slice(datagram))
        });
        match received {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::WouldBlock => {}
            Err(error) if !is_refusal(&error) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}
