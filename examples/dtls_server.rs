//! An echo server over DTLS: one UDP socket, any number of clients.
//!
//! * `cargo run --example dtls_server`: serves clients of its own and ends.
//! * `cargo run --example dtls_server -- 127.0.0.1:4433`: runs until it is stopped, with a certificate made just now;
//!   prints the root that clients have to trust.

use std::env;
use std::time::Duration;

use portcullis::{
    ClientConfig, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, DtlsOptions, Error,
    Identity, Roots, ServerConfig,
};
use portcullis_examples::{Authority, Result, dev_identity};

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
        _ => Err("usage: dtls_server [ADDRESS]".into()),
    }
}

async fn listen(address: &str, identity: Identity) -> Result<DtlsListener> {
    let config = ServerConfig::builder().identity(identity).build()?;
    // A client that is silent for a minute is gone: over UDP nobody says so.
    let options = DtlsOptions::new().idle_timeout(Some(Duration::from_secs(60)));
    let acceptor = DtlsAcceptor::new(config).options(options);
    let listener = DtlsListener::bind(address, acceptor).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Each client has a task of its own, from its handshake on: a slow one holds up nobody.
async fn serve(listener: DtlsListener) -> Result {
    loop {
        let incoming = listener.accept().await?;
        tokio::spawn(async move {
            let peer = incoming.peer_addr();
            let served = match incoming.handshake().await {
                Ok(connection) => echo(connection).await,
                Err(error) => Err(error),
            };
            match served {
                Ok(messages) => println!("{peer:?}: {messages} messages"),
                Err(error) => println!("{peer:?}: {error}"),
            }
        });
    }
}

/// Sends back what comes, until the client closes.
async fn echo(mut connection: DtlsConnection) -> Result<u64, Error> {
    let mut messages = 0;
    loop {
        match connection.recv().await {
            Ok(message) => connection.send(&[&message]).await?,
            Err(error) if error.is_closed() => return Ok(messages),
            Err(error) => return Err(error),
        }
        messages += 1;
    }
}

async fn demonstrate() -> Result {
    let (identity, roots) = dev_identity()?;
    let listener = listen("127.0.0.1:0", identity).await?;
    let address = listener.local_addr()?.to_string();
    let server = tokio::spawn(serve(listener));
    for _ in 0..3 {
        ask(&address, roots.clone()).await?;
    }
    server.abort();
    Ok(())
}

async fn ask(address: &str, roots: Roots) -> Result {
    let connector = DtlsConnector::new(ClientConfig::builder(roots).build()?);
    let mut connection = connector.connect(address, "localhost").await?;
    connection.send(&[b"is anybody in?"]).await?;
    assert_eq!(&connection.recv().await?[..], b"is anybody in?");
    connection.close(Duration::from_secs(5)).await?;
    Ok(())
}
