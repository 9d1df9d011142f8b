//! What one connection leaves for the next: sessions, and the tickets that stand for them.
//!
//! RFC 8446 §2.2, §4.6.1. A client keeps a [`ClientSession`] for each ticket it was sent, and
//! offers it when it connects again. A server has two ways: the ticket is the session itself,
//! sealed with [`TicketKeys`] that only servers know, or a name under which a store has the
//! session (the questions [`OpenTickets`](crate::question::OpenTickets) and
//! [`IssueTickets`](crate::question::IssueTickets)). Before TLS 1.3 that name can be a session id, too
//! ([`FindSession`](crate::question::FindSession), [`KeepSession`](crate::question::KeepSession)).
//!
//! In TLS 1.3 every resumption makes a fresh key exchange (`psk_dhe_ke`), unless both ends allow it to be left out
//! ([`psk_ke`](crate::config::ClientConfigBuilder::psk_ke)). Before TLS 1.3 none does: the session has the master secret,
//! from which the keys of all its connections are made. A chain that the first
//! connection has verified is verified again by the rules of the one that resumes it. A server
//! resumes only where a full handshake would show a certificate with the same names, a client
//! only as who it was. A session that began with a pre-shared key is resumed as long as both ends have that
//! key.
//!
//! Five words, in the order in which a session comes to be and is used:
//!
//! | word | what it is | where |
//! |---|---|---|
//! | `MasterSecretForTickets` | the master secret, kept until the client's Finished is in the transcript | `key_schedule` |
//! | `ResumptionMasterSecret` | `resumption_master_secret` (§7.1), from which each ticket gets a key of its own | `key_schedule` |
//! | `Resumable` | what a connected client keeps, so that a ticket that comes becomes a session | `session` |
//! | `Resumption` | server: the session that this handshake resumes, in TLS 1.3 its binder checked | `handshake::server` |
//! | `Resumed` | client: the session that the server has selected among those offered | `handshake::client` |

mod anti_replay;
mod client;
mod early_data;
mod established;
mod key;
mod server;
#[cfg(test)]
mod tests;
mod ticket_keys;

pub use anti_replay::{AntiReplay, BloomFilters};
pub use client::{ClientSession, ReceivedTicket};
pub use key::SessionKey;
pub use server::ServerSession;
pub use ticket_keys::TicketKeys;

pub(crate) use anti_replay::{Claims, Filters, ReplayToken, token};
pub(crate) use client::Resumable;
pub(crate) use early_data::EarlyDataTerms;
pub(crate) use established::{Established, Peer, Secret};
pub(crate) use ticket_keys::Salt;

use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::dialect::Dialect;
use crate::misuse::Misuse;

/// The longest a ticket may live, in seconds: 7 days (§4.6.1).
pub(crate) const MAX_TICKET_LIFETIME: u32 = 604_800;

/// The seconds of a lifetime that somebody chose, as they are sent (§4.6.1); what is left of one is
/// cut off.
///
/// # Errors
/// When it is below a second or above 7 days. `what` is the beginning of the sentence.
pub(crate) fn lifetime_in_seconds(what: &str, lifetime: Duration) -> Result<u32, Misuse> {
    let most = Duration::from_secs(MAX_TICKET_LIFETIME.into());
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    match seconds {
        // What is cut off would be another period than the one that was named.
        1.. if lifetime <= most && lifetime.subsec_nanos() != 0 => Err(Misuse::new(format!(
            "{what}: {lifetime:?} is no whole number of seconds; it is counted in whole ones, as {seconds}s"
        ))),
        1.. if lifetime <= most => Ok(seconds),
        _ => Err(Misuse::new(format!(
            "{what}: {lifetime:?} is outside of 1 second to 7 days"
        ))),
    }
}

/// The longest a session of before TLS 1.3 lives, in seconds: a client offers none longer, whatever its server
/// says, and a server keeps none longer by its id (RFC 5246 §F.1.4).
pub(crate) const MAX_SESSION_LIFETIME: u32 = 86_400;

/// The longest ticket a server makes or a client keeps, in bytes.
pub(crate) const MAX_TICKET: usize = 16_384;

/// The same over datagrams: a hello with two of them, and with shares of all hybrids, is one that gates take.
pub(crate) const MAX_DATAGRAM_TICKET: usize = 4_096;

/// The longest ticket that is issued over this transport.
pub(crate) const fn max_ticket(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Tls => MAX_TICKET,
        Dialect::Dtls => MAX_DATAGRAM_TICKET,
    }
}

/// For how long keys are used that go back to one signature of a peer's, in seconds: each
/// resumption brings new tickets, and without this their line would never end (§4.6.1).
pub(crate) const MAX_AUTHENTICATION: u64 = 604_800;

/// How old something is, in seconds; nothing is younger than new.
pub(crate) fn age(since: UnixTime, now: UnixTime) -> u64 {
    now.as_secs().saturating_sub(since.as_secs())
}
