//! MySQL and MariaDB: the server greets, the client answers with SSLRequest, and TLS begins.
//!
//! MySQL's "Client/Server Protocol", Protocol::HandshakeV10 and Protocol::SSLRequest.

use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Result, Wire};
use crate::text::printable;

/// The longest greeting; that of today's servers has about 100 bytes.
const MAX_GREETING: usize = 4 * 1024;

const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SSL: u32 = 0x0800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;

const PROTOCOL_10: u8 = 10;
const ERROR: u8 = 0xff;
/// utf8mb4_general_ci
const CHARACTERS: u8 = 45;
/// Of what the client sends later; TLS does not depend on it.
const MAX_PACKET: u32 = 1 << 24;

/// The go-ahead is in the greeting: behind SSLRequest the server says nothing before TLS.
pub(super) async fn start<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let head = wire.exact(4).await?;
    let (length, number) = match *head.as_slice() {
        [a, b, c, number] => (u32::from_le_bytes([a, b, c, 0]) as usize, number),
        _ => (0, 0),
    };
    if length > MAX_GREETING || number != 0 {
        return Err(wire.failure("this is no MySQL server: it does not begin with a greeting"));
    }
    let greeting = wire.exact(length).await?;
    match greeting.first() {
        Some(&PROTOCOL_10) => {}
        Some(&ERROR) => {
            let message = String::from_utf8_lossy(greeting.get(3..).unwrap_or_default());
            let message = printable(&message);
            return Err(wire.failure(&format!("the server refuses this client: \"{message}\"")));
        }
        _ => return Err(wire.failure("the server does not speak protocol version 10")),
    }
    match capabilities(&greeting) {
        Some(offered) if offered & CLIENT_SSL != 0 => {}
        Some(_) => return Err(wire.failure("the server has no TLS: it offers no CLIENT_SSL")),
        None => return Err(wire.failure("the server's greeting is damaged")),
    }
    wire.send(&ssl_request()).await
}

/// The lower half of what a greeting offers: behind the version, which ends with NUL, the number
/// of the connection (4 bytes), 8 bytes of challenge and a filler.
fn capabilities(greeting: &[u8]) -> Option<u32> {
    let after_version = greeting.iter().position(|byte| *byte == 0)? + 1;
    let at = after_version + 4 + 8 + 1;
    match greeting.get(at..at + 2)? {
        [low, high] => Some(u32::from_le_bytes([*low, *high, 0, 0])),
        _ => None,
    }
}

/// A packet of 32 bytes, number 1; the last 23 are reserved.
fn ssl_request() -> Vec<u8> {
    let wanted = CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION;
    let mut packet = vec![32, 0, 0, 1];
    packet.extend(wanted.to_le_bytes());
    packet.extend(MAX_PACKET.to_le_bytes());
    packet.push(CHARACTERS);
    packet.extend([0; 23]);
    packet
}
