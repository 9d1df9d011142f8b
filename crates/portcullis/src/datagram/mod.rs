//! DTLS over UDP, or over any other transport of datagrams.
//!
//! RFC 9147. One task for each socket, which is its [`driver`]: it asks who may come in, opens records, and has all
//! timers; none for a connection. Handshakes run in the task that waits for them ([`handshake`]), and messages are
//! sealed and sent by the task that sends them. What the driver and a connection share is its [`association`].
//!
//! ```text
//! socket -> driver -> gate -> DtlsIncoming -> handshake -> DtlsConnection
//!                  -> association -> records -> inbox -> recv
//! socket <- association <- records <- send
//! ```

mod acceptor;
mod association;
mod authentication;
mod connection;
mod connections;
mod connector;
mod door;
mod doubt;
mod driver;
mod early_data;
mod ech_front;
mod ech_retry;
mod endpoint;
mod foreign;
mod fronting;
mod group;
mod handshake;
mod hello;
mod link;
mod listener;
#[cfg(all(test, portcullis_loom))]
mod model;
mod moves;
mod options;
mod passages;
mod paused;
mod peers;
mod renegotiation;
mod rivals;
mod socket;
mod source;
mod split;
mod statistics;
mod transport;
mod udp_options;

pub use acceptor::DtlsAcceptor;
pub use connection::DtlsConnection;
pub use connections::DtlsConnections;
pub use connector::DtlsConnector;
pub use early_data::DtlsEarlyHandshake;
pub use ech_front::DtlsEchFront;
pub use foreign::{Foreign, ForeignDatagram};
pub use listener::{DtlsIncoming, DtlsListener};
pub use moves::Migration;
pub use options::DtlsOptions;
pub use paused::{PausedDtlsClient, PausedDtlsServer};
pub use split::{DtlsReceiver, DtlsSender};
pub use statistics::{DtlsFrontStatistics, DtlsListenerStatistics, DtlsStatistics};
pub use transport::DatagramTransport;
pub use udp_options::UdpOptions;

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// What somebody who panicked has left is as good as it was: nothing here is half done between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
