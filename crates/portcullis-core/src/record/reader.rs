//! What the peer sends on an established connection, opened where it is wanted.
//!
//! RFC 8446 §5.2, §5.4, §4.6, §6.

use core::ops::Range;
use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::assembler::Assembler;
use super::header::{self, Form, Header};
use super::keys::Keys;
use super::later::{Another, Barred, Later, OnRequest};
use super::post_handshake::{Idle, PostHandshake, count};
use super::protect::Unopened;
use super::{HEADER, MAX_IDLE, MAX_WARNINGS, Mailbox, Role, alert, misuse};
use crate::alert::{AlertDescription, AlertLevel};
use crate::error::{Abort, Error, Reason, Stage};
use crate::session::ReceivedTicket;
use crate::violation::Violation;
use crate::wire::{ContentType, HandshakeType, KeyUpdateRequest};

/// How many times its cipher's limit a key may open before it is refused.
///
/// The peer is asked for a KeyUpdate at the limit; what it had sent before it read that still
/// has to open.
const GRACE: u64 = 4;

/// What stands at the front of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// No complete record: at least this many more bytes are needed.
    NeedMore {
        /// Bytes to read before asking again can give another answer.
        at_least: usize,
    },
    /// A complete record.
    Record {
        /// Bytes of the record, its header included: what to give to `open_…`.
        len: usize,
        /// Bytes that [`Reader::open_into`] needs as output: the content, in TLS 1.3 its type and
        /// padding as well, so at least one more. With CBC before TLS 1.3 also all else that is
        /// encrypted: up to 304 bytes more.
        plaintext: usize,
    },
    /// The peer has closed before; these bytes are to be ignored (§6.1).
    Closed,
}

/// What was in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Application data, never empty: where it stands in the buffer it was opened in.
    Data(Range<usize>),
    /// Something that was handled: a KeyUpdate, a ticket ([`Reader::take_ticket`]), an ignored warning, a message of an
    /// authentication ([`PostHandshakeAuthentication::take`](crate::PostHandshakeAuthentication::take)),
    /// no data; or a request that only the owner of both halves can grant ([`Reader::take_request`]).
    Nothing,
    /// The peer's close_notify: it sends no more (§6.1).
    Closed,
}

/// What the peer asks for, and both halves are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRequest {
    /// Another handshake, before TLS 1.3:
    /// [`Handshake::renegotiate`](crate::Handshake::renegotiate) begins it.
    Renegotiation,
}

/// The reading half of an established connection.
///
/// It holds a secret and counters and no buffer, and from the first record to
/// [`hibernate`](Self::hibernate) the cipher. The driver reads from the transport into memory of
/// its own, finds records with [`frame`](Self::frame), and opens each either straight into the
/// caller's buffer ([`open_into`](Self::open_into)) or where it stands
/// ([`open_in_place`](Self::open_in_place)).
///
/// Any rule the peer breaks ends the connection: the same [`Error`] comes from then on, and the
/// alert is in the mailbox for the [`Writer`](super::Writer) to send. After an error, and after
/// a batch of records, a driver whose writer may be asleep looks at
/// [`writer_has_work`](Self::writer_has_work).
#[derive(Debug)]
pub struct Reader {
    /// `keys.left` is 0 as well when no record may be opened any more: the one thing to look
    /// at per record.
    pub(super) keys: Keys,
    inner_limit: u16,
    /// By how much a record's body is longer than its plaintext, at least.
    overhead: u8,
    idle: Idle,
    pub(super) post_handshake: PostHandshake,
    /// Client: what tickets are made sessions with, and those that have come. Before TLS 1.3: what
    /// becomes of the request for another handshake, if that is not declined.
    later: Option<Box<Later>>,
    /// Whether the peer was asked to update this key because it is worn out.
    asked_for_update: bool,
    state: State,
    mailbox: Arc<Mailbox>,
}

/// What a handshake goes on with.
pub(super) struct HandedOver {
    pub(super) keys: Keys,
    pub(super) inner_limit: usize,
    pub(super) role: Role,
    pub(super) max_handshake_size: usize,
    pub(super) strict_alert_levels: bool,
    /// What has come of a message.
    pub(super) begun: Assembler,
}

#[derive(Debug)]
enum State {
    Open,
    /// The peer waits for another handshake.
    Requested,
    Closed,
    Failed(Error),
}

impl Reader {
    pub(super) fn new(
        role: Role,
        mut keys: Keys,
        inner_limit: usize,
        max_handshake_size: usize,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        keys.protection.limit_content(inner_limit);
        Self {
            overhead: u8::try_from(keys.protection.least_overhead()).unwrap_or(u8::MAX),
            keys,
            // No limit is above that of the protocol, 2^14 + 1.
            inner_limit: u16::try_from(inner_limit).unwrap_or(u16::MAX),
            idle: Idle::default(),
            post_handshake: PostHandshake::new(role, max_handshake_size),
            later: None,
            asked_for_update: false,
            state: State::Open,
            mailbox,
        }
    }

    /// Looks for a record at the front of `input` and checks its header.
    ///
    /// # Errors
    /// When the header is none that may come now, or the connection has failed before.
    #[inline]
    pub fn frame(&mut self, input: &[u8]) -> Result<Frame, Error> {
        if !matches!(self.state, State::Open) {
            return self.refuse().map(|_| Frame::Closed);
        }
        let Some(head) = input.first_chunk() else {
            return Ok(Frame::NeedMore {
                at_least: HEADER - input.len(),
            });
        };
        let inner = match self.inner_length(*head) {
            Ok(inner) => inner,
            Err(violation) => return Err(self.fail(violation.into())),
        };
        let len = HEADER + header::body_length(*head);
        Ok(match len.checked_sub(input.len()) {
            None | Some(0) => Frame::Record {
                len,
                plaintext: inner,
            },
            Some(at_least) => Frame::NeedMore { at_least },
        })
    }

    /// Opens a record into `out`, without a copy.
    ///
    /// `record` is exactly the bytes that [`frame`](Self::frame) counted, and `out` has at
    /// least the `plaintext` bytes it gave. In TLS 1.3 these hold the content, its type and padding,
    /// so a reader's buffer of exactly the content is one byte too short: then
    /// [`open_in_place`](Self::open_in_place) and copy. On [`Opened::Data`] the data is
    /// `out[range]`; what follows it up to `plaintext` bytes is overwritten. In every other
    /// case these bytes of `out` are zero.
    ///
    /// # Errors
    /// When the record does not open or breaks a rule, or the connection has failed before.
    /// [`Reason::Misuse`] for wrong lengths leaves the connection as it was.
    #[inline]
    pub fn open_into(&mut self, record: &[u8], out: &mut [u8]) -> Result<Opened, Error> {
        if self.keys.left == 0
            && let Some(opened) = self.on_worn_out()?
        {
            return Ok(opened);
        }
        let inner_length = self.check(record)?;
        let Some((head, sealed)) = record.split_first_chunk::<HEADER>() else {
            return Err(wrong_length());
        };
        let Some(inner) = out.get_mut(..inner_length) else {
            return Err(wrong_length());
        };
        match self.keys.open_into(head, sealed, inner) {
            Ok((typ, length)) => self.sort(typ, 0..length, inner, 0),
            Err(unopened) => {
                inner.fill(0);
                let abort = self.unopened(head, unopened);
                Err(self.fail(abort))
            }
        }
    }

    /// Opens a record where it stands.
    ///
    /// `record` is exactly the bytes that [`frame`](Self::frame) counted. On [`Opened::Data`]
    /// the data is `record[range]`; otherwise nothing that was protected is left there.
    ///
    /// # Errors
    /// As [`open_into`](Self::open_into).
    #[inline]
    pub fn open_in_place(&mut self, record: &mut [u8]) -> Result<Opened, Error> {
        if self.keys.left == 0
            && let Some(opened) = self.on_worn_out()?
        {
            return Ok(opened);
        }
        self.check(record)?;
        let Some((head, sealed)) = record.split_first_chunk_mut::<HEADER>() else {
            return Err(wrong_length());
        };
        match self.keys.open_in_place(head, sealed) {
            Ok((typ, range)) => self.sort(typ, range, sealed, HEADER),
            Err(unopened) => {
                sealed.fill(0);
                let abort = self.unopened(head, unopened);
                Err(self.fail(abort))
            }
        }
    }

    /// Starts keeping what there may be for later.
    pub(crate) fn keep(&mut self, later: Option<Box<Later>>) {
        self.later = later;
    }

    /// The next ticket that has come (RFC 8446 §4.6.1): a session for
    /// [`Handshake::client_resuming`](crate::Handshake::client_resuming). To be called when
    /// [`Opened::Nothing`] was opened; at most 8 are kept, and the oldest makes room. A client
    /// without `session_tickets` keeps none.
    pub fn take_ticket(&mut self) -> Option<ReceivedTicket> {
        self.later.as_deref_mut()?.take_session()
    }

    /// What the peer has asked for at the time `now`, if it is granted. To be called when
    /// [`Opened::Nothing`] was opened; a connection whose configuration has none of
    /// [`Renegotiation::Once`](crate::config::Renegotiation::Once) and
    /// [`Accept`](crate::config::Renegotiation::Accept) never gives any.
    ///
    /// Until it is granted no record opens. What is declined, because it comes too early, is told
    /// the peer by way of the mailbox.
    pub fn take_request(&mut self, now: UnixTime) -> Option<PeerRequest> {
        if !matches!(self.state, State::Requested) {
            return None;
        }
        let another = self.another()?;
        if now >= another.not_before || another.unanswered.is_some() {
            return Some(PeerRequest::Renegotiation);
        }
        self.decline_request();
        None
    }

    /// Declines what [`take_request`](Self::take_request) has given: records open again, and the
    /// peer is told by way of the mailbox.
    pub fn decline_request(&mut self) {
        if self.is_requested()
            && let Some(another) = self.another()
        {
            self.keys.left = another.left;
            self.state = State::Open;
            self.post_handshake.take_kept_request();
            self.mailbox.decline_renegotiation();
        }
    }

    /// Declines every request from here on, also one that waits, and gives up that this side could
    /// renegotiate: for a caller that cannot bring both halves together.
    pub fn decline_renegotiations(&mut self) {
        self.decline_request();
        self.post_handshake.forget_kept_request();
        if let Some(Later::Older(older)) = self.later.as_deref_mut()
            && let OnRequest::Accept(_) = older.on_request
        {
            older.on_request = OnRequest::Decline(Barred::GivenUp);
        }
    }

    /// Whether [`Handshake::renegotiate`](crate::Handshake::renegotiate) is possible, as far as this
    /// half knows.
    pub fn may_renegotiate(&mut self) -> bool {
        self.another().is_some()
    }

    /// What another handshake begins with, if there may be one now.
    pub(crate) fn another(&mut self) -> Option<&mut Another> {
        match self.state {
            State::Open | State::Requested => self.later.as_deref_mut()?.another(),
            State::Closed | State::Failed(_) => None,
        }
    }

    /// Why [`another`](Self::another) gives nothing.
    pub(crate) fn barred(&self) -> Barred {
        match (&self.state, self.later.as_deref()) {
            _ if !self.is_before_tls13() => Barred::Tls13,
            (State::Closed | State::Failed(_), _) => Barred::Closed,
            (_, Some(Later::Older(older))) => older.on_request.barred(),
            // Nothing is kept where the configuration would keep nothing.
            _ => Barred::Configuration,
        }
    }

    pub(crate) fn is_before_tls13(&self) -> bool {
        self.keys.protection.is_older()
    }

    /// Whether the peer waits for another handshake.
    pub(crate) fn is_requested(&self) -> bool {
        matches!(self.state, State::Requested)
    }

    /// Moves what a handshake goes on with; nothing more is read here.
    pub(super) fn hand_over(&mut self) -> HandedOver {
        let mut keys = self.keys.take();
        if self.is_requested()
            && let Some(another) = self.another()
        {
            keys.left = another.left;
        }
        self.stop(State::Failed(misuse(
            "a handshake goes on with this connection: take the new one when it is over",
        )));
        HandedOver {
            keys,
            inner_limit: self.inner_limit.into(),
            role: self.post_handshake.role(),
            max_handshake_size: self.post_handshake.max_handshake_size(),
            strict_alert_levels: self.post_handshake.strict_alert_levels,
            begun: self.post_handshake.take_kept_request(),
        }
    }

    /// The peer has said close_notify while a handshake went on with the connection.
    pub(crate) fn close(&mut self) {
        self.mailbox.close();
        self.stop(State::Closed);
    }

    /// How long a record with `n` bytes of content and no padding is, its header included: what to
    /// read from the transport to have it whole.
    #[inline]
    pub fn record_len(&self, n: usize) -> usize {
        self.keys.protection.record_len(n)
    }

    /// The transport has ended.
    ///
    /// # Errors
    /// [`Reason::Truncated`] when the peer has not sent close_notify (§6.1), or the error with
    /// which the connection had failed before.
    pub fn eof(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Closed => Ok(()),
            State::Failed(error) => Err(error.clone()),
            State::Open | State::Requested => {
                let error = Abort(Reason::Truncated).into_error(Stage::Connected);
                // The writer is not told: this direction may be the only one that is cut.
                self.stop(State::Failed(error.clone()));
                Err(error)
            }
        }
    }

    /// Gives the memory of the cipher back until the next record comes; setting it up again
    /// costs two derivations from the traffic secret; before TLS 1.3 its key is kept. RC4 stays, since its
    /// state cannot be had again; it has 256 bytes.
    pub fn hibernate(&mut self) {
        self.keys.protection.hibernate();
    }

    /// Whether no cipher is set up that could be given back: before the first record, since
    /// [`hibernate`](Self::hibernate), and always with RC4.
    pub fn is_hibernating(&self) -> bool {
        self.keys.protection.is_hibernating()
    }

    /// Whether the peer has sent close_notify.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the writer should be woken to look into its mailbox.
    #[inline]
    pub fn writer_has_work(&self) -> bool {
        self.mailbox.has_work()
    }

    /// What this half shares with its writer.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// The current traffic secret of the peer's direction.
    ///
    /// With it one can read and forge what the peer sends from here on: for key logs and
    /// for handing the connection to a kernel.
    /// `None` for versions before TLS 1.3, which have no traffic secrets.
    pub fn traffic_secret(&self) -> Option<&[u8]> {
        self.keys.protection.traffic_secret()
    }

    /// How many KeyUpdates of the peer were seen: the N of `application_traffic_secret_N`.
    pub fn key_generation(&self) -> u64 {
        self.keys.protection.generation().into()
    }

    /// How many records were opened under the current key: the next sequence number.
    pub fn sequence_number(&self) -> u64 {
        self.keys.seq
    }

    /// Checks a header; gives the length of the inner plaintext.
    #[inline]
    fn inner_length(&self, head: [u8; HEADER]) -> Result<usize, Violation> {
        let [typ, major, minor, ..] = head;
        let overhead = self.overhead.into();
        let inner = header::body_length(head).wrapping_sub(overhead);
        if (typ, major, minor) == (ContentType::APPLICATION_DATA.0, 3, 3)
            && inner <= self.inner_limit.into()
        {
            return Ok(inner);
        }
        self.other_header(head, inner)
    }

    /// Before TLS 1.3 a header says what the record holds; else it is wrong.
    #[cold]
    fn other_header(&self, head: [u8; HEADER], inner: usize) -> Result<usize, Violation> {
        let protection = &self.keys.protection;
        let (overhead, limit) = (self.overhead.into(), self.inner_limit.into());
        let Some(version) = protection.older_version() else {
            return Err(header::wrong_header(head, overhead, limit));
        };
        let protected = true;
        let header = Header::check(head, Form::Older { version, protected })?;
        match header.body.checked_sub(overhead) {
            None => Err(Violation::BadRecordMac),
            Some(_) => {
                let least = inner.saturating_sub(protection.slack());
                header::check_content(least, limit).map(|()| inner)
            }
        }
    }

    /// The header of TLS 1.2 is let pass on the short way, and says what is wrong before it.
    #[cold]
    fn unopened(&self, [_, version @ .., _, _]: &[u8; HEADER], unopened: Unopened) -> Abort {
        match self.keys.protection.older_version() {
            Some(negotiated) if negotiated.0.to_be_bytes() != *version => {
                Violation::RecordVersionChanged.into()
            }
            _ => unopened.into(),
        }
    }

    /// Checks that `record` is one record, no less and no more.
    #[inline]
    fn check(&mut self, record: &[u8]) -> Result<usize, Error> {
        let Some(head) = record.first_chunk() else {
            return Err(wrong_length());
        };
        match self.inner_length(*head) {
            Ok(inner) if HEADER + header::body_length(*head) == record.len() => Ok(inner),
            Ok(_) => Err(wrong_length()),
            Err(violation) => Err(self.fail(violation.into())),
        }
    }

    /// Says what the content of a record is. It stands in `range` of `opened`, which begins at
    /// `start` of the caller's buffer.
    #[inline]
    fn sort(
        &mut self,
        typ: ContentType,
        range: Range<usize>,
        opened: &mut [u8],
        start: usize,
    ) -> Result<Opened, Error> {
        if typ == ContentType::APPLICATION_DATA
            && !range.is_empty()
            && self.post_handshake.is_quiet()
        {
            self.idle = Idle::default();
            return Ok(Opened::Data(start + range.start..start + range.end));
        }
        let content = opened.get(range).unwrap_or_default();
        let outcome = self.on_other(typ, content);
        opened.fill(0);
        outcome.map_err(|abort| self.fail(abort))
    }

    #[cold]
    fn on_other(&mut self, typ: ContentType, content: &[u8]) -> Result<Opened, Abort> {
        match typ {
            ContentType::HANDSHAKE if self.keys.protection.is_older() => {
                self.on_older_handshake(content).map(|()| Opened::Nothing)
            }
            ContentType::HANDSHAKE => {
                let update = {
                    let tickets = self.later.as_deref_mut().and_then(Later::tickets);
                    let authentication = self.mailbox.authentication();
                    let authentication = authentication.zip(self.keys.protection.secret());
                    self.post_handshake.on_record(
                        content,
                        &mut self.idle,
                        tickets,
                        authentication,
                    )?
                };
                if let Some(request) = update {
                    self.on_key_update(request)?;
                }
                Ok(Opened::Nothing)
            }
            ContentType::ALERT => self.on_alert(content),
            ContentType::APPLICATION_DATA if !self.post_handshake.is_quiet() => {
                Err(self.post_handshake.interleaved().into())
            }
            ContentType::APPLICATION_DATA => {
                let beyond = Violation::TooManyEmptyRecords;
                count(&mut self.idle.empty_records, MAX_IDLE, beyond)?;
                Ok(Opened::Nothing)
            }
            ContentType::CHANGE_CIPHER_SPEC => Err(Violation::UnexpectedChangeCipherSpec.into()),
            _ => Err(Violation::UnknownRecordType.into()),
        }
    }

    /// Before TLS 1.3 only the request for another handshake comes (RFC 5246 §7.4.1).
    fn on_older_handshake(&mut self, content: &[u8]) -> Result<(), Abort> {
        let (request, idle) = (&mut self.post_handshake, &mut self.idle);
        let on_request = match self.later.as_deref_mut() {
            Some(Later::Older(older)) => &mut older.on_request,
            _ => &mut OnRequest::Decline(Barred::Configuration),
        };
        match on_request {
            OnRequest::Accept(another) => {
                // Late, but nothing stands in its way. A HelloRequest before that has crossed the hello, or else nobody will
                // answer it: two hellos may be one too many, and no answer is none in the end.
                let is_answer = another.unanswered.is_some()
                    && request.is_quiet()
                    && content.first() == Some(&HandshakeType::SERVER_HELLO.0);
                if is_answer {
                    request.keep_answer(content);
                } else if !request.on_kept_request(content, idle)? {
                    return Ok(());
                }
                another.left = self.keys.left;
                self.stop(State::Requested);
            }
            _ if !request.on_older_record(content, idle)? => {}
            OnRequest::Decline(_) => self.mailbox.decline_renegotiation(),
            OnRequest::Forbid(why) => {
                let violation = Violation::RenegotiationForbidden;
                return Err(why.map_or_else(|| violation.into(), |why| violation.explained(why)));
            }
            OnRequest::Ignore => {}
        }
        Ok(())
    }

    fn on_key_update(&mut self, request: KeyUpdateRequest) -> Result<(), Abort> {
        self.post_handshake.count_key(self.keys.seq)?;
        self.keys.update();
        self.asked_for_update = false;
        if request == KeyUpdateRequest::UPDATE_REQUESTED {
            self.mailbox.answer_key_update();
        }
        Ok(())
    }

    /// §6: the level says nothing, unless this end is strict; every alert but the two closures
    /// ends the connection.
    fn on_alert(&mut self, content: &[u8]) -> Result<Opened, Abort> {
        let alert = alert::decode(content)?;
        if self.post_handshake.strict_alert_levels
            && !self.keys.protection.is_older()
            && alert::is_understated(alert)
        {
            return Err(Violation::WrongAlertLevel.into());
        }
        let description = alert.description;
        // RFC 5246 §7.2.2: before TLS 1.3 the level counts.
        let is_warning = self.keys.protection.is_older() && alert.level == AlertLevel::WARNING;
        if is_warning && !alert::is_closure(description) {
            let beyond = Violation::TooManyWarnings;
            count(&mut self.idle.warnings, MAX_WARNINGS, beyond)?;
            if description == AlertDescription::NO_RENEGOTIATION
                && let Some(another) = self.another()
            {
                another.unanswered = None;
            }
            return Ok(Opened::Nothing);
        }
        if !alert::is_closure(description) {
            return Err(Abort(Reason::AlertReceived(description)));
        }
        if !self.post_handshake.is_quiet() {
            return Err(self.post_handshake.interleaved().into());
        }
        if description == AlertDescription::CLOSE_NOTIFY {
            self.mailbox.close();
            self.stop(State::Closed);
            return Ok(Opened::Closed);
        }
        let beyond = Violation::TooManyWarnings;
        count(&mut self.idle.warnings, MAX_WARNINGS, beyond)?;
        Ok(Opened::Nothing)
    }

    /// No record is left under this key: the connection is over, or the key is worn out
    /// (§5.5).
    #[cold]
    fn on_worn_out(&mut self) -> Result<Option<Opened>, Error> {
        if !matches!(self.state, State::Open) {
            return self.refuse().map(Some);
        }
        // The last number is never used: it cannot wrap (§5.3; RFC 5246 §6.1).
        let numbers = u64::MAX - self.keys.seq;
        if self.keys.protection.is_older() && numbers > 0 {
            // No KeyUpdate can be asked for, and a peer that counts ends the connection itself. Most
            // do not, and RFC 5246 asks nobody to: a long download from them goes on.
            self.keys.left = numbers;
            return Ok(None);
        }
        let limit = self.keys.protection.record_limit();
        let grace = limit.saturating_mul(GRACE - 1).min(numbers);
        if self.asked_for_update || grace == 0 {
            return Err(self.fail(Violation::AeadLimitReached.into()));
        }
        self.asked_for_update = true;
        self.keys.left = grace;
        self.mailbox.request_key_update();
        Ok(None)
    }

    #[cold]
    fn refuse(&self) -> Result<Opened, Error> {
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Closed | State::Open => Ok(Opened::Closed),
            State::Requested => Err(misuse(
                "the peer waits for another handshake: see `take_request`",
            )),
        }
    }

    #[cold]
    fn fail(&mut self, abort: Abort) -> Error {
        let error = abort.into_error(Stage::Connected);
        self.mailbox.fail(error.clone());
        self.stop(State::Failed(error.clone()));
        error
    }

    fn stop(&mut self, state: State) {
        self.keys.left = 0;
        self.state = state;
    }
}

/// What only a test asks.
#[cfg(test)]
impl Reader {
    /// Whether the padding of CBC is looked at.
    pub(crate) fn checks_padding(&self) -> Option<bool> {
        Some(self.keys.cbc_parameters()?.checks_padding)
    }

    /// Whether anything is kept for later.
    pub(crate) fn keeps_anything(&self) -> bool {
        self.later.is_some()
    }
}

#[cold]
fn wrong_length() -> Error {
    misuse(
        "open_into and open_in_place take exactly one record, as `frame` counted it, and an \
         output of at least the `plaintext` bytes it gave",
    )
}
