//! Groups that are there where they are named: X448, and the finite fields of RFC 7919.

#![cfg(any(feature = "curve448", feature = "finite-field"))]

use super::attack::{By, Case, client, server};
use super::older::{connect, older_client, older_server};
use super::parts::{body, client_hello, server_hello};
use super::tamper::{Put, Tamper, first};
#[cfg(feature = "finite-field")]
use crate::ProtocolVersion;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{NamedGroup, Stage, Violation as V};

/// In TLS 1.3 this share of the client costs the alert, and so does this one of the server.
#[track_caller]
fn shares_are_refused(group: NamedGroup, share: &[u8]) {
    let (of_client, of_server) = (share.to_vec(), share.to_vec());
    // A list of one share, and a share.
    let of_client: Tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.body(E::KEY_SHARE)[6..].copy_from_slice(&of_client);
        }))]
    });
    let of_server: Tamper = first(T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.body(E::KEY_SHARE)[4..].copy_from_slice(&of_server);
        }))]
    });
    for (by, stage, tamper) in [
        (By::Client, Stage::WaitClientHello, of_client),
        (By::Server, Stage::WaitServerHello, of_server),
    ] {
        Case::new(V::BadKeyShare, by, stage, tamper)
            .client(client().groups([group]))
            .server(server().groups([group]))
            .check();
    }
}

#[cfg(feature = "curve448")]
#[test]
fn x448_is_a_curve_in_every_version() {
    // The certificate is on P-256.
    let groups = [NamedGroup::X448, NamedGroup::SECP256R1];
    let (connection, _) = connect(older_client().groups(groups), older_server().groups(groups));
    assert_eq!(connection.information.group(), Some(NamedGroup::X448));
    // A point of small order.
    shares_are_refused(NamedGroup::X448, &[0; 56]);
    let tamper = first(T::CLIENT_KEY_EXCHANGE, |raw| {
        vec![Put::Message(body(raw, |body| body[1..].fill(0)))]
    });
    Case::new(
        V::BadKeyShare,
        By::Client,
        Stage::WaitClientKeyExchange,
        tamper,
    )
    .client(older_client().groups(groups))
    .server(older_server().groups(groups))
    .check();
}

/// RFC 8446 §4.2.8.1.
#[cfg(feature = "finite-field")]
#[test]
fn shares_out_of_the_field_are_refused() {
    for last in [0, 1] {
        shares_are_refused(NamedGroup::FFDHE2048, &[&[0; 255][..], &[last]].concat());
    }
    shares_are_refused(NamedGroup::FFDHE3072, &[0xff; 384]);
}

#[cfg(feature = "finite-field")]
#[test]
fn a_finite_field_is_no_curve() {
    // The certificate is on P-256.
    let groups = [NamedGroup::FFDHE2048, NamedGroup::SECP256R1];
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let client = || older_client().versions(both).groups(groups);
    let server = || older_server().versions(both).groups(groups);
    for (client, server) in [(client(), older_server()), (older_client(), server())] {
        let (connection, _) = connect(client, server);
        assert_eq!(connection.information.group(), Some(groups[1]));
    }
    // ECDHE in one is refused although it was offered.
    let tamper = first(T::SERVER_KEY_EXCHANGE, |raw| {
        vec![Put::Message(body(raw, |body| {
            body[1..3].copy_from_slice(&NamedGroup::FFDHE2048.0.to_be_bytes());
        }))]
    });
    Case::new(
        V::CurveNotOffered,
        By::Server,
        Stage::WaitServerKeyExchange,
        tamper,
    )
    .client(client())
    .server(older_server())
    .check();
    let error = older_client().groups([groups[0]]).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "groups: ffdhe2048 cannot be used in TLSv1.2; leave it out, or name its version"
    );
}
