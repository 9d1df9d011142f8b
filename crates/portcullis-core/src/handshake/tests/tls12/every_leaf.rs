//! Every suite that has a server's certificate, before a certificate with every kind of key: the kinds that go with it
//! stand in one table beside the RFCs.
//!
//! CVE-2021-34558: a certificate whose key does not go with the suite made a client panic.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;

use super::super::attack::{By, ed25519_identity, pair, server as any_server, talk};
use super::super::older::V1_2;
use super::super::signatures;
use super::super::tamper::{Put, Tamper};
use super::exchanges::psk;
use super::static_ecdh;
use crate::config::{ClientConfig, ClientConfigBuilder, ServerConfigBuilder};
use crate::suite::{Authentication as A, CipherSuite, KeyExchange as K};
use crate::testing::pki;
use crate::wire::HandshakeType as T;
use crate::x509::{Form, Identity};
use crate::{AlertDescription, Direction, SignatureScheme as S, Violation as V};

/// A kind of key, as a certificate has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// On P-256, P-384 or P-521.
    Ecdsa,
    Ed25519,
    Ed448,
    /// rsaEncryption.
    Rsa,
    /// id-RSASSA-PSS.
    RsaPss,
    Dsa,
}

type Row = (&'static str, &'static [Key], &'static str);

/// What a suite is called, before `WITH`; which keys its certificate may have; and where that stands. EdDSA is what
/// RFC 8422 calls ECDSA here, and an RSASSA-PSS key is one of RSA that signs (RFC 8446 §4.2.3) and does not decrypt
/// (RFC 4055 §1.2).
const GOES_WITH: [Row; 10] = {
    use Key::{Dsa, Ecdsa, Ed448, Ed25519, Rsa, RsaPss};
    const SIGNS: &[Key] = &[Rsa, RsaPss];
    [
        ("ECDHE_ECDSA", &[Ecdsa, Ed25519, Ed448], "RFC 8422 §2.1"),
        ("ECDHE_RSA", SIGNS, "RFC 8422 §2.2"),
        ("DHE_RSA", SIGNS, "RFC 5246 §7.4.2"),
        ("DHE_DSS", &[Dsa], "RFC 5246 §7.4.2"),
        ("SRP_SHA_RSA", SIGNS, "RFC 5054 §2.7"),
        ("SRP_SHA_DSS", &[Dsa], "RFC 5054 §2.7"),
        ("RSA", &[Rsa], "RFC 5246 §7.4.2"),
        ("RSA_PSK", &[Rsa], "RFC 4279 §4"),
        ("ECDH_ECDSA", &[Ecdsa], "RFC 4492 §2.1"),
        ("ECDH_RSA", &[Ecdsa], "RFC 4492 §2.3"),
    ]
};

/// Of each kind a certificate, which nobody verifies, and a scheme that its key signs with.
fn leaves() -> &'static [(Key, S, Identity)] {
    static LEAVES: OnceLock<Vec<(Key, S, Identity)>> = OnceLock::new();
    LEAVES.get_or_init(|| {
        let of = |algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            let der = params.self_signed(&key).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity::from_der(vec![der], &key).unwrap()
        };
        let p256 = of(&rcgen::PKCS_ECDSA_P256_SHA256);
        let p384 = of(&rcgen::PKCS_ECDSA_P384_SHA384);
        let p521 = of(&rcgen::PKCS_ECDSA_P521_SHA512);
        vec![
            (Key::Ecdsa, S::ECDSA_SECP256R1_SHA256, p256),
            (Key::Ecdsa, S::ECDSA_SECP384R1_SHA384, p384),
            (Key::Ecdsa, S::ECDSA_SECP521R1_SHA512, p521),
            (Key::Ed25519, S::ED25519, ed25519_identity().clone()),
            (
                Key::Rsa,
                S::RSA_PSS_RSAE_SHA256,
                of(&rcgen::PKCS_RSA_SHA256),
            ),
            (
                Key::RsaPss,
                S::RSA_PSS_PSS_SHA256,
                signatures::identity("pss"),
            ),
            #[cfg(feature = "curve448")]
            (Key::Ed448, S::ED448, super::super::ed448::identity()),
            #[cfg(feature = "ffi")]
            (Key::Dsa, S::DSA_SHA256, signatures::identity("dsa")),
        ]
    })
}

/// Those before TLS 1.3 that have a server's certificate, with their row.
fn suites() -> impl Iterator<Item = (CipherSuite, &'static Row)> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    suites.filter_map(|suite| {
        let name = suite.name().unwrap().strip_prefix("TLS_").unwrap();
        let (exchange, _) = name.split_once("_WITH_")?;
        let row = GOES_WITH.iter().find(|(name, ..)| *name == exchange);
        if row.is_none() {
            let without = [
                "PSK",
                "ECDHE_PSK",
                "DHE_PSK",
                "PSK_DHE",
                "ECDH_anon",
                "DH_anon",
                "SRP_SHA",
            ];
            assert!(without.contains(&exchange), "{suite} is in no row");
        }
        Some((suite, row?))
    })
}

/// An honest client and server with this suite alone. The client takes any chain, and has named the scheme of every leaf.
fn ends(suite: CipherSuite) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let info = suite.info().unwrap();
    let schemes: Vec<S> = leaves().iter().map(|(_, scheme, _)| *scheme).collect();
    let client = ClientConfig::dangerous_builder_without_verification()
        .versions(V1_2)
        .cipher_suites([suite])
        .signature_schemes(schemes);
    let identity = match (info.key_exchange, info.authentication) {
        (K::Ecdh, _) => static_ecdh::identities(suite)[0].clone(),
        #[cfg(feature = "ffi")]
        (_, A::Rsa) => super::rsa::rsa().both.clone(),
        #[cfg(not(feature = "ffi"))]
        (_, A::Rsa) => signatures::identity("rsa"),
        #[cfg(feature = "ffi")]
        (_, A::Dss) => signatures::identity("dsa"),
        _ => pki().server.clone(),
    };
    let server = any_server().clear_identities().identity(identity);
    let server = server.versions(V1_2).cipher_suites([suite]);
    match info.key_exchange {
        K::RsaPsk => (client.psk(psk()), server.psk(psk())),
        #[cfg(feature = "finite-field")]
        K::Srp => (
            client.srp("alice", "password123").dh_minimum(1024),
            server.srp_users(super::user::users()),
        ),
        _ => (client, server),
    }
}

/// Where a ServerKeyExchange says how it is signed: behind the parameters.
fn scheme_at(suite: CipherSuite, raw: &[u8]) -> usize {
    let vec16 = |at: usize| at + 2 + usize::from(u16::from_be_bytes([raw[at], raw[at + 1]]));
    let vec8 = |at: usize| at + 1 + usize::from(raw[at]);
    match suite.info().unwrap().key_exchange {
        // curve_type, namedcurve, point (RFC 8422 §5.4)
        K::Ecdhe => vec8(4 + 3),
        // p, g, Ys (RFC 5246 §7.4.3)
        K::Dhe => vec16(vec16(vec16(4))),
        // N, g, s, B (RFC 5054 §2.8.2)
        K::Srp => vec16(vec8(vec16(vec16(4)))),
        other => panic!("{other:?} signs nothing"),
    }
}

/// The server has a key of its own, and says that it is that of the leaf: what a client objects to first is the kind of
/// the key, or else that nobody has it.
#[test]
fn every_suite_with_every_kind_of_key() {
    let mut rows = BTreeSet::new();
    for (suite, (row, goes_with, section)) in suites() {
        rows.insert(*row);
        let exchange = suite.info().unwrap().key_exchange;
        let is_signed = matches!(exchange, K::Ecdhe | K::Dhe | K::Srp);
        for (key, scheme, leaf) in leaves() {
            let context = format!("{suite} with {key:?}, {scheme} ({section})");
            let tamper: Tamper = Box::new(move |raw| {
                vec![Put::Message(match T(raw[0]) {
                    T::CERTIFICATE => leaf.certificate_message(Form::Before13).to_vec(),
                    T::SERVER_KEY_EXCHANGE if is_signed => {
                        let (mut raw, at) = (raw.to_vec(), scheme_at(suite, raw));
                        raw[at..at + 2].copy_from_slice(&scheme.0.to_be_bytes());
                        // The key for DSA is the server's own.
                        *raw.last_mut().unwrap() ^= 1;
                        raw
                    }
                    _ => raw.to_vec(),
                })]
            });
            let (client, server) = ends(suite);
            let client = client
                .build()
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let server = server
                .build()
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let mut pair = pair(client, server, By::Server, tamper);
            talk(&mut pair);
            let error = match pair.client.poll() {
                Err(error) => error,
                Ok(step) => panic!("{context}: {step:?}, and nobody has the key"),
            };
            let fits = goes_with.contains(key);
            match (fits, is_signed) {
                (false, _) => assert_eq!(
                    error.violation(),
                    Some(V::KeyDoesNotFitSuite),
                    "{context}: {error}"
                ),
                (true, true) => assert_eq!(
                    error.violation(),
                    Some(V::BadSignature),
                    "{context}: {error}"
                ),
                // What the server makes of the secret is another one, or the client's point is on another curve, and it
                // says so.
                (true, false) => {
                    let Some((Direction::Received, alert)) = error.alert() else {
                        panic!("{context}: {error}");
                    };
                    let expected = [
                        AlertDescription::BAD_RECORD_MAC,
                        AlertDescription::ILLEGAL_PARAMETER,
                    ];
                    assert!(expected.contains(&alert), "{context}: {error}");
                }
            }
        }
    }
    if cfg!(all(
        feature = "ffi",
        feature = "curve448",
        feature = "finite-field"
    )) {
        assert_eq!((rows.len(), leaves().len()), (GOES_WITH.len(), 8));
    }
}
