//! What the driver and a connection share: the state of the protocol, and what waits to be read.

mod writing;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::session::ClientSession;
use portcullis_core::{
    ConnectionId, DatagramReader, DatagramWriter, Discards, Monotonic, Received,
};
use rustls_pki_types::UnixTime;
use tokio::task::coop::poll_proceed;

use self::writing::Writing;
pub(super) use self::writing::{Sent, Together};
use super::authentication::Authenticated;
use super::endpoint::{Endpoint, Id};
use super::hello;
use super::link::Path;
use super::lock;
use super::moves::{Migration, Moves, Sealer};
use super::renegotiation::{Meanwhile, Renegotiation};
use super::rivals::{Origin, Said};
use super::statistics::DtlsStatistics;
use crate::authentication::Authentication;
use crate::error::Error;
use crate::metrics::{self, Full, Open};
use crate::sessions::Received as Sessions;
use crate::statistics::Flow;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// What is kept for a handshake that nobody runs yet.
const FEW: (usize, usize) = (4, 8 * 1024);
/// What is kept for a handshake that does something else just now.
const MANY: (usize, usize) = (32, 64 * 1024);
/// Of how many handshakes that were given up one after the other at an address no copy of a hello comes back.
const GIVEN_UP: usize = 8;

/// One peer: a handshake, a connection, or what is left of it.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) id: Id,
    /// Where the peer is.
    path: Mutex<Path>,
    pub(super) migration: Migration,
    /// There once the peer was elsewhere: hardly any is.
    pub(super) moves: Mutex<Option<Box<Moves>>>,
    /// Where the client may be asked for a certificate after the handshake.
    pub(super) authenticated: OnceLock<Box<Authenticated>>,
    /// Where there may be another handshake.
    pub(super) again: OnceLock<Box<Renegotiation>>,
    /// The random of the hello that it began with, the peer's or this side's.
    pub(super) hello: OnceLock<[u8; 32]>,
    /// It began here.
    pub(super) is_called: bool,
    /// The peer was not asked for a cookie, and nothing has shown since that it reads where it says.
    pub(super) is_unproved: AtomicBool,
    /// Messages and bytes that wait to be read.
    pub(super) inbox: (u32, u32),
    pub(super) reading: Mutex<Reading>,
    pub(super) writing: Mutex<Writing>,
    /// Whether the driver knows that it has something to do.
    is_rung: AtomicBool,
}

/// Makes the driver look after an association: once for each time that it has left its waker.
struct Bell {
    endpoint: Weak<Endpoint>,
    id: Id,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(endpoint) = self.endpoint.upgrade() {
            endpoint.ring(self.id);
        }
    }
}

/// What rings for the driver.
pub(super) fn bell(association: &Association) -> Waker {
    let bell = Bell {
        endpoint: Arc::downgrade(&association.endpoint),
        id: association.id,
    };
    Arc::new(bell).into()
}

pub(super) struct Reading {
    pub(super) phase: Phase,
    messages: VecDeque<Bytes>,
    /// Of the messages, or of the datagrams of a handshake.
    bytes: usize,
    /// Nothing comes any more: the peer has closed, or something has failed.
    pub(super) end: Option<Box<Result<(), Error>>>,
    /// A handshake that has ended since another one is at its address: it says nothing there.
    has_given_way: bool,
    /// Boxed: a server has none.
    sessions: Option<Box<Sessions>>,
    pub(super) waker: Option<Waker>,
    received: Flow,
    inbox_full: u32,
    /// When the peer was heard.
    pub(super) heard: Monotonic,
}

impl fmt::Debug for Reading {
    /// Without what was received.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("messages", &self.messages.len())
            .field("bytes", &self.bytes)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

pub(super) enum Phase {
    /// Datagrams wait for whoever runs the handshake.
    Handshake(Box<Waiting>),
    Connected(Box<DatagramReader>),
    /// Another handshake goes on with it.
    Renegotiating(Box<Meanwhile>),
    /// Nobody reads: the last words are said, and heard.
    Abandoned(Option<Box<DatagramReader>>),
}

/// What has come for a handshake, and how much of that is kept.
pub(super) struct Waiting {
    datagrams: VecDeque<Vec<u8>>,
    most: (usize, usize),
    /// The randoms of the hellos of handshakes in whose place this is, the newest last.
    pub(super) instead_of: Vec<[u8; 32]>,
}

/// What a datagram has told besides what is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A record of it is the newest of all.
    pub(super) is_newest: bool,
    /// Of RFC 9853.
    pub(super) challenge: Option<[u8; 8]>,
    pub(super) response: Option<[u8; 8]>,
}

/// What the driver has to do because of a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    /// There is something to be sent.
    pub(super) has_work: bool,
    /// The peer is elsewhere from here on.
    pub(super) has_moved: bool,
    /// How many connection ids the peer has asked for.
    pub(super) ids_wanted: Option<u8>,
}

/// How an association stands, as the driver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Handshake,
    Connected,
    /// Nobody has it any more; `true`: nor does the peer.
    Abandoned(bool),
}

impl Association {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        id: Id,
        path: Path,
        origin: Origin,
        (inbox, migration): ((u32, u32), Migration),
        heard: Monotonic,
    ) -> Self {
        let (hello, is_unproved) = match origin {
            Origin::Called => (None, false),
            Origin::Admitted { hello, is_unproved } => (hello, is_unproved),
        };
        Self {
            endpoint,
            id,
            path: Mutex::new(path),
            migration,
            moves: Mutex::default(),
            authenticated: OnceLock::new(),
            again: OnceLock::new(),
            hello: hello.map_or_else(OnceLock::new, OnceLock::from),
            is_called: matches!(origin, Origin::Called),
            is_unproved: AtomicBool::new(is_unproved),
            inbox,
            reading: Mutex::new(Reading {
                phase: Phase::Handshake(Box::new(Waiting {
                    datagrams: VecDeque::new(),
                    most: FEW,
                    instead_of: Vec::new(),
                })),
                messages: VecDeque::new(),
                bytes: 0,
                end: None,
                has_given_way: false,
                sessions: None,
                waker: None,
                received: Flow::default(),
                inbox_full: 0,
                heard,
            }),
            writing: Mutex::default(),
            is_rung: AtomicBool::new(false),
        }
    }

    /// Where the peer is.
    pub(super) fn path(&self) -> Path {
        *lock(&self.path)
    }

    pub(super) fn set_path(&self, path: Path) {
        *lock(&self.path) = path;
    }

    /// Makes the driver look after this.
    pub(super) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.endpoint.ring(self.id);
        }
    }

    /// The driver looks. A store would not see what those have done who found that it was rung for already.
    pub(super) fn is_heard(&self) {
        self.is_rung.swap(false, Ordering::AcqRel);
    }

    // What the driver does.

    /// Takes what has come from there.
    pub(super) fn receive(&self, datagram: &mut [u8], from: Path, now: Monotonic) -> Came {
        let length = datagram.len();
        let mut reading = lock(&self.reading);
        let mut seen = Seen::default();
        let (has_work, waker) = reading.take(datagram, from, self.inbox, now, &mut seen);
        let ids_wanted = reading.ids_wanted();
        drop(reading);
        if let Some(waker) = waker {
            waker.wake();
        }
        // While another handshake goes on nothing was seen yet.
        let has_moved = self.heard_from(from, length, &seen, now, Sealer::Writer);
        let has_answers = self.authenticate();
        Came {
            has_work: has_work || has_moved || has_answers,
            has_moved,
            ids_wanted,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match &lock(&self.reading).phase {
            Phase::Handshake(_) => Standing::Handshake,
            Phase::Connected(_) | Phase::Renegotiating(_) => Standing::Connected,
            Phase::Abandoned(reader) => {
                let has_closed = reader.as_ref().is_none_or(|reader| reader.is_closed());
                Standing::Abandoned(has_closed)
            }
        }
    }

    /// Whoever waits looks again.
    pub(super) fn wake(&self) {
        let waker = lock(&self.reading).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends it, for whoever has it; what was received is still read.
    pub(super) fn end(&self, error: Error) {
        if let Some(authenticated) = self.authenticated.get() {
            authenticated.end(Some(&error));
        }
        let mut reading = lock(&self.reading);
        reading.end.get_or_insert_with(|| Box::new(Err(error)));
        let waker = reading.waker.take();
        drop(reading);
        if let Some(waker) = waker {
            waker.wake();
        }
        self.leave_again();
    }

    /// Ends without a word, if it is a handshake that is weaker than one that begins with this hello. Whether it did.
    pub(super) fn give_way(&self, said: &Said) -> bool {
        let mut reading = lock(&self.reading);
        let Phase::Handshake(waiting) = &reading.phase else {
            return false;
        };
        if !self.is_weaker_than(said, &waiting.instead_of) {
            return false;
        }
        reading.has_given_way = true;
        let why = match self.is_called {
            true => {
                "the peer has called at the same time: the connection is the one that the listener accepts"
            }
            false => "another client has begun at this address, and has shown that it reads there",
        };
        reading
            .end
            .get_or_insert_with(|| Box::new(Err(Error::limit(why))));
        let waker = reading.waker.take();
        drop(reading);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// How long nothing of the peer has come that opened.
    pub(super) fn silent_for(&self, now: Monotonic) -> Duration {
        now.0.saturating_sub(lock(&self.reading).heard.0)
    }

    /// Gives the memory of the ciphers back.
    pub(super) fn hibernate(&self) {
        if let Phase::Connected(reader) = &mut lock(&self.reading).phase {
            reader.hibernate();
        }
        if let Some(writer) = &mut lock(&self.writing).writer {
            writer.hibernate();
        }
    }

    /// Drops keys that nothing comes under any more.
    pub(super) fn forget_old_keys(&self, now: Monotonic) {
        if let Phase::Connected(reader) = &mut lock(&self.reading).phase {
            reader.forget_old_keys(now);
        }
    }

    // What a handshake does.

    /// It is in the place of another handshake, and of those in whose place that was: the newest of them are remembered.
    pub(super) fn comes_after(&self, before: &Self) {
        let mut all = match &lock(&before.reading).phase {
            Phase::Handshake(waiting) => waiting.instead_of.clone(),
            _ => Vec::new(),
        };
        all.extend(before.hello.get());
        if let Phase::Handshake(waiting) = &mut lock(&self.reading).phase {
            waiting.instead_of.extend(all);
            let over = waiting.instead_of.len().saturating_sub(GIVEN_UP);
            waiting.instead_of.drain(..over);
        }
    }

    /// Somebody runs the handshake.
    pub(super) fn begin(&self) {
        if let Phase::Handshake(waiting) = &mut lock(&self.reading).phase {
            waiting.most = MANY;
        }
    }

    pub(super) fn poll_datagram(&self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Error>> {
        let mut reading = lock(&self.reading);
        let Reading { phase, bytes, .. } = &mut *reading;
        if let Phase::Handshake(waiting) = phase
            && let Some(datagram) = waiting.datagrams.pop_front()
        {
            *bytes -= datagram.len();
            return Poll::Ready(Ok(datagram));
        }
        reading.poll_end(cx)
    }

    /// Whether it may send this.
    ///
    /// # Errors
    /// When it has given way to another one at its address.
    pub(super) fn about_to_send(&self, datagram: &[u8]) -> Result<(), Error> {
        // Held: it is decided with the random that the peer gets to know, or nothing is sent.
        let reading = lock(&self.reading);
        if reading.has_given_way
            && let Some(Err(error)) = reading.end.as_deref()
        {
            return Err(error.clone());
        }
        if self.is_called
            && let Some(Some(random)) = hello::client_hello(datagram)
        {
            let _the_same = self.hello.set(random);
        }
        Ok(())
    }

    /// The handshake is over.
    pub(super) fn connected(
        &self,
        reader: DatagramReader,
        writer: DatagramWriter,
        unread: Vec<Vec<u8>>,
        (sessions, authentication): (Option<Box<Sessions>>, Option<Authentication>),
    ) {
        if let Some(authentication) = authentication {
            let authenticated = Authenticated::new(self, authentication);
            let _the_first = self.authenticated.set(Box::new(authenticated));
        }
        lock(&self.writing).writer = Some(Box::new(writer));
        let now = self.endpoint.monotonic();
        let mut reading = lock(&self.reading);
        reading.sessions = sessions;
        reading.bytes = 0;
        let before = std::mem::replace(&mut reading.phase, Phase::Connected(Box::new(reader)));
        let Phase::Handshake(waiting) = before else {
            return;
        };
        for mut datagram in unread.into_iter().chain(waiting.datagrams) {
            reading.open(&mut datagram, self.inbox, now, &mut Seen::default());
        }
        drop(reading);
        self.authenticate();
        self.ring();
    }

    // What a connection does.

    /// The connection ids on the peer's records and on those of this side; `None` where they were not agreed on.
    pub(super) fn connection_ids(&self) -> Option<(ConnectionId, ConnectionId)> {
        let theirs = match &lock(&self.reading).phase {
            Phase::Connected(reader) => reader.connection_id()?,
            Phase::Renegotiating(meanwhile) => return meanwhile.ids,
            _ => return None,
        };
        let ours = self.with_writer(|writer| writer.connection_id()).ok()?;
        Some((theirs, ours))
    }

    /// The next message; an error after the last one.
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let budget = ready!(poll_proceed(cx));
        let mut reading = lock(&self.reading);
        if let Some(message) = reading.messages.pop_front() {
            budget.made_progress();
            reading.bytes -= message.len();
            return Poll::Ready(Ok(message));
        }
        reading.poll_end(cx)
    }

    /// A message has come while a handshake goes on.
    pub(super) fn deliver(&self, message: &[u8]) {
        let mut reading = lock(&self.reading);
        let reading = &mut *reading;
        let inboxed = (
            &mut reading.messages,
            &mut reading.bytes,
            &mut reading.inbox_full,
        );
        keep(inboxed, message, self.inbox);
        if let Some(waker) = reading.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn take_session(&self) -> Option<ClientSession> {
        lock(&self.reading).sessions.as_mut()?.take()
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&self) -> Option<Result<(), Error>> {
        lock(&self.reading).end.as_deref().cloned()
    }

    /// Whether the peer has closed, or it has failed; what came before is forgotten.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut reading = lock(&self.reading);
        reading.messages.clear();
        reading.bytes = 0;
        reading.poll_end::<()>(cx)
    }

    /// Nobody has it any more.
    pub(super) fn abandon(&self) {
        {
            let mut reading = lock(&self.reading);
            reading.messages = VecDeque::new();
            reading.waker = None;
            let over = Phase::Abandoned(None);
            reading.phase = match std::mem::replace(&mut reading.phase, over) {
                Phase::Connected(reader) => Phase::Abandoned(Some(reader)),
                Phase::Handshake(_) | Phase::Renegotiating(_) | Phase::Abandoned(_) => {
                    Phase::Abandoned(None)
                }
            };
        }
        if let Some(authenticated) = self.authenticated.get() {
            authenticated.end(None);
        }
        self.close_notify();
        self.ring();
    }

    pub(super) fn statistics(&self) -> DtlsStatistics {
        let (sent, send_failures) = {
            let writing = lock(&self.writing);
            (writing.sent, writing.failures)
        };
        let (moved, moves_refused) = {
            let moves = lock(&self.moves);
            let moves = moves.as_ref();
            moves.map_or((0, 0), |moves| (moves.moved, moves.refused))
        };
        let (foreign, foreign_full) = match self.endpoint.is_clients {
            true => {
                let statistics = lock(&self.endpoint.statistics);
                (statistics.foreign, statistics.foreign_full)
            }
            // They are the listener's.
            false => (0, 0),
        };
        let reading = lock(&self.reading);
        DtlsStatistics {
            received: reading.received,
            sent,
            discards: match &reading.phase {
                Phase::Connected(reader) => reader.discards(),
                Phase::Renegotiating(meanwhile) => meanwhile.discards.clone(),
                _ => Discards::default(),
            },
            inbox_full: reading.inbox_full.into(),
            send_failures,
            moved,
            moves_refused,
            foreign,
            foreign_full,
        }
    }
}

impl Reading {
    /// Whether there is something to be sent, and who is to be woken.
    fn take(
        &mut self,
        datagram: &mut [u8],
        from: Path,
        inbox: (u32, u32),
        now: Monotonic,
        seen: &mut Seen,
    ) -> (bool, Option<Waker>) {
        self.received.count(datagram.len());
        match &mut self.phase {
            Phase::Handshake(waiting) => {
                let (datagrams, most) = (&mut waiting.datagrams, waiting.most);
                let has_room = datagrams.len() < most.0 && self.bytes + datagram.len() <= most.1;
                if !has_room {
                    self.inbox_full = self.inbox_full.saturating_add(1);
                    metrics::full(Full::Inbox);
                    return (false, None);
                }
                self.bytes += datagram.len();
                datagrams.push_back(datagram.to_vec());
                (false, self.waker.take())
            }
            Phase::Connected(_) => {
                let had = self.messages.len();
                let has_work = self.open(datagram, inbox, now, seen);
                let wakes = self.messages.len() > had || self.end.is_some();
                (has_work, self.waker.take_if(|_| wakes))
            }
            Phase::Renegotiating(meanwhile) => {
                let has_room = meanwhile.add(from, datagram);
                if !has_room {
                    self.inbox_full = self.inbox_full.saturating_add(1);
                    metrics::full(Full::Inbox);
                }
                (has_room, None)
            }
            Phase::Abandoned(reader) => {
                let Some(reader) = reader else {
                    return (false, None);
                };
                let mut records = reader.open(datagram, now);
                while let Ok(Some(_)) = records.next() {}
                (reader.writer_has_work() || reader.is_closed(), None)
            }
        }
    }

    /// Opens a datagram. Whether there is something to be sent because of it.
    pub(super) fn open(
        &mut self,
        datagram: &mut [u8],
        inbox: (u32, u32),
        now: Monotonic,
        seen: &mut Seen,
    ) -> bool {
        let Phase::Connected(reader) = &mut self.phase else {
            return false;
        };
        let mut records = reader.open(datagram, now);
        loop {
            match records.next() {
                Ok(Some(Received::Discarded(why))) => {
                    metrics::discarded(why);
                    continue;
                }
                Ok(Some(Received::Data(data))) => {
                    let inboxed = (&mut self.messages, &mut self.bytes, &mut self.inbox_full);
                    keep(inboxed, data, inbox);
                }
                Ok(Some(Received::Closed)) => {
                    self.end.get_or_insert_with(|| Box::new(Ok(())));
                }
                Ok(Some(Received::PathChallenge(cookie))) => seen.challenge = Some(cookie),
                Ok(Some(Received::PathResponse(cookie))) => seen.response = Some(cookie),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    self.end.get_or_insert_with(|| Box::new(Err(error.into())));
                    break;
                }
            }
            self.heard = now;
        }
        seen.is_newest = records.is_newest();
        while let Some(ticket) = reader.take_ticket() {
            let session = ticket.into_session(UnixTime::now());
            self.sessions.get_or_insert_default().receive(session);
        }
        reader.writer_has_work() || reader.take_request(UnixTime::now()).is_some()
    }

    /// How many connection ids the peer has asked for since.
    fn ids_wanted(&mut self) -> Option<u8> {
        match &mut self.phase {
            Phase::Connected(reader) => reader.take_connection_id_request(),
            _ => None,
        }
    }

    /// How it has ended; the task is woken when it does.
    fn poll_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        match self.end.as_deref() {
            Some(Ok(())) => Poll::Ready(Err(Error::closed())),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                match &mut self.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

/// Keeps a message until it is read, if there is room.
fn keep(
    (messages, bytes, full): (&mut VecDeque<Bytes>, &mut usize, &mut u32),
    data: &[u8],
    inbox: (u32, u32),
) {
    if messages.len() < inbox.0 as usize && *bytes + data.len() <= inbox.1 as usize {
        *bytes += data.len();
        messages.push_back(Bytes::copy_from_slice(data));
    } else {
        *full = full.saturating_add(1);
        metrics::full(Full::Inbox);
    }
}

/// Whoever has an association, and that it counts as a connection. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Owner(pub(super) Arc<Association>, pub(super) Option<Open>);

impl std::ops::Deref for Owner {
    type Target = Association;

    fn deref(&self) -> &Association {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
