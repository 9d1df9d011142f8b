//! Signatures before TLS 1.3, where an ECDSA scheme names a hash and no curve, and RSA may sign
//! with PKCS#1.
//!
//! RFC 5246 §7.4.1.4.1, RFC 8422 §5.1.1, §5.10; RFC 8446 §4.2.3 for the schemes that it brought to
//! TLS 1.2 too.

use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

use super::signature::{BadSignature, verification_algorithm};
use super::signature_before_tls12::{scheme_before_tls12, verify_before_tls12};
use super::verification::{self as verifying, Algorithm};
use crate::der;
use crate::version::Version;
use crate::{NamedGroup, SignatureScheme};

/// How a scheme is verified with this key; `None` if it does not fit, or is none of TLS 1.2.
fn algorithm_for(scheme: SignatureScheme, spki_der: &[u8]) -> Option<&'static Algorithm> {
    let candidates = match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256 => [
            &verifying::ECDSA_P256_SHA256,
            &verifying::ECDSA_P384_SHA256,
            &verifying::ECDSA_P521_SHA256,
        ],
        SignatureScheme::ECDSA_SECP384R1_SHA384 => [
            &verifying::ECDSA_P256_SHA384,
            &verifying::ECDSA_P384_SHA384,
            &verifying::ECDSA_P521_SHA384,
        ],
        SignatureScheme::ECDSA_SECP521R1_SHA512 => [
            &verifying::ECDSA_P256_SHA512,
            &verifying::ECDSA_P384_SHA512,
            &verifying::ECDSA_P521_SHA512,
        ],
        SignatureScheme::RSA_PKCS1_SHA256 => [&verifying::RSA_PKCS1_2048_8192_SHA256; 3],
        SignatureScheme::RSA_PKCS1_SHA384 => [&verifying::RSA_PKCS1_2048_8192_SHA384; 3],
        SignatureScheme::RSA_PKCS1_SHA512 => [&verifying::RSA_PKCS1_2048_8192_SHA512; 3],
        other if other.signs_in(Version::V1_2) => [verification_algorithm(other)?; 3],
        _ => return None,
    };
    let (key_algorithm, _) = der::public_key_info(spki_der)?;
    candidates
        .into_iter()
        .find(|algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm)
}

/// The curve of an ECDSA key. Before TLS 1.3 it is negotiated apart from the scheme, together with
/// the curve of the key exchange (RFC 8422 §5.1).
pub(crate) fn ecdsa_curve(spki_der: &[u8]) -> Option<NamedGroup> {
    let (key_algorithm, _) = der::public_key_info(spki_der)?;
    let curves = [
        (&verifying::ECDSA_P256_SHA256, NamedGroup::SECP256R1),
        (&verifying::ECDSA_P384_SHA384, NamedGroup::SECP384R1),
        (&verifying::ECDSA_P521_SHA512, NamedGroup::SECP521R1),
    ];
    let (_, curve) = curves
        .into_iter()
        .find(|(algorithm, _)| algorithm.public_key_alg_id().as_ref() == key_algorithm)?;
    Some(curve)
}

/// Whether the scheme may be used with this SubjectPublicKeyInfo before TLS 1.3. To be asked before
/// [`verify_before_tls13`], as [`scheme_fits_key`](super::scheme_fits_key).
pub(crate) fn scheme_fits_key_before_tls13(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    match SignatureScheme::BEFORE_TLS12.contains(&scheme) {
        true => scheme_before_tls12(spki_der) == Some(scheme),
        false => algorithm_for(scheme, spki_der).is_some(),
    }
}

/// Verifies the signature of a ServerKeyExchange or CertificateVerify; `message` is all that is
/// signed, which the scheme hashes.
///
/// # Errors
/// When the scheme is none of before TLS 1.3, does not fit the key, or the signature is wrong.
pub(crate) fn verify_before_tls13(
    scheme: SignatureScheme,
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    if SignatureScheme::BEFORE_TLS12.contains(&scheme) {
        return match scheme_before_tls12(spki_der) == Some(scheme) {
            true => verify_before_tls12(spki_der, message, signature),
            false => Err(BadSignature),
        };
    }
    let algorithm = algorithm_for(scheme, spki_der).ok_or(BadSignature)?;
    let spki = SubjectPublicKeyInfoDer::from(spki_der);
    RawPublicKeyEntity::try_from(&spki)
        .and_then(|key| key.verify_signature(algorithm, message, signature))
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use rcgen::{PublicKeyData, RsaKeySize};
    use rustls_pki_types::PrivateKeyDer;

    use super::*;
    use crate::crypto::{HAS_RSA, PrivateKey, verify_tls13};

    const MESSAGE: &[u8] = b"client_random server_random params";
    const ECDSA: [SignatureScheme; 3] = [
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512,
    ];

    fn private(pair: &rcgen::KeyPair) -> PrivateKey {
        PrivateKey::from_der(&PrivateKeyDer::Pkcs8(pair.serialize_der().into())).unwrap()
    }

    /// Verifies `signature` by `scheme`, and nothing that is like it.
    fn assert_good(scheme: SignatureScheme, spki: &[u8], signature: &[u8]) {
        let verify = |scheme, message, signature: &[u8]| {
            verify_before_tls13(scheme, spki, message, signature)
        };
        assert_eq!(verify(scheme, MESSAGE, signature), Ok(()), "{scheme}");
        assert!(verify(scheme, b"another", signature).is_err());
        assert!(verify(scheme, MESSAGE, &[]).is_err());
        let mut changed = signature.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(verify(scheme, MESSAGE, &changed).is_err());
        for &other in SignatureScheme::SUPPORTED
            .iter()
            .chain(SignatureScheme::CERTIFICATE_ONLY)
        {
            if other != scheme {
                let verdict = verify(other, MESSAGE, signature);
                assert!(verdict.is_err(), "{other} for {scheme}");
            }
        }
    }

    #[test]
    fn every_key_signs_with_what_it_says() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let (key, spki) = (private(&pair), pair.subject_public_key_info());
            let signs = |scheme: &&SignatureScheme| scheme.signs_in(Version::V1_2);
            for &scheme in key.schemes().iter().filter(signs) {
                assert!(scheme_fits_key_before_tls13(scheme, &spki));
                assert_good(scheme, &spki, &key.sign(scheme, MESSAGE).unwrap());
            }
        }
    }

    #[test]
    fn rsa_signs_with_either_padding_and_pkcs1_only_before_tls13() {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048);
        let pair = pair.unwrap();
        let (key, spki) = (private(&pair), pair.subject_public_key_info());
        assert_eq!(key.schemes().len(), 6 + usize::from(HAS_RSA));
        let signs = |scheme: &&SignatureScheme| scheme.signs_in(Version::V1_2);
        for &scheme in key.schemes().iter().filter(signs) {
            let signature = key.sign(scheme, MESSAGE).unwrap();
            assert_good(scheme, &spki, &signature);
            let is_pss = scheme.allowed_in_tls13_certificate_verify();
            let verdict = verify_tls13(scheme, &spki, MESSAGE, &signature);
            assert_eq!(verdict.is_ok(), is_pss, "{scheme}");
        }
        // The best of both first: PKCS#1 is what is left.
        let is_pkcs1 = |scheme: &SignatureScheme| !scheme.allowed_in_tls13_certificate_verify();
        assert!(key.schemes().is_sorted_by_key(is_pkcs1));
        let sha1 = SignatureScheme::RSA_PKCS1_SHA1;
        assert!(!scheme_fits_key_before_tls13(sha1, &spki));
        assert_eq!(ecdsa_curve(&spki), None);
    }

    /// RFC 5246 §7.4.1.4.1: the curve is a matter of supported_groups.
    #[test]
    fn an_ecdsa_scheme_fits_any_curve() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{self, EcdsaKeyPair};
        for (algorithm, curve) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, NamedGroup::SECP256R1),
            (&rcgen::PKCS_ECDSA_P384_SHA384, NamedGroup::SECP384R1),
            (&rcgen::PKCS_ECDSA_P521_SHA512, NamedGroup::SECP521R1),
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let spki = pair.subject_public_key_info();
            assert_eq!(ecdsa_curve(&spki), Some(curve));
            for scheme in ECDSA {
                assert!(scheme_fits_key_before_tls13(scheme, &spki), "{scheme}");
            }
        }
        // Of the curves the library signs only on this one with another hash.
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let spki = pair.subject_public_key_info();
        for (signing, scheme) in [
            (&signature::ECDSA_P521_SHA256_ASN1_SIGNING, ECDSA[0]),
            (&signature::ECDSA_P521_SHA384_ASN1_SIGNING, ECDSA[1]),
        ] {
            let key = EcdsaKeyPair::from_pkcs8(signing, pair.serialized_der()).unwrap();
            let signature = key.sign(&SystemRandom::new(), MESSAGE).unwrap();
            assert_good(scheme, &spki, signature.as_ref());
            assert!(verify_tls13(scheme, &spki, MESSAGE, signature.as_ref()).is_err());
        }
    }

    #[test]
    fn ml_dsa_came_with_tls13() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44).unwrap();
        let (key, spki) = (private(&pair), pair.subject_public_key_info());
        let scheme = SignatureScheme::MLDSA44;
        let signature = key.sign(scheme, MESSAGE).unwrap();
        assert_eq!(verify_tls13(scheme, &spki, MESSAGE, &signature), Ok(()));
        assert!(!scheme_fits_key_before_tls13(scheme, &spki));
        assert!(verify_before_tls13(scheme, &spki, MESSAGE, &signature).is_err());
    }
}
