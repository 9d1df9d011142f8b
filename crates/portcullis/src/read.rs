//! The reading direction: from the transport to plaintext.
//!
//! Ciphertext is read into the thread's scratch area and opened from there into the caller's
//! buffer. The connection owns only an incomplete record and plaintext that did not fit.

mod besides;
mod discard;
mod target;
mod turn;

use std::mem;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::session::ClientSession;
use portcullis_core::{Frame, Mailbox, Opened, Reader, Stage};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::poll_proceed;

use self::besides::Besides;
use self::target::Target;
pub(crate) use self::turn::{READS_PER_TURN, Turn};
use crate::error::Error;
use crate::handshake::span::report_connection;
use crate::last_words::Ending;
use crate::log_level::LogLevel;
use crate::metrics;
use crate::renegotiation::Renegotiating;
use crate::scratch::{Backlog, PLAINTEXT, Scratch};
use crate::sessions::{Place, Received};
use crate::statistics::Flow;

/// What the end of the transport without close_notify means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EofPolicy {
    /// It is an error: someone may have cut the data short (RFC 8446 §6.1). The default.
    #[default]
    Strict,
    /// It is a close. Safe only where the data says itself where it ends, as HTTP with
    /// `Content-Length` does.
    Lenient,
}

/// The reading half of a connection, without its transport.
pub(crate) struct Receiving {
    reader: Reader,
    /// Ciphertext: an incomplete record, or records that were not asked for yet.
    sealed: Backlog,
    /// Plaintext nobody has read.
    plain: Backlog,
    end: End,
    received: Flow,
    /// Boxed: most connections have nothing of it.
    besides: Option<Box<Besides>>,
}

/// Whether there may be more to read, and if not, why.
#[derive(Debug)]
pub(crate) enum End {
    /// There may. What the end would mean is kept here, where it takes no room.
    NotYet(Manners),
    /// When another handshake is over.
    Renegotiating(Box<Renegotiating>),
    Closed,
    /// Boxed: hardly any connection has one.
    Failed(Box<Ending>),
}

/// How a connection behaves at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// What the end of the transport means.
    eof: EofPolicy,
    /// How long this side's alert may take to arrive, in milliseconds.
    alert_timeout: u32,
    log: Option<LogLevel>,
    reads_per_turn: NonZeroU16,
}

impl Receiving {
    pub(crate) fn new(
        reader: Reader,
        unread: Vec<u8>,
        received: Flow,
        place: Option<Place>,
        alert_timeout: Duration,
        log: Option<LogLevel>,
    ) -> Self {
        let manners = Manners {
            eof: EofPolicy::Strict,
            log,
            reads_per_turn: READS_PER_TURN,
            alert_timeout: u32::try_from(alert_timeout.as_millis()).unwrap_or(u32::MAX),
        };
        let mut this = Self {
            reader,
            sealed: unread.into(),
            plain: Backlog::default(),
            end: End::NotYet(manners),
            received,
            besides: place.map(|place| {
                Box::new(Besides {
                    sessions: Received::stored(place),
                    further: None,
                    early_data: None,
                    seldom: None,
                })
            }),
        };
        // Before TLS 1.3 a ticket comes within the handshake.
        this.collect_tickets();
        this
    }

    /// Until reading has ended, also while another handshake goes on.
    fn manners(&self) -> Option<&Manners> {
        match &self.end {
            End::NotYet(manners) => Some(manners),
            End::Renegotiating(renegotiating) => Some(renegotiating.manners()),
            End::Closed | End::Failed(_) => None,
        }
    }

    fn manners_mut(&mut self) -> Option<&mut Manners> {
        match &mut self.end {
            End::NotYet(manners) => Some(manners),
            End::Renegotiating(renegotiating) => Some(renegotiating.manners_mut()),
            End::Closed | End::Failed(_) => None,
        }
    }

    pub(crate) fn set_eof_policy(&mut self, policy: EofPolicy) {
        if let Some(manners) = self.manners_mut() {
            manners.eof = policy;
        }
    }

    /// Whether only close_notify ends it in good order.
    pub(crate) fn proves_its_end(&self) -> bool {
        match self.manners() {
            Some(manners) => manners.eof == EofPolicy::Strict,
            None => self.reader.is_closed(),
        }
    }

    pub(crate) fn set_log_level(&mut self, level: Option<LogLevel>) {
        if let Some(manners) = self.manners_mut() {
            manners.log = level;
        }
    }

    /// Whether there is memory that could be given back.
    pub(crate) fn has_spare(&self) -> bool {
        !self.reader.is_hibernating() || self.sealed.has_spare() || self.plain.has_spare()
    }

    /// Keeps what cannot be made again.
    #[cold]
    pub(crate) fn hibernate(&mut self) {
        self.reader.hibernate();
        self.sealed.shrink();
        self.plain.shrink();
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        self.reader.mailbox()
    }

    pub(crate) fn received(&self) -> Flow {
        self.received
    }

    /// The next session that a ticket has brought and nobody has taken.
    pub(crate) fn take_session(&mut self) -> Option<ClientSession> {
        self.besides.as_mut()?.sessions.take()
    }

    /// A record without data may have been a ticket, or the request for another handshake.
    #[cold]
    fn collect(&mut self) {
        self.collect_tickets();
        if let End::NotYet(manners) = self.end
            && self.reader.take_request(UnixTime::now()).is_some()
        {
            self.renegotiate(manners);
        }
        if let Some(authentication) = self.authentication()
            && let Err(error) = authentication.collect()
        {
            self.fail(error);
        }
    }

    fn collect_tickets(&mut self) {
        while let Some(ticket) = self.reader.take_ticket() {
            let session = ticket.into_session(UnixTime::now());
            let besides = self.besides.get_or_insert_default();
            besides.sessions.receive(session);
        }
    }

    /// From here on nothing opens until another handshake is over.
    fn renegotiate(&mut self, manners: Manners) {
        let besides = self.besides.as_mut();
        match besides.and_then(|besides| besides.further.as_mut()) {
            Some(further) => {
                let (conduct, waiting) = (further.conduct.clone(), further.waiting.take());
                let mut renegotiating = Renegotiating::new(manners, conduct, waiting);
                // Of a request that crosses a hello which nobody answers, too, no connection ends.
                renegotiating.want(mem::take(&mut further.is_unanswered));
                self.end = End::Renegotiating(Box::new(renegotiating));
            }
            None => self.reader.decline_renegotiations(),
        }
    }

    /// How long another handshake may take, if there may be one, or is.
    pub(crate) fn renegotiation_limit(&mut self) -> Option<Duration> {
        if let End::Renegotiating(renegotiating) = &self.end {
            return Some(renegotiating.limit());
        }
        let conduct = &self.besides.as_ref()?.further.as_ref()?.conduct;
        let limit = conduct.handshake_timeout;
        self.reader.may_renegotiate().then_some(limit)
    }

    /// Asks for another handshake; whether there may be one.
    pub(crate) fn request(&mut self) -> bool {
        self.begin(false)
    }

    /// The same because the writer's key is to be replaced, told once for each key, to whoever has the writer.
    #[cold]
    pub(crate) fn request_for_key(&mut self) -> bool {
        self.mailbox().take_wish() && !self.is_renegotiating() && self.begin(true)
    }

    fn begin(&mut self, is_for_key: bool) -> bool {
        if let End::NotYet(manners) = self.end
            && self.reader.may_renegotiate()
        {
            self.renegotiate(manners);
        }
        match &mut self.end {
            End::Renegotiating(renegotiating) => {
                renegotiating.want(is_for_key);
                true
            }
            _ => false,
        }
    }

    /// There is no other handshake, and none that goes on.
    pub(crate) fn decline_renegotiations(&mut self) {
        self.reader.decline_renegotiations();
        if let Some(besides) = &mut self.besides {
            besides.further = None;
        }
    }

    #[inline]
    pub(crate) fn is_renegotiating(&self) -> bool {
        matches!(self.end, End::Renegotiating(_))
    }

    #[cfg(all(test, portcullis_loom))]
    pub(crate) fn has_begun_to_renegotiate(&self) -> bool {
        matches!(&self.end, End::Renegotiating(renegotiating) if renegotiating.has_begun())
    }

    /// Takes the handshake that goes on; as long as it is away there may be more to read.
    pub(crate) fn take_renegotiating(&mut self) -> Option<Box<Renegotiating>> {
        let End::Renegotiating(renegotiating) = &self.end else {
            return None;
        };
        let manners = End::NotYet(*renegotiating.manners());
        match mem::replace(&mut self.end, manners) {
            End::Renegotiating(renegotiating) => Some(renegotiating),
            _ => None,
        }
    }

    pub(crate) fn put_renegotiating(&mut self, renegotiating: Box<Renegotiating>) {
        self.end = End::Renegotiating(renegotiating);
    }

    /// What a handshake goes on with, and what was received and not opened.
    pub(crate) fn hand_over(&mut self) -> (&mut Reader, &mut Backlog) {
        (&mut self.reader, &mut self.sealed)
    }

    /// The handshake is over.
    pub(crate) fn go_on(&mut self, reader: Reader, unread: Vec<u8>) {
        self.reader = reader;
        self.sealed = unread.into();
        if self.reader.is_closed() {
            self.end = End::Closed;
        }
    }

    pub(crate) fn count_received(&mut self, count: usize) {
        self.received.count(count);
    }

    /// Data that came before the other end's handshake.
    pub(crate) fn add_plain(&mut self, data: &[u8]) {
        self.plain.extend(data);
    }

    /// Data that was taken and is to be read again, before all other.
    pub(crate) fn unread(&mut self, data: &[u8]) {
        let later = self.plain.take(self.plain.len());
        self.plain.extend(data);
        self.plain.extend(&later);
    }

    /// Bytes received that nobody has read.
    pub(crate) fn pending(&self) -> usize {
        self.sealed.len() + self.plain.len()
    }

    /// Plaintext that is there.
    pub(crate) fn plain(&self) -> &[u8] {
        self.plain.as_slice()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.plain.consume(count);
    }

    pub(crate) fn take_plain(&mut self, count: usize) -> Bytes {
        self.plain.take(count)
    }

    /// What is left when the connection is taken apart: plaintext and bytes behind it.
    pub(crate) fn into_rest(mut self) -> (Bytes, Bytes) {
        let (plain, sealed) = (self.plain.len(), self.sealed.len());
        (self.plain.take(plain), self.sealed.take(sealed))
    }

    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// The peer's fatal alert, if it has ended reading.
    pub(crate) fn alert(&self) -> Option<&Error> {
        match &self.end {
            End::Failed(failed) if failed.error().is_received_alert() => Some(failed.error()),
            _ => None,
        }
    }

    /// Why reading has failed, if the peer was or is to be told of a fault of its own.
    pub(crate) fn refusal(&mut self) -> Option<&mut Ending> {
        match &mut self.end {
            End::Failed(failed) if failed.error().is_refusal() => Some(failed),
            _ => None,
        }
    }

    #[cold]
    pub(crate) fn fail(&mut self, error: Error) {
        if let End::NotYet(manners) = &self.end {
            metrics::alert(&error);
            let limit = Duration::from_millis(manners.alert_timeout.into());
            report_connection(&error, manners.log);
            self.end = End::Failed(Box::new(Ending::new(error, limit)));
            self.end_authentication();
        }
    }

    /// Why reading has failed, if it has.
    pub(crate) fn failure(&self) -> Option<&Error> {
        match &self.end {
            End::Failed(failed) => Some(failed.error()),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.end, End::NotYet(_))
    }

    /// Reads into the caller's buffer: 0 bytes stand for the peer's close_notify.
    #[inline]
    pub(crate) fn poll_read<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>>
    where
        R: AsyncRead + Unpin,
    {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !self.plain.is_empty() {
            ready!(self.poll_budget(cx));
            let count = self.plain.len().min(buf.remaining());
            buf.put_slice(&self.plain.as_slice()[..count]);
            self.plain.consume(count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let mut target = Target::Caller { buf, before };
        ready!(self.poll_open(io, cx, &mut target));
        if target.has_some() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.ended())
    }

    /// Opens until there is more plaintext than `have` bytes, or the end.
    pub(crate) fn poll_fill<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        have: usize,
    ) -> Poll<Result<(), Error>>
    where
        R: AsyncRead + Unpin,
    {
        while self.plain.len() <= have {
            let mut target = Target::Kept { more: false };
            ready!(self.poll_open(io, cx, &mut target));
            if !target.has_some() {
                return Poll::Ready(self.ended());
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What is given without asking the transport counts towards the budget that Tokio gives a
    /// task as well: a peer of many small records must not hold the thread.
    #[inline(never)]
    pub(crate) fn poll_budget(&self, cx: &mut Context<'_>) -> Poll<()> {
        poll_proceed(cx).map(|budget| budget.made_progress())
    }

    fn ended(&self) -> Result<(), Error> {
        match &self.end {
            End::Failed(failed) => Err(failed.error().clone()),
            End::Closed | End::NotYet(_) | End::Renegotiating(_) => Ok(()),
        }
    }

    /// Opens records until the target has something or reading has ended. Always inlined: the
    /// target is a known one then, which is worth 70 instructions of each read.
    #[inline(always)]
    fn poll_open<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        target: &mut Target<'_, '_>,
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
    {
        // Nearly always one read gives a record. Outside of a loop nothing is prepared for more.
        if ready!(self.poll_open_once(io, cx, target)) {
            return Poll::Ready(());
        }
        self.poll_open_on(io, cx, target)
    }

    /// Goes on as long as there is neither plaintext nor the end.
    #[cold]
    fn poll_open_on<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        target: &mut Target<'_, '_>,
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
    {
        while !ready!(self.poll_open_once(io, cx, target)) {}
        Poll::Ready(())
    }

    /// Opens what is kept, or what one read from the transport gives; says whether that is enough,
    /// or nothing more will come.
    #[inline]
    fn poll_open_once<R>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        target: &mut Target<'_, '_>,
    ) -> Poll<bool>
    where
        R: AsyncRead + Unpin,
    {
        if self.has_ended() {
            return self.stopped();
        }
        if !self.sealed.is_empty() {
            ready!(self.poll_open_kept(cx, target));
            if target.has_some() {
                return Poll::Ready(true);
            }
            if self.has_ended() {
                return self.stopped();
            }
        }
        let tail = self.sealed.len();
        let needed = if tail > 0
            && let Ok(Frame::NeedMore { at_least }) = self.reader.frame(self.sealed.as_slice())
        {
            at_least
        } else {
            1
        };
        let mut scratch = Scratch::take();
        let full_record = self.reader.record_len(PLAINTEXT);
        let limit = target.appetite(full_record).max(tail + needed);
        let mut buf = ReadBuf::new(&mut scratch[tail..limit]);
        let count = match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
            Ok(()) => buf.filled().len(),
            Err(error) => {
                self.fail(Error::io(error, Stage::Connected));
                return Poll::Ready(true);
            }
        };
        if count == 0 {
            self.on_eof();
            return Poll::Ready(true);
        }
        self.received.count(count);
        if tail > 0 {
            // A record that trickles in is not copied again and again.
            if needed > count {
                self.sealed.extend(&scratch[tail..tail + count]);
                return Poll::Ready(false);
            }
            scratch[..tail].copy_from_slice(self.sealed.as_slice());
            self.sealed.consume(tail);
        }
        let filled = tail + count;
        let used = self.open_records(&mut scratch[..filled], target);
        if used < filled {
            self.sealed.keep(scratch, used..filled);
        }
        Poll::Ready(target.has_some())
    }

    /// Nothing opens any more, or not before another handshake is over: whoever has both halves goes
    /// on with that when reading is pending.
    #[cold]
    fn stopped(&self) -> Poll<bool> {
        match self.is_renegotiating() {
            true => Poll::Pending,
            false => Poll::Ready(true),
        }
    }

    /// Opens records that came with others before. Out of the way of those that come alone.
    #[inline(never)]
    fn poll_open_kept(&mut self, cx: &mut Context<'_>, target: &mut Target<'_, '_>) -> Poll<()> {
        // Given back when nothing comes of it.
        let budget = ready!(poll_proceed(cx));
        let mut sealed = mem::take(&mut self.sealed);
        let used = self.open_records(sealed.as_mut_slice(), target);
        sealed.consume(used);
        self.sealed = sealed;
        if target.has_some() || self.has_ended() {
            budget.made_progress();
        }
        Poll::Ready(())
    }

    /// Opens the records at the start of `input`; returns how many bytes they were.
    fn open_records(&mut self, input: &mut [u8], target: &mut Target<'_, '_>) -> usize {
        let mut used = 0;
        while !self.has_ended() && !target.is_satisfied() {
            let rest = &mut input[used..];
            let opened = match self.reader.frame(rest) {
                Ok(Frame::NeedMore { .. } | Frame::Closed) => break,
                Ok(Frame::Record { len, plaintext }) => {
                    // The caller has something: a record that does not fit can wait.
                    if target.has_some() && !target.takes(&self.reader, len, plaintext) {
                        break;
                    }
                    used += len;
                    self.open(&mut rest[..len], plaintext, target)
                }
                Err(error) => Err(error),
            };
            match opened {
                Ok(false) => {}
                Ok(true) => {
                    self.end = End::Closed;
                    self.end_authentication();
                }
                Err(error) => self.fail(error.into()),
            }
        }
        used
    }

    /// Opens one record. Whether it was the last.
    fn open(
        &mut self,
        record: &mut [u8],
        inner: usize,
        target: &mut Target<'_, '_>,
    ) -> Result<bool, portcullis_core::Error> {
        match target {
            Target::Caller { buf, .. } if buf.remaining() >= inner => {
                let out = buf.initialize_unfilled_to(inner);
                match self.reader.open_into(record, out)? {
                    Opened::Data(content) => {
                        // Content comes first in the inner plaintext (RFC 8446 §5.2).
                        debug_assert_eq!(content.start, 0);
                        buf.advance(content.end);
                    }
                    Opened::Nothing => self.collect(),
                    Opened::Closed => return Ok(true),
                }
            }
            Target::Caller { buf, .. } => match self.reader.open_in_place(record)? {
                Opened::Data(content) => {
                    let content = &record[content];
                    let (now, later) = content.split_at(content.len().min(buf.remaining()));
                    buf.put_slice(now);
                    if !later.is_empty() {
                        self.plain.extend(later);
                    }
                }
                Opened::Nothing => self.collect(),
                Opened::Closed => return Ok(true),
            },
            Target::Kept { more } => match self.reader.open_in_place(record)? {
                Opened::Data(content) => {
                    *more = true;
                    self.plain.extend(&record[content]);
                }
                Opened::Nothing => self.collect(),
                Opened::Closed => return Ok(true),
            },
            Target::Message { message, .. } => {
                let mut out = vec![0; inner];
                match self.reader.open_into(record, &mut out)? {
                    Opened::Data(content) => {
                        // Padding is not kept with the content: whoever queues messages counts
                        // their lengths.
                        *message = Some(if content.end < inner / 2 {
                            Bytes::copy_from_slice(&out[content])
                        } else {
                            out.truncate(content.end);
                            out.into()
                        });
                    }
                    Opened::Nothing => self.collect(),
                    Opened::Closed => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    fn on_eof(&mut self) {
        match (self.reader.eof(), &self.end) {
            (Err(error), End::NotYet(manners)) if manners.eof == EofPolicy::Strict => {
                self.fail(error.into());
            }
            _ => {
                self.end = End::Closed;
                self.end_authentication();
            }
        }
    }
}

impl std::fmt::Debug for Receiving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiving")
            .field("sealed", &self.sealed)
            .field("plain", &self.plain)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
