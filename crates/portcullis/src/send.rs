//! Sending whole buffers, for as long as it takes or as it may.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use crate::error::Error;
use crate::handshake::deadline;
use crate::send_limits::SendLimits;
use crate::stream::TlsStream;
use crate::write::Sending;

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Sends all of these buffers, in order, and waits until the transport has taken them.
    ///
    /// They are sealed together, as if they were one.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// client.send(&[b"head: ", b"body"]).await?;
    /// assert_eq!(&server.recv(10).await?[..], b"head: body");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the connection cannot be written to; [`Error::is_closed`] after shutdown. [`Error::is_timeout`] when it takes
    /// longer than [`set_send_timeout`](Self::set_send_timeout) says: see [`send_timeout`](Self::send_timeout).
    ///
    /// # Cancel safety
    /// Not cancel-safe: dropped, a part may have been sent.
    pub async fn send(&mut self, buffers: &[&[u8]]) -> Result<(), Error> {
        if let Some(within) = self.parts().write.limits().send_timeout() {
            return Box::pin(self.send_timeout(buffers, within)).await;
        }
        let mut rest = Unsent::new(buffers);
        let parts = self.parts_mut();
        poll_fn(|cx| {
            let polled = rest.poll_send(&mut parts.write, &mut parts.io, cx);
            parts.explained(cx, polled)
        })
        .await
    }

    /// [`send`](Self::send), for at most `within`: the caller is given back, and the connection goes on.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// let long = vec![7; 1_000_000];
    /// // Nobody reads it.
    /// let error = client.send_timeout(&[&long], Duration::from_millis(10)).await.unwrap_err();
    /// assert!(error.is_timeout());
    /// // What was taken arrives; the rest can be sent later.
    /// let rest = &long[error.sent().unwrap()..];
    /// # tokio::spawn(async move { while server.recv(0).await.is_ok() {} });
    /// client.send(&[rest]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Also [`Error::is_timeout`]; then [`Error::sent`] says how many bytes were taken, from the first on. They go out
    /// before everything that is sent later. With [`set_send_timeout_close`](Self::set_send_timeout_close) it is the end
    /// of the connection.
    ///
    /// # Cancel safety
    /// As `send`.
    pub async fn send_timeout(&mut self, buffers: &[&[u8]], within: Duration) -> Result<(), Error> {
        let mut rest = Unsent::new(buffers);
        let parts = self.parts_mut();
        let sending = poll_fn(|cx| {
            let polled = rest.poll_send(&mut parts.write, &mut parts.io, cx);
            parts.explained(cx, polled)
        });
        match timeout_at(deadline(within), sending).await {
            Ok(sent) => sent,
            Err(_) => Err(parts.write.give_up_waiting(within, rest.sent())),
        }
    }
}

impl<IO> TlsStream<IO> {
    /// How long [`send`](Self::send) may take; `None` for as long as it takes, which is the default unless the
    /// [connector](crate::TlsConnector::send_timeout) or acceptor has another one. Milliseconds; 49 days and more are
    /// `None`.
    pub fn set_send_timeout(&mut self, within: Option<Duration>) {
        let set = |limits: &mut SendLimits| limits.set_send_timeout(within);
        self.parts_mut().write.change_limits(set);
    }

    /// Whether a send that takes longer than it may ends the connection. Default: no.
    pub fn set_send_timeout_close(&mut self, on: bool) {
        let set = |limits: &mut SendLimits| limits.closes = on;
        self.parts_mut().write.change_limits(set);
    }

    /// For how long the transport may take nothing while something waits to be sent: as
    /// [`TlsAcceptor::write_timeout`](crate::TlsAcceptor::write_timeout). `None` for ever.
    pub fn set_write_timeout(&mut self, limit: Option<Duration>) {
        let set = |limits: &mut SendLimits| limits.set_write_timeout(limit);
        self.parts_mut().write.change_limits(set);
    }
}

/// Slices passed on at once by [`Unsent`].
const SLICES: usize = 32;

/// Buffers that are being sent.
pub(crate) struct Unsent<'a> {
    buffers: &'a [&'a [u8]],
    /// Bytes of the first buffer that are sent.
    offset: usize,
    /// Bytes that are sent of all.
    sent: usize,
}

impl<'a> Unsent<'a> {
    pub(crate) fn new(buffers: &'a [&'a [u8]]) -> Self {
        Self {
            buffers,
            offset: 0,
            sent: 0,
        }
    }

    /// How many bytes were taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    pub(crate) fn poll_send<W>(
        &mut self,
        write: &mut Sending,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        loop {
            while let [first, rest @ ..] = self.buffers
                && first.len() == self.offset
            {
                self.buffers = rest;
                self.offset = 0;
            }
            if self.buffers.is_empty() {
                return write.poll_flush(io, cx);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (index, (slice, buffer)) in slices.iter_mut().zip(self.buffers).enumerate() {
                *slice = IoSlice::new(if index == 0 {
                    &buffer[self.offset..]
                } else {
                    buffer
                });
            }
            let count = self.buffers.len().min(SLICES);
            let mut sent = ready!(write.poll_write(io, cx, &slices[..count]))?;
            self.sent += sent;
            while let [first, rest @ ..] = self.buffers {
                let left = first.len() - self.offset;
                if sent < left {
                    self.offset += sent;
                    break;
                }
                sent -= left;
                self.offset = 0;
                self.buffers = rest;
            }
        }
    }
}
