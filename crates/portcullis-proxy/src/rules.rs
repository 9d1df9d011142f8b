//! Which clients a route lets in, by what is in the certificate that they have shown and that was verified.
//!
//! What is compared is exact: no case is folded, nothing is decoded. A `*` in a rule stands for one whole label of a DNS
//! name, or one whole segment of a URI's path, which has to be made of letters, digits, `-`, `.` and `_` and be neither
//! `.` nor `..` (the SPIFFE ID standard, §2.2): so no path leads out of where a rule has put it.

use portcullis::x509::{SubjectAltName, VerifiedChain, general_names, whole_subject};
use sha2::{Digest as _, Sha256};

/// The rules of a route: one of them has to hold, or, where there is none, the chain is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

/// What has to hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) uri: Option<Pattern>,
    pub(crate) dns: Option<Pattern>,
    pub(crate) email: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) spki: Option<[u8; 32]>,
}

/// What a name has to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    separator: char,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Same(String),
    Any,
}

impl Pattern {
    pub(crate) fn uri(text: &str) -> Result<Self, &'static str> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "a URI is SCHEME://AUTHORITY/PATH, e.g. \"spiffe://example.com/ns/*/sa/web\"",
            );
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if scheme.contains('*') || authority.contains('*') {
            return Err(
                "scheme and authority of a URI are exact; a * stands for a segment of the path",
            );
        }
        Self::new(
            text,
            '/',
            "a * stands for one whole segment of the path, between two /",
        )
    }

    pub(crate) fn dns(text: &str) -> Result<Self, &'static str> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("names in rules are in lower case");
        }
        if !crate::address::is_host(&text.replace('*', "x")) {
            return Err("this is no DNS name");
        }
        Self::new(
            text,
            '.',
            "a * stands for one whole label, between two dots",
        )
    }

    fn new(text: &str, separator: char, stars: &'static str) -> Result<Self, &'static str> {
        let parts = text.split(separator).map(|part| match part {
            "*" => Ok(Part::Any),
            _ if part.contains('*') => Err(stars),
            _ => Ok(Part::Same(part.to_owned())),
        });
        Ok(Self {
            separator,
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let is_plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        let mut given = name.split(self.separator);
        let all = self.parts.iter().all(|part| match (part, given.next()) {
            (Part::Same(part), Some(given)) => part == given,
            (Part::Any, Some(given)) => is_plain(given),
            (_, None) => false,
        });
        all && given.next().is_none()
    }
}

/// A SHA-256 in hexadecimal, as `portcullis cert fingerprint --spki` prints it.
pub(crate) fn pin(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let text = text.strip_prefix("sha256").map_or(text, str::trim_start);
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16))
        .map(|digit| digit.and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

/// What rules look at.
struct Facts {
    names: Vec<SubjectAltName>,
    issuer: Option<String>,
    spki: [u8; 32],
}

impl Rules {
    /// Whether the client may come in.
    pub(crate) fn allow(&self, proof: &VerifiedChain) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let issuer = proof.path().nth(1);
        let issuer = issuer.or_else(|| proof.anchor_certificate());
        let facts = Facts {
            names: general_names(proof.end_entity()),
            issuer: issuer.and_then(|issuer| whole_subject(issuer)),
            spki: Sha256::digest(proof.chain().end_entity_spki()).into(),
        };
        self.0.iter().any(|rule| rule.holds(&facts))
    }
}

impl Rule {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn holds(&self, facts: &Facts) -> bool {
        let has = |wanted: &dyn Fn(&SubjectAltName) -> bool| facts.names.iter().any(wanted);
        let uri = self.uri.as_ref().is_none_or(|pattern| {
            has(&|name| matches!(name, SubjectAltName::Uri(uri) if pattern.matches(uri)))
        });
        let dns = self.dns.as_ref().is_none_or(|pattern| {
            has(&|name| matches!(name, SubjectAltName::DnsName(dns) if pattern.matches(dns)))
        });
        let email = self.email.as_ref().is_none_or(|email| {
            has(&|name| matches!(name, SubjectAltName::MailAddress(given) if given == email))
        });
        let issuer = self.issuer.as_ref();
        uri && dns
            && email
            && issuer.is_none_or(|issuer| facts.issuer.as_ref() == Some(issuer))
            && self.spki.is_none_or(|pin| pin == facts.spki)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_and_leads_nowhere() {
        let pattern = Pattern::uri("spiffe://example.com/ns/*/sa/web").unwrap();
        assert!(pattern.matches("spiffe://example.com/ns/shop/sa/web"));
        assert!(pattern.matches("spiffe://example.com/ns/a-b.c_1/sa/web"));
        for uri in [
            "spiffe://example.com/ns/sa/web",
            "spiffe://example.com/ns//sa/web",
            "spiffe://example.com/ns/../sa/web",
            "spiffe://example.com/ns/./sa/web",
            "spiffe://example.com/ns/a%2fb/sa/web",
            "spiffe://example.com/ns/a/b/sa/web",
            "spiffe://example.com/ns/*/sa/web",
            "spiffe://example.com/ns/shop/sa/web/",
            "spiffe://example.com/ns/shop/sa/web/../x",
            "spiffe://example.com/ns/shop/sa/webs",
            "SPIFFE://example.com/ns/shop/sa/web",
            "spiffe://EXAMPLE.com/ns/shop/sa/web",
            "spiffe://evil.com/ns/shop/sa/web",
            "spiffe:/example.com/ns/shop/sa/web",
        ] {
            assert!(!pattern.matches(uri), "{uri}");
        }
        for text in [
            "spiffe://*/ns",
            "*://example.com/",
            "spiffe://example.com/a*",
            "example.com",
        ] {
            assert!(Pattern::uri(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_is_one_label() {
        let pattern = Pattern::dns("*.ops.example.com").unwrap();
        assert!(pattern.matches("a.ops.example.com"));
        for name in [
            "ops.example.com",
            "a.b.ops.example.com",
            ".ops.example.com",
            "*.ops.example.com",
            "a.OPS.example.com",
            "a.ops.example.com.",
            "a.ops.example.com.evil",
        ] {
            assert!(!pattern.matches(name), "{name}");
        }
        for text in ["a*.example.com", "A.example.com", "", "a..b"] {
            assert!(Pattern::dns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pin_is_sixty_four_digits() {
        let plain = "00ff".repeat(16);
        let pairs: Vec<_> = (0..16).flat_map(|_| ["00", "FF"]).collect();
        let expected = pin(&plain).unwrap();
        assert_eq!(expected[..2], [0, 255]);
        assert_eq!(pin(&format!("sha256 {}", pairs.join(":"))), Some(expected));
        for text in [
            "",
            "00",
            &plain[1..],
            &format!("{plain}0"),
            &plain.replace('f', "g"),
        ] {
            assert_eq!(pin(text), None, "{text}");
        }
    }
}
