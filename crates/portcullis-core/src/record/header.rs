//! The five bytes in front of every record, and the content type at the end of protected ones.
//!
//! RFC 8446 §5.1, §5.2, §5.4.

use super::{HEADER, MAX_INNER_PLAINTEXT};
use crate::violation::Violation;
use crate::wire::{ContentType, MAX_CIPHERTEXT_TLS13 as MAX_CIPHERTEXT, MAX_PLAINTEXT};

/// A record header whose length is within what the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) typ: ContentType,
    pub(super) body: usize,
}

impl Header {
    /// Checks a header: type, version and length.
    ///
    /// Unprotected records may carry any version 0x03xx. §5.1 has it ignored "for all purposes";
    /// we deviate where its major is not 3: no TLS has such records, so a peer that speaks
    /// something else is told at its first header, and BoGo (`GarbageInitialRecordVersion-TLS13`)
    /// demands it. Protected ones carry 0x0303 (§5.2), which is part of their additional data.
    pub(super) fn check(bytes: [u8; HEADER], protected: bool) -> Result<Self, Violation> {
        let [typ, major, minor, high, low] = bytes;
        let typ = ContentType(typ);
        if !is_known(typ) {
            return Err(Violation::UnknownRecordType);
        }
        if major != 3 || (protected && minor != 3) {
            return Err(Violation::WrongRecordVersion);
        }
        let body = usize::from(u16::from_be_bytes([high, low]));
        if body > MAX_CIPHERTEXT {
            return Err(Violation::RecordTooLong);
        }
        if !protected && typ != ContentType::APPLICATION_DATA && body > MAX_PLAINTEXT {
            return Err(Violation::PlaintextTooLong);
        }
        Ok(Self { typ, body })
    }
}

/// The length in a header.
#[inline]
pub(super) fn body_length([.., high, low]: [u8; HEADER]) -> usize {
    u16::from_be_bytes([high, low]).into()
}

/// Whether a type is one of the four of TLS 1.3.
pub(super) fn is_known(typ: ContentType) -> bool {
    matches!(
        typ,
        ContentType::CHANGE_CIPHER_SPEC
            | ContentType::ALERT
            | ContentType::HANDSHAKE
            | ContentType::APPLICATION_DATA
    )
}

/// What stands in the header of every record but the first ClientHello's (§5.1).
pub(super) const LEGACY_VERSION: u16 = 0x0303;

/// Writes a header.
///
/// `body` is at most [`MAX_CIPHERTEXT`]: callers cut their fragments.
pub(super) fn header(typ: ContentType, version: u16, body: usize) -> [u8; HEADER] {
    debug_assert!(body <= MAX_CIPHERTEXT, "a record outgrew the protocol");
    let [major, minor] = version.to_be_bytes();
    let [.., high, low] = body.to_be_bytes();
    [typ.0, major, minor, high, low]
}

/// Finds where the content of an inner plaintext ends and what it is (§5.4).
///
/// `None` when there is nothing but padding.
#[inline]
pub(super) fn content(inner: &[u8]) -> Option<(usize, ContentType)> {
    let at = inner.iter().rposition(|&byte| byte != 0)?;
    inner.get(at).map(|&typ| (at, ContentType(typ)))
}

/// Checks the length of content before TLS 1.3 (RFC 5246 §6.2.1) against the protocol and the limit
/// this side announced.
pub(super) fn check_content(length: usize, limit: usize) -> Result<(), Violation> {
    if length <= limit {
        Ok(())
    } else if length > MAX_PLAINTEXT {
        Err(Violation::PlaintextTooLong)
    } else {
        Err(Violation::RecordBeyondLimit)
    }
}

/// Checks the length of an inner plaintext against the protocol (§5.4: content, type and
/// padding together) and the limit this side announced (RFC 8449 §4).
#[inline]
pub(super) fn check_inner(length: usize, limit: usize) -> Result<(), Violation> {
    if length <= limit {
        Ok(())
    } else if length > MAX_INNER_PLAINTEXT {
        Err(Violation::PlaintextTooLong)
    } else {
        Err(Violation::RecordBeyondLimit)
    }
}
