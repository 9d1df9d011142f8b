//! The writing direction: from plaintext to the transport.
//!
//! The caller's slices are sealed into the thread's scratch area, many records for one write.
//! The connection owns only what the transport refused.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use portcullis_core::{ParkedCipher, Reason, Stage, Writer};
use tokio::io::AsyncWrite;

use crate::error::Error;
use crate::last_words::Failure;
use crate::metrics::Open;
use crate::scratch::{Backlog, FULL_RECORD, GATHERED, PLAINTEXT, Scratch, WRITE_AREA};
use crate::send_limits::{Rare, SendLimits};
use crate::statistics::Flow;
use crate::wakers::{Both, Task};

/// How long a write may be to be taken while the transport is busy.
const SMALL: usize = PLAINTEXT / 4;
/// What a record without padding adds to its content, in TLS 1.3.
const RECORD_OVERHEAD: usize = FULL_RECORD - PLAINTEXT;

/// The writing half of a connection, without its transport.
pub(crate) struct Sending {
    writer: Writer,
    /// Ciphertext the transport has not taken.
    out: Backlog,
    unflushed: bool,
    closing: Closing,
    /// Boxed: hardly any connection has something of it.
    pub(crate) rare: Option<Box<Rare>>,
    /// Whether the limits are those of a server that nobody has chosen.
    pub(crate) is_of_server: bool,
    /// The task that waits for `out` to become empty or flushed, when another task does that.
    blocked: Option<Waker>,
    /// The task that waits to read from the same transport; halves have none.
    pub(crate) reader: Task,
    sent: Flow,
    /// Counted as open.
    _open: Open,
}

/// How far the write side is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    /// Another handshake goes on with the connection: nothing is sealed here.
    Renegotiating,
    /// close_notify is in `out`, or was sent.
    Notified,
    /// The transport's write side is shut down too.
    ShutDown,
}

impl Sending {
    /// `unflushed` says whether the transport has bytes that it may still hold back.
    pub(crate) fn new(
        writer: Writer,
        transmit: Vec<u8>,
        unflushed: bool,
        sent: Flow,
        limits: SendLimits,
        open: Open,
    ) -> Self {
        let mut this = Self {
            writer,
            out: transmit.into(),
            unflushed,
            closing: Closing::Open,
            rare: None,
            is_of_server: false,
            blocked: None,
            reader: Task::NONE,
            sent,
            _open: open,
        };
        this.set_limits(limits);
        this
    }

    pub(crate) fn sent(&self) -> Flow {
        self.sent
    }

    /// Whether there is memory that could be given back.
    pub(crate) fn has_spare(&self) -> bool {
        !self.writer.is_hibernating() || self.out.has_spare()
    }

    /// Keeps what cannot be made again.
    #[cold]
    pub(crate) fn hibernate(&mut self) {
        self.writer.hibernate();
        self.out.shrink();
        if self.out.is_empty() {
            self.moves();
        }
    }

    pub(crate) fn park(&mut self) -> Option<ParkedCipher> {
        self.writer.park()
    }

    pub(crate) fn unpark(&mut self, cipher: ParkedCipher) {
        self.writer.unpark(cipher);
    }

    pub(crate) fn pending(&self) -> usize {
        self.out.len()
    }

    /// Whether close_notify was said and everything before it has gone out.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closing() && self.out.is_empty()
    }

    /// The peer's fatal alert, if the other half has read one.
    pub(crate) fn received_alert(&self) -> Option<Error> {
        let error = Error::from(self.writer.mailbox().failure()?.clone());
        error.is_received_alert().then_some(error)
    }

    /// Seals and writes from the start of `data`; returns how many bytes of it were taken.
    ///
    /// What was taken is on its way: what the transport refuses is kept and pushed by the next
    /// poll of any kind. While the transport is busy, small writes are gathered behind that.
    pub(crate) fn poll_write<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>>
    where
        W: AsyncWrite + Unpin,
    {
        self.check()?;
        if self.closing != Closing::Open {
            return self.not_open(cx);
        }
        if data.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        loop {
            if self.poll_push_or_block(io, cx)?.is_pending() {
                return self.gather(data);
            }
            let mut scratch = Scratch::take();
            let sealed = self
                .writer
                .seal_vectored(data, &mut scratch[..WRITE_AREA])
                .map_err(|error| self.break_off(error.into()))?;
            let written = self.write_some(io, cx, &scratch[..sealed.written])?;
            if written < sealed.written {
                self.out.keep(scratch, written..sealed.written);
            }
            // Nothing is taken when the reader's alert comes first; then the next round fails.
            if sealed.consumed > 0 {
                return Poll::Ready(Ok(sealed.consumed));
            }
            if sealed.written == 0 {
                // The key is to be replaced: whoever has both directions begins with that now, and else the next
                // round goes on with the key.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    #[cold]
    fn not_open<T>(&mut self, cx: &Context<'_>) -> Poll<Result<T, Error>> {
        if self.is_renegotiating() {
            self.block(cx);
            return Poll::Pending;
        }
        Poll::Ready(Err(Error::closed()))
    }

    /// Takes a small write though the transport is busy, so that many go out together; a larger
    /// one waits.
    fn gather(&mut self, data: &[IoSlice<'_>]) -> Poll<Result<usize, Error>> {
        let length: usize = data.iter().map(|slice| slice.len()).sum();
        // When the reader has failed, what was taken before goes out first, and then its alert.
        if length > SMALL
            || self.out.len() + length + RECORD_OVERHEAD > GATHERED
            || self.reader_has_failed()
        {
            return Poll::Pending;
        }
        let mut scratch = Scratch::take();
        let sealed = self
            .writer
            .seal_vectored(data, &mut scratch)
            .map_err(|error| self.break_off(error.into()))?;
        self.out.gather(&scratch[..sealed.written]);
        match sealed.consumed {
            // The reader has failed just now: when its alert is out, writing fails.
            0 => Poll::Pending,
            consumed => Poll::Ready(Ok(consumed)),
        }
    }

    /// Sends what is there, and flushes the transport.
    pub(crate) fn poll_flush<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        ready!(self.poll_push_or_block(io, cx))?;
        while self.has_mail() {
            self.answer_mail()?;
            ready!(self.poll_push_or_block(io, cx))?;
        }
        if self.unflushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.has_flushed(cx),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.lose(error))),
                Poll::Pending => {
                    self.check_stalled(cx)?;
                    self.block(cx);
                    return Poll::Pending;
                }
            }
        }
        self.moves();
        Poll::Ready(match self.end_after_alert(io, cx) {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    /// Sends close_notify; the transport stays open.
    pub(crate) fn poll_close_notify<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.is_renegotiating() {
            self.check()?;
            return self.not_open(cx);
        }
        self.notify_close()?;
        self.poll_flush(io, cx)
    }

    /// Sends close_notify and shuts the transport's write side down.
    pub(crate) fn poll_shutdown<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.closing == Closing::ShutDown {
            return Poll::Ready(self.check());
        }
        // Flushing again would be progress, and the transport's own shutdown would have time for ever.
        if !self.is_shutting_down()
            && let Err(error) = ready!(self.poll_close_notify(io, cx))
        {
            // The reader's alert went out instead, and the transport was not ready then.
            if error.is_refusal() && self.closing != Closing::ShutDown {
                let _ = ready!(self.poll_transport_shutdown(io, cx))?;
                self.closing = Closing::ShutDown;
            }
            return Poll::Ready(Err(error));
        }
        if let Err(error) = ready!(self.poll_transport_shutdown(io, cx))? {
            // The peer may have gone first: what was sent, was sent.
            if error.kind() != io::ErrorKind::NotConnected {
                return Poll::Ready(Err(self.break_off(Error::io(error, Stage::Closing))));
            }
        }
        self.closing = Closing::ShutDown;
        self.moves();
        Poll::Ready(Ok(()))
    }

    /// Whether close_notify has gone out, and nothing is left but the transport's write side.
    fn is_shutting_down(&self) -> bool {
        self.closing == Closing::Notified
            && self.out.is_empty()
            && !self.unflushed
            && !self.has_mail()
            && self.writer.failure().is_none()
            && self.failed().is_none()
    }

    /// The transport's, for as long as it may take nothing.
    fn poll_transport_shutdown<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<io::Result<()>, Error>>
    where
        W: AsyncWrite + Unpin,
    {
        let shut_down = Pin::new(io).poll_shutdown(cx);
        if shut_down.is_pending() {
            self.check_stalled(cx)?;
        }
        shut_down.map(Ok)
    }

    /// Does what is due, because someone polls the other direction: answers the peer's
    /// KeyUpdate, sends the reader's alert, pushes and flushes what was written.
    ///
    /// Errors are kept for the next write.
    #[inline]
    pub(crate) fn serve<W>(&mut self, io: &mut W, cx: &mut Context<'_>)
    where
        W: AsyncWrite + Unpin,
    {
        if self.unflushed || !self.out.is_empty() || self.has_mail() {
            self.serve_now(io, cx);
        }
    }

    #[cold]
    fn serve_now<W>(&mut self, io: &mut W, cx: &mut Context<'_>)
    where
        W: AsyncWrite + Unpin,
    {
        if let Some(failure) = self.failed() {
            // The reader may have found the reason.
            failure.wake();
            return;
        }
        // A transport remembers one waker for writing: it must not forget who waits to write.
        let waker = match &self.blocked {
            Some(blocked) if !blocked.will_wake(cx.waker()) => {
                Waker::from(Arc::new(Both(blocked.clone(), cx.waker().clone())))
            }
            _ => cx.waker().clone(),
        };
        let cx = &mut Context::from_waker(&waker);
        loop {
            if !matches!(self.poll_push(io, cx), Poll::Ready(Ok(()))) {
                return;
            }
            if !self.has_mail() {
                break;
            }
            if self.answer_mail().is_err() {
                return;
            }
        }
        if self.unflushed {
            match Pin::new(&mut *io).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.has_flushed(cx),
                Poll::Ready(Err(error)) => {
                    self.lose(error);
                    return;
                }
                Poll::Pending => {
                    // Kept for the next write.
                    let _ = self.check_stalled(cx);
                    return;
                }
            }
        }
        self.moves();
        self.end_after_alert(io, cx);
    }

    /// When the reader's alert is out, this direction has ended with the other, and nothing
    /// follows (RFC 8446 §6.2).
    fn end_after_alert<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Option<Error>
    where
        W: AsyncWrite + Unpin,
    {
        if self.is_renegotiating() {
            return None;
        }
        let error = self.writer.failure()?.clone();
        if self.closing == Closing::Open && Pin::new(io).poll_shutdown(cx).is_ready() {
            self.closing = Closing::ShutDown;
        }
        Some(self.break_off(error.into()))
    }

    /// Changes the write key, and asks the peer to change its own if told so. To be flushed: if
    /// the reader has failed, it is its alert that goes out, and flushing says so.
    pub(crate) fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        self.check()?;
        match self.closing {
            Closing::Open | Closing::Renegotiating => {}
            Closing::Notified | Closing::ShutDown => return Err(Error::closed()),
        }
        self.answer_mail()?;
        if self.reader_has_failed() {
            return Ok(());
        }
        let mut scratch = Scratch::take();
        let count = match self.writer.key_update(request_peer, &mut scratch) {
            Ok(count) => count,
            // Before TLS 1.3 there is no such thing, and nothing has happened.
            Err(error) if matches!(error.reason(), Reason::Misuse(_)) => return Err(error.into()),
            Err(error) => return Err(self.break_off(error.into())),
        };
        self.out.extend(&scratch[..count]);
        Ok(())
    }

    /// Says good-bye as far as that is possible without waiting.
    pub(crate) fn farewell<W>(&mut self, io: &mut W)
    where
        W: AsyncWrite + Unpin,
    {
        if self.closing == Closing::ShutDown || self.failed().is_some() || std::thread::panicking()
        {
            return;
        }
        let mut cx = Context::from_waker(Waker::noop());
        // In a handshake its last words are said already.
        let _ = match self.closing {
            Closing::Renegotiating => self.poll_flush(io, &mut cx),
            _ => self.poll_close_notify(io, &mut cx),
        };
    }

    #[inline]
    fn check(&self) -> Result<(), Error> {
        match self.failed() {
            Some(failure) => Err(failure.error().clone()),
            None => Ok(()),
        }
    }

    /// What a handshake goes on with; until [`go_on`](Self::go_on) nothing is sealed here, and who
    /// wants to write waits.
    pub(crate) fn hand_over(&mut self) -> &mut Writer {
        if self.closing == Closing::Open {
            self.closing = Closing::Renegotiating;
        }
        &mut self.writer
    }

    /// Leaves the writer to the other half, for a handshake: as [`hand_over`](Self::hand_over). `None`
    /// when there is nothing more to write with.
    pub(crate) fn leave_writer(&mut self) -> Option<Writer> {
        // What the reader wants said comes before.
        if self.closing != Closing::Open || self.failed().is_some() || self.answer_mail().is_err() {
            return None;
        }
        if self.writer.failure().is_some() {
            return None;
        }
        Some(self.hand_over().take())
    }

    pub(crate) fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The task that waits to write.
    pub(crate) fn blocked(&self) -> Option<&Waker> {
        self.blocked.as_ref()
    }

    /// Whether another handshake is to replace the key.
    pub(crate) fn wishes_to_renegotiate(&self) -> bool {
        self.writer.mailbox().wishes_to_renegotiate() && self.closing == Closing::Open
    }

    /// The key is used up instead.
    pub(crate) fn forget_wish(&self) {
        self.writer.mailbox().take_wish();
    }

    pub(crate) fn is_renegotiating(&self) -> bool {
        self.closing == Closing::Renegotiating
    }

    /// Whether close_notify was said.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.closing, Closing::Notified | Closing::ShutDown)
    }

    /// What the handshake says.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// The handshake is over, or has not begun.
    pub(crate) fn go_on(&mut self, writer: Option<(Writer, Vec<u8>)>) {
        if let Some((writer, transmit)) = writer {
            self.writer = writer;
            self.out.extend(&transmit);
        }
        if self.is_renegotiating() {
            self.closing = Closing::Open;
        }
        if let Some(waker) = self.blocked.take() {
            waker.wake();
        }
    }

    /// The handshake has failed, and its alert is out as far as that was possible.
    pub(crate) fn fail(&mut self, error: Error) {
        self.break_off(error);
    }

    fn reader_has_failed(&self) -> bool {
        self.writer.mailbox().failure().is_some()
    }

    /// Seals close_notify, once; if the reader has failed, its alert in place of it, and flushing
    /// says so when that is out.
    fn notify_close(&mut self) -> Result<(), Error> {
        if self.closing == Closing::Open {
            self.answer_mail()?;
            if self.reader_has_failed() {
                return Ok(());
            }
            let mut scratch = Scratch::take();
            let count = self
                .writer
                .close_notify(&mut scratch)
                .map_err(|error| self.break_off(error.into()))?;
            self.out.extend(&scratch[..count]);
            self.closing = Closing::Notified;
        }
        Ok(())
    }

    /// Whether the mailbox asks for something. In a handshake that has to wait: the writer is elsewhere.
    #[inline]
    fn has_mail(&self) -> bool {
        self.writer.mailbox().has_work() && !self.is_renegotiating()
    }

    /// Seals what the mailbox asks for.
    ///
    /// Only behind an empty `out`, but once before a close: a peer that asks for KeyUpdates and
    /// reads none of the answers would have them pile up here. In the mailbox they are one.
    fn answer_mail(&mut self) -> Result<(), Error> {
        if self.has_mail() {
            let mut scratch = Scratch::take();
            let count = self
                .writer
                .drain_mailbox(&mut scratch)
                .map_err(|error| self.break_off(error.into()))?;
            self.out.extend(&scratch[..count]);
        }
        Ok(())
    }

    #[inline]
    fn poll_push_or_block<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.out.is_empty() && self.blocked.is_none() {
            return Poll::Ready(self.check());
        }
        let pushed = self.poll_push(io, cx);
        if pushed.is_pending() {
            self.block(cx);
        }
        pushed
    }

    /// Notes the task that waits.
    fn block(&mut self, cx: &Context<'_>) {
        match &mut self.blocked {
            Some(waker) => waker.clone_from(cx.waker()),
            blocked => *blocked = Some(cx.waker().clone()),
        }
    }

    /// Writes what the transport has refused before.
    fn poll_push<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
    where
        W: AsyncWrite + Unpin,
    {
        // Nothing changes here for a task that waits for a flush: were it woken, it would only wait again, and wake
        // this one in its turn.
        let waits_for_flush = self.out.is_empty() && self.unflushed;
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            let written = self.write_some(io, cx, out.as_slice());
            self.out = out;
            // A broken transport takes no more: nothing need be kept for it.
            self.out.consume(*written.as_ref().unwrap_or(&usize::MAX));
            written?;
            if !self.out.is_empty() {
                self.check_stalled(cx)?;
                return Poll::Pending;
            }
        }
        if !waits_for_flush {
            self.unblock(cx);
        }
        Poll::Ready(self.check())
    }

    fn has_flushed(&mut self, cx: &Context<'_>) {
        self.unflushed = false;
        self.unblock(cx);
    }

    /// A task that was told to wait may have been waiting on a waker that another task replaced.
    fn unblock(&mut self, cx: &Context<'_>) {
        if let Some(waker) = self.blocked.take()
            && !waker.will_wake(cx.waker())
        {
            waker.wake();
        }
    }

    /// Writes until the transport refuses; returns how many bytes it took.
    fn write_some<W>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Result<usize, Error>
    where
        W: AsyncWrite + Unpin,
    {
        let mut written = 0;
        while written < bytes.len() {
            match Pin::new(&mut *io).poll_write(cx, &bytes[written..]) {
                Poll::Ready(Ok(0)) => return Err(self.lose(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.sent.count(count);
                    self.unflushed = true;
                    written += count;
                }
                Poll::Ready(Err(error)) => return Err(self.lose(error)),
                Poll::Pending => break,
            }
        }
        Ok(written)
    }

    /// The transport is broken.
    #[cold]
    fn lose(&mut self, error: io::Error) -> Error {
        self.break_off(Error::io(error, Stage::Connected))
    }

    /// Ends writing for good.
    #[cold]
    fn break_off(&mut self, error: Error) -> Error {
        if let Some(waker) = self.blocked.take() {
            waker.wake();
        }
        let rare = self.rare.get_or_insert_default();
        let failed = rare.failed.get_or_insert_with(|| Failure::new(error));
        failed.error().clone()
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending")
            .field("out", &self.out)
            .field("closing", &self.closing)
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}
