//! Where plaintext goes, and how much of it is wanted.

use bytes::Bytes;
use portcullis_core::Reader;
use tokio::io::ReadBuf;

use crate::scratch::{PLAINTEXT, READ_BATCH};

/// Where plaintext goes.
pub(super) enum Target<'a, 'b> {
    /// Into the caller's buffer, as many records as it holds.
    Caller {
        buf: &'a mut ReadBuf<'b>,
        before: usize,
    },
    /// Behind the plaintext that is kept, one record.
    Kept { more: bool },
    /// Into memory that is given away, one record.
    Message {
        records: usize,
        message: Option<Bytes>,
    },
}

impl Target<'_, '_> {
    #[inline]
    pub(super) fn is_satisfied(&self) -> bool {
        match self {
            Self::Caller { buf, before } => buf.filled().len() > *before && buf.remaining() == 0,
            Self::Kept { more } => *more,
            Self::Message { message, .. } => message.is_some(),
        }
    }

    #[inline]
    pub(super) fn has_some(&self) -> bool {
        match self {
            Self::Caller { buf, before } => buf.filled().len() > *before,
            Self::Kept { more } => *more,
            Self::Message { message, .. } => message.is_some(),
        }
    }

    /// Whether the content of a record of `len` bytes fits, with this much inner plaintext.
    pub(super) fn takes(&self, reader: &Reader, len: usize, plaintext: usize) -> bool {
        match self {
            // One byte of the inner plaintext is its type; before TLS 1.3 that is content, too,
            // and the one that does not fit is kept. With CBC all else that is encrypted is in it.
            Self::Caller { buf, .. } => {
                buf.remaining() + 1 >= plaintext || reader.record_len(buf.remaining()) >= len
            }
            Self::Kept { .. } | Self::Message { .. } => true,
        }
    }

    /// How much to have from the transport: the full records that the target can take, at least
    /// one. A peer with much to send fills its records, and then no incomplete one is read,
    /// which would have to be kept.
    #[inline]
    pub(super) fn appetite(&self, full_record: usize) -> usize {
        let records = match self {
            Self::Caller { buf, .. } => buf.remaining() / PLAINTEXT,
            Self::Kept { .. } => 1,
            Self::Message { records, .. } => *records,
        };
        full_record * records.clamp(1, READ_BATCH)
    }
}
