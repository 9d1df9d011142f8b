//! Where clients and servers keep the sessions that can be resumed (RFC 8446 §2.2, §4.6.1; RFC 5246
//! §7.3).
//!
//! [`SessionStore`] is what a connector asks before it connects, and gives to what servers send
//! it. [`ServerSessionStore`] is what an acceptor asks for the session of an id or of a ticket.
//! [`MemorySessionStore`] and [`MemoryServerSessionStore`] are those for a single process. Nothing
//! here does I/O, and no runtime is needed.

#![forbid(unsafe_code)]

mod memory;
mod replay;
mod server;
mod server_memory;

pub use memory::MemorySessionStore;
pub use replay::{Claim, MemoryReplayGuard, ReplayGuard};
pub use server::ServerSessionStore;
pub use server_memory::MemoryServerSessionStore;

use std::future::Future;
use std::pin::Pin;

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

/// What a [`SessionStore`] or [`ServerSessionStore`] does, maybe later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps a client's sessions from one connection to the next.
///
/// Any connectors may share a store: what must not be mixed is in the [`SessionKey`], above all
/// who this side is. Sessions are kept apart by their whole key. A store keeps secrets
/// ([`ClientSession::to_bytes`]).
///
/// A store cannot fail: one that cannot do what is asked gives or keeps nothing, and the
/// connection has a full handshake. Nor can one be late: nobody waits for longer than a tenth of
/// the time a handshake may take, and 1 second.
///
/// One that outlives the process writes sessions down. Here a map stands for a database:
///
/// ```
/// # mod portcullis {
/// #     pub use {portcullis_core::session, portcullis_session_cache::*, rustls_pki_types as pki_types};
/// # }
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use portcullis::pki_types::UnixTime;
/// use portcullis::session::{ClientSession, SessionKey};
/// use portcullis::{SessionStore, StoreFuture};
///
/// #[derive(Default)]
/// struct Written(Mutex<HashMap<Vec<u8>, Vec<Vec<u8>>>>);
///
/// impl SessionStore for Written {
///     fn take<'a>(&'a self, key: &'a SessionKey, now: UnixTime) -> StoreFuture<'a, Vec<ClientSession>> {
///         Box::pin(async move {
///             let mut all = self.0.lock().unwrap();
///             let Some(sessions) = all.get_mut(&key.to_bytes()) else { return Vec::new() };
///             // The newest is the best. Taken, it is gone.
///             while let Some(bytes) = sessions.pop() {
///                 match ClientSession::from_bytes(&bytes) {
///                     Ok(session) if !session.is_expired(now) => return vec![session],
///                     _ => continue,
///                 }
///             }
///             Vec::new()
///         })
///     }
///
///     fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             let mut all = self.0.lock().unwrap();
///             all.entry(key.to_bytes()).or_default().push(session.to_bytes().to_vec());
///         })
///     }
///
///     fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().unwrap().remove(&key.to_bytes());
///         })
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Takes sessions under `key` that can be resumed at the time `now`, the best
    /// first. All of them are offered in one connection, of which the server selects one: give
    /// as few as make sense, mostly one. One that [is to be used
    /// once](ClientSession::is_single_use), as all of TLS 1.3 are, is not given again: a ticket that
    /// is sent twice tells an observer that both connections are of the same client (RFC 8446 C.4).
    ///
    /// # Cancel safety
    /// Dropped when the connection is given up, or when it took too long; what was taken by then
    /// may be lost.
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>>;

    /// Keeps a session under `key`.
    ///
    /// A future that is ready when it is first polled is done before the connection goes on. Any other
    /// goes on in the background, and nobody waits for it, not when the connection closes either: where a
    /// program may end right after its last connection, write before the future is made, or block in it.
    ///
    /// # Cancel safety
    /// Dropped after 30 seconds, or with the runtime; the session may be kept or lost.
    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()>;

    /// Forgets all sessions under `key`: a connection that offered one has failed, and the server
    /// may be one that ends every connection with a ticket.
    ///
    /// # Cancel safety
    /// Dropped after 30 seconds, or with the runtime; sessions may be there still.
    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()>;
}
