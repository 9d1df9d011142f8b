//! Signatures: which scheme goes with which key, and verifying in TLS 1.3.
//!
//! RFC 8446 §4.2.3, §4.4.3; ML-DSA from FIPS 204 and draft-ietf-tls-mldsa.

use aws_lc_rs::digest;
use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};

use super::key_length::ID_DSA;
use super::pss_form;
use super::verification::{self as verifying, Algorithm};
use crate::SignatureScheme;
use crate::der;

/// The signature was not made by this key over this message, or the key is not fit for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadSignature;

/// What a scheme hashes a message with, if it is one hash, and part of the scheme.
pub(super) fn hash_of(scheme: SignatureScheme) -> Option<&'static digest::Algorithm> {
    use SignatureScheme as S;
    Some(match scheme {
        S::RSA_PKCS1_SHA1 | S::ECDSA_SHA1 | S::DSA_SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        S::RSA_PKCS1_SHA224 | S::ECDSA_SHA224 | S::DSA_SHA224 => &digest::SHA224,
        S::RSA_PKCS1_SHA256
        | S::RSA_PSS_RSAE_SHA256
        | S::RSA_PSS_PSS_SHA256
        | S::ECDSA_SECP256R1_SHA256
        | S::DSA_SHA256 => &digest::SHA256,
        S::RSA_PKCS1_SHA384
        | S::RSA_PSS_RSAE_SHA384
        | S::RSA_PSS_PSS_SHA384
        | S::ECDSA_SECP384R1_SHA384
        | S::DSA_SHA384 => &digest::SHA384,
        S::RSA_PKCS1_SHA512
        | S::RSA_PSS_RSAE_SHA512
        | S::RSA_PSS_PSS_SHA512
        | S::ECDSA_SECP521R1_SHA512
        | S::DSA_SHA512 => &digest::SHA512,
        _ => return None,
    })
}

/// How a scheme is verified in CertificateVerify: §4.2.3 fixes the curve of an ECDSA scheme, and
/// which form of key a scheme of RSA-PSS needs.
pub(super) fn verification_algorithm(scheme: SignatureScheme) -> Option<&'static Algorithm> {
    use SignatureScheme as S;
    Some(match scheme {
        S::ECDSA_SECP256R1_SHA256 => &verifying::ECDSA_P256_SHA256,
        S::ECDSA_SECP384R1_SHA384 => &verifying::ECDSA_P384_SHA384,
        S::ECDSA_SECP521R1_SHA512 => &verifying::ECDSA_P521_SHA512,
        S::ED25519 => &verifying::ED25519,
        #[cfg(feature = "curve448")]
        S::ED448 => &verifying::ED448,
        S::RSA_PSS_RSAE_SHA256 | S::RSA_PSS_PSS_SHA256 => {
            &verifying::RSA_PSS_2048_8192_SHA256_LEGACY_KEY
        }
        S::RSA_PSS_RSAE_SHA384 | S::RSA_PSS_PSS_SHA384 => {
            &verifying::RSA_PSS_2048_8192_SHA384_LEGACY_KEY
        }
        S::RSA_PSS_RSAE_SHA512 | S::RSA_PSS_PSS_SHA512 => {
            &verifying::RSA_PSS_2048_8192_SHA512_LEGACY_KEY
        }
        S::MLDSA44 => &verifying::ML_DSA_44,
        S::MLDSA65 => &verifying::ML_DSA_65,
        S::MLDSA87 => &verifying::ML_DSA_87,
        _ => return None,
    })
}

/// The algorithm and the key in a SubjectPublicKeyInfo, if the scheme fits the key in TLS 1.3.
pub(super) fn fitting(
    scheme: SignatureScheme,
    spki_der: &[u8],
) -> Option<(&'static Algorithm, &[u8])> {
    let verification = verification_algorithm(scheme)?;
    let (algorithm, key) = der::public_key_info(spki_der)?;
    let fits = match scheme.is_pss_form() {
        true => pss_form::schemes(algorithm)?.contains(&scheme),
        false => verification.public_key_alg_id().as_ref() == algorithm,
    };
    fits.then_some((verification, key))
}

/// Whether the scheme may be used with this SubjectPublicKeyInfo in TLS 1.3.
///
/// To be asked before [`verify_tls13`], because a scheme that does not fit is another violation
/// (`illegal_parameter`) than a signature that does not verify (`decrypt_error`).
pub(crate) fn scheme_fits_key(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    fitting(scheme, spki_der).is_some()
}

/// Whether any scheme may be used with this SubjectPublicKeyInfo. Keys of DSA and in RSA-PSS form are known where
/// one of their schemes is accepted.
pub(crate) fn is_known_key(spki_der: &[u8], accepted: &[SignatureScheme]) -> bool {
    let Some((key_algorithm, _)) = der::public_key_info(spki_der) else {
        return false;
    };
    if let Some(schemes) = pss_form::schemes(key_algorithm) {
        return schemes.iter().any(|scheme| accepted.contains(scheme));
    }
    if key_algorithm.starts_with(ID_DSA) {
        return accepted.iter().any(|scheme| scheme.is_dsa());
    }
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
    let (algorithm, key) = fitting(scheme, spki_der).ok_or(BadSignature)?;
    algorithm
        .verify_signature(key, message, signature)
        .map_err(|_| BadSignature)
}

/// Verifies with an RSA key of `least` to 2,047 bits, of any version that has the scheme: where a
/// configuration accepts such a key, which the others do not verify with.
///
/// # Errors
/// When the key is none, the scheme does not fit it, or the signature is wrong.
pub(crate) fn verify_with_short_key(
    scheme: SignatureScheme,
    spki_der: &[u8],
    least: u32,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let (algorithm, key) = der::public_key_info(spki_der).ok_or(BadSignature)?;
    let fits = match pss_form::schemes(algorithm) {
        Some(schemes) => schemes.contains(&scheme),
        None => algorithm == alg_id::RSA_ENCRYPTION.as_ref() && !scheme.is_pss_form(),
    };
    match fits {
        true => super::rsa::verify_short(scheme, key, least, message, signature),
        false => Err(BadSignature),
    }
}
