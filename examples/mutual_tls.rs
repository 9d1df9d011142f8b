//! Both sides show a certificate; a client without one is refused. A session keeps who its client
//! is, and a store that two clients share gives none of one's to the other.
//!
//! `cargo run --example mutual_tls`

use std::sync::Arc;

use portcullis::{
    AlertDescription, ClientAuthentication, ClientConfig, Direction, MemorySessionStore,
    ServerConfig, TlsConnector, TlsListener,
    x509::{self, SubjectAltName},
};
use portcullis_examples::{Authority, Result};
use tokio::io::AsyncWriteExt as _;

#[tokio::main]
async fn main() -> Result {
    // Servers and clients may well have authorities of their own.
    let servers = Authority::new()?;
    let clients = Authority::new()?;

    let config = ServerConfig::builder()
        .identity(servers.identity("localhost")?)
        .client_authentication(ClientAuthentication::Required(clients.roots()?))
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let store = Arc::new(MemorySessionStore::default());
    let client = |name| -> Result<TlsConnector> {
        let config = ClientConfig::builder(servers.roots()?).identity(clients.identity(name)?);
        let config = config.build()?;
        // adapter: client
        let connector = TlsConnector::new(config).session_store(store.clone());
        // adapter: end
        Ok(connector)
    };
    let (alice, bob) = (client("alice.example")?, client("bob.example")?);
    for (connector, resumed, greeting) in [
        (&alice, false, "hello alice.example"),
        (&alice, true, "hello alice.example"),
        (&bob, false, "hello bob.example"),
    ] {
        let mut stream = connector.connect(address, "localhost").await?;
        println!("client: resumed is {}", stream.is_resumed());
        assert_eq!(stream.is_resumed(), resumed);
        assert_eq!(stream.recv(0).await?, greeting);
        stream.shutdown().await?;
    }

    // In TLS 1.3 a client is done before the server has seen its certificate, so it learns of
    // the refusal when it reads.
    let config = ClientConfig::builder(servers.roots()?).build()?;
    let mut stream = TlsConnector::new(config)
        .connect(address, "localhost")
        .await?;
    let error = stream
        .recv(0)
        .await
        .err()
        .ok_or("nobody asked for a certificate")?;
    println!("client: {error}");
    assert_eq!(
        error.alert(),
        Some((Direction::Received, AlertDescription::CERTIFICATE_REQUIRED))
    );
    server.await?
}

async fn serve(listener: TlsListener) -> Result {
    for _ in 0..3 {
        let mut stream = listener.accept().await?.handshake().await?;
        // The chain has been verified, also that of a session; who may do what is up to the
        // application.
        let certificate = stream.peer_certificates().first().ok_or("no certificate")?;
        let names = x509::general_names(certificate);
        println!("server: the client is {names:?}");
        // Its kind counts: what looks like a host name may be a URI.
        let name = names.iter().find_map(|name| match name {
            SubjectAltName::DnsName(name) => Some(name),
            _ => None,
        });
        let name = name.ok_or("no DNS name")?;
        stream.send(&[b"hello ", name.as_bytes()]).await?;
        stream.shutdown().await?;
    }

    let refused = listener.accept().await?.handshake().await;
    let failed = refused
        .err()
        .ok_or("a client without a certificate came in")?;
    println!("server: {failed}");
    assert_eq!(
        failed.alert(),
        Some((Direction::Sent, AlertDescription::CERTIFICATE_REQUIRED))
    );
    Ok(())
}
