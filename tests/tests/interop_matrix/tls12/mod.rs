//! Peers that have TLS 1.2 and nothing newer, against our side with that version alone, and with
//! TLS 1.3 beside it.

mod cbc;
mod dhe;
mod every_suite;
mod keys_of_certificates;
mod legacy_ciphers;
mod matrix;
mod next_protocol;
mod refusals;
mod renegotiation;
mod resumption;
mod secrets;
mod srp;
mod transfer;
mod without_certificates;

use portcullis::ProtocolVersion;
use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis_tests::peers::{Group, Settings, Suite, Version};
use portcullis_tests::pki;

use crate::ours;

/// What our side has, each time.
const VERSIONS: [&[ProtocolVersion]; 2] = [
    &[ProtocolVersion::TLS_1_2],
    &[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2],
];

/// Our client with TLS 1.2 alone.
fn client() -> ClientConfigBuilder {
    ours::client_of(Version::Tls12)
}

/// Our server with TLS 1.2 alone.
fn server(identity: &pki::Identity) -> ServerConfigBuilder {
    ours::server_of(Version::Tls12, identity)
}

fn their_client() -> Settings {
    Settings::client().version(Version::Tls12)
}

fn their_server(identity: &'static pki::Identity) -> Settings {
    Settings::server(identity).version(Version::Tls12)
}

/// The suites that go with this server's key.
fn suites(identity: &pki::Identity) -> [Suite; 3] {
    match identity.name {
        "rsa-2048" => Suite::ECDHE_RSA,
        _ => Suite::ECDHE_ECDSA,
    }
}

/// The groups that a client must list for this group to be used with this server's key: an ECDSA
/// certificate is for clients that list its curve (RFC 8422 §5.1).
fn groups(group: Group, identity: &pki::Identity) -> Vec<Group> {
    let curve = match identity.name {
        "ecdsa-p256" => Group::Secp256r1,
        "ecdsa-p384" => Group::Secp384r1,
        "ecdsa-p521" => Group::Secp521r1,
        _ => group,
    };
    let mut groups = vec![group, curve];
    groups.dedup();
    groups
}
