//! How many hellos of those who may not be there are decrypted.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::hash::RandomState;

use crate::clock::Monotonic;

/// Keys that are tried in a second, unless something else is said. Each takes a key exchange, some 20 microseconds: a tenth of
/// a processor.
pub(super) const DEFAULT: u32 = 5_000;
/// For how long the budget may be spent ahead, so that who comes together is served.
const AHEAD: Duration = Duration::from_millis(100);

/// One number, whoever asks. What is over is dropped without a word, and clients say it again: whoever sends many hellos makes
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

/// Sets of hosts that have a share each.
const SETS: u32 = 256;
/// For how long a host is in the same set as others: a client that says its hello again is then not where it was.
const SHUFFLED: Duration = Duration::from_secs(1);

/// A budget for hosts that have shown that they are there, so one can be told from another. One half is for whoever comes
/// first, the other is shared out: what one host takes leaves all others but those of its set theirs, and those have
/// another set a second later.
#[derive(Debug)]
pub(super) struct HostBudget {
    first_come: Budget,
    /// Until when each set has spent what it has; allocated when somebody comes.
    sets: Vec<Budget>,
    /// What there is for each set in a second.
    each: Duration,
    hosts: RandomState,
    shuffled: Duration,
}

impl HostBudget {
    pub(super) fn per_second(keys: u32) -> Self {
        let first_come = Budget {
            each: Budget::per_second(keys).each.saturating_mul(2),
            spent: Duration::ZERO,
        };
        Self {
            each: first_come.each.saturating_mul(SETS),
            first_come,
            sets: Vec::new(),
            hosts: RandomState::new(),
            shuffled: Duration::ZERO,
        }
    }

    /// Whether there is something left for this host, on whose hello one key is tried.
    pub(super) fn take(&mut self, host: &[u8], now: Monotonic) -> bool {
        if self.sets.is_empty() {
            let (each, spent) = (self.each, Duration::ZERO);
            let sets = (0..SETS).map(|_| Budget { each, spent });
            self.sets = sets.collect();
        }
        if now.0.saturating_sub(self.shuffled) >= SHUFFLED {
            self.hosts = RandomState::new();
            self.shuffled = now.0;
        }
        let set = (self.hosts.hash_one(host) % u64::from(SETS)) as usize;
        let own = self.sets.get_mut(set);
        own.is_some_and(|own| own.take(1, now)) || self.first_come.take(1, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One host asks for far more than there is, for ten seconds; a hundred others come once, say it again every 400 ms as
    /// clients do, and are all served within seconds.
    #[test]
    fn one_host_does_not_take_what_others_need() {
        let mut budget = HostBudget::per_second(5_000);
        let mut taken = 0;
        let mut waiting: Vec<u32> = (0..100).collect();
        for time in 0..10_000 {
            taken += (0..20).filter(|_| budget.take(b"many", at(time))).count();
            if time % 400 == 399 {
                waiting.retain(|host| !budget.take(&host.to_be_bytes(), at(time)));
            }
        }
        assert_eq!(waiting, []);
        // Half of all, and what its sets had.
        assert!((25_000..27_500).contains(&taken), "{taken}");
    }

    #[test]
    fn all_hosts_together_have_what_there_is() {
        let mut budget = HostBudget::per_second(5_000);
        let mut taken = 0;
        for time in 0..10_000 {
            let host = |one: u32| (time as u32 * 20 + one).to_be_bytes();
            taken += (0..20)
                .filter(|one| budget.take(&host(*one), at(time)))
                .count();
        }
        assert!((45_000..52_000).contains(&taken), "{taken}");
    }

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
