//! HMAC with a key that is set up once.
//!
//! RFC 2104. A handshake derives some twenty secrets from half as many others, from inputs of a
//! block or two: what can be done once for a key is half of the work.

use core::iter;

use subtle::ConstantTimeEq;

use super::hash::{HashAlgorithm, Hasher, hash};
use super::secret::{Inline, Secret};

/// The longest block of any hash, in bytes.
const MAX_BLOCK_LEN: usize = 128;

/// A key, as the states of both hashes after their first block.
pub(crate) struct HmacKey {
    /// Of `H(K xor ipad, ..)`.
    inner: Hasher,
    /// Of `H(K xor opad, ..)`.
    outer: Hasher,
}

impl HmacKey {
    pub(crate) fn new(algorithm: HashAlgorithm, key: &[u8]) -> Self {
        const IPAD: u8 = 0x36;
        const OPAD: u8 = 0x5c;
        let mut block = Inline::<MAX_BLOCK_LEN>::zeros(algorithm.block_len());
        match block.as_mut_slice().get_mut(..key.len()) {
            Some(front) => front.copy_from_slice(key),
            None => return Self::new(algorithm, hash(algorithm, key).as_slice()),
        }
        let mut padded = |pad| {
            for byte in block.as_mut_slice() {
                *byte ^= pad;
            }
            let mut hasher = Hasher::new(algorithm);
            hasher.update(block.as_slice());
            hasher
        };
        Self {
            inner: padded(IPAD),
            outer: padded(IPAD ^ OPAD),
        }
    }

    /// The HMAC of the message whose parts are given, as long as the hash's output.
    pub(crate) fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        let mut hasher = self.inner.clone();
        for part in message {
            hasher.update(part);
        }
        // The states are reset, so that none is left behind.
        let inner = Secret::from(hasher.finish());
        hasher.clone_from(&self.outer);
        hasher.update(inner.as_slice());
        Secret::from(hasher.finish())
    }

    /// Whether `received` is the HMAC of the message, in constant time.
    pub(crate) fn verify(&self, message: &[u8], received: &[u8]) -> bool {
        let expected = self.mac(iter::once(message));
        expected.as_slice().ct_eq(received).into()
    }
}

impl Drop for HmacKey {
    fn drop(&mut self) {
        self.inner.wipe();
        self.outer.wipe();
    }
}

impl core::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    #[test]
    fn the_library_makes_the_same() {
        for (algorithm, library) in [
            (HashAlgorithm::Sha256, hmac::HMAC_SHA256),
            (HashAlgorithm::Sha384, hmac::HMAC_SHA384),
        ] {
            for key_len in [0, 1, 32, 48, 64, 65, 128, 129, 200] {
                let bytes = vec![7; key_len];
                let key = HmacKey::new(algorithm, &bytes);
                let library = hmac::Key::new(library, &bytes);
                for message_len in [0, 1, 55, 64, 127, 128, 129, 192, 193, 400] {
                    let message = vec![9; message_len];
                    let tag = key.mac(message.chunks(7));
                    let expected = hmac::sign(&library, &message);
                    assert_eq!(tag.as_slice(), expected.as_ref());
                    assert!(key.verify(&message, tag.as_slice()));
                    assert!(!key.verify(&message, &tag.as_slice()[1..]));
                }
            }
        }
    }
}
