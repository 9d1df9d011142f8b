//! WebSockets (RFC 6455) with tokio-tungstenite, on both sides: it takes any `AsyncRead +
//! AsyncWrite`, so a `TlsStream` goes in as it is.
//!
//! `cargo run --example tungstenite` talks to itself. With an argument, `serve`, it answers one client, whoever comes.

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis::{ClientConfig, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Authority, Result};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let identity = authority.identity("localhost")?;
    // RFC 6455 speaks HTTP/1.1.
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["http/1.1"])
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("wss://{address}\n{}", authority.root_pem());
        return echo(listener).await;
    }
    let server = tokio::spawn(echo(listener));

    let config = ClientConfig::builder(authority.roots()?)
        .alpn(["http/1.1"])
        .build()?;
    // adapter: client
    let connector = TlsConnector::new(config);
    let stream = connector.connect(address, "localhost").await?;
    // adapter: end
    let (mut socket, response) =
        client_async(format!("wss://localhost:{}/", address.port()), stream).await?;
    println!("{}", response.status());
    for word in ["one", "two", "three"] {
        socket.send(Message::text(word)).await?;
        let echoed = socket.next().await.ok_or("the server is gone")??;
        println!("{echoed}");
        assert_eq!(echoed, Message::text(word));
    }
    socket.close(None).await?;
    // The server's own close, and then the end.
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    assert!(socket.next().await.is_none());
    server.await?
}

/// One client.
async fn echo(listener: TlsListener) -> Result {
    // adapter: server
    let stream = listener.accept().await?.handshake().await?;
    // adapter: end
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            Message::Close(_) => println!("the client has closed"),
            _ => {}
        }
    }
    Ok(())
}
