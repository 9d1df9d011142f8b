//! Tickets and pre-shared keys from a peer that does as it likes.

use super::attack::{
    By, connected_with, pair_resuming, resuming_client, server, talk, ticket_keys, transmitted,
    unknown_session,
};
use super::parts::{ClientHelloParts, client_hello};
use super::tamper::{Put, first};
use crate::session::{ClientSession, TicketKeys};
use crate::testing::{now, resuming, sessions, sessions_of};
use crate::wire::codec::{put_vec8, put_vec16};
use crate::wire::{
    ExtensionType as E, HandshakeMessage as _, HandshakeType as T, NewSessionTicket,
};
use crate::{Connection, Handshake, Stage};

fn ticket(lifetime: u32, nonce: &[u8], ticket: &[u8]) -> Put {
    let mut out = Vec::new();
    NewSessionTicket::put(&mut out, lifetime, 7, nonce, ticket, |_| {});
    Put::Message(out)
}

/// The sessions of a client whose server sends this after the handshake.
fn received(puts: &[Put]) -> Vec<ClientSession> {
    let (mut victim, mut attacker) = connected_with(By::Server, resuming_client(), server());
    for put in puts {
        attacker.put(put);
    }
    victim.unread = transmitted(&mut attacker);
    sessions(&mut victim)
}

#[test]
fn tickets_that_are_of_no_use() {
    assert_eq!(received(&[ticket(1, &[], &[1])]).len(), 1);
    // §4.6.1: to be thrown away at once.
    assert!(received(&[ticket(0, &[], &[1])]).is_empty());
    // Longer than any that would fit into the hello together with another.
    assert_eq!(received(&[ticket(1, &[], &[1; 16_384])]).len(), 1);
    assert!(received(&[ticket(1, &[], &[1; 16_385])]).is_empty());
    assert!(received(&[ticket(1, &[], &[1; 65_535])]).is_empty());
    let longest = received(&[ticket(604_800, &[7; 255], &[1])]);
    assert_eq!(longest[0].lifetime().as_secs(), 604_800);
}

#[test]
fn the_last_eight_are_kept() {
    let puts: Vec<_> = (0..30).map(|at| ticket(1, &[at], &[at])).collect();
    let kept = received(&puts);
    let tickets: Vec<_> = kept.iter().map(|session| session.ticket[0]).collect();
    assert_eq!(tickets, (22..30).collect::<Vec<_>>());
}

/// §4.6.1: the nonce makes the key; one that comes twice makes the same, which hurts whoever
/// sent it.
#[test]
fn the_nonce_makes_the_key() {
    let kept = received(&[
        ticket(1, &[], &[1]),
        ticket(1, &[0], &[1]),
        ticket(1, &[0], &[2]),
    ]);
    let psk = |at: usize| kept[at].established.psk().unwrap().as_bytes();
    assert_ne!(psk(0), psk(1));
    assert_eq!(psk(1), psk(2));
}

/// What is random is drawn for all tickets at once, and no ticket has that of another: two with one salt would be sealed by
/// one key under one nonce.
#[test]
fn each_ticket_has_its_own_salt_and_addition() {
    let server = server().ticket_keys(ticket_keys()).build().unwrap();
    let sessions = sessions_of(resuming_client().build().unwrap(), server);
    assert_eq!(sessions.len(), 3);
    let differ = |of: &dyn Fn(&ClientSession) -> Vec<u8>| {
        let mut all: Vec<_> = sessions.iter().map(of).collect();
        all.sort();
        all.dedup();
        all.len() == sessions.len()
    };
    // Behind the 16 bytes of the key's name.
    assert!(differ(&|session| session.ticket[16..40].to_vec()));
    let age = |session: &ClientSession| session.obfuscated_age(now());
    assert!(differ(&|session| age(session).to_be_bytes().to_vec()));
}

/// Connects a client whose hello is changed to a server that would resume its session.
fn changed(change: impl Fn(&mut ClientHelloParts) + Send + 'static) -> (Connection, Connection) {
    let (client, server) = (
        resuming_client().build().unwrap(),
        server().ticket_keys(ticket_keys()).build().unwrap(),
    );
    let sessions = sessions_of(client.clone(), server.clone());
    let tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, &change))]
    });
    let mut pair = pair_resuming(client, server, sessions, By::Client, tamper);
    talk(&mut pair);
    assert_eq!(pair.server.stage(), Stage::Connected);
    (
        pair.client.into_connection().unwrap(),
        pair.server.into_connection().unwrap(),
    )
}

/// §4.2.9: a server that does not do what the client can does not resume, and sends no tickets.
#[test]
fn a_client_that_has_no_forward_secrecy() {
    for modes in [&[1, 0][..], &[1, 7], &[2, 0, 7]] {
        let (mut client, server) = changed(move |hello| {
            hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, modes);
        });
        assert!(!server.information.is_resumed());
        assert!(sessions(&mut client).is_empty());
    }
    let (mut client, server) = changed(|hello| {
        hello.extensions.remove(E::PRE_SHARED_KEY);
        hello.extensions.remove(E::PSK_KEY_EXCHANGE_MODES);
    });
    assert!(!server.information.is_resumed());
    assert!(sessions(&mut client).is_empty());
}

/// As many identities as fit into a hello: four are looked at, one binder is computed.
#[test]
fn thousands_of_identities() {
    let (client, server) = changed(|hello| {
        let mut psks = Vec::new();
        put_vec16(&mut psks, |out| {
            for at in 0..5_500_u16 {
                out.extend([0, 1, at as u8, 0, 0, 0, 0]);
            }
        });
        put_vec16(&mut psks, |out| out.resize(out.len() + 5_500, 0));
        hello.extensions.set(E::PRE_SHARED_KEY, psks);
    });
    assert!(!client.information.is_resumed() && !server.information.is_resumed());
    let (_, server) = changed(|hello| {
        let mut psks = Vec::new();
        put_vec16(&mut psks, |out| {
            for _ in 0..3 {
                put_vec16(out, |out| out.extend([7; 15_000]));
                out.extend([0; 4]);
            }
        });
        put_vec16(&mut psks, |out| {
            for _ in 0..3 {
                put_vec8(out, |out| out.extend([7; 255]));
            }
        });
        hello.extensions.set(E::PRE_SHARED_KEY, psks);
    });
    assert!(!server.information.is_resumed());
}

/// A replay is answered, and gets nobody any further: the Finished is missing.
#[test]
fn a_hello_that_comes_again() {
    let keys = ticket_keys();
    let server = || server().ticket_keys(keys.clone());
    let client = resuming_client().build().unwrap();
    let sessions = sessions_of(client.clone(), server().build().unwrap());
    let mut pair = resuming(client, server().build().unwrap(), sessions);
    talk(&mut pair);
    assert_eq!(pair.server.stage(), Stage::Connected);
    let mut victim = Handshake::server(server().build().unwrap());
    victim.receive(&pair.client_sent, now());
    transmitted(&mut victim);
    let error = victim.poll().unwrap_err();
    assert_eq!(error.violation(), Some(crate::Violation::BadRecordMac));
    assert_eq!(error.stage(), Stage::WaitFinished);
}

/// Early data of a client that resumes is thrown away, and the rest goes on.
#[test]
fn early_data_with_a_session() {
    let (client, server) = (
        resuming_client().build().unwrap(),
        server().ticket_keys(ticket_keys()).build().unwrap(),
    );
    // What the tamperer adds is not under the binder: a ticket that the server does not know.
    let sessions = vec![unknown_session()];
    let tamper = first(T::CLIENT_HELLO, |raw| {
        let hello = client_hello(raw, |hello| {
            let psks = hello.extensions.0.pop().unwrap();
            hello.extensions.add(E::EARLY_DATA, []);
            hello.extensions.0.push(psks);
        });
        let early = [&[23, 3, 3, 0, 64][..], &[7; 64]].concat();
        vec![Put::Message(hello), Put::Raw(early)]
    });
    let mut pair = pair_resuming(client, server, sessions, By::Client, tamper);
    talk(&mut pair);
    assert_eq!(pair.server.stage(), Stage::Connected);
    assert_eq!(pair.client.stage(), Stage::Connected);
}

/// A ticket that comes between the data does not disturb it, also in small records.
#[test]
fn tickets_in_small_records() {
    let client = resuming_client().record_size_limit(64).build().unwrap();
    let server = server().ticket_keys(ticket_keys()).build().unwrap();
    let sessions = sessions_of(client.clone(), server.clone());
    assert_eq!(sessions.len(), 3);
    let (client, _) = resuming(client, server, sessions).run();
    assert!(client.unwrap().information.is_resumed());
}

/// What the server's EncryptedExtensions say of tickets, and how many the client has got.
fn requested(
    asked: Option<(u8, u8)>,
    limit: Option<u8>,
    sessions_before: Vec<ClientSession>,
    keys: Option<TicketKeys>,
) -> (Option<u8>, usize) {
    use crate::wire::extension::ExpectedTickets;
    let mut client = resuming_client();
    if let Some((full, resumed)) = asked {
        client = client.ticket_request(full, resumed);
    }
    let mut server = server();
    server = match keys {
        Some(keys) => server.ticket_keys(keys),
        None => server.resumption(false),
    };
    if let Some(limit) = limit {
        server = server.ticket_request_limit(limit);
    }
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sees = seen.clone();
    let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
        sees.lock().unwrap().extend_from_slice(raw);
        vec![Put::Message(raw.to_vec())]
    });
    let mut pair = pair_resuming(client, server, sessions_before, By::Server, tamper);
    talk(&mut pair);
    let raw = seen.lock().unwrap().clone();
    let said = crate::wire::EncryptedExtensions::decode(&raw[4..]).unwrap();
    let said = said.extensions.find::<ExpectedTickets>();
    let mut client = pair.client.into_connection().unwrap();
    (
        said.map(|said| said.unwrap().0),
        sessions(&mut client).len(),
    )
}

/// RFC 9149 §3: as many as the client asks for, after a full handshake and when it resumes, and no more than is allowed.
#[test]
fn a_client_gets_the_tickets_that_it_asks_for() {
    for (asked, limit, full, resumed) in [
        (None, None, (None, 3), (None, 1)),
        (Some((1, 2)), None, (Some(1), 1), (Some(2), 2)),
        (Some((0, 0)), None, (Some(0), 0), (Some(0), 0)),
        (Some((255, 0)), None, (Some(3), 3), (Some(0), 0)),
        (Some((255, 4)), Some(8), (Some(8), 8), (Some(4), 4)),
        (Some((2, 2)), Some(0), (Some(0), 0), (Some(0), 0)),
        (None, Some(0), (None, 3), (None, 1)),
    ] {
        let keys = ticket_keys();
        let with = Some(keys.clone());
        assert_eq!(requested(asked, limit, Vec::new(), with.clone()), full);
        let server = server().ticket_keys(keys).build().unwrap();
        let sessions = sessions_of(resuming_client().build().unwrap(), server);
        assert_eq!(requested(asked, limit, sessions, with), resumed);
    }
    // Who gives none at all knows nothing of it.
    assert_eq!(requested(Some((2, 2)), None, Vec::new(), None), (None, 0));
    let error = server().ticket_request_limit(17).build().unwrap_err();
    assert!(error.to_string().contains("outside of 0..=16"), "{error}");
    for count in [0, 17] {
        let error = server().resumed_ticket_count(count).build().unwrap_err();
        assert!(error.to_string().contains("outside of 1..=16"), "{error}");
    }
}
