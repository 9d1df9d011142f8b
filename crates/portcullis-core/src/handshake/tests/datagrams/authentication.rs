//! A server asks for a certificate after the handshake, over datagrams that are lost, come twice or in another order.
//!
//! RFC 8446 §4.6.2; RFC 9147 §5.8.4.

use core::time::Duration;

use super::faults::{ALL, Damage, damaged};
use super::network::{Chance, LATENCY, Network, Side, usual};
use crate::config::{ClientAuthentication, ClientConfigBuilder, ServerConfigBuilder};
use crate::error::Reason;
use crate::record::{ConnectionId, DatagramOptions};
use crate::session::ClientSession;
use crate::testing::pki;
use crate::wire::extension::SignatureAlgorithms;
use crate::wire::{
    Certificate, CertificateRequest, CertificateVerify, ContentType, FragmentHeader,
    HandshakeType as T, KeyUpdate, KeyUpdateRequest,
};
use crate::{AuthenticationId, AuthenticationStep, Direction, SignatureScheme, Violation as V};

/// One that has a certificate.
fn alice() -> ClientConfigBuilder {
    super::super::post_handshake_auth::client().identity(pki().client.clone())
}

fn server() -> ServerConfigBuilder {
    let clients = ClientAuthentication::Optional(pki().roots.clone());
    super::super::post_handshake_auth::server_with(clients)
}

/// The largest number of datagrams.
fn small() -> DatagramOptions {
    DatagramOptions::default().mtu(228)
}

fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    options: DatagramOptions,
) -> Network {
    resume(client, server, Vec::new(), options)
}

fn resume(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    options: DatagramOptions,
) -> Network {
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut network = Network::resuming(client, server, sessions, options);
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    network
}

fn ask(network: &mut Network) -> AuthenticationId {
    let server = network.sides[1].connection();
    server.authentication.as_ref().unwrap().request().unwrap()
}

fn is_alice(step: &AuthenticationStep) -> bool {
    match step {
        AuthenticationStep::Presented(chain) => {
            chain.is_verified() && chain.chain().certificates() == pki().client.chain()
        }
        _ => false,
    }
}

/// Nobody has failed, and whoever was asked is known, by these requests in any order.
fn all_are_alice(network: &mut Network, ids: &[AuthenticationId], what: &dyn core::fmt::Debug) {
    for side in &network.sides {
        if let Side::Failed(error) = side {
            panic!("{what:?}: {error}");
        }
    }
    network.check();
    let settled = &network.authenticated[1];
    assert_eq!(settled.len(), ids.len(), "{what:?}");
    for id in ids {
        let found = settled.iter().find(|(settled, _)| settled == id);
        assert!(found.is_some_and(|(_, step)| is_alice(step)), "{what:?}");
    }
}

/// Asks twice at once, and lets a message each way go with it.
fn asked_with(options: DatagramOptions, damage: &[(usize, Damage)]) -> usize {
    let mut network = connect(alice(), server(), options);
    let before = network.sent;
    let mut fate =
        |index: usize, datagram: &[u8]| match damage.iter().find(|(at, _)| before + *at == index) {
            Some((_, damage)) => damaged(*damage, datagram),
            None => usual(datagram),
        };
    let ids = [ask(&mut network), ask(&mut network)];
    network.run(&mut fate);
    all_are_alice(&mut network, &ids, &damage);
    network.say(0, b"ping", &mut |_, datagram| usual(datagram));
    network.say(1, b"pong", &mut |_, datagram| usual(datagram));
    network.run(&mut |_, datagram| usual(datagram));
    assert_eq!(network.received[1], [b"ping"], "{damage:?}");
    assert_eq!(network.received[0], [b"pong"], "{damage:?}");
    network.sent - before
}

#[test]
fn any_datagram_is_damaged() {
    for options in [DatagramOptions::default(), small()] {
        for at in 0..asked_with(options, &[]) {
            for damage in ALL {
                asked_with(options, &[(at, damage)]);
            }
        }
    }
}

#[test]
fn two_datagrams_are_damaged() {
    let count = asked_with(DatagramOptions::default(), &[]);
    for first in 0..count {
        for second in first + 1..count {
            for (one, other) in [
                (Damage::Lost, Damage::Lost),
                (Damage::Late, Damage::Lost),
                (Damage::Lost, Damage::Late),
            ] {
                asked_with(DatagramOptions::default(), &[(first, one), (second, other)]);
            }
        }
    }
}

/// While data flows, and the keys of both change.
#[test]
fn a_fifth_of_all_datagrams_is_lost() {
    for seed in 1..60_u64 {
        let options = if seed % 2 == 0 {
            small()
        } else {
            DatagramOptions::default()
        };
        let mut network = connect(alice(), server(), options);
        let mut chance = Chance::of_seed(seed);
        let mut fate = |_: usize, datagram: &[u8]| match chance.of(20) {
            true => Vec::new(),
            false => {
                let delay = Duration::from_millis(5 + chance.next() % 40);
                vec![(delay, datagram.to_vec())]
            }
        };
        let mut ids = Vec::new();
        for round in 0..3 {
            ids.push(ask(&mut network));
            network.say(0, b"from the client", &mut fate);
            network.say(1, b"from the server", &mut fate);
            let update = network.sides[round % 2].connection();
            update.writer.key_update(round == 2).unwrap();
            let soon = network.clock + Duration::from_millis(15);
            network.run_until(soon, &mut fate);
        }
        network.run(&mut fate);
        all_are_alice(&mut network, &ids, &seed);
    }
}

#[test]
fn who_has_none_declines() {
    let nobody = super::super::post_handshake_auth::client();
    let mut network = connect(nobody, server(), DatagramOptions::default());
    ask(&mut network);
    network.run(&mut |_, datagram| usual(datagram));
    let declined = &network.authenticated[1][..];
    assert!(matches!(declined, [(_, AuthenticationStep::Declined)]));
    network.check();

    let clients = ClientAuthentication::Required(pki().roots.clone());
    let (nobody, server) = (
        super::super::post_handshake_auth::client(),
        super::super::post_handshake_auth::server_with(clients),
    );
    let mut network = connect(nobody, server, DatagramOptions::default());
    ask(&mut network);
    network.run(&mut |_, datagram| usual(datagram));
    let told = network.sides[0].error();
    let alert = V::NoClientCertificate.alert();
    assert!(matches!(told.reason(), Reason::AlertReceived(seen) if *seen == alert));
    let error = network.sides[1].error();
    assert_eq!(error.violation(), Some(V::NoClientCertificate));
}

#[test]
fn a_ticket_that_comes_afterwards_is_that_of_the_authenticated_client() {
    let keys = super::super::attack::ticket_keys();
    let client = || alice().session_tickets(true);
    let server = || {
        server()
            .resumption(true)
            .ticket_keys(keys.clone())
            .ticket_count(1)
    };
    let mut network = connect(client(), server(), DatagramOptions::default());
    let before = core::mem::take(&mut network.sessions);
    assert!(!before[0].is_authenticated());
    ask(&mut network);
    network.run(&mut |_, datagram| usual(datagram));
    let after = core::mem::take(&mut network.sessions);
    assert!(after[0].is_authenticated());
    for (sessions, shown) in [(before, 0), (after, 1)] {
        let mut network = resume(client(), server(), sessions, DatagramOptions::default());
        let information = &network.sides[1].connection().information;
        assert!(information.is_resumed());
        assert_eq!(information.peer_certificates().len(), shown);
    }
}

/// RFC 9147 §7.1: the answer is an acknowledgement, too. A client need not send another.
#[test]
fn an_answer_acknowledges_the_request() {
    let mut network = connect(alice(), server(), DatagramOptions::default());
    let id = ask(&mut network);
    let mut from_server = Vec::new();
    let before = network.lengths.len();
    // An ACK of one record has 40 bytes.
    network.run(&mut |_, datagram| match datagram.len() {
        40 if from_server.is_empty() => {
            from_server.push(());
            Vec::new()
        }
        _ => usual(datagram),
    });
    assert!(!from_server.is_empty(), "the client has sent no ACK");
    all_are_alice(&mut network, &[id], &"an ACK is lost");
    let sent = network.lengths[before..].iter();
    let requests = sent.filter(|(from, length)| *from == 1 && *length > 60);
    assert_eq!(requests.count(), 1, "the request was sent again");
    assert!(network.clock < LATENCY * 20, "{:?}", network.clock);
}

/// Of the request alone: what is sent later is sent again if it is lost.
#[test]
fn an_answer_acknowledges_nothing_else() {
    let id = ConnectionId::new(&[1; 8]).unwrap();
    let options = DatagramOptions::default().connection_id(id);
    let mut network = connect(alice(), server(), options);
    ask(&mut network);
    network.run(&mut |_, datagram| usual(datagram));
    let new = [ConnectionId::new(&[2; 8]).unwrap()];
    let writer = &mut network.sides[1].connection().writer;
    writer.new_connection_ids(&new, false).unwrap();
    network.run_until(network.clock, &mut |_, _| Vec::new());
    // Something comes meanwhile that is not about them.
    let client = network.sides[0].connection();
    client.writer.key_update(false).unwrap();
    network.run(&mut |_, datagram| usual(datagram));
    network.check();
    let client = network.sides[0].connection();
    assert_eq!(client.writer.spare_connection_ids(), 1);
}

/// Finished is of the secret of the epoch in which it comes. A client that waits for no ACK sends its answer behind a
/// KeyUpdate under the keys before it, which are the ones that it has (RFC 9147 §8).
#[test]
fn an_answer_behind_a_change_of_keys_is_of_the_keys_before() {
    let mut network = connect(alice(), server(), DatagramOptions::default());
    let id = ask(&mut network);
    let client = network.sides[0].connection();
    client.writer.key_update(false).unwrap();
    // Both have come, and no ACK.
    let soon = network.clock + LATENCY * 3 / 2;
    network.run_until(soon, &mut |_, datagram| usual(datagram));
    let writer = &mut network.sides[0].connection().writer;
    let answer = writer.take_authentication();
    assert_eq!(answer.len(), 3);
    // The hello, Finished and KeyUpdate came before.
    for (number, message) in (3..).zip(&answer) {
        let writer = &mut network.sides[0].connection().writer;
        let record = writer.forge(ContentType::HANDSHAKE, &fragment(number, message));
        network.inject(1, record);
    }
    network.run(&mut |_, datagram| usual(datagram));
    all_are_alice(&mut network, &[id], &"an epoch before");
}

/// A server that does nothing but ask is refused in the end, also by a client that declines, which costs no signature.
#[test]
fn who_does_nothing_but_ask_is_refused() {
    let nobody = super::super::post_handshake_auth::client();
    let mut network = connect(nobody, server(), DatagramOptions::default());
    for _ in 0..2 {
        for _ in 0..32 {
            ask(&mut network);
            network.run(&mut |_, datagram| usual(datagram));
        }
        network.check();
        // Data lets it begin anew.
        network.say(1, b"data", &mut |_, datagram| usual(datagram));
        network.run(&mut |_, datagram| usual(datagram));
    }
    assert_eq!(network.authenticated[1].len(), 64);
    for _ in 0..33 {
        ask(&mut network);
        network.run(&mut |_, datagram| usual(datagram));
    }
    let error = network.sides[0].error();
    assert_eq!(error.violation(), Some(V::TooManyAuthenticationRequests));
}

#[test]
fn nobody_is_asked_where_it_is_not_possible() {
    let plain =
        || crate::config::ClientConfig::builder(pki().roots.clone()).identity(pki().client.clone());
    let network = connect(plain(), server(), DatagramOptions::default());
    let [client, server] = network.sides;
    for mut side in [client, server] {
        assert!(side.connection().authentication.is_none());
    }
}

fn fragment(message_seq: u16, message: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let length = message.len() as u32 - 4;
    FragmentHeader {
        msg_type: T(message[0]),
        length,
        message_seq,
        fragment_offset: 0,
        fragment_length: length,
    }
    .put(&mut content);
    content.extend(&message[4..]);
    content
}

fn request(context: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    CertificateRequest::put(&mut message, context, |out| {
        SignatureAlgorithms::put(out, SignatureScheme::DEFAULT);
    });
    message
}

/// The victim refuses these messages, the first of which is sealed as the next of the other side.
fn refused(network: &mut Network, victim: usize, messages: &[Vec<u8>], violation: V) {
    // Of the client's the hello and Finished came before, of the server's five.
    let first = [5, 2][victim];
    for (number, message) in (first..).zip(messages) {
        let writer = &mut network.sides[1 - victim].connection().writer;
        let record = writer.forge(ContentType::HANDSHAKE, &fragment(number, message));
        network.inject(victim, record);
    }
    network.run(&mut |_, datagram| usual(datagram));
    let error = network.sides[victim].error();
    assert_eq!(error.violation(), Some(violation), "{error}");
    let alert = violation.alert();
    assert_eq!(error.alert(), Some((Direction::Sent, alert)));
}

#[test]
fn a_server_that_breaks_the_rules_is_refused() {
    let finished = [&[T::FINISHED.0, 0, 0, 32][..], &[0; 32]].concat();
    let without_algorithms = vec![T::CERTIFICATE_REQUEST.0, 0, 0, 7, 0, 0, 4, 0, 99, 0, 0];
    let cases = [
        (
            V::TooManyAuthenticationRequests,
            (0..5).map(|context| request(&[context])).collect(),
        ),
        (V::RequestContextReused, vec![request(&[1]), request(&[1])]),
        (
            V::RequestWithoutSignatureAlgorithms,
            vec![without_algorithms],
        ),
        (V::UnexpectedPostHandshakeMessage, vec![finished]),
    ];
    for (violation, messages) in cases {
        let mut network = connect(alice(), server(), DatagramOptions::default());
        // Nobody deals with them, as when a person is asked.
        network.sides[0].connection().authentication = None;
        refused(&mut network, 0, &messages, violation);
    }
    let plain = crate::config::ClientConfig::builder(pki().roots.clone());
    let mut network = connect(plain, server(), DatagramOptions::default());
    refused(
        &mut network,
        0,
        &[request(&[1])],
        V::AuthenticationNotOffered,
    );
}

#[test]
fn a_client_that_breaks_the_rules_is_refused() {
    let certificate = |context: &[u8], chain: &[&[u8]]| {
        let mut message = Vec::new();
        Certificate::put(&mut message, context, chain.iter().map(|one| (one, [])));
        message
    };
    let leaf = pki().client.chain()[0].clone();
    let mut verify = Vec::new();
    CertificateVerify::put(
        &mut verify,
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        &[7; 64],
    );
    let finished = [&[T::FINISHED.0, 0, 0, 48][..], &[0; 48]].concat();
    let mut update = Vec::new();
    KeyUpdate::put(&mut update, KeyUpdateRequest::UPDATE_NOT_REQUESTED);
    type Messages<'a> = Box<dyn Fn(&[u8]) -> Vec<Vec<u8>> + 'a>;
    let cases: [(V, bool, Messages<'_>); 10] = [
        (
            V::UnaskedCertificate,
            false,
            Box::new(|_| vec![certificate(&[], &[])]),
        ),
        (
            V::UnaskedCertificate,
            false,
            Box::new(|_| vec![finished.clone()]),
        ),
        // Its turn has come, and it does not begin with it.
        (
            V::UnaskedCertificate,
            true,
            Box::new(|_| vec![finished.clone()]),
        ),
        (
            V::CertificateContextUnknown,
            true,
            Box::new(|_| vec![certificate(&[1], &[])]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), update.clone()]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[]), verify.clone()]),
        ),
        (
            V::AuthenticationInterleaved,
            true,
            Box::new(|context| vec![certificate(context, &[&leaf]), finished.clone()]),
        ),
        (
            V::FinishedMismatch,
            true,
            Box::new(|context| vec![certificate(context, &[]), finished.clone()]),
        ),
        (
            V::BadSignature,
            true,
            Box::new(|context| vec![certificate(context, &[&leaf]), verify.clone()]),
        ),
        (
            V::UnexpectedPostHandshakeMessage,
            true,
            Box::new(|_| vec![request(&[1])]),
        ),
    ];
    for (violation, asks, messages) in cases {
        let mut network = connect(alice(), server(), DatagramOptions::default());
        let mut context = Vec::new();
        if asks {
            ask(&mut network);
            let authentication = network.sides[1].connection().authentication.as_ref();
            context = authentication.unwrap().contexts().remove(0);
            // The client does not hear of it.
            let end = network.clock + LATENCY;
            network.run_until(end, &mut |_, _| Vec::new());
        }
        refused(&mut network, 1, &messages(&context), violation);
    }
}

/// What comes ahead of its turn is kept until then, within bounds, and in the order of its numbers it is right.
#[test]
fn messages_come_in_any_order() {
    let mut network = connect(alice(), server(), small());
    let id = ask(&mut network);
    // Each of a flight is later than the one behind it.
    let (mut left, mut last) = (60, Duration::ZERO);
    network.run(&mut |_, datagram| {
        left -= 1;
        let delay = LATENCY + Duration::from_millis(if left > 0 { left } else { 0 });
        last = last.max(delay);
        vec![(delay, datagram.to_vec())]
    });
    assert!(last > LATENCY * 2);
    all_are_alice(&mut network, &[id], &"the other way round");
}
