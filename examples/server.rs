//! An echo server that runs many handshakes at once.
//!
//! * `cargo run --example server`: serves one client of its own and ends.
//! * `cargo run --example server -- 127.0.0.1:4433`: runs until it is stopped, with a certificate
//!   made just now; prints the root that clients have to trust.
//! * `cargo run --example server -- 0.0.0.0:4433 chain.pem key.pem`: with a certificate of yours.

use std::env;

use portcullis::{
    ClientConfig, Connections, Identity, Roots, ServerConfig, TlsConnector, TlsListener, TlsStream,
};
use portcullis_examples::{Authority, Result, dev_identity};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Handshakes that may be under way at once; further clients wait in the system's backlog.
const HANDSHAKES: usize = 256;

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => demonstrate().await,
        [address] => {
            let authority = Authority::new()?;
            print!("{}", authority.root_pem());
            serve(listen(address, authority.identity("localhost")?).await?).await
        }
        [address, chain, key] => {
            let identity = Identity::from_pem_files(chain, key)?;
            serve(listen(address, identity).await?).await
        }
        _ => Err("usage: server [ADDRESS [CHAIN.pem KEY.pem]]".into()),
    }
}

async fn listen(address: &str, identity: Identity) -> Result<Connections> {
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind(address, config).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener.connections(HANDSHAKES))
}

/// Failed handshakes are logged (with `tracing`) and passed over; an error is the listener's own.
async fn serve(mut connections: Connections) -> Result {
    loop {
        let (stream, peer) = connections.accept().await?;
        tokio::spawn(async move {
            match echo(stream).await {
                Ok(bytes) => println!("{peer}: {bytes} bytes"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
}

/// Sends back what comes, until the client closes its side.
async fn echo(stream: TlsStream<TcpStream>) -> std::io::Result<u64> {
    let (mut read, mut write) = stream.into_split();
    let bytes = tokio::io::copy_buf(&mut read, &mut write).await?;
    write.shutdown().await?;
    Ok(bytes)
}

async fn demonstrate() -> Result {
    let (identity, roots) = dev_identity()?;
    let mut connections = listen("127.0.0.1:0", identity).await?;
    let address = connections.local_addr()?;
    let client = tokio::spawn(async move { ask(&address.to_string(), roots).await });

    let (stream, peer) = connections.accept().await?;
    let bytes = echo(stream).await?;
    println!("{peer}: {bytes} bytes");
    assert_eq!(bytes, 14);
    client.await?
}

async fn ask(address: &str, roots: Roots) -> Result {
    let connector = TlsConnector::new(ClientConfig::builder(roots).build()?);
    let mut stream = connector.connect(address, "localhost").await?;
    stream.write_all(b"is anybody in?").await?;
    stream.flush().await?;
    assert_eq!(&stream.recv(14).await?[..], b"is anybody in?");
    // Closes the write side; the server's end of data still comes.
    stream.shutdown().await?;
    assert!(stream.recv(0).await.is_err_and(|error| error.is_closed()));
    Ok(())
}
