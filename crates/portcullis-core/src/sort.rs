//! Sorting where it is not often: the comparison is asked through a pointer, so that one sort is compiled for all
//! types. The standard library's is compiled anew for each, with 5 to 10 KB.

use core::cmp::Ordering;

/// The places `0..count` in this order; equal ones stay as they are.
pub(crate) fn places(count: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    /// What can be copied has a sort of its own in the standard library, which is quick and large.
    struct Place(usize);
    let mut places: Vec<_> = (0..count).map(Place).collect();
    places.sort_unstable_by(|one, other| order(one.0, other.0).then(one.0.cmp(&other.0)));
    places.into_iter().map(|place| place.0).collect()
}

/// Sorts; equal ones stay as they are.
pub(crate) fn sort_by<T>(items: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) {
    let places = places(
        items.len(),
        &|one, other| match (items.get(one), items.get(other)) {
            (Some(one), Some(other)) => order(one, other),
            _ => Ordering::Equal,
        },
    );
    arrange(items, places);
}

/// Sorts by a key that is made once for each; equal ones stay as they are.
pub(crate) fn sort_by_cached_key<T, K: Ord>(items: &mut Vec<T>, key: impl FnMut(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    let places = places(keys.len(), &|one, other| {
        keys.get(one).cmp(&keys.get(other))
    });
    arrange(items, places);
}

fn arrange<T>(items: &mut Vec<T>, places: Vec<usize>) {
    let mut all: Vec<_> = items.drain(..).map(Some).collect();
    items.extend(places.into_iter().filter_map(|at| all.get_mut(at)?.take()));
}

/// Sorts.
pub(crate) fn sort<T: Ord>(items: &mut Vec<T>) {
    sort_by(items, T::cmp);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_stay_in_their_order() {
        for count in [0, 1, 2, 3, 20, 21, 500] {
            let mut items: Vec<_> = (0..count).map(|at| (at * 7919 % 13, at)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by(&mut items, |one, other| one.0.cmp(&other.0));
            assert_eq!(items, expected);
            items.sort_by_key(|(_, at)| *at);
            sort_by_cached_key(&mut items, |one| one.0);
            assert_eq!(items, expected);
            items.reverse();
            sort(&mut items);
            assert_eq!(items, expected);
        }
    }
}
