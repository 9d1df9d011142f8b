//! Handshake messages after the handshake: KeyUpdate and NewSessionTicket.
//!
//! RFC 8446 §4.6.

use core::cmp::Ordering;
use std::collections::VecDeque;

use super::assembler::{Assembler, HandshakeBytes};
use super::{
    MAX_CLIENT_HELLO, MAX_IDLE, MAX_TICKETS, MAX_WARNINGS, MAX_WASTED_KEYS, RECORDS_FOR_A_KEY, Role,
};
use crate::error::Abort;
use crate::session::{MAX_TICKET_LIFETIME, ReceivedTicket, Resumable};
use crate::violation::Violation;
use crate::wire::extension::{Request, check_request};
use crate::wire::{HandshakeMessage, HandshakeType, KeyUpdate, KeyUpdateRequest, NewSessionTicket};

/// The longest KeyUpdate that is read to the end before it is refused, in bytes of body; a right
/// one has 1 (§4.6.3).
const MAX_KEY_UPDATE: usize = 255;

/// The longest NewSessionTicket there can be, in bytes of body: each of its lists is as long as its
/// length can say (§4.6.1).
const MAX_NEW_SESSION_TICKET: usize = 4 + 4 + (1 + 255) + (2 + 65_535) + (2 + 65_534);

/// How many tickets are kept until somebody takes them.
const MAX_RECEIVED: usize = 8;

/// What came without application data in between; any data starts it anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idle {
    pub(super) empty_records: u8,
    pub(super) warnings: u8,
    pub(super) key_updates: u8,
    pub(super) tickets: u8,
}

/// Counts to `limit`.
pub(super) fn count(counter: &mut u8, limit: u8, beyond: Violation) -> Result<(), Violation> {
    if *counter >= limit {
        return Err(beyond);
    }
    *counter += 1;
    Ok(())
}

/// Collects and judges the messages; it holds nothing between them.
#[derive(Debug)]
pub(super) struct PostHandshake {
    role: Role,
    /// There while a message is incomplete.
    assembler: Option<Box<Assembler>>,
    max_handshake_size: u32,
    /// KeyUpdates after which hardly a record had come, less those that were earned back.
    wasted_keys: u16,
    /// Whether an alert that names an error must be fatal.
    pub(super) strict_alert_levels: bool,
}

impl PostHandshake {
    pub(super) fn new(role: Role, max_handshake_size: usize) -> Self {
        Self {
            role,
            assembler: None,
            // Lengths of messages have 24 bits.
            max_handshake_size: u32::try_from(max_handshake_size).unwrap_or(u32::MAX),
            wasted_keys: 0,
            strict_alert_levels: false,
        }
    }

    /// Counts a KeyUpdate over the whole connection, by what came under the old key: `records`,
    /// its own included. Nothing else bounds them: a byte of data between two of them is progress.
    pub(super) fn count_key(&mut self, records: u64) -> Result<(), Violation> {
        let earned = records.saturating_sub(1) / RECORDS_FOR_A_KEY;
        let earned = u16::try_from(earned).unwrap_or(u16::MAX);
        if earned == 0 && self.wasted_keys == MAX_WASTED_KEYS {
            return Err(Violation::TooManyKeyUpdates);
        }
        self.wasted_keys = match earned {
            0 => self.wasted_keys + 1,
            _ => self.wasted_keys.saturating_sub(earned),
        };
        Ok(())
    }

    /// Whether no message is incomplete.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.assembler.is_none()
    }

    /// Takes the content of a handshake record; gives the KeyUpdate it ends with, if it does.
    pub(super) fn on_record(
        &mut self,
        content: &[u8],
        idle: &mut Idle,
        mut tickets: Option<&mut Tickets>,
    ) -> Result<Option<KeyUpdateRequest>, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let mut assembler = self
            .assembler
            .take()
            .map_or_else(Assembler::default, |held| *held);
        assembler.push(content);
        while let Some(message) = self.pop(&mut assembler)? {
            match message.typ() {
                HandshakeType::KEY_UPDATE => {
                    // §5.1: what follows would be under the new key.
                    if !assembler.is_empty() {
                        return Err(Violation::MessageSpansKeyChange.into());
                    }
                    let beyond = Violation::TooManyKeyUpdates;
                    count(&mut idle.key_updates, MAX_IDLE, beyond)?;
                    return key_update(&message).map(Some);
                }
                HandshakeType::NEW_SESSION_TICKET if self.role == Role::Client => {
                    count(&mut idle.tickets, MAX_TICKETS, Violation::TooManyTickets)?;
                    on_ticket(&message, tickets.as_deref_mut())?;
                }
                _ => return Err(Violation::UnexpectedPostHandshakeMessage.into()),
            }
        }
        if !assembler.is_empty() {
            self.assembler = Some(Box::new(assembler));
        }
        Ok(None)
    }

    /// The same before TLS 1.3: nothing comes but the wish for another handshake, by HelloRequest or
    /// by ClientHello (RFC 5246 §7.4.1). Whether it has come.
    pub(super) fn on_older_record(
        &mut self,
        content: &[u8],
        idle: &mut Idle,
    ) -> Result<bool, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let mut assembler = self
            .assembler
            .take()
            .map_or_else(Assembler::default, |held| *held);
        assembler.push(content);
        let (due, longest, beyond) = match self.role {
            // It is always empty.
            Role::Client => (HandshakeType::HELLO_REQUEST, 0, Violation::MalformedMessage),
            Role::Server => (
                HandshakeType::CLIENT_HELLO,
                MAX_CLIENT_HELLO.min(self.max_handshake_size as usize),
                Violation::HandshakeMessageTooLong,
            ),
        };
        if assembler.begun().is_some_and(|typ| typ != due) {
            return Err(Violation::UnexpectedPostHandshakeMessage.into());
        }
        let Some(_) = assembler.pop(longest).map_err(|_| beyond)? else {
            self.assembler = Some(Box::new(assembler));
            return Ok(false);
        };
        // The peer waits for the answer now.
        if !assembler.is_empty() {
            return Err(Violation::MessageAfterFlight.into());
        }
        let beyond = Violation::TooManyRenegotiations;
        count(&mut idle.key_updates, MAX_WARNINGS, beyond)?;
        Ok(true)
    }

    /// The same where the wish may be granted: it is kept, for the handshake that begins with it.
    pub(super) fn on_kept_wish(&mut self, content: &[u8], idle: &mut Idle) -> Result<bool, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let assembler = self.assembler.get_or_insert_default();
        assembler.push(content);
        let (due, longest, beyond) = match self.role {
            Role::Client => (HandshakeType::HELLO_REQUEST, 0, Violation::MalformedMessage),
            Role::Server => (
                HandshakeType::CLIENT_HELLO,
                MAX_CLIENT_HELLO.min(self.max_handshake_size as usize),
                Violation::HandshakeMessageTooLong,
            ),
        };
        if assembler.begun().is_some_and(|typ| typ != due) {
            return Err(Violation::UnexpectedPostHandshakeMessage.into());
        }
        match assembler.held_of_message(longest).map_err(|_| beyond)? {
            Ordering::Less => return Ok(false),
            Ordering::Equal => {}
            Ordering::Greater => return Err(Violation::MessageAfterFlight.into()),
        }
        let beyond = Violation::TooManyRenegotiations;
        count(&mut idle.key_updates, MAX_WARNINGS, beyond)?;
        Ok(true)
    }

    /// Takes what is kept of the peer's wish, whole or not.
    pub(super) fn take_wish(&mut self) -> Assembler {
        self.assembler.take().map(|held| *held).unwrap_or_default()
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn max_handshake_size(&self) -> usize {
        self.max_handshake_size as usize
    }

    /// Takes the next complete message. One that is not allowed is refused on its first byte,
    /// and none may have more bytes than its kind can need: an idle connection holds no more.
    fn pop(&self, assembler: &mut Assembler) -> Result<Option<HandshakeBytes>, Abort> {
        let longest = self.max_handshake_size as usize;
        let longest = match assembler.begun() {
            None => return Ok(None),
            Some(HandshakeType::KEY_UPDATE) => MAX_KEY_UPDATE.min(longest),
            Some(HandshakeType::NEW_SESSION_TICKET) if self.role == Role::Client => {
                MAX_NEW_SESSION_TICKET.min(longest)
            }
            Some(_) => return Err(Violation::UnexpectedPostHandshakeMessage.into()),
        };
        Ok(assembler.pop(longest)?)
    }
}

fn key_update(message: &HandshakeBytes) -> Result<KeyUpdateRequest, Abort> {
    let KeyUpdate { request_update } = KeyUpdate::decode(message.body())?;
    match request_update {
        KeyUpdateRequest::UPDATE_NOT_REQUESTED | KeyUpdateRequest::UPDATE_REQUESTED => {
            Ok(request_update)
        }
        _ => Err(Violation::BadKeyUpdate.into()),
    }
}

/// The tickets of a client that wants to resume.
#[derive(Debug)]
pub(crate) struct Tickets {
    resumable: Resumable,
    pub(super) received: VecDeque<ReceivedTicket>,
}

impl Tickets {
    pub(crate) const fn new(resumable: Resumable) -> Self {
        Self {
            resumable,
            received: VecDeque::new(),
        }
    }
}

/// Checks a ticket, and keeps it for a client that wants to resume.
fn on_ticket(message: &HandshakeBytes, tickets: Option<&mut Tickets>) -> Result<(), Abort> {
    let ticket = NewSessionTicket::decode(message.body())?;
    if ticket.ticket_lifetime > MAX_TICKET_LIFETIME {
        return Err(Violation::TicketLifetimeTooLong.into());
    }
    check_request(&ticket.extensions, Request::NewSessionTicket)?;
    let Some(tickets) = tickets else {
        return Ok(());
    };
    if let Some(received) = tickets.resumable.on_ticket(&ticket)? {
        if tickets.received.len() >= MAX_RECEIVED {
            tickets.received.pop_front();
        }
        tickets.received.push_back(received);
    }
    Ok(())
}
