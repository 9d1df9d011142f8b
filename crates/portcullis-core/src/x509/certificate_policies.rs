//! Which certificate policies a path must be good for, where somebody asks.

use std::sync::Arc;

use super::path::{Path, Wanted};
use super::through::Through;
use super::walk::policies::{Unfit, check};
use crate::misuse::Misuse;

/// How many policies can be asked for.
const MAX_POLICIES: usize = 256;

/// That a chain is looked at for certificate policies (RFC 5280 §6.1.1 (c), (e) to (g); `cert_policy_opts`).
///
/// By default nobody asks, and a critical extension about policies refuses a certificate as one that is not known. With
/// this all four extensions are processed (RFC 9618). A path is refused only where an explicit policy is
/// [required](Self::require_explicit), by this or by a CA on it: then one of the policies that are asked for has to hold
/// for all of its certificates.
///
/// ```
/// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
/// use portcullis::CertificatePolicies;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policies = CertificatePolicies::of(["2.16.840.1.101.3.2.1.48.1"])?.require_explicit();
/// # let _ = policies;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePolicies {
    /// The contents of their OIDs; `None`: any will do.
    pub(super) accepted: Option<Arc<[Box<[u8]>]>>,
    pub(super) explicit: bool,
    pub(super) inhibit_mapping: bool,
    pub(super) inhibit_any: bool,
    pub(super) check: Through<Check>,
}

type Check = fn(Wanted<'_>, &Path, &CertificatePolicies) -> Result<(), Unfit>;

impl CertificatePolicies {
    /// Any policy will do.
    pub const fn any() -> Self {
        Self {
            accepted: None,
            explicit: false,
            inhibit_mapping: false,
            inhibit_any: false,
            check: Through(check),
        }
    }

    /// One of these will do, given as OIDs in dotted decimals.
    ///
    /// # Errors
    /// When there is none or more than 256, or one is no OID.
    pub fn of<'a>(policies: impl IntoIterator<Item = &'a str>) -> Result<Self, Misuse> {
        let mut accepted = Vec::new();
        for text in policies {
            let oid = contents(text).ok_or_else(|| {
                Misuse::new(format!(
                    "policies: `{}` is no OID in dotted decimals, such as 2.23.140.1.2.1",
                    text.escape_debug()
                ))
            })?;
            accepted.push(oid);
            if accepted.len() > MAX_POLICIES {
                return Err(Misuse::new(format!(
                    "policies: there are more than {MAX_POLICIES}"
                )));
            }
        }
        match accepted.is_empty() {
            true => Err(Misuse::new(
                "policies: none would be accepted; take `CertificatePolicies::any` if any will do",
            )),
            false => Ok(Self {
                accepted: Some(accepted.into()),
                ..Self::any()
            }),
        }
    }

    /// A policy has to hold for the whole path, whether a CA on it demands that or not.
    #[must_use]
    pub const fn require_explicit(mut self) -> Self {
        self.explicit = true;
        self
    }

    /// A CA cannot say that one policy is as good as another one.
    #[must_use]
    pub const fn inhibit_mapping(mut self) -> Self {
        self.inhibit_mapping = true;
        self
    }

    /// A CA cannot say that what it certifies is good for any policy.
    #[must_use]
    pub const fn inhibit_any(mut self) -> Self {
        self.inhibit_any = true;
        self
    }

    pub(super) fn accepts(&self, policy: &[u8]) -> bool {
        let accepted = self.accepted.as_deref();
        accepted.is_none_or(|accepted| accepted.iter().any(|own| **own == *policy))
    }
}

/// X.690 §8.19: the contents of an OID.
fn contents(dotted: &str) -> Option<Box<[u8]>> {
    let mut arcs = dotted.split('.').map(|arc| {
        let is_number = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| arc.parse::<u64>().ok()).flatten()
    });
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut out = Vec::new();
    put(&mut out, (first * 40).checked_add(second)?);
    for arc in arcs {
        put(&mut out, arc?);
    }
    Some(out.into())
}

/// Seven bits in each byte, the most significant first; all but the last have the eighth.
fn put(out: &mut Vec<u8>, arc: u64) {
    let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        #[allow(clippy::cast_possible_truncation, reason = "seven bits")]
        let bits = (arc >> (7 * group)) as u8 & 0x7f;
        out.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_are_read_as_they_are_written() {
        for (text, expected) in [
            ("2.5.29.32.0", &b"\x55\x1d\x20\x00"[..]),
            ("2.23.140.1.2.1", b"\x67\x81\x0c\x01\x02\x01"),
            (
                "2.16.840.1.101.3.2.1.48.1",
                b"\x60\x86\x48\x01\x65\x03\x02\x01\x30\x01",
            ),
            (
                "1.3.6.1.4.1.4294967296",
                b"\x2b\x06\x01\x04\x01\x90\x80\x80\x80\x00",
            ),
            ("2.999", b"\x88\x37"),
            ("0.0", b"\x00"),
        ] {
            assert_eq!(contents(text).as_deref(), Some(expected), "{text}");
        }
        for none in [
            "",
            "1",
            "3.1",
            "1.40",
            "1.+2",
            "1.2.",
            ".1.2",
            "1..2",
            "a.b",
            "1.99999999999999999999",
        ] {
            assert_eq!(contents(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (policies, says) in [
            (vec![], "none would be accepted"),
            (vec!["1.2.3", "x"], "`x` is no OID"),
            (vec!["1.2.3"; 257], "more than 256"),
        ] {
            let error = CertificatePolicies::of(policies).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
