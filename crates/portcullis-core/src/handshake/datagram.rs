//! The contract over datagrams: as over a stream, but that [`Step::Transmit`](crate::Step::Transmit) is one datagram, and
//! that there are deadlines.
//!
//! RFC 9147 §5.

use core::time::Duration;
use std::sync::Arc;

use rustls_pki_types::ServerName;

use super::again::Ending;
use super::drive::Handshake;
use super::gate::Admission;
use super::{Outcome, PostHandshakeAuthentication};
use crate::clock::{Monotonic, Now};
use crate::config::{ClientConfig, Policy, ServerConfig};
use crate::connection::DatagramConnection;
use crate::crypto::CryptoFailure;
use crate::crypto::random::Random;
use crate::error::{Abort, Error, Misuse, Stage};
use crate::record::{DatagramOptions, Discards, Heard, Incoming, Later, Mail, Outgoing, ToWriter};
use crate::role::Role;
use crate::session::ClientSession;
use crate::wire::PathMessageType;

fn misuse(misuse: Misuse) -> Error {
    Abort::from(misuse).into_silent_error(Stage::Start)
}

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
        let random = Random::system();
        Self::start_datagram_client(config, name, sessions, (options, now), (random, false))
    }

    /// The same, and offers early data as [`client_with_early_data`](Self::client_with_early_data): while there is
    /// [room](Self::room) each [`send`](Self::send) is a message, in a datagram of its own, which is lost where any other
    /// would be, and where it comes before the hello. A server that asks for a cookie takes none (RFC 8446 §4.2.10).
    ///
    /// # Errors
    /// As [`datagram_client`](Self::datagram_client).
    pub fn datagram_client_with_early_data(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        options: DatagramOptions,
        now: Now,
    ) -> Result<Self, Error> {
        let random = Random::system();
        Self::start_datagram_client(config, name, sessions, (options, now), (random, true))
    }

    pub(crate) fn start_datagram_client(
        config: ClientConfig,
        name: ServerName<'static>,
        sessions: Vec<ClientSession>,
        (options, now): (DatagramOptions, Now),
        (random, early_data): (Random, bool),
    ) -> Result<Self, Error> {
        let config = config.for_datagrams().map_err(misuse)?;
        options.check().map_err(misuse)?;
        let policy = &config.0.policy;
        let mut incoming = Incoming::datagrams(
            Role::Client,
            policy.max_handshake_size,
            0,
            options.own_connection_id(),
        );
        if options.trusts_unprotected() {
            incoming.trust_unprotected();
        }
        let outgoing = Outgoing::first_datagrams(options);
        let mut this = Self::over(incoming, outgoing, policy, random);
        this.now = now;
        this.start_client(config, name, sessions, early_data)?;
        Ok(this)
    }

    /// Starts as a server with what a [`Gate`](crate::Gate) has admitted.
    ///
    /// # Errors
    /// As [`datagram_client`](Self::datagram_client).
    pub fn datagram_server(
        config: ServerConfig,
        admission: Admission,
        options: DatagramOptions,
        now: Now,
    ) -> Result<Self, Error> {
        Self::start_datagram_server(config, admission, options, now, Random::system())
    }

    pub(crate) fn start_datagram_server(
        config: ServerConfig,
        admission: Admission,
        options: DatagramOptions,
        now: Now,
        random: Random,
    ) -> Result<Self, Error> {
        let config = config.for_datagrams().map_err(misuse)?;
        options.check().map_err(misuse)?;
        let policy = &config.0.policy;
        let Admission {
            datagram,
            returned,
            next_message: message,
            next_record,
            is_unproved,
            round_trip,
            ..
        } = admission;
        let mut incoming = Incoming::datagrams(
            Role::Server,
            policy.max_handshake_size,
            message,
            options.own_connection_id(),
        );
        if options.trusts_unprotected() {
            incoming.trust_unprotected();
        }
        let mut outgoing = Outgoing::datagrams(options, message, next_record);
        if let Some(taken) = round_trip {
            outgoing.measured(taken);
        }
        if is_unproved {
            incoming.begin_unproved();
            outgoing.begin_unproved();
        }
        let mut this = Self::over(incoming, outgoing, policy, random);
        this.machine = Some(match returned {
            None => super::server::start(config.0),
            Some(returned) => super::server::start_after_cookie(config.0, returned),
        });
        this.receive(&datagram, now);
        Ok(this)
    }

    /// The [deadline](Self::deadline) has come, or time has passed: what is due is done. To be called
    /// before an [answer](Self::answer) too, if a deadline has passed meanwhile. Afterwards poll.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.error.is_none()
            && let Err(abort) = self.outgoing.on_time(now.monotonic)
            // Nobody has to want another handshake.
            && !self.give_up_renegotiation()
        {
            self.outcome = None;
            self.fail(abort);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, whatever else happens; also while a
    /// question is open. `None`: when something comes. Always `None` over a stream.
    pub fn deadline(&self) -> Option<Monotonic> {
        self.outgoing.deadline()
    }

    /// Says how long datagrams may be on the path, in bytes of UDP payload; at least 228. What is sent again is
    /// cut anew. Nothing over a stream.
    pub fn set_path_mtu(&mut self, bytes: u16) {
        self.outgoing.set_mtu(bytes);
    }

    /// The network has refused a datagram for its length in bytes: those to come are shorter, and what is under way is cut
    /// anew: poll for it. `false` if that changes nothing: 228 bytes are not made shorter. Nothing over a stream.
    pub fn datagram_too_long(&mut self, length: usize) -> bool {
        self.outgoing.shrink(length)
    }

    /// Says how long a first answer is waited for (RFC 9147 §5.8.2), within 1 ms to 60 s; of what is under way,
    /// too, so that there may be another [`deadline`](Self::deadline). Nothing over a stream.
    pub fn set_initial_timeout(&mut self, initial: Duration) {
        self.outgoing.set_initial_timeout(initial);
    }

    /// As a server over datagrams: whether nobody has asked if somebody reads at the peer's address, and nothing has come since
    /// that shows it ([`Admission::is_unproved`]).
    pub fn is_unproved(&self) -> bool {
        self.incoming.is_unproved()
    }

    /// In a renegotiation over datagrams: what the datagram that was given to [`receive`](Self::receive) last has told
    /// besides. Nothing in any other handshake: before it is over nobody moves.
    pub fn heard(&self) -> Heard {
        self.incoming.heard()
    }

    /// In a renegotiation over datagrams: seals a question to the peer whether it reads somewhere else (RFC 9853 §5), and
    /// gives its cookie and the length of the datagram, which is to be sent there alone. `out` has 256 bytes at least. As
    /// [`DatagramWriter::path_challenge`](crate::DatagramWriter::path_challenge) otherwise.
    ///
    /// # Errors
    /// [`Reason::Misuse`](crate::Reason::Misuse) when the two sides have not agreed on that, `out` is too short, or this is
    /// the first handshake of its connection. When the crypto library fails.
    pub fn path_challenge(&mut self, out: &mut [u8]) -> Result<([u8; 8], usize), Error> {
        let mut cookie = [0; 8];
        let drawn = Random::system().fill(&mut cookie);
        drawn.map_err(|failure| {
            Abort::from(CryptoFailure::from(failure)).into_silent_error(self.stage())
        })?;
        let length = self.path_message(PathMessageType::CHALLENGE, cookie, out)?;
        Ok((cookie, length))
    }

    /// Answers a [challenge](Heard::challenge): goes to where that has come from.
    ///
    /// # Errors
    /// As [`path_challenge`](Self::path_challenge).
    pub fn path_response(&mut self, cookie: [u8; 8], out: &mut [u8]) -> Result<usize, Error> {
        self.path_message(PathMessageType::RESPONSE, cookie, out)
    }

    fn path_message(
        &mut self,
        msg_type: PathMessageType,
        cookie: [u8; 8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let stage = self.stage();
        let misuse = |why| Abort::from(Misuse::new(why)).into_silent_error(stage);
        if !self.incoming.checks_paths() {
            return Err(misuse(
                "paths are not checked: the two sides have not agreed on `rrc`, or there is no connection yet",
            ));
        }
        let sealed = self.outgoing.seal_path_message(msg_type, cookie, out);
        let sealed = sealed.map_err(|abort| abort.into_silent_error(stage))?;
        sealed.ok_or_else(|| misuse("the output is too short: it takes 256 bytes"))
    }

    /// What was dropped of what came over datagrams.
    pub fn discards(&self) -> Discards {
        self.incoming.discards()
    }

    /// Takes the connection once [`poll`](Self::poll) has said
    /// [`Step::Connected`](crate::Step::Connected).
    ///
    /// # Errors
    /// When the handshake is not over, or runs over a stream.
    pub fn into_datagram_connection(mut self) -> Result<DatagramConnection, Error> {
        self.take_datagram_connection()
    }

    /// The same where the handshake stands. One that is moved, out of a box for example, leaves a
    /// copy of the connection's secrets behind, which nobody wipes.
    ///
    /// # Errors
    /// When the handshake is not over, or its connection was taken before, or it runs over a stream.
    pub fn take_datagram_connection(&mut self) -> Result<DatagramConnection, Error> {
        let stage = self.stage();
        let Some(outcome) = self.outcome.take() else {
            let why = "the handshake is not over, or its connection was taken before";
            return Err(Abort::from(Misuse::new(why)).into_silent_error(stage));
        };
        let (ending, now) = (self.ending(), self.now.monotonic);
        let halves = (&mut self.incoming, &mut self.outgoing);
        let connection = outcome.into_datagram_connection(halves, ending, now);
        connection.ok_or_else(|| {
            let why = "this handshake runs over a stream: call `into_connection`";
            Abort::from(Misuse::new(why)).into_silent_error(stage)
        })
    }
}

impl Outcome {
    fn into_datagram_connection(
        self,
        (incoming, outgoing): (&mut Incoming, &mut Outgoing),
        ending: Ending,
        now: Monotonic,
    ) -> Option<DatagramConnection> {
        let of_records = self.authentication.as_ref().map(|end| end.of_records());
        let mail = Arc::new(Mail::new(of_records));
        let authentication = self.authentication.map(|end| {
            PostHandshakeAuthentication::new(end, ToWriter::Datagram(Arc::clone(&mail)))
        });
        let (mut reader, unread) = incoming.take_datagram_reader(Arc::clone(&mail))?;
        match self.later.map(|later| *later) {
            Some(Later::Tls13(tickets)) => reader.keep(Some(tickets)),
            Some(Later::Older(older)) => reader.leave(older),
            None => {}
        }
        let own = (reader.connection_id(), reader.checks_paths());
        if ending == Ending::Closed {
            reader.close(now);
        }
        let mut writer = outgoing.take_datagram_writer(mail, self.key_update_at, own)?;
        // As over a stream: a peer that has declined is not asked again under the same key.
        if ending == Ending::New && reader.may_renegotiate() {
            let usual = self.key_update_at == Policy::KEY_UPDATE_AT;
            writer.renegotiate_at((!usual).then_some(self.key_update_at));
        }
        Some(DatagramConnection {
            reader,
            writer,
            information: self.information,
            unread,
            authentication,
        })
    }
}
