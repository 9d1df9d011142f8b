//! ECDH with the key in the server's certificate (RFC 4492 §2.1, §2.3).

use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use rustls_pki_types::PrivateKeyDer;

use super::super::attack::{self, By, pair, refused};
use super::super::older::{V1_2, talking_in};
use super::super::parts::message;
use super::super::tamper::{Put, first};
use super::{session_of, ticket_keys};
use crate::config::{ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfigBuilder};
use crate::suite::{Authentication, CipherSuite, KeyExchange};
use crate::testing::{Pair, pki, resuming};
use crate::wire::HandshakeType as T;
use crate::x509::{CertificateErrorKind, Form, Identity, Roots};
use crate::{NamedGroup, ProtocolVersion, Reason, SignatureScheme, Violation};

struct Keys {
    roots: Roots,
    /// Signed by a key for ECDSA; on P-256 and on P-384.
    by_ecdsa: [Identity; 2],
    /// Signed by an RSA key; on P-256.
    by_rsa: Identity,
    /// May sign, and may not agree.
    signing: Identity,
    /// May agree, and may not sign.
    agreeing: Identity,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut roots = pki().roots.clone();
        let mut issuer = |algorithm: &'static SignatureAlgorithm| {
            let mut root = CertificateParams::default();
            root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let name = format!("root of {algorithm:?}");
            root.distinguished_name
                .push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate_for(algorithm).unwrap();
            let der = root.self_signed(&key).unwrap().der().clone();
            roots.add_der(der).unwrap();
            Issuer::new(root, key)
        };
        let (ecdsa, rsa) = (issuer(&PKCS_ECDSA_P256_SHA256), issuer(&PKCS_RSA_SHA256));
        let leaf = |issuer: &Issuer<'_, KeyPair>, algorithm, usages: &[KeyUsagePurpose]| {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.key_usages = usages.to_vec();
            let key = KeyPair::generate_for(algorithm).unwrap();
            let der = params.signed_by(&key, issuer).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity::from_der(vec![der], &key).unwrap()
        };
        let [p256, p384] = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384];
        let [sign, agree] = [
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyAgreement,
        ];
        Keys {
            by_ecdsa: [p256, p384].map(|curve| leaf(&ecdsa, curve, &[])),
            by_rsa: leaf(&rsa, p256, &[sign, agree]),
            signing: leaf(&ecdsa, p256, &[sign]),
            agreeing: leaf(&ecdsa, p256, &[agree]),
            roots,
        }
    })
}

fn suites_of(version: ProtocolVersion) -> Vec<CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    let is_such = |suite: &CipherSuite| {
        suite.info().unwrap().key_exchange == KeyExchange::Ecdh && suite.is_usable_in(version)
    };
    suites.filter(is_such).collect()
}

fn client_of(version: ProtocolVersion) -> ClientConfigBuilder {
    ClientConfig::builder(keys().roots.clone())
        .versions([version])
        .cipher_suites(suites_of(version))
        .alpn(["h2"])
}

fn server_of(version: ProtocolVersion) -> ServerConfigBuilder {
    attack::server()
        .clear_identities()
        .identity(keys().by_ecdsa[0].clone())
        .versions([version])
        .cipher_suites(suites_of(version))
}

/// That of TLS 1.2 with every suite.
pub(in super::super) fn client() -> ClientConfigBuilder {
    client_of(V1_2[0])
}

pub(in super::super) fn server() -> ServerConfigBuilder {
    server_of(V1_2[0])
}

fn run(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// Those that go with a suite.
pub(super) fn identities(suite: CipherSuite) -> &'static [Identity] {
    match suite.info().unwrap().authentication {
        Authentication::Rsa => core::slice::from_ref(&keys().by_rsa),
        _ => &keys().by_ecdsa,
    }
}

#[test]
fn every_suite_in_every_version_with_and_without_a_client_certificate() {
    let mut count = 0;
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        for suite in suites_of(version) {
            for identity in identities(suite) {
                for authenticates in [false, true] {
                    let client = client_of(version).cipher_suites([suite]);
                    let server = server_of(version).cipher_suites([suite]);
                    let server = server.clear_identities().identity(identity.clone());
                    let roots = pki().roots.clone();
                    let (client, server) = match authenticates {
                        false => (client, server),
                        true => (
                            client.identity(pki().client.clone()),
                            server.client_authentication(ClientAuthentication::Required(roots)),
                        ),
                    };
                    let (client, server) = talking_in(version, run(client, server));
                    let (ours, theirs) = (&client.information, &server.information);
                    assert_eq!(ours.cipher_suite(), suite);
                    assert_eq!(ours.group(), identity.curve());
                    assert_eq!(ours.peer_certificates(), identity.chain());
                    // Its key has signed nothing.
                    assert_eq!(ours.peer_signature_scheme(), None);
                    assert_eq!(theirs.local_signature_scheme(), None);
                    assert_eq!(theirs.peer_signature_scheme().is_some(), authenticates);
                }
            }
            count += 1;
        }
    }
    // 12 of TLS 1.2, of which 4 are of the others, too.
    let legacy = if cfg!(feature = "legacy-ciphers") {
        4
    } else {
        0
    };
    assert_eq!(count, 12 + 4 + 4 + 3 * legacy);
}

#[test]
fn nobody_has_it_by_default() {
    let is_default = |suite: &CipherSuite| CipherSuite::DEFAULT.contains(suite);
    assert!(!suites_of(V1_2[0]).iter().any(is_default));
}

#[test]
fn sessions_are_resumed() {
    let client = client().session_tickets(true);
    for server in [
        server().ticket_keys(ticket_keys()),
        server().ask_sessions(true),
    ] {
        let session = session_of(&client, &server);
        let (client, server) = (client.clone().build(), server.build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session]);
        let (client, server) = talking_in(V1_2[0], pair);
        assert!(client.information.is_resumed() && server.information.is_resumed());
        assert_eq!(client.information.group(), Some(NamedGroup::SECP256R1));
    }
}

/// Jager, Schwenk and Somorovsky, *Practical Invalid Curve Attacks on TLS-ECDH* (2015): points of other curves
/// tell a key that stays, some bits at a time. None is multiplied.
#[test]
fn points_that_are_not_on_the_curve() {
    // y² = x³ - 3x + b of P-256 has no such point; (5, 1) is one of the curve with another b.
    let number = |last| [vec![0; 31], vec![last]].concat();
    let off = [vec![4], number(5), number(1)].concat();
    // x of the generator, with one bit of y that is wrong.
    let compressed = [vec![2], number(5)].concat();
    let of_p384 = [vec![4], vec![1; 96]].concat();
    for (point, violation) in [
        (off, Violation::BadKeyShare),
        (compressed, Violation::BadKeyShare),
        (of_p384, Violation::BadKeyShare),
        // Infinity.
        (vec![0], Violation::BadKeyShare),
        ([vec![4], vec![0; 64]].concat(), Violation::BadKeyShare),
        ([vec![4], vec![0xff; 64]].concat(), Violation::BadKeyShare),
        // RFC 4492 §5.7: "implicit", with a certificate of fixed ECDH, which nobody was asked for.
        (Vec::new(), Violation::MalformedMessage),
    ] {
        let body = [&[u8::try_from(point.len()).unwrap()][..], &point].concat();
        let tamper = first(T::CLIENT_KEY_EXCHANGE, move |_| {
            vec![Put::Message(message(T::CLIENT_KEY_EXCHANGE, &body))]
        });
        let (client, server) = (client().build().unwrap(), server().build().unwrap());
        let error = refused(pair(client, server, By::Client, tamper), By::Client);
        assert_eq!(error.violation(), Some(violation), "{point:02x?}");
    }
    // No point at all, not even its length.
    let tamper = first(T::CLIENT_KEY_EXCHANGE, |_| {
        vec![Put::Message(message(T::CLIENT_KEY_EXCHANGE, &[]))]
    });
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let error = refused(pair(client, server, By::Client, tamper), By::Client);
    assert_eq!(error.violation(), Some(Violation::MalformedMessage));
    assert!(error.to_string().contains("fixed ECDH"), "{error}");
}

/// The server has said all with its certificate.
#[test]
fn there_is_no_server_key_exchange() {
    let tamper = first(T::SERVER_HELLO_DONE, |raw| {
        let params = [&[3, 0, 23, 65, 4][..], &[7; 64]].concat();
        vec![
            Put::Message(message(T::SERVER_KEY_EXCHANGE, &params)),
            Put::Message(raw.to_vec()),
        ]
    });
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let error = refused(pair(client, server, By::Server, tamper), By::Server);
    assert_eq!(error.violation(), Some(Violation::UnexpectedMessage));
}

/// Each key for what it may be used, on both sides (RFC 5246 §7.4.2).
#[test]
fn the_key_usage_counts() {
    let alone = |identity: &Identity| server().clear_identities().identity(identity.clone());
    talking_in(V1_2[0], run(client(), alone(&keys().agreeing)));
    let refused_at_once = alone(&keys().signing).build().unwrap_err().to_string();
    assert!(
        refused_at_once.contains("no keyAgreement"),
        "{refused_at_once}"
    );
    let shows = |identity: &Identity, client: ClientConfigBuilder, server: ServerConfigBuilder| {
        let certificate = identity.certificate_message(Form::Before13).to_vec();
        let tamper = first(T::CERTIFICATE, move |_| {
            vec![Put::Message(certificate.clone())]
        });
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        refused(pair(client, server, By::Server, tamper), By::Server)
    };
    let kind = |error: crate::Error| match error.reason() {
        Reason::Certificate(error) => error.kind().clone(),
        other => panic!("{other:?}"),
    };
    let error = shows(&keys().signing, client(), server());
    assert_eq!(kind(error), CertificateErrorKind::NoKeyAgreement);
    let signed = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let (client_signs, server_signs) = (client(), server());
    let error = shows(
        &keys().agreeing,
        client_signs.cipher_suites(signed),
        server_signs.cipher_suites(signed),
    );
    assert_eq!(kind(error), CertificateErrorKind::KeyUsage);
    let trusting = ClientConfig::dangerous_builder_without_verification()
        .versions(V1_2)
        .cipher_suites(suites_of(V1_2[0]));
    let error = shows(attack::ed25519_identity(), trusting, server());
    assert_eq!(error.violation(), Some(Violation::KeyDoesNotFitSuite));
}

/// A server takes the suite that is for the kind of key that has signed its certificate, as clients before TLS
/// 1.2 may demand.
#[test]
fn the_suite_is_that_of_the_issuer() {
    for (identity, authentication) in [
        (&keys().by_rsa, Authentication::Rsa),
        (&keys().by_ecdsa[0], Authentication::Ecdsa),
    ] {
        let server = server().clear_identities().identity(identity.clone());
        let (client, _) = talking_in(V1_2[0], run(client(), server));
        let suite = client.information.cipher_suite();
        assert_eq!(suite.info().unwrap().authentication, authentication);
    }
}

/// RFC 4492 §2.1, §2.3: before TLS 1.2 nothing but the suite says what has signed the certificate, so it has to be so;
/// later it may be otherwise (RFC 5246 §7.4.2; mbedtls#1561 had it the other way round).
#[test]
fn who_has_signed_the_certificate_counts_before_tls_1_2() {
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        // What the server shows is for the suite of the other kind.
        let Keys {
            by_ecdsa, by_rsa, ..
        } = keys();
        for (own, shown) in [(by_rsa, &by_ecdsa[0]), (&by_ecdsa[0], by_rsa)] {
            let certificate = shown.certificate_message(Form::Before13).to_vec();
            let tamper = first(T::CERTIFICATE, move |_| {
                vec![Put::Message(certificate.clone())]
            });
            let server = server_of(version).clear_identities().identity(own.clone());
            let (client, server) = (client_of(version).build(), server.build());
            let pair = pair(client.unwrap(), server.unwrap(), By::Server, tamper);
            let error = match version {
                // Its key is another one than the client goes on with.
                ProtocolVersion::TLS_1_2 => refused(pair, By::Client),
                _ => refused(pair, By::Server),
            };
            let expected = match version {
                ProtocolVersion::TLS_1_2 => Violation::BadRecordMac,
                _ => Violation::KeyDoesNotFitSuite,
            };
            assert_eq!(error.violation(), Some(expected), "{version}: {error}");
        }
    }
}

/// RFC 8422 §5.1: the key has to be on a curve that the client lists.
#[test]
fn a_curve_that_is_not_listed() {
    let [p256, p384] = &keys().by_ecdsa;
    let client = || client().groups([NamedGroup::SECP384R1]);
    let both = server().identity(p384.clone());
    let (connection, _) = talking_in(V1_2[0], run(client(), both));
    assert_eq!(connection.information.peer_certificates(), p384.chain());
    let error = refused(run(client(), server()), By::Client);
    assert_eq!(error.violation(), Some(Violation::NoSharedCertificateCurve));
    // What a server shows all the same is refused.
    let certificate = p256.certificate_message(Form::Before13).to_vec();
    let tamper = first(T::CERTIFICATE, move |_| {
        vec![Put::Message(certificate.clone())]
    });
    let server = server().clear_identities().identity(p384.clone());
    let (client, server) = (client().build().unwrap(), server.build().unwrap());
    let error = refused(pair(client, server, By::Server, tamper), By::Server);
    assert_eq!(error.violation(), Some(Violation::LeafCurveNotOffered));
}

/// Nobody is asked to agree on a secret with a key that is elsewhere.
#[test]
fn a_key_that_is_elsewhere() {
    let chain = keys().by_ecdsa[0].chain().to_vec();
    let schemes = vec![SignatureScheme::ECDSA_SECP256R1_SHA256];
    let external = Identity::with_external_key(chain, schemes).unwrap();
    let server = server().clear_identities().identity(external);
    let error = server.build().unwrap_err().to_string();
    assert!(error.contains("it is elsewhere"), "{error}");
}
