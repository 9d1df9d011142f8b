//! An HTTP/1.1 server that asks for the client's certificate on one path only, when the request for it is there
//! (RFC 8446 §4.6.2). HTTP/2 forbids that (RFC 9113 §9.2.3), so that this server offers HTTP/1.1 alone.
//!
//! `cargo run --example certificate_on_one_path`

use std::time::Duration;

use portcullis::{
    ClientAuthentication, ClientCertificate, ClientConfig, ServerConfig, TlsConnector, TlsListener,
    TlsStream, x509,
};
use portcullis_examples::{Authority, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let config = ServerConfig::builder()
        .identity(authority.identity("localhost")?)
        .alpn(["http/1.1"])
        .client_authentication(ClientAuthentication::Optional(authority.roots()?))
        .post_handshake_authentication(true)
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let client = |config: portcullis::config::ClientConfigBuilder| -> Result<TlsConnector> {
        let config = config
            .alpn(["http/1.1"])
            .post_handshake_authentication(true);
        Ok(TlsConnector::new(config.build()?))
    };
    let plain = || -> Result<_> { Ok(ClientConfig::builder(authority.roots()?)) };
    let alice = plain()?.identity(authority.identity("alice.example")?);
    for (connector, private) in [
        (client(alice)?, "HTTP/1.1 200 hello alice.example"),
        (client(plain()?)?, "HTTP/1.1 403 who are you"),
    ] {
        // One connection for both paths.
        let mut stream = BufReader::new(connector.connect(address, "localhost").await?);
        assert_eq!(get(&mut stream, "/").await?, "HTTP/1.1 200 hello everybody");
        assert_eq!(get(&mut stream, "/private").await?, private);
        assert_eq!(get(&mut stream, "/").await?, "HTTP/1.1 200 hello everybody");
        stream.shutdown().await?;
    }
    server.await?
}

async fn get(stream: &mut BufReader<TlsStream<TcpStream>>, path: &str) -> Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.get_mut().send(&[request.as_bytes()]).await?;
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    let mut rest = String::new();
    while stream.read_line(&mut rest).await? > 2 {}
    println!("client: {path}: {}", status.trim_end());
    Ok(status.trim_end().to_owned())
}

async fn serve(listener: TlsListener) -> Result {
    for _ in 0..2 {
        let mut stream = listener.accept().await?.handshake().await?;
        // What has come and is no whole request yet.
        let mut text = Vec::new();
        while let Some(path) = next_path(&mut stream, &mut text).await? {
            let status = match path.as_str() {
                "/private" => private(&mut stream).await?,
                _ => "200 hello everybody".to_owned(),
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.send(&[answer.as_bytes()]).await?;
        }
        stream.shutdown().await?;
    }
    Ok(())
}

/// The client may have to ask somebody for a PIN, so that it has a minute.
async fn private(stream: &mut TlsStream<TcpStream>) -> Result<String> {
    let shown = stream.authenticate_client(Duration::from_secs(60)).await?;
    let ClientCertificate::Presented(chain) = shown else {
        return Ok("403 who are you".to_owned());
    };
    let names = x509::subject_alt_names(chain.end_entity());
    Ok(format!("200 hello {}", names.join(", ")))
}

async fn next_path(
    stream: &mut TlsStream<TcpStream>,
    text: &mut Vec<u8>,
) -> Result<Option<String>> {
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = text.drain(..end + 4).collect();
            let head = String::from_utf8(head)?;
            return Ok(head.split(' ').nth(1).map(str::to_owned));
        }
        match stream.recv(0).await {
            Ok(more) => text.extend_from_slice(&more),
            Err(error) if error.is_closed() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}
