//! What a list is about: where it is found, for which certificates it is, and for which reasons.
//!
//! RFC 5280 §4.2.1.13, §5.2.5, §5.3.1.

use core::fmt;

use super::is_same_name;
use crate::der::{self, Element, Reader};
use crate::x509::certificate::Certificate;
use crate::x509::extension::alt_name::{DIRECTORY_NAME, URI};

/// 2.5.29.31, 2.5.29.46
const CRL_DISTRIBUTION_POINTS: &[u8] = b"\x55\x1d\x1f";
pub(super) const FRESHEST_CRL: &[u8] = b"\x55\x1d\x2e";

/// More points of one certificate are not looked at.
pub(super) const MAX_POINTS: usize = 16;

/// More names of a point, or of what a list is for, are not looked at: they are compared each with each.
const MAX_NAMES: usize = 64;

/// A set of reasons (§4.2.1.13): those that a list knows of, or that a point has lists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reasons(u16);

impl Reasons {
    pub(super) const NONE: Self = Self(0);
    /// keyCompromise to aACompromise; bit 0 is unused.
    pub(super) const ALL: Self = Self(0x1fe);

    /// From the contents of a BIT STRING.
    fn read(contents: &[u8]) -> Option<Self> {
        let bytes = der::bits(contents)?;
        let bit = |at: usize| {
            let byte = bytes.get(at / 8).copied().unwrap_or_default();
            u16::from(byte >> (7 - at % 8) & 1) << at
        };
        Some(Self((1..=8).map(bit).sum()))
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Why a certificate was revoked (§5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationReason {
    /// None was given.
    Unspecified,
    /// Somebody else has the key.
    KeyCompromise,
    /// Somebody else has the key of the CA.
    CaCompromise,
    /// What it says of its subject is no longer true.
    AffiliationChanged,
    /// There is another certificate in its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// For the time being.
    CertificateHold,
    /// In a delta list: it is no longer revoked.
    RemoveFromCrl,
    /// Its subject may no longer do what it says.
    PrivilegeWithdrawn,
    /// Somebody else has the key of the attribute authority.
    AaCompromise,
    /// A number that the RFC does not have.
    Other(u8),
}

impl RevocationReason {
    pub(in crate::x509) const fn of(code: u8) -> Self {
        match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            8 => Self::RemoveFromCrl,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

/// DistributionPointName.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointName<'a> {
    /// `fullName`: the contents of GeneralNames.
    Full(&'a [u8]),
    /// `nameRelativeToCRLIssuer`: the contents of a RelativeDistinguishedName.
    Relative(&'a [u8]),
}

impl<'a> PointName<'a> {
    /// From the contents of `[0]`, which is explicit because this is a CHOICE.
    fn read(contents: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(contents);
        let name = reader.any()?;
        let name = match name.tag {
            FULL_NAME => Self::Full(well_formed(name.contents)?),
            RELATIVE_NAME => Self::Relative(name.contents),
            _ => return None,
        };
        reader.is_empty().then_some(name)
    }

    /// Each as a GeneralName: its tag and contents. A relative name is completed by `issuer`, a Name with its
    /// header.
    fn names(self, issuer: &[u8]) -> Vec<(u8, Vec<u8>)> {
        match self {
            Self::Full(names) => general_names(names)
                .take(MAX_NAMES)
                .map(|name| (name.tag, name.contents.to_vec()))
                .collect(),
            Self::Relative(name) => {
                let issuer = der::only(issuer, der::SEQUENCE).unwrap_or_default();
                let name = [issuer, &der::set(name)].concat();
                vec![(DIRECTORY_NAME, der::sequence(&name))]
            }
        }
    }
}

const FULL_NAME: u8 = der::context(0);
const RELATIVE_NAME: u8 = der::context(1);

/// GeneralNames that can be read to their end.
fn well_formed(names: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(names);
    while !reader.is_empty() {
        reader.any()?;
    }
    Some(names)
}

pub(super) fn general_names(names: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut reader = Reader::new(names);
    core::iter::from_fn(move || reader.any())
}

/// The Names, with their headers, among GeneralNames.
pub(super) fn directory_names(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    general_names(names)
        .filter(|name| name.tag == DIRECTORY_NAME)
        .map(|name| name.contents)
}

fn is_same_general_name(one: (u8, &[u8]), other: (u8, &[u8])) -> bool {
    match (one.0, other.0) {
        (DIRECTORY_NAME, DIRECTORY_NAME) => is_same_name(one.1, other.1),
        // Byte by byte, URIs too: whatever is less exact is a name of another place.
        _ => one == other,
    }
}

/// Where lists about a certificate are (§4.2.1.13).
#[derive(Clone, Copy, Debug)]
pub(super) struct DistributionPoint<'a> {
    pub(super) name: Option<PointName<'a>>,
    pub(super) reasons: Reasons,
    /// Who signs the lists, if that is not the issuer of the certificate: the contents of GeneralNames.
    pub(super) crl_issuer: Option<&'a [u8]>,
}

impl<'a> DistributionPoint<'a> {
    /// Those of a certificate; none without the extension; `None` if it cannot be read.
    pub(super) fn of(certificate: &Certificate<'a>) -> Option<Vec<Self>> {
        match certificate.extension(CRL_DISTRIBUTION_POINTS).ok()? {
            Some(value) => Self::read_all(value),
            None => Some(Vec::new()),
        }
    }

    /// Those where delta lists are (§4.2.1.15).
    pub(super) fn of_freshest(certificate: &Certificate<'a>) -> Option<Vec<Self>> {
        match certificate.extension(FRESHEST_CRL).ok()? {
            Some(value) => Self::read_all(value),
            None => Some(Vec::new()),
        }
    }

    /// §6.3.3: "assume a DP with both the reasons and the cRLIssuer fields omitted and a distribution point name of
    /// the certificate issuer". The name is `GeneralNames` with that one.
    pub(super) const fn made_up(names: &'a [u8]) -> Self {
        Self {
            name: Some(PointName::Full(names)),
            reasons: Reasons::ALL,
            crl_issuer: None,
        }
    }

    pub(super) fn read_all(value: &'a [u8]) -> Option<Vec<Self>> {
        let mut points = Reader::new(der::only(value, der::SEQUENCE)?);
        let mut all = Vec::new();
        while !points.is_empty() {
            let point = Self::read(points.contents(der::SEQUENCE)?)?;
            if all.len() < MAX_POINTS {
                all.push(point);
            }
        }
        Some(all)
    }

    fn read(contents: &'a [u8]) -> Option<Self> {
        const REASONS: u8 = 0x81;
        let mut fields = Reader::new(contents);
        let name = match fields.optional(der::context(0)) {
            Some(name) => Some(PointName::read(name)?),
            None => None,
        };
        let reasons = match fields.optional(REASONS) {
            Some(reasons) => Reasons::read(reasons)?,
            None => Reasons::ALL,
        };
        let crl_issuer = match fields.optional(der::context(2)) {
            Some(names) => Some(well_formed(names)?),
            None => None,
        };
        fields.is_empty().then_some(Self {
            name,
            reasons,
            crl_issuer,
        })
    }

    /// The URIs of the point, which are ASCII.
    pub(super) fn uris(&self) -> Vec<String> {
        let Some(PointName::Full(names)) = self.name else {
            return Vec::new();
        };
        general_names(names)
            .filter(|name| name.tag == URI)
            .filter_map(|name| String::from_utf8(name.contents.to_vec()).ok())
            .collect()
    }
}

/// What a list is for (§5.2.5); without the extension it is for all certificates of its issuer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) name: Option<PointName<'a>>,
    only_user: bool,
    only_ca: bool,
    only_attribute: bool,
    pub(super) reasons: Reasons,
    pub(super) is_indirect: bool,
}

impl<'a> Scope<'a> {
    pub(super) const WHOLE: Self = Self {
        name: None,
        only_user: false,
        only_ca: false,
        only_attribute: false,
        reasons: Reasons::ALL,
        is_indirect: false,
    };

    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(der::only(value, der::SEQUENCE)?);
        let name = match fields.optional(der::context(0)) {
            Some(name) => Some(PointName::read(name)?),
            None => None,
        };
        let only_user = flag(&mut fields, 0x81)?;
        let only_ca = flag(&mut fields, 0x82)?;
        let reasons = match fields.optional(0x83) {
            Some(reasons) => Reasons::read(reasons)?,
            None => Reasons::ALL,
        };
        let is_indirect = flag(&mut fields, 0x84)?;
        let only_attribute = flag(&mut fields, 0x85)?;
        // "at most one of [these] may be set to TRUE".
        let limits = [only_user, only_ca, only_attribute];
        let is_one = limits.iter().filter(|limit| **limit).count() <= 1;
        (fields.is_empty() && is_one).then_some(Self {
            name,
            only_user,
            only_ca,
            only_attribute,
            reasons,
            is_indirect,
        })
    }

    /// §6.3.3 (b) (2) (ii) to (iv).
    pub(super) const fn has(&self, is_ca: bool) -> bool {
        !(self.only_attribute || self.only_user && is_ca || self.only_ca && !is_ca)
    }

    /// §6.3.3 (b) (2) (i): whether lists of `crl_issuer` with this scope are at that point of a certificate of
    /// `issuer`; both are Names with their headers.
    pub(super) fn is_at(
        &self,
        point: &DistributionPoint<'_>,
        crl_issuer: &[u8],
        issuer: &[u8],
    ) -> bool {
        let Some(name) = self.name else {
            return true;
        };
        let own = name.names(crl_issuer);
        // §4.2.1.13: relative to cRLIssuer if there is one, which then has one name.
        let of_point = point
            .crl_issuer
            .and_then(|names| directory_names(names).next());
        let theirs = match (point.name, point.crl_issuer) {
            (Some(name), _) => name.names(of_point.unwrap_or(issuer)),
            (None, Some(names)) => PointName::Full(names).names(issuer),
            (None, None) => return false,
        };
        own.iter().any(|one| {
            let mut others = theirs.iter();
            others.any(|other| is_same_general_name((one.0, &one.1), (other.0, &other.1)))
        })
    }
}

fn flag(fields: &mut Reader<'_>, tag: u8) -> Option<bool> {
    match fields.optional(tag) {
        Some(value) => der::boolean(value),
        None => Some(false),
    }
}
