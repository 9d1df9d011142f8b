//! HMAC for short keys and short messages, without contexts or heap.
//!
//! RFC 2104. A handshake derives some twenty secrets from inputs of a block or two. There the
//! library's HMAC spends more on setting up, copying and wiping a context than on hashing, so
//! the two hashes of the definition are done directly; what does not fit goes to the library.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use super::hash::{HashAlgorithm, hash};
use super::secret::{Inline, Secret};

/// What is hashed at once: a key block of at most 128 bytes and a message.
const SCRATCH: usize = 256;

/// The HMAC of the message whose parts are given, as long as the hash's output.
pub(crate) fn mac<'a>(
    algorithm: HashAlgorithm,
    key: &[u8],
    message: impl Iterator<Item = &'a [u8]> + Clone,
) -> Secret {
    short_mac(algorithm, key, message.clone())
        .unwrap_or_else(|| library_mac(algorithm, key, message))
}

/// Whether `received` is the HMAC of the message, in constant time.
pub(crate) fn verify(
    algorithm: HashAlgorithm,
    key: &[u8],
    message: &[u8],
    received: &[u8],
) -> bool {
    let expected = mac(algorithm, key, core::iter::once(message));
    expected.as_slice().ct_eq(received).into()
}

/// `H(K xor opad, H(K xor ipad, text))`; `None` when it does not fit in the scratch.
fn short_mac<'a>(
    algorithm: HashAlgorithm,
    key: &[u8],
    message: impl Iterator<Item = &'a [u8]>,
) -> Option<Secret> {
    const IPAD: u8 = 0x36;
    const OPAD: u8 = 0x5c;
    let block = algorithm.block_len();
    let mut scratch = Inline::<SCRATCH>::zeros(block);
    let key_block = scratch.as_mut_slice();
    key_block.get_mut(..key.len())?.copy_from_slice(key);
    for byte in key_block {
        *byte ^= IPAD;
    }
    for part in message {
        scratch.push(part).ok()?;
    }
    let inner = hash(algorithm, scratch.as_slice());
    scratch.truncate(block);
    for byte in scratch.as_mut_slice() {
        *byte ^= IPAD ^ OPAD;
    }
    scratch.push(inner.as_slice()).ok()?;
    Some(Secret::from(hash(algorithm, scratch.as_slice())))
}

fn library_mac<'a>(
    algorithm: HashAlgorithm,
    key: &[u8],
    message: impl Iterator<Item = &'a [u8]>,
) -> Secret {
    let key = hmac::Key::new(
        match algorithm {
            HashAlgorithm::Sha256 => hmac::HMAC_SHA256,
            HashAlgorithm::Sha384 => hmac::HMAC_SHA384,
        },
        key,
    );
    let mut context = hmac::Context::with_key(&key);
    for part in message {
        context.update(part);
    }
    Secret::from(super::hash::Digest::truncating(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_library_agree() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            for key_len in [0, 1, 32, 48, 64, 65, 128, 129, 200] {
                for message_len in [0, 1, 55, 64, 127, 128, 129, 192, 193, 400] {
                    let key = vec![7; key_len];
                    let message = vec![9; message_len];
                    let parts = message.chunks(50);
                    assert_eq!(
                        mac(algorithm, &key, parts.clone()),
                        library_mac(algorithm, &key, parts)
                    );
                    let tag = mac(algorithm, &key, message.chunks(7));
                    assert!(verify(algorithm, &key, &message, tag.as_slice()));
                    assert!(!verify(algorithm, &key, &message, &tag.as_slice()[1..]));
                }
            }
        }
    }
}
