//! Which sessions are resumed, and which must not be.

mod bytes;
mod channel_binding;
mod matrix;
mod names;
mod offered;
mod refused;
mod ticket_keys;
mod verified;
mod whose;

use core::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{PrivateKeyDer, ServerName, UnixTime};

use super::ticket_keys::TicketKeys;
use super::{ClientSession, MAX_TICKET, ServerSession};
use crate::ProtocolVersion;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::crypto::random::Random;
use crate::dialect::Dialect;
use crate::question::{Answer, Question};
use crate::suite::CipherSuite as Suite;
use crate::testing::{Pair, name, now, pki, resuming, sessions, sessions_of};
use crate::version::Version;
use crate::wire::extension::{Extensions, OfferedPsks};
use crate::wire::{ClientHello, HandshakeMessage, NewSessionTicket};
use crate::x509::{Identity, PresentedChain, Roots};
use crate::{Connection, Handshake, NamedGroup, Reason, Refusal, SignatureScheme, Step};

fn client() -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
        .versions([ProtocolVersion::TLS_1_3])
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .session_tickets(true)
}

fn server(keys: &TicketKeys) -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions([ProtocolVersion::TLS_1_3])
        .identity(pki().server.clone())
        .ticket_keys(keys.clone())
}

fn keys() -> TicketKeys {
    TicketKeys::rotating(Duration::from_secs(7_200)).unwrap()
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

fn earlier(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds))
}

/// Sessions of these two.
fn first(client: &ClientConfigBuilder, server: &ServerConfigBuilder) -> Vec<ClientSession> {
    sessions_of(
        client.clone().build().unwrap(),
        server.clone().build().unwrap(),
    )
}

/// Connects, with the sessions; both ends must agree.
fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> (Connection, Connection) {
    connect_answering(client, server, sessions, Question::default_answer)
}

fn connect_answering(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    mut answer: impl FnMut(Question) -> Answer,
) -> (Connection, Connection) {
    let pair = resuming(client.build().unwrap(), server.build().unwrap(), sessions);
    let (client, server) = pair.run_answering(|_, question| Some(answer(question)));
    let (client, server) = (client.unwrap(), server.unwrap());
    let (ours, theirs) = (&client.information, &server.information);
    assert_eq!(ours.is_resumed(), theirs.is_resumed());
    assert_eq!(ours.cipher_suite(), theirs.cipher_suite());
    assert_eq!(ours.server_name(), theirs.server_name());
    assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
    (client, server)
}

fn is_resumed(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> bool {
    connect(client, server, sessions).0.information.is_resumed()
}

/// How many sessions a client offers at that time, and whether it says that it can resume.
fn offers(
    client: ClientConfigBuilder,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    now: UnixTime,
) -> (usize, bool) {
    let config = client.build().unwrap();
    let mut client = Handshake::client_resuming(config, name, sessions, now).unwrap();
    let Ok(Step::Transmit(mut rest)) = client.poll() else {
        panic!("no hello");
    };
    let mut message = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        message.extend(rest.drain(..5 + length).skip(5));
    }
    let hello = ClientHello::decode(&message[4..]).unwrap();
    let offered = hello.extensions.find::<OfferedPsks<'_>>();
    let offered = offered.map_or(0, |offered| offered.unwrap().identities.iter().count());
    use crate::wire::ExtensionType as E;
    let modes = hello.extensions.contains(E::PSK_KEY_EXCHANGE_MODES);
    (offered, modes)
}

/// An identity with this name, which is its own authority.
fn self_signed(name: &str) -> (Identity, Roots) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut roots = Roots::empty();
    roots.add_der(der.clone()).unwrap();
    (Identity::from_der(vec![der], &key).unwrap(), roots)
}

/// A chain that was good until 2020.
fn expired(name: &str) -> (PresentedChain, Roots) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let der = params.self_signed(&key).unwrap().der().clone();
    let mut roots = Roots::empty();
    roots.add_der(der.clone()).unwrap();
    (PresentedChain::new(vec![der]).unwrap(), roots)
}

#[test]
fn a_ticket_resumes_and_brings_the_next() {
    let keys = keys();
    let (mut first, _) = connect(client(), server(&keys), Vec::new());
    assert!(!first.information.is_resumed());
    let mut of_first = sessions(&mut first);
    assert_eq!(of_first.len(), 3);
    let session = of_first.remove(0);
    let (mut second, _) = connect(client(), server(&keys), vec![session]);
    assert!(second.information.is_resumed());
    assert_eq!(
        second.information.peer_certificates(),
        first.information.peer_certificates()
    );
    let of_second = sessions(&mut second);
    // Each has a ticket and a key of its own.
    let all: Vec<_> = of_first.iter().chain(&of_second).collect();
    for (at, one) in all.iter().enumerate() {
        for other in all.iter().skip(at + 1) {
            assert_ne!(one.ticket, other.ticket);
            let (one, other) = (
                one.established.psk().unwrap(),
                other.established.psk().unwrap(),
            );
            assert_ne!(one.as_bytes(), other.as_bytes());
        }
    }
    let (third, _) = connect(client(), server(&keys), of_second);
    assert!(third.information.is_resumed());
}

#[test]
fn nothing_secret_is_shown() {
    let keys = keys();
    let session = first(&client(), &server(&keys)).remove(0);
    let sealed = keys.open(&session.ticket, now()).unwrap();
    let kept = ServerSession::from_bytes(&sealed).unwrap();
    let psk = session.established.psk().unwrap().as_bytes();
    assert_eq!(psk, kept.established.psk().unwrap().as_bytes());
    let age_add = u32::to_string(&kept.age_add);
    let mut secrets = vec![age_add];
    for secret in [psk, &session.ticket[28..]] {
        secrets.push(format!("{:?}", &secret[..4]).replace(['[', ']'], ""));
        secrets.push(
            secret[..4]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        );
    }
    let mut shown = vec![
        format!("{session:?}"),
        format!("{kept:?}"),
        format!("{keys:?}"),
        format!("{:?}", server(&keys)),
        format!("{:?}", session.clone().established),
    ];
    let asking = server(&keys).ask_tickets(true);
    let offered = vec![session.clone()];
    connect_answering(client(), asking, offered, |question| {
        shown.push(format!("{question:?}"));
        let answer = match question {
            Question::IssueTickets(question) => question.send(vec![session.ticket.to_vec()]),
            other => other.default_answer(),
        };
        shown.push(format!("{answer:?}"));
        answer
    });
    assert_eq!(shown.len(), 9, "two questions");
    let message = NewSessionTicket {
        ticket_lifetime: 7_200,
        ticket_age_add: kept.age_add,
        ticket_nonce: &[0],
        ticket: &session.ticket,
        extensions: Extensions::decode(&[]).unwrap(),
    };
    shown.push(format!("{message:?}"));
    for shown in &shown {
        for secret in &secrets {
            assert!(!shown.to_lowercase().contains(secret), "{shown}");
        }
    }
    assert!(shown[0].contains("localhost"));
    assert!(shown[3].contains("TicketKeys"));
    let secret = [0xab; 48];
    let shared = TicketKeys::shared([&secret]).unwrap();
    assert!(!format!("{shared:?}").contains("171"));
}

/// Every suite and group resumes; both ends come to the same keys, which data shows.
#[test]
fn data_over_a_resumed_connection() {
    let of_tls13 = |suite: &&Suite| suite.is_usable_in(ProtocolVersion::TLS_1_3);
    for suite in Suite::SUPPORTED.iter().filter(of_tls13) {
        let keys = keys();
        let server = || server(&keys).cipher_suites([*suite]);
        let client = || client().cipher_suites([*suite]);
        let session = first(&client(), &server());
        let (mut client_end, mut server_end) = connect(client(), server(), session);
        assert!(client_end.information.is_resumed());
        assert!(!sessions(&mut client_end).is_empty());
        let mut wire = vec![0; client_end.writer.max_sealed_len(5)];
        let sealed = client_end.writer.seal(b"hello", &mut wire).unwrap();
        let opened = server_end.reader.open_in_place(&mut wire[..sealed.written]);
        let crate::Opened::Data(range) = opened.unwrap() else {
            panic!("no data");
        };
        assert_eq!(&wire[range], b"hello");
    }
}

/// A pair that is not resumed says so by its certificates; one that is, by both.
#[test]
fn what_is_known_of_a_resumed_connection() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let (client_end, server_end) = connect(client(), server(&keys), session);
    let (ours, theirs) = (&client_end.information, &server_end.information);
    assert_eq!(ours.peer_certificates(), pki().server.chain());
    assert!(ours.peer_signature_scheme().is_some());
    assert!(theirs.local_certificate().is_none());
    assert_eq!(theirs.server_name(), Some("localhost"));
    let full = Pair::new(client().build().unwrap(), server(&keys).build().unwrap());
    assert!(!full.run().0.unwrap().information.is_resumed());
}
