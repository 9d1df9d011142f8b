//! Names in certificates, for people to read. Nothing is decided by what is printed here.
//!
//! RFC 5280 §4.1.2.6, §4.2.1.6.

use std::fmt;
use std::net::IpAddr;

use super::certificate::Certificate;
use super::extension::alt_name::{
    DIRECTORY_NAME, DNS_NAME, EDI_PARTY_NAME, GeneralNames, IP_ADDRESS, MAIL_ADDRESS, OTHER_NAME,
    REGISTERED_ID, URI, X400_ADDRESS,
};
use super::name::attributes;
use crate::der::{self, Element, NotDer};

/// Longest printed name, in characters; a peer chooses what is in it.
pub(super) const MAX_PRINTED: usize = 256;

/// The subject of a certificate, such as `CN=www.example.com, O=Example`.
///
/// Its parts are written as in RFC 4514 and stand in the order of the certificate: what separates
/// them is escaped in values, so that none looks like two. Characters that are not seen are escaped too, and
/// long names are cut. `None` when the certificate cannot be parsed; an empty subject is an empty
/// string.
pub fn subject(certificate: &[u8]) -> Option<String> {
    text_of(Certificate::read(certificate)?.subject, MAX_PRINTED)
}

/// The same, to its end: to decide by it. It may be as long as the certificate, and belongs into no
/// log.
pub fn whole_subject(certificate: &[u8]) -> Option<String> {
    text_of(Certificate::read(certificate)?.subject, usize::MAX)
}

/// A DER-encoded Name in words.
pub(super) fn distinguished_name(name: &[u8]) -> String {
    match text_of(name, MAX_PRINTED) {
        Some(text) if text.is_empty() => "an empty name".to_owned(),
        Some(text) => text,
        None => "a name that cannot be parsed".to_owned(),
    }
}

/// What stands in a Name, in its order, up to so many characters; `None` if it is none.
fn text_of(name: &[u8], most: usize) -> Option<String> {
    let mut text = Printed::of(most);
    for attribute in attributes(der::only(name, der::SEQUENCE)?) {
        let attribute = attribute.ok()?;
        text.add(match (text.is_empty(), attribute.is_first) {
            (true, _) => "",
            (false, true) => ", ",
            (false, false) => " + ",
        });
        add_type(&mut text, attribute.kind.contents);
        text.add("=");
        add_value(&mut text, attribute.value);
    }
    Some(text.finish())
}

/// The type of an attribute: by the name that people use, or as the OID it is.
fn add_type(text: &mut Printed, oid: &[u8]) {
    let name = match oid {
        [0x55, 4, of_x520] => match of_x520 {
            3 => "CN",
            4 => "surname",
            5 => "serialNumber",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "streetAddress",
            10 => "O",
            11 => "OU",
            12 => "title",
            13 => "description",
            15 => "businessCategory",
            16 => "postalAddress",
            17 => "postalCode",
            41 => "name",
            42 => "givenName",
            43 => "initials",
            44 => "generationQualifier",
            45 => "uniqueIdentifier",
            46 => "dnQualifier",
            65 => "pseudonym",
            97 => "organizationIdentifier",
            _ => "",
        },
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01" => "Email",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02" => "unstructuredName",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01" => "uid",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19" => "DC",
        _ => "",
    };
    match (name, der::dotted(oid)) {
        ("", Some(oid)) => text.add(&oid),
        ("", None) => text.add("?"),
        (name, _) => text.add(name),
    }
}

/// The strings of ASN.1 (X.680 §41); in hexadecimal what is none.
fn add_value(text: &mut Printed, value: Element<'_>) {
    /// TeletexString, which is used as if it were Latin-1.
    const TELETEX_STRING: u8 = 0x14;
    const UNIVERSAL_STRING: u8 = 0x1c;
    const BMP_STRING: u8 = 0x1e;
    match value.tag {
        TELETEX_STRING if core::str::from_utf8(value.contents).is_err() => {
            text.value(value.contents.iter().copied().map(char::from));
        }
        // ObjectDescriptor, UTF8String, NumericString, PrintableString, VideotexString, IA5String,
        // GraphicString, VisibleString, GeneralString
        0x07 | 0x0c | 0x12..=0x16 | 0x19..=0x1b => {
            for chunk in value.contents.utf8_chunks() {
                text.value(chunk.valid().chars());
                if !chunk.invalid().is_empty() {
                    text.value([char::REPLACEMENT_CHARACTER]);
                }
            }
        }
        BMP_STRING => {
            let (units, _) = value.contents.as_chunks();
            let units = units.iter().copied().map(u16::from_be_bytes);
            text.value(
                char::decode_utf16(units)
                    .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)),
            );
        }
        UNIVERSAL_STRING => {
            let (units, _) = value.contents.as_chunks();
            let units = units.iter().copied().map(u32::from_be_bytes);
            text.value(
                units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
            );
        }
        // RFC 4514 §2.4: a sign before it, and its header too.
        _ => {
            text.add("#");
            text.value(value.whole.iter().flat_map(|byte| {
                [byte >> 4, byte & 0xf]
                    .map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default())
                    .map(|digit| digit.to_ascii_uppercase())
            }));
        }
    }
}

/// The subjectAltName entries of a certificate as text: DNS names (`*.example.com`), IP
/// addresses, mail addresses and URIs. Empty when there are none or it cannot be parsed.
///
/// This is for people: the kind of a name is lost, and a URI may be written as a DNS name is. To
/// decide by a name take [`general_names`].
pub fn subject_alt_names(certificate: &[u8]) -> Vec<String> {
    let text = |name| match name {
        SubjectAltName::DnsName(name)
        | SubjectAltName::MailAddress(name)
        | SubjectAltName::Uri(name) => Some(name),
        SubjectAltName::IpAddress(address) => Some(address.to_string()),
        _ => None,
    };
    alt_names(certificate, usize::MAX, MAX_PRINTED)
        .into_iter()
        .filter_map(text)
        .collect()
}

/// The subjectAltName entries of a certificate with their kinds: to decide by one, e.g. what a
/// client whose chain is verified may do. Each is whole, so that none is taken for another one that
/// begins as it does; whoever logs them cuts them. Empty when there are none or it cannot be parsed.
pub fn general_names(certificate: &[u8]) -> Vec<SubjectAltName> {
    alt_names(certificate, usize::MAX, usize::MAX)
}

/// A name in a subjectAltName, with its kind (RFC 5280 §4.2.1.6): a host is only found under a
/// DNS name, an address only under an IP address (RFC 9525 §6). Control characters, quotation marks
/// and backslashes in it are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// dNSName.
    DnsName(String),
    /// iPAddress.
    IpAddress(IpAddr),
    /// rfc822Name.
    MailAddress(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// directoryName.
    DirectoryName(String),
    /// Of another kind or damaged: what it is.
    Other(&'static str),
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DnsName(name) => write!(f, "the DNS name \"{name}\""),
            Self::IpAddress(address) => write!(f, "the IP address {address}"),
            Self::MailAddress(name) => write!(f, "the mail address \"{name}\""),
            Self::Uri(name) => write!(f, "the URI \"{name}\""),
            Self::DirectoryName(name) => write!(f, "the directory name \"{name}\""),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// The entries of the subjectAltName, at most so many, each up to `most` characters. Empty when there
/// are none or it cannot be parsed.
pub(super) fn alt_names(certificate: &[u8], limit: usize, most: usize) -> Vec<SubjectAltName> {
    let names = Certificate::read(certificate)
        .ok_or(NotDer)
        .and_then(|certificate| GeneralNames::of_subject(&certificate));
    let names = names.unwrap_or_default();
    let names = names.iter().take(limit);
    names.map(|name| alt_name(name, most)).collect()
}

fn alt_name(name: Element<'_>, most: usize) -> SubjectAltName {
    const DAMAGED: SubjectAltName = SubjectAltName::Other("a name that cannot be parsed");
    // §4.2.1.6: these are IA5Strings.
    let text = || {
        core::str::from_utf8(name.contents)
            .ok()
            .filter(|text| text.is_ascii())
    };
    let of_text = |kind: fn(String) -> SubjectAltName| text().map(|text| kind(printed(text, most)));
    let named = match name.tag {
        DNS_NAME => of_text(SubjectAltName::DnsName),
        MAIL_ADDRESS => of_text(SubjectAltName::MailAddress),
        URI => of_text(SubjectAltName::Uri),
        IP_ADDRESS => Some(match ip_address(name.contents) {
            Some(address) => SubjectAltName::IpAddress(address),
            None => SubjectAltName::Other("an IP address of a wrong length"),
        }),
        DIRECTORY_NAME => text_of(name.contents, most).map(SubjectAltName::DirectoryName),
        OTHER_NAME => Some(SubjectAltName::Other("an otherName")),
        X400_ADDRESS => Some(SubjectAltName::Other("an x400Address")),
        EDI_PARTY_NAME => Some(SubjectAltName::Other("an ediPartyName")),
        REGISTERED_ID => Some(SubjectAltName::Other("a registeredID")),
        _ => None,
    };
    named.unwrap_or(DAMAGED)
}

pub(super) fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Makes text of a peer safe for logs and terminals, also between quotation marks.
pub(super) fn printable(text: &str) -> String {
    printed(text, MAX_PRINTED)
}

fn printed(text: &str, most: usize) -> String {
    let mut printed = Printed::of(most);
    printed.extend(text.chars(), &['"', '\\']);
    printed.finish()
}

/// Text of a peer that is safe for logs and terminals, and not longer than is read.
struct Printed {
    text: String,
    /// Characters in it, before they are escaped.
    length: usize,
    /// So many are printed.
    most: usize,
}

impl Printed {
    const fn of(most: usize) -> Self {
        Self {
            text: String::new(),
            length: 0,
            most,
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Text of this side's.
    fn add(&mut self, text: &str) {
        self.extend(text.chars(), &[]);
    }

    /// A part of an attribute's value (RFC 4514 §2.4).
    fn value(&mut self, characters: impl IntoIterator<Item = char>) {
        const SPECIAL: &[char] = &['"', '+', ',', ';', '<', '>', '\\'];
        let mut characters = characters.into_iter().peekable();
        if self.text.ends_with('=')
            && let Some(first) = characters.next_if(|first| *first == '#')
        {
            self.extend([first], &['#']);
        }
        self.extend(characters, SPECIAL);
    }

    /// Adds characters, those that are `special` behind a backslash.
    fn extend(&mut self, characters: impl IntoIterator<Item = char>, special: &[char]) {
        // One more than are printed, so that the end is seen to be missing.
        let room = self.most.saturating_add(1).saturating_sub(self.length);
        for character in characters.into_iter().take(room) {
            self.length += 1;
            if self.length > self.most {
                self.text.push('…');
                continue;
            }
            if special.contains(&character) {
                self.text.push('\\');
            }
            match is_unseen(character) {
                true => self.text.extend(character.escape_unicode()),
                false => self.text.push(character),
            }
        }
    }

    fn finish(self) -> String {
        self.text
    }
}

/// Whether a terminal or a log shows nothing for a character, begins a new line with it, or writes what follows in the other
/// direction: text with such characters is not what it looks like.
///
/// Of Unicode 16 these are the controls, the ends of lines and the format characters (Cc, Zl, Zp and Cf), all else that is
/// ignored where it is not known (Default_Ignorable_Code_Point), and what looks like a space. The ideographic space is a
/// part of names.
#[doc(hidden)]
pub fn is_unseen(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let is_space = character.is_whitespace() && character != '\u{3000}';
    is_space
        || character.is_control()
        || matches!(
            character,
            // Cf
            '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            // Fillers, joiners, selectors of variants, and a letter of Braille without dots.
            | '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_writes_cannot_forge_log_lines() {
        assert_eq!(printable("a\nb\u{202e}c"), "a\\u{a}b\\u{202e}c");
        assert_eq!(printable("a\u{2028}b\u{61c}c"), "a\\u{2028}b\\u{61c}c");
        assert_eq!(printable("a\"b\\c"), "a\\\"b\\\\c");
        for unseen in [
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fffb}',
            '\u{1d173}',
            '\u{e0041}',
            '\u{e01ef}',
        ] {
            let expected = format!("a{}b", unseen.escape_unicode());
            assert_eq!(printable(&format!("a{unseen}b")), expected);
        }
        // Marks belong to letters of many languages.
        for seen in ["e\u{301}", "का", "ж", "株式会社\u{3000}例", "مثال", "😀"] {
            assert_eq!(printable(seen), seen);
        }
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 257);
    }

    #[test]
    fn addresses() {
        assert_eq!(ip_address(&[127, 0, 0, 1]), "127.0.0.1".parse().ok());
        assert_eq!(ip_address(&[0; 16]), "::".parse().ok());
        assert_eq!(ip_address(&[0; 5]), None);
    }

    /// Type, and tag and contents of the value.
    type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

    /// A Name with an RDN for each list.
    fn name(rdns: &[&[Attribute<'_>]]) -> Vec<u8> {
        let wrap = |tag: u8, parts: &[Vec<u8>]| {
            let contents = parts.concat();
            let mut element = vec![tag, 0x82];
            element.extend(u16::try_from(contents.len()).unwrap().to_be_bytes());
            if contents.len() < 0x80 {
                element = vec![tag, u8::try_from(contents.len()).unwrap()];
            } else if contents.len() < 0x100 {
                element = vec![tag, 0x81, u8::try_from(contents.len()).unwrap()];
            }
            element.extend(contents);
            element
        };
        let attribute = |(oid, tag, value): &Attribute<'_>| {
            let parts = [
                wrap(der::OID, &[oid.to_vec()]),
                wrap(*tag, &[value.to_vec()]),
            ];
            wrap(der::SEQUENCE, &parts)
        };
        let rdns: Vec<_> = rdns
            .iter()
            .map(|rdn| wrap(der::SET, &rdn.iter().map(attribute).collect::<Vec<_>>()))
            .collect();
        wrap(der::SEQUENCE, &rdns)
    }

    const CN: &[u8] = b"\x55\x04\x03";
    const UTF8: u8 = 0x0c;

    #[test]
    fn names_for_people() {
        let shown = |rdns: &[&[Attribute<'_>]]| distinguished_name(&name(rdns));
        let organization = b"\x55\x04\x0a";
        assert_eq!(
            shown(&[
                &[(CN, UTF8, b"a"), (organization, UTF8, b"b")],
                &[(CN, UTF8, b"c")]
            ]),
            "CN=a + O=b, CN=c"
        );
        for (oid, tag, value, expected) in [
            (CN, UTF8, &b"Stra\xc3\x9fe"[..], "CN=Straße"),
            (CN, UTF8, b"Stra\xdfe", "CN=Stra\u{fffd}e"),
            (CN, 0x14, b"Stra\xdfe", "CN=Straße"),
            (CN, 0x14, b"Stra\xc3\x9fe", "CN=Straße"),
            (CN, 0x1e, b"\0\xdf\xd8\0", "CN=ß\u{fffd}"),
            (CN, 0x1c, b"\0\0\0\xdf\0\x11\0\0", "CN=ß\u{fffd}"),
            (CN, der::OCTET_STRING, b"\xab\x01", "CN=#0402AB01"),
            (CN, UTF8, b"#0402AB01", "CN=\\#0402AB01"),
            (
                CN,
                UTF8,
                b"a#, O=b + C=\"\\\"",
                "CN=a#\\, O=b \\+ C=\\\"\\\\\\\"",
            ),
            (CN, UTF8, b"a\nb", "CN=a\\u{a}b"),
            (
                b"\x55\x04\x61",
                UTF8,
                b"VATDE-1",
                "organizationIdentifier=VATDE-1",
            ),
            (b"\x2a\x03", UTF8, b"a", "1.2.3=a"),
            (b"\x80\x01", UTF8, b"a", "?=a"),
        ] {
            assert_eq!(shown(&[&[(oid, tag, value)]]), expected);
        }
        assert_eq!(shown(&[]), "an empty name");
        let long = shown(&[&[(CN, UTF8, &[b'x'; 1000])], &[(CN, UTF8, b"y")]]);
        assert_eq!(long, format!("CN={}…", "x".repeat(253)));
        for bad in [
            &[][..],
            &[0x31, 0],
            &[0x30, 2, 0x31, 0],
            &[0x30, 3, 0x31, 1, 0],
        ] {
            assert_eq!(distinguished_name(bad), "a name that cannot be parsed");
        }
    }

    #[test]
    fn alternative_names_for_people() {
        let shown = |tag, contents: &[u8]| {
            let whole = contents;
            let name = Element {
                tag,
                contents,
                whole,
            };
            alt_name(name, MAX_PRINTED).to_string()
        };
        assert_eq!(shown(DNS_NAME, b"a\0b"), "the DNS name \"a\\u{0}b\"");
        assert_eq!(
            shown(DNS_NAME, "ä".as_bytes()),
            "a name that cannot be parsed"
        );
        assert_eq!(shown(URI, b"a:b"), "the URI \"a:b\"");
        assert_eq!(shown(IP_ADDRESS, &[1]), "an IP address of a wrong length");
        let directory = name(&[&[(CN, UTF8, b"a")]]);
        assert_eq!(
            shown(DIRECTORY_NAME, &directory),
            "the directory name \"CN=a\""
        );
        assert_eq!(shown(DIRECTORY_NAME, &[0]), "a name that cannot be parsed");
        assert_eq!(shown(0x89, b""), "a name that cannot be parsed");
    }

    /// Two that begin alike are not one.
    #[test]
    fn names_to_decide_by_are_whole() {
        let long = "x".repeat(1_000);
        let of = |bytes: &[u8], most| {
            let name = Element {
                tag: URI,
                contents: bytes,
                whole: bytes,
            };
            alt_name(name, most)
        };
        assert_eq!(
            of(long.as_bytes(), usize::MAX),
            SubjectAltName::Uri(long.clone())
        );
        let issuer = name(&[&[(CN, UTF8, long.as_bytes())], &[(CN, UTF8, b"y")]]);
        let whole = text_of(&issuer, usize::MAX).unwrap();
        assert_eq!(whole, format!("CN={long}, CN=y"));
        assert_eq!(text_of(&issuer, MAX_PRINTED).unwrap().chars().count(), 257);
    }
}
