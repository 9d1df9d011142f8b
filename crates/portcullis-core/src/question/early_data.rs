//! Whether early data was accepted before.
//!
//! RFC 8446 §8.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::{Answer, AnswerContent, QuestionId};
use crate::error::Refusal;
use crate::session::ReplayToken;

/// A client sends early data, and all is well but for one thing that this server alone cannot know:
/// whether a server that opens the same tickets has accepted it before. The last question before the server says anything, and
/// the client waits for its answer.
///
/// The one that answers has to know the claims of all these servers, also those that were made before
/// it was restarted or lost what it knew: while it cannot know, early data is
/// [rejected](Self::reject).
#[derive(Debug)]
pub struct ClaimEarlyData {
    pub(crate) id: QuestionId,
    pub(crate) token: ReplayToken,
    pub(crate) lifetime: u64,
    pub(crate) now: UnixTime,
}

impl ClaimEarlyData {
    /// How far the clocks of servers may be apart that share tickets: a claim is remembered for so much
    /// longer.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

    /// What this early data is known by: the same on every server, and no secret.
    pub fn token(&self) -> &[u8; 16] {
        &self.token
    }

    /// For how long a claim has to be remembered, by the clock of whoever remembers it: two windows,
    /// [`CLOCK_SKEW`](Self::CLOCK_SKEW), and a second, because ages are counted in whole ones.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime + 1) + Self::CLOCK_SKEW
    }

    /// When a claim can be forgotten.
    pub fn until(&self) -> UnixTime {
        let since = Duration::from_secs(self.now.as_secs());
        UnixTime::since_unix_epoch(since.saturating_add(self.lifetime()))
    }

    /// The time of the handshake.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// Nobody has claimed it before, and nobody will again: the early data is accepted.
    pub fn accept(self) -> Answer {
        self.id.answer(AnswerContent::EarlyData(true))
    }

    /// It was claimed before, or nobody can tell: the handshake goes on without the early data. The
    /// default.
    pub fn reject(self) -> Answer {
        self.id.answer(AnswerContent::EarlyData(false))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
