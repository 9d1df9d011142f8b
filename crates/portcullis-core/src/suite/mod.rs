//! Cipher suites: what they are made of, what they are called, and lists of them.
//!
//! RFC 8446 §B.4, RFC 5246 §A.5.

mod exchange;
mod lists;
mod table;

use core::str::FromStr;

pub(crate) use self::exchange::{Agreement, Exchange, KeyUse, NoCertificate, Presence};
use crate::crypto::HAS_RSA;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::cbc::CbcAlgorithm;
use crate::crypto::ccm::CcmAlgorithm;
use crate::crypto::finite_field::HAS_FINITE_FIELD;
pub use crate::crypto::hash::HashAlgorithm;
use crate::crypto::legacy::{DesAlgorithm, HAS_LEGACY_CIPHERS, StreamAlgorithm};
use crate::crypto::record_mac::MacAlgorithm;
use crate::key_schedule::SuiteParameters;
use crate::key_schedule::tls12::{CbcParameters, OlderCipher, OlderParameters, StreamParameters};
use crate::misuse::Misuse;
use crate::rules::Rules;
use crate::signature_scheme::SignatureScheme;
use crate::version::{ProtocolVersion, Version};

/// A cipher suite in the IANA registry "TLS Cipher Suites".
///
/// Unknown values are kept, printed as hex and compared like any other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CipherSuite(pub u16);

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuiteInfo {
    /// The code point.
    pub suite: CipherSuite,
    /// The name in the IANA registry, `TLS_…`.
    pub name: &'static str,
    /// What OpenSSL calls it.
    pub openssl_name: &'static str,
    /// How the keys are agreed on.
    pub key_exchange: KeyExchange,
    /// What proves who the server is.
    pub authentication: Authentication,
    /// What protects the records.
    pub cipher: Cipher,
    /// What protects them from change.
    pub mac: Mac,
    /// The hash of the key schedule; in TLS 1.2 that of the PRF. TLS 1.1 and older have their
    /// own, whatever stands here.
    pub hash: HashAlgorithm,
    /// The oldest version of TLS that has the suite.
    pub since: ProtocolVersion,
    /// Who is offered it.
    pub offer: OfferedTo,
}

/// How the keys are agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the suites")]
pub enum KeyExchange {
    /// TLS 1.3, where the suite does not say.
    Any,
    Rsa,
    Dhe,
    Ecdh,
    Ecdhe,
    Psk,
    DhePsk,
    EcdhePsk,
    RsaPsk,
    Srp,
}

/// What proves who the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the suites")]
pub enum Authentication {
    /// TLS 1.3, where the suite does not say.
    Any,
    Rsa,
    Dss,
    Ecdsa,
    Psk,
    Srp,
    /// Nothing does.
    Anonymous,
}

/// What protects the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the suites")]
pub enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Chacha20Poly1305,
    Aes128Ccm,
    Aes256Ccm,
    Aes128Ccm8,
    Aes256Ccm8,
    Aes128Cbc,
    Aes256Cbc,
    TripleDesEdeCbc,
    DesCbc,
    Rc4_128,
}

/// What protects records from change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the suites")]
pub enum Mac {
    /// The cipher does.
    Aead,
    HmacMd5,
    HmacSha1,
    HmacSha256,
    HmacSha384,
}

/// Who is offered a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferedTo {
    /// Everyone.
    Default,
    /// Those who name it: weak, or it needs more configuration.
    Optional,
    /// Those who name it: no certificate is involved.
    Anonymous,
}

/// Which suites of a version, after the words of OTP's `cipher_suites/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuiteSet {
    /// Those offered by default. For TLS 1.3 those of TLS 1.2 follow, for peers that cannot.
    Default,
    /// The same and the optional ones, but none of the anonymous.
    All,
    /// Those without a certificate.
    Anonymous,
    /// Those of [`Self::Default`] that came with the version.
    Exclusive,
    /// Those of [`Self::Anonymous`] that came with the version.
    ExclusiveAnonymous,
}

impl CipherSuite {
    /// Not a suite: the client understands RFC 5746.
    pub const TLS_EMPTY_RENEGOTIATION_INFO_SCSV: Self = Self(0x00ff);
    /// Not a suite: the client tries again with a lower version (RFC 7507).
    pub const TLS_FALLBACK_SCSV: Self = Self(0x5600);

    /// The name in the IANA registry, or `None` for a value this build does not know.
    pub const fn name(self) -> Option<&'static str> {
        match (self, self.info()) {
            (_, Some(info)) => Some(info.name),
            (Self::TLS_EMPTY_RENEGOTIATION_INFO_SCSV, _) => {
                Some("TLS_EMPTY_RENEGOTIATION_INFO_SCSV")
            }
            (Self::TLS_FALLBACK_SCSV, _) => Some("TLS_FALLBACK_SCSV"),
            _ => None,
        }
    }

    /// What OpenSSL calls it, or `None` for a value this build does not know.
    pub const fn openssl_name(self) -> Option<&'static str> {
        match self.info() {
            Some(info) => Some(info.openssl_name),
            None => None,
        }
    }

    /// Whether this build can negotiate the suite.
    pub fn is_supported(self) -> bool {
        Self::SUPPORTED.contains(&self)
    }

    /// Whether a connection of this version can have the suite.
    pub(crate) fn is_usable_in(self, version: ProtocolVersion) -> bool {
        self.info().is_some_and(|info| info.exists_in(version))
    }

    /// The features that this build would have to have been made with for the suite to be there.
    pub(crate) fn lacking_features(self) -> Vec<&'static str> {
        let Some(info) = self.info() else {
            return Vec::new();
        };
        let needs_ffi = info.has_ccm()
            || info.authentication == Authentication::Dss
            || matches!(info.key_exchange, KeyExchange::Rsa | KeyExchange::RsaPsk);
        let needs_field = matches!(
            info.key_exchange,
            KeyExchange::Dhe | KeyExchange::DhePsk | KeyExchange::Srp
        );
        let lacking = [
            ("legacy-ciphers", info.is_legacy() && !HAS_LEGACY_CIPHERS),
            ("finite-field", needs_field && !HAS_FINITE_FIELD),
            ("ffi", needs_ffi && !HAS_RSA),
        ];
        let lacking = lacking.into_iter().filter(|(_, lacks)| *lacks);
        lacking.map(|(feature, _)| feature).collect()
    }

    /// Whether, in this version, the suite needs RSA signatures that only the feature `ffi` has, which is not there.
    pub(crate) fn lacks_feature_in(self, version: ProtocolVersion) -> bool {
        let is_rsa = |info: &SuiteInfo| {
            info.authentication == Authentication::Rsa
                && info.exchange().is_some_and(Exchange::is_signed)
        };
        !HAS_RSA
            && Version::of(version).is_some_and(|version| version < Version::V1_2)
            && self.is_usable_in(version)
            && self.info().is_some_and(is_rsa)
    }

    /// Whether its records are those of a block cipher and a MAC (RFC 5246 §6.2.3.2).
    pub(crate) fn has_cbc(self) -> bool {
        let cipher = self
            .older_parameters(ProtocolVersion::TLS_1_2)
            .map(|parameters| parameters.cipher);
        matches!(cipher, Ok(OlderCipher::Cbc(_)))
    }

    /// Whether a key that signs by `scheme` is of the kind the suite names (RFC 5246 §7.4.2, RFC 8422 §5.3). False where
    /// the suite's key does not sign, and in TLS 1.3.
    pub(crate) fn goes_with(self, scheme: SignatureScheme) -> bool {
        let is_signed = |info: &&SuiteInfo| info.exchange().is_some_and(Exchange::is_signed);
        let authentication = self
            .info()
            .filter(is_signed)
            .map(|info| info.authentication);
        match authentication {
            Some(Authentication::Rsa) => scheme.is_rsa(),
            Some(Authentication::Dss) => scheme.is_dsa(),
            Some(Authentication::Ecdsa) => {
                scheme.signs_in(Version::V1_2) && !scheme.is_rsa() && !scheme.is_dsa()
            }
            _ => false,
        }
    }

    /// What the suite means to the key schedule of TLS 1.3.
    pub(crate) fn parameters(self) -> Result<SuiteParameters, Misuse> {
        let info = self
            .info()
            .filter(|info| info.since == ProtocolVersion::TLS_1_3);
        info.and_then(SuiteInfo::parameters)
            .ok_or_else(|| Misuse::new(format!("{self} is not implemented")))
    }

    /// What the suite means to the key schedule and the records of a version before TLS 1.3.
    pub(crate) fn older_parameters(
        self,
        version: ProtocolVersion,
    ) -> Result<OlderParameters, Misuse> {
        let rules = Rules::of(Version::of(version).unwrap_or(Version::V1_2));
        let info = self.info().filter(|info| {
            info.since != ProtocolVersion::TLS_1_3
                && info.exists_in(version)
                && info.exchange().is_some()
        });
        let parameters = info.and_then(|info| {
            Some(OlderParameters {
                version,
                hash: rules.prf_hash(info.hash),
                cipher: info.older_cipher(rules)?,
            })
        });
        parameters.ok_or_else(|| Misuse::new(format!("{self} is not implemented")))
    }

    /// The hash of the handshake.
    pub(crate) fn handshake_hash(self) -> Result<HashAlgorithm, Misuse> {
        self.parameters().map(|parameters| parameters.hash)
    }
}

/// Which certificates go with suites of before TLS 1.3, for a sentence.
pub(crate) fn kinds_of_certificates(suites: &[CipherSuite]) -> String {
    let kinds = [
        (Authentication::Rsa, "RSA"),
        (Authentication::Ecdsa, "ECDSA"),
        (Authentication::Dss, "DSA"),
    ];
    let is_there = |wanted: Authentication| {
        let mut infos = suites.iter().filter_map(|suite| suite.info());
        infos.any(|info| info.key_in_certificate() == wanted)
    };
    let there = kinds.iter().filter(|(kind, _)| is_there(*kind));
    let names: Vec<_> = there.map(|(_, name)| *name).collect();
    names.join(" and ")
}

impl SuiteInfo {
    /// The kind of key in the server's certificate.
    const fn key_in_certificate(&self) -> Authentication {
        match self.key_exchange {
            // Either way: what else they say is who has signed the certificate (RFC 4492 §2.1, §2.3).
            KeyExchange::Ecdh => Authentication::Ecdsa,
            _ => self.authentication,
        }
    }

    /// Hash and cipher in terms of what is implemented.
    fn parameters(&self) -> Option<SuiteParameters> {
        let (hash, aead) = (self.hash, self.aead()?);
        Some(SuiteParameters { hash, aead })
    }

    /// Cipher and MAC before TLS 1.3, if they are implemented.
    fn older_cipher(&self, rules: Rules) -> Option<OlderCipher> {
        let mac = match self.mac {
            Mac::Aead => return self.aead().map(OlderCipher::Aead),
            Mac::HmacMd5 => MacAlgorithm::MD5?,
            Mac::HmacSha1 => MacAlgorithm::Sha1,
            Mac::HmacSha256 => MacAlgorithm::Sha256,
            Mac::HmacSha384 => MacAlgorithm::Sha384,
        };
        let cipher = match self.cipher {
            Cipher::Aes128Cbc => CbcAlgorithm::Aes128,
            Cipher::Aes256Cbc => CbcAlgorithm::Aes256,
            Cipher::TripleDesEdeCbc => CbcAlgorithm::Des(DesAlgorithm::TRIPLE?),
            Cipher::DesCbc => CbcAlgorithm::Des(DesAlgorithm::SINGLE?),
            Cipher::Rc4_128 => {
                let cipher = StreamAlgorithm::RC4_128?;
                return Some(OlderCipher::Stream(StreamParameters { cipher, mac }));
            }
            _ => return None,
        };
        Some(OlderCipher::Cbc(CbcParameters {
            iv: rules.iv,
            ..CbcParameters::new(cipher, mac)
        }))
    }

    /// The AEAD, if it is implemented.
    fn aead(&self) -> Option<AeadAlgorithm> {
        match self.cipher {
            Cipher::Aes128Gcm => Some(AeadAlgorithm::Aes128Gcm),
            Cipher::Aes256Gcm => Some(AeadAlgorithm::Aes256Gcm),
            Cipher::Chacha20Poly1305 => Some(AeadAlgorithm::ChaCha20Poly1305),
            Cipher::Aes128Ccm => CcmAlgorithm::AES_128.map(AeadAlgorithm::Ccm),
            Cipher::Aes256Ccm => CcmAlgorithm::AES_256.map(AeadAlgorithm::Ccm),
            Cipher::Aes128Ccm8 => CcmAlgorithm::AES_128_8.map(AeadAlgorithm::Ccm),
            Cipher::Aes256Ccm8 => CcmAlgorithm::AES_256_8.map(AeadAlgorithm::Ccm),
            _ => None,
        }
    }

    /// Whether the cipher is AES-CCM.
    const fn has_ccm(&self) -> bool {
        matches!(
            self.cipher,
            Cipher::Aes128Ccm | Cipher::Aes256Ccm | Cipher::Aes128Ccm8 | Cipher::Aes256Ccm8
        )
    }

    /// Whether the cipher is one that nobody chooses who has a choice.
    pub(crate) const fn is_legacy(&self) -> bool {
        matches!(
            self.cipher,
            Cipher::TripleDesEdeCbc | Cipher::DesCbc | Cipher::Rc4_128
        )
    }

    /// Whether the suite exists in `version`, TLS or DTLS. In DTLS there is no RC4, and in DTLS 1.3 no CCM_8.
    pub fn exists_in(&self, version: ProtocolVersion) -> bool {
        if self.cipher == Cipher::Rc4_128 && is_datagram(version) {
            // RFC 6347 §4.1.2.2: a stream cipher cannot lose records.
            return false;
        }
        if self.cipher == Cipher::Aes128Ccm8 && version == ProtocolVersion::DTLS_1_3 {
            // RFC 9147 §4.5.3: a connection outlives forged records, and no number of them is both so small that a tag
            // of 8 bytes keeps the next one out, and so large that nobody ends connections with them.
            return false;
        }
        match (Version::of(version), Version::of(self.since)) {
            (Some(Version::V1_3), since) => since == Some(Version::V1_3),
            (Some(version), Some(since)) => since <= version,
            _ => false,
        }
    }
}

const fn is_datagram(version: ProtocolVersion) -> bool {
    version.0 >> 8 == 0xfe
}

/// The known suites of `version` that belong to `set`, strongest first. Whether this build can
/// negotiate them is another question ([`CipherSuite::is_supported`]).
pub fn suites(version: ProtocolVersion, set: SuiteSet) -> Vec<CipherSuite> {
    let before = match version {
        ProtocolVersion::TLS_1_3 => ProtocolVersion::TLS_1_2,
        ProtocolVersion::DTLS_1_3 => ProtocolVersion::DTLS_1_2,
        _ => version,
    };
    let belongs = |info: &SuiteInfo| {
        let exists = info.exists_in(version);
        let new = exists && Version::of(info.since) == Version::of(version);
        let offered = exists || info.exists_in(before);
        match set {
            SuiteSet::Default => offered && info.offer == OfferedTo::Default,
            SuiteSet::All => offered && info.offer != OfferedTo::Anonymous,
            SuiteSet::Anonymous => exists && info.offer == OfferedTo::Anonymous,
            SuiteSet::Exclusive => new && info.offer == OfferedTo::Default,
            SuiteSet::ExclusiveAnonymous => new && info.offer == OfferedTo::Anonymous,
        }
    };
    filter(CipherSuite::KNOWN, belongs)
}

/// The suites that `keep` keeps, in their order; those not in the table go.
pub fn filter(suites: &[CipherSuite], keep: impl Fn(&SuiteInfo) -> bool) -> Vec<CipherSuite> {
    let kept = |suite: &CipherSuite| suite.info().is_some_and(&keep);
    suites.iter().copied().filter(kept).collect()
}

/// `preferred` before the rest of `suites`, each once.
pub fn prepend(preferred: &[CipherSuite], suites: &[CipherSuite]) -> Vec<CipherSuite> {
    once(preferred.iter().chain(suites))
}

/// `deferred` after the rest of `suites`, each once.
pub fn append(deferred: &[CipherSuite], suites: &[CipherSuite]) -> Vec<CipherSuite> {
    let before = suites.iter().filter(|suite| !deferred.contains(suite));
    once(before.chain(deferred))
}

fn once<'s>(suites: impl Iterator<Item = &'s CipherSuite>) -> Vec<CipherSuite> {
    let mut unique = Vec::new();
    for suite in suites {
        if !unique.contains(suite) {
            unique.push(*suite);
        }
    }
    unique
}

/// A word that is not the name of a cipher suite in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSuite {
    /// The word.
    pub name: String,
}

impl core::fmt::Display for UnknownSuite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "there is no cipher suite named {:?}", self.name)
    }
}

impl core::error::Error for UnknownSuite {}

impl FromStr for CipherSuite {
    type Err = UnknownSuite;

    /// Reads the RFC's or OpenSSL's name of a suite in the table, and the two names OTP spells
    /// in its own way (`TLS_DHE_PSK_WITH_AES_…_CCM_8`), whatever their case.
    fn from_str(name: &str) -> Result<Self, UnknownSuite> {
        const OTP: [(&str, &str); 2] = [
            (
                "TLS_DHE_PSK_WITH_AES_128_CCM_8",
                "TLS_PSK_DHE_WITH_AES_128_CCM_8",
            ),
            (
                "TLS_DHE_PSK_WITH_AES_256_CCM_8",
                "TLS_PSK_DHE_WITH_AES_256_CCM_8",
            ),
        ];
        let otp = OTP.iter().find(|(otp, _)| otp.eq_ignore_ascii_case(name));
        let rfc = otp.map_or(name, |(_, rfc)| rfc);
        Self::KNOWN
            .iter()
            .copied()
            .find(|suite| {
                let is = |known: Option<&str>, name| {
                    known.is_some_and(|known| known.eq_ignore_ascii_case(name))
                };
                is(suite.name(), rfc) || is(suite.openssl_name(), name)
            })
            .ok_or_else(|| UnknownSuite {
                name: name.to_owned(),
            })
    }
}

impl core::fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl core::fmt::Debug for CipherSuite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
