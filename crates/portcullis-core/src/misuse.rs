//! What the caller did wrong. The lowest layers say so, too, so it stands below [`error`](crate::error).

use std::sync::Arc;

/// A mistake in how the library is used or configured: what was given, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse(pub(crate) Arc<str>);

impl Misuse {
    /// A mistake that was found by a crate around this one.
    pub fn new(sentence: impl Into<Arc<str>>) -> Self {
        Self(sentence.into())
    }
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Misuse {}
