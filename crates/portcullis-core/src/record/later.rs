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
    Decline(Barred),
    /// The connection ends, maybe for a reason that the violation does not name.
    Forbid(Option<&'static str>),
    Ignore,
    Accept(Another),
}

/// Why there can be no other handshake on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    Tls13,
    /// The configuration does not allow it.
    Configuration,
    /// The one that it allows has been.
    SecondOne,
    /// The peer does not know RFC 5746.
    UnknownToPeer,
    /// The protocol is HTTP/2.
    Http2,
    /// A session was resumed that has no extended master secret (RFC 7627 §5.4).
    UnboundSession,
    /// One half of the connection is gone.
    GivenUp,
    /// The connection has been closed, or has failed.
    Closed,
    /// Over datagrams: all epochs have been.
    #[cfg(feature = "dtls")]
    LastEpoch,
}

impl Barred {
    /// What is said of it.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Tls13 => {
                "renegotiate: TLS 1.3 has no renegotiation; `update_keys` changes keys, and a new connection \
                 authenticates anew"
            }
            Self::Configuration => {
                "renegotiate: this side's configuration does not allow it; set `renegotiation` to `Renegotiation::Once`, \
                 which allows one, or to `Accept`"
            }
            Self::SecondOne => {
                "renegotiate: it would be the second one, and `Renegotiation::Once` allows one; set `renegotiation` to \
                 `Accept`"
            }
            Self::UnknownToPeer => {
                "renegotiate: the peer does not know RFC 5746, and without it whoever is between may have begun the \
                 connection (CVE-2009-3555); open a new one"
            }
            Self::Http2 => {
                "renegotiate: the protocol is HTTP/2, which forbids it (RFC 9113 §9.2.1); open a new connection"
            }
            Self::UnboundSession => {
                "renegotiate: the connection has resumed a session without the extended master secret (RFC 7627 §5.4); open \
                 a new one with a full handshake"
            }
            Self::GivenUp => {
                "renegotiate: the other half of the connection is gone, and it takes both"
            }
            Self::Closed => {
                "renegotiate: the connection has been closed, or has failed; open a new one"
            }
            #[cfg(feature = "dtls")]
            Self::LastEpoch => {
                "renegotiate: all 65,535 epochs of the connection have been; open a new one"
            }
        }
    }
}

impl OnRequest {
    /// Why this side cannot begin another handshake, where it cannot.
    pub(super) const fn barred(&self) -> Barred {
        match self {
            Self::Decline(why) => *why,
            Self::Forbid(Some(_)) => Barred::SecondOne,
            // Asked for only where it is accepted.
            Self::Forbid(None) | Self::Ignore | Self::Accept(_) => Barred::Configuration,
        }
    }
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
