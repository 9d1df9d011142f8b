//! The two tables of the file, in one transaction.

use std::ops::Bound;

use redb::{
    ReadableTable as _, ReadableTableMetadata as _, Table, TableDefinition, WriteTransaction,
};
use rustls_pki_types::UnixTime;

use super::{Key, Kinds};
use crate::sealed::{Place, end};

/// Sealed sessions.
const SESSIONS: TableDefinition<'_, [u8; Key::LEN], &[u8]> = TableDefinition::new("sessions 1");
/// The same keys, in the order in which sessions expire.
const BY_END: TableDefinition<'_, (u64, [u8; Key::LEN]), ()> = TableDefinition::new("by end 1");

/// How many sessions one page has.
const PAGE: usize = 256;
/// How many are removed at most with one commit.
const MOST_REMOVED: usize = 4_096;

/// An error of redb's, boxed: it is long, and there seldom is one.
pub(super) struct Fault(pub(super) Box<redb::Error>);

impl<E> From<E> for Fault
where
    redb::Error: From<E>,
{
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

pub(super) type Answer<T> = Result<T, Fault>;

pub(super) struct Tables<'a> {
    sessions: Table<'a, [u8; Key::LEN], &'static [u8]>,
    by_end: Table<'a, (u64, [u8; Key::LEN]), ()>,
    /// Whether there is anything to be written.
    pub(super) changed: bool,
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Answer<Self> {
        Ok(Self {
            sessions: transaction.open_table(SESSIONS)?,
            by_end: transaction.open_table(BY_END)?,
            changed: false,
        })
    }

    pub(super) fn get(&self, key: Key) -> Answer<Option<Vec<u8>>> {
        let found = self.sessions.get(&key.0)?;
        Ok(found.map(|sealed| sealed.value().to_vec()))
    }

    pub(super) fn put(&mut self, key: Key, sealed: &[u8]) -> Answer<()> {
        self.remove(key)?;
        self.sessions.insert(&key.0, sealed)?;
        self.by_end.insert((end(sealed).as_secs(), key.0), ())?;
        self.changed = true;
        Ok(())
    }

    pub(super) fn remove(&mut self, key: Key) -> Answer<Option<Vec<u8>>> {
        let removed = self.sessions.remove(&key.0)?;
        let removed = removed.map(|sealed| sealed.value().to_vec());
        if let Some(sealed) = &removed {
            self.by_end.remove((end(sealed).as_secs(), key.0))?;
            self.changed = true;
        }
        Ok(removed)
    }

    /// The keys of one place, the oldest first.
    pub(super) fn keys_of(&self, kind: u8, place: &Place) -> Answer<Vec<Key>> {
        let (first, last) = (Key::new(kind, place, 0), Key::new(kind, place, u64::MAX));
        let mut keys = Vec::new();
        for entry in self.sessions.range(first.0..=last.0)? {
            keys.push(Key(entry?.0.value()));
        }
        Ok(keys)
    }

    pub(super) fn count(&self, (first, last): Kinds) -> Answer<usize> {
        let (first, last) = (below(first), above(last));
        let mut count = 0;
        for entry in self.sessions.range(first..=last)? {
            entry?;
            count += 1;
        }
        Ok(count)
    }

    /// The next ones of some kinds.
    pub(super) fn page(
        &self,
        (first, last): Kinds,
        after: Option<Key>,
    ) -> Answer<Vec<(Key, Vec<u8>)>> {
        let from = match &after {
            Some(after) => Bound::Excluded(after.0),
            None => Bound::Included(below(first)),
        };
        let range = (from, Bound::Included(above(last)));
        let mut page = Vec::new();
        for entry in self.sessions.range::<[u8; Key::LEN]>(range)?.take(PAGE) {
            let (key, sealed) = entry?;
            page.push((Key(key.value()), sealed.value().to_vec()));
        }
        Ok(page)
    }

    /// Removes what has expired, and what is too much.
    pub(super) fn sweep(&mut self, now: UnixTime, capacity: u64) -> Answer<()> {
        for _ in 0..MOST_REMOVED {
            let Some(first) = self.by_end.first()?.map(|(first, _)| first.value()) else {
                break;
            };
            let (end, key) = first;
            if end > now.as_secs() && self.sessions.len()? <= capacity {
                break;
            }
            self.by_end.remove(first)?;
            self.sessions.remove(&key)?;
            self.changed = true;
        }
        Ok(())
    }
}

/// The first key of a kind, and the last.
fn below(kind: u8) -> [u8; Key::LEN] {
    Key::new(kind, &Place([0; 32]), 0).0
}

fn above(kind: u8) -> [u8; Key::LEN] {
    Key::new(kind, &Place([0xff; 32]), u64::MAX).0
}
