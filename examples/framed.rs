//! `Framed` of tokio-util and a service of tower: lines go in, answers come out, and neither
//! knows of TLS.
//!
//! `cargo run --example framed`

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis::{ClientConfig, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::AsyncWriteExt as _;
use tokio_util::codec::{Framed, LinesCodec};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};

/// A line that is longer is an error, and not memory.
const LONGEST: usize = 1_024;

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .service(service_fn(answer));
    let server = tokio::spawn(serve(listener, service));

    let config = ClientConfig::builder(roots).build()?;
    // adapter: client
    let connector = TlsConnector::new(config);
    let stream = connector.connect(address, "localhost").await?;
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST));
    // adapter: end
    for (question, expected) in [
        ("reverse abc", "cba"),
        ("sleep", "request timed out"),
        ("count abc", "3"),
    ] {
        lines.send(question).await?;
        let answer = lines.next().await.ok_or("the server is gone")??;
        println!("{question}: {answer}");
        assert_eq!(answer, expected);
    }
    lines.get_mut().shutdown().await?;
    server.await?
}

async fn answer(line: String) -> Result<String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
    match verb {
        "reverse" => Ok(rest.chars().rev().collect()),
        "count" => Ok(rest.chars().count().to_string()),
        "sleep" => std::future::pending().await,
        _ => Err("reverse, count or sleep".into()),
    }
}

/// One client.
async fn serve<S>(listener: TlsListener, mut service: S) -> Result
where
    S: Service<String, Response = String>,
    S::Error: std::fmt::Display + Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // adapter: server
    let stream = listener.accept().await?.handshake().await?;
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST));
    // adapter: end
    while let Some(line) = lines.next().await {
        let ready = service.ready().await.map_err(Into::into)?;
        let answer = match ready.call(line?).await {
            Ok(answer) => answer,
            Err(error) => error.to_string(),
        };
        lines.send(answer).await?;
    }
    Ok(())
}
