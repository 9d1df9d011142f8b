//! Hashes before TLS 1.3: any with any curve, and SHA-1 and SHA-224 for whoever names them (RFC 5246 §7.4.1.4.1, RFC
//! 9155).

use super::super::attack::{By, Case, pair};
use super::super::older::{connect, older_client, older_server};
use super::super::parts::{body, client_hello};
use super::super::tamper::{Put, first};
use super::{VERSIONS, both, proved, refused};
use crate::testing::Pair;
use crate::wire::{ExtensionType, HandshakeType as T};
use crate::{NamedGroup, ProtocolVersion, SignatureScheme as S, Stage, Violation as V};

const ECDSA: [S; 3] = [
    S::ECDSA_SECP256R1_SHA256,
    S::ECDSA_SECP384R1_SHA384,
    S::ECDSA_SECP521R1_SHA512,
];

/// The scheme says nothing of the curve there; in TLS 1.3 it does.
#[test]
fn a_key_signs_with_any_hash_before_tls_1_3() {
    for scheme in ECDSA {
        for version in VERSIONS {
            let (client, server) = both(version, "by-E-sha224", "E");
            let certificates = [S::ECDSA_SHA224];
            let ends = (
                client
                    .signature_schemes([scheme])
                    .certificate_signature_schemes(certificates),
                server
                    .signature_schemes([scheme])
                    .certificate_signature_schemes(certificates),
            );
            if version == ProtocolVersion::TLS_1_2 || scheme == ECDSA[0] {
                proved(version, ends, scheme);
                continue;
            }
            let [_, server] = refused(ends);
            assert_eq!(server.violation(), Some(V::NoSharedSignatureScheme));
        }
    }
}

/// Of what both sides have, the hash of the curve comes first.
#[test]
fn the_hash_of_the_curve_is_preferred() {
    let mut named = ECDSA;
    for _ in 0..3 {
        named.rotate_left(1);
        let (client, _) = connect(older_client().signature_schemes(named), older_server());
        assert_eq!(client.information.peer_signature_scheme(), Some(ECDSA[0]));
    }
}

/// Both sides have to name them: who accepts them, and who would sign so.
#[test]
fn weak_hashes_are_for_who_names_them() {
    let strong = [S::ECDSA_SECP256R1_SHA256];
    for scheme in [S::ECDSA_SHA1, S::ECDSA_SHA224] {
        for (client, server, expected) in [
            (vec![scheme], vec![scheme], Some(scheme)),
            (vec![scheme], strong.to_vec(), None),
            (strong.to_vec(), vec![scheme], Some(strong[0])),
            (vec![scheme, strong[0]], vec![scheme], Some(strong[0])),
        ] {
            let client = older_client()
                .signature_schemes(client)
                .certificate_signature_schemes(strong)
                .build()
                .unwrap();
            let server = older_server().signature_schemes(server).build().unwrap();
            let (client, server) = Pair::new(client, server).run();
            match expected {
                Some(_) => {
                    let seen = client.unwrap().information.peer_signature_scheme();
                    assert_eq!(seen, expected);
                }
                None => {
                    let error = server.err().unwrap();
                    assert_eq!(error.violation(), Some(V::NoSharedSignatureScheme));
                    assert!(
                        error.to_string().contains(&format!("it accepts {scheme};")),
                        "{error}"
                    );
                }
            }
        }
        assert!(!S::DEFAULT.contains(&scheme));
        let error = older_client()
            .versions([ProtocolVersion::TLS_1_3])
            .signature_schemes([scheme])
            .build();
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("cannot be used in TLSv1.3")
        );
    }
}

/// A peer signs so that was not told that it may.
#[test]
fn what_was_not_named_is_refused() {
    for said in [
        S::ECDSA_SHA1,
        S::ECDSA_SHA224,
        S::DSA_SHA1,
        S::RSA_PKCS1_SHA1,
        S::RSA_PKCS1_MD5_SHA1,
    ] {
        let code = said.0.to_be_bytes();
        let tamper = first(T::SERVER_KEY_EXCHANGE, move |raw| {
            vec![Put::Message(body(raw, |body| {
                body[36..38].copy_from_slice(&code);
            }))]
        });
        Case::new(
            V::SchemeNotOffered,
            By::Server,
            Stage::WaitServerKeyExchange,
            tamper,
        )
        .client(older_client().groups([NamedGroup::X25519, NamedGroup::SECP256R1]))
        .server(older_server().groups([NamedGroup::X25519]))
        .check();
    }
}

/// RFC 5246 §7.4.1.4.1: "If the client does not send the signature_algorithms extension" it has SHA-1.
#[test]
fn a_client_that_says_nothing_has_sha_1() {
    let silent = |server| {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.remove(ExtensionType::SIGNATURE_ALGORITHMS);
            }))]
        });
        let client = older_client().build().unwrap();
        pair(client, server, By::Client, tamper)
            .run()
            .1
            .err()
            .unwrap()
    };
    let error = silent(older_server().build().unwrap());
    assert_eq!(error.violation(), Some(V::NoSharedSignatureScheme));
    assert!(
        error.to_string().contains("which stands for SHA-1"),
        "{error}"
    );
    // The server signs; the client, who has said something else, does not take it.
    let schemes = [S::ECDSA_SHA1, S::ECDSA_SECP256R1_SHA256];
    let error = silent(older_server().signature_schemes(schemes).build().unwrap());
    assert_eq!(error.violation(), None, "{error}");
    assert!(error.to_string().contains("illegal_parameter"), "{error}");
}

/// Chains with SHA-1 and SHA-224, by keys of both kinds.
#[test]
fn certificates_of_old_are_for_who_names_their_schemes() {
    for version in VERSIONS {
        for (shown, root, scheme, name) in [
            ("by-E-sha1", "E", S::ECDSA_SHA1, "ecdsa-with-SHA1"),
            ("by-E-sha224", "E", S::ECDSA_SHA224, "ecdsa-with-SHA224"),
            ("by-R-sha1", "R", S::RSA_PKCS1_SHA1, "sha1WithRSAEncryption"),
            (
                "by-R-sha224",
                "R",
                S::RSA_PKCS1_SHA224,
                "sha224WithRSAEncryption",
            ),
        ] {
            let [client, _] = refused(both(version, shown, root));
            assert!(
                client
                    .to_string()
                    .contains(&format!("is signed with {name}")),
                "{client}"
            );
            let (client, server) = both(version, shown, root);
            // Not by being named for handshakes.
            if scheme.lacking_feature().is_some() {
                let error = client
                    .certificate_signature_schemes([scheme])
                    .build()
                    .unwrap_err();
                assert!(
                    error.to_string().contains("needs the feature `ffi`"),
                    "{error}"
                );
                continue;
            }
            if version == ProtocolVersion::TLS_1_2 {
                let schemes = [scheme, S::ECDSA_SECP256R1_SHA256];
                let client = client.clone().signature_schemes(schemes);
                let [client, _] = refused((client, server.clone()));
                assert!(client.to_string().contains(name), "{client}");
            }
            let ends = (
                client.certificate_signature_schemes([scheme]),
                server.certificate_signature_schemes([scheme]),
            );
            proved(version, ends, S::ECDSA_SECP256R1_SHA256);
        }
    }
}

/// However many algorithms they stand for.
#[test]
fn every_scheme_may_be_named_for_certificates() {
    let every: Vec<_> = S::SUPPORTED
        .iter()
        .copied()
        .filter(|scheme| !scheme.is_dsa())
        .collect();
    for version in VERSIONS {
        for (shown, root) in [("by-E-sha1", "E"), ("by-P", "P"), ("by-Q", "Q")] {
            let (client, server) = both(version, shown, root);
            let ends = (
                client.certificate_signature_schemes(every.clone()),
                server.certificate_signature_schemes(every.clone()),
            );
            proved(version, ends, S::ECDSA_SECP256R1_SHA256);
        }
    }
}

#[test]
fn what_a_feature_brings_is_named_with_it() {
    for scheme in [S::RSA_PKCS1_SHA1, S::RSA_PKCS1_SHA224, S::DSA_SHA256] {
        let named = older_client()
            .signature_schemes([scheme, S::ED25519])
            .build();
        match cfg!(feature = "ffi") {
            true => assert!(named.is_ok()),
            false => assert_eq!(
                named.unwrap_err().to_string(),
                format!(
                    "signature_schemes: {scheme} needs the feature `ffi`; build with it, or leave the scheme out"
                )
            ),
        }
    }
    // No chain is verified with it, so nobody may name it for one.
    if cfg!(feature = "ffi") {
        let named = older_client()
            .certificate_signature_schemes([S::DSA_SHA256])
            .build();
        assert!(
            named
                .unwrap_err()
                .to_string()
                .contains("verifies no chain here")
        );
    }
}
