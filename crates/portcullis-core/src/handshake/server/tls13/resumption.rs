//! Whether this connection resumes another, and the tickets for the next ones.
//!
//! RFC 8446 §2.2, §4.2.11, §4.6.1.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::super::client::proving;
use super::super::super::{Cx, Next, expect, wrong_answer};
use super::super::hello::find;
use super::Negotiated;
use super::flight::{Authentication, send_flight};
use super::identity::{ask_identity, choose_identity, host_name_of};
use crate::config::{ClientAuthentication, ServerOptions};
use crate::crypto::hash::Digest;
use crate::error::Abort;
use crate::handshake::Outcome;
use crate::key_schedule::{EarlySecret, ResumptionSecret};
use crate::question::{
    AnswerContent, IssueTickets, OpenTickets, Purpose, Question, QuestionId, VerifyChain,
};
use crate::session::{
    Established, MAX_AUTHENTICATION, MAX_TICKET, Peer, ServerSession, TicketKeys, age,
};
use crate::suite::CipherSuite;
use crate::wire::extension::{OfferedPsks, PskKeyExchangeMode, PskKeyExchangeModes};
use crate::wire::{ClientHello, ExtensionType, NewSessionTicket};
use crate::x509::{PresentedChain, VerifiedChain};
use crate::{CryptoFailure, Misuse, SignatureScheme, Violation};

/// How many of the offered tickets are looked at: opening one costs as much as a record.
const MAX_OFFERED: usize = 4;

/// A session that is resumed.
pub(super) struct Resumption {
    pub(super) index: u16,
    pub(super) early: EarlySecret,
    /// The client, and what it had signed with, if it had shown a certificate.
    pub(super) peer: Option<(VerifiedChain, SignatureScheme)>,
    /// When the handshake was that resumed none.
    pub(super) authenticated_at: UnixTime,
    /// Whether the certificate shown there has the name that the client asks for.
    pub(super) named: bool,
}

/// Goes on from the hello: resumes a session, or asks which, or chooses an identity.
pub(in super::super) fn negotiated(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let config = &negotiated.config;
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    if negotiated.binder_hash.is_none() || !may_resume(config, &hello)? {
        return choose_identity(negotiated, cx);
    }
    if config.policy.asked.tickets {
        let tickets = tickets(&hello)?.map(Box::from).collect();
        let question = OpenTickets {
            id: QuestionId::next(),
            tickets,
            now: cx.now,
        };
        let paused = OpeningTickets(Box::new(negotiated));
        return Ok(Next::ask(Question::OpenTickets(question), paused));
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
    let modes = find::<PskKeyExchangeModes<'_>>(hello)?;
    Ok(modes.is_some_and(|modes| modes.ke_modes.contains(PskKeyExchangeMode::PSK_DHE_KE)))
}

/// The tickets that are looked at.
fn tickets<'a>(hello: &ClientHello<'a>) -> Result<impl Iterator<Item = &'a [u8]>, Violation> {
    let offered = find::<OfferedPsks<'_>>(hello)?.map(|offered| offered.identities);
    let identities = offered.into_iter().flat_map(IntoIterator::into_iter);
    Ok(identities
        .take(MAX_OFFERED)
        .map(|identity| identity.identity))
}

/// The first ticket that the configured keys open. What is in it was written by one of them.
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
        if let Some(Ok(session)) = session.map(|bytes| ServerSession::from_bytes(&bytes)) {
            return Ok(Some((index, Box::new(session))));
        }
    }
    Ok(None)
}

/// §4.1.2: the second hello may leave out a pre-shared key that does not go with the suite, and
/// no other, and brings none if the first had none. What a ticket stands for is known here only
/// if it was sealed with configured keys.
pub(in super::super) fn check_omitted(
    config: &ServerOptions,
    first: &ClientHello<'_>,
    second: &ClientHello<'_>,
    suite: CipherSuite,
    cx: &Cx<'_>,
) -> Result<(), Abort> {
    let has_psk =
        |hello: &ClientHello<'_>| hello.extensions.contains(ExtensionType::PRE_SHARED_KEY);
    if has_psk(second) && !has_psk(first) {
        return Err(Violation::SecondHelloChanged.into());
    }
    if !has_psk(first) || has_psk(second) || !may_resume(config, first)? {
        return Ok(());
    }
    let omitted = open_configured(config, first, cx)?;
    let goes = |session: &ServerSession| suite.handshake_hash() == Ok(session.established.hash());
    match omitted {
        Some((_, session)) if goes(&session) => Err(Violation::PskOmittedAfterRetry.into()),
        _ => Ok(()),
    }
}

/// Paused: somebody looks for the session.
pub(crate) struct OpeningTickets(Box<Negotiated>);

impl OpeningTickets {
    pub(in super::super) fn on_answer(
        self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let negotiated = *self.0;
        let session = match answer {
            AnswerContent::ConfiguredTickets => {
                open_configured(&negotiated.config, &expect(&negotiated.hello)?, cx)?
            }
            AnswerContent::Session(session) => session,
            _ => return Err(wrong_answer()),
        };
        resume_or_choose(negotiated, session, cx)
    }
}

/// A session whose key the client has proved to have.
struct Bound {
    index: u16,
    early: EarlySecret,
    server_name: Option<String>,
    /// With what the client had signed.
    scheme: Option<SignatureScheme>,
    authenticated_at: UnixTime,
    named: bool,
}

fn resume_or_choose(
    negotiated: Negotiated,
    session: Option<(usize, Box<ServerSession>)>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Some((index, session)) = session else {
        return choose_identity(negotiated, cx);
    };
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    let server_name = host_name_of(&hello)?;
    // Who has turned the suite of the session off since is not taken back to those days.
    let suite_offered = hello.cipher_suites.contains(session.established.suite);
    if !suite_offered || !fits(&negotiated, server_name.as_deref(), &session, cx.now) {
        return choose_identity(negotiated, cx);
    }
    let Established {
        psk,
        peer,
        authenticated_at,
        ..
    } = session.established;
    let early = EarlySecret::with_psk(&psk);
    check_binder(&hello, index, &early, negotiated.binder_hash.as_ref())?;
    let bound = Bound {
        index: u16::try_from(index).map_err(|_| unknown_ticket())?,
        early,
        server_name,
        scheme: peer.as_ref().map(|peer| peer.scheme),
        authenticated_at,
        named: session.named,
    };
    let Some(Peer { chain, .. }) = peer else {
        return resume(negotiated, bound, None, cx);
    };
    let config = &negotiated.config;
    let policy = config.client_policy();
    let proof = match policy {
        Some(policy) => Purpose::Client.verify(&chain, policy, cx.now),
        None => Ok(VerifiedChain::dangerous_accept_without_verification(
            chain.clone(),
        )),
    };
    let expired = matches!(&proof, Err(error) if error.is_expired());
    if config.policy.asked.verification && !expired {
        let question = VerifyChain {
            id: QuestionId::next(),
            chain: chain.clone(),
            purpose: Purpose::Client,
            policy: policy.cloned(),
            resumed: true,
            now: cx.now,
        };
        let paused = ReverifyingChain(Box::new((negotiated, bound, chain)));
        return Ok(Next::ask(Question::VerifyChain(question), paused));
    }
    match proof {
        Ok(proof) => resume(negotiated, bound, Some(proof), cx),
        // A full handshake will say what is wrong, or see another chain.
        Err(_) => choose_identity(negotiated, cx),
    }
}

/// Paused: somebody judges the chain that the client had shown when the session began.
pub(crate) struct ReverifyingChain(Box<(Negotiated, Bound, PresentedChain)>);

impl ReverifyingChain {
    pub(in super::super) fn on_answer(
        self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let AnswerContent::Chain(verdict) = answer else {
            return Err(wrong_answer());
        };
        let (negotiated, bound, chain) = *self.0;
        let proof = proving(verdict?, &chain)?;
        resume(negotiated, bound, Some(proof), cx)
    }
}

fn resume(
    negotiated: Negotiated,
    bound: Bound,
    proof: Option<VerifiedChain>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let resumption = Resumption {
        index: bound.index,
        early: bound.early,
        peer: proof.zip(bound.scheme),
        authenticated_at: bound.authenticated_at,
        named: bound.named,
    };
    let resumption = Box::new(resumption);
    if negotiated.config.policy.asked.identity {
        return ask_identity(negotiated, Some(resumption));
    }
    let authentication = Authentication::Resumed(resumption);
    send_flight(negotiated, bound.server_name, authentication, cx)
}

/// §4.2.11.2: the client has the key that its ticket stands for.
fn check_binder(
    hello: &ClientHello<'_>,
    index: usize,
    early: &EarlySecret,
    binder_hash: Option<&Digest>,
) -> Result<(), Abort> {
    let offered = find::<OfferedPsks<'_>>(hello)?.ok_or_else(unknown_ticket)?;
    let binder = offered.binders.into_iter().nth(index);
    let binder = binder.ok_or_else(unknown_ticket)?;
    let hash = binder_hash.ok_or_else(unknown_ticket)?;
    if early.verify_binder(hash, binder.0) {
        Ok(())
    } else {
        Err(Violation::BadPskBinder.into())
    }
}

fn unknown_ticket() -> Abort {
    Misuse::new("the answer names a ticket that the client has not offered").into()
}

/// Whether the session fits what this handshake has chosen and demands. §4.2.11: the hash must
/// be that of the suite; §4.6.1: nothing may be had by resuming that a full handshake would
/// have refused, so the server name is the same and served here, and a client's chain is
/// verified again.
fn fits(
    negotiated: &Negotiated,
    server_name: Option<&str>,
    session: &ServerSession,
    now: UnixTime,
) -> bool {
    let Negotiated { config, suite, .. } = negotiated;
    let client_fits = match (&session.established.peer, &config.client_authentication) {
        (None, authentication) => !matches!(authentication, ClientAuthentication::Required(_)),
        // Whoever asks for no certificate is not told of one.
        (Some(peer), authentication) => {
            authentication.is_requested() && config.policy.schemes.contains(&peer.scheme)
        }
    };
    client_fits
        && !session.is_expired(now)
        && suite.handshake_hash() == Ok(session.established.hash())
        && session.server_name.as_deref() == server_name
        && serves(config, server_name, session.named)
}

/// Whether a full handshake would serve this name, and if the first one had `named` it, with a
/// certificate for it: else a client could be led from the server it means to another one with
/// the same ticket keys, and would not see that from a certificate. If somebody chooses
/// identities, that is seen from the answer.
fn serves(config: &ServerOptions, server_name: Option<&str>, named: bool) -> bool {
    let must = (config.refuse_unknown_names || named) && !config.policy.asked.identity;
    let Some(name) = server_name.filter(|_| must) else {
        return true;
    };
    let mut identities = config.identities.iter();
    identities.any(|identity| identity.has_name(name))
}

/// Everything is over but the tickets.
pub(super) struct Issuing {
    pub(super) config: Arc<ServerOptions>,
    pub(super) secret: ResumptionSecret,
    /// Whether the certificate that the client was shown has the name it asked for.
    pub(super) named: bool,
    pub(super) outcome: Outcome,
}

impl Issuing {
    /// §4.6.1: makes the sessions, and sends the tickets or asks for them.
    pub(super) fn issue(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let sessions = self.sessions(cx)?;
        if self.config.policy.asked.tickets {
            let question = IssueTickets {
                id: QuestionId::next(),
                sessions: sessions.clone(),
            };
            let paused = IssuingTickets(Box::new((sessions, self)));
            return Ok(Next::ask(Question::IssueTickets(question), paused));
        }
        self.seal(&sessions, cx)
    }

    fn sessions(&self, cx: &mut Cx<'_>) -> Result<Vec<ServerSession>, Abort> {
        let information = self.outcome.information();
        let peer = information.peer_chain.as_ref().zip(information.peer_scheme);
        let peer = peer.map(|(proof, scheme)| Peer {
            chain: proof.chain().clone(),
            scheme,
        });
        let age = age(information.authenticated_at, cx.now);
        let left = u32::try_from(MAX_AUTHENTICATION.saturating_sub(age)).unwrap_or(u32::MAX);
        let keys = self.config.ticket_keys.as_ref();
        let opened = keys.and_then(TicketKeys::lifetime).unwrap_or(u32::MAX);
        let lifetime = self.config.ticket_lifetime.min(left).min(opened);
        let mut sessions = Vec::with_capacity(self.config.ticket_count.into());
        // The clock may have gone on since the session was found to be fresh.
        let count = if lifetime == 0 {
            0
        } else {
            self.config.ticket_count
        };
        for nonce in 0..count {
            let mut age_add = [0; 4];
            let random = cx.random.fill(&mut age_add);
            random.map_err(CryptoFailure::from)?;
            sessions.push(ServerSession {
                established: Established {
                    suite: information.cipher_suite,
                    psk: self.secret.psk(&[nonce])?,
                    peer: peer.clone(),
                    authenticated_at: information.authenticated_at,
                },
                server_name: information.server_name.clone(),
                named: self.named,
                age_add: u32::from_be_bytes(age_add),
                lifetime,
                issued_at: cx.now,
            });
        }
        Ok(sessions)
    }

    fn seal(self, sessions: &[ServerSession], cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let mut tickets = Vec::with_capacity(sessions.len());
        if let Some(keys) = &self.config.ticket_keys {
            for session in sessions {
                match keys.seal(&session.to_bytes(), cx.now, cx.random)? {
                    Some(ticket) => tickets.push(ticket),
                    // The client's chain is too long for any ticket.
                    None => break,
                }
            }
        }
        Ok(self.send(sessions, &tickets, cx))
    }

    fn send(self, sessions: &[ServerSession], tickets: &[Vec<u8>], cx: &mut Cx<'_>) -> Next {
        for (nonce, (session, ticket)) in (0..).zip(sessions.iter().zip(tickets)) {
            cx.send_after(|out| {
                let (lifetime, age_add) = (session.lifetime, session.age_add);
                NewSessionTicket::put(out, lifetime, age_add, &[nonce], ticket, |_| {});
            });
        }
        Next::Connected(self.outcome)
    }
}

/// Paused: somebody keeps the sessions.
pub(crate) struct IssuingTickets(Box<(Vec<ServerSession>, Issuing)>);

impl IssuingTickets {
    pub(in super::super) fn on_answer(
        self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let (sessions, issuing) = *self.0;
        let tickets = match answer {
            AnswerContent::ConfiguredTickets => return issuing.seal(&sessions, cx),
            AnswerContent::Tickets(tickets) => tickets,
            _ => return Err(wrong_answer()),
        };
        if tickets.len() > sessions.len()
            || tickets
                .iter()
                .any(|ticket| !(1..=MAX_TICKET).contains(&ticket.len()))
        {
            return Err(Misuse::new(format!(
                "{} tickets of 1 to {MAX_TICKET} bytes were asked for; the answer has {}, or a \
                 longer or empty one",
                sessions.len(),
                tickets.len(),
            ))
            .into());
        }
        Ok(issuing.send(&sessions, &tickets, cx))
    }
}
