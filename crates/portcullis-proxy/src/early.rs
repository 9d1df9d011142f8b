//! Early data: what a client says before its handshake is over is passed on at once, and so is what the server answers
//! (RFC 8446 §2.3). Whether the server can take what may be a replay, its route says (RFC 8470).

use std::io;
use std::time::Duration;

use portcullis::{EarlyHandshake, Error, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::stream::{End, Plain};

/// What is read at once of either side.
const CHUNK: usize = 4_096;

/// What went over meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) said: u64,
    pub(crate) answered: u64,
}

/// Why there is no connection in the end. The server has a part of what was said.
pub(crate) enum Failed {
    Client(Error),
    Server(io::Error),
    /// The client's handshake, or the server, takes too long.
    Late,
}

/// Up to the end of the handshake, and of early data with it. What has gone over is counted as it goes: also of what fails,
/// or is dropped.
pub(crate) async fn pass(
    early: EarlyHandshake<Plain>,
    server: &mut End,
    within: Duration,
    bytes: &mut Bytes,
) -> Result<TlsStream<Plain>, Failed> {
    let passed = timeout(within, both_ways(early, server, bytes)).await;
    passed.unwrap_or(Err(Failed::Late))
}

async fn both_ways(
    mut early: EarlyHandshake<Plain>,
    server: &mut End,
    bytes: &mut Bytes,
) -> Result<TlsStream<Plain>, Failed> {
    let (mut from_client, mut from_server) = ([0; CHUNK], [0; CHUNK]);
    let mut has_ended = false;
    loop {
        tokio::select! {
            biased;
            // Where it fails, so does the handshake, which says why.
            read = async { early.reader().read(&mut from_client).await } => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    server.write_all(&from_client[..count]).await.map_err(Failed::Server)?;
                    server.flush().await.map_err(Failed::Server)?;
                    bytes.said += count as u64;
                }
            },
            read = server.read(&mut from_server), if !has_ended => match read {
                // Whoever relays finds that again.
                Ok(0) => has_ended = true,
                Ok(count) => {
                    let Some(mut writer) = early.writer() else { break };
                    if writer.write_all(&from_server[..count]).await.is_err() || writer.flush().await.is_err() {
                        break;
                    }
                    bytes.answered += count as u64;
                }
                Err(error) => return Err(Failed::Server(error)),
            },
        }
    }
    early.handshake().await.map_err(Failed::Client)
}
