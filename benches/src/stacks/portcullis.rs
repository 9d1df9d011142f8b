//! portcullis.

use std::io;

use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, Identity, NamedGroup, Roots, ServerConfig, ServerName, TlsAcceptor, TlsConnector,
    TlsStream,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::job::{Choice, Group, Suite};
use crate::pki::{self, Pki};
use crate::stack::{Io, Stack, TwoWay};

/// This project.
#[derive(Debug)]
pub struct Portcullis {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

fn identity(identity: &pki::Identity) -> Result<Identity, String> {
    let chain = vec![identity.certificate.clone().into()];
    let key = identity.key.as_slice().try_into()?;
    Identity::from_der(chain, &key).map_err(|error| error.to_string())
}

fn roots(pki: &Pki) -> Result<Roots, String> {
    let mut roots = Roots::empty();
    roots
        .add_der(pki.root.clone())
        .map_err(|error| error.to_string())?;
    Ok(roots)
}

impl Stack for Portcullis {
    type Stream<IO: Io> = TlsStream<IO>;
    const NAME: &'static str = "portcullis";

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        let group = match choice.group {
            Group::X25519 => NamedGroup::X25519,
            Group::X25519Mlkem768 => NamedGroup::X25519_MLKEM768,
        };
        let suite = match choice.suite {
            Suite::Aes128Gcm => CipherSuite::TLS_AES_128_GCM_SHA256,
            Suite::Aes256Gcm => CipherSuite::TLS_AES_256_GCM_SHA384,
            Suite::ChaCha20Poly1305 => CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        };
        let remembered = if choice.remember_chains { 1_024 } else { 0 };
        let mut client = ClientConfig::builder(roots(pki)?)
            .groups([group])
            .cipher_suites([suite])
            .remembered_signatures(remembered);
        let mut server = ServerConfig::builder()
            .identity(identity(pki.server(choice.leaf))?)
            .remembered_signatures(remembered);
        if choice.mutual {
            client = client.identity(identity(&pki.client)?);
            server = server
                .client_authentication(portcullis::ClientAuthentication::Required(roots(pki)?));
        }
        let mut connector = TlsConnector::new(client.build().map_err(|error| error.to_string())?);
        let mut acceptor = TlsAcceptor::new(server.build().map_err(|error| error.to_string())?);
        if let Some(after) = choice.hibernate_after {
            connector = connector.hibernate_after(after);
            acceptor = acceptor.hibernate_after(after);
        }
        Ok(Self {
            connector,
            acceptor,
        })
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        let name = ServerName::try_from(pki::SERVER_NAME).map_err(io::Error::other)?;
        let connected = self.connector.upgrade(io, name).await;
        connected.map_err(Into::into)
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        let accepted = self.acceptor.accept(io).await;
        accepted.map_err(Into::into)
    }

    fn split<IO: TwoWay>(
        stream: TlsStream<IO>,
    ) -> (
        impl AsyncRead + Unpin + Send + 'static,
        impl AsyncWrite + Unpin + Send + 'static,
    ) {
        stream.into_split()
    }
}
