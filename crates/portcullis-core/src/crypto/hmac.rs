//! HMAC with a key that is set up once.
//!
//! RFC 2104, with the padding of FIPS 180-4. A handshake derives some twenty secrets from half as
//! many others, from inputs of a block or two: what can be done once for a key is half of the
//! work, and what a hash for inputs of any length does around its block function is felt.

use core::iter;

use sha2::block_api::{compress256, compress512};
use zeroize::optimization_barrier;

use super::hash::{HashAlgorithm, hash};
use super::secret::{ConstantTimeEq as _, Secret};

/// A key, as the states of both hashes after their first block.
pub(crate) enum HmacKey {
    Sha256(States<u32>),
    Sha384(States<u64>),
}

impl HmacKey {
    pub(crate) fn new(algorithm: HashAlgorithm, key: &[u8]) -> Self {
        if key.len() > algorithm.block_len() {
            return Self::new(algorithm, hash(algorithm, key).as_slice());
        }
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(States::new(key)),
            HashAlgorithm::Sha384 => Self::Sha384(States::new(key)),
        }
    }

    /// Moves the key and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        match self {
            Self::Sha256(states) => Self::Sha256(states.take()),
            Self::Sha384(states) => Self::Sha384(states.take()),
        }
    }

    /// The HMAC of the message whose parts are given, as long as the hash's output.
    pub(crate) fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        match self {
            Self::Sha256(states) => states.mac(message),
            Self::Sha384(states) => states.mac(message),
        }
    }

    /// Whether `received` is the HMAC of the message, in constant time.
    pub(crate) fn verify(&self, message: &[u8], received: &[u8]) -> bool {
        let expected = self.mac(iter::once(message));
        expected.as_slice().ct_eq(received)
    }
}

/// Of a hash with words of this kind.
pub(crate) struct States<W: Word> {
    /// Of `H(K xor ipad, ..)`.
    inner: State<W>,
    /// Of `H(K xor opad, ..)`.
    outer: State<W>,
}

impl<W: Word> States<W> {
    /// The key has at most a block.
    fn new(key: &[u8]) -> Self {
        Self {
            inner: State::new(key, 0x36),
            outer: State::new(key, 0x5c),
        }
    }

    fn take(&mut self) -> Self {
        Self {
            inner: self.inner.take(),
            outer: self.outer.take(),
        }
    }

    fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        let inner = self.inner.finish(message);
        self.outer.finish(iter::once(inner.as_slice()))
    }
}

/// What a hash has come to after whole blocks.
struct State<W: Word>([W; 8]);

impl<W: Word> State<W> {
    /// After the key, with zeros behind it, xored with `pad`.
    fn new(key: &[u8], pad: u8) -> Self {
        let mut block = W::EMPTY;
        block.as_mut().fill(pad);
        for (byte, key) in block.as_mut().iter_mut().zip(key) {
            *byte ^= *key;
        }
        let mut state = Self(W::START);
        W::compress(&mut state.0, &block);
        wipe(&mut block);
        state
    }

    fn take(&mut self) -> Self {
        core::mem::replace(self, Self(W::START))
    }

    /// The hash of the one block that is in the state and of these parts.
    fn finish<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
        let mut state = Self(self.0);
        let mut block = W::EMPTY;
        let size = block.as_ref().len();
        let (mut length, mut used) = (size, 0);
        for mut part in parts {
            length += part.len();
            loop {
                let room = block.as_mut().get_mut(used..).unwrap_or_default();
                let (now, later) = part.split_at(part.len().min(room.len()));
                for (to, byte) in room.iter_mut().zip(now) {
                    *to = *byte;
                }
                used += now.len();
                if used < size {
                    break;
                }
                W::compress(&mut state.0, &block);
                (used, part) = (0, later);
            }
        }
        // FIPS 180-4 §5.1: a bit, zeros, and the length in bits in an eighth of a block.
        let room = block.as_mut().get_mut(used..).unwrap_or_default();
        if let Some((first, rest)) = room.split_first_mut() {
            *first = 0x80;
            rest.fill(0);
            if rest.len() < size / 8 {
                W::compress(&mut state.0, &block);
                block.as_mut().fill(0);
            }
        }
        if let Some(last) = block.as_mut().last_chunk_mut() {
            *last = (8 * length as u64).to_be_bytes();
        }
        W::compress(&mut state.0, &block);
        wipe(&mut block);

        let mut hash = Secret::zeros(W::OUTPUT_LEN);
        let bytes = hash.as_mut_slice().chunks_exact_mut(size_of::<W>());
        // By reference: the words are the output, and a copy of them would not be wiped.
        for (bytes, word) in bytes.zip(&state.0) {
            bytes.copy_from_slice(word.to_be().as_ref());
        }
        hash
    }
}

impl<W: Word> Drop for State<W> {
    fn drop(&mut self) {
        self.0 = W::START;
        optimization_barrier(&self.0);
    }
}

/// As [`Inline`](super::secret::Inline) does it on drop.
fn wipe<B: AsMut<[u8]>>(block: &mut B) {
    block.as_mut().fill(0);
    optimization_barrier(block);
}

/// A word of a state, and what differs between the hashes with words of either size.
pub(crate) trait Word: Copy {
    /// What is compressed at once.
    type Block: AsRef<[u8]> + AsMut<[u8]>;

    /// Zeros.
    const EMPTY: Self::Block;

    /// The state before the first block (FIPS 180-4 §5.3.3, §5.3.4).
    const START: [Self; 8];

    /// Bytes of the state that are given out.
    const OUTPUT_LEN: usize;

    fn compress(state: &mut [Self; 8], block: &Self::Block);

    fn to_be(self) -> impl AsRef<[u8]>;
}

/// SHA-256.
impl Word for u32 {
    type Block = [u8; 64];

    const EMPTY: Self::Block = [0; 64];

    const START: [Self; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    const OUTPUT_LEN: usize = HashAlgorithm::Sha256.output_len();

    fn compress(state: &mut [Self; 8], block: &Self::Block) {
        compress256(state, core::slice::from_ref(block));
    }

    fn to_be(self) -> impl AsRef<[u8]> {
        self.to_be_bytes()
    }
}

/// SHA-384.
impl Word for u64 {
    type Block = [u8; 128];

    const EMPTY: Self::Block = [0; 128];

    const START: [Self; 8] = [
        0xcbbb_9d5d_c105_9ed8,
        0x629a_292a_367c_d507,
        0x9159_015a_3070_dd17,
        0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31,
        0x8eb4_4a87_6858_1511,
        0xdb0c_2e0d_64f9_8fa7,
        0x47b5_481d_befa_4fa4,
    ];

    const OUTPUT_LEN: usize = HashAlgorithm::Sha384.output_len();

    fn compress(state: &mut [Self; 8], block: &Self::Block) {
        compress512(state, core::slice::from_ref(block));
    }

    fn to_be(self) -> impl AsRef<[u8]> {
        self.to_be_bytes()
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
