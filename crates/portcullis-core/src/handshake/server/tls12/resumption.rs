//! Whether this connection resumes another: the ticket that the client has sent, or the id.
//!
//! RFC 5246 §7.3 (figure 2), RFC 5077 §3, RFC 7627 §5.3.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::super::negotiate;
use super::super::super::peer::Judge;
use super::super::super::{Cx, find, wrong_answer};
use super::super::certificate_types::of_session;
use super::super::requested::host_name_of;
use super::super::session;
use super::super::unknown_ticket;
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::flight::send_abbreviated_flight;
use super::identity::{ask_again, choose_identity};
use super::psk::resume_with_psk;
use super::tickets::due;
use super::user::resume_with_user;
use crate::client_hello_view::ClientHelloView;
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::key_schedule::tls12::MasterSecret;
use crate::psk::{Shared, SharedSecretName};
use crate::question::{AnswerContent, FindSession, OpenTickets, Question, QuestionId};
use crate::session::{Peer, Secret, ServerSession};
use crate::suite::{CipherSuite, Exchange};
use crate::wire::extension::{CertificateType, SessionTicket};
use crate::wire::{ClientHello, ExtensionType};
use crate::x509::{LeafDigests, PeerProof, Presented};
use crate::{NamedGroup, SignatureScheme, Violation};

/// A session that is resumed.
pub(super) struct Resumption {
    pub(super) master: Box<MasterSecret>,
    pub(super) suite: CipherSuite,
    /// The row of its key exchange.
    pub(super) exchange: Exchange,
    /// Of the key exchange that the master secret came from.
    pub(super) group: Option<NamedGroup>,
    /// The pre-shared key that it began with, or the user who had logged in.
    pub(super) psk: Option<Arc<SharedSecretName>>,
    pub(super) server_name: Option<String>,
    /// The client, and what it had signed with, if it had shown a certificate.
    pub(super) peer: Option<(PeerProof, SignatureScheme)>,
    /// When the handshake was that resumed none.
    pub(super) authenticated_at: UnixTime,
    /// Of the certificate that was shown there, if one was.
    pub(super) leaf: Option<Arc<LeafDigests>>,
    /// By what this side had shown itself, if it had.
    pub(super) shown: Option<CertificateType>,
    /// From when on there is a new ticket for it; never for an id.
    pub(super) ticket_due: Option<UnixTime>,
}

/// Goes on from the hello: resumes a session, or asks which, or chooses an identity.
pub(super) fn resume_or_authenticate(
    negotiated: Negotiated,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    if negotiated.previous.is_some() {
        // Another handshake on a connection is a full one: it has to prove again who the ends are.
        return choose_identity(negotiated, cx);
    }
    let ticket = find::<SessionTicket<'_>>(&hello.extensions)?.map(|ticket| ticket.0);
    let ticket = match ticket.filter(|ticket| !ticket.is_empty()) {
        Some(ticket) if negotiated.config.gives_tickets_before_tls13() => ticket,
        // RFC 5077 §3.4: a client that sends a ticket means no other session.
        Some(_) => return choose_identity(negotiated, cx),
        None => return find_session(negotiated, cx),
    };
    if negotiated.config.policy.asked.tickets {
        let question = OpenTickets {
            id: QuestionId::next(),
            tickets: vec![ticket.into()],
            now: cx.now,
        };
        let paused = OpeningTickets(Box::new(negotiated));
        return Ok(Next::ask(Question::OpenTickets(Box::new(question)), paused));
    }
    let session = open_configured(&negotiated, ticket, cx);
    resume_or_choose(negotiated, session, due, cx)
}

/// What the configured keys open.
fn open_configured(
    negotiated: &Negotiated,
    ticket: &[u8],
    cx: &Cx<'_>,
) -> Option<Box<ServerSession>> {
    let keys = negotiated.config.ticket_keys.as_ref()?;
    let bytes = keys.open(ticket, cx.now)?;
    ServerSession::from_bytes(&bytes).ok().map(Box::new)
}

/// Paused: somebody looks for the session.
pub(crate) struct OpeningTickets(Box<Negotiated>);

impl OpeningTickets {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let negotiated = *self.0;
        let session = match answer {
            AnswerContent::ConfiguredTickets => {
                let hello = decoded_hello(&negotiated.hello)?;
                let ticket = find::<SessionTicket<'_>>(&hello.extensions)?;
                ticket.and_then(|ticket| open_configured(&negotiated, ticket.0, cx))
            }
            AnswerContent::Session(None) => None,
            // There is one ticket.
            AnswerContent::Session(Some((0, session))) => Some(session),
            AnswerContent::Session(Some(_)) => return Err(unknown_ticket()),
            _ => return Err(wrong_answer()),
        };
        resume_or_choose(negotiated, session, due, cx)
    }
}

/// Looks for the session of the client's id.
fn find_session(mut negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    if !negotiated.config.policy.asked.sessions || hello.legacy_session_id.is_empty() {
        return choose_identity(negotiated, cx);
    }
    let question = FindSession {
        id: QuestionId::next(),
        hello: ClientHelloView::of(&mut negotiated.hello)?,
        now: cx.now,
    };
    let paused = FindingSession(Box::new(negotiated));
    Ok(Next::ask(Question::FindSession(Box::new(question)), paused))
}

/// Paused: somebody looks for the session.
pub(crate) struct FindingSession(Box<Negotiated>);

impl FindingSession {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let AnswerContent::Session(session) = answer else {
            return Err(wrong_answer());
        };
        let session = session.map(|(_, session)| session);
        resume_or_choose(*self.0, session, |_, _| None, cx)
    }
}

fn resume_or_choose(
    negotiated: Negotiated,
    session: Option<Box<ServerSession>>,
    due: impl FnOnce(&ServerOptions, &ServerSession) -> Option<UnixTime>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Some(session) = session else {
        return choose_identity(negotiated, cx);
    };
    let hello = decoded_hello(&negotiated.hello)?;
    let server_name = host_name_of(&hello)?;
    if !fits(&negotiated, &hello, server_name.as_deref(), &session, cx)? {
        return choose_identity(negotiated, cx);
    }
    let ticket_due = due(&negotiated.config, &session);
    let established = session.established;
    let (Secret::Master { secret, group, .. }, Some(exchange)) =
        (established.secret, established.suite.exchange())
    else {
        return choose_identity(negotiated, cx);
    };
    let resumption = Box::new(Resumption {
        master: secret,
        suite: established.suite,
        exchange,
        group,
        psk: established.shared_key.clone(),
        server_name,
        peer: None,
        authenticated_at: established.authenticated_at,
        shown: session
            .leaf
            .as_ref()
            .map(|leaf| of_session(&negotiated.config, &leaf.names)),
        leaf: session.leaf,
        ticket_due,
    });
    let peer = established.peer;
    match established.shared_key {
        None => resume_with_peer(negotiated, resumption, peer, cx),
        Some(name) => match name.kind {
            Shared::Psk => resume_with_psk(negotiated, resumption, name, cx),
            Shared::Password => resume_with_user(negotiated, resumption, name, peer, cx),
        },
    }
}

/// Goes on with a session in which the client had shown this, if anything.
pub(super) fn resume_with_peer(
    negotiated: Negotiated,
    resumption: Box<Resumption>,
    peer: Option<Peer>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    match peer {
        Some(peer) => reverify(negotiated, resumption, peer, cx),
        None => resume(negotiated, resumption, cx),
    }
}

/// Whether the session fits what this handshake demands.
fn fits(
    negotiated: &Negotiated,
    hello: &ClientHello<'_>,
    server_name: Option<&str>,
    session: &ServerSession,
    cx: &Cx<'_>,
) -> Result<bool, Abort> {
    let Negotiated {
        config, version, ..
    } = negotiated;
    let established = &session.established;
    let Secret::Master { extended, .. } = established.secret else {
        return Ok(false);
    };
    let Some(exchange) = established.suite.exchange() else {
        return Ok(false);
    };
    // A session has its suite for good (§7.4.1.3). Where a full handshake with the same kind of key would come to another
    // one, it is not resumed.
    let kind = |suite: CipherSuite| {
        suite
            .info()
            .map(|info| (info.key_exchange, info.authentication))
    };
    let code = cx.dialect.code(*version);
    let first = negotiate::cipher_suites(config, code, hello.cipher_suites.iter())
        .find(|suite| kind(*suite) == kind(established.suite));
    let fits = first == Some(established.suite)
        && established.shared_key.as_ref().map(|name| name.kind) == exchange.shared()
        && session::fits(config, *version, hello, server_name, session, cx)?;
    let offered = hello
        .extensions
        .contains(ExtensionType::EXTENDED_MASTER_SECRET);
    match (extended, negotiated.extended) {
        // RFC 7627 §5.3. Where it is off here the client has done nothing wrong.
        (true, false) if fits && !offered => {
            Err(Violation::ResumedWithoutExtendedMasterSecret.into())
        }
        (session, connection) => Ok(fits && session == connection),
    }
}

/// Verifies the client's chain by the rules of today, or asks for that.
fn reverify(
    negotiated: Negotiated,
    mut resumption: Box<Resumption>,
    peer: Peer,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Peer { shown, scheme } = peer;
    let judge = Judge::of_client(&negotiated.config).of_session();
    match judge.verify_again(&shown, cx.now) {
        Ok(None) => {
            let question = judge.ask(&shown, cx.now);
            let paused = ReverifyingChain(Box::new((negotiated, resumption, shown, scheme)));
            Ok(Next::ask(question, paused))
        }
        Ok(Some(proof)) => {
            resumption.peer = Some((proof, scheme));
            resume(negotiated, resumption, cx)
        }
        // A full handshake will say what is wrong, or see another chain.
        Err(_) => choose_identity(negotiated, cx),
    }
}

/// Paused: somebody judges the chain that the client had shown when the session began.
pub(crate) struct ReverifyingChain(Box<(Negotiated, Box<Resumption>, Presented, SignatureScheme)>);

impl ReverifyingChain {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (negotiated, mut resumption, shown, scheme) = *self.0;
        if Judge::prefers_full_handshake(&answer) {
            return choose_identity(negotiated, cx);
        }
        let proof = Judge::of_client(&negotiated.config).on_answer(answer, &shown)?;
        resumption.peer = Some((proof, scheme));
        resume(negotiated, resumption, cx)
    }
}

pub(super) fn resume(
    negotiated: Negotiated,
    resumption: Box<Resumption>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if negotiated.config.policy.asked.identity && resumption.leaf.is_some() {
        return ask_again(negotiated, resumption, cx);
    }
    send_abbreviated_flight(negotiated, *resumption, cx)
}
