//! Certificates, chains and keys as anyone may send or configure them.

use std::net::IpAddr;

use portcullis_core::x509::{
    CertificateError, ChainPolicy, Identity, PresentedChain, PrivateKey, RawPublicKey, Roots,
    subject, subject_alt_names, verify_client, verify_server,
};
use portcullis_ffi::{Hash, RsaPrivateKey, RsaPublicKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::{NOW, name, pki};

/// Takes what to do, and the bytes to do it with.
pub fn run(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    match what % 6 {
        0 => {
            chain(vec![data]);
            if let Ok(key) = RawPublicKey::new(data) {
                assert_eq!(key.spki(), data);
            }
        }
        1 => chain(cut(data)),
        2 => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(data));
            private_key(&key);
        }
        3 => {
            private_key(&PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(data)));
            private_key(&PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(data)));
            rsa(data);
        }
        4 => {
            let _ = Identity::from_pem(data, None);
            let _ = Identity::from_pem(data, Some(pki().server.key));
            let _ = Identity::from_pem(pki().server.certificate, Some(data));
        }
        _ => {
            if let Ok(roots) = Roots::from_pem(data) {
                assert!(!roots.is_empty());
                let chain = pki().server.identity.chain().to_vec();
                let chain = PresentedChain::new(chain).expect("our own chain");
                // Trusted only if somebody put our root there.
                let _ = verify_server(&chain, &name(), NOW, &ChainPolicy::new(roots));
            }
        }
    }
}

/// RSA keys as AWS-LC reads them for us: what it takes for one can be used, and has signed nothing.
fn rsa(der: &[u8]) {
    if let Ok(key) = RsaPublicKey::from_der(der) {
        let signature = vec![7; key.modulus_len()];
        assert!(key.verify_pkcs1(Hash::Sha1, &[7; 20], &signature).is_err());
        assert!(key.verify_pss(Hash::Sha256, &[7; 32], &signature).is_err());
    }
    if let Ok(key) = RsaPrivateKey::from_der(der) {
        let mut block = vec![0; key.modulus_len()];
        let _ = key.decrypt_raw(&vec![7; key.modulus_len()], &mut block);
        let _ = key.sign_pkcs1(Hash::Md5Sha1, &[7; 36], &mut block);
    }
}

/// Certificates, each after its length in two bytes.
pub(crate) fn cut(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (part, rest) = rest.split_at(length);
        parts.push(part);
        data = rest;
    }
    parts
}

fn chain(certificates: Vec<&[u8]>) {
    let certificates: Vec<_> = certificates
        .into_iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect();
    certificates.iter().for_each(one);
    let genuine = certificates.first().is_some_and(|leaf| {
        pki()
            .leaves()
            .iter()
            .any(|own| own.certificate_der() == *leaf)
    });
    let Ok(chain) = PresentedChain::new(certificates) else {
        return;
    };
    assert!(!chain.end_entity().is_empty());
    let _ = chain.end_entity_spki();
    let policy = ChainPolicy::new(pki().roots.clone());
    let both = [
        verify_server(&chain, &name(), NOW, &policy),
        verify_client(&chain, NOW, &policy),
    ];
    for verdict in both {
        match verdict {
            // Nobody has the root's key: whatever is accepted is what it has signed.
            Ok(proof) => assert!(genuine && proof.is_verified()),
            Err(error) => explain(&error),
        }
    }
}

/// A certificate by itself: what is printed of it, and how it fares when it is trusted.
fn one(certificate: &CertificateDer<'static>) {
    let subject = subject(certificate);
    // Cut after 256 characters, each of them escaped at most.
    assert!(subject.is_none_or(|subject| subject.len() <= 256 * 10 + 3));
    same_names(certificate);
    let mut roots = Roots::empty();
    if roots.add_der(certificate.clone()).is_err() {
        return;
    }
    assert_eq!(roots.subjects().count(), 1);
    let Ok(chain) = PresentedChain::new(vec![certificate.clone()]) else {
        return;
    };
    let policy = ChainPolicy::new(roots);
    for verdict in [
        verify_server(&chain, &name(), NOW, &policy),
        verify_client(&chain, NOW, &policy),
    ] {
        match verdict {
            Ok(proof) => assert!(proof.is_verified()),
            Err(error) => explain(&error),
        }
    }
}

/// Another reader finds the same names, if both find some.
fn same_names(certificate: &[u8]) {
    let ours = subject_alt_names(certificate);
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return;
    };
    let Ok(Some(theirs)) = parsed.subject_alternative_name() else {
        return;
    };
    let names = theirs.value.general_names.iter();
    let theirs: Vec<_> = names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        })
        .collect();
    let ours: Vec<_> = ours
        .into_iter()
        .filter(|name| name.parse::<IpAddr>().is_err())
        .collect();
    let is_plain = |name: &String| {
        name.len() <= 256
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.contains(['"', '\\'])
            && name.parse::<IpAddr>().is_err()
    };
    if ours.len() == theirs.len() && theirs.iter().all(is_plain) {
        assert_eq!(ours, theirs);
    }
}

fn explain(error: &CertificateError) {
    assert!(!error.to_string().is_empty());
    let _ = format!("{error:?}");
}

fn private_key(der: &PrivateKeyDer<'_>) {
    if let Ok(key) = PrivateKey::from_der(der) {
        // RSA keys of up to 8,192 bits take their time; every scheme of the key must sign.
        if let Some(&scheme) = key.schemes().first() {
            let _ = key.sign(scheme, b"content");
        }
        let _ = Identity::new(pki().server.identity.chain().to_vec(), key);
    }
}
