//! The channel binding of the server's certificate, at both ends, when a session is resumed
//! (RFC 5929 §4).

use super::*;
use crate::wire::codec::put_vec8;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::ECDSA_SECP521R1_SHA512,
    SignatureScheme::ED25519,
];

/// A certificate for `localhost` with this key, and another serial number than any before.
fn issued(key: &KeyPair) -> Identity {
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let der = params.self_signed(key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Identity::from_der(vec![der], &key).unwrap()
}

fn trusting(version: ProtocolVersion, identity: &Identity) -> ClientConfigBuilder {
    let mut roots = Roots::empty();
    roots.add_der(identity.chain()[0].clone()).unwrap();
    ClientConfig::builder(roots)
        .versions([version])
        .signature_schemes(SCHEMES)
        .session_tickets(true)
}

fn with(version: ProtocolVersion, keys: &TicketKeys, identity: &Identity) -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions([version])
        .identity(identity.clone())
        .ticket_keys(keys.clone())
}

/// The value that both ends have.
fn binding(ends: &(Connection, Connection)) -> Option<Vec<u8>> {
    let (client, server) = (&ends.0.information, &ends.1.information);
    let value = client.tls_server_end_point();
    assert_eq!(value, server.tls_server_end_point());
    value
}

/// What OpenSSL computes: `openssl x509 -outform DER | openssl dgst -sha256`.
fn sha256(der: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der)
        .as_ref()
        .to_vec()
}

#[test]
fn a_resumed_connection_has_the_certificate_of_the_first() {
    for version in VERSIONS {
        let keys = keys();
        let identity = issued(&KeyPair::generate().unwrap());
        let client = trusting(version, &identity);
        let server = with(version, &keys, &identity);
        let expected = Some(sha256(&identity.chain()[0]));
        let mut ends = connect(client.clone(), server.clone(), Vec::new());
        assert_eq!(binding(&ends), expected);
        // Through a session that was resumed itself, too.
        for _ in 0..2 {
            let sessions = match sessions(&mut ends.0) {
                of_before if of_before.is_empty() => first(&client, &server),
                sessions => sessions,
            };
            ends = connect(client.clone(), server.clone(), sessions);
            assert!(ends.0.information.is_resumed(), "{version}");
            assert_eq!(binding(&ends), expected, "{version}");
            assert!(ends.1.information.local_certificate().is_none());
        }
    }
}

/// The client has seen the certificate of that time, so that one counts, and not the renewed one
/// that the server has by now: never a value that the client does not have.
#[test]
fn a_renewed_certificate_changes_nothing_for_a_session() {
    for version in VERSIONS {
        let keys = keys();
        let key = KeyPair::generate().unwrap();
        let before = issued(&key);
        let client = trusting(version, &before);
        let session = first(&client, &with(version, &keys, &before));
        for after in [issued(&key), issued(&KeyPair::generate().unwrap())] {
            assert_ne!(before.chain(), after.chain());
            let asks = with(version, &keys, &after).ask_identity(true);
            let fleet = with(version, &keys, &after).identity(before.clone());
            for server in [with(version, &keys, &after), asks, fleet] {
                let ends = connect(client.clone(), server, session.clone());
                assert!(ends.0.information.is_resumed(), "{version}");
                assert_eq!(binding(&ends), Some(sha256(&before.chain()[0])));
            }
        }
    }
}

#[test]
fn the_hash_is_as_long_as_that_of_the_signature_or_not_there() {
    for version in VERSIONS {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, 32),
            (&rcgen::PKCS_ECDSA_P384_SHA384, 48),
            (&rcgen::PKCS_ECDSA_P521_SHA512, 64),
            (&rcgen::PKCS_ED25519, 0),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let (keys, identity) = (keys(), issued(&key));
            let client = trusting(version, &identity);
            let server = with(version, &keys, &identity);
            let ends = connect(client.clone(), server.clone(), first(&client, &server));
            assert!(ends.0.information.is_resumed(), "{:?}", key.algorithm());
            assert_eq!(binding(&ends).unwrap_or_default().len(), length);
        }
    }
}

/// What was written down before the hash was kept is resumed, without a value.
#[test]
fn a_session_that_does_not_name_it_has_none() {
    let (keys, identity) = (keys(), issued(&KeyPair::generate().unwrap()));
    let client = trusting(ProtocolVersion::TLS_1_3, &identity);
    let server = with(ProtocolVersion::TLS_1_3, &keys, &identity);
    let mut session = first(&client, &server).remove(0);
    let bytes = keys.open(&session.ticket, now()).unwrap();
    let hash = sha256(&identity.chain()[0]);
    let at = bytes.windows(32).position(|part| part == hash).unwrap();
    let changed = |put: &[u8]| {
        let mut changed = bytes[..at - 1].to_vec();
        put_vec8(&mut changed, |out| out.extend_from_slice(put));
        changed.extend_from_slice(&bytes[at + 32..]);
        changed
    };
    assert_eq!(*changed(&hash), **bytes);
    for put in [&[0; 65][..], &[0; 255]] {
        assert!(ServerSession::from_bytes(&changed(put)).is_err());
    }
    let without = changed(&[]);
    let again = ServerSession::from_bytes(&without).unwrap();
    assert_eq!(**again.to_bytes(), *without);
    let ticket = keys.seal(&without, now(), &mut Random::system()).unwrap();
    session.ticket = ticket.unwrap().into();
    let (ours, theirs) = connect(client, server, vec![session]);
    assert!(theirs.information.is_resumed());
    assert_eq!(theirs.information.tls_server_end_point(), None);
    assert_eq!(ours.information.tls_server_end_point(), Some(hash));
}
