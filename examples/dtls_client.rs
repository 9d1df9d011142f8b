//! A client over DTLS that asks until it is answered: over UDP a message may be lost, and nobody says so.
//!
//! * `cargo run --example dtls_client`: asks a server of its own that does not answer everything.
//! * `cargo run --example dtls_client -- example.com:4433 roots.pem`: asks a server of yours.

use std::env;
use std::time::Duration;

use bytes::Bytes;
use portcullis::{ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, Roots, ServerConfig};
use portcullis_examples::{Result, dev_identity};

/// How long an answer is waited for, and how often.
const PATIENCE: Duration = Duration::from_millis(200);
const TRIES: usize = 5;

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => demonstrate().await,
        [address, roots] => {
            let (host, _) = address.rsplit_once(':').ok_or("an address is HOST:PORT")?;
            let connector = connector(Roots::from_pem_file(roots)?)?;
            let connection = connector.connect(address, host.to_owned()).await?;
            println!("{:?}", talk(connection).await?);
            Ok(())
        }
        _ => Err("usage: dtls_client [HOST:PORT ROOTS.pem]".into()),
    }
}

fn connector(roots: Roots) -> Result<DtlsConnector> {
    Ok(DtlsConnector::new(ClientConfig::builder(roots).build()?))
}

async fn talk(mut connection: DtlsConnection) -> Result<Bytes> {
    println!("{}", connection.information().version());
    let answer = ask(&mut connection, b"how warm is it?").await?;
    connection.close(Duration::from_secs(1)).await?;
    Ok(answer)
}

/// Asks again if nothing comes: the question must do no harm twice.
async fn ask(connection: &mut DtlsConnection, question: &[u8]) -> Result<Bytes> {
    for _ in 0..TRIES {
        connection.send(&[question]).await?;
        match connection.recv_timeout(PATIENCE).await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("no answer".into())
}

async fn demonstrate() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = DtlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let mut connection = listener.accept().await?.handshake().await?;
        // As if it had been lost.
        let lost = connection.recv().await?;
        let question = connection.recv().await?;
        assert_eq!(lost, question);
        connection.send(&[b"21 degrees"]).await
    });
    let connection = connector(roots)?.connect(address, "localhost").await?;
    assert_eq!(&talk(connection).await?[..], b"21 degrees");
    server.await??;
    Ok(())
}
