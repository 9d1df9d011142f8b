//! Where clients keep their sessions.

use std::future::ready;

use portcullis_core::session::{ClientSession, SessionKey};
use rustls_pki_types::UnixTime;

use crate::StoreFuture;

/// Keeps a client's sessions from one connection to the next.
///
/// Any connectors may share a store: what must not be mixed is in the [`SessionKey`], above all
/// who this side is. Sessions are kept apart by their whole key. A store keeps secrets
/// ([`ClientSession::to_bytes`]).
///
/// A store cannot fail: one that cannot do what is asked gives or keeps nothing, and the
/// connection has a full handshake. Nor can one be late: nobody waits for longer than a tenth of
/// the time a handshake may take, and never more than 1 second.
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
#[allow(
    clippy::len_without_is_empty,
    reason = "it is for people, and many stores cannot count"
)]
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

    /// How many sessions there are, also those that have expired and are not removed yet; `None` if the
    /// store does not count them, which is what it does unless it says otherwise.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(ready(None))
    }

    /// Shows `visit` each session and the key that it is under, in no order: those that were there when it began
    /// and still are. Gives whether all were shown; a store that cannot look through them shows none,
    /// which is what it does unless it says otherwise. `visit` may use the store. Nothing is taken
    /// by it: a session of TLS 1.3 that is shown may still be given to one connection.
    ///
    /// # Cancel safety
    /// It can be dropped at any time; the rest is not shown.
    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&SessionKey, &ClientSession) + Send),
    ) -> StoreFuture<'a, bool> {
        let _ = visit;
        Box::pin(ready(false))
    }

    /// Writes down what is not yet written, and ends: later calls keep and give nothing. Call it before
    /// the program ends; nobody else does. A store that has nothing to end does nothing, which is
    /// what it does unless it says otherwise.
    ///
    /// # Cancel safety
    /// Dropped, it may not have ended; call it again.
    fn close<'a>(&'a self) -> StoreFuture<'a, ()> {
        Box::pin(ready(()))
    }
}
