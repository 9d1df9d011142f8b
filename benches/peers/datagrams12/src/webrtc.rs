//! The crate `dtls` of webrtc-rs: tasks and channels of Tokio, on one thread, over the pipe that it is tested with. Its server
//! always asks for a cookie.

use std::sync::Arc;

use dtls::cipher_suite::CipherSuiteId;
use dtls::config::Config;
use dtls::conn::DTLSConn;
use dtls::crypto::{Certificate, CryptoPrivateKey, CryptoPrivateKeyKind};
use portcullis_benches::datagrams::{Failure, Pair};
use portcullis_benches::pki::{Pki, SERVER_NAME};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::RootCertStore;
use tokio::runtime::{Builder, Runtime};
use webrtc_util::conn::conn_pipe::pipe;

pub(crate) struct Prepared {
    runtime: Arc<Runtime>,
    client: Config,
    server: Config,
}

pub(crate) struct Webrtc {
    runtime: Arc<Runtime>,
    client: DTLSConn,
    server: DTLSConn,
    out: Vec<u8>,
}

impl Prepared {
    pub(crate) fn new(pki: &Pki) -> Result<Self, Failure> {
        // It takes the one of the process.
        let provider = rustls::crypto::ring::default_provider();
        provider
            .install_default()
            .map_err(|_| "another provider is installed")?;
        let mut roots = RootCertStore::empty();
        roots.add(pki.root.clone().into())?;
        let suites = vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256];
        let client = Config {
            cipher_suites: suites.clone(),
            roots_cas: roots,
            server_name: SERVER_NAME.to_owned(),
            ..Config::default()
        };
        let identity = &pki.ecdsa_p256;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &identity.key,
            &SystemRandom::new(),
        );
        let key = key.map_err(|rejected| rejected.to_string())?;
        let certificate = Certificate {
            certificate: vec![identity.certificate.clone().into()],
            private_key: CryptoPrivateKey {
                kind: CryptoPrivateKeyKind::Ecdsa256(key),
                serialized_der: identity.key.clone(),
            },
        };
        let server = Config {
            cipher_suites: suites,
            certificates: vec![certificate],
            ..Config::default()
        };
        let runtime = Builder::new_current_thread().enable_time().build()?;
        Ok(Self {
            runtime: Arc::new(runtime),
            client,
            server,
        })
    }

    /// A full handshake.
    pub(crate) fn connect(&self) -> Result<Webrtc, Failure> {
        let (of_client, of_server) = pipe();
        let (client, server) = (self.client.clone(), self.server.clone());
        let (client, server) = self.runtime.block_on(async {
            tokio::join!(
                DTLSConn::new(Arc::new(of_client), client, true, None),
                DTLSConn::new(Arc::new(of_server), server, false, None),
            )
        });
        Ok(Webrtc {
            runtime: Arc::clone(&self.runtime),
            client: client?,
            server: server?,
            out: vec![0; 1 << 14],
        })
    }
}

impl Webrtc {
    /// Ends its tasks.
    pub(crate) fn close(self) -> Result<(), Failure> {
        self.runtime.block_on(async {
            self.client.close().await?;
            self.server.close().await
        })?;
        Ok(())
    }
}

impl Pair for Webrtc {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        let (client, server, out) = (&self.client, &self.server, &mut self.out);
        let length = self.runtime.block_on(async {
            client.write(message, None).await?;
            server.read(out, None).await
        })?;
        Ok(length)
    }
}
