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
