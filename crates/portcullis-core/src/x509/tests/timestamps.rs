//! What is promised about timestamps of logs (RFC 6962).
//!
//! The certificate of Google with two timestamps, and the keys of their logs, are from the tests of the crate `sct`;
//! that of cryptography.io, and what its logs were shown, from pyca's `cryptography_vectors`.

use core::time::Duration;

use rcgen::{CustomExtension, KeyPair, RsaKeySize, SerialNumber, SigningKey as _};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::ocsp_responses::{Answer, HOST, Said, leaf};
use super::{Ca, NOW, leaf_params};
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::ct::{in_certificate, of_list};
use crate::x509::{CtLogs, PresentedChain, Sct, SctError, SctSource};

const GOOGLE: &[u8] = include_bytes!("timestamps/google.der");
const CRYPTOGRAPHY: &[u8] = include_bytes!("timestamps/cryptography.der");

/// id-ecPublicKey, prime256v1
const EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

fn list(scts: &[Vec<u8>]) -> Vec<u8> {
    let all: Vec<u8> = scts
        .iter()
        .flat_map(|sct| [&u16::try_from(sct.len()).unwrap().to_be_bytes(), &**sct].concat())
        .collect();
    [&u16::try_from(all.len()).unwrap().to_be_bytes(), &*all].concat()
}

fn one(sct: &[u8], source: SctSource) -> Sct {
    of_list(&list(&[sct.to_vec()]), source).remove(0)
}

/// A log, and its key.
struct Log {
    logs: CtLogs,
    key: KeyPair,
}

impl Log {
    fn new() -> Self {
        Self::with_key(KeyPair::generate().unwrap())
    }

    fn with_key(key: KeyPair) -> Self {
        let mut logs = CtLogs::new();
        logs.add("a log", spki(&key)).unwrap();
        Self { logs, key }
    }

    /// About an entry, made this many seconds after `NOW`.
    fn sct(&self, entry: &[u8], later: i64, algorithm: [u8; 2]) -> Vec<u8> {
        let at = i64::try_from(NOW.as_secs()).unwrap() + later;
        let timestamp = (at * 1_000).to_be_bytes();
        let signed = [&[0, 0], &timestamp[..], entry, &[0, 0]].concat();
        let signature = self.key.sign(&signed).unwrap();
        let mut sct = vec![0];
        sct.extend(sha256(&spki(&self.key)));
        sct.extend(timestamp);
        sct.extend([0, 0]);
        sct.extend(algorithm);
        sct.extend(u16::try_from(signature.len()).unwrap().to_be_bytes());
        sct.extend(signature);
        sct
    }
}

const ECDSA: [u8; 2] = [4, 3];

fn spki(key: &KeyPair) -> Vec<u8> {
    use rcgen::PublicKeyData as _;
    key.subject_public_key_info()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

fn vec24(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[1..], bytes].concat()
}

fn x509_entry(certificate: &[u8]) -> Vec<u8> {
    [&[0, 0], &*vec24(certificate)].concat()
}

#[test]
fn timestamps_of_real_logs_are_genuine() {
    let key = |raw: &[u8]| der::put_public_key_info(EC, raw);
    let pilot = key(include_bytes!("timestamps/google-pilot.key"));
    let symantec = key(include_bytes!("timestamps/symantec.key"));
    let mut logs = CtLogs::new();
    assert!(logs.is_empty());
    logs.add("pilot", pilot.clone()).unwrap();
    // 2017-07-09
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_499_619_463));
    let [of_pilot, of_symantec] = [
        &include_bytes!("timestamps/google-pilot.sct")[..],
        include_bytes!("timestamps/symantec.sct"),
    ]
    .map(|sct| one(sct, SctSource::TlsExtension));
    assert_eq!(logs.verify(&of_pilot, GOOGLE, &[], now), Ok("pilot"));
    let unknown = logs.verify(&of_symantec, GOOGLE, &[], now).unwrap_err();
    assert!(
        unknown
            .to_string()
            .ends_with("is not among those that are trusted")
    );
    logs.add("symantec", symantec).unwrap();
    assert_eq!(logs.verify(&of_symantec, GOOGLE, &[], now), Ok("symantec"));
    assert_eq!(logs.len(), 2);
    let error = logs.add("again", pilot).unwrap_err().to_string();
    assert_eq!(error, "the log again: its key is that of pilot");
    assert_eq!(format!("{logs:?}"), r#"{"pilot", "symantec"}"#);
    // It is about that certificate, in that place, and of a time that has come.
    let other = logs.verify(&of_pilot, CRYPTOGRAPHY, &[], now);
    assert!(matches!(other, Err(SctError::BadSignature { .. })));
    let long_ago = UnixTime::since_unix_epoch(Duration::from_secs(1_000_000_000));
    assert!(matches!(
        logs.verify(&of_pilot, GOOGLE, &[], long_ago),
        Err(SctError::FromFuture { .. })
    ));
    let as_embedded = one(of_pilot.as_bytes(), SctSource::Certificate);
    assert!(matches!(
        logs.verify(&as_embedded, GOOGLE, CRYPTOGRAPHY, now),
        Err(SctError::BadSignature { .. })
    ));
    let nothing = logs.verify(&as_embedded, GOOGLE, &[], now);
    assert_eq!(nothing, Err(SctError::NoCertificate));
    // No byte can be another one.
    for at in 0..of_pilot.as_bytes().len() {
        let mut other = of_pilot.as_bytes().to_vec();
        other[at] ^= 1;
        let other = one(&other, SctSource::TlsExtension);
        assert!(logs.verify(&other, GOOGLE, &[], now).is_err(), "byte {at}");
    }
}

#[test]
fn what_a_log_was_shown_is_the_certificate_without_timestamps() {
    let scts = in_certificate(CRYPTOGRAPHY);
    assert_eq!(scts.len(), 2);
    assert!(
        scts.iter()
            .all(|sct| sct.source() == SctSource::Certificate)
    );
    assert!(scts.iter().all(|sct| sct.log_id().is_some()));
    let tbs = Certificate::read(CRYPTOGRAPHY).unwrap().tbs;
    let contents = der::only(tbs, der::SEQUENCE).unwrap();
    let shown = crate::x509::ct::without_timestamps(contents).unwrap();
    assert_eq!(
        shown,
        include_bytes!("timestamps/cryptography-precert-tbs.der")
    );
}

#[test]
fn timestamps_in_a_certificate_are_about_it_and_its_issuer() {
    let (ca, log) = (Ca::root("CA"), Log::new());
    let key = KeyPair::generate().unwrap();
    let made = |extensions: Vec<CustomExtension>| {
        let mut params = leaf_params(&[HOST]);
        params.serial_number = Some(SerialNumber::from(vec![7]));
        params.custom_extensions = extensions;
        ca.leaf_with_key(params, &key)
    };
    let before = made(Vec::new());
    let tbs = Certificate::read(&before).unwrap().tbs;
    let issuer = ca.der();
    let of_issuer = Certificate::read(&issuer).unwrap().spki;
    let entry = [&[0, 1][..], &sha256(of_issuer), &vec24(tbs)].concat();
    let oid = [1, 3, 6, 1, 4, 1, 11_129, 2, 4, 2];
    let scts = [log.sct(&entry, 0, ECDSA), log.sct(&entry, 301, ECDSA)];
    let value = der::element(der::OCTET_STRING, &list(&scts));
    let certificate = made(vec![CustomExtension::from_oid_content(&oid, value)]);
    let chain = PresentedChain::new(vec![certificate.clone()]).unwrap();
    let [sct, later] = <[Sct; 2]>::try_from(chain.scts()).unwrap();
    assert_eq!(sct.timestamp(), Some(NOW));
    let verify = |sct: &Sct, issuer: &[u8]| {
        let verdict = log.logs.verify(sct, &certificate, issuer, NOW);
        verdict.map(str::to_owned)
    };
    assert_eq!(verify(&sct, &issuer).as_deref(), Ok("a log"));
    assert!(matches!(
        verify(&later, &issuer),
        Err(SctError::FromFuture { .. })
    ));
    let twin = Ca::root("CA").der();
    assert!(matches!(
        verify(&sct, &twin),
        Err(SctError::BadSignature { .. })
    ));
    // A damaged list is none, and no certificate is the worse for it.
    let damaged = made(vec![CustomExtension::from_oid_content(
        &oid,
        vec![4, 2, 0, 9],
    )]);
    assert!(
        PresentedChain::new(vec![damaged])
            .unwrap()
            .scts()
            .is_empty()
    );
}

#[test]
fn timestamps_in_a_response_are_about_the_certificate() {
    let (ca, log) = (Ca::root("CA"), Log::new());
    let certificate = leaf(&ca, 7);
    let sct = log.sct(&x509_entry(&certificate), 0, ECDSA);
    let mut fields = der::element(der::OID, b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05");
    let value = der::element(der::OCTET_STRING, &list(&[sct]));
    fields.extend(der::element(der::OCTET_STRING, &value));
    let of = |serial: u8| {
        let mut said = Said::good(serial);
        said.extensions = vec![der::sequence(&fields)];
        let response = Answer::new(said).by(&ca).into_boxed_slice();
        PresentedChain::from_entries([(certificate.clone(), Some(response))]).unwrap()
    };
    let [sct] = <[Sct; 1]>::try_from(of(7).scts()).unwrap();
    assert_eq!(sct.source(), SctSource::OcspResponse);
    assert_eq!(log.logs.verify(&sct, &certificate, &[], NOW), Ok("a log"));
    assert!(of(8).scts().is_empty());
}

#[test]
fn logs_have_keys_of_two_kinds() {
    let certificate: CertificateDer<'_> = leaf(&Ca::root("CA"), 7);
    let entry = x509_entry(&certificate);
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = Log::with_key(rsa);
    let verify = |log: &Log, algorithm| {
        let sct = one(&log.sct(&entry, 0, algorithm), SctSource::TlsExtension);
        log.logs.verify(&sct, &certificate, &[], NOW).is_ok()
    };
    assert!(verify(&rsa, [4, 1]));
    // It says something else than its log has.
    for algorithm in [ECDSA, [5, 1], [0, 0]] {
        assert!(!verify(&rsa, algorithm));
    }
    assert!(!verify(&Log::new(), [4, 1]));
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for key in [spki(&p384), b"none".to_vec()] {
        let error = CtLogs::new().add("x", key).unwrap_err().to_string();
        assert!(error.contains("P-256 or of RSA"), "{error}");
    }
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let log = Log::new();
    let certificate = leaf(&Ca::root("CA"), 7);
    let good = log.sct(&x509_entry(&certificate), 0, ECDSA);
    let mut second = good.clone();
    second[0] = 1;
    let mut longer = good.clone();
    longer.push(0);
    for bytes in [second, longer, good[..good.len() - 1].to_vec(), vec![0]] {
        let sct = one(&bytes, SctSource::TlsExtension);
        assert_eq!((sct.log_id(), sct.timestamp()), (None, None));
        let verdict = log.logs.verify(&sct, &certificate, &[], NOW);
        assert_eq!(verdict, Err(SctError::Unreadable));
    }
    // Many are not looked at.
    let many = of_list(&list(&vec![good; 99]), SctSource::TlsExtension);
    assert_eq!(many.len(), 32);
    for damaged in [&[][..], &[0], &[0, 1, 0], &[0, 2, 0, 9], &[0, 0, 0]] {
        assert!(of_list(damaged, SctSource::TlsExtension).is_empty());
    }
}
