//! A client that sends one request and prints what comes.
//!
//! * `cargo run --example client`: asks a server of its own.
//! * `cargo run --example client -- example.com:443`: asks for `/` over HTTP, trusting the
//!   system's roots.
//! * `cargo run --example client -- intranet.example:443 roots.pem`: trusting what is in a file.

use std::env;

use portcullis::{ClientConfig, Roots, ServerConfig, ServerName, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => demonstrate().await,
        [address] => ask(address, Roots::os()?).await.map(drop),
        [address, roots] => ask(address, Roots::from_pem_file(roots)?).await.map(drop),
        _ => Err("usage: client [HOST:PORT [ROOTS.pem]]".into()),
    }
}

async fn ask(address: &str, roots: Roots) -> Result<String> {
    let (host, _) = address.rsplit_once(':').ok_or("an address is HOST:PORT")?;
    let host = host.trim_matches(['[', ']']);
    // The server's certificate must have this name, or this IP address.
    let name = ServerName::try_from(host.to_owned())?;

    let config = ClientConfig::builder(roots).alpn(["http/1.1"]).build()?;
    let connector = TlsConnector::new(config);
    // The error says what went wrong, at which step, and who refused.
    let mut stream = connector.connect(address, name).await?;

    let agreed = stream.information();
    println!(
        "{} with {} and {}",
        agreed.version(),
        agreed.cipher_suite(),
        agreed
            .group()
            .map_or("none".to_owned(), |group| group.to_string())
    );
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;

    // The end of data is the server's close_notify. Data that was cut short is an error.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    println!("{answer}");
    Ok(answer)
}

async fn demonstrate() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = format!("localhost:{}", listener.local_addr()?.port());
    let server = tokio::spawn(serve(listener));

    let answer = ask(&address, roots).await?;
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    server.await?
}

async fn serve(listener: TlsListener) -> Result {
    let mut stream = listener.accept().await?.handshake().await?;
    let request = stream.recv(0).await?;
    assert!(request.starts_with(b"GET / HTTP/1.1\r\n"));
    stream
        .send(&[b"HTTP/1.1 204 ", b"No Content\r\n\r\n"])
        .await?;
    stream.shutdown().await?;
    Ok(())
}
