//! Named groups for key exchange.
//!
//! RFC 8446 §4.2.7, RFC 7919, RFC 8422, RFC 7027, RFC 8734, draft-ietf-tls-ecdhe-mlkem.

use crate::code_point::code_points;
use crate::version::{ProtocolVersion, Version};

code_points! {
    /// A group in the IANA registry "TLS Supported Groups".
    pub struct NamedGroup(u16) {
        /// RFC 4492, over a binary field: not implemented.
        SECT163K1 = 0x0001, "sect163k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT163R1 = 0x0002, "sect163r1";
        /// RFC 4492, over a binary field: not implemented.
        SECT163R2 = 0x0003, "sect163r2";
        /// RFC 4492, over a binary field: not implemented.
        SECT193R1 = 0x0004, "sect193r1";
        /// RFC 4492, over a binary field: not implemented.
        SECT193R2 = 0x0005, "sect193r2";
        /// RFC 4492, over a binary field: not implemented.
        SECT233K1 = 0x0006, "sect233k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT233R1 = 0x0007, "sect233r1";
        /// RFC 4492, over a binary field: not implemented.
        SECT239K1 = 0x0008, "sect239k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT283K1 = 0x0009, "sect283k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT283R1 = 0x000a, "sect283r1";
        /// RFC 4492, over a binary field: not implemented.
        SECT409K1 = 0x000b, "sect409k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT409R1 = 0x000c, "sect409r1";
        /// RFC 4492, over a binary field: not implemented.
        SECT571K1 = 0x000d, "sect571k1";
        /// RFC 4492, over a binary field: not implemented.
        SECT571R1 = 0x000e, "sect571r1";
        /// RFC 4492: not implemented.
        SECP160K1 = 0x000f, "secp160k1";
        /// RFC 4492: not implemented.
        SECP160R1 = 0x0010, "secp160r1";
        /// RFC 4492: not implemented.
        SECP160R2 = 0x0011, "secp160r2";
        /// RFC 4492: not implemented.
        SECP192K1 = 0x0012, "secp192k1";
        /// RFC 4492: not implemented.
        SECP192R1 = 0x0013, "secp192r1";
        /// RFC 4492: not implemented.
        SECP224K1 = 0x0014, "secp224k1";
        /// RFC 4492: not implemented.
        SECP224R1 = 0x0015, "secp224r1";
        /// RFC 4492: not implemented.
        SECP256K1 = 0x0016, "secp256k1";
        /// NIST P-256.
        SECP256R1 = 0x0017, "secp256r1";
        /// NIST P-384.
        SECP384R1 = 0x0018, "secp384r1";
        /// NIST P-521.
        SECP521R1 = 0x0019, "secp521r1";
        /// RFC 7027, before TLS 1.3.
        BRAINPOOLP256R1 = 0x001a, "brainpoolP256r1";
        /// RFC 7027, before TLS 1.3.
        BRAINPOOLP384R1 = 0x001b, "brainpoolP384r1";
        /// RFC 7027, before TLS 1.3.
        BRAINPOOLP512R1 = 0x001c, "brainpoolP512r1";
        /// RFC 7748.
        X25519 = 0x001d, "x25519";
        /// RFC 7748.
        X448 = 0x001e, "x448";
        /// RFC 8734: not implemented.
        BRAINPOOLP256R1_TLS13 = 0x001f, "brainpoolP256r1tls13";
        /// RFC 8734: not implemented.
        BRAINPOOLP384R1_TLS13 = 0x0020, "brainpoolP384r1tls13";
        /// RFC 8734: not implemented.
        BRAINPOOLP512R1_TLS13 = 0x0021, "brainpoolP512r1tls13";
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
    /// them ML-KEM without a curve beside it, with the feature `curve448` X448, with
    /// `finite-field` the groups of RFC 7919, and with `ffi` the curves of RFC 7027, which are for versions
    /// before TLS 1.3.
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
        #[cfg(feature = "ffi")]
        Self::BRAINPOOLP256R1,
        #[cfg(feature = "ffi")]
        Self::BRAINPOOLP384R1,
        #[cfg(feature = "ffi")]
        Self::BRAINPOOLP512R1,
    ];

    /// Those of [`SUPPORTED`](Self::SUPPORTED) that a connection of this version can have, in their order: what has
    /// ML-KEM is for TLS 1.3, the curves of RFC 7027 for what was before. None of a version that is not implemented.
    ///
    /// ```
    /// # use portcullis_core as portcullis;
    /// use portcullis::{NamedGroup, ProtocolVersion};
    ///
    /// let mut older = NamedGroup::supported_in(ProtocolVersion::TLS_1_2);
    /// assert_eq!(older.next(), Some(NamedGroup::X25519));
    /// ```
    pub fn supported_in(version: ProtocolVersion) -> impl Iterator<Item = Self> {
        let is_known = Version::of(version).is_some();
        let all = Self::SUPPORTED.iter().copied();
        all.filter(move |group| {
            is_known && (group.is_usable_in(version) || group.is_finite_field())
        })
    }

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
        match Version::of(version) >= Some(Version::V1_3) {
            true => self.is_usable_in_tls13(),
            false => self.is_curve(),
        }
    }

    /// Whether a share in TLS 1.3 can be of the group: RFC 8734 has other numbers for the curves of RFC 7027.
    pub(crate) const fn is_usable_in_tls13(self) -> bool {
        !self.is_brainpool()
    }

    /// Whether this is a curve of RFC 7027.
    pub(crate) const fn is_brainpool(self) -> bool {
        matches!(
            self,
            Self::BRAINPOOLP256R1 | Self::BRAINPOOLP384R1 | Self::BRAINPOOLP512R1
        )
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
        } else if self.is_brainpool() && !cfg!(feature = "ffi") {
            Some("ffi")
        } else {
            None
        }
    }

    /// Why no build has a group that has a name, as the end of a sentence; `None` of those that there are.
    ///
    /// ```
    /// # use portcullis_core as portcullis;
    /// use portcullis::NamedGroup;
    ///
    /// let why = NamedGroup::SECP192R1.why_never().unwrap();
    /// assert_eq!(why, "a curve of fewer than 256 bits protects less than AES-128 does");
    /// ```
    pub const fn why_never(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0001..=0x000e => {
                "no crypto library here computes on a binary field in a time that no key changes"
            }
            0x000f..=0x0015 => "a curve of fewer than 256 bits protects less than AES-128 does",
            0x0016 => "RFC 8422 has withdrawn it, and secp256r1 is as strong",
            0x001f..=0x0021 => {
                "it is brainpool of TLS 1.3 (RFC 8734), and here these curves are for older versions, under the \
                 names of RFC 7027"
            }
            _ => return None,
        })
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
