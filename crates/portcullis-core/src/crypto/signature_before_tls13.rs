//! Signatures before TLS 1.3, where an ECDSA scheme names a hash and no curve, and RSA may sign
//! with PKCS#1.
//!
//! RFC 5246 §7.4.1.4.1, RFC 8422 §5.1.3, §5.10; RFC 8446 §4.2.3 for the schemes that it brought to
//! TLS 1.2 too.

use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};

use super::ecdsa::Curve;
use super::key_length::{ID_DSA, USUAL_KEY_BITS, rsa_bits};
use super::signature::{BadSignature, fitting};
use super::verification::{self as verifying, Algorithm};
use super::{HAS_DSA, HAS_RSA, dsa, rsa};
use crate::der;
use crate::version::Version;
use crate::{NamedGroup, SignatureScheme};

/// How a scheme is verified with a key, and the key.
enum Verification<'a> {
    /// As in TLS 1.3, or with PKCS#1 and a hash of today.
    Library(&'static Algorithm, &'a [u8]),
    /// With any hash.
    Ecdsa(&'static Curve, &'a [u8]),
    /// With hashes of old.
    Rsa(&'a [u8]),
    /// With a SubjectPublicKeyInfo.
    Dsa(&'a [u8]),
}

/// `None` if the scheme does not fit the key, or is none of before TLS 1.3.
fn verification(scheme: SignatureScheme, spki_der: &[u8]) -> Option<Verification<'_>> {
    use SignatureScheme as S;
    let (algorithm, key) = der::public_key_info(spki_der)?;
    let is_rsa = || algorithm == alg_id::RSA_ENCRYPTION.as_ref();
    match scheme {
        // Of the library's own, where it has them: the one on the curve of the key.
        S::ECDSA_SHA1
        | S::ECDSA_SHA224
        | S::ECDSA_SECP256R1_SHA256
        | S::ECDSA_SECP384R1_SHA384
        | S::ECDSA_SECP521R1_SHA512 => {
            Curve::of(algorithm).map(|curve| Verification::Ecdsa(curve, key))
        }
        S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512 => {
            let pkcs1 = match scheme {
                S::RSA_PKCS1_SHA256 => &verifying::RSA_PKCS1_2048_8192_SHA256,
                S::RSA_PKCS1_SHA384 => &verifying::RSA_PKCS1_2048_8192_SHA384,
                _ => &verifying::RSA_PKCS1_2048_8192_SHA512,
            };
            is_rsa().then_some(Verification::Library(pkcs1, key))
        }
        S::RSA_PKCS1_MD5_SHA1 | S::RSA_PKCS1_SHA1 | S::RSA_PKCS1_SHA224 => {
            (HAS_RSA && is_rsa()).then_some(Verification::Rsa(key))
        }
        dsa if dsa.is_dsa() => {
            (HAS_DSA && algorithm.starts_with(ID_DSA)).then_some(Verification::Dsa(spki_der))
        }
        other if other.signs_in(Version::V1_2) => {
            let (algorithm, key) = fitting(other, spki_der)?;
            Some(Verification::Library(algorithm, key))
        }
        _ => None,
    }
}

/// The curve of an ECDSA key. Before TLS 1.3 it is negotiated apart from the scheme, together with
/// the curve of the key exchange (RFC 8422 §5.1).
pub(crate) fn ecdsa_curve(spki_der: &[u8]) -> Option<NamedGroup> {
    let (key_algorithm, _) = der::public_key_info(spki_der)?;
    Curve::of(key_algorithm).map(|curve| curve.group)
}

/// Whether the scheme may be used with this SubjectPublicKeyInfo before TLS 1.3. To be asked before
/// [`verify_before_tls13`], as [`scheme_fits_key`](super::scheme_fits_key).
pub(crate) fn scheme_fits_key_before_tls13(scheme: SignatureScheme, spki_der: &[u8]) -> bool {
    verification(scheme, spki_der).is_some()
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
    match verification(scheme, spki_der).ok_or(BadSignature)? {
        Verification::Library(algorithm, key) => {
            let verified = algorithm.verify_signature(key, message, signature);
            verified.map_err(|_| BadSignature)
        }
        Verification::Ecdsa(curve, key) => curve.verify(scheme, key, message, signature),
        Verification::Rsa(key) => {
            rsa::verify(scheme, key, rsa_bits(USUAL_KEY_BITS), message, signature)
        }
        Verification::Dsa(spki) => dsa::verify(scheme, spki, message, signature),
    }
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
        assert_eq!(key.schemes().len(), 6 + 3 * usize::from(HAS_RSA));
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
        assert_eq!(scheme_fits_key_before_tls13(sha1, &spki), HAS_RSA);
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
