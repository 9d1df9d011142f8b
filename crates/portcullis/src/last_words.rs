//! Alerts at the end of a transport: that ours arrives, and that the peer's is seen.
//!
//! RFC 8446 §6.2. A peer that refuses sends its alert and closes. A task that is writing meets a
//! broken transport first; the alert is what came before that and was not read yet.
//!
//! A transport that is closed over unread bytes resets, and what the peer has not read by then is
//! lost. So whoever refuses reads on until the peer has closed too.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::error::Error;
use crate::handshake::within_bounds;
use crate::renegotiation::{self, Ends as _};
use crate::scratch::Scratch;
use crate::stream::Parts;
use crate::wakers::Task;
use crate::write::Sending;

/// How much of a refused peer's is read and forgotten, and how much data is read to come to the
/// alert of one that refuses.
pub(crate) const READ_AWAY: usize = 64 * 1024;
/// How many transports that nobody has any more are read from at a time.
const MOST_LINGERING: usize = 1_024;
/// Descriptors are the process's, so their bound is, too.
static LINGERING: Semaphore = Semaphore::const_new(MOST_LINGERING);
/// How long a write on a broken transport waits for the alert to be found.
const SEARCH: Duration = Duration::from_millis(100);

/// Reads and forgets until the peer has closed, the transport fails, or none are `left` of the
/// bytes that may be read.
pub(crate) fn poll_read_away<R>(io: &mut R, cx: &mut Context<'_>, left: &mut usize) -> Poll<()>
where
    R: AsyncRead + Unpin,
{
    let mut scratch = Scratch::take();
    while *left > 0 {
        let limit = scratch.len().min(*left);
        let mut buf = ReadBuf::new(&mut scratch[..limit]);
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => *left -= buf.filled().len(),
            _ => break,
        }
    }
    Poll::Ready(())
}

/// The same with what has come so far.
pub(crate) fn read_away_at_once<R: AsyncRead + Unpin>(io: &mut R) {
    let mut cx = Context::from_waker(Waker::noop());
    let _ = poll_read_away(io, &mut cx, &mut { READ_AWAY });
}

/// Why reading has ended, and if that is a refusal, whether the peer has its alert by now.
#[derive(Debug)]
pub(crate) struct Ending {
    error: Error,
    arrival: Arrival,
}

#[derive(Debug)]
enum Arrival {
    /// To be waited for, for this long.
    Due(Duration),
    Until {
        timer: Pin<Box<Sleep>>,
        left: usize,
    },
    Over,
}

impl Ending {
    /// Why reading has ended. If the peer is told, that takes at most `alert_timeout`.
    pub(crate) fn new(error: Error, alert_timeout: Duration) -> Self {
        let arrival = match error.is_refusal() {
            true => Arrival::Due(alert_timeout),
            false => Arrival::Over,
        };
        Self { error, arrival }
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// How long the peer may still take.
    fn limit(&self) -> Option<Duration> {
        match &self.arrival {
            Arrival::Due(limit) => Some(*limit),
            Arrival::Until { timer, .. } => Some(timer.deadline() - Instant::now()),
            Arrival::Over => None,
        }
    }

    /// Reads away until the peer has closed, which says that it has the alert, or for as long as
    /// it may take; without a runtime, not at all.
    fn poll_arrival<R>(&mut self, io: &mut R, cx: &mut Context<'_>) -> Poll<()>
    where
        R: AsyncRead + Unpin,
    {
        if let Arrival::Due(limit) = self.arrival
            && !limit.is_zero()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.arrival = Arrival::Until {
                timer: Box::pin(sleep(within_bounds(limit))),
                left: READ_AWAY,
            };
        }
        if let Arrival::Until { timer, left } = &mut self.arrival
            && poll_read_away(io, cx, left).is_pending()
        {
            ready!(timer.as_mut().poll(cx));
        }
        self.arrival = Arrival::Over;
        Poll::Ready(())
    }
}

/// Reads away from a transport that nobody has any more: at once, or in a task if the peer may
/// take longer, and not so many do so already that they would keep the descriptors from others.
fn read_away_in_background<R>(mut io: R, limit: Duration)
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let mut left = READ_AWAY;
    let mut cx = Context::from_waker(Waker::noop());
    if poll_read_away(&mut io, &mut cx, &mut left).is_pending()
        && let Ok(place) = LINGERING.try_acquire()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(async move {
            let reading = std::future::poll_fn(|cx| poll_read_away(&mut io, cx, &mut left));
            let _ = timeout(limit, reading).await;
            drop((io, place));
        });
    }
}

impl std::fmt::Debug for Bequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Alone => "Alone",
            Self::Task(_) => "Task",
        })
    }
}

/// What one half of a connection leaves to the other when it is dropped: the alert is written by
/// the writing half, and its arrival is seen by the reading half's transport.
#[derive(Default)]
pub(crate) enum Bequest {
    #[default]
    None,
    /// The other half is gone, with nothing left to do.
    Alone,
    /// The other half is gone, and this is to be done when this one is gone too.
    Task(Box<dyn FnOnce() + Send>),
}

impl Bequest {
    /// The writing half is dropped, its alert written.
    pub(crate) fn writer_gone(bequest: &Mutex<Self>) {
        let mut bequest = bequest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Self::Task(task) = std::mem::replace(&mut *bequest, Self::Alone) {
            drop(bequest);
            task();
        }
    }

    /// The reading half is dropped, after it has refused what the peer sent.
    pub(crate) fn reader_gone<R>(bequest: &Mutex<Self>, io: R, refusal: &Ending)
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        let Some(limit) = refusal.limit() else {
            return;
        };
        let task = move || read_away_in_background(io, limit);
        let mut bequest = bequest.lock().unwrap_or_else(PoisonError::into_inner);
        match *bequest {
            Self::Alone => {
                drop(bequest);
                task();
            }
            _ => *bequest = Self::Task(Box::new(task)),
        }
    }
}

/// Why writing has ended.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    search: Search,
}

/// Whether the peer's alert may still be found, which is then the better reason.
#[derive(Debug)]
enum Search {
    Due,
    Until(Pin<Box<Sleep>>, Waker),
    Over,
}

impl Failure {
    pub(crate) fn new(error: Error) -> Self {
        let search = match error.transport() {
            Some(_) => Search::Due,
            None => Search::Over,
        };
        Self { error, search }
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    pub(crate) fn is_final(&self) -> bool {
        matches!(self.search, Search::Over)
    }

    /// The peer's alert is the reason.
    pub(crate) fn explain(&mut self, alert: Error) -> Error {
        self.error = alert;
        self.search = Search::Over;
        self.error.clone()
    }

    /// There is no alert.
    pub(crate) fn give_up(&mut self) {
        self.search = Search::Over;
    }

    /// Wakes the task that waits for the alert, so that it looks again.
    pub(crate) fn wake(&self) {
        if let Search::Until(_, waker) = &self.search {
            waker.wake_by_ref();
        }
    }

    /// Waits for as long as an alert may take to be found; without a runtime, not at all.
    pub(crate) fn poll_search(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Search::Due = self.search
            && tokio::runtime::Handle::try_current().is_ok()
        {
            let timer = Box::pin(sleep(SEARCH));
            self.search = Search::Until(timer, cx.waker().clone());
        }
        if let Search::Until(timer, waker) = &mut self.search {
            waker.clone_from(cx.waker());
            ready!(timer.as_mut().poll(cx));
        }
        self.give_up();
        Poll::Ready(())
    }
}

impl Sending {
    /// Why nothing can be written any more, when it is known: on a broken transport after the
    /// peer's alert was looked for.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failed().filter(|failure| failure.is_final())?;
        self.broken()
    }

    /// The same before that.
    pub(crate) fn broken(&self) -> Option<&Error> {
        self.failed().map(Failure::error)
    }

    /// A failure whose reason may be the peer's alert.
    pub(crate) fn open_failure(&mut self) -> Option<&mut Failure> {
        let failure = self.rare.as_mut()?.failed.as_mut()?;
        (!failure.is_final()).then_some(failure)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Parts<IO> {
    /// After each poll for writing: if the transport is broken, the peer may have said why.
    #[inline]
    pub(crate) fn explained<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        if self.read.may_look() {
            self.look(cx, polled.is_pending());
        }
        match polled {
            Poll::Ready(Err(error)) if error.transport().is_some() => {
                self.explain(cx, error).map(Err)
            }
            Poll::Pending if self.read.is_renegotiating() || self.renews_key() => {
                self.renegotiate_on(cx, renegotiation::Task::Writing);
                Poll::Pending
            }
            polled => polled,
        }
    }

    #[cold]
    fn look(&mut self, cx: &mut Context<'_>, is_pending: bool) {
        if self.read.is_discarding() {
            self.discard(cx, is_pending);
        } else if self.read.is_unanswered() {
            self.look_for_answer(cx);
        }
    }

    /// After each poll for reading that has failed: if this side refuses, its alert is to arrive
    /// before that is told.
    #[cold]
    pub(crate) fn refuse(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_broken = self
            .write
            .broken()
            .is_some_and(|error| error.transport().is_some());
        let Some(refusal) = self.read.refusal().filter(|_| !is_broken) else {
            return Poll::Ready(());
        };
        let arrived = refusal.poll_arrival(&mut self.io, cx);
        if arrived.is_pending() {
            self.write.reader = Task::of(cx.waker());
        }
        arrived
    }

    #[cold]
    fn explain(&mut self, cx: &mut Context<'_>, broken: Error) -> Poll<Error> {
        let reader = self.write.reader;
        let Some(failure) = self.write.open_failure() else {
            return Poll::Ready(broken);
        };
        // A transport remembers one waker for reading. Another task that waits there must not be
        // forgotten; it is woken when there is something, and finds the alert itself.
        if reader == Task::NONE || reader == Task::of(cx.waker()) {
            while self.read.plain().len() < READ_AWAY {
                let have = self.read.plain().len();
                if !matches!(
                    self.read.poll_fill(&mut self.io, cx, have),
                    Poll::Ready(Ok(()))
                ) || self.read.plain().len() == have
                {
                    break;
                }
            }
        }
        if let Some(alert) = self.read.alert() {
            return Poll::Ready(failure.explain(alert.clone()));
        }
        if self.read.has_ended() || self.read.plain().len() >= READ_AWAY {
            failure.give_up();
        }
        ready!(failure.poll_search(cx));
        Poll::Ready(broken)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    /// Peers that never close keep no more transports than that, and not for longer than told.
    #[tokio::test(start_paused = true)]
    async fn so_many_are_waited_for_and_no_more() {
        let limit = Duration::from_secs(5);
        let leave = || {
            let (ours, peers) = duplex(1);
            read_away_in_background(ours, limit);
            peers
        };
        let mut all: Vec<_> = (0..MOST_LINGERING).map(|_| leave()).collect();
        tokio::task::yield_now().await;
        for peer in &mut all {
            peer.write_all(b"still heard").await.unwrap();
        }
        assert!(leave().write_all(b"closed at once").await.is_err());
        // One that closes makes room for another.
        drop(all.pop());
        sleep(Duration::from_secs(1)).await;
        leave().write_all(b"heard").await.unwrap();
        sleep(limit).await;
        for mut peer in all {
            assert!(peer.write_all(b"closed by now").await.is_err());
        }
        assert_eq!(LINGERING.available_permits(), MOST_LINGERING);
    }
}
