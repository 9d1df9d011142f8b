//! Standard input goes to the peer, and what the peer says to standard output.

use std::pin::pin;
use std::time::Duration;

use portcullis::{ReadHalf, TlsStream, WriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the peer may take to close after we have.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Speaks until the peer has closed.
pub(super) async fn converse(stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    both_ways(&mut reader, &mut writer).await?;
    if let Ok(stream) = reader.reunite(writer) {
        // The peer has closed; a failure to say goodbye changes nothing.
        let _ = stream.close(CLOSE_WITHIN).await;
    }
    Ok(())
}

async fn both_ways(
    reader: &mut ReadHalf<TcpStream>,
    writer: &mut WriteHalf<TcpStream>,
) -> std::io::Result<()> {
    let mut stdout = tokio::io::stdout();
    let mut send = pin!(async {
        tokio::io::copy(&mut tokio::io::stdin(), writer).await?;
        writer.shutdown().await
    });
    let mut receive = pin!(async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader.read(&mut buffer).await?;
            let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
                return Ok(());
            };
            stdout.write_all(data).await?;
            stdout.flush().await?;
        }
    });
    // When the peer has closed there is nobody to send to.
    tokio::select! {
        received = &mut receive => received,
        sent = &mut send => match sent {
            Ok(()) => receive.await,
            // The peer may have said why it takes nothing more.
            Err(error) => match tokio::time::timeout(CLOSE_WITHIN, receive).await {
                Ok(Err(reason)) => Err(reason),
                _ => Err(error),
            },
        },
    }
}
