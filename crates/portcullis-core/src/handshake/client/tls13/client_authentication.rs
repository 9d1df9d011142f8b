//! The client proves who it is, when the server asks: Certificate, then CertificateVerify.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use std::sync::Arc;

use super::super::super::compressed::put_certificate;
use super::super::super::signed_content::signed_content;
use super::super::super::{Cx, check_signature_length, wrong_answer};
use super::super::Next;
use super::super::shown_identity::{ShownIdentity, answered};
use super::finished::Authenticated;
use crate::SignatureScheme;
use crate::error::Abort;
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, Sign, WantedIdentity};
use crate::role::Role;
use crate::wire::{Certificate, CertificateVerify};
use crate::x509::Identity;

/// Answers a CertificateRequest.
pub(super) fn authenticate(
    authenticated: Authenticated,
    wanted: Arc<WantedIdentity>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let config = &authenticated.client.config;
    if config.policy.asked.identity {
        let question = ChooseIdentity {
            id: QuestionId::next(),
            configured: config.identities.clone(),
            hello: None,
            wanted: Arc::clone(&wanted),
        };
        return Ok(Next::ask(
            Question::ChooseIdentity(Box::new(question)),
            ChoosingIdentity {
                authenticated: Box::new(authenticated),
                wanted,
            },
        ));
    }
    match wanted.choose(&config.identities) {
        Some((identity, scheme)) => show(authenticated, identity, scheme, &wanted, cx),
        None => show_none(authenticated, cx),
    }
}

/// Paused: the user chooses what to show.
pub(crate) struct ChoosingIdentity {
    authenticated: Box<Authenticated>,
    wanted: Arc<WantedIdentity>,
}

impl ChoosingIdentity {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let policy = &self.authenticated.client.config.policy;
        let chosen = answered(answer, &self.wanted, policy)?;
        let authenticated = self.authenticated.unbox();
        match chosen {
            Some((identity, scheme)) => show(authenticated, identity, scheme, &self.wanted, cx),
            None => show_none(authenticated, cx),
        }
    }
}

/// §4.4.2: a client without a fitting certificate sends an empty list.
fn show_none(mut authenticated: Authenticated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    cx.send(&mut authenticated.transcript, |out| {
        Certificate::put(out, &[], core::iter::empty::<([u8; 0], [u8; 0])>());
    });
    authenticated.finish(ShownIdentity::default(), cx)
}

fn show(
    mut authenticated: Authenticated,
    identity: Identity,
    scheme: SignatureScheme,
    wanted: &WantedIdentity,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let staple = identity.staple(cx.now).filter(|_| wanted.staples);
    cx.send(&mut authenticated.transcript, |out| {
        put_certificate(out, &identity, staple.as_deref(), wanted.compression);
    });
    let content = signed_content(Role::Client, &authenticated.transcript.current());
    if identity.is_external() || authenticated.client.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: identity.clone(),
            scheme,
            content: content.to_vec(),
        };
        return Ok(Next::ask(
            Question::Sign(Box::new(question)),
            Signing {
                authenticated: Box::new(authenticated),
                identity,
                scheme,
            },
        ));
    }
    let signature = identity.sign(scheme, &content)?;
    signed(authenticated, &identity, scheme, &signature, cx)
}

/// Paused: somebody holds the key.
pub(crate) struct Signing {
    authenticated: Box<Authenticated>,
    identity: Identity,
    scheme: SignatureScheme,
}

impl Signing {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        signed(
            self.authenticated.unbox(),
            &self.identity,
            self.scheme,
            &signature,
            cx,
        )
    }
}

fn signed(
    mut authenticated: Authenticated,
    identity: &Identity,
    scheme: SignatureScheme,
    signature: &[u8],
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    check_signature_length(signature)?;
    cx.send(&mut authenticated.transcript, |out| {
        CertificateVerify::put(out, scheme, signature);
    });
    authenticated.finish(ShownIdentity::new(identity, scheme), cx)
}
