//! Named groups for key exchange.
//!
//! RFC 8446 §4.2.7, RFC 7919, RFC 8422, draft-ietf-tls-ecdhe-mlkem.

use crate::code_point::code_points;
use crate::version::{ProtocolVersion, Version};

code_points! {
    /// A group in the IANA registry "TLS Supported Groups".
    pub struct NamedGroup(u16) {
        /// NIST P-256.
        SECP256R1 = 0x0017, "secp256r1";
        /// NIST P-384.
        SECP384R1 = 0x0018, "secp384r1";
        /// NIST P-521.
        SECP521R1 = 0x0019, "secp521r1";
        /// RFC 7748.
        X25519 = 0x001d, "x25519";
        /// RFC 7748.
        X448 = 0x001e, "x448";
        /// RFC 7919.
        FFDHE2048 = 0x0100, "ffdhe2048";
        /// RFC 7919.
        FFDHE3072 = 0x0101, "ffdhe3072";
        /// RFC 7919.
        FFDHE4096 = 0x0102, "ffdhe4096";
        /// RFC 7919.
        FFDHE6144 = 0x0103, "ffdhe6144";
        /// RFC 7919.
        FFDHE8192 = 0x0104, "ffdhe8192";
        /// ML-KEM-768 alone (draft-ietf-tls-mlkem).
        MLKEM768 = 0x0201, "MLKEM768";
        /// ML-KEM-1024 alone (draft-ietf-tls-mlkem).
        MLKEM1024 = 0x0202, "MLKEM1024";
        /// P-256 with ML-KEM-768.
        SECP256R1_MLKEM768 = 0x11eb, "SecP256r1MLKEM768";
        /// X25519 with ML-KEM-768.
        X25519_MLKEM768 = 0x11ec, "X25519MLKEM768";
        /// P-384 with ML-KEM-1024.
        SECP384R1_MLKEM1024 = 0x11ed, "SecP384r1MLKEM1024";
    }
}

impl NamedGroup {
    /// The default offer, strongest first.
    pub const DEFAULT: &'static [Self] = &[
        Self::X25519_MLKEM768,
        Self::SECP256R1_MLKEM768,
        Self::SECP384R1_MLKEM1024,
        Self::X25519,
        Self::SECP256R1,
        Self::SECP384R1,
        Self::SECP521R1,
    ];

    /// The groups this build can do: those of [`DEFAULT`](Self::DEFAULT), and for those who want
    /// them ML-KEM without a curve beside it, with the feature `curve448` X448, and with
    /// `finite-field` the groups of RFC 7919.
    pub const SUPPORTED: &'static [Self] = &[
        Self::X25519_MLKEM768,
        Self::SECP256R1_MLKEM768,
        Self::SECP384R1_MLKEM1024,
        Self::X25519,
        Self::SECP256R1,
        Self::SECP384R1,
        Self::SECP521R1,
        Self::MLKEM1024,
        Self::MLKEM768,
        #[cfg(feature = "curve448")]
        Self::X448,
        #[cfg(feature = "finite-field")]
        Self::FFDHE2048,
        #[cfg(feature = "finite-field")]
        Self::FFDHE3072,
        #[cfg(feature = "finite-field")]
        Self::FFDHE4096,
        #[cfg(feature = "finite-field")]
        Self::FFDHE6144,
        #[cfg(feature = "finite-field")]
        Self::FFDHE8192,
    ];

    /// The groups of RFC 7919, the smallest first.
    pub(crate) const FINITE_FIELDS: &'static [Self] = &[
        Self::FFDHE2048,
        Self::FFDHE3072,
        Self::FFDHE4096,
        Self::FFDHE6144,
        Self::FFDHE8192,
    ];

    /// The curves that a key for ECDSA can be on.
    pub(crate) const OF_ECDSA: &'static [Self] =
        &[Self::SECP256R1, Self::SECP384R1, Self::SECP521R1];

    /// Whether a connection of this version can have the group.
    pub(crate) fn is_usable_in(self, version: ProtocolVersion) -> bool {
        self.is_curve() || Version::of(version) >= Some(Version::V1_3)
    }

    /// Whether this is an elliptic curve and nothing beside it: what ECDHE can have before TLS 1.3.
    pub(crate) const fn is_curve(self) -> bool {
        !self.is_post_quantum() && !self.is_finite_field()
    }

    /// Whether this is a group of RFC 7919.
    pub(crate) const fn is_finite_field(self) -> bool {
        self.field_bits() > 0
    }

    /// How long the prime of a group of RFC 7919 is, in bits; 0 of others.
    pub(crate) const fn field_bits(self) -> u32 {
        match self {
            Self::FFDHE2048 => 2048,
            Self::FFDHE3072 => 3072,
            Self::FFDHE4096 => 4096,
            Self::FFDHE6144 => 6144,
            Self::FFDHE8192 => 8192,
            _ => 0,
        }
    }

    /// Whether this is a group of RFC 7919, or a number that such a group could have (§2).
    pub(crate) const fn could_be_finite_field(self) -> bool {
        self.0 >> 8 == 1
    }

    /// The feature that this build would have to have been made with for the group to be there.
    pub(crate) const fn lacking_feature(self) -> Option<&'static str> {
        if self.is_finite_field() && !cfg!(feature = "finite-field") {
            Some("finite-field")
        } else if matches!(self, Self::X448) && !cfg!(feature = "curve448") {
            Some("curve448")
        } else {
            None
        }
    }

    /// Whether this withstands quantum computers: a hybrid, or ML-KEM alone.
    pub const fn is_post_quantum(self) -> bool {
        self.is_hybrid() || matches!(self, Self::MLKEM768 | Self::MLKEM1024)
    }

    /// Whether this is a post-quantum hybrid.
    pub const fn is_hybrid(self) -> bool {
        matches!(
            self,
            Self::X25519_MLKEM768 | Self::SECP256R1_MLKEM768 | Self::SECP384R1_MLKEM1024
        )
    }
}
