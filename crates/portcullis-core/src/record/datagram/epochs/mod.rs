//! Keys by epoch: each with its numbers, and what was opened of them.
//!
//! RFC 9147 §4.2, §4.5, §6.1; RFC 6347 §4.1; RFC 9146 §4.

mod write;

use core::ops::Range;
use core::time::Duration;

use super::header::{self, NUMBERS, Unified};
use super::replay::ReplayWindow;
use super::{Discarded, Fault};
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::number_key::{NumberKey, SAMPLE};
use crate::key_schedule::TrafficSecret;
use crate::record::header::{check_content, check_inner};
use crate::record::keys::Keys;
use crate::record::protect::{Protection, Tls13, Unopened};
use crate::violation::Violation;
use crate::wire::{ContentType, RecordNumber};

pub(super) use write::WriteEpoch;

/// The epoch of early data (§6.1).
pub(super) const EARLY_DATA: u16 = 1;
/// The epoch of the rest of the handshake (§6.1).
pub(super) const HANDSHAKE: u16 = 2;
/// The first epoch of data.
pub(super) const APPLICATION: u16 = 3;
/// How long the keys of an epoch are kept beside newer ones: twice the longest life of a segment
/// (§4.2.1), after which nothing of it is under way.
const KEPT: Duration = Duration::from_secs(240);
/// The epoch stands before so many bits where both are one number (RFC 6347 §4.1).
const NUMBER_BITS: u32 = 48;
/// The longest block of a cipher.
const BLOCK: usize = 16;
/// The epoch under the first keys of DTLS 1.2 and older.
pub(super) const OLDER: u16 = 1;
/// How many epochs are kept, so that two bits tell them apart.
const MOST_EPOCHS: usize = 3;
/// How many times its cipher's limit a key may open: as over a stream.
const GRACE: u64 = 4;

/// A record that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) number: RecordNumber,
    pub(super) typ: ContentType,
    /// Where its content stands in the record.
    pub(super) content: Range<usize>,
    /// None of the newest keys, and no higher number, was opened before.
    pub(super) is_newest: bool,
}

/// A record of before DTLS 1.3, as its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct OlderRecord {
    pub(super) epoch: u16,
    pub(super) sequence: u64,
    /// Bytes of the header.
    pub(super) head: usize,
    /// It has a connection id, and so its type is inside (RFC 9146 §4).
    pub(super) has_id: bool,
    /// Whether data may be taken out of it; else the record counts as not come when it turns out to be that.
    pub(super) takes_data: bool,
}

/// For reading one epoch.
pub(super) struct ReadEpoch {
    epoch: u16,
    protection: Protection,
    number_key: Option<NumberKey>,
    window: ReplayWindow,
    opened: u64,
    forged: u64,
    expires: Option<Monotonic>,
}

/// For reading, the oldest first. Each is boxed: a vector that grows leaves what it had behind, and secrets
/// with it.
#[derive(Default)]
pub(super) struct ReadEpochs {
    #[allow(clippy::vec_box, reason = "secrets are not moved")]
    pub(super) epochs: Vec<Box<ReadEpoch>>,
    /// The newest under which anything was opened.
    current: u16,
}

impl ReadEpochs {
    /// From here on records of this epoch open, too.
    pub(super) fn install(&mut self, epoch: u16, keys: Keys) {
        self.push(epoch, keys.protection);
    }

    fn push(&mut self, epoch: u16, protection: Protection) {
        if self.epochs.len() == MOST_EPOCHS {
            self.epochs.remove(0);
        }
        self.epochs.reserve_exact(1);
        self.epochs.push(Box::new(ReadEpoch {
            epoch,
            protection,
            number_key: None,
            window: ReplayWindow::default(),
            opened: 0,
            forged: 0,
            expires: None,
        }));
    }

    /// The keys after those of the newest epoch (§8).
    ///
    /// # Errors
    /// When there are no more epochs: this side counts them with 16 bits, as others do.
    pub(super) fn update(&mut self) -> Result<(), Violation> {
        let newest = self
            .epochs
            .last()
            .map(|newest| (newest.epoch, newest.protection.next()));
        let next = newest.and_then(|(epoch, next)| Some((epoch.checked_add(1)?, next?)));
        let (epoch, next) = next.ok_or(Violation::TooManyKeyUpdates)?;
        self.push(epoch, next);
        Ok(())
    }

    /// The newest epoch that has keys; 0 for none.
    pub(super) fn newest(&self) -> u16 {
        self.epochs.last().map_or(0, |newest| newest.epoch)
    }

    /// What this epoch's keys are made of, if they are still there.
    pub(super) fn secret(&self, epoch: u16) -> Option<&TrafficSecret> {
        let mut epochs = self.epochs.iter();
        epochs.find(|one| one.epoch == epoch)?.protection.secret()
    }

    /// The newest under which anything was opened; 0 for none.
    pub(super) const fn current(&self) -> u16 {
        self.current
    }

    /// Whether records whose epoch ends so can be opened.
    pub(super) fn has(&self, low_bits: u8) -> bool {
        self.epochs.iter().any(|one| one.has(low_bits))
    }

    /// Whether records of this epoch can be opened, whose headers are those of before DTLS 1.3.
    pub(super) fn has_older(&self, epoch: u16) -> bool {
        let mut epochs = self.epochs.iter();
        epochs.any(|one| one.epoch == epoch && one.protection.is_older())
    }

    /// Opens a record of before DTLS 1.3, whose header was read before (RFC 6347 §4.1.2).
    pub(super) fn open_older(
        &mut self,
        header: OlderRecord,
        record: &mut [u8],
        limit: usize,
        now: Monotonic,
    ) -> Result<Opened, Fault> {
        let epoch = header.epoch;
        let is_meant = |one: &ReadEpoch| one.epoch == epoch && one.protection.is_older();
        let at = self.epochs.iter().rposition(|one| is_meant(one));
        let one = at.and_then(|at| self.epochs.get_mut(at));
        let one = one.ok_or(Discarded::UnknownEpoch)?;
        // Whoever refuses a number of forgeries by ending gives everybody the means to end it (RFC 6347 §4.1.2.7); the limits
        // of RFC 9147 §4.5.3 are those of DTLS 1.3.
        let mut opened = one.open_older(header, record, limit)?;
        opened.is_newest &= epoch >= self.current;
        if epoch > self.current {
            self.current = epoch;
            self.retire(now);
        }
        Ok(opened)
    }

    /// Opens the record, whose header was read before.
    pub(super) fn open(
        &mut self,
        unified: Unified,
        record: &mut [u8],
        inner_limit: usize,
        now: Monotonic,
    ) -> Result<Opened, Fault> {
        let mut oldest_first = self.epochs.iter();
        let at = oldest_first.rposition(|one| one.has(unified.epoch));
        let epoch = at.and_then(|at| self.epochs.get_mut(at));
        let epoch = epoch.ok_or(Discarded::UnknownEpoch)?;
        let mut opened = match epoch.open(unified, record, inner_limit) {
            Err(Fault::Discard(why)) if epoch.has_refused_enough() => {
                return Err(self.give_up(at, why));
            }
            opened => opened?,
        };
        opened.is_newest &= epoch.epoch >= self.current;
        if epoch.epoch > self.current {
            self.current = epoch.epoch;
            self.retire(now);
        }
        Ok(opened)
    }

    /// §4.5.3: the key has refused as many records as it may. The connection goes on without an old one, and without one
    /// of early data, since anybody can send what does not open.
    fn give_up(&mut self, at: Option<usize>, why: Discarded) -> Fault {
        let current = self.current;
        let is_old = |one: &ReadEpoch| one.epoch < current || one.epoch == EARLY_DATA;
        match at.filter(|at| self.epochs.get(*at).is_some_and(|one| is_old(one))) {
            Some(at) => {
                drop(self.epochs.remove(at));
                why.into()
            }
            None => Violation::AeadLimitReached.into(),
        }
    }

    /// Gives older epochs a time, and drops those whose time is over. Their ciphers go at once.
    fn retire(&mut self, now: Monotonic) {
        let (current, end) = (self.current, Monotonic(now.0.saturating_add(KEPT)));
        for older in self.epochs.iter_mut().filter(|one| one.epoch < current) {
            older.hibernate();
            older.expires.get_or_insert(end);
        }
    }

    /// Drops what nothing can come under any more.
    pub(super) fn expire(&mut self, now: Monotonic) {
        if self.epochs.iter().any(|one| one.is_over(now)) {
            self.epochs.retain(|one| !one.is_over(now));
            self.epochs.shrink_to_fit();
        }
    }

    /// Gives the keys of the handshake, which is over, a time, also where nothing has come under newer ones: before
    /// DTLS 1.3 those that were the connection's before it.
    pub(super) fn forget_handshake(&mut self, now: Monotonic) {
        let end = Monotonic(now.0.saturating_add(KEPT));
        let newest = self.epochs.last();
        let first = match newest.is_some_and(|newest| newest.protection.is_older()) {
            true => self.newest(),
            false => APPLICATION,
        };
        if self.newest() >= first {
            for older in self.epochs.iter_mut().filter(|one| one.epoch < first) {
                older.expires.get_or_insert(end);
            }
        }
        self.expire(now);
    }

    /// Whether a key has opened, or refused, so much that the peer is to change it.
    pub(super) fn is_worn_out(&self) -> bool {
        self.epochs
            .last()
            .is_some_and(|newest| newest.is_worn_out())
    }

    /// Gives the memory of the ciphers back until records need them.
    pub(super) fn hibernate(&mut self) {
        for epoch in &mut self.epochs {
            epoch.hibernate();
        }
    }

    /// Moves the keys.
    pub(super) fn take(&mut self) -> Self {
        core::mem::take(self)
    }
}

/// What only a test does.
#[cfg(test)]
impl ReadEpochs {
    /// The newest epoch has this number.
    pub(crate) fn set_epoch(&mut self, epoch: u16) {
        self.epochs.last_mut().unwrap().epoch = epoch;
        self.current = epoch;
    }

    /// The key of this epoch may refuse so many records more.
    pub(crate) fn leave_forgeries(&mut self, epoch: u16, left: u64) {
        for one in self.epochs.iter_mut().filter(|one| one.epoch == epoch) {
            one.forged = one.forgeries() - left;
        }
    }
}

impl core::fmt::Debug for ReadEpochs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list()
            .entries(self.epochs.iter().map(|one| one.epoch))
            .finish()
    }
}

impl ReadEpoch {
    fn is_over(&self, now: Monotonic) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether records of DTLS 1.3 whose epoch ends so are under this key.
    fn has(&self, low_bits: u8) -> bool {
        let [_, low] = self.epoch.to_be_bytes();
        low & 3 == low_bits && !self.protection.is_older()
    }

    fn hibernate(&mut self) {
        self.protection.hibernate();
        self.number_key = None;
    }

    /// §4.5.3: how many forgeries one key may refuse.
    fn forgeries(&self) -> u64 {
        match self.protection.aead() {
            Some(AeadAlgorithm::Ccm(ccm)) if ccm.tag_len() == 8 => 1 << 7,
            Some(AeadAlgorithm::Ccm(_)) => 11_863_283,
            _ => 1 << 36,
        }
    }

    fn has_refused_enough(&self) -> bool {
        self.forged >= self.forgeries()
    }

    fn is_worn_out(&self) -> bool {
        self.forged > self.forgeries() / 2 || self.opened >= self.protection.record_limit()
    }

    fn open(
        &mut self,
        unified: Unified,
        record: &mut [u8],
        inner_limit: usize,
    ) -> Result<Opened, Fault> {
        let split = record.split_at_mut_checked(unified.length);
        let (head, body) = split.ok_or(Discarded::Malformed)?;
        let sample: &[u8; SAMPLE] = body.first_chunk().ok_or(Discarded::TooShort)?;
        let Protection::Tls13(protection) = &mut self.protection else {
            return Err(Discarded::UnknownEpoch.into());
        };
        let number_key = set_up(&mut self.number_key, protection).map_err(Fault::crypto)?;
        let mask = number_key.mask(sample).map_err(Fault::crypto)?;
        let width = if unified.is_wide { 2 } else { 1 };
        let mut low = 0;
        let number = head.iter_mut().skip(1 + unified.id).take(width);
        for (byte, mask) in number.zip(mask) {
            *byte ^= mask;
            low = low << 8 | u64::from(*byte);
        }
        let bits = if unified.is_wide { 16 } else { 8 };
        let number = header::reconstruct(low, bits, self.window.due());
        if number >= NUMBERS {
            return Err(Discarded::TooOld.into());
        }
        self.window.check(number)?;
        let inner = body.len().saturating_sub(protection.tag_len());
        let opened = protection.open_in_place(number, head, body);
        match opened {
            Ok((typ, content)) => {
                let is_newest = self.opened(number)?;
                check_inner(inner, inner_limit)?;
                let content = content.start + unified.length..content.end + unified.length;
                let number = RecordNumber {
                    epoch: self.epoch.into(),
                    sequence_number: number,
                };
                Ok(Opened {
                    number,
                    typ,
                    content,
                    is_newest,
                })
            }
            Err(Unopened::Forged) => {
                self.forged = self.forged.saturating_add(1);
                Err(Discarded::DoesNotOpen.into())
            }
            Err(unopened) => Err(Fault::Abort(unopened.into())),
        }
    }

    /// The record with this number has opened; whether it is higher than all before.
    fn opened(&mut self, number: u64) -> Result<bool, Violation> {
        let is_newest = number >= self.window.due();
        self.window.mark(number);
        self.opened = self.opened.saturating_add(1);
        match self.opened / GRACE > self.protection.record_limit() {
            true => Err(Violation::AeadLimitReached),
            false => Ok(is_newest),
        }
    }

    fn open_older(
        &mut self,
        header: OlderRecord,
        record: &mut [u8],
        limit: usize,
    ) -> Result<Opened, Fault> {
        let sequence = header.sequence;
        self.window.check(sequence)?;
        let split = record.split_at_mut_checked(header.head);
        let (head, body) = split.ok_or(Discarded::Malformed)?;
        // The MAC is over the epoch, too (RFC 6347 §4.1.2.1).
        let number = u64::from(self.epoch) << NUMBER_BITS | sequence;
        let opened = match header.has_id {
            false => self.protection.open_in_place(number, head, body),
            true => self.protection.open_with_id(number, head, body),
        };
        match opened {
            Ok((ContentType::APPLICATION_DATA, _)) if !header.takes_data => {
                Err(Discarded::EarlyFull.into())
            }
            Ok((typ, content)) => {
                let is_newest = self.opened(sequence)?;
                check_content(content.len(), limit)?;
                Ok(Opened {
                    number: RecordNumber {
                        epoch: self.epoch.into(),
                        sequence_number: sequence,
                    },
                    typ,
                    content: content.start + header.head..content.end + header.head,
                    is_newest,
                })
            }
            Err(Unopened::Forged) => {
                self.forged = self.forged.saturating_add(1);
                Err(Discarded::DoesNotOpen.into())
            }
            Err(unopened) => Err(Fault::Abort(unopened.into())),
        }
    }
}

fn set_up<'k>(
    place: &'k mut Option<NumberKey>,
    protection: &Tls13,
) -> Result<&'k NumberKey, CryptoFailure> {
    Ok(match place {
        Some(key) => key,
        empty => empty.insert(protection.number_key()?),
    })
}
