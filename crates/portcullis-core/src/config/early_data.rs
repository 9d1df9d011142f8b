//! Whether a server accepts data before the handshake is over.
//!
//! RFC 8446 §4.2.10, §8.

use std::time::Duration;

use super::server::{ServerConfigBuilder, ServerOptions};
use crate::error::Misuse;
use crate::session::{AntiReplay, Claims, TicketKeys};
use crate::version::Version;

#[derive(Clone, Debug)]
pub(crate) struct EarlyDataOptions {
    /// `None`: none is accepted.
    pub(crate) anti_replay: Option<AntiReplay>,
    /// What tickets allow, in bytes of content.
    pub(crate) limit: u32,
    /// How far the age that a client says may be off.
    window: Duration,
}

impl Default for EarlyDataOptions {
    fn default() -> Self {
        Self {
            anti_replay: None,
            // What servers of OpenSSL and GnuTLS allow, and one record holds.
            limit: 16_384,
            window: Duration::from_secs(10),
        }
    }
}

impl EarlyDataOptions {
    /// The limit that tickets say; 0 if no early data is accepted.
    pub(crate) fn granted(&self) -> u32 {
        self.anti_replay.as_ref().map_or(0, |_| self.limit)
    }

    pub(crate) const fn is_asked(&self) -> bool {
        matches!(self.anti_replay, Some(AntiReplay(Claims::Asked)))
    }

    pub(crate) const fn is_of_single_use(&self) -> bool {
        matches!(self.anti_replay, Some(AntiReplay(Claims::SingleUse)))
    }

    /// In seconds.
    pub(crate) const fn window(&self) -> u64 {
        self.window.as_secs()
    }

    /// For how long a hello could be accepted again, in seconds by the clock of this server, which counts whole ones: it may
    /// be as old as it says from a window too early to a window too late.
    pub(crate) const fn lifetime(&self) -> u64 {
        2 * self.window()
    }

    /// Whether tickets of the one could be replayed to the other, because nobody remembers for both.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let are_kept_here = |options: &Self| match &options.anti_replay {
            Some(AntiReplay(Claims::Local(_))) => Some(true),
            Some(AntiReplay(Claims::Asked)) => Some(false),
            Some(AntiReplay(Claims::SingleUse)) | None => None,
        };
        let (this, other) = (are_kept_here(self), are_kept_here(other));
        this.is_some() && other.is_some() && this != other
    }

    /// Whoever remembers for the first configuration with these keys does so for this one.
    pub(super) fn settle(&mut self, keys: Option<&TicketKeys>) -> Result<(), Misuse> {
        if let (Some(AntiReplay(claims)), Some(keys)) = (&mut self.anti_replay, keys)
            && !matches!(claims, Claims::SingleUse)
        {
            *claims = keys.claims(claims)?;
        }
        Ok(())
    }

    /// What cannot work, or would accept replays.
    pub(super) fn check(&self, server: &ServerOptions) -> Result<(), Misuse> {
        let Some(AntiReplay(claims)) = &self.anti_replay else {
            return Ok(());
        };
        let seconds = self.window.as_secs();
        if self.limit == 0 {
            return Err(Misuse::new(
                "max_early_data: 0 bytes are none; leave `early_data` out",
            ));
        }
        if !(1..=60).contains(&seconds) || self.window.subsec_nanos() != 0 {
            return Err(Misuse::new(format!(
                "early_data_window: {:?} is outside of 1 to 60 whole seconds",
                self.window
            )));
        }
        if !server.policy.speaks(Version::V1_3) || !server.resumes() {
            return Err(Misuse::new(
                "early_data: only a session of TLS 1.3 that is resumed has any; name TLS 1.3 in `versions`, and \
                 leave `resumption` on",
            ));
        }
        let asks_tickets = server.policy.asked.tickets;
        let are_shared = server
            .ticket_keys
            .as_ref()
            .is_some_and(TicketKeys::are_shared);
        match claims {
            Claims::Local(_) if are_shared => Err(Misuse::new(
                "early_data: these ticket keys are open to other processes, and what this one remembers does \
                 not keep a first flight from being replayed to them, or to itself after a restart; take \
                 `AntiReplay::asked()` with a guard that all of them share, or `TicketKeys::rotating`",
            )),
            Claims::Local(_) if asks_tickets => Err(Misuse::new(
                "early_data: with `ask_tickets` somebody else knows what tickets stand for, maybe in other \
                 processes, too; take `AntiReplay::single_use_tickets()` if each ticket is given once, else \
                 `AntiReplay::asked()` with a guard that all of them share",
            )),
            Claims::SingleUse if !asks_tickets => Err(Misuse::new(
                "early_data: tickets that are sealed sessions can be opened again and again, so they are not \
                 used once; take `AntiReplay::local` or `AntiReplay::asked()`, or have `ask_tickets(true)`, which a \
                 store answers",
            )),
            _ => Ok(()),
        }
    }
}

/// Early data: what a client sends with its first flight when it resumes a session (RFC 8446 §2.3).
impl ServerConfigBuilder {
    /// Whether early data is accepted, and who sees to it that it is accepted once. Default: none is
    /// accepted, and tickets say so.
    ///
    /// An attacker that has recorded a first flight can send it again. What this keeps out is one that arrives
    /// twice as it is; a client whose early data was refused may send the same once more by itself, so
    /// take as early data only what does no harm twice (RFC 8446 §8, RFC 8470). Early data has no forward
    /// secrecy either: whoever gets the key of its ticket can read it.
    ///
    /// It is accepted from a client that resumes, in its first hello, a session of the same cipher suite,
    /// server name and application protocol, whose ticket is as old as the client says
    /// ([`early_data_window`](Self::early_data_window)), and that nobody has claimed before. Otherwise the
    /// handshake goes on without it. Of configurations with the same [rotating](TicketKeys::rotating) keys the first one's
    /// `AntiReplay::local` remembers for all, and none of them may have another kind.
    ///
    /// In `portcullis` it is read where a server shakes hands `with_early_data`, as `accept_with_early_data` of its acceptor
    /// and `handshake_with_early_data` of what its listener accepts. With every other way to shake hands none is accepted.
    pub fn early_data(mut self, anti_replay: impl Into<Option<AntiReplay>>) -> Self {
        self.server.early_data.anti_replay = anti_replay.into();
        self
    }

    /// The most early data that a client may send, in bytes of content; tickets say so, and a client
    /// that sends more is refused. Default: 16,384.
    pub fn max_early_data(mut self, bytes: u32) -> Self {
        self.server.early_data.limit = bytes;
        self
    }

    /// How far the age that a client says its ticket has may be off, in whole seconds of 1 to 60 (RFC
    /// 8446 §8.3). Default: 10 seconds. A claim has to be remembered for twice as long, so servers that open the same
    /// tickets have the same window.
    pub fn early_data_window(mut self, window: Duration) -> Self {
        self.server.early_data.window = window;
        self
    }
}
