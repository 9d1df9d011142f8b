//! A server with a certificate made just now and a client that trusts it, over TCP in one
//! process: what they agree on, and both ways in which data is delivered.
//!
//! `cargo run --example quickstart`

use futures_util::StreamExt as _;
use portcullis::{Active, ClientConfig, Message, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["countdown"])
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let config = ClientConfig::builder(roots).alpn(["countdown"]).build()?;
    let mut stream = TlsConnector::new(config)
        .connect(address, "localhost")
        .await?;

    let agreed = stream.information();
    println!("connected to {address}");
    println!("version      {}", agreed.version());
    println!("suite        {}", agreed.cipher_suite());
    if let Some(group) = agreed.group() {
        println!("group        {group}");
    }
    let alpn = agreed.alpn_protocol().unwrap_or_default();
    println!("ALPN         {}", alpn.escape_ascii());
    assert_eq!(alpn, b"countdown");

    // Passive: the stream reads when it is asked to.
    stream.write_all(b"count from 4\n").await?;
    stream.flush().await?;
    let answer = stream.recv(8).await?;
    println!("passive      {:?}, exactly 8 bytes", answer);
    assert_eq!(&answer[..], b"counting");

    // Active: messages come by themselves, here two and then as many as there are.
    let mut messages = stream.into_active(Active::N(2));
    let mut counted = Vec::new();
    while let Some(message) = messages.next().await {
        match message {
            Message::Data(data) => {
                println!("active       {data:?}");
                counted.push(data);
            }
            Message::Passive => {
                println!("active       the credits are used up; now everything");
                assert_eq!(counted.len(), 2);
                messages.set_active(Active::True)?;
            }
            Message::Closed => println!("active       closed by the server"),
            Message::Error(error) => return Err(error.into()),
            other => println!("active       {other:?}"),
        }
    }
    assert_eq!(counted, ["4", "3", "2", "1"]);
    server.await?
}

async fn serve(listener: TlsListener) -> Result {
    let mut stream = listener.accept().await?.handshake().await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    stream.write_all(b"counting").await?;
    let from: u32 = line.trim_start_matches("count from ").trim().parse()?;
    for number in (1..=from).rev() {
        // Each send is a record of its own, and a message at an active receiver.
        stream.send(&[number.to_string().as_bytes()]).await?;
    }
    stream.shutdown().await?;
    Ok(())
}
