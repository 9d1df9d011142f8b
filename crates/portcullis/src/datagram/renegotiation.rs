//! Another handshake on a connection of before DTLS 1.3: the socket's task runs it, also while nobody waits for messages.
//!
//! RFC 5246 §7.4.1, RFC 6347 §4.2. What comes under the keys before is received meanwhile; what is sent waits.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use portcullis_core::{
    ConnectionInformation, DatagramConnection, DatagramReader, DatagramWriter, Discards, Handshake,
    Stage, Step,
};
use tokio::time::Instant;

use super::association::{Association, Owner, Phase, Seen, bell};
use super::connection::DtlsConnection;
use super::handshake::{deadline_from, give};
use super::link::Path;
use super::lock;
use super::moves::Sealer;
use super::split::DtlsReceiver;
use super::transport::is_too_long;
use crate::answers::AnswerFuture;
use crate::conduct::Conduct;
use crate::error::Error;
use crate::handshake::{ask, observe};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// Datagrams that wait for it, and bytes of them; beyond that they are lost.
const MOST: (usize, usize) = (64, 64 * 1024);

/// What a connection has that may have another handshake.
pub(super) struct Renegotiation {
    conduct: Conduct,
    /// Rings for the driver.
    bell: Waker,
    /// Only the driver runs it, and whoever closes gives it up.
    running: Mutex<Option<Box<Running>>>,
    /// This side closes.
    is_closing: AtomicBool,
    wish: Mutex<Wish>,
    /// By the last handshake, if it was not the first.
    settled: Mutex<Option<Arc<ConnectionInformation>>>,
}

/// What somebody waits for.
#[derive(Default)]
struct Wish {
    /// It is to begin.
    is_open: bool,
    /// Somebody wants it, and not the key alone.
    is_wanted: bool,
    outcome: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

struct Running {
    handshake: Handshake,
    answering: Option<AnswerFuture>,
    until: Instant,
}

/// How a connection is known while a handshake goes on with it.
pub(super) struct Meanwhile {
    /// What waits, and where it has come from.
    datagrams: VecDeque<(Path, Vec<u8>)>,
    bytes: usize,
    pub(super) discards: Discards,
    pub(super) ids: Option<(portcullis_core::ConnectionId, portcullis_core::ConnectionId)>,
}

impl Meanwhile {
    /// Whether there was room.
    pub(super) fn add(&mut self, from: Path, datagram: &[u8]) -> bool {
        let bytes = self.bytes + datagram.len();
        let has_room = self.datagrams.len() < MOST.0 && bytes <= MOST.1;
        if has_room {
            self.datagrams.push_back((from, datagram.to_vec()));
            self.bytes = bytes;
        }
        has_room
    }

    fn next(&mut self) -> Option<(Path, Vec<u8>)> {
        let (from, datagram) = self.datagrams.pop_front()?;
        self.bytes -= datagram.len();
        Some((from, datagram))
    }
}

impl fmt::Debug for Renegotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renegotiation")
    }
}

impl Renegotiation {
    /// Whoever may have no other handshake holds nothing for it.
    pub(super) fn prepare(
        association: &Association,
        reader: &mut DatagramReader,
        conduct: &Conduct,
    ) {
        if reader.may_renegotiate() {
            let _the_first = association.again.set(Box::new(Self {
                conduct: conduct.clone(),
                bell: bell(association),
                running: Mutex::new(None),
                is_closing: AtomicBool::new(false),
                wish: Mutex::new(Wish::default()),
                settled: Mutex::new(None),
            }));
        }
    }

    /// Tells whoever waits how it has ended.
    fn tell(&self, outcome: Result<(), Error>) {
        let mut wish = lock(&self.wish);
        // Whoever wants it may not have looked yet.
        if wish.is_wanted {
            wish.outcome = Some(outcome);
        }
        (wish.is_open, wish.is_wanted) = (false, false);
        let waker = wish.waker.take();
        drop(wish);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Association {
    /// Begins a handshake if one of the two sides or the key wants it, and goes on with it; gives when something will be
    /// due. Only the driver calls it, and no lock is held where answers are asked for.
    pub(super) fn renegotiate(&self) -> Option<Instant> {
        let again = self.again.get()?;
        let mut running = lock(&again.running).take();
        if running.is_none() {
            match self.begin_again(again) {
                Ok(begun) => running = begun,
                Err(error) => again.tell(Err(error)),
            }
        }
        let mut running = running?;
        match self.run_again(again, &mut running) {
            Ok(Some(due)) => {
                *lock(&again.running) = Some(running);
                if again.is_closing.load(Ordering::Acquire) {
                    self.give_up_again(again);
                }
                Some(due)
            }
            Ok(None) => {
                if again.is_closing.load(Ordering::Acquire) {
                    let _closed = self.with_writer(DatagramWriter::close_notify);
                }
                self.ring();
                None
            }
            Err(error) => {
                self.say(&mut running);
                self.end(error);
                None
            }
        }
    }

    fn begin_again(&self, again: &Renegotiation) -> Result<Option<Box<Running>>, Error> {
        let now = self.endpoint.now();
        let (mut reading, mut writing) = (lock(&self.reading), lock(&self.writing));
        let Phase::Connected(reader) = &mut reading.phase else {
            return Ok(None);
        };
        let is_asked = reader.take_request(now.wall).is_some();
        let mut wish = lock(&again.wish);
        let is_wanted = wish.is_open;
        let Some(writer) = writing.writer.as_mut() else {
            return Ok(None);
        };
        if !is_asked && !is_wanted && !writer.wishes_to_renegotiate() {
            return Ok(None);
        }
        if writer.is_closed() {
            reader.decline_request();
            return Err(Error::closed());
        }
        (wish.is_open, wish.is_wanted) = (false, is_wanted);
        drop(wish);
        let ids = reader
            .connection_id()
            .map(|theirs| (theirs, writer.connection_id()));
        let discards = reader.discards();
        let lengths = (writer.max_message_len(), writer.most_message_len());
        let handshake = Handshake::renegotiate_datagrams(reader, writer, now)?;
        writing.pause(lengths);
        reading.phase = Phase::Renegotiating(Box::new(Meanwhile {
            datagrams: VecDeque::new(),
            bytes: 0,
            discards,
            ids,
        }));
        Ok(Some(Box::new(Running {
            handshake,
            answering: None,
            until: deadline_from(Instant::now(), again.conduct.handshake_timeout),
        })))
    }

    /// Goes on as far as possible; `None` when it is over.
    fn run_again(
        &self,
        again: &Renegotiation,
        running: &mut Running,
    ) -> Result<Option<Instant>, Error> {
        let (conduct, endpoint) = (&again.conduct, &self.endpoint);
        loop {
            let handshake = &mut running.handshake;
            if let Some(answering) = &mut running.answering
                && let Poll::Ready(answer) = answering
                    .as_mut()
                    .poll(&mut Context::from_waker(&again.bell))
            {
                running.answering = None;
                // An answer takes time, and a flight that it ends begins now.
                handshake.handle_timeout(endpoint.now());
                give(handshake, conduct, answer, endpoint)?;
            }
            match handshake.poll()? {
                Step::Transmit(datagram) => self.transmit(handshake, &datagram),
                Step::Event(event) => observe(&event, conduct),
                Step::Data(message) => self.deliver(&message),
                Step::Ask(question) => match ask(conduct, question) {
                    Ok(answer) => give(handshake, conduct, answer, endpoint)?,
                    Err(future) => running.answering = Some(future),
                },
                Step::Connected => {
                    let was_declined = handshake.was_declined();
                    let connection = handshake.take_datagram_connection()?;
                    self.go_on(again, connection);
                    again.tell(match was_declined {
                        true => Err(Error::declined()),
                        false => Ok(()),
                    });
                    return Ok(None);
                }
                Step::Wait { deadline } => {
                    if let Some((from, datagram)) = self.next_meanwhile() {
                        self.receive_again(handshake, from, &datagram);
                        continue;
                    }
                    let due = deadline.map(|due| endpoint.instant(due));
                    if due.is_some_and(|due| due <= Instant::now()) {
                        handshake.handle_timeout(endpoint.now());
                        continue;
                    }
                    if running.until <= Instant::now() {
                        // Nothing but the key wants it: the connection goes on without.
                        let is_wanted = lock(&again.wish).is_wanted;
                        if !is_wanted && handshake.give_up_renegotiation() {
                            continue;
                        }
                        let limit = conduct.handshake_timeout;
                        return Err(Error::timeout(handshake.stage(), limit));
                    }
                    let until = running.until;
                    return Ok(Some(due.map_or(until, |due| due.min(until))));
                }
                _ => {}
            }
        }
    }

    fn transmit(&self, handshake: &mut Handshake, datagram: &[u8]) {
        self.count_sent(datagram.len());
        // What the system does not take is lost, and sent again in its time.
        let sent = self.endpoint.link.try_send(&self.path(), datagram, None);
        if let Err(error) = sent
            && is_too_long(&error)
        {
            handshake.datagram_too_long(datagram.len());
        }
    }

    fn next_meanwhile(&self) -> Option<(Path, Vec<u8>)> {
        match &mut lock(&self.reading).phase {
            Phase::Renegotiating(meanwhile) => meanwhile.next(),
            _ => None,
        }
    }

    /// Silence and moves count as they do without a handshake.
    fn receive_again(&self, handshake: &mut Handshake, from: Path, datagram: &[u8]) {
        let now = self.endpoint.now();
        handshake.receive(datagram, now);
        let heard = handshake.heard();
        if heard.has_opened {
            lock(&self.reading).heard = now.monotonic;
        }
        let seen = Seen {
            is_newest: heard.is_newest,
            challenge: heard.challenge,
            response: heard.response,
        };
        let sealer = Sealer::Handshake(handshake);
        // The driver looks whether it has moved.
        let _moved = self.heard_from(from, datagram.len(), &seen, now.monotonic, sealer);
    }

    /// The connection goes on with these halves.
    fn go_on(&self, again: &Renegotiation, connection: DatagramConnection) {
        *lock(&again.settled) = Some(connection.information);
        self.release(Some(Box::new(connection.writer)));
        let mut reading = lock(&self.reading);
        if connection.reader.is_closed() {
            reading.end.get_or_insert_with(|| Box::new(Ok(())));
        }
        let next = match reading.phase {
            Phase::Renegotiating(_) => Phase::Connected(Box::new(connection.reader)),
            _ => Phase::Abandoned(Some(Box::new(connection.reader))),
        };
        let before = std::mem::replace(&mut reading.phase, next);
        let now = self.endpoint.monotonic();
        reading.heard = now;
        let Phase::Renegotiating(meanwhile) = before else {
            return;
        };
        let waiting = meanwhile
            .datagrams
            .into_iter()
            .map(|(_, datagram)| datagram);
        for mut datagram in connection.unread.into_iter().chain(waiting) {
            reading.open(&mut datagram, self.inbox, now, &mut Seen::default());
        }
        let waker = reading.waker.take();
        drop(reading);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whoever waits to send goes on, with this writer, or without one.
    fn release(&self, writer: Option<Box<DatagramWriter>>) {
        let senders = match (&mut *lock(&self.writing), writer) {
            (writing, Some(writer)) => writing.go_on(Some(writer)),
            (writing, None) if writing.is_paused() => writing.go_on(None),
            (_, None) => Vec::new(),
        };
        for sender in senders {
            sender.wake();
        }
    }

    /// This side closes: a handshake that is under way is given up, and the peer told so.
    pub(super) fn close_again(&self) {
        if let Some(again) = self.again.get() {
            again.is_closing.store(true, Ordering::Release);
            self.give_up_again(again);
            self.ring();
        }
    }

    fn give_up_again(&self, again: &Renegotiation) {
        let Some(mut running) = lock(&again.running).take() else {
            return;
        };
        running.handshake.cancel();
        self.say(&mut running);
        self.end(Error::closed());
    }

    /// The connection has ended: nobody waits for a handshake any more.
    pub(super) fn leave_again(&self) {
        if let Some(again) = self.again.get() {
            self.release(None);
            if let Some(waker) = lock(&again.wish).waker.take() {
                waker.wake();
            }
        }
    }

    /// Its last words.
    fn say(&self, running: &mut Running) {
        if !matches!(running.handshake.stage(), Stage::Closed) {
            running.handshake.cancel();
        }
        while let Ok(step) = running.handshake.poll() {
            match step {
                Step::Transmit(datagram) => self.transmit(&mut running.handshake, &datagram),
                Step::Event(_) | Step::Data(_) => {}
                _ => return,
            }
        }
    }

    fn request_again(&self) -> Result<(), Error> {
        if let Some(ended) = self.ended() {
            return Err(ended.err().unwrap_or_else(Error::closed));
        }
        let Some(again) = self.again.get() else {
            // It says why.
            return match &mut lock(&self.reading).phase {
                Phase::Connected(reader) => Ok(Handshake::check_datagram_renegotiation(reader)?),
                _ => Err(Error::closed()),
            };
        };
        if again.is_closing.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        if let Phase::Connected(reader) = &mut lock(&self.reading).phase {
            Handshake::check_datagram_renegotiation(reader)?;
        }
        let mut wish = lock(&again.wish);
        (wish.is_open, wish.is_wanted, wish.outcome) = (true, true, None);
        drop(wish);
        self.ring();
        Ok(())
    }

    fn poll_again(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(again) = self.again.get() else {
            return Poll::Ready(Err(Error::closed()));
        };
        let mut wish = lock(&again.wish);
        if let Some(outcome) = wish.outcome.take() {
            return Poll::Ready(outcome);
        }
        wish.waker = Some(cx.waker().clone());
        drop(wish);
        match self.ended() {
            Some(ended) => Poll::Ready(Err(ended.err().unwrap_or_else(Error::closed))),
            None => Poll::Pending,
        }
    }

    /// What the last handshake has settled, if it was not the first.
    pub(super) fn settled_again(&self) -> Option<Arc<ConnectionInformation>> {
        lock(&self.again.get()?.settled).clone()
    }

    /// Until there is a writer again.
    pub(super) fn poll_sendable(&self, cx: &Context<'_>) -> Poll<()> {
        lock(&self.writing).poll_sendable(cx)
    }
}

impl DtlsConnection {
    /// Asks for another handshake on this connection, before DTLS 1.3 (RFC 5246 §7.4.1), and waits for its end. Either side
    /// gets new keys. The configuration is the one that the connection began with, and it has to
    /// [allow it](crate::config::Renegotiation). A handshake that the peer has asked for needs no call: the socket's task
    /// answers it.
    ///
    /// Messages that come meanwhile wait to be received, as far as there is room for them
    /// ([`DtlsOptions::inbox`](crate::DtlsOptions::inbox)); those that overtake the handshake, or are overtaken by it, are still
    /// taken. [`send`](Self::send) waits until it is over, and [`try_send`](Self::try_send) has no room.
    /// [`information`](Self::information) is that of the new handshake from then on; where the peer has asked for it, from the
    /// next [`recv`](Self::recv) on. A peer that moves meanwhile is followed as without it
    /// ([`Migration`](crate::Migration)). Certificate, version, protocol, connection ids and the profile of SRTP stay.
    ///
    /// # Errors
    /// * [`Reason::Misuse`](crate::Reason::Misuse) at once where there can be none: in DTLS 1.3, with a peer without RFC 5746,
    ///   in the last of 65,535 epochs, and wherever the configuration does not allow it.
    /// * [`Error::is_renegotiation_refused`] when the peer does not want to.
    ///
    /// After these the connection goes on. Every other error is its end, also [`Error::is_timeout`]: when the handshake took
    /// longer than the [`handshake_timeout`](crate::TlsConnector::handshake_timeout).
    ///
    /// # Cancel safety
    /// Dropped, the handshake goes on in the socket's task.
    pub async fn renegotiate(&mut self) -> Result<(), Error> {
        self.owner.request_again()?;
        let owner: &Owner = &self.owner;
        let ended = poll_fn(|cx| owner.poll_again(cx)).await;
        self.refresh();
        ended
    }
}

impl DtlsReceiver {
    /// As [`DtlsConnection::renegotiate`].
    ///
    /// # Errors
    /// As [`DtlsConnection::renegotiate`].
    ///
    /// # Cancel safety
    /// Dropped, the handshake goes on in the socket's task.
    pub async fn renegotiate(&mut self) -> Result<(), Error> {
        self.connection.renegotiate().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanwhile() -> Meanwhile {
        Meanwhile {
            datagrams: VecDeque::new(),
            bytes: 0,
            discards: Discards::default(),
            ids: None,
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let from = Path {
            peer: ([127, 0, 0, 1], 4433).into(),
            local: None,
        };
        for (length, most) in [(0, 64), (1, 64), (1_024, 64), (1_025, 63), (65_000, 1)] {
            let (mut waiting, datagram) = (meanwhile(), vec![0; length]);
            let count = (0..200).filter(|_| waiting.add(from, &datagram)).count();
            assert_eq!(count, most, "{length}");
            // What is taken makes room.
            for _ in 0..100 {
                assert_eq!(waiting.next(), Some((from, datagram.clone())));
                assert!(waiting.add(from, &datagram));
                assert!(!waiting.add(from, &datagram));
            }
        }
    }
}
