//! Handshake messages after the handshake: KeyUpdate, NewSessionTicket, and what a client authenticates with.
//!
//! RFC 8446 §4.6.

use core::cmp::Ordering;
use std::collections::VecDeque;

use super::assembler::{Assembler, HandshakeBytes, MESSAGE_HEADER};
use super::authentication::Authenticating;
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
pub(super) const MAX_NEW_SESSION_TICKET: usize = 4 + 4 + (1 + 255) + (2 + 65_535) + (2 + 65_534);

/// How many tickets are kept until somebody takes them.
const MAX_RECEIVED: usize = 8;

/// What came without application data in between; any data starts it anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idle {
    pub(super) empty_records: u8,
    pub(super) warnings: u8,
    /// KeyUpdates, or before TLS 1.3 requests for another handshake.
    pub(super) changes_of_keys: u8,
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

/// A message of which not all has come.
#[derive(Debug)]
enum Begun {
    Message(Assembler),
    /// The same, or nothing yet, where one is due: what a client authenticates with comes in one run (§4.4).
    Run(Assembler),
    Declined(Declined),
}

/// A message that is declined, whatever is in it: nobody looks at its body, and nobody keeps it.
#[derive(Debug, Default)]
struct Declined {
    header: [u8; MESSAGE_HEADER],
    /// How many bytes have come, the header's included.
    seen: usize,
}

impl Declined {
    /// Counts what belongs to it; gives what is left.
    fn skip<'c>(&mut self, content: &'c [u8]) -> &'c [u8] {
        let missing = MESSAGE_HEADER.saturating_sub(self.seen);
        let (header, content) = content.split_at(missing.min(content.len()));
        let places = self.header.iter_mut().skip(self.seen);
        places.zip(header).for_each(|(to, byte)| *to = *byte);
        self.seen += header.len();
        let missing = self
            .length()
            .map_or(0, |body| MESSAGE_HEADER + body - self.seen);
        let (body, rest) = content.split_at(missing.min(content.len()));
        self.seen += body.len();
        rest
    }

    fn typ(&self) -> Option<HandshakeType> {
        let [typ, ..] = self.header;
        (self.seen > 0).then_some(HandshakeType(typ))
    }

    /// How long the body is.
    fn length(&self) -> Option<usize> {
        let [_, a, b, c] = self.header;
        let is_known = self.seen >= MESSAGE_HEADER;
        is_known.then_some(u32::from_be_bytes([0, a, b, c]) as usize)
    }

    fn is_whole(&self) -> bool {
        self.length()
            .is_some_and(|body| self.seen == MESSAGE_HEADER + body)
    }
}

/// Collects and judges the messages; it holds nothing between them.
#[derive(Debug)]
pub(super) struct PostHandshake {
    role: Role,
    /// There while a message is incomplete.
    begun: Option<Box<Begun>>,
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
            begun: None,
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

    /// The memory held for a message that is incomplete.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let Some(begun) = &self.begun else { return 0 };
        let buffer = match &**begun {
            Begun::Message(assembler) | Begun::Run(assembler) => assembler.held(),
            Begun::Declined(_) => 0,
        };
        size_of::<Begun>() + buffer
    }

    /// What else comes now breaks this rule.
    pub(super) fn interleaved(&self) -> Violation {
        match self.begun.as_deref() {
            Some(Begun::Run(_)) => Violation::AuthenticationInterleaved,
            _ => Violation::InterleavedRecord,
        }
    }

    /// Whether no message is incomplete, and none is due.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.begun.is_none()
    }

    /// Takes the content of a handshake record; gives the KeyUpdate it ends with, if it does.
    pub(super) fn on_record(
        &mut self,
        content: &[u8],
        idle: &mut Idle,
        mut tickets: Option<&mut Tickets>,
        authentication: Option<Authenticating<'_>>,
    ) -> Result<Option<KeyUpdateRequest>, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let (mut assembler, mut goes_on) = match self.begun.take().map(|held| *held) {
            Some(Begun::Message(assembler)) => (assembler, false),
            Some(Begun::Run(assembler)) => (assembler, true),
            _ => (Assembler::default(), false),
        };
        assembler.push(content);
        while let Some(message) = self.pop(&mut assembler, goes_on, authentication)? {
            match message.typ() {
                HandshakeType::KEY_UPDATE => {
                    // §5.1: what follows would be under the new key.
                    if !assembler.is_empty() {
                        return Err(Violation::MessageSpansKeyChange.into());
                    }
                    let beyond = Violation::TooManyKeyUpdates;
                    count(&mut idle.changes_of_keys, MAX_IDLE, beyond)?;
                    return key_update(&message).map(Some);
                }
                HandshakeType::NEW_SESSION_TICKET if self.role == Role::Client => {
                    count(&mut idle.tickets, MAX_TICKETS, Violation::TooManyTickets)?;
                    // It is whose that has authenticated by now.
                    if let Some((authentication, _)) = authentication
                        && let (Some(tickets), Some(shown)) =
                            (tickets.as_deref_mut(), authentication.shown())
                    {
                        tickets.resumable.shown = Some(shown);
                    }
                    on_ticket(&message, tickets.as_deref_mut())?;
                }
                typ => {
                    let Some((authentication, secret)) = authentication else {
                        return Err(Violation::UnexpectedPostHandshakeMessage.into());
                    };
                    // Each costs a signature, as each KeyUpdate costs a key.
                    if typ == HandshakeType::CERTIFICATE_REQUEST {
                        let beyond = Violation::TooManyAuthenticationRequests;
                        count(&mut idle.changes_of_keys, MAX_IDLE, beyond)?;
                    }
                    goes_on = authentication.on_message(&message, secret)?;
                }
            }
        }
        if goes_on {
            self.begun = Some(Box::new(Begun::Run(assembler)));
        } else if !assembler.is_empty() {
            self.begun = Some(Box::new(Begun::Message(assembler)));
        }
        Ok(None)
    }

    /// The same before TLS 1.3: nothing comes but the request for another handshake, by HelloRequest or
    /// by ClientHello (RFC 5246 §7.4.1). Whether it has come.
    pub(super) fn on_older_record(
        &mut self,
        content: &[u8],
        idle: &mut Idle,
    ) -> Result<bool, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let mut declined = match self.begun.take().map(|held| *held) {
            Some(Begun::Declined(declined)) => declined,
            _ => Declined::default(),
        };
        let rest = declined.skip(content);
        let (due, longest, beyond) = match self.role {
            // It is always empty.
            Role::Client => (HandshakeType::HELLO_REQUEST, 0, Violation::MalformedMessage),
            Role::Server => (
                HandshakeType::CLIENT_HELLO,
                MAX_CLIENT_HELLO.min(self.max_handshake_size as usize),
                Violation::HandshakeMessageTooLong,
            ),
        };
        if declined.typ() != Some(due) {
            return Err(Violation::UnexpectedPostHandshakeMessage.into());
        }
        if declined.length() > Some(longest) {
            return Err(beyond.into());
        }
        if !declined.is_whole() {
            self.begun = Some(Box::new(Begun::Declined(declined)));
            return Ok(false);
        }
        // The peer waits for the answer now.
        if !rest.is_empty() {
            return Err(Violation::MessageAfterFlight.into());
        }
        let beyond = Violation::TooManyRenegotiations;
        count(&mut idle.changes_of_keys, MAX_WARNINGS, beyond)?;
        Ok(true)
    }

    /// The same where the request may be granted: it is kept, for the handshake that begins with it.
    pub(super) fn on_kept_request(
        &mut self,
        content: &[u8],
        idle: &mut Idle,
    ) -> Result<bool, Abort> {
        if content.is_empty() {
            return Err(Violation::EmptyRecord.into());
        }
        let mut assembler = self.take_kept_request();
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
        let held = assembler.held_of_message(longest).map_err(|_| beyond)?;
        if held == Ordering::Greater {
            return Err(Violation::MessageAfterFlight.into());
        }
        self.begun = Some(Box::new(Begun::Message(assembler)));
        if held == Ordering::Less {
            return Ok(false);
        }
        let beyond = Violation::TooManyRenegotiations;
        count(&mut idle.changes_of_keys, MAX_WARNINGS, beyond)?;
        Ok(true)
    }

    /// Keeps what has come of the answer to a hello of this side.
    pub(super) fn keep_answer(&mut self, content: &[u8]) {
        let mut assembler = Assembler::default();
        assembler.push(content);
        self.begun = Some(Box::new(Begun::Message(assembler)));
    }

    /// Takes what is kept of the peer's request, whole or not.
    pub(super) fn take_kept_request(&mut self) -> Assembler {
        match self.begun.take().map(|held| *held) {
            Some(Begun::Message(assembler)) => assembler,
            _ => Assembler::default(),
        }
    }

    /// Of a request that has come in part only the length is kept: it will be declined.
    pub(super) fn forget_kept_request(&mut self) {
        let request = self.take_kept_request();
        if !request.is_empty() {
            let mut declined = Declined::default();
            declined.skip(request.bytes());
            self.begun = Some(Box::new(Begun::Declined(declined)));
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn max_handshake_size(&self) -> usize {
        self.max_handshake_size as usize
    }

    /// Takes the next complete message. One that is not allowed is refused on its first byte,
    /// and none may have more bytes than its kind can need: an idle connection holds no more.
    fn pop(
        &self,
        assembler: &mut Assembler,
        goes_on: bool,
        authentication: Option<Authenticating<'_>>,
    ) -> Result<Option<HandshakeBytes>, Abort> {
        use HandshakeType as T;
        let longest = self.max_handshake_size as usize;
        let longest = match assembler.begun() {
            None => return Ok(None),
            Some(T::KEY_UPDATE | T::NEW_SESSION_TICKET) if goes_on => {
                return Err(Violation::AuthenticationInterleaved.into());
            }
            Some(HandshakeType::KEY_UPDATE) => MAX_KEY_UPDATE.min(longest),
            Some(HandshakeType::NEW_SESSION_TICKET) if self.role == Role::Client => {
                MAX_NEW_SESSION_TICKET.min(longest)
            }
            Some(
                typ @ (T::CERTIFICATE_REQUEST
                | T::CERTIFICATE
                | T::COMPRESSED_CERTIFICATE
                | T::CERTIFICATE_VERIFY
                | T::FINISHED),
            ) => match authentication {
                Some((authentication, _)) => authentication.longest(typ)?.min(longest),
                None if typ == T::CERTIFICATE_REQUEST && self.role == Role::Client => {
                    return Err(Violation::AuthenticationNotOffered.into());
                }
                None => return Err(Violation::UnexpectedPostHandshakeMessage.into()),
            },
            Some(_) => return Err(Violation::UnexpectedPostHandshakeMessage.into()),
        };
        Ok(assembler.pop(longest)?)
    }
}

pub(super) fn key_update(message: &HandshakeBytes) -> Result<KeyUpdateRequest, Abort> {
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
    received: VecDeque<ReceivedTicket>,
}

impl Tickets {
    pub(crate) const fn new(resumable: Resumable) -> Self {
        Self {
            resumable,
            received: VecDeque::new(),
        }
    }

    /// The oldest one. A connection lives longer than tickets come, so it keeps no room for them.
    pub(super) fn take(&mut self) -> Option<ReceivedTicket> {
        let ticket = self.received.pop_front();
        if self.received.is_empty() {
            self.received = VecDeque::new();
        }
        ticket
    }
}

/// Checks a ticket, and keeps it for a client that wants to resume.
pub(super) fn on_ticket(
    message: &HandshakeBytes,
    tickets: Option<&mut Tickets>,
) -> Result<(), Abort> {
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
