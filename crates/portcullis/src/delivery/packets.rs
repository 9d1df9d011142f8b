//! Packets of a connection: a layer over a stream or one of its halves.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use portcullis_core::Stage;
use portcullis_core::session::ClientSession;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::poll_proceed;

use super::active::{Active, ActiveStream, Message};
use super::passive::or_timeout;
use super::source::{Records, Sends, Source, sealed};
use crate::error::Error;
use crate::packet::{Framing, Packet, PacketError, PacketOptions, Piece, Prefix, Scan};
use crate::read::Turn;
use crate::scratch::PLAINTEXT;
use crate::split::{ReadHalf, SplitIo, WriteHalf};
use crate::stream::TlsStream;

/// A piece that is a smaller part than this of the memory it lies in is copied out: whoever keeps five bytes
/// is not to keep a record.
const SMALL_PART: usize = 8;
/// Slices passed on at once.
const SLICES: usize = 32;

/// A connection, or a half of it, whose data is packets: Erlang's `packet` option.
///
/// * [`recv`](Self::recv) gives one packet, [`into_active`](Self::into_active) makes each a message, and
///   [`send`](Self::send) adds the length in the modes that have one.
/// * The mode can be [changed](Self::set_packet) at any time: what was not delivered is read anew, and no
///   byte is lost. [`into_inner`](Self::into_inner) gives the stream, with what is left.
/// * What is no packet, or too long a one, ends the packets with an error, not the connection: sending
///   goes on, [`take_rest`](Self::take_rest) gives the bytes, and another mode may go on with them.
/// * Memory grows with what has arrived, and not with a length that a peer has written.
/// * Idle, and with nothing left over, it holds no memory.
///
/// It is no `AsyncWrite`: half a packet is not to be sent by accident. [`get_mut`](Self::get_mut) is the
/// way to the stream.
///
/// ```
/// use portcullis::packet::{Packet, Piece};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (client, server) = connected().await;
/// let mut client = client.into_packets(Packet::Length4);
/// let mut server = server.into_packets(Packet::Length4);
/// client.send(&[b"one ", b"packet"]).await?;
/// client.send(&[b"another"]).await?;
/// assert_eq!(server.recv().await?, Piece::Data("one packet".into()));
/// assert_eq!(server.recv().await?, Piece::Data("another".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Packets<S> {
    source: S,
    framing: Framing,
    /// What is left of the record that came last.
    ahead: Bytes,
    /// How much memory `ahead` keeps, about.
    memory: usize,
    /// The start of a packet that lies in several records, from its first byte on. Then `ahead` is empty.
    whole: BytesMut,
    /// How many of the first bytes of what is left came early.
    early: usize,
    /// Whether the source may have early data yet.
    may_be_early: bool,
    /// Why there are no more packets.
    fault: Option<PacketError>,
    /// Bytes that are missing of a packet that was not sent to its end.
    missing: usize,
}

impl<S> Packets<S> {
    pub(crate) fn new(source: S, options: PacketOptions) -> Self {
        Self {
            source,
            framing: Framing::new(options),
            ahead: Bytes::new(),
            memory: 0,
            whole: BytesMut::new(),
            early: 0,
            may_be_early: true,
            fault: None,
            missing: 0,
        }
    }

    /// The same packets, where their source has become another.
    pub(super) fn of_source<T>(
        self,
        change: impl FnOnce(S) -> Result<T, Error>,
    ) -> Result<Packets<T>, Error> {
        Ok(Packets {
            source: change(self.source)?,
            framing: self.framing,
            ahead: self.ahead,
            memory: self.memory,
            whole: self.whole,
            early: self.early,
            may_be_early: self.may_be_early,
            fault: self.fault,
            missing: self.missing,
        })
    }

    /// The mode.
    pub fn packet(&self) -> &PacketOptions {
        self.framing.options()
    }

    /// Changes the mode, for what is sent and for what was not delivered yet: that is read from its first
    /// byte, with the length in front of it. The error of an invalid packet is forgotten.
    ///
    /// After the end of the headers of HTTP, for example, to [`Packet::Raw`] for the body.
    ///
    /// ```
    /// use portcullis::packet::{Packet, Piece};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// client.send(&[b"\x04line", b"a\nbody"]).await?;
    /// let mut server = server.into_packets(Packet::Length1);
    /// assert_eq!(server.recv().await?, Piece::Data("line".into()));
    /// server.set_packet(Packet::Line);
    /// assert_eq!(server.recv().await?, Piece::Data("a\n".into()));
    /// server.set_packet(Packet::Raw);
    /// assert_eq!(server.recv().await?, Piece::Data("body".into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_packet(&mut self, options: impl Into<PacketOptions>) {
        self.framing = Framing::new(options.into());
        self.fault = None;
    }

    /// What has come and was not delivered, in order, with lengths and all; after an invalid packet it
    /// begins there. The error stays until [`set_packet`](Self::set_packet).
    /// The first [`early_rest`](Self::early_rest) bytes of it came early.
    pub fn take_rest(&mut self) -> Bytes {
        self.memory = 0;
        self.early = 0;
        match self.whole.is_empty() {
            true => std::mem::take(&mut self.ahead),
            false => std::mem::take(&mut self.whole).freeze(),
        }
    }

    /// Server: how many bytes of what has come and was not delivered came as
    /// [early data](crate::EarlyHandshake::into_packets). They are the first.
    pub fn early_rest(&self) -> usize {
        self.early
    }

    /// The stream or half.
    pub fn get_ref(&self) -> &S {
        &self.source
    }

    /// The stream or half. What is read from it is not in packets, and may be behind a part of one.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// What goes in front of so many bytes.
    pub(super) fn prefix(&self, content: usize) -> Result<Prefix, Error> {
        Ok(self.framing.prefix(content)?)
    }

    /// Whether there are no more packets, though the connection goes on.
    pub(crate) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    fn rest(&self) -> &[u8] {
        match self.whole.is_empty() {
            true => &self.ahead,
            false => &self.whole,
        }
    }

    /// Takes the first `len` bytes of what is left.
    fn split(&mut self, len: usize) -> Bytes {
        if !self.whole.is_empty() {
            self.memory = self.whole.capacity();
            self.ahead = std::mem::take(&mut self.whole).freeze();
        }
        self.early = self.early.saturating_sub(len);
        let mut packet = self.ahead.split_to(len);
        if len < self.memory / SMALL_PART {
            packet = Bytes::copy_from_slice(&packet);
        }
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        packet
    }

    /// Puts what has come behind what is left.
    fn append(&mut self, more: Bytes, at_least: usize) {
        if self.rest().is_empty() {
            self.memory = more.len();
            self.ahead = more;
            return;
        }
        if self.whole.is_empty() {
            self.whole = BytesMut::with_capacity(self.ahead.len() + more.len());
            self.whole.extend_from_slice(&self.ahead);
            self.ahead = Bytes::new();
        }
        let have = self.whole.len() + more.len();
        if self.whole.capacity() < have {
            // All of the packet when that is not far, and never more than twice what is there.
            let wanted = at_least.clamp(have, have * 2);
            self.whole.reserve(wanted - self.whole.len());
        }
        self.whole.extend_from_slice(&more);
    }
}

impl<S: Records> Packets<S> {
    /// The next packet; in the mode raw, what is there or comes next.
    ///
    /// # Errors
    /// [`Error::is_closed`] after the peer's close_notify, [`Error::is_truncated`] when the transport ended
    /// without, and whatever else ends a connection. [`Error::packet`] when what came is no packet, or
    /// the peer has closed within one; then this comes again until
    /// [`set_packet`](Self::set_packet), and the connection goes on. While there is early data,
    /// which [`recv_early`](Self::recv_early) gives; it stays.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next call.
    pub async fn recv(&mut self) -> Result<Piece, Error> {
        poll_fn(|cx| {
            ready!(self.poll_not_early(cx))?;
            self.poll_piece(cx, 1, &mut Turn::default())
        })
        .await?
        .ok_or_else(Error::closed)
    }

    /// Server: the next packet of which any byte came as [early data](crate::EarlyHandshake::into_packets), before the
    /// handshake is over if all of it did; `None` when there are no more, which is known when the client has said so, a
    /// round trip after it was sent. It may be a replay (RFC 8446 §8). One that began early and ends in what came
    /// later is the last, and comes when all of it is there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and when the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next call.
    pub async fn recv_early(&mut self) -> Result<Option<Piece>, Error> {
        poll_fn(|cx| {
            let more = match self.early {
                0 => ready!(self.poll_early(cx, 1))?,
                _ => true,
            };
            match more {
                true => self.poll_piece(cx, 1, &mut Turn::default()),
                false => Poll::Ready(Ok(None)),
            }
        })
        .await
    }

    /// Has more early data behind what is left; whether there was any.
    fn poll_early(&mut self, cx: &mut Context<'_>, at_least: usize) -> Poll<Result<bool, Error>> {
        if self.may_be_early {
            if let Some(more) = ready!(self.source.poll_early_data(cx))? {
                self.early += more.len();
                self.append(more, at_least);
                return Poll::Ready(Ok(true));
            }
            self.may_be_early = false;
        }
        Poll::Ready(Ok(false))
    }

    /// What came early is given to nobody who does not ask for it.
    fn poll_not_early(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.early > 0 || ready!(self.poll_early(cx, 1))? {
            return Poll::Ready(Err(Error::option(
                "recv: what comes next came as early data, and may be a replay: recv_early gives it",
            )));
        }
        Poll::Ready(Ok(()))
    }

    /// [`recv`](Self::recv), for at most `within`.
    ///
    /// # Errors
    /// Also [`Error::is_timeout`]; then what came is kept.
    ///
    /// # Cancel safety
    /// As `recv`.
    pub async fn recv_timeout(&mut self, within: Duration) -> Result<Piece, Error> {
        or_timeout(within, self.recv()).await
    }

    /// In the mode raw, exactly so many bytes; with 0, what is there or comes next.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); when the peer closes before, what came is kept. In any other mode, at once.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what came is there for the next call.
    pub async fn recv_exact(&mut self, count: usize) -> Result<Bytes, Error> {
        if self.framing.options().packet() != Packet::Raw {
            return Err(Error::option(
                "recv_exact: only the mode raw counts bytes, in others a packet is as long as it is",
            ));
        }
        poll_fn(|cx| self.poll_exact(cx, count)).await
    }

    fn poll_exact(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<Result<Bytes, Error>> {
        ready!(self.poll_not_early(cx))?;
        let mut turn = Turn::default();
        while self.rest().len() < count.max(1) {
            let records = self.records_for(count);
            match ready!(self.source.poll_record(cx, records, &mut turn))? {
                Some(more) => self.append(more, count),
                None => return Poll::Ready(Err(Error::closed())),
            }
        }
        let budget = ready!(poll_proceed(cx));
        budget.made_progress();
        let count = match count {
            0 => self.rest().len(),
            count => count,
        };
        Poll::Ready(Ok(self.split(count)))
    }

    /// How many records it takes to have so many bytes.
    fn records_for(&self, at_least: usize) -> usize {
        let missing = at_least.saturating_sub(self.rest().len());
        missing.div_ceil(PLAINTEXT).max(1)
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        credits: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Piece>, Error>> {
        loop {
            if let Some(fault) = &self.fault {
                return Poll::Ready(Err(fault.clone().into()));
            }
            let rest = match self.whole.is_empty() {
                true => &self.ahead[..],
                false => &self.whole[..],
            };
            let at_least = match self.framing.scan(rest) {
                Ok(Scan::Packet { len }) => {
                    // A record of empty packets is 16,384 of them: others are to have their turn.
                    let budget = ready!(poll_proceed(cx));
                    budget.made_progress();
                    let packet = self.split(len);
                    return Poll::Ready(Ok(Some(self.framing.take(packet))));
                }
                Ok(Scan::NeedMore { at_least }) => at_least,
                Err(fault) => {
                    self.fault = Some(fault);
                    continue;
                }
            };
            if self.may_be_early && ready!(self.poll_early(cx, at_least))? {
                continue;
            }
            let records = match credits {
                usize::MAX => usize::MAX,
                _ => self.records_for(at_least),
            };
            match ready!(self.source.poll_record(cx, records, turn))? {
                Some(more) => self.append(more, at_least),
                None if self.rest().is_empty() => return Poll::Ready(Ok(None)),
                None => {
                    self.fault = Some(PacketError::Unfinished {
                        packet: self.framing.options().packet(),
                        have: self.rest().len(),
                        needed: at_least,
                    });
                }
            }
        }
    }

    /// The stream or half. What was not delivered is read from it first.
    ///
    /// Of that, early data stays apart, as it was: see [`TlsStream::take_early_data`].
    pub fn into_inner(mut self) -> S {
        let early = self.early;
        let mut rest = self.take_rest();
        if early > 0 {
            self.source.unread_early_data(&rest.split_to(early));
        }
        if !rest.is_empty() {
            self.source.unread(&rest);
        }
        self.source
    }

    /// Delivers packets as a stream of messages. Each costs a credit, an empty one too.
    ///
    /// After [`Message::Error`] with [`Error::packet`] the connection goes on:
    /// [`into_passive`](ActiveStream::into_passive), and then [`set_packet`](Self::set_packet).
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use portcullis::packet::Packet;
    /// use portcullis::{Active, Message};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// client.send(&[b"one\ntwo\n"]).await?;
    /// let mut lines = server.into_packets(Packet::Line).into_active(Active::True);
    /// for expected in ["one\n", "two\n"] {
    ///     let Some(Message::Data(line)) = lines.next().await else { panic!() };
    ///     assert_eq!(line, expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_active(self, mode: Active) -> ActiveStream<Self> {
        ActiveStream::new(self, mode)
    }
}

impl<S: Sends> Packets<S> {
    /// Sends all of these buffers, in order, as one packet, and waits until the transport has taken it.
    ///
    /// In the modes 1, 2 and 4 the length goes in front; in all others they are sent as they are. No
    /// buffer at all is an empty packet. All of it is sealed together, as if it were one buffer.
    ///
    /// # Errors
    /// [`PacketError::TooLong`] when it is longer than the length can say, or than
    /// [`PacketOptions::size`]: nothing was sent, and the connection goes on. Otherwise when the
    /// connection cannot be written to; [`Error::is_closed`] after shutdown. [`Error::is_timeout`] when it takes longer
    /// than [`set_send_timeout`](TlsStream::set_send_timeout) says: see [`send_timeout`](Self::send_timeout).
    ///
    /// # Cancel safety
    /// Not cancel-safe: dropped, a part may have been sent. Nothing can follow that in any mode but raw:
    /// every other `send` is [`PacketError::SendInterrupted`] then. A [`Handle`](crate::Handle) sends
    /// packets whole or not at all.
    pub async fn send(&mut self, buffers: &[&[u8]]) -> Result<(), Error> {
        if let Some(within) = self.source.send_limit() {
            return Box::pin(self.send_timeout(buffers, within)).await;
        }
        let (prefix, content) = self.begin(buffers)?;
        let total = prefix.as_slice().len() + content;
        let mut unsent = Unsent::new(prefix.as_slice(), buffers);
        let Self {
            source,
            framing,
            missing,
            ..
        } = self;
        let is_raw = framing.options().packet() == Packet::Raw;
        let mut sent = 0;
        poll_fn(|cx| {
            while sent < total {
                let polled = unsent.poll_write(Pin::new(source), cx);
                sent += ready!(polled).map_err(|error| Error::io(error, Stage::Connected))?;
                *missing = if is_raw { 0 } else { total - sent };
            }
            let flushed = ready!(Pin::new(&mut *source).poll_flush(cx));
            Poll::Ready(flushed.map_err(|error| Error::io(error, Stage::Connected)))
        })
        .await
    }

    /// [`send`](Self::send), for at most `within`: the caller is given back, and the connection goes on.
    ///
    /// # Errors
    /// Also [`Error::is_timeout`]; then [`Error::sent`] says how many bytes of the packet were taken, its length among
    /// them, and these go out before everything that is sent later. All of them: the packet is on its way. None: it can be
    /// sent again. Some: nothing can follow in any mode but raw, and every other `send` is
    /// [`PacketError::SendInterrupted`]. With [`set_send_timeout_close`](TlsStream::set_send_timeout_close) it is the end
    /// of the connection.
    ///
    /// # Cancel safety
    /// As `send`.
    pub async fn send_timeout(&mut self, buffers: &[&[u8]], within: Duration) -> Result<(), Error> {
        let (prefix, content) = self.begin(buffers)?;
        let total = prefix.as_slice().len() + content;
        let mut whole = Vec::with_capacity(buffers.len() + 1);
        whole.push(prefix.as_slice());
        whole.extend_from_slice(buffers);
        let is_raw = self.framing.options().packet() == Packet::Raw;
        // For who drops this.
        self.missing = if is_raw { 0 } else { total };
        let sent = self.source.send_within(&whole, within).await;
        let taken = match &sent {
            Ok(()) => total,
            Err(error) => error.sent().unwrap_or_default(),
        };
        self.missing = match taken {
            0 => 0,
            _ if is_raw => 0,
            taken => total - taken,
        };
        sent
    }

    /// What goes in front of a packet, and how long that is.
    fn begin(&self, buffers: &[&[u8]]) -> Result<(Prefix, usize), Error> {
        if self.missing > 0 {
            let missing = self.missing;
            return Err(PacketError::SendInterrupted { missing }.into());
        }
        let content = buffers.iter().map(|buffer| buffer.len()).sum();
        Ok((self.framing.prefix(content)?, content))
    }
}

/// A packet that is being sent: its length, and its content in buffers.
pub(super) struct Unsent<'a> {
    prefix: &'a [u8],
    buffers: &'a [&'a [u8]],
    /// Bytes of the first buffer that are sent.
    offset: usize,
}

impl<'a> Unsent<'a> {
    pub(super) fn new(prefix: &'a [u8], buffers: &'a [&'a [u8]]) -> Self {
        Self {
            prefix,
            buffers,
            offset: 0,
        }
    }

    pub(super) fn poll_write<S: AsyncWrite>(
        &mut self,
        to: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        slices[0] = IoSlice::new(self.prefix);
        for (index, (slice, buffer)) in slices[1..].iter_mut().zip(self.buffers).enumerate() {
            let offset = if index == 0 { self.offset } else { 0 };
            *slice = IoSlice::new(&buffer[offset..]);
        }
        let count = (self.buffers.len() + 1).min(SLICES);
        let sent = ready!(to.poll_write_vectored(cx, &slices[..count]))?;
        if sent == 0 && slices[..count].iter().any(|slice| !slice.is_empty()) {
            return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
        }
        self.skip(sent);
        Poll::Ready(Ok(sent))
    }

    fn skip(&mut self, sent: usize) {
        let of_prefix = sent.min(self.prefix.len());
        self.prefix = &self.prefix[of_prefix..];
        let mut sent = sent - of_prefix;
        while let [first, rest @ ..] = self.buffers {
            let left = first.len() - self.offset;
            if sent < left {
                self.offset += sent;
                break;
            }
            sent -= left;
            self.offset = 0;
            self.buffers = rest;
        }
    }
}

impl<S> sealed::Sealed for Packets<S> {}

impl<S: Records> Source for Packets<S> {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        credits: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        if self.early == 0 && self.may_be_early {
            ready!(self.poll_early(cx, 1))?;
        }
        // What comes early comes first: none is put behind what did not.
        let is_early = self.early > 0;
        let piece = self.poll_piece(cx, credits, turn);
        piece.map_ok(|piece| {
            piece.map(|piece| match piece {
                piece if is_early => Message::EarlyData(piece),
                Piece::Data(data) => Message::Data(data),
                Piece::Split(split) => Message::Split(split),
                Piece::Http(line) => Message::Http(line),
            })
        })
    }

    fn take_session(&mut self) -> Option<ClientSession> {
        self.source.take_session()
    }

    fn take_early_data_status(&mut self) -> Option<Message> {
        self.source.take_early_data_status()
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        self.source.poll_idle(cx);
    }
}

impl<S: Records> ActiveStream<Packets<S>> {
    /// As [`Packets::set_packet`]. It counts from the next message on: change it while the stream is
    /// passive, or after [`Active::Once`]. After the error of an invalid packet the stream is passive, and
    /// has not ended any more.
    pub fn set_packet(&mut self, options: impl Into<PacketOptions>) {
        if self.get_ref().has_fault() {
            self.go_on();
        }
        self.get_mut().set_packet(options);
        self.wake();
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Sends and receives packets. What was received and not read is their beginning.
    ///
    /// ```
    /// use portcullis::packet::{Packet, Piece};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// // A length of two bytes before each.
    /// let mut server = server.into_packets(Packet::Length2);
    /// client.send(&[b"\0\x05hello"]).await?;
    /// assert_eq!(server.recv().await?, Piece::Data("hello".into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_packets(self, options: impl Into<PacketOptions>) -> Packets<Self> {
        Packets::new(self, options.into())
    }
}

impl<IO: SplitIo> ReadHalf<IO> {
    /// Receives packets. What was received and not read is their beginning.
    pub fn into_packets(self, options: impl Into<PacketOptions>) -> Packets<Self> {
        Packets::new(self, options.into())
    }
}

impl<IO: SplitIo> WriteHalf<IO> {
    /// Sends packets.
    pub fn into_packets(self, options: impl Into<PacketOptions>) -> Packets<Self> {
        Packets::new(self, options.into())
    }
}

impl<IO: SplitIo> Packets<WriteHalf<IO>> {
    /// The half.
    pub fn into_write_half(self) -> WriteHalf<IO> {
        self.source
    }
}
