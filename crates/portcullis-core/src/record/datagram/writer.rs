//! What this side sends on an established connection: a message, a record, a datagram.
//!
//! RFC 9147 §4.2, §5.8, §7, §8, §9.

use core::time::Duration;
use std::io::IoSlice;
use std::sync::Arc;

use super::connection_id::{ConnectionId, MOST_OWN, MOST_SPARE};
use super::epochs::WriteEpoch;
use super::notes::{Mail, Work};
use super::transmitter::Transmitter;
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::crypto::random::Random;
use crate::error::{Abort, Direction, Error, Reason, Stage};
use crate::record::gather::Gather;
use crate::record::{alert, misuse};
use crate::violation::Violation;
use crate::wire::{
    ConnectionIdUsage, ContentType, KeyUpdate, KeyUpdateRequest, NewConnectionId, PathMessageType,
    RequestConnectionId,
};
use crate::{AlertDescription, AlertLevel};

/// How often close_notify is said again to a peer that goes on.
const MOST_CLOSES: u8 = 3;
/// Records of a key that are kept for what is not data: a KeyUpdate that nobody acknowledges may be sent
/// often.
pub(super) const KEPT_RECORDS: u64 = 1_024;

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
    pub(super) transmitter: Transmitter,
    /// A KeyUpdate that is to be sent: `Some(true)` asks the peer for one.
    update: Option<bool>,
    /// A KeyUpdate is under way: the next key is used when it is acknowledged.
    is_updating: bool,
    /// What is under way is of an authentication after the handshake.
    pub(super) is_authenticating: bool,
    key_update_at: u64,
    /// Before DTLS 1.3: whether a key that wears out is worth another handshake, and whether it is time for that.
    may_renegotiate: bool,
    wishes_to_renegotiate: bool,
    /// Of data, sealed under this key.
    bytes: u64,
    ids: Ids,
    state: State,
    pub(super) mail: Arc<Mail>,
}

/// What is to be said about connection ids.
#[derive(Debug, Default)]
struct Ids {
    /// How long those of this side are, and how many were given; 0 if the peer's records have none.
    length: u8,
    checks_paths: bool,
    given: u8,
    to_give: Option<Box<ToGive>>,
    /// How many of the peer's are to be asked for.
    to_request: Option<u8>,
    /// They were asked for, and have not come.
    is_requested: bool,
}

/// Ids that the peer is to have, and whether it is to use one of them from then on.
#[derive(Debug, Default)]
struct ToGive {
    ids: Vec<ConnectionId>,
    immediate: bool,
}

#[derive(Debug)]
enum State {
    Open,
    /// close_notify was said, and may be so many times more.
    Closed(u8),
    Failed(Error),
}

impl Writer {
    pub(super) fn new(
        transmitter: Transmitter,
        key_update_at: u64,
        (own_id, checks_paths): (Option<ConnectionId>, bool),
        mail: Arc<Mail>,
    ) -> Self {
        let length = own_id.map_or(0, |id| id.length());
        Self {
            transmitter,
            update: None,
            is_updating: false,
            is_authenticating: false,
            key_update_at,
            may_renegotiate: false,
            wishes_to_renegotiate: false,
            bytes: 0,
            ids: Ids {
                length,
                checks_paths,
                given: u8::from(length > 0),
                ..Ids::default()
            },
            state: State::Open,
            mail,
        }
    }

    /// So many bytes of data were sealed under the key before.
    pub(super) const fn after(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
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
        let (is_worn, is_older) = (epoch.is_worn(), epoch.is_older());
        sealed.map_err(|failure| self.fail(failure.into()))?;
        self.bytes = self.bytes.saturating_add(length as u64);
        if is_worn || self.bytes > self.key_update_at {
            self.renew_key(is_older);
        }
        Ok(total)
    }

    /// Before DTLS 1.3 only another handshake brings a key.
    #[cold]
    fn renew_key(&mut self, is_older: bool) {
        if is_older {
            if self.may_renegotiate && !self.wishes_to_renegotiate {
                self.wishes_to_renegotiate = true;
                self.mail.own_work();
            }
        } else if !self.is_updating && self.update.is_none() {
            self.update = Some(false);
            self.mail.own_work();
        }
    }

    /// Before DTLS 1.3: whether this key is to be replaced by another handshake, which is
    /// [possible](super::Reader::may_renegotiate): three quarters of the records that it may seal are sealed, or as many bytes as the
    /// configuration says.
    pub const fn wishes_to_renegotiate(&self) -> bool {
        self.wishes_to_renegotiate
    }

    /// Before DTLS 1.3, where there may be another handshake: wishes for it once this many bytes are sealed, and in any
    /// case in time for the key.
    pub(crate) fn renegotiate_at(&mut self, bytes: Option<u64>) {
        self.key_update_at = bytes.unwrap_or(u64::MAX);
        self.may_renegotiate = true;
    }

    /// Gives what a handshake goes on with; nothing more is sent here.
    ///
    /// # Errors
    /// When nothing can be sent any more, or the reader has failed.
    pub(super) fn hand_over(&mut self, now: Monotonic) -> Result<Transmitter, Error> {
        self.check_open()?;
        self.read_mail(now);
        self.check_open()?;
        self.state = State::Failed(misuse(
            "a handshake goes on with this connection: take the new one when it is over",
        ));
        Ok(self.transmitter.take())
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
        let mtu = self.transmitter.mtu();
        let epoch = self.transmitter.newest();
        let fits = epoch.map_or(mtu, |epoch| epoch.most_content(mtu));
        fits.min(self.most_message_len())
    }

    /// Says how long datagrams may be on the path, in bytes of UDP payload; at least 228.
    pub fn set_path_mtu(&mut self, bytes: u16) {
        self.transmitter.set_mtu(bytes);
    }

    /// The network has refused a datagram for its length in bytes: those to come are shorter, and what is under way is cut
    /// anew, which [`poll_control`](Self::poll_control) gives. `false` if that changes nothing: the datagram was longer than
    /// [`set_path_mtu`](Self::set_path_mtu) allows for, as of a message that is longer than
    /// [`max_message_len`](Self::max_message_len), or has 228 bytes at most.
    pub fn datagram_too_long(&mut self, length: usize) -> bool {
        self.transmitter.shrink(length)
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
        self.send_ids(now);
        self.send_authentication(now);
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
    /// [`writer_has_work`](super::Reader::writer_has_work), for whoever has no reader.
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

    /// What the peer wants on this side's records; empty if nothing.
    pub fn connection_id(&self) -> ConnectionId {
        self.transmitter.connection_id()
    }

    /// Gives the peer more connection ids for its records (RFC 9147 §9), which the reader takes from here on.
    /// With `immediate` the peer uses the first of them from when it has them, else it keeps them for another
    /// path. None is an answer, too, to a peer that has asked for some. `poll_control` sends it.
    ///
    /// # Errors
    /// [`Reason::Misuse`] before DTLS 1.3, if the peer's records have no id, if one of these is of another length
    /// than the first, and for more than 8 over the life of the connection, the first included;
    /// [`Reason::Closed`] after close_notify; why the connection is over.
    pub fn new_connection_ids(
        &mut self,
        ids: &[ConnectionId],
        immediate: bool,
    ) -> Result<(), Error> {
        self.check_open()?;
        if self.transmitter.is_older() || self.ids.length == 0 {
            return Err(misuse(
                "connection ids: the peer's records have none, or not in DTLS 1.3",
            ));
        }
        if ids.iter().any(|id| id.length() != self.ids.length) {
            return Err(misuse(
                "connection ids: all of one connection have one length",
            ));
        }
        let given = usize::from(self.ids.given) + ids.len();
        let Some(given) = u8::try_from(given).ok().filter(|given| *given <= MOST_OWN) else {
            return Err(misuse(
                "connection ids: a connection has 8 at most, the first included",
            ));
        };
        if ids.is_empty() && immediate {
            return Err(misuse("connection ids: none of none can be used"));
        }
        self.ids.given = given;
        let to_give = self.ids.to_give.get_or_insert_default();
        // With `immediate` the first is to be used.
        let at = if immediate { 0 } else { to_give.ids.len() };
        to_give.ids.splice(at..at, ids.iter().copied());
        to_give.immediate |= immediate;
        self.mail.issue(ids);
        self.mail.own_work();
        Ok(())
    }

    /// Asks the peer for so many connection ids more (RFC 9147 §9), at most 4, which it may or may not give;
    /// `poll_control` sends it. Does nothing while the ones that were asked for before have not come.
    ///
    /// # Errors
    /// [`Reason::Misuse`] before DTLS 1.3, if this side's records have no id, and for more than 4;
    /// [`Reason::Closed`] after close_notify; why the connection is over.
    pub fn request_connection_ids(&mut self, count: u8) -> Result<(), Error> {
        self.check_open()?;
        if self.transmitter.is_older() || self.connection_id().is_empty() {
            return Err(misuse(
                "connection ids: this side's records have none, or not in DTLS 1.3",
            ));
        }
        if usize::from(count) > MOST_SPARE {
            return Err(misuse("connection ids: 4 are kept at most"));
        }
        if !self.ids.is_requested {
            self.ids.to_request = Some(count);
            self.mail.own_work();
        }
        Ok(())
    }

    /// How many connection ids of the peer are left for other paths.
    pub fn spare_connection_ids(&self) -> usize {
        self.transmitter.spare_ids()
    }

    /// Puts the next connection id of the peer on this side's records, so that nobody can tell from it that they
    /// are of the same connection (RFC 9147 §9: on another path); `false` if there is none left.
    pub fn use_next_connection_id(&mut self) -> bool {
        self.transmitter.use_next_id()
    }

    /// Asks the peer whether it reads where the datagram is sent to (RFC 9853 §5); gives the cookie, 64 random bits
    /// that come back as [`Received::PathResponse`](super::Received::PathResponse), and the length of the datagram,
    /// which `out` has room for if it has [`control_len`](Self::control_len) bytes. It is not sent again by itself.
    ///
    /// # Errors
    /// [`Reason::Misuse`] when the two sides have not agreed on that, or `out` is too short; [`Reason::Closed`] after
    /// close_notify; why the connection is over.
    pub fn path_challenge(&mut self, out: &mut [u8]) -> Result<([u8; 8], usize), Error> {
        let mut cookie = [0; 8];
        let drawn = Random::system().fill(&mut cookie);
        drawn.map_err(|failure| {
            Abort::from(CryptoFailure::from(failure)).into_error(Stage::Connected)
        })?;
        let length = self.path_message(PathMessageType::CHALLENGE, cookie, out)?;
        Ok((cookie, length))
    }

    /// Answers a [`Received::PathChallenge`](super::Received::PathChallenge): goes to where that has come from.
    ///
    /// # Errors
    /// As [`path_challenge`](Self::path_challenge).
    pub fn path_response(&mut self, cookie: [u8; 8], out: &mut [u8]) -> Result<usize, Error> {
        self.path_message(PathMessageType::RESPONSE, cookie, out)
    }

    fn path_message(
        &mut self,
        msg_type: PathMessageType,
        cookie: [u8; 8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        self.check_open()?;
        if !self.ids.checks_paths {
            return Err(misuse(
                "paths are not checked: the two sides have not agreed on `rrc`",
            ));
        }
        match self.transmitter.seal_path_message(msg_type, cookie, out) {
            Ok(Some(length)) => Ok(length),
            Ok(None) => Err(misuse(
                "the output is too short: it takes `control_len()` bytes",
            )),
            Err(abort) => Err(self.fail(abort)),
        }
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

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
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
        let (work, mut notes) = self.mail.take();
        notes.answered |= self.is_request_answered();
        if notes.peer_ids.is_some() {
            self.ids.is_requested = false;
        }
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
                self.fail(Abort(Reason::NumbersUsedUp));
            }
        }
    }

    /// One flight at a time: what is asked for meanwhile waits.
    fn send_update(&mut self, now: Monotonic) {
        if self.transmitter.is_in_flight() || !self.is_open() {
            return;
        }
        let Some(request_peer) = self.update.take() else {
            return;
        };
        if self.transmitter.epoch() == u16::MAX {
            self.fail(Abort(Reason::NumbersUsedUp));
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
                (self.is_updating, self.is_authenticating) = (true, false);
                self.transmitter.end_of_flight(false, now);
            }
            Err(abort) => {
                self.fail(abort);
            }
        }
    }

    /// One of each at a time (§9), as one flight is under way at a time.
    fn send_ids(&mut self, now: Monotonic) {
        if self.transmitter.is_in_flight() || !self.is_open() {
            return;
        }
        let mut message = Vec::new();
        if let Some(to_give) = self.ids.to_give.take() {
            let usage = match to_give.immediate {
                true => ConnectionIdUsage::IMMEDIATE,
                false => ConnectionIdUsage::SPARE,
            };
            NewConnectionId::put(&mut message, to_give.ids, usage);
        } else if let Some(count) = self.ids.to_request.take() {
            self.ids.is_requested = true;
            RequestConnectionId::put(&mut message, count);
        } else {
            return;
        }
        match self.transmitter.message(message) {
            Ok(_) => {
                self.is_authenticating = false;
                self.transmitter.end_of_flight(false, now);
            }
            Err(abort) => {
                self.fail(abort);
            }
        }
    }

    /// Tells the peer what it has done, if it has, and that is the end.
    #[cold]
    pub(super) fn fail(&mut self, abort: Abort) -> Error {
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
    /// Has sent as many messages as there are numbers for.
    pub(crate) fn use_up_messages(&mut self) {
        self.transmitter.use_up_messages();
    }

    /// The newest epoch has this number.
    pub(crate) fn set_epoch(&mut self, epoch: u16) {
        if let Some(newest) = self.transmitter.newest_mut() {
            newest.epoch = epoch;
        }
    }

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
