//! Identities: what can be loaded, what is said about what cannot, and which one is chosen.

use super::*;
use crate::SignatureScheme;
use crate::crypto::HAS_RSA;
use crate::der::{INTEGER, OCTET_STRING, Reader, SEQUENCE};
use crate::version::Version;
use crate::x509::select::COMPARED;
use crate::x509::signature_algorithm::server_end_point;
use crate::x509::{AcceptedTypes, Form, Identity, IdentityKey, PrivateKey, Within};

/// Of certificates, on any curve.
fn choose<'a, N: AsRef<[u8]>>(
    identities: &'a [Identity],
    server_name: Option<&str>,
    schemes: &[SignatureScheme],
    certificate_schemes: Option<&[SignatureScheme]>,
    authorities: &[N],
    version: Version,
) -> Option<(&'a Identity, SignatureScheme)> {
    let within = Within {
        version,
        types: AcceptedTypes::DEFAULT,
        curves: None,
    };
    crate::x509::choose(
        identities,
        server_name,
        schemes,
        certificate_schemes,
        authorities,
        within,
    )
}

const NO_AUTHORITIES: &[&[u8]] = &[];

fn identity(ca: &Ca, names: &[&str], algorithm: &'static SignatureAlgorithm) -> Identity {
    let key = key_for(algorithm);
    let leaf = ca.leaf_with_key(leaf_params(names), &key);
    Identity::from_der(vec![leaf], &pkcs8(&key)).unwrap()
}

/// The key inside PKCS#8: PKCS#1 for RSA, SEC1 for EC.
fn inside_pkcs8(key: &KeyPair) -> Vec<u8> {
    let pkcs8 = key.serialize_der();
    let mut fields = Reader::new(Reader::new(&pkcs8).contents(SEQUENCE).unwrap());
    fields.contents(INTEGER).unwrap();
    fields.contents(SEQUENCE).unwrap();
    fields.contents(OCTET_STRING).unwrap().to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) as usize & 63;
            base64.push(if at <= chunk.len() {
                ALPHABET[index] as char
            } else {
                '='
            });
        }
        if base64.len() % 65 == 64 {
            base64.push('\n');
        }
    }
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

#[test]
fn keys_in_all_three_formats() {
    let ca = Ca::root("root");
    let rsa = key_for(&rcgen::PKCS_RSA_SHA256);
    let mut formats = vec![(
        ca.leaf_with_key(leaf_params(&[]), &rsa),
        "RSA PRIVATE KEY",
        inside_pkcs8(&rsa),
    )];
    formats.push((formats[0].0.clone(), "PRIVATE KEY", rsa.serialize_der()));
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ] {
        let key = key_for(algorithm);
        let leaf = ca.leaf_with_key(leaf_params(&[]), &key);
        formats.push((leaf.clone(), "EC PRIVATE KEY", inside_pkcs8(&key)));
        formats.push((leaf, "PRIVATE KEY", key.serialize_der()));
    }
    for (leaf, label, key) in formats {
        let chain = pem("CERTIFICATE", &leaf) + &pem("CERTIFICATE", &ca.der());
        let key = pem(label, &key);
        let identity = Identity::from_pem(chain.as_bytes(), Some(key.as_bytes())).unwrap();
        assert_eq!(identity.chain(), [leaf, ca.der()]);
        let both = format!("some text\n{key}{chain}");
        let one = Identity::from_pem(both.as_bytes(), None).unwrap();
        assert_eq!(one.key().schemes(), identity.key().schemes());
        let secret = format!("{identity:?}");
        assert!(!secret.contains("secret") && secret.len() < 300, "{secret}");
    }
}

#[test]
fn the_fitting_one_of_several_keys_is_taken() {
    let ca = Ca::root("root");
    let [key, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
    let leaf = ca.leaf_with_key(leaf_params(&["a.example"]), &key);
    let text = pem("CERTIFICATE", &leaf) + &other.serialize_pem() + &key.serialize_pem();
    Identity::from_pem(text.as_bytes(), None).unwrap();
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let ca = Ca::root("root");
    let key = KeyPair::generate().unwrap();
    let leaf = ca.leaf_with_key(leaf_params(&["a.example"]), &key);
    let certificate = pem("CERTIFICATE", &leaf);
    let key_pem = key.serialize_pem();
    let encrypted = pem("ENCRYPTED PRIVATE KEY", b"anything");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
               DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let other = KeyPair::generate().unwrap().serialize_pem();
    let cases: &[(&str, Option<&str>, &str)] = &[
        ("", None, "no certificate"),
        (&key_pem, Some(&certificate), "swapped"),
        (&certificate, None, "no private key"),
        (&certificate, Some(&encrypted), "encrypted"),
        (&certificate, Some(old), "encrypted"),
        (&certificate, Some(&other), "public keys differ"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", None, "damaged"),
    ];
    for (chain, key, expected) in cases {
        let error = Identity::from_pem(chain.as_bytes(), key.map(str::as_bytes))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let swapped = Identity::from_der(vec![ca.der(), leaf.clone()], &pkcs8(&key)).unwrap_err();
    assert!(swapped.to_string().contains("certificate 2"), "{swapped}");
    assert!(Identity::from_der(vec![], &pkcs8(&key)).is_err());
    let error = Identity::from_pem_file("/no/such/file.pem").unwrap_err();
    assert!(error.to_string().contains("/no/such/file.pem"), "{error}");
    // An X448 key is well-formed PKCS#8 of a type that signs nothing.
    let x448 = [
        &[0x30, 0x0a, 2, 1, 0, 0x30, 5][..],
        &[6, 3, 0x2b, 0x65, 0x6f],
    ]
    .concat();
    let error = PrivateKey::from_der(&PrivateKeyDer::Pkcs8(x448.into())).unwrap_err();
    assert!(error.to_string().contains("not supported"), "{error}");
}

#[test]
fn external_keys_have_to_fit_as_well() {
    let ca = Ca::root("root");
    let leaf = vec![ca.leaf(leaf_params(&["a.example"]))];
    let p256 = SignatureScheme::ECDSA_SECP256R1_SHA256;
    let identity = Identity::with_external_key(leaf.clone(), vec![p256]).unwrap();
    assert!(matches!(identity.key(), IdentityKey::External { schemes, .. } if schemes == &[p256]));
    for bad in [
        vec![],
        vec![SignatureScheme::ED25519],
        vec![p256, SignatureScheme::RSA_PKCS1_MD5_SHA1],
    ] {
        assert!(Identity::with_external_key(leaf.clone(), bad).is_err());
    }
    // One that decrypts is an RSA key, and of no use without the feature.
    let refused = Identity::with_external_key_that_decrypts(leaf, Vec::new()).unwrap_err();
    let why = match HAS_RSA {
        true => "RSA key of 1,024",
        false => "feature `ffi`",
    };
    assert!(refused.to_string().contains(why), "{refused}");
}

#[test]
fn external_keys_may_sign_as_they_could_before_tls_1_3() {
    let ca = Ca::root("root");
    let leaf = vec![ca.leaf_with_key(
        leaf_params(&["a.example"]),
        &key_for(&rcgen::PKCS_RSA_SHA256),
    )];
    let [pss, pkcs1] = [
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        SignatureScheme::RSA_PKCS1_SHA256,
    ];
    let identity = Identity::with_external_key(leaf, vec![pkcs1, pss]).unwrap();
    let both = [pkcs1, pss];
    for (version, accepted, expected) in [
        (Version::V1_3, &both[..], Some(pss)),
        (Version::V1_3, &both[..1], None),
        (Version::V1_2, &both[..], Some(pkcs1)),
        (Version::V1_2, &both[1..], Some(pss)),
    ] {
        assert_eq!(identity.scheme_for(accepted, version), expected);
        let all = [identity.clone()];
        let chosen = choose(&all, None, accepted, None, NO_AUTHORITIES, version);
        assert_eq!(chosen.map(|(_, scheme)| scheme), expected);
    }
    // A curve counts in TLS 1.3 alone.
    let leaf = vec![ca.leaf(leaf_params(&["a.example"]))];
    let p384 = [SignatureScheme::ECDSA_SECP384R1_SHA384];
    let identity = Identity::with_external_key(leaf.clone(), p384.to_vec()).unwrap();
    assert_eq!(identity.scheme_for(&p384, Version::V1_2), Some(p384[0]));
    assert_eq!(identity.scheme_for(&p384, Version::V1_3), None);
    for other in [SignatureScheme::ED25519, SignatureScheme::RSA_PKCS1_SHA256] {
        assert!(Identity::with_external_key(leaf.clone(), vec![other]).is_err());
    }
}

#[test]
fn a_version_has_the_schemes_of_its_own() {
    let ca = Ca::root("root");
    let rsa = identity(&ca, &["a.example"], &rcgen::PKCS_RSA_SHA256);
    let pkcs1 = [SignatureScheme::RSA_PKCS1_SHA512];
    assert_eq!(rsa.scheme_for(&pkcs1, Version::V1_3), None);
    assert_eq!(rsa.scheme_for(&pkcs1, Version::V1_2), Some(pkcs1[0]));
    let ml_dsa = identity(&ca, &["a.example"], &rcgen::PKCS_ML_DSA_65);
    let scheme = [SignatureScheme::MLDSA65];
    assert_eq!(ml_dsa.scheme_for(&scheme, Version::V1_3), Some(scheme[0]));
    assert_eq!(ml_dsa.scheme_for(&scheme, Version::V1_2), None);
}

#[test]
fn the_chain_is_shown_in_either_form_and_encoded_once() {
    use crate::wire::{Certificate, HandshakeHeader, HandshakeMessage, tls12};
    let ca = Ca::root("root");
    let key = key_for(&rcgen::PKCS_ECDSA_P256_SHA256);
    let chain = vec![
        ca.leaf_with_key(leaf_params(&["a.example"]), &key),
        ca.der(),
    ];
    let identity = Identity::from_der(chain.clone(), &pkcs8(&key)).unwrap();
    let message = identity.certificate_message(Form::Tls13);
    let (_, body) = HandshakeHeader::split(message).unwrap();
    let certificate = Certificate::decode(body).unwrap();
    let entries = certificate.certificate_list.iter();
    assert!(
        entries
            .map(|entry| entry.cert_data)
            .eq(chain.iter().map(|der| &**der))
    );
    assert!(tls12::Certificate::decode(body).is_err());
    let before = identity.certificate_message(Form::Before13);
    let (_, body) = HandshakeHeader::split(before).unwrap();
    let certificate = tls12::Certificate::decode(body).unwrap();
    let certificates = certificate.certificate_list.iter();
    assert!(
        certificates
            .map(|certificate| certificate.0)
            .eq(chain.iter().map(|der| &**der))
    );
    // Of clones too it is the same one.
    for (form, seen) in [(Form::Tls13, message), (Form::Before13, before)] {
        let again = identity.clone();
        assert!(core::ptr::eq(again.certificate_message(form), seen));
    }
}

#[test]
fn choice_by_name_then_authority_then_order() {
    let (one, two) = (Ca::root("one"), Ca::root("two"));
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    let all = [
        identity(&one, &["first.example"], ecdsa),
        identity(&one, &["*.example.com"], ecdsa),
        identity(&one, &["www.example.com"], ecdsa),
        identity(&two, &["www.example.com"], ecdsa),
        identity(&one, &["www.example.com"], &rcgen::PKCS_ED25519),
    ];
    let offered = SignatureScheme::DEFAULT;
    let chosen = |name, schemes, authorities: &[Vec<u8>]| {
        let (identity, scheme) = choose(&all, name, schemes, None, authorities, Version::V1_3)?;
        let at = all.iter().position(|other| other.same(identity))?;
        Some((at, scheme))
    };
    let p256 = SignatureScheme::ECDSA_SECP256R1_SHA256;
    let roots_two = roots(&[two.der()]);
    let authority_two: Vec<Vec<u8>> = roots_two.subjects().map(<[u8]>::to_vec).collect();

    assert_eq!(chosen(None, offered, &[]), Some((0, p256)));
    assert_eq!(
        chosen(Some("unknown.example"), offered, &[]),
        Some((0, p256))
    );
    assert_eq!(chosen(Some("a.example.com"), offered, &[]), Some((1, p256)));
    assert_eq!(
        chosen(Some("a.b.example.com"), offered, &[]),
        Some((0, p256))
    );
    assert_eq!(chosen(Some(".example.com"), offered, &[]), Some((0, p256)));
    assert_eq!(
        chosen(Some("WWW.Example.COM"), offered, &[]),
        Some((2, p256))
    );
    assert_eq!(
        chosen(Some("www.example.com"), offered, &authority_two),
        Some((3, p256))
    );
    assert_eq!(chosen(None, offered, &authority_two), Some((3, p256)));
    // The name counts more than the authority.
    assert_eq!(
        chosen(Some("first.example"), offered, &authority_two),
        Some((0, p256))
    );
    let ed25519 = [SignatureScheme::ED25519];
    assert_eq!(
        chosen(Some("first.example"), &ed25519, &[]),
        Some((4, ed25519[0]))
    );
    assert_eq!(chosen(None, &[SignatureScheme::MLDSA44], &[]), None);
}

#[test]
fn choice_by_what_signed_the_chain() {
    let (ecdsa, ed25519) = (Ca::root("one"), Ca::root_with("two", &rcgen::PKCS_ED25519));
    let all = [
        identity(&ecdsa, &[], &rcgen::PKCS_ECDSA_P256_SHA256),
        identity(&ed25519, &[], &rcgen::PKCS_ECDSA_P256_SHA256),
    ];
    let schemes = &[SignatureScheme::ECDSA_SECP256R1_SHA256];
    let chosen = |certificate_schemes| {
        let (identity, _) = choose(
            &all,
            None,
            schemes,
            certificate_schemes,
            NO_AUTHORITIES,
            Version::V1_3,
        )
        .unwrap();
        all.iter().position(|other| other.same(identity))
    };
    assert_eq!(chosen(None), Some(0));
    assert_eq!(chosen(Some(&[SignatureScheme::ED25519][..])), Some(1));
    assert_eq!(chosen(Some(&[SignatureScheme::MLDSA87][..])), Some(0));
}

/// Three lists, of which the peer makes one or two as long as it likes and the server's owner the
/// other: the work is their sum. It was their product, 0.2 s for one hello.
#[test]
fn the_work_of_a_choice_is_linear_in_all_lists_together() {
    let ca = Ca::root("root");
    let names: Vec<String> = (0..20).map(|at| format!("{at}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let one = identity(&ca, &names, &rcgen::PKCS_ECDSA_P256_SHA256);
    let many = vec![one.clone(); 2_000];
    let p256 = SignatureScheme::ECDSA_SECP256R1_SHA256;
    // The only one that fits is the last in each list, or there is none at all.
    let mut schemes: Vec<_> = (0..10_000).map(|at| SignatureScheme(0x4000 + at)).collect();
    let none_fits = schemes.clone();
    schemes.push(p256);
    let authorities: Vec<Vec<u8>> = (0..10_000_u32).map(|at| at.to_be_bytes().into()).collect();

    // Names and schemes may be looked at twice.
    let entries_of_an_identity = 2 * (20 + one.key().schemes().len()) + 1 + 1;
    let entries = many.len() * entries_of_an_identity + 2 * schemes.len() + authorities.len();
    for name in [None, Some("19.example.com"), Some("other.example.com")] {
        for accepted in [&schemes, &none_fits] {
            for in_certificates in [None, Some(&none_fits[..])] {
                COMPARED.set(0);
                let chosen = choose(
                    &many,
                    name,
                    accepted,
                    in_certificates,
                    &authorities,
                    Version::V1_3,
                );
                assert_eq!(chosen.is_some(), accepted.len() == schemes.len());
                assert!(COMPARED.get() >= many.len(), "nothing is counted");
                assert!(COMPARED.get() <= entries, "{} of {entries}", COMPARED.get());
            }
        }
    }
}

#[test]
fn rsa_prefers_its_fastest_scheme() {
    let ca = Ca::root("root");
    let rsa = [identity(&ca, &[], &rcgen::PKCS_RSA_SHA256)];
    let (_, scheme) = choose(
        &rsa,
        None,
        SignatureScheme::DEFAULT,
        None,
        NO_AUTHORITIES,
        Version::V1_3,
    )
    .unwrap();
    assert_eq!(scheme, SignatureScheme::RSA_PSS_RSAE_SHA256);
}

#[test]
fn channel_binding_hash_follows_the_signature() {
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
        (&rcgen::PKCS_ECDSA_P521_SHA512, Some(64)),
        (&rcgen::PKCS_ED25519, None),
        (&rcgen::PKCS_ML_DSA_44, None),
    ] {
        let certificate = Ca::root_with("root", algorithm).der();
        let hash = server_end_point(&certificate);
        assert_eq!(hash.map(|hash| hash.len()), expected);
    }
    assert_eq!(server_end_point(b"junk"), None);
}
