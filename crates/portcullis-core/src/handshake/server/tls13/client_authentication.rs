//! The client proves who it is: Certificate, then CertificateVerify.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use super::super::super::compressed::uncompressed;
use super::super::super::offer::check_scheme;
use super::super::super::peer::{Judge, check_signature, presented};
use super::super::super::signed_content::signed_content;
use super::super::super::{Cx, expect};
use super::super::Next;
use super::finished::WaitFinished;
use super::flight::FlightSent;
use super::post_handshake_auth::check_filters;
use crate::Violation;
use crate::config::{ClientAuthentication, ServerOptions};
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::AnswerContent;
use crate::record::HandshakeBytes;
use crate::role::Role;
use crate::wire::{CertificateVerify, ExtensionType};
use crate::x509::{PeerProof, Presented};

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
        let mut room = Vec::new();
        let certificate = uncompressed(&message, &answering.config.policy, &mut room)?;
        if !certificate.certificate_request_context.is_empty() {
            return Err(Violation::CertificateContextMismatch.into());
        }
        let config = &answering.config;
        let shown = presented(&certificate, answering.of_client, |typ| {
            was_requested(config, typ)
        })?;
        answering.transcript.add(message.hashed());
        let authentication = &answering.config.client_authentication;
        let Some(shown) = shown else {
            // §4.4.2.4: the client has none, or none that fits.
            return match authentication {
                ClientAuthentication::Required(_) => Err(Violation::NoClientCertificate.into()),
                _ => Ok(WaitFinished { sent, peer: None }.into()),
            };
        };
        check_filters(&answering.config, &shown)?;
        let judge = Judge::of_client(&answering.config);
        let Some(peer) = judge.verify(&shown, cx.now)? else {
            let question = judge.ask(&shown, cx.now);
            return Ok(Next::ask(question, VerifyingChain { sent, shown }));
        };
        Ok(WaitCertificateVerify { sent, peer }.into())
    }
}

/// Whether our CertificateRequest has asked for such an extension of a certificate (§4.4.2).
pub(super) fn was_requested(config: &ServerOptions, typ: ExtensionType) -> bool {
    typ == ExtensionType::STATUS_REQUEST && config.request_ocsp_response
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    sent: Box<FlightSent>,
    shown: Presented,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let judge = Judge::of_client(&self.sent.answering.config);
        let peer = judge.on_answer(answer, &self.shown)?;
        Ok(WaitCertificateVerify {
            sent: self.sent,
            peer,
        }
        .into())
    }
}

pub(crate) struct WaitCertificateVerify {
    sent: Box<FlightSent>,
    peer: PeerProof,
}

impl WaitCertificateVerify {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let verify: CertificateVerify<'_> = expect(&message)?;
        let policy = &self.sent.answering.config.policy;
        let scheme = check_scheme(&policy.schemes, verify.algorithm)?;
        let content = signed_content(Role::Client, &self.sent.answering.transcript.current());
        check_signature(&self.peer, policy, scheme, &content, verify.signature)?;
        self.sent.answering.transcript.add(message.hashed());
        let Self { sent, peer } = self;
        Ok(WaitFinished {
            sent,
            peer: Some((peer, scheme)),
        }
        .into())
    }
}
