//! Records before TLS 1.3 with an AEAD.
//!
//! RFC 5246 §6.2.3.3; RFC 5288 (GCM), RFC 6655 (CCM), RFC 7905 (ChaCha20-Poly1305).

use core::ops::Range;

use super::Unopened;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey};
use crate::crypto::record_mac::Front;

/// The part of a GCM or CCM nonce that stands before the ciphertext (RFC 5288 §3, RFC 6655 §3).
const EXPLICIT_NONCE: usize = 8;

/// What an AEAD authenticates besides the content: number, type, version and length.
const ADDITIONAL_DATA: usize = size_of::<Front>() + 2;

const fn explicit_nonce(aead: AeadAlgorithm) -> usize {
    match aead {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm | AeadAlgorithm::Ccm(_) => {
            EXPLICIT_NONCE
        }
        AeadAlgorithm::ChaCha20Poly1305 => 0,
    }
}

/// What a record has besides its header and content.
pub(super) const fn overhead(aead: AeadAlgorithm) -> usize {
    explicit_nonce(aead) + aead.tag_len()
}

/// A key, with how its records are laid out.
pub(super) struct Aead<'k> {
    pub(super) algorithm: AeadAlgorithm,
    pub(super) key: &'k mut AeadKey,
}

impl Aead<'_> {
    pub(super) fn open_in_place(
        &mut self,
        number: u64,
        front: Front,
        body: &mut [u8],
    ) -> Result<Range<usize>, Unopened> {
        self.open_with(number, |length| additional_data(front, length), body)
    }

    /// With what `data` makes of the length of the content.
    pub(super) fn open_with<D: AsRef<[u8]>>(
        &mut self,
        number: u64,
        data: impl FnOnce(usize) -> D,
        body: &mut [u8],
    ) -> Result<Range<usize>, Unopened> {
        let start = explicit_nonce(self.algorithm);
        let length = body.len().checked_sub(overhead(self.algorithm));
        let length = length.ok_or(Unopened::Forged)?;
        let (nonce, sealed) = body.split_at_mut_checked(start).ok_or(Unopened::Forged)?;
        let (nonce, data) = (chosen(number, nonce), data(length));
        let opened = self.key.open_in_place(nonce, data.as_ref(), sealed);
        opened.map_err(|_| Unopened::Forged)?;
        Ok(start..start + length)
    }

    pub(super) fn open_into(
        &mut self,
        number: u64,
        front: Front,
        body: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Unopened> {
        let length = out.len();
        let split = body.split_at_checked(explicit_nonce(self.algorithm));
        let (nonce, sealed) = split.ok_or(Unopened::Forged)?;
        let (ciphertext, tag) = sealed.split_at_checked(length).ok_or(Unopened::Forged)?;
        let (nonce, data) = (chosen(number, nonce), additional_data(front, length));
        let opened = self.key.open_into(nonce, &data, ciphertext, tag, out);
        opened.map_err(|_| Unopened::Forged)?;
        Ok(length)
    }

    /// The content moves to where it is sealed; there is no padding.
    pub(super) fn seal_in_place(
        &mut self,
        number: u64,
        front: Front,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let data = additional_data(front, content_len);
        self.seal_with(number, &data, content_len, body)
    }

    /// With this as additional data.
    pub(super) fn seal_with(
        &mut self,
        number: u64,
        data: &[u8],
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if body.len() != content_len + overhead(self.algorithm) {
            return Err(FAILURE);
        }
        let start = explicit_nonce(self.algorithm);
        body.copy_within(..content_len, start);
        let (nonce, sealed) = body.split_at_mut_checked(start).ok_or(FAILURE)?;
        write_nonce(number, nonce);
        let sealed = self.key.seal_in_place(number, data, sealed);
        sealed.map_err(|_| FAILURE)
    }

    pub(super) fn seal_from(
        &mut self,
        number: u64,
        front: Front,
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let data = additional_data(front, content.len());
        self.seal_from_with(number, &data, (content, &[]), body)
    }

    /// With this as additional data, and content in two parts.
    pub(super) fn seal_from_with(
        &mut self,
        number: u64,
        data: &[u8],
        (content, tail): (&[u8], &[u8]),
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let split = body.split_at_mut_checked(explicit_nonce(self.algorithm));
        let (nonce, sealed) = split.ok_or(FAILURE)?;
        write_nonce(number, nonce);
        let sealed = self.key.seal_scatter(number, data, content, tail, sealed);
        sealed.map_err(|_| FAILURE)
    }
}

/// What the IV is xored with: the number, or what the peer has made it (RFC 5288 §3 leaves that
/// to it).
fn chosen(number: u64, explicit: &[u8]) -> u64 {
    explicit
        .first_chunk()
        .map_or(number, |bytes| u64::from_be_bytes(*bytes))
}

/// This side takes the number of the record, which never repeats.
fn write_nonce(number: u64, explicit: &mut [u8]) {
    if let Some(place) = explicit.first_chunk_mut() {
        *place = number.to_be_bytes();
    }
}

/// `length` is that of the content, not the one in the header.
fn additional_data(front: Front, length: usize) -> [u8; ADDITIONAL_DATA] {
    let mut data = [0; ADDITIONAL_DATA];
    let (start, end) = data.split_at_mut(front.len());
    start.copy_from_slice(&front);
    let [.., high, low] = length.to_be_bytes();
    end.copy_from_slice(&[high, low]);
    data
}
