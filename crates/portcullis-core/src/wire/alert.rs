//! The alert message.
//!
//! RFC 8446 §6.

use super::codec::{Cursor, DecodeError};
use crate::alert::{AlertDescription, AlertLevel};

/// What an alert record carries: always two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// In TLS 1.3 it says nothing the description does not say.
    pub level: AlertLevel,
    /// Why.
    pub description: AlertDescription,
}

impl Alert {
    /// Reads an alert to its end.
    ///
    /// # Errors
    /// When `body` is not two bytes.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                level: AlertLevel(cursor.u8()?),
                description: AlertDescription(cursor.u8()?),
            })
        })
    }

    /// The alert as bytes.
    pub const fn to_bytes(self) -> [u8; 2] {
        [self.level.0, self.description.0]
    }

    /// Writes the alert.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes() {
        let alert = Alert::decode(&[2, 40]).unwrap();
        assert_eq!(alert.description, AlertDescription::HANDSHAKE_FAILURE);
        assert_eq!(alert.to_bytes(), [2, 40]);
        for wrong in [&[][..], &[2], &[2, 40, 0]] {
            assert_eq!(Alert::decode(wrong), Err(DecodeError));
        }
    }
}
