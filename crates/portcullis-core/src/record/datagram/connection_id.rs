//! Connection ids: what stands on records so that they are known wherever they come from.
//!
//! RFC 9146 (DTLS 1.2); RFC 9147 §4, §9 (DTLS 1.3). Whoever receives chooses: the ids of this side all have one
//! length, because nothing in a header says how long one is.

use crate::crypto::CryptoFailure;
use crate::crypto::random::Random;
use crate::error::{Abort, Error, Stage};
use crate::misuse::Misuse;

/// How many ids of its own a side has given at most, and knows: the first, and those of NewConnectionId.
pub(super) const MOST_OWN: u8 = 8;
/// How many ids of the peer are kept beside the one in use.
pub(super) const MOST_SPARE: usize = 4;

/// A connection id. Whoever is to receive it has chosen it, and may look for its connections by it, because
/// the peer puts it on each of its protected records; an empty one is not put on any.
///
/// It is in the clear, so it must not tell anything, and nothing may follow from it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    length: u8,
    /// What is behind `length` are zeros.
    bytes: [u8; Self::MAX_LEN],
}

impl ConnectionId {
    /// The longest, in bytes, of either side. RFC 9146 has 255, which hardly a datagram has room for.
    pub const MAX_LEN: usize = 32;

    /// One that is put on no record: whoever offers it takes an id of the peer, and needs none itself.
    pub const EMPTY: Self = Self {
        length: 0,
        bytes: [0; Self::MAX_LEN],
    };

    /// # Errors
    /// When there are more than 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, Misuse> {
        Self::of(bytes).ok_or_else(|| {
            Misuse::new(format!(
                "connection_id: it has {} bytes, and {} are the most",
                bytes.len(),
                Self::MAX_LEN
            ))
        })
    }

    /// One that nobody can guess, if it has some bytes; 8 will do.
    ///
    /// # Errors
    /// When it were longer than 32 bytes, or there are no random bytes.
    pub fn random(length: usize) -> Result<Self, Error> {
        let mut bytes = vec![0; length];
        let filled = Random::system().fill(&mut bytes);
        filled
            .map_err(|failure| Abort::from(CryptoFailure::from(failure)))
            .and_then(|()| Self::new(&bytes).map_err(Abort::from))
            .map_err(|abort| abort.into_silent_error(Stage::Start))
    }

    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let mut id = Self::EMPTY;
        let length = u8::try_from(bytes.len()).ok()?;
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        id.length = length;
        Some(id)
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// How many bytes it has.
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    pub(super) const fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is put on no record.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl AsRef<[u8]> for ConnectionId {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl core::fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ConnectionId({self})")
    }
}

/// In hexadecimal digits.
impl core::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_slice()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What this side has given to the peer, as reading sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnIds {
    /// Of one length; none if the peer's records have none. As long as it is: mostly there is one, or none.
    ids: Box<[ConnectionId]>,
    /// Both sides have said that they know of connection ids.
    is_agreed: bool,
    /// The peer has an id on what it receives, too.
    pub(super) peer_has_one: bool,
    /// Both sides answer when they are asked where they are (RFC 9853).
    pub(super) checks_paths: bool,
}

impl OwnIds {
    /// What this side offers, or would answer with.
    pub(super) fn offer(id: Option<ConnectionId>) -> Self {
        Self {
            ids: id.into_iter().filter(|id| !id.is_empty()).collect(),
            ..Self::default()
        }
    }

    /// The peer has said so, too, and receives this one. An empty one counts as none.
    pub(super) fn agree(&mut self, theirs: ConnectionId, checks_paths: bool) {
        self.is_agreed = true;
        self.checks_paths = checks_paths;
        self.peer_has_one = !theirs.is_empty();
    }

    /// No more is waited for: without an answer there are none.
    pub(super) fn settle(&mut self) {
        if !self.is_agreed {
            self.ids = Box::default();
        }
    }

    pub(super) const fn is_agreed(&self) -> bool {
        self.is_agreed
    }

    /// Whether the peer's protected records have one.
    pub(super) fn is_used(&self) -> bool {
        self.is_agreed && !self.ids.is_empty()
    }

    /// How long they are; `None` if there are none.
    pub(super) fn len(&self) -> Option<usize> {
        self.ids.first().map(ConnectionId::len)
    }

    pub(super) fn first(&self) -> Option<ConnectionId> {
        self.ids.first().copied()
    }

    pub(super) fn contains(&self, bytes: &[u8]) -> bool {
        self.ids.iter().any(|id| id.as_slice() == bytes)
    }

    pub(super) fn add(&mut self, ids: &[ConnectionId]) {
        let mut own = core::mem::take(&mut self.ids).into_vec();
        for id in ids {
            if own.len() < MOST_OWN.into() && !own.contains(id) {
                own.push(*id);
            }
        }
        self.ids = own.into();
    }
}

/// What the peer wants on its records, as writing sees it.
#[derive(Clone, Debug)]
pub(super) struct PeerIds {
    pub(super) current: ConnectionId,
    spare: Vec<ConnectionId>,
}

impl Default for PeerIds {
    fn default() -> Self {
        Self {
            current: ConnectionId::EMPTY,
            spare: Vec::new(),
        }
    }
}

impl PeerIds {
    /// RFC 9147 §9: more than are wanted may be dropped. With `immediate` the first of them is used from here on.
    pub(super) fn add(&mut self, ids: &[ConnectionId], immediate: bool) {
        let (now, later) = match ids.split_first() {
            Some((now, later)) if immediate => (Some(now), later),
            _ => (None, ids),
        };
        if let Some(now) = now {
            // What the peer has given before it takes no more.
            self.spare.clear();
            self.current = *now;
        }
        for id in later {
            if self.spare.len() < MOST_SPARE && *id != self.current && !self.spare.contains(id) {
                self.spare.push(*id);
            }
        }
    }

    /// Goes on with the next one, in the order in which they came; whether there was one.
    pub(super) fn advance(&mut self) -> bool {
        if self.spare.is_empty() {
            return false;
        }
        self.current = self.spare.remove(0);
        true
    }

    pub(super) fn spare(&self) -> usize {
        self.spare.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        let id = ConnectionId::new(&[7; 32]).unwrap();
        assert_eq!((id.len(), id.as_slice()), (32, &[7; 32][..]));
        let error = ConnectionId::new(&[7; 33]).unwrap_err().to_string();
        assert_eq!(error, "connection_id: it has 33 bytes, and 32 are the most");
        assert_eq!(ConnectionId::new(&[]).unwrap(), ConnectionId::EMPTY);
        assert_eq!(ConnectionId::new(&[0xab, 1]).unwrap().to_string(), "ab01");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let id = |n: u8| ConnectionId::of(&[n; 8]).unwrap();
        let mut own = OwnIds::offer(Some(id(0)));
        own.add(&(0..50).map(id).collect::<Vec<_>>());
        assert_eq!(own.ids.len(), usize::from(MOST_OWN));
        let mut theirs = PeerIds::default();
        theirs.add(&(0..50).map(id).collect::<Vec<_>>(), false);
        assert_eq!((theirs.current, theirs.spare()), (ConnectionId::EMPTY, 4));
        assert!(theirs.advance());
        assert_eq!(theirs.current, id(0));
        theirs.add(&[id(9), id(10)], true);
        assert_eq!((theirs.current, theirs.spare()), (id(9), 1));
        assert!(theirs.advance() && !theirs.advance());
        assert_eq!(theirs.current, id(10));
    }
}
