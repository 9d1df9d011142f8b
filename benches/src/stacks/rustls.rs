//! rustls with tokio-rustls, on aws-lc-rs.

use std::io;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, NamedGroup, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::job::{Choice, Group, Leaf, Resumed, Suite, Version};
use crate::pki::{self, Pki};
use crate::stack::{Io, Stack, connection};

/// tokio-rustls, without tickets and resumption: every handshake is a full one.
pub struct Rustls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

fn provider(choice: Choice) -> Result<CryptoProvider, String> {
    let group = match choice.group {
        Group::X25519 => NamedGroup::X25519,
        Group::X25519Mlkem768 => NamedGroup::X25519MLKEM768,
    };
    let suite = match (choice.version, choice.leaf, choice.suite) {
        (Version::Tls13, _, Suite::Aes128Gcm) => CipherSuite::TLS13_AES_128_GCM_SHA256,
        (Version::Tls13, _, Suite::Aes256Gcm) => CipherSuite::TLS13_AES_256_GCM_SHA384,
        (Version::Tls13, _, Suite::ChaCha20Poly1305) => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        (Version::Tls12, Leaf::EcdsaP256, Suite::Aes128Gcm) => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        (Version::Tls12, Leaf::EcdsaP256, Suite::Aes256Gcm) => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        (Version::Tls12, Leaf::EcdsaP256, Suite::ChaCha20Poly1305) => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        (Version::Tls12, Leaf::Rsa2048, Suite::Aes128Gcm) => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        }
        (Version::Tls12, Leaf::Rsa2048, Suite::Aes256Gcm) => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        }
        (Version::Tls12, Leaf::Rsa2048, Suite::ChaCha20Poly1305) => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        (_, _, Suite::Aes128CbcSha256) => return Err("rustls has no CBC".to_owned()),
    };
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // Before TLS 1.3 the curve of a certificate has to be listed, too; the first is preferred.
    provider.kx_groups.retain(|one| {
        one.name() == group
            || choice.version == Version::Tls12 && one.name() == NamedGroup::secp256r1
    });
    provider.kx_groups.sort_by_key(|one| one.name() != group);
    provider.cipher_suites.retain(|one| one.suite() == suite);
    Ok(provider)
}

fn identity(
    identity: &pki::Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let key = PrivateKeyDer::try_from(identity.key.clone())?;
    Ok((vec![identity.certificate.clone().into()], key))
}

impl Rustls {
    fn configured(pki: &Pki, choice: Choice) -> Result<Self, Box<dyn std::error::Error>> {
        let provider = Arc::new(provider(choice)?);
        let versions = match choice.version {
            Version::Tls13 => [&rustls::version::TLS13],
            Version::Tls12 => [&rustls::version::TLS12],
        };
        let mut roots = RootCertStore::empty();
        roots.add(pki.root.clone().into())?;
        let roots = Arc::new(roots);
        let client = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)?
            .with_root_certificates(roots.clone());
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)?;
        let (mut client, server) = if choice.mutual {
            let (chain, key) = identity(&pki.client)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
            (
                client.with_client_auth_cert(chain, key)?,
                server.with_client_cert_verifier(verifier),
            )
        } else {
            (client.with_no_client_auth(), server.with_no_client_auth())
        };
        let resumes = choice.resumed != Resumed::No;
        client.resumption = match resumes {
            true => rustls::client::Resumption::in_memory_sessions(256),
            false => rustls::client::Resumption::disabled(),
        };
        let (chain, key) = identity(pki.server(choice.leaf))?;
        let mut server = server.with_single_cert(chain, key)?;
        match choice.resumed {
            Resumed::Ticket => server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?,
            Resumed::Id => {}
            Resumed::No => {
                server.send_tls13_tickets = 0;
                server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            }
        }
        let stack = Self {
            connector: Arc::new(client).into(),
            acceptor: Arc::new(server).into(),
        };
        if resumes {
            connection(&stack)?;
            let (client, _) = connection(&stack)?;
            let kind = client.get_ref().1.handshake_kind();
            if kind != Some(rustls::HandshakeKind::Resumed) {
                return Err("the second connection was not resumed".into());
            }
        }
        Ok(stack)
    }
}

impl Stack for Rustls {
    type Stream<IO: Io> = TlsStream<IO>;
    const NAME: &'static str = "tokio-rustls";

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        Self::configured(pki, choice).map_err(|error| error.to_string())
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        let name = ServerName::try_from(pki::SERVER_NAME).map_err(io::Error::other)?;
        Ok(self.connector.connect(name, io).await?.into())
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        Ok(self.acceptor.accept(io).await?.into())
    }
}

impl std::fmt::Debug for Rustls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rustls").finish_non_exhaustive()
    }
}
