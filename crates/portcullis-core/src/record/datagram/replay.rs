//! Which numbers were opened: each opens once.
//!
//! RFC 9147 §4.5.1. It is asked before a record is opened, and told after: a forged number moves nothing.

use super::Discarded;

/// How far back it reaches. BoringSSL's suite counts down in groups of 256.
const WIDTH: u64 = 256;

/// Of one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplayWindow {
    /// One more than the highest number that was opened.
    due: u64,
    /// Bit `n % 256` says whether `n` was, for the last 256.
    seen: [u64; 4],
}

impl ReplayWindow {
    /// The number that is due, if none is lost.
    pub(super) const fn due(&self) -> u64 {
        self.due
    }

    /// Whether a record with this number may be opened.
    pub(super) fn check(&self, number: u64) -> Result<(), Discarded> {
        if number >= self.due {
            return Ok(());
        }
        if self.due - number > WIDTH {
            return Err(Discarded::TooOld);
        }
        let (word, bit) = place(number);
        match self.seen.get(word).is_some_and(|word| word & bit != 0) {
            true => Err(Discarded::Replayed),
            false => Ok(()),
        }
    }

    /// A record with this number was opened.
    pub(super) fn mark(&mut self, number: u64) {
        if number >= self.due {
            // What comes into the window was not seen.
            let new = (number - self.due).min(WIDTH - 1);
            for skipped in number - new..=number {
                let (word, bit) = place(skipped);
                if let Some(word) = self.seen.get_mut(word) {
                    *word &= !bit;
                }
            }
            self.due = number + 1;
        }
        let (word, bit) = place(number);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
    }
}

const fn place(number: u64) -> (usize, u64) {
    let within = number % WIDTH;
    ((within / 64) as usize, 1 << (within % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_down_by_256() {
        let mut window = ReplayWindow::default();
        for group in 0..4 {
            for number in (group * 256..(group + 1) * 256).rev() {
                assert_eq!(window.check(number), Ok(()), "{number}");
                window.mark(number);
                assert_eq!(window.check(number), Err(Discarded::Replayed));
            }
        }
        assert_eq!(window.due(), 1_024);
        assert_eq!(window.check(1_024 - 257), Err(Discarded::TooOld));
    }

    proptest! {
        /// Against a set that forgets nothing.
        #[test]
        fn each_number_opens_once(steps in proptest::collection::vec((any::<bool>(), 0_u64..600), 1..300)) {
            let (mut window, mut all, mut highest) = (ReplayWindow::default(), BTreeSet::new(), None);
            for (ahead, step) in steps {
                let number = match highest {
                    None => step,
                    Some(highest) if ahead => highest + step,
                    Some(highest) => u64::saturating_sub(highest, step),
                };
                let expected = if all.contains(&number) && highest.unwrap() - number < WIDTH {
                    Err(Discarded::Replayed)
                } else if highest.is_some_and(|highest| number + WIDTH <= highest) {
                    Err(Discarded::TooOld)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(number), expected);
                if expected.is_ok() {
                    window.mark(number);
                    all.insert(number);
                    highest = highest.max(Some(number));
                }
            }
        }
    }
}
