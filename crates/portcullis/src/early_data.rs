//! Early data: what became of a client's, and who remembers a server's.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::question::ClaimEarlyData;
use portcullis_core::{ConnectionInformation, EarlyDataStatus};
use portcullis_session_cache::{Claim, ReplayGuard};

use crate::answers::AnswerFuture;

/// What became of data that was to go out with the first flight: see
/// [`TlsConnector::connect_with_early_data`](crate::TlsConnector::connect_with_early_data).
///
/// Data that did not arrive comes back. It is never sent again by itself: whether it may be, now that
/// the handshake is over, is for the caller to say, who may have to choose something else, such as
/// another protocol than the one that it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "data that was not sent comes back"]
pub enum EarlyDataOutcome {
    /// The server has taken it.
    Accepted,
    /// It was sent, and the server has thrown it away.
    Rejected(Bytes),
    /// It was not sent: there is no session that allows so much, or none for the cipher suites and
    /// application protocols of the configuration. Over datagrams it may also have been longer than one of them may be.
    NotOffered(Bytes),
}

impl EarlyDataOutcome {
    /// Of a connection whose handshake was to begin with `data`.
    pub(crate) fn of(information: &ConnectionInformation, data: Bytes) -> Self {
        match information.early_data() {
            EarlyDataStatus::Accepted => Self::Accepted,
            EarlyDataStatus::Rejected(_) => Self::Rejected(data),
            _ => Self::NotOffered(data),
        }
    }

    /// The data, if the server has not taken it.
    pub fn into_unsent(self) -> Option<Bytes> {
        match self {
            Self::Accepted => None,
            Self::Rejected(data) | Self::NotOffered(data) => Some(data),
        }
    }
}

/// A [`ReplayGuard`], shared by the handshakes of an acceptor and its clones.
#[derive(Clone)]
pub(crate) struct Guard(Arc<dyn ReplayGuard>);

impl Guard {
    pub(crate) fn new(guard: Arc<dyn ReplayGuard>) -> Self {
        Self(guard)
    }

    pub(crate) fn claim(&self, question: ClaimEarlyData) -> AnswerFuture {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let claim = guard.claim(question.token(), question.lifetime()).await;
            match claim {
                Claim::First => question.accept(),
                Claim::Seen | Claim::Unavailable => question.reject(),
            }
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayGuard")
    }
}
