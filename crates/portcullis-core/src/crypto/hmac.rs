//! HMAC with a key that is set up once.
//!
//! RFC 2104. A handshake derives some twenty secrets from half as many others, from inputs of a
//! block or two: what can be done once for a key is half of the work.

use core::iter;

use sha2::block_api::{compress256, compress512};
use subtle::ConstantTimeEq;
use zeroize::optimization_barrier;

use super::hash::{HashAlgorithm, hash};
use super::secret::{Inline, Secret};

/// The longest block of any hash, in bytes.
const MAX_BLOCK_LEN: usize = 128;

/// A key, as the states of both hashes after their first block.
pub(crate) struct HmacKey {
    /// Of `H(K xor ipad, ..)`.
    inner: State,
    /// Of `H(K xor opad, ..)`.
    outer: State,
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
            let mut state = State::new(algorithm);
            state.compress(block.as_slice());
            state
        };
        Self {
            inner: padded(IPAD),
            outer: padded(IPAD ^ OPAD),
        }
    }

    /// The HMAC of the message whose parts are given, as long as the hash's output.
    pub(crate) fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        let inner = self.inner.clone().finish(message);
        self.outer.clone().finish(iter::once(inner.as_slice()))
    }

    /// Whether `received` is the HMAC of the message, in constant time.
    pub(crate) fn verify(&self, message: &[u8], received: &[u8]) -> bool {
        let expected = self.mac(iter::once(message));
        expected.as_slice().ct_eq(received).into()
    }
}

/// What a hash has come to after whole blocks: a third of a [`Hasher`](super::hash::Hasher),
/// which has room for an incomplete one.
#[derive(Clone)]
enum State {
    Sha256([u32; 8]),
    Sha384([u64; 8]),
}

impl State {
    /// Before the first block (FIPS 180-4 §5.3.3, §5.3.4).
    const fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256([
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ]),
            HashAlgorithm::Sha384 => Self::Sha384([
                0xcbbb_9d5d_c105_9ed8,
                0x629a_292a_367c_d507,
                0x9159_015a_3070_dd17,
                0x152f_ecd8_f70e_5939,
                0x6733_2667_ffc0_0b31,
                0x8eb4_4a87_6858_1511,
                0xdb0c_2e0d_64f9_8fa7,
                0x47b5_481d_befa_4fa4,
            ]),
        }
    }

    /// Puts in a block.
    fn compress(&mut self, block: &[u8]) {
        match self {
            Self::Sha256(state) => compress256(state, block.as_chunks().0),
            Self::Sha384(state) => compress512(state, block.as_chunks().0),
        }
    }

    /// The hash of one block that was put in and of these parts.
    fn finish<'a>(mut self, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
        let algorithm = match self {
            Self::Sha256(_) => HashAlgorithm::Sha256,
            Self::Sha384(_) => HashAlgorithm::Sha384,
        };
        let mut block = Inline::<MAX_BLOCK_LEN>::zeros(algorithm.block_len());
        let block = block.as_mut_slice();
        let (mut length, mut used) = (block.len(), 0);
        for mut part in parts {
            length += part.len();
            loop {
                let room = block.get_mut(used..).unwrap_or_default();
                let (now, later) = part.split_at(part.len().min(room.len()));
                for (to, byte) in room.iter_mut().zip(now) {
                    *to = *byte;
                }
                used += now.len();
                if used < block.len() {
                    break;
                }
                self.compress(block);
                block.fill(0);
                (used, part) = (0, later);
            }
        }
        // FIPS 180-4 §5.1: a bit, zeros, and the length in an eighth of a block.
        if let Some(first) = block.get_mut(used) {
            *first = 0x80;
        }
        if block.len() - used <= block.len() / 8 {
            self.compress(block);
            block.fill(0);
        }
        if let Some(last) = block.last_chunk_mut() {
            *last = (8 * length as u64).to_be_bytes();
        }
        self.compress(block);

        let mut hash = Secret::zeros(algorithm.output_len());
        match &self {
            Self::Sha256(state) => put(&mut hash, state.iter().map(|word| word.to_be_bytes())),
            Self::Sha384(state) => put(&mut hash, state.iter().map(|word| word.to_be_bytes())),
        }
        hash
    }
}

/// Writes the words, as many as there is room for.
fn put<const N: usize>(hash: &mut Secret, words: impl Iterator<Item = [u8; N]>) {
    let (room, _) = hash.as_mut_slice().as_chunks_mut();
    for (to, word) in room.iter_mut().zip(words) {
        *to = word;
    }
}

impl Drop for State {
    fn drop(&mut self) {
        match self {
            Self::Sha256(state) => {
                *state = [0; 8];
                optimization_barrier(state);
            }
            Self::Sha384(state) => {
                *state = [0; 8];
                optimization_barrier(state);
            }
        }
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
                for message_len in 0..=300 {
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
