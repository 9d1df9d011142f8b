//! What is in a file of PKCS#12.
//!
//! RFC 7292. Its parts that are encrypted are opened by what opens encrypted keys, with its bounds.

use std::borrow::Cow;
use std::iter;

use portcullis::CertificateDer;
use portcullis::pki_types::PrivateKeyDer;
use portcullis::x509::open_encrypted;
use zeroize::Zeroizing;

use super::ber::to_der;
use super::der::{
    BMP_STRING, CONTEXT_0, Elements, INTEGER, OCTET_STRING, OID, PLAIN_CONTEXT_0, SEQUENCE, SET,
    element, sequence,
};
use super::{mac, oids};

/// How many parts and keys may be encrypted: each takes time to open. Two are usual.
const MOST_ENCRYPTED: usize = 16;
/// As many certificates are looked through for each.
const MOST_KEYS: usize = 64;

/// What can be used of it. Keys are wiped when it goes.
#[derive(Default)]
pub(super) struct Contents {
    /// In their order.
    pub(super) certificates: Vec<Certificate>,
    /// PKCS#8.
    pub(super) keys: Vec<Key>,
    /// Bags with other things in them.
    pub(super) others: usize,
    /// Whether there is a MAC: without one anybody may have made the file.
    pub(super) has_mac: bool,
    encrypted: usize,
}

pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    /// That of its key.
    pub(super) id: Option<Vec<u8>>,
}

pub(super) struct Key {
    pub(super) der: Zeroizing<Vec<u8>>,
    /// What its owner calls it.
    pub(super) name: Option<String>,
    /// That of its certificate.
    pub(super) id: Option<Vec<u8>>,
}

impl Key {
    pub(super) fn as_der(&self) -> Option<PrivateKeyDer<'_>> {
        PrivateKeyDer::try_from(self.der.as_slice()).ok()
    }
}

/// Why a file is not read, as a sentence in which nothing of the file or the password is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) sentence: String,
    /// Whether another password may open it.
    pub(super) is_of_password: bool,
}

impl<T: Into<String>> From<T> for Fault {
    fn from(sentence: T) -> Self {
        Self {
            sentence: sentence.into(),
            is_of_password: false,
        }
    }
}

impl Fault {
    fn password(thing: &str) -> Self {
        Self {
            sentence: format!(
                "the password does not open {thing}: it is the wrong one, or the file is damaged"
            ),
            is_of_password: true,
        }
    }
}

const DAMAGED: &str = "it is damaged, or no file of PKCS#12 (RFC 7292 §4)";

/// Opens a file.
pub(super) fn read(file: &[u8], password: &[u8]) -> Result<Contents, Fault> {
    if file.starts_with(b"-----BEGIN ") {
        return Err("it is PEM, and no file of PKCS#12".into());
    }
    // The format asks for BER. A MAC is of what is in a string, which stays as it is.
    let (file, behind) = to_der(file).ok_or(DAMAGED)?;
    let (safe, mac) = outer(&file).filter(|_| behind.is_empty()).ok_or(DAMAGED)?;
    let mut contents = Contents::default();
    if let Some(mac) = mac {
        let mut fits = false;
        for password in forms(password) {
            fits = fits || mac::verify(mac, password, safe)?;
        }
        if !fits {
            return Err(Fault::password("it"));
        }
        contents.has_mac = true;
    }
    let (safe, _) = to_der(safe).ok_or(DAMAGED)?;
    let mut safe = Elements(&safe).within(SEQUENCE).ok_or(DAMAGED)?;
    while !safe.is_empty() {
        let mut part = safe.within(SEQUENCE).ok_or(DAMAGED)?;
        let kind = part.contents(OID).ok_or(DAMAGED)?;
        let mut part = part.within(CONTEXT_0).ok_or(DAMAGED)?;
        match kind {
            oids::DATA => {
                let bags = part.contents(OCTET_STRING).ok_or(DAMAGED)?;
                contents.bags(bags, password)?;
            }
            oids::ENCRYPTED_DATA => {
                let encrypted = encrypted_data(part).ok_or(DAMAGED)?;
                let bags = contents.open(&encrypted, password, "list of certificates")?;
                contents.bags(&bags, password)?;
            }
            _ => {
                return Err("a part of it is encrypted with a certificate instead of a password, which is not supported"
                    .into());
            }
        }
    }
    Ok(contents)
}

/// What an empty password may have been for whoever made the file: one without characters, which has a zero at its end
/// (§B.1), or none. Programs do not agree.
fn forms(password: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let none = password.is_empty().then_some(None);
    iter::once(Some(password)).chain(none)
}

/// §4: what is authentic, and its MAC.
fn outer(file: &[u8]) -> Option<(&[u8], Option<Elements<'_>>)> {
    let mut outer = Elements(file);
    let mut fields = outer.within(SEQUENCE)?;
    let is_version_3 = fields.contents(INTEGER)? == [3];
    let mut safe = fields.within(SEQUENCE)?;
    let is_data = safe.contents(OID)? == oids::DATA;
    let safe = safe.within(CONTEXT_0)?.contents(OCTET_STRING)?;
    let mac = match fields.is_empty() {
        true => None,
        false => Some(fields.within(SEQUENCE)?),
    };
    let is_right = is_version_3 && is_data && fields.is_empty();
    is_right.then_some((safe, mac))
}

/// RFC 5652 §8, in the form of an encrypted key: how it is encrypted, and what.
fn encrypted_data(mut part: Elements<'_>) -> Option<Vec<u8>> {
    let mut fields = part.within(SEQUENCE)?;
    fields.contents(INTEGER)?;
    let mut info = fields.within(SEQUENCE)?;
    let is_data = info.contents(OID)? == oids::DATA;
    let algorithm = info.whole(SEQUENCE)?;
    let data = match info.within(CONTEXT_0) {
        // In pieces: what says that it is a string is not there.
        Some(mut pieces) => {
            let mut data = Vec::new();
            while !pieces.is_empty() {
                data.extend_from_slice(pieces.contents(OCTET_STRING)?);
            }
            Cow::Owned(data)
        }
        None => Cow::Borrowed(info.contents(PLAIN_CONTEXT_0)?),
    };
    let as_key = sequence(&[algorithm, &element(OCTET_STRING, &[&data])]);
    is_data.then_some(as_key)
}

impl Contents {
    fn open(
        &mut self,
        encrypted: &[u8],
        password: &[u8],
        thing: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.encrypted += 1;
        if self.encrypted > MOST_ENCRYPTED {
            return Err(format!("more than {MOST_ENCRYPTED} parts of it are encrypted").into());
        }
        let instead = "make the file anew with `openssl pkcs12`";
        for password in forms(password) {
            let opened = open_encrypted(encrypted, password, (thing, instead));
            if let Some(opened) = opened.map_err(|error| error.to_string())? {
                return Ok(opened);
            }
        }
        Err(Fault::password(&format!("the {thing}")))
    }

    fn add_key(&mut self, der: Zeroizing<Vec<u8>>, attributes: Attributes) -> Result<(), Fault> {
        if self.keys.len() == MOST_KEYS {
            return Err(format!("more than {MOST_KEYS} private keys are in it").into());
        }
        let Attributes { name, id } = attributes;
        self.keys.push(Key { der, name, id });
        Ok(())
    }

    /// §4.2: SafeContents.
    fn bags(&mut self, bags: &[u8], password: &[u8]) -> Result<(), Fault> {
        let (bags, _) = to_der(bags).ok_or(DAMAGED)?;
        let mut bags = Elements(&bags).within(SEQUENCE).ok_or(DAMAGED)?;
        while !bags.is_empty() {
            let mut bag = bags.within(SEQUENCE).ok_or(DAMAGED)?;
            let kind = bag.contents(OID).ok_or(DAMAGED)?;
            let mut value = bag.within(CONTEXT_0).ok_or(DAMAGED)?;
            match kind.strip_prefix(oids::BAGS) {
                Some(&[oids::KEY_BAG]) => {
                    let der = Zeroizing::new(value.whole(SEQUENCE).ok_or(DAMAGED)?.to_vec());
                    self.add_key(der, Attributes::read(bag))?;
                }
                Some(&[oids::ENCRYPTED_KEY_BAG]) => {
                    let encrypted = value.whole(SEQUENCE).ok_or(DAMAGED)?;
                    let der = self.open(encrypted, password, "private key")?;
                    self.add_key(der, Attributes::read(bag))?;
                }
                Some(&[oids::CERTIFICATE_BAG]) => {
                    let mut certificate = value.within(SEQUENCE).ok_or(DAMAGED)?;
                    let kind = certificate.contents(OID).ok_or(DAMAGED)?;
                    let mut value = certificate.within(CONTEXT_0).ok_or(DAMAGED)?;
                    match kind == oids::X509_CERTIFICATE {
                        true => {
                            let der = value.contents(OCTET_STRING).ok_or(DAMAGED)?;
                            let der = der.to_vec().into();
                            let id = Attributes::read(bag).id;
                            self.certificates.push(Certificate { der, id });
                        }
                        false => self.others += 1,
                    }
                }
                _ => self.others += 1,
            }
        }
        Ok(())
    }
}

/// What is said of a bag besides.
#[derive(Default)]
struct Attributes {
    /// RFC 2985 §5.5.1
    name: Option<String>,
    /// RFC 2985 §5.5.2: a key and its certificate have the same.
    id: Option<Vec<u8>>,
}

impl Attributes {
    /// Those behind a bag's value, as far as they can be read: nothing depends on them alone.
    fn read(mut bag: Elements<'_>) -> Self {
        let mut read = Self::default();
        let mut attributes = bag.within(SET).unwrap_or(Elements(&[]));
        while let Some(mut attribute) = attributes.within(SEQUENCE) {
            let kind = attribute.contents(OID);
            let Some(mut value) = attribute.within(SET) else {
                continue;
            };
            match kind {
                Some(oids::FRIENDLY_NAME) => read.name = value.contents(BMP_STRING).and_then(text),
                Some(oids::LOCAL_KEY_ID) => {
                    read.id = value.contents(OCTET_STRING).map(<[u8]>::to_vec);
                }
                _ => {}
            }
        }
        read
    }
}

fn text(bmp_string: &[u8]) -> Option<String> {
    let (units, _) = bmp_string.as_chunks();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::super::der::number;
    use super::*;

    fn content(kind: &[u8], value: &[u8]) -> Vec<u8> {
        sequence(&[&element(OID, &[kind]), &element(CONTEXT_0, &[value])])
    }

    fn bag(kind: u8, value: &[u8]) -> Vec<u8> {
        let kind = element(OID, &[oids::BAGS, &[kind]]);
        let name = element(BMP_STRING, &[&[0, b'n']]);
        let name = [element(OID, &[oids::FRIENDLY_NAME]), element(SET, &[&name])].concat();
        let attributes = element(SET, &[&sequence(&[&name])]);
        sequence(&[&kind, &element(CONTEXT_0, &[value]), &attributes])
    }

    /// Without a MAC, with these bags in the clear.
    fn file(bags: &[u8]) -> Vec<u8> {
        let bags = element(OCTET_STRING, &[&sequence(&[bags])]);
        let safe = element(OCTET_STRING, &[&sequence(&[&content(oids::DATA, &bags)])]);
        sequence(&[&number(3), &content(oids::DATA, &safe)])
    }

    #[test]
    fn what_is_damaged_is_no_more_than_refused() {
        let der = element(CONTEXT_0, &[&element(OCTET_STRING, &[b"a certificate"])]);
        let certificate = sequence(&[&element(OID, &[oids::X509_CERTIFICATE]), &der]);
        let key = sequence(&[&number(0)]);
        let bags = [
            bag(oids::CERTIFICATE_BAG, &certificate),
            bag(oids::KEY_BAG, &key),
            bag(4, &[]),
        ];
        let whole = file(&bags.concat());
        let read_whole = read(&whole, b"").unwrap();
        assert_eq!(read_whole.certificates.len(), 1);
        assert_eq!(&*read_whole.certificates[0].der, b"a certificate");
        assert_eq!(*read_whole.keys[0].der, key);
        assert_eq!(read_whole.keys[0].name.as_deref(), Some("n"));
        assert_eq!((read_whole.others, read_whole.has_mac), (1, false));
        for end in 0..whole.len() {
            assert!(read(&whole[..end], b"").is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut other = whole.clone();
                other[at] ^= 1 << bit;
                // Some is only called otherwise.
                let _ = read(&other, b"");
            }
        }
    }

    /// Each may take seconds.
    #[test]
    fn few_parts_are_opened() {
        let many = bag(oids::ENCRYPTED_KEY_BAG, &sequence(&[])).repeat(2);
        let error = read(&file(&many), b"").err().unwrap();
        assert!(
            error
                .sentence
                .contains("the encrypted private key is damaged"),
            "{error:?}"
        );
        let mut contents = Contents::default();
        for _ in 0..MOST_ENCRYPTED {
            let opened = contents.open(&[], b"", "private key");
            assert!(opened.unwrap_err().sentence.contains("is damaged"));
        }
        let error = contents.open(&[], b"", "private key").unwrap_err();
        assert!(error.sentence.contains("more than 16"), "{error:?}");
        let many = bag(oids::KEY_BAG, &sequence(&[])).repeat(MOST_KEYS);
        assert!(read(&file(&many), b"").is_ok());
        let many = bag(oids::KEY_BAG, &sequence(&[])).repeat(MOST_KEYS + 1);
        let error = read(&file(&many), b"").err().unwrap();
        assert!(error.sentence.contains("more than 64"), "{error:?}");
    }
}
