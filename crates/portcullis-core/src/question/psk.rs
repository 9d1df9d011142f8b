//! Which pre-shared key.
//!
//! RFC 8446 §4.2.11; RFC 4279 §2, §5.1.

use super::{Answer, AnswerContent, QuestionId};
use crate::config::PreSharedKey;
use crate::error::Refusal;
use crate::version::ProtocolVersion;

/// A pre-shared key is needed. A server is asked whose key the client's identity names, also before it
/// resumes a session that began with a key; a client is asked which key it has for this server, before TLS 1.3.
/// `Debug` shows no identity.
pub struct ChoosePsk {
    pub(crate) id: QuestionId,
    pub(crate) version: ProtocolVersion,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) side: Side,
    /// What the configuration has.
    pub(crate) configured: Option<PreSharedKey>,
}

/// Who is asked, and what the peer has said.
pub(crate) enum Side {
    Client {
        hint: Option<Box<[u8]>>,
    },
    Server {
        identities: Vec<Box<[u8]>>,
        resumed: bool,
    },
}

impl core::fmt::Debug for ChoosePsk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChoosePsk")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("server_name", &self.server_name)
            .field("is_server", &matches!(self.side, Side::Server { .. }))
            .finish_non_exhaustive()
    }
}

impl ChoosePsk {
    /// The version of the handshake.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Client: the name given when connecting. Server: the host name the client asked for, in lower
    /// case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Client: which key the server has in mind, if it said so; what that means is agreed between the
    /// two (RFC 4279 §5.2). Nobody has proved that the server said it. Server: `None`.
    pub fn hint(&self) -> Option<&[u8]> {
        match &self.side {
            Side::Client { hint } => hint.as_deref(),
            Side::Server { .. } => None,
        }
    }

    /// Server: the identities of the keys that the client says it has; before TLS 1.3 there is one, of
    /// 0 to 65,535 bytes. In TLS 1.3 there are up to 16, of 1 to about 47,000 bytes together, in the client's order
    /// and as they stand in its hello: among them may be tickets that no longer open, and of a key that is imported
    /// it is an [`ImportedIdentity`](crate::wire::ImportedIdentity). Client: none.
    pub fn identities(&self) -> impl Iterator<Item = &[u8]> {
        let identities = match &self.side {
            Side::Client { .. } => &[][..],
            Side::Server { identities, .. } => identities,
        };
        identities.iter().map(|identity| &**identity)
    }

    /// Server: whether the client resumes a session that began with the key of the identity. Unless the
    /// answer is that key again there is a full handshake instead.
    pub fn is_resumption(&self) -> bool {
        matches!(self.side, Side::Server { resumed: true, .. })
    }

    /// Takes what the configuration has: a server the key of the identity (of several the one that was configured
    /// first), a client the first key. The default.
    pub fn choose_configured(self) -> Answer {
        let configured = self.configured;
        self.id.answer(AnswerContent::Psk(configured))
    }

    /// Takes this key. A server's must be of one of the [`identities`](Self::identities). In TLS 1.3 one whose
    /// hash is not that of the cipher suite is as none.
    pub fn use_psk(self, psk: PreSharedKey) -> Answer {
        self.id.answer(AnswerContent::Psk(Some(psk)))
    }

    /// There is no key. A server of TLS 1.3 that has a certificate shows that. Else the handshake ends: a server
    /// says `unknown_psk_identity`, or hides that
    /// ([`hide_unknown_psk_identities`](crate::config::ServerConfigBuilder::hide_unknown_psk_identities)); a
    /// client says `handshake_failure`.
    pub fn none(self) -> Answer {
        self.id.answer(AnswerContent::Psk(None))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
