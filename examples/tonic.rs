//! gRPC with tonic 0.14: its server takes `Connections`, its channel an `HttpsConnector`, and a
//! service knows its client's certificate.
//!
//! `cargo run --example tonic`

use portcullis::{
    ClientAuthentication, ClientConfig, HttpsConnector, ServerConfig, TlsConnectInfo, TlsListener,
    x509,
};
use portcullis_examples::{Authority, Result};
use tonic::transport::server::TcpConnectInfo;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

/// Whoever has no certificate for `alice.example` is refused, by gRPC.
fn only_alice(request: Request<()>) -> Result<Request<()>, Status> {
    let client = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let client = client.ok_or_else(|| Status::internal("no TLS"))?;
    println!("{client:?}");
    let alice = x509::SubjectAltName::DnsName("alice.example".into());
    match client.peer_certificates().first() {
        Some(certificate) if x509::general_names(certificate).contains(&alice) => Ok(request),
        _ => Err(Status::permission_denied("only alice may ask")),
    }
}

#[tokio::main]
async fn main() -> Result {
    let (servers, clients) = (Authority::new()?, Authority::new()?);
    let config = ServerConfig::builder()
        .identity(servers.identity("localhost")?)
        .client_authentication(ClientAuthentication::Optional(clients.roots()?))
        .alpn(["h2"])
        .build()?;
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("door", ServingStatus::Serving)
        .await;
    let service =
        HealthServer::with_interceptor(HealthService::from_health_reporter(reporter), only_alice);

    // adapter: server
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let connections = listener.connections(64);
    // adapter: end
    let (address, stop) = (connections.local_addr()?, connections.stop_handle());
    let server = tokio::spawn(async move {
        let mut server = Server::builder();
        server
            .add_service(service)
            .serve_with_incoming(connections)
            .await
    });

    let config = ClientConfig::builder(servers.roots()?).alpn(["h2"]);
    let stranger = config.clone().build()?;
    let alice = config
        .identity(clients.identity("alice.example")?)
        .build()?;
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port()))?;
    for (config, allowed) in [(stranger, false), (alice, true)] {
        // adapter: client
        let connector = HttpsConnector::new(config);
        let channel = endpoint.connect_with_connector(connector).await?;
        // adapter: end
        let request = HealthCheckRequest {
            service: "door".to_owned(),
        };
        let answer = HealthClient::new(channel).check(request).await;
        println!("{answer:?}");
        assert_eq!(answer.is_ok(), allowed);
    }

    // The stream of connections ends, and with it the server.
    stop.stop();
    server.await??;
    Ok(())
}
