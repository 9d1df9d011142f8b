//! What this side sends on an established connection: a message, a record, a datagram.
//!
//! RFC 9147 §4.2, §5.8, §7, §8.

use core::time::Duration;
use std::io::IoSlice;
use std::sync::Arc;

use super::epochs::WriteEpoch;
use super::notes::{Mail, Work};
use super::transmitter::Transmitter;
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::error::{Abort, Direction, Error, Reason, Stage};
use crate::record::gather::Gather;
use crate::record::{alert, misuse};
use crate::violation::Violation;
use crate::wire::{ContentType, KeyUpdate, KeyUpdateRequest};
use crate::{AlertDescription, AlertLevel};

/// How often close_notify is said again to a peer that goes on.
const MOST_CLOSES: u8 = 3;
/// Records of a key that are kept for what is not data: a KeyUpdate that nobody acknowledges may be sent
/// often.
const KEPT_RECORDS: u64 = 1_024;

/// What [`Writer::poll_control`] wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Send a datagram, which is the first so many bytes of the output, and ask again.
    Transmit(usize),
    /// Ask again at this time, or when the reader has work.
    Wait {
        /// `None`: nothing is under way.
        deadline: Option<Monotonic>,
    },
}

/// The writing half of an established connection over datagrams.
#[derive(Debug)]
pub struct Writer {
    transmitter: Transmitter,
    /// A KeyUpdate that is to be sent: `Some(true)` asks the peer for one.
    update: Option<bool>,
    /// A KeyUpdate is under way: the next key is used when it is acknowledged.
    is_updating: bool,
    key_update_at: u64,
    /// Of data, sealed under this key.
    bytes: u64,
    state: State,
    mail: Arc<Mail>,
}

#[derive(Debug)]
enum State {
    Open,
    /// close_notify was said, and may be so many times more.
    Closed(u8),
    Failed(Error),
}

impl Writer {
    pub(super) fn new(transmitter: Transmitter, key_update_at: u64, mail: Arc<Mail>) -> Self {
        Self {
            transmitter,
            update: None,
            is_updating: false,
            key_update_at,
            bytes: 0,
            state: State::Open,
            mail,
        }
    }

    /// Seals a message as one record, which is one datagram; gives its length. `out` has at least
    /// [`sealed_len`](Self::sealed_len) bytes.
    ///
    /// A key is updated by itself in time: then
    /// [`writer_has_work`](super::Reader::writer_has_work) says so.
    ///
    /// # Errors
    /// [`Reason::MessageTooLong`] and, when `out` is too short, [`Reason::Misuse`]: the connection is as it
    /// was. [`Reason::Closed`] after [`close_notify`](Self::close_notify); else why the connection is over.
    pub fn seal(&mut self, message: &[IoSlice<'_>], out: &mut [u8]) -> Result<usize, Error> {
        self.check_open()?;
        let mut message = Gather::new(message);
        let (length, most) = (message.left(), self.most_message_len());
        if length > most {
            let reason = Reason::MessageTooLong { length, most };
            return Err(Error::new(Stage::Connected, None, reason));
        }
        let padding = self.padding(length);
        let Some(epoch) = self.transmitter.newest_mut() else {
            return Err(self.fail(CryptoFailure::SealingRecord.into()));
        };
        if epoch.left() <= KEPT_RECORDS {
            // The peer does not acknowledge a KeyUpdate, or is at the last epoch. Before DTLS 1.3 a key is all
            // there is.
            if epoch.is_older() {
                return Err(self.fail(Violation::AeadLimitReached.into()));
            }
            return Err(self.fail(Abort(Reason::NoAnswer { sent: 1 })));
        }
        let total = epoch.record_len(length + padding);
        let Some(record) = out.get_mut(..total) else {
            return Err(misuse(
                "the output is too short: a message takes `sealed_len()` bytes",
            ));
        };
        let typ = ContentType::APPLICATION_DATA;
        let is_exact = total == epoch.overhead() + length;
        let sealed = match message.take_whole(length) {
            // Straight from where it stands.
            Some(slice) if is_exact => epoch.seal_from(typ, slice, record),
            slice => {
                let head = epoch.head_len();
                if let Some(content) = record.get_mut(head..head + length) {
                    match slice {
                        Some(slice) => content.copy_from_slice(slice),
                        None => message.copy_to(content),
                    }
                }
                epoch.seal(typ, length, record)
            }
        };
        let is_worn = epoch.is_worn() && !epoch.is_older();
        let is_older = epoch.is_older();
        sealed.map_err(|failure| self.fail(failure.into()))?;
        self.bytes = self.bytes.saturating_add(length as u64);
        if (is_worn || self.bytes > self.key_update_at)
            && !is_older
            && !self.is_updating
            && self.update.is_none()
        {
            self.update = Some(false);
            self.mail.own_work();
        }
        Ok(total)
    }

    /// Before DTLS 1.3 records have none of the sender's choice.
    fn padding(&self, length: usize) -> usize {
        match self.transmitter.is_older() {
            true => 0,
            false => self.transmitter.size.padding(length),
        }
    }

    /// How long the datagram with a message of `n` bytes is.
    pub fn sealed_len(&self, n: usize) -> usize {
        let padding = self.padding(n);
        let epoch = self.transmitter.newest();
        epoch.map_or(0, |epoch| epoch.record_len(n + padding))
    }

    /// The longest message that can be sealed: 16,384 bytes, or what the peer has asked for.
    pub fn most_message_len(&self) -> usize {
        self.transmitter.size.protected()
    }

    /// The longest message whose datagram fits the path, as far as it is known
    /// ([`set_path_mtu`](Self::set_path_mtu)). With padding the datagram may be longer.
    pub fn max_message_len(&self) -> usize {
        let overhead = self.transmitter.newest().map_or(0, WriteEpoch::overhead);
        let fits = self.transmitter.mtu().saturating_sub(overhead);
        fits.min(self.most_message_len())
    }

    /// Says how long datagrams may be on the path, in bytes of UDP payload; at least 228.
    pub fn set_path_mtu(&mut self, bytes: u16) {
        self.transmitter.set_mtu(bytes);
    }

    /// Says how long a first answer is waited for (RFC 9147 §5.8.2), within 1 ms to 60 s; of what is under way,
    /// too, for which [`poll_control`](Self::poll_control) then has another deadline.
    pub fn set_initial_timeout(&mut self, initial: Duration) {
        self.transmitter.set_initial_timeout(initial);
    }

    /// Gives what is to be sent besides messages: acknowledgements, retransmissions, KeyUpdates, alerts.
    /// To be called when the deadline it gave before has come, after
    /// [`writer_has_work`](super::Reader::writer_has_work), and after a call that says so. `out` has
    /// [`control_len`](Self::control_len) bytes at least.
    ///
    /// # Errors
    /// Why the connection is over, once the alert that says so was given. [`Reason::Misuse`] when `out` is
    /// too short changes nothing.
    pub fn poll_control(&mut self, now: Monotonic, out: &mut [u8]) -> Result<Control, Error> {
        if out.len() < self.control_len() {
            return Err(misuse(
                "the output is too short: `poll_control` takes `control_len()` bytes",
            ));
        }
        self.read_mail(now);
        self.send_update(now);
        if let Err(abort) = self.transmitter.on_time(now) {
            self.fail(abort);
        }
        let mut datagram = Vec::new();
        if let Err(abort) = self.transmitter.datagram(now, &mut datagram) {
            self.fail(abort);
        }
        if let Some(place) = out.get_mut(..datagram.len())
            && !datagram.is_empty()
        {
            place.copy_from_slice(&datagram);
            return Ok(Control::Transmit(datagram.len()));
        }
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Open | State::Closed(_) => Ok(Control::Wait {
                deadline: self.transmitter.deadline(),
            }),
        }
    }

    /// Whether [`poll_control`](Self::poll_control) would do something; the same as
    /// [`writer_has_work`](super::Reader::writer_has_work), for who has no reader.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.mail.has_work()
    }

    /// An output of this length takes whatever [`poll_control`](Self::poll_control) gives.
    pub fn control_len(&self) -> usize {
        self.transmitter.mtu()
    }

    /// Updates this side's key, and asks the peer to update its own if `request_peer` (RFC 8446 §4.6.3).
    /// The new key is used once the peer has acknowledged that (RFC 9147 §8); what is asked for
    /// meanwhile is one update more. `poll_control` sends it.
    ///
    /// # Errors
    /// [`Reason::Misuse`] before DTLS 1.3, where there is none; [`Reason::Closed`] after close_notify; why the
    /// connection is over.
    pub fn key_update(&mut self, request_peer: bool) -> Result<(), Error> {
        self.check_open()?;
        if self.transmitter.is_older() {
            return Err(misuse("keys are not updated before DTLS 1.3"));
        }
        self.update = Some(request_peer || self.update == Some(true));
        self.mail.own_work();
        Ok(())
    }

    /// Says that no more comes; `poll_control` sends it, and again to a peer that goes on all the same.
    /// Nothing is sealed afterwards.
    pub fn close_notify(&mut self) {
        if matches!(self.state, State::Open) {
            self.state = State::Closed(MOST_CLOSES);
            let close = alert::encode(AlertDescription::CLOSE_NOTIFY);
            self.transmitter.closing_alert(close);
            self.mail.close();
        }
    }

    /// Ends the connection with a fatal alert; `poll_control` sends it. `close_notify` is no failure and is
    /// sent as by [`close_notify`](Self::close_notify).
    pub fn alert(&mut self, description: AlertDescription) {
        if description == AlertDescription::CLOSE_NOTIFY {
            return self.close_notify();
        }
        if !matches!(self.state, State::Failed(_)) {
            self.transmitter.alert(alert::encode(description));
            self.is_updating = false;
            let alert = Some((Direction::Sent, description));
            self.state = State::Failed(Error::new(Stage::Connected, alert, Reason::Closed));
            self.mail.own_work();
        }
    }

    /// Whether close_notify was said.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether everything of this side that has to be acknowledged was.
    pub fn is_acknowledged(&self) -> bool {
        // Before DTLS 1.3 the last flight is kept until the peer sends data, and nobody waits for that.
        self.transmitter.is_older() || !self.transmitter.is_in_flight()
    }

    /// Gives the memory of the cipher back until the next record is sealed.
    pub fn hibernate(&mut self) {
        self.transmitter.hibernate();
    }

    fn check_open(&self) -> Result<(), Error> {
        match &self.state {
            State::Open if self.mail.has_work() => match self.mail.failure() {
                Some(error) => Err(error.clone()),
                None => Ok(()),
            },
            State::Open => Ok(()),
            State::Closed(_) => Err(Abort(Reason::Closed).into_error(Stage::Closed)),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn read_mail(&mut self, now: Monotonic) {
        if !self.mail.has_work() {
            return;
        }
        let (work, notes) = self.mail.take();
        self.transmitter.heed(notes, now);
        if let Some(error) = self.mail.failure().cloned()
            && !matches!(self.state, State::Failed(_))
        {
            match error.alert() {
                Some((Direction::Sent, description)) => {
                    self.transmitter.alert(alert::encode(description));
                }
                _ => self.transmitter.give_up(),
            }
            // §8: a KeyUpdate that was not acknowledged changes no keys.
            self.is_updating = false;
            self.state = State::Failed(error);
        }
        self.do_work(work);
    }

    fn do_work(&mut self, work: Work) {
        if self.is_updating && !self.transmitter.is_in_flight() {
            self.switch();
        }
        if work.answers_key_update() || work.requests_key_update() {
            self.update = Some(work.requests_key_update() || self.update == Some(true));
        }
        if work.declines() && matches!(self.state, State::Open) {
            let warning = [AlertLevel::WARNING.0, AlertDescription::NO_RENEGOTIATION.0];
            self.transmitter.closing_alert(warning);
        }
        if let State::Closed(left @ 1..) = &mut self.state
            && work.peer_goes_on()
        {
            *left -= 1;
            let close = alert::encode(AlertDescription::CLOSE_NOTIFY);
            self.transmitter.closing_alert(close);
        }
    }

    /// §8: the KeyUpdate is acknowledged, and with it all before it.
    fn switch(&mut self) {
        self.is_updating = false;
        self.bytes = 0;
        match self.transmitter.newest().and_then(WriteEpoch::next) {
            Some(next) => self.transmitter.switch(next),
            None => {
                self.fail(Violation::TooManyKeyUpdates.into());
            }
        }
    }

    /// One flight at a time: what is asked for meanwhile waits.
    fn send_update(&mut self, now: Monotonic) {
        if self.transmitter.is_in_flight() || !matches!(self.state, State::Open) {
            return;
        }
        let Some(request_peer) = self.update.take() else {
            return;
        };
        if self.transmitter.epoch() == u16::MAX {
            self.fail(Violation::TooManyKeyUpdates.into());
            return;
        }
        let request = match request_peer {
            true => KeyUpdateRequest::UPDATE_REQUESTED,
            false => KeyUpdateRequest::UPDATE_NOT_REQUESTED,
        };
        let mut message = Vec::new();
        KeyUpdate::put(&mut message, request);
        match self.transmitter.message(message) {
            Ok(_) => {
                self.is_updating = true;
                self.transmitter.end_of_flight(false, now);
            }
            Err(abort) => {
                self.fail(abort);
            }
        }
    }

    /// Tells the peer what it has done, if it has, and that is the end.
    #[cold]
    fn fail(&mut self, abort: Abort) -> Error {
        let error = abort.into_error(Stage::Connected);
        match error.alert() {
            Some((Direction::Sent, description)) => {
                self.transmitter.alert(alert::encode(description));
                self.mail.own_work();
            }
            _ => self.transmitter.give_up(),
        }
        self.is_updating = false;
        self.state = State::Failed(error.clone());
        error
    }
}

/// What only a test does.
#[cfg(test)]
impl Writer {
    /// Makes the key as old as its cipher lets it become, but for so many records.
    pub(crate) fn wear_out(&mut self, left: u64) {
        if let Some(epoch) = self.transmitter.newest_mut() {
            epoch.wear_out(left);
        }
    }

    /// A record of any type and content.
    pub(crate) fn forge(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let epoch = self.transmitter.newest_mut().unwrap();
        let mut record = vec![0; epoch.record_len(content.len())];
        let head = epoch.head_len();
        record[head..head + content.len()].copy_from_slice(content);
        epoch.seal(typ, content.len(), &mut record).unwrap();
        record
    }
}
