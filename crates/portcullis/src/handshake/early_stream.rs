//! A client's handshake into which data is written before the server has answered.
//!
//! RFC 8446 §2.3.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis_core::EarlyDataStatus;
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::handshaking::Goal;
use super::{Reached, Until};
use crate::error::{Error, HandshakeError};
use crate::stream::TlsStream;

/// A client whose hello is out, and that may write before the server has answered: see
/// [`TlsConnector::early_stream`](crate::TlsConnector::early_stream).
///
/// What is written is early data, with all that this means
/// ([`connect_with_early_data`](crate::TlsConnector::connect_with_early_data)). There is [room](Self::room)
/// for as much as the session allows; a write beyond that takes nothing, which
/// [`write_all`](tokio::io::AsyncWriteExt::write_all) reports as
/// [`WriteZero`](io::ErrorKind::WriteZero). Nothing is read before the [handshake](Self::handshake) is
/// over: a server that waits for its answer to be read before it reads on waits for that.
///
/// The handshake's timeout goes on. Dropped, it tells the server `user_canceled` if that can be done at
/// once.
#[derive(Debug)]
#[must_use = "the server waits"]
pub struct EarlyStream<IO: AsyncRead + AsyncWrite + Unpin> {
    driver: Box<Driver<IO>>,
    failed: Option<Error>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> EarlyStream<IO> {
    /// How many bytes can still be written; 0 if there is no session that allows any.
    pub fn room(&self) -> usize {
        self.driver.running.handshake.room()
    }

    /// Goes on to the end of the handshake, and says what became of the early data before anything else
    /// can be written: all of it was taken, or all of it is lost.
    ///
    /// # Errors
    /// When the handshake fails or times out; the server may have got the data or not.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub async fn handshake(mut self) -> Result<(TlsStream<IO>, EarlyDataStatus), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let span = self.driver.span().clone();
        poll_fn(|cx| {
            let _entered = span.enter();
            self.driver.poll(cx, Until::End)
        })
        .await?;
        let stream = self.driver.finish().map_err(Error::from)?;
        let status = stream.information().early_data();
        Ok((stream, status))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Goal<IO> for EarlyStream<IO> {
    const UNTIL: Until = Until::HelloSent;

    fn reach(driver: Box<Driver<IO>>, _: Reached) -> Result<Self, HandshakeError<IO>> {
        let failed = None;
        Ok(Self { driver, failed })
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for EarlyStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = &this.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        let room = this.room().min(data.len());
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let written = this
            .driver
            .poll_write_early(cx, data.get(..room).unwrap_or_default());
        written.map_err(|error| {
            this.failed = Some(error.clone());
            error.into()
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .driver
            .poll_flush_early(cx)
            .map_err(Into::into)
    }

    /// Flushes: the direction is closed by the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
