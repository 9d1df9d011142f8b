//! Places for what a store keeps, with the order in which it came: a list through the places themselves, so that
//! nothing is sought and nothing moves.

/// The number of a place.
pub(crate) type Slot = u32;

/// No place: the end of the list, on either side.
const NONE: Slot = Slot::MAX;
/// How many places there are at most.
pub(crate) const MOST: usize = NONE as usize;

pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    oldest: Slot,
    newest: Slot,
    /// The first free place; the others follow by `newer`.
    free: Slot,
    len: usize,
}

struct Place<T> {
    older: Slot,
    newer: Slot,
    /// `None` in a free place.
    content: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
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
        self.places.get(slot as usize)?.content.as_ref()
    }

    /// The oldest one.
    pub(crate) fn oldest(&self) -> Option<(Slot, &T)> {
        Some((self.oldest, self.get(self.oldest)?))
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.places
            .iter()
            .filter_map(|place| place.content.as_ref())
    }

    /// Puts in the newest one; there are fewer than [`MOST`].
    pub(crate) fn insert(&mut self, content: T) -> Slot {
        let place = Place {
            older: self.newest,
            newer: NONE,
            content: Some(content),
        };
        let slot = match self.places.get_mut(self.free as usize) {
            Some(free) => {
                let slot = self.free;
                self.free = free.newer;
                *free = place;
                slot
            }
            None => {
                #[allow(clippy::cast_possible_truncation, reason = "there are fewer")]
                let slot = self.places.len() as Slot;
                self.places.push(place);
                slot
            }
        };
        match self.places.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let place = self.places.get_mut(slot as usize)?;
        let content = place.content.take()?;
        let (older, newer) = (place.older, place.newer);
        place.newer = self.free;
        self.free = slot;
        match self.places.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.places.get_mut(newer as usize) {
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
