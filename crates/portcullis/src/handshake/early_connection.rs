//! A server's connection that is used from its early data on, and becomes a stream on the way.
//!
//! RFC 8446 §2.3.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::early::{EarlyHandshake, EarlyWriter};
use crate::error::Error;
use crate::stream::TlsStream;

/// A server's connection whose handshake may still be under way, and goes on while messages are delivered: see
/// [`EarlyHandshake::into_active`] and [`EarlyHandshake::into_packets`].
///
/// What is written goes out before the handshake is over if early data was accepted, and else when it is.
/// Early data that nobody has asked for is at most as much as
/// [`max_early_data`](portcullis_core::config::ServerConfigBuilder::max_early_data) allows.
///
/// The handshake's timeout goes on, also while nobody reads. Dropped before it is over, the client is told
/// `user_canceled` if that can be done at once.
///
/// ```
/// use futures_util::StreamExt;
/// # use portcullis::pki_types::UnixTime;
/// # use portcullis::session::{AntiReplay, BloomFilters};
/// use portcullis::packet::{Packet, Piece};
/// use portcullis::{Active, Message};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// # let connector = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// # let long_ago = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
/// # let anti_replay = AntiReplay::local(BloomFilters::LARGE, long_ago)?;
/// # let config = portcullis::ServerConfig::builder().identity(identity).early_data(anti_replay).build()?;
/// # let acceptor = portcullis::TlsAcceptor::new(config);
/// # let (near, far) = tokio::io::duplex(65_536);
/// # let first = async {
/// #     let mut client = connector.upgrade(near, "localhost").await?;
/// #     client.recv(1).await
/// # };
/// # let serve = async { acceptor.accept(far).await?.send(&[b"!"]).await };
/// # let (received, sent) = tokio::join!(first, serve);
/// # (received?, sent?);
/// # let (near, transport) = tokio::io::duplex(65_536);
/// # let client = tokio::spawn(async move {
/// #     let (mut client, _) = connector.upgrade_with_early_data(near, "localhost", "look 1\npay ").await?;
/// #     client.send(&[b"5\npay 6\n"]).await?;
/// #     client.recv(15).await
/// # });
/// let early = acceptor.accept_with_early_data(transport).await?;
/// let mut lines = early.into_packets(Packet::Line).into_active(Active::True);
/// # let mut count = 0;
/// while let Some(message) = lines.next().await {
///     match message {
///         // Before the handshake is over, and it may be a replay.
///         Message::EarlyData(Piece::Data(line)) if line.starts_with(b"look") => {
///             lines.get_mut().send(&[b"seen\n"]).await?;
///         }
///         // A line that began early counts as early.
///         Message::EarlyData(_) => lines.get_mut().send(&[b"again\n"]).await?,
///         Message::Data(_) => lines.get_mut().send(&[b"paid\n"]).await?,
///         Message::Error(error) => return Err(error.into()),
///         _ => {}
///     }
/// #   count += 1;
/// #   if count == 3 { break }
/// }
/// # assert_eq!(&client.await??[..], b"seen\nagain\npaid");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the client waits"]
pub struct EarlyConnection<IO: AsyncRead + AsyncWrite + Unpin>(State<IO>);

#[derive(Debug)]
enum State<IO: AsyncRead + AsyncWrite + Unpin> {
    UnderWay(EarlyHandshake<IO>),
    Over(TlsStream<IO>),
    Failed(Error),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> EarlyConnection<IO> {
    pub(super) fn new(early: EarlyHandshake<IO>) -> Self {
        Self(State::UnderWay(early))
    }

    /// The connection, when its handshake is over and whoever delivers messages has seen that.
    pub fn stream(&self) -> Option<&TlsStream<IO>> {
        match &self.0 {
            State::Over(stream) => Some(stream),
            _ => None,
        }
    }

    /// Goes on to the end of the handshake: then the client that sent the early data is there, and it was no replay
    /// (RFC 8470 §3). Early data that nobody has taken by then is delivered all the same, as such. What is
    /// read from the stream is not delivered.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// It can be dropped at any time: the handshake goes on with the next call, or the next message.
    pub async fn complete_handshake(&mut self) -> Result<&mut TlsStream<IO>, Error> {
        poll_fn(|cx| self.poll_complete(cx).map_ok(drop)).await?;
        match &mut self.0 {
            State::Over(stream) => Ok(stream),
            _ => Err(Error::closed()),
        }
    }

    /// The same, as [`EarlyHandshake::handshake`].
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub async fn handshake(mut self) -> Result<TlsStream<IO>, Error> {
        self.complete_handshake().await?;
        self.into_stream()
    }

    /// The connection, when its handshake is over.
    pub(crate) fn into_stream(self) -> Result<TlsStream<IO>, Error> {
        match self.0 {
            State::Over(stream) => Ok(stream),
            State::UnderWay(_) => Err(Error::closed()),
            State::Failed(error) => Err(error),
        }
    }

    /// The stream, at the end of the handshake.
    pub(crate) fn poll_complete(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<&mut TlsStream<IO>, Error>> {
        if let State::UnderWay(early) = &mut self.0 {
            self.0 = match ready!(early.poll_handshake(cx)) {
                Ok(stream) => State::Over(stream),
                // What has come is delivered before.
                Err(error) => match early.poll_early_data(cx) {
                    Poll::Ready(Ok(Some(data))) => {
                        early.unread_early_data(&data);
                        return Poll::Ready(Err(error));
                    }
                    _ => State::Failed(error),
                },
            };
        }
        match &mut self.0 {
            State::Over(stream) => Poll::Ready(Ok(stream)),
            State::Failed(error) => Poll::Ready(Err(error.clone())),
            State::UnderWay(_) => Poll::Pending,
        }
    }

    /// The next early data, `None` when there is no more.
    pub(crate) fn poll_next_early(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        match &mut self.0 {
            State::UnderWay(early) => early.poll_early_data(cx),
            State::Over(stream) => Poll::Ready(Ok(stream.take_early_data())),
            State::Failed(error) => Poll::Ready(Err(error.clone())),
        }
    }

    /// Early data that was taken and is to be read again, before all other.
    pub(crate) fn put_back_early(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::UnderWay(early) => early.unread_early_data(data),
            State::Over(stream) => stream.parts_mut().read.unread_early_data(data),
            State::Failed(_) => {}
        }
    }

    /// The connection, when its handshake is over.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut TlsStream<IO>> {
        match &mut self.0 {
            State::Over(stream) => Some(stream),
            _ => None,
        }
    }

    /// How long sending may take, if that was said.
    pub(crate) fn time_to_send(&self) -> Option<Duration> {
        match &self.0 {
            State::UnderWay(early) => early.send_limit(),
            State::Over(stream) => stream.parts().write.limits().send_timeout(),
            State::Failed(_) => None,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EarlyConnection<IO> {
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
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let State::UnderWay(early) = &mut this.0
            && early.writes_early()
        {
            return Pin::new(&mut EarlyWriter(early)).poll_write_vectored(cx, slices);
        }
        let stream = ready!(this.poll_complete(cx))?;
        Pin::new(stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            State::UnderWay(early) => Pin::new(&mut EarlyWriter(early)).poll_flush(cx),
            State::Over(stream) => Pin::new(stream).poll_flush(cx),
            State::Failed(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    /// Closes the direction, which takes the end of the handshake.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = ready!(self.get_mut().poll_complete(cx))?;
        Pin::new(stream).poll_shutdown(cx)
    }
}
