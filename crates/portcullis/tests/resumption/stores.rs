//! Stores of sessions: what they keep, and what is asked of a store of the application's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::answers::{Answers, Questions};
use portcullis::pki_types::UnixTime;
use portcullis::question::{Answer, IssueTickets, OpenTickets};
use portcullis::session::{ClientSession, ServerSession, SessionKey};
use portcullis::{MemorySessionStore, ServerName, SessionStore, StoreFuture, TlsAcceptor};

use crate::ends::*;
use crate::{by_hand, connect, key, resuming_server};

/// A server's store of sessions, as one that several servers share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>, Arc<AtomicUsize>);

impl Answers for Shared {
    fn questions(&self) -> Questions {
        Questions::none().and_tickets()
    }

    async fn open_tickets(&self, question: OpenTickets) -> Answer {
        tokio::task::yield_now().await;
        let mut found = None;
        for (index, ticket) in question.tickets().enumerate() {
            if let Some(bytes) = self.0.lock().unwrap().remove(ticket) {
                found = Some((index, ServerSession::from_bytes(&bytes).unwrap()));
                break;
            }
        }
        match found {
            Some((index, session)) => question.resume(index, session),
            None => question.none(),
        }
    }

    async fn issue_tickets(&self, question: IssueTickets) -> Answer {
        tokio::task::yield_now().await;
        let mut tickets = Vec::new();
        for session in question.sessions() {
            // A real one is random: whoever guesses it makes the store forget the session.
            let number = self.1.fetch_add(1, Ordering::Relaxed);
            let ticket = format!("ticket {number}").into_bytes();
            let bytes = session.to_bytes().to_vec();
            self.0.lock().unwrap().insert(ticket.clone(), bytes);
            tickets.push(ticket);
        }
        question.send(tickets)
    }
}

#[tokio::test]
async fn a_server_asks_a_store_which_forgets_what_was_resumed() {
    let shared = Shared::default();
    let acceptor = acceptor().answers(shared.clone());
    let (mut client, _server) = connect(&by_hand(), &acceptor).await;
    let session = client.take_session();
    assert_eq!(shared.0.lock().unwrap().len(), 3);
    for resumed in [true, false] {
        // Another server with the same store.
        let acceptor = crate::ends::acceptor().answers(shared.clone());
        let connector = by_hand().offering(session.clone());
        let (client, _server) = connect(&connector, &acceptor).await;
        assert_eq!(client.is_resumed(), resumed, "a ticket opens once");
    }
}

#[tokio::test]
async fn the_store_in_memory_has_bounds() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (mut client, _server) = connect(&by_hand(), &acceptor).await;
    let session = client.take_session().unwrap();
    let now = session.received_at();
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 7_200));

    let store = MemorySessionStore::new(2);
    for _ in 0..3 {
        store.put(&key(), session.clone()).await;
    }
    assert_eq!(store.len(), 2);
    let unknown = ServerName::try_from("other.example").unwrap();
    let unknown = SessionKey::new(&client_config(), unknown, None);
    assert!(store.take(&unknown, now).await.is_empty());
    assert_eq!(store.take(&key(), now).await.len(), 1);
    assert!(store.take(&key(), later).await.is_empty());
    assert!(store.is_empty(), "what is expired is dropped");

    // One that has come before, as when sessions are read from a disk, pushes nobody out.
    let mut bytes = session.to_bytes();
    let received_at = bytes.last_chunk_mut().unwrap();
    *received_at = (now.as_secs() - 10).to_be_bytes();
    let older = ClientSession::from_bytes(&bytes).unwrap();
    assert_eq!(older.received_at().as_secs(), now.as_secs() - 10);
    let store = MemorySessionStore::default();
    store.put(&key(), session.clone()).await;
    store.put(&key(), older).await;
    assert_eq!(store.len(), 2);
    store.clear();
    for _ in 0..20 {
        store.put(&key(), session.clone()).await;
    }
    assert_eq!(store.len(), 6, "of one server");
    store.clear();
    assert!(store.take(&key(), now).await.is_empty());
    let none = MemorySessionStore::new(0);
    none.put(&key(), session).await;
    assert!(none.is_empty());
}

/// A store that takes its time, and says when it has kept something.
struct Slow(MemorySessionStore, tokio::sync::Semaphore);

impl SessionStore for Slow {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.take(key, now).await
        })
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.put(key, session).await;
            self.1.add_permits(1);
        })
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.0.forget(key)
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_gets_sessions_also_of_a_connection_that_is_gone() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let store = Arc::new(Slow(
        MemorySessionStore::default(),
        tokio::sync::Semaphore::new(0),
    ));
    let connector = connector().session_store(store.clone());
    drop(connect(&connector, &acceptor).await);
    let _ = store.1.acquire_many(3).await.unwrap();
    assert_eq!(store.0.len(), 3);
    assert!(connect(&connector, &acceptor).await.0.is_resumed());
}

/// Has no session, and never keeps one.
struct Lossy;

impl SessionStore for Lossy {
    fn take<'a>(&'a self, _: &'a SessionKey, _: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn put<'a>(&'a self, _: &'a SessionKey, _: ClientSession) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn forget<'a>(&'a self, _: &'a SessionKey) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_keeps_holds_no_task_for_ever() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let store = Arc::new(Lossy);
    let connector = connector().session_store(store.clone());
    drop(connect(&connector, &acceptor).await);
    assert!(Arc::strong_count(&store) > 2, "somebody waits");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(Arc::strong_count(&store), 2, "the test and the connector");
}
