//! Handshakes before TLS 1.3, both ends ours: what is negotiated, and that data goes through.

use super::attack::{
    authenticated_client, authenticating_server, client, read_all, server, ticket_keys,
};
use crate::config::{ClientConfigBuilder, ExtendedMasterSecret, ServerConfigBuilder};
use crate::connection::Connection;
use crate::suite::{Authentication, CipherSuite};
use crate::testing::{Pair, now, pki, resuming};
use crate::{NamedGroup, ProtocolVersion, SignatureScheme};

pub(super) const V1_2: [ProtocolVersion; 1] = [ProtocolVersion::TLS_1_2];

/// For what is the same in each.
pub(super) const VERSIONS: [ProtocolVersion; 2] =
    [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

pub(super) fn older_client() -> ClientConfigBuilder {
    client().versions(V1_2)
}

pub(super) fn older_server() -> ServerConfigBuilder {
    server().versions(V1_2)
}

/// Both connections, through which data has gone both ways.
pub(super) fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Connection, Connection) {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    talking(pair)
}

pub(super) fn talking(pair: Pair) -> (Connection, Connection) {
    let (client, server) = pair.run();
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    exchange(&mut client, &mut server);
    exchange(&mut server, &mut client);
    for connection in [&client, &server] {
        let information = &connection.information;
        assert_eq!(information.version(), ProtocolVersion::TLS_1_2);
        assert_eq!(information.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(information.server_name(), Some("localhost"));
    }
    let (one, other) = (&client.information, &server.information);
    assert_eq!(one.cipher_suite(), other.cipher_suite());
    assert_eq!(one.group(), other.group());
    (client, server)
}

/// More than fits into two records.
fn exchange(from: &mut Connection, to: &mut Connection) {
    let data: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
    let mut sealed = core::mem::take(&mut from.transmit);
    let at = sealed.len();
    sealed.resize(at + from.writer.max_sealed_len(data.len()), 0);
    let written = from.writer.seal(&data, &mut sealed[at..]).unwrap();
    assert_eq!(written.consumed, data.len());
    sealed.truncate(at + written.written);
    let unread = core::mem::take(&mut to.unread);
    let received = read_all(&mut to.reader, [unread, sealed].concat()).unwrap();
    assert!(received == data);
}

#[test]
fn every_suite_with_every_curve() {
    for suite in CipherSuite::SUPPORTED {
        let info = suite.info().unwrap();
        if info.since != ProtocolVersion::TLS_1_2 || info.authentication != Authentication::Ecdsa {
            continue;
        }
        for group in [
            NamedGroup::X25519,
            NamedGroup::SECP256R1,
            NamedGroup::SECP384R1,
            NamedGroup::SECP521R1,
        ] {
            let client = older_client().cipher_suites([*suite]).groups([group]);
            let server = older_server().groups([group]);
            let (client, server) = connect(client, server);
            assert_eq!(client.information.cipher_suite(), *suite);
            assert_eq!(client.information.group(), Some(group));
            assert_eq!(server.information.group(), Some(group));
        }
    }
}

#[test]
fn a_newer_end_goes_back_to_what_the_other_has() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    connect(client().versions(both), older_server());
    connect(older_client(), server().versions(both));
    let pair = Pair::new(
        client().versions(both).build().unwrap(),
        server().versions(both).build().unwrap(),
    );
    let (client, _) = pair.run();
    let version = client.unwrap().information.version();
    assert_eq!(version, ProtocolVersion::TLS_1_3);
}

#[test]
fn both_ends_prove_who_they_are() {
    let client = authenticated_client().versions(V1_2);
    let server = authenticating_server().versions(V1_2);
    let (client, server) = connect(client, server);
    assert_eq!(server.information.peer_certificates(), pki().client.chain());
    assert_eq!(client.information.peer_certificates(), pki().server.chain());
    assert_eq!(
        server.information.peer_signature_scheme(),
        Some(SignatureScheme::ECDSA_SECP256R1_SHA256)
    );
    assert_eq!(
        client.information.local_certificate(),
        pki().client.chain().first()
    );
}

/// RFC 7627 §5.4: without the extended master secret there is no keying material.
#[test]
fn keying_material_is_the_same_at_both_ends() {
    let (client, server) = connect(older_client(), older_server());
    for context in [None, Some(&b""[..]), Some(b"context")] {
        let material = [&client, &server].map(|connection| {
            let mut out = [0; 40];
            let information = &connection.information;
            information
                .export_keying_material(b"EXPERIMENTAL", context, &mut out)
                .unwrap();
            out
        });
        assert_eq!(material[0], material[1]);
    }
    let off = older_client().extended_master_secret(ExtendedMasterSecret::Off);
    let (client, _) = connect(off, older_server());
    let refused = client.information.tls_exporter().unwrap_err();
    assert!(refused.to_string().contains("RFC 7627"), "{refused}");
}

#[test]
fn a_ticket_resumes_the_session() {
    let client = older_client().session_tickets(true).build().unwrap();
    let server = older_server().ticket_keys(ticket_keys()).build().unwrap();
    let (mut first, _) = talking(Pair::new(client.clone(), server.clone()));
    let ticket = first.reader.take_ticket().unwrap();
    let session = ticket.into_session(now());
    assert_eq!(session.version(), ProtocolVersion::TLS_1_2);
    assert!(!session.is_single_use());
    let again = crate::session::ClientSession::from_bytes(&session.to_bytes()).unwrap();
    for session in [session, again] {
        let pair = resuming(client.clone(), server.clone(), vec![session]);
        let (client, server) = talking(pair);
        for connection in [&client, &server] {
            assert!(connection.information.is_resumed());
            assert_eq!(connection.information.group(), None);
        }
        assert_eq!(client.information.peer_certificates(), pki().server.chain());
    }
}
