//! How long the records of either side may be, as client and server have agreed.
//!
//! RFC 8449 (`record_size_limit`), RFC 6066 §4 (`max_fragment_length`).

use super::super::{Cx, find};
use crate::Violation;
use crate::config::ServerOptions;
use crate::wire::ClientHello;
use crate::wire::extension::{MaxFragmentLength, RecordSizeLimit};

/// What limits the records of either side: record_size_limit (theirs, ours), or
/// max_fragment_length.
#[derive(Clone, Copy)]
pub(super) enum RecordSizes {
    Unlimited,
    Limits { theirs: u16, ours: u16 },
    Fragment(MaxFragmentLength, u16),
}

impl RecordSizes {
    /// RFC 8449 §5: record_size_limit makes max_fragment_length (RFC 6066 §4) void.
    pub(super) fn choose(
        config: &ServerOptions,
        hello: &ClientHello<'_>,
        cx: &Cx<'_>,
    ) -> Result<Self, Violation> {
        if let Some(RecordSizeLimit(theirs)) = find(&hello.extensions)? {
            if theirs < 64 {
                return Err(Violation::BadRecordSizeLimit);
            }
            let most = cx.most_record_size_limit();
            let ours = config.policy.record_size_limit.unwrap_or(most).min(most);
            return Ok(Self::Limits { theirs, ours });
        }
        let Some(request) = find::<MaxFragmentLength>(&hello.extensions)? else {
            return Ok(Self::Unlimited);
        };
        let bytes = request.bytes().and_then(|bytes| u16::try_from(bytes).ok());
        Ok(Self::Fragment(
            request,
            bytes.ok_or(Violation::BadMaxFragmentLength)?,
        ))
    }

    /// What the server answers of it.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Unlimited => {}
            Self::Limits { ours, .. } => RecordSizeLimit::put(out, ours),
            Self::Fragment(length, _) => MaxFragmentLength::put(out, length),
        }
    }

    /// From the next record on; `own` is the most content this side sends in any case.
    pub(super) fn apply(self, own: u16, cx: &mut Cx<'_>) {
        match self {
            Self::Unlimited => {}
            Self::Limits { theirs, ours } => {
                cx.limit_records(theirs);
                cx.incoming.set_record_size_limit(ours);
            }
            Self::Fragment(_, bytes) => {
                cx.outgoing.set_max_fragment(bytes.min(own));
                cx.incoming.set_max_fragment(bytes);
            }
        }
    }
}
