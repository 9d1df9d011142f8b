//! Whether the key that the peer shows by itself is to be trusted.
//!
//! RFC 7250 §4, §6.

use rustls_pki_types::ServerName;

use super::{Answer, AnswerContent, ExpectedPeer, QuestionId};
use crate::x509::{CertificateError, RawKeys, RawPublicKey, VerifiedRawKey};

/// The peer has shown a raw public key. That it has the private half it proves afterwards.
///
/// ```
/// # use portcullis_core as portcullis;
/// use portcullis::question::{Answer, VerifyRawKey};
///
/// // A directory that knows the devices.
/// fn answer(question: VerifyRawKey, is_known: impl Fn(&[u8; 32]) -> bool) -> Answer {
///     match is_known(&question.key().sha256()) {
///         true => question.dangerous_accept_without_verification(),
///         // None of the configured keys either, so this refuses it.
///         false => question.verify(),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct VerifyRawKey {
    pub(crate) id: QuestionId,
    pub(crate) key: RawPublicKey,
    pub(crate) purpose: ExpectedPeer,
    /// `None` where any key is accepted.
    pub(crate) trusted: Option<RawKeys>,
    pub(crate) resumed: bool,
}

impl VerifyRawKey {
    /// The key as the peer sent it.
    pub fn key(&self) -> &RawPublicKey {
        &self.key
    }

    /// The name that the server was asked for; `None` when the peer is a client. Nothing in a key could be
    /// compared with it.
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        match &self.purpose {
            ExpectedPeer::Server(name) => Some(name),
            ExpectedPeer::Client => None,
        }
    }

    /// Whether the peer had shown the key when the session began that is being resumed: that it has
    /// the private half was proved then.
    pub fn is_resumption(&self) -> bool {
        self.resumed
    }

    /// Looks for it among the configured keys. The default.
    pub fn verify(self) -> Answer {
        let verdict = self.check();
        self.id.answer(AnswerContent::RawKey(verdict))
    }

    /// The same without answering yet, so that further checks can follow.
    ///
    /// # Errors
    /// When it is not among them.
    pub fn check(&self) -> Result<VerifiedRawKey, CertificateError> {
        match &self.trusted {
            Some(keys) => keys.verify(&self.key),
            None => Ok(VerifiedRawKey::dangerous_accept_without_verification(
                self.key.clone(),
            )),
        }
    }

    /// Accepts the peer with the proof that [`check`](Self::check) gave. One of another key, or by other
    /// keys than the configuration's, ends the handshake.
    pub fn accept(self, proof: VerifiedRawKey) -> Answer {
        self.id.answer(AnswerContent::RawKey(Ok(proof)))
    }

    /// Accepts the peer although this library has not found its key anywhere: the caller knows it.
    pub fn dangerous_accept_without_verification(self) -> Answer {
        let proof = VerifiedRawKey::dangerous_accept_without_verification(self.key.clone());
        self.id.answer(AnswerContent::RawKey(Ok(proof)))
    }

    /// Ends the handshake.
    pub fn refuse(self, error: CertificateError) -> Answer {
        self.id.answer(AnswerContent::RawKey(Err(error)))
    }
}
