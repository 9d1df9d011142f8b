//! `session_ticket`: the client gives a ticket back, or would take one.
//!
//! RFC 5077 §3.2.

use super::Extension;
use crate::wire::codec::DecodeError;
use crate::wire::extension_type::ExtensionType;

/// The ticket, which has no length before it. Empty in a ClientHello that has none, and in
/// ServerHello, where it promises a NewSessionTicket. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionTicket<'a>(pub &'a [u8]);

impl core::fmt::Debug for SessionTicket<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SessionTicket({} bytes)", self.0.len())
    }
}

impl SessionTicket<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, ticket: &[u8]) {
        SessionTicket(ticket).encode(out);
    }
}

impl<'a> Extension<'a> for SessionTicket<'a> {
    const TYPE: ExtensionType = ExtensionType::SESSION_TICKET;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self(body))
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}
