//! What a connection keeps for later: a client its tickets, and before TLS 1.3 either side what
//! another handshake begins with.
//!
//! RFC 8446 §4.6.1; RFC 5246 §7.4.1.

use core::any::Any;

use rustls_pki_types::UnixTime;

use super::post_handshake::Tickets;
use crate::session::ReceivedTicket;

/// Of which version the connection is.
pub(crate) enum Later {
    Tls13(Tickets),
    Older(Box<Older>),
}

/// Before TLS 1.3.
pub(crate) struct Older {
    /// Client: a session is there when the handshake is over.
    pub(crate) session: Option<ReceivedTicket>,
    pub(crate) on_request: OnRequest,
}

/// What becomes of the peer's request for another handshake.
pub(crate) enum OnRequest {
    /// It is told that there is none, and the connection goes on.
    Decline,
    /// The connection ends, maybe for a reason that the violation does not name.
    Forbid(Option<&'static str>),
    Ignore,
    Accept(Another),
}

/// What another handshake begins with.
pub(crate) struct Another {
    /// Before this time the peer's request is declined.
    pub(crate) not_before: UnixTime,
    /// What the handshake has put here: records do not know it.
    pub(crate) kept: Box<dyn Any + Send + Sync>,
    /// Client: where the handshake stands whose hello is out and was not answered in time. It may be yet.
    pub(crate) unanswered: Option<Box<dyn Any + Send + Sync>>,
    /// Records that the read key has left, while the peer's request waits for an answer.
    pub(super) left: u64,
}

impl Another {
    pub(crate) fn new(kept: impl Any + Send + Sync, not_before: UnixTime) -> Self {
        Self {
            not_before,
            kept: Box::new(kept),
            unanswered: None,
            left: 0,
        }
    }
}

impl Later {
    pub(super) fn take_session(&mut self) -> Option<ReceivedTicket> {
        match self {
            Self::Tls13(tickets) => tickets.take(),
            Self::Older(older) => older.session.take(),
        }
    }

    pub(super) fn tickets(&mut self) -> Option<&mut Tickets> {
        match self {
            Self::Tls13(tickets) => Some(tickets),
            Self::Older(_) => None,
        }
    }

    pub(super) fn another(&mut self) -> Option<&mut Another> {
        match self {
            Self::Older(older) => match &mut older.on_request {
                OnRequest::Accept(another) => Some(another),
                _ => None,
            },
            Self::Tls13(_) => None,
        }
    }
}

#[cfg(feature = "dtls")]
impl core::fmt::Debug for Older {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Older")
    }
}

impl core::fmt::Debug for Later {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Tls13(_) => "Later(tickets)",
            Self::Older(_) => "Later(renegotiation)",
        })
    }
}
