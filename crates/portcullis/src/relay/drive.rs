//! The future of a relay: what the end of one side means for the other, and how long all may take.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::end::RelayEnd;
use super::options::RelayOptions;
use super::way::{Moved, Phase, Way};
use super::{HowEnded, RelayOutcome};
use crate::last_words::READ_AWAY;

/// For how long is read away what a TLS peer has sent behind its close_notify: a transport that is closed over unread
/// bytes is reset, and the peer may lose what it has not read.
const LINGER: Duration = Duration::from_secs(1);

/// A [`relay`](crate::relay()) that goes on.
#[must_use = "a relay moves nothing unless it is polled"]
pub struct Relay<A: RelayEnd, B: RelayEnd> {
    /// Until it is over.
    ends: Option<(A, B)>,
    a_to_b: Way,
    b_to_a: Way,
    options: RelayOptions,
    /// What is counted of this relay in the memory of all.
    held: usize,
    last_moved: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Both have ended, and one of them has bytes behind its end.
    lingers: bool,
    /// One has broken, and the other is cut as soon as its system has sent what it was given. Boxed: hardly any has it.
    sending: Option<Box<TcpStream>>,
}

/// Which limit is the next.
enum Limit {
    Idle,
    HalfClose,
    /// What the first end, or the second, does not take.
    StallOfA,
    StallOfB,
}

impl<A: RelayEnd, B: RelayEnd> Relay<A, B> {
    pub(super) fn new(a: A, b: B, options: RelayOptions) -> Self {
        Self {
            ends: Some((a, b)),
            a_to_b: Way::new(),
            b_to_a: Way::new(),
            options,
            held: 0,
            last_moved: Instant::now(),
            timer: None,
            lingers: false,
            sending: None,
        }
    }

    /// How many bytes have gone from the first end to the second, and back, so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.a_to_b.bytes, self.b_to_a.bytes)
    }

    /// Ends it now: what has come by now is passed on as far as it is taken at once, and both ends are cut, but for one that
    /// was told all, and the other's end. What came of it; if it was over, that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::{RelayOptions, relay};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (near, _client) = tokio::io::duplex(1);
    /// # let (far, _server) = tokio::io::duplex(1);
    /// let mut relay = relay(near, far, RelayOptions::new());
    /// let outcome = tokio::select! {
    ///     outcome = &mut relay => outcome,
    ///     // A server that is to stop waits for its connections, but not for ever.
    ///     () = tokio::time::sleep(Duration::from_millis(10)) => relay.cut(),
    /// };
    /// assert!(!outcome.is_clean());
    /// # }
    /// ```
    pub fn cut(mut self) -> RelayOutcome {
        if self.ends.is_some() && !self.lingers && self.sending.is_none() {
            // Nobody waits for it any more: what has come by now goes as far as it goes at once.
            let _ = self.poll_ways(&mut Context::from_waker(Waker::noop()));
        }
        self.close()
    }

    fn phases(&self) -> (Phase, Phase) {
        (self.a_to_b.phase, self.b_to_a.phase)
    }

    /// Moves what can be moved now; ready when nothing more is to be moved.
    fn poll_ways(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (a, b) = expect(&mut self.ends);
        let (a_to_b, b_to_a) = (&mut self.a_to_b, &mut self.b_to_a);
        let is_short = self.options.memory.is_short();
        let discard = self.options.most_discarded();
        let mut goes_on = false;
        // What one direction comes to may be what the other waits for. No phase comes twice.
        loop {
            let phases = (a_to_b.phase, b_to_a.phase);
            let moved = a_to_b.advance(a, b, cx, is_short, discard);
            goes_on |= matches!(moved, Moved::Goes);
            if settle(moved, a, a_to_b, b_to_a) {
                return Poll::Ready(());
            }
            let moved = b_to_a.advance(b, a, cx, is_short, discard);
            goes_on |= matches!(moved, Moved::Goes);
            if settle(moved, b, b_to_a, a_to_b) {
                return Poll::Ready(());
            }
            match (a_to_b.phase, b_to_a.phase) {
                (Phase::Done, Phase::Done) => return Poll::Ready(()),
                now if now == phases => break,
                _ => {}
            }
        }
        // A stream that is read pushes what was written to it, and then its transport wakes nobody for that.
        if goes_on || a_to_b.is_freed(b) || b_to_a.is_freed(a) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Counts what is kept, and looks at the clock; ready when a limit is reached.
    fn poll_limits(&mut self, cx: &mut Context<'_>, has_changed: bool) -> Poll<()> {
        let (a, b) = expect(&mut self.ends);
        let (for_a, for_b) = (self.b_to_a.held(a), self.a_to_b.held(b));
        let mut now = None;
        let has_moved = [
            self.a_to_b.look(for_b, &mut now),
            self.b_to_a.look(for_a, &mut now),
        ];
        // An end counts as a byte.
        if has_changed || has_moved.contains(&true) {
            self.last_moved = *now.get_or_insert_with(Instant::now);
        }
        let held = for_a + for_b;
        if held != self.held {
            let may_grow = self.options.memory.change(self.held, held);
            self.held = held;
            if !may_grow {
                self.reach(match for_a > for_b {
                    true => Limit::StallOfA,
                    false => Limit::StallOfB,
                });
                return Poll::Ready(());
            }
        }
        loop {
            let (due, limit) = self.next_limit();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // It is looked at when it ends, and not moved with each byte.
            if due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            // A task whose budget is used up is to be told all the same.
            if pin!(unconstrained(timer.as_mut())).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if due <= timer.deadline() {
                self.reach(limit);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }

    /// When time is up next, and for what.
    fn next_limit(&self) -> (Instant, Limit) {
        let (half_close, idle, stall) = self.options.limits();
        let mut next = (self.last_moved + idle, Limit::Idle);
        let mut also = |due: Instant, limit| {
            if due <= next.0 {
                next = (due, limit);
            }
        };
        let is_open = |way: &Way| way.phase == Phase::Open;
        if !is_open(&self.a_to_b) || !is_open(&self.b_to_a) {
            also(self.last_moved + half_close, Limit::HalfClose);
        }
        if let Some(since) = self.b_to_a.stalled() {
            also(since + stall, Limit::StallOfA);
        }
        if let Some(since) = self.a_to_b.stalled() {
            also(since + stall, Limit::StallOfB);
        }
        next
    }

    fn reach(&mut self, limit: Limit) {
        self.name_the_lost();
        let (of_a, of_b) = (&mut self.a_to_b.end, &mut self.b_to_a.end);
        match limit {
            Limit::Idle => {
                of_a.get_or_insert(HowEnded::Idle);
                of_b.get_or_insert(HowEnded::Idle);
            }
            Limit::HalfClose => {
                of_a.get_or_insert(HowEnded::HalfClosed);
                of_b.get_or_insert(HowEnded::HalfClosed);
            }
            Limit::StallOfA => *of_a = Some(HowEnded::Stalled),
            Limit::StallOfB => *of_b = Some(HowEnded::Stalled),
        }
    }

    /// An end that takes no more and has not said why is known by the error of writing.
    fn name_the_lost(&mut self) {
        let (of_a, of_b) = (&mut self.a_to_b, &mut self.b_to_a);
        of_a.end = of_a.end.take().or_else(|| of_b.lost_end());
        of_b.end = of_b.end.take().or_else(|| of_a.lost_end());
    }

    /// Both have ended in good order: reads away what one of them has behind its end, if there is something.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (a, b) = expect(&mut self.ends);
        let (mut of_a, mut of_b) = (READ_AWAY, READ_AWAY);
        let is_over = [
            a.poll_read_away(cx, &mut of_a).is_ready(),
            b.poll_read_away(cx, &mut of_b).is_ready(),
        ];
        let is_read = |left: usize, is_over: bool| left < READ_AWAY && !is_over;
        if !self.lingers {
            if !is_read(of_a, is_over[0]) && !is_read(of_b, is_over[1]) {
                return Poll::Ready(());
            }
            self.lingers = true;
            self.timer = Some(Box::pin(sleep_until(Instant::now() + LINGER)));
        }
        match &mut self.timer {
            Some(timer) if is_over.contains(&false) => pin!(unconstrained(timer.as_mut())).poll(cx),
            _ => Poll::Ready(()),
        }
    }

    /// One end has broken, or was cut short: what came of it before the other is to have, whose system may not have sent it yet.
    fn sending(&mut self) -> Option<Box<TcpStream>> {
        let (a, b) = expect(&mut self.ends);
        let has_broken = |way: &Way| {
            matches!(
                way.end,
                Some(HowEnded::Truncated | HowEnded::Reset | HowEnded::Failed(_))
            )
        };
        let sending = match (has_broken(&self.a_to_b), has_broken(&self.b_to_a)) {
            (true, false) if !self.a_to_b.is_told() => b.sending(),
            (false, true) if !self.b_to_a.is_told() => a.sending(),
            _ => None,
        };
        sending.map(Box::new)
    }

    /// Until all is sent, or for as long as one may take nothing.
    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sending) = &self.sending else {
            return Poll::Ready(());
        };
        if sending.poll_write_ready(cx).is_ready() {
            return Poll::Ready(());
        }
        match &mut self.timer {
            Some(timer) => pin!(unconstrained(timer.as_mut())).poll(cx),
            None => Poll::Ready(()),
        }
    }

    /// Closes the ends as they are to be closed.
    fn close(&mut self) -> RelayOutcome {
        self.sending = None;
        if let Some((mut a, mut b)) = self.ends.take() {
            close_end(&mut a, &self.a_to_b, &self.b_to_a);
            close_end(&mut b, &self.b_to_a, &self.a_to_b);
            self.timer = None;
            self.options.memory.change(self.held, 0);
            self.a_to_b.forget_left();
            self.b_to_a.forget_left();
            self.name_the_lost();
        }
        RelayOutcome {
            a_to_b: self.a_to_b.outcome(),
            b_to_a: self.b_to_a.outcome(),
        }
    }
}

fn expect<T>(ends: &mut Option<T>) -> &mut T {
    ends.as_mut().expect("a relay is polled until it is over")
}

/// An end that was told all, and that this was all, is closed; one that was sent an alert, too. All others are cut: none is
/// to think that it has everything.
fn close_end<T: RelayEnd>(end: &mut T, from: &Way, to: &Way) {
    let is_refused = from.end.as_ref().is_some_and(HowEnded::is_refused);
    if !to.is_told() && !is_refused {
        end.reset();
    }
}

/// Draws the conclusions from what has come of one direction. Whether the relay is over.
fn settle<S: RelayEnd>(moved: Moved, source: &S, way: &mut Way, back: &mut Way) -> bool {
    match moved {
        Moved::Waits | Moved::Goes => false,
        Moved::Over => way.phase == Phase::Cutting,
        Moved::Unheard => {
            way.end = Some(HowEnded::Unheard);
            true
        }
        Moved::SourceEnded => source_ended(source, way, back),
        Moved::SourceBroke(error) => source_broke(error, way, back),
        Moved::SinkBroke(error) => sink_broke(error, way, back),
    }
}

fn source_ended<S: RelayEnd>(source: &S, way: &mut Way, back: &mut Way) -> bool {
    // A socket that was reset says so once. If writing was told, reading sees an end where there is none; but broken
    // pipes are those whose other side has ended.
    if let Some(lost) = &back.lost
        && !lost.is_broken_pipe
        && !source.proves_its_end()
    {
        way.end = Some(HowEnded::Reset);
        return true;
    }
    way.end = Some(HowEnded::Clean);
    way.phase = match way.phase {
        Phase::Discarding => Phase::Done,
        _ => Phase::Ending,
    };
    // It had all said before it went.
    if back.phase == Phase::Lost {
        back.phase = Phase::Discarding;
    }
    false
}

fn source_broke(error: io::Error, way: &mut Way, back: &mut Way) -> bool {
    let end = HowEnded::of(error);
    let is_truncated = matches!(end, HowEnded::Truncated);
    // An end that has failed to take something was reset, even if reading sees an end.
    let end = match &back.lost {
        Some(_) if is_truncated => HowEnded::Reset,
        _ => end,
    };
    way.end = Some(end);
    if is_truncated && way.phase == Phase::Open {
        way.phase = Phase::Cutting;
        return false;
    }
    true
}

fn sink_broke(error: io::Error, way: &mut Way, back: &mut Way) -> bool {
    let is_timeout = error.kind() == io::ErrorKind::TimedOut;
    if is_timeout {
        back.end = Some(HowEnded::of(error));
        return true;
    }
    way.lose(error);
    if way.phase == Phase::Cutting {
        return true;
    }
    way.phase = match way.phase {
        Phase::Open if back.has_ended() => Phase::Discarding,
        // It may have said something before, and its end: reading tells.
        Phase::Open => Phase::Lost,
        _ => Phase::Done,
    };
    // Then nobody is read.
    way.phase == Phase::Lost && back.phase == Phase::Lost
}

impl<A: RelayEnd, B: RelayEnd> Future for Relay<A, B> {
    type Output = RelayOutcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RelayOutcome> {
        let this = self.get_mut();
        if this.sending.is_some() {
            return this.poll_sending(cx).map(|()| this.close());
        }
        if !this.lingers {
            let phases = this.phases();
            if this.poll_ways(cx).is_pending() {
                let has_changed = this.phases() != phases;
                if this.poll_limits(cx, has_changed).is_pending() {
                    return Poll::Pending;
                }
                return Poll::Ready(this.close());
            }
            if !(this.a_to_b.is_told() && this.b_to_a.is_told()) {
                this.sending = this.sending();
                if this.sending.is_none() {
                    return Poll::Ready(this.close());
                }
                let (_, _, stall) = this.options.limits();
                this.timer = Some(Box::pin(sleep_until(Instant::now() + stall)));
                return this.poll_sending(cx).map(|()| this.close());
            }
        }
        this.poll_linger(cx).map(|()| this.close())
    }
}

impl<A: RelayEnd, B: RelayEnd> Drop for Relay<A, B> {
    fn drop(&mut self) {
        if self.ends.is_some() {
            self.close();
        }
    }
}

impl<A: RelayEnd, B: RelayEnd> std::fmt::Debug for Relay<A, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("a_to_b", &self.a_to_b)
            .field("b_to_a", &self.b_to_a)
            .finish_non_exhaustive()
    }
}
