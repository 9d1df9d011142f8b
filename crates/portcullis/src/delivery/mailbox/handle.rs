//! What commands a connection from any task.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{ConnectionInformation, Stage};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout_at;

use super::{Command, Done, End, Owner};
use crate::delivery::active::Active;
use crate::error::Error;
use crate::handshake::deadline;
use crate::packet::PacketOptions;
use crate::runtime_options::RuntimeOptions;
use crate::send_limits::SendLimits;
use crate::statistics::TransportStatistics;

/// Bytes that wait to be sent, of all packets together; a longer packet waits for all others.
const ROOM: usize = 256 * 1024;

/// Which connection: never the same for two of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a connection stands: [`Handle::status`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// What was negotiated.
    pub information: Arc<ConnectionInformation>,
    /// What went over the transport.
    pub statistics: TransportStatistics,
    /// How much is delivered: with `N`, the credits left.
    pub active: Active,
    /// In which packets.
    pub packet: PacketOptions,
}

/// What became of a packet within the time that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The transport has taken it.
    Sent,
    /// The time is over, and it waits: it goes out when the transport takes more, and what is sent
    /// later comes behind it.
    Queued,
}

/// A connection that a task of its own has: see [`TlsStream::into_mailbox`](crate::TlsStream::into_mailbox).
///
/// Clones are the same connection, and equal; it can be a key of maps. What several tasks send goes out
/// whole, in the order in which it was queued, and never interleaved. When all handles are gone messages
/// still come, and nothing can be sent.
///
/// All of its calls give [`Error::is_closed`] when the connection was closed, or why it has failed.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    id: ConnectionId,
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    end: End,
    patience: Arc<Patience>,
}

/// How long a send may take, and whether one that takes longer ends the connection: all handles see a change. The task of
/// the connection makes it, so that of several at once one is in force, and the same as in the connection.
pub(super) struct Patience(AtomicU64);

impl Patience {
    /// In the bits of a limit that is longer than any.
    const NEVER: u64 = u64::MAX >> 1;

    fn new(limits: SendLimits) -> Self {
        let this = Self(AtomicU64::new(Self::NEVER << 1));
        this.set(Some(limits.send_timeout()), Some(limits.closes));
        this
    }

    pub(super) fn set(&self, within: Option<Option<Duration>>, closes: Option<bool>) {
        let change = |now: u64| {
            let limit = within.map_or(now >> 1, |within| {
                let millis = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000));
                let millis = within.map_or(Self::NEVER, |time| millis(time).unwrap_or(Self::NEVER));
                millis.min(Self::NEVER)
            });
            Some(limit << 1 | closes.map_or(now & 1, u64::from))
        };
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    fn send_timeout(&self) -> Option<Duration> {
        let millis = self.0.load(Ordering::Relaxed) >> 1;
        (millis != Self::NEVER).then(|| Duration::from_millis(millis))
    }

    fn closes(&self) -> bool {
        self.0.load(Ordering::Relaxed) & 1 == 1
    }
}

impl Handle {
    pub(super) fn new(commands: mpsc::Sender<Command>, end: End, limits: SendLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                id: ConnectionId::next(),
                commands,
                room: Arc::new(Semaphore::new(ROOM)),
                end,
                patience: Arc::new(Patience::new(limits)),
            }),
        }
    }

    pub(super) fn patience(&self) -> Arc<Patience> {
        Arc::clone(&self.shared.patience)
    }

    /// Which connection: messages come with it.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// Whether the connection is gone: there is nothing to command.
    pub fn is_closed(&self) -> bool {
        self.shared.commands.is_closed()
    }

    fn ended(&self) -> Error {
        self.shared.end.get().cloned().unwrap_or_else(Error::closed)
    }

    /// Sends a packet, with its length in front in the modes that have one, and waits until the transport
    /// has taken it. At most 256 KiB wait at a time, of all who send.
    ///
    /// # Errors
    /// When the connection cannot be written to. [`Error::packet`] when the packet is too long for its
    /// mode: nothing was sent, and the connection goes on. [`Error::is_timeout`] when it takes longer than the
    /// [`send_timeout`](crate::TlsStream::set_send_timeout) that the stream had: [`Error::sent`] is 0 if there was no
    /// room, else the packet is queued and goes out whole. The connection goes on, unless
    /// [`send_timeout_close`](crate::TlsStream::set_send_timeout_close) was set.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropped, the packet was not queued, or is and goes out whole.
    pub async fn send(&self, packet: impl Into<Bytes>) -> Result<(), Error> {
        if let Some(within) = self.shared.patience.send_timeout() {
            return Box::pin(self.send_within(packet.into(), within)).await;
        }
        let done = self.queue(packet.into()).await?;
        done.await.unwrap_or_else(|_| Err(self.ended()))
    }

    async fn send_within(&self, packet: Bytes, within: Duration) -> Result<(), Error> {
        let length = packet.len();
        let late = match self.send_timeout(packet, within).await {
            Ok(SendOutcome::Sent) => return Ok(()),
            Ok(SendOutcome::Queued) => Error::late_send(within, length),
            Err(error) if error.is_timeout() && !self.is_closed() => Error::late_send(within, 0),
            Err(error) => return Err(error),
        };
        if self.shared.patience.closes() {
            let _ = self.close(Duration::ZERO).await;
        }
        Err(late)
    }

    /// [`send`](Self::send), for at most `within`; the connection goes on in any case.
    ///
    /// # Errors
    /// Also [`Error::is_timeout`] when there was no room in that time: then nothing was sent.
    ///
    /// # Cancel safety
    /// As `send`.
    pub async fn send_timeout(
        &self,
        packet: impl Into<Bytes>,
        within: Duration,
    ) -> Result<SendOutcome, Error> {
        let deadline = deadline(within);
        let Ok(queued) = timeout_at(deadline, self.queue(packet.into())).await else {
            return Err(Error::timeout(Stage::Connected, within));
        };
        match timeout_at(deadline, queued?).await {
            Ok(done) => done
                .unwrap_or_else(|_| Err(self.ended()))
                .map(|()| SendOutcome::Sent),
            Err(_) => Ok(SendOutcome::Queued),
        }
    }

    /// Queues a packet if there is room, without waiting for anything; whether it was queued. It goes out
    /// whole, unless the connection fails.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn try_send(&self, packet: impl Into<Bytes>) -> Result<bool, Error> {
        let packet = packet.into();
        let Ok(room) = self
            .shared
            .room
            .clone()
            .try_acquire_many_owned(weight(&packet))
        else {
            return match self.is_closed() {
                true => Err(self.ended()),
                false => Ok(false),
            };
        };
        let (done, _) = oneshot::channel();
        let command = Command::Send { packet, room, done };
        match self.shared.commands.try_send(command) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.ended()),
        }
    }

    async fn queue(&self, packet: Bytes) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let room = self.shared.room.clone();
        let Ok(room) = room.acquire_many_owned(weight(&packet)).await else {
            return Err(self.ended());
        };
        let (done, is_done) = oneshot::channel();
        let command = Command::Send { packet, room, done };
        match self.shared.commands.send(command).await {
            Ok(()) => Ok(is_done),
            Err(_) => Err(self.ended()),
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Done<T>) -> Command) -> Result<T, Error> {
        let (done, is_done) = oneshot::channel();
        if self.shared.commands.send(command(done)).await.is_err() {
            return Err(self.ended());
        }
        is_done.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Changes how much is delivered: as [`ActiveStream::set_active`](crate::ActiveStream::set_active).
    /// What is in the inbox already stays there.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn set_active(&self, mode: Active) -> Result<(), Error> {
        self.ask(|done| Command::SetActive(mode, done)).await
    }

    /// Changes the mode of packets, for what is sent behind it and for what was not delivered: as
    /// [`Packets::set_packet`](crate::Packets::set_packet). After the error of an invalid packet, messages
    /// come again when [`set_active`](Self::set_active) asks for them.
    ///
    /// # Errors
    /// When the connection is gone.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn set_packet(&self, options: impl Into<PacketOptions>) -> Result<(), Error> {
        let options = options.into();
        self.ask(|done| Command::SetPacket(options, done)).await
    }

    /// Sets several options, all or none, for all handles of the connection.
    ///
    /// # Errors
    /// The first option that cannot be set, by its name; then nothing has changed. [`Error::is_closed`] when the
    /// connection is gone, or of how is delivered when nothing more is.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn apply(&self, options: RuntimeOptions) -> Result<(), Error> {
        let options = Box::new(options);
        self.ask(|done| Command::Apply(options, done)).await
    }

    /// How the connection stands.
    ///
    /// # Errors
    /// When the connection is gone.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn status(&self) -> Result<ConnectionStatus, Error> {
        self.ask(Command::Status).await
    }

    /// Lets messages come to another inbox. What the old one has stays there: the old owner moves it with
    /// [`Inbox::hand_over`](crate::Inbox::hand_over). Ready when it has happened.
    ///
    /// # Errors
    /// [`Error::is_closed`] when that inbox is gone, and nothing has changed; or the connection is.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not; no message is lost or comes twice.
    pub async fn set_owner(&self, to: &Owner) -> Result<(), Error> {
        let to = to.clone();
        self.ask(|done| Command::SetOwner(to, done)).await
    }

    pub(super) async fn halt(&self, to: &Owner) -> Result<oneshot::Sender<bool>, Error> {
        let to = to.clone();
        self.ask(|done| Command::HandOver(to, done)).await
    }

    /// Closes the write side, behind what was queued; messages still come.
    ///
    /// # Errors
    /// When the connection cannot be written to.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened, or happens.
    pub async fn shutdown_write(&self) -> Result<(), Error> {
        self.ask(Command::ShutdownWrite).await
    }

    /// Ends reading: the owner gets [`Message::Closed`](crate::Message::Closed) behind what is in the
    /// inbox, and no other message.
    ///
    /// TLS has no word for it, so the peer is not told, and is not held up: what it still sends is read and
    /// thrown away, its KeyUpdates are answered, and its alert fails what is sent.
    ///
    /// # Errors
    /// When the connection is gone.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened or not.
    pub async fn shutdown_read(&self) -> Result<(), Error> {
        self.ask(Command::ShutdownRead).await
    }

    /// Closes the connection, behind what was queued: as [`TlsStream::close`](crate::TlsStream::close),
    /// for at most `within`. The owner gets no further message.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropped, it may have happened, or happens.
    pub async fn close(&self, within: Duration) -> Result<(), Error> {
        self.ask(|done| Command::Close(within, done)).await
    }
}

/// How much of the room a packet takes: itself, and what is kept beside it until it is sent.
fn weight(packet: &Bytes) -> u32 {
    const BESIDE: usize = 128;
    u32::try_from((packet.len() + BESIDE).min(ROOM)).unwrap_or(u32::MAX)
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Handle {}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id().0).finish()
    }
}
