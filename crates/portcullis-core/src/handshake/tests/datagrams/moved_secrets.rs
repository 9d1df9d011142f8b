//! What a handshake over datagrams leaves behind in memory, as `tests/moved_secrets.rs` looks for it.

use super::super::attack::{
    authenticated_client, authenticating_server, client, server, ticket_keys,
};
use super::super::moved_secrets::{copies, secrets};
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::crypto::hkdf::LabelPrefix;
use crate::record::DatagramOptions;
use crate::testing::name;
use crate::{Admission, Event, Handshake, Now, Step};

pub(in super::super) fn all_handshakes() {
    datagrams_leave_nothing("over datagrams", client(), server());
    datagrams_leave_nothing(
        "over datagrams, with certificates of both, tickets and questions",
        authenticated_client()
            .session_tickets(true)
            .ask_signature(true)
            .ask_verification(true),
        authenticating_server()
            .ticket_keys(ticket_keys())
            .ask_signature(true),
    );
}

/// Over datagrams keys are in boxes of their own: when both connections are gone, so is everything.
fn datagrams_leave_nothing(
    context: &str,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) {
    let (client, server) = (client.key_log(true).build().unwrap(), server.build());
    let (server, options) = (server.unwrap(), DatagramOptions::default());
    let now = Now::from(crate::testing::now());
    let client = Handshake::datagram_client(client, name(), Vec::new(), options, now);
    let (mut client, mut admitted) = (Box::new(client.unwrap()), None::<Box<Handshake>>);
    let mut events = Vec::new();
    loop {
        let from_client = said(&mut client, &mut events);
        let was_silent = from_client.is_empty();
        for datagram in from_client {
            match &mut admitted {
                Some(server) => server.receive(&datagram, now),
                none => {
                    let admission = Admission::without_cookie(datagram);
                    let begun = Handshake::datagram_server(server.clone(), admission, options, now);
                    *none = Some(Box::new(begun.unwrap()));
                }
            }
        }
        let server = admitted.as_deref_mut().unwrap();
        let from_server = said(server, &mut Vec::new());
        if was_silent && from_server.is_empty() {
            break;
        }
        for datagram in from_server {
            client.receive(&datagram, now);
        }
    }
    let mut server = admitted.unwrap();
    let connections = [
        client.take_datagram_connection().unwrap(),
        server.take_datagram_connection().unwrap(),
    ];
    let secrets = secrets(events, LabelPrefix::Dtls13);
    assert!(secrets.len() >= 13, "{}", secrets.len());
    drop((client, server));
    // That they are found at all: each end has the keys of both directions.
    let alive = copies(&secrets);
    assert!(alive.iter().sum::<usize>() >= 4, "{context}: {alive:?}");
    drop(connections);
    for ((name, _), count) in secrets.iter().zip(copies(&secrets)) {
        assert_eq!(count, 0, "{context}: copies of {name}");
    }
}

/// What an end sends; questions have their answers.
fn said(end: &mut Handshake, events: &mut Vec<Event>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    loop {
        match end.poll().unwrap() {
            Step::Transmit(datagram) => datagrams.push(datagram),
            Step::Event(event) => events.push(event),
            Step::Ask(question) => {
                let answer = crate::testing::answer(question);
                end.answer(answer, crate::testing::now()).unwrap();
            }
            _ => return datagrams,
        }
    }
}
