//! The contract over datagrams: as over a stream, but that [`Step::Transmit`](crate::Step::Transmit) is one datagram, and
//! that there are deadlines.
//!
//! RFC 9147 §5.

use rustls_pki_types::ServerName;

use super::drive::Handshake;
use super::gate::Admission;
use crate::config::{ClientConfig, ServerConfig};
use crate::connection::DatagramConnection;
use crate::error::Error;
use crate::record::DatagramOptions;
use crate::session::ClientSession;
use crate::step::{Monotonic, Now};

impl Handshake {
    /// Starts as a client of the server `name` over datagrams, and offers to resume these sessions, as
    /// [`client_resuming`](Self::client_resuming).
    ///
    /// [`for_datagrams`](ClientConfig::for_datagrams) of the configuration, once for many handshakes,
    /// saves work here.
    ///
    /// # Errors
    /// When the configuration has nothing to speak over datagrams, an option is out of its bounds, or
    /// randomness or key generation fails.
    pub fn datagram_client(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        options: DatagramOptions,
        now: Now,
    ) -> Result<Self, Error> {
        let _ = (config, name, sessions, options, now);
        todo!()
    }

    /// Starts as a server with what a [`Gate`](super::Gate) has admitted.
    ///
    /// # Errors
    /// As [`datagram_client`](Self::datagram_client).
    pub fn datagram_server(
        config: ServerConfig,
        admission: Admission,
        options: DatagramOptions,
        now: Now,
    ) -> Result<Self, Error> {
        let _ = (config, admission, options, now);
        todo!()
    }

    /// The [deadline](Self::deadline) has come, or time has passed: what is due is done. To be called
    /// before an [answer](Self::answer) too, if a deadline has passed meanwhile. Afterwards poll.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
        todo!()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, whatever else happens; also while a
    /// question is open. `None`: when something comes. Always `None` over a stream.
    pub fn deadline(&self) -> Option<Monotonic> {
        todo!()
    }

    /// Takes the connection once [`poll`](Self::poll) has said
    /// [`Step::Connected`](crate::Step::Connected).
    ///
    /// # Errors
    /// When the handshake is not over, or runs over a stream.
    pub fn into_datagram_connection(self) -> Result<DatagramConnection, Error> {
        todo!()
    }
}
