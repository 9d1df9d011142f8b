//! What is in a file of PKCS#12.
//!
//! RFC 7292. Its parts that are encrypted are opened by what opens encrypted keys, with its bounds.

use portcullis::CertificateDer;
use portcullis::pki_types::PrivateKeyDer;
use portcullis::x509::open_encrypted;
use zeroize::Zeroizing;

use super::der::{
    BMP_STRING, CONTEXT_0, Elements, INTEGER, OCTET_STRING, OID, PLAIN_CONTEXT_0, SEQUENCE, SET,
    element, sequence,
};
use super::{mac, oids};

/// How many parts and keys may be encrypted: each takes time to open. Two are usual.
const MOST_ENCRYPTED: usize = 16;

/// What can be used of it. Keys are wiped when it goes.
#[derive(Default)]
pub(super) struct Contents {
    /// In their order.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// PKCS#8.
    pub(super) keys: Vec<Key>,
    /// Bags with other things in them.
    pub(super) others: usize,
    /// Whether there is a MAC: without one anybody may have made the file.
    pub(super) has_mac: bool,
    encrypted: usize,
}

pub(super) struct Key {
    pub(super) der: Zeroizing<Vec<u8>>,
    /// What its owner calls it.
    pub(super) name: Option<String>,
}

impl Key {
    pub(super) fn as_der(&self) -> Option<PrivateKeyDer<'_>> {
        PrivateKeyDer::try_from(self.der.as_slice()).ok()
    }
}

const DAMAGED: &str = "it is damaged, or no file of PKCS#12 (RFC 7292 §4)";

/// Opens a file; for an error, a sentence in which nothing of the file or the password is.
pub(super) fn read(file: &[u8], password: &[u8]) -> Result<Contents, String> {
    if let [SEQUENCE, 0x80, ..] = file {
        return Err("it is BER that does not say how long it is, as some programs write it: convert it with `openssl \
                    pkcs12`"
            .to_owned());
    }
    if file.starts_with(b"-----BEGIN ") {
        return Err("it is PEM, and no file of PKCS#12".to_owned());
    }
    let (safe, mac) = outer(file).ok_or(DAMAGED)?;
    let mut contents = Contents::default();
    if let Some(mac) = mac {
        mac::verify(mac, password, safe)?;
        contents.has_mac = true;
    }
    let mut safe = Elements(safe).within(SEQUENCE).ok_or(DAMAGED)?;
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
                    .to_owned());
            }
        }
    }
    Ok(contents)
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
    let is_right = is_version_3 && is_data && outer.is_empty() && fields.is_empty();
    is_right.then_some((safe, mac))
}

/// RFC 5652 §8, in the form of an encrypted key: how it is encrypted, and what.
fn encrypted_data(mut part: Elements<'_>) -> Option<Vec<u8>> {
    let mut fields = part.within(SEQUENCE)?;
    fields.contents(INTEGER)?;
    let mut info = fields.within(SEQUENCE)?;
    let is_data = info.contents(OID)? == oids::DATA;
    let algorithm = info.whole(SEQUENCE)?;
    let data = info.contents(PLAIN_CONTEXT_0)?;
    let as_key = sequence(&[algorithm, &element(OCTET_STRING, &[data])]);
    is_data.then_some(as_key)
}

impl Contents {
    fn open(
        &mut self,
        encrypted: &[u8],
        password: &[u8],
        thing: &str,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        self.encrypted += 1;
        if self.encrypted > MOST_ENCRYPTED {
            return Err(format!(
                "more than {MOST_ENCRYPTED} parts of it are encrypted"
            ));
        }
        let instead = "make the file anew with `openssl pkcs12`";
        open_encrypted(encrypted, password, (thing, instead)).map_err(|error| error.to_string())
    }

    /// §4.2: SafeContents.
    fn bags(&mut self, bags: &[u8], password: &[u8]) -> Result<(), String> {
        let mut bags = Elements(bags).within(SEQUENCE).ok_or(DAMAGED)?;
        while !bags.is_empty() {
            let mut bag = bags.within(SEQUENCE).ok_or(DAMAGED)?;
            let kind = bag.contents(OID).ok_or(DAMAGED)?;
            let mut value = bag.within(CONTEXT_0).ok_or(DAMAGED)?;
            let name = || friendly_name(bag);
            match kind.strip_prefix(oids::BAGS) {
                Some(&[oids::KEY_BAG]) => {
                    let der = Zeroizing::new(value.whole(SEQUENCE).ok_or(DAMAGED)?.to_vec());
                    self.keys.push(Key { der, name: name() });
                }
                Some(&[oids::ENCRYPTED_KEY_BAG]) => {
                    let encrypted = value.whole(SEQUENCE).ok_or(DAMAGED)?;
                    let der = self.open(encrypted, password, "private key")?;
                    self.keys.push(Key { der, name: name() });
                }
                Some(&[oids::CERTIFICATE_BAG]) => {
                    let mut certificate = value.within(SEQUENCE).ok_or(DAMAGED)?;
                    let kind = certificate.contents(OID).ok_or(DAMAGED)?;
                    let mut value = certificate.within(CONTEXT_0).ok_or(DAMAGED)?;
                    match kind == oids::X509_CERTIFICATE {
                        true => {
                            let der = value.contents(OCTET_STRING).ok_or(DAMAGED)?;
                            self.certificates.push(der.to_vec().into());
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

/// RFC 2985 §5.5.1: of the attributes behind a bag's value.
fn friendly_name(mut bag: Elements<'_>) -> Option<String> {
    let mut attributes = bag.within(SET)?;
    while !attributes.is_empty() {
        let mut attribute = attributes.within(SEQUENCE)?;
        if attribute.contents(OID)? != oids::FRIENDLY_NAME {
            continue;
        }
        let text = attribute.within(SET)?.contents(BMP_STRING)?;
        let (units, _) = text.as_chunks();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
        return String::from_utf16(&units).ok();
    }
    None
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
        assert_eq!(
            read_whole.certificates,
            [CertificateDer::from(b"a certificate".to_vec())]
        );
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
            error.contains("the encrypted private key is damaged"),
            "{error}"
        );
        let mut contents = Contents::default();
        for _ in 0..MOST_ENCRYPTED {
            let opened = contents.open(&[], b"", "private key");
            assert!(opened.unwrap_err().contains("is damaged"));
        }
        let error = contents.open(&[], b"", "private key").unwrap_err();
        assert!(error.contains("more than 16"), "{error}");
    }
}
