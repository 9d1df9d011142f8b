//! What an alert record may hold, and what a description means for the connection.
//!
//! RFC 8446 §6. An alert is neither split over records nor does it share one.

use crate::alert::{AlertDescription, AlertLevel};
use crate::violation::Violation;
use crate::wire::Alert;

/// Reads the content of an alert record.
pub(super) fn decode(content: &[u8]) -> Result<Alert, Violation> {
    if content.is_empty() {
        return Err(Violation::EmptyRecord);
    }
    let alert = Alert::decode(content).map_err(|_| Violation::MalformedAlert)?;
    match alert.level {
        AlertLevel::WARNING | AlertLevel::FATAL => Ok(alert),
        _ => Err(Violation::UnknownAlertLevel),
    }
}

/// Whether an error is named at the level of a warning: all of them are to be sent as fatal (§6).
pub(super) fn is_understated(alert: Alert) -> bool {
    alert.level == AlertLevel::WARNING && !is_closure(alert.description)
}

/// The content of an alert record: close_notify is a warning, all others fatal. A cancelled
/// handshake is over, so user_canceled is fatal when we send it, and a close_notify follows for
/// peers that pass over it (§6.1).
pub(super) fn encode(description: AlertDescription) -> [u8; 2] {
    let level = if description == AlertDescription::CLOSE_NOTIFY {
        AlertLevel::WARNING
    } else {
        AlertLevel::FATAL
    };
    Alert { level, description }.to_bytes()
}

/// The content of an alert that a connection of before TLS 1.3 outlives (RFC 5246 §7.2.2).
pub(super) fn encode_warning(description: AlertDescription) -> [u8; 2] {
    let level = AlertLevel::WARNING;
    Alert { level, description }.to_bytes()
}

/// Whether it ends in order rather than in failure (§6.1).
pub(super) fn is_closure(description: AlertDescription) -> bool {
    matches!(
        description,
        AlertDescription::CLOSE_NOTIFY | AlertDescription::USER_CANCELED
    )
}
