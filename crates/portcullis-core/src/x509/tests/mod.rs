//! A small PKI made on the spot, and what is promised about chains and identities.

mod differential;
mod encrypted_keys;
mod hostile;
mod identities;
mod listen;
mod memo;
mod mutations;
mod paths;
mod pem;
mod pinned;
mod reader;
mod reports;
mod revocation;
mod revocation_lists;
mod roots;
mod verification;
mod walk;

use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, RsaKeySize, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::{
    CertificateError, ChainPolicy, PresentedChain, Roots, VerifiedChain, verify_client,
    verify_server,
};

/// 2027-01-15; rcgen's certificates are valid from 1975 to 4096.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));

/// A CA, whose certificate was made by itself or by another one.
struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn root(name: &str) -> Self {
        Self::root_with(name, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn root_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = key_for(algorithm);
        let params = ca_params(name);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn intermediate(&self, name: &str) -> Self {
        self.intermediate_from(ca_params(name))
    }

    fn intermediate_from(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, params: CertificateParams) -> CertificateDer<'static> {
        self.leaf_with_key(params, &KeyPair::generate().unwrap())
    }

    fn leaf_with_key(&self, params: CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

fn key_for(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    if algorithm == &rcgen::PKCS_RSA_SHA256 {
        KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap()
    } else {
        KeyPair::generate_for(algorithm).unwrap()
    }
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let mut params = named("leaf", names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn roots(certificates: &[CertificateDer<'static>]) -> Roots {
    let mut roots = Roots::empty();
    for certificate in certificates {
        roots.add_der(certificate.clone()).unwrap();
    }
    roots
}

fn trusting(ca: &Ca) -> ChainPolicy {
    ChainPolicy::new(roots(&[ca.der()]))
}

fn name(text: &str) -> ServerName<'_> {
    ServerName::try_from(text).unwrap()
}

fn server(
    chain: &[CertificateDer<'static>],
    host: &str,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    let chain = PresentedChain::new(chain.to_vec())?;
    verify_server(&chain, &name(host), NOW, policy)
}

fn client(
    chain: &[CertificateDer<'static>],
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    verify_client(&PresentedChain::new(chain.to_vec())?, NOW, policy)
}

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}
