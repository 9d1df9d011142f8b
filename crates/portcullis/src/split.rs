//! A connection as two halves that share no lock, but for another handshake before TLS 1.3.
//!
//! The reading half leaves control work (the answer to a KeyUpdate, an alert) in the core's
//! mailbox; the writing half does it with its next write or flush.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use portcullis_core::session::ClientSession;
use portcullis_core::{ConnectionInformation, Handshake, Writer};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::error::Error;
use crate::hibernation::{Hibernation, Parking};
use crate::last_words::Bequest;
use crate::meeting::{Found, Meeting};
use crate::read::{EofPolicy, Receiving};
use crate::renegotiation::{self, Ends};
use crate::split_io::SplitIo;
use crate::statistics::Flow;
use crate::stream::{Parts, TlsStream, Unsent};
use crate::sync::{OnceLock, WakerCell};
use crate::wakers::Task;
use crate::write::Sending;

/// What the halves know of each other besides the core's mailbox.
#[derive(Debug, Default)]
struct Shared {
    /// The task that waits in [`WriteHalf::serve`].
    writer: WakerCell,
    /// The task that waits for messages; a failed write ends its wait.
    reader: WakerCell,
    write_failure: OnceLock<Error>,
    /// Set when nothing more is read.
    read_end: OnceLock<()>,
    /// The writing half's cipher between two writes, if they hibernate.
    parking: Option<Box<Parking>>,
    /// Touched only when a half is dropped.
    bequest: Mutex<Bequest>,
    /// Where they meet to renegotiate, if they may.
    meeting: Option<Box<Meeting>>,
}

/// The reading half of a [`TlsStream`].
///
/// When it fails because of what the peer sent, the alert is the writing half's to send. After both
/// halves are dropped, what the peer still sends is read away until it closes, which says that the
/// alert has arrived: in a Tokio task, for 64 KiB or the
/// [`alert_timeout`](crate::TlsConnector::alert_timeout) at most.
pub struct ReadHalf<IO: SplitIo> {
    /// `None` only after a reunion.
    parts: Option<ReadParts<IO>>,
    information: Arc<ConnectionInformation>,
    shared: Arc<Shared>,
}

struct ReadParts<IO: SplitIo> {
    io: IO::Read,
    read: Receiving,
    hibernation: Hibernation,
}

/// The writing half of a [`TlsStream`].
///
/// Answers to the peer's KeyUpdates, and the alert when the reading half has failed, go out with
/// the next write, flush or shutdown; before the next data at the latest, which is all that
/// RFC 8446 §4.6.3 asks for. [`serve`](Self::serve) sends them without delay.
///
/// When the transport is broken, writing waits up to 100 ms for the reading half to find the peer's
/// alert, and then says that; it does so only while a task reads.
///
/// Dropped, it sends what is left and close_notify as far as the transport takes it at once, but
/// not while panicking.
pub struct WriteHalf<IO: SplitIo> {
    /// `None` only after a reunion.
    parts: Option<WriteParts<IO>>,
    information: Arc<ConnectionInformation>,
    shared: Arc<Shared>,
}

struct WriteParts<IO: SplitIo> {
    io: IO::Write,
    write: Sending,
}

/// Why a half has its parts: `reunite` consumes it.
const REUNITED: &str = "parts are taken only by a reunion, which consumes the half";

/// Halves that are not of one connection.
pub struct ReuniteError<IO: SplitIo>(pub Box<(ReadHalf<IO>, WriteHalf<IO>)>);

impl<IO: SplitIo> std::fmt::Display for ReuniteError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the halves are not of one connection")
    }
}

impl<IO: SplitIo> std::error::Error for ReuniteError<IO> {}

impl<IO: SplitIo> TlsStream<IO> {
    /// Takes the connection apart into halves that can be used by two tasks.
    ///
    /// Another handshake, before TLS 1.3, needs both directions at once, so where the configuration
    /// [allows it](crate::config::Renegotiation) the halves meet for it: the reading half runs it,
    /// and the writing half has to be polled meanwhile, by a write, a flush, or
    /// [`serve`](WriteHalf::serve). If that does not happen in the time of a handshake, what the peer
    /// has asked for is declined. One that is under way goes on.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected().await;
    /// let (mut read, mut write) = client.into_split();
    /// let writing = tokio::spawn(async move {
    ///     write.write_all(b"ping").await?;
    ///     write.flush().await?;
    ///     Ok::<_, std::io::Error>(write)
    /// });
    /// # server.recv(4).await?;
    /// # server.send(&[b"pong"]).await?;
    /// let mut answer = [0; 4];
    /// read.read_exact(&mut answer).await?;
    /// let stream = read.reunite(writing.await??)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (ReadHalf<IO>, WriteHalf<IO>) {
        let Parts {
            io,
            mut read,
            mut write,
            information,
            hibernation,
        } = self.into_parts();
        let meeting = match read.renegotiation_limit() {
            Some(limit) => Some(Box::new(Meeting::new(write.is_renegotiating(), limit))),
            None => {
                read.decline_renegotiations();
                None
            }
        };
        write.reader = Task::NONE;
        let (read_io, write_io) = io.split_io();
        let shared = Arc::new(Shared {
            parking: hibernation.is_on().then(Box::default),
            meeting,
            ..Shared::default()
        });
        let reading = ReadHalf {
            parts: Some(ReadParts {
                io: read_io,
                read,
                hibernation,
            }),
            information: information.clone(),
            shared: shared.clone(),
        };
        let writing = WriteHalf {
            parts: Some(WriteParts {
                io: write_io,
                write,
            }),
            information,
            shared,
        };
        (reading, writing)
    }
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
            (Some(reading), Some(mut writing)) => {
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

    fn parts_mut(&mut self) -> &mut ReadParts<IO> {
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

    /// As [`TlsStream::is_hibernating`], of both halves.
    pub fn is_hibernating(&self) -> bool {
        !self.parts().read.has_spare() && self.writing_half_used().is_none()
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
        if !read.wish() {
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

impl<IO: SplitIo> WriteHalf<IO> {
    /// What was negotiated.
    pub fn information(&self) -> &ConnectionInformation {
        &self.information
    }

    /// The transport's writing half.
    pub fn get_ref(&self) -> &IO::Write {
        &self.parts.as_ref().expect(REUNITED).io
    }

    /// The transport's writing half. Writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut IO::Write {
        &mut self.parts.as_mut().expect(REUNITED).io
    }

    /// What went over the transport.
    pub fn sent(&self) -> Flow {
        self.parts
            .as_ref()
            .map_or(Flow::default(), |parts| parts.write.sent())
    }

    /// As [`TlsStream::send`].
    ///
    /// # Errors
    /// When the connection cannot be written to; [`Error::is_closed`] after shutdown.
    ///
    /// # Cancel safety
    /// Not cancel-safe: dropped, a part may have been sent.
    pub async fn send(&mut self, buffers: &[&[u8]]) -> Result<(), Error> {
        let mut rest = Unsent::new(buffers);
        poll_fn(|cx| self.poll_with(cx, |write, io, cx| rest.poll_send(write, io, cx))).await
    }

    /// As [`TlsStream::update_keys`].
    ///
    /// # Errors
    /// When the connection cannot be written to.
    ///
    /// # Cancel safety
    /// Dropped, the KeyUpdate is sent by the next poll.
    pub async fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        let mut update = Some(request_peer);
        poll_fn(|cx| {
            self.poll_with(cx, |write, io, cx| {
                if let Some(request_peer) = update.take() {
                    write.update_keys(request_peer)?;
                }
                write.poll_flush(io, cx)
            })
        })
        .await
    }

    /// Waits for what the reading half leaves to be sent, and sends it, until the connection
    /// can no longer be written to, for example because this side was shut down; for a task that
    /// has nothing to write for a while, in `select!`.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn serve(&mut self) -> Error {
        poll_fn(|cx| {
            self.shared.writer.register(cx.waker());
            match ready!(self.poll_with(cx, |write, io, cx| write.poll_flush(io, cx))) {
                Ok(())
                    if self
                        .parts
                        .as_ref()
                        .is_some_and(|parts| parts.write.is_closed()) =>
                {
                    Poll::Ready(Error::closed())
                }
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(error),
            }
        })
        .await
    }

    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Sending, &mut IO::Write, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(Err(Error::closed()));
        };
        let WriteParts { io, write } = parts;
        let (shared, information) = (&*self.shared, &mut self.information);
        let poll = |write: &mut Sending, io: &mut IO::Write, cx: &mut Context<'_>| {
            if shared.meeting.is_some() {
                attend(shared, write, io, cx, information);
            }
            poll(write, io, cx)
        };
        let polled = match &self.shared.parking {
            None => poll(write, io, cx),
            Some(parking) => {
                let (polled, is_new) = parking.lend(write, |write| poll(write, io, cx));
                if is_new {
                    self.shared.reader.wake();
                }
                polled
            }
        };
        let polled = match polled {
            Poll::Ready(Err(error)) if error.transport().is_some() => {
                explain(write, &self.shared, cx, error).map(Err)
            }
            polled => polled,
        };
        if let Some(error) = parts.write.failure()
            && self.shared.write_failure.set(error.clone()).is_ok()
        {
            self.shared.reader.wake();
        }
        polled
    }
}

/// Before the writing half does anything else: leaves its writer for a handshake, sends what that says,
/// takes back what it has made.
#[cold]
fn attend<W: AsyncWrite + Unpin>(
    shared: &Shared,
    write: &mut Sending,
    io: &mut W,
    cx: &mut Context<'_>,
    information: &mut Arc<ConnectionInformation>,
) {
    let Some(meeting) = &shared.meeting else {
        return;
    };
    // First, so that nothing that is left from here on is missed.
    shared.writer.register(cx.waker());
    match meeting.attend(write) {
        Found::Nothing => return,
        Found::Information(new) => {
            *information = new;
            return;
        }
        Found::Left => shared.reader.wake(),
        Found::Handshake => {
            if meeting.poll_late(write, cx).is_ready() {
                shared.reader.wake();
                return;
            }
        }
        Found::Failed(error) => {
            let _ = write.poll_flush(io, cx);
            if error.transport().is_none() {
                let _ = Pin::new(io).poll_shutdown(cx);
            }
            write.fail(error);
            return;
        }
    }
    // What is written next waits; an error is kept for it.
    let _ = write.poll_flush(io, cx);
}

impl<IO: SplitIo> Ends for ReadHalf<IO> {
    fn read(&mut self) -> &mut Receiving {
        &mut self.parts_mut().read
    }

    /// That is for the other half to do.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.reader.register(cx.waker());
        if let Some(error) = self.shared.write_failure.get() {
            return Poll::Ready(Err(error.clone()));
        }
        Poll::Ready(match self.shared.meeting.as_ref() {
            Some(meeting) if meeting.is_deserted() => Err(Error::limit(
                "the writing half was dropped, or has given up, while the connection was renegotiated",
            )),
            _ => Ok(()),
        })
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Handshake, Error>> {
        self.shared.reader.register(cx.waker());
        let Some(meeting) = &self.shared.meeting else {
            return Poll::Ready(Err(Error::closed()));
        };
        let Some(mut writer) = meeting.take_writer()? else {
            self.shared.writer.wake();
            return Poll::Pending;
        };
        let read = &mut self.parts.as_mut().expect(REUNITED).read;
        let (reader, _) = read.hand_over();
        let begun = Handshake::renegotiate(reader, &mut writer, UnixTime::now());
        Poll::Ready(begun.map_err(|error| {
            meeting.give_back(writer, Vec::new(), None);
            self.shared.writer.wake();
            error.into()
        }))
    }

    fn say(&mut self, bytes: &[u8]) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.say(bytes);
            self.shared.writer.wake();
        }
    }

    fn go_on(&mut self, connection: (Writer, Vec<u8>), information: Arc<ConnectionInformation>) {
        self.information = Arc::clone(&information);
        if let Some(meeting) = &self.shared.meeting {
            let (writer, transmit) = connection;
            meeting.give_back(writer, transmit, Some(information));
            self.shared.writer.wake();
        }
    }

    fn give_up(&mut self) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.give_up();
            self.shared.writer.wake();
        }
    }

    fn waits_for_another(&self) -> bool {
        true
    }

    fn break_off(&mut self, error: Error, _: &mut Context<'_>) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.fail(error);
            self.shared.writer.wake();
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.parts_mut().io).poll_read(cx, buf)
    }

    fn blocked(&self) -> Option<&Waker> {
        None
    }
}

/// The transport is broken: if the reading half finds the peer's alert, that is the reason. Only
/// the reading half can look for it.
#[cold]
fn explain(
    write: &mut Sending,
    shared: &Arc<Shared>,
    cx: &mut Context<'_>,
    broken: Error,
) -> Poll<Error> {
    shared.writer.register(cx.waker());
    // In this order: who has ended has left its alert before.
    let is_over = shared.read_end.get().is_some() || Arc::strong_count(shared) == 1;
    let alert = write.received_alert();
    let Some(failure) = write.open_failure() else {
        return Poll::Ready(broken);
    };
    if let Some(alert) = alert {
        return Poll::Ready(failure.explain(alert));
    }
    if is_over {
        failure.give_up();
    }
    ready!(failure.poll_search(cx));
    Poll::Ready(broken)
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

impl<IO: SplitIo> Drop for WriteHalf<IO> {
    fn drop(&mut self) {
        if let Some(parts) = &mut self.parts {
            if let Some(meeting) = &self.shared.meeting {
                meeting.desert(&mut parts.write);
                self.shared.reader.wake();
            }
            parts.write.farewell(&mut parts.io);
            Bequest::writer_gone(&self.shared.bequest);
            // Also what was not told because the reason was still being looked for.
            if let Some(error) = parts.write.broken()
                && self.shared.write_failure.set(error.clone()).is_ok()
            {
                self.shared.reader.wake();
            }
        }
        if let Some(parking) = &self.shared.parking {
            parking.abandon();
        }
    }
}

impl<IO: SplitIo> Unpin for ReadHalf<IO> {}
impl<IO: SplitIo> Unpin for WriteHalf<IO> {}

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

impl<IO: SplitIo> AsyncWrite for WriteHalf<IO> {
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
        self.get_mut()
            .poll_with(cx, |write, io, cx| write.poll_write(io, cx, data))
            .map_err(Into::into)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_with(cx, |write, io, cx| write.poll_flush(io, cx))
            .map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .poll_with(cx, |write, io, cx| write.poll_shutdown(io, cx))
            .map_err(Into::into)
    }
}

impl<IO: SplitIo> std::fmt::Debug for ReadHalf<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadHalf")
            .field("read", &self.parts.as_ref().map(|parts| &parts.read))
            .finish_non_exhaustive()
    }
}

impl<IO: SplitIo> std::fmt::Debug for WriteHalf<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteHalf")
            .field("write", &self.parts.as_ref().map(|parts| &parts.write))
            .finish_non_exhaustive()
    }
}

impl<IO: SplitIo> std::fmt::Debug for ReuniteError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReuniteError").field(&self.0).finish()
    }
}
