//! Active delivery with credits: a receiver that takes so many messages and no more, and a
//! sender that feels it.
//!
//! `cargo run --example active_backpressure`

use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::{Active, ClientConfig, Message, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// More than all the buffers between the two hold.
const TOTAL: usize = 64 * 1024 * 1024;
const CREDITS: i16 = 100;
/// After so long without progress the sender is held up.
const STALLED: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let (stalled, has_stalled) = oneshot::channel();
    let server = tokio::spawn(serve(listener, stalled));

    let config = ClientConfig::builder(roots).build()?;
    let stream = TlsConnector::new(config)
        .connect(address, "localhost")
        .await?;

    let mut messages = stream.into_active(Active::N(CREDITS));
    let mut has_stalled = Some(has_stalled);
    let (mut received, mut pauses) = (0, 0);
    while let Some(message) = messages.next().await {
        match message {
            Message::Data(data) => received += data.len(),
            Message::Passive => {
                pauses += 1;
                // Nothing is read from the socket now: its buffers fill, and then the sender's.
                if let Some(has_stalled) = has_stalled.take() {
                    let sent = has_stalled.await?;
                    println!("{received} bytes received, the sender is held up after {sent}");
                    assert!(sent < TOTAL);
                }
                messages.set_active(Active::N(CREDITS))?;
            }
            Message::Closed => break,
            Message::Error(error) => return Err(error.into()),
            other => println!("{other:?}"),
        }
    }
    println!("{received} bytes received, {pauses} pauses");
    assert_eq!(received, TOTAL);
    server.await?
}

async fn serve(listener: TlsListener, stalled: oneshot::Sender<usize>) -> Result {
    let mut stream = listener.accept().await?.handshake().await?;
    let mut stalled = Some(stalled);
    let data = vec![b'x'; 16 * 1024];
    let mut sent = 0;
    while sent < TOTAL {
        let rest = &data[..data.len().min(TOTAL - sent)];
        // A write that is dropped has written nothing.
        match timeout(STALLED, stream.write(rest)).await {
            Ok(written) => sent += written?,
            Err(_) => {
                if let Some(stalled) = stalled.take() {
                    let _ = stalled.send(sent);
                }
            }
        }
    }
    assert!(stalled.is_none(), "the sender was never held up");
    stream.shutdown().await?;
    Ok(())
}
