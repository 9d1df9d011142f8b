//! PEM files: certificates and keys, and clear words about what is in them otherwise.
//!
//! RFC 7468. The scanner here decides what a section is; only the base64 of one section is given
//! to the decoder. What looks like a section is read, skipped because it is on the list of
//! harmless kinds, or an error with its line. No error contains text of the file, because that
//! may be a key: labels are printed only when they are known ones.

use std::path::Path;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use crate::crypto::encrypted_key::{EncryptedKey, is_encrypted_pkcs8};
use crate::der::{self, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use crate::misuse::Misuse;

const DASHES: &[u8] = b"-----";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const ENCRYPTED: &str = "the private key is encrypted: give its password, or decrypt it with \
                         `openssl pkey -in key.pem -out plain.pem`";

/// What is done with a section.
#[derive(Clone, Copy)]
enum Kind {
    Certificate,
    Key,
    EncryptedKey,
    DhParameters,
    Crl,
    /// Says why this key cannot be read, if no other key is there.
    UnreadableKey(&'static str),
    /// It has its place beside certificates and keys; the sentence is for a file with nothing else.
    Skipped(&'static str),
    /// Contains certificates that would be missed: says what to do.
    Refused(&'static str),
}

const PARAMETERS: &str = "contains only parameters";
const REQUEST: &str = "is a request for a certificate: an authority makes a certificate from it";
const PUBLIC: &str = "is a public key: a certificate and its private key are needed";
const PKCS7: &str =
    "is PKCS#7: convert it with `openssl pkcs7 -print_certs -in FILE -out chain.pem`";

const LABELS: &[(&str, Kind)] = &[
    ("CERTIFICATE", Kind::Certificate),
    ("PRIVATE KEY", Kind::Key),
    ("RSA PRIVATE KEY", Kind::Key),
    ("EC PRIVATE KEY", Kind::Key),
    ("ENCRYPTED PRIVATE KEY", Kind::EncryptedKey),
    (
        "OPENSSH PRIVATE KEY",
        Kind::UnreadableKey(
            "the private key is in OpenSSH's format: convert it with `ssh-keygen -p -m PKCS8`",
        ),
    ),
    (
        "DSA PRIVATE KEY",
        Kind::UnreadableKey(
            "the private key is for DSA in an old format: convert it with `openssl pkcs8 -topk8 -nocrypt`, or use \
             ECDSA, RSA or Ed25519, which TLS 1.3 has, too",
        ),
    ),
    ("EC PARAMETERS", Kind::Skipped(PARAMETERS)),
    ("DH PARAMETERS", Kind::DhParameters),
    ("X9.42 DH PARAMETERS", Kind::Skipped(PARAMETERS)),
    ("DSA PARAMETERS", Kind::Skipped(PARAMETERS)),
    ("X509 CRL", Kind::Crl),
    (
        "ECHCONFIG",
        Kind::Skipped("is a configuration for Encrypted Client Hello"),
    ),
    ("CERTIFICATE REQUEST", Kind::Skipped(REQUEST)),
    ("NEW CERTIFICATE REQUEST", Kind::Skipped(REQUEST)),
    ("PUBLIC KEY", Kind::Skipped(PUBLIC)),
    ("RSA PUBLIC KEY", Kind::Skipped(PUBLIC)),
    (
        "TRUSTED CERTIFICATE",
        Kind::Refused(
            "is OpenSSL's own format: convert it with `openssl x509 -in FILE -out certificate.pem`",
        ),
    ),
    (
        "X509 CERTIFICATE",
        Kind::Refused("is an old label: write CERTIFICATE instead, in both lines (RFC 7468 §5.1)"),
    ),
    ("PKCS7", Kind::Refused(PKCS7)),
    ("PKCS #7 SIGNED DATA", Kind::Refused(PKCS7)),
    (
        "CMS",
        Kind::Refused(
            "is CMS: convert it with `openssl pkcs7 -print_certs -in FILE -out chain.pem`",
        ),
    ),
];

/// What a PEM text contains, in its order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Zeroizing<Vec<PrivateKeyDer<'static>>>,
    /// Those with a password.
    pub(super) encrypted_keys: Vec<EncryptedKey>,
    /// In DER.
    #[cfg_attr(
        not(feature = "finite-field"),
        allow(dead_code, reason = "read, and used by nobody")
    )]
    pub(super) dh_parameters: Vec<Vec<u8>>,
    /// In DER, with the line where each began; `None` for what is not base64.
    crls: Vec<(usize, Option<Vec<u8>>)>,
    /// A private key that is there and cannot be read.
    pub(super) unreadable_key: Option<&'static str>,
    /// The first section that was skipped, for a file with nothing else.
    skipped: Option<String>,
}

impl Contents {
    /// Reads all sections, in one pass.
    ///
    /// # Errors
    /// When the text is no PEM, or a section is damaged, of an unknown kind, or not where it can
    /// be read.
    pub(super) fn read(pem: &[u8]) -> Result<Self, Misuse> {
        if let Some(sentence) = other_format(pem) {
            return Err(Misuse::new(sentence));
        }
        let mut contents = Self::default();
        let mut lines = Lines {
            rest: pem,
            number: 0,
        };
        while let Some(line) = lines.next() {
            let mut line = trim(line);
            // A section may begin right where another one ends.
            while let Some(label) = beginning(line, lines.number)? {
                line = contents.section(&mut lines, label)?;
            }
        }
        Ok(contents)
    }

    /// Reads what can be read, and answers what is wrong with the rest: for roots that a system has, of which some are
    /// better than none.
    #[cfg(feature = "os-roots")]
    pub(super) fn read_what_can_be(pem: &[u8]) -> (Self, Vec<Misuse>) {
        let (mut contents, mut faults) = (Self::default(), Vec::new());
        let mut lines = Lines {
            rest: pem,
            number: 0,
        };
        while let Some(line) = lines.next() {
            let mut rest = Some(trim(line));
            while let Some(line) = rest.take() {
                let section = match beginning(line, lines.number) {
                    Ok(None) => continue,
                    Ok(Some(label)) => contents.section(&mut lines, label),
                    Err(error) => Err(error),
                };
                match section {
                    Ok(after) => rest = Some(after),
                    Err(error) => faults.push(error),
                }
            }
        }
        (contents, faults)
    }

    /// Reads one section and answers what follows on its last line.
    fn section<'a>(
        &mut self,
        lines: &mut Lines<'a>,
        (label, kind): (&'static str, Kind),
    ) -> Result<&'a [u8], Misuse> {
        let at = lines.number;
        let (body, rest) = Body::read(lines, label)?;
        let damaged = |why: &str| {
            Misuse::new(format!(
                "the {label} that begins on line {at} is damaged: {why}"
            ))
        };
        match kind {
            Kind::Refused(sentence) => {
                return Err(Misuse::new(format!("the {label} on line {at} {sentence}")));
            }
            Kind::UnreadableKey(sentence) => self.unreadable_key = Some(sentence),
            Kind::Key if body.dek_info.is_some() => {
                let der = decode(&body.base64);
                let der = der.ok_or_else(|| damaged("it is not base64"))?;
                let dek_info = body.dek_info.unwrap_or_default();
                self.encrypted_keys
                    .push(EncryptedKey::rfc_1421(dek_info, der));
            }
            _ if body.headers => return Err(damaged("it has header lines")),
            Kind::Skipped(sentence) => self.skip(label, at, sentence),
            Kind::DhParameters => {
                let der = decode(&body.base64);
                let der = der.ok_or_else(|| damaged("it is not base64"))?;
                self.dh_parameters.push(der);
                self.skip(label, at, PARAMETERS);
            }
            Kind::Crl => {
                self.crls.push((at, decode(&body.base64)));
                self.skip(label, at, "is a revocation list");
            }
            Kind::Certificate => {
                let der = decode(&body.base64);
                let der = der.ok_or_else(|| damaged("it is not base64"))?;
                self.certificates.push(der.into());
            }
            Kind::Key => {
                let der = decode(&body.base64);
                let der = der.ok_or_else(|| damaged("it is not base64"))?;
                match is_encrypted_pkcs8(&der) {
                    true => self.encrypted_keys.push(EncryptedKey::pkcs8(der)),
                    false => self
                        .keys
                        .push(key(der).ok_or_else(|| damaged("it is not a private key in DER"))?),
                }
            }
            Kind::EncryptedKey => {
                let der = decode(&body.base64);
                let der = der.ok_or_else(|| damaged("it is not base64"))?;
                self.encrypted_keys.push(EncryptedKey::pkcs8(der));
            }
        }
        Ok(rest)
    }

    fn skip(&mut self, label: &str, at: usize, sentence: &str) {
        self.skipped
            .get_or_insert_with(|| format!("; the {label} on line {at} {sentence}"));
    }

    /// Says that there are no parameters for Diffie-Hellman.
    #[cfg(feature = "finite-field")]
    pub(super) fn no_dh_parameters(&self) -> Misuse {
        let skipped = self.skipped.as_deref().unwrap_or_default();
        Misuse::new(format!(
            "there are no DH parameters (expected -----BEGIN DH PARAMETERS-----){skipped}"
        ))
    }

    /// Says that there is no certificate, and what is there instead.
    pub(super) fn no_certificate(&self) -> Misuse {
        if !self.keys.is_empty() || !self.encrypted_keys.is_empty() {
            return Misuse::new(
                "there is a private key and no certificate: are the two files swapped?",
            );
        }
        let skipped = self.skipped.as_deref().unwrap_or_default();
        Misuse::new(format!(
            "there is no certificate (expected -----BEGIN CERTIFICATE-----){skipped}"
        ))
    }

    /// Says that there is no private key, and what is there instead.
    pub(super) fn no_key(&self) -> Misuse {
        if !self.encrypted_keys.is_empty() {
            return Misuse::new(ENCRYPTED);
        }
        if let Some(sentence) = self.unreadable_key {
            return Misuse::new(sentence);
        }
        let skipped = self.skipped.as_deref().unwrap_or_default();
        Misuse::new(format!(
            "there is no private key (expected -----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY \
             or EC PRIVATE KEY){skipped}"
        ))
    }
}

/// The certificates in a PEM text (RFC 7468 §5), in its order; keys and what else may be in it are passed over.
///
/// ```
/// # use portcullis_core as portcullis;
/// let error = portcullis::x509::pem_certificates(b"-----BEGIN X509 CERTIFICATE-----").unwrap_err();
/// assert!(error.to_string().contains("line 1"));
/// ```
///
/// # Errors
/// When there is none, or something is damaged or of a kind in which certificates would be missed: on which line.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Misuse> {
    let contents = Contents::read(pem)?;
    match contents.certificates.is_empty() {
        true => Err(contents.no_certificate()),
        false => Ok(contents.certificates),
    }
}

/// The revocation lists in a PEM text, in DER.
pub(super) fn crls(pem: &[u8]) -> Result<Vec<Vec<u8>>, Misuse> {
    let contents = Contents::read(pem)?;
    if contents.crls.is_empty() {
        return Err(Misuse::new(
            "there is no revocation list (expected -----BEGIN X509 CRL-----)",
        ));
    }
    let crls = contents.crls.into_iter().map(|(at, der)| {
        der.ok_or_else(|| {
            Misuse::new(format!(
                "the X509 CRL that begins on line {at} is damaged: it is not base64"
            ))
        })
    });
    crls.collect()
}

/// The lines of a text, which end with LF, CR or both.
struct Lines<'a> {
    rest: &'a [u8],
    /// Of the line that was given last, from 1.
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest
            .strip_prefix(b"\r\n")
            .or(rest.get(1..))
            .unwrap_or_default();
        Some(line)
    }
}

/// Without blanks around it, nor the mark that editors put at the start of a file, which comes
/// into the middle when files are joined.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    line.strip_prefix(BYTE_ORDER_MARK)
        .unwrap_or(line)
        .trim_ascii()
}

/// The label of the section that begins on this line, if one does.
fn beginning(line: &[u8], number: usize) -> Result<Option<(&'static str, Kind)>, Misuse> {
    let wrong = |why: &str| Err(Misuse::new(format!("line {number} of the PEM {why}")));
    // Taken out on purpose.
    if line.starts_with(b"#") {
        return Ok(None);
    }
    if !seems_to_begin(line) {
        return match position(line, b"-----END ") {
            Some(_) => wrong("ends a section that has no -----BEGIN line"),
            None => Ok(None),
        };
    }
    let Some(after) = line.strip_prefix(b"-----BEGIN ") else {
        return wrong(
            "contains the beginning of a section, which is not read: write it with five hyphens \
             and in capital letters, as in -----BEGIN CERTIFICATE-----, and alone on its line",
        );
    };
    let Some(end) = position(after, DASHES) else {
        return wrong("begins a section and does not end with five hyphens");
    };
    let (name, rest) = after.split_at(end);
    let rest = rest.get(DASHES.len()..).unwrap_or_default();
    if rest.starts_with(b"\\n") || rest.starts_with(b"\\r") {
        return wrong(
            "has a whole section on it, with newlines written as \\n: put real newlines there, \
             e.g. with `printf '%b'`",
        );
    }
    if !rest.is_empty() {
        return wrong("has more on it than the beginning of a section: start a new line after it");
    }
    match LABELS.iter().find(|(label, _)| name == label.as_bytes()) {
        Some(known) => Ok(Some(*known)),
        None => wrong("begins a section of a kind that is not known: remove it, or convert it"),
    }
}

/// Whether a section seems to begin on this line: BEGIN after hyphens, or after dashes a word
/// processor made of them. In small letters or with other hyphens it may be prose, so the rest of
/// the line decides.
fn seems_to_begin(line: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN";
    const DASH: [&[u8]; 6] = [
        b"\xe2\x80\x90",
        b"\xe2\x80\x91",
        b"\xe2\x80\x92",
        b"\xe2\x80\x93",
        b"\xe2\x80\x94",
        b"\xe2\x88\x92",
    ];
    let mut rest = line;
    let mut hyphens = 0;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = DASH.iter().find_map(|dash| rest.strip_prefix(*dash)) {
            hyphens = 2;
            rest = after;
            continue;
        }
        let word = rest.get(..BEGIN.len());
        if hyphens >= 2 && word.is_some_and(|word| word.eq_ignore_ascii_case(BEGIN)) {
            return position(line, b"-----BEGIN ").is_some() || is_of_a_label(rest);
        }
        match byte {
            b'-' => hyphens += 1,
            b' ' | b'\t' => {}
            _ => hyphens = 0,
        }
        rest = after;
    }
    false
}

fn is_of_a_label(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"CERTIFICATE", b"KEY", b"PKCS", b"CMS", b"CRL"];
    let at = |word: &[u8]| {
        text.windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
    };
    WORDS.into_iter().any(at)
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

/// What is between the two lines of a section.
struct Body {
    base64: Zeroizing<Vec<u8>>,
    /// RFC 1421 §4.4; RFC 7468 has none.
    headers: bool,
    /// How it is encrypted (RFC 1421 §4.6.1.3); empty if only that it is was said.
    dek_info: Option<Vec<u8>>,
}

impl Body {
    /// Reads up to the end, and answers what follows it on its line.
    fn read<'a>(lines: &mut Lines<'a>, label: &str) -> Result<(Self, &'a [u8]), Misuse> {
        let began = lines.number;
        let mut body = Self {
            // Room for the rest of the text: a buffer that grows leaves copies of the key behind.
            base64: Zeroizing::new(Vec::with_capacity(section_length(lines.rest))),
            headers: false,
            dek_info: None,
        };
        while let Some(line) = lines.next() {
            let line = trim(line);
            if let Some(rest) = line
                .strip_prefix(b"-----END ")
                .and_then(|rest| rest.strip_prefix(label.as_bytes()))
                .and_then(|rest| rest.strip_prefix(DASHES))
            {
                return Ok((body, rest.trim_ascii()));
            }
            if position(line, DASHES).is_some() {
                return Err(Misuse::new(format!(
                    "the {label} that begins on line {began} is damaged: line {} should be a line \
                     of base64 or -----END {label}-----",
                    lines.number
                )));
            }
            if let Some(info) = line.strip_prefix(b"DEK-Info:") {
                body.dek_info = Some(info.trim_ascii().to_vec());
            } else if line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED") {
                body.dek_info.get_or_insert_default();
            }
            if line.contains(&b':') {
                body.headers = true;
            } else {
                let kept = line.iter().filter(|byte| !byte.is_ascii_whitespace());
                body.base64.extend(kept);
            }
        }
        Err(Misuse::new(format!(
            "the {label} that begins on line {began} is damaged: it has no -----END {label}----- line"
        )))
    }
}

/// At most how long the section is at whose first line the text starts.
fn section_length(rest: &[u8]) -> usize {
    position(rest, DASHES).unwrap_or(rest.len())
}

/// Decodes base64 without blanks (RFC 4648 §4); padding may be missing. A library would quote what is
/// wrong in its error, and leave a copy of the text behind, which may be a key.
fn decode(base64: &[u8]) -> Option<Vec<u8>> {
    let padding = base64.iter().rev().take_while(|byte| **byte == b'=');
    let padding = padding.count();
    let (digits, _) = base64.split_at_checked(base64.len().checked_sub(padding)?)?;
    let is_right = match padding {
        0 => digits.len() % 4 != 1,
        1 | 2 => base64.len().is_multiple_of(4),
        _ => false,
    };
    let mut der = Zeroizing::new(Vec::with_capacity(digits.len().div_ceil(4) * 3));
    for group in digits.chunks(4).filter(|_| is_right) {
        let mut bits: u32 = 0;
        for place in 0..4 {
            let value = group.get(place).map_or(Some(0), |digit| six_bits(*digit));
            bits = bits << 6 | u32::from(value?);
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        der.extend(bytes.iter().take(group.len() - 1));
    }
    is_right.then(|| core::mem::take(&mut *der))
}

/// The value of a digit; which one it is decides over no branch and no address.
fn six_bits(digit: u8) -> Option<u8> {
    let among = |first: u8, count: u8| u8::from(digit.wrapping_sub(first) < count).wrapping_neg();
    let upper = among(b'A', 26);
    let lower = among(b'a', 26);
    let number = among(b'0', 10);
    let (plus, slash) = (among(b'+', 1), among(b'/', 1));
    let value = upper & digit.wrapping_sub(b'A')
        | lower & digit.wrapping_sub(b'a').wrapping_add(26)
        | number & digit.wrapping_sub(b'0').wrapping_add(52)
        | plus & 62
        | slash & 63;
    (upper | lower | number | plus | slash != 0).then_some(value)
}

/// The format of a key follows from what it is, as in OpenSSL: labels are often wrong.
pub(super) fn key(der: Vec<u8>) -> Option<PrivateKeyDer<'static>> {
    let second = Reader::new(&der).contents(SEQUENCE).and_then(|fields| {
        let mut fields = Reader::new(fields);
        fields.contents(INTEGER)?;
        Some(fields.any()?.tag)
    });
    match second {
        Some(SEQUENCE) => Some(PrivateKeyDer::Pkcs8(der.into())), // RFC 5958 §2
        Some(INTEGER) => Some(PrivateKeyDer::Pkcs1(der.into())),  // RFC 8017 A.1.2
        Some(OCTET_STRING) => Some(PrivateKeyDer::Sec1(der.into())), // RFC 5915 §3
        _ => {
            drop(Zeroizing::new(der));
            None
        }
    }
}

/// Says what a file is that is not PEM at all.
fn other_format(text: &[u8]) -> Option<&'static str> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Some(
            "this is UTF-16 and not PEM: save it as ASCII or UTF-8, e.g. with `iconv -f UTF-16 -t UTF-8`",
        );
    }
    if text.starts_with(b"-\0-\0") || text.starts_with(b"\0-\0-") {
        return Some(
            "this is UTF-16 and not PEM: save it as ASCII or UTF-8, e.g. with `iconv -f UTF-16LE -t UTF-8`, or UTF-16BE",
        );
    }
    let mut outer = Reader::new(text);
    let Some(contents) = outer.contents(SEQUENCE) else {
        // BER of PKCS#12 and PKCS#7 may leave its length open.
        let open = text.starts_with(&[SEQUENCE, 0x80]);
        return open.then_some(
            "this is BER and not PEM: convert it with `openssl pkcs12` or `openssl pkcs7`",
        );
    };
    if Certificate::read(text).is_some() {
        return Some(
            "this is a certificate in DER and not PEM: convert it with `openssl x509 -inform DER -in FILE -out certificate.pem`",
        );
    }
    let mut fields = Reader::new(contents);
    let first = fields.any()?;
    let second = fields.any();
    match (first.tag, first.contents, second.map(|second| second.tag)) {
        (INTEGER, [3], Some(SEQUENCE)) => Some(
            "this is PKCS#12 and not PEM: convert it with `openssl pkcs12 -in FILE -out both.pem -nodes`",
        ),
        (INTEGER, _, Some(SEQUENCE | INTEGER | OCTET_STRING)) => Some(
            "this is a private key in DER and not PEM: convert it with `openssl pkey -inform DER -in FILE -out key.pem`",
        ),
        (OID, _, Some(tag)) if tag == der::context(0) => Some(
            "this is PKCS#7 and not PEM: convert it with `openssl pkcs7 -inform DER -print_certs -in FILE -out chain.pem`",
        ),
        _ => outer.is_empty().then_some(
            "this is DER and not PEM: convert it with `openssl`, e.g. `openssl pkey -inform DER`",
        ),
    }
}

/// Reads a file that may contain a key.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Misuse> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| Misuse::new(format!("cannot read {}: {error}", shown(path))))
}

/// Puts the file's name before what is wrong with its contents.
pub(super) fn in_file(path: &Path, error: &Misuse) -> Misuse {
    Misuse::new(format!("{}: {error}", shown(path)))
}

/// A path for an error. The text of a key is easily given where its path is due.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(['\n', '\r']) || text.contains("-----") || text.contains("\\n") {
        return "what was given as a path (it looks like the text of a PEM file)".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::decode;

    /// What the library reads, and nothing else.
    #[test]
    fn base64_is_what_others_take_for_it() {
        let all = (0..=u8::MAX).map(|byte| vec![b'A', byte, b'+', b'/']);
        let texts = [
            "", "=", "A", "AA", "AAA", "AA=", "AA==", "AAA=", "AAA==", "A===", "====",
        ];
        let texts = texts.iter().map(|text| text.as_bytes().to_vec());
        let ends = texts.flat_map(|text| [text.clone(), [b"Zm9v", &text[..]].concat()]);
        let odd = ["A=AA", "AA=A", "AAA=AAAA", "AA==AAAA", "//8", "//9="].map(Vec::from);
        let mut taken = 0;
        for text in all.chain(ends).chain(odd) {
            // Blanks are left out before, and a hyphen begins a line of the file's own.
            if text.iter().any(u8::is_ascii_whitespace) || text.contains(&b'\x0b') {
                continue;
            }
            let begin = &b"-----BEGIN CERTIFICATE-----\n"[..];
            let pem = [begin, &text, b"\n-----END CERTIFICATE-----\n"].concat();
            let theirs = CertificateDer::from_pem_slice(&pem).ok();
            let ours = decode(&text);
            taken += usize::from(ours.is_some());
            assert_eq!(ours.as_deref(), theirs.as_deref(), "{text:?}");
        }
        assert!(taken > 64);
    }
}
