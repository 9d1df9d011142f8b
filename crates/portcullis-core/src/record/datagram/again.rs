//! Another handshake on an established connection of before DTLS 1.3: how it is wished for, and what it takes over.
//!
//! RFC 6347 §4.2.2: the messages of each are counted from 0, a server's from the HelloRequest on if there was one. All but
//! Finished are under the keys before, Finished is under those that the handshake brings, whose epoch is one more. So
//! epoch and type together tell of which handshake a message is.

use core::mem::take;
use std::collections::VecDeque;

use rustls_pki_types::UnixTime;

use super::connection_id::ConnectionId;
use super::epochs::Opened;
use super::incoming::Incoming;
use super::notes::Notes;
use super::reader::{Reader, State};
use super::reassembly::{Reassembly, Taken};
use super::{Discarded, Fault};
use crate::clock::Monotonic;
use crate::error::{Error, Reason, Stage};
use crate::misuse::Misuse;
use crate::record::post_handshake::count;
use crate::record::{Another, Barred, MAX_CLIENT_HELLO, MAX_WARNINGS, OnRequest, PeerRequest};
use crate::role::Role;
use crate::violation::Violation;
use crate::wire::{
    FragmentHeader, HandshakeType, PathMessageType, RecordNumber, ReturnRoutabilityCheck,
};

/// Messages of the application that wait to be taken from a handshake: more than one datagram has room for.
const MOST_DATA: usize = 64;

/// What reading knows besides in a handshake that is not the first.
#[derive(Debug)]
pub(super) struct Again {
    /// The epoch of the connection so far.
    pub(super) base: u16,
    /// The peer's message that was due after the handshake before.
    next_before: Option<u16>,
    /// Both sides have said their connection ids once more.
    pub(super) has_agreed: bool,
    /// Of the last datagram.
    pub(super) heard: Heard,
    data: VecDeque<Vec<u8>>,
}

/// What a datagram has told besides messages, in a handshake that is not the first of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heard {
    /// A record of it has opened: it is the peer's.
    pub has_opened: bool,
    /// As [`Records::is_newest`](super::Records::is_newest): only from where such a one comes a peer may have moved to.
    pub is_newest: bool,
    /// The peer asks whether this side reads where this has come from (RFC 9853 §5): the cookie goes back there with
    /// [`Handshake::path_response`](crate::Handshake::path_response).
    pub challenge: Option<[u8; 8]>,
    /// The peer reads where the challenge with this cookie was sent to.
    pub response: Option<[u8; 8]>,
}

impl Heard {
    /// A record has opened.
    pub(super) fn opened(&mut self, opened: &Opened) {
        self.has_opened = true;
        self.is_newest |= opened.is_newest;
    }

    /// RFC 9853 §4, under the keys of the connection so far.
    pub(super) fn on_path_message(&mut self, content: &[u8]) -> Result<(), Violation> {
        let message = ReturnRoutabilityCheck::decode(content);
        let message = message.map_err(|_| Violation::MalformedPathMessage)?;
        let Some(ReturnRoutabilityCheck { msg_type, cookie }) = message else {
            return Ok(());
        };
        match msg_type {
            PathMessageType::CHALLENGE => self.challenge = Some(cookie),
            PathMessageType::RESPONSE => self.response = Some(cookie),
            _ => {}
        }
        Ok(())
    }
}

impl Again {
    /// Takes a message of the application, under the keys before.
    ///
    /// # Errors
    /// When nobody takes those that wait.
    pub(super) fn add_data(&mut self, data: &[u8]) -> Result<(), Fault> {
        if self.data.len() >= MOST_DATA {
            return Err(Discarded::EarlyFull.into());
        }
        self.data.push_back(data.to_vec());
        Ok(())
    }

    /// Whether this message, which was opened in that epoch, is none of this handshake. `notes` gets to know what follows
    /// from that.
    pub(super) fn is_of_another(
        &self,
        role: Role,
        epoch: u16,
        header: FragmentHeader,
        notes: &mut Notes,
    ) -> bool {
        match header.msg_type {
            _ if epoch < self.base => true,
            HandshakeType::FINISHED if epoch == self.base => {
                notes.repeated_before = true;
                true
            }
            // It has crossed the hello, or has come again (RFC 5246 §7.4.1.1).
            HandshakeType::HELLO_REQUEST => role == Role::Client,
            _ => false,
        }
    }
}

/// Takes a fragment. The server's messages begin with 0, or where it has asked by HelloRequest with 1; there are some that
/// count that and some that do not.
pub(super) fn put(
    reassembly: &mut Reassembly,
    epoch: u16,
    header: FragmentHeader,
    fragment: &[u8],
) -> Taken {
    let is_first = matches!(
        header.msg_type,
        HandshakeType::SERVER_HELLO | HandshakeType::HELLO_VERIFY_REQUEST
    );
    if is_first && header.message_seq == 1 && reassembly.next() == Some(0) {
        reassembly.skip();
    }
    reassembly.put(epoch, header, fragment)
}

impl Incoming {
    /// Takes over from an established connection.
    pub(crate) fn after(reader: &mut Reader) -> Self {
        let longest = reader.max_handshake_size as usize;
        let base = reader.epochs.newest();
        let ids = take(&mut reader.ids);
        let own = ids.is_agreed();
        let own = own.then(|| (ids.first().unwrap_or(ConnectionId::EMPTY), ids.checks_paths));
        let mut this = Self::new(reader.role, longest, 0, own);
        if let Some(wish) = reader.wish.take() {
            this.reassembly = *wish;
        }
        this.ids = ids;
        this.epochs = reader.epochs.take();
        this.inner_limit = reader.inner_limit;
        this.discards = reader.discards.take();
        this.strict_alert_levels = reader.strict_alert_levels;
        this.is_older = true;
        this.again = Some(Box::new(Again {
            base,
            next_before: reader.reassembly.next(),
            has_agreed: false,
            heard: Heard::default(),
            data: VecDeque::new(),
        }));
        let taken = Misuse::new(
            "a handshake goes on with this connection: take the new one when it is over",
        );
        reader.state = State::Failed(Error::new(Stage::Connected, None, Reason::Misuse(taken)));
        this
    }

    /// A message of the application that has come under the keys before.
    pub(crate) fn take_data(&mut self) -> Option<Vec<u8>> {
        self.again.as_mut()?.data.pop_front()
    }

    /// What the last datagram has told; nothing in the first handshake of a connection.
    pub(crate) fn heard(&self) -> Heard {
        self.again
            .as_ref()
            .map_or_else(Heard::default, |again| again.heard)
    }

    /// Whether the two sides have agreed to check paths, on the connection that this handshake goes on with.
    pub(crate) fn checks_paths(&self) -> bool {
        self.again.is_some() && self.ids.checks_paths
    }

    /// The epoch of the connection so far; 0 in its first handshake.
    pub(super) fn base(&self) -> u16 {
        self.again.as_ref().map_or(0, |again| again.base)
    }

    /// The handshake comes to nothing: the peer's messages are those that were due before.
    pub(crate) fn end_again(&mut self) {
        let longest = self.max_handshake_size;
        if let Some(again) = &self.again {
            let next = again.next_before.unwrap_or(u16::MAX);
            self.reassembly = Reassembly::new(next, longest);
        }
    }

    /// What both sides have said of connection ids in a further handshake has to be what it was before.
    pub(crate) fn agreed_again(
        &mut self,
        is_same: bool,
        checks_paths: bool,
    ) -> Result<bool, Violation> {
        let Some(again) = &mut self.again else {
            return Ok(false);
        };
        if !is_same || checks_paths != self.ids.checks_paths {
            return Err(Violation::RenegotiationChangedConnectionId);
        }
        again.has_agreed = true;
        Ok(true)
    }

    /// RFC 9146 §3: ids are negotiated afresh, and here they stay.
    pub(super) fn check_ids(&self) -> Result<(), Violation> {
        let again = self.again.as_ref();
        match again.is_some_and(|again| self.ids.is_agreed() && !again.has_agreed) {
            true => Err(Violation::RenegotiationChangedConnectionId),
            false => Ok(()),
        }
    }
}

impl Reader {
    /// What the peer has asked for at the time `now`, if it is granted: as over a stream
    /// ([`Reader::take_request`](crate::Reader::take_request)), but that records are opened meanwhile. To be called after each
    /// [`open`](Self::open).
    pub fn take_request(&mut self, now: UnixTime) -> Option<PeerRequest> {
        self.wish.as_ref()?;
        let another = self.another()?;
        if now >= another.not_before || another.unanswered.is_some() {
            return Some(PeerRequest::Renegotiation);
        }
        self.decline_request();
        None
    }

    /// Declines what [`take_request`](Self::take_request) has given: the peer is told by the writer.
    pub fn decline_request(&mut self) {
        if self.wish.take().is_some() {
            self.mail.decline();
        }
    }

    /// Declines every request from here on, also one that waits, and gives up that this side could renegotiate.
    pub fn decline_renegotiations(&mut self) {
        self.decline_request();
        if let Some(older) = self.older.as_deref_mut()
            && let OnRequest::Accept(_) = older.on_request
        {
            older.on_request = OnRequest::Decline(Barred::GivenUp);
        }
    }

    /// Whether [`Handshake::renegotiate_datagrams`](crate::Handshake::renegotiate_datagrams) is possible, as far as this half
    /// knows.
    pub fn may_renegotiate(&mut self) -> bool {
        self.another().is_some()
    }

    /// What another handshake begins with, if there may be one now: it takes an epoch, of which there are 65,535.
    pub(crate) fn another(&mut self) -> Option<&mut Another> {
        if !matches!(self.state, State::Open) || self.epochs.newest() == u16::MAX {
            return None;
        }
        match &mut self.older.as_deref_mut()?.on_request {
            OnRequest::Accept(another) => Some(another),
            _ => None,
        }
    }

    /// Why [`another`](Self::another) gives nothing.
    pub(crate) fn barred(&self) -> Barred {
        match (&self.state, self.older.as_deref()) {
            _ if !self.is_older => Barred::Tls13,
            (State::Open, _) if self.epochs.newest() == u16::MAX => Barred::LastEpoch,
            (State::Open, Some(older)) => older.on_request.barred(),
            (State::Open, None) => Barred::Configuration,
            _ => Barred::Closed,
        }
    }

    /// Whether the peer waits for another handshake.
    pub(crate) const fn is_requested(&self) -> bool {
        self.wish.is_some()
    }

    /// The peer has said close_notify while a handshake went on with the connection.
    pub(crate) fn close(&mut self, now: Monotonic) {
        let at = RecordNumber {
            epoch: u64::MAX,
            sequence_number: u64::MAX,
        };
        self.close_at(at, now);
    }

    /// Whether it is under keys that are not the newest any more.
    pub(super) fn is_late(&self, opened: &Opened) -> bool {
        opened.number.epoch < self.epochs.newest().into()
    }

    pub(super) fn on_older_handshake(
        &mut self,
        opened: &Opened,
        content: &[u8],
    ) -> Result<(), Fault> {
        let is_late = self.is_late(opened);
        let mut rest = content;
        loop {
            let split = FragmentHeader::split(rest).map_err(|_| Violation::MalformedFragment)?;
            let (header, fragment, behind) = split;
            // What is late is of the handshake that has brought the newest keys, and of no use any more.
            if !is_late {
                self.on_older_message(header, fragment)?;
            }
            rest = behind;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// The peer's last flight again, because it has not seen this side's; or a wish to begin anew (RFC 5246 §7.4.1).
    fn on_older_message(&mut self, header: FragmentHeader, fragment: &[u8]) -> Result<(), Fault> {
        let epoch = self.epochs.newest();
        let is_wish = match self.role {
            Role::Client => header.msg_type == HandshakeType::HELLO_REQUEST,
            Role::Server => header.msg_type == HandshakeType::CLIENT_HELLO,
        };
        let is_answer = header.msg_type != HandshakeType::FINISHED
            && self
                .another()
                .is_some_and(|another| another.unanswered.is_some());
        if is_wish || is_answer {
            self.on_wish(epoch, header, fragment, is_answer && !is_wish)
        } else if self.reassembly.is_old(header.message_seq) {
            // However many pieces it comes in, it is one wish.
            if header.fragment_offset == 0 {
                self.mail.note(Notes {
                    repeated: true,
                    repeated_before: true,
                    ..Notes::default()
                });
            }
            Ok(())
        } else {
            Err(Violation::UnexpectedPostHandshakeMessage.into())
        }
    }

    fn on_wish(
        &mut self,
        epoch: u16,
        header: FragmentHeader,
        fragment: &[u8],
        is_answer: bool,
    ) -> Result<(), Fault> {
        let (role, longest) = (self.role, self.max_handshake_size as usize);
        if role == Role::Client && !is_answer && header.length > 0 {
            return Err(Violation::MalformedMessage.into());
        }
        // What is long has several parts, and is one wish.
        let begins = header.fragment_offset == 0 && self.wish.is_none() && !is_answer;
        if !begins && !is_answer && self.wish.is_none() {
            // Its beginning is lost, or was declined.
            return Ok(());
        }
        if self.another().is_some() {
            if begins {
                count(
                    &mut self.warnings,
                    MAX_WARNINGS,
                    Violation::TooManyRenegotiations,
                )?;
            }
            let longest = match role {
                Role::Client => longest,
                Role::Server => longest.min(MAX_CLIENT_HELLO),
            };
            let wish = self
                .wish
                .get_or_insert_with(|| Box::new(Reassembly::new(0, longest)));
            let taken = match role == Role::Client && !is_answer {
                true => Taken::New,
                false => put(wish, epoch, header, fragment),
            };
            // Whoever begins another handshake has all of the one before, and maybe nothing of a hello that was given up.
            self.mail.note(Notes {
                answered: is_answer,
                has_before: true,
                ..Notes::default()
            });
            return match taken {
                Taken::New | Taken::Old => Ok(()),
                Taken::Dropped(why) => Err(why.into()),
                Taken::Broken(violation) => Err(violation.into()),
            };
        }
        if let Some(OnRequest::Ignore) = self.older.as_deref().map(|older| &older.on_request) {
            // A server that is not answered says it again.
            return Ok(());
        }
        count(&mut self.warnings, MAX_WARNINGS, Violation::TooManyWarnings)?;
        match self.older.as_deref().map(|older| &older.on_request) {
            Some(OnRequest::Forbid(Some(why))) => {
                let forbidden = Violation::RenegotiationForbidden;
                Err(Fault::Abort(forbidden.explained(*why)))
            }
            Some(OnRequest::Forbid(None)) => Err(Violation::RenegotiationForbidden.into()),
            _ => {
                self.mail.decline();
                Ok(())
            }
        }
    }
}
