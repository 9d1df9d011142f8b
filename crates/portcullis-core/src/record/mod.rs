//! TLS 1.3 records: from bytes to content and back.
//!
//! RFC 8446 §5. Two forms over the same keys: [`Incoming`] and [`Outgoing`] serve the handshake,
//! where records carry messages and keys change; [`Reader`] and [`Writer`] are the established
//! connection, where nothing is copied that the cipher does not need to copy.
//!
//! ```text
//! Incoming --into_reader--> Reader --Mailbox--> Writer <--into_writer-- Outgoing
//! ```

mod alert;
mod assembler;
mod gather;
mod header;
mod keys;
mod mailbox;
mod post_handshake;
mod protect;
mod reader;
mod size;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use keys::Keys;
pub use mailbox::Mailbox;
pub use reader::{Frame, Opened, Reader};
pub use size::PaddingPolicy;
pub(crate) use stream::{HandshakeBytes, Incoming, Message, Outgoing};
pub use writer::{ParkedCipher, Sealed, Writer};

use crate::wire::{MAX_PLAINTEXT, RecordHeader};

/// Which side of the connection this end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// Bytes of a record header (§5.1).
const HEADER: usize = RecordHeader::SIZE;
/// The longest inner plaintext: content, its type and padding (§5.4).
const MAX_INNER_PLAINTEXT: usize = MAX_PLAINTEXT + 1;

/// Empty records, change_cipher_spec records or KeyUpdates that may come without progress
/// between them.
const MAX_IDLE: u8 = 32;
/// Warning alerts that may come without progress between them.
const MAX_WARNINGS: u8 = 4;
