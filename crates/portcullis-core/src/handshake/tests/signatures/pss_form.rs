//! Keys in RSA-PSS form (RFC 8446 §4.2.3), of peers and of authorities.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::super::attack::{By, Case};
use super::super::parts::body;
use super::super::tamper::{Put, first};
use super::{VERSIONS, both, identity, pem, proved, refused, roots};
use crate::config::{ClientConfig, ServerConfig};
use crate::der::{self, Reader, SEQUENCE};
use crate::wire::HandshakeType as T;
use crate::x509::{Identity, PrivateKey};
use crate::{ProtocolVersion, SignatureScheme as S, Stage, Violation as V};

const ALL: [S; 3] = [
    S::RSA_PSS_PSS_SHA256,
    S::RSA_PSS_PSS_SHA384,
    S::RSA_PSS_PSS_SHA512,
];

#[test]
fn both_ends_prove_who_they_are_with_them() {
    for version in VERSIONS {
        for (shown, schemes) in [("pss", &ALL[..]), ("pss384", &ALL[1..2])] {
            // Each alone, and all: then the key's order decides.
            for named in schemes.iter().map(core::slice::from_ref).chain([&ALL[..]]) {
                let (client, server) = both(version, shown, "R");
                let (client, server) = (
                    client.signature_schemes(named),
                    server.signature_schemes(named),
                );
                let expected = named.iter().find(|one| schemes.contains(one)).unwrap();
                proved(version, (client, server), *expected);
            }
        }
    }
}

#[test]
fn who_does_not_name_them_does_not_accept_them() {
    for version in VERSIONS {
        assert!(!ALL.iter().any(|scheme| S::DEFAULT.contains(scheme)));
        let [_, server] = refused(both(version, "pss", "R"));
        assert_eq!(server.violation(), Some(V::NoSharedSignatureScheme));
        // Nor a restricted key with another hash.
        let (client, server) = both(version, "pss384", "R");
        let client = client.signature_schemes([S::RSA_PSS_PSS_SHA256]);
        let [_, server] = refused((client, server));
        assert_eq!(server.violation(), Some(V::NoSharedSignatureScheme));
    }
}

/// The peer says another scheme for the same signature: one for other RSA keys, and one that its key is
/// restricted from.
#[test]
fn a_scheme_for_another_key_is_refused() {
    let named = [
        S::RSA_PSS_RSAE_SHA384,
        S::RSA_PSS_PSS_SHA256,
        S::RSA_PSS_PSS_SHA384,
    ];
    for said in &named[..2] {
        for (version, message, at, stage) in [
            (
                ProtocolVersion::TLS_1_3,
                T::CERTIFICATE_VERIFY,
                0,
                Stage::WaitCertificateVerify,
            ),
            (
                ProtocolVersion::TLS_1_2,
                T::SERVER_KEY_EXCHANGE,
                4 + 32,
                Stage::WaitCertificateRequest,
            ),
        ] {
            let code = said.0.to_be_bytes();
            let tamper = first(message, move |raw| {
                vec![Put::Message(body(raw, |body| {
                    body[at..at + 2].copy_from_slice(&code);
                }))]
            });
            let client = ClientConfig::builder(roots("R"))
                .versions([version])
                .groups([crate::NamedGroup::X25519])
                .signature_schemes(named);
            let server = ServerConfig::builder()
                .versions([version])
                .identity(identity("pss384"));
            Case::new(V::SchemeDoesNotFitKey, By::Server, stage, tamper)
                .client(client)
                .server(server)
                .check();
        }
    }
}

/// RFC 4055 §1.2: what either says of hashes has to be the same.
#[test]
fn a_certificate_and_a_key_that_are_restricted_otherwise() {
    let key = |name: &str| {
        let (_, key) = pem(name).split_once("-----END CERTIFICATE-----\n").unwrap();
        key.as_bytes().to_vec()
    };
    // Another key is another key.
    let error = Identity::from_pem(pem("pss"), Some(&key("pss384"))).unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
    let (one, other) = (identity("pss"), identity("pss384"));
    let schemes = |identity: &Identity| identity.key().schemes().len();
    assert_eq!([schemes(&one), schemes(&other)], [3, 1]);
    // The same modulus, whose private key says nothing of hashes: as PKCS#8 without parameters.
    let restricted = PrivatePkcs8KeyDer::from_pem_slice(&key("pss384")).unwrap();
    let mut fields = Reader::new(der::only(restricted.secret_pkcs8_der(), SEQUENCE).unwrap());
    let version = fields.any().unwrap().whole;
    fields.any().unwrap();
    let oid = [&[6, 9][..], b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"].concat();
    let private = fields.any().unwrap().whole;
    let pkcs8 = der::sequence(&[version, &der::sequence(&oid), private].concat());
    let unrestricted = PrivateKey::from_der(&PrivateKeyDer::Pkcs8(pkcs8.into())).unwrap();
    assert_eq!(unrestricted.schemes(), ALL);
    let error = Identity::new(other.chain().to_vec(), unrestricted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key in the certificate is restricted otherwise than the private key, which signs \
         rsa_pss_pss_sha256: have the certificate issued again with the public half of this key"
    );
}

/// Authorities whose own keys are in RSA-PSS form, for any hash and for one.
#[test]
fn chains_that_they_have_signed() {
    for version in VERSIONS {
        for (shown, root, scheme) in [
            ("by-P", "P", S::RSA_PSS_PSS_SHA256),
            ("by-P-sha384", "P", S::RSA_PSS_PSS_SHA384),
            ("by-Q", "Q", S::RSA_PSS_PSS_SHA256),
        ] {
            let named = |scheme| {
                let (client, server) = both(version, shown, root);
                let schemes = [scheme, S::ECDSA_SECP256R1_SHA256];
                (
                    client.certificate_signature_schemes(schemes),
                    server.certificate_signature_schemes(schemes),
                )
            };
            proved(version, named(scheme), S::ECDSA_SECP256R1_SHA256);
            for not_it in [S::RSA_PSS_RSAE_SHA256, S::RSA_PSS_PSS_SHA512] {
                let [client, _] = refused(named(not_it));
                assert!(
                    client.to_string().contains("is signed with RSASSA-PSS"),
                    "{client}"
                );
            }
        }
    }
}

/// What `openssl req` makes with such a key if it is not told: a salt as long as there is room.
#[test]
fn a_long_salt_is_named() {
    let (client, server) = both(ProtocolVersion::TLS_1_3, "by-P-salt", "P");
    let schemes = [S::RSA_PSS_PSS_SHA256, S::ECDSA_SECP256R1_SHA256];
    let [client, _] = refused((client.certificate_signature_schemes(schemes), server));
    assert!(
        client.to_string().contains(
            "is signed with RSASSA-PSS with SHA-256, whose parameters must be MGF1 with the same hash and a salt \
             as long as that (RFC 8446 §4.2.3; in OpenSSL `-sigopt rsa_pss_saltlen:digest`) and are not: reissue \
             the certificate"
        ),
        "{client}"
    );
}
