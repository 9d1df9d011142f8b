//! Private keys in this process: reading them, which schemes each has, signing.
//!
//! RFC 5958, RFC 8017 §A.1.2, RFC 5915 for what is read; RFC 8446 §4.2.3 for the schemes.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::{AlgorithmIdentifier, PrivateKeyDer, alg_id};
use zeroize::Zeroizing;

use super::dsa::DsaKey;
use super::ecdsa::{self, Curve};
use super::key_exchange::BadKeyShare;
use super::key_length::{ID_DSA, LEAST_KEY_BITS};
use super::pss_form;
use super::rsa::{LegacyKey, ShortKey};
use super::secret::SharedSecret;
use super::static_ecdh::StaticKey;
use crate::der::{self, Reader};
use crate::misuse::Misuse;
use crate::{NamedGroup, SignatureScheme};

/// A private key in this process's memory.
///
/// Accepted are RSA (2048 to 8192 bits, also in RSA-PSS form), ECDSA on P-256, P-384 and P-521, Ed25519 and
/// ML-DSA, and with the feature `curve448` Ed448. With the feature `ffi` RSA from 1024 bits on and DSA are read,
/// too: a configuration has to name what they are for.
/// The key is never printed; its memory belongs to the crypto library, which clears it.
pub struct PrivateKey {
    key: Key,
    algorithm: AlgorithmIdentifier,
    schemes: &'static [SignatureScheme],
}

enum Key {
    Rsa(RsaKey),
    ShortRsa(ShortKey),
    Dsa(DsaKey),
    Ecdsa(EcdsaKey),
    Ed25519(Ed25519KeyPair),
    #[cfg(feature = "curve448")]
    Ed448(super::ed448::Ed448Key),
    MlDsa(PqdsaKeyPair),
}

struct RsaKey {
    pair: RsaKeyPair,
    /// The same for what no newer version does.
    legacy: LegacyKey,
}

struct EcdsaKey {
    pair: EcdsaKeyPair,
    curve: &'static Curve,
    /// The same for the key exchange that has it in the certificate.
    agreeing: StaticKey,
}

impl EcdsaKey {
    fn new(pair: EcdsaKeyPair, curve: &'static Curve) -> Self {
        Self {
            pair,
            curve,
            agreeing: StaticKey::default(),
        }
    }
}

impl From<RsaKeyPair> for RsaKey {
    fn from(pair: RsaKeyPair) -> Self {
        Self {
            pair,
            legacy: LegacyKey::default(),
        }
    }
}

/// The kinds of key, by the algorithm of their PKCS#8 and SubjectPublicKeyInfo.
#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    /// The same key, in RSA-PSS form.
    RsaPss,
    Ecdsa(&'static signature::EcdsaSigningAlgorithm, &'static Curve),
    Ed25519,
    #[cfg(feature = "curve448")]
    Ed448,
    MlDsa(&'static signature::PqdsaSigningAlgorithm),
}

struct KeyTypeRow {
    algorithm: AlgorithmIdentifier,
    key_type: KeyType,
    schemes: &'static [SignatureScheme],
}

/// The modulus is the weak side of all hashes, so the fastest comes first.
const RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    #[cfg(feature = "ffi")]
    SignatureScheme::RSA_PKCS1_MD5_SHA1,
    #[cfg(feature = "ffi")]
    SignatureScheme::RSA_PKCS1_SHA224,
    #[cfg(feature = "ffi")]
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// Of a short key: two hashes of SHA-512 are longer than 1,024 bits (RFC 8017 §9.1.1).
const SHORT_RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_MD5_SHA1,
    SignatureScheme::RSA_PKCS1_SHA224,
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// Of DSA, whose order is the weak side.
const DSA: &[SignatureScheme] = &[
    SignatureScheme::DSA_SHA256,
    SignatureScheme::DSA_SHA384,
    SignatureScheme::DSA_SHA512,
    SignatureScheme::DSA_SHA224,
    SignatureScheme::DSA_SHA1,
];

const KEY_TYPES: &[KeyTypeRow] = &[
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P256,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &ecdsa::P256),
        schemes: &[
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ECDSA_SECP521R1_SHA512,
            SignatureScheme::ECDSA_SHA224,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P384,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &ecdsa::P384),
        schemes: &[
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ECDSA_SECP521R1_SHA512,
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SHA224,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P521,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING, &ecdsa::P521),
        schemes: &[
            SignatureScheme::ECDSA_SECP521R1_SHA512,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SHA224,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::RSA_ENCRYPTION,
        key_type: KeyType::Rsa,
        schemes: RSA,
    },
    KeyTypeRow {
        algorithm: pss_form::UNRESTRICTED,
        key_type: KeyType::RsaPss,
        // What its parameters leave.
        schemes: &[],
    },
    KeyTypeRow {
        algorithm: alg_id::ED25519,
        key_type: KeyType::Ed25519,
        schemes: &[SignatureScheme::ED25519],
    },
    #[cfg(feature = "curve448")]
    KeyTypeRow {
        algorithm: super::ed448::ED448,
        key_type: KeyType::Ed448,
        schemes: &[SignatureScheme::ED448],
    },
    KeyTypeRow {
        algorithm: alg_id::ML_DSA_44,
        key_type: KeyType::MlDsa(&signature::ML_DSA_44_SIGNING),
        schemes: &[SignatureScheme::MLDSA44],
    },
    KeyTypeRow {
        algorithm: alg_id::ML_DSA_65,
        key_type: KeyType::MlDsa(&signature::ML_DSA_65_SIGNING),
        schemes: &[SignatureScheme::MLDSA65],
    },
    KeyTypeRow {
        algorithm: alg_id::ML_DSA_87,
        key_type: KeyType::MlDsa(&signature::ML_DSA_87_SIGNING),
        schemes: &[SignatureScheme::MLDSA87],
    },
];

/// id-ecPublicKey, and parameters that are a SEQUENCE instead of the name of a curve.
const EXPLICIT_CURVE: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, der::SEQUENCE];

const SUPPORTED: &str =
    "RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, Ed25519 or ML-DSA";

impl PrivateKey {
    /// Reads a key from PKCS#8, PKCS#1 (RSA) or SEC1 (EC).
    ///
    /// # Errors
    /// When the key is damaged, too small, or of a type that is not supported.
    pub fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, Misuse> {
        match der {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => Self::from_pkcs1(der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(der) => Self::from_sec1(der.secret_sec1_der()),
            _ => Err(Misuse::new(
                "the private key has an unknown format; convert it to PKCS#8 with \
                 `openssl pkcs8 -topk8 -nocrypt`",
            )),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Misuse> {
        let algorithm = pkcs8_algorithm(pkcs8).ok_or_else(damaged_pkcs8)?;
        // RFC 5480 §2.1.1 wants a named curve; explicit parameters of a known one are read, as in
        // the format of RFC 5915.
        if algorithm.starts_with(EXPLICIT_CURVE) {
            return Self::from_sec1(pkcs8);
        }
        if algorithm.starts_with(ID_DSA) {
            return Self::dsa(pkcs8);
        }
        let is_of = |row: &&KeyTypeRow| match row.key_type {
            KeyType::RsaPss => algorithm.starts_with(row.algorithm.as_ref()),
            _ => row.algorithm.as_ref() == algorithm,
        };
        let row = KEY_TYPES.iter().find(is_of).ok_or_else(|| {
            Misuse::new(format!(
                "the type of the private key is not supported; use {SUPPORTED}"
            ))
        })?;
        let key = match row.key_type {
            KeyType::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8);
                return Self::rsa(pair, || ShortKey::from_pkcs1(pkcs8_key(pkcs8)?));
            }
            KeyType::RsaPss => return Self::rsa_pss(pkcs8, algorithm),
            KeyType::Ecdsa(signing, curve) => EcdsaKeyPair::from_pkcs8(signing, pkcs8)
                .map(|pair| Key::Ecdsa(EcdsaKey::new(pair, curve))),
            KeyType::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).map(Key::Ed25519),
            #[cfg(feature = "curve448")]
            KeyType::Ed448 => {
                let key = super::ed448::Ed448Key::from_pkcs8(pkcs8).ok_or_else(|| {
                    Misuse::new("the private key is not an Ed448 key of 57 bytes")
                })?;
                return Ok(Self::of_row(row, Key::Ed448(key)));
            }
            KeyType::MlDsa(signing) => PqdsaKeyPair::from_pkcs8(signing, pkcs8).map(Key::MlDsa),
        };
        Ok(Self::of_row(row, key.map_err(rejected)?))
    }

    fn from_pkcs1(pkcs1: &[u8]) -> Result<Self, Misuse> {
        let pair = RsaKeyPair::from_der(pkcs1);
        Self::rsa(pair, || ShortKey::from_pkcs1(pkcs1))
    }

    fn rsa(
        pair: Result<RsaKeyPair, KeyRejected>,
        short: impl FnOnce() -> Option<ShortKey>,
    ) -> Result<Self, Misuse> {
        let (key, schemes) = match (pair, short) {
            (Ok(pair), _) => (Key::Rsa(pair.into()), RSA),
            (Err(why), short) => match short() {
                Some(key) => (Key::ShortRsa(key), SHORT_RSA),
                None => return Err(rejected(why)),
            },
        };
        Ok(Self {
            key,
            algorithm: alg_id::RSA_ENCRYPTION,
            schemes,
        })
    }

    /// RFC 4055 §1.2: PKCS#8 whose algorithm says what the key may sign.
    fn rsa_pss(pkcs8: &[u8], algorithm: &[u8]) -> Result<Self, Misuse> {
        let schemes = pss_form::schemes(algorithm).unwrap_or_default();
        if schemes.is_empty() {
            return Err(Misuse::new(
                "the private key is in RSA-PSS form with parameters that TLS has no scheme for (RFC 8446 \
                 §4.2.3): it may sign with SHA-256, SHA-384 or SHA-512, the same in MGF1, and a salt that is \
                 not longer; make one with `openssl genpkey -algorithm rsa-pss`",
            ));
        }
        let pair = pkcs8_key(pkcs8).map(RsaKeyPair::from_der);
        let pair = pair.ok_or_else(damaged_pkcs8)?.map_err(|why| {
            Misuse::new(format!(
                "the private key in RSA-PSS form is not acceptable ({why}); it may have 2048 to 8192 bits"
            ))
        })?;
        Ok(Self {
            key: Key::Rsa(pair.into()),
            algorithm: pss_form::UNRESTRICTED,
            schemes,
        })
    }

    fn dsa(pkcs8: &[u8]) -> Result<Self, Misuse> {
        if !super::HAS_DSA {
            return Err(Misuse::new(
                "the private key is one of DSA, which needs the feature `ffi`; build with it, or use another key",
            ));
        }
        let key = DsaKey::from_pkcs8(pkcs8).ok_or_else(|| {
            Misuse::new(
                "the private key is one of DSA and damaged, or of a length that there is not",
            )
        })?;
        Ok(Self {
            key: Key::Dsa(key),
            algorithm: AlgorithmIdentifier::from_slice(ID_DSA),
            schemes: DSA,
        })
    }

    /// RFC 5915: the curve is optional, so each is tried.
    fn from_sec1(sec1: &[u8]) -> Result<Self, Misuse> {
        for row in KEY_TYPES {
            if let KeyType::Ecdsa(signing, curve) = row.key_type
                && let Ok(key) = EcdsaKeyPair::from_private_key_der(signing, sec1)
            {
                return Ok(Self::of_row(row, Key::Ecdsa(EcdsaKey::new(key, curve))));
            }
        }
        Err(Misuse::new(
            "the EC private key is damaged or not on P-256, P-384 or P-521",
        ))
    }

    fn of_row(row: &KeyTypeRow, key: Key) -> Self {
        Self {
            key,
            algorithm: row.algorithm,
            schemes: row.schemes,
        }
    }

    /// What this key can sign with, best first; not every version of TLS has all of them.
    pub fn schemes(&self) -> &'static [SignatureScheme] {
        self.schemes
    }

    /// Signs a message, which the scheme hashes.
    ///
    /// # Errors
    /// When the scheme is not one of [`schemes`](Self::schemes), or the crypto library fails.
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if !self.schemes.contains(&scheme) {
            return Err(SignError::SchemeDoesNotFit);
        }
        match &self.key {
            Key::Ecdsa(EcdsaKey {
                pair: key, curve, ..
            }) => {
                // Given the message, the library would set up two contexts only to hash it. One call
                // for both: a signature is 4 KiB large there, and is copied out of a second one.
                let digest = curve.digest(scheme, message);
                let digest = digest.map_err(|_| SignError::Failed)?;
                key.sign_digest(&digest)
                    .map(|signature| signature.as_ref().to_vec())
            }
            Key::Ed25519(key) => key
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            #[cfg(feature = "curve448")]
            Key::Ed448(key) => Ok(key.sign(message)),
            Key::Dsa(key) => key.sign(scheme, message),
            Key::ShortRsa(key) => key.sign(scheme, message),
            Key::Rsa(RsaKey { pair, legacy })
                if scheme == SignatureScheme::RSA_PKCS1_MD5_SHA1 || scheme.has_weak_hash() =>
            {
                legacy.sign(pair, scheme, message)
            }
            Key::Rsa(RsaKey { pair: key, .. }) => {
                let padding: &'static dyn RsaEncoding =
                    match scheme {
                        SignatureScheme::RSA_PSS_RSAE_SHA256
                        | SignatureScheme::RSA_PSS_PSS_SHA256 => &signature::RSA_PSS_SHA256,
                        SignatureScheme::RSA_PSS_RSAE_SHA384
                        | SignatureScheme::RSA_PSS_PSS_SHA384 => &signature::RSA_PSS_SHA384,
                        SignatureScheme::RSA_PSS_RSAE_SHA512
                        | SignatureScheme::RSA_PSS_PSS_SHA512 => &signature::RSA_PSS_SHA512,
                        SignatureScheme::RSA_PKCS1_SHA256 => &signature::RSA_PKCS1_SHA256,
                        SignatureScheme::RSA_PKCS1_SHA384 => &signature::RSA_PKCS1_SHA384,
                        SignatureScheme::RSA_PKCS1_SHA512 => &signature::RSA_PKCS1_SHA512,
                        _ => return Err(SignError::SchemeDoesNotFit),
                    };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map(|()| signature)
            }
            Key::MlDsa(key) => {
                let mut signature = vec![0; key.algorithm().signature_len()];
                key.sign(message, &mut signature).map(|len| {
                    signature.truncate(len);
                    signature
                })
            }
        }
        .map_err(|_| SignError::Failed)
    }

    /// What RSA makes of a ciphertext: the block that was encrypted, with its padding. Nobody has looked at
    /// that, and nobody may but [`rsa_premaster`](super::rsa_premaster).
    ///
    /// # Errors
    /// When the key is none of RSA, the ciphertext has not its length, or is a number that nobody encrypts.
    pub(crate) fn decrypt_raw(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignError> {
        let block = match &self.key {
            Key::Rsa(key) if !self.is_in_pss_form() => {
                key.legacy.decrypt_raw(&key.pair, ciphertext)
            }
            Key::ShortRsa(key) => key.decrypt_raw(ciphertext),
            _ => return Err(SignError::SchemeDoesNotFit),
        };
        block.map_err(|_| SignError::Failed)
    }

    /// What follows from this key, which is on `curve`, and the peer's point (RFC 4492 §2.1).
    ///
    /// # Errors
    /// When the point is none of the curve, or the key is none of ECDSA.
    pub(crate) fn agree(
        &self,
        curve: NamedGroup,
        peer: &[u8],
    ) -> Result<SharedSecret, BadKeyShare> {
        match &self.key {
            Key::Ecdsa(key) => key.agreeing.agree(&key.pair, curve, peer),
            _ => Err(BadKeyShare),
        }
    }

    fn is_in_pss_form(&self) -> bool {
        self.algorithm.as_ref() == pss_form::UNRESTRICTED.as_ref()
    }

    /// The public half as a SubjectPublicKeyInfo; `None` of a DSA key, whose group is not kept beside it.
    pub(crate) fn spki(&self) -> Option<Vec<u8>> {
        let public = match &self.key {
            Key::Dsa(_) => return None,
            Key::Ecdsa(key) => key.pair.public_key().as_ref(),
            Key::Rsa(key) => key.pair.public_key().as_ref(),
            Key::ShortRsa(key) => key.public(),
            Key::Ed25519(key) => key.public_key().as_ref(),
            #[cfg(feature = "curve448")]
            Key::Ed448(key) => key.public(),
            Key::MlDsa(key) => key.public_key().as_ref(),
        };
        Some(der::put_public_key_info(self.algorithm.as_ref(), public))
    }

    /// Whether this is the private half of the key in a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), in DER.
    pub fn is_key_of(&self, spki_der: &[u8]) -> bool {
        let Some((algorithm, public)) = der::public_key_info(spki_der) else {
            return false;
        };
        let is_same_algorithm = match self.is_in_pss_form() {
            // What either says of hashes is another matter.
            true => algorithm.starts_with(self.algorithm.as_ref()),
            false => algorithm == self.algorithm.as_ref(),
        };
        match &self.key {
            Key::Dsa(key) => algorithm.starts_with(ID_DSA) && key.is_key_of(spki_der),
            _ if !is_same_algorithm => false,
            Key::Ecdsa(key) => same_point(key.pair.public_key().as_ref(), public),
            Key::Rsa(key) => key.pair.public_key().as_ref() == public,
            Key::ShortRsa(key) => key.public() == public,
            Key::Ed25519(key) => key.public_key().as_ref() == public,
            #[cfg(feature = "curve448")]
            Key::Ed448(key) => key.public() == public,
            Key::MlDsa(key) => key.public_key().as_ref() == public,
        }
    }
}

impl core::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PrivateKey")
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The key cannot sign with this scheme.
    SchemeDoesNotFit,
    /// The crypto library failed.
    Failed,
}

impl core::fmt::Display for SignError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SchemeDoesNotFit => "the key cannot sign with this signature scheme",
            Self::Failed => "the crypto library failed to sign",
        })
    }
}

impl core::error::Error for SignError {}

fn rejected(why: KeyRejected) -> Misuse {
    // What the library calls it.
    let is_short = why.to_string() == "TooSmall";
    if is_short && cfg!(feature = "ffi") {
        return Misuse::new(format!(
            "the private key is too short; use {SUPPORTED}, or RSA from {LEAST_KEY_BITS} bits on where `key_minimum` \
             says so"
        ));
    }
    if is_short {
        return Misuse::new(format!(
            "the private key is too short; use {SUPPORTED}, or build with the feature `ffi`, which has RSA from \
             {LEAST_KEY_BITS} bits on where `key_minimum` says so"
        ));
    }
    Misuse::new(format!(
        "the private key is not acceptable ({why}); use {SUPPORTED}"
    ))
}

fn damaged_pkcs8() -> Misuse {
    Misuse::new("the private key is not valid PKCS#8: it is damaged")
}

/// `privateKeyAlgorithm` of RFC 5958 §2.
fn pkcs8_algorithm(pkcs8: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(Reader::new(pkcs8).contents(der::SEQUENCE)?);
    fields.contents(der::INTEGER)?;
    fields.contents(der::SEQUENCE)
}

/// `privateKey` of RFC 5958 §2.
pub(super) fn pkcs8_key(pkcs8: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(Reader::new(pkcs8).contents(der::SEQUENCE)?);
    fields.contents(der::INTEGER)?;
    fields.contents(der::SEQUENCE)?;
    fields.contents(der::OCTET_STRING)
}

/// Compares an uncompressed point with one that may be compressed (SEC 1 §2.3.3).
fn same_point(uncompressed: &[u8], other: &[u8]) -> bool {
    if uncompressed == other {
        return true;
    }
    let (Some((4, xy)), Some((sign @ (2 | 3), x))) =
        (uncompressed.split_first(), other.split_first())
    else {
        return false;
    };
    xy.len() == 2 * x.len() && xy.starts_with(x) && xy.last().is_some_and(|y| y & 1 == sign & 1)
}

#[cfg(test)]
#[path = "private_key_tests.rs"]
mod tests;
