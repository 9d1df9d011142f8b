//! The worker of tokio-openssl, with an OpenSSL built from source.

use std::error::Error;
use std::io;
use std::pin::Pin;

use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslAcceptor, SslConnector, SslContextBuilder, SslMethod, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use portcullis_benches::job::{Choice, Group, Version};
use portcullis_benches::pki::{self, Identity, Pki};
use portcullis_benches::stack::{Io, Stack};
use tokio_openssl::SslStream;

/// tokio-openssl, without tickets and sessions: every handshake is a full one.
struct Openssl {
    connector: SslConnector,
    acceptor: SslAcceptor,
}

fn main() -> io::Result<()> {
    portcullis_benches::worker::run::<Openssl>()
}

fn roots(pki: &Pki) -> Result<X509Store, Box<dyn Error>> {
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(X509::from_der(&pki.root)?)?;
    Ok(store.build())
}

fn identify(context: &mut SslContextBuilder, identity: &Identity) -> Result<(), Box<dyn Error>> {
    let certificate = X509::from_der(&identity.certificate)?;
    context.set_certificate(&certificate)?;
    let key = PKey::private_key_from_pkcs8(&identity.key)?;
    context.set_private_key(&key)?;
    Ok(())
}

/// What is the same on both sides.
fn choose(context: &mut SslContextBuilder, choice: Choice) -> Result<(), Box<dyn Error>> {
    let suite = choice.suite_name()?;
    let (version, group) = match choice.version {
        Version::Tls13 => {
            context.set_ciphersuites(suite)?;
            let group = match choice.group {
                Group::X25519 => "X25519",
                Group::X25519Mlkem768 => "X25519MLKEM768",
            };
            (SslVersion::TLS1_3, group)
        }
        Version::Tls12 => {
            context.set_cipher_list(&openssl::ssl::cipher_name(suite))?;
            // The curve of a certificate has to be listed, too.
            (SslVersion::TLS1_2, "X25519:P-256")
        }
    };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    context.set_groups_list(group)?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    // Or every record is read twice from the transport: its header, then the rest.
    context.set_read_ahead(true);
    Ok(())
}

impl Openssl {
    fn configured(pki: &Pki, choice: Choice) -> Result<Self, Box<dyn Error>> {
        let mut client = SslConnector::builder(SslMethod::tls_client())?;
        choose(&mut client, choice)?;
        client.set_cert_store(roots(pki)?);
        let mut server = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server())?;
        choose(&mut server, choice)?;
        server.set_num_tickets(0)?;
        identify(&mut server, pki.server(choice.leaf))?;
        if choice.mutual {
            identify(&mut client, &pki.client)?;
            server.set_cert_store(roots(pki)?);
            server.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        Ok(Self {
            connector: client.build(),
            acceptor: server.build(),
        })
    }
}

impl Stack for Openssl {
    type Stream<IO: Io> = SslStream<IO>;
    const NAME: &'static str = "tokio-openssl";

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        choice.only_full()?;
        Self::configured(pki, choice).map_err(|error| error.to_string())
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<SslStream<IO>> {
        let ssl = self.connector.configure()?.into_ssl(pki::SERVER_NAME)?;
        let mut stream = SslStream::new(ssl, io)?;
        let connected = Pin::new(&mut stream).connect().await;
        connected.map_err(io::Error::other)?;
        Ok(stream)
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<SslStream<IO>> {
        let mut stream = SslStream::new(Ssl::new(self.acceptor.context())?, io)?;
        let accepted = Pin::new(&mut stream).accept().await;
        accepted.map_err(io::Error::other)?;
        Ok(stream)
    }
}
