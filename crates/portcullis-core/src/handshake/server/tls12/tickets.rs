//! The ticket for the next connections, which comes before the server's Finished.
//!
//! RFC 5077 §3.3.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::super::super::{Cx, wrong_answer};
use super::super::Next;
use super::finished::Keyed;
use crate::Misuse;
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::question::{AnswerContent, IssueTickets, Question, QuestionId};
use crate::session::{MAX_TICKET, ServerSession, TicketKeys};
use crate::wire::tls12::NewSessionTicket;

/// The session that a ticket stands for.
fn session(keyed: &Keyed, cx: &Cx<'_>) -> ServerSession {
    let keys = keyed.config.ticket_keys.as_ref();
    let opened = keys.and_then(TicketKeys::lifetime).unwrap_or(u32::MAX);
    keyed.session(opened, cx)
}

/// Makes the session, and sends the ticket or asks for it. The client's Finished is in.
pub(super) fn issue(keyed: Box<Keyed>, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let session = session(&keyed, cx);
    if keyed.config.policy.asked.tickets {
        let question = IssueTickets {
            id: QuestionId::next(),
            sessions: vec![session.clone()],
            names: cx.random_bytes::<1>()?.to_vec(),
        };
        let paused = IssuingTickets(Box::new((keyed, session)));
        return Ok(Next::ask(
            Question::IssueTickets(Box::new(question)),
            paused,
        ));
    }
    seal(keyed, &session, cx)
}

/// When the session has a new ticket, if it is resumed then: once half of the life of its ticket is over, so that a client
/// that comes back all the time needs no full handshake until it has to prove again who it is. Not where somebody else
/// has the tickets: nothing is kept for a client that has not answered yet.
pub(super) fn due(config: &ServerOptions, session: &ServerSession) -> Option<UnixTime> {
    config.ticket_keys.as_ref()?;
    let half = Duration::from_secs(u64::from(session.lifetime / 2));
    let since = Duration::from_secs(session.issued_at.as_secs());
    let due = UnixTime::since_unix_epoch(since.saturating_add(half));
    (!config.policy.asked.tickets).then_some(due)
}

/// Sends the new ticket of a session that is resumed.
pub(super) fn renew(keyed: &mut Keyed, cx: &mut Cx<'_>) -> Result<(), Abort> {
    let session = session(keyed, cx);
    let ticket = sealed(keyed, &session, cx)?;
    put(keyed, &session, ticket.as_deref(), cx);
    Ok(())
}

fn sealed(
    keyed: &Keyed,
    session: &ServerSession,
    cx: &mut Cx<'_>,
) -> Result<Option<Vec<u8>>, Abort> {
    match &keyed.config.ticket_keys {
        Some(keys) => Ok(keys.seal(&session.to_bytes(), cx.now, cx.random)?),
        None => Ok(None),
    }
}

fn seal(keyed: Box<Keyed>, session: &ServerSession, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let ticket = sealed(&keyed, session, cx)?;
    send(keyed, session, ticket.as_deref(), cx)
}

/// §3.3: one was announced, so there is a message, if only to say that there is none after all.
fn put(keyed: &mut Keyed, session: &ServerSession, ticket: Option<&[u8]>, cx: &mut Cx<'_>) {
    let lifetime = ticket.map_or(0, |_| session.lifetime);
    cx.send(&mut keyed.transcript, |out| {
        NewSessionTicket::put(out, lifetime, ticket.unwrap_or_default());
    });
}

fn send(
    mut keyed: Box<Keyed>,
    session: &ServerSession,
    ticket: Option<&[u8]>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    put(&mut keyed, session, ticket, cx);
    keyed.send_finished(cx)?;
    Ok(Next::Connected(keyed.connected(cx)))
}

/// Paused: somebody keeps the session.
pub(crate) struct IssuingTickets(Box<(Box<Keyed>, ServerSession)>);

impl IssuingTickets {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (keyed, session) = *self.0;
        let tickets = match answer {
            AnswerContent::ConfiguredTickets => return seal(keyed, &session, cx),
            AnswerContent::Tickets(tickets) => tickets,
            _ => return Err(wrong_answer()),
        };
        match tickets.as_slice() {
            [] => send(keyed, &session, None, cx),
            [ticket] if (1..=MAX_TICKET).contains(&ticket.len()) => {
                send(keyed, &session, Some(ticket), cx)
            }
            _ => Err(Misuse::new(format!(
                "one ticket of 1 to {MAX_TICKET} bytes was asked for; the answer has {}, or a longer \
                 or empty one",
                tickets.len()
            ))
            .into()),
        }
    }
}
