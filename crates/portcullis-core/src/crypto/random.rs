//! The one door through which random bytes come.
//!
//! RFC 8446 §C.1. Behind the system's door, key pairs come from the library's own generator.
//! ML-KEM key pairs, encapsulations and signatures always do: they are random even where tests
//! fix everything else.

use super::CryptoFailure;

/// A source of random bytes.
pub(crate) struct Random(Source);

enum Source {
    System,
    #[cfg(test)]
    Script(std::collections::VecDeque<u8>),
    #[cfg(any(test, feature = "deterministic"))]
    Seeded {
        seed: u64,
        counter: u64,
    },
}

/// No random bytes were to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl core::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("there are no random bytes")
    }
}

impl core::error::Error for Unavailable {}

impl From<Unavailable> for CryptoFailure {
    fn from(Unavailable: Unavailable) -> Self {
        Self::RandomBytes
    }
}

impl Random {
    /// The generator of the library, seeded by the operating system.
    pub(crate) const fn system() -> Self {
        Self(Source::System)
    }

    /// Hands out `bytes` in their order, then fails. For tests only.
    #[cfg(test)]
    pub(crate) fn script(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Source::Script(bytes.into().into()))
    }

    /// Hands out bytes that follow from `seed`. For tests only.
    #[cfg(any(test, feature = "deterministic"))]
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(Source::Seeded { seed, counter: 0 })
    }

    /// Whether the bytes are really random.
    pub(super) const fn is_system(&self) -> bool {
        matches!(self.0, Source::System)
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// When there are no random bytes; `out` is then not to be used.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<(), Unavailable> {
        match &mut self.0 {
            Source::System => aws_lc_rs::rand::fill(out).map_err(|_| Unavailable),
            #[cfg(test)]
            Source::Script(bytes) => {
                for byte in out {
                    *byte = bytes.pop_front().ok_or(Unavailable)?;
                }
                Ok(())
            }
            #[cfg(any(test, feature = "deterministic"))]
            Source::Seeded { seed, counter } => {
                use super::{hash::HashAlgorithm, hmac::HmacKey};
                let key = HmacKey::new(HashAlgorithm::Sha256, &seed.to_be_bytes());
                for chunk in out.chunks_mut(32) {
                    *counter = counter.wrapping_add(1);
                    let block = key.mac(core::iter::once(counter.to_be_bytes().as_slice()));
                    for (to, byte) in chunk.iter_mut().zip(block.as_slice()) {
                        *to = *byte;
                    }
                }
                Ok(())
            }
        }
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.is_system() {
            "Random(system)"
        } else {
            "Random(deterministic)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill<const N: usize>(random: &mut Random) -> Result<[u8; N], Unavailable> {
        let mut out = [0; N];
        random.fill(&mut out).map(|()| out)
    }

    #[test]
    fn a_script_is_followed_then_ends() {
        let mut random = Random::script([1, 2, 3, 4, 5]);
        assert_eq!(fill(&mut random), Ok([1, 2]));
        assert_eq!(fill(&mut random), Ok([3, 4, 5]));
        assert_eq!(fill::<1>(&mut random), Err(Unavailable));
    }

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let (mut one, mut two) = (Random::seeded(7), Random::seeded(7));
        let first: [u8; 80] = fill(&mut one).unwrap();
        assert_eq!(fill(&mut two), Ok(first));
        assert_ne!(fill(&mut one), Ok(first));
        assert_ne!(fill(&mut Random::seeded(8)), Ok(first));
        let mut system = Random::system();
        assert_ne!(fill::<32>(&mut system), fill::<32>(&mut system));
    }
}
