//! Whether a client believes that nobody listens where it says hello.
//!
//! The network says so by an ICMP message, which anybody can forge who guesses the client's port (RFC 5927 has the same of TCP).
//! Of a server that is there the answer comes before the hello is said again, and whoever forges cannot keep it back; so it is
//! believed if nothing at all has come when it is said once more of a hello that was said again.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing may have come: a little less than RFC 9147 §5.8.2 waits for an answer, however soon the hello is said again
/// here.
const SILENCE: Duration = Duration::from_millis(900);

/// What a handshake has been told.
#[derive(Debug)]
pub(super) struct Doubt {
    since: Instant,
    /// Something has come from there, whatever it is.
    is_heard: bool,
    was_told: bool,
    /// The hello was said again since.
    is_said_again: bool,
}

impl Doubt {
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            is_heard: false,
            was_told: false,
            is_said_again: false,
        }
    }

    pub(super) fn heard(&mut self) {
        self.is_heard = true;
    }

    pub(super) const fn is_heard(&self) -> bool {
        self.is_heard
    }

    pub(super) fn says_again(&mut self) {
        self.is_said_again = self.was_told;
    }

    /// The network says that nobody is there. Whether that is believed.
    pub(super) fn told(&mut self, now: Instant) -> bool {
        self.was_told = true;
        let is_silent = !self.is_heard && now.saturating_duration_since(self.since) >= SILENCE;
        is_silent && self.is_said_again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_believed_when_it_is_said_of_two_hellos_and_nobody_answers() {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        // However often it is said of the first one.
        let mut doubt = Doubt::new(begun);
        for time in [0, 1, 500, 5_000] {
            assert!(!doubt.told(at(time)));
        }
        doubt.says_again();
        assert!(doubt.told(at(5_001)));
        // Of hellos that follow each other fast, and of a second one alone.
        let mut doubt = Doubt::new(begun);
        doubt.says_again();
        for time in [10, 20, 899] {
            assert!(!doubt.told(at(time)));
            doubt.says_again();
        }
        assert!(doubt.told(at(900)));
        // Something has come.
        doubt.heard();
        assert!(!doubt.told(at(10_000)));
    }
}
