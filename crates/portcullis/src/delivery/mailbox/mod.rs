//! The mailbox form: a task owns the connection, handles command it, an inbox has its messages.

mod actor;
mod handle;
mod inbox;

pub use self::handle::{ConnectionId, ConnectionStatus, Handle, SendOutcome};
pub use self::inbox::{Inbox, Owner};

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use self::actor::Actor;
use super::active::Active;
use crate::error::Error;
use crate::packet::PacketOptions;
use crate::runtime_options::RuntimeOptions;
use crate::stream::TlsStream;

/// How a connection delivers: one value for all connections of a listener or connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How many messages come without being asked for. Default: none.
    pub active: Active,
    /// In which packets. Default: raw.
    pub packet: PacketOptions,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            active: Active::False,
            packet: PacketOptions::default(),
        }
    }
}

/// Commands that wait for the task.
const COMMANDS: usize = 64;

type Done<T> = oneshot::Sender<Result<T, Error>>;

/// What a handle wants of the task.
enum Command {
    Send {
        packet: Bytes,
        /// Given back when the connection has taken the packet.
        room: OwnedSemaphorePermit,
        done: Done<()>,
    },
    SetActive(Active, Done<()>),
    SetPacket(PacketOptions, Done<()>),
    Apply(Box<RuntimeOptions>, Done<()>),
    Status(Done<ConnectionStatus>),
    SetOwner(Owner, Done<()>),
    /// Delivers nothing until it is said whether the other is the owner.
    HandOver(Owner, Done<oneshot::Sender<bool>>),
    ShutdownWrite(Done<()>),
    ShutdownRead(Done<()>),
    Close(std::time::Duration, Done<()>),
}

/// Why the task has ended, if the connection has failed.
type End = Arc<OnceLock<Error>>;

impl<IO> TlsStream<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Gives the connection to a task of its own: what the peer sends comes to the owner's
    /// [`Inbox`], and any task may send, ask, change how is delivered, hand over and close by the
    /// [`Handle`], which is cheap to clone.
    ///
    /// The connection closes in good order when the inbox is dropped. While the inbox is full nothing more is
    /// read, and the peer feels it.
    ///
    /// ```
    /// use portcullis::packet::Packet;
    /// use portcullis::{Active, Delivery, Inbox, Message};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, server) = connected().await;
    /// # let mut client = client.into_packets(Packet::Length2);
    /// // One inbox for any number of connections.
    /// let (mut inbox, owner) = Inbox::new(256);
    /// let delivery = Delivery { active: Active::True, packet: Packet::Length2.into() };
    /// let handle = server.into_mailbox(delivery, &owner);
    /// client.send(&[b"ping"]).await?;
    /// let Some((id, Message::Data(ping))) = inbox.recv().await else { panic!() };
    /// assert_eq!((id, &ping[..]), (handle.id(), &b"ping"[..]));
    /// let other = handle.clone();
    /// tokio::spawn(async move { other.send("pong").await }).await??;
    /// assert_eq!(client.recv().await?, portcullis::packet::Piece::Data("pong".into()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn into_mailbox(self, delivery: Delivery, owner: &Owner) -> Handle {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let end = End::default();
        let limits = self.parts().write.limits();
        let handle = Handle::new(commands, end.clone(), limits);
        let actor = Actor::new(self, delivery, owner.clone(), &handle, receiver, end);
        tokio::spawn(actor.run());
        handle
    }
}
