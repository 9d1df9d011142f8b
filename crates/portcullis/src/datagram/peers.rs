//! Whom a driver knows: by address, and by what is due when.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    by_path: Paths,
    /// Who says hello at the address of a connection, by whose that is: a client that has started anew, or who wants to
    /// look like it. It takes the other's place when its handshake is over, and not before.
    candidates: HashMap<Id, Id>,
    /// Whose records have a connection id; all of one length.
    by_connection_id: HashMap<ConnectionId, Id>,
    /// All have so many bytes.
    id_length: usize,
    timers: BTreeSet<(Instant, Id)>,
    handshakes: usize,
}

/// Tables are half empty behind a step of their growth, so there is little in them.
#[derive(Debug)]
struct Known {
    association: Arc<Association>,
    /// There while it holds something.
    rest: Option<Box<Rest>>,
}

/// What the driver knows of one with whom something is under way, or whose records have a connection id.
#[derive(Debug, Default)]
struct Rest {
    /// Of its handshake; `None`: that is over, or nobody counts.
    handshake: Option<Option<Place>>,
    due: Option<Instant>,
    /// When it is forgotten.
    over_at: Option<Instant>,
    connection_ids: Vec<ConnectionId>,
}

impl Known {
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn due(&self) -> Option<Instant> {
        self.rest.as_ref()?.due
    }

    fn over_at(&self) -> Option<Instant> {
        self.rest.as_ref()?.over_at
    }

    fn tidy(&mut self) {
        tidy(&mut self.rest);
    }
}

/// Gives back what holds nothing.
fn tidy(rest: &mut Option<Box<Rest>>) {
    rest.take_if(|rest| {
        rest.handshake.is_none()
            && rest.due.is_none()
            && rest.over_at.is_none()
            && rest.connection_ids.is_empty()
    });
}

/// Who is at which address. Hashed with keys of these maps' own.
#[derive(Debug, Default)]
struct Paths {
    /// A third as long as the others.
    v4: HashMap<PathV4, Id>,
    others: HashMap<Path, Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PathV4 {
    peer: (Ipv4Addr, u16),
    local: Option<Ipv4Addr>,
}

impl PathV4 {
    fn of(path: &Path) -> Option<Self> {
        let SocketAddr::V4(peer) = path.peer else {
            return None;
        };
        let local = match path.local {
            Some(IpAddr::V4(local)) => Some(local),
            Some(IpAddr::V6(_)) => return None,
            None => None,
        };
        Some(Self {
            peer: (*peer.ip(), peer.port()),
            local,
        })
    }
}

impl Paths {
    fn get(&self, path: &Path) -> Option<Id> {
        let here = match PathV4::of(path) {
            Some(path) => self.v4.get(&path),
            None => self.others.get(path),
        };
        here.copied()
    }

    /// Whoever is there makes no room.
    fn enter(&mut self, path: Path, id: Id) -> Id {
        let place = match PathV4::of(&path) {
            Some(path) => self.v4.entry(path).or_insert(id),
            None => self.others.entry(path).or_insert(id),
        };
        *place
    }

    fn set(&mut self, path: Path, id: Id) {
        let _before = match PathV4::of(&path) {
            Some(path) => self.v4.insert(path, id),
            None => self.others.insert(path, id),
        };
    }

    fn remove(&mut self, path: &Path) {
        let _before = match PathV4::of(path) {
            Some(path) => self.v4.remove(&path),
            None => self.others.remove(path),
        };
    }

    /// Whether somebody is known at this address of a peer. It looks at all.
    fn are_with(&self, peer: SocketAddr) -> bool {
        let is_v4 = |path: &PathV4| SocketAddr::from(path.peer) == peer;
        self.v4.keys().any(is_v4) || self.others.keys().any(|path| path.peer == peer)
    }
}

/// The same with whichever address of this host: a client that began here left that to the system.
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
        let current = self.known.get(&here)?;
        let candidate = self.candidates.get(&here).copied();
        Some((Arc::clone(&current.association), candidate))
    }

    /// Where whoever is there is found, and whoever comes there: with a peer whom this side has called it is the one that
    /// was called.
    fn place_of(&self, path: &Path) -> Path {
        let any = anywhere(path);
        match self.by_path.get(path).is_none() && self.by_path.get(&any).is_some() {
            true => any,
            false => *path,
        }
    }

    /// Whether the peer at an address is known, at any address of this host. It looks at all.
    pub(super) fn are_with(&self, peer: SocketAddr) -> bool {
        self.by_path.are_with(peer)
    }

    /// A handshake begins.
    pub(super) fn add(&mut self, association: Arc<Association>, place: Option<Place>) {
        let id = association.id;
        let path = self.place_of(&association.path());
        let current = self.by_path.enter(path, id);
        if current != id {
            self.candidates.insert(current, id);
        }
        self.handshakes += 1;
        let rest = Rest {
            handshake: Some(place),
            ..Rest::default()
        };
        let rest = Some(Box::new(rest));
        self.known.insert(id, Known { association, rest });
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
            let ids = &mut known.rest().connection_ids;
            ids.reserve_exact(1);
            ids.push(connection_id);
            self.id_length = connection_id.len();
            self.by_connection_id.insert(connection_id, id);
        }
    }

    /// How many connection ids more it may have.
    pub(super) fn ids_left(&self, id: Id) -> usize {
        let known = self.known.get(&id);
        known.map_or(0, |known| {
            let rest = known.rest.as_ref();
            MOST_IDS.saturating_sub(rest.map_or(0, |rest| rest.connection_ids.len()))
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
        self.by_path.enter(to, id);
    }

    /// A handshake is over. Gives the connection whose place it takes.
    pub(super) fn connected(&mut self, id: Id) -> Option<Arc<Association>> {
        let known = self.known.get_mut(&id)?;
        if let Some(rest) = &mut known.rest
            && rest.handshake.take().is_some()
        {
            self.handshakes -= 1;
        }
        known.tidy();
        self.replace(id)
    }

    /// Makes the candidate of an address the one that is there. Gives who was.
    pub(super) fn replace(&mut self, id: Id) -> Option<Arc<Association>> {
        let path = self.place_of(&self.known.get(&id)?.association.path());
        let before = self.by_path.get(&path)?;
        if self.candidates.get(&before) != Some(&id) {
            return None;
        }
        self.candidates.remove(&before);
        self.by_path.set(path, id);
        self.known
            .get(&before)
            .map(|known| Arc::clone(&known.association))
    }

    pub(super) fn remove(&mut self, id: Id) {
        let Some(known) = self.known.remove(&id) else {
            return;
        };
        let rest = known.rest.map(|rest| *rest).unwrap_or_default();
        if rest.handshake.is_some() {
            self.handshakes -= 1;
        }
        if let Some(due) = rest.due {
            self.timers.remove(&(due, id));
        }
        for connection_id in rest.connection_ids {
            self.by_connection_id.remove(&connection_id);
        }
        self.leave(id, known.association.path());
    }

    fn leave(&mut self, id: Id, path: Path) {
        let path = self.place_of(&path);
        let Some(current) = self.by_path.get(&path) else {
            return;
        };
        if current == id {
            match self.candidates.remove(&id) {
                Some(candidate) => self.by_path.set(path, candidate),
                None => self.by_path.remove(&path),
            }
        } else if self.candidates.get(&current) == Some(&id) {
            self.candidates.remove(&current);
        }
    }

    /// Says when it is forgotten, if that was not said before.
    pub(super) fn over_at(&mut self, id: Id, at: Instant) {
        if let Some(known) = self.known.get_mut(&id) {
            known.rest().over_at.get_or_insert(at);
        }
    }

    /// Says when something is due, besides its end.
    pub(super) fn set_due(&mut self, id: Id, due: Option<Instant>) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let due = match (due, known.over_at()) {
            (Some(due), Some(over)) => Some(due.min(over)),
            (due, over) => due.or(over),
        };
        if due == known.due() {
            return;
        }
        let before = std::mem::replace(&mut known.rest().due, due);
        known.tidy();
        if let Some(before) = before {
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
        let is_over = known.over_at().is_some_and(|over| over <= now);
        known.rest().due = None;
        known.tidy();
        Some((id, is_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each address of a peer, with each address of this host, is one of its own, in whichever table it is.
    #[test]
    fn addresses_are_told_apart() {
        let path = |peer: &str, local: Option<&str>| Path {
            peer: peer.parse().unwrap(),
            local: local.map(|local| local.parse().unwrap()),
        };
        let all = [
            path("192.0.2.1:1", None),
            path("192.0.2.1:2", None),
            path("192.0.2.2:1", None),
            path("192.0.2.1:1", Some("198.51.100.1")),
            path("192.0.2.1:1", Some("::ffff:198.51.100.1")),
            path("[::ffff:192.0.2.1]:1", None),
            path("[2001:db8::1]:1", None),
            path("[2001:db8::1]:2", None),
            path("[2001:db8::1]:1", Some("2001:db8::2")),
            path("[fe80::1%1]:1", None),
            path("[fe80::1%2]:1", None),
        ];
        let mut paths = Paths::default();
        for (id, path) in (1..).zip(all) {
            assert_eq!(paths.get(&path), None);
            assert_eq!(paths.enter(path, id), id);
            assert_eq!(paths.enter(path, 100), id, "whoever is there stays");
        }
        assert_eq!(paths.v4.len(), 4);
        for (id, path) in (1..).zip(all) {
            assert_eq!(paths.get(&path), Some(id));
            assert!(paths.are_with(path.peer));
        }
        paths.set(all[3], 50);
        assert_eq!(paths.get(&all[3]), Some(50));
        assert_eq!(paths.get(&all[0]), Some(1));
        for path in &all {
            paths.remove(path);
            assert_eq!(paths.get(path), None);
        }
        assert!(all.iter().all(|path| !paths.are_with(path.peer)));
    }

    /// What a connection needs only for a while, it has only for a while.
    #[test]
    fn what_holds_nothing_is_given_back() {
        let rest = Rest {
            due: Some(Instant::now()),
            ..Rest::default()
        };
        let mut rest = Some(Box::new(rest));
        tidy(&mut rest);
        assert!(rest.is_some());
        rest.as_mut().unwrap().due = None;
        tidy(&mut rest);
        assert!(rest.is_none());
    }
}
