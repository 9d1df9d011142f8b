//! Each line of standard input is a message to the peer, and each message of the peer goes to standard output.

use std::pin::pin;

use portcullis::{DtlsConnection, DtlsReceiver, DtlsSender};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::conversation::CLOSE_WITHIN;
use crate::failure::Failure;

/// Speaks, first what is given, until the peer has closed, or, when the input is over, for as long as it may take to. A peer
/// that may ask for a certificate has as long for that before: it is answered by the task of the socket.
pub(super) async fn exchange(
    connection: DtlsConnection,
    first: &[u8],
    is_asked: bool,
) -> std::io::Result<()> {
    let (mut receiver, sender) = connection.into_split();
    // It goes on where it is: a message that it has taken is not lost.
    let mut printing = pin!(print(&mut receiver));
    tokio::select! {
        ended = &mut printing => return ended,
        sent = say(&sender, first) => sent?,
    }
    if is_asked && let Ok(ended) = tokio::time::timeout(CLOSE_WITHIN, &mut printing).await {
        return ended;
    }
    sender.close_notify();
    match tokio::time::timeout(CLOSE_WITHIN, printing).await {
        Ok(ended) => ended,
        // What the peer does not say may have been lost.
        Err(_) => Ok(()),
    }
}

async fn say(sender: &DtlsSender, first: &[u8]) -> std::io::Result<()> {
    if !first.is_empty() {
        sender.send(&[first]).await?;
    }
    let mut input = BufReader::new(tokio::io::stdin());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).await? > 0 {
        sender.send(&[&line]).await?;
        line.clear();
    }
    Ok(())
}

async fn print(receiver: &mut DtlsReceiver) -> std::io::Result<()> {
    let mut stdout = tokio::io::stdout();
    loop {
        match receiver.recv().await {
            Ok(message) => {
                stdout.write_all(&message).await?;
                stdout.flush().await?;
            }
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Until the peer has closed, its tickets come. That it does so may be lost.
pub(super) async fn close(connection: DtlsConnection) -> Result<(), Failure> {
    match connection.close(CLOSE_WITHIN).await {
        Err(error) if !error.is_timeout() => Err(Failure::connection(&error.into())),
        _ => Ok(()),
    }
}
