//! The tickets for the next connections.
//!
//! RFC 8446 §4.6.1.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::super::{Cx, wrong_answer};
use super::super::Next;
use crate::config::ServerOptions;
use crate::crypto::random::Random;
use crate::error::Abort;
use crate::handshake::Outcome;
use crate::information::Information;
use crate::key_schedule::{ResumptionMasterSecret, Unhashed};
use crate::question::{AnswerContent, IssueTickets, Question, QuestionId};
use crate::session::{
    EarlyDataTerms, Established, MAX_AUTHENTICATION, Peer, Salt, Secret, ServerSession, TicketKeys,
    age, max_ticket,
};
use crate::wire::extension::{MaxEarlyDataSize, put_extension};
use crate::wire::{ExtensionType, NewSessionTicket, grease_point};
use crate::x509::LeafDigests;
use crate::{CryptoFailure, Misuse};

/// Everything is over but the tickets.
pub(super) struct Issuing {
    pub(super) config: Arc<ServerOptions>,
    pub(super) secret: ResumptionMasterSecret,
    /// Of the certificate that the client was shown, if it was shown one.
    pub(super) leaf: Option<Arc<LeafDigests>>,
    pub(super) outcome: Outcome,
    /// How many.
    pub(super) count: u8,
}

/// What is random in a ticket: what is added to its age, and the salt of its key.
#[derive(Clone, Copy)]
struct Drawn {
    age_add: [u8; 4],
    salt: Salt,
}

impl Drawn {
    const LEN: usize = size_of::<[u8; 4]>() + size_of::<Salt>();

    /// For so many tickets at once: a draw takes as long for four bytes as for a hundred.
    fn new(count: usize, random: &mut Random) -> Result<Vec<Self>, CryptoFailure> {
        let mut bytes = vec![[0; Self::LEN]; count];
        random.fill(bytes.as_flattened_mut())?;
        let drawn = bytes.iter().filter_map(|bytes| {
            Some(Self {
                age_add: *bytes.first_chunk()?,
                salt: *bytes.last_chunk()?,
            })
        });
        Ok(drawn.collect())
    }
}

impl Issuing {
    /// §4.6.1: makes the sessions, and sends the tickets or asks for them.
    pub(super) fn issue(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let drawn = Drawn::new(self.count.into(), cx.random)?;
        let sessions = self.sessions(&drawn, cx.now)?;
        if self.config.policy.asked.tickets {
            let mut names = vec![[0; 32]; sessions.len()];
            let random = cx.random.fill(names.as_flattened_mut());
            random.map_err(CryptoFailure::from)?;
            let question = IssueTickets {
                id: QuestionId::next(),
                sessions: sessions.clone(),
                names,
            };
            let paused = IssuingTickets(Box::new((sessions, self)));
            return Ok(Next::ask(
                Question::IssueTickets(Box::new(question)),
                paused,
            ));
        }
        self.seal(&sessions, &drawn, cx)
    }

    fn sessions(&self, drawn: &[Drawn], now: UnixTime) -> Result<Vec<ServerSession>, Abort> {
        let information = self.outcome.information();
        let peer = information.peer.as_ref().zip(information.peer_scheme);
        let peer = peer.map(|(shown, scheme)| Peer {
            shown: shown.clone(),
            scheme,
        });
        let recipe = Recipe::new(&self.config, information, peer, now);
        let mut sessions = Vec::with_capacity(drawn.len());
        for (nonce, drawn) in (0..self.count).zip(drawn) {
            let leaf = self.leaf.clone();
            sessions.extend(recipe.session(&self.secret, leaf, nonce, drawn.age_add)?);
        }
        Ok(sessions)
    }

    /// There is one `drawn` for each session.
    fn seal(
        self,
        sessions: &[ServerSession],
        drawn: &[Drawn],
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut tickets = Vec::with_capacity(sessions.len());
        if let Some(keys) = &self.config.ticket_keys {
            for (session, Drawn { salt, .. }) in sessions.iter().zip(drawn) {
                let session = session.to_bytes();
                let ticket = keys.seal_salted(&session, salt, cx.now, cx.random)?;
                match ticket.filter(|ticket| ticket.len() <= max_ticket(cx.dialect)) {
                    Some(ticket) => tickets.push(ticket),
                    // The client's chain is too long for any ticket.
                    None => break,
                }
            }
        }
        Ok(self.send(sessions, &tickets, cx))
    }

    fn send(self, sessions: &[ServerSession], tickets: &[Vec<u8>], cx: &mut Cx<'_>) -> Next {
        let grease = self.config.grease;
        for (nonce, (session, ticket)) in (0..).zip(sessions.iter().zip(tickets)) {
            cx.send(&mut Unhashed, |out| {
                put_ticket(out, nonce, session, ticket, grease);
            });
        }
        Next::Connected(self.outcome)
    }
}

/// What sessions of one connection have in common.
pub(super) struct Recipe<'a> {
    information: &'a Information,
    peer: Option<Peer>,
    early_data: Option<Arc<EarlyDataTerms>>,
    lifetime: u32,
    now: UnixTime,
}

impl<'a> Recipe<'a> {
    pub(super) fn new(
        config: &ServerOptions,
        information: &'a Information,
        peer: Option<Peer>,
        now: UnixTime,
    ) -> Self {
        let age = age(information.authenticated_at, now);
        let left = u32::try_from(MAX_AUTHENTICATION.saturating_sub(age)).unwrap_or(u32::MAX);
        let keys = config.ticket_keys.as_ref();
        let opened = keys.and_then(TicketKeys::lifetime).unwrap_or(u32::MAX);
        let limit = config.early_data.granted();
        Self {
            information,
            peer,
            early_data: EarlyDataTerms::new(limit, information.alpn.as_deref()).map(Arc::new),
            lifetime: config.ticket_lifetime_in_seconds().min(left).min(opened),
            now,
        }
    }

    /// `None` if its life is over: the clock may have gone on since the session was found to be fresh.
    pub(super) fn session(
        &self,
        secret: &ResumptionMasterSecret,
        leaf: Option<Arc<LeafDigests>>,
        nonce: u8,
        age_add: [u8; 4],
    ) -> Result<Option<ServerSession>, Abort> {
        if self.lifetime == 0 {
            return Ok(None);
        }
        let information = self.information;
        Ok(Some(ServerSession {
            established: Established {
                shared_key: information.psk.clone(),
                dialect: information.dialect,
                version: information.version,
                suite: information.cipher_suite,
                secret: Secret::Psk(secret.psk(&[nonce])?),
                peer: self.peer.clone(),
                authenticated_at: information.authenticated_at,
                // A server's is bound to names: a renewed certificate may have another key.
                shown: None,
                early_data: self.early_data.clone(),
            },
            server_name: information.server_name.clone(),
            leaf,
            age_add: u32::from_be_bytes(age_add),
            lifetime: self.lifetime,
            issued_at: self.now,
        }))
    }
}

/// Writes NewSessionTicket; if wanted with an extension that means nothing (RFC 8701 §4.1).
pub(super) fn put_ticket(
    out: &mut Vec<u8>,
    nonce: u8,
    session: &ServerSession,
    ticket: &[u8],
    grease: bool,
) {
    let (lifetime, age_add) = (session.lifetime, session.age_add);
    NewSessionTicket::put(out, lifetime, age_add, &[nonce], ticket, |out| {
        if let Some(terms) = &session.established.early_data {
            MaxEarlyDataSize::put(out, terms.limit());
        }
        if grease {
            // By bytes that are random, and stand in the same message.
            let [random, ..] = age_add.to_be_bytes();
            put_extension(out, ExtensionType(grease_point(random)), |out| {
                out.push(0);
            });
        }
    });
}

/// What somebody has answered: at most so many tickets, of a length that can be sent.
pub(super) fn check_tickets(tickets: &[Vec<u8>], asked: usize, most: usize) -> Result<(), Misuse> {
    let mut lengths = tickets.iter().map(Vec::len);
    if tickets.len() <= asked && lengths.all(|length| (1..=most).contains(&length)) {
        return Ok(());
    }
    Err(Misuse::new(format!(
        "{asked} tickets of 1 to {most} bytes were asked for; the answer has {}, or a longer or empty one",
        tickets.len(),
    )))
}

/// Paused: somebody keeps the sessions.
pub(crate) struct IssuingTickets(Box<(Vec<ServerSession>, Issuing)>);

impl IssuingTickets {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let secret = self.0.1.secret.take();
        let (sessions, issuing) = *self.0;
        let issuing = Issuing { secret, ..issuing };
        let tickets = match answer {
            AnswerContent::ConfiguredTickets => {
                let drawn = Drawn::new(sessions.len(), cx.random)?;
                return issuing.seal(&sessions, &drawn, cx);
            }
            AnswerContent::Tickets(tickets) => tickets,
            _ => return Err(wrong_answer()),
        };
        check_tickets(&tickets, sessions.len(), max_ticket(cx.dialect))?;
        Ok(issuing.send(&sessions, &tickets, cx))
    }
}
