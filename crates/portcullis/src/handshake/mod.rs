//! A handshake from its first byte to its stream, its error, or its pause at the hello.

mod driver;
mod early;
mod early_connection;
mod early_stream;
mod handshaking;
mod paused;
mod running;
pub(crate) mod span;
mod start;

use std::time::Duration;

use portcullis_core::question::Question;
use tokio::time::Instant;

use crate::answers::Questions;

pub(crate) use driver::{Driver, ask};
pub use early::{EarlyHandshake, EarlyReader, EarlyWriter};
pub use early_connection::EarlyConnection;
pub use early_stream::EarlyStream;
pub(crate) use handshaking::Goal;
pub use handshaking::{Handshaking, OrTransport};
pub use paused::{PausedClient, PausedServer};
pub(crate) use running::observe;
pub(crate) use start::{Early, Start};

/// Thirty years: a timeout that is longer is cut to this, so that clocks do not overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(86_400 * 365 * 30);

/// When something that may take `timeout` has to be over.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + within_bounds(timeout)
}

/// A timeout that can be added to any time.
pub(crate) fn within_bounds(timeout: Duration) -> Duration {
    timeout.min(LONGEST_TIMEOUT)
}

/// How far a handshake is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// A server's: up to the question for a configuration.
    ClientHello,
    /// A client's: up to the review of what the server has selected.
    ServerHello,
    /// A client's: up to where its hello is out, so that early data may follow.
    HelloSent,
    /// A server's: up to where early data comes, or to the end.
    EarlyData,
    /// A server's: up to more early data, or to the end of it.
    MoreEarlyData,
    /// A server's over datagrams: up to where nothing but the client's Finished is waited for, so that data may follow the
    /// flight, or to more early data, or to the end.
    #[cfg(feature = "dtls")]
    FlightSent,
    End,
}

/// How far a handshake has come.
pub enum Reached {
    Question(Question),
    EarlyData,
    End,
}

impl Until {
    /// Whether whoever goes there can tell early data from other.
    pub(crate) fn takes_early_data(self) -> bool {
        matches!(self, Self::EarlyData)
    }

    /// What has to be asked for that.
    pub(crate) fn questions(self) -> Questions {
        match self {
            Self::ClientHello | Self::ServerHello => Questions::none().and_hello(),
            _ => Questions::none(),
        }
    }

    pub(crate) fn is_at(self, question: &Question) -> bool {
        match self {
            Self::ClientHello => matches!(question, Question::ChooseConfiguration(_)),
            Self::ServerHello => matches!(question, Question::ReviewServerHello(_)),
            _ => false,
        }
    }
}
