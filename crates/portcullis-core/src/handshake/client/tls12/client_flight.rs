//! The client's flight: Certificate, ClientKeyExchange, CertificateVerify, Finished.
//!
//! RFC 5246 §7.4.6 to §7.4.9, RFC 7627 §4, RFC 8422 §5.7.

use std::sync::Arc;

use super::super::super::renegotiation::VerifyData;
use super::super::super::{Cx, check_signature_length, wrong_answer};
use super::super::Next;
use super::super::shown_identity::{ShownIdentity, Unshown, answered};
use super::Negotiated;
use super::finished::{AwaitingFinished, WaitChangeCipherSpec, WaitNewSessionTicket};
use super::key_exchange::ServerShare;
use crate::config::PreSharedKey;
use crate::crypto::key_exchange::respond;
use crate::crypto::{CryptoFailure, point_in_key, rsa_premaster};
use crate::error::Abort;
use crate::key_schedule::tls12::{MasterSecret, MasterSeed, PremasterSecret};
use crate::psk::SharedSecretName;
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, Sign, WantedIdentity};
use crate::rules::Rules;
use crate::suite::{Agreement, NoCertificate};
use crate::version::Version;
use crate::wire::tls12::{Certificate, ClientKeyExchange, ClientShare};
use crate::x509::{Form, Identity, PeerProof};
use crate::{Misuse, NamedGroup, SignatureScheme, Violation};

/// Who the server is.
pub(super) enum ServerPeer {
    /// Its chain or raw key is verified, and its key has signed the parameters; or, without a scheme, it has nothing to
    /// sign, and proves itself by its Finished, which needs what its key decrypts or agrees on.
    Proved {
        proof: PeerProof,
        scheme: Option<SignatureScheme>,
    },
    /// It shows no certificate: only a row without one can say so.
    None(NoCertificate),
}

/// The server is who it says.
pub(super) struct ServerProved {
    pub(super) negotiated: Box<Negotiated>,
    pub(super) peer: ServerPeer,
    pub(super) share: Option<ServerShare>,
    /// Where the row of the key exchange has one.
    pub(super) psk: Option<PreSharedKey>,
}

/// Answers a CertificateRequest, if there was one.
pub(super) fn authenticate(
    proved: ServerProved,
    wanted: Option<Arc<WantedIdentity>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let config = &proved.negotiated.client.config;
    let Some(wanted) = wanted else {
        let keyed = exchange_keys(proved, cx)?;
        return finish(keyed, ShownIdentity::default(), cx);
    };
    if config.policy.asked.identity {
        let question = ChooseIdentity {
            id: QuestionId::next(),
            configured: config.identities.clone(),
            hello: None,
            wanted: Arc::clone(&wanted),
        };
        let paused = ChoosingIdentity(Box::new((proved, wanted)));
        return Ok(Next::ask(
            Question::ChooseIdentity(Box::new(question)),
            paused,
        ));
    }
    match wanted.choose(&config.identities) {
        Some((identity, scheme)) => show(proved, identity, scheme, cx),
        None => {
            let why = match config.identities.is_empty() {
                true => Unshown::NoneThere,
                false => Unshown::NoneFits,
            };
            show_none(proved, why, cx)
        }
    }
}

/// Paused: the user chooses what to show.
pub(crate) struct ChoosingIdentity(Box<(ServerProved, Arc<WantedIdentity>)>);

impl ChoosingIdentity {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (proved, wanted) = *self.0;
        match answered(answer, &wanted, &proved.negotiated.client.config.policy)? {
            Some((identity, scheme)) => show(proved, identity, scheme, cx),
            None => show_none(proved, Unshown::Answered, cx),
        }
    }
}

/// §7.4.6: a client without a fitting certificate sends an empty list.
fn show_none(mut proved: ServerProved, why: Unshown, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    *cx.unshown = Some(why);
    cx.send(&mut proved.negotiated.transcript, |out| {
        Certificate::put(out, core::iter::empty::<[u8; 0]>());
    });
    let keyed = exchange_keys(proved, cx)?;
    finish(keyed, ShownIdentity::default(), cx)
}

fn show(
    mut proved: ServerProved,
    identity: Identity,
    scheme: SignatureScheme,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    cx.send(&mut proved.negotiated.transcript, |out| {
        out.extend_from_slice(identity.certificate_message(Form::Before13));
    });
    let keyed = exchange_keys(proved, cx)?;
    // §7.4.8: everything so far, not its hash.
    let content = keyed.negotiated.transcript.messages();
    if identity.is_external() || keyed.negotiated.client.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: identity.clone(),
            scheme,
            content: content.to_vec(),
        };
        let paused = Signing {
            keyed: Box::new(keyed),
            identity,
            scheme,
        };
        return Ok(Next::ask(Question::Sign(Box::new(question)), paused));
    }
    let signature = identity.sign(scheme, content)?;
    signed(keyed, &identity, scheme, &signature, cx)
}

/// ClientKeyExchange is out.
struct Keyed {
    negotiated: Box<Negotiated>,
    peer: ServerPeer,
    /// Of the key exchange, if it had one.
    group: Option<NamedGroup>,
    psk: Option<Arc<SharedSecretName>>,
    master: MasterSecret,
}

/// §7.4.7: sends this side's part of the key exchange; the master secret follows.
fn exchange_keys(proved: ServerProved, cx: &mut Cx<'_>) -> Result<Keyed, Abort> {
    let ServerProved {
        mut negotiated,
        peer,
        share,
        psk,
    } = proved;
    let login = negotiated.client.offer.config().srp.clone();
    let login = login.filter(|_| negotiated.exchange.has_user());
    let (group, premaster) = agree(&mut negotiated, &peer, share, psk.as_ref(), cx)?;
    *cx.shared = negotiated.exchange.shared();
    let seed = MasterSeed::new(
        negotiated.extended,
        &negotiated.transcript,
        &negotiated.client.client_random,
        &negotiated.server_random,
    );
    let master = premaster.into_master(negotiated.keys.hash, seed);
    cx.secret_log(
        &negotiated.client.config.policy,
        &negotiated.client.client_random,
    )
    .of_session(&master);
    Ok(Keyed {
        negotiated,
        peer,
        group,
        psk: match (psk, login) {
            (Some(psk), _) => Some(Arc::clone(psk.name())),
            (None, login) => login.map(|login| Arc::clone(login.name())),
        },
        master,
    })
}

/// Sends ClientKeyExchange: RFC 8422 §5.7, RFC 5246 §7.4.7.1 and §7.4.7.2, RFC 4279 §2 and §3, RFC 5489 §2, RFC 5054
/// §2.8.2.
fn agree(
    negotiated: &mut Negotiated,
    peer: &ServerPeer,
    share: Option<ServerShare>,
    psk: Option<&PreSharedKey>,
    cx: &mut Cx<'_>,
) -> Result<(Option<NamedGroup>, PremasterSecret), Abort> {
    let (group, other) = match (negotiated.exchange.agreement, share) {
        (Some(Agreement::Ecdh), None) => {
            let ServerPeer::Proved { proof, .. } = peer else {
                return Err(another_exchange());
            };
            let key = point_in_key(proof.spki());
            let (group, public) = key.ok_or(Violation::UnsupportedKey)?;
            let (own, shared) = respond(group, public, cx.random)?;
            put_exchange(negotiated, psk, Some(ClientShare::Point(&own)), cx);
            (Some(group), Some(shared.into()))
        }
        (Some(Agreement::Ecdhe), Some(ServerShare::Point { group, public })) => {
            let (own, shared) = respond(group, &public, cx.random)?;
            put_exchange(negotiated, psk, Some(ClientShare::Point(&own)), cx);
            (Some(group), Some(shared.into()))
        }
        (None, None) => {
            put_exchange(negotiated, psk, None, cx);
            (None, None)
        }
        (Some(Agreement::Dhe), Some(ServerShare::Number { group, public })) => {
            let own = group.generate(cx.random)?;
            let shared = own
                .agree_before_tls13(&public)
                .map_err(|_| Violation::BadDhShare)?;
            put_exchange(negotiated, psk, Some(ClientShare::Number(own.share())), cx);
            (group.name(), Some(shared.into()))
        }
        (Some(Agreement::Srp), Some(ServerShare::Srp(offer))) => {
            let login = negotiated.client.offer.config().srp.as_ref();
            let password = login.ok_or_else(another_exchange)?.hash(&offer.salt);
            let answer = offer.offered.answer(password.as_slice(), cx.random)?;
            let (own, secret) = answer.ok_or(Violation::BadSrpValue)?;
            put_exchange(negotiated, psk, Some(ClientShare::Number(&own)), cx);
            (None, Some(secret.into()))
        }
        (Some(Agreement::Rsa), None) => {
            let ServerPeer::Proved { proof, .. } = peer else {
                return Err(another_exchange());
            };
            // What the hello said, in a renegotiation too.
            let newest = negotiated.client.offer.config().policy.newest();
            let version = cx.dialect.code(newest.min(Version::V1_2));
            let encrypted = rsa_premaster::encrypt(proof.spki(), version, cx.random);
            let (encrypted, premaster) = encrypted.map_err(not_encrypted)?;
            put_exchange(
                negotiated,
                psk,
                Some(ClientShare::Encrypted(&encrypted)),
                cx,
            );
            (None, Some(premaster.into()))
        }
        // The form of the server's message is by the row.
        _ => return Err(another_exchange()),
    };
    match (psk, other) {
        (Some(psk), other) => Ok((group, PremasterSecret::with_psk(other, psk.key()))),
        (None, Some(premaster)) => Ok((group, premaster)),
        (None, None) => Err(another_exchange()),
    }
}

/// That an authority has signed it makes it no key.
#[cold]
fn not_encrypted(failure: CryptoFailure) -> Abort {
    match failure {
        CryptoFailure::EncryptingPremaster => {
            let why = "its modulus or exponent is none that encrypts";
            Violation::UnsupportedKey.explained(why.to_owned())
        }
        other => other.into(),
    }
}

fn put_exchange(
    negotiated: &mut Negotiated,
    psk: Option<&PreSharedKey>,
    share: Option<ClientShare<'_>>,
    cx: &mut Cx<'_>,
) {
    let message = ClientKeyExchange {
        psk_identity: psk.map(PreSharedKey::identity),
        share,
    };
    cx.send(&mut negotiated.transcript, |out| message.put(out));
}

fn another_exchange() -> Abort {
    Misuse::new("the server's message is of another key exchange").into()
}

/// Paused: somebody holds the key.
pub(crate) struct Signing {
    keyed: Box<Keyed>,
    identity: Identity,
    scheme: SignatureScheme,
}

impl Signing {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        let master = self.keyed.master.take();
        let keyed = Keyed {
            master,
            ..*self.keyed
        };
        signed(keyed, &self.identity, self.scheme, &signature, cx)
    }
}

fn signed(
    mut keyed: Keyed,
    identity: &Identity,
    scheme: SignatureScheme,
    signature: &[u8],
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    check_signature_length(signature)?;
    let negotiated = &mut *keyed.negotiated;
    let rules = Rules::of(negotiated.version);
    cx.send(&mut negotiated.transcript, |out| {
        rules.put_certificate_verify(out, scheme, signature);
    });
    finish(keyed, ShownIdentity::new(identity, scheme), cx)
}

/// §7.4.9: changes the keys, and sends Finished.
fn finish(keyed: Keyed, shown: ShownIdentity, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let Keyed {
        mut negotiated,
        peer,
        group,
        psk,
        master,
    } = keyed;
    negotiated.transcript.forget_messages();
    let mut block = master.key_block(
        negotiated.keys,
        &negotiated.client.client_random,
        &negotiated.server_random,
    )?;
    let verify_data = negotiated.send_finished(&mut block.client, &master, cx)?;
    let mut finished = VerifyData::default();
    finished.add(&verify_data);
    let ticket = negotiated.ticket;
    let flight = Box::new(AwaitingFinished {
        negotiated,
        peer: Some(peer),
        group,
        psk,
        shown,
        master: Box::new(master),
        read: block.server,
        // They are not there any more.
        write: block.client,
        finished,
        resumed: None,
    });
    Ok(match ticket {
        true => WaitNewSessionTicket(flight).into(),
        false => WaitChangeCipherSpec(flight).into(),
    })
}
