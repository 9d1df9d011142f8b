//! Records over datagrams: they may be lost, come twice, or in another order.
//!
//! RFC 9147 (DTLS 1.3). Two forms, as over a stream: [`Incoming`] and [`Outgoing`] serve the handshake,
//! [`Reader`] and [`Writer`] the established connection; [`Transmitter`](transmitter::Transmitter) sends again
//! what was lost in both.
//!
//! ```text
//! datagram -> header -> number -> ReplayWindow -> ReadEpochs -> Reassembly -> messages
//!                                                     | Notes
//! datagram <- records <- WriteEpoch <- Flight <- Transmitter <- messages
//! ```
//!
//! What was not authenticated is [`Discarded`] and counted; what a record that opened proves may end the
//! connection (§4.5.2). That is decided by the type [`Fault`], before anybody sees what was in the record.

mod again;
mod authentication;
mod connection_id;
mod discarded;
mod early_data;
mod epochs;
mod flight;
mod header;
mod incoming;
mod notes;
mod options;
mod outgoing;
mod plain;
mod reader;
mod reassembly;
mod replay;
#[cfg(test)]
mod tests;
mod transmitter;
mod writer;

pub use again::Heard;
pub use connection_id::ConnectionId;
pub use discarded::{Discarded, Discards};
pub(crate) use incoming::Incoming;
pub(crate) use notes::{Mail, Notes};
pub use options::{DatagramOptions, Retransmission};
pub(crate) use outgoing::Outgoing;
pub(crate) use plain::{
    HelloPiece, first_hello_pieces, hello_pieces, is_said_to_anybody, plain_alert, plain_message,
    plain_message_in_pieces, plain_message_of, server_hello_pieces,
};
pub use reader::{Reader, Received, Records};
pub(crate) use reassembly::{Reassembly, Taken};
pub(crate) use transmitter::UNPROVED_AMPLIFICATION;
pub use writer::{Control, Writer};

use crate::crypto::CryptoFailure;
use crate::error::Abort;
use crate::violation::Violation;

/// Why a record is not used.
#[derive(Debug)]
enum Fault {
    /// Anybody can have sent it: it is counted.
    Discard(Discarded),
    /// The peer has sealed it, and has broken a rule.
    Abort(Abort),
}

impl Fault {
    fn crypto(failure: CryptoFailure) -> Self {
        Self::Abort(failure.into())
    }
}

impl From<Discarded> for Fault {
    fn from(why: Discarded) -> Self {
        Self::Discard(why)
    }
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self::Abort(violation.into())
    }
}
