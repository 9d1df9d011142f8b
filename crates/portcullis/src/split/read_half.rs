//! What reads.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use portcullis_core::session::ClientSession;
use portcullis_core::{ConnectionInformation, Handshake};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::meeting::Seen;
use super::{REUNITED, ReuniteError, Shared, SplitIo, WriteHalf};
use crate::environment::Member;
use crate::error::Error;
use crate::hibernation::Hibernation;
use crate::last_words::Bequest;
use crate::read::{EofPolicy, Receiving};
use crate::renegotiation::{self, Ends as _};
use crate::scratch::Scratch;
use crate::statistics::Flow;
use crate::stream::{Parts, TlsStream};

/// The reading half of a [`TlsStream`].
///
/// When it fails because of what the peer sent, the alert is the writing half's to send. After both
/// halves are dropped, what the peer still sends is read away until it closes, which says that the
/// alert has arrived: in a Tokio task, for 64 KiB or the
/// [`alert_timeout`](crate::TlsConnector::alert_timeout) at most.
pub struct ReadHalf<IO: SplitIo> {
    /// `None` only after a reunion.
    pub(super) parts: Option<ReadParts<IO>>,
    pub(super) information: Arc<ConnectionInformation>,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct ReadParts<IO: SplitIo> {
    pub(super) io: IO::Read,
    pub(super) read: Receiving,
    pub(super) hibernation: Hibernation,
}

impl<IO: SplitIo> ReadHalf<IO> {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// Gives them back when they are not of one connection.
    pub fn reunite(mut self, mut other: WriteHalf<IO>) -> Result<TlsStream<IO>, ReuniteError<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        if !Arc::ptr_eq(&self.shared, &other.shared) {
            return Err(ReuniteError(Box::new((self, other))));
        }
        match (self.parts.take(), other.parts.take()) {
            (Some(mut reading), Some(mut writing)) => {
                let member = self.shared.member.as_ref();
                let member = member.map(|member| Member::of(member.life()));
                reading.read.join(member);
                if let Some(meeting) = &self.shared.meeting {
                    // A handshake that has the writer goes on in the stream.
                    meeting.desert(&mut writing.write);
                }
                Ok(TlsStream::from_parts(Parts {
                    io: IO::reunite_io(reading.io, writing.io),
                    read: reading.read,
                    write: writing.write,
                    information: self.information.clone(),
                    hibernation: reading.hibernation,
                }))
            }
            (reading, writing) => {
                self.parts = reading;
                other.parts = writing;
                Err(ReuniteError(Box::new((self, other))))
            }
        }
    }

    fn parts(&self) -> &ReadParts<IO> {
        self.parts.as_ref().expect(REUNITED)
    }

    pub(super) fn parts_mut(&mut self) -> &mut ReadParts<IO> {
        self.parts.as_mut().expect(REUNITED)
    }

    /// What was negotiated.
    pub fn information(&self) -> &ConnectionInformation {
        &self.information
    }

    /// What the end of the transport without close_notify means. Default: an error.
    pub fn set_eof_policy(&mut self, policy: EofPolicy) {
        self.parts_mut().read.set_eof_policy(policy);
    }

    /// As [`TlsStream::take_session`].
    pub fn take_session(&mut self) -> Option<ClientSession> {
        self.parts_mut().read.take_session()
    }

    /// Server: early data that nobody had read; as [`TlsStream::take_early_data`].
    pub fn take_early_data(&mut self) -> Option<bytes::Bytes> {
        self.reading().take_early_data()
    }

    pub(crate) fn reading(&mut self) -> &mut Receiving {
        &mut self.parts_mut().read
    }

    /// As [`TlsStream::is_hibernating`], of both halves.
    pub fn is_hibernating(&self) -> bool {
        !self.parts().read.has_spare() && self.writing_half_used().is_none()
    }

    /// As [`TlsStream::hibernate`], of this half, and of the other one if it hibernates after some time, too.
    pub fn hibernate(&mut self) {
        self.parts_mut().read.hibernate();
        if let Some(parking) = &self.shared.parking {
            parking.clear();
        }
    }

    /// What came over the transport.
    pub fn received(&self) -> Flow {
        self.parts().read.received()
    }

    /// The transport's reading half.
    pub fn get_ref(&self) -> &IO::Read {
        &self.parts().io
    }

    /// The transport's reading half. Reading from it breaks the connection.
    pub fn get_mut(&mut self) -> &mut IO::Read {
        &mut self.parts_mut().io
    }

    /// Polls the reading direction, and tells the other half when there is something for it.
    pub(crate) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Receiving, &mut IO::Read, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let ReadParts {
            io,
            read,
            hibernation,
        } = self.parts.as_mut().expect(REUNITED);
        let polled = poll(read, io, cx);
        if polled.is_pending() {
            read.attend(cx);
            if let Some(meeting) = &self.shared.meeting {
                // First, so that no wish is missed.
                self.shared.reader.register(cx.waker());
                // Not before the writer is there: it may not come, and the peer is to be read from.
                if read.mailbox().wishes_to_renegotiate() && !read.is_renegotiating() {
                    match meeting.look() {
                        Seen::Nothing => {}
                        Seen::Waiting => self.shared.writer.wake(),
                        Seen::Writer if read.request_for_key() => {}
                        Seen::Writer => {
                            meeting.give_up();
                            self.shared.writer.wake();
                        }
                    }
                }
            }
        }
        if read.is_renegotiating() {
            if polled.is_pending() {
                self.renegotiate_on(cx, renegotiation::Task::Reading);
            }
            return polled;
        }
        if read.mailbox().has_work() || (read.has_ended() && self.shared.read_end.set(()).is_ok()) {
            self.shared.writer.wake();
        }
        if hibernation.is_on() && polled.is_pending() {
            self.rest(cx);
        }
        polled
    }

    /// Ends reading, and does not hold the peer up: what it still sends is read and thrown away, to its end.
    ///
    /// TLS has no word for a read side that is closed, so the peer is not told. For a task of its own, while
    /// the other half writes: KeyUpdates are still answered with its next write, and the peer's alert
    /// fails it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// let (read, mut write) = server.into_split();
    /// tokio::spawn(read.shutdown_read());
    /// write.send(&[b"I only speak"]).await?;
    /// # client.recv(12).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Why reading has failed, if the peer has not closed in good order.
    ///
    /// # Cancel safety
    /// Dropped, the half is dropped, and nothing is read any more.
    pub async fn shutdown_read(mut self) -> Result<(), Error> {
        self.parts_mut().read.begin_again();
        loop {
            let read = poll_fn(|cx| {
                let mut scratch = Scratch::take();
                let mut buf = ReadBuf::new(&mut scratch);
                self.poll_with(cx, |read, io, cx| read.poll_read(io, cx, &mut buf))
                    .map_ok(|()| buf.filled().len())
            });
            if read.await? == 0 {
                return Ok(());
            }
        }
    }

    /// As [`TlsStream::renegotiate`]. The writing half has to be polled meanwhile, by a write, a flush, or
    /// [`serve`](WriteHalf::serve).
    ///
    /// # Errors
    /// As [`TlsStream::renegotiate`]; also when the writing half was shut down, has failed, or was
    /// dropped, or is not polled in the time of a handshake. After these the connection goes on.
    ///
    /// # Cancel safety
    /// Dropped, the handshake goes on in reads.
    pub async fn renegotiate(&mut self) -> Result<(), Error> {
        let read = &mut self.parts_mut().read;
        if let Some(error) = read.failure() {
            return Err(error.clone());
        }
        if !read.request() {
            // It says why.
            Handshake::check_renegotiation(read.hand_over().0)?;
            return Err(Error::closed());
        }
        poll_fn(|cx| self.poll_renegotiated(cx)).await
    }

    /// Whether a handshake has the keys of both directions.
    #[cfg(all(test, portcullis_loom))]
    pub(crate) fn has_begun_to_renegotiate(&self) -> bool {
        self.parts().read.has_begun_to_renegotiate()
    }

    #[cfg(all(test, portcullis_loom))]
    pub(crate) fn is_renegotiating(&self) -> bool {
        self.parts().read.is_renegotiating()
    }

    /// Hibernates when it is time, and the writing half with it.
    pub(crate) fn rest(&mut self, cx: &mut Context<'_>) {
        if !self.parts().hibernation.is_on() {
            return;
        }
        // Told when the writing half sets its cipher up, which it may do from here on.
        self.shared.reader.register(cx.waker());
        let used = self.writing_half_used();
        let ReadParts {
            read, hibernation, ..
        } = self.parts_mut();
        if !read.has_spare() && used.is_none() {
            hibernation.rest();
            return;
        }
        let moved = read.received().bytes();
        if hibernation.is_due(cx, moved, used) {
            read.hibernate();
            if let Some(parking) = &self.shared.parking {
                parking.clear();
            }
        }
    }

    fn writing_half_used(&self) -> Option<Instant> {
        self.shared.parking.as_ref()?.used()
    }

    /// Why the other half cannot write any more. If it can, the task is woken when that changes.
    pub(crate) fn write_failure(&self, cx: &mut Context<'_>) -> Option<Error> {
        self.shared.reader.register(cx.waker());
        self.shared.write_failure.get().cloned()
    }
}

impl<IO: SplitIo> Drop for ReadHalf<IO> {
    fn drop(&mut self) {
        let Some(ReadParts { io, mut read, .. }) = self.parts.take() else {
            return;
        };
        if let (Some(meeting), Some(mut renegotiating)) =
            (&self.shared.meeting, read.take_renegotiating())
        {
            if !std::thread::panicking() {
                meeting.say(&renegotiating.cancel());
            }
            meeting.fail(Error::limit(
                "the reading half was dropped while the connection was renegotiated",
            ));
            meeting.give_up();
            self.shared.writer.wake();
        }
        if let Some(refusal) = read.refusal() {
            Bequest::reader_gone(&self.shared.bequest, io, refusal);
        }
    }
}

impl<IO: SplitIo> Unpin for ReadHalf<IO> {}

impl<IO: SplitIo> AsyncRead for ReadHalf<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_with(cx, |read, io, cx| read.poll_read(io, cx, buf))
            .map_err(Into::into)
    }
}

impl<IO: SplitIo> AsyncBufRead for ReadHalf<IO> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let read = &this.parts().read;
        match read.plain() {
            [] => ready!(this.poll_with(cx, |read, io, cx| read.poll_fill(io, cx, 0)))?,
            _ => ready!(read.poll_budget(cx)),
        }
        Poll::Ready(Ok(this.parts().read.plain()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().parts_mut().read.consume(count);
    }
}

impl<IO: SplitIo> std::fmt::Debug for ReadHalf<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadHalf")
            .field("read", &self.parts.as_ref().map(|parts| &parts.read))
            .finish_non_exhaustive()
    }
}
