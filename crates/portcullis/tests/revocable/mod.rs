//! An authority with lists, and ends whose certificates are of it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex};

use portcullis::crl::{CrlFuture, CrlQuery, Lookup};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::x509::CertificateErrorKind;
use portcullis::{
    ClientAuthentication, ClientConfig, Crl, CrlCheck, CrlInput, CrlSource, Error, Identity,
    MemoryCrls, ProtocolVersion, Reason, Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsStream,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio::io::{DuplexStream, duplex};

/// An authority with a server's certificate and a client's.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) roots: Roots,
    pub(crate) server: Identity,
    pub(crate) client: Identity,
}

pub(crate) const SERVER: u8 = 7;
pub(crate) const CLIENT: u8 = 8;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "CA");
    let key = KeyPair::generate().unwrap();
    let mut roots = Roots::empty();
    roots
        .add_der(params.self_signed(&key).unwrap().der().clone())
        .unwrap();
    let issuer = Issuer::new(params, key);
    let leaf = |name: &str, serial: u8| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint {
            uris: vec!["http://crl.test/ca.crl".to_owned()],
        }];
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(vec![der], &key).unwrap()
    };
    let (server, client) = (leaf("localhost", SERVER), leaf("client.test", CLIENT));
    Authority {
        issuer,
        roots,
        server,
        client,
    }
}

impl Authority {
    pub(crate) fn list(&self, number: u64, revoked: &[u8]) -> Vec<u8> {
        list_of(&self.issuer, number, revoked)
    }

    pub(crate) fn crls(&self, revoked: &[u8]) -> Arc<MemoryCrls> {
        let crls = MemoryCrls::new();
        assert_eq!(
            crls.insert(CrlInput::Der(self.list(1, revoked)), None)
                .unwrap(),
            1
        );
        Arc::new(crls)
    }

    pub(crate) fn client_config(&self, check: CrlCheck) -> ClientConfig {
        let builder = ClientConfig::builder(self.roots.clone()).identity(self.client.clone());
        builder.crl_check(check).build().unwrap()
    }

    pub(crate) fn server_config(&self, check: CrlCheck, version: ProtocolVersion) -> ServerConfig {
        let builder = ServerConfig::builder()
            .identity(self.server.clone())
            .versions([version]);
        let clients = ClientAuthentication::Required(self.roots.clone());
        builder
            .client_authentication(clients)
            .crl_check(check)
            .build()
            .unwrap()
    }

    /// Neither end looks at lists.
    pub(crate) fn plain_client(&self) -> TlsConnector {
        TlsConnector::new(self.client_config(CrlCheck::off()))
    }

    pub(crate) fn plain_server(&self) -> TlsAcceptor {
        TlsAcceptor::new(self.server_config(CrlCheck::off(), ProtocolVersion::TLS_1_3))
    }
}

pub(crate) fn list_of(issuer: &Issuer<'_, KeyPair>, number: u64, revoked: &[u8]) -> Vec<u8> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2049, 1, 1),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: revoked
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(vec![*serial]),
                revocation_time: date_time_ymd(2026, 1, 2),
                reason_code: Some(rcgen::RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().to_vec()
}

pub(crate) type End = Result<TlsStream<DuplexStream>, Error>;

/// Both ends, after the client has read the server's first words if there are any.
pub(crate) async fn shake_hands(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (End, End) {
    let (near, far) = duplex(65_536);
    let client = async {
        let mut stream = connector.upgrade(near, "localhost").await?;
        stream.recv(2).await?;
        Ok(stream)
    };
    let server = async {
        let mut stream = acceptor.accept(far).await?;
        stream.send(&[b"hi"]).await?;
        Ok(stream)
    };
    tokio::join!(client, server)
}

pub(crate) fn is_revoked(error: &Error) -> bool {
    matches!(error.reason(), Some(Reason::Certificate(error))
        if matches!(error.kind(), CertificateErrorKind::Revoked { .. }))
}

pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(error.reason(), Some(Reason::Certificate(error))
        if matches!(error.kind(), CertificateErrorKind::RevocationUnknown { .. }))
}

/// Lists in memory that remember which questions were for memory alone.
pub(crate) struct Noting(Arc<MemoryCrls>, Mutex<Vec<bool>>);

impl Noting {
    pub(crate) fn new(crls: Arc<MemoryCrls>) -> Arc<Self> {
        Arc::new(Self(crls, Mutex::default()))
    }

    pub(crate) fn take(&self) -> Vec<bool> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

impl CrlSource for Noting {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.1.lock().unwrap().push(query.is_memory_only());
        self.0.lookup(query)
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.1.lock().unwrap().push(query.is_memory_only());
        self.0.select(query)
    }

    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        self.0.fresh(query, stale)
    }
}
