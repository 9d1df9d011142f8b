//! HMAC with a key that is set up once.
//!
//! RFC 2104, with the padding of FIPS 180-4. A handshake derives some twenty secrets from half as
//! many others, from inputs of a block or two: what can be done once for a key is half of the
//! work, and what a hash for inputs of any length does around its block function is felt.

use core::iter;

use zeroize::optimization_barrier;

use super::block_hash::{BlockHash, Sha256, Sha384, wipe};
use super::hash::{HashAlgorithm, hash};
use super::secret::{ConstantTimeEq as _, Secret};

/// A key, as the states of both hashes after their first block.
pub(crate) enum HmacKey {
    /// As large as the other, with zeros: unused bytes would take along what is left on the stack.
    Sha256(States<Sha256>, [u64; 8]),
    Sha384(States<Sha384>),
}

impl HmacKey {
    pub(crate) fn new(algorithm: HashAlgorithm, key: &[u8]) -> Self {
        if key.len() > algorithm.block_len() {
            return Self::new(algorithm, hash(algorithm, key).as_slice());
        }
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(States::new(key), [0; 8]),
            HashAlgorithm::Sha384 => Self::Sha384(States::new(key)),
        }
    }

    /// The key for somebody else, who need not set it up.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Sha256(states, zeros) => Self::Sha256(states.copy(), *zeros),
            Self::Sha384(states) => Self::Sha384(states.copy()),
        }
    }

    /// Moves the key and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        match self {
            Self::Sha256(states, zeros) => Self::Sha256(states.take(), *zeros),
            Self::Sha384(states) => Self::Sha384(states.take()),
        }
    }

    /// The HMAC of the message whose parts are given, as long as the hash's output.
    pub(crate) fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        match self {
            Self::Sha256(states, _) => states.mac(message),
            Self::Sha384(states) => states.mac(message),
        }
    }

    /// The same of a short message, which is used up where it stands.
    pub(super) fn mac_short<const N: usize>(&self, message: &mut Short<N>) -> Secret {
        match self {
            Self::Sha256(states, _) => states.mac_short(message),
            Self::Sha384(states) => states.mac_short(message),
        }
    }

    /// Whether `received` is the HMAC of the message, in constant time.
    pub(crate) fn verify(&self, message: &[u8], received: &[u8]) -> bool {
        let expected = self.mac(iter::once(message));
        expected.as_slice().ct_eq(received)
    }
}

/// A short message that is no secret, with zeros behind it: it is padded and compressed where it stands.
pub(super) struct Short<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

/// What hashes need behind a message: a bit, and the length.
const PADDING: usize = 17;

impl<const N: usize> Short<N> {
    /// How many bytes it has room for.
    pub(super) const ROOM: usize = N - PADDING;

    pub(super) const fn new() -> Self {
        // Whole blocks of every hash.
        const { assert!(N.is_multiple_of(128)) };
        Self {
            bytes: [0; N],
            used: 0,
        }
    }

    /// Appends the first `len` bytes of `padded`, behind which are zeros: a copy whose size is known beforehand. What
    /// does not fit, with the padding that is still to come, is left out, and that is a mistake of ours: whoever pushes
    /// holds the longest message against [`ROOM`](Self::ROOM) when it is compiled.
    pub(super) fn push<const M: usize>(&mut self, padded: &[u8; M], len: usize) {
        let room = self.bytes.get_mut(self.used..).unwrap_or_default();
        let fits = self.used + len <= Self::ROOM;
        let room = room.first_chunk_mut().filter(|_| fits);
        debug_assert!(room.is_some() && len <= M, "a message is not short");
        if let Some(room) = room {
            *room = *padded;
            self.used += len;
        }
    }
}

/// What makes HMACs with a key.
pub(super) trait Mac {
    fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret;
}

impl Mac for HmacKey {
    fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        self.mac(message)
    }
}

impl<H: BlockHash> Mac for States<H> {
    fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        self.mac(message)
    }
}

/// Of one of the hashes.
pub(crate) struct States<H: BlockHash> {
    /// Of `H(K xor ipad, ..)`.
    pub(super) inner: State<H>,
    /// Of `H(K xor opad, ..)`.
    pub(super) outer: State<H>,
}

impl<H: BlockHash> States<H> {
    /// The key has at most a block.
    pub(super) fn new(key: &[u8]) -> Self {
        Self {
            inner: State::new(key, 0x36),
            outer: State::new(key, 0x5c),
        }
    }

    pub(super) fn copy(&self) -> Self {
        Self {
            inner: State(self.inner.0),
            outer: State(self.outer.0),
        }
    }

    pub(super) fn take(&mut self) -> Self {
        Self {
            inner: self.inner.take(),
            outer: self.outer.take(),
        }
    }

    fn mac<'a>(&self, message: impl Iterator<Item = &'a [u8]>) -> Secret {
        self.outer.finish_hash(&self.inner.absorb(message))
    }

    fn mac_short<const N: usize>(&self, message: &mut Short<N>) -> Secret {
        self.outer.finish_hash(&self.inner.absorb_short(message))
    }
}

/// What a hash has come to after whole blocks.
pub(super) struct State<H: BlockHash>(pub(super) H::Words);

impl<H: BlockHash> State<H> {
    /// After the key, with zeros behind it, xored with `pad`.
    fn new(key: &[u8], pad: u8) -> Self {
        let mut block = H::EMPTY;
        block.as_mut().fill(pad);
        for (byte, key) in block.as_mut().iter_mut().zip(key) {
            *byte ^= *key;
        }
        let mut state = Self(H::START);
        H::compress(&mut state.0, &block);
        wipe(&mut block);
        state
    }

    fn take(&mut self) -> Self {
        core::mem::replace(self, Self(H::START))
    }

    /// The hash of the one block that is in the state and of these parts.
    pub(super) fn finish<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
        self.absorb(parts).into_hash()
    }

    /// The state at the end of a hash of the one block that is in the state and of these parts.
    fn absorb<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut state = Self(self.0);
        let mut block = H::EMPTY;
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
                H::compress(&mut state.0, &block);
                (used, part) = (0, later);
            }
        }
        // FIPS 180-4 §5.1: a bit, zeros, and the length in bits in an eighth of a block.
        let room = block.as_mut().get_mut(used..).unwrap_or_default();
        if let Some((first, rest)) = room.split_first_mut() {
            *first = 0x80;
            rest.fill(0);
            if rest.len() < size / 8 {
                H::compress(&mut state.0, &block);
                block.as_mut().fill(0);
            }
        }
        if let Some(last) = block.as_mut().last_chunk_mut() {
            *last = H::length(8 * length as u64);
        }
        H::compress(&mut state.0, &block);
        wipe(&mut block);
        state
    }

    /// The same of a short message.
    fn absorb_short<const N: usize>(&self, message: &mut Short<N>) -> Self {
        let mut state = Self(self.0);
        let size = H::EMPTY.as_ref().len();
        // As above: with a bit and the length it fits, and N is a number of whole blocks.
        let end = (message.used + 1 + size / 8).next_multiple_of(size);
        let (padded, _) = message.bytes.split_at_mut(end.min(N));
        if let Some(first) = padded.get_mut(message.used) {
            *first = 0x80;
        }
        if let Some(last) = padded.last_chunk_mut() {
            *last = H::length(8 * (size + message.used) as u64);
        }
        H::compress_front(&mut state.0, padded);
        state
    }

    /// The hash of the one block that is in the state and of the hash that `inner` has come to: that is always one
    /// block more, in which all has its place.
    fn finish_hash(&self, inner: &Self) -> Secret {
        let mut state = Self(self.0);
        let mut block = H::EMPTY;
        let bytes = block.as_mut();
        let size = bytes.len();
        if let Some((hash, rest)) = bytes.split_at_mut_checked(H::OUTPUT_LEN) {
            H::put(&inner.0, hash);
            if let Some(first) = rest.first_mut() {
                *first = 0x80;
            }
            if let Some(last) = rest.last_chunk_mut() {
                *last = H::length(8 * (size + H::OUTPUT_LEN) as u64);
            }
        }
        H::compress(&mut state.0, &block);
        wipe(&mut block);
        state.into_hash()
    }

    /// What the hash has come to.
    fn into_hash(self) -> Secret {
        let mut hash = Secret::zeros(H::OUTPUT_LEN);
        H::put(&self.0, hash.as_mut_slice());
        hash
    }
}

impl<H: BlockHash> Drop for State<H> {
    // Whatever has keys in it is dropped in many places.
    #[inline(never)]
    fn drop(&mut self) {
        self.0 = H::START;
        optimization_barrier(&self.0);
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
    fn a_short_message_has_the_mac_of_any() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            let key = HmacKey::new(algorithm, &[7; 48]);
            let parts = |split: usize| {
                let mut front = [0; 128];
                front[..split].fill(9);
                front
            };
            // To the end of what fits: one block of each hash, two of the shorter.
            for len in 0..=111 {
                for split in [0, 1, len / 2, len] {
                    let split = split.min(len);
                    let mut short = Short::<256>::new();
                    short.push(&parts(split), split);
                    short.push(&parts(len - split), len - split);
                    let expected = key.mac(iter::once([9; 111].split_at(len).0));
                    assert_eq!(
                        key.mac_short(&mut short),
                        expected,
                        "{algorithm:?} {len} {split}"
                    );
                }
            }
        }
    }

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
