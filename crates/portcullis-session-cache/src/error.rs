//! Why a store outside of the process cannot be used.

use std::fmt;

/// Why a store on disk or in Redis cannot be opened, or what it last failed with: what was done, what
/// came of it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    kind: StoreErrorKind,
    sentence: Box<str>,
}

/// What a [`StoreError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// What it was opened with makes no sense.
    Options,
    /// The file, or the server, cannot be reached or used.
    Unavailable,
    /// What it has was sealed with other keys than its own.
    Keys,
    /// The file is not what this store has written.
    Damaged,
    /// The server has answered that it cannot do what was asked.
    Refused,
    /// The server has not answered in time.
    Late,
    /// The store was closed.
    Closed,
}

impl StoreError {
    /// An error that was found by a crate around this one.
    pub fn new(kind: StoreErrorKind, sentence: impl Into<Box<str>>) -> Self {
        let sentence = sentence.into();
        Self { kind, sentence }
    }

    /// What it is about.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for StoreError {}
