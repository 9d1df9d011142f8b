//! Records over datagrams: they may be lost, come twice, or in another order.
//!
//! RFC 9147 (DTLS 1.3). Two forms, as over a stream: [`Incoming`] and [`Outgoing`] serve the handshake,
//! [`Reader`] and [`Writer`] the established connection.
//!
//! ```text
//! datagram -> records -> number -> window -> opened -> fragments -> messages
//! ```
//!
//! What was not authenticated is [`Discarded`] and counted; what a record that opened proves may end the
//! connection (§4.5.2).

mod discarded;
mod options;
mod reader;
mod writer;

pub use discarded::{Discarded, Discards};
pub use options::{DatagramOptions, Retransmission};
pub use reader::{Reader, Received, Records};
pub use writer::{Control, Writer};
