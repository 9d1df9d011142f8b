//! A server's handshake whose client has sent data that was accepted before its end.
//!
//! RFC 8446 §2.3.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Stage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::driver::Driver;
use super::early_connection::EarlyConnection;
use super::handshaking::Goal;
use super::{Reached, Until};
use crate::delivery::{Active, ActiveStream, Packets};
use crate::error::{Error, HandshakeError};
use crate::packet::PacketOptions;
use crate::stream::TlsStream;

/// A server's handshake whose flight is out, and whose client may have sent data with its hello.
///
/// The data is read by [`reader`](Self::reader) and answered by [`writer`](Self::writer), before the
/// handshake is over. It may be what somebody has recorded and sends again; what keeps that from being
/// accepted is the configuration's [`AntiReplay`](crate::session::AntiReplay), and a client that is told
/// nothing may send its request again by itself (RFC 8446 §8). So act on it only if no harm comes from
/// acting twice: HTTP has the status 425 for the rest (RFC 8470).
///
/// Messages and packets of it come from [`into_active`](Self::into_active) and
/// [`into_packets`](Self::into_packets), marked, and those of the rest of the connection behind them.
///
/// A client without early data, or whose early data was not accepted, gives one of these, too: its reader
/// is at its end, and [`handshake`](Self::handshake) is ready at once or waits for the client.
///
/// The handshake's timeout goes on. Dropped, it tells the client `user_canceled` if that can be done
/// at once.
///
/// ```
/// use portcullis::pki_types::UnixTime;
/// use portcullis::session::{AntiReplay, BloomFilters};
/// use portcullis::{EarlyDataOutcome, ServerConfig, TlsAcceptor};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, roots) = dev_identity();
/// # let connector = portcullis::TlsConnector::new(portcullis::ClientConfig::builder(roots).build()?);
/// // A process with new ticket keys has accepted nothing that could come again. With `UnixTime::now()` in its place no early
/// // data is accepted for two windows, which is for one whose keys are older than it: see `AntiReplay::local`.
/// let long_ago = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
/// let anti_replay = AntiReplay::local(BloomFilters::LARGE, long_ago)?;
/// let config = ServerConfig::builder().identity(identity).early_data(anti_replay).build()?;
/// let acceptor = TlsAcceptor::new(config);
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
/// #     let (mut client, outcome) = connector.upgrade_with_early_data(near, "localhost", "time?").await?;
/// #     assert_eq!(outcome, EarlyDataOutcome::Accepted);
/// #     client.recv(4).await
/// # });
/// let mut early = acceptor.accept_with_early_data(transport).await?;
/// if early.is_accepted() {
///     let mut question = [0; 5];
///     early.reader().read_exact(&mut question).await?;
///     assert_eq!(&question, b"time?");
///     early.writer().expect("early data is there").write_all(b"noon").await?;
/// }
/// let stream = early.handshake().await?;
/// # assert_eq!(&client.await??[..], b"noon");
/// # drop(stream);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the client waits"]
pub struct EarlyHandshake<IO: AsyncRead + AsyncWrite + Unpin> {
    driver: Box<Driver<IO>>,
    is_accepted: bool,
    /// Whether the driver has come to the end.
    is_over: bool,
    failed: Option<Error>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> EarlyHandshake<IO> {
    /// Whether early data was accepted; there may be none in it.
    pub fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// The early data. It ends where the client has said that it is over, which it says when it has this
    /// side's flight: a round trip after it was sent.
    pub fn reader(&mut self) -> EarlyReader<'_, IO> {
        EarlyReader(self)
    }

    /// Sends data before the handshake is over. `None` unless early data was accepted: then the client is
    /// known by its session, and no certificate of it is waited for.
    pub fn writer(&mut self) -> Option<EarlyWriter<'_, IO>> {
        self.is_accepted.then_some(EarlyWriter(self))
    }

    /// Goes on to the end of the handshake. Early data that nobody has read by then is not in what the
    /// stream reads: [`TlsStream::take_early_data`] gives it, and in active mode a message of its own.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub async fn handshake(mut self) -> Result<TlsStream<IO>, Error> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    /// Delivers what the client sends, before and after the handshake is over, as a stream of messages: what came
    /// early as [`Message::EarlyData`](crate::Message::EarlyData), and all else after it.
    ///
    /// Each costs a credit. Without credit nothing is read and the handshake does not go on, while its timeout does.
    /// There is an example at [`EarlyConnection`].
    pub fn into_active(self, mode: Active) -> ActiveStream<EarlyConnection<IO>> {
        ActiveStream::new(EarlyConnection::new(self), mode)
    }

    /// Sends and receives packets, before and after the handshake is over:
    /// [`recv_early`](Packets::recv_early) gives those of which a byte came early.
    pub fn into_packets(self, options: impl Into<PacketOptions>) -> Packets<EarlyConnection<IO>> {
        Packets::new(EarlyConnection::new(self), options.into())
    }

    /// The stream, at the end of the handshake. It has the early data that nobody has read.
    pub(super) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<TlsStream<IO>, Error>> {
        if !self.is_over {
            ready!(self.poll_driver(cx, Until::End))?;
        }
        let early_data = self.driver.take_early_data();
        let mut stream = self.driver.finish().map_err(Error::from)?;
        stream.keep_early_data(early_data);
        Poll::Ready(Ok(stream))
    }

    /// The next early data, `None` when there is no more.
    pub(super) fn poll_early_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        ready!(self.poll_more(cx))?;
        let data = self.driver.take_early_data();
        Poll::Ready(Ok((!data.is_empty()).then_some(data)))
    }

    /// Early data that was taken and is to be read again, before all other.
    pub(super) fn unread_early_data(&mut self, data: &[u8]) {
        self.driver.running.unread_early_data(data);
    }

    /// Whether it can be written before the handshake is over, which it is not yet.
    pub(super) fn writes_early(&self) -> bool {
        self.is_accepted && !self.is_over
    }

    /// How long sending may take, if that was said.
    pub(super) fn send_limit(&self) -> Option<Duration> {
        self.driver.conduct.send_limits.send_timeout()
    }

    /// Ready when there is early data, or no more.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.driver.early_data().is_empty() && self.is_accepted && !self.is_over {
            ready!(self.poll_driver(cx, Until::MoreEarlyData))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_driver(&mut self, cx: &mut Context<'_>, until: Until) -> Poll<Result<(), Error>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone()));
        }
        let span = self.driver.span().clone();
        let _entered = span.enter();
        match ready!(self.driver.poll(cx, until)) {
            Ok(reached) => {
                self.is_over |= matches!(reached, Reached::End);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Goal<IO> for EarlyHandshake<IO> {
    const UNTIL: Until = Until::EarlyData;

    fn reach(driver: Box<Driver<IO>>, reached: Reached) -> Result<Self, HandshakeError<IO>> {
        Ok(Self {
            is_accepted: matches!(reached, Reached::EarlyData),
            is_over: matches!(reached, Reached::End),
            driver,
            failed: None,
        })
    }
}

/// Reads early data: see [`EarlyHandshake::reader`].
///
/// # Cancel safety
/// Dropped, nothing is lost: what came is there for the next reader.
#[derive(Debug)]
pub struct EarlyReader<'a, IO: AsyncRead + AsyncWrite + Unpin>(&'a mut EarlyHandshake<IO>);

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for EarlyReader<'_, IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let early = &mut *self.get_mut().0;
        ready!(early.poll_more(cx))?;
        early.driver.read_early_data(buf);
        Poll::Ready(Ok(()))
    }
}

/// Writes before the handshake is over: see [`EarlyHandshake::writer`].
///
/// # Cancel safety
/// Dropped, what it has taken is sent by the next poll of any kind.
#[derive(Debug)]
pub struct EarlyWriter<'a, IO: AsyncRead + AsyncWrite + Unpin>(
    pub(super) &'a mut EarlyHandshake<IO>,
);

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EarlyWriter<'_, IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let early = &mut *self.get_mut().0;
        if let Some(error) = &early.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        let written = early.driver.poll_write_early(cx, data);
        written.map_err(|error| {
            early.failed = Some(error.clone());
            error.into()
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut full = slices.iter().filter(|slice| !slice.is_empty());
        let (first, second) = (full.next(), full.next());
        if second.is_none() {
            return self.poll_write(cx, first.map_or(&[], |slice| slice));
        }
        // A handshake seals one buffer at a time, and what is sent together goes in one record.
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut together = Vec::with_capacity(all.min(CHUNK));
        for slice in slices {
            let room = CHUNK - together.len();
            together.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        self.poll_write(cx, &together)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let early = &mut *self.get_mut().0;
        if let Some(error) = &early.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        let flushed = early.driver.poll_flush_early(cx);
        flushed.map_err(|error| {
            early.failed = Some(error.clone());
            error.into()
        })
    }

    /// Flushes: the direction is closed by the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// What of it the transport is spared at once, in bytes: a record.
const CHUNK: usize = 16_384;

/// Early data on its way, of the driver.
impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(super) fn poll_write_early(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Error>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(Error::closed()));
        };
        let running = &mut self.running;
        let polled =
            running.poll_write_early(io, cx, data.get(..CHUNK).unwrap_or(data), &self.conduct);
        match polled {
            Poll::Ready(Err(error)) => {
                self.fail(error.clone());
                Poll::Ready(Err(error))
            }
            // A peer that takes nothing has no more time than the handshake.
            Poll::Pending => self.poll_timed_out(cx).map(Err),
            taken => taken,
        }
    }

    pub(super) fn poll_flush_early(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(Error::closed()));
        };
        let running = &mut self.running;
        let flushed = match running.poll_send(io, cx) {
            Poll::Ready(Ok(())) => running.poll_flush(io, cx),
            other => other,
        };
        match flushed {
            Poll::Pending => self.poll_timed_out(cx).map(Err),
            flushed => flushed,
        }
    }

    /// Client: sends this with the first flight, and maybe more.
    pub(super) fn send_early_data(&mut self, data: &[u8]) {
        self.running.send_early_data(data);
    }

    fn early_data(&self) -> &[u8] {
        self.running.early_data()
    }

    fn read_early_data(&mut self, buf: &mut ReadBuf<'_>) {
        self.running.read_early_data(buf);
    }

    fn take_early_data(&mut self) -> Bytes {
        self.running.take_early_data()
    }
}

impl Until {
    /// Whether who stands there has come as far.
    pub(crate) fn is_at_stage(self, stage: Stage) -> bool {
        match self {
            Self::HelloSent => stage == Stage::WaitServerHello,
            Self::EarlyData => stage == Stage::WaitEndOfEarlyData,
            Self::MoreEarlyData => stage != Stage::WaitEndOfEarlyData,
            // A server that has accepted early data asks for no certificate.
            #[cfg(feature = "dtls")]
            Self::FlightSent => stage == Stage::WaitFinished,
            _ => false,
        }
    }
}
