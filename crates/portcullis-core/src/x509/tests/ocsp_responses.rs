//! OCSP responses by the byte.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyPair, SerialNumber, SigningKey as _};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Ca, NOW, leaf_params, named, roots};
use crate::crypto::md5_sha1::sha1;
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::{
    CertificateError, ChainPolicy, OcspPolicy, PresentedChain, VerifiedChain, verify_server,
};

pub(crate) const HOST: &str = "host.test";
const SHA1: &[u8] = b"\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00";
/// Their OIDs differ in the last byte.
const SHA2: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02";
const GENERALIZED_TIME: u8 = 0x18;

/// What is said of one certificate.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) serial: u8,
    pub(crate) status: Vec<u8>,
    pub(crate) this_update: &'static str,
    pub(crate) next_update: Option<&'static str>,
    pub(crate) extensions: Vec<Vec<u8>>,
    /// By which an issuer is named: the length of SHA-1 or of one of SHA-2.
    pub(crate) hash_len: usize,
}

impl Said {
    pub(crate) fn good(serial: u8) -> Self {
        Self {
            serial,
            status: vec![0x80, 0],
            this_update: "20270114000000Z",
            next_update: Some("20270116000000Z"),
            extensions: Vec::new(),
            hash_len: 20,
        }
    }

    pub(crate) fn unknown(serial: u8) -> Self {
        Self {
            status: vec![0x82, 0],
            ..Self::good(serial)
        }
    }

    /// On 2026-11-02.
    pub(crate) fn revoked(serial: u8, reason: Option<u8>) -> Self {
        let mut info = der::element(GENERALIZED_TIME, b"20261102000000Z");
        if let Some(reason) = reason {
            info.extend(der::element(der::context(0), &[0x0a, 1, reason]));
        }
        Self {
            status: der::element(der::context(1), &info),
            ..Self::good(serial)
        }
    }

    pub(crate) fn at(self, this_update: &'static str, next_update: Option<&'static str>) -> Self {
        Self {
            this_update,
            next_update,
            ..self
        }
    }

    fn der(&self, issuer: &Certificate<'_>) -> Vec<u8> {
        let (_, key) = der::public_key_info(issuer.spki).unwrap();
        let sha2 = |last: u8| [SHA2, &[last, 5, 0]].concat();
        let hash = |bytes: &[u8]| match self.hash_len {
            20 => sha1(bytes).to_vec(),
            32 => sha2_of::<sha2::Sha256>(bytes),
            48 => sha2_of::<sha2::Sha384>(bytes),
            _ => sha2_of::<sha2::Sha512>(bytes),
        };
        let algorithm = match self.hash_len {
            20 => SHA1.to_vec(),
            32 => sha2(1),
            48 => sha2(2),
            _ => sha2(3),
        };
        let (name, key) = (hash(issuer.subject), hash(key));
        let id = [
            der::sequence(&algorithm),
            der::element(der::OCTET_STRING, &name),
            der::element(der::OCTET_STRING, &key),
            vec![2, 1, self.serial],
        ];
        let mut fields = der::sequence(&id.concat());
        fields.extend_from_slice(&self.status);
        fields.extend(time(self.this_update));
        if let Some(next) = self.next_update {
            fields.extend(der::element(der::context(0), &time(next)));
        }
        fields.extend(explicit(&self.extensions));
        der::sequence(&fields)
    }
}

fn sha2_of<H: sha2::Digest>(bytes: &[u8]) -> Vec<u8> {
    H::digest(bytes).to_vec()
}

fn time(text: &str) -> Vec<u8> {
    der::element(GENERALIZED_TIME, text.as_bytes())
}

fn explicit(extensions: &[Vec<u8>]) -> Vec<u8> {
    match extensions {
        [] => Vec::new(),
        some => der::element(der::context(1), &der::sequence(&some.concat())),
    }
}

/// A response to be signed.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) said: Vec<Said>,
    pub(crate) produced_at: &'static str,
    pub(crate) by_key: bool,
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

impl Answer {
    pub(crate) fn new(said: Said) -> Self {
        Self {
            said: vec![said],
            produced_at: "20270114000000Z",
            by_key: false,
            extensions: Vec::new(),
            certificates: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, certificate: &CertificateDer<'static>) -> Self {
        self.certificates.push(certificate.clone());
        self
    }

    /// By the issuer itself.
    pub(crate) fn by(&self, ca: &Ca) -> Vec<u8> {
        self.by_responder(ca, &ca.der(), ca.issuer.key())
    }

    /// By somebody with a certificate and its key.
    pub(crate) fn by_responder(&self, ca: &Ca, responder: &[u8], key: &KeyPair) -> Vec<u8> {
        let issuer = ca.der();
        let issuer = Certificate::read(&issuer).unwrap();
        let responder = Certificate::read(responder).unwrap();
        let (_, public) = der::public_key_info(responder.spki).unwrap();
        let mut data = match self.by_key {
            false => der::element(der::context(1), responder.subject),
            true => {
                let digest = der::element(der::OCTET_STRING, &sha1(public));
                der::element(der::context(2), &digest)
            }
        };
        data.extend(time(self.produced_at));
        let said: Vec<_> = self.said.iter().map(|said| said.der(&issuer)).collect();
        data.extend(der::sequence(&said.concat()));
        data.extend(explicit(&self.extensions));
        let data = der::sequence(&data);
        let signature = [vec![0], key.sign(&data).unwrap()].concat();
        let algorithm = der::sequence(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
        let mut basic = [data, algorithm, der::element(der::BIT_STRING, &signature)].concat();
        if !self.certificates.is_empty() {
            let certificates: Vec<u8> = self
                .certificates
                .iter()
                .flat_map(|own| own.to_vec())
                .collect();
            basic.extend(der::element(der::context(0), &der::sequence(&certificates)));
        }
        successful(&der::sequence(&basic))
    }
}

/// An OCSPResponse.
pub(crate) fn successful(basic: &[u8]) -> Vec<u8> {
    let bytes = [
        b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01".to_vec(),
        der::element(der::OCTET_STRING, basic),
    ];
    let bytes = der::element(der::context(0), &der::sequence(&bytes.concat()));
    der::sequence(&[vec![0x0a, 1, 0], bytes].concat())
}

pub(crate) fn failed(status: u8) -> Vec<u8> {
    der::sequence(&[0x0a, 1, status])
}

/// 1.3.6.1.5.5.7.48.1.`last`
pub(crate) fn extension(last: u8, critical: bool) -> Vec<u8> {
    let mut fields = der::element(der::OID, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, last]);
    if critical {
        fields.extend([der::BOOLEAN, 1, 0xff]);
    }
    fields.extend(der::element(der::OCTET_STRING, &[5, 0]));
    der::sequence(&fields)
}

/// The TLS feature extension with these features.
pub(crate) fn features(numbers: &[u8], critical: bool) -> CustomExtension {
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| [2, 1, *number]).collect();
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
    let mut extension = CustomExtension::from_oid_content(&oid, der::sequence(&numbers));
    extension.set_criticality(critical);
    extension
}

pub(crate) fn leaf(ca: &Ca, serial: u8) -> CertificateDer<'static> {
    leaf_with(ca, serial, Vec::new())
}

pub(crate) fn leaf_with(
    ca: &Ca,
    serial: u8,
    extensions: Vec<CustomExtension>,
) -> CertificateDer<'static> {
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params.custom_extensions = extensions;
    ca.leaf(params)
}

/// The certificate of a responder, and its key.
pub(crate) fn delegate(
    ca: &Ca,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = named("responder", &[]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    change(&mut params);
    (ca.leaf_with_key(params, &key), key)
}

/// A chain with a response for its first certificate, as a client judges it.
pub(crate) fn judge(
    certificates: &[CertificateDer<'static>],
    response: Option<Vec<u8>>,
    trusted: &Ca,
    policy: OcspPolicy,
) -> Result<VerifiedChain, CertificateError> {
    judge_at(certificates, response, trusted, policy, NOW)
}

pub(crate) fn judge_at(
    certificates: &[CertificateDer<'static>],
    response: Option<Vec<u8>>,
    trusted: &Ca,
    policy: OcspPolicy,
    now: UnixTime,
) -> Result<VerifiedChain, CertificateError> {
    let mut response = response.map(Vec::into_boxed_slice);
    let entries = certificates
        .iter()
        .map(|own| (own.clone(), response.take()));
    let chain = PresentedChain::from_entries(entries)?;
    let policy = ChainPolicy::new(roots(&[trusted.der()])).ocsp(policy);
    verify_server(&chain, &ServerName::try_from(HOST).unwrap(), now, &policy)
}
