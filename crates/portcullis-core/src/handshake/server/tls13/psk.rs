//! Whether this connection resumes another: the tickets among the pre-shared keys that the client offers.
//!
//! RFC 8446 §2.2, §4.2.11.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::super::peer::Judge;
use super::super::super::{Cx, find, wrong_answer};
use super::super::certificate_types::of_session;
use super::super::requested::host_name_of;
use super::super::session;
use super::super::unknown_ticket;
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::early_data::{Claimable, claim_and_resume, claimable};
use super::external_psk::{choose_key, configured, resume_with_key};
use super::identity::ask_identity;
use crate::config::ServerOptions;
use crate::crypto::hash::Digest;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::key_schedule::{EarlySecret, ResumptionPsk};
use crate::psk::SharedSecretName;
use crate::question::{AnswerContent, OpenTickets, Question, QuestionId};
use crate::session::{Established, Peer, ServerSession};
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{
    CertificateType, OfferedPsks, PskKeyExchangeMode, PskKeyExchangeModes,
};
use crate::wire::{ClientHello, ExtensionType};
use crate::x509::{LeafDigests, PeerProof, Presented};
use crate::{SignatureScheme, Violation};

/// How many of the offered tickets are looked at: opening one costs as much as a record.
const MAX_OPENED: usize = 4;

/// A session that is resumed.
pub(super) struct Resumption {
    pub(super) index: u16,
    pub(super) early: EarlySecret,
    /// The client, and what it had signed with, if it had shown a certificate.
    pub(super) peer: Option<(PeerProof, SignatureScheme)>,
    /// When the handshake was that resumed none.
    pub(super) authenticated_at: UnixTime,
    /// Of the names of the certificate that was shown there, if one was.
    pub(super) leaf: Option<Arc<LeafDigests>>,
    /// The pre-shared key that it began with.
    pub(super) psk: Option<Arc<SharedSecretName>>,
    /// What may come before the handshake is over.
    pub(super) early_data: Option<Box<Claimable>>,
    /// By what this side had shown itself, if the configuration knows that.
    pub(super) shown: Option<CertificateType>,
}

/// Goes on from the hello: resumes a session, or asks which, or looks for another key.
pub(in super::super) fn resume_or_authenticate(
    negotiated: Negotiated,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let config = &negotiated.config;
    let hello = decoded_hello(&negotiated.hello)?;
    if negotiated.binder_hash.is_none() || !may_resume(config, &hello)? {
        return choose_key(negotiated, cx);
    }
    if config.policy.asked.tickets {
        let tickets = tickets(&hello)?.map(Box::from).collect();
        let question = OpenTickets {
            id: QuestionId::next(),
            tickets,
            now: cx.now,
        };
        let paused = OpeningTickets(Box::new(negotiated));
        return Ok(Next::ask(Question::OpenTickets(Box::new(question)), paused));
    }
    let session = open_configured(config, &hello, cx)?;
    resume_or_choose(negotiated, session, cx)
}

/// Whether sessions are resumed here, and in the one way that has forward secrecy (§4.2.9).
pub(super) fn may_resume(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<bool, Violation> {
    if !config.resumes() {
        return Ok(false);
    }
    let modes = find::<PskKeyExchangeModes<'_>>(&hello.extensions)?;
    Ok(modes.is_some_and(|modes| modes.ke_modes.contains(PskKeyExchangeMode::PSK_DHE_KE)))
}

/// The tickets that are looked at.
fn tickets<'a>(hello: &ClientHello<'a>) -> Result<impl Iterator<Item = &'a [u8]>, Violation> {
    let offered = find::<OfferedPsks<'_>>(&hello.extensions)?.map(|offered| offered.identities);
    let identities = offered.into_iter().flat_map(IntoIterator::into_iter);
    Ok(identities
        .take(MAX_OPENED)
        .map(|identity| identity.identity))
}

/// The first ticket that the configured keys open and that is of these records. What is in it was
/// written by one of them.
fn open_configured(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    cx: &Cx<'_>,
) -> Result<Option<(usize, Box<ServerSession>)>, Abort> {
    let Some(keys) = &config.ticket_keys else {
        return Ok(None);
    };
    for (index, ticket) in tickets(hello)?.enumerate() {
        let session = keys.open(ticket, cx.now);
        match session.map(|bytes| ServerSession::from_bytes(&bytes)) {
            Some(Ok(session)) if is_of_these_records(&session, cx.dialect) => {
                return Ok(Some((index, Box::new(session))));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The pre-shared keys of a hello that is answered by a HelloRetryRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstPsks {
    None,
    /// The server could resume with one. What a ticket stands for is known here only if it was
    /// sealed with configured keys.
    GoesWithSuite,
    /// The same with a pre-shared key that is configured.
    Configured,
    /// None goes with the suite, or nobody knows.
    Unknown,
}

impl FirstPsks {
    pub(super) fn of(
        config: &ServerOptions,
        hello: &ClientHello<'_>,
        suite: CipherSuite,
        cx: &Cx<'_>,
    ) -> Result<Self, Abort> {
        if !hello.extensions.contains(ExtensionType::PRE_SHARED_KEY) {
            return Ok(Self::None);
        }
        let goes = |session: &ServerSession| suite_fits(suite, &session.established);
        if may_resume(config, hello)?
            && let Some((_, session)) = open_configured(config, hello, cx)?
            && goes(&session)
        {
            return Ok(Self::GoesWithSuite);
        }
        match config.takes_keys_in_tls13() && is_configured(config, hello, suite, cx)? {
            true => Ok(Self::Configured),
            false => Ok(Self::Unknown),
        }
    }
}

/// Whether a configured key is offered that goes with the suite.
pub(super) fn is_configured(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    suite: CipherSuite,
    cx: &Cx<'_>,
) -> Result<bool, Abort> {
    Ok(configured(config, hello, suite.handshake_hash()?, cx)?.is_some())
}

/// Paused: somebody looks for the session.
pub(crate) struct OpeningTickets(Box<Negotiated>);

impl OpeningTickets {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let mut negotiated = *self.0;
        let session = match answer {
            AnswerContent::ConfiguredTickets => {
                negotiated.opened_with_keys();
                open_configured(&negotiated.config, &decoded_hello(&negotiated.hello)?, cx)?
            }
            AnswerContent::Session(session) => session,
            _ => return Err(wrong_answer()),
        };
        resume_or_choose(negotiated, session, cx)
    }
}

/// A session whose key the client has proved to have.
struct ProvedSession {
    index: u16,
    early: EarlySecret,
    server_name: Option<String>,
    /// With what the client had signed.
    scheme: Option<SignatureScheme>,
    authenticated_at: UnixTime,
    leaf: Option<Arc<LeafDigests>>,
    psk: Option<Arc<SharedSecretName>>,
    early_data: Option<Box<Claimable>>,
}

impl ProvedSession {
    fn into_resumption(
        self,
        config: &ServerOptions,
        proof: Option<PeerProof>,
    ) -> (Option<String>, Box<Resumption>) {
        let leaf = self.leaf.as_ref();
        let resumption = Resumption {
            index: self.index,
            early: self.early,
            peer: proof.zip(self.scheme),
            authenticated_at: self.authenticated_at,
            shown: leaf.map(|leaf| of_session(config, &leaf.names)),
            leaf: self.leaf,
            psk: self.psk,
            early_data: self.early_data,
        };
        (self.server_name, Box::new(resumption))
    }
}

fn resume_or_choose(
    mut negotiated: Negotiated,
    session: Option<(usize, Box<ServerSession>)>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Some((index, session)) = session else {
        return choose_key(negotiated, cx);
    };
    let hello = decoded_hello(&negotiated.hello)?;
    let server_name = host_name_of(&hello)?;
    if !fits(&negotiated, &hello, server_name.as_deref(), &session, cx)? {
        return choose_key(negotiated, cx);
    }
    let Some(psk) = session.established.psk() else {
        return choose_key(negotiated, cx);
    };
    let early = EarlySecret::with_psk(psk, cx.dialect.label_prefix());
    check_binder(&hello, index, &early, negotiated.binder_hash.as_ref())?;
    let early_data = claimable(&mut negotiated, index, &session, cx)?;
    let Established {
        peer,
        shared_key,
        authenticated_at,
        ..
    } = session.established;
    let proved = ProvedSession {
        index: u16::try_from(index).map_err(|_| unknown_ticket())?,
        early,
        server_name,
        scheme: peer.as_ref().map(|peer| peer.scheme),
        authenticated_at,
        leaf: session.leaf,
        psk: shared_key.clone(),
        early_data,
    };
    match (shared_key, peer) {
        (Some(name), _) => {
            let (server_name, resumption) = proved.into_resumption(&negotiated.config, None);
            resume_with_key(negotiated, server_name, resumption, name, cx)
        }
        (None, Some(Peer { shown, .. })) => reverify(negotiated, proved, shown, cx),
        (None, None) => resume(negotiated, proved, None, cx),
    }
}

/// Verifies the client's chain by the rules of today, or asks for that.
fn reverify(
    negotiated: Negotiated,
    proved: ProvedSession,
    shown: Presented,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let judge = Judge::of_client(&negotiated.config);
    if judge.asks_for_staples(&shown) {
        return match judge.verify_with_staple(&shown, cx.now) {
            Some(proof) => resume(negotiated, proved, Some(proof), cx),
            None => choose_key(negotiated, cx),
        };
    }
    let judge = judge.of_session();
    match judge.verify_again(&shown, cx.now) {
        Ok(None) => {
            let question = judge.ask(&shown, cx.now);
            let paused = ReverifyingChain(Box::new((negotiated, proved, shown)));
            Ok(Next::ask(question, paused))
        }
        Ok(Some(proof)) => resume(negotiated, proved, Some(proof), cx),
        // A full handshake will say what is wrong, or see another chain.
        Err(_) => choose_key(negotiated, cx),
    }
}

/// Paused: somebody judges the chain that the client had shown when the session began.
pub(crate) struct ReverifyingChain(Box<(Negotiated, ProvedSession, Presented)>);

impl ReverifyingChain {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        if Judge::prefers_full_handshake(&answer) {
            return choose_key(self.0.0, cx);
        }
        let early = self.0.1.early.take();
        let (negotiated, proved, shown) = *self.0;
        let proved = ProvedSession { early, ..proved };
        let proof = Judge::of_client(&negotiated.config).on_answer(answer, &shown)?;
        resume(negotiated, proved, Some(proof), cx)
    }
}

fn resume(
    negotiated: Negotiated,
    proved: ProvedSession,
    proof: Option<PeerProof>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let (server_name, resumption) = proved.into_resumption(&negotiated.config, proof);
    resume_session(negotiated, server_name, resumption, cx)
}

/// Goes on with the session. There is nothing to ask about an identity where none had been shown.
pub(super) fn resume_session(
    negotiated: Negotiated,
    server_name: Option<String>,
    resumption: Box<Resumption>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if negotiated.config.policy.asked.identity && resumption.leaf.is_some() {
        return ask_identity(negotiated, Some(resumption));
    }
    claim_and_resume(negotiated, server_name, resumption, cx)
}

/// §4.2.11.2: the client has the key that its ticket, or its identity, stands for.
pub(super) fn check_binder(
    hello: &ClientHello<'_>,
    index: usize,
    early: &EarlySecret,
    binder_hash: Option<&Digest>,
) -> Result<(), Abort> {
    let offered = find::<OfferedPsks<'_>>(&hello.extensions)?.ok_or_else(unknown_ticket)?;
    let binder = offered.binders.into_iter().nth(index);
    let binder = binder.ok_or_else(unknown_ticket)?;
    let hash = binder_hash.ok_or_else(unknown_ticket)?;
    if early.verify_binder(hash, binder.0) {
        Ok(())
    } else {
        Err(Violation::BadPskBinder.into())
    }
}

/// DTLS and other versions have sessions of their own, maybe sealed with the same keys.
fn is_of_these_records(session: &ServerSession, dialect: Dialect) -> bool {
    session.established.is_of(dialect, Version::V1_3)
}

/// §4.2.11: the hash of the session's key must be that of the suite.
fn suite_fits(suite: CipherSuite, session: &Established) -> bool {
    let hash = session.psk().map(ResumptionPsk::hash);
    hash.is_some_and(|hash| suite.handshake_hash() == Ok(hash))
}

/// Whether the session fits what this handshake has chosen, and demands.
fn fits(
    negotiated: &Negotiated,
    hello: &ClientHello<'_>,
    server_name: Option<&str>,
    session: &ServerSession,
    cx: &Cx<'_>,
) -> Result<bool, Abort> {
    let Negotiated { config, suite, .. } = negotiated;
    Ok(suite_fits(*suite, &session.established)
        && session::fits(config, Version::V1_3, hello, server_name, session, cx)?)
}
