//! The table against OTP's counts, and names there and back.

use super::*;

#[test]
fn as_many_as_otp_lists() {
    use ProtocolVersion as V;
    let count = |version, set| suites(version, set).len();
    assert_eq!(count(V::TLS_1_3, SuiteSet::Default), 48);
    assert_eq!(count(V::TLS_1_2, SuiteSet::Default), 43);
    assert_eq!(count(V::DTLS_1_2, SuiteSet::Default), 43);
    for old in [V::TLS_1_1, V::TLS_1_0, V::DTLS_1_0] {
        assert_eq!(count(old, SuiteSet::Default), 12);
    }
    assert_eq!(count(V::TLS_1_3, SuiteSet::Anonymous), 0);
    assert_eq!(count(V::TLS_1_3, SuiteSet::Exclusive), 5);
    assert_eq!(count(V::TLS_1_2, SuiteSet::Exclusive), 31);
    assert_eq!(count(V::TLS_1_1, SuiteSet::Exclusive), 0);
    assert_eq!(count(V::TLS_1_0, SuiteSet::Exclusive), 12);
    assert_eq!(count(V::SSL_3_0, SuiteSet::All), 0);
    let datagram = suites(V::DTLS_1_2, SuiteSet::All);
    assert_eq!(filter(&datagram, |info| info.cipher == Cipher::Rc4_128), []);
}

#[test]
fn names_there_and_back() {
    for suite in CipherSuite::KNOWN {
        let info = suite.info().unwrap();
        assert_eq!(info.suite, *suite);
        assert_eq!(info.name.parse(), Ok(*suite));
        assert_eq!(info.openssl_name.parse(), Ok(*suite));
        // As for groups and schemes: no two names differ in their case alone.
        assert_eq!(info.name.to_lowercase().parse(), Ok(*suite));
        assert_eq!(info.openssl_name.to_lowercase().parse(), Ok(*suite));
    }
    assert_eq!(
        "tls_dhe_psk_with_aes_128_ccm_8".parse(),
        Ok(CipherSuite::TLS_PSK_DHE_WITH_AES_128_CCM_8)
    );
    let unknown = "TLS_NONSENSE".parse::<CipherSuite>().unwrap_err();
    assert!(unknown.to_string().contains("TLS_NONSENSE"));
    assert_eq!(CipherSuite(0x0a0a).to_string(), "0x0a0a");
    assert_eq!(
        CipherSuite::TLS_FALLBACK_SCSV.to_string(),
        "TLS_FALLBACK_SCSV"
    );
}

#[test]
fn each_code_point_once() {
    let mut codes = CipherSuite::KNOWN.to_vec();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), CipherSuite::KNOWN.len());
}

#[test]
fn lists() {
    let [a, b, c] = [
        CipherSuite(0x1301),
        CipherSuite(0x1302),
        CipherSuite(0x1303),
    ];
    assert_eq!(prepend(&[c], &[a, b, c]), [c, a, b]);
    assert_eq!(append(&[a], &[a, b, c]), [b, c, a]);
    assert_eq!(
        filter(&[a, b, CipherSuite(9999)], |info| info.hash
            == HashAlgorithm::Sha384),
        [b]
    );
}

fn has_ccm(suite: &CipherSuite) -> bool {
    matches!(
        suite.info().unwrap().cipher,
        Cipher::Aes128Ccm | Cipher::Aes256Ccm | Cipher::Aes128Ccm8 | Cipher::Aes256Ccm8
    )
}

#[test]
fn ccm_comes_with_a_feature() {
    let found: Vec<_> = CipherSuite::SUPPORTED
        .iter()
        .filter(|suite| has_ccm(suite) && !is_without(**suite))
        .collect();
    let expected = [
        (CipherSuite::TLS_AES_128_CCM_SHA256, 16, 16),
        (CipherSuite::TLS_AES_128_CCM_8_SHA256, 16, 8),
        // RFC 7251 §2.
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CCM, 32, 16),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8, 32, 8),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM, 16, 16),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 16, 8),
    ];
    if !cfg!(feature = "ffi") {
        assert!(found.is_empty());
        return;
    }
    assert_eq!(found.len(), expected.len());
    for (found, (suite, key_len, tag_len)) in found.into_iter().zip(expected) {
        assert_eq!(*found, suite);
        let (hash, aead) = match suite.parameters() {
            Ok(parameters) => (parameters.hash.into(), parameters.aead),
            Err(_) => {
                let parameters = suite.older_parameters(ProtocolVersion::TLS_1_2).unwrap();
                let OlderCipher::Aead(aead) = parameters.cipher else {
                    panic!("{suite}")
                };
                (parameters.hash, aead)
            }
        };
        assert_eq!(hash, HashAlgorithm::Sha256.into());
        assert_eq!((aead.key_len(), aead.tag_len()), (key_len, tag_len));
    }
}

#[test]
fn of_tls_1_2_ecdhe_with_an_aead_or_aes_cbc_is_implemented() {
    use AeadAlgorithm::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
    use CbcAlgorithm::{Aes128, Aes256};
    use HashAlgorithm::{Sha256, Sha384};
    let version = ProtocolVersion::TLS_1_2;
    let aead = |hash: HashAlgorithm, aead| OlderParameters {
        version,
        hash: hash.into(),
        cipher: OlderCipher::Aead(aead),
    };
    let cbc = |hash: HashAlgorithm, cipher, mac| OlderParameters {
        version,
        hash: hash.into(),
        cipher: OlderCipher::Cbc(CbcParameters::new(cipher, mac)),
    };
    let expected = [
        ("AES_256_GCM_SHA384", aead(Sha384, Aes256Gcm)),
        (
            "AES_256_CBC_SHA384",
            cbc(Sha384, Aes256, MacAlgorithm::Sha384),
        ),
        ("CHACHA20_POLY1305_SHA256", aead(Sha256, ChaCha20Poly1305)),
        ("AES_128_GCM_SHA256", aead(Sha256, Aes128Gcm)),
        (
            "AES_128_CBC_SHA256",
            cbc(Sha256, Aes128, MacAlgorithm::Sha256),
        ),
        // RFC 5246 §1.2: the PRF is that of the version.
        ("AES_256_CBC_SHA", cbc(Sha256, Aes256, MacAlgorithm::Sha1)),
        ("AES_128_CBC_SHA", cbc(Sha256, Aes128, MacAlgorithm::Sha1)),
    ];
    let is_signed = |suite: &&CipherSuite| {
        let exchange = suite.exchange();
        exchange.is_some_and(|exchange| exchange.is_signed() && exchange.has_curve())
            && !has_ccm(suite)
            && !suite.info().unwrap().is_legacy()
    };
    let implemented = CipherSuite::KNOWN
        .iter()
        .filter(is_signed)
        .filter_map(|suite| {
            let parameters = suite.older_parameters(ProtocolVersion::TLS_1_2).ok()?;
            Some((suite.name().unwrap(), parameters))
        });
    let expected = expected.iter().flat_map(|(name, parameters)| {
        ["ECDSA", "RSA"].map(|key| (format!("TLS_ECDHE_{key}_WITH_{name}"), *parameters))
    });
    let count = implemented.clone().count();
    for (implemented, expected) in implemented.zip(expected.clone()) {
        assert_eq!(implemented, (&*expected.0, expected.1));
    }
    assert_eq!(expected.count(), count);
    let refused = CipherSuite::TLS_AES_128_GCM_SHA256.older_parameters(ProtocolVersion::TLS_1_2);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("TLS_AES_128_GCM_SHA256")
    );
}

/// RFC 5246 §A.5, RFC 4492 §6, RFC 4785, RFC 5469: with a feature, and behind all others.
#[test]
fn what_is_broken_comes_with_a_feature() {
    let is_legacy = |suite: &&CipherSuite| suite.info().unwrap().is_legacy();
    let first = CipherSuite::KNOWN
        .iter()
        .position(|suite| is_legacy(&suite));
    let behind = &CipherSuite::KNOWN[first.unwrap()..];
    assert!(behind.iter().all(|suite| is_legacy(&suite)));
    assert_eq!(CipherSuite::DEFAULT.iter().find(is_legacy), None);
    let count = CipherSuite::SUPPORTED.iter().filter(is_legacy).count();
    #[cfg(not(feature = "legacy-ciphers"))]
    {
        assert_eq!(count, 0);
        let suite = CipherSuite::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA;
        assert_eq!(suite.lacking_features(), ["legacy-ciphers"]);
    }
    #[cfg(feature = "legacy-ciphers")]
    {
        let expected = |at: usize, feature: bool| if feature { at } else { 0 };
        let of_field = expected(7, cfg!(feature = "finite-field"));
        let of_rsa = expected(4, cfg!(feature = "ffi"));
        // Both keys, no certificate, and two kinds of PSK.
        assert!(count >= of_field + of_rsa + 9, "{count}");
        let cipher = |suite: CipherSuite| {
            let parameters = suite.older_parameters(ProtocolVersion::TLS_1_0);
            parameters.unwrap().cipher
        };
        let triple = cipher(CipherSuite::TLS_PSK_WITH_3DES_EDE_CBC_SHA);
        let rc4 = cipher(CipherSuite::TLS_PSK_WITH_RC4_128_SHA);
        assert!(matches!(triple, OlderCipher::Cbc(cbc) if cbc.cipher.block_len() == 8));
        assert!(matches!(rc4, OlderCipher::Stream(_)));
        assert!(!CipherSuite::TLS_PSK_WITH_RC4_128_SHA.has_cbc());
    }
}

/// Whether no certificate is involved.
fn is_without(suite: CipherSuite) -> bool {
    let exchange = suite.exchange();
    exchange.is_some_and(|exchange| exchange.without_certificate().is_some())
}

/// What the table offers to nobody who does not name it is what has no certificate.
#[test]
fn who_is_offered_a_suite_follows_from_its_row() {
    for suite in CipherSuite::SUPPORTED {
        let info = suite.info().unwrap();
        let expected = info.offer == OfferedTo::Anonymous;
        assert_eq!(is_without(*suite), expected, "{suite}");
        if let Some(row) = suite.exchange() {
            let is_anonymous = info.authentication == Authentication::Anonymous;
            assert_eq!(row.is_anonymous(), is_anonymous, "{suite}");
            let asks = row.certificate.is_some() && !row.psk;
            assert_eq!(row.requests_certificate, asks, "{suite}");
        }
    }
}

#[test]
fn of_what_can_be_negotiated_ecdhe_with_a_certificate_but_cbc_and_ccm_is_the_default() {
    let is_finite = |suite: &CipherSuite| suite.exchange().is_some_and(Exchange::has_field);
    let is_unsigned = |suite: &CipherSuite| suite.exchange().is_some_and(Exchange::is_unsigned);
    let supported = CipherSuite::SUPPORTED.iter();
    let expected: Vec<_> = supported
        .filter(|suite| !suite.has_cbc() && !is_without(**suite) && !is_finite(suite))
        .filter(|suite| !has_ccm(suite) && !is_unsigned(suite))
        .filter(|suite| !suite.info().unwrap().is_legacy())
        .collect();
    assert_eq!(expected, CipherSuite::DEFAULT.iter().collect::<Vec<_>>());
}

/// Nobody reads "not implemented" of what another build has.
#[test]
fn what_is_not_there_lacks_features() {
    for suite in CipherSuite::KNOWN {
        let lacking = suite.lacking_features();
        assert_eq!(
            lacking.is_empty(),
            suite.is_supported(),
            "{suite}: {lacking:?}"
        );
    }
}

#[test]
fn what_can_be_negotiated_is_what_is_implemented() {
    let implemented = |suite: &&CipherSuite| {
        suite.parameters().is_ok() || suite.older_parameters(ProtocolVersion::TLS_1_2).is_ok()
    };
    let implemented: Vec<_> = CipherSuite::KNOWN.iter().filter(implemented).collect();
    assert_eq!(
        implemented,
        CipherSuite::SUPPORTED.iter().collect::<Vec<_>>()
    );
    let parameters = CipherSuite::TLS_AES_256_GCM_SHA384.parameters().unwrap();
    assert_eq!(parameters.hash, HashAlgorithm::Sha384);
    assert_eq!(parameters.aead, AeadAlgorithm::Aes256Gcm);
}
