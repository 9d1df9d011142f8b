//! Records of TLS 1.3: an AEAD over content, type and padding.
//!
//! RFC 8446 §5.2, §5.4, §5.5. A cipher that is set up takes ten times the memory of its secret, so
//! it is set up when the first record needs it, and can be given back in between.

#[cfg(feature = "dtls")]
mod numbers;

use core::ops::Range;

use super::super::header;
use super::Unopened;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadKey;
use crate::key_schedule::TrafficSecret;
use crate::wire::ContentType;

pub(crate) struct Tls13 {
    /// Key and IV, which follow from the secret; `None` while nothing is protected.
    key: Option<AeadKey>,
    secret: TrafficSecret,
    /// How many times the secret was updated: the N of `application_traffic_secret_N`.
    generation: u32,
}

impl Tls13 {
    pub(in super::super) const fn new(secret: TrafficSecret) -> Self {
        Self {
            key: None,
            secret,
            generation: 0,
        }
    }

    /// With the cipher, which follows from the secret.
    pub(in super::super) fn ready(secret: TrafficSecret, key: AeadKey) -> Self {
        Self {
            key: Some(key),
            ..Self::new(secret)
        }
    }

    /// Moves the secret; what stays is none.
    pub(in super::super) fn take(&mut self) -> Self {
        Self {
            key: self.key.take(),
            secret: self.secret.take(),
            generation: self.generation,
        }
    }

    /// What a record has besides header, content and padding: the content's type and the tag.
    #[inline]
    pub(in super::super) const fn overhead(&self) -> usize {
        1 + self.tag_len()
    }

    /// The type is read with the content.
    #[inline]
    pub(super) const fn least_overhead(&self) -> usize {
        self.tag_len()
    }

    pub(in super::super) const fn tag_len(&self) -> usize {
        self.secret.suite_parameters().aead.tag_len()
    }

    pub(in super::super) fn record_limit(&self) -> u64 {
        self.secret.suite_parameters().aead.record_limit()
    }

    #[inline]
    pub(in super::super) fn open_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        let opened = self.cipher()?.open_in_place(number, head, body);
        let inner = opened.map_err(|_| Unopened::Forged)?;
        let (length, typ) = header::content(inner).ok_or(Unopened::NoContentType)?;
        Ok((typ, 0..length))
    }

    #[inline]
    pub(super) fn open_into(
        &mut self,
        number: u64,
        head: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<(ContentType, usize), Unopened> {
        let split = body.split_at_checked(out.len());
        let (ciphertext, tag) = split.ok_or(Unopened::Forged)?;
        let opened = self.cipher()?.open_into(number, head, ciphertext, tag, out);
        opened.map_err(|_| Unopened::Forged)?;
        let (length, typ) = header::content(out).ok_or(Unopened::NoContentType)?;
        Ok((typ, length))
    }

    pub(in super::super) fn seal_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let inner_len = body.len().checked_sub(self.tag_len()).ok_or(FAILURE)?;
        let behind = body.get_mut(content_len..inner_len).unwrap_or_default();
        let (inner_type, padding) = behind.split_first_mut().ok_or(FAILURE)?;
        *inner_type = typ.0;
        padding.fill(0);
        let sealed = self.cipher()?.seal_in_place(number, head, body);
        sealed.map_err(|_| FAILURE)
    }

    #[inline]
    pub(in super::super) fn seal_from(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let key = self.cipher()?;
        let sealed = key.seal_scatter(number, head, content, &[typ.0], body);
        sealed.map_err(|_| FAILURE)
    }

    pub(in super::super) fn next(&self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..Self::new(self.secret.next())
        }
    }

    pub(in super::super) const fn generation(&self) -> u32 {
        self.generation
    }

    pub(in super::super) fn traffic_secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    pub(in super::super) const fn secret(&self) -> &TrafficSecret {
        &self.secret
    }

    pub(in super::super) const fn is_hibernating(&self) -> bool {
        self.key.is_none()
    }

    /// Hands the cipher out; it comes back, or is set up again.
    pub(in super::super) const fn take_cipher(&mut self) -> Option<AeadKey> {
        self.key.take()
    }

    pub(in super::super) fn put_cipher(&mut self, key: AeadKey) {
        self.key = Some(key);
    }

    /// The cipher, set up if it is not.
    #[inline]
    fn cipher(&mut self) -> Result<&mut AeadKey, CryptoFailure> {
        Ok(match &mut self.key {
            Some(key) => key,
            empty => empty.insert(set_up(&self.secret)?),
        })
    }
}

/// Derives key and IV (§7.3).
#[cold]
fn set_up(secret: &TrafficSecret) -> Result<AeadKey, CryptoFailure> {
    secret.aead_key()
}
