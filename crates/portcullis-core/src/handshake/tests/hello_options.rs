//! What a hello has besides what is negotiated: a share that the server likes, a length, a name.

use super::attack::{
    By, authenticated_client, authenticating_server, client, connected_with, pair as tampered_pair,
    retrying_server, server, talk, ticket_keys,
};
use super::parts::encrypted_extensions;
use super::tamper::{Put, first};
use crate::config::{ClientConfig, KeyShares, ServerNameIndication};
use crate::step::Event;
use crate::testing::{Pair, client_config, pki, server_config, sessions_of};
use crate::wire::{ClientHello, ExtensionType as E, HandshakeMessage as _, HandshakeType as T};
use crate::{Direction, NamedGroup as G, ProtocolVersion, Stage, Violation};

const ALL: [G; 4] = [G::X25519_MLKEM768, G::X25519, G::SECP256R1, G::SECP384R1];

/// The share that is to come first at the next connection, and whether there was a retry in this one.
fn next(client: &ClientConfig, server: crate::config::ServerConfigBuilder) -> (Option<G>, bool) {
    let (client, server) = Pair::new(client.clone(), server.build().unwrap()).run();
    let client = client.unwrap();
    assert_eq!(server.unwrap().information.preferred_share(), None);
    let information = client.information;
    (information.preferred_share(), information.hello_retried())
}

/// Bytes of the first record that a client sends, less its header.
fn hello_of(pair: &Pair) -> &[u8] {
    let sent = &pair.client_sent;
    let length = usize::from(sent[3]) << 8 | usize::from(sent[4]);
    &sent[5..5 + length]
}

/// RFC 8446 §4.2.7: what a server says, or asks for by a retry, counts for the next connection.
#[test]
fn a_share_that_the_server_wants_comes_first_the_next_time() {
    let config = client().groups(ALL).build().unwrap();
    let p384 = || server().groups([G::SECP384R1]);
    assert_eq!(next(&config, p384()), (Some(G::SECP384R1), true));
    let again = config.with_first_share(G::SECP384R1).unwrap();
    assert_eq!(next(&again, p384()), (None, false));
    // One that has changed since asks again, and nothing is lost but the round trip.
    let other = || server().groups([G::X25519_MLKEM768]);
    assert_eq!(next(&again, other()), (Some(G::X25519_MLKEM768), true));
    // The best of those that it says it has, by the order of the client.
    let says = |groups: &[G]| server().groups(groups.to_vec()).send_supported_groups(true);
    let of_three = [G::SECP384R1, G::SECP256R1, G::X25519];
    assert_eq!(next(&config, says(&of_three)), (Some(G::X25519), false));
    assert_eq!(next(&config, server().groups(of_three)), (None, false));
    assert_eq!(next(&config, says(&ALL)), (None, false));
    // What was asked for in a retry is what it wants, whatever it says besides.
    let retrying = says(&[G::SECP256R1, G::X25519]).retry_for_better_group(true);
    assert_eq!(next(&config, retrying), (Some(G::SECP256R1), true));
    // A share of another group alone: 1,216 bytes less.
    let again = config.with_first_share(G::X25519).unwrap();
    let mut pair = Pair::new(again, server().groups(of_three).build().unwrap());
    pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
    assert_eq!(pair.client.stage(), Stage::Connected);
    assert!(hello_of(&pair).len() < 400);
}

/// What cannot come first does not, and what the caller has said stays.
#[test]
fn only_what_is_offered_comes_first() {
    let config = client().groups(ALL).build().unwrap();
    for group in [G::X25519_MLKEM768, G::SECP521R1, G(0x7a7a)] {
        assert!(config.with_first_share(group).is_none(), "{group}");
    }
    let chosen = client()
        .groups(ALL)
        .key_shares(KeyShares::Groups(vec![G::X25519]));
    let chosen = chosen.build().unwrap();
    assert!(chosen.with_first_share(G::SECP256R1).is_none());
    // The others are offered as before.
    let first = config.with_first_share(G::SECP256R1).unwrap();
    let (client, _) = Pair::new(first, server().groups([G::X25519]).build().unwrap()).run();
    assert_eq!(client.unwrap().information.group(), Some(G::X25519));
}

/// Nothing but what is offered is kept of what a server says, however long that is, and nothing of it changes the handshake.
#[test]
fn a_server_that_says_thousands_of_groups() {
    let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
        vec![Put::Message(encrypted_extensions(raw, |parts| {
            let groups = (0..7_000_u16).flat_map(|at| (0x6000 + at).to_be_bytes());
            let groups: Vec<u8> = groups.chain([0, 0x1d, 0, 0x17]).collect();
            let mut body = (groups.len() as u16).to_be_bytes().to_vec();
            body.extend(groups);
            parts.add(E::SUPPORTED_GROUPS, body);
        }))]
    });
    let (client, server) = (client_config(), server_config());
    let mut pair = tampered_pair(client, server, By::Server, tamper);
    talk(&mut pair);
    assert_eq!(pair.client.stage(), Stage::Connected);
    let information = pair.client.into_connection().unwrap().information;
    assert_eq!(information.group(), Some(G::X25519_MLKEM768));
    assert_eq!(information.preferred_share(), Some(G::X25519));
}

/// RFC 7685: no hello has a length that was mistaken for SSL 2.0, in any version, with and without a session or GREASE, also
/// when it comes a second time.
#[test]
fn a_hello_is_padded_out_of_the_lengths_that_were_mistaken() {
    let classical = || {
        let names = ServerNameIndication::Omit;
        client()
            .server_name_indication(names)
            .groups([G::X25519, G::SECP384R1])
            .session_tickets(true)
    };
    let mut padded = 0;
    for name in (1..255).step_by(7) {
        let alpn = ["x".repeat(name)];
        for grease in [false, true] {
            let with = |on: bool| {
                classical()
                    .alpn(&alpn)
                    .grease(grease)
                    .hello_padding(on)
                    .build()
            };
            let run = |config: ClientConfig, server: crate::config::ServerConfigBuilder| {
                let mut pair = Pair::new(config, server.alpn(&alpn).build().unwrap());
                pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
                assert_eq!(pair.client.stage(), Stage::Connected);
                pair
            };
            let plain = run(with(false).unwrap(), server());
            let pair = run(with(true).unwrap(), server());
            let (before, after) = (hello_of(&plain).len(), hello_of(&pair).len());
            assert!(!(256..512).contains(&after), "{before} became {after}");
            match (256..512).contains(&before) {
                true => padded += 1,
                false => assert_eq!(before, after),
            }
            let parsed = ClientHello::decode(&hello_of(&pair)[4..]).unwrap();
            assert_eq!(parsed.extensions.contains(E::PADDING), before != after);
            // And a second hello.
            run(
                with(true).unwrap(),
                retrying_server().groups([G::SECP384R1]),
            );
        }
    }
    assert!(padded > 20);
    // Binders are of what is sent: over the padding, which comes before them.
    let tickets = server().ticket_keys(ticket_keys()).build().unwrap();
    let config = |on| classical().hello_padding(on).build().unwrap();
    let sessions = sessions_of(config(true), tickets.clone());
    let sessions = vec![sessions[0].clone()];
    let resumed = |on| {
        let mut pair = crate::testing::resuming(config(on), tickets.clone(), sessions.clone());
        pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
        let length = hello_of(&pair).len();
        assert!(
            pair.client
                .into_connection()
                .unwrap()
                .information
                .is_resumed()
        );
        length
    };
    let before = resumed(false);
    assert!((256..512).contains(&before), "{before}");
    assert_eq!(resumed(true), 512);
    // Before TLS 1.3, too.
    let old = client_config()
        .to_builder()
        .versions([ProtocolVersion::TLS_1_2]);
    let alpn = ["x".repeat(200)];
    let old = old.alpn(&alpn).hello_padding(true);
    let old_server = server().versions([ProtocolVersion::TLS_1_2]).alpn(&alpn);
    let mut pair = Pair::new(old.build().unwrap(), old_server.build().unwrap());
    pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
    assert_eq!(pair.client.stage(), Stage::Connected);
    assert_eq!(hello_of(&pair).len(), 512);
}

/// RFC 8446 §9.2, in every version, and also where nobody would show a certificate.
#[test]
fn a_server_that_demands_a_name() {
    let demanding = || server().require_server_name(true).ask_identity(true);
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let client = || client().versions([version]);
        let server = || demanding().versions([version]).build().unwrap();
        let nameless = client().server_name_indication(ServerNameIndication::Omit);
        let (_, refused) = Pair::new(nameless.build().unwrap(), server()).run();
        let refused = refused.unwrap_err();
        assert_eq!(refused.violation(), Some(Violation::ServerNameMissing));
        let (client, _) = Pair::new(client().build().unwrap(), server()).run();
        assert!(client.is_ok());
    }
    // By default a name is not asked for.
    let nameless = ClientConfig::builder(pki().roots.clone())
        .server_name_indication(ServerNameIndication::Omit);
    connected_with(By::Client, nameless, server());
}

/// Both ends say what they were configured with, by names of here and of Erlang, and no secret.
#[test]
fn options_in_force_hold_no_secret() {
    let psk =
        crate::config::PreSharedKey::new("who", *b"0123456789abcdef0123456789abcdef").unwrap();
    let client_config = client()
        .psk(psk.clone())
        .keep_options(true)
        .hello_padding(true)
        .build()
        .unwrap();
    let server_config = server()
        .psk(psk)
        .keep_options(true)
        .require_server_name(true)
        .build()
        .unwrap();
    let (client, server) = Pair::new(client_config, server_config).run();
    for (connection, alpn, own) in [
        (
            client.unwrap(),
            "alpn_advertised_protocols",
            "hello_padding",
        ),
        (
            server.unwrap(),
            "alpn_preferred_protocols",
            "require_server_name",
        ),
    ] {
        let options = connection.information.options();
        let value = |name: &str| {
            let mut all = options.iter();
            let found = all.find(|one| one.name == name || one.erlang_name == Some(name));
            found
                .map(|one| one.value.to_string())
                .unwrap_or_else(|| panic!("{name}"))
        };
        assert_eq!(value("versions"), "TLSv1.3");
        assert!(value("ciphers").starts_with("TLS_AES_256_GCM_SHA384, "));
        assert!(value(alpn).starts_with("h2"));
        assert_eq!(value("max_handshake_size"), (256 * 1024).to_string());
        assert_eq!(
            (value(own), value("psk")),
            ("true".to_owned(), "true".to_owned())
        );
        let text = format!("{options:?}");
        assert!(
            !text.contains("0123456789") && !text.contains("who"),
            "{text}"
        );
        let mut names: Vec<_> = options.iter().map(|one| one.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "no name twice");
    }
}

/// A configuration that was chosen at the hello is the one in force.
#[test]
fn options_after_choose_configuration() {
    let other = server().ticket_count(7).keep_options(true).build().unwrap();
    let asking = server().pause_at_hello(true).build().unwrap();
    let pair = Pair::new(client().build().unwrap(), asking);
    let (client, server) = pair.run_answering(|_, question| {
        Some(match question {
            crate::question::Question::ChooseConfiguration(question) => {
                question.use_config(other.clone())
            }
            other => other.default_answer(),
        })
    });
    let options = server.unwrap().information.options();
    assert!(
        client.unwrap().information.options().is_empty(),
        "nothing unless it is wanted"
    );
    let count = options
        .iter()
        .find(|one| one.name == "ticket_count")
        .unwrap();
    assert_eq!(count.value, crate::OptionValue::Number(7));
}

/// RFC 8701 §4.1: in CertificateRequest an extension and a scheme, and in each NewSessionTicket an extension; clients pass it
/// by, and come back with the tickets.
#[test]
fn a_server_says_what_means_nothing_where_it_is_asked_to() {
    let lengths = |grease: bool| {
        let client = authenticated_client()
            .session_tickets(true)
            .observe_messages(true);
        let server = authenticating_server()
            .ticket_keys(ticket_keys())
            .observe_messages(true)
            .grease(grease);
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let mut pair = Pair::new(client.clone(), server.clone());
        pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
        assert_eq!(pair.client.stage(), Stage::Connected);
        assert_eq!(pair.server.stage(), Stage::Connected);
        let sent = pair.events.iter().filter_map(|event| match event {
            Event::Message {
                direction: Direction::Sent,
                typ: typ @ (T::CERTIFICATE_REQUEST | T::NEW_SESSION_TICKET),
                length,
            } => Some((*typ, *length)),
            _ => None,
        });
        let sent: Vec<_> = sent.collect();
        let sessions = sessions_of(client.clone(), server.clone());
        assert!(!sessions.is_empty());
        let resumed = crate::testing::resuming(client, server, vec![sessions[0].clone()]);
        let (client, _) = resumed.run();
        assert!(client.unwrap().information.is_resumed());
        sent
    };
    let (plain, greased) = (lengths(false), lengths(true));
    assert!(plain.len() >= 2 && plain[0].0 == T::CERTIFICATE_REQUEST);
    assert_eq!(plain.len(), greased.len());
    for ((typ, before), (_, after)) in plain.iter().zip(&greased) {
        // Type and length of an extension with nothing, and a scheme; or one with a byte.
        let more = if *typ == T::CERTIFICATE_REQUEST { 6 } else { 5 };
        assert_eq!(*after, before + more, "{typ}");
    }
}
