//! The tickets for the next connections.
//!
//! RFC 8446 §4.6.1.

use std::sync::Arc;

use super::super::super::{Cx, wrong_answer};
use super::super::Next;
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::handshake::Outcome;
use crate::key_schedule::{ResumptionMasterSecret, Unhashed};
use crate::question::{AnswerContent, IssueTickets, Question, QuestionId};
use crate::session::{
    EarlyDataTerms, Established, MAX_AUTHENTICATION, Peer, Secret, ServerSession, TicketKeys, age,
    max_ticket,
};
use crate::wire::NewSessionTicket;
use crate::wire::extension::MaxEarlyDataSize;
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

impl Issuing {
    /// §4.6.1: makes the sessions, and sends the tickets or asks for them.
    pub(super) fn issue(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let sessions = self.sessions(cx)?;
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
        self.seal(&sessions, cx)
    }

    fn sessions(&self, cx: &mut Cx<'_>) -> Result<Vec<ServerSession>, Abort> {
        let information = self.outcome.information();
        let peer = information.peer.as_ref().zip(information.peer_scheme);
        let peer = peer.map(|(shown, scheme)| Peer {
            shown: shown.clone(),
            scheme,
        });
        let age = age(information.authenticated_at, cx.now);
        let left = u32::try_from(MAX_AUTHENTICATION.saturating_sub(age)).unwrap_or(u32::MAX);
        let keys = self.config.ticket_keys.as_ref();
        let opened = keys.and_then(TicketKeys::lifetime).unwrap_or(u32::MAX);
        let lifetime = self
            .config
            .ticket_lifetime_in_seconds()
            .min(left)
            .min(opened);
        let limit = self.config.early_data.granted();
        let early_data = EarlyDataTerms::new(limit, information.alpn.as_deref()).map(Arc::new);
        let mut sessions = Vec::with_capacity(self.count.into());
        // The clock may have gone on since the session was found to be fresh.
        let count = if lifetime == 0 { 0 } else { self.count };
        for nonce in 0..count {
            let mut age_add = [0; 4];
            let random = cx.random.fill(&mut age_add);
            random.map_err(CryptoFailure::from)?;
            sessions.push(ServerSession {
                established: Established {
                    shared_key: information.psk.clone(),
                    dialect: information.dialect,
                    version: information.version,
                    suite: information.cipher_suite,
                    secret: Secret::Psk(self.secret.psk(&[nonce])?),
                    peer: peer.clone(),
                    authenticated_at: information.authenticated_at,
                    // A server's is bound to names: a renewed certificate may have another key.
                    shown: None,
                    early_data: early_data.clone(),
                },
                server_name: information.server_name.clone(),
                leaf: self.leaf.clone(),
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
                let ticket = keys.seal(&session.to_bytes(), cx.now, cx.random)?;
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
        for (nonce, (session, ticket)) in (0..).zip(sessions.iter().zip(tickets)) {
            cx.send(&mut Unhashed, |out| {
                let (lifetime, age_add) = (session.lifetime, session.age_add);
                NewSessionTicket::put(out, lifetime, age_add, &[nonce], ticket, |out| {
                    if let Some(terms) = &session.established.early_data {
                        MaxEarlyDataSize::put(out, terms.limit());
                    }
                });
            });
        }
        Next::Connected(self.outcome)
    }
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
            AnswerContent::ConfiguredTickets => return issuing.seal(&sessions, cx),
            AnswerContent::Tickets(tickets) => tickets,
            _ => return Err(wrong_answer()),
        };
        let most = max_ticket(cx.dialect);
        if tickets.len() > sessions.len()
            || tickets
                .iter()
                .any(|ticket| !(1..=most).contains(&ticket.len()))
        {
            return Err(Misuse::new(format!(
                "{} tickets of 1 to {most} bytes were asked for; the answer has {}, or a \
                 longer or empty one",
                sessions.len(),
                tickets.len(),
            ))
            .into());
        }
        Ok(issuing.send(&sessions, &tickets, cx))
    }
}
