//! RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11, §4.2.1.14: what a certificate says of certificate policies.

use crate::der::{self, Reader};

/// 2.5.29.32
pub(in crate::x509) const CERTIFICATE_POLICIES: &[u8] = b"\x55\x1d\x20";
/// 2.5.29.33
pub(in crate::x509) const POLICY_MAPPINGS: &[u8] = b"\x55\x1d\x21";
/// 2.5.29.36
pub(in crate::x509) const POLICY_CONSTRAINTS: &[u8] = b"\x55\x1d\x24";
/// 2.5.29.54
pub(in crate::x509) const INHIBIT_ANY_POLICY: &[u8] = b"\x55\x1d\x36";

/// 2.5.29.32.0
pub(in crate::x509) const ANY_POLICY: &[u8] = b"\x55\x1d\x20\x00";

/// Whether an extension is one of those that are processed where policies are asked for.
pub(in crate::x509) fn is_about_policies(oid: &[u8]) -> bool {
    [
        CERTIFICATE_POLICIES,
        POLICY_MAPPINGS,
        POLICY_CONSTRAINTS,
        INHIBIT_ANY_POLICY,
    ]
    .contains(&oid)
}

/// The policies; `None` if that is damaged. What qualifies them is for people.
pub(in crate::x509) fn certificate_policies(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Reader::new(der::only(value, der::SEQUENCE)?);
    let mut policies = Vec::new();
    while !all.is_empty() {
        let mut information = Reader::new(all.contents(der::SEQUENCE)?);
        policies.push(information.contents(der::OID)?);
        if !information.is_empty() {
            information.contents(der::SEQUENCE)?;
        }
        if !information.is_empty() {
            return None;
        }
    }
    (!policies.is_empty()).then_some(policies)
}

/// Which policy of the issuer is which one of the subject; `None` if that is damaged.
pub(in crate::x509) fn policy_mappings(value: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut all = Reader::new(der::only(value, der::SEQUENCE)?);
    let mut mappings = Vec::new();
    while !all.is_empty() {
        let mut mapping = Reader::new(all.contents(der::SEQUENCE)?);
        mappings.push((mapping.contents(der::OID)?, mapping.contents(der::OID)?));
        if !mapping.is_empty() {
            return None;
        }
    }
    (!mappings.is_empty()).then_some(mappings)
}

/// After how many certificates something begins to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::x509) struct PolicyConstraints {
    pub(in crate::x509) require_explicit_policy: Option<usize>,
    pub(in crate::x509) inhibit_policy_mapping: Option<usize>,
}

impl PolicyConstraints {
    pub(in crate::x509) fn read(value: &[u8]) -> Option<Self> {
        // IMPLICIT INTEGER.
        const REQUIRE_EXPLICIT_POLICY: u8 = 0x80;
        const INHIBIT_POLICY_MAPPING: u8 = 0x81;
        let mut fields = Reader::new(der::only(value, der::SEQUENCE)?);
        let mut number = |tag| match fields.optional(tag) {
            None => Some(None),
            Some(contents) => der::unsigned(contents).map(Some),
        };
        let this = Self {
            require_explicit_policy: number(REQUIRE_EXPLICIT_POLICY)?,
            inhibit_policy_mapping: number(INHIBIT_POLICY_MAPPING)?,
        };
        // §4.2.1.11: it says one of them.
        (fields.is_empty() && this != Self::default()).then_some(this)
    }
}

/// After how many certificates anyPolicy counts no more.
pub(in crate::x509) fn inhibit_any_policy(value: &[u8]) -> Option<usize> {
    der::unsigned(der::only(value, der::INTEGER)?)
}
