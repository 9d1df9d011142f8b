//! How often the transport is asked before other tasks have their turn.

use std::num::NonZeroU16;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::poll_proceed;

use super::Receiving;
use super::target::Target;
use crate::error::Error;

/// What there is unless somebody says otherwise.
pub(crate) const READS_PER_TURN: NonZeroU16 = NonZeroU16::new(100).unwrap();

/// How often the transport has given something since it last had nothing.
///
/// Tokio's sockets are pending by themselves after so many reads of a task; other transports need not be.
#[derive(Debug, Default)]
pub struct Turn {
    reads: u16,
    /// Whether the last poll of it ended for others' sake.
    is_over: bool,
}

impl Turn {
    /// Whether others are to have theirs: then the task is woken, and a new one begins.
    fn is_over(&mut self, reads: NonZeroU16, cx: &Context<'_>) -> bool {
        let is_over = self.reads >= reads.get();
        if is_over {
            self.reads = 0;
            cx.waker().wake_by_ref();
        }
        self.is_over = is_over;
        is_over
    }

    /// Ready when it was the transport that was pending, and had nothing. If it was this turn that was over, or
    /// Tokio's budget, there may be more, and the task has been woken to look.
    pub(crate) fn poll_exhausted(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.is_over {
            true => Poll::Pending,
            // Given back.
            false => poll_proceed(cx).map(drop),
        }
    }

    /// One more poll of a transport, which was asked so often in it.
    fn note(&mut self, reads: u64, is_pending: bool) {
        let reads = u16::try_from(reads).unwrap_or(u16::MAX);
        self.reads = match is_pending {
            true => 0,
            false => self.reads.saturating_add(reads),
        };
    }
}

impl Receiving {
    /// How many reads of the transport a turn has.
    pub(crate) fn reads_per_turn(&self) -> NonZeroU16 {
        self.manners()
            .map_or(READS_PER_TURN, |manners| manners.reads_per_turn)
    }

    pub(crate) fn set_reads_per_turn(&mut self, reads: NonZeroU16) {
        if let Some(manners) = self.manners_mut() {
            manners.reads_per_turn = reads;
        }
    }

    /// The next record's plaintext in memory of its own; `None` is the peer's close_notify.
    ///
    /// The transport is asked for at most what this many records may take, as often as the turn allows.
    pub(crate) fn poll_message<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Bytes>, Error>>
    where
        R: AsyncRead + Unpin,
    {
        if !self.plain.is_empty() {
            ready!(self.poll_budget(cx));
            return Poll::Ready(Ok(Some(self.plain.take(self.plain.len()))));
        }
        let mut target = Target::Message {
            records,
            message: None,
        };
        ready!(self.poll_open_in_turn(io, cx, &mut target, turn));
        if let Target::Message {
            message: Some(message),
            ..
        } = target
        {
            return Poll::Ready(Ok(Some(message)));
        }
        Poll::Ready(self.ended().map(|()| None))
    }

    /// As [`poll_read`](Self::poll_read), as often as the turn allows.
    pub(crate) fn poll_read_in_turn<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        turn: &mut Turn,
    ) -> Poll<Result<(), Error>>
    where
        R: AsyncRead + Unpin,
    {
        if !self.plain.is_empty() {
            return self.poll_read(io, cx, buf);
        }
        let before = buf.filled().len();
        let mut target = Target::Caller { buf, before };
        ready!(self.poll_open_in_turn(io, cx, &mut target, turn));
        if target.has_some() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.ended())
    }

    fn poll_open_in_turn<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        target: &mut Target<'_, '_>,
        turn: &mut Turn,
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
    {
        loop {
            if turn.is_over(self.reads_per_turn(), cx) {
                return Poll::Pending;
            }
            let before = self.received.operations();
            let polled = self.poll_open_once(io, cx, target);
            turn.note(self.received.operations() - before, polled.is_pending());
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => {}
                Poll::Ready(true) => return Poll::Ready(()),
            }
        }
    }
}
