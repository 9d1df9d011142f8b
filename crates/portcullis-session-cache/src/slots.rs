//! Places for what a store keeps, with the order in which it came: a list through the places themselves, so that
//! nothing is sought and nothing moves.

/// The number of a place.
pub(crate) type Slot = u32;

/// No place: the end of a list, on either side.
pub(crate) const NONE: Slot = Slot::MAX;
/// How many places there are at most.
pub(crate) const MOST: usize = NONE as usize;

/// The list is apart from what it is of: to take one out of it is to look at its neighbours, of which so many are in a
/// cache where hardly any of the contents would be.
pub(crate) struct Slots<T> {
    /// `None` in a free place.
    contents: Vec<Option<T>>,
    links: Vec<Link>,
    oldest: Slot,
    newest: Slot,
    /// The first free place; the others follow by `newer`.
    free: Slot,
    len: usize,
}

struct Link {
    older: Slot,
    newer: Slot,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            contents: Vec::new(),
            links: Vec::new(),
            oldest: NONE,
            newest: NONE,
            free: NONE,
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.contents.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.contents.get_mut(slot as usize)?.as_mut()
    }

    /// The oldest one.
    pub(crate) fn oldest(&self) -> Option<(Slot, &T)> {
        Some((self.oldest, self.get(self.oldest)?))
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.contents.iter().flatten()
    }

    /// Puts in the newest one; there are fewer than [`MOST`].
    pub(crate) fn insert(&mut self, content: T) -> Slot {
        let link = Link {
            older: self.newest,
            newer: NONE,
        };
        let free = self.free as usize;
        let slot = match (self.contents.get_mut(free), self.links.get_mut(free)) {
            (Some(place), Some(next)) => {
                let slot = self.free;
                self.free = next.newer;
                (*place, *next) = (Some(content), link);
                slot
            }
            _ => {
                #[allow(clippy::cast_possible_truncation, reason = "there are fewer")]
                let slot = self.contents.len() as Slot;
                self.contents.push(Some(content));
                self.links.push(link);
                slot
            }
        };
        match self.links.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let content = self.contents.get_mut(slot as usize)?.take()?;
        let link = self.links.get_mut(slot as usize)?;
        let (older, newer) = (link.older, link.newer);
        link.newer = self.free;
        self.free = slot;
        match self.links.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        self.len -= 1;
        Some(content)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// As a queue from which anything can be taken.
        #[test]
        fn the_order_of_coming(deeds in proptest::collection::vec(0..100_usize, 0..200)) {
            let (mut slots, mut queue) = (Slots::default(), VecDeque::new());
            for (number, deed) in deeds.into_iter().enumerate() {
                if deed < 50 || queue.is_empty() {
                    queue.push_back((slots.insert(number), number));
                } else {
                    let (slot, number) = queue.remove(deed % queue.len()).unwrap();
                    prop_assert_eq!(slots.get(slot), Some(&number));
                    prop_assert_eq!(slots.remove(slot), Some(number));
                    prop_assert_eq!(slots.remove(slot), None);
                }
                prop_assert_eq!(slots.len(), queue.len());
                prop_assert_eq!(slots.all().count(), queue.len());
                let oldest = slots.oldest().map(|(slot, number)| (slot, *number));
                prop_assert_eq!(oldest, queue.front().copied());
            }
            // In the order of their coming to the last one.
            while let Some((slot, _)) = slots.oldest() {
                prop_assert_eq!(slots.remove(slot), queue.pop_front().map(|(_, number)| number));
            }
            prop_assert!(queue.is_empty());
        }
    }
}
