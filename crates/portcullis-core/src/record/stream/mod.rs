//! Records during the handshake, over a byte stream: keys come and go, and content is messages.
//!
//! RFC 8446 §5, D.4.

mod incoming;
mod opener;
mod outgoing;

pub(crate) use super::assembler::HandshakeBytes;
pub(crate) use incoming::{Incoming, Message};
pub(crate) use outgoing::Outgoing;
