//! A server's store of sessions: the answers that it gives to a handshake's questions.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis_core::ProtocolVersion;
use portcullis_core::question::{
    Answer, FindSession, IssueTickets, KeepSession, OpenTickets, Question,
};
use portcullis_core::session::ServerSession;
use portcullis_session_cache::ServerSessionStore;
use rustls_pki_types::UnixTime;
use tokio::sync::Semaphore;

use crate::answers::{AnswerFuture, SharedAnswers};
use crate::environment::Life;
use crate::metrics;
use crate::sessions::in_background;

/// How many sessions wait for a slow store; more are not kept. Those of clients that come and go
/// must not grow without a bound.
const MAX_WAITING: usize = 1_024;

/// A store, shared by the handshakes of an acceptor and its clones.
#[derive(Clone)]
pub(crate) struct ServerStore {
    store: Arc<dyn ServerSessionStore>,
    room: Arc<Semaphore>,
    /// Of the environment, which waits for what goes to the store.
    life: Option<Arc<Life>>,
    /// [`answer_by_store`](Self::answer_by_store), called through here alone: clients are linked without it.
    answer: fn(&Self, Question, &SharedAnswers) -> Result<Answer, AnswerFuture>,
}

impl ServerStore {
    pub(crate) fn new(store: Arc<dyn ServerSessionStore>) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        Self {
            store,
            room,
            life: None,
            answer: Self::answer_by_store,
        }
    }

    pub(crate) fn within(self, life: Arc<Life>) -> Self {
        let life = Some(life);
        Self { life, ..self }
    }

    pub(crate) fn gives_once(&self) -> bool {
        self.store.gives_once()
    }

    /// The answer, or who makes it; to a question that is not about sessions, what `others` say.
    pub(crate) fn answer(
        &self,
        question: Question,
        others: &SharedAnswers,
    ) -> Result<Answer, AnswerFuture> {
        (self.answer)(self, question, others)
    }

    fn answer_by_store(
        &self,
        question: Question,
        others: &SharedAnswers,
    ) -> Result<Answer, AnswerFuture> {
        let store = Arc::clone(&self.store);
        match question {
            Question::OpenTickets(question) => at_once(open(store, *question)),
            Question::FindSession(question) => at_once(find(store, *question)),
            // Only sessions of TLS 1.3 and DTLS 1.3 are kept under tickets; the others have ids.
            Question::IssueTickets(question) if is_of_tls13(&question) => {
                at_once(issue(store, *question))
            }
            Question::IssueTickets(question) => Ok(question.seal_configured()),
            Question::KeepSession(question) => {
                self.keep(&question);
                Ok(question.done())
            }
            other => others.answer(other),
        }
    }

    /// Nobody waits for it: the client has all that it needs.
    fn keep(&self, question: &KeepSession) {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            metrics::store("put", "lost");
            return;
        };
        let store = Arc::clone(&self.store);
        let (id, session) = (*question.session_id(), question.session().clone());
        in_background(self.life.as_ref(), async move {
            put(&*store, &id, &session).await;
            drop(room);
        });
    }
}

/// A store in memory has answered when it is asked: its handshake needs neither a limit nor another turn.
fn at_once(
    answering: impl Future<Output = Answer> + Send + 'static,
) -> Result<Answer, AnswerFuture> {
    let mut answering: AnswerFuture = Box::pin(answering);
    let mut cx = Context::from_waker(Waker::noop());
    match answering.as_mut().poll(&mut cx) {
        Poll::Ready(answer) => Ok(answer),
        Poll::Pending => Err(answering),
    }
}

fn is_of_tls13(question: &IssueTickets) -> bool {
    let mut sessions = question.sessions().iter();
    let of_1_3 = [ProtocolVersion::TLS_1_3, ProtocolVersion::DTLS_1_3];
    sessions.all(|session| of_1_3.contains(&session.version()))
}

fn hit_or_miss(session: Option<&ServerSession>) -> &'static str {
    session.map_or("miss", |_| "hit")
}

/// Under what the session of a ticket is kept: the ticket without its last byte. An id has 32 bytes and was in the clear:
/// whoever shows one as a ticket finds, and takes out, nothing that is kept under it.
fn place(ticket: &[u8; 32]) -> &[u8] {
    let [place @ .., _] = ticket;
    place
}

async fn open(store: Arc<dyn ServerSessionStore>, question: OpenTickets) -> Answer {
    let mut found = None;
    for (index, ticket) in question.tickets().enumerate() {
        let Ok(ticket) = ticket.try_into() else {
            continue;
        };
        let claimed = store.claim(place(ticket), question.now()).await;
        metrics::store("claim", hit_or_miss(claimed.as_ref()));
        if let Some(session) = claimed {
            found = Some((index, session));
            break;
        }
    }
    match found {
        Some((index, session)) => question.resume(index, session),
        // Before TLS 1.3 there may be keys as well.
        None => question.open_configured(),
    }
}

async fn issue(store: Arc<dyn ServerSessionStore>, question: IssueTickets) -> Answer {
    for (name, session) in question.names().iter().zip(question.sessions()) {
        put(&*store, place(name), session).await;
    }
    question.send_names()
}

async fn find(store: Arc<dyn ServerSessionStore>, question: FindSession) -> Answer {
    // Another one could be the place of a ticket.
    let session = match <&[u8; 32]>::try_from(question.session_id()) {
        Ok(id) => store.get(id, question.now()).await,
        Err(_) => None,
    };
    metrics::store("get", hit_or_miss(session.as_ref()));
    match session {
        Some(session) => question.resume(session),
        None => question.none(),
    }
}

async fn put(store: &dyn ServerSessionStore, id: &[u8], session: &ServerSession) {
    let end = session.issued_at().as_secs() + session.lifetime().as_secs();
    let until = UnixTime::since_unix_epoch(Duration::from_secs(end));
    store.put(id, session.clone(), until).await;
    metrics::store("put", "kept");
}

impl fmt::Debug for ServerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStore").finish_non_exhaustive()
    }
}
