//! A handshake from its start to its stream or its failure, poll by poll: the answers to its
//! questions, its limits in time, and what becomes of its transport.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use portcullis_core::question::{Answer, Question};
use portcullis_core::{Handshake, Stage};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::running::Running;
use super::{Reached, Until, span};
use crate::answers::AnswerFuture;
use crate::authentication::Authentication;
use crate::conduct::Conduct;
use crate::environment::Member;
use crate::error::{Error, HandshakeError};
use crate::hibernation::Hibernation;
use crate::metrics::{self, Meter};
use crate::preparation;
use crate::read::Receiving;
use crate::sessions::Place;
use crate::stream::{Parts, TlsStream};
use crate::write::Sending;

/// A handshake and the transport it runs over.
///
/// It is boxed wherever it stands: a future that holds it stays small, and so does the task that
/// holds the connection afterwards, which is as large as the largest thing it ever held.
///
/// Dropped before the end, it tells the peer `user_canceled` if that can be done at once.
pub struct Driver<IO: AsyncRead + AsyncWrite + Unpin> {
    /// `None` when the handshake is over, and the transport is with its stream or with whoever called.
    pub(super) io: Option<IO>,
    pub(super) running: Running,
    phase: Phase,
    /// When the phase has to be over. One timer for all: a later limit only moves it.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the handshake has to be over.
    deadline: Option<Instant>,
    pub(super) conduct: Conduct,
    span: tracing::Span,
    meter: Meter,
    /// Client: where sessions go.
    place: Option<Place>,
    /// Whether sessions from there are in the hello.
    offers: bool,
    /// In an environment.
    member: Option<Member>,
}

/// What a handshake is doing.
enum Phase {
    Running,
    /// What was said before is flushed before somebody thinks about it.
    Asked(Box<dyn Asks>),
    /// A mutex that nobody locks: with it a handshake that is paused is `Sync`.
    Answering(Mutex<AnswerFuture>),
    /// The peer gets its alert and sees the end.
    Failing(Error),
}

/// A question, behind a pointer: hardly any handshake has one, and wherever a handshake may be dropped there would be the
/// code that drops all kinds of them.
trait Asks: Send + Sync {
    fn ask(self: Box<Self>, conduct: &Conduct) -> Result<Answer, AnswerFuture>;
}

impl Asks for Question {
    fn ask(self: Box<Self>, conduct: &Conduct) -> Result<Answer, AnswerFuture> {
        ask(conduct, *self)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> std::fmt::Debug for Driver<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    /// `first_byte_by` is a server's: when the client has to have said something.
    pub(crate) fn new(
        first_byte_by: Option<Instant>,
        io: IO,
        handshake: Handshake,
        prefix: &[u8],
        conduct: Conduct,
        span: tracing::Span,
    ) -> Box<Self> {
        let member = conduct.life.as_ref().map(Member::of);
        let meter = Meter::begin(first_byte_by.is_some());
        // Allocated first, so that all is made where it stands.
        Box::write(
            Box::new_uninit(),
            Self {
                io: Some(io),
                running: Running::new(handshake, prefix, first_byte_by),
                phase: Phase::Running,
                timer: None,
                deadline: None,
                conduct,
                span,
                meter,
                place: None,
                offers: false,
                member,
            },
        )
    }

    /// Keeps sessions in `place`; with `offers` the hello has some that came from there.
    pub(crate) fn keep_sessions(&mut self, place: Option<Place>, offers: bool) {
        self.place = place;
        self.offers = offers;
    }

    /// When it has to be over, if its time began before it is polled first.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(crate) fn span(&self) -> &tracing::Span {
        &self.span
    }

    pub(super) fn stage(&self) -> Stage {
        match self.io {
            Some(_) => self.running.handshake.stage(),
            None => Stage::Closed,
        }
    }

    /// Runs that far, within the limits of the handshake, or to the end of its failure: then the
    /// peer has its alert and has seen the end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        until: Until,
    ) -> Poll<Result<Reached, Error>> {
        if !matches!(self.phase, Phase::Failing(_)) {
            let limit = self.conduct.handshake_timeout;
            self.deadline.get_or_insert_with(|| super::deadline(limit));
            let error = match self.poll_run(cx, until) {
                // The client has not said its last word.
                Poll::Ready(Ok(Reached::EarlyData)) => return Poll::Ready(Ok(Reached::EarlyData)),
                Poll::Ready(Ok(reached)) => {
                    // While a handshake is paused no time runs.
                    self.timer = None;
                    self.deadline = None;
                    return Poll::Ready(Ok(reached));
                }
                Poll::Ready(Err(error)) => error,
                Poll::Pending => return self.poll_timed_out(cx).map(Err),
            };
            self.fail(error);
        }
        self.poll_farewell(cx).map(Err)
    }

    /// Waits for the end of its time, and gives up.
    pub(super) fn poll_timed_out(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let limit = self.conduct.handshake_timeout;
        let deadline = *self.deadline.get_or_insert_with(|| super::deadline(limit));
        let error = ready!(self.poll_late(cx, deadline));
        self.time_out(&error);
        Poll::Ready(error)
    }

    /// Runs that far. Questions on the way are answered; answers that come from a store have as
    /// much time as a store.
    fn poll_run(&mut self, cx: &mut Context<'_>, until: Until) -> Poll<Result<Reached, Error>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(Error::closed()));
        };
        let running = &mut self.running;
        loop {
            let answer = match &mut self.phase {
                Phase::Running => match ready!(running.poll_run(io, cx, &self.conduct, until))? {
                    Reached::Question(question) if !until.is_at(&question) => {
                        self.phase = Phase::Asked(Box::new(question));
                        continue;
                    }
                    reached => return Poll::Ready(Ok(reached)),
                },
                Phase::Asked(_) => {
                    ready!(running.poll_flush(io, cx))?;
                    let asked = std::mem::replace(&mut self.phase, Phase::Running);
                    let Phase::Asked(question) = asked else {
                        continue;
                    };
                    match question.ask(&self.conduct) {
                        Ok(answer) => answer,
                        Err(answering) => {
                            self.phase = Phase::Answering(Mutex::new(answering));
                            continue;
                        }
                    }
                }
                Phase::Answering(answering) => {
                    let answering = answering.get_mut().unwrap_or_else(PoisonError::into_inner);
                    let answer = ready!(answering.as_mut().poll(cx));
                    self.phase = Phase::Running;
                    answer
                }
                Phase::Failing(error) => return Poll::Ready(Err(error.clone())),
            };
            let answer = self.conduct.instruct(answer);
            let given = answer.and_then(|answer| running.handshake.answer(answer, UnixTime::now()));
            if let Err(misuse) = given {
                // Its own answer will not come, and the peer waits.
                running.cancel();
                return Poll::Ready(Err(misuse.into()));
            }
        }
    }

    /// Waits for the first limit that passes: that of the client's first byte, or that of the
    /// handshake.
    fn poll_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Error> {
        let first_byte_by = self.running.first_byte_by();
        let silence = first_byte_by.filter(|first| *first < deadline);
        ready!(self.poll_timer(cx, silence.unwrap_or(deadline)));
        Poll::Ready(match silence {
            Some(_) => Error::silence(self.conduct.first_byte_timeout),
            None => Error::timeout(self.stage(), self.conduct.handshake_timeout),
        })
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        // Work that uses up the task's budget each time must end all the same.
        pin!(unconstrained(timer.as_mut())).poll(cx)
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        let running = &mut self.running;
        let answer = self.conduct.instruct(answer);
        let given = answer.and_then(|answer| running.handshake.answer(answer, UnixTime::now()));
        if let Err(misuse) = given {
            running.cancel();
            self.fail(misuse.into());
        }
    }

    /// Makes a stream of a finished handshake.
    pub(super) fn finish(&mut self) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        let Some(io) = self.io.take() else {
            return Err(HandshakeError::new(Error::closed(), None, Vec::new()));
        };
        let running = &mut self.running;
        // Where the handshake stands: what is moved leaves copies of secrets behind.
        match running.handshake.take_connection() {
            Ok(mut connection) => {
                let mut rest = running.out.split_off(running.written);
                rest.append(&mut connection.transmit);
                span::record(&self.span, &connection.information, self.conduct.log);
                if let Some(place) = &self.place {
                    place.note_share(&connection.information);
                }
                let open = self.meter.connected(&connection.information);
                let mut read = Receiving::new(
                    connection.reader,
                    connection.unread,
                    running.received,
                    self.place.take(),
                    self.conduct.alert_timeout,
                    self.conduct.log,
                );
                read.set_reads_per_turn(self.conduct.reads_per_turn);
                read.keep_conduct(&self.conduct);
                let authentication = connection.authentication.take();
                read.keep_authentication(
                    authentication.map(|core| Authentication::new(core, &self.conduct)),
                );
                read.join(self.member.take());
                let information = &connection.information;
                if !information.is_server() {
                    read.keep_early_data_status(information.early_data());
                }
                Ok(TlsStream::from_parts(Parts {
                    io,
                    read,
                    write: Sending::new(
                        connection.writer,
                        rest,
                        running.unflushed,
                        running.sent,
                        self.conduct.send_limits,
                        open,
                    ),
                    information: connection.information,
                    hibernation: Hibernation::new(self.conduct.hibernate_after),
                }))
            }
            Err(error) => Err(HandshakeError::new(error.into(), Some(io), Vec::new())),
        }
    }

    /// The handshake has failed or is given up.
    pub(super) fn fail(&mut self, error: Error) {
        span::report(&self.span, &error, &self.conduct);
        self.meter.failed(&error);
        self.blame_sessions(&error);
        self.deadline = None;
        self.phase = Phase::Failing(error);
    }

    /// Sees to it that the peer gets its alert and sees the end. An alert that cannot be
    /// delivered changes nothing in what is reported.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let (Phase::Failing(error), Some(io)) = (&self.phase, &mut self.io) else {
            return Poll::Ready(Error::closed());
        };
        let error = error.clone();
        let keep_quiet = self.conduct.plaintext_fallback && error.is_not_tls();
        if !keep_quiet
            && error.transport().is_none()
            && self
                .running
                .poll_farewell(io, cx, error.is_refusal())
                .is_pending()
        {
            let limit = self.conduct.alert_timeout;
            let deadline = *self.deadline.get_or_insert_with(|| super::deadline(limit));
            ready!(self.poll_timer(cx, deadline));
        }
        Poll::Ready(error)
    }

    fn blame_sessions(&mut self, error: &Error) {
        preparation::blame(self.place.take().filter(|_| self.offers), error);
    }

    /// Gives up: the peer is sent the fatal alert `user_canceled`.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub(super) async fn cancel(mut self: Box<Self>) -> Option<IO> {
        let error = self.running.cancel();
        self.fail(error);
        poll_fn(|cx| self.poll_farewell(cx)).await;
        self.io.take()
    }

    /// Gives up because time has run out. Whatever can be said at once is said.
    fn time_out(&mut self, error: &Error) {
        span::report(&self.span, error, &self.conduct);
        self.meter.failed(error);
        self.blame_sessions(error);
        // A client that says nothing may not speak TLS either.
        let keep_quiet = self.conduct.plaintext_fallback && error.is_silent_peer();
        if let Some(io) = &mut self.io
            && !keep_quiet
        {
            self.running.cancel_at_once(io);
        }
    }

    /// The transport of a handshake that failed with this error.
    pub(super) fn give_back(&mut self, error: Error) -> HandshakeError<IO> {
        let unread = self.running.handshake.take_unread();
        HandshakeError::new(error, self.io.take(), unread)
    }
}

/// The answer, or the future that makes it.
pub(crate) fn ask(conduct: &Conduct, question: Question) -> Result<Answer, AnswerFuture> {
    let late = question.late_answer();
    let operation = match &question {
        Question::OpenTickets(_) => Some("claim"),
        Question::FindSession(_) => Some("get"),
        Question::IssueTickets(_) => Some("put"),
        _ => None,
    };
    match (conduct.answer(question), late) {
        (Err(answering), Some(late)) => {
            let limit = conduct.store_timeout();
            Err(Box::pin(async move {
                timeout(limit, answering).await.unwrap_or_else(|_| {
                    if let Some(operation) = operation {
                        metrics::store(operation, "late");
                    }
                    late
                })
            }))
        }
        (answer, _) => answer,
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Drop for Driver<IO> {
    fn drop(&mut self) {
        if let Some(io) = &mut self.io {
            self.running.cancel_at_once(io);
        }
    }
}
