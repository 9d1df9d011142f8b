//! No TLS at all: what the transport costs.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::job::Choice;
use crate::pki::Pki;
use crate::stack::{Io, Stack, TwoWay};

/// The transport alone.
#[derive(Debug)]
pub struct Plain;

impl Stack for Plain {
    type Stream<IO: Io> = IO;
    const NAME: &'static str = "plain transport";

    fn new(_: &Pki, _: Choice) -> Result<Self, String> {
        Ok(Self)
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<IO> {
        Ok(io)
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<IO> {
        Ok(io)
    }

    fn split<IO: TwoWay>(
        io: IO,
    ) -> (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ) {
        io.split_io()
    }
}
