//! What `tracing` is told of a handshake: a span with the names of OpenTelemetry, and its end.

use std::fmt;

use portcullis_core::ech::EchStatus;
use portcullis_core::{AlertDescription, ConnectionInformation, Reason};
use rustls_pki_types::ServerName;
use tracing::Span;
use tracing::field::{Empty, debug, display};

use crate::error::Error;

/// `seen`: the name that others see, where the hello is encrypted; then that one is told of.
pub(crate) fn client(
    name: &ServerName<'_>,
    seen: Option<String>,
    peer: Option<&dyn fmt::Debug>,
) -> Span {
    let name = seen.unwrap_or_else(|| name.to_str().into_owned());
    let span = tracing::info_span!(
        "tls.handshake",
        role = "client",
        server.address = %name,
        network.peer.address = Empty,
        tls.protocol.version = Empty,
        tls.cipher = Empty,
        tls.curve = Empty,
        tls.resumed = Empty,
        tls.next_protocol = Empty,
        tls.client.server_name = Empty,
    );
    from(span, peer)
}

pub(crate) fn server(peer: Option<&dyn fmt::Debug>) -> Span {
    let span = tracing::info_span!(
        "tls.handshake",
        role = "server",
        network.peer.address = Empty,
        tls.protocol.version = Empty,
        tls.cipher = Empty,
        tls.curve = Empty,
        tls.resumed = Empty,
        tls.next_protocol = Empty,
        tls.client.server_name = Empty,
    );
    from(span, peer)
}

fn from(span: Span, peer: Option<&dyn fmt::Debug>) -> Span {
    if let Some(peer) = peer {
        span.record("network.peer.address", debug(peer));
    }
    span
}

/// The handshake is over.
pub(crate) fn record(span: &Span, information: &ConnectionInformation) {
    span.record("tls.protocol.version", display(information.version()));
    span.record("tls.cipher", display(information.cipher_suite()));
    if let Some(group) = information.group() {
        span.record("tls.curve", display(group));
    }
    span.record("tls.resumed", information.is_resumed());
    // What was encrypted is in no log either.
    let name = information.server_name();
    if let Some(name) = name.filter(|_| information.ech() != EchStatus::Accepted) {
        span.record("tls.client.server_name", name);
    }
    if let Some(protocol) = information.alpn_protocol() {
        span.record("tls.next_protocol", display(protocol.escape_ascii()));
    }
    tracing::debug!(parent: span, aes_gcm = portcullis_core::aes_gcm(), "connected");
}

/// The handshake has failed.
pub(crate) fn report(span: &Span, error: &Error) {
    match (error.reason(), error.alert()) {
        _ if error.is_silent_peer() => {
            tracing::debug!(parent: span, %error, "the handshake failed");
        }
        (Some(Reason::Crypto(_) | Reason::Misuse(_)), _) => {
            tracing::warn!(parent: span, %error, "the handshake failed on this side");
        }
        (_, Some((direction, alert))) if alert != AlertDescription::USER_CANCELED => {
            tracing::info!(parent: span, %error, ?direction, %alert, "the handshake failed");
        }
        _ => tracing::info!(parent: span, %error, "the handshake failed"),
    }
}
