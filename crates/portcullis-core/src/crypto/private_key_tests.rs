use rcgen::{PublicKeyData, RsaKeySize, SignatureAlgorithm};

use super::super::signature::{scheme_fits_key, verify_tls13};
use super::*;

const MESSAGE: &[u8] = b"TLS 1.3, server CertificateVerify";

fn pkcs8(key: &rcgen::KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}

fn in_tls13(scheme: &SignatureScheme) -> bool {
    scheme.allowed_in_tls13_certificate_verify()
}

#[test]
fn every_key_type_signs_and_verifies() {
    let algorithms: &[(&SignatureAlgorithm, SignatureScheme)] = &[
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            SignatureScheme::ECDSA_SECP256R1_SHA256,
        ),
        (
            &rcgen::PKCS_ECDSA_P384_SHA384,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
        ),
        (
            &rcgen::PKCS_ECDSA_P521_SHA512,
            SignatureScheme::ECDSA_SECP521R1_SHA512,
        ),
        (&rcgen::PKCS_ED25519, SignatureScheme::ED25519),
        (&rcgen::PKCS_ML_DSA_44, SignatureScheme::MLDSA44),
        (&rcgen::PKCS_ML_DSA_65, SignatureScheme::MLDSA65),
        (&rcgen::PKCS_ML_DSA_87, SignatureScheme::MLDSA87),
        (
            &rcgen::PKCS_RSA_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
        ),
    ];
    for (algorithm, scheme) in algorithms {
        let pair = if *algorithm == &rcgen::PKCS_RSA_SHA256 {
            rcgen::KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap()
        } else {
            rcgen::KeyPair::generate_for(algorithm).unwrap()
        };
        let spki = pair.subject_public_key_info();
        let key = PrivateKey::from_der(&pkcs8(&pair)).unwrap();
        assert_eq!(key.schemes().first(), Some(scheme));
        assert!(key.is_key_of(&spki), "{scheme}");
        let in_tls13 = |one: &SignatureScheme| {
            // There an ECDSA scheme is one for a curve.
            in_tls13(one) && (one.curve().is_none() || one == scheme)
        };
        for &scheme in key.schemes().iter().filter(|one| in_tls13(one)) {
            let mut signature = key.sign(scheme, MESSAGE).unwrap();
            assert_eq!(verify_tls13(scheme, &spki, MESSAGE, &signature), Ok(()));
            assert!(verify_tls13(scheme, &spki, b"other", &signature).is_err());
            *signature.last_mut().unwrap() ^= 1;
            assert!(verify_tls13(scheme, &spki, MESSAGE, &signature).is_err());
            assert!(verify_tls13(scheme, &spki, MESSAGE, &[]).is_err());
        }
        for &other in SignatureScheme::SUPPORTED {
            let has = key.schemes().contains(&other);
            assert_eq!(key.sign(other, MESSAGE).is_ok(), has);
            let fits = has && in_tls13(&other);
            assert_eq!(scheme_fits_key(other, &spki), fits, "{other} on {scheme}");
        }
        assert!(!scheme_fits_key(SignatureScheme::RSA_PKCS1_SHA256, &spki));
        assert!(!format!("{key:?}").contains("key_pair"));
    }
}

#[test]
fn another_key_is_not_the_key() {
    let [one, two] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
    let key = PrivateKey::from_der(&pkcs8(&one)).unwrap();
    assert!(!key.is_key_of(&two.subject_public_key_info()));
    assert!(!key.is_key_of(b""));
}

#[test]
fn compressed_points_are_recognised() {
    let mut point = [9; 65];
    point[0] = 4;
    point[33..].fill(7);
    let mut compressed = [9; 33];
    compressed[0] = 3;
    assert!(same_point(&point, &compressed));
    compressed[0] = 2;
    assert!(!same_point(&point, &compressed));
    compressed[0] = 3;
    compressed[1] = 0;
    assert!(!same_point(&point, &compressed));
}

#[test]
fn damaged_keys_are_refused_in_a_sentence() {
    let error = PrivateKey::from_der(&PrivateKeyDer::Pkcs8(vec![0x30, 3, 2, 1, 0].into()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("PKCS#8"), "{error}");
    assert!(PrivateKey::from_der(&PrivateKeyDer::Sec1(vec![1, 2].into())).is_err());
    assert!(PrivateKey::from_der(&PrivateKeyDer::Pkcs1(vec![1, 2].into())).is_err());
}
