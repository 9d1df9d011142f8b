//! Coming from tokio-rustls: its kind of client and server, with sockets of one's own and halves
//! that come from `tokio::io::split`. Comments say what was there before.
//!
//! `cargo run --example tokio_rustls_port`

use std::io;

use portcullis::{ClientConfig, ServerConfig, ServerName, TlsAcceptor, TlsConnector};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, split};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    // rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certs, key)?
    let config = ServerConfig::builder().identity(identity).build()?;
    // adapter: server
    // TlsAcceptor::from(Arc::new(config)): configurations are cheap to clone as they are.
    let acceptor = TlsAcceptor::from(config);
    // adapter: end
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await?;
        echo(io, &acceptor).await
    });

    // rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    let config = ClientConfig::builder(roots).build()?;
    let io = TcpStream::connect(address).await?;
    // adapter: client
    let connector = TlsConnector::from(config);
    let name = ServerName::try_from("localhost")?.to_owned();
    // connector.connect(name, io); here `connect` makes the socket, too.
    let stream = connector.upgrade(io, name).await?;
    // adapter: end
    let (mut reader, mut writer) = split(stream);
    let writing = tokio::spawn(async move {
        writer.write_all(b"hello from before").await?;
        // As there: without it the end of the data does not arrive.
        writer.shutdown().await
    });
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await?;
    writing.await??;
    println!("{answer}");
    assert_eq!(answer, "hello from before");
    server.await??;
    Ok(())
}

/// An error of a handshake goes by `?` into an `io::Error`, as there.
async fn echo(io: TcpStream, acceptor: &TlsAcceptor) -> io::Result<()> {
    // adapter: server
    let stream = acceptor.accept(io).await?;
    // adapter: end
    let (mut reader, mut writer) = split(stream);
    let count = copy(&mut reader, &mut writer).await?;
    println!("echo: {count} bytes");
    writer.shutdown().await
}
