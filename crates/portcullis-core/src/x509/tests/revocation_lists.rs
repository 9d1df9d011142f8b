//! Revocation lists by the byte, and what is promised about reading them.

use std::sync::Arc;
use std::time::Instant;

use rcgen::{KeyPair, KeyUsagePurpose, SerialNumber, SigningKey as _};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Ca, NOW, ca_params, leaf_params, named, roots};
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::{
    CertificateError, ChainPolicy, Crl, CrlCheck, CrlQuery, PresentedChain, RevocationCheck,
    VerifiedChain, crl_issuer_hash,
};

pub(super) const URI: &str = "http://crl.test/ca.crl";
pub(super) const HOST: &str = "host.test";

/// A list to be signed.
#[derive(Clone)]
pub(super) struct List {
    pub(super) this_update: &'static str,
    pub(super) next_update: Option<&'static str>,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl List {
    pub(super) fn new(number: u8) -> Self {
        Self {
            this_update: "270101000000Z",
            next_update: Some("270201000000Z"),
            entries: Vec::new(),
            extensions: vec![extension(20, false, &[2, 1, number])],
        }
    }

    pub(super) fn revoking(mut self, serial: u8) -> Self {
        self.entries.push(entry(serial, &[]));
        self
    }

    pub(super) fn entry(mut self, serial: u8, extensions: &[Vec<u8>]) -> Self {
        self.entries.push(entry(serial, extensions));
        self
    }

    pub(super) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(super) fn der(&self, ca: &Ca) -> Vec<u8> {
        let fields = Certificate::read(ca.certificate.der()).unwrap();
        self.der_of(fields.subject, ca.issuer.key())
    }

    pub(super) fn der_of(&self, issuer: &[u8], key: &KeyPair) -> Vec<u8> {
        let algorithm = der::sequence(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
        let time = |text: &str| der::element(0x17, text.as_bytes());
        let mut tbs = vec![2, 1, 1];
        tbs.extend_from_slice(&algorithm);
        tbs.extend_from_slice(issuer);
        tbs.extend(time(self.this_update));
        tbs.extend(self.next_update.map(time).unwrap_or_default());
        if !self.entries.is_empty() {
            tbs.extend(der::sequence(&self.entries.concat()));
        }
        if !self.extensions.is_empty() {
            tbs.extend(der::element(
                der::context(0),
                &der::sequence(&self.extensions.concat()),
            ));
        }
        let tbs = der::sequence(&tbs);
        let signature = [vec![0], key.sign(&tbs).unwrap()].concat();
        der::sequence(&[tbs, algorithm, der::element(der::BIT_STRING, &signature)].concat())
    }

    pub(super) fn by(&self, ca: &Ca) -> Arc<Crl> {
        Arc::new(Crl::from_der(self.der(ca)).unwrap())
    }
}

pub(super) fn entry(serial: u8, extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut fields = vec![2, 1, serial];
    fields.extend(der::element(0x17, b"261102000000Z"));
    if !extensions.is_empty() {
        fields.extend(der::sequence(&extensions.concat()));
    }
    der::sequence(&fields)
}

/// 2.5.29.`last`
pub(super) fn extension(last: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut fields = vec![der::OID, 3, 0x55, 0x1d, last];
    if critical {
        fields.extend([der::BOOLEAN, 1, 0xff]);
    }
    fields.extend(der::element(der::OCTET_STRING, value));
    der::sequence(&fields)
}

pub(super) fn reason(code: u8) -> Vec<u8> {
    extension(21, false, &[0x0a, 1, code])
}

/// issuingDistributionPoint
pub(super) fn idp(fields: &[Vec<u8>]) -> Vec<u8> {
    extension(28, true, &der::sequence(&fields.concat()))
}

/// `distributionPoint` with a URI.
pub(super) fn at(uri: &str) -> Vec<u8> {
    let name = der::element(0x86, uri.as_bytes());
    der::element(der::context(0), &der::element(der::context(0), &name))
}

/// deltaCRLIndicator
pub(super) fn delta_of(base: u8) -> Vec<u8> {
    extension(27, true, &[2, 1, base])
}

pub(super) fn signing_ca(name: &str) -> rcgen::CertificateParams {
    let mut params = ca_params(name);
    params.key_usages.push(KeyUsagePurpose::CrlSign);
    params
}

pub(super) fn root(name: &str) -> Ca {
    let key = KeyPair::generate().unwrap();
    let params = signing_ca(name);
    Ca {
        certificate: params.self_signed(&key).unwrap(),
        issuer: rcgen::Issuer::new(params, key),
    }
}

pub(super) fn leaf(ca: &Ca, serial: u8, uris: &[&str]) -> CertificateDer<'static> {
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params.crl_distribution_points = uris
        .iter()
        .map(|uri| rcgen::CrlDistributionPoint {
            uris: vec![(*uri).to_owned()],
        })
        .collect();
    ca.leaf(params)
}

/// What is asked about a chain, and what it ends in.
pub(super) fn check_with(
    certificates: &[CertificateDer<'static>],
    trusted: &Ca,
    check: CrlCheck,
    mut answer: impl FnMut(&CrlQuery) -> Vec<Arc<Crl>>,
) -> Result<VerifiedChain, CertificateError> {
    let chain = PresentedChain::new(certificates.to_vec())?;
    let policy = ChainPolicy::new(roots(&[trusted.der()])).crl_check(check);
    let name = ServerName::try_from(HOST).unwrap();
    let mut check = RevocationCheck::begin(&chain, Some(&name), NOW, &policy)?;
    while let Some(query) = check.query() {
        let lists = answer(query);
        check.answer(lists);
    }
    check.conclude()
}

/// The leaf alone, whatever is asked answered with the same.
pub(super) fn check(
    leaf: &CertificateDer<'static>,
    ca: &Ca,
    lists: &[Arc<Crl>],
) -> Result<VerifiedChain, CertificateError> {
    check_with(std::slice::from_ref(leaf), ca, CrlCheck::peer(), |_| {
        lists.to_vec()
    })
}

#[test]
fn a_list_is_read_as_it_is() {
    let ca = root("CA");
    let der = List::new(41).revoking(7).entry(9, &[reason(1)]).der(&ca);
    let list = Crl::from_der(der.clone()).unwrap();
    assert_eq!(list.as_der(), der);
    assert_eq!(list.len(), 2);
    assert_eq!(list.number().as_deref(), Some("41"));
    assert_eq!(list.this_update().as_secs(), 1_798_761_600);
    assert_eq!(list.next_update().unwrap().as_secs(), 1_801_440_000);
    assert!(!list.is_delta() && !list.is_stale(NOW));
    assert!(
        list.is_stale(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            1_801_440_000
        )))
    );
    assert_eq!(
        format!("{list:?}"),
        r#"Crl { issuer: "CN=CA", number: Some("41"), len: 2, .. }"#
    );

    let pem = |der: &[u8]| {
        let base64 = rcgen_base64(der);
        format!("-----BEGIN X509 CRL-----\n{base64}\n-----END X509 CRL-----\n")
    };
    let both = pem(&der) + &pem(&List::new(42).der(&ca));
    let lists = Crl::from_der_or_pem(both.as_bytes()).unwrap();
    assert_eq!(lists.len(), 2);
    assert_eq!(Crl::from_der_or_pem(&der).unwrap().len(), 1);

    let mut broken = der.clone();
    let last = broken.len() - 1;
    broken.truncate(last);
    let error = Crl::from_der_or_pem((pem(&der) + &pem(&broken)).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "list 2 of 2 is damaged at byte 0: not DER, or not all of it"
    );
    let error = Crl::from_der_or_pem(b"nothing").unwrap_err();
    assert!(error.to_string().contains("no revocation list"), "{error}");
}

fn rcgen_base64(der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in der.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or_default())
        });
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(match digit <= group.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    text
}

#[test]
fn damage_is_named_by_its_place() {
    let ca = root("CA");
    let twice = extension(20, false, &[2, 1, 1]);
    let mut bad_entry = List::new(1).revoking(7);
    bad_entry
        .entries
        .push(der::sequence(&[2, 1, 9, 0x17, 1, 0]));
    for (list, expected) in [
        (List::new(1).with(twice), "its extensions"),
        (
            List::new(1).entry(7, &[reason(1), reason(1)]),
            "the entry of a certificate",
        ),
        (bad_entry, "the entry of a certificate"),
        (
            List::new(1).with(extension(27, true, &[2, 1, 0xff])),
            "its extensions",
        ),
        // Two of the three.
        (
            List::new(1).with(idp(&[vec![0x81, 1, 0xff], vec![0x82, 1, 0xff]])),
            "its extensions",
        ),
    ] {
        let error = Crl::from_der(list.der(&ca)).unwrap_err().to_string();
        assert!(
            error.starts_with("damaged at byte ") && error.ends_with(expected),
            "{error}"
        );
    }
    let error = Crl::from_der(ca.certificate.der().to_vec()).unwrap_err();
    assert!(error.to_string().contains("damaged at byte"), "{error}");
}

/// Whatever is cut or changed: no panic, and nothing that is not there.
#[test]
fn no_byte_of_a_list_can_do_harm() {
    let ca = root("CA");
    let whole = List::new(3)
        .revoking(7)
        .entry(9, &[reason(1)])
        .with(idp(&[at(URI), vec![0x83, 2, 1, 0x60], vec![0x84, 1, 0xff]]))
        .der(&ca);
    for end in 0..whole.len() {
        assert!(Crl::from_der(&whole[..end]).is_err(), "{end}");
    }
    let leaf = leaf(&ca, 7, &[URI]);
    for place in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[place] ^= change;
            let Ok(list) = Crl::from_der(changed) else {
                continue;
            };
            let _ = (list.number(), list.uris(), format!("{list:?}"));
            // It revokes 7 where it is genuine, and it never is.
            assert!(check(&leaf, &ca, &[Arc::new(list)]).is_err(), "{place}");
        }
    }
}

fn long(count: u32) -> Vec<u8> {
    let ca = root("CA");
    let mut list = List::new(1);
    let entry = |serial: u32| {
        // 16 bytes, as authorities have them.
        let serial = [&[0x40; 12][..], &serial.to_be_bytes()].concat();
        let mut fields = der::element(der::INTEGER, &serial);
        fields.extend(der::element(0x17, b"261102000000Z"));
        der::sequence(&fields)
    };
    list.entries = vec![(0..count).flat_map(entry).collect()];
    list.der(&ca)
}

#[test]
fn an_entry_costs_at_most_24_bytes_beside_its_own() {
    let der = long(10_000);
    let length = der.len();
    let list = Crl::from_der(der).unwrap();
    assert_eq!(list.len(), 10_000);
    assert!(
        list.bytes() - length <= 24 * list.len(),
        "{}",
        list.bytes() - length
    );
}

/// Figures for docs/performance.md: `cargo test --release -p portcullis-core --lib a_million_entries -- --ignored
/// --nocapture`.
#[test]
#[ignore = "figures, and slow without optimization"]
fn a_million_entries() {
    let ca = root("CA");
    let der = long(1_000_000);
    let length = der.len();
    let begun = Instant::now();
    let list = Crl::from_der(der).unwrap();
    let index = begun.elapsed();
    let begun = Instant::now();
    let mut found = 0;
    let issuer = Certificate::read(ca.certificate.der()).unwrap().subject;
    for serial in (0..2_000_000_u32).step_by(20) {
        let serial = [&[0x40; 12][..], &serial.to_be_bytes()].concat();
        found += u32::from(list.is_listed(&serial, issuer));
    }
    let each = begun.elapsed() / 100_000;
    assert_eq!(found, 50_000);
    println!(
        "{length} bytes, indexed in {index:?}; {} bytes an entry beside its own; {each:?} a look-up",
        (list.bytes() - length) as f64 / list.len() as f64
    );
    assert!(each.as_nanos() <= 2_000);
}

#[test]
fn issuers_are_hashed_as_openssl_does() {
    // `openssl crl -hash` and `openssl rehash` of 3.0 say so; tests/ asks them again.
    let mut params = named("Some  CA ", &[]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Some  CA ");
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let odd = crl_issuer_hash(Certificate::read(certificate.der()).unwrap().subject).unwrap();
    let certificate = root("some ca");
    let plain = Certificate::read(certificate.certificate.der()).unwrap();
    assert_eq!(crl_issuer_hash(plain.subject), Some(odd));
    assert_eq!(crl_issuer_hash(b"nothing"), None);
}
