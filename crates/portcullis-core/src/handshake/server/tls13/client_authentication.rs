//! The client proves who it is: Certificate, then CertificateVerify.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use super::super::super::offer::check_scheme;
use super::super::super::peer::{check_signature, presented_chain, proving};
use super::super::super::signed_content::{Signer, signed_content};
use super::super::super::{Cx, Next, expect, wrong_answer};
use super::finished::WaitFinished;
use super::flight::FlightSent;
use crate::Violation;
use crate::config::ClientAuthentication;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{AnswerContent, ExpectedPeer, Question, QuestionId, VerifyChain};
use crate::record::HandshakeBytes;
use crate::wire::{Certificate, CertificateVerify};
use crate::x509::{PresentedChain, VerifiedChain};

pub(crate) struct WaitCertificate {
    pub(super) sent: Box<FlightSent>,
}

impl WaitCertificate {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self { mut sent } = self;
        let answering = &mut sent.answering;
        let certificate: Certificate<'_> = expect(&message)?;
        if !certificate.certificate_request_context.is_empty() {
            return Err(Violation::CertificateContextMismatch.into());
        }
        // Our CertificateRequest asks for no certificate extensions.
        let chain = presented_chain(&certificate, |_| false)?;
        answering.transcript.add(message.hashed());
        let authentication = &answering.config.client_authentication;
        let Some(chain) = chain else {
            // §4.4.2.4: the client has none, or none that fits.
            return match authentication {
                ClientAuthentication::Required(_) => Err(Violation::NoClientCertificate.into()),
                _ => Ok(WaitFinished { sent, peer: None }.into()),
            };
        };
        let policy = answering.config.client_policy();
        if answering.config.policy.asked.verification {
            let question = VerifyChain {
                id: QuestionId::next(),
                chain: chain.clone(),
                purpose: ExpectedPeer::Client,
                policy: policy.cloned(),
                resumed: false,
                now: cx.now,
            };
            return Ok(Next::ask(
                Question::VerifyChain(question),
                VerifyingChain { sent, chain },
            ));
        }
        let peer = match policy {
            Some(policy) => ExpectedPeer::Client.verify(&chain, policy, cx.now)?,
            None => VerifiedChain::dangerous_accept_without_verification(chain),
        };
        Ok(WaitCertificateVerify { sent, peer }.into())
    }
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    sent: Box<FlightSent>,
    chain: PresentedChain,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let AnswerContent::Chain(verdict) = answer else {
            return Err(wrong_answer());
        };
        let policy = self.sent.answering.config.client_policy();
        let peer = proving(verdict?, &self.chain, None, policy)?;
        Ok(WaitCertificateVerify {
            sent: self.sent,
            peer,
        }
        .into())
    }
}

pub(crate) struct WaitCertificateVerify {
    sent: Box<FlightSent>,
    peer: VerifiedChain,
}

impl WaitCertificateVerify {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let verify: CertificateVerify<'_> = expect(&message)?;
        let scheme = check_scheme(&self.sent.answering.config.policy.schemes, verify.algorithm)?;
        let content = signed_content(Signer::Client, &self.sent.answering.transcript.current());
        check_signature(&self.peer, scheme, &content, verify.signature)?;
        self.sent.answering.transcript.add(message.hashed());
        let Self { sent, peer } = self;
        Ok(WaitFinished {
            sent,
            peer: Some((peer, scheme)),
        }
        .into())
    }
}
