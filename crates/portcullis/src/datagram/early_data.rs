//! Early data over datagrams: messages with the first hello of a client that resumes a session.
//!
//! RFC 8446 §2.3, RFC 9147 §5.6.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::net::ToSocketAddrs;
use tracing::Instrument as _;

use super::connection::DtlsConnection;
use super::connector::DtlsConnector;
use super::handshake::Running;
use super::transport::DatagramTransport;
use crate::early_data::EarlyDataOutcome;
use crate::error::Error;
use crate::handshake::Until;
use crate::name::ToServerName;

/// A server's handshake whose client may have sent messages with its hello.
///
/// They may be what somebody has recorded and sends again; what keeps that from being accepted is the configuration's
/// [`AntiReplay`](crate::session::AntiReplay), and a client that is told nothing may send its request again by itself (RFC
/// 8446 §8). So act on them only if no harm comes from acting twice. They are lost and come in another order as all messages
/// do, and one that comes after the handshake is over is lost as well. They can be answered before it is: see
/// [`send`](Self::send).
///
/// ```
/// use std::time::Duration;
///
/// use portcullis::pki_types::UnixTime;
/// use portcullis::session::{AntiReplay, BloomFilters};
/// use portcullis::{
///     CookiePolicy, DtlsAcceptor, DtlsListener, DtlsOptions, NamedGroup, ServerConfig, TlsAcceptor,
/// };
/// # use portcullis::{DtlsConnector, EarlyDataOutcome};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// # let connector = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// # let connector = DtlsConnector::new(connector);
/// let long_ago = UnixTime::since_unix_epoch(Duration::ZERO);
/// let config = ServerConfig::builder()
///     .identity(identity)
///     .early_data(AntiReplay::local(BloomFilters::LARGE, long_ago)?)
///     // Whose share fits into the first datagram: a second hello has no early data.
///     .groups([NamedGroup::X25519])
///     .build()?;
/// let options = DtlsOptions::new().cookies(CookiePolicy::UnderLoad { handshakes: 256 });
/// let acceptor = DtlsAcceptor::new(TlsAcceptor::new(config)).options(options);
/// let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
/// # let address = listener.local_addr()?;
/// # let serve = async { listener.accept().await?.handshake().await?.send(&[b"!"]).await };
/// # let first = async { connector.connect(address, "localhost").await?.recv().await };
/// # let (received, sent) = tokio::join!(first, serve);
/// # (received?, sent?);
/// # let client = tokio::spawn(async move {
/// #     let connecting = connector.connect_with_early_data(address, "localhost", "time?");
/// #     let (mut client, outcome) = connecting.await?;
/// #     assert_eq!(outcome, EarlyDataOutcome::Accepted);
/// #     client.recv().await
/// # });
/// let mut early = listener.accept().await?.handshake_with_early_data()?;
/// let mut unsaid = Vec::new();
/// while let Some(question) = early.recv().await? {
///     assert_eq!(&question[..], b"time?");
///     if !early.send(&[b"noon"]).await? {
///         unsaid.push("noon");
///     }
/// }
/// let connection = early.handshake().await?;
/// for answer in unsaid {
///     connection.send(&[answer.as_bytes()]).await?;
/// }
/// # assert_eq!(&client.await??[..], b"noon");
/// # Ok(())
/// # }
/// ```
///
/// A client without early data, or whose early data was not accepted, gives one of these, too, which has no message. A second
/// hello has none (RFC 8446 §4.2.10), so none is accepted of a client that was asked for a cookie
/// ([`CookiePolicy`](crate::CookiePolicy)), or for another share: of a group with ML-KEM, whose share does not fit into the
/// first datagram, if both have one. With [`groups`](crate::config::ServerConfigBuilder::groups) a server does without.
///
/// The handshake's timeout goes on. Dropped, it tells the client `user_canceled` if that can be done at once.
#[must_use = "the client waits"]
pub struct DtlsEarlyHandshake {
    running: Running,
    span: tracing::Span,
    is_over: bool,
}

impl DtlsEarlyHandshake {
    pub(super) fn new(mut running: Running, span: tracing::Span) -> Self {
        running.take_early_data();
        Self {
            running,
            span,
            is_over: false,
        }
    }

    /// The client's address; `None` over a transport that has none. Before the handshake is over nothing has shown that the client
    /// reads there, unless it was asked for a cookie ([`CookiePolicy`](crate::CookiePolicy)), and then there is no early data:
    /// whoever sends it can have written any address. So allow nobody anything for an address here, unless
    /// [`is_proved`](Self::is_proved).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.running.peer_addr()
    }

    /// Whether it is known that the client reads at its address: it was asked for a cookie, has sent what only somebody can send
    /// who has read what was sent there, or the options say that addresses are proved by other means
    /// ([`CookiePolicy::Never`](crate::CookiePolicy::Never)).
    pub fn is_proved(&self) -> bool {
        self.running.is_proved()
    }

    /// Shakes hands up to the next message of early data; `None` when the handshake is over. Of those that nobody receives 64
    /// wait, of 64 KiB in all, and the others are lost.
    ///
    /// # Errors
    /// When the handshake fails or its time is over.
    ///
    /// # Cancel safety
    /// Dropped, no message is lost, and the handshake stands still until this is called again.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(message) = self.running.early_message() {
            return Ok(Some(message));
        }
        if self.is_over {
            return Ok(None);
        }
        let span = self.span.clone();
        let reaching = self.running.reach(Until::End, &span);
        reaching.instrument(span.clone()).await?;
        let message = self.running.early_message();
        self.is_over = message.is_none();
        Ok(message)
    }

    /// Sends the slices as one message, in one datagram, before the handshake is over (0.5-RTT, RFC 8446 §2.3): the client has it
    /// when its own handshake is over, a round trip earlier than otherwise, if it is not lost. Waits until this side has
    /// answered the hello, where it has not; in DTLS 1.2, and from whom a certificate is asked, until the handshake is over. Gives whether it was sent. It is not, and may be
    /// [sent](DtlsConnection::send) when the handshake is over,
    /// - to a client whose early data was not accepted, or that has offered none: over TCP there is no
    ///   [writer](crate::EarlyHandshake::writer) for those either;
    /// - if it is empty, or longer than a record or than [`mtu`](portcullis_core::DatagramOptions::mtu) allows, or the system does
    ///   not take it;
    /// - if the client would be sent more than three times the bytes that have come from its address, as long as that
    ///   [is not proved](Self::is_proved) (RFC 9147 §5.1). What this side says in the handshake counts, too, so little is left for
    ///   long answers: the hello of a client has some 500 bytes.
    ///
    /// Whoever has recorded early data and sends it again is answered as well, and can read nothing of it.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped, the message was sent, or not, but whole.
    pub async fn send(&mut self, message: &[&[u8]]) -> Result<bool, Error> {
        let span = self.span.clone();
        let message = message.concat();
        let sending = self.running.send_early(&message, &span);
        sending.instrument(span.clone()).await
    }

    /// Goes on to the end of the handshake. Early data that nobody has received is forgotten.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped, the client is told `user_canceled`, if that can be done at once.
    pub async fn handshake(mut self) -> Result<DtlsConnection, Error> {
        while self.recv().await?.is_some() {}
        self.running.finish(&self.span)
    }
}

impl fmt::Debug for DtlsEarlyHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsEarlyHandshake")
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl DtlsConnector {
    /// [`connect`](Self::connect), with a message that goes out behind the hello (RFC 8446 §2.3), if a session is there whose
    /// server allows as much. The server has it a round trip earlier than it would have otherwise.
    ///
    /// It is one datagram, no longer than [`mtu`](portcullis_core::DatagramOptions::mtu) allows: what does not fit, or what the system refuses to
    /// send, is [`NotOffered`](EarlyDataOutcome::NotOffered), and comes back.
    /// [`Accepted`](EarlyDataOutcome::Accepted) says that the server takes early data. The message may be lost as any other may
    /// be, and nothing sends it again. For the rest [the same](crate::TlsConnector::connect_with_early_data) is true as over TCP:
    /// somebody who has recorded it can send it again, and it has no forward secrecy. A server that asks for a cookie takes
    /// none, which listeners do unless they are told otherwise; nor does one that asks for another share, as of a group with
    /// ML-KEM, for which the first datagram has no room: [`groups`](crate::config::ClientConfigBuilder::groups) without one
    /// avoid that.
    ///
    /// # Errors
    /// As `connect`. The server may have got the message or not.
    ///
    /// # Cancel safety
    /// As `connect`; the server may have got the message.
    pub fn connect_with_early_data<A: ToSocketAddrs, N: ToServerName, D: Into<Bytes>>(
        &self,
        address: A,
        name: N,
        message: D,
    ) -> impl Future<Output = Result<(DtlsConnection, EarlyDataOutcome), Error>> + use<A, N, D>
    {
        let message = message.into();
        let connecting = self.connect_early(address, name, Some(message.clone()));
        Box::pin(async move {
            let (connection, is_lost) = connecting.await?;
            let outcome = outcome(&connection, message, is_lost);
            Ok((connection, outcome))
        })
    }

    /// [`upgrade`](Self::upgrade), with a message that goes out behind the hello: see
    /// [`connect_with_early_data`](Self::connect_with_early_data).
    ///
    /// # Errors
    /// As `upgrade`. The server may have got the message or not.
    ///
    /// # Cancel safety
    /// Dropped, the transport is dropped.
    pub fn upgrade_with_early_data<N: ToServerName, D: Into<Bytes>>(
        &self,
        transport: impl DatagramTransport,
        name: N,
        message: D,
    ) -> impl Future<Output = Result<(DtlsConnection, EarlyDataOutcome), Error>> + Send + 'static
    {
        let message = message.into();
        let upgrading = self.upgrade_early(transport, name, Some(message.clone()));
        Box::pin(async move {
            let (connection, is_lost) = upgrading.await?;
            let outcome = outcome(&connection, message, is_lost);
            Ok((connection, outcome))
        })
    }
}

/// What the server has accepted may not have been there.
fn outcome(connection: &DtlsConnection, message: Bytes, is_lost: bool) -> EarlyDataOutcome {
    match is_lost {
        true => EarlyDataOutcome::NotOffered(message),
        false => EarlyDataOutcome::of(connection.information(), message),
    }
}
