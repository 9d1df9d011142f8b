//! What a server wants to find in a client's certificate.
//!
//! RFC 8446 §4.2.5.

use super::certificate::Certificate;
use crate::der::{self, BIT_STRING, OID, Reader, SEQUENCE};
use crate::misuse::Misuse;
use crate::violation::Violation;

/// The contents of the identifiers that this build knows: RFC 5280 §4.2.1.3, §4.2.1.12.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const ANY_EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0];

/// An extension that a client's certificate is to have, and the values in it (RFC 8446 §4.2.5), for
/// [`oid_filters`](crate::config::ServerConfigBuilder::oid_filters).
///
/// RFC 8446 says how two extensions are compared: of keyUsage every bit, and of extKeyUsage every purpose has to be
/// in the certificate. Of others a server can only ask that they are there, without values. A client passes by those that it
/// does not know, and is refused if its certificate has them not.
///
/// ```
/// # use portcullis_core as portcullis;
/// use portcullis::x509::CertificateFilter;
///
/// # fn main() -> Result<(), portcullis::Misuse> {
/// // extKeyUsage (2.5.29.37) with clientAuth (1.3.6.1.5.5.7.3.2), in DER.
/// let filter = CertificateFilter::new(
///     &[6, 3, 0x55, 0x1d, 0x25],
///     &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2],
/// )?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFilter {
    /// With its header.
    oid: Box<[u8]>,
    values: Box<[u8]>,
}

impl CertificateFilter {
    /// A filter of the extension with this object identifier, and of the values that it must have: both in DER as they
    /// stand in a certificate, the identifier with its header, the values as the contents of `extnValue`. Without
    /// values the extension has to be there.
    ///
    /// # Errors
    /// When the identifier is none; when the values of keyUsage or extKeyUsage are none, or have
    /// anyExtendedKeyUsage, which is not allowed here; when they have more than 16,384 bytes.
    pub fn new(oid: &[u8], values: &[u8]) -> Result<Self, Misuse> {
        let is_oid = der::only(oid, OID).is_some_and(|contents| !contents.is_empty());
        if !is_oid || oid.len() > 255 || values.len() > 16_384 {
            return Err(Misuse::new(
                "oid_filters: a filter is an object identifier of at most 255 bytes in DER, which begin with 6, and at \
                 most 16,384 bytes of values",
            ));
        }
        Self::read(oid, values).map_err(|_| {
            Misuse::new(
                "oid_filters: the values of keyUsage are a BIT STRING, and those of extKeyUsage a SEQUENCE of purposes, \
                 of which anyExtendedKeyUsage may be none (RFC 8446 §4.2.5)",
            )
        })
    }

    /// The same from a peer.
    pub(crate) fn read(oid: &[u8], values: &[u8]) -> Result<Self, Violation> {
        let is_right = values.is_empty()
            || match der::only(oid, OID) {
                Some(KEY_USAGE) => bits(values).is_some(),
                Some(EXT_KEY_USAGE) => {
                    purposes(values).is_some_and(|all| !all.contains(&ANY_EXT_KEY_USAGE))
                }
                _ => true,
            };
        match is_right {
            true => Ok(Self {
                oid: oid.into(),
                values: values.into(),
            }),
            false => Err(Violation::BadOidFilter),
        }
    }

    pub(crate) fn oid(&self) -> &[u8] {
        &self.oid
    }

    pub(crate) fn values(&self) -> &[u8] {
        &self.values
    }

    /// Whether it is known what the values mean.
    fn is_known(&self) -> bool {
        let oid = der::only(&self.oid, OID);
        oid.is_some_and(|oid| [KEY_USAGE, EXT_KEY_USAGE].contains(&oid))
    }

    /// Whether a server can look whether it is met.
    pub(crate) fn is_comparable(&self) -> bool {
        self.values.is_empty() || self.is_known()
    }

    /// Whether a client may show the certificate: what it does not know it has to pass by.
    pub(crate) fn admits(&self, certificate: &[u8]) -> bool {
        !self.is_known() || self.is_met(certificate)
    }

    /// Whether the certificate has it: the server has asked for it, and passes nothing by.
    pub(crate) fn is_met(&self, certificate: &[u8]) -> bool {
        let oid = der::only(&self.oid, OID).unwrap_or_default();
        let certificate = Certificate::read(certificate);
        let found = certificate.and_then(|one| one.extension(oid).ok().flatten());
        let Some(found) = found else {
            return false;
        };
        if self.values.is_empty() {
            return true;
        }
        match oid {
            KEY_USAGE => bits(&self.values)
                .zip(bits(found))
                .is_some_and(|(wanted, has)| {
                    let mut has = has.iter().copied().chain(core::iter::repeat(0));
                    let mut both = wanted.iter().map(|bits| (bits, has.next().unwrap_or(0)));
                    both.all(|(wanted, has)| wanted & !has == 0)
                }),
            EXT_KEY_USAGE => purposes(&self.values)
                .zip(purposes(found))
                .is_some_and(|(wanted, has)| wanted.iter().all(|one| has.contains(one))),
            _ => false,
        }
    }
}

/// The bits of a BIT STRING; those that are not used are 0 in DER.
fn bits(value: &[u8]) -> Option<&[u8]> {
    let (unused, bits) = der::only(value, BIT_STRING)?.split_first()?;
    (*unused < 8).then_some(bits)
}

fn purposes(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = Reader::new(der::only(value, SEQUENCE)?);
    let mut purposes = Vec::new();
    while !reader.is_empty() {
        purposes.push(reader.contents(OID)?);
    }
    (!purposes.is_empty()).then_some(purposes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID_OF_KEY_USAGE: [u8; 5] = [6, 3, 0x55, 0x1d, 0x0f];
    const OID_OF_EXT_KEY_USAGE: [u8; 5] = [6, 3, 0x55, 0x1d, 0x25];
    const CLIENT_AUTH: [u8; 12] = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2];
    const CODE_SIGNING: [u8; 12] = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3];

    fn certificate(usages: Vec<rcgen::KeyUsagePurpose>) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
        params.key_usages = usages;
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn filter(oid: &[u8], values: &[u8]) -> CertificateFilter {
        CertificateFilter::new(oid, values).unwrap()
    }

    #[test]
    fn every_bit_and_every_purpose_has_to_be_there() {
        use rcgen::KeyUsagePurpose as Usage;
        let certificate = certificate(vec![Usage::DigitalSignature, Usage::KeyAgreement]);
        // digitalSignature is the first bit, keyEncipherment the third, keyAgreement the fifth.
        for (bits, is_met) in [(0x80, true), (0x88, true), (0x20, false), (0xa0, false)] {
            let filter = filter(&OID_OF_KEY_USAGE, &[3, 2, 3, bits]);
            assert_eq!(filter.is_met(&certificate), is_met, "{bits:#x}");
        }
        // decipherOnly, in a second byte that the certificate has not.
        assert!(!filter(&OID_OF_KEY_USAGE, &[3, 3, 7, 0x80, 0x80]).is_met(&certificate));
        assert!(filter(&OID_OF_EXT_KEY_USAGE, &CLIENT_AUTH).is_met(&certificate));
        assert!(!filter(&OID_OF_EXT_KEY_USAGE, &CODE_SIGNING).is_met(&certificate));
        assert!(filter(&OID_OF_EXT_KEY_USAGE, &[]).is_met(&certificate));
        // subjectAltName is there, certificatePolicies are not: a client passes both by, a server does not.
        for (last, is_met) in [(0x11, true), (0x20, false)] {
            let filter = filter(&[6, 3, 0x55, 0x1d, last], &[]);
            assert!(filter.admits(&certificate) && filter.is_comparable());
            assert_eq!(filter.is_met(&certificate), is_met, "{last:#x}");
        }
        let unknown = filter(&[6, 3, 0x55, 0x1d, 0x11], &[0x30, 0]);
        assert!(unknown.admits(&certificate) && !unknown.is_met(&certificate));
        assert!(!unknown.is_comparable());
        // What is no certificate has nothing.
        assert!(!filter(&OID_OF_EXT_KEY_USAGE, &CODE_SIGNING).admits(&certificate));
        assert!(!filter(&OID_OF_EXT_KEY_USAGE, &[]).is_met(b"none"));
    }

    #[test]
    fn a_certificate_without_the_extension_does_not_have_it() {
        let without = certificate(Vec::new());
        assert!(!filter(&OID_OF_KEY_USAGE, &[]).is_met(&without));
        assert!(!filter(&OID_OF_KEY_USAGE, &[3, 2, 7, 0x80]).is_met(&without));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let any = [0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0];
        for (oid, values) in [
            (&b""[..], &b""[..]),
            (&[5, 3, 0x55, 0x1d, 0x0f], &[]),
            (&OID_OF_KEY_USAGE, &[0x30, 0]),
            (&OID_OF_KEY_USAGE, &[3, 0]),
            (&OID_OF_EXT_KEY_USAGE, &[0x30, 0]),
            (&OID_OF_EXT_KEY_USAGE, &any),
        ] {
            CertificateFilter::new(oid, values).unwrap_err();
        }
        let read = CertificateFilter::read(&OID_OF_EXT_KEY_USAGE, &any);
        assert_eq!(read, Err(Violation::BadOidFilter));
    }
}
