//! Lines of the log that whoever forges addresses could make without an end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::meter::{OUTCOMES, Outcome};

/// There is a line of a kind in so much time.
const PAUSE: Duration = Duration::from_secs(1);

/// Of clients that nobody has shown to be there: of each outcome a line a second. The others are counted, and the next line has
/// their number.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<[Kind; OUTCOMES.len()]>);

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    said: Option<Instant>,
    left_out: u64,
}

impl Quiet {
    /// Whether a line of this outcome is written now; and then how many were not since the last one.
    pub(crate) fn admit(&self, outcome: Outcome) -> Option<u64> {
        self.admit_at(outcome, Instant::now())
    }

    fn admit_at(&self, outcome: Outcome, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.get_mut(outcome as usize)?;
        if let Some(said) = kind.said
            && now.saturating_duration_since(said) < PAUSE
        {
            kind.left_out += 1;
            return None;
        }
        kind.said = Some(now);
        Some(std::mem::take(&mut kind.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_with_the_number_of_the_others() {
        let (quiet, now) = (Quiet::default(), Instant::now());
        let later = now + PAUSE;
        assert_eq!(quiet.admit_at(Outcome::Limit, now), Some(0));
        assert_eq!(quiet.admit_at(Outcome::Limit, now), None);
        assert_eq!(quiet.admit_at(Outcome::NoRoute, now), Some(0));
        assert_eq!(quiet.admit_at(Outcome::Limit, now), None);
        assert_eq!(quiet.admit_at(Outcome::Limit, later), Some(2));
        assert_eq!(quiet.admit_at(Outcome::Limit, later), None);
        assert_eq!(quiet.admit_at(Outcome::Limit, later + PAUSE), Some(1));
    }
}
