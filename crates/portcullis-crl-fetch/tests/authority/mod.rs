//! An authority, and what a handshake would ask about its certificates.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use portcullis_core::x509::{
    CertificateError, ChainPolicy, CrlCheck, CrlQuery, PresentedChain, RevocationCheck, Roots,
    VerifiedChain,
};
use portcullis_crl_fetch::{CrlSource, Lookup, ask};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// 2027-01-15. HTTP looks at the clock of the machine besides.
pub(crate) const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) policy: ChainPolicy,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let mut roots = Roots::empty();
        roots
            .add_der(params.self_signed(&key).unwrap().der().clone())
            .unwrap();
        Self {
            issuer: Issuer::new(params, key),
            policy: ChainPolicy::new(roots).crl_check(CrlCheck::chain()),
        }
    }

    /// Good from 2020 to 2049.
    pub(crate) fn list(&self, number: u64, revoked: &[u8]) -> Vec<u8> {
        self.list_until(number, revoked, 2049)
    }

    /// Over since 2021.
    pub(crate) fn old_list(&self, number: u64) -> Vec<u8> {
        self.list_until(number, &[], 2021)
    }

    fn list_until(&self, number: u64, revoked: &[u8], year: i32) -> Vec<u8> {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(vec![*serial]),
                    revocation_time: date_time_ymd(2026, 1, 2),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// A point for each URI.
    pub(crate) fn leaf(&self, serial: u8, uris: &[&str]) -> CertificateDer<'static> {
        let points = uris.iter().map(|uri| rcgen::CrlDistributionPoint {
            uris: vec![(*uri).to_owned()],
        });
        self.leaf_with(serial, points.collect())
    }

    pub(crate) fn leaf_with_point(&self, serial: u8, uris: &[String]) -> CertificateDer<'static> {
        self.leaf_with(
            serial,
            vec![rcgen::CrlDistributionPoint {
                uris: uris.to_vec(),
            }],
        )
    }

    fn leaf_with(
        &self,
        serial: u8,
        points: Vec<rcgen::CrlDistributionPoint>,
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["client.test".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        params.crl_distribution_points = points;
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }

    pub(crate) fn check(&self, leaf: &CertificateDer<'static>) -> RevocationCheck {
        let chain = PresentedChain::new(vec![leaf.clone()]).unwrap();
        RevocationCheck::begin(&chain, None, NOW, &self.policy).unwrap()
    }
}

/// What a handshake would make of a leaf with this source.
pub(crate) async fn verdict(
    ca: &Authority,
    leaf: &CertificateDer<'static>,
    source: &impl CrlSource,
) -> Result<VerifiedChain, CertificateError> {
    let mut check = ca.check(leaf);
    while let Some(query) = check.query() {
        let query = query.clone();
        match ask(source, &query).await {
            Lookup::Found(lists) => check.answer(lists),
            Lookup::NotAvailable(why) => check.answer_nothing(why),
        }
    }
    check.conclude()
}

/// The first question about a certificate whose list is there.
pub(crate) fn query_at(ca: &Authority, uri: &str) -> CrlQuery {
    ca.check(&ca.leaf(9, &[uri])).query().unwrap().clone()
}

/// The same before a session is resumed.
pub(crate) fn resumption_query_at(ca: &Authority, uri: &str) -> CrlQuery {
    query_at(ca, uri).from_memory()
}
