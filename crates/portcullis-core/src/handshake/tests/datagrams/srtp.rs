//! `use_srtp`: what the ends settle, that both have the same keys of it, and what a server may not answer.

use super::super::parts::{encrypted_extensions, server_hello};
use super::super::tamper::first;
use super::super::{Put, Tamper};
use super::network::{Network, usual};
use crate::config::{ClientConfig, ServerConfig};
use crate::question::{Answer, Question};
use crate::record::DatagramOptions;
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::testing::{name, now, pki};
use crate::wire::{ExtensionType, HandshakeType};
use crate::{AlertDescription, Direction, Handshake, ProtocolVersion, SrtpProfile, Violation};

const BOTH: [SrtpProfile; 2] = [
    SrtpProfile::AES128_CM_HMAC_SHA1_80,
    SrtpProfile::AEAD_AES_256_GCM,
];
const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::TLS_1_3,
    ProtocolVersion::TLS_1_2,
    ProtocolVersion::TLS_1_1,
];

type Change<C, B> = fn(B) -> Result<C, crate::Misuse>;

fn configs(
    version: ProtocolVersion,
    client: Change<ClientConfig, crate::config::ClientConfigBuilder>,
    server: Change<ServerConfig, crate::config::ServerConfigBuilder>,
) -> (ClientConfig, ServerConfig) {
    let mut ours = ClientConfig::builder(pki().roots.clone())
        .versions([version])
        .session_tickets(true);
    let mut theirs = ServerConfig::builder()
        .identity(pki().server.clone())
        .versions([version]);
    if version == ProtocolVersion::TLS_1_1 {
        let suites = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA];
        (ours, theirs) = (ours.cipher_suites(suites), theirs.cipher_suites(suites));
    }
    (client(ours).unwrap(), server(theirs).unwrap())
}

/// What both ends say of it, once they have compared their keys.
fn settled(network: &mut Network) -> Option<(SrtpProfile, Option<Vec<u8>>)> {
    network.run(&mut |_, datagram| usual(datagram));
    let [client, server] = &mut network.sides;
    let (client, server) = (client.connection(), server.connection());
    let (client, server) = (&client.information, &server.information);
    assert_eq!(client.srtp_profile(), server.srtp_profile());
    assert_eq!(client.srtp_mki(), server.srtp_mki());
    let Some(profile) = client.srtp_profile() else {
        for side in [client, server] {
            let error = side.srtp_keys().unwrap_err().to_string();
            assert!(error.contains("no profile of SRTP was settled"), "{error}");
        }
        return None;
    };
    let (ours, theirs) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!(ours.client_key(), theirs.client_key());
    assert_eq!(ours.server_key(), theirs.server_key());
    assert_eq!(ours.client_salt(), theirs.client_salt());
    assert_eq!(ours.server_salt(), theirs.server_salt());
    let mut block = vec![0; 2 * (profile.key_len().unwrap() + profile.salt_len().unwrap())];
    let label = b"EXTRACTOR-dtls_srtp";
    client
        .export_keying_material(label, None, &mut block)
        .unwrap();
    let parts = [
        ours.client_key(),
        ours.server_key(),
        ours.client_salt(),
        ours.server_salt(),
    ];
    assert_eq!(parts.concat(), block);
    Some((profile, client.srtp_mki().map(<[u8]>::to_vec)))
}

#[test]
fn the_server_prefers_and_decides_about_the_identifier() {
    for version in VERSIONS {
        let (client, server) = configs(
            version,
            |client| client.srtp(BOTH).srtp_mki(b"key 1").build(),
            |server| server.srtp([BOTH[1], BOTH[0]]).build(),
        );
        let mut network = Network::new(client.clone(), server.clone());
        assert_eq!(settled(&mut network), Some((BOTH[1], None)));
        let server = server.to_builder().accept_srtp_mki(true).build().unwrap();
        let mut network = Network::new(client, server);
        assert_eq!(
            settled(&mut network),
            Some((BOTH[1], Some(b"key 1".to_vec())))
        );
    }
}

/// What a configuration to go on with at the ServerHello does not have is not taken.
#[test]
fn another_configuration_takes_no_profile_that_it_does_not_have() {
    fn going_on_with(profile: SrtpProfile, question: Question) -> Answer {
        match question {
            Question::ReviewServerHello(question) => {
                let old = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;
                let other = ClientConfig::builder(pki().roots.clone())
                    .versions(VERSIONS)
                    .cipher_suites([CipherSuite::DEFAULT, &[old]].concat())
                    .srtp([profile]);
                question.proceed_with(other.build().unwrap())
            }
            other => other.default_answer(),
        }
    }
    for version in VERSIONS {
        let network = |answer| {
            let (client, server) = configs(
                version,
                |client| client.srtp(BOTH).pause_at_hello(true).build(),
                |server| server.srtp([BOTH[1]]).build(),
            );
            let mut network = Network::new(client, server);
            network.answer = answer;
            network
        };
        let mut taking = network(|question| going_on_with(BOTH[1], question));
        assert_eq!(settled(&mut taking), Some((BOTH[1], None)));
        let mut refusing = network(|question| going_on_with(BOTH[0], question));
        refusing.run(&mut |_, datagram| usual(datagram));
        let error = refusing.sides[0].error();
        let says = format!(
            "srtp: the server chose {}, which is not in the list",
            BOTH[1]
        );
        assert!(error.to_string().contains(&says), "{error}");
    }
}

#[test]
fn without_a_profile_in_common_there_is_a_connection_without_keys() {
    for version in VERSIONS {
        let other = |server: crate::config::ServerConfigBuilder| {
            server.srtp([SrtpProfile::AEAD_AES_128_GCM]).build()
        };
        let (client, server) = configs(version, |client| client.srtp(BOTH).build(), other);
        assert_eq!(settled(&mut Network::new(client, server)), None);
        let (client, server) = configs(version, |client| client.srtp(BOTH).build(), |s| s.build());
        assert_eq!(settled(&mut Network::new(client, server)), None);
        let (client, server) = configs(version, |client| client.build(), other);
        assert_eq!(settled(&mut Network::new(client, server)), None);
    }
}

fn sessions(network: &mut Network) -> Vec<ClientSession> {
    if network.sessions.is_empty() {
        let reader = &mut network.sides[0].connection().reader;
        let ticket = reader.take_ticket().unwrap();
        return vec![ticket.into_session(now())];
    }
    std::mem::take(&mut network.sessions)
}

/// A session says nothing of it: it is settled each time (RFC 5764 §4.1).
#[test]
fn who_resumes_settles_it_again() {
    for version in VERSIONS {
        let (client, server) = configs(
            version,
            |client| client.srtp(BOTH).build(),
            |server| server.srtp(BOTH).build(),
        );
        let mut network = Network::new(client.clone(), server.clone());
        assert_eq!(settled(&mut network), Some((BOTH[0], None)));
        let before = network.sides[0].connection().information.srtp_keys();
        let sessions = sessions(&mut network);
        let server = server.to_builder().srtp([BOTH[1]]).build().unwrap();
        let options = DatagramOptions::default();
        let mut network = Network::resuming(client, server, sessions, options);
        assert_eq!(settled(&mut network), Some((BOTH[1], None)));
        let information = &network.sides[0].connection().information;
        assert!(information.is_resumed());
        let after = information.srtp_keys().unwrap();
        assert_ne!(&after.client_key()[..16], before.unwrap().client_key());
    }
}

/// RFC 5764 §4.1: there is none over TLS.
#[test]
fn over_tls_it_is_refused() {
    let (client, server) = configs(
        ProtocolVersion::TLS_1_3,
        |client| client.srtp(BOTH).build(),
        |server| server.srtp(BOTH).build(),
    );
    let why =
        "srtp: keys for SRTP are settled over datagrams alone (RFC 5764); leave it out for TLS";
    let error = Handshake::client(client.clone(), name()).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    let plain = client.to_builder().srtp([]).build().unwrap();
    let mut client = Handshake::client(plain, name()).unwrap();
    let mut server = Handshake::server(server);
    let crate::Step::Transmit(hello) = client.poll().unwrap() else {
        panic!("a client says hello");
    };
    server.receive(&hello, now());
    while let Ok(crate::Step::Transmit(_)) = server.poll() {}
    let error = server.poll().unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

/// A server that answers `body`, in either version.
fn answering(version: ProtocolVersion, body: &'static [u8]) -> Tamper {
    const USE_SRTP: ExtensionType = ExtensionType::USE_SRTP;
    match version {
        ProtocolVersion::TLS_1_3 => first(HandshakeType::ENCRYPTED_EXTENSIONS, move |raw| {
            vec![Put::Message(encrypted_extensions(raw, |parts| {
                parts.add(USE_SRTP, body);
            }))]
        }),
        _ => first(HandshakeType::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                hello.extensions.add(USE_SRTP, body);
            }))]
        }),
    }
}

#[test]
fn what_a_server_may_not_answer() {
    let cases: [(&[u8], bool, Violation); 9] = [
        // A profile that was not offered, one of nobody, and none.
        (&[0, 2, 0, 7, 0], true, Violation::SrtpProfileNotOffered),
        (&[0, 2, 9, 9, 0], true, Violation::SrtpProfileNotOffered),
        (&[0, 0, 0], true, Violation::MalformedExtension),
        // Two, half of one, and something behind the end.
        (&[0, 4, 0, 1, 0, 8, 0], true, Violation::MalformedExtension),
        (&[0, 1, 0, 0], true, Violation::MalformedExtension),
        (&[0, 2, 0, 1, 0, 0], true, Violation::MalformedExtension),
        // Another identifier than was offered, and one that is cut.
        (&[0, 2, 0, 1, 2, 7, 7], true, Violation::SrtpMkiChanged),
        (&[0, 2, 0, 1, 2, 7], true, Violation::MalformedExtension),
        // To somebody who has offered nothing.
        (&[0, 2, 0, 1, 0], false, Violation::ExtensionNotOffered),
    ];
    for version in VERSIONS {
        for (body, offers, violation) in cases {
            let (client, server) = match offers {
                true => configs(
                    version,
                    |client| client.srtp(BOTH).srtp_mki([7]).build(),
                    |server| server.build(),
                ),
                false => configs(version, |client| client.build(), |server| server.build()),
            };
            let mut network = Network::new(client, server);
            network.tamper = Some(answering(version, body));
            network.run(&mut |_, datagram| usual(datagram));
            let error = network.sides[0].error();
            assert_eq!(error.violation(), Some(violation), "{body:?}: {error}");
            let alert = (Direction::Sent, violation.alert());
            assert_eq!(error.alert(), Some(alert));
        }
    }
    // RFC 5764 §4.1.3.
    let alert = AlertDescription::ILLEGAL_PARAMETER;
    assert_eq!(Violation::SrtpMkiChanged.alert(), alert);
}

/// What a client says is read before it is of use to anybody.
#[test]
fn a_malformed_offer_is_refused() {
    let offer = [0, 14, 0, 7, 0, 4, 0, 1, 0, 8, 0];
    let instead = [
        // No profile, and half of one; an unknown extension takes the room that is left.
        [0, 14, 0, 3, 0, 0, 0, 0x7f, 0x7f, 0, 0],
        [0, 14, 0, 3, 0, 1, 7, 0x7f, 0x7f, 0, 0],
        // An identifier that is cut, one that is missing, and something behind it.
        [0, 14, 0, 7, 0, 4, 0, 1, 0, 8, 1],
        [0, 14, 0, 7, 0, 5, 0, 1, 0, 8, 0],
        [0, 14, 0, 7, 0, 2, 0, 1, 0, 8, 0],
    ];
    for version in VERSIONS {
        for changed in instead {
            let (client, server) = configs(
                version,
                |client| client.srtp(BOTH).build(),
                |server| server.srtp(BOTH).build(),
            );
            let mut network = Network::new(client, server);
            network.run(&mut |_, datagram| {
                let mut datagram = datagram.to_vec();
                let found = datagram.windows(offer.len()).position(|at| at == offer);
                if let Some(at) = found {
                    datagram[at..at + offer.len()].copy_from_slice(&changed);
                }
                usual(&datagram)
            });
            let error = network.sides[1].error();
            let violation = Violation::MalformedExtension;
            assert_eq!(error.violation(), Some(violation), "{changed:?}: {error}");
        }
    }
}
