//! What is sent besides data, and when it is sent again: flights, acknowledgements and their timers.
//!
//! RFC 9147 §5.8, §7; RFC 6347 §4.2.4. It serves the handshake, and afterwards what is left of it.

mod again;
mod packing;
mod path;

use core::time::Duration;

use super::connection_id::{ConnectionId, PeerIds};
use super::epochs::{APPLICATION, WriteEpoch};
use super::flight::Flight;
use super::notes::{Notes, push};
use super::options::{DatagramOptions, LONGEST_TIMEOUT, Micros, Timing};
use crate::clock::Monotonic;
use crate::error::{Abort, Reason};
use crate::key_schedule::Hashed;
use crate::record::size::RecordSize;
use crate::version::ProtocolVersion;
use crate::wire::RecordNumber;

/// A flight that was sent so often is given up at the next timeout.
const MOST_SENDINGS: u8 = 13;
/// How often a flight is sent besides because the peer repeats its own, which in the clear anybody can.
const MOST_REPEATS: u8 = MOST_SENDINGS;
/// How many bytes go to an address at which nobody may read, for each that has come from there.
pub(crate) const UNPROVED_AMPLIFICATION: usize = 3;
/// What is left of that for less than this is kept for what comes next: no datagram is worth so little.
const LEAST_CREDIT: u32 = 64;
/// An adaptive timeout is no shorter.
const SHORTEST_ADAPTIVE: Duration = Duration::from_millis(200);

/// See the file.
pub(super) struct Transmitter {
    /// The newest is the last; none in the clear. Each is boxed: a vector that grows leaves what it had
    /// behind, and secrets with it.
    #[allow(clippy::vec_box, reason = "secrets are not moved")]
    epochs: Vec<Box<WriteEpoch>>,
    /// The number of the next record in the clear.
    plain: u64,
    /// The message_seq of the next message; `None` when there are no more.
    next_message: Option<u16>,
    pub(super) size: RecordSize,
    timing: Timing,
    mtu: u16,
    /// The version is DTLS 1.2 or older: nothing is acknowledged but by the next flight, and the last flight is
    /// sent again only if the peer repeats its own.
    is_older: bool,
    /// What records in the clear say.
    version: ProtocolVersion,
    /// What is sent is a client's first hello, also with the cookie of a HelloVerifyRequest: its records say DTLS 1.0, which no server minds (RFC 9147 §4,
    /// RFC 6347 §4.1).
    is_first_hello: bool,
    /// A client whose server has not said yet which version it is.
    is_undecided: bool,
    /// How many answers to a wish may be under way that was declined already: it was said more than once.
    late_refusals: u8,
    /// The second in which it was, of 65,536.
    declined_at: u16,
    /// What a round trip took, once one was measured.
    round_trip: Option<Micros>,
    /// How many bytes may go out yet; `None` since somebody has shown that he reads there.
    credit: Option<u32>,
    /// There if the peer wants ids on the records.
    ids: Option<Box<PeerIds>>,
    /// There while a flight, an acknowledgement or an alert is under way.
    busy: Option<Box<Busy>>,
}

struct Busy {
    flight: Flight,
    /// The last flight of the handshake before, while it is not known that the peer has it; when that was sent
    /// again, and how often.
    before: Flight,
    before_sent: Monotonic,
    before_repeats: u8,
    /// The peer is to answer now; what is sent after that begins another flight.
    is_ended: bool,
    /// The peer has begun to answer, and maybe before DTLS 1.3: it is sent again where the answer does not come to its end.
    is_answered: bool,
    /// The handshake is over with it, before DTLS 1.3.
    is_last: bool,
    /// It is a hello that was given up, and is kept in case that its handshake goes on.
    is_given_up: bool,
    timeout: Duration,
    /// How often the flight was sent.
    sendings: u8,
    /// How often it was sent besides, for a peer that repeats its own.
    repeats: u8,
    last_sent: Monotonic,
    /// When it is sent again.
    resend_at: Option<Monotonic>,
    to_acknowledge: Vec<RecordNumber>,
    acknowledge_at: Option<Monotonic>,
    /// An alert, and how often it is to be sent.
    alert: Option<[u8; 2]>,
}

impl Busy {
    /// Nothing is waited for any more.
    fn forget_flight(&mut self) {
        self.flight.clear();
        (self.is_ended, self.is_answered, self.is_last) = (false, false, false);
        self.is_given_up = false;
        self.resend_at = None;
    }

    /// How long after the flight was sent a peer that repeats its own is heeded.
    fn pause_before_repeat(&self, is_guessed: bool) -> Duration {
        let half = self.timeout / 2;
        match is_guessed {
            true => half.min((SHORTEST_ADAPTIVE / 2).saturating_mul(1 << self.repeats)),
            false => half,
        }
    }

    /// Whether what is to be sent of the flight was sent before.
    const fn is_sent_again(&self) -> bool {
        self.sendings > 1 || self.repeats > 0
    }
}

impl Transmitter {
    pub(super) fn new(options: DatagramOptions) -> Self {
        Self {
            epochs: Vec::new(),
            plain: 0,
            next_message: Some(0),
            size: RecordSize::default(),
            timing: options.retransmission.into(),
            mtu: options.mtu,
            is_older: false,
            version: ProtocolVersion::DTLS_1_2,
            is_first_hello: false,
            is_undecided: false,
            late_refusals: 0,
            declined_at: 0,
            round_trip: None,
            credit: None,
            ids: None,
            busy: None,
        }
    }

    /// Goes on where a gate has answered before: with this message and this record.
    pub(super) fn go_on(&mut self, next_message: u16, next_record: u64) {
        self.next_message = Some(next_message);
        self.plain = next_record;
    }

    /// Somebody else has seen how long a round trip takes.
    pub(super) fn measured(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip.into());
    }

    /// A client begins.
    pub(super) const fn begin_with_hello(&mut self) {
        self.is_first_hello = true;
        self.is_undecided = true;
    }

    /// Nothing goes out but for what has come.
    pub(super) const fn begin_unproved(&mut self) {
        self.credit = Some(0);
    }

    /// Whether nothing may go out before more has come.
    fn waits_for_credit(&self) -> bool {
        self.credit.is_some_and(|left| left < LEAST_CREDIT)
    }

    /// No newer version than this one was offered.
    pub(super) fn set_version(&mut self, version: ProtocolVersion) {
        self.version = version;
    }

    pub(super) fn decided_before_tls13(&mut self, version: ProtocolVersion) {
        (self.is_older, self.version) = (true, version);
        self.is_undecided = false;
        if let Some(busy) = &mut self.busy {
            busy.to_acknowledge.clear();
        }
    }

    pub(super) const fn is_older(&self) -> bool {
        self.is_older
    }

    /// What is sent from here on is under these keys.
    pub(super) fn install(&mut self, mut epoch: WriteEpoch) {
        if core::mem::take(&mut self.is_undecided)
            && let Some(busy) = self.busy.as_mut().filter(|busy| busy.is_answered)
        {
            // DTLS 1.3, where the rest of the answer is the server's affair (RFC 9147 §5.8.1).
            busy.forget_flight();
        }
        epoch.set_id(self.connection_id());
        self.epochs.reserve_exact(1);
        self.epochs.push(Box::new(epoch));
    }

    /// What the peer has on the records of this side.
    pub(super) fn connection_id(&self) -> ConnectionId {
        let ids = self.ids.as_deref();
        ids.map_or(ConnectionId::EMPTY, |ids| ids.current)
    }

    /// The peer wants this on protected records.
    pub(super) fn set_connection_id(&mut self, id: ConnectionId) {
        let none = id.is_empty();
        self.ids = (!none).then(|| Box::new(PeerIds::default()));
        self.change_ids(|ids| {
            ids.add(&[id], true);
            true
        });
    }

    /// How many ids of the peer are left besides that.
    pub(super) fn spare_ids(&self) -> usize {
        self.ids.as_deref().map_or(0, PeerIds::spare)
    }

    /// Goes on with the next id of the peer, if there is one (RFC 9147 §9: on another path).
    pub(super) fn use_next_id(&mut self) -> bool {
        self.change_ids(PeerIds::advance)
    }

    fn change_ids(&mut self, change: impl FnOnce(&mut PeerIds) -> bool) -> bool {
        let Some(ids) = &mut self.ids else {
            return false;
        };
        let is_changed = change(ids);
        for epoch in &mut self.epochs {
            epoch.set_id(ids.current);
        }
        is_changed
    }

    /// The epoch of what is sent next; 0 in the clear.
    pub(super) fn epoch(&self) -> u16 {
        self.epochs.last().map_or(0, |newest| newest.epoch)
    }

    pub(super) fn newest(&self) -> Option<&WriteEpoch> {
        self.epochs.last().map(|newest| &**newest)
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut WriteEpoch> {
        self.epochs.last_mut().map(|newest| &mut **newest)
    }

    /// Says how long a first answer is waited for, of the flight that is under way, too.
    pub(super) fn set_initial_timeout(&mut self, initial: Duration) {
        let before = self.first_timeout();
        self.timing.set_initial(initial);
        let first = self.first_timeout();
        let Some(busy) = &mut self.busy else {
            return;
        };
        let doubled = 1_u32 << busy.sendings.saturating_sub(1).min(MOST_SENDINGS);
        busy.timeout = first.saturating_mul(doubled).min(LONGEST_TIMEOUT);
        if busy.resend_at.is_some() {
            busy.resend_at = Some(after(busy.last_sent, busy.timeout));
        }
        if let Some(due) = &mut busy.acknowledge_at {
            let came = Monotonic(due.0.saturating_sub(before / 4));
            *due = after(came, first / 4);
        }
    }

    fn busy(&mut self) -> &mut Busy {
        let timeout = self.first_timeout();
        self.busy.get_or_insert_with(|| {
            Box::new(Busy {
                flight: Flight::default(),
                before: Flight::default(),
                before_sent: Monotonic::default(),
                before_repeats: 0,
                is_ended: false,
                is_answered: false,
                is_last: false,
                is_given_up: false,
                timeout,
                sendings: 0,
                repeats: 0,
                last_sent: Monotonic::default(),
                resend_at: None,
                to_acknowledge: Vec::new(),
                acknowledge_at: None,
                alert: None,
            })
        })
    }

    /// RFC 9147 §5.8.2.
    fn first_timeout(&self) -> Duration {
        let initial = self.timing.initial();
        match self.round_trip {
            Some(taken) if self.timing.adaptive => {
                let least = SHORTEST_ADAPTIVE.min(initial);
                let taken = Duration::from(taken);
                taken.saturating_mul(3).clamp(least, initial)
            }
            _ => initial,
        }
    }

    /// Adds a message to the flight, or begins another one with it; gives it as it is hashed.
    ///
    /// # Errors
    /// When message_seq has no number left for it.
    pub(super) fn message(&mut self, message: Vec<u8>) -> Result<Hashed<'_>, Abort> {
        let message_seq = self.next_message.ok_or(Abort(Reason::NumbersUsedUp))?;
        self.next_message = message_seq.checked_add(1);
        let epoch = self.epoch();
        let message = self.begin().push(epoch, message_seq, message);
        Ok(Hashed {
            message,
            message_seq: Some(message_seq),
        })
    }

    /// Adds a change_cipher_spec to the flight (RFC 6347 §4.2.4: it is sent again with it).
    pub(super) fn change_cipher_spec(&mut self) {
        let epoch = self.epoch();
        self.begin().push_change_cipher_spec(epoch);
    }

    /// The flight that is under way, or another one.
    fn begin(&mut self) -> &mut Flight {
        let timeout = self.first_timeout();
        let busy = self.busy();
        if busy.is_ended {
            // The peer has answered the one before, or this one would not begin.
            busy.forget_flight();
        }
        if busy.flight.is_empty() {
            (busy.sendings, busy.repeats) = (0, 0);
            busy.timeout = timeout;
        }
        &mut busy.flight
    }

    /// The peer is to answer what was sent, so from here on it is waited for. Before DTLS 1.3 nothing answers
    /// the flight with which the handshake `is_over` (RFC 6347 §4.2.4).
    pub(super) fn end_of_flight(&mut self, is_over: bool, now: Monotonic) {
        let is_last = is_over && self.is_older;
        if let Some(busy) = &mut self.busy
            && !busy.is_ended
            && busy
                .flight
                .oldest_epoch()
                .is_some_and(|epoch| epoch < APPLICATION)
        {
            // §7.1: a flight of the handshake acknowledges the one that it answers. Not before: while it is being made an
            // ACK may be due.
            busy.to_acknowledge.clear();
            busy.acknowledge_at = None;
        }
        let waits = |busy: &Busy| busy.acknowledge_at.is_none() && !busy.to_acknowledge.is_empty();
        if self.busy.as_deref().is_some_and(waits) {
            // It came before there were keys to say so under.
            self.schedule_acknowledgement(false, now);
        }
        let Some(busy) = &mut self.busy else {
            return;
        };
        if !busy.is_ended && !busy.flight.is_empty() {
            busy.is_ended = true;
            busy.is_last = is_last;
            busy.sendings = 1;
            busy.last_sent = now;
            busy.resend_at = (!is_last).then(|| after(now, busy.timeout));
        } else if busy.is_answered && is_over {
            // Wholly.
            busy.forget_flight();
            self.rest();
        } else if busy.is_answered && self.is_older && busy.resend_at.is_none() {
            // RFC 6347 §4.2.4: as long as the next flight is not whole this one is sent again. The peer may have no timer, with
            // the flight that ends the handshake, or nothing that it may send before it has heard more. One that has a timer
            // is not to be disturbed.
            let pause = busy.timeout.max(self.timing.initial());
            busy.resend_at = Some(after(now, pause));
        }
    }

    /// This side thinks: what else has come meanwhile nobody has looked at.
    pub(super) fn pause(&mut self) {
        if let Some(busy) = self.busy.as_mut().filter(|busy| busy.is_answered) {
            busy.resend_at = None;
        }
    }

    /// What has come is acknowledged without delay: the peer waits for nothing else.
    pub(super) fn acknowledge_at_once(&mut self, now: Monotonic) {
        if let Some(busy) = &mut self.busy
            && !busy.to_acknowledge.is_empty()
        {
            busy.acknowledge_at = Some(now);
        }
    }

    /// Whether a flight is under way that the peer has not begun to answer.
    pub(super) fn is_in_flight(&self) -> bool {
        let busy = self.busy.as_ref();
        busy.is_some_and(|busy| !busy.flight.is_empty() && !busy.is_answered)
    }

    /// Says an alert, behind what was not sent yet; nothing is sent again.
    pub(super) fn alert(&mut self, alert: [u8; 2]) {
        let busy = self.busy();
        busy.before.clear();
        if !busy.flight.has_to_send() {
            busy.flight.clear();
        }
        // The flight does not end any more.
        busy.is_ended = true;
        busy.resend_at = None;
        busy.to_acknowledge.clear();
        busy.acknowledge_at = None;
        busy.alert = Some(alert);
    }

    /// Says an alert; what was under way goes on.
    pub(super) fn closing_alert(&mut self, alert: [u8; 2]) {
        self.busy().alert = Some(alert);
    }

    /// Sends nothing more of what was under way.
    pub(super) fn give_up(&mut self) {
        self.busy = None;
    }

    /// Goes on with the next keys; nothing is under way under the old ones.
    pub(super) fn switch(&mut self, epoch: WriteEpoch) {
        self.install(epoch);
        self.leave_epochs();
    }

    /// Takes in what reading has seen.
    pub(super) fn heed(&mut self, notes: Notes, now: Monotonic) {
        let Notes {
            arrived,
            acknowledged,
            answered,
            has_before,
            refusals,
            repeated,
            repeated_before,
            at_once,
            peer_ids,
            unproved,
            proved,
        } = notes;
        if let Some(left) = &mut self.credit {
            let more = unproved.saturating_mul(UNPROVED_AMPLIFICATION);
            *left = left.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        }
        if proved {
            self.credit = None;
        }
        if let Some((ids, immediate)) = peer_ids {
            self.change_ids(|own| {
                own.add(&ids, immediate);
                true
            });
        }
        self.late_refusals = self.late_refusals.saturating_sub(refusals);
        match &mut self.busy {
            _ if answered => self.answered(now),
            Some(busy) if has_before && busy.is_given_up => busy.before.clear(),
            _ if has_before => self.answered(now),
            _ => {}
        }
        self.on_acknowledgement(&acknowledged, now);
        if repeated {
            self.on_repeat(now);
        }
        if repeated_before {
            self.on_repeat_before(now);
        }
        if !arrived.is_empty() && !self.is_older {
            let busy = self.busy();
            for number in arrived {
                push(&mut busy.to_acknowledge, number);
            }
            let is_prompt = at_once && self.timing.prompt;
            self.schedule_acknowledgement(is_prompt, now);
        }
        self.rest();
    }

    /// Nobody understands an ACK in the clear: the version is not even known.
    fn schedule_acknowledgement(&mut self, is_prompt: bool, now: Monotonic) {
        let delay = match is_prompt {
            true => Duration::ZERO,
            false => self.first_timeout() / 4,
        };
        if let Some(busy) = &mut self.busy
            && !self.epochs.is_empty()
            && !busy.to_acknowledge.is_empty()
        {
            let due = after(now, delay);
            busy.acknowledge_at = Some(busy.acknowledge_at.map_or(due, |before| before.min(due)));
        }
    }

    /// The peer's next flight has begun: it has all of ours. Before DTLS 1.3 that is kept until the other one is whole.
    fn answered(&mut self, now: Monotonic) {
        self.measure(now);
        self.is_first_hello = false;
        let may_be_older = self.is_older || self.is_undecided;
        if let Some(busy) = &mut self.busy {
            busy.before.clear();
            if may_be_older && busy.is_ended && !busy.is_last && !busy.flight.is_empty() {
                busy.is_answered = true;
                busy.resend_at = None;
            } else {
                busy.forget_flight();
            }
        }
        self.leave_epochs();
    }

    /// Of a flight that was sent once: else nobody knows which sending was answered (Karn).
    fn measure(&mut self, now: Monotonic) {
        if let Some(busy) = &self.busy
            && busy.is_ended
            && !busy.is_answered
            && (busy.sendings, busy.repeats) == (1, 0)
            && !busy.flight.is_empty()
        {
            self.round_trip = now.0.checked_sub(busy.last_sent.0).map(Micros::from);
        }
    }

    fn on_acknowledgement(&mut self, numbers: &[RecordNumber], now: Monotonic) {
        let prompt = self.timing.prompt;
        let round_trip = self.round_trip;
        let Some(busy) = &mut self.busy else {
            return;
        };
        let mut is_news = false;
        for number in numbers {
            is_news |= busy.flight.acknowledge(*number);
        }
        if !is_news {
            return;
        }
        if busy.flight.is_acknowledged() {
            self.answered(now);
        } else if prompt && busy.is_ended && busy.flight.has_gap() {
            // §7.2: what is missing is sent again, once in a round trip.
            let pause = round_trip.map_or(busy.timeout / 4, Duration::from);
            let soon = after(busy.last_sent, pause).max(now);
            busy.resend_at = busy.resend_at.map(|before| before.min(soon));
        }
    }

    /// The peer has not got what it waits for; that is worth a sending in half a timeout. Where nothing was measured, that is
    /// long, and the peer, which says it again, knows more: it is answered sooner, but every time only after twice as long.
    fn on_repeat(&mut self, now: Monotonic) {
        let prompt = self.timing.prompt || self.is_older;
        let is_guessed = self.timing.adaptive && self.round_trip.is_none();
        if let Some(busy) = &mut self.busy
            && prompt
            && busy.is_ended
            && !busy.is_answered
            && !busy.is_given_up

            // Else the rest of it goes out first, now that there is credit.
            && !busy.flight.has_to_send()
            && busy.repeats < MOST_REPEATS
            && after(busy.last_sent, busy.pause_before_repeat(is_guessed)) <= now
        {
            busy.last_sent = now;
            busy.repeats += 1;
            busy.flight.send_again();
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the peer has not answered for so long that it is gone.
    pub(super) fn on_time(&mut self, now: Monotonic) -> Result<(), Abort> {
        let waits = self.waits_for_credit();
        let Some(busy) = &mut self.busy else {
            return Ok(());
        };
        if busy.resend_at.is_none_or(|due| due > now) {
            return Ok(());
        }
        if busy.sendings >= MOST_SENDINGS {
            return Err(Abort(Reason::NoAnswer {
                sent: busy.sendings,
            }));
        }
        busy.sendings += 1;
        busy.timeout = (busy.timeout * 2).min(LONGEST_TIMEOUT);
        busy.last_sent = now;
        busy.resend_at = Some(after(now, busy.timeout));
        if waits && busy.flight.has_to_send() {
            // Anew it would get no further than before.
            return Ok(());
        }
        busy.flight.send_again();
        let sendings = busy.sendings;
        self.back_off(sendings);
        Ok(())
    }

    /// When [`on_time`](Self::on_time) has something to do, or [`datagram`](Self::datagram).
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let busy = self.busy.as_ref()?;
        let acknowledge_at = busy.acknowledge_at.filter(|_| !self.waits_for_credit());
        [busy.resend_at, acknowledge_at].into_iter().flatten().min()
    }

    /// Gives memory back that nothing needs any more.
    fn rest(&mut self) {
        let is_idle = |busy: &Busy| {
            busy.flight.is_empty()
                && busy.before.is_empty()
                && busy.to_acknowledge.is_empty()
                && busy.alert.is_none()
        };
        if self.busy.as_deref().is_some_and(is_idle) {
            self.busy = None;
            self.leave_epochs();
        }
    }

    /// Drops the keys that no message names any more.
    fn leave_epochs(&mut self) {
        let busy = self.busy.as_ref();
        let flights = busy.map(|busy| [busy.flight.oldest_epoch(), busy.before.oldest_epoch()]);
        let oldest = flights.into_iter().flatten().flatten().min();
        let oldest = oldest.unwrap_or(u16::MAX).min(self.epoch());
        if self
            .epochs
            .first()
            .is_some_and(|first| first.epoch < oldest)
        {
            self.epochs.retain(|one| one.epoch >= oldest);
            self.epochs.shrink_to_fit();
        }
    }

    /// Gives the memory of the ciphers back until records need them.
    pub(super) fn hibernate(&mut self) {
        for epoch in &mut self.epochs {
            epoch.hibernate();
        }
    }

    #[cfg(test)]
    pub(super) fn use_up_messages(&mut self) {
        self.next_message = None;
    }

    /// The memory held to send something again, or to acknowledge something, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let Some(busy) = &self.busy else { return 0 };
        let flights = [&busy.flight, &busy.before].map(Flight::kept);
        flights.iter().sum::<usize>() + size_of_val(busy.to_acknowledge.as_slice())
    }

    /// Moves everything.
    pub(super) fn take(&mut self) -> Self {
        Self {
            epochs: core::mem::take(&mut self.epochs),
            ids: self.ids.take(),
            busy: self.busy.take(),
            ..*self
        }
    }
}

impl core::fmt::Debug for Transmitter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transmitter")
            .field("epochs", &self.epochs)
            .field("next_message", &self.next_message)
            .field("mtu", &self.mtu)
            .field("is_busy", &self.busy.is_some())
            .finish_non_exhaustive()
    }
}

fn after(now: Monotonic, delay: Duration) -> Monotonic {
    Monotonic(now.0.saturating_add(delay))
}
