//! Records before TLS 1.3 with an AEAD.
//!
//! RFC 5246 §6.2.3.3; RFC 5288 (GCM), RFC 7905 (ChaCha20-Poly1305). Behind a box: its connections
//! are fewer, and those of TLS 1.3 are not to be larger for it.

use core::ops::Range;

use super::Unopened;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, TAG_LEN};
use crate::key_schedule::tls12::DirectionKeys;
use crate::wire::ContentType;

/// The part of a GCM nonce that stands before the ciphertext (RFC 5288 §3).
const EXPLICIT_NONCE: usize = 8;

/// What an AEAD authenticates besides the content: number, type, version and length.
const ADDITIONAL_DATA: usize = 8 + 1 + 2 + 2;

pub(crate) struct Older {
    /// `None` while nothing is protected.
    key: Option<AeadKey>,
    keys: DirectionKeys,
}

impl Older {
    pub(in super::super) const fn new(keys: DirectionKeys) -> Self {
        Self { key: None, keys }
    }

    /// Moves the keys; what stays are none.
    pub(super) fn take(&mut self) -> Self {
        Self {
            key: self.key.take(),
            keys: self.keys.take(),
        }
    }

    const fn explicit_nonce(&self) -> usize {
        match self.keys.suite.aead {
            AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => EXPLICIT_NONCE,
            AeadAlgorithm::ChaCha20Poly1305 => 0,
        }
    }

    /// What a record has besides its header and content.
    ///
    /// Out of the way of TLS 1.3, which asks for its own for each record.
    #[cold]
    #[inline(never)]
    pub(super) const fn overhead(&self) -> usize {
        self.explicit_nonce() + TAG_LEN
    }

    pub(super) const fn record_limit(&self) -> u64 {
        self.keys.suite.aead.record_limit()
    }

    #[inline(never)]
    pub(super) fn open_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        let (typ, start) = (content_type(head), self.explicit_nonce());
        let length = body.len().checked_sub(self.overhead());
        let length = length.ok_or(Unopened::Forged)?;
        let (nonce, sealed) = body.split_at_mut_checked(start).ok_or(Unopened::Forged)?;
        let nonce = self.nonce(number, nonce);
        let data = additional_data(number, head, length);
        let opened = self.cipher()?.open_in_place(nonce, &data, sealed);
        opened.map_err(|_| Unopened::Forged)?;
        Ok((typ, start..start + length))
    }

    #[inline(never)]
    pub(super) fn open_into(
        &mut self,
        number: u64,
        head: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<(ContentType, usize), Unopened> {
        let length = out.len();
        let split = body.split_at_checked(self.explicit_nonce());
        let (nonce, sealed) = split.ok_or(Unopened::Forged)?;
        let (ciphertext, tag) = sealed.split_at_checked(length).ok_or(Unopened::Forged)?;
        let nonce = self.nonce(number, nonce);
        let data = additional_data(number, head, length);
        let opened = self.cipher()?.open_into(nonce, &data, ciphertext, tag, out);
        opened.map_err(|_| Unopened::Forged)?;
        Ok((content_type(head), length))
    }

    /// The content moves to where it is sealed; there is no padding.
    #[inline(never)]
    pub(super) fn seal_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if body.len() != content_len + self.overhead() {
            return Err(FAILURE);
        }
        let start = self.explicit_nonce();
        body.copy_within(..content_len, start);
        let (nonce, sealed) = body.split_at_mut_checked(start).ok_or(FAILURE)?;
        write_nonce(number, nonce);
        let data = additional_data(number, head, content_len);
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(FAILURE)?;
        let key = self.cipher()?;
        let sealed = key.seal_in_place(number, &data, content, &[], tag);
        sealed.map_err(|_| FAILURE)
    }

    #[inline(never)]
    pub(super) fn seal_from(
        &mut self,
        number: u64,
        head: &[u8],
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let split = body.split_at_mut_checked(self.explicit_nonce());
        let (nonce, sealed) = split.ok_or(FAILURE)?;
        write_nonce(number, nonce);
        let data = additional_data(number, head, content.len());
        let split = sealed.split_at_mut_checked(content.len());
        let (ciphertext, tag) = split.ok_or(FAILURE)?;
        let key = self.cipher()?;
        let sealed = key.seal_scatter(number, &data, content, &[], ciphertext, tag);
        sealed.map_err(|_| FAILURE)
    }

    pub(super) const fn is_hibernating(&self) -> bool {
        self.key.is_none()
    }

    /// Hands the cipher out; it comes back, or is set up again.
    pub(in super::super) const fn take_cipher(&mut self) -> Option<AeadKey> {
        self.key.take()
    }

    pub(in super::super) fn put_cipher(&mut self, key: AeadKey) {
        self.key = Some(key);
    }

    /// What the IV is xored with: the number, or what the peer has made it (RFC 5288 §3 leaves that
    /// to it).
    fn nonce(&self, number: u64, explicit: &[u8]) -> u64 {
        explicit
            .first_chunk()
            .map_or(number, |bytes| u64::from_be_bytes(*bytes))
    }

    fn cipher(&mut self) -> Result<&AeadKey, CryptoFailure> {
        Ok(match &mut self.key {
            Some(key) => key,
            empty => empty.insert(self.keys.aead_key()?),
        })
    }
}

fn content_type(head: &[u8]) -> ContentType {
    ContentType(head.first().copied().unwrap_or_default())
}

/// This side takes the number of the record, which never repeats.
fn write_nonce(number: u64, explicit: &mut [u8]) {
    if let Some(place) = explicit.first_chunk_mut() {
        *place = number.to_be_bytes();
    }
}

/// `length` is that of the content, not the one in the header.
fn additional_data(number: u64, head: &[u8], length: usize) -> [u8; ADDITIONAL_DATA] {
    let mut data = [0; ADDITIONAL_DATA];
    let [.., high, low] = length.to_be_bytes();
    let [typ, major, minor] = head.first_chunk().copied().unwrap_or_default();
    data[..8].copy_from_slice(&number.to_be_bytes());
    data[8..].copy_from_slice(&[typ, major, minor, high, low]);
    data
}
