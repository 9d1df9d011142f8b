//! RSA_PSK (RFC 4279 §4): the client encrypts a secret for the server's key, and both share another.

use super::super::attack::{By, pair, refused, ticket_keys};
use super::super::older::{V1_2, talking_in};
use super::super::parts::message;
use super::super::tamper::{Put, first};
use super::decryption::{self, elsewhere};
use super::exchanges::psk;
use super::rsa::rsa;
use super::session_of;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, PreSharedKey, ServerConfigBuilder,
};
use crate::question::Question;
use crate::suite::{CipherSuite, KeyExchange};
use crate::testing::{Pair, pki, resuming};
use crate::wire::HandshakeType as T;
use crate::x509::Roots;
use crate::{ProtocolVersion, Violation};

fn suites_of(version: ProtocolVersion) -> Vec<CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    let is_such = |suite: &CipherSuite| {
        let info = suite.info().unwrap();
        info.key_exchange == KeyExchange::RsaPsk && suite.is_usable_in(version)
    };
    suites.filter(is_such).collect()
}

/// Without a key.
fn client_of(version: ProtocolVersion, roots: &Roots) -> ClientConfigBuilder {
    ClientConfig::builder(roots.clone())
        .versions([version])
        .cipher_suites(suites_of(version))
        .alpn(["h2"])
}

fn ends_of(version: ProtocolVersion) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let server = super::super::attack::server()
        .clear_identities()
        .identity(rsa().both.clone())
        .versions([version])
        .cipher_suites(suites_of(version))
        .psk(psk());
    (client_of(version, &rsa().roots).psk(psk()), server)
}

/// Those of TLS 1.2.
pub(in super::super) fn ends() -> (ClientConfigBuilder, ServerConfigBuilder) {
    ends_of(V1_2[0])
}

fn run(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

#[test]
fn every_suite_in_every_version_with_a_key_here_and_elsewhere() {
    let mut count = 0;
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        for suite in suites_of(version) {
            for is_elsewhere in [false, true] {
                let (client, mut server) = ends_of(version);
                if is_elsewhere {
                    server = server.clear_identities().identity(elsewhere());
                }
                // With a hint and without.
                if count % 2 == 0 {
                    server = server.psk_identity_hint("meters");
                }
                let client = client.cipher_suites([suite]);
                let mut pair = run(client, server.cipher_suites([suite]));
                pair.turn(&mut |_, question| {
                    Some(match question {
                        Question::Decrypt(question) => decryption::answer(*question),
                        other => other.default_answer(),
                    })
                });
                let (client, server) = talking_in(version, pair);
                let (ours, theirs) = (&client.information, &server.information);
                assert_eq!(ours.cipher_suite(), suite);
                assert_eq!(ours.group(), None);
                assert_eq!(ours.peer_certificates(), rsa().both.chain());
                for information in [ours, theirs] {
                    assert_eq!(information.psk_identity(), Some(&b"meter-17"[..]));
                }
                assert!(theirs.peer_certificates().is_empty());
                count += 1;
            }
        }
    }
    // 2 of TLS 1.2 alone, 4 of all three.
    let legacy = if cfg!(feature = "legacy-ciphers") {
        2
    } else {
        0
    };
    assert_eq!(count, 2 * (2 + 3 * (4 + legacy)));
}

/// Both secrets count: neither the certificate's key alone nor the shared one is enough.
#[test]
fn either_secret_alone_is_not_enough() {
    let other = PreSharedKey::new("meter-17", [8; 32]).unwrap();
    let nobody = PreSharedKey::new("meter-18", [7; 32]).unwrap();
    let with = |key: PreSharedKey| client_of(V1_2[0], &rsa().roots).psk(key);
    for (client, hides, expected) in [
        (with(other), false, Violation::BadRecordMac),
        (with(nobody.clone()), false, Violation::UnknownPskIdentity),
        (with(nobody), true, Violation::BadRecordMac),
    ] {
        let (_, server) = ends();
        let server = server.hide_unknown_psk_identities(hides);
        let error = refused(run(client, server), By::Client);
        assert_eq!(error.violation(), Some(expected));
    }
}

/// A server without the certificate's roots is refused, whatever key it shares (the reverse of otp#3602; otp
/// PR#11341).
#[test]
fn the_chain_is_verified_all_the_same() {
    let (_, server) = ends();
    let client = client_of(V1_2[0], &pki().roots).psk(psk());
    let error = refused(run(client, server), By::Server);
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// As with RSA alone, nothing tells a wrong padding from a wrong secret; that the identity is unknown is told
/// whatever was encrypted.
#[test]
fn no_ciphertext_is_told_from_another() {
    let good = super::rsa::encrypted(&[3; 48]);
    for known in [true, false] {
        let mut said = Vec::new();
        for ciphertext in [good.clone(), vec![7; 256], vec![0; 256], Vec::new()] {
            let identity: &[u8] = if known { b"meter-17" } else { b"meter-18" };
            let mut body = Vec::new();
            for part in [identity, &ciphertext] {
                body.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
                body.extend(part);
            }
            let tamper = first(T::CLIENT_KEY_EXCHANGE, move |_| {
                vec![Put::Message(message(T::CLIENT_KEY_EXCHANGE, &body))]
            });
            let (client, server) = ends();
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let error = refused(pair(client, server, By::Client, tamper), By::Client);
            said.push((error.to_string(), error.alert(), error.stage()));
        }
        assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");
    }
}

#[test]
fn sessions_are_resumed_while_the_key_is_there() {
    let (client, server) = ends();
    let client = client.session_tickets(true);
    for server in [
        server.clone().ticket_keys(ticket_keys()),
        server.ask_sessions(true),
    ] {
        let session = session_of(&client, &server);
        let bytes = session.to_bytes();
        let session = crate::session::ClientSession::from_bytes(&bytes).unwrap();
        let (client, server) = (client.clone().build(), server.build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session]);
        let (client, server) = talking_in(V1_2[0], pair);
        for information in [&client.information, &server.information] {
            assert!(information.is_resumed());
            assert_eq!(information.psk_identity(), Some(&b"meter-17"[..]));
        }
        let shown = client.information.peer_certificates();
        assert_eq!(shown, rsa().both.chain());
    }
}

/// RFC 4279 has no CertificateRequest with pre-shared keys.
#[test]
fn what_a_configuration_cannot_have() {
    let (_, server) = ends();
    let required = ClientAuthentication::Required(pki().roots.clone());
    let error = server.clone().client_authentication(required).build();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no client shows a certificate"), "{error}");
    let error = server.clear_identities().build().unwrap_err().to_string();
    assert!(error.contains("there is no identity"), "{error}");
    let without = client_of(V1_2[0], &rsa().roots).build();
    let error = without.unwrap_err().to_string();
    assert!(error.contains("needs a pre-shared key"), "{error}");
}
