//! Whoever remembers, for all servers that open the same tickets, which early data was accepted.

use std::collections::{HashMap, VecDeque};
#[cfg(not(portcullis_loom))]
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[cfg(portcullis_loom)]
use loom::sync::Mutex;

use crate::StoreFuture;

/// What a [`ReplayGuard`] says to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has claimed it before, and nobody else will be told so: the early data is accepted.
    First,
    /// Somebody has.
    Seen,
    /// Nobody can tell. The handshake goes on without early data.
    Unavailable,
}

/// Sees to it that early data is accepted once by all servers that open the same tickets (RFC 8446
/// §8).
///
/// A guard remembers claims. It may forget one when the claim's lifetime has passed by the clock of
/// who remembers it, and not before: not to make room, not in a restart, and not when another machine
/// takes over. What may have forgotten answers [`Unavailable`](Claim::Unavailable) to everything
/// until one lifetime has passed since; so it does after its start. A cache that evicts, or one that
/// fails over and loses its last writes, is not fit to be one, unless it knows when that has
/// happened.
///
/// The client waits for the answer: one that is later than a tenth of the time the handshake may take,
/// or a second, is as `Unavailable`.
pub trait ReplayGuard: Send + Sync + 'static {
    /// Claims what this token names: the first 16 bytes of a digest, the same on every server, and no
    /// secret. Of all who claim it within `lifetime` exactly one is told [`Claim::First`].
    ///
    /// # Cancel safety
    /// Dropped when it took too long, or the connection is given up; then it may be claimed all the same.
    fn claim<'a>(&'a self, token: &'a [u8; 16], lifetime: Duration) -> StoreFuture<'a, Claim>;
}

/// A guard in memory, for the acceptors of one process that share ticket keys. It remembers exactly
/// what it is told, and counts time by a clock that nobody sets.
///
/// Restarted, it answers [`Claim::Unavailable`] until one lifetime has passed. It cannot know of other processes:
/// with keys that these have, too, it lets replays through.
#[derive(Debug)]
pub struct MemoryReplayGuard {
    capacity: usize,
    since: Instant,
    claims: Mutex<Claims>,
}

#[derive(Debug, Default)]
struct Claims {
    /// Until when.
    known: HashMap<[u8; 16], Instant>,
    /// In the order of the claims, in which they end, too, where all have one lifetime.
    in_order: VecDeque<([u8; 16], Instant)>,
}

impl MemoryReplayGuard {
    /// Remembers at most so many claims at a time, of about 100 bytes each; while there are as many it
    /// answers [`Claim::Unavailable`]. A claim lives for 81 seconds, unless another window was configured.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_session_cache::*; }
    /// use portcullis::MemoryReplayGuard;
    ///
    /// let guard = MemoryReplayGuard::new(100_000);
    /// ```
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            since: Instant::now(),
            claims: Mutex::new(Claims::default()),
        }
    }

    fn claim_at(&self, token: &[u8; 16], lifetime: Duration, now: Instant) -> Claim {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = now.checked_add(lifetime) else {
            return Claim::Unavailable;
        };
        claims.forget(now);
        if claims.known.get(token).is_some_and(|until| *until > now) {
            return Claim::Seen;
        }
        if claims.in_order.len() >= self.capacity {
            return Claim::Unavailable;
        }
        claims.known.insert(*token, until);
        claims.in_order.push_back((*token, until));
        match now.duration_since(self.since) > lifetime {
            true => Claim::First,
            false => Claim::Unavailable,
        }
    }

    /// As if it had been there for an hour.
    #[cfg(test)]
    fn old(capacity: usize) -> (Self, Instant) {
        let this = Self::new(capacity);
        let now = this.since + Duration::from_secs(3_600);
        (this, now)
    }
}

impl Claims {
    /// Drops what has ended, from the oldest on. One that ends before an older one has to wait for it.
    fn forget(&mut self, now: Instant) {
        while let Some((token, until)) = self.in_order.front()
            && *until <= now
        {
            // It may have been claimed once more.
            if self.known.get(token).is_some_and(|until| *until <= now) {
                self.known.remove(token);
            }
            self.in_order.pop_front();
        }
    }
}

impl ReplayGuard for MemoryReplayGuard {
    fn claim<'a>(&'a self, token: &'a [u8; 16], lifetime: Duration) -> StoreFuture<'a, Claim> {
        let claim = self.claim_at(token, lifetime, Instant::now());
        Box::pin(std::future::ready(claim))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(80);

    #[test]
    fn once_within_its_lifetime() {
        let (guard, now) = MemoryReplayGuard::old(10);
        assert_eq!(guard.claim_at(&[1; 16], LIFETIME, now), Claim::First);
        assert_eq!(guard.claim_at(&[2; 16], LIFETIME, now), Claim::First);
        for seconds in 0..80 {
            let at = now + Duration::from_secs(seconds);
            assert_eq!(guard.claim_at(&[1; 16], LIFETIME, at), Claim::Seen);
        }
        // Then no window would let it in.
        let at = now + LIFETIME;
        assert_eq!(guard.claim_at(&[1; 16], LIFETIME, at), Claim::First);
    }

    #[test]
    fn nothing_after_a_start() {
        let guard = MemoryReplayGuard::new(10);
        for (seconds, said) in [
            (0, Claim::Unavailable),
            (80, Claim::Unavailable),
            (81, Claim::First),
        ] {
            let at = guard.since + Duration::from_secs(seconds);
            let token = [seconds as u8; 16];
            assert_eq!(guard.claim_at(&token, LIFETIME, at), said, "{seconds}");
        }
        // What was claimed meanwhile is known.
        let at = guard.since + Duration::from_secs(81);
        assert_eq!(guard.claim_at(&[80; 16], LIFETIME, at), Claim::Seen);
    }

    #[test]
    fn a_full_one_forgets_nothing_that_lives() {
        let (guard, now) = MemoryReplayGuard::old(2);
        let later = now + Duration::from_secs(40);
        assert_eq!(guard.claim_at(&[1; 16], LIFETIME, now), Claim::First);
        assert_eq!(guard.claim_at(&[2; 16], LIFETIME, later), Claim::First);
        assert_eq!(
            guard.claim_at(&[3; 16], LIFETIME, later),
            Claim::Unavailable
        );
        assert_eq!(guard.claim_at(&[1; 16], LIFETIME, later), Claim::Seen);
        // One has ended.
        let at = now + LIFETIME;
        assert_eq!(guard.claim_at(&[3; 16], LIFETIME, at), Claim::First);
        assert_eq!(guard.claim_at(&[4; 16], LIFETIME, at), Claim::Unavailable);
        assert_eq!(guard.claim_at(&[2; 16], LIFETIME, at), Claim::Seen);
    }

    /// One that ends late holds back those behind it, which can be claimed again, and are known then.
    #[test]
    fn lifetimes_of_two_lengths() {
        let (guard, now) = MemoryReplayGuard::old(10);
        let at = |seconds| now + Duration::from_secs(seconds);
        let short = Duration::from_secs(62);
        assert_eq!(guard.claim_at(&[1; 16], LIFETIME, now), Claim::First);
        assert_eq!(guard.claim_at(&[2; 16], short, now), Claim::First);
        assert_eq!(guard.claim_at(&[2; 16], short, at(62)), Claim::First);
        assert_eq!(guard.claim_at(&[2; 16], short, at(81)), Claim::Seen);
        assert_eq!(guard.claim_at(&[2; 16], short, at(124)), Claim::First);
        let claims = guard.claims.lock().unwrap();
        assert_eq!((claims.known.len(), claims.in_order.len()), (1, 1));
    }

    /// Of many at once one is first.
    #[test]
    fn many_at_once() {
        let (guard, now) = MemoryReplayGuard::old(1_000);
        for token in 0..200_u8 {
            let firsts = std::thread::scope(|scope| {
                let claims: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| guard.claim_at(&[token; 16], LIFETIME, now)))
                    .collect();
                let claims = claims.into_iter().map(|claim| claim.join().unwrap());
                claims.filter(|claim| *claim == Claim::First).count()
            });
            assert_eq!(firsts, 1);
        }
    }
}

#[cfg(all(test, portcullis_loom))]
mod model {
    use std::sync::Arc;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(80);

    /// Two claim the same while a third claims something else and forgets what has ended, which is the same
    /// once more: in every interleaving exactly one is first.
    #[test]
    fn early_data_is_claimed_once() {
        loom::model(|| {
            let (guard, now) = MemoryReplayGuard::old(2);
            let before = now.checked_sub(LIFETIME).expect("it is an hour old");
            assert_eq!(guard.claim_at(&[1; 16], LIFETIME, before), Claim::First);
            let guard = Arc::new(guard);
            let claim = |token: u8| {
                let guard = Arc::clone(&guard);
                loom::thread::spawn(move || guard.claim_at(&[token; 16], LIFETIME, now))
            };
            let (same, another) = (claim(1), claim(2));
            let mut said = vec![
                guard.claim_at(&[1; 16], LIFETIME, now),
                same.join().expect("it ends"),
            ];
            assert_eq!(another.join().expect("it ends"), Claim::First);
            said.retain(|said| *said == Claim::First);
            assert_eq!(said.len(), 1);
        });
    }

    /// One place is left, and two want it: one has it, and the other is not told that it is first.
    #[test]
    fn the_last_place_goes_to_one() {
        loom::model(|| {
            let (guard, now) = MemoryReplayGuard::old(1);
            let guard = Arc::new(guard);
            let other = {
                let guard = Arc::clone(&guard);
                loom::thread::spawn(move || guard.claim_at(&[1; 16], LIFETIME, now))
            };
            let said = [
                guard.claim_at(&[2; 16], LIFETIME, now),
                other.join().expect("it ends"),
            ];
            let count = |which| said.iter().filter(|said| **said == which).count();
            assert_eq!((count(Claim::First), count(Claim::Unavailable)), (1, 1));
        });
    }
}
