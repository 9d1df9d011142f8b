//! The hash functions of the TLS 1.3 suites.
//!
//! RFC 8446 §B.4. A handshake copies hash states all the time: to look at the transcript, and to
//! derive several secrets from one. The library's contexts live on the heap and are wiped at
//! each step, so the hashes are those of RustCrypto, whose states are plain values; both take
//! the same time for a block.

use sha2::{Digest as _, Sha256, Sha384};

/// The hash of a suite: transcript, HMAC, HKDF and the PRF all use this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the suites")]
pub enum HashAlgorithm {
    Sha256,
    Sha384,
}

impl HashAlgorithm {
    /// The longest output of any of them, in bytes.
    pub(crate) const MAX_OUTPUT_LEN: usize = 48;

    /// The length of the output, in bytes; `Hash.length` in the RFC.
    pub const fn output_len(self) -> usize {
        self.output_len_u8() as usize
    }

    /// The same, as length fields want it.
    pub(crate) const fn output_len_u8(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// The length of the block that is compressed at once, in bytes.
    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha384 => 128,
        }
    }

    /// The hash of nothing, the context of every "derived" secret.
    pub(crate) const fn of_nothing(self) -> Digest {
        match self {
            Self::Sha256 => Digest::from_array(&[
                0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f,
                0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b,
                0x78, 0x52, 0xb8, 0x55,
            ]),
            Self::Sha384 => Digest::from_array(&[
                0x38, 0xb0, 0x60, 0xa7, 0x51, 0xac, 0x96, 0x38, 0x4c, 0xd9, 0x32, 0x7e, 0xb1, 0xb1,
                0xe3, 0x6a, 0x21, 0xfd, 0xb7, 0x11, 0x14, 0xbe, 0x07, 0x43, 0x4c, 0x0c, 0xc7, 0xbf,
                0x63, 0xf6, 0xe1, 0xda, 0x27, 0x4e, 0xde, 0xbf, 0xe7, 0x6f, 0x65, 0xfb, 0xd5, 0x1a,
                0xd2, 0xf1, 0x48, 0x98, 0xb9, 0x5b,
            ]),
        }
    }
}

/// The output of a hash: a public value.
#[derive(Clone, Copy)]
pub(crate) struct Digest {
    bytes: [u8; HashAlgorithm::MAX_OUTPUT_LEN],
    len: u8,
}

impl Digest {
    const fn from_array<const N: usize>(array: &[u8; N]) -> Self {
        const { assert!(N <= HashAlgorithm::MAX_OUTPUT_LEN) };
        let mut bytes = [0; HashAlgorithm::MAX_OUTPUT_LEN];
        if let Some((front, _)) = bytes.split_first_chunk_mut::<N>() {
            *front = *array;
        }
        #[allow(clippy::cast_possible_truncation, reason = "asserted above")]
        let len = N as u8;
        Self { bytes, len }
    }

    /// Keeps at most `MAX_OUTPUT_LEN` bytes, which no output of [`HashAlgorithm`] exceeds.
    pub(crate) fn truncating(from: &[u8]) -> Self {
        let mut bytes = [0; HashAlgorithm::MAX_OUTPUT_LEN];
        let mut len = 0;
        for (to, byte) in bytes.iter_mut().zip(from) {
            *to = *byte;
            len += 1;
        }
        Self { bytes, len }
    }

    /// The bytes with the zeros behind them, and how many the hash gives.
    pub(super) const fn into_parts(self) -> ([u8; HashAlgorithm::MAX_OUTPUT_LEN], u8) {
        (self.bytes, self.len)
    }

    /// The bytes with the zeros behind them.
    pub(super) const fn padded(&self) -> &[u8; HashAlgorithm::MAX_OUTPUT_LEN] {
        &self.bytes
    }

    /// How many bytes the hash gives.
    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    /// The bytes, as many as the hash gives.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&self.bytes)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Digest {}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Digest(")?;
        for byte in self.as_slice() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// A running hash; a copy of it goes on by itself.
#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
}

impl Hasher {
    pub(crate) fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            HashAlgorithm::Sha384 => Self::Sha384(Sha384::new()),
        }
    }

    #[inline]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
        }
    }

    /// The hash of what was put in; the state is as new.
    #[inline]
    pub(crate) fn finish(&mut self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::from_array(hasher.finalize_reset().as_ref()),
            Self::Sha384(hasher) => Digest::from_array(hasher.finalize_reset().as_ref()),
        }
    }
}

/// Hashes `bytes`.
pub(crate) fn hash(algorithm: HashAlgorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_hashes_the_same() {
        use aws_lc_rs::digest;
        for (algorithm, library) in [
            (HashAlgorithm::Sha256, &digest::SHA256),
            (HashAlgorithm::Sha384, &digest::SHA384),
        ] {
            assert_eq!(hash(algorithm, b""), algorithm.of_nothing());
            assert_eq!(library.output_len(), algorithm.output_len());
            assert_eq!(library.block_len(), algorithm.block_len());
            assert!(algorithm.output_len() <= HashAlgorithm::MAX_OUTPUT_LEN);
            let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
            for len in 0..bytes.len() {
                let expected = digest::digest(library, &bytes[..len]);
                assert_eq!(hash(algorithm, &bytes[..len]).as_slice(), expected.as_ref());
                let mut hasher = Hasher::new(algorithm);
                bytes[..len].chunks(50).for_each(|part| hasher.update(part));
                assert_eq!(hasher.clone().finish().as_slice(), expected.as_ref());
                assert_eq!(hasher.finish().as_slice(), expected.as_ref());
                assert_eq!(hasher.finish(), algorithm.of_nothing());
            }
        }
    }
}
