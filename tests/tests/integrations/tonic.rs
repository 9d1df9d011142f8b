//! curl calls a service of gRPC.

use portcullis::TlsConnectInfo;
use portcullis_tests::peers::{Settings, curl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use crate::{listen, server};

/// Two bytes: field 1 is SERVING.
const SERVING: &str = "\0\0\0\0\x02\x08\x01";

fn with_a_certificate(request: Request<()>) -> Result<Request<()>, Status> {
    let client = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    match client.is_some_and(|client| !client.peer_certificates().is_empty()) {
        true => Ok(request),
        false => Err(Status::unauthenticated("no certificate")),
    }
}

#[tokio::test]
async fn curl_calls_with_a_certificate() {
    let listener = listen(server(&pki().ecdsa_p256).alpn(["h2"])).await;
    let connections = listener.connections(16);
    let (address, stop) = (connections.local_addr().unwrap(), connections.stop_handle());
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("", ServingStatus::Serving)
        .await;
    let service = HealthService::from_health_reporter(reporter);
    let service = HealthServer::with_interceptor(service, with_a_certificate);
    let running = tokio::spawn(async move {
        let mut server = Server::builder();
        let router = server.add_service(service);
        router.serve_with_incoming(connections).await
    });

    // An empty message, not compressed.
    let request = scratch::file("request", [0; 5]);
    let mut settings = Settings::client();
    let data = format!("@{}", request.display());
    for word in [
        "--http2",
        "--header",
        "content-type: application/grpc",
        "--header",
        "te: trailers",
        "--data-binary",
        &data,
    ] {
        settings.extra.push(word.to_owned());
    }
    let path = "/grpc.health.v1.Health/Check";
    let stranger = curl::fetch(address, &settings, path).await;
    let said = stranger.output.line("grpc-status: ");
    // The answer comes before the request is read, and then curl 7.88 may print none.
    assert!(
        said.is_none_or(|said| said.contains("grpc-status: 16")),
        "{}",
        stranger.output
    );
    assert_ne!(stranger.body.as_deref(), Ok(SERVING));
    let known = curl::fetch(address, &settings.identity(&pki().client), path).await;
    let said = known.output.line("grpc-status: ").unwrap_or_default();
    assert!(said.contains("grpc-status: 0"), "{}", known.output);
    assert_eq!(known.body.as_deref(), Ok(SERVING));

    stop.stop();
    running.await.unwrap().unwrap();
}
