//! The keys of one epoch for writing, and the number of the next record.
//!
//! RFC 9147 §4.2; RFC 6347 §4.1; RFC 9146 §5.

use super::super::connection_id::ConnectionId;
use super::super::header::{self, NUMBERS, PLAIN, UNIFIED};
use super::{BLOCK, NUMBER_BITS, set_up};
use crate::crypto::CryptoFailure;
use crate::crypto::number_key::{NumberKey, SAMPLE};
use crate::key_schedule::TrafficSecret;
use crate::record::HEADER;
use crate::record::keys::Keys;
use crate::record::protect::Protection;
use crate::wire::{ContentType, RecordNumber};

/// For writing one epoch.
pub(in super::super) struct WriteEpoch {
    pub(in super::super) epoch: u16,
    protection: Protection,
    number_key: Option<NumberKey>,
    next: u64,
    /// Records until the cipher's limit is reached.
    left: u64,
    /// What the peer wants on them; boxed: mostly it wants nothing.
    id: Option<Box<ConnectionId>>,
}

/// The least inner plaintext whose ciphertext is as long as the sample of the number.
fn least_inner(tag: usize) -> usize {
    SAMPLE.saturating_sub(tag)
}

fn bytes(id: &Option<Box<ConnectionId>>) -> &[u8] {
    id.as_ref().map_or(&[], |id| id.as_slice())
}

impl WriteEpoch {
    pub(in super::super) fn new(epoch: u16, keys: Keys) -> Self {
        Self::of(epoch, keys.protection)
    }

    fn of(epoch: u16, protection: Protection) -> Self {
        Self {
            epoch,
            left: protection.record_limit().min(NUMBERS),
            protection,
            number_key: None,
            next: 0,
            id: None,
        }
    }

    /// The peer wants this on the records from here on.
    pub(in super::super) fn set_id(&mut self, id: ConnectionId) {
        self.id = (!id.is_empty()).then(|| Box::new(id));
    }

    /// The epoch after this one, if there is one.
    pub(in super::super) fn next(&self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1)?;
        Some(Self {
            id: self.id.clone(),
            ..Self::of(epoch, self.protection.next()?)
        })
    }

    /// What its keys are made of, in DTLS 1.3.
    pub(in super::super) fn secret(&self) -> Option<&TrafficSecret> {
        self.protection.secret()
    }

    /// Whether its records are those of before DTLS 1.3.
    pub(in super::super) fn is_older(&self) -> bool {
        self.protection.is_older()
    }

    /// Bytes of the header.
    pub(in super::super) fn head_len(&self) -> usize {
        bytes(&self.id).len()
            + match &self.protection {
                Protection::Tls13(_) => UNIFIED,
                Protection::Older(_) => PLAIN,
            }
    }

    /// Bytes of the type, where it is inside of what is encrypted (RFC 9146 §4).
    fn hidden_type(&self) -> usize {
        usize::from(self.protection.is_older() && self.id.is_some())
    }

    /// The number of the next record.
    pub(in super::super) fn number(&self) -> RecordNumber {
        RecordNumber {
            epoch: self.epoch.into(),
            sequence_number: self.next,
        }
    }

    /// Whether so many records were sealed that the key is to be changed: three quarters of what it may, as
    /// the change takes a round trip.
    pub(in super::super) fn is_worn(&self) -> bool {
        self.left < self.protection.record_limit().min(NUMBERS) / 4
    }

    /// Records until the cipher's limit is reached.
    pub(in super::super) const fn left(&self) -> u64 {
        self.left
    }

    /// How long a record with so much content and padding is.
    pub(in super::super) fn record_len(&self, content: usize) -> usize {
        match &self.protection {
            Protection::Tls13(protection) => {
                let tag = protection.tag_len();
                self.head_len() + (content + 1).max(least_inner(tag)) + tag
            }
            // Its header is that of a stream, and the number.
            Protection::Older(_) => {
                let body = self.protection.record_len(content + self.hidden_type()) - HEADER;
                self.head_len() + body
            }
        }
    }

    /// What a record has besides its content at most, unless that is very short.
    pub(in super::super) fn overhead(&self) -> usize {
        match &self.protection {
            Protection::Tls13(protection) => self.head_len() + 1 + protection.tag_len(),
            // A block of padding more or less.
            Protection::Older(_) => self.record_len(0) + self.protection.slack().min(BLOCK),
        }
    }

    /// How much content a record of at most so many bytes has room for.
    pub(in super::super) fn most_content(&self, record: usize) -> usize {
        let mut content = record.saturating_sub(self.overhead());
        // What pads a block may be less than the most.
        while self.record_len(content + 1) <= record {
            content += 1;
        }
        content
    }

    /// Seals `record`, in which the content stands behind the header.
    ///
    /// # Errors
    /// When no number is left, or the crypto library fails; the record is wiped.
    pub(in super::super) fn seal(
        &mut self,
        typ: ContentType,
        content_len: usize,
        record: &mut [u8],
    ) -> Result<RecordNumber, CryptoFailure> {
        let sealed = self.try_seal(typ, content_len, record);
        if sealed.is_err() {
            record.fill(0);
        }
        sealed
    }

    fn try_seal(
        &mut self,
        typ: ContentType,
        content_len: usize,
        record: &mut [u8],
    ) -> Result<RecordNumber, CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if self.left == 0 {
            return Err(FAILURE);
        }
        let head_len = self.head_len();
        let protection = match &mut self.protection {
            Protection::Tls13(protection) => protection,
            Protection::Older(_) if self.id.is_some() => {
                return self.older_with_id(record, |protection, number, head, body| {
                    protection.seal_with_id(number, head, typ, content_len, body)
                });
            }
            Protection::Older(_) => {
                return self.older(typ, record, |protection, number, head, body| {
                    protection.seal_in_place(number, head, typ, content_len, body)
                });
            }
        };
        let (head, body) = record.split_at_mut_checked(head_len).ok_or(FAILURE)?;
        header::put_unified(head, bytes(&self.id), self.epoch, self.next, body.len());
        protection.seal_in_place(self.next, head, typ, content_len, body)?;
        self.hide(head, body)
    }

    /// Seals a record of before DTLS 1.3: what is authenticated is the header of a stream, with the epoch in
    /// the number (RFC 6347 §4.1.2.1).
    fn older(
        &mut self,
        typ: ContentType,
        record: &mut [u8],
        seal: impl FnOnce(
            &mut Protection,
            u64,
            &mut [u8; HEADER],
            &mut [u8],
        ) -> Result<(), CryptoFailure>,
    ) -> Result<RecordNumber, CryptoFailure> {
        let split = record.split_first_chunk_mut::<PLAIN>();
        let (head, body) = split.ok_or(CryptoFailure::SealingRecord)?;
        let number = u64::from(self.epoch) << NUMBER_BITS | self.next;
        let version = self.protection.older_version();
        let version = version.ok_or(CryptoFailure::SealingRecord)?;
        let mut short = crate::record::header::header(typ, version.0, body.len());
        seal(&mut self.protection, number, &mut short, body)?;
        header::put_older(head, &[], typ, version, self.epoch, self.next, body.len());
        Ok(self.count())
    }

    /// The same with a connection id: what is authenticated is the header as it is sent (RFC 9146 §5).
    fn older_with_id(
        &mut self,
        record: &mut [u8],
        seal: impl FnOnce(&mut Protection, u64, &[u8], &mut [u8]) -> Result<(), CryptoFailure>,
    ) -> Result<RecordNumber, CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let split = record.split_at_mut_checked(self.head_len());
        let (head, body) = split.ok_or(FAILURE)?;
        let number = u64::from(self.epoch) << NUMBER_BITS | self.next;
        let version = self.protection.older_version().ok_or(FAILURE)?;
        let (id, typ) = (bytes(&self.id), ContentType::TLS12_CID);
        header::put_older(head, id, typ, version, self.epoch, self.next, body.len());
        seal(&mut self.protection, number, head, body)?;
        Ok(self.count())
    }

    fn count(&mut self) -> RecordNumber {
        let number = self.number();
        self.next += 1;
        self.left -= 1;
        number
    }

    /// Hides the number, and counts it.
    fn hide(&mut self, head: &mut [u8], body: &[u8]) -> Result<RecordNumber, CryptoFailure> {
        let sample = body.first_chunk().ok_or(CryptoFailure::SealingRecord)?;
        let Protection::Tls13(protection) = &self.protection else {
            return Err(CryptoFailure::RecordKeys);
        };
        let mask = set_up(&mut self.number_key, protection)?.mask(sample)?;
        let number = head.iter_mut().skip(1 + bytes(&self.id).len()).take(2);
        for (byte, mask) in number.zip(mask) {
            *byte ^= mask;
        }
        Ok(self.count())
    }

    /// Seals content that stands elsewhere, without padding.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(in super::super) fn seal_from(
        &mut self,
        typ: ContentType,
        content: &[u8],
        record: &mut [u8],
    ) -> Result<RecordNumber, CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if self.left == 0 {
            return Err(FAILURE);
        }
        let head_len = self.head_len();
        let protection = match &mut self.protection {
            Protection::Tls13(protection) => protection,
            Protection::Older(_) => {
                let number = match self.id.is_none() {
                    true => self.older(typ, record, |protection, number, head, body| {
                        protection.seal_from(number, head, typ, content, body)
                    }),
                    false => self.older_with_id(record, |protection, number, head, body| {
                        protection.seal_from_with_id(number, head, typ, content, body)
                    }),
                };
                if number.is_err() {
                    record.fill(0);
                }
                return number;
            }
        };
        let (head, body) = record.split_at_mut_checked(head_len).ok_or(FAILURE)?;
        header::put_unified(head, bytes(&self.id), self.epoch, self.next, body.len());
        let sealed = protection.seal_from(self.next, head, typ, content, body);
        let number = sealed.and_then(|()| self.hide(head, body));
        if number.is_err() {
            record.fill(0);
        }
        number
    }

    /// Gives the memory of the cipher back until the next record is sealed.
    pub(in super::super) fn hibernate(&mut self) {
        self.protection.hibernate();
        self.number_key = None;
    }

    /// Makes the key as old as its cipher lets it become, but for so many records.
    #[cfg(test)]
    pub(in super::super) fn wear_out(&mut self, left: u64) {
        self.left = left;
    }
}

impl core::fmt::Debug for WriteEpoch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WriteEpoch")
            .field("epoch", &self.epoch)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
