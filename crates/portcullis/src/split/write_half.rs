//! What writes.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::ConnectionInformation;
use tokio::io::AsyncWrite;
use tokio::time::timeout_at;

use super::renegotiation::attend;
use super::{REUNITED, Shared, SplitIo};
use crate::authentication::Authentication;
use crate::error::Error;
use crate::handshake::deadline;
use crate::last_words::Bequest;
use crate::send::Unsent;
use crate::send_limits::SendLimits;
use crate::statistics::Flow;
use crate::write::Sending;

/// The writing half of a [`TlsStream`](crate::TlsStream).
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
    pub(super) parts: Option<WriteParts<IO>>,
    pub(super) information: Arc<ConnectionInformation>,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct WriteParts<IO: SplitIo> {
    pub(super) io: IO::Write,
    pub(super) write: Sending,
}

impl<IO: SplitIo> WriteHalf<IO> {
    /// What was negotiated.
    pub fn information(&self) -> &ConnectionInformation {
        &self.information
    }

    pub(crate) fn authentication(&self) -> Option<&Authentication> {
        self.shared.authentication.as_ref()
    }

    pub(crate) fn is_closing(&self) -> bool {
        let parts = self.parts.as_ref();
        parts.is_none_or(|parts| parts.write.is_closing())
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

    /// As [`TlsStream::hibernate`](crate::TlsStream::hibernate), of this half alone.
    pub fn hibernate(&mut self) {
        if let Some(parking) = &self.shared.parking {
            parking.clear();
        }
        if let Some(parts) = &mut self.parts {
            parts.write.hibernate();
        }
    }

    pub(crate) fn send_limits(&self) -> Option<SendLimits> {
        self.parts.as_ref().map(|parts| parts.write.limits())
    }

    /// As [`TlsStream::send`](crate::TlsStream::send).
    ///
    /// # Errors
    /// When the connection cannot be written to; [`Error::is_closed`] after shutdown. [`Error::is_timeout`] when it takes
    /// longer than [`set_send_timeout`](Self::set_send_timeout) says.
    ///
    /// # Cancel safety
    /// Not cancel-safe: dropped, a part may have been sent.
    pub async fn send(&mut self, buffers: &[&[u8]]) -> Result<(), Error> {
        if let Some(within) = self.send_limits().and_then(|limits| limits.send_timeout()) {
            return Box::pin(self.send_timeout(buffers, within)).await;
        }
        let mut rest = Unsent::new(buffers);
        poll_fn(|cx| self.poll_writing(cx, |write, io, cx| rest.poll_send(write, io, cx))).await
    }

    /// As [`TlsStream::send_timeout`](crate::TlsStream::send_timeout).
    ///
    /// # Errors
    /// Also [`Error::is_timeout`]; then [`Error::sent`] says how many bytes were taken, and the connection goes on.
    ///
    /// # Cancel safety
    /// As `send`.
    pub async fn send_timeout(&mut self, buffers: &[&[u8]], within: Duration) -> Result<(), Error> {
        let mut rest = Unsent::new(buffers);
        let sending =
            poll_fn(|cx| self.poll_writing(cx, |write, io, cx| rest.poll_send(write, io, cx)));
        if let Ok(sent) = timeout_at(deadline(within), sending).await {
            return sent;
        }
        let sent = rest.sent();
        let late = |write: &mut Sending| write.give_up_waiting(within, sent);
        poll_fn(|cx| self.poll_with(cx, |write, _, _| Poll::Ready(Err::<(), _>(late(write))))).await
    }

    /// As [`TlsStream::set_send_timeout`](crate::TlsStream::set_send_timeout).
    pub fn set_send_timeout(&mut self, within: Option<Duration>) {
        let parts = self.parts.as_mut().expect(REUNITED);
        let set = |limits: &mut SendLimits| limits.set_send_timeout(within);
        parts.write.change_limits(set);
    }

    /// As [`TlsStream::set_send_timeout_close`](crate::TlsStream::set_send_timeout_close).
    pub fn set_send_timeout_close(&mut self, on: bool) {
        let parts = self.parts.as_mut().expect(REUNITED);
        parts.write.change_limits(|limits| limits.closes = on);
    }

    /// As [`TlsStream::update_keys`](crate::TlsStream::update_keys).
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

    /// For what writes nothing new.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Sending, &mut IO::Write, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        self.poll_as(cx, false, poll)
    }

    /// For what does, and so may have to wait for another key.
    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Sending, &mut IO::Write, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        self.poll_as(cx, true, poll)
    }

    fn poll_as<T>(
        &mut self,
        cx: &mut Context<'_>,
        writes: bool,
        poll: impl FnOnce(&mut Sending, &mut IO::Write, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(Err(Error::closed()));
        };
        let WriteParts { io, write } = parts;
        let (shared, information) = (&*self.shared, &mut self.information);
        let poll = |write: &mut Sending, io: &mut IO::Write, cx: &mut Context<'_>| {
            let Some(meeting) = &shared.meeting else {
                return poll(write, io, cx);
            };
            if !attend(shared, write, io, cx, information, writes) {
                return Poll::Pending;
            }
            let polled = poll(write, io, cx);
            let waits = writes && polled.is_pending() && write.wishes_to_renegotiate();
            if waits && meeting.wait() {
                shared.reader.wake();
                // From then on it is not waited for long.
                cx.waker().wake_by_ref();
            }
            polled
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
    // In this order: a half that has ended has left its alert before.
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

impl<IO: SplitIo> Unpin for WriteHalf<IO> {}

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
            .poll_writing(cx, |write, io, cx| write.poll_write(io, cx, data))
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

impl<IO: SplitIo> std::fmt::Debug for WriteHalf<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteHalf")
            .field("write", &self.parts.as_ref().map(|parts| &parts.write))
            .finish_non_exhaustive()
    }
}
