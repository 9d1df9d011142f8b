//! Authentication after the handshake: the server asks for a certificate while data flows.
//!
//! RFC 8446 §4.6.2. Neither direction stops for it. What has come is taken here, by whoever has read, and is dealt with
//! as in the handshake: what is to be decided is asked. What follows from it waits for the writer, which sends it
//! in one run (§4.4), and whose secret of that moment Finished is computed with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls_pki_types::UnixTime;

use super::client::{Asked, ChoosingLater, PostHandshakeClient, SigningLater};
use super::server::{AnsweredLater, IssuingLater, VerifyingLater};
use super::wrong_answer;
use crate::apart::Apart;
use crate::error::{Abort, Error, Stage};
use crate::misuse::Misuse;
use crate::question::{Answer, AnswerContent, Question, QuestionId};
use crate::record::{Authentication, ToWriter};
use crate::x509::VerifiedChain;

/// How many requests of one connection may be unanswered at a time.
pub(super) const MAX_OPEN: usize = 4;

/// One request for a certificate, of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthenticationId(pub(super) u64);

/// Which end this is.
#[derive(Clone, Debug)]
pub(crate) enum PostHandshakeEnd {
    Client(Arc<PostHandshakeClient>),
    Server(Arc<dyn AsksLater>),
}

/// A server that asks after the handshake. Called through a pointer, so that a client is linked without it.
pub(crate) trait AsksLater: Authentication {
    fn request(&self) -> Result<AuthenticationId, Misuse>;

    /// The contexts of the requests that are not answered.
    #[cfg(test)]
    fn contexts(&self) -> Vec<Vec<u8>>;

    /// An answer that has come.
    fn next(&self) -> Option<Box<AnsweredLater>>;

    fn begin(&self, answered: AnsweredLater, now: UnixTime) -> Result<Progress, Abort>;

    /// Somebody has verified the chain.
    fn judged(
        &self,
        paused: VerifyingLater,
        answer: AnswerContent,
        now: UnixTime,
    ) -> Result<Progress, Abort>;

    /// Somebody has kept the session.
    fn issued(
        &self,
        paused: IssuingLater,
        answer: AnswerContent,
        now: UnixTime,
    ) -> Result<Progress, Abort>;
}

impl PostHandshakeEnd {
    /// As records see it.
    pub(super) fn of_records(&self) -> Arc<dyn Authentication> {
        match self {
            Self::Client(client) => Arc::clone(client) as _,
            Self::Server(server) => Arc::clone(server) as _,
        }
    }
}

/// Authentication after the handshake (RFC 8446 §4.6.2), of a connection where it may be: the client has
/// [offered](crate::config::ClientConfigBuilder::post_handshake_authentication) it, and the server
/// [asks](crate::config::ServerConfigBuilder::post_handshake_authentication) in that way. Cheap to clone; for any
/// task.
///
/// What has come is found by reading: after each [`Opened::Nothing`](crate::Opened::Nothing) call [`take`](Self::take). What is to be sent
/// is told in the [mailbox](crate::Mailbox), as the answer to a KeyUpdate is. Over datagrams the same comes after
/// [`Received::Nothing`](crate::Received::Nothing), and
/// [`DatagramWriter::poll_control`](crate::DatagramWriter::poll_control) sends it until it is acknowledged.
#[derive(Clone, Debug)]
pub struct PostHandshakeAuthentication {
    end: PostHandshakeEnd,
    to_writer: ToWriter,
}

impl PostHandshakeAuthentication {
    pub(super) const fn new(end: PostHandshakeEnd, to_writer: ToWriter) -> Self {
        Self { end, to_writer }
    }

    /// Whether this side is the one that asks.
    pub const fn is_server(&self) -> bool {
        matches!(self.end, PostHandshakeEnd::Server(_))
    }

    /// Whether this side has said close_notify: what a client would answer does not go out any more, so nobody needs to sign,
    /// or be asked for a PIN.
    pub fn is_silent(&self) -> bool {
        self.to_writer.is_silent()
    }

    /// Server: asks the client for its certificate. The request goes out by
    /// [`Writer::drain_mailbox`](crate::Writer::drain_mailbox), or with the next data; the answer may take as long as a
    /// person does.
    ///
    /// # Errors
    /// On a client; over HTTP/2, which forbids it (RFC 9113 §9.2.3); when four requests are not yet answered; when the
    /// names of authorities would make it longer than 32 KiB; when there are no random bytes. The connection goes on.
    pub fn request(&self) -> Result<AuthenticationId, Misuse> {
        let PostHandshakeEnd::Server(server) = &self.end else {
            return Err(Misuse::new(
                "request_client_certificate: this end is the client; the server asks",
            ));
        };
        let id = server.request()?;
        self.to_writer.authenticate();
        Ok(id)
    }

    /// The contexts of the requests that are not answered.
    #[cfg(test)]
    pub(super) fn contexts(&self) -> Vec<Vec<u8>> {
        match &self.end {
            PostHandshakeEnd::Client(_) => Vec::new(),
            PostHandshakeEnd::Server(server) => server.contexts(),
        }
    }

    /// The next that has come and has not been dealt with: a client's request, a server's answer.
    pub fn take(&self) -> Option<Authenticating> {
        let (id, state) = match &self.end {
            PostHandshakeEnd::Client(client) => {
                let asked = client.next()?;
                (asked.id, State::Asked(asked))
            }
            PostHandshakeEnd::Server(server) => {
                let answered = server.next()?;
                (answered.id, State::Answered(answered))
            }
        };
        Some(Authenticating {
            authentication: self.clone(),
            id,
            state: Apart::new(state),
            waiting_for: None,
        })
    }
}

/// What is done about one request, or one answer: [`poll`](Self::poll) says what, until it is
/// over. Dropped before that, a client does not answer, and a server does not hear the answer.
#[derive(Debug)]
pub struct Authenticating {
    authentication: PostHandshakeAuthentication,
    id: AuthenticationId,
    state: Apart<State>,
    waiting_for: Option<QuestionId>,
}

/// What is to be done, or was.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticationStep {
    /// To be answered by [`Authenticating::answer`]. Nothing else waits for it.
    Ask(Question),
    /// Client: the answer waits for the writer.
    Answered {
        /// Whether a certificate is shown.
        shown: bool,
    },
    /// Server: the client has this chain, and its key. If sessions are resumed, a ticket waits for the writer whose
    /// session has the chain.
    Presented(VerifiedChain),
    /// Server: the client has no certificate, or none that fits, or shows none.
    Declined,
}

#[derive(Debug)]
enum State {
    Asked(Box<Asked>),
    ChoosingIdentity(Box<ChoosingLater>),
    Signing(Box<SigningLater>),
    Answered(Box<AnsweredLater>),
    VerifyingChain(Box<VerifyingLater>),
    IssuingTicket(Box<IssuingLater>),
    /// To be told.
    Settled(Box<Result<Progress, Abort>>),
    Over,
}

/// What follows.
#[derive(Debug)]
pub(crate) enum Progress {
    ChooseIdentity(Question, Box<ChoosingLater>),
    Sign(Question, Box<SigningLater>),
    VerifyChain(Question, Box<VerifyingLater>),
    IssueTicket(Question, Box<IssuingLater>),
    Done(AuthenticationStep),
}

impl Authenticating {
    /// Which request it is about. A client counts its own.
    pub const fn id(&self) -> AuthenticationId {
        self.id
    }

    /// Goes on until something is asked, or it is over.
    ///
    /// # Errors
    /// Why the connection is over: the client's chain is not to be trusted, it has none and one is required, or
    /// somebody has refused. The alert is in the mailbox; nothing more is to be read. [`Reason::Misuse`](crate::Reason::Misuse) while a
    /// question is open, and when it was over before; these change nothing.
    pub fn poll(&mut self, now: UnixTime) -> Result<AuthenticationStep, Error> {
        let end = &self.authentication.end;
        let progress = match (core::mem::replace(&mut *self.state, State::Over), end) {
            (State::Asked(asked), PostHandshakeEnd::Client(client)) => client.begin(*asked, now),
            (State::Answered(answered), PostHandshakeEnd::Server(server)) => {
                server.begin(*answered, now)
            }
            (State::Settled(progress), _) => *progress,
            (state, _) => {
                *self.state = state;
                let misuse = Misuse::new(match *self.state {
                    State::Over => "the authentication is over: there is nothing more to do",
                    _ => "a question of the authentication is open: answer it first",
                });
                return Err(Abort::from(misuse).into_silent_error(Stage::Connected));
            }
        };
        let (question, state) = match progress {
            Ok(Progress::ChooseIdentity(question, state)) => {
                (question, State::ChoosingIdentity(state))
            }
            Ok(Progress::Sign(question, state)) => (question, State::Signing(state)),
            Ok(Progress::VerifyChain(question, state)) => (question, State::VerifyingChain(state)),
            Ok(Progress::IssueTicket(question, state)) => (question, State::IssuingTicket(state)),
            Ok(Progress::Done(step)) => {
                self.authentication.to_writer.authenticate();
                return Ok(step);
            }
            Err(abort) => {
                let error = abort.into_error(Stage::Connected);
                self.authentication.to_writer.fail(error.clone());
                return Err(error);
            }
        };
        self.waiting_for = Some(question.id());
        *self.state = state;
        Ok(AuthenticationStep::Ask(question))
    }

    /// Answers the open question; then [`poll`](Self::poll).
    ///
    /// # Errors
    /// When the answer belongs to another question; nothing has happened.
    pub fn answer(&mut self, answer: Answer, now: UnixTime) -> Result<(), Misuse> {
        if self.waiting_for != Some(answer.id) {
            return Err(Misuse::new(
                "this answer belongs to another connection, or its question was answered before",
            ));
        }
        self.waiting_for = None;
        let end = &self.authentication.end;
        let state = core::mem::replace(&mut *self.state, State::Over);
        let progress = match (answer.content, state, end) {
            (AnswerContent::Refused(refusal), ..) => Err(refusal.into()),
            (content, State::ChoosingIdentity(state), PostHandshakeEnd::Client(client)) => {
                client.chosen(*state, content, now)
            }
            (content, State::Signing(state), PostHandshakeEnd::Client(client)) => {
                client.signed(*state, content)
            }
            (content, State::VerifyingChain(state), PostHandshakeEnd::Server(server)) => {
                server.judged(*state, content, now)
            }
            (content, State::IssuingTicket(state), PostHandshakeEnd::Server(server)) => {
                server.issued(*state, content, now)
            }
            _ => Err(wrong_answer()),
        };
        *self.state = State::Settled(Box::new(progress));
        Ok(())
    }
}

impl Authenticating {
    /// Ends it where nobody answers: a client shows none, and a server does not hear more of it.
    pub fn give_up(mut self) {
        let PostHandshakeEnd::Client(client) = &self.authentication.end else {
            return;
        };
        let asked = match core::mem::replace(&mut *self.state, State::Over) {
            State::Asked(asked) => *asked,
            State::ChoosingIdentity(state) => state.0,
            State::Signing(state) => state.asked,
            _ => return,
        };
        let _ = client.show_none(asked);
        self.authentication.to_writer.authenticate();
    }
}

/// What nobody holds while anything can panic.
pub(super) fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
