//! What a server's handshakes and connections do, in numbers, for Prometheus.
//!
//! `cargo run --example metrics`; `docs/metrics.md` says what each number means.

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use portcullis::metrics::{HANDSHAKE_SECONDS_BUCKETS, describe};
use portcullis::{ClientConfig, Incoming, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result {
    // Once in a program, before its first connection.
    let seconds = Matcher::Full("tls_handshake_seconds".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &HANDSHAKE_SECONDS_BUCKETS)?
        .install_recorder()?;
    describe();

    // Where Prometheus asks, in plain HTTP: nobody else should reach it.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let pages = listener.local_addr()?;
    let page = Router::new().route("/metrics", get(move || async move { recorder.render() }));
    tokio::spawn(async move { axum::serve(listener, page).await });

    let (identity, roots) = dev_identity()?;
    let listener = TlsListener::bind(
        "127.0.0.1:0",
        ServerConfig::builder().identity(identity).build()?,
    )
    .await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener));

    let connector = TlsConnector::new(ClientConfig::builder(roots).build()?);
    for _ in 0..3 {
        let mut stream = connector.connect(address, "localhost").await?;
        stream.send(&[b"hello"]).await?;
        assert_eq!(&stream.recv(5).await?[..], b"hello");
        stream.shutdown().await?;
    }
    // A port scan.
    drop(TcpStream::connect(address).await?);

    let mut scrape = TcpStream::connect(pages).await?;
    scrape
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut page = String::new();
    scrape.read_to_string(&mut page).await?;
    println!("{page}");
    let line = r#"tls_handshakes_total{side="client",version="1.3",resumed="yes",result="ok"} 2"#;
    assert!(
        page.contains(line),
        "the first connection is a full handshake, two are resumed"
    );
    Ok(())
}

async fn serve(listener: TlsListener) -> std::io::Error {
    loop {
        match listener.accept().await {
            Ok(accepted) => tokio::spawn(answer(accepted)),
            Err(error) => return error,
        };
    }
}

async fn answer(accepted: Incoming) -> Result {
    let mut stream = accepted.handshake().await?;
    let word = stream.recv(5).await?;
    stream.send(&[&word]).await?;
    Ok(stream.shutdown().await?)
}
