//! Rules of the key exchanges without a certificate (RFC 4279, RFC 5489; RFC 5246 §7.4.2 to §7.4.7).

use super::super::attack::{By, Case};
use super::super::parts::{body, message, server_hello};
use super::super::tamper::{Put, Tamper, first};
use super::super::tls12::{ANONYMOUS, ECDHE_PSK, PSK, ends};
use crate::suite::CipherSuite;
use crate::wire::HandshakeType as T;
use crate::{Stage, Violation as V};

const SHARE: T = T::SERVER_KEY_EXCHANGE;
const ANSWER: T = T::CLIENT_KEY_EXCHANGE;

fn case(suite: CipherSuite, violation: V, by: By, stage: Stage, tamper: Tamper) -> Case {
    let (client, server) = ends(suite);
    Case::new(violation, by, stage, tamper)
        .client(client)
        .server(server)
}

/// A message of the server's, with a changed body.
fn of_server(
    suite: CipherSuite,
    violation: V,
    stage: Stage,
    change: impl Fn(&mut Vec<u8>) + Send + 'static,
) -> Case {
    let tamper = first(SHARE, move |raw| vec![Put::Message(body(raw, &change))]);
    case(suite, violation, By::Server, stage, tamper)
}

/// A message of the client's, with a changed body.
fn of_client(
    suite: CipherSuite,
    violation: V,
    change: impl Fn(&mut Vec<u8>) + Send + 'static,
) -> Case {
    let tamper = first(ANSWER, move |raw| vec![Put::Message(body(raw, &change))]);
    case(
        suite,
        violation,
        By::Client,
        Stage::WaitClientKeyExchange,
        tamper,
    )
}

/// The server puts this in front of its message, or in its place.
fn instead(of: T, put: Vec<u8>, in_front: bool) -> Tamper {
    first(of, move |raw| {
        let own = Put::Message(raw.to_vec());
        let mut puts = vec![Put::Message(put.clone())];
        puts.extend(in_front.then_some(own));
        puts
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = server_says();
    cases.extend(server_leaves_out());
    cases.extend(client_says());
    cases
}

fn server_says() -> Vec<Case> {
    let at = Stage::WaitServerKeyExchange;
    let mut cases = Vec::new();
    for suite in [ECDHE_PSK, ANONYMOUS] {
        // Of ECDHE_PSK an empty hint stands in front.
        let curve = 1 + if suite == ECDHE_PSK { 2 } else { 0 };
        cases.extend([
            of_server(suite, V::CurveNotOffered, at, move |body| {
                body[curve..curve + 2].copy_from_slice(&[0, 99]);
            }),
            of_server(suite, V::CurveNotOffered, at, move |body| {
                // X25519MLKEM768, which the hello has for TLS 1.3.
                body[curve..curve + 2].copy_from_slice(&[0x11, 0xec]);
            }),
            of_server(suite, V::MalformedMessage, at, |body| body.push(0)),
            of_server(suite, V::MalformedMessage, at, |body| body.truncate(1)),
            // A signature, as if there were a certificate.
            of_server(suite, V::MalformedMessage, at, |body| {
                body.extend(b"\x04\x03\0\x09signature");
            }),
            of_server(
                suite,
                V::BadKeyShare,
                Stage::WaitServerHelloDone,
                move |body| {
                    body[curve + 3..].fill(0);
                },
            ),
        ]);
    }
    for hint in [&b""[..], b"\0", b"\0\x02h", b"\0\x01hh"] {
        let tamper = instead(T::SERVER_HELLO_DONE, message(SHARE, hint), true);
        cases.push(case(PSK, V::MalformedMessage, By::Server, at, tamper));
    }
    cases
}

/// What the row of the key exchange has is there, and nothing else is.
fn server_leaves_out() -> Vec<Case> {
    let (share, done) = (Stage::WaitServerKeyExchange, Stage::WaitServerHelloDone);
    let certificate = message(T::CERTIFICATE, b"\0\0\x07\0\0\x04leaf");
    // RFC 5246 §7.4.4: "It is a fatal handshake_failure alert for an anonymous server to request
    // client authentication."; and where keys are shared nobody asks.
    let request = message(T::CERTIFICATE_REQUEST, b"\x01\x40\0\x02\x04\x03\0\0");
    let status = message(T::CERTIFICATE_STATUS, &[1, 0, 0, 1, 7]);
    let mut cases = Vec::new();
    let mut unexpected = |suite, stage, tamper| {
        cases.push(case(suite, V::UnexpectedMessage, By::Server, stage, tamper));
    };
    for suite in [ECDHE_PSK, ANONYMOUS] {
        unexpected(suite, share, first(SHARE, |_| Vec::new()));
        unexpected(suite, share, instead(SHARE, certificate.clone(), true));
        unexpected(suite, share, instead(SHARE, request.clone(), true));
    }
    let asks = || instead(T::SERVER_HELLO_DONE, request.clone(), true);
    unexpected(ECDHE_PSK, done, asks());
    unexpected(PSK, share, instead(T::SERVER_HELLO_DONE, certificate, true));
    unexpected(PSK, share, asks());
    unexpected(PSK, share, instead(T::SERVER_HELLO_DONE, status, true));
    let violation = V::RequestByAnonymousServer;
    cases.push(case(ANONYMOUS, violation, By::Server, done, asks()));
    // A suite without a certificate that was not offered.
    for other in [ANONYMOUS, PSK] {
        let tamper = first(T::SERVER_HELLO, move |raw| {
            let hello = server_hello(raw, |hello| hello.suite = other.0);
            vec![Put::Message(hello)]
        });
        let stage = Stage::WaitServerHello;
        cases.push(case(
            ECDHE_PSK,
            V::SuiteNotOffered,
            By::Server,
            stage,
            tamper,
        ));
    }
    cases
}

fn client_says() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [PSK, ECDHE_PSK] {
        // Another identity, an empty one, the longest.
        cases.push(of_client(suite, V::UnknownPskIdentity, |body| body[2] ^= 1));
        cases.push(of_client(suite, V::UnknownPskIdentity, |body| {
            body.splice(..10, [0, 0]);
        }));
        cases.push(of_client(suite, V::UnknownPskIdentity, |body| {
            let longest = [vec![0xff, 0xff], vec![b'i'; 0xffff]].concat();
            body.splice(..10, longest);
        }));
        cases.push(of_client(suite, V::MalformedMessage, |body| body.push(0)));
        cases.push(of_client(suite, V::MalformedMessage, |body| body[0] = 1));
        cases.push(of_client(suite, V::MalformedMessage, |body| body.clear()));
    }
    cases.push(of_client(ECDHE_PSK, V::BadKeyShare, |body| {
        body[11..].fill(0);
    }));
    cases.push(of_client(ECDHE_PSK, V::MalformedMessage, |body| {
        body.truncate(10);
    }));
    cases.push(of_client(ANONYMOUS, V::BadKeyShare, |body| {
        body[1..].fill(0)
    }));
    cases.push(of_client(ANONYMOUS, V::MalformedMessage, |body| {
        *body = vec![0];
    }));
    cases
}
