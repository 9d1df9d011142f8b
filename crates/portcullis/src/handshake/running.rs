//! A handshake over its transport, poll by poll: the only caller of [`Handshake::poll`].
//!
//! What has been said is flushed before the peer is waited for, and before an error is reported.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use portcullis_core::{Event, Handshake, Stage, Step};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{Reached, Until, span};
use crate::conduct::Conduct;
use crate::error::Error;
use crate::last_words::{READ_AWAY, poll_read_away, read_away_at_once};
use crate::log_level::log_at;
use crate::scratch::{RECORD, Scratch};
use crate::statistics::Flow;

/// A handshake that is under way. Its transport stands beside it, so that it can leave alone: what else is here
/// is wiped where it is.
pub(super) struct Running {
    /// A server's: when the client has to have said something. A client speaks first.
    first_byte_by: Option<Instant>,
    pub(super) handshake: Handshake,
    /// Whether the peer has said nothing yet, by TLS or before.
    is_silent: bool,
    /// What the transport has not taken yet.
    pub(super) out: Vec<u8>,
    pub(super) written: usize,
    pub(super) unflushed: bool,
    pub(super) received: Flow,
    pub(super) sent: Flow,
    /// How much of a refused peer's may still be read, when this side has ended.
    read_away: Option<usize>,
    /// Early data that has come and nobody has read. Boxed: hardly any handshake has some.
    early_data: Option<Box<BytesMut>>,
    /// Whether a client sends some, which a server need not read before it answers.
    sends_early_data: bool,
}

impl Running {
    #[inline]
    pub(super) fn new(
        mut handshake: Handshake,
        prefix: &[u8],
        first_byte_by: Option<Instant>,
    ) -> Self {
        if !prefix.is_empty() {
            handshake.receive(prefix, UnixTime::now());
        }
        Self {
            first_byte_by,
            handshake,
            is_silent: prefix.is_empty(),
            out: Vec::new(),
            written: 0,
            unflushed: false,
            received: Flow::default(),
            sent: Flow::default(),
            read_away: None,
            early_data: None,
            sends_early_data: false,
        }
    }

    /// Sends this with the first flight: all of it, for which there is room where early data is offered, or nothing.
    pub(super) fn send_early_data(&mut self, data: &[u8]) {
        let taken = self.handshake.send(data);
        debug_assert!(taken == data.len() || taken == 0, "half a request is none");
        self.sends_early_data = true;
    }

    fn is_server(&self) -> bool {
        self.first_byte_by.is_some()
    }

    /// When a client that has said nothing so far is given up.
    pub(super) fn first_byte_by(&self) -> Option<Instant> {
        self.first_byte_by.filter(|_| self.is_silent)
    }

    /// Goes on until there is a question, or early data that somebody wants, or to the end.
    pub(super) fn poll_run(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        conduct: &Conduct,
        until: Until,
    ) -> Poll<Result<Reached, Error>> {
        loop {
            // An alert waits for its error, which says whether it is to be sent.
            match self.handshake.stage() {
                Stage::Closed => {}
                // The client may have sent data and gone: what the transport does not take now goes
                // out with the stream, or fails there.
                _ if self.handshake.remainder_is_optional() => drop(self.poll_send(io, cx)),
                _ if self.sends_early_data => {
                    if let Poll::Ready(Err(error)) = self.poll_send(io, cx) {
                        return Poll::Ready(Err(self.explain(io, cx, error)));
                    }
                }
                _ => {
                    if let Err(error) = ready!(self.poll_send(io, cx)) {
                        return Poll::Ready(Err(self.explain(io, cx, error)));
                    }
                }
            }
            match self.handshake.poll()? {
                // All that was there has been sent.
                Step::Transmit(bytes) if self.out.is_empty() => self.out = bytes,
                Step::Transmit(bytes) => self.out.extend(bytes),
                Step::Event(event) => observe(&event, conduct),
                Step::Ask(question) => return Poll::Ready(Ok(Reached::Question(question))),
                Step::Connected => {
                    match self.is_server() || self.sends_early_data {
                        true => drop(self.poll_flush(io, cx)),
                        false => ready!(self.poll_flush(io, cx))?,
                    }
                    return Poll::Ready(Ok(Reached::End));
                }
                Step::EarlyData(data) => {
                    self.keep_early_data(&data);
                    if let Until::MoreEarlyData = until {
                        return Poll::Ready(Ok(Reached::EarlyData));
                    }
                }
                Step::Wait { .. } => {
                    ready!(self.poll_flush(io, cx))?;
                    if until.is_at_stage(self.handshake.stage()) {
                        return Poll::Ready(Ok(Reached::EarlyData));
                    }
                    ready!(self.poll_receive(io, cx))?;
                }
                _ => {}
            }
        }
    }

    /// Seals data that goes out before the handshake is over, when what was there before is on its way.
    pub(super) fn poll_write_early(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        data: &[u8],
        conduct: &Conduct,
    ) -> Poll<Result<usize, Error>> {
        ready!(self.poll_send(io, cx))?;
        let taken = self.handshake.send(data);
        while taken > 0 && self.out.is_empty() {
            match self.handshake.poll()? {
                // Before any question, and any early data.
                Step::Transmit(bytes) => self.out = bytes,
                Step::Event(event) => observe(&event, conduct),
                _ => break,
            }
        }
        if taken == 0 && !data.is_empty() {
            return Poll::Ready(Err(Error::closed()));
        }
        if let Poll::Ready(Err(error)) = self.poll_send(io, cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn keep_early_data(&mut self, data: &[u8]) {
        let kept = self.early_data.get_or_insert_default();
        kept.extend_from_slice(data);
    }

    pub(super) fn early_data(&self) -> &[u8] {
        self.early_data.as_deref().map_or(&[], |data| data)
    }

    pub(super) fn read_early_data(&mut self, buf: &mut ReadBuf<'_>) {
        if let Some(data) = &mut self.early_data {
            let count = data.len().min(buf.remaining());
            buf.put_slice(&data.split_to(count));
        }
    }

    /// It was taken, and is to be read again before all other.
    pub(super) fn unread_early_data(&mut self, data: &[u8]) {
        let kept = self.early_data.get_or_insert_default();
        let later = kept.split();
        kept.extend_from_slice(data);
        kept.extend_from_slice(&later);
    }

    pub(super) fn take_early_data(&mut self) -> Bytes {
        self.early_data
            .take()
            .map_or_else(Bytes::new, |data| data.freeze())
    }

    pub(super) fn poll_send(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while self.written < self.out.len() {
            let rest = self.out.get(self.written..).unwrap_or_default();
            let sent = match ready!(Pin::new(&mut *io).poll_write(cx, rest)) {
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

    pub(super) fn poll_flush(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.unflushed {
            ready!(Pin::new(&mut *io).poll_flush(cx))
                .map_err(|error| Error::io(error, self.handshake.stage()))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut scratch = Scratch::take();
        // What comes at once is held while a question is open. A client nobody knows yet gets
        // room for a record; what it says in a handshake seldom has more.
        let room = match self.is_server() {
            true => RECORD,
            false => scratch.len(),
        };
        let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
            Ok(()) => {}
            // A health check that resets instead of closing.
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionReset
                    && self.is_silent
                    && self.is_server() => {}
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
    fn explain(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        broken: Error,
    ) -> Error {
        self.out = Vec::new();
        self.written = 0;
        let limit = self.received.bytes() + READ_AWAY as u64;
        while self.received.bytes() < limit {
            if !matches!(self.poll_receive(io, cx), Poll::Ready(Ok(()))) {
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

    pub(super) fn cancel(&mut self) -> Error {
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
    pub(super) fn poll_farewell(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        is_refused: bool,
    ) -> Poll<()> {
        if self.read_away.is_none() {
            if ready!(self.poll_send(io, cx)).is_err()
                || ready!(self.poll_flush(io, cx)).is_err()
                || ready!(Pin::new(&mut *io).poll_shutdown(cx)).is_err()
            {
                return Poll::Ready(());
            }
            if !is_refused {
                read_away_at_once(io);
                return Poll::Ready(());
            }
        }
        let left = self.read_away.get_or_insert(READ_AWAY);
        poll_read_away(io, cx, left)
    }

    pub(super) fn cancel_at_once(&mut self, io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        if matches!(self.handshake.stage(), Stage::Closed) || std::thread::panicking() {
            return;
        }
        self.cancel();
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(())) = self.poll_send(io, &mut cx)
            && let Poll::Ready(Ok(())) = self.poll_flush(io, &mut cx)
        {
            let _ = Pin::new(&mut *io).poll_shutdown(&mut cx);
            read_away_at_once(io);
        }
    }
}

pub(crate) fn observe(event: &Event, conduct: &Conduct) {
    match event {
        Event::Message {
            direction,
            typ,
            length,
        } => {
            log_at!(
                conduct.log,
                DEBUG,
                ?direction,
                tls.handshake.message = %typ,
                length,
                "handshake message"
            );
        }
        Event::Warning(alert) => {
            log_at!(conduct.log, INFO, %alert, "the peer sent a warning alert");
        }
        Event::Secret(line) => conduct.log_secret(line),
        Event::SecondOpinion { gate, certificates } => {
            span::second_opinion(*gate, *certificates, conduct);
        }
        Event::Disagreement(error) => span::disagreement(error, conduct),
        _ => {}
    }
}
