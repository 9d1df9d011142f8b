//! A server over datagrams goes on behind a first hello of which it has kept nothing.
//!
//! RFC 9147 §5.1.

use std::sync::Arc;

use super::super::Cx;
use super::super::machine::Machine;
use super::ech::{Ech, Peeled};
use super::tls13::{Requested, on_returned_cookie};
use super::{Next, hello};
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::record::HandshakeBytes;

/// A cookie that has come back, and what was in it.
pub(crate) struct ReturnedCookie {
    pub(in super::super) requested: Requested,
    pub(in super::super) cookie: Box<[u8]>,
}

/// Waits for the second hello of a client whose first has left nothing but a cookie.
pub(crate) fn start_after_cookie(
    config: Arc<ServerOptions>,
    returned: Box<ReturnedCookie>,
) -> Box<dyn Machine> {
    hello::start_with(config, Some(returned))
}

impl ReturnedCookie {
    /// The second hello is there: gives the one that counts.
    pub(super) fn peel(
        &self,
        config: &ServerOptions,
        message: HandshakeBytes,
    ) -> Result<Peeled, Abort> {
        match &self.requested.ech {
            None => Ok((message, None)),
            Some(returned) => returned.peel_second(config, message),
        }
    }

    /// The configuration is known.
    pub(super) fn go_on(
        self,
        config: Arc<ServerOptions>,
        message: HandshakeBytes,
        ech: Option<Box<Ech>>,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        on_returned_cookie(config, self, message, ech, cx)
    }
}
