//! The curves of RFC 7027, which are there before TLS 1.3 for whoever names them.

#![cfg(feature = "ffi")]

use super::attack::{By, Case};
use super::older::{connect, older_client, older_server, talking_in};
use super::parts::{body, server_hello};
use super::tamper::{Put, first};
use crate::config::KeyShares;
use crate::testing::Pair;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{NamedGroup, ProtocolVersion, Stage, Violation as V};

const BRAINPOOL: [NamedGroup; 3] = [
    NamedGroup::BRAINPOOLP256R1,
    NamedGroup::BRAINPOOLP384R1,
    NamedGroup::BRAINPOOLP512R1,
];

/// RFC 7027 §2.
#[test]
fn brainpool_is_a_curve_before_tls_1_3() {
    // The certificate is on P-256.
    for group in BRAINPOOL {
        let groups = [group, NamedGroup::SECP256R1];
        let (client, server) = (older_client(), older_server());
        let (connection, _) = connect(client.groups(groups), server.groups(groups));
        assert_eq!(connection.information.group(), Some(group));
        // A point that is not on the curve.
        let tamper = first(T::CLIENT_KEY_EXCHANGE, |raw| {
            vec![Put::Message(body(raw, |body| body[1 + 20] ^= 1))]
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
}

/// RFC 8446 §4.2.7 has no number for them, and RFC 8734 others.
#[test]
fn brainpool_is_no_group_of_tls_1_3() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    for group in BRAINPOOL {
        // The first of both lists, and nevertheless there is neither a share of it nor a retry.
        let groups = [group, NamedGroup::SECP256R1];
        let client = || older_client().versions(both).groups(groups);
        let server = || older_server().versions(both).groups(groups);
        for by_server in [false, true] {
            let server = server().honor_group_order(by_server);
            let pair = Pair::new(client().build().unwrap(), server.build().unwrap());
            let (connection, _) = talking_in(both[0], pair);
            assert_eq!(connection.information.group(), Some(groups[1]));
            assert!(!connection.information.hello_retried());
        }
        // With an older server it is what it is there for.
        let (connection, _) = connect(client(), older_server().groups(groups));
        assert_eq!(connection.information.group(), Some(group));
        // A server that asks for it all the same.
        let tamper = first(T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                let body = hello.extensions.body(E::KEY_SHARE);
                body[..2].copy_from_slice(&group.0.to_be_bytes());
            }))]
        });
        let retry = [NamedGroup::SECP256R1, NamedGroup::X25519];
        Case::new(
            V::RetryGroupNotOffered,
            By::Server,
            Stage::WaitServerHello,
            tamper,
        )
        .client(client().groups([group, NamedGroup::SECP256R1, NamedGroup::X25519]))
        .server(super::attack::server().groups([retry[1]]))
        .check();
        let shares = client().key_shares(KeyShares::Groups(vec![group]));
        assert_eq!(
            shares.build().unwrap_err().to_string(),
            format!(
                "key_shares: {group} is for versions before TLSv1.3, which have no shares; leave it out here"
            )
        );
        let alone = client().versions([both[0]]).groups([group]);
        assert_eq!(
            alone.build().unwrap_err().to_string(),
            format!("groups: {group} cannot be used in TLSv1.3; leave it out, or name its version")
        );
    }
}
