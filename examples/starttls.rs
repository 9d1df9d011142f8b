//! TLS in the middle of a plain-text conversation, and plain text again behind it: STARTTLS as
//! in mail (RFC 3207), and back as FTP's CCC does (RFC 4217 §12.3).
//!
//! `cargo run --example starttls`

use std::time::Duration;

use bytes::Bytes;
use portcullis::{ClientConfig, Identity, Roots, ServerConfig, TlsAcceptor, TlsConnector};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await?;
        serve(io, identity).await
    });
    converse(TcpStream::connect(address).await?, roots).await?;
    server.await?
}

async fn serve(io: TcpStream, identity: Identity) -> Result {
    let config = ServerConfig::builder().identity(identity).build()?;

    let mut plain = BufReader::new(io);
    plain.write_all(b"220 ready\r\n").await?;
    assert_eq!(line(&mut plain).await?, "STARTTLS");
    plain.write_all(b"220 go ahead\r\n").await?;

    // The buffered reader may have read on. These bytes belong to TLS, not to the conversation:
    // commands that someone slipped in behind STARTTLS fail the handshake.
    let prefix = Bytes::copy_from_slice(plain.fill_buf().await?);
    assert_eq!(prefix[0], 22, "a handshake record");
    println!("server: {} bytes of TLS were read already", prefix.len());
    let mut secure = TlsAcceptor::new(config)
        .upgrade_with_prefix(plain.into_inner(), prefix)
        .await?;

    assert_eq!(line(&mut secure).await?, "PASS secret");
    secure.send(&[b"230 welcome\r\n"]).await?;
    assert_eq!(line(&mut secure).await?, "CCC");
    secure.send(&[b"200 plain text from here\r\n"]).await?;

    // close_notify goes both ways. The client's first plain text may have come with its own.
    let ended = secure.downgrade(PATIENCE).await?;
    assert!(ended.data.is_empty(), "the client had nothing more to say");
    let (read, mut write) = ended.transport.into_split();
    let mut plain = BufReader::new((&ended.leftover[..]).chain(read));
    assert_eq!(line(&mut plain).await?, "NOOP");
    write.write_all(b"200 in plain text\r\n").await?;
    Ok(())
}

async fn converse(io: TcpStream, roots: Roots) -> Result {
    let config = ClientConfig::builder(roots).build()?;

    let mut plain = BufReader::new(io);
    assert_eq!(line(&mut plain).await?, "220 ready");
    plain.write_all(b"STARTTLS\r\n").await?;
    assert_eq!(line(&mut plain).await?, "220 go ahead");

    // What else was read is passed on here too, never looked at. What the server said in plain
    // text counts for nothing from here on.
    let prefix = Bytes::copy_from_slice(plain.buffer());
    let mut secure = TlsConnector::new(config)
        .upgrade_with_prefix(plain.into_inner(), "localhost", prefix)
        .await?;
    println!("client: {} now", secure.information().version());
    secure.send(&[b"PASS secret\r\n"]).await?;
    assert_eq!(line(&mut secure).await?, "230 welcome");
    secure.send(&[b"CCC\r\n"]).await?;
    assert_eq!(line(&mut secure).await?, "200 plain text from here");

    let ended = secure.downgrade(PATIENCE).await?;
    let (read, mut write) = ended.transport.into_split();
    write.write_all(b"NOOP\r\n").await?;
    let mut plain = BufReader::new((&ended.leftover[..]).chain(read));
    assert_eq!(line(&mut plain).await?, "200 in plain text");
    println!("client: plain text again");
    Ok(())
}

async fn line(io: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut line = String::new();
    io.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
