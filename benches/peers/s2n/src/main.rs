//! The worker of s2n-tls-tokio: s2n-tls on AWS-LC.

use std::error::Error;
use std::io;

use pem::{Pem, encode};
use portcullis_benches::job::{Choice, Group, Suite};
use portcullis_benches::pki::{self, Identity, Pki};
use portcullis_benches::stack::{Io, Stack, connection};
use s2n_tls::callbacks::VerifyHostNameCallback;
use s2n_tls::config::{Builder, Config};
use s2n_tls::connection::{Connection, ModifiedBuilder};
use s2n_tls::enums::ClientAuthType;
use s2n_tls::security::Policy;
use s2n_tls_tokio::{TlsAcceptor, TlsConnector, TlsStream};

/// For records of 16 KiB like everybody's; s2n's own are of 8 KiB.
type Throughput =
    ModifiedBuilder<fn(&mut Connection) -> Result<&mut Connection, s2n_tls::error::Error>, Config>;

/// s2n-tls-tokio. Without a key for tickets every handshake is a full one.
struct S2n {
    connector: TlsConnector<Throughput>,
    acceptor: TlsAcceptor<Throughput>,
}

fn main() -> io::Result<()> {
    portcullis_benches::worker::run::<S2n>()
}

/// A server has no name to expect of a client.
struct AnyName;

impl VerifyHostNameCallback for AnyName {
    fn verify_host_name(&self, _: &str) -> bool {
        true
    }
}

/// s2n-tls has no lists of groups and suites but named policies: the client's offers TLS 1.3
/// alone, a share of the group first, and the server's prefers the suite.
fn policies(choice: Choice) -> Result<(&'static str, &'static str), String> {
    match (choice.group, choice.suite) {
        (Group::X25519, Suite::Aes128Gcm) => Ok((
            "CloudFront-TLS-1-3-2025-no-pq",
            "CloudFront-TLS-1-3-2025-no-pq",
        )),
        (Group::X25519, Suite::Aes256Gcm) => Ok(("CloudFront-TLS-1-3-2025-no-pq", "20190801")),
        (Group::X25519Mlkem768, Suite::Aes128Gcm) => {
            Ok(("CloudFront-TLS-1-3-2025", "CloudFront-TLS-1-3-2025"))
        }
        _ => Err("no policy of s2n-tls prefers these".to_owned()),
    }
}

fn certificate(der: &[u8]) -> Vec<u8> {
    encode(&Pem::new("CERTIFICATE", der)).into_bytes()
}

fn identify(config: &mut Builder, identity: &Identity) -> Result<(), s2n_tls::error::Error> {
    let key = encode(&Pem::new("PRIVATE KEY", identity.key.clone()));
    config.load_pem(&certificate(&identity.certificate), key.as_bytes())?;
    Ok(())
}

fn trust(config: &mut Builder, pki: &Pki) -> Result<(), s2n_tls::error::Error> {
    config
        .wipe_trust_store()?
        .trust_pem(&certificate(&pki.root))?;
    Ok(())
}

impl S2n {
    fn configured(pki: &Pki, choice: Choice) -> Result<Self, Box<dyn Error>> {
        let (client_policy, server_policy) = policies(choice)?;
        let mut client = Config::builder();
        client.set_security_policy(&Policy::from_version(client_policy)?)?;
        trust(&mut client, pki)?;
        let mut server = Config::builder();
        server.set_security_policy(&Policy::from_version(server_policy)?)?;
        identify(&mut server, pki.server(choice.leaf))?;
        if choice.mutual {
            identify(&mut client, &pki.client)?;
            client.set_client_auth_type(ClientAuthType::Optional)?;
            trust(&mut server, pki)?;
            server.set_client_auth_type(ClientAuthType::Required)?;
            server.set_verify_host_callback(AnyName)?;
        }
        let throughput = |config| Throughput::new(config, Connection::prefer_throughput);
        let stack = Self {
            connector: TlsConnector::new(throughput(client.build()?)),
            acceptor: TlsAcceptor::new(throughput(server.build()?)),
        };
        stack.check(choice)?;
        Ok(stack)
    }

    fn check(&self, choice: Choice) -> Result<(), Box<dyn Error>> {
        let group = match choice.group {
            Group::X25519 => "x25519",
            Group::X25519Mlkem768 => "X25519MLKEM768",
        };
        let suite = match choice.suite {
            Suite::Aes128Gcm => "TLS_AES_128_GCM_SHA256",
            Suite::Aes256Gcm => "TLS_AES_256_GCM_SHA384",
            Suite::ChaCha20Poly1305 => "TLS_CHACHA20_POLY1305_SHA256",
            Suite::Aes128CbcSha256 => return Err("TLS 1.3 has no CBC".into()),
        };
        let (client, _) = connection(self)?;
        let client = client.as_ref();
        let negotiated = (client.selected_key_exchange_group(), client.cipher_suite()?);
        if negotiated == (Some(group), suite) {
            Ok(())
        } else {
            Err(format!("{group} with {suite} was chosen, {negotiated:?} negotiated").into())
        }
    }
}

impl Stack for S2n {
    type Stream<IO: Io> = TlsStream<IO>;
    const NAME: &'static str = "s2n-tls-tokio";

    fn new(pki: &Pki, choice: Choice) -> Result<Self, String> {
        choice.only_full_tls13()?;
        Self::configured(pki, choice).map_err(|error| error.to_string())
    }

    async fn connect<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        Ok(self.connector.connect(pki::SERVER_NAME, io).await?)
    }

    async fn accept<IO: Io>(&self, io: IO) -> io::Result<TlsStream<IO>> {
        Ok(self.acceptor.accept(io).await?)
    }
}
