//! The cryptography of a record of DTLS 1.2 alone (RFC 5288 §3): AES-128-GCM.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use portcullis_benches::datagrams::{Failure, Pair};

/// Epoch and number, type, version and length.
const AUTHENTICATED: usize = 13;
const TAG: usize = 16;

pub(crate) struct Primitives {
    key: LessSafeKey,
    number: u64,
    record: Vec<u8>,
}

impl Primitives {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16])?),
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
        self.record.resize(message.len() + TAG, 0);
        self.record[..message.len()].copy_from_slice(message);
        let nonces = (self.nonce(), self.nonce());
        self.number += 1;
        let aad = || Aad::from([0; AUTHENTICATED]);
        let (sealed, tag) = self.record.split_at_mut(message.len());
        let made = self
            .key
            .seal_in_place_separate_tag(nonces.0, aad(), sealed)?;
        tag.copy_from_slice(made.as_ref());
        let opened = self.key.open_in_place(nonces.1, aad(), &mut self.record)?;
        Ok(opened.len())
    }
}
