//! How clients of a server resume their sessions.
//!
//! RFC 8446 §4.6.1; RFC 5246 §7.3 for session ids; RFC 9149.

use std::time::Duration;

use super::server::ServerConfigBuilder;
use crate::misuse::Misuse;
use crate::session::TicketKeys;

/// A client gives up on a server that sends too many.
const MAX_TICKET_COUNT: u8 = 16;

impl ServerConfigBuilder {
    /// Resumes connections by tickets that hold the session, sealed with these keys
    /// (RFC 8446 §4.6.1). A session is resumed only where a full handshake would show a certificate
    /// with the same names. Default: keys that only this configuration has, its clones, and what is
    /// built from it; they [rotate](TicketKeys::rotating) after a
    /// [`ticket_lifetime`](Self::ticket_lifetime).
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::session::TicketKeys;
    /// use portcullis::{Identity, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// # let secret = [7; TicketKeys::SECRET_LEN];
    /// // 48 random bytes that every server of the fleet has.
    /// let keys = TicketKeys::shared([&secret])?;
    /// let config = ServerConfig::builder().identity(identity).ticket_keys(keys.clone()).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ticket_keys(mut self, keys: TicketKeys) -> Self {
        self.server.ticket_keys = Some(keys);
        self.server.ticket_keys_are_chosen = true;
        self.server.is_made_for_store = false;
        self
    }

    /// Whether clients get tickets and may resume connections with them. Default: yes, with the
    /// [`ticket_keys`](Self::ticket_keys) of this configuration; `false` takes those away.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*, suite::*}; }
    /// use portcullis::{Identity, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::from_pem_file("server.pem")?;
    /// // Every connection has a full handshake.
    /// let config = ServerConfig::builder().identity(identity).resumption(false).build()?;
    /// # let _ = config;
    /// # Ok(())
    /// # }
    /// ```
    pub fn resumption(mut self, on: bool) -> Self {
        self.server.is_made_for_store = false;
        match on {
            // Keys that were chosen stay.
            true if self.server.ticket_keys.is_some() => {}
            true => self.server.ticket_keys_are_chosen = false,
            false => {
                self.server.ticket_keys = None;
                self.server.ticket_keys_are_chosen = true;
            }
        }
        self
    }

    /// Asks [`OpenTickets`](crate::question::OpenTickets) when a client offers tickets, and
    /// [`IssueTickets`](crate::question::IssueTickets) before it gets new ones: for sessions in
    /// a store. Default: no.
    pub fn ask_tickets(mut self, on: bool) -> Self {
        self.server.policy.asked.tickets = on;
        self
    }

    /// Asks [`FindSession`](crate::question::FindSession) when a client of TLS 1.2 names a session, and
    /// [`KeepSession`](crate::question::KeepSession) when one is there to be kept: clients without a
    /// ticket then get a session id (RFC 5246 §7.3). With [`ask_tickets`](Self::ask_tickets) too, no
    /// client of TLS 1.2 gets a ticket but of [`ticket_keys`](Self::ticket_keys). Default: no.
    pub fn ask_sessions(mut self, on: bool) -> Self {
        self.server.policy.asked.sessions = on;
        self
    }

    /// How many tickets a client gets at the end of a full handshake: 1 to 16. Default: 3, so
    /// that a client can open as many connections at once.
    pub fn ticket_count(mut self, count: u8) -> Self {
        self.server.ticket_count = count;
        self
    }

    /// How many tickets a client gets at the end of a handshake that resumed: 1 to 16. Default: 1,
    /// in the place of the one that it used, so that it has as many as before (OpenSSL does so too).
    pub fn resumed_ticket_count(mut self, count: u8) -> Self {
        self.server.resumed_ticket_count = count;
        self
    }

    /// How many tickets a client gets at most that says how many it can use (RFC 9149): 0 to 16. It gets as many as
    /// it asks for up to there, and none if it asks for none. Default: as many as others get after a full
    /// handshake, [`ticket_count`](Self::ticket_count).
    pub fn ticket_request_limit(mut self, most: u8) -> Self {
        self.server.ticket_request_limit = Some(most);
        self
    }

    /// How long a ticket lives, in whole seconds: 1 second to 7 days (RFC 8446 §4.6.1).
    /// Default: 2 hours. Tickets sealed with keys that change by themselves live no longer
    /// than such a key seals. A session of TLS 1.2 that is known by an id lives as long, but at most a
    /// day (RFC 5246 §F.1.4).
    ///
    /// A client of this library uses a ticket of before TLS 1.3 for one day at most, whatever this says.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use std::time::Duration;
    /// use portcullis::{Identity, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// let config = ServerConfig::builder()
    ///     .identity(identity)
    ///     .ticket_lifetime(Duration::from_secs(86_400))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ticket_lifetime(mut self, lifetime: Duration) -> Self {
        self.server.ticket_lifetime = lifetime;
        if !self.server.ticket_keys_are_chosen {
            self.server.ticket_keys = None;
        }
        self
    }

    pub(super) fn check_ticket_counts(&self) -> Result<(), Misuse> {
        if !(1..=MAX_TICKET_COUNT).contains(&self.server.ticket_count) {
            return Err(Misuse::new(format!(
                "ticket_count: {} is outside of 1..={MAX_TICKET_COUNT}; for none there is \
                 `resumption(false)`",
                self.server.ticket_count
            )));
        }
        if !(1..=MAX_TICKET_COUNT).contains(&self.server.resumed_ticket_count) {
            return Err(Misuse::new(format!(
                "resumed_ticket_count: {} is outside of 1..={MAX_TICKET_COUNT}",
                self.server.resumed_ticket_count
            )));
        }
        if let Some(most) = self.server.ticket_request_limit
            && most > MAX_TICKET_COUNT
        {
            return Err(Misuse::new(format!(
                "ticket_request_limit: {most} is outside of 0..={MAX_TICKET_COUNT}"
            )));
        }
        Ok(())
    }
}
