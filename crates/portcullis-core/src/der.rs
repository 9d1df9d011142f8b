//! Just enough DER to find the fields of a certificate or key without copying them.
//!
//! ITU-T X.690; RFC 5280 §4.1 for the certificate. What is found here is validated elsewhere:
//! certificates of a peer by webpki, keys by the crypto library.

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;
/// `[n]`, constructed.
pub(crate) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// One element: its tag, its contents, and both with the header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after the other; every method answers `None` for what is not DER.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element, whatever it is. Lengths need at most three bytes: 16 MiB.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, after_tag) = self.rest.split_first()?;
        // X.690 §8.1.2.4: a tag number of 31 or more, which no certificate has.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, after_first) = after_tag.split_first()?;
        let (len, body) = match first {
            0..=0x7f => (usize::from(first), after_first),
            0x81..=0x83 => {
                let (bytes, body) = after_first.split_at_checked(usize::from(first & 0x7f))?;
                let len = bytes
                    .iter()
                    .fold(0_usize, |len, &byte| (len << 8) | usize::from(byte));
                // X.690 §10.1: the shortest form only.
                let shortest = len >= 0x80 && bytes.first() != Some(&0);
                (shortest.then_some(len)?, body)
            }
            _ => return None,
        };
        let (contents, rest) = body.split_at_checked(len)?;
        let (whole, _) = self
            .rest
            .split_at_checked(self.rest.len().checked_sub(rest.len())?)?;
        self.rest = rest;
        Some(Element {
            tag,
            contents,
            whole,
        })
    }

    /// The next element, which has to have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The contents of the next element, which has to have this tag.
    pub(crate) fn contents(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.contents)
    }

    /// The contents of the next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest.first() == Some(&tag) {
            self.contents(tag)
        } else {
            None
        }
    }
}

/// The algorithm (OID and parameters) and the key of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
pub(crate) fn public_key_info(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut spki = Reader::new(Reader::new(spki).contents(SEQUENCE)?);
    let algorithm = spki.contents(SEQUENCE)?;
    match spki.contents(BIT_STRING)?.split_first()? {
        (0, key) => Some((algorithm, key)),
        _ => None,
    }
}

/// The fields of a certificate that this library looks at itself (RFC 5280 §4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct CertificateFields<'a> {
    /// What is signed: `tbsCertificate`, with its header.
    pub(crate) tbs: &'a [u8],
    /// OID and parameters of `signatureAlgorithm`.
    pub(crate) signature_algorithm: &'a [u8],
    /// The contents of `signatureValue`, a BIT STRING.
    pub(crate) signature: &'a [u8],
    /// 1, 2 or 3; 0 for what is none of them.
    pub(crate) version: u8,
    /// A Name, with its header.
    pub(crate) issuer: &'a [u8],
    /// With its header.
    pub(crate) validity: &'a [u8],
    /// A Name, with its header.
    pub(crate) subject: &'a [u8],
    /// SubjectPublicKeyInfo, with its header.
    pub(crate) spki: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> CertificateFields<'a> {
    /// Walks over a certificate of any version.
    pub(crate) fn find(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(certificate);
        let mut parts = Reader::new(outer.contents(SEQUENCE)?);
        let signed = parts.element(SEQUENCE)?;
        let mut tbs = Reader::new(signed.contents);
        let signature_algorithm = parts.contents(SEQUENCE)?;
        let signature = parts.contents(BIT_STRING)?;
        if !outer.is_empty() || !parts.is_empty() {
            return None;
        }
        let version = match tbs.optional(context(0)) {
            // §4.1.2.1: v1 is the default, and v3 is 2.
            None => 1,
            Some([INTEGER, 1, version @ 0..=2]) => version + 1,
            Some(_) => 0,
        };
        tbs.contents(INTEGER)?; // serialNumber
        tbs.contents(SEQUENCE)?; // signature
        let issuer = tbs.element(SEQUENCE)?.whole;
        let validity = tbs.element(SEQUENCE)?.whole;
        let subject = tbs.element(SEQUENCE)?.whole;
        let spki = tbs.element(SEQUENCE)?.whole;
        let mut extensions: &[u8] = &[];
        while !tbs.is_empty() {
            // issuerUniqueID and subjectUniqueID may come before.
            let element = tbs.any()?;
            if element.tag == context(3) {
                extensions = Reader::new(element.contents).contents(SEQUENCE)?;
            }
        }
        Some(Self {
            tbs: signed.whole,
            signature_algorithm,
            signature,
            version,
            issuer,
            validity,
            subject,
            spki,
            extensions,
        })
    }

    /// The extensions, in their order.
    pub(crate) fn extensions(&self) -> Extensions<'a> {
        Extensions(Reader::new(self.extensions))
    }

    /// The extnValue of an extension by its encoded OID; `Err` when the list is not DER.
    pub(crate) fn extension(&self, oid: &[u8]) -> Result<Option<&'a [u8]>, NotDer> {
        for extension in self.extensions() {
            let extension = extension?;
            if extension.oid == oid {
                return Ok(Some(extension.value));
            }
        }
        Ok(None)
    }
}

/// One extension (RFC 5280 §4.2).
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
    fn read(&mut self) -> Option<Extension<'a>> {
        let mut fields = Reader::new(self.0.contents(SEQUENCE)?);
        Some(Extension {
            oid: fields.contents(OID)?,
            critical: fields.optional(BOOLEAN).is_some_and(|value| value != [0]),
            value: fields.contents(OCTET_STRING)?,
        })
    }
}

/// The bytes are not DER.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_their_lengths() {
        let mut long = vec![OCTET_STRING, 0x81, 0x80];
        long.extend([7; 0x80]);
        long.push(0);
        let mut reader = Reader::new(&long);
        let element = reader.any().unwrap();
        assert_eq!(element.contents, [7; 0x80]);
        assert_eq!(element.whole.len(), 0x83);
        assert!(!reader.is_empty());

        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0x80],          // indefinite
            &[0x30, 0x81, 0x01, 0], // not the shortest form
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x1f, 0x01, 0],
        ] {
            assert!(Reader::new(bad).any().is_none(), "{bad:02x?}");
        }
    }
}
