//! A certificate, read in one pass and without copying.
//!
//! RFC 5280 §4.1, in DER (ITU-T X.690). This finds what stands where; what it means is read by
//! [`extension`](super::extension), [`name`](super::name) and [`time`](super::time), and whether
//! it is acceptable is decided elsewhere.

use super::time::Validity;
use crate::der::{self, BIT_STRING, INTEGER, NotDer, OCTET_STRING, OID, Reader, SEQUENCE, context};

/// The fields of a certificate (§4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certificate<'a> {
    /// What is signed: `tbsCertificate`, with its header.
    pub(crate) tbs: &'a [u8],
    /// OID and parameters of `signatureAlgorithm`.
    pub(crate) signature_algorithm: &'a [u8],
    /// The same in what is signed.
    pub(crate) signed_algorithm: &'a [u8],
    /// The contents of `signatureValue`, a BIT STRING.
    pub(crate) signature: &'a [u8],
    /// 1, 2 or 3; 0 for what is none of them.
    pub(crate) version: u8,
    /// A Name, with its header.
    pub(crate) issuer: &'a [u8],
    /// With its header.
    validity: &'a [u8],
    /// A Name, with its header.
    pub(crate) subject: &'a [u8],
    /// SubjectPublicKeyInfo, with its header.
    pub(crate) spki: &'a [u8],
    /// Whether there is an issuerUniqueID or a subjectUniqueID (§4.1.2.8).
    pub(crate) has_unique_ids: bool,
    extensions: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate of any version; `None` if it is none.
    pub(crate) fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut parts = Reader::new(der::only(certificate, SEQUENCE)?);
        let signed = parts.element(SEQUENCE)?;
        let signature_algorithm = parts.contents(SEQUENCE)?;
        let signature = parts.contents(BIT_STRING)?;
        if !parts.is_empty() {
            return None;
        }
        let mut tbs = Reader::new(signed.contents);
        let version = match tbs.optional(context(0)) {
            // §4.1.2.1: v1 is the default, and v3 is 2.
            None => 1,
            Some([INTEGER, 1, version @ 0..=2]) => version + 1,
            Some(_) => 0,
        };
        tbs.contents(INTEGER)?; // serialNumber
        let signed_algorithm = tbs.contents(SEQUENCE)?;
        let issuer = tbs.element(SEQUENCE)?.whole;
        let validity = tbs.element(SEQUENCE)?.whole;
        let subject = tbs.element(SEQUENCE)?.whole;
        let spki = tbs.element(SEQUENCE)?.whole;
        let issuer_unique_id = tbs.optional(ISSUER_UNIQUE_ID);
        let subject_unique_id = tbs.optional(SUBJECT_UNIQUE_ID);
        let extensions = match tbs.optional(context(3)) {
            Some(extensions) => der::only(extensions, SEQUENCE)?,
            None => &[],
        };
        tbs.is_empty().then_some(Self {
            tbs: signed.whole,
            signature_algorithm,
            signed_algorithm,
            signature,
            version,
            issuer,
            validity,
            subject,
            spki,
            has_unique_ids: issuer_unique_id.or(subject_unique_id).is_some(),
            extensions,
        })
    }

    /// From when to when it is valid (§4.1.2.5).
    pub(crate) fn validity(&self) -> Option<Validity> {
        Validity::read(self.validity)
    }

    /// The extensions, in their order.
    pub(crate) fn extensions(&self) -> Extensions<'a> {
        Extensions(Reader::new(self.extensions))
    }

    /// The contents of the extnValue of an extension, by the contents of its OID.
    ///
    /// §4.2: it must not be there twice; which of the two counts would be anybody's guess.
    pub(crate) fn extension(&self, oid: &[u8]) -> Result<Option<&'a [u8]>, NotDer> {
        let mut found = None;
        for extension in self.extensions() {
            let extension = extension?;
            if extension.oid == oid && found.replace(extension.value).is_some() {
                return Err(NotDer);
            }
        }
        Ok(found)
    }
}

/// `[1]`, primitive.
const ISSUER_UNIQUE_ID: u8 = 0x81;
/// `[2]`, primitive.
const SUBJECT_UNIQUE_ID: u8 = 0x82;

/// One extension (§4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    /// The contents of `extnID`.
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    /// The contents of `extnValue`.
    pub(crate) value: &'a [u8],
}

/// The extensions of a certificate; the first error is the last item.
#[derive(Clone, Debug)]
pub(crate) struct Extensions<'a>(Reader<'a>);

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, NotDer>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let extension = self.read();
        if extension.is_none() {
            self.0 = Reader::new(&[]);
        }
        Some(extension.ok_or(NotDer))
    }
}

impl<'a> Extensions<'a> {
    /// From the contents of Extensions.
    pub(super) const fn of(contents: &'a [u8]) -> Self {
        Self(Reader::new(contents))
    }

    fn read(&mut self) -> Option<Extension<'a>> {
        let mut fields = Reader::new(self.0.contents(SEQUENCE)?);
        let extension = Extension {
            oid: fields.contents(OID)?,
            critical: match fields.optional(der::BOOLEAN) {
                Some(critical) => der::boolean(critical)?,
                None => false,
            },
            value: fields.contents(OCTET_STRING)?,
        };
        fields.is_empty().then_some(extension)
    }
}
