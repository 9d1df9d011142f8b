//! The questions about sessions of a server that keeps them in a store, or seals them otherwise.

use rustls_pki_types::UnixTime;

use super::{Answer, AnswerContent, QuestionId};
use crate::client_hello_view::ClientHelloView;
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
    pub(crate) names: Vec<[u8; 32]>,
}

impl IssueTickets {
    /// The sessions, one for each ticket.
    pub fn sessions(&self) -> &[ServerSession] {
        &self.sessions
    }

    /// For each session 32 random bytes, by which a store can keep it: nobody can guess them.
    pub fn names(&self) -> &[[u8; 32]] {
        &self.names
    }

    /// Sends the [`names`](Self::names) as tickets.
    pub fn send_names(self) -> Answer {
        let tickets = self.names.iter().map(|name| name.to_vec()).collect();
        self.send(tickets)
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

/// A client of TLS 1.2 names a session, to resume it (RFC 5246 §7.4.1.2). So does one that offers TLS
/// 1.3 as well and means none: its id is random (RFC 8446 §D.4). `Debug` does not show the id.
pub struct FindSession {
    pub(crate) id: QuestionId,
    pub(crate) hello: ClientHelloView,
    pub(crate) now: UnixTime,
}

impl core::fmt::Debug for FindSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FindSession")
            .field("id", &self.id)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl FindSession {
    /// What the client calls the session: 1 to 32 bytes, as it had got them, or whatever else it has
    /// made up.
    pub fn session_id(&self) -> &[u8] {
        self.hello.session_id()
    }

    /// The whole ClientHello.
    pub fn client_hello(&self) -> &ClientHelloView {
        &self.hello
    }

    /// The time of the handshake.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The id stands for this session. It is resumed if it is not expired, was made for the same
    /// version, server name and suite, if the client was shown the names that it would be shown now,
    /// and if its chain is one that this configuration accepts; else there is a full handshake. The
    /// session stays as it is: it can be resumed again.
    pub fn resume(self, session: ServerSession) -> Answer {
        self.id
            .answer(AnswerContent::Session(Some((0, Box::new(session)))))
    }

    /// No such session is known: a full handshake. The default.
    pub fn none(self) -> Answer {
        self.id.answer(AnswerContent::Session(None))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}

/// The handshake of TLS 1.2 is over, with both Finished, and its session can be resumed if somebody
/// keeps it. `Debug` does not show the id.
pub struct KeepSession {
    pub(crate) id: QuestionId,
    pub(crate) session_id: [u8; 32],
    pub(crate) session: ServerSession,
}

impl core::fmt::Debug for KeepSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeepSession")
            .field("id", &self.id)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl KeepSession {
    /// What the client will call the session: random bytes that this side has chosen. They travel in
    /// the clear, so they prove nothing.
    pub fn session_id(&self) -> &[u8; 32] {
        &self.session_id
    }

    /// The session.
    pub fn session(&self) -> &ServerSession {
        &self.session
    }

    /// Goes on: the session is kept, will be, or is not. The default, which keeps none. The connection
    /// waits for this, so a store that takes its time is better told by a task of its own.
    pub fn done(self) -> Answer {
        self.id.answer(AnswerContent::Kept)
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
