//! This side: its configurations, its client, and a server that tells what it saw.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, ConnectionInformation, Error, NamedGroup, ProtocolVersion, Roots, ServerConfig,
    ServerName, TlsAcceptor, TlsConnector, TlsListener, TlsStream,
};
pub(crate) use portcullis_tests::peers::program::LIMIT;
use portcullis_tests::peers::{Group, Message, Report, Suite, Version};
use portcullis_tests::pki::{self, pki};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Waits for something that must come soon.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("nothing within {LIMIT:?}"))
}

pub(crate) fn name(name: &'static str) -> ServerName<'static> {
    ServerName::try_from(name).expect("a server name")
}

pub(crate) fn identity(of: &pki::Identity) -> portcullis::Identity {
    portcullis::Identity::from_der(of.chain.clone(), &of.key).expect("an identity")
}

pub(crate) fn roots(root: &pki::Root) -> Roots {
    let mut roots = Roots::empty();
    roots.add_der(root.certificate.clone()).expect("a root");
    roots
}

pub(crate) fn group(group: Group) -> NamedGroup {
    NamedGroup(group.code_point())
}

pub(crate) fn suite(suite: Suite) -> CipherSuite {
    CipherSuite(suite.code_point())
}

/// A client that trusts the test root.
pub(crate) fn client() -> ClientConfigBuilder {
    ClientConfig::builder(roots(&pki().root))
}

/// A server with this identity.
pub(crate) fn server(of: &pki::Identity) -> ServerConfigBuilder {
    ServerConfig::builder().identity(identity(of))
}

/// The versions that a connection is tried with, one after the other.
pub(crate) const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

/// [`client`] with this version alone.
pub(crate) fn client_of(version: Version) -> ClientConfigBuilder {
    client().versions([code(version)])
}

/// [`server`] with this version alone.
pub(crate) fn server_of(version: Version, of: &pki::Identity) -> ServerConfigBuilder {
    server(of).versions([code(version)])
}

pub(crate) fn code(version: Version) -> ProtocolVersion {
    match version {
        Version::Tls10 => ProtocolVersion::TLS_1_0,
        Version::Tls11 => ProtocolVersion::TLS_1_1,
        Version::Tls12 => ProtocolVersion::TLS_1_2,
        Version::Tls13 => ProtocolVersion::TLS_1_3,
    }
}

pub(crate) fn connector(config: ClientConfigBuilder) -> TlsConnector {
    TlsConnector::new(config.build().expect("a client's configuration")).handshake_timeout(LIMIT)
}

pub(crate) fn acceptor(config: ServerConfigBuilder) -> TlsAcceptor {
    TlsAcceptor::new(config.build().expect("a server's configuration")).handshake_timeout(LIMIT)
}

/// Connects as `localhost`.
pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfigBuilder,
) -> Result<TlsStream<TcpStream>, Error> {
    connector(config).connect(address, name("localhost")).await
}

/// Sends a message and waits for what the peer answers, while sending.
pub(crate) async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    message: Message<'_>,
    answer: &str,
    context: &str,
) {
    let data = message.data();
    let mut reply = vec![0; answer.len()];
    let (mut read, mut write) = tokio::io::split(&mut *stream);
    let send = async {
        write.write_all(data.as_bytes()).await?;
        write.flush().await
    };
    let received = soon(async { tokio::try_join!(send, read.read_exact(&mut reply)) }).await;
    received.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(reply == answer.as_bytes(), "{context}: another answer");
}

/// Closes our side, and gives how the peer's ended and what it still sent.
pub(crate) async fn close(
    mut stream: TlsStream<TcpStream>,
    context: &str,
) -> Result<Vec<u8>, Error> {
    let mut rest = Vec::new();
    let closed = soon(async {
        stream.shutdown().await?;
        stream.read_to_end(&mut rest).await
    })
    .await;
    match closed {
        Ok(_) => Ok(rest),
        Err(error) => Err(Error::from_io(&error)
            .unwrap_or_else(|| panic!("{context}: {error}"))
            .clone()),
    }
}

/// What we know of a connection, in the peers' terms.
pub(crate) fn report(information: &ConnectionInformation) -> Report {
    Report {
        version: Version::parse(&information.version().to_string()),
        suite: information.cipher_suite().name().map(str::to_owned),
        group: information
            .group()
            .and_then(|group| group.name())
            .and_then(Group::parse),
        alpn: information
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
    }
}

/// Both sides must say the same, as far as the peer says anything; version and suite it must.
pub(crate) fn compare(information: &ConnectionInformation, peer: &Report, context: &str) {
    let ours = report(information);
    assert!(ours.version.is_some() && ours.suite.is_some(), "{context}");
    assert_eq!(ours.version, peer.version, "{context}");
    assert_eq!(ours.suite, peer.suite, "{context}");
    if peer.group.is_some() {
        assert_eq!(ours.group, peer.group, "{context}");
    }
    if peer.alpn.is_some() {
        assert_eq!(ours.alpn, peer.alpn, "{context}");
    }
}

/// What became of one connection of [`Server`], once it is over.
#[derive(Debug)]
pub(crate) struct Served {
    /// The connection, or why there is none.
    pub(crate) handshake: Result<Arc<ConnectionInformation>, Error>,
    /// How the rest of it went.
    pub(crate) end: Result<(), Error>,
}

impl Served {
    pub(crate) fn information(&self, context: &str) -> &ConnectionInformation {
        match &self.handshake {
            Ok(information) => information,
            Err(error) => panic!("{context}: {error}"),
        }
    }

    pub(crate) fn error(&self, context: &str) -> &Error {
        match &self.handshake {
            Ok(_) => panic!("{context}: it was accepted"),
            Err(error) => error,
        }
    }
}

/// Our server: shakes hands, and leaves the connection to a function.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    served: mpsc::UnboundedReceiver<Served>,
    task: JoinHandle<()>,
}

impl Server {
    /// One that sends back what it receives, and closes after the peer.
    pub(crate) async fn echo(config: ServerConfigBuilder) -> Self {
        Self::run(acceptor(config), |stream| echo(stream, 0)).await
    }

    /// One that sends nothing back before it has received `bytes`: a peer that does not read while
    /// it writes does not block it.
    pub(crate) async fn echo_after(bytes: usize, config: ServerConfigBuilder) -> Self {
        Self::run(acceptor(config), move |stream| echo(stream, bytes)).await
    }

    pub(crate) async fn run<F, R>(acceptor: TlsAcceptor, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send,
    {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port on 127.0.0.1");
        let listener = TlsListener::from_listener(listener, acceptor);
        let address = listener.local_addr().expect("the listener's address");
        let (sender, served) = mpsc::unbounded_channel();
        let serve = Arc::new(serve);
        let task = tokio::spawn(async move {
            while let Ok(incoming) = listener.accept().await {
                let sender = sender.clone();
                let serve = serve.clone();
                tokio::spawn(async move {
                    let served = match incoming.handshake().or_transport().await {
                        Ok(stream) => Served {
                            handshake: Ok(stream.shared_information()),
                            end: soon(serve(stream)).await,
                        },
                        Err(failed) => {
                            let (error, transport, _) = failed.into_parts();
                            linger(transport).await;
                            Served {
                                handshake: Err(error),
                                end: Ok(()),
                            }
                        }
                    };
                    // A test that has seen enough is not an error.
                    let _ = sender.send(served);
                });
            }
        });
        Self {
            address,
            served,
            task,
        }
    }

    /// The next connection that is over.
    pub(crate) async fn served(&mut self) -> Served {
        soon(self.served.recv())
            .await
            .expect("the server goes on as long as this value")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads what a peer sends that has not seen its alert yet: closed before, the transport would be
/// reset, and the alert could be lost.
pub(crate) async fn linger(transport: Option<TcpStream>) {
    if let Some(mut transport) = transport {
        let mut unread = tokio::io::sink();
        // A reset by the peer is as good an end as any.
        let _ = soon(tokio::io::copy(&mut transport, &mut unread)).await;
    }
}

pub(crate) async fn echo(mut stream: TlsStream<TcpStream>, after: usize) -> Result<(), Error> {
    let mut held = Vec::new();
    loop {
        match stream.recv(0).await {
            Ok(data) => held.extend_from_slice(&data),
            Err(error) if error.is_closed() => break,
            Err(error) => return Err(error),
        }
        if held.len() >= after {
            stream.send(&[&held]).await?;
            held.clear();
        }
    }
    stream.close(LIMIT).await
}
