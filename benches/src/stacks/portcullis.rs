//! portcullis.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use portcullis::config::Renegotiation;
use portcullis::session::TicketKeys;
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, Identity, MemoryServerSessionStore, MemorySessionStore, NamedGroup,
    ProtocolVersion, Roots, ServerConfig, ServerName, TlsAcceptor, TlsConnector, TlsStream,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::job::{Choice, Group, Resumed, Version};
use crate::pki::{self, Pki};
use crate::stack::{Io, Stack, TwoWay, connection};

/// Long enough for a handshake under valgrind on a loaded machine; no other stack here has a limit.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(600);

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

fn suite(choice: Choice) -> Result<CipherSuite, String> {
    let name = choice.suite_name()?;
    name.parse().map_err(|error| format!("{error}"))
}

impl Stack for Portcullis {
    type Stream<IO: Io> = TlsStream<IO>;
    const NAME: &'static str = match cfg!(feature = "ring-aead") {
        true => "portcullis with ring",
        false => "portcullis",
    };

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        let group = match choice.group {
            Group::X25519 => NamedGroup::X25519,
            Group::X25519Mlkem768 => NamedGroup::X25519_MLKEM768,
        };
        let version = match choice.version {
            Version::Tls13 => ProtocolVersion::TLS_1_3,
            Version::Tls12 => ProtocolVersion::TLS_1_2,
        };
        // Before TLS 1.3 the curve of a certificate has to be listed, too.
        let groups = match choice.version {
            Version::Tls13 => vec![group],
            Version::Tls12 => vec![group, NamedGroup::SECP256R1],
        };
        let suite = suite(choice)?;
        let resumes = choice.resumed != Resumed::No;
        let remembered = if choice.remember_chains { 1_024 } else { 0 };
        let mut client = ClientConfig::builder(roots(pki)?)
            .versions([version])
            .groups(groups)
            .cipher_suites([suite])
            .session_tickets(resumes)
            .remembered_signatures(remembered);
        let mut server = ServerConfig::builder()
            .identity(identity(pki.server(choice.leaf))?)
            .versions([version])
            .cipher_suites([suite])
            .resumption(choice.resumed == Resumed::Id)
            .remembered_signatures(remembered);
        if choice.renegotiates {
            let always = Renegotiation::Accept {
                apart: Duration::ZERO,
            };
            (client, server) = (client.renegotiation(always), server.renegotiation(always));
        }
        if choice.mutual {
            client = client.identity(identity(&pki.client)?);
            server = server
                .client_authentication(portcullis::ClientAuthentication::Required(roots(pki)?));
        }
        let client = client.build().map_err(|error| error.to_string())?;
        let mut connector = TlsConnector::new(client)
            .without_resumption()
            .handshake_timeout(HANDSHAKE_TIMEOUT);
        if resumes {
            connector = connector.session_store(Arc::<MemorySessionStore>::default());
        }
        if choice.resumed == Resumed::Ticket {
            let keys = TicketKeys::rotating(Duration::from_secs(7_200))
                .map_err(|error| error.to_string())?;
            server = server.ticket_keys(keys);
        }
        let mut acceptor = TlsAcceptor::new(server.build().map_err(|error| error.to_string())?)
            .handshake_timeout(HANDSHAKE_TIMEOUT);
        if choice.resumed == Resumed::Id {
            acceptor = acceptor.session_store(Arc::<MemoryServerSessionStore>::default());
        }
        if let Some(after) = choice.hibernate_after {
            connector = connector.hibernate_after(after);
            acceptor = acceptor.hibernate_after(after);
        }
        let stack = Self {
            connector,
            acceptor,
        };
        if resumes {
            connection(&stack)?;
            let (client, _) = connection(&stack)?;
            if !client.is_resumed() {
                return Err("the second connection was not resumed".to_owned());
            }
        }
        Ok(stack)
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

    async fn renegotiate<IO: Io>(stream: &mut TlsStream<IO>) -> io::Result<()> {
        stream.renegotiate().await.map_err(Into::into)
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
