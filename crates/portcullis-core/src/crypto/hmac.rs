//! HMAC with a key that is set up once.
//!
//! RFC 2104. A handshake derives some twenty secrets from half as many others, from inputs of a
//! block or two: what can be done once for a key is half of the work.

use core::iter;

use sha2::block_api::{Sha256VarCore, Sha512VarCore};
use sha2::digest::Output;
use sha2::digest::array::Array;
use sha2::digest::block_api::{Buffer, CtOutWrapper, FixedOutputCore, UpdateCore};
use sha2::digest::consts::{U32, U48};
use subtle::ConstantTimeEq;
use zeroize::Zeroize as _;

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
            State::new(algorithm, block.as_slice())
        };
        Self {
            inner: padded(IPAD),
            outer: padded(IPAD ^ OPAD),
        }
    }

    /// The HMAC of the message whose parts are given, as long as the hash's output.
    pub(crate) fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        let inner = self.inner.finish(message);
        self.outer.finish(iter::once(inner.as_slice()))
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
    Sha256(CtOutWrapper<Sha256VarCore, U32>),
    Sha384(CtOutWrapper<Sha512VarCore, U48>),
}

impl State {
    /// After one block.
    fn new(algorithm: HashAlgorithm, block: &[u8]) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(after(block)),
            HashAlgorithm::Sha384 => Self::Sha384(after(block)),
        }
    }

    /// The hash of that block and of these parts.
    fn finish<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
        match self {
            Self::Sha256(core) => finish(core.clone(), parts),
            Self::Sha384(core) => finish(core.clone(), parts),
        }
    }
}

fn after<C: UpdateCore + Default>(block: &[u8]) -> C {
    let mut core = C::default();
    core.update_blocks(Array::slice_as_chunks(block).0);
    core
}

fn finish<'a, C: FixedOutputCore>(mut core: C, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
    let mut buffer = Buffer::<C>::default();
    for part in parts {
        buffer.digest_blocks(part, |blocks| core.update_blocks(blocks));
    }
    let mut output = Output::<C>::default();
    core.finalize_fixed_core(&mut buffer, &mut output);
    let mut hash = Secret::zeros(output.len());
    for (to, byte) in hash.as_mut_slice().iter_mut().zip(&output) {
        *to = *byte;
    }
    output.as_mut_slice().zeroize();
    hash
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
