//! Signatures: which scheme goes with which key, signing, and verifying in TLS 1.3.
//!
//! RFC 8446 §4.2.3, §4.4.3; ML-DSA from FIPS 204 and draft-ietf-tls-mldsa.

use core::ops::RangeInclusive;

use super::key_exchange::BadKeyShare;
use super::secret::SharedSecret;
use super::signature_before_tls12::widened;
use super::verification::{self as verifying, Algorithm};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::{
    AlgorithmIdentifier, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
    alg_id,
};
use webpki::RawPublicKeyEntity;
use zeroize::Zeroizing;

use crate::der::{self, Reader};
use crate::misuse::Misuse;
use crate::{NamedGroup, SignatureScheme};

/// The signature was not made by this key over this message, or the key is not fit for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadSignature;

/// How a scheme is verified in CertificateVerify: §4.2.3 fixes the curve of an ECDSA scheme, and
/// an `rsae` scheme needs an rsaEncryption key.
pub(super) fn verification_algorithm(scheme: SignatureScheme) -> Option<&'static Algorithm> {
    Some(match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256 => &verifying::ECDSA_P256_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384 => &verifying::ECDSA_P384_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512 => &verifying::ECDSA_P521_SHA512,
        SignatureScheme::ED25519 => &verifying::ED25519,
        #[cfg(feature = "curve448")]
        SignatureScheme::ED448 => &verifying::ED448,
        SignatureScheme::RSA_PSS_RSAE_SHA256 => &verifying::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => &verifying::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => &verifying::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        SignatureScheme::MLDSA44 => &verifying::ML_DSA_44,
        SignatureScheme::MLDSA65 => &verifying::ML_DSA_65,
        SignatureScheme::MLDSA87 => &verifying::ML_DSA_87,
        _ => return None,
    })
}

/// Whether the scheme may be used with this SubjectPublicKeyInfo in TLS 1.3.
///
/// To be asked before [`verify_tls13`], because a scheme that does not fit is another violation
/// (`illegal_parameter`) than a signature that does not verify (`decrypt_error`).
pub(crate) fn scheme_fits_key(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    match (
        verification_algorithm(scheme),
        der::public_key_info(spki_der),
    ) {
        (Some(verification), Some((algorithm, _))) => {
            verification.public_key_alg_id().as_ref() == algorithm
        }
        _ => false,
    }
}

/// Whether an RSA key has room for what the scheme signs: two hashes and two bytes, in one bit
/// less than the modulus has (RFC 8017 §9.1.1). Keys of other kinds always have.
pub(crate) fn key_is_long_enough(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    let hash = match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 => 32,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => 48,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => 64,
        _ => return true,
    };
    modulus_bits(spki_der).is_some_and(|bits| bits.saturating_sub(1).div_ceil(8) >= 2 * hash + 2)
}

/// The lengths of RSA keys whose signatures are verified, in bits.
pub(crate) const RSA_BITS: RangeInclusive<usize> = 2_048..=8_192;

/// The length of an RSA key (RFC 8017 A.1.1) in bits; `None` for other keys.
pub(crate) fn modulus_bits(spki_der: &[u8]) -> Option<usize> {
    modulus_bits_of_contents(Reader::new(spki_der).contents(der::SEQUENCE)?)
}

/// The same, of a SubjectPublicKeyInfo without its header.
pub(crate) fn modulus_bits_of_contents(spki: &[u8]) -> Option<usize> {
    let mut spki = Reader::new(spki);
    if spki.contents(der::SEQUENCE)? != alg_id::RSA_ENCRYPTION.as_ref() {
        return None;
    }
    let (0, key) = spki.contents(der::BIT_STRING)?.split_first()? else {
        return None;
    };
    let modulus = Reader::new(Reader::new(key).contents(der::SEQUENCE)?).contents(der::INTEGER)?;
    let first = modulus.iter().position(|&byte| byte != 0)?;
    let zeros = usize::try_from(modulus.get(first)?.leading_zeros()).ok()?;
    Some((modulus.len() - first) * 8 - zeros)
}

/// Whether any scheme may be used with this SubjectPublicKeyInfo in TLS 1.3.
pub(crate) fn is_known_key(spki_der: &[u8]) -> bool {
    let Some((key_algorithm, _)) = der::public_key_info(spki_der) else {
        return false;
    };
    SignatureScheme::SUPPORTED
        .iter()
        .filter_map(|scheme| verification_algorithm(*scheme))
        .any(|algorithm| *algorithm.public_key_alg_id() == *key_algorithm)
}

/// Verifies the signature of a CertificateVerify; `message` is the whole signed content.
///
/// # Errors
/// When the scheme is not one of TLS 1.3, does not fit the key, or the signature is wrong.
pub(crate) fn verify_tls13(
    scheme: SignatureScheme,
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let algorithm = verification_algorithm(scheme).ok_or(BadSignature)?;
    let spki = SubjectPublicKeyInfoDer::from(spki_der);
    RawPublicKeyEntity::try_from(&spki)
        .and_then(|key| key.verify_signature(algorithm, message, signature))
        .map_err(|_| BadSignature)
}

/// A private key in this process's memory.
///
/// Accepted are RSA (2048 to 8192 bits), ECDSA on P-256, P-384 and P-521, Ed25519 and ML-DSA, and with the
/// feature `curve448` Ed448.
/// The key is never printed; its memory belongs to the crypto library, which clears it.
pub struct PrivateKey {
    key: Key,
    algorithm: AlgorithmIdentifier,
    schemes: &'static [SignatureScheme],
    /// The same for the key exchange that has it in the certificate.
    agreeing: super::static_ecdh::StaticKey,
}

enum Key {
    Rsa(RsaKey),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    #[cfg(feature = "curve448")]
    Ed448(super::ed448::Ed448Key),
    MlDsa(PqdsaKeyPair),
}

struct RsaKey {
    pair: RsaKeyPair,
    /// The same for what no newer version does.
    #[cfg(feature = "ffi")]
    legacy: super::rsa::LegacyKey,
}

impl From<RsaKeyPair> for RsaKey {
    fn from(pair: RsaKeyPair) -> Self {
        Self {
            pair,
            #[cfg(feature = "ffi")]
            legacy: super::rsa::LegacyKey::default(),
        }
    }
}

/// The kinds of key, by the algorithm of their PKCS#8 and SubjectPublicKeyInfo.
#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    Ecdsa(&'static signature::EcdsaSigningAlgorithm),
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

const KEY_TYPES: &[KeyTypeRow] = &[
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P256,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        schemes: &[
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P384,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        schemes: &[
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::ECDSA_P521,
        key_type: KeyType::Ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        schemes: &[
            SignatureScheme::ECDSA_SECP521R1_SHA512,
            SignatureScheme::ECDSA_SHA1,
        ],
    },
    KeyTypeRow {
        algorithm: alg_id::RSA_ENCRYPTION,
        key_type: KeyType::Rsa,
        // The modulus is the weak side of all three, so the fastest hash comes first.
        schemes: &[
            SignatureScheme::RSA_PSS_RSAE_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
            SignatureScheme::RSA_PSS_RSAE_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            #[cfg(feature = "ffi")]
            SignatureScheme::RSA_PKCS1_MD5_SHA1,
        ],
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
            PrivateKeyDer::Pkcs1(der) => {
                let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(rejected)?;
                Ok(Self::of_type(alg_id::RSA_ENCRYPTION, Key::Rsa(key.into())))
            }
            PrivateKeyDer::Sec1(der) => Self::from_sec1(der.secret_sec1_der()),
            _ => Err(Misuse::new(
                "the private key has an unknown format; convert it to PKCS#8 with \
                 `openssl pkcs8 -topk8 -nocrypt`",
            )),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Misuse> {
        let algorithm = pkcs8_algorithm(pkcs8)
            .ok_or_else(|| Misuse::new("the private key is not valid PKCS#8: it is damaged"))?;
        // RFC 5480 §2.1.1 wants a named curve; explicit parameters of a known one are read, as in
        // the format of RFC 5915.
        if algorithm.starts_with(EXPLICIT_CURVE) {
            return Self::from_sec1(pkcs8);
        }
        let row = KEY_TYPES
            .iter()
            .find(|row| row.algorithm.as_ref() == algorithm)
            .ok_or_else(|| {
                Misuse::new(format!(
                    "the type of the private key is not supported; use {SUPPORTED}"
                ))
            })?;
        let key = match row.key_type {
            KeyType::Rsa => RsaKeyPair::from_pkcs8(pkcs8).map(|pair| Key::Rsa(pair.into())),
            KeyType::Ecdsa(signing) => EcdsaKeyPair::from_pkcs8(signing, pkcs8).map(Key::Ecdsa),
            KeyType::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).map(Key::Ed25519),
            #[cfg(feature = "curve448")]
            KeyType::Ed448 => {
                let key = super::ed448::Ed448Key::from_pkcs8(pkcs8).ok_or_else(|| {
                    Misuse::new("the private key is not an Ed448 key of 57 bytes")
                })?;
                return Ok(Self::of_type(row.algorithm, Key::Ed448(key)));
            }
            KeyType::MlDsa(signing) => PqdsaKeyPair::from_pkcs8(signing, pkcs8).map(Key::MlDsa),
        };
        Ok(Self::of_type(row.algorithm, key.map_err(rejected)?))
    }

    /// RFC 5915: the curve is optional, so each is tried.
    fn from_sec1(sec1: &[u8]) -> Result<Self, Misuse> {
        for row in KEY_TYPES {
            if let KeyType::Ecdsa(signing) = row.key_type
                && let Ok(key) = EcdsaKeyPair::from_private_key_der(signing, sec1)
            {
                return Ok(Self::of_type(row.algorithm, Key::Ecdsa(key)));
            }
        }
        Err(Misuse::new(
            "the EC private key is damaged or not on P-256, P-384 or P-521",
        ))
    }

    fn of_type(algorithm: AlgorithmIdentifier, key: Key) -> Self {
        let schemes = KEY_TYPES
            .iter()
            .find(|row| row.algorithm == algorithm)
            .map(|row| row.schemes)
            .unwrap_or_default();
        Self {
            key,
            algorithm,
            schemes,
            agreeing: super::static_ecdh::StaticKey::default(),
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
            Key::Ecdsa(key) => {
                let hash = match self.schemes.first() {
                    Some(&SignatureScheme::ECDSA_SECP256R1_SHA256) => &digest::SHA256,
                    Some(&SignatureScheme::ECDSA_SECP384R1_SHA384) => &digest::SHA384,
                    Some(&SignatureScheme::ECDSA_SECP521R1_SHA512) => &digest::SHA512,
                    _ => return Err(SignError::SchemeDoesNotFit),
                };
                // Given the message, the library would set up two contexts only to hash it. One call
                // for both: a signature is 4 KiB large there, and is copied out of a second one.
                let digest = match scheme {
                    SignatureScheme::ECDSA_SHA1 => widened(hash, message),
                    _ => Ok(digest::digest(hash, message)),
                };
                let digest = digest.map_err(|_| SignError::Failed)?;
                key.sign_digest(&digest)
                    .map(|signature| signature.as_ref().to_vec())
            }
            Key::Ed25519(key) => key
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            #[cfg(feature = "curve448")]
            Key::Ed448(key) => Ok(key.sign(message)),
            #[cfg(feature = "ffi")]
            Key::Rsa(key) if scheme == SignatureScheme::RSA_PKCS1_MD5_SHA1 => {
                key.legacy.sign(&key.pair, message)
            }
            Key::Rsa(RsaKey { pair: key, .. }) => {
                let padding: &'static dyn RsaEncoding = match scheme {
                    SignatureScheme::RSA_PSS_RSAE_SHA256 => &signature::RSA_PSS_SHA256,
                    SignatureScheme::RSA_PSS_RSAE_SHA384 => &signature::RSA_PSS_SHA384,
                    SignatureScheme::RSA_PSS_RSAE_SHA512 => &signature::RSA_PSS_SHA512,
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
        match &self.key {
            #[cfg(feature = "ffi")]
            Key::Rsa(key) => {
                let block = key.legacy.decrypt_raw(&key.pair, ciphertext);
                block.map_err(|_| SignError::Failed)
            }
            _ => {
                let _ = ciphertext;
                Err(SignError::SchemeDoesNotFit)
            }
        }
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
            Key::Ecdsa(pair) => self.agreeing.agree(pair, curve, peer),
            _ => Err(BadKeyShare),
        }
    }

    /// Whether this is the private half of the key in a SubjectPublicKeyInfo.
    pub(crate) fn is_key_of(&self, spki_der: &[u8]) -> bool {
        let Some((algorithm, public)) = der::public_key_info(spki_der) else {
            return false;
        };
        algorithm == self.algorithm.as_ref()
            && match &self.key {
                Key::Ecdsa(key) => same_point(key.public_key().as_ref(), public),
                Key::Rsa(key) => key.pair.public_key().as_ref() == public,
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

fn rejected(why: aws_lc_rs::error::KeyRejected) -> Misuse {
    Misuse::new(format!(
        "the private key is not acceptable ({why}); use {SUPPORTED}"
    ))
}

/// `privateKeyAlgorithm` of RFC 5958 §2.
fn pkcs8_algorithm(pkcs8: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(Reader::new(pkcs8).contents(der::SEQUENCE)?);
    fields.contents(der::INTEGER)?;
    fields.contents(der::SEQUENCE)
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
#[path = "signature_tests.rs"]
mod tests;
