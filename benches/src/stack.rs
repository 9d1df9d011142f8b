//! The stacks, behind one face: both ends of a connection over a given transport.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{
    CertificateDer, ClientConfig, Identity, NamedGroup, Roots, ServerConfig, ServerName,
    TlsAcceptor, TlsConnector,
};
use portcullis_tests::peers::{Settings, rustls as peer};
use portcullis_tests::pki;
use tokio::io::{AsyncRead, AsyncWrite};

/// A transport for the measurements.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for T {}

/// What is chosen for a measurement: the same for every stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) group: NamedGroup,
    pub(crate) suite: portcullis::suite::CipherSuite,
    /// What the clients trust; another process may be the server.
    pub(crate) root: &'static CertificateDer<'static>,
    /// For the stacks that have it.
    pub(crate) hibernate_after: Option<Duration>,
}

/// A TLS stack, configured.
pub(crate) trait Stack {
    type Client<IO: Transport>: Transport;
    type Server<IO: Transport>: Transport;
    const NAME: &'static str;

    fn new(choice: Choice) -> Self;
    fn connect<IO: Transport>(&self, io: IO) -> impl Future<Output = io::Result<Self::Client<IO>>>;
    fn accept<IO: Transport>(&self, io: IO) -> impl Future<Output = io::Result<Self::Server<IO>>>;
}

pub(crate) struct Portcullis {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Stack for Portcullis {
    type Client<IO: Transport> = portcullis::TlsStream<IO>;
    type Server<IO: Transport> = portcullis::TlsStream<IO>;
    const NAME: &'static str = "portcullis";

    fn new(choice: Choice) -> Self {
        let pki = pki::pki();
        let mut roots = Roots::empty();
        roots.add_der(choice.root.clone()).expect("a root");
        let client = ClientConfig::builder(roots)
            .groups([choice.group])
            .cipher_suites([choice.suite])
            .build();
        let leaf = &pki.ecdsa_p256;
        let identity = Identity::from_der(leaf.chain.clone(), &leaf.key).expect("an identity");
        let server = ServerConfig::builder().identity(identity).build();
        let mut connector = TlsConnector::new(client.expect("a client"));
        let mut acceptor = TlsAcceptor::new(server.expect("a server"));
        if let Some(after) = choice.hibernate_after {
            connector = connector.hibernate_after(after);
            acceptor = acceptor.hibernate_after(after);
        }
        Self {
            connector,
            acceptor,
        }
    }

    async fn connect<IO: Transport>(&self, io: IO) -> io::Result<Self::Client<IO>> {
        let name = ServerName::try_from("localhost").expect("a name");
        self.connector
            .upgrade(io, name)
            .await
            .map_err(|error| error.into_parts().0.into())
    }

    async fn accept<IO: Transport>(&self, io: IO) -> io::Result<Self::Server<IO>> {
        self.acceptor
            .accept(io)
            .await
            .map_err(|error| error.into_parts().0.into())
    }
}

pub(crate) struct Rustls {
    connector: tokio_rustls::TlsConnector,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl Stack for Rustls {
    type Client<IO: Transport> = tokio_rustls::client::TlsStream<IO>;
    type Server<IO: Transport> = tokio_rustls::server::TlsStream<IO>;
    const NAME: &'static str = "tokio-rustls";

    fn new(choice: Choice) -> Self {
        let pki = pki::pki();
        let mut chosen = rustls::crypto::aws_lc_rs::default_provider();
        chosen
            .kx_groups
            .retain(|group| u16::from(group.name()) == choice.group.0);
        chosen
            .cipher_suites
            .retain(|suite| u16::from(suite.suite()) == choice.suite.0);
        let mut anchors = rustls::RootCertStore::empty();
        anchors.add(choice.root.clone()).expect("a root");
        let mut client = rustls::ClientConfig::builder_with_provider(Arc::new(chosen))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(anchors)
            .with_no_client_auth();
        // Every handshake is a full one.
        client.resumption = rustls::client::Resumption::disabled();
        let mut server =
            Arc::unwrap_or_clone(peer::server_config(&Settings::server(&pki.ecdsa_p256)));
        server.send_tls13_tickets = 0;
        Self {
            connector: Arc::new(client).into(),
            acceptor: Arc::new(server).into(),
        }
    }

    async fn connect<IO: Transport>(&self, io: IO) -> io::Result<Self::Client<IO>> {
        let name = ServerName::try_from("localhost").expect("a name");
        self.connector.connect(name, io).await
    }

    async fn accept<IO: Transport>(&self, io: IO) -> io::Result<Self::Server<IO>> {
        self.acceptor.accept(io).await
    }
}
