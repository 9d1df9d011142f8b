//! axum 0.8 over TLS: its `Listener` trait, and the connection's facts in the handlers.
//!
//! `cargo run --example axum`

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use portcullis::{ClientConfig, Connections, ServerConfig, TlsConnector, TlsListener, TlsStream};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A slow or broken client holds up nobody: handshakes run beside each other.
struct Https(Connections);

impl Listener for Https {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                // axum wants no error here. Running out of descriptors is waited for already.
                Err(error) => {
                    eprintln!("accept: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.listener().local_addr()
    }
}

/// What handlers may know of a connection.
#[derive(Clone, Debug)]
struct Client {
    address: SocketAddr,
    group: String,
}

impl Connected<IncomingStream<'_, Https>> for Client {
    fn connect_info(stream: IncomingStream<'_, Https>) -> Self {
        Self {
            address: *stream.remote_addr(),
            group: stream
                .io()
                .information()
                .group()
                .map_or("no group".to_owned(), |group| group.to_string()),
        }
    }
}

async fn hello(ConnectInfo(client): ConnectInfo<Client>) -> String {
    println!("{client:?}");
    format!("hello {}, over {}", client.address, client.group)
}

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder()
        .identity(identity)
        .alpn(["h2", "http/1.1"])
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/", get(hello))
        .into_make_service_with_connect_info::<Client>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        axum::serve(Https(listener.connections(64)), router)
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            })
            .await
    });

    let config = ClientConfig::builder(roots).alpn(["http/1.1"]).build()?;
    let mut stream = TlsConnector::new(config)
        .connect(address, "localhost")
        .await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    stream.flush().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    assert!(answer.ends_with("over X25519MLKEM768"));

    let _ = stop.send(());
    server.await??;
    Ok(())
}
