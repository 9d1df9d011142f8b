//! From handshake messages and alerts to datagrams.
//!
//! RFC 9147 §5.2, §5.8; RFC 6347 §4.2.

use core::time::Duration;
use std::sync::Arc;

use super::connection_id::ConnectionId;
use super::early_data::{Answering, Sending};
use super::epochs::{HANDSHAKE, WriteEpoch};
use super::header::PLAIN;
use super::notes::{Mail, Notes};
use super::options::{DatagramOptions, LONGEST_TIMEOUT};
use super::transmitter::Transmitter;
use super::writer::Writer;
use crate::alert::AlertDescription;
use crate::clock::Monotonic;
use crate::error::{Abort, Error, Reason};
use crate::key_schedule::Hashed;
use crate::record::assembler::MESSAGE_HEADER;
use crate::record::keys::Keys;
use crate::record::size::RecordSize;
use crate::record::{PaddingPolicy, alert};
use crate::version::ProtocolVersion;
use crate::wire::{FragmentHeader, PathMessageType};

/// The writing side during the handshake.
pub(crate) struct Outgoing {
    transmitter: Transmitter,
    /// Why a message could not be queued, once one could not.
    failure: Option<Abort>,
    /// What could not be queued, to be hashed all the same.
    unsent: Vec<u8>,
    /// Until when the rest of the peer's messages is waited for, while none of this side's are sent again.
    rest_due: Option<Monotonic>,
    /// There while a client may send early data.
    early_data: Option<Box<Sending>>,
    /// There while a server may answer it before the handshake is over.
    answering: Option<Box<Answering>>,
    /// In a handshake that is not the first: how long records are under the keys that it brings.
    next_size: Option<RecordSize>,
}

/// How long a peer that has begun to answer may be silent, before it is given up: its own timer sends again what is
/// lost, every minute at the longest (RFC 9147 §5.8.2), so four sendings in a row may be.
const LONGEST_SILENCE: Duration = LONGEST_TIMEOUT.saturating_mul(4);

impl Outgoing {
    pub(crate) fn new(options: DatagramOptions) -> Self {
        Self {
            transmitter: Transmitter::new(options),
            failure: None,
            unsent: Vec::new(),
            rest_due: None,
            early_data: None,
            answering: None,
            next_size: None,
        }
    }

    /// Before DTLS 1.3: takes over from an established connection, for another handshake; one that `goes_on` was given
    /// up before.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    pub(crate) fn after(writer: &mut Writer, goes_on: bool, now: Monotonic) -> Result<Self, Error> {
        let mut transmitter = writer.hand_over(now)?;
        match goes_on {
            true => transmitter.go_on_again(now),
            false => transmitter.begin_again(),
        }
        Ok(Self {
            transmitter,
            failure: None,
            unsent: Vec::new(),
            rest_due: None,
            early_data: None,
            answering: None,
            next_size: Some(RecordSize::default()),
        })
    }

    /// Goes on where a gate has answered before.
    pub(crate) fn go_on(&mut self, next_message: u16, next_record: u64) {
        self.transmitter.go_on(next_message, next_record);
    }

    /// A gate has seen how long a round trip takes.
    pub(crate) fn measured(&mut self, round_trip: Duration) {
        self.transmitter.measured(round_trip);
    }

    /// Nobody has asked yet whether somebody reads where this is sent.
    pub(crate) const fn begin_unproved(&mut self) {
        self.transmitter.begin_unproved();
    }

    /// How long a message may be, with its header of four bytes, that is in one datagram, in the clear.
    pub(crate) fn longest_whole_message(&self) -> usize {
        let around = PLAIN + FragmentHeader::SIZE - MESSAGE_HEADER;
        self.transmitter.mtu().saturating_sub(around)
    }

    /// A client begins.
    pub(crate) const fn begin_with_hello(&mut self) {
        self.transmitter.begin_with_hello();
    }

    /// Queues the handshake message that `put` writes with its header; gives what it wrote.
    pub(crate) fn handshake(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Hashed<'_> {
        let mut message = Vec::new();
        put(&mut message);
        if self.failure.is_some() {
            self.unsent = message;
            return Hashed::new(&self.unsent);
        }
        match self.transmitter.message(message) {
            Ok(hashed) => hashed,
            Err(abort) => {
                self.failure = Some(abort);
                Hashed::new(&[])
            }
        }
    }

    /// Says an alert in a datagram of its own; what else was under way is given up.
    pub(crate) fn alert(&mut self, description: AlertDescription) {
        self.early_data = None;
        self.answering = None;
        self.transmitter.alert(alert::encode(description));
    }

    /// The version is decided, and is DTLS 1.2 or older.
    pub(crate) fn decided_before_tls13(&mut self, version: ProtocolVersion) {
        self.transmitter.decided_before_tls13(version);
    }

    /// No newer version than this one was offered.
    pub(crate) fn offered_before_tls12(&mut self, version: ProtocolVersion) {
        self.transmitter.set_version(version);
    }

    /// Protects what is queued from here on.
    pub(crate) fn install_write(&mut self, keys: Keys) {
        let epoch = match self.transmitter.epoch() {
            0 => HANDSHAKE,
            newest => newest.saturating_add(1),
        };
        self.transmitter.install(WriteEpoch::new(epoch, keys));
    }

    /// Says that the keys change, and changes to those of before TLS 1.3.
    pub(crate) fn switch_keys(&mut self, keys: Keys) {
        self.transmitter.change_cipher_spec();
        // There is one left: else no handshake begins.
        let epoch = self.transmitter.epoch().saturating_add(1);
        self.transmitter.install(WriteEpoch::new(epoch, keys));
        if let Some(size) = self.next_size.take() {
            self.transmitter.size = size;
        }
    }

    /// Until the server has answered, data goes out under these keys, at most so many bytes of it.
    pub(crate) fn begin_early_data(&mut self, keys: Keys, bytes: u64) {
        self.early_data = Some(Sending::new(keys, bytes));
    }

    /// No more goes out, nor what waits.
    pub(crate) fn end_early_data(&mut self) {
        self.early_data = None;
    }

    /// A server's flight is queued: data may follow it under the keys that are installed.
    pub(crate) fn allow_data(&mut self) {
        self.answering = Some(Box::default());
    }

    /// How many bytes of data may still go out before the handshake is over.
    pub(crate) fn room(&self) -> u64 {
        match (&self.early_data, &self.answering) {
            (Some(sending), _) => sending.room,
            (None, Some(_)) => self.transmitter.room_for_data(),
            (None, None) => 0,
        }
    }

    /// Queues a message before the handshake is over, whole or not at all; gives how much of it.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<usize, Abort> {
        if let Some(sending) = &mut self.early_data {
            return sending.message(data, &self.transmitter.size, self.transmitter.mtu());
        }
        let Some(answering) = &mut self.answering else {
            return Ok(0);
        };
        let Some(datagram) = self.transmitter.data(data)? else {
            return Ok(0);
        };
        answering.bytes = answering.bytes.saturating_add(data.len() as u64);
        answering.datagrams.push_back(datagram);
        Ok(data.len())
    }

    #[cfg(test)]
    pub(crate) fn wear_out(&mut self, left: u64) {
        self.transmitter.newest_mut().unwrap().wear_out(left);
    }

    /// The memory held for what may be sent again, in bytes.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.transmitter.kept()
    }

    #[cfg(test)]
    pub(crate) fn forge_early_data(&mut self, typ: crate::wire::ContentType, content: &[u8]) {
        self.early_data.as_mut().unwrap().forge(typ, content);
    }

    /// The peer wants this on protected records.
    pub(crate) fn set_connection_id(&mut self, id: ConnectionId) {
        self.transmitter.set_connection_id(id);
    }

    /// What the peer wants on protected records; empty for nothing.
    pub(crate) fn connection_id(&self) -> ConnectionId {
        self.transmitter.connection_id()
    }

    fn size(&mut self) -> &mut RecordSize {
        match &mut self.next_size {
            Some(size) => size,
            None => &mut self.transmitter.size,
        }
    }

    pub(crate) fn set_record_size_limit(&mut self, limit: u16) {
        self.size().set_record_size_limit(limit);
    }

    pub(crate) fn set_max_fragment(&mut self, limit: u16) {
        self.size().set_max_fragment(limit);
    }

    pub(crate) fn set_padding(&mut self, padding: PaddingPolicy) {
        self.size().set_padding(padding);
    }

    /// The handshake comes to nothing for now, and what it has said is not said again. It may go on where `keeps` is set.
    pub(crate) fn end_again(&mut self, keeps: bool) {
        self.transmitter.end_again(keeps);
    }

    /// Seals a message about the path; see [`Transmitter::seal_path_message`].
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(crate) fn seal_path_message(
        &mut self,
        msg_type: PathMessageType,
        cookie: [u8; 8],
        out: &mut [u8],
    ) -> Result<Option<usize>, Abort> {
        self.transmitter.seal_path_message(msg_type, cookie, out)
    }

    /// The peer has declined a handshake that is not the first; whether it may have meant an earlier one.
    pub(crate) fn is_late_refusal(&mut self, now: Monotonic) -> bool {
        self.transmitter.is_late_refusal(now)
    }

    /// Takes in what reading has seen.
    pub(crate) fn heed(&mut self, notes: Notes, now: Monotonic) {
        if notes.answered {
            // Nothing less: copies of what was there can come from anybody.
            self.rest_due = None;
        }
        self.transmitter.heed(notes, now);
    }

    /// The peer is to answer what was queued. With `is_over` the handshake is over for this side, and what
    /// the peer has sent is acknowledged without delay.
    pub(crate) fn end_of_flight(&mut self, is_over: bool, now: Monotonic) {
        self.transmitter.end_of_flight(is_over, now);
        if is_over {
            self.transmitter.acknowledge_at_once(now);
        }
        if is_over || self.transmitter.is_in_flight() {
            self.rest_due = None;
        } else {
            self.rest_due
                .get_or_insert(Monotonic(now.0.saturating_add(LONGEST_SILENCE)));
        }
    }

    /// This side thinks; that is not the peer's silence.
    pub(crate) fn pause(&mut self) {
        self.rest_due = None;
        self.transmitter.pause();
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the peer does not answer any more.
    pub(crate) fn on_time(&mut self, now: Monotonic) -> Result<(), Abort> {
        if self.rest_due.is_some_and(|due| due <= now) {
            return Err(Abort(Reason::RestMissing {
                waited: LONGEST_SILENCE,
            }));
        }
        self.transmitter.on_time(now)
    }

    pub(crate) fn set_mtu(&mut self, bytes: u16) {
        self.transmitter.set_mtu(bytes);
    }

    pub(crate) fn shrink(&mut self, length: usize) -> bool {
        self.transmitter.shrink(length)
    }

    pub(crate) fn set_initial_timeout(&mut self, initial: Duration) {
        self.transmitter.set_initial_timeout(initial);
    }

    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        let deadlines = [self.transmitter.deadline(), self.rest_due];
        deadlines.into_iter().flatten().min()
    }

    /// Takes the next datagram; empty for none.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(crate) fn take(&mut self, now: Monotonic) -> Result<Vec<u8>, Abort> {
        if let Some(abort) = self.failure.take() {
            return Err(abort);
        }
        let mut out = Vec::new();
        self.transmitter.datagram(now, &mut out)?;
        // Behind the hello, or the flight.
        if out.is_empty() {
            let early = self.early_data.as_mut().and_then(|own| own.datagram());
            let answer = self.answering.as_mut();
            let next = early.or_else(|| answer.and_then(|own| own.datagrams.pop_front()));
            out = next.unwrap_or_default();
        }
        Ok(out)
    }

    /// Turns into the data path, with what of the handshake is under way.
    pub(crate) fn take_writer(
        &mut self,
        mail: Arc<Mail>,
        key_update_at: u64,
        own: (Option<ConnectionId>, bool),
    ) -> Writer {
        let said = self.answering.take().map_or(0, |answering| answering.bytes);
        Writer::new(self.transmitter.take(), key_update_at, own, mail).after(said)
    }
}

impl core::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outgoing")
            .field("transmitter", &self.transmitter)
            .finish_non_exhaustive()
    }
}
