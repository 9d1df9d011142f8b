//! Encrypted ClientHello (RFC 9849) beside others: rustls as the client, Go and OpenSSL 4 in either role.

mod go;
mod openssl;

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis::ech::{EchConfigList, EchKem, EchKey, EchKeys, EchStatus};
use portcullis::{
    Identity, NamedGroup, Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsListener,
};
use portcullis_tests::pki::pki;
use rustls::client::{EchConfig, EchMode, EchStatus as RustlsStatus};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{EchConfigListBytes, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::duplex;
use tokio::sync::mpsc;

const PUBLIC: &str = "public.example";

fn key(kem: EchKem) -> EchKey {
    EchKey::builder(PUBLIC)
        .kem(kem)
        .generate()
        .expect("a key")
        .0
}

fn client(key: &EchKey) -> ClientConfig {
    let list = EchConfigListBytes::from(key.config_list().as_bytes().to_vec());
    let suites = aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
    let ech = EchConfig::new(list, suites).expect("a configuration");
    let mut roots = RootCertStore::empty();
    roots.add(pki().root.certificate.clone()).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_ech(EchMode::from(ech))
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn server(key: &EchKey) -> portcullis::config::ServerConfigBuilder {
    let identity = Identity::from_der(pki().ecdsa_p256.chain.clone(), &pki().ecdsa_p256.key);
    ServerConfig::builder()
        .identity(identity.expect("an identity"))
        .ech_keys(EchKeys::new([key.clone()]).expect("keys"))
}

#[tokio::test]
async fn our_server_reads_what_rustls_has_encrypted() {
    for kem in [EchKem::X25519, EchKem::P256] {
        for retries in [false, true] {
            let key = key(kem);
            let mut config = server(&key);
            if retries {
                config = config.groups([NamedGroup::SECP384R1]);
            }
            let acceptor = TlsAcceptor::new(config.build().expect("a configuration"));
            let connector = tokio_rustls::TlsConnector::from(Arc::new(client(&key)));
            let (near, far) = duplex(65_536);
            let name = ServerName::try_from("localhost").expect("a name");
            let (theirs, ours) = tokio::join!(connector.connect(name, near), acceptor.upgrade(far));
            let (theirs, ours) = (theirs.expect("rustls connects"), ours.expect("we accept"));
            assert_eq!(theirs.get_ref().1.ech_status(), RustlsStatus::Accepted);
            assert_eq!(ours.information().ech(), EchStatus::Accepted);
            assert_eq!(ours.information().hello_retried(), retries);
            assert_eq!(ours.server_name(), Some("localhost"));
        }
    }
}

/// The certificate is not one of the public name, so that rustls does not believe what it is told.
#[tokio::test]
async fn rustls_does_not_connect_where_we_have_other_keys() {
    let acceptor = TlsAcceptor::new(server(&key(EchKem::X25519)).build().expect("built"));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client(&key(EchKem::X25519))));
    let (near, far) = duplex(65_536);
    let name = ServerName::try_from("localhost").expect("a name");
    let (theirs, ours) = tokio::join!(connector.connect(name, near), acceptor.upgrade(far));
    theirs.expect_err("another key");
    ours.expect_err("an alert");
}

/// The public name of servers whose certificate is good for it, too.
const ALSO_NAMED: &str = "other.example";

fn roots() -> Roots {
    let mut roots = Roots::empty();
    roots
        .add_der(pki().root.certificate.clone())
        .expect("a root");
    roots
}

fn our_client(list: Option<EchConfigList>) -> TlsConnector {
    let config = portcullis::ClientConfig::builder(roots()).build();
    let config = config.expect("a configuration");
    let config = match list {
        Some(list) => config.with_ech_required(list).expect("a list of use"),
        None => config,
    };
    TlsConnector::new(config).without_resumption()
}

fn key_also_named(kem: EchKem) -> EchKey {
    let made = EchKey::builder(ALSO_NAMED).kem(kem).generate();
    made.expect("a key").0
}

/// Our server, which sends back what it reads on each connection; and what each was.
async fn our_server(
    keys: &EchKeys,
    groups: &[NamedGroup],
) -> (SocketAddr, mpsc::UnboundedReceiver<(EchStatus, bool)>) {
    let identity = Identity::from_der(pki().ecdsa_p256.chain.clone(), &pki().ecdsa_p256.key);
    let mut config = ServerConfig::builder()
        .identity(identity.expect("an identity"))
        .ech_keys(keys.clone());
    if !groups.is_empty() {
        config = config.groups(groups.to_vec());
    }
    let config = config.build().expect("a configuration");
    let listener = TlsListener::bind("127.0.0.1:0", config)
        .await
        .expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (seen, all) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = incoming.handshake().await else {
                    return;
                };
                let information = stream.information();
                let _ = seen.send((information.ech(), information.hello_retried()));
                while let Ok(data) = stream.recv(0).await {
                    if stream.send(&[&data]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, all)
}
