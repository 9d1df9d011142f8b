//! Without the feature `metrics`: nothing is counted.

use portcullis_core::ConnectionInformation;

use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) fn begin(_is_server: bool) -> Self {
        Self
    }

    pub(crate) fn connected(&mut self, _information: &ConnectionInformation) -> Open {
        Open
    }

    pub(crate) fn failed(&mut self, _error: &Error) {}
}

#[derive(Debug)]
pub(crate) struct Open;

pub(crate) fn alert(_error: &Error) {}

pub(crate) fn store(_operation: &'static str, _outcome: &'static str) {}

#[cfg(feature = "dtls")]
pub(crate) use discards::{Full, Way, discarded, discards, full, passed_on};

#[cfg(feature = "dtls")]
mod discards {
    use portcullis_core::{Discarded, Discards};

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Full {
        Inbox,
        Handshakes,
        Address,
        Connections,
    }

    pub(crate) fn discarded(_why: Discarded) {}

    pub(crate) fn discards(_all: &Discards) {}

    pub(crate) fn full(_of: Full) {}

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Way {
        Foreign,
        HandedOver,
    }

    pub(crate) fn passed_on(_way: Way, _is_taken: bool) {}
}
