//! The client proves who it is: Certificate, then CertificateVerify.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use super::super::super::offer::check_scheme;
use super::super::super::peer::{check_signature, presented_chain, proving};
use super::super::super::signed_content::{Signer, signed_content};
use super::super::super::{Cx, Next, expect, wrong_answer};
use super::finished::WaitFinished;
use super::flight::Answered;
use crate::Violation;
use crate::config::ClientAuthentication;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{AnswerContent, Purpose, Question, QuestionId, VerifyChain};
use crate::record::HandshakeBytes;
use crate::wire::{Certificate, CertificateVerify};
use crate::x509::{PresentedChain, VerifiedChain};

pub(crate) struct WaitCertificate {
    pub(super) answered: Box<Answered>,
}

impl WaitCertificate {
    pub(in super::super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self { mut answered } = self;
        let keyed = &mut answered.keyed;
        let certificate: Certificate<'_> = expect(&message)?;
        if !certificate.certificate_request_context.is_empty() {
            return Err(Violation::CertificateContextMismatch.into());
        }
        // Our CertificateRequest asks for no certificate extensions.
        let chain = presented_chain(&certificate, |_| false)?;
        keyed.transcript.add(message.hashed());
        let authentication = &keyed.config.client_authentication;
        let Some(chain) = chain else {
            // §4.4.2.4: the client has none, or none that fits.
            return match authentication {
                ClientAuthentication::Required(_) => Err(Violation::NoClientCertificate.into()),
                _ => Ok(WaitFinished {
                    answered,
                    peer: None,
                }
                .into()),
            };
        };
        let policy = keyed.config.client_policy();
        if keyed.config.policy.asked.verification {
            let question = VerifyChain {
                id: QuestionId::next(),
                chain: chain.clone(),
                purpose: Purpose::Client,
                policy: policy.cloned(),
                resumed: false,
                now: cx.now,
            };
            return Ok(Next::ask(
                Question::VerifyChain(question),
                VerifyingChain { answered, chain },
            ));
        }
        let peer = match policy {
            Some(policy) => Purpose::Client.verify(&chain, policy, cx.now)?,
            None => VerifiedChain::dangerous_accept_without_verification(chain),
        };
        Ok(WaitCertificateVerify { answered, peer }.into())
    }
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    answered: Box<Answered>,
    chain: PresentedChain,
}

impl VerifyingChain {
    pub(in super::super) fn on_answer(
        self,
        answer: AnswerContent,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let AnswerContent::Chain(verdict) = answer else {
            return Err(wrong_answer());
        };
        let policy = self.answered.keyed.config.client_policy();
        let peer = proving(verdict?, &self.chain, None, policy)?;
        Ok(WaitCertificateVerify {
            answered: self.answered,
            peer,
        }
        .into())
    }
}

pub(crate) struct WaitCertificateVerify {
    answered: Box<Answered>,
    peer: VerifiedChain,
}

impl WaitCertificateVerify {
    pub(in super::super) fn on_message(
        mut self,
        message: HandshakeBytes,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let verify: CertificateVerify<'_> = expect(&message)?;
        let scheme = check_scheme(&self.answered.keyed.config.policy.schemes, verify.algorithm)?;
        let content = signed_content(Signer::Client, &self.answered.keyed.transcript.current());
        check_signature(&self.peer, scheme, &content, verify.signature)?;
        self.answered.keyed.transcript.add(message.hashed());
        let Self { answered, peer } = self;
        Ok(WaitFinished {
            answered,
            peer: Some((peer, scheme)),
        }
        .into())
    }
}
