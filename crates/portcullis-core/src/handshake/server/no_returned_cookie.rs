//! What stands for returned cookies without the feature `dtls`: over a stream nobody asks for them without a state.

use std::sync::Arc;

use super::super::Cx;
use super::Next;
use super::ech::{Ech, Peeled};
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::record::HandshakeBytes;

pub(crate) enum ReturnedCookie {}

impl ReturnedCookie {
    pub(super) fn peel(&self, _: &ServerOptions, _: HandshakeBytes) -> Result<Peeled, Abort> {
        match *self {}
    }

    pub(super) fn go_on(
        self,
        _: Arc<ServerOptions>,
        _: HandshakeBytes,
        _: Option<Box<Ech>>,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        match self {}
    }
}
