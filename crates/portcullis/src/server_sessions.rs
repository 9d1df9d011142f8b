//! A server's store of sessions: the answers that it gives to a handshake's questions.

use std::fmt;
use std::sync::Arc;
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
}

impl ServerStore {
    pub(crate) fn new(store: Arc<dyn ServerSessionStore>) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        Self { store, room }
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
        let store = Arc::clone(&self.store);
        match question {
            Question::OpenTickets(question) => Err(Box::pin(open(store, *question))),
            Question::FindSession(question) => Err(Box::pin(find(store, *question))),
            // Only sessions of TLS 1.3 are kept under tickets; the others have ids.
            Question::IssueTickets(question) if is_of_tls13(&question) => {
                Err(Box::pin(issue(store, *question)))
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
        in_background(async move {
            put(&*store, &id, &session).await;
            drop(room);
        });
    }
}

fn is_of_tls13(question: &IssueTickets) -> bool {
    let mut sessions = question.sessions().iter();
    sessions.all(|session| session.version() == ProtocolVersion::TLS_1_3)
}

async fn open(store: Arc<dyn ServerSessionStore>, question: OpenTickets) -> Answer {
    let mut found = None;
    for (index, ticket) in question.tickets().enumerate() {
        let Some(session) = store.claim(ticket, question.now()).await else {
            metrics::store("claim", "miss");
            continue;
        };
        metrics::store("claim", "hit");
        if session.version() == ProtocolVersion::TLS_1_3 {
            found = Some((index, session));
            break;
        }
        // The id of an older session, which whoever was on the path has seen: it stays good.
        if let Ok(id) = ticket.try_into() {
            put(&*store, id, &session).await;
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
        put(&*store, name, session).await;
    }
    question.send_names()
}

async fn find(store: Arc<dyn ServerSessionStore>, question: FindSession) -> Answer {
    match store.get(question.session_id(), question.now()).await {
        Some(session) => {
            metrics::store("get", "hit");
            question.resume(session)
        }
        None => {
            metrics::store("get", "miss");
            question.none()
        }
    }
}

async fn put(store: &dyn ServerSessionStore, id: &[u8; 32], session: &ServerSession) {
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
