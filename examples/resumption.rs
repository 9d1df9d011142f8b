//! A client resumes its sessions: from a store that the connector asks, and by hand with one that
//! was written down. A resumed connection needs no certificate and no signature.
//!
//! `cargo run --example resumption`

use std::sync::Arc;
use std::time::Duration;

use portcullis::session::{ClientSession, TicketKeys};
use portcullis::{ClientConfig, MemorySessionStore, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::AsyncWriteExt as _;

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    // These keys are this process's alone; servers that share the work have
    // `TicketKeys::shared`, or a store that `Answers::open_tickets` asks.
    let config = ServerConfig::builder()
        .identity(identity)
        .ticket_keys(TicketKeys::rotating(Duration::from_secs(7_200))?)
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    // The store in memory is for one process, and for any connectors in it.
    let store = Arc::new(MemorySessionStore::default());
    let config = ClientConfig::builder(roots).session_tickets(true).build()?;
    let connector = TlsConnector::new(config.clone()).session_store(store.clone());
    for resumed in [false, true] {
        let mut stream = connector.connect(address, "localhost").await?;
        println!("from the store: resumed is {}", stream.is_resumed());
        assert_eq!(stream.is_resumed(), resumed);
        assert_eq!(&stream.recv(5).await?[..], b"hello");
    }
    println!("the store has {} sessions", store.len());

    // By hand: tickets come with what is read.
    let connector = TlsConnector::new(config);
    let mut stream = connector.connect(address, "localhost").await?;
    assert_eq!(&stream.recv(5).await?[..], b"hello");
    let session = stream.take_session().ok_or("the server gave no ticket")?;
    // With these bytes one can resume the session: keep them as a key.
    let written = session.to_bytes();

    let session = ClientSession::from_bytes(&written)?;
    let mut stream = connector
        .offering([session])
        .connect(address, "localhost")
        .await?;
    println!("by hand: resumed is {}", stream.is_resumed());
    assert!(stream.is_resumed());
    assert_eq!(&stream.recv(5).await?[..], b"hello");
    server.await?
}

/// Four clients, one after another.
async fn serve(listener: TlsListener) -> Result {
    for _ in 0..4 {
        let mut stream = listener.accept().await?.handshake().await?;
        stream.send(&[b"hello"]).await?;
        stream.shutdown().await?;
    }
    Ok(())
}
