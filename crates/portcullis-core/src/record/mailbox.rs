//! What the reading half asks of the writing half, and the wish for another handshake: the only thing they share.
//!
//! RFC 8446 §4.6.3 (KeyUpdate is answered on the other direction), §6.2 (a fatal alert ends both).

use std::sync::Arc;

use super::Authentication;
use crate::error::Error;
use crate::sync::{AtomicU32, OnceLock, Ordering};

/// The peer asked for a KeyUpdate.
const ANSWER_KEY_UPDATE: u32 = 1;
/// The peer has used its key for as long as it may.
const REQUEST_KEY_UPDATE: u32 = 1 << 1;
/// The reader has failed.
const FAILED: u32 = 1 << 2;
/// The peer has sent close_notify.
const PEER_CLOSED: u32 = 1 << 3;
/// The peer has asked for a renegotiation, before TLS 1.3.
const DECLINE_RENEGOTIATION: u32 = 1 << 4;

/// Something of an authentication after the handshake waits to be sent.
const AUTHENTICATE: u32 = 1 << 5;

/// Before TLS 1.3: the writer's key is to be replaced by another handshake. Nothing that the writer could do.
const RENEGOTIATE: u32 = 1 << 6;

/// This side has sent close_notify, and may be asked for a certificate.
const SILENT: u32 = 1 << 7;

const WORK: u32 =
    ANSWER_KEY_UPDATE | REQUEST_KEY_UPDATE | FAILED | DECLINE_RENEGOTIATION | AUTHENTICATE;

/// A few flags between a [`Reader`](super::Reader) and its [`Writer`](super::Writer).
///
/// There is no lock: posting is one atomic operation, and looking is one relaxed load. What is
/// asked twice before it is done is done once (§4.6.3 allows one answer to many requests).
///
/// The mailbox wakes nobody. A driver whose writer may be asleep looks at
/// [`has_work`](Self::has_work) after each record that was not data and after each error, and
/// then calls [`Writer::drain_mailbox`](super::Writer::drain_mailbox).
#[derive(Debug, Default)]
pub struct Mailbox {
    flags: AtomicU32,
    failure: OnceLock<Error>,
    /// There if the client may be asked for a certificate after the handshake. Boxed: most connections have none.
    authentication: Option<Box<Arc<dyn Authentication>>>,
}

impl Mailbox {
    pub(crate) fn new(authentication: Option<Arc<dyn Authentication>>) -> Self {
        Self {
            authentication: authentication.map(Box::new),
            ..Self::default()
        }
    }

    pub(super) fn authentication(&self) -> Option<&dyn Authentication> {
        Some(&***self.authentication.as_ref()?)
    }

    /// What waits there is to be sent.
    pub(crate) fn authenticate(&self) {
        self.flags.fetch_or(AUTHENTICATE, Ordering::Release);
    }

    /// This side says nothing more: whoever is asked for a certificate does not sign for nothing.
    pub(super) fn silence(&self) {
        if self.authentication.is_some() {
            self.flags.fetch_or(SILENT, Ordering::Release);
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SILENT != 0
    }

    /// Whether the writer has something to do: answer a KeyUpdate, ask for one, ask for a certificate or show one, or
    /// send the reader's alert.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & WORK != 0
    }

    /// Whether the peer has sent close_notify: it sends no more, and may still receive (§6.1).
    pub fn peer_closed(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & PEER_CLOSED != 0
    }

    /// Before TLS 1.3: whether the writer's key should be replaced before it is worn out. The writer goes on with
    /// it as long as it lasts.
    #[inline]
    pub fn wishes_to_renegotiate(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & RENEGOTIATE != 0
    }

    /// Whether that is so, told once for each key: whoever has both halves begins another handshake
    /// ([`Handshake::renegotiate`](crate::Handshake::renegotiate)).
    ///
    /// It is wished for where the configuration has one of
    /// [`Renegotiation::Once`](crate::config::Renegotiation::Once) and
    /// [`Accept`](crate::config::Renegotiation::Accept) and the peer knows RFC 5746.
    pub fn take_wish(&self) -> bool {
        self.wishes_to_renegotiate()
            && self.flags.fetch_and(!RENEGOTIATE, Ordering::Acquire) & RENEGOTIATE != 0
    }

    pub(super) fn wish_to_renegotiate(&self) {
        self.flags.fetch_or(RENEGOTIATE, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & FAILED != 0
    }

    /// Why the reader failed, if it did.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    pub(super) fn answer_key_update(&self) {
        self.flags.fetch_or(ANSWER_KEY_UPDATE, Ordering::Release);
    }

    pub(super) fn request_key_update(&self) {
        self.flags.fetch_or(REQUEST_KEY_UPDATE, Ordering::Release);
    }

    pub(super) fn decline_renegotiation(&self) {
        self.flags
            .fetch_or(DECLINE_RENEGOTIATION, Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.flags.fetch_or(PEER_CLOSED, Ordering::Release);
    }

    pub(crate) fn fail(&self, error: Error) {
        // The first failure is the one that counts; a reader fails only once anyway.
        let _ = self.failure.set(error);
        self.flags.fetch_or(FAILED, Ordering::Release);
    }

    /// Takes what is to be done; the writer does it all, or puts it back.
    pub(super) fn take(&self) -> Work {
        Work(self.flags.fetch_and(!WORK, Ordering::Acquire) & WORK)
    }

    pub(super) fn put_back(&self, work: Work) {
        self.flags.fetch_or(work.0, Ordering::Release);
    }
}

/// What was in the mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work(u32);

impl Work {
    /// The KeyUpdate to send: `Some(true)` asks the peer for one.
    ///
    /// A request answers the peer's request as well.
    pub(super) fn key_update(self) -> Option<bool> {
        match self.0 & (ANSWER_KEY_UPDATE | REQUEST_KEY_UPDATE) {
            0 => None,
            bits => Some(bits & REQUEST_KEY_UPDATE != 0),
        }
    }

    /// Whether the peer is to be told that there is no renegotiation.
    pub(super) fn declines_renegotiation(self) -> bool {
        self.0 & DECLINE_RENEGOTIATION != 0
    }

    /// Whether something of an authentication waits.
    pub(super) fn authenticates(self) -> bool {
        self.0 & AUTHENTICATE != 0
    }

    /// What is left when that is sent.
    pub(super) fn authenticated(self) -> Self {
        Self(self.0 & !AUTHENTICATE)
    }

    pub(super) fn failed(self) -> bool {
        self.0 & FAILED != 0
    }
}
