//! The client proves who it is: Certificate, and after ClientKeyExchange CertificateVerify.
//!
//! RFC 5246 §7.4.6, §7.4.8.

use super::super::super::Cx;
use super::super::super::peer::{Judge, check_signature_before_tls13, presented_before_tls13};
use super::super::Next;
use super::finished::{Keyed, WaitChangeCipherSpec};
use super::flight::Showing;
use super::key_exchange::WaitClientKeyExchange;
use crate::Violation;
use crate::config::ClientAuthentication;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::AnswerContent;
use crate::record::HandshakeBytes;
use crate::rules::Rules;
use crate::x509::{PeerProof, Presented};

pub(crate) struct WaitCertificate {
    pub(super) showing: Box<Showing>,
}

impl WaitCertificate {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self { mut showing } = self;
        let shown = presented_before_tls13(&message, showing.answering.of_client)?;
        if let Some(previous) = &showing.answering.negotiated.previous {
            previous.check_certificate_of_client(shown.as_ref())?;
        }
        showing.answering.transcript.add(message.hashed());
        let config = &showing.answering.negotiated.config;
        let Some(shown) = shown else {
            // §7.4.6: the client has none, or none that fits.
            return match &config.client_authentication {
                ClientAuthentication::Required(_) => {
                    Err(Violation::NoClientCertificateBefore13.into())
                }
                _ => Ok(WaitClientKeyExchange::without_certificate(showing).into()),
            };
        };
        let judge = Judge::of_client(config).without_staples();
        let Some(peer) = judge.verify(&shown, cx.now)? else {
            let question = judge.ask(&shown, cx.now);
            return Ok(Next::ask(question, VerifyingChain { showing, shown }));
        };
        Ok(WaitClientKeyExchange::with_certificate(showing, peer).into())
    }
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    showing: Box<Showing>,
    shown: Presented,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self { showing, shown } = self;
        let judge = Judge::of_client(&showing.answering.negotiated.config);
        let peer = judge.on_answer(answer, &shown)?;
        Ok(WaitClientKeyExchange::with_certificate(showing, peer).into())
    }
}

/// The client has shown a chain and sent its share; now it has to sign.
pub(crate) struct WaitCertificateVerify {
    pub(super) keyed: Box<Keyed>,
    pub(super) peer: PeerProof,
}

impl WaitCertificateVerify {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self { mut keyed, peer } = self;
        let verify = Rules::of(keyed.version).certificate_verify(&message)?;
        let policy = &keyed.config.policy;
        let scheme = verify.check_scheme(&policy.schemes)?;
        // §7.4.8: everything so far, not its hash.
        let content = keyed.transcript.messages();
        let scheme =
            check_signature_before_tls13(&peer, policy, None, scheme, content, verify.signature)?;
        keyed.transcript.forget_messages();
        keyed.transcript.add(message.hashed());
        keyed.peer = Some((peer, scheme));
        Ok(WaitChangeCipherSpec(keyed).into())
    }
}
