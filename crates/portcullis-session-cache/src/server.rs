//! Where servers keep their sessions.

use std::future::ready;

use portcullis_core::session::ServerSession;
use rustls_pki_types::UnixTime;

use crate::StoreFuture;

/// Keeps a server's sessions, so that clients can resume their connections: those of TLS 1.2 by
/// their session ids (RFC 5246 §7.3), those of TLS 1.3 by tickets that are names and nothing else
/// (RFC 8446 §4.6.1).
///
/// Any servers may share a store. What a session was made for is in the session itself, and a server
/// resumes none but where a full handshake would give the same. A store keeps secrets
/// ([`ServerSession::to_bytes`]); ids prove nothing and travel in the clear.
///
/// A store cannot fail: one that cannot do what is asked gives or keeps nothing, and the connection
/// has a full handshake. Nor can one be late: nobody waits for longer than a tenth of the time a
/// handshake may take, and never more than 1 second. What goes wrong it keeps to itself, or tells where the program looks.
///
/// A store in another database is four methods; the rest have defaults. `examples/own_store.rs` of the repository has all
/// of it, with a map in the place of the database:
///
/// | method | called | statement |
/// |---|---|---|
/// | [`put`](Self::put) | when a handshake before TLS 1.3 is over, and for each ticket of TLS 1.3 | `REPLACE INTO sessions VALUES (?, ?, ?)`: id, [`to_bytes`](ServerSession::to_bytes), seconds of `until` |
/// | [`get`](Self::get) | when a client before TLS 1.3 names a session | `SELECT session FROM sessions WHERE id = ? AND until > ?`, [`from_bytes`](ServerSession::from_bytes) |
/// | [`claim`](Self::claim) | when a client of TLS 1.3 shows a ticket | `DELETE FROM sessions WHERE id = ? RETURNING session`, or what else does both at once |
/// | [`forget`](Self::forget) | by no acceptor; by a program that ends a session | `DELETE FROM sessions WHERE id = ?` |
///
/// Whoever else can read the database must not read sessions: `StoreKeys` are how the stores on disk and
/// in Redis see to that, and any AEAD will do. What has expired is removed by the store, when it likes.
#[allow(
    clippy::len_without_is_empty,
    reason = "it is for people, and many stores cannot count"
)]
pub trait ServerSessionStore: Send + Sync + 'static {
    /// Keeps a session under `id`, 1 to 32 bytes that no other session has, at most until the
    /// time `until`. An acceptor's ids have 32 before TLS 1.3, and 31 since, the first of a ticket: so a session id that is shown
    /// as a ticket is none of them.
    ///
    /// # Cancel safety
    /// Dropped when it took too long, or with the runtime; the session may be kept or lost.
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()>;

    /// Gives the session under `id`, which stays: one of TLS 1.2 may be resumed many times. One that
    /// [has expired](ServerSession::is_expired) at the time `now` need not be given. The id is what
    /// a client has sent.
    ///
    /// # Cancel safety
    /// Dropped when it took too long, or the connection is given up.
    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>>;

    /// Takes the session under `id` out: of all who ask for it, on all servers, exactly one gets it.
    /// So a ticket of TLS 1.3 is good for one connection (RFC 8446 §8.1). The client has not
    /// proved by then that the ticket is its own: whoever has seen it on the wire can spend it, which
    /// costs the client a full handshake.
    ///
    /// # Cancel safety
    /// Dropped when it took too long, or the connection is given up; the session may be lost.
    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>>;

    /// Whether [`claim`](Self::claim) gives no session twice whatever happens, so that early data may be accepted on
    /// the strength of it alone (RFC 8446 §8.1): also after a restart, and when another machine takes over. What
    /// could bring back a session that was claimed says no, which is what a store says unless it says otherwise;
    /// then early data takes a [`ReplayGuard`](crate::ReplayGuard).
    fn gives_once(&self) -> bool {
        false
    }

    /// Forgets the session under `id`.
    ///
    /// # Cancel safety
    /// Dropped when it took too long, or with the runtime; the session may be there still.
    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()>;

    /// How many sessions there are, also those that have expired and are not removed yet; `None` if the
    /// store does not count them, which is what it does unless it says otherwise.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    fn len<'a>(&'a self) -> StoreFuture<'a, Option<usize>> {
        Box::pin(ready(None))
    }

    /// Shows `visit` each session, in no order: those that were there when it began and still are. Gives whether
    /// all were shown; a store that cannot look through them shows none, which is what it does unless it
    /// says otherwise. `visit` may use the store. It is not told the ids, which a store need not know:
    /// it can keep digests of them.
    ///
    /// # Cancel safety
    /// It can be dropped at any time; the rest is not shown.
    fn for_each<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(&ServerSession) + Send),
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
