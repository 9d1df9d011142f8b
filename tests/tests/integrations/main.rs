//! The integrations with other crates, beside programs that know nothing of us: curl, OpenSSL,
//! Python, PostgreSQL, Redis.

mod axum;
mod chat;
mod hyper_util;
mod programs;
mod smtp;
mod sni_proxy;
mod stores;
mod tokio_postgres;
mod tonic;
mod tungstenite;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::{ClientAuthentication, ClientConfig, Identity, Roots, ServerConfig, TlsListener};
use portcullis_tests::pki::{self, pki};

fn roots() -> Roots {
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    roots
}

fn identity(of: &pki::Identity) -> Identity {
    Identity::from_der(of.chain.clone(), &of.key).unwrap()
}

fn client() -> ClientConfigBuilder {
    ClientConfig::builder(roots())
}

fn server(of: &pki::Identity) -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(identity(of))
        .client_authentication(ClientAuthentication::Optional(roots()))
}

async fn listen(config: ServerConfigBuilder) -> TlsListener {
    let config = config.build().unwrap();
    TlsListener::bind("127.0.0.1:0", config).await.unwrap()
}
