//! A handshake in the task that waits for it: datagrams, answers and deadlines, whichever is first.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::question::{Answer, Question};
use portcullis_core::{ConnectionInformation, Handshake, Stage, Step};
use tokio::task::coop::{poll_proceed, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use super::association::Owner;
use super::connection::DtlsConnection;
use super::doubt::Doubt;
use super::endpoint::Endpoint;
use super::hello;
use super::link::NOWHERE;
use super::renegotiation::Renegotiation;
use super::transport::is_too_long;
use crate::answers::AnswerFuture;
use crate::authentication::Authentication;
use crate::conduct::Conduct;
use crate::error::Error;
use crate::handshake::{Until, ask, observe, span};
use crate::metrics::{self, Meter};
use crate::preparation;
use crate::sessions::{Place, Received};

/// A handshake under way. Dropped, it tells the peer `user_canceled`, if that can be done at once.
pub(super) struct Running {
    /// `None` once it is over.
    handshake: Option<Box<Handshake>>,
    owner: Option<Owner>,
    conduct: Conduct,
    /// When it has to be over.
    deadline: Instant,
    /// Client: where sessions go, and whether some from there are in the hello.
    sessions: Option<(Place, bool)>,
    meter: Meter,
    /// Who has been asked, and has not answered yet.
    answering: Option<AnswerFuture>,
    /// Whether somebody receives early data, and one message of it.
    takes_early_data: bool,
    early_message: Option<Bytes>,
    /// A client's early data could not be sent. Nothing sends it again.
    has_lost_early_data: bool,
    /// At a client's own socket: whether anybody is there.
    doubt: Option<Doubt>,
    /// Until when something has to have come from there, if there is somewhere else to go.
    patience: Option<Instant>,
}

/// What it waits for.
enum Woken {
    Datagram(Vec<u8>),
    /// The network says that nobody is there.
    Refused,
    Answer(Answer),
    /// Something is to be sent again.
    Due,
    Late,
}

impl Running {
    pub(super) fn new(
        handshake: Handshake,
        owner: Owner,
        conduct: Conduct,
        deadline: Instant,
        sessions: Option<(Place, bool)>,
        is_server: bool,
    ) -> Self {
        owner.begin();
        let is_clients = owner.endpoint.is_clients;
        Self {
            handshake: Some(Box::new(handshake)),
            owner: Some(owner),
            conduct,
            deadline,
            sessions,
            meter: Meter::begin(is_server),
            answering: None,
            takes_early_data: false,
            early_message: None,
            has_lost_early_data: false,
            doubt: is_clients.then(|| Doubt::new(Instant::now())),
            patience: None,
        }
    }

    /// There are other addresses: it is [over](is_nobody_there) if nothing at all has come by then.
    pub(super) fn be_answered_by(&mut self, patience: Option<Instant>) {
        self.patience = patience;
    }

    /// Somebody receives early data: it stands still at each message.
    pub(super) fn take_early_data(&mut self) {
        self.takes_early_data = true;
    }

    /// The message that it stands at.
    pub(super) fn early_message(&mut self) -> Option<Bytes> {
        self.early_message.take()
    }

    /// Runs it to its end, within its time.
    pub(super) async fn run(self, span: &tracing::Span) -> Result<DtlsConnection, Error> {
        let (connection, _) = self.run_with_early_data(span).await?;
        Ok(connection)
    }

    /// The same; says, too, whether there was early data that could not be sent.
    pub(super) async fn run_with_early_data(
        mut self,
        span: &tracing::Span,
    ) -> Result<(DtlsConnection, bool), Error> {
        match self.reach(Until::End, span).await? {
            None => {
                let is_lost = self.has_lost_early_data;
                Ok((self.finish(span)?, is_lost))
            }
            Some(_) => Err(Error::limit("the handshake has paused")),
        }
    }

    /// Runs it that far, within its time; gives the question that it stands at, if that is not its end.
    pub(super) async fn reach(
        &mut self,
        until: Until,
        span: &tracing::Span,
    ) -> Result<Option<Question>, Error> {
        let reached = self.shake(until).await;
        if let Err(error) = &reached {
            self.meter.failed(error);
            span::report(span, error, &self.conduct);
            let place = self.sessions.take();
            let place = place.filter(|(_, offers)| *offers).map(|(place, _)| place);
            // A server that is not there has not seen them.
            let goes_on = self.patience.is_some() && is_nobody_there(error);
            preparation::blame(place.filter(|_| !goes_on), error);
        }
        reached
    }

    /// Answers the question that it has paused at. Its time begins anew.
    pub(super) fn resume(&mut self, answer: Answer) -> Result<(), Error> {
        let (Some(handshake), Some(owner)) = (&mut self.handshake, &self.owner) else {
            return Err(Error::closed());
        };
        self.deadline = deadline_from(Instant::now(), self.conduct.handshake_timeout);
        handshake.handle_timeout(owner.endpoint.now());
        give(handshake, &self.conduct, answer, &owner.endpoint)
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        let path = self.owner.as_ref()?.path();
        (path != NOWHERE).then_some(path.peer)
    }

    async fn shake(&mut self, until: Until) -> Result<Option<Question>, Error> {
        let (Some(handshake), Some(owner)) = (&mut self.handshake, &self.owner) else {
            return Err(Error::closed());
        };
        let endpoint = &owner.endpoint;
        let (answering, doubt) = (&mut self.answering, &mut self.doubt);
        let mut sleep = pin!(sleep_until(self.deadline));
        loop {
            let is_heard = doubt.as_ref().is_none_or(Doubt::is_heard);
            let patience = self.patience.filter(|_| !is_heard);
            let due = match handshake.poll().map_err(Error::from)? {
                Step::Transmit(datagram) => {
                    // What the system does not take is lost, and sent again in its time, but for early data.
                    let is_sent = transmit(handshake, owner, &datagram, self.deadline).await?;
                    if !is_sent && hello::is_early_data(&datagram) {
                        self.has_lost_early_data = true;
                    }
                    continue;
                }
                Step::Event(event) => {
                    observe(&event, &self.conduct);
                    continue;
                }
                Step::Ask(question) if until.is_at(&question) => return Ok(Some(question)),
                Step::Ask(question) => {
                    match ask(&self.conduct, question) {
                        Ok(answer) => give(handshake, &self.conduct, answer, endpoint)?,
                        Err(future) => *answering = Some(future),
                    }
                    continue;
                }
                Step::Connected => return Ok(None),
                Step::Wait { .. } if until.is_at_stage(handshake.stage()) => return Ok(None),
                Step::Wait { deadline } => deadline.map(|due| endpoint.instant(due)),
                Step::EarlyData(message) if self.takes_early_data => {
                    self.early_message = Some(message.into());
                    return Ok(None);
                }
                // It is the first.
                _ => continue,
            };
            let due = due.filter(|due| *due < self.deadline);
            let due = due.into_iter().chain(patience).min();
            let (deadline, waiting) = (self.deadline, &mut *answering);
            let mut refusal = pin!(endpoint.link.refusal());
            let woken = poll_fn(|cx| {
                wait(
                    cx,
                    |cx| match owner.poll_datagram(cx) {
                        Poll::Ready(datagram) => Poll::Ready(datagram.map(Woken::Datagram)),
                        Poll::Pending if endpoint.link.take_refusal() => {
                            Poll::Ready(Ok(Woken::Refused))
                        }
                        // It ends nothing any more.
                        Poll::Pending if is_heard => Poll::Pending,
                        Poll::Pending => refusal.as_mut().poll(cx).map(|()| Ok(Woken::Refused)),
                    },
                    waiting,
                    sleep.as_mut(),
                    due,
                    deadline,
                )
            });
            match woken.await? {
                Woken::Datagram(datagram) => {
                    if let Some(doubt) = doubt {
                        doubt.heard();
                    }
                    handshake.receive(&datagram, endpoint.now());
                }
                Woken::Refused => {
                    if doubt
                        .as_mut()
                        .is_some_and(|doubt| doubt.told(Instant::now()))
                    {
                        return Err(Error::io(nobody_listens(), Stage::Connecting));
                    }
                }
                Woken::Due if patience.is_some_and(|until| until <= Instant::now()) => {
                    return Err(Error::io(nobody_answers(), Stage::Connecting));
                }
                Woken::Due => {
                    if let Some(doubt) = doubt {
                        doubt.says_again();
                    }
                    handshake.handle_timeout(endpoint.now());
                }
                Woken::Answer(answer) => {
                    *answering = None;
                    // An answer takes time, and a flight that it ends begins now.
                    handshake.handle_timeout(endpoint.now());
                    give(handshake, &self.conduct, answer, endpoint)?;
                }
                Woken::Late => {
                    let limit = self.conduct.handshake_timeout;
                    return Err(Error::timeout(handshake.stage(), limit));
                }
            }
        }
    }

    /// Sends a message as soon as the flight is out; gives whether the system has taken it. Not if it may not be sent yet.
    pub(super) async fn send_early(
        &mut self,
        message: &[u8],
        span: &tracing::Span,
    ) -> Result<bool, Error> {
        // Early data is there when the flight is out.
        if self.early_message.is_none() {
            self.reach(Until::FlightSent, span).await?;
        }
        let (Some(handshake), Some(owner)) = (&mut self.handshake, &self.owner) else {
            return Err(Error::closed());
        };
        if handshake.send(message) == 0 {
            return Ok(false);
        }
        let mut is_sent = false;
        // It is the last. What is refused as too long may bring the flight behind it, which is said again when somebody goes on.
        let datagrams: Vec<_> = std::iter::from_fn(|| handshake.take_transmit()).collect();
        for datagram in datagrams {
            is_sent = transmit(handshake, owner, &datagram, self.deadline).await?;
        }
        Ok(is_sent)
    }

    /// Whether something has shown that the peer reads at its address.
    pub(super) fn is_proved(&self) -> bool {
        let handshake = self.handshake.as_ref();
        handshake.is_none_or(|handshake| !handshake.is_unproved())
    }

    pub(super) fn finish(mut self, span: &tracing::Span) -> Result<DtlsConnection, Error> {
        let (Some(mut handshake), Some(owner)) = (self.handshake.take(), self.owner.take()) else {
            return Err(Error::closed());
        };
        metrics::discards(&handshake.discards());
        let mut connection = handshake.take_datagram_connection()?;
        let information: Arc<ConnectionInformation> = connection.information;
        let open = self.meter.connected(&information);
        span::record(span, &information, self.conduct.log);
        let authentication = connection
            .authentication
            .map(|core| Authentication::new(core, &self.conduct));
        let place = self.sessions.take();
        let sessions = place.map(|(place, _)| Box::new(Received::stored(place)));
        Renegotiation::prepare(&owner, &mut connection.reader, &self.conduct);
        owner.connected(
            connection.reader,
            connection.writer,
            connection.unread,
            (sessions, authentication),
        );
        Ok(DtlsConnection::new(owner, information, open))
    }

    /// Says at once what can be said, and that is all.
    fn say_the_rest(&mut self) {
        let (Some(handshake), Some(owner)) = (&mut self.handshake, &self.owner) else {
            return;
        };
        metrics::discards(&handshake.discards());
        if matches!(handshake.stage(), Stage::Closed) || std::thread::panicking() {
            return;
        }
        handshake.cancel();
        loop {
            match handshake.poll() {
                Ok(Step::Transmit(datagram)) => {
                    if owner.about_to_send(&datagram).is_err() {
                        return;
                    }
                    owner.count_sent(datagram.len());
                    let _full = owner.endpoint.link.try_send(&owner.path(), &datagram, None);
                }
                Ok(Step::Event(_) | Step::Ask(_)) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.say_the_rest();
    }
}

/// Sends a datagram, until the handshake has to be over; gives whether the system has taken it.
async fn transmit(
    handshake: &mut Handshake,
    owner: &Owner,
    datagram: &[u8],
    deadline: Instant,
) -> Result<bool, Error> {
    owner.about_to_send(datagram)?;
    owner.count_sent(datagram.len());
    let path = owner.path();
    let sending = owner.endpoint.link.send(&path, datagram, None);
    let sent = tokio::time::timeout_at(deadline, sending).await;
    if let Ok(Err(error)) = &sent
        && is_too_long(error)
    {
        handshake.datagram_too_long(datagram.len());
    }
    Ok(matches!(sent, Ok(Ok(_))))
}

pub(super) fn give(
    handshake: &mut Handshake,
    conduct: &Conduct,
    answer: Answer,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    let answer = conduct.instruct(answer);
    let given = answer.and_then(|answer| handshake.answer(answer, endpoint.now()));
    // Its own answer will not come: dropped, the handshake tells the peer so.
    given.map_err(Error::from)
}

fn wait(
    cx: &mut Context<'_>,
    poll_datagram: impl FnOnce(&mut Context<'_>) -> Poll<Result<Woken, Error>>,
    answering: &mut Option<AnswerFuture>,
    mut sleep: Pin<&mut Sleep>,
    due: Option<Instant>,
    deadline: Instant,
) -> Poll<Result<Woken, Error>> {
    // What time brings comes first: a peer that never stops sending must not keep it away.
    let (until, late) = match due {
        Some(due) => (due, Woken::Due),
        None => (deadline, Woken::Late),
    };
    if until <= Instant::now() {
        return Poll::Ready(Ok(late));
    }
    if let Some(answer) = answering
        && let Poll::Ready(answer) = answer.as_mut().poll(cx)
    {
        return Poll::Ready(Ok(Woken::Answer(answer)));
    }
    // Nor must it keep the task from others.
    let budget = ready!(poll_proceed(cx));
    if let Poll::Ready(datagram) = poll_datagram(cx) {
        budget.made_progress();
        return Poll::Ready(datagram);
    }
    if sleep.deadline() != until {
        sleep.as_mut().reset(until);
    }
    // Work that uses up the task's budget each time must end all the same.
    pin!(unconstrained(sleep)).poll(cx).map(|()| Ok(late))
}

fn nobody_listens() -> std::io::Error {
    let why = "connection refused: nobody listens there, the network says";
    std::io::Error::new(std::io::ErrorKind::ConnectionRefused, why)
}

fn nobody_answers() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "nothing has come from there")
}

/// Whether it has failed since nobody has said anything, so that another address may be tried.
pub(super) fn is_nobody_there(error: &Error) -> bool {
    error.stage() == Stage::Connecting && error.transport().is_some()
}

/// Until when a handshake may take that began then.
pub(super) fn deadline_from(since: Instant, limit: Duration) -> Instant {
    since + crate::handshake::within_bounds(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a peer sends without an end keeps neither a resend nor the end away, nor the task from others.
    #[tokio::test]
    async fn a_flood_does_not_stop_the_clock() {
        let (past, future) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let mut sleep = pin!(sleep_until(future));
        let mut flooded = |cx: &mut Context<'_>, due, deadline| {
            let datagram = |_: &mut Context<'_>| Poll::Ready(Ok(Woken::Datagram(Vec::new())));
            wait(cx, datagram, &mut None, sleep.as_mut(), due, deadline)
        };
        poll_fn(|cx| {
            let late = flooded(cx, None, past);
            assert!(matches!(late, Poll::Ready(Ok(Woken::Late))));
            let due = flooded(cx, Some(past), future);
            assert!(matches!(due, Poll::Ready(Ok(Woken::Due))));
            let polls = (0..1_000).take_while(|_| flooded(cx, None, future).is_ready());
            assert!(polls.count() < 1_000, "the task never yields");
            Poll::Ready(())
        })
        .await;
    }
}
