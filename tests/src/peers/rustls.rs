//! rustls with aws-lc-rs and tokio-rustls, in this process: over TCP as a [`super::Peer`], and over
//! any transport through the two configurations.

use std::net::SocketAddr;
use std::sync::Arc;

use ::rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use ::rustls::pki_types::ServerName;
use ::rustls::server::WebPkiClientVerifier;
use ::rustls::{
    ClientConfig, CommonState, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedCipherSuite, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::program::LIMIT;
use super::{Exchange, Group, Message, Peer, Report, Running, Server, Settings, Version};
use crate::pki::Root;

/// rustls' configuration of a client.
///
/// # Panics
/// If the settings ask for what rustls does not have.
pub fn client_config(settings: &Settings) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider(settings))
        .with_protocol_versions(versions(settings))
        .expect("rustls has the version and suites")
        .with_root_certificates(
            settings
                .root
                .map(anchors)
                .unwrap_or_else(RootCertStore::empty),
        );
    let mut config = match settings.identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .expect("rustls takes the client certificate"),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn(settings);
    Arc::new(config)
}

/// rustls' configuration of a server.
///
/// # Panics
/// If the settings ask for what rustls does not have, or have no identity.
pub fn server_config(settings: &Settings) -> Arc<ServerConfig> {
    let identity = settings.server_identity();
    let provider = provider(settings);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(settings))
        .expect("rustls has the version and suites");
    let builder = match settings.root {
        Some(root) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(anchors(root)), provider)
                .build()
                .expect("the anchor is usable"),
        ),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .expect("rustls takes the server certificate");
    config.alpn_protocols = alpn(settings);
    Arc::new(config)
}

/// A client's handshake over any transport.
///
/// # Errors
/// Those of rustls, inside an I/O error.
pub async fn connect<IO>(io: IO, settings: &Settings) -> std::io::Result<client::TlsStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(settings.server_name).expect("a valid server name");
    TlsConnector::from(client_config(settings))
        .connect(name, io)
        .await
}

/// A server's handshake over any transport.
///
/// # Errors
/// Those of rustls, inside an I/O error.
pub async fn accept<IO>(io: IO, settings: &Settings) -> std::io::Result<server::TlsStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    TlsAcceptor::from(server_config(settings)).accept(io).await
}

/// An echo server on a free port of 127.0.0.1, as a task of the current runtime.
///
/// # Panics
/// If no port is free or the settings ask for what rustls does not have.
pub async fn server(settings: &Settings) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port on 127.0.0.1");
    let address = listener.local_addr().expect("the listener's address");
    let acceptor = TlsAcceptor::from(server_config(settings));
    let (handshakes, reports) = watch::channel(Vec::new());
    let handshakes = Arc::new(handshakes);
    let task = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            let handshakes = handshakes.clone();
            tokio::spawn(timeout(LIMIT, async move {
                let accepted = acceptor.accept(tcp).await;
                handshakes.send_modify(|all| {
                    all.push(match &accepted {
                        Ok(stream) => Ok(report(stream.get_ref().1)),
                        Err(error) => Err(error.to_string()),
                    });
                });
                let (mut read, mut write) = tokio::io::split(accepted?);
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            }));
        }
    });
    Server {
        address,
        peer: Peer::Rustls,
        reverses: false,
        running: Running::Task(task, reports),
    }
}

/// One connection: see [`super::Peer::exchange`] and [`super::Peer::transfer`].
///
/// # Panics
/// If the settings ask for what rustls does not have.
pub(super) async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> Exchange {
    let mut report = Report::default();
    let mut closed = None;
    let work = async {
        let stream = connect(TcpStream::connect(address).await?, settings).await?;
        report = self::report(stream.get_ref().1);
        let data = message.data().into_bytes();
        let (mut read, mut write) = tokio::io::split(stream);
        let mut reply = vec![0; data.len()];
        let send = async {
            write.write_all(&data).await?;
            write.flush().await
        };
        tokio::try_join!(send, read.read_exact(&mut reply))?;
        write.shutdown().await?;
        let end = read.read_to_end(&mut Vec::new()).await;
        closed = Some(end.map(drop).map_err(|error| error.to_string()));
        let reply = String::from_utf8_lossy(&reply).into_owned();
        Ok::<_, std::io::Error>(if reply.as_bytes() == data {
            message.line.to_owned()
        } else if reply == message.reversed() {
            message.line.chars().rev().collect()
        } else {
            reply
        })
    };
    let reply = match timeout(LIMIT, work).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    };
    Exchange {
        reply,
        report,
        closed,
    }
}

/// What rustls tells about a connection.
pub fn report(connection: &CommonState) -> Report {
    Report {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some(Version::Tls12),
            Some(ProtocolVersion::TLSv1_3) => Some(Version::Tls13),
            _ => None,
        },
        suite: connection
            .negotiated_cipher_suite()
            .map(|suite| iana_name(&suite)),
        group: connection
            .negotiated_key_exchange_group()
            .and_then(|group| Group::parse(&format!("{:?}", group.name()))),
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
    }
}

/// rustls writes `TLS13_AES_…` for TLS 1.3; IANA's names have no version.
fn iana_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

fn anchors(root: &Root) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store
        .add(root.certificate.clone())
        .expect("the anchor is usable");
    store
}

fn alpn(settings: &Settings) -> Vec<Vec<u8>> {
    settings
        .alpn
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect()
}

fn versions(settings: &Settings) -> &'static [&'static SupportedProtocolVersion] {
    static TLS12: [&SupportedProtocolVersion; 1] = [&::rustls::version::TLS12];
    static TLS13: [&SupportedProtocolVersion; 1] = [&::rustls::version::TLS13];
    match settings.version {
        Version::Tls10 | Version::Tls11 => panic!("rustls has no TLS 1.1"),
        Version::Tls12 => &TLS12,
        Version::Tls13 => &TLS13,
    }
}

fn provider(settings: &Settings) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if !settings.groups.is_empty() {
        let all = aws_lc_rs::ALL_KX_GROUPS;
        provider.kx_groups = settings
            .groups
            .iter()
            .map(|group| kx_group(all, *group))
            .collect();
    }
    if !settings.suites.is_empty() {
        let wanted = |suite: &SupportedCipherSuite| {
            settings
                .suites
                .iter()
                .any(|name| name.name() == iana_name(suite))
        };
        provider.cipher_suites.retain(wanted);
    }
    Arc::new(provider)
}

fn kx_group(all: &[&'static dyn SupportedKxGroup], group: Group) -> &'static dyn SupportedKxGroup {
    let name = NamedGroup::from(group.code_point());
    let found = all.iter().find(|candidate| candidate.name() == name);
    *found.unwrap_or_else(|| panic!("rustls does not have {}", group.name()))
}
