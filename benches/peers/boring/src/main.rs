//! The worker of tokio-boring, on BoringSSL.

use std::error::Error;
use std::io;

use boring::pkey::PKey;
use boring::ssl::{
    CompliancePolicy, SslAcceptor, SslConnector, SslContextBuilder, SslMethod, SslOptions,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use boring::x509::X509;
use boring::x509::store::{X509Store, X509StoreBuilder};
use portcullis_benches::job::{Choice, Group, Suite, Version};
use portcullis_benches::pki::{self, Identity, Pki};
use portcullis_benches::stack::{Io, Stack, connection};
use tokio_boring::{HandshakeError, SslStream};

/// tokio-boring, without tickets and sessions: every handshake is a full one.
struct Boring {
    connector: SslConnector,
    acceptor: SslAcceptor,
}

fn main() -> io::Result<()> {
    portcullis_benches::worker::run::<Boring>()
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
    let (version, group) = match (choice.version, choice.group) {
        // The curve of a certificate has to be listed, too.
        (Version::Tls12, _) => (SslVersion::TLS1_2, "X25519:P-256"),
        (Version::Tls13, Group::X25519) => (SslVersion::TLS1_3, "X25519"),
        (Version::Tls13, Group::X25519Mlkem768) => (SslVersion::TLS1_3, "X25519MLKEM768"),
    };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    if choice.version == Version::Tls12 {
        // BoringSSL goes by the registry's names as well.
        context.set_cipher_list(choice.suite_name()?)?;
    } else if choice.suite == Suite::Aes256Gcm {
        // The crate has no list of TLS 1.3 suites. This policy leaves AES-256-GCM alone; its
        // groups and signatures are replaced below.
        context.set_compliance_policy(CompliancePolicy::WPA3_192_202304)?;
        context.set_sigalgs_list("ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256")?;
    }
    context.set_curves_list(group)?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(SslOptions::NO_TICKET);
    Ok(())
}

impl Boring {
    fn configured(pki: &Pki, choice: Choice) -> Result<Self, Box<dyn Error>> {
        let mut client = SslConnector::builder(SslMethod::tls())?;
        choose(&mut client, choice)?;
        client.set_cert_store(roots(pki)?);
        let mut server = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        choose(&mut server, choice)?;
        identify(&mut server, pki.server(choice.leaf))?;
        if choice.mutual {
            identify(&mut client, &pki.client)?;
            server.set_cert_store(roots(pki)?);
            server.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        let stack = Self {
            connector: client.build(),
            acceptor: server.build(),
        };
        stack.check(choice)?;
        Ok(stack)
    }

    /// The suite is BoringSSL's choice.
    fn check(&self, choice: Choice) -> Result<(), Box<dyn Error>> {
        let suite = choice.suite_name()?;
        let (client, _) = connection(self)?;
        match client
            .ssl()
            .current_cipher()
            .and_then(|one| one.standard_name())
        {
            Some(negotiated) if negotiated == suite => Ok(()),
            other => Err(format!("{suite} was chosen, {other:?} negotiated").into()),
        }
    }
}

fn error<IO>(error: HandshakeError<IO>) -> io::Error {
    io::Error::other(error.to_string())
}

impl Stack for Boring {
    type Stream<IO: Io> = SslStream<IO>;
    const NAME: &'static str = "tokio-boring";

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        choice.only_full()?;
        Self::configured(pki, choice).map_err(|error| error.to_string())
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<SslStream<IO>> {
        let connection = self.connector.configure()?;
        let connected = tokio_boring::connect(connection, pki::SERVER_NAME, io).await;
        connected.map_err(error)
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<SslStream<IO>> {
        tokio_boring::accept(&self.acceptor, io)
            .await
            .map_err(error)
    }
}
