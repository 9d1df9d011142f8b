//! What only records over datagrams are protected with: connection ids (RFC 9146), and the cipher that numbers are hidden with.

use core::ops::Range;

use super::{Protection, Unopened};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::wire::ContentType;

impl Protection {
    /// The AEAD, if it is one.
    pub(in super::super) fn aead(&self) -> Option<AeadAlgorithm> {
        match self {
            Self::Tls13(protection) => Some(protection.aead()),
            Self::Older(protection) => protection.aead_algorithm(),
        }
    }

    /// Opens the body of a record of DTLS 1.2 whose header, all of which is `head`, has a connection id (RFC 9146 §4);
    /// gives what is hidden in it, and where.
    ///
    /// # Errors
    /// As [`open_in_place`](Self::open_in_place).
    pub(in super::super) fn open_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        match self {
            Self::Tls13(_) => Err(CryptoFailure::RecordKeys.into()),
            Self::Older(protection) => protection.open_with_id(number, head, body),
        }
    }

    /// Seals the body of such a record, whose content stands at its front.
    ///
    /// # Errors
    /// As [`seal_in_place`](Self::seal_in_place).
    pub(in super::super) fn seal_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        match self {
            Self::Tls13(_) => Err(CryptoFailure::RecordKeys),
            Self::Older(protection) => {
                protection.seal_with_id(number, head, typ, content_len, body)
            }
        }
    }

    /// Seals content that stands elsewhere into the body of such a record.
    ///
    /// # Errors
    /// As [`seal_in_place`](Self::seal_in_place).
    pub(in super::super) fn seal_from_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        match self {
            Self::Tls13(_) => Err(CryptoFailure::RecordKeys),
            Self::Older(protection) => {
                protection.seal_from_with_id(number, head, typ, content, body)
            }
        }
    }
}
