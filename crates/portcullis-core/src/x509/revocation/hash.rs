//! By which number a list is called in a directory that OpenSSL's `rehash` has made.
//!
//! `X509_NAME_hash`: the first four bytes, the lowest first, of SHA-1 over the name with its strings folded: as
//! UTF8String, in small letters, and without blanks at the ends or twice in between. Nothing rests on SHA-1 here: what
//! is found is verified.

use sha1::{Digest as _, Sha1};

use crate::der;
use crate::sort::sort;
use crate::x509::name::attributes;

/// The eight digits before `.r0`, as a number, of an issuer, which is a Name with its header; `None` if it is none.
pub fn crl_issuer_hash(name: &[u8]) -> Option<u32> {
    let contents = der::only(name, der::SEQUENCE)?;
    let mut sets: Vec<Vec<Vec<u8>>> = Vec::new();
    for attribute in attributes(contents) {
        let attribute = attribute.ok()?;
        if attribute.is_first {
            sets.push(Vec::new());
        }
        let value = match folded(attribute.value.tag, attribute.value.contents) {
            Some(text) => der::element(UTF8_STRING, &text),
            None => attribute.value.whole.to_vec(),
        };
        let pair = der::sequence(&[attribute.kind.whole, &value].concat());
        sets.last_mut()?.push(pair);
    }
    let mut hash = Sha1::new();
    for mut set in sets {
        // X.690 §11.6: sorted.
        sort(&mut set);
        hash.update(der::set(&set.concat()));
    }
    let digest = hash.finalize();
    let first = digest.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*first))
}

const UTF8_STRING: u8 = 0x0c;

/// The text of a string in UTF-8, folded; `None` if it is no string that OpenSSL folds.
fn folded(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let text = match tag {
        // UTF8String, and what is ASCII.
        UTF8_STRING => String::from_utf8(contents.to_vec()).ok()?,
        // PrintableString, TeletexString (as Latin-1), IA5String, VisibleString
        0x13 | 0x14 | 0x16 | 0x1a => latin(contents),
        // UniversalString
        0x1c => {
            let (units, rest) = contents.as_chunks();
            let mut units = units
                .iter()
                .map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            let text = units.by_ref().collect::<Option<String>>()?;
            rest.is_empty().then_some(text)?
        }
        // BMPString
        0x1e => {
            let (units, rest) = contents.as_chunks();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            let text = char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .ok()?;
            rest.is_empty().then_some(text)?
        }
        _ => return None,
    };
    // C's `isspace`: also the vertical tab and the form feed.
    let is_blank = |character: char| matches!(character, ' ' | '\t'..='\r');
    let words: Vec<_> = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .collect();
    Some(words.join(" ").to_ascii_lowercase().into_bytes())
}
