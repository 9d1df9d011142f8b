//! DTLS 1.2 and 1.0: the same over datagrams that are lost, come twice, or late.

use core::time::Duration;

use super::faults::{Shape, one_is_damaged, talk, two_are_damaged};
use super::network::{Network, Side, usual};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::error::Reason;
use crate::record::{DatagramOptions, Discarded, plain_message};
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::testing::pki;
use crate::version::DOWNGRADE_TO_TLS_1_2;
use crate::wire::{ContentType, FragmentHeader, HandshakeType};
use crate::{AlertDescription, CookiePolicy, ProtocolVersion, Violation};

const GCM: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CBC: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;

fn configs(version: ProtocolVersion, suite: CipherSuite) -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder(pki().roots.clone())
        .versions([version])
        .cipher_suites([suite])
        .session_tickets(true)
        .build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .versions([version])
        .cipher_suites([suite])
        .build();
    (client.unwrap(), server.unwrap())
}

fn plain() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    Network::new(client, server)
}

fn small() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_2, CBC);
    let options = DatagramOptions::default().mtu(228);
    Network::resuming(client, server, Vec::new(), options)
}

fn authenticated() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    let client = client
        .to_builder()
        .identity(pki().client.clone())
        .ask_verification(true)
        .ask_signature(true)
        .build();
    let server = server
        .to_builder()
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .ask_signature(true)
        .build();
    let mut network = Network::new(client.unwrap(), server.unwrap());
    network.thinking = Some(Duration::from_millis(35));
    network
}

fn sessions(client: &ClientConfig, server: &ServerConfig) -> Vec<ClientSession> {
    let mut network = Network::new(client.clone(), server.clone());
    network.run(&mut |_, datagram| usual(datagram));
    check(&mut network, ProtocolVersion::DTLS_1_2);
    let ticket = network.sides[0].connection().reader.take_ticket();
    vec![ticket.unwrap().into_session(network.now().wall)]
}

fn resumed() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    let sessions = sessions(&client, &server);
    Network::resuming(client, server, sessions, DatagramOptions::default())
}

fn older() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_1, CBC);
    Network::new(client, server)
}

fn behind_a_gate() -> Network {
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    let mut network = Network::new(client, server.clone());
    network.begin_with_gate(&server, CookiePolicy::Always);
    network
}

/// Both are connected, and agree.
pub(super) fn check(network: &mut Network, version: ProtocolVersion) {
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{error}");
        }
    }
    let [client, server] = &mut network.sides;
    let (client, server) = (client.connection(), server.connection());
    let (c, s) = (&client.information, &server.information);
    assert_eq!((c.version(), s.version()), (version, version));
    assert_eq!(c.tls_exporter().unwrap(), s.tls_exporter().unwrap());
}

#[test]
fn every_suite_of_dtls_1_2_and_1_0() {
    for (version, dtls) in [
        (ProtocolVersion::TLS_1_2, ProtocolVersion::DTLS_1_2),
        (ProtocolVersion::TLS_1_1, ProtocolVersion::DTLS_1_0),
    ] {
        let mut count = 0;
        for &suite in CipherSuite::SUPPORTED {
            let is_ecdsa = suite
                .name()
                .is_some_and(|name| name.starts_with("TLS_ECDHE_ECDSA"));
            if !is_ecdsa
                || !suite.is_usable_in(dtls)
                || suite.is_usable_in(ProtocolVersion::DTLS_1_3)
            {
                continue;
            }
            count += 1;
            let (client, server) = configs(version, suite);
            let mut network = Network::new(client, server);
            network.run(&mut |_, datagram| usual(datagram));
            check(&mut network, dtls);
            assert_eq!(
                network.sides[0].connection().information.cipher_suite(),
                suite
            );
            talk(&mut network);
            let writer = &mut network.sides[0].connection().writer;
            for mtu in 228..300 {
                writer.set_path_mtu(mtu);
                let most = writer.max_message_len();
                let lengths = [most, most + 1].map(|length| writer.sealed_len(length));
                let mtu = mtu.into();
                assert!(
                    lengths[0] <= mtu && mtu < lengths[1],
                    "{suite}: {lengths:?}"
                );
            }
        }
        assert!(count >= 2, "{count} suites of {dtls}");
    }
}

/// The peer has both: the newer one is spoken; and each with the other's older one.
#[test]
fn the_newest_common_version_is_spoken() {
    let both = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let both_server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build()
        .unwrap();
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    for (client, server, version) in [
        (both.clone(), both_server.clone(), ProtocolVersion::DTLS_1_3),
        (both, server, ProtocolVersion::DTLS_1_2),
        (client, both_server, ProtocolVersion::DTLS_1_2),
    ] {
        let mut network = Network::new(client, server);
        network.run(&mut |_, datagram| usual(datagram));
        check(&mut network, version);
        talk(&mut network);
    }
}

/// RFC 9147 §5.3: a server that has the newer version says so in its random, and a client that has it, too, takes that for an
/// attack.
#[test]
fn a_client_sees_that_it_was_talked_down() {
    let both_client = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let both_server = ServerConfig::builder().identity(pki().server.clone());
    let both_server = both_server.build().unwrap();
    let (client, server) = configs(ProtocolVersion::TLS_1_2, GCM);
    let is_server_hello = |datagram: &[u8]| datagram[0] == 22 && datagram[13] == 2;
    // Behind the headers of record and fragment, and the version, the last of 32 bytes.
    let end = 51..59;
    let mut seen = None;
    let mut network = Network::new(client, both_server);
    network.run(&mut |_, datagram| {
        if is_server_hello(datagram) {
            seen = Some(datagram[end.clone()].to_vec());
        }
        usual(datagram)
    });
    check(&mut network, ProtocolVersion::DTLS_1_2);
    assert_eq!(seen.as_deref(), Some(&DOWNGRADE_TO_TLS_1_2[..]));
    let mut network = Network::new(both_client, server);
    network.run(&mut |_, datagram| {
        let mut changed = datagram.to_vec();
        if is_server_hello(datagram) {
            changed[end.clone()].copy_from_slice(&DOWNGRADE_TO_TLS_1_2);
        }
        usual(&changed)
    });
    let error = network.sides[0].error();
    assert_eq!(
        error.violation(),
        Some(Violation::DowngradeDetected),
        "{error}"
    );
}

/// A message without a body (ServerHelloDone) is no exception.
#[test]
fn no_datagram_is_longer_than_it_may_be() {
    for mtu in 228..300 {
        for suite in [GCM, CBC] {
            let (client, server) = configs(ProtocolVersion::TLS_1_2, suite);
            let options = DatagramOptions::default().mtu(mtu);
            let mut network = Network::resuming(client, server, Vec::new(), options);
            network.run(&mut |_, datagram| usual(datagram));
            check(&mut network, ProtocolVersion::DTLS_1_2);
            let longest = network.lengths.iter().map(|(_, length)| *length).max();
            assert!(longest <= Some(mtu.into()), "{longest:?} of {mtu}");
        }
    }
}

#[test]
fn a_session_is_resumed() {
    let mut network = resumed();
    network.run(&mut |_, datagram| usual(datagram));
    check(&mut network, ProtocolVersion::DTLS_1_2);
    assert!(network.sides[0].connection().information.is_resumed());
    talk(&mut network);
}

pub(super) const SHAPES: [Shape; 6] = [
    ("plain", plain, ProtocolVersion::DTLS_1_2),
    ("many datagrams, CBC", small, ProtocolVersion::DTLS_1_2),
    (
        "client certificate, slow answers",
        authenticated,
        ProtocolVersion::DTLS_1_2,
    ),
    ("resumed", resumed, ProtocolVersion::DTLS_1_2),
    ("DTLS 1.0", older, ProtocolVersion::DTLS_1_0),
    ("behind a gate", behind_a_gate, ProtocolVersion::DTLS_1_2),
];

/// Whatever is lost, the last flight of either shape included (RFC 6347 §4.2.4).
#[test]
fn one_datagram_is_damaged() {
    one_is_damaged(&SHAPES);
}

#[test]
fn two_datagrams_are_damaged() {
    two_are_damaged(&SHAPES);
}

/// RFC 6347 §4.1.2.7: what does not open is dropped; there is no answer that somebody could learn from.
#[test]
fn no_forged_record_is_answered() {
    for suite in [GCM, CBC] {
        let (client, server) = configs(ProtocolVersion::TLS_1_2, suite);
        let mut network = Network::new(client, server);
        network.run(&mut |_, datagram| usual(datagram));
        let writer = &mut network.sides[0].connection().writer;
        let mut record = vec![0; writer.sealed_len(20)];
        let sealed = writer.seal(&[std::io::IoSlice::new(&[7; 20])], &mut record);
        sealed.unwrap();
        let sent = network.sent;
        for at in 13..record.len() {
            let mut forged = record.clone();
            forged[at] ^= 1;
            network.inject(1, forged);
        }
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.sent, sent);
        let discards = network.sides[1].connection().reader.discards();
        let forged = discards.count(Discarded::DoesNotOpen);
        assert_eq!(forged as usize, record.len() - 13);
        network.inject(1, record.clone());
        network.inject(1, record);
        network.run(&mut |_, datagram| usual(datagram));
        assert_eq!(network.received[1], [[7; 20]]);
        talk(&mut network);
    }
}

#[test]
fn another_handshake_is_declined() {
    let mut network = plain();
    network.run(&mut |_, datagram| usual(datagram));
    // A HelloRequest, with which the numbers begin anew.
    let content = [0; 12];
    let typ = ContentType::HANDSHAKE;
    let request = network.sides[1].connection().writer.forge(typ, &content);
    let before = network.sent;
    network.inject(0, request);
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.sent, before + 1);
    talk(&mut network);
    // A message that does not belong there.
    let content = [
        HandshakeType::FINISHED.0,
        0,
        0,
        1,
        0,
        10,
        0,
        0,
        0,
        0,
        0,
        1,
        7,
    ];
    let finished = network.sides[1].connection().writer.forge(typ, &content);
    network.inject(0, finished);
    network.run(&mut |_, datagram| usual(datagram));
    let violation = network.sides[0].error().violation();
    assert_eq!(violation, Some(Violation::UnexpectedPostHandshakeMessage));
}

#[test]
fn closing_and_alerts() {
    let mut network = plain();
    network.run(&mut |_, datagram| usual(datagram));
    network.sides[0].connection().writer.close_notify();
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.closed, [0, 1]);
    let writer = &mut network.sides[1].connection().writer;
    assert!(matches!(
        writer.key_update(false).unwrap_err().reason(),
        Reason::Misuse(_)
    ));
    writer.alert(AlertDescription::INTERNAL_ERROR);
    network.run(&mut |_, datagram| usual(datagram));
    assert!(matches!(
        network.sides[0].error().reason(),
        Reason::AlertReceived(AlertDescription::INTERNAL_ERROR)
    ));
}

/// RFC 9147 §5.1: DTLS 1.3 asks by HelloRetryRequest.
#[test]
fn who_verifies_a_hello_does_not_speak_dtls_1_3() {
    let client = ClientConfig::builder(pki().roots.clone()).build();
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .build();
    let mut network = Network::new(client.unwrap(), server.unwrap());
    // With a cookie of no bytes the second hello is the first.
    let request = [
        HandshakeType::HELLO_VERIFY_REQUEST.0,
        0,
        0,
        3,
        0xfe,
        0xff,
        0,
    ];
    network.inject(0, plain_message(0, 0, &request));
    network.run(&mut |_, datagram| {
        let mut changed = datagram.to_vec();
        // The numbers of messages are those of a server that has sent the request.
        match (datagram[13], datagram.get(18)) {
            (1, Some(0)) => return Vec::new(),
            (1, Some(_)) => changed[18] = 0,
            (2, Some(_)) => changed[18] = 1,
            _ => {}
        }
        usual(&changed)
    });
    let error = network.sides[0].error();
    let violation = Violation::VersionChangedAfterVerify;
    assert_eq!(error.violation(), Some(violation), "{error}");
    assert_eq!(
        error.alert().map(|(_, alert)| alert),
        Some(violation.alert())
    );
}

/// RFC 6347 §4.1.2.7: no number of forgeries ends a connection, though its tags have 8 bytes.
#[cfg(feature = "ffi")]
#[test]
fn forgeries_end_nothing() {
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
    let (client, server) = configs(ProtocolVersion::TLS_1_2, suite);
    let mut network = Network::new(client, server);
    network.run(&mut |_, datagram| usual(datagram));
    check(&mut network, ProtocolVersion::DTLS_1_2);
    for sequence in 0..300_u16 {
        let mut record = vec![23, 254, 253, 0, 1, 0, 0, 0, 0];
        record.extend(sequence.to_be_bytes());
        record.extend([0, 30]);
        record.extend([7; 30]);
        network.inject(1, record);
    }
    network.run(&mut |_, datagram| usual(datagram));
    talk(&mut network);
}

/// RFC 6347 §4.2.4: the peer's Finished again is answered with the last flight, once for all of its pieces.
#[test]
fn a_finished_that_comes_again_in_pieces_is_one_wish() {
    let mut network = plain();
    network.run(&mut |_, datagram| usual(datagram));
    check(&mut network, ProtocolVersion::DTLS_1_2);
    // After the certificate's lack: ClientHello, ClientKeyExchange, Finished.
    let finished_seq = 2_u16;
    let piece = |offset: u32| {
        let mut content = Vec::new();
        FragmentHeader {
            msg_type: HandshakeType::FINISHED,
            length: 12,
            message_seq: finished_seq,
            fragment_offset: offset,
            fragment_length: 2,
        }
        .put(&mut content);
        content.extend([7; 2]);
        content
    };
    let sent = |network: &mut Network, offset: u32| {
        // More than half a timeout after what was sent last.
        network.clock += Duration::from_secs(2);
        let typ = ContentType::HANDSHAKE;
        let writer = &mut network.sides[0].connection().writer;
        let record = writer.forge(typ, &piece(offset));
        network.inject(1, record);
        let before = network.sent;
        let end = network.clock;
        network.run_until(end, &mut |_, _| Vec::new());
        network.sent - before
    };
    assert!(sent(&mut network, 0) > 0);
    for offset in [2, 4, 6, 8, 10] {
        assert_eq!(sent(&mut network, offset), 0, "{offset}");
    }
    assert!(sent(&mut network, 0) > 0);
}
