//! What can go wrong, as one sentence and an exit code for each class.

use std::fmt;
use std::io;

use portcullis::Reason;

/// Why the command ends badly.
#[derive(Debug)]
pub(crate) struct Failure {
    class: Class,
    sentence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Transport = 1,
    Usage = 2,
    Certificate = 3,
    Handshake = 4,
    Connection = 5,
    Timeout = 6,
}

impl Failure {
    /// Bad arguments or bad files.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            class: Class::Usage,
            sentence: sentence.into(),
        }
    }

    /// The transport could not be had.
    pub(crate) fn transport(what: &str, error: &io::Error) -> Self {
        Self {
            class: Class::Transport,
            sentence: format!("{what}: {error}"),
        }
    }

    /// A failed handshake.
    pub(crate) fn handshake(error: &portcullis::Error) -> Self {
        let class = if error.is_timeout() {
            Class::Timeout
        } else if error.transport().is_some() {
            Class::Transport
        } else if matches!(error.reason(), Some(Reason::Certificate(_))) {
            Class::Certificate
        } else {
            Class::Handshake
        };
        Self {
            class,
            sentence: error.to_string(),
        }
    }

    /// A connection that broke.
    pub(crate) fn connection(error: &io::Error) -> Self {
        Self {
            class: Class::Connection,
            sentence: error.to_string(),
        }
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> i32 {
        self.class as i32
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
