//! Keys by epoch: each with its numbers, and what was opened of them.
//!
//! RFC 9147 §4.2, §4.5, §6.1.

use core::ops::Range;
use core::time::Duration;

use super::header::{self, NUMBERS, UNIFIED, Unified};
use super::replay::ReplayWindow;
use super::{Discarded, Fault};
use crate::clock::Monotonic;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::number_key::{NumberKey, SAMPLE};
use crate::record::header::check_inner;
use crate::record::keys::Keys;
use crate::record::protect::{Protection, Tls13, Unopened};
use crate::violation::Violation;
use crate::wire::{ContentType, RecordNumber};

/// The epoch of the rest of the handshake (§6.1).
pub(super) const HANDSHAKE: u16 = 2;
/// The first epoch of data.
pub(super) const APPLICATION: u16 = 3;
/// How long the keys of an epoch are kept beside newer ones: twice the longest life of a segment
/// (§4.2.1), after which nothing of it is under way.
const KEPT: Duration = Duration::from_secs(240);
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
}

/// For reading one epoch.
pub(super) struct ReadEpoch {
    epoch: u16,
    protection: Tls13,
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
    epochs: Vec<Box<ReadEpoch>>,
    /// The newest under which anything was opened.
    current: u16,
}

impl ReadEpochs {
    /// From here on records of this epoch open, too.
    ///
    /// # Errors
    /// For keys of before TLS 1.3.
    pub(super) fn install(&mut self, epoch: u16, keys: Keys) -> Result<(), CryptoFailure> {
        let Protection::Tls13(protection) = keys.protection else {
            return Err(CryptoFailure::RecordKeys);
        };
        self.push(epoch, protection);
        Ok(())
    }

    fn push(&mut self, epoch: u16, protection: Tls13) {
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
        let (epoch, next) = newest.ok_or(Violation::TooManyKeyUpdates)?;
        let epoch = epoch.checked_add(1).ok_or(Violation::TooManyKeyUpdates)?;
        self.push(epoch, next);
        Ok(())
    }

    /// The newest epoch that has keys; 0 for none.
    pub(super) fn newest(&self) -> u16 {
        self.epochs.last().map_or(0, |newest| newest.epoch)
    }

    /// The newest under which anything was opened; 0 for none.
    pub(super) const fn current(&self) -> u16 {
        self.current
    }

    /// Whether records whose epoch ends so can be opened.
    pub(super) fn has(&self, low_bits: u8) -> bool {
        self.epochs.iter().any(|one| one.low_bits() == low_bits)
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
        let at = oldest_first.rposition(|one| one.low_bits() == unified.epoch);
        let epoch = at.and_then(|at| self.epochs.get_mut(at));
        let epoch = epoch.ok_or(Discarded::UnknownEpoch)?;
        let opened = match epoch.open(unified, record, inner_limit) {
            Err(Fault::Discard(why)) if epoch.has_refused_enough() => {
                return Err(self.give_up(at, why));
            }
            opened => opened?,
        };
        if epoch.epoch > self.current {
            self.current = epoch.epoch;
            self.retire(now);
        }
        Ok(opened)
    }

    /// §4.5.3: the key has refused as many records as it may. The connection goes on without an old one, since
    /// anybody can send what does not open.
    fn give_up(&mut self, at: Option<usize>, why: Discarded) -> Fault {
        let current = self.current;
        let is_old = |one: &ReadEpoch| one.epoch < current;
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

    const fn low_bits(&self) -> u8 {
        let [_, low] = self.epoch.to_be_bytes();
        low & 3
    }

    fn hibernate(&mut self) {
        drop(self.protection.take_cipher());
        self.number_key = None;
    }

    /// §4.5.3: how many forgeries one key may refuse.
    const fn forgeries(&self) -> u64 {
        match self.protection.aead() {
            AeadAlgorithm::Ccm(ccm) if ccm.tag_len() == 8 => 1 << 7,
            AeadAlgorithm::Ccm(_) => 11_863_283,
            _ => 1 << 36,
        }
    }

    const fn has_refused_enough(&self) -> bool {
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
        let mask = self.number_key()?.mask(sample).map_err(Fault::crypto)?;
        let width = if unified.is_wide { 2 } else { 1 };
        let mut low = 0;
        for (byte, mask) in head.iter_mut().skip(1).take(width).zip(mask) {
            *byte ^= mask;
            low = low << 8 | u64::from(*byte);
        }
        let bits = if unified.is_wide { 16 } else { 8 };
        let number = header::reconstruct(low, bits, self.window.due());
        if number >= NUMBERS {
            return Err(Discarded::TooOld.into());
        }
        self.window.check(number)?;
        let inner = body.len().saturating_sub(self.protection.tag_len());
        match self.protection.open_in_place(number, head, body) {
            Ok((typ, content)) => {
                self.window.mark(number);
                self.opened = self.opened.saturating_add(1);
                check_inner(inner, inner_limit)?;
                if self.opened / GRACE > self.protection.record_limit() {
                    return Err(Violation::AeadLimitReached.into());
                }
                let content = content.start + unified.length..content.end + unified.length;
                let number = RecordNumber {
                    epoch: self.epoch.into(),
                    sequence_number: number,
                };
                Ok(Opened {
                    number,
                    typ,
                    content,
                })
            }
            Err(Unopened::Forged) => {
                self.forged = self.forged.saturating_add(1);
                Err(Discarded::DoesNotOpen.into())
            }
            Err(unopened) => Err(Fault::Abort(unopened.into())),
        }
    }

    fn number_key(&mut self) -> Result<&NumberKey, Fault> {
        set_up(&mut self.number_key, &self.protection).map_err(Fault::crypto)
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

/// For writing one epoch.
pub(super) struct WriteEpoch {
    pub(super) epoch: u16,
    protection: Tls13,
    number_key: Option<NumberKey>,
    next: u64,
    /// Records until the cipher's limit is reached.
    left: u64,
}

/// The least inner plaintext whose ciphertext is as long as the sample of the number.
fn least_inner(tag: usize) -> usize {
    SAMPLE.saturating_sub(tag)
}

impl WriteEpoch {
    /// # Errors
    /// For keys of before TLS 1.3.
    pub(super) fn new(epoch: u16, keys: Keys) -> Result<Self, CryptoFailure> {
        match keys.protection {
            Protection::Tls13(protection) => Ok(Self::of(epoch, protection)),
            Protection::Older(_) => Err(CryptoFailure::RecordKeys),
        }
    }

    fn of(epoch: u16, protection: Tls13) -> Self {
        Self {
            epoch,
            left: protection.record_limit().min(NUMBERS),
            protection,
            number_key: None,
            next: 0,
        }
    }

    /// The epoch after this one, if there is one.
    pub(super) fn next(&self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1)?;
        Some(Self::of(epoch, self.protection.next()))
    }

    /// The number of the next record.
    pub(super) fn number(&self) -> RecordNumber {
        RecordNumber {
            epoch: self.epoch.into(),
            sequence_number: self.next,
        }
    }

    /// Whether so many records were sealed that the key is to be changed: three quarters of what it may, as
    /// the change takes a round trip.
    pub(super) fn is_worn(&self) -> bool {
        self.left < self.protection.record_limit().min(NUMBERS) / 4
    }

    /// Records until the cipher's limit is reached.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// How long a record with so much content and padding is.
    pub(super) fn record_len(&self, content: usize) -> usize {
        let tag = self.protection.tag_len();
        UNIFIED + (content + 1).max(least_inner(tag)) + tag
    }

    /// What a record has besides its content, unless that is very short.
    pub(super) fn overhead(&self) -> usize {
        UNIFIED + 1 + self.protection.tag_len()
    }

    /// Seals `record`, in which the content stands behind the header.
    ///
    /// # Errors
    /// When no number is left, or the crypto library fails; the record is wiped.
    pub(super) fn seal(
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
        let split = record.split_first_chunk_mut::<UNIFIED>();
        let (head, body) = split.ok_or(FAILURE)?;
        *head = header::put_unified(self.epoch, self.next, body.len());
        self.protection
            .seal_in_place(self.next, head, typ, content_len, body)?;
        self.hide(head, body)
    }

    /// Hides the number, and counts it.
    fn hide(
        &mut self,
        head: &mut [u8; UNIFIED],
        body: &[u8],
    ) -> Result<RecordNumber, CryptoFailure> {
        let sample = body.first_chunk().ok_or(CryptoFailure::SealingRecord)?;
        let mask = set_up(&mut self.number_key, &self.protection)?.mask(sample)?;
        for (byte, mask) in head.iter_mut().skip(1).zip(mask) {
            *byte ^= mask;
        }
        let number = self.number();
        self.next += 1;
        self.left -= 1;
        Ok(number)
    }

    /// Seals content that stands elsewhere, without padding.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(super) fn seal_from(
        &mut self,
        typ: ContentType,
        content: &[u8],
        record: &mut [u8],
    ) -> Result<RecordNumber, CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if self.left == 0 {
            return Err(FAILURE);
        }
        let split = record.split_first_chunk_mut::<UNIFIED>();
        let (head, body) = split.ok_or(FAILURE)?;
        *head = header::put_unified(self.epoch, self.next, body.len());
        let sealed = self
            .protection
            .seal_from(self.next, head, typ, content, body);
        let number = sealed.and_then(|()| self.hide(head, body));
        if number.is_err() {
            record.fill(0);
        }
        number
    }

    /// Gives the memory of the cipher back until the next record is sealed.
    pub(super) fn hibernate(&mut self) {
        drop(self.protection.take_cipher());
        self.number_key = None;
    }

    /// Makes the key as old as its cipher lets it become, but for so many records.
    #[cfg(test)]
    pub(super) fn wear_out(&mut self, left: u64) {
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
