//! curl and gRPC's own client call a service of tonic's; a channel of tonic's calls gRPC's own server. That is gRPC for
//! Python, which is its library in C++ over OpenSSL.

use std::net::SocketAddr;

use portcullis::config::ClientConfigBuilder;
use portcullis::{ClientConfig, HttpsConnector, Roots, StopHandle, TlsConnectInfo};
use portcullis_tests::peers::{Settings, curl};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpConnectInfo;
use tonic::transport::{Channel, Endpoint, Error, Server};
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus as Said;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use crate::programs::python;
use crate::{client, identity, listen, server};

const PACKAGE: &str = "python3-grpcio";

/// Two bytes: field 1 is SERVING.
const SERVING: &str = "\0\0\0\0\x02\x08\x01";

fn with_a_certificate(request: Request<()>) -> Result<Request<()>, Status> {
    let client = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    match client.is_some_and(|client| !client.peer_certificates().is_empty()) {
        true => Ok(request),
        false => Err(Status::unauthenticated("no certificate")),
    }
}

/// A server of tonic's that is well, for whom has a certificate.
async fn serve() -> (SocketAddr, StopHandle, JoinHandle<Result<(), Error>>) {
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
    (address, stop, running)
}

#[tokio::test]
async fn curl_calls_with_a_certificate() {
    let (address, stop, running) = serve().await;

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

#[tokio::test]
async fn python_calls_with_a_certificate() {
    let (address, stop, running) = serve().await;
    let port = address.port().to_string();
    let path = |path: &std::path::Path| path.display().to_string();
    let root = path(&pki().root.file);
    let call = async |more: &[&str]| {
        let words = [&[port.as_str()], more].concat();
        let (status, output) = python("grpc_client.py", PACKAGE, &words).finish().await;
        assert!(status.success(), "{output}");
        output.stdout
    };

    let stranger = call(&[&root]).await;
    assert_eq!(stranger, "UNAUTHENTICATED no certificate\n");
    let (chain, key) = (&pki().client.chain_file, &pki().client.key_file);
    let known = call(&[&root, &path(chain), &path(key)]).await;
    // What has no name that the server knows is a question of several records.
    let expected = "check 0801\nwatch 0801\nNOT_FOUND service not registered\n";
    assert_eq!(known, expected);
    // It knows us by our root.
    let lost = call(&[&path(&pki().unknown_root.file)]).await;
    assert!(lost.starts_with("UNAVAILABLE "), "{lost}");

    stop.stop();
    running.await.unwrap().unwrap();
}

/// The error and all that stands behind it.
fn sentences(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    let sentences: Vec<_> = sources.map(ToString::to_string).collect();
    sentences.join(": ")
}

async fn channel(config: ClientConfigBuilder, port: &str) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
    let config = config.alpn(["h2"]).build().unwrap();
    endpoint
        .connect_with_connector(HttpsConnector::new(config))
        .await
}

#[tokio::test]
async fn a_channel_calls_a_server_of_python() {
    let own = &pki().ecdsa_p256;
    let path = |path: &std::path::Path| path.display().to_string();
    let files = [&own.chain_file, &own.key_file, &pki().root.file].map(|file| path(file));
    let words: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut program = python("grpc_server.py", PACKAGE, &words);
    let line = program.wait_for_line("listens at ").await;
    let port = line.trim_start_matches("listens at ");

    let known = client().identity(identity(&pki().client));
    let mut health = HealthClient::new(channel(known, port).await.unwrap());
    // More than a record, and than the window that HTTP/2 begins with.
    let long = HealthCheckRequest {
        service: "x".repeat(100_000),
    };
    let answer = health.check(long.clone()).await.unwrap();
    // It knows who has called, and has all that was said.
    let said = |name: &str| answer.metadata().get(name).unwrap().to_str().unwrap();
    assert_eq!(said("client"), "client.example");
    assert_eq!(said("size"), "100004");
    assert_eq!(answer.get_ref().status(), Said::Serving);
    let mut watched = health.watch(long).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(each) = watched.message().await.unwrap() {
        assert_eq!(each.status(), Said::Serving);
        count += 1;
    }
    assert_eq!(count, 3);

    // It wants a certificate, and closes without a word behind the handshake, when this side is through with it.
    let request = HealthCheckRequest::default();
    let refused = match channel(client(), port).await {
        Ok(channel) => HealthClient::new(channel).check(request).await.unwrap_err(),
        Err(error) => Status::from_error(error.into()),
    };
    let source = std::error::Error::source(&refused);
    assert!(
        source.is_some_and(|source| source.is::<Error>()),
        "{refused:?}"
    );
    // Whom nobody has vouched for is not called.
    let mut strange = Roots::empty();
    let root = pki().unknown_root.certificate.clone();
    strange.add_der(root).unwrap();
    let refused = channel(ClientConfig::builder(strange), port)
        .await
        .unwrap_err();
    assert!(sentences(&refused).contains("unknown_ca"), "{refused:?}");

    program.close_stdin();
    let (status, output) = program.finish().await;
    assert!(status.success(), "{output}");
}
