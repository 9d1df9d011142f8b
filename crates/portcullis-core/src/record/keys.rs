//! The state of one direction: its protection, the next sequence number, and how long they last.
//!
//! RFC 8446 §5.3, §5.5, §7.2.

use core::ops::Range;

use super::protect::{Cipher, Older, Protection, Tls13, Unopened};
use super::{HEADER, header};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadKey;
use crate::key_schedule::TrafficSecret;
use crate::key_schedule::tls12::DirectionKeys;
use crate::wire::ContentType;

/// One direction's keys.
pub(crate) struct Keys {
    pub(super) protection: Protection,
    /// The sequence number of the next record (§5.3).
    ///
    /// It cannot wrap: `left` starts at no more than `u64::MAX` and counts down with it.
    pub(super) seq: u64,
    /// Records until the cipher's limit is reached (§5.5).
    pub(super) left: u64,
}

impl Keys {
    fn new(protection: Protection) -> Self {
        Self {
            left: protection.record_limit(),
            protection,
            seq: 0,
        }
    }

    /// With the cipher, which follows from the secret.
    pub(crate) fn ready(secret: TrafficSecret, key: AeadKey) -> Self {
        Self::new(Protection::Tls13(Tls13::ready(secret, key)))
    }

    /// Those of before TLS 1.3.
    pub(crate) fn older(keys: DirectionKeys) -> Self {
        Self::new(Protection::Older(Box::new(Older::new(keys))))
    }

    /// Moves the keys; the secret that stays is none.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            protection: self.protection.take(),
            ..*self
        }
    }

    /// Opens the body of the next record where it stands; gives what its content is, and where.
    ///
    /// # Errors
    /// When it does not open; it is not counted then.
    #[inline]
    pub(super) fn open_in_place(
        &mut self,
        head: &[u8; HEADER],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        let opened = self.protection.open_in_place(self.seq, head, body)?;
        self.advance();
        Ok(opened)
    }

    /// Opens the body of the next record to the front of `out`.
    ///
    /// # Errors
    /// As [`open_in_place`](Self::open_in_place).
    #[inline]
    pub(super) fn open_into(
        &mut self,
        head: &[u8; HEADER],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<(ContentType, usize), Unopened> {
        let opened = self.protection.open_into(self.seq, head, body, out)?;
        self.advance();
        Ok(opened)
    }

    /// Seals `record`, in which the content stands behind the header: writes the header, the
    /// padding and what protects it.
    ///
    /// # Errors
    /// When no record is left under this key, or the crypto library fails; the record is wiped.
    pub(super) fn seal_in_place(
        &mut self,
        typ: ContentType,
        content_len: usize,
        record: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let sealed = self.try_seal_in_place(typ, content_len, record);
        if sealed.is_err() {
            record.fill(0);
        }
        sealed
    }

    fn try_seal_in_place(
        &mut self,
        typ: ContentType,
        content_len: usize,
        record: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let (head, body) = headed(self.protection.outer_type(typ), record)?;
        if self.left == 0 {
            return Err(CryptoFailure::SealingRecord);
        }
        self.protection
            .seal_in_place(self.seq, head, typ, content_len, body)?;
        self.advance();
        Ok(())
    }

    /// Seals data that stands elsewhere into `record`, without padding.
    ///
    /// # Errors
    /// When the crypto library fails. The caller has seen to it that a record is left.
    #[inline]
    pub(super) fn seal_data(
        &mut self,
        content: &[u8],
        record: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        // What every version calls data; TLS 1.3 calls everything so.
        let typ = ContentType::APPLICATION_DATA;
        let (head, body) = headed(typ, record)?;
        self.protection
            .seal_from(self.seq, head, typ, content, body)?;
        self.advance();
        Ok(())
    }

    /// How CBC protects, if it does.
    #[cfg(test)]
    pub(super) fn cbc_parameters(&self) -> Option<crate::key_schedule::tls12::CbcParameters> {
        match &self.protection {
            Protection::Tls13(_) => None,
            Protection::Older(protection) => protection.cbc_parameters(),
        }
    }

    /// Hands the cipher out; it comes back, or is set up again.
    pub(super) fn take_cipher(&mut self) -> Option<Cipher> {
        match &mut self.protection {
            Protection::Tls13(protection) => protection.take_cipher().map(Cipher::Tls13),
            Protection::Older(protection) => protection.take_cipher().map(Cipher::Older),
        }
    }

    pub(super) fn put_cipher(&mut self, cipher: Cipher) {
        match (&mut self.protection, cipher) {
            (Protection::Tls13(protection), Cipher::Tls13(key)) => protection.put_cipher(key),
            (Protection::Older(protection), Cipher::Older(ready)) => protection.put_cipher(ready),
            // It comes back to where it was.
            (Protection::Tls13(_), Cipher::Older(_)) | (Protection::Older(_), Cipher::Tls13(_)) => {
            }
        }
    }

    /// Goes on to the next secret (§7.2). Before TLS 1.3 nobody asks for that.
    pub(super) fn update(&mut self) {
        if let Some(next) = self.protection.next() {
            *self = Self::new(next);
        }
    }

    /// Counts a record.
    #[inline]
    fn advance(&mut self) {
        self.seq = self.seq.wrapping_add(1);
        self.left = self.left.saturating_sub(1);
    }
}

/// Writes the header of `record`, which shows this type. What was before TLS 1.2 says so itself.
#[inline]
fn headed(
    outer: ContentType,
    record: &mut [u8],
) -> Result<(&mut [u8; HEADER], &mut [u8]), CryptoFailure> {
    let split = record.split_first_chunk_mut::<HEADER>();
    let (head, body) = split.ok_or(CryptoFailure::SealingRecord)?;
    *head = header::header(outer, header::LEGACY_VERSION, body.len());
    Ok((head, body))
}

impl From<TrafficSecret> for Keys {
    fn from(secret: TrafficSecret) -> Self {
        Self::new(Protection::Tls13(Tls13::new(secret)))
    }
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys")
            .field("seq", &self.seq)
            .field("generation", &self.protection.generation())
            .finish_non_exhaustive()
    }
}
