//! rustls as the other end.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use portcullis_core::suite::CipherSuite;
use portcullis_core::{NamedGroup, ProtocolVersion};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, Connection, Error, HandshakeKind, KeyLog, RootCertStore,
    ServerConfig, ServerConnection, SupportedCipherSuite, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use rustls_pki_types::UnixTime;

use crate::end::{End, Facts, Verdict, kind};
use crate::observer::Secrets;
use crate::pki::{NOW, name, pki};
use crate::plan::Plan;
use crate::settings::Settings;

#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(NOW)
    }
}

#[derive(Debug, Default)]
struct Log(Mutex<Secrets>);

impl KeyLog for Log {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().expect("one thread").learn(label, secret);
    }
}

/// A client or server of rustls.
pub struct Theirs {
    connection: Connection,
    log: Arc<Log>,
    secrets: Secrets,
    key_updates: bool,
    closes: bool,
    failed: bool,
    error: Option<Error>,
    /// Nothing is to be read after close_notify, so rustls is given no more.
    peer_closed: bool,
    facts: Option<Facts>,
    received: Vec<u8>,
    said: Vec<u8>,
}

fn provider(suites: &[CipherSuite], groups: &[NamedGroup]) -> Arc<CryptoProvider> {
    let suite = |suite: &CipherSuite| -> SupportedCipherSuite {
        match *suite {
            CipherSuite::TLS_AES_128_GCM_SHA256 => {
                aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256
            }
            CipherSuite::TLS_AES_256_GCM_SHA384 => {
                aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384
            }
            CipherSuite::TLS_CHACHA20_POLY1305_SHA256 => {
                aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256
            }
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
                aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            }
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
                aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            }
            _ => aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        }
    };
    let group = |group: &NamedGroup| -> &'static dyn SupportedKxGroup {
        match *group {
            NamedGroup::X25519 => aws_lc_rs::kx_group::X25519,
            NamedGroup::SECP256R1 => aws_lc_rs::kx_group::SECP256R1,
            NamedGroup::SECP384R1 => aws_lc_rs::kx_group::SECP384R1,
            _ => aws_lc_rs::kx_group::X25519MLKEM768,
        }
    };
    Arc::new(CryptoProvider {
        cipher_suites: suites.iter().map(suite).collect(),
        kx_groups: groups.iter().map(group).collect(),
        ..aws_lc_rs::default_provider()
    })
}

fn versions(ours: &[ProtocolVersion]) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &ProtocolVersion| match *version {
        ProtocolVersion::TLS_1_3 => &TLS13,
        _ => &TLS12,
    };
    ours.iter().map(version).collect()
}

fn anchors() -> Arc<RootCertStore> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    let mut store = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(crate::pki::ROOT).expect("a certificate");
    store.add(root).expect("the root is sound");
    Arc::new(store)
}

fn protocols(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

impl Theirs {
    pub fn client(settings: &Settings, plan: &Plan) -> Self {
        let log = Arc::new(Log::default());
        let provider = provider(&settings.client_suites, &settings.client_groups);
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Clock))
            .with_protocol_versions(&versions(settings.versions[0]))
            .expect("rustls has these versions")
            .with_root_certificates(anchors());
        let mut config = if settings.client_identity {
            let leaf = &pki().client;
            builder
                .with_client_auth_cert(vec![leaf.certificate_der()], leaf.key_der())
                .expect("rustls takes the client's certificate")
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = protocols(&settings.client_protocols);
        config.key_log = Arc::clone(&log) as Arc<dyn KeyLog>;
        let connection = ClientConnection::new(Arc::new(config), name());
        let connection = connection.expect("rustls can always start");
        Self::new(connection.into(), log, plan)
    }

    pub fn server(settings: &Settings, plan: &Plan) -> Self {
        let log = Arc::new(Log::default());
        let provider = provider(&settings.server_suites, &settings.server_groups);
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(Clock))
            .with_protocol_versions(&versions(settings.versions[1]))
            .expect("rustls has these versions");
        let builder = if settings.client_authentication == 0 {
            builder.with_no_client_auth()
        } else {
            let mut verifier = WebPkiClientVerifier::builder_with_provider(anchors(), provider);
            if settings.client_authentication != 2 {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(verifier.build().expect("there is an anchor"))
        };
        let leaf = settings.server_leaf();
        let mut config = builder
            .with_single_cert(vec![leaf.certificate_der()], leaf.key_der())
            .expect("rustls takes the server's certificate");
        config.alpn_protocols = protocols(&settings.server_protocols);
        config.key_log = Arc::clone(&log) as Arc<dyn KeyLog>;
        let connection = ServerConnection::new(Arc::new(config));
        let connection = connection.expect("rustls can always start");
        Self::new(connection.into(), log, plan)
    }

    fn new(connection: Connection, log: Arc<Log>, plan: &Plan) -> Self {
        Self {
            connection,
            log,
            secrets: Secrets::default(),
            key_updates: plan.flags.key_updates,
            closes: plan.is_legal(),
            failed: false,
            error: None,
            peer_closed: false,
            facts: None,
            received: Vec::new(),
            said: Vec::new(),
        }
    }

    fn advance(&mut self) {
        match self.connection.process_new_packets() {
            Ok(state) => self.peer_closed |= state.peer_has_closed(),
            Err(error) => {
                self.failed = true;
                self.error = Some(error);
            }
        }
        self.secrets = self.log.0.lock().expect("one thread").clone();
        if !self.failed && self.facts.is_none() && !self.connection.is_handshaking() {
            self.facts = self.negotiated();
            self.say(b"the first of rustls");
            if self.key_updates
                && self.connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
            {
                self.connection
                    .refresh_traffic_keys()
                    .expect("there are keys");
            }
            self.say(b"and the last of rustls");
        }
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = self.connection.reader().read(&mut buffer) {
            self.received.extend_from_slice(&buffer[..length]);
        }
    }

    fn negotiated(&self) -> Option<Facts> {
        let exporter =
            self.connection
                .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        Some(Facts {
            suite: self.connection.negotiated_cipher_suite()?.suite().into(),
            group: self
                .connection
                .negotiated_key_exchange_group()?
                .name()
                .into(),
            alpn: self.connection.alpn_protocol().map(<[u8]>::to_vec),
            exporter: Some(exporter.expect("rustls is connected")),
            retried: self.connection.handshake_kind()
                == Some(HandshakeKind::FullWithHelloRetryRequest),
        })
    }

    fn say(&mut self, data: &[u8]) {
        self.connection
            .writer()
            .write_all(data)
            .expect("its buffer has room");
        self.said.extend_from_slice(data);
    }
}

impl End for Theirs {
    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.failed && !self.peer_closed {
            match self.connection.read_tls(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.advance(),
            }
        }
    }

    fn eof(&mut self) {
        if !self.failed && !self.peer_closed {
            let _ = self.connection.read_tls(&mut &[][..]);
            self.advance();
        }
    }

    fn idle(&mut self) -> bool {
        false
    }

    fn close(&mut self) {
        // After its own close_notify, rustls 0.23.46 asserts, with debug assertions only, that no
        // record of the peer is bad.
        if self.closes && !self.failed {
            self.connection.send_close_notify();
        }
    }

    fn take_sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while self.connection.wants_write() {
            self.connection
                .write_tls(&mut sent)
                .expect("a vector takes everything");
        }
        sent
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn facts(&self) -> Option<Facts> {
        self.facts.clone()
    }

    fn verdict(&self) -> Verdict {
        match &self.error {
            Some(Error::AlertReceived(_)) => Verdict::Undecided,
            Some(Error::InappropriateMessage { got_type, .. }) => {
                Verdict::Refuses(format!("InappropriateMessage({got_type:?})"))
            }
            Some(Error::InappropriateHandshakeMessage { got_type, .. }) => {
                Verdict::Refuses(format!("InappropriateHandshakeMessage({got_type:?})"))
            }
            Some(error) => Verdict::Refuses(kind(&format!("{error:?}"))),
            None if self.facts.is_some() => Verdict::Accepts,
            None => Verdict::Undecided,
        }
    }

    fn received(&self) -> &[u8] {
        &self.received
    }

    fn said(&self) -> &[u8] {
        &self.said
    }
}
