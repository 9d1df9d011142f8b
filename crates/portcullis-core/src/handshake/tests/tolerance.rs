//! Peers that are odd and honest: what RFC 8446 lets them do must work.

use super::attack::{
    By, client, pair, pair_resuming, refused, resuming_client, retrying_server, server, talk,
    ticket_keys,
};
use super::parts::{ClientHelloParts, client_hello};
use super::tamper::{Put, Tamper, first, nth};
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::crypto::hkdf::LabelPrefix;
use crate::key_schedule::{EarlySecret, Transcript};
use crate::session::ClientSession;
use crate::testing::{Pair, sessions_of};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Connection, Violation};

/// Both ends of a handshake in which the client's messages pass through `tamper`.
fn connected(client: ClientConfigBuilder, server: ServerConfigBuilder, tamper: Tamper) {
    let pair = pair(
        client.build().unwrap(),
        server.build().unwrap(),
        By::Client,
        tamper,
    );
    connections(pair);
}

fn connections(mut pair: Pair) -> (Connection, Connection) {
    talk(&mut pair);
    if let Err(error) = pair.server.poll() {
        panic!("the server: {error}");
    }
    if let Err(error) = pair.client.poll() {
        panic!("the client: {error}");
    }
    (
        pair.client.into_connection().unwrap(),
        pair.server.into_connection().unwrap(),
    )
}

fn changed(raw: &[u8], change: impl FnOnce(&mut ClientHelloParts)) -> Vec<Put> {
    vec![Put::Message(client_hello(raw, change))]
}

/// §4.1.2 says which extensions may change, and §4.2 that their order means nothing, but for
/// pre_shared_key, which is the last. wolfSSL 5.5 has another order in its second hello.
#[test]
fn the_second_hello_has_its_extensions_in_another_order() {
    let reversed = || {
        nth(2, T::CLIENT_HELLO, |raw| {
            changed(raw, |hello| hello.extensions.0.reverse())
        })
    };
    connected(client(), retrying_server(), reversed());
    connected(client(), retrying_server().cookie(true), reversed());
    // Each change that is allowed, and the order as well.
    let all = nth(2, T::CLIENT_HELLO, |raw| {
        changed(raw, |hello| {
            hello.extensions.add(E::PADDING, [0; 7]);
            hello.extensions.0.rotate_left(3);
        })
    });
    connected(client(), retrying_server(), all);
}

/// Early data of a client whose ticket is of another server; `sizes` are those of the content.
fn early_data(sizes: &[usize]) -> Tamper {
    let records: Vec<u8> = sizes
        .iter()
        .flat_map(|size| {
            let body = size + 1 + 16;
            let mut record = vec![23, 3, 3, (body >> 8) as u8, body as u8];
            record.resize(5 + body, 7);
            record
        })
        .collect();
    first(T::CLIENT_HELLO, move |raw| {
        let mut puts = changed(raw, |hello| hello.extensions.add(E::EARLY_DATA, []));
        puts.push(Put::Raw(records.clone()));
        puts
    })
}

/// §4.6.1: the application's bytes count, and neither the header nor the content type nor the
/// tag.
#[test]
fn as_much_early_data_as_openssl_sends_is_skipped_in_records_of_any_size() {
    for size in [1, 100, 1_000, 4_096, 16_384] {
        let mut sizes = vec![size; 16_384 / size];
        sizes.extend((16_384 % size != 0).then_some(16_384 % size));
        assert_eq!(sizes.iter().sum::<usize>(), 16_384);
        connected(client(), server(), early_data(&sizes));
        connected(client(), retrying_server(), early_data(&sizes));
    }
}

#[test]
fn more_early_data_is_refused_and_so_are_more_records() {
    for sizes in [vec![16_384, 1], vec![1; 16_385], vec![0; 16_385]] {
        for server in [server(), retrying_server()] {
            let (client, server) = (client().build().unwrap(), server.build().unwrap());
            let pair = pair(client, server, By::Client, early_data(&sizes));
            let error = refused(pair, By::Client);
            assert_eq!(error.violation(), Some(Violation::TooMuchEarlyData));
        }
    }
}

/// A client may have shares for many groups; those behind the first 32 are as if they were not
/// there.
#[test]
fn key_shares_beyond_the_first_32_are_ignored() {
    let many = |last: bool| {
        first(T::CLIENT_HELLO, move |raw| {
            changed(raw, move |hello| {
                let groups: Vec<u16> = (0x5000..0x5028).collect();
                let own = hello.extensions.body(E::KEY_SHARE).split_off(2);
                let shares: Vec<u8> = groups
                    .iter()
                    .flat_map(|group| [(group >> 8) as u8, *group as u8, 0, 1, 7])
                    .collect();
                let shares = match last {
                    true => [shares, own].concat(),
                    false => [own, shares].concat(),
                };
                let length = (shares.len() as u16).to_be_bytes();
                hello
                    .extensions
                    .set(E::KEY_SHARE, [&length[..], &shares].concat());
                let list = hello.extensions.body(E::SUPPORTED_GROUPS);
                list.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
                let length = (list.len() - 2) as u16;
                list[..2].copy_from_slice(&length.to_be_bytes());
            })
        })
    };
    connected(client(), server(), many(false));
    // The share that fits is asked for again: our client refuses that, and the server does not.
    let (client, server) = (client().build().unwrap(), server().build().unwrap());
    let mut pair = pair(client, server, By::Client, many(true));
    talk(&mut pair);
    let error = pair.client.poll().unwrap_err();
    assert_eq!(error.violation(), Some(Violation::RetryGroupAlreadyShared));
}

/// Takes signature_algorithms out of the hello, and makes the binder anew, which covers the hello.
fn without_signature_algorithms(session: &ClientSession) -> Tamper {
    let early = EarlySecret::with_psk(session.established.psk().unwrap(), LabelPrefix::Tls13);
    first(T::CLIENT_HELLO, move |raw| {
        let mut hello = client_hello(raw, |hello| {
            hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
        });
        let at = hello.len() - usize::from(early.hash().output_len_u8());
        let mut transcript = Transcript::new(early.hash());
        transcript.add_bytes(&hello[..at - 3]);
        let binder = early.binder(&transcript.current()).unwrap();
        hello[at..].copy_from_slice(binder.as_slice());
        vec![Put::Message(hello)]
    })
}

/// §9.2: a hello with pre_shared_key needs no signature_algorithms, as long as the session is
/// resumed.
#[test]
fn a_session_is_resumed_without_signature_algorithms() {
    let server = server().ticket_keys(ticket_keys()).ticket_count(1);
    let other = server.clone().ticket_keys(ticket_keys());
    for (issuing, resuming, resumes) in [
        (server.clone(), server.clone(), true),
        // Which identity a full handshake would show cannot be known without the schemes, unless
        // there is one only; and a session goes no further than that would (§4.6.1).
        (server.clone(), server.clone().ask_identity(true), false),
        (other.clone(), server.clone(), false),
        (other, server.ask_identity(true), false),
    ] {
        let client = resuming_client().build().unwrap();
        let sessions = sessions_of(client.clone(), issuing.build().unwrap());
        let tamper = without_signature_algorithms(&sessions[0]);
        let resuming = resuming.build().unwrap();
        let pair = pair_resuming(client, resuming, sessions, By::Client, tamper);
        if resumes {
            let (client, server) = connections(pair);
            assert!(client.information.is_resumed() && server.information.is_resumed());
        } else {
            let error = refused(pair, By::Client);
            let missing = Violation::SignatureAlgorithmsMissing;
            assert_eq!(error.violation(), Some(missing));
        }
    }
}
