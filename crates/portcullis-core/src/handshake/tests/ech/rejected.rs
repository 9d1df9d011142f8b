//! Servers that do not decrypt: what the client is left with, and what it never does.

use super::*;
use crate::config::ClientAuthentication;
use crate::error::Reason;
use crate::testing::Ended;
use crate::wire::extension::{EncryptedClientHello, Extensions, OfferedPsks};
use crate::wire::{ClientHello, HandshakeMessage as _};

fn run(client: ClientConfig, server: ServerConfig) -> (crate::Error, Ended) {
    let (client, server) = pair(client, server).run();
    (client.unwrap_err(), server)
}

const ECH_REQUIRED: AlertDescription = AlertDescription::ECH_REQUIRED;

/// Both are told, and the client knows what to try.
#[track_caller]
fn assert_rejected(error: &crate::Error) {
    assert_eq!(
        error.alert(),
        Some((Direction::Sent, ECH_REQUIRED)),
        "{error}"
    );
    let rejection = error.ech_rejection().unwrap();
    assert_eq!(rejection.public_name(), PUBLIC);
}

#[test]
fn a_server_with_another_key_says_what_it_has() {
    let (old, new) = (key(1), key(2));
    let list = old.config_list();
    for versions in [
        &[ProtocolVersion::TLS_1_3][..],
        &[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2],
    ] {
        let config = client(list.clone()).versions(versions).build().unwrap();
        let server = || server(&new).build().unwrap();
        let (error, _) = run(config.clone(), server());
        assert_rejected(&error);
        let rejection = error.ech_rejection().unwrap();
        let Retry::With(list) = rejection.retry() else {
            panic!("{rejection}");
        };
        assert_eq!(*list, new.config_list());
        // Once more, with what it said.
        connect(config.with_ech(list.clone()).unwrap(), server());
    }
}

#[test]
fn the_same_behind_a_retry() {
    let (old, new) = (key(1), key(2));
    let config = client(old.config_list())
        .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
        .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
    let server = server(&new).groups([NamedGroup::SECP384R1]);
    let mut pair = pair(config.build().unwrap(), server.build().unwrap());
    let mut answer = |_, question| Some(crate::testing::answer(question));
    pair.turn(&mut answer);
    let error = pair.client.poll().unwrap_err();
    assert_rejected(&error);
    // What nobody could read is said again as it was (§6.1.5).
    let hellos = hellos(&pair.client_sent);
    let [one, two] = hellos.as_slice() else {
        panic!("{} hellos", hellos.len());
    };
    assert!(one.contains("fe0d"), "{one}");
    assert_eq!(one, two);
}

/// The bodies of encrypted_client_hello in all hellos, in hexadecimal, with the type before them.
fn hellos(sent: &[u8]) -> Vec<String> {
    each_hello(sent, |extensions| {
        let body = extensions.raw(crate::wire::ExtensionType::ENCRYPTED_CLIENT_HELLO);
        let body = body.unwrap().iter().map(|byte| format!("{byte:02x}"));
        "fe0d".to_owned() + &body.collect::<String>()
    })
}

pub(super) fn each_hello<T>(sent: &[u8], look: impl Fn(&Extensions<'_>) -> T) -> Vec<T> {
    let mut rest = sent;
    let mut found = Vec::new();
    while let [typ, _, _, high, low, ..] = rest {
        let (record, behind) = rest.split_at(5 + usize::from(u16::from_be_bytes([*high, *low])));
        if *typ == 22 && record[5] == 1 {
            found.push(look(&ClientHello::decode(&record[9..]).unwrap().extensions));
        }
        rest = behind;
    }
    found
}

#[test]
fn a_server_without_keys_has_switched_it_off() {
    let key = key(1);
    for versions in [[ProtocolVersion::TLS_1_3], [ProtocolVersion::TLS_1_2]] {
        let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
        let config = client(key.config_list()).versions(both).build().unwrap();
        let (error, server) = run(config, both_names().versions(versions).build().unwrap());
        assert_rejected(&error);
        assert_eq!(error.ech_rejection().unwrap().retry(), Retry::WithoutEch);
        if versions == [ProtocolVersion::TLS_1_2] {
            // The handshake was over; whoever reads hears why.
            server.unwrap();
        }
    }
}

/// rustls#3235: else whoever has a certificate of the hidden name could say what to try.
#[test]
fn only_who_proves_the_public_name_is_listened_to() {
    let (old, new) = (key(1), key(2));
    let keys = EchKeys::new([new]).unwrap();
    let server = ServerConfig::builder().identity(names().secret.clone());
    let config = client(old.config_list()).build().unwrap();
    let (error, _) = run(config, server.ech_keys(keys).build().unwrap());
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    assert!(error.ech_rejection().is_none());
}

/// RFC 9849 §6.1.7: also where the name of the hidden server is not looked for, or by other rules.
#[test]
fn the_public_name_is_proved_whatever_the_rules_for_the_hidden_one() {
    let (old, new) = (key(1), key(2));
    let keys = EchKeys::new([new.clone()]).unwrap();
    let impostor = ServerConfig::builder().identity(names().secret.clone());
    let impostor = impostor.ech_keys(keys).build().unwrap();
    let everything =
        crate::x509::HostNameRules::default().matching(|_, _| crate::x509::NameMatch::Yes);
    for config in [
        client(old.config_list()).dangerous_skip_name_check(),
        client(old.config_list()).host_name_rules(everything),
    ] {
        let config = config.build().unwrap();
        let (error, _) = run(config.clone(), impostor.clone());
        assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
        assert!(error.ech_rejection().is_none());
        let (error, _) = run(config, server(&new).build().unwrap());
        assert_rejected(&error);
    }
}

#[test]
fn who_verifies_nobody_is_told_nothing() {
    let (old, new) = (key(1), key(2));
    let config = ClientConfig::dangerous_builder_without_verification().ech(old.config_list());
    let (error, _) = run(config.build().unwrap(), server(&new).build().unwrap());
    assert_rejected(&error);
    assert_eq!(error.ech_rejection().unwrap().retry(), Retry::No);
}

#[test]
fn nobody_is_shown_to_the_server_of_the_public_name() {
    let (old, new) = (key(1), key(2));
    let mine = crate::testing::pki();
    for asks in [false, true] {
        let config = client(old.config_list())
            .identity(mine.client.clone())
            .ask_identity(asks)
            .pause_at_hello(asks);
        let server =
            server(&new).client_authentication(ClientAuthentication::Required(mine.roots.clone()));
        let (client, server) = pair(config.build().unwrap(), server.build().unwrap())
            .run_answering(|is_server, question| {
                use crate::question::Question as Q;
                let about_identity =
                    matches!(question, Q::ChooseIdentity(_) | Q::ReviewServerHello(_));
                assert!(is_server || !about_identity, "{question:?}");
                Some(crate::testing::answer(question))
            });
        assert_rejected(&client.unwrap_err());
        let error = server.unwrap_err();
        assert_eq!(error.violation(), Some(Violation::NoClientCertificate));
    }
}

/// Neither in the first hello nor in the second (Go's CVE-2026-42505, rustls#3186).
#[test]
fn tickets_are_in_no_outer_hello() {
    let (old, new) = (key(1), key(2));
    let config = || {
        client(old.config_list())
            .session_tickets(true)
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
            .build()
            .unwrap()
    };
    let tickets = crate::session::TicketKeys::rotating(core::time::Duration::from_secs(3_600));
    let tickets = tickets.unwrap();
    let resumes = |key: &EchKey| server(key).ticket_keys(tickets.clone());
    let (first, _) = pair(config(), resumes(&old).build().unwrap()).run();
    let sessions = crate::testing::sessions(&mut first.unwrap());
    let ticket = sessions[0].ticket.clone();
    let retrying = |key: &EchKey| resumes(key).groups([NamedGroup::SECP384R1]);
    for (server, count, is_rejected) in [
        (resumes(&old), 1, false),
        (retrying(&old), 2, false),
        (resumes(&new), 1, true),
        (retrying(&new), 2, true),
    ] {
        let name = ServerName::try_from(SECRET).unwrap();
        let sessions = sessions.clone();
        let mut pair = pair(config(), server.build().unwrap());
        pair.client = Handshake::client_resuming(config(), name, sessions, now()).unwrap();
        let mut answer = |_, question| Some(crate::testing::answer(question));
        pair.turn(&mut answer);
        match is_rejected {
            true => assert_rejected(&pair.client.poll().unwrap_err()),
            false => {
                let connection = pair.client.into_connection().unwrap();
                assert!(connection.information.is_resumed());
            }
        }
        let seen = &pair.client_sent;
        assert!(!seen.windows(ticket.len()).any(|bytes| bytes == &*ticket));
        // What stands there instead has its length.
        let lengths = each_hello(seen, |extensions| {
            let psks: OfferedPsks<'_> = extensions.find().unwrap().unwrap();
            psks.identities.first().unwrap().identity.len()
        });
        assert_eq!(lengths, vec![ticket.len(); count]);
    }
}

#[test]
fn keys_are_replaced_while_clients_connect() {
    let keys = EchKeys::new([key(0)]).unwrap();
    let server = both_names().ech_keys(keys.clone()).build().unwrap();
    let mut list = keys.config_list();
    let (mut connected, mut rejected) = (0, 0);
    for round in 0..30_u8 {
        if round % 10 == 5 {
            keys.replace([key(round)]).unwrap();
        }
        let config = client(list.clone()).build().unwrap();
        let (ended, _) = pair(config, server.clone()).run();
        match ended {
            Ok(_) => connected += 1,
            Err(error) => {
                rejected += 1;
                let Retry::With(new) = error.ech_rejection().unwrap().retry() else {
                    panic!("{error}");
                };
                list = new.clone();
                connect(client(list.clone()).build().unwrap(), server.clone());
            }
        }
    }
    assert_eq!((connected, rejected), (27, 3));
}

#[test]
fn garbage_is_declined_and_costs_four_keys_at_most() {
    let keys = EchKeys::new((0..8).map(|_| key(7))).unwrap();
    let server = both_names().ech_keys(keys).build().unwrap();
    let (error, _) = run(client(key(7).config_list()).build().unwrap(), server);
    assert_rejected(&error);
    // Of so many with one id the fifth is not tried, unless all are.
    let all: Vec<_> = (0..5).map(|_| key(7)).collect();
    let fifth = || client(all[4].config_list()).build().unwrap();
    let server = |keys| both_names().ech_keys(keys).build().unwrap();
    let (error, _) = run(fifth(), server(EchKeys::new(all.clone()).unwrap()));
    assert_rejected(&error);
    connect(fifth(), server(EchKeys::trying_all(all.clone()).unwrap()));
}

#[test]
fn pretended_hellos_are_ignored_by_who_knows_and_by_who_does_not() {
    let key = key(1);
    let config = || {
        ClientConfig::builder(names().roots.clone())
            .ech_grease(true)
            .grease(true)
            .groups([
                NamedGroup::X25519,
                NamedGroup::SECP256R1,
                NamedGroup::SECP384R1,
            ])
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
            .build()
            .unwrap()
    };
    for (server, count) in [
        (server(&key), 1),
        (both_names(), 1),
        (both_names().ech_backend(false), 1),
        (server(&key).groups([NamedGroup::SECP384R1]), 2),
        (both_names().versions([ProtocolVersion::TLS_1_2]), 1),
    ] {
        let mut pair = pair(config(), server.build().unwrap());
        let mut answer = |_, question| Some(crate::testing::answer(question));
        pair.turn(&mut answer);
        let step = pair.client.poll();
        assert!(matches!(step, Ok(crate::Step::Connected)), "{step:?}");
        let connection = pair.client.into_connection().unwrap();
        assert_eq!(connection.information.ech(), EchStatus::Grease);
        assert_eq!(connection.information.server_name(), Some(SECRET));
        let bodies = each_hello(&pair.client_sent, |extensions| {
            let found: EncryptedClientHello<'_> = extensions.find().unwrap().unwrap();
            assert!(matches!(found, EncryptedClientHello::Outer(_)));
            extensions
                .iter()
                .filter(|one| crate::wire::is_grease(one.extension_type.0))
                .count()
        });
        assert_eq!(bodies, vec![2; count]);
        let all = hellos(&pair.client_sent);
        assert_eq!(all.first(), all.last());
    }
}
