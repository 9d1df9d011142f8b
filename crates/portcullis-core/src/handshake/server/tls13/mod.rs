//! The server's handshake in TLS 1.3, once the version is decided.
//!
//! RFC 8446 §4.3, §4.4; states named as in Appendix A.2.

pub(super) mod client_authentication;
pub(super) mod client_hello;
pub(super) mod finished;
pub(super) mod flight;
pub(super) mod identity;
pub(super) mod psk;
mod record_sizes;
pub(super) mod retry;
pub(super) mod tickets;

use std::sync::Arc;

use crate::NamedGroup;
use crate::config::ServerOptions;
use crate::crypto::hash::Digest;
use crate::key_schedule::Transcript;
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;

/// What the hello settled.
pub(super) struct Negotiated {
    pub(super) config: Arc<ServerOptions>,
    pub(super) hello: HandshakeBytes,
    pub(super) suite: CipherSuite,
    pub(super) group: NamedGroup,
    pub(super) transcript: Transcript,
    /// The transcript without the binders, if the client offers pre-shared keys.
    pub(super) binder_hash: Option<Digest>,
    pub(super) retried: bool,
}
