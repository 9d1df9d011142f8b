//! What the client has encrypted for this side's key, wherever that is.
//!
//! RFC 5246 §7.4.7.1; RFC 4279 §4 with a pre-shared key. No error here depends on what was encrypted.

use super::super::super::{Cx, wrong_answer};
use super::super::{Next, decoded_hello};
use super::key_exchange::{Exchanged, go_on};
use crate::Misuse;
use crate::crypto::rsa_premaster::Substitute;
use crate::error::Abort;
use crate::question::{AnswerContent, Decrypt, Question, QuestionId};
use crate::version::ProtocolVersion;
use crate::x509::IdentityKey;

/// Decrypts, or asks for that.
pub(super) fn decrypt(
    exchanged: Exchanged,
    psk_identity: Option<Box<[u8]>>,
    encrypted: &[u8],
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    // Before anyone tries.
    let substitute = Substitute::new(cx.random)?;
    let hello = decoded_hello(&exchanged.answering.negotiated.hello)?;
    // What the hello said, and not what was chosen.
    let version = hello.legacy_version;
    let Some(shown) = &exchanged.shown else {
        return Err(Misuse::new("nothing was shown that decrypts").into());
    };
    let identity = shown.identity.clone();
    let undecided = Undecided {
        exchanged,
        psk_identity,
        substitute,
        version,
    };
    let config = &undecided.exchanged.answering.negotiated.config;
    match identity.key() {
        IdentityKey::Local(key) if !config.policy.asked.signature => {
            // Nobody looks whether it has worked.
            let block = key.decrypt_raw(encrypted).unwrap_or_default();
            undecided.decide(&block, cx)
        }
        _ => {
            let question = Decrypt {
                id: QuestionId::next(),
                identity,
                ciphertext: encrypted.into(),
            };
            let paused = Decrypting(Box::new(undecided));
            Ok(Next::ask(Question::Decrypt(Box::new(question)), paused))
        }
    }
}

/// Paused: somebody holds the key.
pub(crate) struct Decrypting(Box<Undecided>);

struct Undecided {
    exchanged: Exchanged,
    psk_identity: Option<Box<[u8]>>,
    substitute: Substitute,
    version: ProtocolVersion,
}

impl Decrypting {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        match answer {
            AnswerContent::Decrypted(block) => self.0.decide(&block, cx),
            _ => Err(wrong_answer()),
        }
    }
}

impl Undecided {
    /// Takes the secret in the block, or the substitute.
    fn decide(self, block: &[u8], cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self {
            mut exchanged,
            psk_identity,
            substitute,
            version,
        } = self;
        exchanged.agreed = Some(substitute.or_decrypted(block, version).into());
        go_on(exchanged, psk_identity, cx)
    }
}
