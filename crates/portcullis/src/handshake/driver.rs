//! A handshake from its start to its stream or its failure, with the answers to its questions.

use std::future::poll_fn;

use portcullis_core::question::Answer;
use portcullis_core::{Handshake, Reason, Stage};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::running::Running;
use super::{Reached, Until, span};
use crate::conduct::Conduct;
use crate::error::{Error, HandshakeError};
use crate::hibernation::Hibernation;
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
        Box::new(Self {
            running: Some(Running::new(io, handshake, prefix, first_byte_by)),
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
        self.running.as_ref()?.first_byte_by()
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

    /// Runs that far. Questions on the way are answered; answers that come from a store have as
    /// much time as a store.
    ///
    /// # Cancel safety
    /// Dropped and called again it goes on where it was, unless a question was being answered:
    /// that answer is lost, and with it the handshake.
    pub(super) async fn run(&mut self, until: Until) -> Result<Reached, Error> {
        let Some(running) = &mut self.running else {
            return Err(Error::closed());
        };
        loop {
            let question = match poll_fn(|cx| running.poll_run(cx, &self.conduct)).await? {
                Reached::Question(question) if !until.is_at(&question) => question,
                reached => return Ok(reached),
            };
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
                span::record(&self.span, &connection.information);
                Ok(TlsStream::from_parts(Parts {
                    io,
                    read: Receiving::new(
                        connection.reader,
                        connection.unread,
                        received,
                        self.place.take(),
                        self.conduct.alert_timeout,
                    ),
                    write: Sending::new(connection.writer, rest, unflushed, sent),
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
        span::report(&self.span, &error);
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
        span::report(&self.span, &error);
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
