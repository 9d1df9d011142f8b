//! From datagrams to handshake messages and alerts, while keys come.
//!
//! RFC 9147 §4.5, §5.2, §5.8, §7, §9; RFC 9146.

mod before_keys;
mod unprotected;

use std::collections::VecDeque;

use super::again::{self, Again, Heard};
use super::connection_id::{ConnectionId, OwnIds};
use super::early_data::Receiving;
use super::epochs::{APPLICATION, EARLY_DATA, HANDSHAKE, OLDER, OlderRecord, Opened, ReadEpochs};
use super::header::{self, Header, PLAIN, Unified};
use super::notes::Notes;
use super::reader::{HandedOver, Reader};
use super::reassembly::{Reassembly, Taken};
use super::{Discarded, Discards, Fault};
use crate::alert::AlertLevel;
use crate::clock::Monotonic;
use crate::error::Abort;
use crate::record::keys::Keys;
use crate::record::stream::Message;
use crate::record::{MAX_CLIENT_HELLO, MAX_INNER_PLAINTEXT, MAX_WARNINGS, alert};
use crate::role::Role;
use crate::violation::Violation;
use crate::wire::{Ack, ContentType, FragmentHeader, MAX_PLAINTEXT};

/// Alerts that wait to be taken; anybody can send them in the clear.
const MOST_ALERTS: usize = 4;

/// The reading side during the handshake.
///
/// Records are opened when they come, also while a question is open. Held are at most the longest message
/// and 32 KiB.
pub(crate) struct Incoming {
    role: Role,
    pub(super) epochs: ReadEpochs,
    /// Records of epochs that may come next: whole, as they came.
    early: Vec<Vec<u8>>,
    /// Keys were installed since these were tried.
    retry_early: bool,
    pub(super) reassembly: Reassembly,
    alerts: VecDeque<Message>,
    notes: Notes,
    pub(super) discards: Option<Box<Discards>>,
    pub(super) inner_limit: usize,
    pub(super) max_handshake_size: usize,
    pub(super) strict_alert_levels: bool,
    warnings: u8,
    /// The version is DTLS 1.2 or older: a handshake brings the keys of one epoch, whose records have the header of
    /// what is in the clear.
    pub(super) is_older: bool,
    /// There if it is not the first handshake of its connection.
    pub(super) again: Option<Box<Again>>,
    /// What this side offers, or would answer with.
    offered: Option<(ConnectionId, bool)>,
    pub(super) ids: OwnIds,
    /// Nothing has shown yet that somebody reads where these datagrams say that they come from.
    is_unproved: bool,
    /// There while early data may come that is accepted.
    early_data: Option<Box<Receiving>>,
    /// Nobody here takes any.
    declines_early_data: bool,
    /// See [`DatagramOptions::dangerous_trust_unprotected`](super::DatagramOptions::dangerous_trust_unprotected).
    trusts_unprotected: bool,
}

impl Incoming {
    /// Starts without keys, with the message of the peer that is due.
    pub(crate) fn new(
        role: Role,
        max_handshake_size: usize,
        next_message: u16,
        connection_id: Option<(ConnectionId, bool)>,
    ) -> Self {
        let max_handshake_size = match role {
            Role::Server => max_handshake_size.min(MAX_CLIENT_HELLO),
            Role::Client => max_handshake_size,
        };
        Self {
            role,
            epochs: ReadEpochs::default(),
            early: Vec::new(),
            retry_early: false,
            reassembly: Reassembly::new(next_message, max_handshake_size),
            alerts: VecDeque::new(),
            notes: Notes::default(),
            discards: None,
            inner_limit: MAX_INNER_PLAINTEXT,
            max_handshake_size,
            strict_alert_levels: false,
            warnings: 0,
            is_older: false,
            again: None,
            offered: connection_id,
            ids: OwnIds::offer(connection_id.map(|(id, _)| id)),
            is_unproved: false,
            early_data: None,
            declines_early_data: false,
            trusts_unprotected: false,
        }
    }

    /// Nobody has asked yet whether somebody reads where the datagrams come from.
    pub(crate) const fn begin_unproved(&mut self) {
        self.is_unproved = true;
    }

    pub(crate) const fn is_unproved(&self) -> bool {
        self.is_unproved
    }

    /// A record has opened, and its keys have only those who have read what was sent.
    const fn prove_address(&mut self) {
        if self.is_unproved {
            self.is_unproved = false;
            self.notes.proved = true;
        }
    }

    /// What this side wants on the peer's records, if it knows of connection ids, and whether it checks paths.
    pub(crate) const fn connection_id(&self) -> Option<(ConnectionId, bool)> {
        self.offered
    }

    /// Both sides know of connection ids, and the peer wants this one on what it receives.
    pub(crate) fn agree_connection_ids(&mut self, theirs: ConnectionId, checks_paths: bool) {
        self.ids.agree(theirs, checks_paths);
    }

    /// The version is decided, and is DTLS 1.2 or older.
    pub(crate) fn decided_before_tls13(&mut self) {
        self.is_older = true;
    }

    pub(crate) const fn is_before_tls13(&self) -> bool {
        self.is_older
    }

    /// Messages have at most so many bytes from here on.
    pub(crate) fn set_max_handshake_size(&mut self, max_handshake_size: usize) {
        self.max_handshake_size = max_handshake_size;
        self.reassembly.set_max_body(max_handshake_size);
    }

    pub(crate) fn set_strict_alert_levels(&mut self, on: bool) {
        self.strict_alert_levels = on;
    }

    /// Bounds the inner plaintext; of several bounds the strictest counts.
    pub(crate) fn limit_inner(&mut self, limit: usize) {
        self.inner_limit = limit.min(self.inner_limit);
    }

    /// Takes a datagram.
    ///
    /// # Errors
    /// When the peer has broken a rule in a record that it has sealed.
    pub(crate) fn receive(&mut self, datagram: &[u8], now: Monotonic) -> Result<(), Abort> {
        if self.is_unproved {
            self.notes.unproved += datagram.len();
        }
        if let Some(again) = &mut self.again {
            again.heard = Heard::default();
        }
        let mut datagram = datagram.to_vec();
        let mut rest = datagram.as_mut_slice();
        while !rest.is_empty() {
            let (header, length) = match header::split(rest, &self.ids) {
                Ok(split) => split,
                Err(why) => {
                    self.discard(why);
                    return Ok(());
                }
            };
            let (record, behind) = rest.split_at_mut(length);
            rest = behind;
            let taken = self.on_record(header, record, now);
            self.count_discarded(taken)?;
        }
        if self.reassembly.has_gap() {
            self.notes.at_once = true;
        }
        Ok(())
    }

    /// What writing has to know.
    pub(crate) fn take_notes(&mut self) -> Option<Notes> {
        (!self.notes.is_empty()).then(|| core::mem::take(&mut self.notes))
    }

    /// Gives the next message, or `None` until more comes.
    pub(crate) fn next(&mut self, now: Monotonic) -> Result<Option<Message>, Abort> {
        if core::mem::take(&mut self.retry_early) {
            self.try_early(now)?;
        }
        if let Some(alert) = self.alerts.pop_front() {
            return Ok(Some(alert));
        }
        if let Some(receiving) = &mut self.early_data
            && let Some(data) = receiving.message()
        {
            return Ok(Some(Message::EarlyData(data)));
        }
        // With the keys of data nothing of the handshake is due any more.
        let due = self.epochs.newest();
        if due >= APPLICATION && !self.is_older {
            return Ok(None);
        }
        let Some(message) = self.reassembly.pop(due) else {
            return Ok(None);
        };
        // It is whole, and the state that gets it judges it: nothing less of what anybody can send stops a
        // timer.
        self.notes.answered |= due == 0;
        Ok(Some(Message::Handshake(message)))
    }

    /// Installs the keys of the next epoch; the old ones stay for what is late.
    ///
    /// # Errors
    /// When part of a message waits that came, protected, under the old ones.
    pub(crate) fn install_read(&mut self, keys: Keys) -> Result<(), Abort> {
        let epoch = match self.epochs.newest() {
            0 if self.is_older => OLDER,
            0 => HANDSHAKE,
            newest => newest.saturating_add(1),
        };
        let before = self.epochs.newest();
        if (before > 0 || self.trusts_unprotected) && self.reassembly.holds(before) {
            return Err(Violation::MessageSpansKeyChange.into());
        }
        self.check_ids()?;
        self.reassembly.forget_before(epoch);
        self.epochs.install(epoch, keys);
        if epoch >= APPLICATION {
            // RFC 9147 §5.6: what comes later is no early data any more.
            self.early_data = None;
        }
        self.retry_early = true;
        Ok(())
    }

    /// Says that nobody here takes early data.
    pub(crate) fn decline_early_data(&mut self) {
        self.declines_early_data = true;
    }

    pub(crate) const fn declines_early_data(&self) -> bool {
        self.declines_early_data
    }

    /// Early data is accepted, up to so many bytes, until the handshake is over.
    pub(crate) fn take_early_data(&mut self, keys: Keys, max_bytes: u32) {
        self.early_data = Some(Receiving::new(keys, max_bytes));
        self.retry_early = true;
    }

    /// Whether early data may come that is accepted.
    pub(crate) const fn takes_early_data(&self) -> bool {
        self.early_data.is_some()
    }

    /// Says that the peer has to wait for this side's answer now.
    ///
    /// # Errors
    /// When more has come, protected, all the same.
    pub(crate) fn end_of_flight(&mut self) -> Result<(), Violation> {
        let protected = match self.is_older {
            true => self.base().max(OLDER),
            false => HANDSHAKE,
        };
        if self.reassembly.holds(protected) {
            return Err(Violation::MessageAfterFlight);
        }
        self.reassembly.forget_before(protected);
        Ok(())
    }

    pub(crate) fn discards(&self) -> Discards {
        self.discards.as_deref().cloned().unwrap_or_default()
    }

    /// Turns into the data path; the datagrams are those that came before it.
    pub(crate) fn take_reader(
        &mut self,
        mail: std::sync::Arc<super::notes::Mail>,
    ) -> (Reader, Vec<Vec<u8>>) {
        let reader = Reader::new(
            HandedOver {
                role: self.role,
                epochs: self.epochs.take(),
                inner_limit: self.inner_limit,
                next_message: self.reassembly.next(),
                max_handshake_size: self.max_handshake_size,
                strict_alert_levels: self.strict_alert_levels,
                is_older: self.is_older,
                ids: {
                    self.ids.settle();
                    core::mem::take(&mut self.ids)
                },
                discards: self.discards.take(),
            },
            mail,
        );
        (reader, core::mem::take(&mut self.early))
    }

    fn discard(&mut self, why: Discarded) {
        self.discards.get_or_insert_default().add(why);
    }

    fn count_discarded(&mut self, taken: Result<(), Fault>) -> Result<(), Abort> {
        match taken {
            Ok(()) => Ok(()),
            Err(Fault::Discard(why)) => {
                self.discard(why);
                Ok(())
            }
            Err(Fault::Abort(abort)) => Err(abort),
        }
    }

    fn on_record(
        &mut self,
        header: Header,
        record: &mut [u8],
        now: Monotonic,
    ) -> Result<(), Fault> {
        match header {
            // Whoever has recorded the first handshake can send it again.
            Header::Plain { epoch: 0, .. } if self.again.is_some() => {
                Err(Discarded::UnprotectedAfterKeys.into())
            }
            Header::Plain {
                typ,
                epoch: 0,
                sequence,
                ..
            } => self.on_plain(typ, sequence, record.get(PLAIN..).unwrap_or_default()),
            Header::Plain {
                typ,
                epoch,
                sequence,
                length,
            } if epoch <= self.base().saturating_add(OLDER) => {
                let header = OlderRecord {
                    epoch,
                    sequence,
                    head: length,
                    has_id: typ == ContentType::TLS12_CID,
                    takes_data: false,
                };
                self.on_older(typ, header, record, now)
            }
            Header::Plain { .. } => Err(Discarded::UnknownEpoch.into()),
            Header::Unified(unified) => self.on_protected(unified, record, now),
        }
    }

    fn counts_warning(&mut self, level: AlertLevel) -> bool {
        if level != AlertLevel::WARNING {
            return true;
        }
        let is_within = self.warnings < MAX_WARNINGS;
        self.warnings = self.warnings.saturating_add(1);
        is_within
    }

    /// Takes a fragment; an error means that its record is not acknowledged.
    fn put(&mut self, epoch: u16, header: FragmentHeader, fragment: &[u8]) -> Result<(), Fault> {
        let taken = match self.again.is_some() {
            true => again::put(&mut self.reassembly, epoch, header, fragment),
            false => self.reassembly.put(epoch, header, fragment),
        };
        match taken {
            Taken::New if epoch > 0 => self.notes.answered = true,
            Taken::New => {}
            Taken::Old => self.notes.repeated = true,
            Taken::Dropped(why) => return Err(why.into()),
            Taken::Broken(violation) => return Err(violation.into()),
        }
        Ok(())
    }

    fn on_protected(
        &mut self,
        unified: Unified,
        record: &mut [u8],
        now: Monotonic,
    ) -> Result<(), Fault> {
        if unified.epoch == (EARLY_DATA & 3) as u8 && self.role == Role::Server {
            return self.on_early_data(unified, record, now);
        }
        // Data and acknowledgements under the keys of data are for the reader, even if these are there.
        if unified.epoch == (APPLICATION & 3) as u8 || !self.epochs.has(unified.epoch) {
            return self.hold(unified, record);
        }
        // §9: a side that was given an id has it on each of them.
        if self.ids.is_used() != (unified.id > 0) {
            return Err(Discarded::UnknownConnectionId.into());
        }
        let opened = self.epochs.open(unified, record, self.inner_limit, now)?;
        self.prove_address();
        let content = record.get(opened.content.clone()).unwrap_or_default();
        match opened.typ {
            ContentType::HANDSHAKE => self.on_handshake(&opened, content),
            ContentType::ACK => self.on_acknowledgement(HANDSHAKE, content),
            ContentType::ALERT => self.on_alert(content),
            ContentType::APPLICATION_DATA => Err(Violation::ApplicationDataTooEarly.into()),
            _ => Err(Violation::UnknownRecordType.into()),
        }
    }

    /// It may have come before the hello, or while somebody is asked about that. It proves nothing of where it has come
    /// from: whoever has recorded it can send it from anywhere.
    fn on_early_data(
        &mut self,
        unified: Unified,
        record: &mut [u8],
        now: Monotonic,
    ) -> Result<(), Fault> {
        if unified.id > 0 {
            return Err(Discarded::UnknownConnectionId.into());
        }
        let Some(receiving) = &mut self.early_data else {
            let may_be_accepted = self.epochs.newest() == 0 && !self.declines_early_data;
            return match may_be_accepted {
                true => self.hold_record(record),
                false => Err(Discarded::UnknownEpoch.into()),
            };
        };
        let opened = receiving
            .epochs
            .open(unified, record, MAX_INNER_PLAINTEXT, now)?;
        let content = record.get(opened.content.clone()).unwrap_or_default();
        match opened.typ {
            ContentType::ALERT => self.on_alert(content),
            // §7: of what it has of the ServerHello. These are its highest keys to send under until it has all of that.
            ContentType::ACK => self.on_acknowledgement(EARLY_DATA, content),
            _ => receiving.take(&opened, content),
        }
    }

    /// Of DTLS 1.2 and older, under the keys that the handshake brings, or those before.
    fn on_older(
        &mut self,
        typ: ContentType,
        header: OlderRecord,
        record: &mut [u8],
        now: Monotonic,
    ) -> Result<(), Fault> {
        let is_next = header.epoch > self.base();
        if !self.epochs.has_older(header.epoch) {
            return match is_next {
                true => self.hold_record(record),
                false => Err(Discarded::UnknownEpoch.into()),
            };
        }
        if self.ids.is_used() != header.has_id {
            return Err(Discarded::UnknownConnectionId.into());
        }
        // What is data is for the reader, even if the keys are there.
        if typ == ContentType::APPLICATION_DATA && is_next {
            return self.hold_record(record);
        }
        let limit = self.inner_limit.min(MAX_PLAINTEXT);
        let sealed = (header.has_id && is_next).then(|| record.to_vec());
        let header = OlderRecord {
            takes_data: !is_next,
            ..header
        };
        let opened = match self.epochs.open_older(header, record, limit, now) {
            // Data, which shows only when it is opened (RFC 9146 §4).
            Err(Fault::Discard(Discarded::EarlyFull)) => {
                return self.hold_record(sealed.as_deref().unwrap_or_default());
            }
            opened => opened?,
        };
        self.prove_address();
        if let Some(again) = &mut self.again {
            again.heard.opened(&opened);
        }
        let content = record.get(opened.content.clone()).unwrap_or_default();
        match opened.typ {
            ContentType::HANDSHAKE => self.on_handshake(&opened, content),
            ContentType::ALERT => self.on_alert(content),
            // Its keys change where the state says so.
            ContentType::CHANGE_CIPHER_SPEC if !is_next => Ok(()),
            ContentType::CHANGE_CIPHER_SPEC => Err(Violation::UnexpectedChangeCipherSpec.into()),
            ContentType::APPLICATION_DATA => match &mut self.again {
                Some(again) => again.add_data(content),
                None => Err(Violation::ApplicationDataTooEarly.into()),
            },
            ContentType::RETURN_ROUTABILITY_CHECK if self.ids.checks_paths => match &mut self.again
            {
                Some(again) => Ok(again.heard.on_path_message(content)?),
                // Of a peer for whom the handshake is over; it asks again.
                None => Ok(()),
            },
            _ => Err(Violation::UnknownRecordType.into()),
        }
    }

    fn on_handshake(&mut self, opened: &Opened, content: &[u8]) -> Result<(), Fault> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let (mut rest, mut dropped) = (content, None);
        while !rest.is_empty() {
            let split = FragmentHeader::split(rest).map_err(|_| Violation::MalformedFragment)?;
            let (header, fragment, behind) = split;
            rest = behind;
            let epoch = match self.is_older {
                true => u16::try_from(opened.number.epoch).unwrap_or(u16::MAX),
                false => HANDSHAKE,
            };
            if let Some(again) = &self.again
                && again.is_of_another(self.role, epoch, header, &mut self.notes)
            {
                continue;
            }
            keep_dropped(self.put(epoch, header, fragment), &mut dropped)?;
        }
        if let Some(why) = dropped {
            return Err(why.into());
        }
        self.notes.arrived(opened.number);
        Ok(())
    }

    /// §7: what it names of an epoch above its own cannot be (erratum 8108).
    fn on_acknowledgement(&mut self, epoch: u16, content: &[u8]) -> Result<(), Fault> {
        let ack = Ack::decode(content).map_err(|_| Violation::MalformedAck)?;
        for number in ack.record_numbers.iter() {
            if number.epoch <= epoch.into() {
                self.notes.acknowledged(number);
            }
        }
        Ok(())
    }

    fn on_alert(&mut self, content: &[u8]) -> Result<(), Fault> {
        let alert = alert::decode(content)?;
        if self.strict_alert_levels && !self.is_older && alert::is_understated(alert) {
            return Err(Violation::WrongAlertLevel.into());
        }
        if !self.counts_warning(alert.level) {
            return Err(Violation::TooManyWarnings.into());
        }
        if self.alerts.len() < MOST_ALERTS {
            self.alerts.push_back(Message::Alert {
                level: alert.level,
                description: alert.description,
            });
        }
        Ok(())
    }
}

/// A fragment that is dropped takes none of its record with it but the acknowledgement (§7).
fn keep_dropped(put: Result<(), Fault>, dropped: &mut Option<Discarded>) -> Result<(), Fault> {
    match put {
        Err(Fault::Discard(why)) => *dropped = Some(why),
        other => other?,
    }
    Ok(())
}

impl core::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Incoming")
            .field("epochs", &self.epochs)
            .field("reassembly", &self.reassembly)
            .field("early", &self.early.len())
            .finish_non_exhaustive()
    }
}

/// What only a test asks.
#[cfg(test)]
impl Incoming {
    /// The memory held for what came, in bytes.
    pub(crate) fn held(&self) -> usize {
        let early: usize = self.early.iter().map(Vec::len).sum();
        let data = self
            .early_data
            .as_ref()
            .map_or(0, |receiving| receiving.held());
        early + data + self.reassembly.held()
    }

    /// The key of early data may refuse so many records more.
    pub(crate) fn leave_early_forgeries(&mut self, left: u64) {
        let receiving = self.early_data.as_mut().unwrap();
        receiving.epochs.leave_forgeries(EARLY_DATA, left);
    }
}
