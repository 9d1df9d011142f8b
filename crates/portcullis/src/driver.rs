//! Runs a handshake over a transport: the only caller of [`Handshake::poll`].
//!
//! What has been said is flushed before the peer is waited for, and before an error is reported.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use portcullis_core::question::{Answer, Question};
use portcullis_core::{
    AlertDescription, ConnectionInformation, Event, Handshake, Reason, Stage, Step,
};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::conduct::Conduct;
use crate::error::{Error, HandshakeError};
use crate::hibernation::Hibernation;
use crate::last_words::{READ_AWAY, poll_read_away, read_away_at_once};
use crate::read::ReadHalfState;
use crate::scratch::{RECORD, Scratch};
use crate::sessions::Place;
use crate::statistics::Flow;
use crate::stream::{Parts, TlsStream};
use crate::write::WriteHalfState;

/// A handshake and the transport it runs over.
///
/// It is boxed wherever it stands: a future that holds it stays small, and so does the task that
/// holds the connection afterwards, which is as large as the largest thing it ever held.
///
/// Dropped before the end, it tells the peer `user_canceled` if that can be done at once.
pub(crate) struct Driver<IO: AsyncRead + AsyncWrite + Unpin> {
    running: Option<Running<IO>>,
    conduct: Conduct,
    span: tracing::Span,
    /// Client: where sessions go.
    place: Option<Place>,
    /// Whether sessions from there are in the hello.
    offers: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> std::fmt::Debug for Driver<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server {
        /// When the client has to have said something.
        first_byte_by: Instant,
    },
}

struct Running<IO> {
    io: IO,
    role: Role,
    handshake: Handshake,
    /// Whether the peer has said nothing yet, by TLS or before.
    is_silent: bool,
    /// What the transport has not taken yet.
    out: Vec<u8>,
    written: usize,
    unflushed: bool,
    received: Flow,
    sent: Flow,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(crate) fn new(
        role: Role,
        io: IO,
        mut handshake: Handshake,
        prefix: &[u8],
        conduct: Conduct,
        span: tracing::Span,
    ) -> Box<Self> {
        if !prefix.is_empty() {
            handshake.receive(prefix, UnixTime::now());
        }
        Box::new(Self {
            running: Some(Running {
                io,
                role,
                handshake,
                is_silent: prefix.is_empty(),
                out: Vec::new(),
                written: 0,
                unflushed: false,
                received: Flow::default(),
                sent: Flow::default(),
            }),
            conduct,
            span,
            place: None,
            offers: false,
        })
    }

    /// Keeps sessions in `place`; with `offers` the hello has some that came from there.
    pub(crate) fn keep_sessions(&mut self, place: Option<Place>, offers: bool) {
        self.place = place;
        self.offers = offers;
    }

    pub(crate) fn span(&self) -> &tracing::Span {
        &self.span
    }

    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    pub(crate) fn stage(&self) -> Stage {
        self.running
            .as_ref()
            .map_or(Stage::Closed, |running| running.handshake.stage())
    }

    /// When a client that has said nothing so far is given up.
    pub(crate) fn first_byte_by(&self) -> Option<Instant> {
        match self.running.as_ref()? {
            Running {
                role: Role::Server { first_byte_by },
                is_silent: true,
                ..
            } => Some(*first_byte_by),
            _ => None,
        }
    }

    /// Waits for the first bytes; a server has nothing to say before them.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub(crate) async fn hear(&mut self) -> Result<(), Error> {
        match &mut self.running {
            Some(running) => poll_fn(|cx| running.poll_receive(cx)).await,
            None => Err(Error::closed()),
        }
    }

    /// Runs until the end (`None`), or until a question comes that `wanted` names. Answers that
    /// come from a store have as much time as a store.
    ///
    /// # Cancel safety
    /// Dropped and called again it goes on where it was, unless a question was being answered:
    /// that answer is lost, and with it the handshake.
    pub(crate) async fn run(
        &mut self,
        wanted: fn(&Question) -> bool,
    ) -> Result<Option<Box<Question>>, Error> {
        let Some(running) = &mut self.running else {
            return Err(Error::closed());
        };
        loop {
            let Some(question) = poll_fn(|cx| running.poll_run(cx, &self.conduct)).await? else {
                return Ok(None);
            };
            if wanted(&question) {
                return Ok(Some(question));
            }
            poll_fn(|cx| running.poll_flush(cx)).await?;
            let late = question.late_answer();
            let answer = match (self.conduct.answers.answer(*question), late) {
                (Ok(answer), _) => answer,
                (Err(answering), None) => answering.await,
                (Err(answering), Some(late)) => timeout(self.conduct.store_timeout(), answering)
                    .await
                    .unwrap_or(late),
            };
            running.handshake.answer(answer, UnixTime::now())?;
        }
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> Result<(), Error> {
        match &mut self.running {
            Some(running) => Ok(running.handshake.answer(answer, UnixTime::now())?),
            None => Err(Error::closed()),
        }
    }

    /// Makes a stream of a finished handshake.
    pub(crate) fn finish(&mut self) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        // Where the handshake stands: what is moved leaves copies of secrets behind.
        let running = self.running.as_mut();
        let connected = running.map(|running| running.handshake.take_connection());
        let (Some(running), Some(connected)) = (self.running.take(), connected) else {
            return Err(HandshakeError::new(Error::closed(), None, Vec::new()));
        };
        let Running {
            io,
            mut out,
            written,
            unflushed,
            received,
            sent,
            ..
        } = running;
        match connected {
            Ok(mut connection) => {
                let mut rest = out.split_off(written);
                rest.append(&mut connection.transmit);
                record(&self.span, &connection.information);
                Ok(TlsStream::from_parts(Parts {
                    io,
                    read: ReadHalfState::new(
                        connection.reader,
                        connection.unread,
                        received,
                        self.place.take(),
                        self.conduct.alert_timeout,
                    ),
                    write: WriteHalfState::new(connection.writer, rest, unflushed, sent),
                    information: connection.information,
                    hibernation: Hibernation::new(self.conduct.hibernate_after),
                }))
            }
            Err(error) => Err(HandshakeError::new(error.into(), Some(io), Vec::new())),
        }
    }

    /// Ends a handshake that failed or is given up: the peer gets its alert and sees the end,
    /// the caller gets the transport back.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub(crate) async fn fail(mut self: Box<Self>, error: Error) -> HandshakeError<IO> {
        report(&self.span, &error);
        self.blame_sessions(&error);
        let Some(running) = &mut self.running else {
            return HandshakeError::new(error, None, Vec::new());
        };
        let keep_quiet = self.conduct.plaintext_fallback && error.is_not_tls();
        if !keep_quiet && error.transport().is_none() {
            // An alert that cannot be delivered changes nothing in what is reported.
            let farewell = running.say_farewell(error.is_refusal());
            let _ = timeout(self.conduct.alert_timeout, farewell).await;
        }
        match self.running.take() {
            Some(running) => {
                HandshakeError::new(error, Some(running.io), running.handshake.into_unread())
            }
            None => HandshakeError::new(error, None, Vec::new()),
        }
    }

    /// There are servers that end every connection with a ticket in its hello. One has to fail to
    /// know that, and no second one: the sessions of this server are forgotten, whatever it was
    /// that the connection failed of, unless this side gave up by itself.
    fn blame_sessions(&mut self, error: &Error) {
        let by_us = matches!(error.reason(), Some(Reason::Cancelled | Reason::Refused(_)));
        if let Some(place) = self.place.take().filter(|_| self.offers && !by_us) {
            place.forget();
        }
    }

    /// Gives up: the peer is sent the fatal alert `user_canceled`.
    pub(crate) async fn cancel(mut self: Box<Self>) -> HandshakeError<IO> {
        let error = match &mut self.running {
            Some(running) => running.cancel(),
            None => Error::closed(),
        };
        self.fail(error).await
    }

    /// Gives up because time has run out. Whatever can be said at once is said.
    pub(crate) fn time_out(mut self, error: Error) -> HandshakeError<IO> {
        report(&self.span, &error);
        self.blame_sessions(&error);
        // A client that says nothing may not speak TLS either.
        let keep_quiet = self.conduct.plaintext_fallback && error.is_silent_peer();
        match self.running.take() {
            Some(mut running) => {
                if !keep_quiet {
                    running.cancel_at_once();
                }
                HandshakeError::new(error, Some(running.io), running.handshake.into_unread())
            }
            None => HandshakeError::new(error, None, Vec::new()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Drop for Driver<IO> {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            running.cancel_at_once();
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Running<IO> {
    /// Goes on until there is a question, or the end (`None`).
    fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        conduct: &Conduct,
    ) -> Poll<Result<Option<Box<Question>>, Error>> {
        loop {
            // An alert waits for its error, which says whether it is to be sent.
            match self.handshake.stage() {
                Stage::Closed => {}
                // The client may have sent data and gone: what the transport does not take now goes
                // out with the stream, or fails there.
                _ if self.handshake.remainder_is_optional() => drop(self.poll_send(cx)),
                _ => {
                    if let Err(error) = ready!(self.poll_send(cx)) {
                        return Poll::Ready(Err(self.explain(cx, error)));
                    }
                }
            }
            match self.handshake.poll()? {
                // All that was there has been sent.
                Step::Transmit(bytes) if self.out.is_empty() => self.out = bytes,
                Step::Transmit(bytes) => self.out.extend(bytes),
                Step::Event(event) => observe(&event, conduct),
                Step::Ask(question) => return Poll::Ready(Ok(Some(question))),
                Step::Connected => {
                    match self.role {
                        Role::Server { .. } => drop(self.poll_flush(cx)),
                        Role::Client => ready!(self.poll_flush(cx))?,
                    }
                    return Poll::Ready(Ok(None));
                }
                Step::Wait { .. } => {
                    ready!(self.poll_flush(cx))?;
                    ready!(self.poll_receive(cx))?;
                }
                _ => {}
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.written < self.out.len() {
            let rest = self.out.get(self.written..).unwrap_or_default();
            let sent = match ready!(Pin::new(&mut self.io).poll_write(cx, rest)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                other => other,
            };
            let sent = sent.map_err(|error| Error::io(error, self.handshake.stage()))?;
            self.sent.count(sent);
            self.written += sent;
            self.unflushed = true;
        }
        self.out = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))
                .map_err(|error| Error::io(error, self.handshake.stage()))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut scratch = Scratch::take();
        // What comes at once is held while a question is open. A client nobody knows yet gets
        // room for a record; what it says in a handshake seldom has more.
        let room = match self.role {
            Role::Client => scratch.len(),
            Role::Server { .. } => RECORD,
        };
        let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
            Ok(()) => {}
            // A health check that resets instead of closing.
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionReset
                    && self.is_silent
                    && self.role != Role::Client => {}
            Err(error) => return Poll::Ready(Err(Error::io(error, self.handshake.stage()))),
        }
        match buf.filled() {
            [] => self.handshake.receive_eof(),
            bytes => {
                self.is_silent = false;
                self.received.count(bytes.len());
                self.handshake.receive(bytes, UnixTime::now());
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The transport takes no more: if the peer's alert has come before that, it is the reason.
    #[cold]
    fn explain(&mut self, cx: &mut Context<'_>, broken: Error) -> Error {
        self.out = Vec::new();
        self.written = 0;
        let limit = self.received.bytes() + READ_AWAY as u64;
        while self.received.bytes() < limit {
            if !matches!(self.poll_receive(cx), Poll::Ready(Ok(()))) {
                break;
            }
            loop {
                match self.handshake.poll() {
                    Ok(Step::Transmit(_) | Step::Event(_)) => {}
                    Ok(Step::Wait { .. }) => break,
                    Ok(_) => return broken,
                    Err(error) => {
                        let error = Error::from(error);
                        return if error.is_received_alert() {
                            error
                        } else {
                            broken
                        };
                    }
                }
            }
        }
        broken
    }

    fn cancel(&mut self) -> Error {
        self.handshake.cancel();
        loop {
            match self.handshake.poll() {
                Ok(Step::Transmit(bytes)) => self.out.extend(bytes),
                Ok(Step::Event(_) | Step::Ask(_)) => {}
                Ok(_) => return Error::closed(),
                Err(error) => return error.into(),
            }
        }
    }

    /// Writes what is left and ends the write side. From a peer that was refused, reads until it
    /// closes too: a transport closed over unread bytes resets, also when they come later, and
    /// the peer may then never see its alert.
    async fn say_farewell(&mut self, is_refused: bool) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send(cx)).await?;
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let stage = self.handshake.stage();
        poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx))
            .await
            .map_err(|error| Error::io(error, stage))?;
        if is_refused {
            let mut left = READ_AWAY;
            poll_fn(|cx| poll_read_away(&mut self.io, cx, &mut left)).await;
        } else {
            read_away_at_once(&mut self.io);
        }
        Ok(())
    }

    fn cancel_at_once(&mut self) {
        if matches!(self.handshake.stage(), Stage::Closed) || std::thread::panicking() {
            return;
        }
        self.cancel();
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(())) = self.poll_send(&mut cx)
            && let Poll::Ready(Ok(())) = self.poll_flush(&mut cx)
        {
            let _ = Pin::new(&mut self.io).poll_shutdown(&mut cx);
            read_away_at_once(&mut self.io);
        }
    }
}

fn observe(event: &Event, conduct: &Conduct) {
    match event {
        Event::Message {
            direction,
            typ,
            length,
        } => {
            tracing::debug!(?direction, tls.handshake.message = %typ, length, "handshake message");
        }
        Event::Warning(alert) => tracing::info!(%alert, "the peer sent a warning alert"),
        Event::Secret(line) => {
            if let Some(key_log) = &conduct.key_log {
                key_log.log(line);
            }
        }
        _ => {}
    }
}

fn record(span: &tracing::Span, information: &ConnectionInformation) {
    span.record(
        "tls.protocol.version",
        tracing::field::display(information.version()),
    );
    span.record(
        "tls.cipher",
        tracing::field::display(information.cipher_suite()),
    );
    if let Some(group) = information.group() {
        span.record("tls.curve", tracing::field::display(group));
    }
    span.record("tls.resumed", information.is_resumed());
    if let Some(name) = information.server_name() {
        span.record("tls.client.server_name", name);
    }
    if let Some(protocol) = information.alpn_protocol() {
        span.record(
            "tls.next_protocol",
            tracing::field::display(protocol.escape_ascii()),
        );
    }
    tracing::debug!(parent: span, "connected");
}

fn report(span: &tracing::Span, error: &Error) {
    match (error.reason(), error.alert()) {
        _ if error.is_silent_peer() => {
            tracing::debug!(parent: span, %error, "the handshake failed");
        }
        (Some(Reason::Crypto(_) | Reason::Misuse(_)), _) => {
            tracing::warn!(parent: span, %error, "the handshake failed on this side");
        }
        (_, Some((direction, alert))) if alert != AlertDescription::USER_CANCELED => {
            tracing::info!(parent: span, %error, ?direction, %alert, "the handshake failed");
        }
        _ => tracing::info!(parent: span, %error, "the handshake failed"),
    }
}
