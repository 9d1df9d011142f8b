//! Whether a session of any version fits the connection that would resume it.
//!
//! RFC 8446 §4.2.11, §4.6.1; RFC 5246 §F.1.4. What one version asks besides stands in the folder of that version.

use super::super::Cx;
use super::requested::{check_name, would_show};
use super::tls13::post_handshake_auth::check_filters;
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::session::ServerSession;
use crate::version::Version;
use crate::wire::ClientHello;

/// Whether the session fits what this handshake demands; what does not is as a ticket that nobody
/// knows. Nothing may be had by resuming that a full handshake would have refused: so the server
/// name is the same, the names that would be shown are, and a client's chain is verified again.
pub(super) fn fits(
    config: &ServerOptions,
    version: Version,
    hello: &ClientHello<'_>,
    server_name: Option<&str>,
    session: &ServerSession,
    cx: &Cx<'_>,
) -> Result<bool, Abort> {
    let established = &session.established;
    let client_fits = match (&established.peer, &config.client_authentication) {
        (None, _) => !config.requires_in_handshake(),
        // A server that asks for no certificate does not resume a session that carries one.
        (Some(peer), authentication) => {
            let scheme = Some(peer.scheme);
            authentication.is_requested()
                && config.policy.accepts_again(&peer.shown, scheme, version)
                // Before TLS 1.3 nobody is told of them.
                && (version != Version::V1_3 || check_filters(config, &peer.shown).is_ok())
        }
    };
    // In TLS 1.3 no suite says so.
    let without_certificate = match (version, established.suite.exchange()) {
        (Version::V1_3, _) => established.shared_key.is_some(),
        (_, row) => row.is_some_and(|row| row.without_certificate().is_some()),
    };
    let is_same_server = match (&session.leaf, without_certificate) {
        (Some(leaf), false) => would_show(config, hello, server_name, &leaf.names, version)?,
        (None, true) => check_name(config, server_name).is_ok(),
        _ => false,
    };
    // DTLS and other versions have sessions of their own, maybe sealed with the same keys.
    Ok(established.is_of(cx.dialect, version)
        // A session does not bring back a suite that the client no longer offers.
        && hello.cipher_suites.contains(established.suite)
        && client_fits
        && !session.is_expired(cx.now)
        && session.server_name.as_deref() == server_name
        && is_same_server)
}
