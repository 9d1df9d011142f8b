//! Which connection ids stand on the records of either side, as the hellos say.
//!
//! RFC 9146 §3; RFC 9147 §9; RFC 9853 §3 for the check of a path, which is said with them. Each side says what it wants on what it receives; an empty one is on no record.

use super::{Cx, find};
use crate::Violation;
use crate::error::Abort;
use crate::record::ConnectionId;
use crate::wire::extension::{ConnectionId as ConnectionIdExtension, Extensions, Rrc};

/// A client takes what the server answers, which it has offered to do.
///
/// # Errors
/// When the server wants one that is too long.
pub(super) fn take_answer(extensions: &Extensions<'_>, cx: &mut Cx<'_>) -> Result<(), Abort> {
    let Some(answer) = find::<ConnectionIdExtension<'_>>(extensions)? else {
        return Ok(());
    };
    let Some(theirs) = ConnectionId::of(answer.cid) else {
        return Err(Violation::ConnectionIdTooLong.into());
    };
    Ok(cx.agree_connection_ids(theirs, find::<Rrc>(extensions)?.is_some())?)
}

/// What a server answers to a hello, and what the client wants.
#[derive(Clone, Copy)]
pub(super) struct Agreement {
    ours: ConnectionId,
    theirs: ConnectionId,
    checks_paths: bool,
}

impl Agreement {
    /// `None` if there is none, also where the client wants one that is too long to write.
    pub(super) fn choose(hello: &Extensions<'_>, cx: &Cx<'_>) -> Result<Option<Self>, Violation> {
        let Some((ours, checks_paths)) = cx.connection_id() else {
            return Ok(None);
        };
        let offered = find::<ConnectionIdExtension<'_>>(hello)?;
        let theirs = offered.and_then(|offered| ConnectionId::of(offered.cid));
        let checks_paths = find::<Rrc>(hello)?.is_some() && checks_paths;
        Ok(theirs.map(|theirs| Self {
            ours,
            theirs,
            checks_paths,
        }))
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        ConnectionIdExtension::put(out, self.ours.as_slice());
        if self.checks_paths {
            Rrc::put(out);
        }
    }

    pub(super) fn apply(self, cx: &mut Cx<'_>) -> Result<(), Violation> {
        cx.agree_connection_ids(self.theirs, self.checks_paths)
    }
}
