//! The read side shut down alone: what a peer still sends is read away, so that it is not held up.
//!
//! TLS has no word for it. KeyUpdates have to be answered all the same, and an alert is to be found.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{End, EofPolicy, Manners, Receiving};
use crate::environment::Member;
use crate::last_words::READ_AWAY;
use crate::log_level::LogLevel;
use crate::scratch::Scratch;
use crate::stream::{Parts, TlsStream};

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Ends reading: from here on it ends with 0 bytes, as if the peer had closed, and what was not read is dropped.
    ///
    /// TLS has no word for it, so the peer is not told, and is not held up: whenever this side writes, flushes, or waits to,
    /// what the peer has sent is read and thrown away, up to 64 KiB at a time. Its KeyUpdates are answered, its tickets
    /// are kept, and its alert fails what is written. Whoever does not write for long lets it wait.
    /// Before TLS 1.3 it cannot renegotiate from here on. There is no way back but [`close`](Self::close) and
    /// [`downgrade`](Self::downgrade), which read to the peer's end as always.
    ///
    /// ```
    /// use tokio::io::AsyncReadExt;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, mut server) = connected().await;
    /// client.send(&[b"unheard"]).await?;
    /// server.shutdown_read();
    /// assert_eq!(server.read(&mut [0; 9]).await?, 0);
    /// server.send(&[b"I only speak"]).await?;
    /// assert_eq!(&client.recv(12).await?[..], b"I only speak");
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_read(&mut self) {
        self.parts_mut().read.end_here();
    }
}

impl Receiving {
    /// The connection is one of an environment.
    pub(crate) fn join(&mut self, member: Option<Member>) {
        if member.is_some() {
            self.make_seldom().member = member;
        }
    }

    /// The same, to be kept where it lasts as long as both halves.
    pub(crate) fn leave(&mut self) -> Option<Member> {
        self.seldom_mut()?.member.take()
    }

    pub(crate) fn member(&self) -> Option<&Member> {
        self.seldom()?.member.as_ref()
    }

    /// How the connection behaves at its end, which is not known any more when that has come.
    pub(crate) fn told_manners(&self) -> Option<(EofPolicy, Duration, Option<LogLevel>)> {
        let manners = match self.manners() {
            Some(manners) => *manners,
            None => self.seldom()?.discarding?,
        };
        let alert_timeout = Duration::from_millis(manners.alert_timeout.into());
        Some((manners.eof, alert_timeout, manners.log))
    }

    /// Where it is kept that reading was ended here.
    pub(crate) fn discarding(&mut self) -> Option<&mut Option<Manners>> {
        Some(&mut self.seldom_mut()?.discarding)
    }

    #[inline]
    pub(crate) fn is_discarding(&self) -> bool {
        let seldom = self.seldom();
        seldom.is_some_and(|seldom| seldom.discarding.is_some())
    }

    /// Ends reading from here on: what was not read is dropped.
    pub(crate) fn end_here(&mut self) {
        let End::NotYet(manners) = self.end else {
            return;
        };
        // A handshake would begin where nobody reads.
        self.decline_renegotiations();
        self.plain.consume(self.plain.len());
        self.make_seldom().discarding = Some(manners);
        self.end = End::Closed;
    }

    /// Reading goes on, if it was ended here.
    pub(crate) fn begin_again(&mut self) {
        if let Some(manners) = self.discarding().and_then(Option::take) {
            self.end = End::NotYet(manners);
        }
    }

    /// Reading was ended here, unless it has ended since.
    pub(crate) fn end_again(&mut self) {
        if let End::NotYet(manners) = self.end {
            self.make_seldom().discarding = Some(manners);
            self.end = End::Closed;
        }
    }

    /// Reads away what is there, up to a bound; whether there may be more at once.
    fn discard<R>(&mut self, io: &mut R, cx: &mut Context<'_>) -> bool
    where
        R: AsyncRead + Unpin,
    {
        self.begin_again();
        let mut left = READ_AWAY;
        while left > 0 {
            let mut scratch = Scratch::take();
            let mut buf = ReadBuf::new(&mut scratch);
            match self.poll_read(io, cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    left = left.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        self.end_again();
        left == 0
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Parts<IO> {
    /// After a poll for writing, when reading was ended here.
    #[cold]
    pub(crate) fn discard(&mut self, cx: &mut Context<'_>, is_waiting: bool) {
        let has_more = self.read.discard(&mut self.io, cx);
        // Answers to KeyUpdates, and the alert for what was no record.
        self.write.serve(&mut self.io, cx);
        if has_more && is_waiting {
            cx.waker().wake_by_ref();
        }
    }
}
