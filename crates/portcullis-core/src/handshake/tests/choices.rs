//! What an RFC leaves open, or this stack lets its user decide: both ways.

use super::attack::{By, client, connected_with, pair, read_all, retrying_server, server, talk};
use super::attack::{alert_seen_by, transmitted};
use super::parts::encrypted_extensions;
use super::tamper::{Put, first};
use crate::config::ServerConfig;
use crate::suite::CipherSuite;
use crate::testing::{Pair, now};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{AlertDescription, Direction, NamedGroup, ProtocolVersion, Reason, Step, Violation};

const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// How often a server sends change_cipher_spec, and whether it is where D.4 wants it: after its
/// first message.
fn change_cipher_specs(ask: bool, server: ServerConfig) -> usize {
    let client = client().middlebox_compatibility(ask).build().unwrap();
    let mut pair = Pair::new(client, server);
    talk(&mut pair);
    assert!(matches!(pair.client.poll(), Ok(Step::Connected)));
    let mut rest = &pair.server_sent[..];
    let mut found = Vec::new();
    for at in 0.. {
        let Some((head, _)) = rest.split_first_chunk::<5>() else {
            break;
        };
        let (record, after) =
            rest.split_at(5 + usize::from(u16::from_be_bytes([head[3], head[4]])));
        if record == CHANGE_CIPHER_SPEC {
            found.push(at);
        }
        rest = after;
    }
    assert!(found.iter().all(|at| *at == 1), "{found:?}");
    found.len()
}

/// D.4: a server must for a client that sends a session id, and may for any.
#[test]
fn change_cipher_spec_for_every_client_or_for_those_that_ask() {
    for (ask, on, count) in [
        (true, true, 1),
        (true, false, 1),
        (false, true, 1),
        (false, false, 0),
    ] {
        for server in [server(), retrying_server()] {
            let server = server.middlebox_compatibility(on).build().unwrap();
            assert_eq!(change_cipher_specs(ask, server), count, "{ask} {on}");
        }
    }
}

/// §4.1.1: a suite of another version is none, on whichever list and wherever it stands there.
#[test]
fn a_suite_of_the_version_is_chosen() {
    const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let older = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let newer = CipherSuite::TLS_AES_256_GCM_SHA384;
    let client = || client().versions(BOTH);
    let server = || server().versions(BOTH);
    for (ours, honors) in [
        ([older, newer], true),
        ([older, newer], false),
        ([newer, older], false),
    ] {
        let client = client().cipher_suites([older, newer]).build().unwrap();
        let server = server().cipher_suites(ours).honor_cipher_order(honors);
        let (client, server) = Pair::new(client, server.build().unwrap()).run();
        for connection in [client.unwrap(), server.unwrap()] {
            assert_eq!(connection.information.cipher_suite(), newer);
            let version = connection.information.version();
            assert_eq!(version, ProtocolVersion::TLS_1_3);
        }
    }
    // It offers TLS 1.3 with a suite that we have not.
    let ours = [older, CipherSuite::TLS_CHACHA20_POLY1305_SHA256];
    let client = client().cipher_suites([older, newer]).build().unwrap();
    let server = server().cipher_suites(ours).build().unwrap();
    let (_, server) = Pair::new(client, server).run();
    let error = server.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::NoSharedCipherSuite));
    let alert = (Direction::Sent, AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(error.alert(), Some(alert));
}

/// RFC 7507 §4: the value comes last; a server of TLS 1.3 alone has nothing better to offer.
#[test]
fn a_fallback_is_announced_and_appropriate() {
    for (on, last) in [
        (true, CipherSuite::TLS_FALLBACK_SCSV),
        (false, CipherSuite::TLS_CHACHA20_POLY1305_SHA256),
    ] {
        let server = server().pause_at_hello(true).build().unwrap();
        let pair = Pair::new(client().fallback(on).build().unwrap(), server);
        let (client, server) = pair.run_answering(|_, question| {
            if let crate::question::Question::ChooseConfiguration(question) = &question {
                assert_eq!(question.client_hello().cipher_suites().last(), Some(last));
            }
            Some(question.default_answer())
        });
        assert!(client.is_ok() && server.is_ok());
    }
}

/// RFC 7301 §3.1.
#[test]
fn a_protocol_that_was_not_offered_is_refused_or_reported() {
    for accept in [false, true] {
        let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
            vec![Put::Message(encrypted_extensions(raw, |parts| {
                parts.set(
                    E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                    [0, 4, 3, b'd', b'o', b't'],
                );
            }))]
        });
        let client = client().accept_unoffered_alpn(accept).build().unwrap();
        let mut pair = pair(client, server().build().unwrap(), By::Server, tamper);
        talk(&mut pair);
        match pair.client.poll() {
            Ok(Step::Connected) => {
                assert!(accept);
                let connection = pair.client.into_connection().unwrap();
                let selected = connection.information.alpn_protocol();
                assert_eq!(selected, Some(&b"dot"[..]));
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => {
                assert!(!accept);
                assert_eq!(error.violation(), Some(Violation::ProtocolNotOffered));
            }
        }
    }
}

/// §6: an error ends the connection whatever its level; the strict say so with an alert of
/// their own.
#[test]
fn an_error_at_the_level_of_a_warning() {
    for strict in [false, true] {
        let client = client().strict_alert_levels(strict);
        let (mut victim, mut attacker) = connected_with(By::Server, client, server());
        // user_canceled is no error, and may be a warning (§6.1).
        attacker.put(&Put::Record(ContentType::ALERT, vec![1, 90]));
        attacker.put(&Put::Record(ContentType::ALERT, vec![1, 10]));
        let error = read_all(&mut victim.reader, transmitted(&mut attacker)).unwrap_err();
        let mut out = vec![0; 256];
        let answer = victim.writer.drain_mailbox(&mut out);
        if strict {
            let written = answer.unwrap();
            assert_eq!(error.violation(), Some(Violation::WrongAlertLevel));
            attacker.receive(&out[..written], now());
            let seen = alert_seen_by(attacker);
            assert_eq!(seen, Some(AlertDescription::DECODE_ERROR));
        } else {
            let alert = AlertDescription::UNEXPECTED_MESSAGE;
            assert_eq!(error.alert(), Some((Direction::Received, alert)));
            assert!(matches!(error.reason(), Reason::AlertReceived(_)));
            assert!(answer.is_err());
        }
    }
}

#[test]
fn what_is_offered_by_default_can_be_done() {
    fn check<T: PartialEq + core::fmt::Debug>(default: &[T], supported: &[T]) {
        for value in default {
            assert!(supported.contains(value), "{value:?}");
        }
    }
    check(ProtocolVersion::DEFAULT, ProtocolVersion::SUPPORTED);
    check(CipherSuite::DEFAULT, CipherSuite::SUPPORTED);
    check(NamedGroup::DEFAULT, NamedGroup::SUPPORTED);
}

#[test]
fn versions_are_those_that_are_there() {
    let build = |versions: &[ProtocolVersion]| client().versions(versions).build();
    assert!(build(&[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]).is_ok());
    for (versions, says) in [
        (&[][..], "versions: the list is empty"),
        (&[ProtocolVersion::SSL_3_0], "SSLv3 is not implemented"),
        (
            &[ProtocolVersion::TLS_1_1],
            "cipher_suites: none is used by default that TLSv1.1 has; name some, such as \
             TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        ),
        (
            ProtocolVersion::SUPPORTED,
            "cipher_suites: none is used by default that TLSv1.1 has; name some, such as \
             TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        ),
        (&[ProtocolVersion::TLS_1_3; 2], "is there twice"),
    ] {
        let misuse = build(versions).unwrap_err().to_string();
        assert!(misuse.contains(says), "{misuse}");
        let misuse = server().versions(versions).build().unwrap_err().to_string();
        assert!(misuse.contains(says), "{misuse}");
    }
}
