//! Where messages come to.

use std::collections::VecDeque;
use std::fmt;

use tokio::sync::mpsc;

use super::{ConnectionId, Handle};
use crate::delivery::active::Message;
use crate::error::Error;

/// The most messages that an inbox can have room for.
const LARGEST: usize = 65_536;

/// Messages of any number of connections, in the order in which they came. Those of one connection are in
/// the order of its data.
pub struct Inbox {
    receiver: mpsc::Receiver<(ConnectionId, Message)>,
    /// What was taken from there for another connection to be handed over.
    kept: VecDeque<(ConnectionId, Message)>,
}

/// Whereto messages are sent: the other end of an [`Inbox`].
#[derive(Clone)]
pub struct Owner(pub(super) mpsc::Sender<(ConnectionId, Message)>);

impl Inbox {
    /// Room for so many messages, from 1 to 65,536; when they are there connections wait, and so do their
    /// peers. A message is a record at most, or a packet.
    pub fn new(messages: usize) -> (Self, Owner) {
        let (sender, receiver) = mpsc::channel(messages.clamp(1, LARGEST));
        let kept = VecDeque::new();
        (Self { receiver, kept }, Owner(sender))
    }

    /// The next message and whose it is. `None` when there is no connection and no [`Owner`] left.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropped, no message is lost.
    pub async fn recv(&mut self) -> Option<(ConnectionId, Message)> {
        match self.kept.pop_front() {
            Some(message) => Some(message),
            None => self.receiver.recv().await,
        }
    }

    /// Hands a connection over to another inbox, with its messages that wait here: they come there in
    /// order, and before all newer ones. Nothing is lost, and nothing comes twice. Ready when it has happened;
    /// that takes as much room in the other inbox.
    ///
    /// # Errors
    /// [`Error::is_closed`] when the other inbox or the connection is gone: then this one keeps it, and
    /// what was not moved.
    ///
    /// # Cancel safety
    /// Dropped, the connection stays with this inbox, and what was not moved yet stays here.
    pub async fn hand_over(&mut self, handle: &Handle, to: &Owner) -> Result<(), Error> {
        // From here on the connection delivers nothing, until it hears.
        let decide = handle.halt(to).await?;
        while let Ok(message) = self.receiver.try_recv() {
            self.kept.push_back(message);
        }
        let id = handle.id();
        while let Some(index) = self.kept.iter().position(|(of, _)| *of == id) {
            let Ok(place) = to.0.reserve().await else {
                return Err(Error::closed());
            };
            if let Some(message) = self.kept.remove(index) {
                place.send(message);
            }
        }
        decide.send(true).map_err(|_| Error::closed())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("waiting", &(self.kept.len() + self.receiver.len()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("is_gone", &self.0.is_closed())
            .finish_non_exhaustive()
    }
}
