//! PostgreSQL: SSLRequest, of the chapter "Message Formats" of its manual.

use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Result, Wire};

/// Its length, and the code 1234 · 5679, which no protocol version can be.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// One byte answers. What an old server says instead is not printed: before TLS it may be
/// anybody's (CVE-2024-10977).
pub(super) async fn start<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    wire.send(&SSL_REQUEST).await?;
    match wire.exact(1).await?.as_slice() {
        b"S" => Ok(()),
        b"N" => Err(wire.failure("the server has no TLS: its option `ssl` is off")),
        b"E" => Err(wire.failure("the server does not know SSLRequest")),
        _ => Err(wire.failure("this is no PostgreSQL server: its answer is neither S nor N")),
    }
}
