//! Sockets at one address: what comes to one of them for a connection of another.
//!
//! The system gives a datagram to a socket by the addresses in it, so those of a peer that has moved come to any. Whose they are
//! says the first byte of the connection id that they have (RFC 9146 §4, RFC 9147 §4): which socket's connection that is.

use std::sync::{Arc, OnceLock, Weak};

use portcullis_core::ConnectionId;

use super::endpoint::Endpoint;
use super::link::Path;
use super::lock;
use crate::error::Error;
use crate::metrics::{self, Way};

/// As many as a byte tells apart.
pub(super) const MOST_SOCKETS: usize = 256;
/// How many datagrams wait for another driver at most, and how many bytes of them.
const MOST_HANDED: (usize, usize) = (1_024, 1 << 20);

/// Which of them this is; of a socket that is alone, nothing.
#[derive(Debug, Default)]
pub(super) struct Group(OnceLock<(u8, Arc<[Weak<Endpoint>]>)>);

/// What another driver has received for this one.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) datagrams: Vec<(Path, Vec<u8>)>,
    bytes: usize,
}

impl Handed {
    /// Whether there was room for it.
    pub(super) fn put(&mut self, path: Path, datagram: &[u8]) -> bool {
        let (most, most_bytes) = MOST_HANDED;
        let has_room = self.datagrams.len() < most && self.bytes + datagram.len() <= most_bytes;
        if has_room {
            self.bytes += datagram.len();
            self.datagrams.push((path, datagram.to_vec()));
        }
        has_room
    }
}

/// Makes a group of them, of at most 256; before any of them has a connection.
pub(super) fn join(endpoints: &[Arc<Endpoint>]) {
    let all: Arc<[_]> = endpoints.iter().map(Arc::downgrade).collect();
    for (endpoint, index) in endpoints.iter().zip(0..=u8::MAX) {
        let _again = endpoint.group.0.set((index, Arc::clone(&all)));
    }
}

impl Endpoint {
    /// Whether there are others at its address.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.group.0.get().is_some_and(|(_, all)| all.len() > 1)
    }

    /// A connection id for one of its connections, that nobody can guess.
    pub(super) fn connection_id(&self, length: usize) -> Result<ConnectionId, Error> {
        let random = ConnectionId::random(length)?;
        let Some((index, _)) = self.group.0.get() else {
            return Ok(random);
        };
        let mut bytes = random.as_slice().to_vec();
        if let Some(first) = bytes.first_mut() {
            *first = *index;
        }
        Ok(ConnectionId::new(&bytes)?)
    }

    /// Gives a datagram with a connection id that is none of its own to the socket that it names. `false`: it names
    /// none.
    pub(super) fn hand_over(&self, id: &ConnectionId, path: Path, datagram: &[u8]) -> bool {
        let Some((own, all)) = self.group.0.get() else {
            return false;
        };
        let Some(named) = id.as_slice().first().filter(|named| *named != own) else {
            return false;
        };
        let Some(other) = all.get(usize::from(*named)) else {
            return false;
        };
        // Without anybody there, it is lost as if that were a socket alone that was closed.
        let is_taken = other
            .upgrade()
            .is_some_and(|other| other.with_bell(|bell| bell.hand(path, datagram)));
        metrics::passed_on(Way::HandedOver, is_taken);
        let mut statistics = lock(&self.statistics);
        match is_taken {
            true => statistics.handed_over += 1,
            false => statistics.handed_over_full += 1,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::NOWHERE;
    use super::*;

    #[test]
    fn what_waits_for_another_driver_is_bounded() {
        for (length, most) in [(100, 1_024), (10_000, 104), (60_000, 17)] {
            let mut handed = Handed::default();
            let datagram = vec![0; length];
            let taken = (0..2_000).filter(|_| handed.put(NOWHERE, &datagram));
            assert_eq!(taken.count(), most, "{length}");
        }
    }
}
