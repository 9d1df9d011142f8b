//! What `tracing` is told of a handshake: a span with the names of OpenTelemetry, and its end.

use std::borrow::Cow;
use std::fmt;

use portcullis_core::ech::EchStatus;
use portcullis_core::x509::{CertificateError, CertificateErrorKind, Gate};
use portcullis_core::{AlertDescription, ConnectionInformation, Reason};
use rustls_pki_types::ServerName;
use tracing::Span;
use tracing::field::{Empty, debug, display};

use crate::conduct::Conduct;
use crate::error::Error;
use crate::log_level::{LogLevel, log_at};

/// `seen`: the name that others see, where the hello is encrypted; then that one is told of.
pub(crate) fn client(
    name: &ServerName<'_>,
    seen: Option<String>,
    peer: Option<&dyn fmt::Debug>,
    log: Option<LogLevel>,
) -> Span {
    if log == Some(LogLevel::Off) {
        return Span::none();
    }
    let name = seen.map_or_else(|| name.to_str(), Cow::Owned);
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

pub(crate) fn server(peer: Option<&dyn fmt::Debug>, log: Option<LogLevel>) -> Span {
    if log == Some(LogLevel::Off) {
        return Span::none();
    }
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
pub(crate) fn record(span: &Span, information: &ConnectionInformation, log: Option<LogLevel>) {
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
    let _entered = span.enter();
    log_at!(
        log,
        DEBUG,
        aes_gcm = portcullis_core::aes_gcm(),
        "connected"
    );
}

/// The handshake has failed.
pub(crate) fn report(span: &Span, error: &Error, conduct: &Conduct) {
    let _entered = span.enter();
    let log = conduct.log;
    let error = &Told {
        error,
        without_names: conduct.is_hidden,
    };
    let Told { error: cause, .. } = *error;
    let reason = match cause.reason() {
        Some(Reason::Certificate(error)) => {
            disagreement(error, conduct);
            Some(error.kind().reason())
        }
        _ => None,
    };
    match (cause.reason(), cause.alert()) {
        _ if cause.is_silent_peer() => log_at!(log, DEBUG, %error, "the handshake failed"),
        (Some(Reason::Crypto(_)), _) => {
            log_at!(log, ERROR, %error, "the handshake failed on this side");
        }
        (Some(Reason::Misuse(_)), _) => {
            log_at!(log, WARN, %error, "the handshake failed on this side");
        }
        (_, Some((direction, alert))) if alert != AlertDescription::USER_CANCELED => {
            log_at!(log, INFO, %error, ?direction, %alert, reason, "the handshake failed");
        }
        _ => log_at!(log, INFO, %error, reason, "the handshake failed"),
    }
}

/// webpki could not judge all of a chain that is accepted.
pub(super) fn second_opinion(gate: Gate, certificates: usize, conduct: &Conduct) {
    match gate {
        Gate::NotAsked(why) => {
            log_at!(
                conduct.log,
                DEBUG,
                certificates,
                why,
                "webpki was not asked about the peer's chain"
            );
        }
        Gate::Agreed {
            certificates: judged,
        } => log_at!(
            conduct.log,
            DEBUG,
            certificates,
            judged,
            "webpki was asked about the lower part of the peer's chain: it does not know all that is above"
        ),
        _ => {}
    }
}

/// webpki refuses what the walk has found good, if that is what the error says. Names may be encrypted, and webpki's sentence
/// may have some.
pub(super) fn disagreement(error: &CertificateError, conduct: &Conduct) {
    let CertificateErrorKind::Disagreement { says, path } = error.kind() else {
        return;
    };
    let (says, path) = match conduct.is_hidden {
        true => {
            let word = says.split(|letter: char| !letter.is_alphanumeric()).next();
            (word.unwrap_or_default(), None)
        }
        false => (says.as_str(), Some(path)),
    };
    log_at!(
        conduct.log,
        ERROR,
        webpki = says,
        portcullis = "good",
        path = path.map(debug),
        "webpki refuses a path of the peer's chain that is good by the rules of this library: please report this with the \
         chain"
    );
}

/// An error, as far as it may be told: where the hello was encrypted without the sentence, which may quote the name.
struct Told<'a> {
    error: &'a Error,
    without_names: bool,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error;
        if !self.without_names {
            return error.fmt(f);
        }
        write!(f, "{}: ", error.stage())?;
        if let Some(violation) = error.violation() {
            return violation.fmt(f);
        }
        f.write_str(match error.reason() {
            Some(Reason::AlertReceived(_)) => "the peer sent a fatal alert",
            Some(Reason::EchRejected(_)) => "the server did not accept the encrypted ClientHello",
            Some(Reason::Certificate(_)) => "the peer's certificate chain was not accepted",
            Some(Reason::Refused(_)) => "a question was answered with a refusal",
            Some(Reason::Cancelled) => "the handshake was cancelled on this side",
            Some(Reason::ClosedInHandshake { .. }) => "the peer closed the transport",
            Some(Reason::Unexpected { .. }) => "the peer sent a message that does not belong here",
            Some(Reason::NotTls { .. }) => "the peer does not speak TLS",
            Some(Reason::Misuse(_)) => "something was used wrongly on this side",
            Some(Reason::Crypto(_)) => "the cryptographic library failed",
            Some(_) => "it failed in the protocol",
            None if error.is_timeout() => "it took too long",
            None => "the transport failed, or was closed on this side",
        })?;
        f.write_str("; the names are encrypted, and not told here")
    }
}

/// A connection has failed that was established.
#[cold]
pub(crate) fn report_connection(error: &Error, log: Option<LogLevel>) {
    match (error.reason(), error.alert()) {
        (Some(Reason::Crypto(_)), _) => {
            log_at!(log, ERROR, %error, "the connection failed on this side");
        }
        (_, Some((direction, alert))) => {
            log_at!(log, INFO, %error, ?direction, %alert, "the connection failed");
        }
        _ => log_at!(log, DEBUG, %error, "the connection failed"),
    }
}
