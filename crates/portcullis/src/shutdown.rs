//! The ways a connection ends: close, and back to plain text.
//!
//! RFC 8446 §6.1. Closing the write side alone is
//! [`AsyncWriteExt::shutdown`](tokio::io::AsyncWriteExt::shutdown).

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Stage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Error;
use crate::handshake::deadline;
use crate::last_words::{READ_AWAY, poll_read_away};
use crate::read::{End, Turn};
use crate::scratch::Scratch;
use crate::stream::TlsStream;

/// Data of the peer that [`TlsStream::downgrade`] keeps until its close_notify comes.
const MAX_DATA_BEFORE_DOWNGRADE: usize = 1024 * 1024;

/// A transport after TLS on it has ended in good order.
#[derive(Debug)]
#[non_exhaustive]
pub struct Downgraded<IO> {
    /// The transport, open in both directions.
    pub transport: IO,
    /// What the peer sent over TLS and nobody has read.
    pub data: Bytes,
    /// What was read from the transport behind the peer's close_notify: its first plain text.
    pub leftover: Bytes,
}

/// A connection that could not be taken apart.
#[derive(Debug)]
pub struct DowngradeError<IO> {
    /// Why.
    pub error: Error,
    /// The connection, its write side closed.
    pub stream: Box<TlsStream<IO>>,
}

impl<IO> fmt::Display for DowngradeError<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<IO: fmt::Debug> std::error::Error for DowngradeError<IO> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Closes the connection: sends what is left and close_notify, shuts the write side down,
    /// and reads and forgets what the peer still sends until its close_notify, for at most
    /// `within`. Then the transport is closed.
    ///
    /// Reading to the end keeps the transport from resetting, which could cost the peer the last
    /// data that was sent to it. When this side has refused what the peer sent, it is the alert
    /// that shall arrive: then at most 64 KiB are read.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// # tokio::spawn(async move { while server.recv(0).await.is_ok() {} });
    /// client.send(&[b"the last word"]).await?;
    /// client.close(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the connection has failed, what is left cannot be sent, or `within` is over before it
    /// is. A peer that does not
    /// close, or closes badly, is no error.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn close(mut self, within: Duration) -> Result<(), Error> {
        let deadline = deadline(within);
        let parts = self.parts_mut();
        parts.read.begin_again();
        let shutdown = poll_fn(|cx| {
            let polled = parts.write.poll_shutdown(&mut parts.io, cx);
            parts.explained(cx, polled)
        });
        match tokio::time::timeout_at(deadline, shutdown).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                if error.is_refusal() {
                    let mut left = READ_AWAY;
                    let drain = poll_fn(|cx| poll_read_away(&mut parts.io, cx, &mut left));
                    let _ = tokio::time::timeout_at(deadline, drain).await;
                }
                return Err(error);
            }
            Err(_) => return Err(Error::timeout(Stage::Closing, within)),
        }
        let drain = async {
            let mut turn = Turn::default();
            loop {
                let drained = poll_fn(|cx| {
                    let mut scratch = Scratch::take();
                    let mut buf = ReadBuf::new(&mut scratch);
                    parts
                        .read
                        .poll_read_in_turn(&mut parts.io, cx, &mut buf, &mut turn)
                        .map_ok(|()| buf.filled().len())
                });
                if !matches!(drained.await, Ok(1..)) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout_at(deadline, drain).await;
        Ok(())
    }

    /// Ends TLS and keeps the transport: close_notify goes both ways, within the given time.
    ///
    /// The peer has to know that this comes, and what follows. Both sides wait for each other's
    /// close_notify before they write plain text. The first of the peer's may be in
    /// [`leftover`](Downgraded::leftover) already, so read that before the transport: with
    /// [`chain`](tokio::io::AsyncReadExt::chain) it is one reader.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, server) = connected().await;
    /// let within = Duration::from_secs(5);
    /// let (client, server) = tokio::join!(client.downgrade(within), server.downgrade(within));
    /// let (mut client, mut server) = (client?, server?);
    /// client.transport.write_all(b"plain").await?;
    /// let mut text = [0; 5];
    /// let mut reader = (&server.leftover[..]).chain(&mut server.transport);
    /// reader.read_exact(&mut text).await?;
    /// assert_eq!(&text, b"plain");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the peer does not close in good order or in time, or sends more than 1 MiB before it
    /// does.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn downgrade(
        mut self,
        within: Duration,
    ) -> Result<Downgraded<IO>, DowngradeError<IO>> {
        let parts = self.parts_mut();
        parts.read.begin_again();
        let mut stage = Stage::Closing;
        let exchange = async {
            poll_fn(|cx| {
                let polled = parts.write.poll_close_notify(&mut parts.io, cx);
                parts.explained(cx, polled)
            })
            .await?;
            stage = Stage::WaitCloseNotify;
            loop {
                match parts.read.end() {
                    End::Closed => return Ok(()),
                    End::Failed(failed) => return Err(failed.error().clone()),
                    End::NotYet(_) | End::Renegotiating(_) => {}
                }
                let have = parts.read.plain().len();
                if have > MAX_DATA_BEFORE_DOWNGRADE {
                    return Err(Error::limit("the peer sends data where it should close"));
                }
                poll_fn(|cx| parts.poll_fill(cx, have)).await?;
            }
        };
        let exchanged = tokio::time::timeout_at(deadline(within), exchange).await;
        match exchanged.unwrap_or_else(|_| Err(Error::timeout(stage, within))) {
            Ok(()) => {
                let parts = self.into_parts();
                let (data, leftover) = parts.read.into_rest();
                Ok(Downgraded {
                    transport: parts.io,
                    data,
                    leftover,
                })
            }
            Err(error) => Err(DowngradeError {
                error,
                stream: Box::new(self),
            }),
        }
    }
}
