//! A TLS stack, as the cases see it.

use std::io;

use portcullis::SplitIo;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex,
};

use crate::job::Choice;
use crate::pki::Pki;

/// A transport, or a stream over one.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A transport whose directions need no common lock.
pub trait TwoWay: Io + SplitIo<Read: Send + 'static, Write: Send + 'static> {}
impl<T: Io + SplitIo<Read: Send + 'static, Write: Send + 'static>> TwoWay for T {}

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

    /// Asks for another handshake, before TLS 1.3, where that was chosen.
    fn renegotiate<IO: Io>(
        _stream: &mut Self::Stream<IO>,
    ) -> impl Future<Output = io::Result<()>> + Send {
        async { Err(io::Error::other("this stack does not do it here")) }
    }

    /// Takes an established stream apart, the way the stack's users do.
    fn split<IO: TwoWay>(
        stream: Self::Stream<IO>,
    ) -> (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ) {
        tokio::io::split(stream)
    }
}

/// A connection in memory, with a byte each way, behind which tickets may come: shows that the stack
/// does what was chosen.
///
/// # Errors
/// When a handshake fails.
pub fn connection<S: Stack>(stack: &S) -> Result<Connection<S>, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| {
            runtime.block_on(async {
                let (client, server) = duplex(64 * 1024);
                let (mut client, mut server) =
                    tokio::try_join!(stack.connect(client), stack.accept(server))?;
                exchange(&mut client, &mut server).await?;
                Ok((client, server))
            })
        })
        .map_err(|error| error.to_string())
}

/// A byte each way.
///
/// # Errors
/// When the stack fails.
pub(crate) async fn exchange(client: &mut impl Io, server: &mut impl Io) -> io::Result<()> {
    client.write_u8(7).await?;
    client.flush().await?;
    server.read_u8().await?;
    server.write_u8(7).await?;
    server.flush().await?;
    client.read_u8().await?;
    Ok(())
}

/// A client's stream and a server's.
pub type Connection<S> = (
    <S as Stack>::Stream<DuplexStream>,
    <S as Stack>::Stream<DuplexStream>,
);
