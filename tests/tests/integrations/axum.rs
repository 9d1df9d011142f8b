//! curl asks axum.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Version;
use axum::routing::get;
use portcullis::TlsConnectInfo;
use portcullis_tests::peers::{Settings, curl};
use portcullis_tests::pki::pki;

use crate::{listen, server};

async fn describe(version: Version, ConnectInfo(client): ConnectInfo<TlsConnectInfo>) -> String {
    let name = client.server_name().unwrap_or_default();
    let certificates = client.peer_certificates().len();
    format!("{version:?} {} {name} {certificates}", client.version())
}

#[tokio::test]
async fn curl_speaks_both_versions_of_http_with_and_without_a_certificate() {
    let listener = listen(server(&pki().ecdsa_p256).alpn(["h2", "http/1.1"])).await;
    let connections = listener.connections(16);
    let (address, stop) = (connections.local_addr().unwrap(), connections.stop_handle());
    let router = Router::new().route("/", get(describe));
    let service = router.into_make_service_with_connect_info::<TlsConnectInfo>();
    let stopped = stop.stopped();
    let running = tokio::spawn(async move {
        axum::serve(connections, service)
            .with_graceful_shutdown(stopped)
            .await
    });

    for (option, alpn, version) in [
        ("--http2", "h2", "HTTP/2.0"),
        ("--http1.1", "http/1.1", "HTTP/1.1"),
    ] {
        let mut settings = Settings::client();
        settings.extra.push(option.to_owned());
        let stranger = curl::fetch(address, &settings, "/").await;
        let known = curl::fetch(address, &settings.identity(&pki().client), "/").await;
        // The chain has an intermediate certificate.
        for (fetch, certificates) in [(stranger, 0), (known, 2)] {
            let expected = format!("{version} TLSv1.3 localhost {certificates}");
            assert_eq!(fetch.body, Ok(expected), "{}", fetch.output);
            assert_eq!(fetch.report.alpn.as_deref(), Some(alpn));
        }
    }
    stop.stop();
    running.await.unwrap().unwrap();
    let gone = curl::fetch(address, &Settings::client(), "/").await;
    assert_eq!(gone.body, Err(7), "nobody listens: {}", gone.output);
}
