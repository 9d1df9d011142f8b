//! Who may begin a handshake over datagrams: who reads at the address that he writes from.
//!
//! RFC 9147 §5.1. A server keeps nothing of a client before its cookie has come back.

use crate::config::ServerConfig;
use crate::misuse::Misuse;
use crate::record::Discarded;
use crate::step::Now;

/// Whether a client has to send back a cookie before a handshake begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookiePolicy {
    /// Every client: an address can be forged.
    #[default]
    Always,
    /// No client: the transport has proved that somebody reads there (ICE, a link in memory).
    Never,
}

/// What becomes of a datagram of somebody with whom there is no connection.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// Nothing.
    Discard(Discarded),
    /// This datagram is sent back. It is never longer than twice the one it answers.
    Reply(Vec<u8>),
    /// A handshake begins.
    Admit(Admission),
}

/// Proof that somebody reads at an address, and what was received from there:
/// [`Handshake::datagram_server`](crate::Handshake::datagram_server) begins with it.
#[derive(Debug)]
pub struct Admission {
    pub(super) datagram: Vec<u8>,
}

impl Admission {
    /// Begins without a cookie: the caller says that the address was proved by other means. `datagram` is
    /// the first that came from there.
    pub fn without_cookie(datagram: impl Into<Vec<u8>>) -> Self {
        Self {
            datagram: datagram.into(),
        }
    }
}

/// Decides who may begin a handshake. Its memory does not depend on how many ask.
#[derive(Debug)]
pub struct Gate {
    config: ServerConfig,
    policy: CookiePolicy,
}

impl Gate {
    /// Cookies are sealed with a secret that is drawn here and replaced every 10 minutes.
    ///
    /// # Errors
    /// When the configuration has nothing to speak over datagrams.
    pub fn new(config: &ServerConfig, policy: CookiePolicy) -> Result<Self, Misuse> {
        Ok(Self {
            config: config.for_datagrams()?,
            policy,
        })
    }

    /// What becomes of a datagram from an address with which there is no connection. `peer` is the
    /// address in any form that is always the same for it.
    pub fn on_datagram(&mut self, peer: &[u8], datagram: &[u8], now: Now) -> Verdict {
        let _ = (peer, datagram, now, &self.config, self.policy);
        todo!()
    }
}
