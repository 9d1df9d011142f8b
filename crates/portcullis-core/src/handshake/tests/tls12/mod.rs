//! Before TLS 1.3, both ends ours: what TLS 1.3 is tested for, and what only TLS 1.2 has.

mod advisories;
mod curves;
#[cfg(feature = "ffi")]
pub(super) mod decryption;
mod every_leaf;
mod exchanges;
#[cfg(feature = "finite-field")]
mod finite_field;
mod ids;
mod next_protocol;
mod psk;
mod resumption;
#[cfg(feature = "ffi")]
pub(super) mod rsa;
#[cfg(feature = "ffi")]
pub(super) mod rsa_psk;
mod scripts;
mod states;
pub(super) mod static_ecdh;
mod unshown;
#[cfg(feature = "finite-field")]
pub(super) mod user;

pub(super) use exchanges::{
    ANONYMOUS, ECDHE_PSK, PSK, client as clients_of, ends, server as servers_of,
};

#[cfg(feature = "finite-field")]
use finite_field::rsa as rsa_identity;

use super::attack::{authenticated_client, authenticating_server, ticket_keys};
use super::older::V1_2;
use crate::ProtocolVersion;
use crate::config::{ClientAuthentication, ClientConfigBuilder, ServerConfigBuilder};
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::testing::{pki, sessions_of};

fn both_authenticate() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = authenticated_client().versions(V1_2);
    (client, authenticating_server().versions(V1_2))
}

type Resumable = (ClientConfigBuilder, ServerConfigBuilder, ClientSession);

/// Two that authenticate each other and would resume, and a session of theirs.
fn resumable() -> Resumable {
    resumable_of(both_authenticate())
}

/// The same, where the server has a key in common with the client by now, and would rather have that.
pub(super) fn refusable_with_another_key() -> Resumable {
    let signed = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let (client, server) = both_authenticate();
    let client = client.cipher_suites([signed, PSK]).psk(exchanges::psk());
    // Where authentication is required no such suite is configured.
    let optional = ClientAuthentication::Optional(pki().roots.clone());
    let server = server
        .client_authentication(optional)
        .cipher_suites([signed]);
    let (client, server, session) = resumable_of((client, server));
    let server = server.cipher_suites([PSK, signed]).psk(exchanges::psk());
    (client, server.ask_verification(true), session)
}

/// The same in each version before TLS 1.3.
fn resumable_in_each_version() -> [Resumable; 3] {
    let suites = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA];
    [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ]
    .map(|version| {
        let (client, server) = both_authenticate();
        let client = client.versions([version]).cipher_suites(suites);
        resumable_of((client, server.versions([version]).cipher_suites(suites)))
    })
}

fn resumable_of((client, server): (ClientConfigBuilder, ServerConfigBuilder)) -> Resumable {
    let client = client.session_tickets(true);
    let server = server.ticket_keys(ticket_keys());
    let session = session_of(&client, &server);
    (client, server, session)
}

/// The session that a full handshake of these two leaves.
fn session_of(client: &ClientConfigBuilder, server: &ServerConfigBuilder) -> ClientSession {
    let (client, server) = (client.clone().build(), server.clone().build());
    let mut sessions = sessions_of(client.unwrap(), server.unwrap());
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}
