//! TLS 1.1 and 1.0, both ends ours: what they share with TLS 1.2, and what only they have.

use super::attack::{
    self, By, authenticated_client, authenticating_server, client, refused, server, ticket_keys,
    transmitted,
};
use super::older::{V1_2, older_client, older_server, talking_in};
use super::parts::client_hello;
use super::tamper::{Put, Tamper, first};
use crate::config::{BeastMitigation, ClientConfigBuilder, ServerConfigBuilder};
use crate::crypto::HAS_RSA;
use crate::session::ClientSession;
use crate::suite::{Authentication, CipherSuite, Exchange};
use crate::testing::{Pair, name, pki, resuming, sessions_of};
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage as _, HandshakeType};
use crate::{Handshake, NamedGroup, ProtocolVersion, Reason, SignatureScheme, Violation};

const OLD: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_1, ProtocolVersion::TLS_1_0];
const SUITES: [CipherSuite; 2] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
];
const GCM: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;

fn old_client(version: ProtocolVersion) -> ClientConfigBuilder {
    client().versions([version]).cipher_suites(SUITES)
}

fn old_server(version: ProtocolVersion) -> ServerConfigBuilder {
    server().versions([version]).cipher_suites(SUITES)
}

fn pair(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// Those that `version` has and for which the key of the server signs.
fn suites_of(version: ProtocolVersion) -> impl Iterator<Item = CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    suites.filter(move |suite| {
        let info = suite.info().unwrap();
        let is_signed = suite.exchange().is_some_and(Exchange::is_signed);
        is_signed && info.authentication == Authentication::Ecdsa && info.exists_in(version)
    })
}

#[test]
fn every_suite_in_either_order_with_every_mitigation() {
    for version in OLD {
        // Behind these 3DES and RC4, if they are there.
        let legacy = if cfg!(feature = "legacy-ciphers") {
            2
        } else {
            0
        };
        assert_eq!(suites_of(version).count(), SUITES.len() + legacy);
        assert!(suites_of(version).take(SUITES.len()).eq(SUITES));
        for suite in suites_of(version) {
            for first in [true, false] {
                for mitigation in [
                    BeastMitigation::OneNMinusOne,
                    BeastMitigation::ZeroN,
                    BeastMitigation::Off,
                ] {
                    let client = old_client(version).encrypt_then_mac(first);
                    let client = client.beast_mitigation(mitigation).cipher_suites([suite]);
                    let server = old_server(version).beast_mitigation(mitigation);
                    let server = server.cipher_suites(suites_of(version).collect::<Vec<_>>());
                    let (client, server) = talking_in(version, pair(client, server));
                    for connection in [client, server] {
                        let information = &connection.information;
                        assert_eq!(information.cipher_suite(), suite);
                        let encrypt_then_mac = first && suite.has_cbc();
                        assert_eq!(information.encrypt_then_mac(), encrypt_then_mac);
                        assert_eq!(information.group(), Some(NamedGroup::X25519));
                    }
                }
            }
        }
    }
}

#[test]
fn both_ends_prove_who_they_are_and_nothing_says_how() {
    for version in OLD {
        let client = authenticated_client()
            .versions([version])
            .cipher_suites(SUITES);
        let server = authenticating_server()
            .versions([version])
            .cipher_suites(SUITES);
        let (client, server) = talking_in(version, pair(client, server));
        assert_eq!(server.information.peer_certificates(), pki().client.chain());
        assert_eq!(client.information.peer_certificates(), pki().server.chain());
        for connection in [client, server] {
            let scheme = connection.information.peer_signature_scheme();
            assert_eq!(scheme, Some(SignatureScheme::ECDSA_SHA1));
        }
    }
}

#[test]
fn keying_material_and_first_finished_are_the_same_at_both_ends() {
    for version in OLD {
        let (client, server) = talking_in(version, pair(old_client(version), old_server(version)));
        let material = [&client, &server].map(|connection| {
            let mut out = [0; 40];
            let information = &connection.information;
            let label = b"EXPERIMENTAL";
            information
                .export_keying_material(label, Some(b"context"), &mut out)
                .unwrap();
            (out, information.tls_unique().unwrap())
        });
        assert_eq!(material[0], material[1]);
        assert_ne!(material[0].1, [0; 12]);
    }
}

/// RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.1: what is offered alone follows from the newest version.
#[test]
fn a_hello_has_what_its_newest_version_has() {
    let hello = |versions: &[ProtocolVersion], suites: &[CipherSuite]| {
        let config = client().versions(versions).cipher_suites(suites).build();
        let mut client = Handshake::client(config.unwrap(), name()).unwrap();
        transmitted(&mut client)
    };
    for version in OLD {
        let bytes = hello(&[version], &SUITES);
        let hello = ClientHello::decode(&bytes[9..]).unwrap();
        assert_eq!(hello.legacy_version, version);
        for absent in [
            ExtensionType::SIGNATURE_ALGORITHMS,
            ExtensionType::SIGNATURE_ALGORITHMS_CERT,
            ExtensionType::SUPPORTED_VERSIONS,
            ExtensionType::KEY_SHARE,
        ] {
            assert!(!hello.extensions.contains(absent), "{absent}");
        }
        for there in [
            ExtensionType::SUPPORTED_GROUPS,
            ExtensionType::EC_POINT_FORMATS,
            ExtensionType::RENEGOTIATION_INFO,
            ExtensionType::EXTENDED_MASTER_SECRET,
        ] {
            assert!(hello.extensions.contains(there), "{there}");
        }
    }
    let mixed = [ProtocolVersion::TLS_1_2, ProtocolVersion::TLS_1_1];
    let bytes = hello(&mixed, &[GCM, SUITES[0]]);
    let hello = ClientHello::decode(&bytes[9..]).unwrap();
    assert_eq!(hello.legacy_version, ProtocolVersion::TLS_1_2);
    assert!(
        hello
            .extensions
            .contains(ExtensionType::SIGNATURE_ALGORITHMS)
    );
}

/// Every set that can be configured meets every other: the newest in common is spoken, with a suite
/// that it has, or the server says what it was offered.
#[test]
fn the_newest_version_in_common_is_spoken() {
    use ProtocolVersion as V;
    let all = [V::TLS_1_3, V::TLS_1_2, V::TLS_1_1, V::TLS_1_0];
    let sets = || {
        (1_u8..16).filter_map(|bits| {
            let chosen = (0..4).filter(|at| bits >> at & 1 == 1);
            let versions: Vec<_> = chosen.map(|at| all[at]).collect();
            let suites = [CipherSuite::TLS_AES_128_GCM_SHA256, GCM, SUITES[0]];
            let usable = |suite: &CipherSuite| {
                let mut versions = versions.iter();
                versions.any(|version| suite.is_usable_in(*version))
            };
            let suites: Vec<_> = suites.into_iter().filter(usable).collect();
            let built = client()
                .versions(&*versions)
                .cipher_suites(&*suites)
                .build();
            built.is_ok().then_some((versions, suites))
        })
    };
    // With TLS 1.3 any, without it those without a gap.
    assert_eq!(sets().count(), 8 + 6);
    for (ours, our_suites) in sets() {
        for (theirs, their_suites) in sets() {
            let client = client().versions(&*ours).cipher_suites(&*our_suites);
            let server = server().versions(&*theirs).cipher_suites(&*their_suites);
            let common = ours.iter().find(|version| theirs.contains(version));
            let (client, server) = pair(client, server).run();
            // RFC 8446 §4.1.3 takes it for an attack when ends that have something newer, each
            // something else, meet below TLS 1.2.
            let has_newer = |versions: &[V]| [V::TLS_1_3, V::TLS_1_2].contains(&versions[0]);
            let is_suspicious = has_newer(&ours) && has_newer(&theirs);
            match common {
                Some(version) if OLD.contains(version) && is_suspicious => {
                    let violation = client.unwrap_err().violation();
                    assert_eq!(violation, Some(Violation::DowngradeDetected));
                }
                Some(version) => {
                    let information = client.unwrap().information;
                    assert_eq!(information.version(), *version, "{ours:?} {theirs:?}");
                    assert!(information.cipher_suite().is_usable_in(*version));
                    assert!(server.is_ok());
                }
                // A hello without supported_versions does not say which version is its oldest.
                None => match client.unwrap_err().violation() {
                    Some(Violation::VersionNotOffered | Violation::DowngradeDetected) => {
                        let error = server.unwrap_err();
                        assert!(
                            matches!(error.reason(), Reason::AlertReceived(_)),
                            "{error}"
                        );
                    }
                    violation => {
                        assert_eq!(violation, None);
                        let violation = server.unwrap_err().violation();
                        assert_eq!(violation, Some(Violation::UnsupportedVersion));
                    }
                },
            }
        }
    }
}

fn session_of(client: &ClientConfigBuilder, server: &ServerConfigBuilder) -> ClientSession {
    let (client, server) = (client.clone().build(), server.clone().build());
    sessions_of(client.unwrap(), server.unwrap()).remove(0)
}

/// RFC 5246 §7.4.1.3, RFC 5077: with client certificates, by a session that was written down; and only
/// in the version that it is of.
#[test]
fn a_session_is_resumed_in_its_version_alone() {
    let keys = ticket_keys();
    let ends = |versions: &[ProtocolVersion]| {
        let suites = match versions {
            [ProtocolVersion::TLS_1_2, ..] => vec![SUITES[0], GCM],
            _ => SUITES.to_vec(),
        };
        let client = authenticated_client().session_tickets(true);
        let server = authenticating_server().ticket_keys(keys.clone());
        (
            client.versions(versions).cipher_suites(&*suites),
            server.versions(versions).cipher_suites(&*suites),
        )
    };
    let all = [ProtocolVersion::TLS_1_2, OLD[0], OLD[1]];
    for from in all {
        let (client, server) = ends(&[from]);
        let session = session_of(&client, &server);
        assert_eq!(session.version(), from);
        let session = ClientSession::from_bytes(&session.to_bytes()).unwrap();
        for to in all {
            let (client, server) = ends(&[to]);
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let pair = resuming(client, server, vec![session.clone()]);
            let (client, server) = talking_in(to, pair);
            for connection in [&client, &server] {
                let is_resumed = connection.information.is_resumed();
                assert_eq!(is_resumed, from == to, "{from} {to}");
            }
            assert_eq!(server.information.peer_certificates(), pki().client.chain());
        }
        // A client that offers it in a hello of all versions gets the newest, and a new session.
        let (client, server) = ends(&all);
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let pair = resuming(client, server, vec![session]);
        let (client, _) = talking_in(ProtocolVersion::TLS_1_2, pair);
        let is_newest = from == ProtocolVersion::TLS_1_2;
        assert_eq!(client.information.is_resumed(), is_newest);
    }
}

/// Makes the client's hello look as if it came from an older one.
fn looking_like(version: ProtocolVersion) -> Tamper {
    first(HandshakeType::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.legacy_version = version.0
        }))]
    })
}

/// RFC 8446 §4.1.3: a client that was talked down sees it in the server's random. A server that has
/// nothing newer than TLS 1.1 writes nothing there.
#[test]
fn who_was_talked_down_sees_it() {
    let all = [V1_2[0], OLD[0], OLD[1]];
    for (newest, expected) in [(0, Some(Violation::DowngradeDetected)), (1, None)] {
        let server = match newest {
            0 => server().versions(all).cipher_suites([GCM, SUITES[0]]),
            _ => server().versions(OLD).cipher_suites(SUITES),
        };
        for version in OLD {
            let client = client()
                .versions(all)
                .cipher_suites([GCM, SUITES[0]])
                .build();
            let server = server.clone().build().unwrap();
            let pair = attack::pair(client.unwrap(), server, By::Client, looking_like(version));
            let (client, _) = pair.run();
            let violation = client.err().and_then(|error| error.violation());
            assert_eq!(violation, expected, "{version}");
        }
    }
}

/// SSL 3.0 and what is older is no version here, whatever else is spoken.
#[test]
fn ssl_is_refused_by_name() {
    let built = client().versions([ProtocolVersion::SSL_3_0]).build();
    let says = built.unwrap_err().to_string();
    assert!(says.contains("SSLv3 is not implemented"), "{says}");
    let (versions, suites) = ([V1_2[0], OLD[0], OLD[1]], [GCM, SUITES[0]]);
    let client = client().versions(versions).cipher_suites(suites).build();
    let server = server().versions(versions).cipher_suites(suites).build();
    let tamper = looking_like(ProtocolVersion::SSL_3_0);
    let pair = attack::pair(client.unwrap(), server.unwrap(), By::Client, tamper);
    let error = refused(pair, By::Client);
    assert_eq!(
        error.violation(),
        Some(Violation::LegacyVersionInClientHello)
    );
    assert!(error.to_string().contains("SSLv3"), "{error}");
}

/// What needs a feature, or a suite that is not there, is said when the configuration is built.
#[test]
fn what_cannot_be_done_is_refused_when_it_is_built() {
    let says = |builder: ClientConfigBuilder| builder.build().unwrap_err().to_string();
    let refused = says(client().versions([ProtocolVersion::TLS_1_1]));
    assert!(
        refused.contains("none is used by default that TLSv1.1 has"),
        "{refused}"
    );
    let refused = says(
        older_client()
            .cipher_suites([GCM])
            .versions([V1_2[0], OLD[0]]),
    );
    assert!(refused.contains("there is none for TLSv1.1"), "{refused}");
    let refused = says(old_client(OLD[0]).cipher_suites([GCM]));
    assert!(refused.contains("cannot be used in TLSv1.1"), "{refused}");
    let refused = says(client().versions([V1_2[0], OLD[1]]));
    assert!(refused.contains("leaves a gap"), "{refused}");
    let rsa = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA;
    let refused = old_client(OLD[1]).cipher_suites([rsa]).build().err();
    let refused = refused.map(|error| error.to_string());
    assert_eq!(refused.is_none(), HAS_RSA);
    assert!(
        refused.is_none_or(|text| text.contains("`ffi`")),
        "a sentence names the feature"
    );
    // By default nobody speaks them, and nobody offers what they have.
    let older = older_server().build();
    let (client, server) = (old_client(OLD[0]).build(), older);
    let (_, server) = Pair::new(client.unwrap(), server.unwrap()).run();
    let violation = server.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::UnsupportedVersion));
}

/// An RSA key signs MD5 with SHA-1, on both sides.
#[cfg(feature = "ffi")]
#[test]
fn rsa_keys_sign_too() {
    use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let identity = crate::x509::Identity::from_der(chain, &key).unwrap();
    let suite = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA];
    for version in OLD {
        let client = crate::config::ClientConfig::dangerous_builder_without_verification()
            .versions([version])
            .cipher_suites(suite)
            .alpn(["h2"])
            .identity(identity.clone());
        let server = server().clear_identities().identity(identity.clone());
        let server = server.versions([version]).cipher_suites(suite);
        let unverified = crate::config::ClientAuthentication::DangerouslyUnverified;
        let server = server.client_authentication(unverified);
        let (client, server) = talking_in(version, pair(client, server));
        for connection in [client, server] {
            let information = &connection.information;
            let scheme = information.peer_signature_scheme();
            assert_eq!(scheme, Some(SignatureScheme::RSA_PKCS1_MD5_SHA1));
            assert_eq!(information.peer_certificates(), identity.chain());
        }
    }
}
