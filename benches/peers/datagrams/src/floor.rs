//! The cryptography of a record of DTLS 1.3 alone (RFC 9147 §4.2.3): AES-128-GCM, and a mask of the number at either end.

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use portcullis_benches::datagrams::{Failure, Pair};

/// Flags, number and length, as everybody here sends them.
const HEADER: usize = 5;
const CONTENT_TYPE: usize = 1;
const TAG: usize = 16;
/// What the mask is made of.
const SAMPLE: usize = 16;

pub(crate) struct Primitives {
    key: LessSafeKey,
    mask: HeaderProtectionKey,
    number: u64,
    record: Vec<u8>,
}

impl Primitives {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16])?),
            mask: HeaderProtectionKey::new(&AES_128, &[8; 16])?,
            number: 0,
            record: Vec::new(),
        })
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.number.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Pair for Primitives {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        let content = message.len() + CONTENT_TYPE;
        self.record.resize(content + TAG, 0);
        self.record[..message.len()].copy_from_slice(message);
        let nonces = (self.nonce(), self.nonce());
        self.number += 1;
        let (sealed, tag) = self.record.split_at_mut(content);
        let made = self
            .key
            .seal_in_place_separate_tag(nonces.0, Aad::from([0; HEADER]), sealed)?;
        tag.copy_from_slice(made.as_ref());
        for _ in 0..2 {
            std::hint::black_box(self.mask.new_mask(&self.record[..SAMPLE])?);
        }
        let opened = self
            .key
            .open_in_place(nonces.1, Aad::from([0; HEADER]), &mut self.record)?;
        Ok(opened.len() - CONTENT_TYPE)
    }
}
