//! The server proves who it is: Certificate, then CertificateVerify.
//!
//! RFC 8446 §4.4.2, §4.4.3.

use std::sync::Arc;

use super::super::super::compressed::uncompressed;
use super::super::super::peer::{Judge, Reverified, check_signature, presented};
use super::super::super::signed_content::signed_content;
use super::super::super::{Cx, expect};
use super::super::Next;
use super::super::parameters::Parameters;
use super::super::resumption::{Origin, ProvedByKey, Resumed};
use super::Keyed;
use super::finished::{ServerProof, WaitFinished};
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{AnswerContent, WantedIdentity};
use crate::record::HandshakeBytes;
use crate::role::Role;
use crate::session::Peer;
use crate::wire::CertificateVerify;
use crate::x509::{PeerProof, Presented};
use crate::{SignatureScheme, Violation};

pub(crate) struct WaitCertificate {
    pub(super) keyed: Box<Keyed>,
    pub(super) parameters: Parameters,
    pub(super) wanted: Arc<WantedIdentity>,
}

impl WaitCertificate {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        on_certificate(self.keyed, self.parameters, Some(self.wanted), &message, cx)
    }
}

/// §4.4.2: takes the server's chain and has it verified.
pub(super) fn on_certificate(
    mut keyed: Box<Keyed>,
    parameters: Parameters,
    wanted: Option<Arc<WantedIdentity>>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let (mut room, policy) = (Vec::new(), &keyed.client.offer.config().policy);
    let certificate = uncompressed(message, policy, &mut room)?;
    keyed.client.review_compression(message)?;
    // Only post-handshake requests carry a context to echo.
    if !certificate.certificate_request_context.is_empty() {
        return Err(Violation::CertificateContextMismatch.into());
    }
    let typ = parameters.check_type(&keyed.client)?;
    let shown = presented(&certificate, typ, |typ| keyed.client.offer.has(typ))?
        // §4.4.2.4: a client may send an empty list, a server may not.
        .ok_or(Violation::NoServerCertificate)?;
    keyed.transcript.add(message.hashed());

    let judge = Judge::of_server(&keyed.client.config, &keyed.client.name);
    let Some(peer) = judge.verify(&shown, cx.now)? else {
        let question = judge.ask(&shown, cx.now);
        let paused = VerifyingChain {
            keyed,
            parameters,
            wanted,
            shown,
            resumed: None,
        };
        return Ok(Next::ask(question, paused));
    };
    Ok(WaitCertificateVerify {
        keyed,
        parameters,
        wanted,
        peer,
    }
    .into())
}

/// §2.2: the server has proved with a pre-shared key who it is, and shows no certificate.
pub(super) fn on_key(
    keyed: Box<Keyed>,
    parameters: Parameters,
    by_key: ProvedByKey,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    match by_key {
        ProvedByKey::Session(resumed) => on_resumption(keyed, parameters, resumed, cx),
        ProvedByKey::External(name, resumed) => Ok(WaitFinished {
            keyed,
            parameters,
            wanted: None,
            peer: ServerProof::Key(name),
            resumed,
        }
        .into()),
    }
}

/// §2.2: the server has proved with the key of a session that it is who it was. Whether that
/// one is still trusted was decided before the session was offered, or is asked now.
fn on_resumption(
    keyed: Box<Keyed>,
    parameters: Parameters,
    resumed: Resumed,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let judge = Judge::of_server(&keyed.client.config, &keyed.client.name).of_session();
    let Resumed {
        peer,
        origin,
        verdict,
    } = resumed;
    let Peer { shown, scheme } = peer;
    let (proof, known) = match verdict {
        Reverified::Proved(proof) => (Some(proof), None),
        Reverified::Known(known) => (None, Some(known)),
        Reverified::Asked => (judge.verify(&shown, cx.now)?, None),
    };
    let Some(peer) = proof else {
        let question = judge.ask_again(&shown, known, cx.now);
        let paused = VerifyingChain {
            keyed,
            parameters,
            wanted: None,
            shown,
            resumed: Some((scheme, origin)),
        };
        return Ok(Next::ask(question, paused));
    };
    Ok(WaitFinished {
        keyed,
        parameters,
        wanted: None,
        peer: ServerProof::Shown(peer, scheme),
        resumed: Some(origin),
    }
    .into())
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    keyed: Box<Keyed>,
    parameters: Parameters,
    wanted: Option<Arc<WantedIdentity>>,
    shown: Presented,
    /// If it is that of a session: with what the server had signed, and the rest.
    resumed: Option<(SignatureScheme, Origin)>,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let client = &self.keyed.client;
        let judge = Judge::of_server(&client.config, &client.name);
        let peer = judge.on_answer(answer, &self.shown)?;
        let Self {
            keyed,
            parameters,
            wanted,
            resumed,
            ..
        } = self;
        if let Some((peer_scheme, origin)) = resumed {
            return Ok(WaitFinished {
                keyed,
                parameters,
                wanted,
                peer: ServerProof::Shown(peer, peer_scheme),
                resumed: Some(origin),
            }
            .into());
        }
        Ok(WaitCertificateVerify {
            keyed,
            parameters,
            wanted,
            peer,
        }
        .into())
    }
}

pub(crate) struct WaitCertificateVerify {
    keyed: Box<Keyed>,
    parameters: Parameters,
    wanted: Option<Arc<WantedIdentity>>,
    peer: PeerProof,
}

impl WaitCertificateVerify {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let verify: CertificateVerify<'_> = expect(&message)?;
        let client = &self.keyed.client;
        let peer_scheme = client.offer.check_scheme(verify.algorithm)?;
        client.review_scheme(peer_scheme)?;
        let content = signed_content(Role::Server, &self.keyed.transcript.current());
        let policy = &client.config.policy;
        check_signature(&self.peer, policy, peer_scheme, &content, verify.signature)?;
        self.keyed.transcript.add(message.hashed());
        let Self {
            keyed,
            parameters,
            wanted,
            peer,
        } = self;
        Ok(WaitFinished {
            keyed,
            parameters,
            wanted,
            peer: ServerProof::Shown(peer, peer_scheme),
            resumed: None,
        }
        .into())
    }
}
