//! Signature schemes.
//!
//! RFC 8446 §4.2.3, RFC 8734 for brainpool; ML-DSA from draft-ietf-tls-mldsa. Those that TLS 1.2 had before have
//! the number of a hash in their first byte and that of a kind of key in the second (RFC 5246 §7.4.1.4.1).

use crate::code_point::code_points;
use crate::named_group::NamedGroup;
use crate::version::{ProtocolVersion, Version};

code_points! {
    /// A scheme in the IANA registry "TLS SignatureScheme".
    pub struct SignatureScheme(u16) {
        /// Nothing here accepts it or signs so.
        RSA_PKCS1_MD5 = 0x0101, "rsa_pkcs1_md5";
        /// Where it is named, in TLS 1.2 and in certificates (RFC 9155). With the feature `ffi`.
        RSA_PKCS1_SHA1 = 0x0201, "rsa_pkcs1_sha1";
        /// What every signature of a DSA key is in TLS 1.1 and 1.0; where it is named. With the feature `ffi`.
        DSA_SHA1 = 0x0202, "dsa_sha1";
        /// What every signature of an ECDSA key is in TLS 1.1 and 1.0 (RFC 8422 §5.10); else where it is
        /// named, in TLS 1.2 and in certificates (RFC 9155).
        ECDSA_SHA1 = 0x0203, "ecdsa_sha1";
        /// Where it is named, in TLS 1.2 and in certificates. With the feature `ffi`.
        RSA_PKCS1_SHA224 = 0x0301, "rsa_pkcs1_sha224";
        /// Where it is named, in TLS 1.2. With the feature `ffi`.
        DSA_SHA224 = 0x0302, "dsa_sha224";
        /// Where it is named, in TLS 1.2 and in certificates.
        ECDSA_SHA224 = 0x0303, "ecdsa_sha224";
        /// In TLS 1.3 for certificates only.
        RSA_PKCS1_SHA256 = 0x0401, "rsa_pkcs1_sha256";
        /// Where it is named, in TLS 1.2. With the feature `ffi`.
        DSA_SHA256 = 0x0402, "dsa_sha256";
        /// P-256 with SHA-256; before TLS 1.3 any curve.
        ECDSA_SECP256R1_SHA256 = 0x0403, "ecdsa_secp256r1_sha256";
        /// In TLS 1.3 for certificates only.
        RSA_PKCS1_SHA384 = 0x0501, "rsa_pkcs1_sha384";
        /// Where it is named, in TLS 1.2. With the feature `ffi`.
        DSA_SHA384 = 0x0502, "dsa_sha384";
        /// P-384 with SHA-384; before TLS 1.3 any curve.
        ECDSA_SECP384R1_SHA384 = 0x0503, "ecdsa_secp384r1_sha384";
        /// In TLS 1.3 for certificates only.
        RSA_PKCS1_SHA512 = 0x0601, "rsa_pkcs1_sha512";
        /// Where it is named, in TLS 1.2. With the feature `ffi`.
        DSA_SHA512 = 0x0602, "dsa_sha512";
        /// P-521 with SHA-512; before TLS 1.3 any curve.
        ECDSA_SECP521R1_SHA512 = 0x0603, "ecdsa_secp521r1_sha512";
        /// RSA-PSS with an rsaEncryption key.
        RSA_PSS_RSAE_SHA256 = 0x0804, "rsa_pss_rsae_sha256";
        /// RSA-PSS with an rsaEncryption key.
        RSA_PSS_RSAE_SHA384 = 0x0805, "rsa_pss_rsae_sha384";
        /// RSA-PSS with an rsaEncryption key.
        RSA_PSS_RSAE_SHA512 = 0x0806, "rsa_pss_rsae_sha512";
        /// RFC 8032.
        ED25519 = 0x0807, "ed25519";
        /// RFC 8032.
        ED448 = 0x0808, "ed448";
        /// RSA-PSS with an id-RSASSA-PSS key, where it is named.
        RSA_PSS_PSS_SHA256 = 0x0809, "rsa_pss_pss_sha256";
        /// RSA-PSS with an id-RSASSA-PSS key, where it is named.
        RSA_PSS_PSS_SHA384 = 0x080a, "rsa_pss_pss_sha384";
        /// RSA-PSS with an id-RSASSA-PSS key, where it is named.
        RSA_PSS_PSS_SHA512 = 0x080b, "rsa_pss_pss_sha512";
        /// A curve that is not here.
        ECDSA_BRAINPOOLP256R1TLS13_SHA256 = 0x081a, "ecdsa_brainpoolP256r1tls13_sha256";
        /// A curve that is not here.
        ECDSA_BRAINPOOLP384R1TLS13_SHA384 = 0x081b, "ecdsa_brainpoolP384r1tls13_sha384";
        /// A curve that is not here.
        ECDSA_BRAINPOOLP512R1TLS13_SHA512 = 0x081c, "ecdsa_brainpoolP512r1tls13_sha512";
        /// FIPS 204.
        MLDSA44 = 0x0904, "mldsa44";
        /// FIPS 204.
        MLDSA65 = 0x0905, "mldsa65";
        /// FIPS 204.
        MLDSA87 = 0x0906, "mldsa87";
        /// What every signature of an RSA key is in TLS 1.1 and 1.0: PKCS#1 around MD5 and SHA-1, 36
        /// bytes, without a DigestInfo (RFC 4346 §7.4.3). Nobody sends this number, which is for
        /// private use: there it goes without saying.
        RSA_PKCS1_MD5_SHA1 = 0xff01, "rsa_pkcs1_md5_sha1";
    }
}

impl SignatureScheme {
    /// What this build can verify in a handshake's signature, strongest first: those of
    /// [`DEFAULT`](Self::DEFAULT), and those that are accepted only where a configuration names them.
    ///
    /// These are keys in RSA-PSS form; with the feature `curve448` Ed448; and what TLS 1.2 has for old peers: SHA-224
    /// and SHA-1, which is broken (RFC 9155), with RSA keys by the feature `ffi`, and with it DSA.
    pub const SUPPORTED: &'static [Self] = &[
        Self::MLDSA87,
        Self::MLDSA65,
        Self::MLDSA44,
        #[cfg(feature = "curve448")]
        Self::ED448,
        Self::ED25519,
        Self::ECDSA_SECP521R1_SHA512,
        Self::ECDSA_SECP384R1_SHA384,
        Self::ECDSA_SECP256R1_SHA256,
        Self::RSA_PSS_RSAE_SHA512,
        Self::RSA_PSS_RSAE_SHA384,
        Self::RSA_PSS_RSAE_SHA256,
        Self::RSA_PSS_PSS_SHA512,
        Self::RSA_PSS_PSS_SHA384,
        Self::RSA_PSS_PSS_SHA256,
        Self::RSA_PKCS1_SHA512,
        Self::RSA_PKCS1_SHA384,
        Self::RSA_PKCS1_SHA256,
        #[cfg(feature = "ffi")]
        Self::DSA_SHA512,
        #[cfg(feature = "ffi")]
        Self::DSA_SHA384,
        #[cfg(feature = "ffi")]
        Self::DSA_SHA256,
        Self::ECDSA_SHA224,
        #[cfg(feature = "ffi")]
        Self::RSA_PKCS1_SHA224,
        #[cfg(feature = "ffi")]
        Self::DSA_SHA224,
        Self::ECDSA_SHA1,
        #[cfg(feature = "ffi")]
        Self::RSA_PKCS1_SHA1,
        #[cfg(feature = "ffi")]
        Self::DSA_SHA1,
    ];

    /// What is accepted in the peer's signatures by default, strongest first; of these, what a
    /// version allows.
    pub const DEFAULT: &'static [Self] = &[
        Self::MLDSA87,
        Self::MLDSA65,
        Self::MLDSA44,
        Self::ED25519,
        Self::ECDSA_SECP521R1_SHA512,
        Self::ECDSA_SECP384R1_SHA384,
        Self::ECDSA_SECP256R1_SHA256,
        Self::RSA_PSS_RSAE_SHA512,
        Self::RSA_PSS_RSAE_SHA384,
        Self::RSA_PSS_RSAE_SHA256,
        Self::RSA_PKCS1_SHA512,
        Self::RSA_PKCS1_SHA384,
        Self::RSA_PKCS1_SHA256,
    ];

    /// What may additionally sign a certificate in the peer's chain (RFC 8446 §4.2.3).
    pub const CERTIFICATE_ONLY: &'static [Self] = &[
        Self::RSA_PKCS1_SHA512,
        Self::RSA_PKCS1_SHA384,
        Self::RSA_PKCS1_SHA256,
    ];

    /// What signs a handshake before TLS 1.2, where that is no matter of negotiation: the kind of
    /// the key says it.
    pub(crate) const BEFORE_TLS12: &'static [Self] =
        &[Self::RSA_PKCS1_MD5_SHA1, Self::ECDSA_SHA1, Self::DSA_SHA1];

    /// What a peer of TLS 1.2 accepts that says nothing (RFC 5246 §7.4.1.4.1).
    pub(crate) const IF_NOTHING_IS_SAID: &'static [Self] =
        &[Self::RSA_PKCS1_SHA1, Self::ECDSA_SHA1, Self::DSA_SHA1];

    /// Whether a peer of this version can be told of the scheme. Before TLS 1.2 it can be told of
    /// none, and the list of a configuration is about certificates alone: there it is as for TLS 1.2.
    pub(crate) fn is_usable_in(self, version: ProtocolVersion) -> bool {
        let version = Version::of(version).unwrap_or(Version::V1_2);
        self.signs_in(version.max(Version::V1_2))
    }

    /// Whether a handshake of this version can be signed so: PKCS#1, DSA and SHA-1 before TLS 1.3 only
    /// (§4.4.3), ML-DSA and brainpool from it on (draft-ietf-tls-mldsa, RFC 8734 §2).
    pub(crate) fn signs_in(self, version: Version) -> bool {
        match version {
            Version::V1_3 => self.allowed_in_tls13_certificate_verify(),
            Version::V1_2 => !matches!(
                self,
                Self::MLDSA44
                    | Self::MLDSA65
                    | Self::MLDSA87
                    | Self::ECDSA_BRAINPOOLP256R1TLS13_SHA256
                    | Self::ECDSA_BRAINPOOLP384R1TLS13_SHA384
                    | Self::ECDSA_BRAINPOOLP512R1TLS13_SHA512
                    | Self::RSA_PKCS1_MD5_SHA1
            ),
            Version::V1_1 | Version::V1_0 => Self::BEFORE_TLS12.contains(&self),
        }
    }

    /// The curve of the key, in TLS 1.3 (§4.2.3).
    pub(crate) const fn curve(self) -> Option<NamedGroup> {
        match self {
            Self::ECDSA_SECP256R1_SHA256 => Some(NamedGroup::SECP256R1),
            Self::ECDSA_SECP384R1_SHA384 => Some(NamedGroup::SECP384R1),
            Self::ECDSA_SECP521R1_SHA512 => Some(NamedGroup::SECP521R1),
            _ => None,
        }
    }

    /// Whether the hash is too weak to sign or to be accepted where nobody has named it: SHA-1 is broken
    /// (RFC 9155), and SHA-224 has no place any more (RFC 8446 §4.2.3).
    pub(crate) const fn has_weak_hash(self) -> bool {
        matches!(
            self,
            Self::RSA_PKCS1_MD5
                | Self::RSA_PKCS1_SHA1
                | Self::DSA_SHA1
                | Self::ECDSA_SHA1
                | Self::RSA_PKCS1_SHA224
                | Self::DSA_SHA224
                | Self::ECDSA_SHA224
        )
    }

    /// The feature that this build would have to have been made with for the scheme to be there.
    pub(crate) const fn lacking_feature(self) -> Option<&'static str> {
        match self {
            Self::ED448 if !cfg!(feature = "curve448") => Some("curve448"),
            Self::RSA_PKCS1_SHA1 | Self::RSA_PKCS1_SHA224 if !cfg!(feature = "ffi") => Some("ffi"),
            _ if self.is_dsa() && !cfg!(feature = "ffi") => Some("ffi"),
            _ => None,
        }
    }

    /// Whether the key is a DSA key.
    pub(crate) const fn is_dsa(self) -> bool {
        matches!(
            self,
            Self::DSA_SHA1
                | Self::DSA_SHA224
                | Self::DSA_SHA256
                | Self::DSA_SHA384
                | Self::DSA_SHA512
        )
    }

    /// Whether the key is an RSA key in RSA-PSS form.
    pub(crate) const fn is_pss_form(self) -> bool {
        matches!(
            self,
            Self::RSA_PSS_PSS_SHA256 | Self::RSA_PSS_PSS_SHA384 | Self::RSA_PSS_PSS_SHA512
        )
    }

    /// Whether the key is an RSA key.
    pub(crate) const fn is_rsa(self) -> bool {
        matches!(
            self,
            Self::RSA_PKCS1_MD5_SHA1
                | Self::RSA_PKCS1_MD5
                | Self::RSA_PKCS1_SHA1
                | Self::RSA_PKCS1_SHA224
                | Self::RSA_PKCS1_SHA256
                | Self::RSA_PKCS1_SHA384
                | Self::RSA_PKCS1_SHA512
                | Self::RSA_PSS_RSAE_SHA256
                | Self::RSA_PSS_RSAE_SHA384
                | Self::RSA_PSS_RSAE_SHA512
                | Self::RSA_PSS_PSS_SHA256
                | Self::RSA_PSS_PSS_SHA384
                | Self::RSA_PSS_PSS_SHA512
        )
    }

    /// What people call the kind of the key.
    pub(crate) const fn kind_of_key(self) -> &'static str {
        match self {
            Self::ED25519 => "Ed25519",
            Self::ED448 => "Ed448",
            Self::MLDSA44 | Self::MLDSA65 | Self::MLDSA87 => "ML-DSA",
            _ if self.is_rsa() => "RSA",
            _ if self.is_dsa() => "DSA",
            _ => "ECDSA",
        }
    }

    /// Whether TLS 1.3 allows the scheme in CertificateVerify (§4.4.3): no PKCS#1, no DSA, no SHA-1.
    pub const fn allowed_in_tls13_certificate_verify(self) -> bool {
        let is_old = matches!(
            self,
            Self::RSA_PKCS1_MD5_SHA1
                | Self::RSA_PKCS1_SHA256
                | Self::RSA_PKCS1_SHA384
                | Self::RSA_PKCS1_SHA512
        );
        !(is_old || self.has_weak_hash() || self.is_dsa())
    }
}
