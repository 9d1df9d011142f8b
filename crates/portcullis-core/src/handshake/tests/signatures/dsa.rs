//! Keys of DSA, in suites of DHE_DSS and of clients.

use super::super::attack::{By, pair};
use super::super::parts::body;
use super::super::tamper::{Put, first};
use super::{identity, refused, roots};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::suite::CipherSuite;
use crate::testing::Pair;
use crate::wire::HandshakeType as T;
use crate::{ProtocolVersion, SignatureScheme as S, Violation as V};

const V1_2: ProtocolVersion = ProtocolVersion::TLS_1_2;

const DSA: [S; 5] = [
    S::DSA_SHA256,
    S::DSA_SHA384,
    S::DSA_SHA512,
    S::DSA_SHA224,
    S::DSA_SHA1,
];

/// A client with the certificate, where the server's has another kind of key.
#[test]
fn a_client_proves_who_it_is_with_one() {
    for scheme in DSA {
        let client = ClientConfig::builder(roots("E"))
            .versions([V1_2])
            .identity(identity("dsa"))
            .signature_schemes([S::ECDSA_SECP256R1_SHA256, scheme])
            .certificate_signature_schemes([S::ECDSA_SHA224])
            .build()
            .unwrap();
        let server = ServerConfig::builder()
            .versions([V1_2])
            .identity(identity("by-E-sha224"))
            .client_authentication(ClientAuthentication::Required(roots("R")))
            .signature_schemes([scheme])
            .build()
            .unwrap();
        let (client, server) = Pair::new(client, server).run();
        let seen = server.unwrap().information.peer_signature_scheme();
        assert_eq!(seen, Some(scheme));
        let own = client.unwrap().information.local_signature_scheme();
        assert_eq!(own, Some(scheme));
    }
}

/// Before TLS 1.2 nobody says a scheme: who has not named DSA does not ask for it, and refuses it.
#[test]
fn a_certificate_that_was_not_asked_for_is_refused() {
    let v1_1 = ProtocolVersion::TLS_1_1;
    let suites = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA];
    let client = ClientConfig::builder(roots("E"))
        .versions([v1_1])
        .cipher_suites(suites)
        .certificate_signature_schemes([S::ECDSA_SHA224])
        .identity(identity("dsa"));
    let server = ServerConfig::builder()
        .versions([v1_1])
        .cipher_suites(suites)
        .identity(identity("by-E-sha224"))
        .client_authentication(ClientAuthentication::Required(roots("R")));
    // Honest clients show none then.
    let [_, error] = refused((client.clone(), server.clone()));
    assert_eq!(error.violation(), Some(V::NoClientCertificateBefore13));
    let named = server.clone().signature_schemes([S::DSA_SHA1, S::ED25519]);
    let honest = Pair::new(client.clone().build().unwrap(), named.build().unwrap());
    let (_, end) = honest.run();
    let seen = end.unwrap().information.peer_signature_scheme();
    assert_eq!(seen, Some(S::DSA_SHA1));
    // This one has heard the server ask for it, which has not.
    let tamper = first(T::CERTIFICATE_REQUEST, |raw| {
        vec![Put::Message(body(raw, |body| {
            // ecdsa_sign becomes dss_sign.
            let types = usize::from(body[0]);
            let sign = body[1..=types].iter_mut().find(|typ| **typ == 64);
            *sign.unwrap() = 2;
        }))]
    });
    let pair = pair(
        client.build().unwrap(),
        server.build().unwrap(),
        By::Server,
        tamper,
    );
    let violation = pair.run().1.err().unwrap().violation();
    assert_eq!(violation, Some(V::UnsupportedKey));
}

#[cfg(feature = "finite-field")]
mod dhe {
    use super::super::super::attack::Case;
    use super::super::{both, proved};
    use super::*;
    use crate::Stage;
    use crate::handshake::tests::tls12::user::users;
    use crate::suite::{Authentication, KeyExchange};

    const SUITE: CipherSuite = CipherSuite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256;

    fn suites() -> impl Iterator<Item = CipherSuite> {
        let suites = CipherSuite::SUPPORTED.iter().copied();
        suites.filter(|suite| suite.info().unwrap().authentication == Authentication::Dss)
    }

    #[test]
    fn every_suite_in_every_version() {
        let legacy = usize::from(cfg!(feature = "legacy-ciphers"));
        assert_eq!(suites().count(), (6 + legacy) + (2 + legacy));
        for suite in suites() {
            assert!(!CipherSuite::DEFAULT.contains(&suite));
            for version in [V1_2, ProtocolVersion::TLS_1_1, ProtocolVersion::TLS_1_0] {
                if !suite.info().unwrap().exists_in(version) {
                    continue;
                }
                let (client, server) = both(version, "dsa", "R");
                let (client, server) = match suite.info().unwrap().key_exchange {
                    KeyExchange::Srp => (
                        client.srp("alice", "password123").dh_minimum(1024),
                        server.srp_users(users()),
                    ),
                    _ => (client, server),
                };
                let ends = (
                    client.cipher_suites([suite]).signature_schemes(DSA),
                    server.cipher_suites([suite]).signature_schemes(DSA),
                );
                let expected = match version == V1_2 {
                    true => S::DSA_SHA256,
                    false => S::DSA_SHA1,
                };
                proved(version, ends, expected);
            }
        }
    }

    #[test]
    fn every_scheme() {
        for scheme in DSA {
            let (client, server) = both(V1_2, "dsa", "R");
            let ends = (
                client.cipher_suites([SUITE]).signature_schemes([scheme]),
                server.cipher_suites([SUITE]).signature_schemes([scheme]),
            );
            proved(V1_2, ends, scheme);
        }
    }

    #[test]
    fn suites_without_signatures_and_keys_without_suites_are_refused_when_built() {
        let (client, server) = both(V1_2, "dsa", "R");
        assert_eq!(
            client
                .clone()
                .cipher_suites([SUITE])
                .build()
                .unwrap_err()
                .to_string(),
            "cipher_suites: TLS_DHE_DSS_WITH_AES_128_GCM_SHA256 is for certificates with DSA keys, and \
             signature_schemes has none for these; name one there, such as dsa_sha256, or leave the suite out"
        );
        assert_eq!(
            server.build().unwrap_err().to_string(),
            "cipher_suites: they are for RSA and ECDSA certificates, and the identities have DSA keys: none of \
             the suites goes with them; add suites for these keys, or an identity for these suites"
        );
        let error = client
            .versions([ProtocolVersion::TLS_1_3])
            .signature_schemes([S::DSA_SHA256])
            .build()
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("dsa_sha256 cannot be used in TLSv1.3"),
            "{error}"
        );
    }

    /// The prime has as many bits as an RSA modulus must have.
    #[test]
    fn short_keys_are_refused_where_nobody_has_lowered_the_minimum() {
        let ends = |ours, theirs| {
            let (_, server) = both(V1_2, "dsa1024", "R");
            (
                ClientConfig::builder(roots("R"))
                    .versions([V1_2])
                    .cipher_suites([SUITE])
                    .signature_schemes(DSA)
                    .key_minimum(ours),
                server
                    .client_authentication(ClientAuthentication::None)
                    .cipher_suites([SUITE])
                    .key_minimum(theirs),
            )
        };
        let (client, server) = ends(1_024, 1_024);
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        assert!(pair.run().0.is_ok());
        let [client, _] = refused(ends(2_048, 1_024));
        assert!(
            client
                .to_string()
                .contains("has a DSA key of 1024 bits: 2048 to 4096 bits are accepted"),
            "{client}"
        );
        let error = ends(1_024, 2_048).1.build().unwrap_err();
        assert!(
            error.to_string().contains("its key of DSA has 1024 bits"),
            "{error}"
        );
    }

    /// A server shows a key of another kind than its suite says, in either direction.
    #[test]
    fn a_key_of_another_kind_is_refused() {
        for (suite, shown, instead) in [
            (SUITE, "dsa", "pss"),
            (
                CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
                "pss",
                "dsa",
            ),
        ] {
            let chain = identity(instead).chain().to_vec();
            let tamper = first(T::CERTIFICATE, move |raw| {
                let mut list = Vec::new();
                for one in &chain {
                    list.extend(&u32::try_from(one.len()).unwrap().to_be_bytes()[1..]);
                    list.extend(one.as_ref());
                }
                let len = &u32::try_from(list.len()).unwrap().to_be_bytes()[1..];
                let whole = [len, &list].concat();
                let head = [
                    &[raw[0]][..],
                    &u32::try_from(whole.len()).unwrap().to_be_bytes()[1..],
                ];
                vec![Put::Message([head.concat(), whole].concat())]
            });
            let named = [S::DSA_SHA256, S::RSA_PSS_PSS_SHA256];
            let client = ClientConfig::builder(roots("R"))
                .versions([V1_2])
                .cipher_suites([suite])
                .signature_schemes(named);
            let server = ServerConfig::builder()
                .versions([V1_2])
                .cipher_suites([suite])
                .identity(identity(shown));
            // It says the scheme of its own key.
            Case::new(
                V::SchemeDoesNotFitKey,
                By::Server,
                Stage::WaitCertificateRequest,
                tamper,
            )
            .client(client)
            .server(server)
            .check();
        }
    }
}
