//! Data before the handshake is over, in both directions.
//!
//! RFC 8446 §2.3.

use rustls_pki_types::{ServerName, UnixTime};

use super::Handshake;
use crate::config::ClientConfig;
use crate::crypto::random::Random;
use crate::error::{Error, Stage};
use crate::session::ClientSession;

impl Handshake {
    /// As [`client_resuming`](Self::client_resuming), and offers early data if the first session that can
    /// be offered allows it, its cipher suite is in the configuration, and so is its application protocol:
    /// then there is [room](Self::room) for some, which [`send`](Self::send) takes.
    ///
    /// Nobody has answered yet. The data is encrypted for the server of the session, and with
    /// [`ask_verification`](crate::config::ClientConfigBuilder::ask_verification) it goes out before
    /// anybody is asked once more about the server's chain. It has no forward secrecy, and an
    /// attacker that records it can send it again: what becomes of that is up to the server (§8). Whether the server
    /// has taken it is said by [`ConnectionInformation::early_data`](crate::ConnectionInformation::early_data) in the end.
    ///
    /// # Errors
    /// As [`client_resuming`](Self::client_resuming).
    pub fn client_with_early_data(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
    ) -> Result<Self, Error> {
        Self::client_with_early_data_and_random(config, name, sessions, now, Random::system())
    }

    pub(crate) fn client_with_early_data_and_random(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        now: UnixTime,
        random: Random,
    ) -> Result<Self, Error> {
        let mut this = Self::new_client(&config, random);
        this.now = now.into();
        this.start_client(config, name, sessions, true)?;
        Ok(this)
    }

    /// As a server: accepts no early data, whatever the configuration says. Its tickets say what it does.
    /// For a driver whose caller could not tell early data from other. Before the first byte of the client.
    pub fn decline_early_data(&mut self) {
        self.incoming.decline_early_data();
    }

    /// How many bytes [`send`](Self::send) takes now. For a client what is left of the session's limit,
    /// from the start until the server's Finished has come, at the latest; for a server that has accepted
    /// early data as many as there are, once its flight is out and until its connection is taken. Over datagrams
    /// to an address at which nobody may read ([`Admission::is_unproved`](crate::Admission::is_unproved)) it is three times what has
    /// come from there, less what was sent.
    pub fn room(&self) -> usize {
        match self.error {
            None => usize::try_from(self.outgoing.room()).unwrap_or(usize::MAX),
            Some(_) => 0,
        }
    }

    /// Sends data before the handshake is over, as much as there is [room](Self::room) for: a client's
    /// early data (0-RTT), or a server's data to a client whose early data it has accepted (0.5-RTT).
    /// Gives how many bytes were taken; the next polls transmit them, or [`take_transmit`](Self::take_transmit). Over datagrams
    /// this is a message, which is taken whole or not at all, and lost as others are: also not if it is empty, longer than a record
    /// ([`max_fragment_sent`](crate::config::ClientConfigBuilder::max_fragment_sent)), or its datagram longer than
    /// [`mtu`](crate::DatagramOptions::mtu). What is not transmitted when the connection is taken is lost there, too.
    ///
    /// A server says this to somebody who has the key of a session, or has recorded who had it, and sends that again (§8): only
    /// whoever has the key can read the answer.
    pub fn send(&mut self, data: &[u8]) -> usize {
        if self.room() == 0 {
            return 0;
        }
        match self.outgoing.data(data) {
            Ok(taken) => taken,
            Err(abort) => {
                self.fail(abort);
                0
            }
        }
    }

    /// What can be transmitted at once, over datagrams one of them, without going on: for a driver that has called
    /// [`send`](Self::send), and has no use yet for what else [`poll`](Self::poll) would say. `None` for nothing.
    pub fn take_transmit(&mut self) -> Option<Vec<u8>> {
        Some(self.take_output()).filter(|bytes| !bytes.is_empty())
    }

    /// Whether early data was accepted, of which more may come: as [`Step::EarlyData`](crate::Step::EarlyData).
    pub fn is_receiving_early_data(&self) -> bool {
        self.stage() == Stage::WaitEndOfEarlyData || self.incoming.takes_early_data()
    }
}
