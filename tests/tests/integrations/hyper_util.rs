//! hyper-util's client asks OpenSSL's server.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portcullis::{ConnectionInformation, HttpsConnector};
use portcullis_tests::peers::Program;
use portcullis_tests::pki::pki;

use crate::client;

#[tokio::test]
async fn openssl_serves_a_page() {
    let identity = &pki().ecdsa_p256;
    let chain = identity.chain_file.display().to_string();
    let key = identity.key_file.display().to_string();
    let mut openssl = Program::start(
        "openssl",
        "openssl",
        [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-www",
            "-alpn",
            "http/1.1",
            "-cert",
            &chain,
            "-cert_chain",
            &chain,
            "-key",
            &key,
        ],
    );
    let accepting = openssl.wait_for_line("ACCEPT ").await;
    let (_, port) = accepting.rsplit_once(':').unwrap();
    let uri: Uri = format!("https://localhost:{port}/").parse().unwrap();

    let config = client().alpn(["h2", "http/1.1"]).build().unwrap();
    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpsConnector::new(config));
    // It closes after each page: the second time the session is resumed.
    for resumed in [false, true] {
        let response = client.get(uri.clone()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let known = response.extensions().get::<Arc<ConnectionInformation>>();
        let known = Arc::clone(known.unwrap());
        assert_eq!(known.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(known.is_resumed(), resumed);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(&known.cipher_suite().to_string()), "{body}");
    }
}
