//! A chain of one's own, completed with the certificates of those who issued it.

use rustls_pki_types::CertificateDer;

use super::authority;
use super::certificate::Certificate;
use super::chain::MAX_CERTIFICATES;
use super::extension::{authority_key_identifier, subject_key_identifier};
use super::identity::Identity;
use super::name;
use super::policy::ChainPolicy;
use super::roots::Roots;
use super::signatures::Verifier;
use crate::der;
use crate::misuse::Misuse;

impl Identity {
    /// Adds to a leaf that stands alone the certificates of those who issued it, found among these: certificates of
    /// authorities in any order, such as a file of trusted ones. The self-signed one at the end is not added, because peers
    /// have it. A chain of more than one certificate, or of a self-signed one, stays as it is. Clones of this identity stay as
    /// they are, too; what has more certificates has no OCSP response yet.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Identity;
    /// # use rustls_pki_types::{CertificateDer, pem::PemObject};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let authorities: Result<Vec<_>, _> = CertificateDer::pem_file_iter("cas.pem")?.collect();
    /// let identity = Identity::from_pem_files("leaf.pem", "key.pem")?.completed_from(&authorities?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When none of them has issued the leaf.
    pub fn completed_from(self, authorities: &[CertificateDer<'static>]) -> Result<Self, Misuse> {
        let [leaf] = self.chain() else {
            return Ok(self);
        };
        let issuers = issuers_of(leaf, authorities)?;
        if issuers.is_empty() {
            return Ok(self);
        }
        self.with_more(issuers)
    }

    /// Who has issued the leaf, if the chain looks as if that certificate had been forgotten: others are in it, or the
    /// leaf says where it can be fetched (caIssuers, RFC 5280 §4.2.2.1), as those of public authorities do. Peers that
    /// do not have it refuse such a chain. Of a leaf alone that says nothing, and of a self-signed one, `None`.
    pub fn missing_issuer(&self) -> Option<String> {
        let (leaf, others) = self.chain().split_first()?;
        let leaf = Certificate::read(leaf)?;
        let is_issuer = |subject: &[u8]| name::is_same(subject, leaf.issuer, &mut 0);
        let mut others_read = others.iter().filter_map(|own| Certificate::read(own));
        let is_there = is_issuer(leaf.subject) || others_read.any(|own| is_issuer(own.subject));
        let is_expected = !others.is_empty() || super::ocsp::has_issuer_uri(&leaf);
        (is_expected && !is_there).then(|| super::names::distinguished_name(leaf.issuer))
    }
}

/// The issuers of a leaf that is not self-signed, lowest first, without the self-signed one at the end.
fn issuers_of(
    leaf: &CertificateDer<'static>,
    given: &[CertificateDer<'static>],
) -> Result<Vec<CertificateDer<'static>>, Misuse> {
    let policy = ChainPolicy::new(Roots::empty());
    let mut issuers: Vec<CertificateDer<'static>> = Vec::new();
    let mut below = leaf;
    let mut is_known = false;
    while issuers.len() < MAX_CERTIFICATES {
        let Some(fields) = Certificate::read(below) else {
            break;
        };
        if is_self_signed(&fields) {
            is_known = true;
            issuers.pop();
            break;
        }
        let Some(issuer) = issuer_of(&fields, given, &policy) else {
            break;
        };
        // A loop would not end.
        if issuer == leaf || issuers.contains(issuer) {
            break;
        }
        is_known = true;
        issuers.push(issuer.clone());
        below = issuer;
    }
    match is_known {
        true => Ok(issuers),
        false => Err(Misuse::new(format!(
            "none of the {} certificates given has issued {}: give that of its authority, or leave the chain as it is",
            given.len(),
            super::subject(leaf).unwrap_or_default(),
        ))),
    }
}

/// The first that has signed it, those first whose key it names.
fn issuer_of<'a>(
    certificate: &Certificate<'_>,
    given: &'a [CertificateDer<'static>],
    policy: &ChainPolicy,
) -> Option<&'a CertificateDer<'static>> {
    let named = authority_key_identifier(certificate);
    let candidates = given
        .iter()
        .filter_map(|own| Some((own, Certificate::read(own)?)))
        .filter(|(_, fields)| {
            name::is_same(fields.subject, certificate.issuer, &mut 0)
                && authority::check_issuer(fields).is_ok()
                && has_signed(fields.spki, certificate, policy)
        });
    let is_other =
        |fields: &Certificate<'_>| named.is_some() && subject_key_identifier(fields) != named;
    let first = candidates.min_by_key(|(_, fields)| is_other(fields));
    first.map(|(own, _)| own)
}

/// What nothing here verifies is believed: peers may know better, and it is sent and not trusted.
fn has_signed(spki: &[u8], certificate: &Certificate<'_>, policy: &ChainPolicy) -> bool {
    let (Some((algorithm, key)), Some((0, signature))) = (
        der::public_key_info(spki),
        certificate.signature.split_first(),
    ) else {
        return false;
    };
    let verifier = Verifier::find(policy, certificate.signature_algorithm, algorithm);
    verifier.is_none_or(|verifier| {
        let verified = verifier.verify(policy, (algorithm, key), certificate.tbs, signature);
        verified.is_ok()
    })
}

fn is_self_signed(fields: &Certificate<'_>) -> bool {
    name::is_same(fields.subject, fields.issuer, &mut 0)
        && has_signed(fields.spki, fields, &ChainPolicy::new(Roots::empty()))
}
