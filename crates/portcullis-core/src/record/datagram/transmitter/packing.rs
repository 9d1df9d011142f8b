//! From flights, acknowledgements and alerts to datagrams: which records go into one, and where messages are cut.
//!
//! RFC 9147 §4.3, §5.5, §7; RFC 6347 §4.2.3.

use super::super::early_data;
use super::super::epochs::WriteEpoch;
use super::super::flight::Flight;
use super::super::header::{self, PLAIN};
use super::super::notes::MOST_NUMBERS;
use super::super::writer::KEPT_RECORDS;
use super::{Busy, LEAST_CREDIT, Transmitter};
use crate::alert::AlertDescription;
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::error::Abort;
use crate::record::alert;
use crate::version::ProtocolVersion;
use crate::wire::{Ack, ContentType, FragmentHeader, HandshakeType, RecordNumber};

/// A piece of a message that is shorter waits for the next datagram, unless it is the end of it.
const LEAST_FRAGMENT: usize = 32;
/// Bytes of an ACK record besides its numbers and what protects it: the length of its list.
const ACK_LENGTH: usize = 2;

impl Transmitter {
    /// The next datagram, written to the front of `out`; gives its length, 0 for none.
    ///
    /// # Errors
    /// When the crypto library fails, or a key has done what it may.
    pub(in super::super) fn datagram(
        &mut self,
        now: Monotonic,
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        out.clear();
        if self.waits_for_credit() {
            return Ok(());
        }
        let Some(busy) = &mut self.busy else {
            return Ok(());
        };
        if busy.acknowledge_at.is_some_and(|due| due <= now) {
            // Before what else there is: the peer's timer runs.
            self.put_acknowledgement(out)?;
        } else if busy.before.has_to_send() {
            core::mem::swap(&mut busy.before, &mut busy.flight);
            let put = self.put_flight(out);
            if let Some(busy) = &mut self.busy {
                core::mem::swap(&mut busy.before, &mut busy.flight);
            }
            put?;
        } else if busy.is_ended && busy.flight.has_to_send() {
            // Not while it may become longer: it takes no more datagrams than it needs.
            self.put_flight(out)?;
        } else if let Some(said) = busy.alert.take() {
            // For peers that pass over it (RFC 8446 §6.1), as over a stream.
            let is_cancelled = said == alert::encode(AlertDescription::USER_CANCELED);
            busy.alert = is_cancelled.then(|| alert::encode(AlertDescription::CLOSE_NOTIFY));
            self.put_record(ContentType::ALERT, &said, out)?;
        }
        if let Some(left) = &mut self.credit {
            *left = left.saturating_sub(u32::try_from(out.len()).unwrap_or(u32::MAX));
        }
        self.rest();
        Ok(())
    }

    /// How many bytes of data may go out in a datagram of their own before the handshake is over, as far as the address at
    /// which nobody may read allows; none while something else has to go out first. What the flight takes once more is not
    /// for data: it may be lost, and a client that waits for it may have nothing to say that would be worth another byte.
    pub(in super::super) fn room_for_data(&self) -> u64 {
        let goes_first = |busy: &Busy| busy.flight.has_to_send();
        if self.busy.as_deref().is_some_and(goes_first) {
            return 0;
        }
        match (self.credit, self.newest()) {
            (None, _) => u64::MAX,
            (Some(left), Some(epoch)) => {
                let overhead = epoch.overhead();
                u64::from(left).saturating_sub((overhead + self.kept_for_flight(overhead)) as u64)
            }
            (Some(_), None) => 0,
        }
    }

    /// What the flight takes at most when it is sent again, with what has to be left before the last of its datagrams.
    fn kept_for_flight(&self, overhead: usize) -> usize {
        let Some(busy) = self.busy.as_deref().filter(|busy| !busy.flight.is_empty()) else {
            return 0;
        };
        let messages = &busy.flight.messages;
        let lengths = messages.iter().map(|one| one.body().len());
        let bytes: usize = lengths.sum();
        // A record for each message, and one more for each cut.
        let records = messages.len() + bytes / self.mtu().max(1) + 1;
        bytes + records * (FragmentHeader::SIZE + overhead.max(PLAIN)) + LEAST_CREDIT as usize
    }

    /// Seals a message under the newest keys as the next datagram, whole or not at all.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub(in super::super) fn data(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>, Abort> {
        if self.room_for_data() < data.len() as u64 {
            return Ok(None);
        }
        let mut most = self.mtu();
        if let (Some(left), Some(newest)) = (self.credit, self.newest()) {
            // Padding is sent, too.
            let left = (left as usize).saturating_sub(self.kept_for_flight(newest.overhead()));
            most = most.min(left);
        }
        let Some(epoch) = self
            .epochs
            .last_mut()
            .filter(|one| one.left() > KEPT_RECORDS)
        else {
            return Ok(None);
        };
        let datagram = early_data::sealed(epoch, data, &self.size, most)?;
        if let (Some(left), Some(datagram)) = (&mut self.credit, &datagram) {
            *left = left.saturating_sub(u32::try_from(datagram.len()).unwrap_or(u32::MAX));
        }
        Ok(datagram)
    }

    /// How long the next datagram may be.
    fn room(&self) -> usize {
        self.mtu().min(self.credit.unwrap_or(u32::MAX) as usize)
    }

    fn put_acknowledgement(&mut self, out: &mut Vec<u8>) -> Result<(), Abort> {
        let mtu = self.room();
        let overhead = self.newest().map_or(0, WriteEpoch::overhead) + ACK_LENGTH;
        let most = (mtu.saturating_sub(overhead) / RecordNumber::SIZE).min(MOST_NUMBERS);
        let Some(busy) = &mut self.busy else {
            return Ok(());
        };
        busy.acknowledge_at = None;
        let mut numbers = core::mem::take(&mut busy.to_acknowledge);
        let newest = numbers.len().saturating_sub(most);
        numbers.drain(..newest);
        numbers.sort_unstable();
        let mut content = Vec::new();
        Ack::put(&mut content, numbers);
        self.put_record(ContentType::ACK, &content, out)
    }

    /// One record in the newest epoch.
    fn put_record(
        &mut self,
        typ: ContentType,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Abort> {
        match self.epochs.last_mut() {
            None => {
                out.extend_from_slice(&[0; PLAIN]);
                out.extend_from_slice(content);
                self.close_plain(typ, out, 0);
            }
            Some(epoch) => {
                out.resize(epoch.head_len(), 0);
                out.extend_from_slice(content);
                out.resize(epoch.record_len(content.len()), 0);
                epoch.seal(typ, content.len(), out)?;
            }
        }
        Ok(())
    }

    fn close_plain(&mut self, typ: ContentType, out: &mut [u8], at: usize) -> RecordNumber {
        let body = out.len().saturating_sub(at + PLAIN);
        let record = out.get_mut(at..).unwrap_or_default();
        let version = match self.is_first_hello {
            true => ProtocolVersion::DTLS_1_0,
            false => self.version,
        };
        if let Some(head) = record.first_chunk_mut() {
            header::put_plain(head, typ, version, self.plain, body);
        }
        let number = RecordNumber {
            epoch: 0,
            sequence_number: self.plain,
        };
        self.plain += 1;
        number
    }

    /// As much of the flight as fits into a datagram. In the clear each message has a record of its own, for
    /// the sake of old peers.
    fn put_flight(&mut self, out: &mut Vec<u8>) -> Result<(), Abort> {
        let mtu = self.room();
        let Some(mut busy) = self.busy.take() else {
            return Ok(());
        };
        let is_apart = !self.is_older && busy.is_sent_again();
        let mut at = 0;
        let mut is_rest = false;
        while let Some(queued) = busy.flight.messages.get(at) {
            if queued.to_send.is_empty() {
                at += 1;
                continue;
            }
            let epoch = queued.epoch;
            if is_apart && is_rest && epoch > 0 {
                // A client that lacked the head of the ServerHello has it, and its keys, from the datagram before
                // this. It drops this one from the record in the clear on, as wolfSSL does: what is protected
                // behind that would be lost each time.
                break;
            }
            is_rest = epoch == 0 && queued.to_send.front().is_some_and(|piece| piece.start > 0);
            let start = out.len();
            let record = self.put_fragments(&mut busy.flight, &mut at, epoch, mtu, out);
            match record {
                Ok(Some((number, fragments))) => busy.flight.sent(number, fragments),
                Ok(None) => {
                    out.truncate(start);
                    break;
                }
                Err(abort) => {
                    self.busy = Some(busy);
                    return Err(abort);
                }
            }
        }
        self.busy = Some(busy);
        Ok(())
    }

    /// One record; `None` when there is no room for it.
    #[allow(clippy::type_complexity, reason = "what a record holds")]
    fn put_fragments(
        &mut self,
        flight: &mut Flight,
        at: &mut usize,
        epoch: u16,
        mtu: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<(RecordNumber, Vec<(u16, core::ops::Range<usize>)>)>, Abort> {
        let keys = self.epochs.iter().find(|one| one.epoch == epoch);
        let left = mtu.saturating_sub(out.len());
        let (head, most) = match (epoch, keys) {
            (0, _) => (
                PLAIN,
                self.size.unprotected().min(left.saturating_sub(PLAIN)),
            ),
            (_, Some(keys)) => {
                let most = self.size.protected().min(keys.most_content(left));
                (keys.head_len(), most)
            }
            // Its keys are kept as long as a message names them.
            (_, None) => return Err(CryptoFailure::SealingRecord.into()),
        };
        let start = out.len();
        let mut fragments = Vec::new();
        out.resize(start + head, 0);
        while let Some(queued) = flight.messages.get_mut(*at) {
            if queued.epoch != epoch || (epoch == 0 && !fragments.is_empty()) {
                break;
            }
            if queued.is_change_cipher_spec {
                let content = queued.body();
                if !fragments.is_empty() || content.len() > most {
                    break;
                }
                out.extend_from_slice(content);
                queued.to_send.clear();
                let typ = ContentType::CHANGE_CIPHER_SPEC;
                let number = match epoch {
                    0 => self.close_plain(typ, out, start),
                    _ => self.close_protected(typ, epoch, out, start)?,
                };
                return Ok(Some((number, fragments)));
            }
            let Some(range) = queued.to_send.front().cloned() else {
                *at += 1;
                continue;
            };
            let room = most.saturating_sub(out.len() - start - head);
            // A message without a body has a header all the same.
            let has_room = room >= FragmentHeader::SIZE;
            let room = room.saturating_sub(FragmentHeader::SIZE);
            let is_short = !has_room
                || room < range.len().min(LEAST_FRAGMENT)
                || room == 0 && !range.is_empty();
            // Nothing at all would be sent for ever.
            if is_short && (start > 0 || !fragments.is_empty() || room == 0) {
                break;
            }
            let end = range.end.min(range.start + room);
            let piece = range.start..end;
            put_fragment(queued.message_seq, &queued.message, piece.clone(), out);
            queued.to_send.pop_front();
            if end < range.end {
                queued.to_send.push_front(end..range.end);
            }
            fragments.push((queued.message_seq, piece));
        }
        if fragments.is_empty() {
            return Ok(None);
        }
        let number = match epoch {
            0 => self.close_plain(ContentType::HANDSHAKE, out, start),
            _ => self.close_protected(ContentType::HANDSHAKE, epoch, out, start)?,
        };
        Ok(Some((number, fragments)))
    }

    fn close_protected(
        &mut self,
        typ: ContentType,
        epoch: u16,
        out: &mut Vec<u8>,
        start: usize,
    ) -> Result<RecordNumber, Abort> {
        let keys = self.epochs.iter_mut().find(|one| one.epoch == epoch);
        let keys = keys.ok_or(CryptoFailure::SealingRecord)?;
        let content = out.len() - start - keys.head_len();
        out.resize(start + keys.record_len(content), 0);
        let record = out.get_mut(start..).unwrap_or_default();
        Ok(keys.seal(typ, content, record)?)
    }
}

/// Writes a piece of a message with its header of twelve bytes.
fn put_fragment(
    message_seq: u16,
    message: &[u8],
    piece: core::ops::Range<usize>,
    out: &mut Vec<u8>,
) {
    let (header, body) = message.split_at_checked(4).unwrap_or_default();
    let piece_body = body.get(piece.clone()).unwrap_or_default();
    // Lengths of messages have 24 bits.
    let bits = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    FragmentHeader {
        msg_type: HandshakeType(header.first().copied().unwrap_or_default()),
        length: bits(body.len()),
        message_seq,
        fragment_offset: bits(piece.start),
        fragment_length: bits(piece_body.len()),
    }
    .put(out);
    out.extend_from_slice(piece_body);
}
