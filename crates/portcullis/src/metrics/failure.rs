//! Why a handshake has failed, in few words that never change.

use portcullis_core::x509::CertificateErrorKind as Kind;
use portcullis_core::{AlertDescription, Reason, Violation};

use crate::error::Error;

/// The values of the label `reason`.
pub(super) const REASONS: &[&str] = &[
    "timeout",
    "closed",
    "reset",
    "not_tls",
    "version",
    "suite",
    "group",
    "unknown_name",
    "alpn",
    "unknown_ca",
    "expired",
    "revoked",
    "name_mismatch",
    "bad_certificate",
    "no_certificate",
    "refused",
    "cancelled",
    "alert_received",
    "protocol",
];

/// The values of the label `description`: the alerts that the registry has, and one for all others.
pub(super) const ALERTS: &[&str] = &[
    "close_notify",
    "unexpected_message",
    "bad_record_mac",
    "decryption_failed",
    "record_overflow",
    "decompression_failure",
    "handshake_failure",
    "no_certificate",
    "bad_certificate",
    "unsupported_certificate",
    "certificate_revoked",
    "certificate_expired",
    "certificate_unknown",
    "illegal_parameter",
    "unknown_ca",
    "access_denied",
    "decode_error",
    "decrypt_error",
    "too_many_cids_requested",
    "export_restriction",
    "protocol_version",
    "insufficient_security",
    "internal_error",
    "inappropriate_fallback",
    "user_canceled",
    "no_renegotiation",
    "missing_extension",
    "unsupported_extension",
    "certificate_unobtainable",
    "unrecognized_name",
    "bad_certificate_status_response",
    "bad_certificate_hash_value",
    "unknown_psk_identity",
    "certificate_required",
    "no_application_protocol",
    "ech_required",
    "other",
];

pub(super) fn name(alert: AlertDescription) -> &'static str {
    alert.name().unwrap_or("other")
}

pub(super) fn reason(error: &Error) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    if error.transport().is_some() {
        return "reset";
    }
    match error.reason() {
        Some(Reason::AlertReceived(_)) => "alert_received",
        Some(Reason::NotTls { .. }) => "not_tls",
        Some(Reason::ClosedInHandshake { .. } | Reason::Truncated | Reason::Closed) => "closed",
        Some(Reason::Refused(_)) => "refused",
        Some(Reason::Cancelled) => "cancelled",
        Some(Reason::Certificate(error)) => certificate(error.kind()),
        Some(Reason::Violation(violation) | Reason::Explained { violation, .. }) => {
            rule(*violation)
        }
        None if error.is_closed() => "closed",
        _ => "protocol",
    }
}

fn certificate(kind: &Kind) -> &'static str {
    match kind {
        Kind::Expired { .. } | Kind::NotYetValid { .. } => "expired",
        Kind::UnknownIssuer { .. }
        | Kind::SelfSigned { .. }
        | Kind::NoTrustAnchors
        | Kind::WrongIssuer { .. }
        | Kind::PinnedIssuer { .. }
        | Kind::UntrustedKey { .. } => "unknown_ca",
        Kind::Revoked { .. } | Kind::RevokedByResponder { .. } => "revoked",
        Kind::NameMismatch { .. } => "name_mismatch",
        Kind::Rejected { .. } => "refused",
        _ => "bad_certificate",
    }
}

fn rule(violation: Violation) -> &'static str {
    match violation {
        Violation::NotTls => "not_tls",
        Violation::UnsupportedVersion
        | Violation::VersionNotOffered
        | Violation::DowngradeDetected
        | Violation::InappropriateFallback => "version",
        Violation::NoSharedCipherSuite => "suite",
        Violation::NoSharedGroup | Violation::WeakGroup => "group",
        Violation::UnrecognizedName => "unknown_name",
        Violation::NoSharedProtocol => "alpn",
        Violation::NoClientCertificate
        | Violation::NoClientCertificateBefore13
        | Violation::NoServerCertificate => "no_certificate",
        _ => "protocol",
    }
}
