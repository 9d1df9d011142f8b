//! The task that has the connection. Each turn serves commands, then writing, then reading.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as _;
use portcullis_core::Stage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::mpsc::{OwnedPermit, Receiver};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::handle::Patience;
use super::{Command, ConnectionId, ConnectionStatus, Delivery, Done, End, Handle, Owner};
use crate::delivery::active::{Active, ActiveStream, Message};
use crate::delivery::packets::Packets;
use crate::environment::{Life, Member};
use crate::error::Error;
use crate::handshake::deadline;
use crate::packet::Prefix;
use crate::stream::TlsStream;

/// Messages of one turn: a peer that always has one more must not hold the thread.
const TURN: usize = 100;
/// How many packets are written before their senders hear of them.
const FLUSHED_AT_ONCE: usize = 64;
/// How long a connection may take to close that nobody owns any more.
const FAREWELL: Duration = Duration::from_secs(5);

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Place = OwnedPermit<(ConnectionId, Message)>;

pub(super) struct Actor<IO> {
    id: ConnectionId,
    stream: ActiveStream<Packets<TlsStream<IO>>>,
    /// `None` when all handles are gone.
    commands: Option<Receiver<Command>>,
    owner: Owner,
    /// Ready when the owner's inbox is gone.
    owner_gone: Waiting<()>,
    /// Delivers nothing until it hears whether this one is the owner.
    halted: Option<(Owner, oneshot::Receiver<bool>)>,
    /// A message that waits for room in the inbox. Nothing is read meanwhile.
    held: Option<Message>,
    /// Waits for that room.
    place: Option<Waiting<Result<Place, SendError<()>>>>,
    unsent: VecDeque<Unsent>,
    /// Whose packets are taken, and not flushed.
    unflushed: Vec<Done<()>>,
    /// Whoever wants the write side shut down.
    shutdown: Vec<Done<()>>,
    /// What comes is thrown away.
    discards: bool,
    /// Ready when the environment ends.
    ending: Option<Waiting<()>>,
    /// What handles go by.
    patience: Arc<Patience>,
    end: End,
}

/// A packet that is being sent.
struct Unsent {
    prefix: Prefix,
    packet: Bytes,
    /// Bytes that are sent, of both.
    sent: usize,
    /// Given back with it.
    _room: OwnedSemaphorePermit,
    done: Done<()>,
}

/// Why the task ends.
enum Ending {
    Close(Duration, Done<()>),
    /// The inbox was dropped.
    NoOwner,
    /// The environment was shut down.
    Told,
    /// There is nothing more to do.
    Over,
}

impl<IO> Actor<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pub(super) fn new(
        stream: TlsStream<IO>,
        delivery: Delivery,
        owner: Owner,
        handle: &Handle,
        commands: Receiver<Command>,
        end: End,
    ) -> Self {
        let life = stream.parts().read.member().map(Member::life).cloned();
        Self {
            id: handle.id(),
            patience: handle.patience(),
            ending: life.map(|life| Box::pin(Life::ending(life)) as Waiting<()>),
            stream: stream
                .into_packets(delivery.packet)
                .into_active(delivery.active),
            commands: Some(commands),
            owner_gone: gone(&owner),
            owner,
            halted: None,
            held: None,
            place: None,
            unsent: VecDeque::new(),
            unflushed: Vec::new(),
            shutdown: Vec::new(),
            discards: false,
            end,
        }
    }

    pub(super) async fn run(mut self) {
        let (within, done) = match poll_fn(|cx| self.poll(cx)).await {
            Ending::Close(within, done) => (within, Some(done)),
            Ending::NoOwner => (FAREWELL, None),
            Ending::Told => {
                self.tell_end();
                (FAREWELL, None)
            }
            Ending::Over => return,
        };
        let deadline = deadline(within);
        let flushed = tokio::time::timeout_at(deadline, poll_fn(|cx| self.poll_write(cx))).await;
        let stream = self.stream.into_passive().into_inner();
        let closed = match flushed {
            Ok(()) => {
                let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                stream.close(left).await
            }
            Err(_) => Err(Error::timeout(Stage::Closing, within)),
        };
        if let Some(done) = done {
            let _ = done.send(closed);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Poll::Ready(ending) = self.poll_commands(cx) {
            return Poll::Ready(ending);
        }
        let written = self.poll_write(cx);
        if self.halted.is_none() && self.owner_gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ending::NoOwner);
        }
        if let Some(ending) = &mut self.ending
            && ending.as_mut().poll(cx).is_ready()
        {
            self.ending = None;
            return Poll::Ready(Ending::Told);
        }
        for _ in 0..TURN {
            match self.poll_deliver(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                Poll::Pending => {
                    let idle = written.is_ready() && self.held.is_none() && self.halted.is_none();
                    return match idle && self.is_over() {
                        true => Poll::Ready(Ending::Over),
                        false => Poll::Pending,
                    };
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The owner hears that the connection closes, if there is room for it and it has not heard before.
    fn tell_end(&mut self) {
        let has_heard = self.stream.has_ended() && self.held.is_none();
        if !has_heard && let Ok(place) = self.owner.0.clone().try_reserve_owned() {
            place.send((self.id, Message::Closed));
        }
    }

    /// Nothing more can come, and nothing more can be wanted.
    fn is_over(&self) -> bool {
        self.stream.has_ended() && (self.commands.is_none() || self.end.get().is_some())
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        while let Some(commands) = &mut self.commands {
            let Some(command) = ready!(commands.poll_recv(cx)) else {
                self.commands = None;
                break;
            };
            match command {
                Command::Send { packet, room, done } => self.queue(packet, room, done),
                Command::SetActive(mode, done) => {
                    let set = match self.discards {
                        true => Err(Error::closed()),
                        false => self.stream.set_active(mode),
                    };
                    let _ = done.send(set);
                }
                Command::SetPacket(options, done) => {
                    self.stream.set_packet(options);
                    let _ = done.send(Ok(()));
                }
                Command::Apply(options, done) => {
                    let applied = match self.discards && options.delivers() {
                        true => Err(Error::closed()),
                        false => self.stream.apply(&options),
                    };
                    if applied.is_ok() {
                        let (within, closes) = options.of_sending();
                        self.patience.set(within, closes);
                    }
                    let _ = done.send(applied);
                }
                Command::Status(done) => {
                    let _ = done.send(Ok(self.status()));
                }
                Command::SetOwner(to, done) => {
                    let _ = done.send(self.set_owner(to));
                }
                Command::HandOver(to, done) => {
                    if self.owner_is_gone(&to) {
                        let _ = done.send(Err(Error::closed()));
                        continue;
                    }
                    let (decide, decided) = oneshot::channel();
                    if done.send(Ok(decide)).is_ok() {
                        self.halted = Some((to, decided));
                    }
                }
                Command::ShutdownWrite(done) => self.shutdown.push(done),
                Command::ShutdownRead(done) => {
                    self.discard();
                    let _ = done.send(Ok(()));
                }
                Command::Close(within, done) => return Poll::Ready(Ending::Close(within, done)),
            }
        }
        Poll::Pending
    }

    fn owner_is_gone(&self, owner: &Owner) -> bool {
        owner.0.is_closed()
    }

    fn set_owner(&mut self, to: Owner) -> Result<(), Error> {
        if self.owner_is_gone(&to) {
            return Err(Error::closed());
        }
        // What waits for room there is not sent yet.
        self.place = None;
        self.owner_gone = gone(&to);
        self.owner = to;
        Ok(())
    }

    fn status(&self) -> ConnectionStatus {
        let packets = self.stream.get_ref();
        ConnectionStatus {
            information: packets.get_ref().shared_information(),
            statistics: packets.get_ref().statistics(),
            active: self.stream.active(),
            packet: *packets.packet(),
        }
    }

    /// The owner is told the end now; what was not delivered is dropped.
    fn discard(&mut self) {
        if self.discards {
            return;
        }
        self.discards = true;
        let packets = self.stream.get_mut();
        packets.take_rest();
        packets.set_packet(crate::packet::Packet::Raw);
        let has_ended = self.stream.has_ended();
        let _ = self.stream.set_active(Active::True);
        let terminal = matches!(self.held, Some(Message::Closed | Message::Error(_)));
        if !has_ended {
            self.held = Some(Message::Closed);
        } else if !terminal {
            self.held = None;
        }
    }

    fn queue(&mut self, packet: Bytes, room: OwnedSemaphorePermit, done: Done<()>) {
        match self.stream.get_ref().prefix(packet.len()) {
            Ok(prefix) => self.unsent.push_back(Unsent {
                prefix,
                packet,
                sent: 0,
                _room: room,
                done,
            }),
            Err(error) => {
                let _ = done.send(Err(error));
            }
        }
    }

    /// Ready when nothing waits to be sent.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let result = ready!(self.poll_write_on(cx));
        let unsent = self.unsent.drain(..).map(|unsent| unsent.done);
        for done in self
            .unflushed
            .drain(..)
            .chain(unsent)
            .chain(self.shutdown.drain(..))
        {
            let _ = done.send(result.clone());
        }
        Poll::Ready(())
    }

    fn poll_write_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let stream = self.stream.get_mut().get_mut();
        loop {
            // Senders hear of their packets before too many more are written: else those that come behind could keep them
            // waiting for ever.
            let is_due = self.unsent.is_empty() || self.unflushed.len() >= FLUSHED_AT_ONCE;
            if is_due && !self.unflushed.is_empty() {
                let flushed = ready!(Pin::new(&mut *stream).poll_flush(cx));
                flushed.map_err(|error| Error::io(error, Stage::Connected))?;
                for done in self.unflushed.drain(..) {
                    let _ = done.send(Ok(()));
                }
            }
            let Some(unsent) = self.unsent.front_mut() else {
                break;
            };
            ready!(unsent.poll_write(stream, cx))?;
            if let Some(sent) = self.unsent.pop_front() {
                self.unflushed.push(sent.done);
            }
        }
        if !self.shutdown.is_empty() {
            let shut = ready!(Pin::new(stream).poll_shutdown(cx));
            shut.map_err(|error| Error::io(error, Stage::Closing))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Delivers one message, or takes one from the connection.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        if let Some((_, decided)) = &mut self.halted {
            let decided = ready!(Pin::new(decided).poll(cx));
            if let Some((to, _)) = self.halted.take()
                && decided == Ok(true)
            {
                // Gone since: seen in the next turn.
                self.place = None;
                self.owner_gone = gone(&to);
                self.owner = to;
            }
            cx.waker().wake_by_ref();
        }
        if self.held.is_some() {
            let Ok(place) = ready!(self.poll_place(cx)) else {
                return Poll::Ready(Err(Ending::NoOwner));
            };
            if let Some(message) = self.held.take() {
                place.send((self.id, message));
            }
            return Poll::Ready(Ok(()));
        }
        if self.stream.has_ended() {
            return Poll::Pending;
        }
        let Some(message) = ready!(Pin::new(&mut self.stream).poll_next(cx)) else {
            return Poll::Pending;
        };
        if let Message::Error(error) = &message
            && error.packet().is_none()
        {
            let _ = self.end.set(error.clone());
        }
        if !self.discards {
            self.held = Some(message);
        }
        Poll::Ready(Ok(()))
    }

    /// Room in the owner's inbox.
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<Place, SendError<()>>> {
        let place = match &mut self.place {
            Some(place) => place,
            none => match self.owner.0.clone().try_reserve_owned() {
                Ok(place) => return Poll::Ready(Ok(place)),
                Err(TrySendError::Closed(_)) => return Poll::Ready(Err(SendError(()))),
                Err(TrySendError::Full(inbox)) => none.insert(Box::pin(inbox.reserve_owned())),
            },
        };
        let result = ready!(place.as_mut().poll(cx));
        self.place = None;
        Poll::Ready(result)
    }
}

impl Unsent {
    fn poll_write<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
    where
        S: AsyncWrite + Unpin,
    {
        let prefix = self.prefix.as_slice();
        let total = prefix.len() + self.packet.len();
        while self.sent < total {
            let of_prefix = self.sent.min(prefix.len());
            let slices = [
                IoSlice::new(&prefix[of_prefix..]),
                IoSlice::new(&self.packet[self.sent - of_prefix..]),
            ];
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices));
            match written {
                Ok(0) => return Poll::Ready(Err(Error::closed())),
                Ok(count) => self.sent += count,
                Err(error) => return Poll::Ready(Err(Error::io(error, Stage::Connected))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn gone(owner: &Owner) -> Waiting<()> {
    let inbox = owner.0.clone();
    Box::pin(async move { inbox.closed().await })
}
