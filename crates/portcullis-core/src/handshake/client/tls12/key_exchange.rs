//! The server's part of the key exchange, what it asks for, and the end of its flight, where it is judged.
//!
//! RFC 5246 §7.4.3 to §7.4.5, RFC 8422 §5.1, §5.4, RFC 7919 §3.

use std::sync::Arc;

use super::super::super::older::{Requested, Signed};
use super::super::super::peer::{
    Judge, check_agrees, check_encrypts, check_signature_before_tls13,
};
use super::super::super::signed_content::server_key_exchange_content;
use super::super::super::{Cx, expect, unexpected};
use super::super::Next;
use super::Negotiated;
use super::certificate::{ServerIdentity, Shown};
use super::client_flight::{ServerPeer, ServerProved, authenticate};
use super::psk::choose_psk;
use crate::config::ClientOptions;
use crate::crypto::finite_field::Group;
use crate::crypto::finite_field::srp::Offered;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::question::{AnswerContent, WantedCurves, WantedIdentity};
use crate::record::HandshakeBytes;
use crate::rules::Rules;
use crate::suite::{KeyUse, Presence};
use crate::wire::HandshakeType;
use crate::wire::tls12::{
    ClientCertificateType, ServerDhParams, ServerHelloDone, ServerKeyExchange, ServerParams,
    ServerSrpParams,
};
use crate::x509::{AcceptedTypes, PeerProof, Presented};
use crate::{Misuse, NamedGroup, SignatureScheme, Violation};

pub(crate) struct WaitServerKeyExchange(pub(super) Shown);

impl WaitServerKeyExchange {
    /// §7.4.3.
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self(shown) = self;
        let Shown {
            mut negotiated,
            identity,
        } = shown;
        let exchange = negotiated.exchange;
        let is_done = message.typ() == HandshakeType::SERVER_HELLO_DONE;
        if is_done && exchange.server_key_exchange() == Presence::IfHinted {
            let said = Said {
                negotiated,
                identity,
                parameters: Parameters::default(),
            };
            return on_server_hello_done(said, None, &message, cx);
        }
        let received = Rules::of(negotiated.version).server_key_exchange(exchange, &message)?;
        let parameters = Parameters::take(&negotiated, &received)?;
        negotiated.transcript.add(message.hashed());
        let said = Said {
            negotiated,
            identity,
            parameters,
        };
        Ok(match exchange.requests_certificate {
            true => WaitCertificateRequest(said).into(),
            false => WaitServerHelloDone { said, wanted: None }.into(),
        })
    }
}

/// What came in ServerKeyExchange, if it did.
#[derive(Default)]
pub(super) struct Parameters {
    hint: Option<Box<[u8]>>,
    share: Option<ServerShare>,
    signed: Option<SignedParameters>,
}

/// What this side's answer is computed from. Whose it is turns out when the chain is verified.
pub(super) enum ServerShare {
    /// Of a curve that was offered.
    Point {
        group: NamedGroup,
        public: Box<[u8]>,
    },
    /// In a field that is large enough.
    Number { group: Group, public: Box<[u8]> },
    /// For the password.
    Srp(Box<SrpOffer>),
}

/// What a server of SRP has said, in a group of the RFC.
pub(super) struct SrpOffer {
    pub(super) offered: Offered,
    pub(super) salt: Box<[u8]>,
}

/// What the key of the server's certificate has signed, and how.
struct SignedParameters {
    /// If that was said.
    scheme: Option<SignatureScheme>,
    content: Box<[u8]>,
    signature: Box<[u8]>,
}

impl Parameters {
    fn take(negotiated: &Negotiated, received: &ServerKeyExchange<'_>) -> Result<Self, Abort> {
        let client = &negotiated.client;
        let share = match &received.params {
            None => None,
            Some(ServerParams::Ecdh(params)) => {
                let group = client.offer.check_curve(params.group)?;
                client.review_group(group)?;
                Some(ServerShare::Point {
                    group,
                    public: params.public.into(),
                })
            }
            Some(ServerParams::Dh(params)) => Some(number(params, &client.config)?),
            Some(ServerParams::Srp(params)) => {
                let offer = srp_offer(params, &client.config)?;
                Some(ServerShare::Srp(Box::new(offer)))
            }
        };
        let signed = match (received.signature, &received.params) {
            (Some(signature), Some(params)) => {
                let signed = Signed::from(signature);
                let scheme = signed.check_scheme(&client.offer.config().policy.schemes)?;
                if let Some(scheme) = scheme {
                    client.review_scheme(scheme)?;
                }
                Some(SignedParameters {
                    scheme,
                    content: server_key_exchange_content(
                        &client.client_random,
                        &negotiated.server_random,
                        params,
                    ),
                    signature: signed.signature.into(),
                })
            }
            _ => None,
        };
        Ok(Self {
            hint: received.hint.map(Box::from),
            share,
            signed,
        })
    }
}

/// RFC 7919 §3 to §5: any group will do that is large enough, also where some of that RFC were offered, as
/// most servers do not look at these.
fn number(params: &ServerDhParams<'_>, config: &ClientOptions) -> Result<ServerShare, Violation> {
    let least = config.policy.dh_minimum;
    let group = Group::from_bytes(params.prime, params.generator, least)
        .map_err(|_| Violation::WeakGroup)?;
    group
        .check(params.public)
        .map_err(|_| Violation::BadDhShare)?;
    Ok(ServerShare::Number {
        group,
        public: params.public.into(),
    })
}

/// RFC 5054 §2.5.3.
fn srp_offer(params: &ServerSrpParams<'_>, config: &ClientOptions) -> Result<SrpOffer, Abort> {
    let least = config.policy.dh_minimum;
    let offered = Offered::new(params.prime, params.generator, params.public, least);
    let offered = offered.map_err(|violation| match violation {
        Violation::BadSrpGroup => {
            violation.explained(format!("the prime has {} bytes", params.prime.len()))
        }
        other => other.into(),
    })?;
    Ok(SrpOffer {
        offered,
        salt: params.salt.into(),
    })
}

/// Everything that the server has said, up to what it asks for.
pub(super) struct Said {
    negotiated: Box<Negotiated>,
    identity: ServerIdentity,
    parameters: Parameters,
}

pub(crate) struct WaitCertificateRequest(Said);

impl WaitCertificateRequest {
    /// Where there are no parameters: a ServerKeyExchange is then no message of this handshake.
    pub(super) fn after(shown: Shown) -> Self {
        let Shown {
            negotiated,
            identity,
        } = shown;
        Self(Said {
            negotiated,
            identity,
            parameters: Parameters::default(),
        })
    }

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
                let wanted = Some(wanted(&requested, &said.negotiated));
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
fn wanted(requested: &Requested<'_>, negotiated: &Negotiated) -> Arc<WantedIdentity> {
    let policy = &negotiated.client.config.policy;
    // §7.4.4, RFC 8422 §5.5: the types say which keys, and EdDSA counts as ECDSA.
    let usable = |scheme: &SignatureScheme| {
        let typ = match (scheme.is_rsa(), scheme.is_dsa()) {
            (true, _) => ClientCertificateType::RSA_SIGN,
            (_, true) => ClientCertificateType::DSS_SIGN,
            _ => ClientCertificateType::ECDSA_SIGN,
        };
        policy.signs_with(*scheme, negotiated.version) && requested.types.contains(typ)
    };

    let said = requested.schemes.map(|list| list.to_vec());
    let schemes = said.as_deref().unwrap_or(SignatureScheme::BEFORE_TLS12);
    Arc::new(WantedIdentity {
        version: negotiated.version,
        server_name: None,
        schemes: schemes.iter().copied().filter(usable).collect(),
        certificate_schemes: said,
        unsigned: Vec::new(),
        curves: WantedCurves::preferred(negotiated.client.offer.groups()),
        types: AcceptedTypes::of([negotiated.parameters.of_client].into_iter()),
        compression: None,
        staples: false,
        authorities: requested
            .authorities
            .iter()
            .map(|name| name.0.to_vec())
            .collect(),
        filters: Vec::new(),
    })
}

pub(crate) struct WaitServerHelloDone {
    said: Said,
    /// What the server wants to see, if anything.
    wanted: Option<Arc<WantedIdentity>>,
}

impl WaitServerHelloDone {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        // §7.4.4: of a server that shows who it is this would be one message too many.
        let is_request = message.typ() == HandshakeType::CERTIFICATE_REQUEST;
        if is_request && self.said.negotiated.exchange.is_anonymous() {
            return Err(Violation::RequestByAnonymousServer.into());
        }
        on_server_hello_done(self.said, self.wanted, &message, cx)
    }
}

/// §7.4.5: the server has said everything, and is judged.
fn on_server_hello_done(
    mut said: Said,
    wanted: Option<Arc<WantedIdentity>>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let ServerHelloDone = expect(message)?;
    // The server waits now, so nothing may follow.
    cx.incoming.end_of_flight()?;
    said.negotiated.transcript.add(message.hashed());
    let Said {
        negotiated,
        identity,
        parameters,
    } = said;
    let shown = match identity {
        ServerIdentity::Shown(shown) => shown,
        ServerIdentity::None(nobody) => {
            let peer = ServerPeer::None(nobody);
            return go_on(negotiated, parameters, peer, wanted, cx);
        }
    };
    let client = &negotiated.client;
    let judge = Judge::of_server(&client.config, &client.name);
    let verdict = judge.verify(&shown, cx.now)?;
    let Some(peer) = verdict else {
        let question = judge.ask(&shown, cx.now);
        let paused = VerifyingChain {
            negotiated,
            shown,
            parameters,
            wanted,
        };
        return Ok(Next::ask(question, paused));
    };
    on_verified(negotiated, parameters, wanted, peer, cx)
}

/// Paused: takes a verdict, and has no way to take a message.
pub(crate) struct VerifyingChain {
    negotiated: Box<Negotiated>,
    shown: Presented,
    parameters: Parameters,
    wanted: Option<Arc<WantedIdentity>>,
}

impl VerifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self {
            negotiated,
            shown,
            parameters,
            wanted,
        } = self;
        let client = &negotiated.client;
        let judge = Judge::of_server(&client.config, &client.name);
        let peer = judge.on_answer(answer, &shown)?;
        on_verified(negotiated, parameters, wanted, peer, cx)
    }
}

/// The chain is to be trusted; its key has to have signed the parameters (§7.4.3), or is what the secret is
/// encrypted for (§7.4.7.1), or half of it (RFC 4492 §2.1).
fn on_verified(
    negotiated: Box<Negotiated>,
    parameters: Parameters,
    wanted: Option<Arc<WantedIdentity>>,
    proof: PeerProof,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let offer = &negotiated.client.offer;
    offer.check_leaf_curve(proof.spki())?;
    negotiated.client.review_key(&proof)?;
    let policy = &offer.config().policy;
    let peer = match negotiated.exchange.certificate {
        Some(KeyUse::Sign) => {
            let signed = parameters.signed.as_ref().ok_or_else(unsigned)?;
            let scheme = check_signature_before_tls13(
                &proof,
                policy,
                Some(negotiated.suite),
                signed.scheme,
                &signed.content,
                &signed.signature,
            )?;
            let scheme = Some(scheme);
            ServerPeer::Proved { proof, scheme }
        }
        Some(KeyUse::Decrypt) => {
            check_encrypts(&proof, policy, negotiated.suite)?;
            ServerPeer::Proved {
                proof,
                scheme: None,
            }
        }
        Some(KeyUse::Agree) => {
            check_agrees(&proof, negotiated.suite, negotiated.version)?;
            ServerPeer::Proved {
                proof,
                scheme: None,
            }
        }
        None => return Err(unsigned()),
    };
    go_on(negotiated, parameters, peer, wanted, cx)
}

/// The form of the message is by the row, so this does not happen.
fn unsigned() -> Abort {
    Misuse::new("a chain was verified whose key has nothing to sign").into()
}

/// It is settled who the server is, or that nobody can say.
fn go_on(
    negotiated: Box<Negotiated>,
    parameters: Parameters,
    peer: ServerPeer,
    wanted: Option<Arc<WantedIdentity>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let proved = ServerProved {
        negotiated,
        peer,
        share: parameters.share,
        psk: None,
    };
    match proved.negotiated.exchange.psk {
        true => choose_psk(proved, parameters.hint, cx),
        false => authenticate(proved, wanted, cx),
    }
}
