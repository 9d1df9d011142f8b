//! A handshake that is not the first: what is left of the one before, and of one that was given up.
//!
//! RFC 6347 §4.2.2, §4.2.4; RFC 5246 §7.2.2.

use super::{MOST_REPEATS, Transmitter, after};
use crate::clock::Monotonic;
use crate::record::MAX_WARNINGS;

/// More answers than this that are late are taken for one: as many warnings in a row are none too many.
const MOST_LATE_REFUSALS: u8 = MAX_WARNINGS - 1;
/// In seconds: one that is later than this after the first is none of the same wish.
const LATEST_REFUSAL: u16 = 10;

impl Transmitter {
    /// Before DTLS 1.3: another handshake begins, whose messages are counted anew (RFC 6347 §4.2.2). What is left of the
    /// last flight is kept for a peer that repeats its own.
    pub(in super::super) fn begin_again(&mut self) {
        self.next_message = Some(0);
        if let Some(busy) = &mut self.busy
            && busy.is_ended
            && !busy.flight.is_empty()
        {
            busy.before = core::mem::take(&mut busy.flight);
            (busy.before_sent, busy.before_repeats) = (busy.last_sent, busy.repeats);
            busy.forget_flight();
        }
    }

    /// One that was given up goes on: its hello, which may be lost, is sent again, unless its answer is here.
    pub(in super::super) fn go_on_again(&mut self, now: Monotonic) {
        let timeout = self.first_timeout() / 2;
        if let Some(busy) = &mut self.busy
            && core::mem::take(&mut busy.is_given_up)
        {
            // It was sent before.
            (busy.sendings, busy.repeats, busy.timeout) = (1, 0, timeout);
            busy.resend_at = (!busy.is_answered).then_some(now);
        }
    }

    /// The handshake that has begun does not go on for now: nothing of it is sent again. With `keeps` it may, and only this
    /// hello is one for it.
    pub(in super::super) fn end_again(&mut self, keeps: bool) {
        match &mut self.busy {
            Some(busy) if keeps && !busy.flight.is_empty() => {
                (busy.is_given_up, busy.is_ended, busy.resend_at) = (true, true, None);
            }
            Some(busy) => busy.forget_flight(),
            None => {}
        }
        self.rest();
    }

    /// The peer has declined the wish that is under way. Whether it can have meant an earlier one, which it has declined
    /// already: that was said more than once, and each may have been answered.
    pub(in super::super) fn is_late_refusal(&mut self, now: Monotonic) -> bool {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "what it is for is over before they come round"
        )]
        let second = now.0.as_secs() as u16;
        if self.late_refusals > 0 && second.wrapping_sub(self.declined_at) <= LATEST_REFUSAL {
            self.late_refusals -= 1;
            return true;
        }
        (self.late_refusals, self.declined_at) = (0, second);
        if let Some(busy) = &self.busy {
            let besides = busy.sendings.saturating_sub(1).saturating_add(busy.repeats);
            self.late_refusals = besides.min(MOST_LATE_REFUSALS);
        }
        false
    }

    /// The peer has not got the end of the handshake before, and another one has begun: that end is worth a sending in half
    /// a timeout.
    pub(super) fn on_repeat_before(&mut self, now: Monotonic) {
        let pause = self.first_timeout() / 2;
        if let Some(busy) = &mut self.busy
            && busy.before_repeats < MOST_REPEATS
            && after(busy.before_sent, pause) <= now
        {
            busy.before_sent = now;
            busy.before_repeats += 1;
            busy.before.send_again();
        }
    }
}
