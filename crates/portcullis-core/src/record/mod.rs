//! Records: from bytes to content and back.
//!
//! RFC 8446 §5, and RFC 5246 §6.2 for those before TLS 1.3; `protect` knows how they differ.
//! Two forms over the same keys: [`Incoming`] and [`Outgoing`] serve the handshake, where records
//! carry messages and keys change; [`Reader`] and [`Writer`] are the established connection, where
//! nothing is copied that the cipher does not need to copy.
//!
//! ```text
//! Incoming --take_reader--> Reader --Mailbox--> Writer <--take_writer-- Outgoing
//! ```

mod alert;
mod assembler;
mod authentication;
#[cfg(feature = "dtls")]
mod datagram;
#[cfg(not(feature = "dtls"))]
#[path = "no_datagram.rs"]
mod datagram;
#[cfg(feature = "dtls")]
mod datagrams;
mod gather;
mod header;
mod incoming;
mod keys;
mod later;
mod mailbox;
mod outgoing;
mod post_handshake;
mod protect;
mod reader;
mod size;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use authentication::{Authentication, MAX_RUN, ToWriter};
#[cfg(not(feature = "dtls"))]
pub(crate) use datagram::ConnectionId;
#[cfg(feature = "dtls")]
pub use datagram::{
    ConnectionId, Control, DatagramOptions, Discarded, Discards, Heard, Reader as DatagramReader,
    Received, Records, Retransmission, Writer as DatagramWriter,
};
#[cfg(feature = "dtls")]
pub(crate) use datagram::{
    HelloPiece, Mail, Reassembly, Taken, UNPROVED_AMPLIFICATION, first_hello_pieces, hello_pieces,
    is_said_to_anybody, plain_alert, plain_message, plain_message_in_pieces, plain_message_of,
    server_hello_pieces,
};
pub(crate) use incoming::Incoming;
pub(crate) use keys::Keys;
pub(crate) use later::{Another, Barred, Later, Older, OnRequest};
pub use mailbox::Mailbox;
pub(crate) use outgoing::Outgoing;
pub(crate) use post_handshake::Tickets;
pub use reader::{Frame, Opened, PeerRequest, Reader};
pub use size::PaddingPolicy;
pub(crate) use stream::{HandshakeBytes, Message};
pub use writer::{ParkedCipher, Sealed, Writer};

use crate::error::{Error, Misuse, Reason, Stage};
use crate::role::Role;
use crate::wire::{MAX_CIPHERTEXT_TLS13, MAX_PLAINTEXT, RecordHeader};

/// Bytes of a record header (§5.1).
const HEADER: usize = RecordHeader::SIZE;
/// The longest inner plaintext: content, its type and padding (§5.4).
const MAX_INNER_PLAINTEXT: usize = MAX_PLAINTEXT + 1;
/// The longest record, its header included (§5.2).
const MAX_RECORD: usize = HEADER + MAX_CIPHERTEXT_TLS13;

/// The longest ClientHello a server reads, in bytes of body: with a record that is incomplete, a
/// client it knows nothing of costs 64 KiB at most. BoringSSL reads 16 KiB and Go 64; what makes
/// hellos long is several tickets with a chain in each.
const MAX_CLIENT_HELLO: usize = 47 * 1024;
/// Empty records or KeyUpdates that may come without progress between them, and change_cipher_spec
/// records in a handshake.
pub(crate) const MAX_IDLE: u8 = 32;
/// Tickets that may come without data between them: as many as a client can ask for at once
/// (RFC 9149 §3). OpenSSL and Go do not count them, if each has a record of its own; here nothing
/// of them is kept beyond a few, so the bound only ends what has no end.
const MAX_TICKETS: u8 = u8::MAX;
/// Records under a key that make up for the work of replacing it.
const RECORDS_FOR_A_KEY: u64 = 8;
/// KeyUpdates that may come after fewer records than that, over the whole connection. A peer that
/// updates once a minute beside a heartbeat needs three weeks for them, and keys that protect
/// something earn them back.
const MAX_WASTED_KEYS: u16 = 1 << 15;
/// Warning alerts that may come without progress between them.
const MAX_WARNINGS: u8 = 4;

/// An operation that changes nothing and tells the peer nothing.
#[cold]
fn misuse(message: &'static str) -> Error {
    Error::new(Stage::Connected, None, Reason::Misuse(Misuse::new(message)))
}
