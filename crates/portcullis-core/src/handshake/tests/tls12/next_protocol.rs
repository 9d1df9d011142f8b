//! NPN: who names, who chooses, and that it is said in each version and in each handshake.
//!
//! draft-agl-tls-nextprotoneg-04.

use super::super::attack::{client, server, ticket_keys};
use super::super::older::V1_2;
use crate::ProtocolVersion;
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::connection::Connection;
use crate::suite::CipherSuite;
use crate::testing::{Pair, now, resuming};

const OLD: [ProtocolVersion; 3] = [
    ProtocolVersion::TLS_1_2,
    ProtocolVersion::TLS_1_1,
    ProtocolVersion::TLS_1_0,
];

fn ends(versions: &[ProtocolVersion]) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let (tls13, older) = (
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    );
    let suites = match versions {
        [ProtocolVersion::TLS_1_3] => vec![tls13],
        [ProtocolVersion::TLS_1_3, ..] => vec![tls13, older],
        _ => vec![older],
    };
    let client = client().alpn([""; 0]).versions(versions);
    let server = server().alpn([""; 0]).versions(versions);
    (
        client.cipher_suites(suites.clone()),
        server.cipher_suites(suites),
    )
}

fn connected(client: ClientConfigBuilder, server: ServerConfigBuilder) -> [Connection; 2] {
    let (client, server) = Pair::new(client.build().unwrap(), server.build().unwrap()).run();
    [client.unwrap(), server.unwrap()]
}

fn next_protocol(connection: &Connection) -> Option<&[u8]> {
    connection.information.next_protocol()
}

#[test]
fn the_client_chooses() {
    let named = &["a", "b"][..];
    for (named, ours, honors, fallback, expected) in [
        (named, &["b", "a"][..], false, None, Some("b")),
        (named, &["b", "a"], true, None, Some("a")),
        // The server need not have named it (§4).
        (named, &["c", "d"], false, None, Some("c")),
        (named, &["c", "d"], true, Some("e"), Some("e")),
        (&[], &["c"], false, None, Some("c")),
        (named, &["c"], false, Some(""), None),
        (named, &[], false, None, None),
    ] {
        for version in OLD {
            let (client, server) = ends(&[version]);
            let mut client = client
                .next_protocols(ours)
                .honor_next_protocol_order(honors);
            if let Some(fallback) = fallback {
                client = client.next_protocol_fallback(fallback);
            }
            for connection in connected(client, server.next_protocols(named)) {
                let seen = next_protocol(&connection);
                assert_eq!(seen, expected.map(str::as_bytes), "{named:?} {ours:?}");
                assert_eq!(connection.information.alpn_protocol(), None);
            }
        }
    }
}

/// Nor does anybody say it in TLS 1.3, or where ALPN has settled it.
#[test]
fn both_sides_have_to_want_it() {
    let (client, server) = ends(&V1_2);
    let named = client.clone().next_protocols(["a"]);
    let both = ends(&[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]);
    for (client, server) in [
        (named.clone(), server.clone()),
        (client, server.clone().next_protocols(["a"])),
        (both.0.next_protocols(["a"]), both.1.next_protocols(["a"])),
        (
            named.alpn(["h2"]),
            server.alpn(["h2"]).next_protocols(["a"]),
        ),
    ] {
        for connection in connected(client, server) {
            assert_eq!(next_protocol(&connection), None);
        }
    }
}

#[test]
fn a_session_that_is_resumed_chooses_anew() {
    let (client, server) = ends(&V1_2);
    let client = client.session_tickets(true).next_protocols(["a", "b"]);
    let server = server.ticket_keys(ticket_keys());
    let first = connected(client.clone(), server.clone().next_protocols(["b"]));
    let [mut end, _] = first;
    assert_eq!(next_protocol(&end), Some(&b"b"[..]));
    let session = end.reader.take_ticket().unwrap().into_session(now());
    let server = server.next_protocols(["a"]).build().unwrap();
    let pair = resuming(client.build().unwrap(), server, vec![session]);
    let (client, server) = pair.run();
    for connection in [client.unwrap(), server.unwrap()] {
        assert!(connection.information.is_resumed());
        assert_eq!(next_protocol(&connection), Some(&b"a"[..]));
    }
}

#[test]
fn what_cannot_be_is_refused_when_built() {
    let (client, server) = ends(&[ProtocolVersion::TLS_1_3]);
    for refused in [
        client.next_protocols(["a"]).build().map(drop),
        server.next_protocols(["a"]).build().map(drop),
        ends(&V1_2).0.next_protocols([""]).build().map(drop),
        ends(&V1_2)
            .1
            .next_protocols([vec![0; 256]])
            .build()
            .map(drop),
    ] {
        let text = refused.unwrap_err().to_string();
        assert!(text.starts_with("next_protocols: "), "{text}");
    }
    let (client, _) = ends(&V1_2);
    for refused in [
        client.clone().next_protocol_fallback("a"),
        client
            .next_protocols(["a"])
            .next_protocol_fallback([0; 256]),
    ] {
        let text = refused.build().unwrap_err().to_string();
        assert!(text.starts_with("next_protocol_fallback: "), "{text}");
    }
}

/// §3: the message is a multiple of 32 bytes, so that it does not say which protocol it is.
#[test]
fn the_choice_is_padded() {
    for length in [0, 1, 29, 30, 31, 255] {
        let mut out = Vec::new();
        crate::wire::tls12::NextProtocol::put(&mut out, &vec![7; length]);
        assert_eq!((out.len() - 4) % 32, 0, "{length}");
        assert!(out.len() - 4 <= length + 2 + 32);
    }
}
