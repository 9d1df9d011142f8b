//! However the bytes are cut, the handshake is the same.

use super::attack::{
    authenticated_client, authenticating_server, client, resuming_client, retrying_server, server,
    ticket_keys,
};
use super::older::{V1_2, VERSIONS};
use super::tamper::{Put, Tamper};
use crate::config::{ClientConfigBuilder, MaxFragmentLength, ServerConfigBuilder};
use crate::crypto::random::Random;
use crate::session::ClientSession;
use crate::testing::{name, now, sessions_of};
use crate::{Handshake, Stage, Step};

fn variants() -> Vec<(ClientConfigBuilder, ServerConfigBuilder)> {
    vec![
        (client(), server()),
        (client(), retrying_server().cookie(true)),
        (authenticated_client(), authenticating_server()),
        (
            authenticated_client()
                .pause_at_hello(true)
                .ask_identity(true)
                .ask_signature(true)
                .ask_verification(true),
            authenticating_server()
                .groups([crate::NamedGroup::SECP256R1])
                .pause_at_hello(true)
                .ask_identity(true)
                .ask_signature(true)
                .ask_verification(true),
        ),
        (client().middlebox_compatibility(false), server()),
        (client().versions(V1_2), server().versions(V1_2)),
        older(),
        keys(),
    ]
}

/// By a pre-shared key that the server is asked for.
fn keys() -> (ClientConfigBuilder, ServerConfigBuilder) {
    use super::external_psk::{client, imported, server};
    let server = server().psk(imported()).ask_psk(true);
    (client().psk(imported()), server)
}

/// Both of TLS 1.2, who ask everything, with a ticket.
fn older() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = authenticated_client()
        .versions(V1_2)
        .session_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let server = authenticating_server()
        .versions(V1_2)
        .ticket_keys(ticket_keys())
        .ask_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    (client, server)
}

/// Polls until it waits; gives what was sent.
fn poll(end: &mut Handshake) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        match end.poll().unwrap() {
            Step::Transmit(bytes) => sent.extend_from_slice(&bytes),
            Step::Event(_) => {}
            Step::Ask(question) => end.answer(question.default_answer(), now()).unwrap(),
            Step::Connected | Step::Wait { .. } => return sent,
            Step::Data(data) | Step::EarlyData(data) => {
                panic!("data in a first handshake: {data:?}")
            }
        }
    }
}

/// Feeds both ends `step` bytes at a time, polling after each; says whether they have resumed.
fn connect(mut client: Handshake, mut server: Handshake, step: usize) -> bool {
    let mut to_server = poll(&mut client);
    while !to_server.is_empty() {
        let mut to_client = Vec::new();
        for bytes in to_server.chunks(step) {
            server.receive(bytes, now());
            to_client.extend(poll(&mut server));
        }
        to_server.clear();
        for bytes in to_client.chunks(step) {
            client.receive(bytes, now());
            to_server.extend(poll(&mut client));
        }
    }
    assert_eq!(
        (client.stage(), server.stage()),
        (Stage::Connected, Stage::Connected)
    );
    let client = client.into_connection().unwrap();
    let server = server.into_connection().unwrap();
    // A server of TLS 1.3 sends its tickets when the client is through.
    assert!(client.unread.is_empty() || server.information.is_resumed());
    assert!(server.unread.is_empty());
    let secret = client.information.tls_exporter().unwrap();
    assert_eq!(secret, server.information.tls_exporter().unwrap());
    client.information.is_resumed() && server.information.is_resumed()
}

fn ends(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    tamper: impl Fn() -> Tamper,
) -> (Handshake, Handshake) {
    resuming_ends(client, server, Vec::new(), tamper)
}

fn resuming_ends(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    tamper: impl Fn() -> Tamper,
) -> (Handshake, Handshake) {
    let mut server = Handshake::server(server.build().unwrap());
    server.tamper(tamper());
    let (client, random) = (client.build().unwrap(), Random::system());
    let client = Handshake::client_resuming_tampering(client, name(), sessions, random, tamper());
    (client, server)
}

fn untouched() -> Tamper {
    Box::new(|raw| vec![Put::Message(raw.to_vec())])
}

/// Every message in records of `length` bytes.
fn records_of(length: usize) -> Tamper {
    Box::new(move |raw| {
        raw.chunks(length)
            .flat_map(|part| [Put::Message(part.to_vec()), Put::Cut])
            .collect()
    })
}

/// All that one side sends, with one record boundary more, after `at` bytes.
fn cut_at(at: usize) -> Tamper {
    let mut before = 0;
    Box::new(move |raw| {
        let (front, back) = raw.split_at(at.saturating_sub(before).min(raw.len()));
        before += raw.len();
        vec![
            Put::Message(front.to_vec()),
            Put::Cut,
            Put::Message(back.to_vec()),
        ]
    })
}

#[test]
fn any_number_of_bytes_at_a_time() {
    for step in [1, 2, 3, 5, 7, 64, 333] {
        for (client, server) in variants() {
            let (client, server) = ends(client, server, untouched);
            connect(client, server, step);
        }
    }
}

#[test]
fn records_of_one_byte_and_longer() {
    for length in (1..=24).chain([100, 255, 256, 257, 511]) {
        for (client, server) in variants() {
            let (client, server) = ends(client, server, || records_of(length));
            connect(client, server, usize::MAX);
        }
    }
}

#[test]
fn resumptions() {
    for version in VERSIONS {
        let client = resuming_client().versions([version]);
        let server = server().versions([version]).ticket_keys(ticket_keys());
        let again = |step, tamper: &dyn Fn() -> Tamper| {
            let of = (client.clone().build(), server.clone().build());
            let sessions = sessions_of(of.0.unwrap(), of.1.unwrap());
            let (client, server) = (client.clone(), server.clone());
            let (client, server) = resuming_ends(client, server, sessions, tamper);
            assert!(connect(client, server, step));
        };
        for step in [1, 2, 3, 5, 7, 64, 333] {
            again(step, &untouched);
        }
        for length in (1..=24).chain([100, 255, 256, 257, 511]) {
            again(usize::MAX, &|| records_of(length));
        }
        for at in (1..700).step_by(3) {
            again(usize::MAX, &|| cut_at(at));
        }
    }
}

#[test]
fn records_of_one_byte_a_byte_at_a_time() {
    let (client, server) = ends(client(), server(), || records_of(1));
    connect(client, server, 1);
}

#[test]
fn a_boundary_at_every_byte() {
    // Further than either side sends.
    for at in 1..900 {
        let (client, server) = ends(client(), server(), || cut_at(at));
        connect(client, server, usize::MAX);
    }
    for at in (1..1_700).step_by(3) {
        let (client, server) = older();
        let (client, server) = ends(client, server, || cut_at(at));
        connect(client, server, usize::MAX);
    }
    for at in (1..1_500).step_by(7) {
        let (client, server) = ends(authenticated_client(), authenticating_server(), || {
            cut_at(at)
        });
        connect(client, server, usize::MAX);
    }
}

#[test]
fn boundaries_by_negotiated_limits() {
    for limit in [64, 65, 100, 511] {
        let small = authenticated_client().record_size_limit(limit);
        let (client, server) = ends(
            small,
            authenticating_server().record_size_limit(limit),
            untouched,
        );
        connect(client, server, 1);
    }
    let small = authenticated_client().max_fragment_length(MaxFragmentLength::Bytes512);
    let (client, server) = ends(small, authenticating_server(), untouched);
    connect(client, server, 1);
    for limit in [64, 65, 511, 16_385] {
        let (client, server) = older();
        let (client, server) = (
            client.record_size_limit(limit),
            server.record_size_limit(limit),
        );
        let (client, server) = ends(client, server, untouched);
        connect(client, server, 1);
    }
    let (client, server) = older();
    let client = client.max_fragment_length(MaxFragmentLength::Bytes512);
    let (client, server) = ends(client, server, untouched);
    connect(client, server, 1);
}
