//! Certificates that are looked up while the client waits, as in a database or a key service.
//!
//! `cargo run --example sni_async`

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{
    AlertDescription, ClientConfig, Direction, Error, Identity, Refusal, Roots, ServerConfig,
    ServerName, TlsAcceptor, TlsConnector, TlsListener, answers,
};
use portcullis_examples::{Authority, Result};
use tokio::io::AsyncWriteExt as _;

/// Stands for whatever takes its time.
struct Database(HashMap<String, Identity>);

impl Database {
    async fn find(&self, name: &str) -> Option<Identity> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.get(name).cloned()
    }
}

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let mut rows = HashMap::new();
    for name in ["one.example", "two.example"] {
        rows.insert(name.to_owned(), authority.identity(name)?);
    }
    let database = Arc::new(Database(rows));

    // The future belongs to the handshake: it ends with it, and with its timeout.
    let by_name = answers::identity_by_name(move |name| {
        let database = database.clone();
        async move {
            let name = name.unwrap_or_default();
            match database.find(&name).await {
                Some(identity) => Ok(Some(identity)),
                None => Err(Refusal::new(
                    AlertDescription::UNRECOGNIZED_NAME,
                    format!("there is no site {name}"),
                )),
            }
        }
    });
    // `ask_identity`: a server may be without a certificate of its own.
    let config = ServerConfig::builder().ask_identity(true).build()?;
    let acceptor = TlsAcceptor::new(config).answers(by_name);
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let roots = authority.roots()?;
    let (one, two, three) = tokio::join!(
        visit(address, "one.example", &roots),
        visit(address, "two.example", &roots),
        visit(address, "three.example", &roots),
    );
    one?;
    two?;
    let error = three.err().ok_or("there is no third site")?;
    println!("client: {error}");
    let refused = error.downcast_ref::<Error>().and_then(Error::alert);
    let alert = AlertDescription::UNRECOGNIZED_NAME;
    assert_eq!(refused, Some((Direction::Received, alert)));
    server.abort();
    Ok(())
}

async fn serve(listener: TlsListener) -> std::io::Result<()> {
    let mut connections = listener.connections(16);
    loop {
        let (mut stream, _) = connections.accept().await?;
        println!("server: {}", stream.server_name().unwrap_or_default());
        stream.shutdown().await?;
    }
}

async fn visit(address: SocketAddr, name: &'static str, roots: &Roots) -> Result {
    let connector = TlsConnector::new(ClientConfig::builder(roots.clone()).build()?);
    let mut stream = connector
        .connect(address, ServerName::try_from(name)?)
        .await?;
    // The certificate has been verified to have the name.
    assert!(!stream.peer_certificates().is_empty());
    assert!(stream.recv(0).await.is_err_and(|error| error.is_closed()));
    Ok(())
}
