//! A TLS stack, as the cases see it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::job::Choice;
use crate::pki::Pki;

/// A transport, or a stream over one.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A TLS stack, configured.
pub trait Stack: Sized + Send + Sync + 'static {
    /// The stream of either end.
    type Stream<IO: Io>: Io;
    /// What it is called in tables.
    const NAME: &'static str;

    /// Configures both ends.
    ///
    /// # Errors
    /// When the stack cannot do what was chosen, e.g. has not the group: the case is left out.
    fn new(pki: &Pki, choice: Choice) -> Result<Self, String>;

    /// A client's handshake.
    fn connect<IO: Io>(&self, io: IO) -> impl Future<Output = io::Result<Self::Stream<IO>>> + Send;

    /// A server's handshake.
    fn accept<IO: Io>(&self, io: IO) -> impl Future<Output = io::Result<Self::Stream<IO>>> + Send;

    /// Takes an established stream apart, the way the stack's users do.
    fn split(
        stream: Self::Stream<TcpStream>,
    ) -> (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ) {
        tokio::io::split(stream)
    }
}
