//! The groups of SRP.
//!
//! RFC 5054 appendix A.

/// A group of RFC 5054 appendix A, by the length of its prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum SrpGroup {
    /// For peers that have no other: so many bits may have been broken. Clients take it, and the next, only where
    /// their `dh_minimum` is as low.
    Bits1024,
    Bits1536,
    Bits2048,
    Bits3072,
    Bits4096,
    Bits6144,
    Bits8192,
}

impl SrpGroup {
    /// Every group, the shortest first.
    pub const ALL: &'static [Self] = &[
        Self::Bits1024,
        Self::Bits1536,
        Self::Bits2048,
        Self::Bits3072,
        Self::Bits4096,
        Self::Bits6144,
        Self::Bits8192,
    ];

    /// The length of the prime, in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits1024 => 1024,
            Self::Bits1536 => 1536,
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
            Self::Bits6144 => 6144,
            Self::Bits8192 => 8192,
        }
    }

    #[cfg(feature = "finite-field")]
    pub(crate) const fn generator(self) -> u8 {
        match self {
            Self::Bits1024 | Self::Bits1536 | Self::Bits2048 => 2,
            Self::Bits3072 | Self::Bits4096 | Self::Bits6144 => 5,
            Self::Bits8192 => 19,
        }
    }
}
