//! Signatures before TLS 1.2, which do not say how they were made: RSA signs MD5 and SHA-1 together,
//! ECDSA and DSA sign SHA-1.
//!
//! RFC 4346 §7.4.3, §7.4.8, RFC 8422 §5.10.

use rustls_pki_types::alg_id;

use super::HAS_DSA;
use super::ecdsa::Curve;
use super::key_length::ID_DSA;
use crate::SignatureScheme;
use crate::der;

/// Whether RSA keys can sign and verify before TLS 1.2: no safe interface of the library does it, and
/// the one that is not comes with a feature.
pub(crate) const HAS_RSA: bool = cfg!(feature = "ffi");

/// How the key in this SubjectPublicKeyInfo signs; `None` for one that has no place there.
pub(crate) fn scheme_before_tls12(spki_der: &[u8]) -> Option<SignatureScheme> {
    let (algorithm, _) = der::public_key_info(spki_der)?;
    if algorithm == alg_id::RSA_ENCRYPTION.as_ref() {
        return HAS_RSA.then_some(SignatureScheme::RSA_PKCS1_MD5_SHA1);
    }
    if algorithm.starts_with(ID_DSA) {
        return HAS_DSA.then_some(SignatureScheme::DSA_SHA1);
    }
    Curve::of(algorithm).map(|_| SignatureScheme::ECDSA_SHA1)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature;
    #[cfg(feature = "ffi")]
    use rcgen::RsaKeySize;
    use rustls_pki_types::PrivateKeyDer;

    use super::*;
    use crate::crypto::{
        PrivateKey, hex, scheme_fits_key_before_tls13, verify_before_tls13, verify_tls13,
    };
    use crate::version::Version;

    /// Keys and signatures of OpenSSL.
    const OPENSSL: &str = include_str!("openssl_before_tls12.txt");
    const MESSAGE: &[u8] = b"client_random server_random params";

    fn section(title: &str) -> Vec<u8> {
        let (_, rest) = OPENSSL.split_once(&format!("[{title}]\n")).unwrap();
        hex(rest.split('[').next().unwrap())
    }

    fn private(pkcs8: &[u8]) -> PrivateKey {
        PrivateKey::from_der(&PrivateKeyDer::Pkcs8(pkcs8.into())).unwrap()
    }

    /// `signature` is good by `scheme`, and by no other; and nothing that is like it.
    fn assert_good(scheme: SignatureScheme, spki: &[u8], signature: &[u8]) {
        assert!(scheme_fits_key_before_tls13(scheme, spki));
        assert_eq!(scheme_before_tls12(spki), Some(scheme));
        let verify =
            |message, signature: &[u8]| verify_before_tls13(scheme, spki, message, signature);
        assert_eq!(verify(MESSAGE, signature), Ok(()));
        assert!(verify(b"another", signature).is_err());
        for end in [0, 1, signature.len() - 1] {
            assert!(verify(MESSAGE, &signature[..end]).is_err());
        }
        assert!(verify(MESSAGE, &[signature, &[0]].concat()).is_err());
        for at in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[at] ^= 1;
            assert!(verify(MESSAGE, &changed).is_err(), "{at}");
        }
        let others = SignatureScheme::SUPPORTED.iter();
        for &other in others.chain(SignatureScheme::BEFORE_TLS12) {
            if other != scheme {
                assert!(verify_before_tls13(other, spki, MESSAGE, signature).is_err());
            }
            assert!(verify_tls13(other, spki, MESSAGE, signature).is_err());
        }
        for version in Version::ALL {
            // RFC 9155: in TLS 1.2 only where it is named.
            let in_tls12 = version == Version::V1_2 && scheme == SignatureScheme::ECDSA_SHA1;
            assert_eq!(
                scheme.signs_in(version),
                version < Version::V1_2 || in_tls12
            );
        }
    }

    #[test]
    fn ecdsa_of_openssl_is_good_on_every_curve() {
        for curve in ["P-256", "P-384", "P-521"] {
            let spki = section(&format!("{curve}_spki"));
            let signature = section(&format!("{curve}_signature"));
            assert_good(SignatureScheme::ECDSA_SHA1, &spki, &signature);
        }
    }

    #[test]
    fn ecdsa_signs_on_every_curve() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
            let scheme = SignatureScheme::ECDSA_SHA1;
            let signature = private(pair.serialized_der()).sign(scheme, MESSAGE);
            assert_good(scheme, &spki, &signature.unwrap());
        }
    }

    /// The library knows SHA-1 on two curves, and agrees about what was signed there.
    #[test]
    fn the_library_verifies_sha_1_as_it_is() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let signed = private(pair.serialized_der()).sign(SignatureScheme::ECDSA_SHA1, MESSAGE);
        let (algorithm, signed) = (&signature::ECDSA_P256_SHA1_ASN1, signed.unwrap());
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let (_, public) = der::public_key_info(&spki).unwrap();
        let key = signature::UnparsedPublicKey::new(algorithm, public);
        assert!(key.verify(MESSAGE, &signed).is_ok());
    }

    #[cfg(feature = "ffi")]
    #[test]
    fn rsa_signs_as_openssl_does() {
        let (scheme, spki) = (SignatureScheme::RSA_PKCS1_MD5_SHA1, section("rsa_spki"));
        let expected = section("rsa_signature");
        let key = private(&section("rsa_pkcs8"));
        // The second time the key is there.
        for _ in 0..2 {
            assert_eq!(key.sign(scheme, MESSAGE), Ok(expected.clone()));
        }
        assert_good(scheme, &spki, &expected);
    }

    #[cfg(feature = "ffi")]
    #[test]
    fn rsa_keys_of_other_lengths_and_damaged_ones() {
        let scheme = SignatureScheme::RSA_PKCS1_MD5_SHA1;
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072);
        let pair = pair.unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let signature = private(pair.serialized_der())
            .sign(scheme, MESSAGE)
            .unwrap();
        assert_good(scheme, &spki, &signature);
        // A modulus that is even, short, or as long as the field lets it be; an exponent of 0, of 1.
        let (_, public) = der::public_key_info(&spki).unwrap();
        let modulus = [&[0][..], &[0xb3; 256]].concat();
        let even = [&modulus[..256], &[2]].concat();
        let long = [&[0][..], &[0xb3; 2_000]].concat();
        let exponents: [&[u8]; 5] = [&[], &[0], &[1], &[2], &[0x7f; 9]];
        for modulus in [&modulus[..], &even, &long, &modulus[..60], &[0], &[]] {
            for exponent in exponents.iter().chain(&[&[1, 0, 1][..]]) {
                let key = rsa_public_key(modulus, exponent);
                assert!(verify_before_tls13(scheme, &rsa_spki(&key), MESSAGE, &signature).is_err());
            }
        }
        for end in 0..public.len() {
            assert!(
                verify_before_tls13(scheme, &rsa_spki(&public[..end]), MESSAGE, &signature)
                    .is_err()
            );
        }
        assert!(verify_before_tls13(scheme, &rsa_spki(public), MESSAGE, &signature).is_ok());
        let longer = [public, &[0]].concat();
        assert!(verify_before_tls13(scheme, &rsa_spki(&longer), MESSAGE, &signature).is_err());
    }

    #[cfg(feature = "ffi")]
    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        let header = match length {
            0..0x80 => vec![tag, length as u8],
            0x80..0x100 => vec![tag, 0x81, length as u8],
            _ => [&[tag, 0x82][..], &length.to_be_bytes()].concat(),
        };
        [&header, value].concat()
    }

    #[cfg(feature = "ffi")]
    fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let fields = [
            element(der::INTEGER, modulus),
            element(der::INTEGER, exponent),
        ];
        element(der::SEQUENCE, &fields.concat())
    }

    #[cfg(feature = "ffi")]
    fn rsa_spki(public: &[u8]) -> Vec<u8> {
        let algorithm = element(der::SEQUENCE, alg_id::RSA_ENCRYPTION.as_ref());
        let key = element(der::BIT_STRING, &[&[0], public].concat());
        element(der::SEQUENCE, &[algorithm, key].concat())
    }

    #[test]
    fn other_keys_have_no_place_before_tls_1_2() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        assert_eq!(scheme_before_tls12(&spki), None);
        let key = private(pair.serialized_der());
        let mut schemes = key.schemes().iter();
        assert!(!schemes.any(|scheme| scheme.signs_in(Version::V1_1)));
        for &scheme in SignatureScheme::BEFORE_TLS12 {
            assert!(!scheme_fits_key_before_tls13(scheme, &spki));
            assert!(verify_before_tls13(scheme, &spki, MESSAGE, &[7; 64]).is_err());
        }
        assert_eq!(scheme_before_tls12(b""), None);
    }
}
