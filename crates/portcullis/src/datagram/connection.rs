//! An established connection: a message in, a message out.

use std::fmt;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::session::ClientSession;
use portcullis_core::{ConnectionId, ConnectionInformation, Stage};
use tokio::time::timeout;

use super::association::{Owner, Sent};
use super::link::NOWHERE;
use super::split::{DtlsReceiver, DtlsSender};
use super::statistics::DtlsStatistics;
use crate::delivery::{Active, ActiveStream};
use crate::error::Error;
use crate::metrics::Open;

/// How many slices of a message are gathered without an allocation.
const SLICES: usize = 8;

/// A connection over DTLS. Messages are lost, come in another order, but never twice, and never otherwise than they
/// were sent.
///
/// Acknowledgements, KeyUpdates and closing go on in the socket's task, also while nobody reads. Whatever cannot be
/// authenticated is dropped and counted ([`statistics`](Self::statistics)), and ends nothing. Dropped, the peer is told
/// close_notify.
///
/// ```
/// use portcullis::{ClientConfig, DtlsConnector, DtlsListener, ServerConfig};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// let listener = DtlsListener::bind("127.0.0.1:0", ServerConfig::builder().identity(identity).build()?).await?;
/// let address = listener.local_addr()?;
/// tokio::spawn(async move {
///     let mut server = listener.accept().await?.handshake().await?;
///     let message = server.recv().await?;
///     server.send(&[b"you said ", &message]).await
/// });
/// let connector = DtlsConnector::new(ClientConfig::builder(roots).build()?);
/// let mut client = connector.connect(address, "localhost").await?;
/// client.send(&[b"hello"]).await?;
/// assert_eq!(&client.recv().await?[..], b"you said hello");
/// # Ok(())
/// # }
/// ```
pub struct DtlsConnection {
    pub(super) owner: Arc<Owner>,
    information: Arc<ConnectionInformation>,
}

impl DtlsConnection {
    pub(super) fn new(
        mut owner: Owner,
        information: Arc<ConnectionInformation>,
        open: Open,
    ) -> Self {
        owner.1 = Some(open);
        Self {
            owner: Arc::new(owner),
            information,
        }
    }

    /// Receives a message, whole; one without content, too.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected_datagrams().await;
    /// client.send(&[b"hello"]).await?;
    /// assert_eq!(&server.recv().await?[..], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_closed`] after the peer's close_notify, once all that came before was read; whatever else has ended
    /// the connection.
    ///
    /// # Cancel safety
    /// Dropped, no message is lost.
    pub async fn recv(&mut self) -> Result<Bytes, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Receives a message into `buf`; gives its length. Of one that is longer than `buf` the rest is lost, as with
    /// recv(2), and the length is still that of the message.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped, no message is lost.
    pub async fn recv_into(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let message = self.recv().await?;
        let both = buf.iter_mut().zip(message.iter());
        both.for_each(|(to, from)| *to = *from);
        Ok(message.len())
    }

    /// [`recv`](Self::recv), for at most `within`.
    ///
    /// # Errors
    /// Also [`Error::is_timeout`].
    ///
    /// # Cancel safety
    /// Dropped, no message is lost.
    pub async fn recv_timeout(&mut self, within: Duration) -> Result<Bytes, Error> {
        let received = timeout(within, self.recv()).await;
        received.unwrap_or_else(|_| Err(Error::timeout(Stage::Connected, within)))
    }

    /// Polls for a message: what [`recv`](Self::recv) awaits. One task waits at a time.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let received = self.owner.poll_recv(cx);
        self.refresh();
        received
    }

    /// Looks whether there was another handshake.
    pub(super) fn refresh(&mut self) {
        if let Some(information) = self.owner.settled_again() {
            self.information = information;
        }
    }

    /// Sends the slices as one message, in one datagram: of up to
    /// [`most_message_len`](Self::most_message_len) bytes, and one that is to arrive has no more than
    /// [`max_message_len`](Self::max_message_len). Waits only for room in the system's buffer, and while there is another
    /// handshake.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected_datagrams().await;
    /// // One message, of two slices.
    /// client.send(&[b"channel 1: ", b"hello"]).await?;
    /// assert_eq!(&server.recv().await?[..], b"channel 1: hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Of a message that is too long for a record or for the network, and then the connection is as it was;
    /// [`Error::is_closed`] after [`close`](Self::close); whatever else has ended the connection.
    ///
    /// # Cancel safety
    /// Dropped, the message was sent, or not, but whole.
    pub async fn send(&self, message: &[&[u8]]) -> Result<(), Error> {
        send(&self.owner, message).await
    }

    /// Sends a message if there is room for it at once.
    ///
    /// # Errors
    /// As [`send`](Self::send), and with [`WouldBlock`](std::io::ErrorKind::WouldBlock) as its
    /// [`transport`](Error::transport) error when there is none.
    pub fn try_send(&self, message: &[&[u8]]) -> Result<(), Error> {
        try_send(&self.owner, message)
    }

    /// Sends several messages, as [`send`](Self::send) does one by one. Those that follow each other in one length go
    /// to the system together, where it can do that (GSO of Linux): then they cost a tenth.
    ///
    /// # Errors
    /// As `send`; the messages before that one were sent.
    ///
    /// # Cancel safety
    /// Dropped, some of them were sent, in their order.
    pub async fn send_many(&self, messages: &[&[u8]]) -> Result<(), Error> {
        super::split::send_many(&self.owner, messages).await
    }

    /// Updates the key that this side sends under, and asks the peer to do so with `request_peer` (RFC 9147 §8).
    ///
    /// # Errors
    /// [`Error::is_closed`] after `close`; whatever has ended the connection.
    pub fn update_keys(&self, request_peer: bool) -> Result<(), Error> {
        let updated = self
            .owner
            .with_writer(|writer| writer.key_update(request_peer))?;
        Ok(updated?)
    }

    /// The longest message whose datagram fits the path, as far as that is known, in bytes.
    pub fn max_message_len(&self) -> usize {
        self.owner.lengths().0
    }

    /// The longest message that there is: 16,384 bytes, or what the peer has asked for.
    pub fn most_message_len(&self) -> usize {
        self.owner.lengths().1
    }

    /// Says how long datagrams may be on the path, in bytes of UDP payload; at least 228.
    pub fn set_path_mtu(&self, bytes: u16) {
        self.owner.set_path_mtu(bytes);
    }

    /// What was negotiated.
    pub fn information(&self) -> &ConnectionInformation {
        &self.information
    }

    /// The same, for whoever outlives the connection.
    pub fn shared_information(&self) -> Arc<ConnectionInformation> {
        Arc::clone(&self.information)
    }

    /// The peer's address, by now ([`DtlsOptions::migration`](crate::DtlsOptions::migration)); `None` over a transport that has none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        let path = self.owner.path();
        (path != NOWHERE).then_some(path.peer)
    }

    /// The connection ids (RFC 9146, RFC 9147 §9): that on the peer's records, and that on this side's, each empty if
    /// there is none; `None` if the two have not agreed on any
    /// ([`DtlsOptions::connection_ids`](crate::DtlsOptions::connection_ids)).
    pub fn connection_ids(&self) -> Option<(ConnectionId, ConnectionId)> {
        self.owner.connection_ids()
    }

    /// Asks the peer for so many connection ids more, at most 4 (RFC 9147 §9), for other paths: one of them is used when
    /// the peer is followed elsewhere, or by [`use_next_connection_id`](Self::use_next_connection_id).
    ///
    /// # Errors
    /// Before DTLS 1.3, if this side's records have no id, and for more than 4; [`Error::is_closed`] after `close`;
    /// whatever has ended the connection.
    pub fn request_connection_ids(&self, count: u8) -> Result<(), Error> {
        let asked = self
            .owner
            .with_writer(|writer| writer.request_connection_ids(count))?;
        Ok(asked?)
    }

    /// Puts the next of the ids that the peer has given on this side's records, so that nobody sees that they are of
    /// the same connection: for whoever is about to send from another address. `false` if there is none left.
    pub fn use_next_connection_id(&self) -> bool {
        let used = self
            .owner
            .with_writer(|writer| writer.use_next_connection_id());
        used.unwrap_or_default()
    }

    /// The address of the socket on this side; `None` over a transport that has none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.owner.endpoint.link.local_addr()
    }

    /// What has come and gone, and why anything was dropped.
    pub fn statistics(&self) -> DtlsStatistics {
        self.owner.statistics()
    }

    /// Client with [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets): a session that the server
    /// has sent a ticket for. With a [`session_store`](crate::TlsConnector::session_store) it goes there instead.
    pub fn take_session(&mut self) -> Option<ClientSession> {
        self.owner.take_session()
    }

    /// The two directions, for two tasks, or for many that send.
    pub fn into_split(self) -> (DtlsReceiver, DtlsSender) {
        let sender = DtlsSender {
            owner: Arc::clone(&self.owner),
            information: Arc::clone(&self.information),
        };
        (DtlsReceiver { connection: self }, sender)
    }

    /// Delivers messages by themselves, as many as `mode` says. What comes while the stream is passive waits, as far
    /// as there is room for it ([`DtlsOptions::inbox`](crate::DtlsOptions::inbox)).
    pub fn into_active(self, mode: Active) -> ActiveStream<Self> {
        ActiveStream::new(self, mode)
    }

    /// Says close_notify, and waits until the peer has said so too, for at most `within`. What still comes is
    /// forgotten.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected_datagrams().await;
    /// # // The peer reads until it hears that, and then goes.
    /// # tokio::spawn(async move { while server.recv().await.is_ok() {} });
    /// client.send(&[b"that was all"]).await?;
    /// client.close(Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_timeout`] when the peer does not; whatever else has ended the connection. It is over in any case.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed all the same.
    pub async fn close(self, within: Duration) -> Result<(), Error> {
        self.owner.close_notify();
        let closed = poll_fn(|cx| self.owner.poll_closed(cx));
        match timeout(within, closed).await {
            Ok(Err(error)) if !error.is_closed() => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::timeout(Stage::Connected, within)),
        }
    }
}

impl fmt::Debug for DtlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsConnection")
            .field("peer", &self.peer_addr())
            .field("version", &self.information.version())
            .finish_non_exhaustive()
    }
}

/// Seals and sends.
fn seal(owner: &Owner, message: &[&[u8]]) -> Result<Sent, Error> {
    if message.len() > SLICES {
        let slices: Vec<_> = message.iter().map(|slice| IoSlice::new(slice)).collect();
        return owner.send(&slices);
    }
    let slices: [IoSlice<'_>; SLICES] =
        std::array::from_fn(|at| IoSlice::new(message.get(at).copied().unwrap_or_default()));
    owner.send(slices.get(..message.len()).unwrap_or_default())
}

pub(super) async fn send(owner: &Owner, message: &[&[u8]]) -> Result<(), Error> {
    let datagram = loop {
        match seal(owner, message)? {
            Sent::Done => return Ok(()),
            Sent::Full(datagram) => break datagram,
            Sent::Paused => poll_fn(|cx| owner.poll_sendable(cx)).await,
        }
    };
    let sent = owner
        .endpoint
        .link
        .send(&owner.path(), &datagram, None)
        .await;
    sent.map_err(|error| {
        owner.is_refused(&error, datagram.len());
        Error::io(error, Stage::Connected)
    })
}

pub(super) fn try_send(owner: &Owner, message: &[&[u8]]) -> Result<(), Error> {
    match seal(owner, message)? {
        Sent::Done => Ok(()),
        Sent::Full(_) | Sent::Paused => {
            let full = std::io::ErrorKind::WouldBlock.into();
            Err(Error::io(full, Stage::Connected))
        }
    }
}
