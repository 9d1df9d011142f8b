//! Keys and signatures of OpenSSL 3 that are accepted where somebody names them: `openssl dgst -sha… -sign`, for
//! RSA-PSS with a salt as long as the hash.

use rustls_pki_types::PrivateKeyDer;

use super::*;
use crate::SignatureScheme;
use crate::version::Version;

const OPENSSL: &str = include_str!("openssl_by_name.txt");
const MESSAGE: &[u8] = b"client_random server_random params";

/// The name of a key, of a scheme, and what is there of both.
fn sections() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    OPENSSL.split('[').skip(1).map(|section| {
        let (title, bytes) = section.split_once("]\n").unwrap();
        let (key, what) = title.split_once(' ').unwrap();
        (key, what, hex(bytes))
    })
}

fn section(key: &str, what: &str) -> Vec<u8> {
    let found = sections().find(|found| (found.0, found.1) == (key, what));
    found.unwrap_or_else(|| panic!("{key} {what}")).2
}

fn private(key: &str) -> Result<PrivateKey, String> {
    let pkcs8 = section(key, "pkcs8");
    let key = PrivateKey::from_der(&PrivateKeyDer::Pkcs8(pkcs8.into()));
    key.map_err(|misuse| misuse.to_string())
}

fn scheme(name: &str) -> SignatureScheme {
    let every = SignatureScheme::SUPPORTED.iter();
    let mut every = every.chain(&[
        SignatureScheme::RSA_PKCS1_SHA1,
        SignatureScheme::RSA_PKCS1_SHA224,
    ]);
    *every.find(|scheme| scheme.name() == Some(name)).unwrap()
}

/// By a configuration that accepts any key that some configuration accepts.
fn verify(scheme: SignatureScheme, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    verify_before_tls13(scheme, spki, message, signature).is_ok()
        || verify_with_short_key(scheme, spki, LEAST_KEY_BITS, message, signature).is_ok()
}

/// `signature` is good by `scheme`, and by no other; and nothing that is like it.
fn assert_good(scheme: SignatureScheme, spki: &[u8], signature: &[u8]) {
    assert!(scheme_fits_key_before_tls13(scheme, spki), "{scheme}");
    assert!(verify(scheme, spki, MESSAGE, signature), "{scheme}");
    assert!(!verify(scheme, spki, b"another", signature));
    for end in [0, 1, signature.len() - 1] {
        assert!(!verify(scheme, spki, MESSAGE, &signature[..end]));
    }
    assert!(!verify(scheme, spki, MESSAGE, &[signature, &[0]].concat()));
    for at in (0..signature.len()).step_by(7) {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(!verify(scheme, spki, MESSAGE, &changed), "{at}");
    }
    for &other in SignatureScheme::SUPPORTED {
        assert_eq!(
            verify(other, spki, MESSAGE, signature),
            other == scheme,
            "{other}"
        );
    }
}

#[test]
fn openssls_signatures_are_good_and_so_are_those_made_here() {
    let mut count = 0;
    for (name, what, signature) in sections() {
        if what == "pkcs8" || what == "spki" {
            continue;
        }
        let is_there = cfg!(feature = "ffi") || !matches!(name, "rsa" | "rsa1024" | "dsa");
        if !is_there {
            continue;
        }
        let (spki, scheme) = (section(name, "spki"), scheme(what));
        assert_good(scheme, &spki, &signature);
        let key = private(name).unwrap();
        assert!(key.is_key_of(&spki), "{name}");
        assert!(key.schemes().contains(&scheme), "{name} {scheme}");
        let signed = key.sign(scheme, MESSAGE).unwrap();
        // PKCS#1 has nothing random.
        if what.starts_with("rsa_pkcs1") {
            assert_eq!(signed, signature, "{name} {scheme}");
        }
        assert_good(scheme, &spki, &signed);
        count += 1;
    }
    assert_eq!(count, if cfg!(feature = "ffi") { 33 } else { 19 });
}

/// RFC 8446 §4.2.3: there an ECDSA scheme is one for a curve, and what is of old does not exist.
#[test]
fn in_tls_1_3_only_what_it_has_is_good() {
    for (name, what, signature) in sections() {
        if what == "pkcs8" || what == "spki" {
            continue;
        }
        let Some(&scheme) = SignatureScheme::SUPPORTED
            .iter()
            .find(|one| one.name() == Some(what))
        else {
            continue;
        };
        let of_curve = matches!(
            (name, scheme),
            ("p256", SignatureScheme::ECDSA_SECP256R1_SHA256)
                | ("p384", SignatureScheme::ECDSA_SECP384R1_SHA384)
                | ("p521", SignatureScheme::ECDSA_SECP521R1_SHA512)
        );
        let spki = section(name, "spki");
        let verified = verify_tls13(scheme, &spki, MESSAGE, &signature).is_ok();
        assert_eq!(
            verified,
            of_curve || name.starts_with("pss"),
            "{name} {scheme}"
        );
        assert_eq!(
            scheme_fits_key(scheme, &spki),
            of_curve
                || name.starts_with("pss")
                || (name == "rsa1024" && scheme.signs_in(Version::V1_3)),
            "{name} {scheme}"
        );
    }
}

/// A key in RSA-PSS form signs with nothing else, and another RSA key never so (RFC 8446 §4.2.3).
#[test]
fn forms_of_rsa_keys_do_not_mix() {
    let (pss, rsa) = (section("pss", "spki"), section("rsa", "spki"));
    for &scheme in SignatureScheme::SUPPORTED {
        if scheme.is_rsa() {
            assert_eq!(
                scheme_fits_key_before_tls13(scheme, &pss),
                scheme.is_pss_form()
            );
            assert_eq!(
                scheme_fits_key_before_tls13(scheme, &rsa),
                !scheme.is_pss_form()
            );
        }
    }
    let key = private("pss").unwrap();
    assert_eq!(key.schemes().len(), 3);
    assert!(
        key.sign(SignatureScheme::RSA_PSS_RSAE_SHA256, MESSAGE)
            .is_err()
    );
    // It encrypts nothing either.
    assert_eq!(encrypting_bits(&pss), None);
    assert_eq!(encrypting_bits(&rsa), Some(2_048));
    assert_eq!([modulus_bits(&pss), modulus_bits(&rsa)], [Some(2_048); 2]);
    assert!(key.decrypt_raw(&[2; 256]).is_err());
}

#[test]
fn a_restricted_key_signs_with_one_hash() {
    let (key, spki) = (private("pss384").unwrap(), section("pss384", "spki"));
    let only = SignatureScheme::RSA_PSS_PSS_SHA384;
    assert_eq!(key.schemes(), [only]);
    assert!(is_known_key(&spki, &[only]));
    assert!(!is_known_key(&spki, SignatureScheme::DEFAULT));
    assert!(!is_known_key(&spki, &[SignatureScheme::RSA_PSS_PSS_SHA256]));
    for &scheme in SignatureScheme::SUPPORTED {
        assert_eq!(scheme_fits_key(scheme, &spki), scheme == only);
    }
}

/// OpenSSL's defaults are SHA-1, for MGF1 too where a hash is named alone.
#[test]
fn keys_restricted_to_what_tls_has_not_are_refused_in_a_sentence() {
    for name in ["pss1", "pss512-mgf1-sha1"] {
        let error = private(name).unwrap_err();
        assert!(
            error.contains("RSA-PSS form with parameters that TLS has no scheme for"),
            "{error}"
        );
        assert!(!is_known_key(
            &section(name, "spki"),
            SignatureScheme::SUPPORTED
        ));
    }
}

#[test]
fn short_keys_are_short() {
    let (spki, name) = (section("rsa1024", "spki"), "rsa_pkcs1_sha256");
    let (scheme, signature) = (scheme(name), section("rsa1024", name));
    assert_eq!(modulus_bits(&spki), Some(1_024));
    assert!(verify_before_tls13(scheme, &spki, MESSAGE, &signature).is_err());
    for (least, expected) in [(1_024, true), (1_025, false), (2_048, false)] {
        let verified = verify_with_short_key(scheme, &spki, least, MESSAGE, &signature);
        assert_eq!(verified.is_ok(), expected && cfg!(feature = "ffi"));
    }
    match private("rsa1024") {
        Ok(key) => {
            assert_eq!(key.schemes().len(), 8);
            // RFC 8017 §9.1.1: it has no room for SHA-512 twice.
            let pss = SignatureScheme::RSA_PSS_RSAE_SHA512;
            assert!(!key.schemes().contains(&pss) && !key_is_long_enough(pss, &spki));
        }
        Err(error) => assert!(error.contains("too short"), "{error}"),
    }
}

#[test]
fn dsa_is_there_with_a_feature() {
    let spki = section("dsa", "spki");
    assert_eq!(prime_bits(&spki), Some(2_048));
    assert_eq!(prime_bits(&section("rsa", "spki")), None);
    assert_eq!(is_known_key(&spki, SignatureScheme::SUPPORTED), HAS_DSA);
    assert!(!is_known_key(&spki, SignatureScheme::DEFAULT));
    match private("dsa") {
        Ok(key) => {
            assert!(HAS_DSA && key.is_key_of(&spki) && !key.is_key_of(&section("rsa", "spki")));
        }
        Err(error) => assert!(
            !HAS_DSA && error.contains("needs the feature `ffi`"),
            "{error}"
        ),
    }
}
