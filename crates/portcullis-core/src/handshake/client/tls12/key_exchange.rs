//! The server's share, its wishes, and the end of its flight, where it is judged.
//!
//! RFC 5246 §7.4.3 to §7.4.5, RFC 8422 §5.1, §5.4.

use super::super::super::legacy::Requested;
use super::super::super::peer::{Judge, check_signature_before_tls13};
use super::super::super::signed_content::server_key_exchange_content;
use super::super::super::{Cx, Next, expect, unexpected};
use super::Negotiated;
use super::certificate::Shown;
use super::client_flight::{ServerProved, authenticate};
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{AnswerContent, WantedCurves, WantedIdentity};
use crate::record::HandshakeBytes;
use crate::rules::Rules;
use crate::wire::HandshakeType;
use crate::wire::tls12::{ClientCertificateType, ServerHelloDone};
use crate::x509::{PresentedChain, VerifiedChain};
use crate::{NamedGroup, SignatureScheme};

pub(crate) struct WaitServerKeyExchange(pub(super) Shown);

impl WaitServerKeyExchange {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        on_server_key_exchange(self.0, &message)
    }
}

/// The server's share as it came. Whose it is turns out when the chain is verified.
pub(super) struct SignedShare {
    pub(super) group: NamedGroup,
    pub(super) public: Box<[u8]>,
    /// How it was signed, if that was said.
    scheme: Option<SignatureScheme>,
    signed: Box<[u8]>,
    signature: Box<[u8]>,
}

/// Everything that the server has said, up to its wishes.
pub(super) struct Said {
    pub(super) negotiated: Box<Negotiated>,
    pub(super) chain: PresentedChain,
    pub(super) share: SignedShare,
}

/// §7.4.3.
pub(super) fn on_server_key_exchange(
    shown: Shown,
    message: &HandshakeBytes,
) -> Result<Next, Abort> {
    let Shown {
        mut negotiated,
        chain,
    } = shown;
    let (params, signed) = Rules::of(negotiated.version).server_key_exchange(message)?;
    let offer = &negotiated.client.offer;
    let group = offer.check_curve(params.group)?;
    let scheme = signed.check_scheme(&offer.config().policy.schemes)?;
    let share = SignedShare {
        group,
        public: params.public.into(),
        scheme,
        signed: server_key_exchange_content(
            &negotiated.client.client_random,
            &negotiated.server_random,
            &params,
        ),
        signature: signed.signature.into(),
    };
    negotiated.transcript.add(message.hashed());
    Ok(WaitCertificateRequest(Said {
        negotiated,
        chain,
        share,
    })
    .into())
}

pub(crate) struct WaitCertificateRequest(Said);

impl WaitCertificateRequest {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self(mut said) = self;
        match message.typ() {
            HandshakeType::CERTIFICATE_REQUEST => {
                let rules = Rules::of(said.negotiated.version);
                let requested = rules.certificate_request(&message)?;
                let wanted = wanted(&requested, &said.negotiated);
                said.negotiated.transcript.add(message.hashed());
                Ok(WaitServerHelloDone { said, wanted }.into())
            }
            HandshakeType::SERVER_HELLO_DONE => on_server_hello_done(said, None, &message, cx),
            _ => Err(unexpected(
                "certificate_request or server_hello_done",
                &message,
            )),
        }
    }
}

/// §7.4.4. The kinds of certificates say less than the schemes, but before TLS 1.2 it is all there is.
fn wanted(requested: &Requested<'_>, negotiated: &Negotiated) -> Box<WantedIdentity> {
    // §7.4.4, RFC 8422 §5.5: the types say which keys, and EdDSA counts as ECDSA.
    let usable = |scheme: &SignatureScheme| {
        let typ = match scheme.is_rsa() {
            true => ClientCertificateType::RSA_SIGN,
            false => ClientCertificateType::ECDSA_SIGN,
        };
        scheme.signs_in(negotiated.version) && requested.types.contains(typ)
    };
    let said = requested.schemes.map(|list| list.to_vec());
    let schemes = said.as_deref().unwrap_or(SignatureScheme::BEFORE_TLS12);
    Box::new(WantedIdentity {
        version: negotiated.version,
        server_name: None,
        schemes: schemes.iter().copied().filter(usable).collect(),
        certificate_schemes: said,
        curves: WantedCurves::preferred(negotiated.client.offer.groups()),
        authorities: requested
            .authorities
            .iter()
            .map(|name| name.0.to_vec())
            .collect(),
    })
}

pub(crate) struct WaitServerHelloDone {
    said: Said,
    wanted: Box<WantedIdentity>,
}

impl WaitServerHelloDone {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        on_server_hello_done(self.said, Some(self.wanted), &message, cx)
    }
}

/// §7.4.5: the server has said everything, and is judged.
fn on_server_hello_done(
    mut said: Said,
    wanted: Option<Box<WantedIdentity>>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let ServerHelloDone = expect(message)?;
    // The server waits now, so nothing may follow.
    cx.incoming.end_of_flight()?;
    said.negotiated.transcript.add(message.hashed());
    let client = &said.negotiated.client;
    let judge = Judge::of_server(&client.config, &client.name);
    let Some(peer) = judge.verify(&said.chain, cx.now)? else {
        let question = judge.ask(&said.chain, false, cx.now);
        return Ok(Next::ask(question, VerifyingChain { said, wanted }));
    };
    on_verified(said, wanted, peer, cx)
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    said: Said,
    wanted: Option<Box<WantedIdentity>>,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self { said, wanted } = self;
        let client = &said.negotiated.client;
        let judge = Judge::of_server(&client.config, &client.name);
        let peer = judge.on_answer(answer, &said.chain)?;
        on_verified(said, wanted, peer, cx)
    }
}

/// The chain is to be trusted; its key has to have signed the share (§7.4.3).
fn on_verified(
    said: Said,
    wanted: Option<Box<WantedIdentity>>,
    peer: VerifiedChain,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Said {
        negotiated, share, ..
    } = said;
    let offer = &negotiated.client.offer;
    offer.check_leaf_curve(peer.chain().end_entity_spki())?;
    let peer_scheme = check_signature_before_tls13(
        &peer,
        Some(negotiated.suite),
        share.scheme,
        &share.signed,
        &share.signature,
    )?;
    let proved = ServerProved {
        negotiated,
        peer,
        peer_scheme,
        group: share.group,
        public: share.public,
    };
    authenticate(proved, wanted, cx)
}
