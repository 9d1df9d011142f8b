//! Whether a chain and a key are fit to be shown, and what is read of them for that.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

use super::super::certificate::Certificate;
use super::super::signature_algorithm::SignatureAlgorithm;
use crate::SignatureScheme;
use crate::crypto::{
    key_is_long_enough, modulus_bits, prime_bits, scheme_fits_key, scheme_fits_key_before_tls13,
};
use crate::misuse::Misuse;
use crate::suite::Authentication;

/// The longest leaf whose names can be read, in bytes.
const LONGEST_LEAF: usize = 65_535;

pub(super) fn check_any(schemes: &[SignatureScheme]) -> Result<(), Misuse> {
    match schemes {
        [] => Err(Misuse::new(
            "an external key needs at least one signature scheme",
        )),
        _ => Ok(()),
    }
}

/// An external key can do what is said of it.
pub(super) fn check_schemes(spki: &[u8], schemes: &[SignatureScheme]) -> Result<(), Misuse> {
    let mut all = schemes.iter();
    if let Some(scheme) = all.find(|scheme| !fits_key(**scheme, spki)) {
        return Err(Misuse::new(format!(
            "the signature scheme {scheme} does not fit the key in the certificate"
        )));
    }
    let mut all = schemes.iter();
    match all.find(|scheme| !key_is_long_enough(**scheme, spki)) {
        Some(scheme) => Err(Misuse::new(format!(
            "the key in the certificate is too short for the signature scheme {scheme}"
        ))),
        None => Ok(()),
    }
}

/// In some version that has the scheme.
pub(super) fn fits_key(scheme: SignatureScheme, spki: &[u8]) -> bool {
    scheme_fits_key(scheme, spki) || scheme_fits_key_before_tls13(scheme, spki)
}

pub(super) fn key_bits(spki: &[u8]) -> Option<u32> {
    let bits = modulus_bits(spki).or_else(|| prime_bits(spki))?;
    bits.try_into().ok()
}

pub(super) fn all_fields<'a>(
    chain: &'a [CertificateDer<'static>],
) -> Result<Vec<Certificate<'a>>, Misuse> {
    if chain.is_empty() {
        return Err(Misuse::new("the certificate chain is empty"));
    }
    let mut all = Vec::with_capacity(chain.len());
    for (at, certificate) in chain.iter().enumerate() {
        all.push(Certificate::read(certificate).ok_or_else(|| {
            Misuse::new(format!(
                "{} is damaged: it is not DER-encoded X.509",
                nth(at)
            ))
        })?);
    }
    Ok(all)
}

/// The kind of key that has signed this certificate, of those that suites name.
pub(super) fn signed_by(fields: &Certificate<'_>) -> Option<Authentication> {
    let scheme = SignatureAlgorithm::find(fields.signature_algorithm)?.scheme?;
    match scheme.kind_of_key() {
        "RSA" => Some(Authentication::Rsa),
        "ECDSA" => Some(Authentication::Ecdsa),
        _ => None,
    }
}

/// A certificate of a chain for a sentence: people count from 1.
pub(super) fn nth(at: usize) -> String {
    match at {
        0 => "the leaf, the first certificate of the chain,".to_owned(),
        _ => format!("certificate {} of the chain", at + 1),
    }
}

/// Refuses a leaf that peers refuse, whatever else is right.
pub(super) fn is_fit_to_show(leaf: &[u8], fields: &Certificate<'_>) -> Result<(), Misuse> {
    // RFC 8446 §4.4.2.2.
    if fields.version != 3 {
        return Err(Misuse::new(
            "the leaf, the first certificate of the chain, is not of X.509 version 3, which TLS 1.3 requires: have it \
             issued again, with a subjectAltName",
        ));
    }
    // What webpki reads.
    if leaf.len() > LONGEST_LEAF {
        return Err(Misuse::new(format!(
            "the leaf, the first certificate of the chain, has {} bytes; more than {LONGEST_LEAF} are not supported: \
             have it issued for fewer names",
            leaf.len()
        )));
    }
    Ok(())
}

/// Only subjectAltName counts, as for every peer.
pub(super) fn dns_names(leaf: &CertificateDer<'static>) -> Vec<Box<str>> {
    EndEntityCert::try_from(leaf)
        .map(|certificate| {
            certificate
                .valid_dns_names()
                .map(|name| name.to_ascii_lowercase().into_boxed_str())
                .collect()
        })
        .unwrap_or_default()
}

/// What is before 1970 is not earlier.
pub(super) fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.max(0).unsigned_abs()))
}
