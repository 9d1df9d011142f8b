//! axum 0.8 over HTTP/2, for clients with a certificate: handlers know who asks, and a server
//! that runs gets a new certificate and is stopped gracefully.
//!
//! `cargo run --example axum`

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{StatusCode, Uri, Version};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portcullis::{
    ClientAuthentication, ClientConfig, HttpsConnector, ServerConfig, TlsConnectInfo, TlsListener,
    x509,
};
use portcullis_examples::{Authority, Result};

/// The chain has been verified; whose it is decides the application.
async fn hello(ConnectInfo(client): ConnectInfo<TlsConnectInfo>) -> Result<String, StatusCode> {
    println!("{client:?}");
    let certificate = client.peer_certificates().first();
    let names = x509::general_names(certificate.ok_or(StatusCode::FORBIDDEN)?);
    Ok(format!("hello {names:?}, over {}", client.version()))
}

#[tokio::main]
async fn main() -> Result {
    // Servers and clients may well have authorities of their own.
    let (servers, clients) = (Authority::new()?, Authority::new()?);
    let config = ServerConfig::builder()
        .identity(servers.identity("localhost")?)
        // Whoever has none is told so by a handler, in HTTP.
        .client_authentication(ClientAuthentication::Optional(clients.roots()?))
        .alpn(["h2", "http/1.1"])
        .build()?;
    let router = Router::new().route("/", get(hello));

    // adapter: server
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let connections = listener.connections(64);
    let service = router.into_make_service_with_connect_info::<TlsConnectInfo>();
    // adapter: end
    let (address, stop) = (connections.local_addr()?, connections.stop_handle());
    let configuration = connections.reloadable();
    let serve = axum::serve(connections, service).with_graceful_shutdown(stop.stopped());
    let server = tokio::spawn(async move { serve.await });

    let uri: Uri = format!("https://localhost:{}/", address.port()).parse()?;
    let config = ClientConfig::builder(servers.roots()?).alpn(["h2", "http/1.1"]);
    let stranger = config.clone().build()?;
    let alice = config
        .identity(clients.identity("alice.example")?)
        .build()?;
    for (config, status) in [(stranger, StatusCode::FORBIDDEN), (alice, StatusCode::OK)] {
        // A certificate made just now, as if the old one had come to its end.
        let renewed = configuration.current().to_builder().clear_identities();
        let renewed = renewed.identity(servers.identity("localhost")?);
        configuration.replace(renewed.build()?);

        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build(HttpsConnector::new(config));
        let response = client.get(uri.clone()).await?;
        assert_eq!(response.status(), status);
        assert_eq!(response.version(), Version::HTTP_2);
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status}: {}", body.escape_ascii());
        let alice = body.starts_with(br#"hello [DnsName("alice.example")]"#);
        assert_eq!(alice, status.is_success());
    }

    // Handshakes that are under way come to their end, and requests to theirs.
    stop.stop();
    server.await??;
    Ok(())
}
