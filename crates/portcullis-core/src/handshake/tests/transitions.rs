//! The tables of states against what happens: every row takes what it says, goes where it says,
//! and nowhere else.

use std::collections::BTreeSet;

use super::super::table::Row;
use super::super::{client, server};
use super::attack::{authenticated_client, authenticating_server, ticket_keys, unknown_session};
use super::early_data::{accepting, by_store, local, session_in_store};
use super::parts::{message, server_hello};
use super::scripts::{
    Scripts, accept, run_distrusting, run_forgetting, run_resuming, run_tampering,
    run_with_early_data,
};
use super::tamper::{Put, Tamper};
use super::tls12::{ANONYMOUS, ECDHE_PSK, PSK, ends, refusable_with_another_key};
use crate::ProtocolVersion;
use crate::config::{ClientAuthentication, ClientConfigBuilder, ServerConfigBuilder};
use crate::crypto::HAS_RSA;
use crate::crypto::finite_field::HAS_FINITE_FIELD;
use crate::session::{AntiReplay, Claims, ClientSession};
use crate::testing::{answer, pki, sessions_of};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::OcspPolicy;

/// `WaitServerHello takes ServerHello` and `WaitServerHello goes to ReviewingServerHello`.
type Facts = BTreeSet<String>;

fn in_table<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Facts {
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

/// Ends without certificates, which do and do not ask which key they share, in a full handshake and
/// resumed.
fn scripts_without_certificates() -> Vec<Scripts> {
    let mut scripts = Vec::new();
    for suite in [PSK, ECDHE_PSK, ANONYMOUS] {
        let (client, server) = ends(suite);
        let hinted = server.clone().psk_identity_hint("hint");
        let servers = [Some(server), (suite == PSK).then_some(hinted)];
        for server in servers.into_iter().flatten() {
            let tickets = server.clone().ticket_keys(ticket_keys());
            for server in [server.clone(), tickets, server.ask_sessions(true)] {
                let client = client.clone().session_tickets(true);
                let session = || {
                    let (client, server) = (client.clone().build(), server.clone().build());
                    sessions_of(client.unwrap(), server.unwrap()).pop()
                };
                // Without a ticket or an id there is none.
                let sessions = [None, session()];
                for asked in 0..16 {
                    let is = |bit: u32| asked >> bit & 1 == 1;
                    let client = client.clone().pause_at_hello(is(0)).ask_psk(is(1));
                    let server = server.clone().pause_at_hello(is(0)).ask_psk(is(2));
                    let server = match is(3) && server.clone().build().unwrap().0.resumes() {
                        true => server.ask_tickets(true),
                        false => server,
                    };
                    for session in &sessions {
                        let session = session.iter().cloned().collect();
                        scripts.push(run_resuming(client.clone(), server.clone(), session));
                    }
                }
                // The key is another by now.
                let session = session().into_iter().collect();
                let server = server.clone().ask_psk(true);
                scripts.push(run_forgetting(client.clone(), server, session));
            }
        }
    }
    scripts
}

/// The client of a session is refused, and has a key that the server would rather have than a certificate.
fn refused_with_another_key() -> Scripts {
    let (client, server, session) = refusable_with_another_key();
    run_distrusting(client, server, vec![session])
}

/// A server that accepts early data, or refuses what was there before, and asks for everything or nothing.
fn scripts_of_early_data() -> Vec<Scripts> {
    let mut scripts = Vec::new();
    let client = || authenticated_client().session_tickets(true);
    for anti_replay in [local(), AntiReplay::asked()] {
        for authentication in [
            ClientAuthentication::None,
            ClientAuthentication::Optional(pki().roots.clone()),
        ] {
            let server = accepting(anti_replay.clone()).client_authentication(authentication);
            let server = || server.clone();
            let (ours, theirs) = (client().build().unwrap(), server().build().unwrap());
            let session = sessions_of(ours, theirs).remove(0);
            for asked in 0..16_u32 {
                let is = |bit: u32| asked >> bit & 1 == 1;
                let server = server()
                    .pause_at_hello(is(0))
                    .ask_identity(is(1))
                    .ask_verification(is(2))
                    .ask_tickets(is(3) && matches!(anti_replay.0, Claims::Asked));
                for answer in [accept, answer] {
                    let (server, session) = (server.clone(), vec![session.clone()]);
                    scripts.push(run_with_early_data(client(), server, session, answer));
                }
            }
        }
    }
    let server = accepting(AntiReplay::single_use_tickets()).ask_tickets(true);
    let session = session_in_store(client(), server.clone().build().unwrap());
    let session = vec![session];
    scripts.push(run_with_early_data(client(), server, session, by_store));
    scripts
}

/// Clients with a pre-shared key, with and without a session that began with it, and servers that look it up, or know
/// it, or know another one; with a certificate and without.
fn scripts_of_keys() -> Vec<Scripts> {
    use super::external_psk::psk;
    let mut scripts = Vec::new();
    let client = || authenticated_client().session_tickets(true).psk(psk());
    let optional = || ClientAuthentication::Optional(pki().roots.clone());
    for authentication in [ClientAuthentication::None, optional()] {
        let keys = ticket_keys();
        let server = super::attack::server()
            .ticket_keys(keys.clone())
            .early_data(local())
            .client_authentication(authentication);
        let session = {
            let server = server.clone().psk(psk()).build().unwrap();
            sessions_of(client().build().unwrap(), server).remove(0)
        };
        for asked in 0..64_u32 {
            let is = |bit: u32| asked >> bit & 1 == 1;
            let server = server
                .clone()
                .pause_at_hello(is(0))
                .ask_identity(is(1))
                .ask_tickets(is(2))
                .ask_signature(is(3));
            let server = match is(4) {
                true => server.groups([crate::NamedGroup::SECP256R1]),
                false => server,
            };
            let server = match is(2) || is(5) {
                true => server
                    .ticket_keys(keys.of_another_process())
                    .early_data(AntiReplay::asked()),
                false => server,
            };
            for server in [server.clone().psk(psk()), server.clone()] {
                let server = server.ask_psk(true);
                for sessions in [Vec::new(), vec![session.clone()]] {
                    let (client, server) = (client(), server.clone());
                    scripts.push(run_resuming(
                        client.clone(),
                        server.clone(),
                        sessions.clone(),
                    ));
                    scripts.push(run_with_early_data(
                        client.clone(),
                        server.clone(),
                        sessions.clone(),
                        accept,
                    ));
                    scripts.push(run_forgetting(client, server, sessions));
                }
            }
        }
    }
    // A session of a certificate, whose client has a key as well.
    let server = super::attack::server()
        .ticket_keys(ticket_keys())
        .client_authentication(optional());
    let certified = authenticated_client().session_tickets(true);
    let session = sessions_of(certified.build().unwrap(), server.clone().build().unwrap());
    let asking = server.ask_verification(true).ask_psk(true);
    scripts.push(run_distrusting(client(), asking, session));
    scripts
}

/// The servers of a version, each with a client that has no session, one that the server resumes,
/// and one that it does not know.
fn servers(version: ProtocolVersion) -> Vec<(ServerConfigBuilder, Option<ClientSession>)> {
    let mut servers = Vec::new();
    for authentication in [
        ClientAuthentication::None,
        ClientAuthentication::Optional(pki().roots.clone()),
    ] {
        let plain = authenticating_server()
            .versions([version])
            .client_authentication(authentication);
        servers.push((plain.clone(), None));
        let session = |server: &ServerConfigBuilder| {
            let client = authenticated_client()
                .versions([version])
                .session_tickets(true);
            let server = server.clone().build().unwrap();
            sessions_of(client.build().unwrap(), server).remove(0)
        };
        let resuming = plain.clone().ticket_keys(ticket_keys());
        let (known, unknown) = match version {
            ProtocolVersion::TLS_1_3 => (session(&resuming), unknown_session()),
            _ => (
                session(&resuming),
                session(&plain.clone().ticket_keys(ticket_keys())),
            ),
        };
        if version != ProtocolVersion::TLS_1_3 {
            let keeping = plain.clone().ask_sessions(true);
            let (known, unknown) = (session(&keeping), session(&resuming));
            servers.push((keeping.clone(), None));
            servers.push((keeping.clone(), Some(known)));
            // Kept where nobody looks.
            let elsewhere = std::thread::scope(|scope| {
                let session = scope.spawn(|| session(&keeping));
                session.join().unwrap()
            });
            servers.push((keeping.clone(), Some(elsewhere)));
            // A ticket.
            servers.push((keeping, Some(unknown)));
        }
        for ask in [false, true] {
            let server = resuming.clone().ask_tickets(ask);
            servers.push((server.clone(), None));
            servers.push((server.clone(), Some(known.clone())));
            servers.push((server, Some(unknown.clone())));
        }
    }
    servers
}

/// Every server with every set of what it can be told to ask, each with another client.
fn scripts(version: ProtocolVersion) -> impl Iterator<Item = Scripts> {
    // Before TLS 1.3 nobody asks for another share.
    let sets = match version {
        ProtocolVersion::TLS_1_3 => 32_u32,
        _ => 16,
    };
    let servers = servers(version).into_iter();
    servers.flat_map(move |(server, session)| {
        (0..sets).flat_map(move |asked| {
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
            let distrusting = (is(3) && session.is_some()).then(|| {
                let client = authenticated_client()
                    .versions([version])
                    .session_tickets(true);
                run_distrusting(client, server.clone(), session.iter().cloned().collect())
            });
            let scripts = (0..4_u32).map(move |client| {
                let asked = asked ^ if client & 1 == 1 { 0 } else { 15 };
                let builder = match client & 2 {
                    0 => authenticated_client(),
                    _ => super::attack::client(),
                };
                let client = asking(builder.versions([version]).session_tickets(true), asked);
                run_resuming(client, server.clone(), session.iter().cloned().collect())
            });
            scripts.chain(distrusting)
        })
    })
}

fn asking(client: ClientConfigBuilder, asked: u32) -> ClientConfigBuilder {
    let is = |bit: u32| asked >> bit & 1 == 1;
    client
        .pause_at_hello(is(0))
        .ask_identity(is(1))
        .ask_signature(is(2))
        .ask_verification(is(3))
}

/// Both ends show compressed certificates.
fn scripts_of_compression() -> Vec<Scripts> {
    use crate::compression::CertificateCompression;
    use crate::compression::tests::Shrinking;
    let algorithm = || [CertificateCompression::custom(Shrinking)];
    let client = authenticated_client().certificate_compression(algorithm());
    let server = authenticating_server().certificate_compression(algorithm());
    let alone = super::attack::server().certificate_compression(algorithm());
    [server, alone]
        .into_iter()
        .map(|server| run_resuming(client.clone(), server, Vec::new()))
        .collect()
}

/// Both ends show raw keys and ask, in a full handshake and resumed.
fn scripts_of_raw_keys(version: ProtocolVersion) -> Vec<Scripts> {
    let (client, server) = super::raw_keys::ends(version);
    let session = sessions_of(client.clone(), server.clone()).remove(0);
    [Vec::new(), vec![session]]
        .into_iter()
        .map(|sessions| run_resuming(client.to_builder(), server.to_builder(), sessions))
        .collect()
}

/// Without ALPN, with NPN.
fn scripts_of_next_protocols() -> impl Iterator<Item = Scripts> {
    servers(ProtocolVersion::TLS_1_2)
        .into_iter()
        .map(|(server, session)| {
            let client = authenticated_client()
                .versions([ProtocolVersion::TLS_1_2])
                .session_tickets(true)
                .alpn([""; 0])
                .next_protocols(["a"]);
            let server = server.alpn([""; 0]).next_protocols(["a"]);
            run_resuming(client, server, session.into_iter().collect())
        })
}

/// What a server before TLS 1.3 may do and ours does not: it promises an OCSP response, and sends
/// one or does not (RFC 6066 §8); it renews a ticket when it resumes a session (RFC 5077 §3.3).
fn scripts_of_other_servers() -> Vec<Scripts> {
    let version = ProtocolVersion::TLS_1_2;
    let (server, session) = servers(version).swap_remove(2);
    let client = || {
        authenticated_client()
            .versions([version])
            .session_tickets(true)
            .ocsp(OcspPolicy::Off)
    };
    let mut scripts = Vec::new();
    for asked in 0..16 {
        for staples in [true, false] {
            let (client, server) = (asking(client(), asked), server.clone());
            scripts.push(run_tampering(
                client,
                server,
                Vec::new(),
                promising(staples),
            ));
        }
        let (client, server) = (asking(client(), asked), server.clone());
        let session = session.iter().cloned().collect();
        scripts.push(run_tampering(client, server, session, renewing()));
    }
    scripts
}

/// What only happens where the key of the server's certificate decrypts, which comes with a feature.
const OF_DECRYPTION: [&str; 8] = [
    "WaitCertificateStatus goes to ChoosingPsk",
    "WaitServerKeyExchange goes to VerifyingChain",
    "VerifyingChain goes to ChoosingPsk",
    "WaitClientKeyExchange goes to Decrypting",
    "Decrypting takes Decrypt",
    "Decrypting goes to ChoosingPsk",
    "Decrypting goes to WaitCertificateVerify",
    "Decrypting goes to WaitChangeCipherSpec",
];

type Ends = (ClientConfigBuilder, ServerConfigBuilder);

/// Where the key of the server's certificate signs nothing.
fn ends_without_signature() -> Vec<fn() -> Ends> {
    vec![
        || {
            use super::tls12::static_ecdh::{client, server};
            (client(), server())
        },
        #[cfg(feature = "ffi")]
        || {
            use super::tls12::rsa::{client, server};
            (client(), server())
        },
        #[cfg(feature = "ffi")]
        || {
            let (client, server) = super::tls12::rsa_psk::ends();
            (client.ask_psk(true), server.ask_psk(true))
        },
    ]
}

fn scripts_without_signature() -> Vec<Scripts> {
    let mut scripts = Vec::new();
    let asking_ends = (0..16).flat_map(|asked| {
        let ends = ends_without_signature().into_iter();
        ends.map(move |ends| (asked, ends))
    });
    for (asked, ends) in asking_ends {
        for (authenticates, gives_tickets) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let server = || {
                let (_, server) = ends();
                let server = server.ask_signature(asked >> 2 & 1 == 1);
                let server = match authenticates {
                    true => server
                        .client_authentication(ClientAuthentication::Optional(pki().roots.clone())),
                    false => server,
                };
                match gives_tickets {
                    true => server.ticket_keys(ticket_keys()),
                    false => server,
                }
            };
            let client = || {
                let (client, _) = ends();
                let client = client.identity(pki().client.clone()).session_tickets(true);
                asking(client.ocsp(OcspPolicy::Off), asked)
            };
            scripts.push(run_resuming(client(), server(), Vec::new()));
            for staples in [true, false] {
                let tamper = promising(staples);
                scripts.push(run_tampering(client(), server(), Vec::new(), tamper));
            }
        }
    }
    scripts
}

#[cfg(not(feature = "finite-field"))]
fn scripts_of_users() -> Vec<Scripts> {
    Vec::new()
}

/// Ends of which one logs in, in a full handshake and resumed; the server asks, or not, for everything.
#[cfg(feature = "finite-field")]
fn scripts_of_users() -> Vec<Scripts> {
    use super::tls12::user::{SRP, SRP_RSA, client, server};
    let mut scripts = Vec::new();
    for (suite, sets) in [(SRP, 8), (SRP_RSA, 64)] {
        let client = client(&[suite]).session_tickets(true);
        let (client, authentication) = match suite {
            SRP => (client, ClientAuthentication::None),
            _ => (
                client.identity(pki().client.clone()),
                ClientAuthentication::Optional(pki().roots.clone()),
            ),
        };
        let plain = server(&[suite]).client_authentication(authentication);
        let tickets = plain.clone().ticket_keys(ticket_keys());
        for server in [plain.clone(), tickets, plain.ask_sessions(true)] {
            let ends = (
                client.clone().build().unwrap(),
                server.clone().build().unwrap(),
            );
            let session = sessions_of(ends.0, ends.1).pop();
            // Sealed with other keys, and kept where nobody looks.
            let others = server.clone().ticket_keys(ticket_keys());
            let session_of = |server: ServerConfigBuilder| {
                let (client, server) = (client.clone().build(), server.build());
                sessions_of(client.unwrap(), server.unwrap()).pop()
            };
            let elsewhere = std::thread::scope(|scope| {
                let session = scope.spawn(|| session_of(server.clone()));
                session.join().unwrap()
            });
            let others = session_of(others);
            let unknown = |server: &ServerConfigBuilder| {
                let keeps = server.clone().build().unwrap().0.policy.asked.sessions;
                let session = if keeps { &elsewhere } else { &others };
                session.iter().cloned().collect()
            };
            for asked in 0..sets {
                let is = |bit: u32| asked >> bit & 1 == 1;
                let asks_tickets = is(2) && server.clone().build().unwrap().0.resumes();
                let server = server
                    .clone()
                    .pause_at_hello(is(0))
                    .ask_user(is(1))
                    .ask_identity(is(3))
                    .ask_signature(is(4))
                    .ask_verification(is(5));
                let server = match asks_tickets {
                    true => server.ask_tickets(true),
                    false => server,
                };
                scripts.push(run_resuming(client.clone(), server.clone(), Vec::new()));
                let session = || session.iter().cloned().collect();
                scripts.push(run_resuming(client.clone(), server.clone(), session()));
                // The session is that of another server.
                scripts.push(run_resuming(
                    client.clone(),
                    server.clone(),
                    unknown(&server),
                ));
                // Nobody knows the user of the session any more.
                if is(1) {
                    scripts.push(run_forgetting(client.clone(), server.clone(), session()));
                }
                if is(5) {
                    scripts.push(run_distrusting(client.clone(), server, session()));
                }
            }
        }
    }
    scripts
}

fn promising(staples: bool) -> Tamper {
    Box::new(move |raw| {
        let mut puts = match T(raw[0]) {
            T::SERVER_HELLO => vec![Put::Message(server_hello(raw, |hello| {
                hello.extensions.add(E::STATUS_REQUEST, []);
            }))],
            _ => vec![Put::Message(raw.to_vec())],
        };
        puts.push(Put::Cut);
        if staples && raw[0] == T::CERTIFICATE.0 {
            let status = message(T::CERTIFICATE_STATUS, &[1, 0, 0, 1, 7]);
            puts.extend([Put::Message(status), Put::Cut]);
        }
        puts
    })
}

fn renewing() -> Tamper {
    Box::new(move |raw| {
        if raw[0] != T::SERVER_HELLO.0 {
            return vec![Put::Message(raw.to_vec()), Put::Cut];
        }
        let hello = server_hello(raw, |hello| hello.extensions.add(E::SESSION_TICKET, []));
        let ticket = message(T::NEW_SESSION_TICKET, &[0, 0, 0, 9, 0, 1, 7]);
        vec![
            Put::Message(hello),
            Put::Cut,
            Put::Message(ticket),
            Put::Cut,
        ]
    })
}

/// What happens in a version is in its table, or in the one of the states before there is a
/// version; and what is in a table happens.
#[test]
fn the_tables_say_what_happens() {
    // HelloRetryRequest is a ServerHello on the wire (§4.1.4).
    assert_eq!(T::SERVER_HELLO.name(), Some("server_hello"));
    let tables = [client::State::rows(), server::State::rows()];
    let mut ever = [Facts::new(), Facts::new()];
    let versions: [(_, Box<dyn Iterator<Item = Scripts>>); 2] = [
        (
            "Tls13",
            Box::new(
                scripts(ProtocolVersion::TLS_1_3)
                    .chain(scripts_of_raw_keys(ProtocolVersion::TLS_1_3))
                    .chain(scripts_of_compression())
                    .chain(scripts_of_early_data())
                    .chain(scripts_of_keys()),
            ),
        ),
        (
            "Tls12",
            Box::new(
                scripts(ProtocolVersion::TLS_1_2)
                    .chain(scripts_of_other_servers())
                    .chain(scripts_without_signature())
                    .chain(scripts_without_certificates())
                    .chain([refused_with_another_key()])
                    .chain(scripts_of_users())
                    .chain(scripts_of_raw_keys(ProtocolVersion::TLS_1_2))
                    .chain(scripts_of_next_protocols()),
            ),
        ),
    ];
    for (version, scripts) in versions {
        let mut seen = [Facts::new(), Facts::new()];
        for Scripts { client, server } in scripts {
            seen_in(&client, &mut seen[0]);
            seen_in(&server, &mut seen[1]);
        }
        for ((rows, seen), ever) in tables.iter().zip(seen).zip(&mut ever) {
            let own = in_table(rows.iter().filter(|row| row.version == version));
            let common = in_table(rows.iter().filter(|row| row.version.is_empty()));
            let table = &own | &common;
            let missing: Vec<_> = seen.difference(&table).collect();
            assert!(
                missing.is_empty(),
                "{version}: not in the table: {missing:?}"
            );
            let is_built = |fact: &&String| {
                (HAS_RSA || !OF_DECRYPTION.contains(&&***fact))
                    && (HAS_FINITE_FIELD || !fact.contains("User"))
            };
            let never: Vec<_> = own.difference(&seen).filter(is_built).collect();
            assert!(
                never.is_empty(),
                "{version}: in the table, and never seen: {never:?}"
            );
            ever.extend(seen);
        }
    }
    for (rows, ever) in tables.iter().zip(ever) {
        let common = in_table(rows.iter().filter(|row| row.version.is_empty()));
        let never: Vec<_> = common
            .difference(&ever)
            .filter(|fact| HAS_FINITE_FIELD || !fact.contains("User"))
            .collect();
        assert!(never.is_empty(), "in the table, and never seen: {never:?}");
    }
}
