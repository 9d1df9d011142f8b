//! Early data: what a client says before its handshake is over is passed on at once, and so is what the server answers
//! (RFC 8446 §2.3). Whether the server can take what may be a replay, its route says (RFC 8470).

use std::io;
use std::time::Duration;

use portcullis::{EarlyHandshake, Error, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
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
                    let written = write_counted(server, &from_client[..count], &mut bytes.said).await;
                    written.map_err(Failed::Server)?;
                }
            },
            read = server.read(&mut from_server), if !has_ended => match read {
                // Whoever relays finds that again.
                Ok(0) => has_ended = true,
                Ok(count) => {
                    let Some(mut writer) = early.writer() else { break };
                    let written = write_counted(&mut writer, &from_server[..count], &mut bytes.answered).await;
                    if written.is_err() {
                        break;
                    }
                }
                Err(error) => return Err(Failed::Server(error)),
            },
        }
    }
    early.handshake().await.map_err(Failed::Client)
}

/// Writes all of it and flushes. Each write is counted when it is taken, so that what is said of one that fails, or is
/// dropped, is what the other side may have.
async fn write_counted(
    to: &mut (impl AsyncWrite + Unpin),
    mut data: &[u8],
    count: &mut u64,
) -> io::Result<()> {
    while !data.is_empty() {
        let taken = to.write(data).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *count += taken as u64;
        data = &data[taken..];
    }
    to.flush().await
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// The server takes eight bytes of twenty and is gone; another one takes so many and no more.
    #[tokio::test]
    async fn what_was_taken_counts_where_the_rest_fails() {
        let (mut near, far) = duplex(8);
        let mut count = 0;
        let gone = async {
            tokio::task::yield_now().await;
            drop(far);
        };
        let (written, ()) = tokio::join!(write_counted(&mut near, &[7; 20], &mut count), gone);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(count, 8);

        let (mut near, _far) = duplex(8);
        let mut count = 0;
        let writing = write_counted(&mut near, &[7; 20], &mut count);
        assert!(timeout(Duration::from_millis(20), writing).await.is_err());
        assert_eq!(count, 8);

        // A server that takes nothing will not take more.
        let (mut room, mut count) = ([0; 8], 0);
        let mut full = io::Cursor::new(&mut room[..]);
        let written = write_counted(&mut full, &[7; 20], &mut count).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert_eq!(count, 8);
    }
}
