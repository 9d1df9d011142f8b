//! All extensions of a certificate, looked at once.

use super::alt_name::SUBJECT_ALT_NAME;
use super::basic_constraints::BASIC_CONSTRAINTS;
use super::extended_key_usage::EXTENDED_KEY_USAGE;
use super::key_usage::KEY_USAGE;
use super::name_constraints::NAME_CONSTRAINTS;
use super::policies::{
    CERTIFICATE_POLICIES, INHIBIT_ANY_POLICY, POLICY_CONSTRAINTS, POLICY_MAPPINGS,
};
use super::tls_feature::TLS_FEATURE;
use crate::x509::certificate::{Certificate, Extension};

/// How many extensions a certificate may have; those of the Web have ten.
pub(in crate::x509) const MAX_EXTENSIONS: usize = 64;

/// 2.5.29.31. A critical one asks for nothing where revocation is not asked about.
const CRL_DISTRIBUTION_POINTS: &[u8] = b"\x55\x1d\x1f";

/// The contents of the extnValue of each extension that is processed, and of the others whether
/// that is a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::x509) struct Known<'a> {
    pub(in crate::x509) basic_constraints: Option<&'a [u8]>,
    pub(in crate::x509) key_usage: Option<&'a [u8]>,
    pub(in crate::x509) extended_key_usage: Option<&'a [u8]>,
    pub(in crate::x509) alt_name: Option<&'a [u8]>,
    pub(in crate::x509) alt_name_is_critical: bool,
    pub(in crate::x509) name_constraints: Option<&'a [u8]>,
    /// What webpki does not know, and is processed here: it is looked at where OCSP responses are.
    pub(in crate::x509) tls_feature_is_critical: bool,
    pub(in crate::x509) policies: Option<&'a [u8]>,
    pub(in crate::x509) policy_mappings: Option<&'a [u8]>,
    pub(in crate::x509) policy_constraints: Option<&'a [u8]>,
    pub(in crate::x509) inhibit_any_policy: Option<&'a [u8]>,
    /// The OID of the first critical one that is never processed.
    pub(in crate::x509) unknown: Option<&'a [u8]>,
    /// That of the first about policies, which are processed where somebody asks for some.
    pub(in crate::x509) critical_policy: Option<&'a [u8]>,
}

/// Why the extensions of a certificate cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x509) enum Unreadable {
    NotDer,
    /// §4.2: one that is there twice could be read in two ways.
    Twice,
    TooMany,
}

impl<'a> Known<'a> {
    pub(in crate::x509) fn read(certificate: &Certificate<'a>) -> Result<Self, Unreadable> {
        let mut known = Self::default();
        for (count, extension) in certificate.extensions().enumerate() {
            let extension = extension.map_err(|_| Unreadable::NotDer)?;
            if count >= MAX_EXTENSIONS {
                return Err(Unreadable::TooMany);
            }
            known.take(certificate, count, &extension)?;
        }
        Ok(known)
    }

    /// Whether an extension is about what a CA may do, and a leaf of it.
    pub(in crate::x509) fn is_for_the_walk(oid: &[u8]) -> bool {
        [BASIC_CONSTRAINTS, KEY_USAGE, NAME_CONSTRAINTS].contains(&oid)
    }

    /// Whether an extension is processed.
    pub(in crate::x509) fn is_processed(oid: &[u8]) -> bool {
        let others = [
            EXTENDED_KEY_USAGE,
            SUBJECT_ALT_NAME,
            CRL_DISTRIBUTION_POINTS,
            TLS_FEATURE,
        ];
        Self::is_for_the_walk(oid) || others.contains(&oid)
    }

    fn take(
        &mut self,
        certificate: &Certificate<'a>,
        place: usize,
        extension: &Extension<'a>,
    ) -> Result<(), Unreadable> {
        let field = match extension.oid {
            BASIC_CONSTRAINTS => &mut self.basic_constraints,
            KEY_USAGE => &mut self.key_usage,
            EXTENDED_KEY_USAGE => &mut self.extended_key_usage,
            NAME_CONSTRAINTS => &mut self.name_constraints,
            CERTIFICATE_POLICIES | POLICY_MAPPINGS | POLICY_CONSTRAINTS | INHIBIT_ANY_POLICY => {
                if extension.critical && self.critical_policy.is_none() {
                    self.critical_policy = Some(extension.oid);
                }
                match extension.oid {
                    CERTIFICATE_POLICIES => &mut self.policies,
                    POLICY_MAPPINGS => &mut self.policy_mappings,
                    POLICY_CONSTRAINTS => &mut self.policy_constraints,
                    _ => &mut self.inhibit_any_policy,
                }
            }
            SUBJECT_ALT_NAME => {
                self.alt_name_is_critical = extension.critical;
                &mut self.alt_name
            }
            oid => {
                let mut earlier = certificate.extensions().take(place);
                if earlier.any(|earlier| earlier.is_ok_and(|earlier| earlier.oid == oid)) {
                    return Err(Unreadable::Twice);
                }
                match (extension.critical, oid) {
                    (false, _) | (true, CRL_DISTRIBUTION_POINTS) => {}
                    (true, TLS_FEATURE) => self.tls_feature_is_critical = true,
                    (true, _) => self.unknown = self.unknown.or(Some(oid)),
                }
                return Ok(());
            }
        };
        match field.replace(extension.value) {
            None => Ok(()),
            Some(_) => Err(Unreadable::Twice),
        }
    }
}
