//! Where a client keeps the sessions it can resume (RFC 8446 §2.2, §4.6.1).
//!
//! [`SessionStore`] is what a connector asks before it connects, and gives to what servers send
//! it. [`MemorySessionStore`] is the one for a single process. Nothing here does I/O, and no
//! runtime is needed.

#![forbid(unsafe_code)]

mod memory;

pub use memory::MemorySessionStore;

use std::future::Future;
use std::pin::Pin;

use portcullis_core::session::ClientSession;
use rustls_pki_types::{ServerName, UnixTime};

/// What a [`SessionStore`] does, maybe later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps a client's sessions from one connection to the next.
///
/// A store serves connectors that show the same identity and trust the same roots: whoever
/// resumes a session is, to the server, the client that began it. It keeps secrets
/// ([`ClientSession::to_bytes`]).
///
/// A store cannot fail: one that cannot do what is asked gives or keeps nothing, and the
/// connection has a full handshake.
pub trait SessionStore: Send + Sync + 'static {
    /// Takes sessions with the server `name` that can be resumed at the time `now`, the best
    /// first. All of them are offered in one connection, of which the server selects one: give
    /// as few as make sense, mostly one, and none again, because a ticket that is sent twice
    /// tells who watches that both connections are of the same client (RFC 8446 C.4).
    ///
    /// # Cancel safety
    /// Dropped when the connection is given up; what was taken by then may be lost.
    fn take<'a>(
        &'a self,
        name: &'a ServerName<'static>,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>>;

    /// Keeps a session.
    fn put(&self, session: ClientSession) -> StoreFuture<'_, ()>;
}
