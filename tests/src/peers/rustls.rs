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
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::program::LIMIT;
use super::{Exchange, Group, Report, Running, Server, Settings, Version};
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
    let task = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(timeout(LIMIT, async move {
                let (mut read, mut write) = tokio::io::split(acceptor.accept(tcp).await?);
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            }));
        }
    });
    Server {
        address,
        reverses: false,
        running: Running::Task(task),
    }
}

/// One connection: see [`super::Peer::exchange`].
///
/// # Panics
/// If the settings ask for what rustls does not have.
pub async fn exchange(address: SocketAddr, settings: &Settings, line: &str) -> Exchange {
    let mut report = Report::default();
    let work = async {
        let mut stream = connect(TcpStream::connect(address).await?, settings).await?;
        report = self::report(stream.get_ref().1);
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        stream.flush().await?;
        let mut reply = vec![0; line.len() + 1];
        stream.read_exact(&mut reply).await?;
        stream.shutdown().await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&reply).trim_end().to_owned())
    };
    let reply = match timeout(LIMIT, work).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    };
    Exchange { reply, report }
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
