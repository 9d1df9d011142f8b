//! A folder with the files of a server, and what comes of changing them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use portcullis::{
    ClientConfig, IdentityFiles, LoadedFiles, Misuse, Parts, ReloadEvent, ReloadWarning, Reloader,
    Roots, ServerConfig, TlsAcceptor, TlsConnector, Watching,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::duplex;
use tokio::time::timeout;

/// Longer than any test waits.
pub(crate) const NEVER: Duration = Duration::from_secs(3_600);
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Ca {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A chain and its key, in PEM; each name says which one it is.
    pub(crate) fn leaf(&self, name: &str) -> (String, String) {
        self.leaf_with(name, |_| {})
    }

    pub(crate) fn leaf_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned(), "localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        (chain, key.serialize_pem())
    }
}

pub(crate) static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new("testing root"));

pub(crate) fn connector() -> TlsConnector {
    let roots = Roots::from_pem(&CA.pem).unwrap();
    TlsConnector::new(ClientConfig::builder(roots).build().unwrap()).without_resumption()
}

/// Files `tls.crt` and `tls.key` in a folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("first");
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As careful programs do.
    pub(crate) fn rename_into_place(&self, name: &str, text: &str) {
        rename_into_place(&self.path(name), text);
    }

    pub(crate) fn put(&self, name: &str) {
        let (chain, key) = CA.leaf(name);
        self.rename_into_place("tls.key", &key);
        self.rename_into_place("tls.crt", &chain);
    }

    pub(crate) fn reloader(&self) -> Reloader {
        quick().identity(IdentityFiles::new(self.path("tls.crt")).key(self.path("tls.key")))
    }
}

pub(crate) fn rename_into_place(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, path).unwrap();
}

/// One that only the system's word moves.
pub(crate) fn quick() -> Reloader {
    let reloader = Reloader::new().poll_every(NEVER);
    reloader
        .settle(Duration::from_millis(30))
        .patience(Duration::from_millis(700))
}

pub(crate) fn config(parts: &Parts) -> Result<ServerConfig, Misuse> {
    ServerConfig::builder().identity(parts.identity()?).build()
}

pub(crate) async fn start(reloader: Reloader) -> (TlsAcceptor, Watching) {
    let loaded: LoadedFiles<ServerConfig> = reloader.load(config).await.unwrap();
    let acceptor = TlsAcceptor::new(loaded.config());
    let watching = loaded.watch(acceptor.reloadable());
    // The task has begun to watch when it runs for the first time.
    tokio::time::sleep(Duration::from_millis(50)).await;
    (acceptor, watching)
}

/// Whether a handshake for this name succeeds.
pub(crate) async fn serves(acceptor: &TlsAcceptor, name: &str) -> bool {
    let (client, server) = duplex(64 * 1024);
    let connector = connector();
    let (client, _) = tokio::join!(connector.upgrade(client, name), acceptor.upgrade(server));
    client.is_ok()
}

pub(crate) async fn event(watching: &mut Watching) -> ReloadEvent {
    let event = timeout(SOON, watching.next_event()).await;
    event.expect("an event in time").unwrap()
}

pub(crate) async fn published(watching: &mut Watching) -> (u64, Vec<PathBuf>) {
    match event(watching).await {
        ReloadEvent::Published {
            generation,
            changed,
        } => (generation, changed),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn rejected(watching: &mut Watching) -> String {
    match event(watching).await {
        ReloadEvent::Rejected { error, serving } => {
            assert_eq!(serving, 0);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

/// What was served all along is what the files say again.
pub(crate) async fn restored(watching: &mut Watching) {
    match event(watching).await {
        ReloadEvent::Restored { serving } => assert_eq!(serving, 0),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn warning(watching: &mut Watching) -> ReloadWarning {
    match event(watching).await {
        ReloadEvent::Warning { path, warning } => {
            assert!(path.ends_with("tls.crt"), "{path:?}");
            warning
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn nothing_happens(watching: &mut Watching) {
    let event = timeout(Duration::from_millis(1_200), watching.next_event()).await;
    assert!(event.is_err(), "{event:?}");
}
