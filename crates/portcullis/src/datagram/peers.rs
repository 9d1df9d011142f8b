//! Whom a driver knows: by address, and by what is due when.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_core::ConnectionId;
use tokio::time::Instant;

use super::association::Association;
use super::endpoint::Id;
use super::link::Path;
use crate::accept::Place;

/// Connection ids of a connection, all that it ever has.
const MOST_IDS: usize = 8;

/// How the associations of a driver are found.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: HashMap<Id, Known>,
    /// Hashed with a key of this map's own.
    by_path: HashMap<Path, Here>,
    /// Whose records have a connection id; all of one length.
    by_connection_id: HashMap<ConnectionId, Id>,
    /// All have so many bytes.
    id_length: usize,
    timers: BTreeSet<(Instant, Id)>,
    handshakes: usize,
}

#[derive(Debug)]
struct Known {
    association: Arc<Association>,
    /// Of its handshake; `None`: that is over, or nobody counts.
    handshake: Option<Option<Place>>,
    due: Option<Instant>,
    /// When it is forgotten.
    over_at: Option<Instant>,
    connection_ids: Vec<ConnectionId>,
}

/// Who is at an address.
#[derive(Clone, Copy, Debug)]
struct Here {
    current: Id,
    /// Somebody who says hello there although there is a connection: a client that has started anew, or who wants to
    /// look like it. It takes the other's place when its handshake is over, and not before.
    candidate: Option<Id>,
}

/// The same with whichever address of this host: who began here left that to the system.
const fn anywhere(path: &Path) -> Path {
    Path {
        peer: path.peer,
        local: None,
    }
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn handshakes(&self) -> usize {
        self.handshakes
    }

    pub(super) fn ids(&self) -> Vec<Id> {
        self.known.keys().copied().collect()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Arc<Association>> {
        self.known.get(&id).map(|known| &known.association)
    }

    /// Who is at an address, and who wants to be. One peer may be known at two addresses of this host (RFC 9147 §5.11).
    pub(super) fn at(&self, path: &Path) -> Option<(Arc<Association>, Option<Id>)> {
        let here = self.by_path.get(path);
        let here = here.or_else(|| self.by_path.get(&anywhere(path)))?;
        let current = self.known.get(&here.current)?;
        Some((Arc::clone(&current.association), here.candidate))
    }

    /// Where whoever is there is found, and whoever comes there: with a peer whom this side has called it is the one that
    /// was called.
    fn place_of(&self, path: &Path) -> Path {
        let any = anywhere(path);
        match !self.by_path.contains_key(path) && self.by_path.contains_key(&any) {
            true => any,
            false => *path,
        }
    }

    /// Whether the peer at an address is known, at any address of this host. It looks at all.
    pub(super) fn are_with(&self, peer: SocketAddr) -> bool {
        self.by_path.keys().any(|path| path.peer == peer)
    }

    /// A handshake begins.
    pub(super) fn add(&mut self, association: Arc<Association>, place: Option<Place>) {
        let id = association.id;
        let path = self.place_of(&association.path());
        let here = self.by_path.entry(path);
        here.and_modify(|here| here.candidate = Some(id))
            .or_insert(Here {
                current: id,
                candidate: None,
            });
        self.handshakes += 1;
        self.known.insert(
            id,
            Known {
                association,
                handshake: Some(place),
                due: None,
                over_at: None,
                connection_ids: Vec::new(),
            },
        );
    }

    /// Their ids will have so many bytes.
    pub(super) fn expect_ids(&mut self, length: usize) {
        self.id_length = length;
    }

    /// Who has the connection id that begins there, if any has.
    pub(super) fn identified(&self, datagram: &[u8]) -> Option<&Arc<Association>> {
        if self.by_connection_id.is_empty() {
            return None;
        }
        let id = self.id_in(datagram)?;
        self.get(*self.by_connection_id.get(&id)?)
    }

    /// A connection id that nobody here has.
    pub(super) fn unknown_id(&self, datagram: &[u8]) -> Option<ConnectionId> {
        let id = self.id_in(datagram)?;
        let is_known = self.by_connection_id.contains_key(&id);
        (!is_known).then_some(id)
    }

    fn id_in(&self, datagram: &[u8]) -> Option<ConnectionId> {
        if self.id_length == 0 {
            return None;
        }
        // RFC 9146 §4, RFC 9147 §4: behind type, version and number, or behind the first byte.
        let behind = match datagram.first()? {
            25 => datagram.get(11..)?,
            0x30..=0x3f => datagram.get(1..)?,
            _ => return None,
        };
        ConnectionId::new(behind.get(..self.id_length)?).ok()
    }

    /// The peer has this on its records from here on, or may have.
    pub(super) fn identify(&mut self, id: Id, connection_id: ConnectionId) {
        if let Some(known) = self.known.get_mut(&id)
            && !connection_id.is_empty()
        {
            known.connection_ids.push(connection_id);
            self.id_length = connection_id.len();
            self.by_connection_id.insert(connection_id, id);
        }
    }

    /// How many connection ids more it may have.
    pub(super) fn ids_left(&self, id: Id) -> usize {
        let known = self.known.get(&id);
        known.map_or(0, |known| {
            MOST_IDS.saturating_sub(known.connection_ids.len())
        })
    }

    /// A peer was followed from this address to where it is.
    pub(super) fn moved(&mut self, id: Id, from: Path) {
        let Some(known) = self.known.get(&id) else {
            return;
        };
        let to = self.place_of(&known.association.path());
        self.leave(id, from);
        // Whoever is there already is known by a connection id, too, or is another one, whose place that is.
        self.by_path.entry(to).or_insert(Here {
            current: id,
            candidate: None,
        });
    }

    /// A handshake is over. Gives the connection whose place it takes.
    pub(super) fn connected(&mut self, id: Id) -> Option<Arc<Association>> {
        let known = self.known.get_mut(&id)?;
        if known.handshake.take().is_some() {
            self.handshakes -= 1;
        }
        self.replace(id)
    }

    /// Makes the candidate of an address the one that is there. Gives who was.
    pub(super) fn replace(&mut self, id: Id) -> Option<Arc<Association>> {
        let path = self.place_of(&self.known.get(&id)?.association.path());
        let here = self.by_path.get_mut(&path)?;
        if here.candidate != Some(id) {
            return None;
        }
        let before = here.current;
        *here = Here {
            current: id,
            candidate: None,
        };
        self.known
            .get(&before)
            .map(|known| Arc::clone(&known.association))
    }

    pub(super) fn remove(&mut self, id: Id) {
        let Some(known) = self.known.remove(&id) else {
            return;
        };
        if known.handshake.is_some() {
            self.handshakes -= 1;
        }
        if let Some(due) = known.due {
            self.timers.remove(&(due, id));
        }
        for connection_id in known.connection_ids {
            self.by_connection_id.remove(&connection_id);
        }
        self.leave(id, known.association.path());
    }

    fn leave(&mut self, id: Id, path: Path) {
        let path = self.place_of(&path);
        let Some(here) = self.by_path.get_mut(&path) else {
            return;
        };
        if here.candidate == Some(id) {
            here.candidate = None;
        } else if here.current == id {
            match here.candidate.take() {
                Some(candidate) => here.current = candidate,
                None => {
                    self.by_path.remove(&path);
                }
            }
        }
    }

    /// Says when it is forgotten, if that was not said before.
    pub(super) fn over_at(&mut self, id: Id, at: Instant) {
        if let Some(known) = self.known.get_mut(&id) {
            known.over_at.get_or_insert(at);
        }
    }

    /// Says when something is due, besides its end.
    pub(super) fn set_due(&mut self, id: Id, due: Option<Instant>) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let due = match (due, known.over_at) {
            (Some(due), Some(over)) => Some(due.min(over)),
            (due, over) => due.or(over),
        };
        if due == known.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut known.due, due) {
            self.timers.remove(&(before, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }

    pub(super) fn first_due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next for whom something is due by now; whether it is to be forgotten.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Id, bool)> {
        let (at, id) = self.timers.first().copied().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&(at, id));
        let known = self.known.get_mut(&id)?;
        known.due = None;
        Some((id, known.over_at.is_some_and(|over| over <= now)))
    }
}
