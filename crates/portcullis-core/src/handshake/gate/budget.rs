//! How many hellos of those who may not be there are decrypted.

use core::time::Duration;

use crate::clock::Monotonic;

/// Keys that are tried in a second, unless something else is said. Each takes a key exchange, some 20 microseconds: a tenth of
/// a processor.
pub(super) const DEFAULT: u32 = 5_000;
/// For how long the budget may be spent ahead, so that who comes together is served.
const AHEAD: Duration = Duration::from_millis(100);

/// One number, whoever asks. What is over is dropped without a word, and clients say it again: who sends many hellos makes
/// others wait, since nobody can tell which addresses are forged, and keeps nobody out for good.
#[derive(Debug)]
pub(super) struct Budget {
    /// What one costs.
    each: Duration,
    /// Until when it is spent.
    spent: Duration,
}

impl Budget {
    pub(super) fn per_second(keys: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / keys.max(1),
            spent: Duration::ZERO,
        }
    }

    /// Whether there is something left for a hello on which so many keys are tried.
    pub(super) fn take(&mut self, tries: usize, now: Monotonic) -> bool {
        if tries == 0 {
            return true;
        }
        let from = self.spent.max(now.0);
        if from.saturating_sub(now.0) > AHEAD {
            return false;
        }
        let tries = u32::try_from(tries).unwrap_or(u32::MAX);
        self.spent = from.saturating_add(self.each.saturating_mul(tries));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic(Duration::from_millis(1_000 + milliseconds))
    }

    #[test]
    fn so_many_in_a_second_and_a_few_ahead() {
        for (per_second, tries) in [(1_000, 1), (1_000, 4), (100, 16), (1, 1)] {
            let mut budget = Budget::per_second(per_second);
            let asked = (0..10_000).filter(|milliseconds| budget.take(tries, at(*milliseconds)));
            let taken = asked.count() * tries;
            let (least, most) = (9 * per_second as usize, 11 * per_second as usize + tries);
            assert!((least..=most).contains(&taken), "{per_second}: {taken}");
        }
    }

    #[test]
    fn what_tries_no_key_costs_nothing_and_time_heals() {
        let mut budget = Budget::per_second(10);
        while budget.take(1, at(0)) {}
        assert!(budget.take(0, at(0)));
        assert!(!budget.take(1, at(90)));
        assert!(budget.take(1, at(1_000)));
    }
}
