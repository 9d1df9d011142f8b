//! Another handshake on a connection of before TLS 1.3, while it is read from and written to.
//!
//! RFC 5246 §7.4.1. Reading gives what is under the keys before; writing waits.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use portcullis_core::{ConnectionInformation, Handshake, Stage, Step, Writer};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep};

use crate::answers::AnswerFuture;
use crate::conduct::Conduct;
use crate::error::Error;
use crate::handshake::{ask, observe, within_bounds};
use crate::last_words::READ_AWAY;
use crate::read::{Manners, Receiving};
use crate::scratch::{RECORD, Scratch};
use crate::stream::{Parts, TlsStream};
use crate::wakers::{self, Both};

/// Data that comes before the peer changes its keys is kept up to this, until it is read.
const MAX_KEPT: usize = 1024 * 1024;

/// A handshake on a connection.
pub(crate) struct Renegotiating {
    /// Those of the connection.
    manners: Manners,
    conduct: Conduct,
    /// `None` until what was written before is out, unless it is held.
    handshake: Option<Handshake>,
    /// Whether nothing but this side's key wants it: then the connection goes on without.
    is_for_key: bool,
    /// Whether that is all there is to it so far, and what was written before does not get out: no time runs then.
    is_held: bool,
    /// A mutex that nobody locks: with it the stream is `Sync`.
    answering: Option<Mutex<AnswerFuture>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The tasks that wait for it: to read, and to write.
    waiting: [Option<Waker>; 2],
}

/// The direction that goes on with it. A transport remembers one waker, and there may be two tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Reading,
    Writing,
}

/// How far it has come.
pub(crate) enum Reached {
    /// Something to read.
    Data,
    /// More than is kept.
    Full,
    End,
    /// The connection is as it was.
    Declined,
    /// The same: this side cannot.
    Impossible(Error),
}

impl Reached {
    fn is_data(&self) -> bool {
        matches!(self, Self::Data)
    }
}

impl Renegotiating {
    /// The task that waits to read has to be woken, whoever begins.
    pub(crate) fn new(manners: Manners, conduct: Conduct, reading: Option<Waker>) -> Self {
        Self {
            manners,
            conduct,
            handshake: None,
            is_for_key: false,
            is_held: false,
            answering: None,
            timer: None,
            waiting: [reading, None],
        }
    }

    /// How long it may take.
    pub(crate) fn limit(&self) -> Duration {
        self.conduct.handshake_timeout
    }

    pub(crate) fn manners(&self) -> &Manners {
        &self.manners
    }

    pub(crate) fn manners_mut(&mut self) -> &mut Manners {
        &mut self.manners
    }

    /// Whether a handshake has the keys.
    pub(crate) fn has_begun(&self) -> bool {
        self.handshake.is_some()
    }

    /// Somebody wants it because the key is to be replaced, or for another reason as well.
    pub(crate) fn want(&mut self, is_for_key: bool) {
        self.is_for_key = is_for_key;
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.is_held {
            return Poll::Pending;
        }
        let limit = self.conduct.handshake_timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep(within_bounds(limit))));
        ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
        let stage = self.handshake.as_ref().map(Handshake::stage);
        Poll::Ready(Error::timeout(stage.unwrap_or(Stage::Start), limit))
    }

    /// Notes whether the peer takes nothing. Where only the key wants a handshake which has not been answered, that is
    /// no reason to end the connection.
    fn hold(&mut self, is_stalled: bool) {
        let stage = self.handshake.as_ref().map(Handshake::stage);
        let is_answered = !matches!(
            stage,
            None | Some(Stage::WaitServerHello | Stage::WaitClientHello | Stage::Connected)
        );
        self.is_held = is_stalled && self.is_for_key && !is_answered;
        if self.is_held {
            self.timer = None;
        }
    }

    /// Goes on without, if only the key wants it and the peer has not answered.
    fn forgo(&mut self) -> bool {
        let handshake = self.handshake.as_mut().filter(|_| self.is_for_key);
        handshake.is_some_and(Handshake::give_up_renegotiation)
    }

    /// Its last words, when it is given up.
    pub(crate) fn cancel(&mut self) -> Vec<u8> {
        let mut alert = Vec::new();
        if let Some(handshake) = &mut self.handshake {
            handshake.cancel();
            while let Ok(step) = handshake.poll() {
                match step {
                    Step::Transmit(bytes) => alert.extend(bytes),
                    Step::Wait { .. } | Step::Connected => break,
                    _ => {}
                }
            }
        }
        alert
    }

    /// The task that waits to write since before the handshake began.
    fn remember_writer(&mut self, blocked: Option<&Waker>) {
        let [_, writing] = &mut self.waiting;
        if writing.is_none() {
            *writing = blocked.cloned();
        }
    }

    /// What wakes this task, and the other one that waits.
    fn waker(&mut self, cx: &Context<'_>, task: Task) -> Waker {
        let [reading, writing] = &mut self.waiting;
        let (own, other) = match task {
            Task::Reading => (reading, writing),
            Task::Writing => (writing, reading),
        };
        *own = Some(cx.waker().clone());
        match other {
            Some(other) if !other.will_wake(cx.waker()) => {
                Waker::from(Arc::new(Both(other.clone(), cx.waker().clone())))
            }
            _ => cx.waker().clone(),
        }
    }
}

impl std::fmt::Debug for Renegotiating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renegotiating")
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Asks for another handshake on this connection, before TLS 1.3 (RFC 5246 §7.4.1), and waits for
    /// its end. Either side gets new keys. [`information`](Self::information) is that of the new handshake
    /// from then on. The configuration is the one that the connection began with, and it has to
    /// [allow it](crate::config::Renegotiation).
    ///
    /// A server asks for a client's certificate in each handshake or in none, as its
    /// [`client_authentication`](crate::config::ServerConfigBuilder::client_authentication) says. With
    /// [`Optional`](crate::ClientAuthentication::Optional) a client that showed none at first may show one
    /// now, if its [answers](crate::Answers::choose_identity) choose so; look at
    /// [`peer_certificates`](Self::peer_certificates) afterwards.
    ///
    /// What was written before goes out before. Data that the peer sends before it changes its keys is kept
    /// for the next read, up to 1 MiB: it is older than what [`information`](Self::information) says of the
    /// peer then. A handshake that the peer has asked for needs no call: reads and writes answer it, and
    /// writes wait until it is over.
    ///
    /// # Errors
    /// * [`Reason::Misuse`](crate::Reason::Misuse) at once where there can be none: in TLS 1.3, over
    ///   HTTP/2, with a peer without RFC 5746, and wherever the configuration does not allow it.
    /// * [`Error::is_renegotiation_refused`] when the peer does not want to.
    /// * When the peer has more to say meanwhile than 1 MiB: read it. The handshake goes on meanwhile.
    ///
    /// After these the connection goes on. Every other error is its end, also
    /// [`Error::is_timeout`]: when the handshake took longer than the
    /// [`handshake_timeout`](crate::TlsConnector::handshake_timeout), which it does with a peer that
    /// does not answer.
    ///
    /// # Cancel safety
    /// Dropped, the handshake goes on in reads and writes.
    pub async fn renegotiate(&mut self) -> Result<(), Error> {
        let parts = self.parts_mut();
        parts.request()?;
        std::future::poll_fn(|cx| parts.poll_renegotiated(cx)).await
    }
}

/// Both directions of a connection, in one hand or in two.
pub(crate) trait Ends {
    fn read(&mut self) -> &mut Receiving;

    /// What is written goes out.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Begins the handshake, once the writer is there.
    ///
    /// # Errors
    /// When it cannot be. Then both halves are as they were.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Handshake, Error>>;

    /// What the handshake says goes out, too.
    fn say(&mut self, bytes: &[u8]);

    /// The handshake is over: writing goes on with this.
    fn go_on(&mut self, connection: (Writer, Vec<u8>), information: Arc<ConnectionInformation>);

    /// There is no handshake: writing goes on as before.
    fn give_up(&mut self);

    /// Whether it takes another task to begin, which may never come.
    fn waits_for_another(&self) -> bool;

    /// The handshake has failed, and its alert was said: so does writing.
    fn break_off(&mut self, error: Error, cx: &mut Context<'_>);

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// The task that waits to write.
    fn blocked(&self) -> Option<&Waker>;

    fn poll_renegotiated(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match ready!(self.poll_renegotiate(cx, Task::Reading, false))? {
                Reached::Data => {}
                Reached::End => return Poll::Ready(Ok(())),
                Reached::Declined => return Poll::Ready(Err(Error::declined())),
                Reached::Impossible(error) => return Poll::Ready(Err(error)),
                Reached::Full => {
                    return Poll::Ready(Err(Error::limit(
                        "renegotiate: the peer has sent more than 1 MiB before the handshake is over: read it; it \
                         goes on meanwhile",
                    )));
                }
            }
        }
    }

    /// Because somebody reads or writes. That task is polled again when there is something new.
    #[cold]
    fn renegotiate_on(&mut self, cx: &mut Context<'_>, task: Task) {
        if self.poll_renegotiate(cx, task, true).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Goes on until it is over, or there is `data`, if that is waited for.
    fn poll_renegotiate(
        &mut self,
        cx: &mut Context<'_>,
        task: Task,
        data: bool,
    ) -> Poll<Result<Reached, Error>> {
        let Some(mut renegotiating) = self.read().take_renegotiating() else {
            return Poll::Ready(match self.read().failure() {
                Some(error) => Err(error.clone()),
                None => Ok(Reached::End),
            });
        };
        renegotiating.remember_writer(self.blocked());
        let waker = renegotiating.waker(cx, task);
        let both = &mut Context::from_waker(&waker);
        let error = match self.poll_run(&mut renegotiating, both, data) {
            Poll::Ready(Ok(
                reached @ (Reached::End | Reached::Declined | Reached::Impossible(_)),
            )) => {
                waker.wake();
                return Poll::Ready(Ok(reached));
            }
            Poll::Ready(Ok(reached @ (Reached::Data | Reached::Full)))
                if !data || reached.is_data() =>
            {
                self.read().put_renegotiating(renegotiating);
                // What there is to read may be for the other task.
                if task == Task::Writing {
                    waker.wake();
                }
                return Poll::Ready(Ok(reached));
            }
            Poll::Ready(Err(error)) => error,
            // Also where nothing more is read before what is there is taken.
            Poll::Pending | Poll::Ready(Ok(_)) => match renegotiating.poll_late(both) {
                Poll::Pending => {
                    self.read().put_renegotiating(renegotiating);
                    return Poll::Pending;
                }
                // Nothing has been said, so nothing is lost.
                Poll::Ready(error) if !renegotiating.has_begun() && self.waits_for_another() => {
                    // The writer is woken for it when it is given up.
                    self.read().hand_over().0.decline_request();
                    self.give_up();
                    waker.wake();
                    return Poll::Ready(Ok(Reached::Impossible(error)));
                }
                // Not answered: it goes on as if it had been declined.
                Poll::Ready(_) if renegotiating.forgo() => {
                    self.read().note_unanswered();
                    self.read().put_renegotiating(renegotiating);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(error) => {
                    self.tell_end(&mut renegotiating, both);
                    error
                }
            },
        };
        self.read().fail(error.clone());
        self.break_off(error.clone(), both);
        waker.wake();
        Poll::Ready(Err(error))
    }

    fn poll_run(
        &mut self,
        renegotiating: &mut Renegotiating,
        cx: &mut Context<'_>,
        data: bool,
    ) -> Poll<Result<Reached, Error>> {
        let had = self.read().plain().len();
        loop {
            // What was written before goes before, and an alert before its error.
            let flushed = self.poll_flush(cx);
            renegotiating.hold(flushed.is_pending());
            match flushed {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let said = self.said(renegotiating, cx);
                    return Poll::Ready(Err(said.unwrap_or(error)));
                }
                // The peer may take nothing before it is read from. What is said goes behind what was written, and
                // until there is an answer that is one message: a peer cannot have it done again.
                Poll::Pending if renegotiating.is_held => {}
                Poll::Pending => return Poll::Pending,
            }
            let Some(handshake) = &mut renegotiating.handshake else {
                let (reader, _) = self.read().hand_over();
                let is_request = reader.take_request(UnixTime::now()).is_some();
                match ready!(self.poll_begin(cx)) {
                    Ok(mut handshake) => {
                        let (_, sealed) = self.read().hand_over();
                        handshake.receive(sealed.as_slice(), UnixTime::now());
                        sealed.consume(sealed.len());
                        renegotiating.handshake = Some(handshake);
                        continue;
                    }
                    // This side has closed in the meantime.
                    Err(_) if is_request => {
                        self.read().hand_over().0.decline_request();
                        self.give_up();
                        return Poll::Ready(Ok(Reached::Declined));
                    }
                    Err(error) => {
                        self.give_up();
                        return Poll::Ready(Ok(Reached::Impossible(error)));
                    }
                }
            };
            if let Some(answering) = &mut renegotiating.answering {
                let answering = answering.get_mut().unwrap_or_else(PoisonError::into_inner);
                let answer = ready!(answering.as_mut().poll(cx));
                renegotiating.answering = None;
                if let Err(misuse) = handshake.answer(answer, UnixTime::now()) {
                    // Its own answer will not come, and the peer waits.
                    self.tell_end(renegotiating, cx);
                    return Poll::Ready(Err(misuse.into()));
                }
            }
            match handshake.poll()? {
                Step::Transmit(bytes) => self.say(&bytes),
                Step::Event(event) => observe(&event, &renegotiating.conduct),
                Step::Data(data) => self.read().add_plain(&data),
                Step::Ask(question) => match ask(&renegotiating.conduct, question) {
                    Ok(answer) => handshake.answer(answer, UnixTime::now())?,
                    Err(answering) => renegotiating.answering = Some(Mutex::new(answering)),
                },
                Step::Connected => {
                    let was_declined = handshake.was_declined();
                    let connection = handshake.take_connection()?;
                    self.read().go_on(connection.reader, connection.unread);
                    let writer = (connection.writer, connection.transmit);
                    self.go_on(writer, connection.information);
                    return Poll::Ready(Ok(match was_declined {
                        true => Reached::Declined,
                        false => Reached::End,
                    }));
                }
                Step::Wait { .. } => {
                    let kept = self.read().plain().len();
                    if data && kept > had {
                        return Poll::Ready(Ok(Reached::Data));
                    }
                    if kept > MAX_KEPT {
                        return Poll::Ready(Ok(Reached::Full));
                    }
                    ready!(self.poll_receive(handshake, cx))?;
                }
                _ => {}
            }
        }
    }

    /// Gives up, and says so as far as it goes out at once.
    fn tell_end(&mut self, renegotiating: &mut Renegotiating, cx: &mut Context<'_>) {
        let alert = renegotiating.cancel();
        self.say(&alert);
        let _ = self.poll_flush(cx);
    }

    /// The transport takes no more: if the peer's alert has come before that, it is the reason.
    #[cold]
    fn said(&mut self, renegotiating: &mut Renegotiating, cx: &mut Context<'_>) -> Option<Error> {
        let handshake = renegotiating.handshake.as_mut()?;
        let limit = self.read().received().bytes() + READ_AWAY as u64;
        while self.read().received().bytes() < limit {
            match handshake.poll() {
                Ok(Step::Wait { .. }) => match self.poll_receive(handshake, cx) {
                    Poll::Ready(Ok(())) => {}
                    _ => return None,
                },
                Ok(Step::Transmit(_) | Step::Event(_)) => {}
                Ok(_) => return None,
                Err(error) => return Some(Error::from(error)).filter(Error::is_received_alert),
            }
        }
        None
    }

    fn poll_receive(
        &mut self,
        handshake: &mut Handshake,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut scratch = Scratch::take();
        let mut buf = ReadBuf::new(scratch.get_mut(..RECORD).unwrap_or_default());
        if let Err(error) = ready!(self.poll_read(cx, &mut buf)) {
            return Poll::Ready(Err(Error::io(error, handshake.stage())));
        }
        match buf.filled() {
            [] => handshake.receive_eof(),
            bytes => {
                self.read().count_received(bytes.len());
                handshake.receive(bytes, UnixTime::now());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Ends for Parts<IO> {
    fn read(&mut self) -> &mut Receiving {
        &mut self.read
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write.poll_flush(&mut self.io, cx)
    }

    fn poll_begin(&mut self, _: &mut Context<'_>) -> Poll<Result<Handshake, Error>> {
        let (reader, _) = self.read.hand_over();
        let begun = Handshake::renegotiate(reader, self.write.hand_over(), UnixTime::now());
        Poll::Ready(begun.map_err(Into::into))
    }

    fn say(&mut self, bytes: &[u8]) {
        self.write.say(bytes);
    }

    fn go_on(&mut self, connection: (Writer, Vec<u8>), information: Arc<ConnectionInformation>) {
        self.write.go_on(Some(connection));
        self.information = information;
    }

    fn give_up(&mut self) {
        self.write.go_on(None);
    }

    fn waits_for_another(&self) -> bool {
        false
    }

    fn break_off(&mut self, error: Error, cx: &mut Context<'_>) {
        if error.transport().is_none() {
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
        }
        self.write.fail(error);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }

    fn blocked(&self) -> Option<&Waker> {
        self.write.blocked()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Parts<IO> {
    fn request(&mut self) -> Result<(), Error> {
        if let Some(error) = self.write.broken() {
            return Err(error.clone());
        }
        if self.write.is_closing() {
            return Err(Error::closed());
        }
        if self.read.request() {
            return Ok(());
        }
        // It says why, and has changed nothing.
        let (reader, _) = self.read.hand_over();
        match Handshake::renegotiate(reader, self.write.writer_mut(), UnixTime::now()) {
            Err(error) => Err(error.into()),
            Ok(_) => Err(Error::closed()),
        }
    }
}

impl<IO> Parts<IO> {
    /// A write waits: whether that is for another handshake, as the key is to be replaced before it is worn out.
    pub(crate) fn renews_key(&mut self) -> bool {
        self.write.wishes_to_renegotiate() && self.read.request_for_key()
    }

    /// A peer that was waited for no longer may answer yet, and then it waits for this side. Where nobody reads, whoever writes
    /// looks for that, and keeps the data that comes before it.
    #[cold]
    pub(crate) fn look_for_answer(&mut self, cx: &mut Context<'_>)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // A transport remembers one waker for reading; a task that waits there sees the answer itself.
        let reader = self.write.reader;
        if reader != wakers::Task::NONE && reader != wakers::Task::of(cx.waker()) {
            return;
        }
        while self.read.is_unanswered() && self.read.plain().len() < MAX_KEPT {
            let have = self.read.plain().len();
            let filled = self.read.poll_fill(&mut self.io, cx, have);
            if !matches!(filled, Poll::Ready(Ok(()))) || self.read.plain().len() == have {
                break;
            }
        }
        if self.read.is_renegotiating() {
            self.renegotiate_on(cx, Task::Writing);
        }
    }

    /// The stream is dropped: the peer is told so as far as it takes that at once.
    #[cold]
    pub(crate) fn give_up_renegotiation(&mut self) {
        if let Some(mut renegotiating) = self.read.take_renegotiating()
            && !std::thread::panicking()
        {
            let alert = renegotiating.cancel();
            self.write.say(&alert);
        }
    }
}
