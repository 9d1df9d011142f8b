//! What the peer sends on an established connection, record by record.
//!
//! RFC 9147 §4.2, §4.5, §5.10, §7, §8, §9; RFC 9146.

use core::time::Duration;
use std::sync::Arc;

use super::authentication::is_of_authentication;
use super::connection_id::{ConnectionId, MOST_SPARE, OwnIds};
use super::epochs::{APPLICATION, OlderRecord, Opened, ReadEpochs};
use super::header::{self, Header, Unified};
use super::notes::{Mail, Notes};
use super::reassembly::{Reassembly, Taken};
use super::{Discarded, Discards, Fault};
use crate::alert::{AlertDescription, AlertLevel};
use crate::clock::Monotonic;
use crate::error::{Abort, Error, Reason, Stage};
use crate::record::assembler::HandshakeBytes;
use crate::record::post_handshake::{
    MAX_NEW_SESSION_TICKET, Tickets, count, key_update, on_ticket,
};
use crate::record::{MAX_IDLE, MAX_TICKETS, MAX_WARNINGS, Older, alert};
use crate::role::Role;
use crate::session::ReceivedTicket;
use crate::violation::Violation;
use crate::wire::{
    Ack, ConnectionIdUsage, ContentType, FragmentHeader, HandshakeMessage, HandshakeType,
    KeyUpdateRequest, MAX_PLAINTEXT, NewConnectionId, PathMessageType, RecordNumber,
    RequestConnectionId, ReturnRoutabilityCheck,
};

/// How long data is still taken that was overtaken by close_notify (§5.10).
const OVERTAKEN: Duration = Duration::from_secs(1);

/// What was in a record of a datagram.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received<'a> {
    /// A message of the application; it may be empty. It stands in the datagram, which was opened in place.
    Data(&'a mut [u8]),
    /// The peer asks whether this side reads where this has come from (RFC 9853 §5): the cookie goes back there with
    /// [`path_response`](super::Writer::path_response).
    PathChallenge([u8; 8]),
    /// The peer reads where the challenge with this cookie was sent to.
    PathResponse([u8; 8]),
    /// Something that was handled: an acknowledgement, a KeyUpdate, a ticket ([`Reader::take_ticket`]).
    Nothing,
    /// The record was dropped.
    Discarded(Discarded),
    /// The peer's close_notify, once: it sends no more. Data that this has overtaken may come for a second.
    Closed,
}

/// The reading half of an established connection over datagrams.
///
/// Whatever cannot be authenticated is dropped and counted, never an error. An [`Error`] ends the
/// connection: the same comes from then on, and the alert is with the [`Writer`](super::Writer).
#[derive(Debug)]
pub struct Reader {
    pub(super) role: Role,
    pub(super) epochs: ReadEpochs,
    pub(super) inner_limit: usize,
    pub(super) max_handshake_size: u32,
    pub(super) reassembly: Reassembly,
    /// The record of a KeyUpdate that waits for a message before it, and the message_seq of it.
    waiting_update: Option<Box<(u16, RecordNumber)>>,
    pub(super) strict_alert_levels: bool,
    /// DTLS 1.2 or older.
    pub(super) is_older: bool,
    /// Nothing has come yet that only a peer sends that has all of this side's handshake.
    is_fresh: bool,
    /// Before DTLS 1.3: the session that the handshake has left, and what becomes of the peer's wish for another one.
    pub(super) older: Option<Box<Older>>,
    /// What has come of another handshake, where there may be one.
    pub(super) wish: Option<Box<Reassembly>>,
    /// Since the last data.
    pub(super) warnings: u8,
    tickets_seen: u8,
    /// Whether the peer was asked to update its key because it is worn out.
    asked_for_update: bool,
    tickets: Option<Box<Tickets>>,
    pub(super) ids: OwnIds,
    /// Messages about connection ids since the last data.
    id_messages: u8,
    /// Requests for a certificate since the last data.
    pub(super) requests_seen: u8,
    /// What a client authenticates with has come in part, and nothing else is between (RFC 8446 §4.4).
    pub(super) is_authenticating: bool,
    /// How many ids the peer has asked for, which nobody has looked at yet.
    ids_wanted: Option<u8>,
    pub(super) state: State,
    pub(super) discards: Option<Box<Discards>>,
    pub(super) mail: Arc<Mail>,
}

#[derive(Debug)]
pub(super) enum State {
    Open,
    Closed(Box<Close>),
    Failed(Error),
}

/// The peer's close_notify: in which record it was, and how long data is still taken that it has overtaken.
#[derive(Debug)]
pub(super) struct Close {
    at: RecordNumber,
    until: Monotonic,
}

/// What a handshake leaves to it.
pub(super) struct HandedOver {
    pub(super) role: Role,
    pub(super) epochs: ReadEpochs,
    pub(super) inner_limit: usize,
    pub(super) next_message: Option<u16>,
    pub(super) max_handshake_size: usize,
    pub(super) strict_alert_levels: bool,
    pub(super) is_older: bool,
    pub(super) ids: OwnIds,
    pub(super) discards: Option<Box<Discards>>,
}

/// The records of one datagram.
#[derive(Debug)]
pub struct Records<'r, 'd> {
    reader: &'r mut Reader,
    rest: &'d mut [u8],
    now: Monotonic,
    is_newest: bool,
}

impl Reader {
    pub(super) fn new(handed_over: HandedOver, mail: Arc<Mail>) -> Self {
        let longest = match mail.authentication() {
            Some(_) => handed_over.max_handshake_size,
            None => MAX_NEW_SESSION_TICKET.min(handed_over.max_handshake_size),
        };
        Self {
            role: handed_over.role,
            epochs: handed_over.epochs,
            inner_limit: handed_over.inner_limit,
            // Lengths of messages have 24 bits.
            max_handshake_size: u32::try_from(handed_over.max_handshake_size).unwrap_or(u32::MAX),
            reassembly: Reassembly::new(handed_over.next_message.unwrap_or(u16::MAX), longest),
            waiting_update: None,
            strict_alert_levels: handed_over.strict_alert_levels,
            is_older: handed_over.is_older,
            is_fresh: true,
            older: None,
            wish: None,
            warnings: 0,
            tickets_seen: 0,
            asked_for_update: false,
            tickets: None,
            ids: handed_over.ids,
            id_messages: 0,
            requests_seen: 0,
            is_authenticating: false,
            ids_wanted: None,
            state: State::Open,
            discards: handed_over.discards,
            mail,
        }
    }

    /// Before DTLS 1.3: gives the session, which is there since the handshake, and says what becomes of the
    /// peer's wish for another one.
    pub(crate) fn leave(&mut self, older: Box<Older>) {
        self.older = Some(older);
    }

    /// Makes sessions of the tickets that come.
    pub(crate) fn keep(&mut self, tickets: Option<Tickets>) {
        self.tickets = tickets.map(Box::new);
    }

    /// Opens the records of a datagram, one after the other, where they stand.
    ///
    /// Afterwards, if [`writer_has_work`](Self::writer_has_work), the writer's
    /// [`poll_control`](super::Writer::poll_control) is to be called.
    pub fn open<'r, 'd>(&'r mut self, datagram: &'d mut [u8], now: Monotonic) -> Records<'r, 'd> {
        Records {
            reader: self,
            rest: datagram,
            now,
            is_newest: false,
        }
    }

    /// The next ticket that has come (RFC 8446 §4.6.1); at most 8 are kept, and the oldest makes room. Before
    /// DTLS 1.3 it is the session that the handshake has left.
    pub fn take_ticket(&mut self) -> Option<ReceivedTicket> {
        if let Some(session) = self.older.as_mut().and_then(|older| older.session.take()) {
            return Some(session);
        }
        self.tickets.as_mut()?.take()
    }

    /// What the peer's records had as their connection id when the connection began; empty if connection ids
    /// were agreed on, and they have none; `None` without an agreement.
    pub fn connection_id(&self) -> Option<ConnectionId> {
        let first = self.ids.first().unwrap_or(ConnectionId::EMPTY);
        self.ids.is_agreed().then_some(first)
    }

    /// Whether both sides answer when they are asked where they are (RFC 9853).
    pub fn checks_paths(&self) -> bool {
        self.ids.checks_paths
    }

    /// How many connection ids the peer has asked for (RFC 9147 §9), once for each time. Whoever has some to
    /// give does so with [`new_connection_ids`](super::Writer::new_connection_ids); fewer will do, and none, too.
    pub fn take_connection_id_request(&mut self) -> Option<u8> {
        self.ids_wanted.take()
    }

    /// Whether the writer's [`poll_control`](super::Writer::poll_control) would do something.
    #[inline]
    pub fn writer_has_work(&self) -> bool {
        self.mail.has_work()
    }

    /// What was dropped so far, the handshake included.
    pub fn discards(&self) -> Discards {
        self.discards.as_deref().cloned().unwrap_or_default()
    }

    /// Whether the peer has said close_notify.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Gives the memory of the ciphers back until the next record comes.
    pub fn hibernate(&mut self) {
        self.epochs.hibernate();
    }

    /// Drops keys under which nothing is under way any more, which [`open`](Self::open) does only when something comes:
    /// those of the handshake 240 seconds after the first call, twice the longest life of a segment (§4.2.1). For
    /// connections that nothing comes on, once in a while.
    pub fn forget_old_keys(&mut self, now: Monotonic) {
        self.epochs.forget_handshake(now);
    }

    /// The newest epoch has this number.
    #[cfg(test)]
    pub(crate) fn set_epoch(&mut self, epoch: u16) {
        self.epochs.set_epoch(epoch);
    }

    /// The newest epoch.
    #[cfg(test)]
    pub(crate) fn newest_epoch(&self) -> u16 {
        self.epochs.newest()
    }

    /// Of how many epochs there are keys.
    #[cfg(test)]
    pub(crate) fn epochs(&self) -> usize {
        self.epochs.epochs.len()
    }

    /// The memory held for what came, in bytes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.reassembly.held() + self.wish.as_ref().map_or(0, |wish| wish.held())
    }

    fn discard(&mut self, why: Discarded) {
        self.discards.get_or_insert_default().add(why);
    }

    fn on_record<'d>(
        &mut self,
        header: Header,
        record: &'d mut [u8],
        now: Monotonic,
        is_newest: &mut bool,
    ) -> Result<Received<'d>, Fault> {
        match header {
            Header::Plain { epoch: 0, .. } => Err(Discarded::UnprotectedAfterKeys.into()),
            Header::Plain {
                typ,
                epoch,
                sequence,
                length,
            } if self.is_older => {
                let header = OlderRecord {
                    epoch,
                    sequence,
                    head: length,
                    has_id: typ == ContentType::TLS12_CID,
                    takes_data: true,
                };
                self.on_older(header, record, now, is_newest)
            }
            Header::Plain { .. } => Err(Discarded::UnknownEpoch.into()),
            Header::Unified(unified) => self.on_protected(unified, record, now, is_newest),
        }
    }

    /// §9; RFC 9146 §3: a side that was given an id has it on each of them, and nobody else has one.
    fn check_id(&self, has_id: bool) -> Result<(), Discarded> {
        match self.ids.is_used() == has_id {
            true => Ok(()),
            false => Err(Discarded::UnknownConnectionId),
        }
    }

    fn on_protected<'d>(
        &mut self,
        unified: Unified,
        record: &'d mut [u8],
        now: Monotonic,
        is_newest: &mut bool,
    ) -> Result<Received<'d>, Fault> {
        self.check_id(unified.id > 0)?;
        self.epochs.expire(now);
        let opened = self.epochs.open(unified, record, self.inner_limit, now);
        if !self.asked_for_update && self.epochs.is_worn_out() {
            self.asked_for_update = true;
            self.mail.request_key_update();
        }
        let opened = opened?;
        *is_newest |= opened.is_newest;
        if opened.typ == ContentType::APPLICATION_DATA {
            return self.on_data(&opened, record, now);
        }
        let content = record.get(opened.content.clone()).unwrap_or_default();
        match opened.typ {
            ContentType::HANDSHAKE => self.on_handshake(&opened, content)?,
            ContentType::ACK => self.on_acknowledgement(content)?,
            ContentType::ALERT => return self.on_alert(&opened, content, now),
            ContentType::RETURN_ROUTABILITY_CHECK if opened.number.epoch >= APPLICATION.into() => {
                return self.on_path_message(content);
            }
            _ => return Err(Violation::UnknownRecordType.into()),
        }
        Ok(Received::Nothing)
    }

    /// Of DTLS 1.2 and older.
    fn on_older<'d>(
        &mut self,
        header: OlderRecord,
        record: &'d mut [u8],
        now: Monotonic,
        is_newest: &mut bool,
    ) -> Result<Received<'d>, Fault> {
        self.check_id(header.has_id)?;
        self.epochs.expire(now);
        let limit = self.inner_limit.min(MAX_PLAINTEXT);
        let opened = self.epochs.open_older(header, record, limit, now)?;
        *is_newest |= opened.is_newest;
        let is_late = self.is_late(&opened);
        if opened.typ == ContentType::APPLICATION_DATA {
            if !is_late && core::mem::take(&mut self.is_fresh) {
                // RFC 6347 §4.2.4: a peer that sends data has the last flight, if it was this side's.
                self.mail.note(Notes {
                    has_before: true,
                    ..Notes::default()
                });
            }
            return self.on_data(&opened, record, now);
        }
        let content = record.get(opened.content.clone()).unwrap_or_default();
        match opened.typ {
            ContentType::HANDSHAKE => self.on_older_handshake(&opened, content)?,
            ContentType::ALERT => return self.on_alert(&opened, content, now),
            ContentType::RETURN_ROUTABILITY_CHECK => return self.on_path_message(content),
            // Of the flight that has ended the last handshake: it was under the keys before.
            ContentType::CHANGE_CIPHER_SPEC if is_late => {}
            ContentType::CHANGE_CIPHER_SPEC => {
                return Err(Violation::UnexpectedChangeCipherSpec.into());
            }
            _ => return Err(Violation::UnknownRecordType.into()),
        }
        Ok(Received::Nothing)
    }

    #[inline]
    fn on_data<'d>(
        &mut self,
        opened: &Opened,
        record: &'d mut [u8],
        now: Monotonic,
    ) -> Result<Received<'d>, Fault> {
        if opened.number.epoch < APPLICATION.into() && !self.is_older {
            return Err(Violation::ApplicationDataTooEarly.into());
        }
        if let State::Closed(close) = &self.state
            && (opened.number > close.at || now > close.until)
        {
            return Err(Discarded::AfterClose.into());
        }
        (self.warnings, self.tickets_seen) = (0, 0);
        (self.id_messages, self.requests_seen) = (0, 0);
        if self.mail.is_closed() {
            self.mail.peer_goes_on();
        }
        let content = record.get_mut(opened.content.clone());
        Ok(Received::Data(content.unwrap_or_default()))
    }

    fn on_handshake(&mut self, opened: &Opened, content: &[u8]) -> Result<(), Fault> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let epoch = u16::try_from(opened.number.epoch).unwrap_or(u16::MAX);
        let (mut rest, mut notes, mut update) = (content, Notes::default(), None);
        let mut dropped = None;
        while !rest.is_empty() {
            let split = FragmentHeader::split(rest).map_err(|_| Violation::MalformedFragment)?;
            let (header, fragment, behind) = split;
            rest = behind;
            if self.reassembly.is_old(header.message_seq) {
                // The peer has not seen that it was acknowledged.
                notes.repeated = true;
                continue;
            }
            self.check_message(epoch, header)?;
            match self.reassembly.put(epoch, header, fragment) {
                Taken::New => {}
                Taken::Old => notes.repeated = true,
                Taken::Dropped(why) => {
                    dropped = Some(why);
                    continue;
                }
                Taken::Broken(violation) => return Err(violation.into()),
            }
            if header.msg_type == HandshakeType::KEY_UPDATE {
                update = Some(header.message_seq);
            }
        }
        while let Some((epoch, message)) = self.reassembly.pop_any() {
            self.on_message(epoch, &message)?;
        }
        if let Some(why) = dropped {
            // It takes none of its record with it but the acknowledgement (§7).
            self.mail.note(notes);
            return Err(why.into());
        }
        // §8: a peer whose KeyUpdate is acknowledged uses the next key. So that has to be there.
        match update.filter(|message_seq| !self.reassembly.is_old(*message_seq)) {
            Some(message_seq) => {
                self.waiting_update = Some(Box::new((message_seq, opened.number)));
            }
            None => notes.arrived(opened.number),
        }
        if let Some(waiting) = &self.waiting_update
            && self.reassembly.is_old(waiting.0)
        {
            notes.arrived(waiting.1);
            self.waiting_update = None;
        }
        notes.at_once = true;
        self.mail.note(notes);
        Ok(())
    }

    /// What may come, before anything of it is kept.
    ///
    /// A ticket that was sent behind a KeyUpdate, and lost, comes again under the key that it was sealed with
    /// (§4.2.1), when the next one is in use. Whoever sends KeyUpdate waits until the one before is
    /// acknowledged, and by then uses that key (§8).
    fn check_message(&self, epoch: u16, header: FragmentHeader) -> Result<(), Violation> {
        let is_update = header.msg_type == HandshakeType::KEY_UPDATE;
        if epoch < APPLICATION || is_update && epoch < self.epochs.current() {
            return Err(Violation::MessageInOldEpoch);
        }
        match header.msg_type {
            typ if is_of_authentication(typ) => self.check_authentication(typ),
            // Only these are longer than any ticket.
            _ if header.length as usize > MAX_NEW_SESSION_TICKET => {
                Err(Violation::HandshakeMessageTooLong)
            }
            // A right one has one byte (RFC 8446 §4.6.3).
            HandshakeType::KEY_UPDATE if header.length != 1 => Err(Violation::MalformedMessage),
            HandshakeType::KEY_UPDATE => Ok(()),
            HandshakeType::NEW_SESSION_TICKET if self.role == Role::Client => Ok(()),
            // §9: of a side that wants ids on what it receives, and to one that has them on what it sends.
            HandshakeType::NEW_CONNECTION_ID if !self.ids.peer_has_one => {
                Err(Violation::ConnectionIdsNotNegotiated)
            }
            HandshakeType::REQUEST_CONNECTION_ID if !self.ids.is_used() => {
                Err(Violation::ConnectionIdsNotNegotiated)
            }
            HandshakeType::REQUEST_CONNECTION_ID if header.length != 1 => {
                Err(Violation::MalformedMessage)
            }
            HandshakeType::NEW_CONNECTION_ID | HandshakeType::REQUEST_CONNECTION_ID => Ok(()),
            _ => Err(Violation::UnexpectedPostHandshakeMessage),
        }
    }

    fn on_message(&mut self, epoch: u16, message: &HandshakeBytes) -> Result<(), Fault> {
        if is_of_authentication(message.typ()) {
            return self.on_authentication(epoch, message);
        }
        if self.is_authenticating {
            return Err(Violation::AuthenticationInterleaved.into());
        }
        if message.typ() == HandshakeType::KEY_UPDATE {
            if epoch < self.epochs.newest() {
                return Err(Violation::MessageInOldEpoch.into());
            }
            let request = key_update(message).map_err(Fault::Abort)?;
            self.epochs.update()?;
            self.asked_for_update = false;
            if request == KeyUpdateRequest::UPDATE_REQUESTED {
                self.mail.answer_key_update();
            }
            return Ok(());
        }
        if message.typ() == HandshakeType::NEW_CONNECTION_ID {
            return self.on_new_connection_ids(message);
        }
        if message.typ() == HandshakeType::REQUEST_CONNECTION_ID {
            return self.on_connection_id_request(message);
        }
        count(
            &mut self.tickets_seen,
            MAX_TICKETS,
            Violation::TooManyTickets,
        )?;
        // It is whose that has authenticated by now.
        let shown = self.mail.authentication().and_then(|one| one.shown());
        if let (Some(tickets), Some(shown)) = (self.tickets.as_deref_mut(), shown) {
            tickets.belong_to(shown);
        }
        on_ticket(message, self.tickets.as_deref_mut()).map_err(Fault::Abort)
    }

    /// RFC 9853 §4: only where it was agreed on; a path that is to be dropped is none that is used here.
    fn on_path_message<'d>(&self, content: &[u8]) -> Result<Received<'d>, Fault> {
        if !self.ids.checks_paths {
            return Err(Violation::UnknownRecordType.into());
        }
        let message = ReturnRoutabilityCheck::decode(content);
        let message = message.map_err(|_| Violation::MalformedPathMessage)?;
        Ok(match message {
            Some(message) if message.msg_type == PathMessageType::CHALLENGE => {
                Received::PathChallenge(message.cookie)
            }
            Some(message) if message.msg_type == PathMessageType::RESPONSE => {
                Received::PathResponse(message.cookie)
            }
            _ => Received::Nothing,
        })
    }

    /// §9: more than are wanted are passed over, and so is what is empty or longer than this side writes.
    fn on_new_connection_ids(&mut self, message: &HandshakeBytes) -> Result<(), Fault> {
        count(
            &mut self.id_messages,
            MAX_IDLE,
            Violation::TooManyConnectionIds,
        )?;
        let message = NewConnectionId::decode(message.body());
        let message = message.map_err(|_| Violation::MalformedMessage)?;
        let usable = message.cids.iter().filter_map(|id| ConnectionId::of(id.0));
        let usable = usable.filter(|id| !id.is_empty());
        let ids: Vec<_> = usable.take(MOST_SPARE + 1).collect();
        let immediate = match message.usage {
            ConnectionIdUsage::IMMEDIATE => true,
            ConnectionIdUsage::SPARE => false,
            _ => return Err(Violation::BadConnectionIdUsage.into()),
        };
        if immediate && ids.is_empty() {
            return Err(Violation::NoUsableConnectionId.into());
        }
        self.mail.note(Notes {
            peer_ids: Some((ids, immediate)),
            ..Notes::default()
        });
        Ok(())
    }

    fn on_connection_id_request(&mut self, message: &HandshakeBytes) -> Result<(), Fault> {
        count(
            &mut self.id_messages,
            MAX_IDLE,
            Violation::TooManyConnectionIdsRequested,
        )?;
        let request = RequestConnectionId::decode(message.body());
        let request = request.map_err(|_| Violation::MalformedMessage)?;
        self.ids_wanted = Some(request.num_cids);
        Ok(())
    }

    fn on_acknowledgement(&mut self, content: &[u8]) -> Result<(), Fault> {
        let ack = Ack::decode(content).map_err(|_| Violation::MalformedAck)?;
        let mut notes = Notes::default();
        for number in ack.record_numbers.iter() {
            notes.acknowledged(number);
        }
        self.mail.note(notes);
        Ok(())
    }

    fn on_alert<'d>(
        &mut self,
        opened: &Opened,
        content: &[u8],
        now: Monotonic,
    ) -> Result<Received<'d>, Fault> {
        let alert = alert::decode(content)?;
        if self.strict_alert_levels && !self.is_older && alert::is_understated(alert) {
            return Err(Violation::WrongAlertLevel.into());
        }
        let is_warning = self.is_older && alert.level == AlertLevel::WARNING;
        match alert.description {
            AlertDescription::CLOSE_NOTIFY if self.is_closed() => Ok(Received::Nothing),
            AlertDescription::CLOSE_NOTIFY => {
                self.close_at(opened.number, now);
                Ok(Received::Closed)
            }
            // RFC 5246 §7.2.2: a warning is one.
            description if is_warning || description == AlertDescription::USER_CANCELED => {
                count(&mut self.warnings, MAX_WARNINGS, Violation::TooManyWarnings)?;
                self.mail.note(Notes {
                    refusals: u8::from(description == AlertDescription::NO_RENEGOTIATION),
                    ..Notes::default()
                });
                Ok(Received::Nothing)
            }
            description => Err(Fault::Abort(Abort(Reason::AlertReceived(description)))),
        }
    }

    /// The peer has said close_notify in this record.
    pub(super) fn close_at(&mut self, at: RecordNumber, now: Monotonic) {
        let until = Monotonic(now.0.saturating_add(OVERTAKEN));
        self.state = State::Closed(Box::new(Close { at, until }));
    }

    /// Reads the header of the next record. An id that is not known may be one that was given since.
    fn split(&mut self, datagram: &[u8]) -> Result<(Header, usize), Discarded> {
        match header::split(datagram, &self.ids) {
            Err(Discarded::UnknownConnectionId) if self.ids.is_used() => {
                self.ids.add(&self.mail.issued());
                header::split(datagram, &self.ids)
            }
            split => split,
        }
    }

    #[cold]
    fn fail(&mut self, abort: Abort) -> Error {
        let error = abort.into_error(Stage::Connected);
        self.mail.fail(error.clone());
        self.state = State::Failed(error.clone());
        error
    }
}

impl<'d> Records<'_, 'd> {
    /// Whether one of the records so far was the newest of all that have come: none under the newest keys with a
    /// higher number was opened before. Only from where such a one comes a peer may have moved to
    /// (RFC 9147 §11, RFC 9146 §6): whoever repeats an older one is not the peer.
    pub fn is_newest(&self) -> bool {
        self.is_newest
    }

    /// The next record; `None` when the datagram is over.
    ///
    /// # Errors
    /// When the peer has broken a rule in a record that it has sealed, or has sent a fatal alert: the
    /// connection is over.
    #[allow(
        clippy::should_implement_trait,
        reason = "an error comes again and again"
    )]
    pub fn next(&mut self) -> Result<Option<Received<'d>>, Error> {
        if let State::Failed(error) = &self.reader.state {
            return Err(error.clone());
        }
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() {
            return Ok(None);
        }
        let (header, length) = match self.reader.split(rest) {
            Ok(split) => split,
            Err(why) => {
                self.reader.discard(why);
                return Ok(Some(Received::Discarded(why)));
            }
        };
        let (record, behind) = rest.split_at_mut(length);
        self.rest = behind;
        let is_newest = &mut self.is_newest;
        match self.reader.on_record(header, record, self.now, is_newest) {
            Ok(received) => Ok(Some(received)),
            Err(Fault::Discard(why)) => {
                self.reader.discard(why);
                Ok(Some(Received::Discarded(why)))
            }
            Err(Fault::Abort(abort)) => Err(self.reader.fail(abort)),
        }
    }
}
