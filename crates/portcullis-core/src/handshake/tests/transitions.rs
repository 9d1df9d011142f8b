//! The tables of states against what happens: every row takes what it says, goes where it says,
//! and nowhere else.

use std::collections::BTreeSet;

use super::super::table::Row;
use super::super::{client, server};
use super::attack::{authenticated_client, authenticating_server, ticket_keys, unknown_session};
use super::states::{Scripts, run_resuming};
use crate::config::{ClientAuthentication, ServerConfigBuilder};
use crate::session::ClientSession;
use crate::testing::{pki, sessions_of};
use crate::wire::HandshakeType;

/// `WaitServerHello takes ServerHello` and `WaitServerHello goes to ReviewingServerHello`.
type Facts = BTreeSet<String>;

fn in_table(rows: &[Row]) -> Facts {
    let mut facts = Facts::new();
    for row in rows {
        for what in row.takes {
            facts.insert(format!("{:?} takes {what}", row.stage));
        }
        for next in row.goes_to {
            facts.insert(format!("{:?} goes to {next:?}", row.stage));
        }
    }
    facts
}

/// What one script shows: its lines are `State -message-> State` and `State =Question=> State`.
fn seen_in(script: &[String], facts: &mut Facts) {
    for line in script {
        let [from, what, to] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let what = what.trim_matches(['-', '=', '>']);
        facts.insert(format!("{from} takes {}", in_camel_case(what)));
        facts.insert(format!("{from} goes to {to}"));
    }
}

/// `server_hello`, as the registry has it, is `ServerHello` in the RFC's text.
fn in_camel_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

/// The servers, each with a client that has no session, one that the server resumes, and one that
/// it does not know.
fn servers() -> Vec<(ServerConfigBuilder, Option<ClientSession>)> {
    let mut servers = Vec::new();
    for authentication in [
        ClientAuthentication::None,
        ClientAuthentication::Optional(pki().roots.clone()),
    ] {
        let plain = authenticating_server().client_authentication(authentication);
        servers.push((plain.clone(), None));
        let resuming = plain.ticket_keys(ticket_keys());
        let client = authenticated_client()
            .session_tickets(true)
            .build()
            .unwrap();
        let session = sessions_of(client, resuming.clone().build().unwrap()).remove(0);
        for ask in [false, true] {
            let server = resuming.clone().ask_tickets(ask);
            servers.push((server.clone(), None));
            servers.push((server.clone(), Some(session.clone())));
            servers.push((server, Some(unknown_session())));
        }
    }
    servers
}

/// Every server with every set of what it can be told to ask, each with another client.
fn scripts() -> impl Iterator<Item = Scripts> {
    let servers = servers().into_iter();
    servers.flat_map(|(server, session)| {
        (0..32_u32).flat_map(move |asked| {
            let is = |bit: u32| asked >> bit & 1 == 1;
            let mut server = server
                .clone()
                .pause_at_hello(is(0))
                .ask_identity(is(1))
                .ask_signature(is(2))
                .ask_verification(is(3));
            if is(4) {
                server = server.groups([crate::NamedGroup::SECP256R1]);
            }
            let session = session.clone();
            // The client asks what its server does not, then the same; with and without
            // something to show.
            (0..4_u32).map(move |client| {
                let is = |bit: u32| (asked ^ if client & 1 == 1 { 0 } else { 15 }) >> bit & 1 == 1;
                let builder = match client & 2 {
                    0 => authenticated_client(),
                    _ => super::attack::client(),
                };
                let builder = builder
                    .session_tickets(true)
                    .pause_at_hello(is(0))
                    .ask_identity(is(1))
                    .ask_signature(is(2))
                    .ask_verification(is(3));
                run_resuming(builder, server.clone(), session.iter().cloned().collect())
            })
        })
    })
}

#[test]
fn the_tables_say_what_happens() {
    let (mut of_client, mut of_server) = (Facts::new(), Facts::new());
    for scripts in scripts() {
        seen_in(&scripts.client, &mut of_client);
        seen_in(&scripts.server, &mut of_server);
    }
    // HelloRetryRequest is a ServerHello on the wire (§4.1.4).
    assert_eq!(HandshakeType::SERVER_HELLO.name(), Some("server_hello"));
    for (seen, rows) in [
        (of_client, client::State::rows()),
        (of_server, server::State::rows()),
    ] {
        let table = in_table(&rows);
        let missing: Vec<_> = seen.difference(&table).collect();
        let never: Vec<_> = table.difference(&seen).collect();
        assert!(missing.is_empty(), "not in the table: {missing:?}");
        assert!(never.is_empty(), "in the table, and never seen: {never:?}");
    }
}
