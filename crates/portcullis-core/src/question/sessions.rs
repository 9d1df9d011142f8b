//! The questions about sessions of a server that keeps them in a store, or seals them otherwise.

use rustls_pki_types::UnixTime;

use super::{Answer, AnswerContent, QuestionId};
use crate::error::Refusal;
use crate::session::ServerSession;

/// A client offers tickets, to resume another connection (RFC 8446 §4.2.11). `Debug` does not show
/// them.
pub struct OpenTickets {
    pub(crate) id: QuestionId,
    pub(crate) tickets: Vec<Box<[u8]>>,
    pub(crate) now: UnixTime,
}

impl core::fmt::Debug for OpenTickets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OpenTickets")
            .field("id", &self.id)
            .field("tickets", &self.tickets.len())
            .field("now", &self.now)
            .finish()
    }
}

impl OpenTickets {
    /// The tickets, the one that the client likes best first: as it had got them, or whatever
    /// else it has made up. At most 4; what a client offers beyond is not looked at.
    pub fn tickets(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.tickets.iter().map(|ticket| &**ticket)
    }

    /// The time of the handshake.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// Opens the tickets with the configured keys; without keys there is no session. The
    /// default.
    pub fn open_configured(self) -> Answer {
        self.id.answer(AnswerContent::ConfiguredTickets)
    }

    /// The ticket at `index` stands for this session. It is resumed if it is not expired, was
    /// made for the same server name and the hash of the suite, if the client was shown the names
    /// that it would be shown now, and if its chain is one that this configuration accepts; else
    /// there is a full handshake.
    pub fn resume(self, index: usize, session: ServerSession) -> Answer {
        self.id
            .answer(AnswerContent::Session(Some((index, Box::new(session)))))
    }

    /// No ticket is known: a full handshake.
    pub fn none(self) -> Answer {
        self.id.answer(AnswerContent::Session(None))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// The handshake is over but for the tickets that the client gets (RFC 8446 §4.6.1).
#[derive(Debug)]
pub struct IssueTickets {
    pub(crate) id: QuestionId,
    pub(crate) sessions: Vec<ServerSession>,
}

impl IssueTickets {
    /// The sessions, one for each ticket.
    pub fn sessions(&self) -> &[ServerSession] {
        &self.sessions
    }

    /// Seals the sessions into tickets with the configured keys; without keys there are none.
    /// The default.
    pub fn seal_configured(self) -> Answer {
        self.id.answer(AnswerContent::ConfiguredTickets)
    }

    /// Sends these tickets, each for the session in its place: 1 to 16,384 bytes that nobody
    /// can guess. With fewer tickets the sessions that are left are dropped.
    pub fn send(self, tickets: Vec<Vec<u8>>) -> Answer {
        self.id.answer(AnswerContent::Tickets(tickets))
    }

    /// Sends none.
    pub fn none(self) -> Answer {
        self.send(Vec::new())
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
