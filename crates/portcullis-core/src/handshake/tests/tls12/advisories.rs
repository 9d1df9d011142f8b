//! What went wrong in other implementations of TLS 1.2, by the name of the lesson. What has a case
//! in `violations/` for its own sake stands here once more, as what somebody else got wrong.

use super::super::attack::{
    By, Case, alert_seen_by, client, pair, pair_resuming, refused, resuming_client,
    retrying_server, server, talk, ticket_keys, transmitted, unknown_session,
};
use super::super::older::{V1_2, older_client, older_server};
use super::super::parts::{client_hello, message, server_hello};
use super::super::tamper::{Put, Tamper, first, nth};
use super::{both_authenticate, resumable, session_of};
use crate::crypto::aead::{AeadAlgorithm, AeadKey};
use crate::question::Question;
use crate::suite::CipherSuite;
use crate::testing::{Pair, now, pki, resuming};
use crate::version::DOWNGRADE_TO_TLS_1_2;
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{AlertDescription, Handshake, ProtocolVersion, Stage, Violation as V};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

fn case(violation: V, by: By, stage: Stage, tamper: Tamper) -> Case {
    let case = Case::new(violation, by, stage, tamper);
    case.client(older_client()).server(older_server())
}

fn changes(typ: T, change: fn(&[u8]) -> Vec<u8>) -> Tamper {
    first(typ, move |raw| vec![Put::Message(change(raw))])
}

fn before(typ: T, put: Put) -> Tamper {
    first(typ, move |raw| {
        vec![put.clone(), Put::Message(raw.to_vec())]
    })
}

/// CVE-2026-34873: after a HelloRetryRequest of TLS 1.3 a ServerHello of TLS 1.2 led on. The same of those before.
#[test]
fn a_retry_and_then_an_older_hello() {
    let gcm = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let cbc = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;
    let versions = [
        ProtocolVersion::TLS_1_3,
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ];
    let suites = [CipherSuite::TLS_AES_128_GCM_SHA256, gcm, cbc];
    for (version, suite) in versions[1..].iter().zip([gcm, cbc, cbc]) {
        let version = version.0;
        let tamper = nth(2, T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                hello.legacy_version = version;
                hello.extensions.remove(E::SUPPORTED_VERSIONS);
                hello.extensions.remove(E::KEY_SHARE);
                hello.suite = suite.0;
            }))]
        });
        let stage = Stage::WaitServerHello;
        Case::new(V::VersionChangedAfterRetry, By::Server, stage, tamper)
            .client(client().versions(versions).cipher_suites(suites))
            .server(retrying_server())
            .check();
    }
}

/// BoGo: ConflictingVersionNegotiation. A hello whose legacy_version says TLS 1.2 and whose
/// supported_versions does not was served all the same (RFC 8446 §4.2.1).
#[test]
fn supported_versions_alone_count() {
    let tamper = changes(T::CLIENT_HELLO, |raw| {
        client_hello(raw, |hello| {
            assert_eq!(hello.legacy_version, 0x0303);
            hello.extensions.add(E::SUPPORTED_VERSIONS, [2, 3, 2]);
        })
    });
    let stage = Stage::WaitClientHello;
    case(V::UnsupportedVersion, By::Client, stage, tamper).check();
}

/// RFC 8446 §4.1.3: what the server says in its random depends on the versions of the
/// configuration that serves, not of the one that took the hello.
#[test]
fn the_sentinel_is_that_of_the_chosen_configuration() {
    for (front, chosen, expected) in [
        (&BOTH[..], &V1_2[..], false),
        (&V1_2, &BOTH, true),
        (&BOTH, &BOTH, true),
        (&V1_2, &V1_2, false),
    ] {
        let front = server().versions(front).pause_at_hello(true);
        let chosen = server().versions(chosen).build().unwrap();
        let client = older_client().build().unwrap();
        let mut pair = Pair::new(client, front.build().unwrap());
        pair.turn(&mut |_, question| {
            Some(match question {
                Question::ChooseConfiguration(question) => question.use_config(chosen.clone()),
                other => other.default_answer(),
            })
        });
        let server = pair.server.into_connection().unwrap();
        let random = server.information.server_random();
        assert_eq!(random.ends_with(&DOWNGRADE_TO_TLS_1_2), expected);
    }
}

/// POODLE (CVE-2014-3566), DROWN (CVE-2016-0800): what is older than TLS is refused, by its name.
#[test]
fn older_than_tls() {
    let ssl3 = changes(T::CLIENT_HELLO, |raw| {
        client_hello(raw, |hello| {
            hello.legacy_version = 0x0300;
        })
    });
    let (client, server) = (older_client().build(), older_server().build());
    let pair = pair(client.unwrap(), server.unwrap(), By::Client, ssl3);
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(V::LegacyVersionInClientHello));
    assert!(error.to_string().contains("SSL"), "{error}");
    let mut server = Handshake::server(older_server().build().unwrap());
    server.receive(
        &[0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16, 1, 0, 0x80],
        now(),
    );
    transmitted(&mut server);
    let error = server.poll().unwrap_err();
    assert!(error.to_string().contains("SSL"), "{error}");
}

/// CVE-2014-0224: a change_cipher_spec before there are keys was taken, or its lack was not noticed
/// (BoGo: EarlyChangeCipherSpec-*, SkipChangeCipherSpec-*, FragmentAcrossChangeCipherSpec-*).
#[test]
fn a_change_of_keys_that_is_not_due() {
    let early = |by, stage, typ| {
        let tamper = before(typ, Put::Raw(CHANGE_CIPHER_SPEC.into()));
        case(V::UnexpectedChangeCipherSpec, by, stage, tamper).check();
    };
    early(By::Server, Stage::WaitServerHello, T::SERVER_HELLO);
    early(By::Server, Stage::WaitCertificate, T::CERTIFICATE);
    early(
        By::Server,
        Stage::WaitServerKeyExchange,
        T::SERVER_KEY_EXCHANGE,
    );
    early(
        By::Client,
        Stage::WaitClientKeyExchange,
        T::CLIENT_KEY_EXCHANGE,
    );
    // With half a message of before.
    let across = first(T::CLIENT_KEY_EXCHANGE, |raw| {
        let (front, back) = raw.split_at(5);
        vec![
            Put::Message(front.to_vec()),
            Put::Raw(CHANGE_CIPHER_SPEC.into()),
            Put::Message(back.to_vec()),
        ]
    });
    let stage = Stage::WaitClientKeyExchange;
    case(V::InterleavedRecord, By::Client, stage, across).check();
}

/// BoGo: PartialFinishedWithServerHelloDone, TrailingDataWithFinished-*. What came before a change of
/// keys was taken for what was protected by them.
#[test]
fn nothing_of_a_message_before_the_change_of_keys() {
    let finished = &message(T::FINISHED, &[0; 12])[..];
    for (by, typ, stage) in [
        (By::Server, T::SERVER_HELLO_DONE, Stage::WaitServerHelloDone),
        (By::Server, T::FINISHED, Stage::WaitFinished),
        (By::Client, T::FINISHED, Stage::WaitFinished),
    ] {
        for length in [1, 4, finished.len()] {
            let more = finished[..length].to_vec();
            let tamper = first(typ, move |raw| {
                vec![Put::Message(raw.to_vec()), Put::Unhashed(more.clone())]
            });
            let (client, server) = (older_client().build(), older_server().build());
            let pair = pair(client.unwrap(), server.unwrap(), by, tamper);
            let error = refused(pair, by);
            assert_eq!(error.violation(), Some(V::MessageAfterFlight), "{error}");
            let is_there = [stage, Stage::WaitCertificateRequest].contains(&error.stage());
            assert!(is_there, "{error}");
        }
    }
}

/// CVE-2014-3572: without ServerKeyExchange an ECDHE suite was one of no forward secrecy
/// (BoGo: UnauthenticatedECDH).
#[test]
fn a_server_without_a_share() {
    let tamper = first(T::SERVER_KEY_EXCHANGE, |_| Vec::new());
    let stage = Stage::WaitServerKeyExchange;
    case(V::UnexpectedMessage, By::Server, stage, tamper).check();
}

/// GHSA-c6cw-pr89-w882: an anonymous suite nobody offered made a client skip the certificate.
#[test]
fn a_suite_that_was_not_offered() {
    for change in [
        (|hello| hello.suite = 0xc018) as fn(&mut super::super::parts::ServerHelloParts),
        |hello| hello.suite = 0x0034,
        |hello| hello.suite = 0x0000,
        // Implemented here.
        |hello| hello.suite = 0xc030,
    ] {
        let tamper = first(T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, change))]
        });
        let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        let stage = Stage::WaitServerHello;
        case(V::SuiteNotOffered, By::Server, stage, tamper)
            .client(older_client().cipher_suites([suite]))
            .check();
    }
}

/// BoGo: BadECDHECurve. A curve not offered, one of TLS 1.3 alone, one given by its equation.
#[test]
fn a_curve_that_was_not_offered() {
    for curve in [[3, 0, 24], [3, 0, 30], [3, 0x11, 0xec], [3, 0x01, 0x00]] {
        let tamper = first(T::SERVER_KEY_EXCHANGE, move |raw| {
            let mut raw = raw.to_vec();
            raw[4..7].copy_from_slice(&curve);
            vec![Put::Message(raw)]
        });
        let stage = Stage::WaitServerKeyExchange;
        case(V::CurveNotOffered, By::Server, stage, tamper).check();
    }
}

/// SLOTH (CVE-2015-7575): hashes that are broken were taken because TLS 1.2 has code points for them.
#[test]
fn a_scheme_that_was_not_offered() {
    for scheme in [[1, 1], [1, 3], [2, 1], [2, 3], [2, 2], [0, 3]] {
        let tamper = first(T::SERVER_KEY_EXCHANGE, move |raw| {
            let mut raw = raw.to_vec();
            let at = 8 + usize::from(raw[7]);
            raw[at..at + 2].copy_from_slice(&scheme);
            vec![Put::Message(raw)]
        });
        let stage = Stage::WaitServerKeyExchange;
        case(V::SchemeNotOffered, By::Server, stage, tamper).check();
    }
}

/// RFC 6066 §3: servers send a warning, `unrecognized_name`, before their ServerHello; clients took
/// it for the end. One of TLS 1.3 alone may do so.
#[test]
fn a_warning_before_the_hello() {
    for versions in [&V1_2[..], &BOTH] {
        let warning = Put::Record(
            ContentType::ALERT,
            vec![1, AlertDescription::UNRECOGNIZED_NAME.0],
        );
        let client = client().versions(versions).build().unwrap();
        let server = older_server().build().unwrap();
        let mut pair = pair(client, server, By::Server, before(T::SERVER_HELLO, warning));
        talk(&mut pair);
        assert_eq!(pair.client.stage(), Stage::Connected, "{:?}", pair.client);
        assert_eq!(pair.server.stage(), Stage::Connected);
    }
}

/// BoGo: StrayHelloRequest, StrayHelloRequest-Packed, and one with a body: what is ignored in a
/// handshake is in nobody's transcript.
#[test]
fn a_hello_request_in_a_handshake() {
    let alone = message(T::HELLO_REQUEST, &[]);
    let with_body = message(T::HELLO_REQUEST, &[7]);
    for (request, cut) in [(&alone, true), (&alone, false), (&with_body, false)] {
        let mut puts = vec![Put::Unhashed(request.clone())];
        puts.extend(cut.then_some(Put::Cut));
        let tamper = first(T::CERTIFICATE, move |raw| {
            let mut all = puts.clone();
            all.push(Put::Message(raw.to_vec()));
            all
        });
        let stage = Stage::WaitCertificate;
        case(V::UnexpectedMessage, By::Server, stage, tamper).check();
    }
}

/// CVE-2022-37026, CVE-2015-0205: client authentication passed without the message that proves it,
/// and with one that proves nothing.
#[test]
fn certificate_verify_if_and_only_if_there_is_a_certificate() {
    let refuses = |violation, stage, tamper| {
        let (client, server) = both_authenticate();
        let optional = crate::config::ClientAuthentication::Optional(pki().roots.clone());
        Case::new(violation, By::Client, stage, tamper)
            .client(client)
            .server(server.client_authentication(optional))
            .check();
    };
    let skip = first(T::CERTIFICATE_VERIFY, |_| Vec::new());
    let stage = Stage::WaitCertificateVerify;
    refuses(V::UnexpectedChangeCipherSpec, stage, skip);
    let mut empty = changes(T::CERTIFICATE, |_| message(T::CERTIFICATE, &[0; 3]));
    let superfluous: Tamper = Box::new(move |raw| empty(raw));
    refuses(
        V::UnexpectedMessage,
        Stage::WaitChangeCipherSpec,
        superfluous,
    );
    let skip = first(T::CERTIFICATE, |_| Vec::new());
    refuses(V::UnexpectedMessage, Stage::WaitCertificate, skip);
}

/// BoGo: SkipNewSessionTicket; openssl#6395: a ticket that was promised and stayed away, and one that
/// nobody had promised.
#[test]
fn a_ticket_if_and_only_if_it_was_promised() {
    let server = || older_server().ticket_keys(ticket_keys());
    let skip = first(T::NEW_SESSION_TICKET, |_| Vec::new());
    let stage = Stage::WaitNewSessionTicket;
    case(V::UnexpectedChangeCipherSpec, By::Server, stage, skip)
        .client(resuming_client().versions(V1_2))
        .server(server())
        .check();
    let silent = changes(T::SERVER_HELLO, |raw| {
        server_hello(raw, |hello| hello.extensions.remove(E::SESSION_TICKET))
    });
    let stage = Stage::WaitChangeCipherSpec;
    case(V::UnexpectedMessage, By::Server, stage, silent)
        .client(resuming_client().versions(V1_2))
        .server(server())
        .check();
}

/// BoGo: TicketSessionIDLength-33. An id that is longer than any can be.
#[test]
fn a_session_id_of_33_bytes() {
    let by_server = changes(T::SERVER_HELLO, |raw| {
        server_hello(raw, |hello| hello.session_id = vec![7; 33])
    });
    case(
        V::MalformedMessage,
        By::Server,
        Stage::WaitServerHello,
        by_server,
    )
    .check();
    let by_client = changes(T::CLIENT_HELLO, |raw| {
        client_hello(raw, |hello| hello.session_id = vec![7; 33])
    });
    case(
        V::MalformedMessage,
        By::Client,
        Stage::WaitClientHello,
        by_client,
    )
    .check();
}

/// RFC 6066 §8: a status that nobody asked for.
#[test]
fn a_status_that_was_not_asked_for() {
    let tamper = first(T::CERTIFICATE, |raw| {
        let status = message(T::CERTIFICATE_STATUS, &[1, 0, 0, 1, 7]);
        vec![Put::Message(raw.to_vec()), Put::Message(status)]
    });
    let stage = Stage::WaitServerKeyExchange;
    case(V::UnexpectedMessage, By::Server, stage, tamper).check();
}

/// wolfSSL#8108: a server that goes for a full handshake although a ticket was offered. The client
/// is not to take the lack of a certificate for a resumption, nor the reverse.
#[test]
fn a_full_handshake_although_a_ticket_was_offered() {
    let (client, _, session) = resumable();
    let other = both_authenticate().1.ticket_keys(ticket_keys());
    let (client, other) = (client.build().unwrap(), other.build().unwrap());
    let mut pair = resuming(client.clone(), other.clone(), vec![session.clone()]);
    talk(&mut pair);
    let connection = pair.client.into_connection().unwrap();
    assert!(!connection.information.is_resumed());
    // It says nothing of its certificate, as if it resumed.
    let skip = first(T::CERTIFICATE, |_| Vec::new());
    let pair = pair_resuming(client, other, vec![session], By::Server, skip);
    let error = refused(pair, By::Server);
    assert_eq!(error.violation(), Some(V::UnexpectedMessage));
    assert_eq!(error.stage(), Stage::WaitCertificate);
}

/// CVE-2020-13777: until the first rotation tickets were sealed with a key of zeros, in TLS 1.2 with
/// the master secret in them.
#[test]
fn tickets_are_sealed_with_a_key_from_the_first_on() {
    let keys = ticket_keys();
    let client = resuming_client().versions(V1_2);
    let session = session_of(&client, &older_server().ticket_keys(keys.clone()));
    assert!(keys.open(&session.ticket, now()).is_some());
    assert!(ticket_keys().open(&session.ticket, now()).is_none());
    let (name, rest) = session.ticket.split_at(16);
    let (nonce, sealed) = rest.split_first_chunk().unwrap();
    let (body, tag) = sealed.split_at(sealed.len() - 16);
    let mut zeros = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[0; 32], nonce).unwrap();
    let opened = zeros.open_into(0, name, body, tag, &mut vec![0; body.len()]);
    assert!(opened.is_err());
}

/// A session of TLS 1.3 is none of TLS 1.2, whoever has its ticket.
#[test]
fn a_ticket_of_another_version() {
    let session = unknown_session();
    let server = older_server().ticket_keys(ticket_keys()).build().unwrap();
    let client = resuming_client().versions(BOTH).build().unwrap();
    let mut pair = resuming(client, server, vec![session]);
    talk(&mut pair);
    let connection = pair.client.into_connection().unwrap();
    assert!(!connection.information.is_resumed());
    assert_eq!(connection.information.version(), ProtocolVersion::TLS_1_2);
}

/// RUSTSEC-2024-0336: close_notify right after the hello made a server loop for ever.
#[test]
fn close_notify_right_after_the_hello() {
    let client = older_client().build().unwrap();
    let mut client = Handshake::client(client, crate::testing::name()).unwrap();
    let mut server = Handshake::server(older_server().build().unwrap());
    let hello = transmitted(&mut client);
    server.receive(&[&hello[..], &[21, 3, 3, 0, 2, 1, 0]].concat(), now());
    let sent = transmitted(&mut server);
    for _ in 0..3 {
        let error = server.poll().unwrap_err();
        assert!(
            matches!(error.reason(), crate::Reason::AlertReceived(alert)
                if *alert == AlertDescription::CLOSE_NOTIFY),
            "{error}"
        );
    }
    client.receive(&sent, now());
    client.receive_eof();
    transmitted(&mut client);
    assert!(client.poll().is_err());
}

/// BoGo: Downgrade-TLS12-Client. Somebody between the ends takes TLS 1.3 out of the hello.
#[test]
fn talked_down_to_tls_1_2() {
    let tamper = changes(T::CLIENT_HELLO, |raw| {
        client_hello(raw, |hello| hello.extensions.remove(E::SUPPORTED_VERSIONS))
    });
    let client = client().versions(BOTH).build().unwrap();
    let server = server().versions(BOTH).build().unwrap();
    let mut pair = pair(client, server, By::Client, tamper);
    talk(&mut pair);
    let error = pair.client.poll().unwrap_err();
    assert_eq!(error.violation(), Some(V::DowngradeDetected), "{error}");
    let alert = Some(AlertDescription::ILLEGAL_PARAMETER);
    assert_eq!(alert_seen_by(pair.server), alert);
}
