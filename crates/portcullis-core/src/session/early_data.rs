//! On which terms a session lets its client send data before the handshake is over.
//!
//! RFC 8446 §4.2.10, §4.6.1.

use crate::version::Version;
use crate::wire::codec::{Cursor, DecodeError, put_vec8};

/// What has to be the same for early data to be accepted, besides what a resumption asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EarlyDataTerms {
    /// The most bytes of content; not 0.
    limit: u32,
    alpn: Box<[u8]>,
}

impl EarlyDataTerms {
    /// `None` for a limit of 0: no early data.
    pub(crate) fn new(limit: u32, alpn: Option<&[u8]>) -> Option<Self> {
        let alpn = alpn.unwrap_or_default().into();
        (limit > 0).then_some(Self { limit, alpn })
    }

    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    /// The application protocol of the connection that the session comes from; empty if it had none.
    pub(crate) fn alpn(&self) -> &[u8] {
        &self.alpn
    }

    pub(super) fn put(this: Option<&Self>, out: &mut Vec<u8>) {
        let (limit, alpn) = this.map_or((0, &[][..]), |this| (this.limit, this.alpn()));
        put_vec8(out, |out| out.extend_from_slice(alpn));
        out.extend(limit.to_be_bytes());
    }

    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        version: Version,
    ) -> Result<Option<Self>, DecodeError> {
        let alpn = cursor.vec8()?;
        let limit = cursor.u32()?;
        match Self::new(limit, Some(alpn)) {
            Some(_) if version < Version::V1_3 => Err(DecodeError),
            None if !alpn.is_empty() => Err(DecodeError),
            terms => Ok(terms),
        }
    }
}
