//! An established connection: both directions over one transport.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use portcullis_core::session::ClientSession;
use portcullis_core::{ConnectionInformation, Misuse, PrfSecret};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::hibernation::Hibernation;
use crate::last_words::read_away_at_once;
use crate::log_level::LogLevel;
use crate::read::{EofPolicy, Receiving};
use crate::renegotiation::{self, Ends as _};
use crate::statistics::TransportStatistics;
use crate::wakers::Task;
use crate::write::Sending;

/// An established TLS connection over `IO`.
///
/// * Reading ends with 0 bytes after the peer's close_notify. A transport that ends without it
///   is an [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) with an [`Error`] inside, unless
///   [`set_eof_policy`](Self::set_eof_policy) says otherwise.
/// * A write that is ready has been sealed and is on its way. What the transport did not take is
///   pushed by the next poll of any kind; flush before you stop polling.
/// * [`shutdown`](tokio::io::AsyncWriteExt::shutdown) closes the write side; reading goes on.
///   See [`close`](Self::close) and [`downgrade`](Self::downgrade) for the other ways to end.
/// * The peer's KeyUpdates are answered, and alerts sent, by any poll. A read that fails because of
///   what the peer sent sends its alert and shuts the transport's write side down; then it reads
///   away what the peer still sends until the peer has closed, which says that the alert has
///   arrived, and only then says why it failed. That takes a round trip, 64 KiB, or the
///   [`alert_timeout`](crate::TlsConnector::alert_timeout) at most; dropped on the way, the next
///   read goes on with it, and a write says why at once.
/// * A write, flush or shutdown that fails because the transport is broken says why the peer
///   refused, if its alert came before. For that it may read up to 64 KiB, which are kept, and
///   wait up to 100 ms.
/// * Dropped, it sends what is left and close_notify as far as the transport takes it at once,
///   but not while panicking: a reply cut short must not look complete.
///
/// Idle, it holds about a kilobyte, and two ciphers of 0.6 KB each once it was used; see
/// [`hibernate_after`](crate::TlsAcceptor::hibernate_after).
///
/// A passive stream reads from its transport when it is polled for reading, and then at most
/// what the caller's buffer holds, or one record.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (mut client, mut server) = connected().await;
/// client.write_all(b"hello").await?;
/// client.shutdown().await?;
/// let mut text = String::new();
/// server.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
pub struct TlsStream<IO> {
    /// `None` only after [`into_inner`](Self::into_inner) and its like. Boxed: a stream is moved
    /// from hand to hand, and a task has room for it in every hand.
    parts: Option<Box<Parts<IO>>>,
    farewell: fn(&mut Parts<IO>),
}

pub(crate) struct Parts<IO> {
    pub(crate) io: IO,
    pub(crate) read: Receiving,
    pub(crate) write: Sending,
    pub(crate) information: Arc<ConnectionInformation>,
    pub(crate) hibernation: Hibernation,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    #[inline]
    pub(crate) fn from_parts(parts: Parts<IO>) -> Self {
        Self {
            // Allocated first, so that the parts are made where they stay.
            parts: Some(Box::write(Box::new_uninit(), parts)),
            farewell: |parts| {
                parts.give_up_renegotiation();
                parts.write.farewell(&mut parts.io);
                if parts.read.refusal().is_some() {
                    read_away_at_once(&mut parts.io);
                }
            },
        }
    }

    /// Changes this side's write key (RFC 8446 §4.6.3), and has the peer change its own if
    /// `request_peer` says so.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// client.update_keys(true).await?;
    /// client.send(&[b"under a new key"]).await?;
    /// # server.recv(15).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the connection cannot be written to. [`Reason::Misuse`](crate::Reason::Misuse) before
    /// TLS 1.3, which alone has KeyUpdates; the connection goes on.
    ///
    /// # Cancel safety
    /// Dropped, the KeyUpdate is sent by the next poll.
    pub async fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        let parts = self.parts_mut();
        let mut update = Some(request_peer);
        poll_fn(|cx| {
            let updated = match update.take() {
                Some(request_peer) => parts.write.update_keys(request_peer),
                None => Ok(()),
            };
            let polled = match updated {
                Ok(()) => parts.write.poll_flush(&mut parts.io, cx),
                Err(error) => Poll::Ready(Err(error)),
            };
            parts.explained(cx, polled)
        })
        .await
    }
}

impl<IO> TlsStream<IO> {
    pub(crate) fn parts(&self) -> &Parts<IO> {
        self.parts
            .as_ref()
            .expect("parts are taken only by methods that consume the stream")
    }

    pub(crate) fn parts_mut(&mut self) -> &mut Parts<IO> {
        self.parts
            .as_mut()
            .expect("parts are taken only by methods that consume the stream")
    }

    /// Dropped, it says nothing: not that this is all.
    pub(crate) fn keep_silent(&mut self) {
        self.farewell = |_| {};
    }

    pub(crate) fn into_parts(mut self) -> Parts<IO> {
        *self
            .parts
            .take()
            .expect("parts are taken only by methods that consume the stream")
    }

    /// What was negotiated.
    ///
    /// ```
    /// use portcullis::ProtocolVersion;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, _server) = connected().await;
    /// let negotiated = client.information();
    /// assert_eq!(negotiated.version(), ProtocolVersion::TLS_1_3);
    /// println!("{} {:?}", negotiated.cipher_suite(), negotiated.group());
    /// # Ok(())
    /// # }
    /// ```
    pub fn information(&self) -> &ConnectionInformation {
        &self.parts().information
    }

    /// What was negotiated, to be kept longer than the stream.
    pub fn shared_information(&self) -> Arc<ConnectionInformation> {
        self.parts().information.clone()
    }

    /// The application protocol (RFC 7301).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, _server) = connected().await;
    /// assert_eq!(client.alpn_protocol(), Some(&b"echo"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.information().alpn_protocol()
    }

    /// The host name that the client asked for, in lower case; `None` if it asked for none.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_client, server) = connected().await;
    /// assert_eq!(server.server_name(), Some("localhost"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_name(&self) -> Option<&str> {
        self.information().server_name()
    }

    /// The peer's chain, its own certificate first; empty if it showed none. Names are read from
    /// it by [`x509::subject`](crate::x509::subject) and
    /// [`x509::general_names`](crate::x509::general_names).
    ///
    /// ```
    /// use portcullis::x509;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, _server) = connected().await;
    /// let [own, ..] = client.peer_certificates() else {
    ///     return Err("servers always show one".into());
    /// };
    /// assert_eq!(x509::subject_alt_names(own), ["localhost"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.information().peer_certificates()
    }

    /// Whether this connection resumes another (RFC 8446 §2.2).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let mut connections = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?.connections(8);
    /// # let address = connections.local_addr()?;
    /// # tokio::spawn(async move {
    /// #     while let Ok((mut stream, _)) = connections.accept().await {
    /// #         stream.send(&[b"hello"]).await.unwrap();
    /// #     }
    /// # });
    /// let mut first = connector.connect(address, "localhost").await?;
    /// // The session comes with the first data.
    /// first.recv(5).await?;
    /// let second = connector.connect(address, "localhost").await?;
    /// assert!(!first.is_resumed() && second.is_resumed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_resumed(&self) -> bool {
        self.information().is_resumed()
    }

    /// Client with [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets): the
    /// next session that the server has sent a ticket for, the oldest first; see
    /// [`TlsConnector::offering`](crate::TlsConnector::offering).
    ///
    /// Tickets come after the handshake, among the data: they are found by reading, even if
    /// no data comes. At most 8 are kept, and the oldest makes room. With a
    /// [`session_store`](crate::TlsConnector::session_store) they go there.
    ///
    /// ```
    /// use portcullis::TlsConnector;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let mut connections = portcullis::TlsListener::bind("127.0.0.1:0", acceptor).await?.connections(8);
    /// # let address = connections.local_addr()?;
    /// # tokio::spawn(async move {
    /// #     while let Ok((mut stream, _)) = connections.accept().await {
    /// #         stream.send(&[b"hello"]).await.unwrap();
    /// #     }
    /// # });
    /// # let config = connector.reloadable().current().to_builder().session_tickets(true).build()?;
    /// // Of a `config` with `session_tickets(true)`.
    /// let connector = TlsConnector::new(config);
    /// let mut stream = connector.connect(address, "localhost").await?;
    /// stream.recv(5).await?;
    /// let session = stream.take_session().expect("the server gives tickets");
    /// let again = connector.offering([session]).connect(address, "localhost").await?;
    /// assert!(again.is_resumed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_session(&mut self) -> Option<ClientSession> {
        self.parts_mut().read.take_session()
    }

    /// Server: early data that nobody had read when the
    /// [handshake](crate::EarlyHandshake::handshake) was over, if there is some. It may be a replay (RFC
    /// 8446 §8), so it is not among what is read otherwise, which comes behind it.
    pub fn take_early_data(&mut self) -> Option<Bytes> {
        self.parts_mut().read.take_early_data()
    }

    pub(crate) fn keep_early_data(&mut self, unread: Bytes) {
        self.parts_mut().read.keep_early_data(unread);
    }

    /// Derives keying material for the application (RFC 8446 §7.5, RFC 5705). In TLS 1.3 no
    /// context and an empty one are the same, before it they differ.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, server) = connected().await;
    /// let (mut ours, mut theirs) = ([0; 32], [0; 32]);
    /// client.export_keying_material(b"EXPORTER-my-protocol", None, &mut ours)?;
    /// server.export_keying_material(b"EXPORTER-my-protocol", None, &mut theirs)?;
    /// assert_eq!(ours, theirs);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ConnectionInformation::export_keying_material`].
    pub fn export_keying_material(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Misuse> {
        self.information()
            .export_keying_material(label, context, out)
    }

    /// What the pseudorandom function of a connection before TLS 1.3 gives (RFC 5246 §5); see
    /// [`ConnectionInformation::prf`].
    ///
    /// ```
    /// use portcullis::{PrfSecret, ProtocolVersion, TlsStream};
    ///
    /// # fn keys<IO: Unpin>(stream: &TlsStream<IO>) -> Result<[u8; 128], portcullis::Misuse> {
    /// // EAP-TLS before RFC 9190.
    /// let information = stream.information();
    /// let randoms: [&[u8]; 2] = [information.client_random(), information.server_random()];
    /// let mut keys = [0; 128];
    /// stream.prf(PrfSecret::Master, b"client EAP encryption", &randoms, &mut keys)?;
    /// # Ok(keys)
    /// # }
    /// ```
    ///
    /// # Errors
    /// In TLS 1.3, which has exporters alone. Of the master secret also when the label is TLS's own,
    /// and without the extended master secret.
    pub fn prf(
        &self,
        secret: PrfSecret<'_>,
        label: &[u8],
        seed: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), Misuse> {
        self.information().prf(secret, label, seed, out)
    }

    /// What the end of the transport without close_notify means. Default: an error.
    ///
    /// ```
    /// use portcullis::EofPolicy;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, _server) = connected().await;
    /// // Only where the protocol says by itself where its data ends.
    /// client.set_eof_policy(EofPolicy::Lenient);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_eof_policy(&mut self, policy: EofPolicy) {
        self.parts_mut().read.set_eof_policy(policy);
    }

    /// How much is logged from here on; `None` for as much as the subscriber of `tracing` takes.
    pub fn set_log_level(&mut self, level: Option<LogLevel>) {
        self.parts_mut().read.set_log_level(level);
    }

    /// What went over the transport.
    pub fn statistics(&self) -> TransportStatistics {
        let parts = self.parts();
        TransportStatistics {
            received: parts.read.received(),
            sent: parts.write.sent(),
            send_pending: parts.write.pending(),
            receive_pending: parts.read.pending(),
        }
    }

    /// Whether it holds no memory that it could give back: with
    /// [`hibernate_after`](crate::TlsConnector::hibernate_after), when that time has passed; and
    /// until its first record.
    pub fn is_hibernating(&self) -> bool {
        let parts = self.parts();
        !parts.read.has_spare() && !parts.write.has_spare()
    }

    /// Gives back now what it can set up again, its ciphers above all: for a connection that nobody waits to read from,
    /// where no time runs. The next record in a direction sets its cipher up again.
    pub fn hibernate(&mut self) {
        let parts = self.parts_mut();
        parts.read.hibernate();
        parts.write.hibernate();
    }

    /// The transport, e.g. for its options and addresses.
    pub fn get_ref(&self) -> &IO {
        &self.parts().io
    }

    /// The transport. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut IO {
        &mut self.parts_mut().io
    }

    /// The transport, without a word to the peer: no close_notify, and what was read ahead is
    /// lost. See [`downgrade`](Self::downgrade).
    pub fn into_inner(self) -> IO {
        self.into_parts().io
    }
}

impl TlsStream<TcpStream> {
    /// The peer's address.
    ///
    /// # Errors
    /// Those of the socket, e.g. when the connection was reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }
}

#[cfg(unix)]
impl<IO: AsFd> AsFd for TlsStream<IO> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

#[cfg(unix)]
impl<IO: AsRawFd> AsRawFd for TlsStream<IO> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

#[cfg(windows)]
impl<IO: AsSocket> AsSocket for TlsStream<IO> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.get_ref().as_socket()
    }
}

#[cfg(windows)]
impl<IO: AsRawSocket> AsRawSocket for TlsStream<IO> {
    fn as_raw_socket(&self) -> RawSocket {
        self.get_ref().as_raw_socket()
    }
}

impl<IO> Drop for TlsStream<IO> {
    fn drop(&mut self) {
        if let Some(parts) = &mut self.parts {
            (self.farewell)(parts);
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Parts<IO> {
    /// After each poll for reading: what is due in the other direction, and whether to hibernate.
    #[inline]
    pub(crate) fn serve<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        if read.is_pending() {
            self.write.reader = Task::of(cx.waker());
            self.idle(cx);
            // Whoever reads is not to wait for a peer that takes nothing.
            if let Some(error) = self.write.timed_out() {
                return Poll::Ready(Err(error));
            }
        } else {
            self.write.reader = Task::NONE;
            self.write.serve(&mut self.io, cx);
            if let Poll::Ready(Err(_)) = &read {
                ready!(self.refuse(cx));
            }
        }
        read
    }

    /// The same when nothing could be read, or may be.
    pub(crate) fn idle(&mut self, cx: &mut Context<'_>) {
        self.read.attend(cx);
        self.write.serve(&mut self.io, cx);
        if self.read.is_renegotiating() {
            self.renegotiate_on(cx, renegotiation::Task::Reading);
            return;
        }
        if self.hibernation.is_on() {
            self.rest(cx);
        }
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        if !self.read.has_spare() && !self.write.has_spare() {
            self.hibernation.rest();
            return;
        }
        let moved = self.read.received().bytes() + self.write.sent().bytes();
        if self.hibernation.is_due(cx, moved, None) {
            self.read.hibernate();
            self.write.hibernate();
        }
    }

    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        have: usize,
    ) -> Poll<Result<(), Error>> {
        let filled = self.read.poll_fill(&mut self.io, cx, have);
        self.serve(cx, filled)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let parts = self.get_mut().parts_mut();
        let read = parts.read.poll_read(&mut parts.io, cx, buf);
        parts.serve(cx, read).map_err(Into::into)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for TlsStream<IO> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let parts = self.get_mut().parts_mut();
        match parts.read.plain() {
            [] => ready!(parts.poll_fill(cx, 0))?,
            _ => ready!(parts.read.poll_budget(cx)),
        }
        Poll::Ready(Ok(parts.read.plain()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().parts_mut().read.consume(count);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts = self.get_mut().parts_mut();
        let polled = parts.write.poll_write(&mut parts.io, cx, data);
        parts.explained(cx, polled).map_err(Into::into)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let parts = self.get_mut().parts_mut();
        let polled = parts.write.poll_flush(&mut parts.io, cx);
        parts.explained(cx, polled).map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let parts = self.get_mut().parts_mut();
        let polled = parts.write.poll_shutdown(&mut parts.io, cx);
        parts.explained(cx, polled).map_err(Into::into)
    }
}

impl<IO> std::fmt::Debug for TlsStream<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("TlsStream");
        if let Some(parts) = &self.parts {
            debug
                .field("information", &parts.information)
                .field("read", &parts.read)
                .field("write", &parts.write);
        }
        debug.finish_non_exhaustive()
    }
}
