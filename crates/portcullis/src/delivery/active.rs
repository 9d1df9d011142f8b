//! Active delivery: a stream of messages with credits.
//!
//! All data comes before exactly one terminal message; a stream without credit reads nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use portcullis_core::session::ClientSession;
use tokio::io::{AsyncRead, AsyncWrite};

use super::source::Source;
use crate::error::Error;
use crate::packet::http::Http;
use crate::packet::{Piece, Split};
use crate::read::Turn;
use crate::split::{ReadHalf, SplitIo};
use crate::stream::TlsStream;

/// How much is delivered without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// Nothing: the stream is passive.
    False,
    /// One message of data; then the stream is passive.
    Once,
    /// As many messages of data as there are credits. These are added to those that are there, or
    /// taken off when negative; at 0 comes [`Message::Passive`]. At most 32,767.
    N(i16),
    /// Everything.
    True,
}

/// What an [`ActiveStream`] delivers.
///
/// [`Data`](Self::Data) has [`Bytes`]; [`EarlyData`](Self::EarlyData) has a [`Piece`], since whatever a packet may be may also
/// come early: where there are no packets, and in the modes that are no HTTP, it is [`Piece::Data`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message {
    /// The content of one record of the peer's, or what was read before and nobody took. Of
    /// [`Packets`](crate::Packets): a packet.
    Data(Bytes),
    /// A packet of which the first bytes were asked for
    /// [apart](crate::packet::PacketOptions::header).
    Split(Box<Split>),
    /// A line of HTTP, of packets in the modes http and httph.
    Http(Box<Http>),
    /// Client with [`session_tickets`](crate::config::ClientConfigBuilder::session_tickets): a
    /// session that the server has sent a ticket for. It costs no credit. With a
    /// [`session_store`](crate::TlsConnector::session_store) it goes there instead.
    Session(Box<ClientSession>),
    /// Client that has offered [early data](crate::TlsConnector::connect_with_early_data): the server has
    /// taken it. Comes once, before all data, and costs no credit.
    EarlyDataAccepted,
    /// Client that has offered early data: the server has thrown it away. Comes once, before all data, and
    /// costs no credit.
    EarlyDataRejected,
    /// Server: a message of which any byte came as [early data](crate::EarlyHandshake::into_active), also where
    /// the rest came after the handshake. It may be a replay (RFC 8446 §8). Comes before all other data, and costs a
    /// credit as that does. Where there are no packets, it is as much as had come.
    EarlyData(Piece),
    /// The credits are used up: nothing comes before [`ActiveStream::set_active`].
    Passive,
    /// The peer has sent close_notify, after all of its data. Nothing follows.
    Closed,
    /// The connection failed, in either direction, after all of the data that came. Nothing
    /// follows. With [`Error::packet`] the connection goes on, and only its packets have ended:
    /// see [`Packets`](crate::Packets).
    Error(Error),
}

/// A connection, or its reading half, that delivers messages.
///
/// As a stream it ends (`None`) after [`Message::Closed`] or [`Message::Error`], of which there
/// is exactly one. While it is passive it is pending, reads nothing from the transport, and so
/// lets the peer feel it; what was read before stays where it is and in order, for the next
/// message or for a read from [`get_mut`](Self::get_mut).
///
/// A transport that always has more does not hold up the other tasks of a thread: after
/// [`reads_per_turn`](crate::TlsConnector::reads_per_turn) reads these have their turn.
///
/// It can be moved to another task at any time. To write from elsewhere, split the connection
/// first: [`ReadHalf::into_active`](crate::ReadHalf::into_active).
///
/// ```
/// use futures_util::StreamExt;
/// use portcullis::{Active, Message};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (mut client, server) = connected().await;
/// # client.send(&[b"hello"]).await?;
/// # tokio::io::AsyncWriteExt::shutdown(&mut client).await?;
/// let mut messages = server.into_active(Active::True);
/// while let Some(message) = messages.next().await {
///     match message {
///         Message::Data(data) => assert_eq!(&data[..], b"hello"),
///         Message::Error(error) => return Err(error.into()),
///         Message::Closed => println!("the peer has closed"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "messages come when the stream is polled"]
pub struct ActiveStream<S> {
    source: S,
    mode: Active,
    /// `Passive` messages that are due.
    announcements: u32,
    ended: bool,
    idle: Option<Waker>,
    turn: Turn,
}

impl<S: Source> ActiveStream<S> {
    pub(crate) fn new(source: S, mode: Active) -> Self {
        let mut this = Self {
            source,
            mode: Active::False,
            announcements: 0,
            ended: false,
            idle: None,
            turn: Turn::default(),
        };
        this.switch(mode);
        this
    }

    /// Changes how much is delivered. Nothing is lost, and the order stays.
    ///
    /// Credits that come to 0 or less make the stream passive, and a [`Message::Passive`] says so.
    /// After the peer's close, a passive stream that is switched delivers what is left and then
    /// [`Message::Closed`].
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use portcullis::{Active, Message};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// let mut messages = server.into_active(Active::N(1));
    /// client.send(&[b"one"]).await?;
    /// client.send(&[b"two"]).await?;
    /// assert!(matches!(messages.next().await, Some(Message::Data(_))));
    /// // Nothing more is read until there is credit again.
    /// assert!(matches!(messages.next().await, Some(Message::Passive)));
    /// messages.set_active(Active::N(10))?;
    /// assert!(matches!(messages.next().await, Some(Message::Data(_))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the credits would exceed 32,767: then they stay as they are; and
    /// [`Error::is_closed`] when the terminal message has been delivered.
    pub fn set_active(&mut self, mode: Active) -> Result<(), Error> {
        self.check_active(mode, self.ended)?;
        self.switch(mode);
        self.wake();
        Ok(())
    }

    /// Whether the mode can be changed to this one.
    pub(crate) fn check_active(&self, mode: Active, has_ended: bool) -> Result<(), Error> {
        if has_ended {
            return Err(Error::closed());
        }
        if let (Active::N(have), Active::N(more)) = (self.mode, mode)
            && have.checked_add(more).is_none()
        {
            return Err(Error::limit("active: the credits would exceed 32,767"));
        }
        Ok(())
    }

    /// The terminal message was none: the source goes on.
    pub(super) fn go_on(&mut self) {
        self.ended = false;
    }

    pub(super) fn wake(&mut self) {
        if let Some(idle) = self.idle.take() {
            idle.wake();
        }
    }

    fn switch(&mut self, mode: Active) {
        self.mode = match (self.mode, mode) {
            (Active::N(have), Active::N(more)) => Active::N(have.saturating_add(more)),
            (_, other) => other,
        };
        if let Active::N(..=0) = self.mode {
            self.mode = Active::False;
            self.announcements += 1;
        }
    }

    /// How much is delivered: with `N`, the credits left.
    pub fn active(&self) -> Active {
        self.mode
    }

    /// Whether the terminal message has been delivered.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The connection.
    pub fn get_ref(&self) -> &S {
        &self.source
    }

    /// The connection. What is read from it is not delivered as a message.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The connection, passive. Data that was not delivered is read from it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt as _;
    /// use portcullis::{Active, Message};
    ///
    /// # let (mut client, server) = connected().await;
    /// client.send(&[b"hello"]).await?;
    /// let mut messages = server.into_active(Active::Once);
    /// let Some(Message::Data(data)) = messages.next().await else {
    ///     return Err("the client has gone".into());
    /// };
    /// assert_eq!(&data[..], b"hello");
    /// // The rest is read as from any stream.
    /// let mut server = messages.into_passive();
    /// client.send(&[b"more"]).await?;
    /// assert_eq!(&server.recv(4).await?[..], b"more");
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_passive(self) -> S {
        self.source
    }

    fn pay(&mut self) {
        match self.mode {
            Active::Once => self.mode = Active::False,
            Active::N(credits) => {
                self.mode = Active::False;
                self.switch(Active::N(credits - 1));
            }
            Active::True | Active::False => {}
        }
    }

    fn end(&mut self, message: Message) -> Message {
        self.ended = true;
        self.mode = Active::False;
        message
    }
}

impl<S: Source + Unpin> Stream for ActiveStream<S> {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = self.get_mut();
        if this.announcements > 0 {
            this.announcements -= 1;
            return Poll::Ready(Some(Message::Passive));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(session) = this.source.take_session() {
            return Poll::Ready(Some(Message::Session(Box::new(session))));
        }
        if let Some(early) = this.source.take_early_data_status() {
            return Poll::Ready(Some(early));
        }
        let records = match this.mode {
            Active::False => {
                this.idle = Some(cx.waker().clone());
                this.source.poll_idle(cx);
                return Poll::Pending;
            }
            Active::Once => 1,
            Active::N(credits) => usize::try_from(credits).unwrap_or(1),
            Active::True => usize::MAX,
        };
        let polled = this.source.poll_message(cx, records, &mut this.turn);
        // The end waits for the sessions that came before it: it comes again.
        if !matches!(polled, Poll::Ready(Ok(Some(_))))
            && let Some(session) = this.source.take_session()
        {
            return Poll::Ready(Some(Message::Session(Box::new(session))));
        }
        let message = match polled {
            Poll::Ready(Ok(Some(message))) => {
                this.pay();
                message
            }
            Poll::Ready(Ok(None)) => this.end(Message::Closed),
            Poll::Ready(Err(error)) => this.end(Message::Error(error)),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(Some(message))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ActiveStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().source).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().source).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.source.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().source).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().source).poll_shutdown(cx)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Delivers what the peer sends as a stream of messages.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use portcullis::{Active, Message};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut client, server) = connected().await;
    /// let mut messages = server.into_active(Active::True);
    /// client.send(&[b"hello"]).await?;
    /// # drop(client);
    /// while let Some(message) = messages.next().await {
    ///     match message {
    ///         Message::Data(data) => println!("{data:?}"),
    ///         Message::Error(error) => eprintln!("{error}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_active(self, mode: Active) -> ActiveStream<Self> {
        ActiveStream::new(self, mode)
    }
}

impl<IO: SplitIo> ReadHalf<IO> {
    /// Delivers what the peer sends as a stream of messages, while the other half writes.
    pub fn into_active(self, mode: Active) -> ActiveStream<Self> {
        ActiveStream::new(self, mode)
    }
}
