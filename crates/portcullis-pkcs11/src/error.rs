//! What a token did not do.

use std::fmt;
use std::sync::Arc;

use cryptoki::error::{Error, RvError};

/// Why a token was not opened, or did not sign: a sentence, without any PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError(Arc<str>);

impl TokenError {
    pub(crate) fn new(sentence: impl Into<Arc<str>>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TokenError {}

/// What a failed call means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// The session, the login or the token has gone: all is opened anew.
    Reopen,
    /// Other calls may succeed.
    Nothing,
}

pub(crate) const fn consequence(error: &Error) -> Consequence {
    match error {
        Error::Pkcs11(
            RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SlotIdInvalid
            | RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::CryptokiNotInitialized
            | RvError::GeneralError,
            _,
        ) => Consequence::Reopen,
        _ => Consequence::Nothing,
    }
}

pub(crate) const fn is(error: &Error, value: RvError) -> bool {
    // What has no data is told apart by its place.
    matches!(error, Error::Pkcs11(found, _) if same(*found, value))
}

const fn same(one: RvError, other: RvError) -> bool {
    matches!(
        (one, other),
        (RvError::PinIncorrect, RvError::PinIncorrect)
            | (RvError::PinLocked, RvError::PinLocked)
            | (RvError::UserAlreadyLoggedIn, RvError::UserAlreadyLoggedIn)
            | (
                RvError::CryptokiAlreadyInitialized,
                RvError::CryptokiAlreadyInitialized
            )
    )
}
